//! Lines of names and values, the values under each other.

use std::fmt::{self, Write};

const NAME_WIDTH: usize = 28;

/// The text being written.
#[derive(Default)]
pub(super) struct Sheet(String);

impl Sheet {
    /// Begins a PDU.
    pub(super) fn title(&mut self, title: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(title);
        self.0.push('\n');
    }

    /// A field.
    pub(super) fn field(&mut self, name: impl fmt::Display, value: impl fmt::Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "  {:NAME_WIDTH$} {value}", name.to_string());
    }

    /// All lines.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}
