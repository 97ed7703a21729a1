//! The text of a message as it is kept beyond its end: data coding, whether a user data header is at its start, and the
//! octets. Whether it is kept, and for how long, is retention's to say.

use crate::pdu::Sm;

/// What is kept of the text of a message: this head, and the text behind it.
pub(super) fn pack<'a>(sm: &Sm<'a>) -> ([u8; 2], &'a [u8]) {
    ([sm.data_coding, sm.esm_class & Sm::UDHI], sm.text())
}

/// A message with nothing but the text that was kept of it; `None` for octets that no text is kept as.
#[must_use]
pub fn kept_text(octets: &[u8]) -> Option<Sm<'_>> {
    let (&[data_coding, esm_class], text) = octets.split_first_chunk()?;
    (esm_class & !Sm::UDHI == 0).then(|| Sm { data_coding, esm_class, short_message: text, ..Sm::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::{Tag, Tlvs};

    #[test]
    fn a_kept_text_reads_as_that_of_its_message() {
        let header = [5, 0, 3, 9, 2, 1];
        let with_header: Vec<u8> = header.iter().chain(b"part").copied().collect();
        let payload = [&Tag::MESSAGE_PAYLOAD.0.to_be_bytes()[..], &[0, 4], b"long"].concat();
        let tlvs = Tlvs::decode(&payload).expect("a whole parameter");
        let messages = [
            Sm { short_message: b"hello", ..Sm::default() },
            Sm { short_message: &with_header, data_coding: 8, esm_class: Sm::UDHI | 0x03, ..Sm::default() },
            Sm { tlvs, data_coding: 4, ..Sm::default() },
            Sm::default(),
        ];
        for sm in messages {
            let (head, text) = pack(&sm);
            let octets = [&head, text].concat();
            let kept = kept_text(&octets).expect("what was packed");
            assert_eq!((kept.data_coding, kept.text(), kept.words()), (sm.data_coding, sm.text(), sm.words()));
        }
        for bad in [&[][..], &[0], &[0, 1, 2], &[0, 0xFF]] {
            assert!(kept_text(bad).is_none(), "{bad:?}");
        }
    }
}
