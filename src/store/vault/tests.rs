//! Tests of sealing, of the key ring and of what is destroyed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;
use crate::message::{AccountId, CarrierId, MessageId};
use crate::store::{Accept, ArchiveBuilder, ArchiveRecord, BlockBuilder, Inbound, Party, Write};

const DAY: u64 = DAY_MS;
const NOW: Unix = Unix(20_781 * DAY + 5 * 3_600_000);

fn vault() -> Vault {
    let mut vault = Vault::in_memory().expect("a vault");
    vault.now = NOW;
    vault
}

/// A message: account, body, and whether it came from a handset.
type Sample = (u16, Vec<u8>, bool);

fn journal(samples: &[Sample]) -> Block {
    let mut builder = BlockBuilder::new(7);
    for ((account, body, mobile), id) in samples.iter().zip(1_u64..) {
        let (id, account) = (MessageId(id), AccountId(*account));
        let carrier = CarrierId(1);
        if *mobile {
            let (class, received, expires) = (1, Unix(9), 8);
            builder.push(&Write::Inbound(Inbound { id, account, carrier, class, received, expires, body }));
        } else {
            let (class, flags, country, accepted, due, expires) = (0, 3, *b"NO", Unix(5), 6, 7);
            let accept = Accept { id, account, country, class, flags, accepted, due, expires, body };
            builder.push(&Write::Accept(accept));
        }
        builder.push(&Write::Sent { id, carrier, at: 4, carrier_message_id: b"77" });
        let recipient = &body[..body.len().min(20)];
        builder.push(&Write::Parked { carrier, at: 1, state: 2, error: 0, carrier_message_id: b"78", recipient });
    }
    builder.push(&Write::Mark { next_id: MessageId(1) });
    let mut blocks = builder.take();
    assert_eq!(blocks.len(), 1, "the samples fit into a block");
    blocks.remove(0)
}

fn records(samples: &[Sample]) -> ArchiveBlock {
    let mut builder = ArchiveBuilder::new();
    for ((account, body, _), id) in samples.iter().zip(1_u64..) {
        let party = |octets: &[u8]| Party::new(1, 1, &octets[..octets.len().min(64)]).expect("fits");
        let record = ArchiveRecord {
            id: MessageId(id),
            account: AccountId(*account),
            class: 2,
            accepted: Unix(5),
            done: Unix(6),
            state: 2,
            error: 0,
            carrier: None,
            others: (0..id as u16 % 3).map(CarrierId).collect(),
            country: *b"SE",
            source: party(b"sender"),
            destination: party(body),
        };
        builder.push(20_781 * 24 + 48, 7, &record);
    }
    builder.take().remove(0)
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    proptest::collection::vec((0_u16..4, proptest::collection::vec(any::<u8>(), 0..90), any::<bool>()), 1..40)
}

fn sealed_journal(vault: &mut Vault, block: &Block) -> Vec<u8> {
    vault.seal_journal(block).expect("sealed").to_vec()
}

fn sealed_archive(vault: &mut Vault, block: &ArchiveBlock) -> Vec<u8> {
    vault.seal_archive(block).expect("sealed").to_vec()
}

fn holds(octets: &[u8], text: &[u8]) -> bool {
    octets.windows(text.len()).any(|window| window == text)
}

/// The same octets with checksum and length made right again, as somebody who knows the layout would.
fn forged(mut octets: Vec<u8>, at: usize, bit: u8) -> Vec<u8> {
    octets[at] ^= bit;
    envelope::seal(&mut octets);
    octets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_block_comes_back_as_it_was(samples in samples()) {
        let mut vault = vault();
        let block = journal(&samples);
        let sealed = sealed_journal(&mut vault, &block);
        prop_assert_eq!(vault.open_journal(7, sealed), Ok(block));
        let block = records(&samples);
        let sealed = sealed_archive(&mut vault, &block);
        prop_assert_eq!(vault.open_archive(block.key, sealed), Ok(block));
    }

    #[test]
    fn nothing_personal_is_left_in_a_sealed_block(samples in samples()) {
        let mut vault = vault();
        let (block, archived) = (journal(&samples), records(&samples));
        let (journal, archive) = (sealed_journal(&mut vault, &block), sealed_archive(&mut vault, &archived));
        for (_, body, _) in samples.iter().filter(|(_, body, _)| body.len() >= 8) {
            prop_assert!(holds(&block.octets, body) && !holds(&journal, body), "a body");
            prop_assert!(!holds(&archive, &body[..8]), "a number");
        }
        prop_assert!(!holds(&archive, b"sender"));
    }

    #[test]
    fn a_changed_head_or_text_is_noticed(samples in samples(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut vault = vault();
        let block = journal(&samples);
        let sealed = sealed_journal(&mut vault, &block);
        // Behind the envelope, whose number is checked against the place, all octets of records with secrets are bound.
        let mut secrets = Vec::new();
        Place::Journal(7).secrets(&block.octets, &mut secrets).expect("whole");
        let bound: Vec<usize> = secrets.iter().flat_map(|secret| secret.stretch()).collect();
        prop_assume!(!bound.is_empty());
        let at = bound[at.index(bound.len())];
        let opened = vault.open_journal(7, forged(sealed.clone(), at, 1 << bit));
        prop_assert!(opened != Ok(block.clone()) && !matches!(&opened, Ok(other) if texts(other) == texts(&block)));
    }
}

/// What the block says of messages with a text.
fn texts(block: &Block) -> Vec<String> {
    let secret = |write: &Write<'_>| write.secret().is_some_and(|(_, length)| length > 0);
    block.writes().filter_map(|(_, write)| write.ok()).filter(secret).map(|write| format!("{write:?}")).collect()
}

#[test]
fn a_block_opens_only_in_its_place_and_with_its_keys() {
    let samples = [(1, b"4791234567 hello".to_vec(), false)];
    let mut vault = vault();
    let block = journal(&samples);
    let sealed = sealed_journal(&mut vault, &block);
    let mut moved = sealed.clone();
    moved[8] = 8;
    envelope::seal(&mut moved);
    assert_eq!(vault.open_journal(8, moved), Err(Unopened::Damage(Damage::Sealed)));
    let mut other = self::vault();
    sealed_journal(&mut other, &block);
    assert_eq!(other.open_journal(7, sealed.clone()), Err(Unopened::Damage(Damage::Sealed)));
    let mut empty = self::vault();
    assert!(matches!(empty.open_journal(7, sealed.clone()), Err(Unopened::Key(KeyFault::Gone { .. }))));
    assert!(empty.check_key(&sealed).is_err());
    assert!(vault.check_key(&sealed).is_ok());
    let archived = records(&samples);
    let sealed = sealed_archive(&mut vault, &archived);
    let key = ArchiveKey { forget_hour: archived.key.forget_hour + 1, ..archived.key };
    let mut moved = sealed.clone();
    moved[envelope::ENVELOPE_LENGTH + 1] += 1;
    envelope::seal(&mut moved);
    assert_eq!(vault.open_archive(key, moved), Err(Unopened::Damage(Damage::Sealed)));
    assert!(sealed_archive(&mut empty, &archived) != sealed, "keys are random");
}

#[test]
fn every_cut_of_a_sealed_block_is_damage() {
    let samples = [(1, vec![5; 40], false), (2, vec![6; 40], true)];
    let mut vault = vault();
    let sealed = sealed_journal(&mut vault, &journal(&samples));
    for at in 0..sealed.len() {
        let mut cut = sealed[..at].to_vec();
        assert!(vault.open_journal(7, cut.clone()).is_err(), "cut at {at}");
        if at >= envelope::ENVELOPE_LENGTH {
            envelope::seal(&mut cut);
            assert!(vault.open_journal(7, cut).is_err(), "cut at {at} and made whole");
        }
    }
}

#[test]
fn what_is_destroyed_opens_as_nothing_and_the_rest_as_it_was() {
    let samples = [(1, vec![5; 40], false), (2, vec![6; 40], true), (1, vec![7; 3], true)];
    let mut vault = vault();
    let block = journal(&samples);
    let archived = records(&samples);
    let (sealed, stored) = (sealed_journal(&mut vault, &block), sealed_archive(&mut vault, &archived));
    assert_eq!(vault.shred(1), Ok(2));
    assert_eq!(vault.shred(9), Ok(0));
    let opened = vault.open_journal(7, sealed.clone()).expect("the others are there");
    let kinds = |block: &Block| -> Vec<(u32, bool)> {
        let writes = block.writes().map(|(offset, write)| (offset, write.expect("whole")));
        writes.map(|(offset, write)| (offset, matches!(write, Write::Blank { .. }))).collect()
    };
    let places = |found: Vec<(u32, bool)>| found.into_iter().map(|(offset, _)| offset).collect::<Vec<_>>();
    assert_eq!(places(kinds(&opened)), places(kinds(&block)), "everything is where it was");
    assert_eq!(kinds(&opened).iter().filter(|(_, blank)| *blank).count(), 2);
    // The recipient of a parked receipt, 20 octets here, is nobody's yet.
    assert!(!holds(&opened.octets, &[5; 21]) && holds(&opened.octets, &[6; 40]));
    let opened = vault.open_archive(archived.key, stored).expect("the others are there");
    let left: Vec<_> = opened.records().map(|record| record.expect("whole").id.0).collect();
    assert_eq!((left, opened.extent().expect("whole").records), (vec![2], 1));
    // What it sends from now on has keys of its own, and does not bring the old ones back.
    let again = sealed_journal(&mut vault, &block);
    assert_eq!(vault.open_journal(7, again), Ok(block));
    assert!(!holds(&vault.open_journal(7, sealed).expect("the others are there").octets, &[5; 21]));
}

#[test]
fn keys_of_the_archive_go_in_the_last_hour_of_their_day_and_those_of_the_journal_with_its_blocks() {
    let samples = [(1, vec![5; 40], false)];
    let mut vault = vault();
    let (block, archived) = (journal(&samples), records(&samples));
    let (sealed, stored) = (sealed_journal(&mut vault, &block), sealed_archive(&mut vault, &archived));
    let last_day = Unix((20_781 + 2) * DAY);
    let journal_page = serial_of(&sealed);
    let spared = |_: u32| true;
    let hour = |hours: u64| Unix(last_day.0 + hours * 3_600_000);
    assert!(vault.over(hour(22), journal_page, |_| false).is_empty());
    assert!(vault.over(hour(23), journal_page, spared).is_empty());
    let over = vault.over(hour(23), journal_page, |_| false);
    assert_eq!(over, [serial_of(&stored).expect("sealed")]);
    assert_eq!(vault.destroy(&over), Ok(1));
    let opened = vault.open_archive(archived.key, stored.clone()).expect("whole, and nothing");
    assert_eq!(opened.records().count(), 0);
    assert_eq!(unopened(archived.key, stored).expect("countable").records().count(), 1);
    // What comes late is sealed under the keys of tomorrow.
    let late = sealed_archive(&mut vault, &archived);
    assert_eq!(vault.day_of(&late), 20_781 + 3);
    // The next day's blocks have the next day's keys, and the old ones go when no block needs them.
    vault.now = hour(25);
    let newer = sealed_journal(&mut vault, &Block { number: 8, octets: reseal(&block, 8) });
    assert!(vault.over(hour(25), journal_page, spared).is_empty());
    assert_eq!(vault.over(hour(25), serial_of(&newer), spared), [journal_page.expect("sealed")]);
    assert_eq!(vault.over(hour(25), None, spared), [journal_page.expect("sealed")]);
}

fn reseal(block: &Block, number: u8) -> bytes::Bytes {
    let mut octets = block.octets.to_vec();
    octets[8] = number;
    envelope::seal(&mut octets);
    octets.into()
}

/// A vault in a folder.
struct Site {
    directory: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a temporary directory") }
    }

    fn files(&self) -> KeyFiles {
        let path = self.directory.path();
        let current = path.join("secret").join("master.key");
        let master = MasterFiles { current, guarded: false, may_make: true, previous: None };
        KeyFiles { folder: path.join("store").join("keys"), master, register: path.join("secret").join("destroyed") }
    }

    fn open(&self, now: Unix) -> Result<Vault, KeyFault> {
        Vault::open(&self.files(), now)
    }

    /// A copy of the key folder, to be put back later.
    fn backup(&self) -> Vec<(std::ffi::OsString, Vec<u8>)> {
        let entries = fs::read_dir(self.files().folder).expect("there").map(|entry| entry.expect("there"));
        entries.map(|entry| (entry.file_name(), fs::read(entry.path()).expect("read"))).collect()
    }

    fn restore(&self, backup: &[(std::ffi::OsString, Vec<u8>)]) {
        let folder = self.files().folder;
        fs::remove_dir_all(&folder).expect("removed");
        fs::create_dir(&folder).expect("made");
        for (name, octets) in backup {
            fs::write(folder.join(name), octets).expect("written");
        }
    }
}

#[test]
fn a_ring_is_there_after_a_restart_and_only_with_its_master_key() {
    let place = Site::new();
    let block = journal(&[(1, vec![5; 40], false), (2, vec![6; 40], false)]);
    let sealed = sealed_journal(&mut place.open(NOW).expect("a new ring"), &block);
    let vault = place.open(NOW).expect("opened again");
    assert_eq!(vault.open_journal(7, sealed.clone()), Ok(block.clone()));
    assert_eq!(vault.figures(), KeyFigures { keys: 3, ..KeyFigures::default() });
    let files = place.files();
    let mode = fs::metadata(files.folder.join("ring")).expect("there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may read it");
    let (master, away) = (files.master.current.clone(), place.directory.path().join("away"));
    fs::rename(&master, &away).expect("moved");
    assert_eq!(place.open(NOW).err(), Some(KeyFault::NoMaster { path: master.clone() }));
    MasterKey::make(&master).expect("another");
    assert!(matches!(place.open(NOW).err(), Some(KeyFault::WrongMaster { .. })));
    // Both, while one takes the place of the other; then the new one alone.
    let mut both = files.clone();
    both.master.previous = Some(away);
    let vault = Vault::open(&both, NOW).expect("rewrapped");
    assert_eq!(vault.open_journal(7, sealed.clone()), Ok(block.clone()));
    assert_eq!(vault.figures().rewrapped, 3 + 3, "data keys and keys of tokens");
    let vault = place.open(NOW).expect("with the new one alone");
    assert_eq!(vault.open_journal(7, sealed), Ok(block));
}

#[test]
fn damaged_and_missing_files_of_keys_are_named() {
    let place = Site::new();
    let block = journal(&[(1, vec![5; 40], false)]);
    let sealed = sealed_journal(&mut place.open(NOW).expect("a new ring"), &block);
    let backup = place.backup();
    for (name, octets) in &backup {
        let path = place.files().folder.join(name);
        let mut changed = octets.clone();
        changed[20] ^= 1;
        fs::write(&path, changed).expect("written");
        assert!(matches!(place.open(NOW).err(), Some(KeyFault::DamagedFile { path: named, .. }) if named == path));
        fs::remove_file(&path).expect("removed");
        match place.open(NOW) {
            Err(KeyFault::DamagedFile { path: named, .. }) => assert_eq!(named, path),
            Err(other) => panic!("{other}"),
            Ok(vault) => assert!(matches!(vault.check_key(&sealed), Err(KeyFault::Gone { page: 1, .. }))),
        }
        place.restore(&backup);
    }
    fs::write(&place.files().register, "nonsense").expect("written");
    assert!(matches!(place.open(NOW).err(), Some(KeyFault::DamagedFile { .. })));
}

#[test]
fn a_backup_does_not_bring_destroyed_keys_back() {
    let place = Site::new();
    let block = journal(&[(1, vec![5; 40], false), (2, vec![6; 40], false)]);
    let archived = records(&[(1, vec![5; 40], false), (2, vec![6; 40], false)]);
    let mut vault = place.open(NOW).expect("a new ring");
    let (sealed, stored) = (sealed_journal(&mut vault, &block), sealed_archive(&mut vault, &archived));
    let backup = place.backup();
    vault.shred(1).expect("shredded");
    vault.destroy(&[serial_of(&sealed).expect("sealed")]).expect("destroyed");
    drop(vault);
    place.restore(&backup);
    let vault = place.open(NOW).expect("the backup opens");
    assert_eq!(texts(&vault.open_journal(7, sealed.clone()).expect("whole")), Vec::<String>::new());
    let ids = |vault: &Vault| {
        let opened = vault.open_archive(archived.key, stored.clone()).expect("whole");
        opened.records().map(|record| record.expect("whole").id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(&vault), [2]);
    drop(vault);
    // Without the register the ring still knows what it destroyed itself; the clock ends what the backup brings back.
    place.restore(&backup);
    fs::remove_file(&place.files().register).expect("removed");
    assert_eq!(ids(&place.open(NOW).expect("opened")), [1, 2]);
    let mut vault = place.open(NOW).expect("opened");
    let over = vault.over(Unix(NOW.0 + 60 * DAY), Some(0), |_| false);
    assert_eq!(vault.destroy(&over), Ok(2));
    assert_eq!(ids(&vault), Vec::<u64>::new());
}
