//! Stock servers, as `e2e/tools.sh` installs them. Without them these tests say so and pass.

use std::process::Stdio;

use remit_core::authority::ClientFeature;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;
use crate::event::ClientRefusal;

/// Where the tools are, or nothing.
fn tools() -> Option<PathBuf> {
    let cache = std::env::var_os("REMIT_CACHE").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME")?;
        Some(Path::new(&home).join(".cache/remit"))
    })?;
    let tools = cache.join("tools");
    if tools.join("installed").exists() {
        return Some(tools);
    }
    eprintln!("SKIPPED: the stock servers are not installed; run e2e/tools.sh");
    None
}

fn node(tools: &Path) -> OsString {
    tools.join("node/bin/node").into_os_string()
}

fn module(tools: &Path, path: &str) -> OsString {
    tools
        .join("node/node_modules/@modelcontextprotocol")
        .join(path)
        .into_os_string()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/fixtures")
}

fn reference(tools: &Path, what: &str) -> ServerSpec {
    let mut spec = stdio(
        node(tools),
        vec![
            "--import".into(),
            fixtures().join("loader.mjs").into_os_string(),
            fixtures().join("reference_server/server.mjs").into_os_string(),
            what.into(),
        ],
    );
    let Transport::Stdio(stdio) = &mut spec.transport else {
        panic!()
    };
    stdio
        .env
        .push(("REMIT_TOOLS".into(), tools.as_os_str().to_owned()));
    spec
}

/// A server over HTTP, and its address.
async fn started(mut command: tokio::process::Command, find: &str) -> (tokio::process::Child, String) {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut out, mut err) = (BufReader::new(out).lines(), BufReader::new(err).lines());
    loop {
        let line = tokio::select! {
            line = out.next_line() => line,
            line = err.next_line() => line,
        };
        let line = line.unwrap().expect("the server ended");
        if line.contains(find) {
            tokio::spawn(async move { while let Ok(Some(_)) = out.next_line().await {} });
            tokio::spawn(async move { while let Ok(Some(_)) = err.next_line().await {} });
            return (child, line);
        }
    }
}

async fn reference_http(tools: &Path) -> (tokio::process::Child, String) {
    let mut command = tokio::process::Command::new(node(tools));
    command
        .arg("--import")
        .arg(fixtures().join("loader.mjs"))
        .arg(fixtures().join("reference_server/server.mjs"))
        .arg("0")
        .env("REMIT_TOOLS", tools);
    started(command, "http://").await
}

/// Opens in exactly this revision. On a machine so busy that a server needs longer to start than it is asked for, a server of
/// both is taken for a legacy one: by design, but not what is tested here.
async fn open_in(world: &World, spec: &ServerSpec, era: Era) -> (Connection, Notices) {
    for _ in 0..3 {
        let opened = world.open(spec, era).await.unwrap();
        if opened.0.era() == era {
            return opened;
        }
        opened.0.close().await;
    }
    panic!("never in {era:?}: {spec:?}");
}

fn names(definitions: &[Object]) -> Vec<&str> {
    definitions
        .iter()
        .filter_map(|d| d.get("name")?.as_str())
        .collect()
}

async fn read_everything(connection: &Connection, world: &World) -> Introspection {
    introspect::read(&connection.0, &world.terms).await.unwrap()
}

#[tokio::test]
async fn the_filesystem_server_reads_and_refuses() {
    let Some(tools) = tools() else { return };
    let world = world();
    std::fs::write(world.file("hello.txt"), format!("hello {SECRET}\r\nsecond")).unwrap();
    let spec = stdio(
        node(&tools),
        vec![
            module(&tools, "server-filesystem/dist/index.js"),
            world.dir.clone().into(),
        ],
    );
    for prefer in [Era::Legacy, Era::Modern] {
        let (connection, _notices) = world.open(&spec, prefer).await.unwrap();
        let found = read_everything(&connection, &world).await;
        assert!(
            names(&found.tools).contains(&"read_text_file"),
            "{:?}",
            names(&found.tools)
        );
        let path = world.file("hello.txt");
        let read = tool("read_text_file", &format!(r#"{{"path":"{}"}}"#, path.display()));
        let reply = call(&world, &connection, &read).await.unwrap();
        assert_eq!(text_of(&reply), "hello [removed by remit]\r\nsecond");
        let outside = call(
            &world,
            &connection,
            &tool("read_text_file", r#"{"path":"/etc/hostname"}"#),
        )
        .await
        .unwrap();
        assert!(text_of(&outside).contains("Access denied"), "{outside:?}");
        connection.close().await;
    }
}

#[tokio::test]
async fn python_servers_speak_too() {
    let Some(tools) = tools() else { return };
    let world = world();
    let spec = stdio(
        tools.join("python/bin/mcp-server-time").into_os_string(),
        Vec::new(),
    );
    for prefer in [Era::Legacy, Era::Modern] {
        let (connection, _notices) = world.open(&spec, prefer).await.unwrap();
        let found = read_everything(&connection, &world).await;
        assert!(
            names(&found.tools).contains(&"get_current_time"),
            "{:?}",
            names(&found.tools)
        );
        let reply = call(
            &world,
            &connection,
            &tool("get_current_time", r#"{"timezone":"UTC"}"#),
        )
        .await
        .unwrap();
        assert!(text_of(&reply).contains("UTC"), "{reply:?}");
        connection.close().await;
    }
}

#[tokio::test]
async fn the_everything_server_does_everything() {
    let Some(tools) = tools() else { return };
    let world = world();
    let entry = module(&tools, "server-everything/dist/index.js");
    let over_pipes = stdio(node(&tools), vec![entry.clone(), "stdio".into()]);
    let mut command = tokio::process::Command::new(node(&tools));
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    command
        .arg("--import")
        .arg(fixtures().join("loader.mjs"))
        .arg(&entry)
        .arg("streamableHttp")
        .env("PORT", port.to_string());
    let (_child, _) = started(command, "listening").await;
    let over_http = http(&format!("http://127.0.0.1:{port}/mcp"));
    for spec in [over_pipes, over_http] {
        let open = OpenOptions {
            features: vec![ClientFeature::Sampling, ClientFeature::Elicitation],
            ..options(Era::Legacy)
        };
        let (connection, _notices) = Connection::open_on(&world.terms, &spec, open, &world.environment)
            .await
            .unwrap();
        let found = read_everything(&connection, &world).await;
        assert!(names(&found.tools).contains(&"echo"), "{:?}", names(&found.tools));
        assert!(!found.prompts.is_empty() && !found.resources.is_empty());
        let reply = call(&world, &connection, &tool("echo", r#"{"message":"hi"}"#))
            .await
            .unwrap();
        assert_eq!(text_of(&reply), "Echo: hi");

        let long = tool("trigger-long-running-operation", r#"{"duration":1,"steps":4}"#);
        let wanted = CallOptions {
            wants_progress: true,
            ..CallOptions::default()
        };
        let (reply, seen) = call_with(&world, &connection, &long, wanted).await;
        reply.unwrap();
        assert_eq!(seen.len(), 4, "{seen:?}");

        let completion = a_call(
            Operation::Complete("prompt:completable-prompt".to_owned()),
            r#"{"argument":{"name":"department","value":"E"}}"#,
        );
        let reply = call(&world, &connection, &completion).await.unwrap();
        assert!(
            matches!(&reply, Reply::Result(r) if r.get("completion").is_some()),
            "{reply:?}"
        );
        connection.close().await;
    }
}

#[tokio::test]
async fn the_reference_server_in_both_revisions_over_both_transports() {
    let Some(tools) = tools() else { return };
    let world = world();
    let (_child, url) = reference_http(&tools).await;
    for spec in [reference(&tools, "stdio"), http(url.trim())] {
        for era in [Era::Modern, Era::Legacy] {
            let (connection, mut notices) = open_in(&world, &spec, era).await;
            let found = read_everything(&connection, &world).await;
            assert!(names(&found.tools).contains(&"test_simple_text"));
            assert_eq!(found.templates.len(), 1);
            let reply = call(&world, &connection, &tool("test_simple_text", "{}"))
                .await
                .unwrap();
            assert!(text_of(&reply).starts_with("This is a simple text"));

            let wanted = CallOptions {
                wants_progress: true,
                log_level: Some("debug".to_owned()),
                ..CallOptions::default()
            };
            let (reply, seen) = call_with(
                &world,
                &connection,
                &tool("test_tool_with_progress", "{}"),
                wanted.clone(),
            )
            .await;
            reply.unwrap();
            assert_eq!(
                seen.iter()
                    .filter(|e| matches!(e, UpstreamEvent::Progress(_)))
                    .count(),
                3,
                "{era:?} {seen:?}"
            );
            let (reply, seen) =
                call_with(&world, &connection, &tool("test_tool_with_logging", "{}"), wanted).await;
            reply.unwrap();
            assert_eq!(
                seen.iter().filter(|e| matches!(e, UpstreamEvent::Log(_))).count(),
                3,
                "{era:?} {seen:?}"
            );

            let definition = found
                .tools
                .iter()
                .find(|t| t.get("name").unwrap().as_str() == Some("test_custom_header"));
            let mirrored = CallOptions {
                mirrored: crate::mirrored_headers(definition.unwrap()).unwrap().into(),
                ..CallOptions::default()
            };
            let region = tool("test_custom_header", r#"{"region":"Zürich 世界"}"#);
            let reply = call_with(&world, &connection, &region, mirrored).await.0.unwrap();
            assert_eq!(text_of(&reply), "region Zürich 世界");

            let read = a_call(Operation::ReadResource("test://static-text".to_owned()), "{}");
            assert!(matches!(
                call(&world, &connection, &read).await,
                Ok(Reply::Result(_))
            ));
            let missing = a_call(Operation::ReadResource("test://no-such".to_owned()), "{}");
            assert!(matches!(
                call(&world, &connection, &missing).await,
                Ok(Reply::Error(_))
            ));
            let prompt = a_call(Operation::GetPrompt("test_simple_prompt".to_owned()), "{}");
            assert!(matches!(
                call(&world, &connection, &prompt).await,
                Ok(Reply::Result(_))
            ));

            if matches!(spec.transport, Transport::Http(_)) {
                // The change is announced to all; a legacy server tells on its stream once that is open.
                call(&world, &connection, &tool("test_trigger_tool_change", "{}"))
                    .await
                    .unwrap();
                let notice = tokio::time::timeout(Duration::from_secs(10), notices.next()).await;
                assert_eq!(notice.unwrap(), Some(crate::Notice::ToolsChanged), "{era:?}");
                if era == Era::Legacy {
                    let reply = call(&world, &connection, &tool("test_reconnection", "{}"))
                        .await
                        .unwrap();
                    assert_eq!(text_of(&reply), "reconnected");
                }
            }
            connection.close().await;
        }
    }
}

#[tokio::test]
async fn questions_of_the_reference_server_in_both_revisions() {
    let Some(tools) = tools() else { return };
    let world = world();
    let (_child, url) = reference_http(&tools).await;
    for spec in [reference(&tools, "stdio"), http(url.trim())] {
        // Modern: a result that asks, and a further round that answers.
        let (connection, _notices) = open_in(&world, &spec, Era::Modern).await;
        let made = tool("test_input_required_result_request_state", "{}");
        let can = CallOptions {
            features: vec![ClientFeature::Elicitation],
            ..CallOptions::default()
        };
        let (reply, _) = call_with(&world, &connection, &made, can.clone()).await;
        let Ok(Reply::Result(asked)) = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(
            asked.get("resultType").and_then(Value::as_str),
            Some("input_required")
        );
        let second = CallOptions {
            continuation: Some(crate::Continuation {
                input_responses: Some(Value::Object(object(
                    r#"{"confirm":{"action":"accept","content":{"ok":true}}}"#,
                ))),
                request_state: asked
                    .get("requestState")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            }),
            ..can.clone()
        };
        let reply = call_with(&world, &connection, &made, second).await.0.unwrap();
        assert_eq!(text_of(&reply), "state-ok");
        // What the client cannot do is not asked.
        let reply = call(&world, &connection, &tool("test_missing_capability", "{}"))
            .await
            .unwrap();
        let Reply::Error(error) = reply else {
            panic!("{reply:?}")
        };
        assert_eq!(error.code, -32021);
        assert_eq!(
            error.data.unwrap().to_string(),
            r#"{"requiredCapabilities":{"sampling":{}}}"#
        );
        connection.close().await;

        // Legacy: a question in the middle of the call.
        let open = OpenOptions {
            features: vec![ClientFeature::Elicitation],
            ..options(Era::Legacy)
        };
        let (connection, _notices) = Connection::open_on(&world.terms, &spec, open, &world.environment)
            .await
            .unwrap();
        let (events, mut receiver) = mpsc::channel(8);
        let made = tool("test_elicitation", r#"{"message":"who?"}"#);
        let answering = async {
            let Some(UpstreamEvent::ClientRequest {
                feature,
                params,
                reply,
            }) = receiver.recv().await
            else {
                panic!()
            };
            assert_eq!(feature, ClientFeature::Elicitation);
            assert_eq!(params.get("message").and_then(Value::as_str), Some("who?"));
            reply.send(Err(ClientRefusal::Declined)).unwrap();
        };
        let (reply, ()) = tokio::join!(connection.0.call(&made, &world.terms, &can, events), answering);
        assert!(reply.is_ok(), "{reply:?}");
        connection.close().await;
    }
}

#[tokio::test]
async fn a_slow_call_is_cut_and_the_server_lives_on() {
    let Some(tools) = tools() else { return };
    let world = world();
    let (_child, url) = reference_http(&tools).await;
    for spec in [reference(&tools, "stdio"), http(url.trim())] {
        for era in [Era::Modern, Era::Legacy] {
            let (connection, _notices) = open_in(&world, &spec, era).await;
            let slow = tool("test_slow", r#"{"seconds":30}"#);
            let failure = call_with(&world, &connection, &slow, short(300))
                .await
                .0
                .unwrap_err();
            assert_eq!((failure.kind, failure.sent), (ErrorKind::TimedOut, Sent::Maybe));
            let reply = call(&world, &connection, &tool("test_simple_text", "{}"))
                .await
                .unwrap();
            assert!(text_of(&reply).starts_with("This is"));
            connection.close().await;
        }
    }
}
