//! What a call must not carry: placeholders, secrets we keep, credentials of others, the decoy.

use remit_server::broker::decoy;
use serde_json::{Value, json};

use crate::house::House;

async fn findings(house: &House) -> Vec<Value> {
    let records = house
        .app()
        .store
        .read(|conn| remit_store::records::range(conn, 0, 10_000))
        .await
        .unwrap();
    records
        .iter()
        .map(|record| serde_json::from_slice::<Value>(&record.leaf).unwrap())
        .filter(|record| record["type"] == "finding")
        .collect()
}

const KEY: &str = concat!("sk_", "live_", "Zk3vQ9xLm2RtB7wYc5HnD8sJ");

#[tokio::test(flavor = "multi_thread")]
async fn credentials_in_arguments_are_refused_before_anything_leaves() {
    let house = House::open("100ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/write_file", "fs/read_file"], &["fs:/w"]).await;
    let placeholder = format!("remit-placeholder-{}", "0123456789abcdef0123456789abcdef");
    for content in [KEY.to_owned(), format!("x{placeholder}y")] {
        let arguments = json!({"path": "/w/a", "content": content});
        let refused = house.call(&task.token, "write_file", arguments).await;
        let decision = &refused["_meta"]["dev.remit/decision"];
        assert_eq!(decision["reason"], "foreign_credential", "{refused}");
        assert!(
            !decision.to_string().contains(&content),
            "the value is not said back"
        );
    }
    assert_eq!(house.stub.received().len(), 0);
    let found = findings(&house).await;
    assert_eq!(found.len(), 2, "{found:?}");
    let all = serde_json::to_string(&found).unwrap();
    assert!(
        all.contains("/content") && !all.contains("Zk3vQ9xLm2"),
        "masked: {all}"
    );
    // Code and digests go through.
    let honest = json!({"path": "/w/a", "content": "let token = sha256(\"3b871e2feb6004e8eb158cadb5d02555285e2ff7\");"});
    let done = house.call(&task.token, "write_file", honest).await;
    assert_ne!(
        done["_meta"]["dev.remit/decision"]["reason"], "foreign_credential",
        "{done}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decoy_suspends_its_task() {
    let house = House::open("100ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/read_file"], &["fs:/w"]).await;
    let other = house.task(&["fs/read_file"], &["fs:/w"]).await;
    let decoy = decoy(house.app(), task.task.run);
    let arguments = json!({"path": format!("/w/{decoy}")});
    let refused = house.call(&task.token, "read_file", arguments.clone()).await;
    assert_eq!(
        refused["_meta"]["dev.remit/decision"]["reason"], "foreign_credential",
        "{refused}"
    );
    let after = house
        .call(&task.token, "read_file", json!({"path": "/w/a"}))
        .await;
    assert_eq!(
        after["_meta"]["dev.remit/decision"]["reason"], "task_suspended",
        "{after}"
    );
    // Somebody else's is a placeholder like any other, and nobody's decoy.
    house.call(&other.token, "read_file", arguments).await;
    let fine = house
        .call(&other.token, "read_file", json!({"path": "/w/a"}))
        .await;
    assert_eq!(fine["isError"], Value::Null, "{fine}");
    assert!(
        findings(&house)
            .await
            .iter()
            .any(|f| f["detail"]["kind"] == "decoy_used" || f["kind"] == "decoy_used")
    );
}
