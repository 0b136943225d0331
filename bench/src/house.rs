//! A whole engine in a folder of its own, as `remit up` starts it, with an agent, a stub server and a client that keeps its connection.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use remit_core::entropy::SystemEntropy;
use remit_core::task::Intent;
use remit_server::app::App;
use remit_server::clock::SystemClock;
use remit_server::config::Config;
use remit_server::paths::Paths;
use remit_server::people::{NewAgent, add_agent};
use remit_server::registry::servers::{self, NewServer};
use remit_server::start::{Parts, Running, start};
use remit_server::tasks::open::{NewTask, Opened, open};
use remit_store::servers::Transport;
use serde_json::{Value, json};

/// The engine and what it stands before.
pub struct House {
    /// The engine.
    pub running: Running,
    /// The stub server, for calls without Remit.
    pub stub: SocketAddr,
}

impl House {
    /// Starts it below `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn open(folder: &Path) -> anyhow::Result<Self> {
        Self::at(folder, &folder.join("data")).await
    }

    /// Starts it with its data in a folder of their own.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn at(folder: &Path, data: &Path) -> anyhow::Result<Self> {
        Self::with(folder, data, Config::default()).await
    }

    /// The engine alone, started below `folder` on whatever lies in `data`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn engine(folder: &Path, data: &Path, mut config: Config) -> anyhow::Result<Running> {
        config.listen.address = "127.0.0.1:0".parse()?;
        let parts = Parts {
            config,
            paths: Paths {
                data: data.to_owned(),
                runtime: folder.join("run"),
                config: folder.join("config"),
            },
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            me: "alice".parse()?,
            // The stub is reached by HTTP: nothing is launched.
            launcher: PathBuf::from("/nonexistent"),
            search_path: "/usr/bin:/bin".into(),
        };
        Ok(start(parts).await?)
    }

    /// Starts it with a configuration of its own.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn with(folder: &Path, data: &Path, config: Config) -> anyhow::Result<Self> {
        let running = Self::engine(folder, data, config).await?;
        let stub = crate::stub::start().await?;
        let by = "alice".parse()?;
        let agent = NewAgent {
            name: "coder".parse()?,
            owner: "alice".parse()?,
            backup_owner: None,
            purpose: String::new(),
            ceiling: None,
        };
        add_agent(&running.app, agent, &by).await?;
        let server = NewServer {
            name: "fs".parse()?,
            transport: Transport::Url(format!("http://{stub}/mcp")),
            allow_private: true,
            shareable: false,
            uncontained: false,
            environment: Vec::new(),
            cwd: None,
            accept_floating: false,
        };
        servers::add(&running.app, server, &by).await?;
        Ok(Self { running, stub })
    }

    /// The engine's heart.
    pub const fn app(&self) -> &Arc<App> {
        &self.running.app
    }

    /// Opens a task that may use everything of the stub below one folder.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn task(&self) -> anyhow::Result<Opened> {
        self.task_for("fs/*", "fs:/srv/repo").await
    }

    /// Opens a task that may use these tools on this resource.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn task_for(&self, tools: &str, resource: &str) -> anyhow::Result<Opened> {
        Ok(open(self.app(), Self::wish(tools, resource)?, &"alice".parse()?).await?)
    }

    /// A task that may use these tools on this resource, as it is asked for.
    ///
    /// # Errors
    /// When one of them is not understood.
    pub fn wish(tools: &str, resource: &str) -> anyhow::Result<NewTask> {
        Ok(NewTask {
            agent: "coder".parse()?,
            intent: Intent {
                goal: "fix the login test".to_owned(),
                purpose: String::new(),
            },
            template: None,
            set: Default::default(),
            allow: vec![tools.parse()?],
            resources: vec![resource.parse()?],
            destinations: Vec::new(),
            limit: None,
            ttl_ms: None,
            mode: None,
            parent: None,
            process: None,
            more: Default::default(),
        })
    }
}

/// What a client calls.
#[derive(Clone, Debug)]
pub struct Target {
    /// Path of the endpoint.
    pub path: &'static str,
    /// Name of the tool there.
    pub tool: String,
    /// Revision 2026-07-28; else 2025-11-25, without a session.
    pub modern: bool,
}

impl Target {
    /// The stub's tool at `path`, in the newer revision.
    #[must_use]
    pub fn read_file(path: &'static str) -> Self {
        Self {
            path,
            tool: "read_file".to_owned(),
            modern: true,
        }
    }
}

/// One connection that is kept, as stock clients keep theirs.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    target: Target,
    token: Option<String>,
}

impl Client {
    /// To the engine with a token, to the stub without one.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn connect(
        address: SocketAddr,
        path: &'static str,
        token: Option<String>,
    ) -> anyhow::Result<Self> {
        Self::to(address, Target::read_file(path), token).await
    }

    /// To any tool.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn to(address: SocketAddr, target: Target, token: Option<String>) -> anyhow::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the bench is the agent's client, not an upstream"
        )]
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            address,
            target,
            token,
        })
    }

    /// From now on with this token.
    pub fn token(&mut self, token: String) {
        self.token = Some(token);
    }

    /// One `tools/call`; gives the status and the text of the answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn call(&mut self) -> anyhow::Result<(u16, Bytes)> {
        let tool = self.target.tool.as_str();
        let arguments = json!({"path": "/srv/repo/src/main.rs"});
        let params = if self.target.modern {
            json!({
                "name": tool, "arguments": arguments,
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            })
        } else {
            json!({"name": tool, "arguments": arguments})
        };
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
        let mut request = http::Request::post(self.target.path)
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        request = if self.target.modern {
            request
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", tool)
        } else {
            request.header("mcp-protocol-version", "2025-11-25")
        };
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.sender.ready().await?;
        let answer = self
            .sender
            .send_request(request.body(Full::new(Bytes::from(body)))?)
            .await?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }

    /// One call that must be answered by the server.
    ///
    /// # Errors
    /// When it was not.
    pub async fn call_allowed(&mut self) -> anyhow::Result<()> {
        let (status, body) = self.call().await?;
        let text = String::from_utf8_lossy(&body);
        let json = text
            .lines()
            .map(|line| line.strip_prefix("data: ").unwrap_or(line))
            .find(|line| line.starts_with('{'));
        let answer: Value = serde_json::from_str(json.context("no JSON in the answer")?)?;
        let result = answer
            .get("result")
            .with_context(|| format!("status {status}: {text}"))?;
        let refused = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
        anyhow::ensure!(status == 200 && !refused, "status {status}: {text}");
        Ok(())
    }
}
