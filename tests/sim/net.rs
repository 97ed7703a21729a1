//! The network: octets arrive in order, later, in pieces, or not at all.

use std::collections::BTreeMap;

use smppgate::clock::Unix;

use crate::plan::FaultPlan;
use crate::queue::{Event, Queue};
use crate::rng::Rng;
use crate::trace::Trace;

/// Wall-clock time at the beginning of every run.
pub(crate) const EPOCH: Unix = Unix(1_767_367_800_000);

/// What everything in a run shares: the time, what is to come, the network and the trace.
#[derive(Debug)]
pub(crate) struct Ctx {
    /// Microseconds since the run began.
    pub(crate) now: u64,
    pub(crate) queue: Queue,
    pub(crate) trace: Trace,
    pub(crate) faults: FaultPlan,
    rng: Rng,
    /// When the last octets of each direction arrive.
    last: BTreeMap<(u64, bool), u64>,
    connections: u64,
    /// How far the wall clock has been set forward or back, milliseconds.
    pub(crate) skew_ms: i64,
    /// The store gives no block back.
    pub(crate) loses_blocks: bool,
}

impl Ctx {
    pub(crate) fn new(seed: u64, faults: FaultPlan, shown: bool) -> Self {
        Self {
            now: 0,
            queue: Queue::default(),
            trace: Trace::new(shown),
            faults,
            rng: Rng::of(seed, "network"),
            last: BTreeMap::new(),
            connections: 0,
            skew_ms: 0,
            loses_blocks: false,
        }
    }

    pub(crate) fn note(&mut self, what: &str, numbers: &[u64]) {
        self.trace.note(self.now, what, numbers);
    }

    /// The wall clock.
    pub(crate) fn unix(&self) -> Unix {
        let ms = EPOCH.0 + self.now / 1_000;
        Unix(ms.saturating_add_signed(self.skew_ms))
    }

    /// A number for a new connection.
    pub(crate) fn connection(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// Happens after `delay`.
    pub(crate) fn after(&mut self, delay: u64, event: Event) {
        self.queue.put(self.now + delay, event);
    }

    pub(crate) fn send(&mut self, conn: u64, to_us: bool, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let cut = if self.faults.cut { 1 + self.rng.below(rest.len() as u64) as usize } else { rest.len() };
            let (piece, behind) = rest.split_at(cut);
            rest = behind;
            let at = self.arrival(conn, to_us);
            self.queue.put(at, Event::Octets { conn, to_us, octets: piece.to_vec() });
        }
    }

    /// One end closed; the other learns of it behind the last octets.
    pub(crate) fn close(&mut self, conn: u64, to_us: bool) {
        let at = self.arrival(conn, to_us);
        self.queue.put(at, Event::Fin { conn, to_us });
    }

    /// The connection breaks: what is under way is lost, and both ends learn of it.
    pub(crate) fn break_off(&mut self, conn: u64) {
        self.forget(conn);
        for to_us in [true, false] {
            self.close(conn, to_us);
        }
    }

    /// Nothing of the connection arrives any more.
    pub(crate) fn forget(&mut self, conn: u64) {
        self.queue.drop_where(
            |event| matches!(event, Event::Octets { conn: of, .. } | Event::Fin { conn: of, .. } if *of == conn),
        );
    }

    fn arrival(&mut self, conn: u64, to_us: bool) -> u64 {
        let mut at = self.now + self.rng.within(self.faults.latency);
        if self.rng.chance(self.faults.stall) {
            at += self.rng.within(self.faults.stall_for);
        }
        let last = self.last.entry((conn, to_us)).or_default();
        *last = at.max(*last);
        *last
    }
}
