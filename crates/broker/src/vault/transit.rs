//! A key-encryption key that never comes here: the transit engine of HashiCorp Vault or OpenBao wraps for us.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::VaultError;
use super::kek::{DataKey, Wrap};
use crate::port::{Ask, Body, Http, Pending, Unreached};
use crate::source::kv::{Manager, data_of};

/// The transit engine of one manager.
#[derive(Clone)]
pub struct Transit {
    manager: Manager,
    /// Path of the engine and name of the key: `transit`, `remit`.
    mount: String,
    key: String,
    http: Arc<dyn Http>,
}

impl std::fmt::Debug for Transit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transit")
            .field("manager", &self.manager)
            .field("mount", &self.mount)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Transit {
    /// The key `key` of the engine at `mount`.
    #[must_use]
    pub fn new(manager: Manager, mount: &str, key: &str, http: Arc<dyn Http>) -> Self {
        Self {
            manager,
            mount: mount.to_owned(),
            key: key.to_owned(),
            http,
        }
    }

    async fn ask(&self, verb: &str, body: Value) -> Result<Value, VaultError> {
        let away = |error: Unreached| VaultError::Away(error.to_string());
        let ask = Ask {
            url: self.manager.url(&format!("{}/{verb}/{}", self.mount, self.key)),
            body: Body::Json(SecretString::from(body.to_string())),
            authorization: Some(self.manager.authorization()),
            allow_private: self.manager.allow_private,
        };
        let answer = self.http.ask(ask).await.map_err(away)?;
        data_of(&answer).map_err(away)
    }
}

impl Wrap for Transit {
    fn wrap<'a>(&'a self, place: &'a str, key: &'a DataKey) -> Pending<'a, Result<Vec<u8>, VaultError>> {
        Box::pin(async move {
            let plain = Zeroizing::new(STANDARD.encode(key.as_ref()));
            let data = self
                .ask(
                    "encrypt",
                    json!({"plaintext": *plain, "associated_data": STANDARD.encode(place)}),
                )
                .await?;
            let wrapped = data.get("ciphertext").and_then(Value::as_str);
            let wrapped =
                wrapped.ok_or_else(|| VaultError::Away("its answer has no `ciphertext`".to_owned()))?;
            Ok(wrapped.as_bytes().to_vec())
        })
    }

    fn unwrap<'a>(&'a self, place: &'a str, wrapped: &'a [u8]) -> Pending<'a, Result<DataKey, VaultError>> {
        Box::pin(async move {
            let wrapped = std::str::from_utf8(wrapped).map_err(|_| VaultError::Broken)?;
            let body = json!({"ciphertext": wrapped, "associated_data": STANDARD.encode(place)});
            let data = self.ask("decrypt", body).await?;
            let plain = data.get("plaintext").and_then(Value::as_str).unwrap_or_default();
            let plain = Zeroizing::new(STANDARD.decode(plain).map_err(|_| VaultError::Broken)?);
            let key: [u8; 32] = plain.as_slice().try_into().map_err(|_| VaultError::Broken)?;
            Ok(Zeroizing::new(key))
        })
    }
}
