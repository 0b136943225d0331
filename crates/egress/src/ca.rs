//! The certificate authority of one run: in memory, bound by name constraints to the hosts of the run's systems, gone with it.
//! When these change, its key signs another certificate of the same name for itself: whoever trusts either trusts what both
//! allow, and connections that are open stay.

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
    PublicKeyData, SerialNumber, SignatureAlgorithm, SigningKey,
};
use remit_core::time::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::describe::HostPattern;

/// How far before now certificates begin, for clocks that differ, in seconds.
const BEFORE_S: i64 = 3600;
/// Life of everything this authority signs, in seconds; it is forgotten long before.
const LIFE_S: i64 = 31 * 24 * 3600;

/// The key of an authority, which several certificates of it are for.
#[derive(Clone)]
struct Key(Arc<KeyPair>);

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}

/// The authority of one run.
pub struct RunCa {
    key: Key,
    /// Whom it is for, in its name.
    run: String,
    /// How many certificates it has had, this one included: two of them have different serial numbers.
    generation: u64,
    hosts: Option<Vec<HostPattern>>,
    issuer: Issuer<'static, Key>,
    certificate: CertificateDer<'static>,
    pem: String,
    from_s: i64,
    leaves: Mutex<HashMap<String, Arc<ServerConfig>>>,
}

impl std::fmt::Debug for RunCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunCa").finish_non_exhaustive()
    }
}

impl RunCa {
    /// A fresh authority for these hosts and no others; for whatever host where there is no bound.
    ///
    /// # Errors
    /// A sentence, when no key can be made.
    pub fn new(run: &str, hosts: Option<&[HostPattern]>, now: Timestamp) -> Result<Self, String> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())?;
        Self::certified(Key(Arc::new(key)), run, 1, hosts, now)
    }

    /// The same authority for other hosts.
    ///
    /// # Errors
    /// A sentence, when no certificate can be made.
    pub fn over(&self, hosts: Option<&[HostPattern]>, now: Timestamp) -> Result<Self, String> {
        Self::certified(self.key.clone(), &self.run, self.generation + 1, hosts, now)
    }

    /// True when it is bound to these hosts and no others.
    #[must_use]
    pub fn is_over(&self, hosts: Option<&[HostPattern]>) -> bool {
        self.hosts.as_deref() == hosts
    }

    fn certified(
        key: Key,
        run: &str,
        generation: u64,
        hosts: Option<&[HostPattern]>,
        now: Timestamp,
    ) -> Result<Self, String> {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(generation));
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, format!("Remit, for {run} alone"));
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = hosts.map(constraints);
        let from_s = now.0.div_euclid(1000) - BEFORE_S;
        validity(&mut params, from_s)?;
        let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
        Ok(Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key.clone()),
            key,
            run: run.to_owned(),
            generation,
            hosts: hosts.map(<[HostPattern]>::to_vec),
            from_s,
            leaves: Mutex::default(),
        })
    }

    /// The authority's certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// How to speak TLS as `host`, HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// A sentence, when no certificate can be made.
    pub fn server(&self, host: &str) -> Result<Arc<ServerConfig>, String> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = leaves.get(host) {
            return Ok(Arc::clone(made));
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| error.to_string())?;
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(|error| error.to_string())?;
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, self.from_s)?;
        let leaf = params
            .signed_by(&key, &self.issuer)
            .map_err(|error| error.to_string())?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![leaf.der().clone(), self.certificate.clone()], key)
            })
            .map_err(|error| error.to_string())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        leaves.insert(host.to_owned(), Arc::clone(&config));
        Ok(config)
    }
}

/// The hosts, and no address but those named (RFC 5280, section 4.2.1.10).
fn constraints(hosts: &[HostPattern]) -> NameConstraints {
    let mut permitted = Vec::new();
    let (mut v4, mut v6) = (false, false);
    for host in hosts {
        match host.name().parse() {
            Ok(std::net::IpAddr::V4(address)) => {
                v4 = true;
                permitted.push(GeneralSubtree::IpAddress(CidrSubnet::V4(
                    address.octets(),
                    [255; 4],
                )));
            }
            Ok(std::net::IpAddr::V6(address)) => {
                v6 = true;
                permitted.push(GeneralSubtree::IpAddress(CidrSubnet::V6(
                    address.octets(),
                    [255; 16],
                )));
            }
            Err(_) => permitted.push(GeneralSubtree::DnsName(host.name().to_owned())),
        }
    }
    if !permitted
        .iter()
        .any(|tree| matches!(tree, GeneralSubtree::DnsName(_)))
    {
        // RFC 6761: no host is below it. A kind of name without any permitted tree would be free.
        permitted.push(GeneralSubtree::DnsName("invalid".to_owned()));
    }
    let mut excluded = Vec::new();
    // An address tree that is permitted bounds both families, since it is one kind of name.
    if !v4 && !v6 {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4(
            Ipv4Addr::UNSPECIFIED.octets(),
            [0; 4],
        )));
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6(
            Ipv6Addr::UNSPECIFIED.octets(),
            [0; 16],
        )));
    }
    NameConstraints {
        permitted_subtrees: permitted,
        excluded_subtrees: excluded,
    }
}

fn validity(params: &mut CertificateParams, from_s: i64) -> Result<(), String> {
    let at = |s: i64| {
        let days = s.div_euclid(86_400);
        let (year, month, day) = civil(days);
        (year, month, day)
    };
    let (from, to) = (at(from_s), at(from_s + LIFE_S + 86_400));
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
    Ok(())
}

/// Days since 1970-01-01 as year, month, day in the Gregorian calendar.
fn civil(days: i64) -> (i32, u8, u8) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (
        i32::try_from(year).unwrap_or(1970),
        u8::try_from(month).unwrap_or(1),
        u8::try_from(day).unwrap_or(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(19_782), (2024, 2, 29));
        assert_eq!(civil(20_819), (2027, 1, 1));
    }

    const NOW: Timestamp = Timestamp(1_795_000_000_000);

    /// True when a client that trusts `trusted` takes a certificate by `signer` for a host.
    fn takes(trusted: &RunCa, signer: &RunCa, host: &str) -> bool {
        use rustls::client::danger::ServerCertVerifier as _;
        use rustls::pki_types::{ServerName, UnixTime};
        let mut roots = rustls::RootCertStore::empty();
        roots.add(trusted.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, signer.from_s).unwrap();
        let leaf = params.signed_by(&key, &signer.issuer).unwrap();
        let at = UnixTime::since_unix_epoch(std::time::Duration::from_millis(NOW.0.unsigned_abs()));
        let name = ServerName::try_from(host.to_owned()).unwrap();
        verifier
            .verify_server_cert(
                leaf.der(),
                std::slice::from_ref(&signer.certificate),
                &name,
                &[],
                at,
            )
            .is_ok()
    }

    #[test]
    fn a_certificate_for_another_host_is_not_trusted() {
        let hosts = [HostPattern::parse("api.example.org").unwrap()];
        let ca = RunCa::new("run_x", Some(&hosts), NOW).unwrap();
        assert!(takes(&ca, &ca, "api.example.org"));
        for other in ["example.org", "bank.example", "127.0.0.1"] {
            assert!(!takes(&ca, &ca, other), "{other}");
        }
    }

    #[test]
    fn an_authority_follows_its_task_and_who_trusted_it_still_does() {
        let hosts = ["api.example.org", "bank.example"].map(|host| HostPattern::parse(host).unwrap());
        let before = RunCa::new("run_x", hosts.get(..1), NOW).unwrap();
        let after = before.over(Some(&hosts), NOW).unwrap();
        assert!(
            after.is_over(Some(&hosts)) && !after.is_over(hosts.get(..1)) && before.is_over(hosts.get(..1))
        );
        // Whoever reads the new certificate takes both hosts; whoever holds the old one what it was for.
        assert!(takes(&after, &after, "bank.example") && takes(&after, &after, "api.example.org"));
        assert!(takes(&before, &after, "api.example.org") && !takes(&before, &after, "bank.example"));
        assert!(!takes(&after, &after, "other.example"));
        let stranger = RunCa::new("run_x", Some(&hosts), NOW).unwrap();
        assert!(!takes(&after, &stranger, "bank.example"), "another key");
    }
}
