//! The load generator: a client system that sends as told and accounts for every answer and every receipt.
//!
//! One thread drives all connections, so they share state without locks.

mod args;
mod link;
mod message;
mod pace;
mod report;
mod run;
mod table;

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};
use std::rc::Rc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

use crate::clock::{Clock, Mono};

use super::error::SandboxError;
use super::{processor, tls};

pub use args::{BindKind, LoadArgs, YesNo};
use link::Dial;
pub(super) use report::latencies;
pub use report::{Latency, Report};
use run::{Run, Stage};

/// How often the run looks whether it is over.
const STEP: Duration = Duration::from_millis(20);

/// How often progress is shown, in steps.
const STEPS_PER_LINE: u32 = 50;

/// Time for all links to unbind.
const ENDING: Duration = Duration::from_secs(4);

/// Runs the load and returns what became of every message. Progress goes to standard error, the result to nowhere:
/// the caller prints it.
///
/// # Errors
/// An argument cannot work, the server cannot be reached, or it refuses the first binds.
pub async fn load(args: LoadArgs) -> Result<Report, SandboxError> {
    args.check()?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(SandboxError::Start)?;
    let (done, ended) = oneshot::channel();
    let work = move || {
        let result = LocalSet::new().block_on(&runtime, supervise(args));
        // Nobody listens only when the caller gave up.
        let _ = done.send(result);
    };
    std::thread::Builder::new().name("load".to_owned()).spawn(work).map_err(SandboxError::Start)?;
    ended.await.unwrap_or_else(|_| Err(SandboxError::Start(std::io::Error::other("the load thread ended early"))))
}

async fn supervise(args: LoadArgs) -> Result<Report, SandboxError> {
    let clock = Clock::start();
    let now = clock.now();
    let seed = args.seed.unwrap_or(now.unix.0 as u32);
    let dial = Rc::new(dial(&args, clock)?);
    let modes = args.modes();
    let progress = Progress::new(args.quiet);
    let run = Rc::new(RefCell::new(Run::new(args, seed, clock)?));
    let mut links = JoinSet::new();
    for (place, mode) in modes.into_iter().enumerate() {
        links.spawn_local(link::drive(Rc::clone(&run), Rc::clone(&dial), mode, place));
    }
    let before = processor::processor_time();
    watch(&run, &mut links, clock, &progress).await?;
    // A link that does not get its unbind answered in time is cut off.
    let _ = tokio::time::timeout(ENDING, async { while links.join_next().await.is_some() {} }).await;
    let mut run = run.borrow_mut();
    run.flush();
    progress.end();
    if let Some(failure) = run.failure.take() {
        return Err(failure);
    }
    let mut report = run.result();
    report.processor_us_per_message = processor::cost_us(before, processor::processor_time(), report.messages);
    Ok(report)
}

/// Steps the run until it ends, is interrupted or fails.
async fn watch(
    run: &RefCell<Run>,
    links: &mut JoinSet<()>,
    clock: Clock,
    progress: &Progress,
) -> Result<(), SandboxError> {
    let mut ticks = tokio::time::interval(STEP);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SandboxError::Start)?;
    let mut steps = 0;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            Some(_) = links.join_next() => {}
            _ = interrupt.recv() => run.borrow_mut().interrupt(clock.now().mono),
        }
        let mut run = run.borrow_mut();
        let now = clock.now().mono;
        run.step(now);
        if let Some(failure) = run.failure.take() {
            return Err(failure);
        }
        if run.stage == Stage::Ending {
            return Ok(());
        }
        steps += 1;
        if steps % STEPS_PER_LINE == 0 && run.stage != Stage::Binding {
            run.flush();
            progress.show(&mut run, now);
        }
    }
}

fn dial(args: &LoadArgs, clock: Clock) -> Result<Dial, SandboxError> {
    let submitting = args.modes().iter().filter(|mode| **mode != crate::session::BindMode::Receiver).count();
    let tls = if args.tls {
        let trust = args.ca.as_deref().map_or(tls::Trust::Anything, tls::Trust::File);
        let connector = tls::connector(trust, args.certificate.as_deref().zip(args.key.as_deref()))?;
        let host = args.address.rsplit_once(':').map_or(args.address.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some((connector, tls::server_name(args.server_name.as_deref().unwrap_or(host))?))
    } else {
        None
    };
    Ok(Dial { tls, clock, links: submitting })
}

/// The line of progress on standard error: over itself on a terminal, one after the other elsewhere.
struct Progress {
    quiet: bool,
    terminal: bool,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        Self { quiet, terminal: std::io::stderr().is_terminal() }
    }

    fn show(&self, run: &mut Run, now: Mono) {
        let (unanswered, without_receipt) = run.open();
        let quantile = |part| run.interval.answers.value_at_quantile(part) as f64 / 1000.0;
        let mobile = match run.report.mobile {
            0 => String::new(),
            count => format!("  from handsets {count}"),
        };
        let line = format!(
            "{:6.0} s  sent {}  acked/s {}  receipts/s {}  open {unanswered}  awaiting receipt {without_receipt}  \
             p50 {:.2} ms  p99 {:.2} ms{mobile}",
            now.since_us(run.started()) as f64 / 1e6,
            run.report.submitted,
            run.interval.acknowledged,
            run.interval.receipts,
            quantile(0.5),
            quantile(0.99),
        );
        run.interval.acknowledged = 0;
        run.interval.receipts = 0;
        run.interval.answers.reset();
        if !self.quiet {
            let (start, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
            let mut out = std::io::stderr().lock();
            // Progress that cannot be shown is not worth ending the run for.
            let _ = write!(out, "{start}{line}{end}");
            let _ = out.flush();
        }
    }

    fn end(&self) {
        if self.terminal && !self.quiet {
            eprintln!();
        }
    }
}
