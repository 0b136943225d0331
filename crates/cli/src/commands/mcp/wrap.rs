//! `remit mcp wrap`: MCP over standard input and output, for clients that only start servers.

use std::path::PathBuf;

use serde_json::Value;

use super::{command_digest, from_here};
use crate::context::Context;
use crate::failure::{DONE, Failure};
use crate::fields;

/// Where the gateway listens when nobody says otherwise.
const MCP_URL: &str = "http://127.0.0.1:7420/mcp";

/// Speaks MCP over stdio.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// This registered server
    #[arg(long, value_name = "NAME", conflicts_with = "command")]
    pub server: Option<String>,
    /// The registered server this command starts; all that the task allows when absent
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// Bridges standard input and output to the gateway until one of them ends.
///
/// # Errors
/// No token, no such server, or the gateway's address makes no sense.
pub fn run(context: &Context, args: &Args) -> Result<u8, Failure> {
    let token = std::env::var("REMIT_TOKEN")
        .ok()
        .filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| {
        Failure::local(
            "REMIT_TOKEN is not set: start the client with `remit run --intent \"…\" -- CLIENT`, or give it the token \
             of `remit task open`",
        )
    })?;
    let base = std::env::var("REMIT_MCP_URL")
        .ok()
        .filter(|url| !url.is_empty())
        .unwrap_or_else(|| MCP_URL.to_owned());
    let runtime = crate::commands::runtime()?;
    let server = match (&args.server, args.command.as_slice()) {
        (Some(server), _) => Some(server.clone()),
        (None, []) => None,
        (None, command) => Some(runtime.block_on(server_of(context, command))?),
    };
    let url = match server {
        Some(server) => format!("{}/{server}", base.trim_end_matches('/')),
        None => base,
    };
    let uri = url
        .parse()
        .map_err(|error| Failure::local(format!("REMIT_MCP_URL gives `{url}`: {error}")))?;
    runtime
        .block_on(remit_gateway::wrap::run(
            uri,
            std::env::var_os("REMIT_SOCKET").map(PathBuf::from),
            token,
            tokio::io::stdin(),
            tokio::io::stdout(),
        ))
        .map_err(|error| Failure::local(error.to_string()))?;
    // Reading standard input holds a thread that cannot be interrupted.
    runtime.shutdown_background();
    Ok(DONE)
}

/// The name under which the server started by `command` is registered.
async fn server_of(context: &Context, command: &[String]) -> Result<String, Failure> {
    let digest = command_digest(&from_here(command));
    // Inside a run control is out of reach, so `remit run` left a list.
    let known = match std::env::var_os("REMIT_SERVERS") {
        Some(path) => {
            let path = PathBuf::from(path);
            let list: Value = std::fs::read(&path)
                .map_err(|error| error.to_string())
                .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()))
                .map_err(|error| Failure::local(format!("cannot read `{}`: {error}", path.display())))?;
            fields::text(&list, &digest)
        }
        None => {
            let servers = context.control()?.get("/v1/servers").await?;
            fields::items(&servers)
                .iter()
                .find(|server| command_digest(&super::command_of(server)) == digest)
                .map(|server| fields::text(server, "name"))
                .unwrap_or_default()
        }
    };
    if known.is_empty() {
        let line = command.join(" ");
        return Err(Failure::local(format!(
            "no registered server is started by `{line}`: register it with `remit mcp add NAME -- {line}`"
        )));
    }
    Ok(known)
}
