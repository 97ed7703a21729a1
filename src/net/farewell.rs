//! The last seconds of a connection: what is written gets its chance to arrive.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::outgoing::Outgoing;
use crate::session::CloseReason;

/// How long the last octets may take.
const FLUSH: Duration = Duration::from_secs(5);
/// How long we wait for the peer to close its side. A socket that closes with unread octets resets the connection, and
/// a reset can overtake the last response.
const LINGER: Duration = Duration::from_secs(2);

/// The reason behind an error of the socket.
pub(super) fn failed(error: &io::Error) -> CloseReason {
    match error.kind() {
        // Over TLS, an end without a closing alert.
        io::ErrorKind::UnexpectedEof => CloseReason::PeerClosed,
        _ => CloseReason::LinkFailed,
    }
}

/// Writes what is left, closes our side, and waits for the peer's; all within seconds.
pub(super) async fn farewell<S>(stream: &mut S, outgoing: &mut Outgoing, reason: CloseReason)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match reason {
        CloseReason::LinkFailed | CloseReason::WriteStalled | CloseReason::MailboxFull => return,
        CloseReason::PeerClosed if outgoing.is_sent() => return,
        _ => {}
    }
    let sent = timeout(FLUSH, async {
        flush(stream, outgoing).await?;
        stream.shutdown().await
    });
    if !matches!(sent.await, Ok(Ok(()))) || reason == CloseReason::PeerClosed {
        return;
    }
    let mut discarded = [0; 512];
    let _elapsed =
        timeout(LINGER, async { while !matches!(stream.read(&mut discarded).await, Ok(0) | Err(_)) {} }).await;
}

async fn flush<S: AsyncWrite + Unpin>(stream: &mut S, outgoing: &mut Outgoing) -> io::Result<()> {
    while !outgoing.is_sent() {
        poll_fn(|cx| outgoing.poll_write(Pin::new(&mut *stream), cx)).await?;
    }
    Ok(())
}
