//! Arguments of the simulated carrier.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, FromArgMatches, ValueEnum};

use crate::pdu::{ADDRESS_MAX, encode_gsm};
use crate::sandbox::SandboxError;

/// Octets of a handset's text, so that its number has room in one message.
const MOBILE_TEXT_MAX: usize = 120;

/// A simulated SMSC ("carrier"): accepts binds, answers submit_sm, sends delivery receipts, and misbehaves as told.
#[derive(Args, Clone)]
pub struct CarrierArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2776")]
    pub listen: String,
    /// The one system_id accepted; any if absent
    #[arg(long, value_name = "NAME")]
    pub system_id: Option<String>,
    /// The one password accepted; any if absent
    #[arg(long, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// PEM file with the certificate chain: the listener then speaks TLS only
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// PEM file with the key of --certificate
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,

    /// Wait before each submit_sm_resp
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub answer_delay: Duration,
    /// Random extra wait before each submit_sm_resp, up to this; answers then overtake each other
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = humantime::parse_duration)]
    pub answer_jitter: Duration,
    /// Wait between a message and its receipt; up to a tenth of it, 5 ms at most, longer where others can go with it
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = humantime::parse_duration)]
    pub receipt_delay: Duration,
    /// Where a receipt carries its facts
    #[arg(long, value_name = "FORM", default_value = "both", value_enum)]
    pub receipts: ReceiptForm,
    /// How message ids are written
    #[arg(long, value_name = "FORM", default_value = "decimal", value_enum)]
    pub id_form: IdForm,
    /// Open deliver_sm per bind
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub window: u32,
    /// Resend a deliver_sm on another bind when it is not answered within this time
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    pub response_timeout: Duration,
    /// Receipts kept while no bind of the account can take them; more are dropped and counted
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub backlog: usize,

    /// Part of the messages refused with --status, 0 to 1
    #[arg(long, value_name = "PART", default_value_t = 0.0)]
    pub fail_rate: f64,
    /// Refuse every Nth message with --status
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub status_every: u64,
    /// command_status of refused messages, for example 0x45
    #[arg(long, value_name = "STATUS", default_value = "0x45", value_parser = status)]
    pub status: u32,
    /// Answer ESME_RTHROTTLED (0x58) above this many messages a second; 0 = no limit
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub throttle_rate: u64,
    /// Answer every Nth message ESME_RMSGQFUL (0x14)
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub queue_full_every: u64,
    /// Accept binds and messages, and never answer a message nor deliver it
    #[arg(long)]
    pub silent: bool,
    /// Accept and deliver every Nth message without ever answering it
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub drop_answers_every: u64,
    /// Send each receipt at once and the submit_sm_resp after it (50 ms later, or --answer-delay)
    #[arg(long)]
    pub receipt_before_response: bool,
    /// Send every Nth receipt twice
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub duplicate_receipts_every: u64,
    /// Every Nth message fails in the network: its receipt says UNDELIV
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub undelivered_every: u64,
    /// Drop the connection, without unbind, at every Nth message
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub disconnect_after: u64,
    /// Seed of --fail-rate and --answer-jitter
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,

    /// The number that handsets write to; needed by the other --mobile options
    #[arg(long, value_name = "NUMBER")]
    pub mobile_to: Option<String>,
    /// What they write; each text ends with a number of its own
    #[arg(long, value_name = "TEXT", default_value = "hello", requires = "mobile_to")]
    pub mobile_text: String,
    /// Messages from handsets per second, once a bind can take them
    #[arg(long, value_name = "N", default_value_t = 0, requires = "mobile_to")]
    pub mobile_rate: u32,
    /// Most messages of --mobile-rate; 0 = no end
    #[arg(long, value_name = "N", default_value_t = 0, requires = "mobile_rate")]
    pub mobile_messages: u64,
    /// The handset that gets every Nth message writes back
    #[arg(long, value_name = "N", default_value_t = 0, requires = "mobile_to")]
    pub mobile_every: u64,

    /// Write the counts as JSON to this file at the end, and on SIGUSR1
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Rewrite --report this often
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, requires = "report")]
    pub report_every: Option<Duration>,
}

/// Where a delivery receipt carries its facts. SMPP 3.4 Appendix B and §5.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReceiptForm {
    /// In the text only.
    Text,
    /// In `receipted_message_id`, `message_state` and `network_error_code` only; the text is empty.
    Tlv,
    /// In both.
    Both,
}

/// How the carrier writes its message ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IdForm {
    /// Decimal digits.
    Decimal,
    /// Lower-case hexadecimal.
    Hex,
    /// Hexadecimal in `submit_sm_resp`, decimal in the receipt.
    HexThenDecimal,
    /// 36 characters with hyphens.
    Uuid,
}

impl CarrierArgs {
    /// Reads arguments as the command line would; for tests and for a carrier inside another program.
    ///
    /// # Errors
    /// The parser's own words.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new("carrier").no_binary_name(true));
        Self::from_arg_matches(&command.try_get_matches_from(words)?)
    }

    /// Whether the values fit together.
    pub(super) fn check(&self) -> Result<(), SandboxError> {
        if !(0.0..=1.0).contains(&self.fail_rate) {
            return Err(SandboxError::argument("fail-rate", format!("{} is not between 0 and 1", self.fail_rate)));
        }
        let too_long = |text: &str, most: usize| text.len() > most;
        if self.mobile_to.as_deref().is_some_and(|number| number.is_empty() || too_long(number, ADDRESS_MAX)) {
            return Err(SandboxError::argument(
                "mobile-to",
                format!("expected a number of at most {ADDRESS_MAX} digits"),
            ));
        }
        if too_long(&self.mobile_text, MOBILE_TEXT_MAX) || encode_gsm(&self.mobile_text).is_none() {
            let expected = format!("expected at most {MOBILE_TEXT_MAX} characters of the GSM alphabet");
            return Err(SandboxError::argument("mobile-text", expected));
        }
        if self.status == 0 {
            return Err(SandboxError::argument("status", "0 is success; expected an error such as 0x45"));
        }
        Ok(())
    }
}

/// Without the credentials.
impl fmt::Debug for CarrierArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierArgs").field("listen", &self.listen).finish_non_exhaustive()
    }
}

fn status(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("{text:?} is not a number; expected for example 0x45 or 69"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_a_carrier_that_behaves() {
        let args = CarrierArgs::of([]).unwrap();
        assert!(args.check().is_ok());
        assert_eq!(args.listen, "127.0.0.1:2776");
        assert_eq!(args.receipt_delay, Duration::from_millis(50));
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        assert!(CarrierArgs::of(["--status", "grumpy"]).is_err());
        assert!(CarrierArgs::of(["--status", "0"]).unwrap().check().is_err());
        assert!(CarrierArgs::of(["--fail-rate", "1.5"]).unwrap().check().is_err());
        assert_eq!(CarrierArgs::of(["--status", "0x14"]).unwrap().status, 0x14);
    }
}
