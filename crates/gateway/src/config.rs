//! What the gateway is told once, at start.

use std::sync::Arc;

use remit_core::entropy::Entropy;
use remit_core::time::Clock;

use crate::http::AllowedHosts;

/// Everything the router needs besides its engine.
#[derive(Clone)]
pub struct GatewayConfig {
    /// Which `Host` and `Origin` values are ours.
    pub hosts: AllowedHosts,
    /// For idle sessions.
    pub clock: Arc<dyn Clock>,
    /// For session ids.
    pub entropy: Arc<dyn Entropy>,
    /// Our address as clients know it, without a slash at the end: where metadata lies (RFC 9728).
    pub public_url: String,
    /// The same of the listener with TLS, for who came there.
    pub tls_url: Option<String>,
    /// What we say our version is.
    pub version: &'static str,
}

impl std::fmt::Debug for GatewayConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayConfig")
            .field("hosts", &self.hosts)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
