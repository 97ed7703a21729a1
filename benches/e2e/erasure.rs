//! The erasure check: how long it takes to forget one number among many, and what that costs the traffic meanwhile.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use smppgate::clock::Clock;

use crate::gate::{Carrier, Gate, load};
use crate::table::thousands;
use crate::{Bench, Outcome};

/// Messages of each number that is forgotten.
const OF_EACH: u32 = 10;
/// Numbers that are there to be forgotten.
const NUMBERS: u32 = 60;
/// Loads with and without erasures, in turns, so that both meet the same machine.
const ROUNDS: usize = 3;

/// Prints how long erasures take among `stored` messages, and the throughput beside them. While a load runs with
/// erasures, one follows the other: more than any client's instructions can cause.
pub(crate) fn run(bench: &Bench, stored: u32) -> Outcome<()> {
    bench.store(NAME)?;
    let carriers = [Carrier::start(bench)?, Carrier::start(bench)?];
    let addresses = carriers.each_ref().map(|carrier| carrier.address.clone());
    let mut gate = Gate::start(bench, NAME, "flushed", &addresses)?;
    gate.until_ready(carriers.len())?;

    let mut accepted = load(bench, &gate.smpp, stored, &[])?.acknowledged;
    let mut numbers = (0..NUMBERS).map(|index| format!("47912{index:05}")).collect::<Vec<_>>();
    for number in &numbers {
        accepted += load(bench, &gate.smpp, OF_EACH, &["--to", number])?.acknowledged;
    }
    gate.rested(accepted)?;
    let quiet = erase(bench, &numbers.pop().unwrap_or_default())?;
    println!("{} stored; one number forgotten in {quiet:.2} s without traffic", thousands(accepted as f64));

    let (mut ratios, mut longest, mut erasures) = (Vec::new(), 0_f64, 0);
    for _ in 0..ROUNDS {
        let plain = load(bench, &gate.smpp, bench.messages, &[])?;
        accepted += plain.acknowledged;
        gate.rested(accepted)?;
        let over = AtomicBool::new(false);
        let (beside, times) = std::thread::scope(|scope| -> Outcome<_> {
            let eraser = scope.spawn(|| {
                let mut times = Vec::new();
                while let Some(number) = numbers.pop_if(|_| !over.load(Ordering::Relaxed)) {
                    times.push(erase(bench, &number).map_err(|error| error.to_string())?);
                }
                Ok::<_, String>(times)
            });
            let beside = load(bench, &gate.smpp, bench.messages, &[]);
            over.store(true, Ordering::Relaxed);
            let times = eraser.join().map_err(|_| "the erasures stopped")?;
            Ok((beside?, times?))
        })?;
        accepted += beside.acknowledged;
        gate.rested(accepted)?;
        erasures += times.len();
        longest = times.iter().copied().fold(longest, f64::max);
        ratios.push(beside.acknowledged_per_second / plain.acknowledged_per_second.max(1.0));
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "{} stored at the end; {erasures} numbers forgotten beside traffic, one after the other, the slowest in {longest:.2} s; \
         throughput meanwhile {:.0} % of that without (lowest {:.0} %, highest {:.0} %)",
        thousands(accepted as f64),
        ratios[ROUNDS / 2] * 100.0,
        ratios[0] * 100.0,
        ratios[ROUNDS - 1] * 100.0,
    );
    gate.process.stop()?;
    for carrier in carriers {
        carrier.stop()?;
    }
    bench.store(NAME)?;
    Ok(())
}

/// The name of the gateway's store and configuration.
const NAME: &str = "erasure";

/// Seconds that the command takes to forget `number`.
fn erase(bench: &Bench, number: &str) -> Outcome<f64> {
    let clock = Clock::start();
    let mut command = Command::new(&bench.binary);
    command.args(["subject", "erase", "--account", "acme", "--number", number, "--instruction", "bench", "--config"]);
    let done = command.arg(bench.folder.join(format!("{NAME}.toml"))).stdin(Stdio::null()).output()?;
    if !done.status.success() {
        return Err(format!("not erased: {}", String::from_utf8_lossy(&done.stderr)).into());
    }
    let (seconds, told) = (clock.now().mono.0 as f64 / 1e6, serde_json::from_slice::<Value>(&done.stdout)?);
    match told["archived"].as_u64() {
        Some(archived) if archived == u64::from(OF_EACH) => Ok(seconds),
        _ => Err(format!("{OF_EACH} messages of one number were to be forgotten, and it says {told}").into()),
    }
}
