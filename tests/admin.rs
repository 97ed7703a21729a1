//! The admin pages over a real socket: what each answers, when it says 503, and what it shows.

use std::time::Duration;

use smppgate::admin::{
    self, AccountRow, COMMIT_BOUNDS, CarrierRow, Check, Count, CountryRow, DELAY_BOUNDS_US, Histogram, LinkRow,
    Snapshot, States, Status,
};
use smppgate::clock::Clock;
use smppgate::metrics::{self, Kind, TABLE};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

struct Answer {
    code: u16,
    head: String,
    body: String,
}

/// The pages of `status` on a free port.
async fn open(status: &Status) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(admin::serve(listener, status.clone()));
    address
}

async fn send(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("a request");
    let mut text = String::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut text));
    read.await.expect("an answer in time").expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status code");
    Answer { code, head: head.to_lowercase(), body: body.to_owned() }
}

async fn get(address: &str, path: &str) -> Answer {
    send(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await
}

/// A snapshot in which every metric has a sample.
fn full() -> Snapshot {
    let mut delay = Histogram::new(DELAY_BOUNDS_US);
    delay.record(300, 9);
    delay.record(90_000_000, 1);
    let counts = || vec![Count::new("ok", 3)];
    let mut snapshot = Snapshot {
        uptime_ms: 61_000,
        accounts: vec![AccountRow {
            system_id: "acme".into(),
            binds: 2,
            max_binds: 10,
            accepted: 1_234_567,
            refused: vec![Count::new("account_rate", 5)],
            inflated: vec![Count::new("prefix", 2)],
            managed: counts(),
            notices: counts(),
            finals: States([0, 0, 7, 0, 0, 1, 0, 0, 0]),
            receipts_owed: 4,
            inbound: 11,
            inbound_dropped: vec![Count::new("expired", 1)],
            opt_outs: 3,
            opt_out_words: vec![Count::new("out", 3)],
            inbound_waiting: 6,
            ..AccountRow::default()
        }],
        carriers: vec![CarrierRow {
            name: "<fjord> & \"søn\"".into(),
            links_bound: 1,
            links: 2,
            state: "refused: ESME_RINVPASWD".into(),
            forwarded: 99,
            receipt_oddities: vec![Count::new("orphaned", 2)],
            inbound_refused: vec![Count::new("nobody", 3)],
            ..CarrierRow::default()
        }],
        countries: vec![CountryRow { country: "NO".into(), accepted: 11, ..CountryRow::default() }],
        links: LinkRow {
            client_binds: counts(),
            carrier_binds: counts(),
            client_closes: counts(),
            carrier_closes: counts(),
            client_oddities: counts(),
            carrier_oddities: counts(),
        },
        ..Snapshot::default()
    };
    snapshot.store.flush_us = delay;
    snapshot.store.commit_size = Histogram::new(COMMIT_BOUNDS);
    snapshot.store.swept = vec![Count::new("message", 8)];
    snapshot
}

fn ready(status: &Status) {
    status.store(Check::pass("open"));
    status.recovery(Check::pass("12 messages back"));
    status.publish(full());
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let status = Status::new(Clock::start());
    let address = open(&status).await;
    status.store(Check::pass("open"));
    status.recovery(Check::fail("block 3 of 9"));
    let answer = get(&address, "/readyz").await;
    assert_eq!(answer.code, 503);
    let json: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(json["ready"], false);
    assert_eq!(json["checks"]["recovery"]["detail"], "block 3 of 9");
    assert_eq!(json["checks"]["store"]["ok"], true);
    ready(&status);
    assert_eq!(get(&address, "/readyz").await.code, 200);
    status.drain();
    let answer = get(&address, "/readyz").await;
    assert_eq!(answer.code, 503);
    assert!(answer.body.contains("draining"), "{}", answer.body);
    assert_eq!(get(&address, "/healthz").await.code, 200, "draining is alive");
}

#[tokio::test]
async fn silence_is_not_health() {
    let status = Status::new(Clock::start());
    let address = open(&status).await;
    assert_eq!(get(&address, "/healthz").await.code, 200);
    let stuck = Status::with_silence_max(Clock::start(), Duration::ZERO);
    let answer = get(&open(&stuck).await, "/healthz").await;
    assert_eq!(answer.code, 503);
    assert!(answer.body.contains("\"alive\":false"), "{}", answer.body);
}

#[tokio::test]
async fn the_page_shows_names_as_text_and_needs_nothing_else() {
    let status = Status::new(Clock::start());
    ready(&status);
    let address = open(&status).await;
    let answer = get(&address, "/").await;
    assert_eq!(answer.code, 200);
    assert!(answer.head.contains("content-type: text/html"));
    assert!(answer.head.contains("content-security-policy: default-src 'none'"));
    assert!(answer.body.contains("&lt;fjord&gt; &amp; &quot;søn&quot;"));
    assert!(!answer.body.contains("<fjord>"));
    for part in ["acme", "1\u{202f}234\u{202f}567", "5 account_rate", "refused: ESME_RINVPASWD", "NO", "up 1m 1s"] {
        assert!(answer.body.contains(part), "{part} is on the page");
    }
    for outside in ["http://", "https://", "src=", "<script"] {
        assert!(!answer.body.contains(outside), "{outside} is not on the page");
    }
    let json: serde_json::Value = serde_json::from_str(&get(&address, "/status.json").await.body).expect("JSON");
    assert_eq!(json["status"]["accounts"][0]["finals"]["DELIVRD"], 7);
    assert_eq!(json["ready"], true);
}

#[tokio::test]
async fn what_is_not_there_says_what_is() {
    let address = open(&Status::new(Clock::start())).await;
    let answer = get(&address, "/metric").await;
    assert_eq!(answer.code, 404);
    assert!(answer.body.contains("/metrics"), "{}", answer.body);
    let answer =
        send(&address, "POST /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    assert_eq!(answer.code, 405);
    assert!(answer.head.contains("allow: get, head"));
    let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    assert_eq!(send(&address, &long).await.code, 431);
}

/// A text is a valid exposition: every sample belongs to the metric announced before it, has its labels, and no series
/// comes twice.
#[tokio::test]
async fn every_metric_is_shown_as_its_row_says() {
    let status = Status::new(Clock::start());
    ready(&status);
    let address = open(&status).await;
    let answer = get(&address, "/metrics").await;
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"));
    let mut series = std::collections::HashSet::new();
    let mut shown = Vec::new();
    // The exporter parts families by empty lines, which the format allows.
    let mut lines = answer.body.lines().filter(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("# HELP ").and_then(|rest| rest.split(' ').next()).expect("help comes first");
        let metric = TABLE.iter().find(|metric| metric.name == name).expect("a metric of the table");
        assert_eq!(lines.next(), Some(format!("# TYPE {name} {}", metric.kind.name()).as_str()));
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (labelled, value) = line.rsplit_once(' ').expect("a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.insert(labelled.to_owned()), "{labelled} comes twice");
            let (own, labels) = labelled.split_once('{').unwrap_or((labelled, "}"));
            let suffix = own.strip_prefix(name).expect("the metric announced");
            let bucketed = ["_bucket", "_sum", "_count"].contains(&suffix);
            assert!(suffix.is_empty() != bucketed && bucketed == (metric.kind == Kind::Histogram), "{line}");
            for label in metric.labels {
                assert!(labels.contains(&format!("{label}=\"")), "{line}");
            }
        }
        shown.push(name.to_owned());
    }
    let mut table: Vec<_> = TABLE.iter().map(|metric| metric.name).collect();
    // The exporter chooses the order.
    table.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, table);
    assert!(answer.body.contains("smppgate_refused_total{account=\"acme\",reason=\"account_rate\"} 5\n"));
    assert!(answer.body.contains("smppgate_flush_seconds_bucket{le=\"0.0005\"} 9\n"));
    assert!(answer.body.contains("smppgate_flush_seconds_bucket{le=\"+Inf\"} 10\n"));
    assert!(answer.body.contains("smppgate_ready{check=\"recovery\"} 1\n"));
    assert!(answer.body.contains("carrier=\"<fjord> & \\\"søn\\\"\""));
}

#[test]
fn names_and_labels_keep_the_conventions() {
    for metric in TABLE {
        assert!(metric.name.starts_with("smppgate_"), "{}", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        assert!(metric.help.ends_with('.') && !metric.help.contains(['|', '\n', '\\']), "{}", metric.name);
        for personal in ["number", "msisdn", "address", "text", "password", "ip", "message_id", "source", "destination"]
        {
            assert!(!metric.labels.contains(&personal), "{}: a label may not be personal data", metric.name);
        }
    }
}

#[test]
fn a_view_renders_without_a_server() {
    let status = Status::new(Clock::start());
    let text = status.metrics();
    assert!(text.contains("smppgate_ready{check=\"store\"} 0\n"), "{text}");
}

#[test]
fn the_table_for_people_has_a_row_for_each_metric() {
    let table = metrics::markdown_table();
    assert_eq!(table.lines().count(), TABLE.len() + 2);
    assert!(table.contains("| `smppgate_refused_total` | counter | requests | `account`, `reason` | Requests refused"));
}
