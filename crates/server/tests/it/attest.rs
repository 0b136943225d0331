//! Attestation over HTTP: evidence and a key in, a token bound to that key out; copies are refused and named.

use remit_core::json::{Object, Value as Json};
use remit_core::object;
use remit_identity::x509::Ca;
use remit_identity::{KeySet, SigningKey, SpiffeId, TrustDomain, Use, base64url, bundle_document, jwt_svid};
use remit_server::attest::bind::await_run;
use remit_server::attest::enrol::enrol;
use remit_server::config::{Attest, Config};
use remit_server::findings;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, dial, name};
use crate::issuer_stub::IssuerStub;
use crate::tls_client::{Files, Identity};

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
    // What no token may look like, whoever signed it.
    let part = |value: Json| base64url(value.to_string().as_bytes());
    let good = token(&|_| {});
    let payload = good.split('.').nth(1).unwrap();
    let unsigned = format!("{}.{payload}.", part(object! { "alg": "none" }));
    let symmetric = format!(
        "{}.{payload}.AAAA",
        part(object! { "alg": "HS256", "kid": key(7).kid() })
    );
    let own_key = {
        let mut jwk = key(8).public().to_jwk();
        jwk.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name));
        let header = members(object! { "alg": "ES256", "kid": key(7).kid(), "jwk": Json::Object(jwk) });
        let claims = members(
            object! { "iss": "https://ci.example", "sub": "repo:acme/web", "aud": "remit", "exp": now + 60,
            "repository": "acme/web" },
        );
        key(8).sign_parts(&header, &claims).unwrap()
    };
    let deep = token(&|claims| {
        let deep = (0..100).fold(Json::from(1), |inner, _| {
            Json::Object(Object::from_iter([("x", inner)]))
        });
        claims.insert("deep", deep);
    });
    let long = token(&|claims| {
        claims.insert("padding", "x".repeat(20_000));
    });
    let several = token(&|claims| {
        claims.insert("aud", (0..40).map(|n| format!("a{n}")).collect::<Json>());
    });
    for (why, bad) in [
        ("unsigned", unsigned),
        ("symmetric", symmetric),
        ("a key of its own", own_key),
        ("deep", deep),
        ("long", long),
        ("several audiences", several),
        (
            "ahead of time",
            token(&|claims| drop(claims.insert("iat", now + 600))),
        ),
    ] {
        let (status, answer) = post(&house, &proof(&house, &key(1), why), &body(bad)).await;
        assert!(status == 401 || status == 400, "{why}: {status} {answer}");
    }
    let (status, answer) = post(&house, &proof(&house, &key(1), "good"), &body(good)).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_is_discovered_and_its_next_key_is_looked_for_once() {
    let issuer = IssuerStub::start(3).await;
    let attest = |allow_private: bool| Attest {
        issuer: Some(issuer.url()),
        allow_private,
        audience: "remit".to_owned(),
        claims: [("repository".to_owned(), "acme/web".to_owned())].into(),
        agent: "coder".to_owned(),
        shared: true,
        ..Attest::default()
    };
    let mut config = Config::default();
    config.attest.insert("ci".to_owned(), attest(true));
    config.attest.insert("closed".to_owned(), attest(false));
    config.check().unwrap();
    let house = House::open_with(config).await;
    let (_first, _second) = (waiting(&house).await, waiting(&house).await);
    let now = house.app().clock.now().0 / 1000;
    let body = |attestor: &str, token: &str| json!({"method": "token", "attestor": attestor, "token": token});
    let token = |subject: &str| issuer.token(now, subject, "remit", object! { "repository": "acme/web" });

    // Nothing of ours asks a private address that was not allowed.
    let (status, answer) = post(
        &house,
        &proof(&house, &key(1), "closed"),
        &body("closed", &token("a")),
    )
    .await;
    assert_eq!(status, 503, "{answer}");
    assert_eq!(issuer.asked(), Vec::<String>::new());

    let (status, answer) = post(&house, &proof(&house, &key(1), "a"), &body("ci", &token("a"))).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(issuer.asked(), ["/.well-known/openid-configuration", "/keys"]);
    // The issuer rotates. What it published is kept for half a minute whatever tokens say, so that nobody makes us ask.
    issuer.0.keys.lock().unwrap().push(4);
    let (status, answer) = post(&house, &proof(&house, &key(2), "b"), &body("ci", &token("b"))).await;
    assert_eq!(status, 401, "{answer}");
    assert_eq!(issuer.asked().len(), 2);
    let records = house.records().await;
    let bound: Vec<_> = records
        .iter()
        .filter(|record| record.kind == "run.attest")
        .collect();
    assert_eq!(bound.len(), 1);
    assert_eq!(
        bound[0]
            .detail
            .get("identity")
            .and_then(|identity| identity.as_str()),
        Some(format!("{} a", issuer.url()).as_str())
    );
}

/// `[attest.mesh]`: workloads under `spiffe://acme/job`, by a bundle in a file.
fn mesh(file: std::path::PathBuf) -> Attest {
    Attest {
        trust_domain: Some("acme".to_owned()),
        file: Some(file),
        audience: "remit".to_owned(),
        spiffe_id: Some("spiffe://acme/job".to_owned()),
        agent: "coder".to_owned(),
        ..Attest::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jwt_svid_makes_a_run_of_the_agent_its_path_says() {
    let folder = std::env::temp_dir().join(format!("remit-attest-jwt-svid-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("bundle.json");
    let authority = key(5).public().clone().named(key(5).kid(), Use::JwtSvid);
    let document = bundle_document(&[authority], &[], 1, 60);
    std::fs::write(&file, Json::Object(document).to_string()).unwrap();
    let mut config = Config::default();
    config.attest.insert("mesh".to_owned(), mesh(file));
    config.check().unwrap();
    let house = House::open_with(config).await;
    let (_first, _second) = (waiting(&house).await, waiting(&house).await);
    let now = house.app().clock.now();
    let svid = |by: u8, id: &str, audience: &str| {
        let id: SpiffeId = id.parse().unwrap();
        jwt_svid(&key(by), &id, audience, Object::new(), now, now.plus_ms(60_000)).unwrap()
    };
    let body = |token: String| json!({"method": "token", "attestor": "mesh", "token": token});
    for (why, token) in [
        ("another key", svid(6, "spiffe://acme/job/a", "remit")),
        ("another audience", svid(5, "spiffe://acme/job/a", "other")),
        ("another domain", svid(5, "spiffe://acme.evil/job/a", "remit")),
        ("a longer name", svid(5, "spiffe://acme/jobs/a", "remit")),
        ("beside", svid(5, "spiffe://acme/other", "remit")),
    ] {
        let (status, answer) = post(&house, &proof(&house, &key(1), why), &body(token)).await;
        assert_eq!(status, 401, "{why}: {answer}");
    }
    let good = svid(5, "spiffe://acme/job/a", "remit");
    let (status, answer) = post(&house, &proof(&house, &key(1), "good"), &body(good.clone())).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["token_type"], "DPoP");
    // Its copy, by another key.
    let (status, answer) = post(&house, &proof(&house, &key(2), "copy"), &body(good)).await;
    assert_eq!(status, 409, "{answer}");
    assert_eq!(
        findings::latest(house.app(), 10).await.unwrap()[0].kind,
        "identity_shared"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_x509_svid_makes_a_run_that_proves_itself_by_it() {
    let files = Files::new("attest");
    let domain: TrustDomain = "acme".parse().unwrap();
    let now = remit_core::time::Clock::now(&remit_server::clock::SystemClock);
    let ca = |byte: u8| Ca::self_signed(&domain, &key(byte), now, now.plus_ms(3_600_000)).unwrap();
    let (ours, forged) = (ca(8), ca(9));
    let file = files.folder.join("bundle.json");
    let authority = (ours.public().clone(), ours.certificate().clone());
    let document = bundle_document(&[], &[authority], 1, 60);
    std::fs::write(&file, Json::Object(document).to_string()).unwrap();
    let mut config = files.config();
    config.attest.insert("mesh".to_owned(), mesh(file));
    config.check().unwrap();
    let house = House::open_with(config).await;
    house.add_stub().await;
    let (first, _second) = (waiting(&house).await, waiting(&house).await);
    let svid = |ca: &Ca, path: &str| {
        let id: SpiffeId = format!("spiffe://acme{path}").parse().unwrap();
        let made = ca.issue(&id, now, now.plus_ms(600_000), &*house.app().entropy);
        Identity::of_svid(made.unwrap())
    };
    let address = house.running.tls_address.unwrap();
    let body =
        json!({"method": "x509-svid", "attestor": "mesh", "task": first.task.id.to_string()}).to_string();
    let request = format!(
        "POST /api/v1/attest HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let send = async |identity: Option<&Identity>| {
        let answer = crate::tls_client::ask(&house, &files.certificate, identity, &request).await;
        crate::tls_client::split(&answer.unwrap())
    };
    let mine = svid(&ours, "/job/a");
    for (why, identity) in [
        ("none", None),
        ("another authority", Some(svid(&forged, "/job/a"))),
        ("beside", Some(svid(&ours, "/other"))),
        ("a certificate of nobody", Some(Identity::self_signed())),
    ] {
        let (status, answer) = send(identity.as_ref()).await;
        assert_eq!(status, 401, "{why}: {answer}");
    }
    let (status, answer) = send(Some(&mine)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (answer["run"].as_str(), answer["token_type"].as_str()),
        (Some(first.task.run.to_string().as_str()), Some("Bearer"))
    );
    assert_eq!(answer["mcp_url"], format!("https://{address}/mcp"));
    let list = crate::tls_client::list(address, answer["token"].as_str().unwrap());
    for (identity, expected) in [
        (Some(&mine), "HTTP/1.1 200"),
        (Some(&svid(&ours, "/job/a")), "HTTP/1.1 401"),
        (None, "HTTP/1.1 401"),
    ] {
        let answer = crate::tls_client::ask(&house, &files.certificate, identity, &list).await;
        let answer = answer.unwrap();
        assert!(answer.starts_with(expected), "{answer}");
    }
    // The same workload for the other task that waits: its identity has a live run.
    let body = json!({"method": "x509-svid", "attestor": "mesh"}).to_string();
    let again = format!(
        "POST /api/v1/attest HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer =
        crate::tls_client::ask(&house, &files.certificate, Some(&svid(&ours, "/job/a")), &again).await;
    let (status, answer) = crate::tls_client::split(&answer.unwrap());
    assert_eq!(status, 409, "{answer}");
    let mut kinds: Vec<String> = findings::latest(house.app(), 10)
        .await
        .unwrap()
        .into_iter()
        .map(|finding| finding.kind)
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["identity_shared", "key_mismatch", "proof_missing"]);
}
