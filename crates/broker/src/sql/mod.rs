//! What a statement means: one statement, its class, the tables it names. What cannot be understood is not let through.
//!
//! The text that is sent is written anew from what was understood, so comments, odd spacing and anything the parser
//! skipped never reach the database; tables stand there with their schema, quoted. PostgreSQL is then asked to take it as
//! exactly one statement.

mod attributes;
mod functions;
mod inspect;
mod scope;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeSet;

use remit_core::name::Name;
use remit_core::resource::Resource;
use remit_core::tool::ToolClass;
use remit_core::verb::Verb;

pub use inspect::inspect;

/// Longest statement taken, in bytes.
pub const STATEMENT_BYTES_MAX: usize = 32 * 1024;

/// A table as the database names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table {
    /// Schema.
    pub schema: String,
    /// Table or view.
    pub name: String,
}

impl Table {
    /// The table as a resource: `NAME:schema/table`.
    ///
    /// # Errors
    /// [`NotInspectable`] when a name cannot be written as a resource.
    pub fn resource(&self, database: &Name) -> Result<Resource, NotInspectable> {
        if self.schema.contains('/') || self.name.contains('/') {
            return Err(NotInspectable::new(
                "a name with `/` in it cannot be told from a path: give the table another name",
            ));
        }
        Resource::new(database.clone(), &format!("{}/{}", self.schema, self.name))
            .map_err(|error| NotInspectable(error.to_string()))
    }
}

/// A statement that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What it does to the world.
    pub class: ToolClass,
    /// Its verb, for people: `select`, `insert`, …
    pub verb: &'static str,
    /// Every table it names, sorted; empty when it names none.
    pub tables: Vec<Table>,
    /// What is done with each of them; empty where it is about the database as a whole.
    pub uses: BTreeSet<(Table, Verb)>,
    /// It is about the database as a whole: definitions and rights.
    pub whole: bool,
    /// It changes something and reads rows that were there before: it needs the right to read, too.
    pub reads_too: bool,
    /// Names in it that are functions called on a row, where no column is called so; sorted.
    pub attributes: Vec<String>,
    /// The statement as it is sent.
    pub text: String,
}

impl Inspection {
    /// The resources it touches: `NAME:schema/table`, or the whole database.
    ///
    /// # Errors
    /// [`NotInspectable`] when a name cannot be written as a resource.
    pub fn resources(&self, database: &Name) -> Result<Vec<Resource>, NotInspectable> {
        let bad = |error: remit_core::resource::BadResource| NotInspectable(error.to_string());
        if self.whole {
            return Ok(vec![Resource::new(database.clone(), "").map_err(bad)?]);
        }
        self.tables.iter().map(|table| table.resource(database)).collect()
    }
}

/// A statement that is not let through, with what to do instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotInspectable(pub String);

impl NotInspectable {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}
