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

/// The gateway restarts, with its clock set back by so many seconds.
fn restarted_earlier(gateway: &mut Gateway, seconds: u64) {
    gateway.now.unix.0 -= seconds * 1000;
    gateway.restart();
}

#[test]
fn a_clock_that_was_set_back_delays_no_expiry() {
    const HOUR: u64 = 3600;
    for (back, lives) in [(0, false), (5 * HOUR, false), (26 * HOUR, false), (27 * HOUR, true), (400 * 24 * HOUR, true)]
    {
        let mut gateway = Gateway::new(|_| ());
        let client = gateway.client(0);
        let validity = smppgate::pdu::Sm { validity_period: b"000000020000000R", ..message(b"waits") };
        gateway.submit(client, &validity).expect("accepted");
        gateway.later(HOUR);
        // The newest time in the journal.
        gateway.submit(client, &message(b"later")).expect("accepted");
        restarted_earlier(&mut gateway, back);
        gateway.later(HOUR - 60);
        assert_eq!(gateway.tally().messages_waiting, 2, "set back by {back} s: it has a minute left");
        gateway.later(120);
        let left = if lives { 2 } else { 1 };
        assert_eq!(gateway.tally().messages_waiting, left, "set back by {back} s");
        if lives {
            // The journal's time was wrong by so much; what it says is taken as it is.
            gateway.later(back);
            assert_eq!(gateway.tally().messages_waiting, 1, "set back by {back} s");
        }
    }
}

#[test]
fn a_clock_that_was_set_back_sends_nothing_before_its_time() {
    let mut gateway = Gateway::new(|_| ());
    let client = gateway.client(0);
    let scheduled = smppgate::pdu::Sm { schedule_delivery_time: b"000000020000000R", ..message(b"at two") };
    gateway.submit(client, &scheduled).expect("accepted");
    restarted_earlier(&mut gateway, 3600);
    let carrier = gateway.carrier(0);
    gateway.later(3 * 3600 - 60);
    assert!(gateway.take(carrier).is_empty(), "it is not two by this clock");
    gateway.later(120);
    assert_eq!(gateway.take(carrier).len(), 1);
}
