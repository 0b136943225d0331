//! `remit run` against a fake server: real launcher, real processes.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::fake_control::{FakeControl, Route, refusal, route};
use crate::house::{House, Said, json_lines, read};

fn opened() -> Value {
    json!({
        "task": "task_1", "run": "run_1", "token": "remit_hush", "mcp_url": "http://127.0.0.1:7420/mcp",
        "expires_at": "2100-01-01T00:00:00Z", "authority": {"tools": ["*"], "classes": ["read"]}, "cut": []
    })
}

fn routes() -> Vec<Route> {
    vec![
        route("GET /v1/status", &json!({"version": "0", "denied": []})),
        route(
            "GET /v1/servers",
            &json!([{"name": "fs", "command": ["server", "secret-argument"]}]),
        ),
        route("GET /v1/agents/sh", &json!({"name": "sh", "owner": "alice"})),
        route("POST /v1/tasks", &opened()),
        route(
            "GET /v1/runs/run_1/egress",
            &json!({"proxy": "http://127.0.0.1:7420", "ca": "PEM", "systems": []}),
        ),
        route("POST /v1/runs/run_1/process", &json!({})),
        route(
            "POST /v1/tasks/task_1/done",
            &json!({"task": "task_1", "state": "completed", "summary": {"allow": 3, "hold": 1, "deny": 0}, "proof": "/p"}),
        ),
    ]
}

fn sh(house: &House, script: &str) -> Said {
    house.run(&["run", "--intent", "try", "--", "sh", "-c", script])
}

#[test]
fn the_command_runs_in_a_task_and_its_status_is_returned() {
    let house = House::new();
    let control = FakeControl::new(&house, routes());
    let said = sh(
        &house,
        r#"echo "$REMIT_TASK $REMIT_RUN $REMIT_TOKEN $REMIT_MCP_URL"; cat "$REMIT_MCP_CONFIG" "$REMIT_SERVERS"; stat -c %a "$(dirname "$REMIT_MCP_CONFIG")"; exit 7"#,
    );
    assert_eq!(said.status, Some(7), "{said:?}");
    let mut lines = said.out.lines();
    assert_eq!(
        lines.next(),
        Some("task_1 run_1 remit_hush http://127.0.0.1:7420/mcp")
    );
    assert!(
        said.out.contains(r#""Authorization": "Bearer ${REMIT_TOKEN}""#),
        "{said:?}"
    );
    assert!(
        said.out.contains("\": \"fs\"") && !said.out.contains("secret-argument"),
        "{said:?}"
    );
    assert!(said.out.ends_with("700\n"), "{said:?}");
    assert_eq!(
        std::fs::read_dir(house.dir.join("tmp")).unwrap().count(),
        0,
        "settings are gone"
    );

    assert!(
        said.err
            .contains("task task_1 · run_1 · until 2100-01-01 00:00:00"),
        "{said:?}"
    );
    assert!(said.err.contains("may    tools * · classes read"), "{said:?}");
    assert!(
        said.err.contains(
            "ended task_1 (completed) · 4 calls: 3 allow, 1 hold, 0 deny · authority gone · proof /p"
        ),
        "{said:?}"
    );
    assert!(!said.err.contains("hush"), "the token is not shown: {said:?}");

    let order: Vec<String> = control.asked().iter().map(|asked| asked.what.clone()).collect();
    assert_eq!(
        order,
        [
            "GET /v1/status",
            "GET /v1/agents/sh",
            "POST /v1/tasks",
            "GET /v1/servers",
            "GET /v1/runs/run_1/egress",
            "POST /v1/runs/run_1/process",
            "POST /v1/tasks/task_1/done"
        ]
    );
    let attested = control.one("POST /v1/runs/run_1/process").body;
    assert!(attested["pid"].as_u64().is_some_and(|pid| pid > 1), "{attested}");
    assert!(attested["start_time"].as_u64().is_some(), "{attested}");
    assert!(attested["confinement"]["word"].is_string() && attested["confinement"]["gaps"].is_array());
    assert_eq!(
        control.one("POST /v1/tasks/task_1/done").body,
        json!({"outcome": "cancelled"})
    );
}

#[test]
fn an_unknown_agent_is_registered_under_the_commands_name() {
    let house = House::new();
    let mut routes = routes();
    routes.retain(|(what, _, _)| what != "GET /v1/agents/sh");
    routes.push(route("POST /v1/agents", &json!({"name": "sh", "owner": "alice"})));
    let control = FakeControl::new(&house, routes);
    let said = sh(&house, "true");
    assert_eq!(said.status, Some(0), "{said:?}");
    assert_eq!(
        control.one("POST /v1/agents").body,
        json!({"name": "sh", "purpose": "runs of sh"})
    );
    assert_eq!(control.one("POST /v1/tasks").body["agent"], "sh");
    assert_eq!(
        control.one("POST /v1/tasks/task_1/done").body,
        json!({"outcome": "completed"})
    );
}

#[test]
fn the_command_reaches_neither_control_nor_another_runs_token() {
    let house = House::new();
    FakeControl::new(&house, routes());
    let key = house.runtime().join("control.key");
    let output = house
        .remit(&["run", "--intent", "try", "--", "sh", "-c"])
        .arg(format!(
            "cat {} 2>/dev/null && echo READ; env | grep REMIT_OLD; true",
            key.display()
        ))
        .env("REMIT_OLD", "x")
        .env("GITHUB_TOKEN", "ghp_hush")
        .output()
        .unwrap();
    let said = Said::from(output);
    assert_eq!((said.status, said.out.as_str()), (Some(0), ""), "{said:?}");
    assert!(
        said.err.contains("the command inherits GITHUB_TOKEN;"),
        "{said:?}"
    );
}

#[test]
fn refusals_start_nothing() {
    let refused: [(&str, &str); 2] = [
        ("POST /v1/tasks", "no agent `sh` is registered"),
        (
            "POST /v1/runs/run_1/process",
            "this task asks for confinement `own-uid`",
        ),
    ];
    for (what, message) in refused {
        let house = House::new();
        let mut routes = routes();
        routes.retain(|(route, _, _)| route != what);
        routes.push(refusal(what, 403, message));
        let control = FakeControl::new(&house, routes);
        let marker = house.work("ran");
        let said = sh(&house, &format!("touch {}", marker.display()));
        assert_eq!((said.status, said.out.as_str()), (Some(125), ""), "{said:?}");
        assert!(said.err.contains(message), "{said:?}");
        assert!(!marker.exists(), "{what}");
        let ended = control
            .asked()
            .iter()
            .any(|asked| asked.what == "POST /v1/tasks/task_1/done");
        assert_eq!(ended, what != "POST /v1/tasks", "a task that was opened is ended");
    }
}

#[test]
fn statuses_of_the_command_are_its_own() {
    let house = House::new();
    FakeControl::new(&house, routes());
    assert_eq!(sh(&house, "kill -9 $$").status, Some(137));
    assert_eq!(sh(&house, "kill -TERM $$").status, Some(143));
    for (command, status) in [("./no-such-command", 127), ("/etc/passwd", 126)] {
        let said = house.run(&["run", "--intent", "x", "--agent", "a", "--", command]);
        assert_eq!(said.status, Some(status), "{said:?}");
        assert!(said.err.contains("cannot start"), "{said:?}");
    }
}

#[test]
fn what_the_command_leaves_behind_ends_with_it() {
    let house = House::new();
    FakeControl::new(&house, routes());
    // Away from its parent, its group and its session.
    let said = sh(
        &house,
        "setsid sh -c 'echo $$ > left; exec sleep 1000' & while [ ! -s left ]; do :; done",
    );
    assert_eq!(said.status, Some(0), "{said:?}");
    let pid = read(&house.work("left"));
    assert!(
        !std::path::Path::new(&format!("/proc/{}", pid.trim())).exists(),
        "{pid}"
    );
    assert!(said.err.contains("left behind"), "{said:?}");
}

#[test]
fn signals_are_passed_on_and_the_task_ends() {
    let house = House::new();
    let control = FakeControl::new(&house, routes());
    let child = house
        .remit(&["run", "--intent", "x", "--json", "--", "sh", "-c"])
        .arg("trap 'echo told; exit 3' TERM; : > ready; while :; do sleep 0.01; done")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !house.work("ready").exists() {
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!((said.status, said.out.as_str()), (Some(3), "told\n"), "{said:?}");
    let events = json_lines(&said.err);
    let names: Vec<_> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["opened", "egress", "ended"]);
    assert_eq!(
        (&events[0]["task"], &events[0]["token"]),
        (&json!("task_1"), &Value::Null)
    );
    assert_eq!(events[2]["status"], 3);
    control.one("POST /v1/tasks/task_1/done");
}
