//! The scaling check: whether a message costs the same processor time with many binds as with one, and with many stored
//! messages as with few.

use crate::gate::{Carrier, Gate, load};
use crate::table::thousands;
use crate::{Bench, Outcome};

/// Binds that are compared with one.
const BINDS: u32 = 500;

/// Prints both comparisons; `stored` messages are there before the second half of the second one.
pub(crate) fn run(bench: &Bench, stored: u32) -> Outcome<()> {
    let mut site = Site::start(bench)?;
    let few = site.cost(1)?;
    let many = site.cost(BINDS)?;
    compare("1 bind", few, &format!("{BINDS} binds"), many);
    site.stop(bench)?;

    let mut site = Site::start(bench)?;
    let few = site.cost(bench.binds)?;
    let before = site.sent;
    site.load(stored, bench.binds)?;
    let many = site.cost(bench.binds)?;
    let there = |messages: u64| format!("{} stored", thousands(messages as f64));
    compare(&there(before), few, &there(site.sent), many);
    site.stop(bench)
}

fn compare(first: &str, few: f64, second: &str, many: f64) {
    println!(
        "{first}: {few:.2} CPU µs per message; {second}: {many:.2} ({:+.0} %)",
        (many / few.max(0.01) - 1.0) * 100.0
    );
}

/// A gateway with its carriers.
struct Site<'b> {
    bench: &'b Bench,
    gate: Gate,
    carriers: [Carrier; 2],
    sent: u64,
}

impl<'b> Site<'b> {
    fn start(bench: &'b Bench) -> Outcome<Self> {
        bench.store("scaling")?;
        let carriers = [Carrier::start(bench)?, Carrier::start(bench)?];
        let addresses = carriers.each_ref().map(|carrier| carrier.address.clone());
        let mut gate = Gate::start(bench, "scaling", "flushed", &addresses)?;
        gate.until_ready(carriers.len())?;
        let mut site = Self { bench, gate, carriers, sent: 0 };
        site.load(bench.messages / 5, bench.binds)?;
        Ok(site)
    }

    /// Sends messages and waits until they are settled and sealed.
    fn load(&mut self, messages: u32, binds: u32) -> Outcome<()> {
        let bench = Bench { binds, ..self.bench.clone() };
        self.sent += load(&bench, &self.gate.smpp, messages, &[])?.acknowledged;
        self.gate.rested(self.sent)?;
        Ok(())
    }

    /// Processor time of a message, in microseconds, over as many as one run of the table has.
    fn cost(&mut self, binds: u32) -> Outcome<f64> {
        let (before, sent) = (self.gate.process.usage()?, self.sent);
        self.load(self.bench.messages, binds)?;
        let used = self.gate.process.usage()?.since(before);
        Ok((used.user_us + used.system_us) as f64 / (self.sent - sent).max(1) as f64)
    }

    fn stop(self, bench: &Bench) -> Outcome<()> {
        self.gate.process.stop()?;
        for carrier in self.carriers {
            carrier.stop()?;
        }
        bench.store("scaling")?;
        Ok(())
    }
}
