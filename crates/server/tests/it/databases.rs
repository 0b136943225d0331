//! Databases on a real PostgreSQL: what a task may do, under which role, and that nothing comes back after its end.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use remit_core::task::Ending;
use remit_server::config::{Config, Database};
use remit_server::policies::apply::{self, Applied};
use serde_json::{Value, json};

use crate::house::{House, decision, name};
use crate::postgres_bed::Cluster;

/// Removed with everything in it when dropped.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = std::env::temp_dir().join(format!(
            "remit-databases-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::SeqCst)
        ));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A database with two tables, and the house that serves it.
pub struct Erp {
    pub house: House,
    pub url: String,
}

impl Erp {
    /// Nothing when this machine has no PostgreSQL; says so loudly.
    pub async fn open(roles: bool) -> Option<Self> {
        let url = tokio::task::spawn_blocking(|| {
            let url = Cluster::shared()?.fresh_database();
            let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
            client
                .batch_execute(
                    "CREATE TABLE invoices (id serial PRIMARY KEY, amount int, secret text); \
                     CREATE TABLE suppliers (id serial PRIMARY KEY, name text); \
                     INSERT INTO invoices (amount, secret) VALUES (10, 'a'), (20, 'b')",
                )
                .unwrap();
            Some(url)
        })
        .await
        .unwrap()?;
        let part = |key: &str| {
            let found = url
                .split(' ')
                .find_map(|part| part.strip_prefix(&format!("{key}=")));
            found.unwrap().to_owned()
        };
        let mut config = Config::default();
        config.hold.wait = "100ms".to_owned();
        config.databases.insert(
            "erp".to_owned(),
            Database {
                socket: Some(part("host").into()),
                database: part("dbname"),
                user: "postgres".to_owned(),
                roles,
                ..Database::default()
            },
        );
        config.check().unwrap();
        Some(Self {
            house: House::open_with(config).await,
            url,
        })
    }

    pub async fn sql(&self, token: &str, text: &str) -> Value {
        self.tool(token, "db.query", text).await
    }

    async fn tool(&self, token: &str, tool: &str, text: &str) -> Value {
        let params = json!({"name": tool, "arguments": {"sql": text}});
        let (_, answer) = self.house.rpc_on("erp", token, "tools/call", params).await;
        answer["result"].clone()
    }

    /// One number, asked behind the house's back.
    pub async fn count(&self, query: &str) -> i64 {
        let (url, query) = (self.url.clone(), query.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
            client.query_one(&query, &[]).unwrap().get(0)
        })
        .await
        .unwrap()
    }

    /// Statements behind the house's back.
    pub async fn behind(&self, script: &str) {
        let (url, script) = (self.url.clone(), script.to_owned());
        tokio::task::spawn_blocking(move || {
            let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
            client.batch_execute(&script).unwrap();
        })
        .await
        .unwrap();
    }

    pub fn roles(&self) -> String {
        let prefix = self.house.app().broker.role_prefix();
        format!("SELECT count(*) FROM pg_roles WHERE starts_with(rolname, '{prefix}')")
    }

    /// Waits until `query` counts nothing; answers how long that took.
    pub async fn gone(&self, query: &str) -> Duration {
        let start = now();
        while self.count(query).await > 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "still there: {query}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        start.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "the test measures, it decides nothing")]
fn now() -> Instant {
    Instant::now()
}

pub fn rows(result: &Value) -> &Value {
    assert_eq!(result["isError"], false, "{result}");
    &result["structuredContent"]["rows"]
}

/// R21: a tightened rule ends the credentials it concerns within seconds, and no other; the task is told why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_policy_refuses_now_is_ended_and_the_rest_goes_on() {
    let Some(erp) = Erp::open(true).await else { return };
    let app = erp.house.app();
    let reading = erp.house.task(&["erp/db.query"], &["erp:public/invoices"]).await;
    let writing = erp.house.task(&["erp/db.write"], &["erp:public/suppliers"]).await;
    let insert = "INSERT INTO suppliers (name) VALUES ('acme')";
    rows(&erp.sql(&reading.token, "SELECT id FROM invoices").await);
    erp.sql(&writing.token, insert).await;
    assert_eq!(erp.count(&erp.roles()).await, 2);

    let folder = app.paths.config.join("policies");
    std::fs::create_dir_all(&folder).unwrap();
    let rule = r#"@id("no-erp-writes") forbid (principal, action in Action::"write", resource) when { context.server == "erp" };"#;
    std::fs::write(folder.join("erp.cedar"), rule).unwrap();
    let applied = apply::apply(app, &name("alice")).await.unwrap();
    let Applied::InForce { ended, .. } = applied else {
        panic!("{applied:?}")
    };
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0].lease.task, writing.task.id);
    let start = now();
    while erp.count(&erp.roles()).await > 1 {
        assert!(start.elapsed() < Duration::from_secs(5), "the role lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = remit_server::evidence::of_task(app, writing.task.id, 0, 1000)
        .await
        .unwrap();
    let revoked = told.iter().find(|record| record.kind == "lease.revoke").unwrap();
    let why = revoked.detail.get("why").and_then(|why| why.as_str()).unwrap();
    assert!(why.contains("no-erp-writes"), "{why}");
    let refused = erp.sql(&writing.token, insert).await;
    assert_eq!(decision(&refused)["decision"], "deny", "{refused}");
    rows(&erp.sql(&reading.token, "SELECT id FROM invoices").await);
    assert_eq!(erp.count(&erp.roles()).await, 1, "the other task kept its role");

    // Loosened again, the next call makes another.
    std::fs::remove_file(folder.join("erp.cedar")).unwrap();
    apply::apply(app, &name("alice"))
        .await
        .unwrap()
        .in_force()
        .unwrap();
    let wrote = erp.sql(&writing.token, insert).await;
    assert_eq!(wrote["structuredContent"]["row_count"], 1, "{wrote}");
    assert_eq!(erp.count("SELECT count(*) FROM suppliers").await, 2);

    // Whatever else decisions read counts too: a freeze is found by itself.
    assert_eq!(erp.count(&erp.roles()).await, 2);
    let until = app.clock.now().plus_ms(60_000);
    let frozen = "erp:public/suppliers".parse().unwrap();
    remit_server::freezes::place(app, frozen, until, "stocktaking".to_owned(), &name("alice"))
        .await
        .unwrap();
    let start = now();
    while erp.count(&erp.roles()).await > 1 {
        assert!(start.elapsed() < Duration::from_secs(5), "the role lives on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_get_their_role_on_one_table_at_once() {
    let Some(erp) = Erp::open(true).await else { return };
    let erp = std::sync::Arc::new(erp);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let task = erp.house.task(&["erp/db.query"], &["erp:public/invoices"]).await;
        let erp = std::sync::Arc::clone(&erp);
        asking.spawn(async move {
            let read = erp.sql(&task.token, "SELECT id FROM invoices").await;
            let ending = Ending::Completed;
            remit_server::tasks::end::done(erp.house.app(), task.task.id, ending, &name("alice"))
                .await
                .unwrap();
            read
        });
    }
    while let Some(read) = asking.join_next().await {
        rows(&read.unwrap());
    }
    erp.gone(&erp.roles()).await;
}

/// Story F4: one account without roles of its own, or one that makes a role for each task; both see the same.
async fn each_task_sees_its_own_table(roles: bool) {
    let Some(erp) = Erp::open(roles).await else { return };
    let reading = erp.house.task(&["erp/db.query"], &["erp:public/invoices"]).await;
    let writing = erp.house.task(&["erp/db.write"], &["erp:public/suppliers"]).await;

    let read = erp
        .sql(&reading.token, "SELECT id, amount FROM invoices ORDER BY id")
        .await;
    assert_eq!(rows(&read), &json!([["1", "10"], ["2", "20"]]));
    let wrote = erp
        .sql(&writing.token, "INSERT INTO suppliers (name) VALUES ('acme')")
        .await;
    assert_eq!(wrote["structuredContent"]["row_count"], 1, "{wrote}");
    assert_eq!(erp.count("SELECT count(*) FROM suppliers").await, 1);

    for (token, text, reason) in [
        (&reading.token, "SELECT * FROM suppliers", "out_of_authority"),
        (
            &reading.token,
            "INSERT INTO invoices (amount) VALUES (1)",
            "out_of_authority",
        ),
        (&reading.token, "DELETE FROM invoices", "out_of_authority"),
        (
            &reading.token,
            "SELECT * FROM invoices; DROP TABLE invoices",
            "not_inspectable",
        ),
        (&reading.token, "SELECT pg_sleep(1)", "not_inspectable"),
        (
            &reading.token,
            "WITH x AS (SELECT * FROM suppliers) SELECT * FROM x",
            "out_of_authority",
        ),
        (
            &reading.token,
            "COPY invoices TO PROGRAM 'cat'",
            "not_inspectable",
        ),
        (&writing.token, "SELECT * FROM suppliers", "out_of_authority"),
        (
            &writing.token,
            "INSERT INTO invoices (amount) VALUES (1)",
            "out_of_authority",
        ),
        (
            &writing.token,
            "INSERT INTO suppliers (name) SELECT secret FROM invoices",
            "out_of_authority",
        ),
        (
            &writing.token,
            "UPDATE suppliers SET name = name RETURNING *",
            "out_of_authority",
        ),
    ] {
        let said = erp.sql(token, text).await;
        assert_eq!(decision(&said)["reason"], reason, "{text}: {said}");
    }
    assert_eq!(erp.count("SELECT count(*) FROM invoices").await, 2);
    assert_eq!(erp.count("SELECT count(*) FROM suppliers").await, 1);
    // An error of the database is a result, not a broken call.
    let wrong = erp
        .sql(&reading.token, "SELECT no_such_column FROM invoices")
        .await;
    assert!(
        wrong["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("PostgreSQL said"),
        "{wrong}"
    );

    let (_, listed) = erp
        .house
        .rpc_on("erp", &writing.token, "tools/list", json!({}))
        .await;
    let names: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .filter(|name| !name.starts_with("remit__"))
        .collect();
    assert_eq!(names, ["db.write"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_task_sees_its_own_table_under_its_own_role() {
    each_task_sees_its_own_table(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_task_sees_its_own_table_behind_one_shared_account() {
    each_task_sees_its_own_table(false).await;
}

/// One task that reads one table and adds to another, and neither the other way round.
async fn each_table_of_a_task_has_its_own_verbs(roles: bool) {
    let Some(erp) = Erp::open(roles).await else { return };
    let roots = ["erp:public/invoices#read", "erp:public/suppliers#insert"];
    let roots = roots.map(|root| root.parse().unwrap()).to_vec();
    let (resources, narrowed) = remit_core::verb::apart(roots).unwrap();
    let mut wish = erp.house.wish(&["erp/db.query", "erp/db.write"], &[]);
    wish.resources = resources;
    wish.limit = Some(remit_core::authority::Authority {
        narrowed,
        ..remit_core::authority::Authority::unbounded()
    });
    let task = remit_server::tasks::open::open(erp.house.app(), wish, &name("alice"))
        .await
        .unwrap();
    rows(&erp.sql(&task.token, "SELECT id FROM invoices").await);
    for text in [
        "INSERT INTO suppliers (name) VALUES ('acme')",
        "INSERT INTO suppliers (name) SELECT secret FROM invoices",
    ] {
        let wrote = erp.sql(&task.token, text).await;
        assert_eq!(wrote["isError"], false, "{text}: {wrote}");
    }
    assert_eq!(erp.count("SELECT count(*) FROM suppliers").await, 3);
    for text in [
        "SELECT name FROM suppliers",
        "SELECT id FROM invoices WHERE EXISTS (SELECT 1 FROM suppliers)",
        "INSERT INTO invoices (amount) VALUES (1)",
        "UPDATE invoices SET amount = 0",
        "UPDATE suppliers SET name = 'x'",
        "INSERT INTO suppliers (name) SELECT name FROM suppliers",
        "INSERT INTO suppliers (id, name) VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET name = 'x'",
        "WITH x AS (UPDATE suppliers SET name = 'x') SELECT id FROM invoices",
        "SELECT id FROM invoices FOR UPDATE",
    ] {
        let said = erp.sql(&task.token, text).await;
        assert_eq!(decision(&said)["reason"], "out_of_authority", "{text}: {said}");
    }
    assert_eq!(
        erp.count("SELECT count(*) FROM invoices WHERE amount > 0").await,
        2
    );
    if roles {
        let prefix = erp.house.app().broker.role_prefix();
        for (table, held) in [("invoices", "SELECT"), ("suppliers", "INSERT")] {
            for what in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
                let may = format!(
                    "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, '{prefix}') AND has_table_privilege(rolname, '{table}', '{what}')"
                );
                assert_eq!(erp.count(&may).await, i64::from(what == held), "{what} {table}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_table_of_a_task_has_its_own_verbs_under_its_own_role() {
    each_table_of_a_task_has_its_own_verbs(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_table_of_a_task_has_its_own_verbs_behind_one_shared_account() {
    each_table_of_a_task_has_its_own_verbs(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_role_holds_what_the_task_holds_and_dies_with_it() {
    let Some(erp) = Erp::open(true).await else { return };
    let task = erp.house.task(&["erp/db.query"], &["erp:public/invoices"]).await;
    rows(&erp.sql(&task.token, "SELECT 1").await);
    assert_eq!(erp.count(&erp.roles()).await, 1);
    let prefix = erp.house.app().broker.role_prefix();
    let may = |what: &str, table: &str| {
        format!(
            "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, '{prefix}') AND has_table_privilege(rolname, '{table}', '{what}')"
        )
    };
    assert_eq!(erp.count(&may("SELECT", "invoices")).await, 1);
    for (what, table) in [
        ("INSERT", "invoices"),
        ("UPDATE", "invoices"),
        ("DELETE", "invoices"),
        ("SELECT", "suppliers"),
    ] {
        assert_eq!(erp.count(&may(what, table)).await, 0, "{what} {table}");
    }
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE starts_with(usename, '{prefix}')");
    assert_eq!(erp.count(&sessions).await, 1);
    let lease = leases_of(&erp, task.task.id).remove(0);
    assert_eq!(lease.class, remit_core::lease::LeaseClass::R1);
    assert!(lease.expires_at <= task.task.expires_at);

    remit_server::tasks::end::done(erp.house.app(), task.task.id, Ending::Completed, &name("alice"))
        .await
        .unwrap();
    let took = erp.gone(&erp.roles()).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(erp.count(&sessions).await, 0);
    let dead = || {
        leases_of(&erp, task.task.id)
            .iter()
            .all(|l| l.state == remit_core::lease::LeaseState::Dead)
    };
    for _ in 0..200 {
        if dead() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(dead(), "{:?}", leases_of(&erp, task.task.id));
    assert!(
        remit_server::evidence::verify::verify(erp.house.app(), None)
            .await
            .unwrap()
            .is_ok()
    );
}

pub fn leases_of(erp: &Erp, task: remit_core::id::TaskId) -> Vec<remit_core::lease::Lease> {
    let all = erp
        .house
        .app()
        .store
        .read_blocking(move |conn| remit_store::leases::of_task(conn, task))
        .unwrap();
    all.into_iter().map(|stored| stored.value).collect()
}

/// A statement that would run for minutes is under way when the task ends: no row, and the server stops working.
async fn a_statement_under_way_dies_with_its_task(roles: bool) {
    let Some(erp) = Erp::open(roles).await else { return };
    let erp = std::sync::Arc::new(erp);
    let task = erp.house.task(&["erp/db.query"], &["erp:public/invoices"]).await;
    rows(&erp.sql(&task.token, "SELECT 1").await);
    let running = {
        let (erp, token) = (std::sync::Arc::clone(&erp), task.token.clone());
        tokio::spawn(async move {
            erp.sql(&token, "SELECT count(*) FROM generate_series(1, 4000000000) g")
                .await
        })
    };
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'FETCH%' AND datname = current_database()";
    let start = now();
    while erp.count(busy).await == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "it never ran");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    remit_server::tasks::end::end(
        erp.house.app(),
        task.task.id,
        Ending::Revoked,
        &name("alice"),
        "test",
    )
    .await
    .unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
    assert!(
        answer["structuredContent"].is_null(),
        "a row came back after the end: {answer}"
    );
    let took = erp.gone(busy).await;
    assert!(took < Duration::from_secs(5), "the server worked on for {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_under_way_dies_with_its_task_and_role() {
    a_statement_under_way_dies_with_its_task(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_under_way_dies_with_its_task_on_the_shared_account() {
    a_statement_under_way_dies_with_its_task(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_bounded_and_recorded() {
    let Some(erp) = Erp::open(true).await else { return };
    let task = erp.house.task(&["erp/db.query"], &["erp:public"]).await;
    let many = erp
        .sql(&task.token, "SELECT * FROM generate_series(1, 100000) g")
        .await;
    assert_eq!(many["structuredContent"]["truncated"], true);
    assert_eq!(rows(&many).as_array().unwrap().len(), 1000);
    let huge = "SELECT string_agg(md5(g::text), '') FROM generate_series(1, 2000000) g";
    let huge = erp.sql(&task.token, huge).await;
    assert!(
        huge["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("larger than is taken"),
        "{huge}"
    );
    let explained = erp.sql(&task.token, "EXPLAIN SELECT * FROM invoices").await;
    assert!(!rows(&explained).as_array().unwrap().is_empty());
    let wanted = "the digest and the rows are in the ledger";
    let recorded = erp
        .house
        .app()
        .store
        .read_blocking(|conn| remit_store::records::range(conn, 0, 1000))
        .unwrap();
    let outcomes: Vec<_> = recorded
        .iter()
        .map(|stored| stored.decode().unwrap())
        .filter(|record| record.kind == "outcome")
        .collect();
    assert_eq!(outcomes.len(), 3);
    for outcome in &outcomes {
        assert!(
            outcome.detail.contains_key("statement") && outcome.detail.contains_key("lease"),
            "{wanted}"
        );
    }
    assert!(outcomes[0].detail.contains_key("rows"), "{wanted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_does_not_live_longer_because_its_task_does_but_by_a_decision() {
    let Some(erp) = Erp::open(true).await else { return };
    let mut wish = erp.house.wish(&["erp/db.query"], &["erp:public/invoices"]);
    wish.ttl_ms = Some(30_000);
    let task = remit_server::tasks::open::open(erp.house.app(), wish, &name("alice"))
        .await
        .unwrap();
    rows(&erp.sql(&task.token, "SELECT 1").await);
    rows(&erp.sql(&task.token, "SELECT 1").await);
    let first = leases_of(&erp, task.task.id);
    assert_eq!(first.len(), 1, "it lives as long as its task: nothing to renew");
    remit_server::tasks::renew::renew(erp.house.app(), task.task.id, 3_600_000, &name("alice"))
        .await
        .unwrap();
    rows(&erp.sql(&task.token, "SELECT 1").await);
    let both = leases_of(&erp, task.task.id);
    assert_eq!(both.len(), 2, "{both:?}");
    assert!(both[1].expires_at > first[0].expires_at);
    let decided = erp.house.records().await;
    let decided = decided
        .iter()
        .find(|record| record.kind == "lease.renew")
        .unwrap();
    assert_eq!(decided.decision.as_deref(), Some("allow"));
    for _ in 0..500 {
        if erp.count(&erp.roles()).await == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the role before is still there");
}
