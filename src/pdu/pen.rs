//! Writes one PDU: header first, body after it, the length patched in at the end.
//!
//! [`Pen`] writes any PDU field by field. [`Head`] is for those of every message: it gathers the fields of bounded size
//! on the stack, where a copy has a known length, so that the buffer is touched three times instead of twenty.

use bytes::{BufMut, BytesMut};

use super::address::{ADDRESS_MAX, Address};
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

/// Room for the header and the bounded fields of `submit_sm`: 111 octets, and a copy of fixed length after them.
const HEAD_MAX: usize = 144;

/// The bounded fields at the start of a PDU.
pub(super) struct Head {
    octets: [u8; HEAD_MAX],
    length: usize,
}

impl Head {
    /// No octets.
    #[inline]
    pub(super) fn empty() -> Self {
        Self { octets: [0; HEAD_MAX], length: 0 }
    }

    /// The header of a PDU of `ESME_ROK`.
    #[inline]
    pub(super) fn begin(command: CommandId, sequence: u32) -> Self {
        let mut head = Self::empty();
        head.octets([0; 4]);
        head.octets(command.0.to_be_bytes());
        head.octets([0; 4]);
        head.octets(sequence.to_be_bytes());
        head
    }

    /// The octets so far.
    #[inline]
    pub(super) fn written(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or(&self.octets)
    }

    /// Octets whose number is known here. What does not fit is left out, and callers never write that much.
    #[inline]
    pub(super) fn octets<const N: usize>(&mut self, octets: [u8; N]) {
        if let Some(room) = self.octets.get_mut(self.length..self.length + N) {
            room.copy_from_slice(&octets);
            self.length += N;
        }
    }

    /// At most `MAX` octets and a NUL.
    #[inline]
    pub(super) fn c_octets<const MAX: usize>(&mut self, octets: &[u8]) {
        if !octets.is_empty() {
            let octets = octets.get(..MAX).unwrap_or(octets);
            if let Some(room) = self.octets.get_mut(self.length..self.length + octets.len()) {
                room.copy_from_slice(octets);
                self.length += octets.len();
            }
        }
        // The NUL is there: nothing has been written past `length` but zeros.
        self.length += 1;
    }

    #[inline]
    pub(super) fn address(&mut self, address: &Address) {
        self.octets([address.ton(), address.npi()]);
        // All of the array in one copy of fixed length; the zeros after the address are its NUL.
        if let Some(room) = self.octets.get_mut(self.length..self.length + ADDRESS_MAX) {
            room.copy_from_slice(&address.padded());
            self.length += address.octets().len() + 1;
        }
    }

    /// Patches `command_length` and appends the head and `tail` to `wire`.
    #[inline]
    pub(super) fn finish(mut self, tail: &[&[u8]], wire: &mut BytesMut) {
        let total = self.length + tail.iter().map(|part| part.len()).sum::<usize>();
        self.octets[..4].copy_from_slice(&u32::try_from(total).unwrap_or(u32::MAX).to_be_bytes());
        wire.reserve(total);
        wire.put_slice(self.written());
        for part in tail {
            if !part.is_empty() {
                wire.put_slice(part);
            }
        }
    }
}
