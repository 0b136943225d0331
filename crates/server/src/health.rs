//! Health for supervisors: alive, and ready to decide.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::routing::get;

use crate::app::App;
use crate::broker::revoke;

/// `/healthz`, `/readyz` and `/metrics`.
pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::clone(app))
}

/// Ready = the store still answers.
async fn ready(State(app): State<Arc<App>>) -> (StatusCode, String) {
    match app
        .store
        .read(|conn| Ok::<_, crate::app::Failure>(remit_store::records::count(conn)?))
        .await
    {
        Ok(records) => match revoke::counts(&app).await {
            // Ready all the same: what is stuck is somebody else's server, and calls are decided as ever.
            Ok(counts) if counts.stuck > 0 => {
                let stuck = counts.stuck;
                (
                    StatusCode::OK,
                    format!("ready, {records} records, {stuck} credentials that cannot be ended\n"),
                )
            }
            Ok(_) => (StatusCode::OK, format!("ready, {records} records\n")),
            Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")),
        },
        Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, format!("{failure}\n")),
    }
}

/// Numbers without names, in the text format of Prometheus (version 0.0.4): nothing an agent on this machine should not see.
async fn metrics(
    State(app): State<Arc<App>>,
) -> (StatusCode, [(header::HeaderName, &'static str); 1], String) {
    let plain = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    match revoke::counts(&app).await {
        Ok(counts) => {
            let text = format!(
                "# HELP remit_leases Credentials of tasks that are not over, by state.\n# TYPE remit_leases gauge\n\
                 remit_leases{{state=\"live\"}} {}\nremit_leases{{state=\"revoking\"}} {}\nremit_leases{{state=\"fading\"}} {}\n\
                 # HELP remit_leases_stuck Credentials that should have ended more than a minute ago and may be live.\n\
                 # TYPE remit_leases_stuck gauge\nremit_leases_stuck {}\n",
                counts.live, counts.revoking, counts.fading, counts.stuck
            );
            (StatusCode::OK, plain, text)
        }
        Err(failure) => (StatusCode::SERVICE_UNAVAILABLE, plain, format!("# {failure}\n")),
    }
}
