//! When and in which order messages leave: schedule, validity and priority. SMPP 3.4 §5.2.14–§5.2.16.

use smppgate::clock::Unix;
use smppgate::pdu::{Sm, Tag, Time, Tlv, Tlvs};

use crate::rig::{ACME, EPOCH, Gateway, Left, message};

fn texts(left: &[Left]) -> Vec<String> {
    left.iter().map(|left| String::from_utf8_lossy(left.sm().text()).into_owned()).collect()
}

#[test]
fn a_higher_priority_leaves_first_and_the_same_in_order() {
    let mut gateway = Gateway::new(|policy| policy.carriers[0].window = 2);
    let client = gateway.client(ACME);
    let rows: [(u8, &'static [u8]); 7] =
        [(0, b"0a"), (2, b"2a"), (0, b"0b"), (3, b"3a"), (1, b"1a"), (3, b"3b"), (2, b"2b")];
    for (priority_flag, text) in rows {
        gateway.submit(client, &Sm { priority_flag, ..message(text) }).unwrap();
    }
    // It is known after a restart, too.
    gateway.restart();
    gateway.client(ACME);
    let carrier = gateway.carrier(0);
    let mut order = Vec::new();
    loop {
        let sent = gateway.take(carrier);
        if sent.is_empty() {
            break;
        }
        order.extend(texts(&sent));
        assert!(sent.iter().all(|left| left.sm().text()[0] - b'0' == left.sm().priority_flag), "carriers are told it");
        for left in &sent {
            gateway.answer(carrier, left, 0, b"1");
        }
    }
    assert_eq!(order, ["3a", "3b", "2a", "2b", "1a", "0a", "0b"]);
    assert_eq!(gateway.tally().messages_waiting, 0);
}

#[test]
fn both_forms_of_both_times_mean_the_same() {
    let (in_an_hour, in_two) = (Unix(EPOCH.0 + 3_600_000), Unix(EPOCH.0 + 7_200_000));
    let (schedule, validity) = (Time::absolute(in_an_hour), Time::absolute(in_two));
    let relative: [&[u8]; 2] = [b"000000010000000R", b"000000020000000R"];
    for (schedule, validity) in [(&schedule[..], &validity[..]), (relative[0], relative[1])] {
        let mut gateway = Gateway::new(|_| ());
        let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        let sm = Sm { schedule_delivery_time: schedule, validity_period: validity, ..message(b"later") };
        gateway.submit(client, &sm).unwrap();
        gateway.later(3599);
        assert!(gateway.take(carrier).is_empty());
        gateway.later(2);
        let sent = gateway.take(carrier);
        assert_eq!(
            (sent[0].sm().schedule_delivery_time, sent[0].sm().validity_period),
            (&b""[..], &Time::absolute(in_two)[..])
        );
        // It is refused for now until it expires.
        let mut sent = sent;
        for _ in 0..10 {
            for left in &sent {
                gateway.answer(carrier, left, 0x14, b"");
            }
            gateway.later(1800);
            sent = gateway.take(carrier);
        }
        let told = gateway.take(client);
        assert_eq!((told.len(), told[0].receipt().state), (1, 3), "EXPIRED");
    }
}

#[test]
fn what_smppgate_does_not_act_on_is_passed_on_as_it_is() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let mut octets = bytes::BytesMut::new();
    for (tag, value) in [(0x1400, &b"entity"[..]), (0x3FFF, b""), (0x8081, b"\0\x01"), (0x020A, b"\x12\x34")] {
        Tlv { tag: Tag(tag), value }.encode(&mut octets);
    }
    let sm = Sm {
        service_type: b"USSD",
        esm_class: 0x83,
        protocol_id: 0x7F,
        registered_delivery: 0x1D,
        data_coding: 0xF5,
        tlvs: Tlvs::decode(&octets).unwrap(),
        ..message(b"text")
    };
    gateway.submit(client, &sm).unwrap();
    let sent = gateway.take(carrier);
    assert_eq!(sent[0].sm(), sm);
}

#[test]
fn each_form_of_registered_delivery_gets_what_it_asks_for() {
    // Carrier's answer, and which of the forms 0 to 3 get a receipt.
    let rows: [(&'static [u8], [bool; 4]); 2] = [
        (b"id:c1 stat:DELIVRD", [false, true, false, true]),
        (b"id:c1 stat:UNDELIV err:001", [false, true, true, false]),
    ];
    for (text, expected) in rows {
        for (registered_delivery, expected) in (0..).zip(expected) {
            let mut gateway = Gateway::new(|_| ());
            let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
            gateway.submit(client, &Sm { registered_delivery, ..message(b"hello") }).unwrap();
            let sent = gateway.take(carrier);
            assert_eq!(sent[0].sm().registered_delivery, 1, "the carrier is always asked");
            gateway.answer(carrier, &sent[0], 0, b"c1");
            let told = message(text);
            let receipt = Sm { source: told.destination, destination: told.source, esm_class: 4, ..told };
            gateway.ask(carrier, |sequence, wire| {
                receipt.encode(smppgate::pdu::CommandId::DELIVER_SM, sequence, wire);
            });
            assert_eq!(gateway.take(client).len() == 1, expected, "{registered_delivery} {text:?}");
        }
    }
}
