//! SQLite through rusqlite: prepared statements are cached, parameters are numbered.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, ToSql};

use super::{DbError, DbErrorKind, Row, Value};

/// `RMIT`: says whose file it is (SQLite header, offset 68).
pub(crate) const APPLICATION_ID: i64 = 0x524d_4954;
/// Bytes per page: a group of records fills many pages, and each costs two writes to the log.
pub(crate) const PAGE_BYTES: u64 = 8192;
/// Statements kept prepared per connection.
const STATEMENTS_MAX: usize = 256;
/// How long a statement waits for a lock, in milliseconds; only our own checkpointer can hold one.
const BUSY_MS: u64 = 10_000;

pub(crate) struct Sqlite {
    conn: Connection,
    /// Reused for the text with `?1` in place of `$1`.
    text: String,
}

impl Sqlite {
    pub(crate) fn open(path: &std::path::Path, read_only: bool) -> Result<Self, DbError> {
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_READ_WRITE;
        if !read_only {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let conn = Connection::open_with_flags(path, flags)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        conn.busy_timeout(std::time::Duration::from_millis(BUSY_MS))?;
        let mut sqlite = Self {
            conn,
            text: String::new(),
        };
        sqlite.batch("PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;")?;
        if read_only {
            sqlite.batch("PRAGMA query_only = ON;")?;
        }
        Ok(sqlite)
    }

    /// Closing it folds nothing into the database.
    pub(crate) fn leave_log(&self) -> Result<(), DbError> {
        let no_checkpoint = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        self.conn.set_db_config(no_checkpoint, true)?;
        Ok(())
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        Ok(self.conn.execute_batch(sql)?)
    }

    /// A pragma's first column.
    pub(crate) fn pragma(&mut self, sql: &str) -> Result<Value<'static>, DbError> {
        let row = self.query(sql, &[])?;
        Ok(row
            .first()
            .and_then(|row| row.values().first())
            .cloned()
            .unwrap_or(Value::Null))
    }

    fn prepare(&mut self, sql: &str, params: &[Value<'_>]) -> Result<CachedStatement<'_>, DbError> {
        self.text.clear();
        let mut parts = sql.split('$');
        self.text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            self.text.push('?');
            self.text.push_str(part);
        }
        let mut statement = self.conn.prepare_cached(&self.text)?;
        for (at, value) in params.iter().enumerate() {
            statement.raw_bind_parameter(at + 1, value)?;
        }
        Ok(statement)
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, DbError> {
        Ok(self.prepare(sql, params)?.raw_execute()? as u64)
    }

    pub(crate) fn query(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>, DbError> {
        let mut statement = self.prepare(sql, params)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns);
            for at in 0..columns {
                values.push(read(row.get_ref(at)?)?);
            }
            out.push(Row::new(values));
        }
        Ok(out)
    }
}

fn read(value: ValueRef<'_>) -> Result<Value<'static>, DbError> {
    match value {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(int) => Ok(Value::Int(int)),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Value::Text(text.to_owned().into())),
            Err(_) => Err(DbError::new(DbErrorKind::Shape, "a text column is not UTF-8")),
        },
        ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec().into())),
        ValueRef::Real(_) => Err(DbError::new(DbErrorKind::Shape, "a column holds a float")),
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(int) => ValueRef::Integer(*int),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => DbErrorKind::Constraint,
            Some(ErrorCode::DiskFull) => DbErrorKind::Full,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => DbErrorKind::Conflict,
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly,
            ) => DbErrorKind::Lost,
            _ => DbErrorKind::Other,
        };
        Self::new(kind, error.to_string())
    }
}
