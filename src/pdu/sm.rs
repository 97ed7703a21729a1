//! The body that `submit_sm` and `deliver_sm` share: 18 mandatory fields and the optional parameters.
//! SMPP 3.4 §4.4.1 and §4.6.1.
//!
//! Decoding checks form and size only, because a `deliver_sm` may hold what a `submit_sm` may not; the value rules for a
//! `submit_sm` are [`Sm::check_submit`].

use std::fmt;

use bytes::BytesMut;

use super::address::Address;
use super::command::{CommandId, CommandStatus};
use super::fault::Malformed;
use super::field::{DESTINATION, Fields, SOURCE};
use super::header::HEADER_LENGTH;
use super::pen::Head;
use super::tag::Tag;
use super::tlv::Tlvs;
use super::udh::{Part, Udh};

/// Most characters of `service_type`: one more than SMPP 3.4 §5.2.11 has room for, as real peers send six.
pub const SERVICE_TYPE_MAX: usize = 6;
/// Characters of a time field that is not empty.
pub(super) const TIME_LENGTH: usize = 16;

/// A decoded `submit_sm` or `deliver_sm`. Borrows from the body. `Debug` shows no address and no text.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Sm<'a> {
    /// Service, often empty.
    pub service_type: &'a [u8],
    /// Originator; empty asks for the account's default.
    pub source: Address,
    /// Recipient.
    pub destination: Address,
    /// Messaging mode, message type and GSM features. SMPP 3.4 §5.2.12.
    pub esm_class: u8,
    /// GSM protocol identifier.
    pub protocol_id: u8,
    /// Priority, 0–3.
    pub priority_flag: u8,
    /// When to deliver: empty or 16 characters, see [`Time`](super::Time).
    pub schedule_delivery_time: &'a [u8],
    /// When to give up: empty or 16 characters, see [`Time`](super::Time).
    pub validity_period: &'a [u8],
    /// Which receipts are wanted. SMPP 3.4 §5.2.17.
    pub registered_delivery: u8,
    /// Whether to replace a pending message.
    pub replace_if_present_flag: u8,
    /// Coding of the text. SMPP 3.4 §5.2.19.
    pub data_coding: u8,
    /// A text stored at the server.
    pub sm_default_msg_id: u8,
    /// Up to 255 octets of text; see [`text`](Self::text).
    pub short_message: &'a [u8],
    /// Optional parameters.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Sm<'a> {
    /// `esm_class` bit: the text starts with a user data header.
    pub const UDHI: u8 = 0x40;
    /// `esm_class` bits of the message type.
    pub const TYPE_MASK: u8 = 0x3C;
    /// Message type of a delivery receipt.
    pub const TYPE_RECEIPT: u8 = 0x04;
    /// Message type of an intermediate notification.
    pub const TYPE_INTERMEDIATE: u8 = 0x20;

    /// Decodes a body.
    ///
    /// # Errors
    /// The field's own status when a field is too long, `ESME_RINVMSGLEN` when the text is cut, `ESME_RINVCMDLEN` when
    /// the body ends earlier, and those of [`Tlvs::decode`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        let service_type = fields.c_octets(SERVICE_TYPE_MAX, CommandStatus::ESME_RINVSERTYP, "service_type")?;
        let source = fields.address(SOURCE)?;
        let destination = fields.address(DESTINATION)?;
        Self::decode_after_addresses(fields, service_type, source, destination)
    }

    /// Source and destination of a body, and the octets after them; the rest of it is not looked at.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode) for the fields up to the addresses.
    pub fn addresses(body: &'a [u8]) -> Result<(Address, Address, &'a [u8]), Malformed> {
        let mut fields = Fields::new(body);
        fields.c_octets(SERVICE_TYPE_MAX, CommandStatus::ESME_RINVSERTYP, "service_type")?;
        let source = fields.address(SOURCE)?;
        Ok((source, fields.address(DESTINATION)?, fields.rest()))
    }

    /// The fields that `submit_multi` shares, with those before them.
    #[inline(always)]
    pub(super) fn decode_after_addresses(
        mut fields: Fields<'a>,
        service_type: &'a [u8],
        source: Address,
        destination: Address,
    ) -> Result<Self, Malformed> {
        const CUT_TEXT: Malformed = Malformed::new(CommandStatus::ESME_RINVMSGLEN, "short_message");
        let [esm_class, protocol_id, priority_flag] = fields.array("esm_class")?;
        let schedule_delivery_time =
            fields.c_octets(TIME_LENGTH, CommandStatus::ESME_RINVSCHED, "schedule_delivery_time")?;
        let validity_period = fields.c_octets(TIME_LENGTH, CommandStatus::ESME_RINVEXPIRY, "validity_period")?;
        let [registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id] =
            fields.array("registered_delivery")?;
        let sm_length = fields.octet("sm_length").map_err(|_| CUT_TEXT)?;
        let short_message = fields.octets(usize::from(sm_length), CUT_TEXT)?;
        let tlvs = Tlvs::decode(fields.rest())?;
        Ok(Self {
            service_type,
            source,
            destination,
            esm_class,
            protocol_id,
            priority_flag,
            schedule_delivery_time,
            validity_period,
            registered_delivery,
            replace_if_present_flag,
            data_coding,
            sm_default_msg_id,
            short_message,
            tlvs,
        })
    }

    /// The text: `short_message`, or `message_payload` when that is empty. A user data header, where there is one,
    /// is at its start.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        if self.short_message.is_empty() && !self.tlvs.is_empty() {
            return self.tlvs.find(Tag::MESSAGE_PAYLOAD).unwrap_or(&[]);
        }
        self.short_message
    }

    /// Whether `esm_class` says that the text starts with a user data header.
    #[must_use]
    pub fn has_udh(&self) -> bool {
        self.esm_class & Self::UDHI != 0
    }

    /// The text without its user data header; empty where `esm_class` tells of one and none is there.
    #[must_use]
    pub fn words(&self) -> &'a [u8] {
        if self.has_udh() { Udh::of(self.text()).map_or(&[][..], |(_, words)| words) } else { self.text() }
    }

    /// Which part of a longer text this is: by the user data header, else by the three `sar_` parameters (SMPP 3.4
    /// §5.3.2.22 to 24). `None` for a whole message, and where the numbers make no sense.
    #[must_use]
    pub fn part(&self) -> Option<Part> {
        let part = if self.has_udh() {
            Udh::of(self.text())?.0.part()?
        } else if self.tlvs.is_empty() {
            return None;
        } else {
            let reference = self.tlvs.find(Tag::SAR_MSG_REF_NUM)?;
            Part {
                reference: u16::from_be_bytes(*reference.first_chunk()?),
                total: self.tlvs.octet(Tag::SAR_TOTAL_SEGMENTS)?,
                number: self.tlvs.octet(Tag::SAR_SEGMENT_SEQNUM)?,
            }
        };
        (part.total > 1 && (1..=part.total).contains(&part.number)).then_some(part)
    }

    /// Whether `esm_class` says delivery receipt or intermediate notification.
    #[must_use]
    pub fn is_receipt(&self) -> bool {
        matches!(self.esm_class & Self::TYPE_MASK, Self::TYPE_RECEIPT | Self::TYPE_INTERMEDIATE)
    }

    /// Appends header and body as `command` with status 0. What a field cannot hold is cut, texts to 255 octets.
    pub fn encode(&self, command: CommandId, sequence: u32, wire: &mut BytesMut) {
        let mut head = Head::begin(command, sequence);
        head.c_octets::<SERVICE_TYPE_MAX>(self.service_type);
        head.address(&self.source);
        head.address(&self.destination);
        self.encode_after_addresses(&mut head);
        head.finish(&[self.text_field(), self.tlvs.as_octets()], wire);
    }

    /// Appends the `submit_sm` with which a stored body goes on to a carrier: to be sent at once, valid until `validity`
    /// (empty: as long as the carrier likes), replacing nothing, and with a receipt, which is how its final state is learnt.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode); nothing is appended then.
    pub fn encode_onward(body: &[u8], validity: &[u8], wire: &mut BytesMut) -> Result<(), Malformed> {
        let (_, _, rest) = Sm::addresses(body)?;
        let at = body.len() - rest.len();
        // The common case needs no more than a copy: neither time is there, none is to be, and the text is the end.
        if let [_, _, _, 0, 0, registered, _, _, _, length, text @ ..] = rest
            && validity.is_empty()
            && text.len() == usize::from(*length)
        {
            let start = wire.len() + HEADER_LENGTH;
            Head::begin(CommandId::SUBMIT_SM, 0).finish(&[body], wire);
            wire[start + at + 5..start + at + 7].copy_from_slice(&[onward_delivery(*registered), 0]);
            return Ok(());
        }
        Sm::onward(body, validity)?.encode(CommandId::SUBMIT_SM, 0, wire);
        Ok(())
    }

    /// What [`encode_onward`](Self::encode_onward) appends, as a value.
    ///
    /// # Errors
    /// Those of [`decode`](Self::decode).
    pub fn onward(body: &'a [u8], validity: &'a [u8]) -> Result<Self, Malformed> {
        let sm = Sm::decode(body)?;
        Ok(Self {
            schedule_delivery_time: b"",
            validity_period: validity,
            replace_if_present_flag: 0,
            registered_delivery: onward_delivery(sm.registered_delivery),
            ..sm
        })
    }

    /// What of `short_message` its length octet can tell of.
    #[inline]
    pub(super) fn text_field(&self) -> &'a [u8] {
        self.short_message.get(..usize::from(u8::MAX)).unwrap_or(self.short_message)
    }

    /// Writes the fields that `submit_multi` shares, up to the text.
    #[inline]
    pub(super) fn encode_after_addresses(&self, head: &mut Head) {
        head.octets([self.esm_class, self.protocol_id, self.priority_flag]);
        head.c_octets::<TIME_LENGTH>(self.schedule_delivery_time);
        head.c_octets::<TIME_LENGTH>(self.validity_period);
        head.octets([
            self.registered_delivery,
            self.replace_if_present_flag,
            self.data_coding,
            self.sm_default_msg_id,
            u8::try_from(self.short_message.len()).unwrap_or(u8::MAX),
        ]);
    }
}

/// A receipt in any case, and of the other bits what the client asked for. SMPP 3.4 §5.2.17.
fn onward_delivery(registered: u8) -> u8 {
    (registered & !0b11) | 0b01
}

impl fmt::Debug for Sm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sm")
            .field("service_type", &format_args!("{}", self.service_type.escape_ascii()))
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("esm_class", &format_args!("{:#04x}", self.esm_class))
            .field("protocol_id", &self.protocol_id)
            .field("priority_flag", &self.priority_flag)
            .field("schedule_delivery_time", &format_args!("{}", self.schedule_delivery_time.escape_ascii()))
            .field("validity_period", &format_args!("{}", self.validity_period.escape_ascii()))
            .field("registered_delivery", &format_args!("{:#04x}", self.registered_delivery))
            .field("replace_if_present_flag", &self.replace_if_present_flag)
            .field("data_coding", &format_args!("{:#04x}", self.data_coding))
            .field("sm_default_msg_id", &self.sm_default_msg_id)
            .field("short_message", &format_args!("[{} octets]", self.short_message.len()))
            .field("tlvs", &self.tlvs)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pdu::Tlv;

    #[test]
    fn parts_are_known_by_their_header_or_by_their_parameters() {
        let part = |sm: &Sm<'_>| sm.part().map(|part| (part.reference, part.total, part.number));
        let udh = Sm { esm_class: Sm::UDHI, short_message: b"\x05\x00\x03\x07\x02\x01INFO", ..Sm::default() };
        assert_eq!((part(&udh), udh.words()), (Some((7, 2, 1)), &b"INFO"[..]));
        assert_eq!(part(&Sm { esm_class: 0, ..udh }), None);
        let single = Sm { short_message: b"\x05\x00\x03\x07\x01\x01INFO", ..udh };
        assert_eq!((part(&single), single.words()), (None, &b"INFO"[..]));
        let broken = Sm { short_message: b"\x09INFO", ..udh };
        assert_eq!((part(&broken), broken.words()), (None, &b""[..]));
        let mut octets = BytesMut::new();
        for (tag, value) in
            [(Tag::SAR_MSG_REF_NUM, &[1, 2][..]), (Tag::SAR_TOTAL_SEGMENTS, &[3]), (Tag::SAR_SEGMENT_SEQNUM, &[2])]
        {
            let two = Sm { tlvs: Tlvs::lenient(&octets), ..Sm::default() };
            assert_eq!(part(&two), None, "all three or none");
            octets = octets.clone();
            Tlv { tag, value }.encode(&mut octets);
        }
        let sar = Sm { short_message: b"INFO", tlvs: Tlvs::lenient(&octets), ..Sm::default() };
        assert_eq!((part(&sar), sar.words()), (Some((0x102, 3, 2)), &b"INFO"[..]));
    }
}
