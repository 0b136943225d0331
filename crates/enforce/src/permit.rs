//! Permits: proof, as a value, that something was decided and durably recorded.

use remit_core::id::{DecisionId, TaskId};
use remit_core::name::Name;
use remit_core::time::BootTime;

use crate::lifeline::Lifeline;

/// What was decided and recorded, carried beside what it allows.
#[derive(Clone, Debug)]
pub struct Permit {
    /// The decision; none for acts of the system itself.
    pub(crate) decision: Option<DecisionId>,
    /// Place of its record in the ledger.
    pub(crate) seq: u64,
    /// Not to be used from this moment on.
    pub(crate) deadline: BootTime,
    /// Goes when the authority goes.
    pub(crate) lifeline: Lifeline,
}

impl Permit {
    /// The decision this permit comes from; `None` for acts of the system itself.
    #[must_use]
    pub const fn decision(&self) -> Option<DecisionId> {
        self.decision
    }

    /// Place of its durable record in the ledger.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Not to be used from this moment on.
    #[must_use]
    pub const fn deadline(&self) -> BootTime {
        self.deadline
    }

    /// Goes when the authority goes.
    #[must_use]
    pub const fn lifeline(&self) -> &Lifeline {
        &self.lifeline
    }

    /// True while it may still be used; asked directly before sending.
    #[must_use]
    pub fn is_fresh(&self, now: BootTime) -> bool {
        now < self.deadline && self.lifeline.state().is_none()
    }
}

/// Something an upstream may be asked, because it was decided and durably recorded.
///
/// There is no public constructor, no `From`, no `Default`: only [`crate::Mint`] makes one.
#[derive(Debug)]
pub struct Permitted<T> {
    pub(crate) inner: T,
    pub(crate) permit: Permit,
}

impl<T> Permitted<T> {
    /// What is permitted.
    #[must_use]
    pub const fn get(&self) -> &T {
        &self.inner
    }

    /// The permit.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Takes it apart to use it: by value, so once.
    #[must_use]
    pub fn into_parts(self) -> (T, Permit) {
        (self.inner, self.permit)
    }
}

/// What the system itself does towards an upstream, outside any agent's call. Each is recorded like a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Start or connect to the server and agree on a protocol revision.
    Connect,
    /// Read its tools, prompts, resources and templates for the registry.
    Introspect,
    /// Ask an address beside it once, outside MCP: metadata, key sets, token endpoints. Its record names the address.
    Fetch {
        /// Scheme, host and port of the address, `https://host` or `https://host:port`.
        origin: String,
    },
    /// Open one byte stream to a system that speaks no HTTP. Its record names the target.
    Dial {
        /// The target as it is written: `unix:/path`, `tcp:host:port`.
        target: String,
    },
}

/// One act of the system on one server, for one task (servers that are not shareable) or for the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// What is done.
    pub act: Act,
    /// To which server.
    pub server: Name,
    /// For which task; `None` for the registry and for shareable servers.
    pub task: Option<TaskId>,
}

impl System {
    /// The origin that may be asked, of a [`Act::Fetch`]: `https://host` or `https://host:port`.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        match &self.act {
            Act::Fetch { origin } => Some(origin),
            Act::Connect | Act::Introspect | Act::Dial { .. } => None,
        }
    }

    /// The target that may be dialled, of a [`Act::Dial`].
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match &self.act {
            Act::Dial { target } => Some(target),
            Act::Connect | Act::Introspect | Act::Fetch { .. } => None,
        }
    }
}
