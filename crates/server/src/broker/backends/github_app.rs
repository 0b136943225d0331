//! Installation tokens of a GitHub App, for what the task names.

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_broker::backend::github_app::{AppKey, Installation, LIFE_MS, Wish};
use remit_core::authority::{Authority, Scope};
use remit_core::lease::Lease;
use remit_core::name::Name;
use remit_core::time::Timestamp;

use super::{Ended, Made};
use crate::app::{App, Failure};
use crate::broker::credential::CredentialFailure;
use crate::broker::{Reach, vault};
use crate::config::credentials::GithubApp;
use crate::engine::live::Live;

/// Repositories and permissions of the task: never more than is configured, never more than it names.
pub(super) fn wish(
    authority: &Authority,
    system: &Name,
    of: &GithubApp,
    changes: bool,
) -> Result<Wish, CredentialFailure> {
    let repositories = match &authority.resources {
        Scope::Any => None,
        Scope::Only(roots) => {
            let mut named = BTreeSet::new();
            let mut whole = false;
            for root in roots.iter().filter(|root| root.system() == system) {
                let mut parts = root.segments();
                match (parts.next(), parts.next()) {
                    (None, _) => whole = true,
                    (Some(owner), None) if owner.eq_ignore_ascii_case(&of.owner) => whole = true,
                    (Some(owner), Some(repository)) if owner.eq_ignore_ascii_case(&of.owner) => {
                        named.insert(repository.to_owned());
                    }
                    _ => {}
                }
            }
            if named.is_empty() && !whole {
                return Err(CredentialFailure::Unavailable(format!(
                    "the task names no repository of `{}` at `{system}`: open it with `--resource {system}:{}/REPOSITORY`",
                    of.owner, of.owner
                )));
            }
            (!whole).then_some(named)
        }
    };
    let permissions = of.permissions.iter().map(|(what, level)| {
        let level = if changes { level.as_str() } else { "read" };
        (what.clone(), level.to_owned())
    });
    Ok(Wish {
        repositories,
        permissions: permissions.collect(),
    })
}

fn installation(of: &GithubApp) -> Installation {
    Installation {
        url: of.url.clone(),
        app: of.app.clone(),
        id: of.installation,
        allow_private: of.allow_private,
    }
}

pub(super) async fn make(
    app: &Arc<App>,
    live: &Arc<Live>,
    name: &Name,
    of: &GithubApp,
    lease: &Lease,
    wish: &Wish,
) -> Result<Made, Failure> {
    let secret: Name = of.secret.parse().map_err(Failure::invalid)?;
    let pem = vault::value(app, &secret, Some(live)).await?;
    let key = AppKey::read(&pem).map_err(|why| {
        Failure::Unavailable(format!("the secret `{secret}` of `[credentials.{name}]`: {why}"))
    })?;
    let reach = Reach::of_task(app, lease.system.as_str(), live)?;
    let now = app.clock.now();
    let made = installation(of)
        .make(&key, wish, now, &reach)
        .await
        .map_err(Failure::unavailable)?;
    let said = made
        .expires_at
        .and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(Made {
        value: made.token,
        user: None,
        session: None,
        handle: None,
        expires_at: said.map_or_else(|| now.plus_ms(LIFE_MS), |at| Timestamp(at.as_millisecond())),
    })
}

/// Ends one token, and looks whether it is refused. Without the token there is nothing to end it by.
pub(super) async fn end(app: &Arc<App>, of: &GithubApp, lease: &Lease) -> Result<Ended, Failure> {
    let Some(token) = vault::open_lease(app, lease.id).await? else {
        return Ok(if app.clock.now() < lease.expires_at {
            Ended::Fading
        } else {
            Ended::Dead("its life is over")
        });
    };
    let reach = Reach::of_house(app, lease.system.as_str())?;
    let at = installation(of);
    at.revoke(&token, &reach).await.map_err(Failure::unavailable)?;
    let alive = at.is_alive(&token, &reach).await.map_err(Failure::unavailable)?;
    Ok(if alive {
        Ended::Lives("it still lives".to_owned())
    } else {
        Ended::Dead("probed dead")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> GithubApp {
        toml::from_str(
            "system = 'github'\napp = 'Iv1.x'\ninstallation = 7\nowner = 'acme'\nsecret = 'key'\n\
             permissions = { contents = 'write', issues = 'write' }",
        )
        .unwrap()
    }

    fn wished(changes: bool, roots: &[&str]) -> Result<Wish, CredentialFailure> {
        let mut authority = Authority::unbounded();
        authority.resources = Scope::Only(roots.iter().map(|root| root.parse().unwrap()).collect());
        wish(&authority, &"github".parse().unwrap(), &config(), changes)
    }

    #[test]
    fn a_token_is_for_what_the_task_names() {
        let reading = wished(
            false,
            &["github:acme/web", "github:acme/api/src", "gitlab:acme/db"],
        )
        .unwrap();
        assert_eq!(
            reading.repositories,
            Some(["web", "api"].map(str::to_owned).into())
        );
        assert!(reading.permissions.values().all(|level| level == "read"));
        let writing = wished(true, &["github:acme/web"]).unwrap();
        assert_eq!(writing.permissions["contents"], "write");
        assert_eq!(wished(false, &["github:acme"]).unwrap().repositories, None);
        for elsewhere in [&["github:other/web"][..], &["gitlab:acme/web"], &[]] {
            let why = wished(false, elsewhere).unwrap_err().to_string();
            assert!(why.contains("names no repository"), "{why}");
        }
    }
}
