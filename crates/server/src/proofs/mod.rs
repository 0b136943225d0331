//! Proof: how one request shows that it comes from the run its token belongs to. A fact of each request, never of the run.
//!
//! A run that was bound to a key proves the key ([`dpop`], or a client certificate); one that was started here proves its
//! process ([`peer`]), or shows the identity document it was given here ([`certificate`]); the others have their token alone.
//! What fails is refused, and kept as a finding that names both.

pub(crate) mod certificate;
mod dpop;
mod peer;
mod replays;

use std::sync::Arc;

use remit_core::confinement::{BoundKey, Proof};
use remit_core::json::Object;
use remit_gateway::ports::{AuthFailure, Presented, Scheme};

use crate::app::App;
use crate::engine::live::Live;
use crate::findings::{self, Found};

pub use peer::identify;
pub use replays::{Replays, Seen};

/// What a request proves about the run of its token.
///
/// # Errors
/// [`AuthFailure::Proof`] with the challenge, [`AuthFailure::Anomaly`], or [`AuthFailure::Unavailable`] when it cannot be
/// told now.
pub async fn prove(app: &Arc<App>, live: &Arc<Live>, presented: &Presented) -> Result<Proof, AuthFailure> {
    let standing = live.standing();
    match (&standing.key, standing.proof) {
        (Some(BoundKey::Jkt(jkt)), _) => dpop::check(app, live, jkt, presented).await,
        (Some(BoundKey::Certificate(bound)), _) => certificate::bound(app, live, bound, presented).await,
        // Nobody has attested it yet: its token was never handed out.
        (None, Proof::Key) => Err(AuthFailure::Unknown),
        (None, Proof::Peer | Proof::Bearer) if presented.scheme == Scheme::Dpop => Err(challenge(
            "invalid_token",
            "this token is bound to no key: send it as `Authorization: Bearer …`",
            None,
        )),
        (None, Proof::Peer | Proof::Bearer) => {
            // A process that is not the run's is not made so by a copied certificate.
            let found = match standing.process {
                Some(process) => peer::check(app, live, process, &presented.connection).await?,
                None => Proof::Bearer,
            };
            let own = certificate::own(app, live, presented).await?;
            Ok(own.unwrap_or(found))
        }
    }
}

/// Keeps a finding about a presented token; the refusal does not wait for it to succeed.
async fn anomaly(
    app: &Arc<App>,
    live: &Arc<Live>,
    kind: &'static str,
    run: &str,
    other: &str,
    message: String,
    presented: &Presented,
) {
    let mut detail = Object::new();
    detail.insert("bound_to", run);
    detail.insert("presented_by", other);
    detail.insert("from", came_from(presented));
    let found = Found {
        kind,
        live: Some(live),
        parties: format!("{run} {other}"),
        message,
        detail,
    };
    if let Err(failure) = findings::keep(app, found).await {
        tracing::error!(%failure, "a finding could not be kept");
    }
}

/// Where a request came from, for people.
fn came_from(presented: &Presented) -> String {
    let connection = &presented.connection;
    match (connection.peer, connection.remote) {
        (Some(peer), _) => format!("from process {} of user {}", peer.pid, peer.uid),
        // The port says nothing once the connection is closed.
        (None, Some(remote)) => format!("from {}", remote.ip()),
        (None, None) => "from a connection of unknown origin".to_owned(),
    }
}

fn challenge(error: &'static str, message: &str, nonce: Option<String>) -> AuthFailure {
    let names: Vec<&str> = remit_identity::dpop::ALGORITHMS
        .iter()
        .map(|algorithm| algorithm.as_str())
        .collect();
    AuthFailure::Proof {
        error,
        message: message.to_owned(),
        nonce,
        algorithms: names.join(" "),
    }
}
