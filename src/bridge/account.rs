//! Clients: who is bound, and bringing them the receipts they are owed and the messages that handsets sent them.

use super::book::{List, NONE, Stage};
use super::input::Outbox;
use super::link::Side;
use super::opt_out;
use super::permit::Permits;
use super::recall::shown;
use super::submit::LEGACY_ID;
use super::tally::AccountTally;
use super::{Bridge, seconds};
use crate::clock::{Now, Unix};
use crate::message::{AccountId, CarrierId, LinkId, MessageState};
use crate::pdu::{BindResp, CommandId, CommandStatus, ReceiptSm, Sm};
use crate::policy::{Cell, Country, DefaultAlphabet, GuardRules, Home, Policy, Rate, Retention, Transfers, retry};
use crate::session::{BindMode, Control, Request};
use crate::store::{Enrolled, Write};

/// What smppgate calls itself in bind responses.
const SYSTEM_ID: &[u8] = b"smppgate";
/// Receipts that one bind gets in a row before it is the next one's turn.
const RUN: u32 = 16;
/// From this interface version on a peer understands TLVs. SMPP 3.4 §5.2.4.
const VERSION_3_4: u8 = 0x34;

/// An account as the bridge sees it.
#[derive(Debug)]
pub(super) struct AccountState {
    name: String,
    max_binds: u32,
    window: u32,
    pub(super) rate: Option<Rate>,
    countries: Option<Vec<Country>>,
    /// Where its data may go. Of an account that is configured no more: what it last said.
    pub(super) transfers: Transfers,
    /// The carriers it objects to: those of `transfers` by number, for places change with the policy.
    objects_to: Vec<CarrierId>,
    pub(super) permit: u16,
    /// Its position in the policy, `None` for one that is no longer configured.
    pub(super) position: Option<u16>,
    /// The country whose national numbers it may write.
    pub(super) home: Option<Home>,
    /// What `data_coding` 0 is in its texts.
    pub(super) alphabet: DefaultAlphabet,
    pub(super) guard: Option<GuardRules>,
    pub(super) opt_outs: opt_out::List,
    pub(super) retention: Retention,
    configured: bool,
    pub(super) cell: Cell,
    binds: Vec<u16>,
    next_bind: usize,
    /// Messages whose receipt waits for a bind with credit, and messages from handsets that do, oldest first.
    pub(super) owed: List,
    eager: bool,
    pub(super) tally: AccountTally,
}

/// What a client is told of a message.
pub(super) struct Told {
    pub(super) state: MessageState,
    pub(super) error: u16,
    pub(super) done: Unix,
    /// 0x04 for a receipt, 0x20 for an intermediate notification.
    pub(super) esm_class: u8,
}

/// A bind whose credentials are verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct BindRequest {
    pub(super) account: AccountId,
    pub(super) mode: BindMode,
    pub(super) command: CommandId,
    pub(super) sequence: u32,
    pub(super) interface_version: u8,
}

/// Brings the accounts to what a policy says: one state per number ever enrolled; those that are not configured cannot
/// bind, their receipts wait. What an account has used and who is bound stays.
pub(super) fn configure(states: &mut Vec<AccountState>, policy: &Policy, enrolled: &Enrolled) {
    let known = states.len();
    let unknown = enrolled.account_names.iter().skip(known);
    states.extend(unknown.map(|name| AccountState::new(name.clone(), &policy.retention)));
    for state in states.iter_mut() {
        (state.configured, state.position, state.max_binds, state.guard) = (false, None, 0, None);
        state.opt_outs.words = None;
        state.retention.clone_from(&policy.retention);
        let places = (0_u16..).zip(&enrolled.carriers).filter(|(_, id)| state.objects_to.contains(id));
        state.transfers.objections = places.map(|(place, _)| place).collect();
    }
    for ((position, account), id) in (0_u16..).zip(&policy.accounts).zip(&enrolled.accounts) {
        let state = &mut states[id.0 as usize];
        state.configured = true;
        state.max_binds = account.max_binds;
        state.window = account.window;
        state.rate = account.rate;
        state.countries.clone_from(&account.countries);
        state.transfers.clone_from(&account.transfers);
        let carriers = account.transfers.objections.iter();
        state.objects_to = carriers.filter_map(|place| enrolled.carriers.get(usize::from(*place)).copied()).collect();
        state.position = Some(position);
        state.home = account.home;
        state.alphabet = account.alphabet;
        state.guard = account.guard;
        state.opt_outs.words.clone_from(&account.opt_out);
        state.retention.clone_from(&account.retention);
    }
}

impl AccountState {
    pub(super) fn new(name: String, retention: &Retention) -> Self {
        Self {
            name,
            max_binds: 0,
            window: 0,
            rate: None,
            countries: None,
            transfers: Transfers::default(),
            objects_to: Vec::new(),
            permit: Permits::ALL,
            position: None,
            home: None,
            alphabet: DefaultAlphabet::default(),
            guard: None,
            opt_outs: opt_out::List::default(),
            retention: retention.clone(),
            configured: false,
            cell: Cell::default(),
            binds: Vec::new(),
            next_bind: 0,
            owed: List::default(),
            eager: false,
            tally: AccountTally::default(),
        }
    }

    /// Whether the account may send to this country.
    pub(super) fn allows(&self, country: Country) -> bool {
        self.countries.as_ref().is_none_or(|countries| countries.contains(&country))
    }

    pub(super) fn tally(&self) -> (String, AccountTally) {
        let binds = u32::try_from(self.binds.len()).unwrap_or(u32::MAX);
        (self.name.clone(), AccountTally { binds, opt_outs: self.opt_outs.len(), ..self.tally.clone() })
    }
}

impl Bridge {
    /// Accepts a bind, or refuses it where the account has as many as it may have.
    pub(super) fn bind(&mut self, link: LinkId, bind: &BindRequest, out: &mut Outbox) {
        let account = bind.account.0;
        let status = match self.accounts.get(account as usize) {
            Some(state) if state.configured && !self.stopping => {
                if state.binds.len() >= state.max_binds as usize {
                    CommandStatus::ESME_RALYBND
                } else {
                    CommandStatus::ESME_ROK
                }
            }
            _ => CommandStatus::ESME_RBINDFAIL,
        };
        let tlvs = bind.interface_version >= VERSION_3_4;
        let accepted = (status == CommandStatus::ESME_ROK)
            .then(|| {
                let window = self.accounts[account as usize].window;
                self.links.insert(link, Side::Account { account, tlvs }, bind.mode, window)
            })
            .flatten();
        let Some(index) = accepted else {
            let status = if status == CommandStatus::ESME_ROK { CommandStatus::ESME_RBINDFAIL } else { status };
            let mut unknown = u32::MAX;
            let parcel = out.now.of(link, &mut unknown);
            crate::pdu::encode_header_only(bind.command.response(), status, bind.sequence, &mut parcel.wire);
            parcel.control = Control::Close;
            return;
        };
        self.accounts[account as usize].binds.push(index);
        self.make_eager(account);
        let parcel = self.links.now(index, out);
        let response = BindResp { system_id: SYSTEM_ID, sc_interface_version: tlvs.then_some(VERSION_3_4) };
        response.encode(bind.command.response(), bind.sequence, &mut parcel.wire);
        parcel.control = Control::Bound(bind.mode);
    }

    /// A client's link is gone: receipts lent to it wait for another, in their old order.
    pub(super) fn account_closed(&mut self, index: u16, account: u16) {
        loop {
            let slot = self.links[index].lent.last();
            if slot == NONE {
                break;
            }
            self.links.give_back(&mut self.book.slots, index, slot);
            if self.is_erased(slot) {
                self.forget_erased(slot);
                continue;
            }
            self.count_retry(slot);
            self.owe_again(slot);
        }
        self.accounts[account as usize].binds.retain(|other| *other != index);
        self.make_eager(account);
    }

    /// The message's receipt waits for a bind. The message must be final and detached.
    pub(super) fn owe(&mut self, slot: u32, now: Now) {
        let entry = &mut self.book.slots[slot];
        entry.stage = Stage::Owed;
        entry.attempts = if entry.attempts & RECEIPT_ATTEMPTS == 0 { RECEIPT_ATTEMPTS } else { entry.attempts };
        let retention = &self.accounts[entry.account.0 as usize].retention;
        let kept_s = u32::try_from(retention.receipt_queue.as_secs()).unwrap_or(u32::MAX);
        let until = if !entry.is_mobile() { entry.done.saturating_add(kept_s) } else { entry.expires };
        let account = entry.account.0;
        self.accounts[account as usize].owed.push_back(&mut self.book.slots, slot);
        self.remind(slot, until, now);
        self.make_eager(account);
    }

    fn owe_again(&mut self, slot: u32) {
        let entry = &mut self.book.slots[slot];
        entry.stage = Stage::Owed;
        let account = entry.account.0;
        self.accounts[account as usize].owed.push_front(&mut self.book.slots, slot);
        self.make_eager(account);
    }

    /// The account may have something to send.
    pub(super) fn make_eager(&mut self, account: u16) {
        let state = &mut self.accounts[account as usize];
        if !state.eager && state.owed.len > 0 && !state.binds.is_empty() {
            state.eager = true;
            self.eager.push_back(account);
        }
    }

    /// Sends owed receipts, and messages from handsets, to every client that is bound to receive and has credit.
    pub(super) fn deliver(&mut self, now: Now, out: &mut Outbox) {
        for _ in 0..self.eager.len() {
            let Some(account) = self.eager.pop_front() else { break };
            self.accounts[account as usize].eager = false;
            if !self.stopping {
                self.deliver_to(account, now, out);
            }
        }
    }

    /// Binds take turns, and within one call each takes several receipts in a row: with hundreds of binds a receipt for
    /// each would be a write, a wake-up and a read for each.
    fn deliver_to(&mut self, account: u16, now: Now, out: &mut Outbox) {
        let (mut run, mut left) = (0, 0);
        loop {
            let slot = self.accounts[account as usize].owed.head;
            if slot == NONE {
                return;
            }
            let entry = &self.book.slots[slot];
            let (position, is_mobile) = (entry.position, entry.is_mobile());
            let same_bind = if is_mobile { entry.recipient } else { 0 };
            if left == 0 || same_bind != 0 || self.links[run].credit == 0 {
                let Some(link) = self.pick_receiver(account, same_bind) else { return };
                (run, left) = (link, RUN);
            }
            let link = run;
            left -= 1;
            if !self.pages.is_at_hand(position) {
                self.ask(position.block, now, out);
                return;
            }
            self.accounts[account as usize].owed.remove(&mut self.book.slots, slot);
            self.links.lend(&mut self.book.slots, link, slot);
            self.book.slots[slot].stage = Stage::Delivering;
            if is_mobile {
                self.write_inbound(slot, link, out);
            } else {
                self.write_receipt(slot, link, out);
            }
        }
    }

    /// A receiver-capable bind with credit; binds take turns. Where `same_bind` is not 0, all with that number take the
    /// same bind while it has credit, so that the parts of a long message keep their order.
    pub(super) fn pick_receiver(&mut self, account: u16, same_bind: u16) -> Option<u16> {
        let state = &mut self.accounts[account as usize];
        if same_bind != 0 {
            let capable = || state.binds.iter().copied().filter(|bind| self.links[*bind].window > 0);
            let turn = usize::from(same_bind) % capable().count().max(1);
            if let Some(bind) = capable().nth(turn).filter(|bind| self.links[*bind].credit > 0) {
                return Some(bind);
            }
        }
        for step in 1..=state.binds.len() {
            let at = (state.next_bind + step) % state.binds.len();
            if self.links[state.binds[at]].credit > 0 {
                state.next_bind = at;
                return Some(state.binds[at]);
            }
        }
        None
    }

    fn write_receipt(&mut self, slot: u32, link: u16, out: &mut Outbox) {
        let (token, entry) = (self.book.token(slot), &self.book.slots[slot]);
        let done = Unix(u64::from(entry.done) * 1000);
        let told = Told { state: entry.state, error: entry.error, done, esm_class: Sm::TYPE_RECEIPT };
        self.tell(slot, link, token, &told, out);
    }

    /// Encodes how a message stands in the client's own addresses, swapped. SMPP 3.4 Appendix B.
    pub(super) fn tell(&mut self, slot: u32, link: u16, token: u64, told: &Told, out: &mut Outbox) {
        let entry = &self.book.slots[slot];
        let Some(accept) = self.pages.accepted(entry.position) else { return };
        let Ok((sender, recipient, _)) = Sm::addresses(accept.body) else { return };
        let with_tlvs = matches!(self.links[link].side, Side::Account { tlvs: true, .. });
        let mut digits = [0; 20];
        let receipt = ReceiptSm {
            id: shown(entry).digits(entry.flags & LEGACY_ID != 0, &mut digits),
            source: recipient,
            destination: sender,
            submitted: accept.accepted,
            done: told.done,
            state: told.state as u8,
            error: told.error,
            network_error: None,
            with_tlvs,
            esm_class: told.esm_class,
        };
        let parcel = self.links.then(link, out);
        parcel.requests.push(Request { at: parcel.wire.len() as u32, token });
        receipt.encode(0, &mut parcel.wire);
    }

    /// The client answered a `deliver_sm`.
    pub(super) fn receipt_answered(&mut self, link: u16, token: u64, status: CommandStatus, now: Now) {
        let Some(slot) = self.reclaim_receipt(link, token) else { return };
        let account = self.book.slots[slot].account.0;
        self.make_eager(account);
        if status == CommandStatus::ESME_ROK {
            if self.book.slots[slot].is_mobile() {
                self.end_inbound(slot, MessageState::Delivered, 0, now);
                return;
            }
            let tally = &mut self.accounts[account as usize].tally;
            tally.receipts_delivered += 1;
            tally.receipts_owed -= 1;
            self.pages.write(&Write::Settled { id: self.book.slots[slot].id, at: seconds(now.unix) });
            self.settle(slot);
            return;
        }
        let jitter = self.jitter();
        let entry = &mut self.book.slots[slot];
        let attempts = entry.attempts & !RECEIPT_ATTEMPTS;
        match retry::receipt_retry(status, attempts, jitter) {
            Some(after) => {
                entry.stage = Stage::Resting;
                entry.attempts = (attempts + 1).min(!RECEIPT_ATTEMPTS) | RECEIPT_ATTEMPTS;
                self.count_retry(slot);
                self.remind(slot, seconds(now.unix.after(after)), now);
            }
            None => {
                let error = u16::try_from(status.0).unwrap_or(u16::MAX);
                self.give_up(slot, MessageState::Rejected, error, now);
            }
        }
    }

    /// The client did not answer a `deliver_sm`: it is sent again, on another bind if there is one.
    pub(super) fn receipt_unanswered(&mut self, link: u16, token: u64) {
        let Some(slot) = self.reclaim_receipt(link, token) else { return };
        self.count_retry(slot);
        self.owe_again(slot);
    }

    fn count_retry(&mut self, slot: u32) {
        let entry = &self.book.slots[slot];
        let tally = &mut self.accounts[entry.account.0 as usize].tally;
        let count = if !entry.is_mobile() { &mut tally.receipts_retried } else { &mut tally.inbound_retried };
        *count += 1;
    }

    /// The session did not write the `deliver_sm`: another bind may get it.
    pub(super) fn receipt_unsent(&mut self, link: u16, token: u64) {
        if let Some(slot) = self.reclaim_receipt(link, token) {
            self.owe_again(slot);
        }
    }

    fn reclaim_receipt(&mut self, link: u16, token: u64) -> Option<u32> {
        let Some(slot) = self.book.redeem(token) else {
            self.notice_answered(link, token);
            return None;
        };
        let entry = &self.book.slots[slot];
        if entry.stage != Stage::Delivering || entry.link != link {
            return None;
        }
        let entry_account = entry.account.0;
        self.links.give_back(&mut self.book.slots, link, slot);
        if self.is_erased(slot) {
            self.forget_erased(slot);
            self.make_eager(entry_account);
            return None;
        }
        Some(slot)
    }

    /// The client does not get the receipt; or not the message from a handset, which ends in `state` for `error`. It must
    /// be detached.
    pub(super) fn give_up(&mut self, slot: u32, state: MessageState, error: u16, now: Now) {
        if self.book.slots[slot].is_mobile() {
            self.end_inbound(slot, state, error, now);
            return;
        }
        let tally = &mut self.accounts[self.book.slots[slot].account.0 as usize].tally;
        tally.receipts_dropped += 1;
        tally.receipts_owed -= 1;
        self.pages.write(&Write::Settled { id: self.book.slots[slot].id, at: seconds(now.unix) });
        self.settle(slot);
    }
}

/// Marks that a slot's `attempts` count deliveries of its receipt and no longer of the message.
const RECEIPT_ATTEMPTS: u8 = 0x80;
