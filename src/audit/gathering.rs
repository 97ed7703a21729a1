//! Floods gathered into few entries: the first of a kind is written at once, the others of its minute as one.
//!
//! Bounded: so many kinds a minute, and one more for all others. Pure; the time is an argument.

use std::collections::BTreeMap;
use std::time::Duration;

use super::entry::Draft;
use crate::clock::Mono;

/// How long events of one kind are gathered.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Kinds told apart at once.
pub const KINDS_MAX: usize = 32;

/// What makes two events the same kind: everything said of them but the reason's words.
type Kind = (String, String, String, String);

#[derive(Clone, Debug)]
struct Gathered {
    draft: Draft,
    more: u64,
    until: Mono,
}

/// Events of the last minute, by kind.
#[derive(Clone, Debug, Default)]
pub struct Gathering {
    kinds: BTreeMap<Kind, Gathered>,
    /// Events beyond [`KINDS_MAX`] kinds.
    others: u64,
    others_until: Mono,
}

impl Gathering {
    /// Takes an event. Returns it when it is the first of its kind, to be written now.
    pub fn take(&mut self, draft: Draft, now: Mono) -> Option<Draft> {
        let kind = (
            draft.action.clone(),
            draft.account.clone(),
            draft.actor.origin.clone(),
            format!("{}={} {}", draft.object.kind, draft.object.id, draft.actor.name),
        );
        if let Some(gathered) = self.kinds.get_mut(&kind) {
            gathered.more += 1;
            return None;
        }
        if self.kinds.len() >= KINDS_MAX {
            if self.others == 0 {
                self.others_until = now.after(WINDOW);
            }
            self.others += 1;
            return None;
        }
        self.kinds.insert(kind, Gathered { draft: draft.clone(), more: 0, until: now.after(WINDOW) });
        Some(draft)
    }

    /// The sums of all windows that are over.
    pub fn due(&mut self, now: Mono) -> Vec<Draft> {
        let mut sums = Vec::new();
        self.kinds.retain(|_, gathered| {
            let is_over = gathered.until <= now;
            if is_over && gathered.more > 0 {
                let reason = format!("{} more within {} s", gathered.more, WINDOW.as_secs());
                sums.push(Draft { reason, ..gathered.draft.clone() });
            }
            !is_over
        });
        if self.others > 0 && self.others_until <= now {
            let reason = format!("{} events of further kinds within {} s", self.others, WINDOW.as_secs());
            sums.push(Draft::system("audit.gathered", reason));
            self.others = 0;
        }
        sums
    }

    /// The sums of all windows, over or not: before an end.
    pub fn rest(&mut self) -> Vec<Draft> {
        self.due(Mono(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::entry::Object;

    fn refused(account: &str, origin: &str) -> Draft {
        let mut draft = Draft::system("bind.refused", "credentials");
        draft.account = account.to_owned();
        draft.actor.origin = origin.to_owned();
        draft.object = Object::new("account", account);
        draft
    }

    #[test]
    fn the_first_comes_at_once_and_the_others_as_a_sum() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.take(refused("acme", "192.0.2.1"), Mono(0)), Some(refused("acme", "192.0.2.1")));
        for _ in 0..1000 {
            assert_eq!(gathering.take(refused("acme", "192.0.2.1"), Mono(1)), None);
        }
        assert!(gathering.take(refused("acme", "192.0.2.2"), Mono(1)).is_some(), "another origin is another kind");
        assert_eq!(gathering.due(Mono(59_999_999)), []);
        let sums = gathering.due(Mono(60_000_001));
        assert_eq!(sums, [Draft { reason: "1000 more within 60 s".into(), ..refused("acme", "192.0.2.1") }]);
        assert!(gathering.take(refused("acme", "192.0.2.1"), Mono(60_000_002)).is_some(), "a new minute");
    }

    #[test]
    fn many_kinds_take_no_more_than_their_room() {
        let mut gathering = Gathering::default();
        let mut written = 0;
        for minute in 0..10_u64 {
            let now = Mono(minute * 60_000_000);
            written += gathering.due(now).len();
            for peer in 0..10_000 {
                written += usize::from(gathering.take(refused("acme", &format!("peer {peer}")), now).is_some());
                assert!(gathering.kinds.len() <= KINDS_MAX);
            }
        }
        written += gathering.rest().len();
        assert_eq!(written, 10 * (KINDS_MAX + 1));
    }
}
