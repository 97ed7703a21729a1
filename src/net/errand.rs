//! Errands of the desk: other rules, and for persons small steps through the journal and the archive, each beside the traffic and bounded, each
//! with a reply. The order of the steps, and what they are for, is the desk's.
//!
//! Steps that need the bridge are made by its task; those that read or rewrite the store by the journal's thread, after
//! the commit of the same order. A caller that is gone gets no reply, and nothing else changes.

use std::fmt;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::fleet::Gone;
use super::inbox::{Inbox, Mail, Stopped, WeakInbox};
use super::tls::TlsError;
use crate::bridge::{Cleared, Hits, Relisted, Renewed, Standing, hits};
use crate::message::{AccountId, MessageId};
use crate::policy::{Holds, Policy, Token, Wanted, Wish};
use crate::store::{ArchiveKey, Enrolled, Fault, KeptText, Listed, OptOutKey, Position, Step, Store, Subject};

/// Journal blocks read in one step: some hundred microseconds.
const SCAN_BLOCKS: usize = 8;
/// Archive blocks read in one step.
const SEARCH_BLOCKS: usize = 4;

/// Opted-out numbers read, or taken away, in one step: some hundred microseconds.
pub const OPT_OUTS_STEP: usize = 1_000;

/// A step, and whom to tell.
#[derive(Debug)]
pub enum Errand {
    /// For the bridge's task.
    Bridge(BridgeErrand),
    /// For the journal's thread.
    Store(StoreErrand),
}

/// A step that the bridge decides.
#[derive(Debug)]
pub enum BridgeErrand {
    /// Stores what is open and says which block comes then.
    Begin(oneshot::Sender<u64>),
    /// How these messages stand.
    Stand(Vec<(MessageId, Position)>, oneshot::Sender<Vec<Option<Standing>>>),
    /// Takes records out of journal blocks; the reply comes once that is stored.
    Erase(Vec<Hits>, oneshot::Sender<Cleared>),
    /// These numbers are held from now on.
    Hold(Arc<Holds>, oneshot::Sender<()>),
    /// Puts numbers on an account's list of those who opted out, or takes them off; the reply comes once that is stored.
    Relist(AccountId, Vec<Token>, Wish, oneshot::Sender<Relisted>),
    /// These rules are in force from now on.
    Renew(Renew),
}

/// Other rules, with the numbers of their names.
#[derive(Debug)]
pub struct Renew {
    pub(super) policy: Box<Policy>,
    pub(super) enrolled: Arc<Enrolled>,
    /// Told when they are in force.
    pub(super) taken: oneshot::Sender<()>,
    /// Told when everything that waited was looked at, and what was decided before has left.
    pub(super) renewed: oneshot::Sender<Renewed>,
}

/// A step through what is stored.
#[derive(Debug)]
pub enum StoreErrand {
    /// Looks through journal blocks from one number up to another.
    Scan {
        /// The first.
        from: u64,
        /// The first that is not looked at.
        end: u64,
        /// What is looked for.
        wanted: Arc<Wanted>,
        /// Whom to tell.
        reply: oneshot::Sender<Result<Scanned, Fault>>,
    },
    /// Looks through archive blocks, and takes out what it finds if `erase` says so.
    Archive {
        /// Goes on behind this one.
        after: Option<ArchiveKey>,
        /// What is looked for.
        wanted: Arc<Wanted>,
        /// Whether it is taken out.
        erase: bool,
        /// Whom to tell.
        reply: oneshot::Sender<Result<Step, Fault>>,
    },
    /// Looks for the texts of settled messages.
    Texts(Vec<MessageId>, oneshot::Sender<Result<Vec<Option<KeptText>>, Fault>>),
    /// Reads so many opted-out numbers from this one on.
    OptOuts(OptOutKey, usize, oneshot::Sender<Result<OptOuts, Fault>>),
    /// Destroys the keys of an account.
    Shred(AccountId, oneshot::Sender<Result<u64, Fault>>),
    /// Gives numbers to the names of accounts and of carriers that have none.
    Enroll(Vec<String>, Vec<String>, oneshot::Sender<Result<Enrolled, Fault>>),
}

/// Opted-out numbers, and what is known of each.
pub type OptOuts = Vec<(OptOutKey, Listed)>;

/// A step through the journal.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Blocks with something that is wanted.
    pub hits: Vec<Hits>,
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
}

/// What is told once an order's commit is stored.
pub(super) struct After(Box<dyn FnOnce() + Send>);

impl After {
    pub(super) fn new(tell: impl FnOnce() + Send + 'static) -> Self {
        Self(Box::new(tell))
    }

    pub(super) fn tell(self) {
        (self.0)();
    }
}

impl fmt::Debug for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("After(..)")
    }
}

impl StoreErrand {
    pub(super) fn run(self, store: &mut dyn Store) {
        // Whoever asked may be gone.
        match self {
            Self::Scan { from, end, wanted, reply } => drop(reply.send(scan(store, from, end, &wanted))),
            Self::Archive { after, wanted, erase, reply } => {
                let asked = |account, source: &_, destination: &_| wanted.is(account, source, destination);
                let subject = wanted.digits().and_then(|(account, digits)| Subject::new(account, digits));
                let step = match erase {
                    true => store.erase_about(after, SEARCH_BLOCKS, subject.as_ref(), &asked),
                    false => store.search_about(after, SEARCH_BLOCKS, subject.as_ref(), &asked),
                };
                drop(reply.send(step));
            }
            Self::Texts(messages, reply) => {
                let texts = messages.into_iter().map(|id| store.kept_text(id)).collect();
                drop(reply.send(texts));
            }
            Self::OptOuts(from, at_most, reply) => drop(reply.send(store.opt_outs(from, at_most))),
            Self::Shred(account, reply) => drop(reply.send(store.shred(account))),
            Self::Enroll(accounts, carriers, reply) => {
                let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
                let carriers: Vec<&str> = carriers.iter().map(String::as_str).collect();
                drop(reply.send(store.enroll(&accounts, &carriers)));
            }
        }
    }
}

fn scan(store: &dyn Store, from: u64, end: u64, wanted: &Wanted) -> Result<Scanned, Fault> {
    let (mut scanned, mut from) = (Scanned::default(), from);
    for _ in 0..SCAN_BLOCKS {
        let Some(number) = store.next_block(from).filter(|number| *number < end) else { return Ok(scanned) };
        if let Some(block) = store.read(number)? {
            let found = hits(&block, wanted);
            if !found.is_empty() {
                scanned.hits.push((block, found));
            }
        }
        from = number + 1;
    }
    scanned.next = Some(from);
    Ok(scanned)
}

/// The way of errands to a running server, and the names that its store has numbers for.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The desk that has it must not keep the server from ending.
    inbox: WeakInbox,
    /// Numbers of accounts and carriers.
    pub enrolled: Arc<Enrolled>,
    /// The rules in force.
    pub policy: Arc<Policy>,
}

/// An errand that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ErrandFault {
    /// The process is stopping.
    #[error("the process is stopping; ask again when it runs")]
    Stopped,
    /// The process is not there yet.
    #[error("the server is still starting; ask again")]
    Starting,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Fault),
    /// A carrier cannot be reached over TLS as the rules say.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<Stopped> for ErrandFault {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<Gone> for ErrandFault {
    fn from(_: Gone) -> Self {
        Self::Stopped
    }
}

impl Registry {
    pub(super) fn new(inbox: &Inbox, enrolled: Arc<Enrolled>, policy: Arc<Policy>) -> Self {
        Self { inbox: inbox.downgrade(), enrolled, policy }
    }

    /// The same way with other rules.
    pub(super) fn with(self, enrolled: Arc<Enrolled>, policy: Arc<Policy>) -> Self {
        Self { enrolled, policy, ..self }
    }

    /// The numbers of these names; new ones get theirs.
    pub(super) async fn enroll(&self, accounts: Vec<String>, carriers: Vec<String>) -> Result<Enrolled, ErrandFault> {
        let enrolled = self.ask(|reply| Errand::Store(StoreErrand::Enroll(accounts, carriers, reply)));
        Ok(enrolled.await??)
    }

    /// The rules are in force when it returns; what became of what waits is told then.
    pub(super) async fn renew(
        &self,
        policy: &Policy,
        enrolled: &Arc<Enrolled>,
    ) -> Result<oneshot::Receiver<Renewed>, ErrandFault> {
        let (policy, enrolled) = (Box::new(policy.clone()), Arc::clone(enrolled));
        let (renewed, told) = oneshot::channel();
        self.ask(|taken| Errand::Bridge(BridgeErrand::Renew(Renew { policy, enrolled, taken, renewed }))).await?;
        Ok(told)
    }

    async fn ask<T>(&self, errand: impl FnOnce(oneshot::Sender<T>) -> Errand) -> Result<T, ErrandFault> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send(Mail::Errand(errand(reply))).await?;
        answer.await.map_err(|_gone| ErrandFault::Stopped)
    }

    /// Everything accepted so far is in journal blocks below the number returned.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn begin(&self) -> Result<u64, ErrandFault> {
        self.ask(|reply| Errand::Bridge(BridgeErrand::Begin(reply))).await
    }

    /// How these messages stand; `None` for those whose record is another one by now.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn stand(&self, messages: Vec<(MessageId, Position)>) -> Result<Vec<Option<Standing>>, ErrandFault> {
        self.ask(|reply| Errand::Bridge(BridgeErrand::Stand(messages, reply))).await
    }

    /// Takes records out of journal blocks; they are gone when it returns.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn erase(&self, hits: Vec<Hits>) -> Result<Cleared, ErrandFault> {
        self.ask(|reply| Errand::Bridge(BridgeErrand::Erase(hits, reply))).await
    }

    /// These numbers are held when it returns, and no others.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn hold(&self, holds: Arc<Holds>) -> Result<(), ErrandFault> {
        self.ask(|reply| Errand::Bridge(BridgeErrand::Hold(holds, reply))).await
    }

    /// A step through the journal.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn scan(&self, from: u64, end: u64, wanted: &Arc<Wanted>) -> Result<Scanned, ErrandFault> {
        let wanted = Arc::clone(wanted);
        let scanned = self.ask(|reply| Errand::Store(StoreErrand::Scan { from, end, wanted, reply }));
        Ok(scanned.await??)
    }

    /// A step through the archive.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn archive(
        &self,
        after: Option<ArchiveKey>,
        wanted: &Arc<Wanted>,
        erase: bool,
    ) -> Result<Step, ErrandFault> {
        let wanted = Arc::clone(wanted);
        let step = self.ask(|reply| Errand::Store(StoreErrand::Archive { after, wanted, erase, reply }));
        Ok(step.await??)
    }

    /// The texts of these settled messages, where they are kept.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn texts(&self, messages: Vec<MessageId>) -> Result<Vec<Option<KeptText>>, ErrandFault> {
        Ok(self.ask(|reply| Errand::Store(StoreErrand::Texts(messages, reply))).await??)
    }

    /// Opted-out numbers of all accounts, from this one on.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn opt_outs(&self, from: OptOutKey, at_most: usize) -> Result<OptOuts, ErrandFault> {
        Ok(self.ask(|reply| Errand::Store(StoreErrand::OptOuts(from, at_most, reply))).await??)
    }

    /// Puts numbers on an account's list of those who opted out, or takes them off; durable when it returns.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn relist(&self, account: AccountId, tokens: Vec<Token>, wish: Wish) -> Result<Relisted, ErrandFault> {
        self.ask(|reply| Errand::Bridge(BridgeErrand::Relist(account, tokens, wish, reply))).await
    }

    /// Destroys the keys of an account whose records are gone: copies of the store cannot be read any more either. Says how
    /// many keys that were.
    ///
    /// # Errors
    /// [`ErrandFault`].
    pub async fn shred(&self, account: AccountId) -> Result<u64, ErrandFault> {
        let shredded = self.ask(|reply| Errand::Store(StoreErrand::Shred(account, reply)));
        Ok(shredded.await??)
    }
}
