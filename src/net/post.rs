//! A link's letters on their way into the bridge's inbox, in order.
//!
//! At most a few letters wait here: the link reads nothing while any does.

use std::collections::VecDeque;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::PollSender;

use super::inbox::{Inbox, Mail, Stopped};
use crate::bridge::Input;
use crate::message::LinkId;
use crate::session::Event;

/// Letters of one link that the inbox has not taken yet.
#[derive(Debug)]
pub(super) struct Post {
    link: LinkId,
    inbox: Inbox,
    queue: PollSender<Mail>,
    waiting: VecDeque<Mail>,
    /// Whether the queue holds our place in the line for room.
    in_line: bool,
}

impl Post {
    pub(super) fn new(link: LinkId, inbox: Inbox) -> Self {
        let queue = inbox.poll_sender();
        Self { link, inbox, queue, waiting: VecDeque::new(), in_line: false }
    }

    /// Whether everything is delivered.
    pub(super) fn is_clear(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, mail: Mail) {
        self.waiting.push_back(mail);
    }

    /// Adds events without octets, to the last batch if it still waits.
    pub(super) fn append(&mut self, events: &mut Vec<Event>) {
        if let Some(Mail::Input(Input::Batch { events: last, .. })) = self.waiting.back_mut() {
            last.append(events);
        } else if !events.is_empty() {
            let link = self.link;
            self.push(Mail::Input(Input::Batch { link, chunk: Bytes::new(), events: std::mem::take(events) }));
        }
    }

    /// Delivers what there is room for. Ready when all is delivered.
    pub(super) fn poll_deliver(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        while let Some(mail) = self.waiting.pop_front() {
            if self.in_line {
                self.waiting.push_front(mail);
                ready!(self.queue.poll_reserve(cx)).map_err(|_closed| Stopped)?;
                self.in_line = false;
                let Some(mail) = self.waiting.pop_front() else { break };
                self.queue.send_item(mail).map_err(|_closed| Stopped)?;
            } else {
                match self.inbox.try_send(mail) {
                    Ok(()) => {}
                    Err(TrySendError::Full(mail)) => {
                        self.waiting.push_front(mail);
                        self.in_line = true;
                    }
                    Err(TrySendError::Closed(_)) => return Poll::Ready(Err(Stopped)),
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
