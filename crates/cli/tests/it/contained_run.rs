//! `remit run --contained`: the command has a network of its own, and Remit is all there is in it.

use std::io::Write as _;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::bypass_bed::Bed;

/// What the command tries: its MCP endpoint, the proxy, a neighbour, with its own token and with another's.
const SCRIPT: &str = r#"
import json, os, socket, sys, urllib.error, urllib.request

def mcp(token):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "read_file", "arguments": {"path": "/srv/repo/a"},
            "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}}
    request = urllib.request.Request(os.environ["REMIT_MCP_URL"] + "/fs", json.dumps(body).encode(), {
        "Authorization": "Bearer " + token, "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "read_file"})
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        return [200, opener.open(request).read().decode()]
    except urllib.error.HTTPError as error:
        return [error.code, error.read().decode()]

def reach(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
        return "reached"
    except OSError as error:
        return str(error.errno)

def proxied(url):
    try:
        return urllib.request.urlopen(url, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError as error:
        return str(error.reason)

own, other, neighbour = os.environ["REMIT_TOKEN"], sys.argv[1], int(sys.argv[2])
if "HTTP_PROXY" not in os.environ:
    print(json.dumps({"neighbour": reach("127.0.0.1", neighbour)}))
    sys.exit()
print(json.dumps({"own": mcp(own), "other": mcp(other), "neighbour": reach("127.0.0.1", neighbour), "outside": reach("192.0.2.1", 80),
    "unknown": proxied("http://unknown.example/x"), "unknown_tls": proxied("https://unknown.example/x"), "devices": socket.if_nameindex()}))
"#;

#[test]
fn a_contained_run_reaches_remit_and_nothing_else() {
    let bed = Bed::new();
    let neighbour = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = neighbour.local_addr().unwrap().port().to_string();
    let other = bed.reader();
    // It is there for whoever keeps the machine's network.
    let said = bed.run_with(&[], SCRIPT, &[&other.token, &port]);
    let tried: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(tried["neighbour"], "reached", "{said:?}");

    let said = bed.run_with(&["--contained"], SCRIPT, &[&other.token, &port]);
    if said.err.contains("no network of its own") {
        assert_eq!(said.status, Some(125), "{said:?}");
        let mut error = std::io::stderr();
        writeln!(error, "SKIPPED: this machine contains no runs: {}", said.err).unwrap();
        return;
    }
    assert_eq!(said.status, Some(0), "{said:?}");
    let tried: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(tried["own"][0], 200, "{tried}");
    assert!(
        tried["own"][1].as_str().unwrap().contains("did read_file"),
        "{tried}"
    );
    assert_ne!(tried["neighbour"], "reached", "{tried}");
    assert_ne!(tried["outside"], "reached", "{tried}");
    assert_eq!(tried["devices"].as_array().unwrap().len(), 1, "{tried}");
    // What nobody registered is refused in words, and recorded.
    assert_eq!(tried["unknown"], 403, "{tried}");
    assert!(tried["unknown_tls"].to_string().contains("403"), "{tried}");
    let decisions = bed.records("decision");
    let of_run = |tool: bool| {
        let all = decisions.iter().filter(|record| record["confinement"] == "netns");
        all.filter(|record| (record["tool"] == "fs/read_file") == tool)
            .collect::<Vec<_>>()
    };
    let calls = of_run(true);
    assert!(
        calls.len() == 1 && calls[0]["decision"] == "allow" && calls[0]["proof"] == "peer",
        "{calls:?}"
    );
    let refused = of_run(false);
    assert_eq!(refused.len(), 2, "{refused:?}");
    let denied =
        |record: &&Value| record["decision"] == "deny" && record.to_string().contains("unknown.example");
    assert!(refused.iter().all(denied), "{refused:?}");
}

#[test]
fn the_tokens_of_attested_runs_do_not_work_through_the_relay_of_another() {
    let bed = Bed::new();
    if bed.run_with(&["--contained"], SCRIPT, &["remit_x", "9"]).status == Some(125) {
        return;
    }
    // A run that waits, and hands its token to the second by a file both can read.
    let handed = bed.up.house.work("handed");
    let script = format!(
        "import os, time\nopen({0:?} + '.tmp', 'w').write(os.environ['REMIT_TOKEN'])\nos.rename({0:?} + '.tmp', {0:?})\nwhile os.path.exists({0:?}): time.sleep(0.05)",
        handed.display().to_string()
    );
    let file = bed.up.house.work("waits.py");
    std::fs::write(&file, script).unwrap();
    let waiting = bed
        .up
        .house
        .remit(&[
            "run",
            "--contained",
            "--agent",
            "bot",
            "--intent",
            "wait",
            "--allow",
            "fs/read_file",
            "--resource",
            "fs:/srv/repo",
            "--",
            "python3",
            &file.display().to_string(),
        ])
        .spawn()
        .unwrap();
    for _ in 0..600 {
        if handed.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let token = std::fs::read_to_string(&handed).unwrap();
    let said = bed.run_with(&["--contained"], SCRIPT, &[&token, "9"]);
    std::fs::remove_file(&handed).unwrap();
    assert!(waiting.wait_with_output().unwrap().status.success());
    let tried: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(tried["own"][0], 200, "{tried}");
    assert_eq!(tried["other"][0], 401, "{tried}");
    let found = bed.up.run(&["findings", "--json"]).lines();
    assert!(
        found.iter().any(|one| one["kind"] == json!("identity_anomaly")),
        "{found:?}"
    );
}
