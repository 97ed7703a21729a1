//! The processes under test: a gateway with its configuration, simulated carriers, and runs of the load generator.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use smppgate::sandbox::{CarrierReport, Report};

use crate::figures::Commits;
use crate::process::{Process, Usage, wait};
use crate::{Bench, Outcome};

/// How long a carrier waits between a message and its receipt: long enough that no receipt overtakes its answer.
pub(crate) const RECEIPT_DELAY_MS: u32 = 10;

/// Tells the reports of carriers apart.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// How long anything may take to start.
const START: Duration = Duration::from_secs(60);

/// A simulated carrier.
pub(crate) struct Carrier {
    pub(crate) process: Process,
    pub(crate) address: String,
    report: PathBuf,
}

impl Carrier {
    /// A carrier on a free port.
    pub(crate) fn start(bench: &Bench) -> Outcome<Self> {
        Self::start_at(bench, "127.0.0.1:0")
    }

    pub(crate) fn start_at(bench: &Bench, listen: &str) -> Outcome<Self> {
        let delay = format!("{RECEIPT_DELAY_MS}ms");
        let mut command = Command::new(&bench.binary);
        let report = bench.folder.join(format!("carrier-{}.json", NUMBER.fetch_add(1, Ordering::Relaxed)));
        command.args(["carrier", "--listen", listen, "--receipt-delay", &delay, "--report"]).arg(&report);
        let mut process = Process::spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let mut stderr = BufReader::new(process.child().stderr.take().ok_or("a carrier without standard error")?);
        let mut line = String::new();
        stderr.read_line(&mut line)?;
        let address = line.split_ascii_whitespace().find(|word| word.contains(':'));
        let address = address.ok_or_else(|| format!("the carrier does not say where it listens: {line}"))?.to_owned();
        // Its summary at the end must find room.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Ok(Self { process, address, report })
    }

    /// Ends it; what it has seen.
    pub(crate) fn stop(self) -> Outcome<CarrierReport> {
        self.process.stop()?;
        let report = serde_json::from_slice(&std::fs::read(&self.report)?)?;
        std::fs::remove_file(&self.report)?;
        Ok(report)
    }
}

/// A serving gateway.
pub(crate) struct Gate {
    pub(crate) process: Process,
    pub(crate) smpp: String,
    admin: String,
}

/// A free port; nobody else takes it before the process that is given it, unless by great chance.
pub(crate) fn free_address() -> Outcome<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

impl Gate {
    /// Starts a gateway; it need not serve yet.
    pub(crate) fn start(bench: &Bench, name: &str, durability: &str, carriers: &[String]) -> Outcome<Self> {
        let (smpp, admin) = (free_address()?, free_address()?);
        let store = bench.folder.join(format!("store-{name}"));
        let config = bench.folder.join(format!("{name}.toml"));
        std::fs::write(&config, configuration(&smpp, &admin, &store, durability, carriers))?;
        let mut command = Command::new(&bench.binary);
        command.args(["serve", "--log-format", "json", "--config"]).arg(&config);
        let log = std::fs::File::create(bench.folder.join(format!("{name}.log")))?;
        let process = Process::spawn(command.stdout(Stdio::null()).stderr(log))?;
        Ok(Self { process, smpp, admin })
    }

    /// Waits until it can take traffic: recovered, all carriers bound.
    pub(crate) fn until_ready(&mut self, carriers: usize) -> Outcome<()> {
        self.until("ready", START, |status| {
            let bound = |carrier: &Value| carrier["links_bound"].as_u64() > Some(0);
            let rows =
                status["status"]["carriers"].as_array().map_or(0, |rows| rows.iter().filter(|row| bound(row)).count());
            status["ready"] == true && rows == carriers
        })
    }

    /// Waits until its status says so.
    pub(crate) fn until(&mut self, what: &str, within: Duration, holds: impl Fn(&Value) -> bool) -> Outcome<()> {
        let done = wait(within, || {
            if let Some(code) = self.process.child().try_wait()? {
                return Err(format!("the gateway ended with {code}; its log is beside the figures").into());
            }
            Ok(self.status().is_ok_and(|status| holds(&status)))
        })?;
        if done { Ok(()) } else { Err(format!("the gateway is not {what} after {within:?}").into()) }
    }

    /// Its `/status.json`.
    pub(crate) fn status(&self) -> Outcome<Value> {
        let mut stream = TcpStream::connect(&self.admin)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /status.json HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (_, body) = text.split_once("\r\n\r\n").ok_or("half an answer")?;
        Ok(serde_json::from_str(body)?)
    }

    /// Its commits so far.
    pub(crate) fn commits(&self) -> Outcome<Commits> {
        let status = self.status()?;
        let count = |name: &str| status["status"]["store"][name].as_u64().unwrap_or(0);
        Ok(Commits { commits: count("commits"), octets: count("commit_octets"), messages: 0 })
    }

    /// Waits until everything accepted so far is settled, sealed and no longer in memory, then says what it has used. What
    /// settling costs belongs to the messages.
    pub(crate) fn rested(&mut self, accepted: u64) -> Outcome<Usage> {
        self.until("at rest", Duration::from_secs(60), |status| {
            status["status"]["totals"]["accepted"].as_u64() >= Some(accepted) && status["status"]["store"]["live"] == 0
        })?;
        self.process.usage()
    }
}

/// Two routes, so that both carriers carry: the load sends three fifths to the first three countries. The carriers' windows
/// are such that no backlog gathers: that is measured apart.
fn configuration(smpp: &str, admin: &str, store: &Path, durability: &str, carriers: &[String]) -> String {
    let mut text = format!(
        "[listen]\nsmpp = \"{smpp}\"\nadmin = \"{admin}\"\n\
         [store]\npath = {store:?}\ndurability = \"{durability}\"\n\
         [[account]]\nsystem_id = \"acme\"\npassword = \"secret\"\nmax_binds = 1000\n"
    );
    for (number, address) in carriers.iter().enumerate() {
        let country = if number == 0 { "\"NO\", \"SE\", \"DK\"" } else { "\"*\"" };
        text.push_str(&format!(
            "[[carrier]]\nname = \"carrier{number}\"\naddress = \"{address}\"\nsystem_id = \"smppgate\"\n\
             password = \"secret\"\nlinks = 2\nwindow = 500\nlegal_entity = \"bench\"\ncountry = \"NO\"\ntransfer_basis = \"eea\"\n\
             [[route]]\ncountry = [{country}]\ncarriers = [\"carrier{number}\"]\n"
        ));
    }
    text
}

/// A run of the load generator against `address`, to its end.
pub(crate) fn load(bench: &Bench, address: &str, messages: u32, more: &[&str]) -> Outcome<Report> {
    let (messages, binds) = (messages.to_string(), bench.binds.to_string());
    let mut command = Command::new(&bench.binary);
    command.args(["load", "--json", "--quiet", "--window", "200", "--text-octets", "60"]);
    command.args(["--address", address, "--messages", &messages, "--binds", &binds]).args(more);
    let output = command.stdin(Stdio::null()).output()?;
    let report: Report = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("the load failed: {}", String::from_utf8_lossy(&output.stderr)))?;
    if !output.status.success() {
        return Err(format!("the load is not content:\n{}", report.summary()).into());
    }
    Ok(report)
}
