//! The store on sled 0.34. No other file names sled.
//!
//! Two trees carry the load: `journal` (key: block number, big-endian) and `archive` (key: [`ArchiveKey::octets`]); a
//! third holds names. A commit is one batch to each of the first two, archive first, then one flush. sled prices keys and
//! not octets, hence the few large values; it poisons itself after a failed write, hence the reopening.
//!
//! Starts no thread of its own and does not retry: the caller gives a commit again until it is stored.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sled::{Batch, Db, Tree};

use super::archive::{ArchiveBlock, ArchiveKey, ArchiveRecord, Extent};
use super::block::Block;
use super::envelope::VERSION;
use super::index::ArchiveIndex;
use super::names::{self, Names};
use super::witness::Witness;
use super::{Commit, Durability, Enrolled, Fault, Health, Progress, Recovered, Store, Swept, Tally, check_cuts, hour};
use crate::clock::Unix;
use crate::message::MessageId;

/// How sled is set up. The defaults are what `benches/store.rs` found best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Octets of sled's page cache. Blocks are read back rarely, so it need not be large.
    pub cache_octets: u64,
    /// Octets of a segment of sled's log, a power of two. Fixed when a store is made.
    pub segment_octets: usize,
    /// Whether sled prefers throughput to space when it cleans segments.
    pub throughput: bool,
}

/// A store in a directory of its own.
pub struct SledStore {
    path: PathBuf,
    tuning: Tuning,
    /// `None` after a fault, until the next call that writes opens it again.
    engine: Option<Engine>,
    /// Whether an engine of this process was given up: its threads may hold the files a little longer.
    faulted: bool,
    witness: Witness,
    index: ArchiveIndex,
    /// Numbers of the journal blocks; complete once recovered.
    journal: BTreeSet<u64>,
    mark: Mark,
    accounts: Names,
    carriers: Names,
}

struct Engine {
    db: Db,
    journal: Tree,
    archive: Tree,
    names: Tree,
}

/// What must outlive the blocks it was learnt from. Stored with each commit that cuts or archives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mark {
    next_block: u64,
    archived_to: MessageId,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { cache_octets: 32 << 20, segment_octets: 512 << 10, throughput: false }
    }
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
        let io = |error: std::io::Error| because(doing)(error.into());
        fs::create_dir_all(path).map_err(io)?;
        let mut store = Self {
            path: path.to_owned(),
            tuning,
            engine: None,
            faulted: false,
            witness: Witness::open(path).map_err(io)?,
            index: ArchiveIndex::default(),
            journal: BTreeSet::new(),
            mark: Mark::default(),
            accounts: Names::default(),
            carriers: Names::default(),
        };
        store.with_engine(doing, |_| Ok(()))?;
        store.load()?;
        Ok(store)
    }

    /// Fills what is kept in memory, all but the journal's numbers.
    fn load(&mut self) -> Result<(), Fault> {
        let doing = "reading the store's indexes";
        let (mark, index, accounts, carriers) = self.with_engine(doing, |engine| {
            let mut mark = engine.mark(doing)?;
            let mut index = ArchiveIndex::default();
            for entry in &engine.archive {
                let (key, octets) = entry.map_err(because(doing))?;
                let key = ArchiveKey::from_octets(&key).ok_or_else(|| foreign("an unknown key in the archive"))?;
                let extent = Extent::read(key, &octets).map_err(|damage| Fault::DamagedArchive { key, damage })?;
                mark.archived_to = mark.archived_to.max(extent.greatest);
                index.insert(key, extent);
            }
            let names = |kind: u8| -> Result<Names, Fault> {
                let entries = engine.names.scan_prefix([kind]).values();
                let known =
                    entries.map(|name| Ok(String::from_utf8_lossy(&name.map_err(because(doing))?).into_owned()));
                Ok(Names { known: known.collect::<Result<_, Fault>>()? })
            };
            Ok((mark, index, names(ACCOUNT)?, names(CARRIER)?))
        })?;
        (self.mark, self.index, self.accounts, self.carriers) = (mark, index, accounts, carriers);
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
        let Self { engine, path, tuning, witness, faulted, .. } = self;
        let outcome = unpanicked(doing, || {
            let engine = match engine {
                Some(engine) => engine,
                None => engine.insert(Engine::open(path, *tuning, witness.claimed(), *faulted)?),
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

    fn read_engine(&self, doing: &'static str) -> Result<&Engine, Fault> {
        self.engine.as_ref().ok_or_else(|| Fault::Io { doing, cause: "closed after the fault before".to_owned() })
    }

    fn archive_block(&self, key: ArchiveKey) -> Result<Option<ArchiveBlock>, Fault> {
        let doing = "reading an archive block";
        let engine = self.read_engine(doing)?;
        let octets = unpanicked(doing, || engine.archive.get(key.octets()).map_err(because(doing)))?;
        let Some(octets) = octets else { return Ok(None) };
        let (block, _) =
            ArchiveBlock::check(key, octets.to_vec()).map_err(|damage| Fault::DamagedArchive { key, damage })?;
        Ok(Some(block))
    }

    /// Removes archive blocks, durably.
    fn forget(&mut self, keys: &[ArchiveKey]) -> Result<(), Fault> {
        let doing = "forgetting archive blocks";
        if keys.is_empty() {
            return Ok(());
        }
        self.with_engine(doing, |engine| {
            let mut batch = Batch::default();
            for key in keys {
                batch.remove(&key.octets());
            }
            engine.archive.apply_batch(batch).map_err(because(doing))?;
            engine.db.flush().map_err(because(doing))?;
            Ok(())
        })?;
        for &key in keys {
            self.index.remove(key);
        }
        Ok(())
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
        self.with_engine(doing, |engine| {
            if !commit.archive.is_empty() {
                let mut batch = Batch::default();
                for block in &commit.archive {
                    batch.insert(&block.key.octets(), &block.octets[..]);
                }
                engine.archive.apply_batch(batch).map_err(because(doing))?;
            }
            let mut batch = Batch::default();
            for block in &commit.blocks {
                batch.insert(&block.number.to_be_bytes(), &block.octets[..]);
            }
            for number in &commit.cut {
                batch.remove(&number.to_be_bytes());
            }
            if !commit.cut.is_empty() {
                batch.insert(MARK, &mark.encode());
            }
            engine.journal.apply_batch(batch).map_err(because(doing))?;
            if durability == Durability::Flushed {
                engine.db.flush().map_err(because(doing))?;
            }
            Ok(())
        })?;
        self.mark = mark;
        if durability == Durability::Flushed {
            self.witness.claim(mark.next_block);
        }
        self.journal.extend(commit.blocks.iter().map(|block| block.number));
        for number in &commit.cut {
            self.journal.remove(number);
        }
        for (key, extent) in extents {
            self.index.insert(key, extent);
        }
        Ok(())
    }

    fn read(&self, block: u64) -> Result<Option<Block>, Fault> {
        let doing = "reading a journal block";
        let engine = self.read_engine(doing)?;
        let octets = unpanicked(doing, || engine.journal.get(block.to_be_bytes()).map_err(because(doing)))?;
        let Some(octets) = octets else { return Ok(None) };
        Block::check(block, octets.to_vec()).map(Some).map_err(|damage| Fault::Damaged { block, damage })
    }

    fn recover(&mut self, each: &mut dyn FnMut(Block, Progress)) -> Result<Recovered, Fault> {
        let doing = "reading the journal";
        self.with_engine(doing, |_| Ok(()))?;
        let engine = self.read_engine(doing)?;
        let total = unpanicked(doing, || engine.blocks(doing))?;
        let mut numbers = BTreeSet::new();
        let mut entries = engine.journal.range([0; 8]..);
        while let Some(entry) = unpanicked(doing, || entries.next().transpose().map_err(because(doing)))? {
            let (key, octets) = entry;
            let block = number(&key).ok_or_else(|| foreign("an unknown key in the journal"))?;
            let whole = Block::check(block, octets.to_vec()).map_err(|damage| Fault::Damaged { block, damage })?;
            numbers.insert(block);
            each(whole, Progress { done: numbers.len() as u64, total });
        }
        let torn: Vec<_> = self.index.keys().filter(|key| numbers.contains(&key.block)).collect();
        self.forget(&torn)?;
        self.journal = numbers;
        let Mark { next_block, archived_to } = self.mark;
        Ok(Recovered { next_block, archived_to, blocks: self.journal.len() as u64 })
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
        let mut batch = Batch::default();
        for (kind, old, new) in [(ACCOUNT, &self.accounts, &known_accounts), (CARRIER, &self.carriers, &known_carriers)]
        {
            for (number, name) in (0_u16..).zip(&new.known).skip(old.known.len()) {
                let [high, low] = number.to_be_bytes();
                batch.insert(&[kind, high, low], name.as_bytes());
            }
        }
        self.with_engine(doing, |engine| {
            engine.names.apply_batch(batch).map_err(because(doing))?;
            engine.db.flush().map_err(because(doing))?;
            Ok(())
        })?;
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
        let octets = self.engine.as_ref().and_then(|engine| engine.db.size_on_disk().ok()).unwrap_or(0);
        Health { octets, journal_blocks: self.journal.len() as u64, archive_blocks: self.index.len() as u64 }
    }
}

impl Engine {
    /// Opens sled's files and refuses them when they are not a store's, or hold less than the
    /// blocks below `claimed`. `patient` waits for the files of an engine given up before.
    fn open(path: &Path, tuning: Tuning, claimed: u64, patient: bool) -> Result<Self, Fault> {
        let doing = "opening the store";
        let config = sled::Config::new()
            .path(path)
            .flush_every_ms(None)
            .cache_capacity(tuning.cache_octets)
            .segment_size(tuning.segment_octets)
            .mode(if tuning.throughput { sled::Mode::HighThroughput } else { sled::Mode::LowSpace });
        let mut db = config.open().map_err(because(doing));
        for _ in 0..if patient { RELEASE_TRIES } else { 0 } {
            if !matches!(db, Err(Fault::Locked)) {
                break;
            }
            std::thread::sleep(RELEASE_PAUSE);
            db = config.open().map_err(because(doing));
        }
        let db = db?;
        let names = db.tree_names();
        let mark = db.get(FORMAT).map_err(because(doing))?;
        match mark.as_deref() {
            Some([VERSION]) => (),
            Some([version]) => return Err(foreign(format!("format version {version} of a store"))),
            // A crash may come between making the files and marking them: such a database is empty.
            None if db.is_empty() && names.len() == 1 => {
                db.insert(FORMAT, &[VERSION]).map_err(because(doing))?;
                db.flush().map_err(because(doing))?;
            }
            _ => return Err(foreign("a sled database of another program")),
        }
        let tree = |name| db.open_tree(name).map_err(because(doing));
        let (journal, archive, names) = (tree("journal")?, tree("archive")?, tree("names")?);
        let engine = Self { db, journal, archive, names };
        let next_block = engine.mark(doing)?.next_block;
        if next_block < claimed {
            let cause = format!(
                "blocks {next_block} to {} were stored and are gone; without a backup, remove the file `{}` to go on \
                 without them",
                claimed - 1,
                Witness::NAME
            );
            return Err(Fault::Corrupt { doing, cause });
        }
        Ok(engine)
    }

    /// How far numbers are used, by the stored mark and by the last journal block.
    fn mark(&self, doing: &'static str) -> Result<Mark, Fault> {
        let stored = self.journal.get(MARK).map_err(because(doing))?;
        let mut mark = stored.map_or_else(|| Ok(Mark::default()), |octets| Mark::decode(&octets))?;
        let last = self.journal.last().map_err(because(doing))?.and_then(|(key, _)| number(&key));
        mark.next_block = mark.next_block.max(last.map_or(0, |last| last.saturating_add(1)));
        Ok(mark)
    }

    /// At most how many journal blocks there are.
    fn blocks(&self, doing: &'static str) -> Result<u64, Fault> {
        let mut entries = self.journal.range([0; 8]..).keys();
        let end = |entry: Option<Result<sled::IVec, sled::Error>>| {
            entry.transpose().map(|key| key.and_then(|key| number(&key))).map_err(because(doing))
        };
        let (first, last) = (end(entries.next())?, end(entries.next_back())?);
        Ok(first.map_or(0, |first| last.unwrap_or(first) - first + 1))
    }
}

impl Mark {
    fn encode(self) -> [u8; 16] {
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&self.next_block.to_le_bytes());
        octets[8..].copy_from_slice(&self.archived_to.0.to_le_bytes());
        octets
    }

    fn decode(octets: &[u8]) -> Result<Self, Fault> {
        let (Some((next, rest)), 16) = (octets.split_first_chunk::<8>(), octets.len()) else {
            return Err(foreign("a mark of another length"));
        };
        let archived = rest.first_chunk::<8>().map_or(0, |octets| u64::from_le_bytes(*octets));
        Ok(Self { next_block: u64::from_le_bytes(*next), archived_to: MessageId(archived) })
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
        Err(error) => return Err(Fault::Io { doing, cause: error.to_string() }),
    };
    if path.join("db").exists() {
        return Ok(());
    }
    for entry in entries {
        let name = entry.map_err(|error| Fault::Io { doing, cause: error.to_string() })?.file_name();
        let ours = name == "conf"
            || name == "blobs"
            || name == Witness::NAME
            || name == "lost+found"
            || name.as_encoded_bytes().starts_with(b".");
        if !ours {
            return Err(foreign("files that are not a store's"));
        }
    }
    Ok(())
}

/// Removes the snapshots that sled was writing when the disk was full or the process died; whether there were any.
///
/// sled takes the newest one for whole and refuses its files for ever. It needs none: the log has everything.
fn drop_unfinished_snapshots(path: &Path) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return false };
    let mut dropped = false;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            dropped |= fs::remove_file(entry.path()).is_ok();
        }
    }
    dropped
}

/// A panic inside sled as a fault.
fn unpanicked<T>(doing: &'static str, task: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // Whatever the panic left half done is in the engine, and a faulty engine is closed.
    catch_unwind(AssertUnwindSafe(task)).unwrap_or_else(|_| {
        Err(Fault::Corrupt { doing, cause: "the engine gave up; its own message is on standard error".to_owned() })
    })
}

/// sled's errors in our words.
fn because(doing: &'static str) -> impl Fn(sled::Error) -> Fault {
    move |error| match error {
        sled::Error::Io(error) => match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Fault::Full { doing },
            _ if error.to_string().contains("could not acquire lock") => Fault::Locked,
            _ => Fault::Io { doing, cause: error.to_string() },
        },
        sled::Error::Unsupported(what) => foreign(what),
        sled::Error::Corruption { .. } => {
            Fault::Corrupt { doing, cause: "a checksum of the engine is wrong".to_owned() }
        }
        other => Fault::Corrupt { doing, cause: other.to_string() },
    }
}

fn foreign(found: impl Into<String>) -> Fault {
    Fault::Foreign { found: found.into(), expected: format!("a store of format version {VERSION}") }
}

fn number(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// Key of the format version, in sled's default tree.
const FORMAT: &[u8] = b"smppgate";

/// Key of the [`Mark`] in the journal: shorter than a block number, so it sorts before all of them.
const MARK: &[u8] = &[0];

/// First octets of the keys of names.
const ACCOUNT: u8 = b'a';
const CARRIER: u8 = b'c';

/// How often and how long to wait for an engine that was given up to release its files: five seconds in all.
const RELEASE_TRIES: u32 = 500;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);
