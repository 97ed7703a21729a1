//! Every golden PDU as a session meets it: what it answers itself has the exact octets, and the link stays or goes.

use serde_json::Value;
use smppgate::pdu::CommandId;
use smppgate::session::{BindMode, Role, Settings};

use super::rig::{Rig, hex};

const GOLDEN: &str = include_str!("../vectors/smpp_golden.jsonl");

/// Vectors whose reply the session writes; every other reply is the bridge's.
const ANSWERED_HERE: [&str; 5] =
    ["unbind", "enquire_link", "bad_command_length_15", "bad_command_length_2GiB", "unknown_command_id"];

/// A session that waits for such a PDU.
fn rig(name: &str, direction: &str) -> Rig {
    let us = if direction == "c2s" { Role::Smsc } else { Role::Esme };
    let binds = name.starts_with("bind_") && name != "bind_resp_from_client";
    if us == Role::Smsc && (binds || name == "http_on_smpp_port") {
        return Rig::new(us, Settings::default());
    }
    if us == Role::Esme && binds {
        let mut rig = Rig::new(us, Settings::default());
        let transmitter = name.starts_with("bind_transmitter");
        rig.bind(if transmitter { CommandId::BIND_TRANSMITTER } else { CommandId::BIND_TRANSCEIVER });
        return rig;
    }
    let mut rig = Rig::bound(us, BindMode::Transceiver, Settings::default());
    if name == "unbind_resp" {
        rig.unbind();
    }
    rig
}

/// Whether the link stays: as the vector says, but for a carrier's refusal and an `outbind` where nobody is dialled.
fn stays(name: &str, expect: &Value) -> bool {
    let refused = ["bind_transmitter_resp_err_header_only", "bind_transceiver_retry_ghost"].contains(&name);
    expect["conn"] == "keep" && !refused
}

/// What goes back at once.
fn reply(name: &str, expect: &Value) -> Vec<u8> {
    match name {
        // It has no response PDU.
        "outbind" => hex("00000010800000000000000400000001"),
        // The enquire_link behind a submit_sm.
        "stream_two_pdus_one_segment" => hex("00000010800000150000000000000046"),
        _ if ANSWERED_HERE.contains(&name) => hex(expect["reply"].as_str().unwrap()),
        _ => Vec::new(),
    }
}

#[test]
fn each_vector_meets_a_session() {
    let mut checked = 0;
    for line in GOLDEN.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let [name, direction, octets] = ["name", "dir", "hex"].map(|key| vector[key].as_str().unwrap());
        let expect = &vector["expect"];
        let mut rig = rig(name, direction);
        let (wire, events) = rig.feed(&hex(octets));
        assert_eq!(wire, reply(name, expect), "{name}");
        assert_eq!(rig.session.closing().is_none(), stays(name, expect), "{name}: {:?}", rig.session.closing());
        assert_eq!(rig.session.counters().wrong_state, u64::from(name == "outbind"), "{name}");
        assert!(events.len() <= 2, "{name}");
        checked += 1;
    }
    assert_eq!(checked, 57);
}
