//! Enrolment: a token a person hands to a workload, shown once, stored hashed, good for one run.

use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::limits::ENROLMENT_MS_MAX;
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::time::Timestamp;
use remit_store::enrolments::Enrolment;

use crate::app::{App, Failure};
use crate::engine::record;
use crate::tasks::token;

/// Makes an enrolment of `agent`; its owner and administrators may.
///
/// # Errors
/// [`Failure`] when there is no such agent, the person may not, or its life is out of bounds.
pub async fn enrol(
    app: &Arc<App>,
    agent: &Name,
    ttl_ms: i64,
    by: &Name,
) -> Result<(String, Timestamp), Failure> {
    let world = app.world();
    let known = world
        .agents
        .get(agent)
        .ok_or_else(|| Failure::NotFound(format!("no agent `{agent}` is registered")))?;
    if known.owner != *by {
        crate::people::expect_role(app, by, &Role::Administrator)?;
    }
    if !(1..=ENROLMENT_MS_MAX).contains(&ttl_ms) {
        return Err(Failure::invalid("an enrolment lives between a moment and 7 days"));
    }
    let now = app.clock.now();
    let (secret, _) = token::fresh(&*app.entropy)?;
    // A prefix of its own, so that nobody takes it for the token of a run.
    let secret = secret.replacen("remit_", "remit-enrol_", 1);
    let enrolment = Enrolment {
        token: Digest::of(secret.as_bytes()),
        agent: agent.clone(),
        issued_by: by.clone(),
        issued_at: now,
        expires_at: now.plus_ms(ttl_ms),
        used: None,
    };
    let expires_at = enrolment.expires_at;
    let mut entry = record::of("agent.enrol");
    entry.agent = Some(agent.to_string());
    entry.detail.insert("by", by.as_str());
    entry.detail.insert("enrolment", enrolment.token.to_string());
    entry.detail.insert("expires_at", expires_at.to_string());
    app.store
        .append(entry, move |tx| remit_store::enrolments::add(tx, &enrolment))
        .await?;
    Ok((secret, expires_at))
}
