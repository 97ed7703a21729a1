//! Permits: which carriers may get an account's messages, as one number for all accounts that permit the same.
//!
//! Knows no routes and no links.

use crate::policy::{Carrier, Transfers};

/// The distinct sets of permitted carriers.
#[derive(Clone, Debug)]
pub(super) struct Permits {
    /// By permit, then by position of the carrier in the policy. The first one permits all.
    sets: Vec<Vec<bool>>,
}

impl Permits {
    /// All carriers: also for accounts of which nothing is configured, whose messages were accepted under other rules.
    pub(super) const ALL: u16 = 0;

    /// The one that permits all.
    pub(super) fn new(carriers: &[Carrier]) -> Self {
        Self { sets: vec![vec![true; carriers.len()]] }
    }

    /// The permit of an account that wants this.
    pub(super) fn find(&mut self, transfers: &Transfers, carriers: &[Carrier]) -> u16 {
        let permitted = (0u16..).zip(carriers).map(|(at, carrier)| transfers.permit(at, carrier).is_ok());
        let set: Vec<bool> = permitted.collect();
        let index = self.sets.iter().position(|other| *other == set).unwrap_or_else(|| {
            self.sets.push(set);
            self.sets.len() - 1
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Whether the carrier at this position of the policy may get the messages.
    pub(super) fn allows(&self, permit: u16, position: u16) -> bool {
        self.sets.get(usize::from(permit)).and_then(|set| set.get(usize::from(position))).copied().unwrap_or(false)
    }
}
