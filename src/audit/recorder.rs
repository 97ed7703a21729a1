//! The thread that writes the log, and the handle to it.
//!
//! Whoever waits for [`Recorder::record`] knows its entry to be on disk; several that wait share one flush. Events that
//! strangers cause go through [`Recorder::note`], which never waits and gathers floods. While the log cannot be written,
//! `record` says so at once and the caller refuses to act; the thread keeps trying.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::entry::Draft;
use super::folder::{AuditFault, Folder};
use super::gathering::Gathering;
use super::log::{BATCH_MAX, Log};
use crate::clock::{Clock, Mono};

/// Entries that may wait for the thread.
const ORDERS: usize = 256;
/// How often the thread looks at what falls due.
const TICK: Duration = Duration::from_secs(1);
/// How long an entry waits for a signed head.
const HEAD_AFTER: Duration = Duration::from_secs(60);
/// How often retention is looked at.
const RETIRE_EVERY: Duration = Duration::from_secs(3600);
/// How often a log that cannot be used is tried again without being asked.
const RETRY_EVERY: Duration = Duration::from_secs(5);

/// Where the log is and how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder.
    pub path: PathBuf,
    /// The file of the key that signs heads.
    pub key: PathBuf,
    /// How long entries are kept; whole days.
    pub keep: Duration,
}

/// An entry that could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written: {reason}")]
pub struct Unrecorded {
    /// Why.
    pub reason: String,
}

/// How the log is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Entries written since the process started.
    pub entries: u64,
    /// Events that could not be recorded.
    pub lost: u64,
    /// Why the log cannot be written; `None` while it can.
    pub failing: Option<String>,
    /// How long the oldest entry without a signed head has waited for one, milliseconds; 0 when all have.
    pub head_age_ms: u64,
}

/// The handle. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    orders: SyncSender<Order>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    gathering: Mutex<Gathering>,
    entries: AtomicU64,
    lost: AtomicU64,
    failing: Mutex<Option<String>>,
    /// When the oldest entry without a head was written, [`Mono`]; `u64::MAX` when all have one.
    unsigned_since: AtomicU64,
}

type Reply = oneshot::Sender<Result<u64, Unrecorded>>;

#[derive(Debug)]
enum Order {
    Write(Box<Draft>, Option<Reply>),
    End(oneshot::Sender<()>),
}

impl Recorder {
    /// Starts the thread. A log that cannot be opened does not keep the process from starting: it shows in
    /// [`Self::figures`].
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(settings: Settings, clock: Clock) -> std::io::Result<Self> {
        let (orders, inbox) = sync_channel(ORDERS);
        let shared = Arc::new(Shared {
            clock,
            gathering: Mutex::default(),
            entries: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            failing: Mutex::new(Some("not opened yet".to_owned())),
            unsigned_since: AtomicU64::new(u64::MAX),
        });
        let writer = Writer::new(settings, Arc::clone(&shared));
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&inbox))?;
        Ok(Self { orders, shared })
    }

    /// Records an entry; returns its number once it is on disk.
    ///
    /// # Errors
    /// [`Unrecorded`] when it cannot be written, or when more wait than there is room for.
    pub async fn record(&self, draft: Draft) -> Result<u64, Unrecorded> {
        let (reply, answer) = oneshot::channel();
        let sent = self.orders.try_send(Order::Write(Box::new(draft), Some(reply)));
        if sent.is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            return Err(Unrecorded { reason: "more entries wait than there is room for".to_owned() });
        }
        answer.await.unwrap_or_else(|_| Err(Unrecorded { reason: "its thread has ended".to_owned() }))
    }

    /// Records that something happened, now or as part of a sum; never waits.
    pub fn note(&self, draft: Draft) {
        let now = self.shared.clock.now().mono;
        let first = lock(&self.shared.gathering).take(draft, now);
        if let Some(draft) = first
            && self.orders.try_send(Order::Write(Box::new(draft), None)).is_err()
        {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How the log is doing.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let since = self.shared.unsigned_since.load(Ordering::Relaxed);
        let now = self.shared.clock.now().mono;
        Figures {
            entries: self.shared.entries.load(Ordering::Relaxed),
            lost: self.shared.lost.load(Ordering::Relaxed),
            failing: lock(&self.shared.failing).clone(),
            head_age_ms: now.since_us(Mono(since)) / 1000,
        }
    }

    /// Writes what is gathered, signs a head, and ends the thread. Nothing is recorded any more.
    pub async fn end(&self) {
        let (reply, ended) = oneshot::channel();
        let orders = self.orders.clone();
        // Waits for room, which a full channel soon has: not on a thread of the runtime.
        let sent = tokio::task::spawn_blocking(move || orders.send(Order::End(reply)).is_ok()).await;
        if matches!(sent, Ok(true)) {
            // An error means that it ended before.
            let _ended = ended.await;
        }
    }
}

/// The thread's side.
struct Writer {
    settings: Settings,
    shared: Arc<Shared>,
    log: Option<Log>,
    /// What the log says of itself with the next entry.
    pending: Vec<Draft>,
    /// Lost events that an entry tells of.
    confessed: u64,
    /// When to try again a log that cannot be written.
    retry: Mono,
    /// When to look at retention again.
    retire: Mono,
}

impl Writer {
    fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        let (retry, retire) = (Mono(0), Mono(0));
        Self { settings, shared, log: None, pending: Vec::new(), confessed: 0, retry, retire }
    }

    fn run(mut self, inbox: &Receiver<Order>) {
        loop {
            let first = match inbox.recv_timeout(TICK) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let (mut drafts, mut replies, mut end) = (Vec::new(), Vec::new(), None);
            for order in first.into_iter().chain(inbox.try_iter().take(BATCH_MAX)) {
                match order {
                    Order::Write(draft, reply) => {
                        drafts.push(*draft);
                        replies.extend(reply);
                    }
                    Order::End(reply) => end = Some(reply),
                }
            }
            self.turn(drafts, replies, end.is_some());
            if let Some(end) = end {
                drop(self.log.take());
                let _gone = end.send(());
                break;
            }
        }
    }

    /// One round: writes, answers, and does what falls due.
    fn turn(&mut self, mut drafts: Vec<Draft>, replies: Vec<Reply>, is_last: bool) {
        let now = self.shared.clock.now().mono;
        let mut gathering = lock(&self.shared.gathering);
        drafts.extend(if is_last { gathering.rest() } else { gathering.due(now) });
        drop(gathering);
        let is_failing = lock(&self.shared.failing).is_some();
        if !drafts.is_empty() || (is_failing && self.retry <= now) {
            let result = self.write(&drafts);
            for reply in replies {
                // Whoever asked may be gone.
                let _gone = reply.send(result.clone());
            }
        }
        self.retire(now);
        self.sign(now, is_last);
    }

    /// Writes entries, and keeps account of whether that can be done.
    fn write(&mut self, drafts: &[Draft]) -> Result<u64, Unrecorded> {
        match self.append(drafts) {
            Ok((seq, count)) => {
                self.shared.entries.fetch_add(count, Ordering::Relaxed);
                if lock(&self.shared.failing).take().is_some() {
                    tracing::info!("the audit log can be written");
                }
                Ok(seq)
            }
            Err(fault) => {
                self.retry = self.shared.clock.now().mono.after(RETRY_EVERY);
                self.shared.lost.fetch_add(drafts.len() as u64, Ordering::Relaxed);
                let reason = fault.to_string();
                let before = lock(&self.shared.failing).replace(reason.clone());
                if before.as_ref() != Some(&reason) {
                    tracing::error!(reason, "the audit log cannot be written: what must be recorded is refused");
                }
                Err(Unrecorded { reason })
            }
        }
    }

    /// Number of the last entry, and how many were written.
    fn append(&mut self, drafts: &[Draft]) -> Result<(u64, u64), AuditFault> {
        let log = match &mut self.log {
            Some(log) => log,
            None => {
                let (log, recovered) = Log::open(Folder::new(&self.settings.path), &self.settings.key)?;
                self.pending.extend(recovered.map(|recovered| recovered.draft()));
                self.log.insert(log)
            }
        };
        let lost = self.shared.lost.load(Ordering::Relaxed);
        if lost > self.confessed {
            let reason = format!("{} events could not be recorded before", lost - self.confessed);
            self.pending.push(Draft::system("audit.gap", reason));
            self.confessed = lost;
        }
        let unix = self.shared.clock.now().unix;
        let own = self.pending.len() as u64;
        if own > 0 {
            log.append(&self.pending, unix)?;
            self.pending.clear();
        }
        let mut seq = log.seq();
        for batch in drafts.chunks(BATCH_MAX) {
            seq = log.append(batch, unix)?;
        }
        Ok((seq, own + drafts.len() as u64))
    }

    /// Signs a head that is due.
    fn sign(&mut self, now: Mono, is_last: bool) {
        let Some(log) = &mut self.log else { return };
        let since = Mono(self.shared.unsigned_since.load(Ordering::Relaxed)).min(now);
        let since = if log.unsigned() == 0 { Mono(u64::MAX) } else { since };
        self.shared.unsigned_since.store(since.0, Ordering::Relaxed);
        if log.unsigned() == 0 || !(is_last || since.after(HEAD_AFTER) <= now) {
            return;
        }
        match log.sign(self.shared.clock.now().unix) {
            Ok(head) => {
                self.shared.unsigned_since.store(u64::MAX, Ordering::Relaxed);
                if let Some(head) = head {
                    tracing::info!(entry = head.seq, hash = %head.hash, "audit log signed");
                }
            }
            Err(fault) => tracing::warn!(%fault, "no head of the audit log can be signed"),
        }
    }

    /// Drops the files whose time is over.
    fn retire(&mut self, now: Mono) {
        let Some(log) = self.log.as_mut().filter(|_| self.retire <= now) else { return };
        self.retire = now.after(RETIRE_EVERY);
        match log.retire(self.settings.keep, self.shared.clock.now().unix) {
            Ok(days) => {
                if let (Some(first), Some(last)) = (days.first(), days.last()) {
                    let reason = format!("{} day files from {first} to {last}: their retention is over", days.len());
                    // A failure shows in the figures.
                    let _shown = self.write(&[Draft::system("audit.retired", reason)]);
                }
            }
            Err(fault) => tracing::warn!(%fault, "audit files whose time is over cannot be removed"),
        }
    }
}

/// The guarded values are whole after every statement, so a panic elsewhere cannot have spoilt them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::chain::Walk;
    use crate::audit::entry::Entry;
    use crate::audit::folder::file_name;

    fn start(path: &std::path::Path) -> Recorder {
        let keep = Duration::from_secs(730 * 24 * 3600);
        let settings = Settings { path: path.to_owned(), key: path.join("audit.key"), keep };
        Recorder::start(settings, Clock::start()).unwrap()
    }

    fn entries(path: &std::path::Path) -> Vec<Entry> {
        let folder = Folder::new(path);
        let mut walk = Walk::new(&folder.heads().unwrap(), None).unwrap();
        let mut entries = Vec::new();
        for day in folder.days().unwrap() {
            walk.file(&file_name(day), &folder.read(day).unwrap(), |entry| entries.push(entry.clone())).unwrap();
        }
        walk.finish().unwrap();
        assert_eq!(walk.newest_head().map(|head| head.seq), walk.last().map(|(seq, _)| seq), "the end is signed");
        entries
    }

    #[tokio::test]
    async fn what_is_recorded_is_there_and_floods_become_sums() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = start(folder.path());
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let recorder = recorder.clone();
                tokio::spawn(async move { recorder.record(Draft::system("asked", "")).await })
            })
            .collect();
        for ask in asked {
            assert!(ask.await.unwrap().is_ok());
        }
        for _ in 0..1000 {
            recorder.note(Draft::system("noted", "again"));
        }
        recorder.end().await;
        let found = entries(folder.path());
        assert_eq!(found.iter().filter(|entry| entry.said.action == "asked").count(), 20);
        let noted: Vec<_> = found.iter().filter(|entry| entry.said.action == "noted").collect();
        assert_eq!(noted.len(), 2);
        assert_eq!(noted[1].said.reason, "999 more within 60 s");
        assert!(recorder.record(Draft::system("late", "")).await.is_err());
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_written_says_so_and_recovers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "in the way").unwrap();
        let recorder = start(&path);
        let error = recorder.record(Draft::system("asked", "")).await.unwrap_err();
        assert!(error.to_string().starts_with("the audit log cannot be written: "), "{error}");
        assert!(recorder.figures().failing.is_some());
        assert_eq!(recorder.figures().lost, 1);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(recorder.record(Draft::system("asked", "")).await, Ok(2));
        assert_eq!(recorder.figures().failing, None);
        recorder.end().await;
        let actions: Vec<_> = entries(&path).into_iter().map(|entry| entry.said.action).collect();
        assert_eq!(actions, ["audit.gap", "asked"]);
    }
}
