//! What comes back: the reply to one call, and what happens while it runs.

use remit_core::authority::ClientFeature;
use remit_core::call::Call;
use remit_core::json::{Object, Value};
use remit_enforce::Permitted;
use tokio::sync::oneshot;

/// The server's answer to one call, scrubbed.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The result; a modern server's may be `{resultType: "input_required", …}`.
    Result(Object),
    /// The server answered with an error.
    Error(RpcError),
}

/// A JSON-RPC error a server answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// Code.
    pub code: i64,
    /// Message.
    pub message: String,
    /// Data.
    pub data: Option<Value>,
    /// The HTTP status it came with, where there was one other than 200.
    pub http_status: Option<u16>,
}

/// Something that happens while a call runs.
#[derive(Debug)]
pub enum UpstreamEvent {
    /// `notifications/progress` without its token.
    Progress(Object),
    /// `notifications/message`.
    Log(Object),
    /// The server asks something of the client. Dropping `reply` answers [`ClientRefusal::NotAvailable`].
    ClientRequest {
        /// What it asks.
        feature: ClientFeature,
        /// Parameters, scrubbed.
        params: Object,
        /// Where the answer goes.
        reply: oneshot::Sender<ClientAnswer>,
    },
}

/// The answer to a server→client request.
///
/// It leaves us, so it is a call like any other: operation [`AnswerServer`](remit_core::call::Operation::AnswerServer), the
/// client's result as its arguments.
pub type ClientAnswer = Result<Permitted<Call>, ClientRefusal>;

/// Why a server→client request is not answered. The server gets a fixed sentence, no text of anybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRefusal {
    /// Denied, or the client cannot do it: JSON-RPC -32601.
    NotAvailable,
    /// The client answered with an error: JSON-RPC -32603.
    Declined,
}
