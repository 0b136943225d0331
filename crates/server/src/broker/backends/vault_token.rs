//! Child tokens of a Vault or OpenBao.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use remit_broker::backend::BackendError;
use remit_broker::backend::vault_token::{self, Wish};
use remit_broker::port::Http;
use remit_broker::source::kv::Manager;
use remit_core::lease::Lease;
use remit_core::name::Name;
use remit_core::time::Timestamp;

use super::{Ended, Made, VAULT_TOKEN, life_ms, own_name};
use crate::app::{App, Failure};
use crate::broker::credential::CredentialFailure;
use crate::broker::{Reach, vault};
use crate::config::credentials::VaultToken;
use crate::engine::live::Live;

/// Requests to one manager at once while tokens are ended.
const AT_ONCE: usize = 8;

pub(super) fn wish(of: &VaultToken) -> Result<Wish, CredentialFailure> {
    Ok(Wish {
        role: of.role.clone(),
        policies: of.policies.clone(),
        ttl_s: u64::try_from(life_ms(&of.ttl)? / 1000).unwrap_or(1),
        uses: of.uses,
    })
}

fn seconds(until: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(until.ms_since(now))
        .unwrap_or(0)
        .div_ceil(1000)
        .max(1)
}

pub(super) async fn make(
    app: &Arc<App>,
    live: &Arc<Live>,
    name: &Name,
    of: &VaultToken,
    lease: &Lease,
    wish: &Wish,
) -> Result<Made, Failure> {
    let manager = vault::manager_of(app, &of.manager).await?;
    let reach = Reach::of_task(app, lease.system.as_str(), live)?;
    let task = Arc::clone(&live.snapshot().task);
    let about = BTreeMap::from([
        ("task", task.id.to_string()),
        ("run", task.run.to_string()),
        ("agent", task.agent.to_string()),
        ("initiator", task.initiator.to_string()),
    ]);
    let now = app.clock.now();
    let wish = Wish {
        ttl_s: wish.ttl_s.min(seconds(lease.expires_at, now)),
        ..wish.clone()
    };
    let made = vault_token::make(&manager, own_name(lease), &about, &wish, &reach).await;
    if let Err(BackendError::Refused(_)) = &made {
        app.broker.making.answered(lease.id);
    }
    let made = made.map_err(Failure::unavailable)?;
    let ttl_ms = i64::try_from(made.ttl_s)
        .unwrap_or(i64::MAX / 1000)
        .saturating_mul(1000);
    Ok(Made {
        value: made.token,
        user: None,
        session: None,
        handle: Some(format!("{name}/{}", made.accessor)),
        // What it was given may be longer than what was asked for: it is ended before.
        expires_at: now.plus_ms(ttl_ms).min(lease.expires_at),
    })
}

/// Prolongs it; answers the life it has from now on, in milliseconds.
pub(super) async fn renew(
    app: &Arc<App>,
    live: &Arc<Live>,
    name: &Name,
    of: &VaultToken,
    lease: &Lease,
    until: Timestamp,
) -> Result<i64, Failure> {
    let manager = vault::manager_of(app, &of.manager).await?;
    let reach = Reach::of_task(app, lease.system.as_str(), live)?;
    let ttl_s = seconds(until, app.clock.now());
    let given = vault_token::renew(&manager, own_name(lease), ttl_s, &reach)
        .await
        .map_err(|error| {
            Failure::Unavailable(format!("the credential `{name}` cannot be renewed: {error}"))
        })?;
    Ok(i64::try_from(given)
        .unwrap_or(i64::MAX / 1000)
        .saturating_mul(1000))
}

/// Ends tokens of one manager, and looks whether they are gone.
pub(super) async fn end(app: &Arc<App>, of: &VaultToken, group: &[Lease]) -> Result<Vec<Ended>, Failure> {
    let Some(first) = group.first() else {
        return Ok(Vec::new());
    };
    let manager = vault::manager_of(app, &of.manager).await?;
    let reach = Reach::of_house(app, first.system.as_str())?;
    let prefix = app.broker.role_prefix();
    let unconfirmed: BTreeSet<&str> = group
        .iter()
        .map(own_name)
        .filter(|name| name.starts_with(&prefix))
        .collect();
    let found = if unconfirmed.is_empty() {
        Ok(BTreeMap::new())
    } else {
        vault_token::named(&manager, &prefix, &reach).await
    };
    let now = app.clock.now();
    let search = Search { found, prefix, now };
    let mut ended = Vec::new();
    for part in group.chunks(AT_ONCE) {
        let mut ending = Vec::new();
        for lease in part {
            ending.push(end_one(app, &manager, lease, &search, &reach));
        }
        let found = futures_util::future::join_all(ending).await;
        let is_away = found.iter().all(|ended| matches!(ended, Ended::Lives(_)));
        ended.extend(found);
        if is_away {
            // The rest would each wait as long as these did.
            let why = Ended::Lives("the manager did not end those before it".to_owned());
            ended.resize(group.len(), why);
            break;
        }
    }
    Ok(ended)
}

/// What was found of tokens nobody heard of again.
struct Search {
    found: Result<BTreeMap<String, String>, BackendError>,
    prefix: String,
    now: Timestamp,
}

async fn end_one(app: &App, manager: &Manager, lease: &Lease, search: &Search, http: &dyn Http) -> Ended {
    let name = own_name(lease);
    let accessor = if name.starts_with(&search.prefix) {
        match &search.found {
            Ok(found) => match found.get(name) {
                Some(accessor) => accessor,
                None if app.broker.making.is_settled(lease, search.now) => {
                    return Ended::Dead("no token carries its name");
                }
                None => return Ended::Lives("nobody knows yet whether it was made".to_owned()),
            },
            // Nobody may look: it ends by its own life then, and not before that is it called dead.
            Err(BackendError::Refused(_)) if search.now < lease.expires_at => return Ended::Fading,
            Err(BackendError::Refused(_)) => return Ended::Dead("its life is over"),
            Err(error) => return Ended::Lives(error.to_string()),
        }
    } else {
        name
    };
    match gone(manager, accessor, http).await {
        Ok(true) => Ended::Dead("probed dead"),
        Ok(false) => Ended::Lives("it still lives".to_owned()),
        Err(error) => Ended::Lives(error.to_string()),
    }
}

async fn gone(manager: &Manager, accessor: &str, http: &dyn Http) -> Result<bool, BackendError> {
    vault_token::revoke(manager, accessor, http).await?;
    Ok(!vault_token::is_alive(manager, accessor, http).await?)
}

/// Ends tokens that carry a name of ours which no open lease knows: the store is older than they are.
pub(super) async fn orphans(app: &Arc<App>, of: &VaultToken) -> Result<usize, Failure> {
    let manager = vault::manager_of(app, &of.manager).await?;
    let reach = Reach::of_house(app, &of.system)?;
    let prefix = app.broker.role_prefix();
    let found = vault_token::named(&manager, &prefix, &reach)
        .await
        .map_err(Failure::unavailable)?;
    // Read afterwards: what was planned meanwhile is known.
    let open = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::leases::open(conn)?))
        .await?;
    let known: BTreeSet<String> = open
        .iter()
        .filter(|lease| lease.backend.as_str() == VAULT_TOKEN)
        .map(|lease| app.broker.role_of(lease.id))
        .collect();
    let orphans: Vec<(&String, &String)> = found.iter().filter(|(name, _)| !known.contains(*name)).collect();
    if orphans.is_empty() {
        return Ok(0);
    }
    let mut entry = crate::engine::record::of("lease.orphans");
    entry.detail.insert("system", of.system.as_str());
    let names: Vec<remit_core::json::Value> = orphans.iter().map(|(name, _)| name.as_str().into()).collect();
    entry.detail.insert("names", names);
    app.store.append(entry, |_| Ok(())).await?;
    for (_, accessor) in &orphans {
        vault_token::revoke(&manager, accessor, &reach)
            .await
            .map_err(Failure::unavailable)?;
    }
    Ok(orphans.len())
}
