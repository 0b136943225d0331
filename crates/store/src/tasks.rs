//! Tasks: opened once, then only narrowed, suspended, renewed by a decision, ended. What is done to a task is done
//! to everything delegated from it, by the same record.

use remit_core::authority::Authority;
use remit_core::id::{RunId, TaskId};
use remit_core::limits::{DELEGATION_DEPTH_MAX, FAN_OUT_MAX, TREE_TASKS_MAX};
use remit_core::name::Name;
use remit_core::task::{Ending, Intent, Life, Task, TaskState};
use remit_core::time::Timestamp;

mod ends;
mod row;

use row::{columns, read, texts_of};

use crate::append::{ApplyError, Refused, TaskFacts, Tx};
use crate::error::StoreError;
use crate::sql::{Conn, Value};
use crate::stored::Stored;
use crate::tables::TASKS;

/// A task as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTask {
    /// The task.
    pub task: Task,
    /// The task whose suspension suspended this one; it is resumed with it.
    pub suspended_by: Option<TaskId>,
}

/// What an end took with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The tasks that ended now, the one asked for first.
    pub tasks: Vec<TaskId>,
    /// The runs that ended with them.
    pub runs: Vec<RunId>,
}

/// Opens a task. A parent must be open and have room for one more below it; that the authority is attenuated is the
/// caller's to have done and is checked against nothing here.
///
/// # Errors
/// [`Refused::Duplicate`] when the id is taken, [`Refused::NotOpen`] when the parent is not open,
/// [`Refused::NotAllowed`] when it is too deep or has too many below it.
pub fn open(tx: &mut Tx<'_>, task: &Task) -> Result<(), ApplyError> {
    if let Some(parent) = task.parent {
        let state = facts(tx, parent)?.state;
        if state != TaskState::Open {
            return Err(Refused::NotOpen { task: parent, state }.into());
        }
        expect_room(tx, parent)?;
    }
    let stored = StoredTask {
        task: task.clone(),
        suspended_by: None,
    };
    TASKS.insert(tx, &columns(&stored, &texts_of(&stored)))?;
    remember(tx, task);
    Ok(())
}

/// Refuses one more task below `parent` when depth, fan-out or the size of the tree do not allow it.
fn expect_room(tx: &mut Tx<'_>, parent: TaskId) -> Result<(), ApplyError> {
    let above = chain(tx, parent)?;
    let (Some(first), Some(root)) = (above.first(), above.last()) else {
        return Err(not_found(parent).into());
    };
    if first.task.authority.depth == 0 || above.len() > DELEGATION_DEPTH_MAX {
        let sentence = format!("task {parent} may not delegate any further");
        return Err(Refused::NotAllowed(sentence).into());
    }
    let most = first.task.authority.fan_out.min(FAN_OUT_MAX);
    let root = root.task.id;
    if live_children(tx, parent)? >= u64::from(most) {
        let sentence = format!(
            "task {parent} has {most} delegated tasks under way, which is its fan-out: end one first"
        );
        return Err(Refused::NotAllowed(sentence).into());
    }
    if live_below(tx, root)? >= TREE_TASKS_MAX as u64 {
        let sentence = format!("{TREE_TASKS_MAX} tasks are under way below {root}: end some first");
        return Err(Refused::NotAllowed(sentence).into());
    }
    Ok(())
}

/// How many tasks delegated from `task` directly have not ended.
///
/// # Errors
/// [`StoreError::Db`].
pub fn live_children(conn: &mut Conn, task: TaskId) -> Result<u64, StoreError> {
    let row = conn.query_one(
        "SELECT count(*) FROM tasks WHERE parent = $1 AND state IN ('open', 'suspended')",
        &[task.to_string().into()],
    )?;
    Ok(row.int(0)?.unsigned_abs())
}

/// How many tasks of the tree below `root`, itself included, have not ended. What is below an ended task has ended.
fn live_below(conn: &mut Conn, root: TaskId) -> Result<u64, StoreError> {
    let row = conn.query_one(
        "WITH RECURSIVE below (id) AS ( \
         SELECT id FROM tasks WHERE id = $1 \
         UNION ALL SELECT tasks.id FROM tasks JOIN below ON tasks.parent = below.id \
         WHERE tasks.state IN ('open', 'suspended')) SELECT count(*) FROM below",
        &[root.to_string().into()],
    )?;
    Ok(row.int(0)?.unsigned_abs())
}

/// Refuses when the task is not open, whatever its version.
///
/// # Errors
/// [`Refused::NotOpen`], [`Refused::NotFound`].
pub fn expect_open(tx: &mut Tx<'_>, task: TaskId) -> Result<(), ApplyError> {
    let state = facts(tx, task)?.state;
    if state == TaskState::Open {
        Ok(())
    } else {
        Err(Refused::NotOpen { task, state }.into())
    }
}

/// One task.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, task: TaskId) -> Result<Option<Stored<StoredTask>>, StoreError> {
    TASKS.get(conn, &[task.to_string().into()])?.map(read).transpose()
}

/// A task and its ancestors, itself first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours or an ancestor is missing.
pub fn chain(conn: &mut Conn, task: TaskId) -> Result<Vec<Stored<StoredTask>>, StoreError> {
    let mut chain: Vec<Stored<StoredTask>> = Vec::new();
    let mut next = Some(task);
    while let Some(id) = next {
        let Some(stored) = get(conn, id)? else {
            if chain.is_empty() {
                return Ok(chain);
            }
            return Err(TASKS.tampered(&[id.to_string().into()], "it is missing, but was delegated from"));
        };
        next = stored.task.parent;
        chain.push(stored);
        if chain.len() > remit_core::limits::DELEGATION_DEPTH_MAX + 1 {
            return Err(TASKS.tampered(&[task.to_string().into()], "its delegation chain is too deep"));
        }
    }
    Ok(chain)
}

/// A task and everything delegated from it, parents before children.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn tree(conn: &mut Conn, task: TaskId) -> Result<Vec<Stored<StoredTask>>, StoreError> {
    let Some(root) = get(conn, task)? else {
        return Ok(Vec::new());
    };
    let mut tree = vec![root];
    let mut at = 0;
    while let Some(parent) = tree.get(at).map(|stored| stored.task.id) {
        let rows = TASKS.load(
            conn,
            "WHERE t.parent = $1 ORDER BY t.id",
            &[parent.to_string().into()],
        )?;
        for row in rows {
            tree.push(read(row)?);
        }
        at += 1;
    }
    Ok(tree)
}

/// Which tasks a list shows.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this agent.
    pub agent: Option<Name>,
    /// Only those opened by this human or system.
    pub initiator: Option<Name>,
    /// Only open and suspended ones.
    pub live: bool,
    /// Only those after this id, for paging.
    pub after: Option<TaskId>,
}

/// Up to `limit` tasks, oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn, filter: &Filter, limit: u32) -> Result<Vec<Stored<StoredTask>>, StoreError> {
    let after = filter.after.map_or_else(String::new, |id| id.to_string());
    let mut clause = "WHERE t.id > $1".to_owned();
    let mut params: Vec<Value<'_>> = vec![after.into()];
    if filter.live {
        clause.push_str(" AND t.state IN ('open', 'suspended')");
    }
    if let Some(agent) = &filter.agent {
        params.push(agent.as_str().into());
        clause.push_str(" AND t.agent = $2");
    }
    if let Some(initiator) = &filter.initiator {
        params.push(initiator.as_str().into());
        clause.push_str(&format!(" AND t.initiator = ${}", params.len()));
    }
    params.push(i64::from(limit).into());
    clause.push_str(&format!(" ORDER BY t.id LIMIT ${}", params.len()));
    TASKS
        .load(conn, &clause, &params)?
        .into_iter()
        .map(read)
        .collect()
}

/// Up to `limit` live tasks whose window has closed by `now`, those first that closed first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn due(conn: &mut Conn, now: Timestamp, limit: u32) -> Result<Vec<Stored<StoredTask>>, StoreError> {
    let rows = TASKS.load(
        conn,
        "WHERE t.state IN ('open', 'suspended') AND t.expires_at <= $1 ORDER BY t.expires_at LIMIT $2",
        &[now.0.into(), i64::from(limit).into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// What is watched of an open task between calls: bounds on its life, and the process of its run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The task.
    pub task: TaskId,
    /// Bounds on its life.
    pub life: Life,
    /// The process of its run, where it is known.
    pub process: Option<crate::runs::Process>,
}

/// Up to `limit` open tasks with a heartbeat, an idle time or a known process. Only looked at: whatever is done about
/// one reads its row, and checks it, again.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn watched(conn: &mut Conn, limit: u32) -> Result<Vec<Watched>, StoreError> {
    let rows = conn.query(
        "SELECT tasks.id, tasks.life, runs.process FROM tasks JOIN runs ON runs.id = tasks.run \
         WHERE tasks.state = 'open' AND (tasks.life <> '{}' OR runs.process IS NOT NULL) ORDER BY tasks.id LIMIT $1",
        &[i64::from(limit).into()],
    )?;
    let bad = |why: String| StoreError::Tampered {
        table: "tasks",
        key: "*".to_owned(),
        why: if why.is_empty() {
            "a row cannot be read"
        } else {
            "a life cannot be read"
        },
    };
    rows.iter()
        .map(|row| {
            let life =
                crate::codec::read(row.text(1)?.as_bytes()).and_then(|json| row::life_from_json(&json));
            let process = match row.opt_text(2)? {
                None => None,
                Some(text) => Some(
                    crate::codec::read(text.as_bytes())
                        .and_then(|json| crate::codec::process_from_json(&json))
                        .map_err(|error| bad(error.to_string()))?,
                ),
            };
            Ok(Watched {
                task: row.text(0)?.parse().map_err(|_| bad(String::new()))?,
                life: life.map_err(|error| bad(error.to_string()))?,
                process,
            })
        })
        .collect()
}

/// Narrows a task to `authority` and `expires_at`, and everything below it with it. What is wider is cut, never
/// refused.
///
/// # Errors
/// [`Refused::StaleTask`] when it is not at `version`, [`Refused::NotOpen`] when it ended.
pub fn narrow(
    tx: &mut Tx<'_>,
    task: TaskId,
    version: i64,
    authority: &Authority,
    expires_at: Timestamp,
) -> Result<Vec<TaskId>, ApplyError> {
    let tree = live_tree(tx, task, Some(version))?;
    let mut changed = Vec::new();
    for mut stored in tree {
        stored.task.authority = stored.task.authority.attenuate(authority);
        stored.task.expires_at = stored.task.expires_at.min(expires_at);
        changed.push(save(tx, stored)?);
    }
    Ok(changed)
}

/// A change of a task by people, as it shall be afterwards.
#[derive(Clone, Debug, PartialEq)]
pub struct Amendment {
    /// What it allows; held to ceiling, rights and parent by the caller.
    pub authority: Authority,
    /// Why it exists.
    pub intent: Intent,
    /// When its window closes.
    pub expires_at: Timestamp,
    /// What of the amendment was cut, one sentence each.
    pub cut: Vec<String>,
}

/// Amends a task. What is delegated from it is held to what it is afterwards, and never gains by it.
///
/// # Errors
/// [`Refused::StaleTask`] when it is not at `version`, [`Refused::NotOpen`] when it ended, [`Refused::NotAllowed`]
/// when it would outlive its parent or its life.
pub fn amend(
    tx: &mut Tx<'_>,
    task: TaskId,
    version: i64,
    amended: &Amendment,
) -> Result<Vec<TaskId>, ApplyError> {
    let tree = live_tree(tx, task, Some(version))?;
    expect_time(tx, tree.first(), amended.expires_at)?;
    let mut changed = Vec::new();
    for mut stored in tree {
        if stored.task.id == task {
            stored.task.authority = amended.authority.clone();
            stored.task.intent = amended.intent.clone();
            stored.task.expires_at = amended.expires_at;
            stored.task.cut.clone_from(&amended.cut);
        } else {
            stored.task.authority = stored.task.authority.attenuate(&amended.authority);
            stored.task.expires_at = stored.task.expires_at.min(amended.expires_at);
        }
        changed.push(save(tx, stored)?);
    }
    Ok(changed)
}

/// Moves the end of a window and narrows what it allows to `limit`; a decision of its own, never a side effect.
/// What is below is narrowed with it and keeps its own window.
///
/// # Errors
/// [`Refused::StaleTask`] when it is not at `version`, [`Refused::NotOpen`] when it ended, [`Refused::NotAllowed`]
/// when it would outlive its parent or its life.
pub fn renew(
    tx: &mut Tx<'_>,
    task: TaskId,
    version: i64,
    limit: &Authority,
    expires_at: Timestamp,
) -> Result<Vec<TaskId>, ApplyError> {
    let tree = live_tree(tx, task, Some(version))?;
    expect_time(tx, tree.first(), expires_at)?;
    let mut changed = Vec::new();
    for mut stored in tree {
        let authority = stored.task.authority.attenuate(limit);
        let is_root = stored.task.id == task;
        if is_root {
            stored.task.expires_at = expires_at;
        }
        if is_root || authority != stored.task.authority {
            stored.task.authority = authority;
            changed.push(save(tx, stored)?);
        }
    }
    Ok(changed)
}

/// Refuses an end that lies beyond the parent's window or the task's own life.
fn expect_time(
    tx: &mut Tx<'_>,
    stored: Option<&Stored<StoredTask>>,
    expires_at: Timestamp,
) -> Result<(), ApplyError> {
    let Some(stored) = stored else { return Ok(()) };
    let refused = |sentence: &str| ApplyError::from(Refused::NotAllowed(sentence.to_owned()));
    if stored.task.life.ends_by.is_some_and(|end| end < expires_at) {
        return Err(refused("the task has a maximum life, and this would outlive it"));
    }
    if let Some(parent) = stored.task.parent {
        let parent = known(get(tx, parent)?, parent)?;
        if parent.task.expires_at < expires_at {
            return Err(refused("a task cannot outlive the task it was delegated from"));
        }
    }
    Ok(())
}

/// Suspends a task and everything below it that is open.
///
/// # Errors
/// [`Refused::NotOpen`] when it is not open.
pub fn suspend(tx: &mut Tx<'_>, task: TaskId) -> Result<Vec<TaskId>, ApplyError> {
    let tree = live_tree(tx, task, None)?;
    let mut changed = Vec::new();
    for mut stored in tree {
        if stored.task.state == TaskState::Open {
            stored.task.state = TaskState::Suspended;
            stored.suspended_by = Some(task);
            changed.push(save(tx, stored)?);
        } else if stored.task.id == task {
            return Err(Refused::NotOpen {
                task,
                state: stored.task.state,
            }
            .into());
        }
    }
    Ok(changed)
}

/// Resumes a task and what was suspended with it, narrowed to `limit`.
///
/// # Errors
/// [`Refused::StaleTask`] when it is not at `version`, [`Refused::NotAllowed`] when it is not suspended, or its parent
/// is not open.
pub fn resume(
    tx: &mut Tx<'_>,
    task: TaskId,
    version: i64,
    limit: &Authority,
) -> Result<Vec<TaskId>, ApplyError> {
    let tree = live_tree(tx, task, Some(version))?;
    let root = tree
        .first()
        .map(|stored| (stored.task.state, stored.task.parent, stored.suspended_by));
    let Some((state, parent, by)) = root else {
        return Ok(Vec::new());
    };
    state
        .to(TaskState::Open)
        .map_err(|error| Refused::NotAllowed(error.to_string()))?;
    if let Some(parent) = parent {
        let state = facts(tx, parent)?.state;
        if state != TaskState::Open {
            return Err(Refused::NotOpen { task: parent, state }.into());
        }
    }
    let mut changed = Vec::new();
    for mut stored in tree {
        if stored.task.state == TaskState::Suspended && (stored.task.id == task || stored.suspended_by == by)
        {
            stored.task.state = TaskState::Open;
            stored.suspended_by = None;
            stored.task.authority = stored.task.authority.attenuate(limit);
            changed.push(save(tx, stored)?);
        }
    }
    Ok(changed)
}

/// Ends a task and everything below it, and what hangs on them: see `tasks/ends.rs`. Ending an ended task does nothing and says so with an empty answer.
///
/// What is below ends as `revoked` when the task was revoked, as `expired` when it expired, else as `cancelled`.
///
/// # Errors
/// [`Refused::NotFound`].
pub fn end(tx: &mut Tx<'_>, task: TaskId, ending: Ending) -> Result<Ended, ApplyError> {
    let below = match ending {
        Ending::Completed | Ending::Cancelled => Ending::Cancelled,
        Ending::Expired | Ending::Revoked => ending,
    };
    let tree = tree(tx, task)?;
    if tree.is_empty() {
        return Err(not_found(task).into());
    }
    let mut ended = Ended::default();
    for mut stored in tree {
        if matches!(stored.task.state, TaskState::Ended(_)) {
            continue;
        }
        let id = stored.task.id;
        stored.task.state = TaskState::Ended(if id == task { ending } else { below });
        stored.suspended_by = None;
        ended.tasks.push(save(tx, stored)?);
        ended.runs.extend(ends::with(tx, id)?);
    }
    Ok(ended)
}

fn not_found(task: TaskId) -> Refused {
    Refused::NotFound {
        what: "tasks",
        key: task.to_string(),
    }
}

fn known(stored: Option<Stored<StoredTask>>, task: TaskId) -> Result<Stored<StoredTask>, Refused> {
    stored.ok_or_else(|| not_found(task))
}

/// Version and state of a task, remembered once it was verified.
pub(crate) fn facts(tx: &mut Tx<'_>, task: TaskId) -> Result<TaskFacts, ApplyError> {
    if let Some(facts) = tx.cache().task(task) {
        return Ok(facts);
    }
    let stored = known(get(tx, task)?, task)?;
    remember(tx, &stored.task);
    Ok(TaskFacts {
        version: stored.task.version,
        state: stored.task.state,
    })
}

fn remember(tx: &mut Tx<'_>, task: &Task) {
    tx.cache().set_task(
        task.id,
        TaskFacts {
            version: task.version,
            state: task.state,
        },
    );
}

/// The part of the tree that has not ended, if its root has not.
fn live_tree(
    tx: &mut Tx<'_>,
    task: TaskId,
    version: Option<i64>,
) -> Result<Vec<Stored<StoredTask>>, ApplyError> {
    let facts = facts(tx, task)?;
    if matches!(facts.state, TaskState::Ended(_)) {
        return Err(Refused::NotOpen {
            task,
            state: facts.state,
        }
        .into());
    }
    if let Some(expected) = version
        && facts.version != expected
    {
        return Err(Refused::StaleTask {
            task,
            expected,
            found: facts.version,
        }
        .into());
    }
    let mut tree = tree(tx, task)?;
    tree.retain(|stored| !matches!(stored.task.state, TaskState::Ended(_)));
    Ok(tree)
}

/// Writes a changed task as its next version.
fn save(tx: &mut Tx<'_>, mut stored: Stored<StoredTask>) -> Result<TaskId, ApplyError> {
    stored.task.version += 1;
    TASKS.update(tx, &columns(&stored, &texts_of(&stored)), stored.changed)?;
    remember(tx, &stored.task);
    Ok(stored.task.id)
}
