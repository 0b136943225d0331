//! The way out of a server we start: a listener inside its network that we accept on, an authority its clients trust, and
//! placeholders in place of secrets.

use std::convert::Infallible;
use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use remit_confine::WAY_OUT;
use remit_core::id::RunId;
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_egress::ca::RunCa;
use remit_egress::describe::HostPattern;
use remit_egress::{Front, FrontConfig};
use remit_upstream::{ServerSpec, Transport};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::contained::Contained;
use super::steering::{self, Trust};
use crate::app::{App, Failure};
use crate::broker;
use crate::engine::cause::UnderWay;
use crate::engine::links::For;
use crate::registry::snapshot::ServerEntry;

/// How a variable of a server names a secret: its placeholder is put there.
pub(crate) const SECRET: &str = "secret:";

/// The way out of one server; closed when this is dropped.
#[derive(Debug)]
pub struct WayOut {
    serving: AbortHandle,
    folder: PathBuf,
}

impl Drop for WayOut {
    fn drop(&mut self) {
        self.serving.abort();
        // It holds certificates only, and the system clears the folder above it.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Opens the way out of `server` and dresses `spec` for it; the listener is sent by whoever starts the server.
///
/// # Errors
/// [`Failure::Unavailable`] when there is no randomness, no key, or no folder to be had.
pub(crate) fn open(
    app: &Arc<App>,
    who: &For<'_>,
    server: &ServerEntry,
    under_way: &Arc<UnderWay>,
    spec: &mut ServerSpec,
) -> Result<(WayOut, mpsc::UnboundedSender<TcpListener>), Failure> {
    let name = &server.server.name;
    let (live, task) = match who {
        For::Task(live) if !server.server.shareable => (Some(*live), Some(live.snapshot().task.id)),
        For::Task(_) | For::Registry => (None, None),
    };
    // Of every system: what the task may not use of them is refused in words, not by a certificate.
    let hosts = all_hosts(app);
    let ca =
        RunCa::new(&format!("server {name}"), Some(&hosts), app.clock.now()).map_err(Failure::unavailable)?;
    let folder = folder(app)?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let trust = Trust::write(&folder, ca.pem());
    let contained = Contained {
        app: Arc::clone(app),
        server: name.clone(),
        task,
        under_way: Arc::clone(under_way),
        ca: Arc::new(ca),
        refused: AtomicU32::new(0),
    };
    let serving = tokio::spawn(serve(contained, receiver)).abort_handle();
    let way_out = WayOut { serving, folder };
    let trust = trust.map_err(Failure::unavailable)?;
    let mut variables: Vec<(OsString, OsString)> = Vec::new();
    if let Some(live) = live {
        let world = app.world();
        let reaches = |system: &Name| {
            let entry = world.registry.server(system);
            entry.is_some_and(|entry| super::reaches(live, entry))
        };
        let (run, decoy) = (live.run().id, broker::decoy(app, live.run().id));
        let carried = broker::environment(app, run, reaches).into_iter();
        // The decoy is for whoever goes looking, and that is the agent.
        variables.extend(
            carried
                .filter(|(_, value)| *value != decoy)
                .map(|(name, value)| (name.into(), value.into())),
        );
    }
    let proxy = steering::variables(&format!("http://{WAY_OUT}"), &trust);
    variables.extend(proxy.into_iter().map(|(name, value)| (name.into(), value)));
    if let Transport::Stdio(stdio) = &mut spec.transport {
        let run = live.map_or_else(|| RunId::without_entropy(Timestamp(0)), |live| live.run().id);
        for (_, value) in &mut stdio.env {
            if let Some(secret) = secret_of(&value.to_string_lossy()) {
                *value = broker::placeholder(app, run, &secret).into();
            }
        }
        // What a person wrote counts.
        variables.retain(|(name, _)| !stdio.env.iter().any(|(there, _)| there == name));
        stdio.env.extend(variables);
    }
    Ok((way_out, sender))
}

/// The secret a variable names, if it names one.
pub(crate) fn secret_of(value: &str) -> Option<Name> {
    value.strip_prefix(SECRET)?.parse().ok()
}

fn all_hosts(app: &App) -> Vec<HostPattern> {
    let world = app.world();
    let systems = world.registry.servers().filter_map(|entry| entry.system.as_ref());
    systems.flat_map(|system| system.hosts.iter().cloned()).collect()
}

/// A folder of the server's own, outside everything that is hidden from it.
fn folder(app: &App) -> Result<PathBuf, Failure> {
    let mut random = [0; 16];
    app.entropy.fill(&mut random)?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = std::env::temp_dir().join(format!("remit-server-{name}"));
    make(&folder).map_err(|error| {
        Failure::Unavailable(format!(
            "cannot make `{}` for a server: {error}",
            folder.display()
        ))
    })?;
    Ok(folder)
}

fn make(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(folder)
}

/// Takes in what the server asks, from the moment its listener is there.
async fn serve(contained: Contained, mut listeners: mpsc::UnboundedReceiver<TcpListener>) {
    let server = contained.server.clone();
    let Some(listener) = listeners.recv().await else {
        return;
    };
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener));
    let listener = match listener {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%server, %error, "the way out of a server cannot be used");
            return;
        }
    };
    let config = FrontConfig {
        is_ours: Arc::new(|host| {
            host == WAY_OUT.to_string() || host == format!("localhost:{}", WAY_OUT.port())
        }),
        base_url: Arc::new(|| format!("http://{WAY_OUT}")),
    };
    let front = Front::new(Arc::new(contained), config);
    let service = service_fn(move |request: Request<Incoming>| {
        let front = Arc::clone(&front);
        async move {
            if front.takes(&request) {
                return Ok::<_, Infallible>(front.handle(request).await.map(Body::new));
            }
            let mut nothing = Response::new(Body::empty());
            *nothing.status_mut() = StatusCode::NOT_FOUND;
            Ok(nothing)
        }
    });
    let listener = remit_gateway::Listener::Tcp(listener);
    remit_gateway::serve(listener, service, std::future::pending()).await;
}
