//! Links to carriers, the ESME role: dial, bind, run, and dial again for as long as the link is wanted.
//!
//! Knows nothing of messages; how many links a carrier has, and in which modes, is the caller's choice.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::berth::{Flag, Mooring};
use super::link::{Ended, Greeter, Greeting, Introduction, Link, Surroundings};
use super::rim::Rim;
use super::stop::StopWatch;
use crate::bridge::Input;
use crate::message::{CarrierId, LinkId};
use crate::pdu::{Bind, CommandStatus, Password};
use crate::session::{BindMode, CloseReason, Event, Role, Session, Settings};

/// From the first lookup of the name to a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens connections to one carrier.
pub trait Connect: Send + Sync + 'static {
    /// What it opens.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Opens one, looking up the name each time.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// How the last try of any link to a carrier ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Not tried yet, or under way.
    #[default]
    Connecting,
    /// The bind was accepted.
    Bound,
    /// No connection; the reason is the system's or TLS's.
    Unreachable(String),
    /// The connection ended.
    Lost(CloseReason),
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Bound => f.write_str("bound"),
            Self::Unreachable(reason) => write!(f, "unreachable: {reason}"),
            Self::Lost(CloseReason::BindRejected(status)) => write!(f, "refused: {status}"),
            Self::Lost(reason) => write!(f, "lost: {reason}"),
        }
    }
}

/// How to bind to one carrier; shared by all its links.
pub struct Dial {
    carrier: CarrierId,
    name: Box<str>,
    own: Own,
    settings: Settings,
    standing: Mutex<Standing>,
}

/// The fields of the bind, kept.
struct Own {
    system_id: Box<[u8]>,
    password: Box<[u8]>,
    system_type: Box<[u8]>,
    interface_version: u8,
    addr_ton: u8,
    addr_npi: u8,
    address_range: Box<[u8]>,
}

impl Own {
    fn of(bind: &Bind<'_>) -> Self {
        Self {
            system_id: bind.system_id.into(),
            password: bind.password.0.into(),
            system_type: bind.system_type.into(),
            interface_version: bind.interface_version,
            addr_ton: bind.addr_ton,
            addr_npi: bind.addr_npi,
            address_range: bind.address_range.into(),
        }
    }

    fn bind(&self) -> Bind<'_> {
        Bind {
            system_id: &self.system_id,
            password: Password(&self.password),
            system_type: &self.system_type,
            interface_version: self.interface_version,
            addr_ton: self.addr_ton,
            addr_npi: self.addr_npi,
            address_range: &self.address_range,
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("carrier", &self.carrier).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Dial {
    /// Binds with `bind`; `name` is for logs. Of `settings`, `send_window` is the carrier's window and `init_timeout` the
    /// time for its bind response.
    #[must_use]
    pub fn new(carrier: CarrierId, name: &str, bind: &Bind<'_>, settings: Settings) -> Arc<Self> {
        Arc::new(Self { carrier, name: name.into(), own: Own::of(bind), settings, standing: Mutex::default() })
    }

    /// Whose links they are.
    #[must_use]
    pub fn carrier(&self) -> CarrierId {
        self.carrier
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What became of the last try.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stand(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }
}

/// Keeps one link bound in `mode` until `stop` turns true or the other end of `mooring` has it leave; then it answers what
/// is open, unbinds and returns.
pub async fn keep_bound<C: Connect>(
    dial: Arc<Dial>,
    mode: BindMode,
    connect: Arc<C>,
    rim: Arc<Rim>,
    mut stop: StopWatch,
    mut mooring: Mooring,
) {
    let mut backoff = Backoff::default();
    let chance = RandomState::new();
    for turn in 0_u64.. {
        let wished = stop.clone();
        let tried = tokio::select! {
            biased;
            () = mooring.until_unwanted(&mut stop) => return,
            tried = timeout(CONNECT_TIMEOUT, connect.connect()) => tried,
        };
        let refused = match tried.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                let ended = run(&dial, mode, stream, &rim, wished, &mooring).await;
                mooring.flag.set(false);
                backoff.lasted(ended.introduced_us.map(Duration::from_micros));
                let refused = settle(&dial, &rim, ended);
                if mooring.is_unwanted() {
                    return;
                }
                dial.stand(Standing::Lost(ended.reason));
                refused
            }
            Err(error) => {
                tracing::warn!(carrier = %dial.name, %error, "carrier is unreachable");
                rim.tally().close(Role::Esme, "unreachable");
                dial.stand(Standing::Unreachable(error.to_string()));
                None
            }
        };
        tokio::select! {
            biased;
            () = mooring.until_unwanted(&mut stop) => return,
            () = sleep(backoff.next(refused, chance.hash_one(turn))) => {}
        }
    }
}

async fn run<S>(dial: &Arc<Dial>, mode: BindMode, stream: S, rim: &Rim, stop: StopWatch, mooring: &Mooring) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let link = rim.number();
    let now = rim.clock().now().mono;
    let mut session = Session::new(Role::Esme, dial.settings, now);
    let mut first = BytesMut::new();
    session.bind(mode.command(), &dial.own.bind(), now, &mut first);
    let caller = Box::new(Caller { link, mode, dial: Arc::clone(dial), flag: mooring.flag.clone() });
    let around = rim.surround(link, dial.settings.response_timeout, stop);
    let around = Surroundings { own: Some(mooring.wish.clone()), ..around };
    Link::new(stream, session, first, caller, around).run().await
}

/// Tells how a link ended. The status, if the carrier refused the bind.
fn settle(dial: &Dial, rim: &Rim, ended: Ended) -> Option<CommandStatus> {
    let bound = ended.introduced_us.is_some();
    let refused = match ended.reason {
        CloseReason::BindRejected(status) => Some(status),
        _ => None,
    };
    match refused {
        _ if bound => rim.tally().bind(Role::Esme, "ok"),
        Some(status) => {
            rim.tally().bind_status(Role::Esme, status);
            rim.hint(Input::CarrierRefused { carrier: dial.carrier });
        }
        None => rim.tally().bind(Role::Esme, "unanswered"),
    }
    if ended.reason == CloseReason::Ordered || bound && ended.reason.is_orderly() {
        tracing::info!(carrier = %dial.name, reason = %ended.reason, "carrier link ended");
    } else {
        tracing::warn!(carrier = %dial.name, reason = %ended.reason, "carrier link lost");
    }
    refused
}

/// Waits for the carrier's word on one link.
struct Caller {
    link: LinkId,
    mode: BindMode,
    dial: Arc<Dial>,
    flag: Flag,
}

impl Greeter for Caller {
    fn greet(&mut self, event: &Event, _: &Bytes) -> Greeting {
        let Event::Bound = event else { return Greeting::Ignore };
        let Dial { carrier, settings, .. } = *self.dial;
        self.dial.stand(Standing::Bound);
        self.flag.set(true);
        tracing::info!(carrier = %self.dial.name, link = %self.link, mode = ?self.mode, "carrier bound");
        Greeting::Introduce(Introduction {
            input: Input::CarrierBound { link: self.link, carrier, mode: self.mode, window: settings.send_window },
            window: settings.window,
            send_window: settings.send_window,
        })
    }
}
