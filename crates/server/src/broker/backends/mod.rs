//! Credentials that are made for a task: the one contract every backend is held to. Planned under a name, durably; made;
//! confirmed against the open task; renewed by a decision; made anew when the task holds something else; ended by the sweep.

mod aws_sts;
mod ends;
mod github_app;
mod oauth;
mod vault_token;

use std::sync::Arc;

use remit_core::id::{LeaseId, TaskId};
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_core::tool::ToolClass;
use remit_store::leases::Change;
use secrecy::SecretString;

pub(super) use ends::{Ended, end, sweep_orphans};
pub(crate) use oauth::{missing_login, not_taken};

use super::credential::{Credential, CredentialFailure};
use super::leases::{self, Plan};
use super::{renewal, vault};
use crate::app::{App, Failure};
use crate::config::Credential as Configured;
use crate::engine::live::Live;

/// The backends' names in leases.
pub(super) const VAULT_TOKEN: &str = "vault-token";
pub(super) const GITHUB_APP: &str = "github-app";
pub(super) const AWS_STS: &str = "aws-sts";
pub(super) const OAUTH: &str = "oauth";

/// What is left of a life this short is renewed before it is used, in milliseconds.
const AHEAD_MS: i64 = 60_000;
/// The part of a life that is left for renewing it.
const AHEAD_PART: i64 = 4;

/// Where the credential of one task is, or is being made: whoever holds the lock makes it.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Holding>>>;

/// A credential in use.
#[derive(Debug)]
pub(super) struct Holding {
    lease: Lease,
    /// What was asked for: who asks for something else gets another one.
    wish: Wish,
    made: Made,
    made_at: Timestamp,
    /// How often it was put into a request.
    used: u32,
}

impl Holding {
    /// True when it is the credential of this lease.
    fn is(&self, lease: LeaseId) -> bool {
        self.lease.id == lease
    }
}

/// What a backend is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    VaultToken(remit_broker::backend::vault_token::Wish),
    GithubApp(remit_broker::backend::github_app::Wish),
    AwsSts,
}

/// What a backend made.
#[derive(Debug)]
struct Made {
    value: SecretString,
    user: Option<String>,
    session: Option<SecretString>,
    /// What the backend knows it by, when it is not the planned name.
    handle: Option<String>,
    expires_at: Timestamp,
}

/// The configured credential of this name for `system`.
pub(super) fn configured<'a>(app: &'a App, name: &Name, system: &Name) -> Option<&'a Configured> {
    let found = app.config.credentials.get(name.as_str())?;
    (found.system() == system.as_str()).then_some(found)
}

/// Names and systems of all that are configured.
pub(super) fn all(app: &App) -> impl Iterator<Item = (Name, Name)> {
    app.config
        .credentials
        .iter()
        .filter_map(|(name, of)| Some((name.parse().ok()?, of.system().parse().ok()?)))
}

/// The credential `name` of `system` for a live task, made at first use.
///
/// # Errors
/// [`CredentialFailure`]: what to tell the agent, and whether waiting helps.
pub(super) async fn credential(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &Name,
    name: &Name,
    of: &Configured,
) -> Result<Credential, CredentialFailure> {
    if let Configured::Oauth(_) = of {
        return oauth::credential(app, live, system, name).await;
    }
    let task = live.snapshot().task.id;
    let slot = app.broker.holding(task, name.clone());
    let mut held = slot.lock().await;
    let wish = wish(app, live, system, of)?;
    let now = app.clock.now();
    let mut why = "the task holds other rights now";
    if let Some(holding) = held.as_mut().filter(|holding| holding.wish == wish) {
        if !is_used_up(holding, of) && !is_due(holding, now, live.snapshot().task.expires_at) {
            return given(live, name, holding);
        }
        why = "another one took its place";
        match renewed(app, live, name, of, holding).await {
            Ok(true) => return given(live, name, holding),
            Ok(false) => {}
            Err(failure) => {
                let old = holding.lease.id;
                *held = None;
                super::databases::sessions::end_early(app, old, "its renewal was refused").await?;
                return Err(failure);
            }
        }
    }
    if let Some(old) = held.take() {
        super::databases::sessions::end_early(app, old.lease.id, why).await?;
    }
    let holding = held.insert(make(app, live, system, name, of, wish).await?);
    given(live, name, holding)
}

/// It may be used as often as the backend was told; the next one is for the next request.
fn is_used_up(holding: &Holding, of: &Configured) -> bool {
    matches!(of, Configured::VaultToken(of) if of.uses > 0 && holding.used >= of.uses)
}

fn given(live: &Live, name: &Name, holding: &mut Holding) -> Result<Credential, CredentialFailure> {
    if live.lifeline().state().is_some() {
        return Err(CredentialFailure::Ended(
            "the task is not open any more".to_owned(),
        ));
    }
    holding.used = holding.used.saturating_add(1);
    Ok(Credential {
        value: holding.made.value.clone(),
        user: holding.made.user.clone(),
        session: holding.made.session.clone(),
        secret: Some(name.clone()),
        lease: holding.lease.id,
        class: holding.lease.class,
        expires_at: holding.lease.expires_at,
    })
}

/// True when so little of its life is left that it may run out on the way. One that lives as long as its task does not.
fn is_due(holding: &Holding, now: Timestamp, task_ends: Timestamp) -> bool {
    let life = holding.lease.expires_at.ms_since(holding.made_at);
    let left = holding.lease.expires_at.ms_since(now);
    left <= 0 || (left < AHEAD_MS.min(life / AHEAD_PART) && holding.lease.expires_at < task_ends)
}

fn wish(app: &App, live: &Live, system: &Name, of: &Configured) -> Result<Wish, CredentialFailure> {
    let snapshot = live.snapshot();
    let authority = &snapshot.task.authority;
    Ok(match of {
        Configured::VaultToken(of) => Wish::VaultToken(vault_token::wish(of)?),
        Configured::GithubApp(of) => {
            let world = app.world();
            let changes = world.registry.server(system).is_some_and(|entry| {
                entry.tools.values().any(|tool| {
                    let class = tool.tool.classification.class;
                    class != ToolClass::Read && authority.selects(&tool.tool.name, class)
                })
            });
            Wish::GithubApp(github_app::wish(authority, system, of, changes)?)
        }
        Configured::AwsSts(_) => Wish::AwsSts,
        Configured::Oauth(_) => return Err(CredentialFailure::None(system.clone())),
    })
}

/// Renews by a decision. False: this backend prolongs nothing, so another one has to be made, which is decided like it.
async fn renewed(
    app: &Arc<App>,
    live: &Arc<Live>,
    name: &Name,
    of: &Configured,
    holding: &mut Holding,
) -> Result<bool, CredentialFailure> {
    let now = app.clock.now();
    let task_ends = live.snapshot().task.expires_at;
    let prolonged = holding.lease.expires_at > now && !is_used_up(holding, of);
    let (Configured::VaultToken(of), true) = (of, prolonged) else {
        return Ok(false);
    };
    let until = now.plus_ms(life_ms(&of.ttl)?).min(task_ends);
    renewal::decide(app, live, &holding.lease, Some(until)).await?;
    let ttl_ms = vault_token::renew(app, live, name, of, &holding.lease, until).await?;
    let until = until.min(now.plus_ms(ttl_ms));
    // Its longest life is reached: what is left is not worth keeping.
    if until <= holding.lease.expires_at {
        return Ok(false);
    }
    holding.lease.expires_at = until;
    holding.made_at = now;
    Ok(true)
}

fn life_ms(text: &str) -> Result<i64, CredentialFailure> {
    crate::config::credentials::life_ms(text).map_err(CredentialFailure::Unavailable)
}

/// Planned, made, confirmed; in this order, whatever happens in between.
async fn make(
    app: &Arc<App>,
    live: &Arc<Live>,
    system: &Name,
    name: &Name,
    of: &Configured,
    wish: Wish,
) -> Result<Holding, CredentialFailure> {
    // Whatever became of the one before, another one for the same task is no matter of course.
    if let Some(before) = before(app, live, name).await? {
        renewal::decide(app, live, &before, None).await?;
    }
    let now = app.clock.now();
    let id = LeaseId::fresh(now, &*app.entropy).map_err(Failure::from)?;
    let (backend, class, life, outlives) = match of {
        Configured::VaultToken(of) => (VAULT_TOKEN, LeaseClass::R1, life_ms(&of.ttl)?, false),
        Configured::GithubApp(_) => {
            let life = remit_broker::backend::github_app::LIFE_MS;
            (GITHUB_APP, LeaseClass::R1, life, true)
        }
        Configured::AwsSts(of) => (AWS_STS, LeaseClass::R3, life_ms(&of.ttl)?, true),
        Configured::Oauth(_) => return Err(CredentialFailure::None(system.clone())),
    };
    let plan = Plan {
        system: system.clone(),
        backend: backend.parse().map_err(Failure::unavailable)?,
        handle: format!("{name}/{}", app.broker.role_of(id)),
        class,
        expires_at: now.plus_ms(life),
        outlives_task: outlives,
    };
    let _making = app.broker.making.enter(&app.broker.work, id);
    let mut lease = leases::plan(app, live, id, plan).await?;
    let made = match (of, &wish) {
        (Configured::VaultToken(of), Wish::VaultToken(wish)) => {
            vault_token::make(app, live, name, of, &lease, wish).await
        }
        (Configured::GithubApp(of), Wish::GithubApp(wish)) => {
            github_app::make(app, live, name, of, &lease, wish).await
        }
        (Configured::AwsSts(of), _) => aws_sts::make(app, live, of, &lease).await,
        _ => Err(Failure::Unavailable(
            "it is configured as something else now".to_owned(),
        )),
    };
    let made = match made {
        Ok(made) => made,
        Err(failure) => {
            // It may exist all the same: what was asked for is taken back by its name.
            let why = "it could not be made";
            leases::step(app, &lease, LeaseState::Revoking, Change::default(), why).await?;
            app.broker.work.notify_one();
            return Err(failure.into());
        }
    };
    for value in [Some(&made.value), made.session.as_ref()].into_iter().flatten() {
        app.broker.remember_more(&format!("lease/{id}"), value);
    }
    let change = Change {
        handle: made.handle.clone(),
        expires_at: Some(made.expires_at),
    };
    let kept = match of {
        // It can be ended by showing it only, also after a restart.
        Configured::GithubApp(_) => Some(vault::seal_lease(app, id, &made.value).await?),
        _ => None,
    };
    if !leases::confirm(app, &mut lease, change, kept.clone()).await? {
        if let Some(kept) = kept {
            leases::keep(app, &lease, kept).await?;
        }
        app.broker.work.notify_one();
        let why =
            "the credential was taken back while it was made: its task ended, or may not have it any more";
        return Err(CredentialFailure::Ended(why.to_owned()));
    }
    Ok(Holding {
        lease,
        wish,
        made,
        made_at: now,
        used: 0,
    })
}

/// The newest lease the task had by this credential.
async fn before(app: &Arc<App>, live: &Live, name: &Name) -> Result<Option<Lease>, Failure> {
    let task = live.snapshot().task.id;
    let leases = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::leases::of_task(conn, task)?))
        .await?;
    let prefix = format!("{name}/");
    let mut of_this = leases.into_iter().map(|lease| lease.value).filter(|lease| {
        lease.handle.starts_with(&prefix)
            && matches!(lease.backend.as_str(), VAULT_TOKEN | GITHUB_APP | AWS_STS)
    });
    Ok(of_this.next_back())
}

/// The name a lease of ours was planned under, without the configured credential's name in front.
fn own_name(lease: &Lease) -> &str {
    lease
        .handle
        .split_once('/')
        .map_or(lease.handle.as_str(), |(_, name)| name)
}

/// The configured credential a lease was made by.
fn configured_of<'a>(app: &'a App, lease: &Lease) -> Result<(Name, &'a Configured), Failure> {
    let name = lease.handle.split_once('/').map_or("", |(name, _)| name);
    let found = app.config.credentials.get(name).ok_or_else(|| {
        Failure::Unavailable(format!(
            "`[credentials.{name}]` is not in remit.toml any more, so nothing can end what it made"
        ))
    })?;
    Ok((name.parse().map_err(Failure::invalid)?, found))
}

impl super::Broker {
    /// Forgets the credential of one lease.
    pub(super) async fn forget_holding(&self, task: TaskId, lease: LeaseId) {
        let slots: Vec<Slot> = {
            let all = self
                .holdings
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let of_task = all.iter().filter(|((of, _), _)| *of == task);
            of_task.map(|(_, slot)| Arc::clone(slot)).collect()
        };
        for slot in slots {
            let mut held = slot.lock().await;
            if held.as_ref().is_some_and(|held| held.is(lease)) {
                *held = None;
            }
        }
    }

    /// The place of one credential of one task.
    pub(super) fn holding(&self, task: TaskId, name: Name) -> Slot {
        let mut all = self
            .holdings
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(all.entry((task, name)).or_default())
    }
}
