//! What an account may send, beside where: which senders, to which numbers, and with which words.
//!
//! Each screen is for some accounts and countries, and a message must pass all that are for it. Words are compared one by
//! one, in any case and without punctuation around them; a text in a coding without known characters has none, and a
//! word that is cut between two parts of a long text is not seen. Nothing is kept of messages.

use rustc_hash::FxHashSet;

use super::Policy;
use super::country::Country;
use super::inbound::{AROUND, characters};
use super::number::Number;
use super::sender::{Sender, SenderKind, SenderPattern};
use crate::pdu::Sm;

/// Octets of a text that are looked at.
const LOOKED_AT: usize = 4096;
/// Most octets of a word in a list.
pub const WORD_MAX: usize = 64;

/// A screen as an operator wrote it. An empty list asks for nothing, but `senders` and `kinds` are one list together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScreenRule {
    /// Accounts it is for, by position in [`Policy::accounts`]; empty for all.
    pub accounts: Vec<u16>,
    /// Countries it is for; empty for all.
    pub countries: Vec<Country>,
    /// Senders that are allowed.
    pub senders: Vec<SenderPattern>,
    /// Kinds of senders that are allowed, whatever they are.
    pub kinds: Vec<SenderKind>,
    /// Senders that are not, although they may be among the allowed.
    pub block_senders: Vec<SenderPattern>,
    /// First digits of numbers that get nothing.
    pub block_prefixes: Vec<Number>,
    /// Words that no text may have.
    pub block_words: Vec<Word>,
}

/// A word, or the beginning of some, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Word {
    text: Box<str>,
    is_beginning: bool,
}

impl Word {
    /// A word, or its beginning with `*` behind it. `None` when it is empty, has blanks, has punctuation around it that a
    /// word of a text loses, or is longer than [`WORD_MAX`] octets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (text, is_beginning) = match text.strip_suffix('*') {
            Some(beginning) => (beginning, true),
            None => (text, false),
        };
        let word = text.to_lowercase();
        let end = if is_beginning { word.trim_start_matches(AROUND) } else { word.trim_matches(AROUND) };
        let fits = (1..=WORD_MAX).contains(&word.len()) && end == word && !word.contains(char::is_whitespace);
        fits.then(|| Self { text: word.into(), is_beginning })
    }
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// Its sender is not among those allowed.
    SenderNotAllowed,
    /// Its sender is blocked.
    SenderBlocked,
    /// Its destination is blocked.
    DestinationBlocked,
    /// Its text has a blocked word.
    WordBlocked,
}

impl Objection {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::SenderNotAllowed, Self::SenderBlocked, Self::DestinationBlocked, Self::WordBlocked];
}

/// Senders to be found in one step for each length that there is.
#[derive(Clone, Debug, Default)]
struct Senders {
    patterns: FxHashSet<SenderPattern>,
    /// A bit for each length of a beginning.
    lengths: u32,
}

impl Senders {
    fn new(patterns: &[SenderPattern]) -> Self {
        let beginnings = patterns.iter().filter(|pattern| pattern.is_beginning());
        let lengths = beginnings.fold(0, |lengths, pattern| lengths | 1 << pattern.octets().len());
        Self { patterns: patterns.iter().copied().collect(), lengths }
    }

    fn has(&self, sender: &Sender) -> bool {
        !self.patterns.is_empty()
            && (self.patterns.contains(&sender.exactly())
                || bits(self.lengths)
                    .filter_map(|length| sender.beginning(length))
                    .any(|pattern| self.patterns.contains(&pattern)))
    }
}

/// One screen, to be looked at for a message.
#[derive(Clone, Debug)]
struct Screen {
    rule: ScreenRule,
    allowed: Senders,
    blocked: Senders,
    prefixes: FxHashSet<Number>,
    /// A bit for each length of a prefix.
    lengths: u32,
    words: FxHashSet<Word>,
    /// Lengths of the beginnings of words, in octets.
    beginnings: Vec<usize>,
}

/// All screens.
#[derive(Clone, Debug, Default)]
pub struct Screens {
    list: Vec<Screen>,
    /// Whether any looks at words.
    reads_text: bool,
}

impl Screens {
    /// Puts screens together.
    #[must_use]
    pub fn new(rules: Vec<ScreenRule>) -> Self {
        let reads_text = rules.iter().any(|rule| !rule.block_words.is_empty());
        Self { list: rules.into_iter().map(Screen::new).collect(), reads_text }
    }

    /// Whether every message passes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The screens as they were written.
    pub fn rules(&self) -> impl Iterator<Item = &ScreenRule> {
        self.list.iter().map(|screen| &screen.rule)
    }

    /// Looks at a message of the account at this position (`None` for one that is no longer configured) to a number in this
    /// country.
    ///
    /// # Errors
    /// The first screen that it does not pass, by position, and why.
    pub fn pass(
        &self,
        account: Option<u16>,
        country: Country,
        number: &Number,
        sm: &Sm<'_>,
    ) -> Result<(), (usize, Objection)> {
        let text = || characters(sm, LOOKED_AT);
        self.judge(account, country, number, Some(&Sender::of(&sm.source)), text)
    }

    /// As [`Self::pass`], with the sender, `None` for one that is not known yet, and with a text that is only made where it
    /// is looked at, `None` for one that has no known characters.
    ///
    /// # Errors
    /// As [`Self::pass`].
    pub fn judge(
        &self,
        account: Option<u16>,
        country: Country,
        number: &Number,
        sender: Option<&Sender>,
        text: impl FnOnce() -> Option<String>,
    ) -> Result<(), (usize, Objection)> {
        let own = || self.list.iter().enumerate().filter(|(_, screen)| screen.rule.is_for(account, country));
        for (index, screen) in own() {
            screen.judge_addresses(sender, number).map_err(|why| (index, why))?;
        }
        if !self.reads_text || !own().any(|(_, screen)| !screen.words.is_empty()) {
            return Ok(());
        }
        let text = text().unwrap_or_default().to_lowercase();
        for word in text.split_whitespace() {
            if let Some((index, _)) = own().find(|(_, screen)| screen.has_word(word.trim_matches(AROUND))) {
                return Err((index, Objection::WordBlocked));
            }
        }
        Ok(())
    }
}

impl ScreenRule {
    fn is_for(&self, account: Option<u16>, country: Country) -> bool {
        (self.accounts.is_empty() || account.is_some_and(|account| self.accounts.contains(&account)))
            && (self.countries.is_empty() || self.countries.contains(&country))
    }
}

impl Screen {
    fn new(rule: ScreenRule) -> Self {
        let mut beginnings: Vec<_> =
            rule.block_words.iter().filter(|word| word.is_beginning).map(|word| word.text.len()).collect();
        beginnings.sort_unstable();
        beginnings.dedup();
        Self {
            allowed: Senders::new(&rule.senders),
            blocked: Senders::new(&rule.block_senders),
            prefixes: rule.block_prefixes.iter().copied().collect(),
            lengths: rule.block_prefixes.iter().fold(0, |lengths, prefix| lengths | 1 << prefix.digits().len()),
            words: rule.block_words.iter().cloned().collect(),
            beginnings,
            rule,
        }
    }

    fn judge_addresses(&self, sender: Option<&Sender>, number: &Number) -> Result<(), Objection> {
        let asks = !(self.rule.senders.is_empty() && self.rule.kinds.is_empty());
        let allows = |sender: &Sender| self.rule.kinds.contains(&sender.kind()) || self.allowed.has(sender);
        if asks && sender.is_some_and(|sender| !allows(sender)) {
            return Err(Objection::SenderNotAllowed);
        }
        if sender.is_some_and(|sender| self.blocked.has(sender)) {
            return Err(Objection::SenderBlocked);
        }
        let digits = number.digits().len();
        let blocked = |length: usize| length <= digits && self.prefixes.contains(&number.first(length));
        if bits(self.lengths).any(blocked) {
            return Err(Objection::DestinationBlocked);
        }
        Ok(())
    }

    /// Whether a word, in lower case and without punctuation around it, is blocked.
    fn has_word(&self, word: &str) -> bool {
        let has = |text: &str, is_beginning| self.words.contains(&Word { text: text.into(), is_beginning });
        let beginnings = self.beginnings.iter().map_while(|length| (*length <= word.len()).then_some(*length));
        !self.words.is_empty()
            && !word.is_empty()
            && ((word.len() <= WORD_MAX && has(word, false))
                || beginnings.filter_map(|length| word.get(..length)).any(|beginning| has(beginning, true)))
    }
}

impl Policy {
    /// The screens that look at what the account at `account` sends to a country, by position.
    pub fn screens_of(&self, account: u16, country: Country) -> impl Iterator<Item = usize> + '_ {
        let own = self.screens.list.iter().enumerate();
        own.filter(move |(_, screen)| screen.rule.is_for(Some(account), country)).map(|(index, _)| index)
    }
}

/// The places of the bits that are set.
fn bits(bits: u32) -> impl Iterator<Item = usize> {
    (0..32_usize).filter(move |place| bits >> place & 1 == 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pdu::Address;

    const NO: &str = "NO";

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn senders(texts: &[&str]) -> Vec<SenderPattern> {
        texts.iter().map(|text| SenderPattern::parse(text).unwrap()).collect()
    }

    fn words(texts: &[&str]) -> Vec<Word> {
        texts.iter().map(|text| Word::parse(text).unwrap()).collect()
    }

    fn judge(
        screens: &Screens,
        account: u16,
        code: &str,
        sender: &str,
        to: &str,
        text: &str,
    ) -> Option<(usize, Objection)> {
        let sender = Sender::of(&Address::new(5, 0, sender.as_bytes()).unwrap());
        let (country, number) = (country(code), Number::prefix(to).unwrap());
        screens.judge(Some(account), country, &number, Some(&sender), || Some(text.to_owned())).err()
    }

    #[test]
    fn senders_are_allowed_by_pattern_or_by_kind_and_blocked_all_the_same() {
        let screens = Screens::new(vec![ScreenRule {
            senders: senders(&["ACME*", "2440"]),
            kinds: vec![SenderKind::Number],
            block_senders: senders(&["AcmeBank*", "47815*"]),
            ..ScreenRule::default()
        }]);
        for (sender, expected) in [
            ("Acme", None),
            ("ACME Oslo", None),
            ("2440", None),
            ("4791234567", None),
            ("24401", Some(Objection::SenderNotAllowed)),
            ("Acm", Some(Objection::SenderNotAllowed)),
            ("Other", Some(Objection::SenderNotAllowed)),
            ("acmebank24", Some(Objection::SenderBlocked)),
            ("4781549300", Some(Objection::SenderBlocked)),
        ] {
            let found = judge(&screens, 0, NO, sender, "4790000001", "");
            assert_eq!(found, expected.map(|why| (0, why)), "{sender}");
        }
    }

    #[test]
    fn each_screen_is_for_its_accounts_and_countries_and_all_must_be_passed() {
        let rule = |accounts: &[u16], codes: &[&str], block: &str| ScreenRule {
            accounts: accounts.to_vec(),
            countries: codes.iter().map(|code| country(code)).collect(),
            block_senders: senders(&[block]),
            ..ScreenRule::default()
        };
        let screens = Screens::new(vec![
            rule(&[], &[], "A"),
            rule(&[1], &[], "B"),
            rule(&[], &["SE"], "C"),
            rule(&[1], &["SE"], "D"),
        ]);
        let blocked = |account, code| {
            let by = |sender| judge(&screens, account, code, sender, "4790000001", "").map(|(index, _)| index);
            ["A", "B", "C", "D", "E"].map(by)
        };
        assert_eq!(blocked(0, "NO"), [Some(0), None, None, None, None]);
        assert_eq!(blocked(1, "NO"), [Some(0), Some(1), None, None, None]);
        assert_eq!(blocked(0, "SE"), [Some(0), None, Some(2), None, None]);
        assert_eq!(blocked(1, "SE"), [Some(0), Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn prefixes_of_any_length_are_blocked() {
        let block_prefixes = ["4782", "4759440000", "88"].map(|text| Number::prefix(text).unwrap()).to_vec();
        let screens = Screens::new(vec![ScreenRule { block_prefixes, ..ScreenRule::default() }]);
        for (to, blocked) in [
            ("4782123456", true),
            ("4782", true),
            ("478", false),
            ("4759440000", true),
            ("4759440001", false),
            ("8816123456", true),
        ] {
            let found = judge(&screens, 0, NO, "A", to, "");
            assert_eq!(found, blocked.then_some((0, Objection::DestinationBlocked)), "{to}");
        }
    }

    #[test]
    fn words_are_found_whole_and_by_their_beginnings() {
        let block_words = words(&["casino", "bit.ly*", "ВЫИГРЫШ", "free!ly*"]);
        let screens = Screens::new(vec![ScreenRule { block_words, ..ScreenRule::default() }]);
        for (text, blocked) in [
            ("Visit our CASINO!", true),
            ("\"casino\"", true),
            ("casinos", false),
            ("mycasino", false),
            ("go to bit.ly/abc now", true),
            ("Bit.Ly", true),
            ("a bit.l", false),
            ("ваш выигрыш: 100", true),
            ("", false),
            ("... !!!", false),
            ("æ", false),
        ] {
            let found = judge(&screens, 0, NO, "A", "4790000001", text);
            assert_eq!(found, blocked.then_some((0, Objection::WordBlocked)), "{text}");
        }
        for bad in ["", "*", "two words", "casino!", "\"casino", &"x".repeat(65)] {
            assert_eq!(Word::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_text_is_read_in_its_coding_and_not_without_need() {
        let screens = Screens::new(vec![
            ScreenRule { block_senders: senders(&["X"]), ..ScreenRule::default() },
            ScreenRule { accounts: vec![1], block_words: words(&["casino"]), ..ScreenRule::default() },
        ]);
        let number = Number::prefix("4790000001").unwrap();
        let wide: Vec<u8> = "casino".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (data_coding, text, blocked) in
            [(0, &b"a casino b"[..], true), (8, &wide, true), (3, b"CASINO", true), (4, b"casino", false)]
        {
            let sm = Sm { data_coding, short_message: text, ..Sm::default() };
            let found = screens.pass(Some(1), country(NO), &number, &sm).err();
            assert_eq!(found, blocked.then_some((1, Objection::WordBlocked)), "{data_coding}");
            assert_eq!(screens.pass(Some(0), country(NO), &number, &sm), Ok(()));
        }
        let sender = Sender::of(&Address::default());
        let unread = screens.judge(Some(0), country(NO), &number, Some(&sender), || panic!("nobody asks for the text"));
        assert_eq!(unread, Ok(()));
        assert!(Screens::default().is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", block in "\\PC{1,12}") {
            let block_words = [block.clone(), format!("{block}*")].iter().filter_map(|text| Word::parse(text)).collect();
            let screens = Screens::new(vec![ScreenRule { block_words, ..ScreenRule::default() }]);
            let _found = judge(&screens, 0, NO, "A", "4790000001", &text);
            if Word::parse(&block).is_some() {
                let found = judge(&screens, 0, NO, "A", "4790000001", &format!("{text} {block} {text}"));
                prop_assert!(found.is_some(), "{} in its own text", block);
            }
        }
    }
}
