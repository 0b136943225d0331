//! `GET /upstream/callback`: where a person's browser comes back from an authorization server. It says who goes on where,
//! and nothing an agent could use: the question was shown to the person alone, and its answer counts once.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::answer::answer;
use crate::app::App;

/// Longest query read, in bytes.
const QUERY_BYTES_MAX: usize = 8192;

/// The route.
pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/upstream/callback", get(come_back))
        .with_state(Arc::clone(app))
}

async fn come_back(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let query = query
        .filter(|query| query.len() <= QUERY_BYTES_MAX)
        .unwrap_or_default();
    // Runs to its end when the browser goes away: a code is redeemed once.
    let work = Arc::clone(&app);
    let done = app
        .background
        .spawn(async move { answer(&work, &query).await })
        .await;
    let (status, text) = match done {
        Ok(Ok(whose)) => (
            StatusCode::OK,
            format!(
                "{} is signed in to {}. This window can be closed.\n",
                whose.owner, whose.server
            ),
        ),
        Ok(Err(failure)) => (StatusCode::BAD_REQUEST, format!("Not signed in: {failure}.\n")),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Not signed in: the request broke off.\n".to_owned(),
        ),
    };
    let mut response = (status, text).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // The address holds the code.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
