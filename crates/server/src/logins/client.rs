//! Who we are to an issuer: configured by hand, described by a document, or registered once and kept.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use remit_core::entropy::Entropy;
use remit_core::json::{Object, Value};
use remit_credentials::oauth::{
    Assertion, AuthMethod, AuthorizationServer, Client, RegistrationRequest, registered,
};
use remit_identity::SigningKey;
use remit_upstream::{FetchBody, FetchRequest, Secret};
use zeroize::Zeroizing;

use super::discover::About;
use super::request::{ANSWER_BYTES_MAX, WAIT};
use super::sealed;
use crate::app::{App, Failure};
use crate::config::UpstreamOauth;
use crate::engine::record;
use crate::fetch::{Asker, fetch};

/// How long a client assertion is good, in seconds.
const ASSERTION_S: i64 = 60;

/// Where answers come back to.
pub(super) fn redirect_uri(app: &App) -> String {
    format!("{}/upstream/callback", *app.base_url.borrow())
}

/// Who we are to `server`.
pub(super) async fn client(
    app: &Arc<App>,
    about: About<'_>,
    server: &AuthorizationServer,
    oauth: &UpstreamOauth,
) -> Result<Client, Failure> {
    if let Some(id) = &oauth.client_id {
        if oauth.private_key_file.is_some() {
            return Ok(Client {
                issuer: server.issuer.clone(),
                id: id.clone(),
                auth: AuthMethod::PrivateKey,
            });
        }
        let secret = oauth.client_secret_file.as_deref().map(secret_of).transpose()?;
        return Ok(Client::of(server, id.clone(), secret, None));
    }
    if let Some(document) = oauth
        .client_metadata_url
        .as_ref()
        .filter(|_| server.client_id_metadata)
    {
        return Ok(Client {
            issuer: server.issuer.clone(),
            id: document.clone(),
            auth: AuthMethod::None,
        });
    }
    if !oauth.register {
        return Err(Failure::Conflict(format!(
            "issuer `{}` does not know us: set `client_id` in `[servers.{1}.oauth]` to a client registered there, or `register = true` to let Remit register itself",
            server.issuer, about.name
        )));
    }
    let redirect = redirect_uri(app);
    let (issuer, to) = (server.issuer.clone(), redirect.clone());
    let kept = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::logins::client(conn, &issuer, &to)?))
        .await?;
    match kept {
        Some(kept) => sealed::open_client(app, &server.issuer, &kept).await,
        None => register(app, about, server, redirect).await,
    }
}

async fn register(
    app: &Arc<App>,
    about: About<'_>,
    server: &AuthorizationServer,
    redirect_uri: String,
) -> Result<Client, Failure> {
    let url = server.registration_endpoint.clone().ok_or_else(|| {
        Failure::Conflict(format!(
            "issuer `{}` takes no registrations: set `client_id` in `[servers.{}.oauth]`",
            server.issuer, about.name
        ))
    })?;
    let document = RegistrationRequest {
        redirect_uri: &redirect_uri,
        server,
    }
    .document();
    let asker = Asker {
        about: about.name,
        task: about.task,
        purpose: "client registration",
    };
    let request = FetchRequest {
        url,
        body: FetchBody::Json(Secret::new(Value::Object(document).to_canonical().to_vec())),
        authorization: None,
        header: None,
        allow_private: about.allow_private,
        bytes_max: ANSWER_BYTES_MAX,
        timeout: WAIT,
    };
    let answer = fetch(app, asker, &request).await?;
    let client =
        registered(server, answer.status, &answer.body).map_err(|e| Failure::Conflict(e.to_string()))?;
    let sealed = sealed::seal_client(app, &client).await?;
    let mut entry = record::of("login.client");
    entry.detail.insert("server", about.name.as_str());
    entry.detail.insert("issuer", server.issuer.as_str());
    entry.detail.insert("client_id", client.id.as_str());
    let issuer = server.issuer.clone();
    app.store
        .append(entry, move |tx| {
            remit_store::logins::keep_client(tx, &issuer, &redirect_uri, &sealed)
        })
        .await?;
    Ok(client)
}

/// A signed assertion, where the client proves itself by a key.
pub(super) fn assertion(
    app: &App,
    client: &Client,
    oauth: &UpstreamOauth,
) -> Result<Option<Assertion>, Failure> {
    let AuthMethod::PrivateKey = client.auth else {
        return Ok(None);
    };
    let file = oauth.private_key_file.as_deref();
    let file =
        file.ok_or_else(|| Failure::invalid("the client proves itself by a key, and none is configured"))?;
    let pem = secret_of(file)?;
    let body: Zeroizing<String> =
        Zeroizing::new(pem.lines().filter(|line| !line.starts_with("-----")).collect());
    let bad = || {
        Failure::Invalid(format!(
            "`{}` holds no ES256 private key in PKCS #8 form",
            file.display()
        ))
    };
    let der = base64::engine::general_purpose::STANDARD
        .decode(body.as_bytes())
        .map_err(|_| bad())?;
    let key = SigningKey::from_pkcs8(&Zeroizing::new(der)).map_err(|_| bad())?;
    let mut id = [0_u8; 16];
    Entropy::fill(&*app.entropy, &mut id)?;
    let now = app.clock.now().0 / 1000;
    let mut claims = Object::new();
    claims.insert("iss", client.id.as_str());
    claims.insert("sub", client.id.as_str());
    claims.insert("aud", client.issuer.as_str());
    claims.insert("iat", now);
    claims.insert("exp", now + ASSERTION_S);
    claims.insert("jti", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id));
    let signed = key.sign(Some("JWT"), &claims).map_err(|_| bad())?;
    Ok(Some(Assertion(Zeroizing::new(signed))))
}

/// A secret in a file that nobody else can read.
fn secret_of(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let shown = path.display();
    let meta = fs::metadata(path).map_err(|e| Failure::Invalid(format!("cannot read `{shown}`: {e}")))?;
    if meta.mode() & 0o077 != 0 || meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(Failure::Invalid(format!(
            "`{shown}` holds a secret and can be read by others: `chmod 600` it"
        )));
    }
    let text =
        fs::read_to_string(path).map_err(|e| Failure::Invalid(format!("cannot read `{shown}`: {e}")))?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.trim().to_owned()))
}
