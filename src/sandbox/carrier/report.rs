//! The carrier's counts: exact, and of what it did, not of what it was asked to do.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};

use crate::sandbox::Latency;

/// What a simulated carrier has seen and done; a receipt is counted once however often it was sent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CarrierReport {
    /// `submit_sm` received, refused ones included.
    pub submitted: u64,
    /// Messages taken for delivery, answered or not. `unique + duplicates`.
    pub received: u64,
    /// Messages that differ in source, destination or text.
    pub unique: u64,
    /// Messages equal to an earlier one.
    pub duplicates: u64,
    /// `submit_sm` answered `ESME_RTHROTTLED`.
    pub refused_throttled: u64,
    /// `submit_sm` answered `ESME_RMSGQFUL`.
    pub refused_queue_full: u64,
    /// `submit_sm` answered with the status asked for by an option.
    pub refused_status: u64,
    /// `submit_sm` that could not be read or came on a bind that may not send it.
    pub refused_invalid: u64,
    /// Messages never answered, on purpose.
    pub unanswered: u64,
    /// Answers that could not be sent because the connection was gone.
    pub answers_lost: u64,
    /// Receipts owed for received messages.
    pub receipts_owed: u64,
    /// `deliver_sm` written, duplicates and repeats included.
    pub receipts_sent: u64,
    /// Receipts that the peer has acknowledged.
    pub receipts_acknowledged: u64,
    /// Receipts that the peer has refused for good.
    pub receipts_refused: u64,
    /// Receipts given up because the backlog was full.
    pub receipts_dropped: u64,
    /// Receipts sent again because they were not answered, or refused for now.
    pub receipts_resent: u64,
    /// Second copies sent on purpose.
    pub duplicate_receipts_sent: u64,
    /// Messages that handsets wrote.
    pub mobile_written: u64,
    /// `deliver_sm` of such messages, repeats included.
    pub mobile_sent: u64,
    /// Such messages that the peer has acknowledged.
    pub mobile_acknowledged: u64,
    /// Such messages that the peer has refused for good.
    pub mobile_refused: u64,
    /// Such messages given up because the backlog was full.
    pub mobile_dropped: u64,
    /// Such messages sent again because they were not answered, or refused for now.
    pub mobile_resent: u64,
    /// Binds accepted.
    pub binds: u64,
    /// Binds refused.
    pub binds_refused: u64,
    /// Connections dropped on purpose.
    pub disconnects: u64,
    /// Most messages taken in one second.
    pub peak_per_second: u64,
    /// From the sending of a message, where its text says when that was, to its coming here.
    #[serde(default)]
    pub transit_latency: Latency,
    /// Microseconds of this process's processor time per `submit_sm`.
    pub processor_us_per_message: f64,
}

impl CarrierReport {
    /// Receipts owed and not yet acknowledged, refused or dropped.
    #[must_use]
    pub fn receipts_open(&self) -> u64 {
        let settled = self.receipts_acknowledged + self.receipts_refused + self.receipts_dropped;
        self.receipts_owed.saturating_sub(settled)
    }

    /// Messages from handsets not yet acknowledged, refused or dropped.
    #[must_use]
    pub fn mobile_open(&self) -> u64 {
        let settled = self.mobile_acknowledged + self.mobile_refused + self.mobile_dropped;
        self.mobile_written.saturating_sub(settled)
    }

    /// The summary for people.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = self.counts();
        if self.mobile_written > 0 {
            text += &format!(
                "\nfrom handsets: written {}, sent {}, acknowledged {}, open {}, refused {}, dropped {}, sent again {}",
                self.mobile_written,
                self.mobile_sent,
                self.mobile_acknowledged,
                self.mobile_open(),
                self.mobile_refused,
                self.mobile_dropped,
                self.mobile_resent,
            );
        }
        text
    }

    fn counts(&self) -> String {
        format!(
            "received {} messages ({} unique, {} duplicates), refused {} ({} throttled, {} queue full, {} by status, {} invalid)\n\
             receipts: owed {}, sent {}, acknowledged {}, open {}, refused {}, dropped {}, sent again {}, doubled {}\n\
             binds {} ({} refused), {} connections dropped, {} messages unanswered, {} answers lost\n\
             peak {} messages/s, {:.2} µs of processor time per message",
            self.received,
            self.unique,
            self.duplicates,
            self.refused_throttled + self.refused_queue_full + self.refused_status + self.refused_invalid,
            self.refused_throttled,
            self.refused_queue_full,
            self.refused_status,
            self.refused_invalid,
            self.receipts_owed,
            self.receipts_sent,
            self.receipts_acknowledged,
            self.receipts_open(),
            self.receipts_refused,
            self.receipts_dropped,
            self.receipts_resent,
            self.duplicate_receipts_sent,
            self.binds,
            self.binds_refused,
            self.disconnects,
            self.unanswered,
            self.answers_lost,
            self.peak_per_second,
            self.processor_us_per_message,
        )
    }
}

/// Passes a fingerprint through as its own hash.
#[derive(Default)]
pub(super) struct Fingerprint(u64);

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// Fingerprints seen. In 256 parts, so that growing one stalls the carrier for microseconds, not for the time of all.
pub(super) struct Seen(Vec<HashSet<u64, BuildHasherDefault<Fingerprint>>>);

impl Seen {
    pub(super) fn new() -> Self {
        Self((0..256).map(|_| HashSet::default()).collect())
    }

    /// Whether this fingerprint is new.
    pub(super) fn insert(&mut self, fingerprint: u64) -> bool {
        // The set uses the top and the bottom bits; the part is chosen by others.
        self.0[(fingerprint >> 40) as usize & 0xFF].insert(fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_new_once() {
        let mut seen = Seen::new();
        let prints = (0..10_000_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        assert!(prints.clone().all(|print| seen.insert(print)));
        assert!(!prints.clone().any(|print| seen.insert(print)));
    }

    #[test]
    fn open_receipts_are_what_is_left() {
        let report =
            CarrierReport { receipts_owed: 10, receipts_acknowledged: 6, receipts_dropped: 1, ..Default::default() };
        assert_eq!(report.receipts_open(), 3);
        assert!(report.summary().contains("open 3"));
    }
}
