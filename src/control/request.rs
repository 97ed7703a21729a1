//! What can be asked over the control socket, and the form of the answers. Values only; one JSON object a line.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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

impl Request {
    /// What it does: what roles are asked about, and what the record says.
    #[must_use]
    pub fn action(&self) -> Action {
        match self {
            Self::Status {} => Action::Status,
            Self::Binds { .. } => Action::Binds,
            Self::UnbindAccount { .. } | Self::UnbindLink { .. } => Action::Unbind,
            Self::Drain {} => Action::Drain,
            Self::AccountDisable { .. } => Action::AccountDisable,
            Self::AccountEnable { .. } => Action::AccountEnable,
            Self::OperatorRevoke { .. } => Action::OperatorRevoke,
            Self::OperatorRestore { .. } => Action::OperatorRestore,
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
            | Self::AccountEnable { account } => Object::new("account", account),
            Self::UnbindLink { link } => Object::new("link", link.to_string()),
            Self::OperatorRevoke { name } | Self::OperatorRestore { name } => Object::new("operator", name),
            Self::AuditShow { from, to, actor } => {
                let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
                Object::new("audit", format!("{}..{} actor {}", part(from), part(to), part(actor)))
            }
            Self::Status {} | Self::Binds { account: None } | Self::Drain {} => Object::default(),
        }
    }

    /// The account it names, if it names one.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Binds { account } => account.as_deref(),
            Self::UnbindAccount { account } | Self::AccountDisable { account } | Self::AccountEnable { account } => {
                Some(account)
            }
            _ => None,
        }
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
    Refused(String),
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
    fn a_password_is_not_printed() {
        let login = Login { name: "Kari".into(), password: "c4n4ry99".into() };
        let ask =
            Ask { request: Request::Drain {}, reason: String::new(), instruction: String::new(), login: Some(login) };
        assert!(!format!("{ask:?}").contains("c4n4ry99"));
    }
}
