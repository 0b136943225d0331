//! Rows that grant: authenticated one by one, tied to the ledger, and counted whole.
//!
//! Somebody who can write to the database, but does not hold the row key, must gain nothing by it:
//!
//! * a changed or invented row fails its HMAC, which covers the table, every column and the sequence number of the
//!   record that last changed it;
//! * an old row put back is not the latest one the index of records knows about that row;
//! * a removed row (a freeze lifted, a retired human revived together with the index) changes the sum over the
//!   table's rows, which the authenticated head carries.

use std::sync::OnceLock;

use crate::append::{ApplyError, Refused, Tx};
use crate::error::StoreError;
use crate::row_key::{RowKey, Sum, same};
use crate::sql::{Conn, DbError, Row, Value};

/// A table whose rows grant. Columns `changed` (sequence number) and `mac` come on top of those listed.
pub(crate) struct Table {
    name: &'static str,
    /// The columns of the primary key.
    keys: &'static [&'static str],
    /// The other columns.
    columns: &'static [&'static str],
    /// Place of its sum in the head.
    slot: usize,
    /// Changes are marked in the index of records. Counters that change with every call are not: the writer keeps
    /// them in memory, and the sum covers them when the store opens.
    marked: bool,
    sql: OnceLock<Texts>,
}

struct Texts {
    select: String,
    insert: String,
    update: String,
    old: String,
    delete: String,
}

/// A row that passed every check.
pub(crate) struct Checked {
    /// Key columns, then the others, in the order of the table.
    pub row: Row,
    /// The record that last changed it.
    pub changed: i64,
    /// Its authentication.
    pub mac: [u8; 32],
}

impl Table {
    pub(crate) const fn new(
        name: &'static str,
        keys: &'static [&'static str],
        columns: &'static [&'static str],
        slot: usize,
    ) -> Self {
        Self {
            name,
            keys,
            columns,
            slot,
            marked: true,
            sql: OnceLock::new(),
        }
    }

    pub(crate) const fn unmarked(mut self) -> Self {
        self.marked = false;
        self
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) const fn slot(&self) -> usize {
        self.slot
    }

    fn width(&self) -> usize {
        self.keys.len() + self.columns.len()
    }

    fn texts(&self) -> &Texts {
        self.sql.get_or_init(|| {
            let name = self.name;
            let all: Vec<&str> = self.keys.iter().chain(self.columns).copied().collect();
            let columns = all.join(", ");
            let holes: Vec<String> = (1..=all.len() + 2).map(|n| format!("${n}")).collect();
            let key_text: Vec<String> = self.keys.iter().map(|key| format!("t.{key}")).collect();
            let wanted: Vec<String> =
                self.keys.iter().zip(1..).map(|(key, n): (_, usize)| format!("{key} = ${n}")).collect();
            let sets: Vec<String> = self
                .columns
                .iter()
                .chain(&["changed", "mac"])
                .zip(self.keys.len() + 1..)
                .map(|(column, n)| format!("{column} = ${n}"))
                .collect();
            Texts {
                select: format!(
                    "SELECT {}, t.changed, t.mac, (SELECT max(k.seq) FROM record_keys k WHERE k.key = 'row/{name}/' || {}) FROM {name} t",
                    all.iter().map(|column| format!("t.{column}")).collect::<Vec<_>>().join(", "),
                    key_text.join(" || '/' || "),
                ),
                insert: format!(
                    "INSERT INTO {name} ({columns}, changed, mac) VALUES ({}) ON CONFLICT DO NOTHING",
                    holes.join(", ")
                ),
                update: format!("UPDATE {name} SET {} WHERE {}", sets.join(", "), wanted.join(" AND ")),
                delete: format!("DELETE FROM {name} WHERE {}", wanted.join(" AND ")),
                old: format!("SELECT changed, mac FROM {name} WHERE {}", wanted.join(" AND ")),
            }
        })
    }

    /// The text that names a row: its key columns joined by `/`.
    fn key_of(&self, values: &[Value<'_>]) -> String {
        let mut key = String::new();
        for value in values.iter().take(self.keys.len()) {
            if !key.is_empty() {
                key.push('/');
            }
            match value {
                Value::Text(text) => key.push_str(text),
                Value::Int(int) => key.push_str(&int.to_string()),
                Value::Null | Value::Bytes(_) => key.push('?'),
            }
        }
        key
    }

    pub(crate) fn tampered(&self, values: &[Value<'_>], why: &'static str) -> StoreError {
        StoreError::Tampered {
            table: self.name,
            key: self.key_of(values),
            why,
        }
    }

    /// The rows that `clause` (`WHERE …`, columns as `t.…`) picks, each one checked.
    pub(crate) fn load(
        &self,
        conn: &mut Conn,
        clause: &str,
        params: &[Value<'_>],
    ) -> Result<Vec<Checked>, StoreError> {
        let rows = conn.query(&format!("{} {clause}", self.texts().select), params)?;
        rows.into_iter().map(|row| self.check(conn.key(), row)).collect()
    }

    /// What is wrong with single rows.
    pub(crate) fn check_all(&self, conn: &mut Conn) -> Result<Vec<StoreError>, StoreError> {
        let rows = conn.query(&self.texts().select, &[])?;
        Ok(rows
            .into_iter()
            .filter_map(|row| self.check(conn.key(), row).err())
            .collect())
    }

    /// The one row with these key columns.
    pub(crate) fn get(&self, conn: &mut Conn, key: &[Value<'_>]) -> Result<Option<Checked>, StoreError> {
        let clause = match self.keys {
            [one] => format!("WHERE t.{one} = $1"),
            keys => {
                let wanted: Vec<String> = keys
                    .iter()
                    .zip(1..)
                    .map(|(key, n): (_, usize)| format!("t.{key} = ${n}"))
                    .collect();
                format!("WHERE {}", wanted.join(" AND "))
            }
        };
        Ok(self.load(conn, &clause, key)?.into_iter().next())
    }

    fn check(&self, key: &RowKey, row: Row) -> Result<Checked, StoreError> {
        let width = self.width();
        let values = row.values();
        let (own, rest) = values.split_at_checked(width).unwrap_or((values, &[]));
        let [Value::Int(changed), Value::Bytes(theirs), latest] = rest else {
            return Err(self.tampered(values, "it has no authentication"));
        };
        let (changed, mac) = (*changed, self.mac(key, own, *changed));
        if !same(&mac, theirs) {
            return Err(self.tampered(values, "its content was not written by us"));
        }
        if self.marked && *latest != Value::Int(changed) {
            return Err(self.tampered(values, "it is not the latest version of this row"));
        }
        Ok(Checked { changed, mac, row })
    }

    fn mac(&self, key: &RowKey, values: &[Value<'_>], changed: i64) -> [u8; 32] {
        let mut all: Vec<Value<'_>> = values.iter().map(borrow).collect();
        all.push(Value::Int(changed));
        key.mac(self.name, &all)
    }

    /// Adds a row that must not exist yet; `values` are the key columns, then the others. Answers its
    /// part in the sum.
    pub(crate) fn insert(&self, tx: &mut Tx<'_>, values: &[Value<'_>]) -> Result<Sum, ApplyError> {
        let mac = self.mac(tx.key(), values, tx.seq());
        if self.write(tx, &self.texts().insert, values, &mac)? == 0 {
            return Err(Refused::Duplicate {
                what: self.name,
                key: self.key_of(values),
            }
            .into());
        }
        let term = Sum::of_row(tx.key(), &mac);
        tx.sum(self.slot).add(term);
        self.note_change(tx, values)?;
        Ok(term)
    }

    /// Replaces a row whose last change the caller saw as record `expected`.
    pub(crate) fn update(
        &self,
        tx: &mut Tx<'_>,
        values: &[Value<'_>],
        expected: i64,
    ) -> Result<(), ApplyError> {
        let key_values = values.get(..self.keys.len()).unwrap_or_default();
        let old = tx.query_opt(&self.texts().old, key_values)?;
        let stale = || Refused::Stale {
            what: self.name,
            key: self.key_of(values),
        };
        let Some(old) = old else {
            return Err(stale().into());
        };
        if old.int(0)? != expected {
            return Err(stale().into());
        }
        let old = Sum::of_row(tx.key(), old.bytes(1)?);
        self.replace(tx, values, old)?;
        // Two changes of one row by one record leave one mark.
        if expected == tx.seq() {
            Ok(())
        } else {
            self.note_change(tx, values)
        }
    }

    /// Replaces a row whose part in the sum is known to be `old`, and marks nothing. Answers the new part.
    pub(crate) fn replace(&self, tx: &mut Tx<'_>, values: &[Value<'_>], old: Sum) -> Result<Sum, ApplyError> {
        let mac = self.mac(tx.key(), values, tx.seq());
        if self.write(tx, &self.texts().update, values, &mac)? != 1 {
            return Err(self
                .tampered(values, "it is missing, but was there before")
                .into());
        }
        let new = Sum::of_row(tx.key(), &mac);
        let sum = tx.sum(self.slot);
        sum.sub(old);
        sum.add(new);
        Ok(new)
    }

    fn write(
        &self,
        tx: &mut Tx<'_>,
        sql: &str,
        values: &[Value<'_>],
        mac: &[u8; 32],
    ) -> Result<u64, DbError> {
        let mut params: Vec<Value<'_>> = values.iter().map(borrow).collect();
        params.push(Value::Int(tx.seq()));
        params.push(Value::from(mac.as_slice()));
        tx.execute(sql, &params)
    }

    /// Removes a row; only where a missing row grants nothing.
    pub(crate) fn delete(&self, tx: &mut Tx<'_>, key: &[Value<'_>]) -> Result<(), ApplyError> {
        let texts = self.texts();
        if let Some(old) = tx.query_opt(&texts.old, key)? {
            let term = Sum::of_row(tx.key(), old.bytes(1)?);
            tx.execute(&texts.delete, key)?;
            tx.sum(self.slot).sub(term);
        }
        Ok(())
    }

    fn note_change(&self, tx: &mut Tx<'_>, values: &[Value<'_>]) -> Result<(), ApplyError> {
        if !self.marked {
            return Ok(());
        }
        let key = format!("row/{}/{}", self.name, self.key_of(values));
        let seq = tx.seq();
        tx.execute(
            "INSERT INTO record_keys (key, seq) VALUES ($1, $2)",
            &[key.into(), seq.into()],
        )?;
        Ok(())
    }

    /// Refuses a table from which rows were removed, or to which old ones were added.
    pub(crate) fn complete(&self, conn: &mut Conn, expected: Sum) -> Result<(), StoreError> {
        let rows = conn.query(&format!("SELECT mac FROM {}", self.name), &[])?;
        let mut sum = Sum::default();
        for row in &rows {
            sum.add(Sum::of_row(conn.key(), row.bytes(0)?));
        }
        if sum == expected {
            Ok(())
        } else {
            Err(StoreError::Tampered {
                table: self.name,
                key: "*".to_owned(),
                why: "rows were added or removed behind our back",
            })
        }
    }
}

fn borrow<'a>(value: &'a Value<'_>) -> Value<'a> {
    match value {
        Value::Null => Value::Null,
        Value::Int(int) => Value::Int(*int),
        Value::Text(text) => Value::Text(text.as_ref().into()),
        Value::Bytes(bytes) => Value::Bytes(bytes.as_ref().into()),
    }
}

impl From<DbError> for ApplyError {
    fn from(error: DbError) -> Self {
        Self::Store(StoreError::Db(error))
    }
}
