//! What a disk gives back may be anything, also under a checksum that is right: nothing panics, a block walks to its end,
//! a write that decodes encodes to the same octets, and what a block says at an offset is what it says on a walk.
//!
//! Input: one octet that chooses, then a write, a whole block, or what is in a block (its envelope is made here).

#![no_main]

use libfuzzer_sys::fuzz_target;
use smppgate::message::MessageId;
use smppgate::store::{ArchiveBlock, ArchiveKey, Block, Write};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, octets)) = data.split_first() else { return };
    match choice % 5 {
        0 => write(octets),
        1 => journal(octets.to_vec()),
        2 => journal(sealed(1, octets)),
        3 => archive(octets.to_vec()),
        _ => archive(sealed(2, octets)),
    }
});

const NUMBER: u64 = 7;

/// `payload` in an envelope as a store writes it: version, kind, two reserved octets, length, number, checksum.
fn sealed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 20).expect("inputs are short");
    let mut octets = vec![1, kind, 0, 0];
    octets.extend_from_slice(&length.to_le_bytes());
    octets.extend_from_slice(&NUMBER.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&octets);
    hasher.update(payload);
    octets.extend_from_slice(&hasher.finalize().to_le_bytes());
    octets.extend_from_slice(payload);
    octets
}

fn write(octets: &[u8]) {
    if let Ok((write, length)) = Write::decode(octets) {
        let mut again = Vec::new();
        write.encode(&mut again);
        assert_eq!(again, octets[..length]);
    }
}

fn journal(octets: Vec<u8>) {
    let Ok(block) = Block::check(NUMBER, octets) else { return };
    let mut end = 20;
    let mut damaged = false;
    for (offset, write) in block.writes() {
        assert!(offset == end && !damaged);
        match (write, block.write_at(offset)) {
            (Ok(walked), Ok(found)) => assert!(walked == found),
            (walked, found) => assert_eq!(walked.err(), found.err()),
        }
        let mut again = Vec::new();
        damaged = write.map(|write| write.encode(&mut again)).is_err();
        end += u32::try_from(again.len()).expect("inputs are short");
    }
    assert!(damaged || end as usize == block.octets.len());
}

fn archive(octets: Vec<u8>) {
    let Some(head) = octets.get(20..25) else { return };
    let forget_hour = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let key = ArchiveKey { class: head[0], forget_hour, block: NUMBER };
    let Ok((block, _)) = ArchiveBlock::check(key, octets) else { return };
    for record in block.records().flatten() {
        assert!(matches!(block.find(record.id), Ok(Some(found)) if found.id == record.id));
        let mut again = Vec::new();
        record.encode(&mut again);
        assert!(block.octets.windows(again.len()).any(|octets| octets == again));
    }
    assert!(block.find(MessageId(u64::MAX)).is_ok() || block.records().any(|record| record.is_err()));
}
