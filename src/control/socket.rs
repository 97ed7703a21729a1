//! The socket itself: who connects, lines in, lines out, all within bounds.
//!
//! Decides nothing about requests. Closes a connection when its operator is revoked or no longer configured, whatever it is doing.

use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::desk::{Desk, actor};
use super::operators::{Caller, Operators};
use super::refusal::Refusal;
use super::request::{Answer, Ask, LINE_MAX};
use super::standing::Standing;
use crate::audit::{Actor, ActorKind, Draft, Object, Outcome};

const CONNECTIONS_MAX: usize = 32;
/// Longest time between two lines of one connection.
const IDLE_MAX: Duration = Duration::from_secs(300);
/// Longest time that a line of ours may wait to be read.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// Where everybody is who comes over the socket, for counting wrong passwords.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Rows under way.
const ROWS: usize = 64;
/// After a failed accept, so that a full file table does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Octets that the system has room for in the path of a socket.
const PATH_MAX: usize = 107;

/// A socket that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("control socket {}: {reason}", path.display())]
pub struct SocketFault {
    /// Where it should be.
    pub path: PathBuf,
    /// Why not.
    pub reason: String,
}

/// The socket, open. Its file is removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// The user that this process runs as.
    own_uid: u32,
}

impl Socket {
    /// Opens the socket at `path`, in the place of one that nobody listens on. Only its owner may connect until
    /// [`Self::serve`] knows better.
    ///
    /// # Errors
    /// [`SocketFault`].
    pub fn open(path: &Path) -> Result<Self, SocketFault> {
        let fault = |reason: String| SocketFault { path: path.to_owned(), reason };
        if path.as_os_str().len() > PATH_MAX {
            return Err(fault(format!(
                "the path has more than {PATH_MAX} octets; set listen.control to a shorter one"
            )));
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|error| fault(error.to_string()))?;
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(fault("is there and is no socket".to_owned())),
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(fault("another process listens on it".to_owned()));
            }
            Ok(_) => fs::remove_file(path).map_err(|error| fault(error.to_string()))?,
            Err(_) => {}
        }
        let opened = UnixListener::bind(path).and_then(|listener| {
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            Ok(Self { listener, path: path.to_owned(), own_uid: fs::metadata(path)?.uid() })
        });
        opened.map_err(|error| fault(error.to_string()))
    }

    /// The user that this process runs as.
    #[must_use]
    pub fn own_uid(&self) -> u32 {
        self.own_uid
    }

    /// Serves until its task is dropped. Where operators are other users, all users may connect: each is asked for by
    /// its uid.
    pub async fn serve(self, desk: Arc<Desk>) {
        let mut others = desk.operators.watch();
        self.open_to(&desk);
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                // Its sender is in the desk.
                Ok(()) = others.changed() => {
                    self.open_to(&desk);
                    continue;
                }
            };
            match accepted {
                Ok((stream, _)) => {
                    let desk = Arc::clone(&desk);
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, &desk).await {
                            tracing::debug!(%error, "a control connection ended early");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Socket {
    fn open_to(&self, desk: &Desk) {
        let mode = if desk.operators.are_others() { 0o666 } else { 0o600 };
        if let Err(error) = fs::set_permissions(&self.path, Permissions::from_mode(mode)) {
            tracing::warn!(%error, "the control socket may not be open to its operators");
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Not there any more is as good.
        let _gone = fs::remove_file(&self.path);
    }
}

/// One connection.
async fn converse(stream: UnixStream, desk: &Desk) -> io::Result<()> {
    let uid = stream.peer_cred()?.uid();
    let mut own = desk.operators.by_uid(uid);
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut revoked = own.as_ref().map(|caller| Revoked::new(desk, caller));
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(LINE_MAX as u64 + 1);
        let reading = timeout(IDLE_MAX, bounded.read_until(b'\n', &mut line));
        let read = tokio::select! {
            biased;
            () = told(&mut revoked) => return bye(desk, own.as_ref(), &mut writer).await,
            read = reading => read.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))??,
        };
        if read == 0 {
            return Ok(());
        }
        // Rights may be others by now.
        own = desk.operators.by_uid(uid);
        let ask = match read_ask(&line) {
            Ok(ask) => ask,
            Err(why) => {
                note(desk, uid, own.as_ref(), "control.unreadable", &why);
                return send(&mut writer, &Answer::Refused(Refusal::unwanted(why))).await;
            }
        };
        let caller = match (&ask.login, &own) {
            (Some(login), _) => desk.operators.by_password(login, HERE, &format!("uid {uid}")).await,
            (None, Some(own)) => Ok(own.clone()),
            (None, None) => Err(desk.operators.unknown_user(uid)),
        };
        let caller = match caller {
            Ok(caller) => caller,
            Err(why) => {
                note(desk, uid, None, "control.refused", &why.text);
                return send(&mut writer, &Answer::Refused(why)).await;
            }
        };
        let mut watch = Some(Revoked::new(desk, &caller));
        tokio::select! {
            biased;
            () = told(&mut watch) => return bye(desk, Some(&caller), &mut writer).await,
            done = answer(desk, &caller, &ask, &mut writer) => done?,
        }
    }
}

fn read_ask(line: &[u8]) -> Result<Ask, String> {
    if line.len() > LINE_MAX {
        return Err(format!("the line has more than {LINE_MAX} octets"));
    }
    // What the reader says of the place is ours to tell; it quotes names of keys, never values.
    serde_json::from_slice(line)
        .map_err(|error| format!("no request: {:?} at column {}", error.classify(), error.column()))
}

/// Handles one request and writes its answers as they come.
async fn answer(desk: &Desk, caller: &Caller, ask: &Ask, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let (sender, mut rows) = mpsc::channel(ROWS);
    let handling = async {
        let last = desk.handle(caller, ask, &sender).await;
        drop(sender);
        last
    };
    let writing = async {
        while let Some(row) = rows.recv().await {
            send(writer, &row).await?;
        }
        Ok::<_, io::Error>(())
    };
    let (last, written) = tokio::join!(handling, writing);
    written?;
    send(writer, &last).await
}

async fn send(writer: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer).map_err(io::Error::other)?;
    line.push(b'\n');
    timeout(WRITE_MAX, writer.write_all(&line)).await.map_err(|_elapsed| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Tells a revoked operator so, and records it.
async fn bye(desk: &Desk, caller: Option<&Caller>, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    if let Some(caller) = caller {
        let who = actor(caller);
        desk.recorder.note(Draft {
            object: Object::new("operator", who.name.clone()),
            actor: who,
            action: "control.closed".to_owned(),
            reason: "the operator is revoked, or no longer configured".to_owned(),
            outcome: Outcome::Denied,
            ..Draft::default()
        });
    }
    send(writer, &Answer::Refused(Refusal::denied("this operator is revoked, or no longer configured"))).await
}

fn note(desk: &Desk, uid: u32, caller: Option<&Caller>, action: &str, why: &str) {
    let stranger = || Actor { kind: ActorKind::Stranger, name: String::new(), origin: format!("uid {uid}") };
    desk.recorder.note(Draft {
        actor: caller.map_or_else(stranger, actor),
        action: action.to_owned(),
        reason: why.to_owned(),
        outcome: Outcome::Denied,
        ..Draft::default()
    });
}

/// Follows whether one operator is revoked, or no longer configured.
struct Revoked<'a> {
    name: String,
    standing: watch::Receiver<Arc<Standing>>,
    operators: &'a Operators,
}

impl<'a> Revoked<'a> {
    fn new(desk: &'a Desk, caller: &Caller) -> Self {
        Self { name: caller.operator.name.clone(), standing: desk.keeper.watch(), operators: &desk.operators }
    }
}

/// Comes when the operator is revoked or no longer configured, or is already.
async fn told(revoked: &mut Option<Revoked<'_>>) {
    if let Some(Revoked { name, standing, operators }) = revoked {
        let mut others = operators.watch();
        let gone = tokio::select! {
            revoked = standing.wait_for(|standing| standing.revoked_operators.contains(name)) => revoked.is_ok(),
            gone = others.wait_for(|_| !operators.knows(name)) => gone.is_ok(),
        };
        if gone {
            return;
        }
    }
    std::future::pending().await
}
