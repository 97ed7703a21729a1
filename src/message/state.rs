//! States of a message, in the numbers of SMPP 3.4 §5.2.28, and the receipt truth table of §5.2.17.

/// State of a message as peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MessageState {
    /// Accepted, or accepted by the carrier, and not final.
    Enroute = 1,
    /// Delivered to the handset.
    Delivered = 2,
    /// The validity period ended first.
    Expired = 3,
    /// Cancelled by the client or the carrier.
    Deleted = 4,
    /// Cannot be delivered.
    Undeliverable = 5,
    /// Accepted on the subscriber's behalf; carriers use it as an intermediate state, so it is not final here.
    Accepted = 6,
    /// The carrier lost track of it, or never told.
    Unknown = 7,
    /// Refused by the carrier or its network.
    Rejected = 8,
}

impl MessageState {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Enroute,
        Self::Delivered,
        Self::Expired,
        Self::Deleted,
        Self::Undeliverable,
        Self::Accepted,
        Self::Unknown,
        Self::Rejected,
    ];

    /// The state of a `message_state` octet; `None` outside 1–8.
    #[must_use]
    pub fn from_octet(octet: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|state| *state as u8 == octet)
    }

    /// Whether nothing can follow it.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Enroute | Self::Accepted)
    }

    /// The `stat:` word of a text receipt (SMPP 3.4 Appendix B).
    #[must_use]
    pub fn stat(self) -> &'static str {
        match self {
            Self::Enroute => "ENROUTE",
            Self::Delivered => "DELIVRD",
            Self::Expired => "EXPIRED",
            Self::Deleted => "DELETED",
            Self::Undeliverable => "UNDELIV",
            Self::Accepted => "ACCEPTD",
            Self::Unknown => "UNKNOWN",
            Self::Rejected => "REJECTD",
        }
    }
}

/// Whether `registered_delivery` asks for a receipt of this final state (bits 1–0: 01 always, 10 failure only;
/// 11 is reserved in 3.4 and means success only in 5.0).
#[must_use]
pub fn owes_receipt(registered_delivery: u8, state: MessageState) -> bool {
    match registered_delivery & 0b11 {
        0b01 => state.is_final(),
        0b10 => state.is_final() && state != MessageState::Delivered,
        0b11 => state == MessageState::Delivered,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_round_trip_and_unknown_ones_are_none() {
        for octet in 0..=255 {
            match MessageState::from_octet(octet) {
                Some(state) => assert_eq!(state as u8, octet),
                None => assert!(octet == 0 || octet > 8),
            }
        }
    }

    #[test]
    fn receipts_follow_the_truth_table() {
        use MessageState::{Delivered, Enroute, Expired, Rejected};
        let owed = |bits| [Enroute, Delivered, Expired, Rejected].map(|state| owes_receipt(bits, state));
        assert_eq!(owed(0x00), [false, false, false, false]);
        assert_eq!(owed(0x01), [false, true, true, true]);
        assert_eq!(owed(0x11), [false, true, true, true]);
        assert_eq!(owed(0x02), [false, false, true, true]);
        assert_eq!(owed(0x03), [false, true, false, false]);
    }
}
