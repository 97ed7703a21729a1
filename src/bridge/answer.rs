//! What carriers answer to our `submit_sm`: accepted, later, slower, elsewhere or never.

use super::book::Stage;
use super::link::Side;
use super::receipt::canonical;
use super::{Bridge, seconds};
use crate::clock::Now;
use crate::limits;
use crate::message::{CarrierId, MessageState};
use crate::pdu::{CommandStatus, SmResp};
use crate::policy::breaker;
use crate::policy::retry::{self, Next, Outcome};
use crate::session::Event;
use crate::store::Write;

/// Whether a response is the session's own word that it did not write the request: no peer answers in no time.
pub(super) fn is_unsent(event: &Event) -> bool {
    matches!(event, Event::Response { status: CommandStatus::ESME_RINVBNDSTS, elapsed_us: 0, body, .. } if body.len == 0)
}

impl Bridge {
    /// A response to a message lent to this carrier's link.
    pub(super) fn answered(&mut self, link: u16, token: u64, status: CommandStatus, body: &[u8], now: Now) {
        let Some((slot, carrier)) = self.reclaim(link, token) else { return };
        self.learn(slot, carrier.0, breaker::is_failure(Outcome::Status(status)), now);
        if self.is_erased(slot) {
            let is_taken = status == CommandStatus::ESME_ROK;
            let id = if is_taken { SmResp::decode(body).message_id } else { b"" };
            return self.bury_answered(slot, carrier, id, now);
        }
        if status != CommandStatus::ESME_ROK {
            self.not_accepted(slot, carrier, Outcome::Status(status), now);
            return;
        }
        self.carriers[carrier.0 as usize].tally.accepted += 1;
        self.carriers[carrier.0 as usize].pace.accepted(now.mono);
        let response = SmResp::decode(body);
        let id = response.message_id.get(..response.message_id.len().min(65)).unwrap_or_default();
        let entry = &mut self.book.slots[slot];
        entry.stage = Stage::Sent;
        let until = entry.expires.saturating_add(limits::RECEIPT_GRACE_S);
        self.pages.write(&Write::Sent { id: entry.id, carrier, at: seconds(now.unix), carrier_message_id: id });
        self.remind(slot, until, now);
        if !id.is_empty() {
            let mut buffer = [0; 65];
            let key = self.book.key(carrier, canonical(id, &mut buffer));
            self.book.set_key(slot, key);
            let recipient = self.book.slots[slot].recipient;
            if let Some(early) = self.parked.claim(key, recipient) {
                self.carriers[carrier.0 as usize].tally.receipts_early += 1;
                self.apply_receipt(slot, early.state, early.error, now);
            }
        }
    }

    /// No answer in time.
    pub(super) fn unanswered(&mut self, link: u16, carrier: u16, token: u64, now: Now) {
        if let Some((slot, _)) = self.reclaim(link, token) {
            self.learn(slot, carrier, true, now);
            if self.is_erased(slot) {
                return self.end_erased(slot, now);
            }
            self.unknown_outcome(slot, carrier, now);
        }
    }

    /// The carrier may or may not have the message. It must not be lent any more.
    pub(super) fn unknown_outcome(&mut self, slot: u32, carrier: u16, now: Now) {
        self.carriers[carrier as usize].tally.unknown += 1;
        self.not_accepted(slot, CarrierId(carrier), Outcome::Unknown, now);
    }

    /// Takes a message back from the link it was lent to; `None` for an answer that is no longer awaited.
    fn reclaim(&mut self, link: u16, token: u64) -> Option<(u32, CarrierId)> {
        let slot = self.book.redeem(token)?;
        let entry = &self.book.slots[slot];
        if entry.stage != Stage::Handed || entry.link != link {
            return None;
        }
        let carrier = entry.carrier;
        self.links.give_back(&mut self.book.slots, link, slot);
        Some((slot, carrier))
    }

    /// The session never wrote these: its link had begun to unbind. They go to the front in their old order, the attempt
    /// does not count, and the link gets nothing more.
    pub(super) fn unsent(&mut self, link: u16, events: &[Event], now: Now) {
        let mut found = false;
        for event in events.iter().rev().filter(|event| is_unsent(event)) {
            let Event::Response { token, .. } = *event else { continue };
            found = true;
            match self.links[link].side {
                Side::Carrier { .. } => {
                    if let Some((slot, carrier)) = self.reclaim(link, token) {
                        self.forget_probe(slot, carrier.0);
                        if self.is_erased(slot) {
                            self.end_erased(slot, now);
                            continue;
                        }
                        self.write_known(slot, carrier);
                        self.requeue_front(slot, now);
                    }
                }
                Side::Account { .. } => self.receipt_unsent(link, token),
            }
        }
        if found {
            self.retire(link);
        }
    }

    /// Nothing more is lent to the link.
    fn retire(&mut self, link: u16) {
        let entry = &mut self.links[link];
        (entry.credit, entry.window) = (0, 0);
        if let Side::Carrier { carrier } = entry.side {
            self.carriers[carrier as usize].forget_link(link);
            self.lanes.reroute(&mut self.carriers);
        }
    }

    fn not_accepted(&mut self, slot: u32, carrier: CarrierId, outcome: Outcome, now: Now) {
        if now.unix.seconds() >= self.book.slots[slot].expires {
            self.finish(slot, MessageState::Expired, retry::ERROR_EXPIRED, now);
            return;
        }
        let (jitter, behind) = (self.jitter(), self.lane_behind(slot, carrier));
        let state = &mut self.carriers[carrier.0 as usize];
        let (id, attempts) = (self.book.slots[slot].id, self.book.slots[slot].attempts);
        let next = state.habits.statuses.next(outcome, attempts, jitter, state.on_unknown);
        if attempts == 0 && !matches!(next, Next::Throttle { .. }) {
            // The first answer of this carrier: that it was given the number must be known after a restart, too.
            self.pages.write(&Write::Passed { id, carrier });
        }
        match next {
            Next::Throttle { pause } => {
                state.tally.throttled += 1;
                state.pace.on_throttle(now.mono, pause);
                self.write_known(slot, carrier);
                self.requeue_front(slot, now);
            }
            Next::Retry { after, failover } => {
                state.tally.retried += 1;
                if outcome == Outcome::Status(CommandStatus::ESME_RMSGQFUL) {
                    state.pace.queue_full(now.mono);
                }
                if outcome == Outcome::Unknown {
                    state.tally.resent += 1;
                }
                self.retry(slot, after, behind.filter(|_| failover), now);
            }
            Next::NextCarrier => match behind {
                Some(lane) => {
                    state.tally.retried += 1;
                    self.book.slots[slot].lane = lane;
                    self.book.slots[slot].attempts = 0;
                    self.write_retry(slot, 0);
                    self.requeue_front(slot, now);
                }
                None => {
                    state.tally.rejected += 1;
                    let (end, error) = state.habits.statuses.given_up(outcome);
                    self.finish(slot, end, error, now);
                }
            },
            Next::Final { state: end, error } => {
                state.tally.rejected += 1;
                self.finish(slot, end, error, now);
            }
        }
    }

    /// `behind`: the lane of the next carrier, where it may take the message.
    fn retry(&mut self, slot: u32, after: std::time::Duration, behind: Option<u16>, now: Now) {
        let entry = &mut self.book.slots[slot];
        entry.attempts = entry.attempts.saturating_add(1);
        // Only where somebody is there: a carrier that is away for good must not get what this one may still take.
        if let Some(lane) = behind
            && self.lanes.has_carrier(lane)
        {
            (entry.lane, entry.attempts) = (lane, 0);
        }
        if after.is_zero() {
            self.write_retry(slot, 0);
            self.requeue_front(slot, now);
            return;
        }
        // No attempt is due after the validity: the message ends then, with its receipt.
        let due = seconds(now.unix.after(after)).min(entry.expires);
        (entry.stage, entry.done) = (Stage::Scheduled, due);
        self.waiting += 1;
        self.write_retry(slot, due);
        self.remind(slot, due, now);
    }

    /// The carrier does not have the message after all: it waits as before it was handed out.
    fn write_known(&mut self, slot: u32, carrier: CarrierId) {
        if self.is_never_resent(carrier.0) {
            self.write_retry(slot, 0);
        }
    }

    pub(super) fn write_retry(&mut self, slot: u32, due: u32) {
        let entry = &self.book.slots[slot];
        let position = self.lanes.position(entry.lane);
        self.pages.write(&Write::Retry { id: entry.id, position, attempts: entry.attempts, due });
    }
}
