//! The whole life of messages in one thread, without sockets and without a disk: a client, a carrier, and between them
//! the real sessions and the real bridge. What benches time and what the allocation test counts.
//!
//! One [`Life::round`] is four laps: submitted, answered by the carrier, reported by the carrier, confirmed by the client.
//! The peers prepare their octets before a lap and reuse their buffers, so a lap is the gateway's work alone.

use bytes::{Bytes, BytesMut};
use smppgate::bridge::{Bridge, Input, Outbox};
use smppgate::clock::{Mono, Now, Unix};
use smppgate::config::Config;
use smppgate::message::{AccountId, CarrierId, LinkId};
use smppgate::pdu::{
    Address, Bind, CommandId, CommandStatus, Frame, Frames, HEADER_LENGTH, Password, ReceiptSm, Sm, encode_resp,
};
use smppgate::policy::{Destinations, OverRate, Policy, Rate, Route, Routes};
use smppgate::session::{BindMode, Event, Parcel, Role, Session, Settings};
use smppgate::store::Enrolled;

/// The text of each message: 60 octets.
const TEXT: &[u8; 60] = b"Your code is 493 021. It is good for ten minutes. Thank you!";
/// Destinations, in turn.
const RECIPIENTS: [&[u8]; 5] = [b"4791234567", b"46701234567", b"4520123456", b"447911123456", b"4915112345678"];
/// A destination of the country that gets one message a second.
const SLOW: &[u8] = b"33612345678";
/// When it all happens.
const EPOCH: Unix = Unix(1_767_367_800_000);
/// Microseconds between laps.
const LAP_US: u64 = 2_000;

const CLIENT: LinkId = LinkId(1);
const CARRIER: LinkId = LinkId(2);

/// The gateway's end of a connection, as a link drives it.
pub(crate) struct End {
    link: LinkId,
    session: Session,
    /// What the peer sent.
    input: BytesMut,
    events: Vec<Event>,
    /// What goes to the peer.
    output: BytesMut,
}

impl End {
    fn new(link: LinkId, role: Role, now: Mono) -> Self {
        let settings = Settings { window: 1000, send_window: 1000, ..Settings::default() };
        let session = Session::new(role, settings, now);
        Self { link, session, input: BytesMut::new(), events: Vec::new(), output: BytesMut::new() }
    }

    /// Everything that arrived, through the session.
    pub(crate) fn receive(&mut self, now: Mono) -> Option<(Bytes, &mut Vec<Event>)> {
        if self.input.is_empty() {
            return None;
        }
        self.session.octets_received(now);
        let mut at = 0;
        while let Ok(Some(frame)) = Frame::cut(&self.input[at..], self.session.frame_limit()) {
            let length = frame.header.length as usize;
            let body = (at + HEADER_LENGTH) as u32;
            self.session.receive(frame, body, now, &mut self.output, &mut self.events);
            at += length;
        }
        Some((self.input.split_to(at).freeze(), &mut self.events))
    }

    /// Sends a parcel.
    pub(crate) fn dispatch(&mut self, mut parcel: Parcel, now: Mono) {
        self.session.dispatch(&mut parcel, now);
        self.output.extend_from_slice(&parcel.wire);
    }
}

/// The gateway with its two peers.
pub(crate) struct Life {
    bridge: Bridge,
    outbox: Outbox,
    now: Now,
    pub(crate) client: End,
    pub(crate) carrier: End,
    /// Messages of one round.
    batch: u32,
    submits: Vec<BytesMut>,
    sequence: u32,
    carrier_ids: u64,
    /// The last id before those of this round.
    reported: u64,
    /// Who the messages of this round went to, in the order of their ids.
    recipients: Vec<Address>,
    /// Reused by the peers.
    scratch: BytesMut,
    /// Messages whose receipts the client has confirmed.
    pub(crate) confirmed: u64,
    /// Blocks that went to the store.
    pub(crate) blocks: u64,
    /// Archive blocks that went there.
    pub(crate) archived: u64,
}

impl Life {
    /// As [`Self::new`], beside so many messages that wait, all of one country that gets one a second.
    #[allow(dead_code, reason = "only some of the benches and tests that share this file need it")]
    pub(crate) fn beside(waiting: u32, batch: u32) -> Self {
        let mut life = Self::with(batch, |policy| {
            let rest = policy.routes.list()[0].clone();
            let country = policy.prefixes.find(SLOW).into_iter().collect();
            let slow = Route {
                destinations: Destinations::Countries(country),
                rate: Some(Rate::per_second(1)),
                over_rate: OverRate::Defer,
                ..rest.clone()
            };
            policy.routes = Routes::new(vec![rest, slow]).expect("one names a country, and one the rest");
        });
        let ordinary = std::mem::replace(&mut life.submits, vec![submit(SLOW)]);
        for _ in 0..waiting / batch {
            life.submit();
            life.gateway_lap();
        }
        life.submits = ordinary;
        life
    }

    /// A gateway with a bound client and a bound carrier; rounds have `batch` messages, 1 to 500.
    pub(crate) fn new(batch: u32) -> Self {
        Self::with(batch, |_| ())
    }

    fn with(batch: u32, change: impl FnOnce(&mut Policy)) -> Self {
        let now = Now { mono: Mono(1_000_000), unix: EPOCH };
        let enrolled = Enrolled {
            accounts: vec![AccountId(0)],
            carriers: vec![CarrierId(0)],
            account_names: vec!["acme".to_owned()],
            carrier_names: vec!["sandbox".to_owned()],
        };
        let mut policy = (*Config::sandbox().policy).clone();
        policy.carriers[0].window = 1000;
        policy.accounts[0].window = 1000;
        change(&mut policy);
        let mut life = Self {
            bridge: Bridge::new(policy, &enrolled, 1_000_000, 7),
            outbox: Outbox::default(),
            now,
            client: End::new(CLIENT, Role::Smsc, now.mono),
            carrier: End::new(CARRIER, Role::Esme, now.mono),
            batch,
            submits: RECIPIENTS.map(submit).into(),
            sequence: 1,
            carrier_ids: 1_764_238_461_000_000,
            recipients: Vec::new(),
            reported: 1_764_238_461_000_000,
            scratch: BytesMut::with_capacity(1 << 20),
            confirmed: 0,
            blocks: 0,
            archived: 0,
        };
        life.bind();
        life
    }

    fn bind(&mut self) {
        let (now, mode) = (self.now, BindMode::Transceiver);
        let bind = Bind {
            system_id: b"acme",
            password: Password(b"secret"),
            system_type: b"",
            interface_version: 0x34,
            addr_ton: 0,
            addr_npi: 0,
            address_range: b"",
        };
        bind.encode(mode.command(), 1, &mut self.client.input);
        self.client.receive(now.mono);
        self.client.events.clear();
        let (command, account) = (mode.command(), AccountId(0));
        let input = Input::Bind { link: CLIENT, account, mode, command, sequence: 1, interface_version: 0x34 };
        self.bridge.handle(input, now, &mut self.outbox);
        self.carrier.session.bind(mode.command(), &bind, now.mono, &mut self.scratch);
        encode_resp(command.response(), CommandStatus::ESME_ROK, 1, Some(b"smsc"), &mut self.carrier.input);
        self.carrier.receive(now.mono);
        self.carrier.events.clear();
        let input = Input::CarrierBound { link: CARRIER, carrier: CarrierId(0), mode, window: 1000 };
        self.bridge.handle(input, now, &mut self.outbox);
        self.effects();
        assert!(self.client.session.is_bound() && self.carrier.session.is_bound());
        self.client.output.clear();
        self.carrier.output.clear();
        self.scratch.clear();
    }

    /// The whole life of a batch of messages; `lap` is called for each of the four laps.
    pub(crate) fn round(&mut self, mut lap: impl FnMut(&mut Self)) {
        for step in [Self::submit, Self::answer, Self::report, Self::confirm] {
            step(self);
            self.now.mono.0 += LAP_US;
            self.now.unix.0 += LAP_US / 1000;
            lap(self);
        }
    }

    /// The gateway's work: what arrived on both connections, one turn, one commit, its effects.
    pub(crate) fn gateway_lap(&mut self) {
        let now = self.now;
        for end in [&mut self.client, &mut self.carrier] {
            let link = end.link;
            if let Some((chunk, events)) = end.receive(now.mono) {
                let events = std::mem::replace(events, Vec::with_capacity(self.batch as usize));
                self.bridge.handle(Input::Batch { link, chunk, events }, now, &mut self.outbox);
            }
        }
        self.bridge.turn(now, &mut self.outbox);
        self.effects();
    }

    /// Closes the commit, drops what would go to the store, and sends the parcels.
    fn effects(&mut self) {
        let now = self.now;
        if self.bridge.has_commit(now, &self.outbox) {
            self.blocks += self.bridge.close_commit(now, &mut self.outbox).len() as u64;
            self.archived += self.outbox.archive.drain(..).count() as u64;
            self.outbox.cut.clear();
        }
        for (link, parcel) in self.outbox.now.drain().chain(self.outbox.then.drain()) {
            let end = if link == CLIENT { &mut self.client } else { &mut self.carrier };
            end.dispatch(parcel, now.mono);
        }
    }

    /// The client's `submit_sm`.
    pub(crate) fn submit(&mut self) {
        self.client.output.clear();
        for number in 0..self.batch {
            self.sequence += 1;
            let at = self.client.input.len();
            self.client.input.extend_from_slice(&self.submits[number as usize % self.submits.len()]);
            self.client.input[at + 12..at + 16].copy_from_slice(&self.sequence.to_be_bytes());
        }
    }

    /// The carrier's answers to what it was sent.
    pub(crate) fn answer(&mut self) {
        let Self { carrier, carrier_ids, scratch, reported, recipients, .. } = self;
        std::mem::swap(&mut carrier.output, scratch);
        *reported = *carrier_ids;
        recipients.clear();
        for (_, frame) in Frames::new(scratch) {
            if frame.header.id == CommandId::SUBMIT_SM {
                *carrier_ids += 1;
                recipients.push(Sm::decode(frame.body).map(|sm| sm.destination).unwrap_or_default());
                let (sequence, input) = (frame.header.sequence, &mut carrier.input);
                let id = decimal(*carrier_ids);
                encode_resp(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, sequence, Some(&id), input);
            }
        }
        scratch.clear();
    }

    /// The carrier's receipts for the messages of this round.
    pub(crate) fn report(&mut self) {
        for ((number, sequence), recipient) in (self.reported + 1..=self.carrier_ids).zip(1..).zip(&self.recipients) {
            let receipt = ReceiptSm {
                id: &decimal(number),
                source: *recipient,
                destination: Address::new(5, 0, b"smppgate").unwrap_or_default(),
                submitted: EPOCH,
                done: EPOCH,
                state: 2,
                error: 0,
                network_error: None,
                with_tlvs: true,
                esm_class: 0x04,
            };
            receipt.encode(sequence, &mut self.carrier.input);
        }
    }

    /// The client's answers to the receipts.
    pub(crate) fn confirm(&mut self) {
        let Self { client, confirmed, scratch, .. } = self;
        std::mem::swap(&mut client.output, scratch);
        for (_, frame) in Frames::new(scratch) {
            if frame.header.id == CommandId::DELIVER_SM {
                let (sequence, input) = (frame.header.sequence, &mut client.input);
                encode_resp(CommandId::DELIVER_SM_RESP, CommandStatus::ESME_ROK, sequence, Some(b""), input);
                *confirmed += 1;
            }
        }
        scratch.clear();
        self.carrier.output.clear();
    }
}

/// A `submit_sm` with sequence number 0.
fn submit(recipient: &[u8]) -> BytesMut {
    let sm = Sm {
        source: Address::new(5, 0, b"smppgate").unwrap_or_default(),
        destination: Address::new(1, 1, recipient).unwrap_or_default(),
        registered_delivery: 1,
        short_message: TEXT,
        ..Sm::default()
    };
    let mut wire = BytesMut::new();
    sm.encode(CommandId::SUBMIT_SM, 0, &mut wire);
    wire
}

/// Sixteen digits.
fn decimal(mut number: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    digits
}
