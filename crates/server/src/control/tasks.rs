//! `/v1/tasks`

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::{Path, Query, State};
use remit_core::authority::{Authority, Budget, Scope};
use remit_core::id::TaskId;
use remit_core::task::{Ending, Intent, Mode};
use remit_core::tool::ToolClass;
use remit_core::verb;
use remit_store::codec::budget_from_text;
use remit_store::tasks::Filter;
use serde::Deserialize;
use serde_json::Value;

use super::Control;
use super::body::{Acting, Body, by, id, opener, parse, parse_all};
use super::error::Answer;
use super::view;
use crate::app::{App, Failure};
use crate::evidence::checkpoint;
use crate::tasks::Change;
use crate::tasks::open::{More, NewTask};

/// Most tasks one list answers with.
const LIST_MAX: u32 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    agent: String,
    intent: String,
    #[serde(default)]
    purpose: String,
    template: Option<String>,
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    destinations: Vec<String>,
    #[serde(default)]
    budgets: Vec<String>,
    ttl_ms: Option<i64>,
    mode: Option<String>,
    parent: Option<String>,
    depth: Option<u8>,
    fan_out: Option<u16>,
    heartbeat_ms: Option<i64>,
    idle_ms: Option<i64>,
    max_life_ms: Option<i64>,
    #[serde(default)]
    await_run: bool,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn open(State(Control { app, .. }): State<Control>, Body(body): Body<Open>) -> Answer {
    let by = opener(&app, body.by.as_ref())?;
    let mode = body.mode.as_deref().map(|text| {
        Mode::parse(text).ok_or_else(|| {
            Failure::invalid(format!(
                "`{text}` is no mode: it is assist, execute or coordinate"
            ))
        })
    });
    let (resources, narrowed) = verb::apart(parse_all(&body.resources)?).map_err(Failure::invalid)?;
    let limit = Authority {
        narrowed,
        budgets: budgets(&body.budgets)?,
        ..Authority::unbounded()
    };
    let limits = !limit.budgets.is_empty() || !limit.narrowed.0.is_empty();
    let new = NewTask {
        agent: parse(&body.agent)?,
        intent: Intent {
            goal: body.intent,
            purpose: body.purpose,
        },
        template: body.template.as_deref().map(parse).transpose()?,
        set: body.set,
        allow: parse_all(&body.allow)?,
        resources,
        destinations: parse_all(&body.destinations)?,
        limit: limits.then_some(limit),
        ttl_ms: body.ttl_ms,
        mode: mode.transpose()?,
        parent: body.parent.as_deref().map(task_id).transpose()?,
        process: None,
        more: More {
            depth: body.depth,
            fan_out: body.fan_out,
            heartbeat_ms: body.heartbeat_ms,
            idle_ms: body.idle_ms,
            max_life_ms: body.max_life_ms,
        },
    };
    let opened = crate::tasks::open::open(&app, new, &by).await?;
    if body.await_run {
        crate::attest::bind::await_run(&app, opened.task.run).await?;
    }
    let mut shown = view::task(&opened.task);
    let mcp_url = format!("{}/mcp", *app.base_url.borrow());
    for (key, value) in [
        ("spiffe_id", opened.spiffe_id),
        ("token", opened.token),
        ("mcp_url", mcp_url),
    ] {
        // The token of a run that has yet to show what it is works for nobody.
        if !(body.await_run && key == "token") {
            view::add(&mut shown, key, value);
        }
    }
    Ok(Json(shown))
}

/// Budgets as they are asked for: `COUNTS=MAX`; of two for the same, the smaller counts.
fn budgets(texts: &[String]) -> Result<BTreeMap<Budget, u64>, Failure> {
    let mut budgets = BTreeMap::new();
    for text in texts {
        let read = text.rsplit_once('=').and_then(|(counts, max)| {
            let max: u64 = max.parse().ok()?;
            Some((budget_from_text(counts)?, max))
        });
        let (budget, max) = read
            .filter(|(_, max)| i64::try_from(*max).is_ok_and(is_safe))
            .ok_or_else(|| {
                Failure::invalid(format!(
                    "`{text}` is no budget: write `calls=MAX`, `class:write=MAX`, `tool:SERVER/TOOL=MAX`, \
                 `sum:SERVER/TOOL#/POINTER=MAX` or `rows:DATABASE=MAX`"
                ))
            })?;
        budgets
            .entry(budget)
            .and_modify(|most: &mut u64| *most = (*most).min(max))
            .or_insert(max);
    }
    Ok(budgets)
}

/// A number that is written and read back alike.
const fn is_safe(number: i64) -> bool {
    number <= remit_core::json::MAX_SAFE_INTEGER
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    state: Option<String>,
}

pub(super) async fn list(State(Control { app, .. }): State<Control>, Query(which): Query<Which>) -> Answer {
    let filter = Filter {
        live: which.state.as_deref() == Some("open"),
        ..Filter::default()
    };
    let tasks = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::tasks::list(conn, &filter, LIST_MAX)?))
        .await?;
    Ok(Json(
        tasks.iter().map(|stored| view::task(&stored.task)).collect(),
    ))
}

pub(super) async fn show(State(Control { app, .. }): State<Control>, Path(task): Path<String>) -> Answer {
    Ok(Json(shown(&app, task_id(&task)?).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Amend {
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    destinations: Vec<String>,
    /// Tools to add.
    #[serde(default)]
    add_tools: Vec<String>,
    #[serde(default)]
    add_resources: Vec<String>,
    #[serde(default)]
    add_destinations: Vec<String>,
    intent: Option<String>,
    ttl_ms: Option<i64>,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn amend(
    State(Control { app, .. }): State<Control>,
    Path(task): Path<String>,
    Body(body): Body<Amend>,
) -> Answer {
    let task = task_id(&task)?;
    let mut limit = Authority::unbounded();
    if !body.allow.is_empty() {
        limit.tools = parse_all(&body.allow)?;
        limit.classes = ToolClass::ALL.into_iter().collect();
    }
    if !body.resources.is_empty() {
        let (resources, narrowed) = verb::apart(parse_all(&body.resources)?).map_err(Failure::invalid)?;
        limit.resources = Scope::Only(resources.into_iter().collect());
        limit.narrowed = narrowed;
    }
    let (more, verbs) = verb::apart(parse_all(&body.add_resources)?).map_err(Failure::invalid)?;
    if let Some(root) = verbs.0.keys().next() {
        return Err(Failure::invalid(format!(
            "`{root}` is added without verbs, and narrowed by `--resource` in a second step"
        ))
        .into());
    }
    if !body.destinations.is_empty() {
        limit.destinations = Scope::Only(parse_all::<_, BTreeSet<_>>(&body.destinations)?);
    }
    let change = Change {
        keep: limit,
        tools: parse_all(&body.add_tools)?,
        resources: more,
        destinations: parse_all(&body.add_destinations)?,
        goal: body.intent,
        expires_at: body.ttl_ms.map(|ttl| app.clock.now().plus_ms(ttl)),
        ..Change::default()
    };
    crate::tasks::amend(&app, task, change, &by(&app, body.by.as_ref())?).await?;
    Ok(Json(shown(&app, task).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renew {
    ttl_ms: i64,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn renew(
    State(Control { app, .. }): State<Control>,
    Path(task): Path<String>,
    Body(body): Body<Renew>,
) -> Answer {
    let task = task_id(&task)?;
    let renewed = crate::tasks::renew(&app, task, body.ttl_ms, &by(&app, body.by.as_ref())?).await?;
    let mut shown = shown(&app, task).await?;
    view::add(&mut shown, "narrowed", renewed.narrowed);
    Ok(Json(shown))
}

pub(super) async fn suspend(
    State(Control { app, .. }): State<Control>,
    Path(task): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let task = task_id(&task)?;
    let by = by(&app, body.by.as_ref())?;
    crate::tasks::suspend(&app, task, &by, "suspended by a person").await?;
    Ok(Json(shown(&app, task).await?))
}

pub(super) async fn resume(
    State(Control { app, .. }): State<Control>,
    Path(task): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let task = task_id(&task)?;
    let narrowed = crate::tasks::resume(&app, task, &by(&app, body.by.as_ref())?).await?;
    let mut shown = shown(&app, task).await?;
    view::add(&mut shown, "narrowed", narrowed);
    Ok(Json(shown))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Done {
    outcome: Option<String>,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn done(
    State(Control { app, .. }): State<Control>,
    Path(task): Path<String>,
    Body(body): Body<Done>,
) -> Answer {
    let task = task_id(&task)?;
    let ending = match body.outcome.as_deref() {
        None | Some("completed") => Ending::Completed,
        Some("cancelled") => Ending::Cancelled,
        Some(other) => {
            return Err(
                Failure::invalid(format!("`{other}` is no outcome: it is completed or cancelled")).into(),
            );
        }
    };
    let gone = crate::tasks::end::done(&app, task, ending, &by(&app, body.by.as_ref())?).await?;
    // The end stands without its proof; the ledger can give it later.
    let proof = checkpoint::keep_proof(&app, task).await;
    let mut answer = shown(&app, task).await?;
    let counts = answer.get("counts").cloned();
    view::add(&mut answer, "summary", counts);
    view::add(&mut answer, "in_flight", super::kill::in_flight(&gone));
    match proof {
        Ok(path) => view::add(&mut answer, "proof", path.to_string_lossy()),
        Err(failure) => tracing::warn!(%task, %failure, "no proof of the end could be written"),
    }
    Ok(Json(answer))
}

/// A task with its counts.
async fn shown(app: &std::sync::Arc<App>, task: TaskId) -> Result<Value, Failure> {
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::tasks::get(conn, task)?))
        .await?
        .ok_or_else(|| Failure::NotFound(format!("no task `{task}`: see `remit task list --all`")))?;
    let mut shown = view::task(&stored.task);
    let counts = crate::tasks::counts(app, task).await?;
    view::add(&mut shown, "counts", view::plain(&counts.into()));
    Ok(shown)
}

fn task_id(text: &str) -> Result<TaskId, Failure> {
    id(text, "a task", "remit task list")
}
