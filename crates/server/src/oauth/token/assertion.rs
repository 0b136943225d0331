//! `urn:ietf:params:oauth:grant-type:jwt-bearer` (RFC 7523, 2.1): a token about a person or a system stands for the grant, and
//! a client that proves who it is acts on it. What comes out is a governed task, as by exchange.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::error::OauthError;
use super::{Asking, subject};
use crate::app::App;

pub(super) async fn open(app: &Arc<App>, asking: &Asking) -> Result<Map<String, Value>, OauthError> {
    let presented = asking
        .form
        .get("assertion")
        .ok_or_else(|| OauthError::request("`assertion` is missing"))?;
    let initiator = subject::of(app, presented).await?;
    subject::open(app, asking, &initiator).await
}
