//! Stored hashes of the tree, in pages of 120, and the checkpoints signed over it.

use remit_core::time::Timestamp;
use remit_ledger::Hash;
use remit_ledger::tree::{Frontier, stored_hash_count, stored_hash_position};

use crate::error::StoreError;
use crate::sql::Conn;

/// Hashes per page: a row of them fits one page of the database.
pub(crate) const PAGE: u64 = 120;
/// Bytes per full page.
pub(crate) const PAGE_BYTES: usize = 120 * 32;

pub(crate) fn write_page(conn: &mut Conn, page: u64, hashes: &[u8]) -> Result<(), StoreError> {
    conn.execute(
        "INSERT INTO tree (page, hashes) VALUES ($1, $2) ON CONFLICT (page) DO UPDATE SET hashes = excluded.hashes",
        &[number(page).into(), hashes.into()],
    )?;
    Ok(())
}

pub(crate) fn read_page(conn: &mut Conn, page: u64) -> Result<Vec<u8>, StoreError> {
    let row = conn.query_opt("SELECT hashes FROM tree WHERE page = $1", &[number(page).into()])?;
    Ok(row
        .map(|row| row.bytes(0).map(<[u8]>::to_vec))
        .transpose()?
        .unwrap_or_default())
}

/// The frontier of the stored tree, and how many hashes are stored.
pub(crate) fn restore(conn: &mut Conn) -> Result<(Frontier, u64), StoreError> {
    let count = count(conn)?;
    let size = size_of(count);
    if stored_hash_count(size) != count {
        return Err(tampered(count / PAGE, "it ends in the middle of a record"));
    }
    let frontier = Frontier::restore(size, |indexes| hashes(conn, indexes))
        .map_err(|error| StoreError::Unavailable(format!("the tree cannot be read: {error}")))?;
    Ok((frontier, count))
}

/// Stored hashes so far: one more than the last index.
///
/// # Errors
/// [`StoreError`] when the pages cannot be read.
pub fn count(conn: &mut Conn) -> Result<u64, StoreError> {
    let Some(row) = conn.query_opt("SELECT page, hashes FROM tree ORDER BY page DESC LIMIT 1", &[])? else {
        return Ok(0);
    };
    let page = row.int(0)?.unsigned_abs();
    let bytes = row.bytes(1)?.len();
    if bytes % 32 != 0 || bytes > PAGE_BYTES || bytes == 0 {
        return Err(tampered(page, "it is not a page of hashes"));
    }
    Ok(page * PAGE + (bytes / 32) as u64)
}

/// Leaves of a tree of `count` stored hashes.
fn size_of(count: u64) -> u64 {
    let Some(last) = count.checked_sub(1) else {
        return 0;
    };
    let (level, n) = stored_hash_position(last);
    (n + 1) << level
}

/// Records in the stored tree and in the index of records: both follow the ledger by less than a second.
///
/// # Errors
/// [`StoreError`] when the pages cannot be read.
pub fn size(conn: &mut Conn) -> Result<u64, StoreError> {
    Ok(size_of(count(conn)?))
}

/// Stored hashes by index: what `remit_ledger::tree` asks for to make proofs.
///
/// # Errors
/// [`StoreError::Tampered`] names the page that lacks one.
pub fn hashes(conn: &mut Conn, indexes: &[u64]) -> Result<Vec<Hash>, StoreError> {
    let mut current: Option<(u64, Vec<u8>)> = None;
    let mut out = Vec::with_capacity(indexes.len());
    for &index in indexes {
        let page = index / PAGE;
        let bytes = match current.take() {
            Some((at, bytes)) if at == page => bytes,
            _ => read_page(conn, page)?,
        };
        let at = usize::try_from(index % PAGE).unwrap_or(0) * 32;
        let hash = bytes.get(at..at + 32).and_then(Hash::from_slice);
        out.push(hash.ok_or_else(|| tampered(page, "a hash is missing"))?);
        current = Some((page, bytes));
    }
    Ok(out)
}

/// A signed checkpoint as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Records under it.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// When it was signed.
    pub time: Timestamp,
    /// The signed note (C2SP tlog-checkpoint).
    pub note: String,
}

/// The checkpoint with the most records under it.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn last_checkpoint(conn: &mut Conn) -> Result<Option<StoredCheckpoint>, StoreError> {
    checkpoint_where(conn, "ORDER BY size DESC LIMIT 1", &[])
}

/// The smallest checkpoint that covers record `seq`.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn checkpoint_over(conn: &mut Conn, seq: u64) -> Result<Option<StoredCheckpoint>, StoreError> {
    checkpoint_where(
        conn,
        "WHERE size > $1 ORDER BY size LIMIT 1",
        &[number(seq).into()],
    )
}

fn checkpoint_where(
    conn: &mut Conn,
    clause: &str,
    params: &[crate::Value<'_>],
) -> Result<Option<StoredCheckpoint>, StoreError> {
    let sql = format!("SELECT size, root, time, note FROM checkpoints {clause}");
    let Some(row) = conn.query_opt(&sql, params)? else {
        return Ok(None);
    };
    let root = Hash::from_slice(row.bytes(1)?).ok_or_else(|| StoreError::Tampered {
        table: "checkpoints",
        key: row.int(0).unwrap_or_default().to_string(),
        why: "its root is not a hash",
    })?;
    Ok(Some(StoredCheckpoint {
        size: row.int(0)?.unsigned_abs(),
        root,
        time: Timestamp(row.int(2)?),
        note: row.text(3)?.to_owned(),
    }))
}

/// Keeps a checkpoint unless one over more records, or over as many with another root, is kept already: a log never
/// signs two heads that contradict each other. Answers whether it was kept.
pub(crate) fn put_checkpoint(conn: &mut Conn, checkpoint: &StoredCheckpoint) -> Result<bool, StoreError> {
    let kept = conn.execute(
        "INSERT INTO checkpoints (size, root, time, note) SELECT $1, $2, $3, $4 \
         WHERE NOT EXISTS (SELECT 1 FROM checkpoints WHERE size > $1 OR (size = $1 AND root <> $2)) \
         ON CONFLICT (size) DO UPDATE SET time = excluded.time, note = excluded.note",
        &[
            number(checkpoint.size).into(),
            checkpoint.root.as_bytes().as_slice().into(),
            checkpoint.time.0.into(),
            (&checkpoint.note).into(),
        ],
    )?;
    Ok(kept == 1)
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn tampered(page: u64, why: &'static str) -> StoreError {
    StoreError::Tampered {
        table: "tree",
        key: page.to_string(),
        why,
    }
}
