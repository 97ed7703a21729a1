//! One connection of the load generator: connects, binds, keeps its window full, answers receipts, comes back when lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::{Clock, Mono};
use crate::pdu::{CommandId, CommandStatus, Frame};
use crate::sandbox::SandboxError;
use crate::sandbox::duplex::{Duplex, Nudge, Stream, Turn};
use crate::sandbox::window::Window;
use crate::sandbox::wire;
use crate::session::BindMode;

use super::pace::Pace;
use super::run::{Run, Stage, THROTTLE_PAUSE};

/// Time for a connection, and again for the bind response.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that may wait for their bind at a time: servers allow one address few.
const BINDING_MOST: usize = 50;

/// Pause between attempts to come back.
const RECONNECT_DELAY: Duration = Duration::from_millis(200);

/// Time for the unbind response.
const UNBIND_TIMEOUT: Duration = Duration::from_secs(2);

/// How often open `submit_sm` are looked over for missing answers.
const EXPIRY_CHECK: Duration = Duration::from_millis(500);

/// How one connection ended.
enum Outcome {
    /// The run is over.
    Done,
    /// It was bound, and broke or was closed by the server.
    Lost,
    /// The bind was refused.
    Refused(CommandStatus),
    /// No bind response.
    Unanswered(&'static str),
}

/// What every connection of a run needs to connect.
pub(super) struct Dial {
    pub(super) tls: Option<(TlsConnector, ServerName<'static>)>,
    pub(super) clock: Clock,
    pub(super) links: usize,
}

struct Link {
    mode: BindMode,
    bound: bool,
    session: u16,
    window: Window<u32>,
    pace: Option<Pace>,
    per_second: f64,
    give_up: Mono,
    expiry_check: Mono,
    unbinding: bool,
    outcome: Option<Outcome>,
}

/// Keeps one connection until the run is over, number `place` of all. The first connection must succeed; later ones are
/// tried again.
pub(super) async fn drive(run: Rc<RefCell<Run>>, dial: Rc<Dial>, mode: BindMode, place: usize) {
    let nudge = Rc::new(Nudge::default());
    run.borrow_mut().watch(Rc::clone(&nudge));
    let must_wait = || {
        let run = run.borrow();
        run.stage == Stage::Binding && place >= run.bound + BINDING_MOST
    };
    while must_wait() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (mut first, mut pace) = (true, None);
    loop {
        let outcome = match connect(&run, &dial).await {
            Ok(stream) => session(stream, &run, &dial, mode, Rc::clone(&nudge), &mut pace).await,
            Err(error) if first => return run.borrow_mut().failure = Some(error),
            Err(_) => Outcome::Unanswered(""),
        };
        match outcome {
            Outcome::Done => return,
            Outcome::Lost => first = false,
            Outcome::Refused(_) | Outcome::Unanswered(_) if !first => {}
            refused => {
                let mut run = run.borrow_mut();
                run.failure = Some(explain(refused, &run.args.address, &run.args.system_id, mode));
                return;
            }
        }
        if run.borrow().stage == Stage::Ending {
            return;
        }
        tokio::time::sleep(RECONNECT_DELAY).await;
    }
}

async fn connect(run: &RefCell<Run>, dial: &Dial) -> Result<Box<dyn Stream>, SandboxError> {
    let address = run.borrow().args.address.clone();
    let failed = |source| SandboxError::Connect { address: address.clone(), source };
    let connecting = async {
        let stream = TcpStream::connect(&address).await?;
        stream.set_nodelay(true)?;
        Ok::<Box<dyn Stream>, std::io::Error>(match &dial.tls {
            None => Box::new(stream),
            Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
        })
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(failed),
        Err(_) => Err(failed(std::io::ErrorKind::TimedOut.into())),
    }
}

/// One connection; its schedule goes on in the next one.
async fn session(
    stream: Box<dyn Stream>,
    run: &RefCell<Run>,
    dial: &Dial,
    mode: BindMode,
    nudge: Rc<Nudge>,
    pace: &mut Option<Pace>,
) -> Outcome {
    let mut duplex = Duplex::new(stream, dial.clock, nudge);
    let mut link = {
        let mut run = run.borrow_mut();
        let give_up = dial.clock.now().mono.after(CONNECT_TIMEOUT);
        let mut link = Link::new(mode, &mut run, dial.links, give_up);
        link.pace = pace.take();
        link.ask(duplex.output(), &run);
        link
    };
    let outcome = loop {
        let deadline = link.advance(&mut duplex, &mut run.borrow_mut(), dial.clock.now().mono);
        if let Some(outcome) = link.outcome.take() {
            break outcome;
        }
        if duplex.turn(deadline).await == Turn::Closed {
            break match (link.unbinding, link.bound) {
                (true, _) => Outcome::Done,
                (_, true) => Outcome::Lost,
                _ => Outcome::Unanswered("it closed the connection"),
            };
        }
    };
    link.end(&mut run.borrow_mut(), &outcome);
    *pace = link.pace;
    duplex.close(Duration::from_secs(1)).await;
    outcome
}

impl Link {
    fn new(mode: BindMode, run: &mut Run, links: usize, give_up: Mono) -> Self {
        Self {
            mode,
            bound: false,
            session: run.session(),
            window: Window::new(run.args.window as usize),
            pace: None,
            per_second: run.args.rate as f64 / links as f64,
            give_up,
            expiry_check: Mono::default(),
            unbinding: false,
            outcome: None,
        }
    }

    /// Writes the bind request.
    fn ask(&mut self, out: &mut Vec<u8>, run: &Run) {
        let at = wire::start(out, command(self.mode), self.window.unwindowed());
        wire::put_string(out, run.args.system_id.as_bytes());
        wire::put_string(out, run.args.password.as_bytes());
        // Empty system_type, interface_version 3.4, no type or plan of number, empty address_range.
        out.extend_from_slice(&[0, 0x34, 0, 0, 0]);
        wire::finish(out, at);
    }

    /// Does all there is to do now; returns when to look again at the latest.
    fn advance(&mut self, duplex: &mut Duplex, run: &mut Run, now: Mono) -> Option<Mono> {
        let cut = duplex.frames(|frame, out| self.frame(&frame, out, run, now));
        if cut.is_err() {
            self.outcome =
                Some(if self.bound { Outcome::Lost } else { Outcome::Unanswered("its octets are not SMPP") });
        }
        if !self.bound {
            return self.out_of_time(now, Outcome::Unanswered("nothing came"));
        }
        if run.stage == Stage::Ending {
            if !self.unbinding {
                self.unbinding = true;
                self.give_up = now.after(UNBIND_TIMEOUT);
                let sequence = self.window.unwindowed();
                wire::put_header(duplex.output(), CommandId::UNBIND, CommandStatus::ESME_ROK, sequence);
            }
            return self.out_of_time(now, Outcome::Done);
        }
        self.expire(run, now);
        let next = if self.mode == BindMode::Receiver { None } else { self.fill(duplex, run, now) };
        let expiry = (self.window.open() > 0).then_some(self.expiry_check);
        next.into_iter().chain(expiry).min()
    }

    fn out_of_time(&mut self, now: Mono, outcome: Outcome) -> Option<Mono> {
        if now >= self.give_up && self.outcome.is_none() {
            self.outcome = Some(outcome);
        }
        Some(self.give_up)
    }

    /// Sends what the window and the schedule allow; returns when there is more to send.
    fn fill(&mut self, duplex: &mut Duplex, run: &mut Run, now: Mono) -> Option<Mono> {
        if run.stage != Stage::Sending {
            return None;
        }
        let pace = self.pace.get_or_insert_with(|| Pace::new(self.per_second, run.started()));
        let tick = pace.tick(now);
        while self.window.free() > 0 && duplex.has_room() {
            let Some(serial) = run.next(pace, now) else { break };
            // There is room: the loop asks first.
            let Some(sequence) = self.window.take(serial, now) else { break };
            run.write(duplex.output(), sequence, serial);
        }
        if self.window.free() == 0 {
            return None;
        }
        let tick = tick.filter(|_| run.sending(now));
        match pace.rest_ends(now) {
            Some(end) => Some(end),
            None => tick.into_iter().chain(run.next_retry()).min(),
        }
    }

    /// Gives up what is still open.
    fn end(&mut self, run: &mut Run, outcome: &Outcome) {
        run.bound -= usize::from(self.bound);
        self.window.expire(Mono(u64::MAX), |serial| run.lost(serial, true));
        if matches!(outcome, Outcome::Lost) {
            run.connection_lost(self.session);
        }
    }

    fn expire(&mut self, run: &mut Run, now: Mono) {
        if self.window.open() > 0 && now >= self.expiry_check {
            self.expiry_check = now.after(EXPIRY_CHECK);
            let timeout_us = run.args.response_timeout.as_micros() as u64;
            self.window.expire(Mono(now.0.saturating_sub(timeout_us)), |serial| run.lost(serial, false));
        }
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>, run: &mut Run, now: Mono) {
        let header = frame.header;
        match header.id {
            CommandId::SUBMIT_SM_RESP | CommandId::GENERIC_NACK => {
                let Some(serial) = self.window.answer(header.sequence) else { return };
                if run.answered(serial, header.status, frame.body, now)
                    && let Some(pace) = &mut self.pace
                {
                    pace.rest(now.after(THROTTLE_PAUSE));
                }
            }
            CommandId::DELIVER_SM => {
                run.delivered(frame.body, self.session, now);
                wire::put_string_response(out, CommandId::DELIVER_SM_RESP, header.sequence, b"");
            }
            CommandId::ENQUIRE_LINK => {
                wire::put_header(out, header.id.response(), CommandStatus::ESME_ROK, header.sequence);
            }
            CommandId::UNBIND => {
                wire::put_header(out, header.id.response(), CommandStatus::ESME_ROK, header.sequence);
                self.outcome = Some(if self.unbinding { Outcome::Done } else { Outcome::Lost });
            }
            CommandId::UNBIND_RESP => self.outcome = Some(Outcome::Done),
            id if id == command(self.mode).response() && !self.bound => {
                if header.status == CommandStatus::ESME_ROK {
                    self.bound = true;
                    run.bound += 1;
                } else {
                    self.outcome = Some(Outcome::Refused(header.status));
                }
            }
            id if id.is_response() => {}
            _ => wire::put_header(out, CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, header.sequence),
        }
    }
}

fn command(mode: BindMode) -> CommandId {
    match mode {
        BindMode::Transmitter => CommandId::BIND_TRANSMITTER,
        BindMode::Receiver => CommandId::BIND_RECEIVER,
        BindMode::Transceiver => CommandId::BIND_TRANSCEIVER,
    }
}

/// Why the first bind failed, in words.
fn explain(outcome: Outcome, address: &str, system_id: &str, mode: BindMode) -> SandboxError {
    let address = address.to_owned();
    let Outcome::Refused(status) = outcome else {
        let reason = if let Outcome::Unanswered(reason) = outcome { reason } else { "it closed the connection" };
        return SandboxError::BindUnanswered { address, reason: reason.to_owned() };
    };
    let hint = match status {
        CommandStatus::ESME_RINVPASWD => ": the password is wrong; give it with --password",
        CommandStatus::ESME_RINVSYSID => ": no such account there; give one with --system-id",
        CommandStatus::ESME_RBINDFAIL => ": check account, password, and the address you come from",
        CommandStatus::ESME_RALYBND => ": the account has as many binds as it may; use fewer --binds",
        _ => "",
    };
    let (system_id, status) = (system_id.to_owned(), status.to_string());
    SandboxError::BindRefused { address, command: command(mode).to_string(), system_id, status, hint }
}
