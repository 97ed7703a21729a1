//! The fault a peer can be told about: one field of one PDU is wrong, the stream and the session go on.
//!
//! A broken stream is not here: see [`Broken`](super::Broken).

use super::command::CommandStatus;

/// A field of a known PDU is not as SMPP 3.4 wants it. The typed response to that PDU carries [`status`](Self::status).
/// Names the field, never its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {status}")]
pub struct Malformed {
    /// What the response says. SMPP 3.4 §5.1.3.
    pub status: CommandStatus,
    /// The field, in the specification's words.
    pub field: &'static str,
}

impl Malformed {
    pub(super) const fn new(status: CommandStatus, field: &'static str) -> Self {
        Self { status, field }
    }

    /// The body ends inside or before `field`.
    pub(super) const fn cut(field: &'static str) -> Self {
        Self { status: CommandStatus::ESME_RINVCMDLEN, field }
    }
}
