//! Arguments of the load generator.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, FromArgMatches, ValueEnum};

use crate::sandbox::SandboxError;
use crate::sandbox::wire::STAMPED_OCTETS;
use crate::session::BindMode;

/// A load generator: binds as a client system, submits messages, and accounts for every answer and every receipt.
///
/// Exit code: 0 when every acknowledged message got its receipt and none got it twice, 4 otherwise.
#[derive(Args, Clone)]
pub struct LoadArgs {
    /// Server to bind to
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2775")]
    pub address: String,
    /// Account to bind as
    #[arg(long, value_name = "NAME", default_value = "acme")]
    pub system_id: String,
    /// Its password
    #[arg(long, value_name = "PASSWORD", default_value = "secret")]
    pub password: String,
    /// Number of connections, or of pairs of them with transmitter+receiver
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub binds: u32,
    /// Kind of bind
    #[arg(long, value_name = "KIND", default_value = "transceiver", value_enum)]
    pub bind: BindKind,
    /// Open submit_sm per connection
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub window: u32,

    /// Messages to send [default: 100000, or no limit with --duration]
    #[arg(long, value_name = "N")]
    pub messages: Option<u32>,
    /// Send for this long
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub duration: Option<Duration>,
    /// Messages a second over all connections, on a fixed schedule: latencies count from the scheduled time, so a slow
    /// server shows; 0 = as fast as the windows allow
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub rate: u64,

    /// Destinations, in turn: whole numbers, prefixes (filled up to 11 digits) or patterns such as 479xxxxxxx
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "479xxxxxxx,467xxxxxxxx,45xxxxxxxx,447xxxxxxxxx,4915xxxxxxxxx"
    )]
    pub to: Vec<String>,
    /// Source address: digits, or up to 11 letters
    #[arg(long, value_name = "ADDRESS", default_value = "smppgate")]
    pub from: String,
    /// Octets of text, 24 to 254; each text begins with its own serial number
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u8).range(24..=254))]
    pub text_octets: u8,
    /// Whether to ask for delivery receipts
    #[arg(long, value_name = "YES|NO", default_value = "yes", value_enum)]
    pub receipts: YesNo,
    /// How long to wait for the next missing receipt before giving up
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub wait_receipts: Duration,
    /// When an open submit_sm counts as unanswered
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub response_timeout: Duration,
    /// Numbers and texts follow from this seed [default: from the clock]
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,

    /// Count ESME_RTHROTTLED (0x58) as a refusal instead of sending again
    #[arg(long)]
    pub no_retry: bool,
    /// Send a message again whose answer was lost with the connection; it may then arrive twice
    #[arg(long)]
    pub resubmit: bool,
    /// Put the time of sending into each text, 40 octets of it, for a simulated carrier to report how long messages took;
    /// a message sent again then differs from the first
    #[arg(long)]
    pub stamp: bool,
    /// Append a line "serial message_id" for each acknowledged message
    #[arg(long, value_name = "FILE")]
    pub acked_file: Option<PathBuf>,

    /// Speak TLS
    #[arg(long)]
    pub tls: bool,
    /// PEM file with the certificates to trust
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub ca: Option<PathBuf>,
    /// Do not verify the server's certificate
    #[arg(long, requires = "tls", conflicts_with = "ca")]
    pub insecure: bool,
    /// Name the certificate must have [default: the host in --address]
    #[arg(long, value_name = "NAME", requires = "tls")]
    pub server_name: Option<String>,
    /// PEM file with a client certificate
    #[arg(long, value_name = "FILE", requires_all = ["tls", "key"])]
    pub certificate: Option<PathBuf>,
    /// PEM file with the key of --certificate
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Print no progress
    #[arg(long)]
    pub quiet: bool,
}

/// Kinds of bind a run can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BindKind {
    /// Each connection does both.
    Transceiver,
    /// A pair of connections, one for each direction.
    #[value(name = "transmitter+receiver")]
    Pair,
    /// Submit only; receipts are not waited for.
    Transmitter,
}

/// An explicit yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum YesNo {
    /// Yes.
    Yes,
    /// No.
    No,
}

impl LoadArgs {
    /// Reads arguments as the command line would; for tests.
    ///
    /// # Errors
    /// The parser's own words.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new("load").no_binary_name(true));
        Self::from_arg_matches(&command.try_get_matches_from(words)?)
    }

    /// Most messages this run sends.
    pub(super) fn limit(&self) -> u32 {
        match (self.messages, self.duration) {
            (Some(messages), _) => messages,
            (None, Some(_)) => u32::MAX,
            (None, None) => 100_000,
        }
    }

    /// Whether receipts are asked for and waited for.
    pub(super) fn wants_receipts(&self) -> bool {
        self.receipts == YesNo::Yes && self.bind != BindKind::Transmitter
    }

    /// One entry for each connection.
    pub(super) fn modes(&self) -> Vec<BindMode> {
        let one: &[BindMode] = match self.bind {
            BindKind::Transceiver => &[BindMode::Transceiver],
            BindKind::Pair => &[BindMode::Receiver, BindMode::Transmitter],
            BindKind::Transmitter => &[BindMode::Transmitter],
        };
        one.repeat(self.binds as usize)
    }

    /// Whether the values fit together.
    pub(super) fn check(&self) -> Result<(), SandboxError> {
        if self.from.is_empty() || self.from.len() > 20 || !self.from.is_ascii() {
            return Err(SandboxError::argument("from", "expected 1 to 20 ASCII characters"));
        }
        if self.system_id.len() > 15 {
            return Err(SandboxError::argument("system-id", "SMPP 3.4 allows 15 characters"));
        }
        if self.stamp && self.text_octets < STAMPED_OCTETS {
            return Err(SandboxError::argument("stamp", "needs --text-octets 40 or more"));
        }
        if self.tls && self.ca.is_none() && !self.insecure {
            return Err(SandboxError::argument("tls", "name the certificates to trust with --ca, or say --insecure"));
        }
        Ok(())
    }
}

/// Without the credentials and the numbers.
impl fmt::Debug for LoadArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadArgs").field("address", &self.address).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_duration_bound_each_other() {
        let limit = |words: &[&str]| LoadArgs::of(words.iter().copied()).unwrap().limit();
        assert_eq!(limit(&[]), 100_000);
        assert_eq!(limit(&["--duration", "1s"]), u32::MAX);
        assert_eq!(limit(&["--duration", "1s", "--messages", "7"]), 7);
    }

    #[test]
    fn pairs_open_two_connections_each() {
        let args = LoadArgs::of(["--bind", "transmitter+receiver", "--binds", "2"]).unwrap();
        assert_eq!(args.modes().len(), 4);
        assert!(args.check().is_ok());
    }

    #[test]
    fn tls_without_trust_is_refused() {
        assert!(LoadArgs::of(["--tls"]).unwrap().check().is_err());
        assert!(LoadArgs::of(["--tls", "--insecure"]).unwrap().check().is_ok());
    }
}
