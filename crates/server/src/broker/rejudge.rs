//! What tasks hold is judged anew when what decisions read has changed: policy, the registry, freezes, people. A credential for
//! something that would now be refused is ended; the next call that is allowed to makes another. Asked is with the least
//! arguments a tool takes: what a rule says about others counts at the next call.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use remit_core::authority::Scope;
use remit_core::call::{Call, Operation};
use remit_core::digest::Digest;
use remit_core::id::TaskId;
use remit_core::json::{Object, Value};
use remit_core::label::Labels;
use remit_core::lease::{Lease, LeaseState};
use remit_core::resource::Resource;
use remit_core::task::TaskState;
use remit_policy::{Origin, Verdict};
use tokio::sync::watch;

use super::databases::sessions::end_early;
use crate::app::{App, Failure};
use crate::engine::decide::{Circumstances, Prepared, ask};
use crate::engine::live::{Live, Snapshot};
use crate::engine::world::World;
use crate::engine::{session, uses};
use crate::registry::snapshot::{ServerEntry, ToolEntry};

/// How long until a change that could not be judged by is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long forgetting one credential is waited for.
const FORGET: Duration = Duration::from_millis(500);
/// How deep required members are filled in.
const LEAST_DEPTH: usize = 8;

/// A credential that was ended, and why.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its lease.
    pub lease: Lease,
    /// The sentence that is recorded with its end.
    pub why: String,
}

/// Runs until the app stops.
pub async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    app.worlds.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let mut seen = app.world();
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            () = app.world_changed.notified() => {}
            () = tokio::time::sleep(AGAIN), if next(&app).is_some() => {}
        }
        // Every change is looked at, also one that was taken back: a credential may be of the moment between.
        while let Some(world) = next(&app) {
            if let Err(failure) = rejudge(&app, &seen, &world).await {
                tracing::warn!(%failure, "credentials could not be judged anew");
                break;
            }
            app.worlds
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .retain(|waiting| !Arc::ptr_eq(waiting, &world));
            seen = world;
        }
    }
}

/// The oldest change that was not judged by yet.
fn next(app: &App) -> Option<Arc<World>> {
    let worlds = app.worlds.lock().unwrap_or_else(PoisonError::into_inner);
    worlds.first().cloned()
}

/// Ends every credential for something that `before` let happen, or asked people about, and `after` refuses.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read or written; what was ended until then is.
pub async fn rejudge(app: &Arc<App>, before: &World, after: &World) -> Result<Vec<Ended>, Failure> {
    let open = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::leases::open(conn)?))
        .await?;
    let current = app.world();
    let mut tasks: HashMap<TaskId, Option<(Arc<Live>, Labels)>> = HashMap::new();
    let mut ended = Vec::new();
    for lease in open {
        // What is being made is taken back as soon as it is there.
        if !matches!(lease.state, LeaseState::Planned | LeaseState::Live) {
            continue;
        }
        if let Entry::Vacant(unknown) = tasks.entry(lease.task) {
            unknown.insert(of_task(app, lease.task).await?);
        }
        let Some(Some((live, labels))) = tasks.get(&lease.task) else {
            continue;
        };
        let Some(why) = lost(app, (before, after), live, labels, &lease.value) else {
            continue;
        };
        // Another change may have given it back already, and the credential be of that moment.
        if after.epochs != current.epochs
            && lost(app, (before, &current), live, labels, &lease.value).is_none()
        {
            continue;
        }
        end_early(app, lease.id, &why).await?;
        forget(app, &lease.value).await;
        tracing::info!(lease = %lease.id, task = %lease.task, %why, "a credential was ended");
        ended.push(Ended {
            lease: lease.value,
            why,
        });
    }
    Ok(ended)
}

/// Forgets it here, too. What uses it at the moment may hang; the others are not held up by that.
async fn forget(app: &Arc<App>, lease: &Lease) {
    let (forgetting, task, lease) = (Arc::clone(app), lease.task, lease.id);
    let forgotten = app
        .background
        .spawn(async move { forgetting.broker.forget_lease(task, lease).await });
    // Past that it goes on by itself.
    let _later = tokio::time::timeout(FORGET, forgotten).await;
}

async fn of_task(app: &Arc<App>, task: TaskId) -> Result<Option<(Arc<Live>, Labels)>, Failure> {
    let live = match session::of_task(app, task).await {
        Ok(live) => live,
        Err(Failure::NotFound(_)) => return Ok(None),
        Err(failure) => return Err(failure),
    };
    let run = live.run().id;
    let labels = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::labels::get(conn, run)?))
        .await?;
    Ok(Some((live, labels)))
}

/// Why the task may not hold this credential any more; `None` when nothing of it was lost.
fn lost(
    app: &App,
    (before, after): (&World, &World),
    live: &Live,
    labels: &Labels,
    lease: &Lease,
) -> Option<String> {
    let server = before.registry.server(&lease.system)?;
    let then = session::as_if(before, live, TaskState::Open);
    let now = session::as_if(after, live, TaskState::Open);
    let authority = &now.task.authority;
    let held = server.tools.values().filter(|tool| {
        tool.is_callable() && authority.selects(&tool.tool.name, tool.tool.classification.class)
    });
    let roots: Vec<Option<&Resource>> = match &authority.resources {
        Scope::Only(roots) => roots
            .iter()
            .filter(|root| *root.system() == lease.system)
            .map(Some)
            .collect(),
        Scope::Any => Vec::new(),
    };
    let roots = if roots.is_empty() { vec![None] } else { roots };
    for tool in held {
        let name = &tool.tool.name;
        let current = after.registry.tool(name).filter(|tool| tool.is_callable());
        let (Some(current), Some(served)) = (current, after.registry.server(&lease.system)) else {
            return Some(format!("`{name}` cannot be used any more"));
        };
        for root in &roots {
            if refusal(app, before, &then, labels, &question(server, tool, *root, live)).is_some() {
                continue;
            }
            if let Some(why) = refusal(app, after, &now, labels, &question(served, current, *root, live)) {
                return Some(why);
            }
        }
    }
    None
}

/// The least a schema takes: what is required, empty where that may be.
fn least(schema: &Object, depth: usize) -> Value {
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if let Some(Value::Array(values)) = schema.get("enum") {
        return values.first().cloned().unwrap_or(Value::Null);
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        kind => kind.and_then(Value::as_str),
    };
    match kind {
        Some("string") => Value::from(""),
        Some("integer" | "number") => Value::from(0),
        Some("boolean") => Value::from(false),
        Some("array") => Value::Array(Vec::new()),
        Some("null") => Value::Null,
        _ if depth >= LEAST_DEPTH => Value::Object(Object::new()),
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let required = schema.get("required").and_then(Value::as_array);
            let required = required.into_iter().flatten().filter_map(Value::as_str);
            let members = required.map(|name| {
                let of = properties.and_then(|all| all.get(name)?.as_object());
                (name, of.map_or(Value::from(""), |of| least(of, depth + 1)))
            });
            Value::Object(members.collect())
        }
    }
}

/// A call of a tool with the least arguments.
fn question(
    server: &Arc<ServerEntry>,
    tool: &Arc<ToolEntry>,
    root: Option<&Resource>,
    live: &Live,
) -> Prepared {
    let name = &tool.tool.name;
    let call = Call {
        server: name.server.clone(),
        server_identity: server.server.identity.unwrap_or_else(|| Digest::of(b"")),
        operation: Operation::CallTool(name.tool.clone()),
        fingerprint: tool.admitted.unwrap_or(tool.tool.fingerprint),
        arguments: match least(&tool.definition.input_schema(), 0) {
            Value::Object(arguments) => arguments,
            _ => Object::new(),
        },
        resources: root.cloned().into_iter().collect(),
        destinations: Vec::new(),
        opaque: Vec::new(),
    };
    Prepared {
        digest: call.digest(),
        call,
        entry: Some(Arc::clone(tool)),
        server: Some(Arc::clone(server)),
        weighed: uses::Weighed::default(),
        salient: Vec::new(),
        proof: live.standing().proof,
        cause: None,
        refused: None,
    }
}

/// The sentence of a refusal; `None` when it is allowed or waits for people.
fn refusal(
    app: &App,
    world: &World,
    snapshot: &Snapshot,
    labels: &Labels,
    prepared: &Prepared,
) -> Option<String> {
    let at = Circumstances {
        now: app.clock.now(),
        labels,
        exhausted: &[],
        origin: Origin::Initial,
        approval: None,
        weighed: &uses::without_use(prepared, labels),
    };
    match ask(world, snapshot, prepared, at).verdict {
        Verdict::Allow(_) | Verdict::Hold(_) => None,
        Verdict::Deny(denial) => {
            let rule = denial.rules.first().map(|rule| format!(" ({rule})"));
            Some(format!("{}{}", denial.message, rule.unwrap_or_default()))
        }
    }
}
