//! Health for supervisors: alive, and ready to decide.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::app::App;

/// `/healthz` and `/readyz`.
pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(app))
}

/// Ready = the store still answers.
async fn ready(State(app): State<Arc<App>>) -> (StatusCode, String) {
    match app
        .store
        .read(|conn| Ok::<_, crate::app::Failure>(remit_store::records::count(conn)?))
        .await
    {
        Ok(records) => (StatusCode::OK, format!("ready, {records} records\n")),
        Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")),
    }
}
