//! sled 0.34, as much of it as the store needs: blocks in numbered places, small values beside them, one batch and one
//! flush at a time. No other file names sled.
//!
//! What sled is good and bad at decides the shape: it prices keys and not octets, hence few large values; it writes nodes
//! of its tree anew with all that is in them, hence one place in each node (see `slots`), made while nodes are small,
//! overwritten and emptied and never removed; it panics over files damaged in ways it does not expect, hence
//! [`unpanicked`]; its flush does not reach the disk, hence [`Files`].

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sled::{Batch, Db, IVec, Tree};

use super::Fault;
use super::envelope::VERSION;
use super::files::{Disk, Files};

/// How sled is set up. The defaults are what `benches/store.rs` found best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Octets of sled's page cache, for journal and archive each. Blocks are read back rarely, so it need not be large.
    pub cache_octets: u64,
    /// Octets of a segment of sled's log, a power of two. Fixed when a store is made.
    pub segment_octets: usize,
    /// Whether sled prefers throughput to space when it cleans segments.
    pub throughput: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { cache_octets: 32 << 20, segment_octets: 512 << 10, throughput: false }
    }
}

/// One database: blocks in slots, and notes under short keys.
pub(super) struct Database {
    db: Db,
    blocks: Tree,
    files: Files,
}

/// Small values under keys of their own, in the log of a database.
pub(super) struct Entries {
    tree: Tree,
}

/// Changes that are applied as one.
#[derive(Default)]
pub(super) struct Changes {
    batch: Batch,
}

impl Changes {
    /// Puts octets into a slot.
    pub(super) fn put(&mut self, slot: u32, octets: &[u8]) {
        self.batch.insert(&slot.to_be_bytes(), octets);
    }

    /// Empties a slot.
    pub(super) fn clear(&mut self, slot: u32) {
        self.batch.insert(&slot.to_be_bytes(), &[]);
    }

    /// Writes a note. Its key has another length than a slot's, four.
    pub(super) fn note(&mut self, key: &[u8], octets: &[u8]) {
        self.batch.insert(key, octets);
    }
}

impl Database {
    /// Opens a database, or makes it. Files that another one holds are waited for a moment, for sled's own threads hold
    /// them a little longer than its handle lives; `patient` waits longer: they belonged to an engine that was given up.
    pub(super) fn open(
        doing: &'static str,
        path: &Path,
        tuning: Tuning,
        disk: &Arc<dyn Disk>,
        patient: bool,
    ) -> Result<Self, Fault> {
        let config = sled::Config::new()
            .path(path)
            .flush_every_ms(None)
            .cache_capacity(tuning.cache_octets)
            .segment_size(tuning.segment_octets)
            .mode(if tuning.throughput { sled::Mode::HighThroughput } else { sled::Mode::LowSpace });
        let mut opened = config.open();
        for _ in 0..if patient { GIVEN_UP_TRIES } else { RELEASE_TRIES } {
            if !opened.as_ref().is_err_and(is_lock) {
                break;
            }
            std::thread::sleep(RELEASE_PAUSE);
            opened = config.open();
        }
        if let Err(sled::Error::Corruption { .. }) = opened
            && drop_unfinished_snapshots(path)
        {
            opened = config.open();
        }
        let db = opened.map_err(because(doing))?;
        keep_snapshots(path, &**disk).map_err(|error| because(doing)(error.into()))?;
        let trees = db.tree_names();
        let format = db.get(FORMAT).map_err(because(doing))?;
        match format.as_deref() {
            Some([VERSION]) => (),
            Some([version]) => return Err(foreign(format!("format version {version} of a store"))),
            // A crash may come between making the files and marking them: such a database is empty.
            None if db.is_empty() && trees.len() == 1 => {
                db.insert(FORMAT, &[VERSION]).map_err(because(doing))?;
                db.flush().map_err(because(doing))?;
                // sled does not sync the file that it keeps the segments' size in.
                let conf = path.join("conf");
                fs::File::open(&conf)
                    .and_then(|file| disk.keep_file(&conf, &file))
                    .and_then(|()| disk.keep_names(path))
                    .map_err(|error| because(doing)(error.into()))?;
            }
            _ => return Err(foreign("a sled database of another program")),
        }
        let blocks = db.open_tree("blocks").map_err(because(doing))?;
        let files = Files::open(path, Arc::clone(disk)).map_err(|error| because(doing)(error.into()))?;
        Ok(Self { db, blocks, files })
    }

    /// Applies changes, and puts them and all before them on the disk if `flush` says so.
    pub(super) fn apply(&self, doing: &'static str, changes: Changes, flush: bool) -> Result<(), Fault> {
        self.blocks.apply_batch(changes.batch).map_err(because(doing))?;
        if flush { self.flush(doing) } else { Ok(()) }
    }

    /// Puts everything that was applied on the disk.
    pub(super) fn flush(&self, doing: &'static str) -> Result<(), Fault> {
        self.db.flush().map_err(because(doing))?;
        self.files.sync().map_err(|error| because(doing)(error.into()))
    }

    /// Makes empty places, durably, so that a fault that comes later does not take them back. One by one and in order:
    /// then nodes split where `slots` expects it. No block may be in them.
    pub(super) fn make(&self, doing: &'static str, numbers: Range<u32>) -> Result<(), Fault> {
        if numbers.is_empty() {
            return Ok(());
        }
        for number in numbers {
            self.blocks.insert(number.to_be_bytes(), &[]).map_err(because(doing))?;
        }
        self.flush(doing)
    }

    /// The octets in a slot; `None` for an empty one.
    pub(super) fn read(&self, doing: &'static str, slot: u32) -> Result<Option<IVec>, Fault> {
        let octets = self.blocks.get(slot.to_be_bytes()).map_err(because(doing))?;
        self.age(doing, slot)?;
        Ok(octets.filter(|octets| !is_empty(octets)))
    }

    /// Brings sled to drop what was just read from its cache. It looks at what may go once 64 accesses to a 256th of its
    /// nodes have gathered, whatever their size: with 33 kB each those held some 280 MB. So an access counts as several.
    fn age(&self, doing: &'static str, slot: u32) -> Result<(), Fault> {
        for _ in 0..ACCESSES {
            self.blocks.get(slot.to_be_bytes()).map_err(because(doing))?;
        }
        Ok(())
    }

    /// Visits all places, empty ones too: those have no octets.
    pub(super) fn each(
        &self,
        doing: &'static str,
        mut visit: impl FnMut(u32, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for entry in &self.blocks {
            let (key, octets) = entry.map_err(because(doing))?;
            if let Ok(slot) = key.as_ref().try_into() {
                let slot = u32::from_be_bytes(slot);
                if is_empty(&octets) {
                    visit(slot, &[])?;
                } else {
                    visit(slot, &octets)?;
                    self.age(doing, slot)?;
                }
            }
        }
        Ok(())
    }

    /// A note.
    pub(super) fn note(&self, doing: &'static str, key: &[u8]) -> Result<Option<IVec>, Fault> {
        self.blocks.get(key).map_err(because(doing))
    }

    /// Small values beside the blocks, in a tree of this name.
    pub(super) fn entries(&self, doing: &'static str, name: &str) -> Result<Entries, Fault> {
        Ok(Entries { tree: self.db.open_tree(name).map_err(because(doing))? })
    }

    /// Octets on the disk. Looks at every file.
    pub(super) fn octets(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }

    /// Makes sled write the nodes of slots anew that a block was put into in the place of another: until then the other is
    /// still part of them. The space it had is the engine's to use again, when it comes to it.
    pub(super) fn supersede(&self, doing: &'static str, slots: impl IntoIterator<Item = u32>) -> Result<(), Fault> {
        // The place behind each slot is empty, and in the same node.
        self.renew(doing, slots.into_iter().map(|slot| slot.saturating_add(1)))
    }

    /// Makes sled write the nodes of empty slots anew: it does so once enough changes to a node have gathered, and keeps
    /// the space of the old octets until then. A slot that has a block is left alone.
    pub(super) fn renew(&self, doing: &'static str, slots: impl IntoIterator<Item = u32>) -> Result<(), Fault> {
        for slot in slots {
            let held = self.blocks.get(slot.to_be_bytes()).map_err(because(doing))?;
            let mut octets = held.as_deref().unwrap_or_default();
            if !is_empty(octets) {
                continue;
            }
            for _ in 0..NODE_CHANGES {
                // What is there already would be no change.
                octets = if octets.is_empty() { &[EMPTY] } else { &[] };
                self.blocks.insert(slot.to_be_bytes(), octets).map_err(because(doing))?;
            }
        }
        Ok(())
    }
}

impl Entries {
    /// Puts or removes values, as one. On the disk with the next flush of the database, and before what follows.
    pub(super) fn apply<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        doing: &'static str,
        changes: impl IntoIterator<Item = (K, Option<V>)>,
    ) -> Result<(), Fault> {
        let mut batch = Batch::default();
        for (key, value) in changes {
            match value {
                Some(value) => batch.insert(key.as_ref(), value.as_ref()),
                None => batch.remove(key.as_ref()),
            }
        }
        self.tree.apply_batch(batch).map_err(because(doing))
    }

    /// At most so many values from a key on, in the order of the keys.
    pub(super) fn from(&self, doing: &'static str, key: &[u8], at_most: usize) -> Result<Vec<(IVec, IVec)>, Fault> {
        self.tree.range(key..).take(at_most).map(|entry| entry.map_err(because(doing))).collect()
    }
}

/// Whether these are the octets of an empty slot: a crash may come while they change.
fn is_empty(octets: &[u8]) -> bool {
    matches!(octets, [] | [EMPTY])
}

/// Keeps the snapshot that sled writes when it opens files, before anything is written behind it: sled uses parts of the log
/// again that only the snapshot makes superfluous, and without it finds nothing at all once the log has gone round.
fn keep_snapshots(path: &Path, disk: &dyn Disk) -> std::io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"snap.") {
            let path = entry.path();
            disk.keep_file(&path, &fs::File::open(&path)?)?;
        }
    }
    disk.keep_names(path)
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
pub(super) fn unpanicked<T>(doing: &'static str, task: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // Whatever the panic left half done is in the engine, and a faulty engine is closed.
    catch_unwind(AssertUnwindSafe(task)).unwrap_or_else(|_| {
        Err(Fault::Corrupt { doing, cause: "the engine gave up; its own message is on standard error".to_owned() })
    })
}

/// sled's errors in our words.
fn because(doing: &'static str) -> impl Fn(sled::Error) -> Fault {
    move |error| match error {
        error if is_lock(&error) => Fault::Locked,
        sled::Error::Io(error) => match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Fault::Full { doing },
            _ => Fault::Io { doing, cause: error.to_string() },
        },
        sled::Error::Unsupported(what) => foreign(what),
        sled::Error::Corruption { .. } => {
            Fault::Corrupt { doing, cause: "a checksum of the engine is wrong".to_owned() }
        }
        other => Fault::Corrupt { doing, cause: other.to_string() },
    }
}

/// Whether another holds the files; sled says so in words only.
fn is_lock(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

/// What is there is not a store, or a newer one.
pub(super) fn foreign(found: impl Into<String>) -> Fault {
    Fault::Foreign { found: found.into(), expected: format!("a store of format version {VERSION}") }
}

/// Key of the format version, in sled's default tree.
const FORMAT: &[u8] = b"smppgate";

/// Of so many changes to a node sled makes one by writing it anew.
const NODE_CHANGES: usize = 10;

/// Accesses more for each that is meant: four nodes of a 256th then wait to be dropped, and not 64.
const ACCESSES: usize = 15;

/// The other form of an empty slot. No block is as short.
const EMPTY: u8 = 0;

/// How often and how long to wait for files to be released: half a second in all, five for an engine that was given up.
const RELEASE_TRIES: u32 = 50;
const GIVEN_UP_TRIES: u32 = 500;
const RELEASE_PAUSE: Duration = Duration::from_millis(10);
