//! `serve`, and the sandbox that runs without a command: the runtime, the signals, the admin pages.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use super::Failure;
use super::publish::publish;
use crate::admin::{self, Status};
use crate::audit::{self, Activity, Draft, Object, Recorder};
use crate::clock::Clock;
use crate::config::{Config, Listen};
use crate::control::{self, Desk, Keeper, Operators, Persons, Privacy, Reloader, Running, Socket};
use crate::net::{self, Board, Listeners, Phase, Roster, ServerTls};
use crate::policy::TokenKey;
use crate::sandbox::{CarrierArgs, spawn_carrier};
use crate::store::Vault;

/// The number of the sandbox's account, as its configuration says.
const MOBILE_NUMBER: &str = "4759440000";

/// Serves until told to stop.
pub(super) fn serve(running: Running) -> Result<(), Failure> {
    for warning in &running.config.warnings {
        tracing::warn!("{warning}");
    }
    runtime()?.block_on(run(running, None))
}

/// Serves the sandbox with its simulated carrier, and says what to try.
pub(super) fn sandbox() -> Result<(), Failure> {
    let config = Config::sandbox();
    let address = config.carriers.first().map(|carrier| carrier.address.clone()).unwrap_or_default();
    runtime()?.block_on(async {
        let args = CarrierArgs::of(["--listen", &address, "--mobile-to", MOBILE_NUMBER, "--mobile-every", "100"])
            .map_err(|error| Failure::failed(error.to_string()))?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let carrier = spawn_carrier(args, async {
            // Dropping the sender stops it too.
            let _ = stopped.await;
        });
        let carrier = carrier.map_err(|error| Failure::failed(error.to_string()))?;
        let greeting = greeting(&config);
        let (path, text) = (PathBuf::new(), Config::SANDBOX.to_owned());
        let served = run(Running { path, text, config }, Some(greeting)).await;
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
         \x20 carrier simulated in this process; every hundredth handset writes back, to {MOBILE_NUMBER}\n\
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
async fn run(running: Running, greeting: Option<String>) -> Result<(), Failure> {
    let config = running.config.clone();
    let keys = super::check::keys(&config)?;
    if config.encryption.is_beside_the_data(&config.store) && !config.is_sandbox {
        tracing::warn!("{keys}");
    }
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
    // First of all what fails for reasons outside: then nothing was begun.
    let listeners = Listeners::bind(&config).await.map_err(|error| Failure::failed(error.to_string()))?;
    let door = door(&config).await?;
    let keeper = Keeper::open(&config.store.path.join(STANDING));
    let keeper = Arc::new(keeper.map_err(|fault| Failure::failed(format!("nothing is started: {fault}")))?);
    let (recorder, activity) = records(&config, clock).map_err(|error| Failure::failed(error.to_string()))?;
    status.record_with(recorder.clone());
    remember(&recorder, started(&running.text)).await;
    let mut shut = keeper.standing().disabled_accounts.iter().cloned().collect::<Vec<_>>();
    shut.extend(keeper.standing().persons.all_closed());
    let (board, server) = Board::new(Roster::new(activity.clone(), recorder.clone(), shut));
    let persons = &keeper.standing().persons;
    let (vault, key) = vault(&config, persons, clock)?;
    let privacy = privacy(key, &keeper, &server, clock);
    let decided = net::Records {
        recorder: recorder.clone(),
        key: privacy.key.clone(),
        vault,
        held: persons.all_held(),
        graves: persons.all_graves(),
        closed: persons.all_closed(),
    };
    tokio::spawn({
        let privacy = Arc::clone(&privacy);
        let recorder = recorder.clone();
        async move {
            privacy.resume().await;
            privacy.keep_closing(&recorder).await;
        }
    });
    let (control, desk, reloader) = control(running, &status, &server, &stop, (&keeper, &recorder), &privacy)?;
    let api = door.map(|door| api(door, desk));
    tokio::spawn(announce(server.phase.clone(), config.listen.clone(), greeting));
    let records = (recorder.clone(), activity);
    tokio::spawn(publish(server, Arc::clone(&config.policy), status.clone(), clock, records, reloader.watch()));
    let hangup = (!config.is_sandbox).then(|| (Arc::clone(&reloader), recorder.clone()));
    // The one source of chance: a seed from the operating system.
    let seed = RandomState::new().hash_one(0u8);
    let serving = net::serve(config, listeners, clock, seed, (board, decided), wish);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended.map_err(|error| Failure::failed(error.to_string())),
        () = signals.obey(&status, &stop, hangup) => Err(Failure::failed("stopped at once, at the second signal")),
    };
    api.iter().for_each(JoinHandle::abort);
    control.abort();
    // Its end removes the socket's file.
    let _ended = control.await;
    let how = ended.as_ref().map_or_else(|failure| failure.text.clone(), |()| "drained and flushed".to_owned());
    remember(&recorder, Draft::system("process.stop", how)).await;
    recorder.end().await;
    ended
}

/// What outlives a restart beside the store: disabled accounts, revoked operators.
const STANDING: &str = "standing.json";

/// Where versions before kept the key of tokens, unwrapped.
const PLAIN_TOKEN_KEY: &str = "token.key";

/// The keys of the store, and the one that makes tokens of numbers. No other process has the store: the audit log is ours.
fn vault(config: &Config, persons: &Persons, clock: Clock) -> Result<(Vault, TokenKey), Failure> {
    let opened = Vault::open(&net::key_files(config), clock.now().unix).and_then(|mut vault| {
        // With another key nothing that was decided would be found again.
        let may_make = !persons.has_tokens();
        let key = vault.person_key(&config.store.path.join(PLAIN_TOKEN_KEY), may_make, TokenKey::new)?;
        Ok((vault, key))
    });
    opened.map_err(|fault| Failure::failed(format!("nothing is started: {fault}")))
}

/// What requests about persons are carried out with.
fn privacy(key: TokenKey, keeper: &Arc<Keeper>, server: &net::Watch, clock: Clock) -> Arc<Privacy> {
    let (registry, keeper, erasing) = (server.registry.clone(), Arc::clone(keeper), Mutex::default());
    Arc::new(Privacy { registry, keeper, key, clock, erasing })
}

/// Audit log and activity log.
fn records(config: &Config, clock: Clock) -> std::io::Result<(Recorder, Activity)> {
    let (audit, retention) = (&config.audit, &config.policy.retention);
    let settings = audit::Settings { path: audit.path.clone(), key: audit.key.clone(), keep: retention.audit_log };
    let activity = Activity::start(audit.activity.clone(), retention.activity_log, clock)?;
    Ok((Recorder::start(settings, clock)?, activity))
}

/// The start, and what is in force: the hash of the configuration, not what it says.
fn started(text: &str) -> Draft {
    let mut draft = Draft::system("process.start", format!("version {}", env!("CARGO_PKG_VERSION")));
    draft.object = Object::new("configuration", format!("sha256:{}", audit::Hash::of_file(text.as_bytes())));
    draft
}

/// Records what happens whether it can be recorded or not: a failure shows in metrics and readiness.
async fn remember(recorder: &Recorder, draft: Draft) {
    if let Err(unrecorded) = recorder.record(draft).await {
        tracing::error!(%unrecorded, "not recorded");
    }
}

/// The socket's task, the gate behind it, and what reads the configuration again.
type Control = (JoinHandle<()>, Arc<Desk>, Arc<Reloader>);

/// Opens the control socket and serves it.
fn control(
    running: Running,
    status: &Status,
    server: &net::Watch,
    stop: &watch::Sender<bool>,
    (keeper, recorder): (&Arc<Keeper>, &Recorder),
    privacy: &Arc<Privacy>,
) -> Result<Control, Failure> {
    let config = &running.config;
    let (audit, is_sandbox) = (config.audit.path.clone(), config.is_sandbox);
    let socket = Socket::open(&config.listen.control).map_err(|fault| Failure::failed(fault.to_string()))?;
    let operators = Arc::new(Operators::new(config.operators.clone(), socket.own_uid(), privacy.clock));
    let accounts = config.policy.accounts.iter().map(|account| account.system_id.clone()).collect::<Vec<_>>();
    let accounts = Arc::new(ArcSwap::from_pointee(accounts));
    let (who, whose) = (Arc::clone(&operators), Arc::clone(&accounts));
    let reloader = Arc::new(Reloader::new(running, server.renewer.clone(), Arc::clone(privacy), who, whose));
    let desk = Arc::new(Desk {
        status: status.clone(),
        roster: Arc::clone(&server.roster),
        entrance: server.entrance.clone(),
        stop: stop.clone(),
        keeper: Arc::clone(keeper),
        recorder: recorder.clone(),
        operators,
        accounts,
        reloader: (!is_sandbox).then(|| Arc::clone(&reloader)),
        audit,
        privacy: Arc::clone(privacy),
    });
    Ok((tokio::spawn(socket.serve(Arc::clone(&desk))), desk, reloader))
}

/// The socket of the HTTP interface and its certificate, which it has anywhere but on a loopback address.
type Door = (TcpListener, Option<Arc<ServerTls>>);

/// Takes the address of the HTTP interface, where it is configured; nobody is answered yet.
async fn door(config: &Config) -> Result<Option<Door>, Failure> {
    let Some(address) = config.listen.api else { return Ok(None) };
    let failed = |why: String| Failure::failed(format!("listen.api = \"{address}\": {why}"));
    let listener = TcpListener::bind(address).await.map_err(|error| failed(error.to_string()))?;
    let tls = config.tls.as_ref().map(|tls| ServerTls::asking(net::tls_files(tls)));
    Ok(Some((listener, tls.transpose().map_err(|error| failed(error.to_string()))?)))
}

/// Serves the HTTP interface.
fn api((listener, tls): Door, desk: Arc<Desk>) -> JoinHandle<()> {
    if let Some(tls) = &tls {
        tokio::spawn(Arc::clone(tls).follow(desk.stop.subscribe()));
    }
    tokio::spawn(control::api::serve(listener, tls, desk))
}

/// Says so once the server serves.
async fn announce(mut phase: watch::Receiver<Phase>, listen: Listen, greeting: Option<String>) {
    // An error means that it ended before.
    if phase.wait_for(|phase| matches!(phase, Phase::Running)).await.is_err() {
        return;
    }
    let address = |address: Option<SocketAddr>| address.map_or_else(|| "-".to_owned(), |own| own.to_string());
    let (smpp, smpps) = (address(listen.smpp), address(listen.smpps));
    let (admin, api) = (address(listen.admin), address(listen.api));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), smpp, smpps, admin, api, "serving");
    if let Some(greeting) = greeting {
        println!("{greeting}");
    }
}

/// SIGTERM, Ctrl-C and SIGHUP.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// At the first signal to stop the server drains; returns at the second. SIGHUP has the configuration read again.
    async fn obey(mut self, status: &Status, stop: &watch::Sender<bool>, hangup: Option<(Arc<Reloader>, Recorder)>) {
        self.next(hangup.as_ref()).await;
        tracing::info!("asked to stop: draining; a second signal stops at once");
        status.drain();
        stop.send_replace(true);
        self.next(None).await;
    }

    /// The next signal to stop.
    async fn next(&mut self, hangup: Option<&(Arc<Reloader>, Recorder)>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                Some(()) = self.hangup.recv() => match hangup {
                    Some((reloader, recorder)) => {
                        let (reloader, recorder) = (Arc::clone(reloader), recorder.clone());
                        tokio::spawn(async move { reloader.reload_by_signal(&recorder).await });
                    }
                    None => tracing::warn!("SIGHUP: nothing to read again: the sandbox runs, or the process stops"),
                },
            }
        }
    }
}
