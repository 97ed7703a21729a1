//! Delivery receipts: reading every dialect carriers send, and writing the one clients get. SMPP 3.4 Appendix B,
//! §5.3.2.12, §5.3.2.31, §5.3.2.35.
//!
//! Does not match a receipt to a message, and trusts no date in it.

use std::fmt;

use bytes::BytesMut;

use super::address::Address;
use super::command::CommandId;
use super::pen::Head;
use super::receipt_text::{self, Keys};
use super::sm::Sm;
use super::tag::Tag;
use super::time::calendar;
use crate::clock::Unix;

/// `message_state` of a message that did not end yet.
const ENROUTE: u8 = 1;
/// `message_state` of a delivered message.
const DELIVERED: u8 = 2;
/// `message_state` of an undeliverable message.
const UNDELIVERABLE: u8 = 5;
/// `message_state` when nobody knows.
const UNKNOWN: u8 = 7;
/// `err` towards clients for a failure that has no number.
const UNNUMBERED_ERROR: u16 = 1;
/// Largest `err` of three digits.
const ERROR_MAX: u16 = 999;
/// `data_coding` of UCS-2.
const UCS2: u8 = 0x08;

/// Octets a UCS-2 receipt is decoded into: every key with room to spare; more is text and not read.
pub const RECEIPT_SCRATCH: usize = 320;

/// What a receipt says. Borrows from the PDU.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Receipt<'a> {
    /// The carrier's name for the message, trimmed; empty when only a state came.
    pub id: &'a [u8],
    /// 1–8, the numbers of SMPP 3.4 §5.2.28. A 5.0 SCHEDULED is 1 (en route), SKIPPED is 5 (undeliverable).
    pub state: u8,
    /// The error as a number of at most three digits: that of the text, else of the network error, else 0 when nothing
    /// failed and 1 when something did.
    pub error: u16,
    /// `err` as it was written; empty when there was none.
    pub error_text: &'a [u8],
    /// Network type and error.
    pub network_error: Option<(u8, u16)>,
    /// When it says the message was submitted, read as UTC though carriers write local time.
    pub submit_date: Option<Unix>,
    /// When it says the message ended, read as UTC though carriers write local time.
    pub done_date: Option<Unix>,
    /// Whether the id is that of the optional parameter, which is never shortened.
    pub tlv_id: bool,
}

impl<'a> Receipt<'a> {
    /// Reads a `deliver_sm` whose text is in octets. `None` when it is not a receipt: it has neither of the receipt's
    /// optional parameters, and either `esm_class` does not say receipt (a handset could have written the text) or the
    /// text has no id and stat.
    #[must_use]
    pub fn read(sm: &Sm<'a>) -> Option<Self> {
        let text = if sm.is_receipt() && sm.data_coding != UCS2 { sm.text() } else { &[] };
        Self::of(sm, text)
    }

    /// As [`read`](Self::read), and decodes a UCS-2 text into `scratch`.
    #[must_use]
    pub fn read_with(sm: &Sm<'a>, scratch: &'a mut [u8; RECEIPT_SCRATCH]) -> Option<Self> {
        if !sm.is_receipt() || sm.data_coding != UCS2 {
            return Self::read(sm);
        }
        let mut length = 0;
        for (octet, unit) in scratch.iter_mut().zip(sm.text().chunks_exact(2)) {
            // What is not ASCII can only be in the message's own text.
            *octet = if unit[0] == 0 && unit[1] < 0x80 { unit[1] } else { b'?' };
            length += 1;
        }
        let scratch: &'a [u8] = scratch;
        Self::of(sm, scratch.get(..length).unwrap_or(&[]))
    }

    /// As [`read_with`](Self::read_with), and does not look at the text where the optional parameters say which message
    /// it is and that nothing went wrong: what only the text can say is absent then.
    #[must_use]
    pub fn read_brief(sm: &Sm<'a>, scratch: &'a mut [u8; RECEIPT_SCRATCH]) -> Option<Self> {
        if let (Some(id), Some(state @ (ENROUTE | DELIVERED))) = (tlv_id(sm), tlv_state(sm))
            && sm.tlvs.find(Tag::NETWORK_ERROR_CODE).is_none()
        {
            let (error_text, network_error, submit_date, done_date) = (&b""[..], None, None, None);
            return Some(Self { id, state, error: 0, error_text, network_error, submit_date, done_date, tlv_id: true });
        }
        Self::read_with(sm, scratch)
    }

    /// Reads a receipt's text alone, whatever flags it came with; `None` without id and stat.
    #[must_use]
    pub fn from_text(text: &'a [u8]) -> Option<Self> {
        Self::of(&Sm::default(), text)
    }

    fn of(sm: &Sm<'a>, text: &'a [u8]) -> Option<Self> {
        let keys = Keys::find(text);
        let (tlv_id, tlv_state) = (tlv_id(sm), tlv_state(sm));
        let network_error = sm.tlvs.find(Tag::NETWORK_ERROR_CODE).and_then(network_error);
        if tlv_id.is_none() && tlv_state.is_none() && (keys.id.is_empty() || keys.stat.is_empty()) {
            return None;
        }
        let state = tlv_state.or_else(|| receipt_text::state(keys.stat)).unwrap_or(UNKNOWN);
        let error = receipt_text::number(keys.err)
            .or_else(|| network_error.map(|(_, code)| code))
            .filter(|code| *code <= ERROR_MAX)
            .unwrap_or(if matches!(state, ENROUTE | DELIVERED) { 0 } else { UNNUMBERED_ERROR });
        Some(Self {
            id: tlv_id.unwrap_or(keys.id),
            state,
            error,
            error_text: keys.err,
            network_error,
            submit_date: receipt_text::date(keys.submit_date),
            done_date: receipt_text::date(keys.done_date),
            tlv_id: tlv_id.is_some(),
        })
    }
}

impl fmt::Debug for Receipt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receipt")
            .field("id", &format_args!("{}", self.id.escape_ascii()))
            .field("state", &self.state)
            .field("error", &self.error)
            .field("network_error", &self.network_error)
            .field("tlv_id", &self.tlv_id)
            .finish_non_exhaustive()
    }
}

fn tlv_id<'a>(sm: &Sm<'a>) -> Option<&'a [u8]> {
    sm.tlvs.find(Tag::RECEIPTED_MESSAGE_ID).map(receipt_text::trimmed).filter(|id| !id.is_empty())
}

fn tlv_state(sm: &Sm<'_>) -> Option<u8> {
    sm.tlvs.octet(Tag::MESSAGE_STATE).and_then(known_state)
}

/// States of 3.4 as they are, those of 5.0 as their nearest.
fn known_state(octet: u8) -> Option<u8> {
    match octet {
        0 => Some(ENROUTE),
        1..=8 => Some(octet),
        9 => Some(UNDELIVERABLE),
        _ => None,
    }
}

/// Network type and code; some carriers write digits instead, whose network is then taken to be GSM.
fn network_error(value: &[u8]) -> Option<(u8, u16)> {
    const GSM: u8 = 3;
    match value {
        [b'0'..=b'9', ..] if value.len() >= 3 => receipt_text::number(value).map(|code| (GSM, code)),
        [network, high, low] => Some((*network, u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

/// A receipt towards a client.
#[derive(Clone, Copy)]
pub struct ReceiptSm<'a> {
    /// The id the client got, at most 64 octets; more are cut.
    pub id: &'a [u8],
    /// The original recipient.
    pub source: Address,
    /// The original sender.
    pub destination: Address,
    /// When the client submitted.
    pub submitted: Unix,
    /// When the message ended.
    pub done: Unix,
    /// 1–8, the numbers of SMPP 3.4 §5.2.28; anything else is written as UNKNOWN.
    pub state: u8,
    /// `err`, at most 999.
    pub error: u16,
    /// Network type and error.
    pub network_error: Option<(u8, u16)>,
    /// Whether the peer understands optional parameters.
    pub with_tlvs: bool,
    /// 0x04 for a receipt, 0x20 for an intermediate notification.
    pub esm_class: u8,
}

/// Most octets of an id. SMPP 3.4 §5.2.23.
const ID_MAX: usize = 64;
impl ReceiptSm<'_> {
    /// Appends a whole `deliver_sm`.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let id = self.id();
        let tail = self.text_after_id();
        let mut head = Head::begin(CommandId::DELIVER_SM, sequence);
        head.c_octets::<0>(&[]);
        head.address(&self.source);
        head.address(&self.destination);
        let length = u8::try_from(3 + id.len() + tail.len()).unwrap_or(u8::MAX);
        head.octets([self.esm_class, 0, 0, 0, 0, 0, 0, 0, 0, length]);
        head.octets(*b"id:");
        if !self.with_tlvs {
            return head.finish(&[id, &tail], wire);
        }
        let [high, low] = Tag::RECEIPTED_MESSAGE_ID.0.to_be_bytes();
        let id_tlv = [high, low, 0, u8::try_from(id.len() + 1).unwrap_or(u8::MAX)];
        let [high, low] = Tag::MESSAGE_STATE.0.to_be_bytes();
        // The first octet is the NUL of the id.
        let state_tlv = [0, high, low, 0, 1, self.state];
        let [high, low] = Tag::NETWORK_ERROR_CODE.0.to_be_bytes();
        let (network, code) = self.network_error.unwrap_or_default();
        let [code_high, code_low] = code.to_be_bytes();
        let network_tlv = [high, low, 0, 3, network, code_high, code_low];
        let network_tlv = if self.network_error.is_some() { &network_tlv[..] } else { &[] };
        head.finish(&[id, &tail, &id_tlv, id, &state_tlv, network_tlv], wire);
    }

    /// What follows the id has one size, so it is a template that gets its values put in place.
    #[inline]
    fn text_after_id(&self) -> [u8; 89] {
        let mut tail = *b" sub:001 dlvrd:000 submit date:0000000000 done date:0000000000 stat:0000000 err:000 text:";
        if self.state == DELIVERED {
            tail[17] = b'1';
        }
        tail[31..41].copy_from_slice(&calendar(self.submitted)[..10]);
        tail[52..62].copy_from_slice(&calendar(self.done)[..10]);
        tail[68..75].copy_from_slice(receipt_text::word(self.state));
        let error = self.error.min(ERROR_MAX);
        for (digit, place) in tail[80..83].iter_mut().zip([100, 10, 1]) {
            *digit += (error / place % 10) as u8;
        }
        tail
    }

    fn id(&self) -> &[u8] {
        &self.id[..self.id.len().min(ID_MAX)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Frame;

    fn receipt() -> ReceiptSm<'static> {
        ReceiptSm {
            id: b"5f3a9c01",
            source: Address::new(1, 1, b"447700900123").unwrap(),
            destination: Address::new(5, 0, b"MyBrand").unwrap(),
            submitted: Unix(1_767_367_800_000),
            done: Unix(1_767_367_860_000),
            state: 5,
            error: 27,
            network_error: Some((3, 27)),
            with_tlvs: true,
            esm_class: 0x04,
        }
    }

    #[test]
    fn what_is_written_is_the_text_of_appendix_b_and_reads_back() {
        let mut wire = BytesMut::new();
        receipt().encode(9, &mut wire);
        let frame = Frame::cut(&wire, 1_024).unwrap().unwrap();
        assert_eq!(frame.header.length as usize, wire.len());
        let sm = Sm::decode(frame.body).unwrap();
        let text: &[u8] = b"id:5f3a9c01 sub:001 dlvrd:000 submit date:2601021530 done date:2601021531 \
            stat:UNDELIV err:027 text:";
        assert_eq!(sm.short_message, text);
        let read = Receipt::read(&sm).unwrap();
        assert_eq!((read.id, read.state, read.error, read.tlv_id), (&b"5f3a9c01"[..], 5, 27, true));
        assert_eq!(read.network_error, Some((3, 27)));
        assert_eq!(read.done_date, Some(Unix(1_767_367_860_000)));
        let text_only = Receipt::from_text(text).unwrap();
        assert_eq!(Receipt { tlv_id: true, network_error: Some((3, 27)), ..text_only }, read);
    }

    #[test]
    fn a_handset_cannot_write_a_receipt() {
        let text = b"id:5 stat:DELIVRD";
        let sm = Sm { short_message: text, ..Sm::default() };
        assert_eq!(Receipt::read(&sm), None);
        assert!(Receipt::read(&Sm { esm_class: 0x04, ..sm }).is_some());
        assert!(Receipt::read(&Sm { esm_class: 0x20, ..sm }).is_some());
        assert!(Receipt::from_text(text).is_some());
    }

    #[test]
    fn a_ucs2_receipt_is_read_through_scratch() {
        let wide: Vec<u8> = b"id:5 stat:EXPIRED err:21b".iter().flat_map(|octet| [0, *octet]).collect();
        let sm = Sm { short_message: &wide, data_coding: 8, esm_class: 4, ..Sm::default() };
        assert_eq!(Receipt::read(&sm), None);
        let mut scratch = [0; RECEIPT_SCRATCH];
        let read = Receipt::read_with(&sm, &mut scratch).unwrap();
        assert_eq!((read.id, read.state, read.error, read.error_text), (&b"5"[..], 3, 1, &b"21b"[..]));
    }

    #[test]
    fn network_errors_of_every_form_are_read() {
        assert_eq!(network_error(&[3, 0, 27]), Some((3, 27)));
        assert_eq!(network_error(b"027"), Some((3, 27)));
        assert_eq!(network_error(b"0027"), Some((3, 27)));
        assert_eq!(network_error(&[3, 0]), None);
    }
}
