//! The 16 octets before every PDU, and cutting frames out of a stream by them. SMPP 3.4 §3.2 and §5.1.
//!
//! Decodes no body: a frame with a bad body can still be answered by its header.

use bytes::BufMut;

use super::command::{CommandId, CommandStatus};

/// Octets of a header; also the least `command_length`.
pub const HEADER_LENGTH: usize = 16;

/// A decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Octets of the whole PDU, header included.
    pub length: u32,
    /// What is asked or answered.
    pub id: CommandId,
    /// Outcome; 0 in requests, ignored when received there.
    pub status: CommandStatus,
    /// Chosen by the requester, echoed by the response. Any value is accepted and echoed.
    pub sequence: u32,
}

/// One PDU whose body is not decoded.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The header.
    pub header: Header,
    /// The octets after the header.
    pub body: &'a [u8],
}

/// Framing is lost: the stream cannot be resynchronised, the link must answer `generic_nack` 0x02 and close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("command_length {length} is outside 16..={limit}")]
pub struct Broken {
    /// The `command_length` received.
    pub length: u32,
    /// The most this link accepts.
    pub limit: u32,
}

impl Header {
    /// Reads a header; the caller checks `length`.
    #[must_use]
    pub fn decode(octets: &[u8; HEADER_LENGTH]) -> Self {
        let word = |at: usize| u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]]);
        Self { length: word(0), id: CommandId(word(4)), status: CommandStatus(word(8)), sequence: word(12) }
    }

    /// Appends the header.
    pub fn encode(&self, wire: &mut impl BufMut) {
        wire.put_u32(self.length);
        wire.put_u32(self.id.0);
        wire.put_u32(self.status.0);
        wire.put_u32(self.sequence);
    }
}

impl<'a> Frame<'a> {
    /// Cuts the first PDU off `stream`: `None` while it is incomplete.
    ///
    /// # Errors
    /// [`Broken`] as soon as the length octets are there and lie outside 16 to `limit`.
    pub fn cut(stream: &'a [u8], limit: u32) -> Result<Option<Self>, Broken> {
        let Some(length) = stream.first_chunk::<4>().map(|octets| u32::from_be_bytes(*octets)) else {
            return Ok(None);
        };
        if (length as usize) < HEADER_LENGTH || length > limit {
            return Err(Broken { length, limit });
        }
        let Some(octets) = stream.first_chunk::<HEADER_LENGTH>() else { return Ok(None) };
        let Some(body) = stream.get(HEADER_LENGTH..length as usize) else { return Ok(None) };
        Ok(Some(Self { header: Header::decode(octets), body }))
    }
}
