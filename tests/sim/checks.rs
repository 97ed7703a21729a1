//! What is checked: at every step, while nothing is under way, and at the end.

use smppgate::message::{MessageId, MessageState, owes_receipt};
use smppgate::policy::Class;
use smppgate::store::Store;

use crate::ledger::{Message, plain};
use crate::plan::{ClientPlan, PARTS_MAX};
use crate::process::Process;
use crate::queue::{HOUR, MIN, S};
use crate::route::RoutePlan;
use crate::world::World;

/// `err` of a message of which no carrier told the end.
const UNANSWERED: u16 = smppgate::policy::retry::ERROR_UNANSWERED;
/// `message_state` UNKNOWN.
const UNKNOWN: u8 = 7;

impl World {
    /// At every step; what the bridge counts, at one of sixteen.
    pub(crate) fn check(&mut self) {
        self.steps += 1;
        let Self { process: Some(process), plan, ctx, ledger, .. } = self else { return };
        let room = plan.inbox + 64;
        assert!(process.inbox.len() <= room, "the inbox holds {} letters", process.inbox.len());
        if !self.steps.is_multiple_of(16) || !process.is_settled(ctx) {
            return;
        }
        let tally = process.bridge.tally();
        let owed: u64 = tally.accounts.iter().map(|(_, account)| account.receipts_owed).sum();
        assert_eq!(owed, ledger.owed, "receipts owed, as the bridge counts and as the journal says");
        let mobiles: u64 = tally.accounts.iter().map(|(_, account)| account.inbound_waiting).sum();
        assert_eq!(
            mobiles, ledger.mobile_waiting,
            "messages from handsets, as the bridge counts and as the journal says"
        );
        assert!(mobiles <= plan.backlog_max, "{mobiles} messages from handsets wait");
        let lent: u64 = tally.carriers.iter().map(|(_, carrier)| carrier.window_used).sum();
        let accepted = ledger.by_id.len() as u64;
        let waiting = accepted - ledger.finals - ledger.awaiting - lent;
        assert_eq!(tally.messages_waiting, waiting, "messages waiting, as the bridge counts and as the journal says");
        let before_carriers: u64 = tally.carriers.iter().map(|(_, carrier)| carrier.backlog).sum();
        let in_countries: u64 = tally.countries.iter().map(|country| country.backlog).sum();
        // Under other rules than they were accepted, messages may have no carrier.
        let fits = before_carriers == in_countries || (ledger.rules.have_changed && before_carriers < in_countries);
        assert!(fits, "messages waiting, by carrier and by country");
        // What comes back from carriers waits again, whatever waits already.
        let out: u64 = plan.carriers.iter().map(|carrier| u64::from(carrier.window) * carrier.links.len() as u64).sum();
        assert!(tally.messages_waiting <= plan.backlog_max + out, "{} wait", tally.messages_waiting);
    }

    /// Everything that can end has ended, apart from messages whose carrier never tells.
    fn is_quiet(&mut self) -> bool {
        let unheard: usize = self.carriers.iter().map(|carrier| carrier.unheard()).sum();
        if self.ledger.owed + self.ledger.mobile_waiting > 0
            || unheard > 0
            || self.ledger.finals + self.ledger.awaiting < self.ledger.by_id.len() as u64
        {
            return false;
        }
        let open = self.clients.iter().map(|client| client.unanswered()).sum::<usize>();
        let asked = self.carriers.iter().map(|carrier| carrier.unanswered()).sum::<usize>();
        let Self { process: Some(process), ctx, .. } = self else { return false };
        open + asked == 0 && process.is_settled(ctx)
    }

    /// Heals the world and looks whether everything comes to its end.
    pub(crate) fn finish(&mut self) {
        self.heal();
        let restart = self.plan.seed.is_multiple_of(2);
        let quiet = self.run_until(6 * HOUR, Self::is_quiet);
        assert!(quiet, "not quiet six hours after the last fault: {}", self.unquiet());
        self.run_for(3 * MIN);
        self.outlive_stragglers(restart);
        self.check_ends();
        self.check_mobiles();
        self.check_pace();
        self.forget(restart);
    }

    /// A day later the carriers that never told are given up.
    fn outlive_stragglers(&mut self, restart: bool) {
        if restart {
            self.stop();
            self.ctx.now += 27 * HOUR;
            self.start();
        } else if self.plan.enquire_s > 0 {
            self.crash();
            self.ctx.now += 27 * HOUR;
        } else {
            self.run_for(27 * HOUR);
        }
        let ended = |world: &mut Self| world.is_quiet() && world.ledger.awaiting == 0;
        let ended = self.run_until(2 * HOUR, ended);
        assert!(ended, "stragglers do not end: {}", self.unquiet());
        // Sealing waits for company, and a receipt that nobody claims for its time.
        let sealed = |world: &mut Self| world.is_quiet() && world.process.as_ref().is_some_and(is_empty);
        let sealed = self.run_until(5 * MIN, sealed);
        assert!(sealed, "settled messages stay in memory or in the journal: {}", self.unquiet());
    }

    /// Each message against what its client and its carriers saw.
    fn check_ends(&self) {
        for (tag, message) in &self.ledger.messages {
            if let Some(told) = &message.told {
                let durable = message.id.is_some() && self.ledger.durable_id(told) == Some(*tag);
                assert!(durable, "{tag}: acknowledged as {told} and lost: {message:?}");
            }
            let Some(id) = message.id else { continue };
            let (state, error, owed) = message.end.unwrap_or_else(|| panic!("{tag}: never ended: {message:?}"));
            assert!(
                !owed || message.taken > 0 || (message.declined > 0 && message.deliver_again >= 3),
                "{tag}: its receipt is lost: {message:?}"
            );
            assert!(owed || message.delivered == 0, "{tag}: a receipt that nobody asked for: {message:?}");
            if message.cut > 0 {
                let whole =
                    self.ledger.whole_end(*tag).unwrap_or_else(|| panic!("{tag}: a part never ended: {message:?}"));
                let due = MessageState::from_octet(state).is_some_and(|state| owes_receipt(message.registered, state));
                assert_eq!((state, error, owed), (whole.0, whole.1, due), "{tag}: {message:?}");
            }
            if message.own.unwrap_or((state, error)) == (UNKNOWN, UNANSWERED) {
                self.check_unknown(*tag, message);
            }
            let record = self.store.archived(MessageId(id)).expect("a whole store");
            let record = record.unwrap_or_else(|| panic!("{tag}: not in the archive: {message:?}"));
            assert_eq!((record.state, record.error), (state, error), "{tag}: the archive: {record:?} {message:?}");
            assert_eq!(usize::from(record.account.0), message.client, "{tag}: the archive");
            assert!(record.done >= record.accepted, "{tag}: {record:?}");
            assert!(record.done.0 > 1_700_000_000_000, "{tag}: {record:?}");
        }
    }

    /// Each message from a handset that its carrier was told we have came to its client, and every copy is archived.
    fn check_mobiles(&self) {
        for (tag, mobile) in &self.ledger.mobiles {
            let declined = mobile.declined > 0 && mobile.deliver_again >= 2;
            assert!(!mobile.acknowledged || mobile.taken > 0 || declined, "{tag}: acknowledged and lost: {mobile:?}");
            for (id, end) in &mobile.copies {
                let record = self.store.archived(MessageId(*id)).expect("a whole store");
                let record = record.unwrap_or_else(|| panic!("{tag}: not in the archive: {mobile:?}"));
                assert_eq!((record.class, Some(record.state)), (Class::Inbound as u8, *end), "{tag}: {record:?}");
                assert_eq!(Some(usize::from(record.account.0)), mobile.client, "{tag}: {record:?}");
            }
        }
    }

    /// A message may end as unknown only when no receipt for the copy that we know of was acknowledged.
    fn check_unknown(&self, tag: u32, message: &Message) {
        if self.ledger.reused_ids {
            return;
        }
        for (carrier, id) in &message.sent {
            let number = |text: &[u8], base| u128::from_str_radix(std::str::from_utf8(text).ok()?, base).ok();
            for (by, reported, _) in &message.reported {
                let same = |one: &[u8], other: &[u8]| {
                    plain(one) == plain(other)
                        || (number(one, 10).is_some() && number(one, 10) == number(other, 16))
                        || (number(one, 16).is_some() && number(one, 16) == number(other, 10))
                };
                assert!(by != carrier || !same(id, reported), "{tag}: an acknowledged receipt is lost: {message:?}");
            }
        }
    }

    /// What left for carriers never exceeded a rate.
    fn check_pace(&mut self) {
        let lag = self.process.as_ref().map_or(self.lag, |process| process.lag.max(self.lag));
        for (at, carrier) in self.plan.carriers.iter().enumerate() {
            let times = self.ledger.departures.iter().filter(|departure| departure.1 == at);
            let times: Vec<u64> = times.map(|departure| departure.0).collect();
            if let Some(rate) = carrier.rate {
                self.check_rate(&times, rate, lag, 0, "a carrier");
            }
        }
        for (country, (_, code)) in crate::plan::COUNTRIES.iter().enumerate() {
            let named = self.plan.routes.iter().find(|route| route.countries.contains(code));
            let rest = |route: &&RoutePlan| route.countries.is_empty() && !route.when.asks();
            let Some(route) = named.or_else(|| self.plan.routes.iter().find(rest)) else {
                continue;
            };
            let times = self.ledger.departures.iter().filter(|departure| departure.2 == country);
            let times: Vec<u64> = times.map(|departure| departure.0).collect();
            if let Some(rate) = route.rate {
                // Parts of one message are paid together, however many the burst is; and they may wait for a window then.
                let in_parts = self.plan.clients.iter().any(ClientPlan::has_parts);
                let paid = if in_parts { 2 * (PARTS_MAX - 1) } else { 0 };
                self.check_rate(&times, rate, lag, paid, "a country");
            }
        }
    }

    /// In no window do more leave than rate and burst allow. The time from decision to effect moves departures
    /// together, and each start of the process gives the burst anew.
    fn check_rate(&self, times: &[u64], rate: u32, lag: u64, paid: u32, whose: &str) {
        let rate = f64::from(rate);
        let burst = rate * (1.0 + lag as f64 / S as f64) + 1.0 + f64::from(paid);
        let (mut level, mut last) = (burst, 0);
        for at in times {
            let anew = self.starts.iter().any(|start| (last..=*at).contains(start));
            let regained = (at - last) as f64 / S as f64 * rate;
            level = if anew { burst } else { burst.min(level + regained) } - 1.0;
            last = *at;
            assert!(level >= -0.01, "{whose} gets more than {rate} messages a second at {at}");
        }
    }

    /// After the retention nothing is left.
    fn forget(&mut self, restart: bool) {
        if restart {
            self.stop();
            self.ctx.now += 61 * 24 * HOUR;
            self.start();
        } else {
            self.ctx.skew_ms += 61 * 24 * 3_600_000;
        }
        let empty = |world: &mut Self| world.store.health().archive_blocks == 0;
        assert!(self.run_until(10 * MIN, empty), "the sweep leaves {:?}", self.store.health());
        // A block with a receipt that no message claims stays for its time, a minute, and is read before it is cut.
        self.run_for(2 * MIN);
        let health = self.store.health();
        assert!(health.journal_blocks <= 1 && health.octets < 100, "the store holds {health:?}");
        let busy = self.process.as_ref().map_or(0, |process| process.commits);
        self.run_for(10 * MIN);
        let commits = self.process.as_ref().map_or(0, |process| process.commits) - busy;
        assert!(commits == 0, "{commits} commits in ten minutes without a message");
    }

    /// What a failed end is about.
    fn unquiet(&self) -> String {
        let open: usize = self.clients.iter().map(|client| client.unanswered()).sum();
        let asked: usize = self.carriers.iter().map(|carrier| carrier.unanswered()).sum();
        let unended = self.ledger.messages.iter().filter(|(_, message)| {
            message.id.is_some() && message.end.is_none_or(|(_, _, owed)| owed && !message.settled)
        });
        let unended: Vec<_> = unended.take(3).collect();
        let tally = self.process.as_ref().map(|process| process.bridge.tally());
        format!("{open} submits and {asked} receipts unanswered, {unended:?}, {tally:?}, {:?}", self.store.health())
    }
}

fn is_empty(process: &Process) -> bool {
    let tally = process.bridge.tally();
    tally.messages_live == 0 && tally.receipts_parked == 0 && tally.journal_octets < 100
}
