//! When something must be looked at again: a hierarchical timing wheel over the slots of the book.
//!
//! Insert and remove are O(1) and allocate nothing; a slot is in the wheel at most once. The wheel knows instants only,
//! not what happens at them.

use crate::clock::Mono;

use super::book::{NONE, Slots};

/// Microseconds of one tick.
pub(super) const TICK_US: u64 = 100_000;
const BITS: u32 = 8;
const WIDTH: usize = 1 << BITS;
const LEVELS: usize = 4;

/// The wheel. Ticks are 100 ms; four levels of 256 reach 13 years.
#[derive(Debug)]
pub(super) struct Wheel {
    /// The next tick to be looked at.
    tick: u32,
    len: usize,
    heads: Vec<u32>,
    /// One bit for each bucket that holds something.
    taken: [u64; WIDTH * LEVELS / 64],
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { tick: 0, len: 0, heads: vec![NONE; WIDTH * LEVELS], taken: [0; WIDTH * LEVELS / 64] }
    }

    /// The tick at or after `at`.
    pub(super) fn tick_of(at: Mono) -> u32 {
        u32::try_from(at.0.div_ceil(TICK_US)).unwrap_or(u32::MAX - 1)
    }

    /// The next instant at which [`Self::expire`] has something to do, `None` while the wheel is empty: a bucket comes
    /// due, or the stretch of a coarser one begins.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let of_level = |level: usize| {
            let shift = BITS * level as u32;
            // Of the coarser levels the present bucket has been brought down already, unless its stretch begins now.
            let begun = level > 0 && self.tick & ((1 << shift) - 1) != 0;
            let from = (self.tick >> shift) as usize % WIDTH + usize::from(begun);
            let bucket = self.next_taken(level, from)?;
            let stretch = u64::from(self.tick) >> (shift + BITS) << BITS | bucket as u64;
            Some(Mono((stretch << shift) * TICK_US))
        };
        (0..LEVELS).filter_map(of_level).min()
    }

    /// The first bucket of a level, at or behind `from`, that holds something.
    fn next_taken(&self, level: usize, from: usize) -> Option<usize> {
        let words = &self.taken[level * WIDTH / 64..(level + 1) * WIDTH / 64];
        (from / 64..WIDTH / 64).find_map(|at| {
            let hidden = if at == from / 64 { from % 64 } else { 0 };
            let bits = words[at] >> hidden << hidden;
            (bits != 0).then(|| at * 64 + bits.trailing_zeros() as usize)
        })
    }

    /// Puts `slot` in for `at`, or moves it there.
    pub(super) fn insert(&mut self, slots: &mut Slots, slot: u32, at: Mono) {
        self.remove(slots, slot);
        slots[slot].due_tick = Self::tick_of(at).max(self.tick);
        self.link(slots, slot);
        self.len += 1;
    }

    /// Takes `slot` out; does nothing where it is not in.
    pub(super) fn remove(&mut self, slots: &mut Slots, slot: u32) {
        if slots[slot].due_tick == u32::MAX {
            return;
        }
        let (prev, next) = (slots[slot].due_prev, slots[slot].due_next);
        if next != NONE {
            slots[next].due_prev = prev;
        }
        // A head stores its bucket in `due_prev`, marked by the top bit, so that no second table is needed.
        if prev & HEAD != 0 {
            let bucket = (prev & !HEAD) as usize;
            self.heads[bucket] = next;
            if next == NONE {
                self.taken[bucket / 64] &= !(1 << (bucket % 64));
            }
        } else {
            slots[prev].due_next = next;
        }
        let entry = &mut slots[slot];
        (entry.due_tick, entry.due_prev, entry.due_next) = (u32::MAX, NONE, NONE);
        self.len -= 1;
    }

    /// Moves every slot whose instant is at or before `now` into `out`, at most `limit` of them per call.
    /// Returns whether some may be left.
    pub(super) fn expire(&mut self, slots: &mut Slots, now: Mono, limit: usize, out: &mut Vec<u32>) -> bool {
        let last = u32::try_from(now.0 / TICK_US).unwrap_or(u32::MAX - 1);
        if self.len == 0 {
            self.tick = self.tick.max(last.saturating_add(1));
            return false;
        }
        while self.tick <= last {
            self.cascade(slots);
            let bucket = self.tick as usize % WIDTH;
            while self.heads[bucket] != NONE {
                if out.len() >= limit {
                    return true;
                }
                let slot = self.heads[bucket];
                self.remove(slots, slot);
                out.push(slot);
            }
            self.tick += 1;
        }
        false
    }

    /// Brings the slots of coarser levels down when their stretch begins.
    fn cascade(&mut self, slots: &mut Slots) {
        for level in 1..LEVELS {
            if self.tick & ((1u32 << (BITS * level as u32)) - 1) != 0 {
                return;
            }
            let bucket = level * WIDTH + ((self.tick >> (BITS * level as u32)) as usize % WIDTH);
            let mut slot = std::mem::replace(&mut self.heads[bucket], NONE);
            self.taken[bucket / 64] &= !(1 << (bucket % 64));
            while slot != NONE {
                let next = slots[slot].due_next;
                self.link(slots, slot);
                slot = next;
            }
        }
    }

    fn link(&mut self, slots: &mut Slots, slot: u32) {
        let tick = slots[slot].due_tick;
        let differing = u32::BITS - (tick ^ self.tick).leading_zeros();
        let level = (differing.saturating_sub(1) / BITS) as usize;
        let bucket = level * WIDTH + ((tick >> (BITS * level as u32)) as usize % WIDTH);
        let next = std::mem::replace(&mut self.heads[bucket], slot);
        self.taken[bucket / 64] |= 1 << (bucket % 64);
        if next != NONE {
            slots[next].due_prev = slot;
        }
        let entry = &mut slots[slot];
        entry.due_prev = HEAD | bucket as u32;
        entry.due_next = next;
    }
}

/// Marks a `due_prev` that names a bucket instead of a slot; slots stay below it ([`super::book::SLOTS_MAX`]).
const HEAD: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::super::book::Slot;
    use super::*;

    #[test]
    fn every_slot_expires_in_its_tick_and_never_before() {
        let mut slots = Slots::default();
        let mut wheel = Wheel::new();
        let ticks: Vec<u64> = (0..4000u64).map(|n| (n * n * 7919) % 20_000_000).collect();
        let handles: Vec<u32> = ticks.iter().map(|_| slots.insert(Slot::default())).collect();
        for (slot, tick) in handles.iter().zip(&ticks) {
            wheel.insert(&mut slots, *slot, Mono(tick * TICK_US));
        }
        for slot in handles.iter().skip(3).step_by(5) {
            wheel.remove(&mut slots, *slot);
        }
        let mut order: Vec<u64> = ticks.clone();
        order.sort_unstable();
        let mut seen = vec![false; handles.len()];
        let mut out = Vec::new();
        for step in order {
            // As a caller does: it comes when the wheel asks, and when it comes by chance.
            while wheel.deadline().is_some_and(|at| at < Mono(step * TICK_US)) {
                let at = wheel.deadline().unwrap();
                wheel.expire(&mut slots, at, usize::MAX, &mut out);
                assert!(wheel.deadline().is_none_or(|next| next > at), "it does not ask in vain");
            }
            wheel.expire(&mut slots, Mono(step * TICK_US), usize::MAX, &mut out);
            for slot in out.drain(..) {
                let index = handles.iter().position(|h| *h == slot).unwrap();
                assert!(ticks[index] <= step, "not before its time");
                assert!(!seen[index], "once");
                seen[index] = true;
            }
            for (index, tick) in ticks.iter().enumerate() {
                if *tick < step && index % 5 != 3 {
                    assert!(seen[index], "slot {index} of tick {tick} was due before {step}");
                }
            }
        }
        assert_eq!(wheel.len, 0);
    }

    #[test]
    fn a_limited_expiry_goes_on_where_it_stopped() {
        let mut slots = Slots::default();
        let mut wheel = Wheel::new();
        for _ in 0..10 {
            let slot = slots.insert(Slot::default());
            wheel.insert(&mut slots, slot, Mono(TICK_US));
        }
        let mut out = Vec::new();
        assert!(wheel.expire(&mut slots, Mono(TICK_US), 4, &mut out));
        assert_eq!(out.len(), 4);
        assert!(!wheel.expire(&mut slots, Mono(TICK_US), 100, &mut out));
        assert_eq!(out.len(), 10);
    }
}
