//! TLS toward both sides: our certificate for client systems, theirs if asked for, and carriers' certificates, which are
//! always verified.
//!
//! Certificates are read again when their files change; a set that does not load leaves the one in use.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::carrier_link::Connect;
use super::certificate::not_after;
use super::client_certificate::{ClientCertificate, Possession};
use super::socket::tune;
use super::stop::StopWatch;
use crate::clock::Unix;

/// How often the files of a certificate are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: {reason}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// A file holds no usable PEM section of the kind that is expected.
    #[error("{}: expected {expected} in PEM form: {reason}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What should be there.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Certificate and key are read but cannot be used, for example because they do not belong together.
    #[error("{} with {}: {reason}", certificate.display(), key.display())]
    Unusable {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        reason: rustls::Error,
    },
    /// An authority cannot be used.
    #[error("{}: no usable certificate authority: {reason}", file.display())]
    Authority {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A name that no certificate can be checked against.
    #[error("{name:?} is neither a host name nor an address")]
    ServerName {
        /// The name.
        name: String,
    },
    /// The crypto provider lacks the protocol versions.
    #[error("TLS cannot be configured: {0}")]
    Setup(#[from] rustls::Error),
}

/// The files of our certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Authorities of client certificates; when named, every client must show a certificate of theirs.
    pub client_ca: Option<PathBuf>,
}

/// Our certificate toward client systems.
pub struct ServerTls {
    files: TlsFiles,
    /// Whether any certificate of a client is taken, whatever `client_ca` is.
    takes_any: bool,
    current: ArcSwap<Loaded>,
    /// What the files looked like when they were last read, with or without success.
    seen: Mutex<Vec<Stamp>>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    expires: Option<Unix>,
}

/// Whether a file changed: its time of change and its length; `None` when it is not there.
type Stamp = Option<(SystemTime, u64)>;

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`] names the file and the reason.
    pub fn load(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        Self::open(files, false)
    }

    /// The same for a listener that asks clients for a certificate, takes any and none, and knows by [`ClientCertificate`]
    /// whose it is. `client_ca` says nothing there.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn asking(files: TlsFiles) -> Result<Arc<Self>, TlsError> {
        Self::open(files, true)
    }

    fn open(files: TlsFiles, takes_any: bool) -> Result<Arc<Self>, TlsError> {
        let seen = files.stamps();
        let loaded = files.read(takes_any)?;
        Ok(Arc::new(Self { files, takes_any, current: ArcSwap::from_pointee(loaded), seen: Mutex::new(seen) }))
    }

    /// A handshake with the certificate in use; what the client showed, if it did.
    ///
    /// # Errors
    /// The handshake fails.
    pub async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(tokio_rustls::server::TlsStream<TcpStream>, Option<ClientCertificate>)> {
        let stream = self.acceptor().accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let shown = shown.map(|own| ClientCertificate::of(own));
        Ok((stream, shown))
    }

    /// When the certificate in use ends; `None` when it does not say.
    #[must_use]
    pub fn expires(&self) -> Option<Unix> {
        self.current.load().expires
    }

    /// Reads the files again if one of them changed. Whether the certificate in use is new. Blocks on the disk.
    ///
    /// # Errors
    /// [`TlsError`] once for each change that does not load; the certificate in use stays.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = self.files.stamps();
        if *seen == stamps {
            return Ok(false);
        }
        *seen = stamps;
        self.current.store(Arc::new(self.files.read(self.takes_any)?));
        Ok(true)
    }

    /// For one handshake with the certificate in use.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    /// Reloads whenever the files change, until `stop` turns true.
    pub async fn follow(self: Arc<Self>, mut stop: StopWatch) {
        loop {
            tokio::select! {
                biased;
                _ = stop.wait_for(|wish| *wish) => return,
                () = sleep(LOOK) => {}
            }
            let (own, listener) = (Arc::clone(&self), if self.takes_any { "api" } else { "smpps" });
            match tokio::task::spawn_blocking(move || own.reload()).await {
                Ok(Ok(false)) => {}
                Ok(Ok(true)) => {
                    tracing::info!(listener, file = %self.files.certificate.display(), "certificate reloaded")
                }
                Ok(Err(error)) => {
                    tracing::error!(listener, %error, "the certificate in use stays: the new one does not load")
                }
                Err(error) => tracing::error!(listener, %error, "the certificate could not be looked at"),
            }
        }
    }
}

impl TlsFiles {
    fn stamps(&self) -> Vec<Stamp> {
        let stamp = |file: &PathBuf| {
            let metadata = std::fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().map(stamp).collect()
    }

    fn read(&self, takes_any: bool) -> Result<Loaded, TlsError> {
        let chain = certificates(&self.certificate)?;
        let expires = chain.first().and_then(|leaf| not_after(leaf));
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|error| TlsError::Pem {
            file: self.key.clone(),
            expected: "a private key",
            reason: error.to_string(),
        })?;
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let builder = match &self.client_ca {
            _ if takes_any => builder.with_client_cert_verifier(Arc::new(Possession(provider()))),
            None => builder.with_no_client_auth(),
            Some(file) => {
                let authorities = Arc::new(authorities(file)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider()).build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|error| TlsError::Authority { file: file.clone(), reason: error.to_string() })?,
                )
            }
        };
        let config = builder.with_single_cert(chain, key).map_err(|reason| TlsError::Unusable {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            reason,
        })?;
        Ok(Loaded { config: Arc::new(config), expires })
    }
}

/// Why a handshake failed, in words of ours, where the peer said something that TLS does not take; `None` for one that only
/// went away, as port probes do.
#[must_use]
pub fn unwelcome(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::NoCertificatesPresented => Some("no certificate"),
        rustls::Error::InvalidCertificate(_) => Some("certificate"),
        rustls::Error::AlertReceived(_) => Some("our certificate or protocol was refused"),
        rustls::Error::PeerIncompatible(_) => Some("no protocol or cipher in common"),
        _ => Some("no TLS"),
    }
}

/// How to reach one carrier in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clear {
    /// `host:port`.
    pub address: String,
}

impl Connect for Clear {
    type Stream = TcpStream;

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(&self.address).await?;
        tune(&stream)?;
        Ok(stream)
    }
}

/// How to reach one carrier over TLS. Its certificate is verified; there is no way to switch that off.
#[derive(Clone)]
pub struct OverTls {
    address: String,
    server_name: ServerName<'static>,
    connector: TlsConnector,
}

impl std::fmt::Debug for OverTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OverTls")
            .field("address", &self.address)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl OverTls {
    /// A carrier at `address` (`host:port`) whose certificate is for `server_name` and comes from an authority in the
    /// file `ca`.
    ///
    /// # Errors
    /// [`TlsError`] names the file or the name and the reason.
    pub fn new(address: &str, server_name: &str, ca: &Path) -> Result<Self, TlsError> {
        let name = || TlsError::ServerName { name: server_name.to_owned() };
        let server_name = ServerName::try_from(server_name.to_owned()).map_err(|_| name())?;
        let authorities = authorities(ca)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        Ok(Self { address: address.to_owned(), server_name, connector: TlsConnector::from(Arc::new(config)) })
    }
}

impl Connect for OverTls {
    type Stream = TlsStream<TcpStream>;

    async fn connect(&self) -> io::Result<Self::Stream> {
        let stream = TcpStream::connect(&self.address).await?;
        tune(&stream)?;
        self.connector.connect(self.server_name.clone(), stream).await
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|reason| TlsError::Read { file: file.to_owned(), reason })
}

/// All certificates of a file, at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |reason: String| TlsError::Pem { file: file.to_owned(), expected: "a certificate", reason };
    let octets = read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    let found = found.map_err(|error| pem(error.to_string()))?;
    if found.is_empty() { Err(pem("there is none".to_owned())) } else { Ok(found) }
}

/// The authorities of a file. Among the many that systems trust there are old and odd ones: those are left out.
fn authorities(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let (usable, left_out) = store.add_parsable_certificates(certificates(file)?);
    if usable == 0 {
        return Err(TlsError::Authority { file: file.to_owned(), reason: "none can be used".to_owned() });
    }
    if left_out > 0 {
        tracing::warn!(file = %file.display(), usable, left_out, "some certificate authorities cannot be used");
    }
    Ok(store)
}
