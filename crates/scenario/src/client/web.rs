//! A run's plain HTTP, as through the proxy variables of `remit run`.

use ::http::Method;
use serde_json::{Value, json};

use super::answer::{Answer, Outcome};
use super::http;
use super::mcp::Caller;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct WebAsk {
    /// Method, upper case.
    pub method: String,
    /// What stands in the first line: an address for the proxy, or a path below it.
    pub target: String,
    /// Host.
    pub host: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

/// Sends it and puts the answer like one of MCP: the text, or the decision.
pub(crate) async fn send(caller: &Caller, ask: &WebAsk) -> Answer {
    let Ok(method) = ask.method.parse::<Method>() else {
        return Answer::nothing(format!("`{}` is not a method", ask.method));
    };
    let mut headers = vec![(
        "host".to_owned(),
        caller.host.clone().unwrap_or_else(|| ask.host.clone()),
    )];
    if let Some(token) = &caller.token {
        headers.push(("proxy-authorization".to_owned(), format!("Bearer {token}")));
    }
    headers.extend(ask.headers.iter().cloned());
    let sent = http::send(
        &caller.address,
        method,
        &ask.target,
        &headers,
        ask.body.clone(),
        |_| false,
    )
    .await;
    let response = match sent {
        Ok(response) => response,
        Err(why) => return Answer::nothing(why),
    };
    let status = response.status.as_u16();
    let kind = response
        .headers
        .get(::http::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let outcome = if kind == Some("application/problem+json") {
        let data: Value = serde_json::from_str(&response.body).unwrap_or(Value::Null);
        Outcome::Error {
            code: i64::from(status),
            message: data
                .get("detail")
                .and_then(serde_json::Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            data,
        }
    } else {
        Outcome::Result(json!({"content": [{"type": "text", "text": response.body}]}))
    };
    Answer { status, outcome }
}
