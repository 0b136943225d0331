//! `/oauth/jwks.json` (RFC 7517, 5): the keys by which others check our tokens; the next one is there before it signs.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use remit_core::json::Value;

use crate::app::App;

/// The key set as it stands now.
pub(super) async fn show(State(app): State<Arc<App>>) -> impl IntoResponse {
    let document = app.issuer.jwks(app.clock.now()).to_document();
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "max-age=60"),
    ];
    (headers, Value::Object(document).to_canonical())
}
