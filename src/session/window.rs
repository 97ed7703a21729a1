//! Requests sent and not answered: a ring by sequence number, allocated once.
//!
//! One response timer serves every request, so the oldest open slot is the deadline: no wheel, no map, no search. Reads
//! no clock; what a slot carries is the caller's.

use crate::clock::Mono;

/// The greatest sequence number we choose; 1 follows. SMPP 3.4 §5.1.4.
pub const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;

/// The most open requests one window may be made for.
pub const WINDOW_MAX: u32 = 65_536;

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Use {
    #[default]
    Free,
    Open,
    /// Its timer ran out. Remembered until its place is needed, so that a late answer is known as one.
    Expired,
}

#[derive(Clone, Copy, Default)]
struct Slot<T> {
    value: T,
    sent: Mono,
    sequence: u32,
    used: Use,
}

/// What a sequence number in a response belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled<T> {
    /// An open request, now closed.
    Open {
        /// What was put in with it.
        value: T,
        /// When it was sent.
        sent: Mono,
    },
    /// A request whose timer had run out; told once.
    Late {
        /// When it was sent.
        sent: Mono,
    },
    /// Nothing we remember.
    Unknown,
}

/// Open requests of one direction of one session, and the counter that numbers every request of that direction.
///
/// Invariants: at most `limit` slots are open; the ring has at least twice as many; no two open slots share a sequence
/// number; `oldest` names an open slot whenever one is open, and open slots were sent in the order of their numbers.
#[derive(Clone)]
pub struct Window<T> {
    slots: Box<[Slot<T>]>,
    limit: u32,
    open: u32,
    next: u32,
    oldest: u32,
}

const fn successor(sequence: u32) -> u32 {
    if sequence >= SEQUENCE_MAX { 1 } else { sequence + 1 }
}

impl<T: Copy + Default> Window<T> {
    /// A window that takes nothing and owns no memory, but numbers requests from 1.
    #[must_use]
    pub fn closed() -> Self {
        Self { slots: Box::default(), limit: 0, open: 0, next: 1, oldest: 1 }
    }

    /// A window for `limit` open requests (at least 1, at most [`WINDOW_MAX`]) whose first number is `next`.
    #[must_use]
    pub fn new(limit: u32, next: u32) -> Self {
        let limit = limit.clamp(1, WINDOW_MAX);
        let next = next.clamp(1, SEQUENCE_MAX);
        // Twice the limit keeps a free slot near when some answers stay out, whatever their pattern.
        let slots = (limit as usize * 2).next_power_of_two().max(4);
        Self { slots: vec![Slot::default(); slots].into_boxed_slice(), limit, open: 0, next, oldest: next }
    }

    /// Allocates the ring for `limit` open requests and goes on counting. Only while nothing is open.
    pub(super) fn resize(&mut self, limit: u32) {
        if self.open == 0 {
            *self = Self::new(limit, self.next);
        }
    }

    fn place(&self, sequence: u32) -> usize {
        // The ring's length is a power of two, or zero for a closed window, which every caller rules out.
        sequence as usize & self.slots.len().wrapping_sub(1)
    }

    fn holds(&self, sequence: u32) -> bool {
        self.slots.get(self.place(sequence)).is_some_and(|slot| slot.used == Use::Open && slot.sequence == sequence)
    }

    /// Opens a request and returns its sequence number; `None` when `limit` are open. `now` must not go back.
    pub fn take(&mut self, value: T, now: Mono) -> Option<u32> {
        if self.open >= self.limit {
            return None;
        }
        // Ends: fewer than half of the slots are open, and the numbers walk over all of them.
        let mut sequence = self.next;
        while self.slots[self.place(sequence)].used == Use::Open {
            sequence = successor(sequence);
        }
        let place = self.place(sequence);
        self.slots[place] = Slot { value, sent: now, sequence, used: Use::Open };
        if self.open == 0 {
            self.oldest = sequence;
        }
        self.open += 1;
        self.next = successor(sequence);
        Some(sequence)
    }

    /// A number for a request that takes no slot (`enquire_link`, `unbind`). Never one that is open.
    pub fn number(&mut self) -> u32 {
        while self.holds(self.next) {
            self.next = successor(self.next);
        }
        let sequence = self.next;
        self.next = successor(sequence);
        sequence
    }

    /// Takes the answer to `sequence`, in any order.
    pub fn settle(&mut self, sequence: u32) -> Settled<T> {
        let place = self.place(sequence);
        let Some(slot) = self.slots.get_mut(place) else { return Settled::Unknown };
        if slot.sequence != sequence {
            return Settled::Unknown;
        }
        let Slot { value, sent, used, .. } = *slot;
        slot.used = Use::Free;
        match used {
            Use::Free => Settled::Unknown,
            Use::Expired => Settled::Late { sent },
            Use::Open => {
                self.closed_one(sequence);
                Settled::Open { value, sent }
            }
        }
    }

    fn closed_one(&mut self, sequence: u32) {
        self.open -= 1;
        if sequence == self.oldest && self.open > 0 {
            // Each number is passed once, so this is O(1) per request over a session.
            loop {
                self.oldest = successor(self.oldest);
                if self.holds(self.oldest) {
                    break;
                }
            }
        }
    }

    /// When the oldest open request was sent.
    #[must_use]
    pub fn oldest(&self) -> Option<Mono> {
        if self.open == 0 {
            return None;
        }
        self.slots.get(self.place(self.oldest)).map(|slot| slot.sent)
    }

    /// Gives up the oldest open request when it was sent at `until` or before.
    pub fn expire(&mut self, until: Mono) -> Option<T> {
        if self.oldest()? > until {
            return None;
        }
        let sequence = self.oldest;
        let place = self.place(sequence);
        let slot = &mut self.slots[place];
        slot.used = Use::Expired;
        let value = slot.value;
        self.closed_one(sequence);
        Some(value)
    }

    /// How many requests are open.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open
    }

    /// How many may be opened now.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.limit - self.open
    }

    /// Whether nothing is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_still_open_when_its_turn_comes_again_is_passed_over() {
        let mut window: Window<u8> = Window::new(4, 5);
        assert_eq!(window.take(1, Mono(0)), Some(5));
        assert_eq!(window.take(2, Mono(0)), Some(6));
        // As after the whole range of numbers.
        window.next = 4;
        assert_eq!(window.number(), 4);
        assert_eq!(window.number(), 7);
        window.next = 5;
        assert_eq!(window.take(3, Mono(0)), Some(7));
    }
}
