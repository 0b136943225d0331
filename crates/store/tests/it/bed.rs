//! Where a test keeps its database: a folder for SQLite, a fresh database of a temporary cluster for PostgreSQL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use remit_core::time::{ManualClock, Timestamp};
use remit_store::{Location, OpenError, Options, RowKey, Store};

use crate::postgres_bed::Cluster;

/// Makes one test per database out of a body that takes a [`Bed`].
#[macro_export]
macro_rules! on_both {
    ($($name:ident)*) => {$(
        #[cfg(test)]
        mod $name {
            #[test]
            fn sqlite() {
                super::$name(&$crate::bed::Bed::sqlite());
            }

            #[test]
            fn postgres() {
                if let Some(bed) = $crate::bed::Bed::postgres() {
                    super::$name(&bed);
                }
            }
        }
    )*};
}

/// Removed with everything in it when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "remit-store-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// One database and the clock its records are made with.
pub struct Bed {
    pub location: Location,
    pub clock: Arc<ManualClock>,
    _folder: Option<Folder>,
}

impl Bed {
    pub fn sqlite() -> Self {
        let folder = Folder::new();
        Self {
            location: Location::Sqlite(folder.0.join("remit.db")),
            clock: Arc::new(ManualClock::new(Timestamp(1_000))),
            _folder: Some(folder),
        }
    }

    /// In a folder that somebody else removes.
    pub fn sqlite_in(folder: &Path) -> Self {
        Self {
            location: Location::Sqlite(folder.join("remit.db")),
            clock: Arc::new(ManualClock::new(Timestamp(1_000))),
            _folder: None,
        }
    }

    /// Nothing when this machine has no PostgreSQL; says so loudly.
    pub fn postgres() -> Option<Self> {
        let cluster = Cluster::shared()?;
        Some(Self {
            location: Location::Postgres(cluster.fresh_database()),
            clock: Arc::new(ManualClock::new(Timestamp(1_000))),
            _folder: None,
        })
    }

    pub fn path(&self) -> &Path {
        match &self.location {
            Location::Sqlite(path) => path,
            Location::Postgres(_) => panic!("this body is about SQLite"),
        }
    }

    pub fn try_open(&self) -> Result<Store, OpenError> {
        Store::open(Options {
            location: self.location.clone(),
            row_key: RowKey::new(&[7; 32]),
            clock: self.clock.clone(),
        })
    }

    /// Waits for a store of this very process that lets go of it: another test that starts a program at that moment
    /// holds a copy of its lock until the program runs.
    pub fn open(&self) -> Store {
        for _ in 0..500 {
            match self.try_open() {
                Err(OpenError::InUse { owner, .. }) if owner == Some(std::process::id()) => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                opened => return opened.unwrap(),
            }
        }
        self.try_open().unwrap()
    }

    /// Runs statements behind the store's back.
    pub fn tamper(&self, sql: &str) {
        match &self.location {
            Location::Sqlite(path) => {
                let conn = rusqlite::Connection::open(path).unwrap();
                conn.execute_batch(sql).unwrap();
            }
            Location::Postgres(url) => {
                let mut client = postgres::Client::connect(url, postgres::NoTls).unwrap();
                client.batch_execute(sql).unwrap();
            }
        }
    }
}
