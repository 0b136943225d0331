//! The engine under test: the real one, in this process, on a runtime of its own so that it can be killed.

use std::ffi::OsString;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use remit_core::entropy::SystemEntropy;
use remit_server::app::{App, Failure};
use remit_server::config::{Config, Hold};
use remit_server::paths::Paths;
use remit_server::start::{Parts, Running, StartError, start};
use tokio::runtime::Runtime;

use crate::clock::ScenarioClock;
use crate::web::Web;

/// The human who owns the installation: acts when a step names nobody.
pub(crate) const OWNER: &str = "local-owner";
/// How long a stopping engine may take to end what is under way.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tries to start while the last engine lets go of the data.
const TRIES: u32 = 100;

/// What an engine is started with; the same each time.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub paths: Paths,
    pub clock: ScenarioClock,
    pub hold: Hold,
    /// Where names lead, when the scenario has HTTP hosts.
    pub web: Option<Arc<Web>>,
}

/// A running engine.
#[derive(Debug)]
pub(crate) struct Engine {
    /// Before the runtime: what it holds is let go first.
    running: Running,
    runtime: Runner,
}

/// A runtime that may be dropped anywhere: an engine that is not ended in order is just cut off.
#[derive(Debug)]
struct Runner(Option<Runtime>);

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Runner {
    fn new() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self(Some(runtime)))
    }

    /// Runs work on it; `Err` when it is shut down, or the work broke off.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, String> {
        match &self.0 {
            Some(runtime) => runtime.spawn(work).await.map_err(|error| error.to_string()),
            None => Err("the engine has been shut down".to_owned()),
        }
    }

    /// Ends everything on it and waits for that.
    async fn shut_down(mut self) {
        if let Some(runtime) = self.0.take() {
            let ended = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(PATIENCE));
            // It is gone either way.
            let _ = ended.await;
        }
    }
}

impl Place {
    /// A place for data below `folder`.
    pub fn below(folder: &Path, clock: ScenarioClock, hold: Hold) -> Self {
        let paths = Paths {
            data: folder.join("data"),
            runtime: folder.join("run"),
            config: folder.join("config"),
        };
        Self {
            paths,
            clock,
            hold,
            web: None,
        }
    }

    /// Starts an engine on this data.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn start(&self) -> Result<Engine, String> {
        let runtime = Runner::new()?;
        let place = self.clone();
        let started = runtime.run(async move { place.start_patiently().await }).await?;
        let running = started.map_err(|error| error.to_string())?;
        if let Some(web) = &self.web {
            // Nothing has been dialled yet: this is the first there is.
            let _ = running.app.dialler.set(web.environment(&self.clock)?);
        }
        Ok(Engine { running, runtime })
    }

    /// A killed engine may hold the data for a moment longer.
    async fn start_patiently(&self) -> Result<Running, StartError> {
        for _ in 1..TRIES {
            match start(self.parts()?).await {
                Err(StartError::Open(remit_store::OpenError::InUse { .. })) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                other => return other,
            }
        }
        start(self.parts()?).await
    }

    fn parts(&self) -> Result<Parts, StartError> {
        let mut config = Config {
            hold: self.hold.clone(),
            ..Config::default()
        };
        config.listen.address = SocketAddr::from(([127, 0, 0, 1], 0));
        config.check().map_err(Failure::invalid)?;
        Ok(Parts {
            config,
            paths: self.paths.clone(),
            clock: Arc::new(self.clock.clone()),
            entropy: Arc::new(SystemEntropy),
            me: OWNER.parse().map_err(Failure::invalid)?,
            // Scenarios have no stdio servers: nothing is ever launched.
            launcher: "remit".into(),
            search_path: OsString::new(),
        })
    }
}

impl Engine {
    /// `host:port` for agents.
    pub fn address(&self) -> String {
        self.running.address.to_string()
    }

    /// Runs one use case inside the engine.
    ///
    /// # Errors
    /// Its failure, or that the engine ended meanwhile.
    pub async fn run<T, F>(&self, work: impl FnOnce(Arc<App>) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send + 'static,
        T: Send + 'static,
    {
        let app = Arc::clone(&self.running.app);
        self.runtime.run(work(app)).await.map_err(Failure::Unavailable)?
    }

    /// The app, for looking at what it knows.
    pub fn app(&self) -> &Arc<App> {
        &self.running.app
    }

    /// Ends it without any warning: nothing is drained, nothing recorded, no request runs to its end.
    pub async fn kill(self) {
        self.runtime.shut_down().await;
        drop(self.running);
    }

    /// Lets it end.
    pub async fn stop(self) {
        let running = self.running;
        // When the stop itself breaks off there is nothing left to wait for.
        let _ = self
            .runtime
            .run(async move { running.stop(PATIENCE).await })
            .await;
        self.runtime.shut_down().await;
    }
}
