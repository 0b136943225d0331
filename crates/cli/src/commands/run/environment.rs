//! The environment of a run: the caller's, without what steers Remit, with what leads to the gateway.

use std::ffi::OsString;

use remit_server::paths::Paths;
use serde_json::Value;

use super::settings::Settings;
use crate::commands::variables::is_credential;
use crate::fields;

/// Where a workload finds the Workload API (SPIFFE Workload Endpoint, 4).
const SPIFFE_SOCKET: &str = "SPIFFE_ENDPOINT_SOCKET";

/// The variables of the run, and the names of those that carry credentials past Remit.
pub(super) fn for_run(
    ours: impl Iterator<Item = (OsString, OsString)>,
    opened: &Value,
    settings: &Settings,
    paths: &Paths,
) -> (Vec<(OsString, OsString)>, Vec<String>) {
    let mut variables = Vec::new();
    let mut secrets = Vec::new();
    for (name, value) in ours {
        let text = name.to_string_lossy();
        // A run inside a run has its own token, never its parent's.
        if text.starts_with("REMIT_") {
            continue;
        }
        if is_credential(&text) && !value.is_empty() {
            secrets.push(text.into_owned());
        }
        variables.push((name, value));
    }
    secrets.sort();
    for (name, key) in [
        ("REMIT_TOKEN", "token"),
        ("REMIT_MCP_URL", "mcp_url"),
        ("REMIT_TASK", "task"),
        ("REMIT_RUN", "run"),
    ] {
        variables.push((name.into(), fields::text(opened, key).into()));
    }
    // A Workload API that is there already answers for whoever started us, not for the run.
    variables.retain(|(name, _)| name != SPIFFE_SOCKET);
    let mut socket = OsString::from("unix:");
    socket.push(paths.workload_socket());
    variables.push((SPIFFE_SOCKET.into(), socket));
    variables.push(("REMIT_SOCKET".into(), paths.agents_socket().into()));
    variables.push(("REMIT_MCP_CONFIG".into(), settings.mcp_config().into()));
    variables.push(("REMIT_SERVERS".into(), settings.servers().into()));
    (variables, secrets)
}
