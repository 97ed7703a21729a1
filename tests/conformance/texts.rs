//! Texts that are kept have records of their own, beside those of their messages: found, taken out, held and forgotten
//! like them, each in its own time.

use smppgate::clock::Unix;
use smppgate::message::{CarrierId, MessageId};
use smppgate::store::archive::TEXTS;
use smppgate::store::{ArchiveBlock, ArchiveBuilder, ArchiveRecord, Carriers, Commit, Party, Store, Swept, Vault};

use super::{Bench, begin, put, record, recovered, to};

const ONE: &[u8] = b"4791234567";
const TWO: &[u8] = b"4790000000";

fn text(id: u64) -> Vec<u8> {
    vec![id as u8; (id * 17 % 300) as usize]
}

/// Messages with these identities and numbers, forgotten in hour 9, and their texts, forgotten in hour 8. Every third
/// went by more carriers than one.
fn filed(block: u64, messages: &[(u64, &[u8])]) -> Vec<ArchiveBlock> {
    let mut builder = ArchiveBuilder::new();
    for &(id, number) in messages {
        let others: Carriers = (0..(id % 3) as u16).map(CarrierId).collect();
        let destination = Party::new(1, 1, number).expect("fits");
        let message = ArchiveRecord { destination, others, ..record(id, 1, 0) };
        builder.push(9, block, &message);
        let text = text(id);
        let (head, rest) = text.split_at(text.len() / 2);
        builder.push_text(8, block, &message, &[head, rest]);
    }
    builder.take()
}

fn kept(bench: &mut dyn Bench, id: u64) -> Option<Vec<u8>> {
    bench.store().kept_text(MessageId(id)).expect("readable").map(|(_, text)| text.into())
}

fn is_archived(bench: &mut dyn Bench, id: u64) -> bool {
    let found = bench.store().archived(MessageId(id)).expect("readable");
    assert!(found.is_none_or(|record| record.class == 1 && record.id.0 == id));
    found.is_some()
}

pub(crate) fn a_text_is_kept_beside_its_message_and_goes_in_its_own_time(bench: &mut dyn Bench) {
    let messages: Vec<(u64, &[u8])> = (1..=200).map(|id| (id, ONE)).collect();
    put(bench, &Commit { archive: filed(0, &messages), cut: vec![0], ..Commit::default() });
    bench.restart();
    recovered(bench);
    for id in 1..=200 {
        assert_eq!(kept(bench, id), Some(text(id)));
        assert!(is_archived(bench, id));
    }
    assert_eq!(kept(bench, 201), None);
    let step = bench.store().search(None, 9, &to(ONE)).expect("searched");
    assert_eq!((step.found.len(), step.texts.len()), (200, 200));
    assert!(step.texts.iter().all(|(key, _)| (key.class, key.forget_hour) == (TEXTS, 8)));
    let swept = bench.store().sweep(begin(8), 9).expect("swept");
    assert_eq!(swept.records.iter().map(|row| (row.class, row.records)).collect::<Vec<_>>(), [(TEXTS, 200)]);
    bench.restart();
    recovered(bench);
    assert!((1..=200).all(|id| is_archived(bench, id) && kept(bench, id).is_none()));
}

pub(crate) fn a_text_is_taken_out_with_its_message(bench: &mut dyn Bench) {
    let mut archive = filed(0, &[(1, ONE), (2, TWO), (3, ONE)]);
    archive.extend(filed(1, &[(4, ONE)]));
    put(bench, &Commit { archive, cut: vec![0, 1], ..Commit::default() });
    let (mut after, mut found, mut texts) = (None, 0, 0);
    for _ in 0..9 {
        let step = bench.store().erase(after, 2, &to(ONE)).expect("erased");
        (found, texts, after) = (found + step.found.len(), texts + step.texts.len(), step.next);
    }
    assert_eq!((found, texts), (3, 3));
    bench.restart();
    recovered(bench);
    for (id, there) in [(1, false), (2, true), (3, false), (4, false)] {
        assert_eq!((is_archived(bench, id), kept(bench, id)), (there, there.then(|| text(id))), "{id}");
    }
}

pub(crate) fn a_text_that_is_held_outlives_the_sweep_with_its_message(bench: &mut dyn Bench) {
    put(bench, &Commit { archive: filed(0, &[(1, ONE), (2, TWO)]), cut: vec![0], ..Commit::default() });
    for hour in [8, 20] {
        let swept = bench.store().sweep_around(begin(hour), 9, &to(ONE)).expect("swept");
        assert_eq!((swept.held, swept.overdue), (1, 0), "hour {hour}");
        assert_eq!(swept.records.len(), 1);
        bench.restart();
        recovered(bench);
        assert_eq!(kept(bench, 1), Some(text(1)), "hour {hour}");
        assert_eq!(kept(bench, 2), None);
        assert!(is_archived(bench, 1));
    }
    assert!(!is_archived(bench, 2));
    let swept = bench.store().unhold(9, &to(TWO)).expect("swept");
    let rows: Vec<_> = swept.records.iter().map(|row| (row.class, row.records)).collect();
    assert_eq!(rows, [(1, 1), (TEXTS, 1)]);
    assert_eq!((kept(bench, 1), is_archived(bench, 1)), (None, false));
    assert_eq!(bench.store().sweep(Unix(u64::MAX), 9), Ok(Swept { done: true, ..Swept::default() }));
}

/// A text is as secret as a number: what is sealed of it shows nothing, and changes to it are seen.
#[test]
fn a_sealed_text_shows_nothing() {
    let mut store = smppgate::store::MemoryStore::sealed(Vault::in_memory().expect("a vault"));
    let message = record(1, 1, 0);
    let mut builder = ArchiveBuilder::new();
    builder.push_text(8, 0, &message, &[b"your code is 123456"]);
    let blocks = builder.take();
    let key = blocks[0].key;
    assert!(blocks[0].octets.windows(6).any(|octets| octets == b"123456"), "it would be seen");
    let commit = Commit { archive: blocks, cut: vec![0], ..Commit::default() };
    store.commit(&commit, smppgate::store::Durability::Flushed).expect("stored");
    let heads = store.archive_heads(key).expect("readable").expect("there");
    for secret in [&b"123456"[..], b"code", b"91234567", b"shop"] {
        assert!(!heads.octets.windows(secret.len()).any(|octets| octets == secret), "{secret:?}");
    }
    assert_eq!(heads.records().count(), 1, "it can be counted without its key");
}
