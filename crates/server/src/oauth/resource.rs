//! Protected resource metadata (RFC 9728; MCP 2026-07-28, authorization), and which resources are ours (RFC 8707).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse, Response};
use remit_core::authority::Authority;
use remit_core::name::Name;
use serde_json::json;

use super::issuer;
use crate::app::App;

/// The scope that stands for a task; what it may is said by the task, never by scopes.
pub(crate) const SCOPE: &str = "mcp";

/// `/.well-known/oauth-protected-resource`
pub(crate) async fn root(State(app): State<Arc<App>>, extensions: Extensions) -> Response {
    document(&app, &format!("{}/mcp", asked_at(&app, &extensions)))
}

/// Our address as this client knows it: that of the listener with TLS where it came there.
fn asked_at(app: &App, extensions: &Extensions) -> String {
    let over_tls = app.tls_url.borrow().clone();
    over_tls
        .filter(|_| super::connection(extensions).tls)
        .unwrap_or_else(|| issuer(app))
}

/// `/.well-known/oauth-protected-resource/{path}`
pub(crate) async fn at(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    extensions: Extensions,
) -> Response {
    let url = format!("{}/{path}", asked_at(&app, &extensions));
    if is_ours(&app, &url) {
        document(&app, &url)
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

fn document(app: &App, resource: &str) -> Response {
    Json(json!({
        "resource": resource,
        "resource_name": "Remit",
        "authorization_servers": [issuer(app)],
        "scopes_supported": [SCOPE],
        "bearer_methods_supported": ["header"],
        "tls_client_certificate_bound_access_tokens": app.tls_url.borrow().is_some(),
    }))
    .into_response()
}

/// What a resource lets a task hold at most: one server's endpoint, that server's tools (RFC 8707, 2.2).
pub(crate) fn limit(app: &App, resource: &str) -> Option<Authority> {
    let path = path_of(app, resource)?;
    let server = path.strip_prefix("/mcp/")?;
    let mut limit = Authority::unbounded();
    limit.tools = BTreeSet::from([format!("{server}/*").parse().ok()?]);
    Some(limit)
}

/// True for the address of an MCP endpoint of ours: `/mcp` or `/mcp/{server}`, with or without a slash at the end.
pub(crate) fn is_ours(app: &App, resource: &str) -> bool {
    match path_of(app, resource) {
        Some("/mcp") => true,
        Some(path) => path
            .strip_prefix("/mcp/")
            .is_some_and(|server| server.parse::<Name>().is_ok()),
        None => false,
    }
}

/// The path of an address of ours, by either name, without a slash at the end.
fn path_of<'r>(app: &App, resource: &'r str) -> Option<&'r str> {
    let over_tls = app.tls_url.borrow();
    let path = match resource.strip_prefix(&issuer(app)) {
        Some(path) => path,
        None => resource.strip_prefix(over_tls.as_deref()?)?,
    };
    Some(path.trim_end_matches('/'))
}
