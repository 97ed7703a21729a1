//! Those who want no more messages of an account: by their own word and by an operator's, at submits and for what waits.

use std::collections::BTreeSet;

use smppgate::bridge::Input;
use smppgate::message::{LinkId, MessageState};
use smppgate::pdu::{Address, CommandId, DataSm, LongAddress, Sm, Time};
use smppgate::policy::inbound::{InboundRule, Inbounds, Target};
use smppgate::policy::{Home, OptOutWords, Policy, Wish};
use smppgate::store::{OptOutKey, Store};

use crate::multi::{failures, multi, to as recipient};
use crate::rig::{ACME, Gateway, OTHER, message};

const NUMBER: &[u8] = b"4791234567";
const ANOTHER: &[u8] = b"4790000001";
/// The number of the sandbox's account, and what is written to it.
const OWN: &[u8] = b"4759440000";
const OPTED_OUT: u32 = 0x403;
/// `err:904`.
const ERROR: u16 = 904;

/// A gateway whose first account keeps a list.
fn gateway() -> Gateway {
    Gateway::new(|policy| policy.accounts[0].opt_out = Some(Box::default()))
}

fn to(number: &[u8]) -> Sm<'static> {
    Sm { destination: Address::new(1, 1, number).expect("a short number"), ..message(b"offers") }
}

/// A handset writes to the first account; the carrier's answer.
fn says(gateway: &mut Gateway, carrier: LinkId, from: &[u8], text: &[u8]) -> u32 {
    says_to(gateway, carrier, OWN, from, text)
}

fn says_to(gateway: &mut Gateway, carrier: LinkId, own: &[u8], from: &[u8], text: &[u8]) -> u32 {
    let sm = Sm {
        source: Address::new(1, 1, from).expect("a short number"),
        destination: Address::new(1, 1, own).expect("a short number"),
        short_message: text,
        ..Sm::default()
    };
    gateway.ask(carrier, |sequence, wire| sm.encode(CommandId::DELIVER_SM, sequence, wire)).status
}

/// The receipts among what left for a client: state and error of each.
fn receipts(gateway: &mut Gateway, client: LinkId) -> Vec<(u8, u16)> {
    let left = gateway.take(client);
    let receipts = left.iter().filter(|left| left.command == CommandId::DELIVER_SM && left.sm().esm_class & 4 != 0);
    receipts.map(|left| (left.receipt().state, left.receipt().error)).collect()
}

#[test]
fn who_says_stop_gets_nothing_until_start_also_after_a_restart() {
    let mut gateway = gateway();
    let (mut client, mut carrier) = (gateway.client(ACME), gateway.carrier(0));
    assert!(gateway.submit(client, &to(NUMBER)).is_ok());
    assert_eq!(says(&mut gateway, carrier, NUMBER, b"Stop. I want no more"), 0);
    let heard = gateway.take(client);
    assert!(
        heard.iter().any(|left| left.command == CommandId::DELIVER_SM && left.sm().text() == b"Stop. I want no more")
    );
    for restart in [false, true] {
        if restart {
            gateway.restart();
            (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        }
        assert_eq!(gateway.submit(client, &to(NUMBER)), Err(OPTED_OUT), "after a restart: {restart}");
        assert_eq!(gateway.submit(client, &to(b"+4791234567")), Err(OPTED_OUT), "however it is written");
        assert!(gateway.submit(client, &to(ANOTHER)).is_ok());
        assert_eq!(gateway.tally().accounts[0].1.opt_outs, 1);
    }
    assert_eq!(gateway.tally().accounts[0].1.refused.iter().sum::<u64>(), 2);
    assert_eq!(says(&mut gateway, carrier, NUMBER, b"start"), 0);
    assert!(gateway.submit(client, &to(NUMBER)).is_ok());
    gateway.restart();
    client = gateway.client(ACME);
    assert!(gateway.submit(client, &to(NUMBER)).is_ok());
    assert_eq!(gateway.tally().accounts[0].1.opt_outs, 0);
}

#[test]
fn every_way_to_submit_is_refused() {
    let mut gateway = gateway();
    let client = gateway.client(ACME);
    gateway.relist(ACME, NUMBER, Wish::Out);
    let data = DataSm {
        source: LongAddress { ton: 5, npi: 0, octets: b"MyBrand" },
        destination: LongAddress { ton: 1, npi: 1, octets: NUMBER },
        ..DataSm::default()
    };
    assert_eq!(gateway.ask(client, |sequence, wire| data.encode(sequence, wire)).status, OPTED_OUT);
    let answer = multi(&mut gateway, client, &[recipient(NUMBER), recipient(ANOTHER)], message(b"to all"));
    assert_eq!((answer.status, failures(&answer)), (0, vec![(NUMBER.to_vec(), OPTED_OUT)]));
    assert_eq!(multi(&mut gateway, client, &[recipient(NUMBER)], message(b"to all")).status, OPTED_OUT);
    assert_eq!(gateway.tally().messages_waiting, 1);
}

#[test]
fn what_waits_ends_when_it_would_leave() {
    for restart in [false, true] {
        let mut gateway = gateway();
        let (mut client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        let later = Time::absolute(gateway.now.unix.after(std::time::Duration::from_secs(600)));
        // One that is scheduled, and one that the carrier did not take yet.
        gateway.submit(client, &Sm { schedule_delivery_time: &later, ..to(NUMBER) }).unwrap();
        gateway.submit(client, &to(NUMBER)).unwrap();
        let sent = gateway.take(carrier);
        gateway.answer(carrier, &sent[0], 0x08, b"");
        assert_eq!(says(&mut gateway, carrier, NUMBER, b"STOP"), 0);
        gateway.give(Input::Closed { link: carrier });
        gateway.submit(client, &to(ANOTHER)).unwrap();
        if restart {
            gateway.restart();
            client = gateway.client(ACME);
        }
        let carrier = gateway.carrier(0);
        gateway.take(client);
        gateway.later(700);
        let sent = gateway.take(carrier);
        assert_eq!(sent.len(), 1, "after a restart: {restart}");
        assert_eq!(sent[0].sm().destination.octets(), ANOTHER);
        assert_eq!(receipts(&mut gateway, client), [(MessageState::Rejected as u8, ERROR); 2]);
        assert_eq!(gateway.tally().messages_waiting, 0);
    }
}

#[test]
fn what_a_carrier_has_stays_with_it() {
    let mut gateway = gateway();
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    gateway.submit(client, &to(NUMBER)).unwrap();
    let sent = gateway.take(carrier);
    assert_eq!(says(&mut gateway, carrier, NUMBER, b"STOP"), 0);
    gateway.answer(carrier, &sent[0], 0, b"c1");
    let told =
        message(b"id:c1 sub:001 dlvrd:001 submit date:2601021530 done date:2601021530 stat:DELIVRD err:000 text:");
    let receipt = Sm { source: told.destination, destination: told.source, esm_class: 4, ..told };
    gateway.ask(carrier, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire));
    assert_eq!(receipts(&mut gateway, client), [(MessageState::Delivered as u8, 0)]);
}

#[test]
fn a_list_is_of_one_account_and_applies_while_it_is_kept() {
    let mut gateway = gateway();
    let (client, other) = (gateway.client(ACME), gateway.client(OTHER));
    gateway.relist(ACME, NUMBER, Wish::Out);
    assert!(gateway.submit(other, &to(NUMBER)).is_ok());
    gateway.reload(|policy| policy.accounts[0].opt_out = None);
    assert!(gateway.submit(client, &to(NUMBER)).is_ok());
    gateway.reload(|policy| policy.accounts[0].opt_out = Some(Box::default()));
    assert_eq!(gateway.submit(client, &to(NUMBER)), Err(OPTED_OUT));
    // What was accepted meanwhile is looked at by the list that is kept again.
    let carrier = gateway.carrier(0);
    gateway.later(1);
    assert_eq!(gateway.take(carrier).len(), 1, "the other account's");
    assert_eq!(receipts(&mut gateway, client), [(MessageState::Rejected as u8, ERROR)]);
}

#[test]
fn an_account_that_keeps_no_list_hears_nothing() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    assert_eq!(says(&mut gateway, carrier, NUMBER, b"STOP"), 0);
    assert!(gateway.submit(client, &to(NUMBER)).is_ok());
    assert_eq!(gateway.store.opt_outs(OptOutKey::default(), 10), Ok(vec![]));
}

#[test]
fn national_numbers_are_those_of_the_accounts_country_and_others_are_counted() {
    let mut gateway = Gateway::new(|policy| {
        policy.accounts[0].opt_out = Some(Box::new(OptOutWords::default()));
        policy.accounts[0].home = Home::parse("47");
    });
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let national = |number: &[u8]| Address::new(2, 1, number).expect("a short number");
    let stop =
        Sm { source: national(b"91234567"), destination: national(OWN), short_message: b"STOP", ..Sm::default() };
    assert_eq!(gateway.ask(carrier, |sequence, wire| stop.encode(CommandId::DELIVER_SM, sequence, wire)).status, 0);
    assert_eq!(gateway.submit(client, &to(NUMBER)), Err(OPTED_OUT));
    assert_eq!(gateway.submit(client, &Sm { destination: national(b"91234567"), ..to(NUMBER) }), Err(OPTED_OUT));
    assert_eq!(says(&mut gateway, carrier, b"2440", b"STOP"), 0);
    let account = &gateway.tally().accounts[0].1;
    assert_eq!((account.opt_outs, account.opted_out, account.opt_outs_unread), (1, 1, 1));
}

#[test]
fn full_lists_have_a_stop_come_again_until_there_is_room() {
    let mut gateway = gateway();
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    gateway.relist(ACME, ANOTHER, Wish::Out);
    gateway.fill_opt_outs();
    assert_eq!(says(&mut gateway, carrier, NUMBER, b"STOP"), 0x64);
    assert!(gateway.submit(client, &to(NUMBER)).is_ok());
    assert!(gateway.take(client).iter().all(|left| left.command != CommandId::DELIVER_SM), "it was not taken");
    assert_eq!(says(&mut gateway, carrier, ANOTHER, b"STOP"), 0, "who is on a list is not put there again");
    assert_eq!(says(&mut gateway, carrier, ANOTHER, b"START"), 0);
    assert_eq!(says(&mut gateway, carrier, NUMBER, b"STOP"), 0);
    assert_eq!(gateway.submit(client, &to(NUMBER)), Err(OPTED_OUT));
}

#[test]
fn a_list_made_with_another_key_is_not_taken_for_an_empty_one() {
    let mut gateway = gateway();
    gateway.relist(ACME, NUMBER, Wish::Out);
    assert_eq!(gateway.opens_with_key([7; 32]), Ok(()));
    let why = gateway.opens_with_key([8; 32]).expect_err("another key").to_string();
    assert!(why.contains("another key"), "{why}");
    gateway.relist(ACME, NUMBER, Wish::In);
    assert_eq!(gateway.opens_with_key([8; 32]), Ok(()), "nothing would be lost");
}

/// Both accounts keep a list and have a number.
fn both(policy: &mut Policy) {
    let rule = |own: &str, account| InboundRule {
        to: vec![Target::parse(own).expect("a number")],
        keywords: Vec::new(),
        carriers: Vec::new(),
        account,
    };
    policy.inbound = Inbounds::new(vec![rule("4759440000", ACME), rule("4759440001", OTHER)]);
    policy.accounts.iter_mut().for_each(|account| account.opt_out = Some(Box::default()));
}

/// A number below `below` that follows from the ones before.
fn draw(state: &mut u64, below: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

#[test]
fn nothing_leaves_after_a_stop_whatever_comes_between() {
    const NUMBERS: [&[u8]; 3] = [b"4791000001", b"4791000002", b"46701000003"];
    let mut ended = 0;
    for seed in 1..=60_u64 {
        let (mut state, mut gateway, mut out) = (seed, Gateway::new(both), BTreeSet::new());
        let mut clients = [gateway.client(ACME), gateway.client(OTHER)];
        let mut carrier = Some(gateway.carrier(0));
        let mut sent = 0;
        for step in 0..250 {
            let (account, number) = (draw(&mut state, 2) as usize, NUMBERS[draw(&mut state, 3) as usize]);
            let pair = (account, number);
            match (draw(&mut state, 10), carrier) {
                (0, Some(link)) => {
                    let own: &[u8] = if account == 0 { OWN } else { b"4759440001" };
                    assert_eq!(says_to(&mut gateway, link, own, number, b"STOP"), 0);
                    out.insert(pair);
                }
                (1, Some(link)) => {
                    let own: &[u8] = if account == 0 { OWN } else { b"4759440001" };
                    assert_eq!(says_to(&mut gateway, link, own, number, b"start"), 0);
                    out.remove(&pair);
                }
                (2, Some(link)) => {
                    gateway.give(Input::Closed { link });
                    carrier = None;
                }
                (2 | 3, None) => carrier = Some(gateway.carrier(0)),
                (4, _) if draw(&mut state, 4) == 0 => {
                    gateway.restart();
                    clients = [gateway.client(ACME), gateway.client(OTHER)];
                    carrier = None;
                }
                (5, _) => gateway.later(draw(&mut state, 120)),
                (choice, _) => {
                    let due = gateway.now.unix.after(std::time::Duration::from_secs(60 + draw(&mut state, 60)));
                    let due = Time::absolute(due);
                    let schedule_delivery_time: &[u8] = if choice == 6 { &due } else { b"" };
                    let text: &[u8] = if account == 0 { b"acme" } else { b"other" };
                    let sm = Sm { schedule_delivery_time, short_message: text, ..to(number) };
                    let status = gateway.submit(clients[account], &sm);
                    assert_eq!(status.is_err(), out.contains(&pair), "seed {seed} step {step}: {status:?}");
                }
            }
            let Some(link) = carrier else { continue };
            for left in gateway.take(link).iter().filter(|left| left.command == CommandId::SUBMIT_SM) {
                let sm = left.sm();
                let account = usize::from(sm.text() == b"other");
                let pair = NUMBERS.iter().find(|number| **number == sm.destination.octets()).map(|own| (account, *own));
                assert!(!out.contains(&pair.expect("a known number")), "seed {seed} step {step}: {pair:?} opted out");
                sent += 1;
                let status = [0, 0, 0x08, 0x14][draw(&mut state, 4) as usize];
                gateway.answer(link, left, status, b"");
            }
        }
        assert!(sent > 20, "seed {seed}: {sent} sent");
        let tally = gateway.tally();
        let rejected = tally.accounts.iter().map(|(_, account)| account.finals[MessageState::Rejected as usize]);
        ended += rejected.sum::<u64>();
    }
    assert!(ended > 0, "messages waited for somebody who opted out");
}
