//! The table itself.

use super::{Kind, Metric, Samples, opt_outs};
use crate::admin::{Count, States};
use crate::message::MessageState;
use crate::policy::BreakerState;

/// Every metric, in the order in which they are shown.
pub const TABLE: &[Metric] = &[
    Metric {
        name: "smppgate_build_info",
        kind: Kind::Gauge,
        labels: &["version"],
        unit: "1",
        help: "Always 1; the label is the version that runs.",
        read: |_, samples| samples.push(&[env!("CARGO_PKG_VERSION")], 1.0),
    },
    Metric::plain(
        "smppgate_uptime_seconds",
        Kind::Gauge,
        "seconds",
        "Time since the process started.",
        |view, samples| samples.push(&[], view.snapshot.uptime_ms as f64 / 1e3),
    ),
    Metric {
        name: "smppgate_ready",
        kind: Kind::Gauge,
        labels: &["check"],
        unit: "0 or 1",
        help: "Whether each condition of readiness holds; all must be 1 before traffic is sent here.",
        read: |view, samples| {
            for (name, check) in view.readiness.checks() {
                samples.push(&[name], f64::from(u8::from(check.ok)));
            }
        },
    },
    Metric {
        name: "smppgate_binds_total",
        kind: Kind::Counter,
        labels: &["side", "result"],
        unit: "binds",
        help: "Bind requests by side (client: to us, carrier: from us) and result.",
        read: |view, samples| by_side(samples, &view.snapshot.links.client_binds, &view.snapshot.links.carrier_binds),
    },
    Metric {
        name: "smppgate_closes_total",
        kind: Kind::Counter,
        labels: &["side", "reason"],
        unit: "connections",
        help: "Closed connections by side and reason.",
        read: |view, samples| by_side(samples, &view.snapshot.links.client_closes, &view.snapshot.links.carrier_closes),
    },
    Metric {
        name: "smppgate_oddities_total",
        kind: Kind::Counter,
        labels: &["side", "kind"],
        unit: "events",
        help: "What peers did that SMPP does not foresee, by side and kind; the session went on.",
        read: |view, samples| {
            by_side(samples, &view.snapshot.links.client_oddities, &view.snapshot.links.carrier_oddities)
        },
    },
    Metric {
        name: "smppgate_account_binds",
        kind: Kind::Gauge,
        labels: &["account"],
        unit: "binds",
        help: "Binds of an account that are open.",
        read: |view, samples| view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.binds)),
    },
    Metric {
        name: "smppgate_accepted_total",
        kind: Kind::Counter,
        labels: &["account"],
        unit: "messages",
        help: "Messages accepted, which means on disk.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.accepted))
        },
    },
    Metric {
        name: "smppgate_refused_total",
        kind: Kind::Counter,
        labels: &["account", "reason"],
        unit: "requests",
        help: "Requests refused, by reason.",
        read: |view, samples| reasons(samples, view.snapshot.accounts.iter().map(|row| (&row.system_id, &row.refused))),
    },
    Metric {
        name: "smppgate_inflated_total",
        kind: Kind::Counter,
        labels: &["account", "kind"],
        unit: "messages",
        help: "Messages that look like artificially inflated traffic, refused or only counted, by kind: prefix, sequence.",
        read: |view, samples| {
            reasons(samples, view.snapshot.accounts.iter().map(|row| (&row.system_id, &row.inflated)))
        },
    },
    Metric {
        name: "smppgate_managed_total",
        kind: Kind::Counter,
        labels: &["account", "operation"],
        unit: "messages",
        help: "Messages that the client queried, cancelled or replaced, by operation.",
        read: |view, samples| reasons(samples, view.snapshot.accounts.iter().map(|row| (&row.system_id, &row.managed))),
    },
    Metric {
        name: "smppgate_cut_total",
        kind: Kind::Counter,
        labels: &["account"],
        unit: "messages",
        help: "Messages cut into parts, since a carrier of their route takes no message_payload.",
        read: |view, samples| view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.cut)),
    },
    Metric {
        name: "smppgate_notices_total",
        kind: Kind::Counter,
        labels: &["account", "result"],
        unit: "notices",
        help: "Intermediate notifications and alerts of carriers, passed on or dropped since no bind could take one.",
        read: |view, samples| reasons(samples, view.snapshot.accounts.iter().map(|row| (&row.system_id, &row.notices))),
    },
    Metric {
        name: "smppgate_finals_total",
        kind: Kind::Counter,
        labels: &["account", "state"],
        unit: "messages",
        help: "Accepted messages that reached a final state, by state.",
        read: |view, samples| finals(samples, view.snapshot.accounts.iter().map(|row| (&row.system_id, &row.finals))),
    },
    Metric {
        name: "smppgate_receipts_delivered_total",
        kind: Kind::Counter,
        labels: &["account"],
        unit: "receipts",
        help: "Receipts that the client confirmed.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.receipts_delivered))
        },
    },
    Metric {
        name: "smppgate_receipts_retried_total",
        kind: Kind::Counter,
        labels: &["account"],
        unit: "receipts",
        help: "Receipts that the client refused or did not answer, and that are sent again.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.receipts_retried))
        },
    },
    Metric {
        name: "smppgate_receipts_dropped_total",
        kind: Kind::Counter,
        labels: &["account"],
        unit: "receipts",
        help: "Receipts given up: refused for good by the client, or too old.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.receipts_dropped))
        },
    },
    Metric {
        name: "smppgate_receipts_owed",
        kind: Kind::Gauge,
        labels: &["account"],
        unit: "receipts",
        help: "Receipts on disk that wait for a bind of the account or are on their way.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.receipts_owed))
        },
    },
    Metric {
        name: "smppgate_inbound_accepted_total",
        kind: Kind::Counter,
        labels: &["account"],
        unit: "messages",
        help: "Messages from handsets taken for an account, which means on disk.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.inbound))
        },
    },
    Metric {
        name: "smppgate_inbound_delivered_total",
        kind: Kind::Counter,
        labels: &["account"],
        unit: "messages",
        help: "Messages from handsets that the client confirmed.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.inbound_delivered))
        },
    },
    Metric {
        name: "smppgate_inbound_retried_total",
        kind: Kind::Counter,
        labels: &["account"],
        unit: "messages",
        help: "Messages from handsets that the client refused or did not answer, and that are sent again.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.inbound_retried))
        },
    },
    Metric {
        name: "smppgate_inbound_dropped_total",
        kind: Kind::Counter,
        labels: &["account", "reason"],
        unit: "messages",
        help: "Messages from handsets given up: refused for good by the client, or too old.",
        read: |view, samples| {
            reasons(samples, view.snapshot.accounts.iter().map(|row| (&row.system_id, &row.inbound_dropped)))
        },
    },
    Metric {
        name: "smppgate_inbound_waiting",
        kind: Kind::Gauge,
        labels: &["account"],
        unit: "messages",
        help: "Messages from handsets on disk that wait for a bind of the account or are on their way.",
        read: |view, samples| {
            view.snapshot.accounts.iter().for_each(|row| samples.count(&[&row.system_id], row.inbound_waiting))
        },
    },
    opt_outs::LISTED,
    opt_outs::WORDS,
    Metric {
        name: "smppgate_carrier_links",
        kind: Kind::Gauge,
        labels: &["carrier", "state"],
        unit: "links",
        help: "Links to a carrier: bound, and missing of those configured.",
        read: |view, samples| {
            for row in &view.snapshot.carriers {
                samples.count(&[&row.name, "bound"], row.links_bound);
                samples.count(&[&row.name, "missing"], row.links.saturating_sub(row.links_bound));
            }
        },
    },
    Metric {
        name: "smppgate_carrier_suspended",
        kind: Kind::Gauge,
        labels: &["carrier"],
        unit: "0 or 1",
        help: "Whether a carrier fails and is left alone but for probes.",
        read: |view, samples| {
            view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], u64::from(row.suspended)))
        },
    },
    Metric {
        name: "smppgate_carrier_breaker",
        kind: Kind::Gauge,
        labels: &["carrier", "state"],
        unit: "0 or 1",
        help: "1 for the state of a carrier's breaker: closed (used), open (left alone), half_open (tried).",
        read: |view, samples| {
            for row in &view.snapshot.carriers {
                for state in BreakerState::ALL.map(BreakerState::as_str) {
                    samples.count(&[&row.name, state], u64::from(row.breaker == state));
                }
            }
        },
    },
    Metric {
        name: "smppgate_carrier_breaker_opened_total",
        kind: Kind::Counter,
        labels: &["carrier"],
        unit: "times",
        help: "How often a carrier was left alone because it failed, failed probes included.",
        read: |view, samples| {
            view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], row.breaker_opened))
        },
    },
    Metric {
        name: "smppgate_carrier_window_used",
        kind: Kind::Gauge,
        labels: &["carrier"],
        unit: "requests",
        help: "Requests sent to a carrier and not yet answered.",
        read: |view, samples| {
            view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], row.window_used))
        },
    },
    Metric {
        name: "smppgate_carrier_window",
        kind: Kind::Gauge,
        labels: &["carrier"],
        unit: "requests",
        help: "Most unanswered requests, over the links that are bound.",
        read: |view, samples| view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], row.window)),
    },
    Metric {
        name: "smppgate_carrier_waiting",
        kind: Kind::Gauge,
        labels: &["carrier"],
        unit: "messages",
        help: "Messages that wait for a carrier.",
        read: |view, samples| view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], row.waiting)),
    },
    Metric {
        name: "smppgate_attempts_total",
        kind: Kind::Counter,
        labels: &["carrier"],
        unit: "attempts",
        help: "Messages handed to a link of a carrier.",
        read: |view, samples| view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], row.attempts)),
    },
    Metric {
        name: "smppgate_forwarded_total",
        kind: Kind::Counter,
        labels: &["carrier"],
        unit: "messages",
        help: "Messages that a carrier accepted.",
        read: |view, samples| view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], row.forwarded)),
    },
    Metric {
        name: "smppgate_attempts_failed_total",
        kind: Kind::Counter,
        labels: &["carrier", "outcome"],
        unit: "attempts",
        help: "Attempts that did not end in acceptance: temporary, throttled, permanent, unanswered.",
        read: |view, samples| {
            for row in &view.snapshot.carriers {
                samples.count(&[&row.name, "temporary"], row.retried);
                samples.count(&[&row.name, "throttled"], row.throttled);
                samples.count(&[&row.name, "permanent"], row.refused);
                samples.count(&[&row.name, "unanswered"], row.unanswered);
            }
        },
    },
    Metric {
        name: "smppgate_resent_total",
        kind: Kind::Counter,
        labels: &["carrier"],
        unit: "messages",
        help: "Messages sent again although their outcome was unknown; each may be a duplicate.",
        read: |view, samples| view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], row.resent)),
    },
    Metric {
        name: "smppgate_carrier_receipts_total",
        kind: Kind::Counter,
        labels: &["carrier", "state"],
        unit: "receipts",
        help: "Receipts that a carrier sent, by state.",
        read: |view, samples| {
            for row in &view.snapshot.carriers {
                row.receipts.iter().for_each(|(state, count)| samples.count(&[&row.name, state], count));
            }
        },
    },
    Metric {
        name: "smppgate_carrier_receipt_oddities_total",
        kind: Kind::Counter,
        labels: &["carrier", "kind"],
        unit: "receipts",
        help: "Receipts that match no message or an erased one, repeat another, came early or wrote the id otherwise, by kind.",
        read: |view, samples| {
            reasons(samples, view.snapshot.carriers.iter().map(|row| (&row.name, &row.receipt_oddities)))
        },
    },
    Metric {
        name: "smppgate_carrier_inbound_total",
        kind: Kind::Counter,
        labels: &["carrier"],
        unit: "messages",
        help: "Messages from handsets that were taken from a carrier.",
        read: |view, samples| view.snapshot.carriers.iter().for_each(|row| samples.count(&[&row.name], row.inbound)),
    },
    Metric {
        name: "smppgate_carrier_inbound_refused_total",
        kind: Kind::Counter,
        labels: &["carrier", "reason"],
        unit: "messages",
        help: "Messages from handsets that were not taken from a carrier, by reason.",
        read: |view, samples| {
            reasons(samples, view.snapshot.carriers.iter().map(|row| (&row.name, &row.inbound_refused)))
        },
    },
    Metric {
        name: "smppgate_country_accepted_total",
        kind: Kind::Counter,
        labels: &["country"],
        unit: "messages",
        help: "Messages accepted for a destination country.",
        read: |view, samples| {
            view.snapshot.countries.iter().for_each(|row| samples.count(&[&row.country], row.accepted))
        },
    },
    Metric {
        name: "smppgate_country_forwarded_total",
        kind: Kind::Counter,
        labels: &["country"],
        unit: "messages",
        help: "Messages to a destination country that were handed to a carrier.",
        read: |view, samples| {
            view.snapshot.countries.iter().for_each(|row| samples.count(&[&row.country], row.forwarded))
        },
    },
    Metric {
        name: "smppgate_country_finals_total",
        kind: Kind::Counter,
        labels: &["country", "state"],
        unit: "messages",
        help: "Messages to a destination country that reached a final state, by state.",
        read: |view, samples| finals(samples, view.snapshot.countries.iter().map(|row| (&row.country, &row.finals))),
    },
    Metric {
        name: "smppgate_country_waiting",
        kind: Kind::Gauge,
        labels: &["country"],
        unit: "messages",
        help: "Messages to a destination country that wait for a carrier.",
        read: |view, samples| {
            view.snapshot.countries.iter().for_each(|row| samples.count(&[&row.country], row.waiting))
        },
    },
    Metric::plain(
        "smppgate_messages_live",
        Kind::Gauge,
        "messages",
        "Messages that are not sealed: waiting, sent, with a receipt owed, or from a handset and not delivered.",
        |view, samples| samples.count(&[], view.snapshot.store.live),
    ),
    Metric::plain(
        "smppgate_messages_waiting",
        Kind::Gauge,
        "messages",
        "Messages that wait for a carrier or for their time.",
        |view, samples| samples.count(&[], view.snapshot.store.waiting),
    ),
    Metric::plain(
        "smppgate_receipts_parked",
        Kind::Gauge,
        "receipts",
        "Receipts of carriers that wait for the answer they overtook.",
        |view, samples| samples.count(&[], view.snapshot.store.receipts_parked),
    ),
    Metric::plain("smppgate_store_bytes", Kind::Gauge, "bytes", "Size of the store on disk.", |view, samples| {
        samples.count(&[], view.snapshot.store.octets)
    }),
    Metric::plain("smppgate_journal_blocks", Kind::Gauge, "blocks", "Blocks in the journal.", |view, samples| {
        samples.count(&[], view.snapshot.store.journal_blocks)
    }),
    Metric::plain(
        "smppgate_journal_bytes",
        Kind::Gauge,
        "bytes",
        "Octets in the blocks of the journal.",
        |view, samples| samples.count(&[], view.snapshot.store.journal_octets),
    ),
    Metric::plain(
        "smppgate_archive_blocks",
        Kind::Gauge,
        "blocks",
        "Blocks of settled messages in the archive.",
        |view, samples| samples.count(&[], view.snapshot.store.archive_blocks),
    ),
    Metric::plain(
        "smppgate_keys",
        Kind::Gauge,
        "keys",
        "Data keys of the store: one for each account and day.",
        |view, samples| samples.count(&[], view.snapshot.store.keys),
    ),
    Metric::plain(
        "smppgate_keys_destroyed_total",
        Kind::Counter,
        "keys",
        "Data keys destroyed because the retention of their day was over, or their account was closed.",
        |view, samples| samples.count(&[], view.snapshot.store.keys_destroyed),
    ),
    Metric::plain(
        "smppgate_sealed_total",
        Kind::Counter,
        "records",
        "Records of settled messages moved into the archive.",
        |view, samples| samples.count(&[], view.snapshot.store.sealed),
    ),
    Metric {
        name: "smppgate_swept_total",
        kind: Kind::Counter,
        labels: &["class"],
        unit: "records",
        help: "Records forgotten because their retention was over, by class.",
        read: |view, samples| view.snapshot.store.swept.iter().for_each(|row| samples.count(&[&row.reason], row.count)),
    },
    Metric::plain(
        "smppgate_retention_overdue",
        Kind::Gauge,
        "blocks",
        "Blocks of records that should have been forgotten an hour ago; must be 0.",
        |view, samples| samples.count(&[], view.snapshot.store.overdue),
    ),
    Metric::plain("smppgate_commits_total", Kind::Counter, "commits", "Group commits written.", |view, samples| {
        samples.count(&[], view.snapshot.store.commits)
    }),
    Metric::plain(
        "smppgate_commit_bytes_total",
        Kind::Counter,
        "bytes",
        "Octets written in group commits.",
        |view, samples| samples.count(&[], view.snapshot.store.commit_octets),
    ),
    Metric::plain(
        "smppgate_commit_size_bytes",
        Kind::Histogram,
        "bytes",
        "Octets of each group commit.",
        |view, samples| samples.histogram(&[], &view.snapshot.store.commit_size, 1.0),
    ),
    Metric::plain(
        "smppgate_flush_seconds",
        Kind::Histogram,
        "seconds",
        "How long the flush of a group commit took.",
        |view, samples| samples.histogram(&[], &view.snapshot.store.flush_us, 1e6),
    ),
    Metric::plain(
        "smppgate_config_last_reload_success",
        Kind::Gauge,
        "0 or 1",
        "Whether the last reload was taken over; 0 means that the file has mistakes, or needs a restart.",
        |view, samples| samples.count(&[], u64::from(!view.snapshot.reload.failed)),
    ),
    Metric::plain(
        "smppgate_config_last_reload_timestamp_seconds",
        Kind::Gauge,
        "seconds",
        "When the configuration in force was taken over, at the start or by a reload; seconds since 1970.",
        |view, samples| samples.push(&[], view.snapshot.reload.in_force_since_ms as f64 / 1e3),
    ),
    Metric::plain(
        "smppgate_rerouted_total",
        Kind::Counter,
        "messages",
        "Messages that waited when the rules changed, and go to other carriers since.",
        |view, samples| samples.count(&[], view.snapshot.store.rerouted),
    ),
    Metric::plain(
        "smppgate_audit_entries_total",
        Kind::Counter,
        "entries",
        "Entries written to the audit log.",
        |view, samples| samples.count(&[], view.snapshot.audit.entries),
    ),
    Metric::plain(
        "smppgate_audit_lost_total",
        Kind::Counter,
        "events",
        "Events that could not be recorded; what operators asked for was refused.",
        |view, samples| samples.count(&[], view.snapshot.audit.lost),
    ),
    Metric::plain(
        "smppgate_audit_failing",
        Kind::Gauge,
        "0 or 1",
        "Whether the audit log cannot be written; traffic goes on, what operators would change is refused.",
        |view, samples| samples.count(&[], u64::from(view.snapshot.audit.failing)),
    ),
    Metric::plain(
        "smppgate_audit_head_age_seconds",
        Kind::Gauge,
        "seconds",
        "How long the oldest audit entry without a signed head has waited for one; a minute is normal.",
        |view, samples| samples.push(&[], view.snapshot.audit.head_age_ms as f64 / 1e3),
    ),
    Metric::plain(
        "smppgate_activity_lost_total",
        Kind::Counter,
        "lines",
        "Lines of the activity log that were not written.",
        |view, samples| samples.count(&[], view.snapshot.audit.activity_lost),
    ),
];

fn by_side(samples: &mut Samples<'_>, client: &[Count], carrier: &[Count]) {
    client.iter().for_each(|count| samples.count(&["client", &count.reason], count.count));
    carrier.iter().for_each(|count| samples.count(&["carrier", &count.reason], count.count));
}

pub(super) fn reasons<'a>(samples: &mut Samples<'_>, rows: impl Iterator<Item = (&'a String, &'a Vec<Count>)>) {
    for (name, counts) in rows {
        counts.iter().for_each(|count| samples.count(&[name, &count.reason], count.count));
    }
}

fn finals<'a>(samples: &mut Samples<'_>, rows: impl Iterator<Item = (&'a String, &'a States)>) {
    for (name, states) in rows {
        for state in MessageState::ALL.into_iter().filter(|state| state.is_final()) {
            samples.count(&[name, state.stat()], states.of(state));
        }
    }
}
