//! The load generator against the simulated carrier, without the gateway: with every fault switched on, both must count
//! the same.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use smppgate::clock::{Clock, Mono};
use smppgate::pdu::{CommandId, CommandStatus, Frame, HEADER_LENGTH, Header};
use smppgate::sandbox::{
    CarrierArgs, CarrierHandle, CarrierReport, LoadArgs, Report, SandboxError, load, spawn_carrier,
};
use tokio::sync::oneshot;

struct Carrier {
    handle: CarrierHandle,
    stop: oneshot::Sender<()>,
}

impl Carrier {
    fn start(words: &[&str]) -> Self {
        let args = CarrierArgs::of(["--listen", "127.0.0.1:0"].iter().chain(words).copied()).expect("arguments");
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        Self { handle: spawn_carrier(args, shutdown).expect("a free port"), stop }
    }

    async fn load(&self, words: &[&str]) -> Result<Report, SandboxError> {
        let address = self.handle.address().to_string();
        let fixed = ["--quiet", "--address", &address, "--seed", "7"];
        load(LoadArgs::of(fixed.iter().chain(words).copied()).expect("arguments")).await
    }

    async fn stop(self) -> CarrierReport {
        drop(self.stop);
        self.handle.ended().await
    }
}

/// What must hold of any pair of reports, whatever the faults.
fn agree(load: &Report, carrier: &CarrierReport) {
    let refused: u64 = load.refused.values().sum();
    assert_eq!(carrier.received, carrier.unique + carrier.duplicates, "{carrier:?}");
    assert_eq!(load.submitted, load.acknowledged + refused + load.throttled + load.unknown, "{load:?}");
    assert_eq!(load.receipts + load.missing_receipts, load.acknowledged, "{load:?}");
    assert_eq!(carrier.receipts_open(), 0, "{carrier:?}");
}

#[tokio::test]
async fn a_carrier_that_behaves_answers_and_reports_everything() {
    let carrier = Carrier::start(&["--receipt-delay", "5ms"]);
    let load = carrier.load(&["--messages", "20000"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!((load.messages, load.acknowledged, load.receipts), (20_000, 20_000, 20_000));
    assert_eq!((carrier.unique, carrier.duplicates, carrier.receipts_acknowledged), (20_000, 0, 20_000));
    assert_eq!(load.states["DELIVRD"], 20_000);
    assert_eq!(load.exit_code(), 0);
    assert!(load.answer_latency.max_ms > 0.0 && load.receipt_latency.p50_ms >= 5.0, "{load:?}");
}

#[tokio::test]
async fn refusals_are_counted_by_status_and_get_no_receipt() {
    let faults = ["--status-every", "10", "--queue-full-every", "7", "--fail-rate", "0.05", "--undelivered-every", "9"];
    let carrier = Carrier::start(&faults);
    let load = carrier.load(&["--messages", "10000"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!(load.refused["ESME_RSUBMITFAIL"], carrier.refused_status);
    assert_eq!(load.refused["ESME_RMSGQFUL"], carrier.refused_queue_full);
    assert_eq!(carrier.refused_queue_full, 10_000 / 7);
    assert!((1100..1400).contains(&carrier.refused_status), "{carrier:?}");
    assert_eq!((load.acknowledged, load.receipts), (carrier.received, carrier.received));
    assert_eq!(load.states["UNDELIV"], carrier.received / 9);
    assert_eq!(load.exit_code(), 0);
}

#[tokio::test]
async fn throttled_messages_are_sent_again_until_they_are_taken() {
    let carrier = Carrier::start(&["--throttle-rate", "3000"]);
    let load = carrier.load(&["--messages", "5000"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert!(load.throttled > 0, "{load:?}");
    assert_eq!(load.throttled, carrier.refused_throttled);
    assert_eq!((load.acknowledged, carrier.unique, carrier.duplicates), (5000, 5000, 0));
    assert_eq!(load.exit_code(), 0);
}

#[tokio::test]
async fn without_retry_a_throttled_message_is_refused() {
    let carrier = Carrier::start(&["--throttle-rate", "1000"]);
    let load = carrier.load(&["--messages", "5000", "--no-retry"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!((load.throttled, load.refused["ESME_RTHROTTLED"]), (0, carrier.refused_throttled));
}

#[tokio::test]
async fn answers_that_never_come_leave_messages_unknown_and_their_receipts_unmatched() {
    let carrier = Carrier::start(&["--drop-answers-every", "100"]);
    let load = carrier.load(&["--messages", "5000", "--response-timeout", "300ms"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!((load.unknown, carrier.unanswered, load.unknown_receipts), (50, 50, 50));
    assert_eq!((load.acknowledged, load.receipts, load.exit_code()), (4950, 4950, 0));
}

#[tokio::test]
async fn a_silent_carrier_leaves_everything_unknown() {
    let carrier = Carrier::start(&["--silent"]);
    let load = carrier.load(&["--messages", "1000", "--response-timeout", "100ms"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!((load.unknown, carrier.unanswered, carrier.received, load.acknowledged), (1000, 1000, 0, 0));
}

#[tokio::test]
async fn doubled_receipts_are_seen_and_fail_the_run() {
    let carrier = Carrier::start(&["--duplicate-receipts-every", "50"]);
    let load = carrier.load(&["--messages", "5000"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!((load.duplicate_receipts, carrier.duplicate_receipts_sent), (100, 100));
    assert_eq!((load.receipts, load.missing_receipts, load.exit_code()), (5000, 0, 4));
}

#[tokio::test]
async fn receipts_before_their_response_still_match() {
    let carrier = Carrier::start(&["--receipt-before-response", "--answer-jitter", "20ms"]);
    let load = carrier.load(&["--messages", "3000"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!((load.receipts, load.unknown_receipts, load.exit_code()), (3000, 0, 0));
    assert!(load.answer_latency.p50_ms > 49.0, "{load:?}");
}

#[tokio::test]
async fn a_dropped_connection_comes_back_and_loses_no_receipt() {
    let carrier = Carrier::start(&["--disconnect-after", "1000", "--receipt-delay", "20ms"]);
    let load = carrier.load(&["--messages", "5000", "--resubmit"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert!(carrier.disconnects >= 5 && load.connections_lost == carrier.disconnects, "{load:?} {carrier:?}");
    assert!(load.unknown >= carrier.disconnects && load.resubmitted == load.unknown, "{load:?}");
    assert_eq!((load.messages, load.acknowledged, carrier.unique), (5000, 5000, 5000));
    assert_eq!((load.missing_receipts, load.exit_code()), (0, 0), "{load:?}");
}

#[tokio::test]
async fn a_dropped_connection_goes_on_with_its_schedule() {
    let carrier = Carrier::start(&["--disconnect-after", "1000"]);
    let words = ["--messages", "3000", "--rate", "2000", "--binds", "1", "--resubmit"];
    let load = carrier.load(&words).await.unwrap();
    carrier.stop().await;
    assert!(load.connections_lost >= 2 && load.submit_seconds > 1.4, "faster than it was asked: {load:?}");
}

#[tokio::test]
async fn every_fault_at_once_still_adds_up() {
    let carrier = Carrier::start(&[
        "--answer-delay",
        "2ms",
        "--answer-jitter",
        "5ms",
        "--receipt-delay",
        "3ms",
        "--fail-rate",
        "0.02",
        "--status-every",
        "31",
        "--status",
        "0x0B",
        "--throttle-rate",
        "8000",
        "--queue-full-every",
        "37",
        "--drop-answers-every",
        "101",
        "--duplicate-receipts-every",
        "53",
        "--undelivered-every",
        "17",
        "--disconnect-after",
        "2500",
        "--window",
        "50",
    ]);
    let load = carrier.load(&["--messages", "10000", "--resubmit", "--response-timeout", "500ms"]).await.unwrap();
    let carrier = carrier.stop().await;
    agree(&load, &carrier);
    assert_eq!((load.messages, load.missing_receipts), (10_000, 0), "{load:?}");
    assert!(carrier.refused_throttled >= load.throttled, "{load:?} {carrier:?}");
    assert!(carrier.received >= load.acknowledged && load.receipts == load.acknowledged, "{load:?} {carrier:?}");
    assert!(load.duplicate_receipts <= carrier.duplicate_receipts_sent, "{load:?} {carrier:?}");
    assert!(load.refused["ESME_RINVDSTADR"] <= carrier.refused_status, "{load:?} {carrier:?}");
}

#[tokio::test]
async fn every_form_of_receipt_and_id_is_matched() {
    for form in ["text", "tlv", "both"] {
        for ids in ["decimal", "hex", "uuid"] {
            let carrier = Carrier::start(&["--receipts", form, "--id-form", ids, "--receipt-delay", "0s"]);
            let words = ["--messages", "300", "--bind", "transmitter+receiver", "--binds", "2"];
            let load = carrier.load(&words).await.unwrap();
            let carrier = carrier.stop().await;
            agree(&load, &carrier);
            assert_eq!((load.receipts, carrier.binds, load.exit_code()), (300, 4, 0), "{form} {ids}");
        }
    }
}

#[tokio::test]
async fn ids_that_change_their_form_match_nothing() {
    let carrier = Carrier::start(&["--id-form", "hex-then-decimal", "--receipt-delay", "0s"]);
    let load = carrier.load(&["--messages", "100", "--wait-receipts", "300ms"]).await.unwrap();
    assert_eq!((load.missing_receipts, load.unknown_receipts, load.exit_code()), (100, 100, 4));
}

#[tokio::test]
async fn a_schedule_is_kept_and_time_ends_it() {
    let carrier = Carrier::start(&[]);
    let load = carrier.load(&["--rate", "2000", "--duration", "1s", "--receipts", "no"]).await.unwrap();
    let carrier = carrier.stop().await;
    assert!((1900..=2100).contains(&load.messages), "{load:?}");
    assert_eq!((carrier.unique, carrier.receipts_owed, load.missing_receipts), (load.messages, 0, 0));
}

#[tokio::test]
async fn acknowledged_ids_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("acked");
    let carrier = Carrier::start(&["--status-every", "3"]);
    let words = ["--messages", "900", "--acked-file", path.to_str().unwrap()];
    let load = carrier.load(&words).await.unwrap();
    let lines = std::fs::read_to_string(&path).unwrap();
    let ids: std::collections::HashSet<_> = lines.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!((ids.len() as u64, load.acknowledged), (600, 600));
}

#[tokio::test]
async fn what_cannot_work_is_said() {
    let carrier = Carrier::start(&["--system-id", "fjord", "--password", "tide"]);
    let refused = carrier.load(&["--system-id", "acme"]).await.unwrap_err().to_string();
    assert!(refused.contains("ESME_RINVSYSID") && refused.contains("--system-id"), "{refused}");
    let refused = carrier.load(&["--system-id", "fjord"]).await.unwrap_err().to_string();
    assert!(refused.contains("ESME_RINVPASWD") && refused.contains("--password"), "{refused}");
    let taken = carrier.handle.address().to_string();
    let shutdown = std::future::pending();
    let taken = spawn_carrier(CarrierArgs::of(["--listen", &taken]).unwrap(), shutdown).unwrap_err().to_string();
    assert!(taken.contains("--listen"), "{taken}");
    let address = carrier.handle.address().to_string();
    assert_eq!(carrier.stop().await.binds_refused, 8);
    let nobody = load(LoadArgs::of(["--quiet", "--address", &address]).unwrap()).await.unwrap_err().to_string();
    assert!(nobody.contains("is the server running?"), "{nobody}");
}

#[tokio::test]
async fn both_speak_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let carrier = Carrier::start(&["--certificate", certificate, "--key", key]);
    let trusting = ["--messages", "2000", "--tls", "--ca", certificate, "--server-name", "localhost"];
    assert_eq!(carrier.load(&trusting).await.unwrap().receipts, 2000);
    assert_eq!(carrier.load(&["--messages", "2000", "--tls", "--insecure"]).await.unwrap().receipts, 2000);
    let other = ["--tls", "--ca", certificate, "--server-name", "elsewhere"];
    assert!(carrier.load(&other).await.unwrap_err().to_string().contains("cannot connect"));
}

/// The program itself.
fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smppgate"));
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
}

/// Asks until the report file holds what `condition` asks for.
fn reported(path: &Path, ask: impl Fn(), condition: impl Fn(&CarrierReport) -> bool) -> CarrierReport {
    let clock = Clock::start();
    loop {
        ask();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(report) if condition(&report) => return report,
            _ => assert!(clock.now().mono < Mono(10_000_000), "{text}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_programs_report_by_file_by_signal_and_by_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.json");
    let file = path.to_str().unwrap();
    let words = ["carrier", "--listen", "127.0.0.1:0", "--report", file, "--duplicate-receipts-every", "10"];
    let mut carrier = program(&words).spawn().unwrap();
    let mut first = String::new();
    let mut told = std::io::BufReader::new(carrier.stderr.take().unwrap());
    told.read_line(&mut first).unwrap();
    let address = first.trim().strip_prefix("carrier listens on ").unwrap();
    let run = |messages, more: &[&str]| {
        let fixed = ["load", "--address", address, "--json", "--seed", "7", "--messages", messages];
        let done = program(&[&fixed[..], more].concat()).output().unwrap();
        let report: Report = serde_json::from_slice(&done.stdout).unwrap();
        (done.status.code(), report)
    };
    let (code, report) = run("9", &[]);
    assert_eq!((code, report.acknowledged, report.receipts), (Some(0), 9, 9));
    let ask = || signal(&carrier, "-USR1");
    assert_eq!(reported(&path, ask, |report| report.receipts_acknowledged == 9).unique, 9);
    let (code, report) = run("9", &[]);
    assert_eq!((code, report.acknowledged, report.duplicate_receipts), (Some(4), 9, 1));
    signal(&carrier, "-TERM");
    let ended = carrier.wait_with_output().unwrap();
    assert!(ended.status.success());
    let last = reported(&path, || (), |report| report.receipts_acknowledged == 18);
    assert_eq!((last.received, last.unique, last.duplicates), (18, 9, 9));
    assert_eq!(serde_json::from_slice::<CarrierReport>(&ended.stdout).unwrap().received, 18);
    let nobody = program(&["load", "--address", address]).output().unwrap();
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("is the server running?"));
}

/// A client by hand, for what the load generator never does.
struct ByHand(TcpStream);

impl ByHand {
    fn bind(carrier: &Carrier, id: CommandId) -> Self {
        let stream = TcpStream::connect(carrier.handle.address()).expect("the carrier listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
        let mut client = Self(stream);
        client.send(id, CommandStatus::ESME_ROK, 1, b"acme\0secret\0\0\x34\0\0\0");
        let (header, _) = client.receive();
        assert_eq!((header.id, header.status), (id.response(), CommandStatus::ESME_ROK));
        client
    }

    fn send(&mut self, id: CommandId, status: CommandStatus, sequence: u32, body: &[u8]) {
        let mut wire = Vec::new();
        Header { length: (HEADER_LENGTH + body.len()) as u32, id, status, sequence }.encode(&mut wire);
        wire.extend_from_slice(body);
        self.0.write_all(&wire).expect("the carrier reads");
    }

    fn receive(&mut self) -> (Header, Vec<u8>) {
        let mut wire = vec![0; HEADER_LENGTH];
        self.0.read_exact(&mut wire).expect("a header");
        let length = u32::from_be_bytes([wire[0], wire[1], wire[2], wire[3]]);
        wire.resize(length as usize, 0);
        self.0.read_exact(&mut wire[HEADER_LENGTH..]).expect("a body");
        let frame = Frame::cut(&wire, length).expect("a PDU").expect("all of it");
        (frame.header, frame.body.to_vec())
    }

    /// Submits one message that asks for a receipt; returns what answers it.
    fn submit(&mut self, sequence: u32) -> CommandStatus {
        let body = b"\0\x05\0shop\0\x01\x014791234567\0\0\0\0\0\0\x01\0\0\0\x02hi";
        self.send(CommandId::SUBMIT_SM, CommandStatus::ESME_ROK, sequence, body);
        let (header, _) = self.receive();
        assert_eq!((header.id, header.sequence), (CommandId::SUBMIT_SM_RESP, sequence));
        header.status
    }

    fn answer(&mut self, status: CommandStatus) -> Vec<u8> {
        let (header, body) = self.receive();
        assert_eq!(header.id, CommandId::DELIVER_SM);
        self.send(CommandId::DELIVER_SM_RESP, status, header.sequence, b"\0");
        body
    }
}

#[tokio::test]
async fn receipts_wait_for_a_bind_that_takes_them() {
    let carrier = Carrier::start(&["--receipt-delay", "0s"]);
    let mut sender = ByHand::bind(&carrier, CommandId::BIND_TRANSMITTER);
    assert_eq!(sender.submit(2), CommandStatus::ESME_ROK);
    assert_eq!(sender.submit(3), CommandStatus::ESME_ROK);
    let mut receiver = ByHand::bind(&carrier, CommandId::BIND_RECEIVER);
    receiver.answer(CommandStatus::ESME_ROK);
    receiver.answer(CommandStatus::ESME_RX_P_APPN);
    assert_eq!(receiver.submit(9), CommandStatus::ESME_RINVBNDSTS);
    receiver.send(CommandId::UNBIND, CommandStatus::ESME_ROK, 10, b"");
    assert_eq!(receiver.receive().0.id, CommandId::UNBIND_RESP);
    let report = carrier.stop().await;
    assert_eq!((report.received, report.unique, report.duplicates, report.refused_invalid), (2, 1, 1, 1));
    assert_eq!((report.receipts_acknowledged, report.receipts_refused, report.receipts_open()), (1, 1, 0));
}

#[tokio::test]
async fn an_unanswered_receipt_goes_to_another_bind() {
    let carrier = Carrier::start(&["--receipt-delay", "0s", "--response-timeout", "100ms"]);
    let mut first = ByHand::bind(&carrier, CommandId::BIND_TRANSCEIVER);
    assert_eq!(first.submit(2), CommandStatus::ESME_ROK);
    let (header, unanswered) = first.receive();
    assert_eq!(header.id, CommandId::DELIVER_SM);
    let mut second = ByHand::bind(&carrier, CommandId::BIND_RECEIVER);
    assert_eq!(second.answer(CommandStatus::ESME_ROK)[..20], unanswered[..20]);
    second.send(CommandId::ENQUIRE_LINK, CommandStatus::ESME_ROK, 5, b"");
    assert_eq!(second.receive().0.sequence, 5);
    let report = carrier.stop().await;
    assert!(report.receipts_resent >= 1, "{report:?}");
    assert_eq!((report.receipts_owed, report.receipts_acknowledged), (1, 1));
}

#[tokio::test]
async fn octets_that_are_no_frames_are_answered_and_end_the_connection() {
    let carrier = Carrier::start(&[]);
    let mut client = ByHand::bind(&carrier, CommandId::BIND_TRANSCEIVER);
    client.send(CommandId(0x42), CommandStatus::ESME_ROK, 7, b"what");
    let (header, _) = client.receive();
    assert_eq!((header.status, header.sequence), (CommandStatus::ESME_RINVCMDID, 7));
    client.0.write_all(&[0, 0, 0, 1, 0, 0, 0, 0]).unwrap();
    assert_eq!(client.receive().0.status, CommandStatus::ESME_RINVCMDLEN);
    assert_eq!(client.0.read(&mut [0; 16]).unwrap(), 0);
}
