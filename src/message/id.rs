//! Identities. All are small integers that can be printed: none of them is personal data.

use std::fmt;

/// Identity of one accepted message, unique in one store and growing with time.
///
/// Shown to peers of interface version 3.4 as decimal digits without leading zero (at most 20), and to 3.3 peers, whose
/// `message_id` holds 8 characters, as the low 32 bits in lower-case hexadecimal. SMPP 3.4 §5.2.23.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

/// Stable number of an account (a client system, ESME); the store keeps the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub u16);

/// Stable number of a carrier (an upstream SMSC); the store keeps the names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CarrierId(pub u16);

/// One TCP connection in the life of this process. Never reused, so an answer for a dead link cannot reach its successor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl MessageId {
    /// Writes the form a peer sees into `out` and returns it; `legacy` asks for the 3.3 form.
    pub fn digits(self, legacy: bool, out: &mut [u8; 20]) -> &[u8] {
        // The base is a constant in each, so that dividing is multiplying.
        if legacy { write_digits::<16>(self.0 & 0xFFFF_FFFF, out) } else { write_digits::<10>(self.0, out) }
    }
}

/// `BASE` is 10 or 16, and the digits of `rest` fit.
fn write_digits<const BASE: u64>(mut rest: u64, out: &mut [u8; 20]) -> &[u8] {
    let mut at = out.len();
    loop {
        at -= 1;
        out[at] = b"0123456789abcdef"[(rest % BASE) as usize];
        rest /= BASE;
        if rest == 0 {
            return &out[at..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_have_no_leading_zero_and_fit() {
        let mut out = [0; 20];
        assert_eq!(MessageId(0).digits(false, &mut out), b"0");
        assert_eq!(MessageId(u64::MAX).digits(false, &mut out), b"18446744073709551615");
        assert_eq!(MessageId(u64::MAX).digits(true, &mut out), b"ffffffff");
        assert_eq!(MessageId(0x1_0000_00AB).digits(true, &mut out), b"ab");
    }
}
