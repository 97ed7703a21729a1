//! The metrics of the lists of those who want no more messages of an account: two rows of the table.

use super::table::reasons;
use super::{Kind, Metric};

/// How long the lists are.
pub(super) const LISTED: Metric = Metric {
    name: "smppgate_opt_outs",
    kind: Kind::Gauge,
    labels: &["account"],
    unit: "numbers",
    help: "Numbers on the account's list of those who want no more messages.",
    read: |view, samples| view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.opt_outs)),
};

/// What handsets said.
pub(super) const WORDS: Metric = Metric {
    name: "smppgate_opt_out_words_total",
    kind: Kind::Counter,
    labels: &["account", "wish"],
    unit: "messages",
    help: "Words of handsets that changed the list (out, in), or that were lost because the sender's number was not an \
           international one (unread).",
    read: |view, samples| {
        reasons(samples, view.snapshot.accounts.iter().map(|row| (&row.system_id, &row.opt_out_words)))
    },
};
