//! `query_sm`. SMPP 3.4 §4.8.

use smppgate::bridge::Refusal;
use smppgate::message::LinkId;
use smppgate::pdu::{Address, CommandId, QuerySm, QuerySmResp, Sm, Time};
use smppgate::session::BindMode;
use smppgate::store::Store;

use crate::rig::{ACME, Gateway, Left, OTHER, message};

fn brand() -> Address {
    message(b"").source
}

pub(crate) fn query(gateway: &mut Gateway, link: LinkId, id: &[u8], source: Address) -> Left {
    let query = QuerySm { message_id: id, source };
    let answer = gateway.ask(link, |sequence, wire| query.encode(sequence, wire));
    assert_eq!(answer.command, CommandId::QUERY_SM_RESP);
    answer
}

/// State, error and date of an answer that must be `ESME_ROK`, and its id the one asked for.
pub(crate) fn state(gateway: &mut Gateway, link: LinkId, id: &[u8]) -> (u8, u8, Vec<u8>) {
    let answer = query(gateway, link, id, brand());
    assert_eq!(answer.status, 0);
    let told = QuerySmResp::decode(&answer.body).expect("a whole answer");
    assert_eq!(told.message_id, id);
    (told.message_state, told.error_code, told.final_date.to_vec())
}

/// A message that its carrier has reported as undeliverable, error 27, and whose receipt the client took.
fn ended(gateway: &mut Gateway, client: LinkId, carrier: LinkId) -> Vec<u8> {
    let id = gateway.submit(client, &message(b"hello")).expect("it is accepted");
    let sent = gateway.take(carrier);
    gateway.answer(carrier, &sent[0], 0, b"c1");
    let text = b"id:c1 stat:UNDELIV err:027";
    let swapped = message(text);
    let receipt = Sm { source: swapped.destination, destination: swapped.source, esm_class: 4, ..swapped };
    let answer = gateway.ask(carrier, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire));
    assert_eq!(answer.status, 0);
    id
}

#[test]
fn a_message_is_followed_from_its_acceptance_into_the_archive() {
    for version in [0x34, 0x33] {
        let mut gateway = Gateway::new(|_| ());
        let client = gateway.client_of(ACME, BindMode::Transceiver, version);
        let id = gateway.submit(client, &message(b"hello")).unwrap();
        assert_eq!(state(&mut gateway, client, &id), (1, 0, vec![]), "it waits for a carrier");
        let carrier = gateway.carrier(0);
        let sent = gateway.take(carrier);
        assert_eq!(state(&mut gateway, client, &id), (1, 0, vec![]), "a carrier has not answered");
        gateway.answer(carrier, &sent[0], 0, b"c0");
        assert_eq!(state(&mut gateway, client, &id), (1, 0, vec![]), "its receipt is awaited");

        let id = ended(&mut gateway, client, carrier);
        let date = Time::absolute(gateway.now.unix).to_vec();
        assert_eq!(state(&mut gateway, client, &id), (5, 27, date.clone()), "its receipt is owed");
        let receipt = gateway.take(client);
        assert!(receipt.is_empty(), "the answer came alone");
    }
}

#[test]
fn the_archive_answers_for_what_is_settled() {
    for version in [0x34, 0x33] {
        let mut gateway = Gateway::new(|_| ());
        let (client, carrier) = (gateway.client_of(ACME, BindMode::Transceiver, version), gateway.carrier(0));
        let id = gateway.submit(client, &message(b"hello")).unwrap();
        let sent = gateway.take(carrier);
        gateway.answer(carrier, &sent[0], 0x0B, b"");
        let date = Time::absolute(gateway.now.unix).to_vec();
        let receipt = gateway.take(client);
        gateway.answer(client, &receipt[0], 0, b"");
        gateway.later(120);
        assert_eq!((gateway.tally().messages_live, gateway.store.health().archive_blocks), (0, 1));
        let (told, error, done) = state(&mut gateway, client, &id);
        assert_eq!((told, done), (receipt[0].receipt().state, date));
        assert_eq!(u16::from(error), receipt[0].receipt().error);
        let other = gateway.client_of(OTHER, BindMode::Transceiver, version);
        assert_eq!(query(&mut gateway, other, &id, brand()).status, 0x67, "not for another account");
        assert_eq!(query(&mut gateway, client, &id, Address::default()).status, 0x67, "nor by another source");
        // After a restart, too.
        gateway.restart();
        let client = gateway.client_of(ACME, BindMode::Transceiver, version);
        assert_eq!(state(&mut gateway, client, &id).0, told);
    }
}

#[test]
fn a_message_whose_block_is_not_at_hand_is_read_back() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let id = gateway.submit(client, &message(b"hello")).unwrap();
    gateway.restart();
    let client = gateway.client(ACME);
    assert_eq!(query(&mut gateway, client, &id, Address::default()).status, 0x67);
    gateway.restart();
    let client = gateway.client(ACME);
    assert_eq!(state(&mut gateway, client, &id), (1, 0, vec![]));
}

#[test]
fn each_wrong_query_fails_by_its_own_status() {
    let mut gateway = Gateway::new(|_| ());
    let (client, other) = (gateway.client(ACME), gateway.client(OTHER));
    let id = gateway.submit(client, &message(b"hello")).unwrap();
    assert_eq!(query(&mut gateway, client, b"", brand()).status, 0x0C);
    assert_eq!(query(&mut gateway, client, b"no number", brand()).status, 0x0C);
    assert_eq!(query(&mut gateway, client, &[b'1'; 65], brand()).status, 0x0C, "longer than ids are");
    assert_eq!(query(&mut gateway, client, b"12345", brand()).status, 0x67, "never given");
    assert_eq!(query(&mut gateway, client, &id, Address::default()).status, 0x67, "another source");
    assert_eq!(query(&mut gateway, other, &id, brand()).status, 0x67, "another account");
    let cut = [&id[..], b"\0\x05"].concat();
    let answer = gateway.ask(client, |sequence, wire| crate::rig::put(CommandId::QUERY_SM, sequence, &cut, wire));
    assert_eq!(answer.status, 0x02);
    let refused = gateway.tally().accounts[0].1.refused;
    assert_eq!(
        (refused[Refusal::Query.index()], gateway.tally().accounts[1].1.refused[Refusal::Query.index()]),
        (2, 1)
    );
}

#[test]
fn too_many_lookups_at_once_are_told_to_come_again() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let mut wire = bytes::BytesMut::new();
    for sequence in 1..=40 {
        QuerySm { message_id: b"12345", source: brand() }.encode(sequence, &mut wire);
    }
    let answers = gateway.send(client, &wire);
    let of = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((answers.len(), of(0x67), of(0x58)), (40, 16, 24));
    assert_eq!(query(&mut gateway, client, b"12345", brand()).status, 0x67, "and may, then");
}
