//! Timers in virtual time, and the peer's window with its pause.

use std::time::Duration;

use smppgate::pdu::{CommandId, CommandStatus};
use smppgate::session::{BindMode, CloseReason, Control, Event, Role, Settings, Why};

use super::rig::{Rig, SECOND, pdu, request};

fn bound(role: Role) -> Rig {
    Rig::bound(role, BindMode::Transceiver, Settings::default())
}

fn narrow(window: u32) -> Rig {
    Rig::bound(Role::Smsc, BindMode::Transceiver, Settings { window, ..Settings::default() })
}

fn submits(numbers: std::ops::Range<u32>) -> Vec<u8> {
    numbers.flat_map(|sequence| request(CommandId::SUBMIT_SM, sequence)).collect()
}

#[test]
fn a_connection_without_a_bind_is_closed() {
    let mut rig = Rig::new(Role::Smsc, Settings::default());
    rig.pass(SECOND * 4);
    rig.feed(&request(CommandId::ENQUIRE_LINK, 1));
    assert_eq!(rig.session.deadline().unwrap().1, Why::SessionInit);
    rig.pass(SECOND);
    assert_eq!(rig.session.closing(), Some(CloseReason::SessionInit), "an enquire_link extends nothing");
}

#[test]
fn a_decision_that_takes_too_long_closes() {
    let mut rig = Rig::new(Role::Smsc, Settings::default());
    rig.feed(&request(CommandId::BIND_TRANSCEIVER, 1));
    rig.pass(SECOND * 5);
    assert_eq!(rig.session.closing(), Some(CloseReason::SessionInit));
    rig.control(Control::Bound(BindMode::Transceiver));
    assert!(!rig.session.is_bound(), "too late");
}

#[test]
fn a_bind_that_the_carrier_ignores_closes() {
    let mut rig = Rig::new(Role::Esme, Settings::default());
    rig.pass(SECOND * 4);
    rig.bind(CommandId::BIND_TRANSCEIVER);
    rig.pass(SECOND * 4);
    assert_eq!(rig.session.closing(), None);
    rig.pass(SECOND);
    assert_eq!(rig.session.closing(), Some(CloseReason::BindUnanswered));
}

#[test]
fn silence_is_asked_about_twice_and_then_is_death() {
    for role in [Role::Smsc, Role::Esme] {
        let mut rig = bound(role);
        assert!(rig.pass(Duration::from_millis(29_999)).0.is_empty());
        let (ask, _) = rig.pass(Duration::from_millis(1));
        assert_eq!(ask[4..8], [0, 0, 0, 0x15]);
        let (again, _) = rig.pass(SECOND * 10);
        assert_eq!(again[4..8], [0, 0, 0, 0x15]);
        assert_ne!(ask[12..], again[12..], "another number");
        assert_eq!(rig.session.closing(), None);
        assert!(rig.pass(SECOND * 10).0.is_empty());
        assert_eq!(rig.session.closing(), Some(CloseReason::PeerSilent));
        assert_eq!(rig.session.counters().enquiries_missed, 2);
    }
}

#[test]
fn any_octet_proves_life() {
    let mut rig = bound(Role::Smsc);
    for _ in 0..20 {
        rig.pass(SECOND * 35);
        rig.feed(&request(CommandId::DELIVER_SM_RESP, 9));
    }
    assert_eq!(rig.session.closing(), None, "it never answers enquire_link, but it talks");
    rig.pass(SECOND * 49);
    rig.session.octets_received(rig.now);
    rig.pass(SECOND * 29);
    assert_eq!(rig.session.closing(), None, "not even a whole PDU");
}

#[test]
fn an_answer_with_a_wrong_number_is_an_answer() {
    let mut rig = bound(Role::Esme);
    rig.pass(SECOND * 30);
    rig.feed(&request(CommandId::ENQUIRE_LINK_RESP, 0xDEAD));
    assert!(rig.pass(SECOND * 29).0.is_empty());
    assert_eq!(rig.pass(SECOND).0[4..8], [0, 0, 0, 0x15]);
}

#[test]
fn an_interval_of_zero_never_asks() {
    let settings = Settings { enquire_link: Duration::ZERO, ..Settings::default() };
    let mut rig = Rig::bound(Role::Smsc, BindMode::Receiver, settings);
    assert_eq!(rig.session.deadline(), None);
    assert!(rig.pass(SECOND * 100_000).0.is_empty());
}

#[test]
fn inactivity_unbinds_although_the_peer_is_alive() {
    let settings = Settings { inactivity: Some(SECOND * 300), ..Settings::default() };
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings);
    let keep_alive = |rig: &mut Rig, times: u32| {
        for _ in 0..times {
            rig.pass(SECOND * 20);
            rig.feed(&request(CommandId::ENQUIRE_LINK, 1));
        }
    };
    keep_alive(&mut rig, 14);
    rig.feed(&request(CommandId::SUBMIT_SM, 2));
    rig.answer(1);
    keep_alive(&mut rig, 14);
    assert!(rig.session.is_bound(), "a message counts");
    let (wire, _) = rig.pass(SECOND * 20);
    assert_eq!(wire, request(CommandId::UNBIND, 1));
    rig.feed(&request(CommandId::UNBIND_RESP, 1));
    assert_eq!(rig.session.closing(), Some(CloseReason::Inactive));
}

#[test]
fn an_unanswered_request_is_reported_and_its_late_answer_counted() {
    let mut rig = bound(Role::Esme);
    rig.send(&[CommandId::SUBMIT_SM]);
    rig.pass(SECOND * 15);
    rig.send(&[CommandId::SUBMIT_SM]);
    rig.feed(&request(CommandId::ENQUIRE_LINK, 1));
    assert_eq!(rig.session.deadline().unwrap().1, Why::Response);
    assert_eq!(rig.pass(SECOND * 15).1, [Event::Unanswered { token: 1 }]);
    assert_eq!(rig.session.open_sent(), 1);
    rig.pass(SECOND * 5);
    let (_, events) = rig.feed(&request(CommandId::SUBMIT_SM_RESP, 2));
    assert!(events.is_empty());
    assert_eq!(rig.session.counters().late_responses, 1);
    assert_eq!(rig.session.late_age_us_max(), 35_000_000);
    assert_eq!(rig.pass(SECOND * 10).1, [Event::Unanswered { token: 2 }]);
    assert_eq!(rig.session.counters().unanswered, 2);
}

#[test]
fn a_pdu_that_never_completes_closes() {
    let mut rig = bound(Role::Smsc);
    for _ in 0..30 {
        rig.session.octets_received(rig.now);
        assert_eq!(rig.session.closing(), None);
        rig.pass(SECOND);
    }
    assert_eq!(rig.session.closing(), Some(CloseReason::PartialPdu), "an octet a second is no progress");
}

#[test]
fn a_whole_pdu_starts_the_partial_timer_anew() {
    let mut rig = bound(Role::Smsc);
    for _ in 0..10 {
        rig.session.octets_received(rig.now);
        rig.pass(SECOND * 20);
        rig.feed(&request(CommandId::SUBMIT_SM, 1));
        rig.answer(1);
    }
    assert_eq!(rig.session.closing(), None);
}

#[test]
fn a_full_window_stops_reading_until_an_answer() {
    let mut rig = narrow(3);
    rig.feed(&submits(1..3));
    assert!(rig.session.wants_input());
    rig.feed(&submits(3..4));
    assert!(!rig.session.wants_input());
    assert!(rig.session.wants_frames());
    rig.answer(1);
    assert!(rig.session.wants_input());
}

#[test]
fn one_read_may_hold_twice_the_window() {
    let mut rig = narrow(3);
    let (wire, events) = rig.feed(&[submits(1..9), request(CommandId::ENQUIRE_LINK, 9)].concat());
    assert_eq!(events.len(), 6);
    let throttled = CommandStatus::ESME_RTHROTTLED;
    let want = [
        pdu(CommandId::SUBMIT_SM_RESP, throttled, 7, &[]),
        pdu(CommandId::SUBMIT_SM_RESP, throttled, 8, &[]),
        request(CommandId::ENQUIRE_LINK_RESP, 9),
    ];
    assert_eq!(wire, want.concat());
    assert_eq!(rig.session.counters().over_window, 2);
    rig.answer(3);
    assert!(!rig.session.wants_input(), "3 are still open");
    rig.answer(1);
    assert!(rig.session.wants_input());
}

#[test]
fn a_pause_ends_after_five_seconds_in_throttling() {
    let mut rig = narrow(2);
    rig.feed(&submits(1..3));
    rig.pass(Duration::from_millis(4_999));
    assert!(!rig.session.wants_input());
    rig.pass(Duration::from_millis(1));
    assert!(rig.session.wants_input());
    let (wire, events) = rig.feed(&submits(3..4));
    assert!(events.is_empty());
    assert_eq!(wire, pdu(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RTHROTTLED, 3, &[]));
    rig.answer(1);
    assert_eq!(rig.feed(&submits(4..5)).1.len(), 1, "a place is free again");
    assert!(!rig.session.wants_input(), "and the next pause begins");
    assert_eq!(rig.session.closing(), None);
}

#[test]
fn our_timers_stand_still_while_we_do_not_read() {
    let mut rig = narrow(1);
    rig.send(&[CommandId::DELIVER_SM]);
    rig.pass(SECOND * 28);
    rig.feed(&submits(1..2));
    let (wire, events) = rig.pass(Duration::from_millis(4_900));
    assert!(wire.is_empty() && events.is_empty(), "the answer may be among what we did not read");
    rig.answer(1);
    rig.feed(&request(CommandId::DELIVER_SM_RESP, 1));
    assert_eq!(rig.session.open_sent(), 0);
    assert_eq!(rig.session.counters().unanswered, 0);
}

#[test]
fn after_a_pause_the_timers_run_again() {
    let mut rig = narrow(1);
    rig.send(&[CommandId::DELIVER_SM]);
    rig.pass(SECOND * 28);
    rig.feed(&submits(1..2));
    let (_, events) = rig.pass(SECOND * 5);
    assert!(events.is_empty());
    assert_eq!(rig.pass(SECOND).1, [Event::Unanswered { token: 1 }], "one second to read what came");
    let (wire, _) = rig.pass(SECOND * 29);
    assert_eq!(wire[4..8], [0, 0, 0, 0x15], "30 seconds after the pause");
}

#[test]
fn nobody_is_asked_while_we_do_not_read() {
    let settings = Settings { window: 1, enquire_link: SECOND * 2, ..Settings::default() };
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings);
    rig.feed(&submits(1..2));
    assert!(rig.pass(SECOND * 5).0.is_empty());
    assert!(rig.pass(Duration::from_millis(1_999)).0.is_empty());
    assert_eq!(rig.pass(Duration::from_millis(1)).0, request(CommandId::ENQUIRE_LINK, 1));
}

#[test]
fn inactivity_counts_from_the_bind() {
    let settings = Settings { inactivity: Some(SECOND * 20), ..Settings::default() };
    let mut rig = Rig::new(Role::Smsc, settings);
    rig.pass(SECOND * 4);
    rig.feed(&request(CommandId::BIND_TRANSMITTER, 1));
    rig.control(Control::Bound(BindMode::Transmitter));
    assert_eq!(rig.session.deadline(), Some((rig.now.after(SECOND * 20), Why::Inactivity)));
}

#[test]
fn each_kind_of_message_counts_against_inactivity() {
    let mut settings = Settings { inactivity: Some(SECOND * 20), ..Settings::default() };
    settings.enquire_link = Duration::ZERO;
    let mut rig = Rig::bound(Role::Esme, BindMode::Transceiver, settings);
    rig.pass(SECOND * 15);
    rig.send(&[CommandId::SUBMIT_SM]);
    rig.pass(SECOND * 15);
    rig.feed(&request(CommandId::SUBMIT_SM_RESP, 2));
    rig.pass(SECOND * 15);
    rig.feed(&request(CommandId::DELIVER_SM, 1));
    rig.answer(1);
    rig.pass(SECOND * 15);
    assert!(rig.session.is_bound());
    assert_eq!(rig.session.deadline(), Some((rig.now.after(SECOND * 5), Why::Inactivity)));
    assert_eq!(rig.pass(SECOND * 5).0, request(CommandId::UNBIND, 3));
}
