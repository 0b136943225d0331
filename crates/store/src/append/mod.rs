//! The appender: one thread writes; a record and the state it stands for become durable in one transaction, in
//! groups. Recording is the serialisation point: whoever must not be overtaken checks its expectation here.

mod bulk;
mod cache;
#[cfg(test)]
mod faults;
mod follow;
mod group;
mod queue;
mod receipt;
mod refused;
mod tx;
mod writer;

pub(crate) use cache::{Cache, Counter, TaskFacts};
pub use follow::TreeHead;
pub(crate) use follow::{Follower, Waiting};
pub(crate) use queue::{Appended, Chore, Done, Lane, Queue};
pub use receipt::Receipt;
pub use refused::{AppendError, ApplyError, Refused};
pub use tx::{Epoch, Epochs, Tx};
pub(crate) use writer::Writer;
