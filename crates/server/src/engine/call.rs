//! A call is decided: the loop from facts to a durable record, and what follows each answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use remit_core::approval::Grant;
use remit_core::authority::Budget;
use remit_core::call::{Call, Operation};
use remit_core::confinement::Proof;
use remit_core::decision::{Decision, Effect, Reason, Tier};
use remit_core::id::{CallId, DecisionId, TaskId};
use remit_core::json::Object;
use remit_core::label::Labels;
use remit_core::limits::DENIALS_IN_A_ROW_MAX;
use remit_core::name::Name;
use remit_core::task::TaskState;
use remit_enforce::{Bounds, Permitted};
use remit_gateway::ports::Era;
use remit_policy::{Allow, Denial, Given, Hold, Origin, Overrun, Verdict};
use remit_store::approvals::StoredApproval;
use remit_store::calls::{CallState, NewCall};
use remit_store::{AppendError, Refused};

use super::budgets::Taken;
use super::cause::Cause;
use super::decide::{Answered, Circumstances, Prepared, Would, ask, prepare};
use super::flights::Boarded;
use super::links::{For, link};
use super::live::{Live, Snapshot};
use super::origin::INITIAL;
use super::world::World;
use super::{body, budgets, carried, cause, hold, labels, narrowed, record, session, uses};
use crate::app::{App, Failure};
use crate::egress::attachment::Attachment;
use crate::tasks::builtin;

/// Tries before a decision gives up on facts that keep changing.
const TRIES: usize = 12;

/// What is asked, before it is decided.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The server.
    pub server: Name,
    /// The operation.
    pub operation: Operation,
    /// Its arguments.
    pub arguments: Object,
    /// The revision the client speaks.
    pub era: Era,
    /// How the request proved that it comes from the run.
    pub proof: Proof,
    /// What goes with a request to a system: its body, and the placeholders it carries. None for MCP.
    pub attachment: Option<Arc<Attachment>>,
    /// The calls a server asks this for; none for what an agent asks.
    pub cause: Option<Arc<Cause>>,
}

/// What is redeemed with a call.
#[derive(Clone, Debug)]
pub enum Redeemed {
    /// Nothing yet.
    Nothing,
    /// The approval of this very call; `call` is the stored one.
    Approval {
        /// The approval.
        approval: Box<StoredApproval>,
        /// The stored call.
        call: CallId,
    },
    /// A grant that covers it, with the approval it came from.
    Grant {
        /// The grant.
        grant: Box<Grant>,
        /// Its approval.
        approval: Box<StoredApproval>,
    },
}

/// A decision that is durable, and what it lets happen.
#[derive(Debug)]
pub enum Decided {
    /// It may be sent.
    Allowed(Box<Allowed>),
    /// Policy asks for people; not recorded yet: the caller may find a grant or an approval first.
    Asks(Box<Asks>),
    /// Refused, and recorded.
    Denied {
        /// The decision.
        decision: Box<Decision>,
        /// The tool declares an output schema.
        has_output_schema: bool,
    },
}

/// A call that may be sent.
#[derive(Debug)]
pub struct Allowed {
    /// The permitted call.
    pub permitted: Permitted<Call>,
    /// Its id.
    pub call: CallId,
    /// Its place among the calls under way, kept until its outcome is recorded.
    pub boarded: Boarded,
    /// The decision.
    pub decision: Decision,
    /// Enforced, or let through because its class is observed only.
    pub lane: &'static str,
    /// What the registry said.
    pub prepared: Prepared,
    /// What goes with it.
    pub attachment: Option<Arc<Attachment>>,
    /// What it took from budgets.
    pub taken: Vec<Taken>,
    /// The same call as other tasks allowed it, where a server asks for several at once: sent once, for all of them.
    pub with: Vec<Alongside>,
}

/// A call as another task allowed it: it goes out with the first one's permit, and has an outcome of its own.
#[derive(Debug)]
pub struct Alongside {
    /// The task.
    pub live: Arc<Live>,
    /// Its call.
    pub call: CallId,
    /// Its place among the calls under way.
    pub boarded: Boarded,
    /// Its decision.
    pub decision: Decision,
    /// Its lane.
    pub lane: &'static str,
    /// What the registry said.
    pub prepared: Prepared,
}

/// A call that people have to agree to.
#[derive(Debug)]
pub struct Asks {
    /// What policy asks, or what a login asks.
    pub hold: Hold,
    /// The server a person has to sign in to; policy itself asks for nobody.
    pub sign_in: Option<Name>,
    /// The call.
    pub prepared: Prepared,
    /// The world it was decided in.
    pub world: Arc<World>,
    /// The task as it stood.
    pub snapshot: Arc<Snapshot>,
    /// What goes with it.
    pub attachment: Option<Arc<Attachment>>,
    /// Budgets it would overrun.
    pub overruns: Vec<(TaskId, Overrun)>,
}

/// Decides one call and, unless people have to be asked, records the decision.
///
/// # Errors
/// [`Failure::Unavailable`] when no verdict could be recorded: nothing was sent and nothing may be.
pub async fn decide(
    app: &Arc<App>,
    live: &Arc<Live>,
    asked: &Asked,
    redeemed: &Redeemed,
) -> Result<Decided, Failure> {
    decide_prepared(app, live, asked, redeemed, None).await
}

/// As [`decide`], for a call that was made canonical already: it counts as long as that world does.
///
/// # Errors
/// As [`decide`].
pub async fn decide_prepared(
    app: &Arc<App>,
    live: &Arc<Live>,
    asked: &Asked,
    redeemed: &Redeemed,
    mut first: Option<(Arc<World>, Prepared)>,
) -> Result<Decided, Failure> {
    let mut exhausted: Vec<(TaskId, Overrun)> = Vec::new();
    let (mut recount, mut counted) = (false, false);
    let mut linked = false;
    // What a call carries does not change; what was looked at when it was stored was looked at.
    let mut looked = false;
    for _ in 0..TRIES {
        let world = app.world();
        let snapshot = session::current(live, &world);
        let mut prepared = match first.take() {
            Some((of, prepared)) if Arc::ptr_eq(&of, &world) => prepared,
            _ => prepare(
                &world,
                &asked.server,
                asked.operation.clone(),
                asked.arguments.clone(),
                asked.proof,
            ),
        };
        prepared.cause.clone_from(&asked.cause);
        if builtin::is(&asked.server)
            && standing(app, &snapshot).is_none()
            && let Some((reason, message)) = builtin::decoy::judge(app, live, &prepared).await?
        {
            return deny(app, live, &prepared, plain_denial(&world, reason, message)).await;
        }
        let stopped = || {
            let why = world.stopped(&prepared, app.clock.now())?;
            Some((Reason::DestinationNotAllowed, why))
        };
        if let Some((reason, message)) = standing(app, &snapshot)
            .or_else(stopped)
            .or_else(|| prepared.refused.clone())
            .or_else(|| {
                let server = prepared.server.as_ref()?;
                crate::broker::databases::prepare::missing_read(server, &snapshot, &prepared.call)
            })
            .or_else(|| narrowed::judge(&snapshot, &prepared))
        {
            return deny(app, live, &prepared, plain_denial(&world, reason, message)).await;
        }
        if let Some((reason, message)) = misplaced(&prepared, asked) {
            return deny(app, live, &prepared, plain_denial(&world, reason, message)).await;
        }
        if let Some((reason, message)) = cause::judge(app, live, &prepared).await? {
            return deny(app, live, &prepared, plain_denial(&world, reason, message)).await;
        }
        if matches!(redeemed, Redeemed::Nothing)
            && !looked
            && let Some((reason, message)) =
                carried::judge(app, live, &prepared, asked.attachment.as_deref()).await?
        {
            return deny(app, live, &prepared, plain_denial(&world, reason, message)).await;
        }
        looked = true;
        if std::mem::take(&mut recount) {
            exhausted = budgets::overruns(app, &world, &snapshot, &prepared).await?;
            counted = true;
        }
        let labels = labels::of(app, live, &world).await?;
        let uses = uses::of(app, live).await?;
        prepared.weighed = uses.weigh(&snapshot, &prepared, &labels);
        let given = match redeemed {
            Redeemed::Nothing => None,
            // Another definition was admitted since the grant was found to cover this call: people are asked.
            Redeemed::Grant { grant, .. } if grant.fingerprint != prepared.call.fingerprint => None,
            // Beyond a budget goes one call that was looked at, not what is like it.
            Redeemed::Grant { .. } if !exhausted.is_empty() => None,
            Redeemed::Approval { approval, .. }
                if !budgets::were_seen(&approval.approval.rules, &exhausted) =>
            {
                None
            }
            Redeemed::Approval { approval, .. } | Redeemed::Grant { approval, .. } => Some(Given {
                requirement: &approval.approval.requirement,
                rules: &approval.approval.rules,
            }),
        };
        let overrun: Vec<Overrun> = exhausted.iter().map(|(_, overrun)| overrun.clone()).collect();
        let at = Circumstances {
            now: app.clock.now(),
            labels: &labels,
            exhausted: &overrun,
            origin: Origin::Initial,
            approval: given,
            weighed: &prepared.weighed,
        };
        let Answered { verdict, would } = ask(&world, &snapshot, &prepared, at);
        let allow = match verdict {
            Verdict::Deny(denial) => return deny(app, live, &prepared, denial).await,
            Verdict::Hold(hold) => {
                // Whoever is asked sees all that is asked: what the budgets say is no surprise afterwards.
                if !counted {
                    counted = true;
                    exhausted = budgets::overruns(app, &world, &snapshot, &prepared).await?;
                    if !exhausted.is_empty() {
                        continue;
                    }
                }
                return Ok(Decided::Asks(Box::new(Asks {
                    hold,
                    sign_in: None,
                    prepared,
                    world,
                    snapshot,
                    attachment: asked.attachment.clone(),
                    overruns: exhausted,
                })));
            }
            Verdict::Allow(allow) => allow,
        };
        if !linked
            && let Some(server) = &prepared.server
            && server.system.is_none()
            && !server.is_database()
            && !builtin::is(&server.server.name)
        {
            // The link shows what the server offers now; what it shows may change the world this was decided in.
            if let Err(failure) = link(app, For::Task(live), server, asked.era).await {
                if let Failure::NeedsReauth(message) = failure {
                    // What people agreed to waits as it is.
                    if !matches!(redeemed, Redeemed::Nothing) {
                        return Err(Failure::NeedsReauth(message));
                    }
                    let name = server.server.name.clone();
                    return Ok(Decided::Asks(Box::new(Asks {
                        hold: hold::sign_in(&world, message),
                        sign_in: Some(name),
                        prepared,
                        world,
                        snapshot,
                        attachment: None,
                        overruns: Vec::new(),
                    })));
                }
                let reason = if matches!(failure, Failure::Conflict(_)) {
                    Reason::CapabilityDrift
                } else {
                    Reason::Unavailable
                };
                return deny(
                    app,
                    live,
                    &prepared,
                    plain_denial(&world, reason, failure.to_string()),
                )
                .await;
            }
            linked = true;
            if app.world().epochs != world.epochs {
                continue;
            }
        }
        if let (Some(server), Some(attachment)) = (&prepared.server, &asked.attachment)
            && let Some(message) = crate::broker::missing_login(app, live, server, attachment).await?
        {
            // What people agreed to waits as it is.
            if !matches!(redeemed, Redeemed::Nothing) {
                return Err(Failure::NeedsReauth(message));
            }
            let name = server.server.name.clone();
            return Ok(Decided::Asks(Box::new(Asks {
                hold: hold::sign_in(&world, message),
                sign_in: Some(name),
                prepared,
                world,
                snapshot,
                attachment: asked.attachment.clone(),
                overruns: Vec::new(),
            })));
        }
        let lifted = match redeemed {
            Redeemed::Approval { .. } => budgets::lifted(&exhausted),
            Redeemed::Nothing | Redeemed::Grant { .. } => Vec::new(),
        };
        let facts = Facts {
            world: &world,
            snapshot: &snapshot,
            labels: &labels,
            lifted,
        };
        match allowed(app, live, facts, prepared, allow, would, redeemed).await {
            Ok(mut decided) => {
                if let Decided::Allowed(allowed) = &mut decided {
                    allowed.attachment.clone_from(&asked.attachment);
                }
                return Ok(decided);
            }
            Err(Recording::Again(AppendError::Refused(refused))) => {
                recount |= matches!(refused, Refused::BudgetExceeded { .. });
                if let Refused::ApprovalUsed { .. } | Refused::GrantUsed { .. } = &refused {
                    return Err(Failure::Conflict(refused.to_string()));
                }
                catch_up(app, live, &world).await?;
            }
            Err(Recording::Again(error)) => return Err(error.into()),
            Err(Recording::Failed(failure)) => return Err(failure),
        }
    }
    Err(Failure::Unavailable(
        "the facts kept changing while this was decided: try again".to_owned(),
    ))
}

/// Reads everything again that an append found stale.
pub(crate) async fn catch_up(app: &Arc<App>, live: &Arc<Live>, world: &World) -> Result<(), Failure> {
    app.world_since(world.epochs).await?;
    session::reload(app, live).await
}

/// What the task itself refuses.
pub(crate) fn standing(app: &App, snapshot: &Snapshot) -> Option<(Reason, String)> {
    let task = &snapshot.task;
    match task.state {
        TaskState::Ended(ending) => Some((
            Reason::TaskEnded,
            format!("task {} has ended ({}): open a new one", task.id, ending.as_str()),
        )),
        TaskState::Suspended => Some((
            Reason::TaskSuspended,
            format!("task {} is suspended: ask its initiator", task.id),
        )),
        TaskState::Open if app.clock.now() >= task.expires_at => Some((
            Reason::TaskEnded,
            format!(
                "task {} has ended (expired at {}): open a new one",
                task.id, task.expires_at
            ),
        )),
        TaskState::Open => None,
    }
}

/// A request to a system is read by the egress proxy, never made up through MCP; and the other way round.
fn misplaced(prepared: &Prepared, asked: &Asked) -> Option<(Reason, String)> {
    let server = prepared.server.as_ref()?;
    let sentence = match (&server.system, &asked.attachment) {
        (Some(_), None) => "is reached over HTTP, through the egress proxy, not over MCP",
        (None, Some(_)) => "is an MCP server, not a system reached over HTTP",
        _ => return None,
    };
    Some((Reason::OutOfAuthority, format!("`{}` {sentence}", asked.server)))
}

pub(crate) fn plain_denial(world: &World, reason: Reason, message: String) -> Denial {
    Denial {
        reason,
        rules: Vec::new(),
        message,
        allowed_instead: Vec::new(),
        policy_version: world.policy.version(),
    }
}

/// Why recording an allow did not work.
enum Recording {
    Again(AppendError),
    Failed(Failure),
}

impl From<Failure> for Recording {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// What an allow was decided on, and must still hold when it is recorded.
struct Facts<'f> {
    world: &'f World,
    snapshot: &'f Snapshot,
    labels: &'f Labels,
    /// Budgets that people agreed may be overrun by this call.
    lifted: Vec<(TaskId, Budget)>,
}

/// Records an allow with everything it depends on, and mints the permit.
async fn allowed(
    app: &Arc<App>,
    live: &Arc<Live>,
    facts: Facts<'_>,
    prepared: Prepared,
    allow: Allow,
    would: Option<Would>,
    redeemed: &Redeemed,
) -> Result<Decided, Recording> {
    let Facts {
        world,
        snapshot,
        labels,
        lifted,
    } = facts;
    let now = app.clock.now();
    let fresh_call = CallId::fresh(now, &*app.entropy).map_err(Failure::from)?;
    let approval = match redeemed {
        Redeemed::Nothing => None,
        Redeemed::Approval { approval, .. } | Redeemed::Grant { approval, .. } => Some(approval.approval.id),
    };
    let used = allow.required().is_some();
    let decision = Decision {
        id: DecisionId::fresh(now, &*app.entropy).map_err(Failure::from)?,
        effect: Effect::Allow,
        reason: Reason::Permitted,
        tier: allow.tier(),
        rules: allow.rules().iter().map(ToString::to_string).collect(),
        policy_version: allow.policy_version().to_string(),
        message: Reason::Permitted.sentence().to_owned(),
        allowed_instead: Vec::new(),
        approval: approval.filter(|_| used),
    };
    let class = prepared.classification().map(|c| c.class.as_str());
    let mut entry = record::of_live("decision", live);
    entry.proof = Some(prepared.proof.as_str().to_owned());
    record::about_call(&mut entry, &prepared.call, class);
    record::decided(&mut entry, &decision);
    cause::record(&mut entry, prepared.cause.as_deref());
    record::lookup(&mut entry, &prepared);
    uses::record(&mut entry, &prepared.weighed);
    if let Some(would) = &would {
        record::observed(&mut entry, would);
        let (tool, message) = (entry.tool.as_deref().unwrap_or_default(), &would.message);
        tracing::warn!(decision = %decision.id, tool, would = would.effect.as_str(), %message, "observe mode let a call through");
    }
    let lane = if would.is_some() {
        record::OBSERVED
    } else {
        record::ENFORCED
    };
    let observed_until = would.map(|would| would.until);
    let charge = prepared
        .entry
        .as_ref()
        .map(|tool| tool.tool.classification.labels.clone())
        .unwrap_or_default();
    entry.labels = labels
        .union(&charge)
        .map(remit_core::label::Label::text)
        .collect();
    let call_id = match redeemed {
        Redeemed::Approval { call, .. } => *call,
        Redeemed::Nothing | Redeemed::Grant { .. } => fresh_call,
    };
    entry.detail.insert("call", call_id.to_string());
    let sealed = body::seal(app, snapshot.task.id, call_id, &prepared.call)?;
    entry.commitment = Some(sealed.commitment);
    entry.body = Some(sealed.digest);
    let held = matches!(redeemed, Redeemed::Approval { .. });
    let new_call = NewCall {
        id: call_id,
        task: snapshot.task.id,
        run: snapshot.task.run,
        decision: decision.id,
        digest: prepared.digest,
        reference: None,
        state: CallState::Open,
        call: None,
        body: Some(sealed.bytes),
    };
    let spend = match redeemed {
        Redeemed::Approval { approval, .. } => Some(approval.approval.id),
        Redeemed::Nothing | Redeemed::Grant { .. } => None,
    };
    let grant = match redeemed {
        Redeemed::Grant { grant, .. } if used => Some(grant.id),
        _ => None,
    };
    let (epochs, task, version, expires_at) = (
        world.epochs,
        snapshot.task.id,
        snapshot.task.version,
        snapshot.task.expires_at,
    );
    let digest_of_call = prepared.digest;
    let (run, digest, decision_id) = (snapshot.task.run, prepared.digest, decision.id);
    let take = budgets::reservations(app, snapshot, &prepared);
    budgets::record(&mut entry, &lifted);
    let uses = live.uses.get();
    let remember = uses
        .map(|uses| uses.to_remember(&prepared.weighed))
        .unwrap_or_default();
    let (agent, remembered) = (snapshot.task.agent.clone(), remember.clone());
    let (seen, labelled) = (labels.clone(), labels::are_carried(world));
    let boarded = app.flights.board(call_id, now, &prepared);
    let (receipt, taken) = app
        .store
        .append(entry, move |tx| {
            tx.expect_epochs(epochs)?;
            tx.expect_task(task, version)?;
            if tx.time() >= expires_at {
                let state = TaskState::Ended(remit_core::task::Ending::Expired);
                return Err(Refused::NotOpen { task, state }.into());
            }
            if observed_until.is_some_and(|until| until <= tx.time()) {
                return Err(Refused::Stale {
                    what: "observations",
                    key: lane.to_owned(),
                }
                .into());
            }
            for what in &remember {
                remit_store::familiar::add(tx, &agent, what)?;
            }
            let taken = budgets::take(tx, &take, &lifted)?;
            if let Some(approval) = spend {
                remit_store::approvals::spend(tx, approval, digest)?;
            }
            if let Some(grant) = grant {
                remit_store::grants::spend(tx, grant)?;
            }
            if labelled {
                remit_store::labels::charge(tx, run, &seen, &charge)?;
            }
            if held {
                remit_store::calls::release(tx, call_id, decision_id)?;
            } else {
                remit_store::calls::add(tx, &new_call)?;
            }
            Ok(taken)
        })
        .await
        .map_err(Recording::Again)?;
    boarded.let_out();
    live.attempts.let_out(digest_of_call, call_id);
    if let Some(uses) = uses {
        uses.count(&prepared, &remembered);
    }
    // A lookup is nothing the agent asked for: whoever tries ids would never be stopped.
    if record::lookup_for(&prepared).is_none() {
        live.denials_in_a_row.store(0, Ordering::Relaxed);
    }
    let left = u64::try_from(expires_at.ms_since(now)).unwrap_or(0);
    let bounds = Bounds {
        deadline: app.clock.boot().plus_ms(left),
        lifeline: live.lifeline(),
    };
    let permitted = app
        .mint
        .call(allow, &receipt, prepared.call.clone(), bounds)
        .map_err(|mismatch| Failure::Unavailable(mismatch.to_string()))?;
    if decision.tier == Tier::Notify {
        tracing::info!(decision = %decision.id, "a call people asked to be told of was allowed");
    }
    Ok(Decided::Allowed(Box::new(Allowed {
        permitted,
        call: call_id,
        boarded,
        decision,
        lane,
        prepared,
        attachment: None,
        taken,
        with: Vec::new(),
    })))
}

/// Records a denial.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded: the agent is then told that there is no verdict.
pub(crate) async fn deny(
    app: &Arc<App>,
    live: &Arc<Live>,
    prepared: &Prepared,
    denial: Denial,
) -> Result<Decided, Failure> {
    let decision = Decision {
        id: DecisionId::fresh(app.clock.now(), &*app.entropy)?,
        effect: Effect::Deny,
        reason: denial.reason,
        tier: Tier::Never,
        rules: denial.rules.iter().map(ToString::to_string).collect(),
        policy_version: denial.policy_version.to_string(),
        message: denial.message,
        allowed_instead: denial.allowed_instead,
        approval: None,
    };
    record_refusal(app, live, prepared, &decision, INITIAL).await?;
    // What a server asks for is not its agent's doing.
    if prepared.cause.is_some() {
        return Ok(Decided::Denied {
            decision: Box::new(decision),
            has_output_schema: prepared.has_output_schema(),
        });
    }
    let in_a_row = live.denials_in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
    if in_a_row == u64::from(DENIALS_IN_A_ROW_MAX) {
        let task = live.snapshot().task.id;
        let why = format!("{DENIALS_IN_A_ROW_MAX} denials in a row");
        if let Err(failure) = crate::tasks::suspend(app, task, &app.me.clone(), &why).await {
            tracing::error!(%task, %failure, "a task with too many denials could not be suspended");
        }
    }
    Ok(Decided::Denied {
        decision: Box::new(decision),
        has_output_schema: prepared.has_output_schema(),
    })
}

/// Records a decision that lets nothing happen.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub async fn record_refusal(
    app: &Arc<App>,
    live: &Live,
    prepared: &Prepared,
    decision: &Decision,
    origin: &str,
) -> Result<(), Failure> {
    let mut entry = record::of_live("decision", live);
    entry.proof = Some(prepared.proof.as_str().to_owned());
    entry.origin = Some(origin.to_owned());
    record::about_call(
        &mut entry,
        &prepared.call,
        prepared.classification().map(|c| c.class.as_str()),
    );
    record::decided(&mut entry, decision);
    cause::record(&mut entry, prepared.cause.as_deref());
    record::lookup(&mut entry, prepared);
    uses::record(&mut entry, &prepared.weighed);
    carried::withhold(app, &mut entry)?;
    app.store.append(entry, |_| Ok(())).await?;
    Ok(())
}

/// Denies a request that is refused by what it is; counted like every denial.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub(crate) async fn deny_for(
    app: &Arc<App>,
    live: &Arc<Live>,
    prepared: &Prepared,
    reason: Reason,
    message: String,
) -> Result<Decision, Failure> {
    let denial = plain_denial(&app.world(), reason, message);
    match deny(app, live, prepared, denial).await? {
        Decided::Denied { decision, .. } => Ok(*decision),
        Decided::Allowed(_) | Decided::Asks(_) => Err(Failure::Unavailable("a denial is one".to_owned())),
    }
}

/// Denies a call for a reason policy does not know, and records it.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub async fn refuse_for(
    app: &Arc<App>,
    live: &Live,
    prepared: &Prepared,
    reason: Reason,
    message: String,
) -> Result<Decision, Failure> {
    refuse_as(app, live, prepared, reason, message, INITIAL).await
}

/// The same for a call of another origin.
///
/// # Errors
/// As [`refuse_for`].
pub async fn refuse_as(
    app: &Arc<App>,
    live: &Live,
    prepared: &Prepared,
    reason: Reason,
    message: String,
    origin: &str,
) -> Result<Decision, Failure> {
    let decision = Decision {
        id: DecisionId::fresh(app.clock.now(), &*app.entropy)?,
        effect: Effect::Deny,
        reason,
        tier: Tier::Never,
        rules: Vec::new(),
        policy_version: app.world().policy.version().to_string(),
        message,
        allowed_instead: Vec::new(),
        approval: None,
    };
    record_refusal(app, live, prepared, &decision, origin).await?;
    Ok(decision)
}

/// A decision that could not be made, for the agent: nothing was recorded, nothing was sent. Its id has no randomness
/// when the system gives none; it stands for no record.
#[must_use]
pub fn unavailable(app: &App, failure: &Failure) -> Decision {
    let now = app.clock.now();
    Decision {
        id: DecisionId::fresh(now, &*app.entropy).unwrap_or_else(|_| DecisionId::without_entropy(now)),
        effect: Effect::Deny,
        reason: if matches!(failure, Failure::NeedsReauth(_)) {
            Reason::NeedsReauth
        } else {
            Reason::Unavailable
        },
        tier: Tier::Never,
        rules: Vec::new(),
        policy_version: String::new(),
        message: failure.to_string(),
        allowed_instead: Vec::new(),
        approval: None,
    }
}
