//! Lanes when the rules change: those of old rules lead nowhere from that moment on, and are taken apart once nothing is in
//! them. Rates keep what they have counted.
//!
//! Which lane a message goes on in is not decided here.

use super::{CarrierState, Policy, Route, takes_payload};
use super::{Cell, Country, Destination, Doing, Key, Lane, Lanes, OverRate, Permits, Spread, Tiers, Way, When, limits};
use crate::message::CarrierId;
use crate::store::Enrolled;

/// What a way is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// New messages go this way.
    InForce,
    /// It is of old rules; what is in its lanes is looked at again.
    Old,
    /// For what is under way, or ended: should it come back, it is looked at then.
    Aside,
    /// Nothing refers to it: its lanes may be made anew.
    Free,
}

impl Destination {
    /// Takes the rates of a route, `None` where none leads here.
    pub(super) fn follow(&mut self, when: When, route: Option<&Route>) {
        if self.when != when {
            (self.accepted, self.handed, self.paid) = (Cell::default(), Cell::default(), (0, 0));
        }
        self.when = when;
        self.rate = route.and_then(|route| route.rate);
        self.over_rate = route.map_or(OverRate::Defer, |route| route.over_rate);
    }
}

impl Way {
    fn lanes(&self) -> std::ops::Range<usize> {
        let first = self.first_lane as usize;
        first..first + self.tiers.positions().max(1)
    }
}

impl Lanes {
    /// The distinct permits so far.
    pub(in super::super) fn permits_so_far(&self) -> Permits {
        self.permits.clone()
    }

    /// Whether the places of carriers in the policy stay what they are.
    pub(in super::super) fn counts_carriers_by(&self, enrolled: &Enrolled) -> bool {
        self.carrier_ids == enrolled.carriers
    }

    /// The same ways under these rules: rates and what carriers take may be others.
    pub(in super::super) fn adjust(&mut self, permits: Permits, policy: &Policy, carriers: &[CarrierState]) {
        self.permits = permits;
        for ((_, route), index) in &self.by_route {
            let route = policy.routes.list().get(usize::from(*route));
            let destination = &mut self.destinations[*index as usize];
            destination.follow(destination.when.clone(), route);
        }
        for way in self.ways.iter_mut().filter(|way| way.standing == Standing::InForce) {
            way.takes_payload = takes_payload(&way.tiers, carriers);
        }
        self.sleepers.clear();
        self.lanes.iter_mut().for_each(|lane| lane.doing = Doing::Idle);
    }

    /// From now on no lane that there is leads anywhere; the caller reroutes.
    pub(in super::super) fn renew(&mut self, permits: Permits, enrolled: &Enrolled) {
        (self.permits, self.carrier_ids) = (permits, enrolled.carriers.clone());
        self.by_key.clear();
        self.by_route.clear();
        self.sleepers.clear();
        for way in &mut self.ways {
            if way.standing == Standing::InForce {
                way.standing = Standing::Old;
            }
            let is_old = way.standing == Standing::Old;
            for lane in &mut self.lanes[way.lanes()] {
                lane.doing = Doing::Idle;
                if is_old {
                    (lane.chain, lane.current, lane.is_undecided) = (Box::default(), None, true);
                }
            }
        }
    }

    /// The next lane whose messages must be looked at again.
    pub(in super::super) fn undecided(&self) -> Option<u16> {
        self.undecided.front().copied()
    }

    /// That lane is empty, or waits for a block.
    pub(in super::super) fn leave_undecided(&mut self) {
        if let Some(lane) = self.undecided.pop_front() {
            self.lanes[lane as usize].doing = Doing::Idle;
        }
    }

    /// Whether the lane is of old rules.
    pub(in super::super) fn is_old(&self, lane: u16) -> bool {
        let entry = self.lanes.get(lane as usize);
        entry.is_some_and(|entry| self.ways[entry.way as usize].standing == Standing::Old)
    }

    /// Whether a message is still in a lane of old rules.
    pub(in super::super) fn is_any_old_left(&self) -> bool {
        let old = self.ways.iter().filter(|way| way.standing == Standing::Old);
        old.flat_map(|way| &self.lanes[way.lanes()]).any(|lane| lane.len > 0)
    }

    /// The country of the lane's messages.
    pub(in super::super) fn country(&self, lane: u16) -> Country {
        self.destinations[self.way(lane).destination as usize].tally.country
    }

    /// Where a message of `old` goes on that would begin in `new`: carriers that had it are not asked again while there are
    /// others.
    pub(in super::super) fn after_tried(&self, old: u16, new: u16) -> u16 {
        let (way, mut lane) = (self.way(old), new);
        if way.tiers == self.way(new).tiers {
            return self.at_position(new, self.position(old));
        }
        let left = self.left_of(old);
        let tried = |carrier: &u16| way.tiers.carriers().any(|own| own == *carrier) && !left.contains(carrier);
        for _ in 0..way.tiers.positions() {
            let first = self.lanes[lane as usize].chain.first().copied().filter(tried);
            let Some(next) = first.and_then(|first| self.behind(lane, CarrierId(first))) else { break };
            lane = next;
        }
        lane
    }

    /// Whether a message of `old`, a lane of old rules, has other carriers before it in `new`.
    pub(in super::super) fn leads_elsewhere(&self, old: u16, new: u16) -> bool {
        self.is_old(old) && self.left_of(old) != self.lanes[new as usize].chain[..]
    }

    /// Whether nobody may get the lane's messages.
    pub(in super::super) fn is_nowhere(&self, lane: u16) -> bool {
        self.lanes[lane as usize].chain.is_empty()
    }

    /// The carriers that were left for the messages of a lane.
    fn left_of(&self, lane: u16) -> Vec<u16> {
        self.way(lane).tiers.chain(self.position(lane))
    }

    /// Whether the carrier is none that messages of this lane come from.
    pub(super) fn is_foreign(&self, lane: u16, carrier: CarrierId) -> bool {
        let (way, entry) = (self.way(lane), &self.lanes[lane as usize]);
        match way.standing {
            Standing::Aside => true,
            Standing::Old => false,
            Standing::InForce | Standing::Free => !entry.chain.is_empty() && !entry.chain.contains(&carrier.0),
        }
    }

    /// The lane of what goes to this country, is under way or has ended, and is looked at should it come back.
    pub(in super::super) fn aside(&mut self, country: Country, policy: &Policy) -> u16 {
        if let Some(way) = self.asides.get(&country) {
            return self.ways[*way as usize].first_lane;
        }
        let (way, first_lane) = self.place_for(1);
        let plain = Key::new(country, policy.routes.position(country), Permits::ALL);
        let destination = self.find_destination(plain, policy);
        let mut lane = Lane::new(way, 0, Vec::new());
        lane.is_undecided = true;
        self.put_lane(first_lane as usize, lane);
        let (standing, tiers, spread) = (Standing::Aside, Tiers::default(), Spread::default());
        // Whoever gets it may not take a payload.
        let takes_payload = false;
        self.put_way(way, Way { standing, destination, tiers, has_equals: false, spread, takes_payload, first_lane });
        self.asides.insert(country, way);
        first_lane
    }

    /// Takes the ways of old rules apart: nothing refers to them any more.
    pub(in super::super) fn free_old(&mut self) {
        for way in self.ways.iter_mut().filter(|way| way.standing == Standing::Old) {
            way.standing = Standing::Free;
        }
        while let Some(way) = self.ways.pop_if(|way| way.standing == Standing::Free) {
            self.lanes.truncate(way.first_lane as usize);
        }
    }

    /// Whether so many lanes in a row can be made.
    pub(super) fn has_place_for(&self, lanes: usize) -> bool {
        self.lanes.len() + lanes <= limits::LANES_MAX || self.free_way(lanes).is_some()
    }

    fn free_way(&self, lanes: usize) -> Option<u16> {
        let fits = |way: &Way| way.standing == Standing::Free && way.lanes().len() == lanes;
        self.ways.iter().position(fits).map(|way| way as u16)
    }

    /// Where a way with so many lanes goes, and the first of its lanes.
    pub(super) fn place_for(&self, lanes: usize) -> (u16, u16) {
        match self.free_way(lanes) {
            Some(way) => (way, self.ways[way as usize].first_lane),
            None => (self.ways.len() as u16, self.lanes.len() as u16),
        }
    }

    pub(super) fn put_lane(&mut self, index: usize, lane: Lane) {
        match self.lanes.get_mut(index) {
            Some(place) => *place = lane,
            None => self.lanes.push(lane),
        }
    }

    pub(super) fn put_way(&mut self, index: u16, way: Way) {
        match self.ways.get_mut(index as usize) {
            Some(place) => *place = way,
            None => self.ways.push(way),
        }
    }

    /// A destination of this country for a route that asks for this: the one that counted for it so far, or one whose route
    /// is no more.
    pub(super) fn known_destination(&self, country: Country, when: &When, policy: &Policy) -> Option<u16> {
        let is_taken = |index: usize| self.by_route.values().any(|taken| *taken as usize == index);
        let fits = |index: &usize| self.destinations[*index].tally.country == country && !is_taken(*index);
        let is_asked = |when: &When| policy.routes.list().iter().any(|route| route.when == *when);
        let mut all = (0..self.destinations.len()).filter(fits);
        let same = all.clone().find(|index| self.destinations[*index].when == *when);
        same.or_else(|| all.find(|index| !is_asked(&self.destinations[*index].when))).map(|index| index as u16)
    }
}
