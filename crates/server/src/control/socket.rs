//! The socket and its capability: both owner-only, both new at every start.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use remit_core::entropy::{Entropy, NoEntropy};
use tokio::net::UnixListener;
use zeroize::Zeroizing;

use crate::paths::Paths;

/// The capability: 32 random bytes that no confined run can read.
pub(crate) type Capability = Zeroizing<[u8; 32]>;

/// A listener that has not begun to serve.
pub struct Bound {
    pub(super) listener: UnixListener,
    pub(super) capability: Capability,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// The listener of the kill lane, before it begins to serve.
pub struct BoundLane {
    pub(super) listener: std::os::unix::net::UnixListener,
    pub(super) capability: Capability,
}

impl std::fmt::Debug for BoundLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundLane")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

/// Takes the socket of the kill lane, under the capability of `control`.
///
/// # Errors
/// [`ControlError::Io`].
pub fn bind_lane(paths: &Paths, control: &Bound) -> Result<BoundLane, ControlError> {
    let socket = paths.kill_socket();
    let io = |source| ControlError::Io {
        path: socket.clone(),
        source,
    };
    // Whoever held it before is gone: control was taken first.
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(&socket).map_err(io)?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(io)?;
    listener.set_nonblocking(true).map_err(io)?;
    Ok(BoundLane {
        listener,
        capability: control.capability.clone(),
    })
}

/// Why control cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Somebody answers there.
    #[error(
        "another `remit up` answers at {0}: end it first, or set `XDG_RUNTIME_DIR` and `XDG_DATA_HOME` to folders of this one"
    )]
    Taken(PathBuf),
    /// The socket or the capability cannot be made.
    #[error("cannot offer control at {path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No randomness for the capability.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// Takes the socket and writes the capability beside it. What a crashed predecessor left is replaced.
///
/// # Errors
/// [`ControlError`].
pub fn bind(paths: &Paths, entropy: &dyn Entropy) -> Result<Bound, ControlError> {
    let socket = paths.control_socket();
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ControlError::Io { path, source }
    };
    if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
        return Err(ControlError::Taken(socket));
    }
    match fs::remove_file(&socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(&socket)(error)),
        _ => {}
    }
    let mut capability: Capability = Zeroizing::new([0; 32]);
    entropy.fill(capability.as_mut())?;
    let key = paths.control_key();
    write_key(&key, capability.as_ref()).map_err(io(&key))?;
    // The folder is owner-only already; the socket's own mode is a second lock.
    let listener = UnixListener::bind(&socket).map_err(io(&socket))?;
    fs::set_permissions(&socket, Permissions::from_mode(0o600)).map_err(io(&socket))?;
    Ok(Bound { listener, capability })
}

/// A reader sees the old capability or the new one, never half of one.
fn write_key(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(bytes)?;
    drop(file);
    fs::rename(&fresh, path)
}

/// Takes socket and capability away, so that nobody knocks at a closed door.
pub(crate) fn remove(paths: &Paths) {
    // Left behind, they are replaced at the next start.
    let _ = fs::remove_file(paths.control_socket());
    let _ = fs::remove_file(paths.kill_socket());
    let _ = fs::remove_file(paths.control_key());
}
