//! What waits longer than a day moves on, so that neither the text of what has ended nor the keys of a day past stay for
//! its sake.

use smppgate::store::KeyFigures;

use crate::rig::{Gateway, message};

/// Seconds of a day, and some.
const DAY: u64 = 24 * 3600 + 60;

fn keys(gateway: &Gateway) -> KeyFigures {
    gateway.health().keys
}

/// Sends one message and lets it end; another waits for a carrier that is not there.
fn with_one_waiting() -> Gateway {
    let mut gateway = Gateway::new(|_| ());
    // A vault learns the time from sweeps.
    gateway.sweep();
    let client = gateway.client(0);
    let ends = smppgate::pdu::Sm { registered_delivery: 0, ..message(b"ends") };
    let id = gateway.submit(client, &ends).expect("accepted");
    let cancelled =
        smppgate::pdu::CancelSm { message_id: &id, source: message(b"").source, ..smppgate::pdu::CancelSm::default() };
    let answer = gateway.ask(client, |sequence, wire| cancelled.encode(sequence, wire));
    assert_eq!(answer.status, 0, "it waited, and is cancelled");
    gateway.submit(client, &message(b"waits")).expect("accepted");
    gateway
}

#[test]
fn the_keys_of_a_day_go_while_a_message_of_it_waits() {
    let mut gateway = with_one_waiting();
    gateway.sweep();
    let before = keys(&gateway);
    assert!(before.keys > 0 && before.destroyed == 0, "{before:?}");
    for day in 1..=2_u64 {
        gateway.later(DAY);
        gateway.sweep();
        // The commit that carries is made after the sweep of a day, and the sweep of the next second sees it.
        gateway.later(10);
        gateway.sweep();
        assert!(gateway.tally().carried >= day, "after {day} days {:?}", gateway.tally().carried);
    }
    let after = keys(&gateway);
    assert!(after.destroyed > 0, "{after:?}");
    assert!(gateway.health().journal_blocks <= 2, "{:?}", gateway.health());
    let carrier = gateway.carrier(0);
    let forwarded = gateway.take(carrier);
    assert_eq!(forwarded.len(), 1, "and it is forwarded as it was");
    assert!(forwarded[0].body.windows(5).any(|text| text == b"waits"));
}
