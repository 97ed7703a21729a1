//! What is wrong with a configuration: where, which key, why, and what was expected.
//!
//! Never holds a password: a mistake about a secret says what is wrong with it and not what it is.

use std::cell::RefCell;
use std::fmt;
use std::path::PathBuf;

/// One thing an operator has to know about the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, such as `account[0].window`; arrays count from 0. Empty when the text is not TOML.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right; may be empty in a warning.
    pub expected: String,
    /// Whether it only deserves attention and the configuration is usable.
    pub warning: bool,
}

/// A configuration that was refused: every mistake and every warning in it, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct Mistakes(pub Vec<Mistake>);

/// Collects what is found while a text is read; offsets become lines and columns at the end.
#[derive(Debug, Default)]
pub(super) struct Ledger(RefCell<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    at: usize,
    key: String,
    what: String,
    expected: String,
    warning: bool,
}

impl Mistakes {
    /// How many of them keep the configuration from being used.
    #[must_use]
    pub fn refusing(&self) -> usize {
        self.0.iter().filter(|mistake| !mistake.warning).count()
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{} ", self.file.display(), self.line, self.column)?;
        if self.warning {
            f.write_str("warning: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        Ok(())
    }
}

impl Ledger {
    /// Records a mistake at an octet of the text.
    pub(super) fn mistake(&self, at: usize, key: &str, what: impl Into<String>, expected: impl Into<String>) {
        self.note(at, key, what.into(), expected.into(), false);
    }

    /// Records something worth a look that does not stop a start.
    pub(super) fn warning(&self, at: usize, key: &str, what: impl Into<String>, expected: impl Into<String>) {
        self.note(at, key, what.into(), expected.into(), true);
    }

    fn note(&self, at: usize, key: &str, what: String, expected: String, warning: bool) {
        self.0.borrow_mut().push(Entry { at, key: key.to_owned(), what, expected, warning });
    }

    /// Everything recorded, in the order of the text.
    pub(super) fn close(self, file: &std::path::Path, text: &str) -> Mistakes {
        let mut entries = self.0.into_inner();
        entries.sort_by_key(|entry| entry.at);
        let place = |entry: Entry| {
            let (line, column) = position(text, entry.at);
            let Entry { key, what, expected, warning, .. } = entry;
            Mistake { file: file.to_owned(), line, column, key, what, expected, warning }
        };
        Mistakes(entries.into_iter().map(place).collect())
    }
}

/// The candidate a person probably meant by `word`, as a half-sentence to append; empty when nothing is near.
pub(super) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!(", did you mean \"{near}\"?"))
}

fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &&str| distance(&word.to_lowercase(), &candidate.to_lowercase());
    let best = candidates.into_iter().min_by_key(near)?;
    let limit = 1 + best.chars().count() / 4;
    (near(&best) <= limit).then_some(best)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![vec![0; right.len() + 1]; left.len() + 1];
    rows[0] = (0..=right.len()).collect();
    for i in 1..=left.len() {
        rows[i][0] = i;
        for j in 1..=right.len() {
            let changed = usize::from(left[i - 1] != right[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[left.len()][right.len()]
}

/// Line and column, both from 1, of an octet of the text.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    let line_start = before.iter().rposition(|octet| *octet == b'\n').map_or(0, |newline| newline + 1);
    let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
    (line, 1 + String::from_utf8_lossy(&before[line_start..]).chars().count())
}

fn lines(mistakes: &[Mistake]) -> String {
    mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let keys = ["system_id", "password", "window", "rate"];
        assert_eq!(did_you_mean("sytem_id", keys), ", did you mean \"system_id\"?");
        assert_eq!(did_you_mean("Window", keys), ", did you mean \"window\"?");
        assert_eq!(did_you_mean("rtae", keys), ", did you mean \"rate\"?");
        assert_eq!(did_you_mean("colour", keys), "");
        assert_eq!(did_you_mean("x", []), "");
    }

    #[test]
    fn positions_count_lines_and_characters() {
        let text = "a = 1\næ = \"ø\" b";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 6), (2, 1));
        assert_eq!(position(text, text.find('b').unwrap()), (2, 9));
        assert_eq!(position(text, 1000), (2, 10));
    }
}
