//! GitHub Apps: an installation token for each lease, for the repositories and with the permissions of its task alone
//! (docs.github.com, "Generating an installation access token for a GitHub App").
//!
//! The end is: the token revokes itself (`DELETE /installation/token`), and a request with it that is refused. Class R1,
//! as long as we hold the token; one that was asked for and never heard of ends by its own expiry, an hour later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use remit_core::time::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::BackendError;
use crate::port::{Answer, Ask, Body, Http, Unreached};
use crate::source::kv::bearer;

/// Longest life of an installation token, in milliseconds; GitHub gives no other.
pub const LIFE_MS: i64 = 60 * 60 * 1000;
/// Life of the app's own token, in seconds; GitHub takes at most ten minutes.
const APP_TOKEN_S: i64 = 300;
/// How far our clocks may be apart, in seconds.
const SKEW_S: i64 = 60;

/// The app's key.
pub struct AppKey(RsaKeyPair);

impl fmt::Debug for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppKey({} bits)", self.0.public_modulus_len() * 8)
    }
}

impl AppKey {
    /// Reads a key as GitHub hands it out (PKCS #1), or in PKCS #8; PEM.
    ///
    /// # Errors
    /// A sentence that says nothing of the key.
    pub fn read(pem: &SecretString) -> Result<Self, String> {
        let bad = || "it is not an RSA private key in PEM form".to_owned();
        let text = pem.expose_secret();
        let base64: Zeroizing<String> = Zeroizing::new(
            text.lines()
                .map(str::trim)
                .filter(|line| !line.starts_with("-----"))
                .collect(),
        );
        let der = Zeroizing::new(STANDARD.decode(base64.as_bytes()).map_err(|_| bad())?);
        let pair = if text.contains("BEGIN RSA PRIVATE KEY") {
            RsaKeyPair::from_der(&der)
        } else {
            RsaKeyPair::from_pkcs8(&der)
        };
        pair.map(Self).map_err(|_| bad())
    }

    /// The app's token: RS256 over `iss`, `iat` and `exp` (RFC 7519).
    fn token(&self, app: &str, now: Timestamp) -> Result<SecretString, BackendError> {
        let now = now.0 / 1000;
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!(
            "{}.{}",
            part(&json!({"alg": "RS256", "typ": "JWT"})),
            part(&json!({"iss": app, "iat": now - SKEW_S, "exp": now + APP_TOKEN_S})),
        );
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| BackendError::Away("the app's token cannot be signed".to_owned()))?;
        Ok(SecretString::from(format!(
            "{text}.{}",
            URL_SAFE_NO_PAD.encode(&signature)
        )))
    }
}

/// An installation of an app.
#[derive(Debug)]
pub struct Installation {
    /// Address of the API: `https://api.github.com`.
    pub url: String,
    /// The app's client id, or its number.
    pub app: String,
    /// The installation's number.
    pub id: u64,
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Names of repositories, without their owner; `None` is all of the installation.
    pub repositories: Option<BTreeSet<String>>,
    /// Permissions, each `read`, `write` or `admin`.
    pub permissions: BTreeMap<String, String>,
}

/// A token that was made.
#[derive(Debug)]
pub struct Made {
    /// The token.
    pub token: SecretString,
    /// When it ends by itself; `None` where that was not said in a form we read.
    pub expires_at: Option<String>,
}

impl Installation {
    /// Makes a token.
    ///
    /// # Errors
    /// [`BackendError`].
    pub async fn make(
        &self,
        key: &AppKey,
        wish: &Wish,
        now: Timestamp,
        http: &dyn Http,
    ) -> Result<Made, BackendError> {
        let mut body = json!({"permissions": wish.permissions});
        if let (Some(object), Some(repositories)) = (body.as_object_mut(), &wish.repositories) {
            object.insert("repositories".to_owned(), json!(repositories));
        }
        let path = format!("app/installations/{}/access_tokens", self.id);
        let body = Body::Json(SecretString::from(body.to_string()));
        let answer = self.ask(&path, body, &key.token(&self.app, now)?, http).await?;
        if answer.status != 201 {
            return Err(said(&answer).into());
        }
        let json = answer.json()?;
        let text = |key: &str| {
            json.get(key)
                .and_then(Value::as_str)
                .filter(|text| !text.is_empty())
        };
        let token = text("token").ok_or_else(|| Unreached::answered(answer.status, "it made no token"))?;
        let given = Made {
            token: SecretString::from(token),
            expires_at: text("expires_at").map(str::to_owned),
        };
        if wish.repositories.is_some() && text("repository_selection") == Some("all") {
            // Wider than the task: nobody gets to use it.
            let _ended = self.revoke(&given.token, http).await;
            return Err(BackendError::Refused(
                "it made a token for all repositories where some were asked for".to_owned(),
            ));
        }
        Ok(given)
    }

    /// Ends a token by itself. One that is gone already is done.
    ///
    /// # Errors
    /// [`BackendError`] when the API refuses or is away.
    pub async fn revoke(&self, token: &SecretString, http: &dyn Http) -> Result<(), BackendError> {
        let answer = self.ask("installation/token", Body::Delete, token, http).await?;
        match answer.status {
            204 | 401 => Ok(()),
            _ => Err(said(&answer).into()),
        }
    }

    /// The negative probe: true while the token is let in.
    ///
    /// # Errors
    /// [`BackendError`] when the API says neither, or is away.
    pub async fn is_alive(&self, token: &SecretString, http: &dyn Http) -> Result<bool, BackendError> {
        let answer = self
            .ask("installation/repositories?per_page=1", Body::Get, token, http)
            .await?;
        match answer.status {
            401 => Ok(false),
            200..=299 | 403 => Ok(true),
            _ => Err(said(&answer).into()),
        }
    }

    async fn ask(
        &self,
        path: &str,
        body: Body,
        token: &SecretString,
        http: &dyn Http,
    ) -> Result<Answer, Unreached> {
        http.ask(Ask {
            url: format!("{}/{path}", self.url.trim_end_matches('/')),
            body,
            authorization: Some(bearer(token)),
            allow_private: self.allow_private,
        })
        .await
    }
}

/// What the API says is wrong; its messages hold sentences, no values.
fn said(answer: &Answer) -> Unreached {
    let message = answer.json().ok();
    let message: String = message
        .as_ref()
        .and_then(|json| json.get("message")?.as_str())
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    Unreached::answered(answer.status, message)
}
