//! Journal blocks: many writes in one stored value of about 32 kB, and the builder that packs them.
//!
//! A block knows how to check itself and to find a write by its offset; what the writes mean is the bridge's.

use bytes::Bytes;

use super::envelope::{self, Damage, ENVELOPE_LENGTH, Kind};
use super::write::{BLANK_HEAD, Write};

/// Octets at which a block is closed. Engines are priced per key, so values are large; a flush is priced per octet, so
/// not larger than what one group commit fills.
pub const BLOCK_OCTETS: usize = 32 * 1024;

/// Where a write is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the block.
    pub block: u64,
    /// Offset in the block, envelope included.
    pub offset: u32,
}

/// A journal block, sealed: number and octets belong together and the checksum is right, unless the fields were set by
/// hand. [`Block::check`] is how a store makes one of what it read.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    /// Place in the order of all blocks of one store; grows, is never used twice.
    pub number: u64,
    /// Envelope and writes; shared, so that a block can be written and kept at hand without a copy.
    pub octets: Bytes,
}

/// The writes of a block, in order, each with its offset. Ends after the first damaged one.
#[derive(Clone)]
pub struct Writes<'a> {
    octets: &'a [u8],
    offset: usize,
}

/// Packs writes into blocks: one allocation per block, none per message.
pub struct BlockBuilder {
    /// Number of the open block, or of the next one while none is open.
    next: u64,
    /// The open block; empty while none is.
    open: Vec<u8>,
    closed: Vec<Block>,
    closed_octets: usize,
}

impl Block {
    /// Accepts octets read back from a store.
    ///
    /// # Errors
    /// [`Damage`] when they are not a whole journal block of this version and number.
    pub fn check(number: u64, octets: impl Into<Bytes>) -> Result<Self, Damage> {
        let octets = octets.into();
        envelope::check(Kind::Journal, number, &octets)?;
        Ok(Self { number, octets })
    }

    /// All writes in order.
    #[must_use]
    pub fn writes(&self) -> Writes<'_> {
        Writes { octets: &self.octets, offset: ENVELOPE_LENGTH }
    }

    /// The same block with nothing left of the writes at these offsets: a [`Write::Blank`] as long as each stands in its
    /// place, so that all others stay where they are. An offset at which no write begins changes nothing.
    #[must_use]
    pub fn without(&self, offsets: &[u32]) -> Self {
        let mut octets = self.octets.to_vec();
        for &offset in offsets {
            let at = offset as usize;
            let length = self.octets.get(at..).filter(|_| at >= ENVELOPE_LENGTH).map(Write::decode);
            let Some(Ok((_, length))) = length else { continue };
            let Some(room) = length.checked_sub(BLANK_HEAD).and_then(|room| u32::try_from(room).ok()) else { continue };
            let mut blank = Vec::with_capacity(length);
            Write::Blank { room }.encode(&mut blank);
            octets[at..at + length].copy_from_slice(&blank);
        }
        envelope::seal(&mut octets);
        Self { number: self.number, octets: octets.into() }
    }

    /// The write that starts at `offset`.
    ///
    /// # Errors
    /// [`Damage`] when no whole write starts there.
    pub fn write_at(&self, offset: u32) -> Result<Write<'_>, Damage> {
        write_at(&self.octets, offset)
    }
}

impl BlockBuilder {
    /// Starts with block `next`: the number that [`super::Recovered`] gives, 0 in an empty store.
    #[must_use]
    pub fn new(next: u64) -> Self {
        Self { next, open: Vec::new(), closed: Vec::new(), closed_octets: 0 }
    }

    /// Packs a write and says where it will be stored. A block that passes [`BLOCK_OCTETS`] is closed.
    pub fn push(&mut self, write: &Write<'_>) -> Position {
        if self.open.is_empty() {
            self.open = Vec::with_capacity(BLOCK_OCTETS + BLOCK_OCTETS / 8);
            envelope::open(Kind::Journal, self.next, &mut self.open);
        }
        let offset = u32::try_from(self.open.len()).unwrap_or(u32::MAX);
        let position = Position { block: self.next, offset };
        write.encode(&mut self.open);
        if self.open.len() >= BLOCK_OCTETS {
            self.close();
        }
        position
    }

    /// The write at `position`, if its block has not been taken yet.
    #[must_use]
    pub fn write_at(&self, position: Position) -> Option<Result<Write<'_>, Damage>> {
        let octets = if position.block == self.next && !self.open.is_empty() {
            &self.open[..]
        } else {
            let oldest = self.closed.first()?.number;
            let index = usize::try_from(position.block.checked_sub(oldest)?).ok()?;
            &self.closed.get(index)?.octets[..]
        };
        Some(write_at(octets, position.offset))
    }

    /// Number of the block that the next write goes to.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether the block of [`Self::next`] is begun.
    #[must_use]
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty()
    }

    /// Octets packed and not taken.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.open.len() + self.closed_octets
    }

    /// All blocks since the last time, sealed and in order.
    #[must_use]
    pub fn take(&mut self) -> Vec<Block> {
        if !self.open.is_empty() {
            self.close();
        }
        self.closed_octets = 0;
        std::mem::take(&mut self.closed)
    }

    fn close(&mut self) {
        let mut octets = std::mem::take(&mut self.open);
        envelope::seal(&mut octets);
        self.closed_octets += octets.len();
        self.closed.push(Block { number: self.next, octets: octets.into() });
        self.next += 1;
    }
}

impl<'a> Iterator for Writes<'a> {
    type Item = (u32, Result<Write<'a>, Damage>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.octets.get(self.offset..).filter(|rest| !rest.is_empty())?;
        let offset = u32::try_from(self.offset).unwrap_or(u32::MAX);
        match Write::decode(rest) {
            Ok((write, length)) => {
                self.offset += length;
                Some((offset, Ok(write)))
            }
            Err(damage) => {
                self.offset = self.octets.len();
                Some((offset, Err(damage)))
            }
        }
    }
}

impl std::fmt::Debug for Block {
    /// Shows no octets: they hold numbers and text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({}, {} octets)", self.number, self.octets.len())
    }
}

impl std::fmt::Debug for Writes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Writes(from {} of {} octets)", self.offset, self.octets.len())
    }
}

impl std::fmt::Debug for BlockBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlockBuilder(next {}, {} octets)", self.next, self.octets())
    }
}

fn write_at(octets: &[u8], offset: u32) -> Result<Write<'_>, Damage> {
    let at = offset as usize;
    let rest = octets.get(at..).filter(|rest| at >= ENVELOPE_LENGTH && !rest.is_empty());
    Write::decode(rest.ok_or(Damage::Offset { offset })?).map(|(write, _)| write)
}
