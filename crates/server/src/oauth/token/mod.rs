//! `/oauth/token` (RFC 6749, 3.2): one file per grant. What comes out for our own audience is an opaque token of a task.

mod code;
mod credentials;
mod refresh;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use remit_core::task::Task;
use remit_core::time::Timestamp;
use serde_json::{Map, Value, json};

use super::client_auth::{self, Authenticated};
use super::error::{Code, OauthError};
use super::form::Form;
use super::resource::SCOPE;
use super::{no_store, refused};
use crate::app::App;

const CODE: &str = "authorization_code";
const REFRESH: &str = "refresh_token";
const CREDENTIALS: &str = "client_credentials";

/// `grant_types_supported`.
pub(super) const GRANTS: &[&str] = &[CODE, REFRESH, CREDENTIALS];

/// What a grant is asked with.
struct Asking {
    form: Form,
    authenticated: Authenticated,
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
        let authenticated = client_auth::authenticate(&app, &parts.headers, &form).await?;
        client = Some(authenticated.client.id.clone());
        let asking = Asking { form, authenticated };
        match grant.as_str() {
            CODE => code::redeem(&app, &asking).await,
            REFRESH => refresh::renew(&app, &asking).await,
            CREDENTIALS => credentials::open(&app, &asking).await,
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
fn answer(app: &App, task: &Task, token: &str, refresh: Option<&str>) -> Map<String, Value> {
    let left = task.expires_at.ms_since(app.clock.now()).max(0);
    let mut answer = Map::new();
    for (key, value) in [
        ("access_token", json!(token)),
        ("token_type", json!("Bearer")),
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

/// A proof or assertion that was used, to be remembered by the append that uses it.
type Used = Option<(remit_core::digest::Digest, Timestamp)>;

/// Remembers what was used in this transaction.
fn use_up(tx: &mut remit_store::Tx<'_>, used: Used) -> Result<(), remit_store::ApplyError> {
    used.map_or(Ok(()), |(digest, until)| {
        remit_store::handles::use_once(tx, digest, until)
    })
}
