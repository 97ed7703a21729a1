//! Other rules for a running server: names that are new get their numbers from the store, the bridge takes the rules,
//! then the entrance and the links to the carriers do. Reads no configuration and judges none.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::credentials::{Directory, Entrance};
use super::errand::{ErrandFault, Registry};
use super::fleet::{Command, Connectors, Wanted};
use super::roster::{Roster, Which};
use super::serve::session_settings;
use crate::bridge::Renewed;
use crate::config::Config;
use crate::policy::{Carrier, Country, Policy, TransferBasis};

/// How long a link may take to answer what is open and unbind. Beyond it is cut: what was asked is true within a second.
const UNBIND_MAX: Duration = Duration::from_millis(700);
/// How often it is looked whether links are gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long it is waited for what became of the messages that wait. A large backlog may have to be read first.
const RENEWED_MAX: Duration = Duration::from_secs(10);

/// The way of other rules into a running server.
#[derive(Clone, Debug)]
pub struct Renewer {
    pub(super) entrance: watch::Receiver<Option<Arc<Entrance>>>,
    pub(super) registry: watch::Sender<Option<Registry>>,
    pub(super) roster: Arc<Roster>,
    pub(super) fleet: Command,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// What became of the messages that wait; `None` while they are still looked at.
    pub renewed: Option<Renewed>,
    /// Binds of accounts that are no more, which were closed.
    pub closed: usize,
}

impl Renewer {
    /// Takes the rules and the carriers of a configuration over. Binds of the accounts `removed` are closed; links to carriers
    /// come and go on their own.
    ///
    /// # Errors
    /// [`ErrandFault`] when the server does not run, the store fails or a carrier's TLS cannot be set up; then the old rules
    /// are in force.
    pub async fn take_over(&self, config: &Config, removed: &[String]) -> Result<TakenOver, ErrandFault> {
        let running = self.registry.borrow().clone().ok_or(ErrandFault::Starting)?;
        let policy = Arc::clone(&config.policy);
        let connectors = Connectors::of(config)?;
        let accounts = policy.accounts.iter().map(|account| account.system_id.clone()).collect();
        let carriers = policy.carriers.iter().map(|carrier| carrier.name.clone()).collect();
        let enrolled = Arc::new(running.enroll(accounts, carriers).await?);
        let links = connectors.wanted(config, &enrolled, session_settings(config));
        self.part_with_recipients(&running.policy, &policy, &links).await?;
        let until = Instant::now() + RENEWED_MAX;
        let renewed = running.renew(&policy, &enrolled).await?;
        // After the bridge: who is new is known to it before the first bind, and who is gone is refused by it at once.
        if let Some(entrance) = &*self.entrance.borrow() {
            entrance.replace(Directory::new(Arc::clone(&policy), enrolled.accounts.as_slice().into()));
        }
        self.registry.send_replace(Some(running.with(enrolled, policy)));
        self.fleet.follow(links).await?;
        let which = removed.iter().map(|account| Which::Account(account));
        let (closed, _cut) = close_binds(&self.roster, which).await;
        Ok(TakenOver { renewed: await_renewed(renewed, until).await, closed })
    }

    /// Where a carrier's name stands for another recipient of data from now on and is reached in another way, its old links
    /// take nothing any more before the new rules say who may have it.
    async fn part_with_recipients(&self, old: &Policy, new: &Policy, links: &[Wanted]) -> Result<(), ErrandFault> {
        let before = self.fleet.wanted();
        let is_another = |link: &Wanted| {
            let find =
                |policy: &Policy| policy.carriers.iter().find(|carrier| carrier.name == link.name()).map(recipient);
            let moves = links.iter().any(|now| now.carrier() == link.carrier() && !now.is_reached_like(link));
            moves && find(old) != find(new)
        };
        let (parting, staying): (Vec<_>, Vec<_>) = before.into_iter().partition(is_another);
        if !parting.is_empty() {
            self.fleet.follow(staying).await?;
        }
        Ok(())
    }
}

/// Who gets the data that goes to a carrier, and why it may go there.
fn recipient(carrier: &Carrier) -> (Option<String>, Option<Country>, Option<TransferBasis>) {
    (carrier.legal_entity.clone(), carrier.country, carrier.transfer_basis)
}

async fn await_renewed(renewed: oneshot::Receiver<Renewed>, until: Instant) -> Option<Renewed> {
    timeout_at(until, renewed).await.ok()?.ok()
}

/// Gives links a moment to unbind in order, and cuts those that do not take it: how many there were, and how many of them
/// were cut.
pub async fn close_binds<'a>(roster: &Roster, which: impl Iterator<Item = Which<'a>>) -> (usize, usize) {
    let links: Vec<_> = which.flat_map(|which| roster.unbind(which)).collect();
    let deadline = Instant::now() + UNBIND_MAX;
    while roster.count(&links) > 0 && Instant::now() < deadline {
        sleep(LOOK_EVERY).await;
    }
    (links.len(), roster.cut(&links))
}
