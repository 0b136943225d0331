//! What each command asks the control listener for.

use serde_json::{Value, json};

use crate::fake_control::{FakeControl, route};
use crate::house::House;

/// The command, the request it makes, its body.
type Row = (&'static [&'static str], &'static str, Value);

fn rows() -> Vec<Row> {
    vec![
        (
            &[
                "task",
                "open",
                "--agent",
                "a",
                "--intent",
                "fix it",
                "--template",
                "support/refund",
                "--set",
                "ticket=4=2",
                "--allow",
                "fs/*",
                "--allow",
                "gh:read",
                "--resource",
                "file:/srv",
                "--destination",
                "host:x.example",
                "--ttl",
                "90m",
                "--parent",
                "task_p",
                "--mode",
                "assist",
                "--as",
                "bob",
            ],
            "POST /v1/tasks",
            json!({"agent": "a", "intent": "fix it", "template": "support/refund", "set": {"ticket": "4=2"},
                   "allow": ["fs/*", "gh:read"], "resources": ["file:/srv"], "destinations": ["host:x.example"],
                   "ttl_ms": 5_400_000, "parent": "task_p", "mode": "assist", "as": "bob"}),
        ),
        (&["task", "list", "--all"], "GET /v1/tasks", Value::Null),
        (&["task", "show", "task_1"], "GET /v1/tasks/task_1", Value::Null),
        (
            &["task", "amend", "task_1", "--allow", "fs/read", "--ttl", "1h"],
            "POST /v1/tasks/task_1/amend",
            json!({"allow": ["fs/read"], "ttl_ms": 3_600_000}),
        ),
        (
            &["task", "renew", "task_1"],
            "POST /v1/tasks/task_1/renew",
            json!({"ttl_ms": 3_600_000}),
        ),
        (
            &["task", "done", "task_1", "--cancelled"],
            "POST /v1/tasks/task_1/done",
            json!({"outcome": "cancelled"}),
        ),
        (
            &["kill", "agent:a", "--reason", "odd", "--as", "bob"],
            "POST /v1/kill",
            json!({"id": "agent:a", "reason": "odd", "as": "bob"}),
        ),
        (
            &[
                "agent",
                "add",
                "a",
                "--owner",
                "alice",
                "--ceiling-allow",
                "fs:read",
            ],
            "POST /v1/agents",
            json!({"name": "a", "owner": "alice", "ceiling": {"allow": ["fs:read"]}}),
        ),
        (&["agent", "suspend", "a"], "POST /v1/agents/a/suspend", json!({})),
        (
            &["agent", "resume", "a", "--as", "bob"],
            "POST /v1/agents/a/resume",
            json!({"as": "bob"}),
        ),
        (
            &["human", "add", "bob", "--role", "approver", "--role", "dba"],
            "POST /v1/humans",
            json!({"name": "bob", "roles": ["approver", "dba"]}),
        ),
        (
            &["human", "retire", "b/c"],
            "POST /v1/humans/b%2Fc/retire",
            json!({}),
        ),
        (
            &[
                "mcp",
                "add",
                "fs",
                "--env",
                "A=b=c",
                "--accept-floating",
                "--",
                "npx",
                "-y",
                "server",
                "/srv",
            ],
            "POST /v1/servers",
            json!({"name": "fs", "command": ["npx", "-y", "server", "/srv"], "env": {"A": "b=c"}, "accept_floating": true}),
        ),
        (
            &["mcp", "add", "here", "--url", "http://localhost:3001/mcp"],
            "POST /v1/servers",
            json!({"name": "here", "url": "http://localhost:3001/mcp", "allow_private": true}),
        ),
        (
            &[
                "mcp",
                "add",
                "there",
                "--url",
                "https://mcp.example/mcp",
                "--shareable",
            ],
            "POST /v1/servers",
            json!({"name": "there", "url": "https://mcp.example/mcp", "shareable": true}),
        ),
        (
            &["task", "suspend", "task_1", "--as", "bob"],
            "POST /v1/tasks/task_1/suspend",
            json!({"as": "bob"}),
        ),
        (
            &["task", "resume", "task_1"],
            "POST /v1/tasks/task_1/resume",
            json!({}),
        ),
        (&["mcp", "retire", "fs"], "POST /v1/servers/fs/retire", json!({})),
        (
            &["mcp", "refresh", "fs"],
            "POST /v1/servers/fs/refresh",
            json!({}),
        ),
        (&["tools", "ls", "fs"], "GET /v1/tools?server=fs", Value::Null),
        (
            &[
                "tools",
                "admit",
                "fs/a",
                "fs/b",
                "--class",
                "delete",
                "--irreversible",
            ],
            "POST /v1/tools/admit",
            json!({"tools": ["fs/a", "fs/b"], "class": "delete", "irreversible": true}),
        ),
        (
            &["tools", "admit", "--server", "fs", "--all"],
            "POST /v1/tools/admit",
            json!({"server": "fs", "all": true}),
        ),
        (
            &["tools", "diff", "fs/a"],
            "GET /v1/tools/diff?tool=fs%2Fa",
            Value::Null,
        ),
        (
            &["tools", "retire", "fs/a"],
            "POST /v1/tools/retire",
            json!({"tools": ["fs/a"]}),
        ),
        (&["approvals", "--all"], "GET /v1/approvals?all=1", Value::Null),
        (
            &["approve", "apr_1"],
            "POST /v1/approvals/apr_1/approve",
            json!({"times": 1}),
        ),
        (
            &[
                "approve", "apr_1", "--for", "30m", "--note", "fine", "--as", "bob",
            ],
            "POST /v1/approvals/apr_1/approve",
            json!({"for_ms": 1_800_000, "note": "fine", "as": "bob"}),
        ),
        (
            &["approve", "apr_1", "--for-task"],
            "POST /v1/approvals/apr_1/approve",
            json!({"for_task": true}),
        ),
        (
            &["deny", "apr_1", "--note", "use staging"],
            "POST /v1/approvals/apr_1/deny",
            json!({"note": "use staging"}),
        ),
        (
            &["grants", "revoke", "grant_1"],
            "POST /v1/grants/grant_1/revoke",
            json!({}),
        ),
        (
            &[
                "freeze",
                "db:prod",
                "--until",
                "2100-01-01T00:00:00Z",
                "--reason",
                "launch",
            ],
            "POST /v1/freezes",
            json!({"resource": "db:prod", "until_ms": 4_102_444_800_000_i64, "reason": "launch"}),
        ),
        (
            &["freeze", "lift", "db:prod"],
            "POST /v1/freezes/lift",
            json!({"resource": "db:prod"}),
        ),
        (&["freeze", "list"], "GET /v1/freezes", Value::Null),
        (&["policy", "show"], "GET /v1/policy", Value::Null),
        (
            &["tail", "--once", "-n", "5", "--task", "task_1"],
            "GET /v1/records?limit=5&task=task_1",
            Value::Null,
        ),
        (&["timeline", "task_1"], "GET /v1/timeline/task_1", Value::Null),
        (
            &["who", "file:/a b", "--at", "2026-11-21T09:40:00Z"],
            "GET /v1/who?resource=file%3A%2Fa%20b&at_ms=1795254000000",
            Value::Null,
        ),
        (&["explain", "dec_1"], "GET /v1/explain/dec_1", Value::Null),
    ]
}

#[test]
fn each_command_asks_for_what_it_says() {
    for (args, what, body) in rows() {
        let house = House::new();
        let control = FakeControl::new(&house, vec![route(what, &json!({"ok": true}))]);
        let said = house.run(&[&["--json"], args].concat());
        assert_eq!(said.status, Some(0), "{args:?}: {said:?}");
        let asked = control.one(what);
        assert_eq!(asked.body, body, "{args:?}");
        assert_eq!(asked.capability, "007fa0ff", "the key file in hexadecimal");
    }
}

#[test]
fn words_that_name_files_here_are_made_absolute() {
    let house = House::new();
    let control = FakeControl::new(&house, vec![route("POST /v1/servers", &json!({}))]);
    std::fs::write(house.work("server.py"), "").unwrap();
    std::fs::create_dir(house.work("build")).unwrap();
    let words = ["python3", "server.py", ".", "./build", "build", "missing.py"];
    let said = house.run(&[&["mcp", "add", "x", "--json", "--"], &words[..]].concat());
    assert_eq!(said.status, Some(0), "{said:?}");
    let work = house.dir.join("work").canonicalize().unwrap();
    let here = |name: &str| work.join(name).to_str().unwrap().to_owned();
    assert_eq!(
        control.one("POST /v1/servers").body["command"],
        json!([
            "python3",
            here("server.py"),
            work,
            here("build"),
            "build",
            "missing.py"
        ])
    );
}

#[test]
fn policy_check_sends_files_and_fails_on_problems() {
    let house = House::new();
    let problem = json!({"file": "b.cedar", "line": 4, "column": 2, "sentence": "no such argument `to`", "severity": "error"});
    let control = FakeControl::new(
        &house,
        vec![route(
            "POST /v1/policy/check",
            &json!({"ok": false, "problems": [problem]}),
        )],
    );
    let folder = house.work("rules");
    std::fs::create_dir(&folder).unwrap();
    for (name, text) in [
        ("b.cedar", "second"),
        ("a.cedar", "first"),
        ("notes.md", "not policy"),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let said = house.run(&["policy", "check", "rules"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(
        said.out.contains("b.cedar:4:2: error: no such argument `to`"),
        "{said:?}"
    );
    let sent = control.one("POST /v1/policy/check").body;
    assert_eq!(
        sent,
        json!({"files": [{"path": "rules/a.cedar", "text": "first"}, {"path": "rules/b.cedar", "text": "second"}]})
    );
    let said = house.run(&["policy", "check"]);
    assert_eq!(said.status, Some(1));
    assert!(said.err.contains("no rules of yours"), "{said:?}");
}
