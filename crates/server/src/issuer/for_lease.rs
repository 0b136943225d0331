//! A token the broker presents for a run, to get a credential for its task. It never leaves the broker, and is signed only
//! for a lease that stands in the ledger.

use remit_core::json::Object;
use remit_core::lease::Lease;
use remit_core::limits::FOREIGN_TOKEN_MS_MAX;

use crate::app::{App, Failure};
use crate::engine::live::Live;

/// Signs a token of `live` for `audience`, with further claims. `lease` was recorded before.
///
/// # Errors
/// [`Failure::Unavailable`] when there is no key to sign with.
pub(crate) fn for_lease(
    app: &App,
    live: &Live,
    lease: &Lease,
    audience: &str,
    more: Object,
) -> Result<String, Failure> {
    let now = app.clock.now();
    let key = app.issuer.token_key(now).ok_or_else(super::no_key)?;
    let task = std::sync::Arc::clone(&live.snapshot().task);
    let life = app.issuer.lives.token_ms.min(FOREIGN_TOKEN_MS_MAX);
    let until = now.plus_ms(life).min(task.expires_at);
    let mut claims = more;
    claims.insert("iss", super::issuer_url(app));
    claims.insert("sub", super::identity(app, live)?.to_string());
    // A text, not a list: that is what relying parties of clouds compare.
    claims.insert("aud", audience);
    claims.insert("iat", now.0.div_euclid(1000));
    claims.insert("exp", until.0.div_euclid(1000));
    claims.insert("jti", lease.id.to_string());
    claims.insert("agent", task.agent.as_str());
    claims.insert("run", task.run.to_string());
    claims.insert("task", task.id.to_string());
    claims.insert("env", app.config.issuer.environment.as_str());
    key.sign(Some("JWT"), &claims).map_err(Failure::unavailable)
}
