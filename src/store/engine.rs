//! The two databases of a store on a disk: what is found in them when they are opened, and the notes beside the blocks.
//!
//! Two, so that what is short-lived and what is kept for months do not share a log: cleaning it would copy the second
//! again and again. When something is written, and in which order, is the store's.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

use super::Fault;
use super::archive::{ArchiveKey, Extent};
use super::envelope;
use super::files::Disk;
use super::index::ArchiveIndex;
use super::names::Names;
use super::sled::{Database, Entries, Tuning, foreign};
use super::slots::Slots;
use super::vault::Vault;
use super::witness::Witness;
use crate::message::MessageId;

/// What is kept in memory of the databases.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) journal: Slots<u64>,
    pub(super) archive: Slots<ArchiveKey>,
    pub(super) index: ArchiveIndex,
    pub(super) mark: Mark,
    pub(super) accounts: Names,
    pub(super) carriers: Names,
}

/// What must outlive the blocks it was learnt from. Stored with each commit that cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) next_block: u64,
    pub(super) archived_to: MessageId,
    /// Changes to the archive and to the lists beside it but for what is forgotten. The archive counts them too, and is never behind: that is how
    /// a lost end of it is seen.
    pub(super) archivings: u64,
}

/// Both databases, open.
pub(super) struct Engine {
    pub(super) journal: Database,
    pub(super) archive: Database,
    /// The lists of opted-out numbers, in the archive's log: they are kept for years.
    pub(super) opt_outs: Entries,
}

impl Engine {
    /// Opens both below `path`. `patient` waits for files that belonged to this process before.
    pub(super) fn open(path: &Path, tuning: Tuning, disk: &Arc<dyn Disk>, patient: bool) -> Result<Self, Fault> {
        let doing = "opening the store";
        let archive = Database::open(doing, &path.join(ARCHIVE), tuning, disk, patient)?;
        let journal = Database::open(doing, &path.join(JOURNAL), tuning, disk, patient)?;
        let opt_outs = archive.entries(doing, OPT_OUTS)?;
        disk.keep_names(path).map_err(|error| io_fault(doing, &error))?;
        Ok(Self { journal, archive, opt_outs })
    }

    /// Reads everything but the journal's writes. `claimed` is the witness's; the vault must know all keys.
    pub(super) fn load(&self, doing: &'static str, claimed: u64, vault: Option<&Vault>) -> Result<Kept, Fault> {
        let mut kept = Kept { mark: self.mark(doing)?, ..Kept::default() };
        let check_key = |octets: &[u8]| vault.map_or(Ok(()), |vault| vault.check_key(octets));
        self.journal.each(doing, |slot, octets| {
            check_key(octets)?;
            match envelope::number(octets) {
                Some(number) => kept.journal.occupy(number, slot),
                None => kept.journal.vacant(slot),
            }
            Ok(())
        })?;
        self.archive.each(doing, |slot, octets| {
            check_key(octets)?;
            match ArchiveKey::of(octets) {
                Some(key) => {
                    let extent = Extent::read(key, octets).map_err(|damage| Fault::DamagedArchive { key, damage })?;
                    kept.archive.occupy(key, slot);
                    kept.index.insert(key, extent);
                }
                None => kept.archive.vacant(slot),
            }
            Ok(())
        })?;
        let last = kept.journal.iter().last().map_or(0, |(last, _)| last.saturating_add(1));
        kept.mark.next_block = kept.mark.next_block.max(last);
        kept.mark.archived_to = kept.mark.archived_to.max(kept.index.greatest());
        self.check(doing, kept.mark, claimed)?;
        kept.accounts = self.names(doing, ACCOUNT)?;
        kept.carriers = self.names(doing, CARRIER)?;
        Ok(kept)
    }

    /// Refuses files that hold less than was stored.
    fn check(&self, doing: &'static str, mark: Mark, claimed: u64) -> Result<(), Fault> {
        let archivings = self.archive.note(doing, MARK)?;
        let archivings = archivings.as_deref().and_then(|octets| octets.try_into().ok()).map_or(0, u64::from_le_bytes);
        let cause = if mark.next_block < claimed {
            format!(
                "journal blocks {} to {} were stored and are gone; without a backup, remove the file `{}` to go on \
                 without them",
                mark.next_block,
                claimed - 1,
                Witness::NAME
            )
        } else if archivings < mark.archivings {
            format!("the archive has lost the last {} of its {}", mark.archivings - archivings, mark.archivings)
        } else {
            return Ok(());
        };
        Err(Fault::Corrupt { doing, cause })
    }

    fn mark(&self, doing: &'static str) -> Result<Mark, Fault> {
        self.journal.note(doing, MARK)?.map_or_else(|| Ok(Mark::default()), |octets| Mark::decode(&octets))
    }

    fn names(&self, doing: &'static str, kind: u8) -> Result<Names, Fault> {
        let mut names = Names::default();
        for number in 0..u16::MAX {
            let Some(name) = self.archive.note(doing, &name_key(kind, number))? else { break };
            names.known.push(String::from_utf8_lossy(&name).into_owned());
        }
        Ok(names)
    }
}

pub(super) fn name_key(kind: u8, number: u16) -> [u8; 3] {
    let [high, low] = number.to_be_bytes();
    [kind, high, low]
}

impl Mark {
    pub(super) fn encode(self) -> [u8; 24] {
        let mut octets = [0; 24];
        octets[..8].copy_from_slice(&self.next_block.to_le_bytes());
        octets[8..16].copy_from_slice(&self.archived_to.0.to_le_bytes());
        octets[16..].copy_from_slice(&self.archivings.to_le_bytes());
        octets
    }

    fn decode(octets: &[u8]) -> Result<Self, Fault> {
        let mut words = octets.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_le_bytes));
        match (words.next(), words.next(), words.next(), octets.len()) {
            (Some(next_block), Some(archived_to), Some(archivings), 24) => {
                Ok(Self { next_block, archived_to: MessageId(archived_to), archivings })
            }
            _ => Err(foreign("a mark of another length")),
        }
    }
}

/// A directory that holds other things than a store is somebody's: nothing is written there.
pub(super) fn refuse_other_files(path: &Path) -> Result<(), Fault> {
    let doing = "looking into the store's directory";
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => return Err(foreign("a file, not a directory")),
        Err(error) => return Err(io_fault(doing, &error)),
    };
    if path.join(JOURNAL).exists() {
        return Ok(());
    }
    for entry in entries {
        let name = entry.map_err(|error| io_fault(doing, &error))?.file_name();
        let ours = [ARCHIVE, Witness::NAME, "lost+found"].iter().chain(BESIDE).any(|known| name == *known);
        if !ours && !name.as_encoded_bytes().starts_with(b".") {
            return Err(foreign("files that are not a store's"));
        }
    }
    Ok(())
}

pub(super) fn io_fault(doing: &'static str, error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::Full { doing },
        _ => Fault::Io { doing, cause: error.to_string() },
    }
}

/// Folders of the two databases.
const JOURNAL: &str = "journal";
const ARCHIVE: &str = "archive";
/// The tree of the opted-out numbers.
const OPT_OUTS: &str = "opt-outs";
/// What the process keeps in the same directory, and may have made before the store.
const BESIDE: &[&str] =
    &["audit", "activity", "control.sock", "standing.json", "token.key", "keys", "master.key", "destroyed-keys"];

/// Note of the [`Mark`] in the journal, and of the number of archivings in the archive.
pub(super) const MARK: &[u8] = b"m";

/// First octets of the names' notes in the archive; two octets of the number follow.
pub(super) const ACCOUNT: u8 = b'a';
pub(super) const CARRIER: u8 = b'c';
