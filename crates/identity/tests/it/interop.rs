//! What `jsonwebtoken`, which shares no code of ours, makes of our tokens, and we of its.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use remit_core::json::Value;
use remit_core::object;
use remit_identity::{Expect, KeySet, Verifier};

use crate::help::{NOW, at, key, object, set};

#[test]
fn it_takes_ours() {
    let claims = object(object! { "iss": "https://us.example", "aud": "them", "sub": "x", "exp": at(60) });
    let token = key(3).sign(Some("at+jwt"), &claims).unwrap();
    let document = Value::Object(set(&[&key(2), &key(3)]).to_document()).to_string();
    let jwks: JwkSet = serde_json::from_str(&document).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let jwk = jwks.find(header.kid.as_deref().unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["them"]);
    validation.validate_exp = false;
    let decoded =
        decode::<serde_json::Value>(&token, &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap();
    assert_eq!(decoded.claims["sub"], "x");
    let thumbprint = jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
    assert_eq!(thumbprint, key(3).kid());
}

#[test]
fn we_take_its_rsa_and_its_ed25519() {
    let claims = serde_json::json!({"iss": "https://them.example", "aud": ["us"], "exp": at(60)});
    let rsa = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    use aws_lc_rs::encoding::AsDer as _;
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = rsa.as_der().unwrap();
    // It wants the key of RFC 8017, which stands behind a fixed head of 26 bytes in that of RFC 5208.
    let pkcs1 = &pkcs8.as_ref()[26..];
    let ed = aws_lc_rs::signature::Ed25519KeyPair::generate()
        .unwrap()
        .to_pkcs8v1()
        .unwrap();
    for (algorithm, key) in [
        (Algorithm::RS256, EncodingKey::from_rsa_der(pkcs1)),
        (Algorithm::PS384, EncodingKey::from_rsa_der(pkcs1)),
        (Algorithm::EdDSA, EncodingKey::from_ed_der(ed.as_ref())),
    ] {
        let token = encode(&Header::new(algorithm), &claims, &key).unwrap();
        let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, algorithm).unwrap();
        let document = serde_json::json!({"keys": [jwk]}).to_string();
        let keys = KeySet::parse(document.as_bytes()).unwrap();
        let expect = Expect {
            issuer: Some("https://them.example"),
            audiences: &["us"],
            ..Expect::default()
        };
        let verifier = Verifier { keys: &keys, expect };
        verifier
            .verify(&token, NOW)
            .unwrap_or_else(|error| panic!("{algorithm:?}: {error}"));
        let mut changed = token.clone();
        changed.pop();
        assert!(verifier.verify(&changed, NOW).is_err());
    }
}
