//! Event streams: progress, requests to the client, notices, cancellation, the end of the authority.

use http_body_util::BodyExt as _;
use remit_core::json::Value;
use remit_gateway::ports::Notice;

use crate::server::{MODERN, Server, modern_body, next_messages};

fn methods(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|m| m.get("method").and_then(Value::as_str).unwrap_or("-"))
        .collect()
}

#[tokio::test]
async fn progress_carries_the_client_s_own_token_and_comes_before_the_result() {
    let server = Server::start().await;
    let meta = r#""progressToken":"mine","io.modelcontextprotocol/logLevel":"info""#;
    let call = r#"{"name":"progress"}"#;
    let answered = server
        .modern_with("/mcp/ref", "tools/call", call, "{}", meta, &[])
        .await;
    assert_eq!(answered.headers.get("content-type").unwrap(), "text/event-stream");
    assert_eq!(answered.headers.get("x-accel-buffering").unwrap(), "no");
    let wanted = [
        "notifications/progress",
        "notifications/message",
        "notifications/progress",
        "-",
    ];
    assert_eq!(methods(&answered.messages), wanted);
    assert_eq!(
        answered.messages[0].get("params").unwrap().to_string(),
        r#"{"progress":1,"progressToken":"mine","total":2}"#
    );
    assert_eq!(answered.at("/id").as_str(), Some("a1"));
    assert!(!answered.text.contains("\nid:"), "no event ids in this revision");

    // Nothing is streamed to those who did not ask, or who cannot read streams.
    let quiet = server.modern("tools/call", call).await;
    assert_eq!(quiet.headers.get("content-type").unwrap(), "application/json");
    let json_only = [("accept", "application/json")];
    let answered = server
        .modern_with("/mcp/ref", "tools/call", call, "{}", meta, &json_only)
        .await;
    assert_eq!((answered.messages.len(), answered.status.as_u16()), (1, 200));
    let events_only = [("accept", "text/event-stream")];
    let answered = server
        .modern_with(
            "/mcp/ref",
            "tools/call",
            r#"{"name":"echo"}"#,
            "{}",
            "",
            &events_only,
        )
        .await;
    assert_eq!(answered.headers.get("content-type").unwrap(), "text/event-stream");
    assert_eq!(answered.messages.len(), 1);

    // Legacy: every log message unless a level was set, as servers of that revision do.
    let id = server.initialize("2025-06-18", "{}").await;
    let own = [("mcp-session-id", id.as_str())];
    let call = r#"{"name":"progress","_meta":{"progressToken":7}}"#;
    let answered = server.legacy("tools/call", call, &own).await;
    assert_eq!(answered.messages.len(), 5);
    assert_eq!(
        answered.messages[0]
            .pointer("/params/progressToken")
            .and_then(Value::as_i64),
        Some(7)
    );
    server
        .legacy("logging/setLevel", r#"{"level":"info"}"#, &own)
        .await;
    assert_eq!(server.legacy("tools/call", call, &own).await.messages.len(), 4);
}

#[tokio::test]
async fn a_modern_client_that_goes_away_cancels() {
    let server = Server::start().await;
    let body = modern_body("tools/call", r#"{"name":"wait"}"#, "{}", "");
    let headers = [MODERN[0], ("mcp-method", "tools/call"), ("mcp-name", "wait")];
    for accept in ["application/json, text/event-stream", "application/json"] {
        let mut headers = headers.to_vec();
        headers.push(("accept", accept));
        let before = *server.engine.abandoned.borrow();
        let waiting = *server.engine.waiting.borrow();
        let request = server.request("POST", "/mcp/ref", &headers, body.as_bytes());
        // Gone before there is any answer.
        let mut open = Box::pin(server.open(request));
        let mut started = server.engine.waiting.subscribe();
        tokio::select! {
            _ = &mut open => panic!("nothing to answer yet"),
            n = started.wait_for(|n| *n > waiting) => { n.unwrap(); }
        }
        drop(open);
        server
            .engine
            .abandoned
            .subscribe()
            .wait_for(|n| *n > before)
            .await
            .unwrap();
    }
    // Gone while the stream is open.
    let before = *server.engine.abandoned.borrow();
    let response = server
        .open(server.request("POST", "/mcp/ref", &headers, body.as_bytes()))
        .await;
    assert_eq!(
        response.headers().get("content-type").unwrap(),
        "text/event-stream"
    );
    drop(response);
    server
        .engine
        .abandoned
        .subscribe()
        .wait_for(|n| *n > before)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_legacy_client_cancels_by_saying_so() {
    let server = Server::start().await;
    let id = server.initialize("2025-11-25", "{}").await;
    let own = [("mcp-session-id", id.as_str())];
    let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"wait"}}"#;
    let response = server.open(server.request("POST", "/mcp/ref", &own, body)).await;
    let same_id = server.send("POST", "/mcp/ref", &own, body).await;
    assert_eq!(same_id.error(), (200, -32600));
    for other in [r#""7""#, "8"] {
        let cancel = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{other}}}}}"#
        );
        assert_eq!(
            server
                .send("POST", "/mcp/ref", &own, cancel.as_bytes())
                .await
                .status,
            202
        );
    }
    let cancel =
        br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"x"}}"#;
    assert_eq!(*server.engine.abandoned.borrow(), 0);
    assert_eq!(server.send("POST", "/mcp/ref", &own, cancel).await.status, 202);
    let rest = response.into_body().collect().await.unwrap().to_bytes();
    assert!(
        !rest.windows(6).any(|w| w == b"result"),
        "no answer after cancellation: {rest:?}"
    );
    server
        .engine
        .abandoned
        .subscribe()
        .wait_for(|n| *n == 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_legacy_client_that_lost_the_stream_gets_the_rest() {
    let server = Server::start().await;
    let id = server.initialize("2025-11-25", "{}").await;
    let own = [("mcp-session-id", id.as_str())];
    let body = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"slow"}}"#;
    let mut response = server.open(server.request("POST", "/mcp/ref", &own, body)).await;
    let primer = response
        .body_mut()
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    let primer = String::from_utf8(primer.to_vec()).unwrap();
    assert_eq!(primer, "event: message\nid: 1-0\ndata: \n\n");
    drop(response);
    let back = [own[0], ("last-event-id", "1-0")];
    let request = server.request("GET", "/mcp/ref", &back, b"");
    let mut rest = server.open(request).await.into_body();
    let stolen = [
        own[0],
        ("last-event-id", "1-0"),
        ("authorization", "Bearer other"),
    ];
    assert_eq!(server.send("GET", "/mcp/ref", &stolen, b"").await.status, 404);
    assert_eq!(*server.engine.abandoned.borrow(), 0);
    server.engine.ended.send_replace(true);
    let messages = next_messages(&mut rest, 1).await;
    assert_eq!(
        messages[0]
            .pointer("/result/content/0/text")
            .and_then(Value::as_str),
        Some("late")
    );
}

#[tokio::test]
async fn a_server_may_ask_a_legacy_client_and_nobody_else() {
    let server = Server::start().await;
    let id = server.initialize("2025-11-25", r#"{"elicitation":{}}"#).await;
    let own = [("mcp-session-id", id.as_str())];
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask_client"}}"#;
    let mut stream = server
        .open(server.request("POST", "/mcp/ref", &own, call))
        .await
        .into_body();
    let asked = next_messages(&mut stream, 1).await.remove(0);
    assert_eq!(
        asked.get("method").and_then(Value::as_str),
        Some("elicitation/create")
    );
    assert_eq!(
        asked.get("params").unwrap().to_string(),
        r#"{"message":"who?","requestedSchema":{"type":"object"}}"#
    );
    let request_id = asked.get("id").and_then(Value::as_str).unwrap().to_owned();
    let answer = format!(r#"{{"jsonrpc":"2.0","id":"{request_id}","result":{{"action":"decline"}}}}"#);
    // A response of another run, or to another id, answers nothing.
    let stolen = [own[0], ("authorization", "Bearer other")];
    assert_eq!(
        server
            .send("POST", "/mcp/ref", &stolen, answer.as_bytes())
            .await
            .status,
        404
    );
    let wrong = answer.replace(&request_id, "remit-999");
    assert_eq!(
        server
            .send("POST", "/mcp/ref", &own, wrong.as_bytes())
            .await
            .status,
        202
    );
    assert!(server.engine.client_answers.lock().unwrap().is_empty());
    assert_eq!(
        server
            .send("POST", "/mcp/ref", &own, answer.as_bytes())
            .await
            .status,
        202
    );
    let done = next_messages(&mut stream, 1).await;
    assert!(done[0].get("result").is_some());
    let answers = server.engine.client_answers.lock().unwrap().clone();
    assert_eq!(
        answers[0].as_ref().unwrap().get("action").and_then(Value::as_str),
        Some("decline")
    );

    // Those who did not declare it, cannot be streamed to, have no session, or speak the modern revision are not asked.
    let mute = server.initialize("2025-11-25", r#"{"sampling":{}}"#).await;
    let ask = r#"{"name":"ask_client"}"#;
    for headers in [
        &[("mcp-session-id", mute.as_str())][..],
        &[own[0], ("accept", "application/json")],
        &[],
    ] {
        let answered = server.legacy("tools/call", ask, headers).await;
        assert_eq!(answered.messages.len(), 1, "{headers:?}");
    }
    let modern = server
        .modern_with("/mcp/ref", "tools/call", ask, r#"{"elicitation":{}}"#, "", &[])
        .await;
    assert_eq!(modern.messages.len(), 1);
    let answers = server.engine.client_answers.lock().unwrap().clone();
    assert_eq!(answers.len(), 5);
    assert!(
        answers[1..].iter().all(|answer| {
            answer.as_ref().unwrap_err().get("code").and_then(Value::as_i64) == Some(-32601)
        })
    );
}

#[tokio::test]
async fn legacy_notices_come_over_one_stream() {
    let server = Server::start().await;
    let id = server.initialize("2025-11-25", "{}").await;
    let own = [("mcp-session-id", id.as_str())];
    server
        .legacy("resources/subscribe", r#"{"uri":"test://a"}"#, &own)
        .await;
    let get = || server.open(server.request("GET", "/mcp/ref", &own, b""));
    let first = get().await;
    assert_eq!(first.headers().get("content-type").unwrap(), "text/event-stream");
    let mut second = get().await.into_body();
    // The second stream ended the first.
    first.into_body().collect().await.unwrap();
    server
        .engine
        .notify(Notice::ResourceUpdated("test://b".into()))
        .await;
    server.engine.notify(Notice::ToolsChanged).await;
    server
        .engine
        .notify(Notice::ResourceUpdated("test://a".into()))
        .await;
    let got = next_messages(&mut second, 2).await;
    assert_eq!(
        methods(&got),
        [
            "notifications/tools/list_changed",
            "notifications/resources/updated"
        ]
    );
    assert_eq!(
        got[1].pointer("/params/uri").and_then(Value::as_str),
        Some("test://a")
    );
    assert_eq!(
        server
            .send("GET", "/mcp/ref", &[own[0], ("accept", "application/json")], b"")
            .await
            .status,
        406
    );
    server.engine.ended.send_replace(true);
    second.collect().await.unwrap();
}

#[tokio::test]
async fn a_modern_client_listens_to_what_it_opted_in_to() {
    let server = Server::start().await;
    let filter = r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["test://a","test://secret"]}}"#;
    let body = modern_body("subscriptions/listen", filter, "{}", "");
    let headers = [MODERN[0], ("mcp-method", "subscriptions/listen")];
    let mut stream = server
        .open(server.request("POST", "/mcp/ref", &headers, body.as_bytes()))
        .await
        .into_body();
    let first = next_messages(&mut stream, 1).await.remove(0);
    assert_eq!(
        first.get("method").and_then(Value::as_str),
        Some("notifications/subscriptions/acknowledged")
    );
    assert_eq!(
        first.get("params").unwrap().to_string(),
        r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":"a1"},"notifications":{"resourceSubscriptions":["test://a"],"toolsListChanged":true}}"#
    );
    server.engine.notify(Notice::PromptsChanged).await;
    server
        .engine
        .notify(Notice::ResourceUpdated("test://a".into()))
        .await;
    server.engine.notify(Notice::ToolsChanged).await;
    let got = next_messages(&mut stream, 2).await;
    assert_eq!(
        methods(&got),
        [
            "notifications/resources/updated",
            "notifications/tools/list_changed"
        ]
    );
    for message in &got {
        let id = message.pointer("/params/_meta/io.modelcontextprotocol~1subscriptionId");
        assert_eq!(id.and_then(Value::as_str), Some("a1"));
    }
    server.engine.ended.send_replace(true);
    let last = next_messages(&mut stream, 1).await.remove(0);
    assert_eq!(
        last.pointer("/result/resultType").and_then(Value::as_str),
        Some("complete")
    );
    assert!(stream.frame().await.is_none());
    while server.engine.subscriptions.lock().unwrap().len() < 3 {
        tokio::task::yield_now().await;
    }
    let ended = server.engine.subscriptions.lock().unwrap().last().cloned();
    assert_eq!(ended, Some(("ref".to_owned(), "test://a".to_owned(), false)));
}

#[tokio::test]
async fn a_filter_of_the_wrong_shape_is_refused_and_an_empty_one_ends_at_once() {
    let server = Server::start().await;
    for filter in [
        "{}",
        r#"{"notifications":[]}"#,
        r#"{"notifications":{"toolsListChanged":1}}"#,
        r#"{"notifications":{"resourceSubscriptions":"x"}}"#,
        r#"{"notifications":{"resourceSubscriptions":[1]}}"#,
    ] {
        assert_eq!(
            server.modern("subscriptions/listen", filter).await.error(),
            (200, -32602),
            "{filter}"
        );
    }
    let empty = server
        .modern("subscriptions/listen", r#"{"notifications":{}}"#)
        .await;
    assert_eq!(
        methods(&empty.messages),
        ["notifications/subscriptions/acknowledged", "-"]
    );
    let json_only = [("accept", "application/json")];
    let filter = r#"{"notifications":{}}"#;
    let answered = server
        .modern_with("/mcp/ref", "subscriptions/listen", filter, "{}", "", &json_only)
        .await;
    assert_eq!(answered.error(), (406, -32600));
}

#[tokio::test]
async fn when_the_authority_goes_a_call_does_not_outlive_it() {
    let server = Server::start().await;
    let body = modern_body("tools/call", r#"{"name":"wait"}"#, "{}", "");
    let headers = [MODERN[0], ("mcp-method", "tools/call"), ("mcp-name", "wait")];
    let mut stream = server
        .open(server.request("POST", "/mcp/ref", &headers, body.as_bytes()))
        .await
        .into_body();
    server.engine.ended.send_replace(true);
    let last = next_messages(&mut stream, 1).await.remove(0);
    assert_eq!(
        last.pointer("/error/data/reason").and_then(Value::as_str),
        Some("task_ended")
    );
    assert!(stream.frame().await.is_none());
    server
        .engine
        .abandoned
        .subscribe()
        .wait_for(|n| *n == 1)
        .await
        .unwrap();
}
