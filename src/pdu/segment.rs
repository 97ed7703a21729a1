//! Cutting a text that is too long for one short message into parts that a handset joins. 3GPP 23.040 §9.2.3.24, and
//! what each alphabet has room for (3GPP 23.038 §4).
//!
//! Says where to cut and writes the parts; makes no messages of them. What is one character stays in one part.

use super::text::{Alphabet, units};
use super::udh::Udh;

/// Octets of a short message on the air.
const OCTETS: usize = 140;
/// Octets of the element that joins the parts: identifier, length, reference, number of parts, number of this one.
const JOINING: usize = 5;

/// A text and where it is cut. `Debug` shows no text.
#[derive(Clone, PartialEq, Eq)]
pub struct Segments<'a> {
    /// Elements of the header that the text came with; every part has them.
    kept: &'a [u8],
    words: &'a [u8],
    /// Where each part ends.
    ends: Vec<usize>,
}

impl<'a> Segments<'a> {
    /// The parts of a text of this `data_coding`, at whose start there is a header if `has_udh`. As few as possible, each
    /// as full as possible; one where all of it fits. `None` where it takes more than 255, or the header leaves no room.
    #[must_use]
    pub fn of(text: &'a [u8], has_udh: bool, data_coding: u8) -> Option<Self> {
        let (kept, words) = Self::read(text, has_udh)?;
        let alphabet = Alphabet::of_coding(data_coding);
        let header = if kept.is_empty() { 0 } else { 1 + kept.len() };
        if units(alphabet, words).map(|(_, units)| units).sum::<usize>() <= room(alphabet, header) {
            return Some(Self { kept, words, ends: vec![words.len()] });
        }
        let limit = room(alphabet, 1 + kept.len() + JOINING);
        let (mut ends, mut end, mut used) = (Vec::new(), 0, 0);
        for (octets, units) in units(alphabet, words) {
            if units > limit {
                return None;
            }
            if used + units > limit {
                ends.push(end);
                used = 0;
            }
            end += octets;
            used += units;
        }
        ends.push(end);
        (ends.len() <= usize::from(u8::MAX)).then_some(Self { kept, words, ends })
    }

    /// The text as it is, in one part whatever its length.
    #[must_use]
    pub fn uncut(text: &'a [u8], has_udh: bool) -> Option<Self> {
        let (kept, words) = Self::read(text, has_udh)?;
        Some(Self { kept, words, ends: vec![words.len()] })
    }

    /// Elements of the header, and the text behind it.
    fn read(text: &'a [u8], has_udh: bool) -> Option<(&'a [u8], &'a [u8])> {
        if !has_udh {
            return Some((&[], text));
        }
        Udh::of(text).map(|(header, words)| (header.as_octets(), words))
    }

    /// How many parts, 1 to 255.
    #[must_use]
    pub fn count(&self) -> u8 {
        u8::try_from(self.ends.len()).unwrap_or(u8::MAX)
    }

    /// Whether a part begins with a header.
    #[must_use]
    pub fn has_udh(&self) -> bool {
        self.ends.len() > 1 || !self.kept.is_empty()
    }

    /// Writes a part's `short_message`, at most 160 octets where it was cut; `number` counts from 1, and all parts have one `reference`.
    pub fn write(&self, number: u8, reference: u8, octets: &mut Vec<u8>) {
        octets.clear();
        if self.has_udh() {
            let joining = [0x00, 0x03, reference, self.count(), number];
            let joining = if self.ends.len() > 1 { &joining[..] } else { &[] };
            octets.push((joining.len() + self.kept.len()) as u8);
            octets.extend_from_slice(self.kept);
            // Of elements that may not be repeated the last counts: one that makes no sense may be among the client's.
            octets.extend_from_slice(joining);
        }
        let at = usize::from(number.max(1)) - 1;
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let to = self.ends.get(at).copied().unwrap_or(from);
        octets.extend_from_slice(self.words.get(from..to).unwrap_or_default());
    }
}

impl std::fmt::Debug for Segments<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Segments({} of {} octets)", self.ends.len(), self.words.len())
    }
}

/// Units of text beside a header of so many octets, its length octet counted.
fn room(alphabet: Alphabet, header: usize) -> usize {
    let octets = OCTETS.saturating_sub(header);
    match alphabet {
        Alphabet::Gsm7 => octets * 8 / 7,
        Alphabet::Octets => octets,
        Alphabet::Ucs2 => octets / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::{Reference, Sm, wire_segments};

    /// The parts' own texts, each read back as a handset would.
    fn parts(text: &[u8], has_udh: bool, coding: u8) -> Vec<Vec<u8>> {
        let segments = Segments::of(text, has_udh, coding).unwrap();
        let mut octets = Vec::new();
        let part = |number| {
            segments.write(number, 0xAB, &mut octets);
            assert!(octets.len() <= 160);
            let esm_class = if segments.has_udh() { Sm::UDHI } else { 0 };
            let sm = Sm { esm_class, short_message: &octets, ..Sm::default() };
            let part = sm.part().map(|part| (part.reference, part.total, part.number));
            assert_eq!(part, (segments.count() > 1).then_some((0xAB, segments.count(), number)));
            sm.words().to_vec()
        };
        (1..=segments.count()).map(part).collect()
    }

    fn lengths(text: &[u8], coding: u8) -> Vec<usize> {
        let parts = parts(text, false, coding);
        assert_eq!(parts.concat(), text, "nothing is lost");
        assert_eq!(parts.len(), wire_segments(coding, text, Reference::Octet), "as many as are counted");
        parts.iter().map(Vec::len).collect()
    }

    #[test]
    fn each_alphabet_has_its_limits() {
        for (coding, single, part) in [(0, 160, 153), (0xF0, 160, 153), (4, 140, 134), (8, 140, 134)] {
            let text = vec![b'x'; 600];
            assert_eq!(lengths(&text[..single], coding), [single]);
            assert_eq!(lengths(&text[..single + 2], coding), [part, single + 2 - part]);
            assert_eq!(lengths(&text[..2 * part], coding), [part, part]);
            assert_eq!(lengths(&text[..2 * part + 2], coding), [part, part, 2]);
        }
        assert_eq!(lengths(b"", 0), [0]);
    }

    #[test]
    fn no_character_is_cut() {
        let escape = [&[b'x'; 152][..], b"\x1B\x65", &[b'y'; 20]].concat();
        assert_eq!(lengths(&escape, 0), [152, 22]);
        let double = [&[b'x'; 151][..], b"\x1B\x1B", &[b'y'; 20]].concat();
        assert_eq!(lengths(&double, 0), [153, 20]);
        let pair = [&[0x04, 0x16].repeat(66)[..], &[0xD8, 0x3D, 0xDE, 0], &[0x04, 0x16].repeat(10)].concat();
        assert_eq!(lengths(&pair, 8), [132, 24]);
        // Half a pair is a unit like others.
        let half = [&[0x04, 0x16].repeat(66)[..], &[0xD8, 0x3D], &[0x04, 0x16].repeat(10)].concat();
        assert_eq!(lengths(&half, 8), [134, 20]);
    }

    #[test]
    fn elements_of_the_clients_header_are_in_every_part_and_take_their_room() {
        // National tables, locking and single; then ports.
        for (header, coding, single, part) in [
            (&b"\x03\x25\x01\x01"[..], 0, 155, 149),
            (b"\x06\x24\x01\x01\x25\x01\x01", 0, 152, 146),
            (b"\x06\x05\x04\x0B\x84\x23\xF0", 4, 133, 128),
            (b"\x03\x24\x01\x01", 8, 136, 130),
        ] {
            let text = [header, &[b'x'; 300]].concat();
            let of = |words: usize| parts(&text[..header.len() + words], true, coding);
            assert_eq!(of(single).iter().map(Vec::len).collect::<Vec<_>>(), [single]);
            assert_eq!(of(single + 2).iter().map(Vec::len).collect::<Vec<_>>(), [part, single + 2 - part]);
            let mut octets = Vec::new();
            Segments::of(&text, true, coding).unwrap().write(2, 7, &mut octets);
            assert!(octets.windows(header.len() - 1).any(|window| window == &header[1..]), "{octets:?}");
        }
    }

    #[test]
    fn a_concatenation_of_the_client_that_makes_no_sense_joins_nothing() {
        let text = [&b"\x05\x00\x03\xAA\x00\x00"[..], &[b'x'; 300]].concat();
        assert_eq!(parts(&text, true, 0).concat(), &text[6..]);
    }

    #[test]
    fn what_takes_more_than_255_parts_or_has_no_room_is_none() {
        assert_eq!(Segments::of(&[b'x'; 255 * 153], false, 0).unwrap().count(), 255);
        assert!(Segments::of(&[b'x'; 255 * 153 + 1], false, 0).is_none());
        let full = [&[136, 0x70, 134][..], &[0; 134], &[b'x'; 200]].concat();
        assert!(Segments::of(&full, true, 0).is_none());
        assert!(Segments::of(b"\x09x", true, 0).is_none());
    }
}
