//! The HTTP interface over real connections: who gets in, what is asked and recorded, and how a connection ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use smppgate::admin::Status;
use smppgate::audit::folder::Folder;
use smppgate::audit::{Draft, Outcome, Recorder, Settings, reading};
use smppgate::clock::Clock;
use smppgate::control::api::{self, openapi, table};
use smppgate::control::{Desk, Keeper, Operators, Privacy};
use smppgate::net::{ClientCertificate, Roster, ServerTls, TlsFiles};
use smppgate::policy::{Action, Operator, Role, TokenKey};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// Far more than an answer takes; nothing waits for it to pass.
const DEADLINE: Duration = Duration::from_secs(20);
/// argon2id of "secret" at the least cost.
const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$fIbdC2xakJ6cNlONBQKde0ZQtJof49m9l+7mj3O30mA";
const NUMBER: &str = "+4798765432";

/// "NAME:secret" of the operators below, in base64.
const OFFICER: &str = "Authorization: Basic S2FyaTpzZWNyZXQ=\r\n";
const VIEWER: &str = "Authorization: Basic T2xhOnNlY3JldA==\r\n";
const AUDITOR: &str = "Authorization: Basic UGVyOnNlY3JldA==\r\n";

struct House {
    desk: Arc<Desk>,
    folder: TempDir,
    address: String,
    /// The server's own, where it has one.
    certificate: Option<CertificateDer<'static>>,
}

struct Answer {
    code: u16,
    head: String,
    body: Value,
}

/// A certificate that signs itself, and its key.
struct Pair {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pem: (String, String),
}

fn pair(end: i32) -> Pair {
    let mut params = CertificateParams::new(["gateway.example".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2019, 1, 1), date_time_ymd(end, 1, 1));
    let key = KeyPair::generate().unwrap();
    let pem = (params.self_signed(&key).unwrap().pem(), key.serialize_pem());
    Pair {
        certificate: CertificateDer::from_pem_slice(pem.0.as_bytes()).unwrap(),
        key: PrivateKeyDer::from_pem_slice(pem.1.as_bytes()).unwrap(),
        pem,
    }
}

fn operator(name: &str, role: Role, certificate: Option<&Pair>) -> Operator {
    let certificate = certificate.map(|pair| ClientCertificate::of(&pair.certificate).fingerprint);
    let password = Some(HASH.parse().unwrap());
    Operator { name: name.into(), uid: None, password, certificate, role, accounts: None }
}

impl House {
    async fn open(server: Option<&Pair>, certificates: [Option<&Pair>; 2]) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::start());
        let audit = folder.path().join("audit");
        let settings =
            Settings { path: audit.clone(), key: audit.join("audit.key"), keep: Duration::from_secs(86_400) };
        let keeper = Arc::new(Keeper::open(&folder.path().join("standing.json")).unwrap());
        let key = TokenKey::new(&[7; TokenKey::OCTETS]);
        let (registry, erasing) = (watch::channel(None).1, tokio::sync::Mutex::default());
        let operators = vec![
            operator("Kari", Role::PrivacyOfficer, certificates[0]),
            operator("Ola", Role::Viewer, certificates[1]),
            operator("Per", Role::Auditor, None),
            operator("Eva", Role::Viewer, None),
        ];
        let desk = Arc::new(Desk {
            status: Status::new(clock),
            roster: Arc::new(Roster::default()),
            entrance: watch::channel(None).1,
            stop: watch::Sender::new(false),
            privacy: Arc::new(Privacy { registry, keeper: Arc::clone(&keeper), key, clock, erasing }),
            keeper,
            recorder: Recorder::start(settings, clock).unwrap(),
            operators: Arc::new(Operators::new(operators, 999, clock)),
            accounts: Arc::new(ArcSwap::from_pointee(vec!["acme".into()])),
            reloader: None,
            audit,
        });
        let tls = server.map(|pair| {
            let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
            std::fs::write(&certificate, &pair.pem.0).unwrap();
            std::fs::write(&key, &pair.pem.1).unwrap();
            ServerTls::asking(TlsFiles { certificate, key, client_ca: None }).unwrap()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(api::serve(listener, tls, Arc::clone(&desk)));
        Self { desk, folder, address, certificate: server.map(|pair| pair.certificate.clone()) }
    }

    async fn clear() -> Self {
        Self::open(None, [None, None]).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    /// A connection over TLS of whoever has `own`.
    async fn secure(&self, own: Option<&Pair>) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone().unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_auth_cert(vec![pair.certificate.clone()], pair.key.clone_key()).unwrap(),
        };
        let name = ServerName::try_from("gateway.example").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, self.connect().await).await
    }

    /// One request over a connection of its own.
    async fn ask(&self, method: &str, path: &str, heads: &str, body: &str) -> Answer {
        ask(&mut self.connect().await, method, path, heads, body).await
    }

    async fn entries(&self) -> Vec<Draft> {
        self.desk.recorder.end().await;
        let mut entries = Vec::new();
        let folder = Folder::new(self.folder.path().join("audit"));
        let read =
            reading::walk(&folder, None, reading::Range::default(), None, |entry| entries.push(entry.said.clone()));
        assert!(read.is_ok());
        entries
    }
}

async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    method: &str,
    path: &str,
    heads: &str,
    body: &str,
) -> Answer {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{kind}{heads}Content-Length: {length}\r\n\r\n");
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    receive(stream).await
}

/// One answer, whose body has a length or comes in chunks.
async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Answer {
    let mut octets = Vec::new();
    let read = async {
        while !octets.ends_with(b"\r\n\r\n") {
            octets.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(std::mem::take(&mut octets)).unwrap().to_lowercase();
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        stream.read_exact(&mut body).await.unwrap();
        while length.is_none() && !body.ends_with(b"0\r\n\r\n") {
            body.push(stream.read_u8().await.unwrap());
        }
        let text = String::from_utf8(body).unwrap();
        let chunked = || text.split("\r\n").skip(1).step_by(2).collect::<String>();
        let text = if length.is_some() { text.clone() } else { chunked() };
        Answer { code, head, body: serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")) }
    };
    timeout(DEADLINE, read).await.expect("an answer in time")
}

/// The path and the body of a row, made of the examples in the description.
fn example(path: &str, verb: &str, operation: &Value) -> (String, String) {
    let (mut path, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().unwrap() {
        let (name, value) = (parameter["name"].as_str().unwrap(), parameter["example"].as_str().unwrap());
        let value = value.replace("Kari Nordmann", "Eva");
        match parameter["in"].as_str() {
            Some("path") => path = path.replace(&format!("{{{name}}}"), &value),
            _ => query.push(format!("{name}={value}")),
        }
    }
    if verb == "get" {
        return (format!("{path}?{}", query.join("&")), String::new());
    }
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut body = json!({});
    for (name, field) in schema["properties"].as_object().unwrap() {
        let is_needed = schema["required"].as_array().unwrap().contains(&json!(name));
        if is_needed || name == "reason" || (path == "/v1/binds/close" && name == "account") {
            body[name] = field["examples"][0].clone();
        }
    }
    (path, body.to_string())
}

#[tokio::test]
async fn every_path_of_the_description_is_recorded_once_and_refused_to_who_may_not() {
    let house = House::clear().await;
    let login = ["openapi", "status", "binds"].len();
    let document = house.ask("GET", "/v1/openapi.json", VIEWER, "").await;
    assert_eq!((document.code, &document.body), (200, &openapi::document()));
    let mut expected = vec![("api.show".to_owned(), Outcome::Allowed)];
    let mut shown = 0;
    for (path, item) in document.body["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            let (path, body) = example(path, verb, operation);
            for (heads, role) in [(VIEWER, Role::Viewer), (AUDITOR, Role::Auditor), (OFFICER, Role::PrivacyOfficer)] {
                let answer = house.ask(&verb.to_uppercase(), &path, heads, &body).await;
                let action = action(&path);
                let code = match role.may(action) {
                    false => 403,
                    // Nothing runs behind this desk that knows persons and records.
                    true if action.is_of_a_person() => 503,
                    true if matches!(action, Action::AccountClose | Action::OptOutList) => 503,
                    true if matches!(action, Action::AccountReopen | Action::ConfigReload) => 409,
                    true => 200,
                };
                assert_eq!(answer.code, code, "{role:?} {path}: {}", answer.body);
                let bare = action == Action::ApiShow && code == 200;
                assert!(bare || answer.body["error"].is_string() == (code != 200), "{}", answer.body);
                assert!(bare || (answer.body["rows"].is_array() && answer.body["said"].is_string()) == (code == 200));
                shown += usize::from(role == Role::Viewer && code == 200);
                let is_denied = code == 403 || code == 409 || action.is_of_a_person();
                let outcome = if is_denied { Outcome::Denied } else { Outcome::Allowed };
                expected.push((action.name().to_owned(), outcome));
                if matches!(action, Action::AccountClose | Action::OptOutList) && code == 503 {
                    expected.push((action.name().to_owned(), Outcome::Failed));
                }
            }
        }
    }
    assert_eq!((shown, expected.len() > table::TABLE.len() * 3), (login, true));
    let entries = house.entries().await;
    assert!(entries.iter().all(|said| said.actor.origin == "ip 127.0.0.1, password"));
    assert!(entries.iter().all(|said| !format!("{said:?}").contains("9876")), "no number");
    let found: Vec<_> = entries.into_iter().map(|said| (said.action, said.outcome)).collect();
    assert_eq!(found, expected);
}

/// What a path of the description asks for, with the examples in it.
fn action(path: &str) -> Action {
    let name = |action: &Action| match action.name().split_once('.').unwrap() {
        ("status", _) => "/v1/status?".to_owned(),
        ("binds", _) => "/v1/binds?account=acme".to_owned(),
        ("api", _) => "/v1/openapi.json?".to_owned(),
        ("bind", _) => "/v1/binds/close".to_owned(),
        ("account", what) => format!("/v1/accounts/acme/{what}"),
        ("operator", what) => format!("/v1/operators/Eva/{what}"),
        ("audit", _) => "/v1/audit?actor=Eva&from=2026-12-01&to=2026-12-31".to_owned(),
        ("optout", "list") => "/v1/accounts/acme/opt-outs?".to_owned(),
        ("optout", "add") => "/v1/opt-outs".to_owned(),
        ("subject", "export") => "/v1/subject-requests".to_owned(),
        (_, what) => format!("/v1/{what}"),
    };
    let sorted = |path: &str| {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut query: Vec<_> = query.split('&').map(str::to_owned).collect();
        query.sort_unstable();
        (path.to_owned(), query)
    };
    let found = Action::ALL.into_iter().find(|action| sorted(&name(action)) == sorted(path));
    found.unwrap_or_else(|| panic!("{path} is no action's"))
}

#[tokio::test]
async fn strangers_learn_nothing_and_guessing_waits() {
    let house = House::clear().await;
    let mut seen = Vec::new();
    // Nothing; not Basic; a wrong password; an unknown name; an unknown path. "Kari:guess", "Liv:secret".
    for heads in ["", "Authorization: Bearer x\r\n", "Authorization: Basic !\r\n"] {
        for path in ["/v1/status", "/nothing"] {
            let answer = house.ask("GET", path, heads, "").await;
            assert!(answer.head.contains("www-authenticate: basic realm=\"smppgate\""), "{}", answer.head);
            assert!(answer.head.contains("connection: close"), "{}", answer.head);
            seen.push((answer.code, answer.body));
        }
    }
    assert!(seen.iter().all(|answer| *answer == seen[0] && answer.0 == 401), "{seen:?}");
    let wrong = house.ask("GET", "/v1/status", "Authorization: Basic S2FyaTpndWVzcw==\r\n", "").await;
    let unknown = house.ask("GET", "/v1/status", "Authorization: Basic TGl2OnNlY3JldA==\r\n", "").await;
    assert_eq!((wrong.code, &wrong.body, wrong.head.len()), (401, &unknown.body, unknown.head.len()));
    let again = house.ask("GET", "/v1/status", OFFICER, "").await;
    assert!(again.code == 429 && again.head.contains("retry-after: "), "{} {}", again.code, again.head);
    assert_eq!(house.ask("GET", "/v1/status", VIEWER, "").await.code, 200, "others do not wait");
    let entries = house.entries().await;
    let refused: Vec<_> = entries.iter().filter(|said| said.action == "api.refused").collect();
    assert_eq!(refused.len(), 2, "the first, and the rest as a sum: {refused:?}");
    assert!(refused.iter().all(|said| said.actor.origin == "127.0.0.1" && said.actor.name.is_empty()));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_recorded_without_its_words() {
    let house = House::clear().await;
    let subject = "/v1/subject-requests";
    let body = |change: &str| {
        let mut body = json!({ "type": "erase", "account": "acme", "number": NUMBER, "instruction": "letter 7" });
        match change {
            "national" => body["number"] = json!("98 76"),
            "uninstructed" => _ = body.as_object_mut().unwrap().remove("instruction"),
            "unknown" => body[NUMBER] = json!(1),
            "nobody" => body["account"] = json!("nobody"),
            "unreasoned" => (body["type"], body["unmask"]) = (json!("access"), json!(true)),
            _ => {}
        }
        body.to_string()
    };
    let big = json!({ "reason": "x".repeat(70_000) }).to_string();
    for (method, path, body, code, why) in [
        ("POST", subject, "{\"type\": ".to_owned(), 400, "no JSON object"),
        ("POST", subject, body("unknown"), 400, "a field is unknown"),
        ("POST", subject, body("national"), 400, "no number in international form"),
        ("POST", subject, body("uninstructed"), 400, "without the client's documented instruction"),
        ("POST", subject, body("unreasoned"), 400, "for a reason only"),
        ("POST", subject, body("nobody"), 404, "no account \"nobody\""),
        ("POST", "/v1/binds/close", "{\"link\": 7}".to_owned(), 404, "no bind has the number 7"),
        ("POST", "/v1/operators/Liv/revoke", "{}".to_owned(), 404, "no operator \"Liv\""),
        ("GET", "/v1/audit?from=today", String::new(), 400, "is no day"),
        ("POST", "/v1/drain", big, 413, "more than 65536 octets"),
        ("GET", "/v1/drain", String::new(), 405, "another method"),
        ("DELETE", subject, String::new(), 405, "another method"),
        ("GET", "/v1/nothing", String::new(), 404, "nothing is here"),
        ("POST", "/v1/drain", String::new(), 415, "application/json"),
    ] {
        let answer = house.ask(method, path, OFFICER, &body).await;
        let said = answer.body["error"].as_str().unwrap();
        assert_eq!(answer.code, code, "{method} {path}: {said}");
        assert!(said.contains(why) && !said.contains("9876"), "{method} {path}: {said}");
    }
    assert!(!*house.desk.stop.borrow());
    let long = format!("X: {}\r\n", "x".repeat(20_000));
    let mut stream = house.connect().await;
    stream.write_all(format!("GET /v1/status HTTP/1.1\r\n{long}\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let entries = house.entries().await;
    assert!(entries.iter().all(|said| said.outcome == Outcome::Denied && said.actor.name == "Kari"), "{entries:?}");
    assert!(entries.iter().all(|said| !format!("{said:?}").contains("9876")));
    // Two without a number of JSON, five of HTTP: the first, and the rest as a sum.
    assert_eq!(entries.iter().filter(|said| said.action == "api.unreadable").count(), 2, "{entries:?}");
    assert_eq!(entries.iter().filter(|said| said.action.starts_with("subject.")).count(), 4);
}

#[tokio::test]
async fn a_certificate_decides_and_needs_no_password() {
    let (server, kari, ola, old, foreign) = (pair(2055), pair(2055), pair(2055), pair(2020), pair(2055));
    let house = House::open(Some(&server), [Some(&kari), Some(&old)]).await;
    let mut stream = house.secure(Some(&kari)).await.unwrap();
    let answer = ask(&mut stream, "GET", "/v1/status", "", "").await;
    assert_eq!((answer.code, &answer.body["said"]), (200, &json!("not ready")));
    let answer = ask(&mut stream, "GET", "/v1/audit", VIEWER, "").await;
    assert_eq!(answer.code, 200, "the certificate's role, not the password's: {}", answer.body);
    for (own, why) in [(&old, "expired"), (&foreign, "no operator's"), (&ola, "no operator's")] {
        let mut stream = house.secure(Some(own)).await.unwrap();
        let answer = ask(&mut stream, "GET", "/v1/status", OFFICER, "").await;
        assert_eq!(answer.code, 401, "a password does not help a certificate: {}", answer.body);
        assert!(answer.body["error"].as_str().unwrap().contains(why), "{}", answer.body);
    }
    let mut stream = house.secure(None).await.unwrap();
    assert_eq!(ask(&mut stream, "GET", "/v1/status", "", "").await.code, 401);
    let mut stream = house.secure(None).await.unwrap();
    assert_eq!(ask(&mut stream, "GET", "/v1/status", OFFICER, "").await.code, 200);
    let mut clear = house.connect().await;
    clear.write_all(b"GET /v1/status HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    // An alert of TLS, or a reset: nothing of HTTP.
    let _end = timeout(DEADLINE, clear.read_to_end(&mut rest)).await.unwrap();
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    let entries = house.entries().await;
    let origins: Vec<_> = entries.iter().map(|said| said.actor.origin.as_str()).collect();
    assert_eq!(origins.iter().filter(|origin| **origin == "ip 127.0.0.1, certificate").count(), 2, "{origins:?}");
    assert!(entries.iter().any(|said| said.action == "tls.refused" && said.actor.origin == "127.0.0.1"));
}

#[tokio::test]
async fn a_revoked_operators_connections_end_within_a_second() {
    let house = House::clear().await;
    let mut stream = house.connect().await;
    for _ in 0..3 {
        assert_eq!(ask(&mut stream, "GET", "/v1/status", VIEWER, "").await.code, 200, "one connection, many requests");
    }
    let mut other = house.connect().await;
    assert_eq!(ask(&mut other, "GET", "/v1/status", AUDITOR, "").await.code, 200);
    let answer = house.ask("POST", "/v1/operators/Ola/revoke", OFFICER, "{}").await;
    assert_eq!(answer.code, 200, "{}", answer.body);
    let begun = Instant::now();
    let read = timeout(DEADLINE, stream.read_u8()).await.unwrap();
    assert!(read.is_err() && begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(ask(&mut other, "GET", "/v1/status", AUDITOR, "").await.code, 200, "nobody else's");
    let answer = house.ask("GET", "/v1/status", VIEWER, "").await;
    assert_eq!((answer.code, &answer.body["error"]), (403, &json!("this operator is revoked")));
    assert_eq!(house.ask("POST", "/v1/operators/Ola/restore", OFFICER, "{}").await.code, 200);
    assert_eq!(house.ask("GET", "/v1/status", VIEWER, "").await.code, 200);
    // Who is no longer configured has gone as well.
    house.desk.operators.replace(vec![operator("Kari", Role::PrivacyOfficer, None)]);
    assert!(timeout(DEADLINE, other.read_u8()).await.unwrap().is_err());
    assert_eq!(house.ask("GET", "/v1/status", AUDITOR, "").await.code, 401);
    let entries = house.entries().await;
    let of_ola = |action: &str| entries.iter().any(|said| said.action == action && said.actor.name == "Ola");
    assert!(of_ola("api.closed") && of_ola("api.refused"), "{entries:?}");
}

#[tokio::test]
async fn silent_and_slow_connections_make_room() {
    let house = House::clear().await;
    let mut first = house.connect().await;
    let mut others = Vec::new();
    // From one address, more than may wait without having logged in.
    for _ in 0..8 {
        others.push(house.connect().await);
    }
    let begun = Instant::now();
    assert!(timeout(DEADLINE, first.read_u8()).await.unwrap().is_err());
    assert!(begun.elapsed() < Duration::from_secs(3), "the oldest goes at once: {:?}", begun.elapsed());
    assert_eq!(house.ask("GET", "/v1/status", VIEWER, "").await.code, 200);
    let mut slow = house.connect().await;
    slow.write_all(b"GET /v1/status HTTP/1.1\r\nX: ").await.unwrap();
    let mut rest = Vec::new();
    let _end = timeout(DEADLINE, slow.read_to_end(&mut rest)).await.expect("half a head ends in time");
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}
