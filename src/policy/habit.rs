//! What a carrier wants otherwise than clients write it: numbers, senders, types of number, and what its answers mean.
//! Compiled from the configuration; the default changes nothing.
//!
//! Knows no message: it turns one value into another, and who calls it decides when. How texts are turned is in
//! [`super::alphabet`].

use super::alphabet::DefaultAlphabet;
use super::number::{self, Home, ton};
use super::retry::Statuses;
use crate::pdu::Address;

/// Numbering plan of telephone numbers (E.164). SMPP 3.4 §5.2.6.
const ISDN: u8 = 1;
/// Digits of a short code at most.
const SHORT_CODE_MAX: usize = 6;

/// One carrier's habits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Habits {
    /// How it wants international numbers.
    pub numbers: NumberForm,
    /// Sources that it wants instead of clients' own.
    pub senders: Senders,
    /// Type of number and numbering plan of sources, by what they are.
    pub source_types: Types,
    /// Type of number and numbering plan of destinations.
    pub destination_type: Option<Type>,
    /// What `data_coding` 0 is there.
    pub alphabet: DefaultAlphabet,
    /// Whether it takes texts in `message_payload`.
    pub payload: bool,
    /// How its receipts write the ids of its answers.
    pub receipt_ids: ReceiptIds,
    /// What it means by its statuses.
    pub statuses: Statuses,
}

/// Type of number and numbering plan indicator. SMPP 3.4 §5.2.5 and §5.2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    /// Type of number.
    pub ton: u8,
    /// Numbering plan indicator.
    pub npi: u8,
}

/// How international numbers are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberForm {
    /// As the client wrote them.
    #[default]
    AsSent,
    /// Country code and number: 4791234567.
    Digits,
    /// With a plus: +4791234567.
    Plus,
    /// With two zeros: 004791234567.
    Zeros,
}

/// The base of the ids in receipts, where answers use the other one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiptIds {
    /// The same base, or what is found out from the receipts themselves.
    #[default]
    Learn,
    /// Decimal; answers are hexadecimal.
    Decimal,
    /// Hexadecimal; answers are decimal.
    Hexadecimal,
}

/// Which sources become which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Senders {
    /// By the client's source.
    pub known: Vec<(Address, Address)>,
    /// What all others become.
    pub others: Option<Address>,
}

/// Types for the kinds of source; `None` leaves what the client said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Types {
    /// Of telephone numbers: seven digits and more, or a plus.
    pub number: Option<Type>,
    /// Of short codes: up to six digits.
    pub short: Option<Type>,
    /// Of names.
    pub name: Option<Type>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            numbers: NumberForm::default(),
            senders: Senders::default(),
            source_types: Types::default(),
            destination_type: None,
            alphabet: DefaultAlphabet::default(),
            payload: true,
            receipt_ids: ReceiptIds::default(),
            statuses: Statuses::default(),
        }
    }
}

impl Habits {
    /// Whether messages may leave in another form than they came.
    #[must_use]
    pub fn changes_messages(&self) -> bool {
        let Self { numbers, senders, source_types, destination_type, alphabet, payload, .. } = self;
        !payload
            || *alphabet != DefaultAlphabet::Gsm
            || *numbers != NumberForm::AsSent
            || *senders != Senders::default()
            || *source_types != Types::default()
            || destination_type.is_some()
    }

    /// The source it gets, of a client whose national numbers are those of `home`.
    #[must_use]
    pub fn source(&self, source: &Address, home: Option<Home>) -> Address {
        let own = self.numbers.of(self.senders.of(source), home);
        match Kind::of(&own) {
            Kind::Number => retyped(own, self.source_types.number),
            Kind::Short => retyped(own, self.source_types.short),
            Kind::Name => retyped(own, self.source_types.name),
            Kind::Other => own,
        }
    }

    /// The destination it gets, of a client whose national numbers are those of `home`.
    #[must_use]
    pub fn destination(&self, destination: &Address, home: Option<Home>) -> Address {
        retyped(self.numbers.of(*destination, home), self.destination_type)
    }
}

impl ReceiptIds {
    /// The id of a receipt in the base of the answer; `None` where it stays as it is.
    #[must_use]
    pub fn answered(self, id: &[u8]) -> Option<String> {
        let digits = || std::str::from_utf8(id.trim_ascii()).ok();
        match self {
            Self::Learn => None,
            Self::Decimal => digits()?.parse::<u128>().ok().map(|number| format!("{number:x}")),
            Self::Hexadecimal => u128::from_str_radix(digits()?, 16).ok().map(|number| number.to_string()),
        }
    }
}

impl NumberForm {
    /// The address in this form where it is an international number, or a national one of `home`; else as it is.
    fn of(self, address: Address, home: Option<Home>) -> Address {
        let is_national = || number::destination(&address).is_err();
        let number = match (self, home) {
            (Self::AsSent, None) => return address,
            (Self::AsSent, Some(home)) => home.destination(&address).ok().filter(|_| is_national()),
            _ => number::dialled_from(home, &address).ok(),
        };
        let Some(number) = number else { return address };
        let before: &[u8] = match self {
            Self::AsSent | Self::Digits => b"",
            Self::Plus => b"+",
            Self::Zeros => b"00",
        };
        let (mut octets, length) = ([0; 2 + 20], before.len() + number.digits().len());
        octets[..before.len()].copy_from_slice(before);
        octets[before.len()..length].copy_from_slice(number.digits());
        Address::new(ton::INTERNATIONAL, ISDN, &octets[..length]).unwrap_or(address)
    }
}

impl Senders {
    fn of(&self, source: &Address) -> Address {
        let known = self.known.iter().find(|(from, _)| without_plus(from) == without_plus(source));
        known.map(|(_, to)| *to).or(self.others).unwrap_or(*source)
    }
}

/// What an address is by its characters.
enum Kind {
    Number,
    Short,
    Name,
    /// Nothing.
    Other,
}

impl Kind {
    fn of(address: &Address) -> Self {
        let (octets, digits) = (address.octets(), without_plus(address));
        if octets.is_empty() {
            Self::Other
        } else if !digits.iter().all(u8::is_ascii_digit) {
            Self::Name
        } else if digits.len() == octets.len() && digits.len() <= SHORT_CODE_MAX {
            Self::Short
        } else {
            Self::Number
        }
    }
}

fn without_plus(address: &Address) -> &[u8] {
    let octets = address.octets();
    octets.strip_prefix(b"+").unwrap_or(octets)
}

fn retyped(address: Address, own: Option<Type>) -> Address {
    own.and_then(|own| Address::new(own.ton, own.npi, address.octets())).unwrap_or(address)
}

/// The address that a text of the configuration stands for: a name, an international number or a short code, each with
/// its usual type. `None` where it can be no source.
#[must_use]
pub fn sender(text: &str) -> Option<Address> {
    let probe = Address::new(ton::UNKNOWN, 0, text.as_bytes())?;
    let (ton, npi, octets) = match Kind::of(&probe) {
        Kind::Number => (ton::INTERNATIONAL, ISDN, text.strip_prefix('+').unwrap_or(text)),
        Kind::Short => (ton::UNKNOWN, 0, text),
        Kind::Name => (ton::ALPHANUMERIC, 0, text),
        Kind::Other => return None,
    };
    Address::new(ton, npi, octets.as_bytes()).filter(|address| number::source_is_valid(address).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(ton: u8, npi: u8, text: &str) -> Address {
        Address::new(ton, npi, text.as_bytes()).unwrap()
    }

    fn shown(address: Address) -> (u8, u8, String) {
        (address.ton(), address.npi(), String::from_utf8(address.octets().to_vec()).unwrap())
    }

    #[test]
    fn the_default_changes_nothing() {
        let habits = Habits::default();
        assert!(!habits.changes_messages());
        for (ton, npi, text) in
            [(1, 1, "+4791234567"), (0, 0, "004791234567"), (5, 0, "Acme"), (0, 1, "2440"), (0, 0, "")]
        {
            let own = address(ton, npi, text);
            assert_eq!((habits.source(&own, None), habits.destination(&own, None)), (own, own));
        }
    }

    #[test]
    fn numbers_are_written_as_the_carrier_wants_them() {
        for (numbers, expected) in
            [(NumberForm::Digits, "4791234567"), (NumberForm::Plus, "+4791234567"), (NumberForm::Zeros, "004791234567")]
        {
            let habits = Habits { numbers, ..Habits::default() };
            assert!(habits.changes_messages());
            for (ton, text) in
                [(1, "4791234567"), (0, "4791234567"), (1, "+47 912-34 567"), (2, "+4791234567"), (1, "004791234567")]
            {
                let own = address(ton, 1, text);
                assert_eq!(shown(habits.destination(&own, None)), (1, 1, expected.to_owned()), "{ton} {text}");
                assert_eq!(shown(habits.source(&own, None)), (1, 1, expected.to_owned()), "{ton} {text}");
            }
            for (ton, text) in [(5, "Acme"), (0, "2440"), (2, "91234567"), (3, "4791234567"), (5, "12345678")] {
                let own = address(ton, 0, text);
                assert_eq!(habits.source(&own, None), own, "{ton} {text}");
            }
        }
    }

    #[test]
    fn national_numbers_of_the_clients_country_become_international() {
        let home = Home::parse("46");
        for (numbers, national, international) in
            [(NumberForm::AsSent, "46701234567", "+46701234567"), (NumberForm::Zeros, "0046701234567", "0046701234567")]
        {
            let habits = Habits { numbers, ..Habits::default() };
            assert_eq!(shown(habits.destination(&address(2, 1, "0701234567"), home)), (1, 1, national.to_owned()));
            assert_eq!(shown(habits.source(&address(0, 0, "070-1234567"), home)), (1, 1, national.to_owned()));
            assert_eq!(shown(habits.destination(&address(1, 1, "+46701234567"), home)).2, international);
        }
    }

    #[test]
    fn senders_and_types_are_rewritten_by_what_they_are() {
        let types = |ton, npi| Some(Type { ton, npi });
        let mut habits = Habits {
            source_types: Types { number: types(0, 1), short: types(3, 0), name: types(5, 9) },
            destination_type: types(2, 8),
            ..Habits::default()
        };
        for (text, expected) in
            [("4791234567", (0, 1)), ("+479123", (0, 1)), ("2440", (3, 0)), ("Acme", (5, 9)), ("Acme24", (5, 9))]
        {
            let own = habits.source(&address(1, 4, text), None);
            assert_eq!((own.ton(), own.npi(), own.octets()), (expected.0, expected.1, text.as_bytes()));
        }
        assert_eq!(shown(habits.destination(&address(1, 1, "4791234567"), None)), (2, 8, "4791234567".to_owned()));
        let known = vec![(sender("Acme").unwrap(), sender("2440").unwrap())];
        habits.senders = Senders { known, others: None };
        assert_eq!(shown(habits.source(&address(0, 0, "Acme"), None)), (3, 0, "2440".to_owned()));
        assert_eq!(shown(habits.source(&address(5, 0, "Other"), None)), (5, 9, "Other".to_owned()));
        habits.senders.others = sender("+4759440000");
        assert_eq!(shown(habits.source(&address(5, 0, "Other"), None)), (0, 1, "4759440000".to_owned()));
        assert_eq!(shown(habits.source(&address(5, 0, ""), None)).2, "4759440000");
    }

    #[test]
    fn a_sender_has_its_usual_type() {
        for (text, expected) in [
            ("Acme", Some((5, 0, "Acme"))),
            ("2440", Some((0, 0, "2440"))),
            ("+4759440000", Some((1, 1, "4759440000"))),
            ("4759440000", Some((1, 1, "4759440000"))),
            ("", None),
            ("Longer than eleven", None),
            ("12", None),
            ("A[c]me", None),
        ] {
            let expected = expected.map(|(ton, npi, text)| (ton, npi, text.to_owned()));
            assert_eq!(sender(text).map(shown), expected, "{text}");
        }
    }

    #[test]
    fn ids_of_receipts_are_brought_to_the_base_of_the_answers() {
        assert_eq!(ReceiptIds::Learn.answered(b"255"), None);
        assert_eq!(ReceiptIds::Decimal.answered(b" 255 ").as_deref(), Some("ff"));
        assert_eq!(ReceiptIds::Hexadecimal.answered(b"00FF").as_deref(), Some("255"));
        for wrong in [&b""[..], b"xyz", b"\xFF", b"340282366920938463463374607431768211456000"] {
            assert_eq!(ReceiptIds::Decimal.answered(wrong), None);
            assert_eq!(ReceiptIds::Hexadecimal.answered(wrong), None);
        }
    }
}
