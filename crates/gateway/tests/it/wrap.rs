//! The stdio wrapper: lines in, lines out, both revisions.

use remit_core::json::{self, Bounds, Value};
use remit_gateway::ports::Notice;
use remit_gateway::wrap::{self, WrapError};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

use crate::server::{Server, modern_body};

struct Wrapped {
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
    done: tokio::task::JoinHandle<Result<(), WrapError>>,
}

impl Wrapped {
    fn start(url: &str, token: &str) -> Self {
        Self::with(url, None, token)
    }

    fn with(url: &str, socket: Option<std::path::PathBuf>, token: &str) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (read, write) = tokio::io::split(far);
        let (output, input) = tokio::io::split(near);
        let done = tokio::spawn(wrap::run(
            url.parse().unwrap(),
            socket,
            token.to_owned(),
            read,
            write,
        ));
        Self {
            input,
            output: BufReader::new(output).lines(),
            done,
        }
    }

    fn on(server: &Server) -> Self {
        Self::start(&format!("http://{}/mcp/ref", server.address), "good")
    }

    async fn say(&mut self, line: &str) {
        self.input.write_all(line.as_bytes()).await.unwrap();
        self.input.write_all(b"\n").await.unwrap();
    }

    async fn hear(&mut self) -> Value {
        let line = self.output.next_line().await.unwrap().unwrap();
        json::parse(line.as_bytes(), &Bounds::RESPONSE).unwrap()
    }

    async fn open(&mut self) {
        self.say(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}}"#)
            .await;
        let answer = self.hear().await;
        assert_eq!(
            answer.pointer("/result/protocolVersion").and_then(Value::as_str),
            Some("2025-06-18")
        );
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await;
    }
}

#[tokio::test]
async fn a_modern_client_needs_no_session() {
    let server = Server::start().await;
    let mut wrapped = Wrapped::on(&server);
    wrapped.say(&modern_body("server/discover", "{}", "{}", "")).await;
    assert!(
        wrapped
            .hear()
            .await
            .pointer("/result/supportedVersions")
            .is_some()
    );
    // Mirrored parameters and names that cannot stand in a header are no concern of this client.
    wrapped
        .say(&modern_body(
            "tools/call",
            r#"{"name":"mirrored","arguments":{"region":"eu"}}"#,
            "{}",
            "",
        ))
        .await;
    assert!(wrapped.hear().await.get("result").is_some());
    wrapped
        .say(&modern_body("resources/read", r#"{"uri":"test://ä "}"#, "{}", ""))
        .await;
    assert!(wrapped.hear().await.get("result").is_some());
    assert_eq!(server.engine.last_request().operation.target(), "test://ä ");
    wrapped
        .say(&modern_body(
            "tools/call",
            r#"{"name":"progress"}"#,
            "{}",
            r#""progressToken":5"#,
        ))
        .await;
    assert_eq!(
        wrapped
            .hear()
            .await
            .pointer("/params/progressToken")
            .and_then(Value::as_i64),
        Some(5)
    );
    assert_eq!(
        wrapped
            .hear()
            .await
            .pointer("/params/progressToken")
            .and_then(Value::as_i64),
        Some(5)
    );
    assert!(wrapped.hear().await.get("result").is_some());
    // Cancellation closes the connection.
    wrapped
        .say(&modern_body("tools/call", r#"{"name":"wait"}"#, "{}", ""))
        .await;
    server
        .engine
        .waiting
        .subscribe()
        .wait_for(|n| *n == 1)
        .await
        .unwrap();
    wrapped
        .say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a1"}}"#)
        .await;
    server
        .engine
        .abandoned
        .subscribe()
        .wait_for(|n| *n == 1)
        .await
        .unwrap();
    drop(wrapped.input);
    // The far end of a split stream closes when both halves are gone.
    drop(wrapped.output);
    let _ = wrapped.done.await.unwrap();
}

#[tokio::test]
async fn a_legacy_client_has_its_session_kept_for_it() {
    let server = Server::start().await;
    let mut wrapped = Wrapped::on(&server);
    wrapped.open().await;
    wrapped
        .say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask_client"}}"#)
        .await;
    let asked = wrapped.hear().await;
    let id = asked.get("id").and_then(Value::as_str).unwrap().to_owned();
    wrapped
        .say(&format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"action":"accept"}}}}"#
        ))
        .await;
    assert!(wrapped.hear().await.get("result").is_some());
    while {
        server.engine.notify(Notice::ToolsChanged).await;
        tokio::task::yield_now().await;
        tokio::time::timeout(std::time::Duration::from_millis(5), wrapped.output.next_line())
            .await
            .is_err()
    } {}
}

#[tokio::test]
async fn a_gateway_that_forgot_the_session_is_not_noticed() {
    let server = Server::start().await;
    let mut wrapped = Wrapped::on(&server);
    wrapped.open().await;
    server.clock.advance_ms(remit_core::limits::SESSION_IDLE_MS_MAX);
    wrapped
        .say(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#)
        .await;
    let answer = wrapped.hear().await;
    assert_eq!(answer.get("id").and_then(Value::as_i64), Some(1));
    assert!(answer.get("result").is_some(), "{answer}");
    assert_eq!(server.engine.count(), 1);
    assert_eq!(server.engine.last_request().client_features.len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said_under_the_request_s_id() {
    let server = Server::start().await;
    let mut wrapped = Wrapped::start(&format!("http://{}/mcp/ref", server.address), "ended");
    wrapped.say(&modern_body("tools/list", "{}", "{}", "")).await;
    let refused = wrapped.hear().await;
    assert_eq!(refused.get("id").and_then(Value::as_str), Some("a1"));
    assert_eq!(
        refused.pointer("/error/data/reason").and_then(Value::as_str),
        Some("task_ended")
    );
    wrapped.say(r#"{"a":1,"a":2}"#).await;
    assert_eq!(
        wrapped
            .hear()
            .await
            .pointer("/error/code")
            .and_then(Value::as_i64),
        Some(-32700)
    );
    wrapped.say(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#).await;
    assert_eq!(
        wrapped
            .hear()
            .await
            .pointer("/error/code")
            .and_then(Value::as_i64),
        Some(-32600)
    );

    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let mut wrapped = Wrapped::start(&format!("http://{address}/mcp"), "good");
    wrapped.say(&modern_body("tools/list", "{}", "{}", "")).await;
    let answer = wrapped.hear().await;
    let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap();
    assert!(message.contains("remit up"), "{message}");
}

#[tokio::test]
async fn it_talks_to_this_machine_alone() {
    for url in [
        "http://gw.example:7420/mcp",
        "https://127.0.0.1:7420/mcp",
        "http://127.0.0.1/mcp",
    ] {
        let run = wrap::run(
            url.parse().unwrap(),
            None,
            "t".into(),
            &b""[..],
            tokio::io::sink(),
        );
        assert!(matches!(run.await, Err(WrapError::BadUrl(_))), "{url}");
    }
    let run = wrap::run(
        "http://127.0.0.1:1/mcp".parse().unwrap(),
        None,
        "a\nb".into(),
        &b""[..],
        tokio::io::sink(),
    );
    assert!(matches!(run.await, Err(WrapError::BadToken)));
}

#[tokio::test]
async fn the_socket_comes_first_and_the_address_where_there_is_none() {
    let server = Server::start().await;
    let folder = std::env::temp_dir().join(format!("remit-wrap-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let socket = folder.join("agents.sock");
    server.over(&socket);
    let discover = modern_body("server/discover", "{}", "{}", "");
    let nowhere = "http://127.0.0.1:1/mcp/ref".to_owned();
    let there = format!("http://{}/mcp/ref", server.address);
    for (url, socket, reached) in [
        (&nowhere, socket, true),
        (&there, folder.join("none.sock"), true),
        (&nowhere, folder.join("none.sock"), false),
    ] {
        let mut wrapped = Wrapped::with(url, Some(socket), "good");
        wrapped.say(&discover).await;
        let heard = wrapped.hear().await;
        assert_eq!(
            heard.pointer("/result/supportedVersions").is_some(),
            reached,
            "{heard:?}"
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
