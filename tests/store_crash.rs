//! kill -9 in the middle of commits: what was acknowledged is there, what was not is whole or absent.
//!
//! The child is this test binary again, running the ignored test `child`. `SMPPGATE_LONG=1` makes the test long.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use smppgate::clock::Unix;
use smppgate::message::{AccountId, CarrierId, MessageId};
use smppgate::store::{
    Accept, ArchiveBuilder, ArchiveRecord, Block, BlockBuilder, Commit, Durability, Party, SledStore, Store, Tuning,
    Write,
};

/// Blocks of one commit.
const COMMIT: u64 = 3;

/// The child seals and cuts the older half once it has this many blocks.
const SEAL: u64 = 60;

const DIRECTORY: &str = "SMPPGATE_STORE_CRASH_DIRECTORY";

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
    ArchiveRecord {
        id: MessageId(number),
        account: AccountId(1),
        class: 0,
        accepted: Unix(number),
        done: Unix(number + 1),
        state: 2,
        error: 0,
        carrier: Some(CarrierId(1)),
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
#[ignore = "the process that `acknowledged_commits_survive_kill` kills"]
fn child() {
    let directory = std::env::var(DIRECTORY).expect("started by the test that kills");
    let mut store = SledStore::open(Path::new(&directory), Tuning::default()).expect("a killed store opens");
    let (numbers, mut next) = recovered(&mut store);
    let mut first = numbers.first().copied().unwrap_or(next);
    let mut stdout = std::io::stdout();
    loop {
        let mut commit = Commit { blocks: (next..next + COMMIT).map(block).collect(), ..Commit::default() };
        if next - first >= SEAL {
            let mut builder = ArchiveBuilder::new();
            for number in first..first + SEAL / 2 {
                builder.push(u32::try_from(number / 11).expect("few"), number, &record(number));
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
fn killed_after(directory: &Path, lines: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("a test binary has a path"))
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the child starts");
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
    let rounds = if std::env::var_os("SMPPGATE_LONG").is_some() { 300 } else { 10 };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut sealed = 0;
    for round in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let acknowledged = killed_after(directory.path(), 1 + state % 40);
        let mut store = SledStore::open(directory.path(), Tuning::default()).expect("a killed store opens");
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
        sealed = first;
    }
    assert!(sealed > 0, "no round came as far as sealing");
}
