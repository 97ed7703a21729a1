//! Requests from carriers: finding the message of a receipt, in whatever form its id comes back, also when the receipt
//! overtakes the answer to its `submit_sm`.

use std::collections::VecDeque;

use bytes::BytesMut;
use rustc_hash::FxHashMap;

use super::Bridge;
use super::book::Stage;
use super::carrier::CarrierState;
use super::input::Outbox;
use super::refusal::InboundRefusal;
use crate::clock::{Mono, Now};
use crate::limits;
use crate::message::{CarrierId, MessageState};
use crate::pdu::{CommandId, CommandStatus, DataSm, HEADER_LENGTH, RECEIPT_SCRATCH, Receipt, Sm, encode_resp};
use crate::store::Write;

/// A receipt that found no message yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct ParkedReceipt {
    /// See `Book::keys`.
    pub(super) keys: [u64; 3],
    /// [`tail`]s of the addresses of which one is the recipient's.
    pub(super) recipients: [u16; 2],
    pub(super) carrier: CarrierId,
    /// When it came, Unix seconds.
    pub(super) at: u32,
    pub(super) until: Mono,
    pub(super) state: MessageState,
    pub(super) error: u16,
}

/// Receipts that wait for the answer they overtook, oldest first.
#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: VecDeque<ParkedReceipt>,
    /// How many receipts wait under each key, so that an answer which nobody waits for costs one look.
    by_key: FxHashMap<u64, u32>,
    /// The last instant that the journal names, Unix seconds.
    last: u32,
}

impl ParkedReceipt {
    /// Whether an answer with this key, for a message to this recipient, is the one it waits for.
    fn matches(&self, key: u64, recipient: u16) -> bool {
        self.keys[0] == key || (self.keys[1..].contains(&key) && self.recipients.contains(&recipient))
    }
}

impl Parked {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn deadline(&self) -> Option<Mono> {
        self.waiting.front().map(|receipt| receipt.until)
    }

    /// Parks a receipt; the oldest is given up when there are too many.
    pub(super) fn park(&mut self, receipt: ParkedReceipt, carriers: &mut [CarrierState]) {
        if self.waiting.len() >= limits::PARKED_MAX {
            self.orphan_oldest(carriers);
        }
        for key in receipt.keys {
            *self.by_key.entry(key).or_default() += 1;
        }
        self.waiting.push_back(receipt);
    }

    fn forget(&mut self, receipt: &ParkedReceipt) {
        for key in receipt.keys {
            if let Some(count) = self.by_key.get_mut(&key) {
                *count -= 1;
                if *count == 0 {
                    self.by_key.remove(&key);
                }
            }
        }
    }

    fn orphan_oldest(&mut self, carriers: &mut [CarrierState]) {
        if let Some(receipt) = self.waiting.pop_front() {
            self.forget(&receipt);
            carriers[receipt.carrier.0 as usize].tally.receipts_orphaned += 1;
        }
    }

    /// Takes the receipts that wait for this answer; the final one wins over those before it.
    pub(super) fn claim(&mut self, key: u64, recipient: u16) -> Option<ParkedReceipt> {
        if !self.by_key.contains_key(&key) {
            return None;
        }
        let mut claimed: Option<ParkedReceipt> = None;
        while let Some(index) = self.waiting.iter().position(|receipt| receipt.matches(key, recipient)) {
            let receipt = self.waiting.remove(index)?;
            self.forget(&receipt);
            if claimed.as_ref().is_none_or(|earlier| !earlier.state.is_final()) {
                claimed = Some(receipt);
            }
        }
        claimed
    }

    /// Whether a receipt with this key, as it came, waits.
    pub(super) fn holds(&self, key: u64) -> bool {
        self.by_key.contains_key(&key)
    }

    /// All that wait, to be looked at again.
    pub(super) fn drain(&mut self) -> Vec<ParkedReceipt> {
        self.by_key.clear();
        self.waiting.drain(..).collect()
    }

    /// The journal names this instant, Unix seconds.
    pub(super) fn time_passed(&mut self, at: u32) {
        self.last = self.last.max(at);
    }

    /// The last instant that the journal names, Unix seconds.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// After a restart: gives every receipt its full time again, but for those whose time was over before the end.
    pub(super) fn rearm(&mut self, now: Now) {
        for mut receipt in self.drain() {
            if receipt.at.saturating_add(limits::PARKED_S) >= self.last {
                receipt.until = parked_until(now);
                self.park(receipt, &mut []);
            }
        }
    }

    pub(super) fn expire(&mut self, now: Now, carriers: &mut [CarrierState]) {
        while self.waiting.front().is_some_and(|receipt| receipt.until <= now.mono) {
            self.orphan_oldest(carriers);
        }
    }
}

impl Bridge {
    /// A request from a carrier. Everything is answered; a receipt only once what it says is durable.
    #[expect(clippy::too_many_arguments, reason = "one PDU with its circumstances")]
    pub(super) fn carrier_request(
        &mut self,
        link: u16,
        carrier: u16,
        command: CommandId,
        sequence: u32,
        body: &[u8],
        now: Now,
        out: &mut Outbox,
    ) {
        if command == CommandId::ALERT_NOTIFICATION {
            // There is no response to it.
            return self.alert(carrier, body, out);
        }
        let status = match command {
            CommandId::DELIVER_SM => match Sm::decode(body) {
                Ok(sm) => self.delivered(carrier, &sm, body, now, out),
                Err(malformed) => self.refuse_inbound(carrier, InboundRefusal::Malformed(malformed.status)),
            },
            CommandId::DATA_SM => match DataSm::decode(body).map(|data| data.to_sm()) {
                Ok(Some(sm)) => {
                    // From here on it is the deliver_sm that says the same.
                    let mut wire = BytesMut::new();
                    sm.encode(CommandId::DELIVER_SM, 0, &mut wire);
                    self.delivered(carrier, &sm, wire.get(HEADER_LENGTH..).unwrap_or_default(), now, out)
                }
                // No rule names an address of more than 20 octets.
                Ok(None) => self.refuse_inbound(carrier, InboundRefusal::Nobody),
                Err(malformed) => self.refuse_inbound(carrier, InboundRefusal::Malformed(malformed.status)),
            },
            _ => CommandStatus::ESME_RINVCMDID,
        };
        let parcel =
            if status == CommandStatus::ESME_ROK { self.links.then(link, out) } else { self.links.now(link, out) };
        encode_resp(command.response(), status, sequence, Some(b""), &mut parcel.wire);
        parcel.answers += 1;
    }

    /// What a carrier brings, whichever PDU it uses: a receipt, or a message from a handset.
    fn delivered(&mut self, carrier: u16, sm: &Sm<'_>, body: &[u8], now: Now, out: &mut Outbox) -> CommandStatus {
        match Receipt::read_brief(sm, &mut [0; RECEIPT_SCRATCH]) {
            Some(receipt) => self.receipt(carrier, sm, &receipt, now, out),
            None if sm.is_receipt() => self.refuse_inbound(carrier, InboundRefusal::UnreadableReceipt),
            None => self.mobile_originated(carrier, sm, body, now),
        }
    }

    fn receipt(
        &mut self,
        carrier: u16,
        sm: &Sm<'_>,
        receipt: &Receipt<'_>,
        now: Now,
        out: &mut Outbox,
    ) -> CommandStatus {
        if self.store_failing {
            // Nothing can be promised; the carrier sends it again.
            return CommandStatus::ESME_RX_T_APPN;
        }
        let state = MessageState::from_octet(receipt.state).unwrap_or(MessageState::Unknown);
        self.carriers[carrier as usize].tally.receipts[state as usize] += 1;
        let converted = self.carriers[carrier as usize].habits.receipt_ids.answered(receipt.id);
        let id = converted.as_deref().map_or(receipt.id, str::as_bytes);
        let id = id.get(..id.len().min(65)).unwrap_or_default();
        // Some carriers do not swap the addresses.
        let recipients = [tail(sm.source.octets()), tail(sm.destination.octets())];
        let exact = self.book.find_exact(CarrierId(carrier), id, recipients);
        let keys = if exact.is_some() { [0; 3] } else { self.book.keys(CarrierId(carrier), id) };
        let mixes = self.carriers[carrier as usize].tally.receipts_converted > 0;
        let found = || self.book.find_receipted(keys, recipients, mixes);
        match exact.map(|slot| (slot, false)).or_else(found) {
            Some((slot, converted)) => {
                self.carriers[carrier as usize].tally.receipts_converted += u64::from(converted);
                if !state.is_final() {
                    self.notify(slot, state, receipt.error, now, out);
                }
                self.apply_receipt(slot, state, receipt.error, now);
            }
            None if self.rights.is_buried(keys, now.unix.seconds()) => {
                self.carriers[carrier as usize].tally.receipts_erased += 1;
            }
            None => {
                let (at, carrier, error) = (now.unix.seconds(), CarrierId(carrier), receipt.error);
                // Enough to tell recipients apart later, and nobody's number.
                let recipient = &written_tail(recipients[0]);
                let state_octet = state as u8;
                let write = Write::Parked { carrier, at, state: state_octet, error, carrier_message_id: id, recipient };
                self.pages.write(&write);
                let until = parked_until(now);
                let receipt = ParkedReceipt { keys, recipients, carrier, at, until, state, error };
                self.parked.park(receipt, &mut self.carriers);
            }
        }
        CommandStatus::ESME_ROK
    }

    /// The state a carrier reports for one of its messages.
    pub(super) fn apply_receipt(&mut self, slot: u32, state: MessageState, error: u16, now: Now) {
        let entry = &self.book.slots[slot];
        if entry.stage != Stage::Sent {
            if entry.carrier != super::book::NO_CARRIER {
                self.carriers[entry.carrier.0 as usize].tally.receipts_repeated += 1;
            }
            return;
        }
        if state.is_final() {
            self.finish(slot, state, error, now);
        }
    }
}

fn parked_until(now: Now) -> Mono {
    Mono(now.mono.0 + u64::from(limits::PARKED_S) * 1_000_000)
}

/// The form of a carrier's id that is compared: without blanks and NULs around it, in lower case, without leading zeros. A
/// negative number is an id whose carrier took its highest bit for a sign.
pub(super) fn canonical<'a>(id: &[u8], buffer: &'a mut [u8; 65]) -> &'a [u8] {
    let trimmed = id.trim_ascii();
    let trimmed = trimmed.strip_suffix(b"\0").unwrap_or(trimmed).trim_ascii();
    if let [b'-', ..] = trimmed
        && let Some(unsigned) = unsigned(trimmed)
    {
        let mut decimal = [0; 48];
        let decimal = digits(u128::from(unsigned), 10, &mut decimal);
        buffer[..decimal.len()].copy_from_slice(decimal);
        return &buffer[..decimal.len()];
    }
    let zeros = trimmed.iter().take_while(|octet| **octet == b'0').count();
    let kept = &trimmed[zeros.min(trimmed.len().saturating_sub(1))..];
    let kept = &kept[..kept.len().min(buffer.len())];
    let out = &mut buffer[..kept.len()];
    out.copy_from_slice(kept);
    out.make_ascii_lowercase();
    out
}

/// The number of 32 bits, or of 64 where those are too few, that was written as this negative one.
fn unsigned(negative: &[u8]) -> Option<u64> {
    let number: i64 = std::str::from_utf8(negative).ok()?.parse().ok()?;
    Some(i32::try_from(number).map_or(number as u64, |short| u64::from(short as u32)))
}

/// `number` in lower-case digits of `base`.
pub(super) fn digits(mut number: u128, base: u128, buffer: &mut [u8; 48]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b"0123456789abcdef"[(number % base) as usize];
        number /= base;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

/// Hash of the last seven digits of a number, the same in every spelling of it; of fewer where there are no more.
pub(super) fn tail(number: &[u8]) -> u16 {
    let add = |value: u32, digit: &u8| value * 11 + u32::from(digit - b'0') + 1;
    let value = match number.last_chunk::<7>() {
        Some(last) if last.iter().all(u8::is_ascii_digit) => last.iter().rev().fold(0, add),
        _ => number.iter().rev().filter(|octet| octet.is_ascii_digit()).take(7).fold(0, add),
    };
    (value.wrapping_mul(0x9E37_79B1) >> 16) as u16
}

/// A [`tail`] as the journal keeps it: no number begins with such an octet.
fn written_tail(tail: u16) -> [u8; 3] {
    let [low, high] = tail.to_le_bytes();
    [TAIL, low, high]
}

/// The [`tail`] in what the journal keeps; earlier versions kept the number.
pub(super) fn read_tail(recipient: &[u8]) -> u16 {
    match *recipient {
        [TAIL, low, high] => u16::from_le_bytes([low, high]),
        _ => tail(recipient),
    }
}

const TAIL: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_ids_agree_across_spellings() {
        let form = |id: &[u8]| canonical(id, &mut [0; 65]).to_vec();
        assert_eq!(form(b"00ABcd\0"), b"abcd");
        assert_eq!(form(b"  12 "), b"12");
        assert_eq!(form(b"000"), b"0");
        assert_eq!(form(b""), b"");
        assert_eq!(form(&[b'7'; 80]).len(), 65);
        assert_eq!(form(b"-1294967293"), b"3000000003");
        assert_eq!(form(b"-5000000000"), b"18446744068709551616");
        assert_eq!(form(b"-"), b"-");
        assert_eq!(form(b"-AB"), b"-ab");
    }

    #[test]
    fn digits_convert_both_ways() {
        let mut buffer = [0; 48];
        assert_eq!(digits(255, 16, &mut buffer), b"ff");
        assert_eq!(digits(u128::MAX, 10, &mut buffer), u128::MAX.to_string().as_bytes());
    }

    #[test]
    fn a_recipient_is_kept_as_a_hash_and_numbers_kept_earlier_are_read() {
        for number in [&b"4791234567"[..], b"", b"12"] {
            assert_eq!(read_tail(&written_tail(tail(number))), tail(number));
            assert_eq!(read_tail(number), tail(number));
        }
    }

    #[test]
    fn numbers_compare_by_their_end() {
        assert_eq!(tail(b"4791234567"), tail(b"+47 912 34 567"));
        assert_eq!(tail(b"91234567"), tail(b"004791234567"));
        assert_ne!(tail(b"4791234567"), tail(b"4791234568"));
        assert_ne!(tail(b""), tail(b"0"));
    }
}
