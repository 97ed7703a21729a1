//! What the codec costs for one message: decoding and encoding of a `submit_sm`, its response, its receipt, and cutting
//! a read into PDUs.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use smppgate::clock::Unix;
use smppgate::pdu::{Address, Codec, CommandId, CommandStatus, Frames, Receipt, ReceiptSm, Sm, SmResp, encode_resp};
use tokio_util::codec::Decoder;

const TEXT: &[u8] = b"Your appointment is on Thursday at 14:30. Reply 1 to confirm it, 2 to move it, or call us.";
const ID: &[u8] = b"1764238461234567";
/// PDUs of one read of a busy link.
const READ: usize = 64;

fn submit() -> Sm<'static> {
    Sm {
        source: Address::new(5, 0, b"MyBrand").unwrap_or_default(),
        destination: Address::new(1, 1, b"4712345678").unwrap_or_default(),
        esm_class: 0x03,
        registered_delivery: 1,
        short_message: TEXT,
        ..Sm::default()
    }
}

fn receipt() -> ReceiptSm<'static> {
    ReceiptSm {
        id: ID,
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

/// The octets that `encode` writes.
fn written(encode: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut wire = BytesMut::new();
    encode(&mut wire);
    wire.freeze()
}

fn submits(c: &mut Criterion) {
    let sm = submit();
    let pdu = written(|wire| sm.encode(CommandId::SUBMIT_SM, 7, wire));
    let mut wire = BytesMut::with_capacity(4_096);
    c.bench_function("submit_sm decode", |b| {
        b.iter(|| {
            black_box(&Sm::decode(black_box(&pdu[16..])));
        });
    });
    c.bench_function("submit_sm check", |b| b.iter(|| black_box(&sm).check_submit()));
    c.bench_function("submit_sm encode", |b| {
        b.iter(|| {
            wire.clear();
            black_box(&sm).encode(CommandId::SUBMIT_SM, black_box(7), &mut wire);
        });
    });
    c.bench_function("64 submit_sm cut and walked", |b| {
        let read = pdu.repeat(READ);
        let mut stream = BytesMut::new();
        b.iter(|| {
            stream.extend_from_slice(&read);
            let chunk = Codec::new(70_000).decode(&mut stream).ok().flatten().unwrap_or_default();
            Frames::new(&chunk).map(|(_, frame)| u64::from(frame.header.sequence)).sum::<u64>()
        });
    });
}

fn responses(c: &mut Criterion) {
    let encode = |wire: &mut BytesMut| {
        encode_resp(CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, black_box(7), Some(black_box(ID)), wire);
    };
    let pdu = written(encode);
    let mut wire = BytesMut::with_capacity(4_096);
    c.bench_function("submit_sm_resp decode", |b| b.iter(|| SmResp::decode(black_box(&pdu[16..]))));
    c.bench_function("submit_sm_resp encode", |b| {
        b.iter(|| {
            wire.clear();
            encode(&mut wire);
        });
    });
}

fn receipts(c: &mut Criterion) {
    let own = receipt();
    let pdu = written(|wire| own.encode(7, wire));
    let plain = written(|wire| ReceiptSm { with_tlvs: false, ..own }.encode(7, wire));
    let mut wire = BytesMut::with_capacity(4_096);
    for (name, pdu) in [("receipt decode and read", &pdu), ("receipt of text only, decode and read", &plain)] {
        c.bench_function(name, |b| {
            b.iter(|| Sm::decode(black_box(&pdu[16..])).ok().and_then(|sm| Receipt::read(&sm)));
        });
    }
    c.bench_function("receipt encode", |b| {
        b.iter(|| {
            wire.clear();
            black_box(&own).encode(black_box(7), &mut wire);
        });
    });
}

criterion_group!(benches, submits, responses, receipts);
criterion_main!(benches);
