//! Name and password out of a head: HTTP Basic, RFC 7617. Verifies nothing.

use crate::control::request::Login;

/// What a head with `Authorization: Basic` says; `None` for anything else.
pub(super) fn basic(value: &[u8]) -> Option<Login> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = String::from_utf8(base64(rest.trim_ascii())?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some(Login { name: name.to_owned(), password: password.to_owned() })
}

/// Base64 of RFC 4648 §4, whole and without anything else in it.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let padding = text.iter().rev().take_while(|letter| **letter == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let digits = &text[..text.len() - padding];
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from((bits >> held) & 0xFF).ok()?);
            bits &= (1 << held) - 1;
        }
    }
    // What is left over must say nothing.
    (bits == 0).then_some(octets)
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
