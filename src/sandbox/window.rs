//! Requests sent and not yet answered, by sequence number. SMPP 3.4 §2.9 and §3.2.
//!
//! A fixed table indexed by the low bits of the sequence number: no hashing and no allocation per request. Knows
//! nothing of what a request was.

use crate::clock::Mono;

/// Highest sequence number before the count starts again at 1. SMPP 3.4 §3.2.
const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;

#[derive(Clone, Copy)]
struct Slot<T> {
    sequence: u32,
    sent: Mono,
    value: T,
}

/// The open requests of one link, at most `limit` of them.
pub(super) struct Window<T> {
    slots: Vec<Option<Slot<T>>>,
    limit: usize,
    open: usize,
    next: u32,
}

impl<T: Copy> Window<T> {
    /// A window of `limit` requests, at least one.
    pub(super) fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        // Four times the limit: one slow answer then costs a skipped number now and then, not a stalled window.
        Self { slots: vec![None; (limit * 4).next_power_of_two()], limit, open: 0, next: 1 }
    }

    /// Requests in flight.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// How many more may be sent.
    pub(super) fn free(&self) -> usize {
        self.limit - self.open
    }

    /// Takes a slot and returns its sequence number; `None` when the window is full.
    pub(super) fn take(&mut self, value: T, sent: Mono) -> Option<u32> {
        if self.open == self.limit {
            return None;
        }
        let mask = self.slots.len() - 1;
        // Ends: at most a quarter of the slots is taken.
        while self.slots[self.next as usize & mask].is_some() {
            self.advance();
        }
        let sequence = self.next;
        self.slots[sequence as usize & mask] = Some(Slot { sequence, sent, value });
        self.open += 1;
        self.advance();
        Some(sequence)
    }

    /// A sequence number for a request that takes no slot, such as a bind or `enquire_link`.
    pub(super) fn unwindowed(&mut self) -> u32 {
        let sequence = self.next;
        self.advance();
        sequence
    }

    /// Frees the slot of an answered request; `None` when no request with this number is open.
    pub(super) fn answer(&mut self, sequence: u32) -> Option<T> {
        let mask = self.slots.len() - 1;
        let slot = &mut self.slots[sequence as usize & mask];
        let value = slot.filter(|taken| taken.sequence == sequence)?.value;
        *slot = None;
        self.open -= 1;
        Some(value)
    }

    /// Frees every request sent before `limit` and hands it to `each`. Walks the whole table: call it about once a
    /// second.
    pub(super) fn expire(&mut self, limit: Mono, mut each: impl FnMut(T)) {
        for slot in &mut self.slots {
            if let Some(taken) = slot.filter(|taken| taken.sent < limit) {
                each(taken.value);
                *slot = None;
                self.open -= 1;
            }
        }
    }

    fn advance(&mut self) {
        self.next = if self.next == SEQUENCE_MAX { 1 } else { self.next + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_refuses_and_an_answer_frees() {
        let mut window = Window::new(2);
        let first = window.take('a', Mono(1)).unwrap();
        assert_eq!(window.take('b', Mono(2)), Some(first + 1));
        assert_eq!(window.take('c', Mono(3)), None);
        assert_eq!(window.answer(first + 7), None);
        assert_eq!(window.answer(first), Some('a'));
        assert_eq!(window.answer(first), None);
        assert_eq!((window.open(), window.free()), (1, 1));
    }

    #[test]
    fn a_request_that_is_never_answered_keeps_its_number_while_others_pass() {
        let mut window = Window::new(2);
        let stuck = window.take(0, Mono(0)).unwrap();
        for round in 1..100 {
            let sequence = window.take(round, Mono(round)).unwrap();
            assert_ne!(sequence, stuck);
            assert_eq!(window.answer(sequence), Some(round));
        }
        let mut expired = Vec::new();
        window.expire(Mono(1), |value| expired.push(value));
        assert_eq!((expired, window.open()), (vec![0], 0));
    }

    #[test]
    fn sequence_numbers_start_again_at_one() {
        let mut window = Window::new(1);
        window.next = SEQUENCE_MAX;
        assert_eq!(window.take((), Mono(0)), Some(SEQUENCE_MAX));
        assert_eq!(window.answer(SEQUENCE_MAX), Some(()));
        assert_eq!(window.take((), Mono(0)), Some(1));
    }
}
