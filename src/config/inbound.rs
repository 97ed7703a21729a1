//! Who gets messages from handsets: numbers, keywords, carriers and accounts by name, and rules that get in each other's way.

use std::collections::BTreeMap;

use super::compile::Desk;
use super::cursor::At;
use super::raw::{Raw, RawAccount, RawInbound};
use crate::policy::inbound::KEYWORD_MAX;
use crate::policy::{Carrier, InboundRule, Inbounds, Keyword, Target};

/// A number, a keyword or none, a carrier or all.
type Selector = (Target, Option<Keyword>, Option<u16>);

/// All rules. What could not be read is left out, after a mistake.
pub(super) fn inbounds(desk: &Desk<'_>, raw: &Raw, carriers: &[Carrier]) -> Inbounds {
    let rules: Vec<_> = raw.inbounds.iter().map(|own| rule(desk, own, carriers, &raw.accounts)).collect();
    conflicts(desk, &raw.inbounds, &rules, carriers);
    Inbounds::new(rules)
}

fn rule(desk: &Desk<'_>, raw: &RawInbound, carriers: &[Carrier], accounts: &[RawAccount]) -> InboundRule {
    let found = list(desk, raw, "carriers", raw.carriers.as_ref(), "carrier; without the key, all of them");
    let account = raw.account.as_ref().and_then(|name| account(desk, &raw.place.key("account"), name, accounts));
    InboundRule {
        to: targets(desk, raw),
        keywords: keywords(desk, raw),
        carriers: desk.carriers(&raw.place.key("carriers"), found, carriers),
        // A rule without an account was a mistake, so nobody ever asks it.
        account: account.unwrap_or_default(),
    }
}

fn list<'a>(
    desk: &Desk<'_>,
    raw: &RawInbound,
    key: &str,
    list: Option<&'a At<Vec<At<String>>>>,
    one: &str,
) -> &'a [At<String>] {
    let Some(list) = list else { return &[] };
    if list.value.is_empty() {
        desk.ledger.mistake(list.at, &raw.place.key(key), "is empty", format!("at least one {one}"));
    }
    &list.value
}

fn targets(desk: &Desk<'_>, raw: &RawInbound) -> Vec<Target> {
    let expected = "a number or short code such as \"4759440000\" or \"2440\", a beginning such as \"4759*\", or \"*\"";
    let read = |text: &At<String>| {
        let target = Target::parse(&text.value);
        if target.is_none() {
            let what = format!("\"{}\" is no number", text.value);
            desk.ledger.mistake(text.at, &raw.place.key("to"), what, expected);
        }
        target
    };
    list(desk, raw, "to", raw.to.as_ref(), "number, or \"*\" for all").iter().filter_map(read).collect()
}

fn keywords(desk: &Desk<'_>, raw: &RawInbound) -> Vec<Keyword> {
    let read = |text: &At<String>| {
        let keyword = Keyword::parse(&text.value);
        if keyword.is_none() {
            let expected = format!("one word of at most {KEYWORD_MAX} characters, without punctuation around it");
            let what = format!("\"{}\" cannot be the first word of a text", text.value);
            desk.ledger.mistake(text.at, &raw.place.key("keywords"), what, expected);
        }
        keyword
    };
    list(desk, raw, "keywords", raw.keywords.as_ref(), "word; without the key, any text")
        .iter()
        .filter_map(read)
        .collect()
}

/// The position of an account by its name, as written: one that cannot be read has its own mistake.
fn account(desk: &Desk<'_>, key: &str, name: &At<String>, accounts: &[RawAccount]) -> Option<u16> {
    let known: Vec<_> =
        accounts.iter().map(|own| own.system_id.as_ref().map_or("", |name| name.value.as_str())).collect();
    desk.position(key, name, "an account", &known)
}

/// Records what stands in two rules, and warns of rules that are never asked or that two may claim.
fn conflicts(desk: &Desk<'_>, raws: &[RawInbound], rules: &[InboundRule], carriers: &[Carrier]) {
    let mut seen: BTreeMap<Selector, usize> = BTreeMap::new();
    for (index, (raw, rule)) in raws.iter().zip(rules).enumerate() {
        for (at, text, selector) in selectors(raw, rule) {
            let Some(first) = seen.get(&selector).copied() else {
                seen.insert(selector, index);
                continue;
            };
            let place = if first == index { "this rule already" } else { raws[first].place.path.as_str() };
            let of = selector.1.as_ref().map_or_else(String::new, |word| format!(" with \"{}\"", word.as_str()));
            let what = format!("\"{text}\"{of} is in {place}");
            let expected = "each number, keyword and carrier in one rule";
            desk.ledger.mistake(at, &raw.place.key("to"), what, expected);
        }
    }
    let claimed = |target: Target, keyword: Option<&Keyword>, carrier: Option<u16>| {
        seen.get(&(target, keyword.cloned(), carrier)).copied()
    };
    for (index, (raw, rule)) in raws.iter().zip(rules).enumerate() {
        for (at, text, (target, keyword, carrier)) in selectors(raw, rule) {
            let numbers = 0..u16::try_from(carriers.len()).unwrap_or(u16::MAX);
            let own_rule = |carrier| claimed(target, keyword.as_ref(), Some(carrier)).is_some();
            if carrier.is_none() && !carriers.is_empty() && numbers.clone().all(own_rule) {
                let what = format!("never leads \"{text}\" anywhere: a rule for each carrier comes first");
                desk.ledger.warning(at, &raw.place.key("to"), what, "a carrier that no other rule names");
            }
            // With the keyword and through the carrier, this one and the one that names the carrier both fit.
            let rival = numbers.filter_map(|carrier| claimed(target, None, Some(carrier)));
            let rival = rival.filter(|other| *other != index && rules[*other].account != rule.account).min();
            if let (Some(word), None, Some(other)) = (&keyword, carrier, rival) {
                let other = &raws[other].place.path;
                let what = format!("\"{text}\" with \"{}\" is for {other} too; the keyword wins", word.as_str());
                desk.ledger.warning(
                    at,
                    &raw.place.key("to"),
                    what,
                    "the carriers of one in the other too, if that is meant",
                );
            }
        }
    }
}

/// Everything a rule is for, each with the place and the spelling of its number.
fn selectors<'a>(raw: &'a RawInbound, rule: &'a InboundRule) -> impl Iterator<Item = (usize, &'a str, Selector)> + 'a {
    let written = raw.to.iter().flat_map(|to| &to.value);
    let targets = written.filter_map(|text| Target::parse(&text.value).map(|target| (text, target)));
    targets.flat_map(move |(text, target)| {
        each_or_any(&rule.keywords).into_iter().flat_map(move |keyword| {
            each_or_any(&rule.carriers)
                .into_iter()
                .map(move |carrier| (text.at, text.value.as_str(), (target, keyword.clone(), carrier)))
        })
    })
}

fn each_or_any<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().cloned().map(Some).collect() }
}
