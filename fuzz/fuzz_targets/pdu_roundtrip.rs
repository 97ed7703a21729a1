//! A PDU that decodes must encode to one that decodes to the same and encodes to the same octets; nothing panics.
//!
//! Input: one PDU; its length octets are put right, so that every input gets as far as its body.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use smppgate::pdu::{Frame, Header, Pdu, Reference, Udh, wire_segments};

fuzz_target!(|data: &[u8]| {
    let Some((header, body)) = data.split_first_chunk::<16>() else { return };
    let header = Header { length: data.len() as u32, ..Header::decode(header) };
    let Ok(pdu) = Pdu::decode(Frame { header, body }) else { return };
    if let Pdu::SubmitSm(sm) | Pdu::DeliverSm(sm) = &pdu {
        let accepted = sm.check_submit().is_ok();
        let header = Udh::of(sm.text());
        assert!(!(accepted && sm.has_udh() && header.is_none()));
        let _ = header.and_then(|(header, _)| header.part());
        assert!(wire_segments(sm.data_coding, sm.text(), Reference::Word) >= 1);
    }

    let mut once = BytesMut::new();
    pdu.encode(header.status, header.sequence, &mut once);
    let frame = Frame::cut(&once, u32::MAX).ok().flatten().unwrap_or_else(|| panic!("{pdu:?}: no whole PDU"));
    assert_eq!(frame.body.len() + 16, once.len());
    assert_eq!((frame.header.id, frame.header.sequence), (header.id, header.sequence));
    let again = Pdu::decode(frame).unwrap_or_else(|fault| panic!("{pdu:?}: {fault}"));
    let mut twice = BytesMut::new();
    again.encode(header.status, header.sequence, &mut twice);
    assert_eq!(once, twice);
    if !header.id.is_response() {
        assert_eq!(format!("{pdu:?}"), format!("{again:?}"));
    }
});
