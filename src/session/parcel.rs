//! What passes between a link and the bridge: events one way, parcels the other.

use bytes::BytesMut;

use crate::pdu::{CommandId, CommandStatus};

/// A range of octets in the chunk of stream that came with an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first octet.
    pub at: u32,
    /// Number of octets.
    pub len: u32,
}

/// Directions a bind allows. SMPP 3.4 §2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindMode {
    /// The ESME submits.
    Transmitter,
    /// The ESME receives.
    Receiver,
    /// Both.
    Transceiver,
}

impl BindMode {
    /// The mode that a bind command asks for; `None` for any other command.
    #[must_use]
    pub const fn asked_by(command: CommandId) -> Option<Self> {
        match command {
            CommandId::BIND_TRANSMITTER => Some(Self::Transmitter),
            CommandId::BIND_RECEIVER => Some(Self::Receiver),
            CommandId::BIND_TRANSCEIVER => Some(Self::Transceiver),
            _ => None,
        }
    }

    /// The command that asks for this mode.
    #[must_use]
    pub const fn command(self) -> CommandId {
        match self {
            Self::Transmitter => CommandId::BIND_TRANSMITTER,
            Self::Receiver => CommandId::BIND_RECEIVER,
            Self::Transceiver => CommandId::BIND_TRANSCEIVER,
        }
    }
}

/// What a session passes on. Bodies stay in the chunk they were read into; their spans point there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// SMSC role: the peer asks to bind. The session reads nothing more until a parcel brings [`Control::Bound`] or
    /// [`Control::Close`].
    Bind {
        /// Sequence number to echo.
        sequence: u32,
        /// `bind_transmitter`, `bind_receiver` or `bind_transceiver`.
        command: CommandId,
        /// The undecoded body.
        body: Span,
    },
    /// ESME role: the carrier accepted our bind.
    Bound,
    /// ESME role: the carrier refused our bind; the session is closing.
    BindRefused {
        /// Why.
        status: CommandStatus,
    },
    /// A request that this bind may send now, and that must be answered with `command.response()`.
    Request {
        /// What is asked: `submit_sm`, `data_sm`, `deliver_sm`, `query_sm`…
        command: CommandId,
        /// Sequence number to echo.
        sequence: u32,
        /// The undecoded body.
        body: Span,
    },
    /// The answer to a request of ours.
    ///
    /// A request that was never written, because either side had begun to unbind, comes back as one too: with
    /// `ESME_RINVBNDSTS`, an empty body and no time elapsed. Another bind may send it.
    Response {
        /// The token the request was sent with.
        token: u64,
        /// Outcome; a `generic_nack` arrives here with its status.
        status: CommandStatus,
        /// The undecoded body; empty for a `generic_nack`.
        body: Span,
        /// Microseconds from request to response.
        elapsed_us: u64,
    },
    /// No usable answer: the response timer ran out, or a response of another kind came. The outcome is unknown.
    Unanswered {
        /// The token the request was sent with.
        token: u64,
    },
}

/// A request in a parcel: its PDU starts at `at` in the parcel's octets; the session fills in the sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Offset of the PDU's header in [`Parcel::wire`].
    pub at: u32,
    /// Comes back with the response.
    pub token: u64,
}

/// What a session does after the octets of a parcel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// Nothing.
    #[default]
    Continue,
    /// SMSC role: the bind response in this parcel accepted the bind.
    Bound(BindMode),
    /// Drain what is open, send `unbind`, close after its response or its timer.
    Unbind,
    /// Close once the octets are written.
    Close,
}

/// What the bridge sends to one link in one turn: complete PDUs in wire order.
///
/// Requests carry sequence number 0 until the session fills them in; the bridge never sends more requests than the
/// credit it was lent, so a window slot is always free.
#[derive(Debug, Default)]
pub struct Parcel {
    /// Encoded PDUs.
    pub wire: BytesMut,
    /// The requests among them, in order.
    pub requests: Vec<Request>,
    /// How many of the peer's requests these PDUs answer.
    pub answers: u32,
    /// What follows.
    pub control: Control,
}

impl Parcel {
    /// Whether it would do nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wire.is_empty() && self.control == Control::Continue
    }
}
