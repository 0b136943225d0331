//! X.509-SVIDs (SPIFFE X509-SVID): the CA that issues them, and the checking of those of others.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use remit_core::digest::Digest;
use remit_core::entropy::{Entropy, NoEntropy};
use remit_core::limits::{CERTIFICATE_BACKDATE_MS, CERTIFICATE_BYTES_MAX, CERTIFICATE_CHAIN_MAX};
use remit_core::time::Timestamp;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, TrustAnchor, UnixTime};
use time::OffsetDateTime;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use crate::b64;
use crate::jwk::PublicKey;
use crate::signing::{KeyFault, SigningKey};
use crate::spiffe::{SpiffeId, TrustDomain};

/// `id-kp-clientAuth` (RFC 5280, 4.2.1.12), as DER content.
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// A certificate that cannot be made or does not count.
#[derive(Debug, thiserror::Error)]
pub enum X509Error {
    /// The library could not make it.
    #[error("the certificate could not be made: {0}")]
    Make(String),
    /// No key or no randomness.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
    /// It is no X.509-SVID.
    #[error("the certificate is no X.509-SVID: {0}")]
    NotAnSvid(&'static str),
    /// Its path does not lead to the bundle of its trust domain, or its time is not now.
    #[error("the certificate is not one of trust domain `{domain}`: {why}")]
    Path {
        /// The trust domain whose bundle was used.
        domain: String,
        /// What the path validation said.
        why: String,
    },
}

impl From<rcgen::Error> for X509Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Make(error.to_string())
    }
}

/// The issuing CA of a trust domain, one generation of it.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    public: PublicKey,
    domain: TrustDomain,
    expires_at: Timestamp,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca")
            .field("domain", &self.domain)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// An X.509-SVID with its key.
pub struct X509Svid {
    /// The leaf certificate.
    pub certificate: CertificateDer<'static>,
    /// Its private key: PKCS #8, DER.
    pub key: Zeroizing<Vec<u8>>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Its serial number, in hexadecimal: what the ledger calls it.
    pub serial: String,
}

impl std::fmt::Debug for X509Svid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("X509Svid")
            .field("serial", &self.serial)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn moment(at: Timestamp) -> Result<OffsetDateTime, X509Error> {
    OffsetDateTime::from_unix_timestamp(at.0.div_euclid(1000))
        .map_err(|error| X509Error::Make(error.to_string()))
}

fn uri(text: &str) -> Result<SanType, X509Error> {
    Ok(SanType::URI(text.try_into()?))
}

fn key_pair(key: &SigningKey) -> Result<KeyPair, X509Error> {
    let der = key.to_pkcs8()?;
    let der = PrivatePkcs8KeyDer::from(der.as_slice());
    Ok(KeyPair::from_pkcs8_der_and_sign_algo(
        &der,
        &PKCS_ECDSA_P256_SHA256,
    )?)
}

fn serial(entropy: &dyn Entropy) -> Result<[u8; 16], NoEntropy> {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes)?;
    // Positive and never shorter: the top bit is off, the one below is on (RFC 5280, 4.1.2.2).
    if let Some(first) = bytes.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    Ok(bytes)
}

fn ca_params(
    domain: &TrustDomain,
    key: &SigningKey,
    made_at: Timestamp,
    expires_at: Timestamp,
) -> Result<CertificateParams, X509Error> {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Remit");
    // The name tells generations apart for validators that look issuers up by name.
    let short: String = key.kid().chars().take(16).collect();
    name.push(DnType::CommonName, format!("{domain} {short}"));
    params.distinguished_name = name;
    params.subject_alt_names = vec![uri(&domain.id())?];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = moment(made_at.plus_ms(-CERTIFICATE_BACKDATE_MS))?;
    params.not_after = moment(expires_at)?;
    let digest = Digest::of(key.kid().as_bytes());
    let mut number = digest.as_bytes().get(..16).unwrap_or_default().to_vec();
    if let Some(first) = number.first_mut() {
        *first = (*first & 0x3f) | 0x40;
    }
    params.serial_number = Some(SerialNumber::from(number));
    Ok(params)
}

impl Ca {
    /// A self-signed CA for one trust domain, valid from `made_at` to `expires_at`; it may sign leaves alone.
    ///
    /// # Errors
    /// [`X509Error`].
    pub fn self_signed(
        domain: &TrustDomain,
        key: &SigningKey,
        made_at: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Self, X509Error> {
        let pair = key_pair(key)?;
        let params = ca_params(domain, key, made_at, expires_at)?;
        let certificate = params.self_signed(&pair)?.der().clone();
        Self::with_certificate(domain, key, made_at, expires_at, certificate)
    }

    /// The same CA with the certificate it was given when it was made.
    ///
    /// # Errors
    /// [`X509Error::NotAnSvid`] when the certificate is not this key's.
    pub fn with_certificate(
        domain: &TrustDomain,
        key: &SigningKey,
        made_at: Timestamp,
        expires_at: Timestamp,
        certificate: CertificateDer<'static>,
    ) -> Result<Self, X509Error> {
        let pair = key_pair(key)?;
        let parsed = parse(&certificate)?;
        if parsed.public_key().subject_public_key.data.as_ref() != pair.public_key_raw() {
            return Err(X509Error::NotAnSvid("it is the certificate of another key"));
        }
        let ends = Timestamp(parsed.validity().not_after.timestamp().saturating_mul(1000));
        let params = ca_params(domain, key, made_at, expires_at)?;
        Ok(Self {
            issuer: Issuer::new(params, pair),
            certificate,
            public: key.public().clone(),
            domain: domain.clone(),
            expires_at: ends,
        })
    }

    /// The CA certificate.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// When it ends.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Issues an X.509-SVID with a fresh key. It never outlives the CA.
    ///
    /// # Errors
    /// [`X509Error`]; an identity of another trust domain or without a path is refused.
    pub fn issue(
        &self,
        id: &SpiffeId,
        now: Timestamp,
        expires_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<X509Svid, X509Error> {
        let mut seed = Zeroizing::new([0_u8; 32]);
        entropy.fill(seed.as_mut())?;
        let key = SigningKey::from_seed(&seed)?;
        let pair = key_pair(&key)?;
        let expires_at = expires_at.min(self.expires_at);
        let (certificate, serial) = self.leaf(id, &pair, now, expires_at, entropy)?;
        Ok(X509Svid {
            certificate,
            key: key.to_pkcs8()?,
            expires_at,
            serial,
        })
    }

    fn leaf(
        &self,
        id: &SpiffeId,
        pair: &KeyPair,
        now: Timestamp,
        expires_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(CertificateDer<'static>, String), X509Error> {
        if *id.trust_domain() != self.domain || id.path().is_empty() {
            return Err(X509Error::NotAnSvid(
                "its identity is not one of this trust domain",
            ));
        }
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, "Remit");
        params.distinguished_name = name;
        params.subject_alt_names = vec![uri(id.as_str())?];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        params.not_before = moment(now.plus_ms(-CERTIFICATE_BACKDATE_MS))?;
        params.not_after = moment(expires_at)?;
        let number = serial(entropy)?;
        params.serial_number = Some(SerialNumber::from(number.to_vec()));
        let certificate = params.signed_by(pair, &self.issuer)?.der().clone();
        let serial = number.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((certificate, serial))
    }
}

/// An X.509-SVID of others that was checked.
#[derive(Clone, Debug)]
pub struct PeerSvid {
    /// Whose it is.
    pub id: SpiffeId,
    /// `x5t#S256` of the leaf.
    pub thumbprint: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// `x5t#S256` (RFC 8705, 3.1): base64url of the SHA-256 of a DER certificate.
#[must_use]
pub fn thumbprint(certificate: &[u8]) -> String {
    b64::encode(Digest::of(certificate).as_bytes())
}

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, X509Error> {
    if certificate.len() > CERTIFICATE_BYTES_MAX {
        return Err(X509Error::NotAnSvid("it is larger than is read here"));
    }
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(X509Error::NotAnSvid("it is not one DER certificate")),
    }
}

/// Checks an X.509-SVID (X509-SVID, 5): `chain` starts with the leaf, `anchors` are the CA certificates of `domain`, and
/// only identities of that domain are taken from them, whatever else those CAs may have signed.
///
/// # Errors
/// [`X509Error`].
pub fn verify_svid(
    chain: &[CertificateDer<'_>],
    anchors: &[CertificateDer<'_>],
    domain: &TrustDomain,
    now: Timestamp,
) -> Result<PeerSvid, X509Error> {
    let not = X509Error::NotAnSvid;
    let (leaf, intermediates) = chain.split_first().ok_or(not("there is none"))?;
    if chain.len() > CERTIFICATE_CHAIN_MAX {
        return Err(not("its chain is too long"));
    }
    let parsed = parse(leaf)?;
    let id = leaf_identity(&parsed)?;
    if id.trust_domain() != domain || id.path().is_empty() {
        return Err(not(
            "its identity is not one of the trust domain it was checked for",
        ));
    }
    let path = |error: webpki::Error| X509Error::Path {
        domain: domain.to_string(),
        why: error.to_string(),
    };
    let anchors: Vec<TrustAnchor<'_>> = anchors
        .iter()
        .map(anchor_from_trusted_cert)
        .collect::<Result<_, _>>()
        .map_err(path)?;
    let seconds = u64::try_from(now.0.div_euclid(1000)).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    let end = EndEntityCert::try_from(leaf).map_err(path)?;
    end.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        intermediates,
        at,
        KeyUsage::required_if_present(CLIENT_AUTH),
        None,
        None,
    )
    .map_err(path)?;
    Ok(PeerSvid {
        id,
        thumbprint: thumbprint(leaf),
        expires_at: Timestamp(parsed.validity().not_after.timestamp().saturating_mul(1000)),
    })
}

fn leaf_identity(leaf: &X509Certificate<'_>) -> Result<SpiffeId, X509Error> {
    let not = X509Error::NotAnSvid;
    let unreadable = not("one of its extensions cannot be read");
    if leaf.is_ca() {
        return Err(not("it is a signing certificate"));
    }
    let Ok(usage) = leaf.key_usage() else {
        return Err(unreadable);
    };
    let usage = usage.ok_or(not("it has no key usage"))?.value;
    if !usage.digital_signature() || usage.key_cert_sign() || usage.crl_sign() {
        return Err(not("its key usage is not that of a leaf"));
    }
    let Ok(names) = leaf.subject_alternative_name() else {
        return Err(unreadable);
    };
    let names = names.ok_or(not("it has no URI name"))?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => uri.parse().map_err(|_| not("its URI name is not a SPIFFE ID")),
        (None, _) => Err(not("it has no URI name")),
        (Some(_), Some(_)) => Err(not("it has more than one URI name")),
    }
}
