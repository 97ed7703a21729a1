//! `optout`: the requests about the lists of those who want no more messages of an account.

use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Failure;
use super::control::{SocketArgs, ask};
use super::subject::SubjectArgs;
use crate::control::{Request, Written};

/// Most numbers that a file may have: each is a request of its own, and recorded.
const IMPORT_MAX: usize = 100_000;

#[derive(Subcommand)]
pub(super) enum OptOutCommand {
    /// Show an account's list: a token that stands for each number, since when it is there and how it came there
    List(ListArgs),
    /// Put a number on the list
    Add(SubjectArgs),
    /// Take a number off the list
    Remove(SubjectArgs),
    /// Put the numbers of a file on the list, one a line; ends at the first that is refused
    Import(ImportArgs),
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// The system_id of the account
    #[arg(long, value_name = "NAME")]
    account: String,
    #[command(flatten)]
    socket: SocketArgs,
}

#[derive(Args)]
pub(super) struct ImportArgs {
    /// The file; "-" reads standard input
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    list: ListArgs,
}

pub(super) fn opt_out(command: OptOutCommand) -> Result<(), Failure> {
    match command {
        OptOutCommand::List(ListArgs { account, socket }) => ask(&socket, Request::OptOutList { account }),
        OptOutCommand::Add(subject) => subject.ask(|account, number| Request::OptOutAdd { account, number }),
        OptOutCommand::Remove(subject) => subject.ask(|account, number| Request::OptOutRemove { account, number }),
        OptOutCommand::Import(args) => import(&args),
    }
}

fn import(ImportArgs { file, list }: &ImportArgs) -> Result<(), Failure> {
    let unread = |error: std::io::Error| Failure::refused(format!("{}: {error}", file.display()));
    let source: Box<dyn Read> = match file.as_os_str() == "-" {
        true => Box::new(std::io::stdin()),
        false => Box::new(std::fs::File::open(file).map_err(unread)?),
    };
    for (line, text) in (1..).zip(BufReader::new(source).lines()) {
        let text = text.map_err(unread)?;
        if line > IMPORT_MAX {
            return Err(Failure::refused(format!("line {line}: more than {IMPORT_MAX} lines; import them in pieces")));
        }
        if !text.trim().is_empty() {
            let number = Written(text.trim().to_owned());
            let asked = ask(&list.socket, Request::OptOutAdd { account: list.account.clone(), number });
            asked.map_err(|failure| Failure { text: format!("line {line}: {}", failure.text), ..failure })?;
        }
    }
    Ok(())
}
