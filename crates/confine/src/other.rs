//! Other systems: nothing is confined and nobody is vouched for, and both are said.

/// The launcher without confinement.
pub mod enter {
    use crate::{Confinement, LaunchSpec};
    use std::ffi::OsString;
    use std::io::{self, Write};
    use std::os::unix::process::CommandExt;

    /// Reports `none`, then becomes `cmd`. Returns only when that failed.
    #[must_use]
    pub fn enter_and_exec(spec: &LaunchSpec, cmd: &[OsString]) -> io::Error {
        let Some((program, args)) = cmd.split_first() else {
            return io::Error::new(io::ErrorKind::InvalidInput, "no command to launch");
        };
        let done = Confinement {
            pid: std::process::id(),
            gaps: vec!["this system offers no confinement we know".to_owned()],
            ..Confinement::default()
        };
        let reported = crate::harden::no_core_files().and_then(|()| match &spec.report {
            Some(path) => std::fs::OpenOptions::new()
                .write(true)
                .open(path)
                .and_then(|mut file| file.write_all(done.to_line().as_bytes())),
            None => Ok(()),
        });
        match reported {
            Ok(()) => std::process::Command::new(program).args(args).exec(),
            Err(error) => error,
        }
    }
}

/// Connections cannot be told.
pub mod connection {
    use crate::process::ProcessId;
    use std::io;
    use std::net::SocketAddr;

    /// Who holds a socket; never told here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Holder {
        /// A process of the run.
        Run(ProcessId),
        /// Nobody of the run.
        Other,
        /// It cannot be told.
        Hidden,
    }

    /// Not told here.
    ///
    /// # Errors
    /// Always.
    pub fn socket_inode(_: SocketAddr, _: SocketAddr) -> io::Result<u32> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Not told here.
    ///
    /// # Errors
    /// Always.
    pub fn holder(_: u32, _: ProcessId) -> io::Result<Holder> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    /// Never here: no child has a network of its own.
    #[must_use]
    pub fn relays(_: ProcessId, _: ProcessId) -> bool {
        false
    }

    /// Not told here.
    #[must_use]
    pub fn anybody(_: u32) -> Option<ProcessId> {
        None
    }

    /// Not told here.
    ///
    /// # Errors
    /// Always.
    pub fn tree(_: ProcessId) -> io::Result<Vec<ProcessId>> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

/// Peers cannot be told.
pub mod peer {
    use crate::process::{Ancestry, ProcessId};
    use std::fmt;
    use std::io;
    use std::os::fd::AsFd;

    /// A peer; never made here.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Peer {
        /// The process.
        pub id: ProcessId,
        /// Its user.
        pub uid: u32,
        /// Its group.
        pub gid: u32,
        /// It and its ancestors.
        pub ancestry: Ancestry,
        /// Always false.
        pub no_new_privs: bool,
    }

    /// Why a peer counts as belonging to a run.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Suspicion {
        /// It cannot be told.
        Marked,
    }

    /// Always fails, which means: refuse.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn examine(_socket: impl AsFd) -> io::Result<Peer> {
        Err(super::unsupported())
    }

    impl Peer {
        /// Always suspicious.
        #[must_use]
        pub fn suspicion(&self, _runs: &[ProcessId]) -> Option<Suspicion> {
            Some(Suspicion::Marked)
        }
    }

    impl fmt::Display for Suspicion {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("this system does not say who the caller is")
        }
    }
}

/// What this machine can confine: nothing.
pub mod probe {
    use std::path::PathBuf;

    /// One thing that was looked at.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Finding {
        /// Stable name, for scripts.
        pub id: &'static str,
        /// How it stands.
        pub state: State,
        /// What is the case.
        pub sentence: String,
        /// What to do about it.
        pub advice: String,
    }

    /// How a finding stands.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum State {
        /// As it should be.
        Ok,
        /// Works, with less than could be had.
        Warn,
        /// A door is open.
        Open,
    }

    impl State {
        /// `ok`, `warn` or `open`.
        #[must_use]
        pub const fn as_str(self) -> &'static str {
            match self {
                Self::Ok => "ok",
                Self::Warn => "warn",
                Self::Open => "open",
            }
        }
    }

    /// Networks cannot be taken away here.
    ///
    /// # Errors
    /// Always.
    pub fn contains(_: &std::path::Path) -> Result<(), String> {
        Err("this system has no network namespaces".to_owned())
    }

    /// One finding: runs are not confined here.
    #[must_use]
    pub fn probe(_denied: &[PathBuf]) -> Vec<Finding> {
        vec![Finding {
            id: "system",
            state: State::Open,
            sentence: "runs are not confined on this system".to_owned(),
            advice: "run agents on Linux, or on another machine".to_owned(),
        }]
    }
}

pub(crate) mod process {
    use std::io;

    /// One process.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct ProcessId {
        /// Process id.
        pub pid: u32,
        /// Unknown here.
        pub start_time: u64,
    }

    /// A process and its ancestors.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Ancestry(());

    impl ProcessId {
        /// Never known here.
        ///
        /// # Errors
        /// `Unsupported`.
        pub fn of(_pid: u32) -> io::Result<Self> {
            Err(super::unsupported())
        }

        /// Never known here.
        ///
        /// # Errors
        /// `Unsupported`.
        pub fn own() -> io::Result<Self> {
            Err(super::unsupported())
        }

        /// Never known here.
        #[must_use]
        pub fn is_alive(self) -> bool {
            false
        }

        /// Never known here.
        ///
        /// # Errors
        /// `Unsupported`.
        pub fn ancestry(self) -> io::Result<Ancestry> {
            Err(super::unsupported())
        }
    }

    impl Ancestry {
        /// Empty.
        #[must_use]
        pub fn line(&self) -> &[ProcessId] {
            &[]
        }

        /// Never known here.
        #[must_use]
        pub fn descends_from(&self, _runs: &[ProcessId]) -> Option<ProcessId> {
            None
        }
    }

    /// Not offered here.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn become_subreaper() -> io::Result<()> {
        Err(super::unsupported())
    }
}

pub(crate) mod kill {
    use crate::process::ProcessId;
    use std::io;
    use std::time::Duration;

    /// What became of a run's processes.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Ended {
        /// Those that have ended.
        pub ended: Vec<ProcessId>,
        /// Those that are still there.
        pub survivors: Vec<ProcessId>,
    }

    /// Not offered here: use the child's own handle.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn kill_tree(_root: ProcessId, _grace: Duration) -> io::Result<Ended> {
        Err(super::unsupported())
    }
}

fn unsupported() -> std::io::Error {
    std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "this system does not tell processes apart in a way we know",
    )
}
