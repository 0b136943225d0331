//! `POST /api/v1/attest` on the agents' listener: evidence and a key in, a token bound to that key out, for a task that was
//! opened for the agent and waits for its run (`remit task open --await-run`).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderValue, StatusCode, header};
use remit_core::confinement::BoundKey;
use remit_core::id::TaskId;
use remit_core::limits::JOSE_BYTES_MAX;
use remit_gateway::ports::Connection;
use remit_identity::dpop::{self, DpopError, Expected};
use remit_identity::x509;
use serde::Deserialize;
use serde_json::json;

use super::bind::{Shown, bind};
use super::evidence::{Evidence, check};
use crate::app::{App, Failure};
use crate::proofs::Seen;

/// Where it is.
pub const PATH: &str = "/api/v1/attest";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// `enrolment`, `token` (OIDC or JWT-SVID) or `x509-svid`.
    method: String,
    /// A name of `[attest.NAME]`, for all but enrolments.
    attestor: Option<String>,
    /// The enrolment, or the token.
    token: Option<String>,
    /// The task; the one that waits longest when absent.
    task: Option<String>,
}

/// `POST /api/v1/attest`
pub fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route(PATH, post(attest))
        .with_state(Arc::clone(app))
}

/// Why there is no token.
enum Refusal {
    Failure(Failure),
    Proof(DpopError),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

async fn attest(State(app): State<Arc<App>>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(value) => {
            let headers = [
                (header::CACHE_CONTROL, "no-store"),
                (header::CONTENT_TYPE, "application/json"),
            ];
            (headers, value.to_string()).into_response()
        }
        Err(refusal) => refuse(&app, &refusal),
    }
}

fn refuse(app: &App, refusal: &Refusal) -> Response {
    let (status, error, message) = match refusal {
        Refusal::Proof(error) => (
            StatusCode::UNAUTHORIZED,
            match error {
                DpopError::Nonce => "use_dpop_nonce",
                DpopError::Invalid(_) => "invalid_dpop_proof",
            },
            error.to_string(),
        ),
        Refusal::Failure(failure) => {
            let status = match failure {
                Failure::Invalid(_) => StatusCode::BAD_REQUEST,
                Failure::Forbidden(_) => StatusCode::UNAUTHORIZED,
                Failure::NotFound(_) => StatusCode::NOT_FOUND,
                Failure::Conflict(_) | Failure::NeedsReauth(_) => StatusCode::CONFLICT,
                Failure::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, failure.code(), failure.to_string())
        }
    };
    let body = json!({"error": error, "message": message}).to_string();
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let headers = response.headers_mut();
        let challenge = format!("DPoP error=\"{error}\"");
        let nonce = app.nonces.at(app.clock.now());
        for (name, value) in [("www-authenticate", challenge), ("dpop-nonce", nonce)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
    response
}

async fn answer(app: &Arc<App>, request: Request) -> Result<serde_json::Value, Refusal> {
    let (parts, body) = request.into_parts();
    let connection = parts
        .extensions
        .get::<Arc<Connection>>()
        .cloned()
        .unwrap_or_default();
    let bytes = axum::body::to_bytes(body, 2 * JOSE_BYTES_MAX)
        .await
        .map_err(|_| Failure::invalid("the request is longer than is read here"))?;
    let body = read(&bytes)?;
    let key = match body.method.as_str() {
        "x509-svid" => certificate(&connection)?,
        _ => proof(app, &parts, &connection)?,
    };
    let evidence = evidence(body.method.as_str(), &body, &connection)?;
    let attested = check(app, &evidence, &key.to_string()).await?;
    let task = body.task.as_deref().map(str::parse::<TaskId>);
    let task = task.transpose().map_err(Failure::invalid)?;
    let agent = attested.agent.to_string();
    let waiting = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::runs::awaiting(conn, &agent)?))
        .await?;
    let waiting = waiting
        .into_iter()
        .find(|stored| task.is_none_or(|task| stored.run.task == task))
        .ok_or_else(|| {
            Failure::NotFound(format!(
                "no task waits for a run of agent `{}`: `remit task open --agent {0} --await-run`",
                attested.agent
            ))
        })?;
    let shown = Shown {
        key,
        identity: Some(attested.identity),
        attestor: attested.attestor,
        shared: attested.shared,
        own_client: false,
        remote: !connection
            .remote
            .is_some_and(|remote| remote.ip().to_canonical().is_loopback()),
        enrolment: attested.enrolment,
    };
    let scheme = match &shown.key {
        BoundKey::Jkt(_) => "DPoP",
        BoundKey::Certificate(_) => "Bearer",
    };
    let token = bind(app, waiting.run.id, shown).await?;
    let over_tls = app.tls_url.borrow().clone().filter(|_| connection.tls);
    Ok(json!({
        "task": waiting.run.task.to_string(),
        "run": waiting.run.id.to_string(),
        "spiffe_id": waiting.run.spiffe_id(app.issuer.domain.as_str()),
        "token": token,
        "token_type": scheme,
        "mcp_url": format!("{}/mcp", over_tls.unwrap_or_else(|| app.base_url.borrow().clone())),
    }))
}

fn read(bytes: &Bytes) -> Result<Body, Failure> {
    // The strict parser first: what it refuses nobody reads in two ways.
    remit_core::json::parse(bytes, &remit_core::json::Bounds::REQUEST).map_err(Failure::invalid)?;
    serde_json::from_slice(bytes).map_err(Failure::invalid)
}

fn certificate(connection: &Connection) -> Result<BoundKey, Failure> {
    let leaf = connection
        .certificates
        .first()
        .ok_or_else(|| Failure::Forbidden("this connection showed no client certificate".to_owned()))?;
    Ok(BoundKey::Certificate(x509::thumbprint(leaf).into()))
}

/// The key a proof of possession names (RFC 9449, 4.3; there is no token yet).
fn proof(app: &App, parts: &http::request::Parts, connection: &Connection) -> Result<BoundKey, Refusal> {
    let mut proofs = parts.headers.get_all("dpop").iter();
    let (Some(proof), None) = (proofs.next().and_then(|value| value.to_str().ok()), proofs.next()) else {
        return Err(Failure::Forbidden(
            "send exactly one `DPoP` proof of the key the token shall be bound to".to_owned(),
        )
        .into());
    };
    let host = parts
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = if connection.tls { "https" } else { "http" };
    let now = app.clock.now();
    let url = format!("{kind}://{host}{PATH}");
    let expected = Expected {
        method: "POST",
        urls: &[&url],
        access_token: None,
    };
    let proved = dpop::verify(proof, &expected, None, now).map_err(Refusal::Proof)?;
    match app.replays.see(proved.replay, proved.expires_at, now) {
        Seen::First => {}
        Seen::Unknown => {
            dpop::verify(proof, &expected, Some(&app.nonces), now).map_err(Refusal::Proof)?;
        }
        Seen::Before => {
            return Err(Refusal::Proof(DpopError::Invalid(
                "it was used before".to_owned(),
            )));
        }
        Seen::Full => {
            return Err(Failure::unavailable("too many proofs are remembered: try again in a minute").into());
        }
    }
    Ok(BoundKey::Jkt(proved.jkt.into()))
}

fn evidence(method: &str, body: &Body, connection: &Connection) -> Result<Evidence, Failure> {
    let attestor = || {
        let name = body
            .attestor
            .as_deref()
            .ok_or_else(|| Failure::invalid("name the `attestor`"))?;
        name.parse().map_err(Failure::invalid)
    };
    let token = || {
        body.token
            .clone()
            .ok_or_else(|| Failure::invalid("give the `token`"))
    };
    match method {
        "enrolment" => Ok(Evidence::Enrolment(token()?)),
        "token" => Ok(Evidence::Token {
            attestor: attestor()?,
            token: token()?,
        }),
        "x509-svid" => Ok(Evidence::Certificate {
            attestor: attestor()?,
            chain: connection.certificates.clone(),
        }),
        other => Err(Failure::invalid(format!(
            "`{}` is no method: use `enrolment`, `token` or `x509-svid`",
            other
                .chars()
                .take(40)
                .flat_map(char::escape_debug)
                .collect::<String>()
        ))),
    }
}
