//! A table of the file while it is being read: each key is taken once, and what nobody took is a mistake.
//!
//! Reads every key even after a mistake, so that one run finds them all. Knows TOML types, not what the keys mean.

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::mistake::{Ledger, did_you_mean};
use super::secret::Secret;
use crate::clock::Unix;

/// What a date looks like.
const DATE: &str = "a date, such as 2026-12-31";

/// A value and the octet of the text where it starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: usize,
}

/// A table by offset and path, for mistakes found after reading.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) path: String,
}

impl Place {
    /// The path of a key of this table.
    pub(super) fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A name, and its weight where one is written.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) name: At<String>,
    pub(super) weight: Option<u64>,
}

/// One table and the mistakes found so far.
pub(super) struct Cursor<'a> {
    /// `None` for a table that the file leaves out.
    table: Option<&'a DeTable<'a>>,
    /// Path of the table, `account[0]`; empty at the top.
    path: String,
    /// Where the table starts.
    at: usize,
    ledger: &'a Ledger,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Cursor<'a> {
    /// The file itself.
    pub(super) fn top(table: &'a DeTable<'a>, ledger: &'a Ledger) -> Self {
        Self { table: Some(table), path: String::new(), at: 0, ledger, asked: RefCell::default() }
    }

    /// Where the table is.
    pub(super) fn place(&self) -> Place {
        Place { at: self.at, path: self.path.clone() }
    }

    /// The sub-table of this key; an empty one when the file leaves it out.
    pub(super) fn table(&self, key: &'static str) -> Self {
        let (table, at) = match self.take(key) {
            None => (None, self.at),
            Some(value) => match value.get_ref() {
                DeValue::Table(table) => (Some(table), value.span().start),
                other => {
                    self.mismatch(key, value.span().start, other, &format!("a table: [{}]", self.path_of(key)));
                    (None, value.span().start)
                }
            },
        };
        Self { table, path: self.path_of(key), at, ledger: self.ledger, asked: RefCell::default() }
    }

    /// Whether the file has this table.
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Self> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let expected = format!("tables, each under its own [[{}]]", self.path_of(key));
        let DeValue::Array(items) = value.get_ref() else {
            self.mismatch(key, value.span().start, value.get_ref(), &expected);
            return Vec::new();
        };
        let mut cursors = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (path, at) = (format!("{}[{index}]", self.path_of(key)), item.span().start);
            match item.get_ref() {
                DeValue::Table(table) => {
                    cursors.push(Self { table: Some(table), path, at, ledger: self.ledger, asked: RefCell::default() });
                }
                other => self.mismatch(key, at, other, &expected),
            }
        }
        cursors
    }

    /// A text.
    pub(super) fn text(&self, key: &'static str) -> Option<At<String>> {
        let value = self.take(key)?;
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), at }),
            other => {
                self.mismatch(key, at, other, "a text in quotes");
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn needed_text(&self, key: &'static str, expected: &str) -> Option<At<String>> {
        self.require(key, expected);
        self.text(key)
    }

    /// A text that nobody may see. A mistake about it does not repeat it.
    pub(super) fn secret(&self, key: &'static str) -> Option<At<Secret>> {
        self.text(key).map(|text| At { value: Secret::new(text.value), at: text.at })
    }

    /// Texts, or a single text for a list of one.
    pub(super) fn texts(&self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        let value = self.take(key)?;
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: vec![At { value: text.to_string(), at }], at }),
            DeValue::Array(items) => {
                let mut texts = Vec::new();
                for item in items.iter() {
                    let at = item.span().start;
                    match item.get_ref() {
                        DeValue::String(text) => texts.push(At { value: text.to_string(), at }),
                        other => self.mismatch(key, at, other, "texts in quotes"),
                    }
                }
                Some(At { value: texts, at })
            }
            other => {
                self.mismatch(key, at, other, "a list of texts, such as [\"…\", \"…\"]");
                None
            }
        }
    }

    /// Texts, and among them tables of texts with a number each, such as `[{ a = 3, b = 1 }, "c"]`; or a single text.
    pub(super) fn shares(&self, key: &'static str, least: u64, most: u64) -> Option<At<Vec<Vec<Share>>>> {
        let value = self.take(key)?;
        let at = value.span().start;
        let one = |value: &Spanned<DeValue<'_>>| -> Option<Vec<Share>> {
            let at = value.span().start;
            match value.get_ref() {
                DeValue::String(text) => Some(vec![Share { name: At { value: text.to_string(), at }, weight: None }]),
                DeValue::Table(table) => {
                    let mut shares: Vec<_> = table.iter().filter_map(|own| self.share(key, own, least, most)).collect();
                    shares.sort_by_key(|share| share.name.at);
                    Some(shares)
                }
                other => {
                    self.mismatch(key, at, other, "texts in quotes, and tables such as { a = 3, b = 1 }");
                    None
                }
            }
        };
        match value.get_ref() {
            DeValue::Array(items) => Some(At { value: items.iter().filter_map(one).collect(), at }),
            _ => Some(At { value: one(value).into_iter().collect(), at }),
        }
    }

    fn share(
        &self,
        key: &'static str,
        (name, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>),
        least: u64,
        most: u64,
    ) -> Option<Share> {
        let weight = self.whole(key, value, least, most)?;
        Some(Share {
            name: At { value: name.get_ref().to_string(), at: name.span().start },
            weight: Some(weight.value),
        })
    }

    /// A whole number between `least` and `most`.
    pub(super) fn number(&self, key: &'static str, least: u64, most: u64) -> Option<At<u64>> {
        self.whole(key, self.take(key)?, least, most)
    }

    fn whole(&self, key: &'static str, value: &Spanned<DeValue<'_>>, least: u64, most: u64) -> Option<At<u64>> {
        let at = value.span().start;
        let expected = format!("a whole number from {least} to {most}");
        match value.get_ref() {
            DeValue::Integer(integer) => {
                let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
                match number.filter(|number| (least..=most).contains(number)) {
                    Some(value) => Some(At { value, at }),
                    None => {
                        self.mistake(key, at, format!("{} is out of range", integer.as_str()), expected);
                        None
                    }
                }
            }
            other => {
                self.mismatch(key, at, other, &expected);
                None
            }
        }
    }

    /// A table of texts by names that are not known here.
    pub(super) fn pairs(&self, key: &'static str, expected: &str) -> Vec<(At<String>, At<String>)> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            self.mismatch(key, value.span().start, value.get_ref(), expected);
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, value) in table {
            let name = At { value: name.get_ref().to_string(), at: name.span().start };
            match value.get_ref() {
                DeValue::String(text) => pairs.push((name, At { value: text.to_string(), at: value.span().start })),
                other => self.mismatch(key, value.span().start, other, expected),
            }
        }
        pairs
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str) -> Option<At<bool>> {
        let value = self.take(key)?;
        let at = value.span().start;
        match value.get_ref() {
            DeValue::Boolean(value) => Some(At { value: *value, at }),
            other => {
                self.mismatch(key, at, other, "true or false");
                None
            }
        }
    }

    /// A duration with its unit, `"30s"`.
    pub(super) fn duration(&self, key: &'static str, span: &Span) -> Option<At<Duration>> {
        let value = self.take(key)?;
        let at = value.span().start;
        let DeValue::String(text) = value.get_ref() else {
            self.mismatch(key, at, value.get_ref(), &span.to_string());
            return None;
        };
        let what = match humantime::parse_duration(text) {
            Ok(value) if span.contains(value) => return Some(At { value, at }),
            Ok(_) => format!("\"{text}\" is out of range"),
            Err(_) => format!("\"{text}\" is no duration"),
        };
        self.mistake(key, at, what, span.to_string());
        None
    }

    /// The beginning of a day in UTC: a date of TOML, or one in quotes.
    pub(super) fn date(&self, key: &'static str) -> Option<At<Unix>> {
        let value = self.take(key)?;
        let at = value.span().start;
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            other => {
                self.mismatch(key, at, other, DATE);
                return None;
            }
        };
        match Unix::of_date(&text) {
            Some(value) => Some(At { value, at }),
            None => {
                self.mistake(key, at, format!("\"{text}\" is no date"), DATE);
                None
            }
        }
    }

    /// Records that a key is needed when the file leaves it out.
    pub(super) fn require(&self, key: &'static str, expected: &str) {
        if self.table.is_none_or(|table| !table.contains_key(key)) {
            self.mistake(key, self.at, "is missing", expected);
        }
    }

    /// Records a mistake about a key of this table.
    pub(super) fn mistake(&self, key: &str, at: usize, what: impl Into<String>, expected: impl Into<String>) {
        self.ledger.mistake(at, &self.path_of(key), what, expected);
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Records every key that nobody asked for; returns the keys that were asked for.
    pub(super) fn finish(self) -> Vec<&'static str> {
        let asked = self.asked.borrow().clone();
        for key in self.table.iter().flat_map(|table| table.keys()) {
            let name = key.get_ref().as_ref();
            if !asked.contains(&name) {
                let near = did_you_mean(name, asked.iter().copied());
                self.mistake(name, key.span().start, format!("unknown key{near}"), one_of(&asked));
            }
        }
        asked
    }

    fn take(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
        self.table?.get(key)
    }

    fn mismatch(&self, key: &str, at: usize, value: &DeValue<'_>, expected: &str) {
        self.mistake(key, at, format!("is {}", kind(value)), expected);
    }
}

/// Which durations a key takes.
pub(super) struct Span {
    pub(super) least: Duration,
    pub(super) most: Duration,
    /// What zero means, where zero is allowed.
    pub(super) zero: Option<&'static str>,
}

impl Span {
    fn contains(&self, duration: Duration) -> bool {
        (self.zero.is_some() && duration.is_zero()) || (self.least..=self.most).contains(&duration)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (humantime::format_duration(self.least), humantime::format_duration(self.most));
        write!(f, "a duration with its unit (ms, s, m, h, d) from \"{least}\" to \"{most}\"")?;
        match self.zero {
            Some(meaning) => write!(f, ", or \"0s\" for {meaning}"),
            None => Ok(()),
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number without quotes",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `"a", "b" or "c"` without the quotes.
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
