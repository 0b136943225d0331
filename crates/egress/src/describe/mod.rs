//! Descriptions of systems: which operations there are, what each does, what it touches, where its credential stands.
//!
//! A description is data (`docs/systems.md`). Each operation becomes a tool of a server with the system's name, so that
//! requests are decided like any other call.

mod compile;
mod definition;
mod file;
mod hosts;
mod lookup;
mod openapi;
mod operation;
mod resource;
pub mod revoke;
mod shipped;
mod template;
mod yaml;

pub use compile::BadDescription;
pub(crate) use compile::operation as compile_operation;
pub(crate) use file::OperationFile;
pub use file::{CredentialFile, File};
pub use hosts::HostPattern;
pub use lookup::{Bind, Lookup, Member};
pub use openapi::from_openapi;
pub use operation::{BodyKind, Credential, Field, FieldKind, FieldRole, Operation, Place};
pub use resource::ResourcePattern;
pub(crate) use resource::lookup_in;
pub use shipped::{SHIPPED, shipped};
pub use template::{PathTemplate, Piece};
pub use yaml::to_json as yaml_to_json;

use remit_core::name::Name;

pub use operation::GraphQl;

/// A system as requests are read against it.
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// Its name; the server's name in calls.
    pub name: Name,
    /// What people call it.
    pub title: String,
    /// Hosts that are this system.
    pub hosts: Vec<HostPattern>,
    /// TLS is spoken to it.
    pub https: bool,
    /// Port, where it is not the scheme's own.
    pub port: Option<u16>,
    /// Leading segments of its resources whose letters' case does not count: they are lower case here.
    pub fold: usize,
    /// Where credentials stand; anything else that looks like one is foreign.
    pub credentials: Vec<Credential>,
    /// Further request headers that are part of a call, lower case; `x-*` stands for all that begin so.
    pub headers: Vec<String>,
    /// Operations, most specific first.
    pub operations: Vec<Operation>,
    /// Repositories over git's smart HTTP.
    pub git: Option<Git>,
    /// GraphQL endpoint.
    pub graphql: Option<GraphQl>,
    /// Requests are signed with AWS Signature Version 4 for this service; `None` otherwise.
    pub sigv4: Option<String>,
}

/// git's smart HTTP on a system.
#[derive(Clone, Debug, PartialEq)]
pub struct Git {
    /// Host; any host of the system when absent.
    pub host: Option<HostPattern>,
    /// Path of a repository, without `.git`.
    pub repository: PathTemplate,
    /// What can be asked of one.
    pub operations: Vec<Operation>,
}

impl System {
    /// The port requests go to.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match (self.port, self.https) {
            (Some(port), _) => port,
            (None, true) => 443,
            (None, false) => 80,
        }
    }

    /// The port of the scheme.
    #[must_use]
    pub const fn own_port(&self) -> u16 {
        if self.https { 443 } else { 80 }
    }

    /// `http` or `https`.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The path of a resource with the segments whose case does not count in lower case.
    #[must_use]
    pub fn folded(&self, path: &str) -> String {
        let mut left = self.fold;
        let rooted = path.starts_with('/');
        let parts = path.split('/').enumerate().map(|(at, segment)| {
            if left == 0 || (rooted && at == 0) {
                return segment.to_owned();
            }
            left -= 1;
            segment.to_lowercase()
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// True when `host` at `port` is this system.
    #[must_use]
    pub fn is_at(&self, host: &str, port: u16) -> bool {
        port == self.port() && self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}
