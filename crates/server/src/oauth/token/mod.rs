//! `/oauth/token` (RFC 6749, 3.2): one file per grant. What comes out for our own audience is an opaque token of a task.

mod assertion;
mod code;
mod credentials;
mod exchange;
mod hand_out;
mod refresh;
mod subject;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use remit_core::confinement::BoundKey;
use remit_core::digest::Digest;
use remit_core::task::Task;
use remit_core::time::Timestamp;
use remit_gateway::ports::Connection;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::client_auth::{self, Authenticated};
use super::dpop;
use super::error::{Code, OauthError};
use super::form::Form;
use super::resource::SCOPE;
use super::{no_store, refused};
use crate::app::App;

const CODE: &str = "authorization_code";
const REFRESH: &str = "refresh_token";
const CREDENTIALS: &str = "client_credentials";
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// `grant_types_supported`.
pub(super) const GRANTS: &[&str] = &[CODE, REFRESH, CREDENTIALS, ASSERTION, EXCHANGE];

/// What a grant is asked with.
struct Asking {
    form: Form,
    /// The client; of an exchange a run may ask by its token alone.
    authenticated: Option<Authenticated>,
    /// The key this request proved.
    dpop: Option<remit_identity::dpop::Proof>,
    connection: Arc<Connection>,
}

impl Asking {
    /// The client that asks.
    fn client(&self) -> Result<&Client, OauthError> {
        let authenticated = self.authenticated.as_ref();
        authenticated
            .map(|authenticated| &authenticated.client)
            .ok_or_else(|| OauthError::client("no client authenticates: `client_id` is missing"))
    }

    /// The thumbprint of the key this request proved.
    fn jkt(&self) -> Option<&str> {
        self.dpop.as_ref().map(|proof| proof.jkt.as_str())
    }

    /// The key a token of this request is bound to: the one that was proved for it, else the certificate of the connection
    /// (RFC 8705, 3).
    fn key(&self) -> Option<BoundKey> {
        match self.jkt() {
            Some(jkt) => Some(BoundKey::Jkt(jkt.into())),
            None => self
                .certificate_hash()
                .map(|hash| BoundKey::Certificate(hash.into())),
        }
    }

    /// The key a refresh token of this request is good with alone; a client that proves who it is each time needs none, and
    /// may change its key (RFC 9449, 5; RFC 8705, 4).
    fn refresh_key(&self) -> Option<String> {
        self.key()
            .filter(|_| !self.is_confidential())
            .map(|key| key.to_string())
    }

    /// The client proved who it is.
    fn is_confidential(&self) -> bool {
        let authenticated = self.authenticated.as_ref();
        authenticated.is_some_and(|authenticated| authenticated.confidential)
    }

    /// The thumbprint of the certificate this connection showed.
    fn certificate_hash(&self) -> Option<String> {
        let certificate = self.connection.certificates.first();
        certificate.map(|certificate| remit_identity::x509::thumbprint(certificate))
    }

    /// What this request used up: its client assertion and its DPoP proof.
    fn used(&self) -> Used {
        let assertion = self
            .authenticated
            .as_ref()
            .and_then(|authenticated| authenticated.used);
        let proof = self.dpop.as_ref().map(|proof| (proof.replay, proof.expires_at));
        assertion.into_iter().chain(proof).collect()
    }

    /// Records that both are used, where no other append does.
    async fn spend(&self, app: &Arc<App>) -> Result<(), OauthError> {
        let used = self.used();
        if used.is_empty() {
            return Ok(());
        }
        let mut entry = crate::engine::record::of("oauth.assertion");
        if let Some(authenticated) = &self.authenticated {
            entry.detail.insert("client", authenticated.client.id.as_str());
        }
        app.store
            .append(entry, move |tx| use_up(tx, &used))
            .await
            .map_err(|error| match crate::app::Failure::from(error) {
                crate::app::Failure::Conflict(_) if self.dpop.is_some() => OauthError::new(
                    Code::InvalidDpopProof,
                    "the DPoP proof, or the client assertion, was used before",
                ),
                crate::app::Failure::Conflict(_) => {
                    OauthError::client("the client assertion was used before")
                }
                other => other.into(),
            })?;
        Ok(())
    }
}

/// `POST /oauth/token`
pub(super) async fn issue(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let mut client = None;
    let issued = async {
        let form = Form::of_body(&parts.headers, body).await?;
        let grant = form
            .get("grant_type")
            .ok_or_else(|| OauthError::request("`grant_type` is missing"))?
            .to_owned();
        client = form.get("client_id").map(str::to_owned);
        let connection = super::connection(&parts.extensions);
        let dpop = dpop::proof(&app, &parts.headers, "/oauth/token")?;
        let by_run_alone = grant == EXCHANGE
            && !parts.headers.contains_key(axum::http::header::AUTHORIZATION)
            && form.get("client_id").is_none()
            && form.get("client_assertion").is_none();
        let authenticated = if by_run_alone {
            None
        } else {
            Some(client_auth::authenticate(&app, &parts.headers, &form, &connection).await?)
        };
        if let Some(authenticated) = &authenticated {
            client = Some(authenticated.client.id.clone());
        }
        let asking = Asking {
            form,
            authenticated,
            dpop,
            connection,
        };
        match grant.as_str() {
            CODE => code::redeem(&app, &asking).await,
            REFRESH => refresh::renew(&app, &asking).await,
            CREDENTIALS => credentials::open(&app, &asking).await,
            ASSERTION => assertion::open(&app, &asking).await,
            EXCHANGE => exchange::exchange(&app, &asking).await,
            _ => Err(OauthError::new(
                Code::UnsupportedGrantType,
                "this `grant_type` is not served here",
            )),
        }
    };
    let issued: Result<Map<String, Value>, OauthError> = issued.await;
    match issued {
        Ok(answer) => {
            let mut response = Json(answer).into_response();
            no_store(&mut response);
            response
        }
        Err(error) => {
            refused(&app, "token", client.as_deref(), &error).await;
            error.into_response()
        }
    }
}

/// The answer about a task's token (RFC 6749, 5.1), with the task beside it.
///
/// `expires_in` is when the client should come back, a fifth before the window closes: what has ended cannot be renewed.
fn answer(app: &App, task: &Task, token: &str, refresh: Option<&str>, bound: bool) -> Map<String, Value> {
    let left = task.expires_at.ms_since(app.clock.now()).max(0);
    let mut answer = Map::new();
    for (key, value) in [
        ("access_token", json!(token)),
        ("token_type", json!(if bound { "DPoP" } else { "Bearer" })),
        ("expires_in", json!(left / 1000 * 4 / 5)),
        ("scope", json!(SCOPE)),
        ("task", json!(task.id.to_string())),
        (
            "authorization_details",
            crate::control::plain(&remit_identity::authorization_details(&task.authority)),
        ),
    ] {
        answer.insert(key.to_owned(), value);
    }
    if let Some(refresh) = refresh {
        answer.insert("refresh_token".to_owned(), json!(refresh));
    }
    answer
}

/// Proofs and assertions that were used, to be remembered by the append that relies on them.
type Used = Vec<(Digest, Timestamp)>;

/// Remembers what was used in this transaction.
fn use_up(tx: &mut remit_store::Tx<'_>, used: &Used) -> Result<(), remit_store::ApplyError> {
    used.iter()
        .try_for_each(|(digest, until)| remit_store::handles::use_once(tx, *digest, *until))
}

/// The token of a task that was opened here: bound to the key of the request, where it proved one.
async fn bound_token(
    app: &Arc<App>,
    asking: &Asking,
    opened: &crate::tasks::open::Opened,
) -> Result<String, OauthError> {
    let Some(key) = asking.key() else {
        return Ok(opened.token.clone());
    };
    let shown = crate::attest::bind::Shown {
        key,
        identity: None,
        attestor: "token-endpoint".to_owned(),
        shared: true,
        own_client: asking.is_confidential(),
        // Nobody vouches for where it runs: it counts as shut in by nothing.
        remote: false,
        enrolment: None,
    };
    Ok(crate::attest::bind::bind(app, opened.task.run, shown).await?)
}
