//! What `data_coding` 0 stands for with a client or a carrier, and turning a text of one into that of another.
//! SMPP 3.4 §5.2.19 leaves it to each SMSC.
//!
//! Here it is the GSM alphabet; texts are turned when they come in and when they leave. Knows no messages.

use crate::pdu::{decode_gsm, encode_gsm};

/// The `data_coding` of UCS-2.
const UCS2: u8 = 0x08;
/// Stands for a character that an alphabet does not have.
const MISSING: char = '?';

/// What `data_coding` 0 is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefaultAlphabet {
    /// The GSM 7-bit default alphabet, a septet in each octet.
    #[default]
    Gsm,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
    /// UCS-2, in practice UTF-16 of big-endian units.
    Ucs2,
}

/// A text as it goes on. `Debug` shows no text.
#[derive(Clone, PartialEq, Eq)]
pub struct Recoded {
    /// Its octets.
    pub octets: Vec<u8>,
    /// Their coding: 0, or that of UCS-2.
    pub data_coding: u8,
}

impl std::fmt::Debug for Recoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recoded({} octets, data_coding {})", self.octets.len(), self.data_coding)
    }
}

impl DefaultAlphabet {
    /// A text of `data_coding` 0 for one with whom that is `to`. What `to` does not have goes as UCS-2 where that takes at
    /// most `room` octets; else a `?` stands in its place.
    #[must_use]
    pub fn recode(self, octets: &[u8], to: Self, room: usize) -> Recoded {
        let text = self.decode(octets);
        if let Some(octets) = to.encode(&text) {
            return Recoded { octets, data_coding: 0 };
        }
        let wide = utf16(&text);
        if wide.len() <= room {
            return Recoded { octets: wide, data_coding: UCS2 };
        }
        let has = |character: &char| to.encode(character.encode_utf8(&mut [0; 4])).is_some();
        let narrow: String = text.chars().map(|character| if has(&character) { character } else { MISSING }).collect();
        Recoded { octets: to.encode(&narrow).unwrap_or_default(), data_coding: 0 }
    }

    fn decode(self, octets: &[u8]) -> String {
        match self {
            Self::Gsm => decode_gsm(octets),
            Self::Latin1 => octets.iter().map(|octet| char::from(*octet)).collect(),
            Self::Ascii => {
                octets.iter().map(|octet| if octet.is_ascii() { char::from(*octet) } else { MISSING }).collect()
            }
            Self::Ucs2 => {
                let units = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
            }
        }
    }

    /// `None` where it lacks a character.
    fn encode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Gsm => encode_gsm(text),
            Self::Latin1 => text.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect(),
            Self::Ascii => text.is_ascii().then(|| text.as_bytes().to_vec()),
            Self::Ucs2 => Some(utf16(text)),
        }
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::DefaultAlphabet::{Ascii, Gsm, Latin1, Ucs2};
    use super::*;

    #[test]
    fn what_both_have_goes_as_it_is() {
        for (from, octets, to, expected) in [
            (Latin1, &b"a@b[c]_$"[..], Gsm, &b"a\x00b\x1B\x3Cc\x1B\x3E\x11\x02"[..]),
            (Latin1, b"\xE6\xF8\xE5\xC6", Gsm, b"\x1D\x0C\x0F\x1C"),
            (Ascii, b"price: 24$", Gsm, b"price: 24\x02"),
            (Gsm, b"\x1D\x0C\x0F \x00", Latin1, b"\xE6\xF8\xE5 @"),
            (Gsm, b"\x1B\x28x\x1B\x29 \x11", Ascii, b"{x} _"),
            (Gsm, b"hi\x10", Ucs2, b"\0h\0i\x03\x94"),
            (Ucs2, b"\0h\0i\x03\x94", Gsm, b"hi\x10"),
        ] {
            let expected = Recoded { octets: expected.to_vec(), data_coding: 0 };
            assert_eq!(from.recode(octets, to, 0), expected, "{from:?} {octets:?} {to:?}");
        }
    }

    #[test]
    fn what_the_other_lacks_goes_as_ucs2_where_there_is_room() {
        let recode = |from: DefaultAlphabet, octets: &[u8], to, room| {
            let recoded = from.recode(octets, to, room);
            (recoded.data_coding, recoded.octets)
        };
        assert_eq!(recode(Latin1, b"\xE7a", Gsm, 4), (8, b"\0\xE7\0a".to_vec()));
        assert_eq!(recode(Latin1, b"\xE7a", Gsm, 3), (0, b"?a".to_vec()));
        assert_eq!(recode(Gsm, b"\x10\x1B\x65", Latin1, 4), (8, b"\x03\x94\x20\xAC".to_vec()));
        assert_eq!(recode(Gsm, b"\x10\x1B\x65x", Latin1, 0), (0, b"??x".to_vec()));
        assert_eq!(recode(Ascii, b"a\xFF", Gsm, 0), (0, b"a?".to_vec()));
        assert_eq!(recode(Ucs2, b"\xD8\x3D\xDE\0\0!", Gsm, 0), (0, b"?!".to_vec()));
    }

    #[test]
    fn every_octet_of_an_alphabet_comes_back() {
        for octet in 0..=u8::MAX {
            let there = Latin1.recode(&[octet], Ucs2, 0);
            assert_eq!(Ucs2.recode(&there.octets, Latin1, 0).octets, [octet]);
        }
        for septet in (0..128).filter(|septet| *septet != 0x1B) {
            let there = Gsm.recode(&[septet], Ucs2, 0);
            assert_eq!(Ucs2.recode(&there.octets, Gsm, 0).octets, [septet]);
        }
    }
}
