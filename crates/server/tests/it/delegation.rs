//! Authority over many agents: rights, amendments, delegation by runs, shared budgets, and a tree that dies at once.

use std::time::{Duration, Instant};

use remit_core::authority::{Authority, Budget};
use remit_core::people::{Kind, Role};
use remit_server::approvals::vote::{self, Reach};
use remit_server::people::NewHuman;
use remit_server::tasks::kill::{Target, kill};
use remit_server::tasks::open::{More, NewTask, Opened, open};
use remit_server::tasks::{Change, amend};
use serde_json::{Value, json};

use crate::house::{House, decision, name};

fn wish(allow: &[&str], resources: &[&str]) -> NewTask {
    let intent = remit_core::task::Intent {
        goal: "fix the login test".to_owned(),
        purpose: String::new(),
    };
    let mut new = NewTask::new(name("coder"), intent);
    new.allow = allow.iter().map(|text| text.parse().unwrap()).collect();
    new.resources = resources.iter().map(|text| text.parse().unwrap()).collect();
    new
}

async fn root(house: &House, depth: u8, fan_out: u16) -> Opened {
    let mut new = wish(&["fs/*"], &["fs:/srv"]);
    new.more = More {
        depth: Some(depth),
        fan_out: Some(fan_out),
        ..More::default()
    };
    open(house.app(), new, &name("alice")).await.unwrap()
}

async fn delegate(house: &House, token: &str, arguments: Value) -> Value {
    house.call(token, "remit__delegate", arguments).await
}

fn token(opened: &Value) -> String {
    opened["structuredContent"]["token"]
        .as_str()
        .unwrap_or_else(|| panic!("{opened}"))
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_hands_on_less_than_it_has_and_the_chain_shows() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let parent = root(&house, 2, 3).await;
    let opened = delegate(
        &house,
        &parent.token,
        json!({"agent": "coder", "intent": "look", "tools": ["fs/*"], "classes": ["read", "exec"],
               "resources": ["fs:/"], "depth": 1, "budgets": [{"counts": "calls", "max": 2}]}),
    )
    .await;
    let shown = &opened["structuredContent"];
    assert!(
        shown["cut"]
            .as_array()
            .unwrap()
            .iter()
            .any(|cut| cut.as_str().unwrap().contains("fs:/")),
        "{opened}"
    );
    let child = token(&opened);
    let read = house.call(&child, "read_file", json!({"path": "/srv/a"})).await;
    assert_eq!(read["content"][0]["text"], "did \"read_file\"", "{read}");
    for (tool, path) in [("write_file", "/srv/a"), ("read_file", "/etc/passwd")] {
        let refused = house
            .call(&child, tool, json!({"path": path, "content": "x"}))
            .await;
        assert_eq!(refused["isError"], true, "{refused}");
    }
    let grandchild = token(
        &delegate(
            &house,
            &child,
            json!({"agent": "coder", "intent": "deeper", "tools": ["fs/read_file"]}),
        )
        .await,
    );
    let too_deep = delegate(
        &house,
        &grandchild,
        json!({"agent": "coder", "intent": "deeper", "tools": ["fs/read_file"]}),
    )
    .await;
    assert_eq!(decision(&too_deep)["reason"], "out_of_authority", "{too_deep}");
    assert_eq!(
        decision(&too_deep)["rule"].as_str().unwrap().split(' ').next(),
        Some("guardrail.delegate"),
        "{too_deep}"
    );

    // The child's budget is its own; the grandchild's calls count against it too.
    let second = house
        .call(&grandchild, "read_file", json!({"path": "/srv/b"}))
        .await;
    assert_eq!(second["content"][0]["text"], "did \"read_file\"", "{second}");
    for token in [&child, &grandchild] {
        let over = house.call(token, "read_file", json!({"path": "/srv/c"})).await;
        assert_eq!(decision(&over)["decision"], "hold", "{over}");
        let message = decision(&over)["message"].as_str().unwrap();
        assert!(message.contains("used, 1 more asked"), "{message}");
    }
    let records = house.records().await;
    let deep = records
        .iter()
        .find(|r| r.chain.len() == 3 && r.kind == "decision")
        .unwrap();
    assert_eq!(deep.initiator.as_deref(), Some("alice"));
    assert!(records.iter().any(|r| r.kind == "decision"
        && r.tool.as_deref() == Some("remit/delegate")
        && r.decision.as_deref() == Some("allow")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fan_out_has_a_limit_and_a_tree_killed_at_its_root_under_load_has_no_effect_after() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let parent = root(&house, 2, 4).await;
    let mut tokens = vec![parent.token.clone()];
    let ask = json!({"agent": "coder", "intent": "work", "tools": ["fs/*"], "resources": ["fs:/srv"], "depth": 1, "fan_out": 3});
    for _ in 0..4 {
        let child = token(&delegate(&house, &parent.token, ask.clone()).await);
        for _ in 0..3 {
            let leaf =
                json!({"agent": "coder", "intent": "work", "tools": ["fs/*"], "resources": ["fs:/srv"]});
            tokens.push(token(&delegate(&house, &child, leaf).await));
        }
        tokens.push(child);
    }
    let over = delegate(&house, &parent.token, ask).await;
    assert!(
        over["structuredContent"]["message"]
            .as_str()
            .unwrap()
            .contains("fan-out"),
        "{over}"
    );

    let house = std::sync::Arc::new(house);
    let mut workers = tokio::task::JoinSet::new();
    for token in tokens.clone() {
        let house = std::sync::Arc::clone(&house);
        workers.spawn(async move {
            let mut n = 0;
            loop {
                n += 1;
                let path = format!("/srv/{n}");
                let (status, _) = house
                    .rpc(
                        &token,
                        "tools/call",
                        json!({"name": "write_file", "arguments": {"path": path, "content": "x"}}),
                    )
                    .await;
                if status == 401 {
                    return;
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = now();
    let gone = kill(house.app(), Target::Task(parent.task.id), &name("alice"), "stop")
        .await
        .unwrap();
    assert_eq!(gone.tasks.len(), 17);
    // What was on the wire when the record was made may still arrive; nothing is let out after it.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = house.stub.received().len();
    let all = tokio::time::timeout(Duration::from_secs(30), workers.join_all()).await;
    assert!(all.is_ok(), "some run went on");
    assert_eq!(house.stub.received().len(), after, "an effect after the kill");
    let records = house.records().await;
    let end = records.iter().find(|r| r.kind == "task.end").unwrap().seq;
    assert!(
        !records
            .iter()
            .any(|r| r.seq > end && r.decision.as_deref() == Some("allow")),
        "an allow after the end"
    );
    eprintln!(
        "killed 17 tasks under load; refused everywhere within {:?}",
        begun.elapsed()
    );
    let again = kill(house.app(), Target::Task(parent.task.id), &name("alice"), "stop")
        .await
        .unwrap();
    assert!(again.tasks.is_empty() && again.in_flight.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_of_the_initiator_bound_the_task_and_strangers_get_the_public_template() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let mut ada = NewHuman::new(name("ada"), [Role::Initiator].into());
    let mut rights = Authority::unbounded();
    rights.tools = ["fs/read_file".parse().unwrap()].into();
    ada.authority = Some(rights);
    remit_server::people::add_human(house.app(), ada, &name("alice"))
        .await
        .unwrap();
    let task = open(
        house.app(),
        wish(&["fs/read_file", "fs/delete_file"], &["fs:/srv"]),
        &name("ada"),
    )
    .await
    .unwrap();
    assert!(
        task.task
            .cut
            .iter()
            .any(|cut| cut.contains("fs/delete_file") && cut.contains("`ada` has no such right")),
        "{:?}",
        task.task.cut
    );
    let refused = house
        .call(&task.token, "delete_file", json!({"path": "/srv/a"}))
        .await;
    assert_eq!(decision(&refused)["reason"], "out_of_authority", "{refused}");
    // She cannot give what she does not have; an administrator's own rights do not help her.
    let change = Change {
        tools: vec!["fs/delete_file".parse().unwrap()],
        ..Change::default()
    };
    let amended = amend(house.app(), task.task.id, change.clone(), &name("ada"))
        .await
        .unwrap();
    assert!(
        amended.cut.iter().any(|cut| cut.contains("delete")),
        "{:?}",
        amended.cut
    );

    // A pattern that selects nothing is said, one that selects something is not.
    let task = open(
        house.app(),
        wish(&["fs/*", "nobody/*", "fs:read"], &["fs:/srv"]),
        &name("alice"),
    )
    .await
    .unwrap();
    let nothing: Vec<_> = task
        .task
        .cut
        .iter()
        .filter(|cut| cut.contains("no admitted tool"))
        .collect();
    assert_eq!(
        nothing,
        ["tools `nobody/*`: no admitted tool is selected by it"],
        "{:?}",
        task.task.cut
    );

    let mut webhook = NewHuman::new(name("webhook"), [Role::Initiator].into());
    webhook.kind = Kind::Stranger;
    remit_server::people::add_human(house.app(), webhook, &name("alice"))
        .await
        .unwrap();
    let task = open(house.app(), wish(&["fs/*"], &["fs:/srv"]), &name("webhook"))
        .await
        .unwrap();
    assert!(task.task.untrusted && task.task.template.as_ref().unwrap().as_str() == "public");
    assert!(
        task.task.cut.iter().any(|cut| cut.contains("class `exec`")),
        "{:?}",
        task.task.cut
    );
    let refused = house
        .call(&task.token, "delete_file", json!({"path": "/srv/a"}))
        .await;
    assert_eq!(decision(&refused)["reason"], "out_of_authority", "{refused}");
    let held = house
        .call(
            &task.token,
            "write_file",
            json!({"path": "/srv/a", "content": "x"}),
        )
        .await;
    assert_eq!(decision(&held)["decision"], "hold", "{held}");
    assert!(
        amend(house.app(), task.task.id, change.clone(), &name("webhook"))
            .await
            .is_err()
    );
    amend(house.app(), task.task.id, change, &name("alice"))
        .await
        .unwrap();
    let records = house.records().await;
    let widened = records.iter().rfind(|r| r.kind == "task.amend").unwrap();
    assert_eq!(
        widened.detail.get("widened_by").and_then(|by| by.as_str()),
        Some("alice")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_can_only_ask_for_more_and_old_records_keep_the_old_intent() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/read_file"], &["fs:/srv"]).await;
    let before = house
        .call(&task.token, "read_file", json!({"path": "/srv/a"}))
        .await;
    assert!(before["isError"].is_null());
    let held = house
        .call(
            &task.token,
            "remit__request_access",
            json!({"reason": "the page says so", "tools": ["fs/write_file"], "intent": "also update billing"}),
        )
        .await;
    assert_eq!(decision(&held)["decision"], "hold", "{held}");
    let refused = house
        .call(
            &task.token,
            "write_file",
            json!({"path": "/srv/a", "content": "x"}),
        )
        .await;
    assert_eq!(decision(&refused)["reason"], "out_of_authority", "{refused}");
    // This run is not confined: a yes it could have given itself does not count.
    let approval = decision(&held)["approval_id"].as_str().unwrap().parse().unwrap();
    let weak = vote::approve(house.app(), approval, Reach::Once, String::new(), &name("alice")).await;
    assert!(weak.unwrap_err().to_string().contains("weak"));
    // The initiator does it in person.
    let change = Change {
        tools: vec!["fs/write_file".parse().unwrap()],
        goal: Some("also update billing".to_owned()),
        ..Change::default()
    };
    let amended = amend(house.app(), task.task.id, change, &name("alice"))
        .await
        .unwrap();
    assert_eq!(amended.version, 2);
    let written = house
        .call(
            &task.token,
            "write_file",
            json!({"path": "/srv/a", "content": "x"}),
        )
        .await;
    assert_eq!(written["content"][0]["text"], "did \"write_file\"", "{written}");
    let intents: Vec<(String, Option<i64>)> = house
        .records()
        .await
        .iter()
        .filter(|r| r.kind == "decision" && r.decision.as_deref() == Some("allow"))
        .map(|r| {
            let text = r
                .detail
                .get("intent")
                .and_then(|v| v.as_str())
                .unwrap_or_default();
            (
                text.to_owned(),
                r.detail.get("task_version").and_then(|v| v.as_i64()),
            )
        })
        .collect();
    assert_eq!(intents.first(), Some(&("fix the login test".to_owned(), Some(1))));
    assert_eq!(intents.last(), Some(&("also update billing".to_owned(), Some(2))));
    // A widened tool does not lend its class to the others.
    let other = house
        .call(&task.token, "delete_file", json!({"path": "/srv/a"}))
        .await;
    assert_eq!(decision(&other)["reason"], "out_of_authority", "{other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parents_budget_is_shared_by_all_below() {
    let house = House::open("50ms").await;
    house.add_stub().await;
    let mut new = wish(&["fs/*"], &["fs:/srv"]);
    new.more.depth = Some(1);
    let mut limit = Authority::unbounded();
    limit.budgets.insert(Budget::Calls, 3);
    new.limit = Some(limit);
    let parent = open(house.app(), new, &name("alice")).await.unwrap();
    let ask = json!({"agent": "coder", "intent": "work", "tools": ["fs/read_file"]});
    let children = [
        token(&delegate(&house, &parent.token, ask.clone()).await),
        token(&delegate(&house, &parent.token, ask).await),
    ];
    let mut done = 0;
    for round in 0..4 {
        for child in &children {
            let read = house
                .call(child, "read_file", json!({"path": format!("/srv/{round}")}))
                .await;
            done += u32::from(read["isError"].is_null());
        }
    }
    assert_eq!(done, 3, "two children share the three calls of their parent");
    let about = house.call(&parent.token, "remit__task", json!({})).await;
    assert_eq!(about["structuredContent"]["left"]["calls"], 0, "{about}");
}

#[expect(clippy::disallowed_methods, reason = "real time is what is measured")]
fn now() -> Instant {
    Instant::now()
}
