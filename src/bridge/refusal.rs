//! Why a request is refused, and the one place that turns the reason into a `command_status`.

use crate::pdu::CommandStatus;
use crate::policy::Objection;

/// A client's request that will not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The PDU or one of its fields is wrong; the codec knows the status.
    Malformed(CommandStatus),
    /// The destination is no international number of a known country, or the source is unusable.
    Address(CommandStatus),
    /// The schedule or the validity period is unusable.
    Time(CommandStatus),
    /// The account sends faster than its rate.
    AccountRate,
    /// The destination country's rate is used up and its route says `over_rate = "throttle"`.
    CountryRate,
    /// The account may not send to this country.
    CountryForbidden,
    /// No route leads to this country.
    NoRoute,
    /// As many messages wait as may wait.
    BacklogFull,
    /// The store takes no commits.
    StoreFailing,
    /// The process is stopping.
    Stopping,
    /// smppgate does not offer this operation.
    Unsupported,
    /// No carrier of the route may get the account's data: a missing or unaccepted transfer basis, or an objection.
    Transfer,
    /// No message of the account has this id and source.
    Query,
    /// No message of the account that is meant waits here any more.
    Cancel,
    /// No message of the account that is meant waits here any more.
    Replace,
    /// smppgate keeps no distribution lists.
    List,
    /// Every recipient of a `submit_multi` was refused, for more than one reason.
    NoRecipient,
    /// As many requests that take their time are under way as may be.
    Busy,
    /// The processing of one of the numbers is restricted, on the client's own instruction.
    Restricted,
    /// The account may not send as this sender.
    Sender,
    /// Nothing goes to this number.
    Blocked,
    /// The text has a word that it may not have.
    Content,
    /// The account's traffic looks artificial.
    Inflated,
    /// The recipient wants no more messages of the account.
    OptedOut,
}

/// What a client is told whose message may go to no carrier of its route, from the range for vendors (SMPP 3.4 §5.1.3).
pub(super) const TRANSFER_REFUSED: CommandStatus = CommandStatus(0x0400);
/// What a client is told whose text has a blocked word, from the same range.
pub(super) const CONTENT_REFUSED: CommandStatus = CommandStatus(0x0401);
/// What a client is told whose traffic looks artificial, from the same range.
pub(super) const INFLATED_REFUSED: CommandStatus = CommandStatus(0x0402);
/// What a client is told who writes to somebody who opted out, from the same range.
pub(super) const OPTED_OUT_REFUSED: CommandStatus = CommandStatus(0x0403);

/// A message from a handset that is not taken from its carrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundRefusal {
    /// The PDU is wrong; the codec knows the status.
    Malformed(CommandStatus),
    /// It says that it is a receipt and cannot be read as one.
    UnreadableReceipt,
    /// No rule names its number.
    Nobody,
    /// A later part of a long message whose first part, which holds the keyword, did not come yet.
    EarlyPart,
    /// As many messages wait for accounts as may wait.
    BacklogFull,
    /// The store takes no commits.
    StoreFailing,
    /// Its sender opts out, and no more can be kept on the lists.
    OptOutsFull,
}

impl InboundRefusal {
    /// Every reason's label, in the order of [`Self::index`].
    pub const LABELS: [&'static str; 7] =
        ["malformed", "unreadable_receipt", "nobody", "early_part", "backlog_full", "store_failing", "opt_outs_full"];

    /// Position in [`Self::LABELS`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Malformed(_) => 0,
            Self::UnreadableReceipt => 1,
            Self::Nobody => 2,
            Self::EarlyPart => 3,
            Self::BacklogFull => 4,
            Self::StoreFailing => 5,
            Self::OptOutsFull => 6,
        }
    }

    /// What the carrier is told: 0x66 gives the message up, 0x64 asks for it again later.
    #[must_use]
    pub fn status(self) -> CommandStatus {
        match self {
            Self::Malformed(status) => status,
            Self::UnreadableReceipt | Self::Nobody => CommandStatus::ESME_RX_R_APPN,
            Self::EarlyPart | Self::BacklogFull | Self::StoreFailing | Self::OptOutsFull => {
                CommandStatus::ESME_RX_T_APPN
            }
        }
    }
}

impl From<Objection> for Refusal {
    fn from(objection: Objection) -> Self {
        match objection {
            Objection::SenderNotAllowed | Objection::SenderBlocked => Self::Sender,
            Objection::DestinationBlocked => Self::Blocked,
            Objection::WordBlocked => Self::Content,
        }
    }
}

impl Refusal {
    /// Every reason's label, in the order of [`Self::index`].
    pub const LABELS: [&'static str; 24] = [
        "malformed",
        "address",
        "time",
        "account_rate",
        "country_rate",
        "country_forbidden",
        "no_route",
        "backlog_full",
        "store_failing",
        "stopping",
        "unsupported",
        "transfer_basis",
        "query",
        "cancel",
        "replace",
        "distribution_list",
        "no_recipient",
        "busy",
        "restricted",
        "sender",
        "destination_blocked",
        "content",
        "inflated",
        "opted_out",
    ];

    /// Position in [`Self::LABELS`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Malformed(_) => 0,
            Self::Address(_) => 1,
            Self::Time(_) => 2,
            Self::AccountRate => 3,
            Self::CountryRate => 4,
            Self::CountryForbidden => 5,
            Self::NoRoute => 6,
            Self::BacklogFull => 7,
            Self::StoreFailing => 8,
            Self::Stopping => 9,
            Self::Unsupported => 10,
            Self::Transfer => 11,
            Self::Query => 12,
            Self::Cancel => 13,
            Self::Replace => 14,
            Self::List => 15,
            Self::NoRecipient => 16,
            Self::Busy => 17,
            Self::Restricted => 18,
            Self::Sender => 19,
            Self::Blocked => 20,
            Self::Content => 21,
            Self::Inflated => 22,
            Self::OptedOut => 23,
        }
    }

    /// What the client is told. Overload is 0x58 and a full queue 0x14, so that clients retry and lose nothing;
    /// an unreachable destination is 0x0B, as clients expect of a gateway without a route.
    #[must_use]
    pub fn status(self) -> CommandStatus {
        match self {
            Self::Malformed(status) | Self::Address(status) | Self::Time(status) => status,
            Self::AccountRate | Self::CountryRate | Self::Busy => CommandStatus::ESME_RTHROTTLED,
            Self::CountryForbidden | Self::NoRoute | Self::Blocked => CommandStatus::ESME_RINVDSTADR,
            Self::Sender => CommandStatus::ESME_RINVSRCADR,
            Self::Content => CONTENT_REFUSED,
            Self::Inflated => INFLATED_REFUSED,
            Self::OptedOut => OPTED_OUT_REFUSED,
            Self::BacklogFull => CommandStatus::ESME_RMSGQFUL,
            Self::StoreFailing | Self::Stopping => CommandStatus::ESME_RSYSERR,
            Self::Unsupported => CommandStatus::ESME_RINVCMDID,
            Self::Transfer => TRANSFER_REFUSED,
            Self::Query => CommandStatus::ESME_RQUERYFAIL,
            Self::List => CommandStatus::ESME_RCNTSUBDL,
            Self::NoRecipient | Self::Restricted => CommandStatus::ESME_RSUBMITFAIL,
            Self::Cancel => CommandStatus::ESME_RCANCELFAIL,
            Self::Replace => CommandStatus::ESME_RREPLACEFAIL,
        }
    }
}
