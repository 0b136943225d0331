//! Findings: an identity that looks misused. Each is a record of the ledger first, and a row people can read; the same one
//! again is counted, at most once a second, so that whoever misuses a token cannot fill the ledger with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::decision::Reason;
use remit_core::json::Object;
use remit_core::limits::FINDING_REPEAT_MS;
use remit_core::time::BootTime;
use remit_store::findings::Finding;

use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::origin::ANOMALY;
use crate::engine::record;

/// Most findings whose repetition is watched at once; beyond that every one is recorded.
const WATCHED_MAX: usize = 10_000;

/// Kinds that say that a call does not come from where its run calls: another key, host or process.
const FROM_ELSEWHERE: [&str; 3] = ["identity_anomaly", "key_mismatch", "proof_missing"];

/// Why what was found is refused.
const fn reason(kind: &str) -> Reason {
    match kind.as_bytes() {
        b"hidden_destination" => Reason::DestinationNotAllowed,
        b"request_without_call" => Reason::OutOfAuthority,
        b"decoy_used" | b"placeholder_replayed" | b"foreign_credential" => Reason::ForeignCredential,
        _ => Reason::ActorInvalid,
    }
}

/// When each finding was last recorded.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<HashMap<String, BootTime>>);

impl Throttle {
    fn admits(&self, key: &str, now: BootTime) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recently = |at: &BootTime| now < at.plus_ms(FINDING_REPEAT_MS);
        if seen.get(key).is_some_and(recently) {
            return false;
        }
        if seen.len() >= WATCHED_MAX {
            seen.retain(|_, at| recently(at));
        }
        seen.insert(key.to_owned(), now);
        true
    }
}

/// What was found, before it is kept.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// What kind: a word of `docs/findings.md`.
    pub kind: &'static str,
    /// The run whose identity it is about, where there is one.
    pub live: Option<&'a Live>,
    /// Both parties in a form that is the same when the same is seen again.
    pub parties: String,
    /// One sentence that names both.
    pub message: String,
    /// The particulars.
    pub detail: Object,
}

/// Records and keeps a finding.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded: what was found out is refused all the same.
pub async fn keep(app: &Arc<App>, found: Found<'_>) -> Result<(), Failure> {
    let key = format!("{} {}", found.kind, found.parties);
    if !app.findings.admits(&key, app.clock.boot()) {
        return Ok(());
    }
    tracing::warn!(kind = found.kind, "{}", found.message);
    let mut entry = match found.live {
        Some(live) => record::of_live("finding", live),
        None => record::of("finding"),
    };
    entry.reason = Some(reason(found.kind).as_str().to_owned());
    if found.live.is_some() && FROM_ELSEWHERE.contains(&found.kind) {
        entry.origin = Some(ANOMALY.to_owned());
    }
    entry.detail = found.detail.clone();
    entry.detail.insert("kind", found.kind);
    entry.detail.insert("message", found.message.as_str());
    let now = app.clock.now();
    let finding = Finding {
        key,
        kind: found.kind.to_owned(),
        agent: entry.agent.clone(),
        task: entry.task.clone(),
        run: entry.run.clone(),
        message: found.message,
        detail: found.detail,
        first_at: now,
        last_at: now,
        times: 1,
    };
    app.store
        .append(entry, move |tx| remit_store::findings::note(tx, &finding))
        .await?;
    Ok(())
}

/// The findings seen last, newest first.
///
/// # Errors
/// [`Failure::Unavailable`] when they cannot be read.
pub async fn latest(app: &App, limit: u32) -> Result<Vec<Finding>, Failure> {
    app.store
        .read(move |conn| Ok::<_, Failure>(remit_store::findings::latest(conn, limit)?))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_is_counted_once_a_second() {
        let throttle = Throttle::default();
        assert!(throttle.admits("a", BootTime(1_000)));
        assert!(!throttle.admits("a", BootTime(1_500)));
        assert!(throttle.admits("b", BootTime(1_500)));
        assert!(throttle.admits("a", BootTime(2_000)));
    }
}
