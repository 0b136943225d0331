//! Stands in for `remit` in the tests (`launch`), and plays the child that tries to get out (`attack`), calls (`connect`),
//! or tells what it was given (`show`).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tests read what is printed here"
)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test program fails loudly"
)]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use nix::sys::ptrace;
    use remit_confine::{LaunchSpec, enter_and_exec};
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open, openat};
    use rustix::process::{Pid, getppid, kill_process, setsid, test_kill_process};
    use std::ffi::OsString;
    use std::fs::{self, File, OpenOptions, Permissions};
    use std::io::{self, Read, Write};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::net::{SocketAddr, UnixStream};
    use std::os::unix::process::CommandExt;
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitCode, Stdio};

    pub(crate) fn main() -> ExitCode {
        let args: Vec<OsString> = std::env::args_os().skip(1).collect();
        let word = args[0].to_str().expect("a word");
        match word {
            "launch" => launch(&args),
            "attack" => attack(&args),
            "connect" => connect(&args),
            "show" => show(),
            "keep" => keep(&args),
            "as" => run_as(&args),
            other => {
                eprintln!("unknown word `{other}`");
                ExitCode::from(2)
            }
        }
    }

    /// `launch --spec PATH -- CMD…`; with `AS_UID` set it first stops being root, to play an unprivileged supervisor.
    fn launch(args: &[OsString]) -> ExitCode {
        assert_eq!((args[1].to_str(), args[3].to_str()), (Some("--spec"), Some("--")));
        if let Some(uid) = std::env::var("AS_UID").ok().and_then(|u| u.parse::<u32>().ok()) {
            for fd in ["/proc/self/fd/3", "/proc/self/fd/4"] {
                chown(fd, Some(uid), Some(uid)).expect("chown");
            }
            become_user(uid);
        }
        let error = LaunchSpec::read(Path::new(&args[2]))
            .map_or_else(|e| e, |spec| enter_and_exec(&spec, &args[4..]));
        eprintln!("{error}");
        ExitCode::from(125)
    }

    fn become_user(uid: u32) {
        let (user, group) = (
            rustix::process::Uid::from_raw(uid),
            rustix::process::Gid::from_raw(uid),
        );
        rustix::thread::set_thread_groups(&[]).expect("groups");
        rustix::thread::set_thread_res_gid(group, group, group).expect("gid");
        rustix::thread::set_thread_res_uid(user, user, user).expect("uid");
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
            .expect("dumpable");
    }

    /// `keep harden|plain FILE`: holds a secret in memory, hardened or not, until standard input ends.
    fn keep(args: &[OsString]) -> ExitCode {
        if args[1] == "harden" {
            remit_confine::harden_self().expect("hardened");
        }
        File::create(&args[2]).expect("file");
        println!("ready");
        let _ = io::stdin().read(&mut [0]);
        ExitCode::SUCCESS
    }

    /// `as UID CMD…`
    fn run_as(args: &[OsString]) -> ExitCode {
        become_user(args[1].to_str().and_then(|u| u.parse().ok()).expect("uid"));
        eprintln!("{}", Command::new(&args[2]).args(&args[3..]).exec());
        ExitCode::FAILURE
    }

    /// Prints descriptors, environment, limits and credentials, one `key value` a line.
    fn show() -> ExitCode {
        let fds: Vec<PathBuf> = fs::read_dir("/proc/self/fd")
            .expect("fds")
            .map(|e| e.expect("fd").path())
            .collect();
        for fd in fds {
            // The listing's own descriptor is gone by now.
            if fs::read_link(&fd).is_ok() {
                println!("fd {}", fd.file_name().expect("name").display());
            }
        }
        for (name, value) in std::env::vars() {
            println!("env {name}={value}");
        }
        let limits = fs::read_to_string("/proc/self/limits").expect("limits");
        println!(
            "core {}",
            limits.lines().find(|l| l.starts_with("Max core")).expect("core")
        );
        let status = fs::read_to_string("/proc/self/status").expect("status");
        for line in status.lines().filter(|l| {
            ["Uid", "Gid", "Groups", "NoNewPrivs", "CapEff", "CapBnd"]
                .iter()
                .any(|k| l.starts_with(k))
        }) {
            println!("status {line}");
        }
        // Not `getsid`: it answers 0 for a session whose leader is outside our pid namespace, and rustix's type has no 0.
        let stat = fs::read_to_string("/proc/self/stat").expect("stat");
        let (_, after_name) = stat.rsplit_once(") ").expect("a name");
        println!("sid {}", after_name.split(' ').nth(3).expect("a session"));
        println!(
            "net {}",
            fs::read_to_string("/proc/net/dev").map_or(0, |t| t.lines().count().saturating_sub(2))
        );
        println!(
            "tcp {}",
            std::net::TcpListener::bind("127.0.0.1:0")
                .and_then(|l| dial(l.local_addr()?))
                .is_ok()
        );
        ExitCode::SUCCESS
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "asks whether there is a network, dials nobody"
    )]
    fn dial(to: std::net::SocketAddr) -> io::Result<()> {
        std::net::TcpStream::connect(to).map(drop)
    }

    /// `connect SOCKET plain|orphan|session`: connects and stays until the other side hangs up. `orphan` waits until process
    /// `REAPER` is the parent; `session` opens a session of its own then.
    fn connect(args: &[OsString]) -> ExitCode {
        match args[2].to_str() {
            Some("orphan") => await_orphanage(),
            Some("session") => {
                await_orphanage();
                setsid().expect("setsid");
            }
            _ => {}
        }
        let mut stream = UnixStream::connect(&args[1]).expect("connect");
        let mut nothing = [0];
        let _ = stream.read(&mut nothing);
        ExitCode::SUCCESS
    }

    fn await_orphanage() {
        let reaper = std::env::var("REAPER")
            .ok()
            .and_then(|p| Pid::from_raw(p.parse().ok()?));
        while getppid() != reaper {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// `attack TREE WORK VICTIM ABSTRACT`: every way to TREE/secret and to process VICTIM we can think of; prints
    /// `name ok` or `name error`.
    fn attack(args: &[OsString]) -> ExitCode {
        let tree = PathBuf::from(&args[1]);
        let work = PathBuf::from(&args[2]);
        let victim = args[3].to_str().and_then(|p| p.parse::<i32>().ok()).expect("pid");
        files(&tree, &work);
        changes(&tree, &work);
        detours(&tree, &work, victim);
        processes(victim, args[4].to_str().expect("name"));
        sockets(&tree);
        let odd = ["fuse", "kmsg", "loop-control", "net/tun", "kvm", "mem"];
        let device = odd
            .iter()
            .find_map(|name| File::open(Path::new("/dev").join(name)).ok());
        tell("device", some(device.is_some()));
        if rustix::process::geteuid().is_root() {
            levers(&work);
        }
        moves(&tree, &work);
        ExitCode::SUCCESS
    }

    fn tell<T>(name: &str, result: io::Result<T>) {
        match result {
            Ok(_) => println!("{name} ok"),
            Err(e) => println!("{name} {e}"),
        }
        io::stdout().flush().expect("stdout");
    }

    fn files(tree: &Path, work: &Path) {
        let secret = tree.join("secret");
        tell("read", read(&secret));
        tell("stat", fs::symlink_metadata(&secret));
        tell(
            "list",
            fs::read_dir(tree)
                .map(|entries| entries.count())
                .and_then(|n| some(n > 0)),
        );
        tell(
            "write",
            OpenOptions::new()
                .append(true)
                .open(&secret)
                .and_then(|mut f| f.write_all(b"x")),
        );
        tell(
            "truncate",
            OpenOptions::new()
                .write(true)
                .open(&secret)
                .and_then(|f| f.set_len(3)),
        );
        tell("create", File::create(tree.join("new")));
        tell("mkdir", fs::create_dir(tree.join("newdir")));
        let _ = fs::remove_file(work.join("sym"));
        symlink(&secret, work.join("sym")).expect("symlink in work");
        tell("symlink", read(&work.join("sym")));
        tell(
            "hardlink",
            fs::hard_link(&secret, work.join("hard")).and_then(|()| read(&work.join("hard"))),
        );
        let inside = Command::new("cat")
            .arg("secret")
            .current_dir(tree)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        tell("enter", inside.and_then(|status| some(status.success())));
        tell("execute", Command::new(tree.join("program")).status());
    }

    fn changes(tree: &Path, _work: &Path) {
        let secret = tree.join("secret");
        tell(
            "chmod-file",
            fs::set_permissions(&secret, Permissions::from_mode(0o644)),
        );
        let touch = || -> io::Result<()> {
            let now = rustix::fs::Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            let times = rustix::fs::Timestamps {
                last_access: now,
                last_modification: now,
            };
            Ok(rustix::fs::utimensat(
                CWD,
                &secret,
                &times,
                rustix::fs::AtFlags::empty(),
            )?)
        };
        tell("utime", touch());
        tell(
            "xattr",
            rustix::fs::setxattr(&secret, "user.remit", b"x", rustix::fs::XattrFlags::empty())
                .map_err(Into::into),
        );
    }

    fn detours(tree: &Path, work: &Path, victim: i32) {
        let secret = tree.join("secret");
        let below_root = secret.strip_prefix("/").expect("absolute");
        for root in [
            "/proc/self/root",
            "/proc/thread-self/root",
            "/proc/1/root",
            &format!("/proc/{victim}/root"),
        ] {
            let name = root.replace(&victim.to_string(), "victim");
            tell(&format!("via:{name}"), read(&Path::new(root).join(below_root)));
        }
        tell(
            "via:/proc/victim/cwd",
            read(&Path::new(&format!("/proc/{victim}/cwd")).join("secret")),
        );
        // Up from where we stand, and up from a descriptor.
        let up: PathBuf = std::env::current_dir()
            .expect("cwd")
            .components()
            .skip(1)
            .map(|_| "..")
            .collect();
        tell("via:dotdot", read(&up.join(below_root)));
        let by_fd = || -> io::Result<()> {
            let dir = open(work, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
            let up: PathBuf = work.components().skip(1).map(|_| "..").collect();
            let fd = openat(&dir, up.join(below_root), OFlags::RDONLY, Mode::empty())?;
            File::from(fd).read(&mut [0]).map(drop)
        };
        tell("via:openat", by_fd());
        let by_parent = || -> io::Result<()> {
            let dir = open(
                tree.parent().expect("parent"),
                OFlags::PATH | OFlags::DIRECTORY,
                Mode::empty(),
            )?;
            let fd = openat(
                &dir,
                Path::new(tree.file_name().expect("name")).join("secret"),
                OFlags::RDONLY,
                Mode::empty(),
            )?;
            File::from(fd).read(&mut [0]).map(drop)
        };
        tell("via:parent-fd", by_parent());
        let by_opath = || -> io::Result<()> {
            let fd = open(&secret, OFlags::PATH, Mode::empty())?;
            read(Path::new(&format!(
                "/proc/self/fd/{}",
                std::os::fd::AsRawFd::as_raw_fd(&fd)
            )))
        };
        tell("via:o-path", by_opath());
        let (tree, secret) = (tree.display(), secret.display());
        let shell = |line: String| -> io::Result<()> {
            let status = Command::new("sh")
                .args(["-c", &line])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            some(status.success())
        };
        tell(
            "via:unshare-umount",
            shell(format!("unshare -rm sh -c 'umount {tree}; cat {secret}'")),
        );
        tell(
            "via:unshare-bind",
            shell(format!(
                "unshare -rm sh -c 'mount --bind / /mnt && cat /mnt{secret}'"
            )),
        );
        tell(
            "via:unshare-rbind",
            shell(format!(
                "unshare -rm sh -c 'mount --rbind / /mnt && umount /mnt{tree}; cat /mnt{secret}'"
            )),
        );
        tell(
            "via:nsenter",
            shell(format!("nsenter -t {victim} -m cat {secret}")),
        );
        tell(
            "via:nsenter-user",
            shell(format!("nsenter -t {victim} -U -m cat {secret}")),
        );
        tell(
            "via:umount",
            shell(format!("umount {tree}; umount -l {tree}; cat {secret}")),
        );
    }

    fn processes(victim: i32, abstract_name: &str) {
        let pid = Pid::from_raw(victim).expect("pid");
        tell("proc:mem", File::open(format!("/proc/{victim}/mem")));
        for file in ["environ", "maps", "auxv", "io", "exe"] {
            tell(
                &format!("proc:{file}"),
                read(Path::new(&format!("/proc/{victim}/{file}"))),
            );
        }
        tell("proc:fd", fs::read_link(format!("/proc/{victim}/fd/0")));
        tell("signal-0", test_kill_process(pid).map_err(Into::into));
        tell(
            "signal",
            kill_process(pid, rustix::process::Signal::CONT).map_err(Into::into),
        );
        let nix_pid = nix::unistd::Pid::from_raw(victim);
        tell(
            "ptrace",
            ptrace::seize(nix_pid, ptrace::Options::empty()).map_err(Into::into),
        );
        let address = SocketAddr::from_abstract_name(abstract_name).expect("name");
        tell("abstract", UnixStream::connect_addr(&address));
    }

    fn sockets(tree: &Path) {
        tell("connect", UnixStream::connect(tree.join("control.sock")));
    }

    /// What only root could use to get around. Nothing is written.
    fn levers(work: &Path) {
        tell(
            "core_pattern",
            OpenOptions::new()
                .write(true)
                .open("/proc/sys/kernel/core_pattern"),
        );
        let disk = fs::read_to_string("/proc/partitions").unwrap_or_default();
        if let Some(disk) = disk
            .lines()
            .skip(2)
            .filter_map(|l| l.split_whitespace().last())
            .next()
        {
            tell("disk", File::open(format!("/dev/{disk}")));
        }
        tell(
            "mknod",
            mknodat(
                CWD,
                work.join("node"),
                FileType::BlockDevice,
                Mode::RUSR,
                rustix::fs::makedev(7, 0),
            )
            .map_err(Into::into),
        );
    }

    /// Last, because where they succeed the tree is elsewhere.
    fn moves(tree: &Path, work: &Path) {
        tell(
            "chmod-tree",
            fs::set_permissions(tree, Permissions::from_mode(0o755)),
        );
        tell(
            "rename-file",
            fs::rename(tree.join("secret"), work.join("stolen")),
        );
        tell("rename-tree", fs::rename(tree, work.join("tree")));
        let parent = tree.parent().expect("parent");
        tell(
            "rename-parent",
            fs::rename(parent, parent.with_file_name("elsewhere")),
        );
        tell("remove-tree", fs::remove_dir_all(tree));
    }

    fn read(path: &Path) -> io::Result<()> {
        let mut text = Vec::new();
        File::open(path)?.read_to_end(&mut text)?;
        some(!text.is_empty())
    }

    fn some(yes: bool) -> io::Result<()> {
        if yes {
            Ok(())
        } else {
            Err(io::Error::other("nothing there"))
        }
    }
}
