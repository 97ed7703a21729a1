//! Numbers of the specification in words.

use crate::message::MessageState;
use crate::pdu::{Time, decode_gsm};

/// Octets as digits, in pairs.
pub(super) fn hex(octets: &[u8]) -> String {
    if octets.is_empty() {
        return "(empty)".to_owned();
    }
    octets.iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().join(" ")
}

/// Octets that should be ASCII, in quotes.
pub(super) fn ascii(octets: &[u8]) -> String {
    format!("\"{}\"", octets.escape_ascii())
}

/// Type of number. SMPP 3.4 §5.2.5.
pub(super) fn ton(ton: u8) -> &'static str {
    match ton {
        0 => "unknown",
        1 => "international",
        2 => "national",
        3 => "network specific",
        4 => "subscriber number",
        5 => "alphanumeric",
        6 => "abbreviated",
        _ => "reserved",
    }
}

/// Numbering plan. SMPP 3.4 §5.2.6.
pub(super) fn npi(npi: u8) -> &'static str {
    match npi {
        0 => "unknown",
        1 => "ISDN",
        3 => "data",
        4 => "telex",
        6 => "land mobile",
        8 => "national",
        9 => "private",
        10 => "ERMES",
        14 => "Internet",
        18 => "WAP client id",
        _ => "reserved",
    }
}

/// Messaging mode, message type and GSM features. SMPP 3.4 §5.2.12.
pub(super) fn esm_class(esm_class: u8) -> String {
    let mode = match esm_class & 0x03 {
        0 => "default mode",
        1 => "datagram mode",
        2 => "transaction mode",
        _ => "store and forward mode",
    };
    let kind = match esm_class >> 2 & 0x0F {
        0 => "default type",
        1 => "delivery receipt",
        2 => "delivery acknowledgement",
        4 => "user acknowledgement",
        6 => "conversation abort",
        8 => "intermediate notification",
        _ => "reserved type",
    };
    let feature = match esm_class & 0xC0 {
        0x40 => ", user data header",
        0x80 => ", reply path",
        0xC0 => ", user data header and reply path",
        _ => "",
    };
    format!("{mode}, {kind}{feature}")
}

/// Which receipts are wanted. SMPP 3.4 §5.2.17.
pub(super) fn registered_delivery(registered_delivery: u8) -> String {
    let receipt = match registered_delivery & 0x03 {
        0 => "no receipt",
        1 => "receipt of success and failure",
        2 => "receipt of failure",
        _ => "receipt of success (5.0)",
    };
    let intermediate = if registered_delivery & 0x10 != 0 { ", intermediate notifications" } else { "" };
    format!("{receipt}{intermediate}")
}

/// Alphabet of a text. SMPP 3.4 §5.2.19.
pub(super) fn data_coding(data_coding: u8) -> &'static str {
    match data_coding {
        0x00 => "the server's default alphabet, usually GSM",
        0x01 => "ASCII",
        0x02 | 0x04 => "octets",
        0x03 => "Latin-1",
        0x05 => "JIS",
        0x06 => "Cyrillic",
        0x07 => "Latin/Hebrew",
        0x08 => "UCS-2",
        0x0D => "extended Kanji",
        0x0E => "KS C 5601",
        0xC0..=0xEF => "message waiting indication",
        0xF0..=0xFF => "GSM message class",
        _ => "reserved",
    }
}

/// A message state. SMPP 3.4 §5.2.28.
pub(super) fn message_state(octet: u8) -> &'static str {
    MessageState::from_octet(octet).map_or("reserved", MessageState::stat)
}

/// A time field.
pub(super) fn time(octets: &[u8]) -> String {
    let meaning = match Time::parse(octets) {
        Ok(None) => String::new(),
        Ok(Some(Time::Absolute(ms))) => {
            let seconds = std::time::Duration::from_secs(u64::try_from(ms / 1000).unwrap_or(0));
            format!(" {}", humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + seconds))
        }
        Ok(Some(Time::Relative { years, months, days, hours, minutes, seconds })) => {
            format!(" in {years} years {months} months {days} days {hours:02}:{minutes:02}:{seconds:02}")
        }
        Err(bad) => format!(" ({bad})"),
    };
    format!("{}{meaning}", ascii(octets))
}

/// A text in its alphabet; `None` where only octets can be shown.
pub(super) fn text(data_coding: u8, octets: &[u8]) -> Option<String> {
    match data_coding {
        0x00 | 0xF0 | 0xF1 | 0xF2 | 0xF3 => Some(decode_gsm(octets)),
        0x01 => octets.is_ascii().then(|| String::from_utf8_lossy(octets).into_owned()),
        0x03 => Some(octets.iter().copied().map(char::from).collect()),
        0x08 => {
            let units: Vec<_> = octets.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
            octets.len().is_multiple_of(2).then(|| String::from_utf16_lossy(&units))
        }
        _ => None,
    }
}
