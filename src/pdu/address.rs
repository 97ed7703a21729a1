//! An SME address: type of number, numbering plan and up to 20 octets, inline. SMPP 3.4 §5.2.5–5.2.9.
//!
//! Keeps what the wire carried; says nothing about whether it is a telephone number.

use std::fmt;
use std::hash::{Hash, Hasher};

/// Most octets of an address in every PDU but `data_sm`, its NUL not counted. SMPP 3.4 §5.2.8.
pub const ADDRESS_MAX: usize = 20;

/// An address of `submit_sm` and its kin. Holds no NUL. Personal data: `Debug` shows only its kind and size, and there
/// is no `Display`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Address {
    ton: u8,
    npi: u8,
    length: u8,
    /// Zero after `length`, so that equality may compare all of it.
    octets: [u8; ADDRESS_MAX],
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
        let length = octets.len();
        let mut own = [0; ADDRESS_MAX];
        own.get_mut(..length)?.copy_from_slice(octets);
        Some(Self { ton, npi, length: length as u8, octets: own })
    }

    /// Type of number. Any value is kept.
    #[must_use]
    pub fn ton(&self) -> u8 {
        self.ton
    }

    /// Numbering plan indicator. Any value is kept.
    #[must_use]
    pub fn npi(&self) -> u8 {
        self.npi
    }

    /// The address without its NUL.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        // `length` never exceeds the array; the fallback only keeps this free of a panic path.
        self.octets.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// Whether there are no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.ton);
        state.write_u8(self.npi);
        state.write(self.octets());
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(ton {}, npi {}, {} octets)", self.ton, self.npi, self.length)
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
    fn debug_shows_no_digit_of_the_number() {
        let shown = format!("{:?}", Address::new(1, 1, b"7987987").unwrap());
        assert_eq!(shown, "Address(ton 1, npi 1, 7 octets)");
    }
}
