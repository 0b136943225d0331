//! The kill lane: a socket, a thread and a runtime of its own, so that stopping works while everything else is busy. It
//! serves `POST /v1/kill` and nothing else, behind the same guard; the store has a reader and an end of its queue for it.

use std::sync::Arc;
use std::thread::JoinHandle;

use axum::Router;
use axum::middleware;
use axum::routing::post;
use tokio::sync::watch;

use super::guard::{self, Guard};
use super::socket::{BoundLane, ControlError};
use super::{Control, kill};
use crate::app::App;

/// A lane that serves.
#[derive(Debug)]
pub struct Lane(Option<JoinHandle<()>>);

impl Lane {
    /// Serves until `stopping`, on a thread of its own.
    ///
    /// # Errors
    /// [`ControlError::Io`] when there is no thread or no runtime to be had.
    pub fn start(
        app: Arc<App>,
        bound: BoundLane,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, ControlError> {
        let path = app.paths.kill_socket();
        let io = |source| ControlError::Io { path, source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(source) => return Err(io(source)),
        };
        let thread = std::thread::Builder::new()
            .name("remit-kill".to_owned())
            .spawn(move || runtime.block_on(serve(app, bound, stopping)))
            .map_err(io)?;
        Ok(Self(Some(thread)))
    }

    /// Waits until it has ended; `stopping` has to be true by then.
    pub fn join(&mut self) {
        if let Some(thread) = self.0.take() {
            // A lane that broke off has said so; the stop goes on.
            drop(thread.join());
        }
    }
}

async fn serve(app: Arc<App>, bound: BoundLane, mut stopping: watch::Receiver<bool>) {
    let BoundLane { listener, capability } = bound;
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the kill lane cannot listen");
            return;
        }
    };
    let control = Control {
        app,
        stopping: stopping.clone(),
    };
    let guard = Guard {
        control: control.clone(),
        capability: Arc::new(capability),
    };
    let routes = Router::new()
        .route("/v1/kill", post(kill::kill))
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(control)
        .into_make_service_with_connect_info::<guard::Caller>();
    let stopped = async move {
        // A sender that is gone is a stop too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, routes)
        .with_graceful_shutdown(stopped)
        .await
    {
        tracing::error!(%error, "the kill lane ended");
    }
}
