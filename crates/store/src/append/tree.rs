//! The tree behind the commit: leaf hashes are kept in memory and written into pages of 256 stored hashes, many at
//! a time, never on the way of a decision.

use remit_ledger::Hash;
use remit_ledger::tree::{Frontier, stored_hash_count};

use crate::error::StoreError;
use crate::sql::Conn;
use crate::tree::{PAGE, read_page, write_page};

/// Size and root of the tree at one moment: what a checkpoint signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHead {
    /// Records in the tree.
    pub size: u64,
    /// Root over them (RFC 6962 section 2.1).
    pub root: Hash,
}

/// The growing edge of the tree and what has not reached it yet.
#[derive(Clone)]
pub(crate) struct Sequencer {
    frontier: Frontier,
    /// Leaf hashes of durable records behind the frontier.
    waiting: Vec<Hash>,
    /// The last page, as far as it is filled.
    page: Vec<u8>,
}

impl Sequencer {
    /// Finds the edge again and reads the leaves that did not get into the tree before the last stop.
    pub(crate) fn restore(conn: &mut Conn, size: i64) -> Result<Self, StoreError> {
        let (frontier, page) = crate::tree::restore(conn)?;
        let mut sequencer = Self {
            frontier,
            waiting: Vec::new(),
            page,
        };
        let from = i64::try_from(sequencer.frontier.size()).unwrap_or(i64::MAX);
        if from > size {
            return Err(tampered("it holds more records than the ledger"));
        }
        let mut at = from;
        while at < size {
            let rows = conn.query(
                "SELECT seq, leaf FROM records WHERE seq >= $1 ORDER BY seq LIMIT 1000",
                &[at.into()],
            )?;
            for row in &rows {
                if row.int(0)? != at {
                    break;
                }
                sequencer.waiting.push(remit_ledger::leaf_hash(row.bytes(1)?));
                at += 1;
            }
            if rows.is_empty() || (at < size && rows.len() < 1000) {
                return Err(StoreError::Tampered {
                    table: "records",
                    key: at.to_string(),
                    why: "the record is missing",
                });
            }
        }
        Ok(sequencer)
    }

    pub(crate) fn push(&mut self, leaf: Hash) {
        self.waiting.push(leaf);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn head(&self) -> TreeHead {
        TreeHead {
            size: self.frontier.size(),
            root: self.frontier.root(),
        }
    }

    /// Writes everything that waits into the tree, inside the caller's transaction. On an error the caller drops
    /// this value and restores another.
    pub(crate) fn write(&mut self, conn: &mut Conn) -> Result<(), StoreError> {
        let first = stored_hash_count(self.frontier.size());
        let leaves = std::mem::take(&mut self.waiting);
        let batch = self
            .frontier
            .extend(leaves)
            .map_err(|error| StoreError::Unavailable(format!("the tree cannot grow: {error}")))?;
        let mut page = first / PAGE;
        for hash in &batch.hashes {
            self.page.extend_from_slice(hash.as_bytes());
            if self.page.len() == crate::tree::PAGE_BYTES {
                write_page(conn, page, &self.page)?;
                self.page.clear();
                page += 1;
            }
        }
        if !self.page.is_empty() {
            write_page(conn, page, &self.page)?;
        }
        Ok(())
    }

    /// The filled part of the last page, read back.
    pub(crate) fn last_page(conn: &mut Conn, count: u64) -> Result<Vec<u8>, StoreError> {
        if count.is_multiple_of(PAGE) {
            Ok(Vec::new())
        } else {
            read_page(conn, count / PAGE)
        }
    }
}

fn tampered(why: &'static str) -> StoreError {
    StoreError::Tampered {
        table: "tree",
        key: "*".to_owned(),
        why,
    }
}
