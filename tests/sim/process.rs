//! The process: the real bridge with its inbox, our ends of all connections, and a model of the rim and of the journal's
//! thread. All of it is gone after a crash, but for what the store kept.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use smppgate::bridge::{Bridge, Input, Lookup, Outbox};
use smppgate::clock::{Mono, Now};
use smppgate::policy::Policy;
use smppgate::session::Parcel;
use smppgate::store::memory::Script;
use smppgate::store::{Commit, Durability, Enrolled, Fault, MemoryStore, Store};

use crate::ledger::Ledger;
use crate::link::{Link, Side};
use crate::net::Ctx;
use crate::plan::Plan;
use crate::queue::{Event, MS, S};
use crate::rng::Rng;
use crate::smsc::Smsc;

/// Letters taken from the inbox before a turn.
const LETTERS: usize = 64;
/// Between two sweeps that found nothing more to forget.
const SWEEP_REST: u64 = 60 * S;
/// Archive blocks dropped in one order.
const SWEEP_BLOCKS: usize = 16;
/// Turns in one instant beyond which the bridge wakes itself for nothing.
const IDLE_TURNS: u32 = 200;

/// What the journal is doing.
struct Order {
    commit: Commit,
    then: Vec<(u64, Parcel)>,
    reads: Vec<u64>,
    lookups: Vec<Lookup>,
    sweep: bool,
    /// When the first fact of it may have been written.
    opened: u64,
    wait: u64,
    /// Policies of which all that was decided before leaves with this order.
    policies: u32,
}

/// The process.
pub(crate) struct Process {
    /// Counts the starts.
    pub(crate) run: u32,
    /// When it started.
    since: u64,
    pub(crate) bridge: Bridge,
    outbox: Outbox,
    pub(crate) inbox: VecDeque<Input>,
    pub(crate) links: BTreeMap<u64, Link>,
    busy: Option<Order>,
    failing: bool,
    next_sweep: u64,
    pub(crate) stopping: bool,
    deciding: bool,
    opened: u64,
    /// Longest time from a decision to its effect.
    pub(crate) lag: u64,
    /// Commits stored.
    pub(crate) commits: u64,
    /// Blocks read back.
    pub(crate) reads: u64,
    turns_at: (u64, u32),
    /// Policies that the bridge took since the last order.
    policies: u32,
    disk: Rng,
}

/// The numbers of a policy's names.
pub(crate) fn enroll(policy: &Policy, store: &mut MemoryStore) -> Enrolled {
    let accounts: Vec<&str> = policy.accounts.iter().map(|account| account.system_id.as_str()).collect();
    let carriers: Vec<&str> = policy.carriers.iter().map(|carrier| carrier.name.as_str()).collect();
    store.enroll(&accounts, &carriers).expect("nothing is scripted")
}

impl Process {
    /// Starts on what the store holds.
    pub(crate) fn start(ctx: &mut Ctx, run: u32, plan: &Plan, store: &mut MemoryStore, ledger: &mut Ledger) -> Self {
        let policy = plan.policy();
        let enrolled = enroll(&policy, store);
        let mut bridge = Bridge::new(policy.clone(), &enrolled, plan.backlog_max, plan.seed ^ u64::from(run));
        bridge = bridge.with_room(plan.room);
        let mut blocks = Vec::new();
        let recovered = store.recover(&mut |block, _| blocks.push(block)).expect("a whole store");
        ledger.durable(&blocks);
        for block in &blocks {
            bridge.replay(block).expect("a whole block");
        }
        let now = Now { mono: Mono(0), unix: ctx.unix() };
        let found = bridge.recovered(&recovered, now);
        ctx.note("start", &[u64::from(run), found.waiting, found.sent, found.owed, found.settled]);
        Self {
            run,
            since: ctx.now,
            bridge,
            outbox: Outbox::default(),
            inbox: VecDeque::new(),
            links: BTreeMap::new(),
            busy: None,
            failing: false,
            next_sweep: ctx.now,
            stopping: false,
            deciding: false,
            opened: ctx.now,
            lag: 0,
            commits: 0,
            reads: 0,
            turns_at: (0, 0),
            policies: 0,
            disk: Rng::of(plan.seed, &format!("disk {run}")),
        }
    }

    pub(crate) fn now(&self, ctx: &Ctx) -> Now {
        Now { mono: self.mono(ctx.now), unix: ctx.unix() }
    }

    pub(crate) fn mono(&self, at: u64) -> Mono {
        Mono(at - self.since)
    }

    /// When something is due although nothing arrives.
    pub(crate) fn deadline(&mut self) -> Option<u64> {
        let seal = if self.busy.is_none() { self.bridge.seal_deadline() } else { None };
        let links = self.links.values().filter_map(Link::deadline).min();
        let sweep = (self.busy.is_none() && !self.failing && !self.stopping).then_some(self.next_sweep);
        let bridge = [self.bridge.deadline(), seal, links].into_iter().flatten().min().map(|at| at.0 + self.since);
        [bridge, sweep].into_iter().flatten().min()
    }

    /// Whether nothing is under way between links, bridge and journal.
    pub(crate) fn is_settled(&mut self, ctx: &Ctx) -> bool {
        let now = self.now(ctx);
        self.inbox.is_empty() && self.busy.is_none() && !self.bridge.has_commit(now, &self.outbox)
    }

    /// The bridge takes letters, and everything follows from that.
    pub(crate) fn decide(&mut self, ctx: &mut Ctx, plan: &Plan, ledger: &mut Ledger, smscs: &[Smsc]) {
        self.deciding = false;
        let now = self.now(ctx);
        self.turns_at = if self.turns_at.0 == ctx.now { (ctx.now, self.turns_at.1 + 1) } else { (ctx.now, 0) };
        assert!(self.turns_at.1 < IDLE_TURNS || !self.inbox.is_empty(), "the bridge wakes itself for nothing");
        if !self.bridge.is_full() {
            for _ in 0..LETTERS {
                let Some(input) = self.inbox.pop_front() else { break };
                self.stopping |= matches!(input, Input::Stop);
                self.policies += u32::from(matches!(input, Input::Policy { .. }));
                self.bridge.handle(input, now, &mut self.outbox);
            }
        }
        self.bridge.turn(now, &mut self.outbox);
        for (link, parcel) in self.outbox.now.take() {
            self.dispatch(ctx, ledger, smscs, link.0, parcel);
        }
        self.order(ctx);
        self.pump(ctx, plan, ledger);
    }

    /// Gives the journal its next order, if it is free and there is one.
    fn order(&mut self, ctx: &mut Ctx) {
        let now = self.now(ctx);
        let sweep = ctx.now >= self.next_sweep && !self.failing && !self.stopping;
        let asks = !self.outbox.reads.is_empty() || !self.outbox.lookups.is_empty();
        let asks = asks || self.policies > 0;
        let wanted = sweep || asks || self.bridge.has_commit(now, &self.outbox);
        if self.busy.is_some() || !wanted {
            return;
        }
        let blocks = self.bridge.close_commit(now, &mut self.outbox);
        let commit = Commit {
            blocks,
            archive: std::mem::take(&mut self.outbox.archive),
            cut: std::mem::take(&mut self.outbox.cut),
            opt_outs: std::mem::take(&mut self.outbox.opt_outs),
        };
        if sweep {
            self.next_sweep = ctx.now + SWEEP_REST;
        }
        let then = self.outbox.then.take().into_iter().map(|(link, parcel)| (link.0, parcel)).collect();
        let reads = std::mem::take(&mut self.outbox.reads);
        let lookups = std::mem::take(&mut self.outbox.lookups);
        let empty = commit == Commit::default();
        let opened = std::mem::replace(&mut self.opened, ctx.now);
        ctx.note("order", &[commit.blocks.len() as u64, commit.cut.len() as u64, reads.len() as u64]);
        let policies = std::mem::take(&mut self.policies);
        self.busy = Some(Order { commit, then, reads, lookups, sweep, opened, wait: 100 * MS, policies });
        let slow = self.disk.chance(ctx.faults.slow);
        let range = if slow { ctx.faults.slow_flush } else { ctx.faults.flush };
        let delay = if empty { 0 } else { self.disk.within(range) };
        ctx.after(delay, Event::Flushed { run: self.run });
    }

    /// The flush ended: effects follow, or the same commit is tried again.
    pub(crate) fn flushed(
        &mut self,
        ctx: &mut Ctx,
        plan: &Plan,
        store: &mut MemoryStore,
        ledger: &mut Ledger,
        smscs: &[Smsc],
    ) {
        let Some(mut order) = self.busy.take() else { return };
        let now = self.now(ctx);
        if order.commit != Commit::default() {
            if self.disk.chance(ctx.faults.fail) {
                store.script([self.fault()]);
            }
            if store.commit(&order.commit, Durability::Flushed).is_err() {
                ctx.note("the flush failed", &[]);
                self.bridge.handle(Input::StoreFailing(true), now, &mut self.outbox);
                self.failing = true;
                ctx.after(order.wait, Event::Flushed { run: self.run });
                order.wait = (order.wait * 2).min(2 * S);
                self.busy = Some(order);
                return self.decide(ctx, plan, ledger, smscs);
            }
            self.commits += 1;
            ledger.durable(&order.commit.blocks);
        }
        self.lag = self.lag.max(ctx.now - order.opened);
        for (link, parcel) in order.then {
            self.dispatch(ctx, ledger, smscs, link, parcel);
        }
        ledger.rules.took(order.policies);
        if std::mem::take(&mut self.failing) {
            self.bridge.handle(Input::StoreFailing(false), now, &mut self.outbox);
        }
        self.reads += order.reads.len() as u64;
        for number in order.reads {
            let block = store.read(number).expect("a whole store").filter(|_| !ctx.loses_blocks);
            self.bridge.handle(Input::Read { number, block }, now, &mut self.outbox);
        }
        for lookup in order.lookups {
            let record = lookup.run(|id| store.archived(id).expect("a whole store")).map(Box::new);
            self.bridge.handle(Input::Archived { ticket: lookup.ticket, record }, now, &mut self.outbox);
        }
        if order.sweep && !store.sweep(ctx.unix(), SWEEP_BLOCKS).expect("nothing is scripted").done {
            self.next_sweep = ctx.now;
        }
        self.decide(ctx, plan, ledger, smscs);
    }

    fn fault(&mut self) -> Script {
        let fault = Fault::Full { doing: "storing a commit" };
        match self.disk.below(4) {
            0 => Script::Refuse(fault),
            1 => Script::Tear(fault),
            2 => Script::Unflushed(fault),
            _ => Script::Unreported(fault),
        }
    }

    fn dispatch(&mut self, ctx: &mut Ctx, ledger: &mut Ledger, smscs: &[Smsc], link: u64, parcel: Parcel) {
        let now = self.mono(ctx.now);
        let Some(entry) = self.links.get_mut(&link) else { return };
        let wire = entry.dispatch(parcel, ctx.now, now, ledger);
        if let Side::Carrier { carrier, .. } = entry.side {
            for sequence in Link::receipts_taken(&wire) {
                if let Some(report) = smscs[carrier].report_of(link, sequence) {
                    ledger.receipt_acknowledged(carrier as u16, &report.id, report.tag, report.state);
                }
                if let Some(tag) = smscs[carrier].mobile_of(link, sequence) {
                    ledger.mobile_acknowledged(tag);
                }
            }
        }
    }

    /// Lets every link do what it can.
    pub(crate) fn pump(&mut self, ctx: &mut Ctx, plan: &Plan, ledger: &mut Ledger) {
        let now = self.mono(ctx.now);
        let mut ended = Vec::new();
        for (conn, link) in &mut self.links {
            if link.pump(now, plan, ledger, &mut self.inbox) {
                ended.push(*conn);
            }
            let out = link.out.split();
            ctx.send(*conn, false, &out);
        }
        for conn in ended {
            let link = self.links.remove(&conn).expect("it ended just now");
            ctx.note("link ended", &[conn]);
            if !link.lost {
                ctx.close(conn, false);
            }
            if let Side::Carrier { carrier, slot, .. } = link.side {
                ctx.after(S + self.disk.below(2 * S), Event::Dial { carrier, slot });
            }
        }
        if !self.inbox.is_empty() && !self.deciding {
            self.deciding = true;
            let delay = self.disk.within(ctx.faults.decide_after);
            ctx.after(delay, Event::Decide);
        }
    }

    /// It dies. What the disk had of the commit under way is chance.
    pub(crate) fn crash(mut self, ctx: &mut Ctx, store: &mut MemoryStore, ledger: &mut Ledger) {
        ctx.note("crash", &[u64::from(self.run)]);
        if let Some(order) = self.busy.take()
            && order.commit != Commit::default()
            && self.disk.chance(700)
        {
            let fault = self.fault();
            store.script([fault]);
            assert!(store.commit(&order.commit, Durability::Flushed).is_err(), "it died before it knew");
        }
        let kept = self.disk.below(store.unflushed() as u64 + 1) as usize;
        store.crash_keeping(kept);
        ledger.crashed();
        for conn in self.links.keys() {
            ctx.queue.drop_where(|event| {
                matches!(event, Event::Octets { conn: of, to_us: true, .. } | Event::Fin { conn: of, to_us: true } if of == conn)
            });
            ctx.close(*conn, false);
        }
    }

    /// Whether a link to this carrier is up or on its way.
    pub(crate) fn has_slot(&self, carrier: usize, slot: usize) -> bool {
        let same = |side: Side| matches!(side, Side::Carrier { carrier: c, slot: s, .. } if (c, s) == (carrier, slot));
        self.links.values().any(|link| same(link.side))
    }

    /// How long a crashed process stays away.
    pub(crate) fn downtime(&mut self) -> Duration {
        Duration::from_millis(self.disk.within((10, 5000)))
    }
}
