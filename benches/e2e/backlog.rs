//! The scale check: what many accepted messages cost while all carriers are down, how long a killed gateway takes to have
//! them back, and how fast they leave once a carrier is there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::BytesMut;
use smppgate::clock::Clock;
use smppgate::pdu::{Bind, CommandId, Password};

use crate::gate::{Carrier, Gate, free_address, load};
use crate::process::wait;
use crate::table::thousands;
use crate::{Bench, Outcome};

/// How long a recovery or a delivery may take.
const LONG: Duration = Duration::from_secs(900);

/// Fills, kills, recovers, delivers; prints as it goes.
pub(crate) fn run(bench: &Bench, messages: u32) -> Outcome<()> {
    let addresses = [free_address()?, free_address()?];
    let store = bench.store("backlog")?;
    let mut gate = Gate::start(bench, "backlog", "flushed", &addresses)?;
    gate.until("recovered", LONG, |status| status["checks"]["recovery"]["ok"] == true)?;
    let idle = gate.process.resident_octets()?;
    let before = gate.process.usage()?;
    println!("idle: {:.1} MB", megabytes(idle));

    let report = load(bench, &gate.smpp, messages, &["--bind", "transmitter"])?;
    let (accepted, used) = (report.acknowledged, gate.process.usage()?.since(before));
    let (resident, peak) = (gate.process.resident_octets()?, gate.process.peak_octets()?);
    let each = |amount: u64| amount as f64 / accepted.max(1) as f64;
    println!(
        "{} accepted while all carriers are down, {} a second; {:.2} CPU µs and {:.0} octets written each\n\
         memory: {:.1} MB now, {:.1} MB at most, {:.0} octets for each waiting message",
        thousands(accepted as f64),
        thousands(report.acknowledged_per_second),
        each(used.user_us + used.system_us),
        each(used.written),
        megabytes(resident),
        megabytes(peak),
        each(resident.saturating_sub(idle)),
    );

    gate.process.kill()?;
    let clock = Clock::start();
    let mut gate = Gate::start(bench, "backlog", "flushed", &addresses)?;
    bind(&gate.smpp)?;
    let bound_us = clock.now().mono.0;
    gate.until("recovered", LONG, |status| {
        status["checks"]["recovery"]["ok"] == true && status["status"]["totals"]["waiting"].as_u64() > Some(0)
    })?;
    let waiting = gate.status()?["status"]["totals"]["waiting"].as_u64().unwrap_or(0);
    println!(
        "killed and started again: a bind is accepted after {:.2} s, {} messages wait; memory {:.1} MB, {:.1} MB at most",
        bound_us as f64 / 1e6,
        thousands(waiting as f64),
        megabytes(gate.process.resident_octets()?),
        megabytes(gate.process.peak_octets()?),
    );
    if waiting < accepted {
        return Err(format!("{accepted} messages were acknowledged and {waiting} are there").into());
    }
    deliver(bench, gate, &addresses, waiting)?;
    std::fs::remove_dir_all(store)?;
    Ok(())
}

fn deliver(bench: &Bench, mut gate: Gate, addresses: &[String], waiting: u64) -> Outcome<()> {
    let before = gate.process.usage()?;
    let carriers = [Carrier::start_at(bench, &addresses[0])?, Carrier::start_at(bench, &addresses[1])?];
    let forwarded = |status: &serde_json::Value| status["status"]["totals"]["forwarded"].as_u64();
    gate.until("bound to its carriers", LONG, |status| forwarded(status) > Some(0))?;
    let clock = Clock::start();
    gate.until("empty", LONG, |status| {
        status["status"]["totals"]["waiting"] == 0 && status["status"]["store"]["live"] == 0
    })?;
    let (seconds, used) = (clock.now().mono.0 as f64 / 1e6, gate.process.usage()?.since(before));
    println!(
        "carriers are back: {} messages delivered and settled in {seconds:.1} s, {} a second; {:.2} CPU µs and {:.0} octets \
         written each; memory {:.1} MB at most",
        thousands(waiting as f64),
        thousands(waiting as f64 / seconds),
        (used.user_us + used.system_us) as f64 / waiting as f64,
        used.written as f64 / waiting as f64,
        megabytes(gate.process.peak_octets()?),
    );
    gate.process.stop()?;
    for carrier in carriers {
        carrier.stop()?;
    }
    Ok(())
}

/// Binds as soon as that is possible.
fn bind(address: &str) -> Outcome<()> {
    let mut stream = None;
    wait(LONG, || {
        stream = TcpStream::connect(address).ok();
        Ok(stream.is_some())
    })?;
    let mut stream = stream.ok_or("the gateway does not listen")?;
    let bind = Bind {
        system_id: b"acme",
        password: Password(b"secret"),
        system_type: b"",
        interface_version: 0x34,
        addr_ton: 0,
        addr_npi: 0,
        address_range: b"",
    };
    let mut wire = BytesMut::new();
    bind.encode(CommandId::BIND_TRANSMITTER, 1, &mut wire);
    stream.write_all(&wire)?;
    stream.set_read_timeout(Some(LONG))?;
    let mut header = [0; 16];
    stream.read_exact(&mut header)?;
    if header[8..12] == [0; 4] { Ok(()) } else { Err("the bind was refused".into()) }
}

fn megabytes(octets: u64) -> f64 {
    octets as f64 / 1e6
}
