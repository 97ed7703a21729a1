//! Hexadecimal as people paste it: with blanks, colons, commas, `0x` and `\x`.

/// Why a text is no hexadecimal.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Mistake {
    /// A character that is neither digit nor separator.
    #[error("character {at}: {found:?} is no hexadecimal digit; expected 0-9 and a-f, two for each octet")]
    Character {
        /// Position in characters, from 1.
        at: usize,
        /// What stands there.
        found: char,
    },
    /// Half an octet.
    #[error("character {at}: an octet with one digit only; expected two digits for each of the {octets} octets before")]
    Half {
        /// Position of the digit in characters, from 1.
        at: usize,
        /// Whole octets before it.
        octets: usize,
    },
}

/// The octets of a text. A separator inside an octet is a mistake, as a digit is probably missing there.
pub(super) fn octets(text: &str) -> Result<Vec<u8>, Mistake> {
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut half: Option<(u8, usize)> = None;
    let mut characters = (1..).zip(text.chars()).peekable();
    while let Some((at, found)) = characters.next() {
        let is_prefix = matches!(characters.peek(), Some((_, 'x' | 'X')));
        if half.is_none() && is_prefix && matches!(found, '0' | '\\') {
            characters.next();
            continue;
        }
        let digit = found.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (digit, half) {
            (Some(digit), None) => half = Some((digit, at)),
            (Some(digit), Some((high, _))) => {
                octets.push(high << 4 | digit);
                half = None;
            }
            (None, _) if !is_separator(found) => return Err(Mistake::Character { at, found }),
            (None, Some((_, at))) => return Err(Mistake::Half { at, octets: octets.len() }),
            (None, None) => {}
        }
    }
    match half {
        Some((_, at)) => Err(Mistake::Half { at, octets: octets.len() }),
        None => Ok(octets),
    }
}

fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, ':' | ',' | ';' | '-' | '_' | '|' | '"' | '\'' | '{' | '}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_and_prefixes_are_left_out() {
        for text in ["00 1f\nA0", "00:1f:a0", "0x00, 0x1F, 0xA0", "\\x00\\x1f\\xa0", "001fA0", "{0x00,0x1f,0xa0}"] {
            assert_eq!(octets(text), Ok(vec![0x00, 0x1F, 0xA0]), "{text}");
        }
        assert_eq!(octets(" \n"), Ok(Vec::new()));
    }

    #[test]
    fn mistakes_say_where() {
        assert_eq!(octets("00 1g"), Err(Mistake::Character { at: 5, found: 'g' }));
        assert_eq!(octets("00 1 ff"), Err(Mistake::Half { at: 4, octets: 1 }));
        assert_eq!(octets("00f"), Err(Mistake::Half { at: 3, octets: 1 }));
        assert_eq!(octets("æ"), Err(Mistake::Character { at: 1, found: 'æ' }));
    }
}
