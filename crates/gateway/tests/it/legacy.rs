//! The legacy leg: versions, sessions, and what belongs to whom.

use remit_core::limits::{SESSION_IDLE_MS_MAX, SESSIONS_PER_RUN_MAX};
use remit_gateway::ports::Era;

use crate::server::Server;

#[tokio::test]
async fn a_known_version_is_agreed_to_and_the_latest_is_offered_otherwise() {
    let server = Server::start().await;
    for (asked, agreed) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let params = format!(
            r#"{{"protocolVersion":"{asked}","capabilities":{{}},"clientInfo":{{"name":"t","version":"1"}}}}"#
        );
        let answered = server.legacy("initialize", &params, &[]).await;
        assert_eq!(answered.at("/result/protocolVersion").as_str(), Some(agreed));
        assert_eq!(answered.at("/result/serverInfo/name").as_str(), Some("remit"));
        assert_eq!(answered.at("/result/instructions").as_str(), Some("be kind"));
        assert!(answered.message().pointer("/result/resultType").is_none());
    }
}

#[tokio::test]
async fn the_session_remembers_the_client() {
    let server = Server::start().await;
    let id = server
        .initialize("2025-11-25", r#"{"elicitation":{"url":{}},"sampling":{}}"#)
        .await;
    let headers = [
        ("mcp-session-id", id.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    assert_eq!(
        server
            .legacy("ping", "{}", &headers)
            .await
            .at("/result")
            .to_string(),
        "{}"
    );
    let set = server
        .legacy("logging/setLevel", r#"{"level":"warning"}"#, &headers)
        .await;
    assert_eq!(set.at("/result").to_string(), "{}");
    let call = r#"{"name":"echo","_meta":{"progressToken":"p"}}"#;
    assert_eq!(server.legacy("tools/call", call, &headers).await.status, 200);
    let request = server.engine.last_request();
    assert_eq!(request.era, Era::Legacy);
    assert_eq!(request.client_features.len(), 2);
    assert!(request.elicitation_url && request.wants_progress);
    assert_eq!(request.log_level.as_deref(), Some("warning"));
    // Without a session nothing was declared.
    server.legacy("tools/call", r#"{"name":"echo"}"#, &[]).await;
    assert!(server.engine.last_request().client_features.is_empty());
}

#[tokio::test]
async fn a_session_belongs_to_its_run_and_its_endpoint_and_ends_on_request() {
    let server = Server::start().await;
    let id = server.initialize("2025-11-25", "{}").await;
    assert!(id.len() >= 32 && id.bytes().all(|b| b.is_ascii_graphic()));
    let own = [("mcp-session-id", id.as_str())];
    let stolen = [("mcp-session-id", id.as_str()), ("authorization", "Bearer other")];
    for (method, path, headers) in [
        ("POST", "/mcp/ref", &stolen[..]),
        ("GET", "/mcp/ref", &stolen[..]),
        ("DELETE", "/mcp/ref", &stolen[..]),
        ("POST", "/mcp/other", &own[..]),
        ("POST", "/mcp", &own[..]),
    ] {
        let ping = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        assert_eq!(
            server.send(method, path, headers, ping).await.status,
            404,
            "{method} {path}"
        );
    }
    assert_eq!(server.legacy("ping", "{}", &own).await.status, 200);
    let three = [
        server.legacy("tools/list", "{}", &own),
        server.legacy("tools/list", "{}", &own),
        server.legacy("tools/list", "{}", &own),
    ];
    assert!(
        futures_util::future::join_all(three)
            .await
            .iter()
            .all(|a| a.status == 200)
    );
    assert_eq!(server.send("DELETE", "/mcp/ref", &own, b"").await.status, 204);
    assert_eq!(server.legacy("ping", "{}", &own).await.status, 404);
    assert_eq!(server.send("DELETE", "/mcp/ref", &own, b"").await.status, 404);
    assert_eq!(server.send("DELETE", "/mcp/ref", &[], b"").await.status, 405);
    assert_eq!(server.send("GET", "/mcp/ref", &[], b"").await.status, 405);
}

#[tokio::test]
async fn sessions_are_few_and_do_not_last_idle() {
    let server = Server::start().await;
    let first = server.initialize("2025-11-25", "{}").await;
    let mut last = first.clone();
    for _ in 0..SESSIONS_PER_RUN_MAX {
        server.clock.advance_ms(1);
        last = server.initialize("2025-11-25", "{}").await;
    }
    let status = |id: String| {
        let server = &server;
        async move {
            server
                .legacy("ping", "{}", &[("mcp-session-id", id.as_str())])
                .await
                .status
                .as_u16()
        }
    };
    assert_eq!(status(first).await, 404);
    assert_eq!(status(last.clone()).await, 200);
    server.clock.advance_ms(SESSION_IDLE_MS_MAX - 1);
    assert_eq!(status(last.clone()).await, 200);
    server.clock.advance_ms(SESSION_IDLE_MS_MAX);
    assert_eq!(status(last).await, 404);
}

#[tokio::test]
async fn subscriptions_are_asked_for_and_end_with_the_session() {
    let server = Server::start().await;
    let id = server.initialize("2025-11-25", "{}").await;
    let own = [("mcp-session-id", id.as_str())];
    let subscribed = server
        .legacy("resources/subscribe", r#"{"uri":"test://a"}"#, &own)
        .await;
    assert_eq!(subscribed.at("/result").to_string(), "{}");
    let denied = server
        .legacy("resources/subscribe", r#"{"uri":"test://secret"}"#, &own)
        .await;
    assert_eq!(denied.error(), (200, -32002));
    assert_eq!(
        server
            .legacy("resources/subscribe", r#"{"uri":"test://b"}"#, &own)
            .await
            .status,
        200
    );
    let ended = server
        .legacy("resources/unsubscribe", r#"{"uri":"test://b"}"#, &own)
        .await;
    assert_eq!(ended.at("/result").to_string(), "{}");
    assert_eq!(server.send("DELETE", "/mcp/ref", &own, b"").await.status, 204);
    // The end is told to the engine in a task of its own.
    while server.engine.subscriptions.lock().unwrap().len() < 5 {
        tokio::task::yield_now().await;
    }
    let told: Vec<_> = server
        .engine
        .subscriptions
        .lock()
        .unwrap()
        .iter()
        .map(|(_, uri, on)| (uri.clone(), *on))
        .collect();
    let wanted = [
        ("test://a", true),
        ("test://secret", true),
        ("test://b", true),
        ("test://b", false),
        ("test://a", false),
    ];
    assert_eq!(told, wanted.map(|(uri, on)| (uri.to_owned(), on)));
    let without = server
        .legacy("resources/subscribe", r#"{"uri":"test://a"}"#, &[])
        .await;
    assert_eq!(without.error(), (200, -32600));
}

#[tokio::test]
async fn a_version_header_we_do_not_know_is_refused_and_notifications_are_taken() {
    let server = Server::start().await;
    let unknown = [("mcp-protocol-version", "2024-01-01")];
    assert_eq!(
        server.legacy("tools/list", "{}", &unknown).await.error(),
        (400, -32022)
    );
    let id = server.initialize("2025-11-25", "{}").await;
    let own = [("mcp-session-id", id.as_str())];
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#,
        r#"{"jsonrpc":"2.0","id":"remit-77","result":{}}"#,
    ] {
        let answered = server.send("POST", "/mcp/ref", &own, body.as_bytes()).await;
        assert_eq!(
            (answered.status.as_u16(), answered.text.as_str()),
            (202, ""),
            "{body}"
        );
    }
    let answer = br#"{"jsonrpc":"2.0","id":"remit-1","result":{}}"#;
    assert_eq!(server.send("POST", "/mcp/ref", &[], answer).await.status, 404);
}
