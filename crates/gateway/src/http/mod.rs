//! The HTTP side: routes, guards, framing.

mod guard;

use std::sync::Arc;

use axum::Router;

use crate::config::GatewayConfig;
use crate::ports::Engine;

pub use guard::AllowedHosts;

/// All routes of the gateway: `/mcp` and `/mcp/{server}`.
pub fn router<E: Engine>(engine: Arc<E>, config: GatewayConfig) -> Router {
    let _ = (engine, config);
    Router::new()
}
