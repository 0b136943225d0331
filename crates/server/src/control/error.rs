//! Failures as answers: the one place that says which status they are.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::app::Failure;

/// What a handler answers.
pub(super) type Answer = Result<Json<Value>, Refusal>;

/// A failure on its way out.
#[derive(Debug)]
pub(super) struct Refusal(pub Failure);

impl<F: Into<Failure>> From<F> for Refusal {
    fn from(failure: F) -> Self {
        Self(failure.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self.0 {
            Failure::Invalid(_) => StatusCode::BAD_REQUEST,
            Failure::NotFound(_) => StatusCode::NOT_FOUND,
            Failure::Forbidden(_) => StatusCode::FORBIDDEN,
            Failure::Conflict(_) | Failure::NeedsReauth(_) => StatusCode::CONFLICT,
            Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        let body = json!({"error": self.0.code(), "message": self.0.to_string()});
        (status, Json(body)).into_response()
    }
}
