//! A second opinion on how far a store got: the first block number never flushed, in a small file beside the engine's.
//!
//! An engine whose log was truncated or overwritten may open as a shorter log, or as an empty one, and say nothing. The
//! claim in this file is written after each flush and never before, so it cannot be ahead of an undamaged store. It is
//! not flushed itself: a loss of power may take it back some commits, which weakens the check and breaks nothing.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The file, and what it claims.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    claimed: u64,
}

impl Witness {
    /// Name of the file in the store's directory.
    pub(super) const NAME: &str = "witness";

    /// Opens or makes the file. A file that holds no whole claim claims nothing.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(Self::NAME);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut octets = Vec::with_capacity(LENGTH);
        (&file).take(LENGTH as u64).read_to_end(&mut octets)?;
        let claimed = octets.first_chunk().and_then(decode).unwrap_or(0);
        Ok(Self { file, claimed })
    }

    /// The first block number that was not flushed when it was last written.
    pub(super) fn claimed(&self) -> u64 {
        self.claimed
    }

    /// Claims that all blocks below `next_block` are flushed. A claim that cannot be written is left out: the commit is
    /// on the disk, and the older claim still holds.
    pub(super) fn claim(&mut self, next_block: u64) {
        if next_block > self.claimed {
            self.claimed = next_block;
            let _ = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&encode(next_block)));
        }
    }
}

fn encode(next_block: u64) -> [u8; LENGTH] {
    let mut octets = [0; LENGTH];
    octets[..8].copy_from_slice(&next_block.to_le_bytes());
    let sum = crc32fast::hash(&octets[..8]);
    octets[8..].copy_from_slice(&sum.to_le_bytes());
    octets
}

fn decode(octets: &[u8; LENGTH]) -> Option<u64> {
    let next_block = u64::from_le_bytes(*octets.first_chunk()?);
    (encode(next_block) == *octets).then_some(next_block)
}

const LENGTH: usize = 12;
