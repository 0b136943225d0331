//! Starting and stopping: everything is opened, checked and wired here, and ended here.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use remit_core::entropy::Entropy;
use remit_core::name::Name;
use remit_core::people::{Human, Role, Standing};
use remit_core::time::Clock;
use remit_enforce::{Cut, LifelineHolder, Mint};
use remit_gateway::{AllowedHosts, GatewayConfig, Listener, router};
use remit_store::{Location, OpenError, Options, RowKey, Store};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::{App, Background, Failure};
use crate::config::Config;
use crate::control::lane::Lane;
use crate::engine::port::Port;
use crate::engine::{record, world};
use crate::keys::{KeyError, Keys};
use crate::paths::{PathError, Paths};
use crate::policies::Files;

/// What the wiring needs from outside.
pub struct Parts {
    /// Configuration.
    pub config: Config,
    /// Folders.
    pub paths: Paths,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The person at this machine; registered as a local human the first time.
    pub me: Name,
    /// The `remit` binary that launches stdio servers.
    pub launcher: PathBuf,
    /// Where programs of stdio servers are looked for.
    pub search_path: OsString,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A folder cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The world cannot be read.
    #[error(transparent)]
    World(#[from] world::LoadError),
    /// Something else failed on the way.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// Control cannot be offered.
    #[error(transparent)]
    Control(#[from] crate::control::ControlError),
    /// The certificate of `[listen.tls]` cannot be used.
    #[error(transparent)]
    Certificate(#[from] crate::certificate::CertificateError),
    /// The address is taken or not ours.
    #[error(
        "cannot listen on {address}: {source}; is another `remit up` running? Choose another with `[listen] address`"
    )]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A running app.
#[derive(Debug)]
pub struct Running {
    /// The app.
    pub app: Arc<App>,
    /// Where agents reach it.
    pub address: SocketAddr,
    /// Where agents reach it over TLS.
    pub tls_address: Option<SocketAddr>,
    serving: JoinHandle<()>,
    control: JoinHandle<()>,
    workload: JoinHandle<()>,
    jobs: JoinHandle<()>,
    revoking: JoinHandle<()>,
    judging: JoinHandle<()>,
    learning: JoinHandle<()>,
    lane: Lane,
    stop: watch::Sender<bool>,
}

/// Opens the store, reads the world, closes what a crash left open, and serves agents and people.
///
/// # Errors
/// [`StartError`]; nothing listens then.
pub async fn start(parts: Parts) -> Result<Running, StartError> {
    let app = open(parts).await?;
    let (stop, stopping) = watch::channel(false);
    let (listener, address) = tcp(app.config.listen.address).await?;
    app.base_url.send_replace(format!("http://{address}"));
    let mut listeners = vec![Listener::Tcp(listener)];
    let mut tls_address = None;
    if let (Some(listen), Some(certificate)) = (&app.config.listen.tls, &app.certificate) {
        let (listener, address) = tcp(listen.address).await?;
        tls_address = Some(address);
        let url = listen.url.clone().unwrap_or_else(|| format!("https://{address}"));
        app.tls_url.send_replace(Some(url));
        listeners.push(Listener::Tls(listener, certificate.tls()));
    }
    // Control first: it notices who is there already, and the other sockets are theirs then.
    let bound = crate::control::bind(&app.paths, &*app.entropy)?;
    let socket = crate::issuer::workload::bind_at(&app.paths.agents_socket());
    listeners.push(Listener::Unix(
        socket.map_err(Failure::unavailable)?,
        crate::proofs::identify,
    ));
    let gateway = agents_routes(&app);
    let workload = crate::issuer::workload::bind(&app.paths).map_err(Failure::unavailable)?;
    let lane = crate::control::bind_lane(&app.paths, &bound)?;
    let lane = Lane::start(Arc::clone(&app), lane, stopping.clone())?;
    let door = crate::egress::Door::new(&app, gateway);
    let serving = tokio::spawn(serve(listeners, door, stopping.clone()));
    let control = tokio::spawn(crate::control::serve(Arc::clone(&app), bound, stopping.clone()));
    let workload = tokio::spawn(crate::issuer::workload::serve(
        Arc::clone(&app),
        workload,
        stopping.clone(),
    ));
    let revoking = tokio::spawn(crate::broker::revoke::run(Arc::clone(&app), stopping.clone()));
    let judging = tokio::spawn(crate::broker::rejudge::run(Arc::clone(&app), stopping.clone()));
    let jobs = tokio::spawn(crate::jobs::run(Arc::clone(&app), stopping.clone()));
    app.store
        .append(started(&app), |_| Ok(()))
        .await
        .map_err(Failure::from)?;
    let learning = tokio::spawn(crate::broker::known::run(Arc::clone(&app), stopping));
    crate::observe::align(&app).await?;
    crate::jobs::recover(&app).await?;
    let inherited = crate::broker::revoke::inherited(&app).await?;
    crate::broker::databases::register::all(&app).await;
    let configured = Arc::clone(&app);
    let ending = Arc::clone(&app);
    app.background.spawn(async move {
        // Before the search for what no lease knows: these are known.
        if let Err(failure) = crate::broker::revoke::reconcile(&ending, inherited).await {
            tracing::error!(%failure, "credentials of an earlier process could not be ended");
        }
    });
    app.background.spawn(async move {
        crate::egress::systems::add_configured(&configured).await;
        crate::registry::servers::add_configured(&configured).await;
        crate::broker::revoke::search_all(&configured);
    });
    Ok(Running {
        app,
        address,
        tls_address,
        serving,
        control,
        workload,
        jobs,
        revoking,
        judging,
        learning,
        lane,
        stop,
    })
}

async fn tcp(address: SocketAddr) -> Result<(tokio::net::TcpListener, SocketAddr), StartError> {
    let listen = |source| StartError::Listen { address, source };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    Ok((listener, address))
}

/// What decisions of this process read from its configuration is part of its first record.
fn started(app: &App) -> remit_ledger::record::Record {
    let mut entry = record::of("engine.start");
    let environments: remit_core::json::Object = app
        .config
        .systems
        .iter()
        .filter_map(|(system, known)| Some((system.as_str(), known.environment.as_deref()?)))
        .collect();
    if !environments.is_empty() {
        entry.detail.insert("environments", environments);
    }
    entry
}

/// Opens everything but the listeners.
///
/// # Errors
/// [`StartError`].
pub async fn open(parts: Parts) -> Result<Arc<App>, StartError> {
    parts.paths.prepare()?;
    let keys = Keys::open(&parts.paths.keys(), &*parts.entropy)?;
    let location = parts
        .config
        .store
        .path
        .clone()
        .unwrap_or_else(|| parts.paths.store());
    let issuer = crate::issuer::Issuer::open(
        &parts.config,
        parts.paths.keys(),
        parts.clock.now(),
        &*parts.entropy,
    )?;
    let certificate = parts.config.listen.tls.as_ref();
    let certificate = certificate
        .map(|listen| crate::certificate::Certificate::open(listen, Arc::clone(&parts.clock)))
        .transpose()?;
    // New at every start: a nonce of this process shows that a proof is newer than it.
    let nonces = crate::keys::Key::fresh(&*parts.entropy)?;
    let store = open_store(location, &keys, &parts.clock).await?;
    greet(&store, &parts.me)?;
    let files = Files::read(&parts.config, &parts.paths)?;
    crate::policies::apply::at_start(&store, files, &parts.me).await?;
    let now = parts.clock.now();
    let environments = world::Environments::of(&parts.config);
    let exe = parts.launcher.clone();
    let contains = tokio::task::spawn_blocking(move || remit_confine::probe::contains(&exe))
        .await
        .map_err(Failure::unavailable)?;
    let contained = contains.is_ok();
    let world = store
        .read(move |conn| world::load(conn, now, environments, contained))
        .await?;
    let broker =
        crate::broker::Broker::open(&parts.config, &parts.paths, &keys, &parts.entropy, &store).await?;
    let app = Arc::new(App {
        clock: parts.clock,
        entropy: parts.entropy,
        config: parts.config,
        paths: parts.paths,
        keys,
        store,
        world: ArcSwap::from_pointee(world),
        worlds: Default::default(),
        world_changed: Default::default(),
        live: Default::default(),
        pulses: Default::default(),
        flights: Default::default(),
        familiarity: Default::default(),
        rooms: Default::default(),
        issuer,
        attestors: Default::default(),
        findings: Default::default(),
        replays: crate::proofs::Replays::new(now),
        nonces: remit_identity::dpop::Nonces::new(nonces.bytes()),
        links: Default::default(),
        known_secrets: Default::default(),
        logins: Default::default(),
        dialler: Default::default(),
        oauth: Default::default(),
        provider: Default::default(),
        egress: Default::default(),
        subscriptions: Default::default(),
        broker,
        head: watch::channel(None).0,
        signing: Default::default(),
        mint: Mint::at_start(),
        life: LifelineHolder::new().0,
        background: Background::default(),
        me: parts.me,
        launcher: parts.launcher,
        contains,
        search_path: parts.search_path,
        base_url: watch::channel(String::new()).0,
        tls_url: watch::channel(None).0,
        certificate: certificate.map(Arc::new),
    });
    crate::evidence::checkpoint::expect_own_key(&app).await?;
    crate::evidence::checkpoint::sign(&app).await?;
    // Before anybody can call. With a key-encryption key elsewhere it takes requests, which come when we run.
    if app.broker.has_own_key() {
        crate::broker::known::learn(&app).await?;
    }
    Ok(app)
}

/// Opens the store. An engine of this very process that is still letting go of it is waited for, another one is not.
async fn open_store(location: PathBuf, keys: &Keys, clock: &Arc<dyn Clock>) -> Result<Store, StartError> {
    const TRIES: u32 = 100;
    for attempt in 0.. {
        let options = Options {
            location: Location::Sqlite(location.clone()),
            row_key: RowKey::new(keys.row.bytes()),
            clock: Arc::clone(clock),
        };
        let opened = tokio::task::spawn_blocking(move || Store::open(options))
            .await
            .map_err(Failure::unavailable)?;
        match opened {
            Err(OpenError::InUse {
                owner: Some(owner), ..
            }) if owner == std::process::id() && attempt < TRIES => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            opened => return Ok(opened?),
        }
    }
    Err(Failure::Unavailable("the store could not be opened".to_owned()).into())
}

/// The first start registers the person at this machine with every role: a laptop needs no set-up.
fn greet(store: &Store, me: &Name) -> Result<(), Failure> {
    let humans = store.read_blocking(|conn| Ok::<_, Failure>(remit_store::humans::list(conn)?))?;
    if !humans.is_empty() {
        return Ok(());
    }
    let roles = [
        Role::Initiator,
        Role::Approver,
        Role::Auditor,
        Role::Administrator,
    ];
    let human = Human {
        name: me.clone(),
        kind: remit_core::people::Kind::Human,
        authority: None,
        roles: BTreeSet::from(roles),
        standing: Standing::Active,
    };
    let mut entry = record::of("human.add");
    entry.detail.insert("human", me.as_str());
    entry
        .detail
        .insert("why", "first start: the person at this machine");
    store.append_blocking(entry, move |tx| {
        remit_store::humans::add(tx, &human)?;
        // The first person is nobody's second.
        remit_store::seniority::confirm(tx, &human.name, &human.name)?;
        tx.bump(remit_store::Epoch::Registry);
        Ok(())
    })?;
    Ok(())
}

/// Everything on the agents' listener. A page in a browser reaches none of it through a name that happens to point here.
fn agents_routes(app: &Arc<App>) -> axum::Router {
    let config = gateway_config(app);
    let hosts = config.hosts.clone();
    let guarded = crate::oauth::router(app)
        .merge(crate::humans::router(app))
        .merge(crate::issuer::bundle::router(app))
        .merge(crate::attest::http::router(app))
        .merge(crate::logins::callback::router(app))
        .layer(axum::middleware::from_fn(
            move |request: axum::extract::Request, next: axum::middleware::Next| {
                // Whose page sent a form is checked where forms are taken; here only the names we are called by.
                let (uri, host) = (
                    request.uri().clone(),
                    request.headers().get(http::header::HOST).cloned(),
                );
                let named = host.map(|host| http::HeaderMap::from_iter([(http::header::HOST, host)]));
                let admitted = named.is_some_and(|named| hosts.admits(&uri, &named));
                async move {
                    if admitted {
                        next.run(request).await
                    } else {
                        axum::response::IntoResponse::into_response((
                            http::StatusCode::FORBIDDEN,
                            "this host name is not one of ours: add it under `[listen] hosts`\n",
                        ))
                    }
                }
            },
        ));
    router(Arc::new(Port(Arc::clone(app))), config)
        .merge(guarded)
        .merge(crate::health::router(app))
}

fn gateway_config(app: &App) -> GatewayConfig {
    let over_tls = app.config.listen.tls.as_ref();
    let over_tls = over_tls.and_then(crate::config::ListenTls::authority);
    let hosts = app.config.listen.hosts.iter().map(String::as_str);
    GatewayConfig {
        hosts: AllowedHosts {
            hosts: hosts.chain(over_tls).map(str::to_owned).collect(),
            origins: Vec::new(),
        },
        clock: Arc::clone(&app.clock),
        entropy: Arc::clone(&app.entropy),
        version: env!("CARGO_PKG_VERSION"),
        public_url: crate::oauth::issuer(app),
        tls_url: app.tls_url.borrow().clone(),
    }
}

async fn serve(listeners: Vec<Listener>, door: crate::egress::Door, stopping: watch::Receiver<bool>) {
    let mut serving = tokio::task::JoinSet::new();
    for listener in listeners {
        let (door, mut stopping) = (door.clone(), stopping.clone());
        serving.spawn(async move {
            let stopped = async move {
                // A sender that is gone is a stop too.
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            remit_gateway::serve(listener, door, stopped).await;
        });
    }
    // Dropping the set, as aborting this future does, cuts what is left.
    while serving.join_next().await.is_some() {}
}

impl Running {
    /// Resolves when the store has stopped: the process must end then.
    pub async fn failed(&self) -> Arc<str> {
        self.app.store.failed().await
    }

    /// Stops listening, lets what is under way end within `patience`, cuts the rest, records the stop.
    pub async fn stop(self, patience: Duration) {
        self.stop.send_replace(true);
        let drained = tokio::time::timeout(patience, self.app.background.idle()).await;
        self.app.life.cut(Cut::Shutdown);
        for live in self.app.live.all() {
            live.cut(Cut::Shutdown);
        }
        if drained.is_err() {
            // What was cut records its outcome; that takes a moment, not a wait.
            within(Duration::from_secs(2), self.app.background.idle()).await;
        }
        for link in self.app.links.take_all() {
            within(Duration::from_secs(2), link.connection.close()).await;
        }
        if let Err(error) = self.app.store.append(record::of("engine.stop"), |_| Ok(())).await {
            tracing::warn!(%error, "the stop could not be recorded");
        }
        if let Err(failure) = crate::evidence::checkpoint::sign(&self.app).await {
            tracing::warn!(%failure, "no last checkpoint could be signed");
        }
        self.serving.abort();
        self.control.abort();
        self.workload.abort();
        crate::control::remove(&self.app.paths);
        let _ = std::fs::remove_file(self.app.paths.agents_socket());
        self.jobs.abort();
        self.revoking.abort();
        self.judging.abort();
        self.learning.abort();
        let mut lane = self.lane;
        let joined = tokio::task::spawn_blocking(move || lane.join());
        within(Duration::from_secs(2), async {
            drop(joined.await);
        })
        .await;
        self.app.store.close();
    }

    /// Ends at once, as a crash would: nothing is drained, recorded or closed. For scenarios and tests of recovery.
    pub fn drop_dead(self) {
        self.serving.abort();
        self.control.abort();
        self.workload.abort();
        self.jobs.abort();
        self.revoking.abort();
        self.judging.abort();
        self.learning.abort();
        self.app.life.cut(Cut::Shutdown);
        for live in self.app.live.all() {
            live.cut(Cut::Shutdown);
        }
    }
}

async fn within(limit: Duration, work: impl Future<Output = ()>) {
    // Past the limit the process ends anyway and takes the rest with it.
    let _ = tokio::time::timeout(limit, work).await;
}
