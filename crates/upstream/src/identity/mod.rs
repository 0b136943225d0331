//! What a server is made of: the facts its identity digest covers, and whether they pin it.
//!
//! An address: the URL. A command: the line, the executable and its hash, the script or interpreter behind it and their
//! hashes. What a command loads beyond that (modules of a script, packages that a package runner fetches) is only pinned
//! where the line names an exact version; otherwise the identity is *floating* and says why.

mod file;
mod runner;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use remit_core::digest::Digest;
use remit_core::json::{Object, Value};

use crate::http::url::BadUrl;
use crate::spec::{ServerSpec, StdioSpec, Transport};

pub use file::Artefacts;

/// Environment variables that make common runtimes load other code; their values are part of the identity.
const LOADERS: [&str; 14] = [
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_AUDIT",
    "DYLD_INSERT_LIBRARIES",
    "DYLD_LIBRARY_PATH",
    "RUBYOPT",
    "PERL5OPT",
    "JAVA_TOOL_OPTIONS",
    "BASH_ENV",
];

/// The identity of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Digest of `inputs`: what calls are bound to.
    pub digest: Digest,
    /// Every fact it covers, readable.
    pub inputs: Object,
    /// Why the server may run other code tomorrow without its identity changing; `None` when it cannot.
    pub floating: Option<String>,
    /// The executable that is started.
    pub executable: Option<PathBuf>,
}

/// A server whose identity cannot be told. The fault is of whoever registered it, or of the machine.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The address is none.
    #[error(transparent)]
    Url(#[from] BadUrl),
    /// There is no such command.
    #[error("command `{0}` was not found: give its full path, or install it")]
    NotFound(String),
    /// A file could not be read.
    #[error("`{path}` could not be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Artefacts {
    /// Finds and hashes what the server is made of. Blocks on files; hashes of unchanged files are remembered.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn identify(&self, spec: &ServerSpec, search_path: &OsStr) -> Result<Identity, IdentityError> {
        match &spec.transport {
            Transport::Http(http) => {
                let mut inputs = Object::new();
                inputs.insert("transport", "http");
                inputs.insert("url", http.parse()?.to_string());
                Ok(sealed(inputs, None, None))
            }
            Transport::Stdio(stdio) => self.command(stdio, search_path),
        }
    }

    fn command(&self, spec: &StdioSpec, search_path: &OsStr) -> Result<Identity, IdentityError> {
        let cwd = spec.cwd.as_deref();
        let executable = resolve(&spec.command, cwd, search_path)?;
        let mut files = vec![self.file("executable", &executable)?];
        if let Some(interpreter) = file::interpreter(&executable, search_path) {
            files.push(self.file("interpreter", &interpreter)?);
        }
        let found = runner::examine(&executable, &spec.args, cwd);
        for script in &found.scripts {
            files.push(self.file("script", script)?);
        }
        let mut inputs = Object::new();
        inputs.insert("transport", "stdio");
        inputs.insert("command", text(&spec.command));
        inputs.insert("args", spec.args.iter().map(|arg| text(arg)).collect::<Value>());
        inputs.insert("cwd", spec.cwd.as_ref().map(|cwd| text(cwd.as_os_str())));
        inputs.insert("env", environment(spec));
        inputs.insert("files", files.into_iter().collect::<Value>());
        if let Some(package) = &found.package {
            inputs.insert("package", package.as_str());
        }
        Ok(sealed(inputs, found.floating, Some(executable)))
    }

    fn file(&self, role: &str, path: &Path) -> Result<Object, IdentityError> {
        let digest = self.digest(path).map_err(|error| IdentityError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        let mut file = Object::new();
        file.insert("digest", digest.to_string());
        file.insert("path", text(path.as_os_str()));
        file.insert("role", role);
        Ok(file)
    }
}

fn sealed(inputs: Object, floating: Option<String>, executable: Option<PathBuf>) -> Identity {
    let mut preimage = b"remit server identity v1\n".to_vec();
    inputs.write_canonical(&mut preimage);
    Identity {
        digest: Digest::of(&preimage),
        inputs,
        floating,
        executable,
    }
}

/// The names of the environment's variables; values only where they decide what code runs, for others may be secrets.
fn environment(spec: &StdioSpec) -> Object {
    spec.env
        .iter()
        .map(|(name, value)| {
            let name = text(name);
            let value = LOADERS.contains(&name.as_str()).then(|| text(value));
            (name, Value::from(value))
        })
        .collect()
}

/// Text that two different arguments cannot share, also where they are not UTF-8.
fn text(os: &OsStr) -> String {
    os.to_str().map_or_else(
        || format!("\u{fffd}{}", os.as_encoded_bytes().escape_ascii()),
        str::to_owned,
    )
}

/// The file that a command names: a path, or a name looked up in `search_path`. Links are not followed in the result,
/// because programs look at the name they are called by.
pub(crate) fn resolve(
    command: &OsStr,
    cwd: Option<&Path>,
    search_path: &OsStr,
) -> Result<PathBuf, IdentityError> {
    let not_found = || IdentityError::NotFound(text(command).chars().take(200).collect());
    if command.is_empty() {
        return Err(not_found());
    }
    let path = Path::new(command);
    if path.components().count() > 1 || path.is_absolute() || command.as_encoded_bytes().contains(&b'/') {
        return absolute(path, cwd)
            .filter(|p| file::is_executable(p))
            .ok_or_else(not_found);
    }
    std::env::split_paths(search_path)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(path))
        .find(|candidate| file::is_executable(candidate))
        .ok_or_else(not_found)
}

/// A path seen from the working directory of the server.
pub(crate) fn absolute(path: &Path, cwd: Option<&Path>) -> Option<PathBuf> {
    let whole = match cwd {
        Some(cwd) => cwd.join(path),
        None => path.to_owned(),
    };
    std::path::absolute(whole).ok()
}

/// The lower-case name of a program without directories and a version (`python3.12` → `python`).
fn program_name(executable: &Path) -> String {
    let name: OsString = executable.file_name().map(OsStr::to_owned).unwrap_or_default();
    let name = name.to_string_lossy().to_ascii_lowercase();
    let name = name
        .strip_suffix(".exe")
        .or(name.strip_suffix(".cmd"))
        .unwrap_or(&name)
        .to_owned();
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.')
        .to_owned()
}
