//! The one way from links to the bridge: a bounded queue of mail.
//!
//! Order per link is kept: `Open`, then its inputs, then `Closed`. A full inbox stops the reading of sockets; it never
//! stops a link from draining its mailbox.

use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::errand::Errand;
use crate::bridge::Input;
use crate::message::LinkId;
use crate::session::Parcel;

/// Letters the inbox holds before links stop reading their sockets. One letter is everything one read brought.
pub const INBOX_CAPACITY: usize = 256;

/// One letter.
#[derive(Debug)]
pub enum Mail {
    /// A link exists; parcels for it go to `mailbox`. Comes before any input of the link.
    ///
    /// The sender never waits: a full mailbox means that the peer or the sender broke the rules, and dropping the
    /// mailbox ends the link.
    Open {
        /// The link.
        link: LinkId,
        /// Where its parcels go.
        mailbox: mpsc::Sender<Parcel>,
    },
    /// Something for the bridge to decide.
    Input(Input),
    /// A step of the privacy desk.
    Errand(Errand),
}

/// The sending end of the queue; every link has one.
#[derive(Clone, Debug)]
pub struct Inbox(mpsc::Sender<Mail>);

/// A sending end that does not keep the queue open.
#[derive(Clone, Debug)]
pub(super) struct WeakInbox(mpsc::WeakSender<Mail>);

impl WeakInbox {
    pub(super) async fn send(&self, mail: Mail) -> Result<(), Stopped> {
        Inbox(self.0.upgrade().ok_or(Stopped)?).send(mail).await
    }
}

/// The bridge is gone: the process is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bridge has stopped")]
pub struct Stopped;

impl Inbox {
    /// An inbox of [`INBOX_CAPACITY`] and the end the bridge reads.
    #[must_use]
    pub fn open() -> (Self, mpsc::Receiver<Mail>) {
        Self::with_capacity(INBOX_CAPACITY)
    }

    /// An inbox that holds `letters`, at least 1.
    #[must_use]
    pub fn with_capacity(letters: usize) -> (Self, mpsc::Receiver<Mail>) {
        let (sender, receiver) = mpsc::channel(letters.max(1));
        (Self(sender), receiver)
    }

    /// Waits for room for one letter, so that the letter is only built or given away when there is room.
    ///
    /// # Errors
    /// [`Stopped`] when nothing reads the inbox any more.
    pub async fn reserve(&self) -> Result<mpsc::Permit<'_, Mail>, Stopped> {
        self.0.reserve().await.map_err(|_closed| Stopped)
    }

    /// Waits for room and sends.
    ///
    /// # Errors
    /// [`Stopped`] when nothing reads the inbox any more.
    pub async fn send(&self, mail: Mail) -> Result<(), Stopped> {
        self.0.send(mail).await.map_err(|_closed| Stopped)
    }

    /// Sends if there is room now.
    ///
    /// # Errors
    /// The letter itself, and whether the inbox is full or the bridge gone.
    pub fn try_send(&self, mail: Mail) -> Result<(), mpsc::error::TrySendError<Mail>> {
        self.0.try_send(mail)
    }

    /// An end that does not keep the inbox open.
    pub(super) fn downgrade(&self) -> WeakInbox {
        WeakInbox(self.0.downgrade())
    }

    /// For waiting for room inside a poll.
    pub(super) fn poll_sender(&self) -> PollSender<Mail> {
        PollSender::new(self.0.clone())
    }

    /// Letters that would be taken now without waiting.
    #[must_use]
    pub fn room(&self) -> usize {
        self.0.capacity()
    }
}
