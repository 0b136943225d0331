//! Keys of an AWS role from moto, which checks what the broker signs; and what systems mint for an agent.

use std::time::Duration;

use remit_core::lease::{LeaseClass, LeaseState};
use remit_server::config::Config;
use serde_json::{Value, json};

use crate::backends::{Agent, add_system};
use crate::house::House;
use crate::managers::{free_port, tool};

const S3: &str = r#"
title = "S3"
sigv4 = "s3"
headers = ["x-amz-meta-*"]
[[operations]]
name = "objects.get"
call = "GET,HEAD /{bucket}/{key...}"
class = "read"
resources = ["{bucket}/{key}"]
[[operations]]
name = "objects.put"
call = "PUT /{bucket}/{key...}"
class = "write"
body = "digest"
resources = ["{bucket}/{key}"]
"#;

/// Plays AWS, on loopback, ended by its process when dropped. It checks signatures and rights of everything but the
/// assumption of the role.
struct Moto {
    url: String,
    child: std::process::Child,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Moto {
    fn start() -> Option<Self> {
        let (Some(server), Some(python)) = (tool("moto_server"), tool("python")) else {
            eprintln!(
                "SKIPPED: no `moto_server` on this machine (run e2e/tools.sh), so nothing is checked against moto"
            );
            return None;
        };
        let port = free_port();
        let child = std::process::Command::new(server)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self {
            url: format!("http://127.0.0.1:{port}"),
            child,
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../e2e/backends/aws.py");
        for _ in 0..60 {
            let set_up = std::process::Command::new(&python)
                .arg(script)
                .arg(&moto.url)
                .output()
                .unwrap();
            if set_up.status.success() {
                return Some(moto);
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("moto did not start");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_aws_come_for_our_token_and_the_broker_signs_with_them() {
    let Some(moto) = tokio::task::spawn_blocking(Moto::start).await.unwrap() else {
        return;
    };
    let mut config = Config::default();
    config.hold.wait = "100ms".to_owned();
    let more: Config = toml::from_str(&format!(
        "[credentials.cloud]\nbackend = 'aws-sts'\nsystem = 's3'\nrole = 'arn:aws:iam::123456789012:role/agents'\n\
         url = '{}'\nallow_private = true",
        moto.url
    ))
    .unwrap();
    config.credentials = more.credentials;
    config.check().unwrap();
    let house = House::open_with(config).await;
    add_system(&house, "s3", S3, &moto.url).await;
    let agent = Agent::of(&house, "s3", &["s3:agents-bucket"]).await;
    let signed = |id: &str| {
        format!(
            "Authorization: AWS4-HMAC-SHA256 Credential={id}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00\r\n"
        )
    };
    let with = signed(&agent.placeholder("cloud"));
    let (status, body) = agent
        .ask("PUT /agents-bucket/a/report.txt", &with, "made by an agent")
        .await;
    assert_eq!(status, 200, "{body}");
    let (status, body) = agent.ask("GET /agents-bucket/a/report.txt", &with, "").await;
    assert_eq!((status, body.as_str()), (200, "made by an agent"));
    // A key that is not ours is refused before anything leaves.
    assert_eq!(
        agent
            .ask(
                "GET /agents-bucket/a/report.txt",
                &signed("AKIAIOSFODNN7EXAMPLE"),
                ""
            )
            .await
            .0,
        403
    );

    let leases = agent.leases();
    assert_eq!(leases.len(), 1, "{leases:?}");
    assert_eq!(
        (leases[0].class, leases[0].state),
        (LeaseClass::R3, LeaseState::Live)
    );
    let opened = house.app().broker.opened();
    let token = opened.iter().find(|value| value.starts_with("eyJ")).unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(
        &base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap(),
    )
    .unwrap();
    assert_eq!(claims["aud"], "sts.amazonaws.com");
    assert_eq!(claims["jti"], json!(leases[0].id.to_string()));
    assert_eq!(claims["https://aws.amazon.com/source_identity"], "alice");
    assert_eq!(
        claims["https://aws.amazon.com/tags"]["principal_tags"]["remit:task"],
        json!([agent.task.task.id.to_string()])
    );
    agent.done().await;
    // Nothing takes them back: said so, until when.
    let fading = agent.until(LeaseState::Fading).await;
    let promise = fading.promise(house.app().clock.now()).to_string();
    assert!(promise.starts_with("possibly live until"), "{promise}");
    assert!(fading.expires_at > house.app().clock.now());
    assert_eq!(
        agent.ask("GET /agents-bucket/a/report.txt", &with, "").await.0,
        401
    );
    let ledger = format!("{:?}", house.records().await);
    assert!(!ledger.contains("eyJ"), "no token is recorded");
}

const FORGE: &str = r#"
title = "A forge that mints"
credentials = [{ header = "private-token" }]
[[operations]]
name = "tokens.make"
call = "POST /projects/{id}/tokens"
class = "write"
mints = true
body = "json"
resources = ["projects/{id}"]
[[operations]]
name = "projects.get"
call = "GET /projects/{id}"
class = "read"
resources = ["projects/{id}"]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_system_mints_is_a_lease_and_the_agent_gets_a_placeholder() {
    let upstream = crate::upstream_stub::Upstream::start(None).await;
    let house = House::open("100ms").await;
    add_system(
        &house,
        "forge",
        FORGE,
        &format!("http://127.0.0.1:{}", upstream.port),
    )
    .await;
    let agent = Agent::of(&house, "forge", &["forge:projects"]).await;
    let head = "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\n";
    let body = r#"{"id":1,"name":"ci","token":"minted-value-4711-abcdef","expires_at":"2031-05-06"}"#;
    *upstream.answer.lock().unwrap() = (head.to_owned(), body.to_owned());
    let json_type = "Content-Type: application/json\r\n";
    let (_, given) = agent
        .agreed("POST /projects/9/tokens", json_type, r#"{"name":"ci"}"#)
        .await;
    let given: Value = serde_json::from_str(&given).unwrap();
    let placeholder = given["token"].as_str().unwrap().to_owned();
    assert!(placeholder.starts_with("remit-placeholder-"), "{given}");
    let lease = agent.leases().pop().unwrap();
    assert_eq!(
        (lease.backend.as_str(), lease.class, lease.state),
        ("minted", LeaseClass::R3, LeaseState::Live)
    );
    assert_eq!(lease.expires_at.to_string(), "2031-05-06T23:59:59.000Z");

    // It opens the system that minted it, for this run alone, also after a crash.
    let with = format!("Private-Token: {placeholder}\r\n");
    *upstream.answer.lock().unwrap() = (
        head.to_owned(),
        r#"{"echo":"minted-value-4711-abcdef"}"#.to_owned(),
    );
    let (status, echoed) = agent.ask("GET /projects/9", &with, "").await;
    assert_eq!(
        (status, echoed.as_str()),
        (201, r#"{"echo":"[removed by remit]"}"#)
    );
    assert_eq!(
        upstream.seen()[1].header("private-token"),
        Some("minted-value-4711-abcdef")
    );
    let task = agent.task;
    let house = house.crash_and_restart("100ms").await;
    let agent = Agent {
        house: &house,
        system: "forge",
        task,
    };
    assert_eq!(agent.ask("GET /projects/9", &with, "").await.0, 201);
    assert_eq!(
        upstream.seen()[2].header("private-token"),
        Some("minted-value-4711-abcdef")
    );
    let other = Agent::of(&house, "forge", &["forge:projects"]).await;
    assert_eq!(
        other.ask("GET /projects/9", &with, "").await.0,
        403,
        "another run's placeholder"
    );

    // Refused, or without a credential in it: nothing is left behind.
    *upstream.answer.lock().unwrap() = (
        "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\n".to_owned(),
        r#"{"message":"no"}"#.to_owned(),
    );
    assert_eq!(
        agent
            .agreed("POST /projects/9/tokens", json_type, r#"{"name":"x"}"#)
            .await
            .0,
        403
    );
    assert_eq!(agent.leases().pop().unwrap().state, LeaseState::Dead);
    // What cannot be looked into is not passed on.
    *upstream.answer.lock().unwrap() = (
        format!("{head}content-encoding: br\r\n"),
        "minted-value-4712-abcdef".to_owned(),
    );
    let (status, said) = agent
        .agreed("POST /projects/9/tokens", json_type, r#"{"name":"y"}"#)
        .await;
    assert_eq!(status, 502);
    assert!(said.contains("compressed") && !said.contains("4712"), "{said}");
    let unknown = agent.until(LeaseState::Fading).await;
    assert_eq!(
        unknown.expires_at.to_string(),
        "9999-12-31T00:00:00.000Z",
        "nobody said until when"
    );
    agent.done().await;
    for _ in 0..500 {
        if agent.leases()[0].state == LeaseState::Fading {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(agent.leases()[0].state, LeaseState::Fading);
    let ledger = format!("{:?}", house.records().await);
    assert!(!ledger.contains("minted-value"), "no value is recorded");
    assert_eq!(agent.ask("GET /projects/9", &with, "").await.0, 401);
}
