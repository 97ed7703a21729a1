//! Properties of the codec over generated input: what is encoded decodes to itself, and no octets make it panic.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use smppgate::clock::Unix;
use smppgate::pdu::{
    Address, Bind, Codec, CommandId, CommandStatus, Frame, Frames, HEADER_LENGTH, Header, Password, Pdu,
    RECEIPT_SCRATCH, Receipt, ReceiptSm, Reference, Sm, SmResp, Tag, Time, Tlv, Tlvs, Udh, decode_gsm, encode_gsm,
    wire_segments,
};
use tokio_util::codec::Decoder;

fn c_octets(max: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255_u8, 0..=max)
}

fn address() -> impl Strategy<Value = Address> {
    (any::<u8>(), any::<u8>(), c_octets(20)).prop_map(|(ton, npi, octets)| Address::new(ton, npi, &octets).unwrap())
}

/// Parameters that any value suits, so that every run of them is valid.
fn tlvs() -> impl Strategy<Value = Vec<u8>> {
    let tag =
        prop_oneof![Just(Tag::MESSAGE_PAYLOAD), Just(Tag::RECEIPTED_MESSAGE_ID), (0x1400..=0x3FFF_u16).prop_map(Tag)];
    vec((tag, vec(any::<u8>(), 0..40)), 0..5).prop_map(|list| {
        let mut octets = Vec::new();
        list.iter().for_each(|(tag, value)| Tlv { tag: *tag, value }.encode(&mut octets));
        octets
    })
}

/// Everything a PDU can be made of, owned.
#[derive(Clone, Debug)]
struct OwnSm {
    strings: [Vec<u8>; 3],
    addresses: [Address; 2],
    octets: [u8; 7],
    text: Vec<u8>,
    tlvs: Vec<u8>,
}

impl OwnSm {
    fn sm(&self) -> Sm<'_> {
        let [esm_class, protocol_id, priority_flag, registered_delivery, replace, data_coding, default_id] =
            self.octets;
        Sm {
            service_type: &self.strings[0],
            source: self.addresses[0],
            destination: self.addresses[1],
            esm_class,
            protocol_id,
            priority_flag,
            schedule_delivery_time: &self.strings[1],
            validity_period: &self.strings[2],
            registered_delivery,
            replace_if_present_flag: replace,
            data_coding,
            sm_default_msg_id: default_id,
            short_message: &self.text,
            tlvs: Tlvs::decode(&self.tlvs).unwrap(),
        }
    }
}

fn own_sm() -> impl Strategy<Value = OwnSm> {
    (
        (c_octets(6), c_octets(16), c_octets(16)),
        (address(), address()),
        any::<[u8; 7]>(),
        vec(any::<u8>(), 0..=255),
        tlvs(),
    )
        .prop_map(|(strings, addresses, octets, text, tlvs)| OwnSm {
            strings: strings.into(),
            addresses: addresses.into(),
            octets,
            text,
            tlvs,
        })
}

fn frame(wire: &[u8]) -> Frame<'_> {
    let frame = Frame::cut(wire, u32::MAX).unwrap().unwrap();
    assert_eq!(frame.header.length as usize, wire.len());
    frame
}

/// Every command with a name, and one without.
fn command() -> impl Strategy<Value = CommandId> {
    (0..=CommandId::KNOWN.len()).prop_map(|at| CommandId::KNOWN.get(at).copied().unwrap_or(CommandId(0x0A)))
}

proptest! {
    #[test]
    fn an_sm_decodes_to_itself(own in own_sm(), sequence in any::<u32>()) {
        let sm = own.sm();
        let mut wire = BytesMut::new();
        sm.encode(CommandId::SUBMIT_SM, sequence, &mut wire);
        let read = frame(&wire);
        prop_assert_eq!(read.header.sequence, sequence);
        prop_assert_eq!(Sm::decode(read.body).unwrap(), sm);
        let _ = sm.check_submit();
        let _ = Receipt::read(&sm);
    }

    #[test]
    fn a_body_goes_on_as_if_it_were_decoded_and_changed(
        own in own_sm(), times in any::<[bool; 2]>(), plain in any::<bool>(), validity in c_octets(16),
    ) {
        let mut own = own;
        own.strings.iter_mut().skip(1).zip(times).filter(|(_, kept)| !kept).for_each(|(time, _)| time.clear());
        if plain {
            own.tlvs.clear();
        }
        let (sm, mut wire) = (own.sm(), BytesMut::new());
        sm.encode(CommandId::SUBMIT_SM, 7, &mut wire);
        let changed = Sm {
            schedule_delivery_time: b"",
            validity_period: &validity,
            replace_if_present_flag: 0,
            registered_delivery: sm.registered_delivery & !0b11 | 1,
            ..sm
        };
        let (mut expected, mut onward) = (BytesMut::from(&b"before"[..]), BytesMut::from(&b"before"[..]));
        changed.encode(CommandId::SUBMIT_SM, 0, &mut expected);
        Sm::encode_onward(&wire[HEADER_LENGTH..], &validity, &mut onward).unwrap();
        prop_assert_eq!(&onward, &expected);
        let (source, destination, _) = Sm::addresses(&wire[HEADER_LENGTH..]).unwrap();
        prop_assert_eq!((source, destination), (sm.source, sm.destination));
    }

    #[test]
    fn no_octets_make_going_on_panic(body in vec(prop_oneof![Just(0), any::<u8>()], 0..80)) {
        let (mut wire, decoded) = (BytesMut::new(), Sm::decode(&body).is_ok());
        let onward = Sm::encode_onward(&body, b"", &mut wire).is_ok();
        prop_assert_eq!(onward, decoded);
        prop_assert_eq!(wire.is_empty(), !onward);
    }

    #[test]
    fn a_cut_sm_is_refused_or_has_lost_only_parameters(own in own_sm(), cut in any::<prop::sample::Index>()) {
        let sm = own.sm();
        let mut wire = BytesMut::new();
        sm.encode(CommandId::SUBMIT_SM, 1, &mut wire);
        let body = &wire[HEADER_LENGTH..];
        let mandatory = body.len() - own.tlvs.len();
        let kept = cut.index(body.len());
        match Sm::decode(&body[..kept]) {
            Ok(read) => {
                prop_assert!(kept >= mandatory);
                prop_assert_eq!(Sm { tlvs: sm.tlvs, ..read }, sm);
            }
            Err(fault) if kept >= mandatory => {
                prop_assert_eq!(fault.status, CommandStatus::ESME_RINVOPTPARSTREAM);
            }
            Err(fault) => {
                let cut = [CommandStatus::ESME_RINVCMDLEN, CommandStatus::ESME_RINVMSGLEN];
                prop_assert!(cut.contains(&fault.status));
            }
        }
    }

    #[test]
    fn a_bind_decodes_to_itself(
        strings in (c_octets(64), c_octets(128), c_octets(32), c_octets(40)),
        octets in any::<[u8; 3]>(),
    ) {
        let bind = Bind {
            system_id: &strings.0,
            password: Password(&strings.1),
            system_type: &strings.2,
            interface_version: octets[0],
            addr_ton: octets[1],
            addr_npi: octets[2],
            address_range: &strings.3,
        };
        let mut wire = BytesMut::new();
        bind.encode(CommandId::BIND_TRANSCEIVER, 1, &mut wire);
        let read = Bind::decode(frame(&wire).body).unwrap();
        prop_assert_eq!(read.password.0, bind.password.0);
        prop_assert_eq!(
            (read.system_id, read.system_type, read.interface_version, read.addr_ton, read.addr_npi, read.address_range),
            (bind.system_id, bind.system_type, bind.interface_version, bind.addr_ton, bind.addr_npi, bind.address_range)
        );
    }

    #[test]
    fn a_response_keeps_its_id(id in c_octets(64), sequence in any::<u32>()) {
        let mut wire = BytesMut::new();
        smppgate::pdu::encode_resp(
            CommandId::SUBMIT_SM_RESP, CommandStatus::ESME_ROK, sequence, Some(&id), &mut wire);
        let body = frame(&wire).body;
        prop_assert_eq!(SmResp::decode(body).message_id, &id[..]);
        prop_assert_eq!(SmResp::decode(&body[..id.len()]).message_id, &id[..]);
    }

    #[test]
    fn whatever_decodes_encodes_to_an_equal_pdu(
        command in command(),
        ok in any::<bool>(),
        body in vec(prop_oneof![2 => Just(0), 1 => 1..=3_u8, 2 => any::<u8>()], 0..120),
    ) {
        let status = CommandStatus(u32::from(!ok));
        let header = Header { length: 0, id: command, status, sequence: 7 };
        let Ok(pdu) = Pdu::decode(Frame { header, body: &body }) else { return Ok(()) };
        prop_assert_eq!(pdu.command(), command);
        let mut once = BytesMut::new();
        pdu.encode(status, 7, &mut once);
        let again = Pdu::decode(frame(&once)).unwrap();
        let mut twice = BytesMut::new();
        again.encode(status, 7, &mut twice);
        prop_assert_eq!(&once, &twice);
        if !command.is_response() {
            prop_assert_eq!(format!("{pdu:?}"), format!("{again:?}"));
        }
    }

    #[test]
    fn receipts_read_back_what_was_written(
        id in "[0-9a-f]{1,64}", source in address(), destination in address(),
        submitted in 946_684_800..2_145_916_800_u64, after in 0..1_000_000_u64,
        state in 1..=8_u8, error in 0..=999_u16, network in proptest::option::of(any::<(u8, u16)>()),
        with_tlvs in any::<bool>(),
    ) {
        let (submitted, done) = (Unix(submitted * 1_000), Unix((submitted + after) * 1_000));
        let receipt = ReceiptSm {
            id: id.as_bytes(), source, destination, submitted, done, state, error, with_tlvs, esm_class: 0x04,
            network_error: network,
        };
        let mut wire = BytesMut::new();
        receipt.encode(1, &mut wire);
        let sm = Sm::decode(frame(&wire).body).unwrap();
        prop_assert_eq!((sm.source, sm.destination), (source, destination));
        let read = Receipt::read(&sm).unwrap();
        prop_assert_eq!((read.id, read.state, read.error, read.tlv_id), (id.as_bytes(), state, error, with_tlvs));
        let mut scratch = [0; RECEIPT_SCRATCH];
        let brief = Receipt::read_brief(&sm, &mut scratch).unwrap();
        prop_assert_eq!((brief.id, brief.state, brief.tlv_id), (read.id, read.state, read.tlv_id));
        prop_assert!(brief.error == read.error || brief.error == 0 && matches!(state, 1 | 2));
        prop_assert_eq!(read.done_date, Some(Unix(done.0 / 60_000 * 60_000)));
        prop_assert_eq!(read.submit_date, Some(Unix(submitted.0 / 60_000 * 60_000)));
        // A network type that is a digit cannot be told from the form of some carriers that writes digits.
        if with_tlvs && !network.is_some_and(|(kind, _)| kind.is_ascii_digit()) {
            prop_assert_eq!(read.network_error, network);
        }
    }

    #[test]
    fn instants_survive_their_absolute_form(tenths in 0..21_459_168_000_u64) {
        let at = Unix(tenths * 100);
        let Ok(Some(time)) = Time::parse(&Time::absolute(at)) else { panic!("{at:?}") };
        prop_assert_eq!(time.resolve(Unix(0)), at);
    }

    #[test]
    fn a_stream_cut_anywhere_gives_the_same_pdus(
        own in vec(own_sm(), 1..6), cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut wire = BytesMut::new();
        own.iter().zip(1..).for_each(|(own, sequence)| own.sm().encode(CommandId::SUBMIT_SM, sequence, &mut wire));
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).chain([wire.len()]).collect();
        ends.sort_unstable();
        let (mut codec, mut stream, mut from, mut chunks) = (Codec::new(70_000), BytesMut::new(), 0, Vec::<Bytes>::new());
        for end in ends {
            stream.extend_from_slice(&wire[from..end]);
            from = end;
            while let Some(chunk) = codec.decode(&mut stream).unwrap() {
                chunks.push(chunk);
            }
        }
        let sequences = chunks.iter().flat_map(|chunk| Frames::new(chunk).map(|(_, frame)| frame.header.sequence));
        prop_assert!(sequences.eq((1..).take(own.len())));
        prop_assert!(chunks.concat() == wire);
    }

    #[test]
    fn no_octets_make_a_reader_panic(octets in vec(any::<u8>(), 0..400), coding in any::<u8>(), esm_class in any::<u8>()) {
        let mut stream = BytesMut::from(&octets[..]);
        while let Ok(Some(chunk)) = Codec::new(70_000).decode(&mut stream) {
            for (_, frame) in Frames::new(&chunk) {
                let _ = Pdu::decode(frame);
            }
        }
        let sm = Sm { data_coding: coding, esm_class, short_message: &octets, tlvs: Tlvs::lenient(&octets), ..Sm::default() };
        let _ = sm.check_submit();
        let _ = Receipt::read_with(&sm, &mut [0; RECEIPT_SCRATCH]);
        let _ = Time::parse(&octets);
        let _ = Udh::of(&octets).map(|(udh, _)| (udh.part(), udh.elements().count()));
        let _ = decode_gsm(&octets);
        prop_assert!(wire_segments(coding, &octets, Reference::Octet) >= 1);
    }

    #[test]
    fn receipt_keys_among_rubbish_never_panic(
        parts in vec(prop_oneof![
            Just("id:"), Just("stat:"), Just(" submit date:"), Just("done_date :"), Just("text:"), Just(","), Just(" "),
            Just("date:"), Just(":"), Just("2601021530"), Just("\u{e9}"),
        ], 0..30)
    ) {
        let text = parts.concat();
        if let Some(receipt) = Receipt::from_text(text.as_bytes()) {
            prop_assert!(!receipt.id.is_empty() && (1..=8).contains(&receipt.state));
        }
    }

    #[test]
    fn gsm_text_survives(text in "[ -_a-z{}~|^€ÄÖÑÜäöñüàΔΦΓ@£$¥\n\r]{0,200}") {
        if let Some(septets) = encode_gsm(&text) {
            prop_assert_eq!(decode_gsm(&septets), text);
        }
    }
}
