//! Migrations: ordered, never edited afterwards, each run once in one transaction.

use crate::error::StoreError;
use crate::open::OpenError;
use crate::sql::{Conn, Driver, Value, for_sqlite};

/// All migrations, oldest first; the number of one is its place from 1.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_first", include_str!("migrations/0001_first.sql")),
    ("0002_bodies", include_str!("migrations/0002_bodies.sql")),
    ("0005_broker", include_str!("migrations/0005_broker.sql")),
    ("0006_identity", include_str!("migrations/0006_identity.sql")),
    ("0007_logins", include_str!("migrations/0007_logins.sql")),
    ("0009_sign_in", include_str!("migrations/0009_sign_in.sql")),
    ("0010_proof", include_str!("migrations/0010_proof.sql")),
    (
        "0012_lease_values",
        include_str!("migrations/0012_lease_values.sql"),
    ),
    ("0030_use", include_str!("migrations/0030_use.sql")),
    ("0043_repeats", include_str!("migrations/0043_repeats.sql")),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    number BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum BYTEA NOT NULL) /*strict*/";

/// Checks that the database is one this version can read, and changes nothing.
///
/// # Errors
/// [`OpenError::Newer`] when it has been further.
pub(crate) fn expect(conn: &mut Conn) -> Result<(), OpenError> {
    let row = conn.query_one("SELECT count(*) FROM migrations", &[])?;
    let has = usize::try_from(row.int(0)?).unwrap_or(usize::MAX);
    if has > MIGRATIONS.len() {
        return Err(OpenError::Newer {
            has,
            knows: MIGRATIONS.len(),
        });
    }
    Ok(())
}

/// Brings the database to this version.
///
/// # Errors
/// [`OpenError::Newer`] when it has been further, [`OpenError::Migration`] when it went another way.
pub(crate) fn run(conn: &mut Conn) -> Result<(), OpenError> {
    let ddl = |text: &str, conn: &mut Conn| match conn.driver() {
        Driver::Sqlite(_) => for_sqlite(text),
        Driver::Postgres(_) => text.to_owned(),
    };
    let table = ddl(TABLE, conn);
    conn.batch(&table).map_err(StoreError::from)?;
    let done = conn
        .query(
            "SELECT number, name, checksum FROM migrations ORDER BY number",
            &[],
        )
        .map_err(StoreError::from)?;
    if done.len() > MIGRATIONS.len() {
        return Err(OpenError::Newer {
            has: done.len(),
            knows: MIGRATIONS.len(),
        });
    }
    for (number, (name, text)) in (1_i64..).zip(MIGRATIONS) {
        let checksum = remit_core::digest::Digest::of(text.as_bytes());
        let row = usize::try_from(number - 1).ok().and_then(|at| done.get(at));
        if let Some(row) = row {
            let same = row.int(0).map_err(StoreError::from)? == number
                && row.text(1).map_err(StoreError::from)? == *name
                && row.bytes(2).map_err(StoreError::from)? == checksum.as_bytes();
            if !same {
                return Err(OpenError::Migration { name });
            }
            continue;
        }
        let text = ddl(text, conn);
        let checksum: Value<'_> = checksum.as_bytes().as_slice().into();
        let step = |conn: &mut Conn| {
            conn.begin(crate::sql::Snapshot::Write)?;
            conn.batch(&text)?;
            conn.execute(
                "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
                &[number.into(), (*name).into(), checksum],
            )?;
            conn.commit()
        };
        step(conn).map_err(StoreError::from)?;
    }
    Ok(())
}
