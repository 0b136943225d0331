//! An access token of a run for another audience (RFC 9068 with `act`, `authorization_details`, `cnf`, `txn` and mission).

use std::sync::Arc;

use remit_core::confinement::{BoundKey, Proof};
use remit_core::time::Timestamp;
use remit_identity::{AccessToken, Actor, Confirmation, Mission, authorization_details};

use super::decide::{Wish, decide};
use crate::app::{App, Failure};
use crate::engine::live::Live;

/// A token that was issued.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub token: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The decision that issued it: its `jti` and `txn`.
    pub decision: remit_core::id::DecisionId,
}

/// Decides, records and signs a token of `live` for `audience`. It carries the run's key, where it is bound to one.
///
/// # Errors
/// [`Failure::Forbidden`] when it is denied; [`Failure::Unavailable`] when it cannot be recorded or signed.
pub async fn issue(
    app: &Arc<App>,
    live: &Arc<Live>,
    audience: &str,
    scope: Option<&str>,
    proof: Proof,
) -> Result<Token, Failure> {
    let id = super::identity(app, live)?;
    let wish = Wish {
        what: "access-token",
        audience: Some(audience),
        proof,
        life_ms: app.issuer.lives.token_ms,
    };
    let issued = decide(app, live, &wish).await?;
    let key = app.issuer.token_key(issued.at).ok_or_else(super::no_key)?;
    let task = Arc::clone(&live.snapshot().task);
    let issuer = super::issuer_url(app);
    let claims = AccessToken {
        issuer: issuer.clone(),
        audience: audience.to_owned(),
        subject: task.initiator.to_string(),
        client_id: format!("agent:{}", task.agent),
        actor: Actor {
            issuer: app.issuer.domain.id(),
            subject: id.to_string(),
            behalf: behalf(app, task.parent).await?,
        },
        confirmation: live.standing().key.as_ref().map(|key| match key {
            BoundKey::Jkt(jkt) => Confirmation::Jkt(jkt.to_string()),
            BoundKey::Certificate(hash) => Confirmation::X5t(hash.to_string()),
        }),
        transaction: issued.decision.to_string(),
        id: issued.decision.to_string(),
        scope: scope.map(str::to_owned),
        mission: Mission {
            id: task.id.to_string(),
            issuer,
        },
        details: authorization_details(&task.authority),
        agent: task.agent.to_string(),
        run: task.run.to_string(),
        environment: app.config.issuer.environment.clone(),
        issued_at: issued.at,
        expires_at: issued.until,
    };
    let token = key
        .sign(Some(AccessToken::TYP), &claims.claims())
        .map_err(Failure::unavailable)?;
    Ok(Token {
        token,
        expires_at: issued.until,
        decision: issued.decision,
    })
}

/// The runs above this one, nearest first: who handed the work on.
async fn behalf(
    app: &Arc<App>,
    parent: Option<remit_core::id::TaskId>,
) -> Result<Option<Box<Actor>>, Failure> {
    let Some(parent) = parent else { return Ok(None) };
    let chain = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::tasks::chain(conn, parent)?))
        .await?;
    let mut behalf = None;
    // The chain comes nearest first; the innermost actor is the farthest.
    for stored in chain.iter().rev() {
        let task = &stored.task;
        let id = remit_identity::SpiffeId::of_run(&app.issuer.domain, &task.agent, task.run)
            .map_err(Failure::unavailable)?;
        behalf = Some(Box::new(Actor {
            issuer: app.issuer.domain.id(),
            subject: id.to_string(),
            behalf,
        }));
    }
    Ok(behalf)
}
