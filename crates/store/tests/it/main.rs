//! Contract tests of the store: every body runs on SQLite and on a real PostgreSQL.

mod appending;
mod bed;
mod make;
mod postgres_bed;
