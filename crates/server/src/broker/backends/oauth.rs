//! A person's access token at a system, kept fresh by the refresh token of their login. It never leaves us: class R0. The
//! login is the person's and outlives the task; the task's use of it ends with the task.

use std::sync::Arc;

use remit_core::name::Name;
use secrecy::{ExposeSecret, SecretString};

use super::OAUTH;
use crate::app::{App, Failure};
use crate::broker::credential::{Credential, CredentialFailure, brokered, which};
use crate::broker::placeholder::resolve;
use crate::config::Credential as Configured;
use crate::egress::attachment::Attachment;
use crate::engine::live::Live;
use crate::logins::{self, Whose, tokens};
use crate::registry::snapshot::ServerEntry;

/// The token of the task's initiator at `system`, refreshed where it is about to run out.
pub(super) async fn credential(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &Name,
    name: &Name,
) -> Result<Credential, CredentialFailure> {
    let initiator = live.snapshot().task.initiator.clone();
    let world = app.world();
    let entry = world.registry.server(system).map(Arc::clone);
    let entry = entry.ok_or_else(|| CredentialFailure::None(system.clone()))?;
    let whose = logins::whose(app, &entry.server, &initiator)
        .ok_or_else(|| CredentialFailure::None(system.clone()))?;
    let lease = brokered(app, live, system, OAUTH, format!("{name}/{initiator}")).await?;
    let slot = tokens::ready(app, &entry, &whose, Some(live)).await?;
    let state = slot.state.lock().await;
    let held = state
        .held
        .as_ref()
        .ok_or_else(|| CredentialFailure::NeedsReauth(tokens::no_login(&whose)))?;
    if live.lifeline().state().is_some() {
        return Err(CredentialFailure::Ended(
            "the task is not open any more".to_owned(),
        ));
    }
    Ok(Credential {
        value: SecretString::from(held.access.as_str()),
        user: None,
        session: None,
        secret: Some(name.clone()),
        lease: lease.id,
        class: lease.class,
        expires_at: lease.expires_at,
    })
}

/// Whose token a request carries the placeholder of, if of any.
fn carried(app: &App, live: &Live, entry: &ServerEntry, attachment: &Attachment) -> Option<Whose> {
    let system = &entry.server.name;
    let uses = attachment.carried.iter().any(|one| {
        let named = if one.own {
            which(app, system).ok()
        } else {
            resolve(app, live.run().id, system, &one.value)
        };
        named
            .and_then(|name| super::configured(app, &name, system))
            .is_some_and(|of| matches!(of, Configured::Oauth(_)))
    });
    uses.then(|| logins::whose(app, &entry.server, &live.snapshot().task.initiator))
        .flatten()
}

/// What a person has to do before a request can be sent; looked at before the decision is recorded, so nobody is asked.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub(crate) async fn missing_login(
    app: &Arc<App>,
    live: &Live,
    entry: &ServerEntry,
    attachment: &Attachment,
) -> Result<Option<String>, Failure> {
    match carried(app, live, entry, attachment) {
        Some(whose) => tokens::missing(app, &whose).await,
        None => Ok(None),
    }
}

/// The system refused the token a request presented (401), before it looked at the request. `Some`: why it can be made anew,
/// with other tokens or once the person signed in.
pub(crate) async fn not_taken(
    app: &Arc<App>,
    live: &Live,
    entry: &ServerEntry,
    attachment: &Attachment,
    presented: &[SecretString],
) -> Option<Failure> {
    let whose = carried(app, live, entry, attachment)?;
    let presented: String = presented
        .iter()
        .map(ExposeSecret::expose_secret)
        .collect::<Vec<_>>()
        .join(" ");
    match tokens::not_taken(app, entry, &whose, live, &presented).await {
        Ok(()) => Some(Failure::NeedsReauth(format!(
            "the login at `{}` was renewed meanwhile",
            whose.server
        ))),
        Err(needs @ Failure::NeedsReauth(_)) => Some(needs),
        Err(failure) => {
            tracing::info!(system = %whose.server, %failure, "a refused login");
            None
        }
    }
}
