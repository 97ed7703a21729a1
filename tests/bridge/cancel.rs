//! `cancel_sm`. SMPP 3.4 §4.9.

use smppgate::message::LinkId;
use smppgate::pdu::{Address, CancelSm, CommandId, Sm};

use crate::query::state;
use crate::rig::{ACME, Gateway, OTHER, message, put};

fn cancel(gateway: &mut Gateway, link: LinkId, cancel: &CancelSm<'_>) -> u32 {
    let answer = gateway.ask(link, |sequence, wire| cancel.encode(sequence, wire));
    assert_eq!((answer.command, answer.body.len()), (CommandId::CANCEL_SM_RESP, 0));
    answer.status
}

fn by_id(id: &[u8]) -> CancelSm<'_> {
    CancelSm { message_id: id, source: message(b"").source, ..CancelSm::default() }
}

fn by_address() -> CancelSm<'static> {
    CancelSm { source: message(b"").source, destination: message(b"").destination, ..CancelSm::default() }
}

#[test]
fn a_message_that_waits_is_deleted_with_its_receipt_and_never_leaves() {
    for restart in [false, true] {
        let mut gateway = Gateway::new(|_| ());
        let mut client = gateway.client(ACME);
        let id = gateway.submit(client, &message(b"hello")).unwrap();
        if restart {
            // Its block is not at hand then.
            gateway.restart();
            client = gateway.client(ACME);
        }
        let mut wire = bytes::BytesMut::new();
        by_id(&id).encode(9, &mut wire);
        let left = gateway.send(client, &wire);
        assert_eq!((left[0].command, left[0].status), (CommandId::CANCEL_SM_RESP, 0));
        let receipt = left.iter().find(|left| left.command == CommandId::DELIVER_SM).expect("a receipt");
        assert_eq!((receipt.receipt().id, receipt.receipt().state), (&id[..], 4));
        gateway.answer(client, receipt, 0, b"");
        gateway.restart();
        let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
        assert!(gateway.take(carrier).is_empty(), "the cancel was on the disk");
        assert_eq!(state(&mut gateway, client, &id).0, 4);
        assert_eq!(cancel(&mut gateway, client, &by_id(&id)), 0x11, "once");
    }
}

#[test]
fn a_scheduled_message_and_one_to_be_retried_are_cancelled() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let later = Sm { schedule_delivery_time: b"000000010000000R", registered_delivery: 0, ..message(b"later") };
    let scheduled = gateway.submit(client, &later).unwrap();
    assert_eq!(cancel(&mut gateway, client, &by_id(&scheduled)), 0);
    let id = gateway.submit(client, &Sm { registered_delivery: 0, ..message(b"again") }).unwrap();
    let sent = gateway.take(carrier);
    assert_eq!(cancel(&mut gateway, client, &by_id(&id)), 0x11, "a carrier has it");
    gateway.answer(carrier, &sent[0], 0x14, b"");
    assert_eq!(cancel(&mut gateway, client, &by_id(&id)), 0, "it has not");
    gateway.later(7200);
    assert!(gateway.take(carrier).is_empty());
    assert_eq!(gateway.tally().messages_waiting, 0);
}

#[test]
fn each_wrong_cancel_fails_by_its_own_status() {
    let mut gateway = Gateway::new(|_| ());
    let (client, other) = (gateway.client(ACME), gateway.client(OTHER));
    let id = gateway.submit(client, &message(b"hello")).unwrap();
    let elsewhere = Address::new(1, 1, b"4799999999").unwrap();
    let rows = [
        (client, 0x0C, CancelSm { message_id: b"not a number", ..by_id(&id) }),
        (client, 0x11, CancelSm { message_id: b"12345", ..by_id(&id) }),
        (client, 0x11, CancelSm { source: Address::default(), ..by_id(&id) }),
        (client, 0x11, CancelSm { destination: elsewhere, ..by_id(&id) }),
        (other, 0x11, by_id(&id)),
        (client, 0x0B, CancelSm::default()),
        (client, 0x11, CancelSm { destination: elsewhere, ..by_address() }),
        (client, 0x11, CancelSm { source: Address::default(), ..by_address() }),
        (client, 0x11, CancelSm { service_type: b"CMT", ..by_address() }),
        (other, 0x11, by_address()),
    ];
    for (link, status, request) in rows {
        assert_eq!(cancel(&mut gateway, link, &request), status, "{request:?}");
    }
    for (status, body) in
        [(0x15, &b"seven77\0"[..]), (0x02, b"\0"), (0x02, b""), (0x0A, b"\0\0\0\x0012345678901234567890\x31\0")]
    {
        assert_eq!(
            gateway.ask(client, |sequence, wire| put(CommandId::CANCEL_SM, sequence, body, wire)).status,
            status
        );
    }
    let carrier = gateway.carrier(0);
    assert_eq!(gateway.take(carrier).len(), 1, "it is still there");
    assert_eq!(cancel(&mut gateway, client, &by_address()), 0x11, "and now it is gone");
}

#[test]
fn all_messages_between_two_addresses_are_cancelled() {
    let mut gateway = Gateway::new(|_| ());
    let (client, other) = (gateway.client(ACME), gateway.client(OTHER));
    let quiet = Sm { registered_delivery: 0, ..message(b"x") };
    let elsewhere = Sm { destination: Address::new(1, 1, b"4799999999").unwrap(), ..quiet };
    for _ in 0..3 {
        gateway.submit(client, &quiet).unwrap();
    }
    gateway.submit(client, &Sm { service_type: b"CMT", ..quiet }).unwrap();
    gateway.submit(client, &elsewhere).unwrap();
    gateway.submit(other, &quiet).unwrap();
    assert_eq!(cancel(&mut gateway, client, &CancelSm { service_type: b"CMT", ..by_address() }), 0);
    assert_eq!(gateway.tally().messages_waiting, 5);
    gateway.restart();
    let client = gateway.client(ACME);
    assert_eq!(cancel(&mut gateway, client, &by_address()), 0, "blocks are read back for it");
    assert_eq!(gateway.tally().messages_waiting, 2);
    let carrier = gateway.carrier(0);
    assert_eq!(gateway.take(carrier).len(), 2);
}
