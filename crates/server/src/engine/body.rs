//! Bodies: the canonical call sealed beside the ledger, and the salted commitment that stands for it in the record.

use remit_core::call::Call;
use remit_core::digest::Digest;
use remit_core::id::{CallId, TaskId};
use remit_core::json::{Bounds, parse};
use remit_store::codec::{call_from_json, call_to_json};

use crate::app::{App, Failure};

/// Length of the salt in front of a body, in bytes.
const SALT: usize = 16;

/// A sealed body and what the record says of it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// Digest of the sealed bytes.
    pub digest: Digest,
    /// Digest over salt and canonical call.
    pub commitment: Digest,
}

/// Seals a call under its task's key.
///
/// # Errors
/// [`Failure::Unavailable`] without randomness.
pub fn seal(app: &App, task: TaskId, id: CallId, call: &Call) -> Result<Sealed, Failure> {
    let mut salt = [0_u8; SALT];
    app.entropy.fill(&mut salt)?;
    let mut plain = salt.to_vec();
    call_to_json(call).write_canonical(&mut plain);
    let commitment = Digest::of(&plain);
    let bytes = app.sealer(task)?.seal(&id.to_string(), &plain, &*app.entropy)?;
    Ok(Sealed {
        digest: Digest::of(&bytes),
        bytes,
        commitment,
    })
}

/// Opens a sealed call.
///
/// # Errors
/// [`Failure::Unavailable`] when it was changed or is not a call.
pub fn open(app: &App, task: TaskId, id: CallId, sealed: &[u8]) -> Result<Call, Failure> {
    let plain = app.sealer(task)?.open(&id.to_string(), sealed)?;
    let json = plain.get(SALT..).unwrap_or_default();
    let value = parse(json, &Bounds::RESPONSE).map_err(Failure::unavailable)?;
    call_from_json(&value).map_err(Failure::unavailable)
}
