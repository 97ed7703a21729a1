//! One bind as a state machine, for both roles: SMSC toward client systems, ESME toward carriers.
//!
//! Pure: takes frames, parcels and the present, leaves replies in a wire buffer and everything else in a list of events.
//! Reads no clock, decodes no message body, knows no account.
//!
//! A link drives it in this order:
//!
//! 1. [`Session::octets_received`] after each read; then, while [`Session::wants_input`], cut a frame (at most
//!    [`Session::frame_limit`] long) and [`Session::receive`] it; [`Session::broken`] when framing is lost.
//! 2. [`Session::dispatch`] for each parcel, then write its octets.
//! 3. [`Session::tick`] when [`Session::deadline`] has come. The deadline may change with every other call.
//! 4. Once [`Session::closing`] is `Some`: write what is in the wire buffer, close, and let [`Session::finish`] report
//!    the requests that will never be answered.
//!
//! The present (`now`) must not go back from call to call. What `wire` holds goes out before the next parcel.

mod close;
mod counters;
mod deadline;
mod inbound;
pub mod matrix;
mod outbound;
mod parcel;
pub mod timers;
mod window;

pub use close::CloseReason;
pub use counters::Counters;
pub use matrix::Role;
pub use parcel::{BindMode, Control, Event, Parcel, Request, Span};
pub use timers::{Settings, Why};
pub use window::{SEQUENCE_MAX, Settled, WINDOW_MAX, Window};

use crate::clock::Mono;
use crate::pdu::{BOUND_LIMIT, CommandId, CommandStatus, UNBOUND_LIMIT};
use timers::{Liveness, Nacks};

/// Where the session stands. The bind's mode is kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Connected.
    Open,
    /// SMSC role: the bridge decides on a bind.
    Deciding,
    /// ESME role: our bind is out.
    Binding { command: CommandId, since: Mono },
    /// Both sides may send as the mode allows.
    Bound,
    /// We want to unbind and wait for what is open.
    Draining { since: Mono },
    /// Our unbind is out; `answered` while the last answers of ours are still being worked on.
    Unbinding { since: Mono, sequence: u32, answered: bool },
    /// The peer's unbind waits for what is open.
    PeerUnbinding { since: Mono, sequence: u32 },
    /// Nothing more is read or written.
    Closed,
}

/// What we sent: enough to match its response.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    token: u64,
    response: CommandId,
}

/// Reading stopped because the peer's window is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// The peer is read.
    No,
    /// Not read since then; our timers on it stand still.
    Since(Mono),
    /// Read again although its window is full: its requests are answered `ESME_RTHROTTLED`.
    Over,
}

/// One bind. See the module.
#[derive(Clone)]
pub struct Session {
    role: Role,
    settings: Settings,
    phase: Phase,
    mode: Option<BindMode>,
    closing: Option<CloseReason>,
    /// Why our own unbind was begun.
    unbind_reason: CloseReason,
    /// Requests of ours that are open.
    window: Window<Sent>,
    /// Requests of the peer that are open.
    open: u32,
    /// Requests that were not sent, not yet reported.
    unsent: Vec<(u64, CommandStatus)>,
    unsent_since: Mono,
    opened: Mono,
    liveness: Liveness,
    message: Mono,
    partial: Option<Mono>,
    pause: Pause,
    /// No request of ours counts as unanswered before this instant.
    grace: Mono,
    nacks: Nacks,
    enquired: Option<u32>,
    late_age_us_max: u64,
    counters: Counters,
}

impl Session {
    /// A session on a fresh connection. For the SMSC role `now` is the instant of accepting it: a TLS handshake counts
    /// against the session-init timer.
    #[must_use]
    pub fn new(role: Role, settings: Settings, now: Mono) -> Self {
        Self {
            role,
            settings,
            phase: Phase::Open,
            mode: None,
            closing: None,
            unbind_reason: CloseReason::Unbound,
            window: Window::closed(),
            open: 0,
            unsent: Vec::new(),
            unsent_since: now,
            opened: now,
            liveness: Liveness::new(now),
            message: now,
            partial: None,
            pause: Pause::No,
            grace: Mono::default(),
            nacks: Nacks::default(),
            enquired: None,
            late_age_us_max: 0,
            counters: Counters::default(),
        }
    }

    /// Sets both windows to the account's, which only the bind names. `send_window` has no effect while requests of ours
    /// are open.
    pub fn set_windows(&mut self, window: u32, send_window: u32) {
        self.settings.window = window;
        self.settings.send_window = send_window;
        if self.phase == Phase::Bound {
            self.window.resize(send_window);
        }
    }

    /// Which side we are.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether requests may be handed to this session now. False as soon as either side began to unbind.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.phase == Phase::Bound
    }

    /// What the accepted bind allows; stays known while unbinding and after.
    #[must_use]
    pub fn mode(&self) -> Option<BindMode> {
        self.mode
    }

    /// Requests of ours that are open.
    #[must_use]
    pub fn open_sent(&self) -> u32 {
        self.window.open()
    }

    /// Requests of ours that could be sent now; 0 unless bound.
    #[must_use]
    pub fn free_sent(&self) -> u32 {
        if self.is_bound() { self.window.free() } else { 0 }
    }

    /// Requests of the peer that are passed on and not answered.
    #[must_use]
    pub fn open_received(&self) -> u32 {
        self.open
    }

    /// Why the link is to close, once it is: write what the wire buffer holds, then close.
    #[must_use]
    pub fn closing(&self) -> Option<CloseReason> {
        self.closing
    }

    /// Ends the session for a reason that only the link can see. The first reason stays.
    pub fn close(&mut self, reason: CloseReason) {
        self.closing.get_or_insert(reason);
        self.phase = Phase::Closed;
    }

    /// Whether frames are to be cut and received, and the socket read. False while a bind is being decided (what the
    /// peer pipelined waits in the buffer), while its window is full (for 5 s at most), and when closing.
    ///
    /// Asked before each frame, nothing is refused for the window before that time; asked only before each read, a
    /// read of more than twice the window has its rest answered `ESME_RTHROTTLED`.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.wants_frames() && !matches!(self.pause, Pause::Since(_))
    }

    /// [`Self::wants_input`] without regard to the peer's window.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        !matches!(self.phase, Phase::Deciding | Phase::Closed)
    }

    /// The longest PDU accepted now, in octets.
    #[must_use]
    pub fn frame_limit(&self) -> u32 {
        if self.mode.is_some() { BOUND_LIMIT } else { UNBOUND_LIMIT }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The greatest age at which a response came after its timer, in microseconds; 0 when none did.
    #[must_use]
    pub fn late_age_us_max(&self) -> u64 {
        self.late_age_us_max
    }

    /// Any octet proves that the peer is there; the first octet after a whole PDU starts the partial-PDU timer.
    pub fn octets_received(&mut self, now: Mono) {
        self.liveness.heard(now);
        self.partial.get_or_insert(now);
    }

    /// After the link is gone: reports each request that will not be answered, those never sent first.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        self.close(CloseReason::PeerClosed);
        self.report_unsent(events);
        while let Some(sent) = self.window.expire(Mono(u64::MAX)) {
            self.counters.unanswered += 1;
            events.push(Event::Unanswered { token: sent.token });
        }
    }

    /// The state as the table of [`matrix`] asks for it.
    fn state(&self, now: Mono) -> matrix::State {
        let bound = self.mode.map_or(matrix::State::Open, matrix::State::Bound);
        match self.phase {
            Phase::Open | Phase::Deciding | Phase::Binding { .. } => matrix::State::Open,
            Phase::Bound | Phase::Draining { .. } => bound,
            // The peer may have sent before it saw our unbind.
            Phase::Unbinding { since, answered: false, .. } if now < since.after(timers::UNBIND_WORK) => bound,
            Phase::Unbinding { .. } | Phase::PeerUnbinding { .. } | Phase::Closed => matrix::State::Unbound,
        }
    }

    fn enter_bound(&mut self, mode: BindMode, now: Mono) {
        self.mode = Some(mode);
        self.phase = Phase::Bound;
        self.window.resize(self.settings.send_window);
        self.liveness.heard(now);
        self.message = now;
    }

    fn pause(&mut self, now: Mono) {
        if self.pause == Pause::No && self.open >= self.settings.window.max(1) {
            self.pause = Pause::Since(now);
        }
    }

    fn resume(&mut self, now: Mono) {
        if self.pause != Pause::No && self.open < self.settings.window.max(1) {
            self.read_again(Pause::No, now);
        }
    }

    fn read_again(&mut self, pause: Pause, now: Mono) {
        if matches!(self.pause, Pause::Since(_)) {
            // The silence was ours.
            self.liveness.heard(now);
            self.grace = now.after(timers::PAUSE_GRACE);
        }
        self.pause = pause;
    }
}
