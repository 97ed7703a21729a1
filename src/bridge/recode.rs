//! Texts of `data_coding` 0 in another alphabet than they came in: what clients and carriers mean by that is turned into
//! the GSM alphabet when a message comes in, and into what the receiver means when it leaves.

use crate::pdu::{Alphabet, Sm, Tag, Tlv, Tlvs, Udh};
use crate::policy::DefaultAlphabet;

/// Most octets of `short_message` that everybody takes.
const SHORT_MESSAGE_MAX: usize = 254;
/// Octets of a short message on the air.
const SEGMENT: usize = 140;
/// Most octets that a payload can have.
const PAYLOAD_MAX: usize = 65_000;

/// A text in its new alphabet, and what goes with it.
pub(super) struct Text {
    octets: Vec<u8>,
    data_coding: u8,
    /// All optional parameters, the text among them where it is in `message_payload`.
    tlvs: Vec<u8>,
    in_payload: bool,
}

impl Text {
    /// The text of a message for who means `to` by `data_coding` 0; `None` where it stays as it is. It is in
    /// `message_payload` only where it fits nowhere else.
    pub(super) fn of(sm: &Sm<'_>, from: DefaultAlphabet, to: DefaultAlphabet, takes_payload: bool) -> Option<Self> {
        Self::turned(sm, from, to, takes_payload, |_| SHORT_MESSAGE_MAX)
    }

    /// The text of a client's message as it is kept. One that takes more than a short message on the air is in
    /// `message_payload`, so that it can be cut.
    pub(super) fn kept(sm: &Sm<'_>, from: DefaultAlphabet) -> Option<Self> {
        let most = |coding: u8| if sm.has_udh() { SHORT_MESSAGE_MAX } else { single(coding) };
        Self::turned(sm, from, DefaultAlphabet::Gsm, true, most)
    }

    fn turned(
        sm: &Sm<'_>,
        from: DefaultAlphabet,
        to: DefaultAlphabet,
        takes_payload: bool,
        most: impl Fn(u8) -> usize,
    ) -> Option<Self> {
        if from == to || sm.data_coding != 0 || sm.text().is_empty() {
            return None;
        }
        let (header, words) = split(sm)?;
        let room = match (header.len(), takes_payload) {
            (0, true) => PAYLOAD_MAX,
            (0, false) => SHORT_MESSAGE_MAX,
            (header, _) => SEGMENT.saturating_sub(header),
        };
        let recoded = from.recode(words, to, room);
        let octets = [header, &recoded.octets].concat();
        let is_long = octets.len() > most(recoded.data_coding);
        let in_payload = is_long && (takes_payload || sm.short_message.is_empty());
        let mut tlvs = Vec::new();
        let others = sm.tlvs.iter().filter(|tlv| tlv.tag != Tag::MESSAGE_PAYLOAD);
        others.for_each(|tlv| tlv.encode(&mut tlvs));
        if in_payload {
            Tlv { tag: Tag::MESSAGE_PAYLOAD, value: &octets }.encode(&mut tlvs);
        }
        Some(Self { octets, data_coding: recoded.data_coding, tlvs, in_payload })
    }

    /// The text of a message that was written with `data_coding` 0 and became UCS-2 when it came in, as `to` has it.
    pub(super) fn back(sm: &Sm<'_>, to: DefaultAlphabet, takes_payload: bool) -> Option<Self> {
        let from = if sm.data_coding == 0 { DefaultAlphabet::Gsm } else { DefaultAlphabet::Ucs2 };
        Self::of(&Sm { data_coding: 0, ..*sm }, from, to, takes_payload)
    }

    /// The message with this text.
    pub(super) fn put<'a>(&'a self, sm: &Sm<'a>) -> Sm<'a> {
        let short_message = if self.in_payload { &[][..] } else { &self.octets };
        Sm { data_coding: self.data_coding, short_message, tlvs: Tlvs::lenient(&self.tlvs), ..*sm }
    }
}

/// Octets of a text that is one short message.
fn single(data_coding: u8) -> usize {
    let per_unit = if data_coding == 0 { 1 } else { 2 };
    Alphabet::of_coding(data_coding).single_limit() * per_unit
}

/// The user data header with its length, and the text behind it. `None` where the header names national tables, which
/// only handsets know, or cannot be read.
fn split<'a>(sm: &Sm<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let text = sm.text();
    if !sm.has_udh() {
        return Some((&[], text));
    }
    let (header, words) = Udh::of(text)?;
    let is_national = header.elements().any(|(identifier, _)| matches!(identifier, 0x24 | 0x25));
    let header = text.get(..text.len() - words.len())?;
    (!is_national).then_some((header, words))
}
