//! What the process shows of itself, as plain values: the input of the status page, `/status.json` and `/metrics`.
//!
//! Holds names from the configuration and counts; no number, no text, no password. Counts grow from the start of the
//! process and are never reset.

use serde::Serialize;

use crate::message::MessageState;

/// Everything at one moment. Whoever decides fills it in about once a second and gives it to
/// [`super::Status::publish`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// When it was taken: milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Milliseconds since the process started.
    pub uptime_ms: u64,
    /// One row for each account, in the order of the configuration.
    pub accounts: Vec<AccountRow>,
    /// One row for each carrier, in the order of the configuration; then those that are configured no more.
    pub carriers: Vec<CarrierRow>,
    /// One row for each destination country that has been asked for.
    pub countries: Vec<CountryRow>,
    /// Connections and binds.
    pub links: LinkRow,
    /// Disk.
    pub store: StoreRow,
    /// The record of who did what.
    pub audit: AuditRow,
    /// The configuration that was taken over last.
    pub reload: ReloadRow,
    /// Sums and rates; filled in by [`super::Status::publish`].
    pub totals: Totals,
}

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AccountRow {
    /// Its `system_id`.
    pub system_id: String,
    /// Binds that are open.
    pub binds: u64,
    /// Most binds it may have.
    pub max_binds: u64,
    /// Messages per second it may send; 0 when there is no limit.
    pub rate: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Requests refused, by reason.
    pub refused: Vec<Count>,
    /// Messages that look like artificial traffic, refused or not, by what they look like.
    pub inflated: Vec<Count>,
    /// Messages it queried, cancelled or replaced, by operation.
    pub managed: Vec<Count>,
    /// Intermediate notifications and alerts, passed on or not.
    pub notices: Vec<Count>,
    /// Messages cut into parts for a carrier.
    pub cut: u64,
    /// Accepted messages that reached a final state, by state.
    pub finals: States,
    /// Receipts it confirmed.
    pub receipts_delivered: u64,
    /// Receipts it refused or did not answer, which are sent again.
    pub receipts_retried: u64,
    /// Receipts given up: refused for good, or too old.
    pub receipts_dropped: u64,
    /// Receipts that wait for one of its binds or are on their way to it.
    pub receipts_owed: u64,
    /// Messages from handsets taken for it.
    pub inbound: u64,
    /// Of these, confirmed by it.
    pub inbound_delivered: u64,
    /// Messages from handsets that it refused or did not answer, which are sent again.
    pub inbound_retried: u64,
    /// Messages from handsets given up, by reason: refused for good by it, or too old.
    pub inbound_dropped: Vec<Count>,
    /// Messages from handsets that wait for one of its binds or are on their way to it.
    pub inbound_waiting: u64,
    /// Numbers on its list of those who want no more messages.
    pub opt_outs: u64,
    /// Words of handsets that changed it, by what they said; those of senders without an international number did not.
    pub opt_out_words: Vec<Count>,
    /// Messages accepted each second; filled in by [`super::Status::publish`].
    pub accepted_per_second: f64,
}

/// One carrier.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CarrierRow {
    /// Its name in the configuration.
    pub name: String,
    /// Links that are bound now.
    pub links_bound: u64,
    /// Links that should be.
    pub links: u64,
    /// In a few words how the last try ended, such as "refused: ESME_RINVPASWD"; may be empty.
    pub state: String,
    /// Whether it fails and is left alone but for probes: its breaker is not closed.
    pub suspended: bool,
    /// Where its breaker stands: "closed", "open" or "half_open"; empty where nobody said.
    pub breaker: &'static str,
    /// How often it was left alone, a probe that failed included.
    pub breaker_opened: u64,
    /// Requests sent and not yet answered.
    pub window_used: u64,
    /// Most such requests on the links that are bound.
    pub window: u64,
    /// Messages per second it may get; 0 when there is no limit.
    pub rate: u64,
    /// Messages that wait for it.
    pub waiting: u64,
    /// Attempts: messages handed to its links.
    pub attempts: u64,
    /// Messages it accepted.
    pub forwarded: u64,
    /// Attempts that it refused for now.
    pub retried: u64,
    /// Answers that asked to slow down.
    pub throttled: u64,
    /// Messages that it refused for good.
    pub refused: u64,
    /// Attempts whose outcome is unknown: it never answered, or the link was lost before.
    pub unanswered: u64,
    /// Of these, sent again: each may have become a duplicate.
    pub resent: u64,
    /// Receipts it sent, by state.
    pub receipts: States,
    /// Receipts that match no message, repeat or contradict an earlier one, came before the answer they depend on, or
    /// wrote the id in another number base than the answer.
    pub receipt_oddities: Vec<Count>,
    /// Messages from handsets that it brought and that were taken.
    pub inbound: u64,
    /// Messages from handsets that were not taken from it, by reason.
    pub inbound_refused: Vec<Count>,
    /// Messages it accepted each second; filled in by [`super::Status::publish`].
    pub forwarded_per_second: f64,
}

/// One destination country.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CountryRow {
    /// ISO 3166 alpha-2, or 001 for numbers of no country.
    pub country: String,
    /// Messages per second it may get; 0 when there is no limit.
    pub rate: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages handed to a carrier.
    pub forwarded: u64,
    /// Messages that reached a final state, by state.
    pub finals: States,
    /// Messages that wait for a carrier.
    pub waiting: u64,
    /// Messages accepted each second; filled in by [`super::Status::publish`].
    pub accepted_per_second: f64,
}

/// Connections and binds of the whole process.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LinkRow {
    /// Bind requests of clients, by result: "ok" or the refusal.
    pub client_binds: Vec<Count>,
    /// Our bind requests to carriers, by result: "ok" or the refusal.
    pub carrier_binds: Vec<Count>,
    /// Closed connections with clients, by reason.
    pub client_closes: Vec<Count>,
    /// Closed connections with carriers, by reason.
    pub carrier_closes: Vec<Count>,
    /// What clients did that SMPP does not foresee, by kind.
    pub client_oddities: Vec<Count>,
    /// What carriers did that SMPP does not foresee, by kind.
    pub carrier_oddities: Vec<Count>,
}

/// The store, and what lives in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StoreRow {
    /// Octets on disk.
    pub octets: u64,
    /// Messages that are not sealed: waiting, sent, with a receipt owed, or from a handset and not delivered.
    pub live: u64,
    /// Messages that wait for a carrier or for their time.
    pub waiting: u64,
    /// Messages that waited when the rules changed, and go to other carriers since.
    pub rerouted: u64,
    /// Receipts that wait for the answer they overtook.
    pub receipts_parked: u64,
    /// Blocks in the journal.
    pub journal_blocks: u64,
    /// Octets in them.
    pub journal_octets: u64,
    /// Blocks in the archive.
    pub archive_blocks: u64,
    /// Data keys that are there.
    pub keys: u64,
    /// Data keys destroyed since the process started.
    pub keys_destroyed: u64,
    /// Records moved from the journal into the archive.
    pub sealed: u64,
    /// Group commits written.
    pub commits: u64,
    /// Octets written in them.
    pub commit_octets: u64,
    /// Octets of each group commit.
    pub commit_size: Histogram,
    /// Microseconds that the flush of a group commit took.
    pub flush_us: Histogram,
    /// Records forgotten because their time was over, by retention class.
    pub swept: Vec<Count>,
    /// Blocks of records that should have been forgotten an hour ago.
    pub overdue: u64,
}

/// The record of who did what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Entries written.
    pub entries: u64,
    /// Events that could not be recorded.
    pub lost: u64,
    /// Whether it cannot be written.
    pub failing: bool,
    /// How long the oldest entry without a signed head has waited for one, milliseconds.
    pub head_age_ms: u64,
    /// Lines of the activity log that were not written.
    pub activity_lost: u64,
}

/// The configuration in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReloadRow {
    /// Whether the last attempt to take a changed file over was refused.
    pub failed: bool,
    /// Since when it is in force: milliseconds since 1970.
    pub in_force_since_ms: u64,
}

/// Sums over all accounts, and rates since the snapshot before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Messages accepted.
    pub accepted: u64,
    /// Messages refused.
    pub refused: u64,
    /// Messages that a carrier accepted.
    pub forwarded: u64,
    /// Receipts confirmed by clients.
    pub receipts: u64,
    /// Messages that wait for a carrier.
    pub waiting: u64,
    /// Receipts that wait for a bind.
    pub receipts_owed: u64,
    /// Messages accepted each second.
    pub accepted_per_second: f64,
    /// Messages forwarded each second.
    pub forwarded_per_second: f64,
    /// Receipts confirmed each second.
    pub receipts_per_second: f64,
}

/// How often something happened, for one of a few reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The reason: a word from a short fixed list, never something a peer chose.
    pub reason: String,
    /// How often.
    pub count: u64,
}

/// A count for each message state, by its number; 0 counts what could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States(pub [u64; MessageState::ALL.len() + 1]);

/// A distribution in fixed buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// Upper bounds, inclusive and growing.
    #[serde(skip)]
    pub bounds: &'static [u64],
    /// Observations in each bucket, not accumulated; the last one is above all bounds, so there is one more than bounds.
    pub counts: Vec<u64>,
    /// Sum of all observations.
    pub sum: u64,
}

/// Bounds for delays in microseconds, 50 µs to a minute.
pub const DELAY_BOUNDS_US: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Bounds for the size of a commit in octets, 256 B to 16 MiB.
pub const COMMIT_BOUNDS: &[u64] =
    &[1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 22, 1 << 24];

impl Count {
    /// A count.
    #[must_use]
    pub fn new(reason: impl Into<String>, count: u64) -> Self {
        Self { reason: reason.into(), count }
    }
}

impl States {
    /// How many reached `state`.
    #[must_use]
    pub fn of(&self, state: MessageState) -> u64 {
        self.0[state as usize]
    }

    /// Each state's word and its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let words = MessageState::ALL.into_iter().map(MessageState::stat);
        std::iter::once("unreadable").chain(words).zip(self.0)
    }
}

impl Serialize for States {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl Histogram {
    /// An empty distribution.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0 }
    }

    /// The observations of another kind of histogram, in these buckets; its values are exact to a few digits.
    #[must_use]
    pub fn of(observed: &hdrhistogram::Histogram<u64>, bounds: &'static [u64]) -> Self {
        let mut histogram = Self::new(bounds);
        for step in observed.iter_recorded() {
            histogram.record(step.value_iterated_to(), step.count_since_last_iteration());
        }
        histogram
    }

    /// Adds `count` observations of `value`.
    pub fn record(&mut self, value: u64, count: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(slot) = self.counts.get_mut(bucket) {
            *slot += count;
            self.sum = self.sum.saturating_add(value.saturating_mul(count));
        }
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The bound below which at least `share` (0 to 1) of the observations lie; `None` without observations, and the
    /// last bound for what lies above it.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = (count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let bucket = self.counts.iter().position(|in_bucket| {
            seen += in_bucket;
            seen >= wanted.max(1)
        })?;
        self.bounds.get(bucket).or_else(|| self.bounds.last()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_observation_once() {
        let mut histogram = Histogram::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101, u64::MAX] {
            histogram.record(value, 1);
        }
        assert_eq!(histogram.counts, [2, 2, 2]);
        assert_eq!(histogram.count(), 6);
        assert_eq!(histogram.quantile(0.5), Some(100));
        assert_eq!(histogram.quantile(0.99), Some(100));
        assert_eq!(Histogram::new(&[10]).quantile(0.5), None);
    }

    #[test]
    fn observations_keep_their_count_in_other_buckets() {
        let mut observed = hdrhistogram::Histogram::<u64>::new(3).unwrap();
        for value in [5, 5, 50, 5_000] {
            observed.record(value).unwrap();
        }
        assert_eq!(Histogram::of(&observed, &[10, 100]).counts, [2, 1, 1]);
    }

    #[test]
    fn states_are_written_with_their_words() {
        let mut states = States::default();
        states.0[MessageState::Delivered as usize] = 3;
        assert_eq!(states.of(MessageState::Delivered), 3);
        let json = serde_json::to_value(states).unwrap();
        assert_eq!(json["DELIVRD"], 3);
        assert_eq!(json["REJECTD"], 0);
        assert_eq!(json["unreadable"], 0);
    }
}
