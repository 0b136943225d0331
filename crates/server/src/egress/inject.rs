//! Credentials of a request: what it carries is judged before the decision, and swapped after it.

use std::sync::Arc;

use remit_core::decision::Reason;
use remit_core::name::Name;
use remit_egress::refusal::Refusal;
use remit_egress::request::carried::Carried;
use remit_upstream::{Injection, UpstreamError};

use crate::app::App;
use crate::engine::live::Live;

/// What every placeholder starts with.
const PLACEHOLDER: &str = "remit-placeholder-";

/// Everything a request may carry: placeholders, at places its system declares. A credential that Remit did not issue is
/// refused; so is a placeholder where nothing would swap it.
///
/// # Errors
/// [`Refusal`] (`foreign_credential`).
pub(super) fn judge(system: &Name, carried: &[Carried]) -> Result<(), Refusal> {
    for one in carried {
        let sentence = if !one.value.starts_with(PLACEHOLDER) {
            format!(
                "the request carries a credential for `{system}` that Remit did not issue: use the placeholder from the environment"
            )
        } else if !one.declared {
            format!("the request carries a placeholder where `{system}` takes no credential")
        } else {
            continue;
        };
        return Err(Refusal {
            reason: Reason::ForeignCredential,
            sentence,
        });
    }
    Ok(())
}

/// What is put in after the decision.
///
/// # Errors
/// [`UpstreamError`] when what belongs there cannot be had.
pub(super) async fn injections(
    _: &Arc<App>,
    _: &Arc<Live>,
    system: &Name,
    carried: &[Carried],
) -> Result<Vec<Injection>, UpstreamError> {
    if carried.is_empty() {
        return Ok(Vec::new());
    }
    Err(UpstreamError {
        server: system.clone(),
        kind: remit_upstream::ErrorKind::BadSpec,
        sent: remit_upstream::Sent::No,
        detail: format!("no credential is known for `{system}`"),
    })
}
