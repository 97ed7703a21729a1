//! Carriers: their links and credit, and handing messages out to them.

use std::collections::VecDeque;

use super::Bridge;
use super::book::{NONE, Stage};
use super::input::Outbox;
use super::lane::Lanes;
use super::link::{Links, Side};
use super::onward;
use super::submit::VALIDITY_GIVEN;
use super::tally::CarrierTally;
use crate::clock::{Mono, Now, Unix};
use crate::limits;
use crate::message::{CarrierId, LinkId};
use crate::pdu::{Sm, Time};
use crate::policy::{Breaker, BreakerRules, BreakerState, Cell, Habits, OnUnknown, Pace, Policy, Rate, Verdict};
use crate::session::{BindMode, Request};
use crate::store::{Enrolled, Write};

/// How often to look whether a carrier's first day has begun.
const EFFECTIVE_CHECK_MS: u64 = 60_000;

/// A carrier as the bridge sees it.
#[derive(Debug)]
pub(super) struct CarrierState {
    name: String,
    /// Whether the rules of today name it.
    pub(super) configured: bool,
    rate: Option<Rate>,
    pub(super) on_unknown: OnUnknown,
    pub(super) habits: Habits,
    /// Whether messages leave for it otherwise than they came.
    rewrites: bool,
    cell: Cell,
    pub(super) pace: Pace,
    links: Vec<u16>,
    next_link: usize,
    /// Lanes that have messages for it, in turn.
    pub(super) ready: VecDeque<u16>,
    pub(super) wake: Option<Mono>,
    pub(super) breaker: Breaker,
    pub(super) breaker_rules: BreakerRules,
    /// Slots of the messages that are out to try whether it works again.
    pub(super) probes: Vec<u32>,
    /// Before this it gets no message: a new recipient of data is announced first (GDPR Art. 28(2)).
    effective_from: Option<Unix>,
    /// When to look at that again.
    effective_wake: Option<Mono>,
    pub(super) tally: CarrierTally,
}

/// How a lane's turn ended.
pub(super) enum Turn {
    Empty,
    Quantum,
    CountryRate(Mono),
    CarrierRate(Mono),
    /// The first message goes to another carrier: after the parts before it, or no longer after them.
    Elsewhere,
    NoCredit,
    NeedsBlock,
    /// The first message was not to be sent any more; the next one may go elsewhere.
    Ended,
}

/// Brings the carriers to what a policy says: one state per number ever enrolled; those no longer configured have no links
/// and no route. What a carrier has used, its links and its breaker stay.
pub(super) fn configure(states: &mut Vec<CarrierState>, policy: &Policy, enrolled: &Enrolled) {
    let known = states.len();
    states.extend(enrolled.carrier_names.iter().skip(known).map(|name| CarrierState::new(name.clone())));
    states.iter_mut().for_each(|state| state.configured = false);
    for (carrier, id) in policy.carriers.iter().zip(&enrolled.carriers) {
        let state = &mut states[id.0 as usize];
        state.configured = true;
        state.rate = carrier.rate;
        state.on_unknown = carrier.on_unknown;
        state.habits.clone_from(&carrier.habits);
        state.rewrites = carrier.habits.changes_messages();
        state.breaker_rules = carrier.breaker;
        (state.effective_from, state.effective_wake) = (carrier.effective_from, None);
    }
}

impl CarrierState {
    fn new(name: String) -> Self {
        Self {
            name,
            configured: false,
            rate: None,
            // Of one that is configured no more: that a message was handed to it is only on disk where it must not go again.
            on_unknown: OnUnknown::Fail,
            habits: Habits::default(),
            rewrites: false,
            cell: Cell::default(),
            pace: Pace::default(),
            links: Vec::new(),
            next_link: 0,
            ready: VecDeque::new(),
            wake: None,
            breaker: Breaker::default(),
            breaker_rules: BreakerRules::default(),
            probes: Vec::new(),
            effective_from: None,
            effective_wake: None,
            tally: CarrierTally::default(),
        }
    }

    /// Whether messages may be sent to it: a transmitting link is bound and it is not being left alone.
    pub(super) fn is_available(&self) -> bool {
        self.breaker.is_closed() && self.is_reachable()
    }

    /// Whether a message could be sent to it: a transmitting link is bound and its first day has begun.
    pub(super) fn is_reachable(&self) -> bool {
        !self.links.is_empty() && self.effective_from.is_none()
    }

    pub(super) fn wake(&self) -> Option<Mono> {
        let waits = !self.ready.is_empty() || self.breaker.state() == BreakerState::HalfOpen;
        let wake = if waits { self.wake } else { None };
        [wake, self.breaker.deadline(), self.effective_wake].into_iter().flatten().min()
    }

    pub(super) fn tally(&self, number: u16, links: &Links, lanes: &Lanes) -> (String, CarrierTally) {
        let mut tally = self.tally.clone();
        // Also of links that take no more: what was lent to them is still out.
        for link in links.of_carrier(number) {
            tally.window += u64::from(link.window);
            tally.window_used += u64::from(link.lent.len);
        }
        tally.backlog = lanes.backlog(number);
        tally.breaker = self.breaker.state();
        (self.name.clone(), tally)
    }

    /// Whether its first day has just begun.
    pub(super) fn becomes_effective(&mut self, now: Now) -> bool {
        let Some(from) = self.effective_from else { return false };
        let wait_ms = from.0.saturating_sub(now.unix.0);
        if wait_ms == 0 {
            (self.effective_from, self.effective_wake) = (None, None);
        } else if self.effective_wake.is_none_or(|wake| wake <= now.mono) {
            // The wall clock may be set meanwhile.
            self.effective_wake = Some(Mono(now.mono.0 + wait_ms.min(EFFECTIVE_CHECK_MS) * 1000));
        }
        wait_ms == 0
    }

    /// The link takes no messages any more.
    pub(super) fn forget_link(&mut self, link: u16) {
        self.links.retain(|other| *other != link);
    }

    /// A transmitting link with credit: the one that the other parts of the message took, else in turn.
    fn pick_link(&mut self, links: &Links, same: Option<LinkId>) -> Option<u16> {
        if let Some(same) = same
            && let Some(link) = self.links.iter().find(|link| links[**link].id == same && links[**link].credit > 0)
        {
            return Some(*link);
        }
        for step in 0..self.links.len() {
            let at = (self.next_link + step) % self.links.len();
            if links[self.links[at]].credit > 0 {
                self.next_link = at;
                return Some(self.links[at]);
            }
        }
        None
    }
}

impl Bridge {
    /// A carrier accepted our bind.
    pub(super) fn carrier_bound(
        &mut self,
        link: LinkId,
        carrier: CarrierId,
        mode: BindMode,
        window: u32,
        out: &mut Outbox,
    ) {
        let number = carrier.0;
        let Some(state) = self.carriers.get_mut(number as usize) else { return };
        let side = Side::Carrier { carrier: number };
        let Some(index) = self.links.insert(link, side, mode, window) else { return };
        state.tally.links += 1;
        if self.stopping {
            self.links.now(index, out).control = crate::session::Control::Unbind;
        } else if mode != BindMode::Receiver {
            state.links.push(index);
            self.lanes.reroute(&mut self.carriers);
        }
    }

    /// A carrier's link is gone: what was lent to it has an unknown outcome.
    pub(super) fn carrier_closed(&mut self, index: u16, carrier: u16, now: Now) {
        self.lost(index, carrier, now);
        // Backward, for each goes to the front of its lane: so their order is kept.
        loop {
            let slot = self.links[index].lent.last();
            if slot == NONE {
                break;
            }
            self.links.give_back(&mut self.book.slots, index, slot);
            if self.is_erased(slot) {
                self.end_erased(slot, now);
                continue;
            }
            self.unknown_outcome(slot, carrier, now);
        }
        let state = &mut self.carriers[carrier as usize];
        state.tally.links -= 1;
        state.forget_link(index);
        self.lanes.reroute(&mut self.carriers);
    }

    /// Hands waiting messages to every carrier that has credit and rate for them.
    pub(super) fn hand_out(&mut self, now: Now, out: &mut Outbox) {
        let mut returned = false;
        for carrier in &mut self.carriers {
            carrier.breaker.turn(now.mono);
            returned |= carrier.becomes_effective(now);
        }
        if returned {
            self.lanes.reroute(&mut self.carriers);
        }
        self.lanes.wake_sleepers(&mut self.carriers, now.mono);
        if self.stopping {
            return;
        }
        // Probes first: another carrier of their route would take the messages.
        for carrier in 0..self.carriers.len() as u16 {
            if !self.carriers[carrier as usize].breaker.is_closed() {
                self.probe(carrier, now, out);
            }
        }
        // A lane that changed hands may be with a carrier that had its turn.
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for carrier in 0..self.carriers.len() as u16 {
                if !self.carriers[carrier as usize].ready.is_empty() {
                    changed |= self.serve(carrier, now, out);
                }
            }
        }
    }

    /// The carrier's turn; whether a lane went to another one for its next message.
    fn serve(&mut self, carrier: u16, now: Now, out: &mut Outbox) -> bool {
        self.carriers[carrier as usize].wake = None;
        let mut changed = false;
        while let Some(lane) = self.carriers[carrier as usize].ready.pop_front() {
            match self.serve_lane(carrier, lane, now, out) {
                Turn::Empty => self.lanes.rest(&mut self.carriers, lane),
                Turn::Elsewhere => match self.taker(lane) {
                    Some(other) => {
                        self.carriers[other as usize].ready.push_back(lane);
                        changed = true;
                    }
                    None => self.lanes.rest(&mut self.carriers, lane),
                },
                Turn::Quantum | Turn::Ended => self.carriers[carrier as usize].ready.push_back(lane),
                Turn::CountryRate(at) => self.lanes.sleep(lane, at),
                Turn::NeedsBlock => self.lanes.wait_for_block(lane),
                Turn::NoCredit => {
                    self.carriers[carrier as usize].ready.push_front(lane);
                    return changed;
                }
                Turn::CarrierRate(at) => {
                    let state = &mut self.carriers[carrier as usize];
                    state.ready.push_front(lane);
                    state.wake = Some(at);
                    return changed;
                }
            }
        }
        changed
    }

    /// The carrier that a lane's first message goes to now.
    fn taker(&self, lane: u16) -> Option<u16> {
        self.followed(lane).or_else(|| self.lanes.current(lane))
    }

    /// The carrier of the parts before a lane's first message, where there are such and it is still there.
    fn followed(&self, lane: u16) -> Option<u16> {
        let head = self.lanes.head(lane);
        let course = if head == NONE { None } else { self.concatenations.course(self.book.slots[head].key) };
        let carrier = course?.carrier;
        (self.carriers[carrier as usize].is_available() && self.lanes.may_lead_to(lane, carrier)).then_some(carrier)
    }

    /// Whether the lane's first message is a part of a longer one.
    fn begins_with_part(&self, lane: u16) -> bool {
        let head = self.lanes.head(lane);
        head != NONE && self.book.slots[head].key != 0
    }

    /// Whether the lane's first message follows the parts before it to another carrier.
    pub(super) fn follows_elsewhere(&self, lane: u16, carrier: u16) -> bool {
        self.followed(lane).is_some_and(|followed| followed != carrier)
    }

    fn serve_lane(&mut self, carrier: u16, lane: u16, now: Now, out: &mut Outbox) -> Turn {
        let visits = !self.lanes.leads_to(lane, carrier);
        for _ in 0..limits::LANE_QUANTUM {
            if (visits || self.begins_with_part(lane)) && self.taker(lane) != Some(carrier) {
                return Turn::Elsewhere;
            }
            match self.hand_next(carrier, lane, now, out) {
                Ok(_) | Err(Turn::Ended) => {}
                Err(end) => return end,
            }
        }
        Turn::Quantum
    }

    /// Hands the next message of the lane to the carrier, or says why not. Its slot.
    pub(super) fn hand_next(&mut self, carrier: u16, lane: u16, now: Now, out: &mut Outbox) -> Result<u32, Turn> {
        let slot = self.next_in(carrier, lane, now, out)?;
        let key = self.book.slots[slot].key;
        let parts = if key == 0 { None } else { Some((key, self.concatenations.cost(key))) };
        let same_link = parts.and_then(|_| self.concatenations.course(key)?.link);
        let state = &mut self.carriers[carrier as usize];
        let Some(link) = state.pick_link(&self.links, same_link) else { return Err(Turn::NoCredit) };
        if let Verdict::Wait(at) = state.pace.allowed(now.mono) {
            return Err(Turn::CarrierRate(at));
        }
        if let Some(rate) = state.rate
            && state.cell.ready_at(rate, now.mono) > now.mono
        {
            return Err(Turn::CarrierRate(state.cell.ready_at(rate, now.mono)));
        }
        if let Verdict::Wait(at) = self.lanes.pay(lane, parts, now.mono) {
            return Err(Turn::CountryRate(at));
        }
        let state = &mut self.carriers[carrier as usize];
        if let Some(rate) = state.rate {
            // Just found ready, so this passes; it takes the token.
            let _ = state.cell.take(rate, 1, now.mono);
        }
        state.pace.sent(now.mono);
        state.breaker.sent(now.mono);
        self.hand(slot, link, carrier, out);
        Ok(slot)
    }

    /// The next message of the lane whose number is not held, whose recipient did not opt out, and that the carrier can be
    /// given. Its record is at hand.
    fn next_in(&mut self, carrier: u16, lane: u16, now: Now, out: &mut Outbox) -> Result<u32, Turn> {
        loop {
            let slot = self.lanes.head(lane);
            if slot == NONE {
                return Err(Turn::Empty);
            }
            let position = self.book.slots[slot].position;
            if !self.pages.is_at_hand(position) {
                self.ask(position.block, now, out);
                return Err(Turn::NeedsBlock);
            }
            if !self.rights.holds.is_empty() && self.is_held(slot) {
                self.set_aside(slot, now);
            } else if self.is_unwanted(slot) {
                self.end_unwanted(slot, now);
                return Err(Turn::Ended);
            } else if self.is_too_long(slot, carrier) {
                self.pass_over(slot, carrier, now)?;
            } else {
                return Ok(slot);
            }
        }
    }

    /// Lends one message to a link. Its accept record is at hand.
    fn hand(&mut self, slot: u32, link: u16, carrier: u16, out: &mut Outbox) {
        let lane = self.book.slots[slot].lane;
        self.lanes.remove(&mut self.book.slots, lane, slot);
        self.waiting -= 1;
        self.links.lend(&mut self.book.slots, link, slot);
        let token = self.book.token(slot);
        let entry = &mut self.book.slots[slot];
        entry.stage = Stage::Handed;
        let (id, key) = (entry.id, entry.key);
        if let Some(before) = self.book.hand(slot, CarrierId(carrier)) {
            self.pages.write(&Write::Passed { id, carrier: before });
        }
        if key != 0 {
            self.concatenations.went(key, CarrierId(carrier), Some(self.links[link].id));
        }
        self.carriers[carrier as usize].tally.forwarded += 1;
        if self.is_never_resent(carrier) {
            self.pages.write(&Write::Handed { id, carrier: CarrierId(carrier) });
        }
        self.lanes.forwarded(lane);
        let entry = &self.book.slots[slot];
        let Some(accept) = self.pages.accepted(entry.position) else { return };
        // Absolute, for the message may have waited here.
        let validity =
            (entry.flags & VALIDITY_GIVEN != 0).then(|| Time::absolute(Unix(u64::from(entry.expires) * 1000)));
        let validity = validity.as_ref().map_or(&b""[..], |time| &time[..]);
        let (state, home) = (&self.carriers[carrier as usize], self.accounts[entry.account.0 as usize].home);
        let parcel = self.links.then(link, out);
        let at = parcel.wire.len() as u32;
        let written = if state.rewrites || home.is_some() {
            onward::encode(&state.habits, home, &accept, validity, &mut parcel.wire)
        } else {
            Sm::encode_onward(accept.body, validity, &mut parcel.wire)
        };
        if written.is_ok() {
            parcel.requests.push(Request { at, token });
        }
    }

    /// Whether an unknown outcome ends a message of this carrier. Its hand-outs are on disk before they leave, so that
    /// this holds across a crash.
    pub(super) fn is_never_resent(&self, carrier: u16) -> bool {
        self.carriers.get(carrier as usize).is_some_and(|state| state.on_unknown == OnUnknown::Fail)
    }

    /// Puts a message that waits for a carrier into its lane, at the back.
    pub(super) fn enqueue(&mut self, slot: u32, now: Now) {
        let entry = &mut self.book.slots[slot];
        entry.stage = Stage::Waiting;
        let (lane, expires) = (entry.lane, entry.expires);
        self.lanes.push_back(&mut self.book.slots, &mut self.carriers, lane, slot);
        self.remind(slot, expires, now);
    }

    /// Puts a message that came back unsent at the front of its lane; it counts as waiting again.
    pub(super) fn requeue_front(&mut self, slot: u32, now: Now) {
        let entry = &mut self.book.slots[slot];
        entry.stage = Stage::Waiting;
        let (lane, expires) = (entry.lane, entry.expires);
        self.waiting += 1;
        self.lanes.push_front(&mut self.book.slots, &mut self.carriers, lane, slot);
        self.remind(slot, expires, now);
    }
}
