//! One timer of the runtime, moved only when it would go off too late.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep_until};

use crate::clock::{Clock, Mono};

/// Shortest wait. The runtime counts milliseconds too, and no deadline that stays in the past can make the task spin.
const LEAST: Duration = Duration::from_millis(1);

/// Wakes its task at a deadline that mostly moves away before it is reached.
pub(super) struct Alarm {
    clock: Clock,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When `sleep` goes off; `None` when it has.
    armed: Option<Mono>,
}

impl Alarm {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, sleep: None, armed: None }
    }

    /// Asks to be woken at `next`, or earlier. Whether an alarm went off meanwhile, so that deadlines have to be looked
    /// at again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, next: Option<Mono>, now: Mono) -> bool {
        let Some(next) = next else { return false };
        let next = next.max(now.after(LEAST));
        if self.armed.is_none_or(|armed| next < armed) {
            let instant = self.clock.instant(next).into();
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(instant),
                None => self.sleep = Some(Box::pin(sleep_until(instant))),
            }
            self.armed = Some(next);
        }
        let Some(sleep) = &mut self.sleep else { return false };
        match sleep.as_mut().poll(cx) {
            Poll::Pending => false,
            Poll::Ready(()) => {
                self.armed = None;
                true
            }
        }
    }
}
