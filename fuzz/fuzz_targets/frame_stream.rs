//! A stream cut into reads of any size must give the PDUs, and the end, of the stream read at once.
//!
//! Input: the size of the reads, then the stream.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use smppgate::pdu::{Codec, CodecError, Frame, Frames, UNBOUND_LIMIT};
use tokio_util::codec::Decoder;

fuzz_target!(|data: &[u8]| {
    let Some((&size, octets)) = data.split_first() else { return };
    let (mut expected, mut rest) = (Vec::new(), octets);
    let broken = loop {
        match Frame::cut(rest, UNBOUND_LIMIT) {
            Ok(Some(frame)) => {
                let length = frame.header.length as usize;
                expected.push(&rest[..length]);
                rest = &rest[length..];
            }
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        }
    };

    let mut codec = Codec::new(UNBOUND_LIMIT);
    let (mut stream, mut seen, mut end) = (BytesMut::new(), Vec::new(), None);
    'reads: for read in octets.chunks(usize::from(size) + 1) {
        stream.extend_from_slice(read);
        loop {
            match codec.decode(&mut stream) {
                Ok(Some(chunk)) => {
                    let length: usize = Frames::new(&chunk).map(|(_, frame)| 16 + frame.body.len()).sum();
                    assert_eq!(length, chunk.len());
                    seen.push(chunk);
                }
                Ok(None) => break,
                Err(CodecError::Broken(fault)) => {
                    end = Some(fault);
                    break 'reads;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(end, broken);
    assert_eq!(seen.concat(), expected.concat());
});
