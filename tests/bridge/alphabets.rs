//! Texts of `data_coding` 0 between clients and carriers that mean different alphabets by it.

use smppgate::message::LinkId;
use smppgate::pdu::{Address, CommandId, ReplaceSm, Sm, Tag, Tlv, Tlvs};
use smppgate::policy::DefaultAlphabet::{self, Ascii, Gsm, Latin1, Ucs2};
use smppgate::policy::{InboundRule, Inbounds, Target};

use crate::rig::{ACME, Gateway, message};

/// A gateway between a client and a carrier with these alphabets.
fn between(client: DefaultAlphabet, carrier: DefaultAlphabet, payload: bool) -> (Gateway, LinkId, LinkId) {
    let mut gateway = Gateway::new(|policy| {
        policy.accounts[0].alphabet = client;
        let habits = &mut policy.carriers[0].habits;
        (habits.alphabet, habits.payload) = (carrier, payload);
        let to = vec![Target::parse("2440").expect("a short code")];
        let rule = InboundRule { to, keywords: Vec::new(), carriers: Vec::new(), account: 0 };
        policy.inbound = Inbounds::new(vec![rule]);
    });
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    (gateway, client, carrier)
}

#[test]
fn a_text_leaves_in_the_alphabet_of_its_carrier() {
    for (client, text, carrier, coding, expected) in [
        (Gsm, &b"a\x00\x1B\x65"[..], Gsm, 0, &b"a\x00\x1B\x65"[..]),
        (Latin1, b"a@[\xE6", Gsm, 0, b"a\x00\x1B\x3C\x1D"),
        (Latin1, b"a@[\xE6\xE7", Latin1, 0, b"a@[\xE6\xE7"),
        (Latin1, b"\xE7a", Gsm, 8, b"\0\xE7\0a"),
        (Gsm, b"\x1D\x00", Latin1, 0, b"\xE6@"),
        (Gsm, b"\x1D\x00", Ascii, 8, b"\0\xE6\0@"),
        (Ascii, b"$5", Ucs2, 0, b"\x00$\x005"),
    ] {
        let (mut gateway, link, smsc) = between(client, carrier, true);
        gateway.submit(link, &Sm { short_message: text, ..message(b"") }).unwrap();
        let sent = gateway.take(smsc).remove(0);
        assert_eq!((sent.sm().data_coding, sent.sm().short_message), (coding, expected), "{client:?} {carrier:?}");
    }
}

#[test]
fn only_data_coding_0_is_turned_and_no_national_table() {
    let (mut gateway, client, carrier) = between(Latin1, Ascii, true);
    for (data_coding, esm_class, text) in [
        (8, 0, &b"\0\xE7"[..]),
        (4, 0, b"\xE7"),
        (3, 0, b"\xE7"),
        (0, Sm::UDHI, b"\x03\x24\x01\x01\x1B\x63"),
        (0, 0, b""),
    ] {
        let sm = Sm { data_coding, esm_class, short_message: text, ..message(b"") };
        gateway.submit(client, &sm).unwrap();
        let sent = gateway.take(carrier).remove(0);
        assert_eq!((sent.sm().data_coding, sent.sm().short_message), (data_coding, text));
    }
}

#[test]
fn a_text_is_cut_by_the_room_it_takes_on_the_air() {
    let (mut gateway, client, carrier) = between(Latin1, Gsm, false);
    // Two septets each.
    gateway.submit(client, &Sm { short_message: &[b'['; 100], ..message(b"") }).unwrap();
    let words: Vec<usize> = gateway.take(carrier).iter().map(|left| left.sm().text().len()).collect();
    assert_eq!(words, [158, 54], "with a header of six octets each");
    gateway.submit(client, &Sm { short_message: &[b'['; 150], ..message(b"") }).unwrap();
    let words: Vec<usize> = gateway.take(carrier).iter().map(|left| left.sm().words().len()).collect();
    assert_eq!(words, [152, 148]);
    let mut tlvs = Vec::new();
    Tlv { tag: Tag::MESSAGE_PAYLOAD, value: &[0xE7; 80] }.encode(&mut tlvs);
    gateway.submit(client, &Sm { tlvs: Tlvs::lenient(&tlvs), ..message(b"") }).unwrap();
    let sent = gateway.take(carrier);
    let words: Vec<_> = sent.iter().map(|left| (left.sm().data_coding, left.sm().words().len())).collect();
    assert_eq!(words, [(8, 134), (8, 26)]);
}

#[test]
fn a_part_that_has_no_room_for_ucs2_gets_question_marks() {
    let (mut gateway, client, carrier) = between(Latin1, Gsm, true);
    for (length, coding) in [(67, 8), (68, 0)] {
        let text = [&b"\x05\x00\x03\x07\x02\x01\xE7"[..], &vec![b'x'; length - 1]].concat();
        gateway.submit(client, &Sm { esm_class: Sm::UDHI, short_message: &text, ..message(b"") }).unwrap();
        let sent = gateway.take(carrier).remove(0);
        assert_eq!(sent.sm().data_coding, coding);
        assert_eq!(sent.sm().part().map(|part| part.number), Some(1));
        assert_eq!(sent.sm().words().first(), Some(if coding == 0 { &b'?' } else { &0 }));
    }
}

#[test]
fn a_replacement_is_read_as_the_text_before_it_was_written() {
    let (mut gateway, client, link) = between(Latin1, Gsm, true);
    gateway.give(smppgate::bridge::Input::Closed { link });
    let id = gateway.submit(client, &Sm { short_message: b"\xE7", ..message(b"") }).unwrap();
    let source = message(b"").source;
    let replace = ReplaceSm { message_id: &id, source, short_message: b"\xE6", ..ReplaceSm::default() };
    assert_eq!(gateway.ask(client, |sequence, wire| replace.encode(sequence, wire)).status, 0);
    gateway.restart();
    let carrier = gateway.carrier(0);
    let sent = gateway.take(carrier).remove(0);
    assert_eq!((sent.sm().data_coding, sent.sm().short_message), (0, &b"\x1D"[..]));
}

#[test]
fn a_message_from_a_handset_comes_in_the_alphabet_of_its_account() {
    for (carrier, text, client, coding, expected) in [
        (Latin1, &b"\xE6@"[..], Gsm, 0, &b"\x1D\x00"[..]),
        (Gsm, b"\x1D\x00\x1B\x65", Latin1, 8, b"\0\xE6\0@\x20\xAC"),
        (Latin1, b"\xE7", Latin1, 8, b"\0\xE7"),
        (Ucs2, b"\0h\0i", Ascii, 0, b"hi"),
    ] {
        let (mut gateway, link, smsc) = between(client, carrier, true);
        let sm = Sm {
            source: Address::new(1, 1, b"4791234567").expect("a short number"),
            destination: Address::new(0, 0, b"2440").expect("a short code"),
            short_message: text,
            ..Sm::default()
        };
        let answer = gateway.ask(smsc, |sequence, wire| sm.encode(CommandId::DELIVER_SM, sequence, wire));
        assert_eq!(answer.status, 0);
        let left = gateway.take(link).remove(0);
        assert_eq!((left.sm().data_coding, left.sm().short_message), (coding, expected), "{carrier:?} {client:?}");
    }
}
