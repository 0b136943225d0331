//! What is kept is recognised before anything has used it: right after it was given, after a restart, in arguments, bodies,
//! pushes and answers, on connections that are open already.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remit_server::broker::vault::{self, Given, NewSecret};
use remit_server::config::Config;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::egress::Bed;
use crate::house::{House, decision, name};

const CANARY: &str = "canary-value-7f3d91c2aa04";
const NEXT: &str = "another-value-55e0b1d7c3";

pub async fn keep(house: &House, secret: &str, system: Option<&str>, value: &str) {
    let new = NewSecret {
        name: name(secret),
        system: system.map(name),
        account: None,
        value: Given::Value(SecretString::from(value)),
    };
    vault::add(house.app(), new, &name("alice")).await.unwrap();
}

async fn said(house: &House, token: &str, text: &str) -> Value {
    let arguments = json!({"path": "/w/a", "content": format!("x {text} y")});
    house.call(token, "write_file", arguments).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_has_used_is_recognised_at_once_and_after_a_restart() {
    let house = House::open("100ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/write_file"], &["fs:/w"]).await;
    let fine = said(&house, &task.token, CANARY).await;
    assert_eq!(fine["isError"], Value::Null, "nobody keeps it yet: {fine}");
    keep(&house, "canary", None, CANARY).await;
    let refused = said(&house, &task.token, CANARY).await;
    assert_eq!(decision(&refused)["reason"], "foreign_credential", "{refused}");
    // Its successor too, and it itself as long as it may be gone back to.
    let next = SecretString::from(NEXT);
    vault::rotate(house.app(), &name("canary"), &next, &name("alice"))
        .await
        .unwrap();
    for value in [CANARY, NEXT] {
        let refused = said(&house, &task.token, value).await;
        assert_eq!(decision(&refused)["reason"], "foreign_credential", "{refused}");
    }
    let house = house.crash_and_restart("100ms").await;
    let received = house.stub.received().len();
    for value in [CANARY, NEXT] {
        let refused = said(&house, &task.token, value).await;
        assert_eq!(decision(&refused)["reason"], "foreign_credential", "{refused}");
    }
    assert_eq!(house.stub.received().len(), received, "nothing of it has left");
    let records: Vec<String> = house
        .records()
        .await
        .iter()
        .map(|record| format!("{record:?}"))
        .collect();
    let shown = records.iter().filter(|record| record.contains(NEXT)).count();
    assert_eq!(shown, 0, "it is in no record");
    assert!(!format!("{:?}", house.app().known_secrets).contains("canary-value"));

    // Gone with its last version, and no other one goes with it: the tenth is not the first.
    for number in 3..=12 {
        let value = SecretString::from(format!("numbered-value-{number:04}"));
        vault::rotate(house.app(), &name("canary"), &value, &name("alice"))
            .await
            .unwrap();
    }
    let known = remit_server::secrets::known(house.app());
    assert!(known.iter().any(|value| value.as_str() == "numbered-value-0012"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_forgotten_one_by_one_when_their_overlap_is_over() {
    let mut config = Config::default();
    config.vault.overlap = "1ms".to_owned();
    let house = House::open_with(config).await;
    keep(&house, "canary", None, "numbered-value-0001").await;
    for number in 2..=12 {
        let value = SecretString::from(format!("numbered-value-{number:04}"));
        vault::rotate(house.app(), &name("canary"), &value, &name("alice"))
            .await
            .unwrap();
    }
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    vault::destroy_outlived(house.app()).await.unwrap();
    let known = remit_server::secrets::known(house.app());
    let known: Vec<&str> = known.iter().map(|value| value.as_str()).collect();
    assert_eq!(
        known,
        ["numbered-value-0012"],
        "the first is not the beginning of the twelfth"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_open_holds_nobody_up_and_is_said() {
    let house = House::open("100ms").await;
    house.add_stub().await;
    keep(&house, "canary", None, CANARY).await;
    keep(&house, "other", None, NEXT).await;
    let task = house.task(&["fs/write_file"], &["fs:/w"]).await;
    // A wrapped key of another installation: the row is ours, its content is not.
    house
        .app()
        .store
        .append(remit_server::engine::record::of("test.damage"), |tx| {
            let mut version = remit_store::secrets::version(tx, &name("canary"), 1)?.unwrap();
            version.value.wrapped.reverse();
            remit_store::secrets::put_version(tx, &version)
        })
        .await
        .unwrap();
    let house = house.crash_and_restart("100ms").await;
    let unopened = house.app().broker.unopened();
    assert_eq!(unopened.len(), 1, "{unopened:?}");
    assert_eq!(unopened[0].what, "version 1 of secret `canary`");
    let refused = said(&house, &task.token, NEXT).await;
    assert_eq!(
        decision(&refused)["reason"],
        "foreign_credential",
        "the others are known"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_was_open_before_does_not_pass_on_what_came_after() {
    let house = House::open("100ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/w"]).await;
    let first = house
        .call(&task.token, "read_file", json!({"path": "/w/a"}))
        .await;
    assert!(first.to_string().contains("read_file"), "{first}");
    // The stub says the tool's name back: here it plays the secret that an upstream echoes.
    keep(&house, "echoed", None, "read_file").await;
    let second = house
        .call(&task.token, "read_file", json!({"path": "/w/a"}))
        .await;
    let text = second["content"][0]["text"].as_str().unwrap_or_default();
    assert!(
        text.contains("[removed by remit]") && !text.contains("read_file"),
        "{second}"
    );
}

/// A body that becomes no argument is looked through like arguments are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_nobody_reads_are_looked_through() {
    let bed = Bed::described("100ms", NOTES).await;
    keep(&bed.house, "canary", None, CANARY).await;
    let task = bed.house.task(&["pets/*"], &["pets:notes"]).await;
    let decoy = remit_server::broker::decoy(bed.house.app(), task.task.run);
    let foreign = concat!("sk_", "live_", "Zk3vQ9xLm2RtB7wYc5HnD8sJ");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(CANARY.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let far = [
        vec![b' '; 700_000],
        CANARY.as_bytes().to_vec(),
        vec![b' '; 50_000],
    ]
    .concat();
    let encoded = STANDARD.encode(format!("key={CANARY}"));
    let part = format!("--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n{CANARY}\r\n--b--\r\n");
    let inside = format!("{{\"a\":\"{CANARY}\"}}");
    let cases: [(&str, &str, &[u8]); 7] = [
        ("POST /notes", "text/plain", CANARY.as_bytes()),
        ("POST /notes", "application/xml", far.as_slice()),
        ("POST /notes", "multipart/form-data; boundary=b", part.as_bytes()),
        ("PUT /notes/a", "application/octet-stream", encoded.as_bytes()),
        ("PUT /notes/a", "application/gzip", packed.as_slice()),
        ("PUT /notes/a", "application/json", inside.as_bytes()),
        ("PUT /notes/a", "text/plain", foreign.as_bytes()),
    ];
    for (line, kind, body) in cases {
        let (status, answer) = bed.bytes(&task.token, line, kind, body).await;
        assert_eq!(
            (status, answer["reason"].as_str()),
            (403, Some("foreign_credential")),
            "{line} {kind}: {answer}"
        );
    }
    assert_eq!(bed.upstream.seen().len(), 0);
    assert!(bed.names.asked().is_empty(), "no name was looked up");
    let found = bed.house.records().await;
    let found: Vec<_> = found.iter().filter(|record| record.kind == "finding").collect();
    let of = |kind: &str| {
        let is = |record: &&&remit_ledger::record::Record| {
            record.detail.get("finding").and_then(|v| v.as_str()) == Some(kind)
                && record.detail.get("at").and_then(|v| v.as_str()) == Some("/body")
        };
        found.iter().filter(is).count()
    };
    assert_eq!((of("secret_leak"), of("foreign_credential")), (6, 1));
    assert!(!format!("{found:?}").contains("Zk3vQ9xLm2RtB7w"), "masked");

    // A prompt with an image in it: its content is an argument by digest, and looked through as it is.
    let prompt = |held: &str| {
        let image = "QUJD".repeat(1_500_000);
        format!(r#"{{"model":"m","messages":[{{"image":"{image}"}},{{"text":"{held}"}}]}}"#)
    };
    let (status, answer) = bed
        .bytes(
            &task.token,
            "POST /ask",
            "application/json",
            prompt(CANARY).as_bytes(),
        )
        .await;
    assert_eq!(
        (status, answer["reason"].as_str()),
        (403, Some("foreign_credential")),
        "{answer}"
    );
    let (status, answer) = bed
        .bytes(
            &task.token,
            "POST /ask",
            "application/json",
            prompt("hello").as_bytes(),
        )
        .await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(bed.upstream.seen()[0].body, prompt("hello").as_bytes());
    let ordinary = "let token = \"3b871e2feb6004e8eb158cadb5d02555285e2ff7\";\n".repeat(20_000);
    let (status, answer) = bed
        .bytes(&task.token, "PUT /notes/a", "text/plain", ordinary.as_bytes())
        .await;
    assert_eq!(status, 200, "{answer}");
    let (_, answer) = bed
        .bytes(&task.token, "POST /notes", "text/plain", decoy.as_bytes())
        .await;
    assert_eq!(answer["reason"], "foreign_credential", "{answer}");
    let (_, answer) = bed
        .bytes(&task.token, "POST /notes", "text/plain", b"hello")
        .await;
    assert_eq!(answer["reason"], "task_suspended", "the decoy suspends: {answer}");
}

const NOTES: &str = r#"
title = "Notes"
[[operations]]
name = "notes.add"
call = "POST /notes"
class = "write"
resources = ["notes"]
[[operations]]
name = "notes.put"
call = "PUT /notes/{id}"
class = "write"
body = "digest"
resources = ["notes"]
[[operations]]
name = "models.ask"
call = "POST /ask"
class = "read"
resources = ["notes"]
[operations.fields]
"body.model" = { type = "string", required = true }
"body.messages" = { type = "any", role = "content" }
"#;
