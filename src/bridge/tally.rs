//! What happened, counted in plain numbers. Nothing here is personal data; the rim turns it into metrics.

use super::refusal::{InboundRefusal, Refusal};
use crate::policy::{BreakerState, Country, Inflation};

/// Per account.
#[derive(Clone, Debug, Default)]
pub struct AccountTally {
    /// Messages accepted.
    pub accepted: u64,
    /// Requests refused, by [`Refusal::index`].
    pub refused: [u64; Refusal::LABELS.len()],
    /// Messages that look like artificial traffic, refused or not, by [`Inflation`].
    pub inflated: [u64; Inflation::ALL.len()],
    /// Messages that became final, by `message_state`.
    pub finals: [u64; 9],
    /// Receipts the client took.
    pub receipts_delivered: u64,
    /// Receipts the client refused or did not answer, to be sent again.
    pub receipts_retried: u64,
    /// Receipts given up: refused for good, or kept for as long as receipts are kept.
    pub receipts_dropped: u64,
    /// Receipts that wait for the client or are on their way to it.
    pub receipts_owed: u64,
    /// Queries answered.
    pub queried: u64,
    /// Messages cancelled by the client.
    pub cancelled: u64,
    /// Messages cut into parts for a carrier that takes no `message_payload`.
    pub cut: u64,
    /// Messages replaced by the client.
    pub replaced: u64,
    /// Intermediate notifications and alerts passed on.
    pub notices: u64,
    /// Those that were not, since no bind could take one at once.
    pub notices_dropped: u64,
    /// Messages from handsets taken for it.
    pub inbound: u64,
    /// Of those, taken by the client.
    pub inbound_delivered: u64,
    /// Refused for now or not answered by the client, to be sent again.
    pub inbound_retried: u64,
    /// Refused for good by the client.
    pub inbound_rejected: u64,
    /// Given up: kept for as long as such messages are kept.
    pub inbound_expired: u64,
    /// Messages from handsets that wait for the client or are on their way to it.
    pub inbound_waiting: u64,
    /// Numbers on its list of those who opted out.
    pub opt_outs: u64,
    /// Numbers put on it by the word of a handset.
    pub opted_out: u64,
    /// Numbers taken off it so.
    pub opted_in: u64,
    /// Such words from senders without an international number: nothing followed.
    pub opt_outs_unread: u64,
    /// Open binds.
    pub binds: u32,
}

/// Per carrier.
#[derive(Clone, Debug, Default)]
pub struct CarrierTally {
    /// `submit_sm` handed to a link.
    pub forwarded: u64,
    /// Accepted by the carrier.
    pub accepted: u64,
    /// Refused for now: to be sent again, here or elsewhere.
    pub retried: u64,
    /// Answers that asked to slow down.
    pub throttled: u64,
    /// Refused for good.
    pub rejected: u64,
    /// Outcome unknown: no answer, or the link was lost before it.
    pub unknown: u64,
    /// Of those, sent again; each may have become a duplicate.
    pub resent: u64,
    /// Receipts, by `message_state` (0: not readable).
    pub receipts: [u64; 9],
    /// Receipts that repeat or contradict a final state.
    pub receipts_repeated: u64,
    /// Receipts that found no message in time.
    pub receipts_orphaned: u64,
    /// Receipts of messages that were erased.
    pub receipts_erased: u64,
    /// Receipts that came before the answer to their `submit_sm`.
    pub receipts_early: u64,
    /// Receipts whose id had another number base than the answer.
    pub receipts_converted: u64,
    /// Messages from handsets taken for an account.
    pub inbound: u64,
    /// Messages from handsets refused, by [`InboundRefusal::index`].
    pub inbound_refused: [u64; InboundRefusal::LABELS.len()],
    /// Alerts that no account had asked for.
    pub alerts_unasked: u64,
    /// Open links.
    pub links: u32,
    /// Requests not answered yet.
    pub window_used: u64,
    /// Requests that may be open on the present links.
    pub window: u64,
    /// Messages waiting in lanes that lead to this carrier now, or that would prefer it while none of their carriers is there.
    pub backlog: u64,
    /// Where its breaker stands.
    pub breaker: BreakerState,
    /// How often it was left alone, a probe that failed included.
    pub breaker_opened: u64,
}

/// Per destination country.
#[derive(Clone, Debug)]
pub struct CountryTally {
    /// Which.
    pub country: Country,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages handed to a carrier.
    pub forwarded: u64,
    /// Messages that became final, by `message_state`.
    pub finals: [u64; 9],
    /// Messages waiting for a carrier.
    pub backlog: u64,
}

impl CountryTally {
    /// Adds what went there by another route.
    pub(super) fn add(&mut self, other: &Self, backlog: u64) {
        self.accepted += other.accepted;
        self.forwarded += other.forwarded;
        self.finals.iter_mut().zip(other.finals).for_each(|(own, other)| *own += other);
        self.backlog += backlog;
    }
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By account number; `None` where no such account is configured any more.
    pub accounts: Vec<(String, AccountTally)>,
    /// By carrier.
    pub carriers: Vec<(String, CarrierTally)>,
    /// By destination country, in the order in which they were first seen.
    pub countries: Vec<CountryTally>,
    /// Messages that are not sealed.
    pub messages_live: u64,
    /// Messages that wait for a carrier or for their time.
    pub messages_waiting: u64,
    /// Messages that a change of the rules sent elsewhere while they waited.
    pub rerouted: u64,
    /// Times that the rules changed.
    pub policies: u64,
    /// Receipts waiting for the answer they overtook.
    pub receipts_parked: u64,
    /// Journal blocks and their octets.
    pub journal_blocks: u64,
    /// Octets in them.
    pub journal_octets: u64,
    /// Records sealed into the archive.
    pub sealed: u64,
    /// Messages carried forward because their block was nearly empty.
    pub carried: u64,
}
