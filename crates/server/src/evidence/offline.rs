//! Verification without an engine: a data folder that is stopped, or a copy of one. Nothing in it is changed.

use std::path::{Path, PathBuf};

use remit_ledger::note::{Ed25519Signer, KeyName, VerifierKey};
use remit_ledger::verify::Verifier;
use remit_store::{RowKey, integrity, look, tree};

use super::verify::{Verified, whole};
use crate::app::Failure;
use crate::keys::{self, Key};

/// What was found in a data folder.
#[derive(Debug)]
pub struct Looked {
    /// The ledger.
    pub verified: Verified,
    /// Rows that grant and are not what the ledger says; `None` when there is no row key to check them with.
    pub rows: Option<Vec<String>>,
    /// The ledger's name.
    pub origin: String,
    /// The key it was checked with.
    pub key: VerifierKey,
}

impl Looked {
    /// True when nothing was found.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.verified.is_ok() && self.rows.as_ref().is_none_or(Vec::is_empty)
    }
}

/// Verifies the ledger in `data`: a folder as `remit up` keeps it, or the store's file. Without `key` the one in the
/// folder's `keys` is used; `held` are checkpoints kept elsewhere.
///
/// # Errors
/// [`Failure::Invalid`] when it is no such folder, has no checkpoint, or no key is to be had; [`Failure::Unavailable`]
/// when it cannot be read.
pub fn verify(data: &Path, key: Option<VerifierKey>, held: &[Vec<u8>]) -> Result<Looked, Failure> {
    let (store, folder) = if data.is_dir() {
        (data.join("remit.db"), Some(data.join("keys")))
    } else {
        (data.to_owned(), None)
    };
    if !store.is_file() {
        return Err(Failure::Invalid(format!(
            "no store at `{}`: give the data folder `remit up` prints, or the file `[store] path` names",
            store.display()
        )));
    }
    let row_key = existing(folder.as_ref(), "row.key")?;
    let bytes = row_key.as_ref().map_or([0; 32], |key| *key.bytes());
    let mut conn = look(&store, RowKey::new(&bytes)).map_err(Failure::unavailable)?;
    let newest = tree::last_checkpoint(&mut conn)?.ok_or_else(|| {
        Failure::invalid("this ledger has no checkpoint yet: there is no signature to verify")
    })?;
    let origin = newest.note.lines().next().unwrap_or_default().to_owned();
    let key = match key {
        Some(key) => key,
        None => own_key(folder.as_ref(), &origin)?,
    };
    let mut verifier = Verifier::new(&origin, std::slice::from_ref(&key));
    for held in held {
        verifier.hold(held).map_err(|error| {
            Failure::Invalid(format!(
                "the checkpoint you hold is not one of this ledger: {error}"
            ))
        })?;
    }
    let verified = whole(&mut conn, verifier)?;
    let rows = match row_key {
        None => None,
        Some(_) => Some(
            integrity::check_rows(&mut conn)?
                .iter()
                .map(ToString::to_string)
                .collect(),
        ),
    };
    Ok(Looked {
        verified,
        rows,
        origin,
        key,
    })
}

fn existing(folder: Option<&PathBuf>, name: &str) -> Result<Option<Key>, Failure> {
    let Some(folder) = folder else { return Ok(None) };
    keys::existing(&folder.join(name)).map_err(Failure::invalid)
}

fn own_key(folder: Option<&PathBuf>, origin: &str) -> Result<VerifierKey, Failure> {
    let seed = existing(folder, "ledger.key")?.ok_or_else(|| {
        Failure::invalid("there is no ledger key beside this store: give `--key`, as `remit up` printed it")
    })?;
    let name = KeyName::new(origin).map_err(Failure::invalid)?;
    let signer = Ed25519Signer::from_seed(name, seed.bytes()).map_err(Failure::unavailable)?;
    Ok(signer.verifier().clone())
}
