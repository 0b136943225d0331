//! Lists, and names on the aggregated endpoint.

use remit_core::json::{self, Bounds, Value};

use crate::server::Server;

fn names(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items
        .map(|item| item.get(key).and_then(Value::as_str).unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn lists_come_whole_in_order_with_our_tool_last() {
    let server = Server::start().await;
    let tools = server.modern("tools/list", "{}").await;
    assert_eq!(
        names(tools.at("/result/tools"), "name"),
        ["echo", "mirrored", "remit__resume"]
    );
    assert_eq!(tools.at("/result/ttlMs").as_i64(), Some(0));
    assert_eq!(tools.at("/result/cacheScope").as_str(), Some("private"));
    assert_eq!(tools.at("/result/resultType").as_str(), Some("complete"));
    let again = server.modern("tools/list", "{}").await;
    assert_eq!(again.text, tools.text);
    for (method, key, name, first) in [
        ("prompts/list", "prompts", "name", "greet"),
        ("resources/list", "resources", "uri", "test://a"),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
            "test://t/{id}",
        ),
    ] {
        let list = server.modern(method, "{}").await;
        assert_eq!(names(list.at(&format!("/result/{key}")), name), [first]);
        let legacy = server.legacy(method, "{}", &[]).await;
        assert_eq!(
            legacy
                .at("/result")
                .as_object()
                .unwrap()
                .keys()
                .collect::<Vec<_>>(),
            [key]
        );
    }
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let without_params = server.send("POST", "/mcp/ref", &[], body).await;
    assert_eq!(names(without_params.at("/result/tools"), "name").len(), 3);
}

#[tokio::test]
async fn a_cursor_we_never_gave_is_refused() {
    let server = Server::start().await;
    let params = r#"{"cursor":"abc"}"#;
    assert_eq!(server.modern("tools/list", params).await.error(), (200, -32602));
    assert_eq!(
        server.legacy("prompts/list", params, &[]).await.error(),
        (200, -32602)
    );
}

#[tokio::test]
async fn aggregated_names_carry_their_server() {
    let server = Server::start().await;
    let all = |method: &'static str, params: &'static str| {
        server.modern_with("/mcp", method, params, "{}", "", &[])
    };
    let tools = all("tools/list", "{}").await;
    let found = names(tools.at("/result/tools"), "name");
    assert_eq!(found, ["ref__echo", "ref__mirrored", "remit__resume"]);
    for (name, server_name, tool) in [
        ("ref__echo", "ref", "echo"),
        ("ref__hidden", "ref", "hidden"),
        ("other__a__b", "other", "a__b"),
    ] {
        let params = json::parse(format!(r#"{{"name":"{name}"}}"#).as_bytes(), &Bounds::REQUEST).unwrap();
        let answered = server
            .modern_with("/mcp", "tools/call", &params.to_string(), "{}", "", &[])
            .await;
        assert_eq!(answered.status, 200);
        let request = server.engine.last_request();
        assert_eq!(
            (request.server.as_str(), request.operation.target()),
            (server_name, tool)
        );
    }
    let before = server.engine.count();
    for params in [r#"{"name":"plain"}"#, r#"{"name":"UP__x"}"#, r#"{"name":"__x"}"#] {
        assert_eq!(all("tools/call", params).await.error(), (200, -32602), "{params}");
    }
    assert_eq!(server.engine.count(), before);
}

#[tokio::test]
async fn tool_names_that_hide_something_are_no_names() {
    let server = Server::start().await;
    for name in ["delete\\u202eelif", "r\\u0435ad", "a b", "x\\u200by", "", "a/b"] {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#);
        let answered = server.send("POST", "/mcp/ref", &[], body.as_bytes()).await;
        assert_eq!(answered.error(), (200, -32602), "{name}");
        let hidden = ['\u{202e}', '\u{200b}'];
        assert!(!answered.text.contains(hidden), "{}", answered.text);
    }
    assert_eq!(server.engine.count(), 0);
}
