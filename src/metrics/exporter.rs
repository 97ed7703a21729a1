//! The way to Prometheus: a recorder of the `metrics` crate, filled from a [`View`] when somebody asks.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::{Kind, Metric, TABLE};
use crate::admin::{COMMIT_BOUNDS, DELAY_BOUNDS_US, Histogram, View};

/// The media type of what [`Exporter::render`] gives.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Bucket bounds of every histogram in the table, in the metric's unit.
fn buckets(metric: &Metric) -> Option<Vec<f64>> {
    let scaled = |bounds: &[u64], per_unit: f64| bounds.iter().map(|bound| *bound as f64 / per_unit).collect();
    match metric.name {
        "smppgate_commit_size_bytes" => Some(scaled(COMMIT_BOUNDS, 1.0)),
        "smppgate_flush_seconds" => Some(scaled(DELAY_BOUNDS_US, 1e6)),
        _ => None,
    }
}

/// Keeps what was exported before, so that distributions only grow.
pub struct Exporter {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// The distributions at the last time, by metric and labels.
    exported: Mutex<Vec<(Key, Histogram)>>,
}

/// Takes the samples of one metric.
pub struct Samples<'a> {
    metric: &'a Metric,
    exporter: &'a Exporter,
}

impl Exporter {
    /// An exporter of all metrics of the table.
    #[must_use]
    pub fn new() -> Self {
        let mut builder = PrometheusBuilder::new();
        for (metric, bounds) in TABLE.iter().filter_map(|metric| Some((metric, buckets(metric)?))) {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), &bounds)
                .expect("the list of bounds is not empty");
        }
        let recorder = builder.build_recorder();
        for metric in TABLE {
            let (name, help) = (KeyName::from(metric.name), metric.help.into());
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
        let handle = recorder.handle();
        Self { recorder, handle, exported: Mutex::default() }
    }

    /// All metrics at one moment, in the text format of Prometheus. A metric without samples is left out.
    #[must_use]
    pub fn render(&self, view: &View<'_>) -> String {
        for metric in TABLE {
            (metric.read)(view, &mut Samples { metric, exporter: self });
        }
        self.handle.run_upkeep();
        self.handle.render()
    }
}

impl Default for Exporter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

impl Samples<'_> {
    /// A value, with one value for each label of the metric.
    pub(super) fn push(&mut self, labels: &[&str], value: f64) {
        self.exporter.recorder.register_gauge(&self.key(labels), &METADATA).set(value);
    }

    /// A count, with one value for each label of the metric.
    pub(super) fn count(&mut self, labels: &[&str], count: u64) {
        match self.metric.kind {
            Kind::Counter => self.exporter.recorder.register_counter(&self.key(labels), &METADATA).absolute(count),
            Kind::Gauge | Kind::Histogram => self.push(labels, count as f64),
        }
    }

    /// A distribution; `per_unit` observed units make one unit of the metric. What came since the last time is recorded
    /// at one relative place within each bucket, chosen so that the sum is right.
    pub(super) fn histogram(&mut self, labels: &[&str], histogram: &Histogram, per_unit: f64) {
        let key = self.key(labels);
        let handle = self.exporter.recorder.register_histogram(&key, &METADATA);
        let mut exported = self.exporter.exported.lock().unwrap_or_else(PoisonError::into_inner);
        let before = exported.iter_mut().find(|(other, _)| *other == key);
        let earlier = |bucket: usize| before.as_ref().and_then(|(_, old)| old.counts.get(bucket).copied()).unwrap_or(0);
        let fresh: Vec<u64> = (0..histogram.counts.len())
            .map(|bucket| histogram.counts[bucket].saturating_sub(earlier(bucket)))
            .collect();
        let sum = histogram.sum.saturating_sub(before.as_ref().map_or(0, |(_, old)| old.sum)) as f64;
        let (low, high) = (|bucket: usize| edge(histogram, bucket), |bucket: usize| edge(histogram, bucket + 1));
        let weigh = |value: &dyn Fn(usize) -> f64| -> f64 {
            fresh.iter().enumerate().map(|(bucket, count)| *count as f64 * value(bucket)).sum()
        };
        let width = weigh(&|bucket| high(bucket) - low(bucket));
        let place = if width > 0.0 { ((sum - weigh(&low)) / width).clamp(0.001, 1.0) } else { 1.0 };
        for (bucket, count) in fresh.iter().enumerate().filter(|(_, count)| **count > 0) {
            let value = low(bucket) + place * (high(bucket) - low(bucket));
            handle.record_many(value / per_unit, usize::try_from(*count).unwrap_or(usize::MAX));
        }
        match before {
            Some((_, old)) => *old = histogram.clone(),
            None => exported.push((key, histogram.clone())),
        }
    }

    fn key(&self, labels: &[&str]) -> Key {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        let labels = self.metric.labels.iter().zip(labels);
        let labels: Vec<_> = labels.map(|(name, value)| Label::new(*name, (*value).to_owned())).collect();
        Key::from_parts(self.metric.name, labels)
    }
}

/// Lower bound of a bucket; the last bucket is as wide as everything below it.
fn edge(histogram: &Histogram, bucket: usize) -> f64 {
    match bucket.checked_sub(1) {
        None => 0.0,
        Some(at) => {
            let last = histogram.bounds.last().map_or(0.0, |bound| *bound as f64 * 2.0);
            histogram.bounds.get(at).map_or(last, |bound| *bound as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_histogram_has_buckets_and_nothing_else_has() {
        for metric in TABLE {
            assert_eq!(buckets(metric).is_some(), metric.kind == Kind::Histogram, "{}", metric.name);
        }
    }

    #[test]
    fn a_distribution_grows_by_what_is_new_and_keeps_its_sum() {
        let exporter = Exporter::new();
        let metric = TABLE.iter().find(|metric| metric.name == "smppgate_flush_seconds").expect("it is in the table");
        let mut histogram = Histogram::new(DELAY_BOUNDS_US);
        for (observed, times) in [(400_u64, 3_u64), (3_000_000, 1)] {
            let bucket = DELAY_BOUNDS_US.iter().position(|bound| observed <= *bound).expect("below the last bound");
            histogram.counts[bucket] += times;
            histogram.sum += observed * times;
            let mut samples = Samples { metric, exporter: &exporter };
            samples.histogram(&[], &histogram, 1e6);
            samples.histogram(&[], &histogram, 1e6);
        }
        exporter.handle.run_upkeep();
        let text = exporter.handle.render();
        let value = |line: &str| -> f64 {
            let found = text.lines().find_map(|candidate| candidate.strip_prefix(line));
            found.unwrap_or_else(|| panic!("{line} in {text}")).trim().parse().expect("a number")
        };
        assert_eq!(value("smppgate_flush_seconds_count"), 4.0);
        assert!((value("smppgate_flush_seconds_sum") - 3.0012).abs() < 1e-6, "{text}");
        assert_eq!(value("smppgate_flush_seconds_bucket{le=\"0.0005\"}"), 3.0);
    }
}
