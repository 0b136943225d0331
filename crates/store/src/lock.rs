//! One owner per database file, and no file on a disk that other machines write to.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, fstatfs};

use crate::open::OpenError;

/// File systems whose locks and syncs are another machine's promise: magic number (statfs(2)) and name.
const NETWORK: [(i64, &str); 8] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x5346_414f, "AFS"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x6b41_4653, "AFS"),
];

/// Held while the database is open; the kernel lets go of it when the process dies.
pub(crate) struct OwnerLock {
    _file: File,
}

impl OwnerLock {
    /// Takes the lock file `<database>.lock`, or says who has it.
    pub(crate) fn take(database: &Path) -> Result<Self, OpenError> {
        let path = beside(database, ".lock");
        let io = |source| OpenError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        let magic = fstatfs(&file).map_err(|error| io(error.into()))?.f_type;
        #[expect(
            clippy::useless_conversion,
            reason = "the type of f_type differs between platforms"
        )]
        let magic = i64::from(magic);
        if let Some((_, name)) = NETWORK.iter().find(|(known, _)| *known == magic & 0xffff_ffff) {
            return Err(OpenError::NetworkFileSystem {
                path: database.to_owned(),
                name,
            });
        }
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut owner = String::new();
            let _unknown = file.read_to_string(&mut owner);
            let owner = owner.trim().parse().ok();
            return Err(OpenError::InUse {
                what: database.display().to_string(),
                owner,
            });
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// `path` with letters added to its last part.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
