//! Messages from handsets: taken from a carrier for the account that the rules name, and brought to it like the receipts
//! it is owed. Joins no parts, and changes no text but its alphabet.

use bytes::BytesMut;

use super::Bridge;
use super::book::{MOBILE, Slot, Stage};
use super::input::Outbox;
use super::link::Side;
use super::parts::{Parts, Place};
use super::receipt::tail;
use super::recode::Text;
use super::refusal::InboundRefusal;
use crate::clock::Now;
use crate::message::{AccountId, CarrierId, MessageState};
use crate::pdu::{CommandId, CommandStatus, HEADER_LENGTH, Part, Sm, Tlvs};
use crate::policy::inbound::first_word;
use crate::policy::{Class, Country, DefaultAlphabet, Policy, dialled};
use crate::session::Request;
use crate::store::{Enrolled, Inbound, Write};

/// Most octets of a text in `short_message`: 255 are reserved.
const SHORT_MESSAGE_MAX: usize = 254;

/// What the bridge knows of messages from handsets, apart from the messages.
#[derive(Debug)]
pub(super) struct InboundState {
    /// Number of each account of the policy.
    accounts: Vec<AccountId>,
    /// Position in the policy of each carrier number; `u16::MAX` where it is no longer configured.
    carriers: Vec<u16>,
    pub(super) parts: Parts,
    /// Messages that wait for their account or are on their way to it.
    pub(super) waiting: u64,
}

impl InboundState {
    pub(super) fn new(enrolled: &Enrolled, seed: u64) -> Self {
        let (accounts, carriers) = (Vec::new(), Vec::new());
        let mut state = Self { accounts, carriers, parts: Parts::new(seed), waiting: 0 };
        state.configure(enrolled);
        state
    }

    /// Takes the numbers of a policy.
    pub(super) fn configure(&mut self, enrolled: &Enrolled) {
        let position = |number: usize| {
            let found = enrolled.carriers.iter().position(|id| usize::from(id.0) == number);
            found.and_then(|position| u16::try_from(position).ok()).unwrap_or(u16::MAX)
        };
        self.accounts.clone_from(&enrolled.accounts);
        self.carriers = (0..enrolled.carrier_names.len()).map(position).collect();
    }
}

impl Bridge {
    /// A `deliver_sm` that is no receipt, or a `data_sm` that was made one.
    pub(super) fn mobile_originated(&mut self, carrier: u16, sm: &Sm<'_>, body: &[u8], now: Now) -> CommandStatus {
        let alphabet = self.carriers[carrier as usize].habits.alphabet;
        let received = match Text::of(sm, alphabet, DefaultAlphabet::Gsm, true) {
            None => self.receive(carrier, sm, body, now),
            Some(text) => {
                let (sm, mut wire) = (text.put(sm), BytesMut::new());
                sm.encode(CommandId::DELIVER_SM, 0, &mut wire);
                self.receive(carrier, &sm, wire.get(HEADER_LENGTH..).unwrap_or_default(), now)
            }
        };
        match received {
            Ok(()) => CommandStatus::ESME_ROK,
            Err(refusal) => self.refuse_inbound(carrier, refusal),
        }
    }

    /// The carrier keeps the message, or gives it up, as the status says.
    pub(super) fn refuse_inbound(&mut self, carrier: u16, refusal: InboundRefusal) -> CommandStatus {
        self.carriers[carrier as usize].tally.inbound_refused[refusal.index()] += 1;
        refusal.status()
    }

    fn receive(&mut self, carrier: u16, sm: &Sm<'_>, body: &[u8], now: Now) -> Result<(), InboundRefusal> {
        if self.store_failing {
            return Err(InboundRefusal::StoreFailing);
        }
        let account = self.addressee(carrier, sm, now)?;
        if self.rights.holds.is_closed(account) {
            return Err(InboundRefusal::Nobody);
        }
        if self.inbound.waiting >= self.backlog_max {
            return Err(InboundRefusal::BacklogFull);
        }
        self.hear(account, sm, now)?;
        let expires = now.unix.after(self.accounts[account.0 as usize].retention.receipt_queue).seconds();
        let inbound = Inbound {
            id: self.allot_id(),
            account,
            carrier: CarrierId(carrier),
            class: Class::Inbound as u8,
            received: now.unix,
            expires,
            body,
        };
        let position = self.pages.inbound(inbound);
        let slot = self.book.insert(Slot { id: inbound.id, position, ..slot(&inbound, sm) });
        self.carriers[carrier as usize].tally.inbound += 1;
        self.accounts[account.0 as usize].tally.inbound += 1;
        self.await_account(slot, now);
        Ok(())
    }

    /// The message waits for a bind of its account, and is counted.
    pub(super) fn await_account(&mut self, slot: u32, now: Now) {
        self.inbound.waiting += 1;
        self.accounts[self.book.slots[slot].account.0 as usize].tally.inbound_waiting += 1;
        self.owe(slot, now);
    }

    /// Whose message it is, by the rules. All parts of a long message are for whom its first words name; one that comes
    /// before those is refused for now, and after a while goes by its number alone.
    fn addressee(&mut self, carrier: u16, sm: &Sm<'_>, now: Now) -> Result<AccountId, InboundRefusal> {
        let rules = &self.policy.inbound;
        let position = self.inbound.carriers.get(carrier as usize).copied().unwrap_or(u16::MAX);
        let number = dialled(&sm.destination).ok_or(InboundRefusal::Nobody)?;
        let reads_word = rules.reads_word(position, &number);
        let part = if reads_word { sm.part() } else { None };
        let key = part.map(|part| self.inbound.parts.key(carrier, sm, part));
        let leads_on = part.is_some_and(|part| part.number > 1);
        if let Some(key) = key.filter(|_| leads_on) {
            match self.inbound.parts.place(key, now.mono) {
                Place::With(account) => return Ok(account),
                Place::Early => return Err(InboundRefusal::EarlyPart),
                Place::Alone => {}
            }
        }
        let word = if reads_word && !leads_on { first_word(sm) } else { None };
        let found = rules.find(position, &number, word.as_deref()).ok_or(InboundRefusal::Nobody)?;
        let account = self.inbound.accounts.get(found.account as usize).copied().ok_or(InboundRefusal::Nobody)?;
        if let Some(key) = key.filter(|_| !leads_on) {
            self.inbound.parts.remember(key, account, now.mono);
        }
        Ok(account)
    }

    /// Encodes the message for a link of its account. A peer of interface version 3.3 gets no TLVs: the text moves into
    /// `short_message` where it fits (SMPP 3.4 §3.4).
    pub(super) fn write_inbound(&mut self, slot: u32, link: u16, out: &mut Outbox) {
        let token = self.book.token(slot);
        let Some(inbound) = self.pages.received(self.book.slots[slot].position) else { return };
        let Ok(mut sm) = Sm::decode(inbound.body) else { return };
        let is_old = matches!(self.links[link].side, Side::Account { tlvs: false, .. });
        if is_old && !sm.tlvs.is_empty() && sm.text().len() <= SHORT_MESSAGE_MAX {
            (sm.short_message, sm.tlvs) = (sm.text(), Tlvs::NONE);
        }
        let alphabet = self.accounts[inbound.account.0 as usize].alphabet;
        let text = Text::of(&sm, DefaultAlphabet::Gsm, alphabet, !is_old);
        let sm = text.as_ref().map_or(sm, |text| text.put(&sm));
        let parcel = self.links.then(link, out);
        parcel.requests.push(Request { at: parcel.wire.len() as u32, token });
        sm.encode(CommandId::DELIVER_SM, 0, &mut parcel.wire);
    }

    /// The message came to its end, and is counted: taken by its account, refused by it, or given up. It must be detached.
    pub(super) fn end_inbound(&mut self, slot: u32, state: MessageState, error: u16, now: Now) {
        let entry = &mut self.book.slots[slot];
        (entry.state, entry.error, entry.done) = (state, error, now.unix.seconds());
        let (id, account) = (entry.id, entry.account.0);
        self.pages.write(&Write::Final { id, state: state as u8, error, network: None, at: now.unix, owed: false });
        self.inbound.waiting -= 1;
        let tally = &mut self.accounts[account as usize].tally;
        tally.inbound_waiting -= 1;
        match state {
            MessageState::Delivered => tally.inbound_delivered += 1,
            MessageState::Rejected => tally.inbound_rejected += 1,
            _ => tally.inbound_expired += 1,
        }
        self.settle(slot);
    }

    /// The country of the handset, for the archive.
    pub(super) fn origin(policy: &Policy, body: &[u8]) -> [u8; 2] {
        let number = Sm::addresses(body).ok().and_then(|(source, _, _)| dialled(&source));
        let country = number.and_then(|number| policy.prefixes.find(number.digits()));
        country.unwrap_or(Country::NON_GEOGRAPHIC).octets()
    }

    /// A message found at recovery; where it goes in the book is the caller's.
    pub(super) fn replayed_inbound(&mut self, inbound: &Inbound<'_>, sm: &Sm<'_>) {
        if let Some(part) = sm.part() {
            let key = self.inbound.parts.key(inbound.carrier.0, sm, part);
            self.inbound.parts.replayed(key, inbound.account, inbound.received);
        }
    }
}

/// What a slot says of a message from a handset.
pub(super) fn slot(inbound: &Inbound<'_>, sm: &Sm<'_>) -> Slot {
    Slot {
        expires: inbound.expires,
        accepted: inbound.received.seconds(),
        done: inbound.received.seconds(),
        account: inbound.account,
        carrier: inbound.carrier,
        lane: MOBILE,
        stage: Stage::Owed,
        recipient: sm.part().map_or(0, |part| affinity(sm, part)),
        ..Slot::default()
    }
}

/// The same for all parts of a long message, and not 0: they take the same bind.
fn affinity(sm: &Sm<'_>, part: Part) -> u16 {
    (tail(sm.source.octets()) ^ part.reference.wrapping_mul(0x9E37)).max(1)
}
