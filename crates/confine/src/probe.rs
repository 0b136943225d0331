//! What this machine can confine, and what stays open: the raw material of `remit doctor`.

use crate::{LaunchSpec, Netns, enter, peer};
use rustix::process::{DumpableBehavior, dumpable_behavior, geteuid};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How long a launcher that is tried out may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable name, for scripts.
    pub id: &'static str,
    /// How it stands.
    pub state: State,
    /// What is the case.
    pub sentence: String,
    /// What to do about it; empty when nothing needs doing.
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

/// Looks at the machine and at `denied`, the paths a launch would deny. Changes nothing.
#[must_use]
pub fn probe(denied: &[PathBuf]) -> Vec<Finding> {
    let abi = enter::landlock_abi();
    let forbidden = if geteuid().is_root() {
        None
    } else {
        enter::userns_forbidden()
    };
    let hides = forbidden.is_none();
    let mut findings = vec![
        landlock(abi),
        hiding(forbidden.as_deref()),
        own_user(),
        control_socket(abi, hides),
        signals(abi),
        ptrace(abi),
        mark(),
        memory(),
        outsiders(),
        open_doors(&doors(), hides),
    ];
    findings.extend(denied.iter().map(|path| tree(path)));
    findings
}

/// Sockets by which a process can have somebody else start programs for it, outside its confinement: container engines
/// and the user's service manager. Those that exist here, for [`crate::LaunchSpec::doors`].
#[must_use]
pub fn doors() -> Vec<PathBuf> {
    let runtime = PathBuf::from(format!("/run/user/{}", geteuid().as_raw()));
    let system = [
        "docker.sock",
        "podman",
        "containerd/containerd.sock",
        "crio/crio.sock",
        "systemd/private",
    ];
    let user = ["systemd", "bus", "docker.sock", "podman"];
    system
        .iter()
        .map(|name| Path::new("/run").join(name))
        .chain(user.iter().map(|name| runtime.join(name)))
        .filter(|path| path.exists())
        .collect()
}

/// Whether a child of `remit_exe` can be given a network with nothing in it but its way out ([`crate::Netns::Listener`]).
/// Tried with a command that ends at once, because what forbids it (a container's filter, a security module) cannot be read
/// anywhere. Takes a few milliseconds.
///
/// # Errors
/// The sentence why not.
pub fn contains(remit_exe: &Path) -> Result<(), String> {
    let spec = LaunchSpec {
        netns: Netns::Listener(crate::WAY_OUT),
        new_session: true,
        ..LaunchSpec::default()
    };
    let mut launch =
        crate::command(remit_exe, &spec, &["/bin/true".into()]).map_err(|error| error.to_string())?;
    launch
        .command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut launched = launch.spawn(PATIENCE).map_err(|error| error.to_string())?;
    // How it ended says nothing: what was applied was attested before.
    let _ = launched.child.wait();
    if launched.listener.is_some() {
        return Ok(());
    }
    Err(launched.confinement.gaps.join("; "))
}

fn finding(
    id: &'static str,
    state: State,
    sentence: impl Into<String>,
    advice: impl Into<String>,
) -> Finding {
    Finding {
        id,
        state,
        sentence: sentence.into(),
        advice: advice.into(),
    }
}

fn landlock(abi: Option<u8>) -> Finding {
    match abi {
        None => finding(
            "landlock",
            State::Open,
            "the kernel offers no Landlock: runs reach whatever their user reaches",
            "use a kernel from 5.13 on with `landlock` in its list of security modules (`lsm=` on the boot line)",
        ),
        Some(abi @ 1..=5) => finding(
            "landlock",
            State::Warn,
            format!("Landlock ABI {abi}: files are guarded, signals are not"),
            "a kernel from 6.12 on brings ABI 6",
        ),
        Some(abi) => finding("landlock", State::Ok, format!("Landlock ABI {abi}"), ""),
    }
}

fn hiding(forbidden: Option<&str>) -> Finding {
    match forbidden {
        None => finding(
            "hide",
            State::Ok,
            "denied trees can be hidden in a mount namespace of the run's own",
            "",
        ),
        Some(why) => finding(
            "hide",
            State::Warn,
            format!(
                "denied trees cannot be hidden: {why}; `stat` and `chmod` on them stay possible for runs"
            ),
            "allow unprivileged user namespaces, or give runs a user of their own",
        ),
    }
}

fn own_user() -> Finding {
    if geteuid().is_root() {
        return finding(
            "own-user",
            State::Ok,
            "we are root, so a run can be given a user of its own",
            "configure one: a run that stays root keeps root's files",
        );
    }
    finding(
        "own-user",
        State::Warn,
        "runs keep our user: giving them their own takes root",
        "start Remit as a system service if agents you do not trust run here",
    )
}

fn control_socket(abi: Option<u8>, hides: bool) -> Finding {
    match abi {
        Some(9..) => finding(
            "control-socket",
            State::Ok,
            "runs cannot reach the control socket (Landlock ABI 9)",
            "",
        ),
        _ if hides => finding(
            "control-socket",
            State::Ok,
            "runs cannot reach the control socket (its directory is hidden)",
            "",
        ),
        Some(_) => finding(
            "control-socket",
            State::Warn,
            "runs can connect to the control socket; it refuses them by descent and by the capability file they cannot read",
            "allow unprivileged user namespaces",
        ),
        None => finding(
            "control-socket",
            State::Open,
            "runs can connect to the control socket and read the capability file; only their descent gives them away",
            "give runs a user of their own",
        ),
    }
}

fn signals(abi: Option<u8>) -> Finding {
    if abi >= Some(6) {
        return finding("signals", State::Ok, "runs can signal only themselves", "");
    }
    finding(
        "signals",
        State::Open,
        "a run can end Remit by a signal, as any process of the same user can",
        "give runs a user of their own, or use a kernel from 6.12 on",
    )
}

fn ptrace(abi: Option<u8>) -> Finding {
    if abi.is_some() {
        return finding(
            "ptrace",
            State::Ok,
            "runs cannot trace what lies outside them (Landlock)",
            "",
        );
    }
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    match scope.as_deref().map(str::trim) {
        Ok("1" | "2" | "3") => finding(
            "ptrace",
            State::Warn,
            "only Yama keeps runs from tracing other processes",
            "",
        ),
        _ => finding(
            "ptrace",
            State::Open,
            "a run can trace every process of the same user that is not hardened",
            "set `kernel.yama.ptrace_scope=1`",
        ),
    }
}

fn mark() -> Finding {
    if peer::we_are_marked() {
        return finding(
            "peer-mark",
            State::Warn,
            "everything here runs without new privileges, so runs that left their ancestors cannot be told by that mark",
            "start Remit outside `NoNewPrivileges` or `--security-opt no-new-privileges`",
        );
    }
    finding(
        "peer-mark",
        State::Ok,
        "runs are recognised at the control socket even after they left their ancestors",
        "",
    )
}

fn memory() -> Finding {
    match dumpable_behavior() {
        Ok(DumpableBehavior::NotDumpable) => finding(
            "memory",
            State::Ok,
            "this process is closed to its user's other processes",
            "",
        ),
        _ => finding(
            "memory",
            State::Warn,
            "this process is open to its user's other processes (`remit up` closes itself)",
            "",
        ),
    }
}

fn open_doors(doors: &[PathBuf], hides: bool) -> Finding {
    if doors.is_empty() {
        return finding(
            "doors",
            State::Ok,
            "no container engine or service manager offers a way around",
            "",
        );
    }
    let names: Vec<String> = doors.iter().map(|p| format!("`{}`", p.display())).collect();
    let names = names.join(", ");
    if hides {
        return finding(
            "doors",
            State::Ok,
            format!("hidden from runs, as ways around confinement: {names}"),
            "",
        );
    }
    finding(
        "doors",
        State::Open,
        format!("a run can have programs started outside its confinement through {names}"),
        "allow user namespaces (where AppArmor restricts them: a profile with `userns,` for `remit`), or give runs a \
         user of their own",
    )
}

fn outsiders() -> Finding {
    let uid = geteuid().as_raw();
    finding(
        "outsiders",
        State::Open,
        format!(
            "programs of user {uid} that Remit did not start can read its data and ask its control socket"
        ),
        "start agents with `remit run`, or run Remit under a user of its own",
    )
}

fn tree(path: &Path) -> Finding {
    let name = path.display();
    let Ok(meta) = std::fs::metadata(path) else {
        return finding(
            "tree",
            State::Warn,
            format!("`{name}` does not exist, so it cannot be hidden from runs"),
            "start `remit up` once, or create it with mode 0700",
        );
    };
    if meta.uid() != geteuid().as_raw() {
        let owner = meta.uid();
        return finding(
            "tree",
            State::Open,
            format!("`{name}` belongs to user {owner}, not to us"),
            format!("chown it to user {}", geteuid().as_raw()),
        );
    }
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return finding(
            "tree",
            State::Open,
            format!("`{name}` is open to other users (mode {mode:04o})"),
            format!("chmod go= `{name}`"),
        );
    }
    finding(
        "tree",
        State::Ok,
        format!("`{name}` is ours alone (mode {mode:04o})"),
        "",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_is_not_praised() {
        assert_eq!(landlock(None).state, State::Open);
        assert_eq!(landlock(Some(5)).state, State::Warn);
        assert_eq!(signals(Some(5)).state, State::Open);
        assert_eq!(signals(Some(6)).state, State::Ok);
        assert_eq!(control_socket(Some(7), false).state, State::Warn);
        assert_eq!(control_socket(Some(9), false).state, State::Ok);
        assert_eq!(control_socket(None, false).state, State::Open);
        assert_eq!(hiding(Some("switched off")).state, State::Warn);
        let door = ["/run/docker.sock".into()];
        assert_eq!(open_doors(&door, false).state, State::Open);
        assert_eq!(open_doors(&door, true).state, State::Ok);
        assert_eq!(open_doors(&[], false).state, State::Ok);
    }

    #[test]
    fn an_open_tree_is_found() {
        let dir = std::env::temp_dir().join(format!("remit-probe-{}", std::process::id()));
        assert_eq!(tree(&dir).state, State::Warn, "missing");
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(tree(&dir).state, State::Open);
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(tree(&dir).state, State::Ok);
        std::fs::remove_dir(dir).unwrap();
    }

    #[test]
    fn looking_changes_nothing_about_us() {
        let before = (peer::we_are_marked(), std::fs::read_dir("/").is_ok());
        assert!(probe(&[]).len() >= 9);
        assert_eq!((peer::we_are_marked(), std::fs::read_dir("/").is_ok()), before);
    }
}
