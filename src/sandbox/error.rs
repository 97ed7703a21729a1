//! What stops a sandbox program, in words that say what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why the simulated carrier or the load generator could not run.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The listening address is taken or not ours.
    #[error("cannot listen on {address}: {source} (is another carrier running there? choose one with --listen)")]
    Listen {
        /// As given.
        address: String,
        /// From the operating system.
        source: io::Error,
    },
    /// The server does not answer on that address.
    #[error("cannot connect to {address}: {source} (is the server running? choose one with --address)")]
    Connect {
        /// As given.
        address: String,
        /// From the operating system.
        source: io::Error,
    },
    /// The server refused the bind.
    #[error("{address} refused {command} of \"{system_id}\" with {status}{hint}")]
    BindRefused {
        /// As given.
        address: String,
        /// The bind command.
        command: String,
        /// The account that asked.
        system_id: String,
        /// Name or number of the status.
        status: String,
        /// What this status usually means.
        hint: &'static str,
    },
    /// The server closed the connection, or stayed silent, where a bind response was due.
    #[error(
        "{address} did not answer the bind: {reason} (does it speak SMPP there, and is TLS set alike on both sides?)"
    )]
    BindUnanswered {
        /// As given.
        address: String,
        /// What came instead.
        reason: String,
    },
    /// An argument has a value that cannot work.
    #[error("--{argument}: {reason}")]
    Argument {
        /// Without the dashes.
        argument: &'static str,
        /// What was expected.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// From the operating system.
        source: io::Error,
    },
    /// Certificates or keys do not fit.
    #[error("TLS: {0}")]
    Tls(String),
    /// A thread or a signal handler could not be set up.
    #[error("cannot start: {0}")]
    Start(#[source] io::Error),
}

impl SandboxError {
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.to_owned(), source }
    }

    pub(super) fn argument(argument: &'static str, reason: impl Into<String>) -> Self {
        Self::Argument { argument, reason: reason.into() }
    }
}
