//! Which account gets a message from a handset: by the number it was sent to, by its first word, and by the carrier that
//! brought it.
//!
//! Of the rules that fit, the one with the longest number wins (a whole number before any prefix), then the one with a
//! keyword, then the one that names the carrier. Keeps nothing of messages, and does not join their parts.

use std::collections::BTreeMap;
use std::fmt;

use super::number::Number;
use crate::pdu::{Sm, decode_gsm};

/// Most characters of a keyword; a longer first word is none.
pub const KEYWORD_MAX: usize = 32;

/// Octets of a text in which its first word is looked for: blanks, the longest keyword in UCS-2, and what closes it.
const LOOKED_AT: usize = 160;

/// Left out around a word: people end sentences and quote.
pub(super) const AROUND: [char; 9] = ['.', ',', ';', ':', '!', '?', '"', '\'', '\u{FEFF}'];

/// Numbers that a rule is for: a whole number, or all that begin with some digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    number: Number,
    is_prefix: bool,
}

/// A first word that a rule asks for, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keyword(String);

/// A rule as an operator wrote it. Accounts and carriers are positions in [`super::Policy`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundRule {
    /// Numbers it is for.
    pub to: Vec<Target>,
    /// First words it is for; empty for any text.
    pub keywords: Vec<Keyword>,
    /// Carriers it is for; empty for all.
    pub carriers: Vec<u16>,
    /// Who gets the message.
    pub account: u16,
}

/// Why a message goes where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inbound<'a> {
    /// Who gets it.
    pub account: u16,
    /// Position of the rule, counted from 0.
    pub rule: u16,
    /// Digits of the rule's number that fitted.
    pub matched_digits: usize,
    /// Whether they are the whole number.
    pub is_whole: bool,
    /// The keyword that fitted, where the rule asks for one.
    pub keyword: Option<&'a Keyword>,
    /// Whether the rule names the carrier.
    pub names_carrier: bool,
}

/// One number, keyword and carrier of a rule.
#[derive(Clone, Debug)]
struct Choice {
    keyword: Option<Keyword>,
    carrier: Option<u16>,
    rule: u16,
    account: u16,
}

/// All rules, found by number.
#[derive(Clone, Debug, Default)]
pub struct Inbounds {
    rules: Vec<InboundRule>,
    /// By number; of one number the choices in the order in which they are tried.
    by_target: BTreeMap<Target, Vec<Choice>>,
    longest_prefix: usize,
}

impl Target {
    /// A number, or the beginning of one with `*` behind it; `*` alone is every number. Written as people write numbers.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim_ascii().strip_suffix('*') {
            Some("") => Some(Self { number: Number::default(), is_prefix: true }),
            Some(digits) => Number::written(digits).map(|number| Self { number, is_prefix: true }),
            None => Number::written(text).map(|number| Self { number, is_prefix: false }),
        }
    }

    /// Whether it is the beginning of numbers.
    #[must_use]
    pub fn is_prefix(&self) -> bool {
        self.is_prefix
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({} digits{})", self.number.digits().len(), if self.is_prefix { " and more" } else { "" })
    }
}

impl Keyword {
    /// A word as it may begin a text; `None` when it is empty, has blanks, has punctuation around it that a first word
    /// loses, or is longer than [`KEYWORD_MAX`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.to_lowercase();
        let is_whole = !text.is_empty() && word.trim_matches(AROUND) == word;
        let is_word = !word.contains(char::is_whitespace) && word.chars().count() <= KEYWORD_MAX;
        (is_whole && is_word).then_some(Self(word))
    }

    /// The word, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Inbounds {
    /// Puts rules together. Where two say the same of one number, keyword and carrier, the first one counts.
    #[must_use]
    pub fn new(rules: Vec<InboundRule>) -> Self {
        let mut by_target: BTreeMap<Target, Vec<Choice>> = BTreeMap::new();
        for (rule, own) in (0_u16..).zip(&rules) {
            for target in &own.to {
                let choices = by_target.entry(*target).or_default();
                for keyword in each_or_any(&own.keywords) {
                    for carrier in each_or_any(&own.carriers) {
                        choices.push(Choice { keyword: keyword.clone(), carrier, rule, account: own.account });
                    }
                }
            }
        }
        for choices in by_target.values_mut() {
            choices.sort_by_key(|choice| (choice.keyword.is_none(), choice.carrier.is_none()));
        }
        let prefixes = by_target.keys().filter(|target| target.is_prefix);
        let longest_prefix = prefixes.map(|target| target.number.digits().len()).max().unwrap_or(0);
        Self { rules, by_target, longest_prefix }
    }

    /// All rules, in the order given.
    #[must_use]
    pub fn rules(&self) -> &[InboundRule] {
        &self.rules
    }

    /// Who gets a message to `number` whose first word is `word`, and why; `None` for nobody.
    #[must_use]
    pub fn find(&self, carrier: u16, number: &Number, word: Option<&str>) -> Option<Inbound<'_>> {
        self.steps(number).find_map(|(target, choices)| {
            let fits = |choice: &&Choice| {
                choice.carrier.is_none_or(|own| own == carrier)
                    && choice.keyword.as_ref().is_none_or(|own| word == Some(own.as_str()))
            };
            choices.iter().find(fits).map(|choice| Inbound {
                account: choice.account,
                rule: choice.rule,
                matched_digits: target.number.digits().len(),
                is_whole: !target.is_prefix,
                keyword: choice.keyword.as_ref(),
                names_carrier: choice.carrier.is_some(),
            })
        })
    }

    /// Whether the first word of a message to `number` has a say.
    #[must_use]
    pub fn reads_word(&self, carrier: u16, number: &Number) -> bool {
        let says = |choice: &Choice| choice.keyword.is_some() && choice.carrier.is_none_or(|own| own == carrier);
        self.steps(number).any(|(_, choices)| choices.iter().any(says))
    }

    /// What is said of the number itself, then of its beginnings, the longest first.
    fn steps(&self, number: &Number) -> impl Iterator<Item = (Target, &[Choice])> {
        let whole = Target { number: *number, is_prefix: false };
        let length = number.digits().len().min(self.longest_prefix);
        let prefixes = (0..=length).rev().map(|length| Target { number: number.first(length), is_prefix: true });
        std::iter::once(whole)
            .chain(prefixes)
            .filter_map(|target| self.by_target.get(&target).map(|choices| (target, &choices[..])))
    }
}

/// Each of some values, or once none for any.
fn each_or_any<T: Clone>(values: &[T]) -> Vec<Option<T>> {
    if values.is_empty() { vec![None] } else { values.iter().cloned().map(Some).collect() }
}

/// The first word of a message as keywords are compared: in lower case, without punctuation around it. `None` where
/// there is none, or the coding has no characters that are known here: GSM, ASCII, Latin-1 and UCS-2 are.
#[must_use]
pub fn first_word(sm: &Sm<'_>) -> Option<String> {
    word_of(&characters(sm, LOOKED_AT)?)
}

/// The text of a message in at most its first `octets`; `None` where the coding has no characters that are known here.
pub(super) fn characters(sm: &Sm<'_>, octets: usize) -> Option<String> {
    let words = sm.words();
    let words = words.get(..octets).unwrap_or(words);
    Some(match sm.data_coding {
        0x00 | 0x10..=0x13 | 0xC0..=0xDF | 0xF0..=0xF3 | 0xF8..=0xFB => decode_gsm(words),
        0x01 | 0x03 => words.iter().copied().map(char::from).collect(),
        0x08 | 0x18..=0x1B | 0xE0..=0xEF => {
            let units = words.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => return None,
    })
}

/// The first word of a text that is known as characters.
#[must_use]
pub fn word_of(text: &str) -> Option<String> {
    let text = text.trim_start_matches('\u{FEFF}');
    let word = text.split_whitespace().next()?.trim_matches(AROUND).to_lowercase();
    (!word.is_empty() && word.chars().count() <= KEYWORD_MAX).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(to: &[&str], keywords: &[&str], carriers: &[u16], account: u16) -> InboundRule {
        InboundRule {
            to: to.iter().map(|text| Target::parse(text).unwrap()).collect(),
            keywords: keywords.iter().map(|text| Keyword::parse(text).unwrap()).collect(),
            carriers: carriers.to_vec(),
            account,
        }
    }

    fn number(text: &str) -> Number {
        Number::written(text).unwrap()
    }

    #[test]
    fn the_longest_number_wins_then_the_keyword_then_the_carrier() {
        let inbounds = Inbounds::new(vec![
            rule(&["*"], &[], &[], 0),
            rule(&["47*"], &[], &[], 1),
            rule(&["4759*", "2440"], &["info", "HJELP"], &[], 2),
            rule(&["4759440000"], &[], &[], 3),
            rule(&["4759440000"], &["info"], &[], 4),
            rule(&["4759440000"], &[], &[1], 5),
            rule(&["4759440000"], &["info"], &[1], 6),
            rule(&["2440"], &[], &[2], 7),
        ]);
        for (carrier, to, word, account) in [
            (0, "4759440000", None, 3),
            (0, "4759440000", Some("info"), 4),
            (1, "4759440000", Some("info"), 6),
            (1, "4759440000", Some("hello"), 5),
            (1, "4759440000", Some("hjelp"), 5),
            (0, "47594400001", Some("info"), 2),
            (0, "4759440001", Some("hjelp"), 2),
            (0, "4759440001", Some("hello"), 1),
            (0, "475944000", None, 1),
            (0, "46701", Some("info"), 0),
            (0, "2440", Some("info"), 2),
            (0, "2440", Some("inform"), 0),
            (2, "2440", None, 7),
            (2, "2440", Some("hjelp"), 2),
            (0, "24401", Some("info"), 0),
        ] {
            let found = inbounds.find(carrier, &number(to), word).unwrap();
            assert_eq!(found.account, account, "{carrier} {to} {word:?}");
            assert_eq!(found.rule, account, "the rules are numbered like their accounts");
        }
        let why = inbounds.find(1, &number("4759440000"), Some("info")).unwrap();
        assert_eq!((why.matched_digits, why.is_whole, why.names_carrier), (10, true, true));
        assert_eq!(why.keyword.map(Keyword::as_str), Some("info"));
        assert!(inbounds.reads_word(0, &number("4759440009")));
        assert!(!inbounds.reads_word(0, &number("4790000000")));
    }

    #[test]
    fn without_a_rule_for_it_a_message_is_nobodys() {
        let inbounds = Inbounds::new(vec![rule(&["2440"], &["info"], &[1], 0), rule(&["4790*"], &[], &[], 1)]);
        for (carrier, to, word) in
            [(1, "2440", None), (1, "2440", Some("infos")), (0, "2440", Some("info")), (0, "479", None)]
        {
            assert_eq!(inbounds.find(carrier, &number(to), word), None, "{carrier} {to} {word:?}");
        }
        assert!(inbounds.find(1, &number("2440"), Some("info")).is_some());
        assert!(inbounds.find(0, &number("4790"), None).is_some());
        assert_eq!(Inbounds::default().find(0, &number("2440"), None), None);
        assert!(!inbounds.reads_word(0, &number("2440")), "the rule is another carrier's");
    }

    #[test]
    fn targets_and_keywords_are_what_people_write() {
        assert_eq!(Target::parse("+47 59 44 00 00"), Target::parse("4759440000"));
        assert_ne!(Target::parse("4759*"), Target::parse("4759"));
        for bad in ["", "+", "**", "47*59", "*47", "acme", "123456789012345678901"] {
            assert_eq!(Target::parse(bad), None, "{bad}");
        }
        assert_eq!(format!("{:?}", Target::parse("4759*").unwrap()), "Target(4 digits and more)");
        assert_eq!(Keyword::parse("INFO").map(|word| word.0).as_deref(), Some("info"));
        assert_eq!(Keyword::parse("BLÅBÆR").map(|word| word.0).as_deref(), Some("blåbær"));
        for bad in ["", "two words", "info!", "\"info", &"x".repeat(33)] {
            assert_eq!(Keyword::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_first_word_is_read_in_its_coding() {
        let word = |data_coding, text: &[u8]| first_word(&Sm { data_coding, short_message: text, ..Sm::default() });
        let wide = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        for (coding, text, expected) in [
            (0x00, b"INFO now".to_vec(), "info"),
            (0x00, b"  \nInfo.\r".to_vec(), "info"),
            (0x00, b"BL\x0EB\x1CR 2".to_vec(), "blåbær"),
            (0x10, b"STOP".to_vec(), "stop"),
            (0xF1, b"STOP".to_vec(), "stop"),
            (0x01, b"\"Stop\" it".to_vec(), "stop"),
            (0x03, b"BL\xC5B\xC6R".to_vec(), "blåbær"),
            (0x08, wide("ИНФО да"), "инфо"),
            (0x08, wide("\u{FEFF}Stop"), "stop"),
            (0xE3, wide("Stop\u{A0}it"), "stop"),
        ] {
            assert_eq!(word(coding, &text).as_deref(), Some(expected), "{coding:#x} {text:?}");
        }
        for (coding, text) in [
            (0x00, &b""[..]),
            (0x00, b"  "),
            (0x00, b"?!"),
            (0x04, b"INFO"),
            (0x02, b"INFO"),
            (0x06, b"INFO"),
            (0x08, b"\x00"),
            (0x00, &[b'x'; 33]),
        ] {
            assert_eq!(word(coding, text), None, "{coding:#x} {text:?}");
        }
        let udh = Sm { esm_class: Sm::UDHI, short_message: b"\x05\x00\x03\x07\x02\x01INFO x", ..Sm::default() };
        assert_eq!(first_word(&udh).as_deref(), Some("info"));
    }
}
