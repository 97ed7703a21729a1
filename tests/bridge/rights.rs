//! What persons may ask: erasing the records of a number wherever they are, and holding a number.

use std::time::Duration;

use smppgate::bridge::{Input, Refusal};
use smppgate::message::{AccountId, CarrierId, LinkId};
use smppgate::pdu::{Address, CommandId, CommandStatus, Sm};
use smppgate::policy::inbound::{InboundRule, Inbounds, Target};
use smppgate::policy::{Holds, Number, Remedy, Statuses, Wanted};
use smppgate::store::Store;

use crate::concatenation::with_second;
use crate::query::query;
use crate::rig::{ACME, Gateway, OTHER, message};

const NUMBER: &[u8] = b"4791234567";
const ANOTHER: &[u8] = b"4790000001";

fn number() -> Number {
    Number::international("+4791234567").expect("a number")
}

fn wanted(gateway: &Gateway) -> Wanted {
    Wanted::number(AccountId(ACME), None, number(), gateway.holds.key().clone())
}

fn held(gateway: &Gateway) -> Holds {
    let mut holds = Holds::none(gateway.holds.key().clone());
    holds.hold(AccountId(ACME), None, holds.key().number(AccountId(ACME), &number()));
    holds
}

fn to(number: &[u8]) -> Sm<'static> {
    Sm { destination: Address::new(1, 1, number).expect("a short number"), ..message(b"secret words") }
}

/// The carrier reports the message it calls `id` as delivered; the answer it gets.
fn report(gateway: &mut Gateway, carrier: LinkId, text: &'static [u8]) -> u32 {
    let told = message(text);
    let receipt = Sm { source: told.destination, destination: told.source, esm_class: 4, ..told };
    gateway.ask(carrier, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire)).status
}

/// Nothing of the number is left, and a restart brings nothing back.
fn assert_gone(gateway: &mut Gateway) {
    assert_eq!((gateway.stored(NUMBER), gateway.stored(b"secret words")), (0, 0));
    gateway.restart();
    gateway.later(120);
    assert_eq!((gateway.stored(NUMBER), gateway.stored(b"secret words")), (0, 0));
    let client = gateway.client(ACME);
    let carrier = gateway.carrier(0);
    gateway.later(1);
    assert!(gateway.take(client).is_empty() && gateway.take(carrier).is_empty());
    assert_eq!(gateway.tally().messages_live, 0);
}

#[test]
fn a_message_that_waits_is_never_sent() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let id = gateway.submit(client, &to(NUMBER)).unwrap();
    gateway.submit(client, &to(ANOTHER)).unwrap();
    let want = wanted(&gateway);
    let cleared = gateway.erase_journal(&want);
    assert_eq!((cleared.unsent, cleared.sent, cleared.ended, cleared.carriers.len()), (1, 0, 0, 0));
    assert_eq!(gateway.erase_journal(&want).unsent, 0, "and a second time nothing is found");
    assert_eq!(gateway.stored(NUMBER), 0);
    let account = gateway.tally().accounts[0].1.clone();
    assert_eq!((account.finals[4], account.receipts_owed), (1, 0), "it ended as DELETED, and owes no receipt");
    assert_ne!(query(&mut gateway, client, &id, message(b"").source).status, 0);
    let carrier = gateway.carrier(0);
    let sent = gateway.take(carrier);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].sm().destination.octets(), ANOTHER, "the other one is");
    assert_eq!(gateway.tally().messages_waiting, 0);
}

#[test]
fn the_receipt_of_a_message_that_a_carrier_has_finds_nothing() {
    for restart in [false, true] {
        let mut gateway = Gateway::new(|_| ());
        let (client, mut carrier) = (gateway.client(ACME), gateway.carrier(0));
        gateway.submit(client, &to(NUMBER)).unwrap();
        let sent = gateway.take(carrier);
        gateway.answer(carrier, &sent[0], 0, b"c1");
        let want = wanted(&gateway);
        let cleared = gateway.erase_journal(&want);
        assert_eq!((cleared.sent, cleared.carriers.len(), cleared.graves.len()), (1, 1, 1));
        if restart {
            gateway.restart();
            carrier = gateway.carrier(0);
        }
        assert_eq!(report(&mut gateway, carrier, b"id:00C1 stat:DELIVRD err:000"), 0, "in any form of its id");
        let tally = gateway.tally();
        assert_eq!((tally.carriers[0].1.receipts_erased, tally.receipts_parked), (1, 0));
        assert_gone(&mut gateway);
    }
}

#[test]
fn a_message_on_its_way_to_a_carrier_is_gone_when_the_carrier_answers() {
    for answered in [Some(0), Some(0x45), Some(0x58), None] {
        let mut gateway = Gateway::new(|_| ());
        let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        gateway.submit(client, &to(NUMBER)).unwrap();
        let sent = gateway.take(carrier);
        let want = wanted(&gateway);
        assert_eq!(gateway.erase_journal(&want).sent, 1);
        assert_eq!(gateway.stored(NUMBER), 0);
        assert_eq!(gateway.tally().carriers[0].1.window_used, 1, "its link still waits");
        match answered {
            Some(status) => gateway.answer(carrier, &sent[0], status, b"c1"),
            None => gateway.give(smppgate::bridge::Input::Closed { link: carrier }),
        }
        assert_eq!(gateway.tally().carriers[0].1.window_used, 0);
        let carrier = if answered.is_some() { carrier } else { gateway.carrier(0) };
        assert!(gateway.take(carrier).is_empty(), "it is not sent again");
        if answered == Some(0) {
            assert_eq!(report(&mut gateway, carrier, b"id:c1 stat:DELIVRD err:000"), 0);
            assert_eq!(gateway.tally().carriers[0].1.receipts_erased, 1);
        }
        assert_gone(&mut gateway);
    }
}

#[test]
fn a_receipt_that_is_owed_or_under_way_is_gone() {
    for under_way in [false, true] {
        let mut gateway = Gateway::new(|_| ());
        let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        gateway.submit(client, &to(NUMBER)).unwrap();
        if !under_way {
            gateway.give(smppgate::bridge::Input::Closed { link: client });
        }
        let sent = gateway.take(carrier);
        gateway.answer(carrier, &sent[0], 0, b"c1");
        report(&mut gateway, carrier, b"id:c1 stat:DELIVRD err:000");
        let receipts = gateway.take(client);
        let want = wanted(&gateway);
        let cleared = gateway.erase_journal(&want);
        assert_eq!((cleared.ended, cleared.carriers.len()), (1, 1));
        let account = gateway.tally().accounts[0].1.clone();
        assert_eq!((account.receipts_owed, account.receipts_dropped), (0, 1));
        if under_way {
            gateway.answer(client, &receipts[0], 0, b"");
            assert_eq!(gateway.tally().accounts[0].1.receipts_delivered, 0);
            gateway.submit(client, &to(ANOTHER)).unwrap();
            assert_eq!(gateway.take(carrier).len(), 1, "the link goes on");
            gateway.erase_journal(&Wanted::account(AccountId(ACME), &gateway.holds.clone()));
        }
        let last = report(&mut gateway, carrier, b"id:c1 stat:DELIVRD err:000");
        assert_eq!((last, gateway.stored(NUMBER)), (0, 0), "a second receipt brings nothing back");
        assert_eq!(gateway.take(client).len(), 0);
    }
}

#[test]
fn a_message_from_the_number_is_gone_too() {
    let rule = InboundRule { to: vec![Target::parse("*").unwrap()], keywords: vec![], carriers: vec![], account: 0 };
    let mut gateway = Gateway::new(|policy| policy.inbound = Inbounds::new(vec![rule]));
    let carrier = gateway.carrier(0);
    let told = message(b"secret words");
    let from = Sm { source: told.destination, destination: Address::new(1, 1, b"2440").unwrap(), ..told };
    let answer = gateway.ask(carrier, |sequence, wire| from.encode(CommandId::DELIVER_SM, sequence, wire));
    assert_eq!(answer.status, 0);
    let want = wanted(&gateway);
    let cleared = gateway.erase_journal(&want);
    assert_eq!((cleared.inbound, cleared.carriers.len()), (1, 1));
    assert_eq!(gateway.tally().accounts[0].1.inbound_waiting, 0);
    assert_gone(&mut gateway);
}

/// A message to this number, delivered and archived.
fn archived(gateway: &mut Gateway, account: u16, number: &[u8]) {
    let (client, carrier) = (gateway.client(account), gateway.carrier(0));
    gateway.submit(client, &Sm { registered_delivery: 0, ..to(number) }).expect("it is accepted");
    let sent = gateway.take(carrier);
    gateway.answer(carrier, &sent[0], 0, b"d1");
    let receipt = message(b"id:d1 stat:DELIVRD err:000");
    let (source, destination) = (Address::new(1, 1, number).expect("a short number"), receipt.source);
    let receipt = Sm { source, destination, esm_class: 4, ..receipt };
    gateway.ask(carrier, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire));
    for link in [client, carrier] {
        gateway.give(smppgate::bridge::Input::Closed { link });
    }
    gateway.later(120);
}

#[test]
fn archived_records_are_taken_out_and_others_stay() {
    let mut gateway = Gateway::new(|_| ());
    for (account, number) in [(ACME, NUMBER), (ACME, ANOTHER), (OTHER, NUMBER), (ACME, NUMBER)] {
        archived(&mut gateway, account, number);
    }
    assert_eq!((gateway.store.health().journal_blocks, gateway.stored(NUMBER)), (1, 3), "nothing but a mark is left");
    let want = wanted(&gateway);
    assert_eq!(gateway.erase_journal(&want), Default::default());
    gateway.store.script([smppgate::store::memory::Script::Refuse(smppgate::store::Fault::Locked)]);
    let asked = |account, source: &Address, destination: &Address| want.is(account, source, destination);
    assert!(gateway.store.erase(None, 9, &asked).is_err(), "a fault takes nothing");
    assert_eq!(gateway.erase_archive(&want).len(), 2);
    assert_eq!(gateway.erase_archive(&want).len(), 0);
    gateway.restart();
    assert_eq!((gateway.stored(NUMBER), gateway.stored(ANOTHER)), (1, 1), "the other account's stays");
}

#[test]
fn a_message_that_is_archived_during_the_walk_does_not_slip_by() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    gateway.submit(client, &Sm { registered_delivery: 0, ..to(NUMBER) }).unwrap();
    let sent = gateway.take(carrier);
    gateway.answer(carrier, &sent[0], 0, b"c1");
    let want = wanted(&gateway);
    let block = gateway.store.read(1).unwrap().or_else(|| gateway.store.read(0).unwrap()).unwrap();
    let found = smppgate::bridge::hits(&block, &want);
    report(&mut gateway, carrier, b"id:c1 stat:DELIVRD err:000");
    gateway.later(120);
    assert_eq!(gateway.erase_found(&[(block, found)]), Default::default(), "its block is cut");
    assert_eq!(gateway.erase_archive(&want).len(), 1);
    assert_gone(&mut gateway);
}

#[test]
fn a_crash_on_the_way_leaves_what_a_second_walk_finds() {
    let mut gateway = Gateway::new(|_| ());
    archived(&mut gateway, ACME, NUMBER);
    let client = gateway.client(ACME);
    gateway.submit(client, &to(NUMBER)).unwrap();
    let want = wanted(&gateway);
    assert_eq!(gateway.erase_journal(&want).unsent, 1);
    gateway.restart();
    assert_eq!(gateway.stored(NUMBER), 1, "the archive was not reached");
    // The number itself was not kept: its token finds the rest.
    let key = gateway.holds.key().clone();
    let want = Wanted::token(AccountId(ACME), None, key.number(AccountId(ACME), &number()), key);
    assert_eq!((gateway.erase_journal(&want).unsent, gateway.erase_archive(&want).len()), (0, 1));
    assert_gone(&mut gateway);
}

#[test]
fn nothing_is_sent_to_a_held_number_until_it_is_let_go() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let id = gateway.submit(client, &to(NUMBER)).unwrap();
    let holds = held(&gateway);
    gateway.hold(holds);
    assert_eq!(gateway.submit(client, &to(NUMBER)), Err(0x45));
    assert_eq!(gateway.tally().accounts[0].1.refused[Refusal::Restricted.index()], 1);
    assert!(gateway.submit(client, &to(ANOTHER)).is_ok());
    let carrier = gateway.carrier(0);
    assert_eq!(gateway.take(carrier).len(), 1, "what waited is not sent either");
    assert_ne!(query(&mut gateway, client, &id, message(b"").source).status, 0, "nor told of");
    gateway.restart();
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    gateway.later(600);
    let sent = gateway.take(carrier);
    assert!(sent.iter().all(|left| left.sm().destination.octets() == ANOTHER), "also after a restart");
    gateway.hold(Holds::none(gateway.holds.key().clone()));
    gateway.later(60);
    let sent = gateway.take(carrier);
    assert_eq!(sent.iter().filter(|left| left.sm().destination.octets() == NUMBER).count(), 1);
    assert!(gateway.submit(client, &to(NUMBER)).is_ok());
}

#[test]
fn a_held_message_ends_with_its_validity() {
    let mut gateway = Gateway::new(|_| ());
    let (client, holds) = (gateway.client(ACME), held(&gateway));
    gateway.submit(client, &Sm { validity_period: b"000000000500000R", ..to(NUMBER) }).unwrap();
    gateway.hold(holds);
    gateway.carrier(0);
    gateway.later(290);
    assert_eq!(gateway.tally().messages_waiting, 1);
    gateway.later(20);
    let tally = gateway.tally();
    assert_eq!((tally.accounts[0].1.finals[3], tally.messages_waiting), (1, 0));
}

#[test]
fn what_is_held_is_neither_told_of_nor_forgotten() {
    let mut gateway = Gateway::new(|_| ());
    archived(&mut gateway, ACME, NUMBER);
    archived(&mut gateway, ACME, ANOTHER);
    let holds = held(&gateway);
    gateway.hold(holds.clone());
    let asked = |account, source: &Address, destination: &Address| holds.cover(account, source, destination);
    let end = gateway.now.unix.after(std::time::Duration::from_secs(400 * 86_400));
    let swept = gateway.store.sweep_around(end, 100, &asked).unwrap();
    assert_eq!((swept.held, swept.records.len()), (1, 1));
    assert_eq!((gateway.stored(NUMBER), gateway.stored(ANOTHER)), (1, 0));
    let everybody = Wanted::account(AccountId(ACME), &holds);
    assert_eq!(gateway.erase_archive(&everybody).len(), 0, "not even with the account");
    let swept = gateway.store.unhold(100, &|_, _, _| false).unwrap();
    assert_eq!((swept.records.len(), gateway.stored(NUMBER)), (1, 0));
}

#[test]
fn a_text_that_is_not_needed_does_not_wait_for_its_neighbour() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    // One read brings both, so that they are in one block; the first waits for its day.
    let late = Sm { schedule_delivery_time: b"000003000000000R", ..to(ANOTHER) };
    let mut wire = bytes::BytesMut::new();
    late.encode(CommandId::SUBMIT_SM, 1, &mut wire);
    Sm { registered_delivery: 0, ..message(b"gone by then") }.encode(CommandId::SUBMIT_SM, 2, &mut wire);
    gateway.send(client, &wire);
    let sent = gateway.take(carrier);
    gateway.answer(carrier, &sent[0], 0, b"c1");
    report(&mut gateway, carrier, b"id:c1 stat:DELIVRD err:000");
    gateway.later(600);
    assert_eq!((gateway.stored(b"gone by then"), gateway.stored(b"secret words")), (1, 1));
    gateway.later(3_100);
    gateway.later(2);
    assert_eq!((gateway.stored(b"gone by then"), gateway.stored(b"secret words")), (0, 1));
    assert_eq!(gateway.tally().carried, 1);
    gateway.later(100_000);
    assert_eq!(gateway.tally().carried, 1, "one that lives alone is left where it is");
    gateway.restart();
    let carrier = gateway.carrier(0);
    gateway.later(3 * 86_400);
    assert_eq!(gateway.take(carrier).len(), 1);
}

/// A message that the first carrier refused and the second took, and their links; the process dies at `crash`.
#[test]
fn a_text_stays_where_asked_for_and_a_one_time_code_never() {
    for (kept_s, seen) in [(0, 0), (7 * 86_400, 1)] {
        let mut gateway = Gateway::new(|policy| {
            let retention = &mut policy.accounts[usize::from(ACME)].retention;
            retention.body = Duration::from_secs(kept_s);
            retention.one_time_service_types = vec!["OTP".to_owned()];
        });
        for (account, service_type) in [(ACME, &b""[..]), (ACME, b"otp"), (OTHER, b"")] {
            let (client, carrier) = (gateway.client(account), gateway.carrier(0));
            let sm = Sm { service_type, registered_delivery: 0, ..to(b"4791234567") };
            gateway.submit(client, &sm).expect("accepted");
            let sent = gateway.take(carrier);
            gateway.answer(carrier, &sent[0], 0x0B, b"");
            gateway.give(Input::Closed { link: client });
            gateway.give(Input::Closed { link: carrier });
        }
        gateway.later(2 * 3_600);
        assert_eq!(gateway.records(ACME).iter().filter(|record| record.archived.is_some()).count(), 2);
        let texts: Vec<Vec<u8>> = gateway.texts().into_values().collect();
        assert_eq!(texts.len(), seen, "kept for {kept_s} s");
        assert!(texts.iter().all(|text| smppgate::bridge::kept_text(text).expect("a text").text() == to(b"").text()));
        // Messages of the journal are gone with their blocks: what is left is the kept one.
        assert_eq!(gateway.stored(to(b"").text()), seen);
        gateway.later(kept_s + 3_600);
        gateway.sweep();
        assert!(gateway.texts().is_empty() && gateway.records(ACME).len() == 2, "it goes before its record");
    }
}

fn taken_by_the_second(status: u32, crash: u32) -> (Gateway, LinkId) {
    let mut gateway = Gateway::new(|policy| {
        with_second(policy);
        policy.carriers[0].habits.statuses = Statuses::with([(CommandStatus(0x400), Remedy::FailOver)]);
    });
    let (client, first) = (gateway.client(ACME), gateway.carrier(0));
    gateway.submit(client, &Sm { registered_delivery: 0, ..to(NUMBER) }).expect("accepted");
    let sent = gateway.take(first);
    gateway.answer(first, &sent[0], status, b"");
    gateway.give(smppgate::bridge::Input::Closed { link: first });
    if crash == 1 {
        gateway.restart();
    }
    let mut second = gateway.carrier(1);
    gateway.later(30);
    let sent = gateway.take(second);
    assert_eq!(sent.len(), 1);
    gateway.answer(second, &sent[0], 0, b"c1");
    if crash == 2 {
        gateway.restart();
        second = gateway.carrier(1);
    }
    (gateway, second)
}

#[test]
fn every_carrier_that_was_given_a_number_is_named() {
    let both = [CarrierId(0), CarrierId(1)];
    // Throttled, refused for good, refused and lost with the process.
    for (status, crash) in [(0x58, 0), (0x58, 2), (0x400, 0), (0x400, 1), (0x400, 2)] {
        let (mut gateway, _) = taken_by_the_second(status, crash);
        let want = wanted(&gateway);
        let cleared = gateway.erase_journal(&want);
        assert_eq!(cleared.carriers.into_iter().collect::<Vec<_>>(), both, "status {status:#x}, crash {crash}");

        let (mut gateway, second) = taken_by_the_second(status, crash);
        // What lives longer than a day is written anew.
        gateway.later(25 * 3600);
        assert_eq!(report(&mut gateway, second, b"id:c1 stat:DELIVRD err:000"), 0);
        gateway.later(25 * 3600);
        let gone = gateway.erase_archive(&want);
        let carriers: Vec<_> = gone.iter().flat_map(|record| record.carriers()).collect();
        assert_eq!(carriers, [both[1], both[0]], "status {status:#x}, crash {crash}");
    }
}

#[test]
fn a_carrier_that_took_a_message_is_the_only_one_named() {
    let mut gateway = Gateway::new(with_second);
    let (client, first) = (gateway.client(ACME), gateway.carrier(0));
    gateway.carrier(1);
    gateway.submit(client, &Sm { registered_delivery: 0, ..to(NUMBER) }).expect("accepted");
    let sent = gateway.take(first);
    gateway.answer(first, &sent[0], 0x58, b"");
    gateway.later(30);
    let sent = gateway.take(first);
    gateway.answer(first, &sent[0], 0, b"c1");
    assert_eq!(report(&mut gateway, first, b"id:c1 stat:DELIVRD err:000"), 0);
    gateway.later(25 * 3600);
    let want = wanted(&gateway);
    let gone = gateway.erase_archive(&want);
    assert_eq!(
        gone.iter().map(|record| (record.carrier, record.others.is_empty())).collect::<Vec<_>>(),
        [(Some(CarrierId(0)), true)]
    );
}
