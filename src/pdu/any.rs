//! Any PDU as one value, for those who read or print whatever comes: tests, tools, the decoder on the command line.
//!
//! The hot path does not use it: a session looks at the command and decodes the one body it needs.

use bytes::BytesMut;

use super::bind::{Bind, BindResp, Outbind};
use super::command::{CommandId, CommandStatus};
use super::data::DataSm;
use super::fault::Malformed;
use super::header::Frame;
use super::manage::{AlertNotification, CancelSm, QuerySm, QuerySmResp, ReplaceSm};
use super::multi::{SubmitMulti, SubmitMultiResp};
use super::pen::Pen;
use super::resp::{SmResp, encode_header_only, encode_resp};
use super::sm::Sm;

/// A PDU without the status and the sequence number of its header.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub enum Pdu<'a> {
    /// One of the three bind requests.
    Bind(CommandId, Bind<'a>),
    /// One of the three bind responses.
    BindResp(CommandId, BindResp<'a>),
    Outbind(Outbind<'a>),
    SubmitSm(Sm<'a>),
    DeliverSm(Sm<'a>),
    /// `submit_sm_resp`, `deliver_sm_resp` or `data_sm_resp`.
    SmResp(CommandId, SmResp<'a>),
    DataSm(DataSm<'a>),
    SubmitMulti(SubmitMulti<'a>),
    SubmitMultiResp(SubmitMultiResp<'a>),
    QuerySm(QuerySm<'a>),
    QuerySmResp(QuerySmResp<'a>),
    CancelSm(CancelSm<'a>),
    ReplaceSm(ReplaceSm<'a>),
    AlertNotification(AlertNotification<'a>),
    /// A PDU that is a header only, and a refusal, whose body, if any, says nothing.
    HeaderOnly(CommandId),
    /// A command this build has no name for, and its body.
    Unknown(CommandId, &'a [u8]),
}

impl<'a> Pdu<'a> {
    /// Decodes the body by the command of the header.
    ///
    /// # Errors
    /// Those of the body's own `decode`. A response decodes whatever its body is, but for a `query_sm_resp` of
    /// `ESME_ROK`, which cannot do without.
    pub fn decode(frame: Frame<'a>) -> Result<Self, Malformed> {
        let Frame { header, body } = frame;
        let command = header.id;
        let refused = header.status != CommandStatus::ESME_ROK;
        Ok(match command {
            CommandId::BIND_RECEIVER | CommandId::BIND_TRANSMITTER | CommandId::BIND_TRANSCEIVER => {
                Self::Bind(command, Bind::decode(body)?)
            }
            CommandId::BIND_RECEIVER_RESP | CommandId::BIND_TRANSMITTER_RESP | CommandId::BIND_TRANSCEIVER_RESP => {
                Self::BindResp(command, BindResp::decode(body))
            }
            CommandId::OUTBIND => Self::Outbind(Outbind::decode(body)?),
            CommandId::SUBMIT_SM => Self::SubmitSm(Sm::decode(body)?),
            CommandId::DELIVER_SM => Self::DeliverSm(Sm::decode(body)?),
            CommandId::SUBMIT_SM_RESP | CommandId::DELIVER_SM_RESP | CommandId::DATA_SM_RESP => {
                Self::SmResp(command, SmResp::decode(body))
            }
            CommandId::DATA_SM => Self::DataSm(DataSm::decode(body)?),
            CommandId::SUBMIT_MULTI => Self::SubmitMulti(SubmitMulti::decode(body)?),
            CommandId::SUBMIT_MULTI_RESP | CommandId::QUERY_SM_RESP if refused => Self::HeaderOnly(command),
            CommandId::SUBMIT_MULTI_RESP => Self::SubmitMultiResp(SubmitMultiResp::decode(body)),
            CommandId::QUERY_SM => Self::QuerySm(QuerySm::decode(body)?),
            CommandId::QUERY_SM_RESP => Self::QuerySmResp(QuerySmResp::decode(body)?),
            CommandId::CANCEL_SM => Self::CancelSm(CancelSm::decode(body)?),
            CommandId::REPLACE_SM => Self::ReplaceSm(ReplaceSm::decode(body)?),
            CommandId::ALERT_NOTIFICATION => Self::AlertNotification(AlertNotification::decode(body)?),
            _ if command.name().is_some() => Self::HeaderOnly(command),
            _ => Self::Unknown(command, body),
        })
    }

    /// The command of its header.
    #[must_use]
    pub fn command(&self) -> CommandId {
        match self {
            Self::Bind(command, _)
            | Self::BindResp(command, _)
            | Self::SmResp(command, _)
            | Self::HeaderOnly(command)
            | Self::Unknown(command, _) => *command,
            Self::Outbind(_) => CommandId::OUTBIND,
            Self::SubmitSm(_) => CommandId::SUBMIT_SM,
            Self::DeliverSm(_) => CommandId::DELIVER_SM,
            Self::DataSm(_) => CommandId::DATA_SM,
            Self::SubmitMulti(_) => CommandId::SUBMIT_MULTI,
            Self::SubmitMultiResp(_) => CommandId::SUBMIT_MULTI_RESP,
            Self::QuerySm(_) => CommandId::QUERY_SM,
            Self::QuerySmResp(_) => CommandId::QUERY_SM_RESP,
            Self::CancelSm(_) => CommandId::CANCEL_SM,
            Self::ReplaceSm(_) => CommandId::REPLACE_SM,
            Self::AlertNotification(_) => CommandId::ALERT_NOTIFICATION,
        }
    }

    /// Appends header and body. Requests ignore `status`; a refusal is a header only, but for a `data_sm_resp` with
    /// optional parameters, which reports a failed transaction. SMPP 3.4 §4.7.2.
    pub fn encode(&self, status: CommandStatus, sequence: u32, wire: &mut BytesMut) {
        let ok = status == CommandStatus::ESME_ROK;
        match self {
            Self::Bind(command, bind) => bind.encode(*command, sequence, wire),
            Self::BindResp(command, resp) if ok => resp.encode(*command, sequence, wire),
            Self::Outbind(outbind) => outbind.encode(sequence, wire),
            Self::SubmitSm(sm) | Self::DeliverSm(sm) => sm.encode(self.command(), sequence, wire),
            Self::SmResp(command, resp) if ok || (*command == CommandId::DATA_SM_RESP && !resp.tlvs.is_empty()) => {
                if resp.tlvs.is_empty() {
                    encode_resp(*command, status, sequence, Some(resp.message_id), wire);
                } else {
                    resp.encode(*command, status, sequence, wire);
                }
            }
            Self::DataSm(data) => data.encode(sequence, wire),
            Self::SubmitMulti(multi) => multi.encode(sequence, wire),
            Self::SubmitMultiResp(resp) if ok => resp.encode(sequence, wire),
            Self::QuerySm(query) => query.encode(sequence, wire),
            Self::QuerySmResp(resp) if ok => resp.encode(sequence, wire),
            Self::CancelSm(cancel) => cancel.encode(sequence, wire),
            Self::ReplaceSm(replace) => replace.encode(sequence, wire),
            Self::AlertNotification(alert) => alert.encode(sequence, wire),
            Self::Unknown(command, body) => {
                let mut pen = Pen::begin(*command, status, sequence, body.len(), wire);
                pen.octets(body);
                pen.end();
            }
            Self::BindResp(command, _) | Self::SmResp(command, _) | Self::HeaderOnly(command) => {
                encode_header_only(*command, status, sequence, wire);
            }
            Self::SubmitMultiResp(_) | Self::QuerySmResp(_) => {
                encode_header_only(self.command(), status, sequence, wire);
            }
        }
    }
}
