//! The end of what was made: each backend on its own, each step repeatable, and what was found out about each lease.

use std::sync::Arc;

use remit_core::lease::Lease;
use remit_core::name::Name;

use super::{AWS_STS, GITHUB_APP, VAULT_TOKEN, configured_of, github_app, vault_token};
use crate::app::{App, Failure};
use crate::config::Credential as Configured;

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
            let mut ended = Vec::new();
            // Several credentials may be configured for one system, each with a manager of its own.
            for part in group.chunk_by(|a, b| credential_of(a) == credential_of(b)) {
                let Some(first) = part.first() else { continue };
                ended.extend(match configured_of(app, first) {
                    Ok((_, Configured::VaultToken(of))) => match vault_token::end(app, of, part).await {
                        Ok(found) => found,
                        Err(failure) => all_live(part, &failure),
                    },
                    Ok(_) => all_live(part, &"it is configured as something else now"),
                    Err(failure) => all_live(part, &failure),
                });
            }
            Ok(ended)
        }
        GITHUB_APP => {
            let each = group.iter().map(|lease| async move {
                let done = match configured_of(app, lease) {
                    Ok((_, Configured::GithubApp(of))) => github_app::end(app, of, lease).await,
                    Ok(_) => Err(Failure::Unavailable(
                        "it is configured as something else now".to_owned(),
                    )),
                    Err(failure) => Err(failure),
                };
                done.unwrap_or_else(|failure| Ended::Lives(failure.to_string()))
            });
            Ok(futures_util::future::join_all(each).await)
        }
        other => Err(Failure::Unavailable(format!(
            "nothing here ends leases of `{other}`"
        ))),
    }
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
