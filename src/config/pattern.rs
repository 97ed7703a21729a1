//! Senders and beginnings of numbers as rules name them.

use super::compile::Desk;
use super::cursor::At;
use crate::policy::{Number, SenderPattern};

impl Desk<'_> {
    /// Senders, each once.
    pub(super) fn senders(&self, key: &str, texts: &[At<String>]) -> Vec<SenderPattern> {
        let mut patterns = Vec::new();
        for text in texts {
            match SenderPattern::parse(&text.value) {
                None => {
                    let what = format!("\"{}\" can be no sender", text.value);
                    let expected =
                        "a name or number of at most 20 characters, or the beginning of some, such as \"ACME*\"";
                    self.ledger.mistake(text.at, key, what, expected);
                }
                Some(pattern) if patterns.contains(&pattern) => {
                    let what = format!("\"{}\" is there twice; case does not count", text.value);
                    self.ledger.mistake(text.at, key, what, "each sender once");
                }
                Some(pattern) => patterns.push(pattern),
            }
        }
        patterns
    }

    /// The first digits of international numbers; a `*` behind them changes nothing.
    pub(super) fn prefix(&self, key: &str, text: &At<String>) -> Option<Number> {
        let prefix = Number::prefix(text.value.strip_suffix('*').unwrap_or(&text.value));
        if prefix.is_none() {
            let what = format!("\"{}\" begins no international number", text.value);
            self.ledger.mistake(text.at, key, what, "1 to 15 digits with the country code, such as \"4790\"");
        }
        prefix
    }
}
