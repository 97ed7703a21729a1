//! `replace_sm`, and `submit_sm` with `replace_if_present_flag`. SMPP 3.4 §4.10 and §5.2.18.

use smppgate::clock::Unix;
use smppgate::message::LinkId;
use smppgate::pdu::{Address, CommandId, ReplaceSm, Sm, Tag, Time, Tlv, Tlvs};

use crate::rig::{ACME, EPOCH, Gateway, OTHER, message, put};

fn replace(gateway: &mut Gateway, link: LinkId, replace: &ReplaceSm<'_>) -> u32 {
    let answer = gateway.ask(link, |sequence, wire| replace.encode(sequence, wire));
    assert_eq!((answer.command, answer.body.len()), (CommandId::REPLACE_SM_RESP, 0));
    answer.status
}

fn by<'a>(id: &'a [u8], text: &'a [u8]) -> ReplaceSm<'a> {
    let source = message(b"").source;
    ReplaceSm { message_id: id, source, registered_delivery: 1, short_message: text, ..ReplaceSm::default() }
}

#[test]
fn the_new_text_leaves_under_the_old_id() {
    for restart in [false, true] {
        let mut gateway = Gateway::new(|_| ());
        let client = gateway.client(ACME);
        let mut octets = bytes::BytesMut::new();
        Tlv { tag: Tag(0x1401), value: b"kept" }.encode(&mut octets);
        Tlv { tag: Tag::MESSAGE_PAYLOAD, value: b"old" }.encode(&mut octets);
        let old = Sm { data_coding: 4, tlvs: Tlvs::decode(&octets).unwrap(), ..message(b"") };
        let id = gateway.submit(client, &old).unwrap();
        let second = gateway.submit(client, &message(b"second")).unwrap();
        assert_eq!(replace(&mut gateway, client, &by(&id, b"new")), 0);
        assert_ne!(id, second);
        if restart {
            gateway.restart();
        }
        let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        let sent = gateway.take(carrier);
        let texts: Vec<&[u8]> = sent.iter().map(|left| left.sm().text()).collect();
        assert_eq!(texts, [&b"new"[..], b"second"], "in its old place");
        assert_eq!((sent[0].sm().data_coding, sent[0].sm().tlvs.find(Tag(0x1401))), (4, Some(&b"kept"[..])));
        assert_eq!(sent[0].sm().tlvs.find(Tag::MESSAGE_PAYLOAD), None);
        gateway.answer(carrier, &sent[0], 0x0B, b"");
        let receipts = gateway.take(client);
        assert_eq!(receipts[0].receipt().id, &id[..]);
        assert_eq!(replace(&mut gateway, client, &by(&id, b"late")), 0x13);
    }
}

#[test]
fn a_new_text_may_come_as_a_payload() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let id = gateway.submit(client, &message(b"old")).unwrap();
    let mut octets = bytes::BytesMut::new();
    Tlv { tag: Tag::MESSAGE_PAYLOAD, value: &[b'x'; 300] }.encode(&mut octets);
    let new = ReplaceSm { tlvs: Tlvs::decode(&octets).unwrap(), ..by(&id, b"") };
    assert_eq!(replace(&mut gateway, client, &ReplaceSm { short_message: b"and this", ..new }), 0x01);
    assert_eq!(replace(&mut gateway, client, &new), 0);
    let carrier = gateway.carrier(0);
    assert_eq!(gateway.take(carrier)[0].sm().text(), [b'x'; 300]);
}

#[test]
fn times_that_are_not_named_stay_and_others_change() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let later = Sm { schedule_delivery_time: b"000000010000000R", ..message(b"old") };
    let id = gateway.submit(client, &later).unwrap();
    assert_eq!(replace(&mut gateway, client, &by(&id, b"new")), 0);
    gateway.later(3590);
    assert!(gateway.take(carrier).is_empty(), "it waits as before");
    let sooner = ReplaceSm { validity_period: b"000000020000000R", ..by(&id, b"newer") };
    assert_eq!(replace(&mut gateway, client, &sooner), 0);
    let expires = Unix(gateway.now.unix.0 + 7_200_000);
    gateway.restart();
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    assert!(gateway.take(carrier).is_empty(), "after a restart, too");
    gateway.later(20);
    let sent = gateway.take(carrier);
    assert_eq!((sent[0].sm().text(), sent[0].sm().validity_period), (&b"newer"[..], &Time::absolute(expires)[..]));

    let id = gateway.submit(client, &later).unwrap();
    let at_once = ReplaceSm { schedule_delivery_time: &Time::absolute(EPOCH), ..by(&id, b"now") };
    assert_eq!(replace(&mut gateway, client, &at_once), 0);
    assert_eq!(gateway.take(carrier)[0].sm().text(), b"now");
    assert_eq!(gateway.tally().messages_waiting, 0);
}

#[test]
fn a_waiting_message_can_be_put_off_and_its_receipt_unasked() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let id = gateway.submit(client, &message(b"old")).unwrap();
    let later = ReplaceSm { schedule_delivery_time: b"000000010000000R", registered_delivery: 0, ..by(&id, b"new") };
    assert_eq!(replace(&mut gateway, client, &later), 0);
    gateway.restart();
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    gateway.later(3500);
    assert!(gateway.take(carrier).is_empty());
    gateway.later(200);
    let sent = gateway.take(carrier);
    gateway.answer(carrier, &sent[0], 0x0B, b"");
    assert!(gateway.take(client).is_empty(), "no receipt");
}

#[test]
fn each_wrong_replace_fails_by_its_own_status() {
    let mut gateway = Gateway::new(|_| ());
    let (client, other) = (gateway.client(ACME), gateway.client(OTHER));
    let id = gateway.submit(client, &message(b"hello")).unwrap();
    let rows = [
        (client, 0x0C, by(b"", b"x")),
        (client, 0x0C, by(b"xyz", b"x")),
        (client, 0x13, by(b"12345", b"x")),
        (other, 0x13, by(&id, b"x")),
        (client, 0x13, ReplaceSm { source: Address::default(), ..by(&id, b"x") }),
        (client, 0x61, ReplaceSm { schedule_delivery_time: b"1", ..by(&id, b"x") }),
        (client, 0x61, ReplaceSm { schedule_delivery_time: b"000100000000000R", ..by(&id, b"x") }),
        (client, 0x62, ReplaceSm { validity_period: b"261331000000000+", ..by(&id, b"x") }),
        (client, 0x62, ReplaceSm { validity_period: b"200101000000000+", ..by(&id, b"x") }),
        (client, 0x63, ReplaceSm { sm_default_msg_id: 1, ..by(&id, b"x") }),
        (client, 0x01, by(&id, &[b'x'; 255])),
    ];
    for (link, status, request) in rows {
        assert_eq!(replace(&mut gateway, link, &request), status, "{request:?}");
    }
    let long = [&[b'1'; 65][..], b"\0"].concat();
    let cut_text = [&id[..], b"\0\x05\0MyBrand\0\0\0\x01\0\x05abc"].concat();
    for (status, body) in [(0x0C, &long[..]), (0x02, b""), (0x01, &cut_text)] {
        assert_eq!(
            gateway.ask(client, |sequence, wire| put(CommandId::REPLACE_SM, sequence, body, wire)).status,
            status
        );
    }
    let carrier = gateway.carrier(0);
    assert_eq!(gateway.take(carrier)[0].sm().text(), b"hello");
    assert_eq!(replace(&mut gateway, client, &by(&id, b"x")), 0x13, "a carrier has it");
}

#[test]
fn a_submit_replaces_the_newest_that_waits_and_else_stands_for_itself() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let first = gateway.submit(client, &message(b"first")).unwrap();
    let second = gateway.submit(client, &message(b"second")).unwrap();
    let over = Sm { replace_if_present_flag: 1, ..message(b"over") };
    assert_eq!(gateway.submit(client, &over).unwrap(), second, "the same message");
    let other = Sm { service_type: b"CMT", ..over };
    let third = gateway.submit(client, &other).unwrap();
    assert!(third != first && third != second, "another service");
    gateway.restart();
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let sent = gateway.take(carrier);
    let texts: Vec<&[u8]> = sent.iter().map(|left| left.sm().text()).collect();
    assert_eq!(texts, [&b"first"[..], b"over", b"over"]);
    assert!(sent.iter().all(|left| left.sm().replace_if_present_flag == 0), "it was done here");
    let fourth = gateway.submit(client, &over).unwrap();
    assert!(![first, second, third].contains(&fourth), "they are gone");
    assert_eq!(gateway.submit(client, &Sm { replace_if_present_flag: 2, ..over }), Err(0x54));
    assert_eq!(gateway.submit(client, &Sm { priority_flag: 4, ..over }), Err(0x06));
}

#[test]
fn a_replacing_submit_brings_its_own_times_and_priority() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let plain = Sm { destination: Address::new(1, 1, b"4799999999").unwrap(), ..message(b"plain") };
    gateway.submit(client, &plain).unwrap();
    let later = Sm { schedule_delivery_time: b"000000010000000R", ..message(b"later") };
    let id = gateway.submit(client, &later).unwrap();
    let over = Sm { replace_if_present_flag: 1, priority_flag: 3, ..message(b"now") };
    assert_eq!(gateway.submit(client, &over).unwrap(), id);
    let carrier = gateway.carrier(0);
    let sent = gateway.take(carrier);
    let texts: Vec<&[u8]> = sent.iter().map(|left| left.sm().text()).collect();
    assert_eq!(texts, [&b"now"[..], b"plain"]);
}
