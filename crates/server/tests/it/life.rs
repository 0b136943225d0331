//! Long work and its end: heartbeats, renewals, retries, and a stop that works while everything else is busy.

use std::time::{Duration, Instant};

use remit_core::label::Label;
use remit_core::people::Standing;
use remit_core::task::TaskState;
use remit_server::tasks::kill::{Target, kill, lift};
use remit_server::tasks::open::{NewTask, Opened, open};
use remit_server::tasks::{pulse, renew, resume, suspend};
use serde_json::json;

use crate::house::{House, decision, name};

async fn with_heartbeat(house: &House, ms: i64) -> Opened {
    let intent = remit_core::task::Intent {
        goal: "migrate".to_owned(),
        purpose: String::new(),
    };
    let mut new = NewTask::new(name("coder"), intent);
    new.allow = vec!["fs/*".parse().unwrap()];
    new.destinations = vec!["host:example.org".parse().unwrap()];
    new.more.heartbeat_ms = Some(ms);
    new.more.max_life_ms = Some(3_600_000);
    open(house.app(), new, &name("alice")).await.unwrap()
}

async fn state(house: &House, opened: &Opened) -> TaskState {
    let id = opened.task.id;
    let stored = house
        .app()
        .store
        .read(move |conn| remit_store::tasks::get(conn, id))
        .await
        .unwrap();
    stored.unwrap().task.state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_run_ends_within_two_heartbeats_and_one_that_speaks_does_not() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let (silent, speaking) = (
        with_heartbeat(&house, 1_000).await,
        with_heartbeat(&house, 1_000).await,
    );
    let begun = now();
    while begun.elapsed() < Duration::from_secs(4) && state(&house, &silent).await == TaskState::Open {
        house.call(&speaking.token, "remit__heartbeat", json!({})).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(state(&house, &silent).await.as_str(), "expired");
    assert!(
        begun.elapsed() >= Duration::from_millis(1_500),
        "not after the first that was missed"
    );
    assert_eq!(state(&house, &speaking).await, TaskState::Open);
    assert_eq!(pulse::look(house.app()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewal_looks_at_what_is_true_now_and_may_narrow_or_refuse() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let task = with_heartbeat(&house, 60_000).await;
    let (id, run) = (task.task.id, task.task.run);
    let renewed = renew(house.app(), id, 600_000, &name("alice")).await.unwrap();
    assert!(renewed.narrowed.is_empty(), "{:?}", renewed.narrowed);
    // It touched what is confidential.
    let seen = remit_ledger::record::Record {
        kind: "test.label".to_owned(),
        ..Default::default()
    };
    house
        .app()
        .store
        .append(seen, move |tx| {
            remit_store::labels::add(tx, run, &[Label::Confidential].into())
        })
        .await
        .unwrap();
    let asked = house
        .call(&task.token, "remit__renew", json!({"ttl_seconds": 600}))
        .await;
    let narrowed = asked["structuredContent"]["narrowed"].to_string();
    assert!(
        narrowed.contains("example.org") && narrowed.contains("confidential"),
        "{asked}"
    );
    // Its life has an end that no renewal moves.
    let long = renew(house.app(), id, 86_400_000, &name("alice")).await.unwrap();
    assert!(
        long.narrowed.iter().any(|why| why.contains("maximum life")),
        "{:?}",
        long.narrowed
    );
    let refused = renew(house.app(), id, 86_400_000, &name("alice"))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("maximum life"), "{refused}");
    // A task that was given no life beyond its window is not renewed by its own run.
    let plain = house.task(&["fs/*"], &["fs:/srv"]).await;
    let own = house
        .call(&plain.token, "remit__renew", json!({"ttl_seconds": 600}))
        .await;
    assert_eq!(own["isError"], true, "{own}");
    // Nobody answers for the agent any more.
    suspend(house.app(), id, &name("alice"), "pause").await.unwrap();
    let bob =
        remit_server::people::NewHuman::new(name("bob"), [remit_core::people::Role::Administrator].into());
    remit_server::people::add_human(house.app(), bob, &name("alice"))
        .await
        .unwrap();
    remit_server::people::set_human(house.app(), &name("alice"), Standing::Suspended, &name("bob"))
        .await
        .unwrap();
    let refused = resume(house.app(), id, &name("bob")).await.unwrap_err();
    assert!(refused.to_string().contains("answers for"), "{refused}");
    let records = house.records().await;
    let last = records.iter().rfind(|r| r.kind == "task.resume").unwrap();
    assert_eq!(last.decision.as_deref(), Some("deny"));
    assert_eq!(last.reason.as_deref(), Some("actor_invalid"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_hosts_owners_and_everything_can_be_stopped() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let read = json!({"path": "/srv/a"});
    assert!(house.call(&task.token, "read_file", read.clone()).await["isError"].is_null());

    let host = Target::parse("host:127.0.0.1").unwrap();
    kill(house.app(), host.clone(), &name("alice"), "leak")
        .await
        .unwrap();
    kill(house.app(), host.clone(), &name("alice"), "leak")
        .await
        .unwrap();
    let refused = house.call(&task.token, "read_file", read.clone()).await;
    assert_eq!(
        decision(&refused)["reason"],
        "destination_not_allowed",
        "{refused}"
    );
    lift(house.app(), host, &name("alice")).await.unwrap();
    assert!(house.call(&task.token, "read_file", read.clone()).await["isError"].is_null());

    let tool = Target::parse("fs/read_file").unwrap();
    kill(house.app(), tool.clone(), &name("alice"), "bad")
        .await
        .unwrap();
    kill(house.app(), tool, &name("alice"), "bad").await.unwrap();
    let refused = house.call(&task.token, "read_file", read.clone()).await;
    assert_eq!(decision(&refused)["reason"], "tool_quarantined", "{refused}");

    let gone = kill(
        house.app(),
        Target::parse("human:alice").unwrap(),
        &name("alice"),
        "left",
    )
    .await
    .unwrap();
    assert_eq!(gone.tasks, [task.task.id]);
    let (status, _) = house.rpc(&task.token, "tools/list", json!({})).await;
    assert_eq!(status, 401);
    let other = house.task(&["fs/*"], &["fs:/srv"]).await;
    let gone = kill(house.app(), Target::All, &name("alice"), "all")
        .await
        .unwrap();
    assert_eq!(gone.tasks, [other.task.id]);
    let ends = house
        .records()
        .await
        .iter()
        .filter(|r| r.kind == "task.end")
        .count();
    assert_eq!(ends, 2, "each task's own history has its end");
    for bad in ["host:", "host:a/b", "human:", "fs/", "nothing at all"] {
        assert!(Target::parse(bad).is_err(), "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_works_while_workers_and_readers_are_busy() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    // Every reader of the store is held up, and more wait behind them.
    for _ in 0..16 {
        let store = house.app().store.clone();
        tokio::spawn(async move {
            store
                .read(|_| {
                    std::thread::sleep(Duration::from_secs(5));
                    Ok::<_, remit_store::StoreError>(())
                })
                .await
        });
    }
    // So is every worker of this runtime but the one this test is on.
    let socket = house.app().paths.kill_socket();
    let key = std::fs::read(house.app().paths.control_key()).unwrap();
    let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let id = task.task.id.to_string();
    let killed = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        std::thread::sleep(Duration::from_millis(200));
        let begun = now();
        let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
        let body = json!({"id": id}).to_string();
        write!(
            stream,
            "POST /v1/kill HTTP/1.1\r\nhost: remit\r\nconnection: close\r\nremit-control: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (begun.elapsed(), answer)
    });
    for _ in 0..4 {
        tokio::spawn(async { std::thread::sleep(Duration::from_secs(3)) });
    }
    std::thread::sleep(Duration::from_secs(3));
    let (took, answer) = killed.join().unwrap();
    // A process that descends from a confined one is refused here as everywhere; then there is nothing to measure.
    if answer.starts_with("HTTP/1.1 403") {
        eprintln!("skipped: this test runs below a confined process: {answer}");
        return;
    }
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains(&task.task.id.to_string()),
        "{answer}"
    );
    assert!(took < Duration::from_secs(2), "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_call_under_way_has_one_effect_and_a_second_one_afterwards_is_a_new_call() {
    let house = std::sync::Arc::new(House::open("50ms").await);
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    house.stub.delay(Duration::from_millis(700));
    let write = json!({"path": "/srv/a", "content": "x"});
    let mut both = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (house, token, write) = (std::sync::Arc::clone(&house), task.token.clone(), write.clone());
        both.spawn(async move { house.call(&token, "write_file", write).await });
    }
    for answer in both.join_all().await {
        assert_eq!(answer["content"][0]["text"], "did \"write_file\"", "{answer}");
    }
    assert_eq!(house.stub.received().len(), 1, "one effect");
    house.stub.delay(Duration::ZERO);
    house.call(&task.token, "write_file", write).await;
    assert_eq!(
        house.stub.received().len(),
        2,
        "the same again afterwards is a call of its own"
    );
    let origins: Vec<String> = house
        .records()
        .await
        .iter()
        .filter(|r| r.kind == "decision")
        .filter_map(|r| r.origin.clone())
        .collect();
    assert_eq!(
        origins.iter().filter(|o| *o == "initial").count(),
        2,
        "{origins:?}"
    );
    assert!(
        origins.iter().any(|o| o.starts_with("retry 1 of call_"))
            && origins.iter().any(|o| o.starts_with("retry 2 of call_")),
        "{origins:?}"
    );
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn now() -> Instant {
    Instant::now()
}
