//! A fresh folder for one scenario, gone afterwards.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use remit_core::entropy::{Entropy, SystemEntropy};

/// A folder that only its owner can read; removed when this is dropped.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one in the system's folder for temporary files.
    pub fn fresh() -> Result<Self, String> {
        let mut bytes = [0; 8];
        SystemEntropy
            .fill(&mut bytes)
            .map_err(|error| error.to_string())?;
        let path = std::env::temp_dir().join(format!("remit-scenario-{:016x}", u64::from_be_bytes(bytes)));
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|error| format!("cannot make {}: {error}; is the disk full?", path.display()))?;
        let folder = Self(path);
        for part in ["files", "config/policies", "config/templates"] {
            let path = folder.0.join(part);
            std::fs::create_dir_all(&path)
                .map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        }
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where stub servers write.
    pub fn files(&self) -> PathBuf {
        self.0.join("files")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed now is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
