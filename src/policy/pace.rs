//! The pace of one carrier: halved when the carrier says it is too fast, then raised again step by step.
//!
//! Decides when the next message may go, not which one; the carrier's configured rate stays the ceiling throughout.

use crate::clock::Mono;
use crate::pdu::CommandStatus;

use super::throttle::{Cell, Rate, Verdict};

/// Time after a cut in which nothing changes: answers to what was already sent tell nothing about the new pace.
const HOLD_US: u64 = 1_000_000;
/// Time from the cut pace back to the one before it.
const RECOVERY_US: u64 = 20_000_000;
/// The last outcomes that are remembered, and how many full queues among them call for a cut.
const REMEMBERED: u32 = 100;
const QUEUES_FULL: u32 = 20;

/// How fast one carrier may be sent to.
#[derive(Clone, Debug)]
pub struct Pace {
    ceiling: Option<Rate>,
    cell: Cell,
    cut: Option<Cut>,
    meter: Meter,
    /// One bit for each of the last outcomes, set for a full queue.
    outcomes: u128,
}

/// A slow-down that has not been recovered from.
#[derive(Clone, Copy, Debug)]
struct Cut {
    at: Mono,
    /// Messages per second before and right after it.
    before: u32,
    after: u32,
}

/// Counts what passes, in whole seconds: an unlimited carrier has no rate to halve but the one it was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    second: u64,
    count: u32,
    last: u32,
}

impl Meter {
    fn add(&mut self, now: Mono) {
        self.turn(now);
        self.count = self.count.saturating_add(1);
    }

    fn turn(&mut self, now: Mono) {
        let second = now.0 / 1_000_000;
        if second > self.second {
            self.last = if second == self.second + 1 { self.count } else { 0 };
            (self.second, self.count) = (second, 0);
        }
    }

    fn per_second(&mut self, now: Mono) -> u32 {
        self.turn(now);
        self.last.max(self.count)
    }
}

impl Pace {
    /// The pace of a carrier with this configured rate; `None` for no limit of its own.
    #[must_use]
    pub fn new(ceiling: Option<Rate>) -> Self {
        Self { ceiling, cell: Cell::default(), cut: None, meter: Meter::default(), outcomes: 0 }
    }

    /// Changes the configured rate. What was learnt about the carrier stays.
    pub fn configure(&mut self, ceiling: Option<Rate>) {
        self.ceiling = ceiling;
    }

    /// Whether one message may go now; [`Verdict::Pass`] counts it.
    pub fn allowed(&mut self, now: Mono) -> Verdict {
        let verdict = match self.rate(now) {
            Some(rate) => self.cell.take(rate, 1, now),
            None => Verdict::Pass,
        };
        if verdict == Verdict::Pass {
            self.meter.add(now);
        }
        verdict
    }

    /// The earliest time, `now` or later, at which a message may go if the pace stays; counts nothing.
    #[must_use]
    pub fn ready_at(&mut self, now: Mono) -> Mono {
        self.rate(now).map_or(now, |rate| self.cell.ready_at(rate, now))
    }

    /// Learns from an answer of the carrier: `ESME_RTHROTTLED` slows down at once, `ESME_RMSGQFUL` when a fifth of the
    /// last hundred answers were that.
    pub fn observe(&mut self, status: CommandStatus, now: Mono) {
        if status == CommandStatus::ESME_RTHROTTLED {
            self.on_throttle(now);
        }
        let full = status == CommandStatus::ESME_RMSGQFUL;
        self.outcomes = (self.outcomes << 1 | u128::from(full)) & ((1 << REMEMBERED) - 1);
        if full && self.outcomes.count_ones() >= QUEUES_FULL {
            self.outcomes = 0;
            self.on_throttle(now);
        }
    }

    /// The carrier says that it gets too much: half the pace for a second, without a burst, and back within twenty.
    pub fn on_throttle(&mut self, now: Mono) {
        if self.cut.is_some_and(|cut| now.since_us(cut.at) < HOLD_US) {
            return;
        }
        let before = match self.rate(now) {
            Some(rate) => rate.limit(),
            None => self.meter.per_second(now),
        };
        self.cut = Some(Cut { at: now, before, after: (before / 2).max(1) });
        if let Some(rate) = self.rate(now) {
            self.cell.drain(rate, now);
        }
    }

    /// Messages per second allowed now; `None` for no limit.
    #[must_use]
    pub fn limit(&mut self, now: Mono) -> Option<u32> {
        self.rate(now).map(Rate::limit)
    }

    fn rate(&mut self, now: Mono) -> Option<Rate> {
        let Some(cut) = self.cut else { return self.ceiling };
        if now.since_us(cut.at) >= HOLD_US + RECOVERY_US {
            self.cut = None;
            return self.ceiling;
        }
        let slowed = cut.rate(now);
        Some(match self.ceiling {
            Some(ceiling) if ceiling.limit() < slowed.limit() => ceiling,
            Some(ceiling) => slowed.with_burst(slowed.burst().min(ceiling.burst())),
            None => slowed,
        })
    }
}

impl Cut {
    /// The pace while recovering: a straight line from `after` to `before`, with a tenth of a second of burst.
    fn rate(self, now: Mono) -> Rate {
        let recovering_us = now.since_us(self.at).saturating_sub(HOLD_US).min(RECOVERY_US);
        let regained = u64::from(self.before.saturating_sub(self.after)) * recovering_us / RECOVERY_US;
        let limit = self.after.saturating_add(u32::try_from(regained).unwrap_or(u32::MAX));
        Rate::per_second(limit).with_burst(limit / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// How many of a second's worth of steady offers pass.
    fn passed(pace: &mut Pace, from: u64) -> u32 {
        let offers = (0..10_000).map(|step| Mono(from + step * SECOND / 10_000));
        offers.map(|now| u32::from(pace.allowed(now) == Verdict::Pass)).sum()
    }

    #[test]
    fn a_throttled_carrier_gets_half_and_then_step_by_step_all() {
        let mut pace = Pace::new(Some(Rate::per_second(1000).with_burst(10)));
        assert!(passed(&mut pace, 0) <= 1010);
        pace.on_throttle(Mono(SECOND));
        let halved = passed(&mut pace, SECOND);
        assert!((490..=500).contains(&halved), "{halved}");
        let mut before = 500;
        for second in 2..22 {
            let limit = pace.limit(Mono((second + 1) * SECOND)).unwrap();
            let passed = passed(&mut pace, second * SECOND);
            assert!(limit == before + 25, "second {second}: {before} then {limit}");
            assert!(passed > before - 25 && passed <= limit + 10, "second {second}: {passed} of {limit}");
            before = limit;
        }
        assert_eq!(pace.limit(Mono(22 * SECOND)), Some(1000));
    }

    #[test]
    fn one_burst_of_throttle_answers_is_one_cut() {
        let mut pace = Pace::new(Some(Rate::per_second(1000)));
        for answer in 0..200 {
            pace.observe(CommandStatus::ESME_RTHROTTLED, Mono(answer));
        }
        assert_eq!(pace.limit(Mono(200)), Some(500));
        pace.on_throttle(Mono(SECOND));
        assert_eq!(pace.limit(Mono(SECOND)), Some(250));
    }

    #[test]
    fn a_carrier_without_limit_is_halved_from_what_it_was_sent() {
        let mut pace = Pace::new(None);
        assert_eq!(passed(&mut pace, 0), 10_000);
        assert_eq!(pace.limit(Mono(SECOND)), None);
        pace.on_throttle(Mono(SECOND));
        assert_eq!(pace.limit(Mono(SECOND)), Some(5000));
        assert_eq!(pace.limit(Mono(22 * SECOND)), None);
    }

    #[test]
    fn the_pace_never_stops_and_an_idle_carrier_can_be_throttled() {
        let mut pace = Pace::new(None);
        for cut in 0..50 {
            pace.on_throttle(Mono(cut * SECOND));
        }
        assert_eq!(pace.limit(Mono(49 * SECOND)), Some(1));
        assert!(pace.ready_at(Mono(49 * SECOND)) <= Mono(51 * SECOND));
    }

    #[test]
    fn full_queues_slow_down_from_a_fifth_on() {
        let mut pace = Pace::new(Some(Rate::per_second(100)));
        let answers = |pace: &mut Pace, every: u32| {
            for answer in 0..1000 {
                let full = answer % every == 0;
                pace.observe(if full { CommandStatus::ESME_RMSGQFUL } else { CommandStatus::ESME_ROK }, Mono(0));
            }
        };
        answers(&mut pace, 6);
        assert_eq!(pace.limit(Mono(0)), Some(100));
        answers(&mut pace, 5);
        assert_eq!(pace.limit(Mono(0)), Some(50));
    }

    #[test]
    fn a_new_ceiling_holds_at_once() {
        let mut pace = Pace::new(Some(Rate::per_second(1000)));
        pace.on_throttle(Mono(0));
        pace.configure(Some(Rate::per_second(10)));
        assert_eq!(pace.limit(Mono(0)), Some(10));
    }
}
