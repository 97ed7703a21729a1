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
use tokio::sync::watch;
use tokio::time::timeout;

use super::credentials::{Entrance, Refusal};
use super::crowd::{Place, Seat};
use super::link::{Deciding, Greeter, Greeting, Introduction, Link, Refused, Surroundings, Verdict};
use super::rim::Rim;
use super::roster::{Presence, Roster, Row};
use super::stop::{StopWatch, Wish};
use super::tally::Tally;
use super::tls::unwelcome;
use crate::bridge::Input;
use crate::clock::Clock;
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
    roster: Arc<Roster>,
}

impl Reception {
    /// `settings` are those of every session; its windows are replaced by the account's. When `stop` turns true, bound
    /// links unbind and others close.
    #[must_use]
    pub fn new(rim: Arc<Rim>, entrance: Arc<Entrance>, settings: Settings, stop: StopWatch) -> Arc<Self> {
        Self::attended(rim, entrance, settings, stop, Arc::default())
    }

    /// As [`Self::new`], with a roster that others see and ask.
    #[must_use]
    pub fn attended(
        rim: Arc<Rim>,
        entrance: Arc<Entrance>,
        settings: Settings,
        stop: StopWatch,
        roster: Arc<Roster>,
    ) -> Arc<Self> {
        Arc::new(Self { rim, entrance, settings, stop, roster })
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
                if let Some(why) = unwelcome(&error) {
                    self.roster.unopened(peer, why);
                }
                return self.rim.tally().close(Role::Smsc, "tls");
            }
            Err(_elapsed) => return self.rim.tally().close(Role::Smsc, CloseReason::SessionInit.label()),
        };
        let link = self.rim.number();
        let mut presence = Presence::new(Arc::clone(&self.roster), link);
        let (wish, own) = watch::channel(Wish::Stay);
        let session = Session::new(Role::Smsc, self.settings, accepted);
        let porter = Porter {
            link,
            peer,
            clock: self.rim.clock(),
            entrance: Arc::clone(&self.entrance),
            patience: self.settings.init_timeout / 2,
            tally: Arc::clone(self.rim.tally()),
            place: Arc::clone(&place),
            roster: Arc::clone(&self.roster),
            wish,
        };
        let around = self.rim.surround(link, self.settings.response_timeout, self.stop.clone());
        let roster = Arc::clone(&self.roster);
        let refused: Refused = Box::new(move |why| {
            let account = roster.account_of(link).unwrap_or_default();
            roster.refused(&account, link, peer, why);
        });
        let around = Surroundings { own: Some(own), refused: Some(refused), ..around };
        let ended = Link::new(stream, session, BytesMut::new(), Box::new(porter), around).run().await;
        let seconds = ended.introduced_us.unwrap_or_default() / 1_000_000;
        presence.end = (ended.reason.label(), Some(seconds));
        tracing::debug!(%link, %peer, reason = %ended.reason, bound_seconds = seconds, "link of a client system ended");
    }
}

/// Waits for the bind of one link.
struct Porter {
    link: LinkId,
    peer: IpAddr,
    clock: Clock,
    entrance: Arc<Entrance>,
    /// How long a bind may be held back for earlier failures.
    patience: Duration,
    tally: Arc<Tally>,
    place: Arc<Place>,
    roster: Arc<Roster>,
    wish: watch::Sender<Wish>,
}

impl Greeter for Porter {
    fn greet(&mut self, event: &Event, chunk: &Bytes) -> Greeting {
        let Event::Bind { sequence, command, body } = *event else { return Greeting::Ignore };
        let (from, to) = (body.at as usize, body.at.saturating_add(body.len) as usize);
        let body = chunk.get(from..to).unwrap_or_default().to_vec();
        let ask = Ask {
            link: self.link,
            peer: self.peer,
            clock: self.clock,
            entrance: Arc::clone(&self.entrance),
            patience: self.patience,
            tally: Arc::clone(&self.tally),
            place: Arc::clone(&self.place),
            roster: Arc::clone(&self.roster),
            wish: self.wish.clone(),
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
    clock: Clock,
    entrance: Arc<Entrance>,
    patience: Duration,
    tally: Arc<Tally>,
    place: Arc<Place>,
    roster: Arc<Roster>,
    wish: watch::Sender<Wish>,
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
        let mode = BindMode::asked_by(self.command);
        let mode = mode.ok_or_else(|| self.refuse("", "mode", CommandStatus::ESME_RINVCMDID))?;
        let bind = Bind::decode(&self.body).map_err(|malformed| self.refuse("", "malformed", malformed.status))?;
        let admitted = self.entrance.admit(&bind, self.peer, self.patience, &self.roster).await;
        let admission = admitted.map_err(|refusal| {
            let account = self.entrance.name_of(bind.system_id).unwrap_or_default();
            self.refuse(&account, refusal.label(), status(refusal))
        })?;
        let name = admission.name;
        if !self.place.settle() {
            return Err(self.refuse(&name, "crowded", CommandStatus::ESME_RBINDFAIL));
        }
        let since = self.clock.now().unix;
        let row = Row { link: self.link, account: name.clone(), mode, peer: self.peer, since };
        if self.roster.enter(row, self.wish.clone()).is_err() {
            return Err(self.refuse(&name, Refusal::Disabled.label(), status(Refusal::Disabled)));
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

    /// Counts, tells and returns a refusal; `account` is empty when the name is none of ours.
    fn refuse(&self, account: &str, result: &'static str, status: CommandStatus) -> CommandStatus {
        self.tally.bind(Role::Smsc, result);
        self.roster.refused(account, self.link, self.peer, result);
        tracing::info!(link = %self.link, peer = %self.peer, result, "bind refused");
        status
    }
}

/// What the client is told.
fn status(refusal: Refusal) -> CommandStatus {
    match refusal {
        // The same for a wrong password, an unknown name, a foreign address and a disabled account: nothing to learn by
        // trying.
        Refusal::Credentials | Refusal::Address | Refusal::Disabled => CommandStatus::ESME_RINVPASWD,
        Refusal::TooSoon => CommandStatus::ESME_RBINDFAIL,
    }
}
