//! The real bridge over the model store, driven PDU by PDU: no sessions, no network, one lap after each request.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use smppgate::bridge::{Bridge, Cleared, ForeignList, Input, Outbox, Renewed, Tally, hits};
use smppgate::clock::{Mono, Now, Unix};
use smppgate::config::Config;
use smppgate::limits;
use smppgate::message::{AccountId, CarrierId, LinkId};
use smppgate::pdu::{
    Address, CommandId, CommandStatus, Frames, HEADER_LENGTH, Receipt, Sm, SmResp, encode_header_only, encode_resp,
};
use smppgate::policy::{Holds, Number, Policy, Token, TokenKey, Wanted, Wish};
use smppgate::session::{BindMode, Event, Parcel, Span};
use smppgate::store::{
    ArchiveRecord, Commit, Durability, Enrolled, Health, Listed, MemoryStore, OptOutKey, Position, Store, Swept, Vault,
    Write,
};

/// When it all begins: 2026-01-02T15:30:00Z.
pub(crate) const EPOCH: Unix = Unix(1_767_367_800_000);
/// The accounts that may bind.
pub(crate) const ACME: u16 = 0;
pub(crate) const OTHER: u16 = 1;

/// A PDU that left for a link.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub(crate) command: CommandId,
    pub(crate) status: u32,
    pub(crate) body: Vec<u8>,
    /// What its answer must bring back, for a request of ours.
    pub(crate) token: Option<u64>,
}

impl Left {
    pub(crate) fn sm(&self) -> Sm<'_> {
        Sm::decode(&self.body).expect("a submit_sm or deliver_sm")
    }

    pub(crate) fn receipt(&self) -> Receipt<'_> {
        assert_eq!(self.command, CommandId::DELIVER_SM);
        Receipt::read(&Sm::decode(&self.body).expect("a deliver_sm")).expect("a receipt")
    }
}

/// A record that is somewhere in the store.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) account: u16,
    pub(crate) number: Vec<u8>,
    /// The hour in which it is forgotten, and when the message was accepted and ended; `None` in the journal.
    pub(crate) archived: Option<(u32, Unix, Unix)>,
}

/// The gateway between its clients and its carriers.
pub(crate) struct Gateway {
    pub(crate) policy: Policy,
    enrolled: Enrolled,
    bridge: Bridge,
    /// What is held, and what was erased.
    pub(crate) holds: Holds,
    pub(crate) graves: Vec<(Token, u32)>,
    pub(crate) store: MemoryStore,
    outbox: Outbox,
    pub(crate) now: Now,
    links: u64,
    sequence: u32,
    /// What left and nobody looked at.
    left: BTreeMap<LinkId, Vec<Left>>,
    /// Commits that held something.
    pub(crate) commits: u64,
}

impl Gateway {
    /// A gateway without binds.
    pub(crate) fn new(change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = (*Config::sandbox().policy).clone();
        policy.accounts.push(policy.accounts[0].clone());
        policy.accounts[1].system_id = "other".to_owned();
        change(&mut policy);
        let mut store = MemoryStore::sealed(Vault::in_memory().expect("a vault"));
        let carriers: Vec<&str> = policy.carriers.iter().map(|carrier| carrier.name.as_str()).collect();
        let enrolled = store.enroll(&["acme", "other"], &carriers).expect("nothing is scripted");
        let holds = Holds::none(TokenKey::new(&[7; 32]));
        let bridge = Bridge::new(policy.clone(), &enrolled, 1_000, 7).with_rights(holds.clone(), []);
        let now = Now { mono: Mono(1_000_000), unix: EPOCH };
        let mut gateway = Self {
            policy,
            enrolled,
            bridge,
            holds,
            graves: Vec::new(),
            store,
            outbox: Outbox::default(),
            now,
            links: 0,
            sequence: 0,
            left: BTreeMap::new(),
            commits: 0,
        };
        gateway.recover();
        gateway
    }

    fn recover(&mut self) {
        let entries = self.store.opt_outs(OptOutKey::default(), usize::MAX).expect("a whole store");
        self.bridge.restore_opt_outs(&entries).expect("of the same key");
        let mut blocks = Vec::new();
        let recovered = self.store.recover(&mut |block, _| blocks.push(block)).expect("a whole store");
        for block in &blocks {
            self.bridge.replay(block).expect("a whole block");
        }
        self.bridge.recovered(&recovered, self.now);
    }

    /// The process dies and comes back; everybody has to bind again.
    pub(crate) fn restart(&mut self) {
        self.store.crash_keeping(0);
        let bridge = Bridge::new(self.policy.clone(), &self.enrolled, 1_000, 8);
        self.bridge = bridge.with_rights(self.holds.clone(), self.graves.clone());
        self.outbox = Outbox::default();
        self.left.clear();
        self.recover();
    }

    /// Other rules, for this process and those to come.
    pub(crate) fn reload(&mut self, change: impl FnOnce(&mut Policy)) {
        change(&mut self.policy);
        let accounts: Vec<&str> = self.policy.accounts.iter().map(|account| account.system_id.as_str()).collect();
        let carriers: Vec<&str> = self.policy.carriers.iter().map(|carrier| carrier.name.as_str()).collect();
        self.enrolled = self.store.enroll(&accounts, &carriers).expect("nothing is scripted");
        let (policy, enrolled) = (Box::new(self.policy.clone()), Box::new(self.enrolled.clone()));
        self.give(Input::Policy { policy, enrolled });
    }

    /// What became of what waited, by the last rules.
    pub(crate) fn renewed(&self) -> Renewed {
        self.bridge.renewal().1
    }

    fn link(&mut self) -> LinkId {
        self.links += 1;
        LinkId(self.links)
    }

    /// A client binds as transceiver with interface version 3.4.
    pub(crate) fn client(&mut self, account: u16) -> LinkId {
        self.client_of(account, BindMode::Transceiver, 0x34)
    }

    pub(crate) fn client_of(&mut self, account: u16, mode: BindMode, interface_version: u8) -> LinkId {
        let link = self.link();
        let account = AccountId(account);
        let (command, sequence) = (mode.command(), 1);
        self.give(Input::Bind { link, account, mode, command, sequence, interface_version });
        let mut left = self.take(link);
        assert_eq!((left[0].command, left[0].status), (command.response(), 0), "the bind is accepted");
        left.remove(0);
        if !left.is_empty() {
            self.left.insert(link, left);
        }
        link
    }

    /// Our transceiver at the carrier.
    pub(crate) fn carrier(&mut self, carrier: u16) -> LinkId {
        let link = self.link();
        let (carrier, mode) = (CarrierId(carrier), BindMode::Transceiver);
        let place = self.enrolled.carriers.iter().position(|id| *id == carrier);
        // One that is configured no more has no window of today; its links were dialled before.
        let window = place.map_or(10, |place| self.policy.carriers[place].window);
        self.give(Input::CarrierBound { link, carrier, mode, window });
        link
    }

    /// One input and what follows from it.
    pub(crate) fn give(&mut self, input: Input) {
        self.bridge.handle(input, self.now, &mut self.outbox);
        self.settle();
    }

    /// Time passes.
    pub(crate) fn later(&mut self, seconds: u64) {
        let end = self.now.mono.0 + seconds * 1_000_000;
        loop {
            let next = [self.bridge.deadline(), self.bridge.seal_deadline()].into_iter().flatten().min();
            let next = next.map_or(end, |at| at.0.clamp(self.now.mono.0, end));
            self.now.unix = self.now.unix.after(std::time::Duration::from_micros(next - self.now.mono.0));
            self.now.mono = Mono(next);
            self.settle();
            if next == end {
                return;
            }
        }
    }

    /// Turns and commits until nothing is left to do now.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.bridge.turn(self.now, &mut self.outbox);
            let left = self.outbox.now.take();
            self.leave(left);
            if !self.order() && self.bridge.deadline().is_none_or(|at| at > self.now.mono) {
                return;
            }
        }
        panic!("the bridge wakes itself for nothing");
    }

    /// One order to the journal, where there is something to order.
    fn order(&mut self) -> bool {
        let asks = !self.outbox.reads.is_empty() || !self.outbox.lookups.is_empty();
        if !asks && !self.bridge.has_commit(self.now, &self.outbox) {
            return false;
        }
        let commit = Commit {
            blocks: self.bridge.close_commit(self.now, &mut self.outbox),
            archive: std::mem::take(&mut self.outbox.archive),
            cut: std::mem::take(&mut self.outbox.cut),
            opt_outs: std::mem::take(&mut self.outbox.opt_outs),
        };
        self.commits += u64::from(commit != Commit::default());
        self.store.commit(&commit, Durability::Flushed).expect("nothing is scripted");
        let left = self.outbox.then.take();
        self.leave(left);
        for number in std::mem::take(&mut self.outbox.reads) {
            let block = self.store.read(number).expect("a whole store");
            self.bridge.handle(Input::Read { number, block }, self.now, &mut self.outbox);
        }
        for lookup in std::mem::take(&mut self.outbox.lookups) {
            let record = lookup.run(|id| self.store.archived(id).expect("a whole store")).map(Box::new);
            self.bridge.handle(Input::Archived { ticket: lookup.ticket, record }, self.now, &mut self.outbox);
        }
        true
    }

    fn leave(&mut self, parcels: Vec<(LinkId, Parcel)>) {
        for (link, parcel) in parcels {
            let mut requests = parcel.requests.iter();
            for (at, frame) in Frames::new(&parcel.wire) {
                let is_request = !frame.header.id.is_response() && frame.header.id != CommandId::ALERT_NOTIFICATION;
                let token = is_request.then(|| requests.next().expect("each request is in the list"));
                assert!(token.is_none_or(|request| request.at as usize == at), "and begins where it says");
                let (command, status, body) = (frame.header.id, frame.header.status.0, frame.body.to_vec());
                let token = token.map(|request| request.token);
                self.left.entry(link).or_default().push(Left { command, status, body, token });
            }
        }
    }

    /// What left for the link since the last look.
    pub(crate) fn take(&mut self, link: LinkId) -> Vec<Left> {
        self.left.remove(&link).unwrap_or_default()
    }

    /// One read of the link's socket brings these PDUs; what left for it then.
    pub(crate) fn send(&mut self, link: LinkId, wire: &[u8]) -> Vec<Left> {
        let event = |(at, frame): (usize, smppgate::pdu::Frame<'_>)| Event::Request {
            command: frame.header.id,
            sequence: frame.header.sequence,
            body: Span { at: (at + HEADER_LENGTH) as u32, len: frame.body.len() as u32 },
        };
        let events = Frames::new(wire).map(event).collect();
        self.give(Input::Batch { link, chunk: Bytes::copy_from_slice(wire), events });
        self.take(link)
    }

    /// One request, written by `encode`, and its one answer.
    pub(crate) fn ask(&mut self, link: LinkId, encode: impl FnOnce(u32, &mut BytesMut)) -> Left {
        self.sequence += 1;
        let mut wire = BytesMut::new();
        encode(self.sequence, &mut wire);
        let answers: Vec<Left> = self.send(link, &wire);
        let answers: Vec<&Left> = answers.iter().filter(|left| left.command.is_response()).collect();
        assert_eq!(answers.len(), 1, "one answer: {answers:?}");
        answers[0].clone()
    }

    /// Submits; the id that the client is told, or the status of the refusal.
    pub(crate) fn submit(&mut self, link: LinkId, sm: &Sm<'_>) -> Result<Vec<u8>, u32> {
        let answer = self.ask(link, |sequence, wire| sm.encode(CommandId::SUBMIT_SM, sequence, wire));
        assert_eq!(answer.command, CommandId::SUBMIT_SM_RESP);
        if answer.status == 0 { Ok(SmResp::decode(&answer.body).message_id.to_vec()) } else { Err(answer.status) }
    }

    /// The peer answers a request of ours.
    pub(crate) fn answer(&mut self, link: LinkId, left: &Left, status: u32, id: &[u8]) {
        let mut wire = BytesMut::new();
        let command = left.command.response();
        encode_resp(command, CommandStatus(status), 1, Some(id), &mut wire);
        let token = left.token.expect("a request of ours");
        let body = Span { at: HEADER_LENGTH as u32, len: (wire.len() - HEADER_LENGTH) as u32 };
        let events = vec![Event::Response { token, status: CommandStatus(status), body, elapsed_us: 1000 }];
        self.give(Input::Batch { link, chunk: wire.freeze(), events });
    }

    /// Erases what is wanted from the journal, block by block.
    pub(crate) fn erase_journal(&mut self, wanted: &Wanted) -> Cleared {
        let end = self.bridge.walk_journal(self.now);
        self.settle();
        let (mut cleared, mut from) = (Cleared::default(), 0);
        while let Some(number) = self.store.next_block(from).filter(|number| *number < end) {
            let block = self.store.read(number).expect("a whole store").expect("it is there");
            let found = hits(&block, wanted);
            if !found.is_empty() {
                cleared.add(self.bridge.erase(&[(block, found)], self.now));
                self.settle();
            }
            from = number + 1;
        }
        self.graves.extend(&cleared.graves);
        cleared
    }

    /// One step of it, with what was found before.
    pub(crate) fn erase_found(&mut self, found: &[smppgate::bridge::Hits]) -> Cleared {
        let cleared = self.bridge.erase(found, self.now);
        self.settle();
        cleared
    }

    /// Erases what is wanted from the archive, step by step.
    pub(crate) fn erase_archive(&mut self, wanted: &Wanted) -> Vec<ArchiveRecord> {
        let asked = |account, source: &Address, destination: &Address| wanted.is(account, source, destination);
        let (mut gone, mut after) = (Vec::new(), None);
        loop {
            let step = self.store.erase(after, 2, &asked).expect("nothing is scripted");
            gone.extend(step.found.into_iter().map(|(_, record)| record));
            after = step.next;
            if after.is_none() {
                return gone;
            }
        }
    }

    /// The texts that the archive keeps, by message.
    pub(crate) fn texts(&mut self) -> BTreeMap<u64, Vec<u8>> {
        let step = self.store.search(None, usize::MAX, &|_, _: &_, _: &_| true).expect("a whole store");
        let text = |id| self.store.kept_text(id).expect("a whole store").expect("it was found").1.into();
        step.texts.into_iter().map(|(_, id)| (id.0, text(id))).collect()
    }

    /// All records of an account, in journal and archive.
    pub(crate) fn records(&mut self, account: u16) -> Vec<Record> {
        let wanted = Wanted::account(AccountId(account), &Holds::none(self.holds.key().clone()));
        let (mut records, mut from) = (Vec::new(), 0);
        while let Some(number) = self.store.next_block(from) {
            let block = self.store.read(number).expect("a whole store").expect("it is there");
            for offset in hits(&block, &wanted) {
                let Ok(Write::Accept(accept)) = block.write_at(offset) else { continue };
                if self.bridge.standing(accept.id, Position { block: number, offset }).is_some() {
                    let (_, destination, _) = Sm::addresses(accept.body).expect("an accepted body");
                    let (id, number) = (accept.id.0, destination.octets().to_vec());
                    records.push(Record { id, account, number, archived: None });
                }
            }
            from = number + 1;
        }
        let asked = |account, source: &Address, destination: &Address| wanted.is(account, source, destination);
        let step = self.store.search(None, usize::MAX, &asked).expect("a whole store");
        records.extend(step.found.into_iter().map(|(key, record)| Record {
            id: record.id.0,
            account,
            number: record.destination.octets().to_vec(),
            archived: Some((key.forget_hour, record.accepted, record.done)),
        }));
        records
    }

    /// How often these octets are in what is stored.
    pub(crate) fn stored(&self, octets: &[u8]) -> usize {
        let count = |stored: &[u8]| stored.windows(octets.len()).filter(|window| *window == octets).count();
        let (mut found, mut from) = (0, 0);
        while let Some(number) = self.store.next_block(from) {
            found += count(&self.store.read(number).expect("a whole store").expect("it is there").octets);
            from = number + 1;
        }
        let keys = self.store.archive().keys();
        let blocks = keys.map(|key| self.store.archive_block(key).expect("a whole store").expect("it is there"));
        found + blocks.map(|block| count(&block.octets)).sum::<usize>()
    }

    /// These numbers are held from now on.
    pub(crate) fn hold(&mut self, holds: Holds) {
        self.holds = holds.clone();
        self.bridge.hold(holds);
        self.settle();
    }

    /// An operator puts a number on an account's list of those who opted out, or takes it off.
    pub(crate) fn relist(&mut self, account: u16, number: &[u8], wish: Wish) {
        let number = Number::international(std::str::from_utf8(number).expect("digits")).expect("a number");
        let token = self.holds.key().number(AccountId(account), &number);
        self.bridge.relist(AccountId(account), &[token], wish, self.now);
        self.settle();
    }

    /// As many numbers as may be are on the lists, in memory only.
    pub(crate) fn fill_opt_outs(&mut self) {
        let listed = Listed { since: EPOCH, by: 1 };
        for step in 0..limits::OPT_OUTS_MAX / 10_000 {
            let token =
                |number: u64| u128::from(step * 10_000 + number).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
            let key = |number| OptOutKey { account: AccountId(OTHER), token: token(number) };
            // One is there already.
            let entries: Vec<_> = (u64::from(step == 0)..10_000).map(|number| (key(number), listed)).collect();
            self.bridge.restore_opt_outs(&entries).expect("no mark is among them");
        }
    }

    /// Whether the stored lists can be used with this key of tokens.
    pub(crate) fn opens_with_key(&self, key: [u8; 32]) -> Result<(), ForeignList> {
        let bridge = Bridge::new(self.policy.clone(), &self.enrolled, 1_000, 8);
        let mut bridge = bridge.with_rights(Holds::none(TokenKey::new(&key)), []);
        bridge.restore_opt_outs(&self.store.opt_outs(OptOutKey::default(), usize::MAX).expect("a whole store"))
    }

    pub(crate) fn tally(&self) -> Tally {
        self.bridge.tally()
    }

    /// What the journal's thread does every few seconds.
    pub(crate) fn sweep(&mut self) -> Swept {
        self.store.sweep(self.now.unix, 16).expect("nothing is scripted")
    }

    pub(crate) fn health(&self) -> Health {
        self.store.health()
    }
}

/// An ordinary message that asks for a receipt.
pub(crate) fn message(text: &'static [u8]) -> Sm<'static> {
    Sm {
        source: Address::new(5, 0, b"MyBrand").expect("a short name"),
        destination: Address::new(1, 1, b"4791234567").expect("a short number"),
        registered_delivery: 1,
        short_message: text,
        ..Sm::default()
    }
}

/// A PDU of raw octets.
pub(crate) fn put(command: CommandId, sequence: u32, body: &[u8], wire: &mut BytesMut) {
    encode_header_only(command, CommandStatus::ESME_ROK, sequence, wire);
    wire.extend_from_slice(body);
    let length = u32::try_from(wire.len()).expect("a short PDU");
    wire[..4].copy_from_slice(&length.to_be_bytes());
}
