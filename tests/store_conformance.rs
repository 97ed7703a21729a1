//! What every store must do, run against the model in memory and against sled.

#[path = "conformance/opt_outs.rs"]
mod opt_outs;
#[path = "conformance/secrets.rs"]
mod secrets;
#[path = "conformance/texts.rs"]
mod texts;

use std::path::Path;
use std::time::Duration;

use smppgate::clock::Unix;
use smppgate::message::{AccountId, CarrierId, MessageId};
use smppgate::pdu::Address;
use smppgate::store::memory::Script;
use smppgate::store::{
    Accept, ArchiveBlock, ArchiveBuilder, ArchiveRecord, Block, BlockBuilder, Carriers, Commit, Durability, Fault,
    KeyFiles, MasterFiles, MemoryStore, Party, Recovered, SledStore, Step, Store, Swept, SweptRecords, Tuning, Vault,
    Write,
};

use opt_outs::{the_lists_are_as_the_last_commit_says, the_lists_are_read_step_by_step};
use secrets::{a_search_for_a_number_opens_what_may_hold_it, bodies_and_numbers_come_back_as_they_were};
use texts::{
    a_text_is_kept_beside_its_message_and_goes_in_its_own_time, a_text_is_taken_out_with_its_message,
    a_text_that_is_held_outlives_the_sweep_with_its_message,
};

/// A store that can be stopped and started again.
trait Bench {
    fn store(&mut self) -> &mut dyn Store;
    /// Everything that was flushed is there afterwards.
    fn restart(&mut self);
}

impl Bench for MemoryStore {
    fn store(&mut self) -> &mut dyn Store {
        self
    }

    fn restart(&mut self) {
        self.crash();
    }
}

struct OnDisk {
    directory: tempfile::TempDir,
    store: Option<SledStore>,
    sealed: bool,
}

impl OnDisk {
    fn new(sealed: bool) -> Self {
        let mut bench = Self { directory: tempfile::tempdir().expect("a temporary directory"), store: None, sealed };
        bench.restart();
        bench
    }
}

impl Bench for OnDisk {
    fn store(&mut self) -> &mut dyn Store {
        self.store.as_mut().expect("open")
    }

    fn restart(&mut self) {
        self.store = None;
        let (path, tuning) = (self.directory.path(), Tuning::default());
        let opened = match self.sealed {
            true => SledStore::open_sealed(path, tuning, vault(path)),
            false => SledStore::open(path, tuning),
        };
        self.store = Some(opened.expect("the store opens"));
    }
}

/// The vault whose files are beside a store.
fn vault(path: &Path) -> Vault {
    let master = MasterFiles { current: path.join("master.key"), guarded: false, may_make: true, previous: None };
    let files = KeyFiles { folder: path.join("keys"), master, register: path.join("destroyed-keys") };
    Vault::open(&files, Unix(0)).expect("a vault")
}

fn sealed_in_memory() -> MemoryStore {
    MemoryStore::sealed(Vault::in_memory().expect("a vault"))
}

/// One test for each line of the contract and each store.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[test] fn $name() { super::$name(&mut smppgate::store::MemoryStore::new()); })*
        }
        mod sled {
            $(#[test] fn $name() { super::$name(&mut super::OnDisk::new(false)); })*
        }
        mod sealed_memory {
            $(#[test] fn $name() { super::$name(&mut super::sealed_in_memory()); })*
        }
        mod sealed_sled {
            $(#[test] fn $name() { super::$name(&mut super::OnDisk::new(true)); })*
        }
    };
}

conformance!(
    an_empty_store_recovers_nothing,
    what_is_committed_is_read_and_recovered_in_order,
    a_commit_given_twice_is_stored_once,
    cut_blocks_are_gone_and_their_numbers_stay_used,
    an_archive_block_needs_the_cut_of_its_journal_block,
    archived_messages_are_found_until_swept,
    a_sweep_is_bounded_counts_and_keeps_what_is_not_due,
    identities_stay_used_after_the_sweep,
    names_keep_their_numbers,
    buffered_commits_are_read_at_once,
    large_and_many_blocks_survive,
    records_are_found_and_taken_out_step_by_step,
    a_step_rewrites_few_blocks_and_says_where_it_stopped,
    what_is_held_outlives_the_sweep_until_it_is_held_no_more,
    overdue_blocks_are_counted,
    a_journal_block_is_put_in_the_place_of_another,
    bodies_and_numbers_come_back_as_they_were,
    a_search_for_a_number_opens_what_may_hold_it,
    a_text_is_kept_beside_its_message_and_goes_in_its_own_time,
    a_text_is_taken_out_with_its_message,
    a_text_that_is_held_outlives_the_sweep_with_its_message,
    the_lists_are_as_the_last_commit_says,
    the_lists_are_read_step_by_step,
);

fn blocks(first: u64, count: u64) -> Vec<Block> {
    let mut builder = BlockBuilder::new(first);
    let mut blocks = Vec::new();
    for number in first..first + count {
        builder.push(&Write::Settled { id: MessageId(number * 10), at: 7 });
        blocks.extend(builder.take());
    }
    blocks
}

fn record(id: u64, class: u8, account: u16) -> ArchiveRecord {
    ArchiveRecord {
        id: MessageId(id),
        account: AccountId(account),
        class,
        accepted: Unix(id),
        done: Unix(id + 1),
        state: 2,
        error: 0,
        carrier: Some(CarrierId(1)),
        others: Carriers::default(),
        country: *b"NO",
        source: Party::new(5, 0, b"shop").expect("fits"),
        destination: Party::new(1, 1, b"4791234567").expect("fits"),
    }
}

/// One archive block of class, hour and journal block, with these (identity, account) pairs.
fn archive(class: u8, hour: u32, block: u64, held: &[(u64, u16)]) -> ArchiveBlock {
    let mut builder = ArchiveBuilder::new();
    for &(id, account) in held {
        builder.push(hour, block, &record(id, class, account));
    }
    builder.take().remove(0)
}

fn put(bench: &mut dyn Bench, commit: &Commit) {
    bench.store().commit(commit, Durability::Flushed).expect("a commit is stored");
}

fn recovered(bench: &mut dyn Bench) -> (Vec<Block>, Recovered) {
    let mut found = Vec::new();
    let recovered = bench
        .store()
        .recover(&mut |block, progress| {
            found.push(block);
            assert_eq!(progress.done, found.len() as u64);
            assert!(progress.done <= progress.total);
        })
        .expect("a store recovers");
    assert_eq!(recovered.blocks, found.len() as u64);
    (found, recovered)
}

fn begin(hour: u32) -> Unix {
    Unix(u64::from(hour) * 3_600_000)
}

fn an_empty_store_recovers_nothing(bench: &mut dyn Bench) {
    assert_eq!(recovered(bench), (vec![], Recovered::default()));
    bench.restart();
    assert_eq!(recovered(bench), (vec![], Recovered::default()));
    assert_eq!(bench.store().read(0), Ok(None));
    assert_eq!(bench.store().archived(MessageId(0)), Ok(None));
    assert_eq!(bench.store().sweep(begin(5), 10), Ok(Swept { done: true, ..Swept::default() }));
}

fn what_is_committed_is_read_and_recovered_in_order(bench: &mut dyn Bench) {
    let all = blocks(0, 300);
    for blocks in all.chunks(7) {
        put(bench, &Commit { blocks: blocks.to_vec(), ..Commit::default() });
    }
    assert_eq!(bench.store().read(255), Ok(Some(all[255].clone())));
    assert_eq!(bench.store().health().journal_blocks, 300);
    bench.restart();
    let (found, recovered) = recovered(bench);
    assert_eq!(found, all);
    assert_eq!(recovered.next_block, 300);
    assert_eq!(bench.store().read(299), Ok(Some(all[299].clone())));
    assert_eq!(bench.store().read(300), Ok(None));
    assert_eq!(bench.store().health().journal_blocks, 300);
}

fn a_commit_given_twice_is_stored_once(bench: &mut dyn Bench) {
    put(bench, &Commit { blocks: blocks(0, 3), ..Commit::default() });
    let commit = Commit {
        blocks: blocks(3, 2),
        archive: vec![archive(0, 9, 1, &[(5, 0)])],
        cut: vec![0, 1],
        ..Commit::default()
    };
    put(bench, &commit);
    put(bench, &commit);
    bench.restart();
    assert_eq!(recovered(bench).0, blocks(2, 3));
    assert_eq!(bench.store().health().archive_blocks, 1);
    assert_eq!(bench.store().archived(MessageId(5)), Ok(Some(record(5, 0, 0))));
}

fn cut_blocks_are_gone_and_their_numbers_stay_used(bench: &mut dyn Bench) {
    put(bench, &Commit { blocks: blocks(0, 3), ..Commit::default() });
    put(bench, &Commit { cut: vec![0, 1, 2, 77], ..Commit::default() });
    assert_eq!(bench.store().read(1), Ok(None));
    assert_eq!(bench.store().health().journal_blocks, 0);
    for _ in 0..2 {
        bench.restart();
        let (found, recovered) = recovered(bench);
        assert_eq!(found, vec![]);
        assert!(recovered.next_block >= 3, "{recovered:?}");
    }
}

fn an_archive_block_needs_the_cut_of_its_journal_block(bench: &mut dyn Bench) {
    let commit = Commit {
        blocks: blocks(0, 1),
        archive: vec![archive(0, 9, 4, &[(5, 0)])],
        cut: vec![3, 5],
        ..Commit::default()
    };
    assert_eq!(bench.store().commit(&commit, Durability::Flushed), Err(Fault::Uncut { block: 4 }));
    assert_eq!(bench.store().read(0), Ok(None));
    assert_eq!(bench.store().archived(MessageId(5)), Ok(None));
}

fn archived_messages_are_found_until_swept(bench: &mut dyn Bench) {
    let first = archive(0, 9, 0, &[(10, 0), (30, 0), (20, 1)]);
    let second = archive(3, 12, 1, &[(15, 0), (25, 1)]);
    put(bench, &Commit { archive: vec![first, second], cut: vec![0, 1], ..Commit::default() });
    for restart in [false, true] {
        if restart {
            bench.restart();
            assert_eq!(recovered(bench).1.archived_to, MessageId(30));
        }
        for (id, class, account) in [(10, 0, 0), (20, 0, 1), (30, 0, 0), (15, 3, 0), (25, 3, 1)] {
            assert_eq!(bench.store().archived(MessageId(id)), Ok(Some(record(id, class, account))));
        }
        for id in [0, 9, 12, 31, u64::MAX] {
            assert_eq!(bench.store().archived(MessageId(id)), Ok(None));
        }
    }
    assert_eq!(bench.store().sweep(begin(9), 10).expect("swept").blocks, 1);
    for restart in [false, true] {
        if restart {
            bench.restart();
            recovered(bench);
        }
        assert_eq!(bench.store().archived(MessageId(20)), Ok(None));
        assert_eq!(bench.store().archived(MessageId(25)), Ok(Some(record(25, 3, 1))));
    }
}

fn a_sweep_is_bounded_counts_and_keeps_what_is_not_due(bench: &mut dyn Bench) {
    let held = [
        archive(0, 8, 0, &[(1, 0), (2, 0), (3, 1)]),
        archive(0, 9, 1, &[(4, 1)]),
        archive(0, 10, 2, &[(5, 0)]),
        archive(1, 7, 3, &[(6, 2), (7, 2)]),
        archive(254, 9, 4, &[(8, 0)]),
    ];
    put(bench, &Commit { archive: held.to_vec(), cut: (0..5).collect(), ..Commit::default() });
    let counted = |class, account, records, oldest, newest| SweptRecords {
        class,
        account: AccountId(account),
        records,
        accepted: (Unix(oldest), Unix(newest)),
    };
    assert_eq!(bench.store().sweep(Unix(begin(7).0 - 1), 9), Ok(Swept { done: true, ..Swept::default() }));
    let swept = bench.store().sweep(begin(9), 2).expect("swept");
    assert_eq!(
        swept,
        Swept {
            blocks: 2,
            records: vec![counted(0, 0, 2, 1, 2), counted(0, 1, 2, 3, 4)],
            overdue: 1,
            ..Swept::default()
        }
    );
    bench.restart();
    recovered(bench);
    let swept = bench.store().sweep(begin(9), 2).expect("swept");
    let records = vec![counted(1, 2, 2, 6, 7), counted(254, 0, 1, 8, 8)];
    assert_eq!(swept, Swept { blocks: 2, records, done: true, ..Swept::default() });
    assert_eq!(bench.store().health().archive_blocks, 1);
    assert_eq!(bench.store().archived(MessageId(5)), Ok(Some(record(5, 0, 0))));
    let swept = bench.store().sweep(Unix(u64::MAX), 2).expect("swept");
    assert_eq!(swept, Swept { blocks: 1, records: vec![counted(0, 0, 1, 5, 5)], done: true, ..Swept::default() });
}

fn identities_stay_used_after_the_sweep(bench: &mut dyn Bench) {
    put(bench, &Commit { archive: vec![archive(0, 1, 0, &[(900, 0)])], cut: vec![0], ..Commit::default() });
    assert!(bench.store().sweep(begin(1), 1).expect("swept").done);
    bench.restart();
    let (_, recovered) = recovered(bench);
    assert_eq!(recovered.archived_to, MessageId(900));
    assert!(recovered.next_block >= 1);
}

fn names_keep_their_numbers(bench: &mut dyn Bench) {
    let first = bench.store().enroll(&["acme", "zeta"], &["fjord"]).expect("enrolled");
    assert_eq!(first.accounts, [AccountId(0), AccountId(1)]);
    assert_eq!(first.carriers, [CarrierId(0)]);
    bench.restart();
    recovered(bench);
    let second = bench.store().enroll(&["zeta", "beta", "beta"], &["acme", "fjord"]).expect("enrolled");
    assert_eq!(second.accounts, [AccountId(1), AccountId(2), AccountId(2)]);
    assert_eq!(second.carriers, [CarrierId(1), CarrierId(0)]);
    assert_eq!(second.account_names, ["acme", "zeta", "beta"]);
    assert_eq!(second.carrier_names, ["fjord", "acme"]);
    bench.restart();
    recovered(bench);
    let third = bench.store().enroll(&[], &[]).expect("enrolled");
    assert_eq!((third.account_names, third.carrier_names), (second.account_names, second.carrier_names));
}

fn buffered_commits_are_read_at_once(bench: &mut dyn Bench) {
    let archive = vec![archive(0, 9, 7, &[(5, 0)])];
    let commit = Commit { blocks: blocks(8, 3), archive, cut: vec![7], ..Commit::default() };
    bench.store().commit(&commit, Durability::Buffered).expect("stored");
    assert_eq!(bench.store().read(9), Ok(Some(commit.blocks[1].clone())));
    assert_eq!(bench.store().archived(MessageId(5)), Ok(Some(record(5, 0, 0))));
    put(bench, &Commit::default());
    bench.restart();
    assert_eq!(recovered(bench).0, commit.blocks);
}

/// Records of account 0 to this number.
fn to<'a>(number: &'a [u8]) -> impl Fn(AccountId, &Address, &Address) -> bool + 'a {
    move |account, _, destination| account == AccountId(0) && destination.octets() == number
}

/// As [`archive`], with a destination for each record.
fn archive_to(class: u8, hour: u32, block: u64, held: &[(u64, u16, &[u8])]) -> ArchiveBlock {
    let mut builder = ArchiveBuilder::new();
    for &(id, account, number) in held {
        let destination = Party::new(1, 1, number).expect("fits");
        builder.push(hour, block, &ArchiveRecord { destination, ..record(id, class, account) });
    }
    builder.take().remove(0)
}

fn ids(step: &Step) -> Vec<u64> {
    step.found.iter().map(|(_, record)| record.id.0).collect()
}

fn records_are_found_and_taken_out_step_by_step(bench: &mut dyn Bench) {
    let (one, two) = (&b"4791234567"[..], &b"4790000000"[..]);
    let held = [
        archive_to(1, 8, 0, &[(1, 0, one), (2, 0, two), (3, 1, one)]),
        archive_to(1, 9, 1, &[(4, 0, one)]),
        archive_to(1, 10, 2, &[(5, 0, two)]),
        archive_to(11, 7, 3, &[(6, 0, one), (7, 2, two)]),
    ];
    put(bench, &Commit { archive: held.to_vec(), cut: (0..4).collect(), ..Commit::default() });
    let step = bench.store().search(None, 3, &to(one)).expect("searched");
    assert_eq!((step.blocks, ids(&step), step.next), (3, vec![1, 4], Some(held[2].key)));
    let step = bench.store().search(step.next, 3, &to(one)).expect("searched");
    assert_eq!((step.blocks, ids(&step), step.next), (1, vec![6], Some(held[3].key)));
    assert_eq!(bench.store().search(step.next, 3, &to(one)), Ok(Step::default()));
    for repeated in [false, true] {
        let step = bench.store().erase(None, 9, &to(one)).expect("erased");
        assert_eq!(ids(&step), if repeated { vec![] } else { vec![1, 4, 6] });
        bench.restart();
        recovered(bench);
        for id in [1, 4, 6] {
            assert_eq!(bench.store().archived(MessageId(id)), Ok(None));
        }
        for (id, account) in [(2, 0), (3, 1), (5, 0), (7, 2)] {
            let found = bench.store().archived(MessageId(id)).expect("read").expect("still there");
            assert_eq!((found.account.0, found.accepted), (account, Unix(id)));
        }
        assert_eq!(bench.store().health().archive_blocks, 3, "an empty block is gone");
    }
}

fn a_step_rewrites_few_blocks_and_says_where_it_stopped(bench: &mut dyn Bench) {
    let number = &b"4791234567"[..];
    let held: Vec<_> = (0..11).map(|block| archive_to(1, 8, block, &[(block + 1, 0, number)])).collect();
    put(bench, &Commit { archive: held.clone(), cut: (0..11).collect(), ..Commit::default() });
    let (mut after, mut steps, mut found) = (None, 0, Vec::new());
    loop {
        let step = bench.store().erase(after, 100, &to(number)).expect("erased");
        found.extend(ids(&step));
        after = step.next;
        if after.is_none() {
            break;
        }
        steps += 1;
        assert!(steps < 20);
    }
    assert_eq!(found, (1..=11).collect::<Vec<_>>());
    assert!(steps >= 3, "{steps}");
    assert_eq!(bench.store().health().archive_blocks, 0);
}

fn what_is_held_outlives_the_sweep_until_it_is_held_no_more(bench: &mut dyn Bench) {
    let (one, two) = (&b"4791234567"[..], &b"4790000000"[..]);
    let held = [
        archive_to(1, 8, 0, &[(1, 0, one), (2, 0, two)]),
        archive_to(11, 8, 0, &[(3, 0, one)]),
        archive_to(1, 8, 1, &[(4, 0, two)]),
    ];
    put(bench, &Commit { archive: held.to_vec(), cut: (0..2).collect(), ..Commit::default() });
    for at_most in [1, 9] {
        let swept = bench.store().sweep_around(begin(20), at_most, &to(one)).expect("swept");
        assert_eq!((swept.held, swept.overdue), if at_most == 1 { (1, 2) } else { (1, 0) });
    }
    bench.restart();
    recovered(bench);
    let swept = bench.store().sweep_around(begin(20), 9, &to(one)).expect("swept");
    assert_eq!(swept, Swept { done: true, ..Swept::default() }, "it is looked at once");
    for (id, there) in [(1, true), (2, false), (3, true), (4, false)] {
        assert_eq!(bench.store().archived(MessageId(id)).expect("read").is_some(), there, "{id}");
    }
    assert_eq!(ids(&bench.store().search(None, 9, &to(one)).expect("searched")), [1, 3]);
    let swept = bench.store().unhold(9, &to(one)).expect("swept");
    assert_eq!((swept.blocks, swept.held, swept.done), (0, 0, true));
    let swept = bench.store().unhold(9, &to(two)).expect("swept");
    assert_eq!(swept.records.iter().map(|row| (row.class, row.records)).collect::<Vec<_>>(), [(1, 1), (11, 1)]);
    bench.restart();
    recovered(bench);
    assert_eq!(bench.store().health().archive_blocks, 0);
}

fn overdue_blocks_are_counted(bench: &mut dyn Bench) {
    let held: Vec<_> = (0..4).map(|block| archive(1, 8, block, &[(block + 1, 0)])).collect();
    put(bench, &Commit { archive: held, cut: (0..4).collect(), ..Commit::default() });
    let overdue = |bench: &mut dyn Bench, hour| bench.store().sweep(begin(hour), 1).expect("swept").overdue;
    assert_eq!((overdue(bench, 8), overdue(bench, 9), overdue(bench, 9), overdue(bench, 9)), (0, 2, 1, 0));
}

fn a_journal_block_is_put_in_the_place_of_another(bench: &mut dyn Bench) {
    let mut builder = BlockBuilder::new(3);
    let body = b"4791234567 and a text";
    let accept = |id| Accept { class: 1, ..secrets::accept(id, 0, body) };
    let at: Vec<u32> = (1..4).map(|id| builder.push(&Write::Accept(accept(id))).offset).collect();
    let block = builder.take().remove(0);
    put(bench, &Commit { blocks: [blocks(1, 1), vec![block.clone()], blocks(7, 1)].concat(), ..Commit::default() });
    assert_eq!(
        [0, 1, 2, 3, 4, 7, 8].map(|from| bench.store().next_block(from)),
        [Some(1), Some(1), Some(3), Some(3), Some(7), Some(7), None]
    );
    let without = block.without(&[at[0], at[2], at[1] + 1, 7, u32::MAX]);
    assert_eq!(without.octets.len(), block.octets.len());
    put(bench, &Commit { blocks: vec![without.clone()], ..Commit::default() });
    bench.restart();
    let (found, _) = recovered(bench);
    assert_eq!(found.iter().map(|block| block.number).collect::<Vec<_>>(), [1, 3, 7]);
    assert_eq!(found[1], without);
    let writes: Vec<_> = found[1].writes().map(|(offset, write)| (offset, write.expect("whole"))).collect();
    assert!(matches!(writes[..], [(_, Write::Blank { .. }), (_, Write::Accept(_)), (_, Write::Blank { .. })]));
    assert_eq!(writes.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), at);
    let text = |octets: &[u8]| octets.windows(body.len()).filter(|window| window == body).count();
    assert_eq!((text(&block.octets), text(&found[1].octets)), (3, 1));
}

fn large_and_many_blocks_survive(bench: &mut dyn Bench) {
    let body = vec![0xA5; 70_000];
    let mut builder = BlockBuilder::new(0);
    let mut all = Vec::new();
    for id in 0..200 {
        let body = if id % 50 == 0 { &body[..] } else { &body[..16_000] };
        builder.push(&Write::Accept(secrets::accept(id, 0, body)));
        if id % 5 == 4 {
            let blocks = builder.take();
            all.extend(blocks.clone());
            put(bench, &Commit { blocks, ..Commit::default() });
        }
    }
    bench.restart();
    assert_eq!(recovered(bench).0, all);
}

/// What a full disk, or a kill while opening, leaves behind.
#[test]
fn a_snapshot_that_sled_did_not_finish_is_no_damage() {
    let mut bench = OnDisk::new(true);
    let commit = Commit { blocks: blocks(0, 3), ..Commit::default() };
    put(&mut bench, &commit);
    bench.restart();
    bench.store = None;
    let unfinished = bench.directory.path().join("journal/snap.7FFFFFFFFFFFFFFF.generating");
    for octets in [&b""[..], b"half of a snapshot, by far not all of it"] {
        std::fs::write(&unfinished, octets).expect("written");
        bench.restart();
        assert_eq!(recovered(&mut bench).0, commit.blocks);
        assert!(!unfinished.exists());
        bench.store = None;
    }
}

mod faults {
    //! What the model store can do on order.

    use super::*;

    fn io() -> Fault {
        Fault::Io { doing: "storing a commit", cause: "scripted".to_owned() }
    }

    fn sealing() -> Commit {
        Commit {
            blocks: blocks(2, 1),
            archive: vec![archive(0, 9, 0, &[(5, 0)])],
            cut: vec![0, 1],
            ..Commit::default()
        }
    }

    #[test]
    fn what_is_not_flushed_is_lost_in_a_crash() {
        let mut store = MemoryStore::new();
        put(&mut store, &Commit { blocks: blocks(0, 2), ..Commit::default() });
        store.commit(&sealing(), Durability::Buffered).expect("applied");
        assert_eq!(store.unflushed(), 2);
        store.crash();
        assert_eq!(recovered(&mut store).0, blocks(0, 2));
        assert_eq!(store.archived(MessageId(5)), Ok(None));
    }

    #[test]
    fn a_crash_between_archive_and_journal_is_repeated_and_loses_nothing() {
        for script in [Script::Tear(io()), Script::Unflushed(io())] {
            let mut store = MemoryStore::new();
            put(&mut store, &Commit { blocks: blocks(0, 2), ..Commit::default() });
            store.script([script]);
            assert_eq!(store.commit(&sealing(), Durability::Flushed), Err(io()));
            store.crash_keeping(1);
            assert_eq!(recovered(&mut store).0, blocks(0, 2));
            assert_eq!(store.health().archive_blocks, 0);
            assert_eq!(store.archived(MessageId(5)), Ok(None));
            put(&mut store, &sealing());
            store.crash();
            assert_eq!(recovered(&mut store).0, blocks(2, 1));
            assert_eq!(store.archived(MessageId(5)), Ok(Some(record(5, 0, 0))));
        }
    }

    #[test]
    fn every_scripted_fault_can_be_tried_again() {
        for script in [Script::Refuse(io()), Script::Tear(io()), Script::Unflushed(io()), Script::Unreported(io())] {
            let mut store = MemoryStore::new();
            put(&mut store, &Commit { blocks: blocks(0, 2), ..Commit::default() });
            store.script([script, Script::Slow(Duration::from_secs(3))]);
            assert_eq!(store.commit(&sealing(), Durability::Flushed), Err(io()));
            assert_eq!(store.commit(&sealing(), Durability::Flushed), Ok(()));
            assert_eq!(store.take_delay(), Duration::from_secs(3));
            assert_eq!(store.take_delay(), Duration::ZERO);
            store.crash();
            assert_eq!(recovered(&mut store).0, blocks(2, 1));
            assert_eq!(store.archived(MessageId(5)), Ok(Some(record(5, 0, 0))));
        }
    }

    #[test]
    fn a_damaged_block_is_named() {
        let mut store = MemoryStore::new();
        put(&mut store, &Commit { blocks: blocks(0, 5), ..Commit::default() });
        assert!(store.damage(3, 25));
        assert!(!store.damage(9, 0));
        assert!(matches!(store.read(3), Err(Fault::Damaged { block: 3, .. })));
        let mut found = 0;
        let outcome = store.recover(&mut |_, _| found += 1);
        assert!(matches!(outcome, Err(Fault::Damaged { block: 3, .. })));
        assert_eq!(found, 3);
    }
}
