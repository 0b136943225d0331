//! A temporary PostgreSQL cluster: one per test process, on a Unix socket, gone when the process is.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};

use crate::bed::Folder;

/// A running cluster. The shell that holds it ends it, by its process id, when our end of the pipe closes.
pub struct Cluster {
    /// The folder of its socket; its data lies in `data` there.
    pub socket: PathBuf,
    _keeper: Mutex<(Child, ChildStdin)>,
}

impl Cluster {
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// One that nobody else uses.
    pub fn start() -> Option<Self> {
        let Some(bin) = programs() else {
            eprintln!(
                "SKIPPED: no initdb on this machine, so nothing is checked on PostgreSQL (install postgresql)"
            );
            return None;
        };
        let folder = Folder::new();
        let owner = unprivileged();
        if let Some((uid, gid)) = owner {
            std::os::unix::fs::chown(&folder.0, Some(uid), Some(gid)).unwrap();
        }
        let data = folder.0.join("data");
        let mut initdb = Command::new(bin.join("initdb"));
        initdb
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
                "-D",
            ])
            .arg(&data);
        let made = become_owner(&mut initdb, owner)
            .current_dir(&folder.0)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        // Durability is not what the contract tests are about; the socket lies in the folder, no port is opened.
        let script = r#"
            "$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c max_connections=200 >"$2/log" 2>&1 &
            server=$!
            until "$1/pg_isready" -q -h "$2"; do kill -0 $server || exit 1; sleep 0.05; done
            echo ready
            cat >/dev/null
            kill -INT $server; wait $server; rm -rf "$2"
        "#;
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script, "sh"])
            .arg(&bin)
            .arg(&folder.0)
            .current_dir(&folder.0);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = become_owner(&mut shell, owner).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(
            line,
            "ready\n",
            "PostgreSQL did not start: see {}",
            folder.0.join("log").display()
        );
        let stdin = keeper.stdin.take().unwrap();
        let socket = folder.0.clone();
        // The keeper removes the folder.
        std::mem::forget(folder);
        Some(Self {
            socket,
            _keeper: Mutex::new((keeper, stdin)),
        })
    }

    pub fn fresh_database(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("bed{}", NEXT.fetch_add(1, Ordering::SeqCst));
        let url = |database: &str| format!("host={} user=postgres dbname={database}", self.socket.display());
        let mut client = postgres::Client::connect(&url("postgres"), postgres::NoTls).unwrap();
        client.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        url(&name)
    }
}

/// The folder with `initdb` and `postgres`.
pub fn programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| {
            versions
                .filter_map(|v| v.ok().map(|v| v.path().join("bin")))
                .collect()
        })
        .unwrap_or_default();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH")?));
    let has = |folder: &Path| {
        ["initdb", "postgres", "pg_isready"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    folders.into_iter().find(|folder| has(folder))
}

/// PostgreSQL refuses to run as root: the user `postgres` then.
pub fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("a user `postgres`");
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

pub fn become_owner(command: &mut Command, owner: Option<(u32, u32)>) -> &mut Command {
    if let Some((uid, gid)) = owner {
        command.uid(uid).gid(gid);
    }
    command
}
