//! What a session costs for one PDU, in and out.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use smppgate::clock::Mono;
use smppgate::pdu::{Address, CommandId, CommandStatus, Frame, HEADER_LENGTH, Sm, encode_header_only, encode_resp};
use smppgate::session::{BindMode, Control, Event, Parcel, Request, Role, Session, Settings};

/// PDUs of one read or one parcel.
const PDUS: u32 = 64;
const NOW: Mono = Mono(1_000_000);

fn session(role: Role, mode: BindMode) -> Session {
    let settings = Settings { window: 1_000_000, send_window: 1000, ..Settings::default() };
    let mut session = Session::new(role, settings, NOW);
    let (mut wire, mut events) = (BytesMut::new(), Vec::new());
    encode_header_only(mode.command(), CommandStatus::ESME_ROK, 1, &mut wire);
    receive(&mut session, &wire.split(), &mut wire, &mut events);
    session.dispatch(&mut Parcel { control: Control::Bound(mode), ..Parcel::default() }, NOW);
    assert!(session.is_bound());
    session
}

/// All PDUs of a read.
fn receive(session: &mut Session, read: &[u8], wire: &mut BytesMut, events: &mut Vec<Event>) {
    session.octets_received(NOW);
    let mut at = 0;
    while let Ok(Some(frame)) = Frame::cut(&read[at..], session.frame_limit()) {
        let length = frame.header.length as usize;
        session.receive(frame, (at + HEADER_LENGTH) as u32, NOW, wire, events);
        at += length;
    }
}

fn requests(c: &mut Criterion) {
    let sm = Sm {
        source: Address::new(5, 0, b"smppgate").unwrap_or_default(),
        destination: Address::new(1, 1, b"4791234567").unwrap_or_default(),
        short_message: &[b'x'; 60],
        ..Sm::default()
    };
    let mut submits = BytesMut::new();
    let mut delivers = BytesMut::new();
    let mut requests = Vec::new();
    for sequence in 1..=PDUS {
        sm.encode(CommandId::SUBMIT_SM, sequence, &mut submits);
        requests.push(Request { at: delivers.len() as u32, token: u64::from(sequence) });
        sm.encode(CommandId::DELIVER_SM, 0, &mut delivers);
    }
    let (mut wire, mut events) = (BytesMut::with_capacity(64 << 10), Vec::with_capacity(PDUS as usize));
    let mut group = c.benchmark_group("session, per PDU");
    group.throughput(Throughput::Elements(u64::from(PDUS)));

    let mut server = session(Role::Smsc, BindMode::Transceiver);
    let answers = |session: &mut Session| session.dispatch(&mut Parcel { answers: PDUS, ..Parcel::default() }, NOW);
    group.bench_function("request in", |b| {
        b.iter(|| {
            events.clear();
            receive(&mut server, black_box(&submits), &mut wire, &mut events);
            answers(&mut server);
            events.len()
        });
    });

    let mut enquiries = BytesMut::new();
    (1..=PDUS).for_each(|n| encode_header_only(CommandId::ENQUIRE_LINK, CommandStatus::ESME_ROK, n, &mut enquiries));
    group.bench_function("enquire_link answered", |b| {
        b.iter(|| {
            wire.clear();
            receive(&mut server, black_box(&enquiries), &mut wire, &mut events);
            wire.len()
        });
    });

    let mut parcel = Parcel { wire: delivers, requests, ..Parcel::default() };
    let mut responses = BytesMut::with_capacity(64 << 10);
    group.bench_function("request out, response in", |b| {
        b.iter(|| {
            server.dispatch(&mut parcel, NOW);
            responses.clear();
            for Request { at, .. } in &parcel.requests {
                let at = *at as usize + 12;
                let sequence = parcel.wire[at..at + 4].try_into().map_or(0, u32::from_be_bytes);
                encode_resp(CommandId::DELIVER_SM_RESP, CommandStatus::ESME_ROK, sequence, Some(b""), &mut responses);
            }
            events.clear();
            receive(&mut server, &responses, &mut wire, &mut events);
            events.len()
        });
    });
    group.finish();
}

criterion_group!(benches, requests);
criterion_main!(benches);
