//! The files of the key ring, packed: the ring itself, with the key of each account's tokens, a page of data keys for each
//! day, and the key of persons' tokens.
//!
//! Layout, little-endian: magic (8 octets), version u8, purpose u8, reserved u16, fingerprint of the master key (8), ring
//! u64, serial u32, day u32, number of ranges u32, ranges (first u32, last u32), number of entries u32, entries (account
//! u16, generation u16, wrapped key 48), crc32 u32 (of all before it).

use std::collections::BTreeMap;

use super::master::{Fingerprint, WRAPPED_LENGTH};
use super::ranges::Ranges;
use crate::clock::Unix;
use crate::store::envelope::Damage;
use crate::store::write::Reader;

/// What the keys of a page are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Purpose {
    /// Tokens of numbers.
    Tokens = 0,
    /// Journal blocks written on one day.
    Journal = 1,
    /// Archive blocks forgotten on one day.
    Archive = 2,
    /// Tokens that stand for persons outside the store, one key for all accounts.
    Persons = 3,
}

/// A key as it is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// How many times all keys of its account had been destroyed when it was made.
    pub(super) generation: u16,
    pub(super) wrapped: [u8; WRAPPED_LENGTH],
}

/// A file of keys.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) purpose: Purpose,
    /// Of the master key that wraps the entries.
    pub(super) fingerprint: Fingerprint,
    /// Identity of the ring it belongs to.
    pub(super) ring: u64,
    /// Its number, never used again; 0 for the ring itself and for persons.
    pub(super) serial: u32,
    /// Days since 1970-01-01 in UTC; [`HELD_DAY`] for what is kept for as long as somebody says. 0 for the ring itself.
    pub(super) day: u32,
    /// Serials that are destroyed; empty but in the ring itself.
    pub(super) destroyed: Ranges,
    /// By account.
    pub(super) entries: BTreeMap<u16, Entry>,
}

impl Page {
    /// Name of its file.
    pub(super) fn name(&self) -> String {
        match (self.purpose, self.day) {
            (Purpose::Tokens, _) => RING.to_owned(),
            (Purpose::Persons, _) => PERSONS.to_owned(),
            (Purpose::Journal, day) => format!("{:08}-journal-{}", self.serial, date(day)),
            (Purpose::Archive, HELD_DAY) => format!("{:08}-archive-held", self.serial),
            (Purpose::Archive, day) => format!("{:08}-archive-{}", self.serial, date(day)),
        }
    }

    /// The serial in a name; `None` for other names and for the ring's.
    pub(super) fn serial_of(name: &str) -> Option<u32> {
        let (serial, rest) = name.split_once('-')?;
        (rest.starts_with("journal-") || rest.starts_with("archive-")).then(|| serial.parse().ok()).flatten()
    }

    /// What a key is called where it is wrapped: it cannot be taken for another.
    pub(super) fn name_of(&self, account: u16, generation: u16) -> [u8; 21] {
        let mut name = [0; 21];
        name[..8].copy_from_slice(&self.ring.to_le_bytes());
        name[8] = self.purpose as u8;
        name[9..13].copy_from_slice(&self.serial.to_le_bytes());
        name[13..17].copy_from_slice(&self.day.to_le_bytes());
        name[17..19].copy_from_slice(&account.to_le_bytes());
        name[19..].copy_from_slice(&generation.to_le_bytes());
        name
    }

    /// A nonce of its own for each key of a ring.
    pub(super) fn nonce_of(&self, account: u16, generation: u16) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[0] = self.purpose as u8;
        nonce[1..5].copy_from_slice(&self.serial.to_le_bytes());
        nonce[5..7].copy_from_slice(&account.to_le_bytes());
        nonce[7..9].copy_from_slice(&generation.to_le_bytes());
        nonce
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.entries.len() * (4 + WRAPPED_LENGTH));
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, self.purpose as u8, 0, 0]);
        out.extend_from_slice(&self.fingerprint.0);
        out.extend_from_slice(&self.ring.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.day.to_le_bytes());
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        out.extend_from_slice(&count(self.destroyed.iter().count()));
        for (first, last) in self.destroyed.iter() {
            out.extend_from_slice(&first.to_le_bytes());
            out.extend_from_slice(&last.to_le_bytes());
        }
        out.extend_from_slice(&count(self.entries.len()));
        for (account, entry) in &self.entries {
            out.extend_from_slice(&account.to_le_bytes());
            out.extend_from_slice(&entry.generation.to_le_bytes());
            out.extend_from_slice(&entry.wrapped);
        }
        let sum = crc32fast::hash(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn decode(octets: &[u8]) -> Result<Self, &'static str> {
        let (octets, sum) = octets.split_last_chunk::<4>().ok_or("it is too short")?;
        if octets.get(..8) != Some(MAGIC.as_slice()) {
            return Err("it is no file of keys");
        }
        if octets.get(8) != Some(&VERSION) {
            return Err("another version of this program wrote it");
        }
        if u32::from_le_bytes(*sum) != crc32fast::hash(octets) {
            return Err("its checksum is wrong");
        }
        Self::fields(&mut Reader { octets: &octets[9..] }).ok().ok_or("its fields are wrong")
    }

    fn fields(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let purpose = match reader.octet()? {
            0 => Purpose::Tokens,
            1 => Purpose::Journal,
            2 => Purpose::Archive,
            3 => Purpose::Persons,
            found => return Err(Damage::Kind { found }),
        };
        let _reserved = reader.u16()?;
        let fingerprint = Fingerprint(reader.chunk()?);
        let (ring, serial, day) = (reader.u64()?, reader.u32()?, reader.u32()?);
        let mut destroyed = Ranges::default();
        for _ in 0..reader.u32()? {
            destroyed.add(reader.u32()?, reader.u32()?);
        }
        let mut entries = BTreeMap::new();
        for _ in 0..reader.u32()? {
            let account = reader.u16()?;
            entries.insert(account, Entry { generation: reader.u16()?, wrapped: reader.chunk()? });
        }
        if !reader.octets.is_empty() {
            return Err(Damage::Field);
        }
        Ok(Self { purpose, fingerprint, ring, serial, day, destroyed, entries })
    }
}

impl std::fmt::Debug for Page {
    /// Shows counts: even wrapped keys are nobody's to print.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Page({}, {} keys)", self.name(), self.entries.len())
    }
}

fn date(day: u32) -> String {
    Unix(u64::from(day) * DAY_MS).date()
}

/// Name of the ring's own file.
pub(super) const RING: &str = "ring";

/// Name of the file with the key of persons' tokens.
pub(super) const PERSONS: &str = "persons";

/// Stands for the day of what is kept beyond its time until somebody lets it go.
pub(in crate::store) const HELD_DAY: u32 = u32::MAX;

/// Milliseconds of a day.
pub(super) const DAY_MS: u64 = 24 * 3_600_000;

const MAGIC: &[u8; 8] = b"smppkeys";
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        let mut destroyed = Ranges::default();
        destroyed.add(1, 5);
        destroyed.add(9, 9);
        let entries = (0..3).map(|account| (account, Entry { generation: account * 2, wrapped: [account as u8; 48] }));
        Page {
            purpose: Purpose::Archive,
            fingerprint: Fingerprint([4; 8]),
            ring: 77,
            serial: 12,
            day: 20_781,
            destroyed,
            entries: entries.collect(),
        }
    }

    #[test]
    fn a_page_is_read_as_it_was_written() {
        let page = page();
        assert_eq!(Page::decode(&page.encode()), Ok(page.clone()));
        assert_eq!(page.name(), "00000012-archive-2026-11-24");
        assert_eq!(Page::serial_of(&page.name()), Some(12));
        for other in ["ring", "persons", "00000012", "x-archive-2026-11-24", "00000012-notes-1", ""] {
            assert_eq!(Page::serial_of(other), None, "{other}");
        }
    }

    #[test]
    fn any_changed_octet_and_any_cut_is_noticed() {
        let octets = page().encode();
        for at in 0..octets.len() {
            let mut changed = octets.clone();
            changed[at] ^= 1;
            assert!(Page::decode(&changed).is_err(), "octet {at} was changed");
            assert!(Page::decode(&octets[..at]).is_err(), "cut at {at}");
        }
    }
}
