//! The token other audiences get, and the published vectors of its mission claim.

use remit_core::authority::{Authority, Scope};
use remit_core::json::{Bounds, Value, parse};
use remit_core::{array, object};
use remit_identity::{AccessToken, Actor, Confirmation, Mission, authorization_details, mission};

use crate::help::{NOW, at, key, set};

const ISSUER: &str = "https://as.example.com";

fn json(text: &str) -> Value {
    parse(text.as_bytes(), &Bounds::REQUEST).unwrap()
}

/// draft-mcguinness-oauth-mission, "Integrity Anchor Test Vectors".
#[test]
fn the_anchors_are_the_published_ones() {
    let intent = json(
        r#"{"goal":"Reconcile Q3 invoices","resources":["https://erp.example.com"],"expires_at":"2026-12-31T23:59:59Z"}"#,
    );
    let authority = json(
        r#"[{"type":"mission_resource_access","resource":"https://erp.example.com","actions":["invoices.read"]},
            {"type":"mission_resource_access","resource":"https://erp.example.com","actions":["journal-entries.write"],
             "constraints":{"max_amount":{"amount":"500.00","currency":"USD"}}}]"#,
    );
    assert_eq!(
        mission::anchor(ISSUER, mission::INTENT, &intent).to_string(),
        "sha-256:6mIFoCz79uCHNzKLfBpBwqFjoFXdpmpuc65486IqimQ"
    );
    assert_eq!(
        mission::anchor(ISSUER, mission::AUTHORITY, &authority).to_string(),
        "sha-256:vUCCfjGulit9u0qJ0Z6pQSNerZtXMqRlfJNCr4PzLro"
    );
    assert_ne!(
        mission::anchor(ISSUER, mission::AUTHORITY, &intent),
        mission::anchor(ISSUER, mission::INTENT, &intent)
    );
}

fn token() -> AccessToken {
    let mut authority = Authority::none();
    authority.tools.insert("files/read_file".parse().unwrap());
    authority.resources = Scope::Only(["files:/work".parse().unwrap()].into());
    AccessToken {
        issuer: ISSUER.to_owned(),
        audience: "https://vault.example".to_owned(),
        subject: "alice".to_owned(),
        client_id: "agent:invoice-bot".to_owned(),
        actor: Actor {
            issuer: "spiffe://acme".to_owned(),
            subject: "spiffe://acme/agent/helper/run/run_2".to_owned(),
            behalf: Some(Box::new(Actor {
                issuer: "spiffe://acme".to_owned(),
                subject: "spiffe://acme/agent/invoice-bot/run/run_1".to_owned(),
                behalf: None,
            })),
        },
        confirmation: Some(Confirmation::Jkt("thumb".to_owned())),
        transaction: "dec_1".to_owned(),
        id: "jti_1".to_owned(),
        scope: None,
        mission: Mission {
            id: "task_1".to_owned(),
            issuer: ISSUER.to_owned(),
        },
        details: authorization_details(&authority),
        agent: "invoice-bot".to_owned(),
        run: "run_2".to_owned(),
        environment: "production".to_owned(),
        issued_at: NOW,
        expires_at: NOW.plus_ms(86_400_000),
    }
}

#[test]
fn initiator_run_task_and_authority_are_in_it() {
    let claims = Value::Object(token().claims());
    assert_eq!(claims.pointer("/sub"), Some(&Value::from("alice")));
    assert_eq!(
        claims.pointer("/act/sub").and_then(Value::as_str),
        Some("spiffe://acme/agent/helper/run/run_2")
    );
    assert_eq!(
        claims.pointer("/act/act/sub").and_then(Value::as_str),
        Some("spiffe://acme/agent/invoice-bot/run/run_1")
    );
    assert_eq!(claims.pointer("/cnf"), Some(&object! { "jkt": "thumb" }));
    assert_eq!(claims.pointer("/task"), Some(&Value::from("task_1")));
    assert_eq!(claims.pointer("/env"), Some(&Value::from("production")));
    // Five minutes, whatever was asked for.
    assert_eq!(claims.pointer("/exp"), Some(&Value::from(at(300))));
    let details = claims.pointer("/authorization_details").unwrap();
    assert_eq!(details.pointer("/0/actions"), Some(&array!["files/read_file"]));
    let anchor = mission::anchor(ISSUER, mission::AUTHORITY, details).to_string();
    assert_eq!(
        claims.pointer("/mission/authority_hash"),
        Some(&Value::from(anchor))
    );
}

#[test]
fn it_verifies_as_an_access_token_and_nothing_else() {
    let signed = key(1).sign(Some(AccessToken::TYP), &token().claims()).unwrap();
    let keys = set(&[&key(1)]);
    let expect = remit_identity::Expect {
        issuer: Some(ISSUER),
        audiences: &["https://vault.example"],
        one_audience: true,
        types: remit_identity::Types::Only(AccessToken::TYP),
        ..remit_identity::Expect::default()
    };
    let verifier = remit_identity::Verifier { keys: &keys, expect };
    assert!(verifier.verify(&signed, NOW).is_ok());
    // Not a JWT-SVID, and not for another audience.
    let domain = "acme".parse().unwrap();
    assert!(
        remit_identity::verify_jwt_svid(&signed, &keys, &domain, &["https://vault.example"], NOW).is_err()
    );
    let other = remit_identity::Expect {
        audiences: &["https://other.example"],
        ..expect
    };
    assert!(
        remit_identity::Verifier {
            keys: &keys,
            expect: other
        }
        .verify(&signed, NOW)
        .is_err()
    );
}
