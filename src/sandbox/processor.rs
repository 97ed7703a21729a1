//! Processor time of this process, so that both programs can say what a message costs them.

use std::time::Duration;

/// User and system time so far, to a hundredth of a second; `None` where `/proc` does not tell.
pub(super) fn processor_time() -> Option<Duration> {
    // proc(5): the fields after the parenthesised name; utime and stime are the 14th and 15th, in USER_HZ, which is 100
    // on every Linux that user programs see.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = &stat[stat.rfind(')')? + 1..];
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 10))
}

/// Microseconds of processor time per message; 0 when unknown.
pub(super) fn cost_us(before: Option<Duration>, after: Option<Duration>, messages: u64) -> f64 {
    match (before, after) {
        (Some(before), Some(after)) if messages > 0 => {
            after.saturating_sub(before).as_secs_f64() * 1e6 / messages as f64
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_time_per_message() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert!((cost_us(seconds(1), seconds(3), 1_000_000) - 2.0).abs() < 1e-9);
        assert_eq!(cost_us(None, seconds(3), 10), 0.0);
        assert_eq!(cost_us(seconds(1), seconds(3), 0), 0.0);
    }
}
