//! The commands that ask the running process over its control socket, and how their answers look.
//!
//! Decides nothing: whether something is allowed is the process's matter.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::subject::Document;
use super::{Failure, json};
use crate::config::{Config, DEFAULT_PATH};
use crate::control::{Answer, Ask, BindRow, Login, OptOutRow, Request, StatusRow};

/// Longest silence of a process that was asked.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Which process, and who asks.
#[derive(Args)]
pub(super) struct SocketArgs {
    /// The configuration of the running process, for the path of its control socket [default: conf/smppgate.toml, or
    /// the sandbox where there is no such file]
    #[arg(long, short, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Its control socket, for those who may not read the configuration
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    socket: Option<PathBuf>,
    /// Ask as this operator, with a password, instead of by Unix user
    #[arg(long, value_name = "NAME", requires = "password_file")]
    operator: Option<String>,
    /// A file with the password; "-" reads standard input
    #[arg(long, value_name = "FILE", requires = "operator")]
    password_file: Option<PathBuf>,
    /// Why; goes into the audit log. No numbers and texts of messages
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// The client's documented instruction; goes into the audit log. No numbers
    #[arg(long, value_name = "REF", default_value = "")]
    instruction: String,
    /// Print the answers as JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    socket: SocketArgs,
}

#[derive(Args)]
pub(super) struct BindsArgs {
    /// Only the binds of this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    #[command(flatten)]
    socket: SocketArgs,
}

#[derive(Args)]
pub(super) struct UnbindArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    socket: SocketArgs,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// All binds of this account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The bind with this number, as "smppgate binds" shows it
    #[arg(long, value_name = "N")]
    link: Option<u64>,
}

#[derive(Args)]
pub(super) struct DrainArgs {
    #[command(flatten)]
    socket: SocketArgs,
}

#[derive(Args)]
pub(super) struct ReloadArgs {
    #[command(flatten)]
    socket: SocketArgs,
}

#[derive(Subcommand)]
pub(super) enum AccountCommand {
    /// Close its binds within a second and refuse new ones until it is enabled, also after a restart
    Disable(AccountArgs),
    /// Let it bind again
    Enable(AccountArgs),
    /// Close it for good, on the client's instruction: its records are set aside, then sealed, then destroyed
    Close(AccountArgs),
    /// Open a closed account again; what is sealed needs a second operator to ask too
    Reopen(AccountArgs),
}

#[derive(Args)]
pub(super) struct AccountArgs {
    /// The system_id of the account
    #[arg(long, value_name = "NAME")]
    account: String,
    #[command(flatten)]
    socket: SocketArgs,
}

#[derive(Subcommand)]
pub(super) enum OperatorCommand {
    /// Close the operator's connections within a second and refuse new ones, also after a restart
    Revoke(OperatorArgs),
    /// Let the operator come back
    Restore(OperatorArgs),
}

#[derive(Args)]
pub(super) struct OperatorArgs {
    /// The operator's name in the configuration
    #[arg(long, value_name = "NAME")]
    name: String,
    #[command(flatten)]
    socket: SocketArgs,
}

pub(super) fn status(args: StatusArgs) -> Result<(), Failure> {
    ask(&args.socket, Request::Status {})
}

pub(super) fn binds(args: BindsArgs) -> Result<(), Failure> {
    ask(&args.socket, Request::Binds { account: args.account })
}

pub(super) fn unbind(args: UnbindArgs) -> Result<(), Failure> {
    let request = match (args.which.account, args.which.link) {
        (Some(account), _) => Request::UnbindAccount { account },
        (None, link) => Request::UnbindLink { link: link.unwrap_or_default() },
    };
    ask(&args.socket, request)
}

pub(super) fn drain(args: DrainArgs) -> Result<(), Failure> {
    ask(&args.socket, Request::Drain {})
}

pub(super) fn reload(args: ReloadArgs) -> Result<(), Failure> {
    ask(&args.socket, Request::ConfigReload {})
}

pub(super) fn account(command: AccountCommand) -> Result<(), Failure> {
    match command {
        AccountCommand::Disable(args) => ask(&args.socket, Request::AccountDisable { account: args.account }),
        AccountCommand::Enable(args) => ask(&args.socket, Request::AccountEnable { account: args.account }),
        AccountCommand::Close(args) => ask(&args.socket, Request::AccountClose { account: args.account }),
        AccountCommand::Reopen(args) => ask(&args.socket, Request::AccountReopen { account: args.account }),
    }
}

pub(super) fn operator(command: OperatorCommand) -> Result<(), Failure> {
    match command {
        OperatorCommand::Revoke(args) => ask(&args.socket, Request::OperatorRevoke { name: args.name }),
        OperatorCommand::Restore(args) => ask(&args.socket, Request::OperatorRestore { name: args.name }),
    }
}

impl SocketArgs {
    /// The configuration that was named, or the default one, or the sandbox.
    pub(super) fn configuration(&self) -> Result<Config, Failure> {
        configuration(self.config.as_deref())
    }

    /// Whether it was said where the process is reached.
    pub(super) fn names_a_socket(&self) -> bool {
        self.socket.is_some()
    }

    fn path(&self) -> Result<PathBuf, Failure> {
        match &self.socket {
            Some(path) => Ok(path.clone()),
            None => match self.configuration() {
                Ok(config) => Ok(config.listen.control),
                // The running process has read a better one, and says what it thinks of this one.
                Err(refused) => self.control_of_file().ok_or(refused),
            },
        }
    }

    fn control_of_file(&self) -> Option<PathBuf> {
        let path = self.config.as_deref().unwrap_or_else(|| Path::new(DEFAULT_PATH));
        Config::control_of(&std::fs::read_to_string(path).ok()?)
    }

    fn login(&self) -> Result<Option<Login>, Failure> {
        let (Some(name), Some(file)) = (&self.operator, &self.password_file) else { return Ok(None) };
        let text = match file.as_os_str() == "-" {
            true => std::io::read_to_string(std::io::stdin()),
            false => std::fs::read_to_string(file),
        };
        let text = text.map_err(|error| Failure::refused(format!("{}: {error}", file.display())))?;
        let password = text.trim_end_matches(['\n', '\r']).to_owned();
        Ok(Some(Login { name: name.clone(), password }))
    }

    /// A connection to the process; `None` when none listens.
    pub(super) fn connect(&self) -> Result<Option<UnixStream>, Failure> {
        let path = self.path()?;
        match UnixStream::connect(&path) {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
            Err(error) => Err(Failure::failed(format!("{}: {error}", path.display()))),
        }
    }

    /// Asks over an open connection and prints what comes.
    pub(super) fn converse(&self, mut stream: UnixStream, request: Request) -> Result<(), Failure> {
        let broken = |error: std::io::Error| Failure::failed(format!("the process gave no answer: {error}"));
        let ask =
            Ask { request, reason: self.reason.clone(), instruction: self.instruction.clone(), login: self.login()? };
        let mut line = serde_json::to_vec(&ask).map_err(|error| Failure::failed(error.to_string()))?;
        line.push(b'\n');
        stream.set_read_timeout(Some(SILENCE_MAX)).map_err(broken)?;
        stream.write_all(&line).map_err(broken)?;
        let mut document = Document::default();
        for line in BufReader::new(stream).lines() {
            let line = line.map_err(broken)?;
            let answer: Answer =
                serde_json::from_str(&line).map_err(|_| Failure::failed("the process speaks another version"))?;
            match answer {
                Answer::Row(_) if self.json => println!("{line}"),
                Answer::Row(row) if ask.request.number().is_some() => document.take(&row),
                Answer::Row(row) => println!("{}", spoken(&ask.request, row)?),
                Answer::Refused(why) => return Err(Failure::refused(why.text)),
                Answer::Done(said) => {
                    document.end();
                    if self.json {
                        println!("{line}");
                    } else {
                        eprintln!("{said}");
                    }
                    return Ok(());
                }
            }
        }
        Err(Failure::failed("the process closed the connection before it was done"))
    }
}

/// The configuration that was named, or the default one, or the sandbox.
pub(super) fn configuration(named: Option<&Path>) -> Result<Config, Failure> {
    let default = Path::new(DEFAULT_PATH);
    match named {
        Some(path) => Ok(Config::load(path)?),
        None if default.exists() => Ok(Config::load(default)?),
        None => Ok(Config::sandbox()),
    }
}

pub(super) fn ask(args: &SocketArgs, request: Request) -> Result<(), Failure> {
    match args.connect()? {
        Some(stream) => args.converse(stream, request),
        None => Err(Failure::failed(format!("{}: no process listens there", args.path()?.display()))),
    }
}

/// A row in words.
fn spoken(request: &Request, row: Value) -> Result<String, Failure> {
    let strange = |_| Failure::failed("the process speaks another version");
    match request {
        Request::Status {} => Ok(status_text(&serde_json::from_value(row).map_err(strange)?)),
        Request::Binds { .. } => {
            let BindRow { link, account, mode, from, since } = serde_json::from_value(row).map_err(strange)?;
            Ok(format!("{link:>6}  {account:<16} {mode:<12} {from:<24} since {since}"))
        }
        Request::OptOutList { .. } => {
            let OptOutRow { token, since, by } = serde_json::from_value(row).map_err(strange)?;
            Ok(format!("{token}  since {since}  by {by}"))
        }
        _ => row.as_str().map_or_else(|| json(&row), |text| Ok(text.to_owned())),
    }
}

fn status_text(row: &StatusRow) -> String {
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_f64).unwrap_or_default();
    let name = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let rows = |key: &str| row.status.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let up = Duration::from_secs((number(&row.status, "uptime_ms") / 1000.0) as u64);
    let mut text = format!("smppgate {}: up {}\n", row.version, humantime::format_duration(up));
    for (check, state) in row.checks.as_object().into_iter().flatten() {
        let ok = if state.get("ok").and_then(Value::as_bool) == Some(true) { "ok " } else { "NOT" };
        text += &format!("{ok}        {check}: {}\n", name(state, "detail"));
    }
    if let Some(why) = &row.audit_failing {
        text += &format!("NOT        audit: {why}\n");
    }
    for carrier in rows("carriers") {
        let (bound, links) = (number(&carrier, "links_bound"), number(&carrier, "links"));
        let (rate, waiting) = (number(&carrier, "forwarded_per_second"), number(&carrier, "waiting"));
        let state = Some(name(&carrier, "state")).filter(|state| !matches!(&state[..], "" | "bound"));
        let state = state.map_or_else(String::new, |state| format!(", {state}"));
        let who = name(&carrier, "name");
        text += &format!("carrier    {who}: {bound} of {links} links, {rate:.0}/s, {waiting} waiting{state}\n");
    }
    for account in rows("accounts") {
        let system_id = name(&account, "system_id");
        let state = if row.disabled.contains(&system_id) { ", disabled" } else { "" };
        let (binds, rate) = (number(&account, "binds"), number(&account, "accepted_per_second"));
        let (accepted, owed) = (number(&account, "accepted"), number(&account, "receipts_owed"));
        text += &format!(
            "account    {system_id}: {binds} binds, {rate:.0}/s, {accepted} accepted, {owed} receipts owed{state}\n"
        );
    }
    text.trim_end().to_owned()
}
