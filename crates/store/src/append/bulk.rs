//! Many rows in few statements: records and their keys are inserted together at the end of a group.

use crate::sql::{Conn, DbError, Value};

/// Rows per statement, largest first.
const CHUNKS: [usize; 3] = [64, 8, 1];

/// One insert, prepared for each chunk size.
pub(crate) struct BulkInsert {
    width: usize,
    texts: [String; CHUNKS.len()],
}

impl BulkInsert {
    pub(crate) fn new(table: &str, columns: &[&str]) -> Self {
        let width = columns.len();
        let text = |rows: usize| {
            let tuple = |row: usize| {
                let holes: Vec<String> = (1..=width).map(|n| format!("${}", row * width + n)).collect();
                format!("({})", holes.join(", "))
            };
            let tuples: Vec<String> = (0..rows).map(tuple).collect();
            format!(
                "INSERT INTO {table} ({}) VALUES {}",
                columns.join(", "),
                tuples.join(", ")
            )
        };
        Self {
            width,
            texts: CHUNKS.map(text),
        }
    }

    /// Inserts all rows; `values` holds them one after the other.
    pub(crate) fn run(&self, conn: &mut Conn, values: &[Value<'_>]) -> Result<(), DbError> {
        let mut rest = values;
        for (rows, text) in CHUNKS.into_iter().zip(&self.texts) {
            while let Some((now, later)) = rest
                .split_at_checked(rows * self.width)
                .filter(|(now, _)| !now.is_empty())
            {
                conn.execute(text, now)?;
                rest = later;
            }
        }
        Ok(())
    }
}
