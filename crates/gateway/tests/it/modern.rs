//! The modern leg: `_meta`, headers, methods, translation.

use remit_core::call::Operation;
use remit_core::json::Value;
use remit_gateway::ports::Era;

use crate::server::{MODERN, Server, modern_body};

#[tokio::test]
async fn a_call_reaches_the_engine_as_it_was_sent_and_nothing_else_does() {
    let server = Server::start().await;
    let meta = r#""traceparent":"00-aa-bb-01","x.example/other":1,"progressToken":7,"io.modelcontextprotocol/logLevel":"info""#;
    let params = r#"{"name":"echo","arguments":{"b":1.50,"a":"x"},"task":{"ttl":1},"extra":true}"#;
    let answered = server
        .modern_with(
            "/mcp/ref",
            "tools/call",
            params,
            r#"{"sampling":{},"elicitation":{"url":{}},"roots":null}"#,
            meta,
            &[],
        )
        .await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.at("/id").as_str(), Some("a1"));
    assert_eq!(
        answered.at("/result/structuredContent").to_string(),
        r#"{"a":"x","b":1.5}"#
    );
    assert_eq!(answered.at("/result/resultType").as_str(), Some("complete"));
    let request = server.engine.last_request();
    assert_eq!(request.era, Era::Modern);
    assert_eq!(request.server.as_str(), "ref");
    assert_eq!(request.operation.method(), "tools/call");
    assert_eq!(request.operation.target(), "echo");
    assert_eq!(
        Value::Object(request.arguments).to_string(),
        r#"{"a":"x","b":1.5}"#
    );
    let features: Vec<_> = request.client_features.iter().map(|f| f.as_str()).collect();
    assert_eq!(features, ["sampling", "elicitation"]);
    assert!(request.elicitation_url && request.wants_progress);
    assert_eq!(request.log_level.as_deref(), Some("info"));
    assert!(request.continuation.is_none());
}

#[tokio::test]
async fn absent_arguments_are_none() {
    let server = Server::start().await;
    assert_eq!(
        server.modern("tools/call", r#"{"name":"echo"}"#).await.status,
        200
    );
    assert!(server.engine.last_request().arguments.is_empty());
    assert_eq!(
        server.modern("prompts/get", r#"{"name":"greet"}"#).await.status,
        200
    );
    assert_eq!(
        server.engine.last_request().operation,
        Operation::GetPrompt("greet".into())
    );
}

#[tokio::test]
async fn every_method_asks_for_its_operation() {
    let server = Server::start().await;
    for (method, params, operation, arguments) in [
        (
            "resources/read",
            r#"{"uri":"test://t/1"}"#,
            Operation::ReadResource("test://t/1".into()),
            "{}",
        ),
        (
            "prompts/get",
            r#"{"name":"greet","arguments":{"who":"me"}}"#,
            Operation::GetPrompt("greet".into()),
            r#"{"who":"me"}"#,
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"greet","title":"x"},"argument":{"name":"who","value":"m","x":1},"context":{"arguments":{"k":"v"},"x":1}}"#,
            Operation::Complete("prompt:greet".into()),
            r#"{"argument":{"name":"who","value":"m"},"context":{"arguments":{"k":"v"}}}"#,
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/resource","uri":"test://t/{id}"},"argument":{"name":"id","value":""}}"#,
            Operation::Complete("resource:test://t/{id}".into()),
            r#"{"argument":{"name":"id","value":""}}"#,
        ),
    ] {
        let answered = server.modern(method, params).await;
        assert_eq!(answered.status, 200, "{answered:?}");
        let request = server.engine.last_request();
        assert_eq!(request.operation, operation);
        assert_eq!(Value::Object(request.arguments).to_string(), arguments);
    }
}

#[tokio::test]
async fn every_request_needs_its_metadata() {
    let server = Server::start().await;
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    let capabilities = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
    for params in [
        "{}".to_owned(),
        r#"{"_meta":{}}"#.to_owned(),
        r#"{"_meta":7}"#.to_owned(),
        format!(r#"{{"_meta":{{{version}}}}}"#),
        format!(r#"{{"_meta":{{{capabilities}}}}}"#),
        format!(r#"{{"_meta":{{{version},"io.modelcontextprotocol/clientCapabilities":[]}}}}"#),
        format!(r#"{{"_meta":{{{version},{capabilities},"progressToken":1.5}}}}"#),
        format!(r#"{{"_meta":{{{version},{capabilities},"io.modelcontextprotocol/logLevel":"loud"}}}}"#),
        format!(r#"{{"_meta":{{"io.modelcontextprotocol/protocolVersion":5,{capabilities}}}}}"#),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":3,"method":"server/discover","params":{params}}}"#);
        let headers = [MODERN[0], ("mcp-method", "server/discover")];
        let answered = server.send("POST", "/mcp/ref", &headers, body.as_bytes()).await;
        assert_eq!(answered.error(), (400, -32602), "{params}");
        assert_eq!(answered.at("/id").as_i64(), Some(3));
    }
    // Client information is not required, and is not looked at.
    assert_eq!(server.modern("server/discover", "{}").await.status, 200);
}

#[tokio::test]
async fn headers_have_to_say_what_the_body_says() {
    let server = Server::start().await;
    let echo = r#"{"name":"echo"}"#;
    for (headers, expected) in [
        (&[("mcp-method", "tools/list")][..], -32020),
        (&[("mcp-method", "TOOLS/CALL")], -32020),
        (&[("mcp-method", "-")], -32020),
        (&[("mcp-name", "other")], -32020),
        (&[("mcp-name", "-")], -32020),
        (&[("mcp-name", "ECHO")], -32020),
        (&[("mcp-name", "=?base64?ZWNob?=")], -32020),
        (&[("mcp-protocol-version", "-")], -32020),
        (&[("mcp-protocol-version", "2025-11-25")], -32020),
        (&[("mcp-protocol-version", "v999.0.0")], -32020),
        (
            &[
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-protocol-version", "2026-07-28"),
            ],
            -32020,
        ),
    ] {
        let answered = server
            .modern_with("/mcp/ref", "tools/call", echo, "{}", "", headers)
            .await;
        assert_eq!(answered.error(), (400, expected), "{headers:?}");
        assert_eq!(answered.at("/id").as_str(), Some("a1"), "{headers:?}");
    }
    assert_eq!(server.engine.count(), 0);
    for headers in [
        &[("MCP-METHOD", "tools/call")][..],
        &[("Mcp-Name", "  echo  ")],
        &[("mcp-name", "=?base64?ZWNobw==?=")],
    ] {
        let answered = server
            .modern_with("/mcp/ref", "tools/call", echo, "{}", "", headers)
            .await;
        assert_eq!(answered.status, 200, "{headers:?} {answered:?}");
    }
}

#[tokio::test]
async fn mirrored_parameters_are_compared_unless_the_client_speaks_stdio() {
    let server = Server::start().await;
    let call = r#"{"name":"mirrored","arguments":{"region":"eu"}}"#;
    let with = |headers: &'static [(&'static str, &'static str)]| {
        server.modern_with("/mcp/ref", "tools/call", call, "{}", "", headers)
    };
    assert_eq!(with(&[]).await.error(), (400, -32020));
    assert_eq!(with(&[("mcp-param-region", "us")]).await.error(), (400, -32020));
    assert_eq!(server.engine.count(), 0);
    assert_eq!(
        with(&[("mcp-param-region", "eu"), ("mcp-param-unknown", "x")])
            .await
            .status,
        200
    );
    assert_eq!(with(&[("remit-stdio", "1")]).await.status, 200);
}

#[tokio::test]
async fn versions_we_do_not_speak_are_named() {
    let server = Server::start().await;
    let body = modern_body("server/discover", "{}", "{}", "").replace("2026-07-28", "v999.0.0");
    let headers = [
        ("mcp-protocol-version", "v999.0.0"),
        ("mcp-method", "server/discover"),
    ];
    let answered = server.send("POST", "/mcp/ref", &headers, body.as_bytes()).await;
    assert_eq!(answered.error(), (400, -32022));
    assert_eq!(answered.at("/error/data/requested").as_str(), Some("v999.0.0"));
    assert_eq!(
        answered.at("/error/data/supported").to_string(),
        r#"["2026-07-28"]"#
    );
    let discovered = server.modern("server/discover", "{}").await;
    assert_eq!(
        discovered.at("/result/supportedVersions").to_string(),
        r#"["2026-07-28"]"#
    );
}

#[tokio::test]
async fn methods_of_the_other_revision_and_unknown_ones_are_not_served() {
    let server = Server::start().await;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "unknown/method",
        "tasks/get",
        "notifications/cancelled",
    ] {
        let answered = server.modern(method, "{}").await;
        assert_eq!(answered.error(), (404, -32601), "{method}");
        assert_eq!(answered.at("/id").as_str(), Some("a1"));
    }
    assert_eq!(server.engine.count(), 0);
}

#[tokio::test]
async fn there_are_no_sessions_and_only_post() {
    let server = Server::start().await;
    for method in ["GET", "DELETE", "PUT", "OPTIONS", "PATCH"] {
        let answered = server
            .send(method, "/mcp/ref", &[MODERN[0], ("mcp-session-id", "x")], b"")
            .await;
        assert_eq!(answered.status, 405, "{method}");
    }
    let answered = server
        .modern_with(
            "/mcp/ref",
            "server/discover",
            "{}",
            "{}",
            "",
            &[("mcp-session-id", "x")],
        )
        .await;
    assert_eq!(answered.status, 200);
    assert!(!answered.headers.contains_key("mcp-session-id"));
}

#[tokio::test]
async fn notifications_are_taken_and_responses_are_not() {
    let server = Server::start().await;
    let send = |body: &'static str| server.send("POST", "/mcp/ref", MODERN, body.as_bytes());
    let taken = send(r#"{"jsonrpc":"2.0","method":"notifications/anything"}"#).await;
    assert_eq!((taken.status.as_u16(), taken.text.as_str()), (202, ""));
    let call = send(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#).await;
    assert_eq!(call.error(), (400, -32600));
    let response = send(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#).await;
    assert_eq!(response.error(), (400, -32600));
    assert_eq!(server.engine.count(), 0);
}

#[tokio::test]
async fn discover_says_what_is_here() {
    let server = Server::start().await;
    let answered = server.modern("server/discover", "{}").await;
    assert_eq!(
        answered.at("/result").to_string(),
        r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"remit","version":"0.0.0"}},"cacheScope":"private","capabilities":{"completions":{},"logging":{},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"tools":{"listChanged":true}},"instructions":"be kind","resultType":"complete","supportedVersions":["2026-07-28"],"ttlMs":0}"#
    );
}

#[tokio::test]
async fn results_are_dressed_in_the_client_s_revision_and_only_we_speak_for_us() {
    let server = Server::start().await;
    let lying = server.modern("tools/call", r#"{"name":"lying"}"#).await;
    assert_eq!(
        lying.at("/result/_meta").to_string(),
        r#"{"dev.remit/head":"h1","io.modelcontextprotocol/serverInfo":{"name":"remit","version":"0.0.0"},"theirs":1}"#
    );
    let numbers = server.modern("tools/call", r#"{"name":"modern_upstream"}"#).await;
    assert_eq!(numbers.at("/result/big").to_string(), "12345678901234567890");
    let read = server.modern("resources/read", r#"{"uri":"test://a"}"#).await;
    assert_eq!(read.at("/result/cacheScope").as_str(), Some("private"));
    assert_eq!(read.at("/result/ttlMs").as_i64(), Some(7));

    let legacy = server
        .legacy("tools/call", r#"{"name":"modern_upstream"}"#, &[])
        .await;
    assert_eq!(
        legacy.at("/result").to_string(),
        r#"{"_meta":{"dev.remit/head":"h1"},"big":12345678901234567890,"content":[]}"#
    );
    let legacy = server.legacy("tools/call", r#"{"name":"lying"}"#, &[]).await;
    assert_eq!(
        legacy.at("/result/_meta").to_string(),
        r#"{"dev.remit/head":"h1","theirs":1}"#
    );
    let legacy = server
        .legacy("tools/call", r#"{"name":"input_required"}"#, &[])
        .await;
    assert_eq!(legacy.at("/result/isError").as_bool(), Some(true));
}

#[tokio::test]
async fn errors_of_the_upstream_come_through_unless_they_speak_of_its_own_hop() {
    let server = Server::start().await;
    let capability = server.modern("tools/call", r#"{"name":"capability"}"#).await;
    assert_eq!(capability.error(), (400, -32021));
    assert_eq!(
        capability.at("/error/data").to_string(),
        r#"{"requiredCapabilities":{"sampling":{}}}"#
    );
    let not_found = server.modern("tools/call", r#"{"name":"not_found"}"#).await;
    assert_eq!(not_found.error(), (200, -32602));
    assert_eq!(not_found.at("/error/data/uri").as_str(), Some("test://x"));
    let version = server.modern("tools/call", r#"{"name":"version"}"#).await;
    assert_eq!(version.error(), (200, -32603));
    let legacy = server.legacy("tools/call", r#"{"name":"not_found"}"#, &[]).await;
    assert_eq!(legacy.error(), (200, -32002));
}

#[tokio::test]
async fn the_second_round_is_passed_on() {
    let server = Server::start().await;
    let first = server.modern("tools/call", r#"{"name":"input_required"}"#).await;
    assert_eq!(first.at("/result/resultType").as_str(), Some("input_required"));
    assert_eq!(first.at("/result/requestState").as_str(), Some("u1"));
    let second = r#"{"name":"echo","inputResponses":{"k":{"action":"accept"}},"requestState":"u1"}"#;
    assert_eq!(server.modern("tools/call", second).await.status, 200);
    let continuation = server.engine.last_request().continuation.unwrap();
    assert_eq!(continuation.request_state.as_deref(), Some("u1"));
    assert_eq!(
        Value::Object(continuation.input_responses).to_string(),
        r#"{"k":{"action":"accept"}}"#
    );
    let only_answers = r#"{"name":"echo","inputResponses":{}}"#;
    assert_eq!(server.modern("tools/call", only_answers).await.status, 200);
    assert!(
        server
            .engine
            .last_request()
            .continuation
            .unwrap()
            .request_state
            .is_none()
    );
    for bad in [
        r#"{"name":"echo","inputResponses":null}"#,
        r#"{"name":"echo","inputResponses":[]}"#,
        r#"{"name":"echo","requestState":5}"#,
    ] {
        assert_eq!(
            server.modern("tools/call", bad).await.error(),
            (200, -32602),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn no_server_is_asked_for_anything_before_a_call_is_decided() {
    let server = Server::start().await;
    server.initialize("2025-11-25", "{}").await;
    server.modern("server/discover", "{}").await;
    for path in ["/mcp/ref", "/mcp"] {
        for (method, params) in [
            ("tools/call", r#"{"name":"ref__echo"}"#),
            ("prompts/get", r#"{"name":"ref__greet"}"#),
        ] {
            assert_eq!(
                server
                    .modern_with(path, method, params, "{}", "", &[])
                    .await
                    .status,
                200
            );
        }
    }
    server.modern("resources/read", r#"{"uri":"test://a"}"#).await;
    server.legacy("tools/call", r#"{"name":"echo"}"#, &[]).await;
    let asked = || server.engine.catalogs.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(asked(), 0);
    // A URI does not say which server it belongs to.
    server
        .modern_with("/mcp", "resources/read", r#"{"uri":"test://a"}"#, "{}", "", &[])
        .await;
    assert_eq!(asked(), 1);
}
