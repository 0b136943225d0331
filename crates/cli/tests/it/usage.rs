//! Exit status 2 and what is said without a server.

use serde_json::json;

use crate::house::{House, json_lines};

#[test]
fn what_is_not_understood_is_usage() {
    let house = House::new();
    for args in [
        &[][..],
        &["fly"],
        &["task"],
        &["task", "open", "--agent", "a"],
        &["task", "open", "--intent", "x"],
        &["task", "open", "--agent", "a", "--intent", "x", "--ttl", "soon"],
        &[
            "task", "open", "--agent", "a", "--intent", "x", "--set", "novalue",
        ],
        &["task", "open", "--agent", "a", "--intent", "x", "--mode", "fly"],
        &["task", "amend", "task_1"],
        &["agent", "add", "a"],
        &["human", "add", "a"],
        &["mcp", "add", "fs"],
        &["mcp", "add", "fs", "--url", "http://x", "--", "cmd"],
        &["tools", "admit"],
        &["tools", "admit", "--server", "fs"],
        &["tools", "admit", "fs/x", "--class", "odd"],
        &["approve"],
        &["approve", "apr_1", "--times", "0"],
        &["approve", "apr_1", "--once", "--for-task"],
        &["deny", "apr_1"],
        &["freeze", "db:prod"],
        &["freeze", "db:prod", "--until", "never"],
        &["freeze", "db:prod", "--until", "2001-01-01T00:00:00Z"],
        &["who", "db:prod", "--at", "whenever"],
        &["verify", "--key", "x"],
        &["verify", "export", "--key", "not-a-key"],
        &["run", "--intent", "x"],
        &["run", "--", "true"],
        &["mcp", "wrap", "--server", "a", "--", "cmd"],
        &["launch", "--", "true"],
    ] {
        let said = house.run(args);
        assert_eq!(said.status, Some(2), "{args:?}: {said:?}");
        assert_eq!(said.out, "", "{args:?}");
        assert!(!said.err.is_empty(), "{args:?}");
    }
}

#[test]
fn how_a_server_is_added_is_said_both_ways() {
    let said = House::new().run(&["mcp", "add", "fs"]);
    assert!(said.err.contains("<NAME> --url <URL>"), "{said:?}");
    assert!(said.err.contains("<NAME> -- <CMD>..."), "{said:?}");
}

const CLIENTS: [&[&str]; 24] = [
    &["task", "open", "--agent", "a", "--intent", "x"],
    &["task", "list"],
    &["task", "show", "task_1"],
    &["task", "amend", "task_1", "--ttl", "1h"],
    &["task", "renew", "task_1"],
    &["task", "done", "task_1"],
    &["kill", "all"],
    &["agent", "list"],
    &["human", "add", "bob", "--role", "approver"],
    &["mcp", "list"],
    &["mcp", "add", "fs", "--", "server"],
    &["tools", "ls"],
    &["approvals"],
    &["approvals", "--watch"],
    &["approve", "apr_1"],
    &["deny", "apr_1", "--note", "no"],
    &["grants"],
    &["freeze", "db:prod", "--until", "1h"],
    &["policy", "show"],
    &["tail"],
    &["timeline", "task_1"],
    &["who", "db:prod"],
    &["explain", "dec_1"],
    &["verify"],
];

#[test]
fn without_a_server_everybody_says_the_same() {
    let house = House::new();
    for args in CLIENTS {
        let said = house.run(args);
        assert_eq!(said.status, Some(1), "{args:?}: {said:?}");
        assert_eq!(
            said.err, "error: remit is not running: start it with `remit up`\n",
            "{args:?}"
        );
        let said = house.run(&[&["--json"], args].concat());
        assert_eq!(said.status, Some(1), "{args:?}");
        assert_eq!(
            said.lines(),
            [json!({"error": "not_running", "message": "remit is not running: start it with `remit up`"})]
        );
    }
}

#[test]
fn run_and_wrap_refuse_with_a_status_of_their_own() {
    let house = House::new();
    let marker = house.work("ran");
    let said = house.run(&["run", "--intent", "x", "--", "touch", marker.to_str().unwrap()]);
    assert_eq!(said.status, Some(125), "{said:?}");
    assert!(said.err.contains("remit is not running"), "{said:?}");
    assert!(!marker.exists());
    // Standard output is the command's, so even JSON goes to standard error.
    let said = house.run(&["--json", "run", "--intent", "x", "--", "true"]);
    assert_eq!((said.status, said.out.as_str()), (Some(125), ""));
    assert_eq!(json_lines(&said.err)[0]["error"], "not_running");
    let said = house.run(&["mcp", "wrap"]);
    assert_eq!(said.status, Some(125), "{said:?}");
    assert!(said.err.contains("REMIT_TOKEN is not set"), "{said:?}");
}

#[test]
fn inside_a_run_nobody_is_told_to_start_a_server() {
    let house = House::new();
    let output = house
        .remit(&["approvals"])
        .env("REMIT_TASK", "task_x")
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err.contains("cannot be reached from inside a run (task `task_x`)"),
        "{err}"
    );
}

#[test]
fn coverage_and_doctor_need_no_server() {
    let house = House::new();
    let said = house.run(&["coverage", "--json"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    let lanes: Vec<_> = said.lines().iter().map(|way| way["lane"].clone()).collect();
    assert!(
        lanes.contains(&json!("enforced")) && lanes.contains(&json!("none")),
        "{lanes:?}"
    );

    let said = house.run(&["doctor", "--json"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    let findings = said.lines();
    let server = findings.iter().find(|found| found["id"] == "server").unwrap();
    assert_eq!(
        (&server["state"], &server["sentence"]),
        (&json!("warn"), &json!("remit is not running"))
    );
}

#[test]
fn doctor_fails_on_a_folder_open_to_others_and_names_variables_without_values() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let data = house.dir.join("data/remit");
    std::fs::create_dir(&data).unwrap();
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o755)).unwrap();
    let output = house
        .remit(&["doctor"])
        .env("GITHUB_TOKEN", "ghp_hush")
        .env("ANTHROPIC_BASE_URL", "http://hush.example")
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("broken"), "{out}");
    assert!(
        out.contains("GITHUB_TOKEN") && out.contains("ANTHROPIC_BASE_URL"),
        "{out}"
    );
    assert!(!out.contains("hush"), "{out}");
}

#[test]
fn nobody_reading_is_no_failure() {
    let house = House::new();
    let mut child = house
        .remit(&["coverage"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
