//! Sign-in links for local people: made through control, which no run can reach; each opens one session, once, soon.

use std::sync::Arc;

use remit_core::json::Object;
use remit_core::name::Name;
use remit_store::handles::{self, Handle, Kind, State};

use super::session;
use crate::app::{App, Failure};
use crate::engine::record;
use crate::oauth;

/// How long a link can be used, in milliseconds.
const LIFE_MS: i64 = 5 * 60 * 1000;

/// Makes a link by which `human` signs in at a browser.
///
/// # Errors
/// [`Failure`] when people sign in through their provider, or the human may not act.
pub async fn create(app: &Arc<App>, human: &Name, by: &Name) -> Result<String, Failure> {
    if app.config.oidc.is_some() {
        return Err(Failure::Conflict(
            "people sign in through the provider of `[oidc]`: there are no links".to_owned(),
        ));
    }
    let known = app.world().humans.get(human).cloned();
    if !known.is_some_and(|known| known.may_decide()) {
        return Err(Failure::Forbidden(format!(
            "`{human}` is no active human here: see `remit human list`"
        )));
    }
    let (secret, digest) = session::secret(app)?;
    let handle = Handle {
        digest,
        kind: Kind::Link,
        owner: human.to_string(),
        state: State::Live,
        expires_at: app.clock.now().plus_ms(LIFE_MS),
        detail: Object::new(),
    };
    let mut detail = Object::new();
    detail.insert("human", human.as_str());
    app.store
        .append(record::by_human("human.sign_in_link", by, detail), move |tx| {
            handles::add(tx, &handle)
        })
        .await?;
    Ok(format!("{}/sign-in/link?token={secret}", oauth::issuer(app)))
}
