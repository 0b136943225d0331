//! Sessions of people in browsers: a random cookie, stored as its digest, looked up live, dead at once when the person is.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use remit_core::digest::Digest;
use remit_core::json::Object;
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_identity::base64url;
use remit_store::handles::{self, Handle, Kind, State};

use crate::app::{App, Failure};
use crate::engine::record;
use crate::oauth;

/// What stands in front of every secret that is a person's: it can never be taken for a run's token.
pub(crate) const PREFIX: &str = "remit_person_";
/// How long a session lasts, in milliseconds.
const LIFE_MS: i64 = 12 * 60 * 60 * 1000;

/// A person at a browser.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Digest of the cookie.
    pub digest: Digest,
    /// Who.
    pub human: Name,
}

/// A fresh secret of a person, with the digest that is stored.
pub(crate) fn secret(app: &App) -> Result<(String, Digest), Failure> {
    let mut bytes = [0_u8; 32];
    app.entropy.fill(&mut bytes)?;
    let secret = format!("{PREFIX}{}", base64url(&bytes));
    let digest = Digest::of(secret.as_bytes());
    Ok((secret, digest))
}

/// The name of a cookie: with TLS it is bound to this host by its prefix (RFC 6265bis, 4.1.3.2).
pub(crate) fn cookie_name(app: &App, name: &str) -> String {
    if oauth::issuer(app).starts_with("https://") {
        format!("__Host-remit-{name}")
    } else {
        format!("remit-{name}")
    }
}

/// `Set-Cookie` of a cookie that scripts never see.
pub(crate) fn set_cookie(app: &App, name: &str, value: &str, seconds: i64) -> Result<HeaderValue, Failure> {
    let secure = if oauth::issuer(app).starts_with("https://") {
        "; Secure"
    } else {
        ""
    };
    let name = cookie_name(app, name);
    HeaderValue::from_str(&format!(
        "{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}"
    ))
    .map_err(Failure::unavailable)
}

/// The value of a cookie; one that stands twice is none.
pub(crate) fn cookie<'h>(app: &App, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let name = cookie_name(app, name);
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(key, value)| (key == name).then_some(value));
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

/// Who sits there; `None` when nobody is signed in.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be looked up.
pub(crate) async fn current(app: &Arc<App>, headers: &HeaderMap) -> Result<Option<Session>, Failure> {
    let Some(secret) = cookie(app, headers, "session").filter(|secret| secret.starts_with(PREFIX)) else {
        return Ok(None);
    };
    let digest = Digest::of(secret.as_bytes());
    let found = app
        .store
        .read(move |conn| Ok::<_, Failure>(handles::get(conn, Kind::Session, digest)?))
        .await?;
    let Some(handle) =
        found.filter(|handle| handle.state == State::Live && app.clock.now() < handle.expires_at)
    else {
        return Ok(None);
    };
    let human: Name = handle.owner.parse().map_err(Failure::unavailable)?;
    let active = app
        .world()
        .humans
        .get(&human)
        .is_some_and(|known| known.may_decide());
    Ok(active.then_some(Session { digest, human }))
}

/// Begins a session; `via` says how the person signed in. Answers the `Set-Cookie` value.
///
/// # Errors
/// [`Failure`] when it cannot be recorded.
pub(crate) async fn begin(app: &Arc<App>, human: &Name, via: Object) -> Result<HeaderValue, Failure> {
    let (secret, digest) = secret(app)?;
    let handle = new(app.clock.now(), digest, human, &via);
    let entry = record::by_human("human.sign_in", human, via);
    app.store
        .append(entry, move |tx| handles::add(tx, &handle))
        .await?;
    set_cookie(app, "session", &secret, LIFE_MS / 1000)
}

fn new(now: Timestamp, digest: Digest, human: &Name, via: &Object) -> Handle {
    Handle {
        digest,
        kind: Kind::Session,
        owner: human.to_string(),
        state: State::Live,
        expires_at: now.plus_ms(LIFE_MS),
        detail: via.clone(),
    }
}

/// Ends a session.
///
/// # Errors
/// [`Failure`] when it cannot be recorded.
pub(crate) async fn end(app: &Arc<App>, session: &Session) -> Result<(), Failure> {
    let entry = record::by_human("human.sign_out", &session.human, Object::new());
    let digest = session.digest;
    app.store
        .append_urgent(entry, move |tx| handles::revoke(tx, Kind::Session, digest))
        .await?;
    Ok(())
}
