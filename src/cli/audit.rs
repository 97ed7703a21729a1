//! `audit`: verifies the log, and shows it. Reads the files; a running process is asked to show them where it listens,
//! so that the reading is recorded too.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Failure;
use super::control::{SocketArgs, configuration};
use crate::audit::folder::{Day, Folder, public_key};
use crate::audit::reading::{Range, walk};
use crate::audit::{AuditFault, Hash, head};
use crate::control::Request;

#[derive(Subcommand)]
pub(super) enum AuditCommand {
    /// Check that nothing was changed, removed or cut off; names the first bad entry and exits with 1
    Verify(VerifyArgs),
    /// Print entries, one a line
    Show(ShowArgs),
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// Begin with this day; its first entry is vouched for by a signed head
    #[arg(long, value_name = "DATE", value_parser = date)]
    from: Option<Day>,
    /// Also compare with a head that was kept elsewhere: the entry's number, a colon, its hash
    #[arg(long, value_name = "N:HASH", value_parser = copy)]
    head: Option<(u64, Hash)>,
    /// The configuration that says where the log is [default: conf/smppgate.toml, or the sandbox where there is no such
    /// file]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct ShowArgs {
    /// The first day
    #[arg(long, value_name = "DATE", value_parser = date)]
    from: Option<Day>,
    /// The last day
    #[arg(long, value_name = "DATE", value_parser = date)]
    to: Option<Day>,
    /// Only what the actor with this name did
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    #[command(flatten)]
    socket: SocketArgs,
}

pub(super) fn audit(command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(args) => verify(&args),
        AuditCommand::Show(args) => show(args),
    }
}

fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let config = configuration(args.config.as_deref())?;
    let folder = Folder::new(&config.audit.path);
    let key = public_key(&config.audit.key).map_err(failure)?;
    let range = Range { from: args.from, to: None };
    let walked = walk(&folder, key, range, args.head, |_| {}).map_err(failure)?;
    let Some((first, last)) = walked.range else {
        println!("{}: no entries", folder.path().display());
        return Ok(());
    };
    println!("{}: good", folder.path().display());
    println!("entries   {first} to {last} in {} files", walked.files);
    println!("last      {last}:{}", walked.hash);
    match walked.head {
        Some((seq, at, key)) => {
            println!("signed    up to {seq} at {}, key {}", at.moment(), head::hex(&key));
        }
        None => println!("signed    not yet"),
    }
    if key.is_none() {
        println!("key       {} cannot be read: compare the key above with a copy", config.audit.key.display());
    }
    Ok(())
}

fn show(args: ShowArgs) -> Result<(), Failure> {
    let day = |day: Option<Day>| day.map(|day| day.to_string());
    if let Some(stream) = args.socket.connect()? {
        let request = Request::AuditShow { from: day(args.from), to: day(args.to), actor: args.actor };
        return args.socket.converse(stream, request);
    }
    if args.socket.names_a_socket() {
        return Err(Failure::failed("no process listens there"));
    }
    let folder = Folder::new(args.socket.configuration()?.audit.path);
    let range = Range { from: args.from, to: args.to };
    let walked = walk(&folder, None, range, None, |entry| {
        if args.actor.as_ref().is_none_or(|actor| *actor == entry.said.actor.name) {
            println!("{entry}");
        }
    });
    walked.map(|_| ()).map_err(failure)
}

fn failure(fault: AuditFault) -> Failure {
    match fault {
        // The message for a process that would write names what to do; here only the finding counts.
        AuditFault::Broken(bad) => Failure::refused(bad.to_string()),
        other => Failure::failed(other.to_string()),
    }
}

fn date(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "expected a date such as 2026-12-01".to_owned())
}

fn copy(text: &str) -> Result<(u64, Hash), String> {
    let parts = text.split_once(':').and_then(|(seq, hash)| Some((seq.parse().ok()?, Hash::parse(hash)?)));
    parts.ok_or_else(|| "expected a number, a colon and 64 hexadecimal digits".to_owned())
}
