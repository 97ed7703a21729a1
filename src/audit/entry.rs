//! One entry of the log, as a value and as canonical octets.
//!
//! Fields are length-prefixed and in a fixed order, so that one entry has one encoding. Texts lose control characters
//! and, where people write freely, numbers. Hashes nothing.

use std::fmt;

use crate::clock::Unix;

/// Format of the octets.
const VERSION: u8 = 1;
/// Most octets of a text in an entry; longer ones are cut.
pub const TEXT_MAX: usize = 400;
/// Most octets of an entry.
pub const ENTRY_MAX: usize = 1 + 8 + 8 + 2 + 8 * (2 + TEXT_MAX) + 32;
/// Digits in a row that look like a telephone number.
const NUMBER_DIGITS: usize = 9;
/// Digits after a "+" that do.
const NUMBER_DIGITS_AFTER_PLUS: usize = 6;

/// What kind of actor did something. Numbers are on disk: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ActorKind {
    /// The process itself.
    #[default]
    System = 1,
    /// A person of `[[operator]]`, or the built-in one.
    Operator = 2,
    /// A client system.
    Client = 3,
    /// Somebody who has not said who they are.
    Stranger = 4,
}

/// Who did it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Actor {
    /// What they are.
    pub kind: ActorKind,
    /// Their name in the configuration; empty for strangers.
    pub name: String,
    /// Where they came from: `uid 1001`, an IP address, or nothing.
    pub origin: String,
}

/// What it was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// Such as `account`, `link`, `operator`, `file` or `number`.
    pub kind: String,
    /// Its name or identifier; for a number, its keyed token. Never the number.
    pub id: String,
}

/// How it went. Numbers are on disk: never reuse one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Outcome {
    /// It happened.
    #[default]
    Done = 1,
    /// It was permitted and is about to happen.
    Allowed = 2,
    /// It was refused and changed nothing.
    Denied = 3,
    /// It was permitted and did not succeed.
    Failed = 4,
}

/// What is to be recorded; number, time and place in the chain come with the writing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// Who.
    pub actor: Actor,
    /// What, as a word with a dot: `account.disable`.
    pub action: String,
    /// To what.
    pub object: Object,
    /// Within which account; empty for none.
    pub account: String,
    /// The client's documented instruction; empty for none.
    pub instruction: String,
    /// Why, or a detail.
    pub reason: String,
    /// How it went.
    pub outcome: Outcome,
}

/// An entry in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When it was written, by the wall clock.
    pub at: Unix,
    /// What it says.
    pub said: Draft,
}

impl Draft {
    /// Something the process did.
    #[must_use]
    pub fn system(action: &str, reason: impl Into<String>) -> Self {
        Self { action: action.to_owned(), reason: reason.into(), ..Self::default() }
    }
}

impl Object {
    /// An object.
    #[must_use]
    pub fn new(kind: &str, id: impl Into<String>) -> Self {
        Self { kind: kind.to_owned(), id: id.into() }
    }
}

impl Entry {
    /// The canonical octets of the entry, the hash of the entry before it included.
    #[must_use]
    pub fn encode(&self, previous: &[u8; 32]) -> Vec<u8> {
        let mut octets = Vec::with_capacity(256);
        octets.push(VERSION);
        octets.extend_from_slice(&self.seq.to_be_bytes());
        octets.extend_from_slice(&self.at.0.to_be_bytes());
        octets.push(self.said.actor.kind as u8);
        octets.push(self.said.outcome as u8);
        for (text, free) in self.said.texts() {
            let text = clean(text, free);
            octets.extend_from_slice(&u16::try_from(text.len()).unwrap_or_default().to_be_bytes());
            octets.extend_from_slice(text.as_bytes());
        }
        octets.extend_from_slice(previous);
        octets
    }

    /// The entry and the hash of the one before it. `None` for octets that [`Self::encode`] cannot have written.
    #[must_use]
    pub fn decode(octets: &[u8]) -> Option<(Self, [u8; 32])> {
        let mut rest = Rest(octets);
        let [VERSION] = rest.take::<1>()? else { return None };
        let seq = u64::from_be_bytes(rest.take()?);
        let at = Unix(u64::from_be_bytes(rest.take()?));
        let [kind, outcome] = rest.take()?;
        let actor = Actor { kind: ActorKind::from_octet(kind)?, name: rest.text()?, origin: rest.text()? };
        let action = rest.text()?;
        let object = Object { kind: rest.text()?, id: rest.text()? };
        let (account, instruction, reason) = (rest.text()?, rest.text()?, rest.text()?);
        let outcome = Outcome::from_octet(outcome)?;
        let previous = rest.take()?;
        let said = Draft { actor, action, object, account, instruction, reason, outcome };
        rest.0.is_empty().then_some((Self { seq, at, said }, previous))
    }
}

impl Draft {
    /// The texts in their order on disk, and whether people write them freely.
    fn texts(&self) -> [(&str, bool); 8] {
        [
            (&self.actor.name, false),
            (&self.actor.origin, false),
            (&self.action, false),
            (&self.object.kind, false),
            (&self.object.id, false),
            (&self.account, false),
            (&self.instruction, true),
            (&self.reason, true),
        ]
    }
}

/// Octets not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (own, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*own)
    }

    fn text(&mut self) -> Option<String> {
        let length = usize::from(u16::from_be_bytes(self.take()?));
        let (own, rest) = self.0.split_at_checked(length).filter(|_| length <= TEXT_MAX)?;
        self.0 = rest;
        std::str::from_utf8(own).ok().map(str::to_owned)
    }
}

/// A text without control characters, at most [`TEXT_MAX`] octets, and without numbers where people wrote it.
fn clean(text: &str, free: bool) -> String {
    let text = if free { without_numbers(text) } else { text.to_owned() };
    let mut text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// The text with everything that looks like a telephone number replaced.
#[must_use]
pub fn without_numbers(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let plus = letters[at] == '+';
        let start = at + usize::from(plus);
        let digits = letters[start..].iter().take_while(|letter| letter.is_ascii_digit()).count();
        let spaced = if plus { spaced_digits(&letters[start..]) } else { (digits, digits) };
        let enough = if plus { NUMBER_DIGITS_AFTER_PLUS } else { NUMBER_DIGITS };
        if spaced.0 >= enough {
            out.push_str("[number]");
            at = start + spaced.1;
        } else if digits > 0 {
            out.extend(&letters[at..start + digits]);
            at = start + digits;
        } else {
            out.push(letters[at]);
            at += 1;
        }
    }
    out
}

/// Digits with single blanks, hyphens, dots or brackets between them: how many digits, over how many characters.
fn spaced_digits(letters: &[char]) -> (usize, usize) {
    let (mut digits, mut end) = (0, 0);
    for (at, letter) in letters.iter().enumerate() {
        if letter.is_ascii_digit() {
            digits += 1;
            end = at + 1;
        } else if !matches!(letter, ' ' | '-' | '.' | '(' | ')') || at > end + 1 {
            break;
        }
    }
    (digits, end)
}

impl ActorKind {
    fn from_octet(octet: u8) -> Option<Self> {
        [Self::System, Self::Operator, Self::Client, Self::Stranger].into_iter().find(|kind| *kind as u8 == octet)
    }

    /// The word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Operator => "operator",
            Self::Client => "client",
            Self::Stranger => "stranger",
        }
    }
}

impl Outcome {
    fn from_octet(octet: u8) -> Option<Self> {
        [Self::Done, Self::Allowed, Self::Denied, Self::Failed].into_iter().find(|outcome| *outcome as u8 == octet)
    }

    /// The word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

/// One line for people: number, time, actor, action, object, outcome, then what else there is.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Draft { actor, action, object, account, instruction, reason, outcome } = &self.said;
        write!(f, "{} {} {}", self.seq, self.at.moment(), actor.kind.name())?;
        if !actor.name.is_empty() {
            write!(f, " \"{}\"", actor.name)?;
        }
        if !actor.origin.is_empty() {
            write!(f, " ({})", actor.origin)?;
        }
        write!(f, " {action} {}", outcome.name())?;
        if !object.kind.is_empty() {
            write!(f, " {}={}", object.kind, object.id)?;
        }
        // An account that is the object was just named.
        let account = if object.kind == "account" && object.id == *account { "" } else { account };
        for (name, text) in [("account", account), ("instruction", instruction), ("reason", reason)] {
            if !text.is_empty() {
                write!(f, " {name}=\"{text}\"")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn full() -> Entry {
        let said = Draft {
            actor: Actor { kind: ActorKind::Operator, name: "Kari Nordmann".into(), origin: "uid 1001".into() },
            action: "account.disable".into(),
            object: Object::new("account", "acme"),
            account: "acme".into(),
            instruction: "letter 2026-17".into(),
            reason: "asked by the client".into(),
            outcome: Outcome::Allowed,
        };
        Entry { seq: 7, at: Unix(1_764_590_400_123), said }
    }

    #[test]
    fn an_entry_comes_back_whole() {
        let entry = full();
        let octets = entry.encode(&[9; 32]);
        assert_eq!(Entry::decode(&octets), Some((entry, [9; 32])));
        for length in 0..octets.len() {
            assert_eq!(Entry::decode(&octets[..length]), None, "{length} octets");
        }
        assert_eq!(Entry::decode(&[octets, vec![0]].concat()), None);
    }

    #[test]
    fn the_longest_entry_fits() {
        let mut entry = full();
        let long = "å".repeat(TEXT_MAX);
        let Draft { actor, action, object, account, instruction, reason, .. } = &mut entry.said;
        for text in
            [&mut actor.name, &mut actor.origin, action, &mut object.kind, &mut object.id, account, instruction, reason]
        {
            text.clone_from(&long);
        }
        let octets = entry.encode(&[0; 32]);
        assert!(octets.len() <= ENTRY_MAX);
        let (back, _) = Entry::decode(&octets).unwrap();
        assert_eq!(back.said.reason, "å".repeat(TEXT_MAX / 2));
    }

    #[test]
    fn what_people_write_loses_numbers_and_keeps_dates_and_references() {
        for (text, kept) in [
            ("from +47 912 34 567, again", "from [number], again"),
            ("from +4791234567", "from [number]"),
            ("4791234567 complained", "[number] complained"),
            ("(004791234567)", "([number])"),
            ("letter 2026-12-01 no. 1234", "letter 2026-12-01 no. 1234"),
            ("ticket 20261201", "ticket 20261201"),
            ("+47 only", "+47 only"),
            ("1+1", "1+1"),
            ("", ""),
            ("+", "+"),
        ] {
            assert_eq!(without_numbers(text), kept);
        }
        let mut entry = full();
        entry.said.reason = "call 4791234567\nnow".into();
        let (back, _) = Entry::decode(&entry.encode(&[0; 32])).unwrap();
        assert_eq!(back.said.reason, "call [number] now");
    }

    #[test]
    fn a_line_for_people() {
        assert_eq!(
            full().to_string(),
            "7 2025-12-01T12:00:00.123Z operator \"Kari Nordmann\" (uid 1001) account.disable allowed account=acme \
             instruction=\"letter 2026-17\" reason=\"asked by the client\""
        );
    }
}
