//! Opening a store: whose database is it, may we have it, is it whole.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use remit_core::time::Clock;

use crate::append::{Follower, Queue, Writer};
use crate::error::StoreError;
use crate::head::Head;
use crate::lock::{OwnerLock, beside};
use crate::readers::Readers;
use crate::row_key::RowKey;
use crate::sql::{
    APPLICATION_ID, APPLICATION_LOCK, Conn, DbError, Driver, PAGE_BYTES, Postgres, Sqlite, Value,
};
use crate::store::{Store, Threads};

/// Appends that may wait before callers have to.
const QUEUE_MAX: usize = 4096;
/// Threads that read.
const READERS: usize = 3;

/// Where the data is.
#[derive(Clone, Debug)]
pub enum Location {
    /// One file, ours alone.
    Sqlite(PathBuf),
    /// A connection string, `postgres://…` or `host=… user=…`.
    Postgres(String),
}

/// What a store needs.
pub struct Options {
    /// Where the data is.
    pub location: Location,
    /// Authenticates rows; never kept in the database.
    pub row_key: RowKey,
    /// Gives records their time.
    pub clock: Arc<dyn Clock>,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{what} is in use by another remit{}: use that one, or stop it first", owner.map_or(String::new(), |pid| format!(" (process {pid})")))]
    InUse {
        /// The database.
        what: String,
        /// Process id of the owner, when it is known.
        owner: Option<u32>,
    },
    /// Written by a newer version.
    #[error(
        "the database is from a newer version: it has {has} migrations, this version knows {knows}; use a newer remit"
    )]
    Newer {
        /// Migrations it has.
        has: usize,
        /// Migrations this version knows.
        knows: usize,
    },
    /// A migration that ran is not the one this version has.
    #[error(
        "migration {name} of the database is not the one this version knows: it was made by another build"
    )]
    Migration {
        /// Which.
        name: &'static str,
    },
    /// A database of something else.
    #[error("`{path}` is a database of another application (id {id:#x})")]
    OtherApplication {
        /// The file.
        path: PathBuf,
        /// Its application id.
        id: i64,
    },
    /// Syncs and locks would be another machine's promise.
    #[error("`{path}` lies on {name}: keep the database on a local disk, or use PostgreSQL")]
    NetworkFileSystem {
        /// The file.
        path: PathBuf,
        /// The file system.
        name: &'static str,
    },
    /// The file cannot be made or locked.
    #[error("`{path}` cannot be opened: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The row key is not the one this database was written with, or somebody else wrote to it.
    #[error("the database does not fit the row key, or was changed behind our back: {0}")]
    Store(#[from] StoreError),
}

impl From<DbError> for OpenError {
    fn from(error: DbError) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Opens the database, makes it when it does not exist, and checks that it is ours and whole.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then, but for migrations.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_with(options, |_| {})
    }

    /// As [`Self::open`]; `ready` sees the writer's connection before the writer starts.
    pub(crate) fn open_with(options: Options, ready: impl FnOnce(&mut Conn)) -> Result<Self, OpenError> {
        let Options {
            location,
            row_key,
            clock,
        } = options;
        let key = Arc::new(row_key);
        let lock = match &location {
            Location::Sqlite(path) => Some(OwnerLock::take(path)?),
            Location::Postgres(_) => None,
        };
        let mut conn = match &location {
            Location::Sqlite(path) => Conn::new(Driver::Sqlite(own_sqlite(path)?), Arc::clone(&key)),
            Location::Postgres(url) => {
                let mut conn = Conn::new(
                    Driver::Postgres(Box::new(Postgres::open(url, false)?)),
                    Arc::clone(&key),
                );
                own_postgres(&mut conn)?;
                conn
            }
        };
        crate::migrate::run(&mut conn)?;
        let head = whole(&mut conn)?;
        let follower = Follower::restore(&mut conn, head.size)?;

        let queue = Arc::new(Queue::new(QUEUE_MAX));
        let finish = Arc::new(AtomicBool::new(false));
        let mut threads = Threads::new(lock);
        if let Location::Sqlite(path) = &location {
            let sqlite = Sqlite::open(path, false)?;
            threads.checkpointer(sqlite, beside(path, "-wal"), Arc::clone(&finish))?;
        }
        let readers = Readers::start(READERS, &location, &key, &mut threads)?;
        let express = Readers::start(1, &location, &key, &mut threads)?;
        ready(&mut conn);
        let writer = Writer::new(conn, head, follower, Arc::clone(&queue), clock, finish);
        threads.writer(writer)?;
        Ok(Self::new(queue, readers, express, threads))
    }
}

fn own_sqlite(path: &Path) -> Result<Sqlite, OpenError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    if let Err(source) = made
        && source.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(OpenError::Io {
            path: path.to_owned(),
            source,
        });
    }
    let mut sqlite = Sqlite::open(path, false)?;
    let id = sqlite.pragma("PRAGMA application_id")?;
    let tables = sqlite.query("SELECT name FROM sqlite_master LIMIT 1", &[])?;
    match id {
        Value::Int(APPLICATION_ID) => {}
        Value::Int(0) if tables.is_empty() => {
            sqlite.batch(&format!(
                "PRAGMA page_size = {PAGE_BYTES}; PRAGMA application_id = {APPLICATION_ID};"
            ))?;
        }
        Value::Int(id) => {
            return Err(OpenError::OtherApplication {
                path: path.to_owned(),
                id,
            });
        }
        _ => {
            return Err(OpenError::OtherApplication {
                path: path.to_owned(),
                id: 0,
            });
        }
    }
    // FULL syncs the log with every commit; copying it is the checkpointer's work.
    sqlite.batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(sqlite)
}

/// How often and how long, in milliseconds, the database's lock is waited for: the connection of an owner that was
/// killed may take a moment to go.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT_MS: u64 = 100;

fn own_postgres(conn: &mut Conn) -> Result<(), OpenError> {
    if conn.query_one("SELECT pg_is_in_recovery()", &[])?.int(0)? == 1 {
        let why = "this PostgreSQL is a standby: connect to the primary".to_owned();
        return Err(StoreError::Unavailable(why).into());
    }
    for _ in 0..LOCK_TRIES {
        if conn
            .query_one("SELECT pg_try_advisory_lock($1)", &[APPLICATION_LOCK.into()])?
            .int(0)?
            == 1
        {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(LOCK_WAIT_MS));
    }
    Err(OpenError::InUse {
        what: "the PostgreSQL database".to_owned(),
        owner: None,
    })
}

/// The head, after checking it against the ledger's end and the tables that grant and do not grow with use.
fn whole(conn: &mut Conn) -> Result<Head, StoreError> {
    let last = conn.query_opt("SELECT seq, time FROM records ORDER BY seq DESC LIMIT 1", &[])?;
    let Some(head) = Head::load(conn)? else {
        if last.is_some() {
            return Err(StoreError::Tampered {
                table: "head",
                key: "1".to_owned(),
                why: "it is missing",
            });
        }
        let head = Head::empty();
        head.insert(conn)?;
        return Ok(head);
    };
    let end = last
        .map(|row| Ok::<_, DbError>((row.int(0)? + 1, row.int(1)?)))
        .transpose()?
        .unwrap_or((0, 0));
    if end != (head.size, head.time) {
        return Err(StoreError::Tampered {
            table: "records",
            key: end.0.to_string(),
            why: "the ledger does not end where its head says",
        });
    }
    for table in crate::tables::SMALL {
        table.complete(conn, head.sum(table.slot()))?;
    }
    Ok(head)
}
