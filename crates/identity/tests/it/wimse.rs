//! The four counterexample classes of `fkautz/wimse-security-counterexamples` (standards.md, 3.7), held against our
//! reading of SPIFFE IDs: identity equality, issuer-origin binding, prefix matching, identifier reuse. The fourth also
//! has its half in the store: a run id is never given twice (`crates/store/tests/it`).

use remit_core::entropy::SeededEntropy;
use remit_core::id::RunId;
use remit_core::json::Object;
use remit_core::object;
use remit_core::time::Timestamp;
use remit_identity::{JwtError, SpiffeId, TrustDomain, jwt_svid, verify_jwt_svid};

use crate::help::{NOW, key, object, set};

fn id(text: &str) -> SpiffeId {
    text.parse().unwrap()
}

/// Identity equality: a spelling that some consumer would decode to a privileged identity is no identity at all.
#[test]
fn another_spelling_is_nobody() {
    let payment = id("spiffe://trust.example/service/payment");
    for other in [
        "spiffe://trust.example/service/%70ayment",
        "spiffe://TRUST.example/service/payment",
        "spiffe://trust.example./service/payment",
        "spiffe://trust.example:443/service/payment",
        "spiffe://trust.example/service//payment",
        "spiffe://trust.example/service/./payment",
        "spiffe://trust.example/service/payment/",
        "spiffe://trust.example/service/payment?",
        "spiffe://trust.example/service/p\u{430}yment",
    ] {
        assert!(other.parse::<SpiffeId>().is_err(), "{other}");
    }
    // Case distinguishes paths: no folding merges two subjects.
    assert_ne!(payment, id("spiffe://trust.example/service/Payment"));
}

/// Issuer-origin binding: keys trusted for one trust domain say nothing about another, nor about another scheme.
#[test]
fn keys_speak_for_their_own_trust_domain() {
    let (dev, prod): (TrustDomain, TrustDomain) =
        ("dev.example".parse().unwrap(), "prod.example".parse().unwrap());
    let dev_key = key(1);
    let admin = id("spiffe://prod.example/service/admin");
    let forged = jwt_svid(&dev_key, &admin, "us", Object::new(), NOW, NOW.plus_ms(60_000)).unwrap();
    // The signature is good and both domains are trusted somewhere; the pair is what counts.
    assert_eq!(
        verify_jwt_svid(&forged, &set(&[&dev_key]), &dev, &["us"], NOW).unwrap_err(),
        JwtError::Claim("sub")
    );
    assert!(matches!(
        verify_jwt_svid(&forged, &set(&[&key(2)]), &prod, &["us"], NOW),
        Err(JwtError::Key(_))
    ));
    let cross_scheme = object(object! {
        "sub": "wimse://dev.example/service/payment", "aud": "us", "exp": NOW.0 / 1000 + 60,
    });
    let token = dev_key.sign(None, &cross_scheme).unwrap();
    assert_eq!(
        verify_jwt_svid(&token, &set(&[&dev_key]), &dev, &["us"], NOW).unwrap_err(),
        JwtError::Claim("sub")
    );
    let own = id("spiffe://dev.example/service/worker");
    let token = jwt_svid(&dev_key, &own, "us", Object::new(), NOW, NOW.plus_ms(60_000)).unwrap();
    assert_eq!(
        verify_jwt_svid(&token, &set(&[&dev_key]), &dev, &["us"], NOW)
            .unwrap()
            .id,
        own
    );
}

/// Prefix matching: a root covers whole segments of its own origin, and an origin is never covered by accident.
#[test]
fn a_prefix_is_not_a_hierarchy() {
    let root = id("spiffe://trust.example/service/pay");
    assert!(id("spiffe://trust.example/service/pay/worker").is_under(&root));
    assert!(id("spiffe://trust.example/service/pay").is_under(&root));
    assert!(!id("spiffe://trust.example/service/payroll-attacker").is_under(&root));
    assert!(!id("spiffe://attacker.example/service/pay/worker").is_under(&root));
    assert!(!id("spiffe://trust.example.attacker/service/pay/worker").is_under(&root));
    for escape in [
        "spiffe://trust.example/service/pay/../admin",
        "spiffe://trust.example/service/pay/%2e%2e/admin",
    ] {
        assert!(escape.parse::<SpiffeId>().is_err(), "{escape}");
    }
    // The origin alone covers nothing below it.
    assert!(!id("spiffe://trust.example/service/pay/worker").is_under(&id("spiffe://trust.example")));
    assert!("spiffe://trust.example/".parse::<SpiffeId>().is_err());
}

/// Identifier reuse: the last segment of a run's identity is drawn fresh, so the same agent never has the same identity
/// twice, whoever asks and however the name is reassigned.
#[test]
fn no_two_runs_share_an_identity() {
    let domain: TrustDomain = "remit.local".parse().unwrap();
    let agent = "payments".parse().unwrap();
    let entropy = SeededEntropy::new(3);
    let ids: std::collections::BTreeSet<SpiffeId> = (0..1000)
        .map(|_| RunId::fresh(Timestamp(5), &entropy).unwrap())
        .map(|run| SpiffeId::of_run(&domain, &agent, run).unwrap())
        .collect();
    assert_eq!(ids.len(), 1000);
}
