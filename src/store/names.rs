//! Numbers for names: dense from 0, never given twice. Stores keep the list; this decides what is added to it.

use super::{Enrolled, Fault};
use crate::message::{AccountId, CarrierId};

/// The names of one kind, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) known: Vec<String>,
}

/// Adds what is new to both lists and numbers everything asked for.
pub(super) fn enroll(
    known_accounts: &mut Names,
    accounts: &[&str],
    known_carriers: &mut Names,
    carriers: &[&str],
) -> Result<Enrolled, Fault> {
    Ok(Enrolled {
        accounts: known_accounts.enroll(accounts, "account")?.into_iter().map(AccountId).collect(),
        carriers: known_carriers.enroll(carriers, "carrier")?.into_iter().map(CarrierId).collect(),
        account_names: known_accounts.known.clone(),
        carrier_names: known_carriers.known.clone(),
    })
}

impl Names {
    /// The numbers of `names`; unknown ones get the next free numbers. `what` is for the fault.
    fn enroll(&mut self, names: &[&str], what: &'static str) -> Result<Vec<u16>, Fault> {
        names.iter().map(|name| self.number(name, what)).collect()
    }

    fn number(&mut self, name: &str, what: &'static str) -> Result<u16, Fault> {
        let place = self.known.iter().position(|known| known == name).unwrap_or(self.known.len());
        let number = u16::try_from(place).ok().filter(|number| *number != u16::MAX).ok_or(Fault::Crowded { what })?;
        if place == self.known.len() {
            self.known.push(name.to_owned());
        }
        Ok(number)
    }
}
