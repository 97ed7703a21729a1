//! Who may send which PDU in which state: the table of SMPP 3.4 §2.3 as data. Decides no reaction.
//!
//! Two rows differ from the letter. `data_sm` follows the direction of the bind, as SMPP 5.0 has it: the 3.4 table lists
//! both sides in every bound state, and a receiver bind would then submit. `replace_sm` is allowed to a transceiver: its
//! row lacks that state in 3.4, an erratum. `enquire_link` and `generic_nack` are allowed in every state, as in 5.0.

use super::BindMode;
use crate::pdu::CommandId;

/// The two sides of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Message centre: we are this toward client systems.
    Smsc,
    /// External short message entity: we are this toward carriers.
    Esme,
}

impl Role {
    /// The other side.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Smsc => Self::Esme,
            Self::Esme => Self::Smsc,
        }
    }
}

/// What a session is, as far as the table asks. SMPP 3.4 §2.2; `Unbound` is from 5.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Connected, no bind accepted yet.
    Open,
    /// A bind was accepted.
    Bound(BindMode),
    /// Unbound, the connection still up.
    Unbound,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Bound(BindMode::Transmitter),
        Self::Bound(BindMode::Receiver),
        Self::Bound(BindMode::Transceiver),
        Self::Unbound,
    ];

    const fn bit(self) -> u16 {
        match self {
            Self::Open => OPEN,
            Self::Bound(BindMode::Transmitter) => TX,
            Self::Bound(BindMode::Receiver) => RX,
            Self::Bound(BindMode::Transceiver) => TRX,
            Self::Unbound => UNBOUND,
        }
    }
}

const OPEN: u16 = 1;
const TX: u16 = 1 << 1;
const RX: u16 = 1 << 2;
const TRX: u16 = 1 << 3;
const UNBOUND: u16 = 1 << 4;
const BOUND: u16 = TX | RX | TRX;
const ANY: u16 = OPEN | BOUND | UNBOUND;
const NEVER: u16 = 0;

/// One row: the states in which an ESME and in which an SMSC may send the command.
const fn row(command: CommandId) -> Option<(u16, u16)> {
    Some(match command {
        CommandId::SUBMIT_SM | CommandId::SUBMIT_MULTI => (TX | TRX, NEVER),
        CommandId::SUBMIT_SM_RESP | CommandId::SUBMIT_MULTI_RESP => (NEVER, TX | TRX),
        CommandId::DELIVER_SM => (NEVER, RX | TRX),
        CommandId::DELIVER_SM_RESP => (RX | TRX, NEVER),
        CommandId::DATA_SM => (TX | TRX, RX | TRX),
        CommandId::DATA_SM_RESP => (RX | TRX, TX | TRX),
        CommandId::QUERY_SM | CommandId::CANCEL_SM | CommandId::REPLACE_SM => (TX | TRX, NEVER),
        CommandId::QUERY_SM_RESP | CommandId::CANCEL_SM_RESP | CommandId::REPLACE_SM_RESP => (NEVER, TX | TRX),
        CommandId::ALERT_NOTIFICATION => (NEVER, RX | TRX),
        CommandId::BIND_RECEIVER | CommandId::BIND_TRANSMITTER | CommandId::BIND_TRANSCEIVER => (OPEN, NEVER),
        CommandId::BIND_RECEIVER_RESP | CommandId::BIND_TRANSMITTER_RESP | CommandId::BIND_TRANSCEIVER_RESP => {
            (NEVER, OPEN)
        }
        CommandId::OUTBIND => (NEVER, OPEN),
        CommandId::UNBIND | CommandId::UNBIND_RESP => (BOUND, BOUND),
        CommandId::ENQUIRE_LINK | CommandId::ENQUIRE_LINK_RESP | CommandId::GENERIC_NACK => (ANY, ANY),
        _ => return None,
    })
}

/// Whether `sender` may send `command` in `state`. An unknown command is never allowed.
#[must_use]
pub const fn allows(sender: Role, state: State, command: CommandId) -> bool {
    match row(command) {
        Some((esme, smsc)) => {
            let states = match sender {
                Role::Esme => esme,
                Role::Smsc => smsc,
            };
            states & state.bit() != 0
        }
        None => false,
    }
}

/// Whether the table has a row for `command`.
#[must_use]
pub const fn knows(command: CommandId) -> bool {
    row(command).is_some()
}

/// Whether a request has a response PDU; `outbind` and `alert_notification` have none.
#[must_use]
pub const fn has_response(request: CommandId) -> bool {
    !matches!(request, CommandId::OUTBIND | CommandId::ALERT_NOTIFICATION)
}
