//! One SQL text on SQLite and PostgreSQL; recording is the serialisation point.
//!
//! [`Store::append`] makes a record and the state it stands for durable together, in groups, on one thread; what a
//! decision relied on is checked there, in the order of the log. [`Store::read`] gives readers an unchanging view.
//! Each aggregate has a file of typed functions over [`Conn`] (reading) and [`Tx`] (writing). Rows that grant are
//! authenticated and tied to the ledger: see `rows.rs`.

mod append;
pub mod codec;
mod error;
mod head;
mod lock;
mod look;
mod migrate;
mod open;
mod readers;
mod row_key;
mod rows;
mod sql;
mod store;
mod stored;
mod tables;
mod wal;

pub mod agents;
pub mod approvals;
pub mod bodies;
pub mod budgets;
pub mod calls;
pub mod enrolments;
pub mod familiar;
pub mod findings;
pub mod freezes;
pub mod grants;
pub mod handles;
pub mod humans;
pub mod integrity;
pub mod labels;
pub mod leases;
pub mod logins;
pub mod observations;
pub mod policies;
pub mod records;
pub mod repeats;
pub mod results;
pub mod runs;
pub mod secrets;
pub mod seniority;
pub mod servers;
pub mod subjects;
pub mod tasks;
pub mod tools;
pub mod tree;

pub use append::{AppendError, ApplyError, Epoch, Epochs, Receipt, Refused, TreeHead, Tx};
pub use error::StoreError;
pub use head::epochs;
pub use look::look;
pub use open::{Location, OpenError, Options};
pub use row_key::RowKey;
pub use sql::{Conn, DbError, DbErrorKind, Row, Value};
pub use store::Store;
pub use stored::Stored;
