//! kill -9 in the middle of commits: what was acknowledged is there, what was not is whole or absent. Sealed or not; a sealed
//! store has its keys, also those that were made right before the kill.
//!
//! The child is this test binary again, running the ignored test `child`. `SMPPGATE_LONG=1` makes the test long.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use smppgate::clock::Unix;
use smppgate::message::{AccountId, CarrierId, MessageId};
use smppgate::store::{
    Accept, ArchiveBuilder, ArchiveRecord, Block, BlockBuilder, Carriers, Commit, Durability, KeyFiles, MasterFiles,
    Party, SledStore, Store, Tuning, Vault, Write,
};

/// Blocks of one commit.
const COMMIT: u64 = 3;

/// The child seals and cuts the older half once it has this many blocks.
const SEAL: u64 = 60;

const DIRECTORY: &str = "SMPPGATE_STORE_CRASH_DIRECTORY";

/// Set where the store is sealed.
const SEALED: &str = "SMPPGATE_STORE_CRASH_SEALED";

/// Milliseconds between two commits of a sealed store: a new day, with new keys, at every sixth.
const PACE: u64 = 4 * 3_600_000;

/// When block `number` is written.
fn at(number: u64) -> Unix {
    Unix(20_000 * 24 * 3_600_000 + number / COMMIT * PACE)
}

/// Sealed under keys in a folder beside the store's.
fn open(directory: &Path, sealed: bool, now: Unix) -> SledStore {
    let path = directory.join("store");
    if !sealed {
        return SledStore::open(&path, Tuning::default()).expect("a killed store opens");
    }
    let master = MasterFiles { current: directory.join("master.key"), guarded: false, may_make: true, previous: None };
    let files = KeyFiles { folder: directory.join("keys"), master, register: directory.join("destroyed-keys") };
    let vault = Vault::open(&files, now).expect("the keys of a killed store open");
    SledStore::open_sealed(&path, Tuning::default(), vault).expect("a killed store has the keys of all its blocks")
}

/// A new one comes every now and then, in the middle of a day: its key is added to those of the day.
fn account(number: u64) -> AccountId {
    AccountId((number / 50 % 60_000) as u16)
}

/// The hour in which the record of a message is forgotten: ten years later, so that no key's time is over meanwhile.
fn forgotten(number: u64) -> u32 {
    u32::try_from(at(number).0 / 3_600_000).expect("few") + 87_600
}

/// Block `number` and nothing else: the message whose identity is the number, with octets that follow from it.
fn block(number: u64) -> Block {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let length = next() % 9_000;
    let body: Vec<u8> = (0..length).map(|_| next() as u8).collect();
    let mut builder = BlockBuilder::new(number);
    builder.push(&Write::Accept(Accept {
        id: MessageId(number),
        account: account(number),
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
    ArchiveRecord {
        id: MessageId(number),
        account: account(number),
        class: 0,
        accepted: Unix(number),
        done: Unix(number + 1),
        state: 2,
        error: 0,
        carrier: Some(CarrierId(1)),
        others: Carriers::default(),
        country: *b"NO",
        source: Party::new(5, 0, b"shop").expect("fits"),
        destination: Party::new(1, 1, b"4791234567").expect("fits"),
    }
}

/// The numbers of the blocks in a store, and the first unused number; every block is what was written.
fn recovered(store: &mut SledStore) -> (Vec<u64>, u64) {
    let mut numbers = Vec::new();
    let recovered = store
        .recover(&mut |found, _| {
            assert!(found == block(found.number), "block {} is not what was written", found.number);
            numbers.push(found.number);
        })
        .expect("a killed store recovers");
    (numbers, recovered.next_block)
}

#[test]
#[ignore = "the process that the other tests kill"]
fn child() {
    let directory = std::env::var(DIRECTORY).expect("started by the test that kills");
    let is_sealed = std::env::var_os(SEALED).is_some();
    let mut store = open(Path::new(&directory), is_sealed, at(0));
    let (numbers, mut next) = recovered(&mut store);
    let mut first = numbers.first().copied().unwrap_or(next);
    let mut stdout = std::io::stdout();
    loop {
        // Tells it what day it is; the keys of a journal whose blocks are cut are destroyed.
        store.retire(at(next), Some(&[])).expect("keys are destroyed");
        let mut commit = Commit { blocks: (next..next + COMMIT).map(block).collect(), ..Commit::default() };
        if next - first >= SEAL {
            let mut builder = ArchiveBuilder::new();
            for number in first..first + SEAL / 2 {
                builder.push(forgotten(number), number, &record(number));
                commit.cut.push(number);
            }
            commit.archive = builder.take();
            first += SEAL / 2;
        }
        store.commit(&commit, Durability::Flushed).expect("a commit is stored");
        next += COMMIT;
        writeln!(stdout, "acknowledged {next}").and_then(|()| stdout.flush()).expect("the parent listens");
    }
}

/// Runs the child until `lines` acknowledgements came, kills it, and gives the last acknowledgement it made.
fn killed_after(directory: &Path, lines: u64, sealed: bool) -> u64 {
    let mut command = Command::new(std::env::current_exe().expect("a test binary has a path"));
    command.args(["--ignored", "--exact", "child", "--nocapture"]).env(DIRECTORY, directory);
    if sealed {
        command.env(SEALED, "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the child starts");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let (mut seen, mut last) = (0, 0);
    for line in output.lines() {
        let line = line.expect("text");
        // The harness of the child writes lines of its own.
        let Some((_, number)) = line.split_once("acknowledged ") else { continue };
        // The last line may be cut off.
        let Ok(number) = number.parse::<u64>() else { continue };
        seen += 1;
        // A number that lost digits is lower, which asks less and never too much.
        last = last.max(number);
        if seen == lines {
            child.kill().expect("the child lives");
        }
    }
    let status = child.wait().expect("the child ended");
    assert!(seen >= lines, "the child ended by itself after {seen} acknowledgements: {status}");
    last
}

#[test]
fn acknowledged_commits_survive_kill() {
    survive_kill(false);
}

#[test]
fn acknowledged_commits_survive_kill_with_the_keys_that_they_are_sealed_under() {
    survive_kill(true);
}

fn survive_kill(is_sealed: bool) {
    let rounds = if std::env::var_os("SMPPGATE_LONG").is_some() { 300 } else { 10 };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let (mut archived, mut pages) = (0, 0);
    for round in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let acknowledged = killed_after(directory.path(), 1 + state % 40, is_sealed);
        let mut store = open(directory.path(), is_sealed, at(0));
        let (numbers, next) = recovered(&mut store);
        assert!(next >= acknowledged, "round {round}: {acknowledged} acknowledged, {next} stored");
        assert_eq!(next % COMMIT, 0, "round {round}: a commit is torn");
        let first = numbers.first().copied().unwrap_or(next);
        assert_eq!(numbers, (first..next).collect::<Vec<_>>(), "round {round}: blocks are missing");
        assert_eq!(first % (SEAL / 2), 0, "round {round}: a cut is torn");
        for number in 0..next {
            let found = store.archived(MessageId(number)).expect("readable");
            assert_eq!(found, (number < first).then(|| record(number)), "round {round}: message {number}");
        }
        archived = first;
        let figures = store.health().keys;
        // Those of the journal of the last days, and those of the archive of all.
        let days = u64::from(forgotten(first.saturating_sub(1)) / 24 - forgotten(0) / 24);
        assert!(!is_sealed || figures.keys > days, "round {round}: {figures:?} for {days} days");
        pages = figures.keys;
    }
    assert!(archived > 0, "no round came as far as sealing");
    assert_eq!(pages > 0, is_sealed);
}
