//! The token endpoint: for whom, by tokens about people and systems; and where the keys of those are looked for.

use remit_core::digest::Digest;
use remit_core::json::{Object, Value as Json};
use remit_core::object;
use remit_identity::base64url;
use remit_server::config::{Config, Oidc, Subject};

use crate::house::{House, name};
use crate::issuer_stub::{IssuerStub, Manner, key, members};
use crate::tls::{add_pipeline, with_client};
use crate::token_bed::{ASSERTION, CI, EXCHANGE, Folder, ID_TOKEN, JWT, ask, governed, now_s, tasks};

fn subject(issuer: &IssuerStub) -> Subject {
    Subject {
        initiator: "pipeline".to_owned(),
        issuer: Some(issuer.url()),
        allow_private: true,
        audience: "remit".to_owned(),
        claims: [("repository".to_owned(), "acme/web".to_owned())].into(),
        ..Subject::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_token_of_a_system_opens_a_task_for_it_through_a_client_that_proves_itself() {
    let (folder, issuer) = (Folder::new("system"), IssuerStub::start(3).await);
    let mut config = Config::default();
    with_client(&mut config, &folder.0);
    config
        .oauth
        .subjects
        .insert("pipelines".to_owned(), subject(&issuer));
    // A configuration that lets a system speak for a person is caught where it counts.
    let wrong = Subject {
        initiator: "alice".to_owned(),
        claims: [("repository".to_owned(), "acme/alice".to_owned())].into(),
        ..subject(&issuer)
    };
    config.oauth.subjects.insert("people".to_owned(), wrong);
    config.check().unwrap();
    let house = House::open_with(config).await;
    house.add_stub().await;
    add_pipeline(&house).await;
    let now = now_s(&house);
    let repository = |text: &str| object! { "repository": text };
    let good = issuer.token(now, "repo:acme/web", "remit", repository("acme/web"));

    let exchange = [
        ("grant_type", EXCHANGE),
        ("subject_token", &good),
        ("subject_token_type", JWT),
        ("intent", "nightly build"),
    ];
    let assertion = [
        ("grant_type", ASSERTION),
        ("assertion", &good),
        ("intent", "nightly build"),
    ];
    for pairs in [exchange.as_slice(), assertion.as_slice()] {
        let (status, answer) = ask(&house, &[pairs, &CI]).await;
        assert_eq!(status, 200, "{answer}");
        let (initiator, agent) = governed(&house, &answer).await;
        assert_eq!((initiator.as_str(), agent.as_str()), ("pipeline", "coder"));
    }
    assert_eq!(
        issuer.asked(),
        ["/.well-known/openid-configuration", "/keys"],
        "discovered once"
    );

    // The subject's token alone, and with a client that proves nothing.
    let before = tasks(&house).await;
    for pairs in [exchange.as_slice(), assertion.as_slice()] {
        let (status, answer) = ask(&house, &[pairs]).await;
        assert_eq!((status, answer["error"].as_str()), (401, Some("invalid_client")));
        let wrong = [("client_id", "ci"), ("client_secret", "wrong")];
        assert_eq!(ask(&house, &[pairs, &wrong]).await.0, 401);
    }
    let changed = |change: &dyn Fn(&mut Object)| {
        let mut claims = issuer.claims(
            now,
            "repo:acme/web",
            "remit",
            object! { "repository": "acme/web" },
        );
        change(&mut claims);
        key(3).sign(None, &claims).unwrap()
    };
    let header = members(object! { "alg": "none" });
    let unsigned = format!(
        "{}.{}.",
        base64url(Json::Object(header).to_string().as_bytes()),
        base64url(
            Json::Object(issuer.claims(
                now,
                "repo:acme/web",
                "remit",
                object! { "repository": "acme/web" }
            ))
            .to_string()
            .as_bytes()
        )
    );
    for (why, presented) in [
        (
            "another repository",
            issuer.token(now, "s", "remit", repository("acme/other")),
        ),
        ("no repository", issuer.token(now, "s", "remit", object! {})),
        (
            "a person's",
            issuer.token(now, "s", "remit", repository("acme/alice")),
        ),
        (
            "another audience",
            issuer.token(now, "s", "other", repository("acme/web")),
        ),
        (
            "over",
            issuer.token(now - 3_600, "s", "remit", repository("acme/web")),
        ),
        (
            "from the future",
            issuer.token(now + 3_600, "s", "remit", repository("acme/web")),
        ),
        ("no subject", changed(&|claims| drop(claims.remove("sub")))),
        (
            "another issuer",
            changed(&|claims| drop(claims.insert("iss", "https://evil.example"))),
        ),
        ("unsigned", unsigned),
        (
            "of another key",
            key(4)
                .sign(
                    None,
                    &issuer.claims(
                        now,
                        "repo:acme/web",
                        "remit",
                        object! { "repository": "acme/web" },
                    ),
                )
                .unwrap(),
        ),
        ("nonsense", "x".to_owned()),
    ] {
        let pairs = [("grant_type", ASSERTION), ("assertion", presented.as_str())];
        let (status, answer) = ask(&house, &[&pairs, &CI]).await;
        assert_eq!(
            (status, answer["error"].as_str()),
            (400, Some("invalid_grant")),
            "{why}: {answer}"
        );
    }
    assert_eq!(tasks(&house).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_id_token_opens_a_task_for_them_and_never_alone() {
    let (folder, provider) = (Folder::new("person"), IssuerStub::start(3).await);
    let mut config = Config::default();
    with_client(&mut config, &folder.0);
    let oidc = format!(
        "issuer = \"{}\"\nclient_id = \"remit\"\naudiences = [\"portal\"]\nallow_private = true\n",
        provider.url()
    );
    config.oidc = Some(toml_of(&oidc));
    config.check().unwrap();
    let house = House::open_with(config).await;
    house.add_stub().await;
    add_pipeline(&house).await;
    // Alice has signed in before.
    let subject = Digest::of_parts(&[provider.url().as_bytes(), b"\n", b"user-7"]);
    let entry = remit_server::engine::record::of("human.sign_in");
    house
        .app()
        .store
        .append(entry, move |tx| {
            remit_store::subjects::bind(tx, subject, &name("alice"))
        })
        .await
        .unwrap();
    let now = now_s(&house);
    let good = provider.token(now, "user-7", "portal", object! {});
    let send = async |presented: &str, more: &[(&str, &str)]| {
        let pairs = [
            ("grant_type", EXCHANGE),
            ("subject_token", presented),
            ("subject_token_type", ID_TOKEN),
        ];
        ask(&house, &[&pairs, more]).await
    };
    let (status, answer) = send(&good, &CI).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        governed(&house, &answer).await,
        ("alice".to_owned(), "coder".to_owned())
    );
    // On behalf of: the run of that task, and the person who opened it. Of nobody else's.
    let run = answer["access_token"].as_str().unwrap();
    let actor = [
        ("actor_token", run),
        (
            "actor_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("audience", "https://api.example"),
    ];
    let (status, denied) = send(&good, &actor).await;
    assert_eq!(
        (status, denied["error"].as_str()),
        (400, Some("invalid_target")),
        "{denied}"
    );
    let other = provider.token(now, "user-8", "portal", object! {});
    let (status, denied) = send(&other, &actor).await;
    assert_eq!(
        (status, denied["error"].as_str()),
        (400, Some("invalid_grant")),
        "{denied}"
    );

    let before = tasks(&house).await;
    let alone = send(&good, &[]).await;
    assert_eq!(
        (alone.0, alone.1["error"].as_str()),
        (401, Some("invalid_client"))
    );
    let elsewhere = send(&good, &[&CI[..], &[("audience", "https://api.example")]].concat()).await;
    assert_eq!(
        (elsewhere.0, elsewhere.1["error"].as_str()),
        (400, Some("invalid_target"))
    );
    for (why, presented) in [
        ("a stranger of the provider", other),
        (
            "another audience",
            provider.token(now, "user-7", "somebody", object! {}),
        ),
        (
            "two audiences",
            provider.token(
                now,
                "user-7",
                "portal",
                object! { "aud": remit_core::array!["portal", "x"] },
            ),
        ),
        (
            "over",
            provider.token(now - 3_600, "user-7", "portal", object! {}),
        ),
    ] {
        let (status, answer) = send(&presented, &CI).await;
        assert_eq!(
            (status, answer["error"].as_str()),
            (400, Some("invalid_grant")),
            "{why}: {answer}"
        );
    }
    // As a bearer at the door it is named, recorded and worth nothing.
    let (status, _) = house.rpc(&good, "tools/list", serde_json::json!({})).await;
    assert_eq!(status, 401);
    assert_eq!(tasks(&house).await, before);
    assert!(
        house
            .records()
            .await
            .iter()
            .any(|record| record.kind == "identity.human_credential")
    );
}

fn toml_of(text: &str) -> Oidc {
    let config: Config = toml::from_str(&format!("[oidc]\n{text}")).unwrap();
    config.oidc.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_keys_lie_leads_nobody_into_our_network() {
    let (folder, issuer) = (Folder::new("ssrf"), IssuerStub::start(3).await);
    let victim = IssuerStub::start(4).await;
    let mut config = Config::default();
    with_client(&mut config, &folder.0);
    let closed = Subject {
        allow_private: false,
        ..subject(&issuer)
    };
    config.oauth.subjects.insert("closed".to_owned(), closed);
    let house = House::open_with(config.clone()).await;
    add_pipeline(&house).await;
    let now = now_s(&house);
    let good = issuer.token(now, "s", "remit", object! { "repository": "acme/web" });
    let pairs = [("grant_type", ASSERTION), ("assertion", good.as_str())];
    let (status, answer) = ask(&house, &[&pairs, &CI]).await;
    assert_eq!(status, 503, "{answer}");
    assert_eq!(
        issuer.asked(),
        Vec::<String>::new(),
        "nothing was sent to a private address"
    );

    // Where it may be private: no redirect is followed, and a document of another issuer is none.
    for (manner, reached) in [
        (Manner::Redirects(format!("{}/keys", victim.url())), 0),
        (Manner::Impostor, 0),
        (Manner::KeysAt("file:///etc/passwd".to_owned()), 0),
        (Manner::KeysAt("gopher://127.0.0.1/".to_owned()), 0),
    ] {
        let issuer = IssuerStub::start(3).await;
        issuer.behave(manner.clone());
        let mut config = config.clone();
        config.oauth.subjects = [("open".to_owned(), subject(&issuer))].into();
        let house = House::open_with(config).await;
        add_pipeline(&house).await;
        let good = issuer.token(now, "s", "remit", object! { "repository": "acme/web" });
        let pairs = [("grant_type", ASSERTION), ("assertion", good.as_str())];
        let (status, answer) = ask(&house, &[&pairs, &CI]).await;
        assert_eq!(status, 503, "{manner:?}: {answer}");
        assert_eq!(victim.asked().len(), reached, "{manner:?}");
        assert_eq!(tasks(&house).await, 0);
    }
}
