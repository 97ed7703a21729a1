//! The timers of SMPP 3.4 §7.2 as values, and what a session is set to. Reads no clock: every instant is an argument.

use std::time::Duration;

use crate::clock::Mono;

/// How long an `enquire_link` may stay unanswered before it counts as missed.
pub const ENQUIRE_ANSWER: Duration = Duration::from_secs(10);
/// Missed `enquire_link`s in a row that end a session.
pub const ENQUIRE_MISSES: u8 = 2;
/// How long a PDU may stay incomplete after octets of it arrived.
pub const PARTIAL_PDU: Duration = Duration::from_secs(30);
/// How long we wait for `unbind_resp`.
pub const UNBIND_ANSWER: Duration = Duration::from_secs(10);
/// How long an unbind waits for answers that are still being worked on.
pub const UNBIND_WORK: Duration = Duration::from_secs(2);
/// How long we may leave the peer unread because its window is full.
pub const PAUSE: Duration = Duration::from_secs(5);
/// After such a pause, the least time until one of our requests may count as unanswered: its answer may be unread.
pub const PAUSE_GRACE: Duration = Duration::from_secs(1);
/// The span in which [`NACKS`] unknown `generic_nack`s end a session.
pub const NACK_SPAN: Duration = Duration::from_secs(60);
/// Unknown `generic_nack`s that end a session.
pub const NACKS: usize = 3;

/// What one session is set to. The fixed intervals are this module's constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the connection to an accepted bind; in the ESME role also from our bind to its response.
    pub init_timeout: Duration,
    /// Silence after which we send `enquire_link`; zero never sends one.
    pub enquire_link: Duration,
    /// Time without a message PDU after which we unbind.
    pub inactivity: Option<Duration>,
    /// How long a request of ours may stay unanswered.
    pub response_timeout: Duration,
    /// Requests of the peer that may be open: at this number we stop reading, at twice this number we answer
    /// `ESME_RTHROTTLED`. At least 1.
    pub window: u32,
    /// Requests of ours that may be open. At least 1.
    pub send_window: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(5),
            enquire_link: Duration::from_secs(30),
            inactivity: None,
            response_timeout: Duration::from_secs(30),
            window: 100,
            send_window: 100,
        }
    }
}

/// What a session waits for at its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// No bind was accepted in time: the session closes.
    SessionInit,
    /// The peer has been silent: an `enquire_link` is sent.
    EnquireLink,
    /// An `enquire_link` was not answered: another, or the end.
    EnquireAnswer,
    /// No message PDU: the session unbinds.
    Inactivity,
    /// The oldest request was not answered: it is reported.
    Response,
    /// A PDU stayed incomplete: the session closes.
    PartialPdu,
    /// We stopped reading long enough: reading resumes.
    Pause,
    /// Our unbind waits for open requests: it is sent now.
    Drain,
    /// Our unbind was not answered: the session closes.
    UnbindAnswer,
    /// The peer's unbind waits for open requests: it is answered now.
    PeerUnbind,
    /// Requests that could not be sent are to be reported.
    Unsent,
}

/// The earlier of many deadlines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Earliest(pub(super) Option<(Mono, Why)>);

impl Earliest {
    pub(super) fn or(&mut self, at: Mono, why: Why) {
        if self.0.is_none_or(|(earliest, _)| at < earliest) {
            self.0 = Some((at, why));
        }
    }
}

/// What follows from the peer's silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Send an `enquire_link`.
    Ask,
    /// Nobody is there.
    Dead,
}

/// Whether the peer is alive. Any octet proves it, whatever it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Liveness {
    heard: Mono,
    asked: Option<Mono>,
    misses: u8,
}

impl Liveness {
    pub(super) fn new(now: Mono) -> Self {
        Self { heard: now, asked: None, misses: 0 }
    }

    pub(super) fn heard(&mut self, now: Mono) {
        *self = Self::new(now);
    }

    /// When [`Self::tick`] has something to say; `None` with an interval of zero.
    pub(super) fn due(&self, idle: Duration) -> Option<(Mono, Why)> {
        if idle.is_zero() {
            return None;
        }
        Some(match self.asked {
            Some(asked) => (asked.after(ENQUIRE_ANSWER), Why::EnquireAnswer),
            None => (self.heard.after(idle), Why::EnquireLink),
        })
    }

    pub(super) fn tick(&mut self, idle: Duration, now: Mono) -> Option<Silence> {
        let (due, _) = self.due(idle)?;
        if now < due {
            return None;
        }
        if self.asked.is_some() {
            self.misses += 1;
            if self.misses >= ENQUIRE_MISSES {
                return Some(Silence::Dead);
            }
        }
        self.asked = Some(now);
        Some(Silence::Ask)
    }
}

/// The last few unknown `generic_nack`s: enough to tell whether [`NACKS`] fell into [`NACK_SPAN`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nacks([Option<Mono>; NACKS - 1]);

impl Nacks {
    /// Counts one; true when it completes the number within the span.
    pub(super) fn count(&mut self, now: Mono) -> bool {
        let full = self.0[0].is_some_and(|first| now <= first.after(NACK_SPAN));
        self.0.rotate_left(1);
        self.0[NACKS - 2] = Some(now);
        full
    }
}
