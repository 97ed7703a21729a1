//! Places for blocks in a fixed set of numbered slots: taken lowest first, freed and taken again.
//!
//! sled prices the making and the merging of tree nodes, and loses the space of some large nodes when it splits or merges
//! them. Keys that stay need neither: a slot is overwritten, and emptied by an empty value.

use std::collections::{BTreeMap, BTreeSet};

/// Slots that are emptied together where they can be: about what one node of sled's tree holds.
pub(super) const GROUP: u32 = 8;

/// Which key is in which slot.
#[derive(Clone, Debug)]
pub(super) struct Slots<K> {
    by_key: BTreeMap<K, u32>,
    free: BTreeSet<u32>,
    /// First slots of the groups that a slot was freed in since they were last looked at.
    touched: BTreeSet<u32>,
    /// All slots from here on have never been used.
    next: u32,
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        Self { by_key: BTreeMap::new(), free: BTreeSet::new(), touched: BTreeSet::new(), next: 0 }
    }
}

impl<K: Ord + Copy> Slots<K> {
    /// Where each of `keys` goes: where it is already, or into the lowest free slots. Changes nothing, so that the same
    /// question after a fault has the same answer.
    pub(super) fn places(&self, keys: impl Iterator<Item = K>) -> Vec<(K, u32)> {
        let mut fresh = self.free.iter().copied().chain(self.next..);
        keys.filter_map(|key| Some((key, self.by_key.get(&key).copied().or_else(|| fresh.next())?))).collect()
    }

    /// Notes that `key` is in `slot`.
    pub(super) fn occupy(&mut self, key: K, slot: u32) {
        self.reach(slot);
        if let Some(old) = self.by_key.insert(key, slot) {
            self.free.insert(old);
        }
        self.free.remove(&slot);
    }

    /// Notes that `slot` was found empty.
    pub(super) fn vacant(&mut self, slot: u32) {
        self.reach(slot);
        self.free.insert(slot);
    }

    /// Frees the slot of `key`.
    pub(super) fn release(&mut self, key: K) {
        if let Some(slot) = self.by_key.remove(&key) {
            self.free.insert(slot);
            self.touched.insert(slot / GROUP * GROUP);
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

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// At most `at_most` groups, by their first slots, that became empty and whose space is worth giving back: so many
    /// slots are free that these will not be used again soon. Each is named once.
    pub(super) fn returnable(&mut self, at_most: usize) -> Vec<u32> {
        let mut groups = Vec::new();
        while self.free.len() > SPARE && self.free.len() > self.by_key.len() && groups.len() < at_most {
            // The last ones first: the lowest are the first to be used again.
            let Some(first) = self.touched.pop_last() else { break };
            let mut group = first..first.saturating_add(GROUP);
            if group.all(|slot| slot >= self.next || self.free.contains(&slot)) {
                groups.push(first);
            }
        }
        groups
    }

    /// Makes `slot` and all below it known; those not seen before are free.
    fn reach(&mut self, slot: u32) {
        let end = slot.saturating_add(1);
        self.free.extend(self.next..end.max(self.next));
        self.next = self.next.max(end);
    }
}

/// Free slots that are kept as they are: they are about to be used again.
const SPARE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_slots_are_taken_and_known_keys_stay() {
        let mut slots = Slots::default();
        for (key, slot) in slots.places(10..15) {
            slots.occupy(key, slot);
        }
        assert_eq!(slots.iter().collect::<Vec<_>>(), [(10, 0), (11, 1), (12, 2), (13, 3), (14, 4)]);
        slots.release(11);
        slots.release(13);
        slots.release(99);
        let places = [(20, 1), (12, 2), (21, 3), (22, 5)];
        assert_eq!(slots.places([20, 12, 21, 22].into_iter()), places);
        assert_eq!(slots.places([20, 12, 21, 22].into_iter()), places);
        assert_eq!((slots.slot(12), slots.slot(11), slots.len()), (Some(2), None, 3));
    }

    #[test]
    fn slots_found_in_any_order_leave_the_gaps_free() {
        let mut slots = Slots::default();
        slots.occupy('b', 3);
        slots.vacant(5);
        slots.occupy('a', 1);
        let taken: Vec<_> = slots.places(['c', 'd', 'e', 'f', 'g'].into_iter()).into_iter().map(|(_, at)| at).collect();
        assert_eq!(taken, [0, 2, 4, 5, 6]);
    }

    #[test]
    fn empty_groups_are_returnable_once_and_only_when_much_is_free() {
        let mut slots = Slots::default();
        (0..1000).for_each(|slot| slots.occupy(slot, slot));
        (0..500).for_each(|key| slots.release(key));
        assert!(slots.returnable(9).is_empty());
        (500..990).filter(|key| *key != 700).for_each(|key| slots.release(key));
        assert_eq!(slots.returnable(3), [976, 968, 960]);
        let rest = slots.returnable(usize::MAX);
        assert_eq!((rest.len(), rest.contains(&696), rest.contains(&984)), (119, false, false));
        assert!(slots.returnable(9).is_empty());
        (990..1000).for_each(|key| slots.release(key));
        assert_eq!(slots.returnable(9), [992, 984]);
    }
}
