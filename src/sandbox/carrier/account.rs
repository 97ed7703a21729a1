//! One `system_id` of the simulated carrier: the binds that take its receipts, and the receipts that wait for one.

use std::rc::Rc;

use crate::clock::Mono;
use crate::sandbox::due::DueQueue;
use crate::sandbox::duplex::Nudge;

use super::receipt::Receipt;

/// A link that takes receipts.
struct Receiver {
    link: u64,
    queue: DueQueue<Receipt>,
    nudge: Rc<Nudge>,
}

/// The receipts owed to one client system.
pub(super) struct Account {
    system_id: Vec<u8>,
    receivers: Vec<Receiver>,
    turn: usize,
    waiting: DueQueue<Receipt>,
}

impl Account {
    pub(super) fn new(system_id: &[u8]) -> Self {
        let (receivers, waiting) = (Vec::new(), DueQueue::new());
        Self { system_id: system_id.to_vec(), receivers, turn: 0, waiting }
    }

    /// Whether this is its name.
    pub(super) fn is(&self, system_id: &[u8]) -> bool {
        self.system_id == system_id
    }

    /// Adds a link; what waited goes to it.
    pub(super) fn attach(&mut self, link: u64, nudge: Rc<Nudge>) {
        let queue = std::mem::replace(&mut self.waiting, DueQueue::new());
        self.receivers.push(Receiver { link, queue, nudge });
    }

    /// Removes a link and returns what was queued on it; `None` when it took no receipts.
    pub(super) fn detach(&mut self, link: u64) -> Option<Vec<(Mono, Receipt)>> {
        let at = self.receivers.iter().position(|receiver| receiver.link == link)?;
        Some(self.receivers.remove(at).queue.drain().collect())
    }

    /// Queues a receipt on the next link in turn, not on `avoid` where there is another. With no link at all it waits;
    /// `false` when `backlog` wait already.
    pub(super) fn queue(&mut self, due: Mono, receipt: Receipt, avoid: u64, backlog: usize) -> bool {
        let links = self.receivers.len();
        if links == 0 {
            let room = self.waiting.len() < backlog;
            if room {
                self.waiting.push(due, receipt);
            }
            return room;
        }
        self.turn = (self.turn + 1) % links;
        if self.receivers[self.turn].link == avoid {
            self.turn = (self.turn + 1) % links;
        }
        let receiver = &mut self.receivers[self.turn];
        // One that already waits for something earlier looks at its queue by itself.
        if receiver.queue.next_due().is_none_or(|next| due < next) {
            receiver.nudge.nudge();
        }
        receiver.queue.push(due, receipt);
        true
    }

    /// Queues a receipt on this link, which is the one that runs now; `false` when it takes none.
    pub(super) fn queue_on(&mut self, link: u64, due: Mono, receipt: Receipt) -> bool {
        let receiver = self.receivers.iter_mut().find(|receiver| receiver.link == link);
        receiver.map(|receiver| receiver.queue.push(due, receipt)).is_some()
    }

    /// Hands the receipts that are due on this link to `each`, `most` at most.
    pub(super) fn take(&mut self, link: u64, now: Mono, most: usize, mut each: impl FnMut(Receipt)) {
        let Some(receiver) = self.receivers.iter_mut().find(|receiver| receiver.link == link) else { return };
        for _ in 0..most {
            match receiver.queue.pop(now) {
                Some(receipt) => each(receipt),
                None => return,
            }
        }
    }

    /// When this link has a receipt to send.
    pub(super) fn next_due(&self, link: u64) -> Option<Mono> {
        self.receivers.iter().find(|receiver| receiver.link == link)?.queue.next_due()
    }
}
