//! Certificates and keys: readable, of the right kind, and belonging together. Loads nothing for use; that is the
//! listener's work, each time the files change.

use std::path::PathBuf;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::carrier::host_and_port;
use super::compile::Desk;
use super::cursor::At;
use super::raw::{RawCarrier, RawTls};
use super::{CarrierTls, Tls};

/// Where distributions keep the issuers they trust: Debian and Alpine, Fedora, SUSE, the BSDs.
const SYSTEM_ISSUERS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// `[tls]`; `None` after a mistake.
pub(super) fn listener(desk: &Desk<'_>, raw: &RawTls) -> Option<Tls> {
    let certificates = raw.certificate.as_ref().and_then(|file| certificates(desk, "tls.certificate", file));
    let key = raw.key.as_ref().and_then(|file| private_key(desk, "tls.key", file));
    let client_ca = raw.client_ca.as_ref().map(|file| certificates_of_issuers(desk, "tls.client_ca", file));
    if let (Some(certificates), Some(key), Some(file)) = (certificates, key, &raw.key)
        && let Err(what) = fits(certificates, key)
    {
        desk.ledger.mistake(file.at, "tls.key", what, "the private key of the first certificate in tls.certificate");
    }
    Some(Tls {
        certificate: desk.file(&raw.certificate.as_ref()?.value),
        key: desk.file(&raw.key.as_ref()?.value),
        client_ca: match client_ca {
            Some(found) => Some(found?),
            None => None,
        },
    })
}

/// TLS toward a carrier; `None` without it or after a mistake.
pub(super) fn carrier(desk: &Desk<'_>, raw: &RawCarrier) -> Option<CarrierTls> {
    let key = |key| raw.place.key(key);
    if !raw.tls.is_some_and(|tls| tls.value) {
        for (name, value) in [("ca", &raw.ca), ("server_name", &raw.server_name)] {
            if let Some(value) = value {
                desk.ledger.warning(value.at, &key(name), "has no effect without TLS", "tls = true");
            }
        }
        return None;
    }
    let host = raw.address.as_ref().and_then(|address| host_and_port(&address.value)).map(|(host, _)| host);
    let server_name = raw.server_name.as_ref().map(|name| name.value.as_str()).or(host)?;
    if let Some(name) = raw.server_name.as_ref().filter(|name| ServerName::try_from(name.value.as_str()).is_err()) {
        let what = format!("\"{}\" is no name a certificate can have", name.value);
        desk.ledger.mistake(name.at, &key("server_name"), what, "a host name or an IP address");
    }
    let ca = match &raw.ca {
        Some(file) => certificates_of_issuers(desk, &key("ca"), file)?,
        None => system_issuers(desk, raw)?,
    };
    Some(CarrierTls { ca, server_name: server_name.to_owned() })
}

/// The issuers that the operating system trusts.
fn system_issuers(desk: &Desk<'_>, raw: &RawCarrier) -> Option<PathBuf> {
    let found = SYSTEM_ISSUERS.iter().map(PathBuf::from).find(|path| path.is_file());
    if found.is_none() {
        let at = raw.tls.map_or(raw.place.at, |tls| tls.at);
        let what = "is missing, and this system has no list of issuers to trust";
        desk.ledger.mistake(at, &raw.place.key("ca"), what, "a PEM file with the issuers of the carrier's certificate");
    }
    found
}

fn certificates_of_issuers(desk: &Desk<'_>, key: &str, file: &At<String>) -> Option<PathBuf> {
    certificates(desk, key, file).map(|_| desk.file(&file.value))
}

fn certificates(desk: &Desk<'_>, key: &str, file: &At<String>) -> Option<Vec<CertificateDer<'static>>> {
    let octets = read(desk, key, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    match found {
        Ok(found) if !found.is_empty() => Some(found),
        _ => {
            let what = format!("{} holds no certificate", desk.file(&file.value).display());
            desk.ledger.mistake(file.at, key, what, "a PEM file with -----BEGIN CERTIFICATE-----");
            None
        }
    }
}

fn private_key(desk: &Desk<'_>, key: &str, file: &At<String>) -> Option<PrivateKeyDer<'static>> {
    let octets = read(desk, key, file)?;
    let found = PrivateKeyDer::from_pem_slice(&octets).ok();
    if found.is_none() {
        let what = format!("{} holds no private key", desk.file(&file.value).display());
        desk.ledger.mistake(file.at, key, what, "a PEM file with -----BEGIN PRIVATE KEY-----, not encrypted");
    }
    found
}

fn read(desk: &Desk<'_>, key: &str, file: &At<String>) -> Option<Vec<u8>> {
    let path = desk.file(&file.value);
    match std::fs::read(&path) {
        Ok(octets) => Some(octets),
        Err(error) => {
            let what = format!("{} cannot be read: {error}", path.display());
            desk.ledger.mistake(file.at, key, what, "a PEM file, relative to the folder of this file");
            None
        }
    }
}

fn fits(certificates: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<(), String> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let own = rustls::sign::CertifiedKey::from_der(certificates, key, &provider);
    own.map(|_| ()).map_err(|error| format!("cannot be used with the certificate: {error}"))
}
