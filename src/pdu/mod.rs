//! Octets to values and back: every PDU and TLV of SMPP 3.4. Decoding borrows and does not allocate.
//!
//! Knows no session state, no time and no I/O; only `codec` names an async-world crate (tokio-util).

mod address;
mod any;
mod bind;
mod civil;
pub mod codec;
pub mod command;
mod data;
mod fault;
mod field;
mod gsm;
pub mod header;
mod manage;
mod multi;
mod pen;
mod receipt;
mod receipt_text;
mod resp;
mod segment;
mod sm;
mod submit;
mod tag;
mod text;
mod time;
mod tlv;
mod udh;

pub use address::{ADDRESS_MAX, Address};
pub use any::Pdu;
pub use bind::{Bind, BindResp, Outbind, PASSWORD_MAX, Password, SYSTEM_ID_MAX};
pub use codec::{BOUND_LIMIT, Codec, CodecError, Frames, UNBOUND_LIMIT};
pub use command::{CommandId, CommandStatus};
pub use data::{DataSm, LONG_ADDRESS_MAX, LongAddress};
pub use fault::Malformed;
pub use gsm::{Septets, decode_gsm, encode_gsm, pack, unpack};
pub use header::{Broken, Frame, HEADER_LENGTH, Header};
pub use manage::{AlertNotification, CancelSm, QuerySm, QuerySmResp, ReplaceSm};
pub use multi::{Destination, Destinations, Failure, SubmitMulti, SubmitMultiResp};
pub use receipt::{RECEIPT_SCRATCH, Receipt, ReceiptSm};
pub use resp::{SmResp, encode_header_only, encode_resp};
pub use segment::Segments;
pub use sm::{SERVICE_TYPE_MAX, Sm};
pub use tag::Tag;
pub use text::{Alphabet, Reference, segments, wire_segments};
pub use time::{BadTime, Time};
pub use tlv::{Tlv, TlvIter, Tlvs};
pub use udh::{Part, Udh};
