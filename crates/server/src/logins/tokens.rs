//! Tokens in use: read once, refreshed by one at a time before they run out, taken out when nobody takes them any more.

use std::sync::Arc;

use remit_core::json::Object;
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::time::Timestamp;
use remit_credentials::oauth::{BearerChallenge, Grant, Scopes, TokenError, bearer_challenge, step_up};
use remit_store::logins::LoginState;
use tokio::sync::MutexGuard;

use super::answer::keep;
use super::discover::{About, discover};
use super::request::{Endpoint, held, redeem};
use super::slot::{Slot, State};
use super::{Whose, address, client, client_itself, configured, sealed};
use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::record;
use crate::registry::snapshot::ServerEntry;

/// Tokens that run out within this time are refreshed before they are used, in milliseconds.
const AHEAD_MS: i64 = 60_000;
/// A token that is refused this soon after it was got is not the one to blame, in milliseconds.
const JUST_REFRESHED_MS: i64 = 10_000;

/// What a connection of `whose` presents, good for a while; nothing where the server never asked.
///
/// # Errors
/// [`Failure::NeedsReauth`] when a person has to sign in first; [`Failure::Unavailable`] when the authorization server
/// does not answer.
pub async fn ready(
    app: &Arc<App>,
    server: &ServerEntry,
    whose: &Whose,
    live: Option<&Live>,
) -> Result<Arc<Slot>, Failure> {
    let slot = app.logins.slot(whose);
    let mut state = slot.state.lock().await;
    load(app, whose, &slot, &mut state).await?;
    if state.wanted.is_some() {
        return Err(needs_reauth(whose, "asks for more than it was given"));
    }
    let soon = app.clock.now().plus_ms(AHEAD_MS);
    if let Some(held) = &state.held
        && held.expires_at <= soon
    {
        if held.refresh.is_some() {
            refresh(app, server, whose, live, &slot, &mut state).await?;
        } else if Some(&whose.owner) == client_itself().as_ref() {
            obtain(app, server, whose, live, &slot, &mut state, None).await?;
        } else if held.expires_at <= app.clock.now() {
            over(
                app,
                whose,
                &slot,
                &mut state,
                BearerChallenge::default(),
                "its token ran out",
            )
            .await?;
            return Err(needs_reauth(
                whose,
                "gave a token that ran out and cannot be refreshed",
            ));
        }
    }
    drop(state);
    Ok(slot)
}

/// Whose login the registry uses: of an administrator who is signed in, else of the person at this machine.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn for_registry(app: &Arc<App>, server: &Name) -> Result<Name, Failure> {
    let logins = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::logins::list(conn)?))
        .await?;
    let signed_in = logins.into_iter().find(|login| {
        login.server == *server
            && login.state == LoginState::Ready
            && crate::people::expect_role(app, &login.owner, &Role::Administrator).is_ok()
    });
    Ok(signed_in.map_or_else(|| app.me.clone(), |login| login.value.owner))
}

/// The server refused what was presented. `Ok`: other tokens are in use now, try once more.
///
/// # Errors
/// [`Failure::NeedsReauth`] when a person has to sign in; [`Failure::Unavailable`] when that would not help.
pub async fn refused(
    app: &Arc<App>,
    server: &ServerEntry,
    whose: &Whose,
    live: Option<&Live>,
) -> Result<(), Failure> {
    let slot = app.logins.slot(whose);
    let Some(challenge) = slot.credential.challenge() else {
        // Somebody else was here in between, and other tokens are in use.
        return Ok(());
    };
    let mut state = slot.state.lock().await;
    if slot.credential.challenge().as_ref() != Some(&challenge) {
        return Ok(());
    }
    let asked = bearer_challenge(&challenge.fields).unwrap_or_default();
    if challenge.status == 403 {
        return step(app, server, whose, live, &slot, &mut state, asked).await;
    }
    let now = app.clock.now();
    let just = state
        .refreshed_at
        .is_some_and(|at| now.ms_since(at) < JUST_REFRESHED_MS);
    if Some(&whose.owner) == client_itself().as_ref() {
        if just {
            return Err(Failure::Unavailable(format!(
                "server `{}` does not take the token its authorization server gave us",
                whose.server
            )));
        }
        return obtain(app, server, whose, live, &slot, &mut state, Some(asked)).await;
    }
    let refreshable = state.held.as_ref().is_some_and(|held| held.refresh.is_some());
    if challenge.presented && refreshable && !just {
        return refresh(app, server, whose, live, &slot, &mut state).await;
    }
    let had = state.held.is_some();
    over(
        app,
        whose,
        &slot,
        &mut state,
        asked,
        "the server no longer takes its token",
    )
    .await?;
    let what = if had {
        "no longer takes the token it was given"
    } else {
        "wants to know who is asking"
    };
    Err(needs_reauth(whose, what))
}

/// What a person has to do before there is a token at a system; nobody is asked for it.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read, or what it holds does not open.
pub async fn missing(app: &Arc<App>, whose: &Whose) -> Result<Option<String>, Failure> {
    let slot = app.logins.slot(whose);
    let mut state = slot.state.lock().await;
    load(app, whose, &slot, &mut state).await?;
    let usable = state
        .held
        .as_ref()
        .is_some_and(|held| held.refresh.is_some() || held.expires_at > app.clock.now());
    Ok((!usable || state.wanted.is_some()).then(|| no_login(whose)))
}

/// What a person is told who has no login yet, or none any more.
#[must_use]
pub fn no_login(whose: &Whose) -> String {
    sentence(whose, "wants to know who is asking")
}

/// A system refused the token in what was presented. `Ok`: other tokens are in use now, try once more.
///
/// # Errors
/// [`Failure::NeedsReauth`] when a person has to sign in; [`Failure::Unavailable`] when that would not help.
pub async fn not_taken(
    app: &Arc<App>,
    server: &ServerEntry,
    whose: &Whose,
    live: &Live,
    presented: &str,
) -> Result<(), Failure> {
    let slot = app.logins.slot(whose);
    let mut state = slot.state.lock().await;
    let now = app.clock.now();
    // Somebody else was here in between, and other tokens are in use.
    if state
        .held
        .as_ref()
        .is_some_and(|held| !presented.contains(held.access.as_str()))
    {
        return Ok(());
    }
    let just = state
        .refreshed_at
        .is_some_and(|at| now.ms_since(at) < JUST_REFRESHED_MS);
    if just {
        return Err(Failure::Unavailable(format!(
            "`{}` does not take the token it was given a moment ago",
            whose.server
        )));
    }
    if state.held.as_ref().is_some_and(|held| held.refresh.is_some()) {
        return refresh(app, server, whose, Some(live), &slot, &mut state).await;
    }
    let why = "the system no longer takes its token";
    over(app, whose, &slot, &mut state, BearerChallenge::default(), why).await?;
    Err(needs_reauth(whose, "no longer takes the token it was given"))
}

/// More scopes are wanted. Asked for once each: what was granted and is asked for again will not be granted by asking.
async fn step(
    app: &Arc<App>,
    server: &ServerEntry,
    whose: &Whose,
    live: Option<&Live>,
    slot: &Slot,
    state: &mut MutexGuard<'_, State>,
    asked: BearerChallenge,
) -> Result<(), Failure> {
    let refused = || {
        Failure::Unavailable(format!(
            "server `{}` refuses this with HTTP status 403",
            whose.server
        ))
    };
    let wants = asked
        .scope
        .as_ref()
        .filter(|_| asked.error.as_deref() == Some("insufficient_scope"));
    let wants = wants.ok_or_else(refused)?;
    let held = state.held.as_ref().and_then(|held| held.scopes.clone());
    let Some(more) = step_up(held.as_ref(), wants) else {
        return Err(Failure::Unavailable(format!(
            "server `{}` asks for scopes it was given already (`{wants}`): signing in again would not help",
            whose.server
        )));
    };
    if Some(&whose.owner) == client_itself().as_ref() {
        return obtain(app, server, whose, live, slot, state, Some(asked)).await;
    }
    state.wanted = Some(BearerChallenge {
        scope: Some(more),
        ..asked
    });
    Err(needs_reauth(whose, "needs more scopes for this"))
}

/// Opens every login that is kept, so that its tokens are recognised; those that do not open, and why.
///
/// # Errors
/// [`Failure::Unavailable`] when the list cannot be read.
pub async fn learn(app: &Arc<App>) -> Result<Vec<(Whose, Failure)>, Failure> {
    let logins = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::logins::list(conn)?))
        .await?;
    let mut unopened = Vec::new();
    for login in logins
        .into_iter()
        .filter(|login| login.state == LoginState::Ready)
    {
        let whose = Whose {
            server: login.server.clone(),
            owner: login.owner.clone(),
        };
        let slot = app.logins.slot(&whose);
        let mut state = slot.state.lock().await;
        if let Err(failure) = load(app, &whose, &slot, &mut state).await {
            unopened.push((whose, failure));
        }
    }
    Ok(unopened)
}

async fn load(app: &Arc<App>, whose: &Whose, slot: &Slot, state: &mut State) -> Result<(), Failure> {
    if state.loaded {
        return Ok(());
    }
    let key = whose.clone();
    let login = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::logins::get(conn, &key.server, &key.owner)?))
        .await?;
    if let Some(login) = login {
        if login.state == LoginState::Ready {
            let held = sealed::open(app, whose, &login.issuer, &login.sealed).await?;
            slot.show(Some(&held));
            state.held = Some(held);
        } else {
            state.wanted = Some(BearerChallenge::default());
        }
    }
    state.loaded = true;
    Ok(())
}

/// Refreshes; whoever waits for the lock meanwhile finds fresh tokens.
async fn refresh(
    app: &Arc<App>,
    server: &ServerEntry,
    whose: &Whose,
    live: Option<&Live>,
    slot: &Slot,
    state: &mut State,
) -> Result<(), Failure> {
    let Some((old, token)) = state.held.clone().and_then(|held| {
        let token = held.refresh.clone()?;
        Some((held, token))
    }) else {
        return Ok(());
    };
    let endpoint = Endpoint {
        url: &old.token_endpoint,
        client: &old.client,
        resource: &old.resource,
    };
    let about = about(app, server, whose, live)?;
    let oauth = configured(app, &whose.server);
    match redeem(app, about, endpoint, Grant::Refresh(&token), &oauth).await? {
        Ok(given) => {
            let mut fresh = held(app, endpoint, given, old.scopes.as_ref());
            // Rotation (OAuth 2.1, section 4.3.1): the new one replaces the old one; none means the old one stays good.
            fresh.refresh = fresh.refresh.or(old.refresh);
            keep(app, whose, &fresh, "login.refresh").await?;
            slot.show(Some(&fresh));
            state.held = Some(fresh);
            state.refreshed_at = Some(app.clock.now());
            Ok(())
        }
        Err(TokenError::Over(why)) => {
            over(app, whose, slot, state, BearerChallenge::default(), &why).await?;
            Err(needs_reauth(whose, "no longer takes what it gave"))
        }
        Err(error) => Err(Failure::Unavailable(format!(
            "the token for server `{}` cannot be refreshed now: {error}",
            whose.server
        ))),
    }
}

/// Gets a token for the client itself.
async fn obtain(
    app: &Arc<App>,
    server: &ServerEntry,
    whose: &Whose,
    live: Option<&Live>,
    slot: &Slot,
    state: &mut State,
    asked: Option<BearerChallenge>,
) -> Result<(), Failure> {
    let oauth = configured(app, &whose.server);
    let about = about(app, server, whose, live)?;
    let found = discover(app, about, asked.as_ref(), &oauth).await?;
    let client = client::client(app, about, &found.server, &oauth).await?;
    let endpoint = Endpoint {
        url: &found.server.token_endpoint,
        client: &client,
        resource: &found.resource.resource,
    };
    let chosen = oauth.scopes.as_deref().and_then(Scopes::parse);
    let challenged = asked.and_then(|asked| asked.scope);
    let scopes = chosen.or(challenged).or(found.resource.scopes);
    let given = redeem(
        app,
        about,
        endpoint,
        Grant::ClientCredentials(scopes.as_ref()),
        &oauth,
    )
    .await?;
    let given = given.map_err(|e| Failure::Unavailable(e.to_string()))?;
    let fresh = held(app, endpoint, given, scopes.as_ref());
    keep(app, whose, &fresh, "login.ready").await?;
    slot.show(Some(&fresh));
    state.held = Some(fresh);
    state.wanted = None;
    state.refreshed_at = Some(app.clock.now());
    Ok(())
}

/// Takes tokens out of use, here and at rest.
async fn over(
    app: &Arc<App>,
    whose: &Whose,
    slot: &Slot,
    state: &mut State,
    wanted: BearerChallenge,
    why: &str,
) -> Result<(), Failure> {
    let had = state.held.is_some();
    slot.show(None);
    state.held = None;
    state.wanted = Some(wanted);
    if !had {
        return Ok(());
    }
    let mut detail = Object::new();
    detail.insert("server", whose.server.as_str());
    detail.insert("why", why);
    let whose = whose.clone();
    let entry = record::by_human("login.over", &whose.owner, detail);
    app.store
        .append(entry, move |tx| {
            remit_store::logins::end(tx, &whose.server, &whose.owner)
        })
        .await?;
    Ok(())
}

/// Ends a login: the authorization server is asked to revoke its tokens, and they are gone from here whatever it says. Answers
/// until when one may live on, and why.
///
/// # Errors
/// [`Failure::NotFound`] when there is none.
pub async fn forget(app: &Arc<App>, whose: &Whose) -> Result<Option<(Timestamp, String)>, Failure> {
    let slot = app.logins.slot(whose);
    let mut state = slot.state.lock().await;
    load(app, whose, &slot, &mut state).await?;
    let Some(held) = state.held.clone() else {
        return Err(Failure::NotFound(format!(
            "`{}` is not signed in to server `{}`",
            whose.owner, whose.server
        )));
    };
    let server = app.world().registry.server(&whose.server).cloned();
    let revoked = match server.as_ref().map(|server| about(app, server, whose, None)) {
        Some(Ok(about)) => super::revoke::revoke(app, about, &held).await,
        Some(Err(failure)) => Err(failure.to_string()),
        None => Err("it is not registered here any more".to_owned()),
    };
    let why = match &revoked {
        Ok(()) => "signed out, and revoked where it was given".to_owned(),
        Err(why) => format!("signed out; not revoked where it was given: {why}"),
    };
    over(app, whose, &slot, &mut state, BearerChallenge::default(), &why).await?;
    Ok(revoked.err().map(|why| (held.expires_at, why)))
}

/// What is held for a login, without its tokens: scopes, until when, and whether it can be refreshed.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read, or what it holds does not open.
pub async fn look(
    app: &Arc<App>,
    whose: &Whose,
) -> Result<Option<(Option<Scopes>, Timestamp, bool)>, Failure> {
    let slot = app.logins.slot(whose);
    let mut state = slot.state.lock().await;
    load(app, whose, &slot, &mut state).await?;
    let held = state.held.as_ref();
    Ok(held.map(|held| (held.scopes.clone(), held.expires_at, held.refresh.is_some())))
}

fn about<'a>(
    app: &'a App,
    server: &'a ServerEntry,
    whose: &'a Whose,
    live: Option<&'a Live>,
) -> Result<About<'a>, Failure> {
    let Some(url) = address(app, &server.server) else {
        return Err(Failure::Invalid(format!(
            "server `{}` has no address",
            whose.server
        )));
    };
    Ok(About {
        name: &whose.server,
        url,
        allow_private: server.server.allow_private,
        is_system: server.system.is_some(),
        task: live,
    })
}

fn needs_reauth(whose: &Whose, what: &str) -> Failure {
    Failure::NeedsReauth(sentence(whose, what))
}

fn sentence(whose: &Whose, what: &str) -> String {
    format!(
        "server `{0}` {what}: {1} has to sign in with `remit mcp login {0}`",
        whose.server, whose.owner
    )
}
