//! The live index: one compact slot per message that is not sealed, found by number, by id or by its carrier's id.
//!
//! Holds no text and no number: those stay in the block that `position` names. Slots are chained in intrusive lists
//! (lane, link, account), so that moving a message is a few stores and never an allocation.

use std::hash::Hasher;
use std::ops::{Index, IndexMut};

use hashbrown::HashTable;
use rustc_hash::{FxHashMap, FxHasher};

use super::receipt::{canonical, digits};
use crate::message::{AccountId, CarrierId, MessageId, MessageState};
use crate::store::Position;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// No carrier.
pub(super) const NO_CARRIER: CarrierId = CarrierId(u16::MAX);
/// No lane, no link.
pub(super) const NO_INDEX: u16 = u16::MAX;
/// The lane of a message from a handset, which waits for no carrier.
pub(super) const MOBILE: u16 = u16::MAX - 1;
/// The most slots a book may hold; the top bit of an index is the wheel's.
pub(super) const SLOTS_MAX: usize = 1 << 31;

/// Where a message is in its life. States only move down this list, except that a hand-out may be taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// In its lane, for a carrier.
    #[default]
    Waiting,
    /// Waits for its time: scheduled, or to be retried.
    Scheduled,
    /// Lent to a carrier's link, not answered.
    Handed,
    /// The carrier has it; its receipt is awaited.
    Sent,
    /// Final, a part of a message that was cut here; the other parts are awaited.
    Joined,
    /// Final; its receipt waits for a bind of the account.
    Owed,
    /// Final; the client refused the receipt for now.
    Resting,
    /// Final; its receipt is lent to a link of the account.
    Delivering,
    /// Nothing is left to do; waits to be sealed.
    Settled,
}

/// One message that is not sealed.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) id: MessageId,
    /// Hash of carrier and carrier's id. While there is none: of what the parts of its message share, see
    /// `Concatenations`; 0 where it is no part.
    pub(super) key: u64,
    /// Where its accept record is.
    pub(super) position: Position,
    /// End of its validity, Unix seconds.
    pub(super) expires: u32,
    /// When it was accepted, Unix seconds.
    pub(super) accepted: u32,
    /// When it became final, Unix seconds; while waiting for its time: that time.
    pub(super) done: u32,
    pub(super) prev: u32,
    pub(super) next: u32,
    pub(super) due_prev: u32,
    pub(super) due_next: u32,
    /// Tick of the wheel, `u32::MAX` while not in it.
    pub(super) due_tick: u32,
    pub(super) account: AccountId,
    pub(super) carrier: CarrierId,
    pub(super) lane: u16,
    /// Index of the link it is lent to.
    pub(super) link: u16,
    pub(super) error: u16,
    /// Hash of the end of its recipient's number, see `receipt::tail`.
    pub(super) recipient: u16,
    pub(super) attempts: u8,
    pub(super) flags: u8,
    pub(super) stage: Stage,
    pub(super) state: MessageState,
}

impl Slot {
    /// The clock was set back by so many seconds since these times were computed: what is left of them stays as it was. The
    /// time that a client asked for is not left earlier; a retry's is.
    pub(super) fn follow_clock(&mut self, set_back_s: u32) {
        self.expires = self.expires.saturating_sub(set_back_s);
        if self.stage == Stage::Scheduled && self.attempts > 0 {
            self.done = self.done.saturating_sub(set_back_s);
        }
    }

    /// Whether it is a message from a handset, and not one from a client.
    pub(super) fn is_mobile(&self) -> bool {
        self.lane == MOBILE
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            id: MessageId(0),
            key: 0,
            position: Position::default(),
            expires: 0,
            accepted: 0,
            done: 0,
            prev: NONE,
            next: NONE,
            due_prev: NONE,
            due_next: NONE,
            due_tick: u32::MAX,
            account: AccountId(0),
            carrier: NO_CARRIER,
            lane: NO_INDEX,
            link: NO_INDEX,
            error: 0,
            recipient: 0,
            attempts: 0,
            flags: 0,
            stage: Stage::Waiting,
            state: MessageState::Enroute,
        }
    }
}

/// The slots, with a free list through `next`.
#[derive(Debug)]
pub(super) struct Slots {
    entries: Vec<Slot>,
    free: u32,
    len: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Self { entries: Vec::new(), free: NONE, len: 0 }
    }
}

impl Slots {
    pub(super) fn insert(&mut self, slot: Slot) -> u32 {
        self.len += 1;
        if self.free != NONE {
            let index = self.free;
            self.free = self.entries[index as usize].next;
            self.entries[index as usize] = slot;
            return index;
        }
        assert!(self.entries.len() < SLOTS_MAX, "the backlog limit is far below the number of slots");
        self.entries.push(slot);
        (self.entries.len() - 1) as u32
    }

    fn release(&mut self, index: u32) {
        self.entries[index as usize] = Slot { next: self.free, ..Slot::default() };
        self.free = index;
        self.len -= 1;
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The slot of an index that may not be in use.
    pub(super) fn at(&self, index: u32) -> Option<&Slot> {
        self.entries.get(index as usize)
    }

    /// Every index ever used, free ones included (their id is 0).
    pub(super) fn indices(&self) -> std::ops::Range<u32> {
        0..self.entries.len() as u32
    }
}

impl Index<u32> for Slots {
    type Output = Slot;
    fn index(&self, index: u32) -> &Slot {
        &self.entries[index as usize]
    }
}

impl IndexMut<u32> for Slots {
    fn index_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.entries[index as usize]
    }
}

/// A first-in, first-out chain of slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub(super) head: u32,
    tail: u32,
    pub(super) len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self { head: NONE, tail: NONE, len: 0 }
    }
}

impl List {
    pub(super) fn push_back(&mut self, slots: &mut Slots, slot: u32) {
        (slots[slot].prev, slots[slot].next) = (self.tail, NONE);
        match self.tail {
            NONE => self.head = slot,
            tail => slots[tail].next = slot,
        }
        self.tail = slot;
        self.len += 1;
    }

    pub(super) fn push_front(&mut self, slots: &mut Slots, slot: u32) {
        (slots[slot].prev, slots[slot].next) = (NONE, self.head);
        match self.head {
            NONE => self.tail = slot,
            head => slots[head].prev = slot,
        }
        self.head = slot;
        self.len += 1;
    }

    pub(super) fn remove(&mut self, slots: &mut Slots, slot: u32) {
        let (prev, next) = (slots[slot].prev, slots[slot].next);
        match prev {
            NONE => self.head = next,
            prev => slots[prev].next = next,
        }
        match next {
            NONE => self.tail = prev,
            next => slots[next].prev = prev,
        }
        (slots[slot].prev, slots[slot].next) = (NONE, NONE);
        self.len -= 1;
    }

    pub(super) fn last(&self) -> u32 {
        self.tail
    }
}

/// Slots and the two ways to find them.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) slots: Slots,
    by_id: HashTable<u32>,
    by_key: HashTable<u32>,
    /// Carriers that were given a message before the one in its slot; of few messages.
    others: FxHashMap<u32, Vec<CarrierId>>,
    seed: u64,
}

impl Book {
    /// `seed` keeps peers from choosing colliding ids.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            slots: Slots::default(),
            by_id: HashTable::new(),
            by_key: HashTable::new(),
            others: FxHashMap::default(),
            seed,
        }
    }

    /// Adds a message.
    pub(super) fn insert(&mut self, slot: Slot) -> u32 {
        let hash = self.hash_id(slot.id);
        let index = self.slots.insert(slot);
        let (slots, seed) = (&self.slots, self.seed);
        self.by_id.insert_unique(hash, index, |other| hash_id(seed, slots[*other].id));
        index
    }

    /// The message of this id.
    pub(super) fn find(&self, id: MessageId) -> Option<u32> {
        self.by_id.find(self.hash_id(id), |index| self.slots[*index].id == id).copied()
    }

    /// Forgets a message; it must be in no list and not in the wheel.
    pub(super) fn remove(&mut self, index: u32) {
        let hash = self.hash_id(self.slots[index].id);
        if let Ok(entry) = self.by_id.find_entry(hash, |other| *other == index) {
            entry.remove();
        }
        self.forget_key(index);
        if !self.others.is_empty() {
            self.others.remove(&index);
        }
        self.slots.release(index);
    }

    /// A carrier is given the message; the one before, where that was another.
    #[inline]
    pub(super) fn hand(&mut self, index: u32, carrier: CarrierId) -> Option<CarrierId> {
        let before = std::mem::replace(&mut self.slots[index].carrier, carrier);
        if before == carrier || before == NO_CARRIER {
            return None;
        }
        self.passed(index, before);
        Some(before)
    }

    /// Another carrier than the one in its slot was given the message before.
    pub(super) fn passed(&mut self, index: u32, carrier: CarrierId) {
        let others = self.others.entry(index).or_default();
        if !others.contains(&carrier) {
            others.push(carrier);
        }
    }

    /// Carriers that were given the message before the one in its slot.
    pub(super) fn others(&self, index: u32) -> impl Iterator<Item = CarrierId> + '_ {
        let last = self.slots[index].carrier;
        self.others.get(&index).into_iter().flatten().copied().filter(move |carrier| *carrier != last)
    }

    /// Makes the message findable by its carrier's id.
    pub(super) fn set_key(&mut self, index: u32, key: u64) {
        self.forget_key(index);
        self.slots[index].key = key;
        let slots = &self.slots;
        self.by_key.insert_unique(key, index, |other| slots[*other].key);
    }

    /// The message with this key. Carriers reuse ids, so more than one may carry it: the one to one of these recipients
    /// comes first, then one that awaits its receipt, then the newest.
    pub(super) fn find_key(&self, key: u64, recipients: [u16; 2]) -> Option<u32> {
        let matches = self.by_key.iter_hash(key).copied().filter(|index| self.slots[*index].key == key);
        matches.max_by_key(|index| {
            let slot = &self.slots[*index];
            (recipients.contains(&slot.recipient), slot.stage == Stage::Sent, slot.id)
        })
    }

    /// The message to one of these recipients whose carrier's id is this one: what [`Self::find_receipted`] looks for
    /// first, and nearly always finds.
    pub(super) fn find_exact(&self, carrier: CarrierId, id: &[u8], recipients: [u16; 2]) -> Option<u32> {
        let key = self.key(carrier, canonical(id, &mut [0; 65]));
        self.find_key(key, recipients).filter(|slot| recipients.contains(&self.slots[*slot].recipient))
    }

    /// The message that a receipt with these [`Self::keys`] to one of these recipients is about, and whether its id had to
    /// be converted. A converted id counts only where the recipient is the same, for "1234" is a number in both bases;
    /// of a carrier that mixes the bases, that holds of every id.
    pub(super) fn find_receipted(&self, keys: [u64; 3], recipients: [u16; 2], mixes: bool) -> Option<(u32, bool)> {
        let found = |key: &u64| self.find_key(*key, recipients).filter(|_| *key != 0);
        let fits = |slot: &u32| recipients.contains(&self.slots[*slot].recipient);
        let exact = found(&keys[0]);
        let converted = || keys[1..].iter().filter_map(found).find(fits).map(|slot| (slot, true));
        exact
            .filter(fits)
            .map(|slot| (slot, false))
            .or_else(converted)
            .or_else(|| exact.filter(|_| !mixes).map(|slot| (slot, false)))
    }

    /// Hashes of a carrier's id as a receipt brings it: as it is, as if its decimal digits had been hexadecimal in the
    /// answer, and the other way round; 0 where it is no number. Carriers mix the two.
    pub(super) fn keys(&self, carrier: CarrierId, id: &[u8]) -> [u64; 3] {
        let mut buffer = [0; 65];
        let canonical = canonical(id, &mut buffer);
        let converted = |from: u32, to: u128| {
            let text = std::str::from_utf8(canonical).ok()?;
            let number = u128::from_str_radix(text, from).ok()?;
            Some(self.key(carrier, digits(number, to, &mut [0; 48])))
        };
        [self.key(carrier, canonical), converted(10, 16).unwrap_or(0), converted(16, 10).unwrap_or(0)]
    }

    /// Hash of a carrier's message id in its canonical form; never 0.
    pub(super) fn key(&self, carrier: CarrierId, canonical_id: &[u8]) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write_u64(self.seed);
        hasher.write_u16(carrier.0);
        hasher.write(canonical_id);
        hasher.finish().max(1)
    }

    fn forget_key(&mut self, index: u32) {
        let key = std::mem::take(&mut self.slots[index].key);
        if key != 0
            && let Ok(entry) = self.by_key.find_entry(key, |other| *other == index)
        {
            entry.remove();
        }
    }

    fn hash_id(&self, id: MessageId) -> u64 {
        hash_id(self.seed, id)
    }

    /// What comes back with an answer: slot and the low half of the id, so that a late one never meets a successor.
    pub(super) fn token(&self, index: u32) -> u64 {
        u64::from(index) << 32 | (self.slots[index].id.0 & 0xFFFF_FFFF)
    }

    /// The slot of a token, `None` where the message is gone.
    pub(super) fn redeem(&self, token: u64) -> Option<u32> {
        let index = (token >> 32) as u32;
        let slot = self.slots.entries.get(index as usize)?;
        (slot.id.0 != 0 && slot.id.0 & 0xFFFF_FFFF == token & 0xFFFF_FFFF).then_some(index)
    }
}

fn hash_id(seed: u64, id: MessageId) -> u64 {
    (id.0 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_stays_small() {
        assert!(size_of::<Slot>() <= 80, "{} octets", size_of::<Slot>());
    }

    #[test]
    fn messages_are_found_until_removed_and_tokens_die_with_them() {
        let mut book = Book::new(7);
        let slots: Vec<u32> = (1..=1000).map(|id| book.insert(Slot { id: MessageId(id), ..Slot::default() })).collect();
        let key = book.key(CarrierId(1), b"abc");
        book.set_key(slots[4], key);
        book.set_key(slots[9], key);
        assert_eq!(book.find_key(key, [1, 2]), Some(slots[9]), "the newest wins");
        book.slots[slots[4]].stage = Stage::Sent;
        assert_eq!(book.find_key(key, [1, 2]), Some(slots[4]), "unless another awaits its receipt");
        book.slots[slots[9]].recipient = 2;
        assert_eq!(book.find_key(key, [1, 2]), Some(slots[9]), "or has another recipient");
        let token = book.token(slots[9]);
        assert_eq!(book.redeem(token), Some(slots[9]));
        book.remove(slots[9]);
        assert_eq!(book.redeem(token), None);
        let again = book.insert(Slot { id: MessageId(5000), ..Slot::default() });
        assert_eq!(again, slots[9], "slots are reused");
        assert_eq!(book.redeem(token), None);
        assert_eq!(book.find(MessageId(10)), None);
        assert_eq!(book.find(MessageId(11)), Some(slots[10]));
        assert_eq!(book.slots.len(), 1000);
    }

    #[test]
    fn lists_keep_order_under_removal() {
        let mut slots = Slots::default();
        let handles: Vec<u32> = (0..6).map(|_| slots.insert(Slot::default())).collect();
        let mut list = List::default();
        for handle in &handles[1..] {
            list.push_back(&mut slots, *handle);
        }
        list.push_front(&mut slots, handles[0]);
        list.remove(&mut slots, handles[3]);
        list.remove(&mut slots, handles[5]);
        list.remove(&mut slots, handles[0]);
        let mut seen = Vec::new();
        while list.head != NONE {
            let head = list.head;
            list.remove(&mut slots, head);
            seen.push(head);
        }
        assert_eq!(seen, [handles[1], handles[2], handles[4]]);
        assert_eq!((list.len, list.last()), (0, NONE));
    }
}
