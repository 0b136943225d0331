//! Protected resource metadata (RFC 9728; MCP 2026-07-28, authorization), and which resources are ours (RFC 8707).

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use remit_core::authority::Authority;
use remit_core::name::Name;
use serde_json::json;

use super::issuer;
use crate::app::App;

/// The scope that stands for a task; what it may is said by the task, never by scopes.
pub(crate) const SCOPE: &str = "mcp";

/// `/.well-known/oauth-protected-resource`
pub(crate) async fn root(State(app): State<Arc<App>>) -> Response {
    document(&app, &format!("{}/mcp", issuer(&app)))
}

/// `/.well-known/oauth-protected-resource/{path}`
pub(crate) async fn at(State(app): State<Arc<App>>, Path(path): Path<String>) -> Response {
    let url = format!("{}/{path}", issuer(&app));
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
    }))
    .into_response()
}

/// What a resource lets a task hold at most: one server's endpoint, that server's tools (RFC 8707, 2.2).
pub(crate) fn limit(app: &App, resource: &str) -> Option<Authority> {
    let path = resource.strip_prefix(&issuer(app))?.trim_end_matches('/');
    let server = path.strip_prefix("/mcp/")?;
    let mut limit = Authority::unbounded();
    limit.tools = BTreeSet::from([format!("{server}/*").parse().ok()?]);
    Some(limit)
}

/// True for the address of an MCP endpoint of ours: `/mcp` or `/mcp/{server}`, with or without a slash at the end.
pub(crate) fn is_ours(app: &App, resource: &str) -> bool {
    let issuer = issuer(app);
    let Some(path) = resource.strip_prefix(&issuer) else {
        return false;
    };
    match path.trim_end_matches('/') {
        "/mcp" => true,
        path => path
            .strip_prefix("/mcp/")
            .is_some_and(|server| server.parse::<Name>().is_ok()),
    }
}
