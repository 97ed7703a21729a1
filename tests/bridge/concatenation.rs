//! Long messages that clients cut: charged as one, and together on their way.

use smppgate::bridge::Input;
use smppgate::message::LinkId;
use smppgate::pdu::{CommandStatus, Sm, Tag, Tlv, Tlvs};
use smppgate::policy::{Carrier, OverRate, Policy, Rate, Remedy, Route, Routes, Statuses, Tiers};

use crate::rig::{ACME, Gateway, message};

/// Submits a part joined by a user data header; the status.
fn submit(gateway: &mut Gateway, client: LinkId, reference: u8, total: u8, number: u8) -> u32 {
    let text = [0x05, 0x00, 0x03, reference, total, number, b'x'];
    let sm = Sm { esm_class: Sm::UDHI, short_message: &text, ..message(b"") };
    gateway.submit(client, &sm).err().unwrap_or(0)
}

/// Submits a part joined by optional parameters; the status.
fn submit_sar(gateway: &mut Gateway, client: LinkId, reference: u16, total: u8, number: u8) -> u32 {
    let mut tlvs = Vec::new();
    Tlv { tag: Tag::SAR_MSG_REF_NUM, value: &reference.to_be_bytes() }.encode(&mut tlvs);
    Tlv { tag: Tag::SAR_TOTAL_SEGMENTS, value: &[total] }.encode(&mut tlvs);
    Tlv { tag: Tag::SAR_SEGMENT_SEQNUM, value: &[number] }.encode(&mut tlvs);
    gateway.submit(client, &Sm { tlvs: Tlvs::lenient(&tlvs), ..message(b"part") }).err().unwrap_or(0)
}

fn with_route(policy: &mut Policy, change: impl FnOnce(&mut Route)) {
    let mut route = policy.routes.list()[0].clone();
    change(&mut route);
    policy.routes = Routes::new(vec![route]).expect("one route");
}

pub(crate) fn with_second(policy: &mut Policy) {
    let second = Carrier { name: "second".to_owned(), ..policy.carriers[0].clone() };
    policy.carriers.push(second);
    with_route(policy, |route| route.carriers = Tiers::in_order(&[0, 1]));
}

/// Numbers of the parts that left for a link; 0 for a message that is no part.
fn numbers(gateway: &mut Gateway, link: LinkId) -> Vec<u8> {
    gateway.take(link).iter().map(|left| left.sm().part().map_or(0, |part| part.number)).collect()
}

#[test]
fn all_parts_are_charged_to_the_account_with_the_first_that_comes() {
    let mut gateway = Gateway::new(|policy| policy.accounts[0].rate = Some(Rate::per_second(5)));
    let client = gateway.client(ACME);
    let status = |gateway: &mut Gateway, reference, number| submit(gateway, client, reference, 4, number);
    assert_eq!(status(&mut gateway, 1, 2), 0);
    gateway.submit(client, &message(b"the fifth")).unwrap();
    assert_eq!(gateway.submit(client, &message(b"the sixth")), Err(0x58));
    assert_eq!([1, 3, 4].map(|number| status(&mut gateway, 1, number)), [0; 3], "they are paid");
    assert_eq!([1, 2].map(|number| status(&mut gateway, 2, number)), [0x58; 2], "another message is not");
    gateway.later(1);
    assert_eq!([2, 1, 3, 4].map(|number| status(&mut gateway, 2, number)), [0; 4]);
    assert_eq!(status(&mut gateway, 2, 1), 0x58, "a part that came begins another message");
    // More parts than the rate has room for at once are paid off afterwards.
    gateway.later(10);
    assert_eq!((1..=9).map(|number| submit(&mut gateway, client, 3, 9, number)).max(), Some(0));
    assert_eq!(gateway.submit(client, &message(b"not yet")), Err(0x58));
}

#[test]
fn parts_are_paid_for_some_minutes_and_across_a_restart() {
    let mut gateway = Gateway::new(|policy| policy.accounts[0].rate = Some(Rate::per_second(3)));
    let client = gateway.client(ACME);
    assert_eq!(submit_sar(&mut gateway, client, 700, 3, 1), 0);
    gateway.restart();
    let client = gateway.client(ACME);
    for text in [&b"a"[..], b"b", b"c"] {
        gateway.submit(client, &message(text)).unwrap();
    }
    assert_eq!(submit_sar(&mut gateway, client, 700, 3, 2), 0);
    gateway.later(299);
    for text in [&b"a"[..], b"b", b"c"] {
        gateway.submit(client, &message(text)).unwrap();
    }
    assert_eq!(submit_sar(&mut gateway, client, 700, 3, 3), 0);
    gateway.later(2);
    gateway.submit(client, &message(b"one of three")).unwrap();
    assert_eq!(submit_sar(&mut gateway, client, 700, 3, 3), 0x58, "it is nobody's part any more");
}

#[test]
fn a_country_refuses_or_defers_the_message_as_a_whole() {
    for over_rate in [OverRate::Throttle, OverRate::Defer] {
        let mut gateway = Gateway::new(|policy| {
            with_route(policy, |route| (route.rate, route.over_rate) = (Some(Rate::per_second(4)), over_rate));
        });
        let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        gateway.submit(client, &message(b"before")).unwrap();
        gateway.submit(client, &message(b"before")).unwrap();
        assert_eq!(gateway.take(carrier).len(), 2);
        let statuses = [1, 2, 3].map(|number| submit(&mut gateway, client, 1, 3, number));
        let waits = over_rate == OverRate::Defer;
        assert_eq!(statuses, if waits { [0; 3] } else { [0x58; 3] });
        assert_eq!(numbers(&mut gateway, carrier), [0; 0], "not one of them");
        gateway.later(1);
        assert_eq!(numbers(&mut gateway, carrier), if waits { vec![1, 2, 3] } else { vec![] });
    }
}

#[test]
fn parts_follow_the_first_to_its_carrier_and_all_that_remain_to_the_next() {
    let mut gateway = Gateway::new(with_second);
    let client = gateway.client(ACME);
    let second = gateway.carrier(1);
    let part = |gateway: &mut Gateway, number| assert_eq!(submit(gateway, client, 9, 5, number), 0);
    part(&mut gateway, 1);
    assert_eq!(numbers(&mut gateway, second), [1]);
    let first = gateway.carrier(0);
    part(&mut gateway, 2);
    gateway.submit(client, &message(b"single")).unwrap();
    part(&mut gateway, 3);
    assert_eq!((numbers(&mut gateway, first), numbers(&mut gateway, second)), (vec![0], vec![2, 3]));
    gateway.give(Input::Closed { link: second });
    assert_eq!(numbers(&mut gateway, first), [0; 0], "what the carrier may have rests a while");
    part(&mut gateway, 4);
    let second = gateway.carrier(1);
    part(&mut gateway, 5);
    assert_eq!(numbers(&mut gateway, first), [4, 5]);
    assert_eq!(numbers(&mut gateway, second), [0; 0]);
}

#[test]
fn a_part_refused_for_the_next_carrier_takes_the_others_there() {
    let mut gateway = Gateway::new(|policy| {
        with_second(policy);
        policy.carriers[0].habits.statuses = Statuses::with([(CommandStatus(0x400), Remedy::FailOver)]);
    });
    let client = gateway.client(ACME);
    let (first, second) = (gateway.carrier(0), gateway.carrier(1));
    assert_eq!(submit(&mut gateway, client, 9, 2, 1), 0);
    let sent = gateway.take(first).remove(0);
    gateway.answer(first, &sent, 0x400, b"");
    assert_eq!(numbers(&mut gateway, second), [1]);
    assert_eq!(submit(&mut gateway, client, 9, 2, 2), 0);
    assert_eq!((numbers(&mut gateway, first), numbers(&mut gateway, second)), (vec![], vec![2]));
}

#[test]
fn parts_take_the_same_link_while_it_has_room() {
    let mut gateway = Gateway::new(|policy| policy.carriers[0].window = 3);
    let client = gateway.client(ACME);
    let links = [gateway.carrier(0), gateway.carrier(0)];
    for number in 1..=4 {
        assert_eq!(submit(&mut gateway, client, 9, 5, number), 0);
    }
    let mut went = links.map(|link| numbers(&mut gateway, link));
    went.sort();
    assert_eq!(went, [vec![1, 2, 3], vec![4]]);
}

#[test]
fn after_a_restart_parts_still_follow() {
    let mut gateway = Gateway::new(with_second);
    let client = gateway.client(ACME);
    let second = gateway.carrier(1);
    assert_eq!(submit(&mut gateway, client, 9, 2, 1), 0);
    let sent = gateway.take(second).remove(0);
    gateway.answer(second, &sent, 0, b"c1");
    gateway.restart();
    let client = gateway.client(ACME);
    let (first, second) = (gateway.carrier(0), gateway.carrier(1));
    assert_eq!(submit(&mut gateway, client, 9, 2, 2), 0);
    assert_eq!((numbers(&mut gateway, first), numbers(&mut gateway, second)), (vec![], vec![2]));
}
