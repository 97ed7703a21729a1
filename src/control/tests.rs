//! The gate itself: every request of every role, through the record and to its effect or none.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};

use super::*;
use crate::admin::Status;
use crate::audit::folder::Folder;
use crate::audit::{Entry, Outcome, Recorder, Settings, reading};
use crate::clock::Clock;
use crate::net::Roster;
use crate::policy::{Operator, Role, TokenKey};

struct Gate {
    desk: Desk,
    folder: tempfile::TempDir,
}

impl Gate {
    fn new() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::start());
        let audit = folder.path().join("audit");
        let settings =
            Settings { path: audit.clone(), key: audit.join("audit.key"), keep: Duration::from_secs(86_400) };
        let keeper = Arc::new(Keeper::open(&folder.path().join("standing.json")).unwrap());
        let privacy = Arc::new(Privacy {
            registry: watch::channel(None).1,
            keeper: Arc::clone(&keeper),
            key: TokenKey::new(&[7; TokenKey::OCTETS]),
            clock,
            erasing: tokio::sync::Mutex::default(),
        });
        let desk = Desk {
            status: Status::new(clock),
            roster: Arc::new(Roster::default()),
            entrance: watch::channel(None).1,
            stop: watch::Sender::new(false),
            keeper,
            recorder: Recorder::start(settings, clock).unwrap(),
            operators: Arc::new(Operators::new(vec![person(Role::Viewer, None)], 999, clock)),
            accounts: Arc::new(ArcSwap::from_pointee(vec!["acme".into(), "other".into()])),
            reloader: None,
            audit,
            privacy,
        };
        Self { desk, folder }
    }

    async fn ask(&self, caller: &Caller, request: Request) -> Answer {
        let (rows, mut read) = mpsc::channel(1);
        let ask = Ask { request, reason: "because".into(), instruction: String::new(), login: None };
        let reading = async { while read.recv().await.is_some() {} };
        let handling = async {
            let last = self.desk.handle(caller, &ask, &rows).await;
            drop(rows);
            last
        };
        tokio::join!(handling, reading).0
    }

    fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        let folder = Folder::new(self.folder.path().join("audit"));
        reading::walk(&folder, None, reading::Range::default(), None, |entry| entries.push(entry.clone())).unwrap();
        entries
    }
}

fn person(role: Role, accounts: Option<&[&str]>) -> Operator {
    let accounts = accounts.map(|accounts| accounts.iter().map(|name| (*name).to_owned()).collect());
    Operator { name: "Kari".into(), uid: Some(1001), password: None, certificate: None, role, accounts }
}

fn caller(role: Role, accounts: Option<&[&str]>) -> Caller {
    Caller { operator: Arc::new(person(role, accounts)), origin: "uid 1001".into() }
}

fn requests() -> Vec<Request> {
    let (account, name) = (|| "acme".to_owned(), || "Kari".to_owned());
    vec![
        Request::Status {},
        Request::Binds { account: None },
        Request::ApiShow {},
        Request::Binds { account: Some(account()) },
        Request::UnbindAccount { account: account() },
        Request::Drain {},
        Request::AccountDisable { account: account() },
        Request::AccountEnable { account: account() },
        Request::OperatorRevoke { name: name() },
        Request::OperatorRestore { name: name() },
        Request::AuditShow { from: None, to: None, actor: None },
    ]
}

#[tokio::test]
async fn every_request_of_every_role_is_recorded_once_and_done_only_where_it_may_be() {
    let gate = Gate::new();
    let mut expected = Vec::new();
    for role in Role::ALL {
        for request in requests() {
            let before = gate.desk.keeper.standing();
            gate.desk.stop.send_replace(false);
            let answer = gate.ask(&caller(role, None), request.clone()).await;
            let may = role.may(request.action());
            assert_eq!(matches!(answer, Answer::Done(_)), may, "{role:?} {request:?}: {answer:?}");
            if !may {
                assert_eq!(gate.desk.keeper.standing(), before, "{role:?} {request:?}");
                assert!(!*gate.desk.stop.borrow() && !gate.desk.roster.is_shut("acme"));
            }
            let outcome = if may { Outcome::Allowed } else { Outcome::Denied };
            expected.push((request.action().name().to_owned(), request.object(), outcome));
        }
    }
    let found: Vec<_> = gate.entries().into_iter().map(|entry| entry.said).collect();
    assert!(found.iter().all(|said| said.actor.name == "Kari" && said.reason == "because"));
    let found: Vec<_> = found.into_iter().map(|said| (said.action, said.object, said.outcome)).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn effects_are_what_was_asked() {
    let gate = Gate::new();
    let officer = caller(Role::PrivacyOfficer, None);
    gate.ask(&officer, Request::AccountDisable { account: "acme".into() }).await;
    assert!(gate.desk.roster.is_shut("acme"));
    gate.ask(&officer, Request::AccountEnable { account: "acme".into() }).await;
    assert!(!gate.desk.roster.is_shut("acme"));
    gate.ask(&officer, Request::OperatorRevoke { name: "Kari".into() }).await;
    assert!(gate.desk.keeper.standing().revoked_operators.contains("Kari"));
    gate.ask(&officer, Request::Drain {}).await;
    assert!(*gate.desk.stop.borrow());
}

#[tokio::test]
async fn what_does_not_exist_or_is_out_of_scope_is_refused_and_recorded() {
    let gate = Gate::new();
    let (all, some) = (caller(Role::PrivacyOfficer, None), caller(Role::PrivacyOfficer, Some(&["other"])));
    for (who, request, why) in [
        (&all, Request::AccountDisable { account: "nobody".into() }, "no account \"nobody\""),
        (&all, Request::UnbindLink { link: 7 }, "no bind has the number 7"),
        (&all, Request::OperatorRevoke { name: "Ola".into() }, "no operator \"Ola\""),
        (&all, Request::AuditShow { from: Some("today".into()), to: None, actor: None }, "\"today\" is no day"),
        (&some, Request::AccountDisable { account: "acme".into() }, "not in your scope"),
        (&some, Request::UnbindLink { link: 7 }, "outside your scope"),
        (&some, Request::Drain {}, "outside your scope"),
        (&some, Request::ConfigReload {}, "outside your scope"),
        (&all, Request::ConfigReload {}, "no file"),
    ] {
        match gate.ask(who, request.clone()).await {
            Answer::Refused(said) => assert!(said.text.contains(why), "{request:?}: {said}"),
            other => panic!("{request:?}: {other:?}"),
        }
    }
    let entries = gate.entries();
    assert_eq!(entries.len(), 9);
    assert!(entries.iter().all(|entry| entry.said.outcome == Outcome::Denied));
    assert_eq!(*gate.desk.keeper.standing(), Standing::default());
}

#[tokio::test]
async fn a_number_at_the_wrong_place_is_neither_told_nor_recorded() {
    let gate = Gate::new();
    let officer = caller(Role::PrivacyOfficer, None);
    let number = || "4791234567".to_owned();
    for request in [
        Request::Binds { account: Some(number()) },
        Request::AccountDisable { account: number() },
        Request::OperatorRevoke { name: number() },
        Request::AuditShow { from: Some(number()), to: None, actor: Some(number()) },
        Request::SubjectErase { account: number(), number: Written(number()) },
    ] {
        let why = refused(&gate, &officer, request, "letter 7", number().as_str()).await;
        assert!(!why.contains("9123"), "{why}");
    }
    let entries = gate.entries();
    assert!(entries.len() == 5 && !format!("{entries:?}").contains("9123"), "{entries:?}");
}

#[tokio::test]
async fn without_a_record_only_looking_is_left() {
    let gate = Gate::new();
    std::fs::write(gate.folder.path().join("audit"), "in the way").unwrap();
    let officer = caller(Role::PrivacyOfficer, None);
    for request in requests() {
        let answer = gate.ask(&officer, request.clone()).await;
        let looks = request.action().needs_no_record();
        assert_eq!(matches!(answer, Answer::Done(_)), looks, "{request:?}: {answer:?}");
    }
    assert!(!*gate.desk.stop.borrow());
    assert_eq!(*gate.desk.keeper.standing(), Standing::default());
}

fn about_persons() -> Vec<Request> {
    let (account, number) = (|| "acme".to_owned(), || Written("+4791234567".to_owned()));
    vec![
        Request::SubjectExport { account: account(), number: number(), unmask: false },
        Request::SubjectExport { account: account(), number: number(), unmask: true },
        Request::SubjectErase { account: account(), number: number() },
        Request::SubjectRestrict { account: account(), number: number() },
        Request::SubjectRelease { account: account(), number: number() },
        Request::SubjectNote { account: account(), number: number(), text: "moved".into() },
        Request::OptOutAdd { account: account(), number: number() },
        Request::OptOutRemove { account: account(), number: number() },
    ]
}

/// Asks and must be refused; why, in the words that are told.
async fn refused(gate: &Gate, who: &Caller, request: Request, instruction: &str, reason: &str) -> String {
    let (rows, _unread) = mpsc::channel(1);
    let ask = Ask { request, reason: reason.into(), instruction: instruction.into(), login: None };
    match gate.desk.handle(who, &ask, &rows).await {
        Answer::Refused(why) => why.text,
        other => panic!("{:?}: {other:?}", ask.request),
    }
}

#[tokio::test]
async fn nothing_about_a_person_is_done_without_instruction_right_account_and_number() {
    let gate = Gate::new();
    let (all, some) = (caller(Role::PrivacyOfficer, None), caller(Role::PrivacyOfficer, Some(&["other"])));
    let mut expected = 0;
    for request in about_persons() {
        for role in Role::ALL.into_iter().filter(|role| !role.may(request.action())) {
            let why = refused(&gate, &caller(role, None), request.clone(), "letter 7", "asked").await;
            assert!(why.contains("may not do that"), "{role:?} {request:?}: {why}");
            expected += 1;
        }
        let named = |account: &str, number: &str| {
            let text = serde_json::to_string(&request).unwrap();
            let text = text.replace("\"acme\"", &format!("\"{account}\"")).replace("+4791234567", number);
            serde_json::from_str::<Request>(&text).unwrap()
        };
        let good = || named("acme", "+4791234567");
        for (who, request, instruction, why) in [
            (&all, good(), "", "without the client's documented instruction"),
            (&all, good(), "  ", "without the client's documented instruction"),
            (&some, good(), "letter 7", "not in your scope"),
            (&all, named("nobody", "+4791234567"), "letter 7", "no account \"nobody\""),
            (&all, named("acme", "91 23"), "letter 7", "no number in international form"),
            (&all, named("acme", "MyBrand"), "letter 7", "no number in international form"),
            (&all, good(), "letter 7", "still starting"),
        ] {
            let said = refused(&gate, who, request.clone(), instruction, "asked").await;
            assert!(said.contains(why), "{request:?}: {said}");
            expected += 1;
        }
    }
    let unmask = about_persons().remove(1);
    assert!(refused(&gate, &all, unmask, "letter 7", "").await.contains("for a reason only"));
    let entries = gate.entries();
    assert_eq!(entries.len(), expected + 1, "each is recorded once");
    assert!(entries.iter().all(|entry| entry.said.outcome == Outcome::Denied && entry.said.object.kind == "number"));
    assert!(entries.iter().all(|entry| !entry.to_string().contains("9123")), "and without the number");
    assert_eq!(*gate.desk.keeper.standing(), Standing::default());
}

#[tokio::test]
async fn an_account_is_closed_and_reopened_on_instruction_only_and_in_this_order() {
    let gate = Gate::new();
    let officer = caller(Role::PrivacyOfficer, None);
    let close = || Request::AccountClose { account: "acme".into() };
    let reopen = || Request::AccountReopen { account: "acme".into() };
    for request in [close(), reopen()] {
        let why = refused(&gate, &officer, request.clone(), "", "").await;
        assert!(why.contains("without the client's documented instruction"), "{why}");
        let why = refused(&gate, &caller(Role::Operator, None), request.clone(), "letter 7", "").await;
        assert!(why.contains("may not do that"), "{why}");
        let why = refused(&gate, &caller(Role::PrivacyOfficer, Some(&["other"])), request, "letter 7", "").await;
        assert!(why.contains("not in your scope"), "{why}");
    }
    assert!(refused(&gate, &officer, reopen(), "letter 7", "").await.contains("is not closed"));
    let closing = closing::Closing::new(crate::clock::Unix(0), "letter 7".into(), &crate::policy::Retention::default());
    gate.desk.keeper.change(|standing| _ = standing.persons.closed.insert("acme".into(), closing)).unwrap();
    assert!(refused(&gate, &officer, close(), "letter 7", "").await.contains("is closed already"));
    let enable = Request::AccountEnable { account: "acme".into() };
    assert!(refused(&gate, &officer, enable, "", "").await.contains("account reopen opens it"));
    let export = about_persons().remove(0);
    assert!(refused(&gate, &officer, export, "letter 7", "").await.contains("nobody sees them"));
    // Without a running server nothing can be given back, and nothing is lost.
    assert!(refused(&gate, &officer, reopen(), "letter 7", "").await.contains("being destroyed"));
    assert_eq!(gate.desk.keeper.standing().persons.all_closed(), ["acme"]);
}
