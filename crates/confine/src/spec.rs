//! What is asked of the launcher: one JSON line, written by the supervisor, read by `remit launch`.

use serde::{Deserialize, Serialize};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// How a child is to be shut in. It holds no secrets: environment values travel in the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchSpec {
    /// Trees (or single files) the child must not reach: data, runtime directory with the control socket, keys,
    /// configuration, policies. Absolute. Create directories before the launch: a missing one can only be guarded by
    /// Landlock, at the price of a read-only parent directory.
    pub denied: Vec<PathBuf>,
    /// Sockets and directories that are not ours but lead out of the confinement ([`crate::probe::doors`]). Covered where
    /// hiding works, left alone where it does not: Landlock below ABI 9 has no say over sockets.
    pub doors: Vec<PathBuf>,
    /// Whether the denied trees are also covered by empty mounts in a mount namespace of the child.
    pub hide: Hide,
    /// The user the child becomes. Needs root; otherwise it is reported as a gap.
    pub own: Option<Identity>,
    /// The network the child sees.
    pub netns: Netns,
    /// Starts a session of its own (no controlling terminal, one process group). Leave off for an interactive command.
    pub new_session: bool,
    /// Where the launcher reports to; set by [`crate::command`].
    pub report: Option<PathBuf>,
}

/// Whether denied trees are covered by empty mounts, which alone hides them from `stat`, `chmod` and `connect`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hide {
    /// Where the system lets us (root, or unprivileged user namespaces).
    #[default]
    WhereAllowed,
    /// Landlock alone: for commands that must see real file owners (for example `ssh`, which distrusts foreign-owned files).
    Never,
}

/// A numeric user and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// User id, not 0.
    pub uid: u32,
    /// Group id, not 0. All other groups are dropped.
    pub gid: u32,
}

/// The network a child sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Netns {
    /// The machine's.
    #[default]
    Host,
    /// None at all: a network namespace without a usable interface, not even loopback.
    Empty,
    /// A namespace with a loopback of its own and one listener on it, at this loopback address, which is handed to the
    /// supervisor: whatever connects there is accepted outside, and there is nothing else to connect to.
    Listener(SocketAddr),
}

/// Where the one listener of a server we start is, as seen by the server.
pub const WAY_OUT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3128);

impl LaunchSpec {
    /// One JSON line.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn to_line(&self) -> io::Result<String> {
        let mut line = serde_json::to_string(self).map_err(|e| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("launch spec: {e}; denied paths must be UTF-8"),
            )
        })?;
        line.push('\n');
        Ok(line)
    }

    /// Reads a spec.
    ///
    /// # Errors
    /// Not JSON, an unknown field, or a value that makes no sense.
    pub fn from_line(line: &str) -> io::Result<Self> {
        let spec: Self = serde_json::from_str(line).map_err(|e| invalid(format!("launch spec: {e}")))?;
        for path in spec.denied.iter().chain(&spec.doors) {
            if !path.is_absolute() || path.parent().is_none() {
                let path = path.display();
                return Err(invalid(format!(
                    "launch spec: denied path `{path}` must be absolute and below the root"
                )));
            }
        }
        if let Netns::Listener(at) = spec.netns
            && !at.ip().is_loopback()
        {
            return Err(invalid(format!(
                "launch spec: the listener's address `{at}` must be one of the loopback"
            )));
        }
        if let Some(Identity { uid: 0, .. } | Identity { gid: 0, .. }) = spec.own {
            return Err(invalid("launch spec: `own` must not be root".to_owned()));
        }
        Ok(spec)
    }

    /// Reads a spec from a file, or from an inherited descriptor by its path (`/proc/self/fd/3`).
    ///
    /// # Errors
    /// The file cannot be read, or see [`Self::from_line`].
    pub fn read(path: &Path) -> io::Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            let path = path.display();
            io::Error::new(e.kind(), format!("launch spec `{path}`: {e}"))
        })?;
        Self::from_line(&text)
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_survives_its_line() {
        let spec = LaunchSpec {
            denied: vec!["/var/lib/remit".into(), "/run/remit \"q\"\n".into()],
            doors: vec!["/run/docker.sock".into()],
            hide: Hide::Never,
            own: Some(Identity { uid: 7, gid: 8 }),
            netns: Netns::Listener(WAY_OUT),
            new_session: true,
            report: Some("/proc/self/fd/4".into()),
        };
        let line = spec.to_line().unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(LaunchSpec::from_line(&line).unwrap(), spec);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["", "[]", "{}", r#"{"deny":["/x"]}"#] {
            let error = LaunchSpec::from_line(line).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{line}");
        }
        let good = LaunchSpec {
            denied: vec!["/x".into()],
            ..LaunchSpec::default()
        };
        let refusal = |spec: LaunchSpec| {
            LaunchSpec::from_line(&spec.to_line().unwrap())
                .unwrap_err()
                .to_string()
        };
        assert!(LaunchSpec::from_line(&good.to_line().unwrap()).is_ok());
        for path in ["relative", "/"] {
            let spec = LaunchSpec {
                denied: vec![path.into()],
                ..good.clone()
            };
            assert!(refusal(spec).contains("must be absolute"), "{path}");
        }
        let outside = LaunchSpec {
            netns: Netns::Listener("192.0.2.1:80".parse().unwrap()),
            ..good.clone()
        };
        assert!(refusal(outside).contains("must be one of the loopback"));
        for (uid, gid) in [(0, 5), (5, 0)] {
            let spec = LaunchSpec {
                own: Some(Identity { uid, gid }),
                ..good.clone()
            };
            assert!(refusal(spec).contains("must not be root"));
        }
    }
}
