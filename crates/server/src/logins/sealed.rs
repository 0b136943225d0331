//! What of a login is at rest: sealed in the vault's envelope, bound to whose it is and to its issuer (SEP-2352).

use std::sync::Arc;

use remit_core::json::{Bounds, Object, Value, parse};
use remit_core::time::Timestamp;
use remit_credentials::oauth::{AuthMethod, Client, Scopes};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::Whose;
use super::slot::Held;
use crate::app::{App, Failure};
use crate::broker::vault::{open_elsewhere, seal_elsewhere};

fn place(whose: &Whose, issuer: &str) -> String {
    format!("login/{}/{}/{issuer}", whose.owner, whose.server)
}

fn written(object: Object) -> Result<SecretString, Failure> {
    let plain = Zeroizing::new(Value::Object(object).to_canonical().to_vec());
    let text = std::str::from_utf8(&plain).map_err(|_| broken())?;
    Ok(SecretString::from(text))
}

/// Seals tokens.
pub(super) async fn seal(app: &Arc<App>, whose: &Whose, held: &Held) -> Result<Vec<u8>, Failure> {
    let mut object = client_object(&held.client);
    object.insert("token_endpoint", held.token_endpoint.as_str());
    object.insert("resource", held.resource.as_str());
    object.insert("access", held.access.as_str());
    object.insert("expires_at", held.expires_at.0);
    if let Some(scopes) = &held.scopes {
        object.insert("scopes", scopes.to_string());
    }
    if let Some(refresh) = &held.refresh {
        object.insert("refresh", refresh.as_str());
    }
    seal_elsewhere(app, &place(whose, &held.client.issuer), &written(object)?).await
}

/// Opens them.
pub(super) async fn open(
    app: &Arc<App>,
    whose: &Whose,
    issuer: &str,
    sealed: &[u8],
) -> Result<Held, Failure> {
    let object = read(&open_elsewhere(app, &place(whose, issuer), sealed).await?)?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let need = |name: &str| text(name).ok_or_else(broken);
    Ok(Held {
        client: client_of(issuer, &object)?,
        token_endpoint: need("token_endpoint")?,
        resource: need("resource")?,
        scopes: text("scopes").and_then(|text| Scopes::parse(&text)),
        access: Zeroizing::new(need("access")?),
        expires_at: Timestamp(
            object
                .get("expires_at")
                .and_then(Value::as_i64)
                .ok_or_else(broken)?,
        ),
        refresh: text("refresh").map(Zeroizing::new),
    })
}

/// Seals who we are to an issuer.
pub(super) async fn seal_client(app: &Arc<App>, client: &Client) -> Result<Vec<u8>, Failure> {
    let place = format!("oauth-client/{}", client.issuer);
    seal_elsewhere(app, &place, &written(client_object(client))?).await
}

/// Opens it.
pub(super) async fn open_client(app: &Arc<App>, issuer: &str, sealed: &[u8]) -> Result<Client, Failure> {
    let object = read(&open_elsewhere(app, &format!("oauth-client/{issuer}"), sealed).await?)?;
    client_of(issuer, &object)
}

fn client_object(client: &Client) -> Object {
    let mut object = Object::new();
    object.insert("client_id", client.id.as_str());
    object.insert("method", client.auth.as_str());
    if let AuthMethod::Basic(secret) | AuthMethod::Post(secret) = &client.auth {
        object.insert("client_secret", secret.as_str());
    }
    object
}

fn client_of(issuer: &str, object: &Object) -> Result<Client, Failure> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let secret = || text("client_secret").map(Zeroizing::new).ok_or_else(broken);
    let auth = match text("method").as_deref() {
        Some("none") => AuthMethod::None,
        Some("client_secret_basic") => AuthMethod::Basic(secret()?),
        Some("client_secret_post") => AuthMethod::Post(secret()?),
        Some("private_key_jwt") => AuthMethod::PrivateKey,
        _ => return Err(broken()),
    };
    Ok(Client {
        issuer: issuer.to_owned(),
        id: text("client_id").ok_or_else(broken)?,
        auth,
    })
}

fn read(plain: &SecretString) -> Result<Object, Failure> {
    match parse(plain.expose_secret().as_bytes(), &Bounds::RESPONSE) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(broken()),
    }
}

fn broken() -> Failure {
    Failure::Unavailable("a kept login cannot be read: sign in again with `remit mcp login`".to_owned())
}
