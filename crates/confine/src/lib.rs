//! Shuts a child process in (Landlock, hidden directories, own uid, namespaces) and tells which process is asking.
//!
//! Two sides meet here. The *launcher* (`remit launch`, a process that has not started a thread yet) applies a [`LaunchSpec`]
//! to itself, reports what was really applied, and becomes the command. The *supervisor* (`remit run`, `remit up`) starts it
//! with [`command`], reads the [`Confinement`] it attested, asks [`peer::examine`] who is at the control socket, and ends a
//! run's processes with [`kill_tree`].
//!
//! Linux only in substance: elsewhere everything compiles, `Confinement` says `none`, and a peer is never vouched for.

mod harden;
mod launch;
mod report;
mod spec;

#[cfg(target_os = "linux")]
pub mod connection;
#[cfg(target_os = "linux")]
mod enter;
#[cfg(target_os = "linux")]
mod kill;
#[cfg(target_os = "linux")]
pub mod peer;
#[cfg(target_os = "linux")]
pub mod probe;
#[cfg(target_os = "linux")]
mod process;

#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(target_os = "linux"))]
pub use other::{connection, enter, peer, probe};
#[cfg(not(target_os = "linux"))]
use other::{kill, process};

pub use enter::enter_and_exec;
pub use harden::harden_self;
pub use kill::{Ended, kill_tree};
pub use launch::{Attestation, Launch, Launched, WayOut, command};
pub use process::{Ancestry, ProcessId, become_subreaper};
pub use report::Confinement;
pub use spec::{Hide, Identity, LaunchSpec, Netns, WAY_OUT};
