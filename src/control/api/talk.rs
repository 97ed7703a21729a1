//! The requests of one connection: who asks, what, and the way to the gate.
//!
//! Decides nothing about requests: that is the desk's.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request as Http, StatusCode, header};
use axum::response::Response;
use hyper::body::Incoming;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use super::answer::{Work, failed, refused, status};
use super::given;
use super::login::basic;
use super::patience::Patience;
use super::table::{Endpoint, Verb, find};
use crate::audit::{Actor, ActorKind, Draft, Hash, Outcome};
use crate::control::desk::{Desk, actor};
use crate::control::operators::Caller;
use crate::control::refusal::{Kind, Refusal};
use crate::control::request::Ask;
use crate::net::{ClientCertificate, Place};

/// Most octets of a body.
const BODY_MAX: usize = 64 * 1024;
/// How long a caller may take to send its body.
const BODY_TIME: Duration = Duration::from_secs(10);
/// Rows under way.
const ROWS: usize = 64;

/// One connection.
pub(super) struct Talk {
    pub(super) desk: Arc<Desk>,
    pub(super) peer: IpAddr,
    /// The certificate that the caller showed, and holds the key of.
    pub(super) certificate: Option<ClientCertificate>,
    /// Its place among all connections.
    pub(super) place: Place,
    /// Requests that may be under way in all connections.
    pub(super) room: Arc<Semaphore>,
    pub(super) patience: Patience,
    /// Everybody who asked something over it, by name.
    pub(super) callers: watch::Sender<BTreeMap<String, Caller>>,
    /// The password that was right last, by its digest: each costs milliseconds on purpose.
    pub(super) verified: Mutex<Option<(Hash, Caller)>>,
}

/// A refusal of HTTP itself, before there is anything to ask the desk.
struct Unreadable {
    status: StatusCode,
    why: String,
    /// The method that the path is there with.
    allow: Option<&'static str>,
}

impl Unreadable {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into(), allow: None }
    }
}

impl From<Refusal> for Unreadable {
    fn from(refusal: Refusal) -> Self {
        Self::new(status(refusal.kind), refusal.text)
    }
}

impl Talk {
    /// Answers one request.
    pub(super) async fn serve(self: Arc<Self>, request: Http<Incoming>) -> Result<Response, Infallible> {
        let (head, body) = request.into_parts();
        self.patience.ours();
        let caller = match self.caller(&head.headers).await {
            Ok(caller) => caller,
            Err((refusal, who)) => return Ok(self.turned_away(&refusal, who.as_ref())),
        };
        let asked = self.read(&head, Body::new(body)).await;
        self.patience.ours();
        let response = match asked {
            Ok((endpoint, ask)) => self.ask(caller, endpoint, ask).await,
            Err(unreadable) => self.unreadable(&caller, &unreadable),
        };
        Ok(response)
    }

    /// Who asks; or why that does not matter, and who it is as far as that is known.
    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, (Refusal, Option<Caller>)> {
        let caller = self.known(headers).await.map_err(|refusal| (refusal, None))?;
        if self.desk.keeper.standing().revoked_operators.contains(&caller.operator.name) {
            return Err((Refusal::denied("this operator is revoked"), Some(caller)));
        }
        // A connection that was just pushed out ends anyway.
        let _settled = self.place.settle();
        self.callers.send_if_modified(|callers| callers.insert(caller.operator.name.clone(), caller.clone()).is_none());
        Ok(caller)
    }

    async fn known(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let stranger = |why: &str| Refusal::new(Kind::Stranger, why);
        let from = format!("ip {}", self.peer);
        if let Some(certificate) = &self.certificate {
            let now = self.desk.privacy.clock.now().unix;
            if certificate.expires.is_none_or(|end| end <= now) {
                return Err(stranger("the client certificate has expired"));
            }
            let known = self.desk.operators.by_certificate(&certificate.fingerprint, &from);
            return known.ok_or_else(|| stranger("the client certificate is no operator's"));
        }
        let value = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let (Some(value), Some(login)) = (value, value.and_then(basic)) else {
            return Err(stranger("log in with name and password, or with a client certificate"));
        };
        let digest = Hash::of_file(value);
        let before = self.verified().as_ref().filter(|(own, _)| *own == digest).map(|(_, caller)| caller.clone());
        // Password and rights may be others by now.
        if let Some(caller) = before.filter(|caller| self.desk.operators.has(&caller.operator)) {
            return Ok(caller);
        }
        let caller = self.desk.operators.by_password(&login, self.peer, &from).await?;
        *self.verified() = Some((digest, caller.clone()));
        Ok(caller)
    }

    fn verified(&self) -> MutexGuard<'_, Option<(Hash, Caller)>> {
        // It is replaced whole.
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is asked.
    async fn read(
        &self,
        head: &axum::http::request::Parts,
        body: Body,
    ) -> Result<(&'static Endpoint, Ask), Unreadable> {
        let verb = match head.method {
            Method::GET => Some(Verb::Get),
            Method::POST => Some(Verb::Post),
            _ => None,
        };
        let (endpoint, parts) = find(verb, head.uri.path()).map_err(|others| match others.first() {
            None => Unreadable::new(StatusCode::NOT_FOUND, "nothing is here; GET /v1/openapi.json says what there is"),
            Some(other) => Unreadable {
                allow: Some(if *other == Verb::Get { "GET" } else { "POST" }),
                ..Unreadable::new(StatusCode::METHOD_NOT_ALLOWED, "the path is there with another method")
            },
        })?;
        // A page of a stranger can make a browser post a form with the password that the browser knows, but not this type.
        if endpoint.verb == Verb::Post && !is_json(&head.headers) {
            let why = "expected content-type: application/json";
            return Err(Unreadable::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        self.patience.theirs(BODY_TIME * 2);
        let body = match timeout(BODY_TIME, to_bytes(body, BODY_MAX)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => {
                let why = format!("the body is broken or has more than {BODY_MAX} octets");
                return Err(Unreadable::new(StatusCode::PAYLOAD_TOO_LARGE, why));
            }
            Err(_elapsed) => {
                return Err(Unreadable::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time"));
            }
        };
        let ask = given::ask(endpoint, &parts, head.uri.query().unwrap_or_default(), &body)?;
        Ok((endpoint, ask))
    }

    /// Asks the desk. The work goes on when the caller goes away, as what is half done helps nobody; rows that nobody
    /// takes end what only shows.
    async fn ask(&self, caller: Caller, endpoint: &Endpoint, ask: Ask) -> Response {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            return refused(&Refusal::unavailable("too many requests are under way; ask again"));
        };
        let (sender, rows) = mpsc::channel(ROWS);
        let desk = Arc::clone(&self.desk);
        let last = tokio::spawn(async move {
            let _permit = permit;
            desk.handle(&caller, &ask, &sender).await
        });
        Work { rows, last }.answer(endpoint.bare, self.patience.clone()).await
    }

    /// Nobody who may ask: is told so, recorded, and sent away.
    fn turned_away(&self, refusal: &Refusal, who: Option<&Caller>) -> Response {
        let stranger = || Actor { kind: ActorKind::Stranger, name: String::new(), origin: self.peer.to_string() };
        self.desk.recorder.note(Draft {
            actor: who.map_or_else(stranger, actor),
            action: "api.refused".to_owned(),
            reason: refusal.text.clone(),
            outcome: Outcome::Denied,
            ..Draft::default()
        });
        closing(refused(refusal))
    }

    fn unreadable(&self, caller: &Caller, Unreadable { status, why, allow }: &Unreadable) -> Response {
        self.desk.recorder.note(Draft {
            actor: actor(caller),
            action: "api.unreadable".to_owned(),
            reason: why.clone(),
            outcome: Outcome::Denied,
            ..Draft::default()
        });
        let mut response = failed(*status, why);
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        // What is left of its body is not read.
        closing(response)
    }
}

/// The answer, after which the connection ends.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
