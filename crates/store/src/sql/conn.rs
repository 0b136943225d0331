//! A connection as repositories see it: typed rows in, typed rows out, the same text for both databases.

use std::sync::Arc;

use super::{DbError, DbErrorKind, Postgres, Row, Sqlite, Value};
use crate::row_key::RowKey;

/// One of the two databases.
pub(crate) enum Driver {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

/// What a transaction may do.
#[derive(Clone, Copy)]
pub(crate) enum Snapshot {
    /// One unchanging view, no writes.
    Read,
    /// The only writer.
    Write,
}

/// A connection, owned by one database thread. Readers get it from [`crate::Store::read`] and can only query.
///
/// SQL is written for PostgreSQL with `$1…`; integers are `BIGINT`, order is by integers or by `COLLATE "C"` text,
/// no string literal holds a `$`.
pub struct Conn {
    driver: Driver,
    key: Arc<RowKey>,
    /// The error that spoiled the transaction: nothing more happens in it, whatever the caller makes of the error.
    /// (PostgreSQL would refuse by itself; SQLite may have rolled back and go on without a transaction.)
    broken: Option<DbError>,
    #[cfg(test)]
    pub(crate) faults: Option<std::sync::Arc<super::faults::Faults>>,
}

impl Conn {
    pub(crate) const fn new(driver: Driver, key: Arc<RowKey>) -> Self {
        Self {
            driver,
            key,
            broken: None,
            #[cfg(test)]
            faults: None,
        }
    }

    /// All rows of a query.
    ///
    /// # Errors
    /// Whatever the database says.
    pub fn query(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Vec<Row>, DbError> {
        self.whole()?;
        let answer = match &mut self.driver {
            Driver::Sqlite(sqlite) => sqlite.query(sql, params),
            Driver::Postgres(postgres) => postgres.query(sql, params),
        };
        self.note(answer)
    }

    /// The first row of a query that has at most one.
    ///
    /// # Errors
    /// Whatever the database says.
    pub fn query_opt(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Option<Row>, DbError> {
        Ok(self.query(sql, params)?.into_iter().next())
    }

    /// The row of a query that has exactly one.
    ///
    /// # Errors
    /// [`DbErrorKind::Shape`] when there is none.
    pub fn query_one(&mut self, sql: &str, params: &[Value<'_>]) -> Result<Row, DbError> {
        self.query_opt(sql, params)?
            .ok_or_else(|| DbError::new(DbErrorKind::Shape, "a row that is always there is missing"))
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, DbError> {
        self.whole()?;
        let answer = match &mut self.driver {
            Driver::Sqlite(sqlite) => sqlite.execute(sql, params),
            Driver::Postgres(postgres) => postgres.execute(sql, params),
        };
        #[cfg(test)]
        let answer = super::faults::strike(self.faults.as_deref(), sql, answer);
        self.note(answer)
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), DbError> {
        match &mut self.driver {
            Driver::Sqlite(sqlite) => sqlite.batch(sql),
            Driver::Postgres(postgres) => postgres.batch(sql),
        }
    }

    fn whole(&self) -> Result<(), DbError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn note<T>(&mut self, answer: Result<T, DbError>) -> Result<T, DbError> {
        if let Err(error) = &answer {
            self.broken = Some(error.clone());
        }
        answer
    }

    /// True once a statement of the current transaction failed.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    pub(crate) fn begin(&mut self, snapshot: Snapshot) -> Result<(), DbError> {
        self.broken = None;
        #[cfg(test)]
        super::faults::before(self.faults.as_deref(), "BEGIN")?;
        match (&mut self.driver, snapshot) {
            (Driver::Sqlite(sqlite), Snapshot::Read) => sqlite.execute("BEGIN", &[]).map(drop),
            (Driver::Sqlite(sqlite), Snapshot::Write) => sqlite.execute("BEGIN IMMEDIATE", &[]).map(drop),
            (Driver::Postgres(postgres), Snapshot::Read) => {
                postgres.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            }
            (Driver::Postgres(postgres), Snapshot::Write) => postgres.batch("BEGIN"),
        }
    }

    pub(crate) fn commit(&mut self) -> Result<(), DbError> {
        self.whole()?;
        #[cfg(test)]
        super::faults::before(self.faults.as_deref(), "COMMIT")?;
        let answer = match &mut self.driver {
            Driver::Sqlite(sqlite) => sqlite.execute("COMMIT", &[]).map(drop),
            Driver::Postgres(postgres) => postgres.batch("COMMIT"),
        };
        #[cfg(test)]
        let answer = super::faults::strike(self.faults.as_deref(), "COMMIT", answer);
        answer
    }

    /// Gives the transaction up; without one it does nothing.
    pub(crate) fn rollback(&mut self) -> Result<(), DbError> {
        self.broken = None;
        match &mut self.driver {
            // After a full disk SQLite has rolled back by itself and answers that there is no transaction.
            Driver::Sqlite(sqlite) => {
                drop(sqlite.execute("ROLLBACK", &[]));
                Ok(())
            }
            Driver::Postgres(postgres) => postgres.batch("ROLLBACK"),
        }
    }

    pub(crate) const fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    pub(crate) fn is_closed(&self) -> bool {
        match &self.driver {
            Driver::Sqlite(_) => false,
            Driver::Postgres(postgres) => postgres.is_closed(),
        }
    }

    pub(crate) const fn key(&self) -> &Arc<RowKey> {
        &self.key
    }
}
