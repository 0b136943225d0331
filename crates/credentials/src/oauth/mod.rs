//! The OAuth 2.1 client towards MCP servers (MCP authorization, revisions 2025-11-25 and 2026-07-28), without its I/O:
//! what to ask where, and whether to believe the answer.
//!
//! Every document read here was written by somebody we do not trust. What is compared is compared byte by byte; nothing is
//! normalised first, for two ways to normalise are how one issuer passes for another.

mod challenge;
mod client;
mod flow;
mod metadata;
mod scope;
mod token;
mod url;

pub use challenge::{BearerChallenge, bearer_challenge};
pub use client::{AuthMethod, BadRegistration, Client, RegistrationRequest, registered};
pub use flow::{AnswerError, Begin, BeginError, Code, Pending};
pub use metadata::{
    AuthorizationServer, BadMetadata, ProtectedResource, authorization_server_urls, protected_resource_urls,
};
pub use scope::{Scopes, select, step_up};
pub use token::{
    Assertion, Grant, TokenError, TokenRequest, Tokens, revocation_request, token_request, tokens,
};
