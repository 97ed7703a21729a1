//! From a block to its sealed form and back: what is personal in it is encrypted where it stands, account by account, and
//! everything else stays readable.
//!
//! The secrets of one account in one block are sealed as one text, in the order in which they stand, for that costs the
//! same as a long message instead of many short ones. Sealed with them, in the clear, is the plain head of each: nothing
//! of a record with a secret can be changed or moved unseen. A record whose key is destroyed opens as nothing: in a journal
//! block a [`Write::Blank`] of its length, in an archive block no record at all.
//!
//! Behind the records follow, little-endian: in archive blocks, tokens (u32 each: of source and destination, record by
//! record); sections (account u16, generation u16, tag 16); serial of the page of keys u32, number of tokens u32, number
//! of sections u32.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};

use super::KeyFault;
use super::ring::Ring;
use crate::store::Fault;
use crate::store::archive::{self, ArchiveBlock, ArchiveKey, Extent};
use crate::store::block::Block;
use crate::store::envelope::{self, Damage, ENVELOPE_LENGTH, Kind};
use crate::store::write::{BLANK_HEAD, Reader, Write};

/// A secret: the end of a stretch of octets, whose beginning is its plain head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Secret {
    pub(super) account: u16,
    start: usize,
    text: usize,
    end: usize,
}

#[cfg(test)]
impl Secret {
    /// Head and text; nothing of one without a text, for which there is nothing to protect.
    pub(super) fn stretch(self) -> std::ops::Range<usize> {
        if self.text == self.end { 0..0 } else { self.start..self.end }
    }
}

/// What stands behind the records of a sealed block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trailer {
    /// Page of keys.
    pub(super) serial: u32,
    pub(super) tokens: Vec<u32>,
    sections: Vec<Section>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Section {
    account: u16,
    generation: u16,
    tag: [u8; TAG_LENGTH],
}

/// Why a block does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Unopened {
    /// It is not what was written.
    Damage(Damage),
    /// Its keys cannot be had.
    Key(KeyFault),
}

impl Unopened {
    /// As the fault of a journal block.
    pub(in crate::store) fn of_block(self, block: u64) -> Fault {
        match self {
            Self::Damage(damage) => Fault::Damaged { block, damage },
            Self::Key(fault) => Fault::Keys(fault),
        }
    }

    /// As the fault of an archive block.
    pub(in crate::store) fn of_archive(self, key: ArchiveKey) -> Fault {
        match self {
            Self::Damage(damage) => Fault::DamagedArchive { key, damage },
            Self::Key(fault) => Fault::Keys(fault),
        }
    }
}

impl From<Damage> for Unopened {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<KeyFault> for Unopened {
    fn from(fault: KeyFault) -> Self {
        Self::Key(fault)
    }
}

/// Where a block is filed: what its sections are bound to besides their heads.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Journal(u64),
    Archive(ArchiveKey),
}

impl Place {
    fn sealed_kind(self) -> Kind {
        match self {
            Self::Journal(_) => Kind::SealedJournal,
            Self::Archive(_) => Kind::SealedArchive,
        }
    }

    fn plain_kind(self) -> Kind {
        match self {
            Self::Journal(_) => Kind::Journal,
            Self::Archive(_) => Kind::Archive,
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Journal(number) => number,
            Self::Archive(key) => key.block,
        }
    }

    /// One for each section that a key seals, but for a block that is written again with other records: AES-GCM-SIV then
    /// tells only whether it is the same text.
    fn nonce(self) -> [u8; NONCE_LEN] {
        let mut nonce = [0; NONCE_LEN];
        nonce[0] = self.sealed_kind() as u8;
        nonce[4..].copy_from_slice(&self.number().to_le_bytes());
        if let Self::Archive(key) = self {
            nonce[1] = key.class;
            nonce[2..4].copy_from_slice(&((key.forget_hour % 0x1_0000) as u16).to_le_bytes());
        }
        nonce
    }

    /// What a section is bound to before the heads.
    fn bind(self, serial: u32, account: u16, generation: u16, aad: &mut Vec<u8>) {
        aad.clear();
        aad.extend_from_slice(&[envelope::VERSION, self.sealed_kind() as u8]);
        aad.extend_from_slice(&self.number().to_le_bytes());
        if let Self::Archive(key) = self {
            aad.push(key.class);
            aad.extend_from_slice(&key.forget_hour.to_le_bytes());
        }
        aad.extend_from_slice(&serial.to_le_bytes());
        aad.extend_from_slice(&account.to_le_bytes());
        aad.extend_from_slice(&generation.to_le_bytes());
    }

    /// Finds the secrets in the plain or sealed form, sorted by account.
    pub(super) fn secrets(self, octets: &[u8], secrets: &mut Vec<Secret>) -> Result<(), Damage> {
        secrets.clear();
        match self {
            Self::Journal(_) => journal_secrets(octets, secrets)?,
            Self::Archive(_) => archive_secrets(octets, secrets)?,
        }
        if !secrets.is_sorted_by_key(|secret| secret.account) {
            secrets.sort_unstable_by_key(|secret| (secret.account, secret.start));
        }
        Ok(())
    }
}

fn journal_secrets(octets: &[u8], secrets: &mut Vec<Secret>) -> Result<(), Damage> {
    let mut start = ENVELOPE_LENGTH;
    while let Some(rest) = octets.get(start..).filter(|rest| !rest.is_empty()) {
        let (write, length) = Write::decode(rest)?;
        let end = start + length;
        if let Some((account, secret)) = write.secret() {
            secrets.push(Secret { account: account.0, start, text: end - secret, end });
        }
        start = end;
    }
    Ok(())
}

fn archive_secrets(octets: &[u8], secrets: &mut Vec<Secret>) -> Result<(), Damage> {
    let mut start = archive::RECORDS_AT;
    while start < octets.len() {
        let archive::Layout { source, destination, text } = archive::layout_at(octets, start)?;
        let account = archive::account_at(octets, start)?.0;
        secrets.push(Secret { account, start, text: source.start, end: source.end });
        secrets.push(Secret { account, start: source.end, text: destination.start, end: destination.end });
        if text.end > destination.end {
            // Other carriers are not secret, and bound like the heads.
            secrets.push(Secret { account, start: destination.end, text: text.start, end: text.end });
        }
        start = text.end;
    }
    Ok(())
}

/// Room to work in, kept from block to block.
#[derive(Default)]
pub(super) struct Bench {
    pub(super) secrets: Vec<Secret>,
    pub(super) accounts: Vec<u16>,
    pub(super) octets: Vec<u8>,
    aad: Vec<u8>,
    text: Vec<u8>,
}

impl Bench {
    /// Takes the octets of a block, and finds its secrets and their accounts.
    pub(super) fn take(&mut self, place: Place, octets: &[u8]) -> Result<(), Damage> {
        self.octets.clear();
        self.octets.extend_from_slice(octets);
        place.secrets(&self.octets, &mut self.secrets)?;
        self.accounts.clear();
        self.accounts
            .extend(self.secrets.chunk_by(|one, other| one.account == other.account).map(|run| run[0].account));
        Ok(())
    }

    /// Seals what was taken, under the keys of a page that has one for each account; the sealed form is in `octets`.
    pub(super) fn seal(&mut self, place: Place, ring: &Ring, trailer: &mut Trailer) -> Result<(), KeyFault> {
        let Self { secrets, octets, aad, text, .. } = self;
        trailer.sections.clear();
        for run in secrets.chunk_by(|one, other| one.account == other.account) {
            let account = run[0].account;
            let gone = || ring.gone(trailer.serial);
            let generation = ring.generation_in(trailer.serial, account).ok_or_else(gone)?;
            place.bind(trailer.serial, account, generation, aad);
            gather(run, octets, aad, text);
            let nonce = Nonce::assume_unique_for_key(place.nonce());
            let seal = |key: &LessSafeKey| key.seal_in_place_separate_tag(nonce, Aad::from(&aad[..]), text);
            let sealed = ring.with_key(trailer.serial, account, generation, seal)?.ok_or_else(gone)?;
            let tag = sealed.expect("a block is within what the algorithm seals");
            scatter(run, octets, text);
            let tag = tag.as_ref().try_into().expect("tags of AES-256-GCM-SIV have 16 octets");
            trailer.sections.push(Section { account, generation, tag });
        }
        trailer.append(octets);
        envelope::set_kind(octets, place.sealed_kind());
        envelope::seal(octets);
        Ok(())
    }

    /// Opens a block's stored form in place, and says of which accounts the keys are destroyed.
    fn open(&mut self, place: Place, ring: &Ring, octets: &mut Vec<u8>) -> Result<Vec<u16>, Unopened> {
        let trailer = Trailer::cut(place, octets)?;
        place.secrets(octets, &mut self.secrets)?;
        let mut sections = trailer.sections.iter();
        let mut erased = Vec::new();
        for run in self.secrets.chunk_by(|one, other| one.account == other.account) {
            let account = run[0].account;
            let section = sections.next().filter(|section| section.account == account).ok_or(Damage::Sealed)?;
            place.bind(trailer.serial, account, section.generation, &mut self.aad);
            gather(run, octets, &mut self.aad, &mut self.text);
            let nonce = Nonce::assume_unique_for_key(place.nonce());
            let (aad, text) = (Aad::from(&self.aad[..]), &mut self.text);
            let open = |key: &LessSafeKey| key.open_in_place_separate_tag(nonce, aad, &section.tag, text).is_ok();
            match ring.with_key(trailer.serial, account, section.generation, open)? {
                Some(true) => scatter(run, octets, &self.text),
                Some(false) => return Err(Damage::Sealed.into()),
                None => erased.push(account),
            }
        }
        if sections.next().is_some() {
            return Err(Damage::Sealed.into());
        }
        Ok(erased)
    }

    /// A journal block as it was before it was sealed, with nothing in the place of what is destroyed.
    pub(super) fn open_journal(&mut self, ring: &Ring, number: u64, octets: Vec<u8>) -> Result<Block, Unopened> {
        let mut octets = octets;
        let place = Place::Journal(number);
        let erased = self.open(place, ring, &mut octets)?;
        for secret in self.secrets.iter().filter(|secret| erased.contains(&secret.account)) {
            let length = secret.end - secret.start;
            let room = length.checked_sub(BLANK_HEAD).and_then(|room| u32::try_from(room).ok()).ok_or(Damage::Field)?;
            self.text.clear();
            Write::Blank { room }.encode(&mut self.text);
            octets[secret.start..secret.end].copy_from_slice(&self.text);
        }
        finish(place, &mut octets);
        Ok(Block { number, octets: octets.into() })
    }

    /// An archive block as it was before it was sealed, without the records whose keys are destroyed.
    pub(super) fn open_archive(
        &mut self,
        ring: &Ring,
        key: ArchiveKey,
        octets: Vec<u8>,
    ) -> Result<ArchiveBlock, Unopened> {
        let mut octets = octets;
        let place = Place::Archive(key);
        let erased = self.open(place, ring, &mut octets)?;
        if !erased.is_empty() {
            archive::retain(&mut octets, |account| !erased.contains(&account.0))?;
        }
        finish(place, &mut octets);
        Ok(ArchiveBlock { key, octets })
    }
}

/// What the account's section is made of: after the binding all heads, and all texts.
fn gather(run: &[Secret], octets: &[u8], aad: &mut Vec<u8>, text: &mut Vec<u8>) {
    text.clear();
    for secret in run {
        aad.extend_from_slice(&octets[secret.start..secret.text]);
        text.extend_from_slice(&octets[secret.text..secret.end]);
    }
}

/// Puts the texts back where they were.
fn scatter(run: &[Secret], octets: &mut [u8], text: &[u8]) {
    let mut rest = text;
    for secret in run {
        let (own, behind) = rest.split_at(secret.end - secret.text);
        octets[secret.text..secret.end].copy_from_slice(own);
        rest = behind;
    }
}

fn finish(place: Place, octets: &mut [u8]) {
    envelope::set_kind(octets, place.plain_kind());
    envelope::seal(octets);
}

impl Trailer {
    /// For a block that will be sealed under this page.
    pub(super) fn new(serial: u32) -> Self {
        Self { serial, ..Self::default() }
    }

    fn append(&self, octets: &mut Vec<u8>) {
        for token in &self.tokens {
            octets.extend_from_slice(&token.to_le_bytes());
        }
        for section in &self.sections {
            octets.extend_from_slice(&section.account.to_le_bytes());
            octets.extend_from_slice(&section.generation.to_le_bytes());
            octets.extend_from_slice(&section.tag);
        }
        let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        octets.extend_from_slice(&self.serial.to_le_bytes());
        octets.extend_from_slice(&count(self.tokens.len()));
        octets.extend_from_slice(&count(self.sections.len()));
    }

    /// Reads the trailer of a sealed block that is whole.
    ///
    /// # Errors
    /// [`Damage`] when the block is not what was written.
    pub(super) fn read(place: Place, octets: &[u8]) -> Result<Self, Damage> {
        Self::whole(place, octets).map(|(trailer, _)| trailer)
    }

    /// The trailer of a block that is whole, and where the records before it end.
    fn whole(place: Place, octets: &[u8]) -> Result<(Self, usize), Damage> {
        envelope::check(place.sealed_kind(), place.number(), octets)?;
        let (trailer, end) = Self::parse(octets)?;
        let records = match place {
            Place::Journal(_) => 0,
            Place::Archive(key) => Extent::read(key, octets)?.records as usize,
        };
        if trailer.tokens.len() == 2 * records { Ok((trailer, end)) } else { Err(Damage::Field) }
    }

    /// Takes the trailer off a sealed block.
    fn cut(place: Place, octets: &mut Vec<u8>) -> Result<Self, Damage> {
        let (trailer, end) = Self::whole(place, octets)?;
        octets.truncate(end);
        Ok(trailer)
    }

    /// Takes the trailer off an archive block and leaves its secrets sealed: what is plain in it can be read.
    pub(super) fn cut_only(key: ArchiveKey, octets: Vec<u8>) -> Result<ArchiveBlock, Damage> {
        let mut octets = octets;
        let place = Place::Archive(key);
        Self::cut(place, &mut octets)?;
        finish(place, &mut octets);
        Ok(ArchiveBlock { key, octets })
    }

    fn parse(octets: &[u8]) -> Result<(Self, usize), Damage> {
        let short = Damage::Short { found: octets.len(), expected: ENVELOPE_LENGTH + FOOTER_LENGTH };
        let (rest, footer) = octets.split_last_chunk::<FOOTER_LENGTH>().ok_or(short)?;
        let mut footer = Reader { octets: footer };
        let (serial, tokens, sections) = (footer.u32()?, footer.u32()? as usize, footer.u32()? as usize);
        let length = tokens.checked_mul(4).zip(sections.checked_mul(SECTION_LENGTH));
        let length = length.and_then(|(tokens, sections)| tokens.checked_add(sections)).ok_or(Damage::Field)?;
        let end = rest.len().checked_sub(length).filter(|end| *end >= ENVELOPE_LENGTH).ok_or(Damage::Field)?;
        let mut reader = Reader { octets: &rest[end..] };
        let tokens = (0..tokens).map(|_| reader.u32()).collect::<Result<_, _>>()?;
        let section = |_| Ok(Section { account: reader.u16()?, generation: reader.u16()?, tag: reader.chunk()? });
        let sections = (0..sections).map(section).collect::<Result<_, Damage>>()?;
        Ok((Self { serial, tokens, sections }, end))
    }
}

/// The page of keys that a stored block was sealed under, without checking the block; `None` for one that is not sealed.
pub(super) fn serial_of(octets: &[u8]) -> Option<u32> {
    let footer = octets.last_chunk::<FOOTER_LENGTH>().filter(|_| envelope::is_sealed(octets))?;
    footer.first_chunk().copied().map(u32::from_le_bytes)
}

const TAG_LENGTH: usize = 16;
const SECTION_LENGTH: usize = 4 + TAG_LENGTH;
const FOOTER_LENGTH: usize = 12;
