//! Name and password out of a head: HTTP Basic, RFC 7617. Verifies nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::control::request::Login;

/// What a head with `Authorization: Basic` says; `None` for anything else.
pub(super) fn basic(value: &[u8]) -> Option<Login> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest.trim_ascii()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Login { name: name.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_to_the_last_bit() {
        let login = basic(b"Basic S2FyaSBOb3JkbWFubjpzZTpjcmV0").unwrap();
        assert_eq!((login.name.as_str(), login.password.as_str()), ("Kari Nordmann", "se:cret"));
        let login = basic(b"bASIC  w6U6w7g= ").unwrap();
        assert_eq!((login.name.as_str(), login.password.as_str()), ("\u{e5}", "\u{f8}"));
        assert_eq!(basic(b"Basic Og==").map(|login| login.name), Some(String::new()));
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Bearer Og==",
            "Basic Og=",
            "Basic Og",
            "Basic O===",
            "Basic Oh==",
            "Basic O g==",
            "Basic /w==",
            "Basic S2FyaQ==",
            "Basic Og==Og==",
        ] {
            assert!(basic(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
