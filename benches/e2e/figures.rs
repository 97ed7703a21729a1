//! What was measured, as values.

use serde::Serialize;
use smppgate::sandbox::{Latency, Report};

use crate::process::Usage;

/// One whole run of the bench.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// The program's version.
    pub(crate) version: &'static str,
    /// The processor's name.
    pub(crate) processor: String,
    /// Its cores.
    pub(crate) cores: usize,
    /// Messages of each run at full speed.
    pub(crate) messages: u32,
    /// Connections of the load.
    pub(crate) binds: u32,
    /// Runs of each row; the median one is shown.
    pub(crate) runs: usize,
    /// Processes that wanted to run when the bench began, over a minute.
    pub(crate) load_average: String,
    /// Part of the machine that processes outside the bench took while it ran at full speed, 0 to 1.
    pub(crate) taken_by_others: f64,
    /// One for each thing measured.
    pub(crate) rows: Vec<Row>,
}

/// One thing measured.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Row {
    /// What.
    pub(crate) name: &'static str,
    /// Messages per second from the first `submit_sm` to the last receipt.
    pub(crate) messages_per_second: f64,
    /// At full speed; `None` where there is no client.
    pub(crate) full: Option<Delays>,
    /// At half of that speed.
    pub(crate) half: Option<Delays>,
    /// Microseconds of its processor time per message, outside the kernel.
    pub(crate) user_us: f64,
    /// Inside.
    pub(crate) system_us: f64,
    /// Octets it sent to the disk per message.
    pub(crate) written: f64,
    /// Most octets of memory.
    pub(crate) peak_octets: u64,
    /// Its commits at full speed; `None` where there are none.
    pub(crate) commits: Option<Commits>,
    /// Processor time of the load per message, for comparison.
    pub(crate) load_us: f64,
    /// Processor time of all carriers per message.
    pub(crate) carrier_us: f64,
}

/// What was committed. A message's facts are in four commits at most: accepted, sent, final, settled.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Commits {
    /// How many.
    pub(crate) commits: u64,
    /// Octets in them.
    pub(crate) octets: u64,
    /// Messages whose whole life is in them.
    pub(crate) messages: u64,
}

impl Commits {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { commits: self.commits - earlier.commits, octets: self.octets - earlier.octets, messages: 0 }
    }

    /// Messages accepted in one commit, on average.
    pub(crate) fn group(self) -> f64 {
        self.messages as f64 / self.commits.max(1) as f64
    }
}

/// How long a client waited.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Delays {
    /// Messages per second asked for; 0 at full speed.
    pub(crate) rate: u64,
    /// From `submit_sm` to its answer.
    pub(crate) answer: Latency,
    /// From `submit_sm` to its coming to the slower one of the carriers; `None` where that was not looked at.
    pub(crate) carrier: Option<Latency>,
    /// From `submit_sm` to the receipt, the carrier's own delay included.
    pub(crate) receipt: Latency,
}

impl Delays {
    pub(crate) fn of(report: &Report, rate: u64) -> Self {
        Self { rate, answer: report.answer_latency, carrier: None, receipt: report.receipt_latency }
    }
}

impl Row {
    /// Fills in what it cost.
    pub(crate) fn cost(&mut self, used: Usage, messages: u64) {
        let per_message = |amount: u64| amount as f64 / messages.max(1) as f64;
        self.user_us = per_message(used.user_us);
        self.system_us = per_message(used.system_us);
        self.written = per_message(used.written);
    }
}
