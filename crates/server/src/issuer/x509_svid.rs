//! The X.509-SVID of a run: its own identity document, for no audience in particular. Still a decision.

use std::sync::Arc;

use remit_core::confinement::Proof;
use remit_identity::SpiffeId;
use remit_identity::x509::X509Svid;

use super::decide::{Wish, decide};
use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::record;

/// Decides, records and issues; the certificate's serial number is recorded with it.
///
/// # Errors
/// [`Failure::Forbidden`] when it is denied; [`Failure::Unavailable`] when it cannot be recorded or made.
pub async fn issue(app: &Arc<App>, live: &Arc<Live>, proof: Proof) -> Result<(SpiffeId, X509Svid), Failure> {
    let id = super::identity(app, live)?;
    let wish = Wish {
        what: "x509-svid",
        audience: None,
        proof,
        life_ms: app.issuer.lives.svid_ms,
    };
    let issued = decide(app, live, &wish).await?;
    let ca = app.issuer.ca(issued.at).ok_or_else(super::no_key)?;
    let svid = ca
        .issue(&id, issued.at, issued.until, &*app.entropy)
        .map_err(Failure::unavailable)?;
    let mut entry = record::of_live("outcome", live);
    entry.decision_id = Some(issued.decision.to_string());
    entry.outcome = Some("done".to_owned());
    entry.detail.insert("serial", svid.serial.as_str());
    entry.detail.insert("until", svid.expires_at.to_string());
    app.store.append(entry, |_| Ok(())).await?;
    Ok((id, svid))
}
