//! The decision core across sessions: rates, routes, credit, backlog, correlation, receipts owed.
//!
//! [`Bridge::handle`] takes one [`Input`] and the present; [`Bridge::turn`] ends a batch of them. Both leave what
//! should happen in the [`Outbox`]. Nothing here does I/O, reads a clock, spawns, locks or blocks: the whole core runs in
//! virtual time under a seed.
//!
//! One file a duty: `submit` accepts or refuses, `multi` does so for many recipients, `concatenation` remembers what long
//! messages' parts share and `whole` cuts them where a carrier wants it, `carrier` hands out and `onward` writes what leaves (`recode` in which alphabet), `breaker` tries carriers that were left alone,
//! `answer` takes carriers' answers, `receipt` finds the message of a receipt, `notice` passes on what comes before it,
//! `inbound` takes messages from handsets, `account` brings them and receipts to clients, `recall` takes requests about
//! earlier messages (`manage` cancels and replaces, `seek` looks for them by address, `lookup` in the archive), `due`
//! says when to look again, `seal` moves what is settled into the archive, `recover` rebuilds everything from the
//! journal, `renewal` takes other rules and looks again at what waits, `rights` takes the records of one person out and
//! holds a number, `opt_out` keeps the lists of those who want no more messages.

mod account;
mod answer;
mod book;
mod breaker;
mod carrier;
mod concatenation;
mod due;
mod fit;
mod inbound;
mod input;
mod lane;
mod link;
mod lookup;
mod manage;
mod multi;
mod notice;
mod onward;
mod opt_out;
mod pages;
mod parts;
mod permit;
mod recall;
mod receipt;
mod recode;
mod recover;
mod refusal;
mod renewal;
mod rights;
mod seal;
mod seek;
mod submit;
mod tally;
mod text;
mod whole;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashMap;

pub use input::{Input, Outbox, Parcels};
pub use lookup::Lookup;
pub use opt_out::{ForeignList, Relisted};
pub use pages::Room;
pub use refusal::{InboundRefusal, Refusal};
pub use renewal::Renewed;
pub use rights::{Cleared, Hits, Standing, hits};
pub use tally::{AccountTally, CarrierTally, CountryTally, Tally};
pub use text::kept_text;

use crate::clock::{Mono, Now, Unix};
use crate::limits;
use crate::message::{LinkId, MessageId, MessageState};
use crate::policy::{Guard, Holds, Policy, TokenKey};
use crate::session::Event;
use crate::store::{Block, Enrolled, Write};
use account::AccountState;
use book::{Book, Stage};
use carrier::CarrierState;
use concatenation::Concatenations;
use due::Wheel;
use lane::Lanes;
use link::{Links, Side};
use notice::Notices;
use pages::Pages;
use permit::Permits;
use recall::Recalls;
use receipt::Parked;
use whole::Wholes;

/// Slots the due wheel gives back in one turn, so that a mass expiry is spread over turns.
const DUE_PER_TURN: usize = 2_000;

/// The core. Single owner of everything that crosses sessions.
#[derive(Debug)]
pub struct Bridge {
    policy: Policy,
    accounts: Vec<AccountState>,
    carriers: Vec<CarrierState>,
    lanes: Lanes,
    links: Links,
    book: Book,
    wheel: Wheel,
    pages: Pages,
    parked: Parked,
    inbound: inbound::InboundState,
    next_id: u64,
    random: u64,
    waiting: u64,
    backlog_max: u64,
    store_failing: bool,
    stopping: bool,
    /// Accounts that may have a receipt, or a message from a handset, to send.
    eager: VecDeque<u16>,
    /// Blocks asked for and not yet come.
    reading: FxHashMap<u64, Mono>,
    sealing: seal::Sealing,
    recalls: Recalls,
    rights: rights::Rights,
    opt_outs: opt_out::OptOuts,
    notices: Notices,
    concatenations: Concatenations,
    guard: Guard,
    wholes: Wholes,
    renewal: renewal::Renewal,
    due: Vec<u32>,
    /// Where a message is written that did not come as a `submit_sm`.
    scratch: BytesMut,
}

impl Bridge {
    /// A bridge without history; [`Self::replay`] and [`Self::recovered`] bring it in.
    ///
    /// `seed` is the only randomness it ever gets: it keys hashes of peers' ids and jitters delays.
    #[must_use]
    pub fn new(policy: Policy, enrolled: &Enrolled, backlog_max: u64, seed: u64) -> Self {
        let (mut accounts, mut carriers) = (Vec::new(), Vec::new());
        account::configure(&mut accounts, &policy, enrolled);
        carrier::configure(&mut carriers, &policy, enrolled);
        let mut permits = Permits::new(&policy.carriers);
        for account in &mut accounts {
            account.permit = permits.find(&account.transfers, &policy.carriers);
        }
        let lanes = Lanes::new(permits, enrolled);
        Self {
            policy,
            accounts,
            carriers,
            lanes,
            links: Links::default(),
            book: Book::new(seed),
            wheel: Wheel::new(),
            pages: Pages::new(1),
            parked: Parked::default(),
            inbound: inbound::InboundState::new(enrolled, seed),
            next_id: 1,
            random: seed | 1,
            waiting: 0,
            backlog_max,
            store_failing: false,
            stopping: false,
            eager: VecDeque::new(),
            reading: FxHashMap::default(),
            sealing: seal::Sealing::default(),
            recalls: Recalls::default(),
            rights: rights::Rights::new(Holds::none(seeded_key(seed))),
            opt_outs: opt_out::OptOuts::default(),
            notices: Notices::default(),
            concatenations: Concatenations::new(seed),
            guard: Guard::new(seed),
            wholes: Wholes::default(),
            renewal: renewal::Renewal::default(),
            due: Vec::new(),
            scratch: BytesMut::new(),
        }
    }

    /// The same bridge with other limits of memory and disk.
    #[must_use]
    pub fn with_room(mut self, room: Room) -> Self {
        self.pages.limit(room);
        self
    }

    /// Decides about one input.
    pub fn handle(&mut self, input: Input, now: Now, out: &mut Outbox) {
        match input {
            Input::Batch { link, chunk, events } => self.batch(link, &chunk, &events, now, out),
            Input::Bind { link, account, mode, command, sequence, interface_version } => {
                let bind = account::BindRequest { account, mode, command, sequence, interface_version };
                self.bind(link, &bind, out);
            }
            Input::CarrierBound { link, carrier, mode, window } => {
                self.carrier_bound(link, carrier, mode, window, out);
            }
            Input::CarrierRefused { carrier } => self.bind_refused(carrier, now),
            Input::Closed { link } => self.closed(link, now),
            Input::Read { number, block } => self.read(number, block, now, out),
            Input::Archived { ticket, record } => self.archived(ticket, record.as_deref(), out),
            Input::StoreFailing(failing) => self.store_failing = failing,
            Input::Policy { policy, enrolled } => self.renew(*policy, &enrolled, now),
            Input::Stop => self.stop(out),
        }
    }

    /// Ends a batch of inputs: what is due, then hand-outs to carriers, then receipts to clients.
    pub fn turn(&mut self, now: Now, out: &mut Outbox) {
        self.expire(now);
        self.parked.expire(now, &mut self.carriers);
        self.seek(now, out);
        self.look_again(now, out);
        self.hand_out(now, out);
        self.deliver(now, out);
    }

    /// When [`Self::turn`] should be called although no input came.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        if self.recalls.wants_turn() || self.wants_to_look() {
            return Some(Mono(0));
        }
        let carriers = if self.stopping { None } else { self.carriers.iter().filter_map(CarrierState::wake).min() };
        [self.wheel.deadline(), carriers, self.lanes.deadline(), self.parked.deadline()].into_iter().flatten().min()
    }

    /// When a commit should be made although nothing else calls for one: what is settled waits no longer to be sealed.
    #[must_use]
    pub fn seal_deadline(&self) -> Option<Mono> {
        self.sealing.deadline()
    }

    /// Whether a commit should be made of what the turns left.
    #[must_use]
    pub fn has_commit(&mut self, now: Now, out: &Outbox) -> bool {
        let is_clean = self.pages.is_clean() && self.opt_outs.changes.is_empty();
        !is_clean || !out.then.is_empty() || self.may_seal(now)
    }

    /// Whether the open commit is so large that no more inputs should be taken before it is handed on.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.pages.open_octets() >= limits::COMMIT_OCTETS
    }

    /// Closes the open commit: seals what is settled and gives the journal blocks to be written. The outbox's `archive`,
    /// `cut`, `opt_outs` and `then` belong to the same commit.
    pub fn close_commit(&mut self, now: Now, out: &mut Outbox) -> Vec<Block> {
        self.seal(now, out);
        out.opt_outs.append(&mut self.opt_outs.changes);
        self.pages.take(now.mono)
    }

    /// Whether nothing is lent to any link: the process may stop.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.links.is_empty()
    }

    fn batch(&mut self, link: LinkId, chunk: &Bytes, events: &[Event], now: Now, out: &mut Outbox) {
        let Some(index) = self.links.find(link) else { return };
        if events.iter().any(answer::is_unsent) {
            self.unsent(index, events, now);
        }
        for event in events.iter().filter(|event| !answer::is_unsent(event)) {
            let span = |span: crate::session::Span| {
                let (at, len) = (span.at as usize, span.len as usize);
                chunk.get(at..at + len).unwrap_or_default()
            };
            match (*event, self.links[index].side) {
                (Event::Request { command, sequence, body }, Side::Account { account, .. }) => {
                    self.client_request(index, account, command, sequence, span(body), now, out);
                }
                (Event::Request { command, sequence, body }, Side::Carrier { carrier }) => {
                    self.carrier_request(index, carrier, command, sequence, span(body), now, out);
                }
                (Event::Response { token, status, body, .. }, Side::Carrier { .. }) => {
                    self.answered(index, token, status, span(body), now);
                }
                (Event::Unanswered { token }, Side::Carrier { carrier }) => self.unanswered(index, carrier, token, now),
                (Event::Response { token, status, .. }, Side::Account { .. }) => {
                    self.receipt_answered(index, token, status, now);
                }
                (Event::Unanswered { token }, Side::Account { .. }) => self.receipt_unanswered(index, token),
                // Binding is between the link and its own input; it never comes in a batch.
                (Event::Bind { .. } | Event::Bound | Event::BindRefused { .. }, _) => {}
            }
        }
    }

    fn closed(&mut self, link: LinkId, now: Now) {
        let Some(index) = self.links.find(link) else { return };
        match self.links[index].side {
            Side::Account { account, .. } => self.account_closed(index, account),
            Side::Carrier { carrier } => self.carrier_closed(index, carrier, now),
        }
        self.links.remove(index);
        self.recalls.forget(link);
    }

    fn stop(&mut self, out: &mut Outbox) {
        self.stopping = true;
        for index in self.links.indices() {
            self.links.now(index, out).control = crate::session::Control::Unbind;
        }
    }

    fn read(&mut self, number: u64, block: Option<Block>, now: Now, out: &mut Outbox) {
        self.reading.remove(&number);
        match block {
            Some(block) => self.pages.keep(block),
            None => self.lost_block(number, now),
        }
        self.lanes.wake_readers(&mut self.carriers);
        for account in 0..self.accounts.len() {
            self.make_eager(account as u16);
        }
        self.block_came(number, now, out);
    }

    /// A block the store cannot give back: its messages can be neither sent nor reported nor archived, for the addresses
    /// are gone with it, so they end here without a receipt. Does not happen on a healthy disk.
    fn lost_block(&mut self, number: u64, now: Now) {
        for index in self.book.slots.indices() {
            let slot = &self.book.slots[index];
            if slot.id.0 == 0 || slot.position.block != number {
                continue;
            }
            self.detach(index);
            match self.book.slots[index].stage {
                Stage::Owed | Stage::Resting | Stage::Delivering => self.give_up(index, MessageState::Unknown, 0, now),
                Stage::Settled | Stage::Joined => {}
                Stage::Waiting | Stage::Scheduled | Stage::Handed | Stage::Sent => {
                    self.book.slots[index].flags &= !submit::REGISTERED_BITS;
                    self.finish(index, MessageState::Unknown, crate::policy::retry::ERROR_UNANSWERED, now);
                }
            }
            self.book.remove(index);
        }
        // Nothing refers to it any more: an empty one in its place lets the journal be cut.
        self.pages.keep(Block { number, octets: Bytes::new() });
    }

    /// Asks for a block and the ones behind it, each once.
    fn ask(&mut self, number: u64, now: Now, out: &mut Outbox) {
        self.ask_for(number, limits::READ_AHEAD, now, out);
    }

    /// Asks for so many blocks from `number` on, each once.
    fn ask_for(&mut self, number: u64, count: u64, now: Now, out: &mut Outbox) {
        for number in number..number + count {
            let wanted = self.pages.is_closed(number) && !self.pages.has(number);
            if wanted && self.reading.len() < limits::READS_OPEN && !self.reading.contains_key(&number) {
                self.reading.insert(number, now.mono);
                out.reads.push(number);
            }
        }
    }

    /// What came due.
    fn expire(&mut self, now: Now) {
        let mut due = std::mem::take(&mut self.due);
        self.wheel.expire(&mut self.book.slots, now.mono, DUE_PER_TURN, &mut due);
        for index in due.drain(..) {
            self.came_due(index, now);
        }
        self.due = due;
    }

    fn came_due(&mut self, index: u32, now: Now) {
        let slot = &self.book.slots[index];
        let expired = now.unix.seconds() >= slot.expires;
        match slot.stage {
            Stage::Waiting | Stage::Scheduled if expired => {
                self.detach(index);
                self.finish(index, MessageState::Expired, crate::policy::retry::ERROR_EXPIRED, now);
            }
            Stage::Scheduled => self.enqueue(index, now),
            Stage::Waiting => self.remind(index, slot.expires, now),
            // Its answer, or the loss of its link, ends this; validity is looked at then.
            Stage::Handed => self.remind(index, now.unix.seconds() + limits::HANDED_REMINDER_S, now),
            Stage::Sent => self.finish(index, MessageState::Unknown, crate::policy::retry::ERROR_UNANSWERED, now),
            Stage::Resting => self.owe(index, now),
            Stage::Owed => {
                self.detach(index);
                self.give_up(index, MessageState::Expired, crate::policy::retry::ERROR_EXPIRED, now);
            }
            Stage::Delivering => self.remind(index, now.unix.seconds() + limits::HANDED_REMINDER_S, now),
            Stage::Joined | Stage::Settled => {}
        }
    }

    /// Looks at the message again at `unix_s`.
    fn remind(&mut self, index: u32, unix_s: u32, now: Now) {
        let wait_ms = (u64::from(unix_s) * 1000).saturating_sub(now.unix.0);
        self.wheel.insert(&mut self.book.slots, index, Mono(now.mono.0 + wait_ms * 1000));
    }

    /// Takes a message out of whatever list it is in.
    fn detach(&mut self, index: u32) {
        let slot = &self.book.slots[index];
        match slot.stage {
            Stage::Waiting => {
                let lane = slot.lane;
                self.lanes.remove(&mut self.book.slots, lane, index);
                self.waiting -= 1;
            }
            Stage::Scheduled => self.waiting -= 1,
            Stage::Handed => {
                let (link, carrier) = (slot.link, slot.carrier);
                self.links.give_back(&mut self.book.slots, link, index);
                self.forget_probe(index, carrier.0);
            }
            Stage::Delivering => {
                let link = slot.link;
                self.links.give_back(&mut self.book.slots, link, index);
            }
            Stage::Owed => {
                let account = slot.account.0 as usize;
                self.accounts[account].owed.remove(&mut self.book.slots, index);
            }
            Stage::Sent | Stage::Joined | Stage::Resting | Stage::Settled => {}
        }
    }

    /// The message is final: written, and its receipt owed where the client asked for one. It must be detached.
    fn finish(&mut self, index: u32, state: MessageState, error: u16, now: Now) {
        let whole = self.whole_of(index);
        let slot = &mut self.book.slots[index];
        let owed = whole.is_none() && crate::message::owes_receipt(slot.flags & submit::REGISTERED_BITS, state);
        (slot.state, slot.error, slot.done) = (state, error, now.unix.seconds());
        self.pages.write(&Write::Final { id: slot.id, state: state as u8, error, network: None, at: now.unix, owed });
        self.accounts[slot.account.0 as usize].tally.finals[state as usize] += 1;
        self.lanes.finished(slot.lane, state);
        if let Some(whole) = whole {
            slot.stage = Stage::Joined;
            self.wheel.remove(&mut self.book.slots, index);
            return self.join(whole, now);
        }
        if owed {
            self.accounts[slot.account.0 as usize].tally.receipts_owed += 1;
            self.owe(index, now);
        } else {
            self.settle(index);
        }
    }

    /// Nothing is left to do for the message. It must be detached.
    fn settle(&mut self, index: u32) {
        self.wheel.remove(&mut self.book.slots, index);
        let slot = &mut self.book.slots[index];
        slot.stage = Stage::Settled;
        self.pages.settle(slot.position);
    }

    /// A number that spreads delays, 0..=65535.
    fn jitter(&mut self) -> u16 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 24) as u16
    }

    fn allot_id(&mut self) -> MessageId {
        let id = MessageId(self.next_id);
        self.next_id += 1;
        id
    }

    /// A copy of all counters and gauges.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let (journal_blocks, journal_octets) = self.pages.size();
        Tally {
            accounts: self.accounts.iter().map(AccountState::tally).collect(),
            carriers: (0u16..)
                .zip(&self.carriers)
                .map(|(number, carrier)| carrier.tally(number, &self.links, &self.lanes))
                .collect(),
            countries: self.lanes.tallies(),
            messages_live: self.book.slots.len() as u64,
            messages_waiting: self.waiting,
            rerouted: self.renewal.rerouted,
            policies: self.renewal.policies,
            receipts_parked: self.parked.len() as u64,
            journal_blocks,
            journal_octets,
            sealed: self.sealing.sealed,
            carried: self.sealing.carried,
        }
    }
}

/// A key for a bridge that was given none: nothing under it outlives the process.
fn seeded_key(seed: u64) -> TokenKey {
    let mut secret = [0; TokenKey::OCTETS];
    secret[..8].copy_from_slice(&seed.to_le_bytes());
    TokenKey::new(&secret)
}

/// Whole Unix seconds of `unix`, for compact records.
fn seconds(unix: Unix) -> u32 {
    unix.seconds()
}
