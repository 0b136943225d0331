//! What leaves, byte by byte.

use remit_core::digest::Digest;
use remit_core::json::{Bounds, parse};

use super::*;

fn a_call(operation: Operation, arguments: &str) -> Call {
    Call {
        server: "files".parse().unwrap(),
        server_identity: Digest::of(b"x"),
        operation,
        fingerprint: Digest::of(b""),
        arguments: parse(arguments.as_bytes(), &Bounds::REQUEST)
            .unwrap()
            .as_object()
            .unwrap()
            .clone(),
        resources: Vec::new(),
        destinations: Vec::new(),
        opaque: Vec::new(),
    }
}

fn text(outgoing: &Outgoing) -> &str {
    std::str::from_utf8(&outgoing.body).unwrap()
}

#[test]
fn arguments_leave_as_their_canonical_bytes() {
    let operation = Operation::CallTool("read".parse().unwrap());
    let made = a_call(operation, r#"{ "b": 1.50e2, "a": "\u00e9\u2028\"", "c": [ ] }"#);
    let outgoing = call(9, &made, None, Voice::plain(Era::Legacy)).unwrap();
    assert_eq!(
        text(&outgoing),
        "{\"id\":9,\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{\"_meta\":{},\
         \"arguments\":{\"a\":\"é\u{2028}\\\"\",\"b\":150,\"c\":[]},\"name\":\"read\"}}"
    );
    assert_eq!(outgoing.name.as_deref(), Some("read"));
}

#[test]
fn a_modern_request_says_what_the_revision_requires() {
    let voice = Voice {
        era: Era::Modern,
        features: &[ClientFeature::Elicitation, ClientFeature::Sampling],
        elicitation_url: true,
        log_level: Some("info"),
        progress: true,
        decision: None,
    };
    let continuation = Continuation {
        input_responses: Some(Value::Null),
        request_state: Some("s\"1".to_owned()),
    };
    let made = a_call(Operation::GetPrompt("p".to_owned()), "{}");
    let outgoing = call(3, &made, Some(&continuation), voice).unwrap();
    let sent = parse(&outgoing.body, &Bounds::REQUEST).unwrap();
    let params = sent.get("params").unwrap();
    assert_eq!(params.get("inputResponses"), Some(&Value::Null));
    assert_eq!(params.get("requestState").unwrap().as_str(), Some("s\"1"));
    let meta = params.get("_meta").unwrap();
    assert_eq!(meta.get("progressToken").unwrap().as_i64(), Some(3));
    assert_eq!(
        meta.get("io.modelcontextprotocol/clientCapabilities")
            .unwrap()
            .to_string(),
        r#"{"elicitation":{"form":{},"url":{}},"sampling":{}}"#
    );
    assert_eq!(
        meta.get("io.modelcontextprotocol/protocolVersion")
            .unwrap()
            .as_str(),
        Some("2026-07-28")
    );
    assert_eq!(
        meta.get("io.modelcontextprotocol/logLevel").unwrap().as_str(),
        Some("info")
    );
}

#[test]
fn operations_keep_to_their_form() {
    let plain = |era| Voice::plain(era);
    let complete = a_call(
        Operation::Complete("resource:test://{id}/x".to_owned()),
        r#"{"argument":{"name":"id","value":"1"}}"#,
    );
    assert!(
        text(&call(1, &complete, None, plain(Era::Legacy)).unwrap()).contains(
            r#""argument":{"name":"id","value":"1"},"ref":{"type":"ref/resource","uri":"test://{id}/x"}"#
        )
    );
    let listen = a_call(Operation::Subscribe("test://a".to_owned()), "{}");
    let outgoing = call(1, &listen, None, plain(Era::Modern)).unwrap();
    assert_eq!(outgoing.method, "subscriptions/listen");
    assert!(text(&outgoing).contains(r#""notifications":{"resourceSubscriptions":["test://a"]}"#));
    assert_eq!(
        call(1, &listen, None, plain(Era::Legacy)).unwrap().method,
        "resources/subscribe"
    );
    for (operation, arguments) in [
        (Operation::ReadResource("test://a".to_owned()), r#"{"x":1}"#),
        (Operation::Complete("prompt:p".to_owned()), r#"{"extra":1}"#),
        (Operation::Complete("p".to_owned()), "{}"),
        (Operation::AnswerServer(ClientFeature::Roots), "{}"),
    ] {
        let made = a_call(operation, arguments);
        assert!(call(1, &made, None, plain(Era::Modern)).is_err());
    }
}

#[test]
fn answers_and_refusals() {
    let result: Object = [("roots", Value::Array(Vec::new()))].into_iter().collect();
    assert_eq!(
        answer(&Value::from("a\"1"), &result),
        br#"{"id":"a\"1","jsonrpc":"2.0","result":{"roots":[]}}"#
    );
    assert_eq!(
        refusal(&Value::from(4), -32601, "not available"),
        br#"{"error":{"code":-32601,"message":"not available"},"id":4,"jsonrpc":"2.0"}"#
    );
    assert_eq!(
        cancelled(8),
        br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"no longer wanted","requestId":8}}"#
    );
}
