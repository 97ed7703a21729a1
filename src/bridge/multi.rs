//! `submit_multi`: one text, a message of its own for each recipient. SMPP 3.4 §4.5.
//!
//! The messages share what the client knows of them: the one id of the response. Their own ids follow each other, and
//! the first of them is a multiple of [`SHARING`], so that the shared id follows from each. Receipts name the shared id
//! and the recipient.

use super::Bridge;
use super::input::Outbox;
use super::recall::{Ask, SHARING};
use super::refusal::Refusal;
use super::submit::{LEGACY_ID, SHARED_ID};
use crate::clock::Now;
use crate::limits;
use crate::pdu::{Address, CommandStatus, Destination, Failure, SubmitMulti, SubmitMultiResp};

impl Bridge {
    /// Accepts a message for each recipient, and tells for which it cannot.
    pub(super) fn submit_multi(&mut self, ask: Ask<'_>, now: Now, out: &mut Outbox) {
        let mut failures = Vec::new();
        match self.accept_each(ask, &mut failures, now) {
            Ok(first) => {
                let (mut digits, mut octets) = ([0; 20], Vec::new());
                let entry = &self.book.slots[first];
                let id = entry.id.digits(entry.flags & LEGACY_ID != 0, &mut digits);
                let response = SubmitMultiResp::write(id, &failures, &mut octets);
                let parcel = self.links.then(ask.link, out);
                response.encode(ask.sequence, &mut parcel.wire);
                parcel.answers += 1;
            }
            Err(refusal) => self.refuse(ask, refusal, out),
        }
    }

    /// The slot of the first message that is accepted. An error where none is: the status that all have in common.
    fn accept_each(&mut self, ask: Ask<'_>, failures: &mut Vec<Failure>, now: Now) -> Result<u32, Refusal> {
        self.may_accept()?;
        let multi = SubmitMulti::decode(ask.body).map_err(|malformed| Refusal::Malformed(malformed.status))?;
        if multi.sm.replace_if_present_flag == 1 {
            return Err(Refusal::Malformed(CommandStatus::ESME_RINVSUBREP));
        }
        let next_id = self.next_id;
        let base = next_id.next_multiple_of(SHARING);
        self.next_id = base;
        let (mut first, mut refused) = (None, Vec::new());
        for destination in multi.destinations.iter() {
            let (address, outcome) = match destination {
                Destination::Sme(address) => (address, self.accept_one(&ask, &multi, address, base, now)),
                Destination::List(name) => (Address::new(0, 0, name).unwrap_or_default(), Err(Refusal::List)),
            };
            match outcome {
                Ok(slot) => first = first.or(Some(slot)),
                Err(refusal) => {
                    failures.push(Failure { address, status: refusal.status() });
                    refused.push(refusal);
                }
            }
        }
        let Some(first) = first else {
            self.next_id = next_id;
            let common = refused.first().filter(|one| refused.iter().all(|other| other.status() == one.status()));
            return Err(common.copied().unwrap_or(Refusal::NoRecipient));
        };
        for refusal in refused {
            self.accounts[ask.account as usize].tally.refused[refusal.index()] += 1;
        }
        Ok(first)
    }

    fn accept_one(
        &mut self,
        ask: &Ask<'_>,
        multi: &SubmitMulti<'_>,
        recipient: Address,
        base: u64,
        now: Now,
    ) -> Result<u32, Refusal> {
        // Those whose text is cut take more of the ids that share one.
        if self.next_id - base >= SHARING {
            return Err(Refusal::Busy);
        }
        // One PDU may say 64 kB to 254 recipients: the commit must not grow by all of that.
        if self.pages.open_octets() >= 2 * limits::COMMIT_OCTETS {
            return Err(Refusal::Busy);
        }
        self.accept_encoded(ask.link, ask.account, &multi.to(recipient), SHARED_ID, now)
    }
}

const _: () = assert!(SHARING > 254, "as many ids as a submit_multi has recipients");
