//! Findings: what looks like misuse of an identity, each once, with how often it was seen. They tell people and grant
//! nothing; the ledger has a record of each.

use remit_core::json::Object;
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Tx};
use crate::error::StoreError;
use crate::sql::{Conn, Row};

/// A finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What makes it the same finding: kind and both parties.
    pub key: String,
    /// `identity_anomaly`, `enrolment_reused`, `identity_shared`, `key_shared`, `token_reused`.
    pub kind: String,
    /// The agent whose identity it is about.
    pub agent: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// One sentence that names both parties.
    pub message: String,
    /// The particulars.
    pub detail: Object,
    /// When it was seen first.
    pub first_at: Timestamp,
    /// When it was seen last.
    pub last_at: Timestamp,
    /// How often it was recorded.
    pub times: i64,
}

/// Keeps a finding, or counts it again.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn note(tx: &mut Tx<'_>, finding: &Finding) -> Result<(), ApplyError> {
    tx.execute(
        "INSERT INTO findings (key, kind, agent, task, run, message, detail, first_at, last_at, times)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 1)
         ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at, times = findings.times + 1,
             message = excluded.message, detail = excluded.detail",
        &[
            finding.key.as_str().into(),
            finding.kind.as_str().into(),
            finding.agent.as_deref().into(),
            finding.task.as_deref().into(),
            finding.run.as_deref().into(),
            finding.message.as_str().into(),
            remit_core::json::Value::Object(finding.detail.clone())
                .to_string()
                .into(),
            finding.last_at.0.into(),
        ],
    )?;
    Ok(())
}

/// The findings seen last, newest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn latest(conn: &mut Conn, limit: u32) -> Result<Vec<Finding>, StoreError> {
    let rows = conn.query(
        "SELECT key, kind, agent, task, run, message, detail, first_at, last_at, times
         FROM findings ORDER BY last_at DESC, key LIMIT $1",
        &[i64::from(limit).into()],
    )?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Finding, StoreError> {
    let own = |text: Option<&str>| text.map(str::to_owned);
    let detail = match crate::codec::read(row.text(6)?.as_bytes()) {
        Ok(remit_core::json::Value::Object(detail)) => detail,
        _ => Object::new(),
    };
    Ok(Finding {
        key: row.text(0)?.to_owned(),
        kind: row.text(1)?.to_owned(),
        agent: own(row.opt_text(2)?),
        task: own(row.opt_text(3)?),
        run: own(row.opt_text(4)?),
        message: row.text(5)?.to_owned(),
        detail,
        first_at: Timestamp(row.int(7)?),
        last_at: Timestamp(row.int(8)?),
        times: row.int(9)?,
    })
}
