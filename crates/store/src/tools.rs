//! The tool registry: what each server offers, where each tool stands, and every definition it has shown.

use remit_core::digest::Digest;
use remit_core::name::{Name, ToolName};
use remit_core::time::Timestamp;
use remit_core::tool::{Tool, ToolRef, ToolState};

use crate::append::{ApplyError, Tx};
use crate::codec::{classification_from_json, classification_to_json};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::TOOLS;

/// A tool as the registry keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredTool {
    /// As decisions see it; its fingerprint is that of the definition last seen.
    pub tool: Tool,
    /// Fingerprint a person or a rule admitted last, for the diff against the one last seen.
    pub admitted: Option<Digest>,
}

/// A definition as its server showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its fingerprint.
    pub fingerprint: Digest,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// Canonical JSON.
    pub definition: Vec<u8>,
}

/// Adds a tool that was not known.
///
/// # Errors
/// [`crate::Refused::Duplicate`] when it is known.
pub fn add(tx: &mut Tx<'_>, tool: &RegisteredTool) -> Result<(), ApplyError> {
    TOOLS.insert(tx, &columns(tool)).map(drop)
}

/// Replaces a tool as it was read.
///
/// # Errors
/// [`crate::Refused::Stale`] when it changed since.
pub fn put(tx: &mut Tx<'_>, tool: &Stored<RegisteredTool>) -> Result<(), ApplyError> {
    TOOLS.update(tx, &columns(tool), tool.changed)
}

/// Keeps a definition; seeing it again changes nothing.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn keep_definition(
    tx: &mut Tx<'_>,
    tool: &ToolRef,
    fingerprint: Digest,
    definition: &[u8],
) -> Result<(), ApplyError> {
    let seen = tx.time().0;
    tx.execute(
        "INSERT INTO definitions (server, tool, fingerprint, seen_at, definition) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING",
        &[
            tool.server.as_str().into(),
            tool.tool.as_str().into(),
            fingerprint.as_bytes().as_slice().into(),
            seen.into(),
            definition.into(),
        ],
    )?;
    Ok(())
}

/// One tool.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, tool: &ToolRef) -> Result<Option<Stored<RegisteredTool>>, StoreError> {
    TOOLS
        .get(conn, &[tool.server.as_str().into(), tool.tool.as_str().into()])?
        .map(read)
        .transpose()
}

/// All tools of a server by name.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn of_server(conn: &mut Conn, server: &Name) -> Result<Vec<Stored<RegisteredTool>>, StoreError> {
    let rows = TOOLS.load(
        conn,
        "WHERE t.server = $1 ORDER BY t.tool",
        &[server.as_str().into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// All tools by server and name.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn) -> Result<Vec<Stored<RegisteredTool>>, StoreError> {
    TOOLS
        .load(conn, "ORDER BY t.server, t.tool", &[])?
        .into_iter()
        .map(read)
        .collect()
}

/// The definition behind a fingerprint.
///
/// # Errors
/// [`StoreError`] when it cannot be read. Whether the bytes fit the fingerprint is the registry's to check.
pub fn definition(
    conn: &mut Conn,
    tool: &ToolRef,
    fingerprint: Digest,
) -> Result<Option<Definition>, StoreError> {
    let rows = conn.query(
        "SELECT fingerprint, seen_at, definition FROM definitions WHERE server = $1 AND tool = $2 AND fingerprint = $3",
        &[tool.server.as_str().into(), tool.tool.as_str().into(), fingerprint.as_bytes().as_slice().into()],
    )?;
    Ok(definitions(rows)?.into_iter().next())
}

/// Every definition a tool has shown, oldest first.
///
/// # Errors
/// As [`definition`].
pub fn history(conn: &mut Conn, tool: &ToolRef) -> Result<Vec<Definition>, StoreError> {
    let rows = conn.query(
        "SELECT fingerprint, seen_at, definition FROM definitions WHERE server = $1 AND tool = $2 ORDER BY seen_at",
        &[tool.server.as_str().into(), tool.tool.as_str().into()],
    )?;
    definitions(rows)
}

fn definitions(rows: Vec<crate::sql::Row>) -> Result<Vec<Definition>, StoreError> {
    rows.into_iter()
        .map(|row| {
            let fingerprint = Digest::from_slice(row.bytes(0)?).ok_or_else(|| StoreError::Tampered {
                table: "definitions",
                key: "?".to_owned(),
                why: "a fingerprint has 32 bytes",
            })?;
            Ok(Definition {
                fingerprint,
                seen_at: Timestamp(row.int(1)?),
                definition: row.bytes(2)?.to_vec(),
            })
        })
        .collect()
}

fn columns(registered: &RegisteredTool) -> [Value<'_>; 6] {
    let tool = &registered.tool;
    [
        tool.name.server.as_str().into(),
        tool.name.tool.as_str().into(),
        tool.state.as_str().into(),
        tool.fingerprint.as_bytes().as_slice().into(),
        registered
            .admitted
            .as_ref()
            .map(|digest| digest.as_bytes().as_slice())
            .into(),
        classification_to_json(&tool.classification).to_string().into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<RegisteredTool>, StoreError> {
    let columns = Columns::of(&TOOLS, &row);
    let name = ToolRef {
        server: columns.parsed::<Name>(0)?,
        tool: columns.parsed::<ToolName>(1)?,
    };
    let states = [ToolState::Quarantined, ToolState::Admitted, ToolState::Retired];
    let tool = Tool {
        name,
        state: columns.word(2, |word| states.into_iter().find(|state| state.as_str() == word))?,
        fingerprint: columns.digest(3)?,
        classification: columns.json(5, classification_from_json)?,
    };
    let admitted = columns.opt_bytes(4)?.and_then(Digest::from_slice);
    Ok(Stored {
        value: RegisteredTool { tool, admitted },
        changed: row.changed,
    })
}
