//! The waist: one SQL text, two drivers. Everything above this folder is plain synchronous Rust over [`Conn`].

mod conn;
mod ddl;
mod error;
#[cfg(test)]
pub(crate) mod faults;
mod postgres;
mod sqlite;
mod value;

pub use conn::Conn;
pub(crate) use conn::{Driver, Snapshot};
pub(crate) use ddl::for_sqlite;
pub use error::{DbError, DbErrorKind};
pub(crate) use postgres::{APPLICATION_LOCK, Postgres};
pub(crate) use sqlite::{APPLICATION_ID, PAGE_BYTES, Sqlite};
pub use value::{Row, Value};
