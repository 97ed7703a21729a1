//! What reaches the bridge, each the start of one lap.

use bytes::Bytes;

use crate::message::{AccountId, CarrierId, LinkId};
use crate::pdu::CommandId;
use crate::session::{BindMode, Event};

/// One input.
#[derive(Debug)]
pub enum Input {
    /// An account asks to bind; the link has verified its credentials. The bridge answers with a parcel that holds the
    /// bind response and `Control::Bound` or `Control::Close`.
    Bind {
        /// The link.
        link: LinkId,
        /// Whose credentials were right.
        account: AccountId,
        /// Directions asked for.
        mode: BindMode,
        /// The bind command, for the response.
        command: CommandId,
        /// Sequence number to echo.
        sequence: u32,
        /// As sent by the peer.
        interface_version: u8,
    },
    /// A carrier accepted our bind.
    CarrierBound {
        /// The link.
        link: LinkId,
        /// The carrier.
        carrier: CarrierId,
        /// Directions the bind allows.
        mode: BindMode,
    },
    /// Everything one read brought, in order.
    Batch {
        /// The link.
        link: LinkId,
        /// The octets that the events' spans point into.
        chunk: Bytes,
        /// What the session made of them.
        events: Vec<Event>,
    },
    /// The link is gone; nothing more comes from it.
    Closed {
        /// The link.
        link: LinkId,
    },
}
