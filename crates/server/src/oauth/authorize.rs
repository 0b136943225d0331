//! `/oauth/authorize` (RFC 6749, 4.1.1; RFC 7636; RFC 8707; RFC 9207): the way to the consent page, and from it back to the
//! client. Nothing is sent to an address that is not registered.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use remit_core::confinement::BoundKey;
use remit_core::digest::Digest;
use remit_core::id::TaskId;
use remit_core::json::Object;
use remit_core::name::Name;
use remit_identity::{base64url, base64url_decode, pkce};
use remit_store::handles::{self, Kind};
use serde::{Deserialize, Serialize};

use super::client::{self, Client};
use super::code::{Bound, CODE_MS};
use super::consent::{self, Choice};
use super::error::{Code, OauthError};
use super::form::Form;
use super::{issuer, redirect, refused, resource};
use crate::app::{App, Failure};
use crate::engine::record;
use crate::humans::session::{self, Session};
use crate::humans::{expect_own_page, page, see_other, sign_in_first};
use crate::seal::Sealer;
use crate::tasks::open;

/// Longest `state` and `scope`, in bytes.
const ECHO_BYTES_MAX: usize = 4096;
/// How long a consent page can be answered, in milliseconds.
const PAGE_MS: i64 = 60 * 60 * 1000;

/// A request that was checked; it travels in the page, sealed for the session that sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub client: String,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub challenge: String,
    pub resource: String,
    /// The key that the code will be redeemed with, where the client said so (RFC 9449, 10).
    pub key: Option<String>,
    /// When the page was made: an answer much later is not taken.
    pub at_ms: i64,
    /// What makes this page one of its kind.
    pub nonce: String,
}

/// `GET /oauth/authorize`
pub(super) async fn show(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let shown = async {
        // Before anything is fetched for anybody: who sits there.
        let Some(session) = session::current(&app, &parts.headers).await? else {
            return sign_in_first(&app, &format!("/oauth/authorize?{query}"));
        };
        let form = match Form::of_query(query) {
            Ok(form) => form,
            Err(bad) => return Ok(refuse(&app, None, &bad.into()).await),
        };
        let client = match known(&app, &form).await {
            Ok(client) => client,
            Err(error) => return Ok(refuse(&app, form.get("client_id"), &error).await),
        };
        match asked(&app, &form, &client) {
            Ok(asked) => consent::show(&app, &session, &client, &asked, &Choice::first(&client), None).await,
            Err(error) => {
                refused(&app, "authorize", Some(&client.id), &error).await;
                let uri = form.get("redirect_uri").unwrap_or_default();
                back(
                    &app,
                    uri,
                    form.get("state"),
                    &[
                        ("error", error.code.as_str()),
                        ("error_description", &error.description()),
                    ],
                )
            }
        }
    };
    shown
        .await
        .unwrap_or_else(|failure| crate::humans::failed(&failure))
}

/// The client, if the address that the answer would go to is its own.
async fn known(app: &Arc<App>, form: &Form) -> Result<Client, OauthError> {
    let id = form
        .get("client_id")
        .ok_or_else(|| OauthError::request("`client_id` is missing"))?;
    let client = client::find(app, id).await?;
    let uri = form
        .get("redirect_uri")
        .ok_or_else(|| OauthError::request("`redirect_uri` is missing"))?;
    client.expect_redirect(uri)?;
    Ok(client)
}

fn asked(app: &App, form: &Form, client: &Client) -> Result<Asked, OauthError> {
    if form.get("response_type") != Some("code") {
        return Err(OauthError::new(
            Code::UnsupportedResponseType,
            "only `response_type=code` is served here",
        ));
    }
    if form.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OauthError::request("only `response_mode=query` is served here"));
    }
    if form.get("request").is_some() || form.get("request_uri").is_some() {
        return Err(OauthError::request(
            "request objects are not served here: send plain parameters",
        ));
    }
    if form.get("prompt") == Some("none") {
        return Err(OauthError::new(
            Code::AccessDenied,
            "a person opens each task here: `prompt=none` cannot be answered",
        ));
    }
    if form.get("code_challenge_method") != Some(pkce::METHOD) {
        return Err(OauthError::request(
            "PKCE with `code_challenge_method=S256` is required",
        ));
    }
    let challenge = form.get("code_challenge").filter(|text| pkce::is_challenge(text));
    let challenge = challenge.ok_or_else(|| {
        OauthError::request("`code_challenge` is missing or is not the base64url of a SHA-256")
    })?;
    let wanted = form.get("resource").ok_or_else(|| {
        OauthError::new(
            Code::InvalidTarget,
            "`resource` is missing: name the MCP endpoint the token is for (RFC 8707)",
        )
    })?;
    if !resource::is_ours(app, wanted) {
        return Err(OauthError::new(
            Code::InvalidTarget,
            format!("`resource` must be {}/mcp, or one server below it", issuer(app)),
        ));
    }
    if [form.get("state"), form.get("scope")]
        .iter()
        .flatten()
        .any(|text| text.len() > ECHO_BYTES_MAX)
    {
        return Err(OauthError::request("`state` or `scope` is too long"));
    }
    let key = form.get("dpop_jkt").map(|jkt| format!("jkt:{jkt}"));
    if key.as_deref().is_some_and(|key| BoundKey::parse(key).is_none()) {
        return Err(OauthError::request(
            "`dpop_jkt` is not the thumbprint of a key (RFC 7638, base64url of a SHA-256)",
        ));
    }
    let mut nonce = [0_u8; 16];
    app.entropy
        .fill(&mut nonce)
        .map_err(|error| OauthError::new(Code::ServerError, error.to_string()))?;
    Ok(Asked {
        client: client.id.clone(),
        redirect_uri: form.get("redirect_uri").unwrap_or_default().to_owned(),
        state: form.get("state").map(str::to_owned),
        challenge: challenge.to_owned(),
        resource: wanted.trim_end_matches('/').to_owned(),
        key,
        at_ms: app.clock.now().0,
        nonce: base64url(&nonce),
    })
}

/// A refusal the client must not get: shown to the person.
async fn refuse(app: &Arc<App>, client: Option<&str>, error: &OauthError) -> Response<Body> {
    refused(app, "authorize", client, error).await;
    page::message(
        StatusCode::BAD_REQUEST,
        "This request cannot be trusted",
        &format!(
            "{}. Nothing was sent back to the application; start again from there, or tell whoever made it.",
            error.message
        ),
    )
}

/// Back to the client, with `iss` (RFC 9207) and the client's `state`.
fn back(
    app: &App,
    uri: &str,
    state: Option<&str>,
    parameters: &[(&str, &str)],
) -> Result<Response<Body>, Failure> {
    let issuer = issuer(app);
    let mut all = parameters.to_vec();
    all.push(("iss", &issuer));
    all.extend(state.map(|state| ("state", state)));
    see_other(&redirect::with(uri, &all))
}

/// Seals a request for the one session that is shown it.
pub(super) fn sealed(app: &App, session: &Session, asked: &Asked) -> Result<String, Failure> {
    let json = serde_json::to_vec(asked).map_err(Failure::unavailable)?;
    let sealed = sealer(app)?.seal(&place(session), &json, &*app.entropy)?;
    Ok(base64url(&sealed))
}

fn sealer(app: &App) -> Result<Sealer, Failure> {
    Ok(Sealer::new(&app.keys.state.derive("consent"))?)
}

fn place(session: &Session) -> String {
    format!("consent shown to {}", session.digest)
}

fn opened(app: &App, session: &Session, form: &Form) -> Result<Asked, Failure> {
    let stale = || {
        Failure::Forbidden(
            "this page was not made for you, or is too old: start again from the application".to_owned(),
        )
    };
    let sealed = form.get("request").and_then(base64url_decode).ok_or_else(stale)?;
    let json = sealer(app)?.open(&place(session), &sealed).map_err(|_| stale())?;
    let asked: Asked = serde_json::from_slice(&json).map_err(|_| stale())?;
    let age = app.clock.now().0 - asked.at_ms;
    if !(0..=PAGE_MS).contains(&age) {
        return Err(stale());
    }
    Ok(asked)
}

/// `POST /oauth/authorize`: the person looked again, refused, or opens the task.
pub(super) async fn answer(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let answered = async {
        expect_own_page(&parts.headers)?;
        let form = Form::of_body(&parts.headers, body)
            .await
            .map_err(Failure::invalid)?;
        let session = session::current(&app, &parts.headers).await?.ok_or_else(|| {
            Failure::Forbidden("you are not signed in any more: start again from the application".to_owned())
        })?;
        let asked = opened(&app, &session, &form)?;
        let client = client::find(&app, &asked.client)
            .await
            .map_err(|error| Failure::Forbidden(error.message))?;
        client
            .expect_redirect(&asked.redirect_uri)
            .map_err(|error| Failure::Forbidden(error.message))?;
        match form.get("action") {
            Some("refuse") => deny(&app, &session, &client, &asked).await,
            Some("open") => grant(&app, &session, &client, &asked, &Choice::of(&form)).await,
            _ => consent::show(&app, &session, &client, &asked, &Choice::of(&form), None).await,
        }
    };
    answered
        .await
        .unwrap_or_else(|failure| crate::humans::failed(&failure))
}

async fn deny(
    app: &Arc<App>,
    session: &Session,
    client: &Client,
    asked: &Asked,
) -> Result<Response<Body>, Failure> {
    let detail = Object::from_iter([
        ("client", client.id.as_str()),
        ("redirect_uri", &asked.redirect_uri),
    ]);
    app.store
        .append(record::by_human("oauth.denied", &session.human, detail), |_| {
            Ok(())
        })
        .await?;
    back(
        app,
        &asked.redirect_uri,
        asked.state.as_deref(),
        &[
            ("error", Code::AccessDenied.as_str()),
            ("error_description", "the person refused to open a task"),
        ],
    )
}

async fn grant(
    app: &Arc<App>,
    session: &Session,
    client: &Client,
    asked: &Asked,
    choice: &Choice,
) -> Result<Response<Body>, Failure> {
    let offer = consent::offer(app, session, client, asked, choice).await;
    let shown = offer
        .as_ref()
        .is_ok_and(|offer| choice.shown.as_deref() == Some(&offer.digest.to_string()));
    let notice = if choice.goal.is_empty() {
        "say in one sentence what shall be reached"
    } else if !shown {
        "what it allows has changed since it was shown: look again, then open the task"
    } else {
        ""
    };
    let offer = match offer {
        Ok(offer) if notice.is_empty() => offer,
        _ => {
            let notice = Some(notice).filter(|notice| !notice.is_empty());
            return consent::show(app, session, client, asked, choice, notice).await;
        }
    };
    consent::register_agent(app, session, client).await?;
    let mut detail = Object::from_iter([
        ("client", client.id.as_str()),
        ("redirect_uri", &asked.redirect_uri),
    ]);
    detail.insert("resource", asked.resource.as_str());
    detail.insert("shown", offer.digest.to_string());
    let (page, until) = (
        Digest::of(asked.nonce.as_bytes()),
        app.clock.now().plus_ms(PAGE_MS),
    );
    let once = app
        .store
        .append(
            record::by_human("oauth.consent", &session.human, detail),
            move |tx| handles::use_once(tx, page, until),
        )
        .await;
    if let Err(error) = once {
        return Err(match Failure::from(error) {
            Failure::Conflict(_) => {
                Failure::Conflict("this page was answered already: go back to the application".to_owned())
            }
            other => other,
        });
    }
    let opened = open::open(app, offer.new, &session.human).await?;
    let code = issue(app, client, asked, opened.task.id, offer.ttl_ms, &session.human).await?;
    back(
        app,
        &asked.redirect_uri,
        asked.state.as_deref(),
        &[("code", &code)],
    )
}

async fn issue(
    app: &Arc<App>,
    client: &Client,
    asked: &Asked,
    task: TaskId,
    ttl_ms: i64,
    human: &Name,
) -> Result<String, Failure> {
    let bound = Bound {
        client: client.id.clone(),
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge.clone(),
        resource: asked.resource.clone(),
        task,
        ttl_ms,
        key: asked.key.clone(),
    };
    let (code, handle) = bound.fresh(app, Kind::Code, app.clock.now().plus_ms(CODE_MS))?;
    let detail = Object::from_iter([("client", client.id.as_str())]);
    let mut entry = record::by_human("oauth.code", human, detail);
    entry.task = Some(task.to_string());
    app.store
        .append(entry, move |tx| handles::add(tx, &handle))
        .await?;
    Ok(code)
}
