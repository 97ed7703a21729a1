//! Command identifiers and statuses as values: an unknown number survives a round trip and prints as hexadecimal.
//! SMPP 3.4 §5.1.2.1 and §5.1.3.

use std::fmt;

macro_rules! numbers {
    ($(#[$doc:meta])* $type:ident { $($(#[$item:meta])* $constant:ident = $value:literal => $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $type(pub u32);

        #[allow(missing_docs, reason = "the names are the specification's")]
        impl $type {
            $($(#[$item])* pub const $constant: Self = Self($value);)*

            /// Every number this build has a name for.
            pub const KNOWN: &'static [Self] = &[$(Self::$constant,)*];

            /// The specification's name, `None` for a number it does not name.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some($name),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{:#010x}", self.0),
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

numbers! {
    /// What a PDU asks or answers; bit 31 marks a response.
    CommandId {
        GENERIC_NACK = 0x8000_0000 => "generic_nack",
        BIND_RECEIVER = 0x0000_0001 => "bind_receiver",
        BIND_RECEIVER_RESP = 0x8000_0001 => "bind_receiver_resp",
        BIND_TRANSMITTER = 0x0000_0002 => "bind_transmitter",
        BIND_TRANSMITTER_RESP = 0x8000_0002 => "bind_transmitter_resp",
        QUERY_SM = 0x0000_0003 => "query_sm",
        QUERY_SM_RESP = 0x8000_0003 => "query_sm_resp",
        SUBMIT_SM = 0x0000_0004 => "submit_sm",
        SUBMIT_SM_RESP = 0x8000_0004 => "submit_sm_resp",
        DELIVER_SM = 0x0000_0005 => "deliver_sm",
        DELIVER_SM_RESP = 0x8000_0005 => "deliver_sm_resp",
        UNBIND = 0x0000_0006 => "unbind",
        UNBIND_RESP = 0x8000_0006 => "unbind_resp",
        REPLACE_SM = 0x0000_0007 => "replace_sm",
        REPLACE_SM_RESP = 0x8000_0007 => "replace_sm_resp",
        CANCEL_SM = 0x0000_0008 => "cancel_sm",
        CANCEL_SM_RESP = 0x8000_0008 => "cancel_sm_resp",
        BIND_TRANSCEIVER = 0x0000_0009 => "bind_transceiver",
        BIND_TRANSCEIVER_RESP = 0x8000_0009 => "bind_transceiver_resp",
        OUTBIND = 0x0000_000B => "outbind",
        ENQUIRE_LINK = 0x0000_0015 => "enquire_link",
        ENQUIRE_LINK_RESP = 0x8000_0015 => "enquire_link_resp",
        SUBMIT_MULTI = 0x0000_0021 => "submit_multi",
        SUBMIT_MULTI_RESP = 0x8000_0021 => "submit_multi_resp",
        ALERT_NOTIFICATION = 0x0000_0102 => "alert_notification",
        DATA_SM = 0x0000_0103 => "data_sm",
        DATA_SM_RESP = 0x8000_0103 => "data_sm_resp",
    }
}

numbers! {
    /// Outcome of a request. Requests carry 0.
    CommandStatus {
        ESME_ROK = 0x00 => "ESME_ROK",
        ESME_RINVMSGLEN = 0x01 => "ESME_RINVMSGLEN",
        ESME_RINVCMDLEN = 0x02 => "ESME_RINVCMDLEN",
        ESME_RINVCMDID = 0x03 => "ESME_RINVCMDID",
        ESME_RINVBNDSTS = 0x04 => "ESME_RINVBNDSTS",
        ESME_RALYBND = 0x05 => "ESME_RALYBND",
        ESME_RINVPRTFLG = 0x06 => "ESME_RINVPRTFLG",
        ESME_RINVREGDLVFLG = 0x07 => "ESME_RINVREGDLVFLG",
        ESME_RSYSERR = 0x08 => "ESME_RSYSERR",
        ESME_RINVSRCADR = 0x0A => "ESME_RINVSRCADR",
        ESME_RINVDSTADR = 0x0B => "ESME_RINVDSTADR",
        ESME_RINVMSGID = 0x0C => "ESME_RINVMSGID",
        ESME_RBINDFAIL = 0x0D => "ESME_RBINDFAIL",
        ESME_RINVPASWD = 0x0E => "ESME_RINVPASWD",
        ESME_RINVSYSID = 0x0F => "ESME_RINVSYSID",
        ESME_RCANCELFAIL = 0x11 => "ESME_RCANCELFAIL",
        ESME_RREPLACEFAIL = 0x13 => "ESME_RREPLACEFAIL",
        ESME_RMSGQFUL = 0x14 => "ESME_RMSGQFUL",
        ESME_RINVSERTYP = 0x15 => "ESME_RINVSERTYP",
        ESME_RINVNUMDESTS = 0x33 => "ESME_RINVNUMDESTS",
        ESME_RINVDLNAME = 0x34 => "ESME_RINVDLNAME",
        ESME_RINVDESTFLAG = 0x40 => "ESME_RINVDESTFLAG",
        ESME_RINVSUBREP = 0x42 => "ESME_RINVSUBREP",
        ESME_RINVESMCLASS = 0x43 => "ESME_RINVESMCLASS",
        ESME_RCNTSUBDL = 0x44 => "ESME_RCNTSUBDL",
        ESME_RSUBMITFAIL = 0x45 => "ESME_RSUBMITFAIL",
        ESME_RINVSRCTON = 0x48 => "ESME_RINVSRCTON",
        ESME_RINVSRCNPI = 0x49 => "ESME_RINVSRCNPI",
        ESME_RINVDSTTON = 0x50 => "ESME_RINVDSTTON",
        ESME_RINVDSTNPI = 0x51 => "ESME_RINVDSTNPI",
        ESME_RINVSYSTYP = 0x53 => "ESME_RINVSYSTYP",
        ESME_RINVREPFLAG = 0x54 => "ESME_RINVREPFLAG",
        ESME_RINVNUMMSGS = 0x55 => "ESME_RINVNUMMSGS",
        ESME_RTHROTTLED = 0x58 => "ESME_RTHROTTLED",
        ESME_RINVSCHED = 0x61 => "ESME_RINVSCHED",
        ESME_RINVEXPIRY = 0x62 => "ESME_RINVEXPIRY",
        ESME_RINVDFTMSGID = 0x63 => "ESME_RINVDFTMSGID",
        ESME_RX_T_APPN = 0x64 => "ESME_RX_T_APPN",
        ESME_RX_P_APPN = 0x65 => "ESME_RX_P_APPN",
        ESME_RX_R_APPN = 0x66 => "ESME_RX_R_APPN",
        ESME_RQUERYFAIL = 0x67 => "ESME_RQUERYFAIL",
        ESME_RINVOPTPARSTREAM = 0xC0 => "ESME_RINVOPTPARSTREAM",
        ESME_ROPTPARNOTALLWD = 0xC1 => "ESME_ROPTPARNOTALLWD",
        ESME_RINVPARLEN = 0xC2 => "ESME_RINVPARLEN",
        ESME_RMISSINGOPTPARAM = 0xC3 => "ESME_RMISSINGOPTPARAM",
        ESME_RINVOPTPARAMVAL = 0xC4 => "ESME_RINVOPTPARAMVAL",
        ESME_RDELIVERYFAILURE = 0xFE => "ESME_RDELIVERYFAILURE",
        ESME_RUNKNOWNERR = 0xFF => "ESME_RUNKNOWNERR",
    }
}

impl CommandId {
    const RESPONSE: u32 = 0x8000_0000;

    /// Whether bit 31 is set.
    #[must_use]
    pub fn is_response(self) -> bool {
        self.0 & Self::RESPONSE != 0
    }

    /// The response of this request; a response stays as it is.
    #[must_use]
    pub fn response(self) -> Self {
        Self(self.0 | Self::RESPONSE)
    }
}
