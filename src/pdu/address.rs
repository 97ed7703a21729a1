//! An SME address: type of number, numbering plan and up to 20 octets, inline. SMPP 3.4 §5.2.5–5.2.9.
//!
//! Keeps what the wire carried; says nothing about whether it is a telephone number.

use std::fmt;
use std::hash::{Hash, Hasher};

/// Most octets of an address in every PDU but `data_sm`, its NUL not counted. SMPP 3.4 §5.2.8.
pub const ADDRESS_MAX: usize = 20;

/// Octets that [`Address::at_start_of`] looks at: three words.
pub(super) const WINDOW: usize = 24;

/// Where the octets' three companions are in the array.
const TON: usize = 20;
const NPI: usize = 21;
const LENGTH: usize = 22;

/// An address of `submit_sm` and its kin. Holds no NUL. Personal data: `Debug` shows only its kind and size, and there
/// is no `Display`.
///
/// Three words: 20 octets padded with zeros, type of number, numbering plan, length, a zero. Whole words, because an
/// address is moved more often than it is read, and because equality may then compare all of it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(8))]
pub struct Address {
    octets: [u8; WINDOW],
}

impl Address {
    /// Type of number of an alphanumeric sender.
    pub const TON_ALPHANUMERIC: u8 = 5;

    /// `None` when `octets` are more than [`ADDRESS_MAX`] or hold a NUL.
    #[must_use]
    pub fn new(ton: u8, npi: u8, octets: &[u8]) -> Option<Self> {
        if octets.contains(&0) {
            return None;
        }
        Self::unscanned(ton, npi, octets)
    }

    /// The caller has made sure that `octets` hold no NUL; `None` when they are too many.
    pub(super) fn unscanned(ton: u8, npi: u8, octets: &[u8]) -> Option<Self> {
        let mut own = [0; WINDOW];
        own[..ADDRESS_MAX].get_mut(..octets.len())?.copy_from_slice(octets);
        own[TON] = ton;
        own[NPI] = npi;
        own[LENGTH] = octets.len() as u8;
        Some(Self { octets: own })
    }

    /// The address at the start of `window`, which holds the longest one, its NUL and more; `None` when the NUL is
    /// missing.
    ///
    /// Works on words, because every message has two of these: half the cost of a loop and a copy of unknown length.
    #[inline(always)]
    pub(super) fn at_start_of(ton: u8, npi: u8, window: &[u8; WINDOW]) -> Option<Self> {
        let [first, second, third] = [0, 8, 16].map(|at| {
            let mut octets = [0; 8];
            octets.copy_from_slice(&window[at..at + 8]);
            u64::from_le_bytes(octets)
        });
        let (length, low, middle, high) = match (first_nul(first), first_nul(second), first_nul(third)) {
            (Some(at), _, _) => (at, first & below(at), 0, 0),
            (None, Some(at), _) => (8 + at, first, second & below(at), 0),
            (None, None, Some(at)) if 16 + at <= ADDRESS_MAX => (16 + at, first, second, third & below(at)),
            _ => return None,
        };
        let companions = u64::from_le_bytes([0, 0, 0, 0, ton, npi, length as u8, 0]);
        let mut octets = [0; WINDOW];
        octets[..8].copy_from_slice(&low.to_le_bytes());
        octets[8..16].copy_from_slice(&middle.to_le_bytes());
        octets[16..].copy_from_slice(&(high | companions).to_le_bytes());
        Some(Self { octets })
    }

    /// All of the array: the octets and zeros after them.
    #[inline]
    pub(super) fn padded(&self) -> [u8; ADDRESS_MAX] {
        *self.octets.first_chunk().unwrap_or(&[0; ADDRESS_MAX])
    }

    /// Type of number. Any value is kept.
    #[must_use]
    pub fn ton(&self) -> u8 {
        self.octets[TON]
    }

    /// Numbering plan indicator. Any value is kept.
    #[must_use]
    pub fn npi(&self) -> u8 {
        self.octets[NPI]
    }

    /// The address without its NUL.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        // The length never exceeds the array; the fallback only keeps this free of a panic path.
        self.octets.get(..usize::from(self.octets[LENGTH])).unwrap_or(&[])
    }

    /// Whether there are no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets[LENGTH] == 0
    }
}

/// Index of the first zero octet of a little-endian word.
#[inline]
pub(super) fn first_nul(word: u64) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    // A borrow marks zero octets, and maybe others above the first one: only the lowest mark counts.
    let marks = word.wrapping_sub(LOW) & !word & HIGH;
    (marks != 0).then_some(marks.trailing_zeros() as usize / 8)
}

/// A mask of the first `count` octets of a little-endian word, at most seven.
#[inline]
fn below(count: usize) -> u64 {
    (1 << (8 * count)) - 1
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.octets);
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(ton {}, npi {}, {} octets)", self.ton(), self.npi(), self.octets().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_octets_fit_and_twenty_one_do_not() {
        let digits = [b'4'; 21];
        let longest = Address::new(1, 1, &digits[..20]).unwrap();
        assert_eq!(longest.octets(), &digits[..20]);
        assert!(Address::new(1, 1, &digits).is_none());
        assert!(Address::new(1, 1, b"4\x007").is_none());
        assert!(Address::default().is_empty());
    }

    #[test]
    fn words_find_what_a_loop_finds() {
        for length in 0..=WINDOW {
            for octet in [1, 0x7F, 0x80, 0xFF] {
                for after in [0, 1, 0xFF] {
                    let mut window = [after; WINDOW];
                    window[..length].fill(octet);
                    if let Some(end) = window.get_mut(length) {
                        *end = 0;
                    }
                    let expected = Address::new(1, 2, &window[..length]);
                    assert_eq!(Address::at_start_of(1, 2, &window), expected, "{length} {octet} {after}");
                }
            }
        }
    }

    #[test]
    fn debug_shows_no_digit_of_the_number() {
        let shown = format!("{:?}", Address::new(1, 1, b"7987987").unwrap());
        assert_eq!(shown, "Address(ton 1, npi 1, 7 octets)");
    }
}
