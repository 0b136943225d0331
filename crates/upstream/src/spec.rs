//! What a server is: a command we start, or an address we call.

use std::ffi::OsString;
use std::path::PathBuf;

use remit_core::name::Name;

use crate::http::url::{BadUrl, Endpoint};

/// A registered server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSpec {
    /// Its name in the registry.
    pub name: Name,
    /// How it is reached.
    pub transport: Transport,
    /// One connection may serve several tasks. Otherwise there is one per task.
    pub shareable: bool,
}

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// We start it and talk over its standard input and output.
    Stdio(StdioSpec),
    /// Streamable HTTP.
    Http(HttpSpec),
}

/// A server we start.
#[derive(Clone, PartialEq, Eq)]
pub struct StdioSpec {
    /// Program: a path, or a name looked up in the environment's `search_path`.
    pub command: OsString,
    /// Arguments.
    pub args: Vec<OsString>,
    /// Working directory; ours when absent.
    pub cwd: Option<PathBuf>,
    /// The whole environment it gets: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
}

/// Without the values of the environment: they may be secrets.
impl std::fmt::Debug for StdioSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("StdioSpec")
            .field("command", &self.command)
            .field("args", &self.args)
            .field("cwd", &self.cwd)
            .field("env", &names)
            .finish()
    }
}

/// A server at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSpec {
    /// `https://…`; `http://…` only with `allow_private`, and only towards addresses that are not public.
    pub url: String,
    /// Private, loopback and link-local addresses may be dialled.
    pub allow_private: bool,
}

impl HttpSpec {
    /// Checks the address.
    ///
    /// # Errors
    /// It is not an address of this kind.
    pub fn parse(&self) -> Result<Endpoint, BadUrl> {
        Endpoint::parse(&self.url)
    }
}
