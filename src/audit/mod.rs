//! The record of who did what: a chain of entries that cannot be changed unseen, and the activity of clients beside it.
//!
//! Pure: [`Entry`] and its octets ([`entry`]), the chain and its walk ([`chain`]), signed heads ([`head`]), and the
//! gathering of floods into few entries ([`gathering`]). Files of the log are touched by [`folder`] and [`log`] only, and
//! read by [`reading`]; [`recorder`] is the thread before them. [`activity`] is a log and a thread of its own. Knows no roles and decides nothing: whoever acts records first.
//!
//! # What is on disk
//!
//! `audit-YYYY-MM-DD.log` holds the entries of one day of UTC, each as length, octets and SHA-256; the octets contain the
//! hash of the entry before. `heads.log` holds one line for each signed head: number, time and hash of an entry under an
//! Ed25519 signature. A head is signed for the last entry of each file, for each [`log::HEAD_EVERY`]th entry, and for
//! any entry that has waited a minute. Whole day files go when their retention is over; the head of the last entry
//! dropped stays and vouches for the start of what is left.
//!
//! # What it shows, and what it cannot
//!
//! A changed, inserted, removed or exchanged entry breaks the chain at its place. A log cut at its end is shorter than
//! its last head says. Who can write the files *and* read the key can write another history: so heads are logged as
//! well, for a copy elsewhere, and `audit verify --head` compares with one. What was cut within the last minute, before
//! any head was signed, shows only in that copy.
//!
//! No number, text or password is ever in an entry: objects are names from the configuration, or keyed tokens; what
//! people write (reasons, references) loses anything that looks like a number.

pub mod activity;
pub mod chain;
pub mod entry;
pub mod folder;
pub mod gathering;
pub mod head;
pub mod log;
pub mod reading;
pub mod recorder;

pub use activity::{Activity, Event};
pub use chain::{Bad, Walk, Why};
pub use entry::{Actor, ActorKind, Draft, Entry, Object, Outcome};
pub use folder::{AuditFault, Folder};
pub use head::{Hash, Head, Seal};
pub use recorder::{Figures, Recorder, Settings, Unrecorded};
