//! The result of a run: exact counts, and latencies as quantiles.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest latency told apart, in microseconds.
const LATENCY_MAX_US: u64 = 3_600_000_000;

/// What a run of the load generator has seen. Latencies count from the scheduled time of sending.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Distinct messages sent.
    pub messages: u64,
    /// `submit_sm` sent, repeats included.
    pub submitted: u64,
    /// Messages answered `ESME_ROK`.
    pub acknowledged: u64,
    /// Messages refused for good, by status.
    pub refused: BTreeMap<String, u64>,
    /// Answers `ESME_RTHROTTLED` after which the message was sent again.
    pub throttled: u64,
    /// `submit_sm` without an answer: the connection was lost, or time ran out. The message may have been accepted.
    pub unknown: u64,
    /// Messages sent again after their answer was lost.
    pub resubmitted: u64,
    /// Acknowledgements with an id that was given to another message before.
    pub reused_ids: u64,
    /// Acknowledged messages that got their final receipt.
    pub receipts: u64,
    /// Acknowledged messages without a final receipt.
    pub missing_receipts: u64,
    /// Final receipts beyond the first of a message, without a lost connection to explain them: neither the one on which
    /// the first came nor their own was lost.
    pub duplicate_receipts: u64,
    /// Final receipts that came again where the connection of one of the two was lost, and maybe the acknowledgement.
    pub redelivered_receipts: u64,
    /// Receipts for ids never acknowledged here; those of messages with unknown outcome are among them.
    pub unknown_receipts: u64,
    /// Receipts of a state that is not final.
    pub intermediate_receipts: u64,
    /// Final receipts by state.
    pub states: BTreeMap<String, u64>,
    /// Messages from handsets: `deliver_sm` that are no receipts, repeats included.
    pub mobile: u64,
    /// Of these, those that differ in source, destination or text.
    pub mobile_unique: u64,
    /// Connections lost during the run.
    pub connections_lost: u64,
    /// Seconds from the first `submit_sm` to the last answer.
    pub submit_seconds: f64,
    /// Acknowledged messages per second of that time.
    pub acknowledged_per_second: f64,
    /// Seconds from the first `submit_sm` to the last receipt.
    pub receipt_seconds: f64,
    /// Receipts per second of that time.
    pub receipts_per_second: f64,
    /// From `submit_sm` to its answer.
    pub answer_latency: Latency,
    /// From `submit_sm` to the final receipt.
    pub receipt_latency: Latency,
    /// Microseconds of this process's processor time per message.
    pub processor_us_per_message: f64,
    /// The seed that repeats the same numbers and texts.
    pub seed: u32,
}

/// Quantiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half are faster.
    pub p50_ms: f64,
    /// 99 of 100 are faster.
    pub p99_ms: f64,
    /// 999 of 1000 are faster.
    pub p999_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

impl Report {
    /// 0 when every acknowledged message got its receipt and none got it twice, 4 otherwise.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.missing_receipts == 0 && self.duplicate_receipts == 0 { 0 } else { 4 }
    }

    /// The result for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let refused: u64 = self.refused.values().sum();
        let mut out = format!(
            "messages   {} in {} submit_sm: acknowledged {}, refused {refused}, unknown {}\n\
             receipts   {}, missing {}, duplicate {}, redelivered {}, for unknown ids {}, intermediate {}\n\
             throughput {:.0} acknowledged/s over {:.2} s, {:.0} receipts/s over {:.2} s\n",
            self.messages,
            self.submitted,
            self.acknowledged,
            self.unknown,
            self.receipts,
            self.missing_receipts,
            self.duplicate_receipts,
            self.redelivered_receipts,
            self.unknown_receipts,
            self.intermediate_receipts,
            self.acknowledged_per_second,
            self.submit_seconds,
            self.receipts_per_second,
            self.receipt_seconds,
        );
        for (name, latency) in [("to answer ", self.answer_latency), ("to receipt", self.receipt_latency)] {
            let Latency { p50_ms, p99_ms, p999_ms, max_ms } = latency;
            let _ = writeln!(out, "{name} p50 {p50_ms:.2} ms, p99 {p99_ms:.2}, p99.9 {p999_ms:.2}, max {max_ms:.2}");
        }
        for (what, counts) in [("refused   ", &self.refused), ("states    ", &self.states)] {
            if !counts.is_empty() {
                let words: Vec<_> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
                let _ = writeln!(out, "{what} {}", words.join(", "));
            }
        }
        let rare = [
            ("throttled and sent again", self.throttled),
            ("connections lost", self.connections_lost),
            ("sent again after a lost answer", self.resubmitted),
            ("ids given out twice", self.reused_ids),
            ("messages from handsets", self.mobile),
            ("of these, more than once", self.mobile - self.mobile_unique),
        ];
        for (what, count) in rare.iter().filter(|(_, count)| *count > 0) {
            let _ = writeln!(out, "{what}: {count}");
        }
        let _ =
            write!(out, "{:.2} µs of processor time per message, --seed {}", self.processor_us_per_message, self.seed);
        out
    }
}

impl Latency {
    pub(in crate::sandbox) fn of(histogram: &Histogram<u64>) -> Self {
        let quantile = |part| histogram.value_at_quantile(part) as f64 / 1000.0;
        Self {
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: histogram.max() as f64 / 1000.0,
        }
    }
}

/// An empty histogram of microseconds with three digits.
pub(in crate::sandbox) fn latencies() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are constants in the allowed range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lost_or_doubled_receipts_fail_a_run() {
        let mut report = Report { unknown: 3, redelivered_receipts: 1, unknown_receipts: 2, ..Report::default() };
        assert_eq!(report.exit_code(), 0);
        report.missing_receipts = 1;
        assert_eq!(report.exit_code(), 4);
        let doubled = Report { duplicate_receipts: 1, ..Report::default() };
        assert_eq!(doubled.exit_code(), 4);
    }

    #[test]
    fn quantiles_are_in_milliseconds() {
        let mut histogram = latencies();
        for value in 1..=1000 {
            histogram.saturating_record(value * 1000);
        }
        let latency = Latency::of(&histogram);
        assert!((latency.p50_ms - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.max_ms - 1000.0).abs() < 1.0, "{latency:?}");
    }
}
