//! What a text from a handset says of the account that it is for: that its sender wants no more messages, or wants them
//! again.
//!
//! As first word a word to opt out is enough, whatever follows, for somebody who says stop and more means it all the same; a
//! word to opt in counts only where it is all that the text says. Knows no numbers, and keeps no list.

use super::inbound::{AROUND, Keyword, characters};
use crate::pdu::Sm;

/// Octets of a text that are looked at: a short message.
const LOOKED_AT: usize = 160;

/// What the sender of a text wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// No more messages.
    Out,
    /// Messages again.
    In,
}

/// How a number came on a list. The octet of each is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedBy {
    /// Its owner said so in a message.
    Word = 0,
    /// An operator put it there, on the client's instruction.
    Operator = 1,
}

/// The words that an account listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOutWords {
    out: Vec<Keyword>,
    back: Vec<Keyword>,
}

/// The words to opt out, unless configured: what handbooks of operators name, and what is said so in Norway, Sweden,
/// Denmark and Germany. Such as also answer to questions ("end", "cancel", "no") are not among them.
pub const OUT_WORDS: [&str; 6] = ["STOP", "STOPP", "STOPALL", "UNSUBSCRIBE", "AVMELD", "AFMELD"];

/// The words to opt in again, unless configured.
pub const IN_WORDS: [&str; 2] = ["START", "UNSTOP"];

impl ListedBy {
    /// In a word; `other` for an octet that is not known here.
    #[must_use]
    pub fn name(octet: u8) -> &'static str {
        match octet {
            0 => "word",
            1 => "operator",
            _ => "other",
        }
    }
}

impl Default for OptOutWords {
    fn default() -> Self {
        let keywords = |words: &[&str]| words.iter().filter_map(|word| Keyword::parse(word)).collect();
        Self::new(keywords(&OUT_WORDS), keywords(&IN_WORDS))
    }
}

impl OptOutWords {
    /// These words. One that is in both lists is a word to opt out.
    #[must_use]
    pub fn new(out: Vec<Keyword>, back: Vec<Keyword>) -> Self {
        Self { out, back }
    }

    /// What a message says. Of a long one, which comes in parts, only the first part is listened to, and only for words to
    /// opt out. `None` also where the coding has no characters that are known: see [`super::inbound::first_word`].
    #[must_use]
    pub fn heard(&self, sm: &Sm<'_>) -> Option<Wish> {
        let part = sm.part();
        if part.is_some_and(|part| part.number > 1) {
            return None;
        }
        let is_whole = part.is_none() && sm.words().len() <= LOOKED_AT;
        self.said(&characters(sm, LOOKED_AT)?, is_whole)
    }

    /// The same of a text that is known as characters, and as a whole or not.
    fn said(&self, text: &str, is_whole: bool) -> Option<Wish> {
        let text = text.trim_matches(is_around);
        let first = text.split_whitespace().next()?;
        if says(first, &self.out) {
            return Some(Wish::Out);
        }
        (is_whole && says(text, &self.back)).then_some(Wish::In)
    }
}

/// Whether a character beside the words of a text says nothing.
fn is_around(character: char) -> bool {
    character.is_whitespace() || character.is_control() || AROUND.contains(&character)
}

/// Whether a word is one of these, whatever its case and with or without signs around it.
fn says(word: &str, keywords: &[Keyword]) -> bool {
    let (plain, bare) = (word.trim_matches(AROUND), word.trim_matches(|character: char| !character.is_alphanumeric()));
    let (plain, bare) = (plain.to_lowercase(), bare.to_lowercase());
    keywords.iter().any(|own| own.as_str() == plain || own.as_str() == bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::encode_gsm;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_be_bytes).collect()
    }

    fn heard(words: &OptOutWords, data_coding: u8, octets: &[u8]) -> Option<Wish> {
        words.heard(&Sm { data_coding, short_message: octets, ..Sm::default() })
    }

    #[test]
    fn a_word_to_opt_out_counts_as_first_word_and_one_to_opt_in_alone() {
        let words = OptOutWords::default();
        for (text, wish) in [
            ("STOP", Some(Wish::Out)),
            ("stop", Some(Wish::Out)),
            ("Stop.", Some(Wish::Out)),
            ("  \r\n\"STOPP\"!!", Some(Wish::Out)),
            ("(stop)", Some(Wish::Out)),
            ("*STOP*", Some(Wish::Out)),
            ("Stop sending me this", Some(Wish::Out)),
            ("STOP ALL", Some(Wish::Out)),
            ("STOP\0", Some(Wish::Out)),
            ("avmeld", Some(Wish::Out)),
            ("START", Some(Wish::In)),
            (" start! ", Some(Wish::In)),
            ("Start on Monday?", None),
            ("please stop", None),
            ("nonstop", None),
            ("STOPPED", None),
            ("S T O P", None),
            ("ST0P", None),
            ("", None),
            (" .,! ", None),
        ] {
            assert_eq!(words.said(text, true), wish, "{text:?}");
        }
        assert_eq!(words.said("START", false), None, "more of it is to come");
        assert_eq!(words.said("STOP", false), Some(Wish::Out));
    }

    #[test]
    fn it_is_heard_in_every_alphabet_that_has_characters() {
        let keyword = |word| Keyword::parse(word).expect("a word");
        let words = OptOutWords::new(vec![keyword("STOPP"), keyword("opphør")], vec![keyword("på")]);
        for (text, wish) in [("Stopp", Wish::Out), ("OPPHØR nå", Wish::Out), ("opphør", Wish::Out), ("PÅ.", Wish::In)]
        {
            let gsm = encode_gsm(text).expect("GSM has it");
            let latin: Vec<u8> = text.chars().map(|character| u32::from(character) as u8).collect();
            for (data_coding, octets) in [(0, &gsm), (0xF1, &gsm), (3, &latin), (8, &utf16(text)), (0x18, &utf16(text))]
            {
                assert_eq!(heard(&words, data_coding, octets), Some(wish), "{text} with {data_coding:#x}");
            }
            assert_eq!(heard(&words, 4, &gsm), None, "octets are no text");
        }
        assert_eq!(heard(&words, 8, &[0xFE, 0xFF, 0, b'S', 0, b't', 0, b'o', 0, b'p', 0, b'p', 0]), Some(Wish::Out));
    }

    #[test]
    fn of_a_long_text_the_first_part_is_heard() {
        let words = OptOutWords::default();
        let part = |number, text: &[u8]| {
            let octets = [&[5, 0, 3, 9, 2, number][..], text].concat();
            words.heard(&Sm { esm_class: Sm::UDHI, short_message: &octets, ..Sm::default() })
        };
        assert_eq!(part(1, b"STOP and more"), Some(Wish::Out));
        assert_eq!(part(2, b"STOP and more"), None);
        assert_eq!(part(1, b"START"), None);
        let long = [&b"START"[..], &[b' '; 200], b"of something"].concat();
        assert_eq!(heard(&words, 0, &long), None);
        assert_eq!(heard(&words, 0, &[b"STOP ".as_slice(), &[b'x'; 200]].concat()), Some(Wish::Out));
    }

    #[test]
    fn every_word_that_is_meant_without_a_configuration_is_one() {
        let words = OptOutWords::default();
        assert_eq!((words.out.len(), words.back.len()), (OUT_WORDS.len(), IN_WORDS.len()));
        assert!(words.back.iter().all(|word| !words.out.contains(word)));
        assert_eq!([0, 1, 7].map(ListedBy::name), ["word", "operator", "other"]);
    }
}
