//! Texts in `message_payload` for carriers that do not take it: cut on acceptance, one message for the client.

use smppgate::message::{AccountId, LinkId};
use smppgate::pdu::{
    Address, CancelSm, CommandId, DataSm, Destination, Destinations, LongAddress, QuerySm, QuerySmResp, ReplaceSm, Sm,
    SubmitMulti, SubmitMultiResp, Tag, Tlv, Tlvs,
};
use smppgate::policy::{Number, Rate, Wanted};
use smppgate::session::BindMode;

use crate::rig::{ACME, Gateway, Left, message};

/// A gateway whose carrier takes no `message_payload`, a client and the carrier's link.
fn gateway() -> (Gateway, LinkId, LinkId) {
    let mut gateway = Gateway::new(|policy| policy.carriers[0].habits.payload = false);
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    (gateway, client, carrier)
}

fn payload(text: &[u8]) -> Vec<u8> {
    let mut tlvs = Vec::new();
    Tlv { tag: Tag(0x1400), value: b"entity" }.encode(&mut tlvs);
    Tlv { tag: Tag::MESSAGE_PAYLOAD, value: text }.encode(&mut tlvs);
    tlvs
}

fn submit(gateway: &mut Gateway, client: LinkId, text: &[u8], sm: &Sm<'_>) -> Result<Vec<u8>, u32> {
    let tlvs = payload(text);
    gateway.submit(client, &Sm { short_message: b"", tlvs: Tlvs::lenient(&tlvs), ..*sm })
}

/// The carrier reports the end of what it got as `id`.
fn report(gateway: &mut Gateway, carrier: LinkId, sent: &Left, text: &str) {
    let (sm, text) = (sent.sm(), text.as_bytes());
    let receipt =
        Sm { source: sm.destination, destination: sm.source, esm_class: 4, short_message: text, ..Sm::default() };
    gateway.ask(carrier, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire));
}

/// Takes what left for the carrier, and answers it with the ids `c0`, `c1` and so on.
fn answer_all(gateway: &mut Gateway, carrier: LinkId) -> Vec<Left> {
    let sent = gateway.take(carrier);
    for (number, left) in sent.iter().enumerate() {
        gateway.answer(carrier, left, 0, format!("c{number}").as_bytes());
    }
    sent
}

fn state(gateway: &mut Gateway, client: LinkId, id: &[u8]) -> u8 {
    let query = QuerySm { message_id: id, source: message(b"").source };
    let answer = gateway.ask(client, |sequence, wire| query.encode(sequence, wire));
    assert_eq!(answer.status, 0);
    QuerySmResp::decode(&answer.body).expect("a whole answer").message_state
}

fn cancel(gateway: &mut Gateway, client: LinkId, id: &[u8]) -> u32 {
    let cancel = CancelSm { message_id: id, source: message(b"").source, ..CancelSm::default() };
    gateway.ask(client, |sequence, wire| cancel.encode(sequence, wire)).status
}

/// Id, state and error of the one receipt that left for the client.
fn told(gateway: &mut Gateway, client: LinkId) -> (Vec<u8>, u8, u16) {
    let left = gateway.take(client);
    assert_eq!(left.len(), 1, "one receipt for the whole: {left:?}");
    let receipt = left[0].receipt();
    (receipt.id.to_vec(), receipt.state, receipt.error)
}

#[test]
fn a_text_is_cut_by_its_coding_and_has_one_id_and_one_receipt() {
    for (coding, text, lengths) in [
        (0, vec![b'x'; 400], vec![153, 153, 94]),
        (8, [0x04, 0x16].repeat(100), vec![134, 66]),
        (4, vec![7; 268], vec![134, 134]),
    ] {
        let (mut gateway, client, carrier) = gateway();
        let id = submit(&mut gateway, client, &text, &Sm { data_coding: coding, ..message(b"") }).unwrap();
        let sent = answer_all(&mut gateway, carrier);
        let words: Vec<usize> = sent.iter().map(|left| left.sm().words().len()).collect();
        assert_eq!(words, lengths);
        assert_eq!(sent.iter().flat_map(|left| left.sm().words().to_vec()).collect::<Vec<_>>(), text);
        for (number, left) in (1..).zip(&sent) {
            let part = left.sm().part().unwrap();
            assert_eq!((usize::from(part.total), part.number), (lengths.len(), number));
            assert_eq!(part.reference, sent[0].sm().part().unwrap().reference);
            assert_eq!(left.sm().tlvs.iter().map(|tlv| tlv.tag).collect::<Vec<_>>(), [Tag(0x1400)]);
            assert_eq!((left.sm().data_coding, left.sm().esm_class), (coding, Sm::UDHI));
        }
        for (number, left) in sent.iter().enumerate() {
            assert_eq!(state(&mut gateway, client, &id), 1, "ENROUTE until all have ended");
            assert_eq!(gateway.take(client).len(), 0);
            report(&mut gateway, carrier, left, &format!("id:c{number} stat:DELIVRD err:000"));
        }
        assert_eq!(told(&mut gateway, client), (id.clone(), 2, 0));
        assert_eq!(state(&mut gateway, client, &id), 2);
        let after = gateway.submit(client, &message(b"after")).unwrap();
        assert_ne!(after, id);
    }
}

#[test]
fn what_fits_one_message_and_what_its_carrier_takes_is_not_cut() {
    let (mut gateway, client, carrier) = gateway();
    submit(&mut gateway, client, &[b'x'; 160], &message(b"")).unwrap();
    let left = gateway.take(carrier).remove(0);
    assert_eq!((left.sm().short_message.len(), left.sm().esm_class), (160, 0));
    assert_eq!(left.sm().tlvs.find(Tag::MESSAGE_PAYLOAD), None);
    // Two national tables are in the client's own header.
    let text = [&b"\x06\x24\x01\x01\x25\x01\x01"[..], &[b'x'; 152]].concat();
    submit(&mut gateway, client, &text, &Sm { esm_class: Sm::UDHI, ..message(b"") }).unwrap();
    assert_eq!(gateway.take(carrier)[0].sm().short_message, text);
    let mut other = Gateway::new(|_| ());
    let (client, carrier) = (other.client(ACME), other.carrier(0));
    submit(&mut other, client, &[b'x'; 400], &message(b"")).unwrap();
    assert_eq!(other.take(carrier)[0].sm().text().len(), 400);
}

#[test]
fn a_data_sm_is_cut_too() {
    let (mut gateway, client, carrier) = gateway();
    let tlvs = payload(&[b'x'; 161]);
    let data = DataSm {
        source: LongAddress { ton: 5, npi: 0, octets: b"MyBrand" },
        destination: LongAddress { ton: 1, npi: 1, octets: b"4791234567" },
        tlvs: Tlvs::lenient(&tlvs),
        ..DataSm::default()
    };
    assert_eq!(gateway.ask(client, |sequence, wire| data.encode(sequence, wire)).status, 0);
    assert_eq!(gateway.take(carrier).len(), 2);
}

#[test]
fn a_part_that_the_client_cut_is_moved_and_never_cut() {
    let (mut gateway, client, carrier) = gateway();
    let part = |length: usize| [&b"\x05\x00\x03\x07\x02\x01"[..], &vec![b'x'; length]].concat();
    let udh = Sm { esm_class: Sm::UDHI, ..message(b"") };
    submit(&mut gateway, client, &part(248), &udh).unwrap();
    assert_eq!(gateway.take(carrier)[0].sm().short_message, part(248));
    assert_eq!(submit(&mut gateway, client, &part(249), &udh), Err(0x01));
    let mut tlvs = payload(&[b'x'; 200]);
    for (tag, value) in
        [(Tag::SAR_MSG_REF_NUM, &[0, 1][..]), (Tag::SAR_TOTAL_SEGMENTS, &[2]), (Tag::SAR_SEGMENT_SEQNUM, &[1])]
    {
        Tlv { tag, value }.encode(&mut tlvs);
    }
    gateway.submit(client, &Sm { tlvs: Tlvs::lenient(&tlvs), ..message(b"") }).unwrap();
    let left = gateway.take(carrier).remove(0);
    assert_eq!((left.sm().short_message.len(), left.sm().part().unwrap().total), (200, 2));
    assert_eq!(submit(&mut gateway, client, &[b'x'; 255 * 153 + 1], &message(b"")), Err(0x01), "more than 255");
}

#[test]
fn the_worst_part_decides_over_restarts_too() {
    for (ends, expected) in [
        ([("DELIVRD", 0), ("UNDELIV", 34), ("EXPIRED", 7)], (5, 34)),
        ([("EXPIRED", 7), ("DELIVRD", 0), ("DELIVRD", 0)], (3, 7)),
        ([("UNDELIV", 1), ("UNDELIV", 2), ("REJECTD", 3)], (8, 3)),
        ([("UNDELIV", 1), ("UNDELIV", 2), ("DELIVRD", 0)], (5, 1)),
        ([("DELIVRD", 0), ("DELIVRD", 0), ("DELIVRD", 0)], (2, 0)),
    ] {
        for restart_after in 0..=3 {
            let (mut gateway, mut client, mut carrier) = gateway();
            let id = submit(&mut gateway, client, &[b'x'; 400], &message(b"")).unwrap();
            let sent = answer_all(&mut gateway, carrier);
            for (number, (left, (stat, error))) in sent.iter().zip(ends).enumerate() {
                if number == restart_after {
                    gateway.restart();
                    (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
                }
                assert_eq!(gateway.take(client).len(), 0);
                report(&mut gateway, carrier, left, &format!("id:c{number} stat:{stat} err:{error:03}"));
            }
            if restart_after == 3 {
                // The receipt was on its way, and comes again.
                gateway.restart();
                client = gateway.client(ACME);
            }
            let receipt = gateway.take(client).remove(0);
            let told = receipt.receipt();
            assert_eq!((told.id, told.state, told.error), (&id[..], expected.0, expected.1), "{ends:?}");
            gateway.answer(client, &receipt, 0, b"");
            gateway.restart();
            let client = gateway.client(ACME);
            assert_eq!(gateway.take(client).len(), 0, "it was taken");
            assert_eq!(state(&mut gateway, client, &id), expected.0);
            gateway.later(120);
            assert_eq!(gateway.tally().messages_live, 0);
            assert_eq!(state(&mut gateway, client, &id), expected.0, "from the archive");
        }
    }
}

#[test]
fn the_client_hears_of_the_whole_what_it_asked_for() {
    for (registered_delivery, stat, expected) in [
        (0, "UNDELIV", false),
        (1, "DELIVRD", true),
        (2, "DELIVRD", false),
        (2, "UNDELIV", true),
        (3, "UNDELIV", false),
    ] {
        let (mut gateway, client, carrier) = gateway();
        submit(&mut gateway, client, &[b'x'; 200], &Sm { registered_delivery, ..message(b"") }).unwrap();
        let sent = answer_all(&mut gateway, carrier);
        report(&mut gateway, carrier, &sent[0], "id:c0 stat:DELIVRD err:000");
        report(&mut gateway, carrier, &sent[1], &format!("id:c1 stat:{stat} err:000"));
        assert_eq!(gateway.take(client).len() == 1, expected, "{registered_delivery} {stat}");
        gateway.later(120);
        assert_eq!(gateway.tally().messages_live == 0, !expected);
    }
}

#[test]
fn a_whole_is_cancelled_as_one_and_not_once_a_part_has_left() {
    let mut gateway =
        Gateway::new(|policy| (policy.carriers[0].habits.payload, policy.carriers[0].window) = (false, 1));
    let client = gateway.client_of(ACME, BindMode::Transmitter, 0x34);
    let receiver = gateway.client_of(ACME, BindMode::Receiver, 0x34);
    let id = submit(&mut gateway, client, &[b'x'; 400], &message(b"")).unwrap();
    assert_eq!(gateway.tally().messages_waiting, 3);
    assert_eq!(cancel(&mut gateway, client, &id), 0);
    assert_eq!(gateway.tally().messages_waiting, 0);
    assert_eq!(told(&mut gateway, receiver), (id, 4, 0));
    // By addresses.
    let id = submit(&mut gateway, client, &[b'x'; 400], &message(b"")).unwrap();
    let sm = message(b"");
    let by_address = CancelSm { source: sm.source, destination: sm.destination, ..CancelSm::default() };
    assert_eq!(gateway.ask(client, |sequence, wire| by_address.encode(sequence, wire)).status, 0);
    assert_eq!(told(&mut gateway, receiver), (id, 4, 0));
    let id = submit(&mut gateway, client, &[b'x'; 400], &message(b"")).unwrap();
    let carrier = gateway.carrier(0);
    assert_eq!(gateway.take(carrier).len(), 1);
    assert_eq!(cancel(&mut gateway, client, &id), 0x11);
    assert_eq!(gateway.ask(client, |sequence, wire| by_address.encode(sequence, wire)).status, 0x11);
    assert_eq!(gateway.tally().messages_waiting, 2);
}

#[test]
fn a_replacement_is_cut_into_no_more_parts_than_there_are() {
    let (mut gateway, client, link) = gateway();
    gateway.give(smppgate::bridge::Input::Closed { link });
    let source = message(b"").source;
    let replace = |gateway: &mut Gateway, id: &[u8], text: &[u8]| {
        let tlvs = payload(text);
        let long = text.len() > 254;
        let replace = ReplaceSm {
            message_id: id,
            source,
            registered_delivery: 1,
            short_message: if long { b"" } else { text },
            tlvs: if long { Tlvs::lenient(&tlvs) } else { Tlvs::NONE },
            ..ReplaceSm::default()
        };
        gateway.ask(client, |sequence, wire| replace.encode(sequence, wire)).status
    };
    let id = submit(&mut gateway, client, &[b'x'; 400], &message(b"")).unwrap();
    assert_eq!(replace(&mut gateway, &id, &[b'y'; 500]), 0x13);
    assert_eq!(replace(&mut gateway, &id, &[b'y'; 300]), 0);
    assert_eq!(gateway.tally().messages_waiting, 2);
    gateway.restart();
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let sent = answer_all(&mut gateway, carrier);
    assert_eq!(sent.iter().map(|left| left.sm().words().len()).collect::<Vec<_>>(), [153, 147]);
    report(&mut gateway, carrier, &sent[0], "id:c0 stat:DELIVRD err:000");
    assert_eq!(gateway.take(client).len(), 0);
    report(&mut gateway, carrier, &sent[1], "id:c1 stat:DELIVRD err:000");
    assert_eq!(told(&mut gateway, client), (id, 2, 0));
}

#[test]
fn a_whole_replaced_by_a_short_text_is_a_message_like_others() {
    for by_flag in [false, true] {
        let (mut gateway, client, link) = gateway();
        gateway.give(smppgate::bridge::Input::Closed { link });
        let id = submit(&mut gateway, client, &[b'x'; 400], &message(b"")).unwrap();
        if by_flag {
            let sm = Sm { replace_if_present_flag: 1, ..message(b"short") };
            assert_eq!(gateway.submit(client, &sm).as_ref(), Ok(&id));
        } else {
            let source = message(b"").source;
            let replace = ReplaceSm {
                message_id: &id,
                source,
                registered_delivery: 1,
                short_message: b"short",
                ..ReplaceSm::default()
            };
            assert_eq!(gateway.ask(client, |sequence, wire| replace.encode(sequence, wire)).status, 0);
        }
        gateway.restart();
        let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        let sent = answer_all(&mut gateway, carrier);
        assert_eq!((sent.len(), sent[0].sm().short_message, sent[0].sm().esm_class), (1, &b"short"[..], 0));
        report(&mut gateway, carrier, &sent[0], "id:c0 stat:DELIVRD err:000");
        let receipt = gateway.take(client).remove(0);
        assert_eq!((receipt.receipt().id, receipt.receipt().state), (&id[..], 2));
        gateway.answer(client, &receipt, 0, b"");
        gateway.later(120);
        assert_eq!(gateway.tally().messages_live, 0);
    }
}

#[test]
fn each_recipient_of_a_submit_multi_has_a_whole_of_its_own() {
    let (mut gateway, client, carrier) = gateway();
    let to = |number: &[u8]| Destination::Sme(Address::new(1, 1, number).expect("a short number"));
    let numbers: Vec<Vec<u8>> = (0..100).map(|n| format!("47912345{n:02}").into_bytes()).collect();
    let list: Vec<Destination<'_>> = numbers.iter().map(|number| to(number)).collect();
    let mut octets = Vec::new();
    let tlvs = payload(&[b'x'; 400]);
    let sm = Sm { tlvs: Tlvs::lenient(&tlvs), ..message(b"") };
    let multi = SubmitMulti { destinations: Destinations::write(&list, &mut octets).expect("a hundred"), sm };
    let answer = gateway.ask(client, |sequence, wire| multi.encode(sequence, wire));
    let response = SubmitMultiResp::decode(&answer.body);
    let failures: Vec<u32> = response.failures().map(|failure| failure.status.0).collect();
    assert_eq!((answer.status, failures.len()), (0, 15), "85 times 3 ids are in a row of 256");
    assert!(failures.iter().all(|status| *status == 0x58), "they may be sent again");
    let id = response.message_id.to_vec();
    let sent = answer_all(&mut gateway, carrier);
    assert_eq!(sent.len(), 200, "the window");
    for (number, left) in sent.iter().take(6).enumerate() {
        let stat = if number == 4 { "UNDELIV" } else { "DELIVRD" };
        report(&mut gateway, carrier, left, &format!("id:c{number} stat:{stat} err:000"));
    }
    let receipts = gateway.take(client);
    let told: Vec<(&[u8], u8, Vec<u8>)> = receipts
        .iter()
        .map(|left| (left.receipt().id, left.receipt().state, left.sm().source.octets().to_vec()))
        .collect();
    assert_eq!(told, [(&id[..], 2, numbers[0].clone()), (&id[..], 5, numbers[1].clone())]);
}

#[test]
fn an_erased_whole_leaves_nothing_to_wait_for() {
    for ended in 0..3 {
        let (mut gateway, client, carrier) = gateway();
        submit(&mut gateway, client, &[b'x'; 400], &message(b"")).unwrap();
        let sent = gateway.take(carrier);
        // The last one stays with its carrier's link until that is answered.
        for (number, left) in sent.iter().enumerate().take(2) {
            gateway.answer(carrier, left, 0, format!("c{number}").as_bytes());
        }
        for (number, left) in sent.iter().enumerate().take(ended) {
            report(&mut gateway, carrier, left, &format!("id:c{number} stat:DELIVRD err:000"));
        }
        let number = Number::international("+4791234567").expect("a number");
        let wanted = Wanted::number(AccountId(ACME), None, number, gateway.holds.key().clone());
        let cleared = gateway.erase_journal(&wanted);
        assert_eq!((cleared.sent, cleared.ended), (3 - ended as u64, ended as u64));
        gateway.answer(carrier, &sent[2], 0, b"c2");
        report(&mut gateway, carrier, &sent[2], "id:c2 stat:DELIVRD err:000");
        gateway.later(120);
        assert_eq!((gateway.take(client).len(), gateway.tally().messages_live), (0, 0), "{ended}");
        let account = &gateway.tally().accounts[0].1;
        assert_eq!((account.finals.iter().sum::<u64>(), account.receipts_owed), (3, 0));
        gateway.restart();
        assert_eq!(gateway.tally().messages_live, 0);
    }
}

#[test]
fn rates_count_parts_and_refuse_the_whole() {
    let mut gateway = Gateway::new(|policy| {
        policy.carriers[0].habits.payload = false;
        policy.accounts[0].rate = Some(Rate::per_second(4));
    });
    let client = gateway.client(ACME);
    submit(&mut gateway, client, &[b'x'; 400], &message(b"")).unwrap();
    assert_eq!(submit(&mut gateway, client, &[b'x'; 400], &message(b"")), Err(0x58));
    gateway.submit(client, &message(b"the fourth")).unwrap();
    assert_eq!(gateway.tally().messages_waiting, 4);
}
