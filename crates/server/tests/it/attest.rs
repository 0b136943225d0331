//! Attestation over HTTP: evidence and a key in, a token bound to that key out; copies are refused and named.

use remit_core::json::{Object, Value as Json};
use remit_core::object;
use remit_identity::{KeySet, SigningKey};
use remit_server::attest::bind::await_run;
use remit_server::attest::enrol::enrol;
use remit_server::config::{Attest, Config};
use remit_server::findings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, dial, name};

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32]).unwrap()
}

fn members(value: Json) -> Object {
    match value {
        Json::Object(members) => members,
        _ => Object::new(),
    }
}

fn proof(house: &House, key: &SigningKey, jti: &str) -> String {
    let mut jwk = key.public().to_jwk();
    jwk.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name));
    let header = members(object! { "typ": "dpop+jwt", "alg": "ES256", "jwk": Json::Object(jwk) });
    let now = house.app().clock.now();
    let claims = members(object! {
        "htm": "POST", "htu": format!("http://{}/api/v1/attest", house.running.address), "jti": jti,
        "iat": now.0 / 1000, "nonce": house.app().nonces.at(now),
    });
    key.sign_parts(&header, &claims).unwrap()
}

async fn post(house: &House, proof: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let request = format!(
        "POST /api/v1/attest HTTP/1.1\r\nHost: {}\r\nDPoP: {proof}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        house.running.address,
        body.len()
    );
    let mut stream = dial(house.running.address).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn waiting(house: &House) -> remit_server::tasks::open::Opened {
    let opened = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    await_run(house.app(), opened.task.run).await.unwrap();
    opened
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_makes_one_run_and_its_copy_is_named() {
    let house = House::open("100ms").await;
    let (first, _second) = (waiting(&house).await, waiting(&house).await);
    let (enrolment, _) = enrol(house.app(), &name("coder"), 60_000, &name("alice"))
        .await
        .unwrap();
    let body = json!({"method": "enrolment", "token": enrolment, "task": first.task.id.to_string()});
    let (status, got) = post(&house, &proof(&house, &key(1), "a"), &body).await;
    assert_eq!(status, 200, "{got}");
    assert_eq!(got["run"], first.task.run.to_string());
    assert_eq!(got["token_type"], "DPoP");

    // The copy, by another key, for the other waiting task.
    let (status, refused) = post(
        &house,
        &proof(&house, &key(2), "b"),
        &json!({"method": "enrolment", "token": enrolment}),
    )
    .await;
    assert_eq!(status, 401, "{refused}");
    let found = findings::latest(house.app(), 10).await.unwrap();
    assert_eq!(found[0].kind, "enrolment_reused");
    assert!(
        found[0].message.contains(key(1).kid()) && found[0].message.contains(key(2).kid()),
        "{found:?}"
    );
    // The ledger alone has no enrolment in the clear.
    assert!(
        post(
            &house,
            &proof(&house, &key(3), "c"),
            &json!({"method": "enrolment", "token": "remit-enrol_guess"})
        )
        .await
        .0 == 401
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oidc_token_makes_the_agent_its_claims_say() {
    let folder = std::env::temp_dir().join(format!("remit-attest-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("jwks.json");
    let set = KeySet::new(vec![key(7).public().clone()]);
    std::fs::write(&file, Json::Object(set.to_document()).to_string()).unwrap();
    let mut config = Config::default();
    config.attest.insert(
        "ci".to_owned(),
        Attest {
            issuer: Some("https://ci.example".to_owned()),
            file: Some(file),
            audience: "remit".to_owned(),
            claims: [("repository".to_owned(), "acme/web".to_owned())].into(),
            agent: "coder".to_owned(),
            ..Attest::default()
        },
    );
    config.check().unwrap();
    let house = House::open_with(config).await;
    let (_first, _second) = (waiting(&house).await, waiting(&house).await);
    let now = house.app().clock.now().0 / 1000;
    let token = |change: &dyn Fn(&mut Object)| {
        let mut claims = members(object! {
            "iss": "https://ci.example", "sub": "repo:acme/web", "aud": "remit", "iat": now, "exp": now + 60,
            "repository": "acme/web",
        });
        change(&mut claims);
        key(7).sign(None, &claims).unwrap()
    };
    let body = |token: String| json!({"method": "token", "attestor": "ci", "token": token});
    for (why, change) in [
        (
            "another repository",
            (|claims: &mut Object| {
                claims.insert("repository", "acme/web2");
            }) as fn(&mut Object),
        ),
        ("no repository", |claims| {
            claims.remove("repository");
        }),
        ("another issuer", |claims| {
            claims.insert("iss", "https://evil.example");
        }),
        ("another audience", |claims| {
            claims.insert("aud", "somebody");
        }),
        ("over", |claims| {
            claims.insert("exp", 1_000);
        }),
    ] {
        let (status, answer) = post(&house, &proof(&house, &key(1), why), &body(token(&change))).await;
        assert_eq!(status, 401, "{why}: {answer}");
    }
    let (status, answer) = post(&house, &proof(&house, &key(1), "good"), &body(token(&|_| {}))).await;
    assert_eq!(status, 200, "{answer}");
    // A second runtime with the same identity, by another key, while the first lives.
    let (status, answer) = post(&house, &proof(&house, &key(2), "second"), &body(token(&|_| {}))).await;
    assert_eq!(status, 409, "{answer}");
    assert_eq!(
        findings::latest(house.app(), 10).await.unwrap()[0].kind,
        "identity_shared"
    );
    // No key, no token; a proof used twice; an attestor nobody configured.
    assert_eq!(post(&house, "", &body(token(&|_| {}))).await.0, 401);
    assert_eq!(
        post(&house, &proof(&house, &key(2), "second"), &body(token(&|_| {})))
            .await
            .0,
        401
    );
    let unknown = json!({"method": "token", "attestor": "other", "token": "x"});
    assert_eq!(
        post(&house, &proof(&house, &key(2), "third"), &unknown).await.0,
        401
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
