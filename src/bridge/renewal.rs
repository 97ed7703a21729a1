//! Other rules while the bridge runs: they are in force at once, and what waits is looked at again by them.
//!
//! No message leaves by a lane of the rules before: those lead nowhere from the first moment on, and their messages are
//! moved in bounded steps, in their order, where a new message of the kind would wait. Those that no carrier may get any
//! more wait for other rules or for their end, as after a restart with such rules. What a carrier has been handed stays
//! with it. Rates, windows, binds and counters stay. Does not read the rules and does not judge them.

use super::book::Stage;
use super::input::Outbox;
use super::permit::Permits;
use super::{Bridge, account, carrier, limits};
use crate::clock::Now;
use crate::message::CarrierId;
use crate::pdu::{Address, Sm};
use crate::policy::{Country, Policy, Route, Routes, number};
use crate::store::Enrolled;

/// What became of the messages that waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Renewed {
    /// Messages that go to other carriers than before.
    pub rerouted: u64,
    /// Those among them that no carrier may get now.
    pub stranded: u64,
    /// Messages that await a receipt of a carrier which is not there any more.
    pub unreported: u64,
}

/// How far looking again is.
#[derive(Debug, Default)]
pub(super) struct Renewal {
    /// Times that the rules changed, and messages that went elsewhere then.
    pub(super) policies: u64,
    pub(super) rerouted: u64,
    /// With the last change.
    pub(super) renewed: Renewed,
    /// The next slot of the book, and where to end: later ones are of the new rules. `None` when nothing is left to do.
    walk: Option<(u32, u32)>,
}

impl Bridge {
    /// Takes other rules.
    pub(super) fn renew(&mut self, policy: Policy, enrolled: &Enrolled, now: Now) {
        let known = self.accounts.len();
        account::configure(&mut self.accounts, &policy, enrolled);
        carrier::configure(&mut self.carriers, &policy, enrolled);
        for carrier in &mut self.carriers {
            carrier.becomes_effective(now);
        }
        self.inbound.configure(enrolled);
        self.recheck_opt_outs();
        self.renewal.policies += 1;
        self.renewal.renewed = Renewed::default();
        let same_ways = self.lanes.counts_carriers_by(enrolled)
            && lead_alike(&self.policy.routes, &policy.routes)
            && self.permits_alike(known, &policy);
        self.policy = policy;
        if !same_ways {
            let mut permits = Permits::new(&self.policy.carriers);
            for account in &mut self.accounts {
                account.permit = permits.find(&account.transfers, &self.policy.carriers);
            }
            self.lanes.renew(permits, enrolled);
            self.renewal.walk = Some((0, self.book.slots.indices().end));
        }
        self.lanes.reroute(&mut self.carriers);
        for account in 0..self.accounts.len() {
            self.make_eager(account as u16);
        }
    }

    /// Whether each of the `known` accounts may use the carriers that it might use before; then what is new is taken in, and
    /// the lanes that there are stay.
    fn permits_alike(&mut self, known: usize, policy: &Policy) -> bool {
        let mut permits = self.lanes.permits_so_far();
        let own = self.accounts.iter().map(|account| permits.find(&account.transfers, &policy.carriers));
        let own: Vec<u16> = own.collect();
        let alike = self.accounts.iter().zip(&own).take(known).all(|(account, own)| account.permit == *own);
        if alike {
            self.accounts.iter_mut().zip(own).for_each(|(account, own)| account.permit = own);
            self.lanes.adjust(permits, policy, &self.carriers);
        }
        alike
    }

    /// Whether a turn would bring the renewal further.
    pub(super) fn wants_to_look(&self) -> bool {
        let walks = self.renewal.walk.is_some_and(|(at, end)| at < end);
        (walks || self.lanes.undecided().is_some()) && !self.is_full()
    }

    /// Whether messages wait that were not looked at since the rules changed; what became of them so far.
    #[must_use]
    pub fn renewal(&self) -> (bool, Renewed) {
        (self.renewal.walk.is_some(), self.renewal.renewed)
    }

    /// Goes on looking at what waits; some of it in each turn.
    pub(super) fn look_again(&mut self, now: Now, out: &mut Outbox) {
        let mut steps = limits::RENEWAL_SLOTS;
        while let Some(lane) = self.lanes.undecided() {
            if steps == 0 || self.is_full() {
                return;
            }
            steps -= 1;
            let slot = self.lanes.head(lane);
            if slot == super::book::NONE {
                self.lanes.leave_undecided();
                continue;
            }
            match self.place_again(slot) {
                Some(new) => self.move_over(slot, lane, new),
                None => {
                    self.lanes.leave_undecided();
                    self.lanes.wait_for_block(lane);
                    let block = self.book.slots[slot].position.block;
                    self.ask(block, now, out);
                }
            }
        }
        let Some((at, end)) = self.renewal.walk else { return };
        let stop = end.min(at.saturating_add(steps as u32));
        for slot in at..stop {
            if self.is_full() {
                self.renewal.walk = Some((slot, end));
                return;
            }
            self.release_lane(slot);
        }
        self.renewal.walk = Some((stop, end));
        if stop == end && !self.lanes.is_any_old_left() {
            self.lanes.free_old();
            self.renewal.walk = None;
        }
    }

    /// The lane of a message by the rules of today: where it began, unless carriers that had it are not to be asked again.
    /// `None` where its block must come first.
    fn place_again(&mut self, slot: u32) -> Option<u16> {
        let entry = &self.book.slots[slot];
        let (account, old, parts) = (entry.account.0, entry.lane, entry.key);
        let country = self.lanes.country(old);
        let (source, destination) = if self.policy.routes.has_rules() {
            if !self.pages.is_at_hand(entry.position) {
                return None;
            }
            let accept = self.pages.accepted(entry.position);
            let addresses = accept.and_then(|accept| Sm::addresses(accept.body).ok());
            addresses.map(|(source, destination, _)| (source, destination)).unwrap_or_default()
        } else {
            (Address::default(), Address::default())
        };
        let new = self.place(account, &source, &destination, country, parts);
        Some(self.lanes.after_tried(old, new))
    }

    /// The lane of a message that was accepted before, by the rules of today: one that leads nowhere where no carrier may get
    /// it. `parts` as in [`super::lane::Lanes::open`].
    pub(super) fn place(
        &mut self,
        account: u16,
        source: &Address,
        destination: &Address,
        country: Country,
        parts: u64,
    ) -> u16 {
        // It had an international number when it was accepted; the rest is by the rules of today.
        let home = self.accounts[account as usize].home;
        let number = number::dialled_from(home, destination).unwrap_or_default();
        let way = self.way(account, source, &number, country);
        self.lanes.open(way, parts, &self.policy, &self.carriers, true).unwrap_or_default()
    }

    /// Moves a message that waits into the lane of the rules of today.
    fn move_over(&mut self, slot: u32, old: u16, new: u16) {
        self.lanes.remove(&mut self.book.slots, old, slot);
        if self.lanes.leads_elsewhere(old, new) {
            self.book.slots[slot].attempts = 0;
            self.renewal.rerouted += 1;
            self.renewal.renewed.rerouted += 1;
            self.renewal.renewed.stranded += u64::from(self.lanes.is_nowhere(new));
        }
        self.lanes.push_back(&mut self.book.slots, &mut self.carriers, new, slot);
        // Where it began at the front, a restart finds the same.
        if !self.lanes.is_old(old) || self.lanes.position(old) > 0 || self.lanes.position(new) > 0 {
            self.write_retry(slot, 0);
        }
    }

    /// Takes a message that is not in its lane from one of old rules, so that those can be taken apart.
    fn release_lane(&mut self, slot: u32) {
        let Some(entry) = self.book.slots.at(slot).filter(|entry| entry.id.0 != 0) else { return };
        let (stage, old, due) = (entry.stage, entry.lane, entry.done);
        if !self.lanes.is_old(old) {
            return;
        }
        let is_gone = |carrier: CarrierId| self.carriers.get(carrier.0 as usize).is_some_and(|known| !known.configured);
        self.renewal.renewed.unreported += u64::from(stage == Stage::Sent && is_gone(entry.carrier));
        let new = match stage {
            Stage::Waiting => return,
            Stage::Scheduled | Stage::Handed => self.place_again(slot),
            Stage::Sent | Stage::Joined | Stage::Owed | Stage::Resting | Stage::Delivering | Stage::Settled => None,
        };
        let country = self.lanes.country(old);
        let lane = new.unwrap_or_else(|| self.lanes.aside(country, &self.policy));
        self.book.slots[slot].lane = lane;
        if stage == Stage::Scheduled && (self.lanes.position(old) > 0 || self.lanes.position(lane) > 0) {
            self.write_retry(slot, due);
        }
    }
}

/// Whether every message takes the same way by both, at whatever rate.
fn lead_alike(old: &Routes, new: &Routes) -> bool {
    let way = |route: &Route| Route { rate: None, over_rate: crate::policy::OverRate::Defer, ..route.clone() };
    old.list().iter().map(way).eq(new.list().iter().map(way))
}
