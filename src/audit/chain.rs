//! The chain: how entries follow each other in the octets of a file, and the walk that finds the first one that does not.
//!
//! A frame is length (4 octets), the entry's octets, their SHA-256. Reads octets, not files; names places, mends nothing.

use std::collections::BTreeMap;
use std::fmt;

use super::entry::{ENTRY_MAX, Entry};
use super::head::{Hash, Head};

/// Octets of a frame around its entry.
const AROUND: usize = 4 + 32;
/// Most octets of a frame.
pub const FRAME_MAX: usize = AROUND + ENTRY_MAX;

/// Why an entry is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The file ends in the middle of it.
    Torn,
    /// Its octets are no entry.
    Unreadable,
    /// Its octets are not what they were when it was written.
    Changed,
    /// It is no successor of the entry before: something was removed, put in between or exchanged.
    OutOfPlace,
    /// A signed head has another hash for it.
    OtherThanHead,
    /// The log ends before it, and a signed head says that it was written.
    Missing,
    /// The log begins with it, and no signed head vouches for what went before.
    NoStart,
    /// The signature of its head is not good.
    Forged,
    /// Its head is signed by another key than the others.
    OtherKey,
}

/// The first entry that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bad {
    /// The number it has or should have.
    pub seq: u64,
    /// The file where it is or should be.
    pub file: String,
    /// The octet where its frame begins.
    pub offset: usize,
    /// What is wrong.
    pub why: Why,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.why {
            Why::Torn => "the file ends in the middle of it, as after a crash; the next start cuts it off and says so",
            Why::Unreadable => "its octets are no entry",
            Why::Changed => "its octets are not what was written",
            Why::OutOfPlace => "it does not follow from the entry before: something was removed, inserted or exchanged",
            Why::OtherThanHead => "a signed head has another hash for it",
            Why::Missing => "it is missing: a signed head says that it was written",
            Why::NoStart => "the log begins here, and no signed head vouches for what went before",
            Why::Forged => "the signature of its head is not good",
            Why::OtherKey => "its head is signed by another key",
        };
        write!(f, "entry {} in {} at octet {}: {what}", self.seq, self.file, self.offset)
    }
}

impl std::error::Error for Bad {}

/// Puts an entry's frame at the end of `octets`; returns the hash that the next entry needs.
pub fn push(entry: &Entry, previous: Hash, octets: &mut Vec<u8>) -> Hash {
    let body = entry.encode(&previous.0);
    let hash = Hash::of_entry(&body);
    octets.extend_from_slice(&u32::try_from(body.len()).unwrap_or_default().to_be_bytes());
    octets.extend_from_slice(&body);
    octets.extend_from_slice(&hash.0);
    hash
}

/// A walk along the chain.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The last entry seen: number and hash. `None` before the first.
    last: Option<(u64, Hash)>,
    heads: BTreeMap<u64, Head>,
    /// Number and hash of an entry, from elsewhere.
    copy: Option<(u64, Hash)>,
    /// The file and length of what was walked last, for what should follow it.
    end: (String, usize),
    entries: u64,
}

impl Walk {
    /// A walk along a log with these heads.
    ///
    /// # Errors
    /// [`Bad`] for a head with a signature that is not good, or of another key than `key` (or than the first head's).
    pub fn new(heads: &[Head], key: Option<[u8; 32]>) -> Result<Self, Bad> {
        let key = key.or_else(|| heads.first().map(|head| head.key));
        for head in heads {
            let why = if key != Some(head.key) {
                Why::OtherKey
            } else if head.is_signed() {
                continue;
            } else {
                Why::Forged
            };
            return Err(Bad { seq: head.seq, file: "heads.log".to_owned(), offset: 0, why });
        }
        let heads = heads.iter().map(|head| (head.seq, *head)).collect();
        Ok(Self { last: None, heads, copy: None, end: ("the log".to_owned(), 0), entries: 0 })
    }

    /// The log must also have this entry with this hash, as a head that was kept elsewhere says.
    pub fn compare(&mut self, copy: Option<(u64, Hash)>) {
        self.copy = copy;
    }

    /// Walks one file. `visit` sees each good entry. After an error, [`Self::good`] says how far it is good.
    ///
    /// # Errors
    /// The first [`Bad`] entry.
    pub fn file(&mut self, name: &str, octets: &[u8], mut visit: impl FnMut(&Entry)) -> Result<(), Bad> {
        self.end = (name.to_owned(), 0);
        while let Some(rest) = octets.get(self.end.1..).filter(|rest| !rest.is_empty()) {
            let (entry, hash, length) = self.step(rest).map_err(|why| self.bad(why, rest))?;
            self.last = Some((entry.seq, hash));
            self.entries += 1;
            self.end.1 += length;
            visit(&entry);
        }
        Ok(())
    }

    fn step(&self, rest: &[u8]) -> Result<(Entry, Hash, usize), Why> {
        let (length, body) = rest.split_first_chunk::<4>().ok_or(Why::Torn)?;
        let length = u32::from_be_bytes(*length) as usize;
        if length > ENTRY_MAX {
            return Err(Why::Unreadable);
        }
        let (body, rest) = body.split_at_checked(length).ok_or(Why::Torn)?;
        let written = rest.first_chunk::<32>().ok_or(Why::Torn)?;
        let hash = Hash::of_entry(body);
        if hash.0 != *written {
            return Err(Why::Changed);
        }
        let (entry, previous) = Entry::decode(body).ok_or(Why::Unreadable)?;
        self.follows(&entry, Hash(previous))?;
        let head = self.heads.get(&entry.seq).map(|head| head.hash);
        let copy = self.copy.filter(|(seq, _)| *seq == entry.seq).map(|(_, hash)| hash);
        if [head, copy].into_iter().flatten().any(|vouched| vouched != hash) {
            return Err(Why::OtherThanHead);
        }
        Ok((entry, hash, AROUND + length))
    }

    /// Whether the entry is the next one, or a start that is vouched for.
    fn follows(&self, entry: &Entry, previous: Hash) -> Result<(), Why> {
        match self.last {
            Some(last) if (entry.seq, previous) == (last.0 + 1, last.1) => Ok(()),
            Some(_) => Err(Why::OutOfPlace),
            None if (entry.seq, previous) == (1, Hash::default()) => Ok(()),
            None => {
                let head = entry.seq.checked_sub(1).and_then(|before| self.heads.get(&before));
                if head.is_some_and(|head| head.hash == previous) { Ok(()) } else { Err(Why::NoStart) }
            }
        }
    }

    /// The end of the walk.
    ///
    /// # Errors
    /// [`Bad`] when a head vouches for an entry that is not there.
    pub fn finish(&self) -> Result<(), Bad> {
        match self.newest() {
            Some(newest) if newest > self.last.map_or(0, |(seq, _)| seq) => Err(self.bad(Why::Missing, &[])),
            _ => Ok(()),
        }
    }

    /// The newest entry that is vouched for.
    fn newest(&self) -> Option<u64> {
        self.heads.keys().next_back().copied().max(self.copy.map(|(seq, _)| seq))
    }

    /// The last good entry: number and hash. `None` before the first.
    #[must_use]
    pub fn last(&self) -> Option<(u64, Hash)> {
        self.last
    }

    /// How many octets of the file walked last are good.
    #[must_use]
    pub fn good(&self) -> usize {
        self.end.1
    }

    /// Entries seen.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The newest head, if any.
    #[must_use]
    pub fn newest_head(&self) -> Option<&Head> {
        self.heads.values().next_back()
    }

    fn bad(&self, why: Why, rest: &[u8]) -> Bad {
        let seq = self.last.map_or_else(|| self.first(rest), |(seq, _)| seq + 1);
        // What a head vouches for was whole once: no crash left it so.
        let why = if why == Why::Torn && self.newest() >= Some(seq) { Why::Changed } else { why };
        Bad { seq, file: self.end.0.clone(), offset: self.end.1, why }
    }

    /// The number of the log's first entry: what it says of itself if that can be, else 1.
    fn first(&self, rest: &[u8]) -> u64 {
        const SEQ_AT: usize = 4 + 1;
        let own = rest.get(SEQ_AT..).and_then(|rest| rest.first_chunk()).map(|octets| u64::from_be_bytes(*octets));
        let vouched = self.heads.keys().next().map(|oldest| oldest + 1);
        own.filter(|own| Some(*own) == vouched).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::entry::Draft;
    use crate::audit::head::Seal;
    use crate::clock::Unix;

    const ENTRIES: u64 = 6;

    struct Written {
        octets: Vec<u8>,
        /// Where each frame begins, and the end.
        begins: Vec<usize>,
        heads: Vec<Head>,
        key: [u8; 32],
    }

    /// A log of six entries; heads for the third and the last.
    fn written() -> Written {
        let (seal, _) = Seal::generate().unwrap();
        let (mut octets, mut begins, mut heads, mut hash) = (Vec::new(), vec![0], Vec::new(), Hash::default());
        for seq in 1..=ENTRIES {
            let entry = Entry { seq, at: Unix(1000 * seq), said: Draft::system("test", format!("entry {seq}")) };
            hash = push(&entry, hash, &mut octets);
            begins.push(octets.len());
            if seq % 3 == 0 {
                heads.push(seal.sign(seq, Unix(1000 * seq), hash));
            }
        }
        Written { octets, begins, heads, key: seal.public() }
    }

    fn verify(octets: &[u8], heads: &[Head]) -> Result<u64, Bad> {
        let mut walk = Walk::new(heads, None)?;
        walk.file("day", octets, |_| {})?;
        walk.finish()?;
        Ok(walk.entries())
    }

    #[test]
    fn a_good_log_is_good() {
        let log = written();
        assert_eq!(verify(&log.octets, &log.heads), Ok(ENTRIES));
        assert_eq!(verify(&[], &[]), Ok(0));
        assert!(Walk::new(&log.heads, Some(log.key)).is_ok());
        assert_eq!(Walk::new(&log.heads, Some([1; 32])).unwrap_err().why, Why::OtherKey);
    }

    #[test]
    fn each_changed_octet_names_its_entry() {
        let log = written();
        for at in 0..log.octets.len() {
            for bit in [0, 7] {
                let mut octets = log.octets.clone();
                octets[at] ^= 1 << bit;
                let bad = verify(&octets, &log.heads).unwrap_err();
                let seq = log.begins.partition_point(|begin| *begin <= at) as u64;
                assert_eq!((bad.seq, bad.offset), (seq, log.begins[seq as usize - 1]), "octet {at}: {bad}");
            }
        }
    }

    #[test]
    fn removed_exchanged_and_repeated_entries_are_found() {
        let log = written();
        let frame = |seq: usize| &log.octets[log.begins[seq - 1]..log.begins[seq]];
        let order = |order: &[usize]| order.iter().flat_map(|seq| frame(*seq)).copied().collect::<Vec<u8>>();
        for (seqs, first_bad, why) in [
            (&[2, 3, 4, 5, 6][..], 1, Why::NoStart),
            (&[1, 3, 4, 5, 6], 2, Why::OutOfPlace),
            (&[1, 2, 4, 3, 5, 6], 3, Why::OutOfPlace),
            (&[1, 2, 2, 3, 4, 5, 6], 3, Why::OutOfPlace),
            (&[1, 2, 3, 4, 5], 6, Why::Missing),
            (&[1, 2], 3, Why::Missing),
            (&[], 1, Why::Missing),
        ] {
            let bad = verify(&order(seqs), &log.heads).unwrap_err();
            assert_eq!((bad.seq, bad.why), (first_bad, why), "{seqs:?}");
        }
        // What a head vouches for may be gone from the start.
        assert_eq!(verify(&order(&[4, 5, 6]), &log.heads), Ok(3));
        assert_eq!(verify(&order(&[4, 5, 6]), &log.heads[1..]).unwrap_err().why, Why::NoStart);
    }

    #[test]
    fn every_cut_is_found_against_the_heads() {
        let log = written();
        for length in 0..log.octets.len() {
            let bad = verify(&log.octets[..length], &log.heads).unwrap_err();
            let complete = log.begins.iter().filter(|begin| **begin <= length).count() as u64 - 1;
            assert_eq!(bad.seq, complete + 1, "{length} octets: {bad}");
            assert_ne!(bad.why, Why::Torn, "no crash cuts what a head vouches for");
        }
    }

    #[test]
    fn another_history_does_not_fit_the_heads() {
        let (log, other) = (written(), written());
        let mut octets = Vec::new();
        let mut hash = Hash::default();
        for seq in 1..=ENTRIES {
            let entry = Entry { seq, at: Unix(1000 * seq), said: Draft::system("test", "rewritten") };
            hash = push(&entry, hash, &mut octets);
        }
        let bad = verify(&octets, &log.heads).unwrap_err();
        assert_eq!((bad.seq, bad.why), (3, Why::OtherThanHead));
        let mixed = [log.heads[0], other.heads[1]];
        assert_eq!(verify(&log.octets, &mixed).unwrap_err().why, Why::OtherKey);
    }
}
