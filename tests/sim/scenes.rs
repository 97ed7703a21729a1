//! The words that scenarios are told in.

use smppgate::bridge::Tally;
use smppgate::policy::{OverRate, When};
use smppgate::session::BindMode;

use crate::ledger::Message;
use crate::plan::Plan;
use crate::queue::S;
use crate::route::RoutePlan;
use crate::world::World;

/// `message_state` octets.
pub(crate) const DELIVERED: u8 = 2;
pub(crate) const EXPIRED: u8 = 3;
pub(crate) const DELETED: u8 = 4;

impl World {
    /// One client and one carrier, changed by `change`, bound and idle.
    pub(crate) fn calm(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::calm();
        change(&mut plan);
        let mut world = Self::new(plan, false);
        world.run_for(S / 10);
        assert!(world.clients.iter().all(|client| client.is_bound()), "all clients are bound");
        world
    }

    /// The first client submits so many messages to one country, at once; their tags.
    pub(crate) fn submit_to(&mut self, country: usize, count: u32) -> Vec<u32> {
        let unix = self.ctx.unix();
        let client = &mut self.clients[0];
        client.country = Some(country);
        (0..count).map(|_| client.submit_now(&mut self.ctx, &mut self.ledger, unix)).collect()
    }

    /// The first client submits a long message in so many parts; their tags.
    pub(crate) fn submit_parts(&mut self, total: u8) -> Vec<u32> {
        let unix = self.ctx.unix();
        self.clients[0].submit_parts_now(&mut self.ctx, &mut self.ledger, total, unix)
    }

    /// The first client asks about these messages: 0 queries, 1 cancels, 2 replaces.
    pub(crate) fn recall(&mut self, tags: &[u32], kind: u64) {
        for tag in tags {
            self.clients[0].recall_now(&mut self.ctx, &mut self.ledger, *tag, kind);
        }
    }

    /// Answers with this status to what the first client asked about messages.
    pub(crate) fn recalled(&self, status: u32) -> u32 {
        self.clients[0].recalled.iter().filter(|((_, of), _)| *of == status).map(|(_, count)| count).sum()
    }

    pub(crate) fn submit(&mut self, count: u32) -> Vec<u32> {
        self.submit_to(0, count)
    }

    /// Handsets of the first carrier write so many messages to the first client; their tags.
    pub(crate) fn handsets_write(&mut self, count: u32) -> Vec<u32> {
        let Self { carriers, ctx, ledger, .. } = self;
        (0..count).map(|_| carriers[0].write(ctx, ledger, Some(0))).collect()
    }

    /// The carrier's links break and it takes no new ones.
    pub(crate) fn carrier_down(&mut self, carrier: usize) {
        self.carriers[carrier].plan.up = false;
        for conn in self.carriers[carrier].connections() {
            self.ctx.break_off(conn);
        }
        self.run_for(S / 100);
    }

    pub(crate) fn carrier_up(&mut self, carrier: usize) {
        self.carriers[carrier].plan.up = true;
        self.run_for(4 * S);
    }

    /// The first client's binds break; it comes back after `away`.
    pub(crate) fn client_leaves(&mut self, away: u64) {
        self.clients[0].plan.reconnect_after = (away, away);
        for conn in self.clients[0].connections() {
            self.clients[0].leave(&mut self.ctx, conn, false);
        }
        self.run_for(S / 100);
    }

    pub(crate) fn message(&self, tag: u32) -> &Message {
        &self.ledger.messages[&tag]
    }

    /// States of these messages, `None` while not final.
    pub(crate) fn states(&self, tags: &[u32]) -> Vec<Option<u8>> {
        tags.iter().map(|tag| self.message(*tag).end.map(|(state, _, _)| state)).collect()
    }

    /// How many of these messages are final in `state` and have told their client, where it asked.
    pub(crate) fn told(&self, tags: &[u32], state: u8) -> usize {
        let told = |tag: &&u32| {
            let message = self.message(**tag);
            message.end.is_some_and(|(end, _, owed)| end == state && (!owed || message.settled))
        };
        tags.iter().filter(told).count()
    }

    /// How many of these messages have left for a carrier.
    pub(crate) fn left(&self, tags: &[u32]) -> usize {
        tags.iter().filter(|tag| self.message(**tag).handed > 0).count()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.process.as_ref().expect("the process is up").bridge.tally()
    }

    /// Requests of clients answered with this status.
    pub(crate) fn answered(&self, status: u32) -> u32 {
        self.clients[0].answers.get(&status).copied().unwrap_or(0)
    }
}

/// A second carrier behind the first.
pub(crate) fn with_backup(plan: &mut Plan) {
    plan.carriers.push(plan.carriers[0].clone());
    plan.carriers[1].first_id = 5_000_000;
    plan.routes[0].carriers = vec![0, 1];
}

/// A route to one country by the first carrier.
pub(crate) fn to(country: &'static str, rate: Option<u32>) -> RoutePlan {
    let over_rate = OverRate::Defer;
    RoutePlan {
        countries: vec![country],
        carriers: vec![0],
        weights: Vec::new(),
        when: When::default(),
        rate,
        over_rate,
    }
}

/// The client submits on one bind and takes receipts on another.
pub(crate) fn with_two_binds(plan: &mut Plan) {
    plan.clients[0].binds = vec![BindMode::Transmitter, BindMode::Receiver];
}
