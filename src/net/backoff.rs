//! How long to wait before dialling a carrier again. Pure: the random part is an argument.

use std::time::Duration;

use crate::pdu::CommandStatus;

const FIRST_MS: u64 = 1_000;
const CAP_MS: u64 = 60_000;
/// First wait after a refusal that only people can mend.
const REFUSED_MS: u64 = 30_000;
/// First wait after "already bound": the carrier may still hold our last session.
const ALREADY_BOUND_MS: u64 = 5_000;
/// A bind that lasted this long starts the waits anew.
const STABLE: Duration = Duration::from_secs(30);

/// Waits that double from one failure in a row to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The last connection was bound for `bound`, `None` if it never was.
    pub(super) fn lasted(&mut self, bound: Option<Duration>) {
        if bound.is_some_and(|bound| bound >= STABLE) {
            self.failures = 0;
        }
    }

    /// The wait from the end of a connection to the next one; `refused` is how the carrier answered the bind, if that
    /// was no. `random` may be any number: it makes up to 20 % of difference in both directions.
    pub(super) fn next(&mut self, refused: Option<CommandStatus>, random: u64) -> Duration {
        let first_ms = match refused {
            Some(CommandStatus::ESME_RBINDFAIL | CommandStatus::ESME_RINVPASWD | CommandStatus::ESME_RINVSYSID) => {
                REFUSED_MS
            }
            Some(CommandStatus::ESME_RALYBND) => ALREADY_BOUND_MS,
            _ => FIRST_MS,
        };
        let wait_ms = (FIRST_MS << self.failures.min(10)).clamp(first_ms, CAP_MS);
        self.failures = self.failures.saturating_add(1);
        let spread_ms = wait_ms / 5;
        // Where a least wait is promised, chance does not go below it.
        let promised_ms = if first_ms == FIRST_MS { 0 } else { first_ms };
        let least_ms = (wait_ms - spread_ms).max(promised_ms);
        Duration::from_millis(least_ms + random % (2 * spread_ms + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(refused: Option<CommandStatus>, random: u64) -> Vec<u64> {
        let mut backoff = Backoff::default();
        (0..9).map(|_| u64::try_from(backoff.next(refused, random).as_millis()).unwrap()).collect()
    }

    #[test]
    fn waits_double_to_a_minute_within_a_fifth() {
        assert_eq!(waits(None, 0), [800, 1600, 3200, 6400, 12_800, 25_600, 48_000, 48_000, 48_000]);
        let middle: Vec<u64> = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|s: u64| s * 1000).to_vec();
        for random in [1, 77, 4_000_000_007, u64::MAX] {
            for (wait, middle) in waits(None, random).into_iter().zip(&middle) {
                assert!((middle * 4 / 5..=middle * 6 / 5).contains(&wait), "{wait}");
            }
        }
    }

    #[test]
    fn refusals_wait_longer_from_the_start() {
        for status in [0x0D, 0x0E, 0x0F] {
            for random in [0, 1234, u64::MAX] {
                assert!(waits(Some(CommandStatus(status)), random).iter().all(|wait| (30_000..=72_000).contains(wait)));
            }
        }
        let already_bound = waits(Some(CommandStatus::ESME_RALYBND), 0);
        assert_eq!(already_bound, [5000, 5000, 5000, 6400, 12_800, 25_600, 48_000, 48_000, 48_000]);
    }

    #[test]
    fn only_a_stable_bind_starts_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..4 {
            backoff.next(None, 0);
        }
        for short in [None, Some(Duration::from_secs(29))] {
            backoff.lasted(short);
            assert_ne!(backoff, Backoff::default());
        }
        backoff.lasted(Some(STABLE));
        assert_eq!(backoff, Backoff::default());
    }
}
