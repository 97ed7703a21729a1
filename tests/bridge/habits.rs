//! What carriers want otherwise than clients write it, and what clients see of it: nothing.

use smppgate::pdu::{Address, CommandId, CommandStatus, Sm};
use smppgate::policy::habit::{Type, sender};
use smppgate::policy::{Habits, Home, NumberForm, ReceiptIds, Remedy, Senders, Statuses, Tiers, Types};

use crate::rig::{ACME, Gateway, Left, message};

fn address(ton: u8, npi: u8, text: &str) -> Address {
    Address::new(ton, npi, text.as_bytes()).expect("a short address")
}

fn shown(address: &Address) -> (u8, u8, String) {
    (address.ton(), address.npi(), String::from_utf8(address.octets().to_vec()).expect("ASCII"))
}

/// The carrier reports the end of a message it got as `id`.
fn report(gateway: &mut Gateway, carrier: smppgate::message::LinkId, sent: &Left, text: &str) {
    let sm = sent.sm();
    let text = text.as_bytes();
    let receipt =
        Sm { source: sm.destination, destination: sm.source, esm_class: 4, short_message: text, ..Sm::default() };
    gateway.ask(carrier, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire));
}

#[test]
fn addresses_leave_as_the_carrier_wants_them_and_come_back_as_the_client_wrote_them() {
    let mut gateway = Gateway::new(|policy| {
        policy.accounts[0].home = Home::parse("47");
        policy.carriers[0].habits = Habits {
            numbers: NumberForm::Plus,
            senders: Senders { known: vec![(sender("MyBrand").unwrap(), sender("2440").unwrap())], others: None },
            source_types: Types { short: Some(Type { ton: 3, npi: 0 }), ..Types::default() },
            ..Habits::default()
        };
    });
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let national = address(2, 1, "912 34 567");
    let sm = Sm { destination: national, validity_period: b"000001000000000R", ..message(b"hello") };
    gateway.submit(client, &sm).unwrap();
    let sent = gateway.take(carrier).remove(0);
    assert_eq!(shown(&sent.sm().destination), (1, 1, "+4791234567".to_owned()));
    assert_eq!(shown(&sent.sm().source), (3, 0, "2440".to_owned()));
    assert_eq!((sent.sm().short_message, sent.sm().registered_delivery), (&b"hello"[..], 1));
    assert_eq!(sent.sm().validity_period.len(), 16);
    gateway.answer(carrier, &sent, 0, b"c1");
    report(&mut gateway, carrier, &sent, "id:c1 stat:DELIVRD");
    let told = gateway.take(client).remove(0);
    assert_eq!((told.sm().source, told.sm().destination), (national, sm.source));
    assert_eq!(told.receipt().state, 2);
    // Another source keeps its name.
    gateway.submit(client, &Sm { source: address(5, 0, "Other"), ..message(b"hello") }).unwrap();
    assert_eq!(shown(&gateway.take(carrier)[0].sm().source), (5, 0, "Other".to_owned()));
}

#[test]
fn only_an_account_with_a_country_may_write_national_numbers() {
    let mut gateway = Gateway::new(|policy| policy.accounts[1].home = Home::parse("46"));
    let (client, other) = (gateway.client(ACME), gateway.client(crate::rig::OTHER));
    let carrier = gateway.carrier(0);
    let sm = Sm { destination: address(2, 1, "0701234567"), ..message(b"hello") };
    assert_eq!(gateway.submit(client, &sm), Err(0x0B));
    gateway.submit(other, &sm).unwrap();
    assert_eq!(shown(&gateway.take(carrier)[0].sm().destination), (1, 1, "46701234567".to_owned()));
}

#[test]
fn each_carrier_gets_a_message_by_its_own_habits_and_means_its_own_by_a_status() {
    let mut gateway = Gateway::new(|policy| {
        let mut second = policy.carriers[0].clone();
        second.name = "second".to_owned();
        second.habits.destination_type = Some(Type { ton: 0, npi: 0 });
        policy.carriers.push(second);
        policy.carriers[0].habits.numbers = NumberForm::Zeros;
        policy.carriers[0].habits.statuses = Statuses::with([
            (CommandStatus(0x400), Remedy::FailOver),
            (CommandStatus(0x45), Remedy::Permanent),
            (CommandStatus(0x0B), Remedy::Throttle),
        ]);
        let mut route = policy.routes.list()[0].clone();
        route.carriers = Tiers::in_order(&[0, 1]);
        policy.routes = smppgate::policy::Routes::new(vec![route]).expect("one route");
    });
    let client = gateway.client(ACME);
    let (first, second) = (gateway.carrier(0), gateway.carrier(1));
    gateway.submit(client, &message(b"elsewhere")).unwrap();
    let sent = gateway.take(first).remove(0);
    assert_eq!(shown(&sent.sm().destination), (1, 1, "004791234567".to_owned()));
    gateway.answer(first, &sent, 0x400, b"");
    let sent = gateway.take(second).remove(0);
    assert_eq!(shown(&sent.sm().destination), (0, 0, "4791234567".to_owned()));
    gateway.answer(second, &sent, 0x400, b"");
    assert_eq!(gateway.take(client)[0].receipt().state, 8, "what it means elsewhere");
    gateway.submit(client, &message(b"ended")).unwrap();
    let sent = gateway.take(first).remove(0);
    gateway.answer(first, &sent, 0x45, b"");
    assert_eq!(gateway.take(client)[0].receipt().state, 8);
    gateway.submit(client, &message(b"slower")).unwrap();
    let sent = gateway.take(first).remove(0);
    gateway.answer(first, &sent, 0x0B, b"");
    gateway.later(5);
    assert_eq!(gateway.take(first).len(), 1, "it keeps its place");
}

#[test]
fn receipts_without_a_recipient_are_found_where_their_base_is_known() {
    for (receipt_ids, answered, receipted) in [
        (ReceiptIds::Decimal, &b"00AbCd"[..], "id:43981 stat:DELIVRD"),
        (ReceiptIds::Hexadecimal, b"43981", "id:ABCD stat:DELIVRD"),
    ] {
        for known in [true, false] {
            let mut gateway = Gateway::new(|policy| {
                policy.carriers[0].habits.receipt_ids = if known { receipt_ids } else { ReceiptIds::Learn };
            });
            let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
            gateway.submit(client, &message(b"hello")).unwrap();
            let sent = gateway.take(carrier).remove(0);
            gateway.answer(carrier, &sent, 0, answered);
            let text = receipted.as_bytes();
            let receipt = Sm { source: address(0, 0, "0"), esm_class: 4, short_message: text, ..Sm::default() };
            gateway.ask(carrier, |sequence, wire| receipt.encode(CommandId::DELIVER_SM, sequence, wire));
            assert_eq!(gateway.take(client).len(), usize::from(known), "{receipt_ids:?}");
        }
    }
}
