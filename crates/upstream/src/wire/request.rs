//! What we write: requests, notifications and answers, as bytes.
//!
//! The arguments of a call go out as the canonical bytes that were decided; `_meta` is made here and holds nothing of the
//! client's.

use http::{HeaderName, HeaderValue};
use remit_core::authority::ClientFeature;
use remit_core::call::{Call, Operation};
use remit_core::id::DecisionId;
use remit_core::json::{Object, Value};

use crate::options::{Continuation, Era};
use crate::wire::header;

/// One request, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: u64,
    pub(crate) method: &'static str,
    /// What `Mcp-Name` says.
    pub(crate) name: Option<String>,
    /// `Mcp-Param-*`, encoded.
    pub(crate) mirrored: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Vec<u8>,
}

/// How a request speaks: what goes into its `_meta`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice<'a> {
    pub(crate) era: Era,
    pub(crate) features: &'a [ClientFeature],
    pub(crate) elicitation_url: bool,
    pub(crate) log_level: Option<&'a str>,
    pub(crate) progress: bool,
    /// The decision behind it, from which the trace id is made: nothing of the client's trace is passed on.
    pub(crate) decision: Option<DecisionId>,
}

impl Voice<'_> {
    /// Of a request that asks for nothing special.
    pub(crate) const fn plain(era: Era) -> Self {
        Self {
            era,
            features: &[],
            elicitation_url: false,
            log_level: None,
            progress: false,
            decision: None,
        }
    }

    fn meta(&self, id: u64) -> Object {
        let mut meta = Object::new();
        if self.era == Era::Modern {
            meta.insert("io.modelcontextprotocol/protocolVersion", crate::wire::MODERN);
            meta.insert("io.modelcontextprotocol/clientInfo", client_info());
            meta.insert(
                "io.modelcontextprotocol/clientCapabilities",
                capabilities(self.features, self.elicitation_url),
            );
            if let Some(level) = self.log_level {
                meta.insert("io.modelcontextprotocol/logLevel", level);
            }
        }
        if self.progress {
            meta.insert("progressToken", Value::try_from(id).unwrap_or_default());
        }
        if let Some(decision) = self.decision {
            meta.insert("traceparent", traceparent(decision));
        }
        meta
    }
}

/// Who we are towards servers.
pub(crate) fn client_info() -> Object {
    [("name", "remit"), ("version", env!("CARGO_PKG_VERSION"))]
        .into_iter()
        .collect()
}

/// The capabilities of a client that has `features`.
pub(crate) fn capabilities(features: &[ClientFeature], elicitation_url: bool) -> Object {
    let mut all = Object::new();
    for feature in features {
        let mut detail = Object::new();
        if *feature == ClientFeature::Elicitation && elicitation_url {
            detail.insert("form", Object::new());
            detail.insert("url", Object::new());
        }
        all.insert(feature.as_str(), detail);
    }
    all
}

/// W3C trace context: the decision's own 128 bits, so that an upstream's trace leads to our record.
fn traceparent(decision: DecisionId) -> String {
    let bytes = decision.raw().to_bytes();
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let (_, span) = bytes.split_at(8);
    format!("00-{}-{}-01", hex(&bytes), hex(span))
}

/// The request that carries `call`. `Err`: the call cannot be written, which is a fault of whoever made it.
pub(crate) fn call(
    id: u64,
    call: &Call,
    continuation: Option<&Continuation>,
    voice: Voice<'_>,
) -> Result<Outgoing, &'static str> {
    let mut params = Params::default();
    params.object("_meta", &voice.meta(id));
    let name = match &call.operation {
        Operation::CallTool(tool) => {
            params.object("arguments", &call.arguments);
            params.text("name", tool.as_str());
            Some(tool.as_str())
        }
        Operation::GetPrompt(prompt) => {
            params.object("arguments", &call.arguments);
            params.text("name", prompt);
            Some(prompt.as_str())
        }
        Operation::ReadResource(uri) => {
            no_arguments(call)?;
            params.text("uri", uri);
            Some(uri.as_str())
        }
        Operation::Subscribe(uri) if voice.era == Era::Legacy => {
            no_arguments(call)?;
            params.text("uri", uri);
            None
        }
        Operation::Subscribe(uri) => {
            no_arguments(call)?;
            let uris: Value = std::iter::once(uri.as_str()).collect();
            params.object(
                "notifications",
                &[("resourceSubscriptions", uris)].into_iter().collect(),
            );
            None
        }
        Operation::Complete(reference) => {
            let members = call
                .arguments
                .keys()
                .all(|key| matches!(key, "argument" | "context"));
            if !members {
                return Err("a completion has `argument` and `context` alone");
            }
            for (key, value) in call.arguments.iter() {
                params.value(key, value);
            }
            params.object("ref", &completion_ref(reference)?);
            None
        }
        Operation::AnswerServer(_) => return Err("an answer to a server is not a request"),
        Operation::Issue(_) => return Err("a credential is issued here, not asked of a server"),
    };
    let method = match (&call.operation, voice.era) {
        (Operation::Subscribe(_), Era::Modern) => "subscriptions/listen",
        (operation, _) => operation.method(),
    };
    if let (Some(continuation), Era::Modern) = (continuation, voice.era) {
        if let Some(responses) = &continuation.input_responses {
            params.value("inputResponses", responses);
        }
        if let Some(state) = &continuation.request_state {
            params.text("requestState", state);
        }
    }
    Ok(Outgoing {
        id,
        method,
        name: name.map(str::to_owned),
        mirrored: Vec::new(),
        body: params.request(id, method),
    })
}

fn no_arguments(call: &Call) -> Result<(), &'static str> {
    if call.arguments.is_empty() {
        Ok(())
    } else {
        Err("only tools, prompts and completions have arguments")
    }
}

fn completion_ref(reference: &str) -> Result<Object, &'static str> {
    match reference.split_once(':') {
        Some(("prompt", name)) => Ok([("type", "ref/prompt"), ("name", name)].into_iter().collect()),
        Some(("resource", uri)) => Ok([("type", "ref/resource"), ("uri", uri)].into_iter().collect()),
        _ => Err("a completion is for `prompt:NAME` or `resource:URI`"),
    }
}

/// A request of the system's own.
pub(crate) fn plain(id: u64, method: &'static str, members: &Object, voice: Voice<'_>) -> Outgoing {
    let mut params = Params::default();
    let meta = voice.meta(id);
    if !meta.is_empty() {
        params.object("_meta", &meta);
    }
    for (key, value) in members.iter() {
        params.value(key, value);
    }
    Outgoing {
        id,
        method,
        name: None,
        mirrored: Vec::new(),
        body: params.request(id, method),
    }
}

/// A notification.
pub(crate) fn notification(method: &str, params: Object) -> Vec<u8> {
    let mut message = Object::new();
    message.insert("jsonrpc", "2.0");
    message.insert("method", method);
    if !params.is_empty() {
        message.insert("params", params);
    }
    Value::Object(message).to_canonical()
}

/// `notifications/cancelled` for one of our requests.
pub(crate) fn cancelled(id: u64) -> Vec<u8> {
    let mut params = Object::new();
    params.insert("reason", "no longer wanted");
    params.insert("requestId", Value::try_from(id).unwrap_or_default());
    notification("notifications/cancelled", params)
}

/// The answer to a request of the server: `result` goes out as its canonical bytes.
pub(crate) fn answer(id: &Value, result: &Object) -> Vec<u8> {
    let mut out = br#"{"id":"#.to_vec();
    id.write_canonical(&mut out);
    out.extend_from_slice(br#","jsonrpc":"2.0","result":"#);
    result.write_canonical(&mut out);
    out.push(b'}');
    out
}

/// The refusal of a request of the server.
pub(crate) fn refusal(id: &Value, code: i32, message: &str) -> Vec<u8> {
    let mut error = Object::new();
    error.insert("code", code);
    error.insert("message", message);
    let mut whole = Object::new();
    whole.insert("error", error);
    whole.insert("id", id.clone());
    whole.insert("jsonrpc", "2.0");
    Value::Object(whole).to_canonical()
}

/// Encodes the mirrored arguments of a call.
pub(crate) fn mirrored(
    headers: &[crate::mirror::MirroredHeader],
    arguments: &Object,
) -> Vec<(HeaderName, HeaderValue)> {
    headers
        .iter()
        .filter_map(|header| Some((header.header.clone(), header::encode(&header.value(arguments)?)?)))
        .collect()
}

/// The inside of `params`, written member by member.
#[derive(Default)]
struct Params(Vec<u8>);

impl Params {
    fn key(&mut self, key: &str) {
        self.0
            .extend_from_slice(if self.0.is_empty() { b"" } else { b"," });
        Value::from(key).write_canonical(&mut self.0);
        self.0.push(b':');
    }

    fn value(&mut self, key: &str, value: &Value) {
        self.key(key);
        value.write_canonical(&mut self.0);
    }

    fn object(&mut self, key: &str, object: &Object) {
        self.key(key);
        object.write_canonical(&mut self.0);
    }

    fn text(&mut self, key: &str, text: &str) {
        self.value(key, &Value::from(text));
    }

    fn request(self, id: u64, method: &str) -> Vec<u8> {
        let head = format!(r#"{{"id":{id},"jsonrpc":"2.0","method":"{method}","params":{{"#);
        let mut body = Vec::with_capacity(head.len() + self.0.len() + 2);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&self.0);
        body.extend_from_slice(b"}}");
        body
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
