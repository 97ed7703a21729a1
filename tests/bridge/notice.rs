//! Intermediate notifications and alerts. SMPP 3.4 §5.2.17 and §4.12.

use bytes::BytesMut;
use smppgate::message::LinkId;
use smppgate::pdu::{AlertNotification, CommandId, DataSm, LongAddress, Sm, Tag, Tlv, Tlvs};
use smppgate::session::BindMode;

use crate::rig::{ACME, Gateway, OTHER, message};

/// A carrier tells of its message "c1".
fn report(gateway: &mut Gateway, carrier: LinkId, text: &'static [u8], esm_class: u8) {
    let told = message(text);
    let sm = Sm { source: told.destination, destination: told.source, esm_class, registered_delivery: 0, ..told };
    let answer = gateway.ask(carrier, |sequence, wire| sm.encode(CommandId::DELIVER_SM, sequence, wire));
    assert_eq!(answer.status, 0);
}

#[test]
fn a_state_before_the_final_one_is_told_to_who_asked() {
    for (registered, notices) in [(0x11, 2), (0x10, 2), (0x01, 0), (0x00, 0)] {
        let mut gateway = Gateway::new(|_| ());
        let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        let id = gateway.submit(client, &Sm { registered_delivery: registered, ..message(b"hello") }).unwrap();
        let sent = gateway.take(carrier);
        assert_eq!(sent[0].sm().registered_delivery, registered & 0x10 | 0x01);
        gateway.answer(carrier, &sent[0], 0, b"c1");
        report(&mut gateway, carrier, b"id:c1 stat:ENROUTE err:000", Sm::TYPE_INTERMEDIATE);
        report(&mut gateway, carrier, b"id:c1 stat:ACCEPTD err:000", Sm::TYPE_RECEIPT);
        let told = gateway.take(client);
        assert_eq!(told.len(), notices, "{registered:#x}");
        for (left, state) in told.iter().zip([1, 6]) {
            assert_eq!((left.sm().esm_class, left.receipt().id, left.receipt().state), (0x20, &id[..], state));
            gateway.answer(client, left, 0, b"");
        }
        report(&mut gateway, carrier, b"id:c1 stat:DELIVRD err:000", Sm::TYPE_RECEIPT);
        let receipts = gateway.take(client);
        assert_eq!(receipts.len(), usize::from(registered & 1), "{registered:#x}");
        let account = &gateway.tally().accounts[0].1;
        assert_eq!((account.notices, account.notices_dropped), (notices as u64, 0));
    }
}

#[test]
fn a_notice_takes_a_place_in_the_window_until_it_is_answered() {
    let mut gateway = Gateway::new(|policy| policy.accounts[0].window = 1);
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    gateway.submit(client, &Sm { registered_delivery: 0x11, ..message(b"hello") }).unwrap();
    let sent = gateway.take(carrier);
    gateway.answer(carrier, &sent[0], 0, b"c1");
    report(&mut gateway, carrier, b"id:c1 stat:ENROUTE err:000", Sm::TYPE_INTERMEDIATE);
    report(&mut gateway, carrier, b"id:c1 stat:ENROUTE err:000", Sm::TYPE_INTERMEDIATE);
    report(&mut gateway, carrier, b"id:c1 stat:DELIVRD err:000", Sm::TYPE_RECEIPT);
    let told = gateway.take(client);
    assert_eq!(told.len(), 1, "the window is full");
    assert_eq!(gateway.tally().accounts[0].1.notices_dropped, 1);
    gateway.answer(client, &told[0], 0x08, b"");
    let told = gateway.take(client);
    assert_eq!((told.len(), told[0].receipt().state), (1, 2), "the receipt was only delayed");
}

#[test]
fn an_alert_goes_to_the_account_that_asked_and_once() {
    let mut gateway = Gateway::new(|_| ());
    let (client, other, carrier) = (gateway.client(ACME), gateway.client(OTHER), gateway.carrier(0));
    let mut octets = BytesMut::new();
    Tlv { tag: Tag::SET_DPF, value: &[1] }.encode(&mut octets);
    let data = DataSm {
        source: LongAddress { ton: 5, npi: 0, octets: b"MyBrand" },
        destination: LongAddress { ton: 1, npi: 1, octets: b"4791234567" },
        tlvs: Tlvs::decode(&octets).unwrap(),
        ..DataSm::default()
    };
    assert_eq!(gateway.ask(client, |sequence, wire| data.encode(sequence, wire)).status, 0);
    assert_eq!(gateway.take(carrier)[0].sm().tlvs.octet(Tag::SET_DPF), Some(1));
    let mut octets = BytesMut::new();
    Tlv { tag: Tag::MS_AVAILABILITY_STATUS, value: &[0] }.encode(&mut octets);
    let alert = AlertNotification {
        source: LongAddress { ton: 1, npi: 1, octets: b"+4791234567" },
        esme: LongAddress { ton: 0, npi: 0, octets: b"" },
        tlvs: Tlvs::decode(&octets).unwrap(),
    };
    let mut wire = BytesMut::new();
    alert.encode(5, &mut wire);
    assert!(gateway.send(carrier, &wire).is_empty(), "it has no response");
    let told = gateway.take(client);
    assert_eq!((told.len(), told[0].command), (1, CommandId::ALERT_NOTIFICATION));
    assert_eq!(AlertNotification::decode(&told[0].body).unwrap(), alert);
    assert!(gateway.take(other).is_empty());
    gateway.send(carrier, &wire);
    assert!(gateway.take(client).is_empty(), "once");
    assert_eq!(gateway.tally().carriers[0].1.alerts_unasked, 1);
}

#[test]
fn an_alert_for_nobody_is_counted_and_dropped() {
    let mut gateway = Gateway::new(|_| ());
    let transmitter = gateway.client_of(ACME, BindMode::Transmitter, 0x34);
    let carrier = gateway.carrier(0);
    for body in [&b"\x01\x014791234567\0\0\0\0"[..], b"", b"\x01"] {
        let mut wire = BytesMut::new();
        crate::rig::put(CommandId::ALERT_NOTIFICATION, 5, body, &mut wire);
        assert!(gateway.send(carrier, &wire).is_empty());
    }
    assert!(gateway.take(transmitter).is_empty());
    assert_eq!(gateway.tally().carriers[0].1.alerts_unasked, 3);
}
