//! `cancel_sm`, `replace_sm` and the replacing `submit_sm`: what may still happen to a message that waits here.
//! SMPP 3.4 §4.9, §4.10 and §5.2.18.
//!
//! A message that is lent to a carrier, or that a carrier has, is out of reach: it may have been delivered. What is done
//! is written before it is answered. Messages that are named by their addresses are searched for in [`super::seek`].

use bytes::BytesMut;

use super::Bridge;
use super::book::Stage;
use super::lookup::Name;
use super::recall::{Answer, Ask, Hold, is_from};
use super::recode::Text;
use super::refusal::Refusal;
use super::submit::{self, LEGACY_ID, PRIORITY_SHIFT, VALIDITY_GIVEN};
use super::whole;
use crate::clock::{Now, Unix};
use crate::message::MessageState;
use crate::pdu::{CancelSm, CommandId, CommandStatus, HEADER_LENGTH, ReplaceSm, Sm, Tag, Tlv, Tlvs, Udh};
use crate::policy::number;
use crate::store::{Accept, Write};

/// What a waiting message becomes.
struct Change {
    /// A header, of which nothing counts, and the body of a `submit_sm`; more than one where it is cut.
    wires: Vec<BytesMut>,
    /// Unix seconds before which it is not forwarded, 0 for at once; `None` leaves it where it waits.
    due: Option<u32>,
    expires: u32,
    flags: u8,
    /// [`submit::RECODED`] or nothing.
    marks: u16,
}

impl Bridge {
    /// Cancels the message of an id, or begins to look for those of an address.
    pub(super) fn cancel(&mut self, ask: Ask<'_>, now: Now) -> Result<Answer, Hold> {
        self.may_accept()?;
        let cancel = CancelSm::decode(ask.body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
        if cancel.message_id.is_empty() {
            if cancel.destination.is_empty() {
                return Err(Refusal::Malformed(CommandStatus::ESME_RINVDSTADR).into());
            }
            return Err(Hold::Seek);
        }
        let name = Name::read(cancel.message_id).ok_or(Refusal::Malformed(CommandStatus::ESME_RINVMSGID))?;
        let mut meant = Vec::new();
        for slot in self.named(ask.account, name) {
            if !self.waits(slot) {
                continue;
            }
            let sm = self.sm_of(slot)?;
            let to_it = cancel.destination.is_empty() || sm.destination.octets() == cancel.destination.octets();
            if to_it && is_from(&sm, &cancel.source) {
                meant.push(slot);
            }
        }
        if meant.is_empty() {
            return Err(Refusal::Cancel.into());
        }
        for slot in meant {
            // One part takes the others with it.
            if self.waits(slot) {
                self.cancel_slot(slot, now);
            }
        }
        Ok(Answer::Done)
    }

    /// Ends a message that waits here, with all its parts where it was cut.
    pub(super) fn cancel_slot(&mut self, slot: u32, now: Now) {
        let account = self.book.slots[slot].account.0 as usize;
        self.accounts[account].tally.cancelled += 1;
        for slot in self.together(slot) {
            self.detach(slot);
            self.finish(slot, MessageState::Deleted, 0, now);
        }
    }

    /// Whether the message is still ours alone, with all its parts where it was cut.
    pub(super) fn waits(&self, slot: u32) -> bool {
        let waits = |slot: u32| matches!(self.book.slots[slot].stage, Stage::Waiting | Stage::Scheduled);
        waits(slot) && self.whole_of(slot).is_none_or(|whole| self.parts_of(whole).into_iter().all(waits))
    }

    /// Replaces the message of an id.
    pub(super) fn replace(&mut self, ask: Ask<'_>, now: Now) -> Result<Answer, Hold> {
        self.may_accept()?;
        let replace = ReplaceSm::decode(ask.body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
        let name = Name::read(replace.message_id).ok_or(Refusal::Malformed(CommandStatus::ESME_RINVMSGID))?;
        let mut changes = Vec::new();
        for slot in self.named(ask.account, name) {
            if !self.is_later_part(slot) && self.waits(slot) && is_from(&self.sm_of(slot)?, &replace.source) {
                changes.push((slot, self.replaced(slot, &replace, now)?));
            }
        }
        if changes.is_empty() {
            return Err(Refusal::Replace.into());
        }
        for (slot, change) in changes {
            self.rewrite(slot, &change, now);
        }
        Ok(Answer::Done)
    }

    /// What a `replace_sm` makes of a waiting message: times it does not name stay as they are.
    fn replaced(&self, slot: u32, replace: &ReplaceSm<'_>, now: Now) -> Result<Change, Hold> {
        let (old, entry) = (self.sm_of(slot)?, &self.book.slots[slot]);
        let mut tlvs = Vec::new();
        let kept = old.tlvs.iter().filter(|tlv| tlv.tag != Tag::MESSAGE_PAYLOAD);
        let payload = replace.tlvs.find(Tag::MESSAGE_PAYLOAD).map(|value| Tlv { tag: Tag::MESSAGE_PAYLOAD, value });
        kept.chain(payload).for_each(|tlv| tlv.encode(&mut tlvs));
        let sm = Sm {
            esm_class: self.told_class(slot, &old),
            schedule_delivery_time: replace.schedule_delivery_time,
            validity_period: replace.validity_period,
            registered_delivery: replace.registered_delivery,
            replace_if_present_flag: 0,
            sm_default_msg_id: replace.sm_default_msg_id,
            short_message: replace.short_message,
            tlvs: Tlvs::lenient(&tlvs),
            ..old
        };
        // A replacement names no coding: it is written as the text before was.
        let was = self.pages.accepted(entry.position).map_or(0, |accept| accept.flags & submit::RECODED);
        let sm = if was == 0 { sm } else { Sm { data_coding: 0, ..sm } };
        sm.check_submit().map_err(|malformed| Refusal::Malformed(malformed.status))?;
        let alphabet = self.accounts[entry.account.0 as usize].alphabet;
        let text = Text::kept(&sm, alphabet);
        let marks = if text.is_some() { submit::RECODED } else { was };
        let sm = text.as_ref().map_or(sm, |text| text.put(&sm));
        self.screen_anew(entry.account.0, &sm)?;
        let (schedule, validity) = submit::wishes(&sm, now)?;
        let (mut due, mut expires) = (None, entry.expires);
        if schedule.is_some() || validity.is_some() {
            let at = |seconds: u32| Unix(u64::from(seconds) * 1000);
            let scheduled = entry.stage == Stage::Scheduled && entry.attempts == 0;
            let from = schedule.or_else(|| scheduled.then(|| at(entry.done)));
            let until = validity.or_else(|| (entry.flags & VALIDITY_GIVEN != 0).then(|| at(entry.expires)));
            let (begin, end) = self.policy.validity.resolve(from, until, now.unix).map_err(Refusal::Time)?;
            due = schedule.map(|_| if begin > now.unix { begin.seconds() } else { 0 });
            expires = end.seconds();
        }
        let flags = submit::flags(&sm) | entry.flags & (LEGACY_ID | VALIDITY_GIVEN | submit::SHARED_ID);
        Ok(Change { wires: self.written(slot, &sm)?, due, expires, flags, marks })
    }

    /// The `esm_class` that the client gave: cutting added a header, unless there was one.
    fn told_class(&self, slot: u32, sm: &Sm<'_>) -> u8 {
        let header = if self.whole_of(slot).is_some() { Udh::of(sm.text()) } else { None };
        let joined_only = header.is_some_and(|(header, _)| header.elements().count() == 1);
        if joined_only { sm.esm_class & !Sm::UDHI } else { sm.esm_class }
    }

    /// The message as PDUs: one, or as many as it must be cut into. There are no ids for more than it has parts now.
    fn written(&self, slot: u32, sm: &Sm<'_>) -> Result<Vec<BytesMut>, Refusal> {
        let Some(segments) = self.cut(sm, self.book.slots[slot].lane)? else {
            let mut wire = BytesMut::new();
            sm.encode(CommandId::SUBMIT_SM, 0, &mut wire);
            return Ok(vec![wire]);
        };
        let first = self.whole_of(slot).map_or(self.book.slots[slot].id, |(first, _)| first);
        if usize::from(segments.count()) > self.together(slot).len() {
            return Err(Refusal::Replace);
        }
        Ok(whole::messages(sm, &segments, whole::reference(first)).collect())
    }

    /// Replaces a waiting message by a whole new one to the same recipient.
    pub(super) fn replace_whole(&mut self, slot: u32, sm: &Sm<'_>, now: Now) -> Result<(), Hold> {
        let slot = self.together(slot).first().copied().unwrap_or(slot);
        // Its old record must be at hand, for it is copied from.
        self.sm_of(slot)?;
        let (due, expires) = self.times(sm, now)?;
        let entry = &self.book.slots[slot];
        self.screen_anew(entry.account.0, sm)?;
        // One that waits to be retried waits because a carrier said so.
        let rests = entry.stage == Stage::Scheduled && entry.attempts > 0;
        let due = if rests && due == 0 { None } else { Some(due) };
        let flags = submit::flags(sm) | entry.flags & (LEGACY_ID | submit::SHARED_ID);
        let text = Text::kept(sm, self.accounts[entry.account.0 as usize].alphabet);
        let marks = if text.is_some() { submit::RECODED } else { 0 };
        let sm = text.as_ref().map_or(*sm, |text| text.put(sm));
        let change = Change { wires: self.written(slot, &sm)?, due, expires, flags, marks };
        self.rewrite(slot, &change, now);
        Ok(())
    }

    /// Whether the account may send what a waiting message would become.
    fn screen_anew(&self, account: u16, sm: &Sm<'_>) -> Result<(), Refusal> {
        if self.policy.screens.is_empty() {
            return Ok(());
        }
        let home = self.accounts[account as usize].home;
        let number = number::dialled_from(home, &sm.destination).map_err(Refusal::Address)?;
        let country = self.policy.prefixes.find(number.digits()).ok_or(Refusal::NoRoute)?;
        self.screen(account, country, &number, sm)
    }

    /// Writes a waiting message anew, under its id and in its place. The old record of its first part must be at hand.
    fn rewrite(&mut self, slot: u32, change: &Change, now: Now) {
        let (parts, old) = (self.together(slot), self.book.slots[slot].position);
        let Some(Accept { account, country, class, accepted, .. }) = self.pages.accepted(old) else { return };
        self.accounts[account.0 as usize].tally.replaced += 1;
        let is_cut = change.wires.len() > 1;
        let marks = change.marks | if is_cut { submit::CUT } else { 0 };
        for (slot, wire) in parts.iter().zip(&change.wires) {
            let entry = &self.book.slots[*slot];
            let due = match change.due {
                Some(due) if due > now.unix.seconds() => due,
                Some(_) => 0,
                None if entry.stage == Stage::Scheduled => entry.done,
                None => 0,
            };
            let (id, flags, expires) = (entry.id, u16::from(change.flags) | marks, change.expires);
            let body = &wire[HEADER_LENGTH..];
            let accept = Accept { id, account, country, class, flags, accepted, due, expires, body };
            self.rewrite_slot(*slot, accept, change, now);
        }
        let Some((first, _)) = self.whole_of(slot) else { return };
        if is_cut {
            self.wholes.insert(first, change.wires.len() as u8);
        } else {
            self.wholes.remove(first);
        }
        for slot in parts.into_iter().skip(change.wires.len()) {
            self.drop_part(slot, now);
        }
    }

    /// Writes one message anew and lets it wait where it should now.
    fn rewrite_slot(&mut self, slot: u32, accept: Accept<'_>, change: &Change, now: Now) {
        let entry = &self.book.slots[slot];
        let (old, attempts, lane, was) = (entry.position, entry.attempts, entry.lane, entry.flags);
        let Accept { id, due, expires, .. } = accept;
        self.pages.settle(old);
        let position = self.pages.accept(accept);
        // Said beside the record, for the first one of an id decides when it is due.
        let route = self.lanes.position(lane);
        self.pages.write(&Write::Retry { id, position: route, attempts, due });
        let moves = change.due.is_some() || was >> PRIORITY_SHIFT != change.flags >> PRIORITY_SHIFT;
        if moves {
            self.detach(slot);
        }
        let entry = &mut self.book.slots[slot];
        (entry.position, entry.expires, entry.flags) = (position, expires, change.flags);
        if !moves {
            let at = if entry.stage == Stage::Scheduled { entry.done } else { expires };
            return self.remind(slot, at, now);
        }
        self.waiting += 1;
        if due == 0 {
            return self.enqueue(slot, now);
        }
        (entry.stage, entry.done) = (Stage::Scheduled, due);
        self.remind(slot, due, now);
    }
}
