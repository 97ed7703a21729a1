//! The text format of Prometheus, version 0.0.4.

use std::fmt::Write;

use super::{Kind, Metric, TABLE};
use crate::admin::{Histogram, View};

/// The media type of what [`render`] writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Takes the samples of one metric.
pub struct Samples<'a> {
    metric: &'a Metric,
    text: &'a mut String,
}

/// All metrics at one moment. A metric without samples is left out.
#[must_use]
pub fn render(view: &View<'_>) -> String {
    let mut text = String::with_capacity(16 * 1024);
    for metric in TABLE {
        let start = text.len();
        push(&mut text, format_args!("# HELP {} {}\n", metric.name, metric.help));
        push(&mut text, format_args!("# TYPE {} {}\n", metric.name, metric.kind.name()));
        let head = text.len();
        (metric.read)(view, &mut Samples { metric, text: &mut text });
        if text.len() == head {
            text.truncate(start);
        }
    }
    text
}

impl Samples<'_> {
    /// A value, with one value for each label of the metric.
    pub(super) fn push(&mut self, labels: &[&str], value: f64) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        self.sample("", labels, None, value);
    }

    /// A count, with one value for each label of the metric.
    pub(super) fn count(&mut self, labels: &[&str], count: u64) {
        self.push(labels, count as f64);
    }

    /// A distribution; `per_unit` observed units make one unit of the metric.
    pub(super) fn histogram(&mut self, labels: &[&str], histogram: &Histogram, per_unit: f64) {
        debug_assert_eq!(self.metric.kind, Kind::Histogram, "{}", self.metric.name);
        let mut below = 0;
        for (bound, count) in histogram.bounds.iter().zip(&histogram.counts) {
            below += count;
            self.sample("_bucket", labels, Some(*bound as f64 / per_unit), below as f64);
        }
        self.sample("_bucket", labels, Some(f64::INFINITY), histogram.count() as f64);
        self.sample("_sum", labels, None, histogram.sum as f64 / per_unit);
        self.sample("_count", labels, None, histogram.count() as f64);
    }

    fn sample(&mut self, suffix: &str, labels: &[&str], bound: Option<f64>, value: f64) {
        self.text.push_str(self.metric.name);
        self.text.push_str(suffix);
        let mut separator = '{';
        for (name, value) in self.metric.labels.iter().zip(labels) {
            push(self.text, format_args!("{separator}{name}=\"{}\"", escaped(value)));
            separator = ',';
        }
        if let Some(bound) = bound {
            push(self.text, format_args!("{separator}le=\"{}\"", number(bound)));
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        push(self.text, format_args!(" {}\n", number(value)));
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = text.write_fmt(arguments);
}

fn number(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_owned() } else { value.to_string() }
}

/// A label value with the three characters escaped that the format reserves.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_cannot_break_a_line() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn whole_numbers_have_no_fraction_and_infinity_has_its_word() {
        assert_eq!(number(17.0), "17");
        assert_eq!(number(0.00005), "0.00005");
        assert_eq!(number(f64::INFINITY), "+Inf");
    }
}
