//! The leaves of every body: octets, integers, C-octet strings and addresses, read by nom from a borrowed slice.
//! SMPP 3.4 §3.1.
//!
//! Knows the form of a field, not which values are allowed in it.

use nom::bytes::complete::take;
use nom::number::complete::{be_u8, be_u32};

use super::address::{ADDRESS_MAX, Address, WINDOW, first_nul};
use super::command::CommandStatus;
use super::fault::Malformed;

/// Reads the fields of one body in wire order.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// What an address field answers when it is too long, and its name in the specification.
#[derive(Clone, Copy)]
pub(super) struct AddressField {
    pub(super) status: CommandStatus,
    pub(super) name: &'static str,
}

/// `source_addr` of most PDUs.
pub(super) const SOURCE: AddressField = AddressField { status: CommandStatus::ESME_RINVSRCADR, name: "source_addr" };
/// `destination_addr` of most PDUs.
pub(super) const DESTINATION: AddressField =
    AddressField { status: CommandStatus::ESME_RINVDSTADR, name: "destination_addr" };

impl<'a> Fields<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// What no field has taken.
    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn octet(&mut self, field: &'static str) -> Result<u8, Malformed> {
        match be_u8::<_, ()>(self.rest) {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(_) => Err(Malformed::cut(field)),
        }
    }

    /// Some one-octet fields in a row, the first of them `field`.
    #[inline]
    pub(super) fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Malformed> {
        let octets = self.octets(N, Malformed::cut(field))?;
        octets.try_into().map_err(|_| Malformed::cut(field))
    }

    pub(super) fn word(&mut self, field: &'static str) -> Result<u32, Malformed> {
        let (rest, value) = be_u32::<_, ()>(self.rest).map_err(|_| Malformed::cut(field))?;
        self.rest = rest;
        Ok(value)
    }

    /// Exactly `count` octets; `fault` when there are fewer.
    #[inline]
    pub(super) fn octets(&mut self, count: usize, fault: Malformed) -> Result<&'a [u8], Malformed> {
        match take::<_, _, ()>(count)(self.rest) {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(_) => Err(fault),
        }
    }

    /// A C-octet string of at most `max` octets before its NUL, returned without it.
    ///
    /// A string that is too long answers `status`; a body that ends before the NUL answers `ESME_RINVCMDLEN`.
    #[inline]
    pub(super) fn c_octets(
        &mut self,
        max: usize,
        status: CommandStatus,
        field: &'static str,
    ) -> Result<&'a [u8], Malformed> {
        match nul(self.rest, max) {
            Some(at) => {
                let (value, rest) = self.rest.split_at(at);
                self.rest = rest.get(1..).unwrap_or(&[]);
                Ok(value)
            }
            None if self.rest.len() > max => Err(Malformed::new(status, field)),
            None => Err(Malformed::cut(field)),
        }
    }

    /// As [`c_octets`](Self::c_octets) for the last field of a body: old clients leave out the NUL that ends the PDU.
    pub(super) fn last_c_octets(
        &mut self,
        max: usize,
        status: CommandStatus,
        field: &'static str,
    ) -> Result<&'a [u8], Malformed> {
        if nul(self.rest, max).is_none() && self.rest.len() <= max {
            return Ok(std::mem::take(&mut self.rest));
        }
        self.c_octets(max, status, field)
    }

    /// Type of number, numbering plan, address.
    ///
    /// Always inlined: handing 23 octets over through memory costs more than reading them.
    #[inline(always)]
    pub(super) fn address(&mut self, field: AddressField) -> Result<Address, Malformed> {
        let [ton, npi] = self.array(field.name)?;
        if let Some(window) = self.rest.first_chunk::<WINDOW>()
            && let Some(address) = Address::at_start_of(ton, npi, window)
        {
            self.rest = self.rest.get(address.octets().len() + 1..).unwrap_or(&[]);
            return Ok(address);
        }
        self.short_address(ton, npi, field)
    }

    /// The address near the end of a body, or one that is too long.
    #[cold]
    fn short_address(&mut self, ton: u8, npi: u8, field: AddressField) -> Result<Address, Malformed> {
        let octets = self.c_octets(ADDRESS_MAX, field.status, field.name)?;
        Address::unscanned(ton, npi, octets).ok_or_else(|| Malformed::new(field.status, field.name))
    }

    /// As [`address`](Self::address) where it is the last field of the body.
    pub(super) fn last_address(&mut self, field: AddressField) -> Result<Address, Malformed> {
        let [ton, npi] = self.array(field.name)?;
        let octets = self.last_c_octets(ADDRESS_MAX, field.status, field.name)?;
        Address::unscanned(ton, npi, octets).ok_or_else(|| Malformed::new(field.status, field.name))
    }
}

/// Offset of the first NUL of `octets`, `None` when none is among the first `max` + 1.
#[inline]
fn nul(octets: &[u8], max: usize) -> Option<usize> {
    octets.iter().take(max + 1).position(|octet| *octet == 0)
}

/// Offset of the first `needle`, eight octets at a time.
#[inline]
pub(super) fn position(octets: &[u8], needle: u8) -> Option<usize> {
    let pattern = u64::from_ne_bytes([needle; 8]);
    let (words, tail) = octets.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        if let Some(at) = first_nul(u64::from_le_bytes(*word) ^ pattern) {
            return Some(index * 8 + at);
        }
    }
    tail.iter().position(|octet| *octet == needle).map(|at| words.len() * 8 + at)
}

/// Octets up to the first NUL, or all of them: how a lenient reader takes a string.
#[inline]
pub(super) fn until_nul(octets: &[u8]) -> &[u8] {
    position(octets, 0).and_then(|at| octets.get(..at)).unwrap_or(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: CommandStatus = CommandStatus::ESME_RINVSRCADR;

    #[test]
    fn a_string_ends_at_its_nul_or_fails_by_its_own_status() {
        let mut fields = Fields::new(b"ab\0c");
        assert_eq!(fields.c_octets(2, STATUS, "f"), Ok(&b"ab"[..]));
        assert_eq!(fields.rest(), b"c");
        assert_eq!(Fields::new(b"abc\0").c_octets(2, STATUS, "f"), Err(Malformed::new(STATUS, "f")));
        assert_eq!(Fields::new(b"ab").c_octets(2, STATUS, "f"), Err(Malformed::cut("f")));
        assert_eq!(Fields::new(b"").c_octets(2, STATUS, "f"), Err(Malformed::cut("f")));
    }

    #[test]
    fn words_find_what_a_loop_finds() {
        let octets: Vec<u8> = (0..100).collect();
        for needle in 0..=120 {
            assert_eq!(position(&octets, needle), octets.iter().position(|octet| *octet == needle));
        }
    }

    #[test]
    fn only_the_last_string_may_lack_its_nul() {
        assert_eq!(Fields::new(b"ab").last_c_octets(2, STATUS, "f"), Ok(&b"ab"[..]));
        assert_eq!(Fields::new(b"").last_c_octets(2, STATUS, "f"), Ok(&b""[..]));
        assert_eq!(Fields::new(b"abc").last_c_octets(2, STATUS, "f"), Err(Malformed::new(STATUS, "f")));
        let mut fields = Fields::new(b"a\0\0\x34");
        assert_eq!(fields.last_c_octets(2, STATUS, "f"), Ok(&b"a"[..]));
        assert_eq!(fields.rest(), b"\0\x34");
    }
}
