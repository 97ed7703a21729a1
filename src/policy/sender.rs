//! Sender addresses as rules name them: what kind one is, and patterns that fit some of them.
//!
//! Compares without regard to case, since subscribers do, and numbers without `+` or `00`. Says nothing about whether an
//! address may be sent: [`super::source_is_valid`] does.

use std::fmt;

use super::number::dialled;
use crate::pdu::Address;

/// Most octets an address can have.
const LONGEST: usize = 20;
/// Most digits of a short code.
const SHORT_CODE_MAX: usize = 6;

/// What a sender looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SenderKind {
    /// A name.
    Name,
    /// Three to six digits.
    ShortCode,
    /// A longer number.
    Number,
}

impl SenderKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Name, Self::ShortCode, Self::Number];

    /// The word in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::ShortCode => "short_code",
            Self::Number => "number",
        }
    }
}

/// A sender in the one spelling in which it is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    kind: SenderKind,
    length: u8,
    octets: [u8; LONGEST],
}

impl Sender {
    /// The sender of an address. Digits are a number whatever the type of number says, as they are on a handset.
    #[must_use]
    pub fn of(address: &Address) -> Self {
        let mut octets = [0; LONGEST];
        let spelt = |spelling: &[u8], octets: &mut [u8; LONGEST]| {
            let own = spelling.iter().take(LONGEST).zip(octets.iter_mut());
            own.map(|(octet, place)| *place = octet.to_ascii_lowercase()).count()
        };
        let (kind, length) = match dialled(address) {
            Some(number) => {
                let digits = number.digits();
                let kind = if digits.len() <= SHORT_CODE_MAX { SenderKind::ShortCode } else { SenderKind::Number };
                (kind, spelt(digits, &mut octets))
            }
            None => (SenderKind::Name, spelt(address.octets(), &mut octets)),
        };
        Self { kind, length: u8::try_from(length).unwrap_or_default(), octets }
    }

    /// What it looks like.
    #[must_use]
    pub fn kind(&self) -> SenderKind {
        self.kind
    }

    /// Its octets, in lower case.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length).min(LONGEST)]
    }

    /// The pattern that fits this sender only.
    #[must_use]
    pub fn exactly(&self) -> SenderPattern {
        SenderPattern { octets: self.octets, length: self.length, is_beginning: false }
    }

    /// The pattern of all senders that begin with its first `length` octets; `None` where it has fewer.
    #[must_use]
    pub fn beginning(&self, length: usize) -> Option<SenderPattern> {
        let mut octets = [0; LONGEST];
        let own = self.octets().get(..length)?;
        octets[..length].copy_from_slice(own);
        Some(SenderPattern { octets, length: u8::try_from(length).ok()?, is_beginning: true })
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({}, {} octets)", self.kind.as_str(), self.length)
    }
}

/// A sender, or all that begin with some characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderPattern {
    octets: [u8; LONGEST],
    length: u8,
    is_beginning: bool,
}

impl SenderPattern {
    /// A name or number, or the beginning of one with `*` behind it. `None` for anything that no sender can be; `*` alone
    /// is any sender, for which no rule is needed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (text, is_beginning) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        let fits =
            (1..=LONGEST).contains(&text.len()) && text.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic());
        // With a type of number that is none of a name's: `+47…` and `47…` are one number.
        let address = Address::new(1, 1, text.as_bytes()).filter(|_| fits && !text.contains('*'))?;
        let sender = Sender::of(&address);
        Some(Self { is_beginning, ..sender.exactly() })
    }

    /// Whether it stands for all senders that begin so.
    #[must_use]
    pub fn is_beginning(&self) -> bool {
        self.is_beginning
    }

    /// Its octets, in lower case and without the `*`.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length).min(LONGEST)]
    }

    /// Whether the sender is meant.
    #[must_use]
    pub fn fits(&self, sender: &Sender) -> bool {
        if self.is_beginning { sender.octets().starts_with(self.octets()) } else { sender.octets() == self.octets() }
    }
}

/// As it is written in configuration: a sender may be a person's number, so only names are shown.
impl fmt::Display for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_beginning { "*" } else { "" };
        if self.octets().iter().all(u8::is_ascii_digit) && self.octets().len() > SHORT_CODE_MAX {
            return write!(f, "a number{star}");
        }
        write!(f, "{}{star}", String::from_utf8_lossy(self.octets()))
    }
}

impl fmt::Debug for SenderPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SenderPattern({} octets{})", self.length, if self.is_beginning { " and more" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(ton: u8, text: &str) -> Sender {
        Sender::of(&Address::new(ton, 0, text.as_bytes()).unwrap())
    }

    #[test]
    fn kinds_are_what_a_handset_shows() {
        for (ton, text, kind) in [
            (5, "Acme", SenderKind::Name),
            (0, "Acme24", SenderKind::Name),
            (5, "2440", SenderKind::ShortCode),
            (3, "026", SenderKind::ShortCode),
            (1, "123456", SenderKind::ShortCode),
            (1, "1234567", SenderKind::Number),
            (1, "+4791234567", SenderKind::Number),
            (5, "4791234567", SenderKind::Number),
        ] {
            assert_eq!(sender(ton, text).kind(), kind, "{ton} {text}");
        }
    }

    #[test]
    fn patterns_fit_without_regard_to_case_and_spelling() {
        let fits = |pattern: &str, ton: u8, text: &str| SenderPattern::parse(pattern).unwrap().fits(&sender(ton, text));
        for (pattern, ton, text, expected) in [
            ("ACME", 5, "Acme", true),
            ("ACME", 5, "Acme2", false),
            ("ACME*", 5, "acme", true),
            ("ACME*", 5, "AcmeBank", true),
            ("ACME*", 5, "Acm", false),
            ("4791234567", 1, "+4791234567", true),
            ("+4791234567", 0, "4791234567", true),
            ("4791234567", 1, "004791234567", true),
            ("4791*", 1, "+4791234567", true),
            ("2440", 3, "2440", true),
            ("2440", 3, "24401", false),
            ("Acme AS", 5, "acme as", true),
        ] {
            assert_eq!(fits(pattern, ton, text), expected, "{pattern} {text}");
            let (pattern, sender) = (SenderPattern::parse(pattern).unwrap(), sender(ton, text));
            let length = pattern.octets().len();
            let same = if pattern.is_beginning() { sender.beginning(length) } else { Some(sender.exactly()) };
            assert_eq!(same == Some(pattern), expected, "looked up as {pattern:?}");
        }
        for bad in ["", "*", "A*B", "**", "Bærum", &"x".repeat(21)] {
            assert_eq!(SenderPattern::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn nothing_shows_a_number() {
        let number = SenderPattern::parse("4791234567").unwrap();
        assert_eq!(format!("{number} {number:?}"), "a number SenderPattern(10 octets)");
        assert_eq!(SenderPattern::parse("ACME*").unwrap().to_string(), "acme*");
        assert_eq!(format!("{:?}", sender(1, "4791234567")), "Sender(number, 10 octets)");
    }
}
