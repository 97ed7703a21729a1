//! The rim: sockets, TLS, link tasks and the queues between them and the bridge.
//!
//! Decides nothing about messages. A link moves octets and runs its session; the bridge decides.

mod account_link;
mod alarm;
mod backoff;
mod berth;
mod carrier_link;
mod certificate;
mod client_certificate;
mod credentials;
mod crowd;
mod decide;
mod errand;
mod farewell;
mod fleet;
mod inbox;
mod journal;
mod link;
mod listen;
mod outgoing;
mod post;
mod renewal;
mod rim;
mod roster;
mod serve;
mod socket;
mod stop;
mod sweeps;
mod tally;
mod tls;

pub use account_link::Reception;
pub use berth::{Berth, Mooring};
pub use carrier_link::{Connect, Dial, Standing, keep_bound};
pub use client_certificate::ClientCertificate;
pub use credentials::{Directory, Entrance};
pub use crowd::{Crowd, CrowdLimits, Place, Seat};
pub use decide::Pulse;
pub use errand::{BridgeErrand, Errand, ErrandFault, OPT_OUTS_STEP, OptOuts, Registry, Scanned, StoreErrand};
pub use fleet::Wanted;
pub use inbox::{INBOX_CAPACITY, Inbox, Mail, Stopped};
pub use listen::listen;
pub use renewal::{Renewer, TakenOver, close_binds};
pub use rim::Rim;
pub use roster::{Roster, Row, Which, mode_name};
pub use serve::{Board, Listeners, Phase, Records, ServeError, Watch, holds, key_files, serve, tls_files};
pub use stop::StopWatch;
pub use tally::{Tally, Totals};
pub use tls::{Clear, OverTls, ServerTls, TlsError, TlsFiles, unwelcome};
