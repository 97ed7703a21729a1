//! TLS with real handshakes over loopback: our certificate, clients' certificates, reloading, and carriers' certificates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use smppgate::audit::folder::Folder as AuditFolder;
use smppgate::audit::{self, Activity, Recorder, reading};
use smppgate::bridge::Input;
use smppgate::clock::{Clock, Unix};
use smppgate::config::Config;
use smppgate::message::AccountId;
use smppgate::net::{
    Connect, Crowd, CrowdLimits, Directory, Entrance, Inbox, Mail, OverTls, Reception, Rim, Roster, ServerTls,
    TlsError, TlsFiles, listen,
};
use smppgate::pdu::{Bind, BindResp, CommandId, Password};
use smppgate::session::{BindMode, Control, Parcel, Role, Settings};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Far more than a handshake takes; nothing waits for it to pass.
const DEADLINE: Duration = Duration::from_secs(30);

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    named("an authority")
}

fn named(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, PEM.
struct Pair {
    certificate: String,
    key: String,
}

fn issue(authority: &Authority, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.not_after = date_time_ymd(2055, 1, 1);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    Pair { certificate: params.signed_by(&key, authority).unwrap().pem(), key: key.serialize_pem() }
}

/// Files of a certificate in a folder of their own.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    fn files(&self, pair: &Pair, client_ca: Option<&Authority>) -> TlsFiles {
        TlsFiles {
            certificate: self.write("server.pem", &pair.certificate),
            key: self.write("server.key", &pair.key),
            client_ca: client_ca.map(|authority| self.write("clients.pem", &authority.pem())),
        }
    }
}

struct Server {
    address: SocketAddr,
    recorder: Recorder,
    audit: TempDir,
    mail: mpsc::Receiver<Mail>,
    rim: Arc<Rim>,
    _stop: watch::Sender<bool>,
}

async fn serve(tls: Arc<ServerTls>) -> Server {
    let clock = Clock::start();
    let (inbox, mail) = Inbox::open();
    let (stop, stopped) = watch::channel(false);
    let rim = Arc::new(Rim::new(clock, inbox));
    let directory = Directory::new(Config::sandbox().policy, [AccountId(0)].into());
    let settings = Settings { init_timeout: Duration::from_secs(3), ..Settings::default() };
    let audit = TempDir::new().unwrap();
    let path = audit.path().to_owned();
    let records = audit::Settings { key: path.join("audit.key"), path, keep: Duration::from_secs(86_400) };
    let recorder = Recorder::start(records, clock).unwrap();
    let roster = Roster::new(Activity::default(), recorder.clone(), []);
    let entrance = Entrance::new(clock, directory);
    let reception = Reception::attended(Arc::clone(&rim), entrance, settings, stopped, roster);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(listen(listener, Some(tls), reception, Crowd::new(CrowdLimits::default())));
    Server { address, recorder, audit, mail, rim, _stop: stop }
}

impl Server {
    /// A client that trusts `authority` and shows `own` connects, handshakes and sends its bind.
    async fn call(&self, authority: &Authority, own: Option<&Pair>) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_auth_cert(chain(pair), key(pair)).unwrap(),
        };
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from("gateway.example").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let bind =
            Bind { system_id: b"acme", password: Password(b"secret"), interface_version: 0x34, ..Bind::default() };
        let mut wire = BytesMut::new();
        bind.encode(CommandId::BIND_TRANSCEIVER, 1, &mut wire);
        stream.write_all(&wire).await?;
        stream.flush().await?;
        Ok(stream)
    }

    /// A bind reaches the bridge. The link ends when its mailbox is dropped.
    async fn asked(&mut self) -> mpsc::Sender<Parcel> {
        let opened = timeout(DEADLINE, self.mail.recv()).await.unwrap();
        let Some(Mail::Open { mailbox, .. }) = opened else { panic!("a link should be announced, not {opened:?}") };
        let asked = timeout(DEADLINE, self.mail.recv()).await.unwrap();
        assert!(matches!(asked, Some(Mail::Input(Input::Bind { account: AccountId(0), .. }))));
        mailbox
    }

    /// Ends the audit log; why connections were refused, in its words.
    async fn refusals(&self) -> Vec<String> {
        self.recorder.end().await;
        let mut refusals = Vec::new();
        let folder = AuditFolder::new(self.audit.path());
        let read = reading::walk(&folder, None, reading::Range::default(), None, |entry| {
            assert_eq!((entry.said.action.as_str(), entry.said.actor.origin.as_str()), ("tls.refused", "127.0.0.1"));
            refusals.push(entry.said.reason.clone());
        });
        assert!(read.is_ok());
        refusals
    }

    /// Waits until so many connections ended for `reason`.
    async fn closes(&self, reason: &str, count: u64) {
        let found = || {
            let closes = self.rim.tally().totals(Role::Smsc).closes;
            closes.iter().any(|(name, closed)| *name == reason && *closed == count)
        };
        let waited = timeout(DEADLINE, async {
            while !found() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "{:?}", self.rim.tally().totals(Role::Smsc));
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn chain(pair: &Pair) -> Vec<CertificateDer<'static>> {
    vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()]
}

fn key(pair: &Pair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap()
}

#[tokio::test]
async fn a_client_binds_over_tls() {
    let (folder, authority) = (Folder::new(), authority());
    let tls = ServerTls::load(folder.files(&issue(&authority, "gateway.example", |_| {}), None)).unwrap();
    assert_eq!(tls.expires(), Some(Unix(2_682_374_400_000)));
    let mut server = serve(tls).await;
    let mut stream = server.call(&authority, None).await.unwrap();
    let mailbox = server.asked().await;
    let mut parcel = Parcel { control: Control::Bound(BindMode::Transceiver), ..Parcel::default() };
    BindResp::default().encode(CommandId::BIND_TRANSCEIVER_RESP, 1, &mut parcel.wire);
    let sent = parcel.wire.to_vec();
    mailbox.send(parcel).await.unwrap();
    let mut received = vec![0; sent.len()];
    timeout(DEADLINE, stream.read_exact(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, sent);
    drop(stream);
    server.closes("peer_closed", 1).await;
}

#[tokio::test]
async fn clients_without_a_certificate_of_the_right_authority_are_refused() {
    let (folder, authority, foreign) = (Folder::new(), authority(), authority());
    let files = folder.files(&issue(&authority, "gateway.example", |_| {}), Some(&authority));
    let mut server = serve(ServerTls::load(files).unwrap()).await;
    let stranger = issue(&foreign, "client.example", |_| {});
    let late = issue(&authority, "client.example", |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    for (count, own) in [(1, None), (2, Some(&stranger)), (3, Some(&late))] {
        // In TLS 1.3 the client learns of the refusal only when it reads.
        if let Ok(mut stream) = server.call(&authority, own).await {
            let read = timeout(DEADLINE, stream.read_u8()).await.unwrap();
            assert!(read.is_err(), "an answer without a certificate");
        }
        server.closes("tls", count).await;
    }
    let known = issue(&authority, "client.example", |_| {});
    let _stream = server.call(&authority, Some(&known)).await.unwrap();
    server.asked().await;
    assert_eq!(server.refusals().await, ["no certificate", "2 more within 60 s"]);
}

#[tokio::test]
async fn other_protocols_and_silence_end_before_a_session() {
    let (folder, authority) = (Folder::new(), authority());
    let server =
        serve(ServerTls::load(folder.files(&issue(&authority, "gateway.example", |_| {}), None)).unwrap()).await;
    let mut clear = TcpStream::connect(server.address).await.unwrap();
    clear.write_all(&[0, 0, 0, 16, 0, 0, 0, 21, 0, 0, 0, 0, 0, 0, 0, 1]).await.unwrap();
    server.closes("tls", 1).await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    server.closes("session_init", 1).await;
    assert_eq!(server.refusals().await, ["no TLS"], "silence is no attempt");
}

#[tokio::test]
async fn a_changed_certificate_is_used_and_a_bad_one_is_not() {
    let (folder, authority) = (Folder::new(), authority());
    let first = issue(&authority, "gateway.example", |_| {});
    let tls = ServerTls::load(folder.files(&first, None)).unwrap();
    let mut server = serve(Arc::clone(&tls)).await;
    assert!(!tls.reload().unwrap(), "nothing changed");

    let second = issue(&authority, "gateway.example", |params| {
        params.subject_alt_names.push(rcgen::SanType::DnsName("a-longer-name.example".try_into().unwrap()));
        params.not_after = date_time_ymd(2031, 1, 1);
    });
    folder.files(&second, None);
    assert!(tls.reload().unwrap());
    assert_eq!(tls.expires(), Some(Unix(1_924_992_000_000)));
    let shown = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let stream = server.call(&authority, None).await.unwrap();
    assert_eq!(shown(&stream), chain(&second)[0]);
    server.asked().await;

    let key_file = folder.write("server.key", &format!("{}\n", first.key));
    let refused = tls.reload().unwrap_err();
    assert!(refused.to_string().contains(&key_file.display().to_string()), "{refused}");
    folder.write("server.pem", "not a certificate");
    let refused = tls.reload().unwrap_err().to_string();
    assert!(refused.contains("server.pem") && refused.contains("expected a certificate"), "{refused}");
    assert!(!tls.reload().unwrap(), "a bad file is reported once");
    let stream = server.call(&authority, None).await.unwrap();
    assert_eq!(shown(&stream), chain(&second)[0]);
}

#[test]
fn files_that_do_not_load_are_named() {
    let (folder, authority) = (Folder::new(), authority());
    let pair = issue(&authority, "gateway.example", |_| {});
    let files = folder.files(&pair, Some(&authority));
    let missing = TlsFiles { key: folder.0.path().join("none.key"), ..files.clone() };
    assert!(matches!(ServerTls::load(missing), Err(TlsError::Read { file, .. }) if file.ends_with("none.key")));
    let swapped = TlsFiles { key: files.certificate.clone(), ..files.clone() };
    assert!(matches!(ServerTls::load(swapped), Err(TlsError::Pem { file, .. }) if file.ends_with("server.pem")));
    let other = issue(&authority, "gateway.example", |_| {});
    let strange = TlsFiles { key: folder.write("other.key", &other.key), ..files.clone() };
    assert!(matches!(ServerTls::load(strange), Err(TlsError::Unusable { key, .. }) if key.ends_with("other.key")));
    let empty = TlsFiles { client_ca: Some(folder.write("empty.pem", "")), ..files };
    assert!(matches!(ServerTls::load(empty), Err(TlsError::Pem { file, .. }) if file.ends_with("empty.pem")));
}

/// A carrier with this certificate; it sends one octet over every connection.
async fn carrier(pair: &Pair) -> SocketAddr {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain(pair), key(pair)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _sent = stream.write_all(b"!").await;
            }
        }
    });
    address
}

/// What a dial to such a carrier sees.
async fn dial(pair: &Pair, server_name: &str, trusted: &Authority) -> Result<u8, String> {
    let folder = Folder::new();
    let address = carrier(pair).await.to_string();
    let connect = OverTls::new(&address, server_name, &folder.write("ca.pem", &trusted.pem())).unwrap();
    let mut stream = timeout(DEADLINE, connect.connect()).await.unwrap().map_err(|error| error.to_string())?;
    timeout(DEADLINE, stream.read_u8()).await.unwrap().map_err(|error| error.to_string())
}

#[tokio::test]
async fn only_a_carrier_with_the_right_certificate_is_spoken_to() {
    let (own, foreign) = (authority(), named("another authority"));
    let good = issue(&own, "smsc.example", |_| {});
    assert_eq!(dial(&good, "smsc.example", &own).await, Ok(b'!'));
    let address = issue(&own, "127.0.0.1", |_| {});
    assert_eq!(dial(&address, "127.0.0.1", &own).await, Ok(b'!'));
    let expired = issue(&own, "smsc.example", |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    for (pair, name, trusted, reason) in [
        (&good, "other.example", &own, "not valid for name"),
        (&good, "127.0.0.1", &own, "not valid for name"),
        (&expired, "smsc.example", &own, "expired"),
        (&good, "smsc.example", &foreign, "UnknownIssuer"),
    ] {
        let refused = dial(pair, name, trusted).await.unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_carrier_needs_a_name_and_authorities_that_can_be_used() {
    let folder = Folder::new();
    let file = folder.write("ca.pem", &authority().pem());
    assert!(
        matches!(OverTls::new("h:1", "not a name", &file), Err(TlsError::ServerName { name }) if name == "not a name")
    );
    let missing = folder.0.path().join("none.pem");
    assert!(matches!(OverTls::new("h:1", "h", &missing), Err(TlsError::Read { file, .. }) if file == missing));
}
