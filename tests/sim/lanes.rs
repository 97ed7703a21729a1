//! Which carrier gets what: breakers, weights and rules, and that one country does not wait for another.

use smppgate::policy::BreakerState;

use crate::plan::Plan;
use crate::queue::{MIN, MS, S};
use crate::scenes::{DELIVERED, to, with_backup};
use crate::world::World;

/// Of the first carrier.
fn breaker(world: &World) -> BreakerState {
    world.tally().carriers[0].1.breaker
}

/// How many `submit_sm` a carrier got.
fn seen(world: &World, carrier: usize) -> usize {
    world.carriers[carrier].seen.len()
}

#[test]
fn a_carrier_that_fails_gets_single_messages_until_it_takes_one() {
    let mut world = World::calm(|plan| {
        with_backup(plan);
        plan.clients[0].window = 100;
        (plan.carriers[0].refuse, plan.carriers[0].statuses) = (1000, vec![0x08]);
    });
    let tags = world.submit(20);
    world.run_for(S);
    assert_eq!(breaker(&world), BreakerState::Closed, "what fails together is one failure");
    world.run_for(9 * S);
    assert_eq!(breaker(&world), BreakerState::Open);
    world.run_for(10 * S);
    assert_eq!(world.told(&tags, DELIVERED), 20, "the next carrier takes them");
    let before = seen(&world, 0);
    world.run_for(15 * S);
    assert_eq!((breaker(&world), seen(&world, 0)), (BreakerState::HalfOpen, before));
    let probe = world.submit(1);
    world.run_for(S);
    assert_eq!((breaker(&world), seen(&world, 0)), (BreakerState::Open, before + 1));
    world.run_for(20 * S);
    assert_eq!(world.told(&probe, DELIVERED), 1, "a probe that fails goes on as any message");
    world.run_for(MIN);
    world.carriers[0].plan.refuse = 0;
    world.carriers[0].plan.answer_after = (S, S);
    let backup = seen(&world, 1);
    let tags = world.submit(10);
    world.run_for(S / 2);
    assert_eq!((seen(&world, 0), seen(&world, 1)), (before + 2, backup + 9), "the others do not wait for the probe");
    world.run_for(S);
    assert_eq!(breaker(&world), BreakerState::Closed);
    let more = world.submit(5);
    world.run_for(5 * S);
    assert_eq!((seen(&world, 0), seen(&world, 1)), (before + 7, backup + 9));
    assert_eq!((world.told(&tags, DELIVERED), world.told(&more, DELIVERED)), (10, 5));
    world.finish();
}

#[test]
fn without_another_carrier_messages_wait_until_a_probe_passes() {
    let mut world = World::calm(|plan| {
        plan.clients[0].window = 100;
        plan.carriers[0].breaker.probes = 3;
    });
    world.carriers[0].plan.mute = true;
    let tags = world.submit(50);
    world.run_for(12 * S);
    assert_eq!(breaker(&world), BreakerState::Open);
    world.carriers[0].plan.mute = false;
    world.carriers[0].plan.answer_after = (S, S);
    let before = seen(&world, 0);
    world.run_until(MIN, |world| breaker(world) == BreakerState::HalfOpen);
    world.run_for(S / 2);
    assert_eq!((breaker(&world), seen(&world, 0)), (BreakerState::HalfOpen, before + 3), "three are tried");
    world.run_for(MIN);
    assert_eq!((breaker(&world), world.told(&tags, DELIVERED)), (BreakerState::Closed, 50));
    world.finish();
}

#[test]
fn a_carrier_that_refuses_binds_or_drops_links_is_tried_with_one_message() {
    let mut world = World::calm(|plan| {
        plan.clients[0].window = 100;
        plan.carriers[0].breaker.failures = 3;
    });
    world.carriers[0].plan.refuse_bind = 1000;
    world.carrier_down(0);
    world.carriers[0].plan.up = true;
    let tags = world.submit(20);
    world.run_until(MIN, |world| breaker(world) == BreakerState::Open);
    world.run_until(MIN, |world| breaker(world) == BreakerState::HalfOpen);
    world.carriers[0].plan.refuse_bind = 0;
    world.carriers[0].plan.answer_after = (S, S);
    world.run_until(MIN, |world| seen(world, 0) > 0);
    world.run_for(S / 2);
    assert_eq!(seen(&world, 0), 1);
    world.run_for(MIN);
    assert_eq!((breaker(&world), world.told(&tags, DELIVERED)), (BreakerState::Closed, 20));
    // Links that break under messages, again and again, without an answer between.
    world.carriers[0].plan.answer_never = 1000;
    for _ in 0..3 {
        world.submit(1);
        world.run_for(S);
        world.carrier_down(0);
        world.carrier_up(0);
    }
    assert_eq!(breaker(&world), BreakerState::Open);
    world.finish();
}

/// Three carriers: two equals at 3 to 1, and one behind them.
fn with_equals(plan: &mut Plan) {
    plan.clients[0].window = 200;
    for first_id in [5_000_000, 9_000_000] {
        plan.carriers.push(plan.carriers[0].clone());
        plan.carriers[plan.routes[0].carriers.len()].first_id = first_id;
        plan.routes[0].carriers.push(plan.carriers.len() as u16 - 1);
    }
    plan.routes[0].weights = vec![3, 1];
}

#[test]
fn equals_share_by_weight_and_the_next_tier_is_for_when_both_are_away() {
    let mut world = World::calm(with_equals);
    let mut tags = world.submit(100);
    world.run_for(5 * S);
    assert_eq!([0, 1, 2].map(|carrier| seen(&world, carrier)), [75, 25, 0]);
    world.carrier_down(0);
    tags.extend(world.submit(20));
    world.run_for(5 * S);
    assert_eq!([0, 1, 2].map(|carrier| seen(&world, carrier)), [75, 45, 0], "the other one takes all");
    world.carrier_down(1);
    tags.extend(world.submit(20));
    world.run_for(5 * S);
    assert_eq!([0, 1, 2].map(|carrier| seen(&world, carrier)), [75, 45, 20]);
    world.carrier_up(0);
    world.carrier_up(1);
    tags.extend(world.submit(40));
    world.run_for(5 * S);
    assert_eq!([0, 1, 2].map(|carrier| seen(&world, carrier)), [105, 55, 20], "as before");
    assert_eq!(world.told(&tags, DELIVERED), tags.len());
    world.finish();
}

#[test]
fn an_equal_that_refuses_is_left_for_the_other_and_then_for_the_next_tier() {
    let mut world = World::calm(|plan| {
        with_equals(plan);
        for carrier in 0..2 {
            (plan.carriers[carrier].refuse, plan.carriers[carrier].statuses) = (1000, vec![0x45]);
            plan.carriers[carrier].breaker.failures = 0;
        }
    });
    let tags = world.submit(8);
    world.run_for(20 * S);
    // Those that wait to be tried again keep their places across a crash.
    world.crash();
    world.run_for(5 * MIN);
    assert_eq!(world.told(&tags, DELIVERED), 8);
    let mut third = world.carriers[2].tags.clone();
    third.sort_unstable();
    assert_eq!(third, tags);
    for tag in &tags {
        let at = |carrier: usize| world.carriers[carrier].tags.iter().filter(|other| *other == tag).count();
        assert!(at(0) > 0 && at(1) > 0, "{tag} was tried at both");
    }
    world.finish();
}

#[test]
fn a_slow_equal_does_not_delay_the_other() {
    let mut world = World::calm(|plan| {
        with_equals(plan);
        plan.routes[0].weights = vec![1, 1];
        plan.carriers[0].rate = Some(1);
    });
    world.submit(100);
    world.run_for(2 * S);
    assert_eq!(seen(&world, 1), 50);
    assert!(seen(&world, 0) <= 3, "{}", seen(&world, 0));
    world.run_for(2 * MIN);
    world.finish();
}

/// Microseconds from submit to departure of the second country's messages, one each 50 ms for two minutes: its 50th and 99th
/// percentile. The first country gets one a second, and so many of its messages wait.
fn delays(waiting: u32) -> (u64, u64) {
    let mut world = World::calm(|plan: &mut Plan| {
        plan.routes = vec![to("NO", Some(1)), to("SE", None)];
        (plan.clients[0].window, plan.backlog_max) = (2000, 200_000);
        plan.carriers[0].window = 50;
        (plan.faults.latency, plan.faults.flush) = ((MS, 3 * MS), (MS, 5 * MS));
    });
    for _ in 0..waiting / 1000 {
        world.submit_to(0, 1000);
        world.run_for(20 * MS);
    }
    world.run_for(10 * S);
    let backlog: u64 = world.tally().countries.iter().map(|country| country.backlog).sum();
    assert!(backlog + 40 >= u64::from(waiting) && backlog <= u64::from(waiting), "{backlog} wait");
    let mut submitted = Vec::new();
    for _ in 0..2400 {
        world.submit_to(1, 1);
        submitted.push(world.ctx.now);
        world.run_for(50 * MS);
    }
    let departed = world.ledger.departures.iter().filter(|(_, _, country)| *country == 1).map(|(at, ..)| *at);
    let mut delays: Vec<u64> = submitted.iter().zip(departed).map(|(from, to)| to - from).collect();
    assert_eq!(delays.len(), 2400, "all left, in their order");
    delays.sort_unstable();
    (delays[1200], delays[2376])
}

#[test]
fn a_hundred_thousand_messages_of_a_slow_country_do_not_delay_another() {
    let (alone, beside) = (delays(0), delays(100_000));
    for (alone, beside) in [(alone.0, beside.0), (alone.1, beside.1)] {
        assert!(beside * 100 <= alone * 120, "{beside} us beside a backlog, {alone} us alone");
    }
}
