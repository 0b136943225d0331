//! Installation tokens of a GitHub App, from an API that stands for GitHub's: for what the task names, taken back with it,
//! after a crash too; and what is said while they cannot be.

use std::time::Duration;

use remit_core::lease::{LeaseClass, LeaseState};
use remit_server::broker::vault::{self, Given, NewSecret};
use remit_server::config::Config;
use secrecy::SecretString;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::backends::{Agent, add_system};
use crate::fake_github::FakeGithub;
use crate::house::{House, dial, name};

const GITHUB: &str = r#"
title = "GitHub, some of it"
credentials = [{ header = "authorization", schemes = ["bearer", "token"] }]
[[operations]]
name = "repos.get"
call = "GET /repos/{owner}/{repo}"
class = "read"
resources = ["{owner}/{repo}"]
[[operations]]
name = "repos.update"
call = "PATCH /repos/{owner}/{repo}"
class = "write"
resources = ["{owner}/{repo}"]
"#;

async fn with_github(github: &FakeGithub) -> House {
    let mut config = Config::default();
    config.hold.wait = "100ms".to_owned();
    let more: Config = toml::from_str(&format!(
        "[credentials.app]\nbackend = 'github-app'\nsystem = 'forge'\napp = 'Iv1.test'\ninstallation = 7\nowner = 'acme'\n\
         secret = 'app-key'\npermissions = {{ contents = 'write' }}\nurl = '{}'\nallow_private = true",
        github.url()
    ))
    .unwrap();
    config.credentials = more.credentials;
    config.check().unwrap();
    let house = House::open_with(config).await;
    add_system(&house, "forge", GITHUB, &github.url()).await;
    let key = NewSecret {
        name: name("app-key"),
        system: None,
        account: None,
        value: Given::Value(SecretString::from(github.pem.as_str())),
    };
    vault::add(house.app(), key, &name("alice")).await.unwrap();
    house
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_token_is_for_the_tasks_repositories_and_is_taken_back() {
    let github = FakeGithub::start().await;
    let house = with_github(&github).await;
    let task = house
        .task(&["forge/repos.get"], &["forge:acme/web", "forge:acme/api"])
        .await;
    let reader = Agent {
        house: &house,
        system: "forge",
        task,
    };
    let with = |agent: &Agent<'_>| format!("Authorization: Bearer {}\r\n", agent.placeholder("app"));
    let (status, body) = reader.ask("GET /repos/acme/web", &with(&reader), "").await;
    assert_eq!(status, 200, "{body}");
    assert!(
        body.contains("[removed by remit]") && !body.contains("fake-github-installation"),
        "{body}"
    );
    // The task does not name it, so nothing leaves; the token would not open it either.
    assert_eq!(
        reader.ask("GET /repos/acme/secrets", &with(&reader), "").await.0,
        403
    );
    let writer = Agent::of(&house, "forge", &["forge:acme/web"]).await;
    assert_eq!(writer.ask("GET /repos/acme/web", &with(&writer), "").await.0, 200);
    {
        let seen = github.seen.lock().unwrap();
        assert_eq!(
            seen.asked,
            [
                json!({"permissions": {"contents": "read"}, "repositories": ["api", "web"]}),
                json!({"permissions": {"contents": "write"}, "repositories": ["web"]}),
            ]
        );
    }
    let elsewhere = Agent::of(&house, "forge", &["forge:other/web"]).await;
    let (status, said) = elsewhere.ask("GET /repos/other/web", &with(&elsewhere), "").await;
    assert_eq!(status, 502);
    assert!(said.contains("names no repository of `acme`"), "{said}");
    assert_eq!(elsewhere.leases(), []);

    // It is down while the task ends: the end is tried again until it is seen.
    github.seen.lock().unwrap().down = true;
    reader.done().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let dying = reader.leases().pop().unwrap();
    assert_eq!((dying.class, dying.state), (LeaseClass::R1, LeaseState::Revoking));
    assert!(
        dying
            .promise(house.app().clock.now())
            .to_string()
            .starts_with("possibly live until 2099")
    );
    github.seen.lock().unwrap().down = false;
    reader.until(LeaseState::Dead).await;
    let seen = github.seen.lock().unwrap();
    assert_eq!((seen.revoked, seen.tokens.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_token_is_taken_back_after_a_crash_too() {
    let github = FakeGithub::start().await;
    let house = with_github(&github).await;
    let task = house.task(&["forge/*"], &["forge:acme/web"]).await;
    let agent = Agent {
        house: &house,
        system: "forge",
        task,
    };
    let with = format!("Authorization: token {}\r\n", agent.placeholder("app"));
    assert_eq!(agent.ask("GET /repos/acme/web", &with, "").await.0, 200);
    let lease = agent.leases().pop().unwrap().id;
    let task = agent.task;
    let file = std::fs::read(house.app().paths.store()).unwrap();
    let wal = std::fs::read(house.app().paths.store().with_extension("db-wal")).unwrap_or_default();
    let all = [file, wal].concat();
    assert!(
        !all.windows(31).any(|w| w == b"fake-github-installation-token-"),
        "kept, and sealed"
    );
    let house = house.crash_and_restart_as_configured().await;
    let agent = Agent {
        house: &house,
        system: "forge",
        task,
    };
    agent.until(LeaseState::Dead).await;
    assert_eq!(github.seen.lock().unwrap().revoked, 1);
    let kept = house
        .app()
        .store
        .read_blocking(move |conn| remit_store::leases::value(conn, lease))
        .unwrap();
    assert_eq!(kept, None, "what it was is gone with it");
    // The same placeholder, another token: decided, since the task had one.
    assert_eq!(agent.ask("GET /repos/acme/web", &with, "").await.0, 200);
    assert_eq!(agent.leases().len(), 2);
    assert!(
        house
            .records()
            .await
            .iter()
            .any(|record| record.kind == "lease.renew")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_ended_is_counted_aloud() {
    let github = FakeGithub::start().await;
    let house = with_github(&github).await;
    let agent = Agent::of(&house, "forge", &["forge:acme/web"]).await;
    let with = format!("Authorization: Bearer {}\r\n", agent.placeholder("app"));
    assert_eq!(agent.ask("GET /repos/acme/web", &with, "").await.0, 200);
    github.seen.lock().unwrap().down = true;
    agent.done().await;
    let page = async |path: &str| {
        let address = house.running.address;
        let mut stream = dial(address).await;
        let message = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(message.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(
        page("/metrics")
            .await
            .contains("\nremit_leases{state=\"revoking\"} 1\n")
    );
    assert!(page("/metrics").await.contains("\nremit_leases_stuck 0\n"));
    // A minute is long: the row says it has been dying since before.
    let lease = agent.leases().pop().unwrap().id;
    let since = house
        .app()
        .clock
        .now()
        .plus_ms(-remit_server::broker::revoke::STUCK_MS - 1000);
    let counts = house
        .app()
        .store
        .read_blocking(move |conn| remit_store::leases::counts(conn, since))
        .unwrap();
    assert_eq!((counts.revoking, counts.stuck), (1, 0), "not yet");
    let later = house.app().clock.now().plus_ms(1);
    let counts = house
        .app()
        .store
        .read_blocking(move |conn| remit_store::leases::counts(conn, later))
        .unwrap();
    assert_eq!(
        (counts.revoking, counts.stuck),
        (1, 1),
        "{lease} is stuck from a minute on"
    );
    assert!(page("/readyz").await.contains("ready, "));
    github.seen.lock().unwrap().down = false;
    agent.until(LeaseState::Dead).await;
    assert!(
        page("/metrics")
            .await
            .contains("\nremit_leases{state=\"revoking\"} 0\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_policy_takes_away_is_taken_back_there_and_forgotten_here() {
    let github = FakeGithub::start().await;
    let house = with_github(&github).await;
    let agent = Agent::of(&house, "forge", &["forge:acme/web"]).await;
    let with = format!("Authorization: Bearer {}\r\n", agent.placeholder("app"));
    assert_eq!(agent.ask("GET /repos/acme/web", &with, "").await.0, 200);
    remit_server::registry::servers::retire(house.app(), &name("forge"), &name("alice"))
        .await
        .unwrap();
    // The task is open all the while.
    agent.until(LeaseState::Dead).await;
    assert_eq!(github.seen.lock().unwrap().revoked, 1);
    let known = house.app().broker.opened();
    assert!(
        !known.iter().any(|value| value.starts_with("fake-github")),
        "forgotten here, too"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_made_while_policy_takes_it_away_is_taken_back_once_it_is_there() {
    let github = FakeGithub::start().await;
    let house = with_github(&github).await;
    let agent = Agent::of(&house, "forge", &["forge:acme/web"]).await;
    let with = format!("Authorization: Bearer {}\r\n", agent.placeholder("app"));
    let held = std::sync::Arc::new(tokio::sync::Notify::new());
    github.seen.lock().unwrap().held = Some(std::sync::Arc::clone(&held));
    let meanwhile = async {
        while github.seen.lock().unwrap().asked_for == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        remit_server::registry::servers::retire(house.app(), &name("forge"), &name("alice"))
            .await
            .unwrap();
        agent.until(LeaseState::Revoking).await;
        // Whoever ends leases has looked more than once by now, and waits for what is on its way.
        remit_server::broker::revoke::sweep(house.app()).await.unwrap();
        remit_server::broker::revoke::sweep(house.app()).await.unwrap();
        assert_eq!(agent.leases().pop().unwrap().state, LeaseState::Revoking);
        held.notify_one();
    };
    let ((status, _), ()) = tokio::join!(agent.ask("GET /repos/acme/web", &with, ""), meanwhile);
    assert_ne!(status, 200);
    agent.until(LeaseState::Dead).await;
    let seen = github.seen.lock().unwrap();
    assert_eq!((seen.revoked, seen.tokens.len()), (1, 0));
}
