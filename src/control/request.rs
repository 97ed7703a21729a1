//! What can be asked of the running process, and the form of the answers. Values only; one JSON object a line.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::persons::Note;
use super::refusal::Refusal;
use crate::audit::Object;
use crate::policy::Action;

/// Most octets of a line that asks.
pub const LINE_MAX: usize = 16 * 1024;

/// One line from an operator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// What is asked.
    pub request: Request,
    /// Why; goes into the record.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The client's documented instruction; goes into the record.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instruction: String,
    /// Who asks, where the Unix user at the other end does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
}

/// Name and password. `Debug` hides the password.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The operator's name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Counters, rates and readiness: one [`StatusRow`].
    Status {},
    /// The binds of client systems: a [`BindRow`] each.
    Binds {
        /// Of this account only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        account: Option<String>,
    },
    /// The description of the HTTP interface: one row.
    ApiShow {},
    /// Close all binds of an account; it may bind again.
    UnbindAccount {
        /// Its `system_id`.
        account: String,
    },
    /// Close one bind.
    UnbindLink {
        /// The number that [`Request::Binds`] shows.
        link: u64,
    },
    /// Drain and stop the process.
    Drain {},
    /// Take over what changed in the file of the configuration.
    ConfigReload {},
    /// Close an account's binds and refuse new ones, also after a restart.
    AccountDisable {
        /// Its `system_id`.
        account: String,
    },
    /// Undo [`Request::AccountDisable`].
    AccountEnable {
        /// Its `system_id`.
        account: String,
    },
    /// Close an account for good, in stages: its binds end, its records are set aside, then sealed, then destroyed.
    AccountClose {
        /// Its `system_id`.
        account: String,
    },
    /// Open a closed account again, with its records while there are some.
    AccountReopen {
        /// Its `system_id`.
        account: String,
    },
    /// Close an operator's connections and refuse new ones, also after a restart.
    OperatorRevoke {
        /// The name in `[[operator]]`, or `uid N` of a built-in one.
        name: String,
    },
    /// Undo [`Request::OperatorRevoke`].
    OperatorRestore {
        /// As above.
        name: String,
    },
    /// The records of a number within an account: a [`PersonRow`] each, then a [`PersonSummary`].
    SubjectExport {
        /// The account's `system_id`.
        account: String,
        /// The number.
        number: Written,
        /// Whether numbers and texts are shown as they are.
        #[serde(default)]
        unmask: bool,
    },
    /// Erase the records of a number within an account: an [`ErasedRow`].
    SubjectErase {
        /// The account's `system_id`.
        account: String,
        /// The number.
        number: Written,
    },
    /// Hold a number: nothing is sent to it, and nothing of it is shown to clients or forgotten.
    SubjectRestrict {
        /// The account's `system_id`.
        account: String,
        /// The number.
        number: Written,
    },
    /// Undo [`Request::SubjectRestrict`].
    SubjectRelease {
        /// The account's `system_id`.
        account: String,
        /// The number.
        number: Written,
    },
    /// Add a correction that every reading of the number's records shows.
    SubjectNote {
        /// The account's `system_id`.
        account: String,
        /// The number.
        number: Written,
        /// What it says.
        text: String,
    },
    /// Who opted out of an account's messages: an [`OptOutRow`] each.
    OptOutList {
        /// The account's `system_id`.
        account: String,
    },
    /// Put a number on that list: nothing is sent to it.
    OptOutAdd {
        /// The account's `system_id`.
        account: String,
        /// The number.
        number: Written,
    },
    /// Take a number off it.
    OptOutRemove {
        /// The account's `system_id`.
        account: String,
        /// The number.
        number: Written,
    },
    /// Lines of the audit log: a text each.
    AuditShow {
        /// First day, `2026-12-01`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<String>,
        /// Last day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        /// Only entries of the actor with this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        actor: Option<String>,
    },
}

/// A telephone number as somebody wrote it. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Written(pub String);

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Written({} characters)", self.0.chars().count())
    }
}

impl Request {
    /// What it does: what roles are asked about, and what the record says.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Status {} => Action::Status,
            Self::Binds { .. } => Action::Binds,
            Self::ApiShow {} => Action::ApiShow,
            Self::UnbindAccount { .. } | Self::UnbindLink { .. } => Action::Unbind,
            Self::Drain {} => Action::Drain,
            Self::ConfigReload {} => Action::ConfigReload,
            Self::AccountDisable { .. } => Action::AccountDisable,
            Self::AccountEnable { .. } => Action::AccountEnable,
            Self::AccountClose { .. } => Action::AccountClose,
            Self::AccountReopen { .. } => Action::AccountReopen,
            Self::OperatorRevoke { .. } => Action::OperatorRevoke,
            Self::OperatorRestore { .. } => Action::OperatorRestore,
            Self::SubjectExport { unmask: false, .. } => Action::SubjectExport,
            Self::SubjectExport { unmask: true, .. } => Action::SubjectUnmask,
            Self::SubjectErase { .. } => Action::SubjectErase,
            Self::SubjectRestrict { .. } => Action::SubjectRestrict,
            Self::SubjectRelease { .. } => Action::SubjectRelease,
            Self::SubjectNote { .. } => Action::SubjectNote,
            Self::OptOutList { .. } => Action::OptOutList,
            Self::OptOutAdd { .. } => Action::OptOutAdd,
            Self::OptOutRemove { .. } => Action::OptOutRemove,
            Self::AuditShow { .. } => Action::AuditShow,
        }
    }

    /// What it is about, for the record. Never a number or a text of a message.
    #[must_use]
    pub fn object(&self) -> Object {
        match self {
            Self::Binds { account: Some(account) }
            | Self::UnbindAccount { account }
            | Self::AccountDisable { account }
            | Self::AccountEnable { account }
            | Self::AccountClose { account }
            | Self::AccountReopen { account }
            | Self::OptOutList { account } => Object::new("account", account),
            Self::UnbindLink { link } => Object::new("link", link.to_string()),
            Self::OperatorRevoke { name } | Self::OperatorRestore { name } => Object::new("operator", name),
            Self::AuditShow { from, to, actor } => {
                let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
                Object::new("audit", format!("{}..{} actor {}", part(from), part(to), part(actor)))
            }
            // Its token is filled in where the key is.
            Self::SubjectExport { .. }
            | Self::SubjectErase { .. }
            | Self::SubjectRestrict { .. }
            | Self::SubjectRelease { .. }
            | Self::SubjectNote { .. }
            | Self::OptOutAdd { .. }
            | Self::OptOutRemove { .. } => Object::new("number", ""),
            // The hash of the file is told when it is read.
            Self::ConfigReload {} => Object::new("configuration", ""),
            Self::Status {} | Self::Binds { account: None } | Self::ApiShow {} | Self::Drain {} => Object::default(),
        }
    }

    /// The account it names, if it names one.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Binds { account } => account.as_deref(),
            Self::UnbindAccount { account }
            | Self::AccountDisable { account }
            | Self::AccountEnable { account }
            | Self::AccountClose { account }
            | Self::AccountReopen { account }
            | Self::SubjectExport { account, .. }
            | Self::SubjectErase { account, .. }
            | Self::SubjectRestrict { account, .. }
            | Self::SubjectRelease { account, .. }
            | Self::SubjectNote { account, .. }
            | Self::OptOutList { account }
            | Self::OptOutAdd { account, .. }
            | Self::OptOutRemove { account, .. } => Some(account),
            _ => None,
        }
    }

    /// The number it names, if it names one.
    #[must_use]
    pub fn number(&self) -> Option<&Written> {
        match self {
            Self::SubjectExport { number, .. }
            | Self::SubjectErase { number, .. }
            | Self::SubjectRestrict { number, .. }
            | Self::SubjectRelease { number, .. }
            | Self::SubjectNote { number, .. }
            | Self::OptOutAdd { number, .. }
            | Self::OptOutRemove { number, .. } => Some(number),
            _ => None,
        }
    }

    /// Whether it may only be done on the client's documented instruction.
    #[must_use]
    pub fn needs_instruction(&self) -> bool {
        self.number().is_some() || matches!(self, Self::AccountClose { .. } | Self::AccountReopen { .. })
    }

    /// Whether it shows what is masked otherwise.
    #[must_use]
    pub fn unmasks(&self) -> bool {
        matches!(self, Self::SubjectExport { unmask: true, .. })
    }
}

/// One line to an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// One of many.
    Row(Value),
    /// The last line: it is done, in words.
    Done(String),
    /// The last line: it is not done, and why.
    Refused(Refusal),
}

impl Answer {
    /// A row of something.
    pub fn row(value: &impl Serialize) -> Self {
        // Rows are plain data with text keys, which JSON can always hold.
        Self::Row(serde_json::to_value(value).unwrap_or(Value::Null))
    }
}

/// One bind. The address is masked: its last part is not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindRow {
    /// Its number in this process.
    pub link: u64,
    /// Whose it is.
    pub account: String,
    /// `transmitter`, `receiver` or `transceiver`.
    pub mode: String,
    /// The network it comes from.
    pub from: String,
    /// Since when, UTC.
    pub since: String,
}

/// How the process is doing, as `/status.json` says it; an operator with some accounts only sees these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusRow {
    /// The version that runs.
    pub version: String,
    /// Whether it can take traffic.
    pub ready: bool,
    /// Each condition of that.
    pub checks: Value,
    /// Counters and rates.
    pub status: Value,
    /// Accounts that are disabled.
    pub disabled: Vec<String>,
    /// Why the audit log cannot be written; nothing while it can.
    pub audit_failing: Option<String>,
}

/// A record of a number. What is masked shows the beginning and the end of numbers, and no text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonRow {
    /// What the message is called here.
    pub id: String,
    /// `to_handset` or `from_handset`.
    pub direction: String,
    /// When it was accepted, UTC.
    pub accepted: String,
    /// When it became final, UTC.
    pub ended: Option<String>,
    /// Its state, in the word that receipts have.
    pub state: String,
    /// The `err:` of the receipt, or the gateway's own.
    pub error: u16,
    /// Its sender.
    pub source: String,
    /// Its recipient.
    pub destination: String,
    /// The country of the handset.
    pub country: String,
    /// The carrier that got it last, or brought it.
    pub carrier: Option<CarrierRow>,
    /// Other carriers that got it before, and so the number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_carriers: Vec<CarrierRow>,
    /// Its text, while that is kept: until it is final, or for as long as the account says.
    pub text: Option<TextRow>,
    /// When the record is forgotten, UTC; nothing while the message is not final, or is held.
    pub kept_until: Option<String>,
}

/// Who got a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CarrierRow {
    /// The operator's name for it.
    pub name: String,
    /// The company.
    pub legal_entity: Option<String>,
    /// Its country.
    pub country: Option<String>,
    /// Why personal data may go there.
    pub transfer_basis: Option<String>,
}

/// A text that is still kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextRow {
    /// `data_coding`.
    pub data_coding: u8,
    /// Its length.
    pub octets: u64,
    /// The octets in hexadecimal, where they are shown.
    pub hex: Option<String>,
    /// The text, where it is shown and its coding is known.
    pub characters: Option<String>,
    /// When it is forgotten, UTC; nothing while that depends on the message's end, or it is held.
    #[serde(default)]
    pub kept_until: Option<String>,
}

/// What is known of a number beside its records. Comes after them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSummary {
    /// The account.
    pub account: String,
    /// The number, as it may be shown.
    pub number: String,
    /// Records shown.
    pub records: u64,
    /// Whether it is held.
    pub restricted: bool,
    /// Corrections.
    pub notes: Vec<Note>,
    /// Its entry on the list of those who opted out; nothing where it is not there.
    pub opted_out: Option<OptOutRow>,
    /// When this was written, UTC.
    pub at: String,
}

/// A number on the list of those who opted out of an account's messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOutRow {
    /// What stands for the number.
    pub token: String,
    /// Since when it is there, UTC.
    pub since: String,
    /// How it came there: `word` or `operator`.
    pub by: String,
}

/// What an erasure took out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedRow {
    /// The account.
    pub account: String,
    /// Messages that waited for a carrier: they ended as DELETED.
    pub unsent: u64,
    /// Messages that a carrier has.
    pub sent: u64,
    /// Messages that had ended, and were not archived yet.
    pub ended: u64,
    /// Messages from handsets that waited for the client.
    pub inbound: u64,
    /// Records of the archive.
    pub archived: u64,
    /// Texts that were kept beside them.
    #[serde(default)]
    pub texts: u64,
    /// Receipts that are dropped if they come.
    pub receipts_dropped: u64,
    /// Who got the number, and must be told by the client.
    pub carriers: Vec<CarrierRow>,
    /// Whether its token stays on the list of those who opted out, so that nothing is sent to it again.
    #[serde(default)]
    pub opted_out: bool,
}

impl ErasedRow {
    /// All records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.unsent + self.sent + self.ended + self.inbound + self.archived
    }
}

/// How far a long work is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressRow {
    /// `journal` or `archive`.
    pub part: String,
    /// Blocks done.
    pub done: u64,
    /// Records found so far.
    pub found: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_it_says_and_nothing_more() {
        let ask: Ask = serde_json::from_str(r#"{"request":{"do":"account_disable","account":"acme"}}"#).unwrap();
        assert_eq!(ask.request, Request::AccountDisable { account: "acme".into() });
        assert_eq!(ask.request.action(), Action::AccountDisable);
        assert_eq!(ask.request.object(), Object::new("account", "acme"));
        for bad in [
            "{}",
            r#"{"request":{"do":"erase_everything"}}"#,
            r#"{"request":{"do":"drain","now":true}}"#,
            r#"{"request":{"do":"drain"},"role":"privacy_officer"}"#,
            r#"{"request":{"do":"unbind_link","link":-1}}"#,
        ] {
            assert!(serde_json::from_str::<Ask>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_is_not_printed() {
        let request = Request::SubjectErase { account: "acme".into(), number: Written("4791234567".into()) };
        assert!(!format!("{request:?}").contains("912345"));
        assert!(!format!("{:?}", request.object()).contains("912345"));
    }

    #[test]
    fn a_password_is_not_printed() {
        let login = Login { name: "Kari".into(), password: "c4n4ry99".into() };
        let ask =
            Ask { request: Request::Drain {}, reason: String::new(), instruction: String::new(), login: Some(login) };
        assert!(!format!("{ask:?}").contains("c4n4ry99"));
    }
}
