//! The SPIFFE bundle endpoint (SPIFFE Federation, 5; Trust Domain and Bundle, 4) and our JWKS. Public by nature: what is in
//! them is for everybody who checks what we signed.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::header;
use remit_core::json::Value;

use crate::app::App;

/// Where the bundle is.
pub const PATH: &str = "/.well-known/spiffe-bundle";

/// `/.well-known/spiffe-bundle`
pub fn router(app: &Arc<App>) -> Router {
    Router::new().route(PATH, get(show)).with_state(Arc::clone(app))
}

/// The bundle document as it stands now.
#[must_use]
pub fn document(app: &App) -> Value {
    let now = app.clock.now();
    let hint = app.issuer.lives.keys.ahead_ms / 4000;
    Value::Object(remit_identity::bundle_document(
        &app.issuer.jwt_authorities(now),
        &app.issuer.authorities(now),
        app.issuer.sequence(),
        u64::try_from(hint.max(1)).unwrap_or(1),
    ))
}

async fn show(State(app): State<Arc<App>>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, document(&app).to_canonical())
}
