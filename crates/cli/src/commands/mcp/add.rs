//! `remit mcp add`.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{from_here, outcome};
use crate::context::{Acting, Body, Context};
use crate::failure::Failure;

/// Registers a server.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("transport").required(true),
    override_usage = "remit mcp add [OPTIONS] <NAME> --url <URL>\n       remit mcp add [OPTIONS] <NAME> -- <CMD>..."
)]
pub struct Args {
    /// Its name: 1 to 40 of `a-z 0-9 . @ - _`; tools are then `NAME/tool`
    pub name: String,
    /// A streamable HTTP server at this address
    #[arg(long, value_name = "URL", group = "transport")]
    pub url: Option<String>,
    /// A stdio server: the command that starts it
    #[arg(last = true, value_name = "CMD", group = "transport")]
    pub command: Vec<String>,
    /// A variable for a stdio server; it inherits none but PATH, HOME, LANG. `secret:NAME` as the value puts the placeholder
    /// of that secret there
    #[arg(long = "env", value_name = "KEY=VALUE", value_parser = key_value, conflicts_with = "url")]
    pub env: Vec<(String, String)>,
    /// The folder a stdio server works in; what it is given as a relative path starts there
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub cwd: Option<PathBuf>,
    /// The address may be in a private network (an address on this machine may be anyway)
    #[arg(long, conflicts_with = "command")]
    pub allow_private: bool,
    /// One process or session may serve several tasks
    #[arg(long)]
    pub shareable: bool,
    /// A stdio server keeps this machine's network: what it does there is decided by nobody
    #[arg(long, conflicts_with = "url")]
    pub uncontained: bool,
    /// Admit its tools although what is started is not pinned to a version
    #[arg(long)]
    pub accept_floating: bool,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let env: Map<String, Value> = args
        .env
        .iter()
        .map(|(key, value)| (key.clone(), Value::from(value.as_str())))
        .collect();
    let cwd = args
        .cwd
        .as_ref()
        .map(|folder| {
            std::path::absolute(folder)
                .map_err(|error| Failure::local(format!("cannot use `{}`: {error}", folder.display())))
        })
        .transpose()?;
    let local = args.url.as_deref().is_some_and(is_this_machine);
    let body = Body::new()
        .with("name", args.name.as_str())
        .maybe("url", args.url.clone())
        .list("command", &from_here(&args.command))
        .maybe("env", (!env.is_empty()).then_some(env))
        .maybe("cwd", cwd.map(|folder| folder.to_string_lossy().into_owned()))
        .flag("allow_private", args.allow_private || local)
        .flag("shareable", args.shareable)
        .flag("uncontained", args.uncontained)
        .flag("accept_floating", args.accept_floating)
        .acting(&args.acting)
        .done();
    let answer = context.control()?.post("/v1/servers", &body).await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    outcome(context, &answer)
}

/// The person named an address of this very machine: there is nothing left to ask.
fn is_this_machine(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| {
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    });
    let host = authority
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(authority, |(host, _)| host);
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(key, _)| !key.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as KEY=VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use super::is_this_machine;

    #[test]
    fn only_literal_loopback_counts_as_this_machine() {
        for url in [
            "http://127.0.0.1:3001/mcp",
            "http://localhost/mcp",
            "http://[::1]:80",
        ] {
            assert!(is_this_machine(url), "{url}");
        }
        for url in [
            "https://example.com",
            "http://127.0.0.1.example.com/",
            "http://localhost@evil.example/",
            "http://10.0.0.1:80",
            "127.0.0.1",
        ] {
            assert!(!is_this_machine(url), "{url}");
        }
    }
}
