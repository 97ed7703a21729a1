//! Texts of clients, as they are cut into parts and written in another alphabet: nothing may panic, no part may be larger
//! than a short message, no octet may be lost or made up, and what both alphabets have comes back.
//!
//! Input: `data_coding`, whether there is a header, two alphabets and room, the text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smppgate::pdu::{Segments, Sm};
use smppgate::policy::DefaultAlphabet;

/// Most octets of `short_message` that a part has: 140 octets of seven bits each.
const PART_MAX: usize = 160;
const UCS2: u8 = 8;
const ALPHABETS: [DefaultAlphabet; 4] =
    [DefaultAlphabet::Gsm, DefaultAlphabet::Latin1, DefaultAlphabet::Ascii, DefaultAlphabet::Ucs2];

fn cut(text: &[u8], has_udh: bool, data_coding: u8) {
    let Some(segments) = Segments::of(text, has_udh, data_coding) else { return };
    let esm_class = if has_udh { Sm::UDHI } else { 0 };
    let whole = Sm { esm_class, data_coding, short_message: text, ..Sm::default() };
    let (mut part, mut words) = (Vec::new(), Vec::new());
    for number in 1..=segments.count() {
        segments.write(number, 7, &mut part);
        assert!(part.len() <= PART_MAX);
        let esm_class = if segments.has_udh() { Sm::UDHI } else { 0 };
        let sm = Sm { esm_class, data_coding, short_message: &part, ..Sm::default() };
        if segments.count() > 1 {
            let joined = sm.part().map(|part| (part.reference, part.total, part.number));
            assert_eq!(joined, Some((7, segments.count(), number)));
        }
        words.extend_from_slice(sm.words());
    }
    assert_eq!(words, whole.words());
}

fn recode(text: &[u8], from: DefaultAlphabet, to: DefaultAlphabet, room: usize) {
    let there = from.recode(text, to, room);
    assert!(there.data_coding == 0 || (there.data_coding == UCS2 && there.octets.len() <= room));
    if there.data_coding == 0 {
        // What `to` has is what is left: read and written again it stays.
        let again = to.recode(&there.octets, to, room);
        assert_eq!(again.octets, there.octets);
    }
}

fuzz_target!(|data: &[u8]| {
    let [data_coding, has_udh, alphabets, room, text @ ..] = data else { return };
    cut(text, has_udh & 1 == 1, *data_coding);
    let alphabet = |index: u8| ALPHABETS[usize::from(index & 3)];
    recode(text, alphabet(*alphabets), alphabet(alphabets >> 2), usize::from(*room));
});
