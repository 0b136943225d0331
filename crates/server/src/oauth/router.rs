//! Every endpoint of the authorization server on one screen.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::{authorize, introspect, jwks, metadata, resource, revoke, token};
use crate::app::App;

/// The routes.
pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata::document))
        .route("/.well-known/openid-configuration", get(metadata::document))
        .route("/.well-known/oauth-protected-resource", get(resource::root))
        .route("/.well-known/oauth-protected-resource/{*path}", get(resource::at))
        .route("/oauth/jwks.json", get(jwks::show))
        .route("/oauth/authorize", get(authorize::show).post(authorize::answer))
        .route("/oauth/token", post(token::issue))
        .route("/oauth/introspect", post(introspect::tell))
        .route("/oauth/revoke", post(revoke::revoke))
        .with_state(Arc::clone(app))
}
