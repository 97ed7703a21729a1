//! Peers that do not read, a bridge that does not, and what still moves then.

use std::time::Duration;

use smppgate::bridge::Input;
use smppgate::message::LinkId;
use smppgate::net::Mail;
use smppgate::pdu::{CommandId, CommandStatus};
use smppgate::session::{Event, Parcel};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use crate::desk::{Desk, PIPE, sequences, with_request};
use crate::peer::{pdu, request};

#[tokio::test(start_paused = true)]
async fn a_full_inbox_stops_the_reading_and_not_the_mailbox() {
    let mut desk = Desk::with(1, |_| {});
    let (mut peer, known) = desk.bound().await;
    desk.inbox.send(Mail::Input(Input::Closed { link: LinkId(0) })).await.unwrap();
    // One batch waits in the link, the stream fills, and the peer can write no more.
    let body = [b'x'; 1000];
    let mut sent = 0;
    while timeout(Duration::from_secs(1), peer.stream.write_all(&request(CommandId::SUBMIT_SM, sent, &body)))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent as usize * body.len() < 4 * PIPE, "the link reads on");
        tokio::task::yield_now().await;
    }
    // Much longer than the timers of silence and of answers: none of them is the peer's fault.
    tokio::time::sleep(Duration::from_secs(300)).await;
    known.answer(CommandId::SUBMIT_SM, [0]).await;
    peer.expect(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, 0).await;
    assert!(matches!(desk.letter().await, Mail::Input(Input::Closed { link: LinkId(0) })));
    let mut seen = Vec::new();
    while seen.len() < sent as usize {
        seen.extend(sequences(&desk.batch(&known).await.1));
    }
    assert_eq!(seen, (0..sent).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_we_did_not_read_is_not_missing() {
    let mut desk = Desk::with(1, |_| {});
    let (mut peer, known) = desk.bound().await;
    desk.inbox.send(Mail::Input(Input::Closed { link: LinkId(0) })).await.unwrap();
    peer.send(&request(CommandId::SUBMIT_SM, 2, b"blocked")).await;
    known.mailbox.send(with_request(CommandId::DELIVER_SM, 77, b"receipt")).await.unwrap();
    let (header, _) = peer.receive().await.unwrap();
    peer.send(&pdu(CommandId::DELIVER_SM_RESP, CommandStatus::ESME_ROK, header.sequence, &[0])).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    desk.letter().await;
    assert_eq!(sequences(&desk.batch(&known).await.1), [2]);
    let (_, events) = desk.batch(&known).await;
    assert!(matches!(events[..], [Event::Response { token: 77, status: CommandStatus::ESME_ROK, .. }]), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn half_a_request_survives_the_timers_of_others() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    known.mailbox.send(with_request(CommandId::DELIVER_SM, 77, b"receipt")).await.unwrap();
    let octets = request(CommandId::SUBMIT_SM, 2, b"in two halves");
    tokio::time::sleep(Duration::from_secs(20)).await;
    peer.send(&octets[..20]).await;
    assert_eq!(desk.batch(&known).await.1, [Event::Unanswered { token: 77 }]);
    peer.send(&octets[20..]).await;
    assert_eq!(sequences(&desk.batch(&known).await.1), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_closed_after_the_response_timer() {
    let mut desk = Desk::new();
    let (peer, known) = desk.bound().await;
    let started = Instant::now();
    let wire = vec![0; 4 * PIPE];
    known.mailbox.send(Parcel { wire: wire[..].into(), ..Parcel::default() }).await.unwrap();
    desk.closed(&known).await;
    assert_eq!((started.elapsed().as_secs(), desk.closes("write_stalled")), (30, 1));
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_asks_without_reading_is_not_read() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    let octets: Vec<u8> = (0..1000).flat_map(|sequence| request(CommandId::ENQUIRE_LINK, sequence, &[])).collect();
    let mut taken = 0;
    while timeout(Duration::from_secs(1), peer.stream.write_all(&octets)).await.is_ok() {
        taken += octets.len();
        assert!(taken < 4 << 20, "the link keeps answers without limit");
    }
    desk.closed(&known).await;
    assert_eq!(desk.closes("write_stalled"), 1);
}

#[tokio::test(start_paused = true)]
async fn more_than_any_window_explains_ends_the_link() {
    let mut desk = Desk::new();
    let (_peer, known) = desk.bound().await;
    let mut sent = 0;
    while known.mailbox.try_send(Parcel { wire: vec![0; 200 * PIPE][..].into(), ..Parcel::default() }).is_ok() {
        sent += 1;
        tokio::task::yield_now().await;
        assert!(sent < 10, "octets are kept without limit");
    }
    desk.closed(&known).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_mailbox_ends_the_link() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    let link = known.link;
    drop(known);
    assert!(matches!(desk.letter().await, Mail::Input(Input::Closed { link: closed }) if closed == link));
    peer.expect_end().await;
    assert_eq!(desk.closes("mailbox_full"), 1);
}

#[tokio::test(start_paused = true)]
async fn large_and_small_parcels_arrive_in_order() {
    let mut desk = Desk::new();
    let (mut peer, known) = desk.bound().await;
    let numbers: Vec<Vec<u32>> =
        (0..60).map(|parcel| (0..(parcel * 37) % 400).map(|n| parcel * 1000 + n).collect()).collect();
    let writing = async {
        for sequences in &numbers {
            known.answer(CommandId::SUBMIT_SM, sequences.iter().copied()).await;
        }
    };
    let reading = async {
        for sequence in numbers.iter().flatten() {
            peer.expect(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, *sequence).await;
        }
    };
    tokio::join!(writing, reading);
}
