//! The parts into which clients cut long messages: whether their message is charged, and where the last of them went, so
//! that the others follow it.
//!
//! Lives in memory and is bounded; after a restart it knows what the journal still holds. A part whose message it does
//! not know, or no longer, is the first of one.

use std::collections::VecDeque;
use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use super::book::NO_CARRIER;
use crate::clock::{Mono, Now, Unix};
use crate::limits;
use crate::message::{CarrierId, LinkId};
use crate::pdu::{Part, Sm};

/// Where the last part that left went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Course {
    pub(super) carrier: u16,
    /// `None` where it left before a restart.
    pub(super) link: Option<LinkId>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    since: Mono,
    /// How many parts there are.
    total: u8,
    /// Those that came, a bit each.
    came: [u64; 4],
    /// Carrier and link of the last part that left.
    carrier: CarrierId,
    link: Option<LinkId>,
}

impl Known {
    fn new(total: u8, since: Mono) -> Self {
        Self { since, total, came: [0; 4], carrier: NO_CARRIER, link: None }
    }

    fn has(&self, number: u8) -> bool {
        self.came[usize::from(number / 64)] >> (number % 64) & 1 != 0
    }
}

/// The messages in parts of the last minutes.
#[derive(Debug)]
pub(super) struct Concatenations {
    known: FxHashMap<u64, Known>,
    /// Keys in the order of their `since`; one that began anew is there again.
    order: VecDeque<(Mono, u64)>,
    seed: u64,
}

impl Concatenations {
    /// `seed` keeps clients from choosing colliding keys.
    pub(super) fn new(seed: u64) -> Self {
        Self { known: FxHashMap::default(), order: VecDeque::new(), seed }
    }

    /// What the parts of one message share: account, both addresses, reference and number of parts. Never 0.
    pub(super) fn key(&self, account: u16, sm: &Sm<'_>, part: Part) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.seed);
        hasher.write_u16(account);
        for address in [&sm.source, &sm.destination] {
            hasher.write(address.octets());
            hasher.write_u8(0);
        }
        hasher.write_u16(part.reference);
        hasher.write_u8(part.total);
        hasher.finish().max(1)
    }

    /// Whether this part's message was charged with an earlier part. A part that came before begins another message:
    /// references come round.
    pub(super) fn is_charged(&mut self, key: u64, part: Part, now: Mono) -> bool {
        self.forget_old(now);
        self.known.get(&key).is_some_and(|known| !known.has(part.number))
    }

    /// A part was accepted.
    pub(super) fn came(&mut self, key: u64, part: Part, now: Mono) {
        if !self.is_charged(key, part, now) {
            self.known.insert(key, Known::new(part.total, now));
            self.order.push_back((now, key));
        }
        if let Some(known) = self.known.get_mut(&key) {
            known.came[usize::from(part.number / 64)] |= 1 << (part.number % 64);
        }
    }

    /// A part leaves for a carrier.
    pub(super) fn went(&mut self, key: u64, carrier: CarrierId, link: Option<LinkId>) {
        if let Some(known) = self.known.get_mut(&key) {
            (known.carrier, known.link) = (carrier, link);
        }
    }

    /// Where the other parts of a message go: after the last one.
    pub(super) fn course(&self, key: u64) -> Option<Course> {
        let known = self.known.get(&key).filter(|known| known.carrier != NO_CARRIER)?;
        Some(Course { carrier: known.carrier.0, link: known.link })
    }

    /// How many messages a part counts for where rates defer: the first that leaves, for all; others for themselves.
    pub(super) fn cost(&self, key: u64) -> u32 {
        self.known.get(&key).filter(|known| known.carrier == NO_CARRIER).map_or(1, |known| u32::from(known.total))
    }

    /// A part that the journal holds. Until [`Self::rearm`] wall time stands for the other.
    pub(super) fn replayed(&mut self, key: u64, part: Part, accepted: Unix) {
        self.came(key, part, Mono(accepted.0.saturating_mul(1000)));
    }

    /// The replay is over: what is not too old is known for its full time again.
    pub(super) fn rearm(&mut self, now: Now) {
        let wall = Mono(now.unix.0.saturating_mul(1000));
        self.known.retain(|_, known| wall.since_us(known.since) < limits::CONCATENATION_US);
        self.known.values_mut().for_each(|known| known.since = now.mono);
        self.order = self.known.keys().map(|key| (now.mono, *key)).collect();
    }

    fn forget_old(&mut self, now: Mono) {
        while let Some((since, key)) = self.order.front().copied()
            && (now.since_us(since) >= limits::CONCATENATION_US || self.order.len() >= limits::CONCATENATIONS_MAX)
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

    /// One of two.
    fn part(number: u8) -> Part {
        Part { reference: 7, total: 2, number }
    }

    fn seconds(count: u64) -> Mono {
        Mono(count * 1_000_000)
    }

    #[test]
    fn a_message_is_charged_once_until_a_part_comes_again_or_it_is_old() {
        let mut all = Concatenations::new(7);
        assert!(!all.is_charged(1, part(2), seconds(0)));
        all.came(1, part(2), seconds(0));
        assert!(all.is_charged(1, part(1), seconds(1)));
        all.came(1, part(1), seconds(1));
        assert!(!all.is_charged(1, part(2), seconds(1)), "the reference stands for another message");
        all.came(1, part(2), seconds(1));
        assert!(all.is_charged(1, part(1), seconds(300)));
        assert!(!all.is_charged(1, part(1), seconds(301)));
        assert_eq!((all.known.len(), all.order.len()), (0, 0));
    }

    #[test]
    fn parts_follow_the_last_that_left() {
        let mut all = Concatenations::new(7);
        all.came(1, part(1), seconds(0));
        assert_eq!((all.course(1), all.cost(1), all.cost(2)), (None, 2, 1));
        all.went(1, CarrierId(3), Some(LinkId(9)));
        assert_eq!(all.course(1), Some(Course { carrier: 3, link: Some(LinkId(9)) }));
        assert_eq!(all.cost(1), 1);
        all.went(2, CarrierId(3), None);
        assert_eq!(all.course(2), None, "nobody knows of it");
    }

    #[test]
    fn what_the_journal_holds_is_known_after_a_restart_unless_it_is_old() {
        let mut all = Concatenations::new(7);
        all.replayed(1, part(1), Unix(1_000_000));
        all.replayed(2, part(1), Unix(2_000_000));
        all.went(2, CarrierId(1), None);
        all.rearm(Now { mono: seconds(5), unix: Unix(2_200_000) });
        assert!(!all.is_charged(1, part(2), seconds(5)));
        assert!(all.is_charged(2, part(2), seconds(304)));
        assert_eq!(all.course(2), Some(Course { carrier: 1, link: None }));
        assert!(!all.is_charged(2, part(2), seconds(305)));
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let mut all = Concatenations::new(7);
        for key in 0..2 * limits::CONCATENATIONS_MAX as u64 {
            all.came(key, part(1), seconds(1));
        }
        assert!(all.known.len() <= limits::CONCATENATIONS_MAX && all.order.len() <= limits::CONCATENATIONS_MAX);
    }

    #[test]
    fn parts_of_one_message_have_one_key() {
        let all = Concatenations::new(7);
        let key = |account, text: &'static [u8]| {
            let sm = Sm { short_message: text, esm_class: Sm::UDHI, ..Sm::default() };
            all.key(account, &sm, sm.part().unwrap())
        };
        let first = key(0, b"\x05\x00\x03\x07\x02\x01one");
        assert_eq!(first, key(0, b"\x05\x00\x03\x07\x02\x02two"));
        for other in [
            key(0, b"\x05\x00\x03\x08\x02\x02two"),
            key(0, b"\x05\x00\x03\x07\x03\x02two"),
            key(1, b"\x05\x00\x03\x07\x02\x02two"),
        ] {
            assert_ne!(first, other);
        }
    }
}
