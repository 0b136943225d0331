//! The certificate of `[listen.tls]`: read from files that nobody else may touch, and read again when they change. What
//! cannot be used is said aloud, and the one before stays.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::limits::CERTIFICATE_FILE_BYTES_MAX;
use remit_core::time::Clock;
use remit_gateway::Tls;
use remit_identity::x509;
use zeroize::Zeroizing;

use crate::app::{App, Failure};
use crate::config::ListenTls;
use crate::engine::record;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the key or write the certificate.
    #[error("{path} must belong to you and {what}: it may have been copied or replaced")]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// What it must be.
        what: &'static str,
    },
    /// It is larger than is read here.
    #[error("{0} is larger than a certificate chain or a key is")]
    TooLarge(PathBuf),
    /// They are not what they must be.
    #[error("[listen.tls] cannot be used: {0}")]
    Unusable(String),
}

/// How a file looked when it was read.
type Mark = (u64, u64, i64, i64);

/// The certificate in use, and how its files looked.
#[derive(Debug)]
pub struct Certificate {
    tls: Tls,
    certificate: PathBuf,
    key: PathBuf,
    seen: Mutex<[Mark; 2]>,
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// [`CertificateError`]; we do not start then.
    pub fn open(listen: &ListenTls, clock: Arc<dyn Clock>) -> Result<Self, CertificateError> {
        let (chain, first) = read(&listen.certificate, CHAIN)?;
        let (key, second) = read(&listen.key, KEY)?;
        let tls = Tls::new(&chain, &key, clock).map_err(CertificateError::Unusable)?;
        Ok(Self {
            tls,
            certificate: listen.certificate.clone(),
            key: listen.key.clone(),
            seen: Mutex::new([first, second]),
        })
    }

    /// What the listener speaks.
    #[must_use]
    pub fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Reads the files again when they look different; true when another certificate is in place.
    ///
    /// # Errors
    /// [`CertificateError`], once for each look of the files; the certificate before stays.
    fn follow(&self) -> Result<bool, CertificateError> {
        let now = [mark(&self.certificate)?, mark(&self.key)?];
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == now {
                return Ok(false);
            }
            *seen = now;
        }
        let (chain, _) = read(&self.certificate, CHAIN)?;
        let (key, _) = read(&self.key, KEY)?;
        let before = self.tls.certificate();
        self.tls
            .replace(&chain, &key)
            .map_err(CertificateError::Unusable)?;
        Ok(before != self.tls.certificate())
    }
}

/// Takes up a certificate that was renewed, and records whose certificate agents see from now on.
///
/// # Errors
/// [`Failure::Unavailable`] when the files cannot be used; the certificate before stays.
pub async fn follow(app: &Arc<App>) -> Result<(), Failure> {
    let Some(certificate) = app.certificate.clone() else {
        return Ok(());
    };
    let followed = Arc::clone(&certificate);
    let changed = tokio::task::spawn_blocking(move || followed.follow())
        .await
        .map_err(Failure::unavailable)?
        .map_err(Failure::unavailable)?;
    if changed {
        let thumbprint = x509::thumbprint(&certificate.tls.certificate());
        tracing::info!(%thumbprint, "the certificate of [listen.tls] was renewed");
        let mut entry = record::of("listen.certificate");
        entry.detail.insert("thumbprint", thumbprint);
        app.store.append(entry, |_| Ok(())).await?;
    }
    Ok(())
}

/// Bits of the mode that may not be set, and how it is said.
type Rule = (u32, &'static str);
const CHAIN: Rule = (0o022, "be written by nobody else");
const KEY: Rule = (0o077, "be mode 0600");

fn read(path: &Path, (forbidden, what): Rule) -> Result<(Zeroizing<Vec<u8>>, Mark), CertificateError> {
    let io = |source| CertificateError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = fs::File::open(path).map_err(io)?;
    // Of the file that is open, not of whatever has its name by now.
    let meta = file.metadata().map_err(io)?;
    let owner =
        meta.uid() == rustix::process::geteuid().as_raw() || (forbidden == CHAIN.0 && meta.uid() == 0);
    if !meta.is_file() || meta.mode() & forbidden != 0 || !owner {
        return Err(CertificateError::Unsafe {
            path: path.to_owned(),
            what,
        });
    }
    if meta.len() > CERTIFICATE_FILE_BYTES_MAX {
        return Err(CertificateError::TooLarge(path.to_owned()));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    io::Read::read_to_end(&mut file, &mut bytes).map_err(io)?;
    Ok((bytes, of(&meta)))
}

fn mark(path: &Path) -> Result<Mark, CertificateError> {
    fs::metadata(path)
        .map(|meta| of(&meta))
        .map_err(|source| CertificateError::Io {
            path: path.to_owned(),
            source,
        })
}

fn of(meta: &fs::Metadata) -> Mark {
    (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())
}
