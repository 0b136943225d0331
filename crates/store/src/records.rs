//! Reading the ledger: by place, by what a record is about, by time.

use remit_core::resource::Resource;
use remit_core::time::Timestamp;
use remit_ledger::record::Record;

use crate::error::StoreError;
use crate::sql::{Conn, Row, Value};

/// Member of `detail` that lists further resources, as texts.
pub const RESOURCES: &str = "resources";

/// What a record can be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// `task_…`
    Task(&'a str),
    /// `run_…`
    Run(&'a str),
    /// `dec_…`: the decision and its outcome.
    Decision(&'a str),
    /// `apr_…`
    Approval(&'a str),
    /// A resource; records about what lies below it are found too.
    Resource(&'a Resource),
}

impl Key<'_> {
    fn text(&self) -> String {
        match self {
            Self::Task(id) => format!("task/{id}"),
            Self::Run(id) => format!("run/{id}"),
            Self::Decision(id) => format!("decision/{id}"),
            Self::Approval(id) => format!("approval/{id}"),
            Self::Resource(resource) => touch(resource),
        }
    }
}

impl Key<'_> {
    /// The first key that is meant, and the first one after those.
    fn range(&self) -> (String, String) {
        let low = self.text();
        let high = if let Key::Resource(_) = self {
            after(&low)
        } else {
            format!("{low}\u{1}")
        };
        (low, high)
    }
}

/// `touch/<system>:a/b/`: with the slash at the end, what starts with it lies at or below the resource.
fn touch(resource: &Resource) -> String {
    let mut key = format!("touch/{}:", resource.system());
    for segment in resource.segments() {
        key.push_str(segment);
        key.push('/');
    }
    key
}

/// The keys under which a record is indexed; recomputed from the leaf when the ledger is verified.
pub fn keys(record: &Record, mut give: impl FnMut(String)) {
    let mut one = |prefix: &str, value: Option<&String>| {
        if let Some(value) = value {
            give(format!("{prefix}/{value}"));
        }
    };
    one("task", record.task.as_ref());
    if record.task.is_none() {
        // Else its task leads to it: a run holds the authority of one task.
        one("run", record.run.as_ref());
    }
    one("decision", record.decision_id.as_ref());
    one("approval", record.approval.as_ref());
    let more = record
        .detail
        .get(RESOURCES)
        .and_then(|list| list.as_array())
        .unwrap_or_default();
    let texts = record
        .resource
        .as_deref()
        .into_iter()
        .chain(more.iter().filter_map(|text| text.as_str()));
    let mut touched: Vec<String> = texts
        .filter_map(|text| text.parse().ok())
        .map(|r| touch(&r))
        .collect();
    touched.sort_unstable();
    touched.dedup();
    touched.into_iter().for_each(give);
}

/// Records so far, which is the sequence number of the next one.
///
/// # Errors
/// [`StoreError`] when the head cannot be read.
pub fn count(conn: &mut Conn) -> Result<u64, StoreError> {
    Ok(crate::head::Head::load(conn)?.map_or(0, |head| head.size.unsigned_abs()))
}

/// A leaf as it is stored, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// Place in the log, from 0.
    pub seq: u64,
    /// The leaf: canonical JSON.
    pub leaf: Vec<u8>,
}

impl StoredRecord {
    /// Reads the leaf.
    ///
    /// # Errors
    /// [`StoreError::Tampered`] when it is not a record, or not the one of this place.
    pub fn decode(&self) -> Result<Record, StoreError> {
        let tampered = |why| StoreError::Tampered {
            table: "records",
            key: self.seq.to_string(),
            why,
        };
        let record = Record::decode(&self.leaf).map_err(|_| tampered("its leaf is not a record"))?;
        if record.seq == self.seq {
            Ok(record)
        } else {
            Err(tampered("its leaf belongs to another place"))
        }
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            seq: row.int(0)?.unsigned_abs(),
            leaf: row.bytes(1)?.to_vec(),
        })
    }
}

fn stored(rows: &[Row]) -> Result<Vec<StoredRecord>, StoreError> {
    rows.iter().map(StoredRecord::read).collect()
}

/// Up to `limit` records from `from` on, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn range(conn: &mut Conn, from: u64, limit: u32) -> Result<Vec<StoredRecord>, StoreError> {
    let rows = conn.query(
        "SELECT seq, leaf FROM records WHERE seq >= $1 ORDER BY seq LIMIT $2",
        &[number(from).into(), i64::from(limit).into()],
    )?;
    stored(&rows)
}

/// One record.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn get(conn: &mut Conn, seq: u64) -> Result<Option<StoredRecord>, StoreError> {
    Ok(range(conn, seq, 1)?.into_iter().find(|record| record.seq == seq))
}

/// Up to `limit` records about `key` with a place of at least `from`, oldest first.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn about(conn: &mut Conn, key: &Key<'_>, from: u64, limit: u32) -> Result<Vec<StoredRecord>, StoreError> {
    let Some(wide) = task_of(conn, key)? else {
        return forwards(conn, key, from, limit);
    };
    let (mut from, mut found) = (from, Vec::new());
    loop {
        let some = forwards(conn, &Key::Task(&wide), from, PAGE)?;
        let last = some.last().map(|record| record.seq);
        keep_those_of(key, some, &mut found)?;
        match last {
            Some(last) if found.len() < limit as usize => from = last + 1,
            _ => break,
        }
    }
    found.truncate(limit as usize);
    Ok(found)
}

/// The `limit` latest records about `key` with a place below `before`, latest first: what `who` answers from.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn latest(
    conn: &mut Conn,
    key: &Key<'_>,
    before: u64,
    limit: u32,
) -> Result<Vec<StoredRecord>, StoreError> {
    let Some(wide) = task_of(conn, key)? else {
        return backwards(conn, key, before, limit);
    };
    let (mut before, mut found) = (before, Vec::new());
    loop {
        let some = backwards(conn, &Key::Task(&wide), before, PAGE)?;
        let last = some.last().map(|record| record.seq);
        keep_those_of(key, some, &mut found)?;
        match last {
            Some(last) if found.len() < limit as usize => before = last,
            _ => break,
        }
    }
    found.truncate(limit as usize);
    Ok(found)
}

/// Records read at once while those of one run are picked out.
const PAGE: u32 = 500;

/// The task through which a run's records are found.
fn task_of(conn: &mut Conn, key: &Key<'_>) -> Result<Option<String>, StoreError> {
    let Key::Run(run) = key else { return Ok(None) };
    let row = conn.query_opt("SELECT task FROM runs WHERE id = $1", &[(*run).into()])?;
    Ok(row.map(|row| row.text(0).map(ToOwned::to_owned)).transpose()?)
}

fn keep_those_of(
    key: &Key<'_>,
    some: Vec<StoredRecord>,
    found: &mut Vec<StoredRecord>,
) -> Result<(), StoreError> {
    for record in some {
        if matches!(key, Key::Run(run) if record.decode()?.run.as_deref() == Some(run)) {
            found.push(record);
        }
    }
    Ok(())
}

fn forwards(conn: &mut Conn, key: &Key<'_>, from: u64, limit: u32) -> Result<Vec<StoredRecord>, StoreError> {
    let edge = crate::tree::size(conn)?;
    let mut found = indexed(conn, key, [">=", ""], from, limit)?;
    if found.len() < limit as usize {
        found.extend(unindexed(conn, key, edge.max(from), u64::MAX)?);
    }
    found.truncate(limit as usize);
    Ok(found)
}

fn backwards(
    conn: &mut Conn,
    key: &Key<'_>,
    before: u64,
    limit: u32,
) -> Result<Vec<StoredRecord>, StoreError> {
    let edge = crate::tree::size(conn)?;
    // What is used all the time has millions of keys, and some of the newest records are about it.
    let look = if let Key::Resource(_) = key { NEWEST } else { 0 };
    let from = edge.min(before.saturating_sub(look));
    let mut found = unindexed(conn, key, from, before)?;
    found.reverse();
    if found.len() < limit as usize {
        found.extend(indexed(conn, key, ["<", "DESC"], from.min(before), limit)?);
    }
    found.truncate(limit as usize);
    Ok(found)
}

/// Records that are looked at one by one before the index is asked about a resource.
const NEWEST: u64 = 1000;

/// Records about `key` that the index knows, on one side of `place`, ordered along it.
fn indexed(
    conn: &mut Conn,
    key: &Key<'_>,
    [side, order]: [&str; 2],
    place: u64,
    limit: u32,
) -> Result<Vec<StoredRecord>, StoreError> {
    let (low, high) = key.range();
    let (place, limit) = (number(place), i64::from(limit));
    // One key has each record once, in order; the keys below a resource may have one several times.
    let rows = if let Key::Resource(_) = key {
        let sql = format!(
            "SELECT r.seq, r.leaf FROM records r WHERE r.seq IN (SELECT k.seq FROM record_keys k \
             WHERE k.key >= $1 AND k.key < $2 AND k.seq {side} $3) ORDER BY r.seq {order} LIMIT $4"
        );
        conn.query(&sql, &[low.into(), high.into(), place.into(), limit.into()])?
    } else {
        let sql = format!(
            "SELECT r.seq, r.leaf FROM record_keys k JOIN records r ON r.seq = k.seq \
             WHERE k.key = $1 AND k.seq {side} $2 ORDER BY k.seq {order} LIMIT $3"
        );
        conn.query(&sql, &[low.into(), place.into(), limit.into()])?
    };
    stored(&rows)
}

/// Records about `key` from `from` on and before `before`, oldest first, found without the index.
fn unindexed(
    conn: &mut Conn,
    key: &Key<'_>,
    from: u64,
    before: u64,
) -> Result<Vec<StoredRecord>, StoreError> {
    let rows = conn.query(
        "SELECT seq, leaf FROM records WHERE seq >= $1 AND seq < $2 ORDER BY seq",
        &[number(from).into(), number(before).into()],
    )?;
    let (low, high) = key.range();
    let mut found = Vec::new();
    for record in stored(&rows)? {
        let mut about = false;
        keys(&record.decode()?, |key| about |= low <= key && key < high);
        if about {
            found.push(record);
        }
    }
    Ok(found)
}

/// The first text after everything that starts with `prefix`, which ends with a slash or a colon.
fn after(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    match text.pop() {
        Some('/') => text.push('0'),
        Some(':') => text.push(';'),
        Some(other) => text.push(other),
        None => {}
    }
    text
}

/// Place of the first record made after `time`; times never go back along the log, so this is a binary search.
///
/// # Errors
/// [`StoreError`] when they cannot be read.
pub fn place_after(conn: &mut Conn, time: Timestamp) -> Result<u64, StoreError> {
    let (mut low, mut high) = (0, number(count(conn)?));
    while low < high {
        let middle = low + (high - low) / 2;
        let row = conn.query_opt("SELECT time FROM records WHERE seq = $1", &[middle.into()])?;
        let Some(row) = row else {
            return Err(StoreError::Tampered {
                table: "records",
                key: middle.to_string(),
                why: "the record is missing",
            });
        };
        if row.int(0)? <= time.0 {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low.unsigned_abs())
}

/// Refuses a record whose columns or index say something else than its leaf: `timeline` and `who` read those. The tree says whether the leaf itself is right.
///
/// # Errors
/// [`StoreError::Tampered`] names the record.
pub fn check(conn: &mut Conn, seq: u64) -> Result<(), StoreError> {
    let tampered = |why| StoreError::Tampered {
        table: "records",
        key: seq.to_string(),
        why,
    };
    let row = conn
        .query_opt(
            "SELECT seq, leaf, time, kind FROM records WHERE seq = $1",
            &[number(seq).into()],
        )?
        .ok_or_else(|| tampered("the record is missing"))?;
    let record = StoredRecord::read(&row)?.decode()?;
    if row.int(2)? != record.time.0 || row.text(3)? != record.kind {
        return Err(tampered("a column says something else than the leaf"));
    }
    if seq >= crate::tree::size(conn)? {
        return Ok(());
    }
    let mut wanted = Vec::new();
    keys(&record, |key| wanted.push(key));
    for key in wanted {
        let params: [Value<'_>; 2] = [key.into(), number(seq).into()];
        if conn
            .query_opt("SELECT seq FROM record_keys WHERE key = $1 AND seq = $2", &params)?
            .is_none()
        {
            return Err(tampered("it is missing from the index"));
        }
    }
    Ok(())
}

fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
