//! What follows a carrier's refusal or silence, and a client's refusal of a `deliver_sm`.
//!
//! Knows neither queues nor validity: the caller never retries past a message's expiry, and holds the attempts. A
//! carrier that means something else by a status says so in its [`Statuses`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::message::MessageState;
use crate::pdu::CommandStatus;

/// How an attempt to hand a message to a carrier failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The carrier answered with an error.
    Status(CommandStatus),
    /// No usable answer: the carrier may have the message or not.
    Unknown,
}

/// What to do with a message whose carrier never answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnknown {
    /// Send it again; the subscriber may get it twice.
    #[default]
    Resend,
    /// End it as unknown; the subscriber may not get it.
    Fail,
}

/// The next step of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again.
    Retry {
        /// Not before this has passed.
        after: Duration,
        /// Whether the next carrier of the route may take it if this one cannot then.
        failover: bool,
    },
    /// The carrier is too busy, not the message wrong: slow the carrier down. The message keeps its place and the
    /// attempt does not count.
    Throttle {
        /// How long the carrier stays at the lowered pace before it is raised again.
        pause: Duration,
    },
    /// This carrier will not take it; offer it to the next one of the route, with attempts counted anew. Without a
    /// next one, [`given_up`] says how it ends.
    NextCarrier,
    /// It ends here.
    Final {
        /// As what.
        state: MessageState,
        /// The `err` of its receipt: the carrier's `command_status`, or one of the `ERROR_` numbers of this module.
        error: u16,
    },
}

/// `err` of a message whose carrier never answered.
pub const ERROR_UNANSWERED: u16 = 901;
/// `err` of a message that no carrier of its route could take.
pub const ERROR_NO_CARRIER: u16 = 902;
/// `err` of a message whose validity ended here.
pub const ERROR_EXPIRED: u16 = 903;

/// `err` of a message whose recipient opted out while it waited.
pub const ERROR_OPTED_OUT: u16 = 904;

/// What a status means for the message it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// The link is too fast.
    Busy,
    /// A queue of the carrier is full, maybe only this subscriber's.
    QueueFull,
    /// Temporary, but used for "no credit" too, so tried only a few times.
    Temporary,
    /// Generic failure, or the carrier's bind is gone: tried once more.
    Doubtful,
    /// Another carrier may take it.
    Elsewhere,
    /// The subscriber cannot get it.
    Undeliverable,
    /// The carrier refuses this message.
    Refused,
}

impl Meaning {
    fn of(status: CommandStatus) -> Self {
        match status {
            CommandStatus::ESME_RTHROTTLED => Self::Busy,
            CommandStatus::ESME_RMSGQFUL => Self::QueueFull,
            CommandStatus::ESME_RSYSERR
            | CommandStatus::ESME_RX_T_APPN
            | CommandStatus::ESME_RUNKNOWNERR
            | SERVICE_UNAVAILABLE => Self::Temporary,
            CommandStatus::ESME_RSUBMITFAIL | CommandStatus::ESME_RINVBNDSTS => Self::Doubtful,
            CommandStatus::ESME_RINVDSTADR | CommandStatus::ESME_RX_P_APPN | CommandStatus::ESME_RDELIVERYFAILURE => {
                Self::Undeliverable
            }
            _ => Self::Refused,
        }
    }
}

/// `ESME_RSERTYPUNAVAIL` of SMPP 5.0: the one temporary status among its additions.
pub(super) const SERVICE_UNAVAILABLE: CommandStatus = CommandStatus(0x102);

const PAUSE: Duration = Duration::from_secs(1);
const SHORT: Backoff = Backoff { first: Duration::from_secs(5), cap: Duration::from_secs(5 * 60) };
const LONG: Backoff = Backoff { first: Duration::from_secs(30), cap: Duration::from_secs(15 * 60) };
/// Retries of a temporary status before the next carrier.
const TEMPORARY_RETRIES: u8 = 5;
/// Retries of a full queue: with [`LONG`] they fill a day.
const QUEUE_FULL_RETRIES: u8 = 100;
/// From this retry of a full queue on, another carrier may take the message.
const QUEUE_FULL_PATIENCE: u8 = 2;

/// Retries of a receipt that a client refuses for good, in case it does not mean it.
const RECEIPT_RETRIES: u8 = 2;

/// Doubling delays.
#[derive(Clone, Copy)]
struct Backoff {
    first: Duration,
    cap: Duration,
}

impl Backoff {
    /// The delay after `attempts` retries, shortened by up to a fifth so that what failed together does not return
    /// together.
    fn delay(self, attempts: u8, jitter: u16) -> Duration {
        let doublings = u32::from(attempts).min(16);
        let full = self.first.saturating_mul(1 << doublings).min(self.cap);
        full - full / 5 * u32::from(jitter) / u32::from(u16::MAX)
    }
}

/// What to do about a status of one carrier, in place of what most carriers' practice makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Try again a few times, with growing delays, then the next carrier.
    Retry,
    /// Slow the carrier down; the message keeps its place.
    Throttle,
    /// The next carrier of the route, at once.
    FailOver,
    /// The message ends.
    Permanent,
}

/// What one carrier means by its statuses; the default is what most mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses {
    /// In order of the status.
    own: Vec<(CommandStatus, Remedy)>,
}

impl Statuses {
    /// The usual meanings but for these; of several for one status the last counts.
    #[must_use]
    pub fn with(list: impl IntoIterator<Item = (CommandStatus, Remedy)>) -> Self {
        let own: BTreeMap<_, _> = list.into_iter().collect();
        Self { own: own.into_iter().collect() }
    }

    /// Those that mean something else here.
    #[must_use]
    pub fn own(&self) -> &[(CommandStatus, Remedy)] {
        &self.own
    }

    fn meaning(&self, status: CommandStatus) -> Meaning {
        let usual = Meaning::of(status);
        let own = self.own.iter().find(|(known, _)| *known == status);
        match own.map(|(_, remedy)| remedy) {
            None => usual,
            Some(Remedy::Retry) => Meaning::Temporary,
            Some(Remedy::Throttle) => Meaning::Busy,
            Some(Remedy::FailOver) => Meaning::Elsewhere,
            Some(Remedy::Permanent) if usual == Meaning::Undeliverable => usual,
            Some(Remedy::Permanent) => Meaning::Refused,
        }
    }

    /// As [`next`], at this carrier.
    #[must_use]
    pub fn next(&self, outcome: Outcome, attempts: u8, jitter: u16, on_unknown: OnUnknown) -> Next {
        let status = match outcome {
            Outcome::Unknown | Outcome::Status(CommandStatus::ESME_ROK) => {
                return unanswered(attempts, jitter, on_unknown);
            }
            Outcome::Status(status) => status,
        };
        match self.meaning(status) {
            Meaning::Busy => Next::Throttle { pause: PAUSE },
            Meaning::QueueFull if attempts < QUEUE_FULL_RETRIES => {
                Next::Retry { after: LONG.delay(attempts, jitter), failover: attempts >= QUEUE_FULL_PATIENCE }
            }
            Meaning::Temporary if attempts < TEMPORARY_RETRIES => {
                Next::Retry { after: SHORT.delay(attempts, jitter), failover: false }
            }
            Meaning::Doubtful if attempts == 0 => Next::Retry { after: LONG.delay(attempts, jitter), failover: true },
            Meaning::QueueFull | Meaning::Temporary | Meaning::Doubtful | Meaning::Elsewhere => Next::NextCarrier,
            Meaning::Undeliverable | Meaning::Refused => {
                let (state, error) = self.given_up(outcome);
                Next::Final { state, error }
            }
        }
    }

    /// As [`given_up`], at this carrier.
    #[must_use]
    pub fn given_up(&self, outcome: Outcome) -> (MessageState, u16) {
        match outcome {
            Outcome::Unknown | Outcome::Status(CommandStatus::ESME_ROK) => (MessageState::Unknown, ERROR_UNANSWERED),
            Outcome::Status(status) => {
                let state = match self.meaning(status) {
                    Meaning::Refused => MessageState::Rejected,
                    _ => MessageState::Undeliverable,
                };
                (state, u16::try_from(status.0).unwrap_or(u16::MAX))
            }
        }
    }
}

/// What follows a failed attempt.
///
/// `attempts` counts the earlier attempts at this carrier that were to be retried: 0 when the first one failed, and
/// throttled ones never count; `jitter` is a random
/// number, all values alike likely. Statuses this build does not know are permanent. `ESME_ROK` is no failure; here it
/// means an answer that cannot be used, which is an unknown outcome.
#[must_use]
pub fn next(outcome: Outcome, attempts: u8, jitter: u16, on_unknown: OnUnknown) -> Next {
    Statuses::default().next(outcome, attempts, jitter, on_unknown)
}

/// How a message ends whose last attempt ended so and that no carrier is left for.
#[must_use]
pub fn given_up(outcome: Outcome) -> (MessageState, u16) {
    Statuses::default().given_up(outcome)
}

fn unanswered(attempts: u8, jitter: u16, on_unknown: OnUnknown) -> Next {
    match on_unknown {
        OnUnknown::Resend if attempts < TEMPORARY_RETRIES => {
            Next::Retry { after: SHORT.delay(attempts, jitter), failover: true }
        }
        OnUnknown::Resend | OnUnknown::Fail => Next::Final { state: MessageState::Unknown, error: ERROR_UNANSWERED },
    }
}

/// When a `deliver_sm` that a client refused is offered again; `None` to give up.
///
/// `attempts` counts the earlier refusals: 0 when the first offer was refused. Statuses that clients use for "later" are
/// retried for as long as the receipt is kept, others three times in all.
#[must_use]
pub fn receipt_retry(status: CommandStatus, attempts: u8, jitter: u16) -> Option<Duration> {
    let later = matches!(
        status,
        CommandStatus::ESME_RSYSERR
            | CommandStatus::ESME_RMSGQFUL
            | CommandStatus::ESME_RSUBMITFAIL
            | CommandStatus::ESME_RTHROTTLED
            | CommandStatus::ESME_RX_T_APPN
            | CommandStatus::ESME_RQUERYFAIL
            | CommandStatus::ESME_RDELIVERYFAILURE
            | CommandStatus::ESME_RUNKNOWNERR
    );
    (later || attempts < RECEIPT_RETRIES).then(|| SHORT.delay(attempts, jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(status: u32, attempts: u8) -> Next {
        next(Outcome::Status(CommandStatus(status)), attempts, 0, OnUnknown::Fail)
    }

    fn retry(seconds: u64, failover: bool) -> Next {
        Next::Retry { after: Duration::from_secs(seconds), failover }
    }

    #[test]
    fn throttling_slows_the_carrier_for_ever() {
        for attempts in [0, 1, 5, 255] {
            assert_eq!(after(0x58, attempts), Next::Throttle { pause: Duration::from_secs(1) });
        }
    }

    #[test]
    fn a_full_queue_is_retried_for_a_day() {
        assert_eq!(after(0x14, 0), retry(30, false));
        assert_eq!(after(0x14, 1), retry(60, false));
        assert_eq!(after(0x14, 2), retry(120, true));
        assert_eq!(after(0x14, 5), retry(900, true));
        assert_eq!(after(0x14, 99), retry(900, true));
        assert_eq!(after(0x14, 100), Next::NextCarrier);
    }

    #[test]
    fn temporary_statuses_are_retried_five_times() {
        for status in [0x08, 0x64, 0xFF, 0x102] {
            let delays = [5, 10, 20, 40, 80];
            for (attempts, seconds) in (0..).zip(delays) {
                assert_eq!(after(status, attempts), retry(seconds, false), "{status:#x}");
            }
            assert_eq!(after(status, 5), Next::NextCarrier);
            assert_eq!(after(status, 255), Next::NextCarrier);
        }
    }

    #[test]
    fn doubtful_statuses_are_retried_once() {
        for status in [0x45, 0x04] {
            assert_eq!(after(status, 0), retry(30, true));
            assert_eq!(after(status, 1), Next::NextCarrier);
        }
    }

    #[test]
    fn every_other_status_is_permanent() {
        let not_permanent = [0x00, 0x04, 0x08, 0x14, 0x45, 0x58, 0x64, 0xFF, 0x102];
        for status in (0..0x600).chain([0xFFFF, 0x1_0000, u32::MAX]).filter(|status| !not_permanent.contains(status)) {
            let state = match status {
                0x0B | 0x65 | 0xFE => MessageState::Undeliverable,
                _ => MessageState::Rejected,
            };
            let error = u16::try_from(status).unwrap_or(u16::MAX);
            assert_eq!(after(status, 0), Next::Final { state, error }, "{status:#x}");
        }
    }

    #[test]
    fn a_carrier_may_mean_something_else_by_a_status() {
        let statuses = Statuses::with([
            (CommandStatus(0x0B), Remedy::Retry),
            (CommandStatus(0x45), Remedy::Throttle),
            (CommandStatus(0x4FF), Remedy::FailOver),
            (CommandStatus(0x14), Remedy::Retry),
            (CommandStatus(0x14), Remedy::Permanent),
            (CommandStatus(0x65), Remedy::Permanent),
        ]);
        let at =
            |status, attempts| statuses.next(Outcome::Status(CommandStatus(status)), attempts, 0, OnUnknown::Resend);
        assert_eq!((at(0x0B, 0), at(0x0B, 5)), (retry(5, false), Next::NextCarrier));
        assert_eq!(at(0x45, 9), Next::Throttle { pause: PAUSE });
        assert_eq!(at(0x4FF, 0), Next::NextCarrier);
        assert_eq!(at(0x14, 0), Next::Final { state: MessageState::Rejected, error: 0x14 });
        assert_eq!(at(0x65, 0), Next::Final { state: MessageState::Undeliverable, error: 0x65 });
        assert_eq!(at(0x58, 0), after(0x58, 0), "the others mean what they always do");
        let given_up = |status| statuses.given_up(Outcome::Status(CommandStatus(status)));
        assert_eq!(given_up(0x4FF), (MessageState::Undeliverable, 0x4FF));
        assert_eq!(statuses.own().len(), 5);
    }

    #[test]
    fn silence_ends_or_resends_as_configured() {
        let ended = Next::Final { state: MessageState::Unknown, error: ERROR_UNANSWERED };
        assert_eq!(next(Outcome::Unknown, 0, 0, OnUnknown::Fail), ended);
        assert_eq!(next(Outcome::Unknown, 0, 0, OnUnknown::Resend), retry(5, true));
        assert_eq!(next(Outcome::Unknown, 5, 0, OnUnknown::Resend), ended);
        assert_eq!(after(0, 0), ended);
    }

    #[test]
    fn without_another_carrier_a_message_ends_undeliverable() {
        let status = |status| given_up(Outcome::Status(CommandStatus(status)));
        assert_eq!(status(0x14), (MessageState::Undeliverable, 0x14));
        assert_eq!(status(0x66), (MessageState::Rejected, 0x66));
        assert_eq!(given_up(Outcome::Unknown), (MessageState::Unknown, ERROR_UNANSWERED));
    }

    #[test]
    fn a_refused_receipt_is_offered_again() {
        let delay = |status, attempts| receipt_retry(CommandStatus(status), attempts, 0).map(|delay| delay.as_secs());
        for status in [0x08, 0x14, 0x45, 0x58, 0x64, 0x67, 0xFE, 0xFF] {
            assert_eq!(
                [0, 1, 6, 255].map(|attempts| delay(status, attempts)),
                [Some(5), Some(10), Some(300), Some(300)]
            );
        }
        for status in [0x01, 0x0B, 0x65, 0x66, 0x4FF, u32::MAX] {
            assert_eq!([0, 1, 2, 255].map(|attempts| delay(status, attempts)), [Some(5), Some(10), None, None]);
        }
    }

    #[test]
    fn jitter_shortens_by_at_most_a_fifth() {
        for attempts in 0..=255 {
            let [longest, middle, shortest] = [0, 0x8000, u16::MAX].map(|jitter| LONG.delay(attempts, jitter));
            assert!(longest > middle && middle > shortest);
            assert_eq!(shortest, longest - longest / 5);
            assert!(longest <= LONG.cap);
        }
    }
}
