//! What all links of the process share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::inbox::{Inbox, Mail};
use super::link::Surroundings;
use super::stop::StopWatch;
use super::tally::Tally;
use crate::bridge::Input;
use crate::clock::Clock;
use crate::message::LinkId;

/// The clock, the way to the bridge, the numbers for links, and what is counted about them.
#[derive(Debug)]
pub struct Rim {
    clock: Clock,
    inbox: Inbox,
    last: AtomicU64,
    tally: Arc<Tally>,
}

impl Rim {
    /// Links of this rim report to `inbox`.
    #[must_use]
    pub fn new(clock: Clock, inbox: Inbox) -> Self {
        Self { clock, inbox, last: AtomicU64::new(0), tally: Arc::default() }
    }

    /// The clock that all links read.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// What is counted about links and binds.
    #[must_use]
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// A number that no link had.
    pub(super) fn number(&self) -> LinkId {
        LinkId(self.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Tells the bridge something that it can do without: a full inbox loses it.
    pub(super) fn hint(&self, input: Input) {
        let _full = self.inbox.try_send(Mail::Input(input));
    }

    pub(super) fn surround(&self, link: LinkId, write_timeout: Duration, stop: StopWatch) -> Surroundings {
        Surroundings {
            link,
            clock: self.clock,
            inbox: self.inbox.clone(),
            stop,
            own: None,
            tally: Arc::clone(&self.tally),
            refused: None,
            write_timeout,
        }
    }
}
