//! Checking who binds: damping of guessers, networks, passwords and their hashes.
//!
//! Hashes cost milliseconds and megabytes on purpose: at most two are computed at once, off the runtime's threads, and
//! one that was right is remembered for some minutes by a keyed digest.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::roster::Roster;
use crate::clock::{Clock, Mono};
use crate::message::AccountId;
use crate::pdu::Bind;
use crate::policy::{Attempt, Damping, Policy};

/// Password hashes computed at the same time. More would let guessers take the machine.
const HASHES_AT_ONCE: usize = 2;
/// How long a verified password needs no new computation.
const REMEMBER: Duration = Duration::from_secs(600);
/// Verified passwords remembered.
const REMEMBER_MOST: usize = 4096;

/// The accounts of one configuration.
#[derive(Debug)]
pub struct Directory {
    policy: Arc<Policy>,
    numbers: Box<[AccountId]>,
    /// Whether any account has a hash: then every check costs one.
    hashed: bool,
}

impl Directory {
    /// The accounts of `policy`, with their numbers in the same order.
    #[must_use]
    pub fn new(policy: Arc<Policy>, numbers: Box<[AccountId]>) -> Self {
        let hashed = policy.accounts.iter().any(|account| account.credentials.is_hashed());
        Self { policy, numbers, hashed }
    }
}

/// Where binds are checked.
#[derive(Debug)]
pub struct Entrance {
    clock: Clock,
    directory: ArcSwap<Directory>,
    damping: Mutex<Damping>,
    remembered: Mutex<Remembered>,
    hashing: Arc<Semaphore>,
    /// Two, because a digest of a password in memory should not be of 64 bits only.
    keys: [RandomState; 2],
}

/// An account whose credentials were right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Admission {
    pub(super) account: AccountId,
    /// Its `system_id`.
    pub(super) name: String,
    /// Open requests that each of its binds may have.
    pub(super) window: u32,
}

/// Why a bind is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such account, or not its password.
    Credentials,
    /// The right password from a network that is not the account's.
    Address,
    /// The right password of an account that is disabled.
    Disabled,
    /// Too many failures before; nothing was checked.
    TooSoon,
}

impl Refusal {
    /// The value of a metric's label.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Address => "address",
            Self::Disabled => "disabled",
            Self::TooSoon => "too_soon",
        }
    }
}

type Digest = [u64; 2];

/// Passwords that were right under one configuration.
#[derive(Debug, Default)]
struct Remembered {
    under: Option<Arc<Directory>>,
    until: HashMap<Digest, (u16, Mono)>,
}

impl Entrance {
    /// An entrance for the accounts of `directory`.
    #[must_use]
    pub fn new(clock: Clock, directory: Directory) -> Arc<Self> {
        Arc::new(Self {
            clock,
            directory: ArcSwap::from_pointee(directory),
            damping: Mutex::default(),
            remembered: Mutex::default(),
            hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            keys: [RandomState::new(), RandomState::new()],
        })
    }

    /// Takes the accounts of a new configuration; nothing verified before counts any more.
    pub fn replace(&self, directory: Directory) {
        self.directory.store(Arc::new(directory));
    }

    /// Whether this bind may go to the bridge. Takes the time that earlier failures have earned, at most about
    /// `patience`; holds no thread meanwhile.
    pub(super) async fn admit(
        &self,
        bind: &Bind<'_>,
        peer: IpAddr,
        patience: Duration,
        roster: &Roster,
    ) -> Result<Admission, Refusal> {
        let attempt = Attempt::new(peer, self.tag(bind.system_id));
        self.wait(attempt, patience).await?;
        let directory = self.directory.load_full();
        let open = self.authenticate(&directory, bind.system_id, bind.password.0).await;
        let found = open.and_then(|index| {
            let account = directory.policy.accounts.get(usize::from(index))?;
            let number = directory.numbers.get(usize::from(index))?;
            Some((account, *number))
        });
        let result = match found {
            None => Err(Refusal::Credentials),
            Some((account, _)) if !account.allow_from.permits(peer) => Err(Refusal::Address),
            // Counts as a failure like a wrong password: what a guesser sees tells nothing.
            Some((account, _)) if roster.is_shut(&account.system_id) => Err(Refusal::Disabled),
            Some((account, number)) => {
                Ok(Admission { account: number, name: account.system_id.clone(), window: account.window })
            }
        };
        let mut damping = lock(&self.damping);
        match result {
            Ok(_) => damping.succeeded(attempt),
            Err(_) => damping.failed(attempt, self.clock.now().mono),
        }
        result
    }

    /// The account of this name, if there is one: for records, which hold no names that strangers made up.
    pub(super) fn name_of(&self, system_id: &[u8]) -> Option<String> {
        let directory = self.directory.load();
        let index = directory.policy.account(system_id)?;
        directory.policy.accounts.get(usize::from(index)).map(|account| account.system_id.clone())
    }

    /// Forgets the failed binds of an account: what it did while it was disabled must not delay it.
    pub fn forgive(&self, system_id: &str) {
        let tag = self.tag(system_id.as_bytes());
        lock(&self.damping).forget(tag);
    }

    fn tag(&self, system_id: &[u8]) -> u64 {
        self.keys[0].hash_one(system_id)
    }

    /// Serves the time for earlier failures. Asked again after each wait: others may have failed meanwhile.
    async fn wait(&self, attempt: Attempt, patience: Duration) -> Result<(), Refusal> {
        let give_up = self.clock.now().mono.after(patience);
        loop {
            let now = self.clock.now().mono;
            let Some(wait) = lock(&self.damping).before(attempt, now) else { return Ok(()) };
            let left = Duration::from_micros(give_up.since_us(now));
            sleep(wait.min(left)).await;
            if wait > left {
                return Err(Refusal::TooSoon);
            }
        }
    }

    async fn authenticate(&self, directory: &Arc<Directory>, system_id: &[u8], password: &[u8]) -> Option<u16> {
        if !directory.hashed {
            return directory.policy.authenticate(system_id, password);
        }
        let digest = [self.digest(0, system_id, password), self.digest(1, system_id, password)];
        let now = self.clock.now().mono;
        if let Some(index) = lock(&self.remembered).find(directory, digest, now) {
            return Some(index);
        }
        let permit = Arc::clone(&self.hashing).acquire_owned().await.ok()?;
        let (own, name, password) = (Arc::clone(directory), system_id.to_vec(), password.to_vec());
        let computing = tokio::task::spawn_blocking(move || {
            // Travels with the work: a link that ends meanwhile does not make room for a third.
            let _permit = permit;
            own.policy.authenticate(&name, &password)
        });
        let index = computing.await.ok()??;
        lock(&self.remembered).add(directory, digest, index, self.clock.now().mono);
        Some(index)
    }

    fn digest(&self, key: usize, system_id: &[u8], password: &[u8]) -> u64 {
        self.keys.get(key).map_or(0, |key| key.hash_one((system_id, password)))
    }
}

impl Remembered {
    fn find(&mut self, directory: &Arc<Directory>, digest: Digest, now: Mono) -> Option<u16> {
        if !self.under.as_ref().is_some_and(|under| Arc::ptr_eq(under, directory)) {
            self.until.clear();
            self.under = Some(Arc::clone(directory));
        }
        self.until.get(&digest).filter(|(_, until)| now < *until).map(|(index, _)| *index)
    }

    fn add(&mut self, directory: &Arc<Directory>, digest: Digest, index: u16, now: Mono) {
        if !self.under.as_ref().is_some_and(|under| Arc::ptr_eq(under, directory)) {
            return;
        }
        if self.until.len() >= REMEMBER_MOST {
            self.until.retain(|_, (_, until)| now < *until);
        }
        if self.until.len() < REMEMBER_MOST {
            self.until.insert(digest, (index, now.after(REMEMBER)));
        }
    }
}

/// The guarded values are whole after every statement, so a panic elsewhere cannot have spoilt them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
