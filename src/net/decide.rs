//! The bridge's task: inputs in, one turn per batch, parcels out, one commit at a time to the journal.
//!
//! Decides nothing itself. It is the only caller of the bridge, and the only place that knows which mailbox belongs to
//! which link.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::errand::{After, BridgeErrand, Errand, Renew, StoreErrand};
use super::inbox::Mail;
use super::journal::{Addressed, Done, Journal, Order, Report};
use super::sweeps::Sweeps;
use crate::bridge::{Bridge, Input, Outbox, Renewed, Tally};
use crate::clock::{Clock, Mono, Now};
use crate::message::LinkId;
use crate::policy::Holds;
use crate::session::Parcel;
use crate::store::{Commit, Health, Swept};

/// Letters taken from the inbox before a turn.
const LETTERS_PER_TURN: usize = 64;
/// How often counters are published.
const PULSE: Duration = Duration::from_millis(500);
/// Microseconds between two sweeps that found nothing more to forget.
const SWEEP_REST_US: u64 = 5_000_000;

/// What the outside may know of the bridge and the journal, published twice a second and when it matters.
#[derive(Clone, Debug, Default)]
pub struct Pulse {
    /// The bridge's counters.
    pub tally: Tally,
    /// Why the store takes no commits; `None` while it does.
    pub store_failing: Option<String>,
    /// How full the store is.
    pub health: Health,
    /// Commits stored.
    pub commits: u64,
    /// Octets in them.
    pub commit_octets: u64,
    /// Time from commit to flush, microseconds; `None` before the first.
    pub flush_us: Option<Histogram<u64>>,
    /// Octets per commit; `None` before the first.
    pub commit_size: Option<Histogram<u64>>,
    /// Records forgotten by the sweep, per retention class.
    pub swept: Vec<(u8, u64)>,
    /// Blocks of records that should have been forgotten an hour ago.
    pub overdue: u64,
    /// The process is stopping.
    pub stopping: bool,
}

/// The task's state.
#[derive(Debug)]
pub(super) struct Decider {
    bridge: Bridge,
    inbox: mpsc::Receiver<Mail>,
    journal: Journal,
    clock: Clock,
    pulse: watch::Sender<Arc<Pulse>>,
    mailboxes: FxHashMap<LinkId, mpsc::Sender<Parcel>>,
    outbox: Outbox,
    /// Whether the journal has an order that is not done.
    busy: bool,
    next_sweep: Mono,
    stopping: bool,
    figures: Figures,
    /// What is held, and whether something no longer is and has to be forgotten.
    holds: Option<Arc<Holds>>,
    unhold: bool,
    /// Whom to tell of the open commit.
    after: Vec<After>,
    /// Steps for the journal's thread, one an order. Each belongs to one caller, who waits for it.
    errands: VecDeque<StoreErrand>,
    /// Whom to tell when everything that waits was looked at by the rules of today.
    renewing: Vec<oneshot::Sender<Renewed>>,
    sweeps: Sweeps,
}

/// What the journal reported so far.
#[derive(Debug)]
struct Figures {
    store_failing: Option<String>,
    health: Health,
    commits: u64,
    commit_octets: u64,
    flush_us: Histogram<u64>,
    commit_size: Histogram<u64>,
    swept: Vec<(u8, u64)>,
    overdue: u64,
}

impl Decider {
    pub(super) fn new(
        bridge: Bridge,
        inbox: mpsc::Receiver<Mail>,
        journal: Journal,
        clock: Clock,
        pulse: watch::Sender<Arc<Pulse>>,
        sweeps: Sweeps,
    ) -> Self {
        Self {
            bridge,
            inbox,
            journal,
            clock,
            pulse,
            mailboxes: FxHashMap::default(),
            outbox: Outbox::default(),
            busy: false,
            next_sweep: Mono(0),
            stopping: false,
            figures: Figures::new(),
            holds: None,
            // What was held may have been let go just before the last stop.
            unhold: true,
            after: Vec::new(),
            errands: VecDeque::new(),
            renewing: Vec::new(),
            sweeps,
        }
    }

    /// Holds these numbers from the start.
    pub(super) fn holding(mut self, holds: Holds) -> Self {
        self.holds = Some(Arc::new(holds));
        self
    }

    /// Runs until a stop was asked for and everything is drained, or until nobody can send any more.
    pub(super) async fn run(mut self) {
        let mut letters = Vec::with_capacity(LETTERS_PER_TURN);
        let mut pulse = interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let alarm = sleep_until(Instant::now());
        tokio::pin!(alarm);
        loop {
            let deadline = self.deadline().map(|at| Instant::from_std(self.clock.instant(at)));
            if let Some(deadline) = deadline
                && alarm.deadline() != deadline
            {
                alarm.as_mut().reset(deadline);
            }
            let open = !self.bridge.is_full();
            tokio::select! {
                biased;
                report = self.journal.reports.recv() => match report {
                    Some(report) => self.reported(report),
                    None => break,
                },
                count = self.inbox.recv_many(&mut letters, LETTERS_PER_TURN), if open => if count == 0 { break },
                () = &mut alarm, if deadline.is_some() => {}
                _ = pulse.tick() => self.publish(),
            }
            let now = self.clock.now();
            for letter in letters.drain(..) {
                self.take(letter, now);
            }
            self.bridge.turn(now, &mut self.outbox);
            self.tell_renewed();
            self.send_now();
            self.order(now);
            if self.stopping && !self.busy && self.bridge.is_quiet() {
                break;
            }
        }
        self.publish();
        drop(self.journal.orders);
        // The thread ends with its last order; a panic in it was reported where it happened.
        let _ended = tokio::task::spawn_blocking(move || self.journal.thread.join()).await;
    }

    /// While the journal is busy nothing can be done about what waits for it; its report wakes the task.
    fn deadline(&self) -> Option<Mono> {
        let seal = if self.busy { None } else { self.bridge.seal_deadline() };
        [self.bridge.deadline(), seal].into_iter().flatten().min()
    }

    fn take(&mut self, letter: Mail, now: Now) {
        match letter {
            Mail::Open { link, mailbox } => {
                self.mailboxes.insert(link, mailbox);
            }
            Mail::Input(input) => {
                if let Input::Closed { link } = input {
                    self.mailboxes.remove(&link);
                }
                if matches!(input, Input::Stop) {
                    self.stopping = true;
                }
                self.bridge.handle(input, now, &mut self.outbox);
            }
            Mail::Errand(Errand::Store(errand)) => self.errands.push_back(errand),
            Mail::Errand(Errand::Bridge(errand)) => self.run_errand(errand, now),
        }
    }

    /// A step of the desk that the bridge decides. Whoever asked may be gone.
    fn run_errand(&mut self, errand: BridgeErrand, now: Now) {
        match errand {
            BridgeErrand::Begin(reply) => {
                let end = self.bridge.walk_journal(now);
                self.after.push(After::new(move || _ = reply.send(end)));
            }
            BridgeErrand::Stand(messages, reply) => {
                self.bridge.walk_journal(now);
                let standings = messages.into_iter().map(|(id, position)| self.bridge.standing(id, position));
                drop(reply.send(standings.collect()));
            }
            BridgeErrand::Erase(hits, reply) => {
                self.bridge.walk_journal(now);
                let cleared = self.bridge.erase(&hits, now);
                self.after.push(After::new(move || _ = reply.send(cleared)));
            }
            BridgeErrand::Hold(holds, reply) => {
                self.bridge.hold((*holds).clone());
                (self.holds, self.unhold) = (Some(holds), true);
                // Told when the sweep that is under way is over, which may not know of it.
                self.after.push(After::new(move || _ = reply.send(())));
            }
            BridgeErrand::Relist(account, tokens, wish, reply) => {
                let relisted = self.bridge.relist(account, &tokens, wish, now);
                self.after.push(After::new(move || _ = reply.send(relisted)));
            }
            BridgeErrand::Renew(Renew { policy, enrolled, taken, renewed }) => {
                self.sweeps.rename(Arc::clone(&enrolled));
                let enrolled = Box::new((*enrolled).clone());
                self.bridge.handle(Input::Policy { policy, enrolled }, now, &mut self.outbox);
                let _gone = taken.send(());
                self.renewing.push(renewed);
            }
        }
    }

    /// What became of what waited, told with the next order: then what was decided before has left too.
    fn tell_renewed(&mut self) {
        if self.renewing.is_empty() {
            return;
        }
        let (is_looking, renewed) = self.bridge.renewal();
        if !is_looking {
            for reply in self.renewing.drain(..) {
                self.after.push(After::new(move || _ = reply.send(renewed)));
            }
        }
    }

    fn send_now(&mut self) {
        for (link, parcel) in self.outbox.now.drain() {
            if let Some(mailbox) = self.mailboxes.get(&link)
                && mailbox.try_send(parcel).is_err()
            {
                // Dropping the mailbox ends the link; its end comes back as an input.
                self.mailboxes.remove(&link);
            }
        }
    }

    /// Gives the journal its next order, if it is free and there is one.
    fn order(&mut self, now: Now) {
        let sweep = self.sweep_due(now);
        let asks = !self.outbox.reads.is_empty() || !self.outbox.lookups.is_empty();
        let asks = asks || !self.after.is_empty() || !self.errands.is_empty();
        if self.busy || !(sweep || asks || self.bridge.has_commit(now, &self.outbox)) {
            return;
        }
        let blocks = self.bridge.close_commit(now, &mut self.outbox);
        let commit = Commit {
            blocks,
            archive: std::mem::take(&mut self.outbox.archive),
            cut: std::mem::take(&mut self.outbox.cut),
            opt_outs: std::mem::take(&mut self.outbox.opt_outs),
        };
        let mailboxes = &self.mailboxes;
        let address = |(link, parcel): (LinkId, Parcel)| {
            mailboxes.get(&link).map(|mailbox| Addressed { link, mailbox: mailbox.clone(), parcel })
        };
        let then = self.outbox.then.drain().filter_map(address).collect();
        let reads = std::mem::take(&mut self.outbox.reads);
        let lookups = std::mem::take(&mut self.outbox.lookups);
        let order = Order {
            commit,
            then,
            reads,
            lookups,
            sweep: sweep.then_some(now.unix),
            holds: self.holds.clone(),
            unhold: sweep && std::mem::take(&mut self.unhold),
            after: std::mem::take(&mut self.after),
            errand: self.errands.pop_front(),
        };
        if sweep {
            self.next_sweep = Mono(now.mono.0 + SWEEP_REST_US);
        }
        // The channel holds one order and the journal has none, so this only fails when its thread is gone; then its
        // reports end too, and so does the loop.
        self.busy = self.journal.orders.try_send(order).is_ok();
    }

    fn sweep_due(&self, now: Now) -> bool {
        now.mono >= self.next_sweep && self.figures.store_failing.is_none() && !self.stopping
    }

    fn reported(&mut self, report: Report) {
        let now = self.clock.now();
        match report {
            Report::Failing(reason) => {
                self.bridge.handle(Input::StoreFailing(true), now, &mut self.outbox);
                self.figures.store_failing = Some(reason);
                self.publish();
            }
            Report::Done(done) => self.done(done, now),
        }
    }

    fn done(&mut self, mut done: Done, now: Now) {
        self.busy = false;
        if self.figures.store_failing.take().is_some() {
            self.bridge.handle(Input::StoreFailing(false), now, &mut self.outbox);
            tracing::info!("the store takes commits again");
            self.publish();
        }
        for link in std::mem::take(&mut done.unreachable) {
            self.mailboxes.remove(&link);
        }
        for (number, block) in std::mem::take(&mut done.blocks) {
            self.bridge.handle(Input::Read { number, block }, now, &mut self.outbox);
        }
        for (ticket, record) in std::mem::take(&mut done.records) {
            let record = record.map(Box::new);
            self.bridge.handle(Input::Archived { ticket, record }, now, &mut self.outbox);
        }
        let (swept, released) = (done.swept.as_ref(), done.released.as_deref());
        let unfinished = |swept: Option<&Swept>| swept.is_some_and(|swept| !swept.done);
        if unfinished(swept) || unfinished(released) {
            self.next_sweep = now.mono;
        }
        self.unhold |= unfinished(released);
        for swept in [swept, released].into_iter().flatten() {
            self.sweeps.add(swept);
        }
        if let Some(swept) = &done.swept {
            self.figures.overdue = swept.overdue;
        }
        self.figures.add(&done);
    }

    fn publish(&self) {
        let figures = &self.figures;
        let some = |histogram: &Histogram<u64>| (!histogram.is_empty()).then(|| histogram.clone());
        self.pulse.send_replace(Arc::new(Pulse {
            tally: self.bridge.tally(),
            store_failing: figures.store_failing.clone(),
            health: figures.health,
            commits: figures.commits,
            commit_octets: figures.commit_octets,
            flush_us: some(&figures.flush_us),
            commit_size: some(&figures.commit_size),
            swept: figures.swept.clone(),
            overdue: figures.overdue,
            stopping: self.stopping,
        }));
    }
}

impl Figures {
    fn new() -> Self {
        let histogram =
            || Histogram::new_with_max(1 << 40, 2).expect("2 digits up to 2^40 are within what it can hold");
        Self {
            store_failing: None,
            health: Health::default(),
            commits: 0,
            commit_octets: 0,
            flush_us: histogram(),
            commit_size: histogram(),
            swept: Vec::new(),
            overdue: 0,
        }
    }

    fn add(&mut self, done: &Done) {
        self.health = done.health.unwrap_or(self.health);
        if done.commit_us > 0 {
            self.commits += 1;
            self.commit_octets += done.commit_octets;
            self.flush_us.saturating_record(done.commit_us);
            self.commit_size.saturating_record(done.commit_octets);
        }
        for records in done.swept.iter().chain(done.released.as_deref()).flat_map(|swept| &swept.records) {
            match self.swept.iter_mut().find(|(class, _)| *class == records.class) {
                Some((_, count)) => *count += records.records,
                None => self.swept.push((records.class, records.records)),
            }
        }
    }
}
