//! Discovery: from the server that refused us to the authorization server that may let us in (RFC 9728, RFC 8414, OpenID
//! Connect Discovery).

use std::sync::Arc;
use std::time::Duration;

use remit_core::name::Name;
use remit_credentials::oauth::{
    AuthorizationServer, BearerChallenge, ProtectedResource, authorization_server_urls,
    protected_resource_urls,
};
use remit_upstream::{FetchBody, FetchRequest, Fetched};

use crate::app::{App, Failure};
use crate::config::UpstreamOauth;
use crate::engine::live::Live;
use crate::fetch::{Asker, fetch};

/// Most bytes of a metadata document.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for one.
const WAIT: Duration = Duration::from_secs(10);

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) resource: ProtectedResource,
    pub(super) server: AuthorizationServer,
}

/// The server that is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) name: &'a Name,
    pub(super) url: &'a str,
    pub(super) allow_private: bool,
    /// It is a system: it publishes nothing, and what is written down about it counts.
    pub(super) is_system: bool,
    pub(super) task: Option<&'a Live>,
}

/// Finds both documents.
pub(super) async fn discover(
    app: &Arc<App>,
    about: About<'_>,
    wanted: Option<&BearerChallenge>,
    oauth: &UpstreamOauth,
) -> Result<Found, Failure> {
    let hint = wanted.and_then(|wanted| wanted.resource_metadata.as_deref());
    let published = if about.is_system {
        None
    } else {
        let urls = protected_resource_urls(about.url, hint).map_err(|e| bad(about.name, "challenge", &e))?;
        first(app, about, urls, "protected resource metadata").await?
    };
    let resource = match published {
        Some(found) => ProtectedResource::read(&found.body, about.url)
            .map_err(|e| bad(about.name, "protected resource metadata", &e))?,
        // A server that publishes nothing is used with what its owner wrote down.
        None => ProtectedResource {
            resource: about.url.to_owned(),
            authorization_servers: oauth.issuer.iter().cloned().collect(),
            scopes: None,
        },
    };
    let issuers = &resource.authorization_servers;
    let issuer = match &oauth.issuer {
        Some(issuer) if issuers.contains(issuer) => issuer,
        Some(issuer) => {
            return Err(Failure::Conflict(format!(
                "server `{}` no longer names the configured issuer `{issuer}`: look at what changed before you change `issuer`",
                about.name
            )));
        }
        None => issuers.first().ok_or_else(|| {
            Failure::Unavailable(format!(
                "server `{}` wants a token and does not say from whom: set `[servers.{0}.oauth] issuer`",
                about.name
            ))
        })?,
    };
    let urls = authorization_server_urls(issuer).map_err(|e| bad(about.name, "issuer", &e))?;
    let found = first(app, about, urls, "authorization server metadata").await?;
    let found = found.ok_or_else(|| {
        Failure::Unavailable(format!(
            "issuer `{issuer}` of server `{}` publishes no metadata",
            about.name
        ))
    })?;
    let server = AuthorizationServer::read(&found.body, issuer, oauth.assume_s256)
        .map_err(|e| bad(about.name, "authorization server metadata", &e))?;
    Ok(Found { resource, server })
}

/// The first document that is there; the first that is there counts, whatever it says.
async fn first(
    app: &Arc<App>,
    about: About<'_>,
    urls: Vec<String>,
    purpose: &'static str,
) -> Result<Option<Fetched>, Failure> {
    for url in urls {
        let asker = Asker {
            about: about.name,
            task: about.task,
            purpose,
        };
        let request = FetchRequest {
            url,
            body: FetchBody::Nothing,
            authorization: None,
            header: None,
            allow_private: about.allow_private,
            bytes_max: DOCUMENT_BYTES_MAX,
            timeout: WAIT,
        };
        let found = fetch(app, asker, &request).await?;
        match found.status {
            200 => return Ok(Some(found)),
            400..=499 => {}
            status => {
                return Err(Failure::Unavailable(format!(
                    "the {purpose} of server `{}` cannot be read: HTTP status {status}",
                    about.name
                )));
            }
        }
    }
    Ok(None)
}

fn bad(server: &Name, what: &str, why: &dyn std::fmt::Display) -> Failure {
    Failure::Conflict(format!("the {what} of server `{server}` is not taken: {why}"))
}
