//! Requests about messages submitted before: finding the message that is meant, waiting for what is not at hand, and
//! `query_sm`. SMPP 3.4 §4.8.
//!
//! A request that needs a block or a look into the archive is put off and made again, from its beginning, when that has
//! come: nothing waits inside. What may be put off is bounded; beyond, the client is told to come again.

use super::Bridge;
use super::book::{Slot, Stage};
use super::input::Outbox;
use super::link::Side;
use super::lookup::{Lookup, Name};
use super::refusal::Refusal;
use super::seek::Walk;
use super::submit::{LEGACY_ID, SHARED_ID};
use crate::clock::{Now, Unix};
use crate::limits;
use crate::message::{AccountId, LinkId, MessageId, MessageState};
use crate::pdu::{Address, CommandId, CommandStatus, QuerySm, QuerySmResp, Sm, Time, encode_header_only, encode_resp};
use crate::store::ArchiveRecord;

/// A client's request with its circumstances.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) link: u16,
    pub(super) account: u16,
    pub(super) command: CommandId,
    pub(super) sequence: u32,
    pub(super) body: &'a [u8],
}

/// What a request is answered with.
pub(super) enum Answer {
    /// How a message stands; the end only where it has one.
    State { state: MessageState, done: Option<Unix>, error: u16 },
    /// It is done.
    Done,
    /// The message in this slot was accepted, or replaced.
    Submitted(u32),
}

/// Why a request is not answered yet, or not as asked.
pub(super) enum Hold {
    Refused(Refusal),
    /// A journal block must come first.
    Block(u64),
    /// Only the archive can tell.
    Archive(Name),
    /// The book must be looked through.
    Seek,
}

impl From<Refusal> for Hold {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a request that was put off waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Block(u64),
    Archive(u64),
    Walk(Walk),
}

/// A request that is put off.
#[derive(Debug)]
pub(super) struct Pending {
    link: LinkId,
    account: u16,
    command: CommandId,
    sequence: u32,
    body: Box<[u8]>,
    wait: Wait,
}

/// The requests that are put off, oldest first.
#[derive(Debug, Default)]
pub(super) struct Recalls {
    pending: Vec<Pending>,
    tickets: u64,
}

impl Recalls {
    /// The link is gone: nobody waits for the answers.
    pub(super) fn forget(&mut self, link: LinkId) {
        self.pending.retain(|pending| pending.link != link);
    }

    fn has_room(&self, account: u16) -> bool {
        let own = self.pending.iter().filter(|pending| pending.account == account).count();
        self.pending.len() < limits::RECALLS_OPEN && own < limits::RECALLS_PER_ACCOUNT
    }

    fn is_looking(&self) -> bool {
        let lookups = self.pending.iter().filter(|pending| matches!(pending.wait, Wait::Archive(_))).count();
        lookups >= limits::LOOKUPS_OPEN
    }

    /// Takes out the requests that look through the book.
    pub(super) fn take_walks(&mut self) -> Vec<(Pending, Walk)> {
        let walks = self.take(|wait| matches!(wait, Wait::Walk(_))).into_iter();
        let with_walk = |pending: Pending| match pending.wait {
            Wait::Walk(walk) => Some((pending, walk)),
            Wait::Block(_) | Wait::Archive(_) => None,
        };
        walks.filter_map(with_walk).collect()
    }

    /// Puts one back that is not at its end.
    pub(super) fn put_back(&mut self, pending: Pending, walk: Walk) {
        self.pending.push(Pending { wait: Wait::Walk(walk), ..pending });
    }

    /// Whether a turn would bring a request further.
    pub(super) fn wants_turn(&self) -> bool {
        self.pending.iter().any(|pending| matches!(pending.wait, Wait::Walk(walk) if walk.is_free()))
    }

    fn take(&mut self, mut ready: impl FnMut(Wait) -> bool) -> Vec<Pending> {
        if self.pending.is_empty() {
            return Vec::new();
        }
        self.pending.extract_if(.., |pending| ready(pending.wait)).collect()
    }
}

impl Bridge {
    /// A request about messages submitted before.
    pub(super) fn recall(&mut self, ask: Ask<'_>, now: Now, out: &mut Outbox) {
        let outcome = match ask.command {
            CommandId::QUERY_SM => self.query(ask),
            CommandId::CANCEL_SM => self.cancel(ask, now),
            CommandId::REPLACE_SM => self.replace(ask, now),
            _ => Err(Refusal::Unsupported.into()),
        };
        match outcome {
            Ok(answer) => self.answer_recall(ask, &answer, out),
            Err(Hold::Refused(refusal)) => self.refuse(ask, refusal, out),
            Err(Hold::Block(number)) => {
                self.ask_for(number, 1, now, out);
                self.put_off(ask, Wait::Block(number), out);
            }
            Err(Hold::Archive(name)) => self.look_up(ask, name, out),
            Err(Hold::Seek) => self.begin_walk(ask, out),
        }
    }

    /// Puts a request off until the book was looked through.
    pub(super) fn begin_walk(&mut self, ask: Ask<'_>, out: &mut Outbox) {
        let walk = self.walk();
        self.put_off(ask, Wait::Walk(walk), out);
    }

    /// A block has come, or cannot.
    pub(super) fn block_came(&mut self, number: u64, now: Now, out: &mut Outbox) {
        let reading = &self.reading;
        // One that could not be asked for when there were too many is asked for now.
        let ready = |wait| matches!(wait, Wait::Block(block) if block == number || !reading.contains_key(&block));
        for pending in self.recalls.take(ready) {
            self.again(&pending, now, out);
        }
    }

    /// The archive was looked into.
    pub(super) fn archived(&mut self, ticket: u64, record: Option<&ArchiveRecord>, out: &mut Outbox) {
        for pending in self.recalls.take(|wait| wait == Wait::Archive(ticket)) {
            let Some(ask) = self.revive(&pending) else { continue };
            let held = |record: &&ArchiveRecord| match (record.source.address(), record.destination.address()) {
                (Some(source), Some(destination)) => self.rights.holds.cover(record.account, &source, &destination),
                _ => false,
            };
            match archived_state(ask.body, record.filter(|record| !held(record))) {
                Ok(answer) => self.answer_recall(ask, &answer, out),
                Err(refusal) => self.refuse(ask, refusal, out),
            }
        }
    }

    pub(super) fn revive<'a>(&self, pending: &'a Pending) -> Option<Ask<'a>> {
        let Pending { account, command, sequence, .. } = *pending;
        let link = self.links.find(pending.link)?;
        Some(Ask { link, account, command, sequence, body: &pending.body })
    }

    fn again(&mut self, pending: &Pending, now: Now, out: &mut Outbox) {
        if let Some(ask) = self.revive(pending) {
            self.recall(ask, now, out);
        }
    }

    fn put_off(&mut self, ask: Ask<'_>, wait: Wait, out: &mut Outbox) {
        if !self.recalls.has_room(ask.account) {
            return self.refuse(ask, Refusal::Busy, out);
        }
        let Ask { link, account, command, sequence, body } = ask;
        let link = self.links[link].id;
        self.recalls.pending.push(Pending { link, account, command, sequence, body: body.into(), wait });
    }

    fn look_up(&mut self, ask: Ask<'_>, name: Name, out: &mut Outbox) {
        if self.recalls.is_looking() || !self.recalls.has_room(ask.account) {
            return self.refuse(ask, Refusal::Busy, out);
        }
        self.recalls.tickets += 1;
        let (ticket, next_id) = (self.recalls.tickets, self.next_id);
        let legacy = matches!(self.links[ask.link].side, Side::Account { tlvs: false, .. });
        out.lookups.push(Lookup { ticket, account: AccountId(ask.account), name, legacy, next_id });
        self.put_off(ask, Wait::Archive(ticket), out);
    }

    /// How the message of an id stands.
    fn query(&self, ask: Ask<'_>) -> Result<Answer, Hold> {
        let query = QuerySm::decode(ask.body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
        let name = Name::read(query.message_id).ok_or(Refusal::Malformed(CommandStatus::ESME_RINVMSGID))?;
        let slots = self.named(ask.account, name);
        let Some(&first) = slots.first() else { return Err(Hold::Archive(name)) };
        let sm = self.sm_of(first)?;
        let held = self.rights.holds.cover(AccountId(ask.account), &sm.source, &sm.destination);
        if held || !is_from(&sm, &query.source) {
            return Err(Refusal::Query.into());
        }
        // Of several under one id the first that has not ended speaks for them.
        let ended = |slot: &u32| self.book.slots[*slot].stage >= Stage::Owed;
        let slot = slots.into_iter().find(|slot| !ended(slot)).unwrap_or(first);
        let entry = &self.book.slots[slot];
        Ok(match entry.stage {
            Stage::Waiting | Stage::Scheduled | Stage::Handed | Stage::Sent | Stage::Joined => {
                Answer::State { state: MessageState::Enroute, done: None, error: 0 }
            }
            Stage::Owed | Stage::Resting | Stage::Delivering | Stage::Settled => {
                let done = Some(Unix(u64::from(entry.done) * 1000));
                Answer::State { state: entry.state, done, error: entry.error }
            }
        })
    }

    /// The account's messages that are not sealed and have this name: one, or those of a `submit_multi`.
    pub(super) fn named(&self, account: u16, name: Name) -> Vec<u32> {
        if let Some(id) = name.whole() {
            let slots = self.under(account, id, false, true);
            if !slots.is_empty() {
                return slots;
            }
        }
        let ids = name.legacy(self.next_id).enumerate();
        let slots = ids.map(|(wrap, id)| self.under(account, id, true, wrap < RECENT_WRAPS));
        slots.into_iter().find(|slots| !slots.is_empty()).unwrap_or_default()
    }

    /// The messages that are shown under this id; with `thorough`, also where the first of several is sealed.
    fn under(&self, account: u16, id: MessageId, legacy: bool, thorough: bool) -> Vec<u32> {
        let own = |slot: &u32| {
            let entry = &self.book.slots[*slot];
            entry.account.0 == account
                && !entry.is_mobile()
                && !self.is_erased(*slot)
                && (entry.flags & LEGACY_ID != 0) == legacy
                && shown(entry) == id
        };
        let first = self.book.find(id).filter(own);
        let shared = first.map_or(thorough, |slot| self.book.slots[slot].flags & SHARED_ID != 0);
        let rest = if shared && id.0.is_multiple_of(SHARING) { 1..SHARING } else { 0..0 };
        let rest = rest.filter_map(|step| self.book.find(MessageId(id.0 + step)).filter(own));
        first.into_iter().chain(rest).collect()
    }

    /// The message as it was submitted, where its block is at hand.
    pub(super) fn sm_of(&self, slot: u32) -> Result<Sm<'_>, Hold> {
        let position = self.book.slots[slot].position;
        let accept = self.pages.accepted(position).ok_or(Hold::Block(position.block))?;
        // What was accepted can be decoded.
        Sm::decode(accept.body).map_err(|malformed| Refusal::Malformed(malformed.status).into())
    }

    /// Tells what was found. It follows the open commit's flush, for it may tell of something in it.
    pub(super) fn answer_recall(&mut self, ask: Ask<'_>, answer: &Answer, out: &mut Outbox) {
        let parcel = self.links.then(ask.link, out);
        parcel.answers += 1;
        match *answer {
            Answer::Done => {
                encode_header_only(ask.command.response(), CommandStatus::ESME_ROK, ask.sequence, &mut parcel.wire);
            }
            Answer::Submitted(slot) => {
                let (mut digits, entry) = ([0; 20], &self.book.slots[slot]);
                let id = shown(entry).digits(entry.flags & LEGACY_ID != 0, &mut digits);
                let command = ask.command.response();
                encode_resp(command, CommandStatus::ESME_ROK, ask.sequence, Some(id), &mut parcel.wire);
            }
            Answer::State { state, done, error } => {
                self.accounts[ask.account as usize].tally.queried += 1;
                // It was decoded before.
                let Ok(query) = QuerySm::decode(ask.body) else { return };
                let date = done.map(Time::absolute);
                let response = QuerySmResp {
                    message_id: query.message_id,
                    final_date: date.as_ref().map_or(&[], |date| &date[..]),
                    message_state: state as u8,
                    error_code: u8::try_from(error).unwrap_or(u8::MAX),
                };
                response.encode(ask.sequence, &mut parcel.wire);
            }
        }
    }

    /// Tells why not.
    pub(super) fn refuse(&mut self, ask: Ask<'_>, refusal: Refusal, out: &mut Outbox) {
        self.accounts[ask.account as usize].tally.refused[refusal.index()] += 1;
        let parcel = self.links.now(ask.link, out);
        encode_header_only(ask.command.response(), refusal.status(), ask.sequence, &mut parcel.wire);
        parcel.answers += 1;
    }
}

/// Members of a `submit_multi` have ids of which the first is a multiple of this; all are shown as that.
pub(super) const SHARING: u64 = 256;

/// Wraps of the low half of ids among which those are looked for whose first message is sealed.
const RECENT_WRAPS: usize = 8;

/// The id under which the client knows the message.
pub(super) fn shown(entry: &Slot) -> MessageId {
    if entry.flags & SHARED_ID == 0 { entry.id } else { MessageId(entry.id.0 / SHARING * SHARING) }
}

/// Whether the message was submitted with this source. Its number decides: clients are free with type and plan.
pub(super) fn is_from(sm: &Sm<'_>, source: &Address) -> bool {
    sm.source.octets() == source.octets()
}

/// The answer to a query that the archive decides.
fn archived_state(body: &[u8], record: Option<&ArchiveRecord>) -> Result<Answer, Refusal> {
    let query = QuerySm::decode(body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
    let record = record.filter(|record| record.source.octets() == query.source.octets()).ok_or(Refusal::Query)?;
    let state = MessageState::from_octet(record.state).unwrap_or(MessageState::Unknown);
    Ok(Answer::State { state, done: Some(record.done), error: record.error })
}
