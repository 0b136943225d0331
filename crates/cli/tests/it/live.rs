//! The whole binary against itself: `remit up` in one process, everybody else in others.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::house::{House, Said, read};

pub(crate) struct Up {
    pub(crate) house: House,
    pub(crate) child: Child,
    pub(crate) ready: Value,
}

impl Up {
    pub(crate) fn new() -> Self {
        Self::configured("")
    }

    /// With more configuration.
    pub(crate) fn configured(more: &str) -> Self {
        let house = House::new();
        std::fs::create_dir_all(house.config()).unwrap();
        std::fs::write(
            house.config().join("remit.toml"),
            format!("[listen]\naddress = \"127.0.0.1:0\"\n{more}"),
        )
        .unwrap();
        Self::again(house)
    }

    pub(crate) fn again(house: House) -> Self {
        Self::with(house, &[])
    }

    fn with(house: House, more: &[&str]) -> Self {
        let mut child = house
            .remit(&[&["up", "--json"], more].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        Self { house, child, ready }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.house.run(args)
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--json"]].concat()).object()
    }

    /// Ends it politely; gives its status.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            std::process::Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stopped_data_folder_verifies_and_says_what_is_missing() {
    let mut up = Up::new();
    let data = up.ready["data"].as_str().unwrap().to_owned();
    let key = up.ready["ledger_key"].as_str().unwrap().to_owned();
    assert_eq!(up.stop(), Some(0));
    let report = up.json(&["verify", "--data", &data, "--key", &key]);
    assert_eq!(
        (&report["ok"], &report["key_known"], &report["rows_checked"]),
        (&json!(true), &json!(true), &json!(true))
    );
    let said = up.run(&["verify", "--data", "nowhere"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(
        said.err.contains("no store at `nowhere/remit.db`") || said.err.contains("no store at `nowhere`"),
        "{said:?}"
    );
    let both = up.run(&["verify", "export", "--data", &data]);
    assert_eq!(both.status, Some(2), "{both:?}");
}

#[test]
fn a_server_works_in_the_folder_it_was_given_and_observe_mode_is_said_aloud() {
    let mut up = Up::new();
    let refused = up.run(&["mcp", "add", "x", "--cwd", "nowhere", "--", "cat"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.err.contains("nowhere` does not exist"), "{refused:?}");
    assert_eq!(up.stop(), Some(0));
    let house = std::mem::replace(&mut up.house, House::new());
    let bad = house.run(&["up", "--observe", "privilege"]);
    assert_eq!(bad.status, Some(2), "{bad:?}");
    assert!(bad.err.contains("guardrail"), "{bad:?}");
    let up = Up::with(house, &["--observe", "read=2d", "write"]);
    let observed: Vec<&str> = up.ready["observed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["class"].as_str().unwrap())
        .collect();
    assert_eq!(observed, ["read", "write"]);
}

#[test]
fn a_task_from_beginning_to_evidence() {
    let mut up = Up::new();
    assert_eq!(up.ready["human"], "alice");
    let agent = up.json(&["agent", "add", "helper", "--owner", "alice"]);
    assert_eq!(
        (&agent["name"], &agent["state"]),
        (&json!("helper"), &json!("active"))
    );
    let human = up.json(&["human", "add", "bob", "--role", "approver"]);
    assert_eq!(human["roles"], json!(["approver"]));

    let opened = up.json(&[
        "task",
        "open",
        "--agent",
        "helper",
        "--intent",
        "look around",
        "--ttl",
        "1h",
    ]);
    for key in [
        "task",
        "run",
        "spiffe_id",
        "token",
        "mcp_url",
        "expires_at",
        "authority",
        "cut",
    ] {
        assert!(!opened[key].is_null(), "{key}: {opened}");
    }
    let task = opened["task"].as_str().unwrap();
    assert_eq!(opened["mcp_url"], up.ready["mcp_url"]);
    assert_eq!(up.json(&["task", "show", task])["state"], "open");
    assert_eq!(up.run(&["task", "list", "--json"]).lines().len(), 1);
    let renewed = up.json(&["task", "renew", task, "--ttl", "2h"]);
    assert!(renewed["expires_at"].as_str() > opened["expires_at"].as_str());

    assert_eq!(up.json(&["task", "suspend", task])["state"], "suspended");
    assert_eq!(up.json(&["task", "resume", task])["state"], "open");

    let ended = up.json(&["task", "done", task]);
    assert_eq!(
        (&ended["state"], &ended["summary"]),
        (&json!("completed"), &json!({"allow": 0, "deny": 0, "hold": 0}))
    );
    assert!(read(ended["proof"].as_str().unwrap().as_ref()).starts_with("c2sp.org/tlog-proof@v1"));
    assert!(up.run(&["task", "list", "--json"]).lines().is_empty());

    let timeline = up.run(&["timeline", task, "--json"]).lines();
    let kinds: Vec<_> = timeline
        .iter()
        .map(|record| record["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "task.open",
            "task.renew",
            "task.suspend",
            "task.resume",
            "task.end"
        ]
    );
    for key in [
        "seq",
        "time",
        "decision_id",
        "task",
        "run",
        "agent",
        "initiator",
        "chain",
        "tool",
        "class",
        "resource",
        "decision",
        "reason",
        "rules",
        "policy_version",
        "approval",
        "lane",
        "labels",
        "outcome",
    ] {
        assert!(timeline[0].get(key).is_some(), "{key}: {}", timeline[0]);
    }
    assert!(up.run(&["tail", "--once"]).out.contains("task.open"));
    assert!(up.run(&["tail", "--once", "-n", "1", "--json"]).lines().len() == 1);

    evidence(&up);
    assert_eq!(up.stop(), Some(0));
    let gone = up.run(&["task", "list"]);
    assert!(gone.err.contains("not running"), "{gone:?}");
}

fn evidence(up: &Up) {
    assert_eq!(up.json(&["verify"])["ok"], true);
    let said = up.run(&["export", "-o", "export"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    std::fs::write(up.house.work("held"), up.run(&["export", "--checkpoint"]).out).unwrap();
    let key = up.ready["ledger_key"].as_str().unwrap();
    let report = up.json(&["verify", "export", "--checkpoint", "held", "--key", key]);
    assert_eq!(
        (&report["ok"], &report["held"], &report["key_known"]),
        (&json!(true), &json!(1), &json!(true))
    );
    assert_eq!(up.json(&["verify", "--checkpoint", "held"])["held"], 1);
    let export = up.house.work("export");
    std::fs::write(&export, read(&export).replacen("alice", "alicf", 1)).unwrap();
    assert_eq!(up.run(&["verify", "export"]).status, Some(1));
}

#[test]
fn people_policy_and_freezes() {
    let up = Up::new();
    let said = up.run(&["task", "open", "--agent", "ghost", "--intent", "x"]);
    assert_eq!(said.status, Some(1));
    assert!(said.err.contains("remit agent add ghost"), "{said:?}");
    up.json(&["human", "add", "bob", "--role", "approver"]);
    let said = up.run(&["agent", "add", "a", "--owner", "alice", "--as", "bob"]);
    assert!(said.err.contains("needs the role `administrator`"), "{said:?}");
    up.json(&[
        "agent",
        "add",
        "a",
        "--owner",
        "alice",
        "--ceiling-allow",
        "*:read",
    ]);
    let opened = up.json(&["task", "open", "--agent", "a", "--intent", "x"]);
    assert_eq!(up.json(&["agent", "suspend", "a"])["state"], "suspended");
    assert_eq!(
        up.json(&["task", "show", opened["task"].as_str().unwrap()])["state"],
        "revoked"
    );
    assert_eq!(up.json(&["agent", "resume", "a"])["state"], "active");
    let other = up.json(&["task", "open", "--agent", "a", "--intent", "x"]);
    assert_eq!(up.json(&["kill", "all"])["killed"], json!([other["task"]]));

    up.json(&["freeze", "db:prod", "--until", "1h", "--reason", "launch"]);
    let frozen = up.run(&["freeze", "list", "--json"]).lines();
    assert_eq!(
        (&frozen[0]["resource"], &frozen[0]["reason"]),
        (&json!("db:prod"), &json!("launch"))
    );
    up.json(&["freeze", "lift", "db:prod"]);
    assert!(up.run(&["freeze", "list", "--json"]).lines().is_empty());

    std::fs::write(up.house.work("bad.cedar"), "permit (principal, action, resource").unwrap();
    let said = up.run(&["policy", "check", "bad.cedar"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.out.contains("bad.cedar:1"), "{said:?}");
    let shown = up.json(&["policy", "show"]);
    assert!(
        shown["rules"].as_array().is_some_and(|rules| !rules.is_empty()),
        "{shown}"
    );
    assert_eq!(up.json(&["policy", "apply"])["policy_version"], shown["version"]);

    for args in [
        &["approvals"][..],
        &["grants"],
        &["tools", "ls"],
        &["mcp", "list"],
    ] {
        assert_eq!(up.run(args).status, Some(0), "{args:?}");
    }
    for args in [
        &["approve", "apr_0"][..],
        &["explain", "dec_nope"],
        &["timeline", "task_x"],
        &["tools", "diff", "no/tool"],
        &["mcp", "refresh", "nobody"],
        &["agent", "show", "nobody"],
    ] {
        let said = up.run(args);
        assert_eq!(said.status, Some(1), "{args:?}");
        assert!(
            said.err.starts_with("error: ") && said.err.len() > 20,
            "{args:?}: {said:?}"
        );
    }
}

#[test]
fn a_run_is_attested_and_cannot_reach_control() {
    let up = Up::new();
    let said = up.run(&["run", "--intent", "try", "--", "sh", "-c", "echo inside; exit 3"]);
    assert_eq!(
        (said.status, said.out.as_str()),
        (Some(3), "inside\n"),
        "{said:?}"
    );
    assert!(said.err.contains("agent sh registered, owner alice"), "{said:?}");
    assert!(said.err.contains("(cancelled) · 0 calls"), "{said:?}");
    let records = up.run(&["tail", "--once", "-n", "100", "--json"]).lines();
    let attested = records
        .iter()
        .find(|record| record["type"] == "run.attest")
        .unwrap();
    let word = attested["confinement"].as_str().unwrap();
    let doctor = up.run(&["doctor", "--json"]).lines();
    let landlock = doctor.iter().find(|found| found["id"] == "landlock").unwrap();
    assert_eq!(word == "none", landlock["state"] == "open", "{attested}");

    // With the address and the capability in hand: by descent alone it is refused.
    let runtime = up.house.runtime();
    let capability: String = std::fs::read(runtime.join("control.key"))
        .unwrap()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let script = format!(
        "curl -s --unix-socket {} -H 'Remit-Control: {capability}' http://remit/v1/status || true",
        runtime.join("control.sock").display()
    );
    let said = up.run(&["run", "--intent", "try", "--", "sh", "-c", &script]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(!said.out.contains("\"version\""), "{said:?}");
}

#[test]
fn a_second_one_on_the_same_data_says_so() {
    let up = Up::new();
    let said = up.run(&["up"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.err.contains("in use"), "{said:?}");
    assert_eq!(up.run(&["task", "list"]).status, Some(0), "the first one goes on");
}

#[test]
fn what_was_opened_outlives_a_kill_9() {
    let mut up = Up::new();
    up.json(&["agent", "add", "a", "--owner", "alice"]);
    let opened = up.json(&["task", "open", "--agent", "a", "--intent", "x"]);
    up.child.kill().unwrap();
    up.child.wait().unwrap();
    let house = std::mem::replace(&mut up.house, House::new());
    let again = Up::again(house);
    let task = opened["task"].as_str().unwrap();
    assert_eq!(again.json(&["task", "show", task])["state"], "open");
    assert_eq!(again.json(&["verify"])["ok"], true);
}
