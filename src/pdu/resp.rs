//! Responses that carry a `message_id`, and PDUs that are a header only. SMPP 3.4 §4.4.2, §4.6.2, §4.7.2.
//!
//! Reads leniently: a body may be missing, unterminated or followed by anything, whatever the status. Writes strictly: a
//! response that is not `ESME_ROK` is a header, the one form every peer reads.

use std::fmt;

use bytes::BytesMut;

use super::command::{CommandId, CommandStatus};
use super::field::until_nul;
use super::header::HEADER_LENGTH;
use super::pen::Pen;
use super::tlv::Tlvs;

/// The body of `submit_sm_resp`, `data_sm_resp` and `deliver_sm_resp`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SmResp<'a> {
    /// The server's name for the message; empty where there is none.
    pub message_id: &'a [u8],
    /// Optional parameters (`data_sm_resp`, and 5.0 peers).
    pub tlvs: Tlvs<'a>,
}

impl<'a> SmResp<'a> {
    /// Takes whatever is there.
    #[must_use]
    pub fn decode(body: &'a [u8]) -> Self {
        let message_id = until_nul(body);
        let tlvs = body.get(message_id.len() + 1..).map_or(Tlvs::NONE, Tlvs::lenient);
        Self { message_id, tlvs }
    }

    /// Appends header and body, whatever the status: for the `data_sm_resp` that reports a failed transaction. All other
    /// responses are written by [`encode_resp`].
    pub fn encode(&self, command: CommandId, status: CommandStatus, sequence: u32, wire: &mut BytesMut) {
        let body = self.message_id.len() + 1 + self.tlvs.as_octets().len();
        let mut pen = Pen::begin(command, status, sequence, body, wire);
        pen.c_octets(self.message_id);
        pen.octets(self.tlvs.as_octets());
        pen.end();
    }
}

impl fmt::Debug for SmResp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmResp")
            .field("message_id", &format_args!("{}", self.message_id.escape_ascii()))
            .field("tlvs", &self.tlvs)
            .finish()
    }
}

/// Appends the response `command`.
///
/// With `ESME_ROK`, `submit_sm_resp` and `data_sm_resp` carry `message_id` and a NUL, `deliver_sm_resp` one NUL,
/// `submit_multi_resp` also an empty list of failures; the other commands, and every other status, are a header only.
#[inline]
pub fn encode_resp(
    command: CommandId,
    status: CommandStatus,
    sequence: u32,
    message_id: Option<&[u8]>,
    wire: &mut BytesMut,
) {
    if status != CommandStatus::ESME_ROK {
        return encode_header_only(command, status, sequence, wire);
    }
    let id = message_id.unwrap_or(&[]);
    let (id, tail): (&[u8], &[u8]) = match command {
        CommandId::SUBMIT_SM_RESP | CommandId::DATA_SM_RESP => (id, &[0]),
        CommandId::SUBMIT_MULTI_RESP => (id, &[0, 0]),
        CommandId::DELIVER_SM_RESP => (&[], &[0]),
        _ => return encode_header_only(command, status, sequence, wire),
    };
    let mut pen = Pen::begin(command, status, sequence, id.len() + tail.len(), wire);
    pen.octets(id);
    pen.octets(tail);
    pen.end();
}

/// Appends a PDU without a body: `enquire_link`, `unbind`, their responses, `generic_nack`, and every refusal.
#[inline]
pub fn encode_header_only(command: CommandId, status: CommandStatus, sequence: u32, wire: &mut BytesMut) {
    let mut header = [0; HEADER_LENGTH];
    header[3] = 16;
    header[4..8].copy_from_slice(&command.0.to_be_bytes());
    header[8..12].copy_from_slice(&status.0.to_be_bytes());
    header[12..].copy_from_slice(&sequence.to_be_bytes());
    wire.extend_from_slice(&header);
}
