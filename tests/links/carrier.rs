//! Links to carriers: dialled, bound, lost, dialled again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use smppgate::bridge::Input;
use smppgate::message::CarrierId;
use smppgate::net::{Berth, Connect, Dial, Mail, Standing, keep_bound};
use smppgate::pdu::{Bind, CommandId, CommandStatus, Password};
use smppgate::session::{BindMode, CloseReason, Event, Role};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::desk::{Desk, Known, PIPE, sequences, settings, with_request};
use crate::peer::{FOREVER, Peer, pdu, request};

const FJORD: CarrierId = CarrierId(3);
const RESP: CommandId = CommandId::BIND_TRANSCEIVER_RESP;

/// Hands the other end of each connection to the test.
struct Exchange(mpsc::UnboundedSender<DuplexStream>);

impl Connect for Exchange {
    type Stream = DuplexStream;

    async fn connect(&self) -> io::Result<DuplexStream> {
        let (near, far) = duplex(PIPE);
        self.0.send(far).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(near)
    }
}

struct Carrier {
    dialled: mpsc::UnboundedReceiver<DuplexStream>,
    dial: Arc<Dial>,
    stop: watch::Sender<bool>,
    berth: Berth,
    task: JoinHandle<()>,
}

fn carrier(desk: &Desk) -> Carrier {
    let (sender, dialled) = mpsc::unbounded_channel();
    let (stop, stopped) = watch::channel(false);
    let bind =
        Bind { system_id: b"smppgate", password: Password(b"secret"), interface_version: 0x34, ..Bind::default() };
    let dial = Dial::new(FJORD, "fjord", &bind, settings());
    let (rim, exchange) = (Arc::clone(&desk.rim), Arc::new(Exchange(sender)));
    let (berth, mooring) = Berth::new(&Arc::default());
    let task = tokio::spawn(keep_bound(Arc::clone(&dial), BindMode::Transceiver, exchange, rim, stopped, mooring));
    Carrier { dialled, dial, stop, berth, task }
}

impl Carrier {
    /// The next connection, with its bind read.
    async fn called(&mut self) -> (Peer, u32) {
        let stream = timeout(FOREVER, self.dialled.recv()).await.unwrap().unwrap();
        let mut peer = Peer { stream };
        let (header, body) = peer.receive().await.unwrap();
        let bind = Bind::decode(&body).unwrap();
        assert_eq!(
            (header.id, bind.system_id, bind.password.0),
            (CommandId::BIND_TRANSCEIVER, &b"smppgate"[..], &b"secret"[..])
        );
        (peer, header.sequence)
    }

    async fn refused(&mut self, desk: &mut Desk, status: CommandStatus) {
        let (mut peer, sequence) = self.called().await;
        peer.send(&pdu(RESP, status, sequence, &[])).await;
        peer.expect_end().await;
        let told = desk.letter().await;
        assert!(matches!(told, Mail::Input(Input::CarrierRefused { carrier: FJORD })), "{told:?}");
    }

    /// Agrees to the unbind that was asked: the link ends, and nobody dials again.
    async fn unbound(&mut self, mut peer: Peer, sequence: u32, desk: &mut Desk, known: &Known) {
        peer.send(&pdu(CommandId::UNBIND_RESP, CommandStatus::ESME_ROK, sequence, &[])).await;
        peer.expect_end().await;
        drop(peer);
        desk.closed(known).await;
        timeout(FOREVER, &mut self.task).await.unwrap().unwrap();
        assert!(self.dialled.recv().await.is_none());
    }

    /// How long until the next connection, which is bound.
    async fn bound_again(&mut self, desk: &mut Desk) -> (Peer, Known, Duration) {
        let started = Instant::now();
        let (mut peer, sequence) = self.called().await;
        let waited = started.elapsed();
        peer.send(&pdu(RESP, CommandStatus::ESME_ROK, sequence, b"fjord\0")).await;
        let known = desk.opened().await;
        match desk.letter().await {
            Mail::Input(Input::CarrierBound { link, carrier: FJORD, mode: BindMode::Transceiver, window }) => {
                assert_eq!((link, window), (known.link, settings().send_window));
            }
            other => panic!("the bind should be reported, not {other:?}"),
        }
        (peer, known, waited)
    }
}

#[tokio::test(start_paused = true)]
async fn a_carrier_is_bound_and_what_follows_its_answer_is_not_lost() {
    let mut desk = Desk::new();
    let mut carrier = carrier(&desk);
    let (mut peer, sequence) = carrier.called().await;
    assert_eq!(carrier.dial.standing(), Standing::Connecting);
    let mut octets = pdu(RESP, CommandStatus::ESME_ROK, sequence, b"fjord\0");
    octets.extend(request(CommandId::DELIVER_SM, 1, b"receipt"));
    peer.send(&octets).await;
    let known = desk.opened().await;
    assert!(matches!(desk.letter().await, Mail::Input(Input::CarrierBound { carrier: FJORD, .. })));
    assert_eq!(sequences(&desk.batch(&known).await.1), [1]);
    assert_eq!(carrier.dial.standing(), Standing::Bound);
    known.mailbox.send(with_request(CommandId::SUBMIT_SM, 5, b"message")).await.unwrap();
    let (header, body) = peer.receive().await.unwrap();
    assert_eq!((header.id, &body[..]), (CommandId::SUBMIT_SM, &b"message"[..]));
}

#[tokio::test(start_paused = true)]
async fn a_lost_carrier_is_dialled_again_with_growing_waits() {
    let mut desk = Desk::new();
    let mut carrier = carrier(&desk);
    for least in [0, 800, 1600, 3200] {
        let (peer, known, waited) = carrier.bound_again(&mut desk).await;
        let waited = waited.as_millis();
        assert!((least..=least * 3 / 2 + 1).contains(&waited), "{waited} ms instead of {least} and some");
        drop(peer);
        desk.closed(&known).await;
    }
    // A bind that lasts makes the next failure the first one again.
    let (mut peer, known, _) = carrier.bound_again(&mut desk).await;
    for sequence in 0..4 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        peer.echo(sequence).await;
    }
    drop(peer);
    desk.closed(&known).await;
    let (_peer, _known, waited) = carrier.bound_again(&mut desk).await;
    assert!(waited <= Duration::from_millis(1201), "{waited:?}");
    assert_eq!(desk.rim.tally().totals(Role::Esme).closes, [("peer_closed", 5)]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_bind_waits_long() {
    let mut desk = Desk::new();
    for (status, least) in [(0x0D, 30), (0x0E, 30), (0x0F, 30), (0x05, 5), (0x08, 0)] {
        let mut carrier = carrier(&desk);
        carrier.refused(&mut desk, CommandStatus(status)).await;
        let (_peer, _known, waited) = carrier.bound_again(&mut desk).await;
        assert!((least..=least + 13).contains(&waited.as_secs()), "{waited:?} after {status:#x}");
        carrier.task.abort();
    }
    let mut carrier = carrier(&desk);
    carrier.refused(&mut desk, CommandStatus::ESME_RINVPASWD).await;
    let shown = Standing::Lost(CloseReason::BindRejected(CommandStatus::ESME_RINVPASWD));
    timeout(FOREVER, async {
        while carrier.dial.standing() != shown {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(shown.to_string(), "refused: ESME_RINVPASWD");
}

#[tokio::test(start_paused = true)]
async fn a_carrier_that_does_not_answer_the_bind_is_left() {
    let mut desk = Desk::new();
    let mut carrier = carrier(&desk);
    let (mut peer, _) = carrier.called().await;
    peer.expect_end().await;
    drop(peer);
    let (_peer, _known, _) = carrier.bound_again(&mut desk).await;
    assert_eq!(desk.rim.tally().totals(Role::Esme).binds, [("unanswered", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_unbinds_and_ends_the_dialling() {
    let mut desk = Desk::new();
    let mut carrier = carrier(&desk);
    let (mut peer, known, _) = carrier.bound_again(&mut desk).await;
    carrier.stop.send(true).unwrap();
    let (header, _) = peer.receive().await.unwrap();
    assert_eq!(header.id, CommandId::UNBIND);
    carrier.unbound(peer, header.sequence, &mut desk, &known).await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_not_wanted_awaits_its_answers_takes_nothing_more_and_does_not_come_back() {
    let mut desk = Desk::new();
    let mut carrier = carrier(&desk);
    let (mut peer, known, _) = carrier.bound_again(&mut desk).await;
    assert!(carrier.berth.is_bound() && !carrier.berth.is_leaving());
    known.mailbox.send(with_request(CommandId::SUBMIT_SM, 5, b"message")).await.unwrap();
    let (submitted, _) = peer.receive().await.unwrap();
    carrier.berth.leave();
    known.mailbox.send(with_request(CommandId::SUBMIT_SM, 6, b"another")).await.unwrap();
    let (_, events) = desk.batch(&known).await;
    let unsent = |event: &Event| matches!(event, Event::Response { token: 6, elapsed_us: 0, .. });
    assert!(events.len() == 1 && unsent(&events[0]), "{events:?}");
    peer.send(&pdu(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, submitted.sequence, b"77\0")).await;
    let (_, events) = desk.batch(&known).await;
    assert!(matches!(events[..], [Event::Response { token: 5, status: CommandStatus::ESME_ROK, .. }]), "{events:?}");
    let (header, _) = peer.receive().await.unwrap();
    assert_eq!(header.id, CommandId::UNBIND, "nothing else was written");
    carrier.unbound(peer, header.sequence, &mut desk, &known).await;
    assert!(!carrier.berth.is_bound() && carrier.berth.is_leaving());
    assert_eq!(carrier.dial.standing(), Standing::Bound, "which is nothing about the carrier");
}

#[tokio::test(start_paused = true)]
async fn a_link_may_be_told_to_leave_while_it_dials_binds_or_waits() {
    let mut desk = Desk::new();
    let mut binding = carrier(&desk);
    let (mut peer, _) = binding.called().await;
    binding.berth.leave();
    peer.expect_end().await;
    drop(peer);
    timeout(FOREVER, binding.task).await.unwrap().unwrap();

    let mut waiting = carrier(&desk);
    waiting.refused(&mut desk, CommandStatus::ESME_RINVPASWD).await;
    let begun = Instant::now();
    waiting.berth.leave();
    timeout(FOREVER, waiting.task).await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "not only after the next try");

    let forgotten = carrier(&desk);
    drop(forgotten.berth);
    timeout(FOREVER, forgotten.task).await.unwrap().unwrap();
}
