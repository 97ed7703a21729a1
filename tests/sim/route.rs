//! Routes and what carriers do when they fail: drawn from a seed, compiled, and asked for what they mean.

use std::time::Duration;

use smppgate::policy::{
    BreakerRules, Country, Destinations, Member, Number, OverRate, Rate, Route, SenderPattern, Tiers, When,
};

use crate::plan::{COUNTRIES, Plan};
use crate::rng::Rng;

/// The sender of every message.
const SENDER: &str = "sim";

/// A route.
#[derive(Clone, Debug)]
pub(crate) struct RoutePlan {
    pub(crate) countries: Vec<&'static str>,
    pub(crate) carriers: Vec<u16>,
    /// Of those at the front that are equals; where there is none, each carrier is for when those before it are away.
    pub(crate) weights: Vec<u32>,
    /// What else its messages must be.
    pub(crate) when: When,
    pub(crate) rate: Option<u32>,
    pub(crate) over_rate: OverRate,
}

/// Nervous ones, patient ones, and those that never open.
pub(crate) fn breaker(rng: &mut Rng) -> BreakerRules {
    let default = BreakerRules::default();
    let pause = Duration::from_secs(rng.pick(&[1, 5, 30]));
    let (failures, percent) = rng.pick(&[(10, 50), (10, 50), (2, 20), (0, 0)]);
    BreakerRules { failures, percent, pause, probes: rng.pick(&[1, 1, 3]), ..default }
}

/// The first client's messages: all, those to one country, those from its sender.
pub(crate) fn when(rng: &mut Rng) -> When {
    let prefixes = if rng.chance(500) { vec![Number::prefix("47").expect("a prefix")] } else { Vec::new() };
    let senders = if rng.chance(500) { vec![SenderPattern::parse(SENDER).expect("a sender")] } else { Vec::new() };
    When { accounts: vec![0], senders, prefixes }
}

/// Half of the routes have equals, from the front on.
pub(crate) fn weights(rng: &mut Rng, carriers: usize) -> Vec<u32> {
    let equals = if rng.chance(500) { rng.below(carriers as u64 + 1) } else { 0 };
    (0..equals).map(|_| rng.within((1, 5)) as u32).collect()
}

impl Plan {
    /// The carriers that a message of this client to this country may go to, and no others.
    pub(crate) fn carriers_of(&self, client: usize, country: usize) -> Vec<u16> {
        let (prefix, code) = COUNTRIES[country];
        let own = |route: &&RoutePlan| {
            let prefixes = &route.when.prefixes;
            let fits = prefixes.is_empty() || prefixes.iter().any(|own| own.digits() == prefix.as_bytes());
            fits && route.when.accounts.contains(&(client as u16))
        };
        let named = |route: &&RoutePlan| !route.when.asks() && route.countries.contains(&code);
        let rest = |route: &&RoutePlan| !route.when.asks() && route.countries.is_empty();
        let routes = || self.open_routes();
        let route = routes().find(own).or_else(|| routes().find(named)).or_else(|| routes().find(rest));
        let carriers = route.map_or(&[][..], |route| &route.carriers).iter().copied();
        carriers.filter(|carrier| !self.absent.contains(carrier)).collect()
    }
}

impl RoutePlan {
    /// By places in the file.
    fn tiers(&self, listed: &[u16]) -> Tiers {
        let place = |carrier: u16| listed.iter().position(|own| *own == carrier).map(|place| place as u16);
        let member = |carrier: &u16, weight: u32| Some(Member { carrier: place(*carrier)?, weight });
        let (equals, others) = self.carriers.split_at(self.weights.len().min(self.carriers.len()));
        let equals =
            equals.iter().zip(&self.weights).filter_map(|(carrier, weight)| member(carrier, *weight)).collect();
        let others = others.iter().filter_map(|carrier| Some(vec![member(carrier, 1)?]));
        Tiers::new(std::iter::once(equals).chain(others).collect())
    }

    pub(crate) fn route(&self, listed: &[u16]) -> Route {
        let parse = |code: &&str| Country::parse(code).expect("a country of the table");
        Route {
            destinations: match &self.countries[..] {
                [] => Destinations::Rest,
                countries => Destinations::Countries(countries.iter().map(parse).collect()),
            },
            when: self.when.clone(),
            carriers: self.tiers(listed),
            rate: self.rate.map(Rate::per_second),
            over_rate: self.over_rate,
        }
    }
}
