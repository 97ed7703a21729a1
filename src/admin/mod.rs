//! The operator's view of a running process: a status page, its JSON, metrics, liveness and readiness over HTTP.
//!
//! Reads only what the runtime published; changes nothing and asks the core nothing.

mod http;
mod page;
mod snapshot;
mod status;
mod tally;

pub use http::serve;
pub use snapshot::{
    AccountRow, AuditRow, COMMIT_BOUNDS, CarrierRow, Count, CountryRow, DELAY_BOUNDS_US, Histogram, LinkRow, ReloadRow,
    Snapshot, States, StoreRow, Totals,
};
pub use status::{Check, Readiness, SILENCE_MAX, Status};

/// What the pages and the metrics are written from.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The last snapshot.
    pub snapshot: &'a Snapshot,
    /// What holds and what does not.
    pub readiness: &'a Readiness,
}
