//! The store on a disk: two databases of the engine, and what is kept of them in memory.
//!
//! A commit is one batch for the archive and its flush, when it seals, and then one batch for the journal and its flush.
//! Opted-out numbers are written before the archive's, and flushed with it.
//! The engine refuses to go on after a failed write; it is dropped then, and opened again by the next call that writes.
//! With a vault, blocks are sealed right before they go to the engine and opened right after they come from it.
//!
//! Starts no thread of its own and does not retry: the caller gives a commit again until it is stored.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{ArchiveBlock, ArchiveKey};
use super::block::Block;
use super::engine::{ACCOUNT, CARRIER, Engine, Kept, MARK, Mark, io_fault, name_key, refuse_other_files};
use super::files::{Disk, SystemDisk, make_folder};
use super::index::ArchiveIndex;
use super::names;
use super::opt_out::{Listed, OptOutKey};
use super::sled::{Changes, Tuning, unpanicked};
use super::vault::{self, Subject, Vault};
use super::witness::Witness;
use super::{Commit, Durability, Enrolled, Fault, Health, Progress, Recovered, Store, check_cuts};
use crate::clock::Unix;
use crate::message::AccountId;

/// A store in a directory of its own.
pub struct SledStore {
    path: PathBuf,
    tuning: Tuning,
    disk: Arc<dyn Disk>,
    /// `None` after a fault, until the next call that writes opens it again.
    engine: Option<Engine>,
    /// Whether an engine of this process was given up: its threads may hold the files a little longer.
    faulted: bool,
    witness: Witness,
    kept: Kept,
    /// Seals what is stored; `None` where it is stored as it is.
    vault: Option<Vault>,
}

impl SledStore {
    /// Opens the store in the directory `path`, making both when they are not there.
    ///
    /// # Errors
    /// [`Fault::Locked`] when another process has it, [`Fault::Foreign`] when the directory is used for something else
    /// or by a newer version, [`Fault::Corrupt`] and [`Fault::DamagedArchive`] when its files are damaged.
    pub fn open(path: &Path, tuning: Tuning) -> Result<Self, Fault> {
        Self::open_on(Arc::new(SystemDisk), path, tuning, None)
    }

    /// Opens a store whose blocks this vault seals. Blocks from before it had one are read as they are.
    ///
    /// # Errors
    /// As [`SledStore::open`], and [`Fault::Keys`] when blocks are sealed under keys that the vault does not have.
    pub fn open_sealed(path: &Path, tuning: Tuning, vault: Vault) -> Result<Self, Fault> {
        Self::open_on(Arc::new(SystemDisk), path, tuning, Some(vault))
    }

    /// [`SledStore::open`], with another disk than the system's.
    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        path: &Path,
        tuning: Tuning,
        vault: Option<Vault>,
    ) -> Result<Self, Fault> {
        refuse_other_files(path)?;
        let doing = "opening the store";
        let io = |error: io::Error| io_fault(doing, &error);
        make_folder(path, &*disk).map_err(io)?;
        let mut store = Self {
            path: path.to_owned(),
            tuning,
            disk,
            engine: None,
            faulted: false,
            witness: Witness::open(path).map_err(io)?,
            kept: Kept::default(),
            vault,
        };
        store.load(doing)?;
        Ok(store)
    }

    /// Fills what is kept in memory.
    fn load(&mut self, doing: &'static str) -> Result<(), Fault> {
        let claimed = self.witness.claimed();
        let vault = self.vault.take();
        let kept = self.with_engine(doing, |engine| engine.load(doing, claimed, vault.as_ref()));
        self.vault = vault;
        self.kept = kept?;
        Ok(())
    }

    /// What is in a journal slot, as it is stored.
    fn stored_block(&self, doing: &'static str, block: u64) -> Result<Option<Vec<u8>>, Fault> {
        let Some(slot) = self.kept.journal.slot(block) else { return Ok(None) };
        let engine = self.engine(doing)?;
        unpanicked(doing, || engine.journal.read(doing, slot)).map(|octets| octets.map(|octets| octets.to_vec()))
    }

    /// A stored journal block as it was before.
    fn open_block(&self, block: u64, octets: Vec<u8>) -> Result<Block, Fault> {
        vault::open_block(self.vault.as_ref(), block, octets).map_err(|unopened| unopened.of_block(block))
    }

    /// What is in an archive slot, as it is stored.
    fn stored_archive(&self, doing: &'static str, key: ArchiveKey) -> Result<Option<Vec<u8>>, Fault> {
        let Some(slot) = self.kept.archive.slot(key) else { return Ok(None) };
        let engine = self.engine(doing)?;
        unpanicked(doing, || engine.archive.read(doing, slot)).map(|octets| octets.map(|octets| octets.to_vec()))
    }

    /// Puts archive blocks into their slots, sealed.
    fn put_archive(&mut self, places: &[(ArchiveKey, u32)], blocks: &[ArchiveBlock]) -> Result<Changes, Fault> {
        let mut changes = Changes::default();
        for ((_, slot), block) in places.iter().zip(blocks) {
            let sealed = self.vault.as_mut().map(|vault| vault.seal_archive(block)).transpose();
            let sealed = sealed.map_err(|unopened| unopened.of_archive(block.key))?;
            changes.put(*slot, sealed.unwrap_or(&block.octets));
        }
        Ok(changes)
    }

    /// Puts journal blocks into their slots, sealed.
    fn put_journal(&mut self, places: &[(u64, u32)], blocks: &[Block]) -> Result<Changes, Fault> {
        let mut changes = Changes::default();
        for ((_, slot), block) in places.iter().zip(blocks) {
            let sealed = self.vault.as_mut().map(|vault| vault.seal_journal(block)).transpose();
            let sealed = sealed.map_err(|unopened| unopened.of_block(block.number))?;
            changes.put(*slot, sealed.unwrap_or(&block.octets));
        }
        Ok(changes)
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
        let Self { engine, path, tuning, disk, faulted, .. } = self;
        let outcome = unpanicked(doing, || {
            let engine = match engine {
                Some(engine) => engine,
                None => engine.insert(Engine::open(path, *tuning, disk, *faulted)?),
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

    /// Removes archive blocks, durably.
    fn forget(&mut self, keys: &[ArchiveKey]) -> Result<(), Fault> {
        let doing = "forgetting archive blocks";
        let slots: Vec<u32> = keys.iter().filter_map(|key| self.kept.archive.slot(*key)).collect();
        if slots.is_empty() {
            return Ok(());
        }
        self.with_engine(doing, |engine| {
            let mut changes = Changes::default();
            slots.iter().for_each(|slot| changes.clear(*slot));
            engine.archive.apply(doing, changes, true)
        })?;
        for &key in keys {
            self.kept.archive.release(key);
            self.kept.index.remove(key);
        }
        self.give_back()
    }

    /// Makes the slots that a commit needs and that are not there yet.
    fn make(&mut self, archived: &[(ArchiveKey, u32)], stored: &[(u64, u32)]) -> Result<(), Fault> {
        let doing = "making room for blocks";
        let (archive, journal) = (self.kept.archive.missing(archived), self.kept.journal.missing(stored));
        if archive.is_empty() && journal.is_empty() {
            return Ok(());
        }
        self.with_engine(doing, |engine| {
            engine.archive.make(doing, archive.clone())?;
            engine.journal.make(doing, journal.clone())
        })?;
        archive.for_each(|number| self.kept.archive.vacant(number));
        journal.for_each(|number| self.kept.journal.vacant(number));
        Ok(())
    }

    /// Gives some of the space of emptied slots back.
    fn give_back(&mut self) -> Result<(), Fault> {
        let doing = "giving space back";
        let (journal, archive) = (self.kept.journal.returnable(GIVE_BACK), self.kept.archive.returnable(GIVE_BACK));
        if journal.is_empty() && archive.is_empty() {
            return Ok(());
        }
        self.with_engine(doing, |engine| {
            engine.journal.renew(doing, journal)?;
            engine.archive.renew(doing, archive)
        })
    }
}

impl Store for SledStore {
    fn commit(&mut self, commit: &Commit, durability: Durability) -> Result<(), Fault> {
        let doing = "storing a commit";
        check_cuts(commit)?;
        let mut mark = self.kept.mark;
        let mut extents = Vec::with_capacity(commit.archive.len());
        for block in &commit.archive {
            let extent = block.extent().map_err(|damage| Fault::DamagedArchive { key: block.key, damage })?;
            mark.archived_to = mark.archived_to.max(extent.greatest);
            extents.push((block.key, extent));
        }
        let numbers = commit.blocks.iter().map(|block| block.number).chain(commit.cut.iter().copied());
        mark.next_block = numbers.fold(mark.next_block, |next, number| next.max(number.saturating_add(1)));
        let archives = !commit.archive.is_empty() || !commit.opt_outs.is_empty();
        mark.archivings += u64::from(archives);
        let archived = self.kept.archive.places(commit.archive.iter().map(|block| block.key));
        let stored = self.kept.journal.places(commit.blocks.iter().map(|block| block.number));
        self.make(&archived, &stored)?;
        let freed: Vec<u32> = commit.cut.iter().filter_map(|number| self.kept.journal.slot(*number)).collect();
        let redone: Vec<u32> = commit.blocks.iter().filter_map(|block| self.kept.journal.slot(block.number)).collect();
        let mut archivings = self.put_archive(&archived, &commit.archive)?;
        let mut changes = self.put_journal(&stored, &commit.blocks)?;
        self.with_engine(doing, |engine| {
            if archives {
                let opt_outs = commit.opt_outs.iter();
                engine.opt_outs.apply(doing, opt_outs.map(|own| (own.key.encode(), own.listed.map(Listed::encode))))?;
                engine.archive.renew(doing, archived.iter().map(|(_, slot)| *slot))?;
                archivings.note(MARK, &mark.archivings.to_le_bytes());
                // Flushed even where the journal is not: the cut must never be on the disk before what it cuts.
                engine.archive.apply(doing, archivings, true)?;
            }
            engine.journal.renew(doing, stored.iter().map(|(_, slot)| *slot))?;
            freed.iter().for_each(|slot| changes.clear(*slot));
            if !commit.cut.is_empty() {
                changes.note(MARK, &mark.encode());
            }
            engine.journal.apply(doing, changes, durability == Durability::Flushed)?;
            engine.journal.supersede(doing, redone)
        })?;
        self.kept.mark = mark;
        if durability == Durability::Flushed {
            self.witness.claim(mark.next_block);
        }
        stored.into_iter().for_each(|(number, slot)| self.kept.journal.occupy(number, slot));
        archived.into_iter().for_each(|(key, slot)| self.kept.archive.occupy(key, slot));
        extents.into_iter().for_each(|(key, extent)| self.kept.index.insert(key, extent));
        commit.cut.iter().for_each(|number| self.kept.journal.release(*number));
        // The commit is stored whatever comes of this.
        let _ = self.give_back();
        Ok(())
    }

    fn read(&self, block: u64) -> Result<Option<Block>, Fault> {
        let doing = "reading a journal block";
        let Some(octets) = self.stored_block(doing, block)? else { return Ok(None) };
        self.open_block(block, octets).map(Some)
    }

    fn recover(&mut self, each: &mut dyn FnMut(Block, Progress)) -> Result<Recovered, Fault> {
        self.with_engine("reading the journal", |_| Ok(()))?;
        let doing = "reading the journal";
        let total = self.kept.journal.len() as u64;
        for ((number, _), done) in self.kept.journal.iter().zip(1..) {
            let Some(octets) = self.stored_block(doing, number)? else { continue };
            each(self.open_block(number, octets)?, Progress { done, total });
        }
        let torn: Vec<_> = self.kept.index.keys().filter(|key| self.kept.journal.slot(key.block).is_some()).collect();
        self.forget(&torn)?;
        let Mark { next_block, archived_to, .. } = self.kept.mark;
        Ok(Recovered { next_block, archived_to, blocks: total })
    }

    fn opt_outs(&self, from: OptOutKey, at_most: usize) -> Result<Vec<(OptOutKey, Listed)>, Fault> {
        let doing = "reading the lists of opted-out numbers";
        let engine = self.engine(doing)?;
        let entries = unpanicked(doing, || engine.opt_outs.from(doing, &from.encode(), at_most))?;
        let read = |key: &[u8], value: &[u8]| Some((OptOutKey::decode(key)?, Listed::decode(value)?));
        let damaged = || Fault::Corrupt { doing, cause: "an entry has another form".to_owned() };
        entries.iter().map(|(key, value)| read(key, value).ok_or_else(damaged)).collect()
    }

    fn replace(&mut self, put: &[ArchiveBlock], gone: &[ArchiveKey]) -> Result<(), Fault> {
        if put.is_empty() {
            return self.forget(gone);
        }
        let doing = "rewriting archive blocks";
        let mut extents = Vec::with_capacity(put.len());
        for block in put {
            let extent = block.extent().map_err(|damage| Fault::DamagedArchive { key: block.key, damage })?;
            extents.push((block.key, extent));
        }
        let places = self.kept.archive.places(put.iter().map(|block| block.key));
        self.make(&places, &[])?;
        let freed: Vec<u32> = gone.iter().filter_map(|key| self.kept.archive.slot(*key)).collect();
        let fresh = places.iter().filter(|(key, _)| self.kept.archive.slot(*key).is_none()).map(|(_, slot)| *slot);
        let (fresh, redone): (Vec<u32>, _) = (fresh.collect(), places.iter().map(|(_, slot)| *slot));
        let mut changes = self.put_archive(&places, put)?;
        self.with_engine(doing, |engine| {
            engine.archive.renew(doing, fresh)?;
            freed.iter().for_each(|slot| changes.clear(*slot));
            engine.archive.apply(doing, changes, true)?;
            engine.archive.supersede(doing, redone)
        })?;
        for key in gone {
            self.kept.archive.release(*key);
            self.kept.index.remove(*key);
        }
        places.into_iter().for_each(|(key, slot)| self.kept.archive.occupy(key, slot));
        extents.into_iter().for_each(|(key, extent)| self.kept.index.insert(key, extent));
        self.give_back()
    }

    fn next_block(&self, from: u64) -> Option<u64> {
        self.kept.journal.from(from).next().map(|(number, _)| number)
    }

    fn enroll(&mut self, accounts: &[&str], carriers: &[&str]) -> Result<Enrolled, Fault> {
        let doing = "enrolling names";
        let (mut known_accounts, mut known_carriers) = (self.kept.accounts.clone(), self.kept.carriers.clone());
        let enrolled = names::enroll(&mut known_accounts, accounts, &mut known_carriers, carriers)?;
        let mut changes = Changes::default();
        let mut mark = self.kept.mark;
        for (kind, old, new) in
            [(ACCOUNT, &self.kept.accounts, &known_accounts), (CARRIER, &self.kept.carriers, &known_carriers)]
        {
            for (number, name) in (0_u16..).zip(&new.known).skip(old.known.len()) {
                changes.note(&name_key(kind, number), name.as_bytes());
                mark.archivings = self.kept.mark.archivings + 1;
            }
        }
        if mark != self.kept.mark {
            changes.note(MARK, &mark.archivings.to_le_bytes());
            self.with_engine(doing, |engine| {
                engine.archive.apply(doing, changes, true)?;
                let mut changes = Changes::default();
                changes.note(MARK, &mark.encode());
                engine.journal.apply(doing, changes, true)
            })?;
            self.kept.mark = mark;
        }
        (self.kept.accounts, self.kept.carriers) = (known_accounts, known_carriers);
        Ok(enrolled)
    }

    fn archive(&self) -> &ArchiveIndex {
        &self.kept.index
    }

    fn archive_block(&self, key: ArchiveKey) -> Result<Option<ArchiveBlock>, Fault> {
        self.archive_block_about(key, None)
    }

    fn archive_block_about(&self, key: ArchiveKey, subject: Option<&Subject>) -> Result<Option<ArchiveBlock>, Fault> {
        let Some(octets) = self.stored_archive("reading an archive block", key)? else { return Ok(None) };
        vault::open_if_about(self.vault.as_ref(), key, octets, subject).map_err(|unopened| unopened.of_archive(key))
    }

    fn archive_heads(&self, key: ArchiveKey) -> Result<Option<ArchiveBlock>, Fault> {
        let Some(octets) = self.stored_archive("reading an archive block", key)? else { return Ok(None) };
        vault::unopened(key, octets).map(Some).map_err(|damage| Fault::DamagedArchive { key, damage })
    }

    fn retire(&mut self, now: Unix, going: Option<&[ArchiveKey]>) -> Result<u64, Fault> {
        let doing = "destroying keys";
        let oldest = self.kept.journal.iter().next().map(|(number, _)| number);
        let oldest = oldest.map(|number| self.stored_block(doing, number)).transpose()?;
        let Self { vault: Some(vault), kept, .. } = self else { return Ok(0) };
        // A block that was never sealed has some behind it that are.
        let journal_from = oldest.flatten().map(|octets| vault::serial_of(&octets).unwrap_or(0));
        let over = vault.over(now, journal_from, |day| kept.index.needs_day(day, going));
        if over.is_empty() {
            return Ok(0);
        }
        // A buffered cut may be lost, and then its blocks are needed once more.
        self.with_engine(doing, |engine| engine.journal.flush(doing))?;
        let destroyed = self.vault.as_mut().map(|vault| vault.destroy(&over));
        Ok(destroyed.transpose()?.unwrap_or(0))
    }

    fn shred(&mut self, account: AccountId) -> Result<u64, Fault> {
        let shredded = self.vault.as_mut().map(|vault| vault.shred(account.0));
        Ok(shredded.transpose()?.unwrap_or(0))
    }

    fn health(&self) -> Health {
        Health {
            octets: self.engine.as_ref().map_or(0, |engine| engine.journal.octets() + engine.archive.octets()),
            journal_blocks: self.kept.journal.len() as u64,
            archive_blocks: self.kept.index.len() as u64,
            keys: self.vault.as_ref().map(Vault::figures).unwrap_or_default(),
        }
    }
}

impl std::fmt::Debug for SledStore {
    /// Shows counts: the blocks hold numbers and text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SledStore({} journal blocks, {} archive blocks)", self.kept.journal.len(), self.kept.index.len())
    }
}

/// Most emptied slots of each database whose space is given back at once: about 2 ms of work.
const GIVE_BACK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{CarrierId, MessageId};
    use crate::store::{ArchiveBuilder, ArchiveRecord, BlockBuilder, Carriers, Party, Write};

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
            others: Carriers::default(),
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
