//! From the file as written to a [`Config`]: defaults, names resolved, values checked against each other.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::de::DeTable;

use super::cursor::At;
use super::mistake::{Ledger, Mistakes, did_you_mean};
use super::raw::{Raw, RawAudit, RawListen, RawOperator, RawSession, RawStore};
use super::{
    AuditConfig, Config, Durability, Limits, Listen, SessionTimers, StoreConfig, account, carrier, encryption, guard,
    inbound, operator, opt_out, privacy, route, screen, tls,
};
use crate::policy::{Carrier, Country, Decoy, Policy, Prefixes, Retention, Validity};

/// Octets that the system has room for in the path of a socket, without the final NUL.
const SOCKET_PATH_MAX: usize = 107;

/// Where mistakes go, and what file names are relative to.
pub(super) struct Desk<'a> {
    pub(super) ledger: &'a Ledger,
    /// The folder of the file.
    pub(super) folder: &'a Path,
}

/// Reads a text; `path` names it in mistakes.
pub(super) fn compile(path: &Path, text: &str) -> Result<Config, Mistakes> {
    let ledger = Ledger::default();
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        for error in &errors {
            ledger.mistake(error.span().map_or(0, |span| span.start), "", format!("not TOML: {}", error.message()), "");
        }
        return Err(ledger.close(path, text));
    }
    let raw = Raw::read(document.get_ref(), &ledger);
    let desk = Desk { ledger: &ledger, folder: path.parent().unwrap_or_else(|| Path::new("")) };
    let config = desk.config(&raw);
    let mistakes = ledger.close(path, text);
    match config {
        Some(config) if mistakes.refusing() == 0 => Ok(Config { warnings: mistakes.0, ..config }),
        _ => Err(mistakes),
    }
}

impl Desk<'_> {
    /// `None` only after a mistake was recorded.
    fn config(&self, raw: &Raw) -> Option<Config> {
        let session = session(&raw.session);
        let store = self.store(&raw.store);
        let handed_over = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let encryption = encryption::encryption(self, &raw.encryption, &store, handed_over.as_deref());
        let listen = self.listen(&raw.listen, raw.tls.is_some(), &store);
        let tls = raw.tls.as_ref().and_then(|tls| tls::listener(self, tls));
        let audit = self.audit(&raw.audit, &store);
        let (carriers, dialled) = carrier::carriers(self, &raw.carriers, &session, &listen);
        let default = Retention::default();
        let kept = |duration: Option<At<Duration>>, default| duration.map_or(default, |duration| duration.value);
        let retention = Retention {
            message: kept(raw.retention.message, default.message),
            inbound: kept(raw.retention.inbound, default.inbound),
            receipt_queue: kept(raw.retention.receipt_queue, default.receipt_queue),
            activity_log: kept(raw.retention.activity, default.activity_log),
            audit_log: kept(raw.retention.audit, default.audit_log),
            max_age: kept(raw.retention.max_age, default.max_age),
            set_aside: kept(raw.retention.set_aside, default.set_aside),
            sealed: kept(raw.retention.sealed, default.sealed),
            ..default
        };
        let mut accounts = account::accounts(self, &raw.accounts, &carriers, &retention);
        guard::guards(self, raw, &mut accounts);
        let prefixes = Prefixes::standard();
        let routes = route::routes(self, raw, &carriers, &accounts, &prefixes);
        let screens = screen::screens(self, raw, &accounts);
        let inbound = inbound::inbounds(self, raw, &carriers);
        opt_out::unheard(self, raw);
        let certificates = listen.api.is_some() && raw.tls.is_some();
        let operators = operator::operators(self, &raw.operators, &accounts, certificates);
        self.logins(&raw.listen, &raw.operators, certificates);
        let decoy = Decoy::of(accounts.iter().map(|account| &account.credentials));
        let policy = Policy {
            accounts,
            carriers,
            routes: routes?,
            prefixes,
            screens,
            inbound,
            retention,
            validity: Validity::default(),
            decoy,
        };
        let default = Limits::default();
        let limits = Limits {
            backlog: raw.limits.backlog.map_or(default.backlog, |backlog| backlog.value),
            links: raw.limits.links.map_or(default.links, count),
        };
        let policy = Arc::new(policy);
        Some(Config {
            listen,
            tls,
            store,
            encryption,
            session,
            limits,
            privacy: privacy::privacy(raw),
            carriers: dialled,
            policy,
            audit,
            operators,
            warnings: Vec::new(),
            is_sandbox: false,
        })
    }

    fn listen(&self, raw: &RawListen, has_tls: bool, store: &StoreConfig) -> Listen {
        let named = [("smpp", &raw.smpp), ("smpps", &raw.smpps), ("admin", &raw.admin), ("api", &raw.api)];
        let [smpp, smpps, admin, api] = named.map(|(key, text)| self.socket(&raw.place.key(key), text.as_ref()));
        if raw.smpp.is_none() && raw.smpps.is_none() {
            let expected = "smpp = \"0.0.0.0:2775\", smpps, or both";
            self.ledger.mistake(raw.place.at, &raw.place.key("smpp"), "there is nothing to listen on", expected);
        }
        if let Some(smpps) = raw.smpps.as_ref().filter(|_| !has_tls) {
            let expected = "a table [tls] with certificate and key";
            self.ledger.mistake(smpps.at, &raw.place.key("smpps"), "needs a certificate", expected);
        }
        let addresses = [smpp, smpps, admin, api];
        for (later, own) in addresses.iter().enumerate() {
            let taken = addresses[..later].iter().position(|other| match (own, other) {
                (Some(own), Some(other)) => collide(*own, *other),
                _ => false,
            });
            if let (Some(first), Some(text)) = (taken, named[later].1) {
                let what = format!("collides with {}", raw.place.key(named[first].0));
                self.ledger.mistake(text.at, &raw.place.key(named[later].0), what, "an address and port of its own");
            }
        }
        if let (Some(admin), Some(text)) = (admin, raw.admin.as_ref())
            && !admin.ip().is_loopback()
        {
            let what = "can be reached from other machines, and asks for no password";
            self.ledger.warning(text.at, &raw.place.key("admin"), what, "a loopback address, or a firewall before it");
        }
        if let (Some(address), Some(text)) = (api, raw.api.as_ref())
            && !has_tls
            && !address.ip().is_loopback()
        {
            let expected = "a table [tls] with certificate and key, or a loopback address";
            self.ledger.mistake(text.at, &raw.place.key("api"), "would carry passwords in clear", expected);
        }
        Listen { smpp, smpps, admin, api, control: self.control(raw, store) }
    }

    /// Whether anybody can log in to the API.
    fn logins(&self, raw: &RawListen, operators: &[RawOperator], certificates: bool) {
        let can = |own: &RawOperator| own.password_hash.is_some() || (certificates && own.certificate.is_some());
        if let Some(api) = raw.api.as_ref().filter(|_| !operators.iter().any(can)) {
            let ways = if certificates { "password_hash or certificate" } else { "password_hash" };
            let expected = format!("an [[operator]] with {ways}");
            self.ledger.mistake(api.at, &raw.place.key("api"), "nobody can log in there", expected);
        }
    }

    /// The path of the control socket.
    fn control(&self, raw: &RawListen, store: &StoreConfig) -> PathBuf {
        let Some(text) = &raw.control else { return store.path.join(super::CONTROL) };
        let path = PathBuf::from(&text.value);
        let key = raw.place.key("control");
        if text.value.is_empty() || text.value.len() > SOCKET_PATH_MAX {
            let expected = format!("a path of 1 to {SOCKET_PATH_MAX} octets");
            self.ledger.mistake(text.at, &key, "is no path a socket can have", expected);
        } else if path.is_dir() || path.is_file() {
            let what = format!("\"{}\" is there and is no socket", text.value);
            self.ledger.mistake(text.at, &key, what, "a path for a socket, such as \"/run/smppgate/control.sock\"");
        }
        path
    }

    /// Where audit and activity log are.
    fn audit(&self, raw: &RawAudit, store: &StoreConfig) -> AuditConfig {
        let path = raw.path.as_ref().map_or_else(|| store.path.join("audit"), |path| self.folder("audit.path", path));
        let key = raw.key.as_ref().map_or_else(
            || path.join("audit.key"),
            |key| {
                let file = PathBuf::from(&key.value);
                if key.value.is_empty() || file.is_dir() {
                    let expected = "a file, which is made if it is missing";
                    self.ledger.mistake(key.at, "audit.key", "is no file", expected);
                }
                file
            },
        );
        AuditConfig { path, key, activity: store.path.join("activity") }
    }

    fn socket(&self, key: &str, text: Option<&At<String>>) -> Option<SocketAddr> {
        let text = text?;
        let socket = text.value.parse().ok();
        if socket.is_none() {
            let what = format!("\"{}\" is no address to listen on", text.value);
            self.ledger.mistake(
                text.at,
                key,
                what,
                "an IP address and a port, such as \"0.0.0.0:2775\" or \"[::]:2775\"",
            );
        }
        socket
    }

    /// A folder of ours.
    fn folder(&self, key: &str, path: &At<String>) -> PathBuf {
        let folder = PathBuf::from(&path.value);
        if path.value.is_empty() || (folder.exists() && !folder.is_dir()) {
            let what = format!("\"{}\" is no folder", path.value);
            self.ledger.mistake(path.at, key, what, "a folder, which is made if it is missing");
        }
        folder
    }

    fn store(&self, raw: &RawStore) -> StoreConfig {
        let default = StoreConfig::default();
        let path = raw.path.as_ref().map_or(default.path, |path| self.folder("store.path", path));
        let words = [("flushed", Durability::Flushed), ("buffered", Durability::Buffered)];
        let durability = raw.durability.as_ref().and_then(|word| self.word("store.durability", word, &words));
        if let (Some(Durability::Buffered), Some(word)) = (durability, &raw.durability) {
            let what = "a crash can lose messages that were acknowledged in the last half second";
            self.ledger.warning(word.at, "store.durability", what, "\"flushed\", unless that is accepted");
        }
        StoreConfig { path, durability: durability.unwrap_or_default() }
    }

    /// The value of one of a few words.
    pub(super) fn word<T: Copy>(&self, key: &str, word: &At<String>, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(name, _)| *name == word.value).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            let near = did_you_mean(&word.value, words.iter().map(|(name, _)| *name));
            let expected = super::cursor::one_of(&names.iter().map(String::as_str).collect::<Vec<_>>());
            self.ledger.mistake(word.at, key, format!("\"{}\" is unknown{near}", word.value), expected);
        }
        found
    }

    /// A country by its code.
    pub(super) fn country(&self, key: &str, code: &At<String>) -> Option<Country> {
        let found = Country::parse(&code.value);
        if found.is_none() {
            let other = match code.value.to_uppercase().as_str() {
                "UK" => "GB".to_owned(),
                "EL" => "GR".to_owned(),
                upper => upper.to_owned(),
            };
            let near = Country::parse(&other).map_or_else(String::new, |near| format!(", did you mean \"{near}\"?"));
            let what = format!("\"{}\" is no country{near}", code.value);
            self.ledger.mistake(code.at, key, what, "two capital letters of ISO 3166, such as \"NO\"");
        }
        found
    }

    /// Carriers by name, each once; as positions.
    pub(super) fn carriers(&self, key: &str, names: &[At<String>], carriers: &[Carrier]) -> Vec<u16> {
        let known: Vec<_> = carriers.iter().map(|carrier| carrier.name.as_str()).collect();
        let mut positions = Vec::new();
        for name in names {
            match self.position(key, name, "a carrier", &known) {
                Some(position) if positions.contains(&position) => {
                    let what = format!("\"{}\" is there twice", name.value);
                    self.ledger.mistake(name.at, key, what, "each carrier once");
                }
                found => positions.extend(found),
            }
        }
        positions
    }

    /// The position of a name among those of its kind, such as "a carrier"; `None` after a mistake.
    pub(super) fn position(&self, key: &str, name: &At<String>, one: &str, known: &[&str]) -> Option<u16> {
        let found = known.iter().position(|other| *other == name.value);
        let found = found.and_then(|position| u16::try_from(position).ok());
        if found.is_none() {
            let near = did_you_mean(&name.value, known.iter().copied());
            let kind = one.split_once(' ').map_or(one, |(_, kind)| kind);
            let expected = match known {
                [] => format!("{one}, and there is none"),
                known => format!("one of the {kind}s: {}", known.join(", ")),
            };
            self.ledger.mistake(name.at, key, format!("\"{}\" is no {kind}{near}", name.value), expected);
        }
        found
    }

    /// A file named in the configuration.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A number that the reader has bounded far below the type's.
pub(super) fn count(number: At<u64>) -> u32 {
    u32::try_from(number.value).unwrap_or(u32::MAX)
}

fn session(raw: &RawSession) -> SessionTimers {
    let default = SessionTimers::default();
    SessionTimers {
        init_timeout: raw.init_timeout.map_or(default.init_timeout, |at| at.value),
        enquire_link: raw.enquire_link.map_or(default.enquire_link, |at| at.value),
        inactivity: raw.inactivity.map_or(default.inactivity, |at| Some(at.value).filter(|value| !value.is_zero())),
        response_timeout: raw.response_timeout.map_or(default.response_timeout, |at| at.value),
        drain: raw.drain.map_or(default.drain, |at| at.value),
    }
}

/// Whether two listeners cannot both have their address. Port 0 takes a free one.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let is_any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || is_any)
}
