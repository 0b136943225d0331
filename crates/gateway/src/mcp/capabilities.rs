//! What we say about ourselves: `server/discover`, the answer to `initialize`, and `serverInfo`.

use remit_core::json::{Object, Value};
use remit_core::object;

use crate::ports::{Catalog, Era};
use crate::revision::{META_SERVER_INFO, MODERN};

/// Our name and version.
pub(crate) fn server_info(version: &str) -> Value {
    object! { "name": "remit", "version": version }
}

/// Lists are declared even when they are empty now: a task may be amended and a tool admitted at any moment.
fn capabilities(catalog: &Catalog, era: Era) -> Object {
    let changed = || object! { "listChanged": true };
    let mut all = Object::new();
    all.insert("tools", changed());
    all.insert("prompts", changed());
    let mut resources = Object::new();
    resources.insert("listChanged", true);
    if catalog.subscriptions {
        resources.insert("subscribe", true);
    }
    all.insert("resources", resources);
    if catalog.completions {
        all.insert("completions", Object::new());
    }
    // In the legacy revision a client may set a level at any server that says this, and some insist on it.
    if catalog.logging || era == Era::Legacy {
        all.insert("logging", Object::new());
    }
    all
}

/// The result of `server/discover`.
pub(crate) fn discover(catalog: &Catalog, version: &str) -> Object {
    let mut result = Object::new();
    result.insert("supportedVersions", vec![MODERN]);
    result.insert("capabilities", capabilities(catalog, Era::Modern));
    if let Some(instructions) = &catalog.instructions {
        result.insert("instructions", instructions.as_str());
    }
    private(&mut result, version);
    result
}

/// The result of `initialize`.
pub(crate) fn initialize(catalog: &Catalog, negotiated: &str, version: &str) -> Object {
    let mut result = Object::new();
    result.insert("protocolVersion", negotiated);
    result.insert("capabilities", capabilities(catalog, Era::Legacy));
    result.insert("serverInfo", server_info(version));
    if let Some(instructions) = &catalog.instructions {
        result.insert("instructions", instructions.as_str());
    }
    result
}

/// What a modern result says when it holds for one task only and may change at any moment.
pub(crate) fn private(result: &mut Object, version: &str) {
    result.insert("cacheScope", "private");
    result.insert("ttlMs", 0);
    result.insert("resultType", "complete");
    let mut meta = Object::new();
    meta.insert(META_SERVER_INFO, server_info(version));
    result.insert("_meta", meta);
}
