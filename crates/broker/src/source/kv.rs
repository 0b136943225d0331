//! The key-value engine of HashiCorp Vault and OpenBao, both versions of it.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::port::{Answer, Ask, Body, Http, Unreached};

/// A secrets manager that speaks the HTTP API of Vault and OpenBao.
#[derive(Clone, Debug)]
pub struct Manager {
    /// Address without path: `https://bao.example:8200`.
    pub address: String,
    /// The token we use there.
    pub token: SecretString,
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
}

impl Manager {
    /// Whole address of an API path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.address.trim_end_matches('/'))
    }

    /// The `Authorization` field.
    #[must_use]
    pub fn authorization(&self) -> SecretString {
        bearer(&self.token)
    }
}

/// A bearer field (RFC 6750, section 2.1).
pub(crate) fn bearer(token: &SecretString) -> SecretString {
    SecretString::from(format!("Bearer {}", token.expose_secret()))
}

/// The `data` of an answer, or what it says is wrong. Error lists of this API hold sentences, no values.
pub(crate) fn data_of(answer: &Answer) -> Result<Value, Unreached> {
    if !(200..300).contains(&answer.status) {
        let said = answer.json().ok().and_then(|json| {
            let errors = json.get("errors")?.as_array()?.clone();
            Some(
                errors
                    .iter()
                    .filter_map(Value::as_str)
                    .collect::<Vec<_>>()
                    .join("; "),
            )
        });
        let said: String = said
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_control())
            .take(200)
            .collect();
        return Err(Unreached::answered(answer.status, said));
    }
    let mut json = answer.json()?;
    Ok(json.get_mut("data").map_or(Value::Null, Value::take))
}

/// Reads one field of one entry, now.
pub(super) async fn read(
    manager: &Manager,
    path: &str,
    field: &str,
    http: &dyn Http,
) -> Result<SecretString, Unreached> {
    let ask = Ask {
        url: manager.url(path),
        body: Body::Get,
        authorization: Some(manager.authorization()),
        allow_private: manager.allow_private,
    };
    let answer = http.ask(ask).await?;
    let data = data_of(&answer)?;
    // Version 2 wraps the fields once more, beside `metadata`.
    let fields = match data.get("data") {
        Some(inner) if data.get("metadata").is_some() => inner,
        _ => &data,
    };
    fields
        .get(field)
        .and_then(Value::as_str)
        .filter(|value| !value.is_empty())
        .map(SecretString::from)
        .ok_or_else(|| Unreached::answered(answer.status, format!("it has no text in the field `{field}`")))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::port::Pending;

    struct Canned(u16, &'static str);
    impl Http for Canned {
        fn ask<'a>(&'a self, ask: Ask) -> Pending<'a, Result<Answer, Unreached>> {
            assert_eq!(ask.authorization.unwrap().expose_secret(), "Bearer tok");
            Box::pin(async move {
                Ok(Answer {
                    status: self.0,
                    body: Zeroizing::new(self.1.as_bytes().to_vec()),
                })
            })
        }
    }

    async fn get(status: u16, body: &'static str) -> Result<String, String> {
        let manager = Manager {
            address: "https://bao.example:8200/".to_owned(),
            token: SecretString::from("tok"),
            allow_private: false,
        };
        assert_eq!(
            manager.url("secret/erp"),
            "https://bao.example:8200/v1/secret/erp"
        );
        let read = read(&manager, "secret/erp", "password", &Canned(status, body)).await;
        read.map(|value| value.expose_secret().to_owned())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn both_versions_are_read() {
        let v1 = get(200, r#"{"data":{"password":"one"}}"#).await;
        assert_eq!(v1.as_deref(), Ok("one"));
        let v2 = get(
            200,
            r#"{"data":{"data":{"password":"two"},"metadata":{"version":3}}}"#,
        )
        .await;
        assert_eq!(v2.as_deref(), Ok("two"));
        // An entry of version 1 whose field is called `data` stays what it is.
        let odd = get(200, r#"{"data":{"data":"x","password":"three"}}"#).await;
        assert_eq!(odd.as_deref(), Ok("three"));
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_without_values() {
        let denied = get(403, r#"{"errors":["permission denied"]}"#).await.unwrap_err();
        assert_eq!(denied, "it answered with status 403: permission denied");
        let missing = get(200, r#"{"data":{"other":"canary"}}"#).await.unwrap_err();
        assert!(
            missing.contains("`password`") && !missing.contains("canary"),
            "{missing}"
        );
        let broken = get(200, "canary{").await.unwrap_err();
        assert!(!broken.contains("canary"), "{broken}");
    }
}
