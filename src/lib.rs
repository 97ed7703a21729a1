//! smppgate: an SMPP 3.4 server and carrier bridge.

pub mod admin;
pub mod bridge;
pub mod clock;
pub mod config;
pub mod limits;
pub mod message;
pub mod metrics;
pub mod net;
pub mod pdu;
pub mod policy;
pub mod sandbox;
pub mod session;
pub mod store;
