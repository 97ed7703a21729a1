//! What is done to single records of the archive: looking for them, taking them out, and keeping those that are held
//! when their block is forgotten.
//!
//! Blocks are rewritten whole, a few at a time, each step durable when it returns. Which records are meant is the
//! caller's: this compares nothing.

use std::collections::BTreeMap;

use super::archive::{ArchiveBlock, ArchiveKey, ArchiveRecord, Kept};
use super::{Damage, Fault, Store, Subject, hour};
use crate::clock::Unix;
use crate::message::{AccountId, MessageId};
use crate::pdu::Address;

/// Whether a record of this account with this source and destination is meant.
pub type Asked<'a> = dyn Fn(AccountId, &Address, &Address) -> bool + Send + Sync + 'a;

/// The class that blocks are filed under whose records' time is over and that are held. Not a retention class: the records
/// keep theirs.
pub(super) const HELD: u8 = u8::MAX;

/// A step through the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Blocks looked at.
    pub blocks: u64,
    /// Records of messages that were meant, and where they were.
    pub found: Vec<(ArchiveKey, ArchiveRecord)>,
    /// Texts that were meant, and where they were.
    pub texts: Vec<(ArchiveKey, MessageId)>,
    /// Where to go on; `None` at the end.
    pub next: Option<ArchiveKey>,
}

/// What a sweep removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Archive blocks.
    pub blocks: u64,
    /// Records in them, by class and account, in this order. Records of a damaged block are not counted.
    pub records: Vec<SweptRecords>,
    /// Records whose time was over and that are held.
    pub held: u64,
    /// Blocks that should have been forgotten an hour ago and are still there.
    pub overdue: u64,
    /// Whether nothing forgettable is left.
    pub done: bool,
}

/// Records that a sweep removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweptRecords {
    /// Retention class.
    pub class: u8,
    /// Whose they were.
    pub account: AccountId,
    /// How many.
    pub records: u64,
    /// When the message of the oldest was accepted, and of the newest.
    pub accepted: (Unix, Unix),
}

/// Everything in one block; damaged ones are the caller's to name.
fn records(store: &(impl Store + ?Sized), key: ArchiveKey) -> Result<Vec<Kept>, Fault> {
    let Some(block) = store.archive_block(key)? else { return Ok(Vec::new()) };
    block.kept().collect::<Result<_, _>>().map_err(|damage| Fault::DamagedArchive { key, damage })
}

/// What is looked for, in the first of these blocks that has it.
pub(super) fn first<T>(
    store: &(impl Store + ?Sized),
    keys: impl Iterator<Item = ArchiveKey>,
    find: impl Fn(&ArchiveBlock) -> Result<Option<T>, Damage>,
) -> Result<Option<(ArchiveKey, T)>, Fault> {
    for key in keys {
        let Some(block) = store.archive_block(key)? else { continue };
        if let Some(found) = find(&block).map_err(|damage| Fault::DamagedArchive { key, damage })? {
            return Ok(Some((key, found)));
        }
    }
    Ok(None)
}

fn is_meant(record: &ArchiveRecord, asked: &Asked<'_>) -> bool {
    match (record.source.address(), record.destination.address()) {
        (Some(source), Some(destination)) => asked(record.account, &source, &destination),
        _ => false,
    }
}

/// [`Store::search`].
pub(super) fn search(
    store: &(impl Store + ?Sized),
    after: Option<ArchiveKey>,
    at_most: usize,
    subject: Option<&Subject>,
    asked: &Asked<'_>,
) -> Result<Step, Fault> {
    let keys = store.archive().behind(after, at_most);
    let mut step = Step { blocks: keys.len() as u64, next: keys.last().copied(), ..Step::default() };
    for key in keys {
        let Some(block) = store.archive_block_about(key, subject)? else { continue };
        for record in block.records() {
            let record = record.map_err(|damage| Fault::DamagedArchive { key, damage })?;
            match is_meant(&record, asked) {
                true if record.is_text() => step.texts.push((key, record.id)),
                true => step.found.push((key, record)),
                false => {}
            }
        }
    }
    Ok(step)
}

/// [`Store::erase`].
pub(super) fn erase(
    store: &mut (impl Store + ?Sized),
    after: Option<ArchiveKey>,
    at_most: usize,
    subject: Option<&Subject>,
    asked: &Asked<'_>,
) -> Result<Step, Fault> {
    let mut step = search(store, after, at_most, subject, asked)?;
    let found = step.found.iter().map(|(key, _)| *key);
    let mut keys: Vec<ArchiveKey> = found.chain(step.texts.iter().map(|(key, _)| *key)).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.len() > REWRITES {
        // What is beyond comes with the next step.
        keys.truncate(REWRITES);
        let last = keys.last().copied();
        step.found.retain(|(key, _)| Some(*key) <= last);
        step.texts.retain(|(key, _)| Some(*key) <= last);
        step.next = last;
    }
    let (mut put, mut gone) = (Vec::new(), Vec::new());
    for &key in &keys {
        let left: Vec<_> = records(store, key)?.into_iter().filter(|kept| !is_meant(&kept.record, asked)).collect();
        match ArchiveBlock::of(key, &left) {
            Some(block) => put.push(block),
            None => gone.push(key),
        }
    }
    store.replace(&put, &gone)?;
    Ok(step)
}

/// [`Store::sweep`], and [`Store::sweep_around`] where something may be held.
///
/// Keys go before blocks: where nothing is held, all that are over; else those of a day whose last blocks go now, once
/// what is held of these was filed under another key.
pub(super) fn sweep(
    store: &mut (impl Store + ?Sized),
    before: Unix,
    at_most: usize,
    held: Option<&Asked<'_>>,
) -> Result<Swept, Fault> {
    let keys = store.archive().forgettable(hour(before), at_most);
    let mut swept = match held {
        None => {
            store.retire(before, None)?;
            let (_, tally) = divide(store, &keys, None, |key| key)?;
            store.replace(&[], &keys)?;
            tally.swept(keys.len() as u64)
        }
        Some(_) => {
            let (put, tally) = divide(store, &keys, held, |key| ArchiveKey { class: HELD, ..key })?;
            if !put.is_empty() {
                store.replace(&put, &[])?;
            }
            store.retire(before, Some(&keys))?;
            store.replace(&[], &keys)?;
            tally.swept(keys.len() as u64)
        }
    };
    let index = store.archive();
    swept.done = index.forgettable(hour(before), 1).is_empty();
    swept.overdue = index.forgettable(hour(before).saturating_sub(1), OVERDUE_MAX).len() as u64;
    Ok(swept)
}

/// [`Store::unhold`].
pub(super) fn unhold(store: &mut (impl Store + ?Sized), at_most: usize, held: &Asked<'_>) -> Result<Swept, Fault> {
    let first = ArchiveKey { class: HELD, forget_hour: 0, block: 0 };
    let mut keys = Vec::new();
    for key in store.archive().behind(Some(first), usize::MAX) {
        if records(store, key)?.iter().any(|kept| !is_meant(&kept.record, held)) {
            keys.push(key);
            if keys.len() == at_most {
                break;
            }
        }
    }
    let (put, tally) = divide(store, &keys, Some(held), |key| key)?;
    let gone: Vec<_> = keys.iter().copied().filter(|key| put.iter().all(|block| block.key != *key)).collect();
    store.replace(&put, &gone)?;
    let mut swept = tally.swept(keys.len() as u64);
    swept.done = keys.len() < at_most;
    Ok(swept)
}

/// Divides the records of blocks that are to be forgotten: blocks of what is held, under other keys beside what is there
/// already, and a count of the rest.
fn divide(
    store: &(impl Store + ?Sized),
    keys: &[ArchiveKey],
    held: Option<&Asked<'_>>,
    kept_under: impl Fn(ArchiveKey) -> ArchiveKey,
) -> Result<(Vec<ArchiveBlock>, Tally), Fault> {
    let (mut kept, mut tally) = (BTreeMap::<ArchiveKey, Vec<Kept>>::new(), Tally::default());
    for &key in keys {
        let mut held_here: Vec<Kept> = match held {
            Some(held) => {
                let records = undamaged(store.archive_block(key))?;
                records.into_iter().filter(|kept| is_meant(&kept.record, held)).collect()
            }
            None => Vec::new(),
        };
        // Counted as they are stored: their keys may be gone already.
        for kept in undamaged(store.archive_heads(key))? {
            if held_here.iter().any(|held| name(held) == name(&kept)) {
                tally.held += 1;
            } else {
                tally.count(&kept.record);
            }
        }
        if !held_here.is_empty() {
            kept.entry(kept_under(key)).or_default().append(&mut held_here);
        }
    }
    let mut put = Vec::new();
    for (key, mut own) in kept {
        if !keys.contains(&key) {
            own.extend(records(store, key)?);
            own.sort_unstable_by_key(name);
            own.dedup_by_key(|kept| name(kept));
        }
        put.extend(ArchiveBlock::of(key, &own));
    }
    Ok((put, tally))
}

/// Tells a record from all others: a message may have one, and its text one.
fn name(kept: &Kept) -> (MessageId, u8) {
    (kept.record.id, kept.record.class)
}

/// What can be read of a block: a damaged one is forgotten all the same.
fn undamaged(block: Result<Option<ArchiveBlock>, Fault>) -> Result<Vec<Kept>, Fault> {
    match block {
        Ok(block) => Ok(block.iter().flat_map(ArchiveBlock::kept).flatten().collect()),
        Err(Fault::DamagedArchive { .. }) => Ok(Vec::new()),
        Err(fault) => Err(fault),
    }
}

/// Counts what a sweep removes.
#[derive(Debug, Default)]
struct Tally {
    records: BTreeMap<(u8, AccountId), (u64, Unix, Unix)>,
    held: u64,
}

impl Tally {
    fn count(&mut self, record: &ArchiveRecord) {
        let at = record.accepted;
        let (count, oldest, newest) = self.records.entry((record.class, record.account)).or_insert((0, at, at));
        (*count, *oldest, *newest) = (*count + 1, (*oldest).min(at), (*newest).max(at));
    }

    fn swept(self, blocks: u64) -> Swept {
        let row = |((class, account), (records, oldest, newest))| SweptRecords {
            class,
            account,
            records,
            accepted: (oldest, newest),
        };
        Swept { blocks, records: self.records.into_iter().map(row).collect(), held: self.held, ..Swept::default() }
    }
}

/// Blocks rewritten in one step: each costs as much as a commit of its size.
const REWRITES: usize = 4;
/// Overdue blocks are counted so far.
const OVERDUE_MAX: usize = 1_000;
