//! Evidence: what is shown, checked, and the agent it makes.

use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::json::Object;
use remit_core::name::Name;

use super::word;
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

async fn by_token(app: &Arc<App>, name: &Name, token: &str) -> Result<Attested, Failure> {
    let attest = configured(app, name)?;
    let identity = word::of_token(app, name, &attest.source(), token).await?;
    attested(name, attest, identity)
}

async fn by_certificate(app: &Arc<App>, name: &Name, chain: &[Vec<u8>]) -> Result<Attested, Failure> {
    let attest = configured(app, name)?;
    let identity = word::of_certificate(app, name, &attest.source(), chain).await?;
    attested(name, attest, identity)
}
