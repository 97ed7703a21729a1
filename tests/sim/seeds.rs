//! Whole runs from a seed.
//!
//! `SMPPGATE_SEED=s cargo test --test sim seeds -- --nocapture` runs one seed and prints its trace;
//! `SMPPGATE_SEEDS=n` runs so many, from 1 on or from `SMPPGATE_SEED`, and prints nothing.

use crate::plan::Plan;
use crate::reach::Reach;
use crate::world::World;

/// Seeds of an ordinary test run.
const ORDINARY: u64 = 300;

/// Tells the seed of a run that fails.
struct Confession(u64);

impl Drop for Confession {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {0} fails; again: SMPPGATE_SEED={0} cargo test --test sim seeds -- --nocapture", self.0);
        }
    }
}

/// One run to its end; the trace's digest, and what it met.
fn run(seed: u64, shown: bool) -> ((u64, u64), Reach) {
    let _confession = Confession(seed);
    let plan = Plan::of(seed);
    let active = plan.active;
    let mut world = World::new(plan, shown);
    world.run_for(active);
    world.finish();
    world.reach.add(world.process.as_ref().expect("it is up at the end"));
    (world.ctx.trace.digest(), world.reach)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn one_seed_has_one_trace() {
    for seed in [3, 7, 20] {
        let (first, second) = (run(seed, false).0, run(seed, false).0);
        assert_eq!(first, second, "seed {seed}");
        assert!(first.1 > 100, "seed {seed} does little: {first:?}");
    }
    assert_ne!(run(3, false).0, run(4, false).0);
}

#[test]
fn seeds_hold() {
    let (seed, seeds) = (number("SMPPGATE_SEED"), number("SMPPGATE_SEEDS"));
    if let (Some(seed), None) = (seed, seeds) {
        run(seed, true);
        return;
    }
    let first = seed.unwrap_or(1);
    let seeds = seeds.unwrap_or(ORDINARY);
    let mut reach = Reach::default();
    for seed in first..first + seeds {
        reach.merge(&run(seed, false).1);
    }
    if seeds >= ORDINARY {
        reach.check();
    }
}
