//! X.509-SVIDs: ours are what the standard wants, and others' are held to it.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use remit_core::entropy::SystemEntropy;
use remit_core::time::Timestamp;
use remit_identity::x509::{Ca, X509Error, verify_svid};
use remit_identity::{SpiffeId, TrustDomain};
use rustls_pki_types::CertificateDer;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use crate::help::{NOW, key};

const DAY: i64 = 86_400_000;

fn domain() -> TrustDomain {
    "acme.example".parse().unwrap()
}

fn ca(byte: u8) -> Ca {
    Ca::self_signed(&domain(), &key(byte), NOW, NOW.plus_ms(DAY)).unwrap()
}

fn id() -> SpiffeId {
    "spiffe://acme.example/agent/a/run/r".parse().unwrap()
}

fn verify(chain: &[CertificateDer<'_>], ca: &Ca, now: Timestamp) -> Result<SpiffeId, X509Error> {
    verify_svid(chain, &[ca.certificate().clone()], &domain(), now).map(|svid| svid.id)
}

#[test]
fn ours_have_the_form_of_the_standard_and_verify() {
    let ca = ca(1);
    let svid = ca
        .issue(&id(), NOW, NOW.plus_ms(3_600_000), &SystemEntropy)
        .unwrap();
    assert_eq!(
        verify(std::slice::from_ref(&svid.certificate), &ca, NOW).unwrap(),
        id()
    );
    let (_, leaf) = X509Certificate::from_der(&svid.certificate).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(
        names.value.general_names,
        vec![GeneralName::URI("spiffe://acme.example/agent/a/run/r")]
    );
    assert!(leaf.key_usage().unwrap().unwrap().critical);
    assert!(!leaf.is_ca());
    assert!(leaf.basic_constraints().unwrap().is_some());
    let eku = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(eku.client_auth && eku.server_auth);
    let (_, root) = X509Certificate::from_der(ca.certificate()).unwrap();
    assert!(root.is_ca() && root.key_usage().unwrap().unwrap().value.key_cert_sign());
    // The key that is handed out is the certificate's.
    let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        &svid.key,
    )
    .unwrap();
    use aws_lc_rs::signature::KeyPair as _;
    assert_eq!(
        pair.public_key().as_ref(),
        leaf.public_key().subject_public_key.data.as_ref()
    );
}

#[test]
fn two_svids_share_neither_key_nor_serial() {
    let ca = ca(1);
    let until = NOW.plus_ms(60_000);
    let (a, b) = (
        ca.issue(&id(), NOW, until, &SystemEntropy).unwrap(),
        ca.issue(&id(), NOW, until, &SystemEntropy).unwrap(),
    );
    assert_ne!(a.serial, b.serial);
    assert_ne!(*a.key, *b.key);
}

#[test]
fn an_svid_never_outlives_its_ca_or_leaves_its_trust_domain() {
    let ca = ca(1);
    let svid = ca
        .issue(&id(), NOW, NOW.plus_ms(30 * DAY), &SystemEntropy)
        .unwrap();
    assert_eq!(svid.expires_at, ca.expires_at());
    for other in ["spiffe://other.example/agent/a", "spiffe://acme.example"] {
        let other: SpiffeId = other.parse().unwrap();
        assert!(ca.issue(&other, NOW, NOW.plus_ms(1000), &SystemEntropy).is_err());
    }
}

#[test]
fn time_ca_and_trust_domain_must_fit() {
    let (ours, theirs) = (ca(1), ca(2));
    let svid = ours
        .issue(&id(), NOW, NOW.plus_ms(60_000), &SystemEntropy)
        .unwrap();
    let chain = [svid.certificate];
    assert!(verify(&chain, &theirs, NOW).is_err());
    assert!(verify(&chain, &ours, NOW.plus_ms(120_000)).is_err());
    assert!(verify(&chain, &ours, NOW.plus_ms(-120_000)).is_err());
    assert!(verify(&[], &ours, NOW).is_err());
    let other: TrustDomain = "other.example".parse().unwrap();
    assert!(verify_svid(&chain, &[ours.certificate().clone()], &other, NOW).is_err());
    // A CA certificate authenticates nobody.
    assert!(verify(&[ours.certificate().clone()], &ours, NOW).is_err());
    assert!(verify(&[CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])], &ours, NOW).is_err());
}

#[test]
fn the_same_ca_comes_back_with_its_certificate() {
    let made = ca(1);
    let again = Ca::with_certificate(
        &domain(),
        &key(1),
        NOW,
        NOW.plus_ms(DAY),
        made.certificate().clone(),
    )
    .unwrap();
    let svid = again
        .issue(&id(), NOW, NOW.plus_ms(60_000), &SystemEntropy)
        .unwrap();
    assert!(verify(&[svid.certificate], &made, NOW).is_ok());
    assert!(
        Ca::with_certificate(
            &domain(),
            &key(2),
            NOW,
            NOW.plus_ms(DAY),
            made.certificate().clone()
        )
        .is_err()
    );
}

/// Leaves another CA might sign that are no X.509-SVIDs, each with one thing wrong.
#[test]
fn leaves_that_break_the_standard_are_refused() {
    let pair = KeyPair::generate().unwrap();
    let at = |ms: i64| OffsetDateTime::from_unix_timestamp((NOW.0 + ms) / 1000).unwrap();
    let mut root = CertificateParams::default();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    root.not_before = at(-60_000);
    root.not_after = at(DAY);
    let anchor = root.self_signed(&pair).unwrap().der().clone();
    let issuer = Issuer::from_params(&root, &pair);
    let leaf_key = KeyPair::generate().unwrap();
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let good = || {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![uri("spiffe://acme.example/workload")];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.not_before = at(-60_000);
        params.not_after = at(60_000);
        params
    };
    let check = |params: &CertificateParams| {
        let leaf = params.signed_by(&leaf_key, &issuer).unwrap().der().clone();
        verify_svid(&[leaf], std::slice::from_ref(&anchor), &domain(), NOW)
    };
    assert!(check(&good()).is_ok());
    let mut bad: Vec<(&str, CertificateParams)> = Vec::new();
    let mut add = |why, change: &dyn Fn(&mut CertificateParams)| {
        let mut params = good();
        change(&mut params);
        bad.push((why, params));
    };
    add("no URI", &|p| p.subject_alt_names.clear());
    add("two URIs", &|p| {
        p.subject_alt_names.push(uri("spiffe://acme.example/other"));
    });
    add("a second URI of another scheme", &|p| {
        p.subject_alt_names.push(uri("https://acme.example"));
    });
    add("another trust domain", &|p| {
        p.subject_alt_names = vec![uri("spiffe://evil.example/workload")];
    });
    add("no path", &|p| {
        p.subject_alt_names = vec![uri("spiffe://acme.example")];
    });
    add("odd spelling", &|p| {
        p.subject_alt_names = vec![uri("spiffe://acme.example/work%6coad")];
    });
    add("a CA", &|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    add("key usage of a CA", &|p| {
        p.key_usages.push(KeyUsagePurpose::KeyCertSign);
    });
    add("no key usage", &|p| p.key_usages.clear());
    add("over", &|p| p.not_after = at(-30_000));
    add("not yet", &|p| p.not_before = at(30_000));
    add("for servers alone", &|p| {
        p.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    for (why, params) in &bad {
        assert!(check(params).is_err(), "{why}");
    }
    // DNS names beside the one URI are allowed.
    let mut named = good();
    named
        .subject_alt_names
        .push(SanType::DnsName("acme.example".try_into().unwrap()));
    assert!(check(&named).is_ok());
}
