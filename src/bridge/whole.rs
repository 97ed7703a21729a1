//! Messages that were cut here, because a carrier of their way takes no `message_payload`: each part is a message of its
//! own on its way, and to the client they are one. It has one id, one end and one receipt.
//!
//! A part that has ended waits for the others ([`Stage::Joined`]); with the last one the whole ends, as delivered where
//! all are, else as the worst of them. The first part stands for the whole then, and the others are settled.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::Bridge;
use super::book::Stage;
use super::recall::SHARING;
use super::refusal::Refusal;
use super::submit::{self, Admission, CUT, SHARED_ID};
use crate::clock::{Now, Unix};
use crate::message::{MessageId, MessageState, owes_receipt};
use crate::pdu::{CommandId, CommandStatus, HEADER_LENGTH, Part, Segments, Sm, Tag, Tlvs};
use crate::store::Write;

/// Most octets of `short_message` that all carriers take.
const SHORT_MESSAGE_MAX: usize = 254;

/// The messages that were cut and have not ended: number of parts by the id of the first. The parts' ids follow it.
#[derive(Debug, Default)]
pub(super) struct Wholes {
    parts: BTreeMap<u64, u8>,
}

impl Wholes {
    pub(super) fn insert(&mut self, first: MessageId, parts: u8) {
        self.parts.insert(first.0, parts);
    }

    pub(super) fn remove(&mut self, first: MessageId) {
        self.parts.remove(&first.0);
    }

    /// Id of the first part, and number of parts, of the whole that a message belongs to.
    pub(super) fn of(&self, id: MessageId) -> Option<(MessageId, u8)> {
        let (first, parts) = self.parts.range(..=id.0).next_back()?;
        (id.0 - first < u64::from(*parts)).then_some((MessageId(*first), *parts))
    }

    /// The journal holds this part: of a whole, or in its place when that was replaced.
    pub(super) fn replayed(&mut self, id: MessageId, part: Option<Part>) {
        match part {
            Some(part) => self.insert(MessageId(id.0.saturating_sub(u64::from(part.number) - 1)), part.total),
            None => self.remove(id),
        }
    }

    /// First ids of all.
    fn firsts(&self) -> Vec<MessageId> {
        self.parts.keys().copied().map(MessageId).collect()
    }
}

/// The text of a message that has it in `message_payload`.
pub(super) fn payload<'a>(sm: &Sm<'a>) -> Option<&'a [u8]> {
    sm.tlvs.find(Tag::MESSAGE_PAYLOAD).filter(|payload| !payload.is_empty())
}

/// The segments in which it must leave where that is not taken. A part that the client cut is never cut again; `None` where it
/// is too long for one message, or the text for all that there can be.
pub(super) fn segments<'a>(sm: &Sm<'_>, payload: &'a [u8]) -> Option<Segments<'a>> {
    match sm.part() {
        None => Segments::of(payload, sm.has_udh(), sm.data_coding),
        Some(_) if payload.len() <= SHORT_MESSAGE_MAX => Segments::uncut(payload, sm.has_udh()),
        Some(_) => None,
    }
}

/// The segments of a text as messages, whose body follows a header of which nothing counts.
pub(super) fn messages<'a>(
    sm: &'a Sm<'_>,
    segments: &'a Segments<'_>,
    reference: u8,
) -> impl Iterator<Item = BytesMut> + 'a {
    let kept = sm.tlvs.iter().filter(|tlv| tlv.tag != Tag::MESSAGE_PAYLOAD);
    let (mut tlvs, mut text) = (Vec::new(), Vec::new());
    kept.for_each(|tlv| tlv.encode(&mut tlvs));
    (1..=segments.count()).map(move |number| {
        segments.write(number, reference, &mut text);
        let esm_class = if segments.has_udh() { sm.esm_class | Sm::UDHI } else { sm.esm_class & !Sm::UDHI };
        let part = Sm { esm_class, short_message: &text, tlvs: Tlvs::lenient(&tlvs), ..*sm };
        let mut wire = BytesMut::new();
        part.encode(CommandId::SUBMIT_SM, 0, &mut wire);
        wire
    })
}

/// What joins the parts of a whole: the same for none that follow soon.
pub(super) fn reference(first: MessageId) -> u8 {
    (first.0 / SHARING).wrapping_add(first.0 % SHARING) as u8
}

impl Bridge {
    /// The segments in which a text must leave, where a carrier of the lane's way does not take it in `message_payload`.
    pub(super) fn cut<'a>(&self, sm: &Sm<'a>, lane: u16) -> Result<Option<Segments<'a>>, Refusal> {
        if sm.tlvs.is_empty() || self.lanes.takes_payload(lane) {
            return Ok(None);
        }
        let Some(payload) = payload(sm) else { return Ok(None) };
        segments(sm, payload).map(Some).ok_or(Refusal::Malformed(CommandStatus::ESME_RINVMSGLEN))
    }

    /// Accepts a message in these segments; the slot of the first.
    pub(super) fn accept_cut(
        &mut self,
        admission: &Admission,
        sm: &Sm<'_>,
        segments: &Segments<'_>,
        now: Now,
    ) -> Result<u32, Refusal> {
        let count = u64::from(segments.count());
        if self.waiting + count > self.backlog_max {
            return Err(Refusal::BacklogFull);
        }
        if count > 1 && admission.flags & SHARED_ID != 0 && self.next_id % SHARING + count > SHARING {
            return Err(Refusal::Busy);
        }
        let alone = messages(sm, segments, 0).next().filter(|_| count == 1);
        if let Some(wire) = alone {
            let body = &wire[HEADER_LENGTH..];
            let sm = Sm::decode(body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
            return self.accept_whole(admission, &sm, body, now);
        }
        self.charge(admission, u32::from(segments.count()), now)?;
        if admission.flags & SHARED_ID == 0 {
            self.next_id = self.next_id.next_multiple_of(SHARING);
        }
        let first = MessageId(self.next_id);
        self.wholes.insert(first, segments.count());
        self.accounts[admission.account as usize].tally.cut += 1;
        let admission = Admission { flags: admission.flags | SHARED_ID, marks: admission.marks | CUT, ..*admission };
        let mut slots = messages(sm, segments, reference(first)).filter_map(|wire| {
            let body = &wire[HEADER_LENGTH..];
            // It was encoded just now, so it can be read.
            Sm::decode(body).ok().map(|sm| self.admit(&admission, &sm, body, now))
        });
        let slot = slots.next().ok_or(Refusal::Malformed(CommandStatus::ESME_RINVMSGLEN))?;
        slots.for_each(drop);
        Ok(slot)
    }

    /// The whole that a message is a part of: id of the first part, and number of parts.
    pub(super) fn whole_of(&self, slot: u32) -> Option<(MessageId, u8)> {
        let entry = &self.book.slots[slot];
        if entry.flags & SHARED_ID == 0 { None } else { self.wholes.of(entry.id) }
    }

    /// Whether another part speaks for it.
    pub(super) fn is_later_part(&self, slot: u32) -> bool {
        self.whole_of(slot).is_some_and(|(first, _)| first != self.book.slots[slot].id)
    }

    /// The parts of a whole that are in the book.
    pub(super) fn parts_of(&self, (first, parts): (MessageId, u8)) -> Vec<u32> {
        (0..u64::from(parts)).filter_map(|step| self.book.find(MessageId(first.0 + step))).collect()
    }

    /// All parts of the message's whole, or the message alone.
    pub(super) fn together(&self, slot: u32) -> Vec<u32> {
        self.whole_of(slot).map_or_else(|| vec![slot], |whole| self.parts_of(whole))
    }

    /// A part has ended; where it was the last, the whole ends.
    pub(super) fn join(&mut self, whole: (MessageId, u8), now: Now) {
        let parts = self.parts_of(whole);
        if parts.iter().any(|slot| self.book.slots[*slot].stage < Stage::Joined) {
            return;
        }
        self.wholes.remove(whole.0);
        // The first of the worst.
        let worst = parts.iter().rev().max_by_key(|slot| badness(self.book.slots[**slot].state)).copied();
        let (Some(worst), Some(&speaker)) = (worst, parts.first()) else { return };
        let (state, error) = (self.book.slots[worst].state, self.book.slots[worst].error);
        for slot in parts {
            let entry = &mut self.book.slots[slot];
            let owed = slot == speaker && owes_receipt(entry.flags & submit::REGISTERED_BITS, state);
            if owed || (entry.state, entry.error) != (state, error) {
                (entry.state, entry.error) = (state, error);
                let (id, state) = (entry.id, state as u8);
                self.pages.write(&Write::Final { id, state, error, network: None, at: now.unix, owed });
            }
            if owed {
                self.book.slots[slot].done = now.unix.seconds();
                self.accounts[self.book.slots[slot].account.0 as usize].tally.receipts_owed += 1;
                self.owe(slot, now);
            } else {
                self.settle(slot);
            }
        }
    }

    /// The replay is over: wholes whose parts have all ended end, or had ended.
    pub(super) fn rejoin(&mut self, now: Now) {
        for first in self.wholes.firsts() {
            let Some(whole) = self.wholes.of(first) else { continue };
            let parts = self.parts_of(whole);
            let ended = parts.iter().any(|slot| self.book.slots[*slot].stage > Stage::Joined);
            if !ended {
                self.join(whole, now);
                continue;
            }
            self.wholes.remove(first);
            for slot in parts {
                if self.book.slots[slot].stage == Stage::Joined {
                    self.settle(slot);
                }
            }
        }
    }

    /// A part that a shorter text has no use for ends, and nobody hears of it. Its whole is no more.
    pub(super) fn drop_part(&mut self, slot: u32, now: Now) {
        self.detach(slot);
        let entry = &mut self.book.slots[slot];
        (entry.state, entry.error, entry.done) = (MessageState::Deleted, 0, now.unix.seconds());
        let (id, state, at) = (entry.id, entry.state as u8, Unix(now.unix.0));
        self.pages.write(&Write::Final { id, state, error: 0, network: None, at, owed: false });
        self.accounts[entry.account.0 as usize].tally.finals[MessageState::Deleted as usize] += 1;
        self.lanes.finished(entry.lane, MessageState::Deleted);
        self.settle(slot);
    }
}

/// Which of several ends is the end of all: the one with the most.
fn badness(state: MessageState) -> u8 {
    match state {
        MessageState::Delivered => 0,
        MessageState::Accepted => 1,
        MessageState::Unknown => 2,
        MessageState::Deleted => 3,
        MessageState::Expired => 4,
        MessageState::Undeliverable => 5,
        MessageState::Rejected => 6,
        MessageState::Enroute => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_is_known_by_each_of_its_parts() {
        let mut wholes = Wholes::default();
        wholes.insert(MessageId(256), 3);
        wholes.insert(MessageId(259), 2);
        for (id, expected) in
            [(255, None), (256, Some(256)), (258, Some(256)), (259, Some(259)), (260, Some(259)), (261, None)]
        {
            assert_eq!(wholes.of(MessageId(id)).map(|(first, _)| first.0), expected, "{id}");
        }
        wholes.replayed(MessageId(514), Some(Part { reference: 7, total: 4, number: 3 }));
        assert_eq!(wholes.of(MessageId(515)), Some((MessageId(512), 4)));
        wholes.replayed(MessageId(256), None);
        assert_eq!(wholes.of(MessageId(257)), None);
        assert_eq!(wholes.firsts(), [MessageId(259), MessageId(512)]);
    }

    #[test]
    fn references_of_wholes_that_follow_each_other_differ() {
        let references: Vec<u8> = (0..256).map(|n| reference(MessageId(n * SHARING))).collect();
        assert!((0..=255).all(|reference| references.contains(&reference)));
        assert_ne!(reference(MessageId(SHARING)), reference(MessageId(SHARING + 3)));
    }
}
