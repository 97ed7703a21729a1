//! What is known of each message of a run: ten octets a message, so that five million fit in 50 MB.

use std::collections::HashMap;
use std::hash::Hasher;

use rustc_hash::{FxBuildHasher, FxHasher};

use crate::clock::Mono;

/// Times are kept in units of 8 µs: 32 bits then hold nine hours.
const TIME_SHIFT: u32 = 3;

/// Ids on one page, as a power of two: servers give out ids in growing order, so pages are nearly full.
const PAGE_BITS: u32 = 6;

/// No receipt yet, in the place of a session.
const NO_SESSION: u16 = 0;

/// What a receipt means for its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// The first final receipt of this message.
    First(u32),
    /// One more; the first came in this session.
    More(u16),
    /// No message has this id, so far.
    Unknown,
}

/// Messages by serial number, and serial numbers by message id.
pub(super) struct Table {
    times: Vec<u32>,
    sessions: Vec<u16>,
    pages: HashMap<u64, u32, FxBuildHasher>,
    serials: Vec<[u32; 1 << PAGE_BITS]>,
    recent: (u64, u32),
}

impl Table {
    /// `expected` messages are made room for at once, so that growing does not disturb the run.
    pub(super) fn new(expected: usize) -> Self {
        Self {
            times: Vec::with_capacity(expected),
            sessions: Vec::with_capacity(expected),
            pages: HashMap::default(),
            serials: Vec::with_capacity(expected >> PAGE_BITS),
            recent: (u64::MAX, 0),
        }
    }

    /// Adds the next message, meant to be sent at `time`; returns its serial number.
    pub(super) fn add(&mut self, time: Mono) -> u32 {
        self.times.push((time.0 >> TIME_SHIFT) as u32);
        self.sessions.push(NO_SESSION);
        (self.times.len() - 1) as u32
    }

    /// Messages added so far.
    pub(super) fn len(&self) -> usize {
        self.times.len()
    }

    /// When it was meant to be sent.
    pub(super) fn time(&self, serial: u32) -> Mono {
        Mono(u64::from(self.times[serial as usize]) << TIME_SHIFT)
    }

    /// Notes the id that acknowledged this message; `false` when an earlier message has the same id.
    pub(super) fn acknowledge(&mut self, serial: u32, id: u64) -> bool {
        let page = self.page(id >> PAGE_BITS);
        let entry = &mut self.serials[page][id as usize & ((1 << PAGE_BITS) - 1)];
        let fresh = *entry == 0;
        *entry = serial + 1;
        fresh
    }

    /// Notes a final receipt for this id that came in `session`, which is not 0.
    pub(super) fn receipt(&mut self, id: u64, session: u16) -> Match {
        let Some(serial) = self.serial(id) else { return Match::Unknown };
        let first = &mut self.sessions[serial as usize];
        if *first == NO_SESSION {
            *first = session;
            return Match::First(serial);
        }
        Match::More(*first)
    }

    fn serial(&mut self, id: u64) -> Option<u32> {
        let number = id >> PAGE_BITS;
        let page = if self.recent.0 == number { self.recent.1 } else { *self.pages.get(&number)? };
        self.recent = (number, page);
        self.serials[page as usize][id as usize & ((1 << PAGE_BITS) - 1)].checked_sub(1)
    }

    fn page(&mut self, number: u64) -> usize {
        if self.recent.0 != number {
            let page = *self.pages.entry(number).or_insert_with(|| {
                self.serials.push([0; 1 << PAGE_BITS]);
                (self.serials.len() - 1) as u32
            });
            self.recent = (number, page);
        }
        self.recent.1 as usize
    }
}

/// A message id as a number: decimal digits by value, anything else by its hash, apart from all decimal ones in practice.
pub(super) fn id_of(text: &[u8]) -> u64 {
    let decimal = |text: &[u8]| {
        text.iter().try_fold(0_u64, |value, octet| {
            let digit = octet.checked_sub(b'0').filter(|digit| *digit < 10)?;
            value.checked_mul(10)?.checked_add(digit.into())
        })
    };
    match decimal(text) {
        Some(value) if !text.is_empty() => value,
        _ => {
            let mut hasher = FxHasher::default();
            hasher.write(text);
            hasher.finish() | 1 << 63
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_match_once_then_count_as_more() {
        let mut table = Table::new(4);
        for time in 0..200 {
            assert_eq!(u64::from(table.add(Mono(time * 8))), time);
        }
        for serial in 0..200 {
            assert!(table.acknowledge(serial, 1_000_000_007 + u64::from(serial) * 3));
        }
        assert!(!table.acknowledge(5, 1_000_000_007));
        assert_eq!(table.receipt(1_000_000_008, 1), Match::Unknown);
        assert_eq!(table.receipt(1_000_000_010, 1), Match::First(1));
        assert_eq!(table.receipt(1_000_000_010, 1), Match::More(1));
        assert_eq!(table.receipt(1_000_000_010, 2), Match::More(1));
        assert_eq!(table.time(9), Mono(72));
    }

    #[test]
    fn ids_are_numbers_where_they_can_be() {
        assert_eq!(id_of(b"0042"), 42);
        assert_eq!(id_of(b"18446744073709551615"), u64::MAX);
        assert_ne!(id_of(b"18446744073709551616"), id_of(b"ff"));
        assert_ne!(id_of(b"beef"), id_of(b"dead"));
        assert_eq!(id_of(b"beef"), id_of(b"beef"));
        assert!(id_of(b"") > 1 << 62);
    }
}
