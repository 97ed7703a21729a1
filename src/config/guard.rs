//! Guards: what of an account's traffic looks artificial.

use std::time::Duration;

use super::compile::{Desk, count};
use super::cursor::{At, Cursor, Place, Span};
use super::raw::Raw;
use crate::policy::{Account, GuardAction, GuardRules};

const WINDOW: Span = Span { least: Duration::from_secs(1), most: Duration::from_secs(24 * 3600), zero: None };
/// First digits of a stretch, unless configured: of most numbers all but the last three or four.
const PREFIX_DIGITS: u8 = 7;
/// The window, unless configured.
const WINDOW_DEFAULT: Duration = Duration::from_secs(600);

/// A `[[guard]]` as it is written.
#[derive(Debug)]
pub(super) struct RawGuard {
    place: Place,
    accounts: Option<At<Vec<At<String>>>>,
    prefix_digits: Option<At<u64>>,
    prefix_limit: Option<At<u64>>,
    window: Option<At<Duration>>,
    sequence: Option<At<u64>>,
    action: Option<At<String>>,
}

impl RawGuard {
    pub(super) fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            place: table.place(),
            accounts: table.texts("accounts"),
            prefix_digits: table.number("prefix_digits", 1, 15),
            prefix_limit: table.number("prefix_limit", 1, 1_000_000),
            window: table.duration("window", &WINDOW),
            sequence: table.number("sequence", 3, 64),
            action: table.text("action"),
        };
        table.finish();
        raw
    }
}

/// Gives each account its guard: the one that names it, else the one for all.
pub(super) fn guards(desk: &Desk<'_>, raw: &Raw, accounts: &mut [Account]) {
    let names: Vec<String> = accounts.iter().map(|account| account.system_id.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut owners: Vec<Option<&Place>> = vec![None; accounts.len()];
    let mut general: Option<(&Place, GuardRules)> = None;
    for own in &raw.guards {
        let rules = rules(desk, own);
        let Some(list) = &own.accounts else {
            if let Some((first, _)) = general {
                let what = format!("is for every account, as {} is", first.path);
                desk.ledger.mistake(own.place.at, &own.place.path, what, "accounts = […] in one of them");
            }
            general = Some((&own.place, rules));
            continue;
        };
        let key = own.place.key("accounts");
        if list.value.is_empty() {
            desk.ledger.mistake(list.at, &key, "is empty", "at least one account; without the key, all");
        }
        for name in &list.value {
            let Some(position) = desk.position(&key, name, "an account", &names).map(usize::from) else { continue };
            if let Some(first) = owners[position] {
                let what = format!("\"{}\" is in {}", name.value, first.path);
                desk.ledger.mistake(name.at, &key, what, "each account in one guard");
            }
            owners[position] = Some(&own.place);
            accounts[position].guard = Some(rules);
        }
    }
    for account in accounts.iter_mut().filter(|account| account.guard.is_none()) {
        account.guard = general.map(|(_, rules)| rules);
    }
}

fn rules(desk: &Desk<'_>, raw: &RawGuard) -> GuardRules {
    let words = [("warn", GuardAction::Warn), ("refuse", GuardAction::Refuse)];
    if raw.prefix_limit.is_none() && raw.sequence.is_none() {
        let expected = "prefix_limit or sequence, or both";
        desk.ledger.mistake(raw.place.at, &raw.place.path, "looks at nothing", expected);
    }
    if let (Some(digits), None) = (raw.prefix_digits, raw.prefix_limit) {
        let key = raw.place.key("prefix_digits");
        desk.ledger.warning(digits.at, &key, "has no effect without a limit", "prefix_limit = …");
    }
    let small = |number: At<u64>| u8::try_from(number.value).unwrap_or(u8::MAX);
    GuardRules {
        prefix_digits: raw.prefix_digits.map_or(PREFIX_DIGITS, small),
        prefix_limit: raw.prefix_limit.map(count),
        window: raw.window.map_or(WINDOW_DEFAULT, |window| window.value),
        sequence: raw.sequence.map(small),
        action: raw
            .action
            .as_ref()
            .and_then(|word| desk.word(&raw.place.key("action"), word, &words))
            .unwrap_or_default(),
    }
}
