//! Normal form of destination numbers, and which source addresses are acceptable. SMPP 3.4 §5.2.5 to §5.2.9.
//!
//! Type of number and numbering plan are hints that clients often get wrong; the digits decide, and what would have to
//! be guessed is refused. Does not say whether a number is in use.

use std::fmt;

use crate::pdu::{Address, CommandStatus};

/// Most octets an address can have.
const LONGEST: usize = 20;

/// Most digits of an international number (E.164), and fewest that any country uses.
const E164: std::ops::RangeInclusive<usize> = 7..=15;

/// Digits of a short code that would be no international number.
const SHORT_CODE: std::ops::RangeInclusive<usize> = 3..=6;

/// Digits of a subscriber in one spelling: international, without `+`. Or a short code, where the caller allows one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number {
    length: u8,
    digits: [u8; LONGEST],
}

impl Number {
    /// The digits, in ASCII.
    #[must_use]
    pub fn digits(&self) -> &[u8] {
        &self.digits[..usize::from(self.length).min(LONGEST)]
    }

    /// Whether it is a short code, which has a meaning only inside one country and no prefix to route by.
    #[must_use]
    pub fn is_short_code(&self) -> bool {
        SHORT_CODE.contains(&self.digits().len())
    }

    /// The digits of `octets` without the punctuation people write; `None` for other octets or too many digits.
    fn collect(octets: &[u8]) -> Option<Self> {
        let mut number = Self { length: 0, digits: [0; LONGEST] };
        for octet in octets {
            match octet {
                b'0'..=b'9' => {
                    *number.digits.get_mut(usize::from(number.length))? = *octet;
                    number.length += 1;
                }
                b' ' | b'-' | b'.' | b'(' | b')' => {}
                _ => return None,
            }
        }
        Some(number)
    }

    /// A number as people write it, `+` before it or not; `None` where there are no digits, too many, or anything else.
    pub(super) fn written(text: &str) -> Option<Self> {
        let octets = text.trim_ascii().as_bytes();
        Self::collect(octets.strip_prefix(b"+").unwrap_or(octets)).filter(|number| !number.digits().is_empty())
    }

    /// The first digits of international numbers, 1 to 15 of them, as people write them; `None` for anything else.
    #[must_use]
    pub fn prefix(text: &str) -> Option<Self> {
        let prefix = Self::written(text)?;
        (prefix.digits().len() <= *E164.end() && prefix.digits()[0] != b'0').then_some(prefix)
    }

    /// Its first `length` digits, at most all.
    pub(super) fn first(&self, length: usize) -> Self {
        let mut first = Self::default();
        for (to, from) in first.digits.iter_mut().zip(self.digits().iter().take(length)) {
            *to = *from;
            first.length += 1;
        }
        first
    }

    /// The same number without its first `count` digits.
    fn skip(self, count: usize) -> Self {
        let mut rest = Self { length: 0, digits: [0; LONGEST] };
        for (to, from) in rest.digits.iter_mut().zip(self.digits().iter().skip(count)) {
            *to = *from;
            rest.length += 1;
        }
        rest
    }

    pub(super) fn is_international(&self) -> bool {
        E164.contains(&self.digits().len()) && self.digits[0] != b'0'
    }
}

/// The country whose national numbers a client may write, by its calling code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    code: [u8; 3],
    length: u8,
}

impl Home {
    /// A calling code: one to three digits, the first not 0; with a `+` or without.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('+').unwrap_or(text).as_bytes();
        let is_code = (1..=3).contains(&digits.len()) && digits[0] != b'0' && digits.iter().all(u8::is_ascii_digit);
        let mut code = [0; 3];
        code.get_mut(..digits.len()).filter(|_| is_code)?.copy_from_slice(digits);
        Some(Self { code, length: digits.len() as u8 })
    }

    /// Its digits.
    #[must_use]
    pub fn code(&self) -> &[u8] {
        self.code.get(..usize::from(self.length)).unwrap_or(&[])
    }

    /// As [`destination`], where a number of type national (2), or of unknown type (0) with a single 0 before it, is one
    /// of this country, and 00 before one of unknown type is the international prefix. The 0 before a national number is
    /// not part of it, but in Italy it is.
    ///
    /// # Errors
    /// As [`destination`].
    pub fn destination(self, address: &Address) -> Result<Number, CommandStatus> {
        const KEEPS_ZERO: &[u8] = b"39";
        let refused = match destination(address) {
            Ok(number) => return Ok(number),
            Err(status) if status == CommandStatus::ESME_RINVDSTADR => status,
            Err(status) => return Err(status),
        };
        let number = Number::collect(address.octets().trim_ascii_start()).ok_or(refused)?;
        let (digits, ton) = (number.digits(), address.ton());
        if ton == ton::UNKNOWN && digits.starts_with(b"00") {
            return Some(number.skip(2)).filter(Number::is_international).ok_or(refused);
        }
        let is_national = ton == ton::NATIONAL || (ton == ton::UNKNOWN && digits.starts_with(b"0"));
        if !is_national || digits.starts_with(b"00") {
            return Err(refused);
        }
        let digits = digits.strip_prefix(b"0").filter(|_| self.code() != KEEPS_ZERO).unwrap_or(digits);
        let whole = [self.code(), digits].concat();
        Number::collect(&whole).filter(Number::is_international).ok_or(refused)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Number({} digits)", self.length)
    }
}

/// Types of number. SMPP 3.4 §5.2.5.
pub(super) mod ton {
    pub(in crate::policy) const UNKNOWN: u8 = 0;
    pub(in crate::policy) const INTERNATIONAL: u8 = 1;
    pub(in crate::policy) const NATIONAL: u8 = 2;
    pub(in crate::policy) const NETWORK_SPECIFIC: u8 = 3;
    pub(in crate::policy) const ALPHANUMERIC: u8 = 5;
    pub(in crate::policy) const ABBREVIATED: u8 = 6;
}

/// Whether SMPP 3.4 §5.2.6 names this numbering plan.
fn is_known_plan(npi: u8) -> bool {
    matches!(npi, 0 | 1 | 3 | 4 | 6 | 8 | 9 | 10 | 14 | 18)
}

/// The international number of a destination.
///
/// # Errors
/// `ESME_RINVDSTTON` and `ESME_RINVDSTNPI` for reserved values; `ESME_RINVDSTADR` for anything but an international
/// number: 7 to 15 digits, not starting with 0, after one `+` (any type of number) or one `00` (type international),
/// with punctuation between digits ignored.
pub fn destination(address: &Address) -> Result<Number, CommandStatus> {
    let number = destination_or_short(address)?;
    if number.is_short_code() { Err(CommandStatus::ESME_RINVDSTADR) } else { Ok(number) }
}

/// As [`destination`], with short codes of 3 to 6 digits let through: the caller knows their country.
///
/// # Errors
/// As [`destination`].
pub fn destination_or_short(address: &Address) -> Result<Number, CommandStatus> {
    const REFUSED: CommandStatus = CommandStatus::ESME_RINVDSTADR;
    let ton = address.ton();
    if ton > ton::ABBREVIATED {
        return Err(CommandStatus::ESME_RINVDSTTON);
    }
    if !is_known_plan(address.npi()) {
        return Err(CommandStatus::ESME_RINVDSTNPI);
    }
    let octets = address.octets().trim_ascii_start();
    if let Some(rest) = octets.strip_prefix(b"+") {
        return Number::collect(rest).filter(Number::is_international).ok_or(REFUSED);
    }
    let number = Number::collect(octets).ok_or(REFUSED)?;
    match ton {
        ton::INTERNATIONAL if number.digits().starts_with(b"00") => {
            Some(number.skip(2)).filter(Number::is_international).ok_or(REFUSED)
        }
        ton::UNKNOWN | ton::INTERNATIONAL if number.is_international() => Ok(number),
        ton::UNKNOWN | ton::INTERNATIONAL | ton::NETWORK_SPECIFIC | ton::ABBREVIATED if number.is_short_code() => {
            Ok(number)
        }
        _ => Err(REFUSED),
    }
}

/// As [`destination`], for a client whose national numbers are those of `home`.
///
/// # Errors
/// As [`destination`].
pub fn dialled_from(home: Option<Home>, address: &Address) -> Result<Number, CommandStatus> {
    match home {
        None => destination(address),
        Some(home) => home.destination(address),
    }
}

/// The number a handset sent to, of whatever kind: international, national or a short code. For looking it up as an
/// operator wrote it; says nothing about where it is. `None` where the address is no number.
#[must_use]
pub fn dialled(address: &Address) -> Option<Number> {
    let octets = address.octets().trim_ascii_start();
    let plus = octets.strip_prefix(b"+");
    let number = Number::collect(plus.unwrap_or(octets)).filter(|number| !number.digits().is_empty())?;
    let is_prefixed = plus.is_none() && address.ton() == ton::INTERNATIONAL && number.digits().starts_with(b"00");
    Some(if is_prefixed { number.skip(2) } else { number })
}

/// Whether a source address can be sent: a number or a sender's name.
///
/// # Errors
/// `ESME_RINVSRCTON` and `ESME_RINVSRCNPI` for reserved values; `ESME_RINVSRCADR` for an empty address, a name of more
/// than 11 characters or with characters the GSM alphabet lacks, or a number of fewer than 3 or more than 15 digits.
pub fn source_is_valid(address: &Address) -> Result<(), CommandStatus> {
    let (ton, octets) = (address.ton(), address.octets());
    if ton > ton::ABBREVIATED {
        return Err(CommandStatus::ESME_RINVSRCTON);
    }
    if !is_known_plan(address.npi()) {
        return Err(CommandStatus::ESME_RINVSRCNPI);
    }
    let is_number = match octets.strip_prefix(b"+") {
        Some(digits) => is_source_number(ton::INTERNATIONAL, digits),
        None => ton != ton::ALPHANUMERIC && is_source_number(ton, octets),
    };
    // Digits alone are a name only where the client says so: elsewhere they are a number of a wrong length.
    let may_be_name = ton == ton::ALPHANUMERIC || octets.iter().any(u8::is_ascii_alphabetic);
    if is_number || may_be_name && is_name(octets) { Ok(()) } else { Err(CommandStatus::ESME_RINVSRCADR) }
}

fn is_source_number(ton: u8, digits: &[u8]) -> bool {
    // "00" before an international number is a common mistake that carriers forgive; a single 0 is a national number.
    let digits = match digits.strip_prefix(b"00") {
        Some(rest) if ton == ton::INTERNATIONAL => rest,
        _ => digits,
    };
    let length = digits.len();
    let starts_well = ton != ton::INTERNATIONAL || digits.first() != Some(&b'0');
    starts_well && (3..=15).contains(&length) && digits.iter().all(u8::is_ascii_digit)
}

/// Whether `octets` are a sender's name: the handset's field holds 11 characters of the GSM alphabet.
fn is_name(octets: &[u8]) -> bool {
    (1..=11).contains(&octets.len()) && octets.iter().copied().all(is_gsm_printable)
}

/// Whether the GSM 03.38 basic table has this character of ISO 8859-1, control characters aside.
fn is_gsm_printable(octet: u8) -> bool {
    match octet {
        b'[' | b'\\' | b']' | b'^' | b'`' | b'{' | b'|' | b'}' | b'~' => false,
        b' '..=b'~' => true,
        // ¡ £ ¤ ¥ § ¿ Ä Å Æ Ç É Ñ Ö Ø Ü ß à ä å æ è é ì ñ ò ö ø ù ü
        0xA1 | 0xA3 | 0xA4 | 0xA5 | 0xA7 | 0xBF | 0xC4 | 0xC5 | 0xC6 | 0xC7 | 0xC9 | 0xD1 | 0xD6 | 0xD8 | 0xDC
        | 0xDF | 0xE0 | 0xE4 | 0xE5 | 0xE6 | 0xE8 | 0xE9 | 0xEC | 0xF1 | 0xF2 | 0xF6 | 0xF8 | 0xF9 | 0xFC => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: CommandStatus = CommandStatus::ESME_RINVDSTADR;

    fn address(ton: u8, npi: u8, octets: &[u8]) -> Address {
        Address::new(ton, npi, octets).unwrap()
    }

    fn to(ton: u8, octets: &str) -> Result<String, CommandStatus> {
        destination(&address(ton, 1, octets.as_bytes()))
            .map(|number| String::from_utf8(number.digits().to_vec()).unwrap())
    }

    #[test]
    fn one_number_has_one_form() {
        for (ton, octets) in [
            (1, "4791234567"),
            (0, "4791234567"),
            (1, "+4791234567"),
            (2, "+4791234567"),
            (1, "004791234567"),
            (1, " +47 912-34.567"),
            (0, "(47)91234567"),
        ] {
            assert_eq!(to(ton, octets), Ok("4791234567".to_owned()), "{ton} {octets}");
        }
    }

    #[test]
    fn what_would_be_a_guess_is_refused() {
        for (ton, octets) in [
            (0, "004791234567"),
            (1, "0791234567"),
            (2, "4791234567"),
            (2, "91234567"),
            (3, "4791234567"),
            (4, "4791234567"),
            (5, "4791234567"),
            (6, "4791234567"),
            (1, ""),
            (1, "+"),
            (1, "++4791234567"),
            (1, "+004791234567"),
            (1, "1234567890123456"),
            (1, "47912345x7"),
            (1, "Acme"),
            (1, "47+91234567"),
            (1, "12345678901234567890"),
            (1, "\u{0661}\u{0662}\u{0663}4567890"),
        ] {
            assert_eq!(to(ton, octets), Err(REFUSED), "{ton} {octets}");
        }
    }

    #[test]
    fn national_numbers_are_read_where_the_country_is_known() {
        let from = |code: &str, ton, octets: &str| {
            let home = Home::parse(code).unwrap();
            let number = home.destination(&address(ton, 1, octets.as_bytes()));
            number.map(|number| String::from_utf8(number.digits().to_vec()).unwrap())
        };
        for (code, ton, octets, expected) in [
            ("47", 2, "91234567", "4791234567"),
            ("+47", 2, "912 34 567", "4791234567"),
            ("46", 2, "0701234567", "46701234567"),
            ("46", 0, "070-123 45 67", "46701234567"),
            ("46", 0, "0046701234567", "46701234567"),
            ("46", 0, "4791234567", "4791234567"),
            ("46", 1, "+4791234567", "4791234567"),
            ("39", 2, "0612345678", "390612345678"),
            ("1", 2, "2125550123", "12125550123"),
        ] {
            assert_eq!(from(code, ton, octets).as_deref(), Ok(expected), "{code} {ton} {octets}");
        }
        for (ton, octets) in [(1, "0701234567"), (2, "00701234567"), (5, "0701234567"), (2, "07x"), (2, ""), (2, "012")]
        {
            assert_eq!(from("46", ton, octets), Err(REFUSED), "{ton} {octets}");
        }
        for wrong in ["", "0", "047", "1234", "4x", "++4"] {
            assert_eq!(Home::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn shortest_and_longest_pass() {
        assert_eq!(to(1, "2904567"), Ok("2904567".to_owned()));
        assert_eq!(to(1, "+123456789012345"), Ok("123456789012345".to_owned()));
        assert_eq!(to(1, "+1234567890123456"), Err(REFUSED));
    }

    #[test]
    fn short_codes_need_a_caller_who_knows_their_country() {
        for (ton, octets, accepted) in
            [(0, "2440", true), (3, "026", true), (6, "12345", true), (1, "123456", true), (2, "2440", false)]
        {
            assert_eq!(destination(&address(ton, 0, octets.as_bytes())), Err(REFUSED));
            let number = destination_or_short(&address(ton, 0, octets.as_bytes()));
            assert_eq!(number.is_ok_and(|number| number.is_short_code()), accepted, "{ton} {octets}");
        }
        assert_eq!(destination_or_short(&address(0, 0, b"12")), Err(REFUSED));
        assert_eq!(destination_or_short(&address(0, 0, b"+12345")), Err(REFUSED));
    }

    #[test]
    fn reserved_types_and_plans_have_their_own_status() {
        for value in 0..=255 {
            let ton = destination(&address(value, 1, b"+4791234567")).err();
            assert_eq!(ton, (value > 6).then_some(CommandStatus::ESME_RINVDSTTON));
            let npi = destination(&address(1, value, b"4791234567")).err();
            let known = [0, 1, 3, 4, 6, 8, 9, 10, 14, 18].contains(&value);
            assert_eq!(npi, (!known).then_some(CommandStatus::ESME_RINVDSTNPI));
            assert_eq!(
                source_is_valid(&address(value, 1, b"+4791234567")).err(),
                (value > 6).then_some(CommandStatus::ESME_RINVSRCTON)
            );
            assert_eq!(source_is_valid(&address(1, value, b"4791234567")).is_ok(), known);
        }
    }

    #[test]
    fn sources_are_numbers_or_names() {
        let refused = CommandStatus::ESME_RINVSRCADR;
        let valid: &[(u8, &[u8])] = &[
            (1, b"4791234567"),
            (1, b"+4791234567"),
            (1, b"004791234567"),
            (0, b"2440"),
            (3, b"1987"),
            (2, b"091234567"),
            (5, b"Acme"),
            (5, b"Acme & Co.+"),
            (5, b"B\xE6rum"),
            (5, b"12345"),
            (5, b"+4791234567"),
            (5, b"+47912345678"),
            (0, b"Acme"),
            (1, b"Acme24"),
            (5, b"info@acme"),
        ];
        for (ton, octets) in valid {
            assert_eq!(source_is_valid(&address(*ton, 0, octets)), Ok(()), "{ton} {octets:?}");
        }
        let invalid: &[(u8, &[u8])] = &[
            (0, b""),
            (5, b""),
            (1, b"12"),
            (1, b"0791234567"),
            (1, b"1234567890123456"),
            (5, b"123456789012"),
            (5, b"Longer than 11"),
            (5, b"Acme\n"),
            (5, b"A[c]me"),
            (5, b"\xD0cme"),
            (0, b"+"),
            (0, b"12-34-56"),
        ];
        for (ton, octets) in invalid {
            assert_eq!(source_is_valid(&address(*ton, 0, octets)), Err(refused), "{ton} {octets:?}");
        }
    }

    #[test]
    fn a_dialled_number_keeps_its_kind_and_loses_its_spelling() {
        let digits = |ton, octets: &[u8]| {
            dialled(&address(ton, 1, octets)).map(|number| String::from_utf8(number.digits().to_vec()).unwrap())
        };
        for (ton, octets, expected) in [
            (1, &b"4759440000"[..], "4759440000"),
            (1, b"+47 59 44 00 00", "4759440000"),
            (1, b"004759440000", "4759440000"),
            (0, b"004759440000", "004759440000"),
            (2, b"059440000", "059440000"),
            (3, b"2440", "2440"),
        ] {
            assert_eq!(digits(ton, octets).as_deref(), Some(expected), "{ton} {octets:?}");
        }
        for octets in [&b""[..], b"+", b" ", b"Acme", b"2440x"] {
            assert_eq!(digits(1, octets), None, "{octets:?}");
        }
        assert_eq!(Number::written("+47 59").map(|number| number.digits().to_vec()), Some(b"4759".to_vec()));
        assert_eq!(Number::written("*"), None);
    }

    #[test]
    fn debug_shows_no_digit_of_a_number() {
        let number = destination(&address(1, 1, b"4798765432")).unwrap();
        assert_eq!(format!("{number:?}"), "Number(10 digits)");
    }
}
