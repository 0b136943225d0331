//! Requests that a system takes twice only once, by a key, and what becomes of the key when this process dies.

use std::sync::atomic::Ordering;
use std::time::Duration;

use remit_server::tasks::open::Opened;

use crate::backends::{Agent, add_system};
use crate::house::{House, name};
use crate::upstream_stub::Upstream;

const BANK: &str = r#"
title = "Bank"
[[operations]]
name = "pay"
call = "POST /payments"
class = "write"
resources = ["payments"]
idempotency = "idempotency-key"
body = "json"
[[operations]]
name = "close"
call = "POST /closings"
class = "delete"
resources = ["payments"]
idempotency = "idempotency-key"
body = "json"
"#;
const JSON: &str = "Content-Type: application/json\r\n";
const FIVE: &str = r#"{"amount":5}"#;

fn agent(house: &House, task: Opened) -> Agent<'_> {
    Agent {
        house,
        system: "bank",
        task,
    }
}

fn keys(upstream: &Upstream) -> Vec<String> {
    let seen = upstream.seen();
    let key = |seen: &crate::upstream_stub::Seen| seen.header("idempotency-key").unwrap().to_owned();
    seen.iter().map(key).collect()
}

async fn opened() -> (Upstream, House, Opened) {
    let upstream = Upstream::start(None).await;
    let house = House::open("100ms").await;
    add_system(
        &house,
        "bank",
        BANK,
        &format!("http://127.0.0.1:{}", upstream.port),
    )
    .await;
    let task = house.task(&["bank/*"], &["bank:payments"]).await;
    (upstream, house, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_after_a_crash_carries_the_key_of_what_it_repeats() {
    let (upstream, house, task) = opened().await;
    // It left, and this process dies before anything comes back.
    upstream.is_silent.store(true, Ordering::SeqCst);
    let one = agent(&house, task);
    let line = "POST /payments";
    tokio::select! {
        _ = one.ask(line, JSON, FIVE) => panic!("nobody answers"),
        () = async {
            while upstream.seen().is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } => {}
    }
    let task = one.task;
    let house = house.crash_and_restart("100ms").await;
    upstream.is_silent.store(false, Ordering::SeqCst);
    let well = upstream.answer.lock().unwrap().clone();
    let one = agent(&house, task);
    // It did not come through, or is still being worked on: nobody knows.
    for status in ["503 Service Unavailable", "409 Conflict"] {
        *upstream.answer.lock().unwrap() = (format!("HTTP/1.1 {status}\r\n"), String::new());
        assert_eq!(one.ask(line, JSON, FIVE).await.0.to_string(), status[..3]);
    }
    *upstream.answer.lock().unwrap() = well;
    assert_eq!(one.ask(line, JSON, FIVE).await.0, 200);
    let first = keys(&upstream);
    assert_eq!(first.len(), 4);
    assert!(first.iter().all(|key| *key == first[0]), "one payment: {first:?}");
    assert_eq!(one.ask(line, JSON, r#"{"amount":6}"#).await.0, 200);

    // What became of it is known, and stays known: two equal payments are two.
    let task = one.task;
    let house = house.crash_and_restart("100ms").await;
    let one = agent(&house, task);
    assert_eq!(one.ask(line, JSON, FIVE).await.0, 200);
    assert_eq!(one.ask(line, JSON, FIVE).await.0, 200);
    let other = house.task(&["bank/*"], &["bank:payments"]).await;
    assert_eq!(agent(&house, other).ask(line, JSON, FIVE).await.0, 200);
    let mut all = keys(&upstream);
    all.drain(..3);
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!((count, all.len()), (5, 5), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approved_request_keeps_its_key_until_its_agent_has_the_answer() {
    let (upstream, house, task) = opened().await;
    let one = agent(&house, task);
    let (status, held) = one.ask("POST /closings", JSON, FIVE).await;
    assert_eq!(status, 202, "{held}");
    let held: serde_json::Value = serde_json::from_str(&held).unwrap();
    let id = held["approval_id"].as_str().unwrap().parse().unwrap();
    let once = remit_server::approvals::vote::Reach::Once;
    remit_server::approvals::vote::approve(house.app(), id, once, String::new(), &name("alice"))
        .await
        .unwrap();
    for _ in 0..500 {
        if house
            .records()
            .await
            .iter()
            .any(|record| record.kind == "outcome")
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The agent was away, and so are we for a while: asked again it gets what it asked for, which is not done a second time.
    let task = one.task;
    let house = house.crash_and_restart("100ms").await;
    let one = agent(&house, task);
    let (status, answer) = one.ask("POST /closings", JSON, FIVE).await;
    assert_eq!((status, answer.as_str()), (200, r#"{"ok":true}"#));
    assert_eq!(upstream.seen().len(), 1);
    for _ in 0..500 {
        if house
            .records()
            .await
            .iter()
            .any(|record| record.kind == "approval.redeemed")
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // From then on it is another one.
    assert_eq!(one.agreed("POST /closings", JSON, FIVE).await.0, 200);
    let keys = keys(&upstream);
    assert!(keys.len() == 2 && keys[0] != keys[1], "{keys:?}");
}
