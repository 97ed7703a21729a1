//! What is personal in blocks comes back as it was, whether a store seals it or not, and is found by number.

use smppgate::clock::Unix;
use smppgate::message::{AccountId, CarrierId, MessageId};
use smppgate::store::{Accept, ArchiveBlock, BlockBuilder, Commit, Subject, Write};

use super::{Bench, archive, put, record, recovered};

pub(crate) fn accept(id: u64, account: u16, body: &[u8]) -> Accept<'_> {
    Accept {
        id: MessageId(id),
        account: AccountId(account),
        country: *b"NO",
        class: 0,
        flags: 0,
        accepted: Unix(id),
        due: 0,
        expires: 0,
        body,
    }
}

pub(crate) fn bodies_and_numbers_come_back_as_they_were(bench: &mut dyn Bench) {
    let mut builder = BlockBuilder::new(0);
    for id in 0..900_u64 {
        let body = vec![id as u8; (id * 7 % 300) as usize];
        builder.push(&Write::Accept(accept(id, (id % 3) as u16, &body)));
        builder.push(&Write::Sent { id: MessageId(id), carrier: CarrierId(1), at: 3, carrier_message_id: b"abc" });
        let (carrier_message_id, recipient) = (&b"77"[..], &b"4791234567"[..]);
        builder.push(&Write::Parked {
            carrier: CarrierId(2),
            at: 7,
            state: 2,
            error: 0,
            carrier_message_id,
            recipient,
        });
    }
    let blocks = builder.take();
    assert!(blocks.len() > 2, "one block is not enough");
    put(bench, &Commit { blocks: blocks.clone(), ..Commit::default() });
    assert_eq!(bench.store().read(1), Ok(Some(blocks[1].clone())));
    bench.restart();
    assert_eq!(recovered(bench).0, blocks);
    let held: Vec<_> = (0..900).map(|id| (id, (id % 3) as u16)).collect();
    let block = archive(0, 9, 1, &held);
    put(bench, &Commit { archive: vec![block.clone()], cut: vec![0, 1], ..Commit::default() });
    bench.restart();
    recovered(bench);
    assert_eq!(bench.store().archive_block(block.key), Ok(Some(block)));
    assert_eq!(bench.store().archived(MessageId(4)), Ok(Some(record(4, 0, 1))));
}

pub(crate) fn a_search_for_a_number_opens_what_may_hold_it(bench: &mut dyn Bench) {
    let blocks = [archive(0, 9, 0, &[(5, 0), (6, 1)]), archive(0, 9, 1, &[(15, 0)])];
    let keys = blocks.clone().map(|block| block.key);
    put(bench, &Commit { archive: blocks.to_vec(), cut: vec![0, 1], ..Commit::default() });
    let found = |bench: &mut dyn Bench, account, number: &[u8]| {
        let subject = Subject::new(AccountId(account), number).expect("a number");
        let mut ids = Vec::new();
        for key in keys {
            let block = bench.store().archive_block_about(key, Some(&subject)).expect("readable");
            let records = block.iter().flat_map(ArchiveBlock::records).map(|record| record.expect("whole"));
            ids.extend(records.filter(|record| subject.is_in(record)).map(|record| record.id.0));
        }
        ids
    };
    for number in [&b"4791234567"[..], b"+47 91234567", b"shop"] {
        assert_eq!(found(bench, 0, number), [5, 15]);
        assert_eq!(found(bench, 1, number), [6]);
    }
    assert!(found(bench, 0, b"4791234568").is_empty());
    assert!(found(bench, 7, b"4791234567").is_empty());
    let everything = |_, _: &_, _: &_| true;
    for (number, least) in [(&b"4791234567"[..], 3), (b"0091234567", 3), (b"4700000000", 0)] {
        let subject = Subject::new(AccountId(0), number);
        let step = bench.store().search_about(None, 10, subject.as_ref(), &everything).expect("readable");
        assert!(step.found.len() >= least, "national and international numbers end alike");
    }
}
