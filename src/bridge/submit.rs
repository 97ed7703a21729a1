//! Requests from clients: a message is accepted, or refused with the one status that fits.

use bytes::BytesMut;

use super::book::{Slot, Stage};
use super::input::Outbox;
use super::link::Side;
use super::recall::Ask;
use super::receipt::tail;
use super::recode::Text;
use super::refusal::Refusal;
use super::{Bridge, lane, seconds};
use crate::clock::{Now, Unix};
use crate::message::{AccountId, MessageState};
use crate::pdu::{Address, CommandId, CommandStatus, DataSm, HEADER_LENGTH, Sm, Tag, Time, encode_resp};
use crate::policy::{Class, Country, GuardAction, Number, OverRate, Sender, Verdict, number};
use crate::store::Accept;

/// Bits of an accept record's flags: the client's `registered_delivery` bits 1–0.
pub(super) const REGISTERED_BITS: u8 = 0b11;
/// The client sees ids in the 3.3 form.
pub(super) const LEGACY_ID: u8 = 1 << 2;
/// The client gave a validity period, so the carrier is told it too.
pub(super) const VALIDITY_GIVEN: u8 = 1 << 3;
/// The client wants to hear of states before the final one.
pub(super) const INTERMEDIATE: u8 = 1 << 4;
/// One of several messages that a `submit_multi` made, which share the id of the first.
pub(super) const SHARED_ID: u8 = 1 << 5;
/// The two bits from here on are the priority.
pub(super) const PRIORITY_SHIFT: u8 = 6;

/// Bit of an accept record's flags that no slot needs: a part of a message that was cut here, see `Wholes`.
pub(super) const CUT: u16 = 1 << 8;

/// Another: the client wrote its text with `data_coding` 0, in the alphabet of its account.
pub(super) const RECODED: u16 = 1 << 9;

/// A message that may be accepted, before its rates are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    pub(super) account: u16,
    pub(super) country: Country,
    pub(super) number: Number,
    pub(super) lane: u16,
    pub(super) due: u32,
    pub(super) expires: u32,
    pub(super) flags: u8,
    /// Bits beside the flags: [`CUT`] and [`RECODED`].
    pub(super) marks: u16,
}

/// Bit of `registered_delivery` that asks for intermediate notifications. SMPP 3.4 §5.2.17.
const ASKS_INTERMEDIATE: u8 = 1 << 4;

/// The flags that follow from the message itself.
pub(super) fn flags(sm: &Sm<'_>) -> u8 {
    (sm.registered_delivery & (REGISTERED_BITS | ASKS_INTERMEDIATE))
        | if sm.validity_period.is_empty() { 0 } else { VALIDITY_GIVEN }
        | sm.priority_flag << PRIORITY_SHIFT
}

/// When the client wants the message to go and to expire, where it says so.
pub(super) fn wishes(sm: &Sm<'_>, now: Now) -> Result<(Option<Unix>, Option<Unix>), Refusal> {
    let time = |field: &[u8], status| match Time::parse(field) {
        Ok(time) => Ok(time.map(|time| time.resolve(now.unix))),
        Err(_) => Err(Refusal::Time(status)),
    };
    let schedule = time(sm.schedule_delivery_time, CommandStatus::ESME_RINVSCHED)?;
    Ok((schedule, time(sm.validity_period, CommandStatus::ESME_RINVEXPIRY)?))
}

impl Bridge {
    /// A request from a client's bind, which its session found allowed.
    #[expect(clippy::too_many_arguments, reason = "one PDU with its circumstances")]
    pub(super) fn client_request(
        &mut self,
        link: u16,
        account: u16,
        command: CommandId,
        sequence: u32,
        body: &[u8],
        now: Now,
        out: &mut Outbox,
    ) {
        let ask = Ask { link, account, command, sequence, body };
        let outcome = match command {
            CommandId::SUBMIT_SM => match self.submit(link, account, body, now) {
                Ok(None) => return self.begin_walk(ask, out),
                Ok(Some(slot)) => Ok(slot),
                Err(refusal) => Err(refusal),
            },
            CommandId::DATA_SM => self.submit_data(link, account, body, now),
            CommandId::SUBMIT_MULTI => return self.submit_multi(ask, now, out),
            CommandId::QUERY_SM | CommandId::CANCEL_SM | CommandId::REPLACE_SM => return self.recall(ask, now, out),
            _ => Err(Refusal::Unsupported),
        };
        match outcome {
            Ok(slot) => {
                let mut digits = [0; 20];
                let entry = &self.book.slots[slot];
                let id = entry.id.digits(entry.flags & LEGACY_ID != 0, &mut digits);
                let parcel = self.links.then(link, out);
                encode_resp(command.response(), CommandStatus::ESME_ROK, sequence, Some(id), &mut parcel.wire);
                parcel.answers += 1;
            }
            Err(refusal) => self.refuse(ask, refusal, out),
        }
    }

    /// A `submit_sm`: the slot of the message, `None` for one that may replace another, which must be looked for.
    fn submit(&mut self, link: u16, account: u16, body: &[u8], now: Now) -> Result<Option<u32>, Refusal> {
        self.may_accept()?;
        let sm = Sm::decode(body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
        if sm.replace_if_present_flag != 0 {
            sm.check_submit().map_err(|malformed| Refusal::Malformed(malformed.status))?;
            self.times(&sm, now)?;
            return Ok(None);
        }
        self.accept(link, account, &sm, body, 0, now).map(Some)
    }

    /// Whether anything new can be promised.
    pub(super) fn may_accept(&self) -> Result<(), Refusal> {
        if self.store_failing {
            return Err(Refusal::StoreFailing);
        }
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        Ok(())
    }

    /// A `data_sm` is kept and forwarded as the `submit_sm` it stands for. SMPP 3.4 §4.7.1.
    fn submit_data(&mut self, link: u16, account: u16, body: &[u8], now: Now) -> Result<u32, Refusal> {
        self.may_accept()?;
        let data = DataSm::decode(body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
        let validity;
        let too_long = match data.source.short() {
            None => Refusal::Address(CommandStatus::ESME_RINVSRCADR),
            Some(_) => Refusal::Address(CommandStatus::ESME_RINVDSTADR),
        };
        let mut sm = data.to_sm().ok_or(too_long)?;
        if let Some(seconds) = sm.tlvs.find(Tag::QOS_TIME_TO_LIVE) {
            let seconds = seconds.try_into().map(u32::from_be_bytes);
            let seconds = seconds.map_err(|_| Refusal::Malformed(CommandStatus::ESME_RINVPARLEN))?;
            validity = Time::absolute(Unix(now.unix.0 + u64::from(seconds) * 1000));
            sm.validity_period = &validity;
        }
        let slot = self.accept_encoded(link, account, &sm, 0, now)?;
        if sm.tlvs.octet(Tag::SET_DPF) == Some(1) {
            self.notices.wants_alert(sm.destination.octets(), account);
        }
        Ok(slot)
    }

    /// Accepts a message that did not come as a `submit_sm`.
    pub(super) fn accept_encoded(
        &mut self,
        link: u16,
        account: u16,
        sm: &Sm<'_>,
        more: u8,
        now: Now,
    ) -> Result<u32, Refusal> {
        let mut wire = std::mem::take(&mut self.scratch);
        wire.clear();
        sm.encode(CommandId::SUBMIT_SM, 0, &mut wire);
        let outcome = self.accept(link, account, sm, &wire[HEADER_LENGTH..], more, now);
        self.scratch = wire;
        outcome
    }

    /// Accepts a message whose `submit_sm` body is `body`, with these flags beside its own, or says why not.
    pub(super) fn accept(
        &mut self,
        link: u16,
        account: u16,
        sm: &Sm<'_>,
        body: &[u8],
        more: u8,
        now: Now,
    ) -> Result<u32, Refusal> {
        let alphabet = self.accounts[account as usize].alphabet;
        let Some(text) = Text::kept(sm, alphabet) else {
            return self.accept_read(link, account, sm, body, u16::from(more), now);
        };
        sm.check_submit().map_err(|malformed| Refusal::Malformed(malformed.status))?;
        let (sm, mut wire) = (text.put(sm), BytesMut::new());
        sm.encode(CommandId::SUBMIT_SM, 0, &mut wire);
        self.accept_read(link, account, &sm, &wire[HEADER_LENGTH..], u16::from(more) | RECODED, now)
    }

    /// Accepts a message whose text is in the alphabet that is kept here.
    fn accept_read(
        &mut self,
        link: u16,
        account: u16,
        sm: &Sm<'_>,
        body: &[u8],
        more: u16,
        now: Now,
    ) -> Result<u32, Refusal> {
        sm.check_submit().map_err(|malformed| Refusal::Malformed(malformed.status))?;
        number::source_is_valid(&sm.source).map_err(Refusal::Address)?;
        let home = self.accounts[account as usize].home;
        let number = number::dialled_from(home, &sm.destination).map_err(Refusal::Address)?;
        if !self.rights.holds.is_empty() && self.rights.holds.cover(AccountId(account), &sm.source, &sm.destination) {
            return Err(Refusal::Restricted);
        }
        if self.is_opted_out(account, &number) {
            return Err(Refusal::OptedOut);
        }
        let country =
            self.policy.prefixes.find(number.digits()).ok_or(Refusal::Address(CommandStatus::ESME_RINVDSTADR))?;
        let state = &self.accounts[account as usize];
        if !state.allows(country) {
            return Err(Refusal::CountryForbidden);
        }
        self.screen(account, country, &number, sm)?;
        let key = sm.part().map_or(0, |part| self.concatenations.key(account, sm, part));
        let way = self.way(account, &sm.source, &number, country);
        let lane = self.lanes.open(way, key, &self.policy, &self.carriers, false);
        let lane = lane.ok_or_else(|| self.without_way(way))?;
        let (due, expires) = self.times(sm, now)?;
        self.has_room(lane)?;
        let legacy = matches!(self.links[link].side, Side::Account { tlvs: false, .. });
        let flags = flags(sm) | more as u8 | if legacy { LEGACY_ID } else { 0 };
        let marks = more & RECODED;
        let admission = Admission { account, country, number, lane, due, expires, flags, marks };
        match self.cut(sm, lane)? {
            None => self.accept_whole(&admission, sm, body, now),
            Some(segments) => self.accept_cut(&admission, sm, &segments, now),
        }
    }

    /// Accepts a message as it is, where its rates allow.
    pub(super) fn accept_whole(
        &mut self,
        admission: &Admission,
        sm: &Sm<'_>,
        body: &[u8],
        now: Now,
    ) -> Result<u32, Refusal> {
        let part = sm.part();
        let key = part.map_or(0, |part| self.concatenations.key(admission.account, sm, part));
        // All parts are charged with the first that comes, so that no later one is refused.
        let count = match part {
            None => 1,
            Some(part) if self.concatenations.is_charged(key, part, now.mono) => 0,
            Some(part) => u32::from(part.total),
        };
        self.charge(admission, count, now)?;
        Ok(self.admit(admission, sm, body, now))
    }

    /// Whether one more message may wait. A country that has more than half of the room leaves the last eighth to others, so
    /// that a slow one does not take what they need.
    fn has_room(&self, lane: u16) -> Result<(), Refusal> {
        let most = self.backlog_max;
        let is_tight = self.waiting + most / 8 >= most && self.lanes.crowds(lane, most);
        if self.waiting >= most || is_tight { Err(Refusal::BacklogFull) } else { Ok(()) }
    }

    /// Takes so many messages from the rates that refuse, the account's, and the country's where it does; and counts one
    /// where the account is guarded.
    pub(super) fn charge(&mut self, admission: &Admission, count: u32, now: Now) -> Result<(), Refusal> {
        if count == 0 {
            return Ok(());
        }
        let state = &mut self.accounts[admission.account as usize];
        if let Some(rate) = state.rate
            && let Verdict::Wait(_) = state.cell.take(rate, count, now.mono)
        {
            return Err(Refusal::AccountRate);
        }
        let destination = self.lanes.destination_mut(admission.lane);
        if destination.over_rate == OverRate::Throttle
            && let Some(rate) = destination.rate
            && let Verdict::Wait(_) = destination.accepted.take(rate, count, now.mono)
        {
            return Err(Refusal::CountryRate);
        }
        self.watch(admission.account, &admission.number, now)
    }

    /// Whether the account may send such a message.
    pub(super) fn screen(&self, account: u16, country: Country, number: &Number, sm: &Sm<'_>) -> Result<(), Refusal> {
        if self.policy.screens.is_empty() {
            return Ok(());
        }
        let position = self.accounts[account as usize].position;
        self.policy.screens.pass(position, country, number, sm).map_err(|(_, objection)| objection.into())
    }

    /// Counts a message where the account is guarded, and tells of traffic that looks artificial.
    fn watch(&mut self, account: u16, number: &Number, now: Now) -> Result<(), Refusal> {
        let state = &mut self.accounts[account as usize];
        let Some(rules) = state.guard else { return Ok(()) };
        let Some(seen) = self.guard.see(&rules, account, number.digits(), now.mono) else { return Ok(()) };
        state.tally.inflated[seen as usize] += 1;
        if rules.action == GuardAction::Refuse { Err(Refusal::Inflated) } else { Ok(()) }
    }

    /// By which route a message of this account goes, and to whom.
    pub(super) fn way(&self, account: u16, source: &Address, number: &Number, country: Country) -> lane::Key {
        let (routes, state) = (&self.policy.routes, &self.accounts[account as usize]);
        let route = if routes.has_rules() {
            routes.choose(state.position, &Sender::of(source), number, country).map(|won| won.route)
        } else {
            routes.position(country)
        };
        lane::Key::new(country, route, state.permit)
    }

    /// Why no carrier may get a message that would go this way.
    fn without_way(&self, way: lane::Key) -> Refusal {
        let Some(route) = way.route(&self.policy) else { return Refusal::NoRoute };
        // Nothing but the lanes can be missing then: a configuration of tens of thousands of ways.
        if self.lanes.permits(way.permit, route) { Refusal::BacklogFull } else { Refusal::Transfer }
    }

    /// Writes the message, whose `submit_sm` body is `body`, and puts it where it waits.
    pub(super) fn admit(&mut self, admission: &Admission, sm: &Sm<'_>, body: &[u8], now: Now) -> u32 {
        let Admission { account, country, lane, due, expires, flags, marks, .. } = *admission;
        let accept = Accept {
            id: self.allot_id(),
            account: AccountId(account),
            country: country.octets(),
            class: Class::Message as u8,
            flags: u16::from(flags) | marks,
            accepted: now.unix,
            due,
            expires,
            body,
        };
        let position = self.pages.accept(accept);
        let part = sm.part();
        let key = part.map_or(0, |part| self.concatenations.key(account, sm, part));
        let scheduled = due > seconds(now.unix);
        let slot = self.book.insert(Slot {
            id: accept.id,
            key,
            position,
            expires,
            accepted: seconds(now.unix),
            done: due,
            account: accept.account,
            lane,
            flags,
            recipient: tail(sm.destination.octets()),
            stage: if scheduled { Stage::Scheduled } else { Stage::Waiting },
            state: MessageState::Enroute,
            ..Slot::default()
        });
        if let Some(part) = part {
            self.concatenations.came(key, part, now.mono);
        }
        self.accounts[account as usize].tally.accepted += 1;
        self.lanes.accepted(lane);
        self.waiting += 1;
        if scheduled {
            self.remind(slot, due, now);
        } else {
            self.enqueue(slot, now);
        }
        slot
    }

    /// When to send, 0 for at once, and when to give up, both in Unix seconds.
    pub(super) fn times(&self, sm: &Sm<'_>, now: Now) -> Result<(u32, u32), Refusal> {
        let (schedule, validity) = wishes(sm, now)?;
        let (due, expires) = self.policy.validity.resolve(schedule, validity, now.unix).map_err(Refusal::Time)?;
        Ok((if schedule.is_some() { seconds(due) } else { 0 }, seconds(expires)))
    }
}
