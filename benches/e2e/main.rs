//! The whole thing from outside: the release binary as gateway, two carriers and a load, each a process of its own, and
//! beside them the two floors that no gateway can go below: a TCP relay that parses nothing, and a file that is given the
//! same octets in as many synced writes as the gateway made commits.
//!
//! `cargo bench --bench e2e` prints one table and leaves figures and charts in `target/e2e/`.
//! `cargo bench --bench e2e -- --backlog 200000` fills a gateway whose carriers are all down, kills it, and looks.
//! `cargo bench --bench e2e -- --scaling` compares the cost of a message with 1 bind and 500, with few stored and many.
//! `cargo bench --bench e2e -- --erasure` forgets one number after the other among a million messages, beside traffic.
//! Options: `--messages N`, `--binds N`, `--runs N` (the median run counts), `--quick`, `--publish` (charts into
//! `benches/charts/`). Needs Linux: it reads `/proc`.
//!
//! Everything shares the machine: gateway, carriers and load on the same cores. The ratios within one run say more than
//! the numbers.

mod append;
mod backlog;
mod chart;
mod erasure;
mod figures;
mod gate;
mod process;
mod relay;
mod rows;
mod scaling;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What may go wrong, in words for the terminal.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Measures the gateway end to end.
#[derive(Parser)]
#[command(name = "e2e")]
struct Args {
    #[command(subcommand)]
    role: Option<Role>,
    /// Messages of each run at full speed
    #[arg(long, default_value_t = 300_000)]
    messages: u32,
    /// Connections of the load
    #[arg(long, default_value_t = 4)]
    binds: u32,
    /// Runs of each row; the one with the median throughput counts
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// A tenth of the messages: shows that it works, measures nothing
    #[arg(long)]
    quick: bool,
    /// Put the charts into benches/charts as well
    #[arg(long)]
    publish: bool,
    /// Instead of the table: accept this many messages while all carriers are down, kill, recover, deliver
    #[arg(long, value_name = "MESSAGES")]
    backlog: Option<u32>,
    /// Instead of the table: the cost of a message with 1 bind and with 500, and with few messages stored and this many
    #[arg(long, value_name = "MESSAGES", num_args = 0..=1, default_missing_value = "2000000")]
    scaling: Option<u32>,
    /// Instead of the table: how long it takes to forget a number among this many messages, and the throughput meanwhile
    #[arg(long, value_name = "MESSAGES", num_args = 0..=1, default_missing_value = "1000000")]
    erasure: Option<u32>,
    /// Measure this program instead of the one just built
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// cargo gives it to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// What this program is when it has started itself: each floor is a process, so that it is measured like the gateway.
#[derive(Subcommand)]
enum Role {
    /// Passes octets through
    #[command(hide = true)]
    Relay(relay::RelayArgs),
    /// Appends to a file
    #[command(hide = true)]
    Append(append::AppendArgs),
}

/// The run's fixed surroundings.
#[derive(Clone)]
struct Bench {
    messages: u32,
    binds: u32,
    runs: usize,
    /// Where everything of this run goes; on the disk that is measured.
    folder: PathBuf,
    /// The gateway, the carriers and the load.
    binary: PathBuf,
}

impl Bench {
    fn new(args: &Args) -> Outcome<Self> {
        // `target/tmp` is what cargo offers to a bench; its neighbour is easier to find.
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("e2e");
        std::fs::create_dir_all(&folder)?;
        let messages = if args.quick { args.messages / 10 } else { args.messages };
        let binary = args.binary.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_smppgate")));
        Ok(Self { messages: messages.max(1000), binds: args.binds, runs: args.runs.max(1), folder, binary })
    }

    /// An empty folder for a store.
    fn store(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.folder.join(format!("store-{name}"));
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(path),
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.role {
        Some(Role::Relay(relay)) => relay::run(relay),
        Some(Role::Append(append)) => append::run(append),
        None => measure(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Outcome<()> {
    let bench = Bench::new(args)?;
    if let Some(messages) = args.backlog {
        return backlog::run(&bench, messages);
    }
    if let Some(stored) = args.scaling {
        return scaling::run(&bench, stored);
    }
    if let Some(stored) = args.erasure {
        return erasure::run(&bench, stored);
    }
    let figures = rows::all(&bench)?;
    println!("{}", table::render(&figures));
    let mut folders = vec![bench.folder.clone()];
    if args.publish {
        folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/charts"));
    }
    for folder in &folders {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("throughput.svg"), chart::throughput(&figures))?;
        std::fs::write(folder.join("latency.svg"), chart::latency(&figures))?;
    }
    std::fs::write(bench.folder.join("figures.json"), serde_json::to_string_pretty(&figures)?)?;
    println!("\nfigures and charts: {}", bench.folder.display());
    Ok(())
}
