//! What the bypass attempts work with: the whole binary, a stdio server that writes down what reaches it, an agent's client.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{Said, read};
use crate::live::Up;

/// A small MCP server (2025-11-25): what is called is a line of the file it is given.
const SERVER: &str = r#"
import json, sys
path = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
content = {"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}, "required": ["path", "content"]}
tools = [
    {"name": "read_file", "description": "Reads a file", "inputSchema": path},
    {"name": "write_file", "description": "Writes a file", "inputSchema": content},
]
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    method, params = message.get("method"), message.get("params", {})
    if method == "initialize":
        answer["result"] = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
    elif method == "tools/list":
        answer["result"] = {"tools": tools}
    elif method == "tools/call":
        with open(sys.argv[1], "a") as log:
            log.write(json.dumps(params, sort_keys=True) + "\n")
        answer["result"] = {"content": [{"type": "text", "text": "did " + params["name"]}]}
    else:
        answer["error"] = {"code": -32601, "message": "no such method"}
    print(json.dumps(answer), flush=True)
"#;

/// A whole Remit with one server `fs` and two agents.
pub(crate) struct Bed {
    pub(crate) up: Up,
    log: PathBuf,
}

/// A task that was opened.
pub(crate) struct Opened {
    pub(crate) task: String,
    pub(crate) token: String,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let up = Up::configured("[hold]\nwait = \"200ms\"\n");
        let log = up.house.work("reached");
        std::fs::write(up.house.work("server.py"), SERVER).unwrap();
        std::fs::write(&log, "").unwrap();
        for agent in ["bot", "helper"] {
            up.json(&["agent", "add", agent, "--owner", "alice"]);
        }
        let (script, written) = (up.house.work("server.py"), log.display().to_string());
        let added = up.run(&[
            "mcp",
            "add",
            "fs",
            "--",
            "python3",
            &script.display().to_string(),
            &written,
        ]);
        assert_eq!(added.status, Some(0), "{added:?}");
        up.run(&["tools", "admit", "--server", "fs", "--all"]);
        Self { up, log }
    }

    /// A task of `agent` with these options.
    pub(crate) fn open(&self, agent: &str, more: &[&str]) -> Opened {
        let base = ["task", "open", "--agent", agent, "--intent", "look around"];
        let opened = self.up.json(&[&base, more].concat());
        let text = |key: &str| opened[key].as_str().unwrap().to_owned();
        Opened {
            task: text("task"),
            token: text("token"),
        }
    }

    /// Reads inside `/srv/repo` and nothing else.
    pub(crate) fn reader(&self) -> Opened {
        self.open("bot", &["--allow", "fs/read_file", "--resource", "fs:/srv/repo"])
    }

    /// Writes, each time by leave of a person.
    pub(crate) fn writer(&self) -> Opened {
        self.open("bot", &["--allow", "fs/write_file"])
    }

    /// What reached the server.
    pub(crate) fn reached(&self) -> Vec<Value> {
        crate::house::json_lines(&read(&self.log))
    }

    pub(crate) fn address(&self) -> String {
        self.up.ready["address"].as_str().unwrap().to_owned()
    }

    /// Bytes to the agents' listener: status and the whole answer.
    #[expect(
        clippy::disallowed_methods,
        reason = "the test is the agent's client, not an upstream"
    )]
    pub(crate) fn raw(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or_default(), answer)
    }

    /// One request of the modern revision: status and message.
    pub(crate) fn rpc(&self, endpoint: &str, token: &str, method: &str, mut params: Value) -> (u16, Value) {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let named = params
            .get("name")
            .or_else(|| params.get("uri"))
            .and_then(Value::as_str)
            .map_or_else(String::new, |name| format!("Mcp-Name: {name}\r\n"));
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let (status, answer) = self.raw(&format!(
            "POST {endpoint} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n\
             {named}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address(),
            body.len()
        ));
        let json = answer.lines().find_map(|line| {
            let line = line.strip_prefix("data: ").unwrap_or(line);
            line.starts_with('{').then(|| serde_json::from_str(line).unwrap())
        });
        (status, json.unwrap_or(Value::Null))
    }

    /// One tool call: the decision that refused or holds it, else null; and the result.
    pub(crate) fn call(&self, token: &str, tool: &str, arguments: Value) -> (Value, Value) {
        let mut params = json!({"name": tool});
        params["arguments"] = arguments;
        let (_, answer) = self.rpc("/mcp/fs", token, "tools/call", params);
        let result = answer["result"].clone();
        (result["_meta"]["dev.remit/decision"].clone(), result)
    }

    /// Opens `script` as the work of a `remit run` of `bot` that may read.
    pub(crate) fn run(&self, script: &str, arguments: &[&str]) -> Said {
        self.run_with(&[], script, arguments)
    }

    /// The same with further options.
    pub(crate) fn run_with(&self, options: &[&str], script: &str, arguments: &[&str]) -> Said {
        let file = self.up.house.work("agent.py");
        std::fs::write(&file, script).unwrap();
        let file = file.display().to_string();
        let base = [
            "run",
            "--agent",
            "bot",
            "--intent",
            "look around",
            "--allow",
            "fs/read_file",
            "--resource",
            "fs:/srv/repo",
        ];
        self.up
            .run(&[&base, options, &["--", "python3", &file], arguments].concat())
    }

    /// Records of a kind, oldest first.
    pub(crate) fn records(&self, kind: &str) -> Vec<Value> {
        let all = self.up.run(&["tail", "--once", "-n", "500", "--json"]).lines();
        all.into_iter().filter(|record| record["type"] == kind).collect()
    }

    /// Waits until the server was reached so often.
    pub(crate) fn wait_reached(&self, times: usize) -> Vec<Value> {
        for _ in 0..1000 {
            if self.reached().len() >= times {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.reached()
    }

    /// True where runs are shut in; said aloud where they are not.
    pub(crate) fn confines(&self) -> bool {
        let said = self.run("import os\nprint('work')", &[]);
        let shut_in = !said.err.contains("not confined");
        if !shut_in {
            let mut error = std::io::stderr();
            writeln!(error, "SKIPPED: this machine does not confine runs: {}", said.err).unwrap();
        }
        shut_in
    }
}
