//! What operators write, read in two steps: the file as it is (`raw`), then everything resolved and checked ([`Config`]).
//!
//! One reading finds every mistake, each with file, line, column, key and what was expected; a configuration with a
//! mistake is refused as a whole. Applies nothing itself: whoever starts or reloads takes the value.

mod account;
mod carrier;
pub mod change;
mod compile;
mod cursor;
mod encryption;
mod guard;
mod habit;
mod inbound;
mod mistake;
mod operator;
mod opt_out;
mod pattern;
mod privacy;
mod raw;
mod route;
mod screen;
mod secret;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use mistake::{Mistake, Mistakes};
pub use privacy::{Controller, Privacy};
pub use secret::Secret;

use crate::policy::{Carrier, Operator, Policy};

/// The file that `serve`, `check` and `explain` read unless told otherwise.
pub const DEFAULT_PATH: &str = "conf/smppgate.toml";

/// The control socket in the folder of the store, unless configured.
const CONTROL: &str = "control.sock";

/// A configuration that can be used as it is.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// For `listen.smpps` and `listen.api`.
    pub tls: Option<Tls>,
    /// Where and how firmly state is kept.
    pub store: StoreConfig,
    /// Where the keys are under which it is encrypted.
    pub encryption: EncryptionConfig,
    /// Timers of every session.
    pub session: SessionTimers,
    /// Bounds on the whole process.
    pub limits: Limits,
    /// Who answers for personal data.
    pub privacy: Privacy,
    /// How to reach each carrier; the same positions as [`Policy::carriers`].
    pub carriers: Vec<CarrierConfig>,
    /// Everything that decides about messages: accounts, carriers, routes, retention.
    pub policy: Arc<Policy>,
    /// Where it is recorded who did what.
    pub audit: AuditConfig,
    /// Who may look after the service; without any, the service's own user and root may.
    pub operators: Vec<Operator>,
    /// What deserves attention in a configuration that is in use.
    pub warnings: Vec<Mistake>,
    /// Whether this is [`Config::sandbox`], whose carrier runs in the same process.
    pub is_sandbox: bool,
}

/// Where to listen. At least one of `smpp` and `smpps` is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// SMPP in clear.
    pub smpp: Option<SocketAddr>,
    /// SMPP over TLS; only with [`Config::tls`].
    pub smpps: Option<SocketAddr>,
    /// HTTP for operators: pages that are read, without a password.
    pub admin: Option<SocketAddr>,
    /// The HTTP interface for operators' requests: over TLS with [`Config::tls`], in clear on a loopback address without.
    pub api: Option<SocketAddr>,
    /// The Unix socket that the commands for operators speak to.
    pub control: PathBuf,
}

/// PEM files of the TLS listeners; they were readable and fitted together when the configuration was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, then its issuers.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// Issuers of certificates of client systems; those without one are then refused by `listen.smpps`.
    pub client_ca: Option<PathBuf>,
}

/// Where and how firmly state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The folder of the store.
    pub path: PathBuf,
    /// What an acknowledgement promises.
    pub durability: Durability,
}

/// Where the keys of the store are. The keys themselves are in the folder of the store, wrapped by the master key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionConfig {
    /// The file of the master key; made when missing, for a store that has no keys yet.
    pub master_key: PathBuf,
    /// Whether the service manager hands that file over: it is not made then, and its mode is not judged.
    pub is_credential: bool,
    /// The file of the master key before, while one takes the place of the other.
    pub previous: Option<PathBuf>,
    /// The register of destroyed keys.
    pub destroyed_keys: PathBuf,
}

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The message is on disk, whatever happens to process or machine.
    #[default]
    Flushed,
    /// The message is in the store's memory: a crash may lose what was acknowledged in the last half second.
    Buffered,
}

/// Where it is recorded who did what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// The folder of the audit log.
    pub path: PathBuf,
    /// The key that signs it; made when missing.
    pub key: PathBuf,
    /// The folder of the activity log.
    pub activity: PathBuf,
}

/// Timers of a session. SMPP 3.4 §7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimers {
    /// From connection to bind.
    pub init_timeout: Duration,
    /// Silence after which `enquire_link` is sent; zero for never.
    pub enquire_link: Duration,
    /// Time without a message after which the session ends; `None` for never.
    pub inactivity: Option<Duration>,
    /// How long a request may stay unanswered.
    pub response_timeout: Duration,
    /// How long a stop waits for what is under way.
    pub drain: Duration,
}

/// Bounds on the whole process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most messages that wait for a carrier; beyond, clients get `ESME_RMSGQFUL`.
    pub backlog: u64,
    /// Most connections from clients.
    pub links: u32,
}

/// How to reach a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierConfig {
    /// `host:port`; the host is looked up at each dial.
    pub address: String,
    /// The name it knows us by.
    pub system_id: String,
    /// The password it gave us; may be empty.
    pub password: Secret,
    /// The kind of system we say we are; often empty.
    pub system_type: String,
    /// How its links bind.
    pub bind: CarrierBind,
    /// Silence after which `enquire_link` is sent to it; zero for never.
    pub enquire_link: Duration,
    /// TLS toward it; `None` for a connection in clear.
    pub tls: Option<CarrierTls>,
}

/// How the links of a carrier bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CarrierBind {
    /// Each link does both.
    #[default]
    Transceiver,
    /// Half of the links, an even number, submit; the other half receive.
    TransmitterReceiver,
}

/// TLS toward a carrier. The certificate is always verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarrierTls {
    /// Issuers to trust.
    pub ca: PathBuf,
    /// The name its certificate must have.
    pub server_name: String,
}

impl Default for SessionTimers {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(5),
            enquire_link: Duration::from_secs(30),
            inactivity: Some(Duration::from_secs(300)),
            response_timeout: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { backlog: 10_000_000, links: 10_000 }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { path: PathBuf::from("data"), durability: Durability::default() }
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it; a file that cannot be read is one such mistake.
    pub fn load(path: &Path) -> Result<Self, Mistakes> {
        Self::parse(path, &Self::read(path)?)
    }

    /// The text of a file, as it is.
    ///
    /// # Errors
    /// One mistake, when it cannot be read.
    pub fn read(path: &Path) -> Result<String, Mistakes> {
        std::fs::read_to_string(path).map_err(|error| {
            Mistakes(vec![Mistake {
                file: path.to_owned(),
                line: 1,
                column: 1,
                key: String::new(),
                what: format!("cannot be read: {error}"),
                expected: "a configuration in TOML; conf/smppgate.toml in the source is a sample".to_owned(),
                warning: false,
            }])
        })
    }

    /// Reads a text as if it were in the file `path`: file names in it are relative to that file's folder.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Mistakes> {
        compile::compile(path, text)
    }

    /// Where the control socket is of a process with this text, also where that has mistakes, for the process can be asked
    /// all the same. `None` where it is not even TOML.
    #[must_use]
    pub fn control_of(text: &str) -> Option<PathBuf> {
        let document: toml::Table = text.parse().ok()?;
        let named = |table: &str, key: &str| document.get(table)?.get(key)?.as_str().map(PathBuf::from);
        let store = named("store", "path").unwrap_or_else(|| StoreConfig::default().path);
        Some(named("listen", "control").unwrap_or_else(|| store.join(CONTROL)))
    }

    /// The text of [`Self::sandbox`].
    pub const SANDBOX: &str = include_str!("sandbox.toml");

    /// What runs without a configuration: SMPP, the admin pages and a simulated carrier, all on the loopback address.
    #[must_use]
    pub fn sandbox() -> Self {
        let config = Self::parse(Path::new("sandbox.toml"), Self::SANDBOX);
        Self { is_sandbox: true, ..config.expect("the built-in configuration is right, as its test shows") }
    }

    /// Each carrier's rules and the way to reach it.
    pub fn carriers(&self) -> impl Iterator<Item = (&Carrier, &CarrierConfig)> {
        self.policy.carriers.iter().zip(&self.carriers)
    }
}

#[cfg(test)]
mod tests;
