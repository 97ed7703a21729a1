//! What all connections of a run share: which message is next, what became of each, and when the run is over. No
//! sockets; time is an argument.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;
use rustc_hash::FxBuildHasher;

use crate::clock::{Clock, Mono};
use crate::message::MessageState;
use crate::pdu::CommandStatus;
use crate::sandbox::SandboxError;
use crate::sandbox::due::DueQueue;
use crate::sandbox::duplex::Nudge;
use crate::sandbox::wire::{self, Message};

use super::args::LoadArgs;
use super::message::Messages;
use super::pace::Pace;
use super::report::{Latency, Report, latencies};
use super::table::{Match, Table, id_of};

/// How long a throttled message, and the link it came back on, rest.
pub(super) const THROTTLE_PAUSE: Duration = Duration::from_millis(100);

/// A run ends only when no receipt came for this long, so that a duplicate right behind is still seen.
const QUIET: Duration = Duration::from_millis(300);

/// Most receipts kept that came before the answer with their id.
const EARLY_MAX: usize = 1_000_000;

/// Most messages for which the table makes room at once.
const RESERVE_MAX: u32 = 10_000_000;

/// Where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not all links are bound.
    Binding,
    /// Messages go out.
    Sending,
    /// All are answered; receipts come in.
    Waiting,
    /// Links unbind.
    Ending,
}

/// A receipt that came before the answer with its id.
struct Early {
    state: u8,
    session: u16,
    /// How often it came again, by session.
    more: BTreeMap<u16, u64>,
}

/// Counts for the progress line, since the last one.
pub(super) struct Interval {
    pub(super) acknowledged: u64,
    pub(super) receipts: u64,
    pub(super) answers: Histogram<u64>,
}

/// The state of a run.
pub(super) struct Run {
    pub(super) args: LoadArgs,
    pub(super) report: Report,
    pub(super) stage: Stage,
    pub(super) interval: Interval,
    pub(super) failure: Option<SandboxError>,
    pub(super) bound: usize,
    messages: Messages,
    table: Table,
    in_flight: u64,
    retry: DueQueue<u32>,
    resubmit: VecDeque<u32>,
    early: HashMap<u64, Early, FxBuildHasher>,
    answers: Histogram<u64>,
    receipts: Histogram<u64>,
    refused: BTreeMap<u32, u64>,
    states: [u64; 256],
    acked_file: Option<BufWriter<File>>,
    nudges: Vec<Rc<Nudge>>,
    /// Receipts beyond the first, by the sessions that the first and this one came in.
    more: BTreeMap<(u16, u16), u64>,
    /// Fingerprints of messages from handsets.
    mobile: HashSet<u64, FxBuildHasher>,
    sessions: u16,
    lost_sessions: HashSet<u16, FxBuildHasher>,
    /// When the clock began, where messages are stamped.
    origin_us: Option<u64>,
    started: Mono,
    last_answer: Mono,
    last_receipt: Mono,
    last_progress: Mono,
}

impl Run {
    pub(super) fn new(args: LoadArgs, seed: u32, clock: Clock) -> Result<Self, SandboxError> {
        let origin_us = args.stamp.then(|| wire::origin_us(clock));
        let now = clock.now().mono;
        let messages = Messages::new(&args.to, &args.from, args.text_octets, args.wants_receipts(), seed)?;
        let acked_file = match &args.acked_file {
            None => None,
            Some(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                Some(BufWriter::new(file.map_err(|source| SandboxError::file(path, source))?))
            }
        };
        let expected = if args.messages.is_none() && args.duration.is_some() { 0 } else { args.limit() };
        Ok(Self {
            report: Report { seed, ..Report::default() },
            stage: Stage::Binding,
            interval: Interval { acknowledged: 0, receipts: 0, answers: latencies() },
            failure: None,
            bound: 0,
            messages,
            table: Table::new(expected.min(RESERVE_MAX) as usize),
            in_flight: 0,
            retry: DueQueue::new(),
            resubmit: VecDeque::new(),
            early: HashMap::default(),
            answers: latencies(),
            receipts: latencies(),
            refused: BTreeMap::new(),
            states: [0; 256],
            acked_file,
            nudges: Vec::new(),
            more: BTreeMap::new(),
            mobile: HashSet::default(),
            sessions: 0,
            origin_us,
            lost_sessions: HashSet::default(),
            started: now,
            last_answer: now,
            last_receipt: now,
            last_progress: now,
            args,
        })
    }

    /// A link to wake when the stage changes.
    pub(super) fn watch(&mut self, nudge: Rc<Nudge>) {
        self.nudges.push(nudge);
    }

    /// Moves the run to its next stage when it is time.
    pub(super) fn step(&mut self, now: Mono) {
        let stalled = now.since_us(self.last_progress) > self.args.wait_receipts.as_micros() as u64;
        let settled = !self.args.wants_receipts()
            || (self.report.receipts == self.report.acknowledged
                && now.since_us(self.last_receipt) > QUIET.as_micros() as u64);
        let all_sent = self.stage == Stage::Sending && self.all_sent(now);
        let next = match self.stage {
            Stage::Binding if self.bound == self.args.modes().len() => Stage::Sending,
            Stage::Sending if all_sent => Stage::Waiting,
            Stage::Sending if self.bound == 0 && stalled => Stage::Ending,
            Stage::Waiting if settled || stalled => Stage::Ending,
            stage => stage,
        };
        if next == Stage::Sending && self.stage == Stage::Binding {
            (self.started, self.last_answer, self.last_receipt, self.last_progress) = (now, now, now, now);
        }
        self.enter(next);
    }

    /// Goes to a stage and wakes every link to it.
    pub(super) fn enter(&mut self, stage: Stage) {
        if self.stage != stage {
            self.stage = stage;
            self.nudges.iter().for_each(|nudge| nudge.nudge());
        }
    }

    /// The first interruption ends the sending, as if its duration were over; the second one ends the run.
    pub(super) fn interrupt(&mut self, now: Mono) {
        if self.sending(now) {
            self.args.duration = Some(Duration::from_micros(now.since_us(self.started)));
        } else {
            self.enter(Stage::Ending);
        }
    }

    fn over(&self, now: Mono) -> bool {
        self.table.len() >= self.args.limit() as usize
            || self.args.duration.is_some_and(|duration| now >= self.started.after(duration))
    }

    fn all_sent(&mut self, now: Mono) -> bool {
        if self.args.duration.is_some_and(|duration| now >= self.started.after(duration)) {
            // Time is up: what is still to be tried again stays refused.
            let left = self.retry.drain().count() as u64;
            self.refuse(CommandStatus::ESME_RTHROTTLED, left);
        }
        self.over(now) && self.in_flight == 0 && self.retry.len() == 0 && self.resubmit.is_empty()
    }

    /// When sending began.
    pub(super) fn started(&self) -> Mono {
        self.started
    }

    /// Whether new messages are still to be sent.
    pub(super) fn sending(&self, now: Mono) -> bool {
        self.stage == Stage::Sending && !self.over(now)
    }

    /// When a throttled message is to be sent again.
    pub(super) fn next_retry(&self) -> Option<Mono> {
        self.retry.next_due().filter(|_| self.stage == Stage::Sending)
    }

    /// The message to send now on a link with this pace, if any.
    pub(super) fn next(&mut self, pace: &mut Pace, now: Mono) -> Option<u32> {
        if self.stage != Stage::Sending || pace.resting(now) {
            return None;
        }
        let serial = match self.retry.pop(now) {
            Some(serial) => serial,
            None => match self.resubmit.pop_front() {
                Some(serial) => {
                    self.report.resubmitted += 1;
                    serial
                }
                None if self.over(now) => return None,
                None => self.table.add(pace.take(now)?),
            },
        };
        self.in_flight += 1;
        self.report.submitted += 1;
        Some(serial)
    }

    /// Appends the `submit_sm` of a message.
    pub(super) fn write(&self, out: &mut Vec<u8>, sequence: u32, serial: u32) {
        let sent_us = self.origin_us.map(|origin_us| origin_us + self.table.time(serial).0);
        self.messages.write(out, sequence, serial, sent_us);
    }

    /// The answer to a `submit_sm`; `true` when the link is to rest.
    pub(super) fn answered(&mut self, serial: u32, status: CommandStatus, body: &[u8], now: Mono) -> bool {
        self.in_flight -= 1;
        self.last_answer = now;
        self.last_progress = now;
        match status {
            CommandStatus::ESME_ROK => self.acknowledged(serial, wire::leading_string(body), now),
            CommandStatus::ESME_RTHROTTLED if !self.args.no_retry => {
                self.report.throttled += 1;
                self.retry.push(now.after(THROTTLE_PAUSE), serial);
                return true;
            }
            _ => self.refuse(status, 1),
        }
        false
    }

    fn refuse(&mut self, status: CommandStatus, messages: u64) {
        if messages > 0 {
            *self.refused.entry(status.0).or_default() += messages;
        }
    }

    fn acknowledged(&mut self, serial: u32, text: &[u8], now: Mono) {
        let id = id_of(text);
        self.report.acknowledged += 1;
        self.interval.acknowledged += 1;
        if !self.table.acknowledge(serial, id) {
            self.report.reused_ids += 1;
        }
        let elapsed_us = now.since_us(self.table.time(serial));
        self.answers.saturating_record(elapsed_us);
        self.interval.answers.saturating_record(elapsed_us);
        if let Some(file) = &mut self.acked_file {
            let written = file
                .write_all(format!("{serial} ").as_bytes())
                .and_then(|()| file.write_all(text))
                .and_then(|()| file.write_all(b"\n"));
            self.note_file(written);
        }
        if !self.early.is_empty()
            && let Some(early) = self.early.remove(&id)
        {
            self.receipt(id, early.state, early.session, now);
            for (session, count) in early.more {
                (0..count).for_each(|_| self.receipt(id, early.state, session, now));
            }
        }
    }

    /// The outcome of a `submit_sm` is unknown; `again` when it may be sent once more.
    pub(super) fn lost(&mut self, serial: u32, again: bool) {
        self.in_flight -= 1;
        self.report.unknown += 1;
        if again && self.args.resubmit {
            self.resubmit.push_back(serial);
        }
    }

    /// The number of a new session: never 0, and used again only after 65,535 others.
    pub(super) fn session(&mut self) -> u16 {
        self.sessions = self.sessions.checked_add(1).unwrap_or(1);
        self.sessions
    }

    /// A connection broke: acknowledgements of receipts may be lost with it, so those that came in this session may
    /// come again without anyone's fault.
    pub(super) fn connection_lost(&mut self, session: u16) {
        self.report.connections_lost += 1;
        self.lost_sessions.insert(session);
    }

    /// A `deliver_sm`.
    pub(super) fn delivered(&mut self, body: &[u8], session: u16, now: Mono) {
        let message = Message::read(body);
        let Some((id, state)) = message.as_ref().and_then(receipt_facts) else {
            self.report.mobile += 1;
            let is_new = message.is_none_or(|message| self.mobile.insert(message.fingerprint()));
            self.report.mobile_unique += u64::from(is_new);
            return;
        };
        if MessageState::from_octet(state).is_some_and(|state| !state.is_final()) {
            self.report.intermediate_receipts += 1;
            return;
        }
        self.receipt(id, state, session, now);
    }

    fn receipt(&mut self, id: u64, state: u8, session: u16, now: Mono) {
        self.last_receipt = now;
        self.last_progress = now;
        match self.table.receipt(id, session) {
            Match::First(serial) => {
                self.report.receipts += 1;
                self.interval.receipts += 1;
                self.states[usize::from(state)] += 1;
                self.receipts.saturating_record(now.since_us(self.table.time(serial)));
            }
            Match::More(first) => *self.more.entry((first, session)).or_default() += 1,
            Match::Unknown => self.keep_early(id, state, session),
        }
    }

    fn keep_early(&mut self, id: u64, state: u8, session: u16) {
        if let Some(early) = self.early.get_mut(&id) {
            *early.more.entry(session).or_default() += 1;
        } else if self.early.len() < EARLY_MAX {
            self.early.insert(id, Early { state, session, more: BTreeMap::new() });
        } else {
            self.report.unknown_receipts += 1;
        }
    }

    /// Writes out the list of acknowledged messages so far.
    pub(super) fn flush(&mut self) {
        if let Some(file) = &mut self.acked_file {
            let flushed = file.flush();
            self.note_file(flushed);
        }
    }

    fn note_file(&mut self, result: std::io::Result<()>) {
        if let (Err(source), Some(path)) = (result, &self.args.acked_file) {
            self.failure = Some(SandboxError::file(path, source));
        }
    }

    /// Messages without an answer, without a receipt.
    pub(super) fn open(&self) -> (u64, u64) {
        (self.in_flight, self.report.acknowledged.saturating_sub(self.report.receipts))
    }

    /// The result so far.
    pub(super) fn result(&mut self) -> Report {
        let left = self.retry.drain().count() as u64;
        self.refuse(CommandStatus::ESME_RTHROTTLED, left);
        let mut report = self.report.clone();
        report.messages = self.table.len() as u64;
        report.refused =
            self.refused.iter().map(|(status, count)| (CommandStatus(*status).to_string(), *count)).collect();
        let states = self.states.iter().enumerate().filter(|(_, count)| **count > 0);
        report.states = states.map(|(state, count)| (word(state), *count)).collect();
        report.unknown_receipts += self.early.values().map(|early| 1 + early.more.values().sum::<u64>()).sum::<u64>();
        for ((first, again), count) in &self.more {
            // What was under way on a connection when it broke may also be read after the copy on the next one.
            let explained = [first, again].into_iter().any(|session| self.lost_sessions.contains(session));
            *(if explained { &mut report.redelivered_receipts } else { &mut report.duplicate_receipts }) += count;
        }
        if self.args.wants_receipts() {
            report.missing_receipts = report.acknowledged.saturating_sub(report.receipts);
        }
        let seconds = |last: Mono| last.since_us(self.started) as f64 / 1e6;
        let rate = |count: u64, seconds: f64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        report.submit_seconds = seconds(self.last_answer);
        report.acknowledged_per_second = rate(report.acknowledged, report.submit_seconds);
        report.receipt_seconds = seconds(self.last_receipt);
        report.receipts_per_second = rate(report.receipts, report.receipt_seconds);
        report.answer_latency = Latency::of(&self.answers);
        report.receipt_latency = Latency::of(&self.receipts);
        report
    }
}

fn word(state: usize) -> String {
    let known = u8::try_from(state).ok().and_then(MessageState::from_octet);
    known.map_or_else(|| format!("state {state}"), |state| state.stat().to_owned())
}

/// Id and state of a delivery receipt: its TLVs where present, else its text. `None` for an ordinary message.
fn receipt_facts(message: &Message<'_>) -> Option<(u64, u8)> {
    if !matches!(message.esm_class & 0x3C, 0x04 | 0x20) {
        return None;
    }
    let id = match message.tlv(wire::RECEIPTED_MESSAGE_ID) {
        Some(value) => wire::leading_string(value),
        None => after(message.text, b"id:")?,
    };
    let state = match message.tlv(wire::MESSAGE_STATE) {
        Some(value) => *value.first()?,
        None => {
            let stat = after(message.text, b"stat:")?;
            let known = MessageState::ALL.into_iter().find(|state| state.stat().as_bytes() == stat);
            known.unwrap_or(MessageState::Unknown) as u8
        }
    };
    Some((id_of(id), state))
}

/// The word that follows `key`.
fn after<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(key.len()).position(|window| window == key)?;
    text[at + key.len()..].split(|octet| *octet == b' ').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_that_comes_twice_is_explained_by_the_loss_of_either_connection() {
        let args = LoadArgs::of(["--messages", "3"]).unwrap();
        let mut run = Run::new(args, 1, Clock::start()).unwrap();
        for (serial, sessions) in [(0, [1, 2]), (1, [2, 1]), (2, [2, 2])] {
            run.table.add(Mono(0));
            run.table.acknowledge(serial, 100 + u64::from(serial));
            sessions.into_iter().for_each(|session| run.receipt(100 + u64::from(serial), 2, session, Mono(0)));
        }
        run.connection_lost(1);
        let report = run.result();
        assert_eq!((report.redelivered_receipts, report.duplicate_receipts), (2, 1));
    }

    #[test]
    fn copies_before_the_answer_keep_their_connections() {
        let mut run = Run::new(LoadArgs::of(["--messages", "1"]).unwrap(), 1, Clock::start()).unwrap();
        run.table.add(Mono(0));
        [2, 1, 2].into_iter().for_each(|session| run.receipt(100, 2, session, Mono(0)));
        run.in_flight = 1;
        run.answered(0, CommandStatus::ESME_ROK, b"100\0", Mono(0));
        run.connection_lost(1);
        let report = run.result();
        assert_eq!((report.redelivered_receipts, report.duplicate_receipts, report.unknown_receipts), (1, 1, 0));
    }
}
