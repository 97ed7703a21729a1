//! The GSM 7-bit default alphabet: characters to septets and back, and septets packed into octets. 3GPP 23.038 §6.
//!
//! National language tables are not here: SMPP has no field for them, and what a client sends with them passes as it is.

/// Escapes to the extension table.
const ESCAPE: u8 = 0x1B;
/// No character of the basic table.
const NONE: u8 = 0xFF;

/// The basic table by septet. ESCAPE stands for itself.
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω',
    'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\x1B', 'Æ', 'æ', 'ß', 'É', ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+',
    ',', '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', '¡', 'A', 'B',
    'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y',
    'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
    'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];

/// The extension table: septet after the escape, and character.
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\x0C'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// Septet of each Latin-1 character of the basic table.
const LATIN: [u8; 256] = {
    let mut table = [NONE; 256];
    let mut septet = 0;
    while septet < BASIC.len() {
        let code = BASIC[septet] as usize;
        if code < table.len() && septet != ESCAPE as usize {
            table[code] = septet as u8;
        }
        septet += 1;
    }
    table
};

/// A character of the alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Septets {
    /// It is in the basic table.
    Basic(u8),
    /// It is in the extension table and takes an escape before this one.
    Extended(u8),
}

impl Septets {
    /// The septets of a character; `None` for one the alphabet does not have. No character is replaced by a like one.
    #[must_use]
    pub fn of(character: char) -> Option<Self> {
        if let Some(&septet) = LATIN.get(character as usize)
            && septet != NONE
        {
            return Some(Self::Basic(septet));
        }
        if let Some((septet, _)) = EXTENSION.iter().find(|(_, known)| *known == character) {
            return Some(Self::Extended(*septet));
        }
        // Ten Greek capitals, all in the second row.
        let row = BASIC.get(0x10..0x1B)?;
        let at = row.iter().position(|known| *known == character)?;
        u8::try_from(0x10 + at).ok().map(Self::Basic)
    }

    /// How many septets.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Basic(_) => 1,
            Self::Extended(_) => 2,
        }
    }
}

/// `text` as one septet per octet, the form SMPP carries; `None` when a character is not in the alphabet.
#[must_use]
pub fn encode_gsm(text: &str) -> Option<Vec<u8>> {
    let mut septets = Vec::with_capacity(text.len());
    for character in text.chars() {
        match Septets::of(character)? {
            Septets::Basic(septet) => septets.push(septet),
            Septets::Extended(septet) => septets.extend_from_slice(&[ESCAPE, septet]),
        }
    }
    Some(septets)
}

/// The text of one septet per octet. Total: an extension nobody defined is the basic character of the same septet, an
/// escape at the end is nothing (3GPP 23.038 §6.2.1.1), and an octet over 127 is U+FFFD.
#[must_use]
pub fn decode_gsm(septets: &[u8]) -> String {
    let mut text = String::with_capacity(septets.len());
    let mut escaped = false;
    for &septet in septets {
        if septet == ESCAPE && !escaped {
            escaped = true;
            continue;
        }
        let basic = BASIC.get(usize::from(septet)).copied().unwrap_or(char::REPLACEMENT_CHARACTER);
        let extended = EXTENSION.iter().find(|(known, _)| escaped && *known == septet);
        match extended {
            Some((_, character)) => text.push(*character),
            // A second escape is reserved for a table that does not exist; phones show a space.
            None if septet == ESCAPE => text.push(' '),
            None => text.push(basic),
        }
        escaped = false;
    }
    text
}

/// Septets packed eight into seven octets, after `fill_bits` zero bits (0–6), which follow a user data header so that
/// text starts on a septet boundary. Only the low seven bits of each septet count.
#[must_use]
pub fn pack(septets: &[u8], fill_bits: u8) -> Vec<u8> {
    let mut octets = Vec::with_capacity((septets.len() * 7 + 13) / 8);
    let mut held = 0_u16;
    let mut bits = u32::from(fill_bits.min(6));
    for septet in septets {
        held |= u16::from(septet & 0x7F) << bits;
        bits += 7;
        if bits >= 8 {
            octets.push(held.to_le_bytes()[0]);
            held >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 && !septets.is_empty() {
        octets.push(held.to_le_bytes()[0]);
    }
    octets
}

/// At most `count` septets out of packed octets, after `fill_bits` bits (0–6).
#[must_use]
pub fn unpack(octets: &[u8], count: usize, fill_bits: u8) -> Vec<u8> {
    let mut septets = Vec::with_capacity(count.min(octets.len() * 8 / 7));
    let mut held = 0_u16;
    let mut bits = 0_u32;
    let mut skip = u32::from(fill_bits.min(6));
    for octet in octets {
        held |= u16::from(*octet) << bits;
        bits += 8;
        held >>= skip;
        bits -= skip;
        skip = 0;
        while bits >= 7 && septets.len() < count {
            septets.push(held.to_le_bytes()[0] & 0x7F);
            held >>= 7;
            bits -= 7;
        }
        if septets.len() == count {
            break;
        }
    }
    septets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_both_tables_goes_there_and_back() {
        for (septet, character) in (0_u8..).zip(BASIC) {
            if septet == ESCAPE {
                assert_eq!(Septets::of(character), None);
                continue;
            }
            assert_eq!(Septets::of(character), Some(Septets::Basic(septet)), "{character:?}");
            assert_eq!(decode_gsm(&[septet]), character.to_string());
        }
        for (septet, character) in EXTENSION {
            assert_eq!(Septets::of(character), Some(Septets::Extended(septet)), "{character:?}");
            assert_eq!(decode_gsm(&[ESCAPE, septet]), character.to_string());
        }
        for foreign in ['ç', 'ê', '`', 'Ж', '😀', '\0', '\u{FF}'] {
            assert_eq!(Septets::of(foreign), None);
        }
    }

    #[test]
    fn odd_escapes_are_read_as_23_038_says() {
        assert_eq!(decode_gsm(b"a\x1Bb\x1B"), "ab");
        assert_eq!(decode_gsm(b"a\x1B\x1Bb"), "a b");
        assert_eq!(decode_gsm(&[0xE9]), "\u{FFFD}");
    }

    #[test]
    fn packing_keeps_every_septet_whatever_the_fill() {
        let septets: Vec<u8> = (0..=127).collect();
        for length in 0..40 {
            for fill_bits in 0..7 {
                let octets = pack(&septets[..length], fill_bits);
                assert_eq!(unpack(&octets, length, fill_bits), &septets[..length]);
            }
        }
        assert_eq!(pack(&[b'a'; 8], 0).len(), 7);
        assert_eq!(unpack(&[0xE1], 9, 0), [0x61]);
    }
}
