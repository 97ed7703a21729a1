//! The activity log: what client systems did (binds, ends, refusals), one JSON line each, a file a day.
//!
//! Short-lived and plain: no chain, no promise that a line survives a crash. Never makes a link wait: what finds no room is
//! counted. Strangers' names are not in it, for they may be anything; numbers, texts and passwords never.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::folder::{self, Day};
use crate::clock::{Clock, Mono, Unix};

/// Lines that may wait for the thread.
const LINES: usize = 4096;
/// Octets of a day's file; what comes after is counted and not written.
const FILE_MAX: u64 = 256 << 20;
/// How often the thread looks at what falls due.
const TICK: Duration = Duration::from_secs(60);
const PREFIX: &str = "activity-";
const SUFFIX: &str = ".jsonl";

/// One thing a client did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The account; empty for strangers.
    pub account: String,
    /// `admitted`, `refused` or `ended`; `inflated` for traffic that looks artificial.
    pub what: &'static str,
    /// The link, by its number in this process, and where it came from; `None` for what is not one link's.
    pub link: Option<(u64, IpAddr)>,
    /// Why, or which kind of bind or traffic: a word from a short fixed list.
    pub detail: &'static str,
    /// How long it was bound, where that is known.
    pub seconds: Option<u64>,
}

/// The handle. Cheap to clone; without a thread behind it, it takes everything and keeps nothing.
#[derive(Clone, Debug, Default)]
pub struct Activity(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    lines: SyncSender<(Unix, Event)>,
    lost: Arc<AtomicU64>,
    clock: Clock,
}

impl Activity {
    /// Writes to files in `path`, which is made; drops files that ended longer than `keep` ago.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(path: PathBuf, keep: Duration, clock: Clock) -> std::io::Result<Self> {
        let (lines, inbox) = sync_channel(LINES);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { path, keep, clock, lost: Arc::clone(&lost), open: None, retired: None, complained: None };
        std::thread::Builder::new().name("activity".to_owned()).spawn(move || writer.run(&inbox))?;
        Ok(Self(Some(Arc::new(Inner { lines, lost, clock }))))
    }

    /// Takes a line; never waits.
    pub fn note(&self, event: Event) {
        let Some(inner) = &self.0 else { return };
        if inner.lines.try_send((inner.clock.now().unix, event)).is_err() {
            inner.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that were not written, since the process started.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |inner| inner.lost.load(Ordering::Relaxed))
    }
}

struct Writer {
    path: PathBuf,
    keep: Duration,
    clock: Clock,
    lost: Arc<AtomicU64>,
    open: Option<(Day, File, u64)>,
    /// The day of the last look at retention.
    retired: Option<Day>,
    /// When a failure was last told.
    complained: Option<Mono>,
}

impl Writer {
    fn run(mut self, inbox: &Receiver<(Unix, Event)>) {
        loop {
            let first = match inbox.recv_timeout(TICK) {
                Ok(line) => Some(line),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let lines: Vec<_> = first.into_iter().chain(inbox.try_iter().take(LINES)).collect();
            if let Some((at, _)) = lines.last() {
                let day = Day::of(*at);
                if let Err(error) = self.write(day, &lines) {
                    self.lost.fetch_add(lines.len() as u64, Ordering::Relaxed);
                    self.complain(&error);
                }
            }
            self.retire();
        }
    }

    fn write(&mut self, day: Day, lines: &[(Unix, Event)]) -> std::io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, ..)| *open != day) {
            fs::create_dir_all(&self.path)?;
            let file = folder::append(&self.path.join(format!("{PREFIX}{day}{SUFFIX}")))?;
            let length = file.metadata()?.len();
            self.open = Some((day, file, length));
        }
        let Some((_, file, length)) = &mut self.open else { return Ok(()) };
        let mut text = String::new();
        for (at, event) in lines {
            text.push_str(&line(*at, event));
        }
        if *length + text.len() as u64 > FILE_MAX {
            self.lost.fetch_add(lines.len() as u64, Ordering::Relaxed);
            return Ok(());
        }
        *length += text.len() as u64;
        file.write_all(text.as_bytes())
    }

    /// Once a day, drops the files whose time is over.
    fn retire(&mut self) {
        let now = self.clock.now().unix;
        if self.retired == Some(Day::of(now)) {
            return;
        }
        self.retired = Some(Day::of(now));
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let day =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)).and_then(Day::parse);
            if day.is_some_and(|day| day.end().after(self.keep) <= now)
                && let Err(error) = fs::remove_file(entry.path())
            {
                self.complain(&error);
            }
        }
    }

    /// Once an hour at most.
    fn complain(&mut self, error: &std::io::Error) {
        const PAUSE: Duration = Duration::from_secs(3600);
        self.open = None;
        let now = self.clock.now().mono;
        if self.complained.is_none_or(|at| at.after(PAUSE) <= now) {
            self.complained = Some(now);
            tracing::warn!(%error, "the activity log cannot be kept; lines are counted and not written");
        }
    }
}

fn line(at: Unix, event: &Event) -> String {
    let Event { account, what, link, detail, seconds } = event;
    let mut line = serde_json::json!({ "time": at.moment(), "account": account, "event": what, "detail": detail });
    if let Some(fields) = line.as_object_mut() {
        if let Some((link, peer)) = link {
            fields.insert("link".to_owned(), (*link).into());
            fields.insert("peer".to_owned(), peer.to_string().into());
        }
        if let Some(seconds) = seconds {
            fields.insert("seconds".to_owned(), (*seconds).into());
        }
    }
    format!("{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_go_to_the_file_of_their_day_and_old_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let (lost, clock) = (Arc::default(), Clock::start());
        let path = folder.path().join("activity");
        let keep = Duration::from_secs(30 * 24 * 3600);
        let mut writer = Writer { path: path.clone(), keep, clock, lost, open: None, retired: None, complained: None };
        let peer = IpAddr::from([192, 0, 2, 1]);
        let event =
            Event { account: "acme".into(), what: "ended", link: Some((3, peer)), detail: "unbound", seconds: Some(9) };
        let now = clock.now().unix;
        let (today, old) = (Day::of(now), Day(Day::of(now).0 - 31));
        for day in [old, Day(old.0 + 1), today] {
            let at = Unix(day.end().0 - 1);
            writer.write(day, &[(at, event.clone())]).unwrap();
        }
        fs::write(path.join("other.txt"), "stays").unwrap();
        writer.retire();
        let mut names: Vec<_> =
            fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(
            names,
            [format!("activity-{}.jsonl", Day(old.0 + 1)), format!("activity-{today}.jsonl"), "other.txt".to_owned()]
        );
        let text = fs::read_to_string(path.join(&names[1])).unwrap();
        let json: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&json["account"], &json["seconds"]), (&"acme".into(), &9.into()));
    }
}
