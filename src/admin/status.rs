//! The handle between the running process and its admin pages: the last snapshot, what keeps it from being ready, and
//! whether its loops still turn.
//!
//! Asks nothing of the core: whoever runs it publishes, and the pages read the last value.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde::Serialize;

use super::View;
use super::snapshot::{Count, Snapshot, Totals};
use crate::audit::Recorder;
use crate::clock::{Clock, Mono};
use crate::metrics::Exporter;

/// How long the process may be silent before it counts as stuck.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Shared by the runtime, which writes, and the admin pages, which read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Status(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    snapshot: ArcSwap<Snapshot>,
    readiness: ArcSwap<Readiness>,
    exporter: Exporter,
    /// When a loop last showed that it turns, [`Mono`].
    beat: AtomicU64,
    silence_max: Duration,
    /// Where strangers' requests are recorded; none in tests of the pages.
    recorder: OnceLock<Recorder>,
}

/// What has to be true before traffic should be sent here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// The store takes commits.
    pub store: Check,
    /// The state of the last run is back in memory.
    pub recovery: Check,
    /// At least one carrier link is bound.
    pub carriers: Check,
    /// Nobody asked the process to stop.
    pub running: Check,
}

/// One condition and, in words, why it holds or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Whether it holds.
    pub ok: bool,
    /// Why, or how far.
    pub detail: String,
}

impl Check {
    /// It holds.
    #[must_use]
    pub fn pass(detail: impl Into<String>) -> Self {
        Self { ok: true, detail: detail.into() }
    }

    /// It does not hold.
    #[must_use]
    pub fn fail(detail: impl Into<String>) -> Self {
        Self { ok: false, detail: detail.into() }
    }
}

impl Readiness {
    /// Whether all of it holds.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.checks().iter().all(|(_, check)| check.ok)
    }

    /// Every condition with its name.
    #[must_use]
    pub fn checks(&self) -> [(&'static str, &Check); 4] {
        [("store", &self.store), ("recovery", &self.recovery), ("carriers", &self.carriers), ("running", &self.running)]
    }
}

impl Status {
    /// A process that has just started: alive, and not ready.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self::with_silence_max(clock, SILENCE_MAX)
    }

    /// As [`Self::new`], with another limit to silence than [`SILENCE_MAX`].
    #[must_use]
    pub fn with_silence_max(clock: Clock, silence_max: Duration) -> Self {
        let readiness = Readiness {
            store: Check::fail("not opened yet"),
            recovery: Check::fail("not started"),
            carriers: Check::fail("no carrier link is bound yet"),
            running: Check::pass("not asked to stop"),
        };
        let beat = AtomicU64::new(clock.now().mono.0);
        let (snapshot, readiness) = (ArcSwap::default(), ArcSwap::from_pointee(readiness));
        Self(Arc::new(Shared {
            clock,
            snapshot,
            readiness,
            exporter: Exporter::new(),
            beat,
            silence_max,
            recorder: OnceLock::new(),
        }))
    }

    /// From now on, requests that are no plain reading are recorded here. Said once; a second time changes nothing.
    pub fn record_with(&self, recorder: Recorder) {
        // The first one stays.
        let _second = self.0.recorder.set(recorder);
    }

    /// Where requests are recorded.
    pub(super) fn recorder(&self) -> Option<&Recorder> {
        self.0.recorder.get()
    }

    /// Whether the audit log can be written. No condition of readiness: traffic goes on without it.
    #[must_use]
    pub fn audit(&self) -> Check {
        match self.0.recorder.get().and_then(|recorder| recorder.figures().failing) {
            None => Check::pass("takes entries"),
            Some(why) => Check::fail(why),
        }
    }

    /// All metrics at this moment, in the text format of Prometheus.
    #[must_use]
    pub fn metrics(&self) -> String {
        let (snapshot, readiness) = (self.snapshot(), self.readiness());
        self.0.exporter.render(&View { snapshot: &snapshot, readiness: &readiness })
    }

    /// Takes the next snapshot: adds its totals and rates, and notes that the process is alive.
    pub fn publish(&self, mut snapshot: Snapshot) {
        total(&mut snapshot, &self.0.snapshot.load());
        let (bound, links) = snapshot
            .carriers
            .iter()
            .fold((0, 0), |(bound, links), carrier| (bound + carrier.links_bound, links + carrier.links));
        let detail = format!("{bound} of {links} carrier links bound");
        let carriers = Check { ok: bound > 0, detail };
        if self.0.readiness.load().carriers != carriers {
            self.change(|readiness| readiness.carriers = carriers.clone());
        }
        self.0.snapshot.store(Arc::new(snapshot));
        self.beat();
    }

    /// Notes that a loop of the process turns; [`Self::publish`] does so too.
    pub fn beat(&self) {
        self.0.beat.store(self.0.clock.now().mono.0, Ordering::Relaxed);
    }

    /// The store opened, or failed.
    pub fn store(&self, check: Check) {
        self.change(|readiness| readiness.store = check.clone());
    }

    /// How far recovery is; `Check::pass` when it is done.
    pub fn recovery(&self, check: Check) {
        self.change(|readiness| readiness.recovery = check.clone());
        self.beat();
    }

    /// Recovery is done. Unlike [`Self::recovery`] it is no sign of life: whoever says so again has nothing new to tell.
    pub fn recovered(&self, detail: &str) {
        if !self.readiness().recovery.ok {
            self.recovery(Check::pass(detail));
        }
    }

    /// The process was asked to stop and takes no new work.
    pub fn drain(&self) {
        self.change(|readiness| readiness.running = Check::fail("draining: asked to stop"));
    }

    /// The last snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// What holds and what does not.
    #[must_use]
    pub fn readiness(&self) -> Arc<Readiness> {
        self.0.readiness.load_full()
    }

    /// How long no loop has shown that it turns.
    #[must_use]
    pub fn silence(&self) -> Duration {
        let beat = Mono(self.0.beat.load(Ordering::Relaxed));
        Duration::from_micros(self.0.clock.now().mono.since_us(beat))
    }

    /// Whether a loop has shown itself lately.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.silence() <= self.0.silence_max
    }

    fn change(&self, change: impl Fn(&mut Readiness)) {
        self.0.readiness.rcu(|readiness| {
            let mut next = Readiness::clone(readiness);
            change(&mut next);
            next
        });
    }
}

/// Fills in sums, and rates since `before`.
fn total(snapshot: &mut Snapshot, before: &Snapshot) {
    let elapsed_ms = snapshot.uptime_ms.saturating_sub(before.uptime_ms);
    let rate = |now: u64, then: u64| match elapsed_ms {
        0 => 0.0,
        _ => (now.saturating_sub(then) as f64 * 1000.0) / elapsed_ms as f64,
    };
    for (row, index) in snapshot.accounts.iter_mut().zip(0..) {
        let then = before.accounts.get(index).filter(|then| then.system_id == row.system_id);
        row.accepted_per_second = rate(row.accepted, then.map_or(0, |then| then.accepted));
    }
    for row in &mut snapshot.carriers {
        let then = before.carriers.iter().find(|then| then.name == row.name);
        row.forwarded_per_second = rate(row.forwarded, then.map_or(0, |then| then.forwarded));
    }
    for row in &mut snapshot.countries {
        let then = before.countries.iter().find(|then| then.country == row.country);
        row.accepted_per_second = rate(row.accepted, then.map_or(0, |then| then.accepted));
    }
    let accounts = &snapshot.accounts;
    let sum = |counts: &[Count]| counts.iter().map(|count| count.count).sum::<u64>();
    let (accepted, receipts, forwarded) = (
        accounts.iter().map(|row| row.accepted).sum(),
        accounts.iter().map(|row| row.receipts_delivered).sum(),
        snapshot.carriers.iter().map(|row| row.forwarded).sum(),
    );
    snapshot.totals = Totals {
        accepted,
        refused: accounts.iter().map(|row| sum(&row.refused)).sum(),
        forwarded,
        receipts,
        waiting: snapshot.store.waiting,
        receipts_owed: accounts.iter().map(|row| row.receipts_owed).sum(),
        accepted_per_second: rate(accepted, before.totals.accepted),
        forwarded_per_second: rate(forwarded, before.totals.forwarded),
        receipts_per_second: rate(receipts, before.totals.receipts),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::snapshot::{AccountRow, CarrierRow};

    fn taken(uptime_ms: u64, accepted: u64, links_bound: u64) -> Snapshot {
        let account = AccountRow { system_id: "acme".into(), accepted, ..AccountRow::default() };
        let carrier = CarrierRow { name: "fjord".into(), links: 2, links_bound, ..CarrierRow::default() };
        Snapshot { uptime_ms, accounts: vec![account], carriers: vec![carrier], ..Snapshot::default() }
    }

    #[test]
    fn rates_come_from_two_snapshots() {
        let status = Status::new(Clock::start());
        status.publish(taken(1000, 100, 1));
        status.publish(taken(3000, 500, 1));
        let snapshot = status.snapshot();
        assert_eq!(snapshot.accounts[0].accepted_per_second, 200.0);
        assert_eq!(snapshot.totals.accepted_per_second, 200.0);
        assert_eq!(snapshot.totals.accepted, 500);
    }

    #[test]
    fn ready_needs_store_recovery_a_carrier_and_nobody_stopping_it() {
        let status = Status::new(Clock::start());
        assert!(!status.readiness().is_ready());
        status.store(Check::pass("open"));
        status.recovery(Check::pass("done"));
        assert!(!status.readiness().is_ready(), "no carrier link is bound");
        status.publish(taken(1, 0, 1));
        assert!(status.readiness().is_ready());
        status.publish(taken(2, 0, 0));
        assert!(!status.readiness().is_ready());
        assert_eq!(status.readiness().carriers.detail, "0 of 2 carrier links bound");
        status.publish(taken(3, 0, 2));
        status.drain();
        assert!(!status.readiness().is_ready());
    }
}
