//! What the gateway needs from the rest of the house. It never sees the store, keys, Cedar or a connection.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::authority::ClientFeature;
use remit_core::call::Operation;
use remit_core::confinement::Proof;
use remit_core::decision::Decision;
use remit_core::id::{ApprovalId, RunId, TaskId};
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use tokio::sync::{mpsc, oneshot};

/// The MCP revision a message leg speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// 2025-11-25 and earlier: `initialize`, sessions, server→client requests.
    Legacy,
    /// 2026-07-28: stateless, `_meta` per request, multi-round-trip requests.
    Modern,
}

/// What came with a request to say who is asking.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The access token, without its scheme.
    pub token: Option<String>,
    /// The scheme it came under.
    pub scheme: Scheme,
    /// The `DPoP` header, where there was exactly one (RFC 9449, 4.1).
    pub dpop: Option<String>,
    /// The request's method.
    pub method: String,
    /// The address that was asked, without its query: scheme, `Host` and path.
    pub url: String,
    /// The connection it came over.
    pub connection: Arc<Connection>,
}

/// The authentication scheme of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Bearer` (RFC 6750).
    Bearer,
    /// `DPoP` (RFC 9449, 7.1).
    Dpop,
}

/// A process as the kernel named it when it connected to a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProcess {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot: tells a reused id apart.
    pub start_time: u64,
    /// User id.
    pub uid: u32,
}

/// One connection, as its listener knows it. What the engine finds out about it is found out once.
#[derive(Debug, Default)]
pub struct Connection {
    /// The other end, of a TCP connection.
    pub remote: Option<SocketAddr>,
    /// Our end, of a TCP connection.
    pub local: Option<SocketAddr>,
    /// The process at the other end, of a Unix socket.
    pub peer: Option<PeerProcess>,
    /// It came over a Unix socket.
    pub unix: bool,
    /// It came over TLS.
    pub tls: bool,
    /// The client's certificates as the handshake verified possession of the first, DER, leaf first; empty without TLS
    /// client authentication (RFC 8705).
    pub certificates: Vec<Vec<u8>>,
    proved: Mutex<Vec<(RunId, Option<Proof>)>>,
}

impl Connection {
    /// A connection over TCP.
    #[must_use]
    pub fn tcp(local: Option<SocketAddr>, remote: Option<SocketAddr>) -> Self {
        Self {
            local,
            remote,
            ..Self::default()
        }
    }

    /// A TLS connection with what the client showed.
    #[must_use]
    pub fn tls(local: Option<SocketAddr>, remote: Option<SocketAddr>, certificates: Vec<Vec<u8>>) -> Self {
        Self {
            tls: true,
            certificates,
            ..Self::tcp(local, remote)
        }
    }

    /// A connection over a Unix socket, by the process the kernel named.
    #[must_use]
    pub fn unix(peer: Option<PeerProcess>) -> Self {
        Self {
            peer,
            unix: true,
            ..Self::default()
        }
    }

    /// What was found about this connection and a run: the proof, or `Some(None)` when it is not the run's.
    #[must_use]
    pub fn proved(&self, run: RunId) -> Option<Option<Proof>> {
        let proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        proved.iter().find(|(of, _)| *of == run).map(|(_, proof)| *proof)
    }

    /// Keeps what was found.
    pub fn prove(&self, run: RunId, proof: Option<Proof>) {
        let mut proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        proved.retain(|(of, _)| *of != run);
        // Whoever shows more runs than this on one connection is looked at anew each time.
        proved.truncate(15);
        proved.insert(0, (run, proof));
    }
}

/// A live run with its task, as far as the gateway may know it.
#[derive(Clone, Debug)]
pub struct Session {
    /// Task.
    pub task: TaskId,
    /// Run.
    pub run: RunId,
    /// Agent.
    pub agent: Name,
    /// How this request proved that it comes from the run.
    pub proof: Proof,
    /// What the engine keeps behind it.
    pub handle: Arc<dyn std::any::Any + Send + Sync>,
}

/// Why a request did not get a session. Maps to HTTP 401.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuthFailure {
    /// No token.
    #[error("no token: open a task (`remit task open`) and send its token as `Authorization: Bearer …`")]
    Missing,
    /// A person's session or ID token: it says who they are, and never acts as an agent.
    #[error(
        "this is a person's own credential, or a token made for somebody else: it does not act as an agent; open a task and send its token"
    )]
    HumanCredential,
    /// A token we do not know.
    #[error("this token is not known here")]
    Unknown,
    /// The task behind it ended.
    #[error("the task of this token has ended ({0}); open a new task")]
    TaskEnded(String),
    /// The run's key or certificate must be proved with each request, and was not (RFC 9449, 7.1; RFC 8705, 3).
    #[error("{message}")]
    Proof {
        /// `invalid_token`, `invalid_dpop_proof` or `use_dpop_nonce`.
        error: &'static str,
        /// What is wrong and what to do.
        message: String,
        /// For `DPoP-Nonce`.
        nonce: Option<String>,
        /// Algorithms a proof may be signed with, blank between them.
        algorithms: String,
    },
    /// The token is a run's, and what presents it is not that run.
    #[error(
        "this token belongs to a run that is not the one presenting it: {0}; it was refused and a finding was kept"
    )]
    Anomaly(String),
    /// No verdict could be reached.
    #[error("the token could not be checked: {0}")]
    Unavailable(String),
}

/// Which servers an endpoint speaks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `/mcp/{server}`.
    Server(Name),
    /// `/mcp`: all servers of the task, names prefixed `server__`.
    Aggregated,
}

/// One listed tool, prompt, resource or resource template: `definition` is what the client sees, name already as
/// exposed on this endpoint; `server` and `own_name` say what it stands for. On the endpoint of one server both names
/// are the same. `remit__resume` is added by the gateway.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The server it belongs to.
    pub server: Name,
    /// Name (tool, prompt) or URI (resource, template) on that server.
    pub own_name: String,
    /// Name or URI on this endpoint.
    pub exposed: String,
    /// The member of the list.
    pub definition: Object,
}

/// What one task may see at one endpoint, in deterministic order.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Tools.
    pub tools: Vec<Listed>,
    /// Prompts.
    pub prompts: Vec<Listed>,
    /// Resources.
    pub resources: Vec<Listed>,
    /// Resource templates.
    pub templates: Vec<Listed>,
    /// Server instructions, already vetted with the registry.
    pub instructions: Option<String>,
    /// True when a server supports completions.
    pub completions: bool,
    /// True when a server supports resource subscriptions.
    pub subscriptions: bool,
    /// True when a server sends log messages.
    pub logging: bool,
}

/// One request of the agent, parsed once; everything the upstream will see is in here.
#[derive(Clone, Debug)]
pub struct Request {
    /// The server asked; a name that is not registered is decided (and denied) like any other.
    pub server: Name,
    /// What is asked.
    pub operation: Operation,
    /// Arguments: absent in the message = empty. Of a completion: `argument {name, value}` and, where given,
    /// `context {arguments}`.
    pub arguments: Object,
    /// The revision the client speaks.
    pub era: Era,
    /// Client features the client declared (it can answer these).
    pub client_features: Vec<ClientFeature>,
    /// True when it declared `elicitation.url` (URL mode).
    pub elicitation_url: bool,
    /// The client wants progress notifications.
    pub wants_progress: bool,
    /// `io.modelcontextprotocol/logLevel`, where given.
    pub log_level: Option<String>,
    /// Second round of a multi-round-trip request.
    pub continuation: Option<Continuation>,
}

/// `inputResponses` and `requestState` of a multi-round-trip request (MCP 2026-07-28, SEP-2322).
#[derive(Clone, Debug)]
pub struct Continuation {
    /// Answers by key.
    pub input_responses: Object,
    /// The opaque state, as the client echoed it. Attacker-controlled.
    pub request_state: Option<String>,
}

/// What comes back from one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The upstream's (or our own) result object. `resultType` is present when the upstream gave one. `dev.remit/…`
    /// in its `_meta` is dropped: only [`Reply::meta`] speaks for us.
    Result(Object),
    /// A JSON-RPC error the upstream answered with; nothing of ours.
    UpstreamError {
        /// JSON-RPC code.
        code: i64,
        /// Message.
        message: String,
        /// Data.
        data: Option<Value>,
    },
    /// Denied, or held and still pending.
    Refused(Refusal),
}

/// A denial or a hold, with what the client may be shown.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The decision.
    pub decision: Decision,
    /// True when the tool declares an `outputSchema`: then no `structuredContent` of ours.
    pub has_output_schema: bool,
    /// For a pending hold towards a modern client: state to echo, and where a person can look at the card.
    pub continuation: Option<PendingContinuation>,
}

/// How a modern client continues a held call.
#[derive(Clone, Debug)]
pub struct PendingContinuation {
    /// Sealed, bound to run, task, call digest and approval.
    pub request_state: String,
    /// Card address, not pre-authenticated; `None` while there is no console.
    pub url: Option<String>,
}

/// An [`Answer`] with what goes into the result's `_meta` beside it (ledger head, decision id).
#[derive(Clone, Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// Members for `_meta`, with their whole names (`dev.remit/…`).
    pub meta: Object,
}

/// Something that happens while a request runs, for the client that asked.
#[derive(Debug)]
pub enum Event {
    /// `notifications/progress`: `progress`, `total`, `message`; the gateway puts the client's own token in.
    Progress(Object),
    /// `notifications/message`.
    Log(Object),
    /// A server→client request that was decided and allowed (legacy leg): the gateway asks the client and answers.
    ClientRequest {
        /// Which feature.
        feature: ClientFeature,
        /// Parameters.
        params: Object,
        /// The client's result, or its JSON-RPC error object.
        reply: oneshot::Sender<Result<Object, Object>>,
    },
}

/// Where events of one request go. When the receiver is gone the client is gone: the engine cancels upstream.
pub type Events = mpsc::Sender<Event>;

/// Something that happens outside any request.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The task's tools changed (already re-fetched, diffed, quarantined).
    ToolsChanged,
    /// Prompts changed.
    PromptsChanged,
    /// Resources changed.
    ResourcesChanged,
    /// A subscribed resource changed; the URI as exposed.
    ResourceUpdated(String),
    /// `notifications/message` without a request.
    Log(Object),
}

/// What the gateway asks of the engine.
pub trait Engine: Send + Sync + 'static {
    /// Who is asking. Checked live on every request.
    fn authenticate(&self, presented: Presented)
    -> impl Future<Output = Result<Session, AuthFailure>> + Send;

    /// What the task may see at `endpoint`; `Err` carries a denial (unknown server, quarantined, ended …). Asked for
    /// when a client lists something; servers may be asked for it.
    fn catalog(
        &self,
        session: &Session,
        endpoint: &Endpoint,
        era: Era,
    ) -> impl Future<Output = Result<Arc<Catalog>, Box<Decision>>> + Send;

    /// The same as far as it is known without a word to any server: nothing may be opened or sent for it, and it should
    /// be at hand, since it is asked for before calls are decided (aggregated names, `x-mcp-header`).
    fn known(
        &self,
        session: &Session,
        endpoint: &Endpoint,
        era: Era,
    ) -> impl Future<Output = Result<Arc<Catalog>, Box<Decision>>> + Send {
        self.catalog(session, endpoint, era)
    }

    /// Decides, records, sends, records the outcome, answers. Runs on when the returned future is dropped.
    fn call(&self, session: &Session, request: Request, events: Events)
    -> impl Future<Output = Reply> + Send;

    /// `remit__resume`: redeems an approval by reference. Waits like a held call does.
    fn resume(
        &self,
        session: &Session,
        approval: ApprovalId,
        events: Events,
    ) -> impl Future<Output = Reply> + Send;

    /// Subscribes to `uri` of `server` (a decision and a lease of its own) or ends that.
    fn subscribe(
        &self,
        session: &Session,
        server: Name,
        uri: String,
        on: bool,
        era: Era,
    ) -> impl Future<Output = Reply> + Send;

    /// Notices for this session at `endpoint`, until the task ends (the channel then closes).
    fn notices(&self, session: &Session, endpoint: &Endpoint) -> mpsc::Receiver<Notice>;

    /// Resolves when the authority behind the session is gone: streams must be cut.
    fn gone(&self, session: &Session) -> impl Future<Output = ()> + Send;
}
