//! Reads what a server offers, page by page and bounded, as it says it: fingerprints are made from this.

use std::collections::BTreeSet;
use std::time::Duration;

use remit_core::json::{Object, Value};
use remit_core::limits::{TOOL_DEFINITION_BYTES_MAX, TOOLS_PER_SERVER_MAX};

use crate::connection::Inner;
use crate::error::{ErrorKind, Sent};
use crate::event::Reply;
use crate::wire::gate::Terms;
use crate::wire::request::{self, Voice};
use crate::wire::router::Open;
use crate::wire::{EXCERPT_MAX, Failure};

/// JSON-RPC: the server does not know the method.
const METHOD_NOT_FOUND: i64 = -32601;
/// How long one page may take.
const PAGE: Duration = Duration::from_secs(30);
/// Most pages of one list.
const PAGES_MAX: usize = 200;
/// Longest cursor that is sent back, in bytes.
const CURSOR_BYTES_MAX: usize = 64 * 1024;

/// What a server offers, raw: neither scrubbed nor shortened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Introspection {
    /// What it says it is.
    pub server_info: Object,
    /// Its instructions.
    pub instructions: Option<String>,
    /// What it says it can do.
    pub capabilities: Object,
    /// Tools, in its order.
    pub tools: Vec<Object>,
    /// Prompts, in its order.
    pub prompts: Vec<Object>,
    /// Resources, in its order.
    pub resources: Vec<Object>,
    /// Resource templates, in its order.
    pub templates: Vec<Object>,
}

pub(crate) async fn read(inner: &Inner, terms: &Terms) -> Result<Introspection, Failure> {
    let agreed = &inner.agreed;
    let offers = |what: &str| agreed.capabilities.contains_key(what);
    let mut found = Introspection {
        server_info: agreed.server_info.clone(),
        instructions: agreed.instructions.clone(),
        capabilities: agreed.capabilities.clone(),
        ..Introspection::default()
    };
    if offers("tools") {
        found.tools = list(inner, terms, "tools/list", "tools").await?;
    }
    if offers("prompts") {
        found.prompts = list(inner, terms, "prompts/list", "prompts").await?;
    }
    if offers("resources") {
        found.resources = list(inner, terms, "resources/list", "resources").await?;
        found.templates = list(inner, terms, "resources/templates/list", "resourceTemplates").await?;
    }
    Ok(found)
}

async fn list(
    inner: &Inner,
    terms: &Terms,
    method: &'static str,
    member: &str,
) -> Result<Vec<Object>, Failure> {
    let mut all = Vec::new();
    let mut cursors = BTreeSet::new();
    let mut params = Object::new();
    for _ in 0..PAGES_MAX {
        let voice = Voice::plain(inner.agreed.era);
        let make = |id| Ok(request::plain(id, method, &params, voice));
        let gate = terms.gate(PAGE);
        let mut page = match inner.ask(make, Open::default, &gate, terms, true).await? {
            Reply::Result(page) => page,
            Reply::Error(error) if error.code == METHOD_NOT_FOUND => return Ok(all),
            Reply::Error(error) => {
                let said = format!(
                    "it answered `{method}` with error {}: {}",
                    error.code, error.message
                );
                return Err(Failure::protocol(
                    Sent::Yes,
                    inner.router.scrubber.excerpt(&said, EXCERPT_MAX),
                ));
            }
        };
        let Some(Value::Array(items)) = page.remove(member) else {
            return Err(Failure::protocol(
                Sent::Yes,
                format!("its `{method}` has no `{member}`"),
            ));
        };
        for item in items {
            all.push(definition(item, method)?);
        }
        if all.len() > TOOLS_PER_SERVER_MAX {
            let detail = format!("more than {TOOLS_PER_SERVER_MAX} items in `{method}`");
            return Err(Failure::new(ErrorKind::TooLarge, Sent::Yes, detail));
        }
        match page.remove("nextCursor") {
            None | Some(Value::Null) => return Ok(all),
            Some(Value::String(cursor))
                if cursor.len() <= CURSOR_BYTES_MAX && cursors.insert(cursor.clone()) =>
            {
                params.insert("cursor", cursor);
            }
            Some(_) => {
                let detail = format!("its `{method}` has a next page that is no page or was there before");
                return Err(Failure::protocol(Sent::Yes, detail));
            }
        }
    }
    let detail = format!("more than {PAGES_MAX} pages of `{method}`");
    Err(Failure::new(ErrorKind::TooLarge, Sent::Yes, detail))
}

fn definition(item: Value, method: &str) -> Result<Object, Failure> {
    let Value::Object(definition) = item else {
        return Err(Failure::protocol(
            Sent::Yes,
            format!("an item of its `{method}` is not an object"),
        ));
    };
    let mut bytes = Vec::new();
    definition.write_canonical(&mut bytes);
    if bytes.len() > TOOL_DEFINITION_BYTES_MAX {
        let detail = format!("an item of its `{method}` is longer than {TOOL_DEFINITION_BYTES_MAX} bytes");
        return Err(Failure::new(ErrorKind::TooLarge, Sent::Yes, detail));
    }
    Ok(definition)
}
