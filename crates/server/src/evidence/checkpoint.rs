//! Checkpoints: signed heads of the ledger, and proofs handed out at the end of a task.

use std::path::PathBuf;
use std::sync::Arc;

use remit_core::id::TaskId;
use remit_ledger::note::{Ed25519Signer, KeyName, VerifierKey};
use remit_ledger::{Checkpoint, LogProof, SignedCheckpoint, tree};
use remit_store::records::{self, Key};
use remit_store::tree::{StoredCheckpoint, hashes, last_checkpoint};

use crate::app::{App, Failure};

/// The ledger's name: what its checkpoints begin with.
#[must_use]
pub fn origin(app: &App) -> String {
    format!("{}/ledger", app.config.listen.trust_domain)
}

/// The key that signs checkpoints.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be used.
pub fn signer(app: &App) -> Result<Ed25519Signer, Failure> {
    let name = KeyName::new(&origin(app)).map_err(Failure::unavailable)?;
    Ed25519Signer::from_seed(name, app.keys.ledger.bytes()).map_err(Failure::unavailable)
}

/// The key that verifies them.
///
/// # Errors
/// As [`signer`].
pub fn verifier(app: &App) -> Result<VerifierKey, Failure> {
    Ok(signer(app)?.verifier().clone())
}

/// Refuses to go on with a ledger whose heads another key signed: there is no fallback to a key that happens to be there.
///
/// # Errors
/// [`Failure::Unavailable`] when the newest checkpoint under our name is not by our key.
pub async fn expect_own_key(app: &Arc<App>) -> Result<(), Failure> {
    let last = app
        .store
        .read(|conn| Ok::<_, Failure>(last_checkpoint(conn)?))
        .await?;
    let origin = origin(app);
    // Under another name (`[listen] trust_domain`) another ledger's heads begin.
    let Some(last) = last.filter(|last| last.note.lines().next() == Some(origin.as_str())) else {
        return Ok(());
    };
    let keys = [verifier(app)?];
    match SignedCheckpoint::verify(last.note.as_bytes(), &origin, &keys) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Unavailable(format!(
            "the ledger's last checkpoint is not signed by `keys/ledger.key` ({error}): put the key back that signed it;              nothing is signed with another one"
        ))),
    }
}

/// Brings every record into the tree and signs the head, when there is anything new. Answers the newest note.
///
/// # Errors
/// [`Failure::Unavailable`] when the store has stopped or the key cannot be used.
pub async fn sign(app: &Arc<App>) -> Result<Arc<str>, Failure> {
    let _one_at_a_time = app.signing.lock().await;
    let head = app.store.sequence().await?;
    let last = app
        .store
        .read(|conn| Ok::<_, Failure>(last_checkpoint(conn)?))
        .await?;
    if let Some(last) = last.filter(|last| last.size == head.size) {
        let note: Arc<str> = last.note.into();
        app.head.send_replace(Some(Arc::clone(&note)));
        return Ok(note);
    }
    let signed = Checkpoint::new(&origin(app), head.size, head.root)
        .sign(&signer(app)?)
        .map_err(Failure::unavailable)?;
    let note = signed.to_string();
    let stored = StoredCheckpoint {
        size: head.size,
        root: head.root,
        time: app.clock.now(),
        note: note.clone(),
    };
    app.store.put_checkpoint(stored).await?;
    let note: Arc<str> = note.into();
    app.head.send_replace(Some(Arc::clone(&note)));
    Ok(note)
}

/// A proof that the last record of a task is in the ledger, as a `.tlog-proof` (C2SP tlog-proof).
///
/// # Errors
/// [`Failure`] when the task has no records or the tree cannot be read.
pub async fn prove_task(app: &Arc<App>, task: TaskId) -> Result<String, Failure> {
    let note = sign(app).await?;
    let keys = [verifier(app)?];
    let origin = origin(app);
    let signed = SignedCheckpoint::verify(note.as_bytes(), &origin, &keys).map_err(Failure::unavailable)?;
    let key = task.to_string();
    app.store
        .read(move |conn| {
            let last = records::latest(conn, &Key::Task(&key), u64::MAX >> 1, 1)?
                .into_iter()
                .next();
            let last = last.ok_or_else(|| Failure::NotFound(format!("nothing is recorded about {key}")))?;
            let proof = tree::prove_inclusion(last.seq, signed.size(), |indexes| hashes(conn, indexes));
            let proof = proof.map_err(|error| Failure::Unavailable(error.to_string()))?;
            Ok(LogProof::new(&last.leaf, last.seq, proof, &signed).to_string())
        })
        .await
}

/// Writes the proof of a task's end beside the store, where its initiator finds it.
///
/// # Errors
/// [`Failure`] when it cannot be made or written.
pub async fn keep_proof(app: &Arc<App>, task: TaskId) -> Result<PathBuf, Failure> {
    let proof = prove_task(app, task).await?;
    let folder = app.paths.data.join("proofs");
    let path = folder.join(format!("{task}.tlog-proof"));
    let written = path.clone();
    let write = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(&written, proof)
    });
    write
        .await
        .map_err(Failure::unavailable)?
        .map_err(Failure::unavailable)?;
    Ok(path)
}
