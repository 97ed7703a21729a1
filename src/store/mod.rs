//! What survives a restart: the journal of facts, the archive of settled messages, the numbers that accounts must not
//! write to, the names of accounts and carriers.
//!
//! The bridge packs its facts into [`Block`]s; one [`Commit`] is a few of them. Live state is the bridge's and is rebuilt
//! by [`Store::recover`]. When the messages of some blocks are settled, the bridge hands over [`ArchiveBlock`]s and names
//! the journal blocks to cut in the same commit. Engines put the archive on the disk first and cut afterwards: after a
//! crash in between, the journal block is still there, so the archive block keyed by it is dropped and
//! made again. The trait speaks in these verbs and not in keys, so that another engine can stand beside the first.
//!
//! Not here: when something is settled, sealed or forgotten (bridge and policy), threads, and retrying after a fault.

pub mod archive;
pub mod block;
mod disk;
mod engine;
mod envelope;
pub mod erasure;
mod files;
mod index;
pub mod memory;
mod names;
mod opt_out;
#[cfg(test)]
mod power_cut;
mod sled;
mod slots;
pub mod vault;
mod witness;
pub mod write;

pub use self::sled::Tuning;
pub use archive::{ArchiveBlock, ArchiveBuilder, ArchiveKey, ArchiveRecord, Carriers, Extent, KeptText, Party};
pub use block::{BLOCK_OCTETS, Block, BlockBuilder, Position};
pub use disk::SledStore;
pub use envelope::{Damage, VERSION};
pub use erasure::{Asked, Step, Swept, SweptRecords};
pub use index::ArchiveIndex;
pub use memory::MemoryStore;
pub use opt_out::{Listed, OptOut, OptOutKey};
pub use vault::{KeyFault, KeyFigures, KeyFiles, MasterFiles, MasterKey, Subject, Vault};
pub use write::{Accept, Inbound, NetworkError, Write};

use crate::clock::Unix;
use crate::message::{AccountId, CarrierId, MessageId};

/// What is stored at once: all of it or, after a crash, none of it, except that archive blocks may be there early.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// New journal blocks, sealed.
    pub blocks: Vec<Block>,
    /// New archive blocks; each is keyed by one of the numbers in `cut`.
    pub archive: Vec<ArchiveBlock>,
    /// Numbers of journal blocks that are needed no more. A number that is not there is no fault.
    pub cut: Vec<u64>,
    /// Changes to the lists of opted-out numbers, in order. After a crash they may be there without the blocks, and never
    /// the blocks without them.
    pub opt_outs: Vec<OptOut>,
}

/// When a commit counts as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on the disk: survives kill -9 and loss of power.
    #[default]
    Flushed,
    /// Once the engine has it. A crash of the process or the machine loses everything since the last flushed commit.
    Buffered,
}

/// A durable book of messages. One owner: nothing here is shared between threads.
pub trait Store: Send {
    /// Stores a commit. Idempotent by block number and archive key: the same commit may be given again after a fault.
    ///
    /// # Errors
    /// [`Fault`]; nothing of the commit may be acknowledged. Parts of it may be there after a restart.
    fn commit(&mut self, commit: &Commit, durability: Durability) -> Result<(), Fault>;

    /// Reads one journal block; `None` when it was never stored, or was cut.
    ///
    /// # Errors
    /// [`Fault::Damaged`] when it is not what was written; other faults of the disk.
    fn read(&self, block: u64) -> Result<Option<Block>, Fault>;

    /// Hands over all journal blocks in number order, after dropping the archive blocks of a commit that a crash cut
    /// in two. Called once, before the first commit.
    ///
    /// # Errors
    /// [`Fault::Damaged`] names the first damaged block; the blocks before it have been handed over.
    fn recover(&mut self, each: &mut dyn FnMut(Block, Progress)) -> Result<Recovered, Fault>;

    /// At most `at_most` opted-out numbers from `from` on, in the order of their keys.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] when one is not what was written; other faults of the disk.
    fn opt_outs(&self, from: OptOutKey, at_most: usize) -> Result<Vec<(OptOutKey, Listed)>, Fault>;

    /// Forgets at most `at_most` archive blocks whose hour has begun at `before`, class by class, oldest first, durably.
    /// Keys first: see [`Store::retire`].
    ///
    /// # Errors
    /// [`Fault`]; what is gone is gone, and the next sweep goes on.
    fn sweep(&mut self, before: Unix, at_most: usize) -> Result<Swept, Fault> {
        erasure::sweep(self, before, at_most, None)
    }

    /// As [`Store::sweep`], but for records that are `held`: they stay, in blocks of their own, until
    /// [`Store::unhold`] finds that they are held no more.
    ///
    /// # Errors
    /// As [`Store::sweep`].
    fn sweep_around(&mut self, before: Unix, at_most: usize, held: &Asked<'_>) -> Result<Swept, Fault> {
        erasure::sweep(self, before, at_most, Some(held))
    }

    /// Forgets records whose time is over and that were held, in at most `at_most` blocks.
    ///
    /// # Errors
    /// [`Fault`]; what is gone is gone.
    fn unhold(&mut self, at_most: usize, held: &Asked<'_>) -> Result<Swept, Fault> {
        erasure::unhold(self, at_most, held)
    }

    /// Looks through at most `at_most` archive blocks behind `after` for records that are `asked` for.
    ///
    /// # Errors
    /// [`Fault::DamagedArchive`] names the block; other faults of the disk.
    fn search(&self, after: Option<ArchiveKey>, at_most: usize, asked: &Asked<'_>) -> Result<Step, Fault> {
        erasure::search(self, after, at_most, None, asked)
    }

    /// As [`Store::search`], where all that is asked for is about the subject: opens only blocks that may hold it.
    ///
    /// # Errors
    /// As [`Store::search`].
    fn search_about(
        &self,
        after: Option<ArchiveKey>,
        at_most: usize,
        subject: Option<&Subject>,
        asked: &Asked<'_>,
    ) -> Result<Step, Fault> {
        erasure::search(self, after, at_most, subject, asked)
    }

    /// As [`Store::search`], and takes what it finds out of its blocks, durably. Goes no further than a few blocks that
    /// hold something, so that a commit never waits long.
    ///
    /// # Errors
    /// As [`Store::search`]; what is gone is gone, and the same step may be taken again.
    fn erase(&mut self, after: Option<ArchiveKey>, at_most: usize, asked: &Asked<'_>) -> Result<Step, Fault> {
        erasure::erase(self, after, at_most, None, asked)
    }

    /// As [`Store::erase`], where all that is asked for is about the subject: opens only blocks that may hold it.
    ///
    /// # Errors
    /// As [`Store::erase`].
    fn erase_about(
        &mut self,
        after: Option<ArchiveKey>,
        at_most: usize,
        subject: Option<&Subject>,
        asked: &Asked<'_>,
    ) -> Result<Step, Fault> {
        erasure::erase(self, after, at_most, subject, asked)
    }

    /// Puts archive blocks in the place of those with their keys, or beside them where there is none, and forgets the
    /// blocks of the keys in `gone`: durably and as one.
    ///
    /// # Errors
    /// [`Fault`]; then it may be done or not, and may be asked for again.
    fn replace(&mut self, put: &[ArchiveBlock], gone: &[ArchiveKey]) -> Result<(), Fault>;

    /// The least number of a journal block that is stored, from `from` on.
    fn next_block(&self, from: u64) -> Option<u64>;

    /// Gives each name its number: the one it had before, or the next free one. Durable when it returns.
    ///
    /// # Errors
    /// [`Fault::Crowded`] when the numbers run out; other faults of the disk.
    fn enroll(&mut self, accounts: &[&str], carriers: &[&str]) -> Result<Enrolled, Fault>;

    /// Which archive blocks there are.
    fn archive(&self) -> &ArchiveIndex;

    /// Reads one archive block; `None` when it was never stored, or is forgotten.
    ///
    /// # Errors
    /// [`Fault::DamagedArchive`] when it is not what was written; other faults of the disk.
    fn archive_block(&self, key: ArchiveKey) -> Result<Option<ArchiveBlock>, Fault>;

    /// As [`Store::archive_block`], where it may hold a record about the subject; `None` for others, which are not opened.
    /// With no subject, any block.
    ///
    /// # Errors
    /// As [`Store::archive_block`].
    fn archive_block_about(&self, key: ArchiveKey, subject: Option<&Subject>) -> Result<Option<ArchiveBlock>, Fault>;

    /// Destroys the keys of the days that are over at `now`, durably, and says how many keys that were. With `going`, the
    /// keys of an archive day are kept for now where it has other blocks than these: some of their records may be held. A
    /// store without keys does nothing.
    ///
    /// # Errors
    /// [`Fault::Keys`]; what is destroyed is, and the next call goes on.
    fn retire(&mut self, now: Unix, going: Option<&[ArchiveKey]>) -> Result<u64, Fault>;

    /// An archive block as it is stored: where its numbers are sealed they stay so, and what else is in it can be read.
    ///
    /// # Errors
    /// As [`Store::archive_block`].
    fn archive_heads(&self, key: ArchiveKey) -> Result<Option<ArchiveBlock>, Fault>;

    /// Destroys all keys of an account, durably: whatever is stored of it cannot be read any more, neither here nor in a
    /// copy. Its messages must have ended; what it sends later gets new keys. Says how many keys that were.
    ///
    /// # Errors
    /// [`Fault::Keys`]; the same call ends the work.
    fn shred(&mut self, account: AccountId) -> Result<u64, Fault>;

    /// The record of a settled message, until it is forgotten. Reads few blocks.
    ///
    /// # Errors
    /// [`Fault::DamagedArchive`] names the block; other faults of the disk.
    fn archived(&self, id: MessageId) -> Result<Option<ArchiveRecord>, Fault> {
        let blocks = self.archive().candidates(id).filter(|key| key.class != archive::TEXTS);
        erasure::first(self, blocks, |block| block.find(id)).map(|found| found.map(|(_, record)| record))
    }

    /// The text of a settled message where it is kept, and where that is, until it is forgotten. Reads few blocks.
    ///
    /// # Errors
    /// As [`Store::archived`].
    fn kept_text(&self, id: MessageId) -> Result<Option<KeptText>, Fault> {
        let may_hold = |key: &ArchiveKey| matches!(key.class, archive::TEXTS | erasure::HELD);
        erasure::first(self, self.archive().candidates(id).filter(may_hold), |block| block.find_text(id))
    }

    /// How full it is.
    fn health(&self) -> Health;
}

/// How far a recovery is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Blocks handed over, this one included.
    pub done: u64,
    /// Blocks there are.
    pub total: u64,
}

/// What a recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The first block number never used, also by blocks that were cut since.
    pub next_block: u64,
    /// No archived message has a greater identity, forgotten ones included. Journal blocks may hold greater ones.
    pub archived_to: MessageId,
    /// Journal blocks handed over.
    pub blocks: u64,
}

/// The numbers of names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enrolled {
    /// Numbers of the accounts asked for, in the order asked.
    pub accounts: Vec<AccountId>,
    /// Numbers of the carriers asked for, in the order asked.
    pub carriers: Vec<CarrierId>,
    /// All account names ever enrolled; the index is the number.
    pub account_names: Vec<String>,
    /// All carrier names ever enrolled; the index is the number.
    pub carrier_names: Vec<String>,
}

impl Enrolled {
    /// The number of an account, also of one that was not asked for.
    #[must_use]
    pub fn account_id(&self, name: &str) -> Option<AccountId> {
        let place = self.account_names.iter().position(|known| known == name)?;
        u16::try_from(place).ok().map(AccountId)
    }
}

/// How full a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Octets on the disk.
    pub octets: u64,
    /// Journal blocks.
    pub journal_blocks: u64,
    /// Archive blocks.
    pub archive_blocks: u64,
    /// Its keys.
    pub keys: KeyFigures,
}

/// Why a store cannot do what it is asked. Every text says what to do about it; none holds stored octets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No room.
    #[error("{doing}: the disk of the store is full; free space or enlarge it, nothing acknowledged is lost")]
    Full {
        /// What was being done.
        doing: &'static str,
    },
    /// The disk or the engine failed.
    #[error("{doing}: {cause}; check the disk and the permissions of the store's directory")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        cause: String,
    },
    /// A journal block is not what was written.
    #[error("journal block {block} is damaged ({damage}); restore the store's directory from a backup")]
    Damaged {
        /// Its number.
        block: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// An archive block is not what was written.
    #[error(
        "archive block {} (class {}, forgotten in hour {}) is damaged ({damage}); restore the store's directory from a \
         backup", key.block, key.class, key.forget_hour
    )]
    DamagedArchive {
        /// Its key.
        key: ArchiveKey,
        /// What is wrong.
        damage: Damage,
    },
    /// The engine's own files are damaged.
    #[error("{doing}: the store's files are damaged ({cause}); restore the store's directory from a backup")]
    Corrupt {
        /// What was being done.
        doing: &'static str,
        /// What the engine says.
        cause: String,
    },
    /// The directory holds something else, or a newer version of this.
    #[error("the store's directory holds {found}, this program reads {expected}; give it a directory of its own")]
    Foreign {
        /// What is there.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// Another process has it open.
    #[error("the store is open in another process; stop that one, or give this one a directory of its own")]
    Locked,
    /// An archive block comes without the cut of the journal block that it is keyed by.
    #[error("the archive block made of journal block {block} came in a commit that does not cut this block")]
    Uncut {
        /// The number in the archive block's key.
        block: u64,
    },
    /// The keys of the store cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyFault),
    /// No number is left for a name.
    #[error("65,535 {what} names have been enrolled in this store, which is all that it can number")]
    Crowded {
        /// `"account"` or `"carrier"`.
        what: &'static str,
    },
}

/// Refuses a commit that recovery would undo: see [`ArchiveKey::block`].
fn check_cuts(commit: &Commit) -> Result<(), Fault> {
    match commit.archive.iter().find(|block| !commit.cut.contains(&block.key.block)) {
        Some(block) => Err(Fault::Uncut { block: block.key.block }),
        None => Ok(()),
    }
}

/// The hour that has begun at `now`, as in [`ArchiveKey::forget_hour`].
fn hour(now: Unix) -> u32 {
    u32::try_from(now.0 / 3_600_000).unwrap_or(u32::MAX)
}
