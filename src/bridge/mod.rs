//! The decision core across sessions.

mod input;

pub use input::Input;
