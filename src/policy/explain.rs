//! Why a message of an account would go where it goes: the decisions of a submit, as a value to print.
//!
//! Looks at policy only, not at what is bound, how much was sent, or whether a number is in use. Holds no digits.

use super::Policy;
use super::country::Country;
use super::number::{Number, dialled_from};
use super::route::{OverRate, Route};
use super::throttle::Rate;
use super::transfer::NoTransfer;
use crate::pdu::{Address, CommandStatus};

/// How a message to one destination fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Explanation {
    /// It is routed.
    Routed(Plan),
    /// It is refused. What the client is told for it is decided where submits are refused.
    Refused(NoPlan),
}

/// Why a destination has no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlan {
    /// No such account.
    Account,
    /// The destination is no international number, or its type of number or numbering plan is reserved, as the status
    /// says.
    Destination(CommandStatus),
    /// No country has such a prefix.
    Prefix,
    /// The account may not send to this country.
    Country(Country),
    /// No route leads there.
    Route(Country),
    /// The account permits no carrier of the route.
    Transfer(Country),
}

/// What a routed message meets, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Rate of the account.
    pub account_rate: Option<Rate>,
    /// Destination country.
    pub country: Country,
    /// Digits of the number that decided the country.
    pub matched_digits: usize,
    /// Position of the route, counted from 0.
    pub route: u16,
    /// Rate of this country on this route.
    pub country_rate: Option<Rate>,
    /// What happens above it.
    pub over_rate: OverRate,
    /// Carriers by preference: index, name and rate.
    pub carriers: Vec<(u16, String, Option<Rate>)>,
    /// Carriers of the route that may not get the data, and why.
    pub barred: Vec<(String, NoTransfer)>,
}

/// Where a number leads for an account: the decision every submit makes.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Destination country.
    pub country: Country,
    /// Position of the route, counted from 0.
    pub position: u16,
    /// The route.
    pub route: &'a Route,
}

impl Policy {
    /// Country and route of a number for the account at `account`.
    ///
    /// # Errors
    /// [`NoPlan`] for an account or destination without one.
    pub fn way(&self, account: u16, number: &Number) -> Result<Way<'_>, NoPlan> {
        let own = self.accounts.get(usize::from(account)).ok_or(NoPlan::Account)?;
        let country = self.prefixes.find(number.digits()).ok_or(NoPlan::Prefix)?;
        if !own.allows(country) {
            return Err(NoPlan::Country(country));
        }
        let position = self.routes.position(country).ok_or(NoPlan::Route(country))?;
        let route = self.routes.find(country).ok_or(NoPlan::Route(country))?;
        if self.permitted(account, route).next().is_none() {
            return Err(NoPlan::Transfer(country));
        }
        Ok(Way { country, position, route })
    }

    /// What happens to a message of the account at `account` to this destination.
    #[must_use]
    pub fn explain(&self, account: u16, to: &Address) -> Explanation {
        let home = self.accounts.get(usize::from(account)).and_then(|account| account.home);
        let number = match dialled_from(home, to) {
            Ok(number) => number,
            Err(status) => return Explanation::Refused(NoPlan::Destination(status)),
        };
        match self.way(account, &number) {
            Ok(way) => Explanation::Routed(self.plan(account, &number, &way)),
            Err(why) => Explanation::Refused(why),
        }
    }

    fn plan(&self, account: u16, number: &Number, way: &Way<'_>) -> Plan {
        let carriers = self.permitted(account, way.route).filter_map(|index| {
            self.carriers.get(usize::from(index)).map(|carrier| (index, carrier.name.clone(), carrier.rate))
        });
        let barred = way.route.carriers.iter().filter_map(|index| {
            let carrier = self.carriers.get(usize::from(*index))?;
            let transfers = &self.accounts.get(usize::from(account))?.transfers;
            transfers.permit(*index, carrier).err().map(|why| (carrier.name.clone(), why))
        });
        Plan {
            account_rate: self.accounts.get(usize::from(account)).and_then(|account| account.rate),
            country: way.country,
            matched_digits: self.prefixes.find_match(number.digits()).map_or(0, |(_, digits)| digits),
            route: way.position,
            country_rate: way.route.rate,
            over_rate: way.route.over_rate,
            carriers: carriers.collect(),
            barred: barred.collect(),
        }
    }
}
