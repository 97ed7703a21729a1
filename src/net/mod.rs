//! The rim: sockets, TLS, link tasks and the queues between them and the bridge.
//!
//! Decides nothing about messages. A link moves octets and runs its session; the bridge decides.

mod inbox;

pub use inbox::{INBOX_CAPACITY, Inbox, Mail, Stopped};
