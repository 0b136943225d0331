//! Whom we trust over TLS.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// TLS 1.2 and 1.3 with the Web PKI roots, no client certificate, HTTP/1.1.
///
/// # Errors
/// The provider does not support these versions, which is a fault of the build.
pub fn tls_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    with_roots(RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    })
}

/// The same, with further authorities in PEM.
///
/// # Errors
/// A sentence, when they cannot be read.
pub fn tls_config_and(pem: &[u8]) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("a certificate cannot be read: {error}"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("a certificate cannot be used: {error}"))?;
    }
    if roots.len() == before {
        return Err("there is no certificate in it".to_owned());
    }
    with_roots(roots).map_err(|error| error.to_string())
}

pub(crate) fn with_roots(roots: RootCertStore) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
