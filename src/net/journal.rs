//! The journal: one thread that owns the store. It takes one order at a time, stores its commit, and only then sends the
//! effects that the commit carries; reads and sweeps come after.
//!
//! While it flushes, the bridge gathers the next commit: that is the group commit. Where the flush is quick and there is
//! much to store, the journal rests before it asks for the next order, so that a flush is for many messages; where there
//! is little, nobody waits. When the store refuses, the same commit is tried again until it is stored; its effects wait,
//! so nothing is acknowledged meanwhile.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc;

use super::errand::{After, StoreErrand};
use crate::bridge::Lookup;
use crate::clock::{Clock, Mono, Unix};
use crate::message::LinkId;
use crate::policy::Holds;
use crate::session::Parcel;
use crate::store::{ArchiveRecord, Asked, Block, Commit, Durability, Fault, Health, Store, Swept};

/// First and last wait before a refused commit is tried again.
const RETRY_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Microseconds between two looks at how full the store is: it means walking its folder.
const HEALTH_REST_US: u64 = 1_000_000;
/// Octets of a commit from which on more of the same is expected, so that resting pays: about sixty messages' share.
const GATHER_OCTETS: u64 = 8 << 10;
/// From the start of such a commit to the start of the next one, at least.
const GATHER: Duration = Duration::from_millis(1);
/// Archive blocks dropped in one order, so that a sweep never holds up a commit for long.
const SWEEP_BLOCKS: usize = 16;

/// A parcel with the way to its link.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) link: LinkId,
    pub(super) mailbox: mpsc::Sender<Parcel>,
    pub(super) parcel: Parcel,
}

/// What the journal does next; each order is answered by [`Report::Done`].
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) commit: Commit,
    /// Effects that follow the commit.
    pub(super) then: Vec<Addressed>,
    pub(super) reads: Vec<u64>,
    pub(super) lookups: Vec<Lookup>,
    /// Forget what may be forgotten at this time.
    pub(super) sweep: Option<Unix>,
    /// What is not forgotten all the same; `None` for nothing.
    pub(super) holds: Option<Arc<Holds>>,
    /// Forget what was held and is no more.
    pub(super) unhold: bool,
    /// Told once the commit is stored.
    pub(super) after: Vec<After>,
    /// A step of the privacy desk.
    pub(super) errand: Option<StoreErrand>,
}

/// What the journal tells the bridge's task.
#[derive(Debug)]
pub(super) enum Report {
    /// The store refuses a commit; it is being tried again.
    Failing(String),
    /// The order is done.
    Done(Done),
}

/// An order's outcome.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Blocks read; `None` where the store could not give one.
    pub(super) blocks: Vec<(u64, Option<Block>)>,
    /// What each lookup found, by its ticket.
    pub(super) records: Vec<(u64, Option<ArchiveRecord>)>,
    pub(super) swept: Option<Swept>,
    /// What was forgotten that had been held.
    pub(super) released: Option<Box<Swept>>,
    /// Links whose mailbox was full or gone.
    pub(super) unreachable: Vec<LinkId>,
    /// How full the store is, where it was looked at.
    pub(super) health: Option<Health>,
    /// Microseconds from the start of the commit to its flush; 0 where there was nothing to store.
    pub(super) commit_us: u64,
    pub(super) commit_octets: u64,
}

/// The thread's two ends.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) thread: JoinHandle<()>,
}

/// Starts the thread.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(store: Box<dyn Store>, durability: Durability, clock: Clock) -> std::io::Result<Journal> {
    let (orders, received) = mpsc::channel(1);
    let (sender, reports) = mpsc::channel(4);
    let writer = Writer { store, durability, clock, reports: sender, next_health: Mono(0) };
    let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run(received))?;
    Ok(Journal { orders, reports, thread })
}

struct Writer {
    store: Box<dyn Store>,
    durability: Durability,
    clock: Clock,
    reports: mpsc::Sender<Report>,
    next_health: Mono,
}

impl Writer {
    fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.blocking_recv() {
            let began = self.clock.now().mono;
            let mut done = Done::default();
            if !self.commit(&order.commit, &mut done, &orders) {
                return;
            }
            for Addressed { link, mailbox, parcel } in order.then {
                // Never waits: a mailbox holds as much as the link was lent, so a full one is a broken rule.
                if mailbox.try_send(parcel).is_err() {
                    done.unreachable.push(link);
                }
            }
            order.after.into_iter().for_each(After::tell);
            self.read(&order.reads, &mut done);
            done.records = order.lookups.iter().map(|lookup| (lookup.ticket, self.look_up(lookup))).collect();
            if let Some(errand) = order.errand {
                errand.run(&mut *self.store);
            }
            let holds = order.holds.as_deref();
            if let Some(before) = order.sweep {
                let none_held = holds.is_none_or(Holds::is_empty);
                let sweep = |store: &mut dyn Store, held: &Asked<'_>| match none_held {
                    true => store.sweep(before, SWEEP_BLOCKS),
                    false => store.sweep_around(before, SWEEP_BLOCKS, held),
                };
                done.swept = self.sweep(sweep, holds);
            }
            if order.unhold {
                done.released = self.sweep(|store, held| store.unhold(SWEEP_BLOCKS, held), holds).map(Box::new);
            }
            done.health = self.health();
            self.rest(began, done.commit_octets);
            if self.reports.blocking_send(Report::Done(done)).is_err() {
                return;
            }
        }
    }

    /// Lets the next commit gather. What this one promised is sent already.
    fn rest(&self, began: Mono, octets: u64) {
        let taken = Duration::from_micros(self.clock.now().mono.since_us(began));
        if octets >= GATHER_OCTETS && taken < GATHER {
            std::thread::sleep(GATHER - taken);
        }
    }

    /// Stores the commit, however long it takes. `false`: the process stops and the store still refuses.
    fn commit(&mut self, commit: &Commit, done: &mut Done, orders: &mpsc::Receiver<Order>) -> bool {
        let changes_nothing = commit.blocks.is_empty() && commit.opt_outs.is_empty();
        if changes_nothing && commit.archive.is_empty() && commit.cut.is_empty() {
            return true;
        }
        let mut wait = RETRY_WAIT.0;
        loop {
            let began = self.clock.now().mono;
            match self.store.commit(commit, self.durability) {
                Ok(()) => {
                    done.commit_us = self.clock.now().mono.since_us(began).max(1);
                    done.commit_octets = commit.blocks.iter().map(|block| block.octets.len() as u64).sum();
                    return true;
                }
                Err(fault) => {
                    tracing::error!(%fault, "the store refuses a commit; nothing is acknowledged until it takes it");
                    if orders.is_closed() || self.reports.blocking_send(Report::Failing(fault.to_string())).is_err() {
                        return false;
                    }
                    std::thread::sleep(wait);
                    wait = (wait * 2).min(RETRY_WAIT.1);
                }
            }
        }
    }

    fn read(&mut self, numbers: &[u64], done: &mut Done) {
        for number in numbers {
            let block = match self.store.read(*number) {
                Ok(block) => block,
                Err(fault) => {
                    tracing::error!(%fault, block = number, "a journal block cannot be read");
                    None
                }
            };
            done.blocks.push((*number, block));
        }
    }

    fn look_up(&self, lookup: &Lookup) -> Option<ArchiveRecord> {
        lookup.run(|id| {
            self.store.archived(id).unwrap_or_else(|fault| {
                tracing::error!(%fault, "the archive cannot be read");
                None
            })
        })
    }

    fn health(&mut self) -> Option<Health> {
        let now = self.clock.now().mono;
        (now >= self.next_health).then(|| {
            self.next_health = Mono(now.0 + HEALTH_REST_US);
            self.store.health()
        })
    }

    fn sweep(
        &mut self,
        sweep: impl FnOnce(&mut dyn Store, &Asked<'_>) -> Result<Swept, Fault>,
        holds: Option<&Holds>,
    ) -> Option<Swept> {
        let held =
            |account, source: &_, destination: &_| holds.is_some_and(|holds| holds.cover(account, source, destination));
        match sweep(&mut *self.store, &held) {
            Ok(swept) => Some(swept),
            Err(fault @ (Fault::Damaged { .. } | Fault::DamagedArchive { .. })) => {
                tracing::error!(%fault, "the sweep met a damaged block");
                None
            }
            Err(fault) => {
                tracing::warn!(%fault, "the sweep goes on later");
                None
            }
        }
    }
}
