//! Routes: which carriers take the messages of a country, in which order, how fast, and what happens above that rate. What else
//! a route may ask for is in [`super::rule`].
//!
//! Does not choose among the carriers by their state: the bridge knows which are bound and have credit.

use super::country::Country;
use super::number::Number;
use super::rule::{Rules, When, Won};
use super::sender::Sender;
use super::throttle::Rate;
use super::tier::Tiers;

/// What happens to a message above the rate of its country.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverRate {
    /// It is accepted and sent when the rate allows.
    #[default]
    Defer,
    /// It is refused with `ESME_RTHROTTLED`.
    Throttle,
}

/// Which destinations a route serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destinations {
    /// These countries.
    Countries(Vec<Country>),
    /// Every destination that no other route names, numbers outside all countries included (`*`).
    Rest,
}

/// How the messages of some countries travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where the messages go to.
    pub destinations: Destinations,
    /// What else they are.
    pub when: When,
    /// Indices into [`super::Policy::carriers`]. Never empty in a [`Routes`].
    pub carriers: Tiers,
    /// Messages per second for each destination country of this route; `None` for no limit.
    pub rate: Option<Rate>,
    /// What happens above `rate`.
    pub over_rate: OverRate,
}

/// Why routes cannot stand together. Routes are counted from 0, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRoutes {
    /// One country, two routes.
    #[error("routes {first} and {second} both name {country}: expected each country in one route")]
    CountryTwice {
        /// The country.
        country: Country,
        /// The earlier route.
        first: u16,
        /// The later one.
        second: u16,
    },
    /// Two routes for the rest.
    #[error("routes {first} and {second} both name \"*\": expected one route for the rest")]
    RestTwice {
        /// The earlier route.
        first: u16,
        /// The later one.
        second: u16,
    },
    /// Two routes that ask for more than a country, and for the same.
    #[error("routes {first} and {second} are for the same messages: expected one of them to ask for more")]
    RuleTwice {
        /// The earlier route.
        first: u16,
        /// The later one.
        second: u16,
    },
    /// A route without carriers.
    #[error("route {route} names no carrier: expected at least one")]
    NoCarrier {
        /// The route.
        route: u16,
    },
    /// A route with more equals than a message can remember having tried.
    #[error("route {route} has too many carriers side by side: expected fewer, or more tiers")]
    TooManyEquals {
        /// The route.
        route: u16,
    },
    /// A route without countries.
    #[error("route {route} names no country: expected at least one, or \"*\"")]
    NoCountry {
        /// The route.
        route: u16,
    },
    /// More routes than an index holds.
    #[error("more than {} routes", NONE)]
    TooMany,
}

/// No route, in the table by country. Not a valid index, as there are at most this many routes.
const NONE: u16 = u16::MAX;

/// All routes, found by country in one array access where none asks for more than that.
#[derive(Clone, Debug)]
pub struct Routes {
    list: Vec<Route>,
    by_country: Box<[u16; Country::COUNT]>,
    rules: Option<Box<Rules>>,
}

impl Destinations {
    /// Whether it names this country.
    #[must_use]
    pub fn names(&self, country: Country) -> bool {
        matches!(self, Self::Countries(countries) if countries.contains(&country))
    }
}

impl Default for Routes {
    fn default() -> Self {
        Self { list: Vec::new(), by_country: Box::new([NONE; Country::COUNT]), rules: None }
    }
}

impl Routes {
    /// Puts routes together.
    ///
    /// # Errors
    /// [`BadRoutes`] when two claim the same destinations, or one has no destination or no carrier.
    pub fn new(list: Vec<Route>) -> Result<Self, BadRoutes> {
        let mut by_country = Box::new([NONE; Country::COUNT]);
        let mut rest = NONE;
        for (index, route) in list.iter().enumerate() {
            let index = u16::try_from(index).ok().filter(|index| *index != NONE).ok_or(BadRoutes::TooMany)?;
            if route.carriers.is_empty() {
                return Err(BadRoutes::NoCarrier { route: index });
            }
            if !route.carriers.is_countable() {
                return Err(BadRoutes::TooManyEquals { route: index });
            }
            if route.when.asks() {
                continue;
            }
            match &route.destinations {
                Destinations::Rest if rest != NONE => {
                    return Err(BadRoutes::RestTwice { first: rest, second: index });
                }
                Destinations::Rest => rest = index,
                Destinations::Countries(countries) if countries.is_empty() => {
                    return Err(BadRoutes::NoCountry { route: index });
                }
                Destinations::Countries(countries) => {
                    for country in countries {
                        let entry = &mut by_country[country.index()];
                        if *entry != NONE {
                            return Err(BadRoutes::CountryTwice { country: *country, first: *entry, second: index });
                        }
                        *entry = index;
                    }
                }
            }
        }
        by_country.iter_mut().filter(|entry| **entry == NONE).for_each(|entry| *entry = rest);
        let rules = Rules::new(&list)?.map(Box::new);
        Ok(Self { list, by_country, rules })
    }

    /// Whether any route asks for more than a country: then [`Self::choose`] tells the route of a message.
    #[must_use]
    pub fn has_rules(&self) -> bool {
        self.rules.is_some()
    }

    /// Whether the sender has a say.
    #[must_use]
    pub fn reads_sender(&self) -> bool {
        self.rules.as_ref().is_some_and(|rules| rules.reads_sender())
    }

    /// The route of a message of the account at this position, `None` for an account that is no longer configured.
    #[must_use]
    pub fn choose(&self, account: Option<u16>, sender: &Sender, number: &Number, country: Country) -> Option<Won> {
        match &self.rules {
            Some(rules) => rules.find(&self.list, account, sender, number, country),
            None => self.position(country).map(|route| {
                let by_country = self.list.get(usize::from(route)).is_some_and(|own| own.destinations.names(country));
                Won { route, by_account: false, by_sender: None, prefix_digits: 0, by_country }
            }),
        }
    }

    /// The route of a country for messages that no rule with more than a country is for.
    #[must_use]
    pub fn find(&self, country: Country) -> Option<&Route> {
        self.list.get(usize::from(self.by_country[country.index()]))
    }

    /// The position in [`Routes::list`] of what [`Routes::find`] finds.
    #[must_use]
    pub fn position(&self, country: Country) -> Option<u16> {
        Some(self.by_country[country.index()]).filter(|index| *index != NONE)
    }

    /// All routes, in the order given.
    #[must_use]
    pub fn list(&self) -> &[Route] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    fn route(codes: &[&str], carriers: &[u16]) -> Route {
        let destinations = match codes {
            ["*"] => Destinations::Rest,
            _ => Destinations::Countries(codes.iter().copied().map(country).collect()),
        };
        Route {
            destinations,
            when: When::default(),
            carriers: Tiers::in_order(carriers),
            rate: None,
            over_rate: OverRate::Defer,
        }
    }

    #[test]
    fn a_named_country_wins_over_the_rest_wherever_it_stands() {
        let routes = Routes::new(vec![route(&["*"], &[1]), route(&["NO", "SE"], &[0])]).unwrap();
        assert_eq!(routes.position(country("NO")), Some(1));
        assert_eq!(routes.position(country("DK")), Some(0));
        assert_eq!(routes.position(Country::NON_GEOGRAPHIC), Some(0));
        assert!(routes.find(country("SE")).unwrap().carriers.carriers().eq([0]));
    }

    #[test]
    fn without_a_rest_other_countries_have_no_route() {
        let routes = Routes::new(vec![route(&["NO"], &[0])]).unwrap();
        assert_eq!(routes.find(country("SE")), None);
        assert_eq!(routes.position(country("SE")), None);
        assert_eq!(Routes::default().find(country("NO")), None);
    }

    #[test]
    fn routes_that_contradict_are_refused() {
        let bad = |list| Routes::new(list).unwrap_err();
        assert_eq!(
            bad(vec![route(&["NO"], &[0]), route(&["SE", "NO"], &[1])]),
            BadRoutes::CountryTwice { country: country("NO"), first: 0, second: 1 }
        );
        assert_eq!(
            bad(vec![route(&["NO", "NO"], &[0])]).to_string(),
            "routes 0 and 0 both name NO: expected each country in one route"
        );
        assert_eq!(bad(vec![route(&["*"], &[0]), route(&["*"], &[1])]), BadRoutes::RestTwice { first: 0, second: 1 });
        assert_eq!(bad(vec![route(&["NO"], &[])]), BadRoutes::NoCarrier { route: 0 });
        assert_eq!(bad(vec![route(&["NO"], &[0; 256])]), BadRoutes::TooManyEquals { route: 0 });
        assert_eq!(bad(vec![route(&[], &[0])]), BadRoutes::NoCountry { route: 0 });
    }
}
