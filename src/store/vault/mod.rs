//! Encryption at rest: blocks are sealed on their way into an engine and opened on their way out.
//!
//! In memory a block is plain, and nobody above the stores knows that it is anything else on the disk. What is personal
//! in it is encrypted with AES-256-GCM-SIV: bodies, which hold numbers and text, recipients of parked receipts, both
//! addresses of an archive record. Identities, times, states, countries, carriers and counts stay readable. `sealing` says
//! how.
//!
//! **Keys.** For each account and day a random key, wrapped by a master key, in small files beside the engine's (`ring`,
//! `page`, `drawer`). The day of a journal block is the one on which it is written, and its keys are destroyed when the last
//! block of that day is cut; what still lives then was carried into a newer block, under newer keys. The day of an
//! archive block is the one on which it is forgotten, and its keys are destroyed in the last hour of that day, before the
//! last blocks are dropped. So no key outlives what it was made for, whatever the retention of a class or of an account.
//! Keys are named by the serial of their page, which is never used again, so that a clock that was wrong harms none.
//!
//! **Tokens.** For each address of an archive record there are four octets of an HMAC-SHA-256 under a key of the account, made
//! of the last seven digits, which all spellings of a number share: so a search by number opens only the blocks that
//! hold it, and the few that seem to, and compares there.
//!
//! **Persons.** One more key makes the tokens that stand for a number where the store does not reach: in what was decided about
//! persons, and in the audit log (`persons`). It lasts as long as the ring.
//!
//! **Destroyed for ever.** What is destroyed is written into a register that lies elsewhere (`register`), before it is
//! done: a backup that brings keys back has them destroyed again before anything is read.
//!
//! Not here: when something is forgotten, and everything about engines.

mod drawer;
mod master;
mod page;
mod persons;
mod ranges;
mod register;
mod ring;
mod sealing;
mod subject;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use master::{MasterFiles, MasterKey};
pub use subject::Subject;

use self::drawer::{Drawer, Folder, Memory};
use self::page::{DAY_MS, Purpose};
use self::register::Register;
use self::ring::Ring;
use self::sealing::{Bench, Place, Trailer};
use self::subject::Spelling;
use super::archive::{self, ArchiveBlock, ArchiveKey};
use super::block::Block;
use super::envelope::{self, Damage};
use super::erasure::HELD;
use super::files::{Disk, SystemDisk};
use super::hour;
use crate::clock::Unix;

pub(in crate::store) use self::page::HELD_DAY;
pub(in crate::store) use sealing::Unopened;

/// Seals and opens the blocks of one store.
pub struct Vault {
    ring: Ring,
    bench: RefCell<Bench>,
    /// The latest time it was told.
    now: Unix,
}

/// Where the keys of a store are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFiles {
    /// The folder of the key ring.
    pub folder: PathBuf,
    /// The files of master keys.
    pub master: MasterFiles,
    /// The register of destroyed keys.
    pub register: PathBuf,
}

/// What there is of keys, and what became of them since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFigures {
    /// Data keys that are there.
    pub keys: u64,
    /// Data keys made.
    pub made: u64,
    /// Data keys destroyed.
    pub destroyed: u64,
    /// Keys wrapped anew by another master key.
    pub rewrapped: u64,
}

/// Why keys cannot be used. Every text says what to do about it; none holds a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is no master key.
    #[error(
        "the master key is missing: {} is not there; restore it, for what is stored cannot be read without it, and \
         nothing is started", path.display()
    )]
    NoMaster {
        /// The file.
        path: PathBuf,
    },
    /// Others can read the master key.
    #[error(
        "the master key {} may be read by others than its owner (mode {mode:04o}); expected 0400 or 0600: \
         chmod 600 it", path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file of the master key holds none.
    #[error(
        "{} holds no master key; expected 32 random octets, raw or as 64 hexadecimal digits or in base64, such as \
         `openssl rand -hex 32` writes", path.display()
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// Another master key wraps the keys.
    #[error(
        "the master key does not fit: {} was written under the one with fingerprint {expected}, and this one has {found}; \
         restore that one, or name it as encryption.master_key_previous to change over", path.display()
    )]
    WrongMaster {
        /// The file of keys.
        path: PathBuf,
        /// Fingerprint of the key that is needed.
        expected: String,
        /// Fingerprint of the key that was given.
        found: String,
    },
    /// A file of keys is not what was written.
    #[error("{}: {what}; restore it from a backup", path.display())]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// Keys that something is sealed under are neither there nor destroyed.
    #[error(
        "blocks of the store are sealed under the keys of page {page}, which is not in {} and was not destroyed; restore \
         this folder from the backup that the store comes from", folder.display()
    )]
    Gone {
        /// The folder of the key ring.
        folder: PathBuf,
        /// Serial of the page.
        page: u32,
    },
    /// The key of persons' tokens is neither there nor may be made.
    #[error(
        "{} is missing: what was decided about persons is kept under tokens of this key; restore it from a \
         backup", path.display()
    )]
    NoPersons {
        /// The file of keys.
        path: PathBuf,
    },
    /// There are two keys of persons' tokens.
    #[error(
        "{} holds another key of tokens than {}, which is in use since it was taken over; remove the first, or \
         restore the folder of the store as a whole", plain.display(), ring.display()
    )]
    TwoKeys {
        /// Where a version before kept it.
        plain: PathBuf,
        /// The file of keys.
        ring: PathBuf,
    },
    /// The system refuses.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The system gives no random octets.
    #[error("the system has no random octets for a key")]
    NoChance,
}

impl KeyFault {
    fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::File { path: path.to_owned(), reason: error.to_string() }
    }
}

impl Vault {
    /// Opens the key ring of a store, or begins one; what the register says is destroyed is destroyed again. `now` is the
    /// day of what is sealed until it is told another.
    ///
    /// # Errors
    /// [`KeyFault`]: the store must not be opened then.
    pub fn open(files: &KeyFiles, now: Unix) -> Result<Self, KeyFault> {
        Self::open_on(&(Arc::new(SystemDisk) as Arc<dyn Disk>), files, now)
    }

    /// [`Vault::open`], with another disk than the system's.
    pub(super) fn open_on(disk: &Arc<dyn Disk>, files: &KeyFiles, now: Unix) -> Result<Self, KeyFault> {
        let folder = Folder::new(&files.folder, Arc::clone(disk));
        let MasterFiles { current, guarded, may_make, previous } = &files.master;
        let master = match MasterKey::read(current, *guarded) {
            Err(KeyFault::NoMaster { .. }) if *may_make && folder.names()?.is_empty() => MasterKey::make(current)?,
            read => read?,
        };
        let previous = previous.as_ref().map(|path| MasterKey::read(path, *guarded)).transpose()?;
        let beside = Folder::new(files.register.parent().unwrap_or_else(|| Path::new("")), Arc::clone(disk));
        let name = files.register.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let register = Register::new(Box::new(beside), &name);
        Ok(Self::new(Ring::open(Box::new(folder), register, master, previous.as_ref())?, now))
    }

    /// Looks whether the master key is there and fits, and changes nothing. `None`: it will be made at the first start.
    ///
    /// # Errors
    /// [`KeyFault`], as [`Vault::open`] would have it.
    pub fn inspect(files: &KeyFiles) -> Result<Option<String>, KeyFault> {
        let folder = Folder::new(&files.folder, Arc::new(SystemDisk));
        let MasterFiles { current, guarded, may_make, previous } = &files.master;
        let master = match MasterKey::read(current, *guarded) {
            Err(KeyFault::NoMaster { .. }) if *may_make && folder.names()?.is_empty() => return Ok(None),
            read => read?,
        };
        let previous = previous.as_ref().map(|path| MasterKey::read(path, *guarded)).transpose()?;
        ring::inspect(&folder, &master, previous.as_ref())?;
        Ok(Some(master.fingerprint().to_string()))
    }

    /// A vault whose keys are in memory only, for a store that is too.
    ///
    /// # Errors
    /// [`KeyFault::NoChance`].
    pub fn in_memory() -> Result<Self, KeyFault> {
        let register = Register::new(Box::<Memory>::default(), "destroyed");
        Ok(Self::new(Ring::open(Box::<Memory>::default(), register, MasterKey::random()?, None)?, Unix(0)))
    }

    fn new(ring: Ring, now: Unix) -> Self {
        Self { ring, bench: RefCell::default(), now }
    }

    /// Pages of keys whose time is over at `now`. `journal_from` is the page that the oldest journal block is sealed under,
    /// as [`serial_of`] tells, `None` where no block is; archive days of which `filed` says that blocks of theirs are to be
    /// kept for now are spared.
    pub(super) fn over(
        &mut self,
        now: Unix,
        journal_from: Option<u32>,
        mut filed: impl FnMut(u32) -> bool,
    ) -> Vec<u32> {
        self.now = now;
        let today = day(now);
        self.ring.over(|serial, purpose, day| match (purpose, journal_from) {
            (Purpose::Journal, Some(oldest)) => serial < oldest,
            (Purpose::Journal, None) => day != today,
            (Purpose::Archive, _) => (day == HELD_DAY || is_over(day, now)) && !filed(day),
            (Purpose::Tokens | Purpose::Persons, _) => false,
        })
    }

    /// Destroys pages of keys. That the journal blocks sealed under them are cut must be on the disk.
    ///
    /// # Errors
    /// [`KeyFault::File`]: what is destroyed is, and the same call ends the work.
    pub(super) fn destroy(&mut self, pages: &[u32]) -> Result<u64, KeyFault> {
        self.ring.destroy(pages)
    }

    /// Destroys all keys of an account, at once: what is stored of it cannot be read any more.
    ///
    /// # Errors
    /// [`KeyFault::File`]: the same call ends the work.
    pub(super) fn shred(&mut self, account: u16) -> Result<u64, KeyFault> {
        self.ring.shred(account)
    }

    /// The sealed form of a journal block; its keys are on the disk.
    pub(super) fn seal_journal(&mut self, block: &Block) -> Result<&[u8], Unopened> {
        self.seal(Place::Journal(block.number), &block.octets, Purpose::Journal, day(self.now))
    }

    /// The sealed form of an archive block; its keys are on the disk.
    pub(super) fn seal_archive(&mut self, block: &ArchiveBlock) -> Result<&[u8], Unopened> {
        let day = self.last_day(block.key);
        self.seal(Place::Archive(block.key), &block.octets, Purpose::Archive, day)
    }

    /// The day in whose keys a block is sealed that is forgotten then. One that came late gets tomorrow's: today's may be
    /// destroyed already.
    fn last_day(&self, key: ArchiveKey) -> u32 {
        let last = key.forget_hour / 24;
        if key.class == HELD {
            return HELD_DAY;
        }
        if is_over(last, self.now) { day(self.now).saturating_add(1) } else { last }
    }

    fn seal(&mut self, place: Place, octets: &[u8], purpose: Purpose, day: u32) -> Result<&[u8], Unopened> {
        let bench = self.bench.get_mut();
        bench.take(place, octets)?;
        let mut trailer = Trailer::new(self.ring.provide(purpose, day, &bench.accounts)?);
        if matches!(place, Place::Archive(_)) {
            trailer.tokens = tokens(&self.ring, octets)?;
        }
        bench.seal(place, &self.ring, &mut trailer)?;
        Ok(&bench.octets)
    }

    /// A journal block that was sealed; or one that never was, from before there was a vault.
    pub(super) fn open_journal(&self, number: u64, octets: Vec<u8>) -> Result<Block, Unopened> {
        if envelope::is_sealed(&octets) {
            return self.bench.borrow_mut().open_journal(&self.ring, number, octets);
        }
        Ok(Block::check(number, octets)?)
    }

    /// An archive block that was sealed; or one that never was.
    pub(super) fn open_archive(&self, key: ArchiveKey, octets: Vec<u8>) -> Result<ArchiveBlock, Unopened> {
        if envelope::is_sealed(&octets) {
            return self.bench.borrow_mut().open_archive(&self.ring, key, octets);
        }
        Ok(ArchiveBlock::check(key, octets)?.0)
    }

    /// Whether a stored archive block may hold a record of the subject; `true` for one that has no tokens.
    pub(super) fn may_hold(&self, key: ArchiveKey, octets: &[u8], subject: &Subject) -> Result<bool, Unopened> {
        if !envelope::is_sealed(octets) {
            return Ok(true);
        }
        let trailer = Trailer::read(Place::Archive(key), octets)?;
        let token = self.ring.token(subject.account().0, subject.ending())?;
        Ok(token.is_some_and(|token| trailer.tokens.contains(&(token as u32))))
    }

    /// Refuses a stored block whose keys are neither there nor destroyed: without them it would be lost unsaid.
    pub(super) fn check_key(&self, octets: &[u8]) -> Result<(), KeyFault> {
        match sealing::serial_of(octets) {
            Some(page) if !self.ring.knows(page) => Err(self.ring.gone(page)),
            _ => Ok(()),
        }
    }

    /// The day of the keys that a stored block is sealed under, counted from 1970-01-01 in UTC; 0 where they are gone.
    #[cfg(test)]
    fn day_of(&self, octets: &[u8]) -> u32 {
        sealing::serial_of(octets).and_then(|serial| self.ring.day(serial)).unwrap_or(0)
    }

    /// What there is of keys.
    #[must_use]
    pub fn figures(&self) -> KeyFigures {
        self.ring.figures()
    }
}

/// The page of keys that a stored block is sealed under; `None` for one that is not sealed.
pub(super) fn serial_of(octets: &[u8]) -> Option<u32> {
    sealing::serial_of(octets)
}

/// A stored archive block with its secrets as they are: enough to count what is in it.
pub(super) fn unopened(key: ArchiveKey, octets: Vec<u8>) -> Result<ArchiveBlock, Damage> {
    if envelope::is_sealed(&octets) {
        return Trailer::cut_only(key, octets);
    }
    Ok(ArchiveBlock::check(key, octets)?.0)
}

/// A stored journal block as it was before it was sealed.
pub(super) fn open_block(vault: Option<&Vault>, number: u64, octets: Vec<u8>) -> Result<Block, Unopened> {
    match vault {
        Some(vault) => vault.open_journal(number, octets),
        None => Ok(Block::check(number, octets)?),
    }
}

/// A stored archive block as it was before it was sealed; `None` when it holds nothing about the subject that is asked
/// for.
pub(super) fn open_if_about(
    vault: Option<&Vault>,
    key: ArchiveKey,
    octets: Vec<u8>,
    subject: Option<&Subject>,
) -> Result<Option<ArchiveBlock>, Unopened> {
    let Some(vault) = vault else { return Ok(Some(ArchiveBlock::check(key, octets)?.0)) };
    match subject {
        Some(subject) if !vault.may_hold(key, &octets, subject)? => Ok(None),
        _ => vault.open_archive(key, octets).map(Some),
    }
}

/// The tokens of a plain archive block, record by record.
fn tokens(ring: &Ring, octets: &[u8]) -> Result<Vec<u32>, Unopened> {
    let mut tokens = Vec::with_capacity(octets.len() / 24);
    let mut start = archive::RECORDS_AT;
    // Most messages of an account come from one or two senders.
    let mut last: Option<(u16, &[u8], u32)> = None;
    while start < octets.len() {
        let account = archive::account_at(octets, start)?.0;
        let archive::Layout { source, destination, text } = archive::layout_at(octets, start)?;
        start = text.end;
        let token = |party: &[u8]| {
            let token = ring.token(account, Spelling::of(party).ending());
            token.map(|token| token.map_or(0, |token| token as u32))
        };
        let source = &octets[source];
        let known = last.filter(|(owner, party, _)| *owner == account && *party == source).map(|(_, _, token)| token);
        let source_token = match known {
            Some(token) => token,
            None => token(source)?,
        };
        last = Some((account, source, source_token));
        tokens.extend([source_token, token(&octets[destination])?]);
    }
    Ok(tokens)
}

fn day(at: Unix) -> u32 {
    u32::try_from(at.0 / DAY_MS).unwrap_or(u32::MAX)
}

/// Whether the last hour of a day has begun: everything that is forgotten on it may be forgotten now.
fn is_over(day: u32, now: Unix) -> bool {
    day != HELD_DAY && u64::from(hour(now)) >= u64::from(day) * 24 + 23
}

impl std::fmt::Debug for Vault {
    /// Shows counts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({:?})", self.figures())
    }
}
