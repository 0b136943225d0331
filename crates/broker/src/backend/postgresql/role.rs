//! The life of a role: made with the task's tables and verbs, cut, removed, proved gone. Every step may be repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use postgres_protocol::password::scram_sha_256;
use remit_core::time::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Row;

use super::session::Session;
use super::{BackendError, failed, quoted};
use crate::sql::Table;

/// Sessions one lease may hold at once.
const SESSIONS_MAX: u32 = 4;
/// Roles removed in one statement: each takes locks for everything it owns.
pub const REMOVED_AT_ONCE: usize = 50;
/// How long one role that is removed alone may wait for a lock: others are waiting for the session.
const LOCK_ALONE: &str = "SET LOCAL lock_timeout = '100ms';";
/// How long terminated sessions may take to be gone.
const GONE: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What may be done with the tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verbs {
    /// `SELECT`.
    pub read: bool,
    /// `INSERT`.
    pub insert: bool,
    /// `UPDATE`.
    pub update: bool,
    /// `DELETE`.
    pub delete: bool,
}

impl Verbs {
    fn list(self) -> Vec<&'static str> {
        let mut verbs = Vec::new();
        if self.read {
            verbs.push("SELECT");
        }
        if self.insert {
            verbs.push("INSERT");
        }
        if self.update {
            verbs.push("UPDATE");
        }
        if self.delete {
            verbs.push("DELETE");
        }
        verbs
    }
}

/// What a role gets.
pub struct Rights<'r> {
    /// What may be done with a table; `None` for those that are not the task's.
    pub of: &'r (dyn Fn(&Table) -> Option<Verbs> + Send + Sync),
}

impl std::fmt::Debug for Rights<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rights").finish_non_exhaustive()
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
    // From version 16 on, who makes a role does not hold its rights by itself, and could not end what it owns.
    match admin.execute("SET createrole_self_grant = 'set, inherit'").await {
        Err(away) if admin.is_closed() => return Err(away),
        // An older server does not know it.
        _ => {}
    }
    let (tables, sequences) = covered(admin, rights).await?;
    let role = quoted(name);
    let mut script = format!(
        "{ONE_BY_ONE} CREATE ROLE {role} LOGIN NOINHERIT CONNECTION LIMIT {SESSIONS_MAX} PASSWORD '{verifier}' VALID UNTIL '{until}';"
    );
    let schemas: BTreeSet<&str> = tables.keys().map(|table| table.schema.as_str()).collect();
    for schema in schemas {
        script.push_str(&format!("GRANT USAGE ON SCHEMA {} TO {role};", quoted(schema)));
    }
    for (table, verbs) in &tables {
        let verbs = verbs.list().join(", ");
        if !verbs.is_empty() {
            script.push_str(&format!("GRANT {verbs} ON {} TO {role};", whole(table)));
        }
    }
    for sequence in &sequences {
        script.push_str(&format!("GRANT USAGE ON SEQUENCE {} TO {role};", whole(sequence)));
    }
    admin.execute(&script).await
}

fn whole(table: &Table) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.name))
}

/// Tables and views the rights cover, and the sequences that number the columns of those that rows are added to or changed in.
async fn covered(
    admin: &Session,
    rights: &Rights<'_>,
) -> Result<(BTreeMap<Table, Verbs>, BTreeSet<Table>), BackendError> {
    let rows = admin
        .rows(
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
        .await?;
    let (mut tables, mut sequences) = (BTreeMap::new(), BTreeSet::new());
    for row in rows {
        let text = |at: usize| {
            row.try_get::<_, Option<String>>(at)
                .map_err(|error| failed(&error))
        };
        let (Some(schema), Some(name)) = (text(0)?, text(1)?) else {
            continue;
        };
        let table = Table { schema, name };
        let Some(verbs) = (rights.of)(&table) else {
            continue;
        };
        if (verbs.insert || verbs.update)
            && let (Some(schema), Some(name)) = (text(2)?, text(3)?)
        {
            sequences.insert(Table { schema, name });
        }
        tables.insert(table, verbs);
    }
    Ok((tables, sequences))
}

/// Takes the login away and terminates every session, for all of them at once. From here on nobody is let in.
///
/// Answers the names for which that is not so yet: those are not to be removed, because a session without a role is found by
/// nobody.
///
/// # Errors
/// [`BackendError`] when the server is away.
pub async fn cut(admin: &Session, names: &[String]) -> Result<BTreeSet<String>, BackendError> {
    let there = existing(admin, names).await?;
    if there.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut open = without_login(admin, &there).await?;
    // A session that was being let in meanwhile shows up a moment later: look until there is none.
    let mut living = BTreeSet::new();
    let looking = async {
        loop {
            living = terminated(admin, &there).await?;
            if living.is_empty() {
                return Ok::<_, BackendError>(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let looked = tokio::time::timeout(GONE, looking).await;
    if let Ok(looked) = looked {
        looked?;
    }
    open.append(&mut living);
    Ok(open)
}

/// Answers those whose login could not be taken away.
async fn without_login(admin: &Session, names: &[String]) -> Result<BTreeSet<String>, BackendError> {
    let no_login = |name: &String| format!("ALTER ROLE {} NOLOGIN;", quoted(name));
    let script: String = names.iter().map(no_login).collect();
    let mut open = BTreeSet::new();
    let Err(error) = admin.execute(&script).await else {
        return Ok(open);
    };
    // One of them is in the way of all: each on its own.
    for name in names {
        if admin.is_closed() {
            return Err(error);
        }
        if admin.execute(&no_login(name)).await.is_err() {
            open.insert(name.clone());
        }
    }
    Ok(open)
}

/// Tells the sessions of these roles to end; answers the roles that had any.
async fn terminated(admin: &Session, names: &[String]) -> Result<BTreeSet<String>, BackendError> {
    let rows = admin
        .rows(
            "SELECT usename::text, pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = ANY($1)",
            &[&names],
        )
        .await?;
    texts(&rows)
}

/// Drops what the roles own, and the roles. Those that are gone already are done.
///
/// # Errors
/// [`BackendError`] when the server is away, or not every one could be dropped; the others are.
pub async fn remove(admin: &Session, names: &[String]) -> Result<(), BackendError> {
    let there: Vec<String> = existing(admin, names).await?;
    let mut failed = None;
    for some in there.chunks(REMOVED_AT_ONCE) {
        if drop_roles(admin, some, "").await.is_ok() {
            continue;
        }
        // One of them is in the way of all: each on its own.
        for name in some {
            let dropped = drop_roles(admin, std::slice::from_ref(name), LOCK_ALONE).await;
            if let Err(error) = dropped {
                if admin.is_closed() {
                    return Err(error);
                }
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

async fn drop_roles(admin: &Session, names: &[String], limit: &str) -> Result<(), BackendError> {
    let list = names
        .iter()
        .map(|name| quoted(name))
        .collect::<Vec<_>>()
        .join(", ");
    admin
        .execute(&format!(
            "{limit} {ONE_BY_ONE} DROP OWNED BY {list}; DROP ROLE IF EXISTS {list}"
        ))
        .await
}

/// The negative probe: which of the names still stand for a role or a session.
///
/// # Errors
/// [`BackendError`] when the server is away: nothing is proved then.
pub async fn prove(admin: &Session, names: &[String]) -> Result<BTreeSet<String>, BackendError> {
    let rows = admin
        .rows(
            "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY($1) \
             UNION SELECT usename::text FROM pg_catalog.pg_stat_activity WHERE usename = ANY($1)",
            &[&names],
        )
        .await?;
    texts(&rows)
}

/// Every role whose name starts with `prefix`: what a reconciliation compares with what is known.
///
/// # Errors
/// [`BackendError`] when the server is away.
pub async fn list(admin: &Session, prefix: &str) -> Result<Vec<String>, BackendError> {
    let rows = admin
        .rows(
            "SELECT rolname::text FROM pg_catalog.pg_roles WHERE pg_catalog.starts_with(rolname, $1) ORDER BY 1",
            &[&prefix],
        )
        .await?;
    texts(&rows)
}

async fn existing(admin: &Session, names: &[String]) -> Result<Vec<String>, BackendError> {
    let rows = admin
        .rows(
            "SELECT rolname::text FROM pg_catalog.pg_roles WHERE rolname = ANY($1)",
            &[&names],
        )
        .await?;
    texts(&rows)
}

fn texts<C: FromIterator<String>>(rows: &[Row]) -> Result<C, BackendError> {
    rows.iter()
        .map(|row| row.try_get(0).map_err(|error| failed(&error)))
        .collect()
}
