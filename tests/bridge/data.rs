//! `data_sm` from clients and from carriers. SMPP 3.4 §4.7.

use bytes::BytesMut;
use smppgate::clock::Unix;
use smppgate::pdu::{CommandId, DataSm, LongAddress, Sm, SmResp, Tag, Time, Tlv, Tlvs};

use crate::rig::{ACME, EPOCH, Gateway, Left, put};

fn tlvs(list: &[(Tag, &[u8])]) -> BytesMut {
    let mut octets = BytesMut::new();
    for (tag, value) in list {
        Tlv { tag: *tag, value }.encode(&mut octets);
    }
    octets
}

fn data(tlvs: &BytesMut) -> DataSm<'_> {
    DataSm {
        source: LongAddress { ton: 5, npi: 0, octets: b"MyBrand" },
        destination: LongAddress { ton: 1, npi: 1, octets: b"4791234567" },
        registered_delivery: 1,
        tlvs: Tlvs::lenient(tlvs),
        ..DataSm::default()
    }
}

fn send(gateway: &mut Gateway, link: smppgate::message::LinkId, data: &DataSm<'_>) -> Left {
    gateway.ask(link, |sequence, wire| data.encode(sequence, wire))
}

#[test]
fn a_data_sm_goes_to_the_carrier_as_the_message_it_is() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let octets = tlvs(&[(Tag(0x1401), b"template"), (Tag::MESSAGE_PAYLOAD, b"hello"), (Tag::SOURCE_PORT, b"\x12\x34")]);
    let data = DataSm { service_type: b"CMT", esm_class: 0x03, data_coding: 4, ..data(&octets) };
    let answer = send(&mut gateway, client, &data);
    assert_eq!((answer.command, answer.status), (CommandId::DATA_SM_RESP, 0));
    let id = SmResp::decode(&answer.body).message_id.to_vec();
    let sent = gateway.take(carrier);
    assert_eq!(sent.len(), 1);
    let sm = sent[0].sm();
    assert_eq!(sm.text(), b"hello");
    assert_eq!(sm.tlvs.as_octets(), &octets[..], "every parameter is passed on, also unknown ones");
    assert_eq!((sm.service_type, sm.esm_class, sm.data_coding), (&b"CMT"[..], 0x03, 4));
    gateway.answer(carrier, &sent[0], 0, b"77");

    // The carrier's receipt comes as a data_sm, too.
    let octets = tlvs(&[(Tag::MESSAGE_PAYLOAD, b"id:77 stat:DELIVRD err:000")]);
    let receipt = DataSm {
        source: LongAddress { ton: 1, npi: 1, octets: b"4791234567" },
        destination: LongAddress { ton: 5, npi: 0, octets: b"MyBrand" },
        esm_class: Sm::TYPE_RECEIPT,
        tlvs: Tlvs::decode(&octets).unwrap(),
        ..DataSm::default()
    };
    let answer = send(&mut gateway, carrier, &receipt);
    assert_eq!((answer.command, answer.status), (CommandId::DATA_SM_RESP, 0));
    let told = gateway.take(client);
    let receipt = told[0].receipt();
    assert_eq!((receipt.id, receipt.state), (&id[..], 2));
}

#[test]
fn a_time_to_live_is_the_validity() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let octets = tlvs(&[(Tag::QOS_TIME_TO_LIVE, &600_u32.to_be_bytes())]);
    assert_eq!(send(&mut gateway, client, &data(&octets)).status, 0);
    let expected = Time::absolute(Unix(EPOCH.0 + 600_000));
    assert_eq!(gateway.take(carrier)[0].sm().validity_period, expected);
    let octets = tlvs(&[(Tag::QOS_TIME_TO_LIVE, &[0; 4])]);
    assert_eq!(send(&mut gateway, client, &data(&octets)).status, 0x62);
}

#[test]
fn each_field_of_a_data_sm_fails_by_its_own_status() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    let none = BytesMut::new();
    let long = LongAddress { ton: 1, npi: 1, octets: b"479123456712345678901" };
    let rows: [(u32, DataSm<'_>); 9] = [
        (0x00, data(&none)),
        (0x0A, DataSm { source: long, ..data(&none) }),
        (0x0B, DataSm { destination: long, ..data(&none) }),
        (0x0B, DataSm { destination: LongAddress::default(), ..data(&none) }),
        (0x0B, DataSm { destination: LongAddress { ton: 1, npi: 1, octets: b"12" }, ..data(&none) }),
        (0x48, DataSm { source: LongAddress { ton: 9, npi: 0, octets: b"x" }, ..data(&none) }),
        (0x50, DataSm { destination: LongAddress { ton: 9, npi: 1, octets: b"47" }, ..data(&none) }),
        (0x43, DataSm { esm_class: 0x02, ..data(&none) }),
        (0x43, DataSm { esm_class: 0x04, ..data(&none) }),
    ];
    for (status, data) in &rows {
        assert_eq!(send(&mut gateway, client, data).status, *status, "{data:?}");
    }
    // Cut, and with a parameter that runs past its end.
    for (status, body) in [(0x02, &b"\0\x05\0MyBrand\0\x01\x01"[..]), (0x15, b"seven77\0"), (0x02, b"")] {
        let answer = gateway.ask(client, |sequence, wire| put(CommandId::DATA_SM, sequence, body, wire));
        assert_eq!(answer.status, status);
    }
    let overrun = b"\0\x05\0MyBrand\0\x01\x014791234567\0\0\0\0\x04\x24\0\x09x";
    let answer = gateway.ask(client, |sequence, wire| put(CommandId::DATA_SM, sequence, overrun, wire));
    assert_eq!(answer.status, 0xC0);
}
