//! Clients that prove themselves by an SVID (draft-ietf-oauth-spiffe-client-auth, 3): a JWT-SVID as client assertion, or the
//! X.509-SVID of a mutual TLS connection. Of our own trust domain, or of one whose bundle `[attest]` names.

use std::sync::Arc;

use remit_core::limits::ASSERTION_MS_MAX;
use remit_core::name::Name;
use remit_core::task::TaskState;
use remit_gateway::ports::Connection;
use remit_identity::{Bundle, JwtSvid, KeySet, SpiffeId, verify_jwt_svid, x509};
use rustls_pki_types::CertificateDer;

use super::error::OauthError;
use super::issuer;
use crate::app::{App, Failure};
use crate::config::Source;

/// `client_assertion_type` of a JWT-SVID.
pub(super) const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// The registered client an identity authenticates as.
///
/// # Errors
/// `invalid_client` when no client, or more than one, is registered with it.
pub(super) fn client_of(app: &App, identity: &str) -> Result<String, OauthError> {
    let identity = read(identity)?;
    let mut found = app.config.oauth.clients.iter().filter(|(_, client)| {
        let registered = client.spiffe_id.as_deref();
        registered.is_some_and(|registered| matches(&identity, registered))
    });
    match (found.next(), found.next()) {
        (Some((id, _)), None) => Ok(id.clone()),
        (Some(_), Some(_)) => Err(OauthError::client(
            "several clients are registered with this identity: send `client_id`",
        )),
        (None, _) => Err(OauthError::client(
            "no client is registered with this identity: give it `spiffe_id` under `[oauth.clients]`",
        )),
    }
}

/// Checks a JWT-SVID: for our issuer alone, short-lived, of the registered identity.
pub(super) async fn by_token(app: &Arc<App>, registered: &str, token: &str) -> Result<(), OauthError> {
    let root = read(registered.strip_suffix("/*").unwrap_or(registered))?;
    let svid = match trusted(app, &root) {
        Trusted::Ours => {
            let keys = KeySet::new(app.issuer.jwt_authorities(app.clock.now()));
            verified(app, &root, &keys, token).map_err(refused)?
        }
        Trusted::Attested(name, source) => {
            let first = bundle(app, &name, &source, false).await?;
            match verified(app, &root, &first.jwt, token) {
                Err(remit_identity::JwtError::Key(_)) => {
                    let again = bundle(app, &name, &source, true).await?;
                    verified(app, &root, &again.jwt, token).map_err(refused)?
                }
                other => other.map_err(refused)?,
            }
        }
        Trusted::Nobody => return Err(unknown_domain(&root)),
    };
    // Its life is counted from now: agents of SPIFFE keep a JWT-SVID and use it again, so its end is what bounds a copy.
    if svid.expires_at.ms_since(app.clock.now()) > ASSERTION_MS_MAX {
        return Err(OauthError::client("the JWT-SVID lives longer than is taken here"));
    }
    expect(&svid.id, registered)?;
    expect_live(app, &svid.id).await
}

#[expect(clippy::needless_pass_by_value, reason = "an error is mapped into it by name")]
fn refused(error: remit_identity::JwtError) -> OauthError {
    OauthError::client(error.to_string())
}

fn verified(
    app: &App,
    root: &SpiffeId,
    keys: &KeySet,
    token: &str,
) -> Result<JwtSvid, remit_identity::JwtError> {
    let issuer = issuer(app);
    let svid = verify_jwt_svid(token, keys, root.trust_domain(), &[&issuer], app.clock.now())?;
    if svid.claims.audiences()?.len() != 1 {
        return Err(remit_identity::JwtError::Audience);
    }
    Ok(svid)
}

/// Checks the X.509-SVID of the connection; `named` is the SPIFFE ID that the request gave as `client_id`.
pub(super) async fn by_certificate(
    app: &Arc<App>,
    registered: &str,
    named: Option<&str>,
    connection: &Connection,
) -> Result<(), OauthError> {
    if connection.certificates.is_empty() {
        return Err(OauthError::client(
            "this client authenticates by its SVID: send a JWT-SVID as `client_assertion`, or show the X.509-SVID on the TLS listener",
        ));
    }
    let root = read(registered.strip_suffix("/*").unwrap_or(registered))?;
    let now = app.clock.now();
    let anchors = match trusted(app, &root) {
        Trusted::Ours => app
            .issuer
            .authorities(now)
            .into_iter()
            .map(|(_, certificate)| certificate)
            .collect(),
        Trusted::Attested(name, source) => bundle(app, &name, &source, false).await?.x509,
        Trusted::Nobody => return Err(unknown_domain(&root)),
    };
    let chain: Vec<CertificateDer<'_>> = connection
        .certificates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let svid = x509::verify_svid(&chain, &anchors, root.trust_domain(), now)
        .map_err(|error| OauthError::client(error.to_string()))?;
    if named.is_some_and(|named| named != svid.id.as_str()) {
        return Err(OauthError::client(
            "`client_id` is not the identity of the certificate of this connection",
        ));
    }
    expect(&svid.id, registered)?;
    expect_live(app, &svid.id).await
}

/// An identity of our own trust domain is that of a run, and ends with its task, whatever its document says.
async fn expect_live(app: &Arc<App>, shown: &SpiffeId) -> Result<(), OauthError> {
    if *shown.trust_domain() != app.issuer.domain {
        return Ok(());
    }
    let (agent, run) = shown
        .as_run()
        .ok_or_else(|| OauthError::client("this is no identity of a run"))?;
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::runs::get(conn, run)?))
        .await?;
    let ended = || OauthError::client("the run of this SVID has ended, and its identity with it");
    let stored = stored
        .filter(|stored| stored.ended_at.is_none() && stored.run.agent == agent)
        .ok_or_else(ended)?;
    let live = crate::engine::session::of_task(app, stored.run.task).await?;
    let task = Arc::clone(&live.snapshot().task);
    if task.state == TaskState::Open && app.clock.now() < task.expires_at {
        Ok(())
    } else {
        Err(ended())
    }
}

/// Whose keys check a trust domain.
enum Trusted {
    Ours,
    Attested(Name, Box<Source>),
    Nobody,
}

fn trusted(app: &App, root: &SpiffeId) -> Trusted {
    let domain = root.trust_domain();
    if *domain == app.issuer.domain {
        return Trusted::Ours;
    }
    let known = app
        .config
        .attest
        .iter()
        .find(|(_, attest)| attest.trust_domain.as_deref() == Some(domain.as_str()));
    match known.and_then(|(name, attest)| Some((name.parse().ok()?, attest.source()))) {
        Some((name, source)) => Trusted::Attested(name, Box::new(source)),
        None => Trusted::Nobody,
    }
}

async fn bundle(app: &Arc<App>, name: &Name, source: &Source, anew: bool) -> Result<Bundle, Failure> {
    let document = crate::attest::document(app, name, source, anew).await?;
    Bundle::parse(&document).map_err(Failure::unavailable)
}

fn unknown_domain(root: &SpiffeId) -> OauthError {
    OauthError::client(format!(
        "the trust domain `{}` is not known here: name its bundle under `[attest]`",
        root.trust_domain()
    ))
}

fn read(identity: &str) -> Result<SpiffeId, OauthError> {
    identity
        .parse()
        .map_err(|bad: remit_identity::BadSpiffeId| OauthError::client(bad.to_string()))
}

fn expect(shown: &SpiffeId, registered: &str) -> Result<(), OauthError> {
    if matches(shown, registered) {
        return Ok(());
    }
    Err(OauthError::client(
        "the SVID is good, and of another identity than this client is registered with",
    ))
}

/// Exactly the registered identity; with `/*` one below it, in whole segments.
fn matches(shown: &SpiffeId, registered: &str) -> bool {
    match registered.strip_suffix("/*") {
        None => shown.as_str() == registered,
        Some(root) => {
            shown.as_str() != root && root.parse::<SpiffeId>().is_ok_and(|root| shown.is_under(&root))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_matched_whole_or_below_a_whole_segment() {
        let shown: SpiffeId = "spiffe://acme/ci/deploy".parse().unwrap();
        for (registered, fits) in [
            ("spiffe://acme/ci/deploy", true),
            ("spiffe://acme/ci/*", true),
            ("spiffe://acme/ci", false),
            ("spiffe://acme/ci/dep/*", false),
            ("spiffe://acme/ci/deploy/*", false),
            ("spiffe://acme/c/*", false),
            ("spiffe://other/ci/*", false),
        ] {
            assert_eq!(matches(&shown, registered), fits, "{registered}");
        }
    }
}
