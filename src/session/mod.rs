//! One bind as a state machine, for both roles: SMSC toward client systems, ESME toward carriers.
//!
//! Pure: takes frames and the present, leaves replies in a wire buffer and everything else in a list of events.

mod parcel;

pub use parcel::{BindMode, Control, Event, Parcel, Request, Span};
