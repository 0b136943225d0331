//! Denials and holds, and `remit__resume`.

use remit_core::json::{self, Bounds, Value};

use crate::fake::{FakeEngine, approval};
use crate::server::Server;

const URL: &str = r#"{"elicitation":{"url":{}}}"#;

#[tokio::test]
async fn a_denied_tool_call_is_a_result_that_stock_clients_accept() {
    let server = Server::start().await;
    let answered = server.modern("tools/call", r#"{"name":"deny"}"#).await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.at("/result/isError").as_bool(), Some(true));
    assert_eq!(answered.at("/result/resultType").as_str(), Some("complete"));
    let shown = answered
        .message()
        .pointer("/result/_meta/dev.remit~1decision")
        .unwrap();
    assert_eq!(shown, answered.at("/result/structuredContent"));
    let text = answered.at("/result/content/0/text").as_str().unwrap();
    assert_eq!(*shown, json::parse(text.as_bytes(), &Bounds::RESPONSE).unwrap());
    let keys: Vec<_> = shown.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "allowed_instead",
            "decision",
            "decision_id",
            "message",
            "reason",
            "rule"
        ]
    );
    assert_eq!(shown.get("decision").and_then(Value::as_str), Some("deny"));
    assert_eq!(
        shown.get("reason").and_then(Value::as_str),
        Some("out_of_authority")
    );
    assert_eq!(shown.get("rule").and_then(Value::as_str), Some("org/rule-1"));
    assert_eq!(answered.at("/result/_meta/dev.remit~1head").as_str(), Some("h2"));

    let with_schema = server.modern("tools/call", r#"{"name":"deny_schema"}"#).await;
    assert!(
        with_schema
            .message()
            .pointer("/result/structuredContent")
            .is_none()
    );

    let legacy = server.legacy("tools/call", r#"{"name":"deny"}"#, &[]).await;
    assert_eq!(legacy.at("/result/isError").as_bool(), Some(true));
    assert!(legacy.message().pointer("/result/resultType").is_none());
}

#[tokio::test]
async fn a_held_call_names_its_approval_or_sends_a_client_that_can_to_the_card() {
    let server = Server::start().await;
    let plain = server.modern("tools/call", r#"{"name":"hold"}"#).await;
    let id = approval(3).to_string();
    let found = plain.at("/result/structuredContent/approval_id").as_str();
    assert_eq!(found, Some(id.as_str()));
    // A client that cannot open URLs is not asked to, and neither is one when there is no URL.
    let without = server.modern("tools/call", r#"{"name":"hold_url"}"#).await;
    assert_eq!(without.at("/result/resultType").as_str(), Some("complete"));
    let hold = r#"{"name":"hold"}"#;
    let no_url = server
        .modern_with("/mcp/ref", "tools/call", hold, URL, "", &[])
        .await;
    assert_eq!(no_url.at("/result/isError").as_bool(), Some(true));
    let hold = r#"{"name":"hold_url"}"#;
    let url = server
        .modern_with("/mcp/ref", "tools/call", hold, URL, "", &[])
        .await;
    assert_eq!(url.at("/result/resultType").as_str(), Some("input_required"));
    assert_eq!(url.at("/result/requestState").as_str(), Some("sealed"));
    assert_eq!(
        url.at("/result/inputRequests").to_string(),
        r#"{"approval":{"method":"elicitation/create","params":{"message":"because of the test","mode":"url","url":"http://127.0.0.1:7420/cards/1"}}}"#
    );
    assert_eq!(
        url.at("/result/_meta/dev.remit~1decision/approval_id").as_str(),
        Some(id.as_str())
    );
}

#[tokio::test]
async fn refusals_of_other_methods_are_errors_outside_the_reserved_range() {
    let server = Server::start().await;
    let unlisted = r#"{"uri":"test://secret"}"#;
    let modern = server.modern("resources/read", unlisted).await;
    assert_eq!(modern.error(), (200, -32602));
    assert_eq!(modern.at("/error/data/uri").as_str(), Some("test://secret"));
    assert_eq!(modern.at("/error/data/reason").as_str(), Some("out_of_authority"));
    assert_eq!(
        server.legacy("resources/read", unlisted, &[]).await.error(),
        (200, -32002)
    );
    let held = server.modern("resources/read", r#"{"uri":"test://held"}"#).await;
    assert_eq!(held.error(), (200, 202));
    assert!(held.at("/error/data/approval_id").as_str().is_some());
    // A server that nobody registered is denied by the engine, like anything else.
    for method in ["tools/list", "server/discover"] {
        let nobody = server
            .modern_with("/mcp/nobody", method, "{}", "{}", "", &[])
            .await;
        assert_eq!(nobody.error(), (200, 403), "{method}");
    }
}

#[tokio::test]
async fn resume_redeems_by_reference_and_explains_wrong_arguments() {
    let server = Server::start().await;
    let id = approval(4);
    let params = format!(r#"{{"name":"remit__resume","arguments":{{"approval_id":"{id}"}}}}"#);
    for path in ["/mcp/ref", "/mcp"] {
        let answered = server
            .modern_with(path, "tools/call", &params, "{}", "", &[])
            .await;
        assert_eq!(answered.at("/result/content/0/text").as_str(), Some("resumed"));
    }
    assert_eq!(*server.engine.resumed.lock().unwrap(), [id, id]);
    for arguments in [
        "{}",
        r#"{"approval_id":7}"#,
        r#"{"approval_id":"run_x"}"#,
        r#"{"approval_id":"x","more":1}"#,
    ] {
        let params = format!(r#"{{"name":"remit__resume","arguments":{arguments}}}"#);
        let answered = server.modern("tools/call", &params).await;
        assert_eq!(
            answered.at("/result/isError").as_bool(),
            Some(true),
            "{arguments}"
        );
        assert!(
            answered
                .at("/result/content/0/text")
                .as_str()
                .unwrap()
                .contains("approval_id")
        );
    }
    assert_eq!(server.engine.resumed.lock().unwrap().len(), 2);
    assert_eq!(server.engine.count(), 0);
}

#[tokio::test]
async fn without_a_live_token_there_is_nothing() {
    let server = Server::start().await;
    for (token, status, reason) in [
        ("-", 401, "no_task"),
        ("Basic good", 401, "no_task"),
        ("Bearer nobody", 401, "credential_invalid"),
        ("Bearer ended", 401, "task_ended"),
        ("Bearer down", 503, "unavailable"),
    ] {
        let headers = [("authorization", token)];
        let answered = server
            .modern_with("/mcp/ref", "tools/list", "{}", "{}", "", &headers)
            .await;
        assert_eq!(answered.status, status, "{token}");
        assert_eq!(answered.at("/error/data/reason").as_str(), Some(reason));
        let challenge = answered
            .headers
            .get("www-authenticate")
            .map(|v| v.to_str().unwrap());
        assert_eq!(
            challenge.is_some_and(|c| c.starts_with("Bearer")),
            status == 401,
            "{token}"
        );
    }
    server.engine.ended.send_replace(true);
    assert_eq!(server.modern("tools/list", "{}").await.status, 401);
}

#[tokio::test]
async fn two_runs_are_two_runs() {
    assert_ne!(FakeEngine::session(1).run, FakeEngine::session(2).run);
}
