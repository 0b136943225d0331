//! Values in files: those of secret mounts and credential folders.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{VALUE_BYTES_MAX, value_of};

/// Reads the file; one that others may write is refused, because they could choose what we present.
pub(super) fn read(path: &Path) -> Result<SecretString, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("it is not a file".to_owned());
    }
    if meta.mode() & 0o022 != 0 {
        return Err("others may write to it: `chmod go-w` it".to_owned());
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    file.take(VALUE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    value_of(&bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_file_others_may_write_is_refused() {
        let path = std::env::temp_dir().join(format!("remit-broker-file-{}", std::process::id()));
        std::fs::write(&path, "s3cret\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        assert_eq!(read(&path).unwrap().expose_secret(), "s3cret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(read(&path).unwrap_err().contains("others may write"));
        std::fs::remove_file(&path).unwrap();
        assert!(read(&path).is_err());
        assert!(read(Path::new("/")).is_err());
    }
}
