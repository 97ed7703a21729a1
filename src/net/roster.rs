//! Who is here: the links of client systems that were let in, and the accounts that are shut out.
//!
//! What an operator asks for reaches links as a wish, which each obeys in its own task. Also passes on what the records
//! want to know of binds. Verifies nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::stop::Wish;
use crate::audit::{Activity, Actor, ActorKind, Draft, Event, Object, Outcome, Recorder};
use crate::clock::Unix;
use crate::message::LinkId;
use crate::session::BindMode;

/// Links and accounts, and where to tell of them. Without records it tells nobody.
#[derive(Debug, Default)]
pub struct Roster {
    inner: Mutex<Inner>,
    activity: Activity,
    recorder: Option<Recorder>,
}

#[derive(Debug, Default)]
struct Inner {
    present: BTreeMap<LinkId, Present>,
    shut: BTreeSet<String>,
}

#[derive(Debug)]
struct Present {
    row: Row,
    wish: watch::Sender<Wish>,
}

impl Present {
    /// Whether its session goes on. After that it only waits for its peer to close, and hears no wish.
    fn is_here(&self) -> bool {
        !self.wish.is_closed()
    }
}

/// One link that was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in this process.
    pub link: LinkId,
    /// Whose it is.
    pub account: String,
    /// Directions of its bind.
    pub mode: BindMode,
    /// Where it comes from.
    pub peer: IpAddr,
    /// When its credentials were verified.
    pub since: Unix,
}

/// Which links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// All of an account.
    Account(&'a str),
    /// This one.
    Link(LinkId),
}

/// The account is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shut;

impl Roster {
    /// A roster that tells `activity` and `recorder`; the accounts `shut` may not come in.
    #[must_use]
    pub fn new(activity: Activity, recorder: Recorder, shut: impl IntoIterator<Item = String>) -> Arc<Self> {
        let inner = Inner { present: BTreeMap::new(), shut: shut.into_iter().collect() };
        Arc::new(Self { inner: Mutex::new(inner), activity, recorder: Some(recorder) })
    }

    /// All links, oldest number first.
    #[must_use]
    pub fn list(&self) -> Vec<Row> {
        let inner = self.lock();
        inner.present.values().filter(|present| present.is_here()).map(|present| present.row.clone()).collect()
    }

    /// The account of a link.
    #[must_use]
    pub fn account_of(&self, link: LinkId) -> Option<String> {
        self.lock().present.get(&link).filter(|present| present.is_here()).map(|present| present.row.account.clone())
    }

    /// Asks links to answer what is open and to unbind; returns which.
    pub fn unbind(&self, which: Which<'_>) -> Vec<LinkId> {
        let inner = self.lock();
        let is_meant = |link: LinkId, present: &Present| match which {
            _ if !present.is_here() => false,
            Which::Account(account) => present.row.account == account,
            Which::Link(own) => link == own,
        };
        let meant = inner.present.iter().filter(|(link, present)| is_meant(**link, present));
        meant
            .map(|(link, present)| {
                present.wish.send_if_modified(|wish| raise(wish, Wish::Unbind));
                *link
            })
            .collect()
    }

    /// Closes those of `links` that are still here, at once; returns how many.
    pub fn cut(&self, links: &[LinkId]) -> usize {
        let inner = self.lock();
        let mut count = 0;
        for present in links.iter().filter_map(|link| inner.present.get(link)).filter(|present| present.is_here()) {
            present.wish.send_if_modified(|wish| raise(wish, Wish::Cut));
            count += 1;
        }
        count
    }

    /// How many of `links` are still here.
    #[must_use]
    pub fn count(&self, links: &[LinkId]) -> usize {
        let inner = self.lock();
        links.iter().filter(|link| inner.present.get(link).is_some_and(Present::is_here)).count()
    }

    /// Lets no link of this account in any more. Those that are in stay until asked to go.
    pub fn shut(&self, account: &str) {
        self.lock().shut.insert(account.to_owned());
    }

    /// Lets links of this account in again.
    pub fn reopen(&self, account: &str) {
        self.lock().shut.remove(account);
    }

    /// Whether links of this account are not let in.
    #[must_use]
    pub fn is_shut(&self, account: &str) -> bool {
        self.lock().shut.contains(account)
    }

    /// A link whose credentials were right. `wish` is how it is reached.
    pub(super) fn enter(&self, row: Row, wish: watch::Sender<Wish>) -> Result<(), Shut> {
        let mut inner = self.lock();
        // Again under the lock: who is shut out meanwhile must not slip in.
        if inner.shut.contains(&row.account) {
            return Err(Shut);
        }
        inner.present.insert(row.link, Present { row: row.clone(), wish });
        drop(inner);
        self.tell(&row.account, "admitted", row.link, row.peer, mode_name(row.mode), None);
        Ok(())
    }

    /// A bind that was refused; `account` is empty when the name is none of ours.
    pub(super) fn refused(&self, account: &str, link: LinkId, peer: IpAddr, why: &'static str) {
        self.tell(account, "refused", link, peer, why, None);
        self.note("bind.refused", account, peer, why);
    }

    /// A connection that failed before anything could be said over it.
    pub(super) fn unopened(&self, peer: IpAddr, why: &'static str) {
        self.note("tls.refused", "", peer, why);
    }

    fn note(&self, action: &str, account: &str, peer: IpAddr, why: &str) {
        let Some(recorder) = &self.recorder else { return };
        let kind = if account.is_empty() { ActorKind::Stranger } else { ActorKind::Client };
        recorder.note(Draft {
            actor: Actor { kind, name: String::new(), origin: peer.to_string() },
            action: action.to_owned(),
            object: if account.is_empty() { Object::default() } else { Object::new("account", account) },
            account: account.to_owned(),
            reason: why.to_owned(),
            outcome: Outcome::Denied,
            ..Draft::default()
        });
    }

    /// A link that ended.
    fn left(&self, link: LinkId, reason: &'static str, seconds: Option<u64>) {
        let Some(present) = self.lock().present.remove(&link) else { return };
        self.tell(&present.row.account, "ended", link, present.row.peer, reason, seconds);
    }

    fn tell(
        &self,
        account: &str,
        what: &'static str,
        link: LinkId,
        peer: IpAddr,
        detail: &'static str,
        seconds: Option<u64>,
    ) {
        let link = Some((link.0, peer));
        self.activity.note(Event { account: account.to_owned(), what, link, detail, seconds });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Entries are whole after every statement, so a panic elsewhere cannot have spoilt them.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link's place in the roster, given back when dropped.
#[derive(Debug)]
pub(super) struct Presence {
    roster: Arc<Roster>,
    link: LinkId,
    /// Why it ended, and how long it was bound.
    pub(super) end: (&'static str, Option<u64>),
}

impl Presence {
    pub(super) fn new(roster: Arc<Roster>, link: LinkId) -> Self {
        Self { roster, link, end: ("cut", None) }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.roster.left(self.link, self.end.0, self.end.1);
    }
}

/// A wish only grows.
fn raise(wish: &mut Wish, to: Wish) -> bool {
    let is_more = *wish < to;
    if is_more {
        *wish = to;
    }
    is_more
}

/// The word for a kind of bind.
#[must_use]
pub fn mode_name(mode: BindMode) -> &'static str {
    match mode {
        BindMode::Transmitter => "transmitter",
        BindMode::Receiver => "receiver",
        BindMode::Transceiver => "transceiver",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(link: u64, account: &str) -> Row {
        let peer = IpAddr::from([192, 0, 2, 1]);
        Row { link: LinkId(link), account: account.into(), mode: BindMode::Transceiver, peer, since: Unix(1) }
    }

    #[test]
    fn links_are_asked_by_account_or_number_and_leave() {
        let roster = Arc::new(Roster::default());
        let wishes: Vec<_> = [(1, "acme"), (2, "acme"), (3, "other")]
            .into_iter()
            .map(|(link, account)| {
                let (wish, own) = watch::channel(Wish::Stay);
                roster.enter(row(link, account), wish).unwrap();
                (Presence::new(Arc::clone(&roster), LinkId(link)), own)
            })
            .collect();
        let told = || wishes.iter().map(|(_, own)| *own.borrow()).collect::<Vec<_>>();
        assert_eq!(roster.unbind(Which::Account("acme")), [LinkId(1), LinkId(2)]);
        assert_eq!(told(), [Wish::Unbind, Wish::Unbind, Wish::Stay]);
        assert_eq!(roster.cut(&[LinkId(2), LinkId(9)]), 1);
        assert_eq!(roster.unbind(Which::Link(LinkId(2))), [LinkId(2)]);
        assert_eq!(told(), [Wish::Unbind, Wish::Cut, Wish::Stay], "a wish is not taken back");
        assert_eq!(roster.account_of(LinkId(3)).as_deref(), Some("other"));
        assert_eq!(roster.count(&[LinkId(1), LinkId(9)]), 1);
        drop(wishes);
        assert_eq!(roster.list(), []);
    }

    #[test]
    fn who_is_shut_out_does_not_enter() {
        let roster = Roster::default();
        roster.shut("acme");
        let (wish, own) = watch::channel(Wish::Stay);
        assert_eq!(roster.enter(row(1, "acme"), wish.clone()), Err(Shut));
        assert!(roster.is_shut("acme") && roster.list().is_empty());
        roster.reopen("acme");
        assert_eq!(roster.enter(row(1, "acme"), wish), Ok(()));
        assert_eq!(roster.list().len(), 1);
        drop(own);
        assert_eq!(roster.list(), [], "its session ended, and only its peer does not close");
    }
}
