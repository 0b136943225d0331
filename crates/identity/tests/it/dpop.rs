//! DPoP proofs: about this request, with this token, now, once.

use remit_core::digest::Digest;
use remit_core::json::{Object, Value};
use remit_core::object;
use remit_identity::dpop::{self, DpopError, Expected, Nonces};
use remit_identity::{SigningKey, base64url};

use crate::help::{NOW, at, key, object};

const URL: &str = "https://remit.example/mcp";
const TOKEN: &str = "remit_token";

fn ath(token: &str) -> String {
    base64url(Digest::of(token.as_bytes()).as_bytes())
}

fn claims() -> Object {
    object(object! { "htm": "POST", "htu": URL, "iat": at(0), "jti": "one", "ath": ath(TOKEN) })
}

fn proof(key: &SigningKey, claims: &Object) -> String {
    let header = object(object! { "typ": "dpop+jwt", "alg": "ES256", "jwk": Value::Object(bare(key)) });
    key.sign_parts(&header, claims).unwrap()
}

fn bare(key: &SigningKey) -> Object {
    let mut jwk = key.public().to_jwk();
    jwk.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name));
    jwk
}

fn check(proof: &str) -> Result<dpop::Proof, DpopError> {
    let expected = Expected {
        method: "POST",
        urls: &[URL, "http://127.0.0.1:7420/mcp"],
        access_token: Some(TOKEN),
    };
    dpop::verify(proof, &expected, None, NOW)
}

#[test]
fn a_good_proof_names_its_key() {
    let proved = check(&proof(&key(1), &claims())).unwrap();
    assert_eq!(proved.jkt, key(1).kid());
    assert_eq!(proved.replay, check(&proof(&key(1), &claims())).unwrap().replay);
    assert_ne!(proved.replay, check(&proof(&key(2), &claims())).unwrap().replay);
    let mut other = claims();
    other.insert("jti", "two");
    assert_ne!(proved.replay, check(&proof(&key(1), &other)).unwrap().replay);
    // Query, fragment, case of the host and the scheme's own port do not matter (RFC 9449, 4.3).
    for same in [
        "https://remit.example/mcp?x=1#y",
        "HTTPS://Remit.Example:443/mcp",
        "http://127.0.0.1:7420/mcp",
    ] {
        let mut claims = claims();
        claims.insert("htu", same);
        assert!(check(&proof(&key(1), &claims)).is_ok(), "{same}");
    }
}

#[test]
fn a_proof_for_something_else_is_refused() {
    for (name, value) in [
        ("htm", Value::from("GET")),
        ("htm", Value::from("post")),
        ("htu", Value::from("https://remit.example/mcp/github")),
        ("htu", Value::from("https://remit.example/MCP")),
        ("htu", Value::from("http://remit.example/mcp")),
        ("htu", Value::from("https://user@remit.example/mcp")),
        ("htu", Value::from("https://remit.example.attacker/mcp")),
        ("htu", Value::from("/mcp")),
        ("ath", Value::from(ath("another"))),
        ("ath", Value::Null),
        ("iat", Value::from(at(-61))),
        ("iat", Value::from(at(61))),
        ("iat", Value::from("now")),
        ("jti", Value::from("")),
        ("jti", Value::from("x".repeat(300))),
    ] {
        let mut claims = claims();
        claims.insert(name, value.clone());
        assert!(
            matches!(check(&proof(&key(1), &claims)), Err(DpopError::Invalid(_))),
            "{name} {value}"
        );
    }
    for name in ["htm", "htu", "iat", "jti", "ath"] {
        let mut claims = claims();
        claims.remove(name);
        assert!(check(&proof(&key(1), &claims)).is_err(), "{name}");
    }
}

#[test]
fn a_proof_is_typed_carries_its_public_key_and_nothing_secret() {
    let jwk = Value::Object(bare(&key(1)));
    let mut secret = bare(&key(1));
    secret.insert("d", "AAAA");
    for header in [
        object! { "alg": "ES256", "jwk": jwk.clone() },
        object! { "typ": "JWT", "alg": "ES256", "jwk": jwk.clone() },
        object! { "typ": "dpop+jwt", "alg": "ES256" },
        object! { "typ": "dpop+jwt", "alg": "ES256", "kid": key(1).kid() },
        object! { "typ": "dpop+jwt", "alg": "none", "jwk": jwk.clone() },
        object! { "typ": "dpop+jwt", "alg": "RS256", "jwk": jwk.clone() },
        object! { "typ": "dpop+jwt", "alg": "ES256", "jwk": Value::Object(secret) },
        object! { "typ": "dpop+jwt", "alg": "ES256", "jwk": Value::Object(bare(&key(2))) },
        object! { "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk, "jku": "https://x.example" },
    ] {
        let token = key(1).sign_parts(&object(header.clone()), &claims()).unwrap();
        assert!(check(&token).is_err(), "{header}");
    }
    // At the token endpoint there is no token a proof could belong to.
    let expected = Expected {
        method: "POST",
        urls: &[URL],
        access_token: None,
    };
    assert!(dpop::verify(&proof(&key(1), &claims()), &expected, None, NOW).is_err());
}

#[test]
fn nonces_are_asked_for_and_age() {
    let nonces = Nonces::new(&[5; 32]);
    let expected = Expected {
        method: "POST",
        urls: &[URL],
        access_token: Some(TOKEN),
    };
    let with = |nonce: Option<String>| {
        let mut claims = claims();
        if let Some(nonce) = nonce {
            claims.insert("nonce", nonce);
        }
        dpop::verify(&proof(&key(1), &claims), &expected, Some(&nonces), NOW)
    };
    assert_eq!(with(None).unwrap_err(), DpopError::Nonce);
    assert_eq!(with(Some("guess".to_owned())).unwrap_err(), DpopError::Nonce);
    assert!(with(Some(nonces.at(NOW))).is_ok());
    assert!(with(Some(nonces.at(NOW.plus_ms(-120_000)))).is_ok());
    assert_eq!(
        with(Some(nonces.at(NOW.plus_ms(-240_000)))).unwrap_err(),
        DpopError::Nonce
    );
    assert_eq!(
        with(Some(Nonces::new(&[6; 32]).at(NOW))).unwrap_err(),
        DpopError::Nonce
    );
}
