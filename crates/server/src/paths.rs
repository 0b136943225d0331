//! Where things are: XDG base directories, owner-only.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folders of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Store, keys, sealed bodies. Owner-only.
    pub data: PathBuf,
    /// Control socket and its capability; gone after a restart of the machine. Owner-only.
    pub runtime: PathBuf,
    /// `remit.toml`, policies and templates of this installation.
    pub config: PathBuf,
}

/// A folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// No home to put things in.
    #[error("neither `{0}` nor `HOME` is set: set one of them to a folder of yours")]
    NoHome(&'static str),
    /// The folder cannot be made or read.
    #[error("cannot use {path}: {source}")]
    Io {
        /// Which folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else could read or change it.
    #[error(
        "{path} belongs to user {owner}, not to you: move it away or set `{variable}` to a folder of yours"
    )]
    Foreign {
        /// Which folder.
        path: PathBuf,
        /// Its owner's user id.
        owner: u32,
        /// The variable that moves it.
        variable: &'static str,
    },
}

impl Paths {
    /// The folders named by `variable` look-ups (`XDG_DATA_HOME`, `XDG_RUNTIME_DIR`, `XDG_CONFIG_HOME`, `HOME`).
    ///
    /// # Errors
    /// [`PathError::NoHome`] when nothing says where to put things.
    pub fn from_env(variable: impl Fn(&str) -> Option<PathBuf>) -> Result<Self, PathError> {
        let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let data = absolute("XDG_DATA_HOME")
            .or_else(|| home.as_ref().map(|h| h.join(".local/share")))
            .ok_or(PathError::NoHome("XDG_DATA_HOME"))?
            .join("remit");
        let config = absolute("XDG_CONFIG_HOME")
            .or_else(|| home.as_ref().map(|h| h.join(".config")))
            .ok_or(PathError::NoHome("XDG_CONFIG_HOME"))?
            .join("remit");
        let runtime = absolute("XDG_RUNTIME_DIR").map_or_else(|| data.join("run"), |dir| dir.join("remit"));
        Ok(Self {
            data,
            runtime,
            config,
        })
    }

    /// The control socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// The socket of the kill lane.
    #[must_use]
    pub fn kill_socket(&self) -> PathBuf {
        self.runtime.join("kill.sock")
    }

    /// The capability that control demands: a file no confined run can read.
    #[must_use]
    pub fn control_key(&self) -> PathBuf {
        self.runtime.join("control.key")
    }

    /// The embedded store.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.data.join("remit.db")
    }

    /// The folder of keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.data.join("keys")
    }

    /// Everything a run must not reach.
    #[must_use]
    pub fn denied_to_runs(&self) -> Vec<PathBuf> {
        vec![self.data.clone(), self.runtime.clone(), self.config.clone()]
    }

    /// The folder of sockets that runs may reach: beside the runtime folder, never in a folder that is hidden from runs.
    #[must_use]
    pub fn agents(&self) -> PathBuf {
        let beside = if self.runtime.starts_with(&self.data) {
            &self.data
        } else {
            &self.runtime
        };
        beside.with_file_name("remit-agents")
    }

    /// The socket of the SPIFFE Workload API.
    #[must_use]
    pub fn workload_socket(&self) -> PathBuf {
        self.agents().join("workload.sock")
    }

    /// The gateway for processes of this machine: the kernel names who connects.
    #[must_use]
    pub fn agents_socket(&self) -> PathBuf {
        self.agents().join("agents.sock")
    }

    /// Makes the data and runtime folders, owner-only.
    ///
    /// # Errors
    /// [`PathError`] when one cannot be made, or belongs to somebody else.
    pub fn prepare(&self) -> Result<(), PathError> {
        owner_only(&self.data, "XDG_DATA_HOME")?;
        owner_only(&self.keys(), "XDG_DATA_HOME")?;
        owner_only(&self.runtime, "XDG_RUNTIME_DIR")?;
        owner_only(&self.agents(), "XDG_RUNTIME_DIR")
    }
}

fn owner_only(path: &Path, variable: &'static str) -> Result<(), PathError> {
    let io = |source| PathError::Io {
        path: path.to_owned(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io)?;
    let meta = fs::metadata(path).map_err(io)?;
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        return Err(PathError::Foreign {
            path: path.to_owned(),
            owner: meta.uid(),
            variable,
        });
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xdg_folders_win_over_home_and_relative_ones_are_ignored() {
        let env = |name: &str| match name {
            "HOME" => Some(PathBuf::from("/home/dev")),
            "XDG_DATA_HOME" => Some(PathBuf::from("relative")),
            "XDG_RUNTIME_DIR" => Some(PathBuf::from("/run/user/7")),
            _ => None,
        };
        let paths = Paths::from_env(env).unwrap();
        assert_eq!(paths.data, Path::new("/home/dev/.local/share/remit"));
        assert_eq!(
            paths.control_socket(),
            Path::new("/run/user/7/remit/control.sock")
        );
        assert!(matches!(
            Paths::from_env(|_| None),
            Err(PathError::NoHome("XDG_DATA_HOME"))
        ));
    }
}
