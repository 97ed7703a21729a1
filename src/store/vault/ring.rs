//! The key ring: a random data key for each account and day, one for the tokens of each account's numbers in the archive, and
//! one for the tokens that stand for persons elsewhere; all wrapped by the master key and kept in small files.
//!
//! A key is on the disk before it seals anything. The keys of a day are one page, one file, destroyed at once; so are,
//! page by page, the keys of an account. What is destroyed is written into the register first, which lies elsewhere. When
//! that is due is the vault's to say.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry as Slot;
use std::path::PathBuf;

use aws_lc_rs::aead::LessSafeKey;
use aws_lc_rs::hmac;
use rustc_hash::FxHashMap;

use super::drawer::Drawer;
use super::master::{KEY_LENGTH, MasterKey, data_key, random, wipe};
use super::page::{Entry, HELD_DAY, PERSONS, Page, Purpose, RING};
use super::ranges::Ranges;
use super::register::Register;
use super::{KeyFault, KeyFigures};

/// The ring and its files.
pub(super) struct Ring {
    drawer: Box<dyn Drawer>,
    register: Register,
    master: MasterKey,
    /// The ring's own page: keys of tokens, generations of accounts, serials destroyed.
    own: Page,
    /// Whether that page is in its file.
    is_begun: bool,
    /// The key of persons' tokens, where one was made.
    persons: Option<Page>,
    /// Pages of data keys, by serial.
    pages: BTreeMap<u32, Page>,
    /// The page that new blocks are sealed under. Of journal pages only the newest is here: blocks are cut in the order in
    /// which they were written, so pages must follow each other whatever the clock does.
    current: BTreeMap<(Purpose, u32), u32>,
    /// Generations that the register says are destroyed, by account.
    floors: BTreeMap<u16, u16>,
    next: u32,
    /// Data keys at hand, by serial, account and generation.
    opened: RefCell<FxHashMap<(u32, u16, u16), LessSafeKey>>,
    /// Token keys at hand, by account.
    tokens: RefCell<FxHashMap<u16, hmac::Key>>,
    figures: KeyFigures,
}

impl Ring {
    /// Reads a ring, or begins one where the drawer is empty; what its register says is destroyed is destroyed again, and
    /// what `previous` wraps is wrapped by `master`.
    ///
    /// # Errors
    /// [`KeyFault::WrongMaster`] when neither key fits, [`KeyFault::DamagedFile`], [`KeyFault::File`].
    pub(super) fn open(
        mut drawer: Box<dyn Drawer>,
        mut register: Register,
        master: MasterKey,
        previous: Option<&MasterKey>,
    ) -> Result<Self, KeyFault> {
        drawer.tidy()?;
        let names = drawer.names()?;
        let mut figures = KeyFigures::default();
        let begun = drawer.read(RING)?;
        let is_begun = begun.is_some();
        let mut own = match begun {
            Some(octets) => decode(&*drawer, RING, &octets)?,
            None if names.iter().any(|name| Page::serial_of(name).is_some() || name == PERSONS) => {
                let what = "it is missing, and files of keys that belong to it are there";
                return Err(KeyFault::DamagedFile { path: drawer.place(RING), what });
            }
            None => Page {
                purpose: Purpose::Tokens,
                fingerprint: master.fingerprint(),
                ring: u64::from_le_bytes(random()?),
                serial: 0,
                day: 0,
                destroyed: Ranges::default(),
                entries: BTreeMap::new(),
            },
        };
        rewrap(&mut *drawer, &mut own, &master, previous, &mut figures)?;
        let registered = register.read(own.ring)?;
        register.prepare()?;
        registered.serials.iter().for_each(|(first, last)| own.destroyed.add(first, last));
        let mut ring = Self {
            next: own.destroyed.greatest(),
            drawer,
            register,
            master,
            own,
            is_begun,
            persons: None,
            pages: BTreeMap::new(),
            current: BTreeMap::new(),
            floors: registered.generations,
            opened: RefCell::default(),
            tokens: RefCell::default(),
            figures,
        };
        for name in names {
            ring.load(&name, previous)?;
        }
        ring.next = ring.next.max(ring.pages.last_key_value().map_or(0, |(serial, _)| *serial)) + 1;
        let serials: Vec<u32> = ring.pages.keys().copied().collect();
        serials.into_iter().for_each(|serial| ring.note_current(serial));
        ring.finish_shreds()?;
        Ok(ring)
    }

    /// Takes one file in, unless its keys are destroyed: then what a crash, or a backup, left of it goes.
    fn load(&mut self, name: &str, previous: Option<&MasterKey>) -> Result<(), KeyFault> {
        let serial = Page::serial_of(name);
        if serial.is_none() && name != PERSONS {
            return Ok(());
        }
        if serial.is_some_and(|serial| self.own.destroyed.contains(serial)) {
            return self.drawer.destroy(&[name.to_owned()]);
        }
        let Some(octets) = self.drawer.read(name)? else { return Ok(()) };
        let mut page = decode(&*self.drawer, name, &octets)?;
        if page.ring != self.own.ring || page.name() != name {
            let what = "it belongs to another ring of keys, or has another name than its own";
            return Err(KeyFault::DamagedFile { path: self.drawer.place(name), what });
        }
        rewrap(&mut *self.drawer, &mut page, &self.master, previous, &mut self.figures)?;
        match serial {
            Some(serial) => drop(self.pages.insert(serial, page)),
            None => self.persons = Some(page),
        }
        Ok(())
    }

    /// The key of persons' tokens. Where there is none, `given` becomes it, or a random one if `may_make`: durably.
    ///
    /// # Errors
    /// [`KeyFault::NoPersons`] when there is none and none may be made, [`KeyFault::DamagedFile`], [`KeyFault::File`],
    /// [`KeyFault::NoChance`].
    pub(super) fn person_key(
        &mut self,
        given: Option<&[u8; KEY_LENGTH]>,
        may_make: bool,
    ) -> Result<[u8; KEY_LENGTH], KeyFault> {
        if let Some(page) = &self.persons {
            let what = "the key that it is for is not in it";
            let damaged = || KeyFault::DamagedFile { path: self.drawer.place(PERSONS), what };
            let (account, entry) = page.entries.first_key_value().ok_or_else(damaged)?;
            return self.unwrap(page, *account, entry);
        }
        let key = match given {
            Some(given) => *given,
            None if may_make => random()?,
            None => return Err(KeyFault::NoPersons { path: self.drawer.place(PERSONS) }),
        };
        if !self.is_begun {
            // The identity that the page is bound to.
            self.keep_own(self.own.clone())?;
        }
        let mut page = Page {
            purpose: Purpose::Persons,
            serial: 0,
            destroyed: Ranges::default(),
            entries: BTreeMap::new(),
            ..self.own.clone()
        };
        let (account, generation) = (0, 0);
        let (name, nonce) = (page.name_of(account, generation), page.nonce_of(account, generation));
        let wrapped = self.master.wrap(&name, nonce, &key);
        page.entries.insert(account, Entry { generation, wrapped });
        self.drawer.put(&page.name(), &page.encode())?;
        self.persons = Some(page);
        Ok(key)
    }

    /// Ends what a crash interrupted, or a backup undid: keys of a generation that is destroyed.
    fn finish_shreds(&mut self) -> Result<(), KeyFault> {
        let behind = |(account, floor): (&u16, &u16)| {
            self.own.entries.get(account).is_some_and(|entry| entry.generation <= *floor).then_some(*account)
        };
        let again: Vec<u16> = self.floors.iter().filter_map(behind).collect();
        for account in again {
            self.shred(account)?;
        }
        let mut stale: Vec<u16> = self.pages.values().flat_map(|page| self.stale(page)).collect();
        stale.sort_unstable();
        stale.dedup();
        stale.into_iter().try_for_each(|account| self.drop_stale(account).map(drop))
    }

    fn stale<'a>(&'a self, page: &'a Page) -> impl Iterator<Item = u16> + 'a {
        let is_stale = |(account, entry): &(&u16, &Entry)| entry.generation < self.generation(**account);
        page.entries.iter().filter(is_stale).map(|(account, _)| *account)
    }

    /// The generation that the next key of an account has.
    fn generation(&self, account: u16) -> u16 {
        let floor = self.floors.get(&account).map_or(0, |floor| floor.saturating_add(1));
        self.own.entries.get(&account).map_or(floor, |entry| entry.generation.max(floor))
    }

    /// The page for these accounts, with a key for each: made, durably, where it is missing.
    ///
    /// # Errors
    /// [`KeyFault::File`], [`KeyFault::NoChance`]; nothing may be sealed then.
    pub(super) fn provide(&mut self, purpose: Purpose, day: u32, accounts: &[u16]) -> Result<u32, KeyFault> {
        let known = self.current.get(&(purpose, day)).copied();
        if let Some(serial) = known
            && let Some(page) = self.pages.get(&serial)
            && accounts.iter().all(|account| page.entries.contains_key(account))
        {
            return Ok(serial);
        }
        let mut page = match known.and_then(|serial| self.pages.get(&serial)) {
            Some(page) => page.clone(),
            None => Page {
                purpose,
                fingerprint: self.master.fingerprint(),
                ring: self.own.ring,
                serial: self.next,
                day,
                destroyed: Ranges::default(),
                entries: BTreeMap::new(),
            },
        };
        let mut wanted = accounts.to_vec();
        if page.entries.is_empty() {
            // A new day: who sent yesterday sends today, and all their keys are one write.
            let before = self.pages.values().rev().find(|other| other.purpose == purpose && other.day != HELD_DAY);
            wanted.extend(before.into_iter().flat_map(|page| page.entries.keys()));
        }
        self.enroll(&wanted)?;
        let before = page.entries.len();
        for account in wanted {
            if !page.entries.contains_key(&account) {
                let entry = self.fresh(&page, account)?;
                page.entries.insert(account, entry);
            }
        }
        self.drawer.put(&page.name(), &page.encode())?;
        self.figures.made += (page.entries.len() - before) as u64;
        let serial = page.serial;
        self.next = self.next.max(serial + 1);
        self.pages.insert(serial, page);
        self.note_current(serial);
        Ok(serial)
    }

    /// Gives each account a key of tokens; begins the ring with the first page.
    fn enroll(&mut self, accounts: &[u16]) -> Result<(), KeyFault> {
        if self.is_begun && accounts.iter().all(|account| self.own.entries.contains_key(account)) {
            return Ok(());
        }
        let mut own = self.own.clone();
        for account in accounts {
            if !own.entries.contains_key(account) {
                let entry = self.fresh(&own, *account)?;
                own.entries.insert(*account, entry);
            }
        }
        self.keep_own(own)
    }

    fn keep_own(&mut self, own: Page) -> Result<(), KeyFault> {
        self.drawer.put(RING, &own.encode())?;
        (self.own, self.is_begun) = (own, true);
        Ok(())
    }

    fn fresh(&self, page: &Page, account: u16) -> Result<Entry, KeyFault> {
        let generation = self.generation(account);
        let mut key: [u8; KEY_LENGTH] = random()?;
        let (name, nonce) = (page.name_of(account, generation), page.nonce_of(account, generation));
        let wrapped = self.master.wrap(&name, nonce, &key);
        wipe(&mut key);
        Ok(Entry { generation, wrapped })
    }

    fn note_current(&mut self, serial: u32) {
        let Some(page) = self.pages.get(&serial) else { return };
        if page.purpose == Purpose::Journal {
            self.current.retain(|(purpose, _), _| *purpose != Purpose::Journal);
        }
        self.current.insert((page.purpose, page.day), serial);
    }

    /// The generation of an account's key in a page.
    pub(super) fn generation_in(&self, serial: u32, account: u16) -> Option<u16> {
        Some(self.pages.get(&serial)?.entries.get(&account)?.generation)
    }

    /// The day of a page that is there.
    #[cfg(test)]
    pub(super) fn day(&self, serial: u32) -> Option<u32> {
        self.pages.get(&serial).map(|page| page.day)
    }

    /// Whether blocks sealed under this page can be accounted for: it is there, or is destroyed.
    pub(super) fn knows(&self, serial: u32) -> bool {
        self.pages.contains_key(&serial) || self.own.destroyed.contains(serial)
    }

    /// Where a file of keys is, for people.
    pub(super) fn place(&self, name: &str) -> PathBuf {
        self.drawer.place(name)
    }

    /// That a page is neither there nor destroyed.
    pub(super) fn gone(&self, page: u32) -> KeyFault {
        KeyFault::Gone { folder: self.drawer.place(""), page }
    }

    /// Lends a data key; `None` when it is destroyed.
    ///
    /// # Errors
    /// [`KeyFault::Gone`] when it is neither there nor destroyed, [`KeyFault::DamagedFile`] when it does not unwrap.
    pub(super) fn with_key<T>(
        &self,
        serial: u32,
        account: u16,
        generation: u16,
        task: impl FnOnce(&LessSafeKey) -> T,
    ) -> Result<Option<T>, KeyFault> {
        let id = (serial, account, generation);
        let mut opened = self.opened.borrow_mut();
        if let Some(key) = opened.get(&id) {
            return Ok(Some(task(key)));
        }
        if self.own.destroyed.contains(serial) || generation < self.generation(account) {
            return Ok(None);
        }
        let page = self.pages.get(&serial).ok_or_else(|| self.gone(serial))?;
        let entry = page.entries.get(&account).filter(|entry| entry.generation == generation);
        let entry = entry.ok_or_else(|| self.gone(serial))?;
        let mut octets = self.unwrap(page, account, entry)?;
        if opened.len() >= OPENED_MAX {
            opened.clear();
        }
        let key = opened.entry(id).or_insert_with(|| data_key(&octets));
        wipe(&mut octets);
        Ok(Some(task(key)))
    }

    fn unwrap(&self, page: &Page, account: u16, entry: &Entry) -> Result<[u8; KEY_LENGTH], KeyFault> {
        let Entry { generation, ref wrapped } = *entry;
        let (name, nonce) = (page.name_of(account, generation), page.nonce_of(account, generation));
        self.master.unwrap(&name, nonce, wrapped).ok_or_else(|| KeyFault::DamagedFile {
            path: self.drawer.place(&page.name()),
            what: "a key in it does not unwrap",
        })
    }

    /// HMAC-SHA-256 under the account's own key, its first eight octets; `None` for an account without one.
    ///
    /// # Errors
    /// [`KeyFault::DamagedFile`] when the key does not unwrap.
    pub(super) fn token(&self, account: u16, octets: &[u8]) -> Result<Option<u64>, KeyFault> {
        let mut tokens = self.tokens.borrow_mut();
        let key = match tokens.entry(account) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(place) => {
                let Some(entry) = self.own.entries.get(&account) else { return Ok(None) };
                let mut key = self.unwrap(&self.own, account, entry)?;
                let made = hmac::Key::new(hmac::HMAC_SHA256, &key);
                wipe(&mut key);
                place.insert(made)
            }
        };
        Ok(hmac::sign(key, octets).as_ref().first_chunk().copied().map(u64::from_le_bytes))
    }

    /// Pages that `is_over` says are.
    pub(super) fn over(&self, mut is_over: impl FnMut(u32, Purpose, u32) -> bool) -> Vec<u32> {
        let over = |(serial, page): (&u32, &Page)| is_over(*serial, page.purpose, page.day).then_some(*serial);
        self.pages.iter().filter_map(over).collect()
    }

    /// Destroys pages: first in the register, then in the ring, then their files.
    ///
    /// # Errors
    /// [`KeyFault::File`]; they count as destroyed once the register says so, and the same call ends the work.
    pub(super) fn destroy(&mut self, serials: &[u32]) -> Result<u64, KeyFault> {
        if serials.is_empty() {
            return Ok(0);
        }
        self.register.add(self.own.ring, |own| serials.iter().for_each(|serial| own.serials.add(*serial, *serial)))?;
        let mut own = self.own.clone();
        serials.iter().for_each(|serial| own.destroyed.add(*serial, *serial));
        self.keep_own(own)?;
        let names: Vec<String> = serials.iter().filter_map(|serial| self.pages.get(serial)).map(Page::name).collect();
        self.drawer.destroy(&names)?;
        let gone = serials.iter().filter_map(|serial| self.pages.remove(serial));
        let keys = gone.map(|page| page.entries.len() as u64).sum();
        self.current.retain(|_, serial| self.pages.contains_key(serial));
        self.opened.get_mut().retain(|(serial, _, _), _| self.pages.contains_key(serial));
        self.figures.destroyed += keys;
        Ok(keys)
    }

    /// Destroys all keys of an account. What it sends from now on gets new ones.
    ///
    /// # Errors
    /// As [`Ring::destroy`].
    pub(super) fn shred(&mut self, account: u16) -> Result<u64, KeyFault> {
        let Some(entry) = self.own.entries.get(&account) else { return Ok(0) };
        let gone = self.floors.get(&account).map_or(entry.generation, |floor| entry.generation.max(*floor));
        self.register.add(self.own.ring, |own| {
            own.generations.insert(account, gone);
        })?;
        self.floors.insert(account, gone);
        let mut own = self.own.clone();
        let entry = self.fresh(&own, account)?;
        own.entries.insert(account, entry);
        self.keep_own(own)?;
        self.tokens.get_mut().remove(&account);
        self.drop_stale(account)
    }

    /// Writes the pages anew that hold keys of an account from before they were destroyed.
    fn drop_stale(&mut self, account: u16) -> Result<u64, KeyFault> {
        let generation = self.generation(account);
        self.opened.get_mut().retain(|(_, owner, of), _| *owner != account || *of >= generation);
        let mut keys = 0;
        for page in self.pages.values_mut() {
            if page.entries.get(&account).is_none_or(|entry| entry.generation >= generation) {
                continue;
            }
            let mut without = page.clone();
            without.entries.remove(&account);
            self.drawer.put(&without.name(), &without.encode())?;
            *page = without;
            keys += 1;
        }
        self.figures.destroyed += keys;
        Ok(keys)
    }

    pub(super) fn figures(&self) -> KeyFigures {
        let keys = self.pages.values().map(|page| page.entries.len() as u64).sum();
        KeyFigures { keys, ..self.figures }
    }
}

fn decode(drawer: &dyn Drawer, name: &str, octets: &[u8]) -> Result<Page, KeyFault> {
    Page::decode(octets).map_err(|what| KeyFault::DamagedFile { path: drawer.place(name), what })
}

/// Looks whether one of the master keys fits a ring that may be in use.
///
/// # Errors
/// As [`Ring::open`].
pub(super) fn inspect(drawer: &dyn Drawer, master: &MasterKey, previous: Option<&MasterKey>) -> Result<(), KeyFault> {
    let Some(octets) = drawer.read(RING)? else { return Ok(()) };
    let own = decode(drawer, RING, &octets)?;
    let fits = [Some(master), previous].into_iter().flatten().any(|key| key.fingerprint() == own.fingerprint);
    if fits { Ok(()) } else { Err(wrong_master(drawer, &own, master)) }
}

fn wrong_master(drawer: &dyn Drawer, page: &Page, master: &MasterKey) -> KeyFault {
    let (expected, found) = (page.fingerprint.to_string(), master.fingerprint().to_string());
    KeyFault::WrongMaster { path: drawer.place(&page.name()), expected, found }
}

/// Wraps the keys of a page by the master key, where the one before did.
fn rewrap(
    drawer: &mut dyn Drawer,
    page: &mut Page,
    master: &MasterKey,
    previous: Option<&MasterKey>,
    figures: &mut KeyFigures,
) -> Result<(), KeyFault> {
    if page.fingerprint == master.fingerprint() {
        return Ok(());
    }
    let Some(previous) = previous.filter(|previous| previous.fingerprint() == page.fingerprint) else {
        return Err(wrong_master(drawer, page, master));
    };
    let path = drawer.place(&page.name());
    let mut anew = page.clone();
    anew.fingerprint = master.fingerprint();
    for (account, entry) in &mut anew.entries {
        let (name, nonce) = (page.name_of(*account, entry.generation), page.nonce_of(*account, entry.generation));
        let what = "a key in it does not unwrap";
        let damaged = || KeyFault::DamagedFile { path: path.clone(), what };
        let mut key = previous.unwrap(&name, nonce, &entry.wrapped).ok_or_else(damaged)?;
        entry.wrapped = master.wrap(&name, nonce, &key);
        wipe(&mut key);
    }
    drawer.put(&anew.name(), &anew.encode())?;
    figures.rewrapped += anew.entries.len() as u64;
    *page = anew;
    Ok(())
}

/// Data keys kept at hand: a few hundred octets each. Beyond, they are unwrapped anew.
const OPENED_MAX: usize = 4_096;
