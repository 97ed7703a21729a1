//! Places for blocks in a growing set of numbered slots: taken, emptied, and taken again.
//!
//! sled keeps nine keys in a node of its tree when they come in order. It writes a node anew at every tenth change, with
//! all that is in it, and whenever it cleans a segment of its log that has a part of the node. So each node gets one
//! slot, its first key, and the others stay empty: what is written anew is one block at most. And a node is brought to be
//! written anew while its slot is empty, right before a block is put there: then the block's segment has all of the
//! node, and the segments of the block before it have nothing. Slots that were emptied first are taken again first, and
//! some are always left: when a segment is cleaned, the blocks that are left in it are gone as a rule.
//!
//! Knows which slots are taken; what is in them is the engine's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;

/// Which key is in which slot.
#[derive(Clone, Debug)]
pub(super) struct Slots<K> {
    by_key: BTreeMap<K, u32>,
    free: BTreeSet<u32>,
    /// Slots that were emptied and whose space was not given back, in the order in which they were emptied.
    emptied: VecDeque<u32>,
    /// Free slots from here on are the next to be written anew once more.
    renewed: u32,
    /// All numbers from here on were never made.
    next: u32,
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        let (by_key, free, emptied) = (BTreeMap::new(), BTreeSet::new(), VecDeque::new());
        Self { by_key, free, emptied, renewed: 0, next: 0 }
    }
}

impl<K: Ord + Copy> Slots<K> {
    /// Where each of `keys` goes: where it is already, or into the slots that were emptied first, or into the lowest free
    /// ones. Changes nothing, so that the same question after a fault has the same answer.
    pub(super) fn places(&self, keys: impl Iterator<Item = K>) -> Vec<(K, u32)> {
        let emptied = self.emptied.iter().take(self.emptied.len().saturating_sub(LEFT));
        let beyond = (self.next.next_multiple_of(STRIDE)..).step_by(STRIDE as usize);
        let mut fresh = emptied.chain(&self.free).copied().chain(beyond);
        keys.filter_map(|key| Some((key, self.by_key.get(&key).copied().or_else(|| fresh.next())?))).collect()
    }

    /// The numbers to make before `places` are used: none, or all up to a round one. Some are always left over, for the
    /// last node of a tree has more keys than one slot's.
    pub(super) fn missing(&self, places: &[(K, u32)]) -> Range<u32> {
        let end = places.iter().map(|(_, slot)| slot.saturating_add(LEFT_OVER)).max().unwrap_or(0);
        if end <= self.next { self.next..self.next } else { self.next..end.next_multiple_of(MADE_AT_ONCE) }
    }

    /// Notes that `key` is in `slot`.
    pub(super) fn occupy(&mut self, key: K, slot: u32) {
        self.reach(slot);
        if let Some(old) = self.by_key.insert(key, slot).filter(|old| *old != slot) {
            self.empty(old);
        }
        if !self.free.remove(&slot)
            && let Some(at) = self.emptied.iter().position(|emptied| *emptied == slot)
        {
            self.emptied.remove(at);
        }
    }

    /// Notes that `number` was made, and is empty.
    pub(super) fn vacant(&mut self, number: u32) {
        self.reach(number);
    }

    /// Frees the slot of `key`.
    pub(super) fn release(&mut self, key: K) {
        if let Some(slot) = self.by_key.remove(&key) {
            self.empty(slot);
        }
    }

    /// The slot of `key`.
    pub(super) fn slot(&self, key: K) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// Keys and their slots, in key order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, u32)> + '_ {
        self.by_key.iter().map(|(key, slot)| (*key, *slot))
    }

    /// The same from `key` on.
    pub(super) fn from(&self, key: K) -> impl Iterator<Item = (K, u32)> + '_ {
        self.by_key.range(key..).map(|(key, slot)| (*key, *slot))
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Slots whose nodes are to be written anew now: at most `at_most` emptied ones, when so many are that these will not
    /// be taken again soon; and some free ones once more, while most are free.
    ///
    /// With each node that sled writes anew it moves one other out of a segment that it cleans, and the last segments of
    /// its log come last: without some more, they would hold their few octets, and the log its length, for ever.
    pub(super) fn returnable(&mut self, at_most: usize) -> Vec<u32> {
        let ripe = self.emptied.len().saturating_sub(WAITING).min(at_most);
        let mut slots: Vec<u32> = self.emptied.drain(..ripe).collect();
        self.free.extend(&slots);
        if self.free.len() > MANY.max(self.by_key.len()) {
            let once_more: Vec<u32> = self.free.range(self.renewed..).take(ONCE_MORE).copied().collect();
            self.renewed = once_more.last().map_or(0, |last| last.saturating_add(1));
            slots.extend(once_more);
        }
        slots
    }

    /// Blocks written by an earlier layout are between the slots: such a place is not used again.
    fn empty(&mut self, slot: u32) {
        if slot.is_multiple_of(STRIDE) {
            self.emptied.push_back(slot);
        }
    }

    /// Makes `number` and all below it known; slots not seen before are free.
    fn reach(&mut self, number: u32) {
        let end = number.saturating_add(1);
        if end > self.next {
            self.free.extend((self.next.next_multiple_of(STRIDE)..end).step_by(STRIDE as usize));
            self.next = end;
        }
    }
}

/// Every how many numbers there is a slot: as many keys as a node has.
const STRIDE: u32 = 9;

/// Numbers are made up to a multiple of this: 32 slots.
const MADE_AT_ONCE: u32 = 32 * STRIDE;

/// Numbers that are made beyond a slot in use.
const LEFT_OVER: u32 = 3 * STRIDE;

/// Emptied slots that are left for later: those of two segments of the log.
const LEFT: usize = 32;

/// Emptied slots whose space is kept, for they are about to be taken again: 2 MB in full blocks.
const WAITING: usize = 64;

/// Free slots that are many, and how many of them are written anew at a time.
const MANY: usize = 256;
const ONCE_MORE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_emptied_first_are_taken_first_and_known_keys_stay() {
        let mut slots = Slots::default();
        for (key, slot) in slots.places(0..40) {
            slots.occupy(key, slot);
        }
        assert_eq!(slots.iter().skip(37).collect::<Vec<_>>(), [(37, 333), (38, 342), (39, 351)]);
        slots.release(99);
        [7, 5].into_iter().chain(8..39).for_each(|key| slots.release(key));
        let places = [(50, 63), (39, 351), (51, 360), (52, 369)];
        assert_eq!(slots.places([50, 39, 51, 52].into_iter()), places, "33 are emptied, 32 of them wait");
        assert_eq!(slots.places([50, 39, 51, 52].into_iter()), places);
        slots.release(39);
        slots.occupy(50, 63);
        assert_eq!(slots.places([51, 52].into_iter()), [(51, 45), (52, 360)]);
        assert_eq!((slots.slot(50), slots.slot(39), slots.len()), (Some(63), None, 7));
    }

    #[test]
    fn numbers_are_made_many_at_once_and_some_are_left_over() {
        let mut slots = Slots::default();
        assert!(slots.missing(&[]).is_empty());
        assert_eq!(slots.missing(&slots.places(0..3)), 0..288);
        (0..288).for_each(|number| slots.vacant(number));
        assert_eq!(slots.places(0..32).last(), Some(&(31, 279)));
        assert!(slots.missing(&slots.places(0..30)).is_empty());
        assert_eq!(slots.missing(&slots.places(0..31)), 288..576);
    }

    #[test]
    fn slots_found_in_any_order_leave_the_gaps_free() {
        let mut slots = Slots::default();
        slots.occupy('b', 27);
        slots.vacant(46);
        slots.occupy('a', 9);
        let taken: Vec<_> = slots.places(['c', 'd', 'e', 'f', 'g'].into_iter()).into_iter().map(|(_, at)| at).collect();
        assert_eq!(taken, [0, 18, 36, 45, 54]);
    }

    #[test]
    fn a_place_between_the_slots_is_not_used_again() {
        let mut slots = Slots::default();
        (0..200).for_each(|key| slots.occupy(key, key));
        (0..200).for_each(|key| slots.release(key));
        assert_eq!(slots.places([7].into_iter()), [(7, 207)], "23 slots are fewer than what waits");
    }

    #[test]
    fn space_is_given_back_in_the_order_in_which_slots_were_emptied() {
        let mut slots = Slots::default();
        (0..200).for_each(|key| slots.occupy(key, key * STRIDE));
        (0..86).rev().for_each(|key| slots.release(key));
        assert_eq!(slots.returnable(3), [85 * 9, 84 * 9, 83 * 9]);
        assert_eq!(slots.returnable(usize::MAX).len(), 19);
        assert!(slots.returnable(usize::MAX).is_empty());
        let places = slots.places(200..321);
        assert_eq!((places[0], places[31]), ((200, 63 * 9), (231, 32 * 9)), "those whose space is kept");
        assert_eq!((places[32], places[54]), ((232, 64 * 9), (254, 200 * 9)), "those whose space was given back");
    }

    #[test]
    fn free_slots_are_written_anew_in_turn_while_they_are_many() {
        let mut slots = Slots::default();
        (0..400).for_each(|key| slots.occupy(key, key * STRIDE));
        (0..350).for_each(|key| slots.release(key));
        assert_eq!(slots.returnable(256).len(), 256, "not yet many");
        let turn = |from: u32| (from..from + 16).map(|place| place * 9).collect::<Vec<_>>();
        assert_eq!(slots.returnable(1), [&[256 * 9][..], &turn(0)].concat());
        assert_eq!(slots.returnable(0), turn(16));
        let rest: usize = (0..14).map(|_| slots.returnable(0).len()).sum();
        assert_eq!(rest, 14 * 16);
        assert_eq!(slots.returnable(0), [256 * 9]);
        assert!(slots.returnable(0).is_empty(), "the end of a round");
        assert_eq!(slots.returnable(0), turn(0));
    }
}
