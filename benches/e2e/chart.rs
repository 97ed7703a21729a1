//! The charts, as SVG: horizontal bars with their numbers, readable on light and dark pages.

use std::fmt::Write as _;

use crate::figures::{Delays, Figures};
use crate::table::thousands;

const WIDTH: f64 = 760.0;
/// Where bars begin.
const LEFT: f64 = 210.0;
/// Room behind the longest bar for its number.
const RIGHT: f64 = 90.0;
const BAR: f64 = 18.0;
const STEP: f64 = 24.0;
const TOP: f64 = 44.0;

/// Colours of the gateway, and of what it is compared with.
const OURS: &str = "#2a6fdb";
const OTHERS: &str = "#9aa4b2";
/// Colours of p50, p99 and p99.9.
const QUANTILES: [(&str, &str); 3] = [("p50", "#2a6fdb"), ("p99", "#e08a1e"), ("p99.9", "#c0392b")];

struct Bar {
    label: String,
    /// Part of the longest bar, 0 to 1.
    part: f64,
    number: String,
    colour: &'static str,
}

/// Messages per second of each row.
pub(crate) fn throughput(figures: &Figures) -> String {
    let most = figures.rows.iter().map(|row| row.messages_per_second).fold(1.0, f64::max);
    let bars = figures.rows.iter().map(|row| Bar {
        label: label(row.name),
        part: row.messages_per_second / most,
        number: thousands(row.messages_per_second),
        colour: if matches!(row.name, "flushed" | "buffered") { OURS } else { OTHERS },
    });
    draw("Messages per second, submit to receipt", &bars.collect::<Vec<_>>())
}

/// Waits of a client, on a logarithmic scale: each of them has its own.
pub(crate) fn latency(figures: &Figures) -> String {
    let mut waits = Vec::new();
    for row in &figures.rows {
        for (speed, delays) in [("full speed", row.full), ("half speed", row.half)] {
            let Some(Delays { answer, .. }) = delays else { continue };
            for ((quantile, colour), ms) in QUANTILES.into_iter().zip([answer.p50_ms, answer.p99_ms, answer.p999_ms]) {
                waits.push((format!("{}, {speed}, {quantile}", row.name), ms, colour));
            }
        }
    }
    let scale = |ms: f64| (ms.max(0.01) / 0.01).log10();
    let most = waits.iter().map(|(_, ms, _)| scale(*ms)).fold(1.0, f64::max);
    let bars = waits.into_iter().map(|(label, ms, colour)| Bar {
        label,
        part: scale(ms) / most,
        number: format!("{ms:.2} ms"),
        colour,
    });
    draw("From submit_sm to its answer (logarithmic, from 0.01 ms)", &bars.collect::<Vec<_>>())
}

fn label(name: &str) -> String {
    match name {
        "flushed" | "buffered" => format!("smppgate, {name}"),
        "file" => "file, written and synced".to_owned(),
        other => other.to_owned(),
    }
}

fn draw(title: &str, bars: &[Bar]) -> String {
    let height = TOP + STEP * bars.len() as f64 + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
         <style>text{{fill:#1f2933}}@media(prefers-color-scheme:dark){{text{{fill:#e4e7eb}}}}</style>\n\
         <text x=\"10\" y=\"24\" font-size=\"16\" font-weight=\"600\">{title}</text>\n"
    );
    for (number, bar) in bars.iter().enumerate() {
        let top = TOP + STEP * number as f64;
        let (length, base) = ((WIDTH - LEFT - RIGHT) * bar.part.clamp(0.0, 1.0), top + BAR * 0.75);
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{base:.1}\">{}</text>",
            LEFT - 8.0,
            bar.label,
            bar.colour,
            LEFT + length + 6.0,
            bar.number,
        );
    }
    svg.push_str("</svg>\n");
    svg
}
