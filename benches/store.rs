//! What storing costs: packing and reading facts (criterion), and a sustained load on sled.
//!
//! `cargo bench --bench store` for the first; `cargo bench --bench store -- sustained [messages] [retained]` prints a
//! table of the second: one line for each tenth of the messages, then what sweeping gives back and how long opening takes.
//! `cargo bench --bench store -- search [messages]` compares, in a sealed archive, a search for one number that opens what may
//! hold it with one that opens everything.

use std::collections::VecDeque;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput};
use smppgate::clock::{Clock, Unix};
use smppgate::message::{AccountId, CarrierId, MessageId};
use smppgate::pdu::Address;
use smppgate::store::{
    Accept, ArchiveBuilder, ArchiveRecord, BlockBuilder, Carriers, Commit, Durability, KeyFiles, MasterFiles, Party,
    SledStore, Store, Subject, Tuning, Vault, Write,
};

/// Messages of one group commit.
const WINDOW: u64 = 500;

/// Windows between the acceptance of a message and the commit in which its window may be sealed.
const LAG: u64 = 8;

/// Windows sealed at once.
const RUN: u64 = 20;

/// Messages that share an hour of forgetting.
const HOUR: u64 = 50_000;

/// Octets of a `submit_sm` body that make an accepted message 200 octets.
const BODY: [u8; 165] = [0x41; 165];

fn accept(id: u64) -> Write<'static> {
    Write::Accept(Accept {
        id: MessageId(id),
        account: AccountId(1),
        country: *b"NO",
        class: 0,
        flags: 0,
        accepted: Unix(id),
        due: 0,
        expires: 0,
        body: &BODY,
    })
}

fn sent(id: u64) -> Write<'static> {
    Write::Sent { id: MessageId(id), carrier: CarrierId(1), at: 1, carrier_message_id: b"0123456789abcdef012" }
}

fn end(id: u64) -> Write<'static> {
    Write::Final { id: MessageId(id), state: 2, error: 0, network: None, at: Unix(id), owed: true }
}

fn record(id: u64) -> ArchiveRecord {
    ArchiveRecord {
        id: MessageId(id),
        account: AccountId(1),
        class: 0,
        accepted: Unix(id),
        done: Unix(id + 1),
        state: 2,
        error: 0,
        carrier: Some(CarrierId(1)),
        others: Carriers::default(),
        country: *b"NO",
        source: Party::new(5, 0, b"smppgate").expect("fits"),
        destination: Party::new(1, 1, b"4791234567").expect("fits"),
    }
}

/// The whole life of messages in windows, as the bridge would commit it.
struct Life {
    builder: BlockBuilder,
    window: u64,
    /// Numbers of the blocks of the windows that are not sealed, oldest first.
    blocks: VecDeque<(u64, Vec<u64>)>,
}

impl Life {
    fn new() -> Self {
        Self { builder: BlockBuilder::new(0), window: 0, blocks: VecDeque::new() }
    }

    fn next(&mut self) -> Commit {
        for (back, write) in
            [accept, sent, end, |id| Write::Settled { id: MessageId(id), at: 1 }].into_iter().enumerate()
        {
            let Some(window) = self.window.checked_sub(back as u64) else { continue };
            for id in window * WINDOW..(window + 1) * WINDOW {
                self.builder.push(&write(id));
            }
        }
        let blocks = self.builder.take();
        self.blocks.push_back((self.window, blocks.iter().map(|block| block.number).collect()));
        self.window += 1;
        let mut commit = Commit { blocks, ..Commit::default() };
        if self.blocks.len() as u64 >= LAG + RUN {
            let mut archive = ArchiveBuilder::new();
            for (window, numbers) in self.blocks.drain(..usize::try_from(RUN).expect("small")) {
                for id in window * WINDOW..(window + 1) * WINDOW {
                    let hour = u32::try_from(id / HOUR).expect("few");
                    archive.push(hour, numbers[0], &record(id));
                }
                commit.cut.extend(numbers);
            }
            commit.archive = archive.take();
        }
        commit
    }
}

/// The hour of forgetting that makes `retained` messages stay.
fn before(messages: u64, retained: u64) -> Unix {
    Unix((messages.saturating_sub(retained) / HOUR).saturating_sub(1) * 3_600_000)
}

/// Octets this process had written to disk, and its processor time in microseconds, by Linux's account.
fn usage() -> (u64, u64) {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).and_then(|digits| digits.parse().ok());
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|digits| digits.parse::<u64>().ok()).sum();
    (written.unwrap_or(0), ticks * 10_000)
}

/// One line of the table: a tenth of the messages.
fn tenth(store: &mut SledStore, life: &mut Life, clock: &Clock, windows: u64, retained: u64) {
    let (began, (written, cpu)) = (clock.now().mono, usage());
    let mut commits = Vec::new();
    for _ in 0..windows {
        let commit = life.next();
        let at = clock.now().mono;
        store.commit(&commit, Durability::Flushed).expect("stored");
        commits.push(clock.now().mono.since_us(at));
        store.sweep(before(life.window * WINDOW, retained), 4).expect("swept");
    }
    commits.sort_unstable();
    let elapsed_us = clock.now().mono.since_us(began);
    let (written, cpu) = (usage().0 - written, usage().1 - cpu);
    let count = windows * WINDOW;
    let ms = |index: usize| commits[index.min(commits.len() - 1)] as f64 / 1000.0;
    println!(
        "| {} | {} | {:.2} | {} | {:.0} | {:.2} | {:.2} | {:.1} |",
        life.window * WINDOW,
        count * 1_000_000 / elapsed_us,
        cpu as f64 / count as f64,
        written / count,
        store.health().octets as f64 / 1e6,
        ms(commits.len() / 2),
        ms(commits.len() * 99 / 100),
        ms(usize::MAX),
    );
}

fn sustained(messages: u64, retained: u64, tuning: Tuning) {
    let directory = tempfile::tempdir_in(".").expect("a temporary directory");
    let mut store = SledStore::open(directory.path(), tuning).expect("a new store");
    let clock = Clock::start();
    let mut life = Life::new();
    println!("{tuning:?}, {messages} messages, {retained} retained");
    println!("| messages | /s | CPU µs each | octets written each | disk MB | commit p50 ms | p99 ms | max ms |");
    for _ in 0..10 {
        tenth(&mut store, &mut life, &clock, messages / WINDOW / 10, retained);
    }
    drop(store);
    let at = clock.now().mono;
    let mut store = SledStore::open(directory.path(), tuning).expect("it opens again");
    let opened = clock.now().mono;
    let recovered = store.recover(&mut |_, _| ()).expect("recovered");
    println!(
        "open {} ms, recover {} blocks {} ms, {:?}",
        opened.since_us(at) / 1000,
        recovered.blocks,
        clock.now().mono.since_us(opened) / 1000,
        store.health()
    );
    let (id, at) = (messages - retained / 2, clock.now().mono);
    for id in id..id + 1000 {
        black_box(store.archived(MessageId(id)).expect("readable").expect("retained"));
    }
    println!("archived look-up {:.1} µs", clock.now().mono.since_us(at) as f64 / 1000.0);
    let at = clock.now().mono;
    while !store.sweep(Unix(u64::MAX), 64).expect("swept").done {}
    println!("all swept in {} ms: {:.0} MB", clock.now().mono.since_us(at) / 1000, store.health().octets as f64 / 1e6);
    // Segments come back while the load goes on: a fifth of the messages again, everything forgotten at once.
    for _ in 0..messages / WINDOW / 5 {
        store.commit(&life.next(), Durability::Flushed).expect("stored");
        store.sweep(Unix(u64::MAX), 64).expect("swept");
    }
    println!("after {} more messages: {:.0} MB", messages / 5, store.health().octets as f64 / 1e6);
}

/// The number that message `id` went to: all differ.
fn number(id: u64) -> String {
    format!("47{:08}", id * 7919 % 100_000_000)
}

fn search(messages: u64) {
    let directory = tempfile::tempdir_in(".").expect("a temporary directory");
    let path = directory.path();
    let master = MasterFiles { current: path.join("master.key"), guarded: false, may_make: true, previous: None };
    let files = KeyFiles { folder: path.join("keys"), master, register: path.join("destroyed-keys") };
    let vault = Vault::open(&files, Unix(0)).expect("a new ring");
    let mut store = SledStore::open_sealed(&path.join("store"), Tuning::default(), vault).expect("a new store");
    for first in (0..messages).step_by(10_000) {
        let (mut archive, mut cut) = (ArchiveBuilder::new(), Vec::new());
        for id in first..messages.min(first + 10_000) {
            let destination = Party::new(1, 1, number(id).as_bytes()).expect("fits");
            archive.push(
                u32::try_from(id / HOUR).expect("few"),
                id / 100,
                &ArchiveRecord { destination, ..record(id) },
            );
            cut.push(id / 100);
        }
        cut.dedup();
        let commit = Commit { archive: archive.take(), cut, ..Commit::default() };
        store.commit(&commit, Durability::Flushed).expect("stored");
    }
    let wanted = number(messages / 3);
    let subject = Subject::new(AccountId(1), wanted.as_bytes()).expect("a number");
    let asked = |_, source: &Address, destination: &Address| {
        [source, destination].into_iter().any(|address| address.octets() == wanted.as_bytes())
    };
    let clock = Clock::start();
    println!("{messages} messages in {} archive blocks", store.health().archive_blocks);
    // In turns, so that what else the machine does meets both alike.
    for _ in 0..3 {
        let took = [None, Some(&subject)].map(|subject| {
            let (at, (mut after, mut found)) = (clock.now().mono, (None, 0));
            loop {
                let step = store.search_about(after, 4, subject, &asked).expect("searched");
                found += step.found.len();
                after = step.next;
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(found, 1);
            clock.now().mono.since_us(at).max(1)
        });
        let [all, some] = took.map(|us| us as f64 / 1000.0);
        println!("everything opened {all:.0} ms, what may hold it {some:.0} ms: {:.1} times as fast", all / some);
    }
}

fn packing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(1));
    let mut octets = Vec::with_capacity(1 << 20);
    group.bench_function("encode accept", |bencher| {
        bencher.iter(|| {
            if octets.len() > 900_000 {
                octets.clear();
            }
            black_box(accept(black_box(7))).encode(&mut octets);
        });
    });
    octets.clear();
    accept(7).encode(&mut octets);
    group.bench_function("decode accept", |bencher| bencher.iter(|| Write::decode(black_box(&octets)).is_ok()));
    let mut archive = ArchiveBuilder::new();
    group.bench_function("archive record", |bencher| {
        let mut id = 0;
        bencher.iter(|| {
            archive.push(0, id / 500, &record(black_box(id)));
            id += 1;
        });
        drop(archive.take());
    });
    group.throughput(Throughput::Elements(WINDOW));
    let mut life = Life::new();
    group.bench_function("pack and seal a window", |bencher| bencher.iter(|| life.next()));
    let blocks = Life::new().next().blocks;
    group.bench_function("replay a window", |bencher| {
        bencher.iter(|| blocks.iter().flat_map(|block| block.writes()).filter(|(_, write)| write.is_ok()).count());
    });
    let directory = tempfile::tempdir_in(".").expect("a temporary directory");
    let mut store = SledStore::open(directory.path(), Tuning::default()).expect("a new store");
    let mut life = Life::new();
    group.bench_function("commit a window, flushed", |bencher| {
        bencher.iter_batched(
            || life.next(),
            |commit| {
                store.commit(&commit, Durability::Flushed).expect("stored");
                store.sweep(before(commit.blocks[0].number * 100, 50_000), 4).expect("swept");
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if words.first().is_some_and(|word| word == "sustained") {
        let count = |place: usize, default| words.get(place).and_then(|word| word.parse().ok()).unwrap_or(default);
        let usual = Tuning::default();
        let tuning = Tuning {
            segment_octets: usize::try_from(count(3, usual.segment_octets as u64 >> 10)).expect("small") << 10,
            throughput: count(4, u64::from(usual.throughput)) == 1,
            cache_octets: count(5, usual.cache_octets >> 20) << 20,
        };
        sustained(count(1, 2_000_000), count(2, 500_000), tuning);
        return;
    }
    if words.first().is_some_and(|word| word == "search") {
        return search(words.get(1).and_then(|word| word.parse().ok()).unwrap_or(1_000_000));
    }
    let mut criterion = Criterion::default().configure_from_args();
    packing(&mut criterion);
    criterion.final_summary();
}
