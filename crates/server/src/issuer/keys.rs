//! Key files of the issuer: `token-<made>.key`, `ca-<made>.key` (32 secret bytes) and `ca-<made>.crt` (DER), owner-only. The
//! name carries the moment it was made, in milliseconds since the epoch: where a generation stands follows from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use remit_core::entropy::Entropy;
use remit_core::time::Timestamp;
use remit_identity::x509::Ca;
use remit_identity::{Generation, SigningKey, TrustDomain};
use rustls_pki_types::CertificateDer;

use crate::keys::{Key, KeyError, read_or_make, write_new};

fn made(folder: &Path, purpose: &str) -> Result<Vec<(Timestamp, PathBuf)>, KeyError> {
    let io = |source| KeyError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let is_key = path.extension().is_some_and(|extension| extension == "key");
        let at = stem.strip_prefix(purpose).and_then(|rest| rest.strip_prefix('-'));
        if let (true, Some(Ok(at))) = (is_key, at.map(str::parse)) {
            found.push((Timestamp(at), path));
        }
    }
    found.sort();
    Ok(found)
}

fn path(folder: &Path, purpose: &str, at: Timestamp, extension: &str) -> PathBuf {
    folder.join(format!("{purpose}-{}.{extension}", at.0))
}

fn signing(key: &Key) -> Result<SigningKey, KeyError> {
    SigningKey::from_seed(key.bytes()).map_err(|error| KeyError::Unusable(error.to_string()))
}

/// The token keys there are.
pub(super) fn tokens(folder: &Path) -> Result<Vec<Generation<Arc<SigningKey>>>, KeyError> {
    let mut found = Vec::new();
    for (made_at, path) in made(folder, "token")? {
        // It exists, so it is read and checked, not made.
        let key = read_or_make(&path, &NoMaking)?;
        found.push(Generation {
            made_at,
            key: Arc::new(signing(&key)?),
        });
    }
    Ok(found)
}

/// Makes a token key.
pub(super) fn make_token(
    folder: &Path,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Generation<Arc<SigningKey>>, KeyError> {
    let key = read_or_make(&path(folder, "token", now, "key"), entropy)?;
    Ok(Generation {
        made_at: now,
        key: Arc::new(signing(&key)?),
    })
}

/// The CAs there are.
pub(super) fn cas(
    folder: &Path,
    domain: &TrustDomain,
    life_ms: i64,
) -> Result<Vec<Generation<Arc<Ca>>>, KeyError> {
    let mut found = Vec::new();
    for (made_at, key_path) in made(folder, "ca")? {
        let key = read_or_make(&key_path, &NoMaking)?;
        found.push(ca(folder, domain, life_ms, made_at, &key)?);
    }
    Ok(found)
}

/// Makes a CA.
pub(super) fn make_ca(
    folder: &Path,
    domain: &TrustDomain,
    life_ms: i64,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Generation<Arc<Ca>>, KeyError> {
    let key = read_or_make(&path(folder, "ca", now, "key"), entropy)?;
    ca(folder, domain, life_ms, now, &key)
}

/// The CA of a key, with the certificate it was given; one that was never written is given now.
fn ca(
    folder: &Path,
    domain: &TrustDomain,
    life_ms: i64,
    made_at: Timestamp,
    key: &Key,
) -> Result<Generation<Arc<Ca>>, KeyError> {
    let unusable = |error: remit_identity::x509::X509Error| KeyError::Unusable(error.to_string());
    let key = signing(key)?;
    let until = made_at.plus_ms(life_ms);
    let file = path(folder, "ca", made_at, "crt");
    let ca = match std::fs::read(&file) {
        Ok(der) => Ca::with_certificate(domain, &key, made_at, until, CertificateDer::from(der)),
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            let ca = Ca::self_signed(domain, &key, made_at, until).map_err(unusable)?;
            write_new(&file, ca.certificate())?;
            Ok(ca)
        }
        Err(source) => return Err(KeyError::Io { path: file, source }),
    };
    Ok(Generation {
        made_at,
        key: Arc::new(ca.map_err(unusable)?),
    })
}

/// Deletes the files of a generation.
pub(super) fn delete(folder: &Path, purpose: &str, made_at: Timestamp) {
    for extension in ["key", "crt"] {
        // What is gone already is what we want.
        let _ = std::fs::remove_file(path(folder, purpose, made_at, extension));
    }
}

/// Where nothing may be made.
struct NoMaking;

impl Entropy for NoMaking {
    fn fill(&self, _: &mut [u8]) -> Result<(), remit_core::entropy::NoEntropy> {
        Err(remit_core::entropy::NoEntropy)
    }
}
