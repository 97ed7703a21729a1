//! From what the bridge and the rim counted to a [`Snapshot`].

use super::snapshot::{AccountRow, CarrierRow, Count, CountryRow, LinkRow, Snapshot, States};
use crate::bridge::{AccountTally, CarrierTally, CountryTally, InboundRefusal, Refusal, Tally};
use crate::net;
use crate::policy::{BreakerState, Inflation, Policy, Rate};

impl Snapshot {
    /// What the bridge counted, in the words of the pages. Times, links, delays and what the store knows are left at
    /// their defaults for the caller.
    #[must_use]
    pub fn of(tally: &Tally, policy: &Policy) -> Self {
        let mut snapshot = Self {
            accounts: tally.accounts.iter().map(|(name, own)| account(name, own, policy)).collect(),
            carriers: carriers(tally, policy),
            countries: tally.countries.iter().map(|own| country(own, policy)).collect(),
            ..Self::default()
        };
        snapshot.store.live = tally.messages_live;
        snapshot.store.waiting = tally.messages_waiting;
        snapshot.store.rerouted = tally.rerouted;
        snapshot.store.receipts_parked = tally.receipts_parked;
        snapshot.store.journal_blocks = tally.journal_blocks;
        snapshot.store.journal_octets = tally.journal_octets;
        snapshot.store.sealed = tally.sealed;
        snapshot
    }
}

impl LinkRow {
    /// What the rim counted about links with clients and with carriers.
    #[must_use]
    pub fn of(clients: &net::Totals, carriers: &net::Totals) -> Self {
        Self {
            client_binds: counts(&clients.binds),
            carrier_binds: counts(&carriers.binds),
            client_closes: counts(&clients.closes),
            carrier_closes: counts(&carriers.closes),
            client_oddities: counts(&clients.oddities),
            carrier_oddities: counts(&carriers.oddities),
        }
    }
}

fn account(name: &str, own: &AccountTally, policy: &Policy) -> AccountRow {
    let rules = policy.account_of(name);
    AccountRow {
        system_id: name.to_owned(),
        binds: u64::from(own.binds),
        max_binds: rules.map_or(0, |rules| u64::from(rules.max_binds)),
        rate: limit(rules.and_then(|rules| rules.rate)),
        accepted: own.accepted,
        refused: Refusal::LABELS.iter().zip(own.refused).map(|(label, count)| Count::new(*label, count)).collect(),
        inflated: Inflation::ALL
            .iter()
            .zip(own.inflated)
            .map(|(kind, count)| Count::new(kind.as_str(), count))
            .collect(),
        managed: counts(&[("query", own.queried), ("cancel", own.cancelled), ("replace", own.replaced)]),
        cut: own.cut,
        notices: counts(&[("passed", own.notices), ("dropped", own.notices_dropped)]),
        finals: States(own.finals),
        receipts_delivered: own.receipts_delivered,
        receipts_retried: own.receipts_retried,
        receipts_dropped: own.receipts_dropped,
        receipts_owed: own.receipts_owed,
        inbound: own.inbound,
        inbound_delivered: own.inbound_delivered,
        inbound_retried: own.inbound_retried,
        inbound_dropped: counts(&[("refused", own.inbound_rejected), ("expired", own.inbound_expired)]),
        inbound_waiting: own.inbound_waiting,
        opt_outs: own.opt_outs,
        opt_out_words: counts(&[("out", own.opted_out), ("in", own.opted_in), ("unread", own.opt_outs_unread)]),
        accepted_per_second: 0.0,
    }
}

/// In the order of the configuration; behind them those that are configured no more.
fn carriers(tally: &Tally, policy: &Policy) -> Vec<CarrierRow> {
    let place = |row: &CarrierRow| policy.carriers.iter().position(|carrier| carrier.name == row.name);
    let mut rows: Vec<_> = tally.carriers.iter().map(|(name, own)| carrier(name, own, policy)).collect();
    rows.sort_by_key(|row| place(row).unwrap_or(usize::MAX));
    rows
}

fn carrier(name: &str, own: &CarrierTally, policy: &Policy) -> CarrierRow {
    let rules = policy.carriers.iter().find(|carrier| carrier.name == name);
    // Nobody tries one that is configured no more, so its breaker would stay as it is.
    let breaker = if rules.is_some() { own.breaker } else { BreakerState::Closed };
    CarrierRow {
        name: name.to_owned(),
        links_bound: u64::from(own.links),
        links: rules.map_or(0, |rules| u64::from(rules.links)),
        state: String::new(),
        suspended: breaker != BreakerState::Closed,
        breaker: breaker.as_str(),
        breaker_opened: own.breaker_opened,
        window_used: own.window_used,
        window: own.window,
        rate: limit(rules.and_then(|rules| rules.rate)),
        waiting: own.backlog,
        attempts: own.forwarded,
        forwarded: own.accepted,
        retried: own.retried,
        throttled: own.throttled,
        refused: own.rejected,
        unanswered: own.unknown,
        resent: own.resent,
        receipts: States(own.receipts),
        receipt_oddities: counts(&[
            ("repeated", own.receipts_repeated),
            ("orphaned", own.receipts_orphaned),
            ("erased", own.receipts_erased),
            ("early", own.receipts_early),
            ("converted", own.receipts_converted),
            ("alert_unasked", own.alerts_unasked),
        ]),
        inbound: own.inbound,
        inbound_refused: InboundRefusal::LABELS
            .iter()
            .zip(own.inbound_refused)
            .map(|(label, count)| Count::new(*label, count))
            .collect(),
        forwarded_per_second: 0.0,
    }
}

fn country(own: &CountryTally, policy: &Policy) -> CountryRow {
    CountryRow {
        country: own.country.as_str().to_owned(),
        rate: limit(policy.routes.find(own.country).and_then(|route| route.rate)),
        accepted: own.accepted,
        forwarded: own.forwarded,
        finals: States(own.finals),
        waiting: own.backlog,
        accepted_per_second: 0.0,
    }
}

fn limit(rate: Option<Rate>) -> u64 {
    rate.map_or(0, |rate| u64::from(rate.limit()))
}

fn counts(list: &[(&'static str, u64)]) -> Vec<Count> {
    list.iter().map(|(reason, count)| Count::new(*reason, *count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::policy::Country;

    #[test]
    fn counts_meet_their_limits_by_name() {
        let config = Config::sandbox();
        let mut own = AccountTally { accepted: 3, ..AccountTally::default() };
        own.refused[Refusal::AccountRate.index()] = 2;
        let norway = Country::parse("NO").unwrap();
        let tally = Tally {
            accounts: vec![("gone".into(), AccountTally::default()), ("acme".into(), own)],
            carriers: vec![("sandbox".into(), CarrierTally { links: 1, ..CarrierTally::default() })],
            countries: vec![CountryTally { country: norway, accepted: 3, forwarded: 2, finals: [0; 9], backlog: 1 }],
            ..Tally::default()
        };
        let snapshot = Snapshot::of(&tally, &config.policy);
        assert_eq!(snapshot.accounts[1].max_binds, 10);
        assert_eq!(snapshot.accounts[0].max_binds, 0);
        assert!(snapshot.accounts[1].refused.contains(&Count::new("account_rate", 2)));
        assert_eq!((snapshot.carriers[0].links_bound, snapshot.carriers[0].links), (1, 2));
        assert_eq!((snapshot.countries[0].country.as_str(), snapshot.countries[0].waiting), ("NO", 1));
    }
}
