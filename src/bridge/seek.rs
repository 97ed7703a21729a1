//! Looking through the book for messages that are named by their addresses: `cancel_sm` without an id, and `submit_sm`
//! that replaces. SMPP 3.4 §4.9 and §5.2.18.
//!
//! There is no table of addresses, for it would cost every message something that hardly any needs. So the book is
//! walked, some slots in each turn, beside everything else.

use super::Bridge;
use super::input::Outbox;
use super::recall::{Answer, Ask, Hold, is_from};
use super::receipt::tail;
use super::refusal::Refusal;
use crate::clock::Now;
use crate::limits;
use crate::message::MessageId;
use crate::pdu::{Address, CancelSm, CommandId, Sm};

/// How far a walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Walk {
    /// The next slot.
    at: u32,
    /// Where it ends: slots made later are none of its business.
    end: u32,
    /// Messages accepted later are none of its business.
    before: MessageId,
    /// Messages cancelled.
    cancelled: u32,
    /// The newest that would be replaced.
    newest: MessageId,
    /// The block that it waits for.
    block: Option<u64>,
}

/// What is looked for.
struct Wanted<'a> {
    source: Address,
    destination: Address,
    /// `None` for any.
    service_type: Option<&'a [u8]>,
    recipient: u16,
}

impl<'a> Wanted<'a> {
    fn of(ask: &Ask<'a>) -> Option<Self> {
        let (source, destination, service_type) = if ask.command == CommandId::CANCEL_SM {
            let cancel = CancelSm::decode(ask.body).ok()?;
            (cancel.source, cancel.destination, Some(cancel.service_type).filter(|service| !service.is_empty()))
        } else {
            let sm = Sm::decode(ask.body).ok()?;
            (sm.source, sm.destination, Some(sm.service_type))
        };
        Some(Self { source, destination, service_type, recipient: tail(destination.octets()) })
    }

    fn is(&self, sm: &Sm<'_>) -> bool {
        is_from(sm, &self.source)
            && sm.destination.octets() == self.destination.octets()
            && self.service_type.is_none_or(|service| service == sm.service_type)
    }
}

impl Walk {
    /// Whether it can go on at once.
    pub(super) fn is_free(&self) -> bool {
        self.block.is_none()
    }
}

impl Bridge {
    /// A walk over everything that is there now.
    pub(super) fn walk(&self) -> Walk {
        let (end, before) = (self.book.slots.indices().end, MessageId(self.next_id));
        Walk { at: 0, end, before, cancelled: 0, newest: MessageId(0), block: None }
    }

    /// Goes on with a walk, at most `steps` slots. `None`: it is not at its end.
    pub(super) fn go_on(
        &mut self,
        ask: Ask<'_>,
        walk: &mut Walk,
        steps: &mut usize,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Result<Answer, Refusal>> {
        if walk.block.is_some_and(|block| self.reading.contains_key(&block)) {
            return None;
        }
        walk.block = None;
        // It was decoded before.
        let Some(wanted) = Wanted::of(&ask) else { return Some(Err(Refusal::Unsupported)) };
        while walk.at < walk.end {
            if *steps == 0 {
                return None;
            }
            *steps -= 1;
            match self.is_wanted(walk.at, walk.before, ask.account, &wanted) {
                Ok(true) if ask.command == CommandId::CANCEL_SM => {
                    self.cancel_slot(walk.at, now);
                    walk.cancelled += 1;
                }
                Ok(true) => walk.newest = walk.newest.max(self.book.slots[walk.at].id),
                Ok(false) => {}
                Err(Hold::Block(number)) => {
                    self.ask_for(number, 1, now, out);
                    walk.block = Some(number);
                    return None;
                }
                Err(_) => {}
            }
            walk.at += 1;
        }
        if ask.command == CommandId::CANCEL_SM {
            return Some(if walk.cancelled > 0 { Ok(Answer::Done) } else { Err(Refusal::Cancel) });
        }
        match self.submit_over(ask, walk.newest, now) {
            Ok(slot) => Some(Ok(Answer::Submitted(slot))),
            Err(Hold::Refused(refusal)) => Some(Err(refusal)),
            Err(Hold::Block(number)) => {
                self.ask_for(number, 1, now, out);
                walk.block = Some(number);
                None
            }
            Err(_) => Some(Err(Refusal::Unsupported)),
        }
    }

    fn is_wanted(&self, slot: u32, before: MessageId, account: u16, wanted: &Wanted<'_>) -> Result<bool, Hold> {
        let Some(entry) = self.book.slots.at(slot) else { return Ok(false) };
        let may_be = entry.recipient == wanted.recipient
            && entry.account.0 == account
            && (1..before.0).contains(&entry.id.0)
            && self.waits(slot);
        Ok(may_be && wanted.is(&self.sm_of(slot)?))
    }

    /// Submits a message that replaces the one of `newest`, or stands for itself where that waits no more.
    fn submit_over(&mut self, ask: Ask<'_>, newest: MessageId, now: Now) -> Result<u32, Hold> {
        self.may_accept()?;
        let sm = Sm::decode(ask.body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
        match self.book.find(newest).filter(|slot| self.waits(*slot)) {
            Some(slot) => self.replace_whole(slot, &sm, now).map(|()| slot),
            None => Ok(self.accept(ask.link, ask.account, &sm, ask.body, 0, now)?),
        }
    }

    /// Walks of this turn.
    pub(super) fn seek(&mut self, now: Now, out: &mut Outbox) {
        let mut steps = limits::SEEK_SLOTS;
        for (pending, mut walk) in self.recalls.take_walks() {
            let Some(ask) = self.revive(&pending) else { continue };
            match self.go_on(ask, &mut walk, &mut steps, now, out) {
                None => self.recalls.put_back(pending, walk),
                Some(Ok(answer)) => self.answer_recall(ask, &answer, out),
                Some(Err(refusal)) => self.refuse(ask, refusal, out),
            }
        }
    }
}
