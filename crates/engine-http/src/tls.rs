//! TLS settings. This file alone knows the cryptography provider.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use weighbridge_types::time::WallTime;

use crate::error::HttpError;
use crate::failure::root_cause;

/// Trusts the built-in authorities and those of the file.
pub(crate) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, HttpError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(file) = ca_file {
        trust_file(&mut roots, file)
            .map_err(|problem| HttpError::Certificates { file: file.display().to_string(), problem })?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Why a handshake failed; a certificate out of its time is told with its dates.
pub(crate) fn handshake_problem(error: &io::Error) -> String {
    let of_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match of_tls {
        Some(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { time, not_after })) => {
            let days = time.as_secs().saturating_sub(not_after.as_secs()) / 86_400;
            format!("the server's certificate expired on {}, {days} days ago", date(*not_after))
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::NotValidYetContext { time, not_before })) => {
            let (from, today) = (date(*not_before), date(*time));
            format!("the server's certificate holds only from {from} on, and this host's date is {today}")
        }
        _ => root_cause(error),
    }
}

fn date(time: UnixTime) -> String {
    WallTime::from_unix_millis(time.as_secs().saturating_mul(1000)).date()
}

fn trust_file(roots: &mut RootCertStore, file: &Path) -> Result<(), String> {
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| error.to_string())? {
        roots.add(certificate.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
    }
    if roots.len() == before { Err("it holds no certificate".to_owned()) } else { Ok(()) }
}
