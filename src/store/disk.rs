//! The store on a disk: the journal and the archive as two databases of the engine, and what is kept of them in memory.
//!
//! Two, so that what is short-lived and what is kept for months do not share a log: cleaning it would copy the second
//! again and again. A commit is one batch for the archive and its flush, when it seals, and then one batch for the
//! journal and its flush. The engine refuses to go on after a failed write; it is dropped then, and opened again by the
//! next call that writes.
//!
//! Starts no thread of its own and does not retry: the caller gives a commit again until it is stored.

use std::fs;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use super::archive::{ArchiveBlock, ArchiveKey, ArchiveRecord, Extent};
use super::block::Block;
use super::envelope;
use super::index::ArchiveIndex;
use super::names::{self, Names};
use super::sled::{Changes, Database, Tuning, foreign, unpanicked};
use super::slots::Slots;
use super::witness::Witness;
use super::{Commit, Durability, Enrolled, Fault, Health, Progress, Recovered, Store, Swept, Tally, check_cuts, hour};
use crate::clock::Unix;
use crate::message::MessageId;

/// A store in a directory of its own.
pub struct SledStore {
    path: PathBuf,
    tuning: Tuning,
    /// `None` after a fault, until the next call that writes opens it again.
    engine: Option<Engine>,
    /// Whether an engine of this process was given up: its threads may hold the files a little longer.
    faulted: bool,
    witness: Witness,
    journal: Slots<u64>,
    archive: Slots<ArchiveKey>,
    index: ArchiveIndex,
    mark: Mark,
    accounts: Names,
    carriers: Names,
}

/// What must outlive the blocks it was learnt from. Stored with each commit that cuts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    next_block: u64,
    archived_to: MessageId,
    /// Changes to the archive but for what is forgotten. The archive counts them too, and is never behind: that is how
    /// a lost end of it is seen.
    archivings: u64,
}

impl SledStore {
    /// Opens the store in the directory `path`, making both when they are not there.
    ///
    /// # Errors
    /// [`Fault::Locked`] when another process has it, [`Fault::Foreign`] when the directory is used for something else
    /// or by a newer version, [`Fault::Corrupt`] and [`Fault::DamagedArchive`] when its files are damaged.
    pub fn open(path: &Path, tuning: Tuning) -> Result<Self, Fault> {
        refuse_other_files(path)?;
        let doing = "opening the store";
        let io = |error: io::Error| io_fault(doing, &error);
        fs::create_dir_all(path).map_err(io)?;
        let mut store = Self {
            path: path.to_owned(),
            tuning,
            engine: None,
            faulted: false,
            witness: Witness::open(path).map_err(io)?,
            journal: Slots::default(),
            archive: Slots::default(),
            index: ArchiveIndex::default(),
            mark: Mark::default(),
            accounts: Names::default(),
            carriers: Names::default(),
        };
        store.load(doing)?;
        Ok(store)
    }

    /// Fills what is kept in memory.
    fn load(&mut self, doing: &'static str) -> Result<(), Fault> {
        let claimed = self.witness.claimed();
        let (journal, archive, index, mark, names) = self.with_engine(doing, |engine| {
            let mut journal = Slots::default();
            engine.journal.each(doing, |slot, octets| {
                match envelope::number(octets) {
                    Some(number) => journal.occupy(number, slot),
                    None => journal.vacant(slot),
                }
                Ok(())
            })?;
            let (mut archive, mut index) = (Slots::default(), ArchiveIndex::default());
            engine.archive.each(doing, |slot, octets| {
                match ArchiveKey::of(octets) {
                    Some(key) => {
                        let extent =
                            Extent::read(key, octets).map_err(|damage| Fault::DamagedArchive { key, damage })?;
                        archive.occupy(key, slot);
                        index.insert(key, extent);
                    }
                    None => archive.vacant(slot),
                }
                Ok(())
            })?;
            let mut mark = engine.mark(doing)?;
            let last = journal.iter().last().map_or(0, |(last, _)| u64::saturating_add(last, 1));
            mark.next_block = mark.next_block.max(last);
            mark.archived_to = mark.archived_to.max(index.greatest());
            engine.check(doing, mark, claimed)?;
            Ok((journal, archive, index, mark, [engine.names(doing, ACCOUNT)?, engine.names(doing, CARRIER)?]))
        })?;
        (self.journal, self.archive, self.index, self.mark) = (journal, archive, index, mark);
        [self.accounts, self.carriers] = names;
        Ok(())
    }

    /// Runs `task` on the engine, opened again if need be. A fault closes it: sled does nothing more after a failed
    /// write, and what it had not flushed is given up, as in a crash.
    ///
    /// sled panics where it finds its files damaged in ways it does not expect; that is a fault here, not the end of
    /// the process, because the operator must learn which directory it is about.
    fn with_engine<T>(
        &mut self,
        doing: &'static str,
        task: impl FnOnce(&Engine) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Self { engine, path, tuning, faulted, .. } = self;
        let outcome = unpanicked(doing, || {
            let engine = match engine {
                Some(engine) => engine,
                None => engine.insert(Engine::open("opening the store", path, *tuning, *faulted)?),
            };
            task(engine)
        });
        if outcome.is_err() {
            self.faulted = true;
            self.close();
        }
        outcome
    }

    /// Dropping flushes, which may fail once more; there is nothing left to tell then.
    fn close(&mut self) {
        if let Some(engine) = self.engine.take() {
            drop(catch_unwind(AssertUnwindSafe(|| drop(engine))));
        }
    }

    fn engine(&self, doing: &'static str) -> Result<&Engine, Fault> {
        self.engine.as_ref().ok_or_else(|| Fault::Io { doing, cause: "closed after the fault before".to_owned() })
    }

    fn archive_block(&self, key: ArchiveKey) -> Result<Option<ArchiveBlock>, Fault> {
        let doing = "reading an archive block";
        let Some(slot) = self.archive.slot(key) else { return Ok(None) };
        let engine = self.engine(doing)?;
        let Some(octets) = unpanicked(doing, || engine.archive.read(doing, slot))? else { return Ok(None) };
        let checked = ArchiveBlock::check(key, octets.to_vec());
        checked.map(|(block, _)| Some(block)).map_err(|damage| Fault::DamagedArchive { key, damage })
    }

    /// Removes archive blocks, durably.
    fn forget(&mut self, keys: &[ArchiveKey]) -> Result<(), Fault> {
        let doing = "forgetting archive blocks";
        let slots: Vec<u32> = keys.iter().filter_map(|key| self.archive.slot(*key)).collect();
        if slots.is_empty() {
            return Ok(());
        }
        self.with_engine(doing, |engine| {
            let mut changes = Changes::default();
            slots.iter().for_each(|slot| changes.clear(*slot));
            engine.archive.apply(doing, changes, true)
        })?;
        for &key in keys {
            self.archive.release(key);
            self.index.remove(key);
        }
        self.give_back()
    }

    /// Gives some of the space of emptied slots back.
    fn give_back(&mut self) -> Result<(), Fault> {
        let doing = "giving space back";
        let (journal, archive) = (self.journal.returnable(GIVE_BACK), self.archive.returnable(GIVE_BACK));
        if journal.is_empty() && archive.is_empty() {
            return Ok(());
        }
        self.with_engine(doing, |engine| {
            engine.journal.give_back(doing, &journal)?;
            engine.archive.give_back(doing, &archive)
        })
    }
}

impl Store for SledStore {
    fn commit(&mut self, commit: &Commit, durability: Durability) -> Result<(), Fault> {
        let doing = "storing a commit";
        check_cuts(commit)?;
        let mut mark = self.mark;
        let mut extents = Vec::with_capacity(commit.archive.len());
        for block in &commit.archive {
            let extent = block.extent().map_err(|damage| Fault::DamagedArchive { key: block.key, damage })?;
            mark.archived_to = mark.archived_to.max(extent.greatest);
            extents.push((block.key, extent));
        }
        let numbers = commit.blocks.iter().map(|block| block.number).chain(commit.cut.iter().copied());
        mark.next_block = numbers.fold(mark.next_block, |next, number| next.max(number.saturating_add(1)));
        mark.archivings += u64::from(!commit.archive.is_empty());
        let archived = self.archive.places(commit.archive.iter().map(|block| block.key));
        let stored = self.journal.places(commit.blocks.iter().map(|block| block.number));
        let freed: Vec<u32> = commit.cut.iter().filter_map(|number| self.journal.slot(*number)).collect();
        self.with_engine(doing, |engine| {
            if !commit.archive.is_empty() {
                let mut changes = Changes::default();
                for ((_, slot), block) in archived.iter().zip(&commit.archive) {
                    changes.put(*slot, &block.octets);
                }
                changes.note(MARK, &mark.archivings.to_le_bytes());
                // Flushed even where the journal is not: the cut must never be on the disk before what it cuts.
                engine.archive.apply(doing, changes, true)?;
            }
            let mut changes = Changes::default();
            for ((_, slot), block) in stored.iter().zip(&commit.blocks) {
                changes.put(*slot, &block.octets);
            }
            freed.iter().for_each(|slot| changes.clear(*slot));
            if !commit.cut.is_empty() {
                changes.note(MARK, &mark.encode());
            }
            engine.journal.apply(doing, changes, durability == Durability::Flushed)
        })?;
        self.mark = mark;
        if durability == Durability::Flushed {
            self.witness.claim(mark.next_block);
        }
        stored.into_iter().for_each(|(number, slot)| self.journal.occupy(number, slot));
        archived.into_iter().for_each(|(key, slot)| self.archive.occupy(key, slot));
        extents.into_iter().for_each(|(key, extent)| self.index.insert(key, extent));
        commit.cut.iter().for_each(|number| self.journal.release(*number));
        // The commit is stored whatever comes of this.
        let _ = self.give_back();
        Ok(())
    }

    fn read(&self, block: u64) -> Result<Option<Block>, Fault> {
        let doing = "reading a journal block";
        let Some(slot) = self.journal.slot(block) else { return Ok(None) };
        let engine = self.engine(doing)?;
        let Some(octets) = unpanicked(doing, || engine.journal.read(doing, slot))? else { return Ok(None) };
        Block::check(block, octets.to_vec()).map(Some).map_err(|damage| Fault::Damaged { block, damage })
    }

    fn recover(&mut self, each: &mut dyn FnMut(Block, Progress)) -> Result<Recovered, Fault> {
        self.with_engine("reading the journal", |_| Ok(()))?;
        let total = self.journal.len() as u64;
        for ((number, _), done) in self.journal.iter().zip(1..) {
            if let Some(block) = self.read(number)? {
                each(block, Progress { done, total });
            }
        }
        let torn: Vec<_> = self.index.keys().filter(|key| self.journal.slot(key.block).is_some()).collect();
        self.forget(&torn)?;
        let Mark { next_block, archived_to, .. } = self.mark;
        Ok(Recovered { next_block, archived_to, blocks: total })
    }

    fn sweep(&mut self, before: Unix, at_most: usize) -> Result<Swept, Fault> {
        let keys = self.index.forgettable(hour(before), at_most);
        let mut tally = Tally::default();
        for &key in &keys {
            match self.archive_block(key) {
                Ok(Some(block)) => tally.count(&block),
                Ok(None) | Err(Fault::DamagedArchive { .. }) => (),
                Err(fault) => return Err(fault),
            }
        }
        self.forget(&keys)?;
        Ok(tally.swept(keys.len() as u64, self.index.forgettable(hour(before), 1).is_empty()))
    }

    fn enroll(&mut self, accounts: &[&str], carriers: &[&str]) -> Result<Enrolled, Fault> {
        let doing = "enrolling names";
        let (mut known_accounts, mut known_carriers) = (self.accounts.clone(), self.carriers.clone());
        let enrolled = names::enroll(&mut known_accounts, accounts, &mut known_carriers, carriers)?;
        let mut changes = Changes::default();
        let mut mark = self.mark;
        for (kind, old, new) in [(ACCOUNT, &self.accounts, &known_accounts), (CARRIER, &self.carriers, &known_carriers)]
        {
            for (number, name) in (0_u16..).zip(&new.known).skip(old.known.len()) {
                changes.note(&name_key(kind, number), name.as_bytes());
                mark.archivings = self.mark.archivings + 1;
            }
        }
        if mark != self.mark {
            changes.note(MARK, &mark.archivings.to_le_bytes());
            self.with_engine(doing, |engine| {
                engine.archive.apply(doing, changes, true)?;
                let mut changes = Changes::default();
                changes.note(MARK, &mark.encode());
                engine.journal.apply(doing, changes, true)
            })?;
            self.mark = mark;
        }
        (self.accounts, self.carriers) = (known_accounts, known_carriers);
        Ok(enrolled)
    }

    fn archived(&self, id: MessageId) -> Result<Option<ArchiveRecord>, Fault> {
        for key in self.index.candidates(id) {
            let found = match self.archive_block(key)? {
                Some(block) => block.find(id).map_err(|damage| Fault::DamagedArchive { key, damage })?,
                None => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn health(&self) -> Health {
        let octets = self.engine.as_ref().map_or(0, |engine| engine.journal.octets() + engine.archive.octets());
        Health { octets, journal_blocks: self.journal.len() as u64, archive_blocks: self.index.len() as u64 }
    }
}

/// Both databases, open.
struct Engine {
    journal: Database,
    archive: Database,
}

impl Engine {
    fn open(doing: &'static str, path: &Path, tuning: Tuning, patient: bool) -> Result<Self, Fault> {
        let archive = Database::open(doing, &path.join(ARCHIVE), tuning, patient)?;
        let journal = Database::open(doing, &path.join(JOURNAL), tuning, patient)?;
        Ok(Self { journal, archive })
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

fn name_key(kind: u8, number: u16) -> [u8; 3] {
    let [high, low] = number.to_be_bytes();
    [kind, high, low]
}

impl Mark {
    fn encode(self) -> [u8; 24] {
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

impl std::fmt::Debug for SledStore {
    /// Shows counts: the blocks hold numbers and text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SledStore({} journal blocks, {} archive blocks)", self.journal.len(), self.index.len())
    }
}

/// A directory that holds other things than a store is somebody's: nothing is written there.
fn refuse_other_files(path: &Path) -> Result<(), Fault> {
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

fn io_fault(doing: &'static str, error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::Full { doing },
        _ => Fault::Io { doing, cause: error.to_string() },
    }
}

/// Folders of the two databases.
const JOURNAL: &str = "journal";
const ARCHIVE: &str = "archive";
/// What the process keeps in the same directory, and may have made before the store.
const BESIDE: &[&str] = &["audit", "activity", "control.sock", "standing.json"];

/// Most groups of emptied slots whose space is given back at once: about 10 ms of work.
const GIVE_BACK: usize = 64;

/// Note of the [`Mark`] in the journal, and of the number of archivings in the archive.
const MARK: &[u8] = b"m";

/// First octets of the names' notes in the archive; two octets of the number follow.
const ACCOUNT: u8 = b'a';
const CARRIER: u8 = b'c';

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{AccountId, CarrierId};
    use crate::store::{ArchiveBuilder, BlockBuilder, Party, Write};

    fn sealing(store: &mut SledStore) -> Commit {
        let mut blocks = BlockBuilder::new(0);
        blocks.push(&Write::Settled { id: MessageId(5), at: 7 });
        let commit = Commit { blocks: blocks.take(), ..Commit::default() };
        store.commit(&commit, Durability::Flushed).expect("stored");
        let party = Party::new(1, 1, b"4791234567").expect("fits");
        let record = ArchiveRecord {
            id: MessageId(5),
            account: AccountId(0),
            class: 0,
            accepted: Unix(0),
            done: Unix(0),
            state: 2,
            error: 0,
            carrier: Some(CarrierId(0)),
            country: *b"NO",
            source: party,
            destination: party,
        };
        let mut archive = ArchiveBuilder::new();
        archive.push(9, 0, &record);
        Commit { archive: archive.take(), cut: vec![0], ..Commit::default() }
    }

    #[test]
    fn a_crash_between_archive_and_journal_loses_nothing() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = SledStore::open(directory.path(), Tuning::default()).expect("a new store");
        let commit = sealing(&mut store);
        let doing = "crashing half way";
        store
            .with_engine(doing, |engine| {
                let mut changes = Changes::default();
                changes.put(0, &commit.archive[0].octets);
                changes.note(MARK, &1_u64.to_le_bytes());
                engine.archive.apply(doing, changes, true)
            })
            .expect("the first half is stored");
        drop(store);
        let mut store = SledStore::open(directory.path(), Tuning::default()).expect("it opens again");
        assert!(store.archived(MessageId(5)).expect("readable").is_some());
        assert_eq!(store.recover(&mut |block, _| assert_eq!(block.number, 0)).expect("recovered").blocks, 1);
        assert_eq!(store.archived(MessageId(5)), Ok(None));
        store.commit(&commit, Durability::Flushed).expect("the repetition is stored");
        drop(store);
        let mut store = SledStore::open(directory.path(), Tuning::default()).expect("it opens again");
        assert_eq!(store.recover(&mut |_, _| ()).expect("recovered").blocks, 0);
        assert!(store.archived(MessageId(5)).expect("readable").is_some());
        assert_eq!(store.health().archive_blocks, 1);
    }
}
