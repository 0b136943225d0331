//! Client certificates at the door: the one a run is bound to (RFC 8705, 3), or the run's own X.509-SVID. What a connection
//! shows of somebody else's is refused and kept, whatever token comes with it.

use std::sync::Arc;

use remit_core::confinement::Proof;
use remit_gateway::ports::{AuthFailure, Connection, Presented};
use remit_identity::{SpiffeId, x509};
use rustls_pki_types::CertificateDer;

use super::{anomaly, came_from, challenge};
use crate::app::App;
use crate::engine::live::Live;

/// The certificate of a run that is bound to one.
pub(super) async fn bound(
    app: &Arc<App>,
    live: &Arc<Live>,
    bound: &str,
    presented: &Presented,
) -> Result<Proof, AuthFailure> {
    let shown = presented
        .connection
        .certificates
        .first()
        .map(|certificate| x509::thumbprint(certificate));
    if shown.as_deref() == Some(bound) {
        return Ok(Proof::Key);
    }
    let (kind, whose) = match &shown {
        Some(other) => ("key_mismatch", format!("certificate {other}")),
        None => ("proof_missing", "no certificate".to_owned()),
    };
    let message = format!(
        "a token bound to certificate {bound} was presented with {whose}, {}",
        came_from(presented)
    );
    anomaly(app, live, kind, bound, &whose, message, presented).await;
    Err(challenge(
        "invalid_token",
        "this token is bound to a client certificate that this connection did not show",
        None,
    ))
}

/// What the certificate of a connection says about a run that is bound to none: its own X.509-SVID proves it, that of
/// another run of ours refuses it, any other says nothing.
pub(super) async fn own(
    app: &Arc<App>,
    live: &Arc<Live>,
    presented: &Presented,
) -> Result<Option<Proof>, AuthFailure> {
    let Some(shown) = ours(app, &presented.connection) else {
        return Ok(None);
    };
    let expected = crate::issuer::identity(app, live).map_err(|failure| {
        AuthFailure::Unavailable(format!("the identity of this run cannot be told: {failure}"))
    })?;
    if shown == expected {
        return Ok(Some(Proof::Key));
    }
    let message = format!(
        "a token of `{expected}` was presented with the certificate of `{shown}`, {}",
        came_from(presented)
    );
    let whose = format!("certificate of {shown}");
    anomaly(
        app,
        live,
        "key_mismatch",
        expected.as_str(),
        &whose,
        message,
        presented,
    )
    .await;
    Err(challenge(
        "invalid_token",
        "this token belongs to another run than the certificate of this connection",
        None,
    ))
}

/// The identity of our own trust domain that a connection proved, checked as of now: certificates end while connections
/// last.
pub(crate) fn ours(app: &App, connection: &Connection) -> Option<SpiffeId> {
    if connection.certificates.is_empty() {
        return None;
    }
    let now = app.clock.now();
    let anchors: Vec<CertificateDer<'static>> = app
        .issuer
        .authorities(now)
        .into_iter()
        .map(|(_, certificate)| certificate)
        .collect();
    let chain: Vec<CertificateDer<'_>> = connection
        .certificates
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let svid = x509::verify_svid(&chain, &anchors, &app.issuer.domain, now).ok()?;
    Some(svid.id)
}
