//! The journal as the bridge sees it: the blocks being written, the recent ones kept at hand, and for every block how
//! many live messages still need it. Does no I/O; what is not at hand is asked for through the outbox.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::clock::Mono;
use crate::limits;
use crate::store::{Accept, Block, BlockBuilder, Inbound, Position, Write};

/// How much memory and disk the journal may take; simulations use less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Octets of recent blocks kept in memory, so that a receipt which comes within seconds needs no read.
    pub shelf_octets: usize,
    /// Octets of journal below which nothing is carried forward.
    pub journal_octets: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { shelf_octets: limits::SHELF_OCTETS, journal_octets: limits::JOURNAL_OCTETS }
    }
}

/// How much a block is still needed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Page {
    /// Accept records written into it.
    pub(super) total: u32,
    /// Those among them whose message is not settled.
    pub(super) live: u32,
    /// Its octets; 0 while it is open.
    pub(super) octets: u32,
    /// Whether it says anything but where numbers go on.
    pub(super) tells: bool,
    /// When it was closed; the start of the process for one that is older.
    closed: Mono,
}

/// The journal's blocks from the oldest that is not cut to the one being written.
#[derive(Debug)]
pub(super) struct Pages {
    builder: BlockBuilder,
    pages: VecDeque<Page>,
    /// Number of `pages[0]`.
    first: u64,
    /// Number of the first block that is not closed.
    open: u64,
    octets: u64,
    total: u64,
    live: u64,
    shelf: FxHashMap<u64, Block>,
    shelf_order: VecDeque<u64>,
    shelf_octets: usize,
    room: Room,
    /// Blocks that take the place of stored ones.
    redone: Vec<Block>,
}

impl Pages {
    pub(super) fn new(next: u64) -> Self {
        Self {
            builder: BlockBuilder::new(next),
            pages: VecDeque::new(),
            first: next,
            open: next,
            octets: 0,
            total: 0,
            live: 0,
            shelf: FxHashMap::default(),
            shelf_order: VecDeque::new(),
            shelf_octets: 0,
            room: Room::default(),
            redone: Vec::new(),
        }
    }

    pub(super) fn limit(&mut self, room: Room) {
        self.room = room;
    }

    /// Whether the journal is so large that what lives in it is worth carrying.
    pub(super) fn is_large(&self) -> bool {
        self.octets > self.room.journal_octets
    }

    /// Appends a fact to the open commit.
    pub(super) fn write(&mut self, write: &Write<'_>) -> Position {
        let position = self.builder.push(write);
        if !matches!(write, Write::Mark { .. }) {
            self.page_mut(position.block).tells = true;
        }
        position
    }

    /// Appends an accept record; its message counts as live in that block.
    pub(super) fn accept(&mut self, accept: Accept<'_>) -> Position {
        let position = self.builder.push(&Write::Accept(accept));
        self.count(position);
        position
    }

    /// Appends the record of a message from a handset; it counts as live in that block.
    pub(super) fn inbound(&mut self, inbound: Inbound<'_>) -> Position {
        let position = self.builder.push(&Write::Inbound(inbound));
        self.count(position);
        position
    }

    /// The message whose accept record is at `position` needs it no more.
    pub(super) fn settle(&mut self, position: Position) {
        if let Some(page) = self.known_mut(position.block)
            && page.live > 0
        {
            page.live -= 1;
            self.live -= 1;
        }
    }

    /// Counts an accept record, also one found at recovery.
    pub(super) fn count(&mut self, position: Position) {
        let page = self.page_mut(position.block);
        page.total += 1;
        page.live += 1;
        page.tells = true;
        self.total += 1;
        self.live += 1;
    }

    /// A fact found at recovery.
    pub(super) fn tells(&mut self, number: u64) {
        self.page_mut(number).tells = true;
    }

    /// Takes over a block found at recovery; blocks come in the order of their numbers.
    pub(super) fn adopt(&mut self, number: u64, octets: usize) {
        if self.pages.is_empty() {
            self.first = number;
        }
        self.page_mut(number).octets = u32::try_from(octets).unwrap_or(u32::MAX);
        self.octets += octets as u64;
    }

    /// Ends the recovery: new blocks begin at `next`.
    pub(super) fn resume(&mut self, next: u64) {
        if self.pages.is_empty() {
            self.first = next;
        }
        self.open = next;
        self.builder = BlockBuilder::new(next);
    }

    /// The accept record at `position`, `None` where its block is not at hand.
    pub(super) fn accepted(&self, position: Position) -> Option<Accept<'_>> {
        match self.write_at(position)? {
            Write::Accept(accept) => Some(accept),
            _ => None,
        }
    }

    /// The message from a handset at `position`, `None` where its block is not at hand.
    pub(super) fn received(&self, position: Position) -> Option<Inbound<'_>> {
        match self.write_at(position)? {
            Write::Inbound(inbound) => Some(inbound),
            _ => None,
        }
    }

    fn write_at(&self, position: Position) -> Option<Write<'_>> {
        match self.shelf.get(&position.block) {
            Some(block) => block.write_at(position.offset).ok(),
            None => self.builder.write_at(position)?.ok(),
        }
    }

    /// Whether the record at `position` is at hand.
    pub(super) fn is_at_hand(&self, position: Position) -> bool {
        position.block >= self.open || self.has(position.block)
    }

    /// Whether the block is at hand.
    pub(super) fn has(&self, number: u64) -> bool {
        self.shelf.contains_key(&number)
    }

    /// A block at hand.
    pub(super) fn block(&self, number: u64) -> Option<Block> {
        self.shelf.get(&number).cloned()
    }

    /// Whether the open commit holds any fact.
    pub(super) fn is_clean(&self) -> bool {
        self.builder.is_empty() && self.redone.is_empty()
    }

    /// Octets in the open commit.
    pub(super) fn open_octets(&self) -> usize {
        self.builder.octets()
    }

    /// Puts a block in the place of a closed one, with the next commit.
    pub(super) fn redo(&mut self, block: Block) {
        if let Some(kept) = self.shelf.get_mut(&block.number) {
            kept.clone_from(&block);
        }
        self.redone.push(block);
    }

    /// The number of the first block that holds nothing written so far.
    pub(super) fn end(&self) -> u64 {
        self.builder.next() + u64::from(self.builder.has_open())
    }

    /// Closes the open commit: its blocks go to the store and stay at hand for a while.
    pub(super) fn take(&mut self, now: Mono) -> Vec<Block> {
        let mut blocks = self.builder.take();
        self.open = self.builder.next();
        for block in &blocks {
            let octets = block.octets.len();
            let page = self.page_mut(block.number);
            (page.octets, page.closed) = (u32::try_from(octets).unwrap_or(u32::MAX), now);
            self.octets += octets as u64;
            self.keep(block.clone());
        }
        // Cut since then, it would come back.
        let first = self.first;
        blocks.extend(self.redone.drain(..).filter(|block| block.number >= first));
        blocks
    }

    /// Keeps a block at hand; the oldest kept ones go.
    pub(super) fn keep(&mut self, block: Block) {
        let (number, octets) = (block.number, block.octets.len());
        if self.shelf.insert(number, block).is_some() {
            return;
        }
        self.shelf_order.push_back(number);
        self.shelf_octets += octets;
        while self.shelf_octets > self.room.shelf_octets && self.shelf_order.len() > 1 {
            if let Some(oldest) = self.shelf_order.pop_front()
                && let Some(block) = self.shelf.remove(&oldest)
            {
                self.shelf_octets -= block.octets.len();
            }
        }
    }

    /// The oldest closed block, `None` where only the open one is left.
    pub(super) fn oldest(&self) -> Option<(u64, Page)> {
        self.nth(0)
    }

    /// The closed block `n` after the oldest.
    pub(super) fn nth(&self, n: usize) -> Option<(u64, Page)> {
        let number = self.first + n as u64;
        let page = *self.pages.get(n)?;
        (number < self.open).then_some((number, page))
    }

    /// The last block, closed at least `age_us` ago, with a record that is needed no more; or closed a day ago, for then the
    /// keys of its day are to be destroyed.
    pub(super) fn last_stale(&self, now: Mono, age_us: u64) -> Option<u64> {
        let is_stale = |page: &Page| {
            let age = now.since_us(page.closed);
            age >= limits::JOURNAL_AGE_US || page.live < page.total && age >= age_us
        };
        let at = self.pages.iter().rposition(is_stale)?;
        Some(self.first + at as u64).filter(|number| *number < self.open)
    }

    /// Forgets the oldest block.
    pub(super) fn cut(&mut self) {
        let Some(page) = self.pages.pop_front() else { return };
        self.octets -= u64::from(page.octets);
        self.total -= u64::from(page.total);
        self.live -= u64::from(page.live);
        let number = self.first;
        self.first += 1;
        if let Some(block) = self.shelf.remove(&number) {
            self.shelf_octets -= block.octets.len();
        }
        // Blocks come to the shelf mostly in the order in which they are cut; the few others are met as absent later.
        while self.shelf_order.front().is_some_and(|number| !self.shelf.contains_key(number)) {
            self.shelf_order.pop_front();
        }
    }

    /// Whether the block is closed and not cut: it can be read back.
    pub(super) fn is_closed(&self, number: u64) -> bool {
        (self.first..self.open).contains(&number)
    }

    /// Closed blocks and their octets.
    pub(super) fn size(&self) -> (u64, u64) {
        (self.pages.len() as u64, self.octets)
    }

    /// Share of accept records that are still needed, in percent.
    pub(super) fn live_percent(&self) -> u64 {
        self.live * 100 / self.total.max(1)
    }

    fn known_mut(&mut self, number: u64) -> Option<&mut Page> {
        self.pages.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn page_mut(&mut self, number: u64) -> &mut Page {
        if self.pages.is_empty() {
            self.first = number;
        }
        let index = (number - self.first) as usize;
        while self.pages.len() <= index {
            self.pages.push_back(Page::default());
        }
        &mut self.pages[index]
    }
}
