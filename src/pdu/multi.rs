//! `submit_multi`, one text to many recipients, and its response with those it failed for. SMPP 3.4 §4.5.
//!
//! The lists stay in the body and are walked; they are checked once, when decoded.

use std::fmt;

use bytes::BytesMut;

use super::address::Address;
use super::command::{CommandId, CommandStatus};
use super::fault::Malformed;
use super::field::{DESTINATION, Fields, SOURCE, until_nul};
use super::pen::{Head, Pen};
use super::sm::{SERVICE_TYPE_MAX, Sm};
use super::tlv::Tlvs;

/// Most recipients of one `submit_multi`. SMPP 3.4 §5.2.24.
const DESTINATIONS_MAX: usize = 254;
/// Most octets of the name of a distribution list.
const LIST_NAME_MAX: usize = 20;
const SME: u8 = 1;
const LIST: u8 = 2;

/// One recipient of a `submit_multi`. `Debug` shows no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// An address.
    Sme(Address),
    /// The name of a distribution list at the server.
    List(&'a [u8]),
}

impl<'a> Destination<'a> {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Malformed> {
        match fields.octet("dest_flag")? {
            SME => fields.address(DESTINATION).map(Self::Sme),
            LIST => fields.c_octets(LIST_NAME_MAX, CommandStatus::ESME_RINVDLNAME, "dl_name").map(Self::List),
            _ => Err(Malformed::new(CommandStatus::ESME_RINVDESTFLAG, "dest_flag")),
        }
    }
}

/// The recipients of a `submit_multi`, at most 254. Every one of them is whole.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Destinations<'a> {
    count: u8,
    octets: &'a [u8],
}

impl<'a> Destinations<'a> {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Malformed> {
        let count = fields.octet("number_of_dests")?;
        if count == 0 || usize::from(count) > DESTINATIONS_MAX {
            return Err(Malformed::new(CommandStatus::ESME_RINVNUMDESTS, "number_of_dests"));
        }
        let before = fields.rest();
        for _ in 0..count {
            Destination::decode(fields)?;
        }
        Ok(Self { count, octets: &before[..before.len() - fields.rest().len()] })
    }

    /// Writes `list` into `octets`, which is cleared first. `None` when it is empty, holds over 254 recipients, or a
    /// list name over 20 octets or with a NUL.
    #[must_use]
    pub fn write(list: &[Destination<'_>], octets: &'a mut Vec<u8>) -> Option<Self> {
        if list.is_empty() || list.len() > DESTINATIONS_MAX {
            return None;
        }
        octets.clear();
        for destination in list {
            match destination {
                Destination::Sme(address) => {
                    octets.extend_from_slice(&[SME, address.ton(), address.npi()]);
                    octets.extend_from_slice(address.octets());
                }
                Destination::List(name) if name.len() <= LIST_NAME_MAX && !name.contains(&0) => {
                    octets.push(LIST);
                    octets.extend_from_slice(name);
                }
                Destination::List(_) => return None,
            }
            octets.push(0);
        }
        Some(Self { count: u8::try_from(list.len()).ok()?, octets })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.count)
    }

    /// Whether there are none: only in a default value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The recipients in wire order.
    pub fn iter(&self) -> impl Iterator<Item = Destination<'a>> + use<'a> {
        let mut fields = Fields::new(self.octets);
        (0..self.count).map_while(move |_| Destination::decode(&mut fields).ok())
    }
}

impl fmt::Debug for Destinations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} recipients]", self.count)
    }
}

/// A decoded `submit_multi`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubmitMulti<'a> {
    /// The recipients.
    pub destinations: Destinations<'a>,
    /// All other fields; its `destination` is empty.
    pub sm: Sm<'a>,
}

impl<'a> SubmitMulti<'a> {
    /// Decodes a body.
    ///
    /// # Errors
    /// Those of [`Sm::decode`]; `ESME_RINVNUMDESTS`, `ESME_RINVDESTFLAG` and `ESME_RINVDLNAME` for the recipients.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let service_type = fields.c_octets(SERVICE_TYPE_MAX, CommandStatus::ESME_RINVSERTYP, "service_type")?;
        let source = fields.address(SOURCE)?;
        let destinations = Destinations::decode(&mut fields)?;
        let sm = Sm::decode_after_addresses(fields, service_type, source, Address::default())?;
        Ok(Self { destinations, sm })
    }

    /// The message to one of the recipients, as if it had been submitted alone.
    #[must_use]
    pub fn to(&self, recipient: Address) -> Sm<'a> {
        Sm { destination: recipient, ..self.sm }
    }

    /// Appends header and body.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let mut head = Head::begin(CommandId::SUBMIT_MULTI, sequence);
        head.c_octets::<SERVICE_TYPE_MAX>(self.sm.service_type);
        head.address(&self.sm.source);
        head.octets([self.destinations.count]);
        let mut rest = Head::empty();
        self.sm.encode_after_addresses(&mut rest);
        let tail = [self.destinations.octets, rest.written(), self.sm.text_field(), self.sm.tlvs.as_octets()];
        head.finish(&tail, wire);
    }
}

/// A recipient that a `submit_multi` was not accepted for (`unsuccess_sme`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The recipient.
    pub address: Address,
    /// Why.
    pub status: CommandStatus,
}

impl Failure {
    fn decode(fields: &mut Fields<'_>) -> Result<Self, Malformed> {
        Ok(Self { address: fields.address(DESTINATION)?, status: CommandStatus(fields.word("error_status_code")?) })
    }
}

/// The body of `submit_multi_resp`. `Debug` shows no address.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SubmitMultiResp<'a> {
    /// The server's name for the message, the same for all recipients.
    pub message_id: &'a [u8],
    count: u8,
    failures: &'a [u8],
    /// Optional parameters (5.0 peers).
    pub tlvs: Tlvs<'a>,
}

impl<'a> SubmitMultiResp<'a> {
    /// Takes whatever is there: as many whole failures as follow, up to the number given.
    #[must_use]
    pub fn decode(body: &'a [u8]) -> Self {
        let message_id = until_nul(body);
        let mut fields = Fields::new(body.get(message_id.len() + 1..).unwrap_or(&[]));
        let announced = fields.octet("no_unsuccess").unwrap_or(0);
        let list = fields.rest();
        let mut count = 0;
        let mut after = fields;
        while count < announced && Failure::decode(&mut after).is_ok() {
            fields = after;
            count += 1;
        }
        let failures = &list[..list.len() - fields.rest().len()];
        Self { message_id, count, failures, tlvs: Tlvs::lenient(fields.rest()) }
    }

    /// A response whose failures are written into `octets`, which is cleared first; those past 255 are left out.
    #[must_use]
    pub fn write(message_id: &'a [u8], failures: &[Failure], octets: &'a mut Vec<u8>) -> Self {
        octets.clear();
        let failures = &failures[..failures.len().min(usize::from(u8::MAX))];
        for failure in failures {
            octets.extend_from_slice(&[failure.address.ton(), failure.address.npi()]);
            octets.extend_from_slice(failure.address.octets());
            octets.push(0);
            octets.extend_from_slice(&failure.status.0.to_be_bytes());
        }
        let count = u8::try_from(failures.len()).unwrap_or(u8::MAX);
        Self { message_id, count, failures: octets, tlvs: Tlvs::NONE }
    }

    /// The recipients it was not accepted for, in wire order.
    pub fn failures(&self) -> impl Iterator<Item = Failure> + use<'a> {
        let mut fields = Fields::new(self.failures);
        (0..self.count).map_while(move |_| Failure::decode(&mut fields).ok())
    }

    /// Appends header and body with `ESME_ROK`; a refusal of all is a header only.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let body = self.message_id.len() + self.failures.len() + self.tlvs.as_octets().len() + 2;
        let mut pen = Pen::begin(CommandId::SUBMIT_MULTI_RESP, CommandStatus::ESME_ROK, sequence, body, wire);
        pen.c_octets(self.message_id);
        pen.octet(self.count);
        pen.octets(self.failures);
        pen.octets(self.tlvs.as_octets());
        pen.end();
    }
}

impl fmt::Debug for SubmitMultiResp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitMultiResp")
            .field("message_id", &format_args!("{}", self.message_id.escape_ascii()))
            .field("failures", &self.count)
            .field("tlvs", &self.tlvs)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sme(digits: &[u8]) -> Address {
        Address::new(1, 1, digits).unwrap()
    }

    #[test]
    fn recipients_and_failures_go_there_and_back() {
        let list = [Destination::Sme(sme(b"4712345678")), Destination::List(b"staff")];
        let mut octets = Vec::new();
        let destinations = Destinations::write(&list, &mut octets).unwrap();
        let multi = SubmitMulti { destinations, sm: Sm { short_message: b"Hi", ..Sm::default() } };
        let mut wire = BytesMut::new();
        multi.encode(7, &mut wire);
        let read = SubmitMulti::decode(&wire[16..]).unwrap();
        assert_eq!(read, multi);
        assert_eq!(read.destinations.iter().collect::<Vec<_>>(), list);
        assert_eq!(read.to(sme(b"47")).short_message, b"Hi");

        let failures = [Failure { address: sme(b"4712345678"), status: CommandStatus::ESME_RINVDSTADR }];
        let mut octets = Vec::new();
        let resp = SubmitMultiResp::write(b"42", &failures, &mut octets);
        wire.clear();
        resp.encode(7, &mut wire);
        assert_eq!(SubmitMultiResp::decode(&wire[16..]), resp);
        assert_eq!(resp.failures().collect::<Vec<_>>(), failures);
        assert_eq!(SubmitMultiResp::decode(&wire[16..wire.len() - 1]).failures().count(), 0);
    }

    #[test]
    fn each_recipient_fails_by_its_own_status() {
        let of = |list: &[u8]| {
            let body = [&b"\0\x01\x01\0"[..], list, &[0; 12]].concat();
            SubmitMulti::decode(&body).map_err(|fault| fault.status.0).err()
        };
        assert_eq!(of(&[1, 1, 1, 1, b'4', 0]), None);
        assert_eq!(of(&[0]), Some(0x33));
        assert_eq!(of(&[255]), Some(0x33));
        assert_eq!(of(&[1, 3]), Some(0x40));
        assert_eq!(of(&[&[1, 2][..], &[b'x'; 21]].concat()), Some(0x34));
        assert_eq!(of(&[&[1, 1, 1, 1][..], &[b'4'; 21]].concat()), Some(0x0B));
    }
}
