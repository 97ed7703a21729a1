//! The simulated carrier: an SMSC that counts exactly and misbehaves as told.
//!
//! One thread serves all connections, so they share state without locks. Messages live in memory only.

mod account;
mod args;
mod link;
mod receipt;
mod report;
mod smsc;

use std::cell::RefCell;
use std::future::Future;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

use crate::clock::Clock;

use super::duplex::Stream;
use super::error::SandboxError;
use super::{processor, tls, wire};

pub use args::{CarrierArgs, IdForm, ReceiptForm};
pub use report::CarrierReport;
use smsc::Smsc;

/// How often the counts are published to [`CarrierHandle::report`].
const PUBLISH_EVERY: Duration = Duration::from_millis(50);

/// How long to rest when a connection cannot be accepted, for want of descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A carrier that runs in a thread of this process.
#[derive(Debug)]
pub struct CarrierHandle {
    address: SocketAddr,
    counts: watch::Receiver<CarrierReport>,
    ended: oneshot::Receiver<CarrierReport>,
}

impl CarrierHandle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counts, not older than 50 ms.
    #[must_use]
    pub fn report(&self) -> CarrierReport {
        self.counts.borrow().clone()
    }

    /// Waits until the carrier has stopped; returns its last counts.
    pub async fn ended(self) -> CarrierReport {
        // A carrier that panicked has published its counts before.
        self.ended.await.unwrap_or_else(|_| self.counts.borrow().clone())
    }
}

/// Starts a carrier in a thread of its own; it stops when `shutdown` completes.
///
/// # Errors
/// The address, the certificate or an argument cannot be used.
pub fn spawn_carrier(
    args: CarrierArgs,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<CarrierHandle, SandboxError> {
    args.check()?;
    let acceptor = match (&args.certificate, &args.key) {
        (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
        _ => None,
    };
    let listen = |source| SandboxError::Listen { address: args.listen.clone(), source };
    let listener = StdListener::bind(&args.listen).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(SandboxError::Start)?;
    let (publish, counts) = watch::channel(CarrierReport::default());
    let (done, ended) = oneshot::channel();
    let serve = move || {
        let clock = Clock::start();
        let smsc = Rc::new(RefCell::new(Smsc::new(args, clock.now(), wire::origin_us(clock))));
        let tasks = LocalSet::new();
        let accepting = tasks.run_until(accept(listener, acceptor, Rc::clone(&smsc), clock, publish));
        runtime.block_on(async {
            tokio::select! {
                () = accepting => {}
                () = shutdown => {}
            }
        });
        drop(tasks);
        // The other end is gone only when nobody wants the counts.
        let _ = done.send(smsc.borrow().full_report());
    };
    std::thread::Builder::new().name("carrier".to_owned()).spawn(serve).map_err(SandboxError::Start)?;
    Ok(CarrierHandle { address, counts, ended })
}

async fn accept(
    listener: StdListener,
    acceptor: Option<TlsAcceptor>,
    smsc: Rc<RefCell<Smsc>>,
    clock: Clock,
    publish: watch::Sender<CarrierReport>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut ticks = tokio::time::interval(PUBLISH_EVERY);
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                number += 1;
                // Without it the answers only wait longer.
                let _ = stream.set_nodelay(true);
                let (smsc, acceptor) = (Rc::clone(&smsc), acceptor.clone());
                tokio::task::spawn_local(async move {
                    let stream: Box<dyn Stream> = match acceptor {
                        None => Box::new(stream),
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    link::serve(stream, smsc, clock, number).await;
                });
            }
            _ = ticks.tick() => {
                publish.send_if_modified(|counts| {
                    let report = &smsc.borrow().report;
                    let changed = counts != report;
                    if changed {
                        counts.clone_from(report);
                    }
                    changed
                });
            }
        }
    }
}

/// Runs a carrier until SIGINT or SIGTERM, then writes the report file and a summary to standard error. SIGUSR1 writes
/// the report file in between.
///
/// # Errors
/// The carrier cannot start, or the report file cannot be written.
pub async fn carrier(args: CarrierArgs) -> Result<CarrierReport, SandboxError> {
    let (report_file, every) = (args.report.clone(), args.report_every);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SandboxError::Start)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(SandboxError::Start)?;
    let mut ask = signal(SignalKind::user_defined1()).map_err(SandboxError::Start)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let tls = if args.certificate.is_some() { " with TLS" } else { "" };
    let handle = spawn_carrier(args, async {
        // Dropping the sender stops it too.
        let _ = stopped.await;
    })?;
    eprintln!("carrier listens on {}{tls}", handle.address());
    let mut ticks = tokio::time::interval(every.unwrap_or(Duration::from_secs(3600)).max(Duration::from_millis(10)));
    loop {
        let wanted = tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = ask.recv() => true,
            _ = ticks.tick() => every.is_some(),
        };
        if let Some(path) = report_file.as_deref().filter(|_| wanted) {
            write_report(path, handle.report())?;
        }
    }
    drop(stop);
    let report = with_cost(handle.ended().await);
    if let Some(path) = report_file.as_deref() {
        write_report(path, report.clone())?;
    }
    eprintln!("{}", report.summary());
    Ok(report)
}

fn with_cost(mut report: CarrierReport) -> CarrierReport {
    let none = Some(Duration::ZERO);
    report.processor_us_per_message = processor::cost_us(none, processor::processor_time(), report.submitted);
    report
}

/// Replaces the file in one step, so that a reader never sees half of it.
fn write_report(path: &Path, report: CarrierReport) -> Result<(), SandboxError> {
    let text = serde_json::to_string_pretty(&with_cost(report)).unwrap_or_default();
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).map_err(|source| SandboxError::file(&partial, source))?;
    std::fs::rename(&partial, path).map_err(|source| SandboxError::file(path, source))
}
