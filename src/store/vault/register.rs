//! The register of destroyed keys: a small text that lies apart from the keys, so that a backup of the store which brings
//! keys back does not bring them to life.
//!
//! One register may serve several rings; each reads and changes its own part. It names pages and accounts by number and
//! holds no key.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::KeyFault;
use super::drawer::Drawer;
use super::ranges::Ranges;

/// What of one ring is destroyed for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Destroyed {
    /// Pages.
    pub(super) serials: Ranges,
    /// For an account, the greatest generation whose keys are destroyed.
    pub(super) generations: BTreeMap<u16, u16>,
}

/// The register in its file.
pub(super) struct Register {
    drawer: Box<dyn Drawer>,
    name: String,
}

impl Register {
    pub(super) fn new(drawer: Box<dyn Drawer>, name: &str) -> Self {
        Self { drawer, name: name.to_owned() }
    }

    /// Makes the file where it is missing, so that what cannot be written is found out before it must be.
    ///
    /// # Errors
    /// [`KeyFault::File`].
    pub(super) fn prepare(&mut self) -> Result<(), KeyFault> {
        match self.drawer.read(&self.name)? {
            Some(_) => Ok(()),
            None => self.drawer.put(&self.name, write(&BTreeMap::new()).as_bytes()),
        }
    }

    /// What it says of a ring; nothing where there is no register.
    ///
    /// # Errors
    /// [`KeyFault::DamagedFile`] when it cannot be understood.
    pub(super) fn read(&self, ring: u64) -> Result<Destroyed, KeyFault> {
        Ok(self.all()?.remove(&ring).unwrap_or_default())
    }

    /// Adds to what is destroyed of a ring, durably.
    ///
    /// # Errors
    /// [`KeyFault`]; then it says what it said before, or this too.
    pub(super) fn add(&mut self, ring: u64, change: impl FnOnce(&mut Destroyed)) -> Result<(), KeyFault> {
        let mut all = self.all()?;
        let own = all.entry(ring).or_default();
        let before = own.clone();
        change(own);
        if *own == before {
            return Ok(());
        }
        self.drawer.put(&self.name, write(&all).as_bytes())
    }

    fn all(&self) -> Result<BTreeMap<u64, Destroyed>, KeyFault> {
        let Some(octets) = self.drawer.read(&self.name)? else { return Ok(BTreeMap::new()) };
        let text = std::str::from_utf8(&octets).ok();
        text.and_then(parse).ok_or_else(|| KeyFault::DamagedFile {
            path: self.drawer.place(&self.name),
            what: "it is no register of destroyed keys, or one that ends early",
        })
    }
}

fn write(all: &BTreeMap<u64, Destroyed>) -> String {
    let mut text = String::from(HEAD);
    text.push('\n');
    for (ring, destroyed) in all {
        let _ = writeln!(text, "ring {ring:016x}");
        for (first, last) in destroyed.serials.iter() {
            let _ = writeln!(text, "pages {first} {last}");
        }
        for (account, generation) in &destroyed.generations {
            let _ = writeln!(text, "account {account} {generation}");
        }
    }
    text.push_str(END);
    text.push('\n');
    text
}

fn parse(text: &str) -> Option<BTreeMap<u64, Destroyed>> {
    let lines = text.strip_suffix('\n')?.strip_suffix(END)?.strip_suffix('\n')?;
    let mut lines = lines.lines();
    if lines.next() != Some(HEAD) {
        return None;
    }
    let mut all = BTreeMap::new();
    let mut own: Option<&mut Destroyed> = None;
    for line in lines {
        let mut words = line.split(' ');
        match (words.next()?, words.next()?, words.next(), words.next()) {
            ("ring", ring, None, None) => {
                own = Some(all.entry(u64::from_str_radix(ring, 16).ok()?).or_default());
            }
            ("pages", first, Some(last), None) => {
                own.as_mut()?.serials.add(first.parse().ok()?, last.parse().ok()?);
            }
            ("account", account, Some(generation), None) => {
                own.as_mut()?.generations.insert(account.parse().ok()?, generation.parse().ok()?);
            }
            _ => return None,
        }
    }
    Some(all)
}

const HEAD: &str = "smppgate: keys that are destroyed, version 1";
const END: &str = "end";

#[cfg(test)]
mod tests {
    use super::super::drawer::Memory;
    use super::*;

    fn register() -> Register {
        Register::new(Box::new(Memory::default()), "destroyed-keys")
    }

    #[test]
    fn what_is_added_is_read_and_rings_do_not_mix() {
        let mut register = register();
        assert_eq!(register.read(7), Ok(Destroyed::default()));
        register.add(7, |own| own.serials.add(1, 3)).expect("added");
        register.add(8, |own| own.serials.add(9, 9)).expect("added");
        register.add(7, |own| own.serials.add(5, 5)).expect("added");
        register.add(7, |own| assert_eq!(own.generations.insert(2, 4), None)).expect("added");
        let own = register.read(7).expect("read");
        assert_eq!(own.serials.iter().collect::<Vec<_>>(), [(1, 3), (5, 5)]);
        assert_eq!(own.generations, BTreeMap::from([(2, 4)]));
        assert_eq!(register.read(8).expect("read").serials.iter().collect::<Vec<_>>(), [(9, 9)]);
    }

    #[test]
    fn a_register_that_is_cut_or_changed_is_refused() {
        let mut all = BTreeMap::new();
        let own: &mut Destroyed = all.entry(7).or_default();
        own.serials.add(1, 3);
        own.generations.insert(2, 4);
        let text = write(&all);
        assert_eq!(parse(&text), Some(all));
        for at in 0..text.len() {
            assert_eq!(parse(&text[..at]), None, "cut at {at}");
        }
        for wrong in ["pages 1 2", "ring x", "ring 1\npages 1", "ring 1\npages 1 2 3", "ring 1\nkeys 1 2"] {
            assert_eq!(parse(&format!("{HEAD}\n{wrong}\n{END}\n")), None, "{wrong}");
        }
    }
}
