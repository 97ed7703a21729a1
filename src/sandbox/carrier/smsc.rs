//! What all connections of the simulated carrier share: the decision on each message, the receipts owed to each account,
//! and the counts. No I/O; time is an argument.

use std::rc::Rc;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::clock::{Mono, Now};
use crate::message::{MessageState, owes_receipt};
use crate::pdu::CommandStatus;
use crate::sandbox::duplex::Nudge;
use crate::sandbox::wire::{self, Address, Message};
use crate::sandbox::{Latency, latencies};

use super::account::Account;
use super::args::CarrierArgs;
use super::receipt::Receipt;
use super::report::{CarrierReport, Seen};

const SECOND_US: u64 = 1_000_000;

/// Longest wait of a receipt for others to go with it.
const RECEIPT_GRID_MAX_US: u64 = 5000;

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
    /// When handsets began to write at --mobile-rate, and how many messages they wrote so.
    mobile: Option<(Mono, u64)>,
    random: u64,
    bucket: Bucket,
    second: (u64, u64),
    /// When the clock began.
    origin_us: u64,
    transits: Histogram<u64>,
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
    /// `now` also decides the first id, so that a carrier that starts again does not use its ids again. The clock began at
    /// `origin_us`.
    pub(super) fn new(args: CarrierArgs, now: Now, origin_us: u64) -> Self {
        let bucket = Bucket { micro_tokens: args.throttle_rate * SECOND_US, filled: now.mono };
        Self {
            report: CarrierReport::default(),
            seen: Seen::new(),
            accounts: Vec::new(),
            next_id: now.unix.0 * 1000,
            receipts: 0,
            mobile: None,
            random: args.seed,
            bucket,
            second: (0, 0),
            origin_us,
            transits: latencies(),
            args,
        }
    }

    /// The counts so far, quantiles included.
    pub(super) fn full_report(&self) -> CarrierReport {
        CarrierReport { transit_latency: Latency::of(&self.transits), ..self.report.clone() }
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
        let known = self.accounts.iter().position(|account| account.is(system_id));
        known.unwrap_or_else(|| {
            self.accounts.push(Account::new(system_id));
            self.accounts.len() - 1
        })
    }

    /// A bind that takes receipts appears; what waited goes to it.
    pub(super) fn attach(&mut self, account: usize, link: u64, nudge: Rc<Nudge>) {
        self.accounts[account].attach(link, nudge);
    }

    /// A bind that took receipts is gone; what was queued or open there goes to the others, or waits.
    pub(super) fn detach(&mut self, account: usize, link: u64, open: impl Iterator<Item = Receipt>, now: Mono) {
        let Some(queued) = self.accounts[account].detach(link) else { return };
        for receipt in open {
            self.send_again(account, receipt, now, link);
        }
        for (due, receipt) in queued {
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
        let report = &mut self.report;
        self.accounts[account].take(link, now, most, |receipt| {
            if receipt.mobile {
                report.mobile_sent += 1;
                report.mobile_resent += u64::from(receipt.again);
                return each(receipt);
            }
            report.receipts_sent += 1;
            report.receipts_resent += u64::from(receipt.again);
            report.duplicate_receipts_sent += u64::from(receipt.copy && !receipt.again);
            each(receipt);
        });
    }

    /// When this link has a receipt to send.
    pub(super) fn next_due(&self, account: usize, link: u64) -> Option<Mono> {
        self.accounts[account].next_due(link)
    }

    /// The peer's verdict on a receipt; `true` when it is to be sent again.
    pub(super) fn acknowledge(&mut self, receipt: &Receipt, status: CommandStatus) -> bool {
        if receipt.copy {
            return false;
        }
        match status {
            CommandStatus::ESME_ROK if receipt.mobile => self.report.mobile_acknowledged += 1,
            CommandStatus::ESME_ROK => self.report.receipts_acknowledged += 1,
            CommandStatus::ESME_RSYSERR
            | CommandStatus::ESME_RMSGQFUL
            | CommandStatus::ESME_RSUBMITFAIL
            | CommandStatus::ESME_RTHROTTLED
            | CommandStatus::ESME_RX_T_APPN => return true,
            _ if receipt.mobile => self.report.mobile_refused += 1,
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
        if let Some(sent_us) = wire::stamp(message.text) {
            self.transits.saturating_record((self.origin_us + now.mono.0).saturating_sub(sent_us));
        }
        let taken = self.report.received;
        let state = if hits(taken, self.args.undelivered_every) {
            MessageState::Undeliverable
        } else {
            MessageState::Delivered
        };
        if owes_receipt(message.registered_delivery, state) {
            self.owe(account, Receipt::of(message, id, state, now.unix), link, now.mono);
        }
        if hits(taken, self.args.mobile_every) {
            self.write_back(account, message.destination, now.mono);
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
        let due = if self.args.receipt_before_response { now } else { on_grid(now, self.args.receipt_delay) };
        if self.args.receipt_before_response {
            // Only the same link can be sure of the order.
            if !self.accounts[account].queue_on(link, due, receipt) {
                self.queue(account, due, receipt, NOBODY);
            }
        } else {
            self.queue(account, due, receipt, NOBODY);
        }
        if hits(self.receipts, self.args.duplicate_receipts_every) {
            self.queue(account, due, receipt.doubled(), NOBODY);
        }
    }

    /// Lets handsets write what is due by --mobile-rate, to an account that has a bind for it; returns when the next of
    /// them writes.
    pub(super) fn handsets_write(&mut self, account: usize, now: Mono) -> Option<Mono> {
        let (rate, most) = (u64::from(self.args.mobile_rate), self.args.mobile_messages);
        if rate == 0 {
            return None;
        }
        let (since, mut written) = *self.mobile.get_or_insert((now, 0));
        let due = now.since_us(since) * rate / SECOND_US + 1;
        while written < due && (most == 0 || written < most) {
            written += 1;
            let handset = format!("479{:07}", written % 10_000_000);
            self.write_back(account, Address { ton: 1, npi: 1, digits: handset.as_bytes() }, now);
        }
        self.mobile = Some((since, written));
        (most == 0 || written < most).then(|| Mono(since.0 + (written * SECOND_US).div_ceil(rate)))
    }

    fn write_back(&mut self, account: usize, handset: Address<'_>, now: Mono) {
        let Some(to) = self.args.mobile_to.clone() else { return };
        self.report.mobile_written += 1;
        let number = Address { ton: 1, npi: 1, digits: to.as_bytes() };
        let message = Receipt::mobile(self.report.mobile_written, handset, number);
        self.queue(account, now, message, NOBODY);
    }

    /// Queues a receipt on the next bind in turn, not on `avoid` where there is another; drops it when none is bound and
    /// the backlog is full.
    fn queue(&mut self, account: usize, due: Mono, receipt: Receipt, avoid: u64) {
        if !self.accounts[account].queue(due, receipt, avoid, self.args.backlog) && !receipt.copy {
            let dropped =
                if receipt.mobile { &mut self.report.mobile_dropped } else { &mut self.report.receipts_dropped };
            *dropped += 1;
        }
    }

    fn answer_at(&mut self, now: Mono) -> Mono {
        let mut at = now.after(self.args.answer_delay);
        if self.args.receipt_before_response {
            at = at.max(now.after(Duration::from_millis(50)));
        }
        let jitter_us = self.args.answer_jitter.as_micros() as u64;
        if jitter_us > 0 { Mono(at.0 + u64::from(self.draw()) * jitter_us / u64::from(u32::MAX)) } else { at }
    }

    fn draw(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        crate::sandbox::wire::scramble(self.random) as u32
    }
}

/// `now` and `delay` later, rounded up to a tenth of `delay` but 5 ms at most: receipts then leave in batches, not with
/// a wake-up each.
fn on_grid(now: Mono, delay: Duration) -> Mono {
    let grid_us = (delay.as_micros() as u64 / 10).clamp(1, RECEIPT_GRID_MAX_US);
    Mono(now.after(delay).0.next_multiple_of(grid_us))
}

/// Whether `count`, which starts at 1, is a multiple of `every`; 0 is never.
fn hits(count: u64, every: u64) -> bool {
    every > 0 && count.is_multiple_of(every)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Unix;

    const MESSAGE: Message<'static> = Message {
        source: Address { ton: 5, npi: 0, digits: b"shop" },
        destination: Address { ton: 1, npi: 1, digits: b"4791234567" },
        esm_class: 0,
        registered_delivery: 1,
        text: b"hi",
        tlvs: &[],
    };

    fn at(us: u64) -> Now {
        Now { mono: Mono(us), unix: Unix(1_700_000_000_000) }
    }

    fn smsc(words: &[&str]) -> Smsc {
        Smsc::new(CarrierArgs::of(words.iter().copied()).unwrap(), at(0), 0)
    }

    #[test]
    fn receipts_take_turns_over_the_binds_of_the_account() {
        let mut smsc = smsc(&["--receipt-delay", "10ms"]);
        let (acme, other) = (smsc.account(b"acme"), smsc.account(b"other"));
        for (account, link) in [(acme, 1), (acme, 2), (other, 3)] {
            smsc.attach(account, link, Rc::default());
        }
        for _ in 0..10 {
            smsc.submit(acme, &MESSAGE, 1, at(0));
        }
        let mut count = |account, link, now, most| {
            let mut count = 0;
            smsc.take_receipts(account, link, Mono(now), most, |_| count += 1);
            count
        };
        assert_eq!(count(acme, 1, 9_999, 10), 0);
        assert_eq!(count(acme, 1, 10_000, 3), 3);
        assert_eq!((count(acme, 1, 10_000, 10), count(acme, 2, 10_000, 10), count(other, 3, 10_000, 10)), (2, 5, 0));
    }

    #[test]
    fn a_bind_that_goes_leaves_its_receipts_to_the_others_or_to_the_backlog() {
        let mut smsc = smsc(&["--receipt-delay", "0s", "--backlog", "3"]);
        let account = smsc.account(b"acme");
        smsc.attach(account, 1, Rc::default());
        smsc.attach(account, 2, Rc::default());
        for _ in 0..6 {
            smsc.submit(account, &MESSAGE, 1, at(0));
        }
        let mut open = Vec::new();
        smsc.take_receipts(account, 1, Mono(1), 2, |receipt| open.push(receipt));
        smsc.detach(account, 1, open.into_iter(), Mono(2));
        let mut moved = Vec::new();
        smsc.take_receipts(account, 2, Mono(2), 10, |receipt| moved.push(receipt.again));
        assert_eq!((moved.len(), moved.iter().filter(|again| **again).count()), (6, 2));
        smsc.detach(account, 2, std::iter::empty(), Mono(3));
        for _ in 0..5 {
            smsc.submit(account, &MESSAGE, 1, at(4));
        }
        assert_eq!((smsc.report.receipts_owed, smsc.report.receipts_dropped), (11, 2));
        smsc.attach(account, 7, Rc::default());
        assert!(smsc.next_due(account, 7).is_some());
    }

    #[test]
    fn the_throttle_gives_a_second_of_burst_and_then_its_rate() {
        let mut smsc = smsc(&["--throttle-rate", "100"]);
        let account = smsc.account(b"acme");
        let mut taken = |us| (0..1000).filter(|_| accepted(smsc.submit(account, &MESSAGE, 1, at(us)))).count();
        assert_eq!((taken(0), taken(500_000), taken(505_000), taken(10_000_000)), (100, 50, 0, 100));
    }

    fn accepted(verdict: Verdict) -> bool {
        matches!(verdict, Verdict::Accept { .. })
    }

    #[test]
    fn ids_never_come_twice() {
        let mut smsc = smsc(&[]);
        let account = smsc.account(b"acme");
        let ids: std::collections::HashSet<_> = (0..100)
            .map(|_| match smsc.submit(account, &MESSAGE, 1, at(0)) {
                Verdict::Accept { id, .. } => id,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((ids.len(), smsc.report.unique, smsc.report.duplicates), (100, 1, 99));
    }

    #[test]
    fn handsets_write_at_their_rate_and_write_back() {
        let words = "--mobile-to 4759440000 --mobile-rate 10 --mobile-messages 25 --mobile-every 2";
        let mut smsc = smsc(&words.split(' ').collect::<Vec<_>>());
        let account = smsc.account(b"acme");
        smsc.attach(account, 1, Rc::default());
        assert_eq!(smsc.handsets_write(account, Mono(0)), Some(Mono(100_000)));
        assert_eq!(smsc.handsets_write(account, Mono(50_000)), Some(Mono(100_000)));
        assert_eq!(smsc.handsets_write(account, Mono(1_000_000)), Some(Mono(1_100_000)));
        assert_eq!(smsc.report.mobile_written, 11);
        assert_eq!(smsc.handsets_write(account, Mono(60_000_000)), None);
        assert_eq!(smsc.report.mobile_written, 25);
        for _ in 0..4 {
            assert!(accepted(smsc.submit(account, &MESSAGE, 1, at(60_000_000))));
        }
        assert_eq!(smsc.report.mobile_written, 27);
        let mut open = Vec::new();
        smsc.take_receipts(account, 1, Mono(60_000_000), 100, |message| open.push(message));
        assert!(open.iter().all(|message| message.mobile), "receipts are due later");
        let statuses = [CommandStatus::ESME_ROK, CommandStatus::ESME_RX_T_APPN, CommandStatus::ESME_RX_R_APPN];
        let again = statuses.map(|status| smsc.acknowledge(&open[0], status));
        assert_eq!((open.len(), again), (27, [false, true, false]));
        assert_eq!(
            (smsc.report.mobile_acknowledged, smsc.report.mobile_refused, smsc.report.mobile_open()),
            (1, 1, 25)
        );
    }
}
