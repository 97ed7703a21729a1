//! Octets to values and back: every PDU and TLV of SMPP 3.4. Decoding borrows and does not allocate.
//!
//! Knows no session state, no time and no I/O; only `codec` names an async-world crate (tokio-util).

pub mod command;
pub mod header;

pub use command::{CommandId, CommandStatus};
pub use header::{Broken, Frame, HEADER_LENGTH, Header};
