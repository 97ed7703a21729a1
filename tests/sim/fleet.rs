//! Carriers that come and go, change their place in the file and have their links renewed while everything runs: what a plan
//! means then, how our links follow, and scenarios.

use smppgate::policy::{OnUnknown, Transfers};

use crate::plan::{ClientPlan, Plan};
use crate::queue::{Event, MIN, MS, S};
use crate::rng::Rng;
use crate::route::RoutePlan;
use crate::scenes::{DELETED, DELIVERED, EXPIRED, to, with_backup};
use crate::world::World;

impl Plan {
    /// The carriers in the file, in its order.
    pub(crate) fn listed(&self) -> Vec<u16> {
        let mut listed: Vec<u16> = (0..self.carriers.len() as u16).collect();
        listed.rotate_left(self.turned % self.carriers.len());
        listed.retain(|carrier| !self.absent.contains(carrier));
        listed
    }

    /// Routes with a carrier that is in the file; the others are left out of it.
    pub(crate) fn open_routes(&self) -> impl Iterator<Item = &RoutePlan> {
        self.routes.iter().filter(|route| route.carriers.iter().any(|carrier| !self.absent.contains(carrier)))
    }

    /// What a client asks for, by places in the file.
    pub(crate) fn transfers(&self, client: &ClientPlan) -> Transfers {
        let listed = (0u16..).zip(self.listed());
        let objections = listed.filter(|(_, carrier)| client.objects_to.contains(carrier)).map(|(place, _)| place);
        Transfers { bases: client.bases.clone(), objections: objections.collect() }
    }

    /// Whether every route has a carrier without this one.
    fn can_do_without(&self, carrier: u16) -> bool {
        let is_other = |own: &u16| *own != carrier && !self.absent.contains(own);
        self.routes.iter().all(|route| route.carriers.iter().any(is_other))
    }
}

impl World {
    /// The file has one carrier less; its links answer what is open and unbind.
    pub(crate) fn remove_carrier(&mut self, carrier: u16) {
        self.reload(|plan| plan.absent.push(carrier));
        self.ctx.after(0, Event::Leave { carrier: usize::from(carrier) });
    }

    /// It is in the file again.
    pub(crate) fn return_carrier(&mut self, carrier: u16) {
        self.reload(|plan| plan.absent.retain(|other| *other != carrier));
        for slot in 0..self.plan.carriers[usize::from(carrier)].links.len() {
            self.ctx.after(MS, Event::Dial { carrier: usize::from(carrier), slot });
        }
    }

    /// The links of a carrier leave; those of one that is in the file are dialled again.
    pub(crate) fn leave(&mut self, carrier: usize) {
        let Self { process: Some(process), ctx, plan, ledger, .. } = self else { return };
        let now = process.mono(ctx.now);
        process.links.values_mut().filter(|link| link.is_of(carrier)).for_each(|link| link.leave(now));
        process.pump(ctx, plan, ledger);
    }

    /// A carrier comes or goes, all change their places, or one has its links renewed.
    pub(crate) fn change_carriers(&mut self, rng: &mut Rng) {
        let carrier = rng.below(self.plan.carriers.len() as u64) as u16;
        let is_there = !self.plan.absent.contains(&carrier);
        match rng.below(3) {
            0 => self.reload(|plan| plan.turned += 1),
            1 if is_there => {
                let wider = rng.pick(&[1, 5, 20]);
                self.reload(|plan| plan.carriers[usize::from(carrier)].window += wider);
                self.ctx.after(rng.within((0, 500 * MS)), Event::Leave { carrier: usize::from(carrier) });
            }
            _ if !is_there => self.return_carrier(carrier),
            _ if self.plan.can_do_without(carrier) => {
                self.reach.departed += 1;
                self.remove_carrier(carrier);
            }
            _ => {}
        }
    }

    /// Every carrier is in the file.
    pub(crate) fn return_carriers(&mut self) {
        for carrier in self.plan.absent.clone() {
            self.return_carrier(carrier);
        }
    }
}

/// `message_state` of what nobody tells the end of.
const UNKNOWN: u8 = 7;

/// Two carriers; the first answers after a second, and its receipts take longer.
fn with_slow_carrier(plan: &mut Plan) {
    with_backup(plan);
    plan.clients[0].window = 100;
    plan.carriers[0].window = 4;
    plan.carriers[0].answer_after = (S, S);
    plan.carriers[0].receipt_after = (10 * S, 10 * S);
    plan.routes[0].carriers = vec![0, 1];
}

#[test]
fn a_carrier_that_is_removed_keeps_what_it_has_and_tells_of_it_when_it_is_back() {
    let mut world = World::calm(with_slow_carrier);
    let tags = world.submit(20);
    world.run_for(500 * MS);
    assert_eq!(world.left(&tags), 4);
    world.remove_carrier(0);
    world.run_for(5 * S);
    assert_eq!((world.carriers[0].tags.len(), world.carriers[1].tags.len()), (4, 16));
    assert_eq!((world.told(&tags, DELIVERED), world.carriers[0].connections().len()), (16, 0), "its links are gone");
    world.run_for(MIN);
    let more = world.submit(5);
    world.run_for(5 * S);
    assert_eq!((world.told(&more, DELIVERED), world.told(&tags, DELIVERED)), (5, 16));
    world.return_carrier(0);
    world.run_for(MIN);
    assert_eq!(world.told(&tags, DELIVERED), 20, "known by its name");
    world.finish();
}

#[test]
fn without_their_only_carrier_messages_wait_as_without_a_route() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].window = 100;
        plan.clients[0].validity_s = vec![600];
        plan.routes = vec![to("NO", None)];
    });
    world.carrier_down(0);
    let (first, second) = (world.submit(10), world.submit(10));
    world.run_for(S);
    world.remove_carrier(0);
    let refused = world.submit(1);
    world.run_for(MIN);
    assert_eq!((world.left(&first), world.message(refused[0]).id), (0, None));
    world.recall(&second, 1);
    world.run_for(S);
    world.return_carrier(0);
    world.carrier_up(0);
    assert_eq!((world.told(&first, DELIVERED), world.told(&second, DELETED)), (10, 10));
    world.carrier_down(0);
    let third = world.submit(10);
    world.run_for(S);
    world.remove_carrier(0);
    world.carriers[0].plan.up = true;
    world.run_for(20 * MIN);
    assert_eq!((world.told(&third, EXPIRED), world.left(&third)), (10, 0));
    world.return_carrier(0);
    world.finish();
}

#[test]
fn places_in_the_file_mean_nothing() {
    let mut world = World::calm(|plan| {
        with_slow_carrier(plan);
        plan.carriers.push(plan.carriers[1].clone());
        plan.carriers[2].first_id = 9_000_000;
        plan.clients[0].objects_to = vec![1];
        plan.routes[0].carriers = vec![0, 1, 2];
    });
    let tags = world.submit(50);
    for _ in 0..10 {
        world.run_for(200 * MS);
        world.reload(|plan| plan.turned += 1);
    }
    assert_eq!(world.tally().rerouted, 0);
    world.run_for(MIN);
    assert_eq!((world.told(&tags, DELIVERED), world.carriers[0].tags.len()), (50, 50));
    world.carrier_down(0);
    let more = world.submit(5);
    world.run_for(MIN);
    assert_eq!((world.told(&more, DELIVERED), world.carriers[1].tags.len()), (5, 0), "which it still objects to");
    world.finish();
}

#[test]
fn links_that_are_renewed_under_traffic_lose_nothing_and_send_nothing_twice() {
    let mut world = World::calm(|plan| {
        with_slow_carrier(plan);
        plan.carriers[0].links = vec![smppgate::session::BindMode::Transceiver; 2];
        plan.carriers[0].receipt_after = (100 * MS, 100 * MS);
        plan.routes[0].carriers = vec![0];
    });
    let tags = world.submit(60);
    for window in [8, 2, 16] {
        world.run_for(1500 * MS);
        world.reload(|plan| plan.carriers[0].window = window);
        world.leave(0);
    }
    world.run_for(2 * MIN);
    assert_eq!((world.told(&tags, DELIVERED), world.carriers[0].tags.len()), (60, 60));
    assert_eq!(world.tally().carriers[0].1.window, 32, "each link has the window that it was dialled with");
    world.finish();
}

#[test]
fn a_hundred_comings_and_goings_leave_nothing_behind() {
    let mut world = World::calm(|plan| {
        with_slow_carrier(plan);
        plan.carriers[0].answer_after = (20 * MS, 20 * MS);
    });
    let tags = world.submit(500);
    for round in 0..50_u64 {
        world.remove_carrier(0);
        world.run_for(round % 7 * 10 * MS);
        world.return_carrier(0);
        world.run_for(round % 11 * 10 * MS);
    }
    world.run_for(MIN);
    assert_eq!(world.told(&tags, DELIVERED), 500);
    assert!(
        world.process.as_ref().is_some_and(|process| process.links.len() == 3),
        "a client, and a link to each carrier"
    );
    world.finish();
}

#[test]
fn what_must_not_go_twice_does_not_although_its_carrier_is_gone_after_a_crash() {
    let mut world = World::calm(|plan| {
        with_slow_carrier(plan);
        plan.carriers[0].answer_never = 1000;
        plan.carriers[0].on_unknown = OnUnknown::Fail;
    });
    let tags = world.submit(4);
    world.run_for(S);
    assert_eq!(world.left(&tags), 4);
    world.remove_carrier(0);
    world.crash();
    world.run_for(MIN);
    assert_eq!((world.told(&tags, UNKNOWN), world.carriers[1].tags.len()), (4, 0));
    world.finish();
}
