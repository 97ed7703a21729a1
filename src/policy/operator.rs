//! Operators: persons, their roles, and the one table of what each role may do.
//!
//! Denies by default: what the table does not name is forbidden. Authenticates nobody except by comparing a password;
//! who a connection belongs to is found out where it is accepted.

use super::auth::{PASSWORD_MAX, PasswordHash};

/// What a person is trusted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Looks at status.
    Viewer,
    /// Runs the service: binds, accounts, stopping.
    Operator,
    /// Answers for personal data and for who has access.
    PrivacyOfficer,
    /// Looks at everything that is masked, the audit log above all, and changes nothing.
    Auditor,
}

/// What can be asked of a running process. The name is what the audit log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// See counters, rates and readiness.
    Status,
    /// List the binds of client systems.
    Binds,
    /// See what the HTTP interface can be asked.
    ApiShow,
    /// See the records of a number, masked.
    SubjectExport,
    /// See the records of a number as they are.
    SubjectUnmask,
    /// Erase the records of a number.
    SubjectErase,
    /// Hold a number.
    SubjectRestrict,
    /// Let it go again.
    SubjectRelease,
    /// Add a correction to the records of a number.
    SubjectNote,
    /// See who opted out of an account's messages, by tokens.
    OptOutList,
    /// Put a number on that list.
    OptOutAdd,
    /// Take a number off it.
    OptOutRemove,
    /// Read the audit log.
    AuditShow,
    /// Close binds.
    Unbind,
    /// Stop the process after draining it.
    Drain,
    /// Take a changed configuration over.
    ConfigReload,
    /// Close an account's binds and refuse new ones.
    AccountDisable,
    /// Let a disabled account bind again.
    AccountEnable,
    /// Close an account for good.
    AccountClose,
    /// Open a closed account again.
    AccountReopen,
    /// Take an operator's access away.
    OperatorRevoke,
    /// Give it back.
    OperatorRestore,
}

/// Who may do what. An action that is not here is nobody's.
const TABLE: &[(Action, &[Role])] = &[
    (Action::Status, &[Role::Viewer, Role::Operator, Role::PrivacyOfficer, Role::Auditor]),
    (Action::Binds, &[Role::Viewer, Role::Operator, Role::PrivacyOfficer, Role::Auditor]),
    (Action::ApiShow, &[Role::Viewer, Role::Operator, Role::PrivacyOfficer, Role::Auditor]),
    (Action::SubjectExport, &[Role::Operator, Role::PrivacyOfficer]),
    (Action::SubjectUnmask, &[Role::PrivacyOfficer]),
    (Action::SubjectErase, &[Role::PrivacyOfficer]),
    (Action::SubjectRestrict, &[Role::PrivacyOfficer]),
    (Action::SubjectRelease, &[Role::PrivacyOfficer]),
    (Action::SubjectNote, &[Role::PrivacyOfficer]),
    (Action::OptOutList, &[Role::Operator, Role::PrivacyOfficer]),
    (Action::OptOutAdd, &[Role::PrivacyOfficer]),
    (Action::OptOutRemove, &[Role::PrivacyOfficer]),
    (Action::AuditShow, &[Role::PrivacyOfficer, Role::Auditor]),
    (Action::Unbind, &[Role::Operator, Role::PrivacyOfficer]),
    (Action::Drain, &[Role::Operator, Role::PrivacyOfficer]),
    (Action::ConfigReload, &[Role::Operator, Role::PrivacyOfficer]),
    (Action::AccountDisable, &[Role::Operator, Role::PrivacyOfficer]),
    (Action::AccountEnable, &[Role::Operator, Role::PrivacyOfficer]),
    (Action::AccountClose, &[Role::PrivacyOfficer]),
    (Action::AccountReopen, &[Role::PrivacyOfficer]),
    (Action::OperatorRevoke, &[Role::PrivacyOfficer]),
    (Action::OperatorRestore, &[Role::PrivacyOfficer]),
];

/// A person who may look after the service.
#[derive(Clone, Debug)]
pub struct Operator {
    /// The person's name.
    pub name: String,
    /// The Unix user whose connections to the control socket are this person's.
    pub uid: Option<u32>,
    /// The password for logging in where no uid tells.
    pub password: Option<PasswordHash>,
    /// SHA-256 of the client certificate.
    pub certificate: Option<[u8; 32]>,
    /// What the person is trusted with.
    pub role: Role,
    /// The accounts the person sees and changes; `None` for all.
    pub accounts: Option<Vec<String>>,
}

/// Why an operator may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The role does not have the right.
    #[error("the role {} may not do that", .0.name())]
    Role(Role),
    /// The account is none of theirs.
    #[error("that account is not in your scope")]
    Account,
    /// It concerns all accounts, and only some are theirs.
    #[error("that concerns accounts outside your scope")]
    Scope,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::PrivacyOfficer, Self::Auditor];

    /// The word in configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::PrivacyOfficer => "privacy_officer",
            Self::Auditor => "auditor",
        }
    }

    /// Whether the table gives this role the right.
    #[must_use]
    pub fn may(self, action: Action) -> bool {
        TABLE.iter().any(|(own, roles)| *own == action && roles.contains(&self))
    }
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 22] = [
        Self::Status,
        Self::Binds,
        Self::ApiShow,
        Self::SubjectExport,
        Self::SubjectUnmask,
        Self::SubjectErase,
        Self::SubjectRestrict,
        Self::SubjectRelease,
        Self::SubjectNote,
        Self::OptOutList,
        Self::OptOutAdd,
        Self::OptOutRemove,
        Self::AuditShow,
        Self::Unbind,
        Self::Drain,
        Self::ConfigReload,
        Self::AccountDisable,
        Self::AccountEnable,
        Self::AccountClose,
        Self::AccountReopen,
        Self::OperatorRevoke,
        Self::OperatorRestore,
    ];

    /// The word in the audit log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Status => "status.show",
            Self::Binds => "binds.list",
            Self::ApiShow => "api.show",
            Self::SubjectExport => "subject.export",
            Self::SubjectUnmask => "subject.unmask",
            Self::SubjectErase => "subject.erase",
            Self::SubjectRestrict => "subject.restrict",
            Self::SubjectRelease => "subject.release",
            Self::SubjectNote => "subject.note",
            Self::OptOutList => "optout.list",
            Self::OptOutAdd => "optout.add",
            Self::OptOutRemove => "optout.remove",
            Self::AuditShow => "audit.show",
            Self::Unbind => "bind.close",
            Self::Drain => "process.drain",
            Self::ConfigReload => "config.reload",
            Self::AccountDisable => "account.disable",
            Self::AccountEnable => "account.enable",
            Self::AccountClose => "account.close",
            Self::AccountReopen => "account.reopen",
            Self::OperatorRevoke => "operator.revoke",
            Self::OperatorRestore => "operator.restore",
        }
    }

    /// Whether it may go on when it cannot be recorded: only what changes nothing and shows nobody's data.
    #[must_use]
    pub fn needs_no_record(self) -> bool {
        matches!(self, Self::Status | Self::Binds | Self::ApiShow)
    }

    /// Whether it concerns the whole process, whatever account it names: nobody with some accounts only may do it.
    fn is_global(self) -> bool {
        matches!(
            self,
            Self::Drain | Self::ConfigReload | Self::OperatorRevoke | Self::OperatorRestore | Self::AuditShow
        )
    }

    /// Whether it must name something in an account's scope; without a name it would concern all accounts.
    fn is_of_an_account(self) -> bool {
        let is_named = matches!(
            self,
            Self::Unbind
                | Self::AccountDisable
                | Self::AccountEnable
                | Self::AccountClose
                | Self::AccountReopen
                | Self::OptOutList
        );
        is_named || self.is_of_a_person()
    }

    /// Whether it concerns one person's data, so that its end is recorded with its counts.
    #[must_use]
    pub fn is_of_a_person(self) -> bool {
        matches!(
            self,
            Self::SubjectExport
                | Self::SubjectUnmask
                | Self::SubjectErase
                | Self::SubjectRestrict
                | Self::SubjectRelease
                | Self::SubjectNote
                | Self::OptOutAdd
                | Self::OptOutRemove
        )
    }
}

impl Operator {
    /// Whether this person may do this, to this account if it is about one.
    ///
    /// # Errors
    /// [`Denied`], and why.
    pub fn may(&self, action: Action, account: Option<&str>) -> Result<(), Denied> {
        if !self.role.may(action) {
            return Err(Denied::Role(self.role));
        }
        match account {
            _ if self.accounts.is_none() => Ok(()),
            _ if action.is_global() => Err(Denied::Scope),
            Some(account) if !self.sees(account) => Err(Denied::Account),
            None if action.is_of_an_account() => Err(Denied::Scope),
            _ => Ok(()),
        }
    }

    /// Whether the account is in this person's scope.
    #[must_use]
    pub fn sees(&self, account: &str) -> bool {
        self.accounts.as_ref().is_none_or(|accounts| accounts.iter().any(|own| own == account))
    }

    /// Whether `password` is this person's. Costs what the hash costs; for nobody it costs nothing.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        password.len() <= PASSWORD_MAX && self.password.as_ref().is_some_and(|hash| hash.matches(password))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(role: Role, accounts: Option<&[&str]>) -> Operator {
        let accounts = accounts.map(|accounts| accounts.iter().map(|name| (*name).to_owned()).collect());
        Operator { name: "Kari".into(), uid: Some(1001), password: None, certificate: None, role, accounts }
    }

    /// Viewer, operator, privacy officer, auditor; then whether with some accounts only: its own, another, none named.
    const EXPECTED: [(Action, &str, &str); 22] = [
        (Action::Status, "vopa", "yny"),
        (Action::Binds, "vopa", "yny"),
        (Action::ApiShow, "vopa", "yny"),
        (Action::SubjectExport, "-op-", "ynn"),
        (Action::SubjectUnmask, "--p-", "ynn"),
        (Action::SubjectErase, "--p-", "ynn"),
        (Action::SubjectRestrict, "--p-", "ynn"),
        (Action::SubjectRelease, "--p-", "ynn"),
        (Action::SubjectNote, "--p-", "ynn"),
        (Action::OptOutList, "-op-", "ynn"),
        (Action::OptOutAdd, "--p-", "ynn"),
        (Action::OptOutRemove, "--p-", "ynn"),
        (Action::AuditShow, "--pa", "nnn"),
        (Action::Unbind, "-op-", "ynn"),
        (Action::Drain, "-op-", "nnn"),
        (Action::ConfigReload, "-op-", "nnn"),
        (Action::AccountDisable, "-op-", "ynn"),
        (Action::AccountEnable, "-op-", "ynn"),
        (Action::AccountClose, "--p-", "ynn"),
        (Action::AccountReopen, "--p-", "ynn"),
        (Action::OperatorRevoke, "--p-", "nnn"),
        (Action::OperatorRestore, "--p-", "nnn"),
    ];

    #[test]
    fn every_role_and_every_action() {
        assert_eq!(EXPECTED.map(|(action, ..)| action), Action::ALL, "every action is expected once");
        assert_eq!(TABLE.len(), Action::ALL.len(), "every action is in the table once");
        for (action, roles, scoped) in EXPECTED {
            for (role, letter) in Role::ALL.into_iter().zip(roles.chars()) {
                let may = letter != '-';
                assert_eq!(role.may(action), may, "{role:?} {action:?}");
                for account in [Some("acme"), Some("other"), None] {
                    let all = operator(role, None).may(action, account);
                    assert_eq!(all, if may { Ok(()) } else { Err(Denied::Role(role)) }, "{role:?} {action:?}");
                }
                for (account, letter) in [Some("acme"), Some("other"), None].into_iter().zip(scoped.chars()) {
                    let some = operator(role, Some(&["acme"])).may(action, account);
                    assert_eq!(some.is_ok(), may && letter == 'y', "{role:?} {action:?} {account:?}");
                }
                let nobody = operator(role, Some(&[])).may(action, Some("acme"));
                assert!(nobody.is_err(), "{role:?} {action:?}");
            }
        }
    }

    #[test]
    fn names_are_different_and_what_changes_is_recorded() {
        let mut names: Vec<_> = Action::ALL.iter().map(|action| action.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Action::ALL.len());
        for action in Action::ALL {
            assert_eq!(action.needs_no_record(), Role::Viewer.may(action), "{action:?}");
        }
    }
}
