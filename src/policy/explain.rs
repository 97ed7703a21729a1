//! Why a message of an account would go where it goes: the decisions of a submit, as a value to print.
//!
//! Looks at policy only, not at what is bound, how much was sent, or whether a number is in use. Holds no digits.

use super::Policy;
use super::country::Country;
use super::number::{Number, dialled_from};
use super::route::{OverRate, Route};
use super::rule::Won;
use super::screen::Objection;
use super::sender::Sender;
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
    /// A screen refuses it: its position, and why.
    Screen(Country, usize, Objection),
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
    /// The route, and by what it won.
    pub won: Won,
    /// Rate of this country on this route.
    pub country_rate: Option<Rate>,
    /// What happens above it.
    pub over_rate: OverRate,
    /// Carriers by preference.
    pub carriers: Vec<Candidate>,
    /// Carriers of the route that may not get the data, and why.
    pub barred: Vec<(String, NoTransfer)>,
}

/// A carrier that may get the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Position in [`Policy::carriers`].
    pub index: u16,
    /// Its name.
    pub name: String,
    /// Its rate.
    pub rate: Option<Rate>,
    /// Counted from 0; a later tier is for when nobody of an earlier one is there.
    pub tier: usize,
    /// Its share among its equals while all of them are there, in percent.
    pub percent: u32,
}

/// Where a number leads for an account: the decision every submit makes.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// Destination country.
    pub country: Country,
    /// Which route, and by what it won.
    pub won: Won,
    /// The route.
    pub route: &'a Route,
}

impl Policy {
    /// Country and route of a number for the account at `account`, when it sends as `from`.
    ///
    /// # Errors
    /// [`NoPlan`] for an account or destination without one.
    pub fn way(&self, account: u16, from: &Address, number: &Number) -> Result<Way<'_>, NoPlan> {
        let own = self.accounts.get(usize::from(account)).ok_or(NoPlan::Account)?;
        let country = self.prefixes.find(number.digits()).ok_or(NoPlan::Prefix)?;
        if !own.allows(country) {
            return Err(NoPlan::Country(country));
        }
        let won = self.routes.choose(Some(account), &Sender::of(from), number, country);
        let won = won.ok_or(NoPlan::Route(country))?;
        let route = self.routes.list().get(usize::from(won.route)).ok_or(NoPlan::Route(country))?;
        if self.permitted(account, route).next().is_none() {
            return Err(NoPlan::Transfer(country));
        }
        Ok(Way { country, won, route })
    }

    /// What happens to a message of the account at `account` from this source to this destination with this text. An empty
    /// source is one that nobody looks at.
    #[must_use]
    pub fn explain(&self, account: u16, from: &Address, to: &Address, text: &str) -> Explanation {
        let home = self.accounts.get(usize::from(account)).and_then(|account| account.home);
        let number = match dialled_from(home, to) {
            Ok(number) => number,
            Err(status) => return Explanation::Refused(NoPlan::Destination(status)),
        };
        let sender = (!from.octets().is_empty()).then(|| Sender::of(from));
        let planned = self.way(account, from, &number).and_then(|way| {
            let text = || Some(text.to_owned());
            let judged = self.screens.judge(Some(account), way.country, &number, sender.as_ref(), text);
            judged.map(|()| way).map_err(|(screen, why)| NoPlan::Screen(way.country, screen, why))
        });
        match planned {
            Ok(way) => Explanation::Routed(self.plan(account, &number, &way)),
            Err(why) => Explanation::Refused(why),
        }
    }

    fn plan(&self, account: u16, number: &Number, way: &Way<'_>) -> Plan {
        let barred = way.route.carriers.carriers().filter_map(|index| {
            let carrier = self.carriers.get(usize::from(index))?;
            let transfers = &self.accounts.get(usize::from(account))?.transfers;
            transfers.permit(index, carrier).err().map(|why| (carrier.name.clone(), why))
        });
        Plan {
            account_rate: self.accounts.get(usize::from(account)).and_then(|account| account.rate),
            country: way.country,
            matched_digits: self.prefixes.find_match(number.digits()).map_or(0, |(_, digits)| digits),
            won: way.won,
            country_rate: way.route.rate,
            over_rate: way.route.over_rate,
            carriers: self.candidates(account, way.route),
            barred: barred.collect(),
        }
    }

    fn candidates(&self, account: u16, route: &Route) -> Vec<Candidate> {
        let permitted: Vec<u16> = self.permitted(account, route).collect();
        let tiers = route.carriers.renumbered(|index| permitted.contains(&index).then_some(index));
        let mut candidates = Vec::new();
        for (tier, members) in tiers.list().iter().enumerate() {
            let all: u64 = members.iter().map(|member| u64::from(member.weight)).sum();
            for member in members {
                let Some(carrier) = self.carriers.get(usize::from(member.carrier)) else { continue };
                candidates.push(Candidate {
                    index: member.carrier,
                    name: carrier.name.clone(),
                    rate: carrier.rate,
                    tier,
                    percent: u32::try_from((u64::from(member.weight) * 100 + all / 2) / all.max(1)).unwrap_or(100),
                });
            }
        }
        candidates
    }
}
