//! The breaker of one carrier: one that fails again and again is left alone, tried with single messages after a while, and
//! used again once these are answered.
//!
//! Says when, not with which message: the bridge chooses a probe and tells what became of it. Answers that ask to slow
//! down, and refusals that concern one message, are no failures: [`super::Pace`] and [`super::retry`] see to them.

use std::time::Duration;

use super::retry::Outcome;
use crate::clock::Mono;
use crate::pdu::CommandStatus;

/// What opens the breaker of a carrier, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row; 0 for never.
    pub failures: u32,
    /// Failures among all outcomes of the last ten to twenty seconds, in percent; 0 for never.
    pub percent: u32,
    /// How long it is left alone first; doubled each time that a probe fails.
    pub pause: Duration,
    /// The longest of these pauses.
    pub pause_max: Duration,
    /// Probes that must be answered before it is used again, and most that are out at a time. At least 1.
    pub probes: u32,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self {
            failures: 10,
            percent: 50,
            pause: Duration::from_secs(30),
            pause_max: Duration::from_secs(600),
            probes: 1,
        }
    }
}

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BreakerState {
    /// The carrier is used.
    #[default]
    Closed,
    /// It is left alone.
    Open,
    /// It gets probes.
    HalfOpen,
}

impl BreakerState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Its word on the pages and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// How long failures go on at least before they open it: requests that were out together fail together.
const SPAN_US: u64 = 3_000_000;
/// Half of the time that `percent` looks at.
const WINDOW_US: u64 = 10_000_000;
/// Outcomes below which `percent` says nothing.
const OUTCOMES_MIN: u64 = 20;

/// The breaker. The default is closed.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    phase: Phase,
    /// Failures since the last good answer.
    row: u32,
    /// When the first request after it left.
    unheard_since: Option<Mono>,
    recent: Recent,
    /// Pauses in a row, without a quiet time between them.
    pauses: u32,
    /// How long the last one was, microseconds.
    last_pause_us: u64,
    closed_at: Mono,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Closed,
    Open {
        until: Mono,
    },
    HalfOpen {
        out: u32,
        passed: u32,
    },
}

/// Outcomes of this stretch of [`WINDOW_US`] and of the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    stretch: u64,
    good: u32,
    bad: u32,
    good_before: u32,
    bad_before: u32,
    /// The first of these failures.
    bad_since: Mono,
}

impl Recent {
    fn turn(&mut self, now: Mono) {
        let stretch = now.0 / WINDOW_US;
        if stretch != self.stretch {
            let follows = stretch == self.stretch + 1;
            let (good, bad) = if follows { (self.good, self.bad) } else { (0, 0) };
            *self = Self { stretch, good_before: good, bad_before: bad, bad_since: self.bad_since, ..Self::default() };
        }
    }

    fn good(&mut self, now: Mono) {
        self.turn(now);
        self.good = self.good.saturating_add(1);
    }

    fn bad(&mut self, now: Mono) {
        self.turn(now);
        if self.bad == 0 && self.bad_before == 0 {
            self.bad_since = now;
        }
        self.bad = self.bad.saturating_add(1);
    }

    fn is_bad(&self, percent: u32, now: Mono) -> bool {
        let sum = |now: u32, before: u32| u64::from(now) + u64::from(before);
        let (good, bad) = (sum(self.good, self.good_before), sum(self.bad, self.bad_before));
        percent > 0
            && good + bad >= OUTCOMES_MIN
            && bad * 100 >= (good + bad) * u64::from(percent)
            && now.since_us(self.bad_since) >= SPAN_US
    }
}

/// Whether an outcome tells that the carrier is not working, and nothing about the message.
#[must_use]
pub fn is_failure(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Unknown => true,
        Outcome::Status(status) => matches!(
            status,
            CommandStatus::ESME_RSYSERR | CommandStatus::ESME_RINVBNDSTS | super::retry::SERVICE_UNAVAILABLE
        ),
    }
}

impl Breaker {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether the carrier is used.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// When [`Self::turn`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Open { until } => Some(until),
            Phase::Closed | Phase::HalfOpen { .. } => None,
        }
    }

    /// The pause may be over: then probes are wanted. Whether that happened just now.
    pub fn turn(&mut self, now: Mono) -> bool {
        let over = matches!(self.phase, Phase::Open { until } if until <= now);
        if over {
            self.phase = Phase::HalfOpen { out: 0, passed: 0 };
        }
        over
    }

    /// A request leaves.
    pub fn sent(&mut self, now: Mono) {
        self.unheard_since.get_or_insert(now);
    }

    /// An answer that is no failure to a request that was no probe.
    pub fn good(&mut self, now: Mono) {
        (self.row, self.unheard_since) = (0, None);
        self.recent.good(now);
    }

    /// A failure that was no probe's. Whether it opened the breaker. `jitter` is a random number, all values alike likely.
    pub fn bad(&mut self, rules: &BreakerRules, now: Mono, jitter: u16) -> bool {
        self.row = self.row.saturating_add(1);
        self.recent.bad(now);
        let span_us = self.unheard_since.map_or(0, |since| now.since_us(since));
        let in_a_row = rules.failures > 0 && self.row >= rules.failures && span_us >= SPAN_US;
        let opens = self.is_closed() && (in_a_row || self.recent.is_bad(rules.percent, now));
        if opens {
            let is_soon = now.since_us(self.closed_at) < self.last_pause_us;
            self.pauses = if is_soon { self.pauses } else { 0 };
            self.open(rules, now, jitter);
        }
        opens
    }

    /// Whether a message should be tried.
    #[must_use]
    pub fn wants_probe(&self, rules: &BreakerRules) -> bool {
        let most = rules.probes.max(1);
        matches!(self.phase, Phase::HalfOpen { out, passed } if out + passed < most)
    }

    /// A probe leaves.
    pub fn probe_sent(&mut self) {
        if let Phase::HalfOpen { out, .. } = &mut self.phase {
            *out += 1;
        }
    }

    /// A probe came back without having been tried.
    pub fn probe_unsent(&mut self) {
        if let Phase::HalfOpen { out, .. } = &mut self.phase {
            *out = out.saturating_sub(1);
        }
    }

    /// A probe was answered. Whether the breaker closed.
    pub fn probe_passed(&mut self, rules: &BreakerRules, now: Mono) -> bool {
        self.probe_unsent();
        let Phase::HalfOpen { passed, .. } = &mut self.phase else { return false };
        *passed += 1;
        let closes = *passed >= rules.probes.max(1);
        if closes {
            (self.phase, self.closed_at) = (Phase::Closed, now);
            (self.row, self.unheard_since, self.recent) = (0, None, Recent::default());
        }
        closes
    }

    /// A probe failed: the carrier is left alone for longer.
    pub fn probe_failed(&mut self, rules: &BreakerRules, now: Mono, jitter: u16) {
        if matches!(self.phase, Phase::HalfOpen { .. }) {
            self.open(rules, now, jitter);
        }
    }

    /// Shortened by up to a fifth, so that what failed together does not return together.
    fn open(&mut self, rules: &BreakerRules, now: Mono, jitter: u16) {
        let doublings = self.pauses.min(16);
        let full = rules.pause.saturating_mul(1 << doublings).min(rules.pause_max.max(rules.pause));
        let pause = full - full / 5 * u32::from(jitter) / u32::from(u16::MAX);
        self.pauses = self.pauses.saturating_add(1);
        self.last_pause_us = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
        self.phase = Phase::Open { until: now.after(pause) };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: u64 = 1_000_000;

    fn rules() -> BreakerRules {
        BreakerRules { failures: 3, percent: 0, ..BreakerRules::default() }
    }

    /// Requests at `from`, and so many failures at `at`. Whether the last one opened it.
    fn fail(breaker: &mut Breaker, rules: &BreakerRules, from: u64, at: u64, count: u32) -> bool {
        breaker.sent(Mono(from));
        (0..count).fold(false, |_, _| breaker.bad(rules, Mono(at), 0))
    }

    #[test]
    fn a_row_of_failures_opens_and_an_answer_ends_the_row() {
        let (rules, mut breaker) = (rules(), Breaker::default());
        assert!(!fail(&mut breaker, &rules, 0, 4 * S, 2));
        breaker.good(Mono(4 * S));
        assert!(!fail(&mut breaker, &rules, 5 * S, 9 * S, 2));
        assert!(breaker.bad(&rules, Mono(9 * S), 0));
        assert_eq!((breaker.state(), breaker.deadline()), (BreakerState::Open, Some(Mono(39 * S))));
        assert!(!breaker.bad(&rules, Mono(10 * S), 0), "it is open already");
        assert_eq!(breaker.deadline(), Some(Mono(39 * S)));
    }

    #[test]
    fn what_failed_together_is_no_row() {
        let (rules, mut breaker) = (rules(), Breaker::default());
        assert!(!fail(&mut breaker, &rules, S, 3 * S, 100));
        assert!(breaker.bad(&rules, Mono(4 * S), 0), "three seconds after the first request");
        assert!(!fail(&mut Breaker::default(), &BreakerRules { failures: 0, ..rules }, 0, 100 * S, 1000));
        let rules = BreakerRules { failures: 0, percent: 50, ..rules };
        assert!(!fail(&mut breaker, &rules, 0, 100 * S, 1000), "one moment is no share of the time");
    }

    #[test]
    fn a_share_of_failures_opens_where_answers_come_between_them() {
        for (every, percent, opens) in [(2, 50, true), (3, 50, false), (3, 33, true), (2, 0, false)] {
            let rules = BreakerRules { failures: 0, percent, ..rules() };
            let mut breaker = Breaker::default();
            let mut opened = false;
            for outcome in 1..200 {
                let now = Mono(outcome * S / 10);
                if outcome % every == 0 {
                    opened |= breaker.bad(&rules, now, 0);
                } else {
                    breaker.good(now);
                }
            }
            assert_eq!(opened, opens, "one of {every} fails, {percent} %");
        }
        let rules = BreakerRules { failures: 0, percent: 50, ..rules() };
        let mut breaker = Breaker::default();
        assert!(!(0..100).any(|minute| breaker.bad(&rules, Mono(minute * 60 * S), 0)), "too few to tell");
    }

    #[test]
    fn probes_close_it_or_leave_it_alone_for_longer() {
        let (rules, mut breaker) = (rules(), Breaker::default());
        assert!(fail(&mut breaker, &rules, 0, 4 * S, 3));
        let mut now = 4 * S;
        for pause in [30, 60, 120, 240, 480, 600, 600] {
            assert!(!breaker.turn(Mono(now + pause * S - 1)));
            now += pause * S;
            assert!(!breaker.wants_probe(&rules));
            assert!(breaker.turn(Mono(now)), "after {pause} s");
            assert_eq!((breaker.state(), breaker.deadline()), (BreakerState::HalfOpen, None));
            assert!(breaker.wants_probe(&rules));
            breaker.probe_sent();
            assert!(!breaker.wants_probe(&rules), "one at a time");
            breaker.probe_failed(&rules, Mono(now), 0);
        }
        now += 600 * S;
        breaker.turn(Mono(now));
        breaker.probe_sent();
        breaker.probe_unsent();
        assert!(breaker.wants_probe(&rules), "it did not leave");
        breaker.probe_sent();
        assert!(breaker.probe_passed(&rules, Mono(now)));
        assert!(breaker.is_closed());
        // One that fails again at once is left alone as long as it was; after a quiet time it begins anew.
        assert!(fail(&mut breaker, &rules, now, now + 4 * S, 3));
        assert_eq!(breaker.deadline(), Some(Mono(now + 604 * S)));
        breaker.turn(Mono(now + 604 * S));
        breaker.probe_sent();
        assert!(breaker.probe_passed(&rules, Mono(now + 604 * S)));
        now += 604 * S + 600 * S;
        assert!(fail(&mut breaker, &rules, now, now + 4 * S, 3));
        assert_eq!(breaker.deadline(), Some(Mono(now + 34 * S)));
    }

    #[test]
    fn some_probes_are_out_together_and_all_must_pass() {
        let rules = BreakerRules { probes: 3, ..rules() };
        let mut breaker = Breaker::default();
        assert!(fail(&mut breaker, &rules, 0, 4 * S, 3));
        breaker.turn(Mono(40 * S));
        for _ in 0..3 {
            assert!(breaker.wants_probe(&rules));
            breaker.probe_sent();
        }
        assert!(!breaker.wants_probe(&rules));
        assert!(!breaker.probe_passed(&rules, Mono(41 * S)));
        assert!(!breaker.probe_passed(&rules, Mono(41 * S)));
        assert!(!breaker.wants_probe(&rules), "the third one is out");
        breaker.probe_failed(&rules, Mono(41 * S), 0);
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(!breaker.probe_passed(&rules, Mono(42 * S)), "late");
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn only_the_carriers_own_failures_count() {
        for status in [0x08, 0x04, 0x102] {
            assert!(is_failure(Outcome::Status(CommandStatus(status))));
        }
        for status in [0x00, 0x0A, 0x0B, 0x14, 0x45, 0x58, 0x64, 0xFF, 0x400] {
            assert!(!is_failure(Outcome::Status(CommandStatus(status))), "{status:#x}");
        }
        assert!(is_failure(Outcome::Unknown));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Later(u64),
        Sent,
        Good,
        Bad,
        Probe,
        Unsent,
        Passed,
        Failed,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..40 * S).prop_map(Step::Later),
            Just(Step::Sent),
            Just(Step::Good),
            Just(Step::Bad),
            Just(Step::Probe),
            Just(Step::Unsent),
            Just(Step::Passed),
            Just(Step::Failed),
        ]
    }

    proptest! {
        /// Whatever happens, in any order: an open breaker has an end, within the pauses; never more probes than allowed
        /// are out; and a breaker that gets its probes answered closes.
        #[test]
        fn a_breaker_never_gets_stuck(
            steps in prop::collection::vec((step(), any::<u16>()), 1..200),
            failures in 0..5_u32,
            percent in 0..100_u32,
            probes in 0..4_u32,
        ) {
            let rules = BreakerRules { failures, percent, probes, ..BreakerRules::default() };
            let (mut breaker, mut now, mut out) = (Breaker::default(), Mono(0), 0_u32);
            for (step, jitter) in steps {
                match step {
                    Step::Later(us) => now = Mono(now.0 + us),
                    Step::Sent => breaker.sent(now),
                    Step::Good => breaker.good(now),
                    Step::Bad => { breaker.bad(&rules, now, jitter); }
                    Step::Probe if breaker.wants_probe(&rules) => { breaker.probe_sent(); out += 1; }
                    Step::Unsent if out > 0 => { breaker.probe_unsent(); out -= 1; }
                    Step::Passed if out > 0 => { breaker.probe_passed(&rules, now); out -= 1; }
                    Step::Failed if out > 0 => { breaker.probe_failed(&rules, now, jitter); out -= 1; }
                    _ => {}
                }
                if breaker.turn(now) || breaker.is_closed() {
                    // Probes of an earlier half-open time are forgotten by whoever counts them.
                    out = 0;
                }
                prop_assert!(out <= rules.probes.max(1));
                if breaker.state() == BreakerState::Open {
                    out = 0;
                    let until = breaker.deadline().unwrap();
                    prop_assert!(until > now && until <= now.after(rules.pause_max));
                }
            }
            if let Some(until) = breaker.deadline() {
                now = until;
                prop_assert!(breaker.turn(now));
            }
            while breaker.wants_probe(&rules) {
                breaker.probe_sent();
            }
            for _ in 0..rules.probes.max(1) {
                breaker.probe_passed(&rules, now);
            }
            prop_assert!(breaker.is_closed());
        }
    }
}
