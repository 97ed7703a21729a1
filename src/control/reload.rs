//! Reading the configuration again while the process runs: all of it is taken over, or nothing.
//!
//! One at a time. Whether somebody may ask is the desk's matter; what the rules mean, the bridge's.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};

use super::operators::Operators;
use super::privacy::Privacy;
use crate::admin::ReloadRow;
use crate::audit::{Actor, Draft, Hash, Object, Outcome, Recorder};
use crate::bridge::Renewed;
use crate::clock::Clock;
use crate::config::change::{Changes, needing_restart};
use crate::config::{Config, Mistakes};
use crate::net::{Renewer, TakenOver};
use crate::policy::Action;

/// Where the origin of a reload is recorded that a signal asked for.
const SIGNAL: &str = "SIGHUP";

/// The configuration in force, as it was read.
#[derive(Debug)]
pub struct Running {
    /// Its file.
    pub path: PathBuf,
    /// What the file said.
    pub text: String,
    /// What that means.
    pub config: Config,
}

/// Takes a changed file over.
#[derive(Debug)]
pub struct Reloader {
    running: Mutex<Running>,
    renewer: Renewer,
    privacy: Arc<Privacy>,
    operators: Arc<Operators>,
    accounts: Arc<ArcSwap<Vec<String>>>,
    clock: Clock,
    row: watch::Sender<ReloadRow>,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The hash of the file, where it could be read.
    pub hash: Option<String>,
    /// What is told, whether it was taken over or not.
    pub said: Result<String, String>,
    /// The same for the record, with names and without values.
    pub recorded: String,
}

impl Reloader {
    /// What is needed to take over what changed since `running` was read. `accounts` is kept up to date.
    #[must_use]
    pub fn new(
        running: Running,
        renewer: Renewer,
        privacy: Arc<Privacy>,
        operators: Arc<Operators>,
        accounts: Arc<ArcSwap<Vec<String>>>,
    ) -> Self {
        let clock = privacy.clock;
        let row = watch::Sender::new(ReloadRow { failed: false, in_force_since_ms: clock.now().unix.0 });
        Self { running: Mutex::new(running), renewer, privacy, operators, accounts, clock, row }
    }

    /// How the last attempt ended.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<ReloadRow> {
        self.row.subscribe()
    }

    /// Reads the file again and takes over what it says.
    pub async fn reload(&self, by: &str) -> Attempt {
        let mut running = self.running.lock().await;
        let attempt = self.attempt(&mut running).await;
        let hash = attempt.hash.as_deref().unwrap_or("-");
        match &attempt.said {
            Ok(_) => tracing::info!(by, hash, changes = attempt.recorded, "the configuration is taken over"),
            Err(_) => tracing::warn!(by, hash, why = attempt.recorded, "the configuration is not taken over"),
        }
        let now = self.clock.now().unix.0;
        self.row.send_modify(|row| match &attempt.said {
            Ok(_) => *row = ReloadRow { failed: false, in_force_since_ms: now },
            Err(_) => row.failed = true,
        });
        attempt
    }

    /// The same for a signal, with its records.
    pub async fn reload_by_signal(&self, recorder: &Recorder) {
        let mut draft = Draft::system(Action::ConfigReload.name(), "");
        draft.actor = Actor { origin: SIGNAL.to_owned(), ..Actor::default() };
        draft.outcome = Outcome::Allowed;
        if let Err(unrecorded) = recorder.record(draft.clone()).await {
            tracing::error!(%unrecorded, "the configuration is not read again");
            return;
        }
        self.reload(SIGNAL).await.fill(&mut draft);
        // The log counts what it cannot write.
        let _counted = recorder.record(draft).await;
    }

    async fn attempt(&self, running: &mut Running) -> Attempt {
        let (text, config) = match Config::read(&running.path) {
            Ok(text) => (text.clone(), Config::parse(&running.path, &text)),
            Err(mistakes) => return Attempt::mistaken(None, &mistakes),
        };
        let hash = Some(format!("sha256:{}", Hash::of_file(text.as_bytes())));
        let config = match config {
            Ok(config) => config,
            Err(mistakes) => return Attempt::mistaken(hash, &mistakes),
        };
        let fixed = needing_restart(&running.config, &config);
        if !fixed.is_empty() {
            let keys = fixed.join(", ");
            let said = format!("these cannot change while the process runs: {keys}; nothing was changed, restart it");
            return Attempt { hash, said: Err(said), recorded: format!("needs a restart: {keys}") };
        }
        let changes = Changes::between(&running.text, &text);
        if changes.is_nothing() {
            running.text = text;
            let said = changes.to_string();
            return Attempt { hash, said: Ok(said.clone()), recorded: said };
        }
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        match self.take_over(&config, &changes).await {
            Ok(taken) => {
                let said = format!("{changes}{}", in_words(&taken));
                let recorded = format!("{}{}", changes.in_full(), in_words(&taken));
                (running.text, running.config) = (text, config);
                Attempt { hash, said: Ok(said), recorded }
            }
            Err(why) => Attempt { hash, recorded: why.clone(), said: Err(why) },
        }
    }

    async fn take_over(&self, config: &Config, changes: &Changes) -> Result<TakenOver, String> {
        let removed = changes.removed_accounts();
        let taken = self.renewer.take_over(config, removed).await;
        let taken = taken.map_err(|fault| fault.to_string())?;
        let accounts = config.policy.accounts.iter().map(|account| account.system_id.clone()).collect();
        self.accounts.store(Arc::new(accounts));
        self.operators.replace(config.operators.clone());
        // Numbers are held as the country code of their account says.
        self.privacy.apply_holds().await?;
        Ok(taken)
    }
}

impl Attempt {
    fn mistaken(hash: Option<String>, mistakes: &Mistakes) -> Self {
        let count = match mistakes.refusing() {
            1 => "1 mistake".to_owned(),
            many => format!("{many} mistakes"),
        };
        let said = format!("{mistakes}\n{count}; nothing was changed");
        Self { hash, said: Err(said), recorded: format!("the file has {count}") }
    }

    /// Writes how it ended into what is recorded.
    pub fn fill(&self, draft: &mut Draft) {
        draft.object = Object::new("configuration", self.hash.clone().unwrap_or_default());
        draft.reason.clone_from(&self.recorded);
        draft.outcome = if self.said.is_ok() { Outcome::Done } else { Outcome::Failed };
    }
}

/// What became of binds and messages, behind what changed; nothing where nothing did.
fn in_words(taken: &TakenOver) -> String {
    let many = |count: u64, one: &str| if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") };
    let mut words = String::new();
    if taken.closed > 0 {
        words += &format!("; {} closed", many(taken.closed as u64, "bind"));
    }
    match taken.renewed {
        None => words += "; what waits is still being looked at",
        Some(Renewed { rerouted, stranded, unreported }) => {
            let elsewhere = rerouted - stranded;
            if elsewhere > 0 {
                let go = if elsewhere == 1 { "goes" } else { "go" };
                words += &format!("; {} {go} elsewhere", many(elsewhere, "waiting message"));
            }
            if stranded > 0 {
                let have = if stranded == 1 { "has" } else { "have" };
                words += &format!("; {} {have} no carrier left", many(stranded, "waiting message"));
            }
            if unreported > 0 {
                let await_ = if unreported == 1 { "awaits its receipt" } else { "await their receipts" };
                let messages = many(unreported, "message");
                words +=
                    &format!("; {messages} {await_} of a carrier that is gone: only with it back, it can bring them");
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_binds_and_messages_is_told_in_words() {
        let taken = |renewed, closed| in_words(&TakenOver { renewed, closed });
        assert_eq!(taken(Some(Renewed::default()), 0), "");
        assert_eq!(taken(None, 1), "; 1 bind closed; what waits is still being looked at");
        assert_eq!(
            taken(Some(Renewed { rerouted: 120, ..Renewed::default() }), 0),
            "; 120 waiting messages go elsewhere"
        );
        assert_eq!(
            taken(Some(Renewed { rerouted: 3, stranded: 2, unreported: 0 }), 2),
            "; 2 binds closed; 1 waiting message goes elsewhere; 2 waiting messages have no carrier left"
        );
        assert_eq!(
            taken(Some(Renewed { unreported: 2, ..Renewed::default() }), 0),
            "; 2 messages await their receipts of a carrier that is gone: only with it back, it can bring them"
        );
    }
}
