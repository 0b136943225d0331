//! Handing out: an access token and the refresh token after it, for a code or a refresh token that is good once.

use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::task::Task;
use remit_store::handles::{self, Kind};

use super::super::code::{Bound, stolen};
use super::super::error::OauthError;
use super::{Asking, use_up};
use crate::app::{App, Failure};
use crate::engine::record;
use crate::tasks::token;

/// What was presented, and is used up by it.
pub(super) struct Presented {
    /// Code or refresh token.
    pub(super) kind: Kind,
    /// Its digest.
    pub(super) digest: Digest,
    /// The grant, for the record.
    pub(super) grant: &'static str,
    /// Why the task ends when it was used at once by two.
    pub(super) twice: &'static str,
}

/// The one copy of each.
pub(super) struct HandedOut {
    /// The access token, and its digest.
    pub(super) access: (String, Digest),
    /// The refresh token.
    pub(super) refresh: String,
}

/// Spends what was presented and gives the run a new token, in one append; `refresh` is what the next refresh token is bound to.
///
/// # Errors
/// [`OauthError`] when it was used before: the task has ended then.
pub(super) async fn hand_out(
    app: &Arc<App>,
    asking: &Asking,
    task: &Task,
    presented: Presented,
    refresh: &Bound,
) -> Result<HandedOut, OauthError> {
    let (access, access_digest) = token::fresh(&*app.entropy).map_err(Failure::from)?;
    let (secret, next) = refresh.fresh(app, Kind::Refresh, Bound::known_until(task.expires_at))?;
    let mut entry = record::of_task("oauth.token", task);
    entry.detail.insert("client", asking.client()?.id.as_str());
    entry.detail.insert("grant", presented.grant);
    let (run, used, key) = (task.run, asking.used(), asking.key());
    // A client that proved who it is may come with its next certificate.
    let rebind = asking.is_confidential();
    let (kind, digest) = (presented.kind, presented.digest);
    let appended = app
        .store
        .append(entry, move |tx| {
            use_up(tx, &used)?;
            handles::spend(tx, kind, digest)?;
            remit_store::runs::hand_over(tx, run, access_digest, key.as_ref(), rebind)?;
            handles::add(tx, &next)
        })
        .await;
    match appended.map_err(Failure::from) {
        Ok(_) => Ok(HandedOut {
            access: (access, access_digest),
            refresh: secret,
        }),
        Err(Failure::Conflict(_)) => Err(stolen(app, task.id, presented.twice).await),
        Err(other) => Err(other.into()),
    }
}
