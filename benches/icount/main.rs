//! How many instructions a message costs, counted by valgrind and not timed: the same on a busy machine as on an idle one.
//!
//! `cargo bench --bench icount` counts and compares with `reference.tsv` beside this file: it fails when anything costs
//! over 5 % more. `cargo bench --bench icount -- --write` takes what it counted as the new reference. Counts of another
//! compiler are shown and not judged.

#[path = "../life/mod.rs"]
mod life;
mod work;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use work::Work;

/// Part by which a count may differ from its reference.
const TOLERANCE: f64 = 0.05;

const INSTALL: &str = "valgrind is not installed; on Debian and Ubuntu: apt-get install valgrind";

/// What may go wrong, in words for the terminal.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = match words.iter().position(|word| word == "--work") {
        Some(at) => words.get(at + 1).and_then(|name| Work::named(name)).ok_or_else(|| "no such work".into()).map(run),
        None => compare(words.iter().any(|word| word == "--write")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// In the process that valgrind watches.
fn run(work: Work) -> bool {
    work.run();
    true
}

/// Counts everything. Whether nothing costs much more than it did.
fn compare(write: bool) -> Outcome<bool> {
    let compiler = compiler()?;
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/icount/reference.tsv");
    let reference = std::fs::read_to_string(&file).unwrap_or_default();
    let comparable = reference.lines().next() == Some(compiler.as_str());
    let known = |name: &str| -> Option<f64> {
        let (_, count) =
            reference.lines().filter_map(|line| line.split_once('\t')).find(|(known, _)| *known == name)?;
        count.parse().ok()
    };
    let (mut text, mut good) = (format!("{compiler}\n"), true);
    println!("{:<40} {:>12} {:>12} {:>8}", "instructions", "counted", "reference", "");
    for work in Work::ALL {
        let counted = count(work)?;
        let _ = writeln!(text, "{}\t{counted:.0}", work.name());
        let verdict = match known(work.name()) {
            None => "new".to_owned(),
            Some(before) => {
                let change = counted / before - 1.0;
                good &= change <= TOLERANCE || !comparable;
                format!("{:+.1} %", change * 100.0)
            }
        };
        let before = known(work.name()).map_or_else(String::new, |before| format!("{before:.0}"));
        println!("{:<40} {counted:>12.0} {before:>12} {verdict:>8}", work.name());
    }
    if write {
        std::fs::write(&file, text)?;
        return Ok(true);
    }
    if !comparable {
        println!("the reference is of another compiler: nothing is judged");
    } else if !good {
        println!("something costs over {:.0} % more than it did; --write accepts it", TOLERANCE * 100.0);
    }
    Ok(good)
}

/// Instructions for one unit of the work.
fn count(work: Work) -> Outcome<f64> {
    let toggle = format!("--toggle-collect=*{}*", work.function());
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no", &toggle])
        .arg(std::env::current_exe()?)
        .args(["--work", work.name()])
        .output()
        .map_err(
            |error| if error.kind() == std::io::ErrorKind::NotFound { INSTALL.into() } else { error.to_string() },
        )?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count.trim());
    let collected: f64 = collected.ok_or_else(|| format!("valgrind counted nothing:\n{text}"))?.parse()?;
    if collected == 0.0 {
        return Err(format!("valgrind never met {}", work.function()).into());
    }
    Ok(collected / work.units() as f64)
}

/// The compiler in use, for counts of different ones differ.
fn compiler() -> Outcome<String> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(format!("# {}", String::from_utf8(output.stdout)?.trim()))
}
