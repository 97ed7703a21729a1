//! The disk's floor: one file into which is written, in as many synced writes of the same size as the gateway made
//! commits, what the gateway's commits held, and nothing else. The file has its size before, so that a sync brings only
//! the octets to the disk and never the file's length.

use std::fs::OpenOptions;
use std::io::{BufRead, Seek, Write};
use std::path::PathBuf;

use clap::Args;
use smppgate::clock::Clock;

use crate::Outcome;

/// What to write.
#[derive(Args)]
pub(crate) struct AppendArgs {
    /// The file
    #[arg(long)]
    file: PathBuf,
    /// Synced writes
    #[arg(long)]
    commits: u64,
    /// Octets of each
    #[arg(long)]
    octets: usize,
}

/// Makes the file, says so, and waits for a line; writes, prints the seconds it took, and stays until its standard input
/// ends, so that it can be measured.
pub(crate) fn run(args: &AppendArgs) -> Outcome<()> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&args.file)?;
    let octets = vec![0xA5; args.octets.max(1)];
    for _ in 0..args.commits {
        file.write_all(&octets)?;
    }
    file.sync_all()?;
    file.rewind()?;
    println!("ready");
    let mut input = std::io::stdin().lock();
    input.read_line(&mut String::new())?;
    let clock = Clock::start();
    for _ in 0..args.commits {
        file.write_all(&octets)?;
        file.sync_data()?;
    }
    println!("{}", clock.now().mono.0 as f64 / 1e6);
    input.read_line(&mut String::new())?;
    std::fs::remove_file(&args.file)?;
    Ok(())
}
