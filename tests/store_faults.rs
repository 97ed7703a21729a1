//! Disks that are full, damaged, taken or somebody else's: a clear fault, never a panic, and nothing acknowledged is lost.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use smppgate::clock::Unix;
use smppgate::message::{AccountId, MessageId};
use smppgate::store::{
    ArchiveBuilder, ArchiveRecord, Block, BlockBuilder, Carriers, Commit, Durability, Fault, Party, SledStore, Store,
    Tuning, Write,
};

fn open(path: &Path) -> Result<SledStore, Fault> {
    SledStore::open(path, Tuning::default())
}

fn block(number: u64) -> Block {
    let mut builder = BlockBuilder::new(number);
    let octets = [number as u8; 200];
    for id in 0..100 {
        builder.push(&Write::Sent {
            id: MessageId(number * 1000 + id),
            carrier: smppgate::message::CarrierId(0),
            at: 0,
            carrier_message_id: &octets,
        });
    }
    builder.take().remove(0)
}

fn filled(path: &Path, blocks: u64) {
    let mut store = open(path).expect("a new store");
    for number in 0..blocks {
        let party = Party::new(1, 1, b"4791234567").expect("fits");
        let record = ArchiveRecord {
            id: MessageId(number),
            account: AccountId(0),
            class: 0,
            accepted: Unix(0),
            done: Unix(0),
            state: 2,
            error: 0,
            carrier: None,
            others: Carriers::default(),
            country: *b"NO",
            source: party,
            destination: party,
        };
        let mut archive = ArchiveBuilder::new();
        archive.push(5, 1_000_000 + number, &record);
        let commit = Commit {
            blocks: vec![block(number)],
            archive: archive.take(),
            cut: vec![1_000_000 + number],
            ..Commit::default()
        };
        store.commit(&commit, Durability::Flushed).expect("stored");
    }
}

/// Opens and reads everything; how many blocks came before the first fault.
fn read_all(path: &Path) -> (u64, Result<(), Fault>) {
    let mut store = match open(path) {
        Ok(store) => store,
        Err(fault) => return (0, Err(fault)),
    };
    let mut read = 0;
    let outcome = store.recover(&mut |found, _| {
        assert!(found == block(found.number), "a block that is not what was written was handed over");
        read += 1;
    });
    let archived = (0..read).try_for_each(|id| {
        let found = store.archived(MessageId(id))?;
        assert!(
            found.is_some_and(|record| record.id.0 == id),
            "the record of message {id} is gone and no fault said so"
        );
        Ok(())
    });
    (read, outcome.map(|_| ()).and(archived))
}

#[test]
fn a_store_in_use_is_locked() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = open(directory.path()).expect("a new store");
    let second = open(directory.path()).map(|_| ());
    assert_eq!(second, Err(Fault::Locked));
    drop(first);
    open(directory.path()).expect("free again");
}

#[test]
fn somebody_elses_directory_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("letters.txt");
    fs::write(&file, "dear").expect("written");
    assert!(matches!(open(directory.path()), Err(Fault::Foreign { .. })));
    assert!(matches!(open(&file), Err(Fault::Foreign { .. })));
    assert_eq!(fs::read_dir(directory.path()).expect("listed").count(), 1);
    fs::remove_file(&file).expect("removed");
    fs::create_dir(directory.path().join("lost+found")).expect("made");
    open(directory.path()).expect("an empty volume is welcome");
}

#[test]
fn damaged_files_are_faults_and_never_wrong_blocks() {
    let original = tempfile::tempdir().expect("a temporary directory");
    filled(original.path(), 40);
    assert_eq!(read_all(original.path()), (40, Ok(())));
    let mut faults = 0;
    let steps = if std::env::var_os("SMPPGATE_LONG").is_some() { 1000 } else { 30 };
    for (name, step) in ["journal/db", "archive/db"].iter().flat_map(|name| (0..steps).map(move |step| (name, step))) {
        let copy = tempfile::tempdir().expect("a temporary directory");
        copy_files(original.path(), copy.path());
        let mut octets = fs::read(copy.path().join(name)).expect("readable");
        let at = octets.len() * step / steps;
        for octet in octets.iter_mut().skip(at).take(16) {
            *octet ^= 0x5A;
        }
        fs::write(copy.path().join(name), octets).expect("written");
        let (read, outcome) = read_all(copy.path());
        assert!(read == 40 || outcome.is_err(), "damage at {at} of {name}: {read} of 40 blocks and no fault");
        faults += u64::from(outcome.is_err());
    }
    assert!(faults > 0, "no damage was found in {steps} places");
}

#[test]
fn truncated_and_overwritten_files_are_faults_or_whole() {
    let original = tempfile::tempdir().expect("a temporary directory");
    filled(original.path(), 40);
    for name in ["journal/db", "journal/conf", "archive/db", "archive/conf"] {
        let octets = fs::read(original.path().join(name)).expect("readable");
        let cuts = [0, 1, 20, octets.len() / 2, octets.len() - 1];
        let versions = cuts.iter().map(|cut| octets[..*cut].to_vec()).chain([vec![0xFF; octets.len()]]);
        for version in versions {
            let length = version.len();
            let copy = tempfile::tempdir().expect("a temporary directory");
            copy_files(original.path(), copy.path());
            fs::write(copy.path().join(name), version).expect("written");
            let (read, outcome) = read_all(copy.path());
            assert!(read == 40 || outcome.is_err(), "{name} of {length} octets: {read} of 40 blocks and no fault");
        }
    }
}

fn copy_files(from: &Path, to: &Path) {
    let mut directories = vec![PathBuf::new()];
    while let Some(below) = directories.pop() {
        for entry in fs::read_dir(from.join(&below)).expect("listed") {
            let entry = entry.expect("listed");
            let path = below.join(entry.file_name());
            if entry.file_type().expect("known").is_dir() {
                fs::create_dir(to.join(&path)).expect("made");
                directories.push(path);
            } else {
                fs::copy(entry.path(), to.join(&path)).expect("copied");
            }
        }
    }
}

#[test]
fn a_lost_witness_is_no_fault() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    filled(directory.path(), 3);
    for octets in [&b""[..], b"short", &[0xFF; 40]] {
        fs::write(directory.path().join("witness"), octets).expect("written");
        assert_eq!(read_all(directory.path()), (3, Ok(())));
    }
}

#[test]
fn a_lost_log_is_named_and_can_be_given_up() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    filled(directory.path(), 3);
    fs::remove_dir_all(directory.path().join("journal")).expect("removed");
    let (_, outcome) = read_all(directory.path());
    let text = outcome.expect_err("the blocks are gone").to_string();
    assert!(text.contains("were stored and are gone") && text.contains("`witness`"), "{text}");
    fs::remove_file(directory.path().join("witness")).expect("removed");
    assert_eq!(read_all(directory.path()), (0, Ok(())));
}

#[test]
fn a_lost_archive_is_named() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    filled(directory.path(), 3);
    fs::remove_dir_all(directory.path().join("archive")).expect("removed");
    for _ in 0..2 {
        let text = read_all(directory.path()).1.expect_err("the records are gone").to_string();
        assert!(text.contains("the archive has lost the last 3 of its 3"), "{text}");
    }
}

/// Octets that a file may have in the child below: a disk that is full early.
const FULL_OCTETS: u64 = 6 << 20;

const DIRECTORY: &str = "SMPPGATE_STORE_FULL_DIRECTORY";

#[test]
#[ignore = "the process that `a_full_disk_is_a_fault_and_heals` limits"]
fn child() {
    let directory = std::env::var(DIRECTORY).expect("started by the test that limits");
    let mut store = open(Path::new(&directory)).expect("a new store");
    let mut number = 0;
    let mut store_next = |number: u64| {
        let commit = Commit { blocks: vec![block(number)], ..Commit::default() };
        store.commit(&commit, Durability::Flushed)
    };
    // The engine finds some room again after each fault: what it had written and not flushed is given up.
    let mut faults = 0;
    while faults < 5 {
        match store_next(number) {
            Ok(()) => number += 1,
            Err(Fault::Full { .. }) => faults += 1,
            Err(other) => panic!("not a full disk: {other}"),
        }
        assert!(number < 10_000, "the limit is not felt");
    }
    let raised = Command::new("prlimit").args(["--fsize=unlimited", "--pid", &std::process::id().to_string()]).status();
    assert!(raised.expect("prlimit is part of util-linux").success());
    for _ in 0..50 {
        assert_eq!(store_next(number), Ok(()), "there is room again");
        number += 1;
    }
    println!("stored {number}");
}

#[test]
fn a_full_disk_is_a_fault_and_heals() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "trap '' XFSZ; ulimit -S -f {}; exec \"$0\" --ignored --exact child --nocapture",
            FULL_OCTETS / 512
        ))
        .arg(std::env::current_exe().expect("a test binary has a path"))
        .env(DIRECTORY, directory.path())
        .output()
        .expect("the child starts");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{complained}");
    let stored = said.lines().find_map(|line| line.split_once("stored ")).expect("the child says how many").1;
    assert_eq!(read_all_blocks(directory.path()), stored.parse::<u64>().expect("a number"));
}

fn read_all_blocks(path: &Path) -> u64 {
    let mut store = open(path).expect("the store opens again");
    let mut read = 0;
    let recovered = store.recover(&mut |found, _| {
        assert!(found == block(read), "block {read} is not what was written");
        read += 1;
    });
    recovered.expect("recovered").next_block
}
