//! What the bridge does with each request of a client and of a carrier, without sessions and without a network.

mod aging;
mod alphabets;
mod cancel;
mod concatenation;
mod data;
mod days;
mod fit;
mod habits;
mod lanes;
mod multi;
mod notice;
mod opt_outs;
mod parameters;
mod query;
mod refusals;
mod renewal;
mod replace;
mod rig;
mod rights;
mod routes;
mod screens;
mod whole;
