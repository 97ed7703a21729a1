//! Accounts: names, credentials, networks and limits.

use std::collections::HashMap;
use std::time::Duration;

use super::compile::{Desk, count};
use super::cursor::{At, Place};
use super::raw::{RawAccount, RawShorter};
use super::secret::Secret;
use crate::pdu::SERVICE_TYPE_MAX;
use crate::policy::auth::PASSWORD_MAX;
use crate::policy::{
    ACCOUNT_WINDOW, Account, AllowFrom, Carrier, Credentials, DefaultAlphabet, Home, MAX_BINDS, Password, PasswordHash,
    Rate, Retention, TransferBasis, Transfers,
};

/// Octets of a `system_id` without its final NUL. SMPP 3.4 §5.2.1.
pub(super) const SYSTEM_ID_MAX: usize = 15;
/// Octets of a `password` without its final NUL. SMPP 3.4 §5.2.2.
pub(super) const PASSWORD_WIRE_MAX: usize = 8;

const HASH_FORM: &str = "an argon2id hash in PHC form: \"$argon2id$v=19$m=19456,t=2,p=1$salt$hash\"";

/// All accounts. What could not be read is left out, after a mistake.
pub(super) fn accounts(
    desk: &Desk<'_>,
    raws: &[RawAccount],
    carriers: &[Carrier],
    retention: &Retention,
) -> Vec<Account> {
    if raws.is_empty() {
        desk.ledger.warning(0, "account", "there is none, so nobody can bind", "a table [[account]]");
    }
    let mut seen = HashMap::new();
    let mut accounts = Vec::new();
    for raw in raws {
        let own = account(desk, raw, carriers, retention);
        if let Some(system_id) = &raw.system_id
            && let Some(first) = seen.insert(system_id.value.as_str(), &raw.place.path)
        {
            let what = format!("\"{}\" is the system_id of {first} too", system_id.value);
            desk.ledger.mistake(system_id.at, &raw.place.key("system_id"), what, "a name of its own");
        }
        accounts.extend(own);
    }
    accounts
}

fn account(desk: &Desk<'_>, raw: &RawAccount, carriers: &[Carrier], retention: &Retention) -> Option<Account> {
    if let Some(system_id) = &raw.system_id {
        name(desk, &raw.place, "system_id", system_id, SYSTEM_ID_MAX);
    }
    let credentials = credentials(desk, raw);
    let allow_from = allow_from(desk, raw);
    let countries = raw.countries.as_ref().map(|codes| {
        let key = raw.place.key("countries");
        if codes.value.is_empty() {
            let expected = "at least one country; without the key, all that have a route";
            desk.ledger.mistake(codes.at, &key, "is empty", expected);
        }
        codes.value.iter().filter_map(|code| desk.country(&key, code)).collect()
    });
    let transfers = Transfers { bases: bases(desk, raw), objections: objections(desk, raw, carriers) };
    Some(Account {
        system_id: raw.system_id.as_ref()?.value.clone(),
        credentials: credentials?,
        allow_from: allow_from?,
        max_binds: raw.max_binds.map_or(MAX_BINDS, count),
        window: raw.window.map_or(ACCOUNT_WINDOW, count),
        rate: raw.rate.map(|rate| Rate::per_second(count(rate))),
        countries,
        transfers,
        guard: None,
        home: home(desk, raw),
        retention: texts(desk, raw, shorter(desk, &raw.retention, retention)),
        alphabet: alphabet(desk, raw),
        opt_out: super::opt_out::words(desk, &raw.place, &raw.opt_out),
    })
}

/// How long its data is kept: as all, or shorter.
fn shorter(desk: &Desk<'_>, raw: &RawShorter, all: &Retention) -> Retention {
    let one = |key: &str, own: Option<At<Duration>>, all: Duration| {
        let Some(own) = own else { return all };
        if own.value > all {
            let expected = format!("at most {}, as [retention] says for all accounts", humantime::format_duration(all));
            desk.ledger.mistake(own.at, &raw.place.key(key), "is longer than for all accounts", expected);
        }
        own.value
    };
    Retention {
        message: one("message", raw.message, all.message),
        inbound: one("inbound", raw.inbound, all.inbound),
        receipt_queue: one("receipt_queue", raw.receipt_queue, all.receipt_queue),
        max_age: one("max_age", raw.max_age, all.max_age),
        set_aside: one("set_aside", raw.set_aside, all.set_aside),
        sealed: one("sealed", raw.sealed, all.sealed),
        ..all.clone()
    }
}

/// Whether its texts stay beyond the final state of their messages, for how long, and which never do.
fn texts(desk: &Desk<'_>, raw: &RawAccount, retention: Retention) -> Retention {
    let words = [("until_final", false), ("retain", true)];
    let stay = raw.body.as_ref().and_then(|word| desk.word(&raw.place.key("body"), word, &words)).unwrap_or(false);
    let (own, key) = (raw.retention.body, raw.retention.place.key("body"));
    let body = match own {
        Some(own) if !stay => {
            desk.ledger.mistake(
                own.at,
                &key,
                "is for texts that stay, and these do not",
                "body = \"retain\" beside it",
            );
            Duration::ZERO
        }
        Some(own) if own.value > retention.message => {
            let most = humantime::format_duration(retention.message);
            let expected = format!("at most {most}, as long as records of messages");
            desk.ledger.mistake(own.at, &key, "is longer than records of messages stay", expected);
            Duration::ZERO
        }
        Some(own) => own.value,
        None if stay => retention.message,
        None => Duration::ZERO,
    };
    Retention { body, one_time_service_types: one_time_service_types(desk, raw), ..retention }
}

/// The service types that say that a text is a one-time code.
fn one_time_service_types(desk: &Desk<'_>, raw: &RawAccount) -> Vec<String> {
    let names = raw.one_time_service_types.as_ref().map_or(&[][..], |names| &names.value);
    let key = raw.place.key("one_time_service_types");
    for name in names {
        let fits = (1..=SERVICE_TYPE_MAX).contains(&name.value.len());
        if !(fits && name.value.bytes().all(|octet| octet.is_ascii_graphic())) {
            let expected = format!("1 to {SERVICE_TYPE_MAX} ASCII characters without blanks, such as \"OTP\"");
            desk.ledger.mistake(name.at, &key, format!("\"{}\" is no service_type", name.value), expected);
        }
    }
    names.iter().map(|name| name.value.clone()).collect()
}

/// What `data_coding` 0 is in its texts.
fn alphabet(desk: &Desk<'_>, raw: &RawAccount) -> DefaultAlphabet {
    let words = [("gsm", DefaultAlphabet::Gsm), ("latin1", DefaultAlphabet::Latin1), ("ascii", DefaultAlphabet::Ascii)];
    let word = raw.alphabet.as_ref().and_then(|word| desk.word(&raw.place.key("alphabet"), word, &words));
    word.unwrap_or_default()
}

/// The country whose national numbers it may write.
fn home(desk: &Desk<'_>, raw: &RawAccount) -> Option<Home> {
    let code = raw.country_code.as_ref()?;
    let home = Home::parse(&code.value);
    if home.is_none() {
        let what = format!("\"{}\" is no calling code", code.value);
        desk.ledger.mistake(code.at, &raw.place.key("country_code"), what, "one to three digits, such as \"47\"");
    }
    home
}

/// The transfer bases it accepts. An empty list would accept no carrier.
fn bases(desk: &Desk<'_>, raw: &RawAccount) -> Option<Vec<TransferBasis>> {
    let words = raw.transfer_bases.as_ref()?;
    let key = raw.place.key("transfer_bases");
    let known = TransferBasis::ALL.map(|basis| (basis.as_str(), basis));
    if words.value.is_empty() {
        let expected = "at least one basis; without the key, any carrier of the route";
        desk.ledger.mistake(words.at, &key, "is empty, so no message could leave", expected);
    }
    Some(words.value.iter().filter_map(|word| desk.word(&key, word, &known)).collect())
}

fn objections(desk: &Desk<'_>, raw: &RawAccount, carriers: &[Carrier]) -> Vec<u16> {
    let names = raw.objects_to.as_ref().map_or(&[][..], |names| &names.value);
    desk.carriers(&raw.place.key("objects_to"), names, carriers)
}

/// Checks a name that goes over the wire as a C-octet string of at most `most` octets.
pub(super) fn name(desk: &Desk<'_>, place: &Place, key: &str, name: &At<String>, most: usize) {
    let key = place.key(key);
    let is_printable = name.value.bytes().all(|octet| octet.is_ascii_graphic());
    if name.value.is_empty() || !is_printable {
        desk.ledger.mistake(name.at, &key, "is empty or has characters that SMPP cannot carry", "ASCII without blanks");
    } else if name.value.len() > most {
        let what =
            format!("has {} characters, and clients that keep to SMPP 3.4 send at most {most}", name.value.len());
        desk.ledger.warning(name.at, &key, what, "a shorter name");
    }
}

/// The password in force, and the one that will replace it if there is one: both open.
fn credentials(desk: &Desk<'_>, raw: &RawAccount) -> Option<Credentials> {
    let keys = ["password", "password_hash"];
    if raw.password.is_none() && raw.password_hash.is_none() {
        let expected = "password = \"…\" or password_hash = \"$argon2id$…\"";
        desk.ledger.mistake(raw.place.at, &raw.place.key("password"), "is missing", expected);
    }
    let current = credential(desk, &raw.place, keys, raw.password.as_ref(), raw.password_hash.as_ref());
    let keys = ["password_next", "password_hash_next"];
    let (next, hash_next) = (raw.password_next.as_ref(), raw.password_hash_next.as_ref());
    if next.is_none() && hash_next.is_none() {
        return current;
    }
    if let (Some(next), Some(password)) = (next, &raw.password)
        && next.value == password.value
    {
        desk.ledger.mistake(next.at, &raw.place.key("password_next"), "is the password in force", "a new one");
    }
    let next = credential(desk, &raw.place, keys, next, hash_next);
    Some(Credentials::Either(Box::new([current?, next?])))
}

/// A password or a hash; `None` after a mistake, or when there is neither.
fn credential(
    desk: &Desk<'_>,
    place: &Place,
    [plain_key, hash_key]: [&str; 2],
    plain: Option<&At<Secret>>,
    hash: Option<&At<Secret>>,
) -> Option<Credentials> {
    match (plain, hash) {
        (Some(_), Some(hash)) => {
            desk.ledger.mistake(hash.at, &place.key(hash_key), format!("stands beside {plain_key}"), "one of the two");
            None
        }
        (None, None) => None,
        (Some(password), None) => {
            let (text, key) = (password.value.reveal(), place.key(plain_key));
            if text.len() > PASSWORD_WIRE_MAX {
                let what = format!("has {} octets, and SMPP 3.4 clients may send at most 8 of them", text.len());
                desk.ledger.warning(password.at, &key, what, "at most 8, unless the client is known to send more");
            }
            match Password::new(text.as_bytes()) {
                Ok(password) => Some(Credentials::Plain(password)),
                Err(_) => {
                    let expected = format!("1 to {PASSWORD_MAX} octets without NUL");
                    desk.ledger.mistake(password.at, &key, "cannot be used", expected);
                    None
                }
            }
        }
        (None, Some(hash)) => password_hash(desk, &place.key(hash_key), hash).map(Box::new).map(Credentials::Argon2),
    }
}

/// An argon2id hash; `None` after a mistake.
pub(super) fn password_hash(desk: &Desk<'_>, key: &str, hash: &At<Secret>) -> Option<PasswordHash> {
    match hash.value.reveal().parse::<PasswordHash>() {
        Ok(hash) => Some(hash),
        Err(error) => {
            desk.ledger.mistake(hash.at, key, error.to_string(), HASH_FORM);
            None
        }
    }
}

/// `None` after a mistake. An empty list is one: it looks like "anywhere" and would mean "nowhere".
fn allow_from(desk: &Desk<'_>, raw: &RawAccount) -> Option<AllowFrom> {
    let Some(networks) = &raw.allow_from else { return Some(AllowFrom::any()) };
    let key = raw.place.key("allow_from");
    let expected = "networks such as \"192.0.2.0/24\", \"2001:db8::/32\" or a single address \"192.0.2.7\"";
    if networks.value.is_empty() {
        desk.ledger.mistake(networks.at, &key, "is empty, so nobody could bind", format!("{expected}; or no such key"));
        return None;
    }
    for network in &networks.value {
        if AllowFrom::only([network.value.as_str()]).is_err() {
            let what = format!("\"{}\" is no network, or has bits set beyond its length", network.value);
            desk.ledger.mistake(network.at, &key, what, expected);
        }
    }
    AllowFrom::only(networks.value.iter().map(|network| network.value.as_str())).ok()
}
