//! Every optional parameter, one at a time and in both directions: what reaches the other side, and which sizes are
//! refused. SMPP 3.4 §5.3.2. What some of them make smppgate do is tested where it is done.

use bytes::BytesMut;
use smppgate::bridge::Input;
use smppgate::message::{AccountId, LinkId};
use smppgate::pdu::{Address, CommandId, DataSm, LongAddress, Sm, Tag, Tlv, Tlvs};
use smppgate::session::BindMode;

use crate::rig::{ACME, Gateway, message, put};

/// Octets that a value must have, where smppgate insists: parameters that change what is done with a message.
const SIZES: [(usize, &[Tag]); 3] = [
    (
        1,
        &[
            Tag::DEST_ADDR_SUBUNIT,
            Tag::DEST_NETWORK_TYPE,
            Tag::DEST_BEARER_TYPE,
            Tag::SOURCE_ADDR_SUBUNIT,
            Tag::SOURCE_NETWORK_TYPE,
            Tag::SOURCE_BEARER_TYPE,
            Tag::PAYLOAD_TYPE,
            Tag::MS_MSG_WAIT_FACILITIES,
            Tag::PRIVACY_INDICATOR,
            Tag::USER_RESPONSE_CODE,
            Tag::LANGUAGE_INDICATOR,
            Tag::SAR_TOTAL_SEGMENTS,
            Tag::SAR_SEGMENT_SEQNUM,
            Tag::CALLBACK_NUM_PRES_IND,
            Tag::NUMBER_OF_MESSAGES,
            Tag::SET_DPF,
            Tag::MORE_MESSAGES_TO_SEND,
            Tag::USSD_SERVICE_OP,
            Tag::DISPLAY_TIME,
            Tag::ITS_REPLY_TYPE,
        ],
    ),
    (
        2,
        &[
            Tag::USER_MESSAGE_REFERENCE,
            Tag::SOURCE_PORT,
            Tag::DESTINATION_PORT,
            Tag::SAR_MSG_REF_NUM,
            Tag::SMS_SIGNAL,
            Tag::ITS_SESSION_INFO,
        ],
    ),
    (4, &[Tag::QOS_TIME_TO_LIVE]),
];

/// The accounts' number in the sandbox's rules.
const OWN: &[u8] = b"4759440000";

fn size(tag: Tag) -> Option<usize> {
    SIZES.iter().find(|(_, tags)| tags.contains(&tag)).map(|(size, _)| *size)
}

fn parameter(tag: Tag, size: usize) -> BytesMut {
    let mut octets = BytesMut::new();
    Tlv { tag, value: &vec![1; size] }.encode(&mut octets);
    octets
}

/// A message with one parameter, which is not decoded here; without a text, for one of them is the text.
fn body(sm: &Sm<'_>, parameter: &[u8]) -> Vec<u8> {
    let mut wire = BytesMut::new();
    sm.encode(CommandId::SUBMIT_SM, 1, &mut wire);
    [&wire[16..], parameter].concat()
}

fn ask(gateway: &mut Gateway, link: LinkId, command: CommandId, body: &[u8]) -> u32 {
    gateway.ask(link, |sequence, wire| put(command, sequence, body, wire)).status
}

#[test]
fn every_parameter_of_a_client_reaches_the_carrier_as_it_came() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    for tag in Tag::KNOWN {
        let octets = parameter(*tag, size(*tag).unwrap_or(3));
        let data = DataSm {
            source: LongAddress { ton: 5, npi: 0, octets: b"MyBrand" },
            destination: LongAddress { ton: 1, npi: 1, octets: b"4791234567" },
            tlvs: Tlvs::lenient(&octets),
            ..DataSm::default()
        };
        assert_eq!(ask(&mut gateway, client, CommandId::SUBMIT_SM, &body(&message(b""), &octets)), 0, "{tag}");
        assert_eq!(gateway.ask(client, |sequence, wire| data.encode(sequence, wire)).status, 0, "{tag}");
        let sent = gateway.take(carrier);
        assert_eq!(sent.len(), 2, "{tag}");
        for left in &sent {
            assert_eq!((left.command, left.sm().tlvs.as_octets()), (CommandId::SUBMIT_SM, &octets[..]), "{tag}");
            gateway.answer(carrier, left, 0, b"");
        }
    }
}

#[test]
fn every_parameter_of_a_message_from_a_handset_reaches_its_account() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let sm = Sm {
        source: Address::new(1, 1, b"4791234567").unwrap(),
        destination: Address::new(1, 1, OWN).unwrap(),
        ..Sm::default()
    };
    for tag in Tag::KNOWN {
        // By either of these the deliver_sm is a receipt, whatever else it says.
        let is_receipt = [Tag::RECEIPTED_MESSAGE_ID, Tag::MESSAGE_STATE].contains(tag);
        let octets = parameter(*tag, size(*tag).unwrap_or(if is_receipt { 1 } else { 3 }));
        assert_eq!(ask(&mut gateway, carrier, CommandId::DELIVER_SM, &body(&sm, &octets)), 0, "{tag}");
        let told = gateway.take(client);
        assert_eq!(told.len(), usize::from(!is_receipt), "{tag}");
        for left in &told {
            assert_eq!((left.command, left.sm().tlvs.as_octets()), (CommandId::DELIVER_SM, &octets[..]), "{tag}");
            gateway.answer(client, left, 0, b"");
        }
    }
}

#[test]
fn a_wrong_size_is_refused_where_the_parameter_matters_and_else_is_not_looked_at() {
    let mut gateway = Gateway::new(|_| ());
    let (client, carrier) = (gateway.client(ACME), gateway.carrier(0));
    let mut refused = 0;
    for tag in Tag::KNOWN {
        for wrong in [0, 1, 2, 3, 4, 5].into_iter().filter(|octets| size(*tag) != Some(*octets)) {
            let body = body(&message(b""), &parameter(*tag, wrong));
            let status = if size(*tag).is_some() { 0xC2 } else { 0 };
            assert_eq!(ask(&mut gateway, client, CommandId::SUBMIT_SM, &body), status, "{tag} of {wrong}");
            for left in gateway.take(carrier) {
                gateway.answer(carrier, &left, 0, b"");
            }
            refused += u32::from(status != 0);
        }
    }
    assert_eq!(refused, 27 * 5);
}

#[test]
fn a_client_of_3_4_is_told_the_version_and_an_older_one_is_not() {
    let mut gateway = Gateway::new(|_| ());
    for (number, (interface_version, told)) in
        [(0x34, Some(0x34)), (0x50, Some(0x34)), (0x33, None), (0, None)].into_iter().enumerate()
    {
        let (link, account, mode) = (LinkId(900 + number as u64), AccountId(ACME), BindMode::Transceiver);
        let command = mode.command();
        gateway.give(Input::Bind { link, account, mode, command, sequence: 1, interface_version });
        let left = gateway.take(link);
        let tlvs = left[0].body.strip_prefix(b"smppgate\0").expect("the server's name");
        assert_eq!(Tlvs::lenient(tlvs).octet(Tag::SC_INTERFACE_VERSION), told, "{interface_version:#x}");
        assert_eq!(tlvs.is_empty(), told.is_none());
    }
}

#[test]
fn the_parameters_of_a_receipt_win_over_its_text() {
    type Parameters = &'static [(Tag, &'static [u8])];
    const ID: (Tag, &[u8]) = (Tag::RECEIPTED_MESSAGE_ID, b"c1\0");
    let rows: &[(Parameters, u8, &[u8], u8, u16)] = &[
        (&[ID, (Tag::MESSAGE_STATE, &[2])], 0x00, b"id:zz stat:UNDELIV err:001", 2, 0),
        (&[ID, (Tag::MESSAGE_STATE, &[5]), (Tag::NETWORK_ERROR_CODE, &[3, 0, 27])], 0x04, b"", 5, 27),
        (&[ID, (Tag::NETWORK_ERROR_CODE, &[3, 0, 27])], 0x04, b"id:zz stat:UNDELIV err:009", 5, 9),
        (&[ID], 0x04, b"stat:EXPIRED", 3, 1),
        (&[(Tag::MESSAGE_STATE, &[8])], 0x04, b"id:c1 stat:DELIVRD", 8, 1),
    ];
    for version in [0x34, 0x33] {
        for (parameters, esm_class, text, state, error) in rows {
            let mut gateway = Gateway::new(|_| ());
            let (client, carrier) = (gateway.client_of(ACME, BindMode::Transceiver, version), gateway.carrier(0));
            let shown = gateway.submit(client, &message(b"hello")).unwrap();
            let sent = gateway.take(carrier);
            gateway.answer(carrier, &sent[0], 0, b"c1");
            let octets: Vec<u8> = parameters
                .iter()
                .flat_map(|(tag, value)| {
                    let mut octets = BytesMut::new();
                    Tlv { tag: *tag, value }.encode(&mut octets);
                    octets.to_vec()
                })
                .collect();
            let told = message(b"");
            let (source, destination) = (told.destination, told.source);
            let sm = Sm { source, destination, esm_class: *esm_class, short_message: text, ..Sm::default() };
            assert_eq!(ask(&mut gateway, carrier, CommandId::DELIVER_SM, &body(&sm, &octets)), 0);
            let told = gateway.take(client);
            let receipt = told[0].receipt();
            assert_eq!((receipt.id, receipt.state, receipt.error), (&shown[..], *state, *error), "{text:?}");
            let tlvs = told[0].sm().tlvs;
            assert_eq!(tlvs.octet(Tag::MESSAGE_STATE), (version == 0x34).then_some(*state));
            assert_eq!(tlvs.find(Tag::RECEIPTED_MESSAGE_ID).is_some(), version == 0x34);
            assert_eq!(tlvs.find(Tag::NETWORK_ERROR_CODE), None);
        }
    }
}
