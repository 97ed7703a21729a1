//! The wish to stop, as seen by one link: an atomic load or two per wake-up, no lock.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::watch;

/// `true` once the process wants to stop; a dropped sender means the same.
pub type StopWatch = watch::Receiver<bool>;

/// What is wanted of one link. Only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// Go on.
    #[default]
    Stay,
    /// Answer what is open, unbind, close.
    Unbind,
    /// Close.
    Cut,
}

/// Watches both for one task.
pub(super) struct Stop {
    everyone: StopWatch,
    own: Option<watch::Receiver<Wish>>,
    /// Only there to be woken: polled once per waker, since every poll would take the watches' locks.
    changed: Pin<Box<dyn Future<Output = Wish> + Send>>,
    registered: Option<Waker>,
    told: Wish,
}

impl Stop {
    /// Watches for the process, and for this link alone if there is a way.
    pub(super) fn new(everyone: StopWatch, own: Option<watch::Receiver<Wish>>) -> Self {
        let changed = changed(everyone.clone(), own.clone(), Wish::Stay);
        Self { everyone, own, changed, registered: None, told: Wish::Stay }
    }

    /// A wish that is new: each once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Wish> {
        if self.told == Wish::Cut || (self.told == Wish::Unbind && self.own.is_none()) {
            return None;
        }
        let known = self.registered.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if known && self.is_quiet() {
            return None;
        }
        self.everyone.mark_unchanged();
        if let Some(own) = &mut self.own {
            own.mark_unchanged();
        }
        self.registered = Some(cx.waker().clone());
        let mut news = None;
        while let Poll::Ready(wish) = self.changed.as_mut().poll(cx) {
            self.told = wish;
            news = Some(wish);
            self.changed = changed(self.everyone.clone(), self.own.clone(), wish);
        }
        news
    }

    fn is_quiet(&self) -> bool {
        (self.told == Wish::Unbind || matches!(self.everyone.has_changed(), Ok(false)))
            && self.own.as_ref().is_none_or(|own| matches!(own.has_changed(), Ok(false)))
    }
}

/// The next wish beyond `told`.
fn changed(
    mut everyone: StopWatch,
    mut own: Option<watch::Receiver<Wish>>,
    told: Wish,
) -> Pin<Box<dyn Future<Output = Wish> + Send>> {
    Box::pin(async move {
        let own = async {
            match &mut own {
                // Without a sender nobody will ask any more.
                Some(own) => match own.wait_for(|wish| *wish > told).await.map(|wish| *wish) {
                    Ok(wish) => wish,
                    Err(_gone) => pending().await,
                },
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            wish = own => wish,
            // The sender's end of life says the same as its word.
            _ = everyone.wait_for(|stop| *stop), if told == Wish::Stay => Wish::Unbind,
        }
    })
}
