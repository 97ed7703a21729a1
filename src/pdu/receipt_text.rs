//! The text of a delivery receipt: finding its keys in any order and spelling, and reading their values.
//! SMPP 3.4 Appendix B, which calls the form vendor specific; vendors agree.
//!
//! A value that cannot be read is absent, never a fault.

use super::civil;
use super::field::{position, until_nul};
use crate::clock::Unix;

/// Words of `stat`, by the number of the state; each has seven letters.
const WORDS: [&[u8; 7]; 9] =
    [b"UNKNOWN", b"ENROUTE", b"DELIVRD", b"EXPIRED", b"DELETED", b"UNDELIV", b"ACCEPTD", b"UNKNOWN", b"REJECTD"];

/// The `stat` word of a state; UNKNOWN outside 1–8.
pub(super) fn word(state: u8) -> &'static [u8; 7] {
    WORDS.get(usize::from(state)).unwrap_or(&WORDS[0])
}

/// The values of the keys, trimmed; empty where a key is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys<'a> {
    pub(super) id: &'a [u8],
    pub(super) submit_date: &'a [u8],
    pub(super) done_date: &'a [u8],
    pub(super) stat: &'a [u8],
    pub(super) err: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Id,
    SubmitDate,
    DoneDate,
    Stat,
    Err,
    /// `sub` and `dlvrd`: they end the value before them, and their own is of no use.
    Count,
    Text,
}

impl<'a> Keys<'a> {
    /// Finds the keys before `text`; the first of each counts, and a value runs to the next key.
    pub(super) fn find(text: &'a [u8]) -> Self {
        let mut keys = Self::default();
        let mut open = None;
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| position(rest, b':')) {
            let colon = from + at;
            // A key cannot reach back over the colon of the key before it.
            if let Some((key, length)) = key_before(&text[from..colon]) {
                let start = colon - length;
                keys.close(open, text.get(from_of(open)..start));
                open = Some((key, colon + 1));
                if key == Key::Text {
                    return keys;
                }
            }
            from = colon + 1;
        }
        keys.close(open, text.get(from_of(open)..));
        keys
    }

    fn close(&mut self, open: Option<(Key, usize)>, value: Option<&'a [u8]>) {
        let (Some((key, _)), Some(value)) = (open, value) else { return };
        let slot = match key {
            Key::Id => &mut self.id,
            Key::SubmitDate => &mut self.submit_date,
            Key::DoneDate => &mut self.done_date,
            Key::Stat => &mut self.stat,
            Key::Err => &mut self.err,
            Key::Count | Key::Text => return,
        };
        if slot.is_empty() {
            *slot = trimmed(value);
        }
    }
}

fn from_of(open: Option<(Key, usize)>) -> usize {
    open.map_or(0, |(_, from)| from)
}

fn is_separator(octet: u8) -> bool {
    octet.is_ascii_whitespace() || matches!(octet, b',' | b';' | b'|')
}

/// The key that ends `before`, spaces after it allowed, and how many octets from its start to the end of `before`.
fn key_before(before: &[u8]) -> Option<(Key, usize)> {
    let word = trimmed_end(before);
    // The last letter tells which keys there can be.
    let (key, start) = match word.last()?.to_ascii_lowercase() {
        b'd' => start_of(word, b"id")
            .map(|start| (Key::Id, start))
            .or_else(|| start_of(word, b"dlvrd").map(|start| (Key::Count, start))),
        b'b' => start_of(word, b"sub").map(|start| (Key::Count, start)),
        b'r' => start_of(word, b"err").map(|start| (Key::Err, start)),
        b't' => start_of(word, b"stat")
            .map(|start| (Key::Stat, start))
            .or_else(|| start_of(word, b"text").map(|start| (Key::Text, start))),
        b'e' => {
            // "submit date", "submit_date" and "submitdate".
            let which = without(word, b"date")?;
            let which = trimmed_end(which.strip_suffix(b"_").unwrap_or(which));
            start_of(which, b"submit")
                .map(|start| (Key::SubmitDate, start))
                .or_else(|| start_of(which, b"done").map(|start| (Key::DoneDate, start)))
        }
        _ => None,
    }?;
    Some((key, before.len() - start))
}

/// `octets` without `name` at its end, in any case.
fn without<'a>(octets: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (rest, end) = octets.split_at_checked(octets.len().checked_sub(name.len())?)?;
    end.eq_ignore_ascii_case(name).then_some(rest)
}

/// Where the word `name` starts that ends `octets`.
fn start_of(octets: &[u8], name: &[u8]) -> Option<usize> {
    let rest = without(octets, name)?;
    rest.last().is_none_or(|octet| is_separator(*octet)).then_some(rest.len())
}

fn trimmed_end(mut value: &[u8]) -> &[u8] {
    while let [rest @ .., last] = value
        && is_separator(*last)
    {
        value = rest;
    }
    value
}

/// Without separators and NULs around it, and without anything after a NUL.
pub(super) fn trimmed(value: &[u8]) -> &[u8] {
    let mut value = until_nul(value);
    while let [first, rest @ ..] = value
        && is_separator(*first)
    {
        value = rest;
    }
    trimmed_end(value)
}

/// The state a `stat` word means, by its first five letters; UNKNOWN for a word nobody lists, `None` without a word.
pub(super) fn state(stat: &[u8]) -> Option<u8> {
    if stat.is_empty() {
        return None;
    }
    let mut head = [0; 5];
    for (letter, octet) in head.iter_mut().zip(stat) {
        *letter = octet.to_ascii_uppercase();
    }
    Some(match &head {
        b"ENROU" | b"BUFFR" | b"BUFFE" | b"SENT\0" | b"QUEUE" | b"SCHED" => 1,
        b"DELIV" => 2,
        b"EXPIR" => 3,
        b"DELET" | b"CANCE" => 4,
        b"UNDEL" | b"FAILE" | b"SKIPP" => 5,
        b"ACCEP" | b"ACKED" => 6,
        b"REJEC" => 8,
        _ => 7,
    })
}

/// Decimal digits only.
pub(super) fn number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u16, |value, octet| match octet {
        b'0'..=b'9' => value.checked_mul(10)?.checked_add(u16::from(octet - b'0')),
        _ => None,
    })
}

/// `YYMMDDhhmm`, `YYMMDDhhmmss`, `YYYYMMDDhhmm` or `YYYYMMDDhhmmss`, read as UTC.
pub(super) fn date(digits: &[u8]) -> Option<Unix> {
    let pair = |index: usize| civil::pair(digits, index * 2);
    let short =
        |second: i32| civil::instant(civil::century(pair(0)?), [pair(1)?, pair(2)?, pair(3)?, pair(4)?, second]);
    let long =
        |second: i32| civil::instant(pair(0)? * 100 + pair(1)?, [pair(2)?, pair(3)?, pair(4)?, pair(5)?, second]);
    let seconds = match digits.len() {
        10 => short(0),
        12 => pair(5).and_then(short).or_else(|| long(0)),
        14 => pair(6).and_then(long),
        _ => None,
    }?;
    u64::try_from(seconds).ok().map(|seconds| Unix(seconds * 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_order_and_spelling() {
        let keys = Keys::find(b"STAT : DELIVRD; Done_Date:2601021531|id:a:b submit  date:x err:007 text:stat:EXPIRED");
        assert_eq!(keys.id, b"a:b");
        assert_eq!((keys.stat, keys.done_date), (&b"DELIVRD"[..], &b"2601021531"[..]));
        assert_eq!((keys.submit_date, keys.err), (&b"x"[..], &b"007"[..]));
        assert_eq!(Keys::find(b"id:1 id:2 stat:A").id, b"1");
        assert_eq!(Keys::find(b"grid:1 date:2 substat:x"), Keys::default());
    }

    #[test]
    fn words_of_every_spelling_have_a_state() {
        for number in 1..=8 {
            assert_eq!(state(word(number)), Some(number));
        }
        let of = |word: &str| state(word.as_bytes());
        assert_eq!(["buffered", "SENT", "SENTRY", "Undeliverable", "Failed", "acked"].map(of), {
            [Some(1), Some(1), Some(7), Some(5), Some(5), Some(6)]
        });
        assert_eq!(of(""), None);
    }

    #[test]
    fn dates_of_ten_to_fourteen_digits_are_read() {
        let of = |digits: &str| date(digits.as_bytes()).map(|at| at.0 / 1_000);
        let minute = of("2601021530");
        assert_eq!(minute, Some(1_767_367_800));
        assert_eq!([of("202601021530"), of("20260102153000"), of("260102153000")], [minute; 3]);
        assert_eq!([of(""), of("2613021530"), of("26010215"), of("26010215xx")], [None; 4]);
    }
}
