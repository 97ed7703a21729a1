//! Lanes: where messages wait for a carrier. A lane belongs to one destination country and begins at one position of its
//! route, so that a message refused by the first carrier goes on in the lane that begins at the second, and a slow
//! country never stands in the way of another. Accounts that permit different carriers have lanes of their own. Within a
//! lane a higher priority goes first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::book::{List, NONE, Slots};
use super::carrier::CarrierState;
use super::permit::Permits;
use super::submit::PRIORITY_SHIFT;
use super::tally::CountryTally;
use crate::clock::Mono;
use crate::message::{CarrierId, MessageState};
use crate::policy::{Cell, Country, OverRate, Policy, Rate, Verdict};
use crate::store::Enrolled;

/// What a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Empty, or no carrier of its route is there.
    Idle,
    /// In its carrier's queue.
    Ready,
    /// Waits for its country's rate.
    Sleeping,
    /// Waits for a block.
    Reading,
}

#[derive(Debug)]
struct Lane {
    way: u16,
    from: u8,
    /// By priority; the highest goes first.
    lists: [List; PRIORITIES],
    /// Messages in all of them.
    len: u32,
    current: Option<u16>,
    doing: Doing,
}

impl Lane {
    fn new(way: u16, from: u8) -> Self {
        let lists = [List::default(); PRIORITIES];
        Self { way, from, lists, len: 0, current: None, doing: Doing::Idle }
    }

    /// The first message of the highest priority.
    fn head(&self) -> u32 {
        let ordinary = &self.lists[0];
        if self.len == ordinary.len {
            return ordinary.head;
        }
        self.lists.iter().rev().map(|list| list.head).find(|head| *head != NONE).unwrap_or(NONE)
    }
}

/// The values of `priority_flag`. SMPP 3.4 §5.2.14.
const PRIORITIES: usize = 4;

/// Which of a lane's lists a message is in.
fn priority(slots: &Slots, slot: u32) -> usize {
    usize::from(slots[slot].flags >> PRIORITY_SHIFT)
}

/// The carriers of a country's route that some accounts permit, and the lanes before them.
#[derive(Debug)]
struct Way {
    destination: u16,
    /// Carrier numbers in order of preference; empty where no route leads there any more.
    carriers: Vec<u16>,
    first_lane: u16,
}

/// A destination country with its rate, whichever way its messages go.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) rate: Option<Rate>,
    pub(super) over_rate: OverRate,
    /// What was accepted, where `over_rate` refuses.
    pub(super) accepted: Cell,
    /// What was handed out: a backlog must not leave faster than the rate either.
    pub(super) handed: Cell,
    /// What the parts share that leave now, and how many of them are paid for already.
    paid: (u64, u32),
    tally: CountryTally,
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    destinations: Vec<Destination>,
    by_country: FxHashMap<Country, u16>,
    ways: Vec<Way>,
    /// By country and permit.
    by_permit: FxHashMap<(Country, u16), u16>,
    permits: Permits,
    lanes: Vec<Lane>,
    sleepers: BinaryHeap<Reverse<(Mono, u16)>>,
    carrier_ids: Vec<CarrierId>,
}

impl Lanes {
    pub(super) fn new(permits: Permits, enrolled: &Enrolled) -> Self {
        Self {
            destinations: Vec::new(),
            by_country: FxHashMap::default(),
            ways: Vec::new(),
            by_permit: FxHashMap::default(),
            permits,
            lanes: Vec::new(),
            sleepers: BinaryHeap::new(),
            carrier_ids: enrolled.carriers.clone(),
        }
    }

    /// The first lane of a country for accounts with this permit, made when first asked for. `None` where no route leads
    /// there or none of its carriers is permitted, unless `anyway` (messages found at recovery whose way was taken away
    /// wait for a new one or for their end).
    pub(super) fn open(
        &mut self,
        country: Country,
        permit: u16,
        policy: &Policy,
        carriers: &[CarrierState],
        anyway: bool,
    ) -> Option<u16> {
        let index = match self.by_permit.get(&(country, permit)) {
            Some(index) => *index,
            None => {
                let way = self.permitted(country, permit, policy);
                if way.is_empty() && !anyway {
                    return None;
                }
                self.make_way(country, permit, way, policy, carriers)
            }
        };
        let way = &self.ways[index as usize];
        (anyway || !way.carriers.is_empty()).then_some(way.first_lane)
    }

    /// Numbers of the carriers of a country's route that the permit allows.
    fn permitted(&self, country: Country, permit: u16, policy: &Policy) -> Vec<u16> {
        let Some(route) = policy.routes.find(country) else { return Vec::new() };
        let permitted = route.carriers.iter().filter(|position| self.permits.allows(permit, **position));
        permitted.filter_map(|position| self.carrier_ids.get(*position as usize)).map(|id| id.0).collect()
    }

    fn make_way(
        &mut self,
        country: Country,
        permit: u16,
        via: Vec<u16>,
        policy: &Policy,
        carriers: &[CarrierState],
    ) -> u16 {
        let (index, first_lane) = (self.ways.len() as u16, self.lanes.len() as u16);
        for from in 0..via.len().max(1) {
            let mut lane = Lane::new(index, from as u8);
            lane.current = choose(&via, lane.from, carriers);
            self.lanes.push(lane);
        }
        let destination = self.find_destination(country, policy);
        self.ways.push(Way { destination, carriers: via, first_lane });
        self.by_permit.insert((country, permit), index);
        index
    }

    fn find_destination(&mut self, country: Country, policy: &Policy) -> u16 {
        let route = policy.routes.find(country);
        *self.by_country.entry(country).or_insert_with(|| {
            self.destinations.push(Destination {
                rate: route.and_then(|route| route.rate),
                over_rate: route.map_or(OverRate::Defer, |route| route.over_rate),
                accepted: Cell::default(),
                handed: Cell::default(),
                paid: (0, 0),
                tally: CountryTally { country, accepted: 0, forwarded: 0, finals: [0; 9], backlog: 0 },
            });
            self.destinations.len() as u16 - 1
        })
    }

    fn way(&self, lane: u16) -> &Way {
        &self.ways[self.lanes[lane as usize].way as usize]
    }

    /// The lane of the same country that begins at `position`, or its last one.
    pub(super) fn at_position(&self, lane: u16, position: u8) -> u16 {
        let way = self.way(lane);
        let last = way.carriers.len().max(1) - 1;
        way.first_lane + (position as usize).min(last) as u16
    }

    /// The lane that begins behind `carrier` in this lane's route, `None` where no carrier is left.
    pub(super) fn behind(&self, lane: u16, carrier: CarrierId) -> Option<u16> {
        let way = self.way(lane);
        let position = way.carriers.iter().position(|candidate| *candidate == carrier.0)?;
        (position + 1 < way.carriers.len()).then(|| way.first_lane + position as u16 + 1)
    }

    /// Position in the route at which the lane begins.
    pub(super) fn position(&self, lane: u16) -> u8 {
        self.lanes[lane as usize].from
    }

    pub(super) fn destination_mut(&mut self, lane: u16) -> &mut Destination {
        let destination = self.way(lane).destination;
        &mut self.destinations[destination as usize]
    }

    pub(super) fn accepted(&mut self, lane: u16) {
        self.destination_mut(lane).tally.accepted += 1;
    }

    pub(super) fn forwarded(&mut self, lane: u16) {
        self.destination_mut(lane).tally.forwarded += 1;
    }

    pub(super) fn finished(&mut self, lane: u16, state: MessageState) {
        self.destination_mut(lane).tally.finals[state as usize] += 1;
    }

    /// The message of the lane that goes next, [`super::book::NONE`] when it is empty.
    pub(super) fn head(&self, lane: u16) -> u32 {
        self.lanes[lane as usize].head()
    }

    /// Whether a carrier of the lane takes messages now.
    pub(super) fn has_carrier(&self, lane: u16) -> bool {
        self.lanes[lane as usize].current.is_some()
    }

    /// Takes the place of a message in its country's rate, which defers. The first part of a message that leaves pays for
    /// all of them, so that a text does not leave torn: `parts` are so many, with what they share.
    pub(super) fn pay(&mut self, lane: u16, parts: Option<(u64, u32)>, now: Mono) -> Verdict {
        let destination = self.destination_mut(lane);
        let Some(rate) = destination.rate else { return Verdict::Pass };
        let Some((key, count)) = parts else { return destination.handed.take(rate, 1, now) };
        if destination.paid.0 == key && destination.paid.1 > 0 {
            destination.paid.1 -= 1;
            return Verdict::Pass;
        }
        let verdict = destination.handed.take(rate, count, now);
        if verdict == Verdict::Pass {
            destination.paid = (key, count.saturating_sub(1));
        }
        verdict
    }

    /// The carrier that takes the lane's messages now.
    pub(super) fn current(&self, lane: u16) -> Option<u16> {
        self.lanes[lane as usize].current
    }

    /// Whether the lane hands out to this carrier now.
    pub(super) fn leads_to(&self, lane: u16, carrier: u16) -> bool {
        self.lanes[lane as usize].current == Some(carrier)
    }

    /// How many lanes there are.
    pub(super) fn count(&self) -> u16 {
        self.lanes.len() as u16
    }

    /// Whether the lane has messages that this carrier may get, were it there.
    pub(super) fn may_lead_to(&self, lane: u16, carrier: u16) -> bool {
        let entry = &self.lanes[lane as usize];
        entry.len > 0 && self.way(lane).carriers.iter().skip(entry.from as usize).any(|other| *other == carrier)
    }

    pub(super) fn push_back(&mut self, slots: &mut Slots, carriers: &mut [CarrierState], lane: u16, slot: u32) {
        slots[slot].lane = lane;
        let entry = &mut self.lanes[lane as usize];
        entry.lists[priority(slots, slot)].push_back(slots, slot);
        entry.len += 1;
        self.ready(carriers, lane);
    }

    pub(super) fn push_front(&mut self, slots: &mut Slots, carriers: &mut [CarrierState], lane: u16, slot: u32) {
        slots[slot].lane = lane;
        let entry = &mut self.lanes[lane as usize];
        entry.lists[priority(slots, slot)].push_front(slots, slot);
        entry.len += 1;
        self.ready(carriers, lane);
    }

    pub(super) fn remove(&mut self, slots: &mut Slots, lane: u16, slot: u32) {
        let entry = &mut self.lanes[lane as usize];
        entry.lists[priority(slots, slot)].remove(slots, slot);
        entry.len -= 1;
    }

    /// Puts an idle lane that has messages and a carrier into the carrier's queue.
    fn ready(&mut self, carriers: &mut [CarrierState], index: u16) {
        let lane = &mut self.lanes[index as usize];
        if lane.doing == Doing::Idle
            && lane.len > 0
            && let Some(current) = lane.current
        {
            lane.doing = Doing::Ready;
            carriers[current as usize].ready.push_back(index);
        }
    }

    /// The lane left its carrier's queue and has nothing more to do there for now.
    pub(super) fn rest(&mut self, carriers: &mut [CarrierState], index: u16) {
        self.lanes[index as usize].doing = Doing::Idle;
        self.ready(carriers, index);
    }

    /// The lane left its carrier's queue until `at`.
    pub(super) fn sleep(&mut self, index: u16, at: Mono) {
        self.lanes[index as usize].doing = Doing::Sleeping;
        self.sleepers.push(Reverse((at, index)));
    }

    /// The lane left its carrier's queue until a block comes.
    pub(super) fn wait_for_block(&mut self, index: u16) {
        self.lanes[index as usize].doing = Doing::Reading;
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.sleepers.peek().map(|Reverse((at, _))| *at)
    }

    pub(super) fn wake_sleepers(&mut self, carriers: &mut [CarrierState], now: Mono) {
        while let Some(Reverse((at, index))) = self.sleepers.peek().copied()
            && at <= now
        {
            self.sleepers.pop();
            if self.lanes[index as usize].doing == Doing::Sleeping {
                self.rest(carriers, index);
            }
        }
    }

    pub(super) fn wake_readers(&mut self, carriers: &mut [CarrierState]) {
        for index in 0..self.lanes.len() as u16 {
            if self.lanes[index as usize].doing == Doing::Reading {
                self.rest(carriers, index);
            }
        }
    }

    /// A carrier came or went: every lane looks for its carrier again.
    pub(super) fn reroute(&mut self, carriers: &mut [CarrierState]) {
        for carrier in carriers.iter_mut() {
            carrier.ready.clear();
        }
        for index in 0..self.lanes.len() as u16 {
            let lane = &mut self.lanes[index as usize];
            lane.current = choose(&self.ways[lane.way as usize].carriers, lane.from, carriers);
            if lane.doing == Doing::Ready {
                lane.doing = Doing::Idle;
            }
            self.ready(carriers, index);
        }
    }

    /// Messages waiting in lanes that lead to `carrier` now, or to nobody and would prefer it.
    pub(super) fn backlog(&self, carrier: u16) -> u64 {
        let waits = |lane: &&Lane| {
            let preferred = || self.ways[lane.way as usize].carriers.get(lane.from as usize).copied();
            lane.current.or_else(preferred) == Some(carrier)
        };
        self.lanes.iter().filter(waits).map(|lane| u64::from(lane.len)).sum()
    }

    pub(super) fn tallies(&self) -> Vec<CountryTally> {
        let backlog = |destination: u16| {
            let leads_there = |lane: &&Lane| self.ways[lane.way as usize].destination == destination;
            self.lanes.iter().filter(leads_there).map(|lane| u64::from(lane.len)).sum()
        };
        let with_backlog = |(index, destination): (usize, &Destination)| CountryTally {
            backlog: backlog(index as u16),
            ..destination.tally.clone()
        };
        self.destinations.iter().enumerate().map(with_backlog).collect()
    }
}

/// The first carrier at or behind position `from` that takes messages.
fn choose(via: &[u16], from: u8, carriers: &[CarrierState]) -> Option<u16> {
    via.iter().skip(from as usize).copied().find(|index| carriers[*index as usize].is_available())
}
