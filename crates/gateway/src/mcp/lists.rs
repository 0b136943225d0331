//! `tools/list` and its kin: the whole list at once, as the catalog gives it.

use remit_core::json::{Object, Value};

use crate::ports::{Catalog, Era, Listed};
use crate::rpc::{Id, RpcError};

use super::{capabilities, resume};

/// A list a client can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl List {
    /// The list `method` asks for.
    pub(crate) fn of(method: &str) -> Option<Self> {
        Some(match method {
            "tools/list" => Self::Tools,
            "prompts/list" => Self::Prompts,
            "resources/list" => Self::Resources,
            "resources/templates/list" => Self::Templates,
            _ => return None,
        })
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    fn entries(self, catalog: &Catalog) -> &[Listed] {
        match self {
            Self::Tools => &catalog.tools,
            Self::Prompts => &catalog.prompts,
            Self::Resources => &catalog.resources,
            Self::Templates => &catalog.templates,
        }
    }
}

/// Refuses cursors: we never give one.
///
/// # Errors
/// `-32602`.
pub(crate) fn check_cursor(params: &Object) -> Result<(), RpcError> {
    match params.get("cursor") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(RpcError::invalid_params(
            "`params.cursor` is not one of ours: lists come whole, ask again without it",
        )),
    }
}

/// The response with the whole list; definitions go from the catalog to the wire without a copy.
pub(crate) fn response(id: &Id, list: List, catalog: &Catalog, era: Era, version: &str) -> Vec<u8> {
    let entries = list.entries(catalog);
    let mut out = Vec::with_capacity(512 + entries.len() * 512);
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    id.value().write_canonical(&mut out);
    out.extend_from_slice(b",\"result\":{\"");
    out.extend_from_slice(list.key().as_bytes());
    out.extend_from_slice(b"\":[");
    let mut first = true;
    let mut push = |definition: &Object, out: &mut Vec<u8>| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        definition.write_canonical(out);
    };
    for entry in entries {
        if list != List::Tools || entry.exposed != resume::NAME {
            push(&entry.definition, &mut out);
        }
    }
    if list == List::Tools {
        push(&resume::definition(), &mut out);
    }
    out.push(b']');
    if era == Era::Modern {
        let mut tail = Object::new();
        capabilities::private(&mut tail, version);
        for (key, value) in tail.iter() {
            out.push(b',');
            Value::from(key).write_canonical(&mut out);
            out.push(b':');
            value.write_canonical(&mut out);
        }
    }
    out.extend_from_slice(b"}}");
    out
}
