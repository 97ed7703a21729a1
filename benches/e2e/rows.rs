//! The measurements, one function for each row of the table.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use smppgate::clock::Clock;

use crate::figures::{Commits, Delays, Figures, Row};
use crate::gate::{Carrier, Gate, load};
use crate::process::{Process, machine_busy_us, wait};
use crate::{Bench, Outcome};

/// Share of the messages sent before the measurement, so that buffers have their size.
const WARM_UP: u32 = 5;

/// Seconds of load at half of the maximum rate.
const HALF_SECONDS: f64 = 5.0;

/// All rows, floors last.
pub(crate) fn all(bench: &Bench) -> Outcome<Figures> {
    let load_average = std::fs::read_to_string("/proc/loadavg")?;
    let mut others = Vec::new();
    let mut rows = Vec::new();
    for name in ["flushed", "buffered"] {
        rows.push(median(bench, name, || gateway(bench, name, &mut others))?);
    }
    rows.push(median(bench, "TCP relay", || relay(bench))?);
    let commits = rows.first().and_then(|row| row.commits).unwrap_or_default();
    rows.push(median(bench, "file", || file(bench, commits))?);
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
    let (commits, machine, carrier, clock) = (gate.commits()?, machine_busy_us()?, busy_us(&carriers)?, Clock::start());
    let gate_busy = gate.process.usage()?;
    let full = load(bench, &gate.smpp, bench.messages, &[])?;
    let (span_us, machine, carrier) = (clock.now().mono.0, machine_busy_us()? - machine, busy_us(&carriers)? - carrier);
    let gate_used = gate.process.usage()?.since(gate_busy);
    // Taken before anything else is sent: what the messages cost after they are delivered is theirs.
    let used = gate.rested(warm_up + full.acknowledged)?.since(before);
    let commits = gate.commits()?.since(commits);
    let messages = full.acknowledged;
    let ours =
        full.processor_us_per_message * messages as f64 + (carrier + gate_used.user_us + gate_used.system_us) as f64;
    let cores = std::thread::available_parallelism()?.get() as f64;
    others.push(((machine as f64 - ours) / (span_us as f64 * cores)).clamp(0.0, 1.0));
    let mut row = Row {
        messages_per_second: full.receipts_per_second,
        full: Some(Delays::of(&full, 0)),
        commits: Some(Commits { messages, ..commits }),
        load_us: full.processor_us_per_message,
        carrier_us: carrier as f64 / messages.max(1) as f64,
        peak_octets: gate.process.peak_octets()?,
        ..Row::default()
    };
    row.cost(used, messages);
    row.half = Some(half(bench, &gate.smpp, full.receipts_per_second, carriers)?);
    gate.process.stop()?;
    std::fs::remove_dir_all(store)?;
    Ok(row)
}

/// Processor time of both carriers so far.
fn busy_us(carriers: &[Carrier; 2]) -> Outcome<u64> {
    let used = [carriers[0].process.usage()?, carriers[1].process.usage()?];
    Ok(used.iter().map(|used| used.user_us + used.system_us).sum())
}

/// The waits at half of the rate that was reached. Ends the carriers, for they tell at their end how long messages took.
fn half(bench: &Bench, address: &str, reached: f64, carriers: [Carrier; 2]) -> Outcome<Delays> {
    let rate = ((reached / 2.0) as u64).max(1);
    let messages = ((rate as f64 * HALF_SECONDS) as u32).min(bench.messages);
    let report = load(bench, address, messages, &["--rate", &rate.to_string(), "--stamp"])?;
    let [first, second] = carriers;
    let transits = [first.stop()?.transit_latency, second.stop()?.transit_latency];
    let slower = if transits[0].p99_ms > transits[1].p99_ms { transits[0] } else { transits[1] };
    Ok(Delays { carrier: Some(slower), ..Delays::of(&report, rate) })
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
    let (before, carrier) = (relay.usage()?, busy_us(&carriers)?);
    let full = load(bench, address, bench.messages, &[])?;
    let (used, carrier) = (relay.usage()?.since(before), busy_us(&carriers)? - carrier);
    let mut row = Row {
        messages_per_second: full.receipts_per_second,
        full: Some(Delays::of(&full, 0)),
        load_us: full.processor_us_per_message,
        carrier_us: carrier as f64 / full.acknowledged.max(1) as f64,
        peak_octets: relay.peak_octets()?,
        ..Row::default()
    };
    row.cost(used, full.acknowledged);
    row.half = Some(half(bench, address, full.receipts_per_second, carriers)?);
    relay.kill()?;
    Ok(row)
}

/// A file that is given what the gateway's commits held, in as many commits.
fn file(bench: &Bench, commits: Commits) -> Outcome<Row> {
    let path = bench.folder.join("append");
    let octets = commits.octets.div_ceil(commits.commits.max(1));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["append", "--commits", &commits.commits.to_string(), "--octets", &octets.to_string(), "--file"]);
    // Its standard input keeps it alive until it is measured.
    let mut append = Process(command.arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    let mut output = BufReader::new(append.child().stdout.take().ok_or("no standard output")?);
    let mut input = append.child().stdin.take().ok_or("no standard input")?;
    let mut line = String::new();
    output.read_line(&mut line)?;
    let before = append.usage()?;
    input.write_all(b"\n")?;
    line.clear();
    output.read_line(&mut line)?;
    let seconds: f64 = line.trim().parse().map_err(|_| "the file could not be written")?;
    let mut row = Row {
        messages_per_second: commits.messages as f64 / seconds,
        commits: Some(commits),
        peak_octets: append.peak_octets()?,
        ..Row::default()
    };
    row.cost(append.usage()?.since(before), commits.messages);
    drop(input);
    append.child().wait()?;
    Ok(row)
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    name.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}
