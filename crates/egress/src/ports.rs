//! What the proxy needs from the rest of the house. It never sees the store, policy, secrets or a connection.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use remit_core::confinement::Proof;
use remit_core::decision::Decision;
use remit_core::id::{ApprovalId, RunId, TaskId};
use remit_core::name::Name;
use tokio::sync::mpsc;

use crate::authority::Authority;
use crate::ca::RunCa;
use crate::describe::System;
use crate::refusal::Refusal;
use crate::request::carried::Carried;
use crate::request::{Head, Reading};
use crate::spool::Spooled;

/// A live run with its task, as far as the proxy may know it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Task.
    pub task: TaskId,
    /// Run.
    pub run: RunId,
    /// How this request proved that it comes from the run.
    pub proof: Proof,
    /// What the engine keeps behind it.
    pub handle: Arc<dyn Any + Send + Sync>,
}

/// Why a request did not get a session.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthFailure {
    /// No token.
    #[error(
        "no token: start the command with `remit run`, or open a task and use `run:TOKEN@` in the proxy's address"
    )]
    Missing,
    /// A token we do not know.
    #[error("this token is not known here")]
    Unknown,
    /// The task behind it ended.
    #[error("the task of this token has ended ({0}); open a new task")]
    TaskEnded(String),
    /// A server asks, and no call it could be for is under way: a sentence.
    #[error("{0}")]
    Uncaused(String),
    /// No verdict could be reached.
    #[error("the token could not be checked: {0}")]
    Unavailable(String),
}

/// One request, read once; everything the upstream will see is in here.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its system.
    pub system: Arc<System>,
    /// Its head in normal form.
    pub head: Head,
    /// The operation and its arguments.
    pub reading: Reading,
    /// Credentials it carries; in no record.
    pub carried: Vec<Carried>,
    /// Its body.
    pub body: Spooled,
}

/// One request that is refused by what it is; it is recorded like any other.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The system, where there is one.
    pub system: Option<Name>,
    /// Where it would have gone, as far as it could be read.
    pub authority: Option<Authority>,
    /// Its first line, shortened.
    pub request: String,
    /// Why.
    pub refusal: Refusal,
}

/// What comes back.
#[derive(Debug)]
pub enum Answer {
    /// The upstream's response.
    Response(Response),
    /// Denied, held and still pending, or unavailable.
    Refused(Box<Decision>),
    /// It was allowed and sent, and no usable answer came: a sentence, and whether it surely did not happen.
    Failed {
        /// What went wrong.
        sentence: String,
        /// True when nothing can have happened.
        certain: bool,
    },
}

/// A response that streams: the last bytes come when the outcome is recorded.
#[derive(Debug)]
pub struct Response {
    /// Status.
    pub status: u16,
    /// Headers that are passed on.
    pub headers: Vec<(String, String)>,
    /// Length, where it is known and will hold.
    pub length: Option<u64>,
    /// The body; an error means it was cut off.
    pub body: mpsc::Receiver<Result<Bytes, Broken>>,
}

/// A body that was cut off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response was cut off: {0}")]
pub struct Broken(pub String);

/// What the proxy asks of the engine.
pub trait Engine: Send + Sync + 'static {
    /// Who is asking. Checked live on every request.
    fn authenticate(&self, token: Option<&str>) -> impl Future<Output = Result<Session, AuthFailure>> + Send;

    /// The system at a host.
    fn system_at(&self, authority: &Authority) -> Option<Arc<System>>;

    /// The system of a name.
    fn system(&self, name: &Name) -> Option<Arc<System>>;

    /// Why a session may use nothing of a system at all; none when it may use something. Asked before a tunnel is answered.
    fn barred(&self, session: &Session, system: &System) -> Option<Refusal>;

    /// The authority whose certificates this run trusts, for the hosts it may reach now.
    ///
    /// # Errors
    /// A sentence, when it cannot be made.
    fn authority_of(&self, session: &Session) -> Result<Arc<RunCa>, String>;

    /// Decides, records, sends, records the outcome, answers. Runs on when the returned future is dropped.
    fn call(&self, session: &Session, asked: Asked) -> impl Future<Output = Answer> + Send;

    /// Redeems an approval by reference. Waits like a held call does.
    fn resume(&self, session: &Session, approval: ApprovalId) -> impl Future<Output = Answer> + Send;

    /// Records a refusal and says how it is put to the agent.
    fn refuse(&self, session: &Session, refused: Refused) -> impl Future<Output = Box<Decision>> + Send;

    /// Resolves when the authority behind the session is gone: connections must be cut.
    fn gone(&self, session: &Session) -> impl Future<Output = ()> + Send;
}
