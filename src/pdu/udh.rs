//! The user data header at the start of a text: information elements, and the concatenation they may tell of.
//! 3GPP 23.040 §9.2.3.24.

/// A user data header whose elements all lie inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udh<'a> {
    elements: &'a [u8],
}

/// Which part of a longer text this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Part {
    /// Shared by all parts.
    pub reference: u16,
    /// How many parts there are, at least 1.
    pub total: u8,
    /// Which one this is, from 1 to `total`.
    pub number: u8,
}

impl<'a> Udh<'a> {
    /// The header at the start of `text` and what follows it; `None` when it, or one of its elements, runs past its end.
    #[must_use]
    pub fn of(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&length, rest) = text.split_first()?;
        let (elements, text) = rest.split_at_checked(usize::from(length))?;
        let mut rest = elements;
        while !rest.is_empty() {
            let [_, length, after @ ..] = rest else { return None };
            rest = after.get(usize::from(*length)..)?;
        }
        Some((Self { elements }, text))
    }

    /// The elements as they are on the wire, without the length before them.
    #[must_use]
    pub fn as_octets(self) -> &'a [u8] {
        self.elements
    }

    /// Identifier and data of each element, in order.
    pub fn elements(self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.elements;
        std::iter::from_fn(move || {
            let [identifier, length, after @ ..] = rest else { return None };
            let (data, after) = after.split_at_checked(usize::from(*length))?;
            rest = after;
            Some((*identifier, data))
        })
    }

    /// The concatenation element, the last when there are several; `None` when there is none or its numbers make no
    /// sense.
    #[must_use]
    pub fn part(self) -> Option<Part> {
        let mut part = None;
        for (identifier, data) in self.elements() {
            match (identifier, data) {
                (0x00, [reference, total, number]) => {
                    part = Some(Part { reference: u16::from(*reference), total: *total, number: *number });
                }
                (0x08, [high, low, total, number]) => {
                    part = Some(Part { reference: u16::from_be_bytes([*high, *low]), total: *total, number: *number });
                }
                _ => {}
            }
        }
        part.filter(|part| part.number >= 1 && part.number <= part.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &[u8]) -> Option<(u16, u8, u8)> {
        Udh::of(text)?.0.part().map(|part| (part.reference, part.total, part.number))
    }

    #[test]
    fn parts_are_read_in_both_sizes_and_beside_other_elements() {
        assert_eq!(part(b"\x05\x00\x03\xAA\x02\x01text"), Some((0xAA, 2, 1)));
        assert_eq!(part(b"\x06\x08\x04\x01\xAA\x02\x02"), Some((0x1AA, 2, 2)));
        assert_eq!(part(b"\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x07\x03\x03"), Some((7, 3, 3)));
        assert_eq!(part(b"\x05\x00\x03\xAA\x02\x03"), None);
        assert_eq!(part(b"\x05\x00\x03\xAA\x00\x00"), None);
    }

    #[test]
    fn a_header_that_runs_over_is_none() {
        assert!(Udh::of(b"").is_none());
        assert!(Udh::of(b"\x05\x00\x03\xAA\x02").is_none());
        assert!(Udh::of(b"\x05\x00\x04\xAA\x02\x01").is_none());
        assert!(Udh::of(b"\x01\x00").is_none());
        assert_eq!(Udh::of(b"\x00hi").unwrap().1, b"hi");
    }
}
