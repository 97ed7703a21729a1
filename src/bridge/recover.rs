//! Rebuilding the bridge from the journal: what waits, what was sent, which receipts are owed, what is settled and not
//! sealed. Facts about messages that are not there belong to sealed ones and mean nothing.

use super::Bridge;
use super::book::{NO_INDEX, Slot, Stage};
use super::receipt::{ParkedReceipt, canonical, read_tail, tail};
use super::submit::{CUT, SHARED_ID};
use super::{limits, seconds};
use crate::clock::{Mono, Now};
use crate::message::{AccountId, CarrierId, MessageId, MessageState};
use crate::pdu::Sm;
use crate::policy::Country;
use crate::store::{Accept, Block, Damage, Inbound, Position, Recovered, Write};

/// Position of a message of which facts were found, but no accept record: it was sealed, or was carried to a later
/// block.
const EXPECTED: Position = Position { block: u64::MAX, offset: 0 };

/// What a restart found, for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Messages that wait for a carrier or for their time.
    pub waiting: u64,
    /// Messages a carrier has, whose receipt is awaited; or that of other parts of the same text.
    pub sent: u64,
    /// Messages that ended as unknown now: they were under way to a carrier that must not get them twice.
    pub unknown: u64,
    /// Receipts owed to clients.
    pub owed: u64,
    /// Messages from handsets that wait for their account.
    pub inbound: u64,
    /// Settled messages that are not sealed yet.
    pub settled: u64,
    /// How far the clock is behind the newest time in the journal, in seconds.
    pub behind_s: u32,
}

impl Bridge {
    /// Takes in one journal block; blocks come in the order of their numbers.
    ///
    /// # Errors
    /// [`Damage`] when the block is not what was written.
    pub fn replay(&mut self, block: &Block) -> Result<(), Damage> {
        self.pages.adopt(block.number, block.octets.len());
        for (offset, write) in block.writes() {
            let write = write?;
            if !matches!(write, Write::Mark { .. }) {
                self.pages.tells(block.number);
            }
            self.replay_write(Position { block: block.number, offset }, &write);
        }
        Ok(())
    }

    fn replay_write(&mut self, position: Position, write: &Write<'_>) {
        match *write {
            Write::Accept(accept) => self.replay_accept(position, &accept),
            Write::Inbound(inbound) => self.replay_inbound(position, &inbound),
            Write::Sent { id, carrier, carrier_message_id, at } => {
                self.parked.time_passed(at);
                self.replay_sent(id, carrier, carrier_message_id);
            }
            Write::Retry { id, position, attempts, due } => {
                let Some(slot) = self.book.find(id) else { return };
                let lane = self.book.slots[slot].lane;
                let lane = if lane == NO_INDEX { lane } else { self.lanes.at_position(lane, position) };
                let entry = &mut self.book.slots[slot];
                if entry.position != EXPECTED
                    && matches!(entry.stage, Stage::Waiting | Stage::Scheduled | Stage::Handed)
                {
                    entry.stage = if due == 0 { Stage::Waiting } else { Stage::Scheduled };
                    (entry.lane, entry.attempts, entry.done) = (lane, attempts, due);
                }
            }
            Write::Handed { id, carrier } => self.replay_handed(id, carrier),
            Write::Passed { id, carrier } => self.replay_passed(id, carrier),
            Write::Final { id, state, error, at, owed, .. } => {
                self.parked.time_passed(seconds(at));
                let slot = self.find_or_expect(id);
                let entry = &mut self.book.slots[slot];
                // Sealing may have moved it behind the `Settled` of the same message.
                entry.state = MessageState::from_octet(state).unwrap_or(MessageState::Unknown);
                (entry.error, entry.done) = (error, seconds(at));
                if entry.stage != Stage::Settled {
                    let is_part = !owed && self.wholes.of(id).is_some();
                    entry.attempts = 0;
                    entry.stage = match (owed, is_part) {
                        (true, _) => Stage::Owed,
                        (false, true) => Stage::Joined,
                        (false, false) => Stage::Settled,
                    };
                    if entry.stage == Stage::Settled {
                        self.pages.settle(entry.position);
                    }
                }
            }
            Write::Settled { id, .. } => {
                let Some(slot) = self.book.find(id) else { return };
                let entry = &mut self.book.slots[slot];
                if entry.stage != Stage::Settled {
                    entry.stage = Stage::Settled;
                    self.pages.settle(entry.position);
                }
            }
            Write::Parked { carrier, at, state, error, carrier_message_id, recipient } => {
                self.parked.time_passed(at);
                if (carrier.0 as usize) < self.carriers.len() {
                    let keys = self.book.keys(carrier, carrier_message_id);
                    let state = MessageState::from_octet(state).unwrap_or(MessageState::Unknown);
                    let recipients = [read_tail(recipient); 2];
                    let receipt = ParkedReceipt { keys, recipients, carrier, at, until: Mono(0), state, error };
                    self.parked.park(receipt, &mut self.carriers);
                }
            }
            Write::Blank { .. } => {}
            Write::Mark { next_id } => self.next_id = self.next_id.max(next_id.0),
        }
    }

    fn replay_handed(&mut self, id: MessageId, carrier: CarrierId) {
        let Some(slot) = self.book.find(id) else { return };
        let entry = &mut self.book.slots[slot];
        if entry.position != EXPECTED && matches!(entry.stage, Stage::Waiting | Stage::Scheduled) {
            entry.stage = Stage::Handed;
            self.book.hand(slot, carrier);
        }
    }

    fn replay_passed(&mut self, id: MessageId, carrier: CarrierId) {
        let slot = self.find_or_expect(id);
        match self.book.slots[slot].stage {
            Stage::Waiting | Stage::Scheduled | Stage::Handed => drop(self.book.hand(slot, carrier)),
            // Sealing moved it behind what came later.
            _ => self.book.passed(slot, carrier),
        }
    }

    fn replay_sent(&mut self, id: MessageId, carrier: CarrierId, carrier_message_id: &[u8]) {
        let slot = self.find_or_expect(id);
        if (carrier.0 as usize) < self.carriers.len() {
            self.book.hand(slot, carrier);
            let entry = &mut self.book.slots[slot];
            self.concatenations.went(entry.key, carrier, None);
            if entry.stage < Stage::Joined {
                entry.stage = Stage::Sent;
            }
            let mut buffer = [0; 65];
            let key = self.book.key(carrier, canonical(carrier_message_id, &mut buffer));
            if !carrier_message_id.is_empty() {
                self.book.set_key(slot, key);
                // It was claimed then, and what followed from it is written too.
                let _claimed = self.parked.claim(key, self.book.slots[slot].recipient);
            }
        }
    }

    fn replay_accept(&mut self, position: Position, accept: &Accept<'_>) {
        self.next_id = self.next_id.max(accept.id.0 + 1);
        self.pages.count(position);
        self.parked.time_passed(seconds(accept.accepted));
        // It was read when it came, so it can be read now.
        let sm = Sm::decode(accept.body).unwrap_or_default();
        let (recipient, part) = (tail(sm.destination.octets()), sm.part());
        let country = Country::from_octets(accept.country).unwrap_or(Country::NON_GEOGRAPHIC);
        self.provide_account(accept.account);
        let key = part.map_or(0, |part| self.concatenations.key(accept.account.0, &sm, part));
        let lane = self.place(accept.account.0, &sm.source, &sm.destination, country, key);
        let known = self.book.find(accept.id);
        let slot = known.unwrap_or_else(|| self.expect(accept.id));
        let entry = &mut self.book.slots[slot];
        let old = std::mem::replace(&mut entry.position, position);
        (entry.expires, entry.accepted) = (accept.expires, seconds(accept.accepted));
        (entry.account, entry.flags, entry.recipient) = (accept.account, accept.flags as u8, recipient);
        if accept.flags & CUT != 0 {
            self.wholes.replayed(accept.id, part);
            // Its end was found first; whether that of the whole has come is decided when all is read.
            entry.stage = if entry.stage == Stage::Settled { Stage::Joined } else { entry.stage };
        } else if entry.flags & SHARED_ID != 0 {
            self.wholes.replayed(accept.id, None);
        }
        if old == EXPECTED {
            entry.lane = lane;
            if let Some(part) = part {
                self.concatenations.replayed(key, part, accept.accepted);
                // One that is sent already has its carrier's.
                entry.key = if entry.key == 0 { key } else { entry.key };
            }
            if entry.stage == Stage::Waiting && accept.due > 0 {
                (entry.stage, entry.done) = (Stage::Scheduled, accept.due);
            }
        }
        let settled = entry.stage == Stage::Settled;
        self.pages.settle(if settled { position } else { old });
    }

    fn replay_inbound(&mut self, position: Position, inbound: &Inbound<'_>) {
        self.next_id = self.next_id.max(inbound.id.0 + 1);
        self.pages.count(position);
        self.parked.time_passed(seconds(inbound.received));
        self.provide_account(inbound.account);
        // It was read when it came, so it can be read now.
        let sm = Sm::decode(inbound.body).unwrap_or_default();
        self.replayed_inbound(inbound, &sm);
        let slot = self.find_or_expect(inbound.id);
        let known = self.book.slots[slot].clone();
        let entry = &mut self.book.slots[slot];
        let fresh = super::inbound::slot(inbound, &sm);
        (entry.expires, entry.accepted, entry.account) = (fresh.expires, fresh.accepted, fresh.account);
        (entry.carrier, entry.lane, entry.flags) = (fresh.carrier, fresh.lane, fresh.flags);
        (entry.recipient, entry.position) = (fresh.recipient, position);
        if known.stage != Stage::Settled {
            (entry.stage, entry.done) = (fresh.stage, fresh.done);
        }
        self.pages.settle(if known.stage == Stage::Settled { position } else { known.position });
    }

    pub(super) fn provide_account(&mut self, account: AccountId) {
        while self.accounts.len() <= account.0 as usize {
            // A store from elsewhere: the account has no name here, and nobody can bind as it.
            let state = super::account::AccountState::new(String::new(), &self.policy.retention);
            self.accounts.push(state);
        }
    }

    /// The message of this id, or a place for what is said of it before its accept record comes.
    fn find_or_expect(&mut self, id: MessageId) -> u32 {
        self.book.find(id).unwrap_or_else(|| self.expect(id))
    }

    fn expect(&mut self, id: MessageId) -> u32 {
        self.book.insert(Slot { id, position: EXPECTED, ..Slot::default() })
    }

    /// Ends the replay: everything that waits for something is put where it waits. A message whose hand-out was not
    /// answered when the process ended is handed out again, or ends as unknown where its carrier's policy says so.
    ///
    /// What waits, waits as much longer as it would have at the newest time that the journal names, also where the clock has
    /// been set back behind it. A clock that is behind by more than [`limits::CLOCK_SET_BACK_S`] is believed: then the
    /// journal's time was the wrong one.
    pub fn recovered(&mut self, recovered: &Recovered, now: Now) -> Found {
        // Ids grow with time even where the store was lost, so that no client sees one twice.
        let floor = (recovered.archived_to.0 + 1).max(now.unix.0 << 8);
        self.next_id = self.next_id.max(floor);
        self.pages.resume(recovered.next_block);
        let mut found = Found { behind_s: self.parked.last().saturating_sub(now.unix.seconds()), ..Found::default() };
        let set_back_s = Some(found.behind_s).filter(|behind| *behind <= limits::CLOCK_SET_BACK_S).unwrap_or(0);
        for slot in self.book.slots.indices() {
            let entry = &mut self.book.slots[slot];
            if entry.id.0 == 0 {
                continue;
            }
            if entry.position == EXPECTED {
                self.book.remove(slot);
                continue;
            }
            entry.follow_clock(set_back_s);
            let entry = &self.book.slots[slot];
            match entry.stage {
                Stage::Handed if self.is_never_resent(entry.carrier.0) => {
                    let carrier = entry.carrier.0;
                    self.unknown_outcome(slot, carrier, now);
                    found.unknown += 1;
                }
                Stage::Waiting | Stage::Handed => {
                    found.waiting += 1;
                    self.waiting += 1;
                    self.enqueue(slot, now);
                }
                Stage::Scheduled => {
                    found.waiting += 1;
                    self.waiting += 1;
                    let due = entry.done;
                    self.remind(slot, due, now);
                }
                Stage::Sent => {
                    found.sent += 1;
                    let until = entry.expires.saturating_add(limits::RECEIPT_GRACE_S);
                    self.remind(slot, until, now);
                }
                Stage::Owed if entry.is_mobile() => {
                    found.inbound += 1;
                    self.await_account(slot, now);
                }
                Stage::Owed | Stage::Resting | Stage::Delivering => {
                    found.owed += 1;
                    self.accounts[entry.account.0 as usize].tally.receipts_owed += 1;
                    self.owe(slot, now);
                }
                Stage::Joined => found.sent += 1,
                Stage::Settled => found.settled += 1,
            }
        }
        self.rejoin(now);
        self.parked.rearm(now);
        self.inbound.parts.rearm(now);
        self.concatenations.rearm(now);
        self.claim_parked(now);
        self.recheck_opt_outs();
        found
    }

    /// Receipts parked before the end of the last run whose answer was durable too.
    fn claim_parked(&mut self, now: Now) {
        for receipt in self.parked.drain() {
            match self.book.find_receipted(receipt.keys, receipt.recipients, false) {
                Some((slot, _)) => self.apply_receipt(slot, receipt.state, receipt.error, now),
                None => self.parked.park(receipt, &mut self.carriers),
            }
        }
    }

    /// The id the next accepted message will get.
    #[must_use]
    pub fn next_id(&self) -> MessageId {
        MessageId(self.next_id)
    }
}
