//! Links of client systems, the SMSC role: who is let in, and what a bind costs a guesser.
//!
//! Verifies credentials before the bridge hears of a link. How many binds an account may have is the bridge's decision.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::credentials::{Entrance, Refusal};
use super::crowd::{Place, Seat};
use super::link::{Deciding, Greeter, Greeting, Introduction, Link, Verdict};
use super::rim::Rim;
use super::stop::StopWatch;
use super::tally::Tally;
use crate::bridge::Input;
use crate::message::LinkId;
use crate::pdu::{Bind, CommandId, CommandStatus, encode_header_only};
use crate::session::{BindMode, CloseReason, Control, Event, Parcel, Role, Session, Settings};

/// What all links of client systems share.
#[derive(Debug)]
pub struct Reception {
    rim: Arc<Rim>,
    entrance: Arc<Entrance>,
    settings: Settings,
    stop: StopWatch,
}

impl Reception {
    /// `settings` are those of every session; its windows are replaced by the account's. When `stop` turns true, bound
    /// links unbind and others close.
    #[must_use]
    pub fn new(rim: Arc<Rim>, entrance: Arc<Entrance>, settings: Settings, stop: StopWatch) -> Arc<Self> {
        Arc::new(Self { rim, entrance, settings, stop })
    }

    /// What is counted.
    pub(super) fn tally(&self) -> &Tally {
        self.rim.tally()
    }

    /// When to stop.
    pub(super) fn stop(&self) -> StopWatch {
        self.stop.clone()
    }

    /// Serves one connection to its end, from the moment of accepting it. `opening` makes the stream: at once in clear,
    /// after a handshake over TLS.
    pub async fn serve<S, F>(&self, opening: F, peer: IpAddr, seat: Seat)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<S>>,
    {
        let Seat { place, mut leave } = seat;
        tokio::select! {
            biased;
            () = self.run(opening, peer, Arc::new(place)) => {}
            // Only reached before the bridge knows of the link: with its credentials verified, it has a settled place.
            Ok(()) = &mut leave => self.rim.tally().close(Role::Smsc, "crowded"),
        }
    }

    async fn run<S, F>(&self, opening: F, peer: IpAddr, place: Arc<Place>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        F: Future<Output = io::Result<S>>,
    {
        let accepted = self.rim.clock().now().mono;
        let stream = match timeout(self.settings.init_timeout, opening).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "TLS handshake failed");
                return self.rim.tally().close(Role::Smsc, "tls");
            }
            Err(_elapsed) => return self.rim.tally().close(Role::Smsc, CloseReason::SessionInit.label()),
        };
        let link = self.rim.number();
        let session = Session::new(Role::Smsc, self.settings, accepted);
        let porter = Porter {
            link,
            peer,
            entrance: Arc::clone(&self.entrance),
            patience: self.settings.init_timeout / 2,
            tally: Arc::clone(self.rim.tally()),
            place: Arc::clone(&place),
        };
        let around = self.rim.surround(link, self.settings.response_timeout, self.stop.clone());
        let ended = Link::new(stream, session, BytesMut::new(), Box::new(porter), around).run().await;
        let seconds = ended.introduced_us.unwrap_or_default() / 1_000_000;
        tracing::debug!(%link, %peer, reason = %ended.reason, bound_seconds = seconds, "link of a client system ended");
    }
}

/// Waits for the bind of one link.
struct Porter {
    link: LinkId,
    peer: IpAddr,
    entrance: Arc<Entrance>,
    /// How long a bind may be held back for earlier failures.
    patience: Duration,
    tally: Arc<Tally>,
    place: Arc<Place>,
}

impl Greeter for Porter {
    fn greet(&mut self, event: &Event, chunk: &Bytes) -> Greeting {
        let Event::Bind { sequence, command, body } = *event else { return Greeting::Ignore };
        let (from, to) = (body.at as usize, body.at.saturating_add(body.len) as usize);
        let body = chunk.get(from..to).unwrap_or_default().to_vec();
        let ask = Ask {
            link: self.link,
            peer: self.peer,
            entrance: Arc::clone(&self.entrance),
            patience: self.patience,
            tally: Arc::clone(&self.tally),
            place: Arc::clone(&self.place),
            sequence,
            command,
            body,
        };
        let deciding: Deciding = Box::pin(ask.decide());
        Greeting::Deciding(deciding)
    }
}

/// One bind request, with all its decision needs.
struct Ask {
    link: LinkId,
    peer: IpAddr,
    entrance: Arc<Entrance>,
    patience: Duration,
    tally: Arc<Tally>,
    place: Arc<Place>,
    sequence: u32,
    command: CommandId,
    body: Vec<u8>,
}

impl Ask {
    async fn decide(self) -> Verdict {
        let status = match self.admit().await {
            Ok(introduction) => return Verdict::Introduce(introduction),
            Err(status) => status,
        };
        let mut parcel = Parcel { control: Control::Close, ..Parcel::default() };
        encode_header_only(self.command.response(), status, self.sequence, &mut parcel.wire);
        Verdict::Refuse(parcel)
    }

    async fn admit(&self) -> Result<Introduction, CommandStatus> {
        let refuse = |result: &'static str, status: CommandStatus| {
            self.tally.bind(Role::Smsc, result);
            tracing::info!(link = %self.link, peer = %self.peer, result, "bind refused");
            status
        };
        let mode = BindMode::asked_by(self.command);
        let mode = mode.ok_or_else(|| refuse("mode", CommandStatus::ESME_RINVCMDID))?;
        let bind = Bind::decode(&self.body).map_err(|malformed| refuse("malformed", malformed.status))?;
        let admission = self.entrance.admit(&bind, self.peer, self.patience).await.map_err(|refusal| {
            let status = match refusal {
                // The same for a wrong password, an unknown name and a foreign address: nothing to learn by trying.
                Refusal::Credentials | Refusal::Address => CommandStatus::ESME_RINVPASWD,
                Refusal::TooSoon => CommandStatus::ESME_RBINDFAIL,
            };
            refuse(refusal.label(), status)
        })?;
        if !self.place.settle() {
            return Err(refuse("crowded", CommandStatus::ESME_RBINDFAIL));
        }
        Ok(Introduction {
            input: Input::Bind {
                link: self.link,
                account: admission.account,
                mode,
                command: self.command,
                sequence: self.sequence,
                interface_version: bind.interface_version,
            },
            window: admission.window,
            send_window: admission.window,
        })
    }
}
