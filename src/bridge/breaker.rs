//! The breakers of the carriers: what they learn of, and trying a carrier that was left alone.
//!
//! When to open and when to try is said by [`crate::policy::breaker`]. A probe is an ordinary message that the carrier may
//! have: of any lane whose route leads to it, whoever else would take it.

use super::Bridge;
use super::book::NONE;
use super::carrier::{CarrierState, Turn};
use super::input::Outbox;
use crate::clock::{Mono, Now};
use crate::message::CarrierId;

impl CarrierState {
    /// Whether this message was a probe, which it is no more.
    fn end_probe(&mut self, slot: u32) -> bool {
        // Nearly always there is none.
        let probe = self.probes.iter().position(|probe| *probe == slot);
        probe.is_some_and(|probe| {
            self.probes.swap_remove(probe);
            true
        })
    }

    /// Whether a message may be handed to it now to see what becomes of it.
    fn wants_probe(&self) -> bool {
        self.is_reachable() && self.breaker.wants_probe(&self.breaker_rules)
    }
}

impl Bridge {
    /// An attempt at a carrier ended with a working carrier's answer, or with a failure of the carrier.
    pub(super) fn learn(&mut self, slot: u32, carrier: u16, failed: bool, now: Now) {
        let state = &mut self.carriers[carrier as usize];
        match (state.end_probe(slot), failed) {
            (false, false) => state.breaker.good(now.mono),
            (false, true) => self.fail(carrier, now),
            (true, false) => {
                if state.breaker.probe_passed(&state.breaker_rules, now.mono) {
                    state.probes.clear();
                    self.lanes.reroute(&mut self.carriers);
                }
            }
            (true, true) => self.fail_probe(carrier, now),
        }
    }

    /// A carrier refused our bind. One that has links and wants no more of them is working.
    pub(super) fn bind_refused(&mut self, carrier: CarrierId, now: Now) {
        if let Some(state) = self.carriers.get_mut(carrier.0 as usize)
            && !state.is_reachable()
        {
            state.breaker.sent(now.mono);
            self.fail(carrier.0, now);
        }
    }

    /// A link is lost: one failure, whatever was lent to it.
    pub(super) fn lost(&mut self, link: u16, carrier: u16, now: Now) {
        let mut slot = self.links[link].lent.last();
        if slot == NONE {
            return;
        }
        let mut probe = false;
        while slot != NONE {
            probe |= self.carriers[carrier as usize].end_probe(slot);
            slot = self.book.slots[slot].prev;
        }
        if probe { self.fail_probe(carrier, now) } else { self.fail(carrier, now) }
    }

    /// The message was taken back before it was written to its carrier.
    pub(super) fn forget_probe(&mut self, slot: u32, carrier: u16) {
        if let Some(state) = self.carriers.get_mut(carrier as usize)
            && state.end_probe(slot)
        {
            state.breaker.probe_unsent();
        }
    }

    fn fail(&mut self, carrier: u16, now: Now) {
        let jitter = self.jitter();
        let state = &mut self.carriers[carrier as usize];
        if state.breaker.bad(&state.breaker_rules, now.mono, jitter) {
            state.tally.breaker_opened += 1;
            self.lanes.reroute(&mut self.carriers);
        }
    }

    fn fail_probe(&mut self, carrier: u16, now: Now) {
        let jitter = self.jitter();
        let state = &mut self.carriers[carrier as usize];
        // What else is out tells nothing more of this half-open time.
        state.probes.clear();
        state.breaker.probe_failed(&state.breaker_rules, now.mono, jitter);
        state.tally.breaker_opened += 1;
    }

    /// Tries a carrier whose pause is over with as many messages as its breaker wants.
    pub(super) fn probe(&mut self, carrier: u16, now: Now, out: &mut Outbox) {
        // What it waited for may have come to nothing.
        self.carriers[carrier as usize].wake = None;
        if !self.carriers[carrier as usize].wants_probe() {
            return;
        }
        let mut wake: Option<Mono> = None;
        for lane in 0..self.lanes.count() {
            if !self.lanes.may_lead_to(lane, carrier) {
                continue;
            }
            // A part that follows others would leave torn.
            while self.carriers[carrier as usize].wants_probe() && !self.follows_elsewhere(lane, carrier) {
                match self.hand_next(carrier, lane, now, out) {
                    Ok(slot) => {
                        let state = &mut self.carriers[carrier as usize];
                        state.probes.push(slot);
                        state.breaker.probe_sent();
                    }
                    Err(Turn::Ended) => {}
                    Err(Turn::CountryRate(at) | Turn::CarrierRate(at)) => {
                        wake = Some(wake.map_or(at, |other| other.min(at)));
                        break;
                    }
                    Err(Turn::Empty | Turn::Quantum | Turn::Elsewhere | Turn::NoCredit | Turn::NeedsBlock) => break,
                }
            }
        }
        self.carriers[carrier as usize].wake = wake;
    }
}
