//! The lists of opted-out numbers are as the last commit says, in the order of their keys, whatever comes between.

use smppgate::clock::Unix;
use smppgate::message::AccountId;
use smppgate::store::{Commit, Listed, MemoryStore, OptOut, OptOutKey, Store};

use super::{Bench, blocks, put, recovered};

fn key(account: u16, number: u32) -> OptOutKey {
    let mut token = [0; 16];
    token[..4].copy_from_slice(&number.to_be_bytes());
    OptOutKey { account: AccountId(account), token }
}

fn listed(since: u64) -> Listed {
    Listed { since: Unix(since), by: (since % 3) as u8 }
}

fn all(store: &mut dyn Store) -> Vec<(OptOutKey, Listed)> {
    store.opt_outs(OptOutKey::default(), usize::MAX).expect("readable")
}

/// Puts the even numbers of three accounts on their lists, and takes every fourth off again.
fn change(bench: &mut dyn Bench) -> Vec<(OptOutKey, Listed)> {
    let on = |number: u32| (key((number % 3) as u16, number), listed(u64::from(number)));
    for step in 0..20 {
        let entries = (step * 50..step * 50 + 50).map(on);
        let opt_outs = entries.map(|(key, own)| OptOut { key, listed: Some(own) }).collect();
        // Alone, and with what belongs to it.
        let blocks = if step % 2 == 0 { blocks(u64::from(step), 1) } else { Vec::new() };
        put(bench, &Commit { blocks, opt_outs, ..Commit::default() });
    }
    let off = (0..1_000).step_by(4).map(|number| OptOut { key: on(number).0, listed: None });
    let again = OptOut { key: on(4).0, listed: Some(listed(9_000)) };
    let commit = Commit { opt_outs: off.chain([again]).collect(), ..Commit::default() };
    put(bench, &commit);
    put(bench, &commit);
    let mut expected: Vec<_> = (0..1_000).filter(|number| number % 4 != 0).map(on).collect();
    expected.push((on(4).0, listed(9_000)));
    expected.sort_by_key(|(key, _)| *key);
    expected
}

pub(crate) fn the_lists_are_as_the_last_commit_says(bench: &mut dyn Bench) {
    assert_eq!(all(bench.store()), []);
    let expected = change(bench);
    assert_eq!(all(bench.store()), expected);
    bench.restart();
    assert_eq!(recovered(bench).0.len(), 10);
    assert_eq!(all(bench.store()), expected);
}

pub(crate) fn the_lists_are_read_step_by_step(bench: &mut dyn Bench) {
    let expected = change(bench);
    for at_most in [1, 7, 751, 5_000] {
        let (mut found, mut from) = (Vec::new(), Some(OptOutKey::default()));
        while let Some(first) = from {
            let step = bench.store().opt_outs(first, at_most).expect("readable");
            assert!(step.len() <= at_most);
            from = step.last().and_then(|(last, _)| last.next());
            found.extend(step);
        }
        assert_eq!(found, expected, "{at_most} at a time");
    }
    let of_one = bench.store().opt_outs(OptOutKey::first(AccountId(2)), 1).expect("readable");
    assert_eq!(
        of_one,
        expected.iter().find(|(key, _)| key.account == AccountId(2)).copied().into_iter().collect::<Vec<_>>()
    );
}

#[test]
fn a_crash_keeps_no_blocks_without_the_lists_that_belong_to_them() {
    let commit = Commit {
        blocks: blocks(0, 1),
        opt_outs: vec![OptOut { key: key(0, 1), listed: Some(listed(5)) }],
        ..Commit::default()
    };
    for kept in 0..=2 {
        let mut store = MemoryStore::new();
        store.commit(&commit, smppgate::store::Durability::Buffered).expect("applied");
        assert_eq!(store.unflushed(), 2);
        store.crash_keeping(kept);
        let mut found = 0;
        store.recover(&mut |_, _| found += 1).expect("recovered");
        assert_eq!((all(&mut store).len(), found), (kept.min(1), kept / 2), "{kept} steps kept");
    }
}
