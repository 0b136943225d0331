//! What is in force is what was applied and recorded, not what lies in a folder at the moment.

use remit_server::policies::apply::{self, Applied};
use remit_server::registry::servers;
use serde_json::json;

use crate::house::{House, decision, name};

const NO_READING: &str = r#"@id("no-reading") forbid (principal, action in Action::"read", resource) when { context.server == "fs" };"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_file_counts_once_it_is_applied_and_a_broken_one_never() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let app = house.app();
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let read = || house.call(&task.token, "read_file", json!({"path": "/srv/a"}));
    assert_eq!(read().await["isError"], json!(null));

    let folder = app.paths.config.join("policies");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("ours.cedar"), NO_READING).unwrap();
    // The world is read again for another reason: the file is not in force yet.
    servers::refresh(app, &name("fs")).await.unwrap();
    app.reload().await.unwrap();
    assert_eq!(read().await["isError"], json!(null));

    let before = app.world().policy.version();
    apply::apply(app, &name("alice"))
        .await
        .unwrap()
        .in_force()
        .unwrap();
    assert_eq!(decision(&read().await)["decision"], "deny");
    let records = house.records().await;
    let applied = records
        .iter()
        .rfind(|record| record.kind == "policy.apply")
        .unwrap();
    let detail = |key: &str| applied.detail.get(key).cloned().unwrap();
    assert_eq!(detail("by"), "alice".into());
    assert_eq!(detail("before"), before.to_string().into());
    assert!(detail("files").as_object().unwrap().contains_key("ours.cedar"));
    let version = app.world().policy.version().to_string();
    assert_eq!(applied.policy_version.as_deref(), Some(version.as_str()));

    // Applied again, nothing is new.
    apply::apply(app, &name("alice"))
        .await
        .unwrap()
        .in_force()
        .unwrap();
    // A broken file is refused, and nothing else stops working over it.
    std::fs::write(folder.join("ours.cedar"), "forbid (principal").unwrap();
    let refused = apply::apply(app, &name("alice")).await.unwrap();
    assert!(
        matches!(&refused, Applied::Refused(problems) if problems[0].file == "ours.cedar"),
        "{refused:?}"
    );
    servers::refresh(app, &name("fs")).await.unwrap();
    app.reload().await.unwrap();
    assert_eq!(decision(&read().await)["decision"], "deny");
    let count = house.records().await;
    let count = count.iter().filter(|record| record.kind == "policy.apply");
    assert_eq!(count.count(), 2, "at the start, and once");

    // A start puts into force what lies there, and says so.
    std::fs::remove_file(folder.join("ours.cedar")).unwrap();
    let house = house.crash_and_restart("50ms").await;
    let again = house
        .call(&task.token, "read_file", json!({"path": "/srv/a"}))
        .await;
    assert_eq!(again["isError"], json!(null), "{again}");
    let records = house.records().await;
    assert_eq!(
        records
            .iter()
            .filter(|record| record.kind == "policy.apply")
            .count(),
        3
    );
}
