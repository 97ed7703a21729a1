//! Which route a message takes where routes ask for more than its country: the account, the sender, the first digits of the
//! number.
//!
//! A route fits when all that it asks for is so. Of those that fit, the most specific wins, and what is looked at first
//! counts more:
//!
//! 1. one that names the account, before one for every account;
//! 2. one that names the sender whole, then the longest beginning of it, before one for every sender;
//! 3. the one with the longest prefix, before one without;
//! 4. one that names the country, before one for the rest.
//!
//! Two routes that are as specific as each other for one message contradict, and are refused. Each step is a look into a
//! table, so the work of a message does not grow with the number of routes.

use rustc_hash::FxHashMap;

use super::country::Country;
use super::number::Number;
use super::route::{BadRoutes, Destinations, Route};
use super::sender::{Sender, SenderPattern};

/// What a route asks for besides the country. An empty list asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct When {
    /// Positions in [`super::Policy::accounts`].
    pub accounts: Vec<u16>,
    /// Senders.
    pub senders: Vec<SenderPattern>,
    /// First digits of numbers.
    pub prefixes: Vec<Number>,
}

impl When {
    /// Whether it asks for anything.
    #[must_use]
    pub fn asks(&self) -> bool {
        !(self.accounts.is_empty() && self.senders.is_empty() && self.prefixes.is_empty())
    }
}

/// The route that won, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Won {
    /// Position of the route, counted from 0.
    pub route: u16,
    /// Whether it names the account.
    pub by_account: bool,
    /// The pattern that fits the sender, where it names senders.
    pub by_sender: Option<SenderPattern>,
    /// Digits of the prefix that fits; 0 where it names none.
    pub prefix_digits: usize,
    /// Whether it names the country.
    pub by_country: bool,
}

/// Most entries of all tables: accounts times senders times destinations, over all routes.
const ENTRIES_MAX: usize = 1 << 20;

/// All routes, by account, then by sender, then by destination.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// What is for every account.
    general: Plan,
    own: FxHashMap<u16, Plan>,
    /// Whether any route names senders.
    reads_sender: bool,
}

/// The routes for one account, or for every account.
#[derive(Clone, Debug, Default)]
struct Plan {
    any_sender: Table,
    senders: FxHashMap<SenderPattern, Table>,
    /// A bit for each length of a beginning in `senders`.
    lengths: u32,
}

/// Routes by destination.
#[derive(Clone, Debug, Default)]
struct Table {
    prefixes: FxHashMap<Number, u16>,
    /// A bit for each length of a prefix.
    lengths: u32,
    countries: FxHashMap<Country, u16>,
    rest: Option<u16>,
}

impl Rules {
    /// Puts routes together. `None` where none asks for more than a country.
    ///
    /// # Errors
    /// [`BadRoutes`] when two are as specific as each other for one message, or there are too many.
    pub(super) fn new(list: &[Route]) -> Result<Option<Self>, BadRoutes> {
        if !list.iter().any(|route| route.when.asks()) {
            return Ok(None);
        }
        let mut rules = Self::default();
        let mut entries = 0_usize;
        for (index, route) in (0_u16..).zip(list) {
            let When { accounts, senders, prefixes } = &route.when;
            let countries =
                if let Destinations::Countries(countries) = &route.destinations { countries.len() } else { 1 };
            let destinations = if prefixes.is_empty() { countries } else { prefixes.len() };
            entries = entries.saturating_add(accounts.len().max(1) * senders.len().max(1) * destinations);
            if entries > ENTRIES_MAX {
                return Err(BadRoutes::TooMany);
            }
            rules.reads_sender |= !senders.is_empty();
            if accounts.is_empty() {
                rules.general.add(index, route)?;
            }
            for account in accounts {
                rules.own.entry(*account).or_default().add(index, route)?;
            }
        }
        Ok(Some(rules))
    }

    /// Whether the sender has a say.
    pub(super) fn reads_sender(&self) -> bool {
        self.reads_sender
    }

    /// The route of a message.
    pub(super) fn find(
        &self,
        list: &[Route],
        account: Option<u16>,
        sender: &Sender,
        number: &Number,
        country: Country,
    ) -> Option<Won> {
        let own = account.and_then(|account| self.own.get(&account));
        own.and_then(|plan| plan.find(list, sender, number, country))
            .map(|won| Won { by_account: true, ..won })
            .or_else(|| self.general.find(list, sender, number, country))
    }
}

impl Plan {
    fn add(&mut self, index: u16, route: &Route) -> Result<(), BadRoutes> {
        if route.when.senders.is_empty() {
            return self.any_sender.add(index, route);
        }
        for sender in &route.when.senders {
            if sender.is_beginning() {
                self.lengths |= 1 << sender.octets().len();
            }
            self.senders.entry(*sender).or_default().add(index, route)?;
        }
        Ok(())
    }

    fn find(&self, list: &[Route], sender: &Sender, number: &Number, country: Country) -> Option<Won> {
        let named = |pattern: SenderPattern| {
            let won = self.senders.get(&pattern)?.find(list, number, country)?;
            Some(Won { by_sender: Some(pattern), ..won })
        };
        let beginnings = || descending(self.lengths).filter_map(|length| sender.beginning(length)).find_map(named);
        let by_sender = if self.senders.is_empty() { None } else { named(sender.exactly()).or_else(beginnings) };
        by_sender.or_else(|| self.any_sender.find(list, number, country))
    }
}

impl Table {
    fn add(&mut self, index: u16, route: &Route) -> Result<(), BadRoutes> {
        let twice = |first: u16| BadRoutes::RuleTwice { first, second: index };
        for prefix in &route.when.prefixes {
            self.lengths |= 1 << prefix.digits().len();
            if let Some(first) = self.prefixes.insert(*prefix, index) {
                return Err(twice(first));
            }
        }
        if !route.when.prefixes.is_empty() {
            return Ok(());
        }
        match &route.destinations {
            Destinations::Rest => self.rest.replace(index).map_or(Ok(()), |first| Err(twice(first))),
            Destinations::Countries(countries) => {
                countries.iter().try_for_each(|country| match self.countries.insert(*country, index) {
                    Some(first) => Err(twice(first)),
                    None => Ok(()),
                })
            }
        }
    }

    fn find(&self, list: &[Route], number: &Number, country: Country) -> Option<Won> {
        let won = |route: u16, prefix_digits: usize| {
            let route_of = list.get(usize::from(route))?;
            let by_country = route_of.destinations.names(country);
            let fits = by_country || route_of.destinations == Destinations::Rest;
            fits.then_some(Won { route, by_account: false, by_sender: None, prefix_digits, by_country })
        };
        let digits = number.digits().len();
        descending(self.lengths)
            .filter(|length| *length <= digits)
            .find_map(|length| won(*self.prefixes.get(&number.first(length))?, length))
            .or_else(|| won(self.countries.get(&country).copied().or(self.rest)?, 0))
    }
}

/// The bits that are set, from the highest on.
fn descending(mut bits: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let highest = bits.checked_ilog2()?;
        bits &= !(1 << highest);
        Some(highest as usize)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::route::{OverRate, Routes};
    use super::super::tier::Tiers;
    use super::*;
    use crate::pdu::Address;

    /// Accounts, senders, prefixes, countries.
    type Asked<'a> = (&'a [u16], &'a [&'a str], &'a [&'a str], &'a [&'a str]);

    fn route((accounts, senders, prefixes, countries): Asked<'_>) -> Route {
        let countries: Vec<_> = countries.iter().map(|code| Country::parse(code).unwrap()).collect();
        Route {
            destinations: if countries.is_empty() { Destinations::Rest } else { Destinations::Countries(countries) },
            when: When {
                accounts: accounts.to_vec(),
                senders: senders.iter().map(|text| SenderPattern::parse(text).unwrap()).collect(),
                prefixes: prefixes.iter().map(|text| Number::prefix(text).unwrap()).collect(),
            },
            carriers: Tiers::in_order(&[0]),
            rate: None,
            over_rate: OverRate::Defer,
        }
    }

    fn find(routes: &Routes, account: u16, sender: &str, to: &str, country: &str) -> Option<Won> {
        let sender = Sender::of(&Address::new(5, 0, sender.as_bytes()).unwrap());
        routes.choose(Some(account), &sender, &Number::prefix(to).unwrap(), Country::parse(country).unwrap())
    }

    #[test]
    fn the_most_specific_wins_by_account_then_sender_then_prefix_then_country() {
        let rows: [Asked<'_>; 11] = [
            (&[], &[], &[], &[]),
            (&[], &[], &[], &["NO"]),
            (&[], &[], &["47"], &[]),
            (&[], &[], &["4790", "4791"], &["NO"]),
            (&[], &["ACME*"], &[], &[]),
            (&[], &["ACMEBANK*"], &[], &["NO"]),
            (&[], &["AcmeBank24"], &["4791"], &[]),
            (&[1], &[], &[], &["SE"]),
            (&[1, 2], &[], &["46"], &[]),
            (&[1], &["ACME"], &[], &["SE"]),
            (&[2], &[], &[], &[]),
        ];
        let routes = Routes::new(rows.map(route).to_vec()).unwrap();
        assert!(routes.has_rules());
        for (account, sender, to, country, expected) in [
            (0, "Other", "33612345678", "FR", 0),
            (0, "Other", "4795234567", "NO", 2),
            (0, "Other", "4790234567", "NO", 3),
            (0, "Acme", "4790234567", "NO", 4),
            (0, "AcmeBank", "4790234567", "NO", 5),
            (0, "AcmeBank", "33612345678", "FR", 4),
            (0, "acmebank24", "4791234567", "NO", 6),
            (0, "acmebank24", "4790234567", "NO", 5),
            (1, "Other", "46701234567", "SE", 8),
            (1, "Acme", "46701234567", "SE", 9),
            (1, "Acme", "4790234567", "NO", 4),
            (2, "Acme", "4790234567", "NO", 10),
            (2, "Acme", "46701234567", "SE", 8),
        ] {
            let won = find(&routes, account, sender, to, country).unwrap();
            assert_eq!(won.route, expected, "{account} {sender} {to}");
        }
        let won = find(&routes, 0, "acmebank24", "4791234567", "NO").unwrap();
        assert_eq!((won.by_account, won.prefix_digits, won.by_country), (false, 4, false));
        assert_eq!(won.by_sender.map(|pattern| pattern.to_string()).as_deref(), Some("acmebank24"));
    }

    #[test]
    fn a_prefix_counts_in_the_countries_of_its_route_only() {
        // 4779 is Svalbard.
        let routes = Routes::new(vec![route((&[], &[], &["47"], &["NO"])), route((&[], &[], &[], &[]))]).unwrap();
        assert_eq!(find(&routes, 0, "A", "4790234567", "NO").map(|won| won.route), Some(0));
        assert_eq!(find(&routes, 0, "A", "4779234567", "SJ").map(|won| won.route), Some(1));
        let routes = Routes::new(vec![route((&[3], &[], &[], &["NO"]))]).unwrap();
        assert_eq!(find(&routes, 0, "A", "4790234567", "NO"), None);
        assert!(find(&routes, 3, "A", "4790234567", "NO").is_some());
        assert_eq!(find(&routes, 3, "A", "46701234567", "SE"), None);
    }

    #[test]
    fn routes_as_specific_as_each_other_are_refused() {
        let pairs: [[Asked<'_>; 2]; 5] = [
            [(&[], &[], &["4790"], &[]), (&[], &[], &["47", "4790"], &["NO"])],
            [(&[1], &[], &[], &["NO"]), (&[2, 1], &[], &[], &["SE", "NO"])],
            [(&[], &["ACME*"], &[], &[]), (&[], &["acme*"], &[], &[])],
            [(&[1], &["ACME"], &["47"], &[]), (&[1], &["X", "Acme"], &["47"], &[])],
            [(&[1], &[], &[], &[]), (&[1], &[], &[], &[])],
        ];
        for pair in pairs {
            let refused = Routes::new(pair.map(route).to_vec()).unwrap_err();
            assert_eq!(refused, BadRoutes::RuleTwice { first: 0, second: 1 }, "{pair:?}");
        }
        let beside: [[Asked<'_>; 2]; 3] = [
            [(&[], &["ACME*"], &[], &[]), (&[], &["acme"], &[], &[])],
            [(&[1], &[], &[], &["NO"]), (&[], &[], &[], &["NO"])],
            [(&[], &[], &["4790"], &[]), (&[], &[], &["479"], &[])],
        ];
        assert!(beside.into_iter().all(|pair| Routes::new(pair.map(route).to_vec()).is_ok()));
    }

    /// What the module says, said slowly.
    fn slow(list: &[Route], account: u16, sender: &Sender, number: &Number, country: Country) -> Option<u16> {
        let specific = |route: &Route| {
            let When { accounts, senders, prefixes } = &route.when;
            let by_account = accounts.contains(&account);
            let by_sender = senders.iter().filter(|own| own.fits(sender));
            let by_sender = by_sender.map(|own| own.octets().len() + if own.is_beginning() { 0 } else { 100 }).max();
            let by_prefix = prefixes.iter().map(Number::digits).filter(|own| number.digits().starts_with(own));
            let by_prefix = by_prefix.map(<[u8]>::len).max();
            let by_country = route.destinations.names(country);
            let fits = (by_account || accounts.is_empty())
                && (by_sender.is_some() || senders.is_empty())
                && (by_prefix.is_some() || prefixes.is_empty())
                && (by_country || route.destinations == Destinations::Rest);
            fits.then_some((by_account, by_sender, by_prefix, by_country))
        };
        let fitting = (0_u16..).zip(list).filter_map(|(index, route)| Some((specific(route)?, index)));
        fitting.max_by_key(|(specific, _)| *specific).map(|(_, index)| index)
    }

    fn any_route() -> impl Strategy<Value = Route> {
        let pick = |from: &'static [&'static str]| prop::collection::vec(prop::sample::select(from), 0..3);
        (
            prop::collection::vec(0..3_u16, 0..2),
            pick(&["a", "a*", "ab*", "ab", "abc", "b*"]),
            pick(&["4", "47", "479", "46"]),
            pick(&["NO", "SE"]),
        )
            .prop_map(|(accounts, mut senders, mut prefixes, mut countries)| {
                for list in [&mut senders, &mut prefixes, &mut countries] {
                    list.sort_unstable();
                    list.dedup();
                }
                route((&accounts, &senders, &prefixes, &countries))
            })
    }

    proptest! {
        /// Routes that are let in have one winner for every message, and it is the one that the order names.
        #[test]
        fn the_tables_say_what_the_order_says(
            mut list in prop::collection::vec(any_route(), 1..12),
            sender in prop::sample::select(&["a", "ab", "abc", "abcd", "b", "c"][..]),
            to in prop::sample::select(&["4790234567", "4690234567", "4890234567", "33234567"][..]),
            country in prop::sample::select(&["NO", "SE", "DK"][..]),
            account in 0..4_u16,
        ) {
            // Leaves out what contradicts what came before.
            let mut kept: Vec<Route> = Vec::new();
            for route in list.drain(..) {
                kept.push(route);
                if Routes::new(kept.clone()).is_err() {
                    kept.pop();
                }
            }
            let routes = Routes::new(kept.clone()).unwrap();
            let sender = Sender::of(&Address::new(5, 0, sender.as_bytes()).unwrap());
            let (number, country) = (Number::prefix(to).unwrap(), Country::parse(country).unwrap());
            let won = routes.choose(Some(account), &sender, &number, country);
            prop_assert_eq!(won.map(|won| won.route), slow(&kept, account, &sender, &number, country));
        }
    }
}
