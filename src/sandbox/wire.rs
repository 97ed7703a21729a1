//! The few octets of SMPP 3.4 that both programs need at full speed: reading the fields of a message that they count,
//! and writing answers.
//!
//! Written apart from the gateway's codec on purpose: a mistake there then shows as a mismatch here, instead of
//! cancelling itself out. Not a full codec: it validates only what it reads.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use crate::clock::Clock;
use crate::pdu::{CommandId, CommandStatus, HEADER_LENGTH, Header};

/// TLV tags used here. SMPP 3.4 §5.3.2.
pub(super) const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
pub(super) const SC_INTERFACE_VERSION: u16 = 0x0210;
pub(super) const NETWORK_ERROR_CODE: u16 = 0x0423;
pub(super) const MESSAGE_PAYLOAD: u16 = 0x0424;
pub(super) const MESSAGE_STATE: u16 = 0x0427;

/// A number with its type and plan.
#[derive(Clone, Copy)]
pub(super) struct Address<'a> {
    pub(super) ton: u8,
    pub(super) npi: u8,
    pub(super) digits: &'a [u8],
}

/// The fields of a `submit_sm` or `deliver_sm` that the sandbox looks at. SMPP 3.4 §4.4.1 and §4.6.1.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) source: Address<'a>,
    pub(super) destination: Address<'a>,
    pub(super) esm_class: u8,
    pub(super) registered_delivery: u8,
    pub(super) text: &'a [u8],
    pub(super) tlvs: &'a [u8],
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn octets(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// A C-octet string of at most `size` octets, its NUL included.
    fn string(&mut self, size: usize) -> Option<&'a [u8]> {
        let end = self.0.iter().take(size).position(|octet| *octet == 0)?;
        let text = self.octets(end)?;
        self.octet();
        Some(text)
    }

    fn address(&mut self) -> Option<Address<'a>> {
        Some(Address { ton: self.octet()?, npi: self.octet()?, digits: self.string(21)? })
    }
}

impl<'a> Message<'a> {
    /// Reads the body of a `submit_sm` or `deliver_sm`; `None` when a mandatory field is cut or too long.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor(body);
        cursor.string(6)?; // service_type
        let source = cursor.address()?;
        let destination = cursor.address()?;
        let esm_class = cursor.octet()?;
        cursor.octets(2)?; // protocol_id, priority_flag
        cursor.string(17)?; // schedule_delivery_time
        cursor.string(17)?; // validity_period
        let registered_delivery = cursor.octet()?;
        cursor.octets(3)?; // replace_if_present_flag, data_coding, sm_default_msg_id
        let length = cursor.octet()?;
        let text = cursor.octets(length.into())?;
        let mut message = Self { source, destination, esm_class, registered_delivery, text, tlvs: cursor.0 };
        if length == 0
            && let Some(payload) = message.tlv(MESSAGE_PAYLOAD)
        {
            message.text = payload;
        }
        Some(message)
    }

    /// The value of the first TLV with this tag.
    pub(super) fn tlv(&self, tag: u16) -> Option<&'a [u8]> {
        let mut cursor = Cursor(self.tlvs);
        loop {
            let &[a, b, c, d] = cursor.octets(4)?.first_chunk::<4>()?;
            let value = cursor.octets(u16::from_be_bytes([c, d]).into())?;
            if u16::from_be_bytes([a, b]) == tag {
                return Some(value);
            }
        }
    }

    /// Tells two messages apart: 64 bits over both addresses and the text.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = FxHasher::default();
        hasher.write(self.source.digits);
        hasher.write(self.destination.digits);
        hasher.write(self.text);
        hasher.finish()
    }
}

/// Reads `system_id` and `password` of a bind. SMPP 3.4 §4.1.
pub(super) fn credentials(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut cursor = Cursor(body);
    Some((cursor.string(16)?, cursor.string(128)?))
}

/// The C-octet string at the start of a response body, or all of it when its NUL is missing.
pub(super) fn leading_string(body: &[u8]) -> &[u8] {
    body.split(|octet| *octet == 0).next().unwrap_or_default()
}

/// Appends a PDU without body.
pub(super) fn put_header(out: &mut Vec<u8>, id: CommandId, status: CommandStatus, sequence: u32) {
    Header { length: HEADER_LENGTH as u32, id, status, sequence }.encode(out);
}

/// Appends a PDU whose body is one C-octet string, such as `submit_sm_resp`.
pub(super) fn put_string_response(out: &mut Vec<u8>, id: CommandId, sequence: u32, text: &[u8]) {
    let length = (HEADER_LENGTH + text.len() + 1) as u32;
    Header { length, id, status: CommandStatus::ESME_ROK, sequence }.encode(out);
    out.extend_from_slice(text);
    out.push(0);
}

/// Starts a request; [`finish`] sets its length once the body follows.
pub(super) fn start(out: &mut Vec<u8>, id: CommandId, sequence: u32) -> usize {
    let at = out.len();
    put_header(out, id, CommandStatus::ESME_ROK, sequence);
    at
}

/// Sets the length of the PDU that starts at `at` and ends here.
pub(super) fn finish(out: &mut [u8], at: usize) {
    let length = (out.len() - at) as u32;
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a C-octet string.
pub(super) fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.push(0);
}

/// Appends an address.
pub(super) fn put_address(out: &mut Vec<u8>, address: Address<'_>) {
    out.extend_from_slice(&[address.ton, address.npi]);
    put_string(out, address.digits);
}

/// Appends a TLV; `value` is at most 65,535 octets.
pub(super) fn put_tlv(out: &mut Vec<u8>, tag: u16, value: &[u8]) {
    out.extend_from_slice(&tag.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16).to_be_bytes());
    out.extend_from_slice(value);
}

/// Spreads a counter over 64 bits: the finalizer of SplitMix64.
pub(super) fn scramble(counter: u64) -> u64 {
    let mixed = (counter ^ (counter >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// Where in a text the time of sending is, and how it begins.
const STAMP: (usize, u8) = (20, b'@');
/// Its digits: microseconds since 1970.
const STAMP_DIGITS: usize = 16;
/// Octets of a text that holds one.
pub(super) const STAMPED_OCTETS: u8 = 40;

/// Writes the time of sending into a text; one too short for it stays as it is.
pub(super) fn put_stamp(text: &mut [u8], mut unix_us: u64) {
    let Some(place) = text.get_mut(STAMP.0..=STAMP.0 + STAMP_DIGITS) else { return };
    place[0] = STAMP.1;
    for digit in place[1..].iter_mut().rev() {
        *digit = b'0' + (unix_us % 10) as u8;
        unix_us /= 10;
    }
}

/// The time of sending that a text holds.
pub(super) fn stamp(text: &[u8]) -> Option<u64> {
    let (mark, digits) = text.get(STAMP.0..=STAMP.0 + STAMP_DIGITS)?.split_first()?;
    let digits = digits.iter().map(|digit| (*digit).checked_sub(b'0').filter(|digit| *digit < 10));
    let number = |sum: Option<u64>, digit: Option<u8>| Some(sum? * 10 + u64::from(digit?));
    if *mark == STAMP.1 { digits.fold(Some(0), number) } else { None }
}

/// Microseconds since 1970 at which `clock` began, to a few of them. Waits for the turn of a millisecond, since the time
/// of day comes in those.
pub(super) fn origin_us(clock: Clock) -> u64 {
    let first = clock.now();
    loop {
        let now = clock.now();
        if now.unix != first.unix || now.mono.since_us(first.mono) > 2_000 {
            return (now.unix.0 * 1000).saturating_sub(now.mono.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &[u8], tlvs: &[u8]) -> Vec<u8> {
        let mut out = vec![0];
        put_address(&mut out, Address { ton: 5, npi: 0, digits: b"shop" });
        put_address(&mut out, Address { ton: 1, npi: 1, digits: b"4791234567" });
        out.extend_from_slice(&[3, 0, 0, 0, 0, 1, 0, 0, 0, text.len() as u8]);
        out.extend_from_slice(text);
        out.extend_from_slice(tlvs);
        out
    }

    #[test]
    fn a_message_is_read_and_any_cut_of_it_is_not_a_panic() {
        let whole = body(b"hello", &[0x04, 0x27, 0, 1, 2]);
        let message = Message::read(&whole).unwrap();
        assert_eq!(message.destination.digits, b"4791234567");
        assert_eq!((message.esm_class, message.registered_delivery, message.text), (3, 1, &b"hello"[..]));
        assert_eq!(message.tlv(MESSAGE_STATE), Some(&[2][..]));
        assert_eq!(message.tlv(RECEIPTED_MESSAGE_ID), None);
        let mandatory = whole.len() - 5;
        for cut in 0..whole.len() {
            assert_eq!(Message::read(&whole[..cut]).is_some(), cut >= mandatory, "{cut}");
        }
    }

    #[test]
    fn a_payload_stands_in_for_an_empty_text() {
        let whole = body(b"", &[0x04, 0x24, 0, 3, b'a', b'b', b'c']);
        assert_eq!(Message::read(&whole).unwrap().text, b"abc");
    }

    #[test]
    fn fingerprints_differ_where_messages_differ() {
        let one = body(b"a", &[]);
        let two = body(b"b", &[]);
        let print = |body: &[u8]| Message::read(body).unwrap().fingerprint();
        assert_eq!(print(&one), print(&one));
        assert_ne!(print(&one), print(&two));
    }
}
