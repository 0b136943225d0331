//! Every page of people on one screen.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::{arrive, sign_in};
use crate::app::App;

/// The routes.
pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/sign-in", get(sign_in::show))
        .route("/sign-in/link", get(sign_in::link).post(sign_in::use_link))
        .route("/sign-in/provider", get(arrive::leave))
        .route("/sign-in/callback", get(arrive::arrive))
        .route("/sign-out", post(sign_in::out))
        .with_state(Arc::clone(app))
}
