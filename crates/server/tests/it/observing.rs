//! Observe mode: per class, for a time, loud in the record, and never past guardrails, quarantine or what cannot be undone.

use std::time::Duration;

use remit_core::tool::ToolClass;
use remit_ledger::record::Record;
use remit_server::config::{Config, System};
use remit_server::evidence;
use serde_json::json;

use crate::house::{House, decision};

fn observing(class: &str, time: &str) -> Config {
    let mut config = Config::default();
    config.hold.wait = "20ms".to_owned();
    config.policy.observe.insert(class.to_owned(), time.to_owned());
    config
}

async fn records(house: &House) -> Vec<Record> {
    evidence::range(house.app(), 0, 10_000).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observed_class_runs_and_the_record_says_what_would_have_been() {
    let house = House::open_with(observing("write", "1d")).await;
    house.add_stub().await;
    // Without a root every write would wait for a person.
    let task = house.task(&["fs/*"], &[]).await;
    let arguments = json!({"path": "/srv/anywhere", "content": "x"});
    let written = house.call(&task.token, "write_file", arguments).await;
    assert_eq!(written["content"][0]["text"], "did \"write_file\"", "{written}");
    let all = records(&house).await;
    let began = all.iter().find(|record| record.kind == "observe.begin").unwrap();
    assert_eq!(began.class.as_deref(), Some("write"));
    let decided = all.iter().find(|record| record.kind == "decision").unwrap();
    assert_eq!(
        (decided.decision.as_deref(), decided.lane.as_deref()),
        (Some("allow"), Some("observed"))
    );
    let would = decided.detail.get("would").unwrap();
    let part = |name: &str| would.get(name).and_then(|value| value.as_str()).unwrap();
    assert_eq!(
        (part("decision"), part("reason"), part("tier")),
        ("hold", "approval_required", "approve")
    );
    assert!(part("message").contains("no root"), "{}", part("message"));
    let outcome = all.iter().find(|record| record.kind == "outcome").unwrap();
    assert_eq!(outcome.lane.as_deref(), Some("observed"));

    // Another class, what cannot be undone, what is not admitted, and what guardrails forbid stay as they are.
    let deleted = house
        .call(&task.token, "delete_file", json!({"path": "/srv/a"}))
        .await;
    assert_eq!(decision(&deleted)["decision"], "hold", "{deleted}");
    let unknown = house.call(&task.token, "frobnicate", json!({})).await;
    assert_eq!(decision(&unknown)["reason"], "tool_quarantined", "{unknown}");
    let narrow = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    let outside = json!({"path": "/etc/passwd", "content": "x"});
    let outside = house.call(&narrow.token, "write_file", outside).await;
    assert_eq!(decision(&outside)["reason"], "out_of_authority", "{outside}");
    assert_eq!(house.stub.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_undone_waits_even_when_its_class_is_observed() {
    let house = House::open_with(observing("delete", "1d")).await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let world = house.app().world();
    let tool = world
        .registry
        .tool(&"fs/delete_file".parse().unwrap())
        .unwrap()
        .clone();
    assert_eq!(tool.tool.classification.class, ToolClass::Delete);
    assert!(
        tool.tool.classification.marks.irreversible,
        "the case this is about"
    );
    let deleted = house
        .call(&task.token, "delete_file", json!({"path": "/srv/a"}))
        .await;
    assert_eq!(decision(&deleted)["decision"], "hold", "{deleted}");
    assert!(house.stub.received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observe_mode_ends_by_itself_and_a_restart_does_not_make_it_longer() {
    let house = House::open_with(observing("write", "2s")).await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &[]).await;
    let write = |n: u32| json!({"path": format!("/srv/{n}"), "content": "x"});
    house.call(&task.token, "write_file", write(1)).await;
    assert_eq!(house.stub.received().len(), 1);
    let until = house.app().world().observed[&ToolClass::Write];
    let house = house.crash_and_restart_with(observing("write", "30d")).await;
    assert_eq!(house.app().world().observed[&ToolClass::Write], until);
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    let held = house.call(&task.token, "write_file", write(2)).await;
    assert_eq!(decision(&held)["decision"], "hold", "{held}");
    let house = house.crash_and_restart_with(observing("write", "30d")).await;
    let held = house.call(&task.token, "write_file", write(3)).await;
    assert_eq!(
        decision(&held)["decision"],
        "hold",
        "it is over until somebody starts without it: {held}"
    );
    let house = house.crash_and_restart("20ms").await;
    let house = house.crash_and_restart_with(observing("write", "1d")).await;
    house.call(&task.token, "write_file", write(4)).await;
    assert_eq!(house.stub.received().len(), 2, "asked for anew");
    let begun = records(&house).await;
    let begun = begun.iter().filter(|record| record.kind == "observe.begin");
    assert_eq!(begun.count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_can_name_the_environment_of_a_system() {
    let mut config = Config::default();
    config.hold.wait = "20ms".to_owned();
    let folder = std::env::temp_dir().join(format!("remit-environments-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let rule = "@id(\"team.production\") @message(\"production: {tool} waits\")\nforbid (principal, action, resource)\n\
                when { resource.environment == \"production\" }\nunless { context.approval.level >= 2 };";
    std::fs::write(folder.join("team.cedar"), rule).unwrap();
    config.policy.dir = Some(folder.clone());
    let production = System {
        environment: Some("production".to_owned()),
        ..System::default()
    };
    config.systems.insert("fs".to_owned(), production);
    let house = House::open_with(config.clone()).await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let held = house
        .call(&task.token, "read_file", json!({"path": "/srv/a"}))
        .await;
    assert_eq!(decision(&held)["decision"], "hold", "{held}");
    config.systems.clear();
    let house = house.crash_and_restart_with(config).await;
    let read = house
        .call(&task.token, "read_file", json!({"path": "/srv/b"}))
        .await;
    assert!(
        decision(&read).is_null(),
        "an unknown environment is not production: {read}"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_asks_of_remit_itself_is_never_observed_only() {
    let mut config = observing("write", "1d");
    let folder = std::env::temp_dir().join(format!("remit-own-tools-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let rule = "@id(\"team.no-delegation\") @message(\"nobody hands work on here\")\nforbid (principal, action == Action::\"remit/delegate\", resource);";
    std::fs::write(folder.join("team.cedar"), rule).unwrap();
    config.policy.dir = Some(folder.clone());
    let house = House::open_with(config).await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv"]).await;
    let arguments = json!({"agent": "coder", "goal": "more of it"});
    let handed = house.call(&task.token, "remit__delegate", arguments).await;
    assert_eq!(decision(&handed)["decision"], "deny", "{handed}");
    let all = records(&house).await;
    assert!(
        all.iter()
            .all(|record| record.kind != "decision" || record.lane.as_deref() != Some("observed"))
    );
    std::fs::remove_dir_all(folder).unwrap();
}
