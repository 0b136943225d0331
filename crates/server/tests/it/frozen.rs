//! A database that hangs, or a table of it that is locked: nobody else's credentials live a moment longer for it, and what it
//! was asked while it hung is found out when it goes on.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use remit_broker::backend::postgresql::{self, Rights, Session, Verbs};
use remit_core::id::LeaseId;
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::task::Ending;
use remit_core::time::Timestamp;
use remit_server::config::{Config, Database};
use remit_server::tasks::open::Opened;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::house::{House, name};
use crate::leases::{Sockets, account};
use crate::postgres_bed::Cluster;

/// Processes that do not run until this is dropped.
struct Frozen(Vec<String>);

impl Frozen {
    /// The server and everything that works for it.
    fn cluster(cluster: &Cluster) -> Self {
        let file = std::fs::read_to_string(cluster.socket.join("data/postmaster.pid")).unwrap();
        let server = file.lines().next().unwrap().to_owned();
        Self::stop(vec![server.clone()]).and(children(&server))
    }

    fn stop(pids: Vec<String>) -> Self {
        signal("-STOP", &pids);
        Self(pids)
    }

    fn and(mut self, more: Vec<String>) -> Self {
        signal("-STOP", &more);
        self.0.extend(more);
        self
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(which: &str, pids: &[String]) {
    let _some_may_be_gone = Command::new("kill").arg(which).args(pids).status().unwrap();
}

fn children(parent: &str) -> Vec<String> {
    let of = |pid: &str| {
        let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
        let after = stat.rsplit_once(") ")?.1.to_owned();
        after.split(' ').nth(1).map(str::to_owned)
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()) && of(pid).as_deref() == Some(parent))
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "the test measures, it decides nothing")]
fn now() -> Instant {
    Instant::now()
}

const TABLES: &str =
    "CREATE TABLE invoices (id int); CREATE TABLE suppliers (id int); INSERT INTO invoices VALUES (1)";

/// A database of the cluster with two tables.
async fn database(cluster: &'static Cluster) -> (String, Database) {
    let url = tokio::task::spawn_blocking(|| {
        let url = cluster.fresh_database();
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        client.batch_execute(TABLES).unwrap();
        url
    })
    .await
    .unwrap();
    let configured = Database {
        socket: Some(cluster.socket.clone()),
        database: url.rsplit_once('=').unwrap().1.to_owned(),
        user: "postgres".to_owned(),
        ..Database::default()
    };
    (url, configured)
}

/// A house with these databases.
async fn house(databases: &[(&str, &Database)]) -> House {
    let mut config = Config::default();
    config.hold.wait = "100ms".to_owned();
    for (name, database) in databases {
        config.databases.insert((*name).to_owned(), (*database).clone());
    }
    config.check().unwrap();
    House::open_with(config).await
}

async fn count(url: &str, query: &str) -> i64 {
    let (url, query) = (url.to_owned(), query.to_owned());
    tokio::task::spawn_blocking(move || {
        let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
        client.query_one(&query, &[]).unwrap().get(0)
    })
    .await
    .unwrap()
}

async fn sql(house: &House, database: &str, token: &str, text: &str) -> Value {
    let params = json!({"name": "db.query", "arguments": {"sql": text}});
    let (_, answer) = house.rpc_on(database, token, "tools/call", params).await;
    answer["result"].clone()
}

/// A task that read something, so that it has a role.
async fn reading(house: &House, database: &str, table: &str) -> Opened {
    let task = house
        .task(
            &[&format!("{database}/db.query")],
            &[&format!("{database}:public/{table}")],
        )
        .await;
    let read = sql(house, database, &task.token, &format!("SELECT id FROM {table}")).await;
    assert_eq!(read["isError"], false, "{read}");
    task
}

async fn end(house: &House, task: &Opened) {
    remit_server::tasks::end::end(house.app(), task.task.id, Ending::Revoked, &name("alice"), "test")
        .await
        .unwrap();
}

fn leases(house: &House, task: &Opened) -> Vec<Lease> {
    let task = task.task.id;
    let all = house
        .app()
        .store
        .read_blocking(move |conn| remit_store::leases::of_task(conn, task))
        .unwrap();
    all.into_iter().map(|stored| stored.value).collect()
}

/// Waits until all leases of the task are dead.
async fn dead(house: &House, task: &Opened, most: Duration) -> Duration {
    let start = now();
    while leases(house, task)
        .iter()
        .any(|lease| lease.state != LeaseState::Dead)
    {
        assert!(start.elapsed() < most, "not dead after {:?}", start.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

/// Leases of a database, older than any other: more than are ended at once.
async fn many(house: &House, task: &Opened, database: &str) {
    let app = house.app();
    let at = app.clock.now().plus_ms(-3_600_000);
    let planted: Vec<Lease> = (0..2500)
        .map(|number| {
            let id = LeaseId::fresh(at.plus_ms(number), &*app.entropy).unwrap();
            Lease {
                id,
                task: task.task.id,
                run: task.task.run,
                system: name(database),
                backend: name("postgresql"),
                handle: format!("{}{number}", app.broker.role_prefix()),
                class: LeaseClass::R1,
                state: LeaseState::Planned,
                planned_at: at,
                ended_at: None,
                expires_at: task.task.expires_at,
            }
        })
        .collect();
    app.store
        .append(remit_server::engine::record::of("lease.plan"), move |tx| {
            planted
                .iter()
                .try_for_each(|lease| remit_store::leases::plan(tx, lease))
        })
        .await
        .unwrap();
}

fn roles(house: &House) -> String {
    let prefix = house.app().broker.role_prefix();
    format!("SELECT count(*) FROM pg_roles WHERE starts_with(rolname, '{prefix}')")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_holds_up_no_other() {
    let Some(own) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else {
        return;
    };
    // Its keeper ends it when this process is gone.
    let own: &'static Cluster = Box::leak(Box::new(own));
    let Some(shared) = tokio::task::spawn_blocking(Cluster::shared).await.unwrap() else {
        return;
    };
    let (erp_url, erp) = database(own).await;
    let (crm_url, crm) = database(shared).await;
    let house = house(&[("erp", &erp), ("crm", &crm)]).await;
    let hanging = reading(&house, "erp", "invoices").await;
    many(&house, &hanging, "erp").await;
    let other = reading(&house, "crm", "invoices").await;
    let new = house.task(&["erp/db.query"], &["erp:public/suppliers"]).await;

    let frozen = Frozen::cluster(own);
    end(&house, &hanging).await;
    // Long enough for everybody to have begun with what hangs.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    end(&house, &other).await;
    let took = dead(&house, &other, Duration::from_secs(5)).await;
    eprintln!("ended beside a database that hangs in {took:?}");
    assert_eq!(count(&crm_url, &roles(&house)).await, 0);
    let next = reading(&house, "crm", "suppliers").await;
    end(&house, &next).await;
    dead(&house, &next, Duration::from_secs(5)).await;
    assert!(
        leases(&house, &hanging)
            .iter()
            .all(|lease| lease.state == LeaseState::Revoking),
        "nothing is called dead that nobody looked for"
    );
    // Who wants something of the one that hangs is told so, and what it was asked is taken back.
    let start = now();
    let answer = sql(&house, "erp", &new.token, "SELECT id FROM suppliers").await;
    assert_ne!(answer["isError"], false, "{answer}");
    assert!(start.elapsed() < Duration::from_secs(40), "{:?}", start.elapsed());
    end(&house, &new).await;

    drop(frozen);
    dead(&house, &hanging, Duration::from_secs(60)).await;
    dead(&house, &new, Duration::from_secs(60)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(count(&erp_url, &roles(&house)).await, 0, "nothing appeared later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_table_holds_up_neither_logins_nor_other_roles() {
    let Some(own) = tokio::task::spawn_blocking(Cluster::start).await.unwrap() else {
        return;
    };
    let own: &'static Cluster = Box::leak(Box::new(own));
    let (url, erp) = database(own).await;
    let house = house(&[("erp", &erp)]).await;
    let locked = reading(&house, "erp", "invoices").await;
    let free = reading(&house, "erp", "suppliers").await;
    let of = url.clone();
    let mut client = tokio::task::spawn_blocking(move || {
        let mut client = postgres::Client::connect(&of, postgres::NoTls).unwrap();
        client
            .batch_execute("BEGIN; ALTER TABLE invoices ADD COLUMN amount int")
            .unwrap();
        client
    })
    .await
    .unwrap();
    end(&house, &locked).await;
    end(&house, &free).await;
    let let_in = format!(
        "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, '{}') AND rolcanlogin",
        house.app().broker.role_prefix()
    );
    let start = now();
    while count(&url, &let_in).await > 0 {
        assert!(
            start.elapsed() < Duration::from_secs(3),
            "a login waits for a lock"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = dead(&house, &free, Duration::from_secs(10)).await;
    eprintln!("another role ended beside a locked table in {took:?}");
    assert_eq!(
        count(&url, &roles(&house)).await,
        1,
        "the one in the way is still there"
    );
    let next = reading(&house, "erp", "suppliers").await;
    end(&house, &next).await;
    dead(&house, &next, Duration::from_secs(10)).await;
    tokio::task::spawn_blocking(move || client.batch_execute("COMMIT").unwrap())
        .await
        .unwrap();
    dead(&house, &locked, Duration::from_secs(20)).await;
    assert_eq!(count(&url, &roles(&house)).await, 0);
}

/// What a session was asked before it was given up may still be done. Whoever comes after it under its name waits until that
/// is settled: otherwise a role that was looked for, and not found, would appear afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_given_up_is_settled_before_anything_is_looked_for() {
    let url = tokio::task::spawn_blocking(|| Cluster::shared().map(Cluster::fresh_database))
        .await
        .unwrap();
    let Some(url) = url else { return };
    let house = async |name: &str| -> Result<Session, String> {
        postgresql::connect_house(&account(&url, "postgres", None), "public", name, &Sockets)
            .await
            .map_err(|error| error.to_string())
    };
    let first = house("remit_settled").await.unwrap();
    let frozen = Frozen::stop(vec![first.pid.to_string()]);
    let rights = Rights {
        of: &|_| Some(Verbs::default()),
    };
    let verifier = postgresql::verifier(&SecretString::from("not-asked-for-here"));
    let role = ["remit_given_up".to_owned()];
    let start = now();
    let made = postgresql::make(&first, &role[0], &verifier, Timestamp(4_000_000_000_000), &rights).await;
    let why = made.unwrap_err().to_string();
    assert!(why.contains("not known"), "{why}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(first.is_closed());
    drop(first);

    let why = house("remit_settled").await.unwrap_err();
    assert!(why.contains("an earlier session"), "{why}");
    // Under another name nobody waits: logins are taken away all the while.
    let cutting = house("remit_settled_cut").await.unwrap();
    assert!(postgresql::cut(&cutting, &role).await.unwrap().is_empty());
    drop(frozen);

    let next = house("remit_settled").await.unwrap();
    postgresql::remove(&next, &role).await.unwrap();
    assert!(postgresql::prove(&next, &role).await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(
        postgresql::prove(&next, &role).await.unwrap().is_empty(),
        "it appeared afterwards"
    );
}
