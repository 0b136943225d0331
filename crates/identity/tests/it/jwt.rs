//! Tokens that must be refused, each for its own reason, and the one that is taken.

use remit_core::json::{Object, Value};
use remit_core::object;
use remit_identity::{
    Algorithm, AssertionPolicy, Expect, JwtError, KeySet, PublicKey, Types, Use, Verifier, client_assertion,
    pkce,
};

use crate::help::{NOW, at, key, object, raw, set};

fn expect() -> Expect<'static> {
    Expect {
        issuer: Some("https://idp.example"),
        audiences: &["remit", "https://remit.example"],
        ..Expect::default()
    }
}

fn claims() -> Object {
    object(object! {
        "iss": "https://idp.example", "sub": "someone", "aud": "remit", "iat": at(0), "exp": at(60),
    })
}

fn verify(token: &str) -> Result<Value, JwtError> {
    let keys = set(&[&key(1), &key(2)]);
    let verified = Verifier {
        keys: &keys,
        expect: expect(),
    }
    .verify(token, NOW)?;
    Ok(Value::Object(verified.claims.0))
}

fn with(name: &str, value: impl Into<Value>) -> Object {
    let mut claims = claims();
    claims.insert(name, value);
    claims
}

#[test]
fn a_good_token_is_taken() {
    let token = key(2).sign(Some("JWT"), &claims()).unwrap();
    assert_eq!(verify(&token).unwrap(), Value::Object(claims()));
    // No `typ`, a list of audiences, times with fractions: all within the standard.
    let list = with("aud", remit_core::array!["other", "remit"]);
    assert!(verify(&key(1).sign(None, &list).unwrap()).is_ok());
    let fraction = format!(
        r#"{{"iss":"https://idp.example","aud":"remit","exp":{}.25}}"#,
        at(60)
    );
    let parsed = remit_core::json::parse(fraction.as_bytes(), &remit_core::json::Bounds::RESPONSE).unwrap();
    assert!(verify(&key(1).sign(None, &object(parsed)).unwrap()).is_ok());
}

#[test]
fn alg_confusion_and_none_are_refused() {
    let payload = Value::Object(claims()).to_string();
    for alg in ["none", "None", "NONE", "", "HS256", "HS512", "es256", "ES256K"] {
        let token = raw(&format!(r#"{{"alg":"{alg}"}}"#), &payload, b"x");
        assert!(matches!(verify(&token), Err(JwtError::Algorithm(_))), "{alg}");
    }
    assert!(matches!(
        verify(&raw("{}", &payload, b"x")),
        Err(JwtError::Header("alg"))
    ));
    let unsigned = raw(r#"{"alg":"none"}"#, &payload, b"");
    assert!(matches!(verify(&unsigned), Err(JwtError::Shape(_))));
    // RS256 named for an EC key: no key of the set fits.
    let token = raw(
        &format!(r#"{{"alg":"RS256","kid":"{}"}}"#, key(1).kid()),
        &payload,
        b"x",
    );
    assert!(matches!(verify(&token), Err(JwtError::Key(_))));
    // An algorithm that is fine elsewhere, but not expected here.
    let keys = set(&[&key(1)]);
    let narrow = Expect {
        algorithms: &[Algorithm::Rs256],
        ..expect()
    };
    let token = key(1).sign(None, &claims()).unwrap();
    assert!(matches!(
        Verifier {
            keys: &keys,
            expect: narrow
        }
        .verify(&token, NOW),
        Err(JwtError::Algorithm(_))
    ));
}

#[test]
fn the_sender_never_chooses_the_key() {
    let attacker = key(9);
    let jwk = attacker.public().to_jwk();
    for (name, value) in [
        ("jwk", Value::Object(jwk)),
        ("jku", Value::from("https://attacker.example/jwks")),
        ("x5u", Value::from("https://attacker.example/x5u")),
        ("x5c", remit_core::array!["AAAA"]),
        ("crit", remit_core::array!["exp"]),
        ("b64", Value::from(false)),
        ("enc", Value::from("A256GCM")),
        ("zip", Value::from("DEF")),
    ] {
        let header = object(object! { "alg": "ES256", "kid": attacker.kid(), (name): value });
        let token = attacker.sign_parts(&header, &claims()).unwrap();
        let refused = verify(&token).unwrap_err();
        assert!(
            matches!(refused, JwtError::Header(member) if member == name),
            "{name}: {refused}"
        );
    }
    for kid in ["", "../../keys/jwt.key", "' OR 1=1 --", "/dev/null", "\u{202e}x"] {
        let header = object(object! { "alg": "ES256", "kid": kid });
        let token = attacker.sign_parts(&header, &claims()).unwrap();
        assert!(matches!(verify(&token), Err(JwtError::Key(_))), "{kid}");
    }
    // Somebody else's `kid` over the attacker's signature.
    let header = object(object! { "alg": "ES256", "kid": key(1).kid() });
    let token = attacker.sign_parts(&header, &claims()).unwrap();
    assert_eq!(verify(&token), Err(JwtError::Signature));
    // Without `kid` there must be one fitting key, not two.
    let token = key(1)
        .sign_parts(&object(object! { "alg": "ES256" }), &claims())
        .unwrap();
    assert!(matches!(verify(&token), Err(JwtError::Key(_))));
}

#[test]
fn what_does_not_look_like_a_token_is_refused() {
    let good = key(1).sign(None, &claims()).unwrap();
    let nested = raw(r#"{"alg":"ES256","cty":"JWT"}"#, &good, b"x");
    let long = "x".repeat(16 * 1024 + 1);
    let twice = raw(r#"{"alg":"ES256","alg":"none"}"#, "{}", b"x");
    let deep = raw(
        &format!(r#"{{"alg":"ES256","x":{}1{}}}"#, "[".repeat(40), "]".repeat(40)),
        "{}",
        b"x",
    );
    let padded = good.replacen('.', "=.", 1);
    let json = r#"{"payload":"x","signatures":[]}"#;
    for bad in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        " ",
        json,
        &nested,
        &long,
        &twice,
        &deep,
        &padded,
    ] {
        assert!(verify(bad).is_err(), "{bad}");
    }
    // Every flipped letter is noticed.
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        if changed != good {
            assert!(verify(&changed).is_err(), "byte {at}");
        }
    }
}

#[test]
fn claims_are_held_to_what_is_expected() {
    let refused = |claims: Object| verify(&key(1).sign(None, &claims).unwrap()).unwrap_err();
    assert!(matches!(
        refused(with("iss", "https://idp.example/")),
        JwtError::Issuer(_)
    ));
    assert!(matches!(
        refused(with("iss", "https://IDP.example")),
        JwtError::Issuer(_)
    ));
    assert_eq!(refused(with("iss", 7)), JwtError::Claim("iss"));
    assert_eq!(refused(with("aud", "remit2")), JwtError::Audience);
    assert_eq!(
        refused(with("aud", remit_core::array!["REMIT", "other"])),
        JwtError::Audience
    );
    assert_eq!(refused(with("aud", remit_core::array![])), JwtError::Claim("aud"));
    assert_eq!(
        refused(with("aud", remit_core::array!["remit", 7])),
        JwtError::Claim("aud")
    );
    assert_eq!(
        refused(with("aud", object! { "remit": true })),
        JwtError::Claim("aud")
    );
    assert!(matches!(refused(with("exp", at(-61))), JwtError::Expired(_)));
    assert!(matches!(refused(with("nbf", at(61))), JwtError::NotYet(_)));
    assert!(matches!(refused(with("iat", at(61))), JwtError::Issued(_)));
    assert!(matches!(refused(with("iat", at(61 + 60))), JwtError::Issued(_)));
    assert_eq!(refused(with("exp", "soon")), JwtError::Claim("exp"));
    assert_eq!(refused(with("exp", -1)), JwtError::Claim("exp"));
    assert_eq!(
        refused(with("exp", 9_000_000_000_000_000_i64)),
        JwtError::Claim("exp")
    );
    for name in ["aud", "exp", "iss"] {
        let mut claims = claims();
        claims.remove(name);
        assert_eq!(refused(claims), JwtError::Missing(name.to_owned()));
    }
}

#[test]
fn skew_is_bounded_whatever_is_asked_for() {
    let keys = set(&[&key(1)]);
    let ended = |offset| {
        let mut claims = with("exp", at(offset));
        claims.remove("iat");
        key(1).sign(None, &claims).unwrap()
    };
    let token = ended(-30);
    let verify = |skew_ms| {
        Verifier {
            keys: &keys,
            expect: Expect { skew_ms, ..expect() },
        }
        .verify(&token, NOW)
    };
    assert!(verify(60_000).is_ok());
    assert!(matches!(verify(0), Err(JwtError::Expired(_))));
    assert!(matches!(verify(-5), Err(JwtError::Expired(_))));
    let old = ended(-100);
    let generous = Expect {
        skew_ms: i64::MAX,
        ..expect()
    };
    assert!(
        Verifier {
            keys: &keys,
            expect: generous
        }
        .verify(&old, NOW)
        .is_err()
    );
}

#[test]
fn types_lives_and_required_claims() {
    let keys = set(&[&key(1)]);
    let verify = |expect: Expect<'_>, typ, claims: &Object| {
        Verifier { keys: &keys, expect }.verify(&key(1).sign(typ, claims).unwrap(), NOW)
    };
    let only = Expect {
        types: Types::Only("at+jwt"),
        ..expect()
    };
    assert!(verify(only, Some("application/AT+JWT"), &claims()).is_ok());
    for typ in [None, Some("JWT"), Some("dpop+jwt")] {
        assert!(matches!(verify(only, typ, &claims()), Err(JwtError::Type(_))));
    }
    assert!(matches!(
        verify(expect(), Some("dpop+jwt"), &claims()),
        Err(JwtError::Type(_))
    ));
    let short = Expect {
        life_ms_max: Some(30_000),
        ..expect()
    };
    assert_eq!(verify(short, None, &claims()).unwrap_err(), JwtError::TooLong);
    let needs = Expect {
        required: &["jti"],
        ..expect()
    };
    assert_eq!(
        verify(needs, None, &claims()).unwrap_err(),
        JwtError::Missing("jti".to_owned())
    );
    assert!(verify(needs, None, &with("jti", "x")).is_ok());
    let one = Expect {
        one_audience: true,
        ..expect()
    };
    let list = with("aud", remit_core::array!["remit", "https://remit.example"]);
    assert_eq!(verify(one, None, &list).unwrap_err(), JwtError::Audience);
}

#[test]
fn a_key_is_held_to_its_own_alg_and_use() {
    let mut jwk = key(1).public().to_jwk();
    assert_eq!(PublicKey::from_jwk(&jwk).unwrap().usage(), Some(Use::Signature));
    jwk.insert("alg", "RS256");
    assert!(PublicKey::from_jwk(&jwk).is_err());
    jwk.insert("alg", "ES256");
    jwk.insert("use", "enc");
    assert!(KeySet::new(vec![]).find(None, Algorithm::Es256).is_none());
    assert!(PublicKey::from_jwk(&jwk).is_err());
}

#[test]
fn client_assertions_are_the_clients_own_and_short() {
    let policy = AssertionPolicy {
        audiences: &["https://remit.example", "https://remit.example/oauth/token"],
        client_id: "ci",
    };
    let good = object(object! {
        "iss": "ci", "sub": "ci", "aud": "https://remit.example/oauth/token", "jti": "1", "exp": at(60),
    });
    let check = |claims: &Object| {
        client_assertion(
            &key(1).sign(None, claims).unwrap(),
            &set(&[&key(1)]),
            &policy,
            NOW,
        )
    };
    let first = check(&good).unwrap();
    assert_eq!(first.replay, check(&good).unwrap().replay);
    for (name, value) in [
        ("iss", Value::from("other")),
        ("sub", Value::from("other")),
        ("aud", Value::from("https://remit.example/oauth/tokens")),
        (
            "aud",
            remit_core::array!["https://remit.example", "https://other.example"],
        ),
        ("exp", Value::from(at(3600))),
        ("exp", Value::from(at(-3600))),
        ("jti", Value::Null),
        ("jti", Value::from("")),
    ] {
        let mut bad = good.clone();
        bad.insert(name, value);
        assert!(check(&bad).is_err(), "{name}");
    }
}

#[test]
fn pkce_takes_s256_and_whole_verifiers() {
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert_eq!(pkce::challenge(verifier).as_deref(), Some(challenge));
    assert!(pkce::is_challenge(challenge) && pkce::matches(verifier, challenge));
    assert!(!pkce::matches(&verifier.to_lowercase(), challenge));
    assert!(!pkce::matches(challenge, challenge));
    for bad in [
        "",
        "short",
        &"a".repeat(42),
        &"a".repeat(129),
        &format!("{}!", "a".repeat(50)),
    ] {
        assert!(!pkce::matches(bad, challenge), "{bad}");
    }
    assert!(!pkce::is_challenge("") && !pkce::is_challenge(&format!("{challenge}=")));
}
