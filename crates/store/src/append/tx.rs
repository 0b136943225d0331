//! A transaction as `apply` sees it: what will be recorded, what is expected, what is written.

use std::fmt;
use std::ops::{Deref, DerefMut};

use remit_core::id::TaskId;
use remit_core::time::Timestamp;

use super::{ApplyError, Cache, Refused};
use crate::head::Head;
use crate::row_key::Sum;
use crate::sql::{Conn, DbError, Value};

/// What makes earlier decisions stale when it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// Policies in force.
    Policy,
    /// Servers, tools, agents, humans, freezes.
    Registry,
    /// Kill switch.
    Kill,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Registry => "registry",
            Self::Kill => "kill",
        })
    }
}

/// All epochs at one moment; each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// Policies in force.
    pub policy: i64,
    /// Servers, tools, agents, humans, freezes.
    pub registry: i64,
    /// Kill switch.
    pub kill: i64,
}

/// The transaction of one append. It reads like a [`Conn`]; writing goes through the aggregates.
///
/// Check every expectation before the first write: a refusal before it costs nothing, one after it makes the rest
/// of the group run again. `apply` may run more than once and must do the same each time.
pub struct Tx<'a> {
    conn: &'a mut Conn,
    head: &'a mut Head,
    cache: &'a mut Cache,
    seq: i64,
    time: i64,
    wrote: bool,
}

impl<'a> Tx<'a> {
    pub(super) const fn new(
        conn: &'a mut Conn,
        head: &'a mut Head,
        cache: &'a mut Cache,
        seq: i64,
        time: i64,
    ) -> Self {
        Self {
            conn,
            head,
            cache,
            seq,
            time,
            wrote: false,
        }
    }

    /// Sequence number the record will have.
    #[must_use]
    pub const fn seq(&self) -> i64 {
        self.seq
    }

    /// Time the record will have: never before the record in front of it.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        Timestamp(self.time)
    }

    /// The epochs as they stand.
    #[must_use]
    pub const fn epochs(&self) -> Epochs {
        self.head.epochs
    }

    /// Refuses when policy, registry or kill switch moved since the decision was made.
    ///
    /// # Errors
    /// [`Refused::StaleEpoch`].
    pub fn expect_epochs(&self, expected: Epochs) -> Result<(), Refused> {
        let found = self.head.epochs;
        for (epoch, expected, found) in [
            (Epoch::Policy, expected.policy, found.policy),
            (Epoch::Registry, expected.registry, found.registry),
            (Epoch::Kill, expected.kill, found.kill),
        ] {
            if expected != found {
                return Err(Refused::StaleEpoch {
                    epoch,
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }

    /// Makes every decision made before this record stale.
    pub const fn bump(&mut self, epoch: Epoch) {
        let epochs = &mut self.head.epochs;
        match epoch {
            Epoch::Policy => epochs.policy += 1,
            Epoch::Registry => epochs.registry += 1,
            Epoch::Kill => epochs.kill += 1,
        }
        self.wrote = true;
    }

    /// Refuses when the task is not open or is not the version the decision was made with.
    ///
    /// # Errors
    /// [`Refused::NotOpen`], [`Refused::StaleTask`], [`Refused::NotFound`].
    pub fn expect_task(&mut self, task: TaskId, version: i64) -> Result<(), ApplyError> {
        let facts = crate::tasks::facts(self, task)?;
        if facts.state != remit_core::task::TaskState::Open {
            return Err(Refused::NotOpen {
                task,
                state: facts.state,
            }
            .into());
        }
        if facts.version != version {
            return Err(Refused::StaleTask {
                task,
                expected: version,
                found: facts.version,
            }
            .into());
        }
        Ok(())
    }

    pub(crate) fn execute(&mut self, sql: &str, params: &[Value<'_>]) -> Result<u64, DbError> {
        let changed = self.conn.execute(sql, params)?;
        self.wrote |= changed > 0;
        Ok(changed)
    }

    pub(crate) const fn sum(&mut self, slot: usize) -> &mut Sum {
        #[expect(
            clippy::indexing_slicing,
            reason = "slots are constants below the length, see tables.rs"
        )]
        &mut self.head.sums[slot]
    }

    pub(crate) const fn cache(&mut self) -> &mut Cache {
        self.cache
    }

    pub(super) const fn wrote(&self) -> bool {
        self.wrote
    }
}

impl Deref for Tx<'_> {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        self.conn
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Conn {
        self.conn
    }
}
