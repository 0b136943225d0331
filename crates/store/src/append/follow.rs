//! What follows behind the commit: the tree, and the index of what records are about.
//!
//! Both are written many records at a time, never on the way of one decision: the tree page by page, the index key
//! by key in order, for each key alone would touch a page of the disk. Until then readers look at the last records
//! themselves, and a restart reads them again.

use remit_ledger::record::Record;
use remit_ledger::tree::{Frontier, stored_hash_count};
use remit_ledger::{Hash, leaf_hash};

use super::bulk::BulkInsert;
use crate::error::StoreError;
use crate::records;
use crate::sql::{Conn, Value};
use crate::tree::{PAGE, PAGE_BYTES, read_page, write_page};

/// Size and root of the tree at one moment: what a checkpoint signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Records in the tree.
    pub size: u64,
    /// Root over them (RFC 6962 section 2.1).
    pub root: Hash,
}

/// What tree and index need of a record.
pub(crate) struct Waiting {
    pub leaf: Hash,
    /// What the record can be found by.
    pub keys: Vec<String>,
}

impl Waiting {
    fn of(record: &Record, leaf: Hash) -> Self {
        let mut keys = Vec::with_capacity(6);
        records::keys(record, |key| keys.push(key));
        Self { leaf, keys }
    }
}

/// How far tree and index are, and the records behind them.
pub(crate) struct Follower {
    edge: Edge,
    waiting: Vec<Waiting>,
    index: BulkInsert,
}

/// The growing edge of the tree.
pub(crate) struct Edge {
    frontier: Frontier,
    /// The filled part of the last page.
    page: Vec<u8>,
}

impl Follower {
    /// Finds the edge again and reads the records that did not get there before the last stop.
    pub(crate) fn restore(conn: &mut Conn, size: i64) -> Result<Self, StoreError> {
        let (frontier, count) = crate::tree::restore(conn)?;
        let page = if count.is_multiple_of(PAGE) {
            Vec::new()
        } else {
            read_page(conn, count / PAGE)?
        };
        let mut next = frontier.size();
        let size = size.unsigned_abs();
        if next > size {
            let (table, why) = ("tree", "it holds more records than the ledger");
            return Err(StoreError::Tampered {
                table,
                key: "*".to_owned(),
                why,
            });
        }
        let mut waiting = Vec::new();
        while next < size {
            let some = records::range(conn, next, 1000)?;
            for stored in &some {
                if stored.seq != next {
                    break;
                }
                waiting.push(Waiting::of(&stored.decode()?, leaf_hash(&stored.leaf)));
                next += 1;
            }
            if some.last().is_none_or(|last| last.seq + 1 != next) {
                let (table, why) = ("records", "the record is missing");
                return Err(StoreError::Tampered {
                    table,
                    key: next.to_string(),
                    why,
                });
            }
        }
        let index = BulkInsert::new("record_keys", &["key", "seq"]);
        Ok(Self {
            edge: Edge { frontier, page },
            waiting,
            index,
        })
    }

    /// Takes a record that is durable.
    pub(crate) fn push(&mut self, record: Waiting) {
        self.waiting.push(record);
    }

    pub(crate) const fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn head(&self) -> TreeHead {
        TreeHead {
            size: self.edge.frontier.size(),
            root: self.edge.frontier.root(),
        }
    }

    /// Writes everything that waits, inside the caller's transaction; give the answer to [`Self::advance`] after
    /// the commit.
    pub(crate) fn write(&self, conn: &mut Conn) -> Result<Edge, StoreError> {
        let mut frontier = self.edge.frontier.clone();
        let from = frontier.size();
        let mut number = stored_hash_count(from) / PAGE;
        let mut page = self.edge.page.clone();
        let batch = frontier
            .extend(self.waiting.iter().map(|record| record.leaf))
            .map_err(|error| StoreError::Unavailable(format!("the tree cannot grow: {error}")))?;
        for hash in &batch.hashes {
            page.extend_from_slice(hash.as_bytes());
            if page.len() == PAGE_BYTES {
                write_page(conn, number, &page)?;
                page.clear();
                number += 1;
            }
        }
        if !page.is_empty() {
            write_page(conn, number, &page)?;
        }
        let keys = self.waiting.iter().zip(from..);
        let mut keys: Vec<(&str, u64)> = keys
            .flat_map(|(record, seq)| record.keys.iter().map(move |key| (key.as_str(), seq)))
            .collect();
        keys.sort_unstable();
        let seq = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        let values: Vec<Value<'_>> = keys
            .iter()
            .flat_map(|&(key, at)| [key.into(), seq(at).into()])
            .collect();
        self.index.run(conn, &values)?;
        Ok(Edge { frontier, page })
    }

    /// What waited is in the tree now.
    pub(crate) fn advance(&mut self, edge: Edge) {
        self.edge = edge;
        self.waiting.clear();
    }
}
