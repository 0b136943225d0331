//! A client of the conformance suite's `auth` scenarios that is Remit itself: a whole engine, the server registered, a
//! person who signs in, an agent that calls. Run by the suite with the server's address as the last argument.
//!
//! Only the browser is played here: it opens the address Remit shows and follows where it is sent.

use std::io::{Read as _, Write as _};
use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use remit_core::entropy::SystemEntropy;
use remit_core::name::Name;
use remit_core::task::Intent;
use remit_core::tool::ToolClass;
use remit_server::app::App;
use remit_server::clock::SystemClock;
use remit_server::config::Config;
use remit_server::logins::begin;
use remit_server::paths::Paths;
use remit_server::people::NewAgent;
use remit_server::registry::admit::{Said, admit};
use remit_server::start::{Parts, Running, start};
use remit_server::tasks::open::NewTask;
use serde_json::{Value, json};

/// The name of the server under test.
const SERVER: &str = "conf";
/// Most times a person signs in before the scenario is given up.
const LOGINS_MAX: usize = 3;

fn main() -> anyhow::Result<()> {
    let url = std::env::args()
        .next_back()
        .context("the address of the server is missing")?;
    let folder = std::env::temp_dir().join(format!("remit-upstream-oauth-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(scenario(&url, &folder));
    runtime.shutdown_timeout(Duration::from_secs(1));
    std::fs::remove_dir_all(&folder)?;
    done
}

async fn scenario(url: &str, folder: &Path) -> anyhow::Result<()> {
    let running = start(Parts {
        config: configuration(url, folder)?,
        paths: Paths {
            data: folder.join("data"),
            runtime: folder.join("run"),
            config: folder.join("config"),
        },
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        me: name("alice")?,
        launcher: PathBuf::from("/nonexistent/remit"),
        search_path: "/usr/bin:/bin".into(),
    })
    .await?;
    let played = play(&running).await;
    running.stop(Duration::from_secs(1)).await;
    played
}

/// `remit.toml` for this scenario, with what the suite says about the client.
fn configuration(url: &str, folder: &Path) -> anyhow::Result<Config> {
    let said = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_else(|_| "{}".to_owned());
    let said: Value = serde_json::from_str(&said)?;
    let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
    let text = |key: &str| said.get(key).and_then(Value::as_str);
    let mut oauth = toml::Table::new();
    if scenario == "auth/basic-cimd" || scenario == "auth/offline-access-scope" {
        let document = "https://conformance-test.local/client-metadata.json";
        oauth.insert("client_metadata_url".into(), document.into());
    }
    if let Some(id) = text("client_id") {
        oauth.insert("client_id".into(), id.into());
    } else {
        oauth.insert("register".into(), true.into());
    }
    for (key, file, content) in [
        ("client_secret_file", "secret", text("client_secret")),
        ("private_key_file", "key.pem", text("private_key_pem")),
    ] {
        if let Some(content) = content {
            oauth.insert(key.into(), keep(&folder.join(file), content)?.into());
        }
    }
    if let Some(issuer) = text("issuer") {
        oauth.insert("issuer".into(), issuer.into());
    } else if text("client_id").is_some() {
        // The suite keeps it to itself, and Remit shows a secret to no issuer that was not written down.
        oauth.insert("issuer".into(), issuer_of(url)?.into());
    }
    if scenario.starts_with("auth/client-credentials") {
        oauth.insert("grant".into(), "client_credentials".into());
    }
    let mut server = toml::Table::new();
    server.insert("url".into(), url.into());
    server.insert("allow_private".into(), true.into());
    server.insert("oauth".into(), oauth.into());
    let mut servers = toml::Table::new();
    servers.insert(SERVER.into(), server.into());
    let mut all = toml::Table::new();
    all.insert("servers".into(), servers.into());
    let mut config: Config = all.try_into()?;
    config.listen.address = "127.0.0.1:0".parse()?;
    config.hold.wait = "1s".to_owned();
    config.check()?;
    Ok(config)
}

/// A file only we can read.
fn keep(path: &Path, content: &str) -> anyhow::Result<String> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(content.as_bytes())?;
    Ok(path.display().to_string())
}

/// What the person who writes the configuration would look up: the issuer the server names.
fn issuer_of(url: &str) -> anyhow::Result<String> {
    let document = url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
    let (_, _, body) = get(&document)?;
    let document: Value = serde_json::from_str(&body)?;
    let issuer = document
        .pointer("/authorization_servers/0")
        .and_then(Value::as_str);
    Ok(issuer.context("the server names no issuer")?.to_owned())
}

async fn play(running: &Running) -> anyhow::Result<()> {
    let app = &running.app;
    let (server, alice) = (name(SERVER)?, name("alice")?);
    let mut logins = 0;
    // Signed in to until its tools are seen.
    until(|| app.world().registry.server(&server).is_some()).await?;
    while until(|| has_tools(app, &server)).await.is_err() {
        sign_in(app, &server, &alice, &mut logins).await?;
    }
    let tools: Vec<_> = app
        .world()
        .registry
        .tools()
        .filter(|t| t.tool.name.server == server)
        .map(|t| t.tool.name.clone())
        .collect();
    let said = Said {
        class: Some(ToolClass::Read),
        irreversible: Some(false),
    };
    admit(app, &tools, Some(said), &alice).await?;
    let agent = NewAgent {
        name: name("coder")?,
        owner: alice.clone(),
        backup_owner: None,
        purpose: String::new(),
        ceiling: None,
    };
    remit_server::people::add_agent(app, agent, &alice).await?;
    let task = remit_server::tasks::open::open(app, task()?, &alice).await?;
    for _ in 0..3 {
        call(running, &task.token, &server, &alice, &mut logins).await?;
    }
    Ok(())
}

/// One call by the agent; where it waits for a login, the person signs in and the agent asks again.
async fn call(
    running: &Running,
    token: &str,
    server: &Name,
    person: &Name,
    logins: &mut usize,
) -> anyhow::Result<()> {
    loop {
        let answer = ask(running, token)?;
        let decision = answer
            .pointer("/result/_meta/dev.remit~1decision")
            .cloned()
            .unwrap_or_default();
        if answer.pointer("/result/isError") != Some(&Value::Bool(true)) && answer.get("result").is_some() {
            return Ok(());
        }
        let waits = decision.get("decision").and_then(Value::as_str) == Some("hold");
        ensure!(waits, "the call failed: {answer}");
        ensure!(
            decision.get("reason").and_then(Value::as_str) == Some("needs_reauth"),
            "the call waits for something else: {answer}"
        );
        sign_in(&running.app, server, person, logins).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What a person does with the address Remit shows.
async fn sign_in(app: &Arc<App>, server: &Name, person: &Name, logins: &mut usize) -> anyhow::Result<()> {
    *logins += 1;
    ensure!(*logins <= LOGINS_MAX, "signing in does not help");
    let question = begin::begin(app, server, person).await?;
    let mut address = question.pending.url.clone();
    let browsed = tokio::task::spawn_blocking(move || {
        for _ in 0..5 {
            let (status, to, body) = get(&address)?;
            match to {
                Some(to) => address = to,
                None => return Ok((status, body)),
            }
        }
        bail!("redirected too often")
    });
    let (status, body) = browsed.await??;
    ensure!(status == 200, "not signed in: {body}");
    Ok(())
}

/// One `tools/call` of the current revision, as an agent makes it.
fn ask(running: &Running, token: &str) -> anyhow::Result<Value> {
    let params = json!({
        "name": "test-tool",
        "arguments": {},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    });
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let address = running.address;
    let request = format!(
        "POST /mcp/{SERVER} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n\
         Mcp-Name: test-tool\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = tokio::task::block_in_place(|| exchange(&address.to_string(), &request))?;
    let json = answer.lines().find_map(|line| {
        let line = line.strip_prefix("data: ").unwrap_or(line);
        line.starts_with('{').then(|| serde_json::from_str(line).ok())?
    });
    json.with_context(|| format!("no JSON in {answer}"))
}

/// A `GET`: status, where it redirects to, body.
fn get(url: &str) -> anyhow::Result<(u16, Option<String>, String)> {
    let rest = url
        .strip_prefix("http://")
        .context("the browser played here speaks http only")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let answer = exchange(
        host,
        &format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
    )?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let to = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then(|| value.to_owned())
    });
    Ok((status, to, body.to_owned()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the browser and the agent are not part of Remit"
)]
fn exchange(host: &str, request: &str) -> anyhow::Result<String> {
    let mut last = anyhow::anyhow!("`{host}` has no address");
    for address in host.to_socket_addrs()? {
        let mut stream = match std::net::TcpStream::connect(address) {
            Ok(stream) => stream,
            Err(error) => {
                last = error.into();
                continue;
            }
        };
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        return Ok(String::from_utf8_lossy(&answer).into_owned());
    }
    Err(last)
}

fn has_tools(app: &App, server: &Name) -> bool {
    app.world()
        .registry
        .server(server)
        .is_some_and(|entry| entry.tools.values().any(|tool| !tool.is_surface()))
}

/// Waits a moment for what happens in the background.
async fn until(condition: impl Fn() -> bool) -> anyhow::Result<()> {
    for _ in 0..60 {
        if condition() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("it did not happen")
}

fn task() -> anyhow::Result<NewTask> {
    Ok(NewTask {
        agent: name("coder")?,
        intent: Intent {
            goal: "call a server that wants a token".to_owned(),
            purpose: String::new(),
        },
        template: None,
        set: Default::default(),
        allow: vec![
            format!("{SERVER}/test-tool")
                .parse()
                .map_err(|e| anyhow::anyhow!("{e}"))?,
        ],
        resources: Vec::new(),
        destinations: Vec::new(),
        limit: None,
        ttl_ms: None,
        mode: None,
        parent: None,
        process: None,
        more: Default::default(),
    })
}

fn name(text: &str) -> anyhow::Result<Name> {
    text.parse().map_err(|e| anyhow::anyhow!("`{text}`: {e}"))
}
