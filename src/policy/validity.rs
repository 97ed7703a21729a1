//! When a message becomes due and when it expires, from what its client asked. SMPP 3.4 §5.2.15 and §5.2.16.
//!
//! Works on instants: reading the time fields is the codec's work, and a relative time of zero is the same as none.

use std::time::Duration;

use crate::clock::Unix;
use crate::pdu::CommandStatus;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Limits of what a client may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Validity, from the due time, of a message that names none; 72 hours.
    pub default: Duration,
    /// Longest validity from the due time; longer ones are cut to it silently. 72 hours.
    pub longest: Duration,
    /// How far ahead a message may be scheduled; 7 days.
    pub farthest: Duration,
}

impl Default for Validity {
    fn default() -> Self {
        Self { default: 72 * HOUR, longest: 72 * HOUR, farthest: 7 * 24 * HOUR }
    }
}

impl Validity {
    /// The times at which a message is due and expires. A schedule in the past means now.
    ///
    /// # Errors
    /// `ESME_RINVSCHED` for a schedule too far ahead; `ESME_RINVEXPIRY` for a validity that ends now or earlier, or not
    /// after the schedule.
    pub fn resolve(
        &self,
        schedule: Option<Unix>,
        validity: Option<Unix>,
        now: Unix,
    ) -> Result<(Unix, Unix), CommandStatus> {
        let due = schedule.unwrap_or(now).max(now);
        if due > now.after(self.farthest) {
            return Err(CommandStatus::ESME_RINVSCHED);
        }
        let longest = due.after(self.longest);
        let expires = validity.unwrap_or_else(|| due.after(self.default)).min(longest);
        if validity.is_some() && expires <= due {
            return Err(CommandStatus::ESME_RINVEXPIRY);
        }
        Ok((due, expires))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Unix = Unix(1_700_000_000_000);

    fn hours(count: u64) -> Unix {
        Unix(NOW.0 + count * 3_600_000)
    }

    fn resolve(schedule: Option<Unix>, validity: Option<Unix>) -> Result<(Unix, Unix), CommandStatus> {
        Validity::default().resolve(schedule, validity, NOW)
    }

    #[test]
    fn what_is_not_asked_has_defaults() {
        assert_eq!(resolve(None, None), Ok((NOW, hours(72))));
        assert_eq!(resolve(Some(hours(5)), None), Ok((hours(5), hours(77))));
        assert_eq!(resolve(None, Some(hours(1))), Ok((NOW, hours(1))));
        assert_eq!(resolve(Some(hours(1)), Some(hours(2))), Ok((hours(1), hours(2))));
    }

    #[test]
    fn a_schedule_in_the_past_means_now_and_a_far_one_is_refused() {
        assert_eq!(resolve(Some(Unix(5)), None), Ok((NOW, hours(72))));
        assert_eq!(resolve(Some(hours(7 * 24)), None), Ok((hours(7 * 24), hours(10 * 24))));
        assert_eq!(resolve(Some(Unix(hours(7 * 24).0 + 1)), None), Err(CommandStatus::ESME_RINVSCHED));
    }

    #[test]
    fn a_validity_that_leaves_no_time_is_refused_and_a_long_one_cut() {
        assert_eq!(resolve(None, Some(NOW)), Err(CommandStatus::ESME_RINVEXPIRY));
        assert_eq!(resolve(None, Some(Unix(0))), Err(CommandStatus::ESME_RINVEXPIRY));
        assert_eq!(resolve(Some(hours(2)), Some(hours(1))), Err(CommandStatus::ESME_RINVEXPIRY));
        assert_eq!(resolve(Some(hours(2)), Some(hours(2))), Err(CommandStatus::ESME_RINVEXPIRY));
        assert_eq!(resolve(None, Some(Unix(NOW.0 + 1))), Ok((NOW, Unix(NOW.0 + 1))));
        assert_eq!(resolve(None, Some(hours(1000))), Ok((NOW, hours(72))));
    }
}
