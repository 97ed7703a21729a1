//! Where personal data may go: the grounds a carrier offers, and what an account makes of them (GDPR chapter V, Art. 28).
//!
//! Decides about one account and one carrier by configuration and time. Which of the permitted carriers gets a message
//! is the bridge's decision.

use std::fmt;
use std::str::FromStr;

use super::{Carrier, Policy, Route};
use crate::clock::Unix;

/// Ground for handing personal data to a carrier (GDPR chapter V).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferBasis {
    /// It stays in the European Economic Area.
    Eea,
    /// The country has an adequacy decision (Art. 45).
    Adequacy,
    /// Standard contractual clauses (Art. 46).
    Scc,
    /// The data subjects consented explicitly (Art. 49(1)(a)).
    ExplicitConsent,
    /// Delivery is impossible without (Art. 49(1)(b) and (c)).
    Necessary,
}

/// A word that names no transfer basis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no transfer basis: expected eea, adequacy, scc, explicit_consent or necessary")]
pub struct BadTransferBasis {
    /// What was written.
    pub text: String,
}

impl TransferBasis {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Eea, Self::Adequacy, Self::Scc, Self::ExplicitConsent, Self::Necessary];

    /// The word in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eea => "eea",
            Self::Adequacy => "adequacy",
            Self::Scc => "scc",
            Self::ExplicitConsent => "explicit_consent",
            Self::Necessary => "necessary",
        }
    }
}

impl FromStr for TransferBasis {
    type Err = BadTransferBasis;

    fn from_str(text: &str) -> Result<Self, BadTransferBasis> {
        let found = Self::ALL.into_iter().find(|basis| basis.as_str() == text);
        found.ok_or_else(|| BadTransferBasis { text: text.to_owned() })
    }
}

/// Where an account lets the data of its messages go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Bases it accepts; `None` for any, a missing one included.
    pub bases: Option<Vec<TransferBasis>>,
    /// Carriers it objects to, by position in [`Policy::carriers`].
    pub objections: Vec<u16>,
}

/// Why a carrier may not get an account's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTransfer {
    /// The account objects to the carrier.
    Objection,
    /// The account names the bases it accepts, and the carrier has none.
    NoBasis,
    /// The carrier's basis is not among those the account accepts.
    Basis(TransferBasis),
}

impl fmt::Display for NoTransfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objection => f.write_str("the account objects to it"),
            Self::NoBasis => f.write_str("no transfer basis"),
            Self::Basis(basis) => write!(f, "basis {} is not accepted", basis.as_str()),
        }
    }
}

impl Transfers {
    /// Whether the data may go to the carrier at this position.
    ///
    /// # Errors
    /// [`NoTransfer`] says why not.
    pub fn permit(&self, position: u16, carrier: &Carrier) -> Result<(), NoTransfer> {
        if self.objections.contains(&position) {
            return Err(NoTransfer::Objection);
        }
        match (&self.bases, carrier.transfer_basis) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(NoTransfer::NoBasis),
            (Some(bases), Some(basis)) if bases.contains(&basis) => Ok(()),
            (Some(_), Some(basis)) => Err(NoTransfer::Basis(basis)),
        }
    }
}

impl Carrier {
    /// Whether messages may be routed to it yet.
    #[must_use]
    pub fn is_effective(&self, now: Unix) -> bool {
        self.effective_from.is_none_or(|from| from <= now)
    }
}

impl Policy {
    /// The carriers of a route that the account at `account` permits, in order of preference.
    pub fn permitted<'a>(&'a self, account: u16, route: &'a Route) -> impl Iterator<Item = u16> + 'a {
        let transfers = self.accounts.get(usize::from(account)).map(|account| &account.transfers);
        route.carriers.carriers().filter(move |position| {
            let carrier = self.carriers.get(usize::from(*position));
            carrier.zip(transfers).is_some_and(|(carrier, transfers)| transfers.permit(*position, carrier).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{BreakerRules, OnUnknown};

    fn carrier(basis: Option<TransferBasis>) -> Carrier {
        Carrier {
            name: "fjord".to_owned(),
            links: 1,
            window: 1,
            rate: None,
            on_unknown: OnUnknown::Resend,
            breaker: BreakerRules::default(),
            legal_entity: None,
            country: None,
            transfer_basis: basis,
            effective_from: Some(Unix(1000)),
            habits: crate::policy::Habits::default(),
        }
    }

    #[test]
    fn each_basis_is_permitted_exactly_where_it_is_accepted() {
        for accepted in TransferBasis::ALL {
            let transfers = Transfers { bases: Some(vec![accepted]), objections: Vec::new() };
            assert_eq!(transfers.permit(0, &carrier(None)), Err(NoTransfer::NoBasis));
            for offered in TransferBasis::ALL {
                let expected = if offered == accepted { Ok(()) } else { Err(NoTransfer::Basis(offered)) };
                assert_eq!(transfers.permit(0, &carrier(Some(offered))), expected);
            }
        }
        assert_eq!(Transfers::default().permit(0, &carrier(None)), Ok(()));
    }

    #[test]
    fn an_objection_counts_whatever_the_basis_and_for_its_carrier_only() {
        let transfers = Transfers { bases: None, objections: vec![3] };
        assert_eq!(transfers.permit(3, &carrier(Some(TransferBasis::Eea))), Err(NoTransfer::Objection));
        assert_eq!(transfers.permit(2, &carrier(Some(TransferBasis::Eea))), Ok(()));
    }

    #[test]
    fn a_carrier_is_effective_from_its_day_on() {
        let carrier = carrier(None);
        assert!(!carrier.is_effective(Unix(999)));
        assert!(carrier.is_effective(Unix(1000)));
    }

    #[test]
    fn words_and_bases_name_each_other() {
        for basis in TransferBasis::ALL {
            assert_eq!(basis.as_str().parse(), Ok(basis));
        }
        let error = "EEA".parse::<TransferBasis>().unwrap_err();
        assert!(error.to_string().contains("expected eea"), "{error}");
    }
}
