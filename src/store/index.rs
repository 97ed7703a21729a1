//! Which archive blocks there are, in memory: by key for forgetting, by identity for look-ups.
//!
//! A few tens of octets for each block of some hundred messages; rebuilt when a store is opened. Reads no block.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::archive::{ArchiveKey, Extent};
use super::erasure::HELD;
use super::vault::HELD_DAY;
use crate::message::MessageId;

/// The archive blocks of a store.
#[derive(Clone, Debug, Default)]
pub struct ArchiveIndex {
    blocks: BTreeMap<ArchiveKey, Extent>,
    by_greatest: BTreeSet<(MessageId, ArchiveKey)>,
    /// No block spans more identities than this: what ends a look-up.
    widest: u64,
}

impl ArchiveIndex {
    /// Adds a block, or replaces what was known of it.
    pub fn insert(&mut self, key: ArchiveKey, extent: Extent) {
        self.remove(key);
        self.blocks.insert(key, extent);
        self.by_greatest.insert((extent.greatest, key));
        self.widest = self.widest.max(extent.greatest.0.saturating_sub(extent.least.0));
    }

    /// Removes a block; says what it held.
    pub fn remove(&mut self, key: ArchiveKey) -> Option<Extent> {
        let extent = self.blocks.remove(&key)?;
        self.by_greatest.remove(&(extent.greatest, key));
        Some(extent)
    }

    /// Number of blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// No archived message has a greater identity.
    #[must_use]
    pub fn greatest(&self) -> MessageId {
        self.by_greatest.last().map_or(MessageId(0), |(greatest, _)| *greatest)
    }

    /// The blocks that may hold `id`: few, since identities grow with time.
    pub fn candidates(&self, id: MessageId) -> impl Iterator<Item = ArchiveKey> + '_ {
        let first = (id, ArchiveKey { class: 0, forget_hour: 0, block: 0 });
        self.by_greatest
            .range(first..)
            .take_while(move |(greatest, _)| greatest.0.saturating_sub(self.widest) <= id.0)
            .map(|(_, key)| *key)
            .filter(move |key| self.blocks.get(key).is_some_and(|extent| extent.least <= id))
    }

    /// At most `at_most` blocks whose hour is `hour` or earlier, class by class, oldest first; none that are held.
    #[must_use]
    pub fn forgettable(&self, hour: u32, at_most: usize) -> Vec<ArchiveKey> {
        let mut keys = Vec::new();
        let mut class = Some(0);
        while let Some(least) = class {
            let from = ArchiveKey { class: least, forget_hour: 0, block: 0 };
            let Some((&ArchiveKey { class: present, .. }, _)) = self.blocks.range(from..).next() else { break };
            if present == HELD {
                break;
            }
            let from = ArchiveKey { class: present, forget_hour: 0, block: 0 };
            let to = ArchiveKey { class: present, forget_hour: hour, block: u64::MAX };
            keys.extend(self.blocks.range(from..=to).map(|(key, _)| *key).take(at_most - keys.len()));
            if keys.len() == at_most {
                break;
            }
            class = present.checked_add(1);
        }
        keys
    }

    /// At most `at_most` blocks behind `after`, in order.
    #[must_use]
    pub fn behind(&self, after: Option<ArchiveKey>, at_most: usize) -> Vec<ArchiveKey> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.blocks.range((from, Bound::Unbounded)).map(|(key, _)| *key).take(at_most).collect()
    }

    /// Whether blocks may be read that are sealed under the keys of this day of forgetting, counted from 1970-01-01 in UTC;
    /// of [`HELD_DAY`], the held ones. With `going`, any block but these; without, only held ones.
    pub(super) fn needs_day(&self, day: u32, going: Option<&[ArchiveKey]>) -> bool {
        let key = |class, forget_hour, block| ArchiveKey { class, forget_hour, block };
        if day == HELD_DAY {
            let held = self.blocks.range(key(HELD, 0, 0)..).map(|(key, _)| key);
            return held.into_iter().any(|key| going.is_none_or(|going| !going.contains(key)));
        }
        let Some(going) = going else { return false };
        let first = day.saturating_mul(24);
        let mut class = Some(0);
        while let Some(least) = class.filter(|class| *class != HELD) {
            let of_day = self.blocks.range(key(least, first, 0)..=key(least, first.saturating_add(23), u64::MAX));
            if of_day.into_iter().any(|(key, _)| !going.contains(key)) {
                return true;
            }
            // The next class that has blocks.
            let next = self.blocks.range(key(least, u32::MAX, u64::MAX)..).map(|(key, _)| key.class);
            class = next.into_iter().find(|class| *class > least);
        }
        false
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = ArchiveKey> + '_ {
        self.blocks.keys().copied()
    }
}
