//! What is decided about persons and must outlive a restart, by the token of the number: what is held, what was noted,
//! which erasure is under way, which receipts must find nothing. Part of [`super::Standing`].
//!
//! Holds no number. What people write loses anything that looks like one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::closing::Closing;
use crate::audit::entry;
use crate::clock::Unix;
use crate::policy::Token;

/// Notes kept of one number at most.
const NOTES_MAX: usize = 32;

/// Everything decided about persons. Accounts by name, numbers by token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Persons {
    /// Numbers that are held.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<String, BTreeMap<String, Decided>>,
    /// Corrections that every reading of a number's records shows.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, BTreeMap<String, Vec<Note>>>,
    /// Erasures that were begun and are not done.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub erasing: BTreeMap<String, BTreeMap<String, Decided>>,
    /// Receipts that must find nothing, until when, Unix seconds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub graves: BTreeMap<String, u32>,
    /// Accounts that are closed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub closed: BTreeMap<String, Closing>,
}

/// When something was decided, and on whose instruction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The client's documented instruction.
    pub instruction: String,
}

/// A correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// When it was written, UTC.
    pub at: String,
    /// The client's documented instruction.
    pub instruction: String,
    /// What it says.
    pub text: String,
}

impl Persons {
    /// Whether anything here is found by a token of a number.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        let Self { held, notes, erasing, graves, closed: _ } = self;
        !(held.is_empty() && notes.is_empty() && erasing.is_empty() && graves.is_empty())
    }

    /// Whether the number is held.
    #[must_use]
    pub fn is_held(&self, account: &str, token: Token) -> bool {
        self.held.get(account).is_some_and(|held| held.contains_key(&token.to_string()))
    }

    /// The notes of a number, oldest first.
    #[must_use]
    pub fn notes_of(&self, account: &str, token: Token) -> &[Note] {
        self.notes.get(account).and_then(|notes| notes.get(&token.to_string())).map_or(&[], Vec::as_slice)
    }

    /// Adds a note.
    ///
    /// # Errors
    /// There are as many as may be.
    pub fn note(&mut self, account: &str, token: Token, note: Note) -> Result<(), String> {
        let notes = self.notes.entry(account.to_owned()).or_default().entry(token.to_string()).or_default();
        if notes.len() >= NOTES_MAX {
            return Err(format!("this number has {NOTES_MAX} notes already"));
        }
        let text = entry::without_numbers(&note.text);
        notes.push(Note { text, ..note });
        Ok(())
    }

    /// Adds the receipts of an erasure, and drops those whose time is over.
    pub fn bury(&mut self, graves: &[(Token, u32)], now: Unix) {
        self.graves.retain(|_, until| *until > now.seconds());
        self.graves.extend(graves.iter().map(|(token, until)| (token.to_string(), *until)));
    }

    /// All held numbers: account and token.
    #[must_use]
    pub fn all_held(&self) -> Vec<(String, Token)> {
        pairs(&self.held)
    }

    /// Names of the accounts that are closed.
    #[must_use]
    pub fn all_closed(&self) -> Vec<String> {
        self.closed.keys().cloned().collect()
    }

    /// All erasures under way: account and token.
    #[must_use]
    pub fn all_erasing(&self) -> Vec<(String, Token)> {
        pairs(&self.erasing)
    }

    /// All graves.
    #[must_use]
    pub fn all_graves(&self) -> Vec<(Token, u32)> {
        self.graves.iter().filter_map(|(token, until)| Some((Token::parse(token)?, *until))).collect()
    }
}

fn pairs(decided: &BTreeMap<String, BTreeMap<String, Decided>>) -> Vec<(String, Token)> {
    let tokens = decided.iter().flat_map(|(account, tokens)| tokens.keys().map(move |token| (account, token)));
    tokens.filter_map(|(account, token)| Some((account.clone(), Token::parse(token)?))).collect()
}

/// Removes a number from a table of accounts; whether it was there.
pub(super) fn remove<T>(table: &mut BTreeMap<String, BTreeMap<String, T>>, account: &str, token: Token) -> bool {
    let Some(own) = table.get_mut(account) else { return false };
    let was_there = own.remove(&token.to_string()).is_some();
    if own.is_empty() {
        table.remove(account);
    }
    was_there
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::AccountId;
    use crate::policy::{Number, TokenKey};

    fn token(number: &str) -> Token {
        TokenKey::new(&[7; 32]).number(AccountId(0), &Number::international(number).unwrap())
    }

    #[test]
    fn what_was_decided_is_found_by_account_and_number() {
        let (mut persons, one, two) = (Persons::default(), token("4791234567"), token("4791234568"));
        assert!(!persons.has_tokens());
        persons.held.entry("acme".into()).or_default().insert(one.to_string(), Decided::default());
        assert!(persons.is_held("acme", one) && !persons.is_held("acme", two) && !persons.is_held("other", one));
        assert_eq!(persons.all_held(), [("acme".to_owned(), one)]);
        assert!(persons.has_tokens());
        assert!(!remove(&mut persons.held, "other", one) && !remove(&mut persons.held, "acme", two));
        assert!(remove(&mut persons.held, "acme", one) && persons == Persons::default());
        for number in 0..NOTES_MAX {
            let text = format!("note {number}: moved to +47 912 34 567");
            let note = Note { at: String::new(), instruction: String::new(), text };
            persons.note("acme", one, note).unwrap();
        }
        let note = Note { at: String::new(), instruction: String::new(), text: String::new() };
        assert!(persons.note("acme", one, note).is_err());
        assert_eq!(persons.notes_of("acme", one)[3].text, "note 3: moved to [number]");
        assert!(persons.notes_of("acme", two).is_empty());
        persons.bury(&[(one, 5), (two, 900)], Unix(0));
        persons.bury(&[], Unix(6_000));
        assert_eq!(persons.all_graves(), [(two, 900)]);
    }
}
