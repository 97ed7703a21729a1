//! The fixed pieces of work that are counted. Each happens inside one function that is never inlined, by whose name
//! valgrind knows when to count; everything else is preparation.

use std::hint::black_box;

use bytes::BytesMut;
use smppgate::clock::{Mono, Unix};
use smppgate::message::MessageId;
use smppgate::pdu::{
    Address, CommandId, CommandStatus, Frame, HEADER_LENGTH, Receipt, ReceiptSm, Sm, encode_header_only,
};
use smppgate::session::{BindMode, Control, Event, Parcel, Role, Session, Settings};

use crate::life::Life;

/// Repetitions of the small pieces.
const REPEATS: u64 = 2_000;
/// PDUs of one read.
const PDUS: u32 = 64;
/// Messages of the slow country.
const WAITING: u32 = 100_000;
/// Rounds before the counted ones, until sealing runs and tables have their size.
const WARM_UP: u32 = 100;
/// Counted rounds.
const ROUNDS: u32 = 60;

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Decode,
    Check,
    Encode,
    ReadReceipt,
    WriteReceipt,
    Digits,
    Session,
    /// The whole life in reads of so many messages.
    Life(u32),
    /// The same beside [`WAITING`] messages of a slow country.
    Beside(u32),
}

impl Work {
    pub(crate) const ALL: [Self; 11] = [
        Self::Decode,
        Self::Check,
        Self::Encode,
        Self::ReadReceipt,
        Self::WriteReceipt,
        Self::Digits,
        Self::Session,
        Self::Life(1),
        Self::Life(20),
        Self::Life(200),
        Self::Beside(20),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|work| work.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Decode => "submit_sm, decode",
            Self::Check => "submit_sm, check",
            Self::Encode => "submit_sm, encode",
            Self::ReadReceipt => "receipt, decode and read",
            Self::WriteReceipt => "receipt, encode",
            Self::Digits => "message id, to digits",
            Self::Session => "session, one request in",
            Self::Life(1) => "life of a message, in reads of 1",
            Self::Life(20) => "life of a message, in reads of 20",
            Self::Life(_) => "life of a message, in reads of 200",
            Self::Beside(_) => "the same of 20 beside 100,000 waiting",
        }
    }

    /// The function in which it happens.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::Decode => "counted_decode",
            Self::Check => "counted_check",
            Self::Encode => "counted_encode",
            Self::ReadReceipt => "counted_read_receipt",
            Self::WriteReceipt => "counted_write_receipt",
            Self::Digits => "counted_digits",
            Self::Session => "counted_session",
            Self::Life(_) | Self::Beside(_) => "counted_life",
        }
    }

    /// How often it happens in [`Self::run`].
    pub(crate) fn units(self) -> u64 {
        match self {
            Self::Session => REPEATS * u64::from(PDUS),
            Self::Life(batch) | Self::Beside(batch) => u64::from(ROUNDS * batch),
            _ => REPEATS,
        }
    }

    pub(crate) fn run(self) {
        let sm = submit();
        let mut wire = BytesMut::with_capacity(64 << 10);
        sm.encode(CommandId::SUBMIT_SM, 1, &mut wire);
        let pdu = wire.split().freeze();
        wire.reserve(64 << 10);
        receipt().encode(1, &mut wire);
        let receipt_pdu = wire.split().freeze();
        wire.reserve(64 << 10);
        match self {
            Self::Decode => (0..REPEATS).for_each(|_| counted_decode(&pdu[HEADER_LENGTH..])),
            Self::Check => (0..REPEATS).for_each(|_| counted_check(&sm)),
            Self::Encode => (0..REPEATS).for_each(|_| counted_encode(&sm, &mut wire)),
            Self::ReadReceipt => (0..REPEATS).for_each(|_| counted_read_receipt(&receipt_pdu[HEADER_LENGTH..])),
            Self::WriteReceipt => (0..REPEATS).for_each(|_| counted_write_receipt(&receipt(), &mut wire)),
            Self::Digits => (0..REPEATS).for_each(|number| counted_digits(MessageId(1_000_000 + number))),
            Self::Session => session(&pdu),
            Self::Life(batch) => life(Life::new(batch), batch),
            Self::Beside(batch) => life(Life::beside(WAITING, batch), batch),
        }
    }
}

#[inline(never)]
fn counted_decode(body: &[u8]) {
    black_box(Sm::decode(body).is_ok());
}

#[inline(never)]
fn counted_check(sm: &Sm<'_>) {
    black_box(sm.check_submit().is_ok());
}

#[inline(never)]
fn counted_encode(sm: &Sm<'_>, wire: &mut BytesMut) {
    wire.clear();
    sm.encode(CommandId::SUBMIT_SM, 7, wire);
}

#[inline(never)]
fn counted_read_receipt(body: &[u8]) {
    if let Ok(sm) = Sm::decode(body) {
        black_box(Receipt::read(&sm).is_some());
    }
}

#[inline(never)]
fn counted_write_receipt(receipt: &ReceiptSm<'_>, wire: &mut BytesMut) {
    wire.clear();
    receipt.encode(7, wire);
}

#[inline(never)]
fn counted_digits(id: MessageId) {
    black_box(id.digits(false, &mut [0; 20]));
}

#[inline(never)]
fn counted_session(session: &mut Session, read: &[u8], now: Mono, wire: &mut BytesMut, events: &mut Vec<Event>) {
    session.octets_received(now);
    let mut at = 0;
    while let Ok(Some(frame)) = Frame::cut(&read[at..], session.frame_limit()) {
        let length = frame.header.length as usize;
        session.receive(frame, (at + HEADER_LENGTH) as u32, now, wire, events);
        at += length;
    }
    session.dispatch(&mut Parcel { answers: PDUS, ..Parcel::default() }, now);
}

/// Returns something, so that the lap is called and not jumped to.
#[inline(never)]
fn counted_life(life: &mut Life) {
    life.gateway_lap();
    black_box(&life.confirmed);
}

/// Reads of a bound client's `submit_sm`.
fn session(pdu: &[u8]) {
    let now = Mono(1_000_000);
    let mut session = Session::new(Role::Smsc, Settings { window: 1000, ..Settings::default() }, now);
    let (mut wire, mut events) = (BytesMut::with_capacity(4096), Vec::with_capacity(PDUS as usize));
    encode_header_only(CommandId::BIND_TRANSCEIVER, CommandStatus::ESME_ROK, 1, &mut wire);
    if let Ok(Some(frame)) = Frame::cut(&wire.split(), session.frame_limit()) {
        session.receive(frame, 0, now, &mut wire, &mut events);
    }
    session.dispatch(&mut Parcel { control: Control::Bound(BindMode::Transceiver), ..Parcel::default() }, now);
    assert!(session.is_bound(), "the work is that of a bound session");
    let read = pdu.repeat(PDUS as usize);
    for _ in 0..REPEATS {
        events.clear();
        counted_session(&mut session, &read, now, &mut wire, &mut events);
        assert_eq!(events.len(), PDUS as usize);
    }
}

fn life(mut life: Life, batch: u32) {
    for _ in 0..WARM_UP {
        life.round(Life::gateway_lap);
    }
    let before = life.confirmed;
    for _ in 0..ROUNDS {
        life.round(counted_life);
    }
    // One of those that wait may leave meanwhile.
    let confirmed = life.confirmed - before - u64::from(ROUNDS * batch);
    assert!(confirmed <= 1, "every message got its receipt, and {confirmed} more");
}

fn submit() -> Sm<'static> {
    Sm {
        source: Address::new(5, 0, b"smppgate").unwrap_or_default(),
        destination: Address::new(1, 1, b"4791234567").unwrap_or_default(),
        registered_delivery: 1,
        short_message: b"Your code is 493 021. It is good for ten minutes. Thank you!",
        ..Sm::default()
    }
}

fn receipt() -> ReceiptSm<'static> {
    ReceiptSm {
        id: b"1764238461000001",
        source: submit().destination,
        destination: submit().source,
        submitted: Unix(1_767_367_800_000),
        done: Unix(1_767_367_860_000),
        state: 2,
        error: 0,
        network_error: None,
        with_tlvs: true,
        esm_class: 0x04,
    }
}
