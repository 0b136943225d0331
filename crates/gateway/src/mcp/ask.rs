//! From a client's parameters to what is asked of the engine. Nothing but what is taken here reaches an upstream.

use std::sync::Arc;

use remit_core::call::Operation;
use remit_core::id::ApprovalId;
use remit_core::json::{Object, Value};
use remit_core::name::Name;

use crate::ports::{Catalog, Continuation, Endpoint, Era, Request};
use crate::rpc::RpcError;

use super::client::Client;
use super::names::{self, Kind};
use super::resume;

/// What stands in front of the names of our own tools.
const OURS: &str = "remit__";

/// What to do for a request.
#[derive(Debug)]
pub(crate) enum Work {
    /// Decide and forward.
    Call(Box<Request>),
    /// Redeem an approval.
    Resume(ApprovalId),
    /// The arguments of a tool of ours are wrong: a sentence for the agent.
    Complain(String),
}

/// What kind of answer fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// `tools/call`.
    Tool,
    /// `prompts/get`.
    Prompt,
    /// `resources/read`.
    Resource {
        /// As the client wrote it.
        uri: String,
        /// True when a list shows it.
        listed: bool,
    },
    /// `completion/complete`.
    Completion,
}

/// True for the methods that [`ask`] understands.
pub(crate) fn is_ask(method: &str) -> bool {
    matches!(
        method,
        "tools/call" | "prompts/get" | "resources/read" | "completion/complete"
    )
}

/// How much of the catalog [`ask`] needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// What is known without asking servers: to map aggregated names, to compare mirrored headers.
    Known,
    /// The servers' resources, whose URIs do not say where they belong.
    Whole,
}

/// What of the catalog `method` needs.
pub(crate) fn need(method: &str, endpoint: &Endpoint, era: Era) -> Need {
    match (endpoint, method) {
        (Endpoint::Aggregated, "resources/read") => Need::Whole,
        (Endpoint::Aggregated, _) | (_, "resources/read") => Need::Known,
        (_, "tools/call") if era == Era::Modern => Need::Known,
        _ => Need::Nothing,
    }
}

/// Reads the parameters of `method`, which has to be one of [`is_ask`].
///
/// # Errors
/// `-32602` for wrong types, names that cannot be names, and aggregated names without a server.
pub(crate) fn ask(
    endpoint: &Endpoint,
    catalog: Option<&Arc<Catalog>>,
    client: &Client,
    method: &str,
    mut params: Object,
) -> Result<(Work, Subject), RpcError> {
    let catalog = catalog.map(Arc::as_ref);
    let continuation = continuation(client.era, &mut params)?;
    let (kind, subject, exposed, arguments) = match method {
        "tools/call" => {
            let name = text(&mut params, "name")?;
            let arguments = object(&mut params, "arguments")?;
            if name == resume::NAME {
                let work = resume::approval(&arguments).map_or_else(Work::Complain, Work::Resume);
                return Ok((work, Subject::Tool));
            }
            (Kind::Tool, Subject::Tool, name, arguments)
        }
        "prompts/get" => {
            let name = text(&mut params, "name")?;
            let arguments = object(&mut params, "arguments")?;
            (Kind::Prompt, Subject::Prompt, name, arguments)
        }
        "resources/read" => {
            let uri = text(&mut params, "uri")?;
            let listed = catalog.is_some_and(|c| names::listed(c, Kind::Resource, &uri).is_some());
            let subject = Subject::Resource {
                uri: uri.clone(),
                listed,
            };
            (Kind::Resource, subject, uri, Object::new())
        }
        "completion/complete" => {
            let (kind, exposed) = reference(&mut params)?;
            (kind, Subject::Completion, exposed, completion(&mut params)?)
        }
        other => return Err(RpcError::method_not_found(other)),
    };
    let (server, own) = match ours(kind, &exposed) {
        Some(ours) => ours,
        None => names::resolve(endpoint, catalog, kind, &exposed)?,
    };
    let operation = match (&subject, kind) {
        (Subject::Tool, _) => Operation::CallTool(
            own.parse()
                .map_err(|bad: remit_core::name::BadToolName| RpcError::invalid_params(bad.to_string()))?,
        ),
        (Subject::Prompt, _) => Operation::GetPrompt(own),
        (Subject::Resource { .. }, _) => Operation::ReadResource(own),
        (Subject::Completion, Kind::Prompt) => Operation::Complete(format!("prompt:{own}")),
        (Subject::Completion, _) => Operation::Complete(format!("resource:{own}")),
    };
    let request = Request {
        server,
        operation,
        arguments,
        era: client.era,
        client_features: client.features.clone(),
        elicitation_url: client.elicitation_url,
        wants_progress: client.progress_token.is_some(),
        log_level: client.log_level.clone(),
        continuation,
    };
    Ok((Work::Call(Box::new(request)), subject))
}

/// A tool of ours has the same name on every endpoint: `remit__` and its own.
fn ours(kind: Kind, exposed: &str) -> Option<(Name, String)> {
    let own = exposed.strip_prefix(OURS)?;
    let server = OURS.trim_end_matches('_').parse().ok()?;
    (kind == Kind::Tool).then(|| (server, own.to_owned()))
}

/// A required string.
///
/// # Errors
/// `-32602`.
pub(crate) fn text(params: &mut Object, key: &str) -> Result<String, RpcError> {
    match params.remove(key) {
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(wrong(key, "a string", &other)),
        None => Err(RpcError::invalid_params(format!("`params.{key}` is missing"))),
    }
}

/// An object, empty when absent.
fn object(params: &mut Object, key: &str) -> Result<Object, RpcError> {
    match params.remove(key) {
        None => Ok(Object::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(other) => Err(wrong(key, "an object", &other)),
    }
}

fn wrong(key: &str, wanted: &str, found: &Value) -> RpcError {
    let found = found.type_name();
    RpcError::invalid_params(format!(
        "`params.{key}` has to be {wanted}, this is of type {found}"
    ))
}

fn continuation(era: Era, params: &mut Object) -> Result<Option<Continuation>, RpcError> {
    let (responses, state) = (params.remove("inputResponses"), params.remove("requestState"));
    if era == Era::Legacy || (responses.is_none() && state.is_none()) {
        return Ok(None);
    }
    let input_responses = match responses {
        None => Object::new(),
        Some(Value::Object(responses)) => responses,
        Some(other) => return Err(wrong("inputResponses", "an object", &other)),
    };
    let request_state = match state {
        None => None,
        Some(Value::String(state)) => Some(state),
        Some(other) => return Err(wrong("requestState", "a string", &other)),
    };
    Ok(Some(Continuation {
        input_responses,
        request_state,
    }))
}

/// `ref` of a completion.
fn reference(params: &mut Object) -> Result<(Kind, String), RpcError> {
    let mut reference = object(params, "ref")?;
    let kind = reference.remove("type");
    match kind.as_ref().and_then(Value::as_str) {
        Some("ref/prompt") => Ok((Kind::Prompt, text(&mut reference, "name")?)),
        Some("ref/resource") => Ok((Kind::Template, text(&mut reference, "uri")?)),
        _ => Err(RpcError::invalid_params(
            "`params.ref.type` has to be `ref/prompt` or `ref/resource`",
        )),
    }
}

/// `argument` and `context` of a completion, reduced to the members the protocol knows.
fn completion(params: &mut Object) -> Result<Object, RpcError> {
    let mut given = object(params, "argument")?;
    let mut argument = Object::new();
    argument.insert("name", text(&mut given, "name")?);
    argument.insert("value", text(&mut given, "value")?);
    let mut arguments = Object::new();
    arguments.insert("argument", argument);
    if let Some(Value::Object(known)) = object(params, "context")?.remove("arguments") {
        let mut context = Object::new();
        context.insert("arguments", known);
        arguments.insert("context", context);
    }
    Ok(arguments)
}
