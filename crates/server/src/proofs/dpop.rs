//! DPoP at the door (RFC 9449, 7): the proof belongs to this request, this token and the run's key, and was not seen before.

use std::sync::Arc;

use remit_core::confinement::Proof;
use remit_gateway::ports::{AuthFailure, Presented, Scheme};
use remit_identity::dpop::{self, DpopError, Expected};

use super::replays::Seen;
use super::{anomaly, came_from, challenge};
use crate::app::App;
use crate::engine::live::Live;

/// Checks the proof of a run that is bound to the key `jkt`.
pub(super) async fn check(
    app: &Arc<App>,
    live: &Arc<Live>,
    jkt: &str,
    presented: &Presented,
) -> Result<Proof, AuthFailure> {
    let now = app.clock.now();
    let nonce = || Some(app.nonces.at(now));
    let token = presented.token.as_deref().unwrap_or_default();
    let (Scheme::Dpop, Some(proof)) = (presented.scheme, &presented.dpop) else {
        let message = format!(
            "a token bound to key {jkt} was presented without a proof of that key, {}",
            came_from(presented)
        );
        anomaly(app, live, "proof_missing", jkt, "no proof", message, presented).await;
        return Err(challenge(
            "invalid_token",
            "this token is bound to a key: send it as `Authorization: DPoP …` with a `DPoP` proof",
            nonce(),
        ));
    };
    let expected = Expected {
        method: &presented.method,
        urls: &[&presented.url],
        access_token: Some(token),
    };
    let proved = match dpop::verify(proof, &expected, None, now) {
        Ok(proved) => proved,
        Err(DpopError::Nonce) => {
            return Err(challenge(
                "use_dpop_nonce",
                &DpopError::Nonce.to_string(),
                nonce(),
            ));
        }
        Err(error @ DpopError::Invalid(_)) => {
            return Err(challenge("invalid_dpop_proof", &error.to_string(), nonce()));
        }
    };
    if proved.jkt != jkt {
        let message = format!(
            "a token bound to key {jkt} was presented by key {}, {}",
            proved.jkt,
            came_from(presented)
        );
        anomaly(app, live, "key_mismatch", jkt, &proved.jkt, message, presented).await;
        return Err(challenge(
            "invalid_token",
            "this token is bound to another key",
            nonce(),
        ));
    }
    match app.replays.see(proved.replay, proved.expires_at, now) {
        Seen::First => Ok(Proof::Key),
        Seen::Before => {
            let message = format!(
                "a proof of key {jkt} was presented twice, {}",
                came_from(presented)
            );
            anomaly(
                app,
                live,
                "proof_replayed",
                jkt,
                "a copied proof",
                message,
                presented,
            )
            .await;
            Err(challenge(
                "invalid_dpop_proof",
                "this DPoP proof was used before",
                nonce(),
            ))
        }
        // What was seen before the start is not known any more, so such a proof must show that it is newer.
        Seen::Unknown => match dpop::verify(proof, &expected, Some(&app.nonces), now) {
            Ok(_) => Ok(Proof::Key),
            Err(_) => Err(challenge(
                "use_dpop_nonce",
                &DpopError::Nonce.to_string(),
                nonce(),
            )),
        },
        Seen::Full => Err(AuthFailure::Unavailable(
            "too many proofs are remembered: try again in a minute".to_owned(),
        )),
    }
}
