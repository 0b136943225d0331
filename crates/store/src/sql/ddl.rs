//! Three words in which the two databases differ, all of them in table definitions.

/// The PostgreSQL text of a migration as SQLite wants it.
///
/// `BIGINT` → `INTEGER`, `BYTEA` → `BLOB`, `COLLATE "C"` goes (SQLite compares bytes already); the comments
/// `/*strict*/` and `/*clustered*/` after a table become its options.
pub(crate) fn for_sqlite(ddl: &str) -> String {
    ddl.replace("BIGINT", "INTEGER")
        .replace("BYTEA", "BLOB")
        .replace(" COLLATE \"C\"", "")
        .replace("/*strict*/", "STRICT")
        .replace("/*clustered*/", "STRICT, WITHOUT ROWID")
}
