//! Packing and unpacking of everything that is stored, and what becomes of octets that nobody packed.

use proptest::prelude::*;
use proptest::sample::Index;
use smppgate::clock::Unix;
use smppgate::message::{AccountId, CarrierId, MessageId};
use smppgate::pdu::Address;
use smppgate::policy::{Home, Number, TokenKey, Wanted};
use smppgate::store::archive::TEXTS;
use smppgate::store::{
    Accept, ArchiveBlock, ArchiveBuilder, ArchiveIndex, ArchiveKey, ArchiveRecord, BLOCK_OCTETS, Block, BlockBuilder,
    Carriers, Commit, Damage, Durability, Extent, Inbound, MemoryStore, NetworkError, Party, Position, Step, Store,
    Subject, Vault, Write,
};

/// A write that owns its octets.
#[derive(Clone)]
struct Owned {
    shape: u8,
    id: u64,
    numbers: [u32; 3],
    small: [u8; 4],
    long: Vec<u8>,
    short: Vec<u8>,
}

impl std::fmt::Debug for Owned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.write().fmt(f)
    }
}

impl Owned {
    fn write(&self) -> Write<'_> {
        let Self { shape, id, numbers: [at, due, expires], small: [a, b, c, d], .. } = *self;
        let id = MessageId(id);
        let pair = u16::from_be_bytes([a, b]);
        match shape % 10 {
            0 => Write::Accept(Accept {
                id,
                account: AccountId(pair),
                country: [c, d],
                class: a,
                flags: pair.rotate_left(4),
                accepted: Unix(u64::from(at) * 1_000_003),
                due,
                expires,
                body: &self.long,
            }),
            1 => Write::Sent { id, carrier: CarrierId(pair), at, carrier_message_id: &self.short },
            2 => Write::Retry { id, position: a, attempts: b, due },
            3 => Write::Final {
                id,
                state: a,
                error: pair,
                network: (c & 1 == 0).then_some(NetworkError { network: d, code: pair }),
                at: Unix(u64::from(at) * 1_000_003),
                owed: d & 1 == 0,
            },
            4 => Write::Settled { id, at },
            6 => Write::Handed { id, carrier: CarrierId(pair) },
            9 => Write::Passed { id, carrier: CarrierId(pair) },
            5 => Write::Mark { next_id: id },
            7 => Write::Inbound(Inbound {
                id,
                account: AccountId(pair),
                carrier: CarrierId(u16::from_be_bytes([c, d])),
                class: a,
                received: Unix(u64::from(at) * 1_000_003),
                expires,
                body: &self.long,
            }),
            _ => Write::Parked {
                carrier: CarrierId(pair),
                at,
                state: c,
                error: pair,
                carrier_message_id: &self.short,
                recipient: &self.long[..self.long.len().min(255)],
            },
        }
    }
}

fn owned() -> impl Strategy<Value = Owned> {
    let octets = |range| prop::collection::vec(any::<u8>(), range);
    let long = prop_oneof![9 => octets(0..300), 1 => octets(60_000..70_000)];
    (any::<u8>(), any::<u64>(), any::<[u32; 3]>(), any::<[u8; 4]>(), long, octets(0..256))
        .prop_map(|(shape, id, numbers, small, long, short)| Owned { shape, id, numbers, small, long, short })
}

fn party() -> impl Strategy<Value = Party> {
    (any::<u8>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..=64))
        .prop_map(|(ton, npi, octets)| Party::new(ton, npi, &octets).expect("64 octets fit"))
}

fn record() -> impl Strategy<Value = ArchiveRecord> {
    let numbers = (any::<u64>(), any::<u16>(), 0..3_u8, any::<u64>(), any::<u64>());
    let others = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(any::<u16>(), 1..20)];
    let outcome = (0..128_u8, any::<u16>(), prop::option::of(0..u16::MAX), any::<[u8; 2]>(), others);
    (numbers, outcome, party(), party()).prop_map(|(numbers, outcome, source, destination)| ArchiveRecord {
        id: MessageId(numbers.0),
        account: AccountId(numbers.1),
        // Texts are not pushed as records of messages.
        class: if numbers.2 == TEXTS { 7 } else { numbers.2 },
        accepted: Unix(numbers.3),
        done: Unix(numbers.4),
        state: outcome.0,
        error: outcome.1,
        carrier: outcome.2.map(CarrierId),
        others: outcome.4.into_iter().map(CarrierId).collect(),
        country: outcome.3,
        source,
        destination,
    })
}

fn packed(record: &ArchiveRecord) -> Vec<u8> {
    let mut octets = Vec::new();
    record.encode(&mut octets);
    octets
}

proptest! {
    #[test]
    fn writes_round_trip_and_say_their_length(owned in owned(), tail in prop::collection::vec(any::<u8>(), 0..20)) {
        let mut octets = Vec::new();
        owned.write().encode(&mut octets);
        let length = octets.len();
        octets.extend(tail);
        prop_assert_eq!(Write::decode(&octets), Ok((owned.write(), length)));
    }

    #[test]
    fn a_cut_write_is_damage(owned in owned(), cut in any::<Index>()) {
        let mut octets = Vec::new();
        owned.write().encode(&mut octets);
        octets.truncate(cut.index(octets.len()));
        let short = matches!(Write::decode(&octets), Err(Damage::Short { .. }));
        prop_assert!(short);
    }

    #[test]
    fn any_octets_are_a_write_or_damage(mut octets in prop::collection::vec(any::<u8>(), 1..400), shape in 1..=10_u8) {
        octets[0] = if octets[0] < 250 { shape } else { octets[0] };
        if let Ok((write, length)) = Write::decode(&octets) {
            prop_assert!(length <= octets.len());
            let mut again = Vec::new();
            write.encode(&mut again);
            prop_assert_eq!(Write::decode(&again), Ok((write, again.len())));
        }
    }

    #[test]
    fn every_position_finds_its_write(writes in prop::collection::vec(owned(), 1..60), first in 0..u64::MAX / 2) {
        let mut builder = BlockBuilder::new(first);
        let mut positions: Vec<Position> = Vec::new();
        for owned in &writes {
            let position = builder.push(&owned.write());
            positions.push(position);
            prop_assert_eq!(builder.write_at(position), Some(Ok(owned.write())));
        }
        for (owned, position) in writes.iter().zip(&positions) {
            prop_assert_eq!(builder.write_at(*position), Some(Ok(owned.write())));
        }
        let blocks = builder.take();
        prop_assert!(builder.is_empty());
        prop_assert_eq!(builder.next(), first + blocks.len() as u64);
        prop_assert_eq!(builder.write_at(positions[0]), None);
        let mut stored = Vec::new();
        for (place, block) in blocks.into_iter().enumerate() {
            prop_assert_eq!(block.number, first + place as u64);
            let block = Block::check(block.number, block.octets).expect("a sealed block is whole");
            for (offset, write) in block.writes() {
                let owned = &writes[stored.len()];
                prop_assert_eq!(write, Ok(owned.write()));
                prop_assert_eq!(block.write_at(offset), Ok(owned.write()));
                stored.push(Position { block: block.number, offset });
            }
        }
        prop_assert_eq!(stored, positions);
    }

    #[test]
    fn a_changed_bit_is_found(writes in prop::collection::vec(owned(), 1..5), at in any::<Index>(), bit in 0..8_u32) {
        let mut builder = BlockBuilder::new(7);
        for owned in &writes {
            builder.push(&owned.write());
        }
        for Block { number, octets } in builder.take() {
            let mut octets = octets.to_vec();
            let at = at.index(octets.len());
            octets[at] ^= 1_u8 << bit;
            prop_assert!(Block::check(number, octets).is_err());
        }
    }

    #[test]
    fn any_octets_are_a_block_or_damage(octets in prop::collection::vec(any::<u8>(), 0..400), offset in any::<u32>()) {
        let block = Block { number: 0, octets: octets.into() };
        for (offset, write) in block.writes() {
            prop_assert_eq!(block.write_at(offset), write);
        }
        if offset as usize >= block.octets.len() {
            prop_assert_eq!(block.write_at(offset), Err(Damage::Offset { offset }));
        }
        prop_assert!(Block::check(0, block.octets).is_err());
    }

    #[test]
    fn archive_blocks_round_trip(records in prop::collection::vec((record(), 0..3_u32, 0..500_u64), 1..800)) {
        let mut builder = ArchiveBuilder::new();
        for (record, hour, block) in &records {
            builder.push(*hour, *block, record);
        }
        let blocks = builder.take();
        prop_assert!(builder.is_empty());
        let mut keys: Vec<_> = blocks.iter().map(|block| block.key).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), blocks.len());
        let mut found = Vec::new();
        for block in blocks {
            prop_assert!(records.iter().any(|(_, _, number)| *number == block.key.block));
            let (block, extent) = ArchiveBlock::check(block.key, block.octets).expect("a sealed block is whole");
            let held: Vec<_> = block.records().map(|record| record.expect("whole")).collect();
            prop_assert_eq!(extent.records as usize, held.len());
            prop_assert_eq!(Some(extent.least), held.iter().map(|record| record.id).min());
            prop_assert_eq!(Some(extent.greatest), held.iter().map(|record| record.id).max());
            for record in held {
                prop_assert_eq!(record.class, block.key.class);
                prop_assert!(block.find(record.id).expect("whole").is_some());
                found.push((block.key.forget_hour, packed(&record)));
            }
        }
        let mut expected: Vec<_> = records.iter().map(|(record, hour, _)| (*hour, packed(record))).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_octets_are_an_archive_block_or_damage(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let key = ArchiveKey { class: 0, forget_hour: 0, block: 0 };
        let block = ArchiveBlock { key, octets };
        prop_assert!(block.records().count() <= 400);
        let damaged = block.records().any(|record| record.is_err());
        prop_assert_eq!(block.find(MessageId(u64::MAX)).is_err(), damaged);
        prop_assert!(ArchiveBlock::check(key, block.octets).is_err());
    }

    #[test]
    fn the_index_finds_what_a_scan_finds(
        blocks in prop::collection::vec((0..4_u8, 0..30_u32, 0..50_u64, 0..1000_u64, 0..200_u64), 1..60),
        removed in prop::collection::vec(any::<Index>(), 0..10),
        id in 0..1300_u64, hour in 0..30_u32, at_most in 0..70_usize,
    ) {
        let mut index = ArchiveIndex::default();
        let mut model = std::collections::BTreeMap::new();
        for &(class, forget_hour, block, least, width) in &blocks {
            let extent = Extent { records: 1, least: MessageId(least), greatest: MessageId(least + width) };
            index.insert(ArchiveKey { class, forget_hour, block }, extent);
            model.insert(ArchiveKey { class, forget_hour, block }, extent);
        }
        for place in removed {
            let (class, forget_hour, block, ..) = blocks[place.index(blocks.len())];
            let key = ArchiveKey { class, forget_hour, block };
            prop_assert_eq!(index.remove(key), model.remove(&key));
        }
        prop_assert_eq!(index.keys().collect::<Vec<_>>(), model.keys().copied().collect::<Vec<_>>());
        let mut candidates: Vec<_> = index.candidates(MessageId(id)).collect();
        candidates.sort();
        let holds = |extent: &Extent| extent.least.0 <= id && id <= extent.greatest.0;
        let expected: Vec<_> = model.iter().filter(|(_, extent)| holds(extent)).map(|(key, _)| *key).collect();
        prop_assert_eq!(candidates, expected);
        let forgettable: Vec<_> = model.keys().copied().filter(|key| key.forget_hour <= hour).take(at_most).collect();
        prop_assert_eq!(index.forgettable(hour, at_most), forgettable);
    }
}

fn accept(body: &[u8]) -> Accept<'_> {
    Accept {
        id: MessageId(1),
        account: AccountId(0),
        country: *b"NO",
        class: 0,
        flags: 0,
        accepted: Unix(0),
        due: 0,
        expires: 0,
        body,
    }
}

#[test]
fn blocks_close_near_their_size_and_hold_one_oversized_write() {
    let mut builder = BlockBuilder::new(0);
    let body = vec![0; 70_000];
    assert_eq!(builder.push(&Write::Accept(accept(&body))).block, 0);
    for _ in 0..5000 {
        builder.push(&Write::Accept(accept(&body[..165])));
    }
    let blocks = builder.take();
    assert!(blocks[0].octets.len() > 70_000);
    let (last, full) = blocks[1..].split_last().expect("5000 writes of 200 octets fill 31 blocks");
    assert!(full.iter().all(|block| (BLOCK_OCTETS..BLOCK_OCTETS + 200).contains(&block.octets.len())));
    assert!(last.octets.len() < BLOCK_OCTETS + 200);
    assert_eq!(full.len() + 1, 31);
}

#[test]
fn a_block_filed_wrongly_or_written_by_a_newer_version_is_refused() {
    let mut builder = BlockBuilder::new(3);
    builder.push(&Write::Settled { id: MessageId(1), at: 1 });
    let octets = builder.take().remove(0).octets.to_vec();
    assert_eq!(Block::check(4, octets.clone()), Err(Damage::Number { found: 3, expected: 4 }));
    let mut newer = octets.clone();
    newer[0] += 1;
    assert_eq!(Block::check(3, newer), Err(Damage::Version { found: 2 }));
    let mut longer = octets.clone();
    longer.push(0);
    assert_eq!(Block::check(3, longer), Err(Damage::Length { found: octets.len() + 1, expected: octets.len() }));
    assert_eq!(Block::check(3, octets[..7].to_vec()), Err(Damage::Short { found: 7, expected: 20 }));
    let key = ArchiveKey { class: 0, forget_hour: 0, block: 3 };
    assert_eq!(ArchiveBlock::check(key, octets), Err(Damage::Kind { found: 1 }));
}

#[test]
fn a_blank_in_which_something_is_left_is_damaged() {
    let mut octets = Vec::new();
    Write::Blank { room: 6 }.encode(&mut octets);
    let length = octets.len();
    octets.push(7);
    assert_eq!(Write::decode(&octets), Ok((Write::Blank { room: 6 }, length)), "what follows is not its own");
    octets[length - 1] = 122;
    assert_eq!(Write::decode(&octets), Err(Damage::Field));
}

#[test]
fn nothing_personal_is_shown() {
    let body = *b"4791234567 secret";
    let party = Party::new(1, 1, b"4791234567").expect("fits");
    let record = ArchiveRecord {
        id: MessageId(1),
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
    let parked = Write::Parked {
        carrier: CarrierId(0),
        at: 0,
        state: 2,
        error: 0,
        carrier_message_id: b"x",
        recipient: &body[..10],
    };
    let mut blocks = BlockBuilder::new(0);
    blocks.push(&Write::Accept(accept(&body)));
    let mut archive = ArchiveBuilder::new();
    archive.push(1, 0, &record);
    let inbound = Inbound {
        id: MessageId(2),
        account: AccountId(0),
        carrier: CarrierId(0),
        class: 11,
        received: Unix(0),
        expires: 0,
        body: &body,
    };
    let (accept, inbound) = (Write::Accept(accept(&body)), Write::Inbound(inbound));
    let mut shown = format!("{accept:?} {inbound:?} {parked:?} {record:?} {blocks:?} {archive:?}");
    let block = blocks.take().remove(0);
    shown += &format!(" {block:?} {:?} {:?}", block.writes(), archive.take());
    for secret in ["4791234567", "secret", "52, 55, 57, 49", "115, 101, 99"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// A number of one of two accounts as somebody wrote it, and what else is in its record.
#[derive(Clone, Debug)]
struct Spelled {
    account: u16,
    /// The number with its last digit changed, where that is odd.
    other: u8,
    spelling: u8,
    is_source: bool,
    hour: u32,
}

impl Spelled {
    /// Type of number, and octets.
    fn written(&self, number: &str, code: usize) -> (u8, String) {
        let mut number = number.to_owned();
        if self.other % 2 == 1 {
            let last = number.pop().expect("not empty");
            number.push(if last == '9' { '0' } else { char::from(last as u8 + 1) });
        }
        let national = &number[code..];
        match self.spelling % 9 {
            0 => (1, number),
            1 => (0, format!("+{number}")),
            2 => (1, format!("00{number}")),
            3 => (2, national.to_owned()),
            4 => (0, format!("0{national}")),
            5 => (0, format!("00{number}")),
            6 => (1, format!(" {}-{}", &number[..3], &number[3..])),
            7 => (2, format!("0{national}")),
            _ => (5, format!("Shop {}", &number[number.len() - 6..])),
        }
    }

    fn record(&self, id: u64, number: &str, code: usize) -> ArchiveRecord {
        let (ton, written) = self.written(number, code);
        let party = Party::new(ton, 1, written.as_bytes()).expect("fits");
        let shop = Party::new(5, 0, b"shop").expect("fits");
        ArchiveRecord {
            id: MessageId(id),
            account: AccountId(self.account),
            class: u8::from(self.is_source),
            accepted: Unix(id),
            done: Unix(id),
            state: 2,
            error: 0,
            carrier: None,
            others: Carriers::default(),
            country: *b"NO",
            source: if self.is_source { party } else { shop },
            destination: if self.is_source { shop } else { party },
        }
    }
}

fn spelled() -> impl Strategy<Value = Vec<Spelled>> {
    let one = (0_u16..2, any::<u8>(), any::<u8>(), any::<bool>(), 0_u32..4);
    let one = one.prop_map(|(account, other, spelling, is_source, hour)| Spelled {
        account,
        other,
        spelling,
        is_source,
        hour,
    });
    proptest::collection::vec(one, 1..40)
}

/// A sealed store with these records in blocks of their hours.
fn filled(records: &[(u32, ArchiveRecord)]) -> MemoryStore {
    let mut store = MemoryStore::sealed(Vault::in_memory().expect("a vault"));
    let mut builder = ArchiveBuilder::new();
    for (hour, record) in records {
        builder.push(*hour, record.id.0, record);
    }
    let commit = Commit {
        archive: builder.take(),
        cut: records.iter().map(|(_, record)| record.id.0).collect(),
        ..Commit::default()
    };
    store.commit(&commit, Durability::Flushed).expect("stored");
    store
}

/// What the steps find, and the blocks that they looked at.
fn found(mut step: impl FnMut(Option<ArchiveKey>) -> Step) -> Vec<(ArchiveKey, ArchiveRecord)> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let step = step(after);
        found.extend(step.found);
        if step.next.is_none() {
            return found;
        }
        after = step.next;
    }
}

proptest! {
    #[test]
    fn a_search_by_number_finds_what_a_search_of_everything_does(
        spelled in spelled(),
        number in "[1-9][0-9]{6,14}",
        code in 0_usize..4,
    ) {
        let records: Vec<_> =
            spelled.iter().zip(1_u64..).map(|(one, id)| (one.hour, one.record(id, &number, code))).collect();
        let home = Home::parse(&number[..code]);
        let written = Number::international(&number).expect("a number");
        let wanted = Wanted::number(AccountId(0), home, written, TokenKey::new(&[7; 32]));
        let asked = |account, source: &Address, destination: &Address| wanted.is(account, source, destination);
        let subject = wanted.digits().and_then(|(account, digits)| Subject::new(account, digits));
        let (mut plain, mut filtered) = (filled(&records), filled(&records));
        let all = found(|after| plain.search(after, 2, &asked).expect("searched"));
        prop_assert_eq!(&found(|after| filtered.search_about(after, 2, subject.as_ref(), &asked).expect("searched")), &all);
        // What an erasure leaves has been written anew.
        let erased = found(|after| plain.erase(after, 2, &asked).expect("erased"));
        prop_assert_eq!(&found(|after| filtered.erase_about(after, 2, subject.as_ref(), &asked).expect("erased")), &erased);
        prop_assert_eq!(&erased, &all);
        let everything = |_, _: &Address, _: &Address| true;
        let left = found(|after| plain.search(after, 9, &everything).expect("searched"));
        prop_assert_eq!(&found(|after| filtered.search(after, 9, &everything).expect("searched")), &left);
        prop_assert_eq!(left.len() + all.len(), records.len());
        let last = spelled.iter().rev().find(|one| one.account == 1);
        if let Some((ton, written)) = last.map(|one| one.written(&number, code)) {
            // The other account's are found after the rewriting, too.
            let address = Address::new(ton, 1, written.as_bytes()).expect("fits");
            let asked = |account, source: &Address, destination: &Address| {
                account == AccountId(1) && (*source == address || *destination == address)
            };
            let subject = Subject::new(AccountId(1), written.as_bytes());
            let all = found(|after| plain.search(after, 2, &asked).expect("searched"));
            prop_assert!(!all.is_empty());
            prop_assert_eq!(found(|after| filtered.search_about(after, 2, subject.as_ref(), &asked).expect("searched")), all);
        }
    }
}

#[test]
fn a_record_of_one_carrier_is_stored_as_before_and_others_make_it_a_new_version() {
    let record = Spelled { account: 7, other: 0, spelling: 0, is_source: false, hour: 9 }.record(3, "4791234567", 2);
    let mut octets = vec![3, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0];
    octets.extend_from_slice(b"\xFF\xFFNO\x05\x00\x04shop\x01\x01\x0a4791234567");
    assert_eq!(packed(&record), octets);
    let block = |record: &ArchiveRecord| {
        let mut builder = ArchiveBuilder::new();
        builder.push(9, 1, record);
        builder.take().remove(0)
    };
    let others = [5, 300, 5].into_iter().map(CarrierId).collect();
    let (old, new) = (block(&record), block(&ArchiveRecord { carrier: Some(CarrierId(1)), others, ..record }));
    assert_eq!((old.octets[0], new.octets[0]), (1, 2));
    let mut builder = ArchiveBuilder::new();
    builder.push_text(9, 1, &record, &[b"hello"]);
    assert_eq!(builder.take()[0].octets[0], 3);
    let (read, _) = ArchiveBlock::check(new.key, new.octets.clone()).expect("whole");
    let read = read.records().next().expect("one").expect("whole");
    assert_eq!(read.carriers().collect::<Vec<_>>(), [1, 5, 300].map(CarrierId));
    for version in [0, 4] {
        let mut octets = new.octets.clone();
        octets[0] = version;
        assert_eq!(ArchiveBlock::check(new.key, octets).err(), Some(Damage::Version { found: version }));
    }
}
