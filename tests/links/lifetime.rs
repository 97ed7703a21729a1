//! Beginnings that never become a bind, and ends of all kinds.

use std::time::Duration;

use smppgate::pdu::{CommandId, CommandStatus};
use smppgate::session::{Event, Role};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep};

use crate::desk::{Desk, sequences, with_request};
use crate::peer::{bind, pdu, request};

#[tokio::test(start_paused = true)]
async fn an_octet_a_second_does_not_become_a_bind() {
    let mut desk = Desk::new();
    let mut peer = desk.connect();
    let started = Instant::now();
    let mut sent = 0;
    for octet in bind("acme", "secret", 1) {
        if peer.stream.write_all(&[octet]).await.is_err() || desk.crowd.links() == 0 {
            break;
        }
        sent += 1;
        sleep(Duration::from_secs(1)).await;
    }
    assert!(sent < 10 && started.elapsed() < Duration::from_secs(10), "{sent} octets");
    desk.quiet(Duration::from_secs(60)).await;
    assert_eq!(desk.closes("session_init"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_octet_a_second_is_a_request_and_one_in_a_minute_is_not() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    for octet in request(CommandId::SUBMIT_SM, 2, b"slow") {
        peer.send(&[octet]).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(sequences(&desk.batch(&known).await.1), [2]);
    peer.send(&[0]).await;
    desk.closed(&known).await;
    assert_eq!(desk.closes("partial_pdu"), 1);
}

#[tokio::test(start_paused = true)]
async fn another_protocol_is_closed_without_a_word() {
    let mut desk = Desk::new();
    for octets in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01], b"\r\n\r\n"] {
        let mut peer = desk.connect();
        peer.send(octets).await;
        peer.expect_end().await;
    }
    desk.quiet(Duration::from_secs(60)).await;
    assert_eq!((desk.closes("not_smpp"), desk.crowd.links()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn lost_framing_is_answered_and_what_came_before_counts() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    let mut octets = request(CommandId::SUBMIT_SM, 2, b"fine");
    octets.extend(15_u32.to_be_bytes());
    peer.send(&octets).await;
    assert_eq!(sequences(&desk.batch(&known).await.1), [2]);
    desk.closed(&known).await;
    peer.expect(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDLEN, 0).await;
    peer.expect_end().await;
    assert_eq!(desk.closes("framing"), 1);
}

#[tokio::test(start_paused = true)]
async fn requests_without_answer_are_reported_before_the_end() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    known.mailbox.send(with_request(CommandId::DELIVER_SM, 77, b"receipt")).await.unwrap();
    let (header, body) = peer.receive().await.unwrap();
    assert_eq!((header.id, &body[..]), (CommandId::DELIVER_SM, &b"receipt"[..]));
    known.mailbox.send(with_request(CommandId::DELIVER_SM, 78, b"receipt")).await.unwrap();
    let (second, _) = peer.receive().await.unwrap();
    peer.send(&pdu(CommandId::DELIVER_SM_RESP, CommandStatus::ESME_ROK, second.sequence, &[0])).await;
    let (_, events) = desk.batch(&known).await;
    assert!(matches!(events[..], [Event::Response { token: 78, status: CommandStatus::ESME_ROK, .. }]));
    drop(peer);
    let (chunk, events) = desk.batch(&known).await;
    assert_eq!((chunk.len(), &events[..]), (0, &[Event::Unanswered { token: 77 }][..]));
    desk.closed(&known).await;
    assert_eq!(desk.closes("peer_closed"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_asked_and_then_given_up() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    let started = Instant::now();
    let (header, _) = peer.receive().await.unwrap();
    assert_eq!((header.id, started.elapsed().as_secs()), (CommandId::ENQUIRE_LINK, 30));
    peer.send(&pdu(CommandId::ENQUIRE_LINK_RESP, CommandStatus::ESME_ROK, header.sequence, &[])).await;
    desk.closed(&known).await;
    // 30 s of silence again, then two answers that do not come within 10 s.
    assert_eq!(started.elapsed().as_secs(), 30 + 30 + 20);
    assert_eq!(desk.closes("peer_silent"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_unbinds_bound_links_and_closes_others() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    let mut unbound = desk.connect();
    peer.send(&request(CommandId::SUBMIT_SM, 2, b"last")).await;
    assert_eq!(sequences(&desk.batch(&known).await.1), [2]);
    desk.stop.send(true).unwrap();
    unbound.expect_end().await;
    known.answer(CommandId::SUBMIT_SM, [2]).await;
    peer.expect(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, 2).await;
    let (header, _) = peer.receive().await.unwrap();
    assert_eq!(header.id, CommandId::UNBIND);
    peer.send(&pdu(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, header.sequence, &[])).await;
    peer.expect_end().await;
    desk.closed(&known).await;
    assert_eq!((desk.closes("unbound"), desk.closes("ordered")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_unbind_is_answered_before_the_end() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    peer.send(&request(CommandId::UNBIND, 2, &[])).await;
    peer.expect(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, 2).await;
    peer.expect_end().await;
    desk.closed(&known).await;
    assert_eq!(desk.closes("peer_unbound"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_pushes_out_its_oldest_and_no_bound_link() {
    let mut desk = Desk::new();
    let (mut bound, _known) = desk.bound().await;
    let mut first = desk.connect();
    let mut others: Vec<_> = (0..99).map(|_| desk.connect()).collect();
    others[0].echo(1).await;
    let _last = desk.connect();
    first.expect_end().await;
    bound.echo(2).await;
    others[0].echo(2).await;
    assert_eq!((desk.closes("crowded"), desk.crowd.links(), desk.crowd.unbound()), (1, 101, 100));
}

#[tokio::test(start_paused = true)]
async fn responses_nobody_asked_for_are_counted_and_harmless() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    for sequence in 0..10_000 {
        peer.send(&pdu(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, sequence, b"x\0")).await;
    }
    peer.echo(2).await;
    desk.quiet(Duration::from_secs(1)).await;
    drop(peer);
    desk.closed(&known).await;
    assert_eq!(desk.rim.tally().totals(Role::Smsc).oddities, [("unasked_responses", 10_000)]);
}
