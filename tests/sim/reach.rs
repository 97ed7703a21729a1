//! What a run met, so that seeds which no longer reach something are noticed.

use crate::process::Process;

macro_rules! reach {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// How often each of these happened.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Reach {
            $($(#[$doc])* pub(crate) $name: u64,)*
        }

        impl Reach {
            pub(crate) fn merge(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Everything happened.
            pub(crate) fn check(&self) {
                $(assert!(self.$name > 0, "no seed reaches {}: {self:?}", stringify!($name));)*
            }
        }
    };
}

reach! {
    crashes,
    accepted,
    refused,
    cut,
    delivered,
    receipts_retried,
    receipts_dropped,
    forwarded,
    retried,
    throttled,
    rejected,
    unknown,
    resent,
    opened,
    early,
    converted,
    repeated,
    orphaned,
    queried,
    cancelled,
    replaced,
    notices,
    mobile,
    mobile_refused,
    mobile_delivered,
    mobile_retried,
    sealed,
    carried,
    reads,
    policies,
    departed,
    rerouted,
}

impl Reach {
    /// Adds what a process counted; once for each, at its end.
    pub(crate) fn add(&mut self, process: &Process) {
        let tally = process.bridge.tally();
        for (_, account) in &tally.accounts {
            self.accepted += account.accepted;
            self.refused += account.refused.iter().sum::<u64>();
            self.cut += account.cut;
            self.delivered += account.receipts_delivered;
            self.receipts_retried += account.receipts_retried;
            self.receipts_dropped += account.receipts_dropped;
            self.queried += account.queried;
            self.cancelled += account.cancelled;
            self.replaced += account.replaced;
            self.notices += account.notices;
            self.mobile += account.inbound;
            self.mobile_delivered += account.inbound_delivered;
            self.mobile_retried += account.inbound_retried;
        }
        for (_, carrier) in &tally.carriers {
            self.forwarded += carrier.forwarded;
            self.retried += carrier.retried;
            self.throttled += carrier.throttled;
            self.rejected += carrier.rejected;
            self.unknown += carrier.unknown;
            self.resent += carrier.resent;
            self.opened += carrier.breaker_opened;
            self.early += carrier.receipts_early;
            self.converted += carrier.receipts_converted;
            self.repeated += carrier.receipts_repeated;
            self.orphaned += carrier.receipts_orphaned;
            self.mobile_refused += carrier.inbound_refused.iter().sum::<u64>();
        }
        self.sealed += tally.sealed;
        self.carried += tally.carried;
        self.reads += process.reads;
        self.policies += tally.policies;
        self.rerouted += tally.rerouted;
    }
}
