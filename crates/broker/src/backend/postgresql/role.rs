//! The life of a role: made with the task's tables and verbs, cut, removed, proved gone. Every step may be repeated.

use std::collections::BTreeSet;
use std::time::Duration;

use postgres_protocol::password::scram_sha_256;
use remit_core::time::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::session::Session;
use super::{BackendError, failed, quoted};
use crate::sql::Table;

/// Sessions one lease may hold at once.
const SESSIONS_MAX: u32 = 4;
/// Roles removed in one statement: each takes locks for everything it owns.
const REMOVED_AT_ONCE: usize = 50;
/// How long terminated sessions may take to be gone.
const GONE: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What may be done with the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbs {
    /// `SELECT`.
    pub read: bool,
    /// `INSERT` and `UPDATE`.
    pub write: bool,
    /// `DELETE`.
    pub delete: bool,
}

impl Verbs {
    fn list(self) -> Vec<&'static str> {
        let mut verbs = Vec::new();
        if self.read {
            verbs.push("SELECT");
        }
        if self.write {
            verbs.extend(["INSERT", "UPDATE"]);
        }
        if self.delete {
            verbs.push("DELETE");
        }
        verbs
    }
}

/// What a role gets.
pub struct Rights<'r> {
    /// True for the tables of the task.
    pub covers: &'r (dyn Fn(&Table) -> bool + Send + Sync),
    /// What may be done with them.
    pub verbs: Verbs,
}

impl std::fmt::Debug for Rights<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rights")
            .field("verbs", &self.verbs)
            .finish_non_exhaustive()
    }
}

/// What a server keeps of a password (RFC 5803): the password cannot be had from it. Takes a while, as it should.
#[must_use]
pub fn verifier(password: &SecretString) -> String {
    scram_sha_256(password.expose_secret().as_bytes())
}

/// Held by each transaction that changes rights: two that grant on one table at once would fail ("tuple concurrently
/// updated"), as PostgreSQL does not wait there.
const ONE_BY_ONE: &str = "SELECT pg_catalog.pg_advisory_xact_lock(7237133148190601);";

/// Makes a role with these rights, in one transaction. The server sees the verifier, never the password.
///
/// # Errors
/// [`BackendError`]; then the role may exist all the same and has to be removed by its name.
pub async fn make(
    admin: &Session,
    name: &str,
    verifier: &str,
    until: Timestamp,
    rights: &Rights<'_>,
) -> Result<(), BackendError> {
    admin.refill();
    // From version 16 on, who makes a role does not hold its rights by itself, and could not end what it owns.
    let _older = admin
        .client
        .batch_execute("SET createrole_self_grant = 'set, inherit'")
        .await;
    let (tables, sequences) = covered(admin, rights).await?;
    let role = quoted(name);
    let mut script = format!(
        "{ONE_BY_ONE} CREATE ROLE {role} LOGIN NOINHERIT CONNECTION LIMIT {SESSIONS_MAX} PASSWORD '{verifier}' VALID UNTIL '{until}';"
    );
    let schemas: BTreeSet<&str> = tables.iter().map(|table| table.schema.as_str()).collect();
    for schema in schemas {
        script.push_str(&format!("GRANT USAGE ON SCHEMA {} TO {role};", quoted(schema)));
    }
    let verbs = rights.verbs.list().join(", ");
    if !verbs.is_empty() {
        for table in &tables {
            script.push_str(&format!("GRANT {verbs} ON {} TO {role};", whole(table)));
        }
    }
    if rights.verbs.write {
        for sequence in &sequences {
            script.push_str(&format!("GRANT USAGE ON SEQUENCE {} TO {role};", whole(sequence)));
        }
    }
    admin
        .client
        .batch_execute(&script)
        .await
        .map_err(|error| failed(&error))
}

fn whole(table: &Table) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

/// Tables and views the rights cover, and the sequences that number the columns of those tables.
async fn covered(admin: &Session, rights: &Rights<'_>) -> Result<(Vec<Table>, Vec<Table>), BackendError> {
    admin.refill();
    let rows = admin
        .client
        .query(
            "SELECT n.nspname, c.relname, sn.nspname, s.relname \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_depend d ON d.refobjid = c.oid AND d.deptype IN ('a', 'i') \
               AND d.classid = 'pg_catalog.pg_class'::regclass \
             LEFT JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
             LEFT JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace \
             WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT LIKE 'pg\\_%' \
               AND n.nspname <> 'information_schema'",
            &[],
        )
        .await
        .map_err(|error| failed(&error))?;
    let (mut tables, mut sequences) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        let text = |at: usize| {
            row.try_get::<_, Option<String>>(at)
                .map_err(|error| failed(&error))
        };
        let (Some(schema), Some(name)) = (text(0)?, text(1)?) else {
            continue;
        };
        let table = Table { schema, name };
        if !(rights.covers)(&table) {
            continue;
        }
        if let (Some(schema), Some(name)) = (text(2)?, text(3)?) {
            sequences.insert(Table { schema, name });
        }
        tables.insert(table);
    }
    Ok((tables.into_iter().collect(), sequences.into_iter().collect()))
}

/// Takes the login away and terminates every session, for all of them at once. From here on nobody is let in.
///
/// # Errors
/// [`BackendError`] when the server refuses or is away.
pub async fn cut(admin: &Session, names: &[String]) -> Result<(), BackendError> {
    admin.refill();
    let there = existing(admin, names).await?;
    if there.is_empty() {
        return Ok(());
    }
    let script: String = there
        .iter()
        .map(|name| format!("ALTER ROLE {} NOLOGIN;", quoted(name)))
        .collect();
    admin
        .client
        .batch_execute(&script)
        .await
        .map_err(|error| failed(&error))?;
    // A session that was being let in meanwhile shows up a moment later: look until there is none.
    let looking = async {
        loop {
            let row = admin
                .client
                .query_one(
                    "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE usename = ANY($1)",
                    &[&there],
                )
                .await
                .map_err(|error| failed(&error))?;
            let left: i64 = row.try_get(0).map_err(|error| failed(&error))?;
            if left == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(GONE, looking)
        .await
        .map_err(|_| BackendError::Away("a terminated session has not gone yet".to_owned()))?
}

/// Drops what the roles own, and the roles. Those that are gone already are done.
///
/// # Errors
/// [`BackendError`] when the server refuses or is away.
pub async fn remove(admin: &Session, names: &[String]) -> Result<(), BackendError> {
    admin.refill();
    let there = existing(admin, names).await?;
    for some in there.chunks(REMOVED_AT_ONCE) {
        let list = some
            .iter()
            .map(|name| quoted(name))
            .collect::<Vec<_>>()
            .join(", ");
        admin
            .client
            .batch_execute(&format!(
                "{ONE_BY_ONE} DROP OWNED BY {list}; DROP ROLE IF EXISTS {list}"
            ))
            .await
            .map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// The negative probe: which of the names still stand for a role or a session.
///
/// # Errors
/// [`BackendError`] when the server is away: nothing is proved then.
pub async fn prove(admin: &Session, names: &[String]) -> Result<BTreeSet<String>, BackendError> {
    admin.refill();
    let rows = admin
        .client
        .query(
            "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY($1) \
             UNION SELECT usename::text FROM pg_catalog.pg_stat_activity WHERE usename = ANY($1)",
            &[&names],
        )
        .await
        .map_err(|error| failed(&error))?;
    rows.iter()
        .map(|row| row.try_get(0).map_err(|error| failed(&error)))
        .collect()
}

/// Every role whose name starts with `prefix`: what a reconciliation compares with what is known.
///
/// # Errors
/// [`BackendError`] when the server is away.
pub async fn list(admin: &Session, prefix: &str) -> Result<Vec<String>, BackendError> {
    admin.refill();
    let rows = admin
        .client
        .query(
            "SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_catalog.starts_with(rolname, $1) ORDER BY 1",
            &[&prefix],
        )
        .await
        .map_err(|error| failed(&error))?;
    rows.iter()
        .map(|row| row.try_get(0).map_err(|error| failed(&error)))
        .collect()
}

async fn existing(admin: &Session, names: &[String]) -> Result<Vec<String>, BackendError> {
    admin.refill();
    let rows = admin
        .client
        .query(
            "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY($1)",
            &[&names],
        )
        .await
        .map_err(|error| failed(&error))?;
    rows.iter()
        .map(|row| row.try_get(0).map_err(|error| failed(&error)))
        .collect()
}
