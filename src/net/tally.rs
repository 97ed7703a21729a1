//! What the rim counts for the operator: binds by result, closed links by reason, peers' oddities by kind.
//!
//! All are rare beside messages, so one lock is enough. Reasons come from short fixed lists and never name a peer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::pdu::{CommandStatus, HEADER_LENGTH, Header};
use crate::session::{CloseReason, Counters, Parcel, Role};

/// Counts by reason, in the order of the reasons.
type Counts = BTreeMap<&'static str, u64>;

/// Counts since the process started.
#[derive(Debug, Default)]
pub struct Tally(Mutex<[Side; 2]>);

#[derive(Debug, Default)]
struct Side {
    binds: Counts,
    closes: Counts,
    oddities: Counts,
}

/// What is counted about one kind of peer: (reason, count) pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Binds by result: "ok", a refusal of the rim's own, or the specification's name of the status.
    pub binds: Vec<(&'static str, u64)>,
    /// Ended connections by [`CloseReason::label`] or a reason of the rim's own.
    pub closes: Vec<(&'static str, u64)>,
    /// [`Counters`] of ended sessions.
    pub oddities: Vec<(&'static str, u64)>,
}

impl Tally {
    /// The counts about client systems ([`Role::Smsc`], our role toward them) or carriers ([`Role::Esme`]).
    #[must_use]
    pub fn totals(&self, role: Role) -> Totals {
        let sides = self.lock();
        let [smsc, esme] = &*sides;
        let side = if role == Role::Smsc { smsc } else { esme };
        let list = |counts: &Counts| counts.iter().map(|(reason, count)| (*reason, *count)).collect();
        Totals { binds: list(&side.binds), closes: list(&side.closes), oddities: list(&side.oddities) }
    }

    fn lock(&self) -> MutexGuard<'_, [Side; 2]> {
        // Counts are whole after every statement, so a panic elsewhere cannot have spoilt them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on(&self, role: Role, change: impl FnOnce(&mut Side)) {
        let mut sides = self.lock();
        let [smsc, esme] = &mut *sides;
        change(if role == Role::Smsc { smsc } else { esme });
    }

    /// A bind decided with `result`.
    pub(super) fn bind(&self, role: Role, result: &'static str) {
        self.on(role, |side| *side.binds.entry(result).or_default() += 1);
    }

    /// A bind decided by the status of its response.
    pub(super) fn bind_status(&self, role: Role, status: CommandStatus) {
        let ok = status == CommandStatus::ESME_ROK;
        self.bind(role, if ok { "ok" } else { status.name().unwrap_or("other") });
    }

    /// The bridge's answer to a bind, by the status it starts with, which is returned.
    pub(super) fn bind_answer(&self, role: Role, parcel: &Parcel) -> Option<CommandStatus> {
        let status = Header::decode(parcel.wire.first_chunk::<HEADER_LENGTH>()?).status;
        self.bind_status(role, status);
        Some(status)
    }

    /// A connection that ended before it had a session.
    pub(super) fn close(&self, role: Role, reason: &'static str) {
        self.on(role, |side| *side.closes.entry(reason).or_default() += 1);
    }

    /// A session that ended.
    pub(super) fn session(&self, role: Role, reason: CloseReason, counters: &Counters) {
        self.on(role, |side| {
            *side.closes.entry(reason.label()).or_default() += 1;
            for (kind, count) in counters.each().into_iter().filter(|(_, count)| *count > 0) {
                *side.oddities.entry(kind).or_default() += count;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_and_reasons_are_counted_apart() {
        let tally = Tally::default();
        tally.bind_status(Role::Smsc, CommandStatus::ESME_ROK);
        tally.bind_status(Role::Smsc, CommandStatus(0x777));
        tally.bind_status(Role::Esme, CommandStatus::ESME_RINVPASWD);
        tally.close(Role::Smsc, "tls");
        let counters = Counters { second_binds: 3, ..Counters::default() };
        tally.session(Role::Smsc, CloseReason::PeerUnbound, &counters);
        let smsc = tally.totals(Role::Smsc);
        assert_eq!(smsc.binds, [("ok", 1), ("other", 1)]);
        assert_eq!(smsc.closes, [("peer_unbound", 1), ("tls", 1)]);
        assert_eq!(smsc.oddities, [("second_binds", 3)]);
        assert_eq!(tally.totals(Role::Esme).binds, [("ESME_RINVPASWD", 1)]);
    }
}
