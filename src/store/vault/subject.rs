//! Whom a search is about: a number of one account's messages, in one spelling.
//!
//! Finds numbers that are the same but for `+`, `00` and punctuation. What is not a number is found as it is written.

use std::fmt;

use crate::message::AccountId;
use crate::store::archive::{ArchiveRecord, PARTY_OCTETS_MAX, Party};

/// A number, and the account in whose messages it is looked for. Personal data, so Debug shows no digit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    account: AccountId,
    spelling: Spelling,
}

/// An address in the spelling that tokens are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelling {
    length: u8,
    octets: [u8; PARTY_OCTETS_MAX],
}

impl Subject {
    /// The subject with this number, as people or protocols write it; `None` for more than 64 octets and for none.
    #[must_use]
    pub fn new(account: AccountId, number: &[u8]) -> Option<Self> {
        let spelling = Spelling::of(number);
        (number.len() <= PARTY_OCTETS_MAX && spelling.length > 0).then_some(Self { account, spelling })
    }

    /// Whose messages are meant.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Whether this address is the subject's.
    #[must_use]
    pub fn is(&self, party: &Party) -> bool {
        Spelling::of(party.octets()) == self.spelling
    }

    /// Whether a record is about the subject: the account's, and from or to the number.
    #[must_use]
    pub fn is_in(&self, record: &ArchiveRecord) -> bool {
        record.account == self.account && (self.is(&record.destination) || self.is(&record.source))
    }

    /// What its token is made of.
    pub(super) fn ending(&self) -> &[u8] {
        self.spelling.ending()
    }
}

impl Spelling {
    /// The digits of a number without `+` or `00` before them and punctuation between them; other octets as they are.
    pub(super) fn of(octets: &[u8]) -> Self {
        let octets = &octets[..octets.len().min(PARTY_OCTETS_MAX)];
        Self::digits(octets).unwrap_or_else(|| Self::copy(octets))
    }

    pub(super) fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// What tokens are made of: of a number, the digits that it ends with in every spelling, national ones too.
    pub(super) fn ending(&self) -> &[u8] {
        let octets = self.octets();
        let is_number = octets.iter().all(u8::is_ascii_digit);
        &octets[if is_number { octets.len().saturating_sub(ENDING) } else { 0 }..]
    }

    fn copy(octets: &[u8]) -> Self {
        let mut copy = Self { length: octets.len() as u8, octets: [0; PARTY_OCTETS_MAX] };
        copy.octets[..octets.len()].copy_from_slice(octets);
        copy
    }

    fn digits(octets: &[u8]) -> Option<Self> {
        let trimmed = octets.trim_ascii();
        let rest = trimmed.strip_prefix(b"+").unwrap_or(trimmed);
        let mut spelling = Self { length: 0, octets: [0; PARTY_OCTETS_MAX] };
        for octet in rest {
            match octet {
                b'0'..=b'9' => {
                    spelling.octets[usize::from(spelling.length)] = *octet;
                    spelling.length += 1;
                }
                b' ' | b'-' | b'.' | b'(' | b')' => {}
                _ => return None,
            }
        }
        match spelling.octets().strip_prefix(b"00") {
            Some(digits) if !digits.is_empty() && rest.len() == trimmed.len() => Some(Self::copy(digits)),
            _ => (spelling.length > 0).then_some(spelling),
        }
    }
}

/// Digits that tokens are made of: no number that belongs to a person has fewer.
const ENDING: usize = 7;

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({:?}, {} octets)", self.account, self.spelling.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_itself_in_every_spelling() {
        let subject = Subject::new(AccountId(3), b"4791234567").expect("a number");
        for same in [&b"4791234567"[..], b"+4791234567", b"004791234567", b"+47 912 34 567", b"47-912.34(567)"] {
            assert!(subject.is(&Party::new(0, 1, same).expect("fits")));
            assert_eq!(Subject::new(AccountId(3), same), Some(subject));
        }
        for other in [&b"4791234568"[..], b"791234567", b"+004791234567", b"", b"shop", b"47912345x"] {
            assert!(!subject.is(&Party::new(0, 1, other).expect("fits")));
        }
        assert_eq!(format!("{subject:?}"), "Subject(AccountId(3), 10 octets)");
    }

    #[test]
    fn tokens_are_made_of_what_all_spellings_end_with() {
        for spelling in [&b"+4791234567"[..], b"004791234567", b"91234567", b"091234567", b"47 912 34 567"] {
            assert_eq!(Spelling::of(spelling).ending(), b"1234567");
        }
        assert_eq!(Spelling::of(b"2440").ending(), b"2440");
        assert_eq!(Spelling::of(b"Shop 24 of Oslo").ending(), b"Shop 24 of Oslo");
    }

    #[test]
    fn what_is_no_number_is_found_as_it_is_written() {
        let subject = Subject::new(AccountId(0), b"Shop 24").expect("a name");
        assert!(subject.is(&Party::new(5, 0, b"Shop 24").expect("fits")));
        assert!(!subject.is(&Party::new(5, 0, b"shop 24").expect("fits")));
        assert!(!subject.is(&Party::new(5, 0, b"24").expect("fits")));
        assert_eq!(Subject::new(AccountId(0), b""), None);
        assert_eq!(Subject::new(AccountId(0), &[b'1'; 65]), None);
        assert!(Subject::new(AccountId(0), b"00").is_some());
    }
}
