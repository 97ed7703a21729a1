//! Lanes: where messages wait for a carrier. A lane belongs to one destination country and one position of its route, so
//! that a message refused by the first carrier goes on in the lane that begins at the second, equals have their shares in
//! lanes of their own, and a slow country or carrier never stands in the way of another. Accounts that permit different
//! carriers, and routes to one country, have lanes of their own. Within a lane a higher priority goes first.
//!
//! When the rules change, lanes of old ones lead nowhere any more, and what is in them is looked at again: see `renewal`.

mod renewal;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

use super::book::{List, NONE, Slots};
use super::carrier::CarrierState;
use super::permit::Permits;
use super::submit::PRIORITY_SHIFT;
use super::tally::CountryTally;
use crate::clock::Mono;
use crate::limits;
use crate::message::{CarrierId, MessageState};
use crate::policy::{Cell, Country, OverRate, Policy, Rate, Route, Spread, Tiers, Verdict, When};
use crate::store::Enrolled;

/// What a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Empty, or no carrier of its route is there.
    Idle,
    /// In its carrier's queue; or among those that must be looked at again.
    Ready,
    /// Waits for its country's rate.
    Sleeping,
    /// Waits for a block.
    Reading,
}

#[derive(Debug)]
struct Lane {
    way: u16,
    /// Its position, as [`Tiers`] counts them.
    from: u8,
    /// Numbers of the carriers that its messages may go to, in this order.
    chain: Box<[u16]>,
    /// Whether its messages must be looked at again, by the rules of today; then it leads nowhere.
    is_undecided: bool,
    /// By priority; the highest goes first.
    lists: [List; PRIORITIES],
    /// Messages in all of them.
    len: u32,
    current: Option<u16>,
    doing: Doing,
}

impl Lane {
    fn new(way: u16, from: u8, chain: Vec<u16>) -> Self {
        let lists = [List::default(); PRIORITIES];
        Self { way, from, chain: chain.into(), is_undecided: false, lists, len: 0, current: None, doing: Doing::Idle }
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

/// The carriers of a country's route that some accounts permit, and the lanes before them, one for each position.
#[derive(Debug)]
struct Way {
    standing: renewal::Standing,
    destination: u16,
    /// Carrier numbers; empty where no route leads there any more.
    tiers: Tiers,
    /// Whether there is anything to share.
    has_equals: bool,
    spread: Spread,
    /// Whether all of them take `message_payload`.
    takes_payload: bool,
    first_lane: u16,
}

/// A destination country of a route with its rate, whichever way its messages go.
#[derive(Debug)]
pub(super) struct Destination {
    /// What its route asks for besides the country.
    when: When,
    pub(super) rate: Option<Rate>,
    pub(super) over_rate: OverRate,
    /// What was accepted, where `over_rate` refuses.
    pub(super) accepted: Cell,
    /// What was handed out: a backlog must not leave faster than the rate either.
    pub(super) handed: Cell,
    /// What the parts share that leave now, and how many of them are paid for already.
    paid: (u64, u32),
    /// Messages in its lanes.
    waiting: u32,
    tally: CountryTally,
}

/// What a way is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) country: Country,
    pub(super) permit: u16,
    route: u16,
}

impl Key {
    /// Messages to this country by the route at this position.
    pub(super) fn new(country: Country, route: Option<u16>, permit: u16) -> Self {
        Self { country, permit, route: route.unwrap_or(u16::MAX) }
    }

    /// Its route, `None` where there is none.
    pub(super) fn route(self, policy: &Policy) -> Option<&Route> {
        policy.routes.list().get(usize::from(self.route))
    }
}

/// In one step: it is looked up for every message.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let country = u64::from(u16::from_be_bytes(self.country.octets()));
        state.write_u64(country << 32 | u64::from(self.permit) << 16 | u64::from(self.route));
    }
}

/// All lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    destinations: Vec<Destination>,
    /// By country and route.
    by_route: FxHashMap<(Country, u16), u16>,
    ways: Vec<Way>,
    by_key: FxHashMap<Key, u16>,
    permits: Permits,
    lanes: Vec<Lane>,
    sleepers: BinaryHeap<Reverse<(Mono, u16)>>,
    carrier_ids: Vec<CarrierId>,
    /// Lanes with messages that must be looked at again.
    undecided: VecDeque<u16>,
    /// By country: the way of what is looked at again only when it comes back.
    asides: FxHashMap<Country, u16>,
}

impl Lanes {
    pub(super) fn new(permits: Permits, enrolled: &Enrolled) -> Self {
        Self {
            destinations: Vec::new(),
            by_route: FxHashMap::default(),
            ways: Vec::new(),
            by_key: FxHashMap::default(),
            permits,
            lanes: Vec::new(),
            sleepers: BinaryHeap::new(),
            carrier_ids: enrolled.carriers.clone(),
            undecided: VecDeque::new(),
            asides: FxHashMap::default(),
        }
    }

    /// Where a new message begins that goes this way; its lanes are made when first asked for. `None` where no route leads
    /// there or none of its carriers is permitted, unless `anyway` (messages found at recovery whose way was taken away wait
    /// for a new one or for their end); or where there are as many lanes as may be. `parts` is what the parts of a longer
    /// message share, 0 for a whole one: they begin at the same place.
    pub(super) fn open(
        &mut self,
        key: Key,
        parts: u64,
        policy: &Policy,
        carriers: &[CarrierState],
        anyway: bool,
    ) -> Option<u16> {
        let index = match self.by_key.get(&key) {
            Some(index) => *index,
            None => {
                let tiers = self.permitted(key, policy);
                if tiers.is_empty() && !anyway {
                    return None;
                }
                if !self.has_place_for(tiers.positions().max(1)) {
                    return if anyway { Some(self.nowhere(policy)) } else { None };
                }
                self.make_way(key, tiers, policy, carriers)
            }
        };
        let way = &mut self.ways[index as usize];
        if way.has_equals {
            let is_there = |carrier: u16| carriers[carrier as usize].is_available();
            let position = match parts {
                0 => way.tiers.begin(&mut way.spread, is_there),
                parts => way.tiers.begin_at(parts, is_there),
            };
            return Some(way.first_lane + u16::from(position));
        }
        (anyway || !way.tiers.is_empty()).then_some(way.first_lane)
    }

    /// The carriers of the route that the permit allows, by number.
    fn permitted(&self, key: Key, policy: &Policy) -> Tiers {
        let Some(route) = key.route(policy) else { return Tiers::default() };
        route.carriers.renumbered(|position| {
            let id = self.carrier_ids.get(position as usize)?;
            self.permits.allows(key.permit, position).then_some(id.0)
        })
    }

    /// Whether the permit allows any carrier of the route.
    pub(super) fn permits(&self, permit: u16, route: &Route) -> bool {
        route.carriers.carriers().any(|position| self.permits.allows(permit, position))
    }

    fn make_way(&mut self, key: Key, tiers: Tiers, policy: &Policy, carriers: &[CarrierState]) -> u16 {
        let (index, first_lane) = self.place_for(tiers.positions().max(1));
        for position in 0..tiers.positions().max(1) {
            let mut lane = Lane::new(index, position as u8, tiers.chain(position as u8));
            lane.current = choose(&lane.chain, carriers);
            self.put_lane(first_lane as usize + position, lane);
        }
        let destination = self.find_destination(key, policy);
        let takes_payload = takes_payload(&tiers, carriers);
        let (standing, has_equals, spread) = (renewal::Standing::InForce, tiers.has_equals(), Spread::default());
        self.put_way(index, Way { standing, destination, tiers, has_equals, spread, takes_payload, first_lane });
        self.by_key.insert(key, index);
        index
    }

    /// The lane of messages for which there is no room: it leads nowhere, and they end with their validity.
    fn nowhere(&mut self, policy: &Policy) -> u16 {
        const NOWHERE: Key = Key { country: Country::NON_GEOGRAPHIC, permit: u16::MAX, route: u16::MAX };
        let known = self.by_key.get(&NOWHERE).copied();
        let way = known.unwrap_or_else(|| self.make_way(NOWHERE, Tiers::default(), policy, &[]));
        self.ways[way as usize].first_lane
    }

    fn find_destination(&mut self, key: Key, policy: &Policy) -> u16 {
        let (route, country) = (key.route(policy), key.country);
        if let Some(known) = self.by_route.get(&(country, key.route)) {
            return *known;
        }
        let when = route.map(|route| route.when.clone()).unwrap_or_default();
        let index = self.known_destination(country, &when, policy).unwrap_or_else(|| {
            self.destinations.push(Destination {
                when: When::default(),
                rate: None,
                over_rate: OverRate::Defer,
                accepted: Cell::default(),
                handed: Cell::default(),
                paid: (0, 0),
                waiting: 0,
                tally: CountryTally { country, accepted: 0, forwarded: 0, finals: [0; 9], backlog: 0 },
            });
            self.destinations.len() as u16 - 1
        });
        self.destinations[index as usize].follow(when, route);
        self.by_route.insert((country, key.route), index);
        index
    }

    fn way(&self, lane: u16) -> &Way {
        &self.ways[self.lanes[lane as usize].way as usize]
    }

    /// The lane of the same country that begins at `position`, or its last one.
    pub(super) fn at_position(&self, lane: u16, position: u8) -> u16 {
        let way = self.way(lane);
        let last = way.tiers.positions().max(1) - 1;
        way.first_lane + (position as usize).min(last) as u16
    }

    /// The lane in which a message of this one goes on that `carrier` did not take, `None` where no carrier is left.
    pub(super) fn behind(&self, lane: u16, carrier: CarrierId) -> Option<u16> {
        let way = self.way(lane);
        if self.is_foreign(lane, carrier) {
            // It was handed out under other rules, and nobody of these has seen it.
            return Some(lane);
        }
        let position = way.tiers.behind(self.position(lane), carrier.0)?;
        Some(way.first_lane + u16::from(position))
    }

    /// Position in the route at which the lane begins.
    pub(super) fn position(&self, lane: u16) -> u8 {
        self.lanes[lane as usize].from
    }

    pub(super) fn destination_mut(&mut self, lane: u16) -> &mut Destination {
        let destination = self.way(lane).destination;
        &mut self.destinations[destination as usize]
    }

    /// Whether more than half of so many messages that may wait do so for the country of this lane, and not for others.
    pub(super) fn crowds(&self, lane: u16, most: u64) -> bool {
        let destination = &self.destinations[self.way(lane).destination as usize];
        self.destinations.len() > 1 && u64::from(destination.waiting) > most / 2
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

    /// Whether every carrier that may get the lane's messages takes `message_payload`.
    pub(super) fn takes_payload(&self, lane: u16) -> bool {
        self.way(lane).takes_payload
    }

    /// The carriers that may get the lane's messages, in this order.
    pub(super) fn chain(&self, lane: u16) -> &[u16] {
        &self.lanes[lane as usize].chain
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
        entry.len > 0 && entry.chain.contains(&carrier)
    }

    pub(super) fn push_back(&mut self, slots: &mut Slots, carriers: &mut [CarrierState], lane: u16, slot: u32) {
        slots[slot].lane = lane;
        let entry = &mut self.lanes[lane as usize];
        entry.lists[priority(slots, slot)].push_back(slots, slot);
        entry.len += 1;
        self.destination_mut(lane).waiting += 1;
        self.ready(carriers, lane);
    }

    pub(super) fn push_front(&mut self, slots: &mut Slots, carriers: &mut [CarrierState], lane: u16, slot: u32) {
        slots[slot].lane = lane;
        let entry = &mut self.lanes[lane as usize];
        entry.lists[priority(slots, slot)].push_front(slots, slot);
        entry.len += 1;
        self.destination_mut(lane).waiting += 1;
        self.ready(carriers, lane);
    }

    pub(super) fn remove(&mut self, slots: &mut Slots, lane: u16, slot: u32) {
        let entry = &mut self.lanes[lane as usize];
        entry.lists[priority(slots, slot)].remove(slots, slot);
        entry.len -= 1;
        self.destination_mut(lane).waiting -= 1;
    }

    /// Puts an idle lane that has messages and a carrier into the carrier's queue.
    fn ready(&mut self, carriers: &mut [CarrierState], index: u16) {
        let lane = &mut self.lanes[index as usize];
        if lane.doing != Doing::Idle || lane.len == 0 {
            return;
        }
        if let Some(current) = lane.current {
            lane.doing = Doing::Ready;
            carriers[current as usize].ready.push_back(index);
        } else if lane.is_undecided {
            lane.doing = Doing::Ready;
            self.undecided.push_back(index);
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
        self.undecided.clear();
        for index in 0..self.lanes.len() as u16 {
            let lane = &mut self.lanes[index as usize];
            lane.current = choose(&lane.chain, carriers);
            if lane.doing == Doing::Ready {
                lane.doing = Doing::Idle;
            }
            self.ready(carriers, index);
        }
    }

    /// Messages waiting in lanes that lead to `carrier` now, or to nobody and would prefer it.
    pub(super) fn backlog(&self, carrier: u16) -> u64 {
        let waits = |lane: &&Lane| lane.current.or_else(|| lane.chain.first().copied()) == Some(carrier);
        self.lanes.iter().filter(waits).map(|lane| u64::from(lane.len)).sum()
    }

    /// One row for each country, in the order in which they were first seen, whichever route its messages take.
    pub(super) fn tallies(&self) -> Vec<CountryTally> {
        let mut rows: Vec<CountryTally> = Vec::new();
        for Destination { tally, waiting, .. } in &self.destinations {
            let backlog = u64::from(*waiting);
            match rows.iter_mut().find(|row| row.country == tally.country) {
                Some(row) => row.add(tally, backlog),
                None => rows.push(CountryTally { backlog, ..tally.clone() }),
            }
        }
        rows
    }
}

/// Whether all carriers of a way take `message_payload`.
fn takes_payload(tiers: &Tiers, carriers: &[CarrierState]) -> bool {
    tiers.carriers().all(|carrier| carriers[carrier as usize].habits.payload)
}

/// The first carrier of a chain that takes messages.
fn choose(chain: &[u16], carriers: &[CarrierState]) -> Option<u16> {
    chain.iter().copied().find(|index| carriers[*index as usize].is_available())
}
