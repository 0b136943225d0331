//! What the dialler needs from the house: time, the launcher, names, trust, known secrets.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use remit_confine::LaunchSpec;
use remit_core::time::Clock;

use crate::http::address::Resolve;
use crate::scrub::Scrubber;

/// Everything injected. Cheap to clone.
#[derive(Clone)]
pub struct Environment {
    /// Time for deadlines.
    pub clock: Arc<dyn Clock>,
    /// How servers are started.
    pub launcher: Launcher,
    /// How host names become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Whom we trust over TLS; see [`tls_config`](crate::tls_config).
    pub tls: Arc<rustls::ClientConfig>,
    /// What must never come back from a server.
    pub scrubber: Arc<Scrubber>,
    /// Where commands given by name are looked up, in the form of `PATH`.
    pub search_path: OsString,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("launcher", &self.launcher)
            .field("search_path", &self.search_path)
            .finish_non_exhaustive()
    }
}

/// How servers are started: shut in, by a launcher that becomes the server.
#[derive(Clone, Debug)]
pub struct Launcher {
    /// The `remit` binary; `/proc/self/exe` stays right when it is replaced while we run.
    pub exe: PathBuf,
    /// What the server must not reach. A session of its own is always added.
    pub confine: LaunchSpec,
}
