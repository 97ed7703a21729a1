//! What persons may ask of the gateway through its clients: which records of the journal are theirs, taking them out, and
//! holding a number. The archive's part is the store's, the order of the steps the caller's.
//!
//! A journal block is never shortened: what is taken out becomes blank, and everything else stays where it is. A message
//! that is lent to a link stays in the book without its record until the link answers, for the link's window counts it.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::Bridge;
use super::book::{NO_CARRIER, Stage};
use crate::clock::{Mono, Now, Unix};
use crate::limits;
use crate::message::{AccountId, CarrierId, MessageId, MessageState};
use crate::pdu::Sm;
use crate::policy::{Holds, Token, Wanted};
use crate::store::{Block, Position, Write};

/// Position of a message that is erased and still lent to a link.
const ERASED: Position = Position { block: u64::MAX, offset: 1 };

/// A journal block and the offsets of the records in it that are meant.
pub type Hits = (Block, Vec<u32>);

/// What the bridge remembers for persons.
#[derive(Debug)]
pub(super) struct Rights {
    pub(super) holds: Holds,
    /// What carriers call erased messages whose receipts may still come, until when, Unix seconds.
    graves: FxHashMap<Token, u32>,
    /// Until then nothing is carried forward, so that a walk through the journal meets everything once.
    walking_until: Mono,
}

/// What was taken out of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Messages that waited for a carrier: they end as DELETED.
    pub unsent: u64,
    /// Messages that a carrier has, or is being given.
    pub sent: u64,
    /// Final messages, and their receipts where some were owed.
    pub ended: u64,
    /// Messages from handsets that waited for their account.
    pub inbound: u64,
    /// Carriers that were given the number, or brought it.
    pub carriers: BTreeSet<CarrierId>,
    /// Tokens of receipts that must find nothing, until when, Unix seconds.
    pub graves: Vec<(Token, u32)>,
}

/// How a message in the journal stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: MessageState,
    /// When it became final.
    pub done: Option<Unix>,
    /// The carrier that got it last, or brought it.
    pub carrier: Option<CarrierId>,
    /// Other carriers that got it before.
    pub others: Vec<CarrierId>,
    /// The `err:` of the receipt, or the bridge's own.
    pub error: u16,
    /// Whether its text is still needed.
    pub waits: bool,
}

/// The offsets of the records in a block that are wanted.
#[must_use]
pub fn hits(block: &Block, wanted: &Wanted) -> Vec<u32> {
    let is_wanted = |account: AccountId, body: &[u8]| {
        Sm::addresses(body).is_ok_and(|(source, destination, _)| wanted.is(account, &source, &destination))
    };
    let writes = block.writes().filter_map(|(offset, write)| match write {
        Ok(Write::Accept(accept)) => is_wanted(accept.account, accept.body).then_some(offset),
        Ok(Write::Inbound(inbound)) => is_wanted(inbound.account, inbound.body).then_some(offset),
        _ => None,
    });
    writes.collect()
}

impl Rights {
    pub(super) fn new(holds: Holds) -> Self {
        Self { holds, graves: FxHashMap::default(), walking_until: Mono(0) }
    }

    /// Whether what lives in old blocks may be written again further on.
    pub(super) fn may_carry(&self, now: Mono) -> bool {
        now >= self.walking_until
    }

    fn bury(&mut self, key: u64, until: u32, now: u32) -> Option<Token> {
        if key == 0 || until <= now {
            return None;
        }
        if self.graves.len() >= limits::GRAVES_MAX {
            self.graves.retain(|_, until| *until > now);
            if self.graves.len() >= limits::GRAVES_MAX {
                return None;
            }
        }
        let token = self.holds.key().correlation(key);
        self.graves.insert(token, until);
        Some(token)
    }

    /// Whether a receipt with one of these keys is about an erased message.
    pub(super) fn is_buried(&self, keys: [u64; 3], now: u32) -> bool {
        let buried = |key: u64| self.graves.get(&self.holds.key().correlation(key)).is_some_and(|until| *until > now);
        !self.graves.is_empty() && keys.into_iter().any(|key| key != 0 && buried(key))
    }
}

impl Cleared {
    /// Adds what another step took out.
    pub fn add(&mut self, other: Self) {
        let Self { unsent, sent, ended, inbound, carriers, graves } = other;
        self.unsent += unsent;
        self.sent += sent;
        self.ended += ended;
        self.inbound += inbound;
        self.carriers.extend(carriers);
        self.graves.extend(graves);
    }
}

impl Bridge {
    /// The same bridge with what was decided about persons before: numbers that are held, and receipts that must find
    /// nothing. For a bridge without history: what carriers call messages is hashed under the key of `holds` from now on.
    #[must_use]
    pub fn with_rights(mut self, holds: Holds, graves: impl IntoIterator<Item = (Token, u32)>) -> Self {
        self.book = super::Book::new(holds.key().seed());
        self.rights = Rights::new(holds);
        self.rights.graves.extend(graves);
        self
    }

    /// These numbers are held from now on, and no others.
    pub fn hold(&mut self, holds: Holds) {
        self.rights.holds = holds;
    }

    /// A walk through the journal begins or goes on: for [`limits::WALK_US`] nothing is moved within it. The number of
    /// the first block that it need not look at: what is accepted now is in an earlier one once it is stored.
    pub fn walk_journal(&mut self, now: Now) -> u64 {
        self.rights.walking_until = Mono(now.mono.0 + limits::WALK_US);
        self.pages.end()
    }

    /// How the message at a position of the journal stands; `None` where the record there is no longer the message's.
    #[must_use]
    pub fn standing(&self, id: MessageId, position: Position) -> Option<Standing> {
        let slot = self.book.find(id)?;
        let entry = &self.book.slots[slot];
        if entry.position != position {
            return None;
        }
        let (state, done) = match entry.stage {
            Stage::Waiting | Stage::Scheduled | Stage::Handed | Stage::Sent | Stage::Joined => {
                (MessageState::Enroute, None)
            }
            Stage::Owed | Stage::Resting | Stage::Delivering if entry.is_mobile() => (MessageState::Enroute, None),
            Stage::Owed | Stage::Resting | Stage::Delivering | Stage::Settled => {
                (entry.state, Some(Unix(u64::from(entry.done) * 1000)))
            }
        };
        let carrier = Some(entry.carrier).filter(|carrier| *carrier != NO_CARRIER);
        let others = self.book.others(slot).collect();
        Some(Standing { state, done, carrier, others, error: entry.error, waits: done.is_none() })
    }

    /// Takes records out of journal blocks and forgets their messages. Durable with the next commit.
    pub fn erase(&mut self, hits: &[Hits], now: Now) -> Cleared {
        let mut cleared = Cleared::default();
        for (block, offsets) in hits {
            if !self.pages.is_closed(block.number) {
                // Sealed meanwhile: what was in it is in the archive.
                continue;
            }
            for &offset in offsets {
                let position = Position { block: block.number, offset };
                let id = block.write_at(offset).ok().and_then(|write| write.id());
                let slot = id.and_then(|id| self.book.find(id));
                if let Some(slot) = slot.filter(|slot| self.book.slots[*slot].position == position) {
                    self.erase_slot(slot, now, &mut cleared);
                }
            }
            self.pages.redo(block.without(offsets));
        }
        cleared
    }

    fn erase_slot(&mut self, slot: u32, now: Now, cleared: &mut Cleared) {
        let entry = &self.book.slots[slot];
        let (stage, account, lane, mobile) = (entry.stage, entry.account.0 as usize, entry.lane, entry.is_mobile());
        if entry.carrier != NO_CARRIER {
            cleared.carriers.insert(entry.carrier);
        }
        cleared.carriers.extend(self.book.others(slot));
        let until = entry.expires.saturating_add(limits::RECEIPT_GRACE_S);
        // Before that the key tells parts of one message, and nothing a carrier knows.
        let key = if stage >= Stage::Sent { entry.key } else { 0 };
        let grave = self.rights.bury(key, until, now.unix.seconds());
        cleared.graves.extend(grave.map(|token| (token, until)));
        if stage != Stage::Settled {
            self.pages.settle(entry.position);
        }
        let tally = &mut self.accounts[account].tally;
        match stage {
            Stage::Waiting | Stage::Scheduled | Stage::Handed | Stage::Sent => {
                tally.finals[MessageState::Deleted as usize] += 1;
                self.lanes.finished(lane, MessageState::Deleted);
                let count = if self.waits(slot) { &mut cleared.unsent } else { &mut cleared.sent };
                *count += 1;
            }
            Stage::Owed | Stage::Resting | Stage::Delivering if mobile => {
                self.inbound.waiting -= 1;
                tally.inbound_waiting -= 1;
                tally.inbound_expired += 1;
                cleared.inbound += 1;
            }
            Stage::Owed | Stage::Resting | Stage::Delivering => {
                tally.receipts_owed -= 1;
                tally.receipts_dropped += 1;
                cleared.ended += 1;
            }
            Stage::Joined | Stage::Settled => cleared.ended += 1,
        }
        if matches!(stage, Stage::Handed | Stage::Delivering) {
            self.wheel.remove(&mut self.book.slots, slot);
            self.book.slots[slot].position = ERASED;
        } else {
            self.detach(slot);
            self.end_erased(slot, now);
        }
    }

    /// Whether the message is erased and was only waited for by its link.
    pub(super) fn is_erased(&self, slot: u32) -> bool {
        self.book.slots[slot].position == ERASED
    }

    /// Nothing waits for the message any more. It must be detached.
    pub(super) fn forget_erased(&mut self, slot: u32) {
        self.wheel.remove(&mut self.book.slots, slot);
        self.book.remove(slot);
    }

    /// The same of one that may be a part of a message that was cut.
    pub(super) fn end_erased(&mut self, slot: u32, now: Now) {
        let whole = self.whole_of(slot);
        self.forget_erased(slot);
        if let Some(whole) = whole {
            // The other parts wait for it no more.
            self.join(whole, now);
        }
    }

    /// A carrier took a message over that was erased meanwhile: its receipt must find nothing.
    pub(super) fn bury_answered(&mut self, slot: u32, carrier: CarrierId, id: &[u8], now: Now) {
        let until = self.book.slots[slot].expires.saturating_add(limits::RECEIPT_GRACE_S);
        if !id.is_empty() {
            let key = self.book.key(carrier, super::receipt::canonical(id, &mut [0; 65]));
            self.rights.bury(key, until, now.unix.seconds());
        }
        self.end_erased(slot, now);
    }

    /// Whether one of the message's numbers is held. Its record is at hand.
    pub(super) fn is_held(&self, slot: u32) -> bool {
        let entry = &self.book.slots[slot];
        let accept = self.pages.accepted(entry.position);
        accept.is_some_and(|accept| self.holds_body(entry.account, accept.body))
    }

    /// Whether a message of this account with this body is about a number that is held.
    pub(super) fn holds_body(&self, account: AccountId, body: &[u8]) -> bool {
        let addresses = Sm::addresses(body);
        addresses.is_ok_and(|(source, destination, _)| self.rights.holds.cover(account, &source, &destination))
    }

    /// A message in its lane is not sent while its number is held. It is looked at again after a while, and ends when its
    /// validity does.
    pub(super) fn set_aside(&mut self, slot: u32, now: Now) {
        let lane = self.book.slots[slot].lane;
        self.lanes.remove(&mut self.book.slots, lane, slot);
        let entry = &mut self.book.slots[slot];
        let due = now.unix.seconds().saturating_add(limits::HELD_S).min(entry.expires);
        (entry.stage, entry.done) = (Stage::Scheduled, due);
        self.remind(slot, due, now);
    }
}
