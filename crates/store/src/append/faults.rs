//! The fault table: each step of an append fails in two ways, and what follows is written down here.

use std::sync::Arc;

use remit_core::time::{ManualClock, Timestamp};
use remit_ledger::record::Record;

use crate::sql::faults::{Fault, Faults};
use crate::{AppendError, DbErrorKind, Location, Options, RowKey, Store, records};

struct Row {
    statement: &'static str,
    persisted: bool,
    kind: DbErrorKind,
    /// The store goes on.
    lives: bool,
    /// The record is there after a restart.
    there: bool,
}

const fn row(statement: &'static str, persisted: bool, kind: DbErrorKind, lives: bool, there: bool) -> Row {
    Row {
        statement,
        persisted,
        kind,
        lives,
        there,
    }
}

/// A commit that failed is never asked about: the store stops, whichever way it went.
const TABLE: &[Row] = &[
    row("BEGIN", false, DbErrorKind::Full, true, false),
    row("BEGIN", false, DbErrorKind::Lost, false, false),
    row("INSERT INTO policies", true, DbErrorKind::Other, true, false),
    row("INSERT INTO policies", true, DbErrorKind::Full, true, false),
    row("INSERT INTO policies", true, DbErrorKind::Lost, false, false),
    row("INSERT INTO records", true, DbErrorKind::Full, true, false),
    row("INSERT INTO records", true, DbErrorKind::Constraint, false, false),
    row("INSERT INTO records", true, DbErrorKind::Lost, false, false),
    row("INSERT INTO record_keys", true, DbErrorKind::Lost, false, false),
    row("UPDATE head", true, DbErrorKind::Full, true, false),
    row("UPDATE head", true, DbErrorKind::Lost, false, false),
    row("COMMIT", false, DbErrorKind::Full, true, false),
    row("COMMIT", false, DbErrorKind::Lost, false, false),
    row("COMMIT", true, DbErrorKind::Lost, false, true),
    row("COMMIT", false, DbErrorKind::Other, false, false),
    row("COMMIT", true, DbErrorKind::Other, false, true),
];

fn options(path: &std::path::Path) -> Options {
    Options {
        location: Location::Sqlite(path.to_owned()),
        row_key: RowKey::new(&[7; 32]),
        clock: Arc::new(ManualClock::new(Timestamp(1_000))),
    }
}

fn append(store: &Store) -> Result<(), AppendError> {
    let record = Record {
        kind: "policy_apply".to_owned(),
        task: Some("t".to_owned()),
        ..Record::default()
    };
    let by = "alice".parse().unwrap();
    let applied = store.append_blocking(record, move |tx| {
        let number = tx.query_one("SELECT count(*) FROM policies", &[])?.int(0)?;
        crate::policies::apply(tx, number, "v", b"bundle", &by)
    });
    applied.map(drop)
}

#[test]
fn every_step_fails_in_both_ways() {
    for (at, row) in TABLE.iter().enumerate() {
        let what = format!("{} persisted={} {:?}", row.statement, row.persisted, row.kind);
        let path = std::env::temp_dir().join(format!("remit-faults-{}-{at}.db", std::process::id()));
        let faults = Arc::new(Faults::default());
        let store = Store::open_with(options(&path), |conn| conn.faults = Some(Arc::clone(&faults))).unwrap();
        append(&store).unwrap();
        *faults.0.lock().unwrap() = Some(Fault {
            statement: row.statement,
            persisted: row.persisted,
            kind: row.kind,
        });
        append(&store).expect_err(&what);
        assert!(
            faults.0.lock().unwrap().is_none(),
            "{what}: the fault did not strike"
        );
        let next = append(&store);
        assert_eq!(next.is_ok(), row.lives, "{what}: {next:?}");
        if !row.lives {
            assert!(
                matches!(next, Err(AppendError::Unavailable(_))),
                "{what}: {next:?}"
            );
        }
        drop(store);

        let store = Store::open(options(&path)).unwrap();
        let expected = 1 + u64::from(row.lives) + u64::from(row.there);
        let counts = store
            .read_blocking(|conn| {
                let policies = crate::policies::in_force(conn)?.map_or(0, |policy| policy.number);
                Ok::<_, crate::StoreError>((records::count(conn)?, policies))
            })
            .unwrap();
        assert_eq!(
            counts,
            (expected, expected.cast_signed()),
            "{what}: state and records differ"
        );
        append(&store).unwrap();
        drop(store);
        for suffix in ["", "-wal", "-shm", ".lock"] {
            let _gone = std::fs::remove_file(crate::lock::beside(&path, suffix));
        }
    }
}
