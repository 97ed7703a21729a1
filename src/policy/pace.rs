//! The pace of one carrier: halved when the carrier says it is too fast, then raised again step by step.
//!
//! Decides when the next message may go, not which one. The carrier's configured rate is another limit beside this one,
//! and holds throughout.

use std::time::Duration;

use super::throttle::{Cell, Rate, Verdict};
use crate::clock::Mono;

/// Time from the cut pace back to the one before it.
const RECOVERY_US: u64 = 20_000_000;
/// The last answers that are remembered, and how many full queues among them call for a cut.
const REMEMBERED: u32 = 100;
const QUEUES_FULL: u32 = 20;
/// How long a cut stays for full queues.
const QUEUE_PAUSE: Duration = Duration::from_secs(1);

/// How fast one carrier may be sent to. The default has no limit.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    cell: Cell,
    cut: Option<Cut>,
    meter: Meter,
    /// One bit for each of the last answers, set for a full queue.
    answers: u128,
}

/// A slow-down that has not been recovered from.
#[derive(Clone, Copy, Debug)]
struct Cut {
    at: Mono,
    /// Until then nothing changes: answers to what was already sent tell nothing about the new pace.
    hold_until: Mono,
    /// Messages per second before and right after it.
    before: u32,
    after: u32,
}

/// Counts what is sent, in whole seconds: what is halved is the pace the carrier really saw.
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

impl Cut {
    /// The pace while held and recovering: flat, then a straight line from `after` to `before`, with a tenth of a
    /// second of burst. `None` once recovered.
    fn rate(self, now: Mono) -> Option<Rate> {
        let recovering_us = now.since_us(self.hold_until);
        if recovering_us >= RECOVERY_US {
            return None;
        }
        let regained = u64::from(self.before.saturating_sub(self.after)) * recovering_us / RECOVERY_US;
        let limit = self.after.saturating_add(u32::try_from(regained).unwrap_or(u32::MAX));
        Some(Rate::per_second(limit).with_burst(limit / 10))
    }
}

impl Pace {
    /// Whether one message may go now. Counts nothing: [`Pace::sent`] does, once the message goes.
    pub fn allowed(&self, now: Mono) -> Verdict {
        match self.rate(now).map(|rate| self.cell.ready_at(rate, now)) {
            Some(at) if at > now => Verdict::Wait(at),
            _ => Verdict::Pass,
        }
    }

    /// A message that was allowed went out.
    pub fn sent(&mut self, now: Mono) {
        self.meter.add(now);
        match self.rate(now) {
            // A refusal here means that nobody asked before: the message is gone, and the next one waits.
            Some(rate) => {
                let _ = self.cell.take(rate, 1, now);
            }
            None => self.cut = None,
        }
    }

    /// The carrier accepted a message.
    pub fn accepted(&mut self, now: Mono) {
        self.answered(false, now);
    }

    /// The carrier's queue is full: slows down when a fifth of the last hundred answers were that, because fewer may
    /// concern single subscribers only.
    pub fn queue_full(&mut self, now: Mono) {
        self.answered(true, now);
    }

    /// The carrier says that it gets too much: half the pace for `pause`, without a burst, and back within twenty
    /// seconds after that. Ignored while an earlier cut is held.
    pub fn on_throttle(&mut self, now: Mono, pause: Duration) {
        if self.cut.is_some_and(|cut| cut.at <= now && now < cut.hold_until) {
            return;
        }
        let before = match self.rate(now) {
            Some(rate) => rate.limit(),
            None => self.meter.per_second(now),
        };
        self.cut = Some(Cut { at: now, hold_until: now.after(pause), before, after: (before / 2).max(1) });
        if let Some(rate) = self.rate(now) {
            self.cell.drain(rate, now);
        }
    }

    /// Messages per second allowed now; `None` for no limit.
    #[must_use]
    pub fn limit(&self, now: Mono) -> Option<u32> {
        self.rate(now).map(Rate::limit)
    }

    fn answered(&mut self, full: bool, now: Mono) {
        self.answers = (self.answers << 1 | u128::from(full)) & ((1 << REMEMBERED) - 1);
        if full && self.answers.count_ones() >= QUEUES_FULL {
            self.answers = 0;
            self.on_throttle(now, QUEUE_PAUSE);
        }
    }

    fn rate(&self, now: Mono) -> Option<Rate> {
        self.cut.and_then(|cut| cut.rate(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const PAUSE: Duration = Duration::from_secs(1);

    /// How many of a second's 1000 steady offers go out.
    fn sent(pace: &mut Pace, second: u64) -> u32 {
        let mut sent = 0;
        for offer in 0..1000 {
            let now = Mono(second * SECOND + offer * 1000);
            if pace.allowed(now) == Verdict::Pass {
                pace.sent(now);
                sent += 1;
            }
        }
        sent
    }

    #[test]
    fn a_throttled_carrier_gets_half_and_then_step_by_step_all() {
        let mut pace = Pace::default();
        assert_eq!(sent(&mut pace, 0), 1000);
        pace.on_throttle(Mono(SECOND), PAUSE);
        let halved = sent(&mut pace, 1);
        assert!((490..=500).contains(&halved), "{halved}");
        for second in 2..22 {
            let limit = u32::try_from(500 + (second - 2) * 25).unwrap();
            assert_eq!(pace.limit(Mono(second * SECOND)), Some(limit));
            let sent = sent(&mut pace, second);
            assert!(sent + 25 >= limit && sent <= limit + 50, "second {second}: {sent} of {limit}");
        }
        assert_eq!(pace.limit(Mono(22 * SECOND)), None);
        assert_eq!(sent(&mut pace, 22), 1000);
    }

    #[test]
    fn one_burst_of_throttle_answers_is_one_cut() {
        let mut pace = Pace::default();
        sent(&mut pace, 0);
        for answer in 0..200 {
            pace.on_throttle(Mono(SECOND + answer), PAUSE);
        }
        assert_eq!(pace.limit(Mono(SECOND + 200)), Some(500));
        pace.on_throttle(Mono(2 * SECOND), PAUSE);
        assert_eq!(pace.limit(Mono(2 * SECOND)), Some(250));
    }

    #[test]
    fn the_pace_never_stops_and_an_idle_carrier_can_be_throttled() {
        let mut pace = Pace::default();
        for cut in 0..50 {
            pace.on_throttle(Mono(cut * SECOND), PAUSE);
        }
        let now = Mono(49 * SECOND);
        assert_eq!(pace.limit(now), Some(1));
        assert_eq!(pace.allowed(now), Verdict::Wait(Mono(50 * SECOND)));
        assert_eq!(pace.allowed(Mono(50 * SECOND)), Verdict::Pass);
    }

    #[test]
    fn full_queues_slow_down_from_a_fifth_on() {
        let mut pace = Pace::default();
        sent(&mut pace, 0);
        let now = Mono(SECOND);
        let answers = |pace: &mut Pace, every: u32| {
            for answer in 0..1000 {
                if answer % every == 0 { pace.queue_full(now) } else { pace.accepted(now) }
            }
        };
        answers(&mut pace, 6);
        assert_eq!(pace.limit(now), None);
        answers(&mut pace, 5);
        assert_eq!(pace.limit(now), Some(500));
    }
}
