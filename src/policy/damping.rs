//! Damping of password guessing: each failed bind makes the next one from there wait longer.
//!
//! Counts by peer and account, and more patiently by peer alone, so that trying many names does not help. Keeps a
//! bounded number of entries; delays nobody itself. It sees attempts that were decided: how many a peer may have under
//! way at once is limited where connections are accepted.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::time::Duration;

use super::auth::counted;
use crate::clock::Mono;

/// Most entries kept.
pub const ENTRIES_MAX: usize = 4096;
/// Entries dropped at once when none is expired.
const ROOM: usize = ENTRIES_MAX / 16;

const FIRST: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(60);
/// Failures of one peer, over all accounts, that cost nothing: several clients may share an address.
const PEER_GRACE: u32 = 16;
/// The most a peer waits for what it did to other accounts.
const PEER_CAP: Duration = Duration::from_secs(10);
/// An entry is forgotten this long after its last failure.
const MEMORY: Duration = Duration::from_secs(10 * 60);

/// Who failed. IPv6 peers are counted by their /64, which one subscriber usually has to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attempt {
    peer: u128,
    account: u64,
}

impl Attempt {
    /// An attempt from `peer` at the account whose `system_id` has the hash `account`.
    #[must_use]
    pub fn new(peer: IpAddr, account: u64) -> Self {
        Self { peer: counted(peer), account }
    }
}

/// Key of an entry; `None` counts a peer over all accounts.
type Key = (u128, Option<u64>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    failures: u32,
    blocked_until: Mono,
    forget_at: Mono,
}

/// Failures remembered.
#[derive(Clone, Debug, Default)]
pub struct Damping {
    entries: BTreeMap<Key, Entry>,
}

impl Damping {
    /// How long `attempt` still has to wait; `None` when it may go on.
    #[must_use]
    pub fn before(&self, attempt: Attempt, now: Mono) -> Option<Duration> {
        let wait_us = |key| self.entries.get(&key).map_or(0, |entry| entry.blocked_until.since_us(now));
        let wait_us = wait_us((attempt.peer, Some(attempt.account))).max(wait_us((attempt.peer, None)));
        (wait_us > 0).then(|| Duration::from_micros(wait_us))
    }

    /// The attempt failed: the next one waits at least a second, then twice as long each time, up to a minute.
    pub fn failed(&mut self, attempt: Attempt, now: Mono) {
        self.count((attempt.peer, Some(attempt.account)), 0, CAP, now);
        self.count((attempt.peer, None), PEER_GRACE, PEER_CAP, now);
    }

    /// The attempt succeeded: its failures are forgotten. Those of its peer at other accounts are not.
    pub fn succeeded(&mut self, attempt: Attempt) {
        self.entries.remove(&(attempt.peer, Some(attempt.account)));
    }

    /// Forgets the failures at one account, from all peers.
    pub fn forget(&mut self, account: u64) {
        self.entries.retain(|(_, own), _| *own != Some(account));
    }

    /// Entries kept, expired ones included until something needs their place.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn count(&mut self, key: Key, grace: u32, cap: Duration, now: Mono) {
        if !self.entries.contains_key(&key) && self.entries.len() >= ENTRIES_MAX {
            self.make_room(now);
        }
        let fresh = Entry { failures: 0, blocked_until: now, forget_at: now };
        let entry = self.entries.entry(key).or_insert(fresh);
        if entry.forget_at <= now {
            *entry = fresh;
        }
        entry.failures = entry.failures.saturating_add(1);
        if let Some(doublings) = entry.failures.checked_sub(grace + 1) {
            let delay = FIRST.saturating_mul(1 << doublings.min(16)).min(cap);
            entry.blocked_until = entry.blocked_until.max(now.after(delay));
        }
        entry.forget_at = now.after(MEMORY);
    }

    /// Drops what is expired, or else the entries with the oldest last failures: a few at once, so that a flood of
    /// failures does not pay for a walk each time.
    fn make_room(&mut self, now: Mono) {
        self.entries.retain(|_, entry| entry.forget_at > now);
        if self.entries.len() < ENTRIES_MAX {
            return;
        }
        let mut times: Vec<Mono> = self.entries.values().map(|entry| entry.forget_at).collect();
        let (_, oldest, _) = times.select_nth_unstable(ROOM - 1);
        let mut wanted = ROOM;
        self.entries.retain(|_, entry| {
            let drop = wanted > 0 && entry.forget_at <= *oldest;
            wanted -= usize::from(drop);
            !drop
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(peer: &str, account: u64) -> Attempt {
        Attempt::new(peer.parse().unwrap(), account)
    }

    const fn seconds(count: u64) -> Mono {
        Mono(count * 1_000_000)
    }

    #[test]
    fn delays_double_from_a_second_to_a_minute() {
        let mut damping = Damping::default();
        let guess = attempt("192.0.2.1", 7);
        let mut now = seconds(100);
        assert_eq!(damping.before(guess, now), None);
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            damping.failed(guess, now);
            assert_eq!(damping.before(guess, now), Some(Duration::from_secs(expected)));
            now = now.after(Duration::from_secs(expected));
            assert_eq!(damping.before(guess, now), None);
        }
    }

    #[test]
    fn others_are_not_delayed() {
        let mut damping = Damping::default();
        damping.failed(attempt("192.0.2.1", 7), seconds(1));
        assert_eq!(damping.before(attempt("192.0.2.1", 8), seconds(1)), None);
        assert_eq!(damping.before(attempt("192.0.2.2", 7), seconds(1)), None);
    }

    #[test]
    fn success_and_time_forget() {
        let mut damping = Damping::default();
        let guess = attempt("192.0.2.1", 7);
        damping.failed(guess, seconds(1));
        damping.succeeded(guess);
        assert_eq!(damping.before(guess, seconds(1)), None);
        for _ in 0..5 {
            damping.failed(guess, seconds(1));
        }
        damping.failed(guess, seconds(602));
        assert_eq!(damping.before(guess, seconds(602)), Some(Duration::from_secs(1)));
    }

    #[test]
    fn an_account_is_forgiven_everywhere_and_others_are_not() {
        let mut damping = Damping::default();
        for peer in ["192.0.2.1", "192.0.2.2"] {
            damping.failed(attempt(peer, 7), seconds(1));
            damping.failed(attempt(peer, 8), seconds(1));
        }
        damping.forget(7);
        for peer in ["192.0.2.1", "192.0.2.2"] {
            assert_eq!(damping.before(attempt(peer, 7), seconds(1)), None);
            assert!(damping.before(attempt(peer, 8), seconds(1)).is_some());
        }
    }

    #[test]
    fn many_names_from_one_peer_wait_too_and_success_does_not_reset_that() {
        let mut damping = Damping::default();
        for account in 0..100 {
            damping.failed(attempt("2001:db8::1", account), seconds(1));
        }
        damping.succeeded(attempt("2001:db8::1", 5));
        assert_eq!(damping.before(attempt("2001:db8::2", 1000), seconds(1)), Some(PEER_CAP));
        assert_eq!(damping.before(attempt("2001:db8:0:1::2", 1000), seconds(1)), None);
    }

    #[test]
    fn a_mapped_peer_is_the_same_peer() {
        assert_eq!(attempt("192.0.2.1", 1), attempt("::ffff:192.0.2.1", 1));
        assert_ne!(attempt("192.0.2.1", 1), attempt("192.0.2.2", 1));
    }

    #[test]
    fn the_oldest_give_way_when_full() {
        let mut damping = Damping::default();
        for peer in 0..10_000_u32 {
            damping.failed(Attempt::new(IpAddr::from(peer.to_be_bytes()), 1), Mono(u64::from(peer) + 1));
            assert!(damping.len() <= ENTRIES_MAX);
        }
        assert!(damping.len() > ENTRIES_MAX - ROOM);
        assert!(damping.before(Attempt::new(IpAddr::from(9_999_u32.to_be_bytes()), 1), Mono(1)).is_some());
    }
}
