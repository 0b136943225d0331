//! `House`: a whole engine in a folder of its own, with a person, an agent, a stub server and an open task.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use remit_core::entropy::SystemEntropy;
use remit_core::name::Name;
use remit_core::task::Intent;
use remit_server::app::App;
use remit_server::clock::SystemClock;
use remit_server::config::Config;
use remit_server::paths::Paths;
use remit_server::people::NewAgent;
use remit_server::registry::servers::{Added, NewServer};
use remit_server::start::{Parts, Running, start};
use remit_server::tasks::open::{NewTask, Opened};
use remit_store::servers::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stub::StubServer;

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub struct House {
    pub running: Running,
    pub stub: StubServer,
    pub folder: PathBuf,
    pub launcher: PathBuf,
}

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn parts_with(folder: &std::path::Path, mut config: Config, launcher: PathBuf) -> Parts {
    config.listen.address = "127.0.0.1:0".parse().unwrap();
    Parts {
        config,
        paths: Paths {
            data: folder.join("data"),
            runtime: folder.join("run"),
            config: folder.join("config"),
        },
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        me: name("alice"),
        launcher,
        search_path: "/usr/bin:/bin".into(),
    }
}

impl House {
    pub async fn open(wait: &str) -> Self {
        let mut config = Config::default();
        config.hold.wait = wait.to_owned();
        Self::open_with(config).await
    }

    pub async fn open_with(config: Config) -> Self {
        Self::before(StubServer::start().await, config).await
    }

    /// The same with a launcher for stdio servers.
    pub async fn launching(config: Config, launcher: PathBuf) -> Self {
        Self::opened(StubServer::start().await, config, launcher).await
    }

    pub async fn before(stub: StubServer, config: Config) -> Self {
        Self::opened(stub, config, PathBuf::from("/nonexistent/remit")).await
    }

    async fn opened(stub: StubServer, config: Config, launcher: PathBuf) -> Self {
        let folder = std::env::temp_dir().join(format!(
            "remit-house-{}-{}",
            std::process::id(),
            NUMBER.fetch_add(1, Ordering::SeqCst)
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let running = start(parts_with(&folder, config, launcher.clone()))
            .await
            .unwrap();
        let house = Self {
            running,
            stub,
            folder,
            launcher,
        };
        let agent = NewAgent {
            name: name("coder"),
            owner: name("alice"),
            backup_owner: None,
            purpose: String::new(),
            ceiling: None,
        };
        remit_server::people::add_agent(house.app(), agent, &name("alice"))
            .await
            .unwrap();
        house
    }

    pub fn app(&self) -> &Arc<App> {
        &self.running.app
    }

    /// Ends as a crash would and starts again on the same data.
    pub async fn crash_and_restart(self, wait: &str) -> Self {
        let mut config = Config::default();
        config.hold.wait = wait.to_owned();
        self.crash_and_restart_with(config).await
    }

    /// The same with the configuration it had.
    pub async fn crash_and_restart_as_configured(self) -> Self {
        let config = self.app().config.clone();
        self.crash_and_restart_with(config).await
    }

    /// The same with another configuration.
    pub async fn crash_and_restart_with(self, config: Config) -> Self {
        let Self {
            running,
            stub,
            folder,
            launcher,
        } = self;
        let app = Arc::downgrade(&running.app);
        running.drop_dead();
        for _ in 0..1000 {
            if app.upgrade().is_none() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(
            app.upgrade().is_none(),
            "something still holds the crashed engine"
        );
        let running = start(parts_with(&folder, config, launcher.clone()))
            .await
            .unwrap();
        Self {
            running,
            stub,
            folder,
            launcher,
        }
    }

    /// Everything that was recorded, oldest first.
    pub async fn records(&self) -> Vec<remit_ledger::record::Record> {
        let stored = self
            .app()
            .store
            .read(|conn| remit_store::records::range(conn, 0, u32::MAX))
            .await
            .unwrap();
        stored.iter().map(|record| record.decode().unwrap()).collect()
    }

    pub async fn add_stub(&self) -> Added {
        let new = NewServer {
            name: name("fs"),
            transport: Transport::Url(self.stub.url()),
            allow_private: true,
            shareable: false,
            uncontained: false,
            environment: Vec::new(),
            cwd: None,
            accept_floating: false,
        };
        remit_server::registry::servers::add(self.app(), new, &name("alice"))
            .await
            .unwrap()
    }

    /// A task as tests ask for it.
    pub fn wish(&self, allow: &[&str], resources: &[&str]) -> NewTask {
        NewTask {
            agent: name("coder"),
            intent: Intent {
                goal: "fix the login test".to_owned(),
                purpose: String::new(),
            },
            template: None,
            set: Default::default(),
            allow: allow.iter().map(|text| text.parse().unwrap()).collect(),
            resources: resources.iter().map(|text| text.parse().unwrap()).collect(),
            destinations: Vec::new(),
            limit: None,
            ttl_ms: None,
            mode: None,
            parent: None,
            process: None,
            more: Default::default(),
        }
    }

    pub async fn task(&self, allow: &[&str], resources: &[&str]) -> Opened {
        let new = self.wish(allow, resources);
        remit_server::tasks::open::open(self.app(), new, &name("alice"))
            .await
            .unwrap()
    }

    /// One modern JSON-RPC request: HTTP status and body.
    pub async fn rpc(&self, token: &str, method: &str, params: Value) -> (u16, Value) {
        self.rpc_on("fs", token, method, params).await
    }

    /// The same to another server.
    pub async fn rpc_on(&self, server: &str, token: &str, method: &str, params: Value) -> (u16, Value) {
        self.caller().rpc_on(server, token, method, params).await
    }

    /// Whoever calls this house, to be moved elsewhere.
    pub fn caller(&self) -> Caller {
        Caller {
            address: self.running.address,
        }
    }

    /// One modern JSON-RPC request with these header lines: the whole answer.
    pub async fn ask(&self, authorization: &str, method: &str, params: Value) -> String {
        self.caller().ask_on("fs", authorization, method, params).await
    }

    /// One tool call: the result object.
    pub async fn call(&self, token: &str, tool: &str, arguments: Value) -> Value {
        let (_, answer) = self
            .rpc(token, "tools/call", json!({"name": tool, "arguments": arguments}))
            .await;
        answer["result"].clone()
    }
}

/// A client of a house.
pub struct Caller {
    address: std::net::SocketAddr,
}

impl Caller {
    /// One modern JSON-RPC request: HTTP status and body.
    pub async fn rpc_on(&self, server: &str, token: &str, method: &str, params: Value) -> (u16, Value) {
        let answer = self
            .ask_on(
                server,
                &format!("Authorization: Bearer {token}\r\n"),
                method,
                params,
            )
            .await;
        let status: u16 = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let json = answer.lines().find_map(|line| {
            let line = line.strip_prefix("data: ").unwrap_or(line);
            line.starts_with('{').then(|| serde_json::from_str(line).unwrap())
        });
        (status, json.unwrap_or(Value::Null))
    }

    async fn ask_on(&self, server: &str, authorization: &str, method: &str, mut params: Value) -> String {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let named = params
            .get("name")
            .or_else(|| params.get("uri"))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let address = self.address;
        let mut head = format!(
            "POST /mcp/{server} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n\
             Content-Length: {}\r\nConnection: close\r\n",
            body.len()
        );
        if !named.is_empty() {
            head.push_str(&format!("Mcp-Name: {named}\r\n"));
        }
        let mut stream = dial(address).await;
        stream
            .write_all(format!("{head}\r\n{body}").as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test is the agent's client, not an upstream"
)]
pub async fn dial(address: std::net::SocketAddr) -> tokio::net::TcpStream {
    tokio::net::TcpStream::connect(address).await.unwrap()
}

/// The decision object of a refused or held call.
pub fn decision(result: &Value) -> &Value {
    &result["_meta"]["dev.remit/decision"]
}
