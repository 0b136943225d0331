//! Putting rules and templates into force: they are read, checked against the tools as they are registered, kept and recorded.
//! Every decision made under others is then made anew, and what tasks hold is judged anew.

use std::sync::Arc;

use remit_core::name::Name;
use remit_core::people::Role;
use remit_ledger::record::Record;
use remit_policy::Problem;
use remit_store::policies::{self, StoredPolicy};
use remit_store::{AppendError, Refused, Store};

use super::Files;
use crate::app::{App, Failure};
use crate::broker::rejudge::{self, Ended};
use crate::engine::record;
use crate::engine::world::{self, LoadError, World};

/// Tries before an application gives up on a registry that keeps changing.
const TRIES: usize = 4;

/// What an application came to.
#[derive(Debug)]
pub enum Applied {
    /// It has these problems; what was in force stays.
    Refused(Vec<Problem>),
    /// It is in force, and these credentials were ended by it.
    InForce {
        /// The world with it.
        world: Arc<World>,
        /// What would now be refused.
        ended: Vec<Ended>,
    },
}

impl Applied {
    /// The world with it.
    ///
    /// # Errors
    /// [`Failure::Invalid`] with every problem.
    pub fn in_force(self) -> Result<Arc<World>, Failure> {
        match self {
            Self::InForce { world, .. } => Ok(world),
            Self::Refused(problems) => Err(Failure::invalid(LoadError::Policy(problems))),
        }
    }
}

/// Reads the folders again and puts what is there into force.
///
/// # Errors
/// [`Failure`] when a file cannot be read, a template is not understood, or `by` is no administrator.
pub async fn apply(app: &Arc<App>, by: &Name) -> Result<Applied, Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    let files = Files::read(&app.config, &app.paths)?;
    let templates = files.templates()?;
    for _ in 0..TRIES {
        let before = app.world();
        let (of, sources) = (Arc::clone(&before), files.sources(&templates));
        let compiled =
            tokio::task::spawn_blocking(move || world::compile(&of.registry, &sources, &of.groups()));
        let version = match compiled.await.map_err(Failure::unavailable)? {
            Ok(bundle) => bundle.version().to_string(),
            Err(problems) => return Ok(Applied::Refused(problems)),
        };
        let kept = app.store.read(policies::in_force).await?;
        match put(&app.store, kept, &files, version, by, Some(before.epochs)).await {
            Ok(()) => {}
            Err(AppendError::Refused(Refused::Stale { .. } | Refused::StaleEpoch { .. })) => {
                app.world_since(before.epochs).await?;
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        let world = app.reload().await?;
        // It is in force: what could not be judged now is tried again by itself.
        let ended = rejudge::rejudge(app, &before, &world)
            .await
            .unwrap_or_else(|failure| {
                tracing::warn!(%failure, "credentials could not be judged anew");
                Vec::new()
            });
        return Ok(Applied::InForce { world, ended });
    }
    Err(Failure::Conflict(
        "the registry kept changing while the policy was applied: try again".to_owned(),
    ))
}

/// Puts into force what the folders hold at a start.
///
/// # Errors
/// [`LoadError::Policy`] with every problem; the store is as it was then.
pub(crate) async fn at_start(store: &Store, files: Files, me: &Name) -> Result<(), LoadError> {
    let templates = files.templates().map_err(LoadError::Bundle)?;
    let sources = files.sources(&templates);
    let (kept, version) = store
        .read(move |conn| -> Result<_, LoadError> {
            let version = world::compiled(conn, &sources)?.version().to_string();
            Ok((policies::in_force(conn)?, version))
        })
        .await?;
    put(store, kept, &files, version, me, None)
        .await
        .map_err(|error| LoadError::Bundle(error.into()))
}

/// Keeps and records it, unless it is in force already.
async fn put(
    store: &Store,
    kept: Option<StoredPolicy>,
    files: &Files,
    version: String,
    by: &Name,
    epochs: Option<remit_store::Epochs>,
) -> Result<(), AppendError> {
    let bytes = files.to_bytes();
    if kept
        .as_ref()
        .is_some_and(|kept| kept.version == version && kept.bundle == bytes)
    {
        return Ok(());
    }
    let (after, by) = (kept.as_ref().map_or(0, |kept| kept.number), by.clone());
    let entry = entry(kept.as_ref(), files, &version, &by);
    store
        .append(entry, move |tx| {
            if let Some(epochs) = epochs {
                tx.expect_epochs(epochs)?;
            }
            policies::apply(tx, after, &version, &bytes, &by).map(drop)
        })
        .await
        .map(drop)
}

fn entry(kept: Option<&StoredPolicy>, files: &Files, version: &str, by: &Name) -> Record {
    let mut entry = record::of("policy.apply");
    entry.policy_version = Some(version.to_owned());
    entry.detail.insert("by", by.as_str());
    entry.detail.insert("files", files.digests());
    if let Some(kept) = kept {
        entry.detail.insert("before", kept.version.as_str());
    }
    entry
}
