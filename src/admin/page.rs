//! The status page: one self-contained HTML text that reloads itself, without scripts.

use std::fmt::Write;

use super::{AccountRow, CarrierRow, Count, CountryRow, Histogram, View};
use crate::message::MessageState;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884;--good:#1a7f37;--bad:#c0392b;--dim:#8a8a8a}\
body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:76rem;padding:0 1rem}\
h1{font-size:1.3rem;margin:0 0 .3rem}h2{font-size:1rem;margin:1.6rem 0 .4rem}\
table{border-collapse:collapse;width:100%}th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line);\
font-variant-numeric:tabular-nums;vertical-align:top}th{font-weight:600;color:var(--dim)}\
th:first-child,td:first-child,td.text{text-align:left}.good{color:var(--good)}.bad{color:var(--bad)}.dim{color:var(--dim)}\
.tiles{display:flex;flex-wrap:wrap;gap:.8rem;margin-top:1rem}.tile{border:1px solid var(--line);border-radius:.5rem;\
padding:.5rem .9rem;min-width:8rem}.tile b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}\
.scroll{overflow-x:auto}";

/// The whole page.
pub(super) fn render(view: &View<'_>) -> String {
    let mut html = String::with_capacity(16 * 1024);
    html.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>smppgate</title>");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"2\">");
    push(&mut html, format_args!("<style>{STYLE}</style></head><body>"));
    head(&mut html, view);
    tiles(&mut html, view);
    carriers(&mut html, &view.snapshot.carriers);
    accounts(&mut html, &view.snapshot.accounts);
    countries(&mut html, &view.snapshot.countries);
    commits(&mut html, view);
    html.push_str(
        "<p class=\"dim\">The same as <a href=\"/status.json\">JSON</a> · <a href=\"/metrics\">metrics</a> · \
         <a href=\"/healthz\">health</a> · <a href=\"/readyz\">readiness</a></p></body></html>\n",
    );
    html
}

fn head(html: &mut String, view: &View<'_>) {
    let (class, word) = if view.readiness.is_ready() { ("good", "ready") } else { ("bad", "not ready") };
    let version = env!("CARGO_PKG_VERSION");
    push(html, format_args!("<h1>smppgate {version}: <span class=\"{class}\">{word}</span></h1><p>"));
    let up = std::time::Duration::from_secs(view.snapshot.uptime_ms / 1000);
    push(html, format_args!("up {}", humantime::format_duration(up)));
    for (name, check) in view.readiness.checks() {
        let class = if check.ok { "dim" } else { "bad" };
        push(html, format_args!(" · <span class=\"{class}\">{name}: {}</span>", escaped(&check.detail)));
    }
    html.push_str("</p>");
}

fn tiles(html: &mut String, view: &View<'_>) {
    let (totals, store) = (&view.snapshot.totals, &view.snapshot.store);
    html.push_str("<div class=\"tiles\">");
    for (name, value) in [
        ("accepted / s", decimal(totals.accepted_per_second)),
        ("forwarded / s", decimal(totals.forwarded_per_second)),
        ("receipts / s", decimal(totals.receipts_per_second)),
        ("accepted", grouped(totals.accepted)),
        ("refused", grouped(totals.refused)),
        ("waiting for carriers", grouped(totals.waiting)),
        ("receipts owed", grouped(totals.receipts_owed)),
        ("on disk", octets(store.octets)),
    ] {
        push(html, format_args!("<div class=\"tile\"><b>{value}</b>{name}</div>"));
    }
    html.push_str("</div>");
}

fn carriers(html: &mut String, rows: &[CarrierRow]) {
    let names = [
        "carrier",
        "links",
        "state",
        "window",
        "forwarded / s",
        "forwarded",
        "waiting",
        "throttled",
        "refused",
        "unanswered",
        "receipts",
        "from handsets",
        "not taken",
    ];
    table(html, "Carriers", &names, rows, "No carrier is configured.", |row| {
        let class = match row.links_bound {
            0 => "bad",
            bound if bound < row.links => "",
            _ => "good",
        };
        let state = match row.breaker {
            "open" => "fails, left alone for a while",
            "half_open" => "failed, tried with single messages",
            _ => &row.state,
        };
        vec![
            cell(&row.name),
            format!("<td class=\"{class}\">{} / {}</td>", row.links_bound, row.links),
            format!("<td class=\"text\">{}</td>", escaped(state)),
            format!("<td>{} / {}</td>", row.window_used, row.window),
            format!("<td>{}{}</td>", decimal(row.forwarded_per_second), limit(row.rate)),
            count(row.forwarded),
            count(row.waiting),
            count(row.throttled),
            count(row.refused),
            count(row.unanswered),
            count(row.receipts.iter().map(|(_, count)| count).sum()),
            count(row.inbound),
            reasons(&row.inbound_refused),
        ]
    });
}

fn accounts(html: &mut String, rows: &[AccountRow]) {
    let names = [
        "account",
        "binds",
        "accepted / s",
        "accepted",
        "refused",
        "delivered",
        "failed",
        "receipts sent",
        "sent again",
        "given up",
        "receipts owed",
        "from handsets",
        "of these waiting",
    ];
    table(html, "Accounts", &names, rows, "No account is configured.", |row| {
        let delivered = row.finals.of(MessageState::Delivered);
        let finals: u64 = row.finals.iter().map(|(_, count)| count).sum();
        vec![
            cell(&row.system_id),
            format!("<td>{} / {}</td>", row.binds, row.max_binds),
            format!("<td>{}{}</td>", decimal(row.accepted_per_second), limit(row.rate)),
            count(row.accepted),
            reasons(&row.refused),
            count(delivered),
            count(finals.saturating_sub(delivered)),
            count(row.receipts_delivered),
            count(row.receipts_retried),
            count(row.receipts_dropped),
            count(row.receipts_owed),
            count(row.inbound),
            count(row.inbound_waiting),
        ]
    });
}

fn countries(html: &mut String, rows: &[CountryRow]) {
    let names = ["country", "accepted / s", "accepted", "forwarded", "delivered", "waiting"];
    table(html, "Countries", &names, rows, "No message has been sent to any country yet.", |row| {
        vec![
            cell(&row.country),
            format!("<td>{}{}</td>", decimal(row.accepted_per_second), limit(row.rate)),
            count(row.accepted),
            count(row.forwarded),
            count(row.finals.of(MessageState::Delivered)),
            count(row.waiting),
        ]
    });
}

fn commits(html: &mut String, view: &View<'_>) {
    type Spoken = fn(u64) -> String;
    let store = &view.snapshot.store;
    let rows: [(&str, &Histogram, Spoken); 2] =
        [("time to flush", &store.flush_us, micros), ("size", &store.commit_size, octets)];
    let names = ["commits, at most", "half", "95 %", "99 %", "observations"];
    table(html, "Store", &names, &rows, "", |(name, histogram, spoken)| {
        let at = |share| format!("<td>{}</td>", histogram.quantile(share).map_or_else(|| "-".to_owned(), *spoken));
        vec![cell(name), at(0.5), at(0.95), at(0.99), count(histogram.count())]
    });
}

fn table<Row>(
    html: &mut String,
    title: &str,
    names: &[&str],
    rows: &[Row],
    none: &str,
    cells: impl Fn(&Row) -> Vec<String>,
) {
    push(html, format_args!("<h2>{title}</h2>"));
    if rows.is_empty() {
        push(html, format_args!("<p class=\"dim\">{none}</p>"));
        return;
    }
    html.push_str("<div class=\"scroll\"><table><tr>");
    names.iter().for_each(|name| push(html, format_args!("<th>{name}</th>")));
    html.push_str("</tr>");
    for row in rows {
        push(html, format_args!("<tr>{}</tr>", cells(row).concat()));
    }
    html.push_str("</table></div>");
}

fn push(html: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _ = html.write_fmt(arguments);
}

fn cell(text: &str) -> String {
    format!("<td>{}</td>", escaped(text))
}

fn count(count: u64) -> String {
    format!("<td>{}</td>", grouped(count))
}

/// The reasons that occurred, each with its count.
fn reasons(counts: &[Count]) -> String {
    let counts = counts.iter().filter(|count| count.count > 0);
    let lines: Vec<_> = counts.map(|count| format!("{} {}", grouped(count.count), escaped(&count.reason))).collect();
    format!("<td>{}</td>", if lines.is_empty() { "0".to_owned() } else { lines.join("<br>") })
}

fn limit(rate: u64) -> String {
    if rate == 0 { String::new() } else { format!(" <span class=\"dim\">of {}</span>", grouped(rate)) }
}

/// Digits in groups of three, with a narrow space that does not break.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

fn decimal(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { grouped(value.round() as u64) }
}

fn octets(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", us as f64 / 1e3),
        _ => format!("{} s", us as f64 / 1e6),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(decimal(3.25), "3.2");
        assert_eq!(octets(2_500_000), "2.5 MB");
        assert_eq!(micros(2_500), "2.5 ms");
    }
}
