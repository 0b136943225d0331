//! Authorization codes and refresh tokens: what each is bound to, and what its second use means.

use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::id::TaskId;
use remit_core::json::{Object, Value};
use remit_core::task::Ending;
use remit_core::time::Timestamp;
use remit_identity::base64url;
use remit_store::handles::{Handle, Kind, State};

use super::error::{Code, OauthError};
use crate::app::{App, Failure};

/// How long a code can be redeemed, in milliseconds (RFC 6749, 4.1.2).
pub(crate) const CODE_MS: i64 = 60 * 1000;
/// How long after a task's window its refresh tokens are still known, so that their reuse is noticed, in milliseconds.
const KNOWN_MS: i64 = 24 * 60 * 60 * 1000;

/// What a code or a refresh token is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub client: String,
    /// Of codes: the redirect address it went to.
    pub redirect_uri: String,
    /// Of codes: the PKCE challenge.
    pub challenge: String,
    pub resource: String,
    pub task: TaskId,
    /// How long each window of the task is, in milliseconds.
    pub ttl_ms: i64,
    /// The key that must be proved with it (`jkt:…`, `x5t:…`), where it is bound to one.
    pub key: Option<String>,
}

impl Bound {
    pub fn to_detail(&self) -> Object {
        let mut detail = Object::from_iter([
            ("client", self.client.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("challenge", &self.challenge),
            ("resource", &self.resource),
        ]);
        detail.insert("ttl_ms", self.ttl_ms);
        if let Some(key) = &self.key {
            detail.insert("key", key.as_str());
        }
        detail
    }

    pub fn of(handle: &Handle) -> Result<Self, Failure> {
        let text = |name: &str| {
            handle
                .detail
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Self {
            client: text("client"),
            redirect_uri: text("redirect_uri"),
            challenge: text("challenge"),
            resource: text("resource"),
            task: handle.owner.parse().map_err(Failure::unavailable)?,
            ttl_ms: handle
                .detail
                .get("ttl_ms")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            key: handle
                .detail
                .get("key")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }

    /// A fresh secret for it, and what is stored.
    pub fn fresh(&self, app: &App, kind: Kind, expires_at: Timestamp) -> Result<(String, Handle), Failure> {
        let mut bytes = [0_u8; 32];
        app.entropy.fill(&mut bytes)?;
        let prefix = match kind {
            Kind::Code => "remit_code_",
            Kind::Refresh => "remit_refresh_",
            Kind::Session | Kind::Link => "remit_person_",
        };
        let secret = format!("{prefix}{}", base64url(&bytes));
        let handle = Handle {
            digest: Digest::of(secret.as_bytes()),
            kind,
            owner: self.task.to_string(),
            state: State::Live,
            expires_at,
            detail: self.to_detail(),
        };
        Ok((secret, handle))
    }

    /// When refresh tokens of a window that closes then are forgotten.
    pub fn known_until(closes: Timestamp) -> Timestamp {
        closes.plus_ms(KNOWN_MS)
    }
}

/// Ends the task of a code or refresh token that somebody used wrongly: whoever holds what came of it holds nothing now.
pub(crate) async fn stolen(app: &Arc<App>, task: TaskId, why: &'static str) -> OauthError {
    let me = app.me.clone();
    if let Err(failure) = crate::tasks::end::end(app, task, Ending::Revoked, &me, why).await {
        tracing::error!(%task, %failure, "a task could not be ended after its code or refresh token was misused");
        return OauthError::new(Code::TemporarilyUnavailable, failure.to_string());
    }
    OauthError::grant(format!("{why}: the task has been ended, ask for a new one"))
}
