//! One conversation for each rule about violations, with the exact octets that go back.

use smppgate::pdu::{Broken, CommandId, CommandStatus};
use smppgate::session::{BindMode, CloseReason, Control, Event, Role, Settings, Span};

use super::rig::{Rig, SECOND, hex, passed, pdu, request};

fn server() -> Rig {
    Rig::bound(Role::Smsc, BindMode::Transceiver, Settings::default())
}

fn client() -> Rig {
    Rig::bound(Role::Esme, BindMode::Transceiver, Settings::default())
}

const BIND: &str = "0000002500000009000000000000000165736d653031007365637265743038000034000000";

#[test]
fn a_bind_waits_for_its_decision_and_opens_the_session() {
    let mut rig = Rig::new(Role::Smsc, Settings::default());
    assert_eq!(rig.session.frame_limit(), 1_024);
    let (wire, events) = rig.feed(&hex(BIND));
    assert!(wire.is_empty());
    let body = Span { at: 16, len: 21 };
    assert_eq!(events, [Event::Bind { sequence: 1, command: CommandId::BIND_TRANSCEIVER, body }]);
    assert!(!rig.session.wants_input() && !rig.session.is_bound(), "what is pipelined waits");
    rig.control(Control::Bound(BindMode::Transceiver));
    assert!(rig.session.wants_input() && rig.session.is_bound());
    assert_eq!(rig.session.frame_limit(), 70_000);
}

#[test]
fn a_refused_bind_closes_after_its_octets() {
    let mut rig = Rig::new(Role::Smsc, Settings::default());
    rig.feed(&hex(BIND));
    rig.control(Control::Close);
    assert_eq!(rig.session.closing(), Some(CloseReason::BindRefused));
    assert!(!rig.session.wants_input());
}

#[test]
fn a_second_bind_is_told_that_the_first_holds() {
    let mut rig = server();
    let (wire, _) = rig.feed(&request(CommandId::BIND_RECEIVER, 7));
    assert_eq!(wire, hex("00000010800000010000000500000007"));
    assert!(rig.session.is_bound());
    assert_eq!(rig.session.counters().second_binds, 1);
}

#[test]
fn a_bind_beside_one_being_decided_is_told_so_too() {
    let mut rig = Rig::new(Role::Smsc, Settings::default());
    rig.feed(&hex(BIND));
    let (wire, events) = rig.feed(&request(CommandId::BIND_TRANSCEIVER, 2));
    assert_eq!(wire, hex("00000010800000090000000500000002"));
    assert!(events.is_empty() && rig.session.closing().is_none());
}

#[test]
fn a_submit_before_a_bind_is_answered_and_closes() {
    let mut rig = Rig::new(Role::Smsc, Settings::default());
    let (wire, events) = rig.feed(&request(CommandId::SUBMIT_SM, 3));
    assert_eq!(wire, hex("00000010800000040000000400000003"));
    assert!(events.is_empty());
    assert_eq!(rig.session.closing(), Some(CloseReason::NotBound(CommandId::SUBMIT_SM)));
    let (wire, _) = rig.feed(&request(CommandId::ENQUIRE_LINK, 4));
    assert!(wire.is_empty(), "nothing is read any more");
}

#[test]
fn an_enquire_link_is_answered_in_every_state_with_its_number() {
    let mut rig = Rig::new(Role::Smsc, Settings::default());
    let (wire, _) = rig.feed(&hex("0000001000000015000000001625d269"));
    assert_eq!(wire, hex("0000001080000015000000001625d269"));
    assert_eq!(server().feed(&hex("0000001000000015000000001625d269")).0, wire);
    assert_eq!(client().feed(&hex("0000001000000015000000001625d269")).0, wire);
}

#[test]
fn header_only_pdus_with_trailing_octets_are_still_those_pdus() {
    let mut rig = server();
    let (wire, _) = rig.feed(&pdu(CommandId::ENQUIRE_LINK, CommandStatus::ESME_ROK, 4, b"\0"));
    assert_eq!(wire, request(CommandId::ENQUIRE_LINK_RESP, 4));
    let (wire, _) = rig.feed(&pdu(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ESME_ROK, 4, b"\0"));
    assert!(wire.is_empty() && rig.session.is_bound());
}

#[test]
fn an_unbind_is_answered_then_the_link_closes() {
    for mut rig in [server(), client(), Rig::new(Role::Smsc, Settings::default())] {
        let (wire, _) = rig.feed(&hex("00000010000000060000000000000009"));
        assert_eq!(wire, hex("00000010800000060000000000000009"));
        assert_eq!(rig.session.closing(), Some(CloseReason::PeerUnbound));
    }
}

#[test]
fn what_has_no_response_is_nacked_with_its_number() {
    let mut rig = server();
    assert_eq!(rig.feed(&request(CommandId::OUTBIND, 8)).0, hex("00000010800000000000000400000008"));
    assert_eq!(rig.feed(&request(CommandId::ALERT_NOTIFICATION, 9)).0, hex("00000010800000000000000400000009"));
    assert!(rig.session.is_bound());
}

#[test]
fn a_deliver_sm_from_a_client_system_is_refused() {
    let mut rig = server();
    assert_eq!(rig.feed(&request(CommandId::DELIVER_SM, 5)).0, hex("00000010800000050000000400000005"));
    assert!(rig.session.is_bound());
}

#[test]
fn unknown_commands_are_nacked_and_unknown_responses_dropped() {
    let mut rig = server();
    let (wire, _) = rig.feed(&request(CommandId(0x0000_0011), 0x34));
    assert_eq!(wire, hex("00000010800000000000000300000034"));
    let (wire, events) = rig.feed(&request(CommandId(0x8000_0011), 0x35));
    assert!(wire.is_empty() && events.is_empty() && rig.session.is_bound());
    let counters = rig.session.counters();
    assert_eq!((counters.unknown_commands, counters.unknown_responses), (1, 1));
}

#[test]
fn a_bind_response_from_a_client_system_is_dropped() {
    for mut rig in [Rig::new(Role::Smsc, Settings::default()), server()] {
        let (wire, events) = rig.feed(&hex("000000128000000900000000000000010000"));
        assert!(wire.is_empty() && events.is_empty() && rig.session.closing().is_none());
        assert_eq!(rig.session.counters().unasked_responses, 1);
    }
}

#[test]
fn any_sequence_number_is_taken_and_echoed() {
    let mut rig = server();
    for sequence in [0, 0x7FFF_FFFF, 0x8000_0000, u32::MAX] {
        let (_, events) = rig.feed(&pdu(CommandId::SUBMIT_SM, CommandStatus(5), sequence, b"body"));
        assert_eq!(events, passed(CommandId::SUBMIT_SM, sequence, 4), "a request's status means nothing");
    }
    assert_eq!(rig.session.open_received(), 4);
}

#[test]
fn the_same_number_twice_is_two_requests() {
    let mut rig = server();
    let twice = [request(CommandId::SUBMIT_SM, 1), request(CommandId::SUBMIT_SM, 1)].concat();
    assert_eq!(rig.feed(&twice).1.len(), 2);
    assert_eq!(rig.session.open_received(), 2);
}

#[test]
fn lost_framing_is_nacked_with_zero_and_closes() {
    for length in ["0000000f", "7fffffff"] {
        let mut rig = server();
        let (wire, _) = rig.feed(&hex(&format!("{length}000000150000000000000001")));
        assert_eq!(wire, hex("00000010800000000000000200000000"));
        let length = u32::from_str_radix(length, 16).unwrap();
        assert_eq!(rig.session.closing(), Some(CloseReason::Framing(Broken { length, limit: 70_000 })));
    }
}

#[test]
fn another_protocol_gets_no_answer_before_a_bind() {
    for octets in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut rig = Rig::new(Role::Smsc, Settings::default());
        assert!(rig.feed(octets).0.is_empty());
        assert_eq!(rig.session.closing(), Some(CloseReason::NotSmpp));
    }
    assert_eq!(server().feed(b"GET / HTTP").0, hex("00000010800000000000000200000000"), "a bound peer spoke SMPP");
}

#[test]
fn a_carriers_acceptance_opens_the_session() {
    let mut rig = Rig::new(Role::Esme, Settings::default());
    assert_eq!(rig.bind(CommandId::BIND_TRANSCEIVER), hex(BIND));
    let (wire, events) = rig.feed(&hex("0000001c800000090000000000000001534d53433031000210000134"));
    assert!(wire.is_empty());
    assert_eq!(events, [Event::Bound]);
    assert_eq!(rig.session.mode(), Some(BindMode::Transceiver));
    assert_eq!(rig.bind(CommandId::BIND_TRANSCEIVER), b"", "once");
}

#[test]
fn a_carriers_refusal_ends_it() {
    let mut rig = Rig::new(Role::Esme, Settings::default());
    rig.bind(CommandId::BIND_TRANSMITTER);
    let (_, events) = rig.feed(&hex("00000010800000020000000e00000001"));
    let status = CommandStatus::ESME_RINVPASWD;
    assert_eq!(events, [Event::BindRefused { status }]);
    assert_eq!(rig.session.closing(), Some(CloseReason::BindRejected(status)));
}

#[test]
fn a_nacked_bind_fails_at_once_whatever_the_number() {
    for (nack, status) in [
        ("00000010800000000000000200000000", CommandStatus::ESME_RINVCMDLEN),
        ("00000010800000000000000300000001", CommandStatus::ESME_RINVCMDID),
        ("00000010800000000000000000000001", CommandStatus::ESME_RBINDFAIL),
    ] {
        let mut rig = Rig::new(Role::Esme, Settings::default());
        rig.bind(CommandId::BIND_TRANSCEIVER);
        assert_eq!(rig.feed(&hex(nack)).1, [Event::BindRefused { status }]);
        assert!(rig.session.closing().is_some());
    }
}

#[test]
fn a_response_of_another_kind_does_not_bind() {
    let mut rig = Rig::new(Role::Esme, Settings::default());
    rig.bind(CommandId::BIND_TRANSCEIVER);
    let (_, events) = rig.feed(&request(CommandId::BIND_RECEIVER_RESP, 1));
    assert!(events.is_empty() && !rig.session.is_bound());
    let (_, events) = rig.feed(&request(CommandId::SUBMIT_SM_RESP, 1));
    assert!(events.is_empty() && !rig.session.is_bound());
}

#[test]
fn an_unwelcome_outbind_closes_without_a_word() {
    let mut rig = Rig::new(Role::Esme, Settings::default());
    rig.bind(CommandId::BIND_TRANSCEIVER);
    assert!(rig.feed(&request(CommandId::OUTBIND, 1)).0.is_empty());
    assert_eq!(rig.session.closing(), Some(CloseReason::UnwelcomeOutbind));
}

#[test]
fn a_carrier_that_submits_is_refused() {
    let mut rig = client();
    assert_eq!(rig.feed(&request(CommandId::SUBMIT_SM, 6)).0, hex("00000010800000040000000400000006"));
    assert!(rig.session.is_bound());
}

#[test]
fn a_delivery_on_a_transmitter_bind_is_taken_all_the_same() {
    let mut rig = Rig::bound(Role::Esme, BindMode::Transmitter, Settings::default());
    let (wire, events) = rig.feed(&request(CommandId::DELIVER_SM, 6));
    assert!(wire.is_empty());
    assert_eq!(events, passed(CommandId::DELIVER_SM, 6, 0));
}

#[test]
fn an_alert_is_passed_on_and_takes_no_place_in_the_window() {
    let mut rig = client();
    let (wire, events) = rig.feed(&request(CommandId::ALERT_NOTIFICATION, 6));
    assert!(wire.is_empty());
    assert_eq!(events, passed(CommandId::ALERT_NOTIFICATION, 6, 0));
    assert_eq!(rig.session.counters().alerts, 1);
    assert_eq!(rig.session.open_received(), 0);
}

#[test]
fn a_response_completes_its_request_in_any_order() {
    let mut rig = client();
    let wire = rig.send(&[CommandId::SUBMIT_SM, CommandId::SUBMIT_SM]);
    assert_eq!(&wire[12..16], [0, 0, 0, 2], "1 was the bind");
    assert_eq!(&wire[28..32], [0, 0, 0, 3]);
    rig.pass(SECOND);
    let (_, events) = rig.feed(&hex("00000019800000040000000000000003356633613963303100"));
    let body = Span { at: 16, len: 9 };
    let status = CommandStatus::ESME_ROK;
    assert_eq!(events, [Event::Response { token: 2, status, body, elapsed_us: 1_000_000 }]);
    let (_, events) = rig.feed(&hex("00000010800000040000005800000002"));
    let (body, status) = (Span { at: 16, len: 0 }, CommandStatus::ESME_RTHROTTLED);
    assert_eq!(events, [Event::Response { token: 1, status, body, elapsed_us: 1_000_000 }]);
    assert_eq!(rig.session.open_sent(), 0);
}

#[test]
fn an_error_response_keeps_whatever_body_it_has() {
    let mut rig = client();
    rig.send(&[CommandId::SUBMIT_SM]);
    let (_, events) = rig.feed(&hex("00000021800000040000000b000000023041303030303030413344333233413100"));
    let (body, status) = (Span { at: 16, len: 17 }, CommandStatus::ESME_RINVDSTADR);
    assert_eq!(events, [Event::Response { token: 1, status, body, elapsed_us: 0 }]);
}

#[test]
fn a_nack_completes_its_request_with_its_status() {
    let mut rig = client();
    rig.send(&[CommandId::QUERY_SM]);
    let (_, events) = rig.feed(&hex("00000010800000000000000300000002"));
    let (body, status) = (Span { at: 16, len: 0 }, CommandStatus::ESME_RINVCMDID);
    assert_eq!(events, [Event::Response { token: 1, status, body, elapsed_us: 0 }]);
}

#[test]
fn a_response_of_another_kind_leaves_the_outcome_unknown() {
    let mut rig = client();
    rig.send(&[CommandId::SUBMIT_SM]);
    let (wire, events) = rig.feed(&request(CommandId::DATA_SM_RESP, 2));
    assert!(wire.is_empty());
    assert_eq!(events, [Event::Unanswered { token: 1 }]);
    assert_eq!(rig.session.counters().mismatched_responses, 1);
    assert!(rig.session.is_bound());
    assert!(rig.feed(&request(CommandId::SUBMIT_SM_RESP, 2)).1.is_empty(), "told once");
}

#[test]
fn an_enquire_link_resp_with_a_requests_number_completes_nothing() {
    let mut rig = client();
    rig.send(&[CommandId::SUBMIT_SM]);
    assert!(rig.feed(&request(CommandId::ENQUIRE_LINK_RESP, 2)).1.is_empty());
    assert_eq!(rig.session.open_sent(), 1);
}

#[test]
fn unasked_responses_are_dropped_however_many() {
    let mut rig = server();
    for sequence in 0..10_000 {
        let (wire, events) = rig.feed(&request(CommandId::DELIVER_SM_RESP, sequence));
        assert!(wire.is_empty() && events.is_empty());
    }
    assert_eq!(rig.session.counters().unasked_responses, 10_000);
    assert!(rig.session.is_bound());
}

#[test]
fn three_unknown_nacks_in_a_minute_end_in_an_unbind() {
    let mut rig = client();
    let nack = hex("00000010800000000000000200000000");
    assert!(rig.feed(&nack).0.is_empty());
    rig.pass(SECOND * 40);
    assert!(rig.feed(&nack).0.is_empty());
    rig.pass(SECOND * 21);
    assert!(rig.feed(&nack).0.is_empty(), "the first is older than a minute");
    rig.pass(SECOND * 20);
    let (wire, _) = rig.feed(&nack);
    assert_eq!(wire[4..8], [0, 0, 0, 6], "unbind");
    assert!(!rig.session.is_bound());
    let sequence = u32::from_be_bytes(wire[12..16].try_into().unwrap());
    rig.feed(&request(CommandId::UNBIND_RESP, sequence));
    assert_eq!(rig.session.closing(), Some(CloseReason::Nacks));
}

#[test]
fn a_nack_of_our_enquire_link_or_unbind_is_an_answer() {
    let mut rig = client();
    let (ask, _) = rig.pass(SECOND * 30);
    assert_eq!(ask[4..8], [0, 0, 0, 0x15]);
    let number = |wire: &[u8]| u32::from_be_bytes(wire[12..16].try_into().unwrap());
    rig.feed(&pdu(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, number(&ask), &[]));
    assert_eq!(rig.session.counters().unknown_nacks, 0);
    rig.feed(&pdu(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, number(&ask), &[]));
    assert_eq!(rig.session.counters().unknown_nacks, 1, "once");
    let unbind = rig.unbind();
    rig.feed(&pdu(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, number(&unbind), &[]));
    assert_eq!(rig.session.closing(), Some(CloseReason::Unbound));
    assert_eq!(rig.session.counters().unknown_nacks, 1);
}

#[test]
fn a_stream_in_one_segment_is_read_to_its_end() {
    let mut rig = server();
    let stream = [request(CommandId::SUBMIT_SM, 1), request(CommandId::ENQUIRE_LINK, 2), vec![0, 0, 0]].concat();
    let (wire, events) = rig.feed(&stream);
    assert_eq!(wire, request(CommandId::ENQUIRE_LINK_RESP, 2));
    assert_eq!(events, passed(CommandId::SUBMIT_SM, 1, 0));
}

#[test]
fn reasons_have_a_label_and_words() {
    let broken = Broken { length: 3, limit: 70_000 };
    let reasons = [
        CloseReason::SessionInit,
        CloseReason::BindUnanswered,
        CloseReason::BindRefused,
        CloseReason::BindRejected(CommandStatus::ESME_RALYBND),
        CloseReason::NotBound(CommandId::SUBMIT_SM),
        CloseReason::UnwelcomeOutbind,
        CloseReason::Framing(broken),
        CloseReason::NotSmpp,
        CloseReason::PartialPdu,
        CloseReason::PeerSilent,
        CloseReason::Inactive,
        CloseReason::Nacks,
        CloseReason::Unbound,
        CloseReason::UnbindUnanswered,
        CloseReason::PeerUnbound,
        CloseReason::Ordered,
        CloseReason::PeerClosed,
        CloseReason::LinkFailed,
        CloseReason::MailboxFull,
        CloseReason::WriteStalled,
    ];
    let labels: std::collections::BTreeSet<_> = reasons.into_iter().map(CloseReason::label).collect();
    assert_eq!(labels.len(), reasons.len(), "no two share a label");
    assert!(labels.iter().all(|label| label.chars().all(|c| c == '_' || c.is_ascii_lowercase())));
    assert_eq!(CloseReason::Framing(broken).to_string(), "command_length 3 is outside 16..=70000");
    assert_eq!(
        CloseReason::BindRejected(CommandStatus::ESME_RALYBND).to_string(),
        "the carrier refused the bind: ESME_RALYBND"
    );
}
