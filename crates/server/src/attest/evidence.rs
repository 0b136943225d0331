//! Evidence: what is shown, checked, and the agent it makes.

use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_identity::{Bundle, Expect, JwtError, KeySet, SpiffeId, Verifier, verify_jwt_svid, x509};
use rustls_pki_types::CertificateDer;

use super::keys::document;
use crate::app::{App, Failure};
use crate::config::Attest;
use crate::findings::{self, Found};

/// What is shown.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// An enrolment token.
    Enrolment(String),
    /// An OIDC token or JWT-SVID for this attestor.
    Token {
        /// Which `[attest.NAME]`.
        attestor: Name,
        /// The token.
        token: String,
    },
    /// The X.509-SVID of the connection.
    Certificate {
        /// Which `[attest.NAME]`.
        attestor: Name,
        /// DER, leaf first; the handshake verified possession of its key.
        chain: Vec<Vec<u8>>,
    },
}

/// What good evidence says.
#[derive(Clone, Debug)]
pub struct Attested {
    /// The agent.
    pub agent: Name,
    /// The identity behind it.
    pub identity: String,
    /// The attestor, for the record.
    pub attestor: String,
    /// Several live runs may share it.
    pub shared: bool,
    /// An enrolment to use up.
    pub enrolment: Option<Digest>,
}

/// Checks evidence shown together with the key `key`.
///
/// # Errors
/// [`Failure::Forbidden`] when it does not count; a copied enrolment is kept as a finding.
pub async fn check(app: &Arc<App>, evidence: &Evidence, key: &str) -> Result<Attested, Failure> {
    match evidence {
        Evidence::Enrolment(token) => enrolment(app, token, key).await,
        Evidence::Token { attestor, token } => by_token(app, attestor, token).await,
        Evidence::Certificate { attestor, chain } => by_certificate(app, attestor, chain).await,
    }
}

async fn enrolment(app: &Arc<App>, token: &str, key: &str) -> Result<Attested, Failure> {
    let digest = Digest::of(token.as_bytes());
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::enrolments::get(conn, digest)?))
        .await?;
    let refused = |why: &str| Failure::Forbidden(format!("this enrolment does not count: {why}"));
    let stored = stored.ok_or_else(|| refused("it is not known here"))?;
    if let Some(used) = &stored.used {
        let message = format!(
            "an enrolment of agent {} that made run {} (`{}`) was shown again by `{key}`",
            stored.agent, used.run, used.key
        );
        let mut detail = Object::new();
        detail.insert("agent", stored.agent.as_str());
        detail.insert("first_run", used.run.to_string());
        detail.insert("first_key", used.key.as_str());
        detail.insert("second_key", key);
        let found = Found {
            kind: "enrolment_reused",
            live: None,
            parties: format!("{digest} {key}"),
            message,
            detail,
        };
        if let Err(failure) = findings::keep(app, found).await {
            tracing::error!(%failure, "a finding could not be kept");
        }
        return Err(refused("it was used before, and works once"));
    }
    if app.clock.now() >= stored.expires_at {
        return Err(refused("its time is over"));
    }
    Ok(Attested {
        agent: stored.agent.clone(),
        identity: format!("enrolment {digest}"),
        attestor: "enrolment".to_owned(),
        shared: false,
        enrolment: Some(digest),
    })
}

fn configured<'a>(app: &'a App, name: &Name) -> Result<&'a Attest, Failure> {
    app.config
        .attest
        .get(name.as_str())
        .ok_or_else(|| Failure::Forbidden(format!("no `[attest.{name}]` is configured")))
}

fn attested(name: &Name, attest: &Attest, identity: String) -> Result<Attested, Failure> {
    Ok(Attested {
        agent: attest.agent.parse().map_err(Failure::invalid)?,
        identity,
        attestor: name.to_string(),
        shared: attest.shared,
        enrolment: None,
    })
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::Forbidden(format!("this evidence does not count: {error}"))
}

async fn by_token(app: &Arc<App>, name: &Name, token: &str) -> Result<Attested, Failure> {
    let attest = configured(app, name)?;
    let first = document(app, name, attest, false).await?;
    match read_token(app, name, attest, &first, token) {
        Err(Refusal::Token(JwtError::Key(_))) => {
            let again = document(app, name, attest, true).await?;
            read_token(app, name, attest, &again, token).map_err(Refusal::into_failure)
        }
        other => other.map_err(Refusal::into_failure),
    }
}

enum Refusal {
    Token(JwtError),
    Other(Failure),
}

impl Refusal {
    fn into_failure(self) -> Failure {
        match self {
            Self::Token(error) => refused(error),
            Self::Other(failure) => failure,
        }
    }
}

fn read_token(
    app: &App,
    name: &Name,
    attest: &Attest,
    document: &[u8],
    token: &str,
) -> Result<Attested, Refusal> {
    let now = app.clock.now();
    let audiences = [attest.audience.as_str()];
    let other = |failure| Refusal::Other(failure);
    let unusable = |error: remit_identity::BadJwks| Refusal::Other(Failure::unavailable(error));
    let Some(issuer) = &attest.issuer else {
        let root = root(attest).map_err(other)?;
        let bundle = Bundle::parse(document).map_err(unusable)?;
        let svid = verify_jwt_svid(token, &bundle.jwt, root.trust_domain(), &audiences, now)
            .map_err(Refusal::Token)?;
        return under(name, attest, &root, &svid.id).map_err(other);
    };
    let keys = KeySet::parse(document).map_err(unusable)?;
    let expect = Expect {
        issuer: Some(issuer),
        audiences: &audiences,
        required: &["sub"],
        ..Expect::default()
    };
    let verified = Verifier { keys: &keys, expect }
        .verify(token, now)
        .map_err(Refusal::Token)?;
    for (claim, wanted) in &attest.claims {
        let found = verified.claims.get(claim).and_then(Value::as_str);
        if found != Some(wanted) {
            return Err(other(refused(format!(
                "its `{claim}` is not that of agent {}",
                attest.agent
            ))));
        }
    }
    let subject = verified.claims.needed("sub").map_err(Refusal::Token)?;
    attested(name, attest, format!("{issuer} {subject}")).map_err(other)
}

fn root(attest: &Attest) -> Result<SpiffeId, Failure> {
    attest
        .spiffe_id
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(Failure::unavailable)
}

fn under(name: &Name, attest: &Attest, root: &SpiffeId, id: &SpiffeId) -> Result<Attested, Failure> {
    if !id.is_under(root) {
        return Err(refused(format!("`{id}` is not `{root}` nor below it")));
    }
    attested(name, attest, id.to_string())
}

async fn by_certificate(app: &Arc<App>, name: &Name, chain: &[Vec<u8>]) -> Result<Attested, Failure> {
    let attest = configured(app, name)?;
    if attest.trust_domain.is_none() {
        return Err(refused("this attestor takes tokens, not certificates"));
    }
    let root = root(attest)?;
    let document = document(app, name, attest, false).await?;
    let bundle = Bundle::parse(&document).map_err(Failure::unavailable)?;
    let chain: Vec<CertificateDer<'_>> = chain
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let svid =
        x509::verify_svid(&chain, &bundle.x509, root.trust_domain(), app.clock.now()).map_err(refused)?;
    under(name, attest, &root, &svid.id)
}
