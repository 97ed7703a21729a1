//! Disk space under a load that never stops: it levels off, and comes back after a sweep.

use std::collections::VecDeque;

use smppgate::clock::Unix;
use smppgate::message::{AccountId, CarrierId, MessageId};
use smppgate::store::{
    Accept, ArchiveBuilder, ArchiveRecord, BlockBuilder, Carriers, Commit, Durability, Health, Party, SledStore, Store,
    Tuning, Write,
};

/// Messages of one commit; also those that share an hour of forgetting.
const WINDOW: u64 = 400;

/// Commits between a message and its sealing.
const LAG: usize = 6;

struct Load {
    store: SledStore,
    builder: BlockBuilder,
    window: u32,
    journal: VecDeque<(u32, Vec<u64>)>,
}

impl Load {
    /// One commit of new messages, sealing the window of some commits ago, and a sweep of what is older than `retained`
    /// windows. Octets on disk afterwards.
    fn step(&mut self, retained: u32) -> u64 {
        let body = [0x41; 165];
        let ids = |window: u32| u64::from(window) * WINDOW..u64::from(window + 1) * WINDOW;
        for id in ids(self.window) {
            self.builder.push(&Write::Accept(Accept {
                id: MessageId(id),
                account: AccountId(0),
                country: *b"NO",
                class: 0,
                flags: 0,
                accepted: Unix(id),
                due: 0,
                expires: 0,
                body: &body,
            }));
        }
        let blocks = self.builder.take();
        self.journal.push_back((self.window, blocks.iter().map(|block| block.number).collect()));
        self.window += 1;
        let mut commit = Commit { blocks, ..Commit::default() };
        if self.journal.len() > LAG {
            let (window, numbers) = self.journal.pop_front().expect("just counted");
            let mut archive = ArchiveBuilder::new();
            for id in ids(window) {
                archive.push(window, numbers[0], &record(id));
            }
            commit.archive = archive.take();
            commit.cut = numbers;
        }
        self.store.commit(&commit, Durability::Flushed).expect("stored");
        let hour = u64::from(self.window.saturating_sub(retained));
        self.store.sweep(Unix(hour * 3_600_000), 100).expect("swept");
        self.store.health().octets
    }
}

fn record(id: u64) -> ArchiveRecord {
    let party = Party::new(1, 1, b"4791234567").expect("fits");
    ArchiveRecord {
        id: MessageId(id),
        account: AccountId(0),
        class: 0,
        accepted: Unix(id),
        done: Unix(id + 1),
        state: 2,
        error: 0,
        carrier: Some(CarrierId(1)),
        others: Carriers::default(),
        country: *b"NO",
        source: party,
        destination: party,
    }
}

#[test]
fn space_levels_off_and_comes_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = SledStore::open(directory.path(), Tuning::default()).expect("a new store");
    let mut load = Load { store, builder: BlockBuilder::new(0), window: 0, journal: VecDeque::new() };
    let most = |load: &mut Load, steps, retained| (0..steps).map(|_| load.step(retained)).max().unwrap_or(0);
    let filled = most(&mut load, 900, 600);
    let level = most(&mut load, 900, 600);
    assert!(level < filled * 5 / 4, "grew from {filled} to {level} octets under a steady load");
    assert!(load.store.health().archive_blocks >= 590, "{:?}", load.store.health());
    most(&mut load, 600, 0);
    // The engine gives space back as it goes on writing, so the load goes on, for a while.
    for _ in 0..10 {
        if load.store.health().octets < level / 2 {
            break;
        }
        most(&mut load, 200, 0);
    }
    let Health { octets, archive_blocks, journal_blocks, .. } = load.store.health();
    assert!((archive_blocks, journal_blocks) < (2, 30), "{archive_blocks} and {journal_blocks} blocks");
    // The engine keeps whole segments, and some emptied slots their space: a third of the level, however little is stored.
    assert!(octets < level / 2, "{octets} octets after a sweep, {level} before");
}
