//! What reaches the bridge, and what leaves it. Values only: nothing here sends, waits or stores.

use bytes::{Bytes, BytesMut};

use super::lookup::Lookup;
use crate::message::{AccountId, CarrierId, LinkId};
use crate::pdu::CommandId;
use crate::policy::Policy;
use crate::session::{BindMode, Event, Parcel};
use crate::store::{ArchiveBlock, ArchiveRecord, Block, Enrolled, OptOut};

/// One lap begins with one of these.
#[derive(Debug)]
pub enum Input {
    /// A client whose credentials the link has verified asks to bind.
    Bind {
        /// The link it came on.
        link: LinkId,
        /// Whose credentials they were.
        account: AccountId,
        /// Directions asked for.
        mode: BindMode,
        /// The request, for its response.
        command: CommandId,
        /// Sequence number to echo.
        sequence: u32,
        /// The client's `interface_version`.
        interface_version: u8,
    },
    /// A carrier accepted our bind on this link.
    CarrierBound {
        /// The link.
        link: LinkId,
        /// Whose link it is.
        carrier: CarrierId,
        /// Directions of the bind.
        mode: BindMode,
        /// Requests of ours that its session lets be open: what was configured when it was dialled.
        window: u32,
    },
    /// A carrier refused our bind. One that is lost does no harm.
    CarrierRefused {
        /// Which.
        carrier: CarrierId,
    },
    /// Everything one read of one link brought, in order.
    Batch {
        /// The link.
        link: LinkId,
        /// The octets the events' spans point into.
        chunk: Bytes,
        /// What the session made of them.
        events: Vec<Event>,
    },
    /// The link is gone; what was lent to it comes back.
    Closed {
        /// The link.
        link: LinkId,
    },
    /// The answer to a read asked for in [`Outbox::reads`]; `None` where the store could not give it.
    Read {
        /// The block asked for.
        number: u64,
        /// Its content.
        block: Option<Block>,
    },
    /// The answer to a lookup asked for in [`Outbox::lookups`].
    Archived {
        /// The lookup's.
        ticket: u64,
        /// What it found.
        record: Option<Box<ArchiveRecord>>,
    },
    /// The store stopped or resumed taking commits. While it fails nothing new is accepted.
    StoreFailing(bool),
    /// These rules are in force from now on. What waits is looked at again.
    Policy {
        /// The rules.
        policy: Box<Policy>,
        /// The numbers of their accounts and carriers.
        enrolled: Box<Enrolled>,
    },
    /// The process is stopping: unbind everybody, accept nothing new.
    Stop,
}

/// Parcels under way, at most one per link and commit.
#[derive(Debug, Default)]
pub struct Parcels {
    list: Vec<(LinkId, Parcel)>,
    /// Octets and requests of a parcel, on average of those drained last: what the next ones make room for.
    usual: (usize, usize),
}

/// Most octets that a parcel makes room for in advance.
const ROOM_MAX: usize = 64 * 1024;

impl Parcels {
    /// The parcel of `link`, remembered by the caller in `at` (`u32::MAX`: none yet).
    pub(super) fn of(&mut self, link: LinkId, at: &mut u32) -> &mut Parcel {
        let index = *at as usize;
        let known = self.list.get(index).is_some_and(|(owner, _)| *owner == link);
        let index = if known {
            index
        } else {
            let (octets, requests) = self.usual;
            let (wire, requests) = (BytesMut::with_capacity(octets), Vec::with_capacity(requests));
            self.list.push((link, Parcel { wire, requests, ..Parcel::default() }));
            self.list.len() - 1
        };
        *at = u32::try_from(index).unwrap_or(u32::MAX);
        &mut self.list[index].1
    }

    /// Takes all parcels, in the order in which they were begun.
    pub fn drain(&mut self) -> impl Iterator<Item = (LinkId, Parcel)> + '_ {
        self.learn();
        self.list.drain(..)
    }

    /// Makes the next parcels as large as these, and an eighth larger.
    fn learn(&mut self) {
        if self.list.is_empty() {
            return;
        }
        let sum = |of: fn(&Parcel) -> usize| self.list.iter().map(|(_, parcel)| of(parcel)).sum::<usize>();
        let average = |sum: usize| sum / self.list.len() * 9 / 8;
        let octets = average(sum(|parcel| parcel.wire.len())).min(ROOM_MAX);
        self.usual = (octets, average(sum(|parcel| parcel.requests.len())).min(ROOM_MAX / 16));
    }

    /// Takes the whole list.
    #[must_use]
    pub fn take(&mut self) -> Vec<(LinkId, Parcel)> {
        self.learn();
        std::mem::take(&mut self.list)
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// What the turns since the last commit left.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Effects that need no durability: refusals, closes.
    pub now: Parcels,
    /// Effects that follow the open commit's flush.
    pub then: Parcels,
    /// Blocks the bridge needs back from the store; each is answered by [`Input::Read`].
    pub reads: Vec<u64>,
    /// Looks into the archive; each is answered by [`Input::Archived`].
    pub lookups: Vec<Lookup>,
    /// Archive blocks of the open commit.
    pub archive: Vec<ArchiveBlock>,
    /// Journal blocks that the open commit makes superfluous.
    pub cut: Vec<u64>,
    /// What the open commit changes on the lists of opted-out numbers.
    pub opt_outs: Vec<OptOut>,
}
