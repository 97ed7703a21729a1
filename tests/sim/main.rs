//! The whole core in virtual time: the real bridge, real sessions and the real codec between simulated clients, carriers,
//! network and disk, all from one seed.
//!
//! `world` moves time, `process` and `link` stand for the rim, `ledger` and `checks` say what must hold, `seeds` runs
//! what the seed says and `scenarios` what a reader can follow.

mod checks;
mod esme;
mod fleet;
mod habits;
mod lanes;
mod ledger;
mod link;
mod net;
mod plan;
mod process;
mod queue;
mod reach;
mod rng;
mod route;
mod rules;
mod scenarios;
mod scenes;
mod seeds;
mod smsc;
mod trace;
mod world;
