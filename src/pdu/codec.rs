//! The stream to chunks of whole PDUs, for tokio-util's `Framed` family, and the PDUs of a chunk.
//!
//! One item is *all* the PDUs that have arrived, not one: a busy link reads dozens at a time, and splitting a buffer
//! costs a reference count each time. The chunk is split off once per read; its PDUs are then borrowed from it by
//! [`Frames`], and whoever keeps one keeps its offset.
//!
//! Decodes no bodies and answers nothing: what to do about a [`Broken`] stream is the link's.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::header::{Broken, Frame, HEADER_LENGTH};

/// Most octets of a PDU before the peer is known: a bind has less than 300.
pub const UNBOUND_LIMIT: u32 = 1_024;
/// Most octets of a PDU after that: a `message_payload` of 64 KiB and the fields before it.
pub const BOUND_LIMIT: u32 = 70_000;

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Framing is lost: answer `generic_nack` with `ESME_RINVCMDLEN` and sequence 0, then close.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The peer closed within a PDU.
    #[error("the stream ended {octets} octets into a PDU")]
    Cut {
        /// How many octets of it had arrived.
        octets: usize,
    },
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Cuts chunks of whole PDUs off a stream, and appends encoded PDUs to one.
///
/// Holds at most one incomplete PDU, so at most `limit` octets wait for more.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    limit: u32,
}

impl Codec {
    /// Accepts PDUs of 16 to `limit` octets; see [`UNBOUND_LIMIT`].
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self { limit }
    }

    /// Changes the limit for what has not been cut off yet; see [`BOUND_LIMIT`].
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// Octets of the whole PDUs at the front of `stream`, and of the incomplete one after them when its length is known.
    ///
    /// A broken length counts only when it comes first, so that what arrived before it is still handled.
    fn whole(&self, stream: &[u8]) -> Result<(usize, usize), Broken> {
        let mut at = 0;
        while let Some(octets) = stream.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
            let length = u32::from_be_bytes(*octets);
            if (length as usize) < HEADER_LENGTH || length > self.limit {
                return if at == 0 { Err(Broken { length, limit: self.limit }) } else { Ok((at, 0)) };
            }
            if stream.len() - at < length as usize {
                return Ok((at, length as usize));
            }
            at += length as usize;
        }
        Ok((at, 0))
    }
}

impl Decoder for Codec {
    type Item = Bytes;
    type Error = CodecError;

    fn decode(&mut self, stream: &mut BytesMut) -> Result<Option<Bytes>, CodecError> {
        let (whole, incomplete) = self.whole(stream)?;
        if whole > 0 {
            return Ok(Some(stream.split_to(whole).freeze()));
        }
        stream.reserve(incomplete.saturating_sub(stream.len()));
        Ok(None)
    }

    fn decode_eof(&mut self, stream: &mut BytesMut) -> Result<Option<Bytes>, CodecError> {
        match self.decode(stream)? {
            None if !stream.is_empty() => Err(CodecError::Cut { octets: stream.len() }),
            item => Ok(item),
        }
    }
}

/// The item is one or more PDUs as [`encode`](super::Sm::encode) and its like wrote them.
impl<T: AsRef<[u8]>> Encoder<T> for Codec {
    type Error = CodecError;

    fn encode(&mut self, pdus: T, wire: &mut BytesMut) -> Result<(), CodecError> {
        wire.extend_from_slice(pdus.as_ref());
        Ok(())
    }
}

/// The PDUs of a chunk, in order, each with the offset of its header.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    chunk: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// `chunk` is an item of [`Codec`]; in any other octets the walk ends where no whole PDU follows.
    #[must_use]
    pub fn new(chunk: &'a [u8]) -> Self {
        Self { chunk, at: 0 }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = (usize, Frame<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // The codec has held every length against the link's limit.
        let frame = Frame::cut(self.chunk.get(self.at..)?, u32::MAX).ok()??;
        let at = self.at;
        self.at += HEADER_LENGTH + frame.body.len();
        Some((at, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pdu(length: u8) -> Vec<u8> {
        let mut octets = vec![0; usize::from(length)];
        octets[3] = length;
        octets[7] = 0x15;
        octets
    }

    #[test]
    fn one_chunk_holds_every_whole_pdu() {
        let mut stream = BytesMut::new();
        stream.extend_from_slice(&[pdu(16), pdu(20), pdu(18)[..17].to_vec()].concat());
        let mut codec = Codec::new(UNBOUND_LIMIT);
        let chunk = codec.decode(&mut stream).unwrap().unwrap();
        let seen: Vec<_> = Frames::new(&chunk).map(|(at, frame)| (at, frame.body.len())).collect();
        assert_eq!(seen, [(0, 0), (16, 4)]);
        assert!(codec.decode(&mut stream).unwrap().is_none());
        assert!(matches!(codec.decode_eof(&mut stream), Err(CodecError::Cut { octets: 17 })));
        stream.extend_from_slice(&[0]);
        assert_eq!(codec.decode(&mut stream).unwrap().unwrap().len(), 18);
    }

    #[test]
    fn what_came_before_a_broken_length_is_handled_first() {
        let mut stream = BytesMut::new();
        stream.extend_from_slice(&[pdu(16), vec![0, 0, 0, 15]].concat());
        let mut codec = Codec::new(UNBOUND_LIMIT);
        assert_eq!(codec.decode(&mut stream).unwrap().unwrap().len(), 16);
        let fault = codec.decode(&mut stream).unwrap_err();
        assert!(matches!(fault, CodecError::Broken(Broken { length: 15, .. })));
    }

    #[test]
    fn the_limit_may_grow_between_reads() {
        let mut stream = BytesMut::from(&[0, 0, 8, 0][..]);
        let mut codec = Codec::new(UNBOUND_LIMIT);
        assert!(codec.decode(&mut stream).is_err());
        codec.set_limit(BOUND_LIMIT);
        assert!(codec.decode(&mut stream).unwrap().is_none());
        assert!(stream.capacity() >= 2_048);
    }
}
