//! PDUs about a message already submitted: `query_sm`, `cancel_sm`, `replace_sm`; and `alert_notification`.
//! SMPP 3.4 §4.8–§4.10 and §4.12.
//!
//! `cancel_sm_resp` and `replace_sm_resp` are a header only.

use std::fmt;

use bytes::BytesMut;

use super::address::Address;
use super::command::{CommandId, CommandStatus};
use super::data::LongAddress;
use super::fault::Malformed;
use super::field::{AddressField, DESTINATION, Fields, SOURCE};
use super::pen::Pen;
use super::sm::{SERVICE_TYPE_MAX, TIME_LENGTH};
use super::tlv::Tlvs;

/// Most octets of a `message_id` in a request. SMPP 3.4 §5.2.23.
pub(super) const MESSAGE_ID_MAX: usize = 64;

/// `esme_addr`: no status of its own; the PDU has no response either.
const ESME: AddressField = AddressField { status: CommandStatus::ESME_RINVDSTADR, name: "esme_addr" };

fn message_id<'a>(fields: &mut Fields<'a>) -> Result<&'a [u8], Malformed> {
    fields.c_octets(MESSAGE_ID_MAX, CommandStatus::ESME_RINVMSGID, "message_id")
}

/// A decoded `query_sm`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct QuerySm<'a> {
    /// The server's name for the message.
    pub message_id: &'a [u8],
    /// Its originator, as submitted.
    pub source: Address,
}

impl<'a> QuerySm<'a> {
    /// Decodes a body.
    ///
    /// # Errors
    /// The field's own status when a field is too long, `ESME_RINVCMDLEN` when the body is cut.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        Ok(Self { message_id: message_id(&mut fields)?, source: fields.last_address(SOURCE)? })
    }

    /// Appends header and body.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let body = self.message_id.len() + self.source.octets().len() + 4;
        let mut pen = Pen::begin(CommandId::QUERY_SM, CommandStatus::ESME_ROK, sequence, body, wire);
        pen.c_octets(self.message_id);
        pen.address(&self.source);
        pen.end();
    }
}

/// A decoded `query_sm_resp` of `ESME_ROK`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct QuerySmResp<'a> {
    /// The server's name for the message.
    pub message_id: &'a [u8],
    /// When the message ended: empty while it has not, else 16 characters, or 12 of local time. SMPP 3.4 §7.1.
    pub final_date: &'a [u8],
    /// The numbers of SMPP 3.4 §5.2.28.
    pub message_state: u8,
    /// The network's error, 0 for none.
    pub error_code: u8,
}

impl<'a> QuerySmResp<'a> {
    /// Decodes a body; what follows `error_code` is ignored.
    ///
    /// # Errors
    /// `ESME_RINVMSGID` when the id is too long, `ESME_RINVCMDLEN` when the body is cut: it tells nothing then.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        Ok(Self {
            message_id: fields.c_octets(255, CommandStatus::ESME_RINVMSGID, "message_id")?,
            final_date: fields.c_octets(TIME_LENGTH, CommandStatus::ESME_RINVCMDLEN, "final_date")?,
            message_state: fields.octet("message_state")?,
            error_code: fields.octet("error_code")?,
        })
    }

    /// Appends header and body with `ESME_ROK`; a refusal is a header only.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let body = self.message_id.len() + self.final_date.len() + 4;
        let mut pen = Pen::begin(CommandId::QUERY_SM_RESP, CommandStatus::ESME_ROK, sequence, body, wire);
        pen.c_octets(self.message_id);
        pen.c_octets(self.final_date);
        pen.octets(&[self.message_state, self.error_code]);
        pen.end();
    }
}

/// A decoded `cancel_sm`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CancelSm<'a> {
    /// Narrows a cancel by addresses.
    pub service_type: &'a [u8],
    /// The server's name for the message; empty cancels all that match the addresses.
    pub message_id: &'a [u8],
    /// Originator, as submitted.
    pub source: Address,
    /// Recipient, as submitted; may be empty when there is an id.
    pub destination: Address,
}

impl<'a> CancelSm<'a> {
    /// Decodes a body.
    ///
    /// # Errors
    /// The field's own status when a field is too long, `ESME_RINVCMDLEN` when the body is cut.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        Ok(Self {
            service_type: fields.c_octets(SERVICE_TYPE_MAX, CommandStatus::ESME_RINVSERTYP, "service_type")?,
            message_id: message_id(&mut fields)?,
            source: fields.address(SOURCE)?,
            destination: fields.last_address(DESTINATION)?,
        })
    }

    /// Appends header and body.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let addresses = self.source.octets().len() + self.destination.octets().len();
        let body = self.service_type.len() + self.message_id.len() + addresses + 8;
        let mut pen = Pen::begin(CommandId::CANCEL_SM, CommandStatus::ESME_ROK, sequence, body, wire);
        pen.c_octets(self.service_type);
        pen.c_octets(self.message_id);
        pen.address(&self.source);
        pen.address(&self.destination);
        pen.end();
    }
}

/// A decoded `replace_sm`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplaceSm<'a> {
    /// The server's name for the message.
    pub message_id: &'a [u8],
    /// Its originator, as submitted.
    pub source: Address,
    /// Empty or 16 characters.
    pub schedule_delivery_time: &'a [u8],
    /// Empty or 16 characters.
    pub validity_period: &'a [u8],
    /// Which receipts are wanted.
    pub registered_delivery: u8,
    /// A text stored at the server.
    pub sm_default_msg_id: u8,
    /// The new text.
    pub short_message: &'a [u8],
    /// Optional parameters; 3.4 has none here, 5.0 a `message_payload`.
    pub tlvs: Tlvs<'a>,
}

impl<'a> ReplaceSm<'a> {
    /// Decodes a body.
    ///
    /// # Errors
    /// The field's own status when a field is too long, `ESME_RINVMSGLEN` when the text is cut, `ESME_RINVCMDLEN` when
    /// the body ends earlier, and those of [`Tlvs::decode`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        use CommandStatus as Status;
        const CUT_TEXT: Malformed = Malformed::new(Status::ESME_RINVMSGLEN, "short_message");
        let mut fields = Fields::new(body);
        Ok(Self {
            message_id: message_id(&mut fields)?,
            source: fields.address(SOURCE)?,
            schedule_delivery_time: fields.c_octets(TIME_LENGTH, Status::ESME_RINVSCHED, "schedule_delivery_time")?,
            validity_period: fields.c_octets(TIME_LENGTH, Status::ESME_RINVEXPIRY, "validity_period")?,
            registered_delivery: fields.octet("registered_delivery")?,
            sm_default_msg_id: fields.octet("sm_default_msg_id")?,
            short_message: {
                let sm_length = fields.octet("sm_length").map_err(|_| CUT_TEXT)?;
                fields.octets(usize::from(sm_length), CUT_TEXT)?
            },
            tlvs: Tlvs::decode(fields.rest())?,
        })
    }

    /// Appends header and body. A text over 255 octets is cut to that.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let times = self.schedule_delivery_time.len() + self.validity_period.len();
        let text = self.short_message.len() + self.tlvs.as_octets().len();
        let body = self.message_id.len() + self.source.octets().len() + times + text + 9;
        let mut pen = Pen::begin(CommandId::REPLACE_SM, CommandStatus::ESME_ROK, sequence, body, wire);
        pen.c_octets(self.message_id);
        pen.address(&self.source);
        pen.c_octets(self.schedule_delivery_time);
        pen.c_octets(self.validity_period);
        pen.octets(&[self.registered_delivery, self.sm_default_msg_id]);
        pen.counted(self.short_message);
        pen.octets(self.tlvs.as_octets());
        pen.end();
    }
}

/// A decoded `alert_notification`: a handset that was away is back. There is no response to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertNotification<'a> {
    /// The handset.
    pub source: LongAddress<'a>,
    /// The client that wanted to know.
    pub esme: LongAddress<'a>,
    /// `ms_availability_status`.
    pub tlvs: Tlvs<'a>,
}

impl<'a> AlertNotification<'a> {
    /// Decodes a body. Old servers end it with a bare octet, which is left out.
    ///
    /// # Errors
    /// A fault that nothing answers, as the PDU has no response.
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(body);
        Ok(Self {
            source: LongAddress::decode(&mut fields, SOURCE)?,
            esme: LongAddress::decode(&mut fields, ESME)?,
            tlvs: Tlvs::lenient(fields.rest()),
        })
    }

    /// Appends header and body.
    pub fn encode(&self, sequence: u32, wire: &mut BytesMut) {
        let body = self.source.octets.len() + self.esme.octets.len() + self.tlvs.as_octets().len() + 6;
        let mut pen = Pen::begin(CommandId::ALERT_NOTIFICATION, CommandStatus::ESME_ROK, sequence, body, wire);
        self.source.encode(&mut pen);
        self.esme.encode(&mut pen);
        pen.octets(self.tlvs.as_octets());
        pen.end();
    }
}

impl fmt::Debug for QuerySm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuerySm")
            .field("message_id", &format_args!("{}", self.message_id.escape_ascii()))
            .field("source", &self.source)
            .finish()
    }
}

impl fmt::Debug for QuerySmResp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QuerySmResp")
            .field("message_id", &format_args!("{}", self.message_id.escape_ascii()))
            .field("final_date", &format_args!("{}", self.final_date.escape_ascii()))
            .field("message_state", &self.message_state)
            .field("error_code", &self.error_code)
            .finish()
    }
}

impl fmt::Debug for CancelSm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelSm")
            .field("service_type", &format_args!("{}", self.service_type.escape_ascii()))
            .field("message_id", &format_args!("{}", self.message_id.escape_ascii()))
            .field("source", &self.source)
            .field("destination", &self.destination)
            .finish()
    }
}

impl fmt::Debug for ReplaceSm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplaceSm")
            .field("message_id", &format_args!("{}", self.message_id.escape_ascii()))
            .field("source", &self.source)
            .field("schedule_delivery_time", &format_args!("{}", self.schedule_delivery_time.escape_ascii()))
            .field("validity_period", &format_args!("{}", self.validity_period.escape_ascii()))
            .field("registered_delivery", &format_args!("{:#04x}", self.registered_delivery))
            .field("sm_default_msg_id", &self.sm_default_msg_id)
            .field("short_message", &format_args!("[{} octets]", self.short_message.len()))
            .field("tlvs", &self.tlvs)
            .finish()
    }
}
