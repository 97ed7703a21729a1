//! `data_sm`: a message whose text and features are all optional parameters. SMPP 3.4 §4.7.1.
//!
//! Its response is [`SmResp`](super::SmResp).

use std::fmt;

use bytes::BytesMut;

use super::address::Address;
use super::command::{CommandId, CommandStatus};
use super::fault::Malformed;
use super::field::{AddressField, DESTINATION, Fields, SOURCE};
use super::pen::Pen;
use super::sm::{SERVICE_TYPE_MAX, Sm};
use super::tag::Tag;
use super::tlv::Tlvs;

/// Most octets of an address in `data_sm` and `alert_notification`, its NUL not counted.
pub const LONG_ADDRESS_MAX: usize = 64;

/// An address with room for what is no telephone number. Personal data: `Debug` shows only its kind and size.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct LongAddress<'a> {
    /// Type of number.
    pub ton: u8,
    /// Numbering plan indicator.
    pub npi: u8,
    /// The address without its NUL.
    pub octets: &'a [u8],
}

impl<'a> LongAddress<'a> {
    /// As the address of any other PDU; `None` when it is longer than those may be.
    #[must_use]
    pub fn short(&self) -> Option<Address> {
        Address::new(self.ton, self.npi, self.octets)
    }

    pub(super) fn decode(fields: &mut Fields<'a>, field: AddressField) -> Result<Self, Malformed> {
        Ok(Self {
            ton: fields.octet(field.name)?,
            npi: fields.octet(field.name)?,
            octets: fields.c_octets(LONG_ADDRESS_MAX, field.status, field.name)?,
        })
    }

    pub(super) fn encode(&self, pen: &mut Pen<'_>) {
        pen.octets(&[self.ton, self.npi]);
        pen.c_octets(self.octets);
    }
}

impl fmt::Debug for LongAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongAddress(ton {}, npi {}, {} octets)", self.ton, self.npi, self.octets.len())
    }
}

/// A decoded `data_sm`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct DataSm<'a> {
    /// Service, often empty.
    pub service_type: &'a [u8],
    /// Originator.
    pub source: LongAddress<'a>,
    /// Recipient.
    pub destination: LongAddress<'a>,
    /// Messaging mode, message type and GSM features.
    pub esm_class: u8,
    /// Which receipts are wanted.
    pub registered_delivery: u8,
    /// Coding of the text.
    pub data_coding: u8,
    /// Optional parameters, the text among them.
    pub tlvs: Tlvs<'a>,
}

impl<'a> DataSm<'a> {
    /// Decodes a body.
    ///
    /// # Errors
    /// The field's own status when a field is too long, `ESME_RINVCMDLEN` when the body is cut, and those of
    /// [`Tlvs::decode`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        Ok(Self {
            service_type: fields.c_octets(SERVICE_TYPE_MAX, CommandStatus::ESME_RINVSERTYP, "service_type")?,
            source: LongAddress::decode(&mut fields, SOURCE)?,
            destination: LongAddress::decode(&mut fields, DESTINATION)?,
            esm_class: fields.octet("esm_class")?,
            registered_delivery: fields.octet("registered_delivery")?,
            data_coding: fields.octet("data_coding")?,
            tlvs: Tlvs::decode(fields.rest())?,
        })
    }

    /// The text; empty when there is none.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        self.tlvs.find(Tag::MESSAGE_PAYLOAD).unwrap_or(&[])
    }

    /// The same message as a `submit_sm` or `deliver_sm` would carry it, its text still in `message_payload`; `None` when
    /// an address is too long for those. Some carriers send receipts as `data_sm`.
    #[must_use]
    pub fn to_sm(&self) -> Option<Sm<'a>> {
        Some(Sm {
            service_type: self.service_type,
            source: self.source.short()?,
            destination: self.destination.short()?,
            esm_class: self.esm_class,
            registered_delivery: self.registered_delivery,
            data_coding: self.data_coding,
            tlvs: self.tlvs,
            ..Sm::default()
        })
    }

    /// Appends header and body.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let body = self.service_type.len()
            + self.source.octets.len()
            + self.destination.octets.len()
            + self.tlvs.as_octets().len()
            + 10;
        let mut pen = Pen::begin(CommandId::DATA_SM, CommandStatus::ESME_ROK, sequence, body, wire);
        pen.c_octets(self.service_type);
        self.source.encode(&mut pen);
        self.destination.encode(&mut pen);
        pen.octets(&[self.esm_class, self.registered_delivery, self.data_coding]);
        pen.octets(self.tlvs.as_octets());
        pen.end();
    }
}

impl fmt::Debug for DataSm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSm")
            .field("service_type", &format_args!("{}", self.service_type.escape_ascii()))
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("esm_class", &format_args!("{:#04x}", self.esm_class))
            .field("registered_delivery", &format_args!("{:#04x}", self.registered_delivery))
            .field("data_coding", &format_args!("{:#04x}", self.data_coding))
            .field("tlvs", &self.tlvs)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::{Receipt, Tlv};

    #[test]
    fn a_receipt_in_a_data_sm_is_read_as_one_in_a_deliver_sm() {
        let mut tlvs = BytesMut::new();
        Tlv { tag: Tag::MESSAGE_PAYLOAD, value: b"id:5 stat:DELIVRD" }.encode(&mut tlvs);
        let data = DataSm {
            source: LongAddress { ton: 1, npi: 1, octets: b"4712345678" },
            esm_class: 0x04,
            tlvs: Tlvs::decode(&tlvs).unwrap(),
            ..DataSm::default()
        };
        let sm = data.to_sm().unwrap();
        assert_eq!((sm.source.octets(), sm.text()), (&b"4712345678"[..], data.text()));
        assert_eq!(Receipt::read(&sm).map(|receipt| (receipt.id, receipt.state)), Some((&b"5"[..], 2)));
        let long = LongAddress { octets: &[b'1'; 21], ..data.source };
        assert_eq!(DataSm { source: long, ..data }.to_sm(), None);
    }
}
