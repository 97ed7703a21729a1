//! The lists of those who want no more messages of an account: the keys of `[[account]]` about them, read and compiled.

use super::compile::Desk;
use super::cursor::{At, Cursor, Place};
use super::raw::Raw;
use crate::policy::inbound::KEYWORD_MAX;
use crate::policy::{Keyword, OptOutWords, opt_out};

/// The keys as written.
#[derive(Debug)]
pub(super) struct RawOptOut {
    is_kept: Option<At<bool>>,
    out: Option<At<Vec<At<String>>>>,
    back: Option<At<Vec<At<String>>>>,
}

impl RawOptOut {
    /// Reads them from the table of their account.
    pub(super) fn read(table: &Cursor<'_>) -> Self {
        Self { is_kept: table.flag("opt_out"), out: table.texts("opt_out_words"), back: table.texts("opt_in_words") }
    }

    fn is_kept(&self) -> bool {
        self.is_kept.is_some_and(|flag| flag.value)
    }
}

/// What the account at `place` listens to; `None` where it keeps no list.
pub(super) fn words(desk: &Desk<'_>, place: &Place, raw: &RawOptOut) -> Option<Box<OptOutWords>> {
    let lists = [("opt_out_words", raw.out.as_ref()), ("opt_in_words", raw.back.as_ref())];
    if !raw.is_kept() {
        for (key, list) in lists {
            if let Some(list) = list {
                let expected = "opt_out = true beside it, or no such key";
                desk.ledger.mistake(list.at, &place.key(key), "names words, and no list is kept", expected);
            }
        }
        return None;
    }
    if let Some(out) = raw.out.as_ref().filter(|out| out.value.is_empty()) {
        let expected = "at least one word; without the key, \"STOP\" and such";
        desk.ledger.mistake(out.at, &place.key("opt_out_words"), "is empty, so no handset could opt out", expected);
    }
    let [out, back] = [(lists[0], &opt_out::OUT_WORDS[..]), (lists[1], &opt_out::IN_WORDS[..])]
        .map(|((key, list), usual)| keywords(desk, &place.key(key), list, usual));
    if let (Some(written), Some(both)) =
        (raw.back.as_ref().or(raw.out.as_ref()), out.iter().find(|own| back.contains(own)))
    {
        let what = format!("\"{}\" would opt out and in", both.as_str());
        desk.ledger.mistake(written.at, &place.key("opt_in_words"), what, "words that are not in opt_out_words");
    }
    Some(Box::new(OptOutWords::new(out, back)))
}

/// The words of a list, or the usual ones where there is none.
fn keywords(desk: &Desk<'_>, key: &str, list: Option<&At<Vec<At<String>>>>, usual: &[&str]) -> Vec<Keyword> {
    let Some(list) = list else { return usual.iter().filter_map(|word| Keyword::parse(word)).collect() };
    let read = |text: &At<String>| {
        let keyword = Keyword::parse(&text.value);
        if keyword.is_none() {
            let expected = format!("one word of at most {KEYWORD_MAX} characters, without punctuation around it");
            desk.ledger.mistake(text.at, key, format!("\"{}\" is no word", text.value), expected);
        }
        keyword
    };
    list.value.iter().filter_map(read).collect()
}

/// Warns of accounts whose handsets nobody hears.
pub(super) fn unheard(desk: &Desk<'_>, raw: &Raw) {
    for account in raw.accounts.iter().filter(|account| account.opt_out.is_kept()) {
        let name = account.system_id.as_ref().map(|name| name.value.as_str());
        let is_reached = raw.inbounds.iter().any(|rule| rule.account.as_ref().map(|own| own.value.as_str()) == name);
        if !is_reached && let Some(flag) = &account.opt_out.is_kept {
            let what = "is kept, and no [[inbound]] leads a message from a handset to the account";
            let expected = "a rule in [[inbound]], unless only operators change the list";
            desk.ledger.warning(flag.at, &account.place.key("opt_out"), what, expected);
        }
    }
}
