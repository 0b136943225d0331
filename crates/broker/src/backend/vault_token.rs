//! HashiCorp Vault and OpenBao: a child of our own token for each lease, with the policies and uses it was planned with.
//!
//! The end is: revoked by its accessor, which ends its children and leases too, and a look that the accessor leads nowhere.
//! Class R1. A token cannot be named, but it carries the planned name as metadata: what was asked for and never heard of
//! again is found by it, where our own token may list accessors.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::BackendError;
use crate::port::{Answer, Ask, Body, Http, Unreached};
use crate::source::kv::{Manager, data_of};

/// The key of the metadata that carries the planned name.
const NAMED: &str = "remit_lease";
/// Accessors looked at in one search for planned names: each is a request.
const LOOKED_AT_MAX: usize = 2000;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Token role (`auth/token/roles/…`); our own token's rights are the bound without one.
    pub role: Option<String>,
    /// Policies; those of the role, or of our own token, when empty.
    pub policies: Vec<String>,
    /// Life in seconds.
    pub ttl_s: u64,
    /// How often it may be used; 0 is without a bound.
    pub uses: u32,
}

/// A token that was made.
#[derive(Debug)]
pub struct Made {
    /// The token.
    pub token: SecretString,
    /// What it is ended by.
    pub accessor: String,
    /// Life in seconds, as it was given.
    pub ttl_s: u64,
}

/// Makes a child token under the planned name.
///
/// # Errors
/// [`BackendError`]; then it may exist all the same and has to be looked for by its name.
pub async fn make(
    manager: &Manager,
    name: &str,
    about: &BTreeMap<&str, String>,
    wish: &Wish,
    http: &dyn Http,
) -> Result<Made, BackendError> {
    let path = match &wish.role {
        Some(role) => format!("auth/token/create/{role}"),
        None => "auth/token/create".to_owned(),
    };
    let mut meta: BTreeMap<&str, &str> = about.iter().map(|(key, text)| (*key, text.as_str())).collect();
    meta.insert(NAMED, name);
    let mut body = json!({
        "display_name": name,
        "meta": meta,
        "ttl": format!("{}s", wish.ttl_s),
        "explicit_max_ttl": "0s",
        "num_uses": wish.uses,
        "renewable": true,
        // A batch token has no accessor, so it could not be ended.
        "type": "service",
        "no_parent": false,
        "no_default_policy": true,
    });
    if let Some(object) = body.as_object_mut().filter(|_| !wish.policies.is_empty()) {
        object.insert("policies".to_owned(), json!(wish.policies));
    }
    let answer = post(manager, &path, &body, http).await?;
    refused(&answer)?;
    let json = answer.json()?;
    let auth = json.get("auth").unwrap_or(&Value::Null);
    let text = |key: &str| {
        auth.get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let (Some(token), Some(accessor)) = (text("client_token"), text("accessor")) else {
        return Err(Unreached::answered(answer.status, "it made no token with an accessor").into());
    };
    if auth.get("orphan").and_then(Value::as_bool) == Some(true) {
        // It would outlive our own token. It is ended like any other that could not be used.
        return Err(BackendError::Refused(
            "the token role makes orphans, which outlive their parent: set `orphan=false` there".to_owned(),
        ));
    }
    Ok(Made {
        token: SecretString::from(token),
        accessor: accessor.to_owned(),
        ttl_s: auth
            .get("lease_duration")
            .and_then(Value::as_u64)
            .unwrap_or(wish.ttl_s),
    })
}

/// Prolongs a token; answers the life it has from now on, in seconds.
///
/// # Errors
/// [`BackendError`] when it is gone, or may not live longer.
pub async fn renew(
    manager: &Manager,
    accessor: &str,
    ttl_s: u64,
    http: &dyn Http,
) -> Result<u64, BackendError> {
    let body = json!({"accessor": accessor, "increment": format!("{ttl_s}s")});
    let answer = post(manager, "auth/token/renew-accessor", &body, http).await?;
    refused(&answer)?;
    let json = answer.json()?;
    json.pointer("/auth/lease_duration")
        .and_then(Value::as_u64)
        .ok_or_else(|| Unreached::answered(answer.status, "it does not say how long the token lives").into())
}

/// Ends a token. One that is gone already is done.
///
/// # Errors
/// [`BackendError`] when the manager refuses or is away.
pub async fn revoke(manager: &Manager, accessor: &str, http: &dyn Http) -> Result<(), BackendError> {
    let answer = post(
        manager,
        "auth/token/revoke-accessor",
        &json!({"accessor": accessor}),
        http,
    )
    .await?;
    if is_unknown(&answer) {
        return Ok(());
    }
    refused(&answer).map_err(Into::into)
}

/// The negative probe: true while the accessor leads to a token. A refusal that is no word about this accessor proves
/// nothing.
///
/// # Errors
/// [`BackendError`] when the manager refuses to say, or is away.
pub async fn is_alive(manager: &Manager, accessor: &str, http: &dyn Http) -> Result<bool, BackendError> {
    let answer = post(
        manager,
        "auth/token/lookup-accessor",
        &json!({"accessor": accessor}),
        http,
    )
    .await?;
    if is_unknown(&answer) {
        return Ok(false);
    }
    refused(&answer)?;
    Ok(true)
}

/// Accessors of the tokens that carry a planned name starting with `prefix`, by that name.
///
/// # Errors
/// [`BackendError`] when our own token may not list them, or there are too many: nothing is proved then.
pub async fn named(
    manager: &Manager,
    prefix: &str,
    http: &dyn Http,
) -> Result<BTreeMap<String, String>, BackendError> {
    let listed = http
        .ask(Ask {
            url: manager.url("auth/token/accessors?list=true"),
            body: Body::Get,
            authorization: Some(manager.authorization()),
            allow_private: manager.allow_private,
        })
        .await?;
    let listed = data_of(&listed)?;
    let accessors: Vec<&str> = listed
        .get("keys")
        .and_then(Value::as_array)
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if accessors.len() > LOOKED_AT_MAX {
        return Err(BackendError::Refused(format!(
            "there are {} tokens, and at most {LOOKED_AT_MAX} are looked at",
            accessors.len()
        )));
    }
    let mut found = BTreeMap::new();
    for accessor in accessors {
        let answer = post(
            manager,
            "auth/token/lookup-accessor",
            &json!({"accessor": accessor}),
            http,
        )
        .await?;
        // It ran out since it was listed.
        if is_unknown(&answer) {
            continue;
        }
        let about = data_of(&answer)?;
        let name = about
            .get("meta")
            .and_then(|meta| meta.get(NAMED))
            .and_then(Value::as_str);
        if let Some(name) = name.filter(|name| name.starts_with(prefix)) {
            found.insert(name.to_owned(), accessor.to_owned());
        }
    }
    Ok(found)
}

async fn post(manager: &Manager, path: &str, body: &Value, http: &dyn Http) -> Result<Answer, Unreached> {
    http.ask(Ask {
        url: manager.url(path),
        body: Body::Json(SecretString::from(body.to_string())),
        authorization: Some(manager.authorization()),
        allow_private: manager.allow_private,
    })
    .await
}

fn refused(answer: &Answer) -> Result<(), Unreached> {
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    data_of(answer).map(drop)
}

/// It says that there is no such accessor. A bare refusal, as for a token of ours that may not ask, is another answer.
fn is_unknown(answer: &Answer) -> bool {
    (400..500).contains(&answer.status)
        && answer.json().is_ok_and(|json| {
            let errors = json.get("errors").and_then(Value::as_array);
            errors.is_some_and(|errors| {
                errors
                    .iter()
                    .filter_map(Value::as_str)
                    .any(|error| error.contains("invalid accessor"))
            })
        })
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::port::Pending;

    struct Canned(u16, &'static str);
    impl Http for Canned {
        fn ask<'a>(&'a self, _: Ask) -> Pending<'a, Result<Answer, Unreached>> {
            Box::pin(async move {
                Ok(Answer {
                    status: self.0,
                    body: Zeroizing::new(self.1.as_bytes().to_vec()),
                })
            })
        }
    }

    fn manager() -> Manager {
        Manager {
            address: "https://bao.example".to_owned(),
            token: SecretString::from("tok"),
            allow_private: false,
        }
    }

    #[tokio::test]
    async fn only_a_word_about_the_accessor_proves_an_end() {
        let gone = Canned(
            403,
            r#"{"errors":["1 error occurred:\n\t* invalid accessor\n\n"]}"#,
        );
        assert_eq!(is_alive(&manager(), "a", &gone).await, Ok(false));
        assert_eq!(revoke(&manager(), "a", &gone).await, Ok(()));
        let denied = Canned(403, r#"{"errors":["permission denied"]}"#);
        assert!(
            is_alive(&manager(), "a", &denied).await.is_err(),
            "we may not ask: nothing is proved"
        );
        assert!(revoke(&manager(), "a", &denied).await.is_err());
        let sealed = Canned(503, r#"{"errors":["Vault is sealed"]}"#);
        assert!(matches!(
            is_alive(&manager(), "a", &sealed).await,
            Err(BackendError::Away(_))
        ));
    }

    #[tokio::test]
    async fn an_orphan_is_no_child() {
        let orphan = Canned(
            200,
            r#"{"auth":{"client_token":"canary","accessor":"a","lease_duration":60,"orphan":true}}"#,
        );
        let wish = Wish {
            role: None,
            policies: Vec::new(),
            ttl_s: 60,
            uses: 0,
        };
        let made = make(&manager(), "remit_x", &BTreeMap::new(), &wish, &orphan).await;
        let why = made.unwrap_err().to_string();
        assert!(why.contains("orphan") && !why.contains("canary"), "{why}");
    }
}
