//! Octets to values and back: every PDU and TLV of SMPP 3.4. Decoding borrows and does not allocate.
//!
//! Knows no session state, no time and no I/O; only `codec` names an async-world crate (tokio-util).

mod address;
mod bind;
mod civil;
pub mod codec;
pub mod command;
mod fault;
mod field;
pub mod header;
mod pen;
mod receipt;
mod receipt_text;
mod resp;
mod sm;
mod submit;
mod tag;
mod time;
mod tlv;
mod udh;

pub use address::{ADDRESS_MAX, Address};
pub use bind::{Bind, BindResp, Outbind, PASSWORD_MAX, Password, SYSTEM_ID_MAX};
pub use codec::{BOUND_LIMIT, Codec, CodecError, Frames, UNBOUND_LIMIT};
pub use command::{CommandId, CommandStatus};
pub use fault::Malformed;
pub use header::{Broken, Frame, HEADER_LENGTH, Header};
pub use receipt::{RECEIPT_SCRATCH, Receipt, ReceiptSm};
pub use resp::{SmResp, encode_header_only, encode_resp};
pub use sm::Sm;
pub use tag::Tag;
pub use time::{BadTime, Time};
pub use tlv::{Tlv, TlvIter, Tlvs};
pub use udh::{Part, Udh};
