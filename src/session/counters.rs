//! What a session counts: the peer's oddities by kind, and what became of our own requests.

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Totals of one session since it began.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// How many there are.
            pub const LENGTH: usize = [$(stringify!($name)),*].len();

            /// Every total with its name, a stable metric label.
            #[must_use]
            pub const fn each(&self) -> [(&'static str, u64); Self::LENGTH] {
                [$((stringify!($name), self.$name)),*]
            }
        }
    };
}

counters! {
    /// Requests that this state does not allow to the peer, answered `ESME_RINVBNDSTS`.
    wrong_state,
    /// Binds on a session that is bound or being bound, answered `ESME_RALYBND`.
    second_binds,
    /// Requests whose command is unknown, answered `generic_nack`.
    unknown_commands,
    /// Responses whose command is unknown, dropped.
    unknown_responses,
    /// Responses to nothing that is open, dropped.
    unasked_responses,
    /// Responses after the response timer, dropped.
    late_responses,
    /// Responses of another kind than the request they name.
    mismatched_responses,
    /// `generic_nack`s that belong to no open request.
    unknown_nacks,
    /// Requests beyond the peer's window, answered `ESME_RTHROTTLED`.
    over_window,
    /// `alert_notification`s, dropped: nothing here waits for a handset.
    alerts,
    /// Requests of ours without a usable answer.
    unanswered,
    /// Requests of ours that could not be sent.
    unsent,
    /// `enquire_link`s of ours without an answer.
    enquiries_missed,
}
