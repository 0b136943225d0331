//! Base-URL mode: the run's token stands where the client puts its key, and what opens the system goes there instead.

use remit_server::approvals::vote::{self, Reach};
use remit_server::broker::vault::{self, Given, NewSecret};
use remit_server::egress::systems::{self, NewSystem};
use serde_json::Value;

use crate::egress::Bed;
use crate::house::name;
use crate::known::keep;

const KEY: &str = "sk-live-4f9a7c1e2b8d6503";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_goes_where_the_token_stood() {
    let bed = Bed::open("100ms", false).await;
    let task = bed.task().await;
    // Nothing opens it yet: many systems answer without.
    let (status, _) = bed.base(&task.token, "GET /pets/1", "", "").await;
    assert_eq!(status, 200);
    assert_eq!(bed.upstream.seen()[0].header("authorization"), None);

    keep(&bed.house, "pets-key", Some("pets"), KEY).await;
    let (status, answer) = bed.base(&task.token, "GET /pets/1", "", "").await;
    assert_eq!(status, 200, "{answer}");
    let bearer = format!("Bearer {KEY}");
    assert_eq!(
        bed.upstream.seen()[1].header("authorization"),
        Some(bearer.as_str())
    );
    // At a parameter of the query.
    let address = bed.house.running.address;
    let asked = format!(
        "GET /egress/pets/pets/1?key={} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n",
        task.token
    );
    let answer = bed.raw(asked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        bed.upstream.seen()[2].line,
        format!("GET /pets/1?key={KEY} HTTP/1.1")
    );
    // A placeholder says which credential is meant: the token proves the run, and nothing is put in its place.
    let mine = remit_server::broker::placeholder(bed.house.app(), task.task.run, &name("pets-key"));
    let (status, _) = bed
        .base(&task.token, &format!("GET /pets/1?key={mine}"), "", "")
        .await;
    assert_eq!(status, 200);
    let seen = bed.upstream.seen();
    assert_eq!(seen[3].line, format!("GET /pets/1?key={KEY} HTTP/1.1"));
    assert_eq!(seen[3].header("authorization"), None);

    // What is refused is refused as before: nothing is put into it, and nothing leaves.
    let (status, answer) = bed.base(&task.token, "DELETE /pets/3", "", "").await;
    assert_eq!(
        (status, answer["reason"].as_str()),
        (403, Some("out_of_authority"))
    );
    let (status, _) = bed.base("remit_nobody", "GET /pets/1", "", "").await;
    assert_eq!(status, 401);
    // Two that open it, and nobody can tell which: said, and nothing is guessed.
    keep(&bed.house, "second-key", Some("pets"), "sk-live-another-4f9a7c1e").await;
    let (status, answer) = bed.base(&task.token, "GET /pets/1", "", "").await;
    assert_eq!(status, 502, "{answer}");
    assert!(
        answer["detail"]
            .as_str()
            .unwrap_or_default()
            .contains("placeholder"),
        "{answer}"
    );
    assert_eq!(bed.upstream.seen().len(), 4);
    let all = bed.decisions().await.concat();
    assert!(!all.contains(KEY) && !all.contains(&task.token) && !all.contains(&mine));
}

/// What waits for a person waits with the place of the key, not with the token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_request_is_sent_with_the_key_once_it_is_approved() {
    let bed = Bed::open("100ms", false).await;
    keep(&bed.house, "pets-key", Some("pets"), KEY).await;
    let task = bed.task().await;
    let (status, held) = bed.base(&task.token, "DELETE /pets/1", "", "").await;
    assert_eq!((status, held["decision"].as_str()), (202, Some("hold")), "{held}");
    let id = held["approval_id"].as_str().unwrap().to_owned();
    vote::approve(
        bed.house.app(),
        id.parse().unwrap(),
        Reach::Once,
        String::new(),
        &name("alice"),
    )
    .await
    .unwrap();
    let address = bed.house.running.address;
    let asked = format!(
        "GET /egress/-/approvals/{id} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        task.token
    );
    let mut answer = String::new();
    for _ in 0..50 {
        answer = bed.raw(asked.as_bytes()).await;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let bearer = format!("Bearer {KEY}");
    assert_eq!(
        bed.upstream.seen()[0].header("authorization"),
        Some(bearer.as_str())
    );
}

/// A client of AWS signs with the token as the id of its key; what goes out is signed with the real one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_request_is_signed_anew_with_the_real_key() {
    const STORE: &str = "title = \"S\"\nsigv4 = \"s3\"\n[[operations]]\nname = \"objects.get\"\ncall = \"GET /{bucket}/{key...}\"\nclass = \"read\"\nresources = [\"{bucket}/{key}\"]\n";
    let bed = Bed::open("100ms", false).await;
    let new = NewSystem {
        description: Some(STORE.to_owned()),
        hosts: vec!["objects.example".to_owned()],
        scheme: Some("http".to_owned()),
        port: Some(bed.upstream.port),
        allow_private: true,
        ..NewSystem::default()
    };
    systems::add(bed.house.app(), &name("s3"), &new, &name("alice"))
        .await
        .unwrap();
    let task = bed.house.task(&["s3/*"], &["s3:photos"]).await;
    let ask = |key: String| {
        let address = bed.house.running.address;
        format!(
            "GET /egress/s3/photos/a HTTP/1.1\r\nHost: {address}\r\nx-amz-date: 20261127T120000Z\r\nx-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\nAuthorization: AWS4-HMAC-SHA256 Credential={key}/20261127/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=00\r\nConnection: close\r\n\r\n"
        )
    };
    let answer = bed.raw(ask(task.token.clone()).as_bytes()).await;
    assert!(answer.contains("no credential is known for `s3`"), "{answer}");
    let secret = NewSecret {
        name: name("s3-key"),
        system: Some(name("s3")),
        account: Some("AKIAREAL".to_owned()),
        value: Given::Value(KEY.to_owned().into()),
    };
    vault::add(bed.house.app(), secret, &name("alice")).await.unwrap();
    let answer = bed.raw(ask(task.token.clone()).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = bed.upstream.seen();
    let signed = seen[0].header("authorization").unwrap_or_default();
    assert!(
        signed.contains("Credential=AKIAREAL/") && signed.contains("/eu-west-1/s3/aws4_request"),
        "{signed}"
    );
    assert!(!seen[0].head.contains(&task.token));
    // Somebody else's key is somebody else's.
    let answer = bed.raw(ask("AKIAQX7RZ2MWK5TBN4YH".to_owned()).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(bed.upstream.seen().len(), 1);
    let all: Value = bed.decisions().await.concat().into();
    assert!(!all.to_string().contains(KEY));
}
