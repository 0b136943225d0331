//! A login begins: a person asks for it over control, and gets the address where they agree. It is shown to nobody else:
//! whoever opens it decides whose account is used.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use remit_core::json::Object;
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_credentials::oauth::{Begin, Pending, Scopes, select, step_up};
use tokio::sync::watch;

use super::discover::{About, discover};
use super::{Whose, address, client, configured, whose};
use crate::app::{App, Failure};
use crate::engine::record;

/// How long an address waits to be opened, in milliseconds.
const QUESTION_MS: i64 = 10 * 60 * 1000;
/// Most addresses that wait at once.
const QUESTIONS_MAX: usize = 64;

/// A question that waits.
#[derive(Debug)]
pub struct Question {
    /// Whose login it becomes.
    pub whose: Whose,
    /// What was asked.
    pub pending: Pending,
    /// When it no longer counts.
    pub expires_at: Timestamp,
    answered: AtomicBool,
    /// What became of it.
    pub outcome: watch::Sender<Option<Result<(), String>>>,
}

/// Begins a login of `person` to `server`. A question of theirs to the same server that still waits is dropped.
///
/// # Errors
/// [`Failure`] with what has to be configured, or who does not answer.
pub async fn begin(app: &Arc<App>, server: &Name, person: &Name) -> Result<Arc<Question>, Failure> {
    let world = app.world();
    let entry = world.registry.server(server).ok_or_else(|| {
        Failure::NotFound(format!(
            "no server `{server}` is registered: see `remit mcp list`"
        ))
    })?;
    let whose = whose(app, &entry.server, person);
    let (Some(url), Some(whose)) = (address(app, &entry.server), whose) else {
        return Err(Failure::Invalid(format!(
            "nobody signs in to `{server}`: it is started by us, or has no `[credentials.NAME]` with `oauth`"
        )));
    };
    if whose.owner != *person {
        return Err(Failure::Invalid(format!(
            "server `{server}` is used as the client itself: nobody signs in to it"
        )));
    }
    let oauth = configured(app, server);
    let slot = app.logins.slot(&whose);
    let (wanted, held) = {
        let state = slot.state.lock().await;
        let held = state.held.as_ref().and_then(|held| held.scopes.clone());
        (state.wanted.clone(), held)
    };
    let about = About {
        name: server,
        url,
        allow_private: entry.server.allow_private,
        is_system: entry.system.is_some(),
        task: None,
    };
    let found = discover(app, about, wanted.as_ref(), &oauth).await?;
    let client = client::client(app, about, &found.server, &oauth).await?;
    let challenged = wanted.as_ref().and_then(|wanted| wanted.scope.as_ref());
    let chosen = oauth.scopes.as_deref().and_then(Scopes::parse);
    let mut scopes = select(
        chosen.as_ref(),
        challenged,
        found.resource.scopes.as_ref(),
        found.server.scopes.as_ref(),
    );
    if let (Some(held), Some(wants)) = (&held, &scopes) {
        scopes = Some(step_up(Some(held), wants).unwrap_or_else(|| held.clone()));
    }
    let redirect_uri = client::redirect_uri(app);
    let pending = Begin {
        server: &found.server,
        client: &client,
        redirect_uri: &redirect_uri,
        resource: &found.resource.resource,
        scopes,
    }
    .ask(&*app.entropy)
    .map_err(|e| Failure::Conflict(e.to_string()))?;
    let mut detail = Object::new();
    detail.insert("server", server.as_str());
    detail.insert("issuer", pending.issuer.as_str());
    detail.insert("resource", pending.resource.as_str());
    if let Some(scopes) = &pending.scopes {
        detail.insert("scopes", scopes.to_string());
    }
    app.store
        .append(record::by_human("login.begin", person, detail), |_| Ok(()))
        .await?;
    let question = Arc::new(Question {
        whose,
        pending,
        expires_at: app.clock.now().plus_ms(QUESTION_MS),
        answered: AtomicBool::new(false),
        outcome: watch::channel(None).0,
    });
    app.logins.ask(app.clock.now(), &question)?;
    Ok(question)
}

impl super::Logins {
    fn ask(&self, now: Timestamp, question: &Arc<Question>) -> Result<(), Failure> {
        let mut all = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, other| other.whose != question.whose && now < other.expires_at);
        if all.len() >= QUESTIONS_MAX {
            return Err(Failure::Unavailable(format!(
                "{QUESTIONS_MAX} logins wait already: finish one of them first"
            )));
        }
        all.insert(question.pending.state.clone(), Arc::clone(question));
        Ok(())
    }

    /// Takes the question an answer belongs to; it counts once.
    pub(super) fn take(&self, state: &str, now: Timestamp) -> Option<Arc<Question>> {
        let all = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let question = all.get(state).filter(|question| now < question.expires_at)?;
        (!question.answered.swap(true, Ordering::SeqCst)).then(|| Arc::clone(question))
    }

    /// Forgets a question whose answer was dealt with.
    pub(super) fn close(&self, question: &Question) {
        let mut all = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&question.pending.state);
    }

    /// The question of one person to one server that waits.
    #[must_use]
    pub fn waiting(&self, whose: &Whose, now: Timestamp) -> Option<Arc<Question>> {
        let all = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        all.values()
            .find(|question| question.whose == *whose && now < question.expires_at)
            .cloned()
    }
}
