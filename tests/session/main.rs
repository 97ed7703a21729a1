//! The session against SMPP 3.4 and its reactions to everything else: the whole operation table, conversations with their
//! exact octets, timers in virtual time, the window against a model. No socket, no clock.

#![expect(clippy::unwrap_used, reason = "a test panics at what it did not expect")]

mod conversation;
mod matrix;
mod parcels;
mod random;
mod rig;
mod timers;
mod vectors;
mod window;
