//! Host and Origin: a page in a browser must not reach us through a name that points here.

/// Names that are ours besides the loopback ones (`localhost`, `127.0.0.1`, `[::1]`, any port).
#[derive(Clone, Debug, Default)]
pub struct AllowedHosts {
    /// Further hosts, `name` (any port) or `name:port`, lower case.
    pub hosts: Vec<String>,
    /// Further origins, `scheme://name[:port]`, lower case.
    pub origins: Vec<String>,
}
