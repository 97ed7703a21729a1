//! What carriers want otherwise and what clients mean by `data_coding` 0, drawn from a seed, and how a message looks by it.

use std::borrow::Cow;

use smppgate::pdu::{Address, Sm, Tag};
use smppgate::policy::{DefaultAlphabet, Habits, NumberForm, Senders};

use crate::plan::{CarrierPlan, ClientPlan};
use crate::rng::Rng;

/// Gives everybody habits. Without `message_payload` there is no room for UCS-2.
pub(crate) fn draw(rng: &mut Rng, clients: &mut [ClientPlan], carriers: &mut [CarrierPlan]) {
    use DefaultAlphabet::{Ascii, Gsm, Latin1, Ucs2};
    let recode = rng.chance(600);
    let alphabet = |rng: &mut Rng| if recode { rng.pick(&[Gsm, Latin1, Ascii, Ucs2]) } else { Gsm };
    for client in clients {
        (client.alphabet, client.recoded) = (alphabet(rng), recode);
    }
    for carrier in carriers {
        let alphabet = alphabet(rng);
        carrier.habits.alphabet = if alphabet == Ucs2 && !carrier.payload { Gsm } else { alphabet };
        change(rng, carrier);
    }
}

/// Changes what can change while it is connected.
pub(crate) fn change(rng: &mut Rng, carrier: &mut CarrierPlan) {
    let habits = &mut carrier.habits;
    habits.numbers = rng.pick(&[NumberForm::AsSent, NumberForm::Digits, NumberForm::Plus, NumberForm::Zeros]);
    let others = rng.chance(300).then(|| Address::new(3, 0, b"2440").expect("a short code"));
    habits.senders = Senders { known: Vec::new(), others };
    carrier.payload = habits.alphabet == DefaultAlphabet::Ucs2 || rng.chance(600);
}

/// A text as who means this by `data_coding` 0 writes it. All texts are of characters that all have alike.
pub(crate) fn written(alphabet: DefaultAlphabet, text: &str) -> Vec<u8> {
    match alphabet {
        DefaultAlphabet::Ucs2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => text.as_bytes().to_vec(),
    }
}

/// And how it reads.
pub(crate) fn readable(text: &[u8]) -> Cow<'_, [u8]> {
    match text.first() {
        Some(0) => text.iter().skip(1).step_by(2).copied().collect(),
        _ => text.into(),
    }
}

/// Whether a carrier with these habits wants a message so.
pub(crate) fn suits(habits: &Habits, sm: &Sm<'_>) -> bool {
    let destination = sm.destination.octets();
    let number = match habits.numbers {
        NumberForm::Plus => destination.starts_with(b"+"),
        NumberForm::Zeros => destination.starts_with(b"00"),
        NumberForm::AsSent | NumberForm::Digits => !destination.starts_with(b"+") && !destination.starts_with(b"0"),
    };
    let source = habits.senders.others.as_ref().is_none_or(|other| other.octets() == sm.source.octets());
    let text = (sm.words().first() == Some(&0)) == (habits.alphabet == DefaultAlphabet::Ucs2);
    number && source && text && (habits.payload || sm.tlvs.find(Tag::MESSAGE_PAYLOAD).is_none())
}
