//! The one table, in Markdown: a column for each thing measured.

use std::fmt::Write as _;

use smppgate::sandbox::Latency;

use crate::figures::{Delays, Figures, Row};
use crate::gate::RECEIPT_DELAY_MS;

/// The whole text.
pub(crate) fn render(figures: &Figures) -> String {
    let mut out = format!(
        "smppgate {}, {} × {}; {} messages of 60 octets, receipts on (carriers wait {RECEIPT_DELAY_MS} ms), {} binds, window \
         200, 2 carriers; median of {}\nload average {} at the start; other processes took {:.0} % of the machine\n\n",
        figures.version,
        figures.cores,
        figures.processor,
        thousands(f64::from(figures.messages)),
        figures.binds,
        figures.runs,
        figures.load_average,
        figures.taken_by_others * 100.0,
    );
    let lines = lines(figures);
    let widths: Vec<usize> = (0..=figures.rows.len())
        .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
        .collect();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(out, "| {cell:width$} ");
        }
        out.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(out, "|{}", "-".repeat(width + 2));
            }
            out.push_str("|\n");
        }
    }
    out
}

fn lines(figures: &Figures) -> Vec<Vec<String>> {
    let rows = &figures.rows;
    let line = |name: &str, cell: &dyn Fn(&Row) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain(rows.iter().map(cell)).collect()
    };
    let speed = |name: &str| rows.iter().find(|row| row.name == name).map_or(0.0, |row| row.messages_per_second);
    let (relay, file) = (speed("TCP relay"), speed("file"));
    let answer = |delays: Option<Delays>| delays.map_or_else(dash, |delays| quantiles(delays.answer));
    let receipt = |delays: Option<Delays>| delays.map_or_else(dash, |delays| quantiles(delays.receipt));
    vec![
        line("", &|row| row.name.to_owned()),
        line("messages/s, submit to receipt", &|row| thousands(row.messages_per_second)),
        line("of the relay's", &|row| percent(row.messages_per_second, relay)),
        line("of the file's", &|row| percent(row.messages_per_second, file)),
        line("CPU µs per message (user + system)", &|row| {
            format!("{:.2} ({:.2} + {:.2})", row.user_us + row.system_us, row.user_us, row.system_us)
        }),
        line("octets written per message", &|row| thousands(row.written)),
        line("peak memory, MB", &|row| format!("{:.0}", row.peak_octets as f64 / 1e6)),
        line("messages accepted per commit", &|row| {
            row.commits.map_or_else(dash, |commits| thousands(commits.group()))
        }),
        line("full speed: submit → answer, ms", &|row| answer(row.full)),
        line("full speed: submit → receipt, ms", &|row| receipt(row.full)),
        line("half speed, messages/s", &|row| row.half.map_or_else(dash, |delays| thousands(delays.rate as f64))),
        line("half speed: submit → answer, ms", &|row| answer(row.half)),
        line("half speed: submit → carrier, ms", &|row| {
            row.half.and_then(|delays| delays.carrier).map_or_else(dash, quantiles)
        }),
        line("half speed: submit → receipt, ms", &|row| receipt(row.half)),
        line("CPU µs per message, load + carriers", &|row| {
            row.full.map_or_else(dash, |_| format!("{:.2} + {:.2}", row.load_us, row.carrier_us))
        }),
    ]
}

fn dash() -> String {
    "–".to_owned()
}

/// p50, p99, p99.9.
fn quantiles(latency: Latency) -> String {
    format!("{:.1} / {:.1} / {:.1}", latency.p50_ms, latency.p99_ms, latency.p999_ms)
}

fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.0} %", part * 100.0 / whole) } else { dash() }
}

/// A whole number with commas.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
