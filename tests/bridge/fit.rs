//! Texts in `message_payload` that wait when their carrier ceases to take it.

use smppgate::message::LinkId;
use smppgate::pdu::{Sm, Tag, Tlv, Tlvs};
use smppgate::policy::{Destinations, OverRate, Policy, Route, Routes, Tiers, When};

use crate::rig::{ACME, Gateway, message};

/// `err` of a message that no carrier of its route could take.
const NO_CARRIER: u16 = 902;

/// Submits a text in `message_payload`; its id.
fn submit(gateway: &mut Gateway, client: LinkId, text: &[u8]) -> Vec<u8> {
    let mut tlvs = Vec::new();
    Tlv { tag: Tag(0x1400), value: b"entity" }.encode(&mut tlvs);
    Tlv { tag: Tag::MESSAGE_PAYLOAD, value: text }.encode(&mut tlvs);
    gateway.submit(client, &Sm { tlvs: Tlvs::lenient(&tlvs), ..message(b"") }).expect("accepted")
}

/// Two carriers, the first preferred, and one client with a long text that waits for them.
fn two() -> (Gateway, LinkId, Vec<u8>) {
    let mut gateway = Gateway::new(|policy| {
        let mut second = policy.carriers[0].clone();
        "second".clone_into(&mut second.name);
        policy.carriers.push(second);
        lead(policy, &[0, 1]);
    });
    let client = gateway.client(ACME);
    let id = submit(&mut gateway, client, &[b'x'; 400]);
    (gateway, client, id)
}

fn lead(policy: &mut Policy, carriers: &[u16]) {
    let route = Route {
        destinations: Destinations::Rest,
        when: When::default(),
        carriers: Tiers::in_order(carriers),
        rate: None,
        over_rate: OverRate::Defer,
    };
    policy.routes = Routes::new(vec![route]).expect("one route");
}

/// Octets of text of each message that left for the link; each is accepted there.
fn left(gateway: &mut Gateway, link: LinkId) -> Vec<usize> {
    let sent = gateway.take(link);
    sent.iter().for_each(|left| gateway.answer(link, left, 0, b"1"));
    sent.iter().map(|left| left.sm().text().len()).collect()
}

fn refuses_payload(carrier: usize) -> impl FnOnce(&mut Policy) {
    move |policy| policy.carriers[carrier].habits.payload = false
}

#[test]
fn a_text_that_is_one_short_message_goes_as_such() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(ACME);
    submit(&mut gateway, client, &[b'x'; 160]);
    gateway.reload(refuses_payload(0));
    let carrier = gateway.carrier(0);
    let sent = gateway.take(carrier);
    assert_eq!((sent.len(), sent[0].sm().short_message.len()), (1, 160));
    assert_eq!(sent[0].sm().tlvs.iter().map(|tlv| tlv.tag).collect::<Vec<_>>(), [Tag(0x1400)]);
}

#[test]
fn one_that_nobody_takes_ends_and_lets_others_pass() {
    for restarts in [false, true] {
        let mut gateway = Gateway::new(|_| ());
        let mut client = gateway.client(ACME);
        let id = submit(&mut gateway, client, &[b'x'; 161]);
        gateway.submit(client, &message(b"short")).expect("accepted");
        gateway.reload(refuses_payload(0));
        if restarts {
            gateway.restart();
            client = gateway.client(ACME);
        }
        let carrier = gateway.carrier(0);
        assert_eq!(left(&mut gateway, carrier), [5], "the other message");
        let told = gateway.take(client);
        assert_eq!(told.len(), 1);
        let receipt = told[0].receipt();
        assert_eq!((receipt.id, receipt.state, receipt.error), (&id[..], 5, NO_CARRIER));
        assert_eq!(gateway.tally().messages_waiting, 0);
    }
}

#[test]
fn the_next_carrier_that_takes_it_gets_it() {
    for restarts in [false, true] {
        let (mut gateway, ..) = two();
        gateway.reload(refuses_payload(0));
        if restarts {
            gateway.restart();
        }
        let second = gateway.carrier(1);
        let first = gateway.carrier(0);
        assert_eq!([first, second].map(|link| left(&mut gateway, link)), [vec![], vec![400]]);
        assert_eq!(gateway.tally().messages_waiting, 0);
    }
}

#[test]
fn it_waits_for_a_carrier_that_takes_it_and_is_away() {
    let (mut gateway, client, _) = two();
    gateway.reload(refuses_payload(1));
    let second = gateway.carrier(1);
    gateway.submit(client, &message(b"short")).expect("accepted");
    assert_eq!(left(&mut gateway, second), [5], "the other message");
    gateway.later(300);
    assert_eq!((left(&mut gateway, second), gateway.tally().messages_waiting), (vec![], 1));
    let first = gateway.carrier(0);
    gateway.later(60);
    assert_eq!([first, second].map(|link| left(&mut gateway, link)), [vec![400], vec![]]);
}

#[test]
fn the_carrier_that_it_waits_for_may_be_the_next_one() {
    let (mut gateway, ..) = two();
    gateway.reload(refuses_payload(0));
    let first = gateway.carrier(0);
    gateway.later(300);
    assert_eq!((left(&mut gateway, first), gateway.tally().messages_waiting), (vec![], 1));
    let second = gateway.carrier(1);
    gateway.later(60);
    assert_eq!([first, second].map(|link| left(&mut gateway, link)), [vec![], vec![400]]);
}

#[test]
fn it_is_tried_again_where_the_next_carrier_would_not_take_it() {
    let (mut gateway, client, id) = two();
    let first = gateway.carrier(0);
    let second = gateway.carrier(1);
    gateway.reload(refuses_payload(1));
    let mut attempts = 0;
    while let Some(sent) = gateway.take(first).first() {
        gateway.answer(first, sent, 0x45, b"");
        gateway.later(60);
        attempts += 1;
    }
    assert_eq!((attempts, left(&mut gateway, second)), (2, vec![]), "a refusal for no reason is asked about once more");
    let told = gateway.take(client);
    let receipt = told[0].receipt();
    assert_eq!((receipt.id, receipt.state, receipt.error), (&id[..], 5, 0x45));
}
