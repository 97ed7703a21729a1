//! Why something that an operator asked is not done: a kind for programs, words for people.
//!
//! Over the control socket only the words travel; the HTTP interface makes its status of the kind.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::Denied;

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// It was permitted and did not succeed.
    #[default]
    Failed,
    /// What was asked makes no sense as it is: asking again the same changes nothing.
    Unwanted,
    /// Nobody knows who asks.
    Stranger,
    /// Too many wrong passwords came before: seconds to wait.
    TooSoon(u64),
    /// Whoever asks may not do that.
    Denied,
    /// What it names does not exist.
    Unknown,
    /// It does not fit how things stand.
    Conflict,
    /// It cannot be done now.
    Unavailable,
}

/// A refusal. Its words never hold a number or a text of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Refusal {
    /// For programs.
    pub kind: Kind,
    /// For people.
    pub text: String,
}

impl Refusal {
    /// A refusal.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// [`Kind::Unwanted`].
    pub fn unwanted(text: impl Into<String>) -> Self {
        Self::new(Kind::Unwanted, text)
    }

    /// [`Kind::Denied`].
    pub fn denied(text: impl Into<String>) -> Self {
        Self::new(Kind::Denied, text)
    }

    /// [`Kind::Unknown`].
    pub fn unknown(text: impl Into<String>) -> Self {
        Self::new(Kind::Unknown, text)
    }

    /// [`Kind::Conflict`].
    pub fn conflict(text: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, text)
    }

    /// [`Kind::Unavailable`].
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, text)
    }
}

/// What failed on the way, in the words of whoever failed.
impl From<String> for Refusal {
    fn from(text: String) -> Self {
        Self::new(Kind::Failed, text)
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        Self::denied(denied.to_string())
    }
}

impl From<Refusal> for String {
    fn from(refusal: Refusal) -> Self {
        refusal.text
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
