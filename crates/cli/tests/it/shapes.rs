//! `--json`: one object, or one per line; refusals too.

use serde_json::{Value, json};

use crate::fake_control::{FakeControl, refusal, route};
use crate::house::House;

#[test]
fn lists_are_lines_and_objects_are_objects() {
    let house = House::new();
    let approval = json!({
        "id": "apr_1", "task": "task_1", "run": "run_1", "tool": "fs/write", "class": "write", "tier": "approve",
        "card": {"effect": "Change"}, "lines": ["Change"], "digest": "sha-256:x",
        "expires_at": "2026-11-21T10:00:00Z", "votes": [], "state": "pending"
    });
    FakeControl::new(
        &house,
        vec![
            route("GET /v1/approvals", &json!([approval, approval])),
            route("GET /v1/tasks?state=open", &json!([])),
            route(
                "GET /v1/tasks/task_1",
                &json!({"task": "task_1", "state": "open"}),
            ),
        ],
    );
    assert_eq!(
        house.run(&["approvals", "--json"]).lines(),
        [approval.clone(), approval]
    );
    let said = house.run(&["--json", "task", "list"]);
    assert_eq!((said.status, said.out.as_str()), (Some(0), ""));
    assert_eq!(
        house.run(&["task", "show", "task_1", "--json"]).object(),
        json!({"task": "task_1", "state": "open"})
    );
}

#[test]
fn streams_are_lines_as_they_come() {
    let house = House::new();
    let record = |seq: u64| json!({"seq": seq, "type": "decision", "decision": "allow", "time": 0});
    let stream = format!("{}\n\n{}", record(8), record(9));
    FakeControl::new(
        &house,
        vec![
            route("GET /v1/records?limit=20", &json!([record(6), record(7)])),
            ("GET /v1/records/stream?after=7".to_owned(), 200, stream),
        ],
    );
    let said = house.run(&["tail", "--json"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    let places: Vec<_> = said
        .lines()
        .iter()
        .map(|record| record["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(places, [6, 7, 8, 9]);
}

#[test]
fn refusals_are_said_as_they_came() {
    let house = House::new();
    let message = "bob may not do this: it needs the role `administrator`";
    FakeControl::new(
        &house,
        vec![
            refusal("POST /v1/kill", 403, message),
            ("GET /v1/grants".to_owned(), 500, "<html>".to_owned()),
            ("GET /v1/freezes".to_owned(), 200, "{not json".to_owned()),
        ],
    );
    let said = house.run(&["kill", "all"]);
    assert_eq!(
        (said.status, said.err.as_str()),
        (Some(1), &*format!("error: {message}\n"))
    );
    let said = house.run(&["kill", "all", "--json"]);
    assert_eq!(said.status, Some(1));
    assert_eq!(said.lines(), [json!({"error": "forbidden", "message": message})]);
    let said = house.run(&["grants"]);
    assert_eq!(said.status, Some(1));
    assert!(said.err.contains("answered 500"), "{said:?}");
    let said = house.run(&["freeze", "list"]);
    assert_eq!(said.status, Some(1));
    assert!(said.err.contains("not JSON"), "{said:?}");
}

#[test]
fn verdicts_decide_the_exit_status() {
    let house = House::new();
    let finding = json!({"kind": "edited", "seq": 4, "to": 4, "sentence": "record 4 is not what was signed"});
    let report = |ok: bool, findings: Value| json!({"ok": ok, "records": 9, "checkpoints": 2, "head": {"size": 9, "root": "r"}, "findings": findings});
    FakeControl::new(
        &house,
        vec![route("POST /v1/verify", &report(false, json!([finding])))],
    );
    let said = house.run(&["verify"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.out.starts_with("NOT INTACT"), "{said:?}");
    assert!(said.out.contains("record 4 is not what was signed"), "{said:?}");
    let said = house.run(&["verify", "--json"]);
    assert_eq!(
        (said.status, said.lines()[0]["ok"].clone()),
        (Some(1), json!(false))
    );

    let house = House::new();
    FakeControl::new(&house, vec![route("POST /v1/verify", &report(true, json!([])))]);
    let said = house.run(&["verify"]);
    assert_eq!(
        (said.status, said.out.as_str()),
        (Some(0), "verified · 9 records · 2 checkpoints · head r at 9\n")
    );
}
