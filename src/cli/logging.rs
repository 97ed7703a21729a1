//! Where events go: lines on standard error, for people or as JSON.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing::subscriber::set_global_default;
use tracing_subscriber::EnvFilter;

use super::Failure;

/// What is logged, and how.
#[derive(Args)]
pub(super) struct LogArgs {
    /// What to log: error, warn, info, debug or trace, or a filter such as info,smppgate::net=debug [default: RUST_LOG,
    /// or info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    /// How to write it
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    log_format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

impl LogArgs {
    /// Sends events to standard error from now on.
    pub(super) fn install(&self) -> Result<(), Failure> {
        let wish = self.log.clone().or_else(|| std::env::var("RUST_LOG").ok()).unwrap_or_else(|| "info".to_owned());
        let filter = EnvFilter::try_new(&wish).map_err(|error| {
            Failure::refused(format!("\"{wish}\" is no log level: {error}; expected error, warn, info, debug or trace"))
        })?;
        let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        // Not `try_init`, which also takes in what libraries say through the `log` crate: sled speaks of octets it stores,
        // and from threads that are ending already, where listening would abort the process.
        let done = match self.log_format {
            Format::Text => set_global_default(lines.with_ansi(std::io::stderr().is_terminal()).finish()),
            Format::Json => set_global_default(lines.json().flatten_event(true).finish()),
        };
        done.map_err(|error| Failure::failed(format!("cannot log: {error}")))
    }
}
