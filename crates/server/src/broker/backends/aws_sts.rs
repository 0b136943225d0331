//! Temporary keys of an AWS role, for a token of our own issuer. The token is for STS alone, lives minutes, and never leaves
//! the broker; the lease that stands in the ledger before it is made is its `jti`.

use std::sync::Arc;

use remit_broker::backend::aws_sts::{Expires, Wish, assume, claims, word};
use remit_core::json::Object;
use remit_core::lease::Lease;
use remit_core::time::Timestamp;
use secrecy::SecretString;

use super::{Made, life_ms};
use crate::app::{App, Failure};
use crate::broker::Reach;
use crate::config::credentials::AwsSts;
use crate::engine::live::Live;
use crate::issuer;

/// Shortest life that STS gives, in seconds.
const DURATION_S_MIN: u64 = 900;

pub(super) async fn make(
    app: &Arc<App>,
    live: &Arc<Live>,
    of: &AwsSts,
    lease: &Lease,
) -> Result<Made, Failure> {
    let now = app.clock.now();
    let task = Arc::clone(&live.snapshot().task);
    let run = task.run.to_string();
    let session = run.clone();
    let mut more = Object::new();
    claims(
        &mut more,
        &[
            ("remit:task", &word(task.id.to_string().as_str())),
            ("remit:run", &word(&run)),
            ("remit:agent", &word(task.agent.as_str())),
        ],
        &word(task.initiator.as_str()),
    );
    let token = SecretString::from(issuer::for_lease(app, live, lease, &of.audience, more)?);
    app.broker.remember_more(&format!("lease/{}", lease.id), &token);
    let life =
        u64::try_from(life_ms(&of.ttl).map_err(Failure::unavailable)? / 1000).unwrap_or(DURATION_S_MIN);
    // No longer than the task, but for what STS gives at least.
    let left = u64::try_from(task.expires_at.ms_since(now) / 1000).unwrap_or(0);
    let wish = Wish {
        role: of.role.clone(),
        session,
        duration_s: life.min(left).max(DURATION_S_MIN),
        policy: of.policy.clone(),
    };
    let reach = Reach::of_task(app, lease.system.as_str(), live)?;
    let made = assume(&of.url, &token, &wish, of.allow_private, &reach)
        .await
        .map_err(Failure::unavailable)?;
    let expires_at = match &made.expires {
        Expires::Seconds(seconds) => Some(Timestamp(seconds.saturating_mul(1000))),
        Expires::Text(text) => {
            let at = text.parse::<jiff::Timestamp>().ok();
            at.map(|at| Timestamp(at.as_millisecond()))
        }
    };
    Ok(Made {
        value: made.secret,
        user: Some(made.id),
        session: Some(made.session),
        handle: None,
        expires_at: expires_at.unwrap_or_else(|| {
            now.plus_ms(
                i64::try_from(wish.duration_s)
                    .unwrap_or(i64::MAX / 1000)
                    .saturating_mul(1000),
            )
        }),
    })
}
