//! What clients are told beside receipts: states before the final one (SMPP 3.4 §5.2.17), and that a handset which was
//! away is back (§4.12).
//!
//! Nothing of it is kept. It goes to a bind that can take it at once, or nowhere: a client that missed it has lost
//! nothing but time, and its receipt comes all the same.

use std::collections::VecDeque;
use std::hash::Hasher;

use rustc_hash::{FxHashMap, FxHasher};

use super::Bridge;
use super::account::Told;
use super::book::Stage;
use super::input::Outbox;
use super::link::Side;
use super::submit::INTERMEDIATE;
use crate::clock::Now;
use crate::limits;
use crate::message::MessageState;
use crate::pdu::{AlertNotification, Sm};

/// The high half of a token that belongs to no slot: indices of slots stay below it.
const NO_SLOT: u64 = 0xFFFF_FFFF << 32;

/// Notices under way, and who wants to hear of which handset.
#[derive(Debug, Default)]
pub(super) struct Notices {
    sent: u32,
    /// Account by the hash of a recipient's digits.
    wanted: FxHashMap<u64, u16>,
    /// The same hashes, oldest first.
    order: VecDeque<u64>,
}

impl Notices {
    /// The account asked to hear when this recipient is back (`set_dpf`). SMPP 3.4 §5.3.2.29.
    pub(super) fn wants_alert(&mut self, recipient: &[u8], account: u16) {
        let key = number_hash(recipient);
        if self.wanted.insert(key, account).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > limits::ALERTS_WANTED
            && let Some(oldest) = self.order.pop_front()
        {
            self.wanted.remove(&oldest);
        }
    }

    /// Who asked; the wish is fulfilled by being asked for.
    fn asked(&mut self, recipient: &[u8]) -> Option<u16> {
        let key = number_hash(recipient);
        let account = self.wanted.remove(&key)?;
        self.order.retain(|other| *other != key);
        Some(account)
    }
}

fn number_hash(number: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    number.iter().filter(|octet| octet.is_ascii_digit()).for_each(|digit| hasher.write_u8(*digit));
    hasher.finish()
}

impl Bridge {
    /// Tells the client of a state that is not final, where it asked for such.
    pub(super) fn notify(&mut self, slot: u32, state: MessageState, error: u16, now: Now, out: &mut Outbox) {
        let entry = &self.book.slots[slot];
        if entry.flags & INTERMEDIATE == 0 || entry.stage != Stage::Sent || self.is_later_part(slot) {
            return;
        }
        let account = entry.account.0;
        let at_hand = self.pages.accepted(entry.position).is_some();
        let Some(link) = self.pick_receiver(account, 0).filter(|_| at_hand && !self.stopping) else {
            self.accounts[account as usize].tally.notices_dropped += 1;
            return;
        };
        self.accounts[account as usize].tally.notices += 1;
        self.links[link].credit -= 1;
        self.notices.sent = self.notices.sent.wrapping_add(1);
        let token = NO_SLOT | u64::from(self.notices.sent);
        let told = Told { state, error, done: now.unix, esm_class: Sm::TYPE_INTERMEDIATE };
        self.tell(slot, link, token, &told, out);
    }

    /// The client has a notice, or its session did not write it: either way its link may be lent to again.
    pub(super) fn notice_answered(&mut self, link: u16, token: u64) {
        if token < NO_SLOT {
            return;
        }
        let entry = &mut self.links[link];
        entry.credit = (entry.credit + 1).min(entry.window);
        if let Side::Account { account, .. } = entry.side {
            self.make_eager(account);
        }
    }

    /// A carrier says that a handset is back.
    pub(super) fn alert(&mut self, carrier: u16, body: &[u8], out: &mut Outbox) {
        let account = AlertNotification::decode(body)
            .ok()
            .and_then(|alert| Some((self.notices.asked(alert.source.octets)?, alert)));
        let Some((account, alert)) = account else {
            self.carriers[carrier as usize].tally.alerts_unasked += 1;
            return;
        };
        let Some(link) = self.pick_receiver(account, 0).filter(|_| !self.stopping) else {
            self.accounts[account as usize].tally.notices_dropped += 1;
            return;
        };
        self.accounts[account as usize].tally.notices += 1;
        self.notices.sent = self.notices.sent.wrapping_add(1);
        let parcel = self.links.now(link, out);
        // It is answered by nothing, so the session gives it no number.
        alert.encode(self.notices.sent & 0x7FFF_FFFF, &mut parcel.wire);
    }
}
