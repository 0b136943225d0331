//! The authorization server: how a stock client, a workload or another system comes to a governed task, and to nothing
//! else. For our own audience it hands out opaque reference tokens of a task; tokens for others are decisions of their own.
//! `docs/adr/0007-oauth-and-sign-in.md`.

mod authorize;
mod client;
mod client_auth;
mod code;
mod consent;
mod documents;
mod dpop;
mod error;
mod form;
mod introspect;
mod jwks;
mod metadata;
pub(crate) mod redirect;
mod resource;
mod revoke;
mod router;
mod svid;
mod token;

use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderValue, header};
use axum::response::Response;
use remit_core::json::Object;
use remit_core::task::Ending;
use remit_gateway::ports::Connection;
use remit_store::handles::{self, Kind, State};

use crate::app::{App, Failure};
use crate::engine::record;

pub(crate) use error::OauthError;
pub(crate) use form::Form;
pub use router::router;

/// Refusals recorded in one minute; further ones are counted in the next record.
const REFUSALS_PER_MINUTE: u32 = 120;

/// What the endpoints keep in memory.
#[derive(Debug, Default)]
pub struct Oauth {
    documents: documents::Cache,
    refusals: Mutex<Refusals>,
}

#[derive(Debug, Default)]
struct Refusals {
    minute: i64,
    recorded: u32,
    silent: i64,
}

/// Our issuer URL, without a slash at the end.
pub(crate) fn issuer(app: &App) -> String {
    crate::issuer::issuer_url(app)
}

/// The connection a request came over.
fn connection(extensions: &axum::http::Extensions) -> Arc<Connection> {
    extensions.get::<Arc<Connection>>().cloned().unwrap_or_default()
}

/// Records that a request was refused; a flood of them is counted, so that nobody fills the ledger from outside.
pub(crate) async fn refused(
    app: &Arc<App>,
    endpoint: &'static str,
    client: Option<&str>,
    error: &OauthError,
) {
    let mut entry = record::of("oauth.refused");
    let mut detail = Object::new();
    detail.insert("endpoint", endpoint);
    detail.insert("error", error.code.as_str());
    detail.insert("message", error.message.as_str());
    if let Some(client) = client {
        detail.insert("client", client.chars().take(200).collect::<String>());
    }
    entry.detail = detail;
    record_bounded(app, entry).await;
}

/// Records something anybody can cause from outside, so many times a minute.
pub(crate) async fn record_bounded(app: &Arc<App>, mut entry: remit_ledger::record::Record) {
    let minute = app.clock.now().0.div_euclid(60_000);
    let silent = {
        let mut refusals = app.oauth.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if refusals.minute != minute {
            refusals.minute = minute;
            refusals.recorded = 0;
        }
        if refusals.recorded >= REFUSALS_PER_MINUTE {
            refusals.silent += 1;
            return;
        }
        refusals.recorded += 1;
        std::mem::take(&mut refusals.silent)
    };
    if silent > 0 {
        entry.detail.insert("more", silent);
    }
    if let Err(failure) = app.store.append(entry, |_| Ok(())).await {
        tracing::warn!(%failure, "a refusal could not be recorded");
    }
}

/// Forgets codes, refresh tokens, links and sessions that are over. A task whose code nobody redeemed ends with it: nobody
/// holds its token.
pub(crate) async fn forget(app: &Arc<App>) -> Result<usize, Failure> {
    const AT_ONCE: u32 = 64;
    let now = app.clock.now();
    let over = app
        .store
        .read(move |conn| Ok::<_, Failure>(handles::over(conn, now, AT_ONCE)?))
        .await?;
    if over.is_empty() {
        return Ok(0);
    }
    for handle in over
        .iter()
        .filter(|handle| handle.kind == Kind::Code && handle.state == State::Live)
    {
        let task = code::Bound::of(handle)?.task;
        let why = "its authorization code was never redeemed";
        crate::tasks::end::end(app, task, Ending::Cancelled, &app.me.clone(), why).await?;
    }
    let count = over.len();
    let mut entry = record::of("oauth.forget");
    entry
        .detail
        .insert("count", i64::try_from(count).unwrap_or(i64::MAX));
    app.store
        .append(entry, move |tx| {
            over.iter()
                .try_for_each(|handle| handles::forget(tx, handle.digest))
        })
        .await?;
    Ok(count)
}

/// Answers that hold secrets, or depend on who asks, are kept by nobody (RFC 6749, 5.1).
pub(crate) fn no_store(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
