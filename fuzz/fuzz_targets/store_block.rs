//! What a disk gives back may be anything: a block that passes its check walks to its end, a write that decodes encodes to
//! the same octets, and nothing panics.
//!
//! Input: one octet that chooses, then a block or a write.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smppgate::store::{Block, Write};

fuzz_target!(|data: &[u8]| {
    let Some((&choice, octets)) = data.split_first() else { return };
    if choice & 1 == 0 {
        if let Ok(block) = Block::check(u64::from(choice), octets.to_vec()) {
            for (offset, write) in block.writes() {
                assert_eq!(write.is_ok(), block.write_at(offset).is_ok());
            }
        }
        return;
    }
    if let Ok((write, length)) = Write::decode(octets) {
        assert!(length <= octets.len());
        let mut again = Vec::new();
        write.encode(&mut again);
        assert_eq!(Write::decode(&again).map(|(write, _)| format!("{write:?}")).ok(), Some(format!("{write:?}")));
    }
});
