//! A real OpenBao: secrets that stay there, and a key-encryption key that never comes here.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use remit_broker::source::Source;
use remit_server::broker::credential;
use remit_server::broker::vault::{self, Given, NewSecret};
use remit_server::config::{Config, Manager};
use remit_server::engine::session;
use secrecy::{ExposeSecret as _, SecretString};

use crate::databases::Folder;
use crate::house::{House, name};

const TOKEN: &str = "root-token-of-this-test";

/// A program of the set that `e2e/tools.sh` installs for backends.
pub fn tool(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("REMIT_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/remit")))?;
    Some(cache.join("tools/backends/bin").join(name)).filter(|program| program.is_file())
}

/// A port nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A development server on loopback, ended by its process when dropped.
pub struct Bao {
    program: PathBuf,
    pub address: String,
    child: Child,
    pub folder: Folder,
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

impl Bao {
    /// Nothing when this machine has no `bao`; says so loudly.
    pub fn start() -> Option<Self> {
        let program = std::env::var_os("REMIT_BAO")
            .map(PathBuf::from)
            .or_else(|| tool("bao"));
        let Some(program) = program.filter(|program| program.is_file()) else {
            eprintln!(
                "SKIPPED: no `bao` on this machine (run e2e/tools.sh, or set REMIT_BAO to one), so nothing is checked against OpenBao"
            );
            return None;
        };
        let port = free_port();
        let folder = Folder::new();
        let child = Command::new(&program)
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={TOKEN}"))
            .arg(format!("-dev-listen-address=127.0.0.1:{port}"))
            .env("HOME", &folder.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::fs::write(folder.0.join("token"), TOKEN).unwrap();
        let bao = Self {
            program,
            address: format!("http://127.0.0.1:{port}"),
            child,
            folder,
        };
        for _ in 0..600 {
            if bao.run(&["status"]) {
                return Some(bao);
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("OpenBao did not start");
    }

    pub fn run(&self, arguments: &[&str]) -> bool {
        self.says(arguments, TOKEN).is_some()
    }

    /// What it prints for this token; nothing when it refuses.
    pub fn says(&self, arguments: &[&str], token: &str) -> Option<String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .env("BAO_ADDR", &self.address)
            .env("BAO_TOKEN", token)
            .env("HOME", &self.folder.0)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    }

    /// As the house would use it with another token of ours.
    pub fn with_token(&self, token: &str) {
        std::fs::write(self.folder.0.join("token"), token).unwrap();
    }

    pub fn config(&self) -> Config {
        let mut config = Config::default();
        config.hold.wait = "100ms".to_owned();
        config.managers.insert(
            "bao".to_owned(),
            Manager {
                url: self.address.clone(),
                token: format!("file:{}", self.folder.0.join("token").display()),
                allow_private: true,
            },
        );
        config
    }
}

async fn keep(house: &House, secret: &str, value: Given) -> Result<(), String> {
    let new = NewSecret {
        name: name(secret),
        system: Some(name("erp")),
        account: None,
        value,
    };
    let kept = vault::add(house.app(), new, &name("alice")).await;
    kept.map_err(|failure| failure.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_stays_in_openbao_is_read_there_at_each_call() {
    let Some(bao) = tokio::task::spawn_blocking(Bao::start).await.unwrap() else {
        return;
    };
    assert!(bao.run(&["kv", "put", "secret/erp", "password=first-value"]));
    let house = House::open_with(bao.config()).await;
    let missing: Source = "kv:bao/secret/data/nothing#password".parse().unwrap();
    let refused = keep(&house, "nothing", Given::Reference(missing))
        .await
        .unwrap_err();
    assert!(refused.contains("404"), "{refused}");
    let source: Source = "kv:bao/secret/data/erp#password".parse().unwrap();
    keep(&house, "erp", Given::Reference(source)).await.unwrap();
    let task = house.task(&["fs/*"], &[]).await;
    let live = session::of_task(house.app(), task.task.id).await.unwrap();
    let first = credential(house.app(), &live, &name("erp")).await.unwrap();
    assert_eq!(first.value.expose_secret(), "first-value");
    assert!(bao.run(&["kv", "put", "secret/erp", "password=second-value"]));
    let second = credential(house.app(), &live, &name("erp")).await.unwrap();
    assert_eq!(second.value.expose_secret(), "second-value");
    for copied in ["first-value", "second-value", TOKEN] {
        let store = std::fs::read(house.app().paths.store()).unwrap();
        let wal = std::fs::read(house.app().paths.store().with_extension("db-wal")).unwrap_or_default();
        for bytes in [store, wal] {
            let found = bytes
                .windows(copied.len())
                .any(|window| window == copied.as_bytes());
            assert!(!found, "`{copied}` was copied");
        }
    }
    drop(bao);
    let gone = credential(house.app(), &live, &name("erp"))
        .await
        .unwrap_err()
        .to_string();
    assert!(!gone.contains("value") || !gone.contains("second"), "{gone}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transit_key_wraps_and_never_comes_here() {
    let Some(bao) = tokio::task::spawn_blocking(Bao::start).await.unwrap() else {
        return;
    };
    assert!(bao.run(&["secrets", "enable", "transit"]));
    assert!(bao.run(&["write", "-f", "transit/keys/remit"]));
    let mut config = bao.config();
    config.vault.key = "transit:bao/transit/remit".to_owned();
    config.check().unwrap();
    let house = House::open_with(config).await;
    keep(
        &house,
        "erp",
        Given::Value(SecretString::from("kept-under-transit")),
    )
    .await
    .unwrap();
    assert!(!house.app().paths.keys().join("vault.key").exists());
    let house = house.crash_and_restart_as_configured().await;
    // Nothing has used it, and it is recognised as soon as the key has answered.
    let is_known = || {
        let known = remit_server::secrets::known(house.app());
        known.iter().any(|value| value.as_str() == "kept-under-transit")
    };
    for _ in 0..200 {
        if is_known() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(is_known() && house.app().broker.unopened().is_empty());
    let task = house.task(&["fs/*"], &[]).await;
    let live = session::of_task(house.app(), task.task.id).await.unwrap();
    let opened = credential(house.app(), &live, &name("erp")).await.unwrap();
    assert_eq!(opened.value.expose_secret(), "kept-under-transit");
    // The key turns there; what was wrapped before still opens.
    assert!(bao.run(&["write", "-f", "transit/keys/remit/rotate"]));
    let opened = credential(house.app(), &live, &name("erp")).await.unwrap();
    assert_eq!(opened.value.expose_secret(), "kept-under-transit");
    drop(bao);
    let sealed = credential(house.app(), &live, &name("erp")).await;
    assert!(sealed.is_err(), "sealed means sealed");
}
