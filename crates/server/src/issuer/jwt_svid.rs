//! A JWT-SVID of a run for one audience.

use std::sync::Arc;

use remit_core::confinement::Proof;
use remit_core::json::Object;
use remit_identity::SpiffeId;

use super::decide::{Wish, decide};
use crate::app::{App, Failure};
use crate::engine::live::Live;

/// Decides, records and signs.
///
/// # Errors
/// [`Failure::Forbidden`] when it is denied; [`Failure::Unavailable`] when it cannot be recorded or signed.
pub async fn issue(
    app: &Arc<App>,
    live: &Arc<Live>,
    audience: &str,
    proof: Proof,
) -> Result<(SpiffeId, String), Failure> {
    let id = super::identity(app, live)?;
    let wish = Wish {
        what: "jwt-svid",
        audience: Some(audience),
        proof,
        life_ms: app.issuer.lives.token_ms,
    };
    let issued = decide(app, live, &wish).await?;
    let key = app.issuer.token_key(issued.at).ok_or_else(super::no_key)?;
    let task = Arc::clone(&live.snapshot().task);
    let more = Object::from_iter([
        ("iss", super::issuer_url(app)),
        ("jti", issued.decision.to_string()),
        ("txn", issued.decision.to_string()),
        ("agent", task.agent.to_string()),
        ("run", task.run.to_string()),
        ("task", task.id.to_string()),
        ("env", app.config.issuer.environment.clone()),
    ]);
    let svid = remit_identity::jwt_svid(&key, &id, audience, more, issued.at, issued.until)
        .map_err(Failure::unavailable)?;
    Ok((id, svid))
}
