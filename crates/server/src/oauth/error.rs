//! Errors of the OAuth endpoints: the RFC's code, a sentence for the developer, and a record.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::form::BadForm;
use crate::app::Failure;

/// An `error` of RFC 6749 (4.1.2.1, 5.2), RFC 8707 (2) or RFC 9449 (5, 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    InvalidTarget,
    InvalidDpopProof,
    UseDpopNonce,
    AccessDenied,
    ServerError,
    TemporarilyUnavailable,
}

impl Code {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// A request that is refused.
#[derive(Clone, Debug)]
pub(crate) struct OauthError {
    pub code: Code,
    /// What is wrong, and what to do; ASCII alone leaves (RFC 6749, 5.2).
    pub message: String,
    /// A fresh DPoP nonce.
    pub nonce: Option<String>,
}

impl OauthError {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            nonce: None,
        }
    }

    pub fn request(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, message)
    }

    pub fn grant(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidGrant, message)
    }

    pub fn client(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidClient, message)
    }

    /// `error_description` holds `%x20-21 / %x23-5B / %x5D-7E`.
    pub fn description(&self) -> String {
        self.message
            .chars()
            .map(|c| match c {
                '"' | '\\' => '\'',
                ' '..='~' => c,
                _ => '?',
            })
            .collect()
    }
}

impl From<BadForm> for OauthError {
    fn from(bad: BadForm) -> Self {
        Self::request(bad.to_string())
    }
}

impl From<Failure> for OauthError {
    fn from(failure: Failure) -> Self {
        let code = match &failure {
            Failure::Invalid(_) => Code::InvalidRequest,
            Failure::NotFound(_) | Failure::Forbidden(_) | Failure::Conflict(_) => Code::InvalidGrant,
            Failure::Unavailable(_) | Failure::NeedsReauth(_) => Code::TemporarilyUnavailable,
        };
        Self::new(code, failure.to_string())
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = json!({"error": self.code.as_str(), "error_description": self.description()});
        let mut response = (self.code.status(), Json(body)).into_response();
        super::no_store(&mut response);
        let headers = response.headers_mut();
        if self.code == Code::InvalidClient {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"remit\""),
            );
        }
        if let Some(nonce) = self
            .nonce
            .as_deref()
            .and_then(|nonce| HeaderValue::from_str(nonce).ok())
        {
            headers.insert(HeaderName::from_static("dpop-nonce"), nonce);
        }
        response
    }
}
