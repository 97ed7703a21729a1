//! Operators: persons with a role, and a way to know them. Names that several people share are refused.

use std::collections::HashMap;

use super::account::password_hash;
use super::compile::Desk;
use super::cursor::{At, Place};
use super::mistake::did_you_mean;
use super::raw::RawOperator;
use crate::policy::{Account, Operator, Role};

/// Most octets of a name.
const NAME_MAX: usize = 64;
/// Names that say what somebody does and not who it is: a record with such a name in it names nobody.
const SHARED: [&str; 32] = [
    "admin",
    "administrator",
    "all",
    "anonymous",
    "auditor",
    "console",
    "default",
    "dev",
    "devops",
    "dpo",
    "everyone",
    "guest",
    "helpdesk",
    "nobody",
    "noc",
    "office",
    "oncall",
    "operations",
    "operator",
    "ops",
    "privacy officer",
    "root",
    "service",
    "shared",
    "smppgate",
    "staff",
    "support",
    "sysadmin",
    "system",
    "team",
    "test",
    "user",
];

/// All operators; `asks_certificates` when a listener asks for theirs. What could not be read is left out, after a mistake.
pub(super) fn operators(
    desk: &Desk<'_>,
    raws: &[RawOperator],
    accounts: &[Account],
    asks_certificates: bool,
) -> Vec<Operator> {
    let mut operators = Vec::new();
    let (mut names, mut uids) = (HashMap::new(), HashMap::new());
    let (mut hashes, mut certificates) = (HashMap::new(), HashMap::new());
    for raw in raws {
        let lower = raw.name.as_ref().map(|name| At { value: name.value.to_lowercase(), at: name.at });
        unique(desk, &raw.place, "name", lower.as_ref().map(|name| (name.value.clone(), name.at)), &mut names);
        unique(desk, &raw.place, "uid", raw.uid.map(|uid| (uid.value, uid.at)), &mut uids);
        let hash = raw.password_hash.as_ref().map(|hash| (hash.value.reveal().to_owned(), hash.at));
        unique(desk, &raw.place, "password_hash", hash, &mut hashes);
        let certificate = raw.certificate.as_ref().map(|text| (text.value.clone(), text.at));
        unique(desk, &raw.place, "certificate", certificate, &mut certificates);
        operators.extend(operator(desk, raw, accounts, asks_certificates));
    }
    operators
}

fn operator(desk: &Desk<'_>, raw: &RawOperator, accounts: &[Account], asks_certificates: bool) -> Option<Operator> {
    if let Some(name) = &raw.name {
        check_name(desk, &raw.place, name);
    }
    let roles = Role::ALL.map(|role| (role.name(), role));
    let role = raw.role.as_ref().and_then(|word| desk.word(&raw.place.key("role"), word, &roles));
    let key = raw.place.key("password_hash");
    let password = raw.password_hash.as_ref().map(|hash| password_hash(desk, &key, hash));
    let certificate = raw.certificate.as_ref().map(|text| certificate(desk, &raw.place, text));
    if raw.uid.is_none() && password.is_none() && certificate.is_none() {
        let expected = "uid = 1001, password_hash = \"$argon2id$…\" or certificate = \"sha256:…\"";
        desk.ledger.mistake(raw.place.at, &raw.place.key("uid"), "is missing, and so is any other way", expected);
    }
    if let (Some(text), None, None, false) = (&raw.certificate, raw.uid, &password, asks_certificates) {
        let what = "is the only way to know this operator, and only listen.api with [tls] asks for certificates";
        desk.ledger.warning(
            text.at,
            &raw.place.key("certificate"),
            what,
            "listen.api, or uid or password_hash as well",
        );
    }
    if let Some(uid) = raw.uid.filter(|uid| uid.value == 0) {
        let what = "0 is root, which is whoever becomes root";
        desk.ledger.warning(uid.at, &raw.place.key("uid"), what, "the person's own uid");
    }
    Some(Operator {
        name: raw.name.as_ref()?.value.clone(),
        uid: raw.uid.and_then(|uid| u32::try_from(uid.value).ok()),
        password: password.unwrap_or_default(),
        certificate: certificate.unwrap_or_default(),
        role: role?,
        accounts: scope(desk, raw, accounts),
    })
}

fn check_name(desk: &Desk<'_>, place: &Place, name: &At<String>) {
    let (key, text) = (place.key("name"), name.value.trim());
    if text.is_empty() || text != name.value || text.len() > NAME_MAX || text.chars().any(char::is_control) {
        let expected = format!("1 to {NAME_MAX} octets without blanks around them");
        desk.ledger.mistake(name.at, &key, "is no name", expected);
    } else if SHARED.contains(&plain(text).as_str()) {
        let what = format!("\"{text}\" can be anybody, and the audit log has to name persons");
        desk.ledger.mistake(name.at, &key, what, "the name of one person, such as \"Kari Nordmann\"");
    }
}

/// A name in lower case, words apart by blanks, without a number at its end: "Ops-2" is "ops".
fn plain(name: &str) -> String {
    let words = name.to_lowercase().replace(['-', '_', '.'], " ");
    words.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == ' ').to_owned()
}

/// The fingerprint as `sha256:` and 64 hexadecimal digits; colons between octets are left out.
fn certificate(desk: &Desk<'_>, place: &Place, text: &At<String>) -> Option<[u8; 32]> {
    let digits = text.value.strip_prefix("sha256:").map(|digits| digits.replace(':', "").to_lowercase());
    let found = digits.and_then(|digits| octets(&digits));
    if found.is_none() {
        let expected = "\"sha256:\" and the 64 hexadecimal digits of the certificate's fingerprint";
        desk.ledger.mistake(text.at, &place.key("certificate"), "is no fingerprint", expected);
    }
    found
}

fn octets(digits: &str) -> Option<[u8; 32]> {
    let mut own = [0; 32];
    if digits.len() != own.len() * 2 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (index, octet) in own.iter_mut().enumerate() {
        *octet = u8::from_str_radix(digits.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(own)
}

fn scope(desk: &Desk<'_>, raw: &RawOperator, accounts: &[Account]) -> Option<Vec<String>> {
    let names = raw.accounts.as_ref()?;
    let key = raw.place.key("accounts");
    if names.value.is_empty() {
        desk.ledger.mistake(names.at, &key, "is empty", "at least one account; without the key, all");
    }
    for name in &names.value {
        if !accounts.iter().any(|account| account.system_id == name.value) {
            let known: Vec<_> = accounts.iter().map(|account| account.system_id.as_str()).collect();
            let near = did_you_mean(&name.value, known.iter().copied());
            let what = format!("\"{}\" is no account{near}", name.value);
            desk.ledger.mistake(name.at, &key, what, "the system_id of an [[account]]");
        }
    }
    Some(names.value.iter().map(|name| name.value.clone()).collect())
}

/// Two persons with the same are one shared account.
fn unique<T: std::hash::Hash + Eq>(
    desk: &Desk<'_>,
    place: &Place,
    key: &str,
    value: Option<(T, usize)>,
    seen: &mut HashMap<T, String>,
) {
    let Some((value, at)) = value else { return };
    if let Some(first) = seen.insert(value, place.path.clone()) {
        let what = format!("is that of {first} too");
        desk.ledger.mistake(at, &place.key(key), what, "one of its own: each operator is one person");
    }
}
