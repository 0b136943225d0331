//! Streamable HTTP: headers, sessions, streams, connections.

use super::wire_server::*;
use super::*;
use crate::mirror::mirrored_headers;

#[tokio::test]
async fn a_modern_request_carries_its_headers_and_no_session() {
    let server =
        WireServer::start(|seen| modern(seen, |seen| json(&result(seen.id(), r#"{"content":[]}"#)))).await;
    let world = world();
    let (connection, _notices) = world.open(&http(&server.url), Era::Modern).await.unwrap();
    assert_eq!(connection.era(), Era::Modern);
    let definition = object(
        r#"{"inputSchema":{"properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"}}}}"#,
    );
    let options = CallOptions {
        mirrored: mirrored_headers(&definition).unwrap().into(),
        ..CallOptions::default()
    };
    let made = tool("query", r#"{"region":"ümlaut\r\nHost: evil","x":1.50}"#);
    call_with(&world, &connection, &made, options).await.0.unwrap();
    call(
        &world,
        &connection,
        &a_call(Operation::ReadResource("test://ä/b".to_owned()), "{}"),
    )
    .await
    .unwrap();

    let sent = server.requests("tools/call").remove(0);
    for (name, value) in [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "query"),
        ("mcp-param-region", "=?base64?w7xtbGF1dA0KSG9zdDogZXZpbA==?="),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ] {
        assert_eq!(sent.header(name), Some(value), "{}", sent.head);
    }
    for name in [
        "mcp-param-n",
        "mcp-session-id",
        "accept-encoding",
        "origin",
        "cookie",
        "authorization",
    ] {
        assert_eq!(sent.header(name), None, "{}", sent.head);
    }
    assert!(
        sent.body
            .contains(r#""arguments":{"region":"ümlaut\r\nHost: evil","x":1.5}"#),
        "{}",
        sent.body
    );
    let read = server.requests("resources/read").remove(0);
    assert_eq!(read.header("mcp-name"), Some("=?base64?dGVzdDovL8OkL2I=?="));
    assert_eq!(
        server.connections.load(Ordering::SeqCst),
        1,
        "one connection is used again"
    );
}

#[tokio::test]
async fn a_legacy_session_is_kept_and_ended() {
    let server = WireServer::start(|seen| legacy(seen, |seen| json(&result(seen.id(), "{}")))).await;
    let world = world();
    // A modern client meets a legacy server: probed, then initialised.
    let (connection, _notices) = world.open(&http(&server.url), Era::Modern).await.unwrap();
    assert_eq!(connection.era(), Era::Legacy);
    call(&world, &connection, &tool("t", "{}")).await.unwrap();
    connection.close().await;
    let seen = server.seen.lock().unwrap().clone();
    let hello = seen.iter().find(|s| s.method() == "initialize").unwrap();
    assert_eq!(
        (
            hello.header("mcp-session-id"),
            hello.header("mcp-protocol-version")
        ),
        (None, None)
    );
    let later: Vec<&Seen> = seen
        .iter()
        .filter(|s| !matches!(s.method().as_str(), "initialize" | "server/discover"))
        .collect();
    assert!(later.iter().any(|s| s.is("GET")) && later.iter().any(|s| s.is("DELETE")));
    for request in later {
        assert_eq!(request.header("mcp-session-id"), Some("s-1"), "{}", request.head);
        assert_eq!(
            request.header("mcp-protocol-version"),
            Some("2025-11-25"),
            "{}",
            request.head
        );
        assert_eq!(request.header("mcp-method"), None);
    }
}

#[tokio::test]
async fn a_lost_session_is_opened_again_and_no_tool_call_goes_twice() {
    let lost = Arc::new(AtomicUsize::new(0));
    let losing = lost.clone();
    let server = WireServer::start(move |seen| {
        let losing = losing.clone();
        legacy(seen, move |seen| {
            // Every first request after an `initialize` meets a server that was restarted.
            if losing.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
                return vec![answer(
                    "404 Not Found",
                    "Content-Type: application/json\r\n",
                    r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#,
                )];
            }
            json(&result(seen.id(), "{}"))
        })
    })
    .await;
    let world = world();
    let (connection, _notices) = world.open(&http(&server.url), Era::Legacy).await.unwrap();
    let failure = call(&world, &connection, &tool("t", "{}")).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::SessionLost);
    assert!(
        failure
            .at(&"x".parse().unwrap(), &Scrubber::default())
            .is_certain_failure()
    );
    assert_eq!(server.requests("tools/call").len(), 1, "not sent again");
    assert_eq!(
        server.requests("initialize").len(),
        2,
        "but the session is there again"
    );
    call(&world, &connection, &tool("t", "{}")).await.unwrap();

    let read = a_call(Operation::ReadResource("test://a".to_owned()), "{}");
    call(&world, &connection, &read).await.unwrap();
    assert_eq!(
        server.requests("resources/read").len(),
        2,
        "reading goes again by itself"
    );
    assert_eq!(server.requests("initialize").len(), 3);
}

#[tokio::test]
async fn a_stream_brings_progress_questions_and_the_answer() {
    let server = WireServer::start(|seen| {
        legacy(seen, |seen| {
            if seen.method().is_empty() {
                return vec![answer("202 Accepted", "", "")];
            }
            let id = seen.id();
            vec![
                events(),
                chunk(": hello\n\nid: 1\nda"),
                chunk("ta:\n\n"),
                event(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#)),
                event(r#"{"jsonrpc":"2.0","id":9,"method":"ping"}"#),
                event(r#"{"jsonrpc":"2.0","id":10,"method":"elicitation/create","params":{}}"#),
                chunk(&format!("event: message\r\ndata: {}\r", result(id, r#"{"content":[{"type":"text","text":"done"}]}"#))),
                chunk("\n\r\n"),
                end(),
            ]
        })
    })
    .await;
    let world = world();
    let (connection, _notices) = world.open(&http(&server.url), Era::Legacy).await.unwrap();
    let options = CallOptions {
        wants_progress: true,
        ..CallOptions::default()
    };
    let (reply, events) = call_with(&world, &connection, &tool("t", "{}"), options).await;
    assert_eq!(text_of(&reply.unwrap()), "done");
    assert!(
        matches!(events.as_slice(), [UpstreamEvent::Progress(_)]),
        "{events:?}"
    );
    until("both questions are answered", || {
        server.requests("").iter().filter(|s| s.is("POST")).count() == 2
    })
    .await;
    let answers: String = server.requests("").iter().map(|s| s.body.clone()).collect();
    assert!(
        answers.contains(r#"{"id":9,"jsonrpc":"2.0","result":{}}"#),
        "{answers}"
    );
    assert!(
        answers.contains(r#""code":-32601"#) && answers.contains(r#""id":10"#),
        "{answers}"
    );
}

#[tokio::test]
async fn a_legacy_stream_that_breaks_is_taken_up_again_without_calling_again() {
    let server = WireServer::start(|seen| {
        if seen.is("GET") && seen.header("last-event-id") == Some("e-7") {
            return vec![
                events(),
                event(&result(2, r#"{"content":[{"type":"text","text":"after"}]}"#)),
                end(),
            ];
        }
        legacy(seen, |_| {
            vec![
                events(),
                chunk("id: e-7\nretry: 20\ndata:\n\n"),
                end(),
                Step::Close,
            ]
        })
    })
    .await;
    let world = world();
    let (connection, _notices) = world.open(&http(&server.url), Era::Legacy).await.unwrap();
    let reply = call(&world, &connection, &tool("t", "{}")).await.unwrap();
    assert_eq!(text_of(&reply), "after");
    assert_eq!(server.requests("tools/call").len(), 1);
}

#[tokio::test]
async fn what_a_legacy_server_tells_on_its_own_stream_is_heard() {
    let server = WireServer::start(|seen| {
        if seen.is("GET") {
            return vec![
                events(),
                event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#),
                event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"hunter2-hunter2"}}"#),
                Step::Hang,
            ];
        }
        legacy(seen, |seen| json(&result(seen.id(), "{}")))
    })
    .await;
    let world = world();
    let (connection, mut notices) = world.open(&http(&server.url), Era::Legacy).await.unwrap();
    assert_eq!(notices.next().await, Some(crate::Notice::ToolsChanged));
    let log = object(r#"{"level":"info","data":"[removed by remit]"}"#);
    assert_eq!(notices.next().await, Some(crate::Notice::Log(log)));
    connection.close().await;
    assert_eq!(notices.next().await, None);
    until("the stream is closed", || server.left.load(Ordering::SeqCst) == 1).await;
}

#[tokio::test]
async fn errors_come_through_with_status_and_data() {
    let server = WireServer::start(|seen| {
        modern(seen, |seen| {
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32021,"message":"needs hunter2-hunter2","data":{{"requiredCapabilities":{{"sampling":{{}}}}}}}}}}"#,
                seen.id()
            );
            vec![answer("400 Bad Request", "Content-Type: application/json; charset=utf-8\r\n", &body)]
        })
    })
    .await;
    let world = world();
    let (connection, _notices) = world
        .open(&http(&server.url), Era::Legacy)
        .await
        .unwrap_or_else(|e| panic!("{e:?}"));
    // Preferred the legacy revision, which this server refuses in its own words.
    assert_eq!(connection.era(), Era::Modern);
    let reply = call(&world, &connection, &tool("t", "{}")).await.unwrap();
    let Reply::Error(error) = reply else {
        panic!("{reply:?}")
    };
    assert_eq!((error.code, error.http_status), (-32021, Some(400)));
    assert_eq!(error.message, "needs [removed by remit]");
    assert_eq!(
        error.data.unwrap().to_string(),
        r#"{"requiredCapabilities":{"sampling":{}}}"#
    );
}

#[tokio::test]
async fn an_idle_connection_that_was_closed_costs_nothing() {
    let server = WireServer::start(|seen| {
        modern(seen, |seen| {
            let mut steps = json(&result(seen.id(), "{}"));
            steps.push(Step::Close);
            steps
        })
    })
    .await;
    let world = world();
    let (connection, _notices) = world.open(&http(&server.url), Era::Modern).await.unwrap();
    for _ in 0..20 {
        call(&world, &connection, &tool("t", "{}")).await.unwrap();
        // Let the closing arrive, as it does between two calls.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.requests("tools/call").len(), 20);
    // Older ones are not even tried.
    let before = server.connections.load(Ordering::SeqCst);
    world.clock.advance_ms(10_000);
    call(&world, &connection, &tool("t", "{}")).await.unwrap();
    assert_eq!(server.connections.load(Ordering::SeqCst), before + 1);
}
