//! What somebody finds who has the store's files: no number and no text, in any form in which one is written.
//!
//! Looks at every octet of every file, through the whole life of messages: accepted, sealed into the archive, forgotten,
//! and after restarts in between. With the keys, everything is there; with a copy that has none, nothing opens.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use smppgate::clock::Unix;
use smppgate::message::{AccountId, CarrierId, MessageId};
use smppgate::pdu::{Address, CommandId, HEADER_LENGTH, Sm, encode_gsm, pack};
use smppgate::store::{
    Accept, ArchiveBuilder, ArchiveRecord, BlockBuilder, Carriers, Commit, Durability, Fault, Inbound, KeyFault,
    KeyFiles, MasterFiles, MasterKey, Party, SledStore, Store, Subject, Tuning, Vault, Write,
};

const NUMBER: &str = "4792468135";
const TEXT: &str = "Canary sings 58213";
const ACCOUNT: AccountId = AccountId(0);
const DAY_MS: u64 = 24 * 3_600_000;
const NOW: Unix = Unix(20_781 * DAY_MS);
/// The hour in which what is archived here is forgotten.
const FORGET_HOUR: u32 = (20_781 + 60) * 24 + 5;

/// The text as GSM 03.38 septets in octets, packed, in UCS-2 and as it is.
fn spellings(text: &str) -> Vec<Vec<u8>> {
    let septets = encode_gsm(text).expect("in the alphabet");
    let ucs2 = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    // Packed behind a header of any length, it may begin at any bit.
    let packed = (0..7).map(|fill| pack(&septets, fill)).map(|packed| packed[1..packed.len() - 1].to_vec());
    packed.chain([text.as_bytes().to_vec(), septets.clone(), ucs2]).collect()
}

/// The octets as semi-octets of a telephone number, in hexadecimal and in base64 at each of its three phases.
fn renderings(octets: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    let mut all = vec![octets.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
    if octets.iter().all(u8::is_ascii_digit) {
        all.push(octets.chunks(2).map(|pair| (pair[1] - b'0') << 4 | (pair[0] - b'0')).collect());
    }
    all.extend((0..3).map(|phase| base64(&octets[phase..])));
    all
}

/// Base64 of the whole groups of three octets.
fn base64(octets: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = octets.chunks_exact(3).flat_map(|group| {
        let bits = u32::from(group[0]) << 16 | u32::from(group[1]) << 8 | u32::from(group[2]);
        [18, 12, 6, 0].map(|shift| DIGITS[(bits >> shift) as usize & 63])
    });
    digits.collect()
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Which canaries are in which files of the folder.
fn sightings(folder: &Path) -> Vec<String> {
    let canaries: Vec<Vec<u8>> =
        [NUMBER, TEXT].into_iter().flat_map(spellings).flat_map(|spelling| renderings(&spelling)).collect();
    let mut paths = Vec::new();
    files(folder, &mut paths);
    assert!(paths.len() > 4, "{paths:?}");
    let mut seen = Vec::new();
    for path in paths {
        let octets = fs::read(&path).expect("readable");
        let holds = |canary: &Vec<u8>| octets.windows(canary.len()).any(|window| window == canary);
        seen.extend(canaries.iter().filter(|canary| holds(canary)).map(|canary| format!("{path:?}: {canary:02x?}")));
    }
    seen
}

fn keys(folder: &Path) -> KeyFiles {
    let beside = folder.join("secret");
    let master = MasterFiles { current: beside.join("master.key"), guarded: false, may_make: true, previous: None };
    KeyFiles { folder: folder.join("store/keys"), master, register: beside.join("destroyed-keys") }
}

fn open(folder: &Path, now: Unix) -> Result<SledStore, Fault> {
    let vault = Vault::open(&keys(folder), now)?;
    SledStore::open_sealed(&folder.join("store"), Tuning::default(), vault)
}

/// The body of a message to or from the number with this text.
fn body(text: &[u8]) -> Vec<u8> {
    let number = Address::new(1, 1, NUMBER.as_bytes()).expect("a number");
    let sm = Sm { source: number, destination: number, short_message: text, ..Sm::default() };
    let mut wire = BytesMut::new();
    sm.encode(CommandId::SUBMIT_SM, 1, &mut wire);
    wire[HEADER_LENGTH..].to_vec()
}

/// Messages of every kind, 40 of each spelling, in blocks from number 0 on.
fn accepted() -> (Commit, Vec<u64>) {
    let mut builder = BlockBuilder::new(0);
    let mut ids = Vec::new();
    for (id, spelling) in (1..).zip(spellings(TEXT).iter().cycle().take(400)) {
        let body = body(spelling);
        let (id, account, class) = (MessageId(id), ACCOUNT, 0);
        let (country, flags, due, expires) = (*b"NO", 0, 0, 0);
        builder.push(&Write::Accept(Accept {
            id,
            account,
            country,
            class,
            flags,
            accepted: NOW,
            due,
            expires,
            body: &body,
        }));
        let (carrier, received) = (CarrierId(0), NOW);
        builder.push(&Write::Inbound(Inbound { id, account, carrier, class, received, expires, body: &body }));
        let (carrier_message_id, recipient) = (&b"77"[..], NUMBER.as_bytes());
        builder.push(&Write::Parked { carrier, at: 7, state: 2, error: 0, carrier_message_id, recipient });
        ids.push(id.0);
    }
    (Commit { blocks: builder.take(), ..Commit::default() }, ids)
}

fn settled(ids: &[u64], blocks: &[u64]) -> Commit {
    let number = Party::new(1, 1, NUMBER.as_bytes()).expect("fits");
    let mut builder = ArchiveBuilder::new();
    for id in ids {
        let record = ArchiveRecord {
            id: MessageId(*id),
            account: ACCOUNT,
            class: 0,
            accepted: NOW,
            done: NOW,
            state: 2,
            error: 0,
            carrier: Some(CarrierId(0)),
            others: Carriers::default(),
            country: *b"NO",
            source: number,
            destination: number,
        };
        builder.push(FORGET_HOUR, blocks[0], &record);
    }
    Commit { archive: builder.take(), cut: blocks.to_vec(), ..Commit::default() }
}

#[test]
fn the_canaries_would_be_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = SledStore::open(folder.path(), Tuning::default()).expect("a store without a vault");
    store.commit(&accepted().0, Durability::Flushed).expect("stored");
    let seen = sightings(folder.path());
    for canary in [NUMBER.as_bytes(), TEXT.as_bytes(), &spellings(TEXT)[3]] {
        assert!(seen.iter().any(|line| line.ends_with(&format!("{canary:02x?}"))), "{canary:?} in {seen:?}");
    }
}

#[test]
fn no_file_of_a_store_shows_a_number_or_a_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let clean = |when: &str| {
        let seen = sightings(path);
        assert!(seen.is_empty(), "{when}: {seen:?}");
    };
    let (commit, ids) = accepted();
    let numbers: Vec<u64> = commit.blocks.iter().map(|block| block.number).collect();
    let mut store = open(path, NOW).expect("a new store");
    store.commit(&commit, Durability::Flushed).expect("stored");
    clean("while messages live");
    drop(store);
    let mut store = open(path, NOW).expect("opens again");
    let mut found = Vec::new();
    store.recover(&mut |block, _| found.push(block)).expect("recovered");
    assert_eq!(found, commit.blocks, "with the keys, everything is there");
    store.commit(&settled(&ids, &numbers), Durability::Flushed).expect("stored");
    clean("when they are settled");
    let subject = Subject::new(ACCOUNT, NUMBER.as_bytes()).expect("a number");
    let key = store.archive().keys().next().expect("archived");
    let block = store.archive_block_about(key, Some(&subject)).expect("readable").expect("it holds the number");
    assert_eq!(block.records().filter(|record| subject.is_in(record.as_ref().expect("whole"))).count(), ids.len());
    let last_hour = Unix(u64::from(FORGET_HOUR / 24 * 24 + 23) * 3_600_000);
    let swept = store.sweep(last_hour, 100).expect("swept");
    assert_eq!((swept.records[0].records, swept.done), (ids.len() as u64, true));
    clean("when they are forgotten");
    let left = fs::read_dir(path.join("store/keys")).expect("the ring").count();
    assert_eq!(left, 1, "no key is left but that of tokens");
}

#[test]
fn a_copy_without_its_keys_opens_nothing_and_starts_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let (commit, ids) = accepted();
    let numbers: Vec<u64> = commit.blocks.iter().map(|block| block.number).collect();
    let mut store = open(path, NOW).expect("a new store");
    store.commit(&commit, Durability::Flushed).expect("stored");
    let settled = settled(&ids[..100], &numbers[..1]);
    store.commit(&settled, Durability::Flushed).expect("stored");
    drop(store);
    // Without the master key.
    let master = keys(path).master.current;
    let away = path.join("away");
    fs::rename(&master, &away).expect("moved");
    assert!(matches!(open(path, NOW).err(), Some(Fault::Keys(KeyFault::NoMaster { .. }))));
    // With another one.
    MasterKey::make(&master).expect("made");
    assert!(matches!(open(path, NOW).err(), Some(Fault::Keys(KeyFault::WrongMaster { .. }))));
    // Without the ring: a new one begins, and knows none of the keys.
    fs::rename(path.join("store/keys"), path.join("keys")).expect("moved");
    assert!(matches!(open(path, NOW).err(), Some(Fault::Keys(KeyFault::Gone { .. }))));
    // Without a vault: the blocks are sealed, and nothing can be read of them.
    let mut bare = SledStore::open(&path.join("store"), Tuning::default()).expect("the engine's files open");
    assert!(matches!(bare.recover(&mut |_, _| panic!("it opened")), Err(Fault::Damaged { .. })));
    assert!(matches!(bare.archive_block(settled.archive[0].key), Err(Fault::DamagedArchive { .. })));
    drop(bare);
    // And with everything back, everything is there.
    fs::rename(path.join("keys"), path.join("store/keys")).expect("moved");
    fs::rename(&away, &master).expect("moved");
    let mut store = open(path, NOW).expect("opens again");
    let mut blocks = Vec::new();
    store.recover(&mut |block, _| blocks.push(block)).expect("recovered");
    assert_eq!(blocks, commit.blocks[1..]);
}
