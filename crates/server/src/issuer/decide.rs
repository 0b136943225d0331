//! Issuing is a decision: `identity/issue` for one audience, asked of policy like a call, recorded with everything it depends
//! on before anything is signed. It never waits for people: what the task does not name is refused.

use std::sync::Arc;

use remit_core::call::{Call, Operation};
use remit_core::confinement::Proof;
use remit_core::decision::{Decision, Effect, Reason};
use remit_core::destination::{Destination, DestinationKind};
use remit_core::digest::Digest;
use remit_core::id::DecisionId;
use remit_core::json::Object;
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::task::TaskState;
use remit_core::time::Timestamp;
use remit_policy::{Denial, Origin, Verdict};
use remit_store::{AppendError, Refused};

use crate::app::{App, Failure};
use crate::engine::call::{catch_up, deny, plain_denial, standing};
use crate::engine::decide::{Circumstances, Prepared, ask};
use crate::engine::live::Live;
use crate::engine::uses::{self, Weighed};
use crate::engine::{record, session};

/// Tries before a decision gives up on facts that keep changing.
const TRIES: usize = 12;
/// What stands for the server of a credential we issue ourselves.
const OURSELVES: &str = "remit";

/// A decision to issue that is durable. Only this file makes one.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The decision.
    pub decision: DecisionId,
    /// When it was made.
    pub at: Timestamp,
    /// The latest moment what is issued may live to: the end of the task's window.
    pub until: Timestamp,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish<'a> {
    /// `jwt-svid`, `access-token` or `x509-svid`.
    pub what: &'static str,
    /// For whom; `None` for the run's own identity document.
    pub audience: Option<&'a str>,
    /// How the asker showed that it is the run.
    pub proof: Proof,
    /// Longest life, in milliseconds.
    pub life_ms: i64,
}

/// The audience as policy sees it: a web address as `url:`, everything else as `other:`.
fn destination(audience: &str) -> Result<Destination, Failure> {
    let web = ["https://", "http://"]
        .iter()
        .any(|scheme| audience.starts_with(scheme));
    let kind = if web {
        DestinationKind::Url
    } else {
        DestinationKind::Other
    };
    Destination::new(kind, audience).map_err(Failure::invalid)
}

/// Decides and records.
///
/// # Errors
/// [`Failure::Forbidden`] when it is denied, which is recorded; [`Failure::Unavailable`] when it cannot be recorded.
pub(super) async fn decide(app: &Arc<App>, live: &Arc<Live>, wish: &Wish<'_>) -> Result<Issued, Failure> {
    let prepared = prepare(wish)?;
    for _ in 0..TRIES {
        let world = app.world();
        let snapshot = session::current(live, &world);
        if let Some((reason, message)) = standing(app, &snapshot) {
            return Err(denied(app, live, &prepared, plain_denial(&world, reason, message)).await?);
        }
        let run = live.run().id;
        let labels: Labels = app
            .store
            .read(move |conn| Ok::<_, Failure>(remit_store::labels::get(conn, run)?))
            .await?;
        let at = Circumstances {
            now: app.clock.now(),
            labels: &labels,
            exhausted: &[],
            origin: Origin::Initial,
            approval: None,
            weighed: &uses::without_use(&prepared, &labels),
        };
        let allow = match ask(&world, &snapshot, &prepared, at).verdict {
            Verdict::Allow(allow) => allow,
            Verdict::Deny(denial) => return Err(denied(app, live, &prepared, denial).await?),
            Verdict::Hold(hold) => {
                let message = format!("issuing a credential never waits for people: {}", hold.message);
                let mut denial = plain_denial(&world, Reason::ApprovalRequired, message);
                denial.rules = hold.rules;
                return Err(denied(app, live, &prepared, denial).await?);
            }
        };
        let now = app.clock.now();
        let until = now.plus_ms(wish.life_ms).min(snapshot.task.expires_at);
        let decision = Decision {
            id: DecisionId::fresh(now, &*app.entropy)?,
            effect: Effect::Allow,
            reason: Reason::Permitted,
            tier: allow.tier(),
            rules: allow.rules().iter().map(ToString::to_string).collect(),
            policy_version: allow.policy_version().to_string(),
            message: Reason::Permitted.sentence().to_owned(),
            allowed_instead: Vec::new(),
            approval: None,
        };
        let mut entry = record::of_live("decision", live);
        entry.proof = Some(wish.proof.as_str().to_owned());
        record::about_call(&mut entry, &prepared.call, None);
        record::decided(&mut entry, &decision);
        entry.detail.insert("issued", wish.what);
        entry.detail.insert("until", until.to_string());
        let (epochs, task, version, window) = (
            world.epochs,
            snapshot.task.id,
            snapshot.task.version,
            snapshot.task.expires_at,
        );
        let appended = app
            .store
            .append(entry, move |tx| {
                tx.expect_epochs(epochs)?;
                tx.expect_task(task, version)?;
                if tx.time() >= window {
                    let state = TaskState::Ended(remit_core::task::Ending::Expired);
                    return Err(Refused::NotOpen { task, state }.into());
                }
                Ok(())
            })
            .await;
        match appended {
            Ok(_) => {
                return Ok(Issued {
                    decision: decision.id,
                    at: now,
                    until,
                });
            }
            Err(AppendError::Refused(_)) => catch_up(app, live, &world).await?,
            Err(other) => return Err(other.into()),
        }
    }
    Err(Failure::Unavailable(
        "the facts kept changing while this was decided: try again".to_owned(),
    ))
}

fn prepare(wish: &Wish<'_>) -> Result<Prepared, Failure> {
    let server: Name = OURSELVES.parse().map_err(Failure::unavailable)?;
    let target = wish.audience.unwrap_or(wish.what).to_owned();
    let call = Call {
        server,
        server_identity: Digest::of(b"remit issuer"),
        operation: Operation::Issue(target),
        fingerprint: Digest::of(wish.what.as_bytes()),
        arguments: Object::from_iter([("what", wish.what)]),
        resources: Vec::new(),
        destinations: wish.audience.map(destination).transpose()?.into_iter().collect(),
        opaque: Vec::new(),
    };
    Ok(Prepared {
        digest: call.digest(),
        call,
        entry: None,
        server: None,
        weighed: Weighed::default(),
        salient: Vec::new(),
        proof: wish.proof,
        refused: None,
        cause: None,
    })
}

async fn denied(
    app: &Arc<App>,
    live: &Arc<Live>,
    prepared: &Prepared,
    denial: Denial,
) -> Result<Failure, Failure> {
    let message = format!("{}: {}", denial.reason.as_str(), denial.message);
    deny(app, live, prepared, denial).await?;
    Ok(Failure::Forbidden(message))
}
