//! What is known of each message of a run: nine octets a message, so that five million fit in 50 MB.

use std::collections::HashMap;
use std::hash::Hasher;

use rustc_hash::{FxBuildHasher, FxHasher};

use crate::clock::Mono;

/// Times are kept in units of 8 µs: 32 bits then hold nine hours.
const TIME_SHIFT: u32 = 3;

/// Ids on one page, as a power of two: servers give out ids in growing order, so pages are nearly full.
const PAGE_BITS: u32 = 6;

const ACKNOWLEDGED: u8 = 1;
const RECEIPTED: u8 = 2;
const UNKNOWN: u8 = 4;
const EPOCH_SHIFT: u32 = 4;

/// What a receipt means for its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// The first final receipt of this message.
    First(u32),
    /// One more, on the same run of connections.
    Duplicate,
    /// One more, after a connection was lost: its acknowledgement may have been lost with it.
    Redelivered,
    /// No message has this id, so far.
    Unknown,
}

/// Messages by serial number, and serial numbers by message id.
pub(super) struct Table {
    times: Vec<u32>,
    flags: Vec<u8>,
    pages: HashMap<u64, u32, FxBuildHasher>,
    serials: Vec<[u32; 1 << PAGE_BITS]>,
    recent: (u64, u32),
}

impl Table {
    /// `expected` messages are made room for at once, so that growing does not disturb the run.
    pub(super) fn new(expected: usize) -> Self {
        Self {
            times: Vec::with_capacity(expected),
            flags: Vec::with_capacity(expected),
            pages: HashMap::default(),
            serials: Vec::with_capacity(expected >> PAGE_BITS),
            recent: (u64::MAX, 0),
        }
    }

    /// Adds the next message, meant to be sent at `time`; returns its serial number.
    pub(super) fn add(&mut self, time: Mono) -> u32 {
        self.times.push((time.0 >> TIME_SHIFT) as u32);
        self.flags.push(0);
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

    /// Notes that the outcome of this message is unknown; `true` the first time.
    pub(super) fn lose(&mut self, serial: u32) -> bool {
        let flags = &mut self.flags[serial as usize];
        let first = *flags & UNKNOWN == 0;
        *flags |= UNKNOWN;
        first
    }

    /// Notes the id that acknowledged this message; `false` when an earlier message has the same id.
    pub(super) fn acknowledge(&mut self, serial: u32, id: u64) -> bool {
        self.flags[serial as usize] |= ACKNOWLEDGED;
        let page = self.page(id >> PAGE_BITS);
        let entry = &mut self.serials[page][id as usize & ((1 << PAGE_BITS) - 1)];
        let fresh = *entry == 0;
        *entry = serial + 1;
        fresh
    }

    /// Notes a final receipt for this id. `epoch` counts lost connections.
    pub(super) fn receipt(&mut self, id: u64, epoch: u8) -> Match {
        let Some(serial) = self.serial(id) else { return Match::Unknown };
        let flags = &mut self.flags[serial as usize];
        if *flags & RECEIPTED == 0 {
            *flags |= RECEIPTED | epoch << EPOCH_SHIFT;
            return Match::First(serial);
        }
        if *flags >> EPOCH_SHIFT == epoch & 0xF { Match::Duplicate } else { Match::Redelivered }
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
        assert_eq!(table.receipt(1_000_000_008, 0), Match::Unknown);
        assert_eq!(table.receipt(1_000_000_010, 0), Match::First(1));
        assert_eq!(table.receipt(1_000_000_010, 0), Match::Duplicate);
        assert_eq!(table.receipt(1_000_000_010, 1), Match::Redelivered);
        assert_eq!(table.time(9), Mono(72));
        assert_eq!((table.lose(9), table.lose(9)), (true, false));
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
