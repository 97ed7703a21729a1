//! What a carrier wants otherwise than clients write it: the keys of `[[carrier]]` that say so, read and compiled.

use super::compile::Desk;
use super::cursor::{At, Cursor, Place};
use crate::pdu::CommandStatus;
use crate::policy::habit::{Type, sender};
use crate::policy::{DefaultAlphabet, Habits, NumberForm, ReceiptIds, Remedy, Senders, Statuses, Types};

/// Stands for every source that has no line of its own.
const OTHERS: &str = "*";
const TYPE: &str = "type of number and numbering plan, such as \"1/1\" or \"5/0\"";

/// The keys as written.
#[derive(Debug)]
pub(super) struct RawHabits {
    numbers: Option<At<String>>,
    senders: Vec<(At<String>, At<String>)>,
    source_types: Vec<(At<String>, At<String>)>,
    destination_type: Option<At<String>>,
    alphabet: Option<At<String>>,
    payload: Option<At<bool>>,
    receipt_ids: Option<At<String>>,
    errors: Vec<(At<String>, At<String>)>,
}

impl RawHabits {
    /// Reads them from the table of their carrier.
    pub(super) fn read(table: &Cursor<'_>) -> Self {
        Self {
            numbers: table.text("numbers"),
            senders: table.pairs("senders", "a table such as { \"Acme\" = \"4759440000\", \"*\" = \"2440\" }"),
            source_types: table
                .pairs("source_types", "a table such as { number = \"1/1\", short = \"3/0\", name = \"5/0\" }"),
            destination_type: table.text("destination_type"),
            alphabet: table.text("alphabet"),
            payload: table.flag("payload"),
            receipt_ids: table.text("receipt_ids"),
            errors: table.pairs("errors", "a table such as { \"0x045\" = \"retry\" }"),
        }
    }
}

/// The habits of the carrier at `place`; what could not be read is as usual, after a mistake.
pub(super) fn habits(desk: &Desk<'_>, place: &Place, raw: &RawHabits) -> Habits {
    let forms = [
        ("as_sent", NumberForm::AsSent),
        ("digits", NumberForm::Digits),
        ("+", NumberForm::Plus),
        ("00", NumberForm::Zeros),
    ];
    let bases =
        [("learn", ReceiptIds::Learn), ("decimal", ReceiptIds::Decimal), ("hexadecimal", ReceiptIds::Hexadecimal)];
    let kind = |text: &At<String>, key: &str| address_type(desk, &place.key(key), text);
    Habits {
        numbers: word(desk, place, "numbers", raw.numbers.as_ref(), &forms),
        senders: senders(desk, &place.key("senders"), &raw.senders),
        source_types: source_types(desk, place, &raw.source_types),
        destination_type: raw.destination_type.as_ref().and_then(|text| kind(text, "destination_type")),
        alphabet: alphabet(desk, place, raw),
        payload: raw.payload.is_none_or(|flag| flag.value),
        receipt_ids: word(desk, place, "receipt_ids", raw.receipt_ids.as_ref(), &bases),
        statuses: statuses(desk, &place.key("errors"), &raw.errors),
    }
}

/// One of a few words, or the default.
fn word<T: Copy + Default>(
    desk: &Desk<'_>,
    place: &Place,
    key: &str,
    text: Option<&At<String>>,
    words: &[(&str, T)],
) -> T {
    text.and_then(|word| desk.word(&place.key(key), word, words)).unwrap_or_default()
}

/// What `data_coding` 0 is there. UCS-2 takes twice the room, and without `message_payload` there is none.
fn alphabet(desk: &Desk<'_>, place: &Place, raw: &RawHabits) -> DefaultAlphabet {
    let words = [
        ("gsm", DefaultAlphabet::Gsm),
        ("latin1", DefaultAlphabet::Latin1),
        ("ascii", DefaultAlphabet::Ascii),
        ("ucs2", DefaultAlphabet::Ucs2),
    ];
    let alphabet = word(desk, place, "alphabet", raw.alphabet.as_ref(), &words);
    if alphabet == DefaultAlphabet::Ucs2
        && let Some(payload) = raw.payload.filter(|payload| !payload.value)
    {
        let expected = "a carrier that takes longer texts, or another alphabet";
        desk.ledger.mistake(payload.at, &place.key("payload"), "leaves no room for texts in UCS-2", expected);
    }
    alphabet
}

fn senders(desk: &Desk<'_>, key: &str, pairs: &[(At<String>, At<String>)]) -> Senders {
    let read = |text: &At<String>| {
        let address = sender(&text.value);
        if address.is_none() {
            let expected = "a name of at most 11 characters, a number with its country code, or a short code";
            desk.ledger.mistake(text.at, key, format!("\"{}\" can be no source", text.value), expected);
        }
        address
    };
    let mut senders = Senders::default();
    for (from, to) in pairs {
        if from.value == OTHERS {
            senders.others = read(to);
        } else if let (Some(from), Some(to)) = (read(from), read(to)) {
            senders.known.push((from, to));
        }
    }
    senders
}

fn source_types(desk: &Desk<'_>, place: &Place, pairs: &[(At<String>, At<String>)]) -> Types {
    #[derive(Clone, Copy)]
    enum Kind {
        Number,
        Short,
        Name,
    }
    let key = place.key("source_types");
    let kinds = [("number", Kind::Number), ("short", Kind::Short), ("name", Kind::Name)];
    let mut types = Types::default();
    for (kind, text) in pairs {
        let own = address_type(desk, &key, text);
        match desk.word(&key, kind, &kinds) {
            Some(Kind::Number) => types.number = own,
            Some(Kind::Short) => types.short = own,
            Some(Kind::Name) => types.name = own,
            None => {}
        }
    }
    types
}

/// `ton/npi`, both as SMPP 3.4 §5.2.5 and §5.2.6 number them.
fn address_type(desk: &Desk<'_>, key: &str, text: &At<String>) -> Option<Type> {
    let read = |text: &str| {
        let (ton, npi) = text.split_once('/')?;
        Some(Type { ton: ton.trim().parse().ok()?, npi: npi.trim().parse().ok()? })
    };
    let found = read(&text.value);
    if found.is_none() {
        desk.ledger.mistake(text.at, key, format!("\"{}\" is no type", text.value), TYPE);
    }
    found
}

fn statuses(desk: &Desk<'_>, key: &str, pairs: &[(At<String>, At<String>)]) -> Statuses {
    let remedies = [
        ("retry", Remedy::Retry),
        ("throttle", Remedy::Throttle),
        ("fail_over", Remedy::FailOver),
        ("permanent", Remedy::Permanent),
    ];
    let read = |(status, word): &(At<String>, At<String>)| {
        let remedy = desk.word(key, word, &remedies);
        let digits = status.value.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let number = digits.filter(|number| *number != CommandStatus::ESME_ROK.0);
        if number.is_none() {
            let what = format!("\"{}\" is no error", status.value);
            desk.ledger.mistake(status.at, key, what, "a command_status in hexadecimal, such as \"0x045\"");
        }
        Some((CommandStatus(number?), remedy?))
    };
    Statuses::with(pairs.iter().filter_map(read))
}
