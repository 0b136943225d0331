//! Steps in which a run asks for something.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::shapes;
use crate::file::verbs::ListKind;

shapes! {
    /// A run calls a tool.
    Call {
        /// `server/tool`; `remit/delegate`, `remit/request_access`, `remit/renew`, `remit/done`, `remit/heartbeat` and
        /// `remit/task` are asked of Remit itself.
        call: String,
        /// The arguments.
        #[serde(default)]
        with: Option<Map<String, Value>>,
        /// The arguments as JSON text, sent byte for byte: for what no YAML value gives.
        #[serde(default)]
        raw: Option<String>,
        /// Calls through `/mcp`, where tools are called `server__tool`.
        #[serde(default)]
        aggregated: bool,
        /// Makes the call this many times, one after the other; each must end as expected.
        #[serde(default)]
        repeat: Option<u32>,
        /// A name for this call, for `approve`, `deny`, `resume`, `card` and `grant revoke`. A task that `remit/delegate`
        /// opens has it too.
        #[serde(default, rename = "as")]
        name: Option<String>,
    }

    /// A run calls a tool and does not wait for the answer: goes on once the call waits for people, has reached its server or
    /// is answered. A later `join` looks at the answer.
    Begin {
        /// `server/tool`.
        begin: String,
        /// The arguments.
        #[serde(default)]
        with: Option<Map<String, Value>>,
        /// A name for this call, for `join`, and as with `call`.
        #[serde(rename = "as")]
        name: String,
    }

    /// A run reads a resource.
    Read {
        /// The resource's URI.
        read: String,
        /// The server it is read from.
        server: String,
        /// A name for this call, as with `call`.
        #[serde(default, rename = "as")]
        name: Option<String>,
    }

    /// A run gets a prompt.
    Prompt {
        /// The prompt's name.
        prompt: String,
        /// The server it comes from.
        server: String,
        /// The arguments.
        #[serde(default)]
        with: Option<Map<String, Value>>,
        /// A name for this call, as with `call`.
        #[serde(default, rename = "as")]
        name: Option<String>,
    }

    /// A run lists what it may use.
    List {
        /// `tools`, `resources` or `prompts`.
        list: ListKind,
        /// The server asked. Without it: all of them through `/mcp`, where names are `server__name`.
        #[serde(default)]
        server: Option<String>,
    }

    /// A run comes back for a held call with `remit__resume`.
    Resume {
        /// The `as` name of the held call.
        resume: String,
    }

    /// Waits for the answer to a call that was begun, and looks at it.
    Join {
        /// The `as` name of the call.
        join: String,
    }

    /// A run sends something to an HTTP host, as a command inside `remit run` does.
    Http {
        /// Method and URL: `POST https://api.example/v1`.
        http: String,
        /// Headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// The body; JSON unless a `content-type` says otherwise.
        #[serde(default)]
        body: Option<String>,
        /// A name for this call, as with `call`.
        #[serde(default, rename = "as")]
        name: Option<String>,
    }

    /// Who makes a call, and where it comes from.
    From {
        /// The task whose run makes it. Default: the only task there is; for `resume`, the task of the held call.
        #[serde(default)]
        run: Option<String>,
        /// The token shown instead of the run's own: `none`, `unknown`, or the name of another task.
        #[serde(default)]
        token: Option<String>,
        /// The `Host` header shown instead of the right one.
        #[serde(default)]
        host: Option<String>,
        /// An `Origin` header, as a browser sends it.
        #[serde(default)]
        origin: Option<String>,
    }
}
