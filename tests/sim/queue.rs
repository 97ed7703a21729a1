//! Virtual time: what happens when, in one order for one seed.

use std::collections::BTreeMap;

/// A millisecond in microseconds, the unit of virtual time.
pub(crate) const MS: u64 = 1_000;
/// A second.
pub(crate) const S: u64 = 1_000_000;
/// A minute.
pub(crate) const MIN: u64 = 60 * S;
/// An hour.
pub(crate) const HOUR: u64 = 60 * MIN;

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// Octets arrive at our end (`to_us`) or the peer's end of a connection.
    Octets { conn: u64, to_us: bool, octets: Vec<u8> },
    /// The other end closed.
    Fin { conn: u64, to_us: bool },
    /// We dial a carrier.
    Dial { carrier: usize, slot: usize },
    /// A client connects and binds.
    Connect { esme: usize, bind: usize },
    /// A client submits its next message.
    Submit { esme: usize },
    /// A client answers a `deliver_sm`.
    Receive { esme: usize, conn: u64, sequence: u32, status: u32 },
    /// A carrier answers a `submit_sm`.
    Answer { carrier: usize, conn: u64, sequence: u32, status: u32, id: String },
    /// A carrier sends a receipt, unless it is taken already.
    Report { carrier: usize, report: usize },
    /// A carrier sends a message from a handset, unless it is taken already.
    Write { carrier: usize, mobile: usize },
    /// The bridge takes what is in its inbox.
    Decide,
    /// The journal's flush ends, well or not.
    Flushed { run: u32 },
    /// A fault that the plan asks for.
    Chaos,
    /// Other rules.
    Reload,
    /// The links to a carrier are to answer what is open and unbind.
    Leave { carrier: usize },
    /// The process starts.
    Start,
}

/// Events in the order of their time; those of one instant in the order in which they were put in.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(u64, u64), Event>,
    tie: u64,
}

impl Queue {
    pub(crate) fn put(&mut self, at: u64, event: Event) {
        self.tie += 1;
        self.events.insert((at, self.tie), event);
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn take(&mut self, until: u64) -> Option<Event> {
        if self.next_at()? > until {
            return None;
        }
        self.events.pop_first().map(|(_, event)| event)
    }

    /// Forgets what `dead` says.
    pub(crate) fn drop_where(&mut self, dead: impl Fn(&Event) -> bool) {
        self.events.retain(|_, event| !dead(event));
    }
}
