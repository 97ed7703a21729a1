//! The bound links as the bridge sees them: whose they are, what is lent to them, and their parcels under way.

use std::ops::{Index, IndexMut};

use rustc_hash::FxHashMap;

use super::book::{List, NO_INDEX, Slots};
use super::input::Outbox;
use crate::limits;
use crate::message::LinkId;
use crate::session::{BindMode, Parcel};

/// Whose link it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A client's bind.
    Account {
        /// Account number.
        account: u16,
        /// Whether its interface version promises TLVs.
        tlvs: bool,
    },
    /// Our bind at a carrier.
    Carrier {
        /// Carrier number.
        carrier: u16,
    },
}

/// One bound link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) side: Side,
    /// Requests we may still send before an answer comes; 0 where the bind's mode lets us send none.
    pub(super) credit: u32,
    /// The most requests of ours that may be open.
    pub(super) window: u32,
    /// Messages lent to it, oldest first.
    pub(super) lent: List,
    now: u32,
    then: u32,
}

/// All bound links, by a small index that slots can hold.
#[derive(Debug, Default)]
pub(super) struct Links {
    entries: Vec<Option<Link>>,
    free: Vec<u16>,
    by_id: FxHashMap<LinkId, u16>,
}

impl Links {
    /// Adds a link; `None` when there are [`limits::LINKS_MAX`] already or the link is bound.
    pub(super) fn insert(&mut self, id: LinkId, side: Side, mode: BindMode, window: u32) -> Option<u16> {
        if self.by_id.len() >= limits::LINKS_MAX || self.by_id.contains_key(&id) {
            return None;
        }
        let may_send = match side {
            Side::Account { .. } => mode != BindMode::Transmitter,
            Side::Carrier { .. } => mode != BindMode::Receiver,
        };
        let window = if may_send { window } else { 0 };
        let link = Link { id, side, credit: window, window, lent: List::default(), now: u32::MAX, then: u32::MAX };
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = Some(link);
                index
            }
            None => {
                self.entries.push(Some(link));
                (self.entries.len() - 1) as u16
            }
        };
        self.by_id.insert(id, index);
        Some(index)
    }

    /// Forgets a link; nothing may be lent to it any more.
    pub(super) fn remove(&mut self, index: u16) {
        if let Some(link) = self.entries[index as usize].take() {
            debug_assert_eq!(link.lent.len, 0, "what was lent came back first");
            self.by_id.remove(&link.id);
            self.free.push(index);
        }
    }

    pub(super) fn find(&self, id: LinkId) -> Option<u16> {
        self.by_id.get(&id).copied()
    }

    /// The open links of a carrier.
    pub(super) fn of_carrier(&self, carrier: u16) -> impl Iterator<Item = &Link> {
        self.entries.iter().flatten().filter(move |link| link.side == Side::Carrier { carrier })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Indices of the open links, in the order of the indices.
    pub(super) fn indices(&self) -> Vec<u16> {
        (0..self.entries.len() as u16).filter(|index| self.entries[*index as usize].is_some()).collect()
    }

    /// Lends a message to the link: one of its credits is used.
    pub(super) fn lend(&mut self, slots: &mut Slots, index: u16, slot: u32) {
        let link = &mut self[index];
        debug_assert!(link.credit > 0);
        link.credit = link.credit.saturating_sub(1);
        link.lent.push_back(slots, slot);
        slots[slot].link = index;
    }

    /// Takes a message back from the link, and its credit.
    pub(super) fn give_back(&mut self, slots: &mut Slots, index: u16, slot: u32) {
        let link = &mut self[index];
        link.lent.remove(slots, slot);
        link.credit = (link.credit + 1).min(link.window);
        slots[slot].link = NO_INDEX;
    }

    /// The link's parcel that leaves at the end of this turn.
    pub(super) fn now<'a>(&mut self, index: u16, out: &'a mut Outbox) -> &'a mut Parcel {
        let link = &mut self[index];
        out.now.of(link.id, &mut link.now)
    }

    /// The link's parcel that follows the open commit's flush.
    pub(super) fn then<'a>(&mut self, index: u16, out: &'a mut Outbox) -> &'a mut Parcel {
        let link = &mut self[index];
        out.then.of(link.id, &mut link.then)
    }
}

impl Index<u16> for Links {
    type Output = Link;
    fn index(&self, index: u16) -> &Link {
        self.entries[index as usize]
            .as_ref()
            .expect("indices come from `find` or from a lent message: the link is open")
    }
}

impl IndexMut<u16> for Links {
    fn index_mut(&mut self, index: u16) -> &mut Link {
        self.entries[index as usize]
            .as_mut()
            .expect("indices come from `find` or from a lent message: the link is open")
    }
}
