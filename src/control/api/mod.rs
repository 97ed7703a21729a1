//! The HTTP interface: what the control socket can do, for programs and from other machines.
//!
//! A listener of its own, off unless configured. The admin pages stay what they are, without a password and without a
//! change of anything: who may scrape metrics has not thereby found a door that guards persons' data. Here nothing is
//! answered before somebody has logged in, and everything that is asked becomes a [`crate::control::Request`] by the one
//! table ([`table::TABLE`]) and goes through [`crate::control::Desk::handle`].
//!
//! * **Who**: a client certificate, by its fingerprint, or name and password (HTTP Basic). A certificate decides where both are
//!   there. Nobody vouches for certificates: possession of the key and the fingerprint in the configuration are enough.
//! * **Numbers** are in bodies only, never in a path or a query. Nothing that a caller wrote is repeated in an error or a log.
//! * **Bounds**: connections in all, from one address and before a login; head, body, requests under way, and the time a
//!   caller may take for each step. Rows are written as the caller reads them and are never gathered.
//! * **A revoked operator's** connections are cut, idle or not.

mod answer;
mod given;
mod listener;
mod login;
pub mod openapi;
mod patience;
pub mod table;
mod talk;

pub use listener::serve;
