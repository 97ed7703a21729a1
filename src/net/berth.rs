//! The hold on one link to a carrier: whether it is bound, and the word that it is not wanted any more.
//!
//! Decides nothing; [`super::fleet`] does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Notify, watch};

use super::stop::{StopWatch, Wish};

/// The end of whoever wants the link. Dropping it says that the link is not wanted.
#[derive(Debug)]
pub struct Berth {
    wish: watch::Sender<Wish>,
    bound: Arc<AtomicBool>,
}

/// The link's end.
#[derive(Debug)]
pub struct Mooring {
    pub(super) wish: watch::Receiver<Wish>,
    pub(super) flag: Flag,
}

/// Whether the link is bound; a bind wakes whoever waits for one.
#[derive(Clone, Debug)]
pub(super) struct Flag {
    bound: Arc<AtomicBool>,
    news: Arc<Notify>,
}

impl Berth {
    /// Both ends for one link; `news` is notified when it is bound.
    #[must_use]
    pub fn new(news: &Arc<Notify>) -> (Self, Mooring) {
        let (wish, own) = watch::channel(Wish::Stay);
        let bound = Arc::new(AtomicBool::new(false));
        let flag = Flag { bound: Arc::clone(&bound), news: Arc::clone(news) };
        (Self { wish, bound }, Mooring { wish: own, flag })
    }

    /// Whether it is bound now.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.bound.load(Ordering::Relaxed)
    }

    /// The link is to answer what is open, unbind and not come back. From now on it takes no message, whatever is on its way
    /// to it.
    pub fn leave(&self) {
        self.wish.send_replace(Wish::Unbind);
    }

    /// Whether it was told so.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        *self.wish.borrow() != Wish::Stay
    }
}

impl Flag {
    pub(super) fn set(&self, bound: bool) {
        self.bound.store(bound, Ordering::Relaxed);
        if bound {
            self.news.notify_one();
        }
    }
}

impl Mooring {
    /// Whether the link is not to come back.
    pub(super) fn is_unwanted(&self) -> bool {
        *self.wish.borrow() != Wish::Stay
    }

    /// Returns when the link is not to come back, or the process wants to stop; also when nobody can say any more.
    pub(super) async fn until_unwanted(&mut self, everyone: &mut StopWatch) {
        tokio::select! {
            _ = everyone.wait_for(|stop| *stop) => {}
            _ = self.wish.wait_for(|wish| *wish != Wish::Stay) => {}
        }
    }
}
