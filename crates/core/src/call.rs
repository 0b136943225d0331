//! Calls: one canonical request in either direction, and the digest that decisions, approvals and records are bound to.

use crate::authority::ClientFeature;
use crate::destination::Destination;
use crate::digest::Digest;
use crate::json::{Object, Value};
use crate::name::{Name, ToolName};
use crate::resource::Resource;

/// What stands for a method where a credential is issued: no client asks for it over MCP.
pub const ISSUE: &str = "identity/issue";

/// What is asked of a server, or of the agent's client by a server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// `tools/call`.
    CallTool(ToolName),
    /// `resources/read`.
    ReadResource(String),
    /// `prompts/get`.
    GetPrompt(String),
    /// `completion/complete`; the text is `prompt:<name>` or `resource:<uri template>`.
    Complete(String),
    /// `resources/subscribe`, or the same through `subscriptions/listen`.
    Subscribe(String),
    /// A server→client request: what leaves is the client's answer.
    AnswerServer(ClientFeature),
    /// A token or identity document of the run, for the audience named: what leaves is a credential of ours.
    Issue(String),
}

impl Operation {
    /// The JSON-RPC method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::CallTool(_) => "tools/call",
            Self::ReadResource(_) => "resources/read",
            Self::GetPrompt(_) => "prompts/get",
            Self::Complete(_) => "completion/complete",
            Self::Subscribe(_) => "resources/subscribe",
            Self::AnswerServer(feature) => feature.method(),
            Self::Issue(_) => ISSUE,
        }
    }

    /// The thing named: tool, URI, prompt, reference or feature.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::CallTool(tool) => tool.as_str(),
            Self::ReadResource(text)
            | Self::GetPrompt(text)
            | Self::Complete(text)
            | Self::Subscribe(text)
            | Self::Issue(text) => text,
            Self::AnswerServer(feature) => feature.as_str(),
        }
    }

    /// Reads back what [`Self::method`] and [`Self::target`] wrote.
    #[must_use]
    pub fn parse(method: &str, target: &str) -> Option<Self> {
        Some(match method {
            "tools/call" => Self::CallTool(target.parse().ok()?),
            "resources/read" => Self::ReadResource(target.to_owned()),
            "prompts/get" => Self::GetPrompt(target.to_owned()),
            "completion/complete" => Self::Complete(target.to_owned()),
            "resources/subscribe" => Self::Subscribe(target.to_owned()),
            ISSUE => Self::Issue(target.to_owned()),
            other => Self::AnswerServer(
                ClientFeature::ALL
                    .into_iter()
                    .find(|f| f.method() == other && f.as_str() == target)?,
            ),
        })
    }
}

/// One canonical request.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The registered server.
    pub server: Name,
    /// Digest of the server's identity (URL and TLS identity, or command and executable hash).
    pub server_identity: Digest,
    /// What is asked.
    pub operation: Operation,
    /// Fingerprint of the tool definition the arguments were checked against; of the empty text when there is none.
    pub fingerprint: Digest,
    /// Arguments: exactly what is forwarded, as canonical bytes.
    pub arguments: Object,
    /// Everything the arguments say is touched.
    pub resources: Vec<Resource>,
    /// Everywhere the arguments say data goes.
    pub destinations: Vec<Destination>,
    /// JSON Pointers of arguments that policy cannot represent.
    pub opaque: Vec<String>,
}

impl Call {
    /// Digest over server identity, tool fingerprint, operation, canonical arguments and destinations.
    ///
    /// Resources and opaque pointers are derived from these and add nothing.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut preimage = b"remit call v1\n".to_vec();
        Value::Object(self.digested()).write_canonical(&mut preimage);
        Digest::of(&preimage)
    }

    fn digested(&self) -> Object {
        let mut object = Object::new();
        object.insert("arguments", Value::Object(self.arguments.clone()));
        object.insert(
            "destinations",
            Value::Array(
                self.destinations
                    .iter()
                    .map(|d| Value::from(d.to_string()))
                    .collect(),
            ),
        );
        object.insert("fingerprint", Value::from(self.fingerprint.to_string()));
        object.insert("method", Value::from(self.operation.method()));
        object.insert("server", Value::from(self.server.as_str()));
        object.insert("server_identity", Value::from(self.server_identity.to_string()));
        object.insert("target", Value::from(self.operation.target()));
        object
    }
}
