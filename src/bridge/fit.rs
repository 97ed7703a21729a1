//! Texts in `message_payload` at a carrier that does not take it. Where it was known when the message came, the message was
//! cut; this is about those that wait when other rules come, or move to other carriers by them.
//!
//! A text that is one short message goes as such. A longer one passes the carrier over: cut now, its parts would have no ids
//! beside that of the message, which the client has.

use bytes::BytesMut;

use super::carrier::Turn;
use super::whole::{messages, payload, segments};
use super::{Bridge, MessageState};
use crate::clock::Now;
use crate::message::CarrierId;
use crate::pdu::Sm;
use crate::policy::retry;

/// The message with its payload in `short_message`, behind a header of which nothing counts. `None` where it has none, or
/// one that is more than a short message.
pub(super) fn alone(sm: &Sm<'_>) -> Option<BytesMut> {
    let segments = segments(sm, payload(sm)?)?;
    messages(sm, &segments, 0).next().filter(|_| segments.count() == 1)
}

impl Bridge {
    /// Whether this carrier cannot be given the message, as far as its record is at hand.
    pub(super) fn is_too_long(&self, slot: u32, carrier: u16) -> bool {
        if self.carriers[carrier as usize].habits.payload {
            return false;
        }
        let accept = self.pages.accepted(self.book.slots[slot].position);
        let sm = accept.and_then(|accept| Sm::decode(accept.body).ok());
        sm.is_some_and(|sm| {
            payload(&sm).is_some_and(|payload| segments(&sm, payload).is_none_or(|all| all.count() > 1))
        })
    }

    /// The first message of its lane is too long for this carrier. It goes to one that takes it, waits for such a one, or
    /// ends where the lane has none. `Err` where it stays in front, for a carrier that is there.
    pub(super) fn pass_over(&mut self, slot: u32, carrier: u16, now: Now) -> Result<(), Turn> {
        let lane = self.book.slots[slot].lane;
        // Where the parts before it went is no place for it.
        self.book.slots[slot].key = 0;
        let current = self.lanes.current(lane).filter(|current| *current != carrier);
        if current.is_some_and(|current| self.carriers[current as usize].habits.payload) {
            return Err(Turn::Elsewhere);
        }
        let behind = self.lanes.behind(lane, CarrierId(carrier)).filter(|behind| *behind != lane);
        if let Some(behind) = behind.filter(|behind| self.is_anybody_for_payloads(*behind, true)) {
            self.lanes.remove(&mut self.book.slots, lane, slot);
            self.waiting -= 1;
            (self.book.slots[slot].lane, self.book.slots[slot].attempts) = (behind, 0);
            self.write_retry(slot, 0);
            self.requeue_front(slot, now);
        } else if self.is_anybody_for_payloads(lane, false) {
            self.set_aside(slot, now);
        } else {
            self.carriers[carrier as usize].tally.rejected += 1;
            self.detach(slot);
            self.finish(slot, MessageState::Undeliverable, retry::ERROR_NO_CARRIER, now);
        }
        Ok(())
    }

    /// The lane in which a message goes on that `carrier` did not take: none where nobody would take one as long.
    pub(super) fn lane_behind(&self, slot: u32, carrier: CarrierId) -> Option<u16> {
        let lane = self.lanes.behind(self.book.slots[slot].lane, carrier)?;
        if self.is_anybody_for_payloads(lane, false) {
            return Some(lane);
        }
        let next = self.lanes.chain(lane).first();
        (!next.is_some_and(|next| self.is_too_long(slot, *next))).then_some(lane)
    }

    /// Whether the lane has a carrier that takes `message_payload`; with `now` one that is there.
    fn is_anybody_for_payloads(&self, lane: u16, now: bool) -> bool {
        self.lanes.chain(lane).iter().any(|carrier| {
            let carrier = &self.carriers[*carrier as usize];
            carrier.habits.payload && (!now || carrier.is_available())
        })
    }
}
