//! How long a connection waits for its caller: nothing while the work is ours, a bounded time for each step of theirs.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Whose turn it is on one connection.
#[derive(Clone, Debug)]
pub(super) struct Patience(watch::Sender<Option<Instant>>);

impl Patience {
    /// It is the caller's turn, for this long.
    pub(super) fn new(time: Duration) -> Self {
        Self(watch::Sender::new(Some(Instant::now() + time)))
    }

    /// It is our turn.
    pub(super) fn ours(&self) {
        self.0.send_if_modified(|until| until.take().is_some());
    }

    /// It is the caller's turn, for this long.
    pub(super) fn theirs(&self, time: Duration) {
        self.0.send_replace(Some(Instant::now() + time));
    }

    /// Comes when the caller's time is over.
    pub(super) async fn over(&self) {
        let mut turn = self.0.subscribe();
        loop {
            let until = *turn.borrow_and_update();
            let over = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                // The sender is our own.
                _ = turn.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_callers_time_runs_out() {
        let patience = Patience::new(Duration::from_secs(5));
        let begun = Instant::now();
        patience.over().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
        patience.ours();
        assert!(tokio::time::timeout(Duration::from_secs(3600), patience.over()).await.is_err());
        let own = patience.clone();
        let begun = Instant::now();
        tokio::join!(patience.over(), async move { own.theirs(Duration::from_secs(7)) });
        assert_eq!(begun.elapsed(), Duration::from_secs(7));
    }
}
