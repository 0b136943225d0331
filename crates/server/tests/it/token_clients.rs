//! The token endpoint: who may ask, by keys and SVIDs. Whoever is taken gets a governed task, whoever is not gets nothing.

use remit_core::confinement::Proof;
use remit_core::digest::Digest;
use remit_core::json::{Object, Value as Json};
use remit_core::object;
use remit_identity::x509::Ca;
use remit_identity::{KeySet, SpiffeId, TrustDomain, Use, base64url, bundle_document, jwt_svid};
use remit_server::config::{Attest, Config, OauthClient};
use remit_server::engine::session;
use remit_server::issuer::jwt_svid as issue;
use remit_server::tasks::open::NewTask;

use crate::house::{House, name};
use crate::issuer_stub::{key, members};
use crate::tls::{add_pipeline, with_client};
use crate::tls_client::{Files, Identity, form as form_over_tls};
use crate::token_bed::{Folder, ISSUER, JWT_BEARER, JWT_SPIFFE, ask, governed, now_s, of_ci, tasks};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_proves_itself_by_its_key_once_per_assertion() {
    let folder = Folder::new("key");
    let mut config = Config::default();
    with_client(&mut config, &folder.0);
    let jwks = folder.0.join("client.jwks");
    let set = KeySet::new(vec![key(1).public().clone()]);
    std::fs::write(&jwks, Json::Object(set.to_document()).to_string()).unwrap();
    let robot = OauthClient {
        jwks: Some(jwks),
        ..of_ci(&mut config)
    };
    config.oauth.clients.insert("robot".to_owned(), robot);
    config.issuer.url = Some(ISSUER.to_owned());
    config.check().unwrap();
    let house = House::open_with(config).await;
    house.add_stub().await;
    add_pipeline(&house).await;
    let now = now_s(&house);
    let claims = |jti: &str| {
        members(object! {
            "iss": "robot", "sub": "robot", "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60,
        })
    };
    let with = |assertion: &str| {
        [
            ("grant_type".to_owned(), "client_credentials".to_owned()),
            ("client_assertion_type".to_owned(), JWT_BEARER.to_owned()),
            ("client_assertion".to_owned(), assertion.to_owned()),
        ]
    };
    let send = async |assertion: String| {
        let pairs = with(&assertion);
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        ask(&house, &[&pairs]).await
    };
    let good = key(1).sign(None, &claims("a")).unwrap();
    let (status, answer) = send(good.clone()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        governed(&house, &answer).await,
        ("pipeline".to_owned(), "coder".to_owned())
    );
    let before = tasks(&house).await;
    let (status, answer) = send(good).await;
    assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")));

    let part = |value: Json| base64url(value.to_string().as_bytes());
    let unsigned = |alg: &str| {
        let header = object! { "alg": alg, "kid": key(1).kid() };
        format!("{}.{}.", part(header), part(Json::Object(claims("none"))))
    };
    let with_header = |more: Object, by: u8| {
        let mut header = members(object! { "alg": "ES256", "kid": key(1).kid() });
        for (name, value) in more {
            header.insert(name, value);
        }
        key(by).sign_parts(&header, &claims("header")).unwrap()
    };
    let mut stranger = key(2).public().to_jwk();
    stranger.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name));
    let nested = {
        let mut value = Json::from(1);
        for _ in 0..200 {
            value = Json::Object(Object::from_iter([("x", value)]));
        }
        let mut claims = claims("nested");
        claims.insert("deep", value);
        claims
    };
    let mut long = claims("long");
    long.insert("padding", "x".repeat(20_000));
    let mut many = claims("many");
    many.insert("aud", remit_core::array![ISSUER, "https://other.example"]);
    let mut early = claims("early");
    early.insert("iat", now + 600);
    early.insert("exp", now + 660);
    let mut late = claims("late");
    late.insert("iat", now - 900);
    late.insert("exp", now - 600);
    let hmac = {
        let header = object! { "alg": "HS256", "kid": key(1).kid() };
        let signed = format!("{}.{}", part(header), part(Json::Object(claims("hmac"))));
        let secret = Json::Object(KeySet::new(vec![key(1).public().clone()]).to_document()).to_string();
        let tag = Digest::of_parts(&[secret.as_bytes(), signed.as_bytes()]);
        format!("{signed}.{}", base64url(tag.as_bytes()))
    };
    for (why, assertion) in [
        ("unsigned", unsigned("none")),
        ("unsigned, in capitals", unsigned("NONE")),
        ("the public key as a secret", hmac),
        ("another key", key(2).sign(None, &claims("other")).unwrap()),
        (
            "a key of its own in the header",
            with_header(Object::from_iter([("jwk", Json::Object(stranger))]), 2),
        ),
        (
            "a key at an address of its own",
            with_header(Object::from_iter([("jku", "https://evil.example/jwks")]), 2),
        ),
        (
            "a path as key identifier",
            with_header(Object::from_iter([("kid", "../../../dev/null")]), 1),
        ),
        (
            "a query as key identifier",
            with_header(Object::from_iter([("kid", "' OR '1'='1")]), 1),
        ),
        (
            "an extension it must understand",
            with_header(Object::from_iter([("crit", remit_core::array!["x"])]), 1),
        ),
        ("nested", key(1).sign(None, &nested).unwrap()),
        ("oversized", key(1).sign(None, &long).unwrap()),
        ("for several", key(1).sign(None, &many).unwrap()),
        ("from the future", key(1).sign(None, &early).unwrap()),
        ("over", key(1).sign(None, &late).unwrap()),
        ("no token", "x.y.z".to_owned()),
    ] {
        let (status, answer) = send(assertion).await;
        assert_eq!(
            (status, answer["error"].as_str()),
            (401, Some("invalid_client")),
            "{why}: {answer}"
        );
    }
    assert_eq!(tasks(&house).await, before);
    let records = house.records().await;
    assert!(
        records
            .iter()
            .filter(|record| record.kind == "oauth.refused")
            .count()
            >= 15
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_proves_itself_by_a_jwt_svid_of_ours_or_of_a_configured_domain() {
    let folder = Folder::new("jwt-svid");
    let mut config = Config::default();
    with_client(&mut config, &folder.0);
    config.issuer.url = Some(ISSUER.to_owned());
    let bundle = folder.0.join("acme.json");
    let authority = key(5).public().clone().named(key(5).kid(), Use::JwtSvid);
    let document = Json::Object(bundle_document(&[authority], &[], 1, 60)).to_string();
    std::fs::write(&bundle, document).unwrap();
    config.attest.insert(
        "acme".to_owned(),
        Attest {
            trust_domain: Some("acme".to_owned()),
            file: Some(bundle),
            audience: "remit".to_owned(),
            spiffe_id: Some("spiffe://acme/ci".to_owned()),
            agent: "coder".to_owned(),
            ..Attest::default()
        },
    );
    for (id, spiffe_id) in [
        ("runs", "spiffe://remit.local/agent/coder/*"),
        ("deployer", "spiffe://acme/ci/deploy"),
        ("lost", "spiffe://nowhere/x"),
    ] {
        let client = OauthClient {
            spiffe_id: Some(spiffe_id.to_owned()),
            ..of_ci(&mut config)
        };
        config.oauth.clients.insert(id.to_owned(), client);
    }
    config.check().unwrap();
    let house = House::open_with(config).await;
    house.add_stub().await;
    add_pipeline(&house).await;
    let app = house.app();
    let send = async |svid: &str, more: &[(&str, &str)]| {
        let base = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", JWT_SPIFFE),
            ("client_assertion", svid),
        ];
        ask(&house, &[&base, more]).await
    };

    // A run of ours, for us as the audience: by a decision, as every identity document.
    let new = NewTask {
        destinations: vec![format!("url:{ISSUER}").parse().unwrap()],
        ..house.wish(&["fs/*"], &["fs:/srv/repo"])
    };
    let opened = remit_server::tasks::open::open(app, new, &name("alice"))
        .await
        .unwrap();
    let live = session::of_task(app, opened.task.id).await.unwrap();
    let (_, svid) = issue::issue(app, &live, ISSUER, Proof::Bearer).await.unwrap();
    let (status, answer) = send(&svid, &[]).await;
    assert_eq!(status, 200, "{answer}");
    let (initiator, agent) = governed(&house, &answer).await;
    assert_eq!((initiator.as_str(), agent.as_str()), ("pipeline", "coder"));

    // The run ends, and what it was given with it.
    remit_server::tasks::end::end(
        app,
        opened.task.id,
        remit_core::task::Ending::Completed,
        &name("alice"),
        "done",
    )
    .await
    .unwrap();
    let (status, refused) = send(&svid, &[]).await;
    assert_eq!(
        (status, refused["error"].as_str()),
        (401, Some("invalid_client")),
        "{refused}"
    );

    // One of another trust domain, whose bundle is known; agents of SPIFFE use one for a while.
    let now = app.clock.now();
    let acme = |path: &str, audience: &str, life_ms: i64| {
        let id: SpiffeId = format!("spiffe://acme{path}").parse().unwrap();
        jwt_svid(&key(5), &id, audience, Object::new(), now, now.plus_ms(life_ms)).unwrap()
    };
    let good = acme("/ci/deploy", ISSUER, 60_000);
    for _ in 0..2 {
        assert_eq!(send(&good, &[]).await.0, 200);
    }
    assert_eq!(send(&good, &[("client_id", "deployer")]).await.0, 200);
    let named = [("client_id", "spiffe://acme/ci/deploy")];
    assert_eq!(
        send(&good, &named).await.0,
        401,
        "an assertion is of the client it names"
    );

    let before = tasks(&house).await;
    let two = {
        let claims = members(object! {
            "sub": "spiffe://acme/ci/deploy", "aud": remit_core::array![ISSUER, "https://other.example"],
            "iat": now.0 / 1000, "exp": now.0 / 1000 + 60,
        });
        key(5).sign(Some("JWT"), &claims).unwrap()
    };
    let long = {
        let claims = members(object! {
            "sub": "spiffe://acme/ci/deploy", "aud": ISSUER, "iat": now.0 / 1000, "exp": now.0 / 1000 + 86_400,
        });
        key(5).sign(Some("JWT"), &claims).unwrap()
    };
    let forged = {
        let id: SpiffeId = "spiffe://acme/ci/deploy".parse().unwrap();
        jwt_svid(&key(6), &id, ISSUER, Object::new(), now, now.plus_ms(60_000)).unwrap()
    };
    // The keys of one domain do not speak for another.
    let borrowed = {
        let id: SpiffeId = opened.spiffe_id.parse().unwrap();
        jwt_svid(&key(5), &id, ISSUER, Object::new(), now, now.plus_ms(60_000)).unwrap()
    };
    for (why, svid, more) in [
        (
            "the token endpoint as audience",
            acme("/ci/deploy", &format!("{ISSUER}/oauth/token"), 60_000),
            None,
        ),
        (
            "another audience",
            acme("/ci/deploy", "https://other.example", 60_000),
            None,
        ),
        ("two audiences", two, None),
        ("a day long", long, None),
        ("another key", forged, None),
        ("another domain's key", borrowed, None),
        ("a longer name", acme("/ci/deploy2", ISSUER, 60_000), None),
        ("one below", acme("/ci/deploy/x", ISSUER, 60_000), None),
        (
            "another client's name",
            acme("/ci/deploy", ISSUER, 60_000),
            Some("runs"),
        ),
        (
            "a client with a secret",
            acme("/ci/deploy", ISSUER, 60_000),
            Some("ci"),
        ),
        (
            "an unknown domain",
            acme("/ci/deploy", ISSUER, 60_000),
            Some("lost"),
        ),
    ] {
        let more: Vec<(&str, &str)> = more.iter().map(|id| ("client_id", *id)).collect();
        let (status, answer) = send(&svid, &more).await;
        assert_eq!(
            (status, answer["error"].as_str()),
            (401, Some("invalid_client")),
            "{why}: {answer}"
        );
    }
    // A JWT-SVID is no assertion of RFC 7523, and the other way round.
    let pairs = [
        ("grant_type", "client_credentials"),
        ("client_id", "deployer"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &good),
    ];
    assert_eq!(ask(&house, &[&pairs]).await.0, 401);
    assert_eq!(tasks(&house).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_proves_itself_by_its_x509_svid_and_its_token_is_bound_to_it() {
    let files = Files::new("x509-client");
    let mut config = files.config();
    with_client(&mut config, &files.folder);
    let domain: TrustDomain = "acme".parse().unwrap();
    let now = remit_core::time::Clock::now(&remit_server::clock::SystemClock);
    let ca = Ca::self_signed(&domain, &key(8), now, now.plus_ms(3_600_000)).unwrap();
    let authority = (ca.public().clone(), ca.certificate().clone());
    let bundle = files.folder.join("acme.json");
    let document = Json::Object(bundle_document(&[], &[authority], 1, 60)).to_string();
    std::fs::write(&bundle, document).unwrap();
    config.attest.insert(
        "acme".to_owned(),
        Attest {
            trust_domain: Some("acme".to_owned()),
            file: Some(bundle),
            audience: "remit".to_owned(),
            spiffe_id: Some("spiffe://acme/ci".to_owned()),
            agent: "coder".to_owned(),
            ..Attest::default()
        },
    );
    let client = OauthClient {
        spiffe_id: Some("spiffe://acme/ci/deploy".to_owned()),
        ..of_ci(&mut config)
    };
    config.oauth.clients.insert("deployer".to_owned(), client);
    config.check().unwrap();
    let house = House::open_with(config).await;
    house.add_stub().await;
    add_pipeline(&house).await;
    let svid = |path: &str| {
        let id: SpiffeId = format!("spiffe://acme{path}").parse().unwrap();
        let made = ca.issue(&id, now, now.plus_ms(600_000), &*house.app().entropy);
        Identity::of_svid(made.unwrap())
    };
    let (mine, theirs) = (svid("/ci/deploy"), svid("/ci/other"));
    let send = async |identity: Option<&Identity>, client: &str| {
        let pairs = [("grant_type", "client_credentials"), ("client_id", client)];
        form_over_tls(&house, &files.certificate, identity, "/oauth/token", &pairs).await
    };
    let by_name = send(Some(&mine), "spiffe://acme/ci/deploy").await;
    assert_eq!(by_name.0, 200, "{}", by_name.1);
    let (status, granted) = send(Some(&mine), "deployer").await;
    assert_eq!(status, 200, "{granted}");
    let address = house.running.tls_address.unwrap();
    let list = crate::tls_client::list(address, granted["access_token"].as_str().unwrap());
    let answer = crate::tls_client::ask(&house, &files.certificate, Some(&mine), &list).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    // Its next certificate has another thumbprint: the token is that of the one before.
    let next = svid("/ci/deploy");
    let answer = crate::tls_client::ask(&house, &files.certificate, Some(&next), &list).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 401"));

    let before = tasks(&house).await;
    let self_signed = Identity::self_signed();
    for (why, identity, client) in [
        ("another identity", Some(&theirs), "deployer"),
        (
            "another identity by the name",
            Some(&theirs),
            "spiffe://acme/ci/deploy",
        ),
        (
            "its own name, registered nowhere",
            Some(&theirs),
            "spiffe://acme/ci/other",
        ),
        ("a certificate of nobody", Some(&self_signed), "deployer"),
        ("no certificate", None, "deployer"),
    ] {
        let (status, answer) = send(identity, client).await;
        assert_eq!(
            (status, answer["error"].as_str()),
            (401, Some("invalid_client")),
            "{why}: {answer}"
        );
    }
    // Over the plain listener there is nothing to show.
    let pairs = [("grant_type", "client_credentials"), ("client_id", "deployer")];
    assert_eq!(ask(&house, &[&pairs]).await.0, 401);
    assert_eq!(tasks(&house).await, before);
}
