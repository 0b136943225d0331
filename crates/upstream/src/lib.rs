//! The only dialler: takes [`Permitted`](remit_enforce::Permitted) calls, resolves, sends, caps, scrubs.
//!
//! One [`Connection`] per (task, server), or per server where it is declared shareable. Everything that makes bytes leave
//! takes a permit by value; the wire logic below it (`wire`, `stdio`, `http`) is private to this crate.
//!
//! An upstream is not trusted: every length, time and count it controls is bounded here, everything it says is parsed once,
//! strictly, and scrubbed before anybody else sees it.

mod answer;
mod connection;
mod egress;
mod environment;
mod error;
mod event;
mod http;
mod identity;
mod introspect;
mod leg;
mod mirror;
mod negotiate;
mod notices;
mod options;
mod scrub;
mod spec;
mod stdio;
mod stream;
mod subscription;
mod wire;

pub use connection::Connection;
pub use egress::{AwsKey, EgressBody, EgressResponse, Injection, Outbound, Outlet, Source};
pub use environment::{Environment, Launcher};
pub use error::{ErrorKind, Fault, Sent, UpstreamError};
pub use event::{ClientAnswer, ClientRefusal, Reply, RpcError, UpstreamEvent};
pub use http::address::{Resolve, SystemResolver};
pub use http::credential::{Challenge, Credential};
pub use http::fetch::{FetchBody, FetchRequest, Fetched, Secret, fetch};
pub use http::tls::{tls_config, tls_config_and};
pub use http::url::{BadUrl, Endpoint};
pub use identity::{Artefacts, Identity, IdentityError};
pub use introspect::Introspection;
pub use mirror::{MirroredHeader, mirrored_headers};
pub use notices::{Notice, Notices};
pub use options::{CallOptions, Continuation, Era, OpenOptions};
pub use scrub::{REMOVED, Scrubber, Seek, TooManySecrets};
pub use spec::{HttpSpec, ServerSpec, StdioSpec, Transport};
pub use stream::{Duplex, Target, stream};
pub use subscription::Subscription;

/// How TLS is spoken towards servers.
pub type Tls = rustls::ClientConfig;
