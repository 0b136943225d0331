//! The control listener: people's side of Remit, over a Unix socket only this machine's owner reaches.
//!
//! Every handler is thin: the guard has told who is asking, the handler parses, calls a use case and shows what came of
//! it. What `remit` prints is what is answered here.

mod agents;
mod approvals;
mod body;
mod error;
mod findings;
mod freezes;
mod grants;
mod guard;
mod humans;
mod kill;
pub mod lane;
mod leases;
mod logins;
mod policy;
mod records;
mod router;
mod runs;
mod secrets;
mod servers;
mod socket;
mod status;
mod stream;
mod systems;
mod tasks;
mod tools;
mod verify;
mod view;

pub(crate) use view::plain;

use std::sync::Arc;

use tokio::sync::watch;

use crate::app::App;
pub(crate) use socket::remove;
pub use socket::{Bound, BoundLane, ControlError, bind, bind_lane};

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Control {
    /// The app.
    pub app: Arc<App>,
    /// Turns true when streams have to end.
    pub stopping: watch::Receiver<bool>,
}

/// Serves until `stopping`.
pub async fn serve(app: Arc<App>, bound: Bound, stopping: watch::Receiver<bool>) {
    let Bound { listener, capability } = bound;
    let control = Control {
        app,
        stopping: stopping.clone(),
    };
    let routes = router::router(control, capability).into_make_service_with_connect_info::<guard::Caller>();
    let mut stopping = stopping;
    let stopped = async move {
        // A sender that is gone is a stop too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, routes)
        .with_graceful_shutdown(stopped)
        .await
    {
        tracing::error!(%error, "the control listener ended");
    }
}
