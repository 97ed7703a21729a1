//! The HTTP listener: a few pages that are read and never written.
//!
//! Bounded: so many connections, so long for a head, so long for a connection. There is no password; the address decides
//! who can reach it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use axum::{Extension, Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{Snapshot, Status, View, page};
use crate::audit::{Actor, ActorKind, Draft, Outcome};
use crate::metrics;

const CONNECTIONS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A scraper that keeps its connection open longer than this dials again.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// After a failed accept, so that a full file table does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const PATHS: &str = "/ (status page)\n/status.json (the same as JSON)\n/metrics (Prometheus)\n\
    /healthz (200 while the process is alive)\n/readyz (200 while it can take traffic)\n";

/// Serves the pages until its task is dropped.
pub async fn serve(listener: TcpListener, status: Status) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let router = router(status);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let router = router.clone().layer(Extension(Origin(peer.ip())));
        tokio::spawn(async move {
            if tokio::time::timeout(CONNECTION_TIMEOUT, converse(stream, router)).await.is_err() {
                tracing::debug!("an admin connection was closed because of its age");
            }
            drop(permit);
        });
    }
}

/// Answers the requests of one connection.
async fn converse(stream: TcpStream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

fn router(status: Status) -> Router {
    Router::new()
        .route("/", any(status_page))
        .route("/status.json", any(status_json))
        .route("/metrics", any(prometheus))
        .route("/healthz", any(alive))
        .route("/readyz", any(ready))
        .fallback(unknown)
        .layer(axum::middleware::from_fn_with_state(status.clone(), guard))
        .with_state(status)
}

/// Where a request came from.
#[derive(Clone, Copy)]
struct Origin(IpAddr);

/// Lets only reading through, records what is no reading of a page there is, and tells browsers to load and keep nothing.
async fn guard(
    State(status): State<Status>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    use axum::http::{HeaderValue, Method};
    let origin = request.extensions().get::<Origin>().map_or_else(String::new, |origin| origin.0.to_string());
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = match is_reading {
        true => next.run(request).await,
        false => {
            (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "only GET and HEAD\n").into_response()
        }
    };
    if let (StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_FOUND, Some(recorder)) =
        (response.status(), status.recorder())
    {
        // The path is not recorded: strangers write it, and may write anything.
        recorder.note(Draft {
            actor: Actor { kind: ActorKind::Stranger, name: String::new(), origin },
            action: "http.refused".to_owned(),
            reason: response.status().to_string(),
            outcome: Outcome::Denied,
            ..Draft::default()
        });
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    );
    response
}

async fn status_page(State(status): State<Status>) -> Html<String> {
    let (snapshot, readiness) = (status.snapshot(), status.readiness());
    Html(page::render(&View { snapshot: &snapshot, readiness: &readiness }))
}

async fn status_json(State(status): State<Status>) -> Json<serde_json::Value> {
    let (snapshot, readiness) = (status.snapshot(), status.readiness());
    let snapshot: &Snapshot = &snapshot;
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": readiness.is_ready(),
        "checks": *readiness,
        "status": snapshot,
    }))
}

async fn prometheus(State(status): State<Status>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], status.metrics()).into_response()
}

async fn alive(State(status): State<Status>) -> (StatusCode, Json<serde_json::Value>) {
    let (silence, is_alive) = (status.silence(), status.is_alive());
    let code = if is_alive { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let silence_ms = u64::try_from(silence.as_millis()).unwrap_or(u64::MAX);
    (code, Json(json!({ "alive": is_alive, "silence_ms": silence_ms })))
}

async fn ready(State(status): State<Status>) -> (StatusCode, Json<serde_json::Value>) {
    let readiness = status.readiness();
    let is_ready = readiness.is_ready();
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(json!({ "ready": is_ready, "checks": *readiness, "audit": status.audit() })))
}

async fn unknown() -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("nothing here; there is:\n{PATHS}"))
}
