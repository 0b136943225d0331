//! The scene of the tests: a Remit-owned tree with a secret and a socket in it, a working directory, a victim outside.

use remit_confine::probe::{State, probe};
use remit_confine::{Confinement, LaunchSpec, command};
use std::ffi::OsString;
use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// A user without a name, for the unprivileged cases when the tests run as root.
pub(crate) const NOBODY: u32 = 54_321;

pub(crate) struct House {
    pub(crate) dir: PathBuf,
    /// What Remit owns; three levels deep, as in a home directory.
    pub(crate) tree: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) helper: PathBuf,
    pub(crate) abstract_name: String,
    victim: Child,
    _sockets: (UnixListener, UnixListener),
}

impl House {
    /// `uid`: who owns everything and whom the victim runs as; `None` for us.
    pub(crate) fn new(uid: Option<u32>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("remit-confine-{}-{n}", std::process::id()));
        let tree = dir.join("home/.local/share/remit");
        let work = dir.join("home/work");
        for each in [&tree, &work] {
            std::fs::create_dir_all(each).unwrap();
        }
        let dir = dir.canonicalize().unwrap();
        let tree = dir.join("home/.local/share/remit");
        let work = dir.join("home/work");
        std::fs::write(tree.join("secret"), "the key\n").unwrap();
        std::fs::write(tree.join("program"), "#!/bin/sh\nexit 0\n").unwrap();
        std::fs::set_permissions(tree.join("program"), PermissionsExt::from_mode(0o755)).unwrap();
        let control = UnixListener::bind(tree.join("control.sock")).unwrap();
        let abstract_name = format!("remit-confine-{}-{n}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let sockets = (control, UnixListener::bind_addr(&address).unwrap());
        // Beside the tree, because a build folder may lie where another user cannot go.
        let helper = dir.join("shut_in");
        // By another process: a copy of ours would be held open for writing by children forked meanwhile.
        assert!(
            Command::new("cp")
                .arg(built_helper())
                .arg(&helper)
                .status()
                .unwrap()
                .success()
        );
        if let Some(uid) = uid {
            own_all(&dir, uid);
        }
        let mut victim = Command::new(&helper);
        victim.args(["as", &uid.unwrap_or_default().to_string(), "sleep", "1000"]);
        if uid.is_none() {
            victim = Command::new("sleep");
            victim.arg("1000");
        }
        let victim = victim.current_dir(&tree).stdin(Stdio::null()).spawn().unwrap();
        await_program(victim.id(), "sleep");
        Self {
            dir,
            tree,
            work,
            helper,
            abstract_name,
            victim,
            _sockets: sockets,
        }
    }

    pub(crate) fn spec(&self) -> LaunchSpec {
        LaunchSpec {
            denied: vec![self.tree.clone()],
            ..LaunchSpec::default()
        }
    }

    pub(crate) fn attack(&self) -> Vec<OsString> {
        let victim = self.victim.id().to_string();
        let words: [&std::ffi::OsStr; 6] = [
            self.helper.as_os_str(),
            "attack".as_ref(),
            self.tree.as_os_str(),
            self.work.as_os_str(),
            victim.as_ref(),
            self.abstract_name.as_ref(),
        ];
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    /// Launches `cmd` in the working directory, as `uid` if given, and waits for it.
    pub(crate) fn launch(
        &self,
        spec: &LaunchSpec,
        uid: Option<u32>,
        cmd: &[OsString],
    ) -> (Confinement, Output) {
        let mut launch = command(&self.helper, spec, cmd).unwrap();
        launch
            .command
            .current_dir(&self.work)
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.work)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(uid) = uid {
            launch.command.env("AS_UID", uid.to_string());
        }
        let child = launch.command.spawn().unwrap();
        drop(launch.command);
        let attested = launch.attestation.wait(PATIENCE);
        let output = child.wait_with_output().unwrap();
        let attested =
            attested.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        (attested, output)
    }

    pub(crate) fn shell(&self, spec: &LaunchSpec, uid: Option<u32>, line: &str) -> Output {
        self.launch(spec, uid, &words(&["sh", "-c", line])).1
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub(crate) fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// The example that stands in for `remit`; cargo builds it together with the tests.
pub(crate) fn built_helper() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    deps.parent().unwrap().with_file_name("examples").join("shut_in")
}

/// Past the capture of the test harness, so that a skip is seen.
pub(crate) fn skipped(test: &str, why: &str) {
    std::io::stderr()
        .write_all(format!("SKIPPED {test}: {why}\n").as_bytes())
        .unwrap();
}

/// Whether the machine offers what finding `id` is about, asked independently of any launch: a launch that does not
/// use what is offered must fail a test, not skip it.
pub(crate) fn offered(id: &str) -> bool {
    let found = probe(&[]);
    let finding = found.iter().find(|f| f.id == id).unwrap();
    // An old Landlock is a warning and offered all the same; hiding with a warning is not.
    finding.state == State::Ok || (id == "landlock" && finding.state == State::Warn)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until process `pid` has become `program`.
pub(crate) fn await_program(pid: u32, program: &str) {
    while std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap()
        .trim()
        != program
    {
        std::thread::yield_now();
    }
}

fn own_all(path: &Path, uid: u32) {
    chown(path, Some(uid), Some(uid)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in std::fs::read_dir(path).unwrap() {
            own_all(&entry.unwrap().path(), uid);
        }
    }
}
