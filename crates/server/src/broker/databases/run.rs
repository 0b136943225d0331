//! A permitted statement is run, and cut with its task: no row comes back after the end.

use std::sync::Arc;

use remit_broker::backend::BackendError;
use remit_broker::backend::postgresql::{self, Outcome};
use remit_broker::sql::{Inspection, inspect};
use remit_core::call::Call;
use remit_core::digest::Digest;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::tool::ToolClass;
use remit_enforce::Permitted;
use remit_upstream::{ErrorKind, Reply, Sent, UpstreamError};

use super::STATEMENT;
use super::sessions::{self, Duty};
use crate::app::{App, Failure};
use crate::engine::live::Live;

/// What the outcome record says about a statement beside what every outcome says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    /// Digest of the statement as it was sent.
    pub(crate) statement: Option<Digest>,
    /// Rows read or changed.
    pub(crate) rows: Option<u64>,
    /// Rows that count against budgets: those given back, or changed. `None`: that is not known.
    pub(crate) counted: Option<u64>,
    /// The lease it ran under.
    pub(crate) lease: Option<String>,
}

impl Noted {
    /// Writes it into the outcome.
    pub(crate) fn write(&self, entry: &mut remit_ledger::record::Record) {
        if let Some(statement) = self.statement {
            entry.detail.insert("statement", statement.to_string());
        }
        if let Some(rows) = self.rows {
            entry
                .detail
                .insert("rows", i64::try_from(rows).unwrap_or(i64::MAX));
        }
        if let Some(lease) = &self.lease {
            entry.detail.insert("lease", lease.as_str());
        }
    }
}

/// Runs the statement of a permitted call; `rows_max` is what budgets leave for it.
pub(crate) async fn run(
    app: &Arc<App>,
    live: &Arc<Live>,
    permitted: Permitted<Call>,
    rows_max: Option<u64>,
    noted: &mut Noted,
) -> Result<Reply, UpstreamError> {
    let (call, permit) = permitted.into_parts();
    let database = call.server.clone();
    let error = |kind, sent, detail: String| UpstreamError {
        server: database.clone(),
        kind,
        sent,
        detail,
    };
    let before = |failure: Failure| error(ErrorKind::Unreachable, Sent::No, failure.to_string());
    let configured = sessions::configured(app, &database).map_err(before)?;
    let text = call
        .arguments
        .get(STATEMENT)
        .and_then(Value::as_str)
        .unwrap_or_default();
    // The very statement that was decided: the same text is understood the same way.
    let statement = inspect(text, &configured.schema)
        .map_err(|why| error(ErrorKind::WrongPermit, Sent::No, why.to_string()))?;
    let mut limits = configured
        .limits(database.as_str())
        .map_err(|why| error(ErrorKind::BadSpec, Sent::No, why.to_string()))?;
    if let Some(rows) = rows_max {
        limits.rows_max = limits.rows_max.min(usize::try_from(rows).unwrap_or(usize::MAX));
        limits.changed_max = Some(rows);
    }
    noted.statement = Some(Digest::of(statement.text.as_bytes()));
    let mut lifeline = permit.lifeline().clone();
    let slot = app.broker.sessions.of_task(live.snapshot().task.id, &database);
    let mut open = tokio::select! {
        biased;
        cut = lifeline.gone() => return Err(error(ErrorKind::Cut(cut), Sent::No, String::new())),
        open = slot.lock() => open,
    };
    sessions::task(app, live, &database, &mut open)
        .await
        .map_err(before)?;
    // Taken out while it is used: whoever stops listening half-way leaves no session behind that is half-way.
    let Some(held) = open.take() else {
        return Err(error(ErrorKind::Closed, Sent::No, String::new()));
    };
    noted.lease = Some(held.lease.id.to_string());
    if !permit.is_fresh(app.clock.boot()) {
        *open = Some(held);
        return Err(error(ErrorKind::NotFresh, Sent::No, String::new()));
    }
    let mut working = Working {
        app,
        database: &database,
        pid: Some(held.session.pid),
    };
    let ran = tokio::select! {
        biased;
        cut = lifeline.gone() => return Err(error(ErrorKind::Cut(cut), Sent::Maybe, String::new())),
        ran = postgresql::run(&held.session, &statement, limits) => ran,
    };
    working.pid = None;
    match ran {
        Ok(outcome) => {
            *open = Some(held);
            noted.rows = Some(outcome.affected);
            noted.counted = Some(if statement.class == ToolClass::Read {
                u64::try_from(outcome.rows.len()).unwrap_or(u64::MAX)
            } else {
                outcome.affected
            });
            Ok(Reply::Result(answer(&statement, outcome)))
        }
        Err(BackendError::Refused(why)) => {
            *open = Some(held);
            noted.counted = Some(0);
            Ok(Reply::Result(crate::engine::send::error_result(&why)))
        }
        Err(BackendError::Away(why)) => {
            // The next statement gets a session and a role of its own; this one's must not pile up.
            if let Err(failure) = sessions::end_early(app, held.lease.id, "its session is gone").await {
                tracing::warn!(lease = %held.lease.id, %failure, "a lease ends with its task, not before");
            }
            let sent = if statement.class == ToolClass::Read {
                Sent::No
            } else {
                Sent::Maybe
            };
            Err(error(ErrorKind::Gone, sent, why))
        }
    }
}

/// A statement under way. When nobody waits for it any more, the server is told to stop.
struct Working<'w> {
    app: &'w Arc<App>,
    database: &'w Name,
    pid: Option<i32>,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            stop(self.app, self.database, pid);
        }
    }
}

/// Ends what the server may still be working on. That the task has ended is no reason to let it run.
fn stop(app: &Arc<App>, database: &Name, pid: i32) {
    let (app, database) = (Arc::clone(app), database.clone());
    let working = Arc::clone(&app);
    app.background.spawn(async move {
        let slot = working.broker.sessions.of_house(&database, Duty::Cut);
        let mut session = slot.lock().await;
        let stopped = match sessions::house(&working, &database, &mut session, Duty::Cut, None).await {
            Ok(session) => session.terminate(pid).await.map_err(Failure::unavailable),
            Err(failure) => Err(failure),
        };
        if let Err(failure) = stopped {
            tracing::warn!(%database, %failure, "a statement of an ended task could not be stopped; its time-out does");
        }
    });
}

fn answer(statement: &Inspection, outcome: Outcome) -> Object {
    let mut structured = Object::new();
    structured.insert("verb", statement.verb);
    structured.insert("row_count", i64::try_from(outcome.affected).unwrap_or(i64::MAX));
    structured.insert(
        "columns",
        outcome.columns.into_iter().map(Value::from).collect::<Vec<_>>(),
    );
    let rows: Vec<Value> = outcome
        .rows
        .into_iter()
        .map(|row| {
            Value::Array(
                row.into_iter()
                    .map(|value| value.map_or(Value::Null, Value::from))
                    .collect(),
            )
        })
        .collect();
    structured.insert("rows", rows);
    structured.insert("truncated", outcome.truncated);
    let text = String::from_utf8_lossy(&Value::Object(structured.clone()).to_canonical()).into_owned();
    let mut block = Object::new();
    block.insert("type", "text");
    block.insert("text", text);
    let mut result = Object::new();
    result.insert("content", vec![Value::Object(block)]);
    result.insert("structuredContent", structured);
    result.insert("isError", false);
    result
}
