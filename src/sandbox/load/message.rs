//! The messages of a run: each follows from the seed and its serial number alone, so sending one again sends the same.

use crate::pdu::CommandId;
use crate::sandbox::SandboxError;
use crate::sandbox::wire::{self, Address, scramble};

/// Digits of a number whose length the destination leaves open.
const NUMBER_DIGITS: usize = 11;

/// Most digits of an international number. ITU-T E.164 §6.2.1.
const NUMBER_DIGITS_MAX: usize = 15;

/// Octets of text taken by the seed, the serial and the blanks after them.
pub(super) const SERIAL_OCTETS: usize = 20;

/// A `submit_sm` with the places that differ from message to message.
struct Template {
    wire: Vec<u8>,
    /// Offsets of the digits drawn per message.
    random: Vec<usize>,
    /// Offset of the serial's ten digits.
    serial: usize,
}

/// Writes the messages of a run.
pub(super) struct Messages {
    templates: Vec<Template>,
    seed: u32,
}

impl Messages {
    /// Prepares one template for each destination.
    pub(super) fn new(
        to: &[String],
        from: &str,
        text_octets: u8,
        receipts: bool,
        seed: u32,
    ) -> Result<Self, SandboxError> {
        let template = |pattern: &String| Ok(Template::new(&number(pattern)?, from, text_octets, receipts, seed));
        let templates = to.iter().map(template).collect::<Result<Vec<_>, _>>()?;
        if templates.is_empty() {
            return Err(SandboxError::argument("to", "expected at least one destination"));
        }
        Ok(Self { templates, seed })
    }

    /// Appends the message with this serial, and puts the time of sending into its text where one is given.
    pub(super) fn write(&self, out: &mut Vec<u8>, sequence: u32, serial: u32, sent_us: Option<u64>) {
        let template = &self.templates[serial as usize % self.templates.len()];
        let at = out.len();
        out.extend_from_slice(&template.wire);
        let octets = &mut out[at..];
        octets[12..16].copy_from_slice(&sequence.to_be_bytes());
        let mut random = scramble(u64::from(self.seed) << 32 | u64::from(serial));
        for digit in &template.random {
            octets[*digit] = b'0' + (random % 10) as u8;
            random /= 10;
        }
        let mut rest = serial;
        for digit in octets[template.serial..template.serial + 10].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if let Some(sent_us) = sent_us {
            wire::put_stamp(&mut octets[template.serial - 9..], sent_us);
        }
    }
}

impl Template {
    fn new(number: &[u8], from: &str, text_octets: u8, receipts: bool, seed: u32) -> Self {
        let from_digits = from.bytes().all(|octet| octet.is_ascii_digit());
        // Type of number 1 is international, 5 alphanumeric; plan 1 is E.164. SMPP 3.4 §5.2.5 and §5.2.6.
        let (ton, npi) = if from_digits { (1, 1) } else { (5, 0) };
        let mut wire = Vec::new();
        wire::start(&mut wire, CommandId::SUBMIT_SM, 0);
        wire.push(0); // service_type
        wire::put_address(&mut wire, Address { ton, npi, digits: from.as_bytes() });
        let digits = wire.len() + 2;
        wire::put_address(&mut wire, Address { ton: 1, npi: 1, digits: number });
        wire.extend_from_slice(&[0, 0, 0, 0, 0, u8::from(receipts), 0, 0, 0, text_octets]);
        let text = wire.len();
        wire.extend_from_slice(format!("{seed:08x} 0000000000 ").as_bytes());
        let filling = b"the quick brown fox jumps over the lazy dog ".iter().cycle();
        wire.extend(filling.take(usize::from(text_octets) - SERIAL_OCTETS));
        wire::finish(&mut wire, 0);
        let random = (0..number.len()).filter(|at| number[*at] == b'x').map(|at| digits + at).collect();
        Self { wire, random, serial: text + 9 }
    }
}

/// A destination as digits, with `x` where one is drawn.
fn number(pattern: &str) -> Result<Vec<u8>, SandboxError> {
    let mut digits = pattern.trim().trim_start_matches('+').to_ascii_lowercase().into_bytes();
    let known = digits.iter().all(|octet| octet.is_ascii_digit() || *octet == b'x');
    if !known || digits.is_empty() || digits.len() > NUMBER_DIGITS_MAX {
        let reason = "expected numbers, prefixes or patterns of up to 15 digits, such as 47, 4791234567 or 479xxxxxxx";
        return Err(SandboxError::argument("to", reason));
    }
    if digits.len() < 7 && !digits.contains(&b'x') {
        digits.resize(NUMBER_DIGITS, b'x');
    }
    Ok(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Frame;
    use crate::sandbox::wire::Message;

    fn messages(to: &[&str]) -> Messages {
        let to: Vec<_> = to.iter().map(|text| (*text).to_owned()).collect();
        Messages::new(&to, "shop", 40, true, 0xBEEF).unwrap()
    }

    #[test]
    fn a_message_follows_from_its_serial_alone() {
        let messages = messages(&["47", "4612345678", "45xxxxxxxx"]);
        let written = |serial| {
            let mut out = Vec::new();
            messages.write(&mut out, 7, serial, None);
            out
        };
        for serial in 0..1000 {
            let out = written(serial);
            let frame = Frame::cut(&out, 1000).unwrap().unwrap();
            assert_eq!((frame.header.length as usize, frame.header.sequence), (out.len(), 7));
            let message = Message::read(frame.body).unwrap();
            assert_eq!(message.text.len(), 40);
            assert!(message.text.starts_with(format!("0000beef {serial:010} the").as_bytes()));
            assert!(message.destination.digits.iter().all(u8::is_ascii_digit));
            assert_eq!(message.destination.digits.len(), [11, 10, 10][serial as usize % 3]);
            assert_eq!(out, written(serial));
        }
        assert_ne!(written(0), written(3));
    }

    #[test]
    fn a_stamp_is_read_back_and_its_absence_too() {
        let (messages, mut out) = (messages(&["47"]), Vec::new());
        for sent_us in [None, Some(1_764_238_461_123_456)] {
            out.clear();
            messages.write(&mut out, 7, 3, sent_us);
            let frame = Frame::cut(&out, 1000).unwrap().unwrap();
            assert_eq!(wire::stamp(Message::read(frame.body).unwrap().text), sent_us);
        }
    }

    #[test]
    fn destinations_that_are_no_numbers_are_refused() {
        for bad in ["", "47-11", "1234567890123456"] {
            assert!(number(bad).is_err(), "{bad}");
        }
        assert_eq!(number("+479xxxxxxx").unwrap(), b"479xxxxxxx");
    }
}
