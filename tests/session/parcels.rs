//! Parcels: sequence numbers, slots, answers, what is cut out, and the two ways to unbind.

use bytes::BytesMut;
use smppgate::pdu::{CommandId, CommandStatus};
use smppgate::session::{BindMode, CloseReason, Control, Event, Parcel, Request, Role, Settings, Span, Why};

use super::rig::{INSTANT, Rig, SECOND, passed, pdu, request};

fn settings(window: u32, send_window: u32) -> Settings {
    Settings { window, send_window, ..Settings::default() }
}

fn unsent(token: u64, status: CommandStatus) -> Event {
    Event::Response { token, status, body: Span::default(), elapsed_us: 0 }
}

#[test]
fn answers_and_requests_share_a_parcel() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    rig.feed(&request(CommandId::SUBMIT_SM, 77));
    let answer = pdu(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, 77, b"1\0");
    let deliver = pdu(CommandId::DELIVER_SM, CommandStatus::ESME_ROK, 0, b"receipt");
    let mut parcel = Parcel {
        wire: BytesMut::from(&[answer.clone(), deliver.clone()].concat()[..]),
        requests: vec![Request { at: 18, token: 5 }],
        answers: 1,
        control: Control::Continue,
    };
    let wire = rig.dispatch(&mut parcel);
    let sent = pdu(CommandId::DELIVER_SM, CommandStatus::ESME_ROK, 1, b"receipt");
    assert_eq!(wire, [answer, sent].concat());
    assert_eq!((rig.session.open_received(), rig.session.open_sent()), (0, 1));
}

#[test]
fn requests_that_follow_the_bind_response_may_ride_with_it() {
    let mut rig = Rig::new(Role::Smsc, settings(10, 10));
    rig.feed(&request(CommandId::BIND_RECEIVER, 1));
    let answer = pdu(CommandId::BIND_RECEIVER_RESP, CommandStatus::ESME_ROK, 1, b"smsc\0");
    let mut parcel = Parcel {
        wire: BytesMut::from(&[answer.clone(), request(CommandId::DELIVER_SM, 0)].concat()[..]),
        requests: vec![Request { at: 21, token: 5 }],
        answers: 0,
        control: Control::Bound(BindMode::Receiver),
    };
    assert_eq!(rig.dispatch(&mut parcel), [answer, request(CommandId::DELIVER_SM, 1)].concat());
    assert_eq!(rig.session.open_sent(), 1);
}

#[test]
fn the_accounts_windows_count_from_the_bind() {
    let mut rig = Rig::new(Role::Smsc, settings(10, 10));
    rig.feed(&request(CommandId::BIND_TRANSCEIVER, 1));
    rig.session.set_windows(1, 3);
    rig.control(Control::Bound(BindMode::Transceiver));
    assert_eq!(rig.session.free_sent(), 3);
    rig.feed(&request(CommandId::SUBMIT_SM, 2));
    assert!(!rig.session.wants_input());
}

#[test]
fn what_may_not_be_sent_is_cut_out_and_reported() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Receiver, settings(10, 2));
    let wire = rig.send(&[
        CommandId::DELIVER_SM,
        CommandId::SUBMIT_SM,
        CommandId::DELIVER_SM,
        CommandId::DELIVER_SM,
        CommandId::OUTBIND,
        CommandId::ALERT_NOTIFICATION,
    ]);
    assert_eq!(wire, [request(CommandId::DELIVER_SM, 1), request(CommandId::DELIVER_SM, 2)].concat());
    assert_eq!(rig.session.deadline(), Some((rig.now, Why::Unsent)));
    let (_, events) = rig.pass(INSTANT);
    let (wrong, full) = (CommandStatus::ESME_RINVBNDSTS, CommandStatus::ESME_RTHROTTLED);
    assert_eq!(
        events,
        [unsent(2, wrong), unsent(4, full), unsent(5, wrong), unsent(6, wrong)],
        "an alert has no response to wait for"
    );
    assert_eq!(rig.session.counters().unsent, 4);
}

#[test]
fn what_is_cut_out_leaves_its_neighbours_whole() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Receiver, settings(10, 9));
    let pieces = [
        pdu(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, 7, b"abc"),
        pdu(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 0, b"cut"),
        pdu(CommandId::QUERY_SM_RESP, CommandStatus::ESME_ROK, 8, b"defg"),
        pdu(CommandId::DELIVER_SM, CommandStatus::ESME_ROK, 0, b"kept"),
        pdu(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, 0, b"cut as well"),
        pdu(CommandId::CANCEL_SM_RESP, CommandStatus::ESME_ROK, 9, b"h"),
    ];
    let at = |index: usize| u32::try_from(pieces[..index].concat().len()).unwrap();
    let mut parcel = Parcel {
        wire: BytesMut::from(&pieces.concat()[..]),
        requests: [1, 3, 4].map(|index| Request { at: at(index), token: index as u64 }).to_vec(),
        answers: 0,
        control: Control::Continue,
    };
    let wire = rig.dispatch(&mut parcel);
    let kept = pdu(CommandId::DELIVER_SM, CommandStatus::ESME_ROK, 1, b"kept");
    assert_eq!(wire, [&pieces[0][..], &pieces[2], &kept, &pieces[5]].concat());
    assert_eq!(parcel.requests, [Request { at: 19 + 20, token: 3 }]);
}

#[test]
fn a_request_outside_its_parcel_harms_nobody() {
    let mut rig = Rig::bound(Role::Esme, BindMode::Transceiver, settings(10, 9));
    let requests = [9_999, 8, u32::MAX].map(|at| Request { at, token: u64::from(at) }).to_vec();
    let wire = BytesMut::from(&request(CommandId::SUBMIT_SM_RESP, 1)[..]);
    let mut parcel = Parcel { wire, requests, answers: u32::MAX, control: Control::Continue };
    rig.dispatch(&mut parcel);
    assert!(parcel.requests.is_empty());
    assert_eq!(rig.pass(SECOND).1.len(), 3);
    assert_eq!(rig.session.open_received(), 0);

    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 9));
    let requests = [16, 0, 8, 32, 20].map(|at| Request { at, token: u64::from(at) }).to_vec();
    let octets = [CommandId::DELIVER_SM, CommandId::SUBMIT_SM, CommandId::DELIVER_SM].map(|id| request(id, 0)).concat();
    let mut parcel = Parcel { wire: BytesMut::from(&octets[..]), requests, ..Parcel::default() };
    assert_eq!(
        rig.dispatch(&mut parcel),
        [request(CommandId::DELIVER_SM, 0), request(CommandId::DELIVER_SM, 1)].concat()
    );
    assert_eq!(rig.pass(SECOND).1.len(), 4, "each once");
}

#[test]
fn our_unbind_waits_for_our_requests_and_then_for_its_answer() {
    let mut rig = Rig::bound(Role::Esme, BindMode::Transceiver, settings(10, 10));
    rig.send(&[CommandId::SUBMIT_SM]);
    assert!(rig.unbind().is_empty());
    assert!(!rig.session.is_bound());
    let wire = rig.send(&[CommandId::SUBMIT_SM]);
    assert!(wire.is_empty(), "no new request");
    assert_eq!(rig.pass(SECOND * 3).1, [unsent(2, CommandStatus::ESME_RINVBNDSTS)]);
    let (wire, events) = rig.feed(&request(CommandId::SUBMIT_SM_RESP, 2));
    assert_eq!(events.len(), 1);
    assert_eq!(wire, request(CommandId::UNBIND, 3));
    rig.feed(&request(CommandId::UNBIND_RESP, 3));
    assert_eq!(rig.session.closing(), Some(CloseReason::Unbound));
}

#[test]
fn an_ordered_unbind_goes_out_behind_its_parcel() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    rig.feed(&request(CommandId::SUBMIT_SM, 5));
    let answer = request(CommandId::SUBMIT_SM_RESP, 5);
    let wire = BytesMut::from(&answer[..]);
    let mut parcel = Parcel { wire, answers: 1, control: Control::Unbind, ..Parcel::default() };
    assert_eq!(rig.dispatch(&mut parcel), [answer, request(CommandId::UNBIND, 1)].concat());
}

#[test]
fn our_unbind_waits_two_seconds_for_work_of_the_peers() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    rig.feed(&request(CommandId::SUBMIT_SM, 5));
    assert!(rig.unbind().is_empty());
    assert_eq!(rig.answer(1), request(CommandId::UNBIND, 1), "sent when the work is done");

    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    rig.feed(&request(CommandId::SUBMIT_SM, 5));
    assert!(rig.unbind().is_empty());
    assert!(rig.pass(SECOND).0.is_empty());
    assert_eq!(rig.pass(SECOND).0, request(CommandId::UNBIND, 1), "or not");
}

#[test]
fn an_unanswered_unbind_closes_after_ten_seconds() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    assert_eq!(rig.unbind(), request(CommandId::UNBIND, 1));
    rig.pass(SECOND * 9);
    assert_eq!(rig.session.closing(), None);
    rig.pass(SECOND);
    assert_eq!(rig.session.closing(), Some(CloseReason::UnbindUnanswered));
}

#[test]
fn a_drain_ends_with_the_response_timer() {
    let mut rig = Rig::bound(Role::Esme, BindMode::Transmitter, settings(10, 10));
    rig.send(&[CommandId::SUBMIT_SM]);
    rig.pass(SECOND * 10);
    rig.unbind();
    let (wire, events) = rig.pass(SECOND * 20);
    assert_eq!(events, [Event::Unanswered { token: 1 }]);
    assert_eq!(wire, request(CommandId::UNBIND, 3), "and no enquire_link of number 3 on the way");
}

#[test]
fn requests_that_crossed_our_unbind_are_taken_for_two_seconds() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    rig.unbind();
    rig.pass(SECOND);
    assert_eq!(rig.feed(&request(CommandId::SUBMIT_SM, 5)).1, passed(CommandId::SUBMIT_SM, 5, 0));
    rig.pass(SECOND);
    let (wire, events) = rig.feed(&request(CommandId::SUBMIT_SM, 6));
    assert!(events.is_empty());
    assert_eq!(wire, pdu(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RINVBNDSTS, 6, &[]));
    rig.feed(&request(CommandId::UNBIND_RESP, 1));
    rig.pass(INSTANT);
    assert_eq!(rig.session.closing(), Some(CloseReason::Unbound), "the work had its two seconds");
}

#[test]
fn the_last_answers_go_out_before_the_link_closes() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    rig.unbind();
    rig.feed(&request(CommandId::SUBMIT_SM, 5));
    rig.feed(&request(CommandId::UNBIND_RESP, 1));
    assert_eq!(rig.session.closing(), None);
    rig.answer(1);
    assert_eq!(rig.session.closing(), Some(CloseReason::Unbound));
}

#[test]
fn two_unbinds_that_cross_answer_each_other() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    rig.unbind();
    let (wire, _) = rig.feed(&request(CommandId::UNBIND, 9));
    assert_eq!(wire, request(CommandId::UNBIND_RESP, 9));
    assert_eq!(rig.session.closing(), Some(CloseReason::Unbound));
}

#[test]
fn the_peers_unbind_is_answered_behind_the_last_answer() {
    let mut rig = Rig::bound(Role::Smsc, BindMode::Transceiver, settings(10, 10));
    rig.feed(&request(CommandId::SUBMIT_SM, 5));
    rig.feed(&request(CommandId::SUBMIT_SM, 6));
    assert!(rig.feed(&request(CommandId::UNBIND, 7)).0.is_empty());
    assert!(!rig.session.is_bound());
    let (wire, _) = rig.feed(&request(CommandId::SUBMIT_SM, 8));
    assert_eq!(wire, pdu(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_RINVBNDSTS, 8, &[]));
    assert!(rig.answer(1).is_empty());
    assert_eq!(rig.answer(1), request(CommandId::UNBIND_RESP, 7));
    assert_eq!(rig.session.closing(), Some(CloseReason::PeerUnbound));
}

#[test]
fn the_peers_unbind_waits_two_seconds_at_most() {
    let mut rig = Rig::bound(Role::Esme, BindMode::Transceiver, settings(10, 10));
    rig.send(&[CommandId::SUBMIT_SM]);
    assert!(rig.feed(&request(CommandId::UNBIND, 7)).0.is_empty(), "the carrier may still answer");
    assert!(rig.send(&[CommandId::SUBMIT_SM]).is_empty());
    let (wire, events) = rig.pass(SECOND * 2);
    assert_eq!(wire, request(CommandId::UNBIND_RESP, 7));
    assert_eq!(events, [unsent(2, CommandStatus::ESME_RINVBNDSTS)]);
    assert_eq!(rig.finish(), [Event::Unanswered { token: 1 }]);
}

#[test]
fn the_end_reports_every_request() {
    let mut rig = Rig::bound(Role::Esme, BindMode::Transceiver, settings(10, 2));
    rig.send(&[CommandId::SUBMIT_SM; 3]);
    rig.session.close(CloseReason::LinkFailed);
    assert!(rig.send(&[CommandId::SUBMIT_SM]).is_empty());
    assert_eq!(rig.session.deadline(), None);
    assert_eq!(
        rig.finish(),
        [
            unsent(3, CommandStatus::ESME_RTHROTTLED),
            unsent(4, CommandStatus::ESME_RINVBNDSTS),
            Event::Unanswered { token: 1 },
            Event::Unanswered { token: 2 },
        ]
    );
    assert!(rig.finish().is_empty());
    assert_eq!(rig.session.closing(), Some(CloseReason::LinkFailed), "the first reason stays");
}

#[test]
fn an_unbind_before_a_bind_closes_at_once() {
    for role in [Role::Smsc, Role::Esme] {
        let mut rig = Rig::new(role, settings(1, 1));
        assert!(rig.unbind().is_empty());
        assert_eq!(rig.session.closing(), Some(CloseReason::Unbound));
    }
}
