//! The world: the process, its store, clients and carriers, and the order in which things happen to them.

use smppgate::bridge::Input;
use smppgate::store::{MemoryStore, Store, Vault};

use crate::esme::Esme;
use crate::ledger::Ledger;
use crate::link::Link;
use crate::net::Ctx;
use crate::plan::{FaultPlan, Plan};
use crate::process::Process;
use crate::queue::{Event, MS, S};
use crate::reach::Reach;
use crate::rng::Rng;
use crate::rules::Rules;
use crate::smsc::Smsc;

/// Everything.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) ctx: Ctx,
    pub(crate) store: MemoryStore,
    pub(crate) process: Option<Process>,
    pub(crate) clients: Vec<Esme>,
    pub(crate) carriers: Vec<Smsc>,
    pub(crate) ledger: Ledger,
    chaos: Rng,
    pub(crate) reloads: Rng,
    runs: u32,
    /// Longest time from a decision to its effect, over all runs of the process.
    pub(crate) lag: u64,
    /// What processes that are gone counted.
    pub(crate) reach: Reach,
    /// When the process started: each start gives every rate its burst anew.
    pub(crate) starts: Vec<u64>,
    /// Most octets that the store ever held.
    pub(crate) octets_max: u64,
    pub(crate) steps: u64,
    /// From now on nothing goes wrong and nothing changes.
    pub(crate) healed: bool,
}

impl World {
    /// A world at its first instant: the process is up, everybody is about to connect.
    pub(crate) fn new(plan: Plan, shown: bool) -> Self {
        let seed = plan.seed;
        let clients: Vec<Esme> =
            (0..).zip(&plan.clients).map(|(at, client)| Esme::new(at, client.clone(), seed)).collect();
        let carriers: Vec<Smsc> =
            (0..).zip(&plan.carriers).map(|(at, carrier)| Smsc::new(at, carrier.clone(), seed)).collect();
        let loose = plan.is_ambiguous();
        let mut world = Self {
            ctx: Ctx::new(seed, plan.faults.clone(), shown),
            store: MemoryStore::sealed(Vault::in_memory().expect("a vault")),
            process: None,
            clients,
            carriers,
            ledger: Ledger { reused_ids: loose, rules: Rules::of(&plan), ..Ledger::default() },
            chaos: Rng::of(seed, "chaos"),
            reloads: Rng::of(seed, "reloads"),
            runs: 0,
            lag: 0,
            reach: Reach::default(),
            starts: Vec::new(),
            octets_max: 0,
            steps: 0,
            healed: false,
            plan,
        };
        world.ctx.after(0, Event::Start);
        for (esme, client) in world.plan.clients.iter().enumerate() {
            for bind in 0..client.binds.len() {
                world.ctx.after(MS, Event::Connect { esme, bind });
            }
            world.ctx.after(10 * MS, Event::Submit { esme });
        }
        if world.ctx.faults.chaos_every > 0 {
            world.ctx.after(S, Event::Chaos);
        }
        if world.plan.reload_every > 0 {
            world.ctx.after(S, Event::Reload);
        }
        world
    }

    /// Lets virtual time pass.
    pub(crate) fn run_for(&mut self, duration: u64) {
        let end = self.ctx.now + duration;
        while self.step(end) {}
        self.ctx.now = end;
    }

    /// Lets time pass until `done`, at most `most`. Whether it came to that.
    pub(crate) fn run_until(&mut self, most: u64, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.ctx.now + most;
        loop {
            if done(self) {
                return true;
            }
            if !self.step(end) {
                self.ctx.now = end;
                return done(self);
            }
        }
    }

    /// The next thing that happens, if it happens before `end`.
    fn step(&mut self, end: u64) -> bool {
        let wake = self.process.as_mut().and_then(Process::deadline).map(|at| at.max(self.ctx.now));
        let event = self.ctx.queue.next_at();
        let Some(next) = [wake, event].into_iter().flatten().min().filter(|at| *at <= end) else { return false };
        self.ctx.now = next.max(self.ctx.now);
        match self.ctx.queue.take(self.ctx.now) {
            Some(event) => self.happen(event),
            None => self.wake(),
        }
        self.check();
        true
    }

    fn wake(&mut self) {
        let Self { process: Some(process), ctx, plan, ledger, carriers, .. } = self else { return };
        process.pump(ctx, plan, ledger);
        process.decide(ctx, plan, ledger, carriers);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Octets { conn, to_us, octets } => self.octets(conn, to_us, octets),
            Event::Fin { conn, to_us } => self.fin(conn, to_us),
            Event::Dial { carrier, slot } => self.dial(carrier, slot),
            Event::Connect { esme, bind } => self.connect(esme, bind),
            Event::Submit { esme } => {
                let unix = self.ctx.unix();
                self.clients[esme].submit_next(&mut self.ctx, &mut self.ledger, unix);
            }
            Event::Receive { esme, conn, sequence, status } => {
                self.clients[esme].answer(&mut self.ctx, &mut self.ledger, conn, sequence, status);
            }
            Event::Answer { carrier, conn, sequence, status, id } => {
                self.carriers[carrier].answer(&mut self.ctx, conn, sequence, status, &id);
            }
            Event::Report { carrier, report } => self.carriers[carrier].report(&mut self.ctx, report),
            Event::Write { carrier, mobile } => {
                self.carriers[carrier].send_written(&mut self.ctx, &mut self.ledger, mobile);
            }
            Event::Decide => self.wake(),
            Event::Flushed { run } => self.flushed(run),
            Event::Chaos => self.chaos(),
            Event::Reload => self.reload_by_chance(),
            Event::Leave { carrier } => self.leave(carrier),
            Event::Start => self.start(),
        }
    }

    fn flushed(&mut self, run: u32) {
        let Self { process: Some(process), ctx, plan, store, ledger, carriers, .. } = self else { return };
        if process.run == run {
            process.flushed(ctx, plan, store, ledger, carriers);
            self.octets_max = self.octets_max.max(store.health().octets);
        }
    }

    fn octets(&mut self, conn: u64, to_us: bool, octets: Vec<u8>) {
        let Self { process, ctx, plan, ledger, clients, carriers, .. } = self;
        if to_us {
            let Some(process) = process else { return };
            if let Some(link) = process.links.get_mut(&conn) {
                link.arrived(octets);
                process.pump(ctx, plan, ledger);
            }
        } else if let Some(client) = clients.iter_mut().find(|client| client.has(conn)) {
            client.receive(ctx, ledger, conn, &octets);
        } else if let Some(carrier) = carriers.iter_mut().find(|carrier| carrier.has(conn)) {
            carrier.receive(ctx, ledger, conn, &octets);
        }
    }

    fn fin(&mut self, conn: u64, to_us: bool) {
        let Self { process, ctx, plan, ledger, clients, carriers, .. } = self;
        if to_us {
            let Some(process) = process else { return };
            if let Some(link) = process.links.get_mut(&conn) {
                link.lost = true;
                process.pump(ctx, plan, ledger);
            }
        } else {
            clients.iter_mut().for_each(|client| client.closed(ctx, conn));
            carriers.iter_mut().for_each(|carrier| carrier.closed(ctx, conn));
        }
    }

    fn dial(&mut self, carrier: usize, slot: usize) {
        let Self { process: Some(process), ctx, plan, ledger, carriers, .. } = self else { return };
        let is_listed = !plan.absent.contains(&(carrier as u16));
        if process.stopping || !is_listed || process.has_slot(carrier, slot) {
            return;
        }
        if !carriers[carrier].plan.up || ctx.now < carriers[carrier].mute_until {
            ctx.after(S, Event::Dial { carrier, slot });
            return;
        }
        let conn = ctx.connection();
        carriers[carrier].accept(conn);
        let now = process.mono(ctx.now);
        process.links.insert(conn, Link::to_carrier(conn, carrier, slot, plan, now));
        process.pump(ctx, plan, ledger);
    }

    fn connect(&mut self, esme: usize, bind: usize) {
        let Self { process, ctx, plan, clients, .. } = self;
        let Some(process) = process.as_mut().filter(|process| !process.stopping) else {
            ctx.after(S, Event::Connect { esme, bind });
            return;
        };
        let conn = ctx.connection();
        let now = process.mono(ctx.now);
        process.links.insert(conn, Link::of_client(conn, plan, now));
        clients[esme].connected(ctx, bind, conn);
    }

    pub(crate) fn start(&mut self) {
        let Self { ctx, plan, store, ledger, runs, starts, .. } = self;
        *runs += 1;
        starts.push(ctx.now);
        self.process = Some(Process::start(ctx, *runs, plan, store, ledger));
        ledger.rules.began();
        for (carrier, of) in plan.carriers.iter().enumerate() {
            for slot in 0..of.links.len() {
                ctx.after(0, Event::Dial { carrier, slot });
            }
        }
    }

    /// Something goes wrong.
    fn chaos(&mut self) {
        let every = self.ctx.faults.chaos_every;
        if every == 0 {
            return;
        }
        let pause = self.chaos.within((every / 2, every * 2));
        self.ctx.after(pause, Event::Chaos);
        let faults = self.ctx.faults.clone();
        if self.chaos.chance(faults.crash) {
            self.crash();
        } else if self.chaos.chance(faults.reset) {
            self.reset();
        } else if self.chaos.chance(faults.carrier_dies) {
            let carrier = self.chaos.below(self.carriers.len() as u64) as usize;
            let until = self.ctx.now + self.chaos.within((S, 60 * S));
            self.ctx.note("a carrier falls silent", &[carrier as u64]);
            self.carriers[carrier].mute_until = until;
        } else if self.chaos.chance(faults.clock_jump) {
            let jump = self.chaos.within((0, 7_200_000)).cast_signed() - 3_600_000;
            self.ctx.note("the clock jumps", &[jump.unsigned_abs()]);
            self.ctx.skew_ms += jump;
        }
    }

    /// The process dies and comes back by itself.
    pub(crate) fn crash(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        self.lag = self.lag.max(process.lag);
        self.reach.add(&process);
        self.reach.crashes += 1;
        let downtime = process.downtime();
        process.crash(&mut self.ctx, &mut self.store, &mut self.ledger);
        self.ctx.after(downtime.as_micros() as u64, Event::Start);
    }

    fn reset(&mut self) {
        let Some(process) = &self.process else { return };
        let conns: Vec<u64> = process.links.keys().copied().collect();
        if !conns.is_empty() {
            let conn = self.chaos.pick(&conns);
            self.ctx.note("reset", &[conn]);
            self.ctx.break_off(conn);
        }
    }

    /// No new faults, and everybody behaves.
    pub(crate) fn heal(&mut self) {
        self.ctx.note("heal", &[]);
        self.ctx.faults = FaultPlan { latency: self.ctx.faults.latency, ..FaultPlan::calm() };
        self.healed = true;
        for client in &mut self.clients {
            let plan = &mut client.plan;
            (plan.messages, plan.quit, plan.reconnect_after) = (0, 0, (30 * S, 60 * S));
            (plan.answer_never, plan.answer_later, plan.answer_refuse) = (0, 0, 0);
        }
        for carrier in &mut self.carriers {
            let plan = &mut carrier.plan;
            (plan.up, plan.mute, plan.capacity) = (true, false, None);
            (plan.refuse, plan.refuse_bind, plan.answer_late, plan.answer_never) = (0, 0, 0, 0);
            carrier.mute_until = 0;
        }
        self.return_carriers();
    }

    /// Asks the process to stop and takes it down once it has drained.
    pub(crate) fn stop(&mut self) {
        let Some(process) = &mut self.process else { return };
        process.inbox.push_back(Input::Stop);
        self.wake();
        let drained = self.run_until(120 * S, |world| {
            let Self { process: Some(process), ctx, .. } = world else { return true };
            process.bridge.is_quiet() && process.is_settled(ctx)
        });
        assert!(drained, "a stop ends");
        self.take_down();
    }

    /// The process is gone, with everything flushed.
    fn take_down(&mut self) {
        let Some(process) = self.process.take() else { return };
        self.lag = self.lag.max(process.lag);
        self.reach.add(&process);
        for conn in process.links.keys() {
            self.ctx.break_off(*conn);
        }
        // A new process knows nothing of what the last one had under way.
        self.ledger.crashed();
    }
}
