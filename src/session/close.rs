//! Why a link ends: one name per way, for logs and as the value of a metric's label.

use std::fmt;

use crate::pdu::{Broken, CommandId, CommandStatus};

/// Every way in which a link ends. The session finds the first group itself; the rim reports the last through
/// [`super::Session::close`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// No bind was accepted within the session-init timer.
    SessionInit,
    /// The carrier did not answer our bind in time.
    BindUnanswered,
    /// We refused the peer's bind.
    BindRefused,
    /// The carrier refused our bind.
    BindRejected(CommandStatus),
    /// A command that needs a bind came before it.
    NotBound(CommandId),
    /// The carrier sent an `outbind` where it dials nobody.
    UnwelcomeOutbind,
    /// `command_length` was impossible.
    Framing(Broken),
    /// The first octets are another protocol's.
    NotSmpp,
    /// A PDU stayed incomplete too long.
    PartialPdu,
    /// `enquire_link` stayed unanswered.
    PeerSilent,
    /// No message PDU for the inactivity timer; we unbound.
    Inactive,
    /// The peer kept refusing PDUs that we cannot identify; we unbound.
    Nacks,
    /// We unbound and the peer agreed.
    Unbound,
    /// We unbound and the peer did not answer.
    UnbindUnanswered,
    /// The peer unbound.
    PeerUnbound,
    /// A parcel ordered it.
    Ordered,
    /// The peer closed the connection without unbinding.
    PeerClosed,
    /// The connection failed.
    LinkFailed,
    /// The link's mailbox overflowed.
    MailboxFull,
    /// The peer does not take what we write.
    WriteStalled,
}

impl CloseReason {
    /// Stable, lower case, without detail: the value of a metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::SessionInit => "session_init",
            Self::BindUnanswered => "bind_unanswered",
            Self::BindRefused => "bind_refused",
            Self::BindRejected(_) => "bind_rejected",
            Self::NotBound(_) => "not_bound",
            Self::UnwelcomeOutbind => "unwelcome_outbind",
            Self::Framing(_) => "framing",
            Self::NotSmpp => "not_smpp",
            Self::PartialPdu => "partial_pdu",
            Self::PeerSilent => "peer_silent",
            Self::Inactive => "inactive",
            Self::Nacks => "nacks",
            Self::Unbound => "unbound",
            Self::UnbindUnanswered => "unbind_unanswered",
            Self::PeerUnbound => "peer_unbound",
            Self::Ordered => "ordered",
            Self::PeerClosed => "peer_closed",
            Self::LinkFailed => "link_failed",
            Self::MailboxFull => "mailbox_full",
            Self::WriteStalled => "write_stalled",
        }
    }

    /// Whether the link ended as both sides agreed.
    #[must_use]
    pub const fn is_orderly(self) -> bool {
        matches!(self, Self::Unbound | Self::PeerUnbound | Self::Inactive)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionInit => f.write_str("no bind was accepted in time"),
            Self::BindUnanswered => f.write_str("the bind was not answered in time"),
            Self::BindRefused => f.write_str("the bind was refused"),
            Self::BindRejected(status) => write!(f, "the carrier refused the bind: {status}"),
            Self::NotBound(command) => write!(f, "{command} before a bind"),
            Self::UnwelcomeOutbind => f.write_str("unwelcome outbind"),
            Self::Framing(broken) => broken.fmt(f),
            Self::NotSmpp => f.write_str("the first octets are not SMPP"),
            Self::PartialPdu => f.write_str("a PDU stayed incomplete"),
            Self::PeerSilent => f.write_str("enquire_link was not answered"),
            Self::Inactive => f.write_str("no message within the inactivity timer"),
            Self::Nacks => f.write_str("repeated generic_nack that belongs to no request"),
            Self::Unbound => f.write_str("unbound"),
            Self::UnbindUnanswered => f.write_str("unbind was not answered in time"),
            Self::PeerUnbound => f.write_str("the peer unbound"),
            Self::Ordered => f.write_str("closed by order"),
            Self::PeerClosed => f.write_str("the peer closed the connection"),
            Self::LinkFailed => f.write_str("the connection failed"),
            Self::MailboxFull => f.write_str("the link's mailbox overflowed"),
            Self::WriteStalled => f.write_str("the peer takes nothing of what is written"),
        }
    }
}
