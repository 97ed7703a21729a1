//! Routes: countries and carriers by name, each country in one route only.

use std::collections::HashMap;

use super::compile::{Desk, count};
use super::cursor::At;
use super::raw::{Raw, RawRoute};
use crate::policy::{Account, Carrier, Country, Destinations, OverRate, Rate, Route, Routes};

/// The country that stands for all that no route names.
const REST: &str = "*";

/// All routes; `None` after a mistake.
pub(super) fn routes(desk: &Desk<'_>, raw: &Raw, carriers: &[Carrier], accounts: &[Account]) -> Option<Routes> {
    if raw.routes.is_empty() {
        desk.ledger.warning(0, "route", "there is none, so every message is refused", "a table [[route]]");
    }
    let list: Vec<_> = raw.routes.iter().map(|route| one(desk, route, carriers)).collect();
    let overlap = overlap(desk, &raw.routes);
    unused(desk, raw);
    // A route that names nothing was a mistake above, and the table would refuse it again.
    let is_whole = list.iter().all(|route| !route.carriers.is_empty()) && !overlap;
    let routes = if is_whole { Routes::new(list).ok()? } else { return None };
    unreachable(desk, raw, accounts, &routes);
    Some(routes)
}

fn one(desk: &Desk<'_>, raw: &RawRoute, carriers: &[Carrier]) -> Route {
    let words = [("defer", OverRate::Defer), ("throttle", OverRate::Throttle)];
    let over_rate = raw.over_rate.as_ref().and_then(|word| desk.word(&raw.place.key("over_rate"), word, &words));
    if let (Some(word), None) = (&raw.over_rate, &raw.rate) {
        desk.ledger.warning(word.at, &raw.place.key("over_rate"), "has no effect without a rate", "rate = …");
    }
    Route {
        destinations: destinations(desk, raw),
        carriers: carrier_indices(desk, raw, carriers),
        rate: raw.rate.map(|rate| Rate::per_second(count(rate))),
        over_rate: over_rate.unwrap_or_default(),
    }
}

fn destinations(desk: &Desk<'_>, raw: &RawRoute) -> Destinations {
    let (key, codes) = (raw.place.key("country"), named(raw.country.as_ref()));
    if raw.country.as_ref().is_some_and(|codes| codes.value.is_empty()) {
        desk.ledger.mistake(raw.place.at, &key, "is empty", "at least one country, or \"*\" for the rest");
    }
    let rest = codes.iter().find(|code| code.value == REST);
    if let Some(rest) = rest {
        if codes.len() > 1 {
            desk.ledger.mistake(rest.at, &key, "\"*\" stands beside other countries", "\"*\" in a route of its own");
        }
        return Destinations::Rest;
    }
    Destinations::Countries(codes.iter().filter_map(|code| desk.country(&key, code)).collect())
}

fn carrier_indices(desk: &Desk<'_>, raw: &RawRoute, carriers: &[Carrier]) -> Vec<u16> {
    let key = raw.place.key("carriers");
    if raw.carriers.as_ref().is_some_and(|names| names.value.is_empty()) {
        desk.ledger.mistake(raw.place.at, &key, "is empty", "at least one carrier");
    }
    desk.carriers(&key, named(raw.carriers.as_ref()), carriers)
}

/// Records every country that stands in two routes; whether there was one.
fn overlap(desk: &Desk<'_>, raws: &[RawRoute]) -> bool {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    let mut found = false;
    for raw in raws {
        for code in named(raw.country.as_ref()) {
            let Some(first) = seen.insert(&code.value, &raw.place.path) else { continue };
            let place = if first == raw.place.path { "this route already" } else { first };
            let what = format!("\"{}\" is in {place}", code.value);
            desk.ledger.mistake(code.at, &raw.place.key("country"), what, "each country in one route");
            found = true;
        }
    }
    found
}

/// Warns of carriers that no route names.
fn unused(desk: &Desk<'_>, raw: &Raw) {
    for carrier in &raw.carriers {
        let Some(name) = &carrier.name else { continue };
        let mut routed = raw.routes.iter().flat_map(|route| named(route.carriers.as_ref()));
        if !routed.any(|other| other.value == name.value) {
            let what = format!("\"{}\" is in no route, so nothing is sent to it", name.value);
            desk.ledger.warning(name.at, &carrier.place.key("name"), what, "its name in the carriers of a route");
        }
    }
}

/// Warns of countries that an account may send to and no route leads to.
fn unreachable(desk: &Desk<'_>, raw: &Raw, accounts: &[Account], routes: &Routes) {
    if accounts.is_empty() || routes.list().is_empty() {
        return;
    }
    for account in &raw.accounts {
        for code in named(account.countries.as_ref()) {
            if Country::parse(&code.value).is_some_and(|country| routes.find(country).is_none()) {
                let what = format!("no route leads to \"{}\"", code.value);
                desk.ledger.warning(code.at, &account.place.key("countries"), what, "a route with this country");
            }
        }
    }
}

fn named(list: Option<&At<Vec<At<String>>>>) -> &[At<String>] {
    list.map_or(&[], |list| &list.value)
}
