//! Every metric: one table of names, kinds, labels and meanings, and the way to Prometheus.
//!
//! The recorder is filled from a [`View`] when somebody asks: the parts count in plain numbers of their own, so no counter
//! is shared between threads on the path of a message. Labels come from the configuration and from short fixed lists; no
//! label is personal data.

mod exporter;
mod opt_outs;
mod table;

pub use exporter::{CONTENT_TYPE, Exporter, Samples};
pub use table::TABLE;

use crate::admin::View;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts of observations in buckets.
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy)]
pub struct Metric {
    /// Its name; ends in its unit, and in `_total` when it is a counter.
    pub name: &'static str,
    /// How it behaves.
    pub kind: Kind,
    /// The labels of its samples, in order.
    pub labels: &'static [&'static str],
    /// What one unit of the value is.
    pub unit: &'static str,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// Writes its samples.
    read: fn(&View<'_>, &mut Samples<'_>),
}

impl Metric {
    /// One without labels.
    const fn plain(
        name: &'static str,
        kind: Kind,
        unit: &'static str,
        help: &'static str,
        read: fn(&View<'_>, &mut Samples<'_>),
    ) -> Self {
        Self { name, kind, labels: &[], unit, help, read }
    }
}

/// The table for people: the section "Metrics" of the README is this text.
#[must_use]
pub fn markdown_table() -> String {
    let mut text = String::from("| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n");
    for metric in TABLE {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let row = [
            format!("`{}`", metric.name),
            metric.kind.name().to_owned(),
            metric.unit.to_owned(),
            labels.join(", "),
            metric.help.to_owned(),
        ];
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}
