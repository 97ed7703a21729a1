//! Tests with a disk that loses, when the power is cut, all that it was not asked to keep: octets that were written since,
//! and names that were made since.
//!
//! That the system's own disk keeps what it is asked to is not tested here.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::files::{Disk, SystemDisk};
use super::vault::{self, KeyFault, KeyFiles, MasterFiles, Unopened, Vault};
use super::{
    Accept, ArchiveBuilder, ArchiveRecord, Block, BlockBuilder, Carriers, Commit, Durability, Listed, OptOut,
    OptOutKey, Party, SledStore, Store, Tuning, Write,
};
use crate::clock::Unix;
use crate::message::{AccountId, CarrierId, MessageId};

/// What a power cut leaves, by inode.
#[derive(Default)]
struct Remains {
    octets: HashMap<u64, Vec<u8>>,
    names: HashMap<u64, Vec<(OsString, u64)>>,
}

/// A disk whose power can be cut.
#[derive(Default)]
struct Plugged {
    remains: Mutex<Remains>,
}

impl Disk for Plugged {
    fn keep_file(&self, path: &Path, _: &File) -> io::Result<()> {
        let (inode, octets) = (fs::metadata(path)?.ino(), fs::read(path)?);
        self.remains.lock().expect("no test thread panics with it").octets.insert(inode, octets);
        Ok(())
    }

    fn keep_names(&self, folder: &Path) -> io::Result<()> {
        let names = fs::read_dir(folder)?.map(|entry| entry.and_then(|entry| Ok((entry.file_name(), inode(&entry)?))));
        let names = names.collect::<io::Result<_>>()?;
        let mut remains = self.remains.lock().expect("no test thread panics with it");
        remains.names.insert(fs::metadata(folder)?.ino(), names);
        Ok(())
    }
}

fn inode(entry: &fs::DirEntry) -> io::Result<u64> {
    Ok(entry.metadata()?.ino())
}

impl Plugged {
    /// What is in `folder` after a power cut now.
    fn cut(&self, folder: &Path) -> tempfile::TempDir {
        let after = tempfile::tempdir().expect("a temporary directory");
        let remains = self.remains.lock().expect("no test thread panics with it");
        remains.lay_out(fs::metadata(folder).expect("it is there").ino(), after.path());
        after
    }
}

impl Remains {
    /// A file whose name was kept and its octets not is empty; a folder whose names were not kept, too.
    fn lay_out(&self, folder: u64, to: &Path) {
        for (name, inode) in self.names.get(&folder).into_iter().flatten() {
            let path = to.join(name);
            if self.names.contains_key(inode) || name == "blobs" || name == "keys" {
                fs::create_dir(&path).expect("made");
                self.lay_out(*inode, &path);
            } else {
                fs::write(path, self.octets.get(inode).map_or(&[][..], Vec::as_slice)).expect("written");
            }
        }
    }
}

/// Octets of a log segment in these tests: small, so that the log goes round, and each ninth block is a large node.
const TUNING: Tuning = Tuning { cache_octets: 1 << 20, segment_octets: 64 << 10, throughput: false };

/// Blocks that are kept before the oldest are sealed, and how many are sealed then.
const LIVE: u64 = 60;
const SEAL: u64 = 30;

fn block(number: u64) -> Block {
    let body = vec![number as u8; if number.is_multiple_of(9) { 40_000 } else { 3_000 }];
    let mut builder = BlockBuilder::new(number);
    builder.push(&Write::Accept(Accept {
        id: MessageId(number),
        account: AccountId(1),
        country: *b"NO",
        class: 0,
        flags: 0,
        accepted: Unix(number),
        due: 0,
        expires: 0,
        body: &body,
    }));
    builder.take().remove(0)
}

fn record(number: u64) -> ArchiveRecord {
    let party = Party::new(1, 1, b"4791234567").expect("fits");
    ArchiveRecord {
        id: MessageId(number),
        account: AccountId(1),
        class: 0,
        accepted: Unix(number),
        done: Unix(number),
        state: 2,
        error: 0,
        carrier: Some(CarrierId(1)),
        others: Carriers::default(),
        country: *b"NO",
        source: party,
        destination: party,
    }
}

/// The entry of a list that comes with a block, and goes with the block [`LIVE`] behind it.
fn entry(number: u64) -> (OptOutKey, Listed) {
    let mut token = [0; 16];
    token[..8].copy_from_slice(&number.to_be_bytes());
    (OptOutKey { account: AccountId(1), token }, Listed { since: Unix(number), by: 0 })
}

/// Commits of one block each; the oldest blocks are sealed, and forgotten some hours later.
#[derive(Default)]
struct Load {
    first: u64,
    next: u64,
    forgotten: u64,
}

impl Load {
    fn step(&mut self, store: &mut SledStore) {
        let mut commit = Commit { blocks: vec![block(self.next)], ..Commit::default() };
        let (key, listed) = entry(self.next);
        commit.opt_outs.push(OptOut { key, listed: Some(listed) });
        if let Some(gone) = self.next.checked_sub(LIVE) {
            commit.opt_outs.push(OptOut { key: entry(gone).0, listed: None });
        }
        self.next += 1;
        if self.next - self.first > LIVE {
            let mut archive = ArchiveBuilder::new();
            for number in self.first..self.first + SEAL {
                archive.push(u32::try_from(number / SEAL).expect("few"), number, &record(number));
                commit.cut.push(number);
            }
            commit.archive = archive.take();
            self.first += SEAL;
        }
        store.commit(&commit, Durability::Flushed).expect("stored");
        let hour = (self.first / SEAL).saturating_sub(5);
        if hour > 0 {
            store.sweep(Unix((hour - 1) * 3_600_000), 100).expect("swept");
            self.forgotten = hour * SEAL;
        }
    }

    /// Checks that a store holds all that was acknowledged, and nothing that was forgotten.
    fn check(&self, path: &Path, vault: Option<Vault>) {
        let conf = fs::metadata(path.join("journal").join("conf")).expect("it was made when the store was");
        assert!(conf.len() > 0, "the log is not readable without it, if the tuning has changed meanwhile");
        let opened = SledStore::open_on(Arc::new(SystemDisk), path, TUNING, vault);
        let mut store = opened.expect("it opens after a power cut");
        let mut number = self.first;
        let recovered = store.recover(&mut |found, _| {
            assert!(found == block(number), "block {number} is gone: after {} commits comes {found:?}", self.next);
            number += 1;
        });
        let listed = store.opt_outs(OptOutKey::default(), usize::MAX).expect("readable");
        let expected: Vec<_> = (self.next.saturating_sub(LIVE)..self.next).map(entry).collect();
        assert_eq!(listed, expected, "the list after {} commits", self.next);
        assert_eq!((number, recovered.expect("recovered").next_block), (self.next, self.next));
        for number in 0..self.first {
            let found = store.archived(MessageId(number)).expect("readable");
            let expected = (number >= self.forgotten).then(|| record(number));
            assert_eq!(found, expected, "the record of message {number} after {} commits", self.next);
        }
    }
}

/// The keys of a store in the folder `path`, under a master key elsewhere.
fn keys(path: &Path, master: &Path) -> KeyFiles {
    let master = MasterFiles { current: master.join("master.key"), guarded: false, may_make: true, previous: None };
    KeyFiles { folder: path.join("keys"), master, register: path.join("destroyed-keys") }
}

fn outlives_power_cuts(sealed: bool) {
    let (directory, master) = (tempfile::tempdir(), tempfile::tempdir());
    let (directory, master) = (directory.expect("a temporary directory"), master.expect("another"));
    let disk = Arc::new(Plugged::default());
    let (path, mut load) = (directory.path().join("a").join("store"), Load::default());
    let vault = |disk: Arc<dyn Disk>, path: &Path| {
        sealed.then(|| Vault::open_on(&disk, &keys(path, master.path()), Unix(0)).expect("a ring of keys"))
    };
    for opening in 0..4 {
        let plugged = Arc::clone(&disk) as Arc<dyn Disk>;
        let vault_of_it = vault(Arc::clone(&plugged), &path);
        let mut store = SledStore::open_on(plugged, &path, TUNING, vault_of_it).expect("it opens");
        store.recover(&mut |_, _| ()).expect("recovered");
        for step in 0..120 {
            load.step(&mut store);
            if (step + opening) % 13 == 0 {
                let after = disk.cut(directory.path());
                let path = after.path().join("a").join("store");
                load.check(&path, vault(Arc::new(SystemDisk), &path));
            }
        }
    }
    assert!(load.forgotten > 0, "the load came as far as forgetting");
}

#[test]
fn what_was_acknowledged_outlives_a_power_cut() {
    outlives_power_cuts(false);
}

#[test]
fn what_was_sealed_outlives_a_power_cut_with_its_keys() {
    outlives_power_cuts(true);
}

#[test]
fn a_commit_that_is_not_flushed_is_lost() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let disk = Arc::new(Plugged::default());
    let path = directory.path().join("store");
    let mut store = SledStore::open_on(Arc::clone(&disk) as Arc<dyn Disk>, &path, TUNING, None).expect("it opens");
    let mut load = Load::default();
    load.step(&mut store);
    store.commit(&Commit { blocks: vec![block(1)], ..Commit::default() }, Durability::Buffered).expect("applied");
    load.check(&disk.cut(directory.path()).path().join("store"), None);
}

/// What was sealed under the keys of a ring, and what was destroyed of it, as far as the ring said that it was done.
#[derive(Default)]
struct Asked {
    sealed: Vec<(u64, Vec<u8>)>,
    /// Blocks below this one have no keys any more.
    destroyed: u64,
}

impl Asked {
    /// Seals blocks of ten days, and destroys the keys of the days before the last two; ends at the first fault.
    fn run(&mut self, vault: &mut Vault, days: std::ops::Range<u64>) -> Result<(), KeyFault> {
        for day in days {
            vault.over(Unix(day * 24 * 3_600_000), Some(0), |_| true);
            let sealed = vault.seal_journal(&block(day)).map(<[u8]>::to_vec);
            match sealed {
                Ok(octets) => self.sealed.push((day, octets)),
                Err(Unopened::Key(fault)) => return Err(fault),
                Err(other) => panic!("{other:?}"),
            }
            let oldest = self.sealed[self.sealed.len().saturating_sub(2)].clone();
            let over = vault.over(Unix(day * 24 * 3_600_000), vault::serial_of(&oldest.1), |_| true);
            vault.destroy(&over)?;
            self.destroyed = oldest.0;
        }
        Ok(())
    }

    /// Nothing sealed is lost, and nothing destroyed comes back. What was asked for and not confirmed may be either.
    fn check(&self, vault: &Vault, confirmed: bool) {
        for (number, octets) in &self.sealed {
            let opened = vault.open_journal(*number, octets.clone()).expect("whole, or nothing");
            if *number < self.destroyed {
                assert_ne!(opened, block(*number), "block {number} came back");
            } else if confirmed || *number > self.destroyed + 1 {
                assert_eq!(opened, block(*number), "block {number} is lost");
            }
        }
    }
}

#[test]
fn keys_are_kept_and_destroyed_before_it_is_said() {
    let (directory, master) = (tempfile::tempdir(), tempfile::tempdir());
    let (directory, master) = (directory.expect("a temporary directory"), master.expect("another"));
    let disk = Arc::new(Plugged::default());
    let path = directory.path().join("store");
    let plugged = Arc::clone(&disk) as Arc<dyn Disk>;
    let mut vault = Vault::open_on(&plugged, &keys(&path, master.path()), Unix(0)).expect("a new ring");
    let mut asked = Asked::default();
    for day in 1..10 {
        asked.run(&mut vault, day..day + 1).expect("the disk is in order");
        let after = disk.cut(directory.path());
        let files = keys(&after.path().join("store"), master.path());
        asked.check(&Vault::open(&files, Unix(0)).expect("it opens after a power cut"), true);
    }
    assert!(asked.destroyed > 5);
}

/// A disk that fails from some call on.
struct Failing {
    left: AtomicU64,
}

impl Disk for Failing {
    fn keep_file(&self, _: &Path, _: &File) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::other("the disk fails"))
    }

    fn keep_names(&self, folder: &Path) -> io::Result<()> {
        self.keep_file(folder, &File::open(folder)?)
    }
}

#[test]
fn a_ring_is_whole_wherever_its_work_is_interrupted() {
    let master = tempfile::tempdir().expect("a temporary directory");
    let (mut interrupted, mut ended) = (0, 0);
    for calls in 0..140 {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let files = keys(&directory.path().join("store"), master.path());
        let mut asked = Asked::default();
        let disk: Arc<dyn Disk> = Arc::new(Failing { left: AtomicU64::new(calls) });
        if let Ok(mut vault) = Vault::open_on(&disk, &files, Unix(0)) {
            match asked.run(&mut vault, 1..9) {
                Ok(()) => ended += 1,
                Err(_) => interrupted += 1,
            }
        }
        let mut vault = Vault::open(&files, Unix(0)).expect("it opens as it was left");
        asked.check(&vault, false);
        asked.run(&mut vault, 9..12).expect("and goes on");
        asked.check(&vault, true);
    }
    assert!(interrupted > 50 && ended > 0, "{interrupted} interrupted, {ended} ended");
}

#[test]
fn the_key_of_persons_is_taken_over_whole_wherever_the_power_is_cut_or_the_disk_fails() {
    let master = tempfile::tempdir().expect("a temporary directory");
    let mut taken = 0;
    for calls in 0..24 {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("store");
        let (files, plain) = (keys(&path, master.path()), path.join("token.key"));
        let plugged = Arc::new(Plugged::default());
        let system: Arc<dyn Disk> = Arc::new(SystemDisk);
        fs::create_dir(&path).expect("made");
        fs::write(&plain, [7; 32]).expect("written");
        plugged.keep_names(directory.path()).expect("kept");
        plugged.keep_names(&path).expect("kept");
        plugged.keep_file(&plain, &File::open(&plain).expect("there")).expect("kept");
        let disk: Arc<dyn Disk> = Arc::new(Dying { left: AtomicU64::new(calls), plugged: Arc::clone(&plugged) });
        let taking = Vault::open_on(&disk, &files, Unix(0))
            .and_then(|mut vault| vault.person_key_on(&disk, &plain, false, |key| *key));
        taken += u32::from(taking == Ok([7; 32]));
        let after = plugged.cut(directory.path());
        for path in [path, after.path().join("store")] {
            let mut vault = Vault::open(&keys(&path, master.path()), Unix(0)).expect("it opens as it was left");
            let plain = path.join("token.key");
            assert_eq!(vault.person_key_on(&system, &plain, false, |key| *key), Ok([7; 32]), "after {calls} calls");
            assert!(!plain.exists());
        }
    }
    assert!((1..24).contains(&taken), "{taken} of 24 came to the end");
}

/// A disk whose power can be cut, and that fails from some call on.
struct Dying {
    left: AtomicU64,
    plugged: Arc<Plugged>,
}

impl Dying {
    fn lives(&self) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::other("the disk fails"))
    }
}

impl Disk for Dying {
    fn keep_file(&self, path: &Path, file: &File) -> io::Result<()> {
        self.lives().and_then(|()| self.plugged.keep_file(path, file))
    }

    fn keep_names(&self, folder: &Path) -> io::Result<()> {
        self.lives().and_then(|()| self.plugged.keep_names(folder))
    }
}
