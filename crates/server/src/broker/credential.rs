//! The credential of one system for one task: what belongs at a declared credential position, after the decision.

use std::sync::Arc;

use remit_core::id::LeaseId;
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::name::Name;
use remit_core::time::Timestamp;
use secrecy::SecretString;

use super::leases::{self, Plan};
use super::{backends, vault};
use crate::app::{App, Failure};
use crate::engine::live::Live;

/// The backend of secrets that are injected as they are.
pub(super) const STATIC: &str = "static";

/// What a system is opened with.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Key, token or password.
    pub value: SecretString,
    /// The account it belongs to: a user name, or the id of an access key.
    pub user: Option<String>,
    /// A session token that goes with it (AWS).
    pub session: Option<SecretString>,
    /// The secret it comes from, where it comes from one: its placeholder is what the agent carries.
    pub secret: Option<Name>,
    /// Its lease, which ends with the task.
    pub lease: LeaseId,
    /// How surely it dies.
    pub class: LeaseClass,
    /// The last moment it can be used.
    pub expires_at: Timestamp,
}

/// Why there is none. Nothing was asked of the system then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFailure {
    /// Nothing opens this system: none is configured, so none is sent.
    #[error(
        "no credential is known for `{0}`: `remit secret add NAME --system {0}`, or `[credentials.NAME]` in remit.toml"
    )]
    None(Name),
    /// The user has to sign in there, and how; the call waits for that.
    #[error("{0}")]
    NeedsReauth(String),
    /// The authority behind it ended.
    #[error("{0}")]
    Ended(String),
    /// It cannot be had now.
    #[error("{0}")]
    Unavailable(String),
}

impl From<Failure> for CredentialFailure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(why) => Self::Ended(why),
            Failure::NeedsReauth(how) => Self::NeedsReauth(how),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// The credential of `system` for a live task; the lease behind it is made at first use.
///
/// # Errors
/// [`CredentialFailure`]: what to tell the agent, and whether waiting helps.
pub async fn credential(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &Name,
) -> Result<Credential, CredentialFailure> {
    let name = which(app, system)?;
    credential_of(app, live, system, &name).await
}

/// The name of what opens `system` where a request does not say which: the only one, or the one of its own name.
///
/// # Errors
/// [`CredentialFailure`] when there is none, or nobody can tell which.
pub(super) fn which(app: &App, system: &Name) -> Result<Name, CredentialFailure> {
    let fitting: Vec<Name> = super::openers(app)
        .filter(|(_, of)| of == system)
        .map(|(name, _)| name)
        .collect();
    match fitting.as_slice() {
        [] => Err(CredentialFailure::None(system.clone())),
        [only] => Ok(only.clone()),
        several => several
            .iter()
            .find(|name| *name == system)
            .cloned()
            .ok_or_else(|| {
                CredentialFailure::Unavailable(format!(
                    "several credentials open `{system}` and none has its name: the request has to carry the placeholder of one"
                ))
            }),
    }
}

/// As [`credential`], of the secret whose placeholder the request carried.
///
/// # Errors
/// As [`credential`]; a secret of another system is none.
pub async fn credential_of(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &Name,
    secret: &Name,
) -> Result<Credential, CredentialFailure> {
    if let Some(of) = backends::configured(app, secret, system) {
        return Box::pin(backends::credential(app, live, system, secret, of)).await;
    }
    let secrets = app.broker.secrets();
    let known = secrets.get(secret).filter(|s| s.system.as_ref() == Some(system));
    let known = known.ok_or_else(|| CredentialFailure::None(system.clone()))?;
    let lease = brokered(app, live, system, STATIC, secret.to_string()).await?;
    if live.lifeline().state().is_some() {
        return Err(CredentialFailure::Ended(
            "the task is not open any more".to_owned(),
        ));
    }
    Ok(Credential {
        value: vault::value(app, secret, Some(live)).await?,
        user: known.account.clone(),
        session: None,
        secret: Some(secret.clone()),
        lease: lease.id,
        class: lease.class,
        expires_at: lease.expires_at,
    })
}

/// True for what is made for each task on its own, or for one person: its placeholder opens nothing for anybody else.
#[must_use]
pub(crate) fn is_made_per_task(app: &App, name: &Name, system: &Name) -> bool {
    backends::configured(app, name, system).is_some()
}

/// The lease of a secret for a task that uses it together with others; made at first use.
///
/// # Errors
/// [`CredentialFailure`] when the task is not open, or it cannot be recorded.
pub(crate) async fn lease_of_secret(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &Name,
    secret: &Name,
) -> Result<Lease, CredentialFailure> {
    brokered(app, live, system, STATIC, secret.to_string()).await
}

/// The lease of a credential that never leaves us: one for each task and `handle`, made at first use.
pub(super) async fn brokered(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &Name,
    backend: &str,
    handle: String,
) -> Result<Lease, CredentialFailure> {
    let snapshot = live.snapshot();
    let slot = app.broker.slot(snapshot.task.id, format!("{backend}/{handle}"));
    let mut held = slot.lock().await;
    if let Some(lease) = held.as_ref().filter(|lease| lease.state == LeaseState::Live) {
        return Ok(lease.clone());
    }
    let id = LeaseId::fresh(app.clock.now(), &*app.entropy).map_err(Failure::from)?;
    let plan = Plan {
        system: system.clone(),
        backend: backend.parse().map_err(Failure::unavailable)?,
        handle,
        class: LeaseClass::R0,
        expires_at: snapshot.task.expires_at,
        outlives_task: false,
    };
    let lease = leases::plan(app, live, id, plan).await?;
    *held = Some(lease.clone());
    Ok(lease)
}
