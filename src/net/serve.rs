//! The whole server: opens the store, recovers, and runs listeners, carriers, bridge and journal until it is told to
//! stop. Then it stops accepting, unbinds, drains, flushes and returns.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::account_link::Reception;
use super::carrier_link::Standing;
use super::credentials::{Directory, Entrance};
use super::crowd::{Crowd, CrowdLimits};
use super::decide::{Decider, Pulse};
use super::errand::{OPT_OUTS_STEP, Registry};
use super::fleet::{Command, Connectors, Fleet, Office, Wanted};
use super::inbox::{Inbox, Mail};
use super::journal;
use super::listen::listen;
use super::renewal::Renewer;
use super::rim::Rim;
use super::roster::Roster;
use super::sweeps::Sweeps;
use super::tally::Tally;
use super::tls::{ServerTls, TlsError, TlsFiles};
use crate::audit::Recorder;
use crate::bridge::{Bridge, ForeignList, Input};
use crate::clock::Clock;
use crate::config::{Config, EncryptionConfig, Tls};
use crate::limits;
use crate::policy::{Holds, Policy, Token, TokenKey};
use crate::session::Settings;
use crate::store::{
    Durability, Enrolled, Fault, KeyFiles, MasterFiles, OptOutKey, Progress, SledStore, Store, Tuning, Vault,
};

/// Why the server could not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store cannot be used.
    #[error("store {path}: {fault}")]
    Store {
        /// Its folder.
        path: String,
        /// Why.
        fault: Fault,
    },
    /// The lists of opted-out numbers cannot be used.
    #[error("store {path}: {fault}")]
    OptOuts {
        /// Its folder.
        path: String,
        /// Why.
        fault: ForeignList,
    },
    /// An address cannot be listened on.
    #[error("listen.{key} = \"{address}\": {reason}")]
    Listen {
        /// The key in `[listen]`.
        key: &'static str,
        /// The address.
        address: String,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The certificate files cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system gives no thread.
    #[error("no thread for the journal: {0}")]
    Thread(std::io::Error),
    /// A task ended that must not end.
    #[error("the bridge ended unexpectedly; the process must be restarted, nothing acknowledged is lost")]
    Ended,
}

/// Where the server is, for `/readyz` and the status page.
#[derive(Clone, Debug, Default)]
pub enum Phase {
    /// Reading the journal.
    #[default]
    Opening,
    /// Blocks read of blocks there are.
    Recovering(Progress),
    /// Serving.
    Running,
    /// Draining.
    Stopping,
}

/// What the outside may watch while the server runs.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Where it is.
    pub phase: watch::Receiver<Phase>,
    /// Counters of bridge and journal.
    pub pulse: watch::Receiver<Arc<Pulse>>,
    /// Counters of links and binds; `None` until it runs.
    pub links: watch::Receiver<Option<Arc<Tally>>>,
    /// The links to carriers that are wanted, in the order of the configuration.
    pub carriers: watch::Receiver<Vec<Wanted>>,
    /// The links of clients; may be asked to go.
    pub roster: Arc<Roster>,
    /// Where binds are checked; `None` until it runs.
    pub entrance: watch::Receiver<Option<Arc<Entrance>>>,
    /// The way of errands; `None` until it runs.
    pub registry: watch::Receiver<Option<Registry>>,
    /// The way of other rules.
    pub renewer: Renewer,
}

/// What was decided about persons before the start, by the names of accounts, the keys, and where the work is recorded.
#[derive(Debug)]
pub struct Records {
    /// The audit log.
    pub recorder: Recorder,
    /// The keys of the store.
    pub vault: Vault,
    /// The key of tokens.
    pub key: TokenKey,
    /// Numbers that are held.
    pub held: Vec<(String, Token)>,
    /// Receipts that must find nothing, until when, Unix seconds.
    pub graves: Vec<(Token, u32)>,
    /// Accounts that are closed.
    pub closed: Vec<String>,
}

/// What is held and closed, by the numbers of accounts. Names that the store does not know have nothing in it.
pub fn holds<'a>(
    key: &TokenKey,
    held: impl Iterator<Item = (&'a str, Token)>,
    closed: impl Iterator<Item = &'a str>,
    enrolled: &Enrolled,
    policy: &Policy,
) -> Holds {
    let mut holds = Holds::none(key.clone());
    for (account, token) in held {
        let home = policy.home_of(account);
        enrolled.account_id(account).into_iter().for_each(|number| holds.hold(number, home, token));
    }
    closed.filter_map(|account| enrolled.account_id(account)).for_each(|number| holds.close(number));
    holds
}

/// The other ends of [`Watch`].
#[derive(Debug)]
pub struct Board {
    phase: watch::Sender<Phase>,
    pulse: watch::Sender<Arc<Pulse>>,
    links: watch::Sender<Option<Arc<Tally>>>,
    fleet: Office,
    roster: Arc<Roster>,
    entrance: watch::Sender<Option<Arc<Entrance>>>,
    registry: watch::Sender<Option<Registry>>,
}

impl Board {
    /// A board with this roster, and the way to look at it.
    #[must_use]
    pub fn new(roster: Arc<Roster>) -> (Self, Watch) {
        let (phase, phase_watch) = watch::channel(Phase::Opening);
        let (pulse, pulse_watch) = watch::channel(Arc::default());
        let (links, links_watch) = watch::channel(None);
        let (command, office) = Command::new();
        let (entrance, entrance_watch) = watch::channel(None);
        let (registry, registry_watch) = watch::channel(None);
        let carriers = command.watch();
        let renewer = Renewer {
            entrance: entrance_watch.clone(),
            registry: registry.clone(),
            roster: Arc::clone(&roster),
            fleet: command,
        };
        let watch = Watch {
            phase: phase_watch,
            pulse: pulse_watch,
            links: links_watch,
            carriers,
            roster: Arc::clone(&roster),
            entrance: entrance_watch,
            registry: registry_watch,
            renewer,
        };
        (Self { phase, pulse, links, fleet: office, roster, entrance, registry }, watch)
    }
}

impl Watch {
    /// How a carrier stands; `None` for one that is not configured.
    #[must_use]
    pub fn carrier_standing(&self, name: &str) -> Option<Standing> {
        self.carriers.borrow().iter().find(|carrier| carrier.name() == name).map(Wanted::standing)
    }
}

/// Serves until `stop` turns true or its sender is gone.
///
/// # Errors
/// [`ServeError`] when it cannot start, or when a part of it ends that must not.
pub async fn serve(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    seed: u64,
    (board, records): (Board, Records),
    mut stop: watch::Receiver<bool>,
) -> Result<(), ServeError> {
    let tls = server_tls(&config)?;
    let connectors = Connectors::of(&config)?;
    let recorder = records.recorder.clone();
    let (store, bridge, enrolled, holds) = open(&config, clock, seed, &board.phase, records).await?;
    let enrolled = Arc::new(enrolled);
    let durability = match config.store.durability {
        crate::config::Durability::Flushed => Durability::Flushed,
        crate::config::Durability::Buffered => Durability::Buffered,
    };
    let journal = journal::start(store, durability, clock).map_err(ServeError::Thread)?;
    let (inbox, letters) = Inbox::open();
    let sweeps = Sweeps::new(recorder, Arc::clone(&enrolled));
    let decider = Decider::new(bridge, letters, journal, clock, board.pulse, sweeps).holding(holds);
    let mut decider = tokio::spawn(decider.run());
    let registry = Registry::new(&inbox, Arc::clone(&enrolled), Arc::clone(&config.policy));
    let rim = Arc::new(Rim::new(clock, inbox.clone()));
    board.links.send_replace(Some(Arc::clone(rim.tally())));

    let (stop_links, links_stop) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let settings = session_settings(&config);
    let wanted = connectors.wanted(&config, &enrolled, settings);
    tasks.spawn(Fleet::new(board.fleet, wanted, Arc::clone(&rim), links_stop.clone()).run());
    let directory = Directory::new(Arc::clone(&config.policy), enrolled.accounts.as_slice().into());
    let entrance = Entrance::new(clock, directory);
    board.entrance.send_replace(Some(Arc::clone(&entrance)));
    let reception = Reception::attended(rim, entrance, settings, links_stop.clone(), board.roster);
    let crowd = Crowd::new(CrowdLimits { links: config.limits.links as usize, ..CrowdLimits::default() });
    if let Some(listener) = listeners.smpp {
        tasks.spawn(listen(listener, None, Arc::clone(&reception), Arc::clone(&crowd)));
    }
    if let (Some(listener), Some(tls)) = (listeners.smpps, tls) {
        tasks.spawn(Arc::clone(&tls).follow(links_stop));
        tasks.spawn(listen(listener, Some(tls), Arc::clone(&reception), crowd));
    }
    board.registry.send_replace(Some(registry));
    // From here on only tasks can write to the bridge: when the last of them is cut, it learns that nobody is left.
    drop(reception);
    board.phase.send_replace(Phase::Running);

    tokio::select! {
        _ = stop.wait_for(|wish| *wish) => {}
        _ = &mut decider => return Err(ServeError::Ended),
    }
    board.phase.send_replace(Phase::Stopping);
    drain(&config, inbox, &stop_links, tasks, decider).await
}

/// Everything after the wish to stop.
async fn drain(
    config: &Config,
    inbox: Inbox,
    stop_links: &watch::Sender<bool>,
    mut tasks: JoinSet<()>,
    decider: tokio::task::JoinHandle<()>,
) -> Result<(), ServeError> {
    // Nobody left to tell is the same as everybody told.
    let _told = inbox.send(Mail::Input(Input::Stop)).await;
    drop(inbox);
    stop_links.send_replace(true);
    let links = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(config.session.drain, links).await.is_err() {
        tracing::warn!("some links did not unbind in time and are cut");
        tasks.shutdown().await;
    }
    // What is left are commits; a store that still refuses them is given as long again.
    match tokio::time::timeout(config.session.drain, decider).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(ServeError::Ended),
        Err(_elapsed) => {
            tracing::error!("the store did not take the last commit; nothing in it was acknowledged");
            Err(ServeError::Ended)
        }
    }
}

/// The sockets that clients connect to.
#[derive(Debug)]
pub struct Listeners {
    smpp: Option<TcpListener>,
    smpps: Option<TcpListener>,
}

impl Listeners {
    /// Takes the addresses of the configuration; nobody is let in yet.
    ///
    /// # Errors
    /// [`ServeError::Listen`].
    pub async fn bind(config: &Config) -> Result<Self, ServeError> {
        let open = async |key: &'static str, address: Option<std::net::SocketAddr>| match address {
            Some(address) => match TcpListener::bind(address).await {
                Ok(listener) => Ok(Some(listener)),
                Err(reason) => Err(ServeError::Listen { key, address: address.to_string(), reason }),
            },
            None => Ok(None),
        };
        Ok(Self { smpp: open("smpp", config.listen.smpp).await?, smpps: open("smpps", config.listen.smpps).await? })
    }
}

fn server_tls(config: &Config) -> Result<Option<Arc<ServerTls>>, ServeError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    Ok(Some(ServerTls::load(tls_files(tls))?))
}

/// The files of our certificate.
#[must_use]
pub fn tls_files(tls: &Tls) -> TlsFiles {
    TlsFiles { certificate: tls.certificate.clone(), key: tls.key.clone(), client_ca: tls.client_ca.clone() }
}

/// Opens the store and rebuilds the bridge from it, on a thread of its own.
async fn open(
    config: &Config,
    clock: Clock,
    seed: u64,
    phase: &watch::Sender<Phase>,
    records: Records,
) -> Result<(Box<dyn Store>, Bridge, Enrolled, Holds), ServeError> {
    let (path, backlog) = (config.store.path.clone(), config.limits.backlog);
    let policy = Arc::clone(&config.policy);
    let (progress, mut steps) = mpsc::channel(1);
    let opening = tokio::task::spawn_blocking(move || -> Result<_, Unopened> {
        let Records { vault, key, held, graves, closed, recorder: _ } = records;
        let mut store = SledStore::open_sealed(&path, Tuning::default(), vault)?;
        let accounts: Vec<&str> = policy.accounts.iter().map(|account| account.system_id.as_str()).collect();
        let carriers: Vec<&str> = policy.carriers.iter().map(|carrier| carrier.name.as_str()).collect();
        let enrolled = store.enroll(&accounts, &carriers)?;
        let held = held.iter().map(|(account, token)| (account.as_str(), *token));
        let holds = holds(&key, held, closed.iter().map(String::as_str), &enrolled, &policy);
        if holds.is_empty() {
            // What a backup brought back, or what fell due meanwhile; with holds, the sweep looks first what they cover.
            store.retire(clock.now().unix, None)?;
        }
        let bridge = Bridge::new((*policy).clone(), &enrolled, backlog, seed);
        let mut bridge = bridge.with_rights(holds.clone(), graves);
        read_opt_outs(&store, &mut bridge)?;
        let mut damage = None;
        let recovered = store.recover(&mut |block, step| {
            // Only the newest step is of interest: one that finds no room is not.
            let _seen = progress.try_send(step);
            if damage.is_none() {
                damage = bridge.replay(&block).err().map(|damage| Fault::Damaged { block: block.number, damage });
            }
        })?;
        if let Some(fault) = damage {
            return Err(fault.into());
        }
        let found = bridge.recovered(&recovered, clock.now());
        if found.behind_s > 1 {
            tracing::warn!(
                behind_s = found.behind_s,
                "the clock is behind the newest time in the journal: what waits keeps the time it had left, unless the \
                 clock is behind by more than {} hours; look at the clock",
                limits::CLOCK_SET_BACK_S / 3600
            );
        }
        tracing::info!(
            waiting = found.waiting,
            sent = found.sent,
            unknown = found.unknown,
            owed = found.owed,
            inbound = found.inbound,
            settled = found.settled,
            blocks = recovered.blocks,
            "recovered"
        );
        Ok((Box::new(store) as Box<dyn Store>, bridge, enrolled, holds))
    });
    while let Some(step) = steps.recv().await {
        phase.send_replace(Phase::Recovering(step));
    }
    let path = || config.store.path.display().to_string();
    match opening.await {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(Unopened::Store(fault))) => Err(ServeError::Store { path: path(), fault }),
        Ok(Err(Unopened::OptOuts(fault))) => Err(ServeError::OptOuts { path: path(), fault }),
        Err(_panicked) => Err(ServeError::Ended),
    }
}

/// Why there is no store or no bridge.
enum Unopened {
    Store(Fault),
    OptOuts(ForeignList),
}

impl From<Fault> for Unopened {
    fn from(fault: Fault) -> Self {
        Self::Store(fault)
    }
}

/// Gives the bridge the lists of opted-out numbers.
fn read_opt_outs(store: &SledStore, bridge: &mut Bridge) -> Result<(), Unopened> {
    let mut from = Some(OptOutKey::default());
    while let Some(key) = from {
        let entries = store.opt_outs(key, OPT_OUTS_STEP)?;
        bridge.restore_opt_outs(&entries).map_err(Unopened::OptOuts)?;
        from = entries.last().and_then(|(last, _)| last.next());
    }
    Ok(())
}

/// Where the keys of the store are.
#[must_use]
pub fn key_files(config: &Config) -> KeyFiles {
    let EncryptionConfig { master_key, is_credential, previous, destroyed_keys } = config.encryption.clone();
    let master = MasterFiles { current: master_key, guarded: is_credential, may_make: !is_credential, previous };
    KeyFiles { folder: config.store.path.join("keys"), master, register: destroyed_keys }
}

/// What the configuration says of every session.
pub(super) fn session_settings(config: &Config) -> Settings {
    let timers = &config.session;
    Settings {
        init_timeout: timers.init_timeout,
        enquire_link: timers.enquire_link,
        inactivity: timers.inactivity,
        response_timeout: timers.response_timeout,
        ..Settings::default()
    }
}
