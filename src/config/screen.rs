//! Screens: who may send what, by lists of senders, numbers and words.

use super::compile::Desk;
use super::cursor::{At, Cursor, Place};
use super::raw::Raw;
use crate::policy::screen::WORD_MAX;
use crate::policy::{Account, ScreenRule, Screens, SenderKind, Word};

/// Most entries of a list.
const ENTRIES_MAX: usize = 100_000;

/// A `[[screen]]` as it is written.
#[derive(Debug)]
pub(super) struct RawScreen {
    place: Place,
    accounts: Option<At<Vec<At<String>>>>,
    country: Option<At<Vec<At<String>>>>,
    senders: Option<At<Vec<At<String>>>>,
    sender_kinds: Option<At<Vec<At<String>>>>,
    block_senders: Option<At<Vec<At<String>>>>,
    block_prefixes: Option<At<Vec<At<String>>>>,
    block_words: Option<At<Vec<At<String>>>>,
}

impl RawScreen {
    pub(super) fn read(table: Cursor<'_>) -> Self {
        let raw = Self {
            place: table.place(),
            accounts: table.texts("accounts"),
            country: table.texts("country"),
            senders: table.texts("senders"),
            sender_kinds: table.texts("sender_kinds"),
            block_senders: table.texts("block_senders"),
            block_prefixes: table.texts("block_prefixes"),
            block_words: table.texts("block_words"),
        };
        table.finish();
        raw
    }
}

/// All screens. What could not be read is left out, after a mistake.
pub(super) fn screens(desk: &Desk<'_>, raw: &Raw, accounts: &[Account]) -> Screens {
    let names: Vec<_> = accounts.iter().map(|account| account.system_id.as_str()).collect();
    Screens::new(raw.screens.iter().map(|own| rule(desk, own, &names)).collect())
}

fn rule(desk: &Desk<'_>, raw: &RawScreen, accounts: &[&str]) -> ScreenRule {
    let asked = [&raw.senders, &raw.sender_kinds, &raw.block_senders, &raw.block_prefixes, &raw.block_words];
    if asked.iter().all(|list| list.is_none()) {
        let expected = "senders, sender_kinds, block_senders, block_prefixes or block_words";
        desk.ledger.mistake(raw.place.at, &raw.place.path, "asks for nothing", expected);
    }
    let list = |key: &str, list: &'_ Option<At<Vec<At<String>>>>| {
        let Some(list) = list else { return Vec::new() };
        if list.value.is_empty() || list.value.len() > ENTRIES_MAX {
            let what = format!("has {} entries", list.value.len());
            desk.ledger.mistake(list.at, &raw.place.key(key), what, format!("1 to {ENTRIES_MAX}; or no such key"));
        }
        list.value.clone()
    };
    let account = |name| desk.position(&raw.place.key("accounts"), name, "an account", accounts);
    let kinds = SenderKind::ALL.map(|kind| (kind.as_str(), kind));
    ScreenRule {
        accounts: list("accounts", &raw.accounts).iter().filter_map(account).collect(),
        countries: list("country", &raw.country)
            .iter()
            .filter_map(|code| desk.country(&raw.place.key("country"), code))
            .collect(),
        senders: desk.senders(&raw.place.key("senders"), &list("senders", &raw.senders)),
        kinds: list("sender_kinds", &raw.sender_kinds)
            .iter()
            .filter_map(|word| desk.word(&raw.place.key("sender_kinds"), word, &kinds))
            .collect(),
        block_senders: desk.senders(&raw.place.key("block_senders"), &list("block_senders", &raw.block_senders)),
        block_prefixes: list("block_prefixes", &raw.block_prefixes)
            .iter()
            .filter_map(|text| desk.prefix(&raw.place.key("block_prefixes"), text))
            .collect(),
        block_words: list("block_words", &raw.block_words).iter().filter_map(|text| word(desk, raw, text)).collect(),
    }
}

fn word(desk: &Desk<'_>, raw: &RawScreen, text: &At<String>) -> Option<Word> {
    let word = Word::parse(&text.value);
    if word.is_none() {
        let what = format!("\"{}\" can be no word of a text", text.value);
        let expected = format!("one word of at most {WORD_MAX} octets, without punctuation around it, or \"casino*\"");
        desk.ledger.mistake(text.at, &raw.place.key("block_words"), what, expected);
    }
    word
}
