//! One understood statement is run: alone, in its own transaction, bounded in time, rows and bytes.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use remit_core::tool::ToolClass;
use tokio_postgres::SimpleQueryMessage;

use super::metered::TOO_LARGE;
use super::session::Session;
use super::{BackendError, failed};
use crate::sql::Inspection;

/// Rows fetched at a time.
const BATCH: usize = 200;
/// How much longer than its own time-out the server may take to say so.
const SLACK: Duration = Duration::from_secs(5);

/// Bounds of one statement.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rows given back.
    pub rows_max: usize,
    /// Most bytes of values given back.
    pub bytes_max: usize,
    /// Most rows changed: what would change more changes nothing.
    pub changed_max: Option<u64>,
    /// Longest time the server works on it, in milliseconds.
    pub timeout_ms: u64,
}

impl Limits {
    /// How long one answer is waited for: a server that cannot even say that it gave up is gone.
    const fn wait(self) -> Duration {
        Duration::from_millis(self.timeout_ms).saturating_add(SLACK)
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values as PostgreSQL writes them; `None` is `NULL`.
    pub rows: Vec<Vec<Option<String>>>,
    /// There was more than the bounds allow.
    pub truncated: bool,
    /// Rows that were read or changed.
    pub affected: u64,
}

/// Runs the statement. PostgreSQL has to take it as exactly one; a read runs in a transaction that cannot write.
///
/// # Errors
/// [`BackendError`]: nothing of it took effect then, unless the way was lost while it was committed.
pub async fn run(session: &Session, statement: &Inspection, limits: Limits) -> Result<Outcome, BackendError> {
    let reads = statement.class == ToolClass::Read;
    let (client, wait) = (&session.client, limits.wait());
    let room = u64::try_from(limits.bytes_max).unwrap_or(u64::MAX);
    session
        .meter
        .refill(room.saturating_mul(2).saturating_add(1024 * 1024));
    let begin = format!(
        "BEGIN {}; SET LOCAL statement_timeout = {}{}",
        if reads { "READ ONLY" } else { "READ WRITE" },
        limits.timeout_ms,
        called_on_rows(&statement.attributes)
    );
    let begun = session.within(wait, client.simple_query(&begin)).await?;
    let ran = match begun.iter().find_map(first_value) {
        Some(function) => Err(BackendError::Refused(format!(
            "the database has a function `{function}` that takes a row, and `x.{function}` may call it: ask for the column \
             without the name of its table"
        ))),
        None => within(session, statement, limits, reads).await,
    };
    if ran.is_err() && session.meter.is_spent() {
        // The session is gone with the rest of the answer, and what it did with it.
        return Err(BackendError::Refused(TOO_LARGE.to_owned()));
    }
    let end = if ran.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = session.within(wait, client.batch_execute(end)).await;
    let outcome = ran?;
    ended?;
    Ok(outcome)
}

/// Asks, where a statement says `x.f`, for a function `f` of the database's own that would be called on the row `x`: what
/// it does cannot be seen. Those of the catalogue that take any row only compute.
fn called_on_rows(names: &[String]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("'{}'", name.replace('\'', "''")))
        .collect();
    format!(
        "; SELECT p.proname FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0] \
         WHERE p.proname = ANY (ARRAY[{}]::pg_catalog.name[]) AND p.prokind <> 'p' \
           AND p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace AND pg_catalog.pg_function_is_visible(p.oid) \
           AND p.pronargs - p.pronargdefaults <= 1 AND (p.provariadic <> 0 OR t.typtype IN ('c', 'p', 'd')) LIMIT 1",
        names.join(", ")
    )
}

fn first_value(message: &SimpleQueryMessage) -> Option<String> {
    match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }
}

async fn within(
    session: &Session,
    statement: &Inspection,
    limits: Limits,
    reads: bool,
) -> Result<Outcome, BackendError> {
    let preparing = session.client.prepare(&statement.text);
    let prepared = session.within(limits.wait(), preparing).await?;
    let mut outcome = Outcome {
        columns: prepared
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect(),
        ..Outcome::default()
    };
    let mut bytes = 0;
    if reads && statement.verb == "select" {
        let declare = format!("DECLARE remit_rows NO SCROLL CURSOR FOR {}", statement.text);
        let declaring = session.client.batch_execute(&declare);
        session.within(limits.wait(), declaring).await?;
        while !outcome.truncated {
            let before = outcome.affected;
            let fetch = format!("FETCH {BATCH} FROM remit_rows");
            take(session, &fetch, limits, &mut outcome, &mut bytes).await?;
            let fetched = outcome.affected - before;
            if fetched < BATCH as u64 {
                break;
            }
        }
        // The end of the transaction closes it.
    } else {
        take(session, &statement.text, limits, &mut outcome, &mut bytes).await?;
        if let Some(max) = limits.changed_max.filter(|max| !reads && outcome.affected > *max) {
            return Err(BackendError::Refused(format!(
                "this would change {} rows, and {max} may be changed at once by what is left of the budget: nothing was changed",
                outcome.affected
            )));
        }
    }
    Ok(outcome)
}

/// Takes the rows of one answer, up to the bounds.
async fn take(
    session: &Session,
    text: &str,
    limits: Limits,
    outcome: &mut Outcome,
    bytes: &mut usize,
) -> Result<(), BackendError> {
    let asking = session.client.simple_query_raw(text);
    let stream = session.within(limits.wait(), asking).await?;
    let mut stream = std::pin::pin!(stream);
    while let Some(message) = session.within(limits.wait(), stream.try_next()).await? {
        match message {
            SimpleQueryMessage::Row(row) => {
                let mut values = Vec::with_capacity(row.len());
                for at in 0..row.len() {
                    let value = row.try_get(at).map_err(|error| failed(&error))?;
                    *bytes += value.map_or(4, str::len);
                    values.push(value.map(str::to_owned));
                }
                if outcome.rows.len() >= limits.rows_max || *bytes > limits.bytes_max {
                    outcome.truncated = true;
                } else {
                    outcome.rows.push(values);
                }
            }
            SimpleQueryMessage::CommandComplete(count) => outcome.affected += count,
            _ => {}
        }
    }
    Ok(())
}
