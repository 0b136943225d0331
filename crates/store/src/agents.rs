//! Agents: who answers for them and the most they may ever hold.

use remit_core::name::Name;
use remit_core::people::{Agent, Standing};

use crate::append::{ApplyError, Tx};
use crate::codec::{authority_from_json, authority_to_json};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::AGENTS;

/// Registers an agent.
///
/// # Errors
/// [`crate::Refused::Duplicate`] when the name is taken.
pub fn add(tx: &mut Tx<'_>, agent: &Agent) -> Result<(), ApplyError> {
    let ceiling = authority_to_json(&agent.ceiling).to_string();
    AGENTS.insert(tx, &columns(agent, &ceiling)).map(drop)
}

/// Replaces an agent as it was read.
///
/// # Errors
/// [`crate::Refused::Stale`] when it changed since.
pub fn put(tx: &mut Tx<'_>, agent: &Stored<Agent>) -> Result<(), ApplyError> {
    let ceiling = authority_to_json(&agent.ceiling).to_string();
    AGENTS.update(tx, &columns(agent, &ceiling), agent.changed)
}

/// One agent.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, name: &Name) -> Result<Option<Stored<Agent>>, StoreError> {
    AGENTS.get(conn, &[name.as_str().into()])?.map(read).transpose()
}

/// All agents by name.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn) -> Result<Vec<Stored<Agent>>, StoreError> {
    AGENTS
        .load(conn, "ORDER BY t.name", &[])?
        .into_iter()
        .map(read)
        .collect()
}

fn columns<'a>(agent: &'a Agent, ceiling: &'a str) -> [Value<'a>; 6] {
    [
        agent.name.as_str().into(),
        agent.owner.as_str().into(),
        agent.backup_owner.as_ref().map(Name::as_str).into(),
        (&agent.purpose).into(),
        ceiling.into(),
        agent.standing.as_str().into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Agent>, StoreError> {
    let columns = Columns::of(&AGENTS, &row);
    let value = Agent {
        name: columns.parsed(0)?,
        owner: columns.parsed(1)?,
        backup_owner: columns.opt_parsed(2)?,
        purpose: columns.text(3)?.to_owned(),
        ceiling: columns.json(4, authority_from_json)?,
        standing: columns.word(5, Standing::parse)?,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
