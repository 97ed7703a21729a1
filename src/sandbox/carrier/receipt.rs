//! A delivery receipt, or a message from a handset, as the carrier keeps it until it is acknowledged, and as it writes it.
//! SMPP 3.4 Appendix B.

use crate::clock::Unix;
use crate::message::MessageState;
use crate::pdu::{CommandId, encode_gsm};
use crate::sandbox::wire::{self, Address, Message};

use super::args::{IdForm, ReceiptForm};

/// Octets of the message that a text receipt repeats. SMPP 3.4 Appendix B.
const TEXT_OCTETS: usize = 20;

#[derive(Clone, Copy, Default)]
struct Number {
    ton: u8,
    npi: u8,
    length: u8,
    digits: [u8; 20],
}

/// All that a receipt needs, in one value without pointers.
#[derive(Clone, Copy)]
pub(super) struct Receipt {
    id: u64,
    submitted: Unix,
    source: Number,
    destination: Number,
    text: [u8; TEXT_OCTETS],
    text_length: u8,
    state: MessageState,
    /// A second copy, sent on purpose.
    pub(super) copy: bool,
    /// Sent before, and not answered or refused for now.
    pub(super) again: bool,
    /// No receipt but a message from a handset; `id` is its number.
    pub(super) mobile: bool,
}

impl Number {
    fn keep(address: Address<'_>) -> Self {
        let mut digits = [0; 20];
        let length = address.digits.len().min(digits.len());
        digits[..length].copy_from_slice(&address.digits[..length]);
        Self { ton: address.ton, npi: address.npi, length: length as u8, digits }
    }

    fn address(&self) -> Address<'_> {
        Address { ton: self.ton, npi: self.npi, digits: &self.digits[..self.length.into()] }
    }
}

impl Receipt {
    pub(super) fn of(message: &Message<'_>, id: u64, state: MessageState, submitted: Unix) -> Self {
        let mut text = [0; TEXT_OCTETS];
        let start = &message.text[..message.text.len().min(TEXT_OCTETS)];
        let length = start.iter().position(|octet| !(0x20..0x7F).contains(octet)).unwrap_or(start.len());
        text[..length].copy_from_slice(&start[..length]);
        Self {
            id,
            submitted,
            source: Number::keep(message.source),
            destination: Number::keep(message.destination),
            text,
            text_length: length as u8,
            state,
            copy: false,
            again: false,
            mobile: false,
        }
    }

    /// A message from a handset: as if it answered one that came from `number`.
    pub(super) fn mobile(id: u64, handset: Address<'_>, number: Address<'_>) -> Self {
        Self {
            id,
            submitted: Unix(0),
            source: Number::keep(number),
            destination: Number::keep(handset),
            text: [0; TEXT_OCTETS],
            text_length: 0,
            state: MessageState::Delivered,
            copy: false,
            again: false,
            mobile: true,
        }
    }

    /// Appends the `deliver_sm` of a message from a handset, in the GSM alphabet.
    pub(super) fn write_mobile(&self, out: &mut Vec<u8>, sequence: u32, text: &str) {
        let at = wire::start(out, CommandId::DELIVER_SM, sequence);
        out.push(0); // service_type
        wire::put_address(out, self.destination.address());
        wire::put_address(out, self.source.address());
        out.extend_from_slice(&[0; 10]);
        let start = out.len();
        out.extend_from_slice(&encode_gsm(&format!("{text} {}", self.id)).unwrap_or_default());
        out[start - 1] = (out.len() - start) as u8;
        wire::finish(out, at);
    }

    /// The second copy of this receipt.
    pub(super) fn doubled(self) -> Self {
        Self { copy: true, ..self }
    }

    /// Appends the `deliver_sm`: from the handset's number to the client's.
    pub(super) fn write(&self, out: &mut Vec<u8>, sequence: u32, now: Unix, form: ReceiptForm, ids: IdForm) {
        let mut digits = [0; 36];
        let id = receipt_id(self.id, ids, &mut digits);
        let at = wire::start(out, CommandId::DELIVER_SM, sequence);
        out.push(0); // service_type
        wire::put_address(out, self.destination.address());
        wire::put_address(out, self.source.address());
        // esm_class 0x04 is a delivery receipt; the ten fields up to sm_length are empty.
        out.extend_from_slice(&[0x04, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        if form != ReceiptForm::Tlv {
            let text = out.len();
            self.write_text(out, id, now);
            out[text - 1] = (out.len() - text) as u8;
        }
        if form != ReceiptForm::Text {
            wire::put_tlv(out, wire::NETWORK_ERROR_CODE, &[3, 0, self.error()]);
            wire::put_tlv(out, wire::MESSAGE_STATE, &[self.state as u8]);
            out.extend_from_slice(&wire::RECEIPTED_MESSAGE_ID.to_be_bytes());
            out.extend_from_slice(&(id.len() as u16 + 1).to_be_bytes());
            wire::put_string(out, id);
        }
        wire::finish(out, at);
    }

    fn write_text(&self, out: &mut Vec<u8>, id: &[u8], now: Unix) {
        let delivered = self.state == MessageState::Delivered;
        out.extend_from_slice(b"id:");
        out.extend_from_slice(id);
        out.extend_from_slice(if delivered { b" sub:001 dlvrd:001" } else { b" sub:001 dlvrd:000" });
        out.extend_from_slice(b" submit date:");
        out.extend_from_slice(&date(self.submitted));
        out.extend_from_slice(b" done date:");
        out.extend_from_slice(&date(now));
        out.extend_from_slice(b" stat:");
        out.extend_from_slice(self.state.stat().as_bytes());
        out.extend_from_slice(if delivered { b" err:000 text:" } else { b" err:001 text:" });
        out.extend_from_slice(&self.text[..self.text_length.into()]);
    }

    fn error(&self) -> u8 {
        u8::from(self.state != MessageState::Delivered)
    }
}

/// The id as `submit_sm_resp` writes it.
pub(super) fn response_id(id: u64, form: IdForm, out: &mut [u8; 36]) -> &[u8] {
    match form {
        IdForm::Decimal => decimal(id, out),
        IdForm::Hex | IdForm::HexThenDecimal => hexadecimal(id, out),
        IdForm::Uuid => uuid(id, out),
    }
}

/// The id as the receipt writes it.
fn receipt_id(id: u64, form: IdForm, out: &mut [u8; 36]) -> &[u8] {
    if form == IdForm::HexThenDecimal { decimal(id, out) } else { response_id(id, form, out) }
}

fn decimal(id: u64, out: &mut [u8; 36]) -> &[u8] {
    // Sixteen digits, twice a message: the division by a constant is what keeps it cheap.
    let (mut rest, mut at) = (id, out.len());
    loop {
        at -= 1;
        out[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &out[at..];
        }
    }
}

fn hexadecimal(id: u64, out: &mut [u8; 36]) -> &[u8] {
    let digits = (16 - id.leading_zeros() as usize / 4).max(1);
    for (at, digit) in out[..digits].iter_mut().rev().enumerate() {
        *digit = nibble(id, at);
    }
    &out[..digits]
}

fn uuid(id: u64, out: &mut [u8; 36]) -> &[u8] {
    // Version 4 in shape only: the low half is the id, the high half follows from it.
    let high = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) & !0xF000 | 0x4000;
    let mut at = 0;
    for digit in 0..32 {
        if matches!(digit, 8 | 12 | 16 | 20) {
            out[at] = b'-';
            at += 1;
        }
        out[at] = if digit < 16 { nibble(high, 15 - digit) } else { nibble(id, 31 - digit) };
        at += 1;
    }
    out
}

fn nibble(value: u64, at: usize) -> u8 {
    b"0123456789abcdef"[(value >> (at * 4)) as usize & 0xF]
}

/// `YYMMDDhhmm` in UTC.
fn date(instant: Unix) -> [u8; 10] {
    let seconds = instant.seconds();
    let (days, minutes) = (seconds / 86_400, seconds % 86_400 / 60);
    // Days since 0000-03-01 in 400-year eras, so that the leap day is the last of its year.
    let days = days + 719_468;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + u32::from(month <= 2);
    let mut out = [0; 10];
    for (pair, value) in out.chunks_exact_mut(2).zip([year % 100, month, day, minutes / 60, minutes % 60]) {
        pair[0] = b'0' + (value / 10) as u8;
        pair[1] = b'0' + (value % 10) as u8;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Frame;

    #[test]
    fn dates_follow_the_calendar() {
        let at = |seconds: u64| String::from_utf8(date(Unix(seconds * 1000)).to_vec()).unwrap();
        assert_eq!(at(0), "7001010000");
        assert_eq!(at(951_782_399), "0002282359");
        assert_eq!(at(951_782_400), "0002290000");
        assert_eq!(at(1_709_210_096), "2402291234");
        assert_eq!(at(1_767_225_599), "2512312359");
    }

    #[test]
    fn ids_have_the_form_asked_for() {
        let mut out = [0; 36];
        let mut form = |id, form| String::from_utf8(response_id(id, form, &mut out).to_vec()).unwrap();
        assert_eq!(form(255, IdForm::Decimal), "255");
        assert_eq!(form(255, IdForm::Hex), "ff");
        assert_eq!(form(0, IdForm::Hex), "0");
        assert_eq!(form(0x1_2345, IdForm::HexThenDecimal), "12345");
        let uuid = form(77, IdForm::Uuid);
        assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(uuid.ends_with("4d"), "{uuid}");
        assert_eq!(receipt_id(0x1_2345, IdForm::HexThenDecimal, &mut out), b"74565");
    }

    #[test]
    fn a_receipt_swaps_the_addresses_and_says_the_state_twice() {
        let message = Message {
            source: Address { ton: 5, npi: 0, digits: b"shop" },
            destination: Address { ton: 1, npi: 1, digits: b"4791234567" },
            esm_class: 0,
            registered_delivery: 1,
            text: b"twenty octets and a bit more",
            tlvs: &[],
        };
        let receipt = Receipt::of(&message, 42, MessageState::Undeliverable, Unix(0));
        let mut out = Vec::new();
        receipt.write(&mut out, 9, Unix(60_000), ReceiptForm::Both, IdForm::Decimal);
        let frame = Frame::cut(&out, 1000).unwrap().unwrap();
        assert_eq!((frame.header.length as usize, frame.header.sequence), (out.len(), 9));
        let read = Message::read(frame.body).unwrap();
        assert_eq!((read.source.digits, read.destination.digits), (&b"4791234567"[..], &b"shop"[..]));
        assert_eq!(
            String::from_utf8(read.text.to_vec()).unwrap(),
            "id:42 sub:001 dlvrd:000 submit date:7001010000 done date:7001010001 stat:UNDELIV err:001 text:twenty octets and a "
        );
        assert_eq!(read.tlv(wire::MESSAGE_STATE), Some(&[5][..]));
        assert_eq!(read.tlv(wire::RECEIPTED_MESSAGE_ID), Some(&b"42\0"[..]));
    }

    #[test]
    fn a_handset_writes_to_the_number_of_the_client() {
        let handset = Address { ton: 1, npi: 1, digits: b"4790000001" };
        let mobile = Receipt::mobile(7, handset, Address { ton: 1, npi: 1, digits: b"4759440000" });
        let mut out = Vec::new();
        mobile.write_mobile(&mut out, 9, "INFO på");
        let frame = Frame::cut(&out, 1000).unwrap().unwrap();
        assert_eq!(frame.header.length as usize, out.len());
        let read = Message::read(frame.body).unwrap();
        assert_eq!((read.source.digits, read.destination.digits), (&b"4790000001"[..], &b"4759440000"[..]));
        assert_eq!((read.esm_class, read.text), (0, &b"INFO p\x0F 7"[..]));
    }
}
