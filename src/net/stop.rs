//! The wish to stop, as seen by one link: an atomic load per wake-up, no lock.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use tokio::sync::watch;

/// `true` once the process wants to stop; a dropped sender means the same.
pub type StopWatch = watch::Receiver<bool>;

/// Watches the wish for one task.
pub(super) struct Stop {
    watch: StopWatch,
    /// Only there to be woken: polled once per waker, since every poll would take the watch's lock.
    changed: Pin<Box<dyn Future<Output = ()> + Send>>,
    registered: Option<Waker>,
    told: bool,
}

impl Stop {
    pub(super) fn new(watch: StopWatch) -> Self {
        let mut waiting = watch.clone();
        waiting.mark_unchanged();
        let changed = Box::pin(async move {
            // The sender's end of life says the same as its word.
            let _ended = waiting.wait_for(|stop| *stop).await.map(|_| ());
        });
        Self { watch, changed, registered: None, told: false }
    }

    /// Whether the wish is new: true once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.told {
            return false;
        }
        let known = self.registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if known && matches!(self.watch.has_changed(), Ok(false)) {
            return false;
        }
        self.watch.mark_unchanged();
        self.registered = Some(cx.waker().clone());
        self.told = self.changed.as_mut().poll(cx).is_ready();
        self.told
    }
}
