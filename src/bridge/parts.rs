//! Where the parts of long messages from handsets went: only the first one holds the keyword that names the account.
//!
//! Lives in memory and is bounded; after a restart it knows what the journal still holds. Parts it does not know go by
//! their number alone, after a while in which the first one may come.

use std::collections::VecDeque;
use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use crate::clock::{Mono, Now, Unix};
use crate::limits;
use crate::message::AccountId;
use crate::pdu::{Part, Sm};

/// Where a later part goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To the account that got the first part.
    With(AccountId),
    /// Nowhere yet: the first part may be on its way.
    Early,
    /// By its number: the first part did not come.
    Alone,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// `None` while only later parts came.
    account: Option<AccountId>,
    since: Mono,
}

/// The parts.
#[derive(Debug)]
pub(super) struct Parts {
    known: FxHashMap<u64, Known>,
    /// Keys in the order of their `since`; one that was remembered anew is there again.
    order: VecDeque<(Mono, u64)>,
    replayed: VecDeque<(u64, AccountId, Unix)>,
    seed: u64,
}

impl Parts {
    /// `seed` keeps peers from choosing colliding keys.
    pub(super) fn new(seed: u64) -> Self {
        Self { known: FxHashMap::default(), order: VecDeque::new(), replayed: VecDeque::new(), seed }
    }

    /// What the parts of one message share: carrier, both addresses, reference and number of parts.
    pub(super) fn key(&self, carrier: u16, sm: &Sm<'_>, part: Part) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.seed);
        hasher.write_u16(carrier);
        for address in [&sm.source, &sm.destination] {
            hasher.write(address.octets());
            hasher.write_u8(0);
        }
        hasher.write_u16(part.reference);
        hasher.write_u8(part.total);
        hasher.finish()
    }

    /// Where a later part goes.
    pub(super) fn place(&mut self, key: u64, now: Mono) -> Place {
        self.forget_old(now);
        match self.known.get(&key) {
            Some(Known { account: Some(account), .. }) => Place::With(*account),
            Some(known) if now.since_us(known.since) >= limits::PART_PATIENCE_US => Place::Alone,
            Some(_) => Place::Early,
            None => {
                self.insert(key, None, now);
                Place::Early
            }
        }
    }

    /// The first part went to this account.
    pub(super) fn remember(&mut self, key: u64, account: AccountId, now: Mono) {
        self.forget_old(now);
        self.insert(key, Some(account), now);
    }

    /// A part that the journal holds, first or later.
    pub(super) fn replayed(&mut self, key: u64, account: AccountId, received: Unix) {
        if self.replayed.len() >= limits::PARTS_MAX {
            self.replayed.pop_front();
        }
        self.replayed.push_back((key, account, received));
    }

    /// The replay is over: what is not too old is known again, for its full time.
    pub(super) fn rearm(&mut self, now: Now) {
        for (key, account, received) in std::mem::take(&mut self.replayed) {
            if now.unix.0.saturating_sub(received.0) < limits::PARTS_US / 1000 {
                self.insert(key, Some(account), now.mono);
            }
        }
    }

    fn insert(&mut self, key: u64, account: Option<AccountId>, now: Mono) {
        self.known.insert(key, Known { account, since: now });
        self.order.push_back((now, key));
    }

    fn forget_old(&mut self, now: Mono) {
        while let Some((since, key)) = self.order.front().copied()
            && (now.since_us(since) >= limits::PARTS_US || self.order.len() >= limits::PARTS_MAX)
        {
            self.order.pop_front();
            if self.known.get(&key).is_some_and(|known| known.since == since) {
                self.known.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACME: AccountId = AccountId(3);

    fn seconds(count: u64) -> Mono {
        Mono(count * 1_000_000)
    }

    #[test]
    fn later_parts_follow_the_first_and_wait_for_it_a_while() {
        let mut parts = Parts::new(7);
        assert_eq!(parts.place(1, seconds(0)), Place::Early);
        assert_eq!(parts.place(1, seconds(59)), Place::Early);
        assert_eq!(parts.place(1, seconds(60)), Place::Alone);
        parts.remember(1, ACME, seconds(61));
        assert_eq!(parts.place(1, seconds(62)), Place::With(ACME));
        assert_eq!(parts.place(1, seconds(660)), Place::With(ACME));
        assert_eq!(parts.place(1, seconds(661)), Place::Early, "a reference comes again");
        assert_eq!(parts.known.len(), 1);
    }

    #[test]
    fn what_the_journal_holds_is_known_after_a_restart_unless_it_is_old() {
        let mut parts = Parts::new(7);
        parts.replayed(1, ACME, Unix(1_000_000));
        parts.replayed(2, ACME, Unix(0));
        parts.rearm(Now { mono: Mono(0), unix: Unix(1_000_000 + 599_000) });
        assert_eq!(parts.place(1, Mono(0)), Place::With(ACME));
        assert_eq!(parts.place(2, Mono(0)), Place::Early);
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut parts = Parts::new(7);
        for key in 0..2 * limits::PARTS_MAX as u64 {
            parts.remember(key, ACME, seconds(1));
        }
        assert!(parts.known.len() <= limits::PARTS_MAX && parts.order.len() <= limits::PARTS_MAX);
    }

    #[test]
    fn parts_of_one_message_have_one_key() {
        let parts = Parts::new(7);
        let sm = |text| Sm { short_message: text, esm_class: Sm::UDHI, ..Sm::default() };
        let key = |carrier, text| {
            let sm = sm(text);
            parts.key(carrier, &sm, sm.part().unwrap())
        };
        let first = key(0, b"\x05\x00\x03\x07\x02\x01INFO");
        assert_eq!(first, key(0, b"\x05\x00\x03\x07\x02\x02more"));
        assert_ne!(first, key(0, b"\x05\x00\x03\x08\x02\x02more"));
        assert_ne!(first, key(0, b"\x05\x00\x03\x07\x03\x02more"));
        assert_ne!(first, key(1, b"\x05\x00\x03\x07\x02\x02more"));
    }
}
