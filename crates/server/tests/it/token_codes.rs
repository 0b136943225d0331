//! The token endpoint: codes and refresh tokens, the keys they are bound to, and who comes first.

use remit_core::digest::Digest;
use remit_core::json::{Object, Value as Json};
use remit_core::object;
use remit_identity::base64url;
use remit_server::config::{Config, OauthClient};
use remit_store::handles::{self, Handle, Kind, State};
use serde_json::Value;

use crate::house::House;
use crate::issuer_stub::{key, members};
use crate::tls::with_client;
use crate::tls_client::{Files, Identity, form as form_over_tls};
use crate::token_bed::{now_s, token};

/// A public client, and a code of it as the consent page leaves one.
async fn code(house: &House, secret: &str, key: Option<&str>) -> String {
    let opened = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    let code = format!("remit_code_{secret}");
    let verifier = "v".repeat(43);
    let mut detail = Object::from_iter([
        ("client", "desk"),
        ("redirect_uri", "http://127.0.0.1/callback"),
        ("resource", "x"),
    ]);
    detail.insert("challenge", base64url(Digest::of(verifier.as_bytes()).as_bytes()));
    detail.insert("ttl_ms", 3_600_000);
    if let Some(key) = key {
        detail.insert("key", key);
    }
    let handle = Handle {
        digest: Digest::of(code.as_bytes()),
        kind: Kind::Code,
        owner: opened.task.id.to_string(),
        state: State::Live,
        expires_at: house.app().clock.now().plus_ms(60_000),
        detail,
    };
    let entry = remit_server::engine::record::of("oauth.code");
    house
        .app()
        .store
        .append(entry, move |tx| handles::add(tx, &handle))
        .await
        .unwrap();
    code
}

fn redeem<'r>(code: &'r str, verifier: &'r str) -> [(&'r str, &'r str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", "desk"),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", "http://127.0.0.1/callback"),
    ]
}

fn desk() -> Config {
    let mut config = Config::default();
    let client = OauthClient {
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        agent: Some("coder".to_owned()),
        ..OauthClient::default()
    };
    config.oauth.clients.insert("desk".to_owned(), client);
    config
}

fn dpop(house: &House, by: u8, jti: &str) -> String {
    let mut jwk = key(by).public().to_jwk();
    jwk.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name));
    let header = members(object! { "typ": "dpop+jwt", "alg": "ES256", "jwk": Json::Object(jwk) });
    let now = house.app().clock.now();
    let claims = members(object! {
        "htm": "POST", "htu": format!("http://{}/oauth/token", house.running.address), "jti": jti,
        "iat": now.0 / 1000, "nonce": house.app().nonces.at(now),
    });
    format!("DPoP: {}\r\n", key(by).sign_parts(&header, &claims).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_and_a_refresh_token_that_are_bound_to_a_key_need_its_proof() {
    let house = House::open_with(desk()).await;
    house.add_stub().await;
    let verifier = "v".repeat(43);
    let jkt = format!("jkt:{}", key(1).kid());

    // Asked for with a key (RFC 9449, 10): without it, or with another, the code is stolen goods and its task ends.
    for (secret, headers) in [("none", String::new()), ("other", dpop(&house, 2, "other"))] {
        let stolen = code(&house, secret, Some(&jkt)).await;
        let (status, answer, _) = token(&house, &headers, &redeem(&stolen, &verifier)).await;
        assert_eq!(
            (status, answer["error"].as_str()),
            (400, Some("invalid_grant")),
            "{answer}"
        );
        let good = dpop(&house, 1, secret);
        let (status, ..) = token(&house, &good, &redeem(&stolen, &verifier)).await;
        assert_eq!(status, 400, "its task has ended");
    }
    let mine = code(&house, "mine", Some(&jkt)).await;
    // A proof without our nonce is answered with one (RFC 9449, 8), and uses nothing up.
    let bare = {
        let header = {
            let mut jwk = key(1).public().to_jwk();
            jwk.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name));
            members(object! { "typ": "dpop+jwt", "alg": "ES256", "jwk": Json::Object(jwk) })
        };
        let claims = members(object! {
            "htm": "POST", "htu": format!("http://{}/oauth/token", house.running.address), "jti": "bare",
            "iat": now_s(&house),
        });
        format!("DPoP: {}\r\n", key(1).sign_parts(&header, &claims).unwrap())
    };
    let (status, answer, whole) = token(&house, &bare, &redeem(&mine, &verifier)).await;
    assert_eq!((status, answer["error"].as_str()), (400, Some("use_dpop_nonce")));
    assert!(whole.to_ascii_lowercase().contains("\r\ndpop-nonce: "), "{whole}");
    let (status, granted, _) = token(&house, &dpop(&house, 1, "redeem"), &redeem(&mine, &verifier)).await;
    assert_eq!(status, 200, "{granted}");
    assert_eq!(granted["token_type"], "DPoP");

    // The refresh token is good with that key alone; a refused use does not use it up.
    let refresh = granted["refresh_token"].as_str().unwrap();
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "desk"),
        ("refresh_token", refresh),
    ];
    for headers in [String::new(), dpop(&house, 2, "thief")] {
        let (status, answer, _) = token(&house, &headers, &pairs).await;
        assert_eq!(
            (status, answer["error"].as_str()),
            (400, Some("invalid_grant")),
            "{answer}"
        );
    }
    let proof = dpop(&house, 1, "refresh");
    let (status, renewed, _) = token(&house, &proof, &pairs).await;
    assert_eq!(
        (status, &renewed["token_type"]),
        (200, &Value::from("DPoP")),
        "{renewed}"
    );
    // The same proof again, for the next one.
    let next = renewed["refresh_token"].as_str().unwrap();
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "desk"),
        ("refresh_token", next),
    ];
    let (status, ..) = token(&house, &proof, &pairs).await;
    assert_eq!(status, 400, "a proof counts once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_redeems_a_code_and_then_nobody_holds_anything() {
    let house = House::open_with(desk()).await;
    house.add_stub().await;
    let (code, verifier) = (code(&house, "race", None).await, "v".repeat(43));
    let house = std::sync::Arc::new(house);
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (house, code, verifier) = (house.clone(), code.clone(), verifier.clone());
        tries.spawn(async move { token(&house, "", &redeem(&code, &verifier)).await });
    }
    let won: Vec<Value> = tries
        .join_all()
        .await
        .into_iter()
        .filter(|(status, ..)| *status == 200)
        .map(|(_, answer, _)| answer)
        .collect();
    assert!(won.len() <= 1, "{won:?}");
    for answer in won {
        let token = answer["access_token"].as_str().unwrap();
        assert_eq!(house.rpc(token, "tools/list", serde_json::json!({})).await.0, 401);
    }
}

#[test]
fn redirect_addresses_with_wildcards_are_refused_at_start() {
    for bad in [
        "https://*.example/cb",
        "http://127.0.0.1:*/callback",
        "https://example/*",
    ] {
        let mut config = desk();
        config
            .oauth
            .clients
            .get_mut("desk")
            .unwrap()
            .redirect_uris
            .push(bad.to_owned());
        assert!(config.check().is_err(), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_proves_itself_refreshes_with_its_next_certificate() {
    let files = Files::new("next-certificate");
    let mut config = files.config();
    with_client(&mut config, &files.folder);
    let desk = OauthClient {
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        initiator: None,
        ..config.oauth.clients["ci"].clone()
    };
    config.oauth.clients.insert("desk".to_owned(), desk);
    let house = House::open_with(config).await;
    house.add_stub().await;
    let (first, next) = (Identity::self_signed(), Identity::self_signed());
    let (code, verifier) = (code(&house, "rotating", None).await, "v".repeat(43));
    let secret = ("client_secret", "correct horse");
    let mut pairs = redeem(&code, &verifier).to_vec();
    pairs.push(secret);
    let path = "/oauth/token";
    let (status, granted) = form_over_tls(&house, &files.certificate, Some(&first), path, &pairs).await;
    assert_eq!(status, 200, "{granted}");
    let refresh = granted["refresh_token"].as_str().unwrap();
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", "desk"),
        secret,
        ("refresh_token", refresh),
    ];
    let (status, renewed) = form_over_tls(&house, &files.certificate, Some(&next), path, &pairs).await;
    assert_eq!(status, 200, "{renewed}");
    let address = house.running.tls_address.unwrap();
    let list = crate::tls_client::list(address, renewed["access_token"].as_str().unwrap());
    for (identity, expected) in [(&next, "HTTP/1.1 200"), (&first, "HTTP/1.1 401")] {
        let answer = crate::tls_client::ask(&house, &files.certificate, Some(identity), &list).await;
        assert!(answer.unwrap().starts_with(expected));
    }
}
