//! The measurements, one function for each row of the table.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use smppgate::clock::Clock;

use crate::append::RECORD_OCTETS;
use crate::figures::{Delays, Figures, Row};
use crate::gate::{Carrier, Gate, load};
use crate::process::{Process, machine_busy_us, wait};
use crate::{Bench, Outcome};

/// Share of the messages sent before the measurement, so that buffers have their size.
const WARM_UP: u32 = 5;

/// Seconds of load at half of the maximum rate.
const HALF_SECONDS: f64 = 5.0;

/// Messages of one sync of the file where the gateway did not say how many its commits had.
const GROUP: f64 = 300.0;

/// All rows, floors last.
pub(crate) fn all(bench: &Bench) -> Outcome<Figures> {
    let load_average = std::fs::read_to_string("/proc/loadavg")?;
    let mut others = Vec::new();
    let mut rows = Vec::new();
    for name in ["flushed", "buffered"] {
        rows.push(median(bench, name, || gateway(bench, name, &mut others))?);
    }
    rows.push(median(bench, "TCP relay", || relay(bench))?);
    let group = rows.first().and_then(|row| row.commit_messages).unwrap_or(GROUP);
    rows.push(median(bench, "file", || file(bench, group))?);
    Ok(Figures {
        version: env!("CARGO_PKG_VERSION"),
        processor: processor(),
        cores: std::thread::available_parallelism()?.get(),
        messages: bench.messages,
        binds: bench.binds,
        runs: bench.runs,
        load_average: load_average.split(' ').next().unwrap_or_default().to_owned(),
        taken_by_others: others.iter().sum::<f64>() / others.len().max(1) as f64,
        rows,
    })
}

/// The run in the middle.
fn median(bench: &Bench, name: &'static str, mut run: impl FnMut() -> Outcome<Row>) -> Outcome<Row> {
    let mut rows = Vec::new();
    for number in 1..=bench.runs {
        let row = run().map_err(|error| format!("{name}: {error}"))?;
        eprintln!("{name} {number} of {}: {:.0} messages/s", bench.runs, row.messages_per_second);
        rows.push(row);
    }
    rows.sort_by(|one, other| one.messages_per_second.total_cmp(&other.messages_per_second));
    Ok(Row { name, ..rows.swap_remove((bench.runs - 1) / 2) })
}

/// The gateway between a load and two carriers.
fn gateway(bench: &Bench, durability: &'static str, others: &mut Vec<f64>) -> Outcome<Row> {
    let carriers = [Carrier::start(bench)?, Carrier::start(bench)?];
    let addresses = carriers.each_ref().map(|carrier| carrier.address.clone());
    let store = bench.store(durability)?;
    let mut gate = Gate::start(bench, durability, durability, &addresses)?;
    gate.until_ready(carriers.len())?;
    let warm_up = load(bench, &gate.smpp, bench.messages / WARM_UP, &[])?.acknowledged;
    let before = gate.rested(warm_up)?;
    let busy = || -> Outcome<(u64, u64)> {
        let mut ours = 0;
        for process in [&carriers[0].process, &carriers[1].process] {
            let used = process.usage()?;
            ours += used.user_us + used.system_us;
        }
        Ok((machine_busy_us()?, ours))
    };
    let commits =
        |gate: &Gate| -> Outcome<u64> { Ok(gate.status()?["status"]["store"]["commits"].as_u64().unwrap_or(0)) };
    let ((machine, carrier), commit, clock) = (busy()?, commits(&gate)?, Clock::start());
    let gate_busy = gate.process.usage()?;
    let full = load(bench, &gate.smpp, bench.messages, &[])?;
    let (span_us, (machine_after, carrier_after)) = (clock.now().mono.0, busy()?);
    let gate_used = gate.process.usage()?.since(gate_busy);
    let used = gate.rested(warm_up + full.acknowledged)?.since(before);
    let messages = full.acknowledged;
    let ours = full.processor_us_per_message * messages as f64
        + (carrier_after - carrier + gate_used.user_us + gate_used.system_us) as f64;
    let cores = std::thread::available_parallelism()?.get() as f64;
    others.push((((machine_after - machine) as f64 - ours) / (span_us as f64 * cores)).clamp(0.0, 1.0));
    let mut row = Row {
        messages_per_second: full.receipts_per_second,
        full: Some(Delays::of(&full, 0)),
        half: Some(half(bench, &gate.smpp, full.receipts_per_second)?),
        commit_messages: Some(messages as f64 / (commits(&gate)? - commit).max(1) as f64),
        load_us: full.processor_us_per_message,
        carrier_us: (carrier_after - carrier) as f64 / messages.max(1) as f64,
        peak_octets: gate.process.peak_octets()?,
        ..Row::default()
    };
    row.cost(used, messages);
    gate.process.stop()?;
    for carrier in carriers {
        carrier.process.stop()?;
    }
    std::fs::remove_dir_all(store)?;
    Ok(row)
}

/// The waits at half of the rate that was reached.
fn half(bench: &Bench, address: &str, reached: f64) -> Outcome<Delays> {
    let rate = ((reached / 2.0) as u64).max(1);
    let messages = ((rate as f64 * HALF_SECONDS) as u32).min(bench.messages);
    Ok(Delays::of(&load(bench, address, messages, &["--rate", &rate.to_string()])?, rate))
}

/// The same load and the same carriers with nothing between them but a relay.
fn relay(bench: &Bench) -> Outcome<Row> {
    let first = Carrier::start(bench)?;
    // A carrier's first id follows from its start, a thousand to the millisecond; the load would meet the same id from
    // both, were they started at once.
    let apart = Clock::start();
    wait(Duration::from_secs(60), || Ok(apart.now().mono.0 > u64::from(bench.messages) * 4 + 100_000))?;
    let carriers = [first, Carrier::start(bench)?];
    let to = carriers.each_ref().map(|carrier| carrier.address.clone()).join(",");
    let mut command = Command::new(std::env::current_exe()?);
    let mut relay = Process::spawn(command.args(["relay", "--to", &to]).stdout(Stdio::piped()))?;
    let mut address = String::new();
    BufReader::new(relay.child().stdout.take().ok_or("a relay without standard output")?).read_line(&mut address)?;
    let address = address.trim();
    load(bench, address, bench.messages / WARM_UP, &[])?;
    let before = relay.usage()?;
    let full = load(bench, address, bench.messages, &[])?;
    let used = relay.usage()?.since(before);
    let mut row = Row {
        messages_per_second: full.receipts_per_second,
        full: Some(Delays::of(&full, 0)),
        half: Some(half(bench, address, full.receipts_per_second)?),
        load_us: full.processor_us_per_message,
        peak_octets: relay.peak_octets()?,
        ..Row::default()
    };
    row.cost(used, full.acknowledged);
    relay.kill()?;
    Ok(row)
}

/// A file with the same group commit.
fn file(bench: &Bench, group: f64) -> Outcome<Row> {
    let path = bench.folder.join("append");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["append", "--messages", &bench.messages.to_string(), "--group", &format!("{group:.0}"), "--file"]);
    // Its standard input keeps it alive until it is measured.
    let mut append = Process(command.arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut line = String::new();
    BufReader::new(append.child().stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
    let (seconds, messages) = line.trim().split_once(' ').ok_or("the file could not be written")?;
    let (seconds, messages): (f64, u64) = (seconds.parse()?, messages.parse()?);
    let mut row = Row {
        messages_per_second: messages as f64 / seconds,
        commit_messages: Some(group),
        peak_octets: append.peak_octets()?,
        ..Row::default()
    };
    row.cost(append.usage()?, messages);
    debug_assert!(row.written >= RECORD_OCTETS as f64 || row.written == 0.0);
    drop(append.child().stdin.take());
    append.child().wait()?;
    Ok(row)
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}
