//! The disk's floor: one file, appended to and synced once for each group of messages, and nothing else.

use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::path::PathBuf;

use clap::Args;
use smppgate::clock::Clock;

use crate::Outcome;

/// Octets of one message's own record, all of its life in one.
pub(crate) const RECORD_OCTETS: usize = 250;

/// What to append.
#[derive(Args)]
pub(crate) struct AppendArgs {
    /// The file
    #[arg(long)]
    file: PathBuf,
    /// Messages in all
    #[arg(long)]
    messages: u64,
    /// Messages between two syncs
    #[arg(long)]
    group: u64,
}

/// Appends, prints the seconds it took, and stays until its standard input ends, so that it can be measured.
pub(crate) fn run(args: &AppendArgs) -> Outcome<()> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&args.file)?;
    let group = args.group.max(1);
    let octets = vec![0xA5; RECORD_OCTETS * usize::try_from(group)?];
    let clock = Clock::start();
    let mut written = 0;
    while written < args.messages {
        file.write_all(&octets)?;
        file.sync_data()?;
        written += group;
    }
    println!("{} {written}", clock.now().mono.0 as f64 / 1e6);
    std::io::stdin().lock().read_line(&mut String::new())?;
    std::fs::remove_file(&args.file)?;
    Ok(())
}
