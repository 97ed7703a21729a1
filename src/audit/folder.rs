//! The folder of the log: names of day files, the file of heads, the key.
//!
//! One of the two files of this room that touch the disk; knows nothing of what entries say.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::head::{Head, Seal};
use crate::clock::Unix;

const DAY_MS: u64 = 24 * 3600 * 1000;
const PREFIX: &str = "audit-";
const SUFFIX: &str = ".log";
const HEADS: &str = "heads.log";
/// Only the service's own user reads and writes.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Why the log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// The system refuses.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The key file holds no key.
    #[error("{}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: super::head::BadKey,
    },
    /// The chain is broken, and not by a crash: nothing is added to it.
    #[error("{0}; move the folder of the log away to begin a new one, and keep it as evidence")]
    Broken(#[from] super::chain::Bad),
    /// Another process writes it.
    #[error("{}: another process has it open", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
}

/// A day of UTC, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u64);

impl Day {
    /// The day of a moment.
    #[must_use]
    pub fn of(at: Unix) -> Self {
        Self(at.0 / DAY_MS)
    }

    /// Reads `2026-12-01`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Unix::of_date(text).map(Self::of)
    }

    /// Its last millisecond is over.
    #[must_use]
    pub fn end(self) -> Unix {
        Unix(self.0.saturating_add(1).saturating_mul(DAY_MS))
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Unix(self.0.saturating_mul(DAY_MS)).date())
    }
}

/// The folder of a log.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at `path`, which need not be there.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes it, for its owner only.
    ///
    /// # Errors
    /// [`AuditFault::File`].
    pub fn make(&self) -> Result<(), AuditFault> {
        fs::create_dir_all(&self.path).map_err(|reason| self.fault(&self.path, reason))?;
        let made = fs::set_permissions(&self.path, Permissions::from_mode(FOLDER_MODE));
        made.map_err(|reason| self.fault(&self.path, reason))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file of a day.
    #[must_use]
    pub fn file(&self, day: Day) -> PathBuf {
        self.path.join(file_name(day))
    }

    /// The days that have a file, oldest first; none for a folder that is not there.
    ///
    /// # Errors
    /// [`AuditFault::File`].
    pub fn days(&self) -> Result<Vec<Day>, AuditFault> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(reason) => return Err(self.fault(&self.path, reason)),
        };
        let mut days = Vec::new();
        for entry in entries {
            let name = entry.map_err(|reason| self.fault(&self.path, reason))?.file_name();
            let date = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
            days.extend(date.and_then(Day::parse));
        }
        days.sort_unstable();
        Ok(days)
    }

    /// The octets of a day's file.
    ///
    /// # Errors
    /// [`AuditFault::File`].
    pub fn read(&self, day: Day) -> Result<Vec<u8>, AuditFault> {
        let path = self.file(day);
        fs::read(&path).map_err(|reason| self.fault(&path, reason))
    }

    /// All heads, oldest first. A last line without its end is not one yet; any other line that is no head is
    /// [`super::chain::Why::Forged`].
    ///
    /// # Errors
    /// [`AuditFault`].
    pub fn heads(&self) -> Result<Vec<Head>, AuditFault> {
        let path = self.path.join(HEADS);
        let text = match fs::read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(reason) => return Err(self.fault(&path, reason)),
        };
        let text = String::from_utf8_lossy(&text);
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut heads: Vec<Head> = Vec::new();
        let mut offset = 0;
        for line in whole.split_inclusive('\n') {
            let Some(head) = Head::parse(line.trim_end_matches('\n')) else {
                let (seq, file) = (heads.last().map_or(1, |head| head.seq + 1), HEADS.to_owned());
                return Err(super::chain::Bad { seq, file, offset, why: super::chain::Why::Forged }.into());
            };
            heads.push(head);
            offset += line.len();
        }
        Ok(heads)
    }

    /// Opens the file of heads for adding lines, without a line that a crash left unfinished.
    ///
    /// # Errors
    /// [`AuditFault::File`].
    pub fn open_heads(&self) -> Result<File, AuditFault> {
        let path = self.path.join(HEADS);
        let opened = (|| {
            let file = append(&path)?;
            let octets = fs::read(&path)?;
            let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
            if whole < octets.len() {
                file.set_len(whole as u64)?;
            }
            Ok(file)
        })();
        opened.map_err(|reason| self.fault(&path, reason))
    }

    /// Writes the file of heads anew: after a crash either the old one or this one is there.
    ///
    /// # Errors
    /// [`AuditFault::File`].
    pub fn replace_heads(&self, heads: &[Head]) -> Result<(), AuditFault> {
        let path = self.path.join(HEADS);
        let text: String = heads.iter().map(|head| format!("{head}\n")).collect();
        replace(&path, text.as_bytes()).map_err(|reason| self.fault(&path, reason))
    }

    /// Removes the file of a day.
    ///
    /// # Errors
    /// [`AuditFault::File`].
    pub fn remove(&self, day: Day) -> Result<(), AuditFault> {
        let path = self.file(day);
        fs::remove_file(&path).and_then(|()| sync(&self.path)).map_err(|reason| self.fault(&path, reason))
    }

    /// A fault of this folder.
    pub(super) fn fault(&self, path: &Path, reason: io::Error) -> AuditFault {
        AuditFault::File { path: path.to_owned(), reason }
    }
}

/// The name of a day's file.
#[must_use]
pub fn file_name(day: Day) -> String {
    format!("{PREFIX}{day}{SUFFIX}")
}

/// The key in `path`; made, readable by its owner only, when there is none.
///
/// # Errors
/// [`AuditFault`].
pub fn key(path: &Path) -> Result<Seal, AuditFault> {
    let fault = |reason| AuditFault::File { path: path.to_owned(), reason };
    let bad = |reason| AuditFault::Key { path: path.to_owned(), reason };
    match fs::read(path) {
        Ok(octets) => Seal::from_pkcs8(&octets).map_err(bad),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let (seal, octets) = Seal::generate().map_err(bad)?;
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                fs::create_dir_all(folder).map_err(fault)?;
            }
            replace(path, &octets).map_err(fault)?;
            Ok(seal)
        }
        Err(reason) => Err(fault(reason)),
    }
}

/// The public half of the key in `path`; `None` when there is no such file or it may not be read.
///
/// # Errors
/// [`AuditFault::Key`].
pub fn public_key(path: &Path) -> Result<Option<[u8; 32]>, AuditFault> {
    let Ok(octets) = fs::read(path) else { return Ok(None) };
    let seal = Seal::from_pkcs8(&octets).map_err(|reason| AuditFault::Key { path: path.to_owned(), reason })?;
    Ok(Some(seal.public()))
}

/// Opens a file for adding to its end; makes it for its owner only.
///
/// # Errors
/// What the system says.
pub fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)
}

/// Puts `octets` in the place of a file's content, whole or not at all, readable by its owner only.
///
/// # Errors
/// What the system says.
pub fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&fresh)?;
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")))
}

/// Makes names in a folder lasting.
///
/// # Errors
/// What the system says.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_names_and_ends() {
        let day = Day::parse("2026-12-01").unwrap();
        assert_eq!(day.to_string(), "2026-12-01");
        assert_eq!(Day::of(Unix(day.end().0 - 1)), day);
        assert_eq!(Day::of(day.end()), Day(day.0 + 1));
        assert_eq!(Day::of(Unix(0)).to_string(), "1970-01-01");
        for bad in ["", "2026-13-01", "2026-02-30", "20261201", "2026-12-01 "] {
            assert_eq!(Day::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/audit.key");
        let made = key(&path).unwrap().public();
        assert_eq!(key(&path).unwrap().public(), made);
        assert_eq!(public_key(&path).unwrap(), Some(made));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "no key").unwrap();
        assert!(matches!(key(&path), Err(AuditFault::Key { .. })));
    }
}
