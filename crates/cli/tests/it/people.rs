//! Output for people: readable, aligned, and never styled from outside.

use serde_json::json;

use crate::fake_control::{FakeControl, route};
use crate::house::House;

const NASTY: &str = "a\u{1b}[2J\u{1b}]0;x\u{7}b\u{202e}c\u{9b}d\u{200b}";

fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| {
        (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}'..='\u{200f}')
    })
}

#[test]
fn nothing_from_outside_reaches_the_terminal_raw() {
    let house = House::new();
    let approval = json!({
        "id": NASTY, "tier": NASTY, "lines": [NASTY, format!("  warning {NASTY}")], "expires_at": "2100-01-01T00:00:00Z",
        "votes": [{"human": NASTY, "verdict": NASTY, "note": NASTY, "weak": true}], "tool": NASTY, "state": "pending"
    });
    let task = json!({
        "task": NASTY, "state": NASTY, "run": NASTY, "intent": NASTY, "agent": NASTY, "initiator": NASTY,
        "cut": [NASTY], "authority": {"tools": [NASTY]}, "token": NASTY, "mcp_url": NASTY, "proof": NASTY,
        "summary": {"allow": 1, "hold": 0, "deny": 0}
    });
    let record = json!({"seq": 1, "time": 0, "type": NASTY, "tool": NASTY, "resource": NASTY, "reason": NASTY, "task": NASTY,
                        "chain": [NASTY], "run": NASTY, "lane": NASTY});
    let tool = json!({"tool": NASTY, "state": NASTY, "class": NASTY, "because": NASTY, "marks": [NASTY],
                      "findings": [{"sentence": NASTY}]});
    FakeControl::new(
        &house,
        vec![
            route("GET /v1/approvals", &json!([approval])),
            route("POST /v1/approvals/x/approve", &approval),
            route("GET /v1/tasks?state=open", &json!([task])),
            route("GET /v1/tasks/x", &task),
            route("POST /v1/tasks", &task),
            route("POST /v1/tasks/x/done", &task),
            route("GET /v1/timeline/x", &json!([record])),
            route("GET /v1/who?resource=a%3Ab", &json!([record])),
            route("GET /v1/explain/x", &json!({"record": record, "lines": [NASTY]})),
            route("GET /v1/tools", &json!([tool])),
            route(
                "GET /v1/tools/diff?tool=x",
                &json!({"tool": NASTY, "diff": [NASTY, format!("+ {NASTY}")]}),
            ),
            route(
                "POST /v1/servers/x/refresh",
                &json!({"server": NASTY, "admitted": [tool], "quarantined": [tool], "floating": NASTY}),
            ),
            route(
                "POST /v1/kill",
                &json!({"killed": [NASTY], "in_flight": [{"call": NASTY}], "processes": []}),
            ),
            (
                "GET /v1/grants".to_owned(),
                409,
                json!({"error": "conflict", "message": NASTY}).to_string(),
            ),
        ],
    );
    for args in [
        &["approvals"][..],
        &["approve", "x"],
        &["task", "list"],
        &["task", "show", "x"],
        &["task", "open", "--agent", "a", "--intent", "i"],
        &["task", "done", "x"],
        &["timeline", "x"],
        &["who", "a:b"],
        &["explain", "x"],
        &["tools", "ls"],
        &["tools", "diff", "x"],
        &["mcp", "refresh", "x"],
        &["kill", "all"],
        &["grants"],
    ] {
        for args in [args.to_vec(), [args, &["--json"]].concat()] {
            let said = house.run(&args);
            assert!(
                is_harmless(&said.out) && is_harmless(&said.err),
                "{args:?}: {said:?}"
            );
            let shown = [said.out.as_str(), &said.err].concat();
            assert!(shown.contains("202e"), "{args:?} hides it altogether: {shown}");
        }
    }
    // The same value comes out of JSON again.
    assert_eq!(house.run(&["tools", "ls", "--json"]).lines(), [tool]);
}

#[test]
fn a_card_reads_like_one() {
    let house = House::new();
    FakeControl::new(
        &house,
        vec![route(
            "GET /v1/approvals",
            &json!([{
                "id": "apr_1", "tier": "two-person", "state": "pending", "expires_at": "2100-01-01T00:00:00Z",
                "lines": ["DELETE db:prod/orders with pg/drop_table", "  undo       no undo"],
                "votes": [{"human": "bob", "verdict": "approve", "note": "ok by me", "weak": false}]
            }]),
        )],
    );
    let said = house.run(&["approvals"]);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(
        lines[0].starts_with("apr_1 · two-person · expires in "),
        "{said:?}"
    );
    assert_eq!(
        lines[1..],
        [
            "DELETE db:prod/orders with pg/drop_table",
            "  undo       no undo",
            "  bob: approve, \"ok by me\""
        ]
    );
}

#[test]
fn a_tool_that_is_new_and_one_that_changed_are_told_apart() {
    let first_line = |answer| {
        let house = House::new();
        FakeControl::new(&house, vec![route("GET /v1/tools/diff?tool=fs%2Fx", &answer)]);
        let said = house.run(&["tools", "diff", "fs/x"]);
        said.out.lines().next().unwrap_or_default().to_owned()
    };
    let (seen, lines) = (json!({"name": "x"}), json!(["+ /name: x"]));
    assert_eq!(
        first_line(json!({"tool": "fs/x", "admitted": null, "seen": seen, "diff": lines})),
        "fs/x: never admitted, so all of it is new"
    );
    assert_eq!(
        first_line(json!({"tool": "fs/x", "admitted": {}, "seen": seen, "diff": lines})),
        "fs/x: changed since it was admitted"
    );
}

#[test]
fn watching_shows_each_card_and_what_became_of_it() {
    let house = House::new();
    let card = |state: &str, votes| {
        json!({"id": "apr_1", "tier": "approve", "state": state, "lines": ["Send to email:x@y.example"],
               "expires_at": "2100-01-01T00:00:00Z", "votes": votes})
    };
    let stream = format!(
        "{}\n{}\n",
        card("pending", json!([])),
        card(
            "denied",
            json!([{"human": "bob", "verdict": "deny", "note": "not him"}])
        )
    );
    FakeControl::new(&house, vec![("GET /v1/approvals/stream".to_owned(), 200, stream)]);
    // `notify-send` is looked up in PATH, so this one is told.
    let told = house.work("told");
    let fake = house.work("notify-send");
    std::fs::write(
        &fake,
        format!(
            "#!/bin/sh\nfor a; do printf '%s\\n' \"$a\"; done > {}.part && mv {0}.part {0}\n",
            told.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", house.dir.join("work").display());
    let output = house
        .remit(&["approvals", "--watch"])
        .env("PATH", path)
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "the fake server goes away");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("apr_1 · approve · expires in"), "{out}");
    assert_eq!(
        lines[1..],
        ["Send to email:x@y.example", "apr_1 denied bob: deny, \"not him\""]
    );
    while !told.exists() {
        std::thread::yield_now();
    }
    assert!(crate::house::read(&told).contains("Send to email:x@y.example"));
}

#[test]
fn colours_need_a_terminal() {
    let house = House::new();
    let said = house.run(&["coverage"]);
    assert!(!said.out.contains('\u{1b}'), "{said:?}");
    if std::process::Command::new("script")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED on a terminal: there is no `script` here");
        return;
    }
    let on_terminal = |no_colour: &str| {
        let mut command = house.remit(&[]);
        let mut terminal = std::process::Command::new("script");
        terminal.args(["-qec", &format!("{} coverage", crate::house::REMIT), "/dev/null"]);
        terminal.env_clear().envs(
            command
                .env("NO_COLOR", no_colour)
                .env("TERM", "xterm")
                .get_envs()
                .filter_map(|(name, value)| value.map(|value| (name, value))),
        );
        String::from_utf8(
            terminal
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap()
                .stdout,
        )
        .unwrap()
    };
    let coloured = on_terminal("");
    assert!(coloured.contains("\u{1b}[32menforced\u{1b}[0m"), "{coloured}");
    let plain = on_terminal("1");
    assert!(plain.contains("enforced") && !plain.contains('\u{1b}'), "{plain}");
}
