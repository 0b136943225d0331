//! PostgreSQL over TLS: a real server with `ssl = on` and a certificate of a private authority. Who cannot be verified gets
//! no password, and nobody falls back to plain text.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use remit_server::broker::vault::{self, Given, NewSecret};
use remit_server::config::{Config, Database};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::databases::Folder;
use crate::house::{House, name};
use crate::managers::free_port;
use crate::postgres_bed::{become_owner, programs, unprivileged};

/// A certificate authority of our own, and a certificate of it for 127.0.0.1: authority, certificate and key in PEM.
fn vouched() -> (String, String, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    (root, leaf.pem(), leaf_key.serialize_pem())
}

/// A cluster on loopback that takes passwords over TLS and refuses everybody else; ended by its process when dropped.
struct Cluster {
    child: Child,
    folder: Folder,
    port: u16,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _told = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ended = self.child.wait();
    }
}

const HBA: &str =
    "local all all trust\nhostnossl all all all reject\nhostssl all all 127.0.0.1/32 scram-sha-256\n";

impl Cluster {
    fn start(certificate: &str, key: &str) -> Option<Self> {
        let Some(bin) = programs() else {
            eprintln!(
                "SKIPPED: no initdb on this machine, so TLS to PostgreSQL is not checked (install postgresql)"
            );
            return None;
        };
        let folder = Folder::new();
        let owner = unprivileged();
        let own = |path: &Path| {
            if let Some((uid, gid)) = owner {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
        };
        own(&folder.0);
        let data = folder.0.join("data");
        let mut initdb = Command::new(bin.join("initdb"));
        initdb
            .args(["-U", "postgres", "-A", "trust", "--no-sync", "-D"])
            .arg(&data);
        let made = become_owner(&mut initdb, owner)
            .current_dir(&folder.0)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        for (file, text) in [
            ("server.crt", certificate),
            ("server.key", key),
            ("pg_hba.conf", HBA),
        ] {
            let path = data.join(file);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            own(&path);
        }
        let port = free_port();
        let mut server = Command::new(bin.join("postgres"));
        server
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(&folder.0)
            .args([
                "-p",
                &port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "ssl=on",
                "-c",
                "fsync=off",
            ])
            .current_dir(&folder.0)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = become_owner(&mut server, owner).spawn().unwrap();
        let cluster = Self { child, folder, port };
        for _ in 0..400 {
            if let Ok(mut client) = postgres::Client::connect(&cluster.url(), postgres::NoTls) {
                client
                    .batch_execute("ALTER ROLE postgres PASSWORD 'canary-over-tls'; CREATE TABLE invoices (id int); INSERT INTO invoices VALUES (7)")
                    .unwrap();
                return Some(cluster);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL did not start");
    }

    fn url(&self) -> String {
        format!(
            "host={} port={} user=postgres dbname=postgres",
            self.folder.0.display(),
            self.port
        )
    }

    fn count(&self, query: &str) -> i64 {
        let mut client = postgres::Client::connect(&self.url(), postgres::NoTls).unwrap();
        client.query_one(query, &[]).unwrap().get(0)
    }
}

async fn house(cluster: &Cluster, authority: Option<PathBuf>, host: &str, tls: bool) -> House {
    let mut config = Config::default();
    config.hold.wait = "100ms".to_owned();
    config.egress.ca_file = authority;
    let database = Database {
        host: Some(host.to_owned()),
        port: cluster.port,
        database: "postgres".to_owned(),
        user: "postgres".to_owned(),
        secret: Some("pg".to_owned()),
        allow_private: true,
        tls,
        ..Database::default()
    };
    config.databases.insert("erp".to_owned(), database);
    config.check().unwrap();
    let house = House::open_with(config).await;
    let password = NewSecret {
        name: name("pg"),
        system: None,
        account: None,
        value: Given::Value(SecretString::from("canary-over-tls")),
    };
    vault::add(house.app(), password, &name("alice")).await.unwrap();
    house
}

async fn asked(house: &House) -> Value {
    let task = house.task(&["erp/db.query"], &["erp:public/invoices"]).await;
    let params = json!({"name": "db.query", "arguments": {"sql": "SELECT id FROM invoices"}});
    let (_, answer) = house.rpc_on("erp", &task.token, "tools/call", params).await;
    answer["result"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_reached_over_tls_by_who_verifies_it_alone() {
    let (root, certificate, key) = vouched();
    let started =
        tokio::task::spawn_blocking(move || Cluster::start(&certificate, &key).map(std::sync::Arc::new));
    let Some(cluster) = started.await.unwrap() else {
        return;
    };
    let keep = |file: &str, pem: &str| {
        let path = cluster.folder.0.join(file);
        std::fs::write(&path, pem).unwrap();
        path
    };
    let (ours, theirs) = (keep("root.pem", &root), keep("other.pem", &vouched().0));

    let verified = house(&cluster, Some(ours.clone()), "127.0.0.1", true).await;
    let result = asked(&verified).await;
    assert_eq!(result["structuredContent"]["rows"], json!([["7"]]), "{result}");
    let at = std::sync::Arc::clone(&cluster);
    let prefix = verified.app().broker.role_prefix();
    let sessions = tokio::task::spawn_blocking(move || {
        at.count(&format!(
            "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND starts_with(a.usename, '{prefix}')"
        ))
    });
    assert_eq!(
        sessions.await.unwrap(),
        1,
        "the session of the task's role is encrypted"
    );

    for (what, authority, host, tls) in [
        ("an authority we do not know", None, "127.0.0.1", true),
        ("another authority", Some(theirs), "127.0.0.1", true),
        (
            "a name the certificate does not carry",
            Some(ours.clone()),
            "localhost",
            true,
        ),
        (
            "plain text, which the server refuses",
            Some(ours),
            "127.0.0.1",
            false,
        ),
    ] {
        let house = house(&cluster, authority, host, tls).await;
        let result = asked(&house).await;
        assert_eq!(result["isError"], true, "{what}: {result}");
        assert!(!result.to_string().contains("canary"), "{what}");
    }
}
