//! Rules that change while everything runs: who may get whose messages at each moment, kept apart from how the bridge
//! does it; and scenarios.

use std::collections::VecDeque;

use smppgate::bridge::Input;
use smppgate::pdu::Sm;
use smppgate::policy::TransferBasis;

use crate::habits::{change, suits};
use crate::plan::Plan;
use crate::process::enroll;
use crate::queue::{Event, MIN, MS, S};
use crate::rng::Rng;
use crate::route::weights;
use crate::scenes::{DELIVERED, EXPIRED, with_backup};
use crate::world::World;

/// The rules in force, after those that what is on its way to a carrier was decided by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    plans: VecDeque<Plan>,
    /// Whether they are not those of the beginning.
    pub(crate) have_changed: bool,
}

impl Rules {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self { plans: VecDeque::from([plan.clone()]), have_changed: false }
    }

    /// So many more changes reached the bridge, and what it had decided before has left.
    pub(crate) fn took(&mut self, policies: u32) {
        self.plans.drain(..policies as usize);
    }

    /// A process starts, with the newest.
    pub(crate) fn began(&mut self) {
        self.plans.drain(..self.plans.len() - 1);
    }

    /// A message leaves for a carrier: its route has it, and its client accepts it, at this moment.
    pub(crate) fn check(&self, tag: u32, client: usize, country: usize, carrier: u16) {
        let leads = |plan: &Plan| plan.carriers_of(client, country).contains(&carrier);
        let permits = |plan: &Plan| {
            let offer = plan.carriers[usize::from(carrier)].carrier(usize::from(carrier));
            let place = plan.listed().iter().position(|own| *own == carrier);
            place.is_some_and(|place| plan.transfers(&plan.clients[client]).permit(place as u16, &offer).is_ok())
        };
        assert!(self.plans.iter().any(permits), "{tag}: client {client} does not accept carrier {carrier}");
        let fits = |plan: &Plan| leads(plan) && permits(plan);
        assert!(self.plans.iter().any(fits), "{tag}: client {client} has no route by carrier {carrier}");
    }

    /// A message leaves as its carrier wants it at this moment.
    pub(crate) fn check_form(&self, tag: u32, carrier: usize, sm: &Sm<'_>) {
        let suits = |plan: &Plan| suits(&plan.carriers[carrier].carrier(carrier).habits, sm);
        assert!(self.plans.iter().any(suits), "{tag}: carrier {carrier} does not want it so: {sm:?}");
    }
}

/// What a carrier offers.
pub(crate) fn basis(rng: &mut Rng) -> Option<TransferBasis> {
    rng.pick(&[None, Some(TransferBasis::Eea), Some(TransferBasis::Scc), Some(TransferBasis::Scc)])
}

/// What a client asks for: mostly nothing.
pub(crate) fn bases(rng: &mut Rng) -> Option<Vec<TransferBasis>> {
    use TransferBasis::{Eea, Scc};
    rng.pick(&[None, None, None, Some(&[Eea, Scc][..]), Some(&[Scc]), Some(&[Eea])]).map(<[TransferBasis]>::to_vec)
}

impl World {
    /// Changes the rules of the running process, and of those to come.
    pub(crate) fn reload(&mut self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.plan);
        self.ledger.rules.plans.push_back(self.plan.clone());
        self.ledger.rules.have_changed = true;
        let Self { process, store, plan, .. } = self;
        let Some(process) = process else { return self.ledger.rules.began() };
        let policy = plan.policy();
        let enrolled = Box::new(enroll(&policy, store));
        process.inbox.push_back(Input::Policy { policy: Box::new(policy), enrolled });
        self.ctx.after(0, Event::Decide);
    }

    /// An objection comes or goes, a basis changes, a carrier wants something else, a route leads elsewhere, a carrier comes or
    /// goes.
    pub(crate) fn reload_by_chance(&mut self) {
        if self.healed {
            return;
        }
        let mut rng = self.reloads.clone();
        let every = self.plan.reload_every;
        self.ctx.after(rng.within((every / 2, every * 2)), Event::Reload);
        self.ctx.note("other rules", &[]);
        if rng.chance(400) {
            self.change_carriers(&mut rng);
            self.reloads = rng;
            return;
        }
        self.reload(|plan| {
            let carriers = plan.carriers.len() as u64;
            let (client, carrier) = (rng.below(plan.clients.len() as u64), rng.below(carriers));
            let (client, own) = (&mut plan.clients[client as usize], carrier as u16);
            match rng.below(6) {
                0 if client.objects_to.contains(&own) => client.objects_to.retain(|other| *other != own),
                0 => client.objects_to.push(own),
                1 => client.objects_to.clear(),
                2 => client.bases = bases(&mut rng),
                3 => plan.carriers[carrier as usize].basis = basis(&mut rng),
                4 => change(&mut rng, &mut plan.carriers[carrier as usize]),
                _ => {
                    let route = rng.below(plan.routes.len() as u64) as usize;
                    let mut order = plan.listed();
                    let listed = order.len();
                    order.rotate_left(carrier as usize % listed);
                    order.truncate(1 + rng.below(listed as u64) as usize);
                    plan.routes[route].weights = weights(&mut rng, order.len());
                    plan.routes[route].carriers = order;
                }
            }
        });
        self.reloads = rng;
    }
}

#[test]
fn an_objection_sends_what_waits_to_the_other_carrier() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].window = 100;
        plan.routes[0].carriers = vec![0];
    });
    world.carrier_down(0);
    let tags = world.submit(50);
    world.run_for(MIN);
    assert_eq!((world.answered(0), world.left(&tags)), (50, 0));
    world.reload(|plan| {
        plan.routes[0].carriers = vec![0, 1];
        plan.clients[0].objects_to = vec![0];
    });
    world.run_for(2 * S);
    assert_eq!((world.told(&tags, DELIVERED), world.tally().rerouted), (50, 50));
    assert_eq!(world.carriers[1].tags, tags, "in their order");
    world.carrier_up(0);
    let more = world.submit(10);
    world.run_for(S);
    assert_eq!(world.told(&more, DELIVERED), 10);
    assert!(world.carriers[0].seen.is_empty());
    world.finish();
}

#[test]
fn without_a_carrier_that_may_have_them_messages_wait_for_other_rules_or_their_end() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].window = 100;
        plan.clients[0].validity_s = vec![600];
        plan.clients[0].bases = Some(vec![TransferBasis::Eea]);
        plan.carriers[0].basis = Some(TransferBasis::Eea);
        plan.routes[0].carriers = vec![0];
    });
    world.carrier_down(0);
    let first = world.submit(20);
    world.run_for(S);
    world.reload(|plan| plan.carriers[0].basis = Some(TransferBasis::Scc));
    world.carrier_up(0);
    let refused = world.submit(1);
    world.run_for(S);
    assert_eq!((world.left(&first), world.message(refused[0]).id), (0, None));
    world.reload(|plan| plan.carriers[0].basis = Some(TransferBasis::Eea));
    world.run_for(2 * S);
    assert_eq!(world.told(&first, DELIVERED), 20);
    world.carrier_down(0);
    let second = world.submit(20);
    world.run_for(S);
    world.reload(|plan| plan.clients[0].objects_to = vec![0]);
    world.carrier_up(0);
    world.crash();
    world.run_for(20 * MIN);
    assert_eq!((world.told(&second, EXPIRED), world.left(&second)), (20, 0), "also after a restart");
    world.finish();
}

#[test]
fn what_a_carrier_was_handed_stays_with_it_until_it_gives_it_back() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].window = 100;
        plan.carriers[0].window = 4;
        plan.carriers[0].answer_after = (S, S);
        (plan.carriers[0].refuse, plan.carriers[0].statuses) = (1000, vec![0x45]);
        plan.routes[0].carriers = vec![0];
    });
    let tags = world.submit(20);
    world.run_for(500 * MS);
    assert_eq!(world.left(&tags), 4);
    world.reload(|plan| plan.routes[0].carriers = vec![1]);
    world.run_for(2 * MIN);
    assert_eq!((world.carriers[0].seen.len(), world.carriers[1].tags.len()), (4, 20), "those refused go there too");
    assert_eq!(world.told(&tags, DELIVERED), 20);
    world.finish();
}

#[test]
fn rules_that_change_nothing_move_nothing() {
    let mut world = World::calm(with_backup);
    world.carrier_down(0);
    world.carrier_down(1);
    world.submit(20);
    world.run_for(S);
    for rate in 1..20 {
        world.reload(|plan| plan.clients[0].rate = Some(rate));
        world.run_for(S / 10);
    }
    assert_eq!((world.tally().policies, world.tally().rerouted, world.tally().messages_waiting), (19, 0, 20));
    world.finish();
}

#[test]
fn a_hundred_changes_leave_nothing_behind() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].window = 1000;
        plan.carriers[0].basis = Some(TransferBasis::Eea);
    });
    world.carrier_down(0);
    world.carrier_down(1);
    let tags = world.submit(500);
    for round in 0..100_u16 {
        world.reload(|plan| {
            plan.routes[0].carriers = if round % 2 == 0 { vec![1, 0] } else { vec![0, 1] };
            plan.clients[0].objects_to = if round % 3 == 0 { vec![round % 2] } else { Vec::new() };
            plan.carriers[0].basis = basis(&mut Rng::of(u64::from(round), "basis"));
        });
        world.run_for(50 * MS);
    }
    world.reload(|plan| plan.clients[0].objects_to = Vec::new());
    world.carrier_up(0);
    world.carrier_up(1);
    world.run_for(MIN);
    assert_eq!(world.told(&tags, DELIVERED), 500);
    world.finish();
}

#[test]
fn a_large_backlog_is_looked_at_in_steps() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].window = 10_000;
    });
    world.carrier_down(0);
    world.carrier_down(1);
    world.submit(5_000);
    world.run_for(S);
    world.reload(|plan| plan.clients[0].objects_to = vec![0]);
    assert!(world.run_until(S, |world| world.tally().rerouted > 0));
    let first = world.tally().rerouted;
    assert!(first <= 2_000, "{first} in one turn");
    world.run_for(MS);
    assert_eq!((world.tally().rerouted, world.tally().carriers[1].1.backlog), (5_000, 5_000));
    world.finish();
}
