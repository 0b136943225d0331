//! What must be known to be found: every value we keep is opened when we start, so that it is recognised in a call or an
//! answer before anything has used it in this process.

use std::sync::Arc;
use std::time::Duration;

use remit_core::name::Name;
use remit_store::secrets::SecretVersion;
use tokio::sync::watch;

use super::vault;
use crate::app::{App, Failure};

/// How long until what could not be opened is tried again, at first and at most.
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_MAX: Duration = Duration::from_secs(300);

/// A value that is kept here and cannot be opened: nobody would recognise it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// What it is: a version of a secret, a login.
    pub what: String,
    /// Why; no part of any value.
    pub why: String,
}

/// Opens every version of every secret that is in use or may be gone back to, and every login. What does not open is said,
/// and holds nobody up.
///
/// # Errors
/// [`Failure::Unavailable`] when the lists of them cannot be read.
pub async fn learn(app: &Arc<App>) -> Result<(), Failure> {
    let secrets = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::secrets::list(conn)?))
        .await?;
    let mut unopened = Vec::new();
    for secret in secrets {
        let name = secret.value.name;
        match kept(app, &name).await {
            Ok(versions) => {
                for version in versions {
                    let number = version.version;
                    if !app.broker.remembers(&vault::known_as(&name, number))
                        && let Err(failure) = vault::opened(app, version).await
                    {
                        unopened.push(told(format!("version {number} of secret `{name}`"), &failure));
                    }
                }
            }
            Err(failure) => unopened.push(told(format!("secret `{name}`"), &failure)),
        }
    }
    for (whose, failure) in crate::logins::tokens::learn(app).await? {
        let what = format!("the login of `{}` at `{}`", whose.owner, whose.server);
        unopened.push(told(what, &failure));
    }
    app.broker.set_unopened(unopened);
    app.known_secrets.search(app).map(drop)
}

fn told(what: String, failure: &Failure) -> Unopened {
    tracing::error!(%what, %failure, "what is kept cannot be opened: it is not recognised in calls and answers");
    Unopened {
        what,
        why: failure.to_string(),
    }
}

async fn kept(app: &Arc<App>, secret: &Name) -> Result<Vec<SecretVersion>, Failure> {
    let of = secret.clone();
    let versions = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::secrets::versions(conn, &of)?))
        .await?;
    let kept = versions.into_iter().map(|stored| stored.value);
    Ok(kept.filter(|version| !version.is_destroyed()).collect())
}

/// Learns what is kept, and again what could not be opened: a key-encryption key elsewhere may come back. Runs until
/// everything is known or the app stops.
pub async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut wait = AGAIN;
    loop {
        match learn(&app).await {
            Ok(()) if app.broker.unopened().is_empty() => return,
            Ok(()) => {}
            Err(failure) => tracing::error!(%failure, "what is kept could not be read"),
        }
        tokio::select! {
            _ = stopping.changed() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = wait.saturating_mul(2).min(AGAIN_MAX);
    }
}
