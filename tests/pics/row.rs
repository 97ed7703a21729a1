//! What a row of the statement says, and how its words are written.

use smppgate::pdu::CommandStatus;

/// How far something is supported in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Support {
    /// smppgate acts as SMPP 3.4 says.
    Yes,
    /// It reaches the other side as it came, and nothing is made of it.
    Passed,
    /// A request is answered with this.
    Refused(CommandStatus),
    /// Not sent, and dropped where it comes.
    Unused,
}

/// One direction of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) support: Support,
    how: &'static str,
}

pub(crate) const fn yes(how: &'static str) -> Cell {
    Cell { support: Support::Yes, how }
}

pub(crate) const fn passed(how: &'static str) -> Cell {
    Cell { support: Support::Passed, how }
}

pub(crate) const fn refused(status: CommandStatus, how: &'static str) -> Cell {
    Cell { support: Support::Refused(status), how }
}

pub(crate) const fn unused(how: &'static str) -> Cell {
    Cell { support: Support::Unused, how }
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.support {
            Support::Yes => f.write_str("supported")?,
            Support::Passed => f.write_str("passed on unread")?,
            Support::Refused(status) => write!(f, "refused with {status}")?,
            Support::Unused => f.write_str("not used")?,
        }
        if self.how.is_empty() { Ok(()) } else { write!(f, ": {}", self.how) }
    }
}

/// Something with its two sides: towards clients, where smppgate is the message centre, and towards carriers, where it is
/// the ESME.
pub(crate) struct Row<K> {
    pub(crate) key: K,
    pub(crate) client: Cell,
    pub(crate) carrier: Cell,
    /// Files under `tests`, or from `src` on, each with the name of a test in it.
    pub(crate) tests: &'static [&'static str],
}
