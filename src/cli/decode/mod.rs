//! `decode`: PDUs in words, for people who look at a trace.
//!
//! Shows numbers and texts, because the user brought them; a password is not shown even so.

mod body;
mod hex;
mod sheet;
mod words;

use std::io::Read as _;

use clap::Args;

use super::Failure;
use crate::pdu::{BOUND_LIMIT, Frame, HEADER_LENGTH, Pdu};
use sheet::Sheet;

/// Most octets of input read: a trace, not a capture file.
const INPUT_MAX: u64 = 16 << 20;

/// Which PDUs.
#[derive(Args)]
pub(super) struct DecodeArgs {
    /// One or more PDUs in hexadecimal, one after the other; blanks, colons, commas, 0x and \x are left out. "-" reads
    /// standard input
    #[arg(required = true, value_name = "HEX")]
    hex: Vec<String>,
}

/// Prints every PDU; what is wrong goes to standard error, after what could be read.
pub(super) fn decode(args: &DecodeArgs) -> Result<(), Failure> {
    let text = match args.hex.as_slice() {
        [only] if only == "-" => standard_input()?,
        words => words.join(" "),
    };
    let octets = hex::octets(&text).map_err(|mistake| Failure::refused(mistake.to_string()))?;
    let (shown, fault) = pdus(&octets);
    print!("{shown}");
    fault.map_or(Ok(()), |fault| Err(Failure::refused(fault)))
}

fn standard_input() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(INPUT_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::refused(format!("standard input: {error}; expected hexadecimal digits")))?;
    if text.len() as u64 > INPUT_MAX {
        return Err(Failure::refused(format!("standard input is longer than {INPUT_MAX} characters")));
    }
    Ok(text)
}

/// The PDUs in words, and what is wrong with them; framing that is lost ends it.
fn pdus(octets: &[u8]) -> (String, Option<String>) {
    let mut sheet = Sheet::default();
    let mut faults = Vec::new();
    let (mut at, mut count) = (0, 0);
    while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
        count += 1;
        match Frame::cut(rest, BOUND_LIMIT) {
            Ok(Some(frame)) => {
                faults.extend(pdu(&mut sheet, frame, count, at));
                at += HEADER_LENGTH + frame.body.len();
            }
            Ok(None) => {
                faults.push(incomplete(rest, count, at));
                break;
            }
            Err(broken) => {
                faults.push(format!(
                    "PDU {count} at octet {at}: {broken}; expected the number of octets of the PDU, itself included, in \
                     4 octets (does the input begin in the middle of a PDU?)"
                ));
                break;
            }
        }
    }
    if octets.is_empty() {
        faults.push("no octets; expected a PDU in hexadecimal, at least 16 octets".to_owned());
    }
    (sheet.into_text(), (!faults.is_empty()).then(|| faults.join("\n")))
}

/// One PDU; returns what is wrong with its body.
fn pdu(sheet: &mut Sheet, frame: Frame<'_>, count: usize, at: usize) -> Option<String> {
    let header = frame.header;
    sheet.title(&format!("PDU {count} at octet {at}: {}", header.id));
    sheet.field("command_length", header.length);
    sheet.field("command_id", format_args!("{:#010x} {}", header.id.0, header.id));
    sheet.field("command_status", format_args!("{:#010x} {}", header.status.0, header.status));
    sheet.field("sequence_number", format_args!("{0} ({0:#010x})", header.sequence));
    match Pdu::decode(frame) {
        Ok(decoded) => {
            body::write(sheet, &decoded);
            if let (Pdu::HeaderOnly(_), [_, ..]) = (&decoded, frame.body) {
                sheet.field("body, not expected", words::hex(frame.body));
            }
            None
        }
        Err(malformed) => {
            sheet.field("body", words::hex(frame.body));
            Some(format!(
                "PDU {count} at octet {at}: the {} body of {} octets is wrong at {}; a server answers {} ({:#04x})",
                header.id,
                frame.body.len(),
                malformed.field,
                malformed.status,
                malformed.status.0,
            ))
        }
    }
}

fn incomplete(rest: &[u8], count: usize, at: usize) -> String {
    let there = rest.len();
    match rest.first_chunk::<4>().map(|length| u32::from_be_bytes(*length)) {
        Some(length) => {
            format!("PDU {count} at octet {at}: command_length says {length} octets, and {there} are there")
        }
        None => format!("PDU {count} at octet {at}: {there} octets are left; expected a header of {HEADER_LENGTH}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(hex: &str) -> (String, Option<String>) {
        pdus(&hex::octets(hex).unwrap())
    }

    #[test]
    fn a_bind_shows_everything_but_the_password() {
        let (text, fault) = decoded("0000002500000009000000000000000165736d653031007365637265743038000034000000");
        assert_eq!(fault, None);
        assert!(text.contains("bind_transceiver"), "{text}");
        assert!(text.contains("\"esme01\""), "{text}");
        assert!(text.contains("8 octets, not shown"), "{text}");
        assert!(!text.contains("secret08"), "{text}");
    }

    #[test]
    fn several_pdus_follow_each_other_and_the_rest_is_told() {
        let enquire = "00000010 00000015 00000000 00000001";
        let (text, fault) = decoded(&format!("{enquire} {enquire} 0000"));
        assert_eq!(text.matches("enquire_link").count(), 4, "{text}");
        assert_eq!(fault.unwrap(), "PDU 3 at octet 32: 2 octets are left; expected a header of 16");
        let (_, fault) = decoded("0000002000000015 0000000000000001");
        assert_eq!(fault.unwrap(), "PDU 1 at octet 0: command_length says 32 octets, and 16 are there");
        let (_, fault) = decoded("00000009");
        assert!(fault.unwrap().starts_with("PDU 1 at octet 0: command_length 9 is outside 16..="));
    }

    #[test]
    fn a_wrong_body_names_its_field_and_the_next_pdu_is_read() {
        let (text, fault) = decoded("00000012000000040000000000000007 4142 00000010000000150000000000000001");
        let fault = fault.unwrap();
        assert!(fault.contains("submit_sm body of 2 octets is wrong at service_type"), "{fault}");
        assert!(text.contains("PDU 2 at octet 18: enquire_link"), "{text}");
    }

    /// Every octet string gives words or a fault, never a panic.
    #[test]
    fn any_octets_are_survived() {
        let valid = hex::octets("0000002500000009000000000000000165736d653031007365637265743038000034000000").unwrap();
        for at in 0..valid.len() {
            for value in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
                let mut octets = valid.clone();
                octets[at] = value;
                let (text, fault) = pdus(&octets);
                assert!(!text.is_empty() || fault.is_some());
            }
        }
    }
}
