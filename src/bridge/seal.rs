//! Sealing: the oldest journal blocks whose messages are settled are rewritten once into archive blocks, without their
//! texts unless the account keeps them, keyed by the time at which they may be forgotten; then they are cut. What still lives in a block that is
//! mostly empty is carried forward into the open commit.
//!
//! A text goes with its block. So that one message which lives long does not keep the texts of others, a block in which
//! something ended is sealed at the latest when it is as old as [`limits::TEXT_US`], with all before it: what lives in
//! them is carried forward, however much it is. So is what lives in a block that is a day old: then the keys of its day,
//! under which a store seals it, can be destroyed.
//!
//! Blocks are sealed oldest first. So everything a block says of a message accepted earlier belongs to one that is
//! sealed, or was carried together with its latest state.

use super::book::Stage;
use super::input::Outbox;
use super::pages::Page;
use super::{Bridge, text};
use crate::clock::{Mono, Now, Unix};
use crate::limits;
use crate::message::MessageId;
use crate::pdu::{Address, Sm};
use crate::policy::Class;
use crate::store::{Accept, ArchiveBuilder, ArchiveRecord, Block, Inbound, Party, Position, Write};

/// Microseconds a settled block waits for company, so that archive blocks do not become tiny.
const PATIENCE_US: u64 = 1_000_000;
/// Microseconds between two looks for blocks that keep texts too long.
const LOOK_US: u64 = 10_000_000;
/// Settled blocks at which sealing waits no longer.
const COMPANY: usize = 8;

/// What sealing remembers and counts.
#[derive(Debug, Default)]
pub(super) struct Sealing {
    builder: ArchiveBuilder,
    /// Since when the oldest block has been ready.
    ready_since: Option<Mono>,
    patience_us: u64,
    /// Whether what lives may be carried forward now.
    may_carry: bool,
    /// Blocks up to this number keep texts that are not needed for longer than they may.
    stale_to: Option<u64>,
    /// When to look for such again.
    look_at: Mono,
    pub(super) sealed: u64,
    pub(super) carried: u64,
}

/// The hour in which something is forgotten. Rounded up: nothing is before its time.
fn hour(forget_at: Unix) -> u32 {
    u32::try_from(forget_at.0.div_ceil(3_600_000)).unwrap_or(u32::MAX)
}

impl Sealing {
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.ready_since.map(|since| Mono(since.0 + self.patience_us))
    }
}

impl Bridge {
    /// Whether the next commit would seal something.
    pub(super) fn may_seal(&mut self, now: Now) -> bool {
        self.sealing.may_carry = self.rights.may_carry(now.mono);
        if now.mono >= self.sealing.look_at {
            self.sealing.look_at = Mono(now.mono.0 + LOOK_US);
            self.sealing.stale_to = self.pages.last_stale(now.mono, limits::TEXT_US);
        }
        let ready = self.pages.oldest().is_some_and(|(number, page)| self.is_ready(number, page));
        if !ready || self.store_failing {
            self.sealing.ready_since = None;
            return false;
        }
        // A block with a parked receipt would be written again and again while that waits.
        let parked = self.parked.len() > 0;
        self.sealing.patience_us = if parked { u64::from(limits::PARKED_S) * 1_000_000 } else { PATIENCE_US };
        let since = *self.sealing.ready_since.get_or_insert(now.mono);
        let company = self.pages.nth(COMPANY).is_some_and(|(number, page)| self.is_ready(number, page));
        company || now.mono.since_us(since) >= self.sealing.patience_us
    }

    /// A block is ready when nothing in it lives, or when so little of the whole journal lives that carrying pays. One
    /// that only says where numbers go on waits until another is there to say it.
    fn is_ready(&self, number: u64, page: Page) -> bool {
        if page.live == 0 {
            return page.tells || self.pages.nth(1).is_some();
        }
        if !self.sealing.may_carry {
            return false;
        }
        let is_stale = self.sealing.stale_to.is_some_and(|last| number <= last);
        is_stale || self.pages.is_large() && (page.live * 4 <= page.total || self.pages.live_percent() < 25)
    }

    /// Seals up to [`limits::SEAL_BLOCKS`] of the oldest blocks into the open commit.
    pub(super) fn seal(&mut self, now: Now, out: &mut Outbox) {
        if !self.may_seal(now) {
            return;
        }
        self.sealing.ready_since = None;
        let mut sealed = false;
        for _ in 0..limits::SEAL_BLOCKS {
            let Some((number, page)) = self.pages.oldest() else { break };
            // The mark of this commit stands for those of the blocks behind, too.
            if !(self.is_ready(number, page) || (sealed && page.live == 0)) {
                break;
            }
            let Some(block) = self.pages.block(number) else {
                self.ask(number, now, out);
                break;
            };
            self.seal_block(&block);
            self.pages.cut();
            out.cut.push(number);
            sealed = true;
        }
        if sealed {
            // The commit that cuts always has a block of its own, so that numbers and ids go on from it after a restart.
            self.pages.write(&Write::Mark { next_id: MessageId(self.next_id) });
            out.archive.append(&mut self.sealing.builder.take());
        }
    }

    fn seal_block(&mut self, block: &Block) {
        for (offset, write) in block.writes() {
            // It was checked when it came off the disk: a damaged one never gets here.
            let Ok(write) = write else { return };
            match write {
                Write::Accept(accept) => {
                    let Some(slot) = self.book.find(accept.id) else { continue };
                    let position = self.book.slots[slot].position;
                    if (position.block, position.offset) != (block.number, offset) {
                        continue;
                    }
                    if self.book.slots[slot].stage == Stage::Settled {
                        let Accept { accepted, country, body, .. } = accept;
                        self.archive(slot, Class::Message, body, accepted, country, block.number);
                        self.book.remove(slot);
                    } else {
                        self.carry(slot, accept);
                    }
                }
                Write::Inbound(inbound) => self.seal_inbound(inbound, Position { block: block.number, offset }),
                Write::Sent { id, .. } | Write::Settled { id, .. } | Write::Passed { id, .. } => {
                    if self.book.find(id).is_some() {
                        self.pages.write(&write);
                    }
                }
                Write::Final { id, state, error, owed, .. } => {
                    // A part's own end must not come behind that of its whole.
                    if self.book.find(id).is_some_and(|slot| self.is_end(slot, state, error, owed)) {
                        self.pages.write(&write);
                    }
                }
                // Of these the last one counts, and it went with the message when that was carried.
                Write::Retry { .. } | Write::Handed { .. } => {}
                Write::Parked { carrier, carrier_message_id, .. } => {
                    let mut buffer = [0; 65];
                    let key = self.book.key(carrier, super::receipt::canonical(carrier_message_id, &mut buffer));
                    if self.parked.holds(key) {
                        self.pages.write(&write);
                    }
                }
                Write::Blank { .. } | Write::Mark { .. } => {}
            }
        }
    }

    /// Whether a message ended so, as far as is known now.
    fn is_end(&self, slot: u32, state: u8, error: u16, owed: bool) -> bool {
        let entry = &self.book.slots[slot];
        let is_owed = entry.stage > Stage::Joined;
        (entry.state as u8, entry.error) == (state, error) && (entry.stage == Stage::Settled || owed == is_owed)
    }

    /// A message from a handset: what may be kept of it goes into the archive, or it is written again while it lives.
    fn seal_inbound(&mut self, inbound: Inbound<'_>, position: Position) {
        let Some(slot) = self.book.find(inbound.id) else { return };
        if self.book.slots[slot].position != position {
            return;
        }
        if self.book.slots[slot].stage != Stage::Settled {
            self.pages.settle(position);
            self.book.slots[slot].position = self.pages.inbound(inbound);
            self.sealing.carried += 1;
            return;
        }
        let class = Class::from_octet(inbound.class).unwrap_or(Class::Inbound);
        let country = Self::origin(&self.policy, inbound.body);
        self.archive(slot, class, inbound.body, inbound.received, country, position.block);
        self.book.remove(slot);
    }

    /// What may be kept of a message goes into the archive.
    fn archive(&mut self, slot: u32, class: Class, body: &[u8], accepted: Unix, country: [u8; 2], home: u64) {
        let entry = &self.book.slots[slot];
        let party = |address: &Address| Party::new(address.ton(), address.npi(), address.octets());
        if let Ok((source, destination, _)) = Sm::addresses(body)
            && let (Some(source), Some(destination)) = (party(&source), party(&destination))
        {
            // Kept in whole seconds, and the clock may have been set back.
            let done = Unix(u64::from(entry.done) * 1000).max(accepted);
            let retention = &self.accounts[entry.account.0 as usize].retention;
            let forget_at = retention.forget_message_at(class, accepted, done);
            let record = ArchiveRecord {
                id: entry.id,
                account: entry.account,
                class: class as u8,
                accepted,
                done,
                state: entry.state as u8,
                error: entry.error,
                carrier: (entry.carrier != super::book::NO_CARRIER).then_some(entry.carrier),
                others: self.book.others(slot).collect(),
                country,
                source,
                destination,
            };
            self.sealing.builder.push(hour(forget_at), home, &record);
            self.sealing.sealed += 1;
            self.keep_text(&record, body, forget_at, home);
        }
    }

    /// The text stays, too, where the account asked for that: in a record of its own, which may be forgotten earlier.
    fn keep_text(&mut self, record: &ArchiveRecord, body: &[u8], record_until: Unix, home: u64) {
        let retention = &self.accounts[record.account.0 as usize].retention;
        if retention.body.is_zero() {
            return;
        }
        if let Ok(sm) = Sm::decode(body)
            && retention.keeps_text(sm.service_type)
            && !sm.text().is_empty()
        {
            let forget_at = retention.forget_text_at(record.done, record_until);
            let (head, text) = text::pack(&sm);
            self.sealing.builder.push_text(hour(forget_at), home, record, &[&head, text]);
        }
    }

    /// Writes a living message again, with all that is known of it.
    fn carry(&mut self, slot: u32, accept: Accept<'_>) {
        let entry = &self.book.slots[slot];
        let (id, stage, position) = (entry.id, entry.stage, entry.position);
        self.pages.settle(position);
        let position = self.pages.accept(accept);
        self.book.slots[slot].position = position;
        self.sealing.carried += 1;
        if matches!(stage, Stage::Waiting | Stage::Scheduled | Stage::Handed) {
            let entry = &self.book.slots[slot];
            if entry.attempts > 0 || self.lanes.position(entry.lane) > 0 {
                let due = if stage == Stage::Scheduled { entry.done } else { 0 };
                let position = self.lanes.position(entry.lane);
                self.pages.write(&Write::Retry { id, position, attempts: entry.attempts, due });
            }
            let carrier = self.book.slots[slot].carrier;
            if stage == Stage::Handed && self.is_never_resent(carrier.0) {
                self.pages.write(&Write::Handed { id, carrier });
            }
        }
    }
}
