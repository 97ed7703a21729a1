//! Writes one PDU: header first, body after it, the length patched in at the end.
//!
//! Room is reserved once; the callers pass the size they will need.

use bytes::{BufMut, BytesMut};

use super::address::Address;
use super::command::{CommandId, CommandStatus};
use super::header::HEADER_LENGTH;
use super::tlv::Tlv;

/// Writes the fields of one PDU in wire order.
pub(super) struct Pen<'w> {
    wire: &'w mut BytesMut,
    start: usize,
}

impl<'w> Pen<'w> {
    /// Writes the header of a PDU whose body will be about `body` octets.
    #[inline]
    pub(super) fn begin(
        command: CommandId,
        status: CommandStatus,
        sequence: u32,
        body: usize,
        wire: &'w mut BytesMut,
    ) -> Self {
        wire.reserve(HEADER_LENGTH + body);
        let start = wire.len();
        let mut header = [0; HEADER_LENGTH];
        header[4..8].copy_from_slice(&command.0.to_be_bytes());
        header[8..12].copy_from_slice(&status.0.to_be_bytes());
        header[12..].copy_from_slice(&sequence.to_be_bytes());
        wire.put_slice(&header);
        Self { wire, start }
    }

    #[inline]
    pub(super) fn octet(&mut self, octet: u8) {
        self.wire.put_u8(octet);
    }

    #[inline]
    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.wire.put_slice(octets);
    }

    /// Octets and a NUL.
    #[inline]
    pub(super) fn c_octets(&mut self, octets: &[u8]) {
        if !octets.is_empty() {
            self.wire.put_slice(octets);
        }
        self.wire.put_u8(0);
    }

    /// A count in one octet and as many octets; at most 255.
    #[inline]
    pub(super) fn counted(&mut self, octets: &[u8]) {
        let count = u8::try_from(octets.len()).unwrap_or(u8::MAX);
        self.wire.put_u8(count);
        self.wire.put_slice(&octets[..usize::from(count)]);
    }

    #[inline]
    pub(super) fn address(&mut self, address: &Address) {
        self.wire.put_u8(address.ton());
        self.wire.put_u8(address.npi());
        self.c_octets(address.octets());
    }

    /// An optional parameter.
    #[inline]
    pub(super) fn tlv(&mut self, tlv: Tlv<'_>) {
        tlv.encode(self.wire);
    }

    /// Patches `command_length`.
    #[inline]
    pub(super) fn end(self) {
        let length = u32::try_from(self.wire.len() - self.start).unwrap_or(u32::MAX);
        self.wire[self.start..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }
}
