//! Who may talk to control: told by the kernel and by the capability, not by what a caller says.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::house::{House, REMIT};
use crate::live::Up;

/// One request by this very process; gives status and body.
fn ask(house: &House, request: &str, capability: Option<&str>, body: &Value) -> (u16, Value) {
    let mut stream = UnixStream::connect(house.runtime().join("control.sock")).unwrap();
    let body = body.to_string();
    let header = capability.map_or_else(String::new, |text| format!("remit-control: {text}\r\n"));
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nhost: remit\r\nconnection: close\r\ncontent-length: {length}\r\n{header}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn capability(house: &House) -> String {
    let key = std::fs::read(house.runtime().join("control.key")).unwrap();
    assert_eq!(key.len(), 32);
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn only_the_capability_opens() {
    let up = Up::new();
    let right = capability(&up.house);
    let (status, answer) = ask(&up.house, "GET /v1/status", Some(&right), &json!({}));
    assert_eq!((status, &answer["human"]), (200, &json!("alice")));
    let mut wrong = right.clone();
    wrong.replace_range(63..64, if right.ends_with('0') { "1" } else { "0" });
    for presented in [
        None,
        Some(""),
        Some("00"),
        Some(wrong.as_str()),
        Some(&right[..62]),
        Some("zz"),
    ] {
        let (status, answer) = ask(&up.house, "GET /v1/status", presented, &json!({}));
        assert_eq!(
            (status, &answer["error"]),
            (403, &json!("forbidden")),
            "{presented:?}"
        );
        assert!(
            answer["message"].as_str().unwrap().contains("capability"),
            "{answer}"
        );
    }
}

#[test]
fn socket_and_capability_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let up = Up::new();
    let mode = |name: &str| {
        let path = up.house.runtime().join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(
        (mode(""), mode("control.sock"), mode("control.key")),
        (0o700, 0o600, 0o600)
    );
}

#[test]
fn requests_that_are_not_understood_are_refused_with_a_sentence() {
    let up = Up::new();
    let right = capability(&up.house);
    for (request, body, status) in [
        ("POST /v1/kill", json!({"id": "all", "force": true}), 400),
        ("POST /v1/kill", json!([]), 400),
        ("POST /v1/kill", json!({}), 400),
        (
            "POST /v1/tasks",
            json!({"agent": "Not A Name", "intent": "x"}),
            400,
        ),
        (
            "POST /v1/freezes",
            json!({"resource": "nowhere", "until_ms": 1}),
            400,
        ),
        ("POST /v1/humans", json!({"name": "x", "roles": ["a b"]}), 400),
        ("POST /v1/servers", json!({"name": "x"}), 400),
        ("POST /v1/agents/x/promote", json!({}), 404),
        ("POST /v1/grants/nope/revoke", json!({}), 404),
        ("POST /v1/verify", json!({"checkpoint": "not a note"}), 400),
        ("POST /v1/kill", json!({"id": "all", "as": "mallory"}), 403),
    ] {
        let (got, answer) = ask(&up.house, request, Some(&right), &body);
        assert_eq!(got, status, "{request} {body}: {answer}");
        assert!(
            answer["message"].as_str().unwrap().len() > 10,
            "{request}: {answer}"
        );
    }
}

/// Unconfined, with the capability in hand: its descent alone gives it away, and its child's too.
#[test]
fn a_process_of_a_run_is_refused_by_descent() {
    let up = Up::new();
    up.json(&["agent", "add", "a", "--owner", "alice"]);
    let opened = up.json(&["task", "open", "--agent", "a", "--intent", "x"]);
    let mut command = up.house.remit(&[]);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("read go; {REMIT} task list --json; true")])
        .envs(
            command
                .env("LANG", "C")
                .get_envs()
                .filter_map(|(k, v)| Some((k, v?))),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let start_time: u64 = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split(' ')
        .nth(20)
        .unwrap()
        .parse()
        .unwrap();
    let path = format!("POST /v1/runs/{}/process", opened["run"].as_str().unwrap());
    let body = |start_time: u64| json!({"pid": child.id(), "start_time": start_time, "confinement": {"word": "none"}});
    let right = capability(&up.house);
    let (status, answer) = ask(&up.house, &path, Some(&right), &body(start_time + 1));
    assert_eq!(status, 409, "another process of that number: {answer}");
    let (status, answer) = ask(&up.house, &path, Some(&right), &body(start_time));
    assert_eq!(status, 200, "{answer}");

    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["error"], "forbidden", "{answer}");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("descends from the run"),
        "{answer}"
    );
    assert_eq!(up.run(&["task", "list"]).status, Some(0), "we may");
}
