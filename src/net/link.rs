//! One task per connection, for both roles and for TCP and TLS alike: it moves octets between a socket and a session,
//! the session's events into the inbox, and parcels from the mailbox to the socket.
//!
//! Decides nothing about messages or binds; there is no channel inside, so nothing here can wait for itself. Every part
//! is polled by hand in one place ([`Link::turn`]) because the rules are about what may proceed while what waits: a full
//! inbox stops the socket's reading, never the mailbox's draining.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{mpsc, watch};
use tokio_util::codec::Decoder;

use super::alarm::Alarm;
use super::farewell::{failed, farewell};
use super::inbox::{Inbox, Mail};
use super::outgoing::Outgoing;
use super::post::Post;
use super::stop::{Stop, StopWatch, Wish};
use super::tally::Tally;
use crate::bridge::Input;
use crate::clock::{Clock, Mono};
use crate::message::LinkId;
use crate::pdu::{Codec, CodecError, CommandStatus, Frames, HEADER_LENGTH, UNBOUND_LIMIT};
use crate::session::{CloseReason, Event, Parcel, Role, Session};

/// Most octets asked of the socket at once.
const READ_MOST: usize = 64 * 1024;
/// Octets asked of the socket when it brings little.
const READ_LEAST: usize = 4 * 1024;
/// Unwritten octets at which the socket is not read any more, so that a peer that asks without reading pays itself.
const OUTGOING_PAUSE: usize = 256 * 1024;
/// Unwritten octets at which the link ends. Credit and window allow far less.
const OUTGOING_LIMIT: usize = 8 * 1024 * 1024;
/// Parcels that may wait beyond what windows explain: a bind response, an unbind.
const MAILBOX_SLACK: usize = 64;
/// Parcels that windows may explain.
const MAILBOX_MOST: usize = 1 << 16;
/// How long the peer has to be read after an inbox that was full, before its silence counts.
const GRACE: Duration = Duration::from_secs(1);
/// Parcels taken out of the mailbox at once.
const PARCELS: usize = 64;

/// What happens before the bridge learns of a link.
pub(super) trait Greeter: Send {
    /// Looks at an event of a link that is not introduced yet; `chunk` is what its spans point into.
    fn greet(&mut self, event: &Event, chunk: &Bytes) -> Greeting;
}

/// A greeter's reaction.
pub(super) enum Greeting {
    /// Not the event that was waited for.
    Ignore,
    /// To be decided; meanwhile the socket is not read.
    Deciding(Deciding),
    /// The bridge learns of the link.
    Introduce(Introduction),
}

/// A decision that takes time.
pub(super) type Deciding = Pin<Box<dyn Future<Output = Verdict> + Send>>;

/// How it ends.
pub(super) enum Verdict {
    /// The bridge learns of the link.
    Introduce(Introduction),
    /// The session sends this parcel and closes.
    Refuse(Parcel),
}

/// Whom to tell why a bind was refused that had passed the greeter.
pub(super) type Refused = Box<dyn Fn(&'static str) + Send>;

/// How the bridge learns of a link.
#[derive(Debug)]
pub(super) struct Introduction {
    /// The first input.
    pub(super) input: Input,
    /// Requests of the peer that may be open.
    pub(super) window: u32,
    /// Requests of ours that may be open.
    pub(super) send_window: u32,
}

impl Introduction {
    /// Parcels that may wait for the link: one for each answer and request that can be open, and a few.
    fn mailbox_capacity(&self) -> usize {
        let parcels = u64::from(self.window) * 2 + u64::from(self.send_window);
        usize::try_from(parcels).unwrap_or(usize::MAX).min(MAILBOX_MOST) + MAILBOX_SLACK
    }
}

/// How a link ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    /// Why.
    pub(super) reason: CloseReason,
    /// For how many microseconds the bridge knew of it, `None` if never.
    pub(super) introduced_us: Option<u64>,
}

/// Where a link belongs.
pub(super) struct Surroundings {
    pub(super) link: LinkId,
    pub(super) clock: Clock,
    pub(super) inbox: Inbox,
    pub(super) stop: StopWatch,
    /// What is wanted of this link alone, if anybody can ask.
    pub(super) own: Option<watch::Receiver<Wish>>,
    pub(super) tally: Arc<Tally>,
    pub(super) refused: Option<Refused>,
    /// How long the socket may take nothing while there is something to write.
    pub(super) write_timeout: Duration,
}

/// A connection with its session and its buffers.
pub(super) struct Link<S> {
    stream: S,
    session: Session,
    clock: Clock,
    write_timeout: Duration,
    input: BytesMut,
    codec: Codec,
    /// Whole PDUs that the session did not want yet.
    chunk: Bytes,
    /// Octets to ask for; follows the traffic.
    read_size: usize,
    outgoing: Outgoing,
    /// Since when the socket takes nothing.
    stalled_since: Option<Mono>,
    post: Post,
    /// Since when the inbox takes nothing of ours.
    blocked_since: Option<Mono>,
    /// The session's timers are not looked at before: what the peer sent while we did not read comes first.
    grace: Mono,
    /// There once the bridge knows of the link.
    mailbox: Option<mpsc::Receiver<Parcel>>,
    parcels: Vec<Parcel>,
    events: Vec<Event>,
    /// How many events the last batch had: the next one's allocation.
    batch_size: usize,
    greeter: Option<Box<dyn Greeter>>,
    deciding: Option<Deciding>,
    introduced: Option<Mono>,
    /// Whether the bridge's next parcel answers a bind.
    undecided: bool,
    /// Binds beyond the first that were told of.
    second_binds: u64,
    refused: Option<Refused>,
    alarm: Alarm,
    stop: Stop,
    tally: Arc<Tally>,
    link: LinkId,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// A link over `stream`; `first` is written before anything else.
    pub(super) fn new(
        stream: S,
        session: Session,
        first: BytesMut,
        greeter: Box<dyn Greeter>,
        around: Surroundings,
    ) -> Self {
        let mut outgoing = Outgoing::default();
        outgoing.push(first);
        Self {
            stream,
            session,
            clock: around.clock,
            write_timeout: around.write_timeout,
            input: BytesMut::new(),
            codec: Codec::new(UNBOUND_LIMIT),
            chunk: Bytes::new(),
            read_size: READ_LEAST,
            outgoing,
            stalled_since: None,
            post: Post::new(around.link, around.inbox),
            blocked_since: None,
            grace: Mono::default(),
            mailbox: None,
            parcels: Vec::new(),
            events: Vec::new(),
            batch_size: 0,
            greeter: Some(greeter),
            deciding: None,
            introduced: None,
            undecided: false,
            second_binds: 0,
            refused: around.refused,
            alarm: Alarm::new(around.clock),
            stop: Stop::new(around.stop, around.own),
            tally: around.tally,
            link: around.link,
        }
    }

    /// Runs until the connection is closed and the bridge knows.
    pub(super) async fn run(mut self) -> Ended {
        let reason = poll_fn(|cx| self.turn(cx)).await;
        self.finish(reason).await
    }

    /// Tells the bridge and lets the peer read what is written, side by side: neither waits for the other.
    async fn finish(mut self, reason: CloseReason) -> Ended {
        let now = self.clock.now().mono;
        self.mailbox = None;
        self.deciding = None;
        // Nobody can ask it for anything any more: so the roster knows that it is gone.
        drop(self.stop);
        self.session.close(reason);
        self.session.finish(&mut self.events);
        self.tally.session(self.session.role(), reason, self.session.counters());
        if self.introduced.is_some() {
            self.post.append(&mut self.events);
            self.post.push(Mail::Input(Input::Closed { link: self.link }));
        }
        let (told, ()) = tokio::join!(
            poll_fn(|cx| self.post.poll_deliver(cx)),
            farewell(&mut self.stream, &mut self.outgoing, reason)
        );
        if let Err(stopped) = told {
            tracing::debug!(link = %self.link, "{stopped}");
        }
        Ended { reason, introduced_us: self.introduced.map(|since| now.since_us(since)) }
    }

    /// One wake-up: everything that can proceed does. Pending only when each part has said when to come back.
    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        loop {
            let now = self.clock.now().mono;
            match self.pass(cx, now) {
                Err(ending) => return Poll::Ready(ending),
                Ok(true) => {}
                Ok(false) => {
                    if !self.arm(cx, now) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// Each part once. Whether any of them opened the way for another.
    fn pass(&mut self, cx: &mut Context<'_>, now: Mono) -> Result<bool, CloseReason> {
        self.expire(now)?;
        if let Some(wish) = self.stop.poll(cx) {
            self.leave(wish, now)?;
        }
        let mut moved = self.drain_mailbox(cx, now)?;
        moved |= self.decide(cx, now);
        moved |= self.read(cx, now)?;
        moved |= self.deliver(cx, now)?;
        moved |= self.write(cx, now)?;
        match self.session.closing() {
            Some(reason) => Err(reason),
            None => Ok(moved),
        }
    }

    /// Reacts to deadlines that have passed.
    fn expire(&mut self, now: Mono) -> Result<(), CloseReason> {
        if self.stalled_since.is_some_and(|since| since.after(self.write_timeout) <= now) {
            return Err(CloseReason::WriteStalled);
        }
        if self.ticking().is_some_and(|deadline| deadline <= now) {
            self.session.tick(now, self.outgoing.tail(), &mut self.events);
            self.post.append(&mut self.events);
            if self.input.is_empty() {
                self.input = BytesMut::new();
                self.read_size = READ_LEAST;
            }
        }
        Ok(())
    }

    /// When to look at the session's timers. Not while the inbox is full: we do not read then, so the peer's silence and
    /// the answers it owes are ours.
    fn ticking(&self) -> Option<Mono> {
        let (deadline, _why) = self.session.deadline().filter(|_| self.post.is_clear())?;
        Some(deadline.max(self.grace))
    }

    /// Sets the alarm to the next deadline. Whether it went off already.
    fn arm(&mut self, cx: &mut Context<'_>, now: Mono) -> bool {
        let stalled = self.stalled_since.map(|since| since.after(self.write_timeout));
        let next = [self.ticking(), stalled].into_iter().flatten().min();
        self.alarm.poll(cx, next, now)
    }

    /// The process stops, or an operator wants this link gone: a bound link unbinds, another one closes.
    fn leave(&mut self, wish: Wish, now: Mono) -> Result<(), CloseReason> {
        if self.greeter.is_some() || wish == Wish::Cut {
            return Err(CloseReason::Ordered);
        }
        self.session.unbind(now, self.outgoing.tail());
        Ok(())
    }

    fn drain_mailbox(&mut self, cx: &mut Context<'_>, now: Mono) -> Result<bool, CloseReason> {
        let mut moved = false;
        while let Some(mailbox) = &mut self.mailbox
            && let Poll::Ready(count) = mailbox.poll_recv_many(cx, &mut self.parcels, PARCELS)
        {
            if count == 0 {
                return Err(CloseReason::MailboxFull);
            }
            // Again: what was decided after the wish is not to leave, however quickly it came here.
            if let Some(wish) = self.stop.poll(cx) {
                self.leave(wish, now)?;
            }
            for mut parcel in self.parcels.drain(..) {
                if std::mem::take(&mut self.undecided) {
                    let status = self.tally.bind_answer(self.session.role(), &parcel);
                    if let (Some(refused), Some(status)) =
                        (&self.refused, status.filter(|status| *status != CommandStatus::ESME_ROK))
                    {
                        refused(match status {
                            CommandStatus::ESME_RALYBND => "max_binds",
                            other => other.name().unwrap_or("other"),
                        });
                    }
                }
                self.session.dispatch(&mut parcel, now);
                self.outgoing.push(parcel.wire);
            }
            moved = true;
            if self.outgoing.len() > OUTGOING_LIMIT {
                return Err(CloseReason::WriteStalled);
            }
        }
        Ok(moved)
    }

    fn decide(&mut self, cx: &mut Context<'_>, now: Mono) -> bool {
        let Some(deciding) = &mut self.deciding else { return false };
        let Poll::Ready(verdict) = deciding.as_mut().poll(cx) else { return false };
        self.deciding = None;
        match verdict {
            Verdict::Introduce(introduction) => self.introduce(introduction, now),
            Verdict::Refuse(mut parcel) => {
                self.session.dispatch(&mut parcel, now);
                self.outgoing.push(parcel.wire);
            }
        }
        true
    }

    fn introduce(&mut self, introduction: Introduction, now: Mono) {
        let (mailbox, parcels) = mpsc::channel(introduction.mailbox_capacity());
        self.session.set_windows(introduction.window, introduction.send_window);
        self.mailbox = Some(parcels);
        self.greeter = None;
        self.introduced = Some(now);
        self.undecided = self.session.role() == Role::Smsc;
        self.post.push(Mail::Open { link: self.link, mailbox });
        self.post.push(Mail::Input(introduction.input));
    }

    fn may_read(&self) -> bool {
        self.session.wants_input()
            && self.post.is_clear()
            && self.deciding.is_none()
            && self.outgoing.len() <= OUTGOING_PAUSE
    }

    fn read(&mut self, cx: &mut Context<'_>, now: Mono) -> Result<bool, CloseReason> {
        if !self.may_read() {
            return Ok(false);
        }
        if self.parse(now) {
            return Ok(true);
        }
        if self.input.capacity() - self.input.len() < self.read_size / 4 {
            self.input.reserve(self.read_size);
        }
        let spare = self.input.capacity() - self.input.len();
        match pin!(self.stream.read_buf(&mut self.input)).poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) => Err(CloseReason::PeerClosed),
            Poll::Ready(Ok(count)) => {
                self.session.octets_received(now);
                if count == spare {
                    self.read_size = (self.read_size * 4).min(READ_MOST);
                } else if count < self.read_size / 8 {
                    self.read_size = (self.read_size / 2).max(READ_LEAST);
                }
                self.parse(now);
                Ok(true)
            }
            Poll::Ready(Err(error)) => Err(failed(&error)),
        }
    }

    /// Whether there are whole PDUs, or framing is lost.
    fn cut(&mut self) -> bool {
        if !self.chunk.is_empty() {
            return true;
        }
        self.codec.set_limit(self.session.frame_limit());
        match self.codec.decode(&mut self.input) {
            Ok(chunk) => self.chunk = chunk.unwrap_or_default(),
            Err(CodecError::Broken(broken)) => {
                self.session.broken(broken, self.outgoing.tail());
                return true;
            }
            // Said of a stream that ends, which the reading sees itself.
            Err(CodecError::Cut { .. } | CodecError::Io(_)) => {}
        }
        !self.chunk.is_empty()
    }

    /// Gives the session every whole PDU it wants, and the inbox the events. Whether there was anything.
    fn parse(&mut self, now: Mono) -> bool {
        if !self.cut() {
            return false;
        }
        let mut taken = 0;
        self.events.reserve(self.batch_size);
        for (at, frame) in Frames::new(&self.chunk) {
            if !self.session.wants_input() {
                break;
            }
            let body = u32::try_from(at + HEADER_LENGTH).unwrap_or(u32::MAX);
            self.session.receive(frame, body, now, self.outgoing.tail(), &mut self.events);
            taken = at + HEADER_LENGTH + frame.body.len();
        }
        let second_binds = self.session.counters().second_binds;
        if second_binds > self.second_binds {
            self.second_binds = second_binds;
            self.refused.iter().for_each(|refused| refused("already_bound"));
        }
        let chunk = self.chunk.split_to(taken);
        if self.events.is_empty() {
            return true;
        }
        let mut events = std::mem::take(&mut self.events);
        self.batch_size = events.len();
        if self.greeter.is_some() {
            self.greet(&mut events, &chunk, now);
        }
        if !events.is_empty() {
            self.post.push(Mail::Input(Input::Batch { link: self.link, chunk, events }));
        }
        true
    }

    /// Takes the events up to the bind out of `events`; what follows an accepted bind stays.
    fn greet(&mut self, events: &mut Vec<Event>, chunk: &Bytes, now: Mono) {
        let mut seen = 0;
        while let (Some(event), Some(greeter)) = (events.get(seen), &mut self.greeter) {
            seen += 1;
            match greeter.greet(event, chunk) {
                Greeting::Ignore => {}
                Greeting::Deciding(deciding) => self.deciding = Some(deciding),
                Greeting::Introduce(introduction) => self.introduce(introduction, now),
            }
        }
        events.drain(..seen);
    }

    /// Whether the inbox took what the reading waited for.
    fn deliver(&mut self, cx: &mut Context<'_>, now: Mono) -> Result<bool, CloseReason> {
        if self.post.is_clear() {
            return Ok(false);
        }
        match self.post.poll_deliver(cx) {
            Poll::Pending => {
                self.blocked_since.get_or_insert(now);
                Ok(false)
            }
            Poll::Ready(Ok(())) => {
                if self.blocked_since.take().is_some_and(|since| since.after(GRACE) <= now) {
                    self.grace = now.after(GRACE);
                }
                Ok(true)
            }
            Poll::Ready(Err(_stopped)) => Err(CloseReason::Ordered),
        }
    }

    /// Whether the socket took what the reading waited for.
    fn write(&mut self, cx: &mut Context<'_>, now: Mono) -> Result<bool, CloseReason> {
        let paused = self.outgoing.len() > OUTGOING_PAUSE;
        loop {
            match self.outgoing.poll_write(Pin::new(&mut self.stream), cx) {
                Poll::Pending => {
                    self.stalled_since.get_or_insert(now);
                    break;
                }
                Poll::Ready(Ok(taken)) => {
                    self.stalled_since = None;
                    if taken == 0 {
                        break;
                    }
                }
                Poll::Ready(Err(error)) => return Err(failed(&error)),
            }
        }
        Ok(paused && self.outgoing.len() <= OUTGOING_PAUSE)
    }
}
