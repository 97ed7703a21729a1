//! What all connections of the simulated carrier share: the decision on each message, the receipts owed to each account,
//! and the counts. No I/O; time is an argument.

use std::rc::Rc;

use crate::clock::{Mono, Now};
use crate::message::{MessageState, owes_receipt};
use crate::pdu::CommandStatus;
use crate::sandbox::due::DueQueue;
use crate::sandbox::duplex::Nudge;
use crate::sandbox::wire::Message;

use super::args::CarrierArgs;
use super::receipt::Receipt;
use super::report::{CarrierReport, Seen};

const SECOND_US: u64 = 1_000_000;

/// No link has this number.
const NOBODY: u64 = 0;

/// What becomes of a `submit_sm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Answer with this id at this time.
    Accept { id: u64, answer_at: Mono },
    /// Taken, and not to be answered.
    AcceptSilently,
    /// Not taken and not answered.
    Ignore,
    /// Answer this status.
    Refuse(CommandStatus),
    /// Taken; drop the connection now.
    Disconnect,
}

/// The state of the carrier.
pub(super) struct Smsc {
    pub(super) args: CarrierArgs,
    pub(super) report: CarrierReport,
    seen: Seen,
    accounts: Vec<Account>,
    next_id: u64,
    receipts: u64,
    random: u64,
    bucket: Bucket,
    second: (u64, u64),
}

/// One `system_id` and the receipts owed to it.
struct Account {
    system_id: Vec<u8>,
    receivers: Vec<Receiver>,
    turn: usize,
    waiting: DueQueue<Receipt>,
}

/// A link that takes receipts.
struct Receiver {
    link: u64,
    queue: DueQueue<Receipt>,
    nudge: Rc<Nudge>,
}

/// Tokens for `--throttle-rate`, at most a second's worth.
#[derive(Default)]
struct Bucket {
    micro_tokens: u64,
    filled: Mono,
}

impl Bucket {
    fn take(&mut self, rate: u64, now: Mono) -> bool {
        let added = now.since_us(self.filled).min(SECOND_US) * rate;
        self.micro_tokens = (self.micro_tokens + added).min(rate * SECOND_US);
        self.filled = now;
        let enough = self.micro_tokens >= SECOND_US;
        if enough {
            self.micro_tokens -= SECOND_US;
        }
        enough
    }
}

impl Smsc {
    /// `now` also decides the first id, so that a carrier that starts again does not use its ids again.
    pub(super) fn new(args: CarrierArgs, now: Now) -> Self {
        let bucket = Bucket { micro_tokens: args.throttle_rate * SECOND_US, filled: now.mono };
        Self {
            report: CarrierReport::default(),
            seen: Seen::new(),
            accounts: Vec::new(),
            next_id: now.unix.0 * 1000,
            receipts: 0,
            random: args.seed,
            bucket,
            second: (0, 0),
            args,
        }
    }

    /// Checks the credentials of a bind.
    pub(super) fn admit(&mut self, system_id: &[u8], password: &[u8]) -> Result<(), CommandStatus> {
        let fits = |wanted: &Option<String>, given: &[u8]| wanted.as_ref().is_none_or(|text| text.as_bytes() == given);
        let verdict = if !fits(&self.args.system_id, system_id) {
            Err(CommandStatus::ESME_RINVSYSID)
        } else if !fits(&self.args.password, password) {
            Err(CommandStatus::ESME_RINVPASWD)
        } else {
            Ok(())
        };
        match verdict {
            Ok(()) => self.report.binds += 1,
            Err(_) => self.report.binds_refused += 1,
        }
        verdict
    }

    /// The number of the account with this name.
    pub(super) fn account(&mut self, system_id: &[u8]) -> usize {
        let known = self.accounts.iter().position(|account| account.system_id == system_id);
        known.unwrap_or_else(|| {
            let (receivers, waiting) = (Vec::new(), DueQueue::new());
            self.accounts.push(Account { system_id: system_id.to_vec(), receivers, turn: 0, waiting });
            self.accounts.len() - 1
        })
    }

    /// A bind that takes receipts appears; what waited goes to it.
    pub(super) fn attach(&mut self, account: usize, link: u64, nudge: Rc<Nudge>) {
        let account = &mut self.accounts[account];
        let mut queue = DueQueue::new();
        std::mem::swap(&mut queue, &mut account.waiting);
        account.receivers.push(Receiver { link, queue, nudge });
    }

    /// A bind that took receipts is gone; what was queued or open there goes to the others, or waits.
    pub(super) fn detach(&mut self, account: usize, link: u64, open: impl Iterator<Item = Receipt>, now: Mono) {
        let receivers = &mut self.accounts[account].receivers;
        let Some(at) = receivers.iter().position(|receiver| receiver.link == link) else { return };
        let mut gone = receivers.remove(at);
        for receipt in open {
            self.send_again(account, receipt, now, link);
        }
        for (due, receipt) in gone.queue.drain() {
            self.queue(account, due, receipt, link);
        }
    }

    /// Puts a receipt that was not answered, or refused for now, in line again: on another bind where there is one.
    pub(super) fn send_again(&mut self, account: usize, mut receipt: Receipt, due: Mono, link: u64) {
        receipt.again = true;
        self.queue(account, due, receipt, link);
    }

    /// Hands the receipts that are due on this link to `each`, `most` at most.
    pub(super) fn take_receipts(
        &mut self,
        account: usize,
        link: u64,
        now: Mono,
        most: usize,
        mut each: impl FnMut(Receipt),
    ) {
        let receivers = &mut self.accounts[account].receivers;
        let Some(receiver) = receivers.iter_mut().find(|receiver| receiver.link == link) else { return };
        for _ in 0..most {
            let Some(receipt) = receiver.queue.pop(now) else { break };
            self.report.receipts_sent += 1;
            self.report.receipts_resent += u64::from(receipt.again);
            self.report.duplicate_receipts_sent += u64::from(receipt.copy && !receipt.again);
            each(receipt);
        }
    }

    /// When this link has a receipt to send.
    pub(super) fn next_due(&self, account: usize, link: u64) -> Option<Mono> {
        self.accounts[account].receivers.iter().find(|receiver| receiver.link == link)?.queue.next_due()
    }

    /// The peer's verdict on a receipt; `true` when it is to be sent again.
    pub(super) fn acknowledge(&mut self, receipt: &Receipt, status: CommandStatus) -> bool {
        if receipt.copy {
            return false;
        }
        match status {
            CommandStatus::ESME_ROK => self.report.receipts_acknowledged += 1,
            CommandStatus::ESME_RSYSERR
            | CommandStatus::ESME_RMSGQFUL
            | CommandStatus::ESME_RSUBMITFAIL
            | CommandStatus::ESME_RTHROTTLED
            | CommandStatus::ESME_RX_T_APPN => return true,
            _ => self.report.receipts_refused += 1,
        }
        false
    }

    /// Counts a `submit_sm` that cannot be read, or that its bind may not send.
    pub(super) fn invalid(&mut self) {
        self.report.submitted += 1;
        self.report.refused_invalid += 1;
    }

    /// Decides on a message that came on `link`.
    pub(super) fn submit(&mut self, account: usize, message: &Message<'_>, link: u64, now: Now) -> Verdict {
        self.report.submitted += 1;
        if self.args.silent {
            self.report.unanswered += 1;
            return Verdict::Ignore;
        }
        if let Some(status) = self.refusal(now.mono) {
            return Verdict::Refuse(status);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.count(message, now.mono);
        let taken = self.report.received;
        let state = if hits(taken, self.args.undelivered_every) {
            MessageState::Undeliverable
        } else {
            MessageState::Delivered
        };
        if owes_receipt(message.registered_delivery, state) {
            self.owe(account, Receipt::of(message, id, state, now.unix), link, now.mono);
        }
        if hits(taken, self.args.disconnect_after) {
            self.report.disconnects += 1;
            return Verdict::Disconnect;
        }
        if hits(taken, self.args.drop_answers_every) {
            self.report.unanswered += 1;
            return Verdict::AcceptSilently;
        }
        Verdict::Accept { id, answer_at: self.answer_at(now.mono) }
    }

    fn refusal(&mut self, now: Mono) -> Option<CommandStatus> {
        let (count, rate) = (self.report.submitted, self.args.throttle_rate);
        if rate > 0 && !self.bucket.take(rate, now) {
            self.report.refused_throttled += 1;
            return Some(CommandStatus::ESME_RTHROTTLED);
        }
        if hits(count, self.args.queue_full_every) {
            self.report.refused_queue_full += 1;
            return Some(CommandStatus::ESME_RMSGQFUL);
        }
        let unlucky = self.args.fail_rate > 0.0 && (self.draw() as f64) < self.args.fail_rate * u32::MAX as f64;
        if unlucky || hits(count, self.args.status_every) {
            self.report.refused_status += 1;
            return Some(CommandStatus(self.args.status));
        }
        None
    }

    fn count(&mut self, message: &Message<'_>, now: Mono) {
        self.report.received += 1;
        if self.seen.insert(message.fingerprint()) {
            self.report.unique += 1;
        } else {
            self.report.duplicates += 1;
        }
        let second = now.0 / SECOND_US;
        self.second = if self.second.0 == second { (second, self.second.1 + 1) } else { (second, 1) };
        self.report.peak_per_second = self.report.peak_per_second.max(self.second.1);
    }

    fn owe(&mut self, account: usize, receipt: Receipt, link: u64, now: Mono) {
        self.report.receipts_owed += 1;
        self.receipts += 1;
        let due = if self.args.receipt_before_response { now } else { now.after(self.args.receipt_delay) };
        if self.args.receipt_before_response {
            // Only the same link can be sure of the order.
            self.queue_on(account, due, receipt, link);
        } else {
            self.queue(account, due, receipt, NOBODY);
        }
        if hits(self.receipts, self.args.duplicate_receipts_every) {
            self.queue(account, due, receipt.doubled(), NOBODY);
        }
    }

    fn queue_on(&mut self, account: usize, due: Mono, receipt: Receipt, link: u64) {
        match self.accounts[account].receivers.iter_mut().find(|receiver| receiver.link == link) {
            Some(receiver) => receiver.queue.push(due, receipt),
            None => self.queue(account, due, receipt, NOBODY),
        }
    }

    /// Queues a receipt on the next receiver in turn, not on `avoid` where there is another.
    fn queue(&mut self, account: usize, due: Mono, receipt: Receipt, avoid: u64) {
        let account = &mut self.accounts[account];
        let receivers = &mut account.receivers;
        if receivers.is_empty() {
            if account.waiting.len() < self.args.backlog {
                account.waiting.push(due, receipt);
            } else if !receipt.copy {
                self.report.receipts_dropped += 1;
            }
            return;
        }
        account.turn = (account.turn + 1) % receivers.len();
        if receivers[account.turn].link == avoid {
            account.turn = (account.turn + 1) % receivers.len();
        }
        let receiver = &mut receivers[account.turn];
        // One that already waits for something earlier looks at its queue by itself.
        if receiver.queue.next_due().is_none_or(|next| due < next) {
            receiver.nudge.nudge();
        }
        receiver.queue.push(due, receipt);
    }

    fn answer_at(&mut self, now: Mono) -> Mono {
        let mut at = now.after(self.args.answer_delay);
        if self.args.receipt_before_response {
            at = at.max(now.after(std::time::Duration::from_millis(50)));
        }
        let jitter_us = self.args.answer_jitter.as_micros() as u64;
        if jitter_us > 0 { Mono(at.0 + u64::from(self.draw()) * jitter_us / u64::from(u32::MAX)) } else { at }
    }

    fn draw(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        crate::sandbox::wire::scramble(self.random) as u32
    }
}

/// Whether `count`, which starts at 1, is a multiple of `every`; 0 is never.
fn hits(count: u64, every: u64) -> bool {
    every > 0 && count.is_multiple_of(every)
}
