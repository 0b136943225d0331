//! Issuing: a decision first, for audiences the task names, for live tasks alone; and keys that rotate without a gap.

use std::sync::Arc;

use remit_core::confinement::Proof;
use remit_core::json::Value;
use remit_core::task::Ending;
use remit_identity::{Bundle, Expect, Types, Verifier, verify_jwt_svid, x509};
use remit_server::app::Failure;
use remit_server::engine::session;
use remit_server::issuer::{bundle, jwt_svid, token, x509_svid};
use remit_server::tasks::open::NewTask;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, name};

async fn task_for(house: &House, destinations: &[&str]) -> remit_server::tasks::open::Opened {
    let new = NewTask {
        destinations: destinations.iter().map(|text| text.parse().unwrap()).collect(),
        ..house.wish(&["fs/*"], &["fs:/srv/repo"])
    };
    remit_server::tasks::open::open(house.app(), new, &name("alice"))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_issued_was_decided_for_an_audience_the_task_names() {
    let house = House::open("100ms").await;
    let app = house.app();
    let opened = task_for(&house, &["url:https://vault.example", "other:vault"]).await;
    let live = session::of_task(app, opened.task.id).await.unwrap();
    let before = remit_server::evidence::of_task(app, opened.task.id, 0, 1000)
        .await
        .unwrap()
        .len();

    let (id, svid) = jwt_svid::issue(app, &live, "vault", Proof::Peer).await.unwrap();
    assert_eq!(id.to_string(), opened.spiffe_id);
    let document = bundle::document(app).to_canonical();
    let published = Bundle::parse(&document).unwrap();
    let now = app.clock.now();
    let checked = verify_jwt_svid(&svid, &published.jwt, &app.issuer.domain, &["vault"], now).unwrap();
    assert_eq!(checked.id, id);
    let task = opened.task.id.to_string();
    assert_eq!(
        checked.claims.get("task").and_then(Value::as_str),
        Some(task.as_str())
    );
    assert!(checked.expires_at <= now.plus_ms(300_000));

    let given = token::issue(app, &live, "https://vault.example", Some("read"), Proof::Peer)
        .await
        .unwrap();
    let keys = app.issuer.jwks(now);
    let expect = Expect {
        audiences: &["https://vault.example"],
        one_audience: true,
        types: Types::Only("at+jwt"),
        required: &["act", "authorization_details", "mission", "txn"],
        ..Expect::default()
    };
    let claims = Verifier { keys: &keys, expect }
        .verify(&given.token, now)
        .unwrap()
        .claims;
    assert_eq!(claims.get("sub").and_then(Value::as_str), Some("alice"));
    assert_eq!(
        Value::Object(claims.0)
            .pointer("/act/sub")
            .and_then(Value::as_str),
        Some(opened.spiffe_id.as_str())
    );

    let (_, svid) = x509_svid::issue(app, &live, Proof::Peer).await.unwrap();
    let peer = x509::verify_svid(&[svid.certificate], &published.x509, &app.issuer.domain, now).unwrap();
    assert_eq!(peer.id, id);

    // Nobody asked for this one in the task: refused, and recorded as refused.
    let denied = jwt_svid::issue(app, &live, "payroll", Proof::Peer)
        .await
        .unwrap_err();
    assert!(
        matches!(&denied, Failure::Forbidden(why) if why.contains("destination_not_allowed")),
        "{denied}"
    );
    let records = remit_server::evidence::of_task(app, opened.task.id, 0, 1000)
        .await
        .unwrap();
    let decisions: Vec<(&str, &str)> = records[before..]
        .iter()
        .filter(|record| record.kind == "decision")
        .map(|record| {
            (
                record.decision.as_deref().unwrap_or_default(),
                record.tool.as_deref().unwrap_or_default(),
            )
        })
        .collect();
    assert_eq!(
        decisions,
        [
            ("allow", "remit/vault"),
            ("allow", "remit/https://vault.example"),
            ("allow", "remit/x509-svid"),
            ("deny", "remit/payroll")
        ]
    );

    remit_server::tasks::end::end(app, opened.task.id, Ending::Completed, &name("alice"), "done")
        .await
        .unwrap();
    let live = Arc::clone(&live);
    assert!(jwt_svid::issue(app, &live, "vault", Proof::Peer).await.is_err());
    assert!(x509_svid::issue(app, &live, Proof::Peer).await.is_err());
    assert!(
        token::issue(app, &live, "https://vault.example", None, Proof::Peer)
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bundle_endpoint_serves_what_is_published_and_keys_survive_a_restart() {
    let house = House::open("100ms").await;
    let kid = house
        .app()
        .issuer
        .token_key(house.app().clock.now())
        .unwrap()
        .kid()
        .to_owned();
    let certificates = house.app().issuer.authorities(house.app().clock.now()).len();
    let house = house.crash_and_restart("100ms").await;
    let mut stream = crate::house::dial(house.running.address).await;
    let request = format!(
        "GET /.well-known/spiffe-bundle HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        house.running.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let published = Bundle::parse(body.as_bytes()).unwrap();
    assert_eq!(published.jwt.keys()[0].kid(), Some(kid.as_str()));
    assert_eq!(published.x509.len(), certificates);
    assert!(published.sequence.is_some() && published.refresh_hint_s.is_some());
}
