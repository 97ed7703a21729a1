//! `serve`, and the sandbox that runs without a command: the runtime, the signals, the admin pages.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::Failure;
use super::publish::publish;
use crate::admin::{self, Status};
use crate::clock::Clock;
use crate::config::{Config, Listen};
use crate::net::{self, Board, Phase};
use crate::sandbox::{CarrierArgs, spawn_carrier};

/// Serves until told to stop.
pub(super) fn serve(config: Config) -> Result<(), Failure> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    runtime()?.block_on(run(config, None))
}

/// Serves the sandbox with its simulated carrier, and says what to try.
pub(super) fn sandbox() -> Result<(), Failure> {
    let config = Config::sandbox();
    let address = config.carriers.first().map(|carrier| carrier.address.clone()).unwrap_or_default();
    runtime()?.block_on(async {
        let args = CarrierArgs::of(["--listen", &address]).map_err(|error| Failure::failed(error.to_string()))?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let carrier = spawn_carrier(args, async {
            // Dropping the sender stops it too.
            let _ = stopped.await;
        });
        let carrier = carrier.map_err(|error| Failure::failed(error.to_string()))?;
        let greeting = greeting(&config);
        let served = run(config, Some(greeting)).await;
        drop(stop);
        let _ = carrier.ended().await;
        served
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))
}

/// What the sandbox is, and the line to try.
fn greeting(config: &Config) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "smppgate".to_owned());
    let address = |address: Option<SocketAddr>| address.map_or_else(String::new, |own| own.to_string());
    format!(
        "smppgate {} serves the sandbox:\n\
         \x20 SMPP    {}, account acme, password secret\n\
         \x20 admin   http://{}/\n\
         \x20 carrier simulated in this process\n\
         \x20 store   ./{}\n\
         Try in another terminal:\n\
         \x20 {program} load --messages 10 --to 4791234567\n\
         Ctrl-C stops it. A configuration of your own: {program} serve --config conf/smppgate.toml",
        env!("CARGO_PKG_VERSION"),
        address(config.listen.smpp),
        address(config.listen.admin),
        config.store.path.display(),
    )
}

/// Runs the server; `greeting` is printed once it serves.
async fn run(config: Config, greeting: Option<String>) -> Result<(), Failure> {
    let clock = Clock::start();
    let status = Status::new(clock);
    let (stop, wish) = watch::channel(false);
    let signals = Signals::new().map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    if let Some(address) = config.listen.admin {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| Failure::failed(format!("listen.admin = \"{address}\": {error}")))?;
        tokio::spawn(admin::serve(listener, status.clone()));
    }
    let (board, server) = Board::new();
    tokio::spawn(announce(server.phase.clone(), config.listen, greeting));
    tokio::spawn(publish(server, Arc::clone(&config.policy), status.clone(), clock));
    // The one source of chance: a seed from the operating system.
    let seed = RandomState::new().hash_one(0u8);
    let serving = net::serve(config, clock, seed, board, wish);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = signals.obey(&status, &stop) => return Err(Failure::failed("stopped at once, at the second signal")),
    };
    ended.map_err(|error| Failure::failed(error.to_string()))
}

/// Says so once the server serves.
async fn announce(mut phase: watch::Receiver<Phase>, listen: Listen, greeting: Option<String>) {
    // An error means that it ended before.
    if phase.wait_for(|phase| matches!(phase, Phase::Running)).await.is_err() {
        return;
    }
    let address = |address: Option<SocketAddr>| address.map_or_else(|| "-".to_owned(), |own| own.to_string());
    let (smpp, smpps, admin) = (address(listen.smpp), address(listen.smpps), address(listen.admin));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), smpp, smpps, admin, "serving");
    if let Some(greeting) = greeting {
        println!("{greeting}");
    }
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// At the first signal the server drains; returns at the second.
    async fn obey(mut self, status: &Status, stop: &watch::Sender<bool>) {
        self.next().await;
        tracing::info!("asked to stop: draining; a second signal stops at once");
        status.drain();
        stop.send_replace(true);
        self.next().await;
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
