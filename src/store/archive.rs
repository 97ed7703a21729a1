//! Archive blocks: what is kept of settled messages until it may be forgotten.
//!
//! All records of a block share a retention class and the hour at which they are forgotten, so retention drops whole
//! blocks. When that hour is, is policy's to say. The record of a message has no text: a text that is kept longer than its
//! message is under way is a record of its own, in the class [`TEXTS`], with a time of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::block::BLOCK_OCTETS;
use super::envelope::{self, Damage, ENVELOPE_LENGTH, Kind, Version};
use super::write::Reader;
use crate::clock::Unix;
use crate::message::{AccountId, CarrierId, MessageId};
use crate::pdu::Address;

/// A settled message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveRecord {
    /// The message.
    pub id: MessageId,
    /// Whose it was.
    pub account: AccountId,
    /// Retention class.
    pub class: u8,
    /// When it was accepted.
    pub accepted: Unix,
    /// When it became final.
    pub done: Unix,
    /// `message_state` octet, SMPP 3.4 §5.2.28: below 128.
    pub state: u8,
    /// The `err:` of the receipt, or the bridge's own.
    pub error: u16,
    /// The carrier that got it last; `None` when none did. Number 65,535 is not used for a carrier.
    pub carrier: Option<CarrierId>,
    /// Other carriers that got it before.
    pub others: Carriers,
    /// Destination country, ISO 3166 alpha-2.
    pub country: [u8; 2],
    /// Source address.
    pub source: Party,
    /// Destination address.
    pub destination: Party,
}

/// Where the text of a message is, and what was kept of it: see [`ArchiveBuilder::push_text`].
pub type KeptText = (ArchiveKey, Box<[u8]>);

/// A record, and the text in it where its class is [`TEXTS`].
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) record: ArchiveRecord,
    pub(super) text: Box<[u8]>,
}

/// A few carriers, each once; at most [`Carriers::MOST`], which is more than a message is tried at.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Carriers {
    count: u8,
    numbers: [u16; Self::MOST],
}

/// An address as stored: type of number, numbering plan, octets. Personal data, so Debug shows neither.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Party {
    /// Type of number, SMPP 3.4 §5.2.5.
    pub ton: u8,
    /// Numbering plan indicator, §5.2.6.
    pub npi: u8,
    length: u8,
    octets: [u8; PARTY_OCTETS_MAX],
}

/// Most octets of an address: `data_sm` allows 64 before its NUL (SMPP 3.4 §4.7.1), `submit_sm` 20.
pub const PARTY_OCTETS_MAX: usize = 64;

/// Where an archive block is filed. Made only of what the records say and of the journal block they come from, so that
/// sealing the same blocks again after a crash overwrites instead of adding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveKey {
    /// Retention class.
    pub class: u8,
    /// Hours since 1970-01-01T00Z; the block is forgotten when this hour begins.
    pub forget_hour: u32,
    /// Number of a journal block that is cut in the commit that stores this one.
    pub block: u64,
}

/// What a block holds, without reading its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Number of records.
    pub records: u32,
    /// Least message identity in it.
    pub least: MessageId,
    /// Greatest message identity in it.
    pub greatest: MessageId,
}

/// A sealed archive block.
#[derive(Clone, PartialEq, Eq)]
pub struct ArchiveBlock {
    /// Where it is filed.
    pub key: ArchiveKey,
    /// Envelope, head and records.
    pub octets: Vec<u8>,
}

/// Sorts records into blocks, one open block for each class and hour.
#[derive(Default)]
pub struct ArchiveBuilder {
    open: BTreeMap<(u8, u32), Open>,
    closed: Vec<ArchiveBlock>,
}

struct Open {
    block: u64,
    extent: Extent,
    octets: Vec<u8>,
    layout: Version,
}

impl Carriers {
    /// Most of them.
    pub const MOST: usize = 16;

    /// Adds one that is not there yet; those beyond the most are left out.
    pub fn add(&mut self, carrier: CarrierId) {
        if !self.iter().any(|known| known == carrier)
            && let Some(place) = self.numbers.get_mut(usize::from(self.count))
        {
            *place = carrier.0;
            self.count += 1;
        }
    }

    /// All of them, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = CarrierId> + '_ {
        self.numbers.iter().take(usize::from(self.count)).map(|number| CarrierId(*number))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.count);
        self.iter().for_each(|carrier| out.extend_from_slice(&carrier.0.to_le_bytes()));
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let count = reader.octet()?;
        let mut carriers = Self::default();
        for _ in 0..count {
            carriers.add(CarrierId(reader.u16()?));
        }
        // One that is none would have been written shorter, and each is there once.
        if count == 0 || carriers.count != count { Err(Damage::Field) } else { Ok(carriers) }
    }
}

impl FromIterator<CarrierId> for Carriers {
    fn from_iter<T: IntoIterator<Item = CarrierId>>(carriers: T) -> Self {
        let mut all = Self::default();
        carriers.into_iter().for_each(|carrier| all.add(carrier));
        all
    }
}

impl fmt::Debug for Carriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Party {
    /// `None` when `octets` is longer than [`PARTY_OCTETS_MAX`].
    #[must_use]
    pub fn new(ton: u8, npi: u8, octets: &[u8]) -> Option<Self> {
        let mut party = Self { ton, npi, length: u8::try_from(octets.len()).ok()?, octets: [0; PARTY_OCTETS_MAX] };
        party.octets.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(party)
    }

    /// The octets, without NUL.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// As an address of `submit_sm`; `None` for one that only `data_sm` has room for.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        Address::new(self.ton, self.npi, self.octets())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.ton, self.npi, self.length]);
        out.extend_from_slice(self.octets());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let [ton, npi] = reader.chunk()?;
        Self::new(ton, npi, reader.short_slice()?).ok_or(Damage::Field)
    }
}

impl ArchiveRecord {
    /// Appends the packed form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut head = [0; RECORD_HEAD];
        head[0..8].copy_from_slice(&self.id.0.to_le_bytes());
        head[8..10].copy_from_slice(&self.account.0.to_le_bytes());
        head[10] = self.class;
        head[11..19].copy_from_slice(&self.accepted.0.to_le_bytes());
        head[19..27].copy_from_slice(&self.done.0.to_le_bytes());
        head[STATE_AT] = self.state & STATE | if self.others.is_empty() { 0 } else { LONG };
        head[28..30].copy_from_slice(&self.error.to_le_bytes());
        head[30..32].copy_from_slice(&self.carrier.map_or(NO_CARRIER, |carrier| carrier.0).to_le_bytes());
        head[32..34].copy_from_slice(&self.country);
        out.extend_from_slice(&head);
        self.source.encode(out);
        self.destination.encode(out);
        if !self.others.is_empty() {
            self.others.encode(out);
        }
    }

    /// Whether it is that of a text, not that of a message.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.class == TEXTS
    }

    /// All carriers that got it, the last one first.
    pub fn carriers(&self) -> impl Iterator<Item = CarrierId> + '_ {
        self.carrier.into_iter().chain(self.others.iter())
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let mut record = Self {
            id: MessageId(reader.u64()?),
            account: AccountId(reader.u16()?),
            class: reader.octet()?,
            accepted: Unix(reader.u64()?),
            done: Unix(reader.u64()?),
            state: reader.octet()?,
            error: reader.u16()?,
            carrier: Some(reader.u16()?).filter(|number| *number != NO_CARRIER).map(CarrierId),
            others: Carriers::default(),
            country: reader.chunk()?,
            source: Party::decode(reader)?,
            destination: Party::decode(reader)?,
        };
        if record.state & LONG != 0 {
            record.state &= STATE;
            record.others = Carriers::decode(reader)?;
        }
        Ok(record)
    }

    fn version(&self) -> Version {
        match (self.is_text(), self.others.is_empty()) {
            (true, _) => Version::Texts,
            (false, false) => Version::LongRecords,
            (false, true) => Version::First,
        }
    }
}

impl Kept {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, Damage> {
        let record = ArchiveRecord::decode(reader)?;
        let text = if record.is_text() {
            let length = reader.u32()?;
            reader.slice(length as usize)?.into()
        } else {
            Box::default()
        };
        Ok(Self { record, text })
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({:?}, {} octets)", self.record, self.text.len())
    }
}

impl ArchiveKey {
    /// The key in the head of a block; `None` when there is no whole head. The checksum is not looked at.
    pub(super) fn of(octets: &[u8]) -> Option<Self> {
        let block = envelope::number(octets)?;
        let mut reader = Reader { octets: octets.get(ENVELOPE_LENGTH..)? };
        Some(Self { class: reader.octet().ok()?, forget_hour: reader.u32().ok()?, block })
    }
}

impl ArchiveBlock {
    /// Accepts octets read back from a store.
    ///
    /// # Errors
    /// [`Damage`] when they are not a whole archive block of this version and key.
    pub fn check(key: ArchiveKey, octets: Vec<u8>) -> Result<(Self, Extent), Damage> {
        let block = Self { key, octets };
        envelope::check(Kind::Archive, key.block, &block.octets)?;
        let extent = block.extent()?;
        Ok((block, extent))
    }

    /// What the head of the block says it holds.
    ///
    /// # Errors
    /// [`Damage`] when the head is short or belongs to another key.
    pub fn extent(&self) -> Result<Extent, Damage> {
        Extent::read(self.key, &self.octets)
    }

    /// All records, in the order they were packed. Ends after the first damaged one.
    pub fn records(&self) -> impl Iterator<Item = Result<ArchiveRecord, Damage>> + '_ {
        self.kept().map(|kept| kept.map(|kept| kept.record))
    }

    /// The same with the texts.
    pub(super) fn kept(&self) -> impl Iterator<Item = Result<Kept, Damage>> + '_ {
        let mut reader = Reader { octets: self.octets.get(RECORDS_AT..).unwrap_or_default() };
        std::iter::from_fn(move || {
            if reader.octets.is_empty() {
                return None;
            }
            let kept = Kept::decode(&mut reader);
            if kept.is_err() {
                reader.octets = &[];
            }
            Some(kept)
        })
    }

    /// A block of these records under another key, or the same; `None` where there are none. Only for putting in the place
    /// of a block: one that is new to a store comes from [`ArchiveBuilder`].
    #[must_use]
    pub(super) fn of(key: ArchiveKey, records: &[Kept]) -> Option<Self> {
        let mut open = Open::new(&records.first()?.record, key.block);
        records.iter().for_each(|kept| open.push(&kept.record, &[&kept.text]));
        Some(open.seal(key.class, key.forget_hour))
    }

    /// The record of the message `id`, if it is here.
    ///
    /// # Errors
    /// [`Damage`] when the records before it cannot be read.
    pub fn find(&self, id: MessageId) -> Result<Option<ArchiveRecord>, Damage> {
        let meant = |record: &ArchiveRecord| record.id == id && !record.is_text();
        self.records().find(|record| record.as_ref().map_or(true, meant)).transpose()
    }

    /// The text of the message `id`, if it is here.
    ///
    /// # Errors
    /// [`Damage`] when the records before it cannot be read.
    pub(super) fn find_text(&self, id: MessageId) -> Result<Option<Box<[u8]>>, Damage> {
        let meant = |kept: &Kept| kept.record.id == id && kept.record.is_text();
        let found = self.kept().find(|kept| kept.as_ref().map_or(true, meant)).transpose()?;
        Ok(found.map(|kept| kept.text))
    }
}

impl Extent {
    /// Reads the head of an archive block without checking or copying the rest.
    ///
    /// # Errors
    /// [`Damage`] when the head is short or belongs to another key.
    pub fn read(key: ArchiveKey, octets: &[u8]) -> Result<Self, Damage> {
        let mut reader = Reader { octets: octets.get(ENVELOPE_LENGTH..).unwrap_or_default() };
        let class = reader.octet()?;
        let forget_hour = reader.u32()?;
        let records = reader.u32()?;
        let (least, greatest) = (MessageId(reader.u64()?), MessageId(reader.u64()?));
        if class != key.class || forget_hour != key.forget_hour || least > greatest {
            return Err(Damage::Field);
        }
        Ok(Self { records, least, greatest })
    }
}

impl ArchiveBuilder {
    /// An empty builder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Files a record under its class and `forget_hour`. `block` is the journal block that holds the message and that
    /// the same commit cuts; the blocks built here are keyed by such numbers.
    pub fn push(&mut self, forget_hour: u32, block: u64, record: &ArchiveRecord) {
        self.file(forget_hour, block, record, &[]);
    }

    /// Files the text of the message whose record this is in the class [`TEXTS`], under its own `forget_hour`. What the
    /// octets mean is the caller's; they may come in pieces.
    pub fn push_text(&mut self, forget_hour: u32, block: u64, record: &ArchiveRecord, text: &[&[u8]]) {
        let record = ArchiveRecord { class: TEXTS, others: Carriers::default(), ..*record };
        self.file(forget_hour, block, &record, text);
    }

    fn file(&mut self, forget_hour: u32, block: u64, record: &ArchiveRecord, text: &[&[u8]]) {
        let open = self.open.entry((record.class, forget_hour)).or_insert_with(|| Open::new(record, block));
        // Only a number above the open block's own is a fresh key: the numbers used so far are all below or equal.
        if open.octets.len() >= BLOCK_OCTETS && block > open.block {
            let full = std::mem::replace(open, Open::new(record, block));
            self.closed.push(full.seal(record.class, forget_hour));
        }
        open.push(record, text);
    }

    /// Whether there is nothing to take.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty()
    }

    /// All blocks since the last time, sealed. Call it once for each commit: keys are unique within one taking only.
    #[must_use]
    pub fn take(&mut self) -> Vec<ArchiveBlock> {
        let mut blocks = std::mem::take(&mut self.closed);
        let open = std::mem::take(&mut self.open);
        blocks.extend(open.into_iter().map(|((class, forget_hour), open)| open.seal(class, forget_hour)));
        blocks
    }
}

impl Open {
    fn new(first: &ArchiveRecord, block: u64) -> Self {
        let mut octets = Vec::with_capacity(BLOCK_OCTETS / 8);
        envelope::open(Kind::Archive, block, &mut octets);
        octets.resize(RECORDS_AT, 0);
        let extent = Extent { records: 0, least: first.id, greatest: first.id };
        Self { block, extent, octets, layout: Version::First }
    }

    fn push(&mut self, record: &ArchiveRecord, text: &[&[u8]]) {
        record.encode(&mut self.octets);
        if record.is_text() {
            // The limit of a PDU keeps a text far below 4 GB.
            let length: usize = text.iter().map(|piece| piece.len()).sum();
            self.octets.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
            text.iter().for_each(|piece| self.octets.extend_from_slice(piece));
        }
        self.layout = self.layout.max(record.version());
        self.extent.records += 1;
        self.extent.least = self.extent.least.min(record.id);
        self.extent.greatest = self.extent.greatest.max(record.id);
    }

    fn seal(self, class: u8, forget_hour: u32) -> ArchiveBlock {
        let Self { block, extent, mut octets, layout } = self;
        envelope::set_version(&mut octets, layout);
        octets[ENVELOPE_LENGTH] = class;
        octets[ENVELOPE_LENGTH + 1..ENVELOPE_LENGTH + 5].copy_from_slice(&forget_hour.to_le_bytes());
        octets[ENVELOPE_LENGTH + 5..ENVELOPE_LENGTH + 9].copy_from_slice(&extent.records.to_le_bytes());
        octets[ENVELOPE_LENGTH + 9..ENVELOPE_LENGTH + 17].copy_from_slice(&extent.least.0.to_le_bytes());
        octets[ENVELOPE_LENGTH + 17..RECORDS_AT].copy_from_slice(&extent.greatest.0.to_le_bytes());
        envelope::seal(&mut octets);
        ArchiveBlock { key: ArchiveKey { class, forget_hour, block }, octets }
    }
}

impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Party(ton {}, npi {}, {} octets)", self.ton, self.npi, self.length)
    }
}

impl fmt::Debug for ArchiveBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchiveBuilder({} open, {} closed)", self.open.len(), self.closed.len())
    }
}

impl fmt::Debug for ArchiveBlock {
    /// Shows no octets: they hold numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArchiveBlock({:?}, {} octets)", self.key, self.octets.len())
    }
}

/// Whose the record is that starts at `start`.
pub(super) fn account_at(octets: &[u8], start: usize) -> Result<AccountId, Damage> {
    let short = Damage::Short { found: octets.len(), expected: start + RECORD_HEAD };
    let account = octets.get(start + 8..).and_then(|rest| rest.first_chunk()).ok_or(short)?;
    Ok(AccountId(u16::from_le_bytes(*account)))
}

/// Where the parts of a record are.
pub(super) struct Layout {
    /// The octets of its source address.
    pub(super) source: Range<usize>,
    /// The octets of its destination address.
    pub(super) destination: Range<usize>,
    /// The octets of its text, up to its end; of a record without one nothing, behind all that it has.
    pub(super) text: Range<usize>,
}

/// Where the parts of the record are that starts at `start`.
pub(super) fn layout_at(octets: &[u8], start: usize) -> Result<Layout, Damage> {
    let mut at = start + RECORD_HEAD;
    let mut party = || {
        let short = Damage::Short { found: octets.len(), expected: at + PARTY_HEAD };
        let length = usize::from(*octets.get(at + PARTY_HEAD - 1).ok_or(short)?);
        let range = at + PARTY_HEAD..at + PARTY_HEAD + length;
        at = range.end;
        if range.end > octets.len() {
            return Err(Damage::Short { found: octets.len(), expected: range.end });
        }
        Ok(range)
    };
    let (source, destination) = (party()?, party()?);
    let short = |expected: usize| Damage::Short { found: octets.len(), expected };
    let mut text = destination.end..destination.end;
    // The head is whole: the addresses are behind it.
    if octets[start + STATE_AT] & LONG != 0 {
        let count = usize::from(*octets.get(text.start).ok_or_else(|| short(text.start + 1))?);
        text.start += 1 + 2 * count;
        text.end = text.start;
    }
    if octets[start + CLASS_AT] == TEXTS {
        let length = octets.get(text.start..).and_then(|rest| rest.first_chunk());
        text.start += 4;
        let length = u32::from_le_bytes(*length.ok_or_else(|| short(text.start))?);
        text.end = text.start.saturating_add(length as usize);
    }
    if text.end > octets.len() {
        return Err(short(text.end));
    }
    Ok(Layout { source, destination, text })
}

/// Removes the records of other accounts than those to `keep`, and counts the rest. Of the identities that the head
/// names as least and greatest, none need be left.
pub(super) fn retain(octets: &mut Vec<u8>, keep: impl Fn(AccountId) -> bool) -> Result<(), Damage> {
    let (mut start, mut to, mut count) = (RECORDS_AT, RECORDS_AT, 0_u32);
    while start < octets.len() {
        let account = account_at(octets, start)?;
        let end = layout_at(octets, start)?.text.end;
        if keep(account) {
            octets.copy_within(start..end, to);
            to += end - start;
            count += 1;
        }
        start = end;
    }
    octets.truncate(to);
    octets[ENVELOPE_LENGTH + 5..ENVELOPE_LENGTH + 9].copy_from_slice(&count.to_le_bytes());
    Ok(())
}

/// The class of texts. The only one that means anything here: to retention it is a class like any other.
pub const TEXTS: u8 = 2;

/// Octets of a record before its addresses, and of an address before its own.
const RECORD_HEAD: usize = 34;
const PARTY_HEAD: usize = 3;

/// Where the class is in it.
const CLASS_AT: usize = 10;

/// Where the state is in it. Its highest bit is set in a long record: other carriers follow the addresses.
const STATE_AT: usize = 27;
const STATE: u8 = 0x7F;
const LONG: u8 = 0x80;

/// Offset of the first record: envelope, class, hour, count, least and greatest identity.
pub(super) const RECORDS_AT: usize = ENVELOPE_LENGTH + 25;

/// Stored where no carrier took the message.
const NO_CARRIER: u16 = u16::MAX;
