//! Conversations with servers of the tests' own, honest and hostile, and with stock servers.

mod addresses;
mod cost;
mod fetching;
mod http_hostile;
mod http_talk;
mod lists;
mod stdio_hostile;
mod stdio_talk;
mod stock;
mod tls;
mod wire_server;

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use remit_confine::LaunchSpec;
use remit_core::digest::Digest;
use remit_core::json::{Bounds, Value, parse};
use remit_core::time::{BootTime, ManualClock, Timestamp};
use remit_enforce::LifelineHolder;
use tokio::task::AbortHandle;

use super::*;
use crate::environment::Launcher;
use crate::http::address::Resolve;
use crate::scrub::Scrubber;
use crate::spec::{HttpSpec, StdioSpec, Transport};

pub(super) const SECRET: &str = "hunter2-hunter2";

/// Everything a test needs around a connection.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) holder: LifelineHolder,
    pub(super) terms: Terms,
    pub(super) environment: Environment,
    dir: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Names that resolve as a test says.
pub(super) struct Table(pub(super) Vec<(&'static str, Vec<SocketAddr>)>);

impl Resolve for Table {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>> {
        let found = self.0.iter().find(|(name, _)| *name == host);
        let answer = match (found, host.parse()) {
            (Some((_, addresses)), _) => Ok(addresses.clone()),
            (None, Ok(ip)) => Ok(vec![SocketAddr::new(ip, port)]),
            _ => Err(io::Error::other("no such name")),
        };
        Box::pin(std::future::ready(answer))
    }
}

pub(super) fn world() -> World {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let n = COUNT.fetch_add(1, Ordering::SeqCst);
    let dir = std::env::temp_dir().join(format!("remit-upstream-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    // Stands in for `remit launch`: attests on descriptor 4 and becomes the command in a session of its own.
    let launcher = script(
        &dir,
        "launcher",
        r#"shift 4
printf '{"pid":%s,"landlock_abi":null,"hidden":false,"own_uid":null,"netns":false,"userns":false,"no_new_privs":false,"scoped":false,"way_out":false,"gaps":[]}\n' $$ >&4
exec setsid "$@" 3<&- 4>&-
"#,
    );
    let clock = Arc::new(ManualClock::new(Timestamp(0)));
    let (holder, lifeline) = LifelineHolder::new();
    World {
        terms: Terms {
            clock: clock.clone(),
            deadline: BootTime(3_600_000),
            lifeline,
            decision: None,
        },
        environment: Environment {
            clock: clock.clone(),
            launcher: Launcher {
                exe: launcher,
                confine: LaunchSpec::default(),
            },
            resolver: Arc::new(Table(Vec::new())),
            tls: crate::http::tls::tls_config().unwrap(),
            scrubber: Arc::new(Scrubber::new([SECRET]).unwrap()),
            search_path: std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin")),
        },
        clock,
        holder,
        dir,
    }
}

fn script(dir: &Path, name: &str, body: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

pub(super) fn options(prefer: Era) -> OpenOptions {
    OpenOptions {
        prefer,
        features: Vec::new(),
        elicitation_url: false,
        credential: crate::Credential::default(),
        way_out: None,
    }
}

impl World {
    /// A server that runs this shell script.
    pub(super) fn shell(&self, body: &str) -> ServerSpec {
        let path = script(&self.dir, "server", body);
        stdio(path.as_os_str().to_owned(), Vec::new())
    }

    pub(super) async fn open(
        &self,
        spec: &ServerSpec,
        prefer: Era,
    ) -> Result<(Connection, Notices), Failure> {
        Connection::open_on(&self.terms, spec, options(prefer), &self.environment).await
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

pub(super) fn stdio(command: OsString, args: Vec<OsString>) -> ServerSpec {
    ServerSpec {
        name: "under-test".parse().unwrap(),
        transport: Transport::Stdio(StdioSpec {
            command,
            args,
            cwd: None,
            env: vec![("PATH".into(), std::env::var_os("PATH").unwrap_or_default())],
        }),
        shareable: false,
    }
}

pub(super) fn http(url: &str) -> ServerSpec {
    ServerSpec {
        name: "under-test".parse().unwrap(),
        transport: Transport::Http(HttpSpec {
            url: url.to_owned(),
            allow_private: true,
        }),
        shareable: false,
    }
}

pub(super) fn object(text: &str) -> Object {
    parse(text.as_bytes(), &Bounds::RESPONSE)
        .unwrap()
        .as_object()
        .unwrap()
        .clone()
}

pub(super) fn a_call(operation: Operation, arguments: &str) -> Call {
    Call {
        server: "under-test".parse().unwrap(),
        server_identity: Digest::of(b""),
        operation,
        fingerprint: Digest::of(b""),
        arguments: parse(arguments.as_bytes(), &Bounds::REQUEST)
            .unwrap()
            .as_object()
            .unwrap()
            .clone(),
        resources: Vec::new(),
        destinations: Vec::new(),
        opaque: Vec::new(),
    }
}

pub(super) fn tool(name: &str, arguments: &str) -> Call {
    a_call(Operation::CallTool(name.parse().unwrap()), arguments)
}

/// One call that nobody watches, but somebody waits for.
pub(super) async fn call(world: &World, connection: &Connection, call: &Call) -> Result<Reply, Failure> {
    call_with(world, connection, call, CallOptions::default()).await.0
}

/// One call with everything that happened meanwhile.
pub(super) async fn call_with(
    world: &World,
    connection: &Connection,
    call: &Call,
    options: CallOptions,
) -> (Result<Reply, Failure>, Vec<UpstreamEvent>) {
    let (events, mut receiver) = mpsc::channel(64);
    let reply = connection.0.call(call, &world.terms, &options, events).await;
    let mut seen = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        seen.push(event);
    }
    (reply, seen)
}

pub(super) fn short(ms: u64) -> CallOptions {
    CallOptions {
        timeout: Duration::from_millis(ms),
        ..CallOptions::default()
    }
}

pub(super) fn text_of(reply: &Reply) -> String {
    let Reply::Result(result) = reply else {
        panic!("{reply:?}")
    };
    let first = result
        .get("content")
        .and_then(Value::as_array)
        .and_then(|c| c.first())
        .unwrap();
    first.get("text").and_then(Value::as_str).unwrap().to_owned()
}

/// Waits until `condition` holds; a bound against hanging, not a pause.
pub(super) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}
