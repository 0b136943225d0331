//! Newcomers: a new human, or a new role of one, counts towards two people only once a second person confirmed it or a day
//! has passed. Whoever can register people alone can otherwise be two people by himself.

use remit_core::limits::NEWCOMER_MS;
use remit_core::name::Name;
use remit_store::{ApplyError, Refused, Tx};

/// Refuses a newcomer, in the transaction that counts them.
///
/// # Errors
/// [`Refused::NotAllowed`] saying until when.
pub(crate) fn expect_counts(tx: &mut Tx<'_>, human: &Name) -> Result<(), ApplyError> {
    let known = remit_store::seniority::get(tx, human)?;
    let from = known.as_ref().map_or(tx.time().plus_ms(NEWCOMER_MS), |known| {
        known.since.plus_ms(NEWCOMER_MS)
    });
    if known.is_some_and(|known| known.confirmed_by.is_some()) || tx.time() >= from {
        return Ok(());
    }
    Err(Refused::NotAllowed(format!(
        "{human} is new here, or has a new role: it counts for two-person approvals from {from}, or once another administrator ran `remit human confirm {human}`"
    ))
    .into())
}
