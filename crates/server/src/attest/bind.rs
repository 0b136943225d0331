//! Binding a run to a key: once, to a key no other live run has, by an identity no other live run was attested by.

use std::sync::Arc;

use remit_core::confinement::{BoundKey, Confinement, Proof};
use remit_core::id::RunId;
use remit_core::json::Object;
use remit_store::runs::StoredRun;
use remit_store::{AppendError, Conn, Refused, StoreError, Stored};

use crate::app::{App, Failure};
use crate::engine::{record, session};
use crate::findings::{self, Found};
use crate::tasks::token;

/// What a run showed.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The key it will prove with each call.
    pub key: BoundKey,
    /// What vouches for it: `spiffe://…`, `ISSUER SUBJECT`, `enrolment DIGEST`; `None` where the key is all.
    pub identity: Option<String>,
    /// The attestor, for the record: a name of `[attest.NAME]`, `enrolment`, `token-endpoint`.
    pub attestor: String,
    /// The same identity may have several live runs.
    pub shared: bool,
    /// The key is that of a client that proves who it is, and opens one task after another for the same agent with it.
    pub own_client: bool,
    /// It runs on another machine.
    pub remote: bool,
    /// An enrolment that is used up by this, in the same append.
    pub enrolment: Option<remit_core::digest::Digest>,
}

/// Another live run that has the same.
enum Clash {
    Key(Box<StoredRun>),
    Identity(Box<StoredRun>),
}

/// Binds a run that waits for it and gives it its token.
///
/// # Errors
/// [`Failure::Conflict`] when the run is bound already, or when another live run has the key or the identity: that is kept
/// as a finding naming both. [`Failure::NotFound`] when there is no such run.
pub async fn bind(app: &Arc<App>, run: RunId, shown: Shown) -> Result<String, Failure> {
    let (fresh, digest) = token::fresh(&*app.entropy)?;
    let looked = shown.clone();
    let (stored, found) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            Ok((remit_store::runs::get(conn, run)?, clash(conn, run, &looked)?))
        })
        .await?;
    let stored = stored.ok_or_else(|| Failure::NotFound(format!("no run `{run}`")))?;
    if let Some(found) = found {
        return Err(refuse(app, &stored, found, &shown).await);
    }
    if stored.ended_at.is_some() || stored.key.is_some() || stored.process.is_some() {
        return Err(Failure::Conflict(format!(
            "run `{run}` has ended or shows what it is already: a second runtime of it is refused"
        )));
    }
    let live = session::of_task(app, stored.run.task).await?;
    let mut entry = record::of_task("run.attest", &live.snapshot().task);
    entry.proof = Some(Proof::Key.as_str().to_owned());
    entry.detail.insert("attestor", shown.attestor.as_str());
    entry.detail.insert("key", shown.key.to_string());
    if let Some(identity) = &shown.identity {
        entry.detail.insert("identity", identity.as_str());
    }
    let mut row = stored;
    row.token = digest;
    row.proof = Proof::Key;
    row.key = Some(shown.key.clone());
    row.identity.clone_from(&shown.identity);
    if shown.remote {
        row.run.confinement = Confinement::Remote;
    }
    let (checked, bound) = (shown.clone(), row.clone());
    let spend = shown.enrolment.map(|token| {
        let by = remit_store::enrolments::Use {
            at: app.clock.now(),
            key: shown.key.to_string(),
            run,
        };
        (token, by)
    });
    let appended = app
        .store
        .append(entry, move |tx| {
            if let Some((token, by)) = &spend {
                remit_store::enrolments::spend(tx, *token, by.clone())?;
            }
            // Whoever came first while this was prepared keeps it.
            if clash(tx, run, &checked)?.is_some() {
                return Err(Refused::Duplicate {
                    what: "runs",
                    key: checked.key.to_string(),
                }
                .into());
            }
            remit_store::runs::put(tx, &row)
        })
        .await;
    match appended {
        Ok(_) => {
            // Its old token was never anybody's: the live task is found by the new one from now on.
            app.live.remove(bound.run.task);
            drop(live);
            Ok(fresh)
        }
        Err(AppendError::Refused(refused)) => Err(Failure::Conflict(refused.to_string())),
        Err(other) => Err(other.into()),
    }
}

fn clash(conn: &mut Conn, run: RunId, shown: &Shown) -> Result<Option<Clash>, StoreError> {
    let other = |runs: Vec<Stored<StoredRun>>| {
        let found = runs.into_iter().find(|stored| stored.run.id != run);
        found.map(|stored| Box::new(stored.value))
    };
    let mut holders = remit_store::runs::by_key(conn, &shown.key)?;
    if shown.own_client {
        let agent = remit_store::runs::get(conn, run)?.map(|stored| stored.value.run.agent);
        holders.retain(|stored| Some(&stored.run.agent) != agent.as_ref());
    }
    if let Some(stored) = other(holders) {
        return Ok(Some(Clash::Key(stored)));
    }
    match &shown.identity {
        Some(identity) if !shown.shared => {
            Ok(other(remit_store::runs::by_identity(conn, identity)?).map(Clash::Identity))
        }
        _ => Ok(None),
    }
}

async fn refuse(app: &Arc<App>, stored: &StoredRun, clash: Clash, shown: &Shown) -> Failure {
    let (kind, what, other) = match clash {
        Clash::Key(other) => ("key_shared", shown.key.to_string(), other),
        Clash::Identity(other) => (
            "identity_shared",
            shown.identity.clone().unwrap_or_default(),
            other,
        ),
    };
    let message = format!(
        "`{what}` is that of live run {} of agent {}; run {} of agent {} showed it too and was refused",
        other.run.id, other.run.agent, stored.run.id, stored.run.agent
    );
    let mut detail = Object::new();
    detail.insert("what", what.as_str());
    detail.insert("first", other.run.id.to_string());
    detail.insert("first_agent", other.run.agent.as_str());
    detail.insert("second", stored.run.id.to_string());
    detail.insert("second_agent", stored.run.agent.as_str());
    detail.insert("second_key", shown.key.to_string());
    let live = session::of_task(app, other.run.task).await.ok();
    let found = Found {
        kind,
        live: live.as_deref(),
        parties: format!("{} {what} {}", other.run.id, stored.run.id),
        message: message.clone(),
        detail,
    };
    if let Err(failure) = findings::keep(app, found).await {
        tracing::error!(%failure, "a finding could not be kept");
    }
    Failure::Conflict(message)
}

/// Makes a run wait: its token is thrown away, and none works until somebody shows what it is.
///
/// # Errors
/// [`Failure::Conflict`] when it shows what it is already.
pub async fn await_run(app: &Arc<App>, run: RunId) -> Result<(), Failure> {
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::runs::get(conn, run)?))
        .await?;
    let stored = stored.ok_or_else(|| Failure::NotFound(format!("no run `{run}`")))?;
    if stored.key.is_some() || stored.process.is_some() || stored.ended_at.is_some() {
        return Err(Failure::Conflict(format!(
            "run `{run}` has begun or ended already"
        )));
    }
    let live = session::of_task(app, stored.run.task).await?;
    let mut entry = record::of_task("run.await", &live.snapshot().task);
    entry
        .detail
        .insert("why", "it has to show what it is before it gets a token");
    let (_, digest) = token::fresh(&*app.entropy)?;
    let mut row = stored;
    row.token = digest;
    row.proof = Proof::Key;
    let task = row.run.task;
    app.store
        .append(entry, move |tx| remit_store::runs::put(tx, &row))
        .await?;
    app.live.remove(task);
    Ok(())
}
