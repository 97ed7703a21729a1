//! Reading a log from its folder, for verifying it and for showing it; the log may be written meanwhile.
//!
//! Changes nothing.

use super::chain::{Bad, Walk, Why};
use super::entry::Entry;
use super::folder::{AuditFault, Day, Folder, file_name};
use super::head::Hash;
use crate::clock::Unix;

/// Days to read, both included; `None` for no bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Range {
    /// The first.
    pub from: Option<Day>,
    /// The last.
    pub to: Option<Day>,
}

/// What was read, all of it good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Day files.
    pub files: usize,
    /// Entries.
    pub entries: u64,
    /// The first and the last, by number.
    pub range: Option<(u64, u64)>,
    /// The newest signed head: its entry, when it was signed, and the public key.
    pub head: Option<(u64, Unix, [u8; 32])>,
    /// Hash of the last entry.
    pub hash: Hash,
}

/// Walks the files of these days; `visit` sees each entry. `key` is the public key that heads must have; `copy` is a
/// head kept elsewhere that the log must agree with.
///
/// # Errors
/// [`AuditFault`]; [`AuditFault::Broken`] names the first bad entry.
pub fn walk(
    folder: &Folder,
    key: Option<[u8; 32]>,
    days: Range,
    copy: Option<(u64, Hash)>,
    mut visit: impl FnMut(&Entry),
) -> Result<Walked, AuditFault> {
    let heads = folder.heads()?;
    let mut walk = Walk::new(&heads, key)?;
    walk.compare(copy);
    let all = folder.days()?;
    let wanted = |day: &&Day| days.from.is_none_or(|from| **day >= from) && days.to.is_none_or(|to| **day <= to);
    let (mut files, mut first) = (0, None);
    for day in all.iter().filter(wanted) {
        files += 1;
        file(folder, *day, &mut walk, &mut |entry| {
            first.get_or_insert(entry.seq);
            visit(entry);
        })?;
    }
    let is_to_the_end = all.last().is_none_or(|last| days.to.is_none_or(|to| *last <= to));
    if is_to_the_end {
        walk.finish()?;
    }
    let head = walk.newest_head().map(|head| (head.seq, head.at, head.key));
    let (last, hash) = walk.last().unwrap_or_default();
    Ok(Walked { files, entries: walk.entries(), range: first.map(|first| (first, last)), head, hash })
}

/// Walks one file. One that ends in the middle of an entry may just be growing: it is read again as long as it does.
fn file(folder: &Folder, day: Day, walk: &mut Walk, visit: &mut impl FnMut(&Entry)) -> Result<(), AuditFault> {
    let mut octets = folder.read(day)?;
    let mut seen = walk.last().map_or(0, |(seq, _)| seq);
    let before = walk.clone();
    loop {
        let walked = walk.file(&file_name(day), &octets, |entry| {
            if entry.seq > seen {
                seen = entry.seq;
                visit(entry);
            }
        });
        match walked {
            Err(Bad { why: Why::Torn, .. }) => {
                let again = folder.read(day)?;
                if again.len() == octets.len() {
                    return Ok(walked?);
                }
                octets = again;
                *walk = before.clone();
            }
            other => return Ok(other?),
        }
    }
}
