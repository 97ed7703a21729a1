//! The fixed schedule of one link: open loop, so that a server that falls behind is seen to, instead of being asked less.

use std::time::Duration;

use crate::clock::Mono;

/// Timers wake to the millisecond; a message is not late until this much after its time.
const GRACE: Duration = Duration::from_millis(1);

/// When a link sends its next message.
pub(super) struct Pace {
    per_second: f64,
    started: Mono,
    taken: u64,
    released: u64,
    rest_until: Mono,
}

impl Pace {
    /// `per_second` 0 sends without a schedule.
    pub(super) fn new(per_second: f64, started: Mono) -> Self {
        Self { per_second, started, taken: 0, released: 0, rest_until: Mono::default() }
    }

    /// Releases all whose time has come; returns when to look again. Between ticks nothing is released, so that a link
    /// wakes a thousand times a second at most and writes more than one message each time.
    pub(super) fn tick(&mut self, now: Mono) -> Option<Mono> {
        if self.per_second == 0.0 {
            return None;
        }
        self.released = (now.since_us(self.started) as f64 * self.per_second / 1e6) as u64 + 1;
        Some(self.scheduled(self.released).max(now.after(GRACE)))
    }

    /// Takes a message off the schedule: the time at which it should have been sent. `None` when none is due.
    pub(super) fn take(&mut self, now: Mono) -> Option<Mono> {
        if self.per_second == 0.0 {
            return Some(now);
        }
        if self.taken >= self.released {
            return None;
        }
        self.taken += 1;
        Some(self.scheduled(self.taken - 1).after(GRACE).min(now))
    }

    /// Sends nothing before `until`.
    pub(super) fn rest(&mut self, until: Mono) {
        self.rest_until = until;
    }

    /// Whether the link rests.
    pub(super) fn resting(&self, now: Mono) -> bool {
        now < self.rest_until
    }

    /// When the rest ends, if it is not over.
    pub(super) fn rest_ends(&self, now: Mono) -> Option<Mono> {
        self.resting(now).then_some(self.rest_until)
    }

    fn scheduled(&self, message: u64) -> Mono {
        Mono(self.started.0 + (message as f64 * 1e6 / self.per_second) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_released_on_time_and_late_ones_keep_their_time() {
        let mut pace = Pace::new(1000.0, Mono(10_000));
        assert_eq!(pace.tick(Mono(10_000)), Some(Mono(11_000)));
        assert_eq!(pace.take(Mono(10_000)), Some(Mono(10_000)));
        assert_eq!(pace.take(Mono(10_000)), None);
        pace.tick(Mono(60_500));
        let times: Vec<_> = std::iter::from_fn(|| pace.take(Mono(60_500))).map(|time| time.0).collect();
        assert_eq!(times.len(), 50);
        assert_eq!((times[0], times[49]), (12_000, 60_500));
    }

    #[test]
    fn without_a_schedule_every_message_is_due() {
        let mut pace = Pace::new(0.0, Mono(0));
        assert_eq!((pace.tick(Mono(5)), pace.take(Mono(5))), (None, Some(Mono(5))));
        pace.rest(Mono(9));
        assert_eq!((pace.resting(Mono(8)), pace.resting(Mono(9))), (true, false));
        assert_eq!(pace.rest_ends(Mono(8)), Some(Mono(9)));
    }
}
