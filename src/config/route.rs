//! Routes: what they are for and their carriers, by name; no two for the same messages.

use std::collections::HashMap;

use super::compile::{Desk, count};
use super::cursor::{At, Share};
use super::raw::{Raw, RawRoute};
use crate::pdu::Address;
use crate::policy::route::BadRoutes;
use crate::policy::{
    Account, Carrier, Country, Destinations, Member, Number, OverRate, Prefixes, Rate, Route, Routes, Sender,
    SenderPattern, Tiers, When,
};

/// The country that stands for all that no route names.
const REST: &str = "*";

/// All routes; `None` after a mistake.
pub(super) fn routes(
    desk: &Desk<'_>,
    raw: &Raw,
    carriers: &[Carrier],
    accounts: &[Account],
    numbers: &Prefixes,
) -> Option<Routes> {
    if raw.routes.is_empty() {
        desk.ledger.warning(0, "route", "there is none, so every message is refused", "a table [[route]]");
    }
    let names: Vec<_> = accounts.iter().map(|account| account.system_id.as_str()).collect();
    let list: Vec<_> = raw.routes.iter().map(|route| one(desk, route, carriers, &names, numbers)).collect();
    let overlap = overlap(desk, &raw.routes, &list, &names);
    unused(desk, raw);
    // What names nothing was a mistake above, and the table would refuse it again.
    let is_read = |(raw, route): (&RawRoute, &Route)| {
        is_whole(raw, route) && !route.carriers.is_empty() && route.carriers.is_countable()
    };
    if overlap || !raw.routes.iter().zip(&list).all(is_read) {
        return None;
    }
    let routes = Routes::new(list);
    let routes = match routes {
        Ok(routes) => routes,
        Err(error @ BadRoutes::TooMany) => {
            desk.ledger.mistake(0, "route", error.to_string(), "fewer, or fewer accounts, senders and prefixes");
            return None;
        }
        // What is wrong with one of them was said above.
        Err(_) => return None,
    };
    unreachable(desk, raw, accounts, &routes);
    losers(desk, raw, accounts, &routes, numbers);
    Some(routes)
}

fn one(desk: &Desk<'_>, raw: &RawRoute, carriers: &[Carrier], accounts: &[&str], numbers: &Prefixes) -> Route {
    let words = [("defer", OverRate::Defer), ("throttle", OverRate::Throttle)];
    let over_rate = raw.over_rate.as_ref().and_then(|word| desk.word(&raw.place.key("over_rate"), word, &words));
    if let (Some(word), None) = (&raw.over_rate, &raw.rate) {
        desk.ledger.warning(word.at, &raw.place.key("over_rate"), "has no effect without a rate", "rate = …");
    }
    let destinations = destinations(desk, raw);
    Route {
        when: when(desk, raw, accounts, &destinations, numbers),
        destinations,
        carriers: tiers(desk, raw, carriers),
        rate: raw.rate.map(|rate| Rate::per_second(count(rate))),
        over_rate: over_rate.unwrap_or_default(),
    }
}

fn destinations(desk: &Desk<'_>, raw: &RawRoute) -> Destinations {
    let (key, codes) = (raw.place.key("country"), named(raw.country.as_ref()));
    if raw.country.is_none() {
        return Destinations::Rest;
    }
    if codes.is_empty() {
        desk.ledger.mistake(raw.place.at, &key, "is empty", "at least one country, or \"*\" for the rest");
    }
    let rest = codes.iter().find(|code| code.value == REST);
    if let Some(rest) = rest {
        if codes.len() > 1 {
            desk.ledger.mistake(rest.at, &key, "\"*\" stands beside other countries", "\"*\" in a route of its own");
        }
        return Destinations::Rest;
    }
    Destinations::Countries(codes.iter().filter_map(|code| desk.country(&key, code)).collect())
}

fn when(desk: &Desk<'_>, raw: &RawRoute, accounts: &[&str], destinations: &Destinations, numbers: &Prefixes) -> When {
    let lists = [("accounts", &raw.accounts), ("senders", &raw.senders), ("prefixes", &raw.prefixes)];
    for (key, list) in lists {
        if let Some(list) = list.as_ref().filter(|list| list.value.is_empty()) {
            desk.ledger.mistake(list.at, &raw.place.key(key), "is empty", "at least one; without the key, all");
        }
    }
    let account = |name| desk.position(&raw.place.key("accounts"), name, "an account", accounts);
    let prefix = |text| {
        let prefix = desk.prefix(&raw.place.key("prefixes"), text)?;
        let leads = |country: Country| destinations.names(country) || *destinations == Destinations::Rest;
        if !numbers.countries(prefix.digits()).into_iter().any(leads) {
            let what = format!("\"{}\" begins no number of the route's countries", text.value);
            desk.ledger.mistake(text.at, &raw.place.key("prefixes"), what, "a prefix of these countries");
            return None;
        }
        Some(prefix)
    };
    When {
        accounts: named(raw.accounts.as_ref()).iter().filter_map(account).collect(),
        senders: desk.senders(&raw.place.key("senders"), named(raw.senders.as_ref())),
        prefixes: named(raw.prefixes.as_ref()).iter().filter_map(prefix).collect(),
    }
}

fn tiers(desk: &Desk<'_>, raw: &RawRoute, carriers: &[Carrier]) -> Tiers {
    let key = raw.place.key("carriers");
    let list = shares(raw);
    if raw.carriers.as_ref().is_some_and(|list| list.value.iter().any(Vec::is_empty) || list.value.is_empty()) {
        desk.ledger.mistake(raw.place.at, &key, "is empty", "at least one carrier");
    }
    let names: Vec<_> = list.iter().flatten().map(|share| share.name.clone()).collect();
    // Each of them is known and there once, or a mistake was recorded.
    let mut positions = desk.carriers(&key, &names, carriers).into_iter();
    let mut member = |share: &Share| {
        let weight = share.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(1);
        positions.next().map(|carrier| Member { carrier, weight })
    };
    let tiers = Tiers::new(list.iter().map(|tier| tier.iter().filter_map(&mut member).collect()).collect());
    if !tiers.is_countable() {
        desk.ledger.mistake(raw.place.at, &key, "has too many carriers side by side", "fewer, or one after the other");
    }
    tiers
}

fn shares(raw: &RawRoute) -> &[Vec<Share>] {
    raw.carriers.as_ref().map_or(&[], |list| &list.value)
}

/// What one route is for and no other may be: an account, a sender, and a destination.
type Claim = (Option<u16>, Option<SenderPattern>, String);

/// More claims than this are not looked at: the table refuses them.
const CLAIMS_MAX: usize = 1 << 20;

/// Records everything that stands in two routes; whether there was something.
fn overlap(desk: &Desk<'_>, raws: &[RawRoute], list: &[Route], accounts: &[&str]) -> bool {
    let mut seen: HashMap<Claim, &str> = HashMap::new();
    let (mut found, mut claims) = (false, 0_usize);
    for (raw, route) in raws.iter().zip(list) {
        let (key, each) = if raw.prefixes.is_some() { ("prefixes", "prefix") } else { ("country", "country") };
        if !is_whole(raw, route) {
            // With a mistake in it, it would seem to be for more than it is.
            continue;
        }
        let rest = || vec![At { value: REST.to_owned(), at: raw.place.at }];
        let texts = raw.prefixes.as_ref().or(raw.country.as_ref()).map_or_else(rest, |list| list.value.clone());
        let (own, senders) = (each_or_any(&route.when.accounts), each_or_any(&route.when.senders));
        claims = claims.saturating_add(own.len() * senders.len() * texts.len());
        if claims > CLAIMS_MAX {
            return found;
        }
        for (text, account) in texts.iter().flat_map(|text| own.iter().map(move |account| (text, *account))) {
            for sender in &senders {
                // Countries and prefixes have no character in common.
                let destination = text.value.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
                let Some(first) = seen.insert((account, *sender, destination), &raw.place.path) else { continue };
                let place = if first == raw.place.path { "this route already" } else { first };
                let of = whose(account.and_then(|account| accounts.get(usize::from(account))), *sender);
                let what = format!("\"{}\"{of} is in {place}", text.value);
                desk.ledger.mistake(text.at, &raw.place.key(key), what, format!("each {each} in one route"));
                found = true;
            }
        }
    }
    found
}

/// Whether nothing that it asks for was left out after a mistake.
fn is_whole(raw: &RawRoute, route: &Route) -> bool {
    let When { accounts, senders, prefixes } = &route.when;
    let lists = [(&raw.accounts, accounts.len()), (&raw.senders, senders.len()), (&raw.prefixes, prefixes.len())];
    lists.iter().all(|(written, read)| {
        written.as_ref().is_none_or(|written| written.value.len() == *read && !written.value.is_empty())
    })
}

fn whose(account: Option<&&str>, sender: Option<SenderPattern>) -> String {
    let account = account.map_or_else(String::new, |account| format!(" for {account}"));
    account + &sender.map_or_else(String::new, |sender| format!(" from {sender}"))
}

fn each_or_any<T: Copy>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().copied().map(Some).collect() }
}

/// Warns of carriers that no route names.
fn unused(desk: &Desk<'_>, raw: &Raw) {
    for carrier in &raw.carriers {
        let Some(name) = &carrier.name else { continue };
        let mut routed = raw.routes.iter().flat_map(|route| shares(route).iter().flatten());
        if !routed.any(|share| share.name.value == name.value) {
            let what = format!("\"{}\" is in no route, so nothing is sent to it", name.value);
            desk.ledger.warning(name.at, &carrier.place.key("name"), what, "its name in the carriers of a route");
        }
    }
}

/// Warns of countries that an account may send to and no route leads to.
fn unreachable(desk: &Desk<'_>, raw: &Raw, accounts: &[Account], routes: &Routes) {
    if accounts.is_empty() || routes.list().is_empty() {
        return;
    }
    for (account, position) in raw.accounts.iter().zip(0_u16..) {
        let leads = |route: &Route, country| {
            let is_there = route.destinations.names(country) || route.destinations == Destinations::Rest;
            is_there && (route.when.accounts.is_empty() || route.when.accounts.contains(&position))
        };
        for code in named(account.countries.as_ref()) {
            let country = Country::parse(&code.value);
            if country.is_some_and(|country| !routes.list().iter().any(|route| leads(route, country))) {
                let what = format!("no route leads to \"{}\"", code.value);
                desk.ledger.warning(code.at, &account.place.key("countries"), what, "a route with this country");
            }
        }
    }
}

/// Warns of routes that no message can take, for others are more specific wherever they fit.
fn losers(desk: &Desk<'_>, raw: &Raw, accounts: &[Account], routes: &Routes, numbers: &Prefixes) {
    if !routes.has_rules() || accounts.is_empty() {
        return;
    }
    for ((index, route), raw) in (0_u16..).zip(routes.list()).zip(&raw.routes) {
        if !wins(index, route, accounts, routes, numbers) {
            let what = "never gets a message: wherever it fits, a more specific route does, or nobody may send there";
            desk.ledger.warning(raw.place.at, &raw.place.path, what, "something that it alone asks for");
        }
    }
}

/// Whether there is a message that the route gets.
fn wins(index: u16, route: &Route, accounts: &[Account], routes: &Routes, numbers: &Prefixes) -> bool {
    let When { accounts: own, senders, prefixes } = &route.when;
    let senders: Vec<_> = if senders.is_empty() {
        vec![Sender::of(&Address::default())]
    } else {
        senders.iter().flat_map(examples).collect()
    };
    let fits = |country: &Country| route.destinations.names(*country) || route.destinations == Destinations::Rest;
    let of = |prefix: &Number| {
        let countries = numbers.countries(prefix.digits()).into_iter().filter(fits);
        countries.map(|country| (*prefix, country)).collect::<Vec<_>>()
    };
    let destinations: Vec<(Number, Country)> = if prefixes.is_empty() {
        // A number without digits fits no prefix, so the country alone decides.
        Country::all().filter(fits).map(|country| (Number::default(), country)).collect()
    } else {
        prefixes.iter().flat_map(of).collect()
    };
    let may_send = (0_u16..).zip(accounts).filter(|(position, _)| own.is_empty() || own.contains(position));
    may_send.into_iter().any(|(position, account)| {
        destinations.iter().filter(|(_, country)| account.allows(*country)).any(|(number, country)| {
            let won = |sender| routes.choose(Some(position), sender, number, *country);
            senders.iter().any(|sender| won(sender).is_some_and(|won| won.route == index))
        })
    })
}

/// Senders that a pattern fits: itself, and for a beginning one that nobody names.
fn examples(pattern: &SenderPattern) -> Vec<Sender> {
    let longer = [pattern.octets(), b"~"].concat();
    let texts = if pattern.is_beginning() { vec![pattern.octets(), &longer] } else { vec![pattern.octets()] };
    texts.into_iter().filter_map(|text| Address::new(1, 1, text)).map(|address| Sender::of(&address)).collect()
}

fn named(list: Option<&At<Vec<At<String>>>>) -> &[At<String>] {
    list.map_or(&[], |list| &list.value)
}
