//! Permits: which carriers may get an account's messages, as one number for all accounts that permit the same.
//!
//! Knows no routes and no links.

use crate::policy::Policy;

/// The distinct sets of permitted carriers.
#[derive(Clone, Debug)]
pub(super) struct Permits {
    /// By permit, then by position of the carrier in the policy. The first one permits all.
    sets: Vec<Vec<bool>>,
}

impl Permits {
    /// All carriers: also for accounts that are no longer configured, whose messages were accepted under other rules.
    pub(super) const ALL: u16 = 0;

    /// The permits of a policy, and the one of each of its accounts.
    pub(super) fn new(policy: &Policy) -> (Self, Vec<u16>) {
        let mut sets = vec![vec![true; policy.carriers.len()]];
        let own = policy.accounts.iter().map(|account| {
            let set: Vec<bool> = (0u16..)
                .zip(&policy.carriers)
                .map(|(at, carrier)| account.transfers.permit(at, carrier).is_ok())
                .collect();
            let known = sets.iter().position(|other| *other == set);
            let index = known.unwrap_or_else(|| {
                sets.push(set);
                sets.len() - 1
            });
            u16::try_from(index).unwrap_or(u16::MAX)
        });
        let own = own.collect();
        (Self { sets }, own)
    }

    /// Whether the carrier at this position of the policy may get the messages.
    pub(super) fn allows(&self, permit: u16, position: u16) -> bool {
        self.sets.get(usize::from(permit)).and_then(|set| set.get(usize::from(position))).copied().unwrap_or(false)
    }
}
