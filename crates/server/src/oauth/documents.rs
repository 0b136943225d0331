//! Client metadata documents (draft-ietf-oauth-client-id-metadata-document; MCP 2026-07-28, authorization): the `client_id`
//! is the address of a document that says the same id. Fetched by the only dialler, for signed-in people alone, and kept
//! for a while.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_core::json::{self, Bounds, Nul, Numbers, Object, Value};
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_identity::KeySet;
use remit_upstream::{Endpoint, FetchBody, FetchRequest};

use super::client::{Client, Proves, agent_named};
use super::error::{Code, OauthError};
use super::redirect;
use crate::app::{App, Failure};
use crate::fetch::{Asker, fetch};

/// Longest document, in bytes.
const BYTES_MAX: usize = 64 * 1024;
/// Longest wait for one.
const WAIT: Duration = Duration::from_secs(5);
/// How long one is kept, in milliseconds.
const KEPT_MS: i64 = 10 * 60 * 1000;
/// How long it is remembered that one could not be had, in milliseconds.
const FAILED_MS: i64 = 30 * 1000;
/// Most documents kept.
const KEPT_MAX: usize = 256;
/// Most redirect addresses of one client.
const REDIRECTS_MAX: usize = 32;
/// Longest name of a client, in characters.
const NAME_MAX: usize = 80;

type Kept = (Timestamp, Result<Client, OauthError>);

/// Documents that were fetched.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<HashMap<String, Kept>>);

/// The client whose document lies at `id`.
///
/// # Errors
/// `invalid_client` when the address, the answer or the document is not what it must be.
pub(crate) async fn client(app: &Arc<App>, id: &str) -> Result<Client, OauthError> {
    if !app.config.oauth.client_documents {
        return Err(OauthError::client(
            "client metadata documents are not taken here: register the client under `[oauth.clients]`",
        ));
    }
    expect_address(id, app.config.oauth.allow_private)?;
    let now = app.clock.now();
    let kept = {
        let kept = app
            .oauth
            .documents
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.get(id).filter(|(until, _)| now < *until).cloned()
    };
    if let Some((_, found)) = kept {
        return found;
    }
    let found = read(app, id).await;
    let life = if found.is_ok() { KEPT_MS } else { FAILED_MS };
    let mut kept = app
        .oauth
        .documents
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_MAX {
        kept.retain(|_, (until, _)| now < *until);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
    }
    kept.insert(id.to_owned(), (now.plus_ms(life), found.clone()));
    found
}

/// An address with a path, without what could be read in two ways.
fn expect_address(id: &str, allow_private: bool) -> Result<(), OauthError> {
    let bad = |why: &str| {
        Err(OauthError::client(format!(
            "the client id is no address of a metadata document: {why}"
        )))
    };
    let Ok(endpoint) = Endpoint::parse(id) else {
        return bad("it cannot be read");
    };
    if !id.starts_with("https://") && !allow_private {
        return bad("it must be https");
    }
    if endpoint.path() == "/" || id.contains(['#', '?', '\\', '%']) {
        return bad("it needs a path, and no query, fragment or escapes");
    }
    if endpoint
        .path()
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return bad("it has dot segments");
    }
    // One spelling: what is fetched is what was said.
    if endpoint.to_string() != id {
        return bad("write host and port in their plain form");
    }
    Ok(())
}

async fn read(app: &Arc<App>, id: &str) -> Result<Client, OauthError> {
    let agent = agent_named(id)?;
    let document = json_at(app, id, &agent, "client metadata document").await?;
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    if text("client_id") != Some(id) {
        return Err(OauthError::client(
            "the document's `client_id` is not the address it lies at",
        ));
    }
    if document.contains_key("client_secret") {
        return Err(OauthError::client("a metadata document holds no secret"));
    }
    let redirect_uris = redirects(&document)?;
    let host = Endpoint::parse(id).ok().map(|endpoint| endpoint.origin());
    let shown = text("client_name").unwrap_or(id);
    Ok(Client {
        id: id.to_owned(),
        name: crate::approvals::card::escape(&shown.chars().take(NAME_MAX).collect::<String>()),
        host,
        redirect_uris,
        agent,
        template: None,
        set: BTreeMap::new(),
        initiator: None,
        introspects: false,
        proves: proves(&document, text("token_endpoint_auth_method"))?,
    })
}

fn redirects(document: &Object) -> Result<Vec<String>, OauthError> {
    let uris = document
        .get("redirect_uris")
        .and_then(Value::as_array)
        .filter(|uris| (1..=REDIRECTS_MAX).contains(&uris.len()))
        .ok_or_else(|| OauthError::client("the document has no `redirect_uris`, or too many"))?;
    uris.iter()
        .map(|uri| {
            let uri = uri.as_str().unwrap_or_default();
            redirect::acceptable(uri).map_err(OauthError::client)?;
            Ok(uri.to_owned())
        })
        .collect()
}

fn proves(document: &Object, method: Option<&str>) -> Result<Proves, OauthError> {
    match method {
        None | Some("none") => Ok(Proves::Nothing),
        Some("private_key_jwt") => match (document.get("jwks"), document.get("jwks_uri")) {
            (Some(jwks), None) => KeySet::parse(&jwks.to_canonical())
                .map(|keys| Proves::Keys(Box::new(keys)))
                .map_err(|bad| OauthError::client(bad.to_string())),
            (None, Some(Value::String(address))) => Ok(Proves::KeysAt(address.clone())),
            _ => Err(OauthError::client(
                "`private_key_jwt` needs either `jwks` or `jwks_uri`",
            )),
        },
        Some(_) => Err(OauthError::client(
            "a client with a metadata document uses `none` or `private_key_jwt`",
        )),
    }
}

/// The JSON object at an address somebody else named.
///
/// # Errors
/// `invalid_client` when there is none, `temporarily_unavailable` when it could not be asked for.
pub(crate) async fn json_at(
    app: &Arc<App>,
    url: &str,
    about: &Name,
    purpose: &'static str,
) -> Result<Object, OauthError> {
    let request = FetchRequest {
        url: url.to_owned(),
        body: FetchBody::Nothing,
        authorization: None,
        header: None,
        allow_private: app.config.oauth.allow_private,
        bytes_max: BYTES_MAX,
        timeout: WAIT,
    };
    let asker = Asker {
        about,
        task: None,
        purpose,
    };
    let fetched = fetch(app, asker, &request)
        .await
        .map_err(|failure| match failure {
            Failure::Invalid(_) => OauthError::client(format!("the {purpose} cannot be had: {failure}")),
            _ => OauthError::new(
                Code::InvalidClient,
                format!("the {purpose} at its address cannot be had: {failure}"),
            ),
        })?;
    if fetched.status != 200
        || !(fetched.media_type == "application/json" || fetched.media_type.ends_with("+json"))
    {
        return Err(OauthError::client(format!(
            "the {purpose} is not there: status {}, type `{}`",
            fetched.status,
            crate::approvals::card::escape(&fetched.media_type)
        )));
    }
    let bounds = Bounds {
        bytes_max: BYTES_MAX,
        depth_max: 16,
        nodes_max: 4096,
        numbers: Numbers::Verbatim,
        nul: Nul::Refused,
    };
    let value = json::parse(&fetched.body, &bounds).map_err(|error| {
        OauthError::client(format!("the {purpose} is not the JSON it should be: {error}"))
    })?;
    value
        .as_object()
        .cloned()
        .ok_or_else(|| OauthError::client(format!("the {purpose} is no JSON object")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_of_an_address_with_a_path() {
        assert!(expect_address("https://app.example/client.json", false).is_ok());
        assert!(expect_address("http://127.0.0.1:8080/client.json", true).is_ok());
        for bad in [
            "http://app.example/client.json",
            "https://app.example",
            "https://app.example/",
            "https://app.example/a/../client.json",
            "https://app.example/client.json?x=1",
            "https://app.example/client.json#x",
            "https://user@app.example/client.json",
            "https://APP.example/client.json",
            "https://app.example:443/client.json",
            "https://app.example./client.json",
            "https://app.example/%2e%2e/client.json",
            "ftp://app.example/client.json",
        ] {
            assert!(expect_address(bad, false).is_err(), "{bad}");
        }
    }
}
