//! Alphabets of texts and how many short messages a text takes. SMPP 3.4 §5.2.19, 3GPP 23.038 §4, 3GPP 23.040
//! §9.2.3.24.
//!
//! Transcodes nothing but the GSM alphabet: carriers get the octets the client sent. Where a text is cut is in `segment`.

use super::gsm::Septets;

/// How a text takes room in a short message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alphabet {
    /// The GSM default alphabet: 160 septets.
    Gsm7,
    /// Octets of any meaning: 140.
    Octets,
    /// UCS-2, in practice UTF-16 of big-endian units: 70.
    Ucs2,
}

/// Size of the reference number in the header that joins the parts of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reference {
    /// Eight bits, a header of six octets.
    Octet,
    /// Sixteen bits, a header of seven octets.
    Word,
}

impl Alphabet {
    /// The smallest that holds `text`, decided over the whole of it.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        if text.chars().all(|character| Septets::of(character).is_some()) { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// What a `data_coding` means for the room a text takes. Codings that a carrier turns into UCS-2 count as that.
    #[must_use]
    pub fn of_coding(data_coding: u8) -> Self {
        match data_coding {
            0x02 | 0x04 | 0x14..=0x17 | 0xF4..=0xF7 | 0xFC..=0xFF => Self::Octets,
            0x05..=0x0A | 0x0D | 0x0E | 0x18..=0x1B | 0xE0..=0xEF => Self::Ucs2,
            _ => Self::Gsm7,
        }
    }

    /// Most units of a text that is one message: septets, octets or 16-bit units.
    #[must_use]
    pub fn single_limit(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Octets => 140,
            Self::Ucs2 => 70,
        }
    }

    /// Most units of one part of a longer text.
    #[must_use]
    pub fn part_limit(self, reference: Reference) -> usize {
        match (self, reference) {
            (Self::Gsm7, Reference::Octet) => 153,
            (Self::Gsm7, Reference::Word) => 152,
            (Self::Octets, Reference::Octet) => 134,
            (Self::Octets, Reference::Word) => 133,
            (Self::Ucs2, Reference::Octet) => 67,
            (Self::Ucs2, Reference::Word) => 66,
        }
    }
}

/// Short messages that `text` takes in its smallest alphabet; at least 1.
#[must_use]
pub fn segments(text: &str, reference: Reference) -> usize {
    let alphabet = Alphabet::of_text(text);
    let units = text.chars().map(|character| match alphabet {
        Alphabet::Ucs2 => character.len_utf16(),
        _ => Septets::of(character).map_or(1, Septets::count),
    });
    fill(alphabet, units, reference)
}

/// Short messages that the octets of a text without user data header take; at least 1.
#[must_use]
pub fn wire_segments(data_coding: u8, text: &[u8], reference: Reference) -> usize {
    let alphabet = Alphabet::of_coding(data_coding);
    let per_unit = if alphabet == Alphabet::Ucs2 { 2 } else { 1 };
    if text.len() <= alphabet.single_limit() * per_unit {
        return 1;
    }
    fill(alphabet, units(alphabet, text).map(|(_, units)| units), reference)
}

/// What stays together of a text on the wire, in order: octets and units of each. Half a character is one, too.
pub(super) fn units(alphabet: Alphabet, text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    const ESCAPE: u8 = 0x1B;
    let mut rest = text;
    std::iter::from_fn(move || {
        let (length, units) = match (alphabet, rest) {
            (_, []) => return None,
            (Alphabet::Gsm7, [ESCAPE, _, ..]) => (2, 2),
            (Alphabet::Ucs2, [0xD8..=0xDB, _, 0xDC..=0xDF, _, ..]) => (4, 2),
            (Alphabet::Ucs2, [_, _, ..]) => (2, 1),
            _ => (1, 1),
        };
        rest = rest.get(length..).unwrap_or(&[]);
        Some((length, units))
    })
}

/// Fills parts one after the other; what takes two units is never cut in half.
fn fill(alphabet: Alphabet, units: impl Iterator<Item = usize>, reference: Reference) -> usize {
    let limit = alphabet.part_limit(reference);
    let (mut total, mut parts, mut used) = (0, 1, 0);
    for count in units {
        total += count;
        if used + count > limit {
            parts += 1;
            used = 0;
        }
        used += count;
    }
    if total <= alphabet.single_limit() { 1 } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_on_the_wire_count_as_the_text_does() {
        for (text, octets, coding) in [
            ("a".repeat(161), vec![b'a'; 161], 0),
            ("€".repeat(81), [0x1B, 0x65].repeat(81), 0),
            ("Ж".repeat(71), [4, 0x16].repeat(71), 8),
            ("😀".repeat(36), [0xD8, 0x3D, 0xDE, 0].repeat(36), 8),
            (format!("{}€aaaaaaaaaa", "a".repeat(152)), [vec![b'a'; 152], b"\x1B\x65aaaaaaaaaa".to_vec()].concat(), 0),
        ] {
            for reference in [Reference::Octet, Reference::Word] {
                assert_eq!(wire_segments(coding, &octets, reference), segments(&text, reference), "{text}");
                assert!(wire_segments(coding, &octets, reference) > 1);
            }
        }
        assert_eq!(wire_segments(4, &[0; 140], Reference::Octet), 1);
        assert_eq!(wire_segments(4, &[0; 141], Reference::Octet), 2);
        assert_eq!(wire_segments(8, &[0; 141], Reference::Octet), 2);
    }
}
