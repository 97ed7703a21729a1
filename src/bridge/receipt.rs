//! Requests from carriers: finding the message of a receipt, in whatever form its id comes back, also when the receipt
//! overtakes the answer to its `submit_sm`.

use std::collections::VecDeque;

use super::Bridge;
use super::book::Stage;
use super::carrier::CarrierState;
use super::input::Outbox;
use crate::clock::{Mono, Now};
use crate::limits;
use crate::message::{CarrierId, MessageState};
use crate::pdu::{CommandId, CommandStatus, Receipt, Sm, encode_resp};
use crate::store::Write;

/// A receipt that found no message yet.
#[derive(Debug)]
pub(super) struct ParkedReceipt {
    pub(super) key: u64,
    pub(super) carrier: CarrierId,
    pub(super) until: Mono,
    pub(super) state: MessageState,
    pub(super) error: u16,
}

/// Receipts that wait for the answer they overtook, oldest first.
#[derive(Debug, Default)]
pub(super) struct Parked {
    waiting: VecDeque<ParkedReceipt>,
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
        if self.waiting.len() >= limits::PARKED_MAX
            && let Some(oldest) = self.waiting.pop_front()
        {
            carriers[oldest.carrier.0 as usize].tally.receipts_orphaned += 1;
        }
        self.waiting.push_back(receipt);
    }

    /// Takes the receipts of this key; the final one wins over those before it.
    pub(super) fn claim(&mut self, key: u64) -> Option<ParkedReceipt> {
        if self.waiting.is_empty() {
            return None;
        }
        let mut claimed: Option<ParkedReceipt> = None;
        while let Some(index) = self.waiting.iter().position(|receipt| receipt.key == key) {
            let receipt = self.waiting.remove(index)?;
            if claimed.as_ref().is_none_or(|earlier| !earlier.state.is_final()) {
                claimed = Some(receipt);
            }
        }
        claimed
    }

    pub(super) fn holds(&self, key: u64) -> bool {
        self.waiting.iter().any(|receipt| receipt.key == key)
    }

    /// All keys that wait.
    pub(super) fn keys(&self) -> Vec<u64> {
        self.waiting.iter().map(|receipt| receipt.key).collect()
    }

    /// Gives every receipt its full time again, after a restart.
    pub(super) fn rearm(&mut self, now: Now) {
        for receipt in &mut self.waiting {
            receipt.until = parked_until(now);
        }
    }

    pub(super) fn expire(&mut self, now: Now, carriers: &mut [CarrierState]) {
        while self.waiting.front().is_some_and(|receipt| receipt.until <= now.mono) {
            if let Some(receipt) = self.waiting.pop_front() {
                carriers[receipt.carrier.0 as usize].tally.receipts_orphaned += 1;
            }
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
        let status = match command {
            CommandId::DELIVER_SM => match Sm::decode(body) {
                Ok(sm) => match Receipt::read(&sm) {
                    Some(receipt) => self.receipt(carrier, &sm, &receipt, now),
                    None => self.mobile_originated(carrier),
                },
                Err(malformed) => malformed.status,
            },
            CommandId::DATA_SM => self.mobile_originated(carrier),
            _ => CommandStatus::ESME_RINVCMDID,
        };
        let parcel =
            if status == CommandStatus::ESME_ROK { self.links.then(link, out) } else { self.links.now(link, out) };
        encode_resp(command.response(), status, sequence, Some(b""), &mut parcel.wire);
        parcel.answers += 1;
    }

    /// No route leads from carriers to clients but the one of receipts.
    fn mobile_originated(&mut self, carrier: u16) -> CommandStatus {
        self.carriers[carrier as usize].tally.mo_refused += 1;
        CommandStatus::ESME_RX_R_APPN
    }

    fn receipt(&mut self, carrier: u16, sm: &Sm<'_>, receipt: &Receipt<'_>, now: Now) -> CommandStatus {
        if self.store_failing {
            // Nothing can be promised; the carrier sends it again.
            return CommandStatus::ESME_RX_T_APPN;
        }
        let state = MessageState::from_octet(receipt.state).unwrap_or(MessageState::Unknown);
        self.carriers[carrier as usize].tally.receipts[state as usize] += 1;
        let id = receipt.id.get(..receipt.id.len().min(65)).unwrap_or_default();
        let mut buffer = [0; 65];
        let canonical = canonical(id, &mut buffer);
        let key = self.book.key(CarrierId(carrier), canonical);
        let found = self.book.find_key(key).or_else(|| self.find_converted(CarrierId(carrier), canonical, sm));
        match found {
            Some(slot) => self.apply_receipt(slot, state, receipt.error, now),
            None => self.park(CarrierId(carrier), key, id, state, receipt.error, now),
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

    fn park(&mut self, carrier: CarrierId, key: u64, id: &[u8], state: MessageState, error: u16, now: Now) {
        let at = now.unix.seconds();
        let write = Write::Parked { carrier, at, state: state as u8, error, carrier_message_id: id, recipient: b"" };
        self.pages.write(&write);
        let receipt = ParkedReceipt { key, carrier, until: parked_until(now), state, error };
        self.parked.park(receipt, &mut self.carriers);
    }

    /// Carriers answer in hexadecimal and send receipts in decimal, or the other way round. A converted id counts only
    /// where the recipient is the same, for "1234" is a number in both.
    fn find_converted(&mut self, carrier: CarrierId, canonical: &[u8], sm: &Sm<'_>) -> Option<u32> {
        let text = std::str::from_utf8(canonical).ok()?;
        let mut buffer = [0; 48];
        let forms = [
            text.parse::<u128>().ok().map(|number| (number, 16)),
            u128::from_str_radix(text, 16).ok().map(|number| (number, 10)),
        ];
        for (number, base) in forms.into_iter().flatten() {
            let key = self.book.key(carrier, digits(number, base, &mut buffer));
            let Some(slot) = self.book.find_key(key) else { continue };
            let Some(accept) = self.pages.accepted(self.book.slots[slot].position) else { continue };
            let Ok(original) = Sm::decode(accept.body) else { continue };
            if same_number(original.destination.octets(), sm.source.octets()) {
                self.carriers[carrier.0 as usize].tally.receipts_converted += 1;
                return Some(slot);
            }
        }
        None
    }
}

fn parked_until(now: Now) -> Mono {
    Mono(now.mono.0 + u64::from(limits::PARKED_S) * 1_000_000)
}

/// The form of a carrier's id that is compared: without blanks and NULs around it, in lower case, without leading zeros.
pub(super) fn canonical<'a>(id: &[u8], buffer: &'a mut [u8; 65]) -> &'a [u8] {
    let trimmed = id.trim_ascii();
    let trimmed = trimmed.strip_suffix(b"\0").unwrap_or(trimmed).trim_ascii();
    let zeros = trimmed.iter().take_while(|octet| **octet == b'0').count();
    let kept = &trimmed[zeros.min(trimmed.len().saturating_sub(1))..];
    let kept = &kept[..kept.len().min(buffer.len())];
    let out = &mut buffer[..kept.len()];
    out.copy_from_slice(kept);
    out.make_ascii_lowercase();
    out
}

/// `number` in lower-case digits of `base`.
fn digits(mut number: u128, base: u128, buffer: &mut [u8; 48]) -> &[u8] {
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

/// Whether two spellings mean the same subscriber: their last eight digits agree, or all of a shorter one.
fn same_number(one: &[u8], other: &[u8]) -> bool {
    let length = one.len().min(other.len()).min(8);
    length > 0 && one[one.len() - length..] == other[other.len() - length..]
}

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
    }

    #[test]
    fn digits_convert_both_ways() {
        let mut buffer = [0; 48];
        assert_eq!(digits(255, 16, &mut buffer), b"ff");
        assert_eq!(digits(u128::MAX, 10, &mut buffer), u128::MAX.to_string().as_bytes());
    }

    #[test]
    fn numbers_compare_by_their_end() {
        assert!(same_number(b"4791234567", b"+4791234567"));
        assert!(same_number(b"91234567", b"004791234567"));
        assert!(!same_number(b"4791234567", b"4791234568"));
        assert!(!same_number(b"", b"1"));
    }
}
