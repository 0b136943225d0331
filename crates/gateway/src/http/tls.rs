//! TLS towards agents: our certificate, which may be replaced while we serve, and whatever certificate a client shows.
//! A client may show any, of any issuer, or none (RFC 8705): the handshake proves that it holds the key, and nothing else.
//! What a certificate is worth is decided where a token or an identity is checked against it.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use remit_core::limits::{CERTIFICATE_BYTES_MAX, CERTIFICATE_CHAIN_MAX};
use remit_core::time::Clock;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};

/// How long a client may take to agree on TLS.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(15);

/// TLS as this listener speaks it: 1.2 and 1.3, HTTP/1.1, no resumption.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(super) config: Arc<ServerConfig>,
    ours: Arc<Ours>,
}

impl Tls {
    /// Our certificate chain (leaf first) and its key, both PEM.
    ///
    /// # Errors
    /// A sentence, when they cannot be read or do not belong together.
    pub fn new(chain: &[u8], key: &[u8], clock: Arc<dyn Clock>) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let ours = Arc::new(Ours {
            current: RwLock::new(certified(chain, key, &provider)?),
            provider: Arc::clone(&provider),
        });
        let theirs = Arc::new(Theirs(Arc::clone(&provider)));
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(Now(clock)))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(theirs)
            .with_cert_resolver(Arc::clone(&ours) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would vouch for a certificate by a secret that is not its key.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self {
            config: Arc::new(config),
            ours,
        })
    }

    /// Puts another certificate in place for the connections to come.
    ///
    /// # Errors
    /// As [`Self::new`]; the one before stays then.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), String> {
        let fresh = certified(chain, key, &self.ours.provider)?;
        let mut current = self
            .ours
            .current
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *current = fresh;
        Ok(())
    }

    /// The certificate shown now, DER.
    #[must_use]
    pub fn certificate(&self) -> Vec<u8> {
        let shown = self.ours.shown();
        shown.cert.first().map(|leaf| leaf.to_vec()).unwrap_or_default()
    }
}

fn certified(chain: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, String> {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("the certificate is not PEM: {error}"))?;
    if chain.is_empty() {
        return Err("the certificate file holds no certificate in PEM".to_owned());
    }
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("the key is not a PEM key: {error}"))?;
    let certified = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(_) => "certificate and key do not belong together".to_owned(),
        other => format!("certificate and key cannot be used: {other}"),
    })?;
    Ok(Arc::new(certified))
}

/// What we show.
#[derive(Debug)]
struct Ours {
    current: RwLock<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
}

impl Ours {
    fn shown(&self) -> Arc<CertifiedKey> {
        let current = self
            .current
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(&current)
    }
}

impl ResolvesServerCert for Ours {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

/// What clients show: anything in bounds whose key they hold.
#[derive(Debug)]
struct Theirs(Arc<CryptoProvider>);

impl ClientCertVerifier for Theirs {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let all = intermediates.iter().chain(std::iter::once(leaf));
        if intermediates.len() >= CERTIFICATE_CHAIN_MAX
            || all
                .into_iter()
                .any(|certificate| certificate.len() > CERTIFICATE_BYTES_MAX)
        {
            return Err(Error::InvalidCertificate(CertificateError::BadEncoding));
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Our clock, as the library asks for it.
struct Now(Arc<dyn Clock>);

impl std::fmt::Debug for Now {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Now")
    }
}

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().0.div_euclid(1000)).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
