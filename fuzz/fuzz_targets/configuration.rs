//! No text in a configuration's place makes its reader panic: it is taken, or every mistake has a place in the text and says
//! what was expected.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use smppgate::config::Config;

fuzz_target!(|text: &str| {
    let path = Path::new("there-is-no-such-folder/smppgate.toml");
    if let Err(mistakes) = Config::parse(path, text) {
        assert!(!mistakes.0.is_empty());
        let lines = text.lines().count().max(1);
        for mistake in &mistakes.0 {
            assert!(mistake.line >= 1 && mistake.line as usize <= lines + 1);
            // What is no TOML says what was expected in its own words.
            assert!(mistake.column >= 1 && (!mistake.expected.is_empty() || mistake.what.starts_with("not TOML")));
        }
    }
});
