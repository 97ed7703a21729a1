//! The control socket: how operators' commands reach the running process, and the one gate they all pass.
//!
//! The HTTP interface ([`api`]) is a second way to the same gate, for programs and from other machines.
//!
//! A connection to the socket is one person's: by the Unix user at its other end, or by name and password. Each line is one [`Ask`];
//! it is answered by any number of [`Answer::Row`]s and then by one [`Answer::Done`] or [`Answer::Refused`].
//!
//! Every [`Request`] names its [`crate::policy::Action`] and what it is about. [`Desk::handle`] does the rest in one
//! place, in this order: may this person do this, to this account; is it recorded; only then is it carried out. What a
//! new request needs is a variant, its action, its row in the table of roles, and its work.

pub mod api;
pub mod closing;
pub mod desk;
mod export;
pub mod operators;
mod opt_outs;
pub mod persons;
pub mod privacy;
pub mod refusal;
pub mod reload;
pub mod request;
pub mod socket;
pub mod standing;

pub use desk::Desk;
pub use operators::{Caller, Operators};
pub use persons::Persons;
pub use privacy::Privacy;
pub use refusal::{Kind, Refusal};
pub use reload::{Reloader, Running};
pub use request::{
    Answer, Ask, BindRow, CarrierRow, ErasedRow, Login, OptOutRow, PersonRow, PersonSummary, ProgressRow, Request,
    StatusRow, TextRow, Written,
};
pub use socket::{Socket, SocketFault};
pub use standing::{Keeper, Standing, StandingFault};

#[cfg(test)]
mod tests;
