//! The octets around every block, journal and archive alike: version, kind, length, number and checksum.
//!
//! Knows nothing of what is inside. Layout, little-endian: version u8, kind u8, reserved u16 (zero), length u32 (of the
//! whole block), number u64, crc32 u32 (of all octets but itself).

/// Octets before the payload of a block.
pub(super) const ENVELOPE_LENGTH: usize = 20;

/// Version of the layout of envelopes, writes and archive records. A newer one is refused, never guessed at.
pub const VERSION: u8 = 1;

/// Versions of archive blocks: the least that has room for all records of a block, so that programs before can read what
/// they know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Version {
    /// As everything else.
    First = VERSION,
    /// Some records name more carriers than one.
    LongRecords = 2,
    /// Some records are texts.
    Texts = 3,
}

/// What a stored block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Writes of the journal.
    Journal = 1,
    /// Records of settled messages.
    Archive = 2,
    /// Writes of the journal, with their secrets sealed.
    SealedJournal = 3,
    /// Records of settled messages, with their secrets sealed.
    SealedArchive = 4,
}

/// Stored octets that are not what was written. Nothing in it comes from the damaged octets but small numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The octets end inside a block or record.
    #[error("the octets end early: {found} of at least {expected}")]
    Short {
        /// Octets there.
        found: usize,
        /// Octets needed at least.
        expected: usize,
    },
    /// Another version wrote it.
    #[error("format version {found}, this program reads version {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// A block of another kind, or a record of no known kind.
    #[error("kind {found} is not one that belongs here")]
    Kind {
        /// The kind found.
        found: u8,
    },
    /// The length in the envelope is not the length stored.
    #[error("{found} octets are stored where the block says {expected}")]
    Length {
        /// Octets there.
        found: usize,
        /// Octets by the envelope.
        expected: usize,
    },
    /// The block is filed under another number than its own.
    #[error("filed as block {expected}, but it says it is block {found}")]
    Number {
        /// The number in the envelope.
        found: u64,
        /// The number it is filed under.
        expected: u64,
    },
    /// The checksum is wrong.
    #[error("checksum {found:08x}, computed {computed:08x}")]
    Checksum {
        /// The checksum in the envelope.
        found: u32,
        /// The checksum of the octets there.
        computed: u32,
    },
    /// No record starts at this offset.
    #[error("offset {offset} is outside the block")]
    Offset {
        /// The offset asked for.
        offset: u32,
    },
    /// What is sealed in it does not open with its key: it was changed, or is not from here.
    #[error("what is sealed in it does not open with its key")]
    Sealed,
    /// A field holds what no writer puts there.
    #[error("a record's field holds an impossible value")]
    Field,
}

/// Appends an envelope whose length and checksum [`seal`] fills in.
pub(super) fn open(kind: Kind, number: u64, out: &mut Vec<u8>) {
    let mut envelope = [0; ENVELOPE_LENGTH];
    envelope[0] = VERSION;
    envelope[1] = kind as u8;
    envelope[8..16].copy_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&envelope);
}

/// Fills in length and checksum. Octets shorter than an envelope stay as they are; [`check`] refuses them.
pub(super) fn seal(octets: &mut [u8]) {
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    let Some((envelope, payload)) = octets.split_first_chunk_mut::<ENVELOPE_LENGTH>() else { return };
    envelope[4..8].copy_from_slice(&length.to_le_bytes());
    let sum = checksum(envelope, payload);
    envelope[16..20].copy_from_slice(&sum.to_le_bytes());
}

/// The payload of a block that is whole, of this version, of `kind` and filed under its own `number`.
///
/// # Errors
/// [`Damage`] says what is not as written.
pub(super) fn check(kind: Kind, number: u64, octets: &[u8]) -> Result<&[u8], Damage> {
    let Some((envelope, payload)) = octets.split_first_chunk::<ENVELOPE_LENGTH>() else {
        return Err(Damage::Short { found: octets.len(), expected: ENVELOPE_LENGTH });
    };
    let is_archive = matches!(kind, Kind::Archive | Kind::SealedArchive);
    if envelope[0] != VERSION && !(is_archive && (VERSION..=Version::Texts as u8).contains(&envelope[0])) {
        return Err(Damage::Version { found: envelope[0] });
    }
    let length = word(envelope, 4) as usize;
    if length != octets.len() {
        return Err(Damage::Length { found: octets.len(), expected: length });
    }
    let (found, computed) = (word(envelope, 16), checksum(envelope, payload));
    if found != computed {
        return Err(Damage::Checksum { found, computed });
    }
    if envelope[1] != kind as u8 {
        return Err(Damage::Kind { found: envelope[1] });
    }
    let own = own_number(envelope);
    if own != number {
        return Err(Damage::Number { found: own, expected: number });
    }
    Ok(payload)
}

/// The number in an envelope; `None` when the octets are shorter than one. The checksum is not looked at.
pub(super) fn number(octets: &[u8]) -> Option<u64> {
    octets.first_chunk::<ENVELOPE_LENGTH>().map(own_number)
}

/// Whether the block's secrets are sealed. The checksum is not looked at.
pub(super) fn is_sealed(octets: &[u8]) -> bool {
    let sealed = [Kind::SealedJournal as u8, Kind::SealedArchive as u8];
    octets.first_chunk::<ENVELOPE_LENGTH>().is_some_and(|envelope| sealed.contains(&envelope[1]))
}

/// Says what the records of an archive block need; [`seal`] comes behind it.
pub(super) fn set_version(octets: &mut [u8], version: Version) {
    if let Some(octet) = octets.first_mut() {
        *octet = version as u8;
    }
}

/// Says what the block holds from now on; [`seal`] comes behind it.
pub(super) fn set_kind(octets: &mut [u8], kind: Kind) {
    if let Some(octet) = octets.get_mut(1) {
        *octet = kind as u8;
    }
}

fn own_number(envelope: &[u8; ENVELOPE_LENGTH]) -> u64 {
    u64::from(word(envelope, 8)) | u64::from(word(envelope, 12)) << 32
}

fn checksum(envelope: &[u8; ENVELOPE_LENGTH], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&envelope[..16]);
    hasher.update(payload);
    hasher.finalize()
}

fn word(envelope: &[u8; ENVELOPE_LENGTH], at: usize) -> u32 {
    u32::from_le_bytes([envelope[at], envelope[at + 1], envelope[at + 2], envelope[at + 3]])
}
