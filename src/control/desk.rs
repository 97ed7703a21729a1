//! The one gate of all requests: right, record, then the work.
//!
//! Reads nothing from sockets. The work is done through the handles of the parts that know how: the roster closes links,
//! the keeper remembers, the process's own wish to stop drains it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::operators::{Caller, Operators};
use super::privacy::{Person, Privacy};
use super::refusal::Refusal;
use super::reload::Reloader;
use super::request::{Answer, Ask, BindRow, Request, StatusRow};
use super::standing::Keeper;
use crate::admin::Status;
use crate::audit::entry::without_numbers;
use crate::audit::folder::{Day, Folder};
use crate::audit::{Actor, ActorKind, Draft, Object, Outcome, Recorder, reading};
use crate::message::LinkId;
use crate::net::{Entrance, Roster, Which, close_binds, mode_name};
use crate::policy::{Role, Wish};

/// Everything that requests are carried out with.
#[derive(Debug)]
pub struct Desk {
    /// Counters and readiness.
    pub status: Status,
    /// Links of clients.
    pub roster: Arc<Roster>,
    /// Where binds are checked; `None` until the server runs.
    pub entrance: watch::Receiver<Option<Arc<Entrance>>>,
    /// The process's wish to stop.
    pub stop: watch::Sender<bool>,
    /// Decisions that last.
    pub keeper: Arc<Keeper>,
    /// Where everything is recorded before it is done.
    pub recorder: Recorder,
    /// Who may ask.
    pub operators: Arc<Operators>,
    /// The accounts that are configured.
    pub accounts: Arc<ArcSwap<Vec<String>>>,
    /// Takes a changed configuration over; `None` where there is no file of it.
    pub reloader: Option<Arc<Reloader>>,
    /// The folder of the audit log.
    pub audit: PathBuf,
    /// Who knows about persons.
    pub privacy: Arc<Privacy>,
}

impl Desk {
    /// Handles one line of `caller`; rows go to `rows`, the last answer is returned.
    pub async fn handle(&self, caller: &Caller, ask: &Ask, rows: &mpsc::Sender<Answer>) -> Answer {
        let (request, action) = (&ask.request, ask.request.action());
        let account = self.account_of(request);
        let mut draft = Draft {
            actor: actor(caller),
            action: action.name().to_owned(),
            object: self.object(request),
            account: account.as_deref().map(|account| self.named(account)).unwrap_or_default(),
            instruction: ask.instruction.clone(),
            reason: ask.reason.clone(),
            outcome: Outcome::Allowed,
        };
        let right = caller.operator.may(action, account.as_deref()).map_err(Refusal::from);
        let right = right.and_then(|()| self.check(ask)).and_then(|()| self.person(caller, request));
        if let Ok(Some(person)) = &right {
            draft.object.id = person.token.to_string();
        }
        let person = match right {
            Ok(person) => person,
            Err(why) => return self.refuse(draft, why).await,
        };
        if let Err(unrecorded) = self.recorder.record(draft.clone()).await
            && !action.needs_no_record()
        {
            return Answer::Refused(Refusal::unavailable(format!("nothing was done: {unrecorded}")));
        }
        if matches!(request, Request::ConfigReload {}) {
            return self.reload(draft).await;
        }
        let done = match person {
            Some(person) => self.serve_person(person, ask, rows).await,
            None => self.carry_out(caller, ask, rows).await,
        };
        match done {
            Ok(said) => {
                if action.is_of_a_person() {
                    (draft.outcome, draft.reason) = (Outcome::Done, said.clone());
                    // It is told to whoever asked, and counted as lost.
                    let _counted = self.recorder.record(draft).await;
                }
                Answer::Done(said)
            }
            Err(why) => {
                draft.outcome = Outcome::Failed;
                // As above.
                let _counted = self.recorder.record(draft).await;
                Answer::Refused(why)
            }
        }
    }

    /// Takes a changed configuration over; how that ended is recorded with its hash. Goes on when the caller is gone, who may
    /// have no place in the new one.
    async fn reload(&self, mut draft: Draft) -> Answer {
        let Some(reloader) = &self.reloader else {
            return Answer::Refused(Refusal::conflict("there is nothing to read"));
        };
        let (reloader, recorder) = (Arc::clone(reloader), self.recorder.clone());
        let reloading = tokio::spawn(async move {
            let attempt = reloader.reload(&draft.actor.name).await;
            attempt.fill(&mut draft);
            // It is told to whoever asked, and counted as lost.
            let _counted = recorder.record(draft).await;
            attempt.said
        });
        let said = reloading.await.unwrap_or_else(|_panicked| Err("the reload failed".to_owned()));
        said.map_or_else(|why| Answer::Refused(Refusal::conflict(why)), Answer::Done)
    }

    async fn refuse(&self, mut draft: Draft, why: Refusal) -> Answer {
        draft.outcome = Outcome::Denied;
        match self.recorder.record(draft).await {
            Ok(_) => Answer::Refused(why),
            Err(unrecorded) => Answer::Refused(Refusal::new(why.kind, format!("{why}; {unrecorded}"))),
        }
    }

    /// The person that a request is about, if it is about one.
    fn person(&self, caller: &Caller, request: &Request) -> Result<Option<Person>, Refusal> {
        let (Some(account), Some(number)) = (request.account(), request.number()) else { return Ok(None) };
        let person = self.privacy.person(account, &number.0)?;
        let is_held = self.keeper.standing().persons.is_held(account, person.token);
        if is_held && matches!(request, Request::SubjectErase { .. }) {
            return Err(Refusal::conflict("the number is restricted, which wins over erasure: release it first"));
        }
        if is_held && matches!(request, Request::SubjectExport { .. }) && caller.operator.role != Role::PrivacyOfficer {
            return Err(Refusal::denied("the number is restricted: only a privacy officer sees its records"));
        }
        Ok(Some(person))
    }

    async fn serve_person(&self, person: Person, ask: &Ask, rows: &mpsc::Sender<Answer>) -> Result<String, Refusal> {
        let (privacy, instruction) = (&self.privacy, ask.instruction.as_str());
        match &ask.request {
            Request::SubjectExport { unmask, .. } => privacy.export(&person, *unmask, rows).await,
            Request::SubjectErase { .. } => privacy.erase(person, instruction, rows).await,
            Request::SubjectRestrict { .. } => privacy.restrict(&person, instruction).await,
            Request::SubjectRelease { .. } => privacy.release(&person).await,
            Request::SubjectNote { text, .. } => privacy.note(&person, text, instruction).await,
            Request::OptOutAdd { .. } => privacy.relist(&person, Wish::Out).await,
            Request::OptOutRemove { .. } => privacy.relist(&person, Wish::In).await,
            _ => Err(Refusal::unwanted("that is about no person")),
        }
    }

    /// The account that a request is about, also when it names a link of it.
    fn account_of(&self, request: &Request) -> Option<String> {
        match request {
            Request::UnbindLink { link } => self.roster.account_of(LinkId(*link)),
            other => other.account().map(str::to_owned),
        }
    }

    /// Whether there is such an account: configured, or with records.
    fn is_account(&self, name: &str) -> bool {
        self.accounts.load().iter().any(|own| own == name) || self.privacy.knows(name)
    }

    /// An account's name as it may be told and recorded: one that is none may be a number at the wrong place.
    fn named(&self, account: &str) -> String {
        if self.is_account(account) { account.to_owned() } else { without_numbers(account) }
    }

    /// What a request is about, for the record.
    fn object(&self, request: &Request) -> Object {
        let object = request.object();
        let is_known = match object.kind.as_str() {
            "account" => self.is_account(&object.id),
            "operator" => self.operators.knows(&object.id),
            _ => false,
        };
        if is_known { object } else { Object { id: without_numbers(&object.id), ..object } }
    }

    /// Whether what is named exists, and what is needed is there.
    fn check(&self, ask: &Ask) -> Result<(), Refusal> {
        let request = &ask.request;
        if request.needs_instruction() && ask.instruction.trim().is_empty() {
            let why = "without the client's documented instruction nothing is done: name it as --instruction or \"instruction\"";
            return Err(Refusal::unwanted(why));
        }
        if request.unmasks() && ask.reason.trim().is_empty() {
            return Err(Refusal::unwanted(
                "what is masked is shown for a reason only: name it as --reason or \"reason\"",
            ));
        }
        // Of an account that is no longer configured there may still be records.
        let is_stored = |account: &str| request.needs_instruction() && self.privacy.knows(account);
        if let Some(account) = request.account()
            && !self.accounts.load().iter().any(|own| own == account)
            && !is_stored(account)
        {
            return Err(Refusal::unknown(format!("no account \"{}\"", without_numbers(account))));
        }
        let is_closed = |account: &String| self.keeper.standing().persons.closed.contains_key(account);
        match request {
            Request::AccountClose { account } if is_closed(account) => {
                Err(Refusal::conflict(format!("account {account} is closed already")))
            }
            Request::AccountReopen { account } if !is_closed(account) => {
                Err(Refusal::conflict(format!("account {account} is not closed")))
            }
            Request::AccountEnable { account } if is_closed(account) => {
                Err(Refusal::conflict(format!("account {account} is closed; account reopen opens it")))
            }
            Request::SubjectExport { account, .. } if is_closed(account) => Err(Refusal::conflict(format!(
                "account {account} is closed: its records are set aside, and nobody sees them"
            ))),
            Request::UnbindLink { link } if self.roster.account_of(LinkId(*link)).is_none() => {
                Err(Refusal::unknown(format!("no bind has the number {link}")))
            }
            Request::OperatorRevoke { name } | Request::OperatorRestore { name } if !self.operators.knows(name) => {
                Err(Refusal::unknown(format!("no operator \"{}\"", without_numbers(name))))
            }
            Request::ConfigReload {} if self.reloader.is_none() => {
                Err(Refusal::conflict("the sandbox has no file that could have changed"))
            }
            Request::AuditShow { from, to, .. } => {
                [from, to].into_iter().flatten().try_for_each(|day| self::day(day).map(|_| ()))
            }
            _ => Ok(()),
        }
    }

    async fn carry_out(&self, caller: &Caller, ask: &Ask, rows: &mpsc::Sender<Answer>) -> Result<String, Refusal> {
        match &ask.request {
            Request::Status {} => Ok(self.show_status(caller, rows).await),
            Request::ApiShow {} => {
                // Whoever asked may be gone.
                let _gone = rows.send(Answer::Row(super::api::openapi::document())).await;
                Ok("the HTTP interface".to_owned())
            }
            Request::Binds { account } => Ok(self.list_binds(caller, account.as_deref(), rows).await),
            Request::UnbindAccount { account } => Ok(self.unbind(Which::Account(account)).await),
            Request::UnbindLink { link } => Ok(self.unbind(Which::Link(LinkId(*link))).await),
            Request::ConfigReload {} => Err(Refusal::unwanted("that is asked elsewhere")),
            Request::Drain {} => {
                self.status.drain();
                self.stop.send_replace(true);
                Ok("draining; the process ends when everything is flushed".to_owned())
            }
            Request::AccountDisable { account } => self.disable(account).await,
            Request::AccountEnable { account } => self.enable(account).await,
            Request::AccountClose { account } => {
                let said = self.privacy.close(account, &ask.instruction).await?;
                self.roster.shut(account);
                let closed = self.unbind(Which::Account(account)).await;
                Ok(format!("{said}; {closed}"))
            }
            Request::AccountReopen { account } => {
                let (is_open, said) = self.privacy.reopen(account, &caller.operator.name).await?;
                if is_open && !self.keeper.standing().disabled_accounts.contains(account) {
                    self.roster.reopen(account);
                }
                Ok(said)
            }
            Request::OptOutList { account } => self.privacy.list_opt_outs(account, rows).await,
            Request::OperatorRevoke { name } => {
                let revoked = name.clone();
                self.change(move |standing| _ = standing.revoked_operators.insert(revoked)).await?;
                Ok(format!("operator \"{name}\" is revoked"))
            }
            Request::OperatorRestore { name } => {
                let restored = name.clone();
                self.change(move |standing| _ = standing.revoked_operators.remove(&restored)).await?;
                Ok(format!("operator \"{name}\" may come back"))
            }
            Request::SubjectExport { .. }
            | Request::SubjectErase { .. }
            | Request::SubjectRestrict { .. }
            | Request::SubjectRelease { .. }
            | Request::SubjectNote { .. }
            | Request::OptOutAdd { .. }
            | Request::OptOutRemove { .. } => Err(Refusal::unwanted("that is about a person")),
            Request::AuditShow { from, to, actor } => {
                self.show_audit(from.as_deref(), to.as_deref(), actor.clone(), rows).await
            }
        }
    }

    async fn show_status(&self, caller: &Caller, rows: &mpsc::Sender<Answer>) -> String {
        let (snapshot, readiness) = (self.status.snapshot(), self.status.readiness());
        let mut snapshot = (*snapshot).clone();
        if caller.operator.accounts.is_some() {
            // Sums and carriers tell of other accounts' traffic.
            snapshot.accounts.retain(|row| caller.operator.sees(&row.system_id));
            (snapshot.carriers, snapshot.countries) = (Vec::new(), Vec::new());
            (snapshot.totals, snapshot.store, snapshot.links) = Default::default();
        }
        let standing = self.keeper.standing();
        let row = StatusRow {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready: readiness.is_ready(),
            checks: serde_json::to_value(&*readiness).unwrap_or_default(),
            status: serde_json::to_value(&snapshot).unwrap_or_default(),
            disabled: standing.disabled_accounts.iter().filter(|name| caller.operator.sees(name)).cloned().collect(),
            audit_failing: self.recorder.figures().failing,
        };
        // Whoever asked may be gone.
        let _gone = rows.send(Answer::row(&row)).await;
        if row.ready { "ready" } else { "not ready" }.to_owned()
    }

    async fn list_binds(&self, caller: &Caller, account: Option<&str>, rows: &mpsc::Sender<Answer>) -> String {
        let mut count = 0_u64;
        let meant = |name: &str| caller.operator.sees(name) && account.is_none_or(|account| account == name);
        for row in self.roster.list().into_iter().filter(|row| meant(&row.account)) {
            let row = BindRow {
                link: row.link.0,
                account: row.account,
                mode: mode_name(row.mode).to_owned(),
                from: masked(row.peer),
                since: row.since.moment(),
            };
            if rows.send(Answer::row(&row)).await.is_err() {
                break;
            }
            count += 1;
        }
        binds(count)
    }

    /// Links get a moment to unbind in order; those that do not take it are cut.
    async fn unbind(&self, which: Which<'_>) -> String {
        let (links, cut) = close_binds(&self.roster, std::iter::once(which)).await;
        match cut {
            0 => format!("{} closed", binds(links as u64)),
            cut => format!("{} closed, {cut} of them without an unbind", binds(links as u64)),
        }
    }

    async fn disable(&self, account: &str) -> Result<String, Refusal> {
        let disabled = account.to_owned();
        self.change(move |standing| _ = standing.disabled_accounts.insert(disabled)).await?;
        self.roster.shut(account);
        let closed = self.unbind(Which::Account(account)).await;
        Ok(format!("account {account} is disabled; {closed}"))
    }

    async fn enable(&self, account: &str) -> Result<String, Refusal> {
        let enabled = account.to_owned();
        self.change(move |standing| _ = standing.disabled_accounts.remove(&enabled)).await?;
        self.roster.reopen(account);
        if let Some(entrance) = &*self.entrance.borrow() {
            entrance.forgive(account);
        }
        Ok(format!("account {account} may bind"))
    }

    async fn change(&self, change: impl FnOnce(&mut super::Standing) + Send + 'static) -> Result<(), Refusal> {
        let keeper = Arc::clone(&self.keeper);
        let changing = tokio::task::spawn_blocking(move || keeper.change(change));
        let changed = changing.await.map_err(|_panicked| "not kept".to_owned())?;
        Ok(changed.map_err(|fault| format!("not kept: {fault}"))?)
    }

    async fn show_audit(
        &self,
        from: Option<&str>,
        to: Option<&str>,
        actor: Option<String>,
        rows: &mpsc::Sender<Answer>,
    ) -> Result<String, Refusal> {
        let (from, to) = (from.map(day).transpose()?, to.map(day).transpose()?);
        let (folder, rows) = (Folder::new(&self.audit), rows.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let range = reading::Range { from, to };
            reading::walk(&folder, None, range, None, |entry| {
                if actor.as_ref().is_none_or(|actor| *actor == entry.said.actor.name) {
                    // Whoever asked may be gone; the rest is read for nothing then.
                    let _gone = rows.blocking_send(Answer::Row(entry.to_string().into()));
                }
            })
        });
        match reading.await {
            Ok(Ok(walked)) => Ok(format!("{} entries read", walked.entries)),
            Ok(Err(fault)) => Err(fault.to_string().into()),
            Err(_panicked) => Err("reading failed".to_owned().into()),
        }
    }
}

/// The caller, for the record.
#[must_use]
pub fn actor(caller: &Caller) -> Actor {
    Actor { kind: ActorKind::Operator, name: caller.operator.name.clone(), origin: caller.origin.clone() }
}

fn day(text: &str) -> Result<Day, Refusal> {
    let wrong = || {
        let text = without_numbers(text);
        Refusal::unwanted(format!("\"{text}\" is no day; expected a date such as 2026-12-01"))
    };
    Day::parse(text).ok_or_else(wrong)
}

fn binds(count: u64) -> String {
    if count == 1 { "1 bind".to_owned() } else { format!("{count} binds") }
}

/// The network of an address: of IPv4 without the last octet, of IPv6 the first half.
fn masked(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.*")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::*")
        }
    }
}
