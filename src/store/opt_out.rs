//! Numbers that an account must not write to any more, as a store keeps them: a small record each, by account and token,
//! stored with the commit that it belongs to and kept until it is taken away.
//!
//! Knows no number, makes no token, and does not say what follows from an entry: that is the bridge's.

use crate::clock::Unix;
use crate::message::AccountId;

/// Octets of a token.
const TOKEN_OCTETS: usize = 16;
/// Octets of a key as it is stored: account and token, so that an account's entries are neighbours.
const KEY_OCTETS: usize = 2 + TOKEN_OCTETS;
/// Octets of what is known of an entry as it is stored.
const LISTED_OCTETS: usize = 9;

/// Whose list, and which number on it. The order is that of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptOutKey {
    /// The account.
    pub account: AccountId,
    /// Stands for the number within the account.
    pub token: [u8; TOKEN_OCTETS],
}

/// What is known of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Since when it is there.
    pub since: Unix,
    /// How it came there. A value that is not known here is kept.
    pub by: u8,
}

/// An entry of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptOut {
    /// Which.
    pub key: OptOutKey,
    /// Put on the list, in the place of what was known of it; `None`: taken off.
    pub listed: Option<Listed>,
}

impl OptOutKey {
    /// The first key of an account.
    #[must_use]
    pub fn first(account: AccountId) -> Self {
        Self { account, token: [0; TOKEN_OCTETS] }
    }

    /// The key behind this one; `None` behind the last.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let mut octets = self.encode();
        for octet in octets.iter_mut().rev() {
            let (sum, carries) = octet.overflowing_add(1);
            *octet = sum;
            if !carries {
                return Self::decode(&octets);
            }
        }
        None
    }

    /// As it is stored.
    pub(super) fn encode(self) -> [u8; KEY_OCTETS] {
        let mut octets = [0; KEY_OCTETS];
        octets[..2].copy_from_slice(&self.account.0.to_be_bytes());
        octets[2..].copy_from_slice(&self.token);
        octets
    }

    /// `None` for octets that are no key.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let (account, token) = octets.split_at_checked(2)?;
        Some(Self { account: AccountId(u16::from_be_bytes(account.try_into().ok()?)), token: token.try_into().ok()? })
    }
}

impl Listed {
    /// As it is stored.
    pub(super) fn encode(self) -> [u8; LISTED_OCTETS] {
        let mut octets = [0; LISTED_OCTETS];
        octets[..8].copy_from_slice(&self.since.0.to_le_bytes());
        octets[8] = self.by;
        octets
    }

    /// `None` for octets that are something else.
    pub(super) fn decode(octets: &[u8]) -> Option<Self> {
        let (since, by) = octets.split_at_checked(8)?;
        let &[by] = by else { return None };
        Some(Self { since: Unix(u64::from_le_bytes(since.try_into().ok()?)), by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_it_was_written_and_nothing_else_is_one() {
        let key = OptOutKey { account: AccountId(0x0102), token: [7; 16] };
        assert_eq!(key.encode()[..3], [1, 2, 7]);
        assert_eq!(OptOutKey::decode(&key.encode()), Some(key));
        let listed = Listed { since: Unix(1_790_000_000_123), by: 200 };
        assert_eq!(Listed::decode(&listed.encode()), Some(listed));
        for length in [0, 1, 2, 8, 17, 19] {
            assert_eq!(OptOutKey::decode(&vec![0; length]), None, "{length}");
            assert_eq!(Listed::decode(&vec![0; length]), None, "{length}");
        }
    }

    #[test]
    fn the_next_key_is_the_one_behind() {
        let last_of = |account| OptOutKey { account: AccountId(account), token: [0xFF; 16] };
        let first = OptOutKey::first(AccountId(5));
        assert!(first.next().is_some_and(|next| next > first && next.token[15] == 1));
        assert_eq!(last_of(4).next(), Some(first));
        assert_eq!(last_of(u16::MAX).next(), None);
    }
}
