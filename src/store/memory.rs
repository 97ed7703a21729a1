//! A model of a store, for simulation: knows the difference between applied and durable, can crash, and fails on order.
//!
//! Keeps nothing on a disk and never waits: a slow flush is reported as a duration, for virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::archive::{ArchiveBlock, ArchiveKey};
use super::block::Block;
use super::index::ArchiveIndex;
use super::names::{self, Names};
use super::opt_out::{Listed, OptOut, OptOutKey};
use super::vault::{self, Subject, Vault};
use super::{Commit, Durability, Enrolled, Fault, Health, Progress, Recovered, Store, check_cuts};
use crate::clock::Unix;
use crate::message::{AccountId, MessageId};

/// What happens at a commit or sweep, one for each, in the order scripted; after the last all goes well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// All goes well.
    Pass,
    /// All goes well, after this long.
    Slow(Duration),
    /// Fails before anything is applied.
    Refuse(Fault),
    /// Fails between the archive and the journal.
    Tear(Fault),
    /// Fails at the flush: applied, not durable.
    Unflushed(Fault),
    /// Fails after the flush: durable, and the caller does not know.
    Unreported(Fault),
}

/// The model store.
#[derive(Default)]
pub struct MemoryStore {
    applied: State,
    durable: State,
    /// Applied since the last flush, in order.
    pending: Vec<Step>,
    index: ArchiveIndex,
    script: VecDeque<Script>,
    delay: Duration,
    /// Seals what is stored; `None` where it is stored as it is. What it does is durable at once.
    vault: Option<Vault>,
}

#[derive(Clone, Default)]
struct State {
    journal: BTreeMap<u64, Arc<[u8]>>,
    archive: BTreeMap<ArchiveKey, Arc<[u8]>>,
    accounts: Names,
    carriers: Names,
    opt_outs: BTreeMap<OptOutKey, Listed>,
    next_block: u64,
    archived_to: MessageId,
}

/// What an engine applies as one: a crash keeps a step or loses it.
#[derive(Clone)]
enum Step {
    Archive { put: Vec<(ArchiveKey, Arc<[u8]>)>, remove: Vec<ArchiveKey>, archived_to: MessageId },
    Journal { put: Vec<(u64, Arc<[u8]>)>, cut: Vec<u64> },
    Names { accounts: Names, carriers: Names },
    OptOuts { changes: Vec<OptOut> },
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store whose blocks this vault seals.
    #[must_use]
    pub fn sealed(vault: Vault) -> Self {
        Self { vault: Some(vault), ..Self::default() }
    }

    /// Adds to what happens at the next commits and sweeps.
    pub fn script(&mut self, next: impl IntoIterator<Item = Script>) {
        self.script.extend(next);
    }

    /// Loses everything that was not flushed, as kill -9 or loss of power does. Call [`Store::recover`] next.
    pub fn crash(&mut self) {
        self.crash_keeping(0);
    }

    /// Like [`MemoryStore::crash`], but the first `steps` unflushed steps had reached the disk by themselves: an engine
    /// may write early. A commit is one step for its opted-out numbers and one for its archive blocks, when it has any, and
    /// one for its journal.
    pub fn crash_keeping(&mut self, steps: usize) {
        for step in self.pending.drain(..).take(steps) {
            self.durable.take_step(step);
        }
        self.applied = self.durable.clone();
        self.index = ArchiveIndex::default();
        self.script.clear();
        self.delay = Duration::ZERO;
    }

    /// Steps applied and not flushed.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.pending.len()
    }

    /// How long scripted slowness has taken since it was last asked.
    pub fn take_delay(&mut self) -> Duration {
        std::mem::take(&mut self.delay)
    }

    /// Flips a bit of a stored journal block, durably: a failing disk. Says whether the block was there.
    pub fn damage(&mut self, block: u64, offset: usize) -> bool {
        let Some(octets) = self.applied.journal.get_mut(&block) else { return false };
        let mut changed = octets.to_vec();
        let Some(octet) = changed.get_mut(offset) else { return false };
        *octet ^= 1;
        *octets = changed.into();
        self.durable.journal.insert(block, octets.clone());
        true
    }

    fn flush(&mut self) {
        for step in self.pending.drain(..) {
            self.durable.take_step(step);
        }
    }

    /// Applies `steps` and flushes, as the script has it.
    fn perform(&mut self, steps: Vec<Step>, durability: Durability) -> Result<(), Fault> {
        let all = steps.len();
        let (fault, applied, flushed) = match self.script.pop_front().unwrap_or(Script::Pass) {
            Script::Pass => (None, all, durability == Durability::Flushed),
            Script::Slow(delay) => {
                self.delay += delay;
                (None, all, durability == Durability::Flushed)
            }
            Script::Refuse(fault) => (Some(fault), 0, false),
            Script::Tear(fault) => (Some(fault), all.saturating_sub(1), false),
            Script::Unflushed(fault) => (Some(fault), all, false),
            Script::Unreported(fault) => (Some(fault), all, true),
        };
        for step in steps.into_iter().take(applied) {
            self.applied.take_step(step.clone());
            self.pending.push(step);
        }
        if flushed {
            self.flush();
        }
        fault.map_or(Ok(()), Err)
    }
}

impl std::fmt::Debug for MemoryStore {
    /// Shows counts: the blocks hold numbers and text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryStore({:?}, {} unflushed)", self.health(), self.pending.len())
    }
}

impl State {
    fn take_step(&mut self, step: Step) {
        match step {
            Step::Archive { put, remove, archived_to } => {
                self.archive.extend(put);
                for key in remove {
                    self.archive.remove(&key);
                }
                self.archived_to = self.archived_to.max(archived_to);
            }
            Step::Journal { put, cut } => {
                for (number, octets) in put {
                    self.next_block = self.next_block.max(number.saturating_add(1));
                    self.journal.insert(number, octets);
                }
                for number in cut {
                    self.next_block = self.next_block.max(number.saturating_add(1));
                    self.journal.remove(&number);
                }
            }
            Step::Names { accounts, carriers } => {
                self.accounts = accounts;
                self.carriers = carriers;
            }
            Step::OptOuts { changes } => {
                for OptOut { key, listed } in changes {
                    match listed {
                        Some(listed) => drop(self.opt_outs.insert(key, listed)),
                        None => drop(self.opt_outs.remove(&key)),
                    }
                }
            }
        }
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, commit: &Commit, durability: Durability) -> Result<(), Fault> {
        check_cuts(commit)?;
        let Self { vault, .. } = self;
        let mut steps = Vec::new();
        if !commit.opt_outs.is_empty() {
            steps.push(Step::OptOuts { changes: commit.opt_outs.clone() });
        }
        let mut extents = Vec::with_capacity(commit.archive.len());
        if !commit.archive.is_empty() {
            let mut put = Vec::with_capacity(commit.archive.len());
            let mut archived_to = MessageId(0);
            for block in &commit.archive {
                let extent = block.extent().map_err(|damage| Fault::DamagedArchive { key: block.key, damage })?;
                archived_to = archived_to.max(extent.greatest);
                extents.push((block.key, extent));
                put.push((block.key, sealed_archive(vault.as_mut(), block)?));
            }
            steps.push(Step::Archive { put, remove: Vec::new(), archived_to });
        }
        let sealed = |block: &Block| Ok((block.number, sealed_block(vault.as_mut(), block)?));
        let put = commit.blocks.iter().map(sealed).collect::<Result<_, Fault>>()?;
        steps.push(Step::Journal { put, cut: commit.cut.clone() });
        self.perform(steps, durability)?;
        for (key, extent) in extents {
            self.index.insert(key, extent);
        }
        Ok(())
    }

    fn read(&self, block: u64) -> Result<Option<Block>, Fault> {
        let Some(octets) = self.applied.journal.get(&block) else { return Ok(None) };
        let opened = vault::open_block(self.vault.as_ref(), block, octets.to_vec());
        opened.map(Some).map_err(|unopened| unopened.of_block(block))
    }

    fn recover(&mut self, each: &mut dyn FnMut(Block, Progress)) -> Result<Recovered, Fault> {
        let journal = &self.applied.journal;
        let torn = self.applied.archive.keys().copied().filter(|key| journal.contains_key(&key.block)).collect();
        let step = Step::Archive { put: Vec::new(), remove: torn, archived_to: MessageId(0) };
        self.applied.take_step(step.clone());
        self.pending.push(step);
        self.flush();
        self.index = ArchiveIndex::default();
        for (&key, octets) in &self.applied.archive {
            let block = vault::unopened(key, octets.to_vec());
            let extent = block.and_then(|block| block.extent());
            self.index.insert(key, extent.map_err(|damage| Fault::DamagedArchive { key, damage })?);
        }
        let total = self.applied.journal.len() as u64;
        let mut done = 0;
        for &number in self.applied.journal.keys() {
            if let Some(block) = self.read(number)? {
                done += 1;
                each(block, Progress { done, total });
            }
        }
        let State { next_block, archived_to, .. } = self.applied;
        Ok(Recovered { next_block, archived_to, blocks: done })
    }

    fn opt_outs(&self, from: OptOutKey, at_most: usize) -> Result<Vec<(OptOutKey, Listed)>, Fault> {
        Ok(self.applied.opt_outs.range(from..).take(at_most).map(|(key, listed)| (*key, *listed)).collect())
    }

    fn replace(&mut self, put: &[ArchiveBlock], gone: &[ArchiveKey]) -> Result<(), Fault> {
        if put.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let vault = &mut self.vault;
        let sealed = |block: &ArchiveBlock| Ok((block.key, sealed_archive(vault.as_mut(), block)?));
        let octets = put.iter().map(sealed).collect::<Result<_, Fault>>()?;
        let step = Step::Archive { put: octets, remove: gone.to_vec(), archived_to: MessageId(0) };
        self.perform(vec![step], Durability::Flushed)?;
        for key in gone {
            self.index.remove(*key);
        }
        for block in put {
            let key = block.key;
            let extent = block.extent().map_err(|damage| Fault::DamagedArchive { key, damage })?;
            self.index.insert(key, extent);
        }
        Ok(())
    }

    fn next_block(&self, from: u64) -> Option<u64> {
        self.applied.journal.range(from..).next().map(|(number, _)| *number)
    }

    fn enroll(&mut self, accounts: &[&str], carriers: &[&str]) -> Result<Enrolled, Fault> {
        let State { accounts: mut known_accounts, carriers: mut known_carriers, .. } = self.applied.clone();
        let enrolled = names::enroll(&mut known_accounts, accounts, &mut known_carriers, carriers)?;
        let step = Step::Names { accounts: known_accounts, carriers: known_carriers };
        self.perform(vec![step], Durability::Flushed)?;
        Ok(enrolled)
    }

    fn archive(&self) -> &ArchiveIndex {
        &self.index
    }

    fn archive_block(&self, key: ArchiveKey) -> Result<Option<ArchiveBlock>, Fault> {
        self.archive_block_about(key, None)
    }

    fn archive_block_about(&self, key: ArchiveKey, subject: Option<&Subject>) -> Result<Option<ArchiveBlock>, Fault> {
        let Some(octets) = self.applied.archive.get(&key) else { return Ok(None) };
        let opened = vault::open_if_about(self.vault.as_ref(), key, octets.to_vec(), subject);
        opened.map_err(|unopened| unopened.of_archive(key))
    }

    fn archive_heads(&self, key: ArchiveKey) -> Result<Option<ArchiveBlock>, Fault> {
        let Some(octets) = self.applied.archive.get(&key) else { return Ok(None) };
        vault::unopened(key, octets.to_vec()).map(Some).map_err(|damage| Fault::DamagedArchive { key, damage })
    }

    fn retire(&mut self, now: Unix, going: Option<&[ArchiveKey]>) -> Result<u64, Fault> {
        let Self { vault: Some(vault), index, applied, .. } = self else { return Ok(0) };
        let oldest = applied.journal.values().next();
        let journal_from = oldest.map(|octets| vault::serial_of(octets).unwrap_or(0));
        let over = vault.over(now, journal_from, |day| index.needs_day(day, going));
        if over.is_empty() {
            return Ok(0);
        }
        self.flush();
        let destroyed = self.vault.as_mut().map(|vault| vault.destroy(&over));
        Ok(destroyed.transpose()?.unwrap_or(0))
    }

    fn shred(&mut self, account: AccountId) -> Result<u64, Fault> {
        let shredded = self.vault.as_mut().map(|vault| vault.shred(account.0));
        Ok(shredded.transpose()?.unwrap_or(0))
    }

    fn health(&self) -> Health {
        let State { journal, archive, .. } = &self.applied;
        let octets = journal.values().chain(archive.values()).map(|octets| octets.len() as u64).sum();
        let keys = self.vault.as_ref().map(Vault::figures).unwrap_or_default();
        Health { octets, journal_blocks: journal.len() as u64, archive_blocks: archive.len() as u64, keys }
    }
}

/// A journal block as it is stored.
fn sealed_block(vault: Option<&mut Vault>, block: &Block) -> Result<Arc<[u8]>, Fault> {
    let sealed = vault.map(|vault| vault.seal_journal(block)).transpose();
    let sealed = sealed.map_err(|unopened| unopened.of_block(block.number))?;
    Ok(sealed.unwrap_or(&block.octets).into())
}

/// An archive block as it is stored.
fn sealed_archive(vault: Option<&mut Vault>, block: &ArchiveBlock) -> Result<Arc<[u8]>, Fault> {
    let sealed = vault.map(|vault| vault.seal_archive(block)).transpose();
    let sealed = sealed.map_err(|unopened| unopened.of_archive(block.key))?;
    Ok(sealed.unwrap_or(&block.octets).into())
}
