//! Known PDUs, receipts, times and texts: each must decode to the given values, get the given answer, and, where it is
//! valid, encode to the very octets.

#![allow(clippy::unwrap_used, reason = "a test may fail by panic")]

use bytes::BytesMut;
use serde_json::{Map, Value, json};
use smppgate::pdu::{
    Alphabet, BindResp, Codec, CodecError, CommandId, CommandStatus, Destination, Frame, Frames, Malformed, Pdu,
    RECEIPT_SCRATCH, Receipt, Reference, Sm, Time, Tlvs, decode_gsm, encode_gsm, encode_header_only, encode_resp, pack,
    segments, unpack,
};
use tokio_util::codec::Decoder;

/// Name of the server in the given responses.
const SERVER: &[u8] = b"SMSC01";

fn lines(file: &str) -> Vec<Value> {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let vectors: Vec<Value> =
        std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(vectors.len() > 10, "{file} is cut");
    vectors
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn string(octets: &[u8]) -> Value {
    Value::from(std::str::from_utf8(octets).unwrap())
}

/// Decodes and applies the value rules of a request, as a server does.
fn judge(frame: Frame<'_>) -> Result<Pdu<'_>, Malformed> {
    let pdu = Pdu::decode(frame)?;
    if let Pdu::SubmitSm(sm) = &pdu {
        sm.check_submit()?;
    }
    Ok(pdu)
}

/// What a server answers to one PDU of a client; empty for nothing.
fn answer(frame: Frame<'_>) -> BytesMut {
    let mut wire = BytesMut::new();
    let (id, sequence, ok) = (frame.header.id, frame.header.sequence, CommandStatus::ESME_ROK);
    match judge(frame) {
        Ok(Pdu::Bind(_, bind)) => {
            let version = (bind.interface_version >= 0x34).then_some(0x34);
            BindResp { system_id: SERVER, sc_interface_version: version }.encode(id.response(), sequence, &mut wire);
        }
        Ok(Pdu::Unknown(..)) if !id.is_response() => {
            encode_header_only(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDID, sequence, &mut wire);
        }
        Ok(_) if !id.is_response() => encode_resp(id.response(), ok, sequence, Some(b"1"), &mut wire),
        Ok(_) => {}
        Err(fault) => encode_resp(id.response(), fault.status, sequence, None, &mut wire),
    }
    wire
}

fn sm_fields(sm: &Sm<'_>, fields: &mut Map<String, Value>) {
    fields.insert("service_type".into(), string(sm.service_type));
    fields.insert("source_addr_ton".into(), sm.source.ton().into());
    fields.insert("source_addr_npi".into(), sm.source.npi().into());
    fields.insert("source_addr".into(), string(sm.source.octets()));
    fields.insert("dest_addr_ton".into(), sm.destination.ton().into());
    fields.insert("dest_addr_npi".into(), sm.destination.npi().into());
    fields.insert("destination_addr".into(), string(sm.destination.octets()));
    fields.insert("esm_class".into(), sm.esm_class.into());
    fields.insert("protocol_id".into(), sm.protocol_id.into());
    fields.insert("priority_flag".into(), sm.priority_flag.into());
    fields.insert("schedule_delivery_time".into(), string(sm.schedule_delivery_time));
    fields.insert("validity_period".into(), string(sm.validity_period));
    fields.insert("registered_delivery".into(), sm.registered_delivery.into());
    fields.insert("replace_if_present_flag".into(), sm.replace_if_present_flag.into());
    fields.insert("data_coding".into(), sm.data_coding.into());
    fields.insert("sm_default_msg_id".into(), sm.sm_default_msg_id.into());
    fields.insert("sm_length".into(), sm.short_message.len().into());
    fields.insert("short_message".into(), hex(sm.short_message).into());
    tlv_fields(sm.tlvs, fields);
}

fn tlv_fields(tlvs: Tlvs<'_>, fields: &mut Map<String, Value>) {
    let tlvs: Map<_, _> = tlvs.iter().map(|tlv| (format!("{:04X}", tlv.tag.0), hex(tlv.value).into())).collect();
    fields.insert("tlvs".into(), tlvs.into());
}

fn destination(destination: Destination<'_>) -> Value {
    match destination {
        Destination::Sme(address) => {
            json!({"dest_flag": 1, "ton": address.ton(), "npi": address.npi(), "addr": string(address.octets())})
        }
        Destination::List(name) => json!({"dest_flag": 2, "dl_name": string(name)}),
    }
}

/// The fields of a PDU by the names of the vectors.
fn fields(pdu: &Pdu<'_>) -> Map<String, Value> {
    let mut fields = Map::new();
    let value = match pdu {
        Pdu::Bind(_, bind) => json!({
            "system_id": string(bind.system_id), "password": string(bind.password.0),
            "system_type": string(bind.system_type), "interface_version": bind.interface_version,
            "addr_ton": bind.addr_ton, "addr_npi": bind.addr_npi, "address_range": string(bind.address_range),
        }),
        Pdu::BindResp(_, resp) => {
            let tlvs: Map<_, _> =
                resp.sc_interface_version.map(|version| ("0210".into(), hex(&[version]).into())).into_iter().collect();
            json!({"system_id": string(resp.system_id), "tlvs": tlvs})
        }
        Pdu::Outbind(outbind) => {
            json!({"system_id": string(outbind.system_id), "password": string(outbind.password.0)})
        }
        Pdu::SubmitSm(sm) | Pdu::DeliverSm(sm) => {
            sm_fields(sm, &mut fields);
            json!({})
        }
        Pdu::SmResp(_, resp) => {
            tlv_fields(resp.tlvs, &mut fields);
            json!({"message_id": string(resp.message_id)})
        }
        Pdu::DataSm(data) => {
            sm_fields(&Sm { service_type: data.service_type, tlvs: data.tlvs, ..Sm::default() }, &mut fields);
            json!({
                "source_addr_ton": data.source.ton, "source_addr_npi": data.source.npi,
                "source_addr": string(data.source.octets), "dest_addr_ton": data.destination.ton,
                "dest_addr_npi": data.destination.npi, "destination_addr": string(data.destination.octets),
                "esm_class": data.esm_class, "registered_delivery": data.registered_delivery,
                "data_coding": data.data_coding,
            })
        }
        Pdu::SubmitMulti(multi) => {
            sm_fields(&multi.sm, &mut fields);
            let list: Vec<Value> = multi.destinations.iter().map(destination).collect();
            json!({"number_of_dests": multi.destinations.len(), "dest_address": list})
        }
        Pdu::QuerySm(query) => json!({
            "message_id": string(query.message_id), "source_addr_ton": query.source.ton(),
            "source_addr_npi": query.source.npi(), "source_addr": string(query.source.octets()),
        }),
        Pdu::QuerySmResp(resp) => json!({
            "message_id": string(resp.message_id), "final_date": string(resp.final_date),
            "message_state": resp.message_state, "error_code": resp.error_code,
        }),
        Pdu::CancelSm(cancel) => {
            let (source, destination) = (cancel.source, cancel.destination);
            sm_fields(&Sm { service_type: cancel.service_type, source, destination, ..Sm::default() }, &mut fields);
            json!({"message_id": string(cancel.message_id)})
        }
        Pdu::ReplaceSm(replace) => {
            sm_fields(
                &Sm { source: replace.source, short_message: replace.short_message, ..Sm::default() },
                &mut fields,
            );
            json!({
                "message_id": string(replace.message_id),
                "schedule_delivery_time": string(replace.schedule_delivery_time),
                "validity_period": string(replace.validity_period),
                "registered_delivery": replace.registered_delivery, "sm_default_msg_id": replace.sm_default_msg_id,
            })
        }
        Pdu::SubmitMultiResp(_) | Pdu::AlertNotification(_) | Pdu::HeaderOnly(_) | Pdu::Unknown(..) => json!({}),
    };
    fields.extend(value.as_object().unwrap().clone());
    fields
}

/// Compares what the vector says of the first PDU; what only the stream has is left to the caller.
fn compare(name: &str, expected: &Value, frame: Frame<'_>) {
    let header = frame.header;
    let mut got = Map::new();
    got.insert("command_length".into(), header.length.into());
    got.insert("command_id".into(), header.id.0.into());
    got.insert("command_status".into(), header.status.0.into());
    got.insert("sequence_number".into(), header.sequence.into());
    let decoded = Pdu::decode(frame);
    if let Ok(pdu) = &decoded {
        got.extend(fields(pdu));
    }
    for (key, value) in expected.as_object().unwrap() {
        let of_stream = matches!(key.as_str(), "pdus" | "missing" | "trailing");
        if of_stream || (decoded.is_err() && !got.contains_key(key)) {
            continue;
        }
        assert_eq!(got.get(key), Some(value), "{name}: {key}");
    }
}

fn check_broken(name: &str, vector: &Value, fault: &CodecError) {
    assert_eq!(vector["expect"]["class"], "close", "{name}");
    assert!(matches!(fault, CodecError::Broken(_)), "{name}: {fault}");
    if let Some(reply) = vector["expect"]["reply"].as_str() {
        let mut wire = BytesMut::new();
        encode_header_only(CommandId::GENERIC_NACK, CommandStatus::ESME_RINVCMDLEN, 0, &mut wire);
        assert_eq!(hex(&wire), reply, "{name}");
    }
}

fn check_frame(name: &str, vector: &Value, frame: Frame<'_>) {
    let expect = &vector["expect"];
    let from_client = vector["dir"] == "c2s" || frame.header.id == CommandId::DELIVER_SM;
    let reply = answer(frame);
    if let Some(expected) = expect["reply"].as_str() {
        assert_eq!(hex(&reply), expected, "{name}");
    }
    match expect["class"].as_str().unwrap() {
        "reject" if frame.header.id != CommandId(0x0A) => {
            let status = judge(frame).unwrap_err().status.0;
            assert_eq!(Value::from(status), expect["status"], "{name}");
        }
        "reject" => {}
        "ignore" => assert!(reply.is_empty(), "{name}"),
        "valid" | "tolerate" => {
            let pdu = judge(frame).unwrap();
            if expect["class"] == "valid" {
                let mut wire = BytesMut::new();
                pdu.encode(frame.header.status, frame.header.sequence, &mut wire);
                assert_eq!(hex(&wire[16..]), hex(frame.body), "{name}");
                assert_eq!(Frame::cut(&wire, 70_000).unwrap().unwrap().header, frame.header, "{name}");
            }
            if from_client && !frame.header.id.is_response() && !reply.is_empty() {
                assert_eq!(reply[8..12], [0; 4], "{name}");
            }
        }
        other => panic!("{name}: class {other}"),
    }
}

#[test]
fn golden_pdus_decode_answer_and_encode_to_the_octet() {
    for vector in lines("smpp_golden.jsonl") {
        let name = vector["name"].as_str().unwrap();
        let mut stream = BytesMut::from(&octets(vector["hex"].as_str().unwrap())[..]);
        let all = stream.len();
        let mut codec = Codec::new(70_000);
        let chunk = match codec.decode(&mut stream) {
            Err(fault) => {
                check_broken(name, &vector, &fault);
                continue;
            }
            Ok(None) => {
                let missing = vector["fields"]["missing"].as_u64().unwrap();
                let length = vector["fields"]["command_length"].as_u64().unwrap();
                assert_eq!(length, missing + all as u64, "{name}");
                assert!(codec.decode_eof(&mut stream).is_err(), "{name}");
                continue;
            }
            Ok(Some(chunk)) => chunk,
        };
        assert!(stream.is_empty(), "{name}");
        let pdus = vector["fields"]["pdus"].as_u64().unwrap_or(1);
        assert_eq!(Frames::new(&chunk).count() as u64, pdus, "{name}");
        for (index, (at, frame)) in Frames::new(&chunk).enumerate() {
            assert_eq!(&chunk[at + 16..][..frame.body.len()], frame.body);
            if index == 0 {
                compare(name, &vector["fields"], frame);
            }
            check_frame(name, &vector, frame);
        }
    }
}

/// The stat word of the vectors has been turned into a state; an instant is written in ISO 8601.
fn check_receipt(text: &str, expected: &Value, receipt: Option<Receipt<'_>>) {
    let Some(fields) = expected.as_object() else {
        assert_eq!(receipt, None, "{text}");
        return;
    };
    let receipt = receipt.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(string(receipt.id), fields["id"], "{text}");
    assert_eq!(Value::from(receipt.state), fields["state"], "{text}");
    assert_eq!(string(receipt.error_text), fields.get("err").cloned().unwrap_or_else(|| "".into()), "{text}");
    for (date, key) in [(receipt.submit_date, "submit_date_iso"), (receipt.done_date, "done_date_iso")] {
        let got = date.map(|at| iso(&Time::absolute(at)));
        assert_eq!(got.as_deref(), fields.get(key).and_then(Value::as_str), "{text}: {key}");
    }
}

/// `YYMMDDhhmmss…` of this century in ISO 8601.
fn iso(absolute: &[u8; 16]) -> String {
    let part = |at: usize| std::str::from_utf8(&absolute[at..at + 2]).unwrap();
    format!("20{}-{}-{}T{}:{}:{}", part(0), part(2), part(4), part(6), part(8), part(10))
}

#[test]
fn receipts_of_every_dialect_are_read() {
    for vector in lines("receipts.jsonl") {
        let text = vector["text"].as_str().unwrap();
        let expected = &vector["receipt"];
        check_receipt(text, expected, Receipt::from_text(text.as_bytes()));
        let sm = Sm { esm_class: 0x04, short_message: text.as_bytes(), ..Sm::default() };
        check_receipt(text, expected, Receipt::read(&sm));

        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let mut scratch = [0; RECEIPT_SCRATCH];
        let sm = Sm { data_coding: 8, short_message: &wide, ..sm };
        check_receipt(text, expected, Receipt::read_with(&sm, &mut scratch));
    }
}

#[test]
fn times_are_read_or_refused() {
    for vector in lines("times.jsonl") {
        let text = vector["time"].as_str().unwrap();
        let expect = &vector["expect"];
        let time = Time::parse(text.as_bytes());
        match expect["kind"].as_str().unwrap() {
            "none" => assert_eq!(time, Ok(None), "{text}"),
            "invalid" => assert!(time.is_err(), "{text}"),
            "relative" => {
                let part = |key: &str| u8::try_from(expect[key].as_u64().unwrap()).unwrap();
                let (years, months, days) = (part("years"), part("months"), part("days"));
                let (hours, minutes, seconds) = (part("hours"), part("minutes"), part("seconds"));
                assert_eq!(time, Ok(Some(Time::Relative { years, months, days, hours, minutes, seconds })), "{text}");
            }
            "absolute" => {
                let Ok(Some(Time::Absolute(ms))) = time else { panic!("{text}: {time:?}") };
                assert_eq!(ms, instant_ms(expect["utc"].as_str().unwrap()), "{text}");
            }
            other => panic!("{text}: kind {other}"),
        }
    }
}

/// Milliseconds since 1970 of `2026-12-31T23:59:00.0Z`, counted year by year and month by month.
fn instant_ms(utc: &str) -> i64 {
    let numbers: Vec<i64> = utc.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let leap = |year: i64| i64::from(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let year = numbers[0];
    let years: i64 = if year >= 1970 {
        (1970..year).map(|year| 365 + leap(year)).sum()
    } else {
        -(year..1970).map(|year| 365 + leap(year)).sum::<i64>()
    };
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i64 = lengths[..usize::try_from(numbers[1]).unwrap() - 1].iter().sum();
    let days = years + months + numbers[2] - 1;
    (days * 86_400 + numbers[3] * 3_600 + numbers[4] * 60 + numbers[5]) * 1_000 + numbers[6] * 100
}

#[test]
fn texts_get_their_alphabet_septets_and_segments() {
    for vector in lines("text.jsonl") {
        let text = vector["text"].as_str().unwrap();
        let alphabet = if vector["alphabet"] == "gsm7" { Alphabet::Gsm7 } else { Alphabet::Ucs2 };
        assert_eq!(Alphabet::of_text(text), alphabet, "{text}");
        let septets = encode_gsm(text);
        assert_eq!(septets.as_deref().map(hex).as_deref(), vector["gsm_unpacked"].as_str(), "{text}");
        if let Some(septets) = septets {
            let packed = pack(&septets, 0);
            assert_eq!(hex(&packed), vector["gsm_packed"].as_str().unwrap(), "{text}");
            assert_eq!(unpack(&packed, septets.len(), 0), septets, "{text}");
            assert_eq!(decode_gsm(&septets), text);
        }
        for (reference, key) in [(Reference::Octet, "segments_8bit_ref"), (Reference::Word, "segments_16bit_ref")] {
            assert_eq!(Value::from(segments(text, reference)), vector[key], "{text}");
        }
    }
}
