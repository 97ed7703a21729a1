//! From what the running server lets one watch to the snapshots of the admin pages.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::admin::{
    AccountRow, AuditRow, COMMIT_BOUNDS, Check, Count, DELAY_BOUNDS_US, Histogram, LinkRow, ReloadRow, Snapshot, Status,
};
use crate::audit::{Activity, Draft, Event, Recorder};
use crate::clock::{Clock, Mono};
use crate::net::{Phase, Pulse, Watch};
use crate::policy::{Class, Inflation, Policy};
use crate::session::Role;
use crate::store::KeyFigures;

/// How often a snapshot is taken; rates on the page are over this span.
const EVERY: Duration = Duration::from_secs(1);
/// How often traffic of one account and kind that looks artificial is told of, at most.
const ALARM_US: u64 = 60_000_000;

/// Publishes until its task is dropped. Alive means that the server published: only its own pulse, its recovery and its
/// start count, not that this task runs.
pub(super) async fn publish(
    mut server: Watch,
    policy: Arc<Policy>,
    status: Status,
    clock: Clock,
    (recorder, activity): (Recorder, Activity),
    reload: watch::Receiver<ReloadRow>,
) {
    let mut alarms = Alarms::default();
    let mut told = KeyFigures::default();
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
            key_events(&told, &pulse.health.keys).into_iter().for_each(|event| recorder.note(event));
            told = pulse.health.keys;
            let store = match &pulse.store_failing {
                None => Check::pass("takes commits"),
                Some(fault) => Check::fail(fault.clone()),
            };
            if matches!(*server.phase.borrow(), Phase::Running) {
                status.store(store);
            }
            // The rules in force, which may be others than those of the start.
            let in_force = server.registry.borrow().as_ref().map(|registry| Arc::clone(&registry.policy));
            let mut snapshot = snapshot(&pulse, &server, &in_force.unwrap_or_else(|| Arc::clone(&policy)), clock);
            snapshot.reload = *reload.borrow();
            for (account, kind, count) in alarms.of(&snapshot.accounts, clock.now().mono) {
                tracing::warn!(account, kind, count, "traffic looks artificially inflated");
                let account = account.to_owned();
                activity.note(Event { account, what: "inflated", link: None, detail: kind, seconds: None });
            }
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

/// What was told of accounts' traffic that looks artificial: each kind at most once in [`ALARM_US`].
#[derive(Debug, Default)]
struct Alarms(HashMap<(String, &'static str), (u64, Mono)>);

impl Alarms {
    /// What is to be told now: account, kind, and how many messages it was since the last time.
    fn of<'a>(&mut self, rows: &'a [AccountRow], now: Mono) -> Vec<(&'a str, &'static str, u64)> {
        let mut told = Vec::new();
        for row in rows {
            for (kind, seen) in Inflation::ALL.into_iter().zip(&row.inflated) {
                if seen.count == 0 {
                    continue;
                }
                let entry = self.0.entry((row.system_id.clone(), kind.as_str()));
                let is_new = matches!(entry, Entry::Vacant(_));
                let (counted, at) = entry.or_insert((0, now));
                if seen.count > *counted && (is_new || now.since_us(*at) >= ALARM_US) {
                    told.push((row.system_id.as_str(), kind.as_str(), seen.count - *counted));
                    (*counted, *at) = (seen.count, now);
                }
            }
        }
        told
    }
}

/// What became of keys since it was last told; numbers only.
fn key_events(told: &KeyFigures, figures: &KeyFigures) -> Vec<Draft> {
    let counts = [
        ("keys.make", told.made, figures.made),
        ("keys.destroy", told.destroyed, figures.destroyed),
        ("keys.rewrap", told.rewrapped, figures.rewrapped),
    ];
    let more = counts.into_iter().filter(|(_, before, now)| now > before);
    more.map(|(action, before, now)| Draft::system(action, format!("{} keys", now - before))).collect()
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
    for row in &mut snapshot.carriers {
        let standing = server.carrier_standing(&row.name);
        row.state = standing.map_or_else(|| "not configured".to_owned(), |standing| standing.to_string());
    }
    if let Some(tally) = server.links.borrow().as_ref() {
        snapshot.links = LinkRow::of(&tally.totals(Role::Smsc), &tally.totals(Role::Esme));
    }
    let store = &mut snapshot.store;
    store.octets = pulse.health.octets;
    store.archive_blocks = pulse.health.archive_blocks;
    let keys = pulse.health.keys;
    (store.keys, store.keys_destroyed) = (keys.keys, keys.destroyed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflated_traffic_is_told_of_once_a_minute_and_kind() {
        let mut alarms = Alarms::default();
        let mut told = |prefix: u64, sequence: u64, second: u64| {
            let inflated = vec![Count::new("prefix", prefix), Count::new("sequence", sequence)];
            let rows = [AccountRow { system_id: "acme".to_owned(), inflated, ..AccountRow::default() }];
            let told = alarms.of(&rows, Mono(second * 1_000_000));
            told.into_iter().map(|(_, kind, count)| (kind, count)).collect::<Vec<_>>()
        };
        assert_eq!(told(0, 0, 0), []);
        assert_eq!(told(3, 0, 1), [("prefix", 3)]);
        assert_eq!(told(5, 1, 2), [("sequence", 1)]);
        assert_eq!(told(9, 1, 60), []);
        assert_eq!(told(9, 1, 61), [("prefix", 6)]);
        assert_eq!(told(9, 1, 1000), []);
    }
}
