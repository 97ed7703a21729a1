//! `subject`: the requests about one person's data, and how their answers look: one JSON document on standard output,
//! how far it is on standard error.

use std::io::Read as _;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Failure;
use super::control::{SocketArgs, ask};
use crate::control::{Request, Written};

/// Most octets of a number on standard input.
const NUMBER_MAX: u64 = 64;

#[derive(Subcommand)]
pub(super) enum SubjectCommand {
    /// Show every record of a number within an account, as JSON; numbers are masked and texts left out unless --unmask
    Export(ExportArgs),
    /// Erase every record of a number within an account, at once; says which carriers got the number
    Erase(SubjectArgs),
    /// Restrict a number: nothing is sent to it, and nothing of it is shown to clients or forgotten
    Restrict(SubjectArgs),
    /// Lift a restriction
    Release(SubjectArgs),
    /// Add a correction that every reading of the number's records shows
    Note(NoteArgs),
}

#[derive(Args)]
pub(super) struct SubjectArgs {
    /// The system_id of the account
    #[arg(long, value_name = "NAME")]
    account: String,
    /// The number with its country, such as +4791234567; "-" reads it from standard input, where nobody else sees it
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    number: String,
    #[command(flatten)]
    socket: SocketArgs,
}

#[derive(Args)]
pub(super) struct ExportArgs {
    /// Show numbers and texts as they are; needs --reason
    #[arg(long)]
    unmask: bool,
    #[command(flatten)]
    subject: SubjectArgs,
}

#[derive(Args)]
pub(super) struct NoteArgs {
    /// What the note says. No numbers
    #[arg(long, value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    subject: SubjectArgs,
}

pub(super) fn subject(command: SubjectCommand) -> Result<(), Failure> {
    match command {
        SubjectCommand::Export(ExportArgs { unmask, subject }) => {
            subject.ask(|account, number| Request::SubjectExport { account, number, unmask })
        }
        SubjectCommand::Erase(subject) => subject.ask(|account, number| Request::SubjectErase { account, number }),
        SubjectCommand::Restrict(subject) => {
            subject.ask(|account, number| Request::SubjectRestrict { account, number })
        }
        SubjectCommand::Release(subject) => subject.ask(|account, number| Request::SubjectRelease { account, number }),
        SubjectCommand::Note(NoteArgs { text, subject }) => {
            subject.ask(|account, number| Request::SubjectNote { account, number, text })
        }
    }
}

impl SubjectArgs {
    pub(super) fn ask(self, request: impl FnOnce(String, Written) -> Request) -> Result<(), Failure> {
        let Self { account, mut number, socket } = self;
        if number == "-" {
            number.clear();
            let read = std::io::stdin().take(NUMBER_MAX).read_to_string(&mut number);
            read.map_err(|error| Failure::refused(format!("standard input: {error}")))?;
        }
        ask(&socket, request(account, Written(number.trim().to_owned())))
    }
}

/// Rows as one JSON document: what is known beside the records comes last.
#[derive(Debug, Default)]
pub(super) struct Document {
    records: u64,
    /// Whether the list of records is open.
    is_open: bool,
    summary: Option<Value>,
}

impl Document {
    /// Takes a row: progress goes to standard error, a record to standard output, anything else waits for the end.
    pub(super) fn take(&mut self, row: &Value) {
        if let Some(progress) = row.get("progress") {
            let field = |name: &str| progress.get(name).cloned().unwrap_or_default();
            eprintln!("{}: {} blocks, {} records found", field("part"), field("done"), field("found"));
            return;
        }
        if row.get("direction").is_none() {
            self.summary = Some(row.clone());
            return;
        }
        print!("{}{row}", if self.is_open { ",\n  " } else { "{\"records\": [\n  " });
        (self.is_open, self.records) = (true, self.records + 1);
    }

    /// Ends the document, if there is one.
    pub(super) fn end(&self) {
        let Some(summary) = &self.summary else { return };
        match (self.is_open, summary.get("restricted").is_some()) {
            (true, _) => println!("\n], \"summary\": {summary}}}"),
            (false, true) => println!("{{\"records\": [], \"summary\": {summary}}}"),
            (false, false) => println!("{summary}"),
        }
    }
}
