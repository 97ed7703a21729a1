//! TLS for both programs: certificates from PEM files, and a verifier that trusts anything for tests.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::error::SandboxError;

/// What a client trusts.
pub(super) enum Trust<'a> {
    /// The certificates in this PEM file.
    File(&'a Path),
    /// Anything.
    Anything,
}

/// A listener's side.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, SandboxError> {
    let (chain, key) = (certificates(certificate)?, private_key(key)?);
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(tls)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A client's side; `identity` is a certificate and its key.
pub(super) fn connector(trust: Trust<'_>, identity: Option<(&Path, &Path)>) -> Result<TlsConnector, SandboxError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(tls)?;
    let builder = match trust {
        Trust::Anything => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider()))),
        Trust::File(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(tls)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(certificates(chain)?, private_key(key)?).map_err(tls)?,
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The name that a server's certificate must carry.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, SandboxError> {
    let reason = format!("{name:?} is neither a host name nor an IP address");
    ServerName::try_from(name.to_owned()).map_err(|_| SandboxError::argument("server-name", reason))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SandboxError> {
    let pem = |error| SandboxError::Tls(format!("{}: {error}", path.display()));
    let chain: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(pem)?;
    if chain.is_empty() {
        return Err(SandboxError::Tls(format!("{}: expected a PEM certificate", path.display())));
    }
    Ok(chain)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SandboxError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| SandboxError::Tls(format!("{}: {error}", path.display())))
}

fn tls(error: rustls::Error) -> SandboxError {
    SandboxError::Tls(error.to_string())
}

/// Accepts every certificate; still checks that the peer holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
