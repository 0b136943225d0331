//! Keys and sets of keys.

use remit_core::json::{Bounds, Value, parse};
use remit_core::object;
use remit_identity::{BadJwk, BadJwks, Bundle, KeySet, PublicKey, SigningKey, bundle_document};

use crate::help::{key, object};

fn jwk(text: &str) -> Result<PublicKey, BadJwk> {
    let value = parse(text.as_bytes(), &Bounds::REQUEST).unwrap();
    PublicKey::from_jwk(&object(value))
}

#[test]
fn thumbprints_are_those_of_the_standards() {
    // RFC 7638, 3.1.
    let rsa = concat!(
        r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6"#,
        "tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY",
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRw",
        r#"r3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#
    );
    let rsa = jwk(rsa).unwrap();
    assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!(rsa.kid(), Some("2011-04-29"));
    // RFC 8037, appendix A.3.
    let ed =
        jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#).unwrap();
    assert_eq!(ed.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn keys_that_cannot_be_used_are_refused() {
    let good = key(1).public().to_jwk();
    let x = good.get("x").and_then(Value::as_str).unwrap().to_owned();
    for (bad, why) in [
        (r#"{"kty":"oct","k":"AAAA"}"#.to_owned(), "symmetric"),
        (
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}}"#),
            "not on the curve",
        ),
        (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"}}"#), "no y"),
        (
            format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#),
            "wrong length",
        ),
        (
            format!(r#"{{"kty":"EC","crv":"secp256k1","x":"{x}","y":"{x}"}}"#),
            "other curve",
        ),
        (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(), "too small"),
        (
            r#"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#.to_owned(),
            "agreement",
        ),
        (r#"{"crv":"P-256"}"#.to_owned(), "no kty"),
    ] {
        assert!(jwk(&bad).is_err(), "{why}");
    }
    let mut private = good;
    private.insert("d", "AAAA");
    assert_eq!(PublicKey::from_jwk(&private).unwrap_err(), BadJwk::Secret("d"));
}

#[test]
fn a_seed_is_always_the_same_key_and_says_nothing_of_itself() {
    assert_eq!(key(7).kid(), key(7).kid());
    assert_ne!(key(7).kid(), key(8).kid());
    assert_eq!(key(7).kid(), key(7).public().thumbprint());
    assert_eq!(format!("{:?}", key(7)), format!("SigningKey({})", key(7).kid()));
    assert!(SigningKey::from_seed(&[0; 32]).is_ok());
}

#[test]
fn sets_skip_what_is_unknown_and_refuse_what_is_ambiguous() {
    let (a, b) = (key(1).public().to_jwk(), key(2).public().to_jwk());
    let future = object! { "kty": "AKP", "kid": "pq" };
    let document = object! { "keys": Value::Array(vec![future, Value::Object(a.clone()), Value::Object(b)]) };
    let set = KeySet::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(set.keys().len(), 2);
    let again = Value::Object(set.to_document()).to_string();
    assert_eq!(KeySet::parse(again.as_bytes()).unwrap().keys().len(), 2);

    let twice = object! { "keys": Value::Array(vec![Value::Object(a.clone()), Value::Object(a)]) };
    assert!(matches!(
        KeySet::parse(twice.to_string().as_bytes()),
        Err(BadJwks::Twice(_))
    ));
    assert_eq!(KeySet::parse(br#"{"keys":[]}"#).unwrap_err(), BadJwks::Empty);
    assert_eq!(KeySet::parse(b"{}").unwrap_err(), BadJwks::Keys);
    assert_eq!(KeySet::parse(br#"{"keys":["x"]}"#).unwrap_err(), BadJwks::Keys);
    assert!(matches!(
        KeySet::parse(br#"{"keys":[],"keys":[]}"#),
        Err(BadJwks::Json(_))
    ));
    assert!(matches!(KeySet::parse(b"<html>"), Err(BadJwks::Json(_))));
    let many = format!(r#"{{"keys":[{}{{}}]}}"#, "{},".repeat(128));
    assert_eq!(KeySet::parse(many.as_bytes()).unwrap_err(), BadJwks::Keys);
}

#[test]
fn a_bundle_has_both_kinds_and_reads_back() {
    let (jwt, ca) = (key(1), key(2));
    let domain = "remit.local".parse().unwrap();
    let until = crate::help::NOW.plus_ms(86_400_000);
    let ca = remit_identity::x509::Ca::self_signed(&domain, &ca, crate::help::NOW, until).unwrap();
    let document = bundle_document(
        &[jwt.public().clone()],
        &[(ca.public().clone(), ca.certificate().clone())],
        7,
        300,
    );
    let text = Value::Object(document).to_string();
    let bundle = Bundle::parse(text.as_bytes()).unwrap();
    assert_eq!(bundle.jwt.keys()[0].kid(), Some(jwt.kid()));
    assert_eq!(bundle.x509, vec![ca.certificate().clone()]);
    assert_eq!((bundle.sequence, bundle.refresh_hint_s), (Some(7), Some(300)));
    // Keys without a use are nobody's (SPIFFE Trust Domain and Bundle, 4.2.2).
    assert_eq!(
        Bundle::parse(
            text.replace("jwt-svid", "sig")
                .replace("x509-svid", "sig")
                .as_bytes()
        )
        .unwrap_err(),
        BadJwks::Empty
    );
}
