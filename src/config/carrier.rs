//! Carriers: how to reach them, how to bind, and where the data goes.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::account::{PASSWORD_WIRE_MAX, SYSTEM_ID_MAX, name};
use super::compile::{Desk, count};
use super::cursor::At;
use super::raw::RawCarrier;
use super::{CarrierBind, CarrierConfig, Listen, Secret, SessionTimers, habit, tls};
use crate::policy::{BreakerRules, CARRIER_WINDOW, Carrier, OnUnknown, Rate, TransferBasis};

/// Octets of a `system_type` without its final NUL. SMPP 3.4 §5.2.3.
const SYSTEM_TYPE_MAX: usize = 12;
/// Characters of a carrier's name: it is a metric label and a column of the status page.
const NAME_MAX: usize = 64;

/// All carriers by their rules, and in the same order the way to reach them. One that could not be read is there with
/// placeholders, so that routes find its name; a mistake was recorded then.
pub(super) fn carriers(
    desk: &Desk<'_>,
    raws: &[RawCarrier],
    session: &SessionTimers,
    listen: &Listen,
) -> (Vec<Carrier>, Vec<CarrierConfig>) {
    if raws.is_empty() {
        desk.ledger.warning(0, "carrier", "there is none, so nothing can be forwarded", "a table [[carrier]]");
    }
    let mut seen = HashMap::new();
    for raw in raws {
        let Some(name) = &raw.name else { continue };
        let key = raw.place.key("name");
        if let Some(first) = seen.insert(name.value.as_str(), &raw.place.path) {
            let what = format!("\"{}\" is the name of {first} too", name.value);
            desk.ledger.mistake(name.at, &key, what, "a name of its own");
        }
        if name.value.is_empty() || name.value.chars().count() > NAME_MAX || name.value.chars().any(char::is_control) {
            desk.ledger.mistake(
                name.at,
                &key,
                "cannot be used as a name",
                format!("1 to {NAME_MAX} printable characters"),
            );
        }
    }
    raws.iter().map(|raw| (rules(desk, raw), reach(desk, raw, session, listen))).unzip()
}

fn rules(desk: &Desk<'_>, raw: &RawCarrier) -> Carrier {
    let bases = TransferBasis::ALL.map(|basis| (basis.as_str(), basis));
    let on_unknown = [("fail", OnUnknown::Fail), ("resend", OnUnknown::Resend)];
    let where_to = [
        ("legal_entity", raw.legal_entity.is_none()),
        ("country", raw.country.is_none()),
        ("transfer_basis", raw.transfer_basis.is_none()),
    ];
    let missing: Vec<_> = where_to.iter().filter(|(_, is_missing)| *is_missing).map(|(key, _)| *key).collect();
    if !missing.is_empty() {
        let what = format!("{} not said, so nobody can prove where the data goes", missing.join(" and "));
        let expected = "the company that gets the data, its country, and the ground for handing it over";
        desk.ledger.warning(raw.place.at, &raw.place.path, what, expected);
    }
    Carrier {
        name: raw.name.as_ref().map(|name| name.value.clone()).unwrap_or_default(),
        links: links(desk, raw),
        window: raw.window.map_or(CARRIER_WINDOW, count),
        rate: raw.rate.map(|rate| Rate::per_second(count(rate))),
        on_unknown: raw
            .on_unknown
            .as_ref()
            .and_then(|word| desk.word(&raw.place.key("on_unknown"), word, &on_unknown))
            .unwrap_or_default(),
        breaker: breaker(desk, raw),
        legal_entity: raw.legal_entity.as_ref().map(|name| name.value.clone()),
        country: raw.country.as_ref().and_then(|code| desk.country(&raw.place.key("country"), code)),
        transfer_basis: raw
            .transfer_basis
            .as_ref()
            .and_then(|word| desk.word(&raw.place.key("transfer_basis"), word, &bases)),
        effective_from: raw.effective_from.map(|date| date.value),
        habits: habit::habits(desk, &raw.place, &raw.habits),
    }
}

fn breaker(desk: &Desk<'_>, raw: &RawCarrier) -> BreakerRules {
    let (own, default) = (&raw.breaker, BreakerRules::default());
    let pause = own.pause.map_or(default.pause, |pause| pause.value);
    let pause_max = own.pause_max.map_or(default.pause_max, |pause| pause.value);
    if let Some(at) = own.pause_max.or(own.pause).filter(|_| pause > pause_max) {
        let expected = format!("at least breaker_pause, {}", humantime::format_duration(pause));
        desk.ledger.mistake(at.at, &raw.place.key("breaker_pause_max"), "is shorter than the first pause", expected);
    }
    BreakerRules {
        failures: own.failures.map_or(default.failures, count),
        percent: own.percent.map_or(default.percent, count),
        pause,
        pause_max,
        probes: own.probes.map_or(default.probes, count),
    }
}

fn bind(raw: &RawCarrier) -> CarrierBind {
    match raw.bind.as_ref().map(|bind| bind.value.as_str()) {
        Some("transmitter+receiver") => CarrierBind::TransmitterReceiver,
        _ => CarrierBind::Transceiver,
    }
}

/// Links in all; an even number where half of them submit and half receive.
fn links(desk: &Desk<'_>, raw: &RawCarrier) -> u32 {
    let is_split = bind(raw) == CarrierBind::TransmitterReceiver;
    let default = if is_split { 2 } else { 1 };
    match raw.links {
        Some(links) if is_split && !links.value.is_multiple_of(2) => {
            let what = format!("{} links cannot be split in transmitters and receivers", links.value);
            desk.ledger.mistake(links.at, &raw.place.key("links"), what, "an even number: half submit, half receive");
            default
        }
        links => links.map_or(default, count),
    }
}

fn reach(desk: &Desk<'_>, raw: &RawCarrier, session: &SessionTimers, listen: &Listen) -> CarrierConfig {
    let binds = [("transceiver", ()), ("transmitter+receiver", ())];
    if let Some(word) = &raw.bind {
        desk.word(&raw.place.key("bind"), word, &binds);
    }
    if let Some(address) = &raw.address {
        check_address(desk, raw, address, listen);
    }
    if let Some(system_id) = &raw.system_id {
        name(desk, &raw.place, "system_id", system_id, SYSTEM_ID_MAX);
    }
    if let Some(password) = &raw.password
        && password.value.reveal().len() > PASSWORD_WIRE_MAX
    {
        let what = format!("has {} octets, and SMPP 3.4 allows 8", password.value.reveal().len());
        desk.ledger.warning(password.at, &raw.place.key("password"), what, "what the carrier gave, which may be more");
    }
    if let Some(system_type) = raw.system_type.as_ref().filter(|text| text.value.len() > SYSTEM_TYPE_MAX) {
        let expected = format!("at most {SYSTEM_TYPE_MAX} characters, as SMPP 3.4 says");
        desk.ledger.mistake(system_type.at, &raw.place.key("system_type"), "is too long", expected);
    }
    let text = |value: &Option<At<String>>| value.as_ref().map(|text| text.value.clone()).unwrap_or_default();
    CarrierConfig {
        address: text(&raw.address),
        system_id: text(&raw.system_id),
        password: raw.password.as_ref().map_or_else(|| Secret::new(""), |password| password.value.clone()),
        system_type: text(&raw.system_type),
        bind: bind(raw),
        enquire_link: raw.enquire_link.map_or(session.enquire_link, |interval| interval.value),
        tls: tls::carrier(desk, raw),
    }
}

fn check_address(desk: &Desk<'_>, raw: &RawCarrier, address: &At<String>, listen: &Listen) {
    let key = raw.place.key("address");
    if host_and_port(&address.value).is_none() {
        let expected = "\"host:port\", such as \"smsc.example:2775\", \"192.0.2.1:2775\" or \"[2001:db8::1]:2775\"";
        desk.ledger.mistake(address.at, &key, format!("\"{}\" cannot be dialled", address.value), expected);
    }
    let Ok(socket) = address.value.parse::<SocketAddr>() else { return };
    let own = [("listen.smpp", listen.smpp), ("listen.smpps", listen.smpps), ("listen.admin", listen.admin)];
    for (own, listener) in own {
        let is_own = listener.is_some_and(|listener| {
            let is_here = listener.ip() == socket.ip() || (listener.ip().is_unspecified() && socket.ip().is_loopback());
            is_here && listener.port() == socket.port()
        });
        if is_own {
            desk.ledger.mistake(address.at, &key, format!("is {own} of this process"), "the address of the carrier");
        }
    }
}

/// The two parts of `host:port`; IPv6 addresses stand in brackets.
pub(super) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').filter(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok())?,
        None => host,
    };
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_' | b':');
    let is_host = !host.is_empty() && host.bytes().all(is_name);
    (is_host && (address.starts_with('[') || !host.contains(':'))).then_some((host, port))
}
