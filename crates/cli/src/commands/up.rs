//! `remit up`: everything, in the foreground, until it is told to stop.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use remit_core::entropy::SystemEntropy;
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_server::config::{Config, OBSERVE_DEFAULT};
use remit_server::evidence::checkpoint;
use remit_server::start::{Parts, Running, start};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::context::Context;
use crate::failure::{DONE, Failure};
use crate::names::name_from;
use crate::out::text::Text;

/// How long calls under way may take to end when we are told to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts everything.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; `remit.toml` in the configuration folder when absent, and none is needed
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Record instead of enforce what baseline and organisation would hold or deny of this tool class, for a time (7d, at
    /// most 30d): `read`, `write=12h`; never guardrails, quarantine, or what cannot be undone
    #[arg(long, value_name = "CLASS[=TIME]", num_args = 1..)]
    pub observe: Vec<String>,
}

/// Runs until Ctrl-C, SIGTERM, or the store stops.
///
/// # Errors
/// What kept it from starting, or from going on.
pub fn run(context: &Context, args: &Args) -> Result<u8, Failure> {
    remit_confine::harden_self()
        .map_err(|error| Failure::local(format!("cannot close this process to others: {error}")))?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(context.out.colours_notes())
        .with_env_filter(EnvFilter::try_from_env("REMIT_LOG").unwrap_or_else(|_| EnvFilter::new("warn")))
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local(format!("cannot start: {error}")))?;
    runtime.block_on(serve(context, args))
}

async fn serve(context: &Context, args: &Args) -> Result<u8, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::local(error.to_string());
    let (path, must_exist) = match &args.config {
        Some(given) => (given.clone(), true),
        None => (context.paths.config.join("remit.toml"), false),
    };
    // Made here, so that it can be hidden from runs: what does not exist cannot.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&context.paths.config)
        .map_err(|error| {
            Failure::local(format!(
                "cannot make `{}`: {error}",
                context.paths.config.display()
            ))
        })?;
    let mut stop = [listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?];
    let mut config = Config::read(&path, must_exist).map_err(|error| failed(&error))?;
    for observe in &args.observe {
        let (class, time) = observe.split_once('=').unwrap_or((observe, OBSERVE_DEFAULT));
        config.policy.observe.insert(class.to_owned(), time.to_owned());
    }
    config
        .policy
        .observed()
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let parts = Parts {
        config,
        paths: context.paths.clone(),
        clock: Arc::new(context.clock),
        entropy: Arc::new(SystemEntropy),
        me: me()?,
        launcher: PathBuf::from("/proc/self/exe"),
        search_path: std::env::var_os("PATH").unwrap_or_default(),
    };
    let running = start(parts).await.map_err(|error| failed(&error))?;
    ready(context, &running)?;
    let broken = tokio::select! {
        () = told(&mut stop) => None,
        why = running.failed() => Some(why),
    };
    if broken.is_none() && !context.out.json {
        context.out.note("stopping; once more to stop at once");
    }
    tokio::select! {
        () = running.stop(PATIENCE) => {}
        () = told(&mut stop) => {}
    }
    match broken {
        Some(why) => Err(Failure::local(format!(
            "the store stopped: {why}; nothing recorded is lost, start `remit up` again when that is mended"
        ))),
        None => Ok(DONE),
    }
}

fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::local(format!("cannot listen for signals: {error}")))
}

async fn told([interrupt, terminate]: &mut [Signal; 2]) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn ready(context: &Context, running: &Running) -> Result<(), Failure> {
    let address = running.address.to_string();
    let mcp = format!("http://{address}/mcp");
    let tls = running
        .app
        .tls_url
        .borrow()
        .as_ref()
        .map(|url| format!("{url}/mcp"));
    let paths = &context.paths;
    let key = checkpoint::verifier(&running.app)
        .map_err(|error| Failure::local(error.to_string()))?
        .to_string();
    let me = running.app.me.as_str();
    let world = running.app.world();
    let observed: Vec<(&str, Timestamp)> = world
        .observed
        .iter()
        .map(|(class, until)| (class.as_str(), *until))
        .collect();
    if context.out.json {
        return context.out.json(&json!({
            "event": "ready",
            "address": address,
            "mcp_url": mcp,
            "tls_mcp_url": tls,
            "data": paths.data,
            "control": paths.control_socket(),
            "config": paths.config,
            "human": me,
            "ledger_key": key,
            "observed": observed.iter().map(|(class, until)| json!({"class": class, "until": until.0})).collect::<Vec<_>>(),
        }));
    }
    context
        .out
        .line(Text::new().good("ready").plain(format!(" {address}")))?;
    for (name, value) in [
        ("mcp", mcp),
        ("tls", tls.unwrap_or_default()),
        ("data", paths.data.display().to_string()),
        ("control", paths.control_socket().display().to_string()),
        ("config", paths.config.display().to_string()),
        ("ledger", key),
        ("you", me.to_owned()),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    {
        context
            .out
            .line(Text::new().dim(format!("  {name:<8}")).plain(value))?;
    }
    for (class, until) in observed {
        context.out.line(
            Text::new()
                .bad("  observe ")
                .careful(format!("class {class} is NOT enforced until {until}: what rules would hold or deny of it runs, and is recorded")),
        )?;
    }
    Ok(())
}

/// The person at this machine, by their login name.
fn me() -> Result<Name, Failure> {
    let login = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_default();
    let name = name_from(&login, "owner");
    name.parse()
        .map_err(|error| Failure::local(format!("your login name gives no name here: {error}")))
}
