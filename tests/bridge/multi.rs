//! `submit_multi`. SMPP 3.4 §4.5.

use smppgate::message::LinkId;
use smppgate::pdu::{
    Address, CancelSm, CommandId, Destination, Destinations, QuerySm, QuerySmResp, Sm, SubmitMulti, SubmitMultiResp,
};
use smppgate::policy::Rate;

use crate::rig::{ACME, Gateway, Left, message, put};

pub(crate) fn to(number: &[u8]) -> Destination<'static> {
    Destination::Sme(Address::new(1, 1, number).expect("a short number"))
}

pub(crate) fn multi(gateway: &mut Gateway, link: LinkId, list: &[Destination<'_>], sm: Sm<'_>) -> Left {
    let mut octets = Vec::new();
    let destinations = Destinations::write(list, &mut octets).expect("at most 254");
    let multi = SubmitMulti { destinations, sm };
    let answer = gateway.ask(link, |sequence, wire| multi.encode(sequence, wire));
    assert_eq!(answer.command, CommandId::SUBMIT_MULTI_RESP);
    answer
}

/// Failures as number and status.
pub(crate) fn failures(answer: &Left) -> Vec<(Vec<u8>, u32)> {
    let failures = SubmitMultiResp::decode(&answer.body).failures();
    failures.map(|failure| (failure.address.octets().to_vec(), failure.status.0)).collect()
}

#[test]
fn each_recipient_has_a_message_and_a_receipt_under_the_one_id() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    gateway.submit(client, &message(b"before")).unwrap();
    gateway.take(carrier);
    let list = [to(b"4791234567"), to(b"12"), Destination::List(b"friends"), to(b"46701234567")];
    let answer = multi(&mut gateway, client, &list, message(b"to all"));
    assert_eq!(answer.status, 0);
    assert_eq!(failures(&answer), [(b"12".to_vec(), 0x0B), (b"friends".to_vec(), 0x44)]);
    let id = SubmitMultiResp::decode(&answer.body).message_id.to_vec();
    let after = gateway.submit(client, &message(b"after")).unwrap();
    assert_ne!(id, after);
    let sent = gateway.take(carrier);
    let numbers: Vec<Vec<u8>> = sent.iter().map(|left| left.sm().destination.octets().to_vec()).collect();
    assert_eq!(numbers, [&b"4791234567"[..], b"46701234567", b"4791234567"]);
    for (left, status) in sent.iter().zip([0x0B, 0x0A]) {
        gateway.answer(carrier, left, status, b"");
    }
    let receipts = gateway.take(client);
    let told: Vec<(&[u8], Vec<u8>)> =
        receipts.iter().map(|left| (left.receipt().id, left.sm().source.octets().to_vec())).collect();
    assert_eq!(told, [(&id[..], numbers[0].clone()), (&id[..], numbers[1].clone())]);
}

#[test]
fn the_shared_id_is_asked_for_and_cancelled_for_all_or_for_one() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let quiet = Sm { registered_delivery: 0, ..message(b"to all") };
    let list = [to(b"4791234567"), to(b"4791234568"), to(b"4791234569")];
    let answer = multi(&mut gateway, client, &list, quiet);
    let id = SubmitMultiResp::decode(&answer.body).message_id.to_vec();
    let source = quiet.source;
    let cancel = |gateway: &mut Gateway, client, destination: &[u8]| {
        let destination = Address::new(1, 1, destination).unwrap();
        let cancel = CancelSm { message_id: &id, source, destination, ..CancelSm::default() };
        gateway.ask(client, |sequence, wire| cancel.encode(sequence, wire)).status
    };
    assert_eq!(cancel(&mut gateway, client, b"4791234567"), 0);
    assert_eq!(gateway.tally().messages_waiting, 2);
    let query = |gateway: &mut Gateway, client| {
        let query = QuerySm { message_id: &id, source };
        let answer = gateway.ask(client, |sequence, wire| query.encode(sequence, wire));
        assert_eq!(answer.status, 0);
        QuerySmResp::decode(&answer.body).unwrap().message_state
    };
    assert_eq!(query(&mut gateway, client), 1, "two have not ended");
    gateway.restart();
    let client = gateway.client(ACME);
    assert_eq!(cancel(&mut gateway, client, b"4791234567"), 0x11);
    assert_eq!(cancel(&mut gateway, client, b""), 0, "the others");
    assert_eq!(gateway.tally().messages_waiting, 0);
    assert_eq!(query(&mut gateway, client), 4);
    gateway.later(120);
    assert_eq!(gateway.tally().messages_live, 0);
    assert_eq!(query(&mut gateway, client), 4, "from the archive");
}

#[test]
fn rates_are_charged_for_each_recipient() {
    let mut gateway = Gateway::new(|policy| policy.accounts[0].rate = Some(Rate::per_second(10)));
    let client = gateway.client(ACME);
    let numbers: Vec<Vec<u8>> = (0..30).map(|n| format!("47912345{n:02}").into_bytes()).collect();
    let list: Vec<Destination<'_>> = numbers.iter().map(|number| to(number)).collect();
    let answer = multi(&mut gateway, client, &list, message(b"x"));
    let failed = failures(&answer);
    assert_eq!((answer.status, failed.len()), (0, 20));
    assert!(failed.iter().all(|(_, status)| *status == 0x58));
    let answer = multi(&mut gateway, client, &list, message(b"x"));
    assert_eq!((answer.status, answer.body.len()), (0x58, 0), "none of them");
}

#[test]
fn each_wrong_submit_multi_fails_by_its_own_status() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let fine = [to(b"4791234567")];
    let rows = [
        (0x44, vec![Destination::List(b"friends")], message(b"x")),
        (0x0B, vec![to(b"12"), to(b"34")], message(b"x")),
        (0x45, vec![to(b"12"), Destination::List(b"friends")], message(b"x")),
        (0x42, fine.to_vec(), Sm { replace_if_present_flag: 1, ..message(b"x") }),
        (0x54, fine.to_vec(), Sm { replace_if_present_flag: 2, ..message(b"x") }),
        (0x43, fine.to_vec(), Sm { esm_class: 0x02, ..message(b"x") }),
        (0x06, fine.to_vec(), Sm { priority_flag: 9, ..message(b"x") }),
        (0x61, fine.to_vec(), Sm { schedule_delivery_time: b"x", ..message(b"x") }),
        (0x63, fine.to_vec(), Sm { sm_default_msg_id: 3, ..message(b"x") }),
    ];
    for (status, list, sm) in rows {
        let answer = multi(&mut gateway, client, &list, sm);
        assert_eq!((answer.status, answer.body.len()), (status, 0));
    }
    let head = b"\0\x05\0MyBrand\0";
    for (status, rest) in
        [(0x33, &b"\0"[..]), (0x33, b"\xFF"), (0x40, b"\x01\x03"), (0x02, b"\x02\x01\x01\x0112\0"), (0x02, b"")]
    {
        let body = [&head[..], rest].concat();
        let answer = gateway.ask(client, |sequence, wire| put(CommandId::SUBMIT_MULTI, sequence, &body, wire));
        assert_eq!(answer.status, status, "{rest:?}");
    }
    assert_eq!(gateway.tally().messages_waiting, 0);
}

#[test]
fn as_many_recipients_as_the_protocol_allows_fit_under_one_id() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let numbers: Vec<Vec<u8>> = (0..254).map(|n| format!("479123{n:04}").into_bytes()).collect();
    let list: Vec<Destination<'_>> = numbers.iter().map(|number| to(number)).collect();
    let first = multi(&mut gateway, client, &list, message(b"x"));
    let second = multi(&mut gateway, client, &list, message(b"x"));
    assert_eq!((failures(&first).len(), failures(&second).len()), (0, 0));
    let id = |answer: &Left| SubmitMultiResp::decode(&answer.body).message_id.to_vec();
    assert_ne!(id(&first), id(&second));
    let cancel = CancelSm { message_id: &id(&first), source: message(b"").source, ..CancelSm::default() };
    let mut wire = bytes::BytesMut::new();
    cancel.encode(5, &mut wire);
    gateway.send(client, &wire);
    assert_eq!(gateway.tally().messages_waiting, 254, "those of the second stay");
}
