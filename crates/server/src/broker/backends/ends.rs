//! The end of what was made: each backend on its own, each step repeatable, and what was found out about each lease.

use std::sync::Arc;

use remit_core::lease::Lease;
use remit_core::name::Name;

use super::{AWS_STS, GITHUB_APP, VAULT_TOKEN, configured_of, github_app, vault_token};
use crate::app::{App, Failure};
use crate::config::Credential as Configured;

/// Requests to one API at once while tokens are ended.
const AT_ONCE: usize = 8;

const CHANGED: &str = "it is configured as something else now";

/// What was found out about a lease that has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::broker) enum Ended {
    /// Seen dead, and how.
    Dead(&'static str),
    /// Nothing takes it back: it ends by its own expiry.
    Fading,
    /// Not yet, and why.
    Lives(String),
}

/// Ends the leases of one backend and system; one answer each, in order.
pub(in crate::broker) async fn end(
    app: &Arc<App>,
    backend: &str,
    group: &[Lease],
) -> Result<Vec<Ended>, Failure> {
    match backend {
        AWS_STS => Ok(vec![Ended::Fading; group.len()]),
        VAULT_TOKEN => {
            // Several credentials may be configured for one system, each with a manager of its own: none waits for another's.
            let mut ending = Vec::new();
            for part in group.chunk_by(|a, b| credential_of(a) == credential_of(b)) {
                ending.push(tokens(app, part));
            }
            Ok(futures_util::future::join_all(ending).await.concat())
        }
        GITHUB_APP => {
            let mut ended = Vec::new();
            for part in group.chunks(AT_ONCE) {
                let mut ending = Vec::new();
                for lease in part {
                    ending.push(installation_token(app, lease));
                }
                ended.extend(futures_util::future::join_all(ending).await);
            }
            Ok(ended)
        }
        other => Err(Failure::Unavailable(format!(
            "nothing here ends leases of `{other}`"
        ))),
    }
}

async fn tokens(app: &Arc<App>, part: &[Lease]) -> Vec<Ended> {
    let Some(first) = part.first() else {
        return Vec::new();
    };
    match configured_of(app, first) {
        Ok((_, Configured::VaultToken(of))) => match vault_token::end(app, of, part).await {
            Ok(found) => found,
            Err(failure) => all_live(part, &failure),
        },
        Ok(_) => all_live(part, &CHANGED),
        Err(failure) => all_live(part, &failure),
    }
}

async fn installation_token(app: &Arc<App>, lease: &Lease) -> Ended {
    let done = match configured_of(app, lease) {
        Ok((_, Configured::GithubApp(of))) => github_app::end(app, of, lease).await,
        Ok(_) => Err(Failure::Unavailable(CHANGED.to_owned())),
        Err(failure) => Err(failure),
    };
    done.unwrap_or_else(|failure| Ended::Lives(failure.to_string()))
}

fn credential_of(lease: &Lease) -> &str {
    lease.handle.split_once('/').map_or("", |(name, _)| name)
}

fn all_live(group: &[Lease], why: &dyn std::fmt::Display) -> Vec<Ended> {
    vec![Ended::Lives(why.to_string()); group.len()]
}

/// Looks for credentials of ours that no open lease knows, where a backend can list them, and ends them.
///
/// # Errors
/// [`Failure::Unavailable`] when a backend is away, or does not let us look.
pub(in crate::broker) async fn sweep_orphans(app: &Arc<App>, name: &Name) -> Result<usize, Failure> {
    let Some(Configured::VaultToken(of)) = app.config.credentials.get(name.as_str()) else {
        return Ok(0);
    };
    vault_token::orphans(app, of).await
}
