//! Rotation: the next key is made, recorded and published before it signs; what can have signed nothing that still lives is
//! deleted.

use std::sync::{Arc, PoisonError};

use remit_core::time::Timestamp;

use super::keys;
use crate::app::{App, Failure};
use crate::engine::record;

/// Makes and deletes what is due. Called at every sweep; nearly always there is nothing to do.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded or written; the keys there are go on.
pub async fn rotate(app: &Arc<App>) -> Result<(), Failure> {
    let now = app.clock.now();
    let issuer = &app.issuer;
    let (token, ca) = {
        let tokens = issuer.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let cas = issuer.cas.read().unwrap_or_else(PoisonError::into_inner);
        (tokens.wants_next(now), cas.wants_next(now))
    };
    if token {
        record_key(app, "token", "made", now).await?;
        let made = keys::make_token(&issuer.folder, now, &*app.entropy).map_err(Failure::unavailable)?;
        issuer.push_token(made);
    }
    if ca {
        record_key(app, "ca", "made", now).await?;
        let made = keys::make_ca(
            &issuer.folder,
            &issuer.domain,
            issuer.lives.ca_ms,
            now,
            &*app.entropy,
        )
        .map_err(Failure::unavailable)?;
        issuer.push_ca(made);
    }
    let gone_tokens = {
        let mut ring = issuer.tokens.write().unwrap_or_else(PoisonError::into_inner);
        made_at(ring.prune(now))
    };
    let gone_cas = {
        let mut ring = issuer.cas.write().unwrap_or_else(PoisonError::into_inner);
        made_at(ring.prune(now))
    };
    for (purpose, gone) in [("token", gone_tokens), ("ca", gone_cas)] {
        for made_at in gone {
            keys::delete(&issuer.folder, purpose, made_at);
            issuer.changed.send_modify(|count| *count += 1);
            record_key(app, purpose, "deleted", made_at).await?;
        }
    }
    Ok(())
}

fn made_at<K>(generations: Vec<remit_identity::Generation<K>>) -> Vec<Timestamp> {
    generations
        .into_iter()
        .map(|generation| generation.made_at)
        .collect()
}

async fn record_key(app: &Arc<App>, purpose: &str, what: &str, made_at: Timestamp) -> Result<(), Failure> {
    let mut entry = record::of("issuer.key");
    entry.detail.insert("purpose", purpose);
    entry.detail.insert("what", what);
    entry.detail.insert("made_at", made_at.to_string());
    app.store.append(entry, |_| Ok(())).await?;
    Ok(())
}
