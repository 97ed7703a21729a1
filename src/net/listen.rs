//! Accepting connections of client systems, in clear or over TLS, within limits.

use std::future::ready;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::account_link::Reception;
use super::crowd::{Crowd, Seat};
use super::socket::tune;
use super::tls::ServerTls;
use crate::session::Role;

/// First and last wait after an error of accepting, such as no file descriptor left.
const ERROR_WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Accepts until the reception is to stop, then returns once every connection it accepted has ended.
///
/// With `tls`, each connection begins with a handshake, which counts against the session-init timer.
pub async fn listen(listener: TcpListener, tls: Option<Arc<ServerTls>>, reception: Arc<Reception>, crowd: Arc<Crowd>) {
    let mut links = JoinSet::new();
    let mut stop = reception.stop();
    let mut wait = ERROR_WAIT.0;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|wish| *wish) => break,
            Some(_ended) = links.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                wait = ERROR_WAIT.0;
                admit(stream, peer, tls.as_ref(), &reception, &crowd, &mut links);
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, wait_ms = wait.as_millis(), "no connection can be accepted");
                sleep(wait).await;
                wait = (wait * 2).min(ERROR_WAIT.1);
            }
        }
    }
    drop(listener);
    while links.join_next().await.is_some() {}
}

/// Whether the error is the peer's and the next connection may be fine.
fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<&Arc<ServerTls>>,
    reception: &Arc<Reception>,
    crowd: &Arc<Crowd>,
    links: &mut JoinSet<()>,
) {
    let peer = peer.ip().to_canonical();
    let Some(seat) = crowd.enter(peer) else {
        reception.tally().close(Role::Smsc, "full");
        tracing::debug!(%peer, "all places for connections are taken");
        return;
    };
    if let Err(error) = tune(&stream) {
        // The peer may be gone already; reading will tell.
        tracing::debug!(%peer, %error, "socket options could not be set");
    }
    let reception = Arc::clone(reception);
    match tls {
        None => links.spawn(serve_clear(stream, peer, reception, seat)),
        Some(tls) => links.spawn(serve_tls(stream, tls.acceptor(), peer, reception, seat)),
    };
}

async fn serve_clear(stream: TcpStream, peer: IpAddr, reception: Arc<Reception>, seat: Seat) {
    reception.serve(ready(Ok(stream)), peer, seat).await;
}

async fn serve_tls(stream: TcpStream, acceptor: TlsAcceptor, peer: IpAddr, reception: Arc<Reception>, seat: Seat) {
    reception.serve(acceptor.accept(stream), peer, seat).await;
}
