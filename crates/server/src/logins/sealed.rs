//! What of a login is at rest: sealed under a key of its own, bound to whose it is and to its issuer (SEP-2352).

use remit_core::json::{Bounds, Object, Value, parse};
use remit_core::time::Timestamp;
use remit_credentials::oauth::{AuthMethod, Client, Scopes};
use zeroize::Zeroizing;

use super::Whose;
use super::slot::Held;
use crate::app::{App, Failure};
use crate::seal::Sealer;

fn sealer(app: &App) -> Result<Sealer, Failure> {
    Ok(Sealer::new(&app.keys.seal.derive("logins at upstream servers"))?)
}

fn place(whose: &Whose, issuer: &str) -> String {
    format!("login of {} to {} by {issuer}", whose.owner, whose.server)
}

/// Seals tokens.
pub(super) fn seal(app: &App, whose: &Whose, held: &Held) -> Result<Vec<u8>, Failure> {
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
    let plain = Zeroizing::new(Value::Object(object).to_canonical().to_vec());
    Ok(sealer(app)?.seal(&place(whose, &held.client.issuer), &plain, &*app.entropy)?)
}

/// Opens them.
pub(super) fn open(app: &App, whose: &Whose, issuer: &str, sealed: &[u8]) -> Result<Held, Failure> {
    let object = read(&sealer(app)?.open(&place(whose, issuer), sealed)?)?;
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
pub(super) fn seal_client(app: &App, client: &Client) -> Result<Vec<u8>, Failure> {
    let plain = Zeroizing::new(Value::Object(client_object(client)).to_canonical().to_vec());
    Ok(sealer(app)?.seal(&format!("client of {}", client.issuer), &plain, &*app.entropy)?)
}

/// Opens it.
pub(super) fn open_client(app: &App, issuer: &str, sealed: &[u8]) -> Result<Client, Failure> {
    let object = read(&sealer(app)?.open(&format!("client of {issuer}"), sealed)?)?;
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

fn read(plain: &[u8]) -> Result<Object, Failure> {
    match parse(plain, &Bounds::RESPONSE) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(broken()),
    }
}

fn broken() -> Failure {
    Failure::Unavailable("a kept login cannot be read: sign in again with `remit mcp login`".to_owned())
}
