//! Connections: accepted within bounds, over TLS where there is a certificate, and cut when their operator is revoked.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::patience::Patience;
use super::talk::Talk;
use crate::audit::{Actor, ActorKind, Draft, Object, Outcome};
use crate::control::desk::{Desk, actor};
use crate::control::operators::{Caller, Operators};
use crate::control::standing::Standing;
use crate::net::{ClientCertificate, Crowd, CrowdLimits, Place, Seat, ServerTls, unwelcome};

/// Connections in all, before a login, and before a login from one address.
const CROWD: CrowdLimits = CrowdLimits { links: 64, unbound: 32, unbound_per_address: 8 };
/// Requests under way in all connections.
const UNDER_WAY_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a handshake, and then the first head, may take.
const OPENING: Duration = Duration::from_secs(5);
/// After a failed accept, so that a full file table does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until its task is dropped. Without `tls` in clear.
pub async fn serve(listener: TcpListener, tls: Option<Arc<ServerTls>>, desk: Arc<Desk>) {
    let (crowd, room) = (Crowd::new(CROWD), Arc::new(Semaphore::new(UNDER_WAY_MAX)));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(error) => {
                tracing::warn!(%error, "the API listener cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(Seat { place, leave }) = crowd.enter(peer) else {
            tracing::debug!(%peer, "all places for connections to the API are taken");
            continue;
        };
        let visit = Visit { desk: Arc::clone(&desk), room: Arc::clone(&room), peer, place };
        let tls = tls.clone();
        tokio::spawn(async move {
            let pushed_out = async {
                if leave.await.is_err() {
                    // It has logged in, and keeps its place.
                    pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = visit.open(stream, tls) => {}
                () = pushed_out => tracing::debug!(%peer, "a connection to the API made room for others"),
            }
        });
    }
}

/// A connection that was accepted.
struct Visit {
    desk: Arc<Desk>,
    room: Arc<Semaphore>,
    peer: IpAddr,
    place: Place,
}

impl Visit {
    async fn open(self, stream: TcpStream, tls: Option<Arc<ServerTls>>) {
        let Some(tls) = tls else { return self.converse(stream, None).await };
        match timeout(OPENING, tls.accept(stream)).await {
            Ok(Ok((stream, certificate))) => self.converse(stream, certificate).await,
            Ok(Err(error)) => {
                tracing::debug!(peer = %self.peer, %error, "TLS handshake of the API failed");
                if let Some(why) = unwelcome(&error) {
                    self.desk.recorder.note(Draft {
                        actor: Actor { kind: ActorKind::Stranger, name: String::new(), origin: self.peer.to_string() },
                        action: "tls.refused".to_owned(),
                        reason: why.to_owned(),
                        outcome: Outcome::Denied,
                        ..Draft::default()
                    });
                }
            }
            Err(_elapsed) => tracing::debug!(peer = %self.peer, "TLS handshake of the API took too long"),
        }
    }

    /// Answers the requests of the connection, one after another.
    async fn converse(self, stream: impl AsyncRead + AsyncWrite + Unpin, certificate: Option<ClientCertificate>) {
        let Self { desk, room, peer, place } = self;
        let (patience, callers) = (Patience::new(OPENING), watch::Sender::new(BTreeMap::new()));
        let (seen, standing) = (callers.subscribe(), desk.keeper.watch());
        let talk = Arc::new(Talk {
            desk: Arc::clone(&desk),
            peer,
            certificate,
            place,
            room,
            patience: patience.clone(),
            callers,
            verified: Mutex::default(),
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(OPENING)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service_fn(|request| Arc::clone(&talk).serve(request)));
        tokio::select! {
            biased;
            caller = revoked(seen, standing, &desk.operators) => closed(&desk, &caller),
            ended = connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection to the API ended early");
                }
            }
            () = patience.over() => tracing::debug!(%peer, "a connection to the API waited too long for its caller"),
        }
    }
}

/// Comes when one of those who asked something over a connection is revoked, or no longer configured.
async fn revoked(
    mut seen: watch::Receiver<BTreeMap<String, Caller>>,
    mut standing: watch::Receiver<Arc<Standing>>,
    operators: &Operators,
) -> Caller {
    let mut others = operators.watch();
    loop {
        let callers = seen.borrow_and_update().clone();
        let found = |standing: &Standing| {
            callers
                .iter()
                .find(|(name, _)| standing.revoked_operators.contains(*name))
                .map(|(_, caller)| caller.clone())
        };
        let told =
            async { standing.wait_for(|standing| found(standing).is_some()).await.ok().and_then(|own| found(&own)) };
        let unknown = || callers.iter().find(|(name, _)| !operators.knows(name)).map(|(_, caller)| caller.clone());
        let gone = async { others.wait_for(|_| unknown().is_some()).await.is_ok().then(unknown).flatten() };
        tokio::select! {
            Some(caller) = told => return caller,
            Some(caller) = gone => return caller,
            Ok(()) = seen.changed() => {}
            // Nobody can be revoked any more: the process ends.
            else => pending::<()>().await,
        }
    }
}

fn closed(desk: &Desk, caller: &Caller) {
    let who = actor(caller);
    desk.recorder.note(Draft {
        object: Object::new("operator", who.name.clone()),
        actor: who,
        action: "api.closed".to_owned(),
        reason: "the operator is revoked, or no longer configured".to_owned(),
        outcome: Outcome::Denied,
        ..Draft::default()
    });
}
