//! Keys on disk: each its own file, 32 random bytes, owner-only, never in the store. See the table in SECURITY.md.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use remit_core::entropy::Entropy;
use zeroize::Zeroizing;

/// A 32-byte secret that is wiped when dropped and never printed.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// The bytes, for the one module that uses them.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for one purpose (HMAC-SHA256 of `purpose` under this key).
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, self.bytes()),
            purpose.as_bytes(),
        );
        let mut out = Zeroizing::new([0_u8; 32]);
        for (to, from) in out.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        Self(out)
    }

    /// A fresh random key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn fresh(entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        entropy.fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use key file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read it, or it is not 32 bytes.
    #[error(
        "key file {0} must belong to you, be mode 0600 and hold 32 bytes: it may have been copied or replaced"
    )]
    Unsafe(PathBuf),
    /// It cannot be used for what it is for.
    #[error("a signing key cannot be used: {0}")]
    Unusable(String),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] remit_core::entropy::NoEntropy),
}

/// The keys of one installation.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Authenticates rows that grant.
    pub row: Key,
    /// Seed of the Ed25519 key that signs ledger checkpoints.
    pub ledger: Key,
    /// Wraps the per-task keys of sealed bodies.
    pub seal: Key,
    /// Seals `requestState`.
    pub state: Key,
}

impl Keys {
    /// Reads the keys under `folder`, making those that do not exist yet.
    ///
    /// # Errors
    /// [`KeyError`] when a file is unreadable, readable by others, or of the wrong size.
    pub fn open(folder: &Path, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        let read = |name: &str| read_or_make(&folder.join(name), entropy);
        Ok(Self {
            row: read("row.key")?,
            ledger: read("ledger.key")?,
            seal: read("seal.key")?,
            state: read("state.key")?,
        })
    }
}

/// Writes an owner-only file that does not exist yet, whole or not at all.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    let half_done = path.with_extension("new");
    let _ = fs::remove_file(&half_done);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&half_done)
        .map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&half_done, path).map_err(io)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder).and_then(|f| f.sync_all()).map_err(io)?;
    }
    Ok(())
}

impl Key {
    /// The key in a file, made when it does not exist.
    ///
    /// # Errors
    /// [`KeyError`] when the file is unreadable, readable by others, or of the wrong size.
    pub fn in_file(path: &Path, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        read_or_make(path, entropy)
    }

    /// The key in a file that somebody else put there: 32 bytes, not to be read or written by others.
    ///
    /// # Errors
    /// [`KeyError`] when the file is missing, open to others, or of the wrong size.
    pub fn given(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io {
            path: path.to_owned(),
            source,
        };
        let meta = fs::metadata(path).map_err(io)?;
        if meta.mode() & 0o037 != 0 || !meta.is_file() {
            return Err(KeyError::Unsafe(path.to_owned()));
        }
        let bytes = Zeroizing::new(fs::read(path).map_err(io)?);
        let key: [u8; 32] = bytes
            .as_slice()
            .try_into()
            .map_err(|_| KeyError::Unsafe(path.to_owned()))?;
        Ok(Self(Zeroizing::new(key)))
    }
}

/// Reads a 32-byte key file; `None` when there is none.
///
/// # Errors
/// [`KeyError`] when it is unreadable, readable by others, or of the wrong size.
pub fn existing(path: &Path) -> Result<Option<Key>, KeyError> {
    let io = |source| KeyError::Io {
        path: path.to_owned(),
        source,
    };
    match fs::metadata(path) {
        Ok(meta) => {
            if meta.mode() & 0o077 != 0
                || meta.uid() != rustix::process::geteuid().as_raw()
                || !meta.is_file()
            {
                return Err(KeyError::Unsafe(path.to_owned()));
            }
            let bytes = Zeroizing::new(fs::read(path).map_err(io)?);
            let key: [u8; 32] = bytes
                .as_slice()
                .try_into()
                .map_err(|_| KeyError::Unsafe(path.to_owned()))?;
            Ok(Some(Key(Zeroizing::new(key))))
        }
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(other) => Err(io(other)),
    }
}

/// Reads a 32-byte key file, making it when it does not exist.
pub(crate) fn read_or_make(path: &Path, entropy: &dyn Entropy) -> Result<Key, KeyError> {
    if let Some(key) = existing(path)? {
        return Ok(key);
    }
    let key = Key::fresh(entropy)?;
    write_new(path, key.bytes())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::entropy::SystemEntropy;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_refused_when_others_can_read_it() {
        let folder = std::env::temp_dir().join(format!("remit-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let first = Keys::open(&folder, &SystemEntropy).unwrap();
        let again = Keys::open(&folder, &SystemEntropy).unwrap();
        assert_eq!(first.row.bytes(), again.row.bytes());
        assert_ne!(first.row.bytes(), first.ledger.bytes());
        fs::set_permissions(folder.join("row.key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            Keys::open(&folder, &SystemEntropy),
            Err(KeyError::Unsafe(_))
        ));
        fs::remove_dir_all(&folder).unwrap();
    }
}
