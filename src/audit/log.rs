//! The log that is being written: opened where a crash left it, one day file after the other, heads signed as they fall
//! due.
//!
//! One of the two files of this room that touch the disk. One owner, no lock; reads no clock. An entry is on disk when
//! [`Log::append`] returns; one that could not be written leaves nothing behind.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use super::chain::{Bad, FRAME_MAX, Walk, Why, push};
use super::entry::{Draft, Entry, Object};
use super::folder::{self, AuditFault, Day, Folder, file_name};
use super::head::{Hash, Head, Seal};
use crate::clock::Unix;

/// Entries after which a head is signed.
pub const HEAD_EVERY: u64 = 256;
/// Most entries of one [`Log::append`].
pub const BATCH_MAX: usize = 64;

/// An open log.
#[derive(Debug)]
pub struct Log {
    folder: Folder,
    seal: Seal,
    /// Held as long as the log is open.
    _lock: File,
    heads: Option<File>,
    signed: u64,
    seq: u64,
    hash: Hash,
    day: Day,
    file: Option<File>,
    /// Octets of the day's file that are whole entries.
    length: u64,
    /// Whether there may be octets beyond them.
    is_torn: bool,
}

/// What a crash left, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The first entry that is not whole.
    pub seq: u64,
    /// The file it was in.
    pub file: String,
    /// Octets cut off; they are kept in a file of their own.
    pub octets: usize,
}

impl Recovered {
    /// The entry that says so.
    #[must_use]
    pub fn draft(&self) -> Draft {
        let reason = format!("a crash left {} octets that are no whole entry; they were cut off and kept", self.octets);
        Draft { object: Object::new("file", &self.file), ..Draft::system("audit.recovered", reason) }
    }
}

impl Log {
    /// Opens the log in `folder`, or begins one; its key is in `key`, made if there is none. Cuts off what a crash in
    /// mid-append left; the caller records that.
    ///
    /// # Errors
    /// [`AuditFault`]; [`AuditFault::Broken`] for a chain that is broken otherwise.
    pub fn open(folder: Folder, key: &std::path::Path) -> Result<(Self, Option<Recovered>), AuditFault> {
        folder.make()?;
        let lock = File::open(folder.path()).map_err(|reason| folder.fault(folder.path(), reason))?;
        if lock.try_lock().is_err() {
            return Err(AuditFault::InUse { path: folder.path().to_owned() });
        }
        let seal = folder::key(key)?;
        let heads = folder.heads()?;
        let mut walk = Walk::new(&heads, Some(seal.public()))?;
        let (day, length, recovered) = mend(&folder, &heads, &mut walk)?;
        walk.finish()?;
        let (seq, hash) = walk.last().unwrap_or_default();
        let file = match day {
            Some(day) => {
                let path = folder.file(day);
                Some(folder::append(&path).map_err(|reason| folder.fault(&path, reason))?)
            }
            None => None,
        };
        let log = Self {
            heads: Some(folder.open_heads()?),
            signed: heads.last().map_or(0, |head| head.seq),
            folder,
            seal,
            _lock: lock,
            seq,
            hash,
            day: day.unwrap_or(Day(0)),
            file,
            length,
            is_torn: false,
        };
        Ok((log, recovered))
    }

    /// Writes entries, all or none, and brings them to the disk. Returns the number of the last.
    ///
    /// # Errors
    /// [`AuditFault::File`]; then none of them is in the log.
    pub fn append(&mut self, drafts: &[Draft], now: Unix) -> Result<u64, AuditFault> {
        self.mend_tail()?;
        // The wall clock may go back; the files do not.
        let day = Day::of(now).max(self.day);
        if self.file.is_none() || day != self.day {
            self.turn_to(day, now)?;
        }
        let (mut octets, mut hash, mut seq) = (Vec::new(), self.hash, self.seq);
        for said in drafts {
            seq += 1;
            hash = push(&Entry { seq, at: now, said: said.clone() }, hash, &mut octets);
        }
        self.is_torn = true;
        let written = self.file.as_mut().map_or(Ok(()), |file| {
            file.write_all(&octets)?;
            file.sync_data()
        });
        if let Err(reason) = written {
            let path = self.path();
            // If this fails too, the next call tries again before it writes.
            let _later = self.mend_tail();
            return Err(self.folder.fault(&path, reason));
        }
        self.is_torn = false;
        self.length += octets.len() as u64;
        (self.seq, self.hash) = (seq, hash);
        if self.seq - self.signed >= HEAD_EVERY {
            self.sign(now)?;
        }
        Ok(self.seq)
    }

    /// Signs a head for the last entry, unless it has one.
    ///
    /// # Errors
    /// [`AuditFault::File`].
    pub fn sign(&mut self, now: Unix) -> Result<Option<Head>, AuditFault> {
        if self.signed == self.seq {
            return Ok(None);
        }
        let head = self.seal.sign(self.seq, now, self.hash);
        let mut file = match self.heads.take() {
            Some(file) => file,
            None => self.folder.open_heads()?,
        };
        let written = file.write_all(format!("{head}\n").as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|reason| self.folder.fault(self.folder.path(), reason))?;
        self.heads = Some(file);
        self.signed = self.seq;
        Ok(Some(head))
    }

    /// Removes the day files that ended longer ago than `keep`; heads that vouch for what is left stay. Returns the days.
    ///
    /// # Errors
    /// [`AuditFault`].
    pub fn retire(&mut self, keep: Duration, now: Unix) -> Result<Vec<Day>, AuditFault> {
        let days = self.folder.days()?;
        let is_over = |day: &&Day| **day != self.day && day.end().after(keep) <= now;
        let over: Vec<Day> = days.iter().take_while(is_over).copied().collect();
        let Some(first_left) = days.get(over.len()) else { return Ok(Vec::new()) };
        if over.is_empty() {
            return Ok(over);
        }
        let octets = self.folder.read(*first_left)?;
        let Some(first) = first_seq(&octets) else { return Ok(Vec::new()) };
        let heads = self.folder.heads()?;
        if !heads.iter().any(|head| head.seq + 1 == first) {
            tracing::error!(
                entry = first,
                "no signed head vouches for the start of what would be left; nothing is removed"
            );
            return Ok(Vec::new());
        }
        for day in &over {
            self.folder.remove(*day)?;
        }
        let left: Vec<Head> = heads.into_iter().filter(|head| head.seq + 1 >= first).collect();
        self.heads = None;
        self.folder.replace_heads(&left)?;
        Ok(over)
    }

    /// Entries without a signed head.
    #[must_use]
    pub fn unsigned(&self) -> u64 {
        self.seq - self.signed
    }

    /// The number of the last entry.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    fn path(&self) -> PathBuf {
        self.folder.file(self.day)
    }

    /// Ends one day file with a head and begins the next.
    fn turn_to(&mut self, day: Day, now: Unix) -> Result<(), AuditFault> {
        self.sign(now)?;
        let path = self.folder.file(day);
        let opened = folder::append(&path).and_then(|file| {
            folder::sync(self.folder.path())?;
            Ok(file)
        });
        self.file = Some(opened.map_err(|reason| self.folder.fault(&path, reason))?);
        (self.day, self.length) = (day, 0);
        Ok(())
    }

    /// Removes what an append left that did not succeed.
    fn mend_tail(&mut self) -> Result<(), AuditFault> {
        if !self.is_torn {
            return Ok(());
        }
        let path = self.path();
        let mended = folder::append(&path).and_then(|file| {
            file.set_len(self.length)?;
            file.sync_data()?;
            Ok(file)
        });
        self.file = Some(mended.map_err(|reason| self.folder.fault(&path, reason))?);
        self.is_torn = false;
        Ok(())
    }
}

/// Walks the last files. Returns the day to go on with, the length of its file, and what was cut off.
fn mend(folder: &Folder, heads: &[Head], walk: &mut Walk) -> Result<(Option<Day>, u64, Option<Recovered>), AuditFault> {
    let mut last: Vec<(Day, Vec<u8>)> = Vec::new();
    for day in folder.days()?.into_iter().rev() {
        let octets = folder.read(day)?;
        let is_enough = last.iter().any(|(_, octets)| !octets.is_empty());
        last.push((day, octets));
        if is_enough && last.last().is_some_and(|(_, octets)| !octets.is_empty()) {
            break;
        }
    }
    last.reverse();
    let newest = last.last().map(|(day, _)| *day);
    let mut length = 0;
    for (day, octets) in &last {
        let walked = walk.file(&file_name(*day), octets, |_| {});
        length = octets.len() as u64;
        let Err(bad) = walked else { continue };
        let tail = octets.get(bad.offset..).unwrap_or_default();
        let is_last = last.iter().skip_while(|(other, _)| other != day).skip(1).all(|(_, octets)| octets.is_empty());
        if !is_last || !is_crash(&bad, tail, heads) {
            return Err(bad.into());
        }
        cut(folder, *day, &bad, tail)?;
        let recovered = Recovered { seq: bad.seq, file: bad.file, octets: tail.len() };
        // Days after it are empty files: the entry that says so goes to the newest.
        let length = if newest == Some(*day) { bad.offset as u64 } else { 0 };
        return Ok((newest, length, Some(recovered)));
    }
    Ok((newest, length, None))
}

/// Whether a crash in mid-append can have left this: only at the end, no more than one append, and nothing that was
/// ever vouched for.
fn is_crash(bad: &Bad, tail: &[u8], heads: &[Head]) -> bool {
    matches!(bad.why, Why::Torn | Why::Unreadable | Why::Changed)
        && tail.len() <= BATCH_MAX * FRAME_MAX
        && heads.last().is_none_or(|head| head.seq < bad.seq)
}

/// Cuts the tail off, after keeping it in a file of its own.
fn cut(folder: &Folder, day: Day, bad: &Bad, tail: &[u8]) -> Result<(), AuditFault> {
    let path = folder.file(day);
    let mut kept = path.as_os_str().to_owned();
    kept.push(format!(".cut-{}", bad.seq));
    let done: io::Result<()> = (|| {
        folder::replace(std::path::Path::new(&kept), tail)?;
        let file = folder::append(&path)?;
        file.set_len(bad.offset as u64)?;
        file.sync_all()
    })();
    done.map_err(|reason| folder.fault(&path, reason))
}

/// The number of the first entry of a file.
fn first_seq(octets: &[u8]) -> Option<u64> {
    let (length, body) = octets.split_first_chunk::<4>()?;
    let (entry, _) = Entry::decode(body.get(..u32::from_be_bytes(*length) as usize)?)?;
    Some(entry.seq)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const DAY_MS: u64 = 24 * 3600 * 1000;
    const KEEP: Duration = Duration::from_secs(730 * 24 * 3600);

    fn open(path: &Path) -> Result<(Log, Option<Recovered>), AuditFault> {
        Log::open(Folder::new(path), &path.join("audit.key"))
    }

    fn write(log: &mut Log, count: usize, at: Unix) {
        for _ in 0..count {
            log.append(&[Draft::system("test", "x")], at).unwrap();
        }
    }

    /// Entries of a log that verifies from its first file to its end.
    fn verify(path: &Path) -> Result<u64, AuditFault> {
        let folder = Folder::new(path);
        let mut walk = Walk::new(&folder.heads()?, folder::public_key(&path.join("audit.key"))?)?;
        for day in folder.days()? {
            walk.file(&file_name(day), &folder.read(day)?, |_| {})?;
        }
        walk.finish()?;
        Ok(walk.entries())
    }

    #[test]
    fn a_log_goes_on_where_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        for round in 1..=3 {
            let (mut log, recovered) = open(folder.path()).unwrap();
            assert_eq!(recovered, None);
            write(&mut log, 5, Unix(DAY_MS * round));
            if round == 2 {
                log.sign(Unix(DAY_MS * round)).unwrap();
            }
            assert!(matches!(open(folder.path()), Err(AuditFault::InUse { .. })));
        }
        assert_eq!(verify(folder.path()).unwrap(), 15);
        assert_eq!(Folder::new(folder.path()).days().unwrap().len(), 3);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_reorder_files() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path()).unwrap();
        write(&mut log, 2, Unix(DAY_MS * 9));
        write(&mut log, 2, Unix(DAY_MS * 3));
        assert_eq!(Folder::new(folder.path()).days().unwrap(), [Day(9)]);
        assert_eq!(verify(folder.path()).unwrap(), 4);
    }

    #[test]
    fn a_torn_tail_is_cut_at_every_length_and_noted() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path()).unwrap();
        write(&mut log, 2, Unix(5));
        log.sign(Unix(5)).unwrap();
        let file = folder.path().join(file_name(Day(0)));
        let signed = fs::read(&file).unwrap().len();
        write(&mut log, 1, Unix(5));
        drop(log);
        let whole = fs::read(&file).unwrap();
        for length in signed + 1..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            let (mut log, recovered) = open(folder.path()).unwrap();
            let recovered = recovered.unwrap();
            assert_eq!((recovered.seq, recovered.octets), (3, length - signed));
            log.append(&[recovered.draft()], Unix(6)).unwrap();
            drop(log);
            assert_eq!(verify(folder.path()).unwrap(), 3);
            let kept = folder.path().join(format!("{}.cut-3", file_name(Day(0))));
            assert_eq!(fs::read(kept).unwrap(), &whole[signed..length]);
        }
        let mut zeros = whole[..signed].to_vec();
        zeros.resize(signed + 300, 0);
        fs::write(&file, zeros).unwrap();
        assert!(open(folder.path()).unwrap().1.is_some(), "what a disk may leave that did not get to writing");
    }

    #[test]
    fn a_torn_first_entry_of_a_day_leaves_the_day_before() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path()).unwrap();
        write(&mut log, 3, Unix(5));
        write(&mut log, 1, Unix(DAY_MS + 5));
        drop(log);
        let file = folder.path().join(file_name(Day(1)));
        fs::write(&file, &fs::read(&file).unwrap()[..50]).unwrap();
        let (mut log, recovered) = open(folder.path()).unwrap();
        log.append(&[recovered.unwrap().draft()], Unix(DAY_MS + 9)).unwrap();
        drop(log);
        assert_eq!(verify(folder.path()).unwrap(), 4);
    }

    #[test]
    fn what_a_head_vouched_for_is_never_cut() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path()).unwrap();
        write(&mut log, 3, Unix(5));
        log.sign(Unix(5)).unwrap();
        drop(log);
        let file = folder.path().join(file_name(Day(0)));
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(matches!(open(folder.path()), Err(AuditFault::Broken(_))), "{length} octets");
            assert_eq!(fs::read(&file).unwrap().len(), length, "nothing is touched");
        }
    }

    #[test]
    fn retention_drops_whole_days_and_the_rest_verifies() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path()).unwrap();
        for day in 0..10 {
            write(&mut log, 3, Unix(DAY_MS * day + 5));
        }
        let keep = Duration::from_millis(DAY_MS * 4);
        assert_eq!(log.retire(keep, Unix(DAY_MS * 9 + 5)).unwrap(), (0..=4).map(Day).collect::<Vec<_>>());
        assert_eq!(log.retire(keep, Unix(DAY_MS * 9 + 5)).unwrap(), []);
        assert_eq!(log.retire(KEEP, Unix(DAY_MS * 9 + 5)).unwrap(), []);
        write(&mut log, 1, Unix(DAY_MS * 9 + 6));
        drop(log);
        assert_eq!(verify(folder.path()).unwrap(), 16);
        let (mut log, _) = open(folder.path()).unwrap();
        // The file in use stays whatever its age.
        assert_eq!(log.retire(Duration::ZERO, Unix(DAY_MS * 99)).unwrap().len(), 4);
        write(&mut log, 1, Unix(DAY_MS * 99));
        drop(log);
        assert_eq!(verify(folder.path()).unwrap(), 5);
        // Without the head there is no proof that nothing else was taken away.
        let heads = folder.path().join("heads.log");
        let text = fs::read_to_string(&heads).unwrap();
        fs::write(&heads, text.split_once('\n').unwrap().1).unwrap();
        assert!(matches!(verify(folder.path()), Err(AuditFault::Broken(Bad { why: Why::NoStart, .. }))));
    }

    #[test]
    fn an_append_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path()).unwrap();
        write(&mut log, 2, Unix(5));
        // Cannot be written to: the next append fails, the one after it opens the file anew.
        log.file = Some(File::open(folder.path().join(file_name(Day(0)))).unwrap());
        assert!(log.append(&[Draft::system("test", "lost")], Unix(5)).is_err());
        write(&mut log, 1, Unix(5));
        drop(log);
        assert_eq!(verify(folder.path()).unwrap(), 3);
    }

    #[test]
    fn an_unfinished_head_is_no_head() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, _) = open(folder.path()).unwrap();
        write(&mut log, 2, Unix(5));
        log.sign(Unix(5)).unwrap();
        drop(log);
        let heads = folder.path().join("heads.log");
        let text = fs::read_to_string(&heads).unwrap();
        fs::write(&heads, format!("{text}head1 5 77")).unwrap();
        let (mut log, _) = open(folder.path()).unwrap();
        write(&mut log, 1, Unix(5));
        log.sign(Unix(6)).unwrap();
        drop(log);
        assert_eq!(verify(folder.path()).unwrap(), 3);
        assert_eq!(Folder::new(folder.path()).heads().unwrap().len(), 2);
    }
}
