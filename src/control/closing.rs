//! Closed accounts: the stages that their records go through, and who may still give them back. Values and rules; part of
//! [`super::Standing`].
//!
//! The deadlines are written down when an account is closed: a longer period configured later does not move them.

use serde::{Deserialize, Serialize};

use crate::clock::Unix;
use crate::policy::Retention;

/// How long the first of two operators waits for the second.
const SECOND_WITHIN_MS: u64 = 24 * 3_600_000;

/// A closed account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Closing {
    /// When it was closed, Unix milliseconds.
    pub at_ms: u64,
    /// The client's documented instruction.
    pub instruction: String,
    /// When the client can no longer have the records back by itself.
    pub aside_until_ms: u64,
    /// When the records are destroyed.
    pub sealed_until_ms: u64,
    /// Who asked first to give sealed records back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// Whether the records are destroyed.
    #[serde(default)]
    pub destroyed: bool,
}

/// A first operator who asked to open what is sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The operator.
    pub by: String,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

/// What a closed account's records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nobody sees them, and the client may have them back.
    Aside,
    /// Only two operators together may give them back.
    Sealed,
    /// Their time is over: they are being destroyed.
    Over,
    /// There are none.
    Destroyed,
}

/// What becomes of a request to reopen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopening {
    /// It is open, with its records.
    Restored,
    /// It is open, and has no records.
    Empty,
    /// A second operator has to ask too.
    NeedsSecond,
    /// The same operator asked twice.
    SamePerson,
    /// The records are being destroyed.
    TooLate,
}

impl Closing {
    /// Closes at `now`.
    #[must_use]
    pub fn new(now: Unix, instruction: String, retention: &Retention) -> Self {
        let aside = now.after(retention.set_aside);
        Self {
            at_ms: now.0,
            instruction,
            aside_until_ms: aside.0,
            sealed_until_ms: aside.after(retention.sealed).0,
            asked: None,
            destroyed: false,
        }
    }

    /// What its records are at `now`.
    #[must_use]
    pub fn stage(&self, now: Unix) -> Stage {
        match now.0 {
            _ if self.destroyed => Stage::Destroyed,
            now if now < self.aside_until_ms => Stage::Aside,
            now if now < self.sealed_until_ms => Stage::Sealed,
            _ => Stage::Over,
        }
    }

    /// An operator asks to reopen it. Where the answer is [`Reopening::NeedsSecond`], this is remembered here.
    pub fn reopen(&mut self, by: &str, now: Unix) -> Reopening {
        match self.stage(now) {
            Stage::Aside => Reopening::Restored,
            Stage::Destroyed => Reopening::Empty,
            Stage::Over => Reopening::TooLate,
            Stage::Sealed => {
                let asked = self.asked.as_ref().filter(|asked| now.0.saturating_sub(asked.at_ms) < SECOND_WITHIN_MS);
                match asked {
                    Some(asked) if asked.by == by => Reopening::SamePerson,
                    Some(_) => Reopening::Restored,
                    None => {
                        self.asked = Some(Asked { by: by.to_owned(), at_ms: now.0 });
                        Reopening::NeedsSecond
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn day(day: u64) -> Unix {
        Unix(1_000 + day * 86_400_000)
    }

    fn closed() -> Closing {
        Closing::new(day(0), "letter 7".into(), &Retention::default())
    }

    #[test]
    fn sixty_days_aside_and_sixty_sealed() {
        for (at, stage) in
            [(0, Stage::Aside), (59, Stage::Aside), (60, Stage::Sealed), (119, Stage::Sealed), (120, Stage::Over)]
        {
            assert_eq!(closed().stage(day(at)), stage, "day {at}");
        }
        assert_eq!(closed().stage(Unix(day(60).0 - 1)), Stage::Aside);
        assert_eq!(Closing { destroyed: true, ..closed() }.stage(day(0)), Stage::Destroyed);
        let none = Retention { set_aside: Duration::ZERO, sealed: Duration::ZERO, ..Retention::default() };
        assert_eq!(Closing::new(day(0), String::new(), &none).stage(day(0)), Stage::Over, "both can be skipped");
        let short = Retention { set_aside: DAY, sealed: Duration::ZERO, ..Retention::default() };
        assert_eq!(Closing::new(day(0), String::new(), &short).stage(day(1)), Stage::Over);
    }

    #[test]
    fn the_client_alone_then_two_operators_then_nobody() {
        assert_eq!(closed().reopen("Kari", day(59)), Reopening::Restored);
        let mut sealed = closed();
        assert_eq!(sealed.reopen("Kari", day(61)), Reopening::NeedsSecond);
        assert_eq!(sealed.reopen("Kari", day(61)), Reopening::SamePerson);
        assert_eq!(sealed.clone().reopen("Ola", day(61)), Reopening::Restored);
        assert_eq!(sealed.clone().reopen("Ola", day(62)), Reopening::NeedsSecond, "a day later it begins again");
        assert_eq!(sealed.reopen("Ola", day(121)), Reopening::TooLate);
        sealed.destroyed = true;
        assert_eq!(sealed.reopen("Kari", day(130)), Reopening::Empty);
    }
}
