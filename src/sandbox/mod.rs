//! The sandbox: a simulated carrier and a load generator, separate sub-commands of the same binary.
//!
//! Both stand outside the gateway and speak to it over TCP only, so what they count is what a peer sees. They share two
//! cores with the gateway under test, hence one thread each, one read and one write per wake-up, frames walked where
//! they were read, and neither an allocation, a task nor a timer per message. Nothing here is meant for production
//! traffic: no state survives the process.

mod carrier;
mod due;
mod duplex;
mod error;
mod load;
mod processor;
mod tls;
mod window;
mod wire;

pub use carrier::{CarrierArgs, CarrierHandle, CarrierReport, IdForm, ReceiptForm, carrier, spawn_carrier};
pub use error::SandboxError;
use load::latencies;
pub use load::{BindKind, Latency, LoadArgs, Report, YesNo, load};
