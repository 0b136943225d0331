//! The head: where the ledger stands, the epochs, and the sums over the tables that grant. One authenticated row.

use crate::append::Epochs;
use crate::error::StoreError;
use crate::row_key::{RowKey, Sum, same};
use crate::sql::{Conn, Row, Value};

/// Sums kept in the head; each table's place is fixed for ever.
pub(crate) const SUMS: usize = 64;

/// The head as the writer holds it; the row is its copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// Records so far, which is the sequence number of the next one.
    pub size: i64,
    /// Time of the last record, milliseconds since the Unix epoch.
    pub time: i64,
    pub epochs: Epochs,
    pub sums: [Sum; SUMS],
}

const COLUMNS: &str = "size, time, policy_epoch, registry_epoch, kill_epoch, sums";

impl Head {
    pub(crate) fn empty() -> Self {
        Self {
            size: 0,
            time: 0,
            epochs: Epochs::default(),
            sums: [Sum::default(); SUMS],
        }
    }

    fn values(&self, key: &RowKey) -> Vec<Value<'static>> {
        let sums: Vec<u8> = self.sums.iter().flat_map(|sum| sum.to_bytes()).collect();
        let sums = masked(sums, key, self.size);
        vec![
            self.size.into(),
            self.time.into(),
            self.epochs.policy.into(),
            self.epochs.registry.into(),
            self.epochs.kill.into(),
            sums.into(),
        ]
    }

    fn mac(&self, key: &RowKey) -> [u8; 32] {
        key.mac("head", &self.values(key))
    }

    /// The head as stored; `None` in a database without records.
    pub(crate) fn load(conn: &mut Conn) -> Result<Option<Self>, StoreError> {
        let Some(row) = conn.query_opt(&format!("SELECT {COLUMNS}, mac FROM head WHERE id = 1"), &[])? else {
            return Ok(None);
        };
        let head = Self::read(&row, conn.key())?;
        if same(&head.mac(conn.key()), row.bytes(6)?) {
            Ok(Some(head))
        } else {
            Err(tampered("its content was not written by us"))
        }
    }

    fn read(row: &Row, key: &RowKey) -> Result<Self, StoreError> {
        let mut sums = [Sum::default(); SUMS];
        let stored = masked(row.bytes(5)?.to_vec(), key, row.int(0)?);
        for (sum, bytes) in sums.iter_mut().zip(stored.chunks_exact(32)) {
            *sum = Sum::from_bytes(bytes);
        }
        Ok(Self {
            size: row.int(0)?,
            time: row.int(1)?,
            epochs: Epochs {
                policy: row.int(2)?,
                registry: row.int(3)?,
                kill: row.int(4)?,
            },
            sums,
        })
    }

    pub(crate) fn insert(&self, conn: &mut Conn) -> Result<(), StoreError> {
        let mut params = self.values(conn.key());
        params.push(self.mac(conn.key()).to_vec().into());
        conn.execute(
            &format!("INSERT INTO head (id, {COLUMNS}, mac) VALUES (1, $1, $2, $3, $4, $5, $6, $7)"),
            &params,
        )?;
        Ok(())
    }

    /// Replaces `before`, and nothing else: a head moved by somebody else stops us.
    pub(crate) fn advance(&self, conn: &mut Conn, before: &Self) -> Result<(), StoreError> {
        let mut params = self.values(conn.key());
        params.push(self.mac(conn.key()).to_vec().into());
        params.push(before.size.into());
        params.push(before.mac(conn.key()).to_vec().into());
        let moved = conn.execute(
            "UPDATE head SET size = $1, time = $2, policy_epoch = $3, registry_epoch = $4, kill_epoch = $5, sums = $6, \
             mac = $7 WHERE id = 1 AND size = $8 AND mac = $9",
            &params,
        )?;
        if moved == 1 {
            Ok(())
        } else {
            Err(tampered("somebody else moved it"))
        }
    }
}

/// Hides the sums, or shows them again: who could watch them change would learn each row's part in them, and could
/// look for other rows with the same sum.
fn masked(mut sums: Vec<u8>, key: &RowKey, size: i64) -> Vec<u8> {
    for (slot, part) in (0_i64..).zip(sums.chunks_mut(32)) {
        let mask = key.mac("sum mask", &[size.into(), slot.into()]);
        part.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
    sums
}

fn tampered(why: &'static str) -> StoreError {
    StoreError::Tampered {
        table: "head",
        key: "1".to_owned(),
        why,
    }
}

impl Head {
    /// The sum of one table; slots are constants, see `tables.rs`.
    pub(crate) fn sum(&self, slot: usize) -> Sum {
        self.sums.get(slot).copied().unwrap_or_default()
    }
}

/// The epochs as they stand: what a snapshot of people, registry and policy is read under.
///
/// # Errors
/// [`StoreError::Tampered`] when the head is not ours.
pub fn epochs(conn: &mut Conn) -> Result<Epochs, StoreError> {
    Ok(Head::load(conn)?.map_or_else(Epochs::default, |head| head.epochs))
}
