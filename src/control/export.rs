//! Records of messages as rows for people: what is shown of each, and what is masked.

use super::privacy::shown_number;
use super::request::{CarrierRow, PersonRow, TextRow};
use crate::bridge::{Standing, kept_text};
use crate::clock::Unix;
use crate::message::{CarrierId, MessageState};
use crate::net::Registry;
use crate::pdu::{Address, Sm, decode_gsm};
use crate::policy::{Class, Retention, dialled};
use crate::store::{ArchiveKey, ArchiveRecord, KeptText, Write};

/// Class octet of blocks whose records are held beyond their time.
const HELD: u8 = u8::MAX;

/// A record of the journal. The text of one that has ended is shown where `retention` keeps it.
pub(super) fn journal_row(
    registry: &Registry,
    write: &Write<'_>,
    standing: &Standing,
    retention: &Retention,
    unmask: bool,
) -> Option<PersonRow> {
    let (id, direction, accepted, country, body) = match write {
        Write::Accept(accept) => (accept.id, "to_handset", accept.accepted, accept.country, accept.body),
        Write::Inbound(inbound) => (inbound.id, "from_handset", inbound.received, [0, 0], inbound.body),
        _ => return None,
    };
    let sm = Sm::decode(body).ok()?;
    let country = if country == [0, 0] { origin(registry, &sm.source) } else { country };
    Some(PersonRow {
        id: id.to_string(),
        direction: direction.to_owned(),
        accepted: accepted.moment(),
        ended: standing.done.map(Unix::moment),
        state: standing.state.stat().to_owned(),
        error: standing.error,
        source: party(&sm.source, unmask),
        destination: party(&sm.destination, unmask),
        country: String::from_utf8_lossy(&country).into_owned(),
        carrier: standing.carrier.map(|carrier| carrier_row(registry, carrier)),
        other_carriers: standing.others.iter().map(|carrier| carrier_row(registry, *carrier)).collect(),
        text: (standing.waits || retention.keeps_text(sm.service_type)).then(|| text(&sm, unmask)),
        kept_until: None,
    })
}

/// A record of the archive, with the text that may be kept beside it.
pub(super) fn archived_row(
    registry: &Registry,
    (key, record): &(ArchiveKey, ArchiveRecord),
    kept: Option<&KeptText>,
    unmask: bool,
) -> PersonRow {
    let direction = if record.class == Class::Inbound as u8 { "from_handset" } else { "to_handset" };
    let state = MessageState::from_octet(record.state).unwrap_or(MessageState::Unknown);
    let shown = |address: Option<Address>| address.map_or_else(String::new, |address| party(&address, unmask));
    PersonRow {
        id: record.id.to_string(),
        direction: direction.to_owned(),
        accepted: record.accepted.moment(),
        ended: Some(record.done.moment()),
        state: state.stat().to_owned(),
        error: record.error,
        source: shown(record.source.address()),
        destination: shown(record.destination.address()),
        country: String::from_utf8_lossy(&record.country).into_owned(),
        carrier: record.carrier.map(|carrier| carrier_row(registry, carrier)),
        other_carriers: record.others.iter().map(|carrier| carrier_row(registry, carrier)).collect(),
        text: kept.and_then(|(key, octets)| {
            Some(TextRow { kept_until: kept_until(*key), ..text(&kept_text(octets)?, unmask) })
        }),
        kept_until: kept_until(*key),
    }
}

fn kept_until(key: ArchiveKey) -> Option<String> {
    (key.class != HELD).then(|| Unix(u64::from(key.forget_hour) * 3_600_000).moment())
}

/// A carrier, with what the configuration says of it today.
pub(super) fn carrier_row(registry: &Registry, carrier: CarrierId) -> CarrierRow {
    let name = registry.enrolled.carrier_names.get(usize::from(carrier.0)).cloned().unwrap_or_default();
    let known = registry.policy.carriers.iter().find(|known| known.name == name);
    CarrierRow {
        legal_entity: known.and_then(|known| known.legal_entity.clone()),
        country: known.and_then(|known| known.country).map(|country| country.to_string()),
        transfer_basis: known.and_then(|known| known.transfer_basis).map(|basis| basis.as_str().to_owned()),
        name,
    }
}

fn origin(registry: &Registry, source: &Address) -> [u8; 2] {
    let country = dialled(source).and_then(|number| registry.policy.prefixes.find(number.digits()));
    country.unwrap_or(crate::policy::Country::NON_GEOGRAPHIC).octets()
}

/// An address: a number, masked or not, or a name.
fn party(address: &Address, unmask: bool) -> String {
    match dialled(address) {
        Some(number) => shown_number(&number, unmask),
        None => address.octets().iter().map(|octet| char::from(*octet)).collect(),
    }
}

fn text(sm: &Sm<'_>, unmask: bool) -> TextRow {
    let (octets, words) = (sm.text(), sm.words());
    let characters = match sm.data_coding {
        0 => Some(decode_gsm(words)),
        1 | 3 => Some(words.iter().map(|octet| char::from(*octet)).collect()),
        8 => {
            let units: Vec<u16> = words.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            Some(String::from_utf16_lossy(&units))
        }
        _ => None,
    };
    TextRow {
        data_coding: sm.data_coding,
        octets: octets.len() as u64,
        hex: unmask.then(|| octets.iter().map(|octet| format!("{octet:02x}")).collect()),
        characters: characters.filter(|_| unmask),
        kept_until: None,
    }
}
