//! The command line: what can be asked, and what each exit code means. The work is done by the modules below it.
//!
//! A number or a text is shown only where the user gave it (`explain`, `decode`); a password never.

mod audit;
mod check;
mod control;
mod decode;
mod explain;
mod incident;
mod logging;
mod opt_out;
mod publish;
mod report;
mod serve;
mod subject;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, DEFAULT_PATH, Mistakes};
use crate::control::Running;
use crate::sandbox::{self, CarrierArgs, LoadArgs};
use logging::LogArgs;

/// The input or the configuration was refused; nothing was started.
const REFUSED: u8 = 1;
/// It started and then failed. (2 is clap's, for arguments that make no sense.)
const FAILED: u8 = 3;

const EXAMPLES: &str = "\
Examples:
  smppgate
      serve the sandbox: SMPP on 127.0.0.1:2775, account acme, password secret,
      a simulated carrier, and a status page on http://127.0.0.1:8080/
  smppgate load --messages 10
      send ten messages through it and wait for their receipts
  smppgate check --config gate.toml
      list every mistake in a configuration
  smppgate serve --config gate.toml --log-format json
      serve it
  smppgate explain --account acme --to 4791234567 --config gate.toml
      which country, route, rates and carriers a message would meet
  smppgate report processing --config gate.toml
      the record of processing (GDPR Art. 30) and the list of sub-processors
  smppgate binds --config gate.toml
      ask the running process which clients are bound
  smppgate audit verify --config gate.toml
      check that nobody changed the record of who did what
  smppgate decode 00000010000000150000000000000001
      a PDU in words

Exit codes: 0 done, 1 input or configuration refused, 2 arguments wrong,
3 failed while running, 4 \"load\" missed receipts or got some twice.";

/// An SMPP 3.4 server and carrier bridge. Without a command it serves a sandbox in which a bind and a submit work at once.
#[derive(Parser)]
#[command(name = "smppgate", version, max_term_width = 120, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a configuration until SIGTERM or Ctrl-C; then drain and stop
    Serve(ConfigArgs),
    /// Read a configuration and list every mistake; start nothing
    Check(ConfigArgs),
    /// Say what a message would meet: country, route, rates, carriers, and why
    Explain(explain::ExplainArgs),
    /// Reports about personal data, from the configuration
    Report(report::ReportArgs),
    /// Show how the running process is doing
    Status(control::StatusArgs),
    /// List the binds of client systems
    Binds(control::BindsArgs),
    /// Close binds
    Unbind(control::UnbindArgs),
    /// Let the running process drain and stop
    Drain(control::DrainArgs),
    /// Let the running process take over what changed in its configuration
    ///
    /// Accounts, carriers and all other rules, whole or not at all; the answer says what changed and what became of the messages
    /// that wait. Where listeners, store or another key differs that needs a restart, nothing changes and the keys are named.
    Reload(control::ReloadArgs),
    /// Disable or enable an account
    #[command(subcommand)]
    Account(control::AccountCommand),
    /// See, erase, restrict or correct the data of one person
    #[command(subcommand)]
    Subject(subject::SubjectCommand),
    /// List, add or remove those who want no more messages of an account
    #[command(subcommand, name = "optout")]
    OptOut(opt_out::OptOutCommand),
    /// Revoke or restore an operator
    #[command(subcommand)]
    Operator(control::OperatorCommand),
    /// Verify or show the audit log
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Run a simulated carrier (SMSC)
    Carrier(Box<CarrierArgs>),
    /// Generate load and account for every answer and every receipt
    Load(Box<LoadArgs>),
    /// Show PDUs in words
    Decode(decode::DecodeArgs),
}

/// Which configuration.
#[derive(Args)]
struct ConfigArgs {
    /// The configuration
    #[arg(long, short, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
}

/// Why a command ends without success. Its text is for standard error.
struct Failure {
    code: u8,
    text: String,
}

/// Reads the arguments of the process, does what they ask, and returns the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match cli.dispatch() {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{}", failure.text);
            ExitCode::from(failure.code)
        }
    }
}

impl Cli {
    fn dispatch(self) -> Result<ExitCode, Failure> {
        match self.command {
            None => {
                self.log.install()?;
                serve::sandbox()?;
            }
            Some(Command::Serve(args)) => {
                let (path, text) = (args.config.clone(), Config::read(&args.config)?);
                let config = Config::parse(&args.config, &text)?;
                self.log.install()?;
                serve::serve(Running { path, text, config })?;
            }
            Some(Command::Check(args)) => check::check(&args)?,
            Some(Command::Explain(args)) => explain::explain(&args)?,
            Some(Command::Report(args)) => report::report(&args)?,
            Some(Command::Decode(args)) => decode::decode(&args)?,
            Some(Command::Status(args)) => control::status(args)?,
            Some(Command::Binds(args)) => control::binds(args)?,
            Some(Command::Unbind(args)) => control::unbind(args)?,
            Some(Command::Drain(args)) => control::drain(args)?,
            Some(Command::Reload(args)) => control::reload(args)?,
            Some(Command::Account(command)) => control::account(command)?,
            Some(Command::Subject(command)) => subject::subject(command)?,
            Some(Command::OptOut(command)) => opt_out::opt_out(command)?,
            Some(Command::Operator(command)) => control::operator(command)?,
            Some(Command::Audit(command)) => audit::audit(command)?,
            Some(Command::Carrier(args)) => carrier(*args)?,
            Some(Command::Load(args)) => return load(*args),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl ConfigArgs {
    /// The configuration, or all its mistakes.
    fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.config).map_err(Failure::from)
    }
}

impl Failure {
    fn refused(text: impl Into<String>) -> Self {
        Self { code: REFUSED, text: text.into() }
    }

    fn failed(text: impl Into<String>) -> Self {
        Self { code: FAILED, text: text.into() }
    }
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        let count = match mistakes.refusing() {
            1 => "1 mistake".to_owned(),
            many => format!("{many} mistakes"),
        };
        Self::refused(format!("{mistakes}\n{count}; nothing was started"))
    }
}

fn carrier(args: CarrierArgs) -> Result<(), Failure> {
    let report = block_on(sandbox::carrier(args))?.map_err(|error| Failure::failed(error.to_string()))?;
    println!("{}", json(&report)?);
    Ok(())
}

fn load(args: LoadArgs) -> Result<ExitCode, Failure> {
    let is_json = args.json;
    let report = block_on(sandbox::load(args))?.map_err(|error| Failure::failed(error.to_string()))?;
    println!("{}", if is_json { json(&report)? } else { report.summary() });
    Ok(ExitCode::from(report.exit_code()))
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))
}

/// Runs what drives itself elsewhere: one thread is enough to wait for it.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?.block_on(work))
}
