//! Optional parameters: a borrowed, once validated run of tag, length, value. SMPP 3.4 §3.2.4 and §5.3.
//!
//! Keeps unknown parameters and order; judges no values.

use std::fmt;

use bytes::BufMut;

use super::command::CommandStatus;
use super::fault::Malformed;
use super::tag::Tag;

/// What four zeros read as.
const ZEROS: Tlv<'static> = Tlv { tag: Tag(0), value: &[] };
/// Octets of a tag and a length.
const TLV_HEADER: usize = 4;

/// One optional parameter. `Debug` shows its tag and size, not its value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Which parameter.
    pub tag: Tag,
    /// Its octets.
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// The first parameter of `octets` and what follows it; `None` when it is not whole.
    #[inline]
    fn cut(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&[tag_high, tag_low, high, low], rest) = octets.split_first_chunk::<TLV_HEADER>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        Some((Self { tag: Tag(u16::from_be_bytes([tag_high, tag_low])), value }, rest))
    }

    /// Appends the parameter. A value over 65,535 octets cannot be carried and is cut to that.
    pub fn encode(&self, wire: &mut impl BufMut) {
        let length = u16::try_from(self.value.len()).unwrap_or(u16::MAX);
        wire.put_u16(self.tag.0);
        wire.put_u16(length);
        wire.put_slice(&self.value[..usize::from(length)]);
    }
}

impl fmt::Debug for Tlv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{} octets]", self.tag, self.value.len())
    }
}

/// The optional parameters of one PDU, in wire order. Every parameter in it is whole.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Tlvs<'a> {
    octets: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// No parameters.
    pub const NONE: Tlvs<'static> = Tlvs { octets: &[] };

    /// Takes what follows the last mandatory field of a request.
    ///
    /// One to three octets that cannot be a parameter, and zeros before them or up to the end, are padding that some
    /// peers send: they are left out.
    ///
    /// # Errors
    /// `ESME_RINVOPTPARSTREAM` when a length runs past the PDU, `ESME_RINVPARLEN` when a parameter that matters has not
    /// the size SMPP 3.4 §5.3.2 gives it.
    #[inline]
    pub fn decode(octets: &'a [u8]) -> Result<Self, Malformed> {
        if octets.is_empty() {
            return Ok(Self::NONE);
        }
        Self::checked(octets)
    }

    fn checked(octets: &'a [u8]) -> Result<Self, Malformed> {
        let (mut rest, mut end) = (octets, 0);
        while rest.len() >= TLV_HEADER {
            let Some((tlv, after)) = Tlv::cut(rest) else {
                return Err(Malformed::new(CommandStatus::ESME_RINVOPTPARSTREAM, "optional parameters"));
            };
            if tlv.tag.strict_length().is_some_and(|length| length != tlv.value.len()) {
                let field = tlv.tag.name().unwrap_or("optional parameter");
                return Err(Malformed::new(CommandStatus::ESME_RINVPARLEN, field));
            }
            rest = after;
            // Zeros read as empty parameters of tag 0; at the end they are padding.
            if tlv != ZEROS {
                end = octets.len() - rest.len();
            }
        }
        Ok(Self { octets: &octets[..end] })
    }

    /// Takes the parameters of a response: as many whole ones as there are, whatever follows.
    #[must_use]
    pub fn lenient(octets: &'a [u8]) -> Self {
        let mut rest = octets;
        while let Some((_, after)) = Tlv::cut(rest) {
            rest = after;
        }
        Self { octets: &octets[..octets.len() - rest.len()] }
    }

    /// The value of the first parameter of that tag.
    #[inline]
    #[must_use]
    pub fn find(self, tag: Tag) -> Option<&'a [u8]> {
        self.into_iter().find(|tlv| tlv.tag == tag).map(|tlv| tlv.value)
    }

    /// The value of the first parameter of that tag, if it is one octet.
    #[must_use]
    pub fn octet(self, tag: Tag) -> Option<u8> {
        match self.find(tag)? {
            [octet] => Some(*octet),
            _ => None,
        }
    }

    /// The parameters as they are on the wire.
    #[must_use]
    pub fn as_octets(self) -> &'a [u8] {
        self.octets
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.octets.is_empty()
    }

    /// The parameters in wire order.
    #[must_use]
    pub fn iter(self) -> TlvIter<'a> {
        self.into_iter()
    }
}

impl<'a> IntoIterator for Tlvs<'a> {
    type Item = Tlv<'a>;
    type IntoIter = TlvIter<'a>;

    fn into_iter(self) -> TlvIter<'a> {
        TlvIter { rest: self.octets }
    }
}

impl fmt::Debug for Tlvs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

/// Walks [`Tlvs`].
#[derive(Clone, Debug)]
pub struct TlvIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for TlvIter<'a> {
    type Item = Tlv<'a>;

    #[inline]
    fn next(&mut self) -> Option<Tlv<'a>> {
        let (tlv, rest) = Tlv::cut(self.rest)?;
        self.rest = rest;
        Some(tlv)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(octets: &[u8]) -> Result<&[u8], u32> {
        Tlvs::decode(octets).map(Tlvs::as_octets).map_err(|fault| fault.status.0)
    }

    #[test]
    fn lengths_are_checked_once() {
        assert_eq!(status(&[0x02, 0x04, 0, 2, 0, 1]), Ok(&[0x02, 0x04, 0, 2, 0, 1][..]));
        assert_eq!(status(&[0x02, 0x04, 0, 4, 0, 1]), Err(0xC0));
        assert_eq!(status(&[0x02, 0x04, 0, 1, 1]), Err(0xC2));
        assert_eq!(status(&[0x14, 0x00, 0, 1, 1, 0xFF, 0, 0]), Ok(&[0x14, 0x00, 0, 1, 1][..]));
        assert_eq!(status(&[0; 9]), Ok(&[][..]));
        assert_eq!(status(&[0, 0, 0, 0, 0x10]), Ok(&[][..]));
        assert_eq!(status(&[0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0, 0]), Ok(&[0, 0, 0, 0, 0x14, 0, 0, 0][..]));
    }

    #[test]
    fn the_first_of_a_tag_is_found_and_unknown_tags_stay() {
        let octets = [0x14, 0x00, 0, 1, 7, 0x04, 0x27, 0, 1, 2, 0x04, 0x27, 0, 1, 5];
        let tlvs = Tlvs::decode(&octets).unwrap();
        assert_eq!(tlvs.octet(Tag::MESSAGE_STATE), Some(2));
        assert_eq!(tlvs.find(Tag(0x1400)), Some(&[7][..]));
        assert_eq!(tlvs.iter().count(), 3);
        assert_eq!(format!("{tlvs:?}"), "[0x1400[1 octets], message_state[1 octets], message_state[1 octets]]");
    }

    #[test]
    fn a_response_keeps_the_whole_ones() {
        let octets = [0x04, 0x28, 0, 1, 80, 0x04, 0x23, 0, 9];
        assert_eq!(Tlvs::lenient(&octets).as_octets(), &octets[..5]);
    }
}
