//! Client authentication (RFC 6749, 2.3; RFC 7523; draft-ietf-oauth-spiffe-client-auth): one way per request, and the way
//! the client is registered with.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remit_core::digest::Digest;
use remit_core::time::Timestamp;
use remit_gateway::ports::Connection;
use remit_identity::{AssertionPolicy, JWT_BEARER, KeySet, client_assertion};

use super::client::{self, Client, Proves};
use super::error::OauthError;
use super::form::Form;
use super::{documents, issuer, svid};
use crate::app::{App, Failure};
use crate::engine::record;
use crate::tasks::token::same;

/// A client that said who it is, and proved it where it must.
#[derive(Debug)]
pub(crate) struct Authenticated {
    pub client: Client,
    /// It proved itself by something only it has.
    pub confidential: bool,
    /// The assertion that was used: good once.
    pub used: Option<(Digest, Timestamp)>,
}

/// Records that the assertion of a request is used, where no other append does.
///
/// # Errors
/// `invalid_client` when it was used before.
pub(crate) async fn spend(app: &Arc<App>, authenticated: &Authenticated) -> Result<(), OauthError> {
    let Some((digest, until)) = authenticated.used else {
        return Ok(());
    };
    let mut entry = record::of("oauth.assertion");
    entry.detail.insert("client", authenticated.client.id.as_str());
    app.store
        .append(entry, move |tx| remit_store::handles::use_once(tx, digest, until))
        .await
        .map_err(|error| match Failure::from(error) {
            Failure::Conflict(_) => OauthError::client("the client assertion was used before"),
            other => other.into(),
        })?;
    Ok(())
}

/// What a request shows.
struct Shown<'r> {
    id: Option<String>,
    secret: Option<String>,
    assertion: Option<(&'r str, &'r str)>,
}

/// Authenticates the client of a request to a token, introspection or revocation endpoint.
///
/// # Errors
/// `invalid_client`, or `invalid_request` when it shows two things at once.
pub(crate) async fn authenticate(
    app: &Arc<App>,
    headers: &HeaderMap,
    form: &Form,
    connection: &Connection,
) -> Result<Authenticated, OauthError> {
    let shown = shown(headers, form)?;
    let id = match (&shown.id, shown.assertion) {
        // An SVID says who it is; which client that makes is registered here.
        (Some(id), None) if id.starts_with("spiffe://") => svid::client_of(app, id)?,
        (Some(id), _) => id.clone(),
        (None, Some((svid::JWT_SPIFFE, assertion))) => svid::client_of(app, &subject(assertion)?)?,
        // RFC 7523, 3: the subject names the client.
        (None, Some((_, assertion))) => subject(assertion)?,
        (None, None) => {
            return Err(OauthError::client(
                "no client authenticates: `client_id` is missing",
            ));
        }
    };
    let client = client::find(app, &id).await?;
    let mut used = None;
    match &client.proves {
        Proves::Nothing => {
            if shown.secret.is_some() || shown.assertion.is_some() {
                return Err(OauthError::client(
                    "this client is a public one: it authenticates by nothing but PKCE",
                ));
            }
        }
        Proves::Keys(keys) => used = Some(assertion(app, &shown, &client, keys)?),
        Proves::KeysAt(address) => {
            let document = documents::json_at(app, address, &client.agent, "client key set").await?;
            let keys = KeySet::parse(&remit_core::json::Value::Object(document).to_canonical())
                .map_err(|bad| OauthError::client(bad.to_string()))?;
            used = Some(assertion(app, &shown, &client, &keys)?);
        }
        Proves::Svid(registered) => match shown.assertion {
            Some((svid::JWT_SPIFFE, token)) => svid::by_token(app, registered, token).await?,
            None if shown.secret.is_none() => {
                let named = shown.id.as_deref().filter(|id| id.starts_with("spiffe://"));
                svid::by_certificate(app, registered, named, connection).await?;
            }
            _ => return Err(OauthError::client("this client authenticates by its SVID")),
        },
        Proves::Secret(reference) => {
            let presented = shown
                .secret
                .as_deref()
                .ok_or_else(|| OauthError::client("this client authenticates by its secret"))?;
            let known = crate::config::secret::read(reference).map_err(OauthError::client)?;
            // Digests first: neither length nor content shows in the time it takes.
            let (presented, known) = (Digest::of(presented.as_bytes()), Digest::of(known.as_bytes()));
            if !same(presented.as_bytes(), known.as_bytes()) {
                return Err(OauthError::client("the client secret is wrong"));
            }
        }
    }
    Ok(Authenticated {
        confidential: !matches!(client.proves, Proves::Nothing),
        client,
        used,
    })
}

fn shown<'r>(headers: &HeaderMap, form: &'r Form) -> Result<Shown<'r>, OauthError> {
    let basic = basic(headers)?;
    let assertion = match (form.get("client_assertion_type"), form.get("client_assertion")) {
        (None, None) => None,
        (Some(kind @ (JWT_BEARER | svid::JWT_SPIFFE)), Some(assertion)) => Some((kind, assertion)),
        _ => {
            return Err(OauthError::client(
                "`client_assertion` and a `client_assertion_type` taken here go together",
            ));
        }
    };
    let in_form = form.get("client_secret");
    if usize::from(basic.is_some()) + usize::from(in_form.is_some()) + usize::from(assertion.is_some()) > 1 {
        return Err(OauthError::request(
            "a client authenticates in one way at a time (RFC 6749, 2.3)",
        ));
    }
    let (id, secret) = match basic {
        Some((id, secret)) => {
            if form.get("client_id").is_some_and(|other| other != id) {
                return Err(OauthError::request(
                    "`client_id` and the `Authorization` header differ",
                ));
            }
            (Some(id), Some(secret))
        }
        None => (
            form.get("client_id").map(str::to_owned),
            in_form.map(str::to_owned),
        ),
    };
    Ok(Shown {
        id,
        secret,
        assertion,
    })
}

/// `client_secret_basic`: both parts are form-encoded first (RFC 6749, 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, OauthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let bad =
        || OauthError::client("the `Authorization` header is not `Basic` with a client id and a secret");
    if values.next().is_some() {
        return Err(bad());
    }
    let (scheme, encoded) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(bad)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(bad());
    }
    let plain = STANDARD.decode(encoded.trim()).map_err(|_| bad())?;
    let plain = String::from_utf8(plain).map_err(|_| bad())?;
    let (id, secret) = plain.split_once(':').ok_or_else(bad)?;
    Ok(Some((decoded(id), decoded(secret))))
}

fn decoded(text: &str) -> String {
    let query = format!("x={}", text.replace('&', "%26").replace('=', "%3D"));
    form_urlencoded::parse(query.as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

fn subject(assertion: &str) -> Result<String, OauthError> {
    // Read before it is verified, to know whose keys verify it; nothing else of it counts yet.
    claims(assertion)?
        .get("sub")
        .and_then(remit_core::json::Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| OauthError::client("the client assertion names no client"))
}

/// What a token says about itself, before anything of it was verified.
///
/// # Errors
/// `invalid_client` when it is none that could be.
pub(super) fn claims(assertion: &str) -> Result<remit_core::json::Value, OauthError> {
    let bad = || OauthError::client("the client assertion cannot be read");
    if assertion.len() > remit_core::limits::JOSE_BYTES_MAX {
        return Err(bad());
    }
    let payload = assertion.split('.').nth(1).ok_or_else(bad)?;
    let bytes = remit_identity::base64url_decode(payload).ok_or_else(bad)?;
    let bounds = remit_core::json::Bounds {
        bytes_max: remit_core::limits::JOSE_BYTES_MAX,
        depth_max: remit_core::limits::JOSE_DEPTH_MAX,
        nodes_max: remit_core::limits::JOSE_NODES_MAX,
        numbers: remit_core::json::Numbers::Verbatim,
        nul: remit_core::json::Nul::Refused,
    };
    remit_core::json::parse(&bytes, &bounds).map_err(|_| bad())
}

fn assertion(
    app: &App,
    shown: &Shown<'_>,
    client: &Client,
    keys: &KeySet,
) -> Result<(Digest, Timestamp), OauthError> {
    let Some((JWT_BEARER, token)) = shown.assertion else {
        return Err(OauthError::client(
            "this client authenticates by `private_key_jwt`",
        ));
    };
    let issuer = issuer(app);
    let endpoint = format!("{issuer}/oauth/token");
    let policy = AssertionPolicy {
        audiences: &[&issuer, &endpoint],
        client_id: &client.id,
    };
    let proved = client_assertion(token, keys, &policy, app.clock.now())
        .map_err(|error| OauthError::client(error.to_string()))?;
    Ok((proved.replay, proved.expires_at))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded_inside() {
        let mut headers = HeaderMap::new();
        let encoded = STANDARD.encode("a%3Ab+c:p%26w%3d");
        headers.insert(
            header::AUTHORIZATION,
            HeaderValue::from_str(&format!("Basic {encoded}")).unwrap(),
        );
        assert_eq!(
            basic(&headers).unwrap(),
            Some(("a:b c".to_owned(), "p&w=".to_owned()))
        );
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Basic eDp5"));
        assert!(basic(&headers).is_err());
    }

    #[test]
    fn two_ways_at_once_are_refused() {
        let form = Form::of_query(
            "client_id=x&client_secret=y&client_assertion=z&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
        )
        .unwrap();
        assert!(shown(&HeaderMap::new(), &form).is_err());
    }
}
