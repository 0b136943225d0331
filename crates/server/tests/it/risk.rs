//! The risk of a call: what is new to an agent, and how often a task did it before; the same after a restart.

use remit_ledger::record::Record;
use remit_server::engine::uses;
use remit_server::evidence;
use serde_json::json;

use crate::house::House;

async fn decided(house: &House) -> Vec<Record> {
    let all = evidence::range(house.app(), 0, 10_000).await.unwrap();
    all.into_iter()
        .filter(|record| record.kind == "decision")
        .collect()
}

fn part(record: &Record, part: &str) -> i64 {
    let risk = record.detail.get("risk");
    risk.and_then(|risk| risk.get(part)?.as_i64()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_use_of_a_tool_and_of_a_root_is_new_once() {
    let house = House::open("20ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv/repo", "fs:/srv/docs"]).await;
    for path in ["/srv/repo/a", "/srv/repo/b", "/srv/docs/a"] {
        house.call(&task.token, "read_file", json!({"path": path})).await;
    }
    let write = json!({"path": "/srv/repo/a", "content": "x"});
    house.call(&task.token, "write_file", write).await;
    let all = decided(&house).await;
    let novelty: Vec<i64> = all.iter().map(|record| part(record, "novelty")).collect();
    assert_eq!(novelty, [25, 0, 10, 15], "tool and root, nothing, root, tool");
    assert_eq!(part(&all[3], "class"), 5);
    let said = uses::explain(&all[0]);
    assert_eq!(
        said,
        [
            "25 of 100",
            "novelty 25: first use by coder: tool fs/read_file, root fs:/srv/repo"
        ]
    );

    let house = house.crash_and_restart("20ms").await;
    let later = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    house
        .call(&later.token, "read_file", json!({"path": "/srv/repo/c"}))
        .await;
    let all = decided(&house).await;
    assert_eq!(
        part(all.last().unwrap(), "novelty"),
        0,
        "another task of the same agent, after a restart"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_denied_call_makes_nothing_familiar() {
    let house = House::open("20ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    house
        .call(&task.token, "read_file", json!({"path": "/etc/passwd"}))
        .await;
    house
        .call(&task.token, "read_file", json!({"path": "/srv/repo/a"}))
        .await;
    let novelty: Vec<i64> = decided(&house)
        .await
        .iter()
        .map(|record| part(record, "novelty"))
        .collect();
    assert_eq!(novelty, [25, 25]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn volume_counts_the_calls_of_this_tool_in_this_task_across_restarts() {
    let house = House::open("20ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    for _ in 0..9 {
        house
            .call(&task.token, "read_file", json!({"path": "/srv/repo/a"}))
            .await;
    }
    let house = house.crash_and_restart("20ms").await;
    for _ in 0..2 {
        house
            .call(&task.token, "read_file", json!({"path": "/srv/repo/a"}))
            .await;
    }
    let write = json!({"path": "/srv/repo/a", "content": "x"});
    house.call(&task.token, "write_file", write).await;
    let volume: Vec<i64> = decided(&house)
        .await
        .iter()
        .map(|record| part(record, "volume"))
        .collect();
    assert_eq!(volume, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0]);
}
