//! Requests from clients: a message is accepted, or refused with the one status that fits.

use super::book::{Slot, Stage};
use super::input::Outbox;
use super::link::Side;
use super::receipt::tail;
use super::refusal::Refusal;
use super::{Bridge, seconds};
use crate::clock::Now;
use crate::message::{AccountId, MessageState};
use crate::pdu::{CommandId, CommandStatus, Sm, Time, encode_header_only, encode_resp};
use crate::policy::{Class, Country, OverRate, Verdict, number};
use crate::store::Accept;

/// Bits of an accept record's flags: the client's `registered_delivery` bits 1–0.
pub(super) const REGISTERED_BITS: u8 = 0b11;
/// The client sees ids in the 3.3 form.
pub(super) const LEGACY_ID: u8 = 1 << 2;
/// The client gave a validity period, so the carrier is told it too.
pub(super) const VALIDITY_GIVEN: u8 = 1 << 3;

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
        let outcome = match command {
            CommandId::SUBMIT_SM => self.submit(link, account, body, now),
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
            Err(refusal) => {
                self.accounts[account as usize].tally.refused[refusal.index()] += 1;
                let parcel = self.links.now(link, out);
                encode_header_only(command.response(), refusal.status(), sequence, &mut parcel.wire);
                parcel.answers += 1;
            }
        }
    }

    fn submit(&mut self, link: u16, account: u16, body: &[u8], now: Now) -> Result<u32, Refusal> {
        if self.store_failing {
            return Err(Refusal::StoreFailing);
        }
        if self.stopping {
            return Err(Refusal::Stopping);
        }
        let sm = Sm::decode(body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
        sm.check_submit().map_err(|malformed| Refusal::Malformed(malformed.status))?;
        number::source_is_valid(&sm.source).map_err(Refusal::Address)?;
        let destination = number::destination(&sm.destination).map_err(Refusal::Address)?;
        let country =
            self.policy.prefixes.find(destination.digits()).ok_or(Refusal::Address(CommandStatus::ESME_RINVDSTADR))?;
        let state = &self.accounts[account as usize];
        if !state.allows(country) {
            return Err(Refusal::CountryForbidden);
        }
        let lane = self.lanes.open(country, state.permit, &self.policy, &self.carriers, false);
        let lane = lane.ok_or_else(|| self.without_way(country))?;
        let (due, expires) = self.times(&sm, now)?;
        if self.waiting >= self.backlog_max {
            return Err(Refusal::BacklogFull);
        }
        let state = &mut self.accounts[account as usize];
        if let Some(rate) = state.rate
            && let Verdict::Wait(_) = state.cell.take(rate, 1, now.mono)
        {
            return Err(Refusal::AccountRate);
        }
        let destination = self.lanes.destination_mut(lane);
        if destination.over_rate == OverRate::Throttle
            && let Some(rate) = destination.rate
            && let Verdict::Wait(_) = destination.accepted.take(rate, 1, now.mono)
        {
            return Err(Refusal::CountryRate);
        }
        let legacy = matches!(self.links[link].side, Side::Account { tlvs: false, .. });
        let flags = (sm.registered_delivery & REGISTERED_BITS)
            | if legacy { LEGACY_ID } else { 0 }
            | if sm.validity_period.is_empty() { 0 } else { VALIDITY_GIVEN };
        let accept = Accept {
            id: self.allot_id(),
            account: AccountId(account),
            country: country.octets(),
            class: Class::Message as u8,
            flags,
            accepted: now.unix,
            due,
            expires,
            body,
        };
        let slot = self.admit(accept, lane, tail(sm.destination.octets()), now);
        self.accounts[account as usize].tally.accepted += 1;
        self.lanes.accepted(lane);
        Ok(slot)
    }

    /// Why no carrier may get a message to this country.
    fn without_way(&self, country: Country) -> Refusal {
        if self.policy.routes.find(country).is_some() { Refusal::Transfer } else { Refusal::NoRoute }
    }

    /// Writes the message and puts it where it waits.
    fn admit(&mut self, accept: Accept<'_>, lane: u16, recipient: u16, now: Now) -> u32 {
        let position = self.pages.accept(accept);
        let scheduled = accept.due > seconds(now.unix);
        let slot = self.book.insert(Slot {
            id: accept.id,
            position,
            expires: accept.expires,
            accepted: seconds(accept.accepted),
            done: accept.due,
            account: accept.account,
            lane,
            flags: accept.flags,
            recipient,
            stage: if scheduled { Stage::Scheduled } else { Stage::Waiting },
            state: MessageState::Enroute,
            ..Slot::default()
        });
        self.waiting += 1;
        if scheduled {
            self.remind(slot, accept.due, now);
        } else {
            self.enqueue(slot, now);
        }
        slot
    }

    /// When to send and when to give up, both in Unix seconds.
    fn times(&self, sm: &Sm<'_>, now: Now) -> Result<(u32, u32), Refusal> {
        let time = |field: &[u8], status| match Time::parse(field) {
            Ok(time) => Ok(time.map(|time| time.resolve(now.unix))),
            Err(_) => Err(Refusal::Time(status)),
        };
        let schedule = time(sm.schedule_delivery_time, CommandStatus::ESME_RINVSCHED)?;
        let validity = time(sm.validity_period, CommandStatus::ESME_RINVEXPIRY)?;
        let (due, expires) = self.policy.validity.resolve(schedule, validity, now.unix).map_err(Refusal::Time)?;
        Ok((if schedule.is_some() { seconds(due) } else { 0 }, seconds(expires)))
    }
}
