//! From what the running server lets one watch to the snapshots of the admin pages.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::admin::{AuditRow, COMMIT_BOUNDS, Check, Count, DELAY_BOUNDS_US, Histogram, LinkRow, Snapshot, Status};
use crate::audit::{Activity, Recorder};
use crate::clock::Clock;
use crate::net::{Phase, Pulse, Watch};
use crate::policy::{Class, Policy};
use crate::session::Role;

/// How often a snapshot is taken; rates on the page are over this span.
const EVERY: Duration = Duration::from_secs(1);

/// Publishes until its task is dropped. Alive means that the server published: only its own pulse, its recovery and its
/// start count, not that this task runs.
pub(super) async fn publish(
    mut server: Watch,
    policy: Arc<Policy>,
    status: Status,
    clock: Clock,
    (recorder, activity): (Recorder, Activity),
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // The senders live as long as the server; after that the last value stays.
            Ok(()) = server.phase.changed() => {}
        }
        phase(&status, &server.phase);
        if server.pulse.has_changed().unwrap_or(false) {
            let pulse = Arc::clone(&server.pulse.borrow_and_update());
            let store = match &pulse.store_failing {
                None => Check::pass("takes commits"),
                Some(fault) => Check::fail(fault.clone()),
            };
            if matches!(*server.phase.borrow(), Phase::Running) {
                status.store(store);
            }
            let mut snapshot = snapshot(&pulse, &server, &policy, clock);
            let figures = recorder.figures();
            snapshot.audit = AuditRow {
                entries: figures.entries,
                lost: figures.lost,
                failing: figures.failing.is_some(),
                head_age_ms: figures.head_age_ms,
                activity_lost: activity.lost(),
            };
            status.publish(snapshot);
        }
    }
}

fn phase(status: &Status, phase: &watch::Receiver<Phase>) {
    match &*phase.borrow() {
        Phase::Opening => status.recovery(Check::fail("opening the store")),
        Phase::Recovering(step) => {
            status.recovery(Check::fail(format!("block {} of at most {}", step.done, step.total)));
        }
        Phase::Running => status.recovered("everything of the last run is back"),
        Phase::Stopping => status.drain(),
    }
}

fn snapshot(pulse: &Pulse, server: &Watch, policy: &Policy, clock: Clock) -> Snapshot {
    let now = clock.now();
    let mut snapshot = Snapshot::of(&pulse.tally, policy);
    snapshot.at_unix_ms = now.unix.0;
    snapshot.uptime_ms = now.mono.0 / 1000;
    for (row, standing) in snapshot.carriers.iter_mut().zip(server.carrier_standings()) {
        row.state = standing.to_string();
    }
    if let Some(tally) = server.links.borrow().as_ref() {
        snapshot.links = LinkRow::of(&tally.totals(Role::Smsc), &tally.totals(Role::Esme));
    }
    let store = &mut snapshot.store;
    store.octets = pulse.health.octets;
    store.archive_blocks = pulse.health.archive_blocks;
    store.commits = pulse.commits;
    store.commit_octets = pulse.commit_octets;
    let buckets = |observed: Option<&_>, bounds| match observed {
        Some(observed) => Histogram::of(observed, bounds),
        None => Histogram::new(bounds),
    };
    store.flush_us = buckets(pulse.flush_us.as_ref(), DELAY_BOUNDS_US);
    store.commit_size = buckets(pulse.commit_size.as_ref(), COMMIT_BOUNDS);
    let class = |octet| Class::from_octet(octet).map_or("unknown", Class::name);
    store.overdue = pulse.overdue;
    store.swept = pulse.swept.iter().map(|(octet, count)| Count::new(class(*octet), *count)).collect();
    snapshot
}
