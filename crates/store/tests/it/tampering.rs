//! A row written behind our back grants nothing: every column of every table that grants, changed by plain SQL.

use std::collections::BTreeSet;

use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::LeaseId;
use remit_core::label::{Label, Labels};
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::people::{Agent, Human, Role, Standing};
use remit_core::time::Timestamp;
use remit_core::tool::{Classification, Marks, Tool, ToolClass, ToolState};
use remit_store::freezes::Freeze;
use remit_store::observations::Observation;
use remit_store::servers::{Server, Transport};
use remit_store::tools::RegisteredTool;
use remit_store::{
    Conn, Location, OpenError, Store, StoreError, agents, approvals, budgets, enrolments, familiar, freezes,
    grants, handles, humans, integrity, labels, leases, logins, observations, policies, repeats, runs,
    secrets, seniority, servers, subjects, tasks, tools,
};

use crate::bed::Bed;
use crate::make;
use crate::on_both;

on_both! {
    every_column_of_every_granting_table_is_covered
    an_old_row_put_back_is_noticed
    a_removed_freeze_or_policy_is_noticed
    another_row_key_opens_nothing
    a_moved_head_and_a_cut_ledger_are_noticed
    a_changed_record_column_or_index_is_noticed
}

const TABLES: [&str; 25] = [
    "agents",
    "humans",
    "servers",
    "tools",
    "tasks",
    "runs",
    "labels",
    "budgets",
    "approvals",
    "grants",
    "freezes",
    "policies",
    "logins",
    "oauth_clients",
    "handles",
    "seniority",
    "subjects",
    "secrets",
    "secret_versions",
    "leases",
    "lease_values",
    "enrolments",
    "repeats",
    "observations",
    "familiar",
];

/// One row in every table that grants.
fn fill(store: &Store) -> remit_core::task::Task {
    let task = make::task(1, None);
    let (opened, run) = (task.clone(), make::run_of(&task, b"token"));
    let (approval, grant) = (make::approval(&task, 9), make::grant(&task, 3));
    store
        .append_blocking(make::record("fill"), move |tx| {
            agents::add(tx, &agent())?;
            let roles = BTreeSet::from([Role::Approver]);
            humans::add(
                tx,
                &Human {
                    name: make::name("alice"),
                    kind: remit_core::people::Kind::Human,
                    authority: None,
                    roles,
                    standing: Standing::Suspended,
                },
            )?;
            servers::add(tx, &server())?;
            tools::add(tx, &tool())?;
            tasks::open(tx, &opened)?;
            runs::add(tx, &run)?;
            labels::add(tx, opened.run, &Labels::from([Label::Secret]))?;
            budgets::reserve(tx, opened.id, &remit_core::authority::Budget::Calls, 3, 5)?;
            approvals::open(tx, &approval, make::CARD)?;
            grants::add(tx, &grant)?;
            freezes::place(tx, &freeze())?;
            logins::keep(tx, &login(), None)?;
            logins::keep_client(tx, "https://as.example", "http://127.0.0.1:1/x", b"sealed client")?;
            observations::begin(tx, &observation())?;
            familiar::add(tx, &make::name("coder"), "tool fs/read_file")?;
            handles::add(tx, &handle())?;
            seniority::attribute(tx, &make::name("alice"), &make::name("bob"))?;
            seniority::confirm(tx, &make::name("alice"), &make::name("carol"))?;
            subjects::bind(tx, Digest::of(b"subject"), &make::name("alice"))?;
            secrets::add(tx, &secret())?;
            secrets::add_version(tx, &secret_version())?;
            leases::plan(tx, &lease(&opened))?;
            leases::keep_value(tx, lease(&opened).id, b"sealed")?;
            repeats::settle(tx, opened.id, Digest::of(b"request"), 0)?;
            policies::apply(tx, 0, "v1", b"bundle", &make::name("alice")).map(drop)?;
            enrolments::add(tx, &make::enrolment(b"enrol"))
        })
        .unwrap();
    task
}

fn handle() -> handles::Handle {
    handles::Handle {
        digest: Digest::of(b"secret"),
        kind: handles::Kind::Session,
        owner: "alice".to_owned(),
        state: handles::State::Revoked,
        expires_at: Timestamp(9_000),
        detail: remit_core::json::Object::new(),
    }
}

fn secret() -> secrets::Secret {
    secrets::Secret {
        name: make::name("erp-key"),
        system: Some(make::name("erp")),
        account: Some("reader".to_owned()),
        source: "vault".to_owned(),
        version: 1,
        retired: false,
    }
}

fn secret_version() -> secrets::SecretVersion {
    secrets::SecretVersion {
        secret: make::name("erp-key"),
        version: 1,
        wrapped: vec![1, 2, 3],
        sealed: vec![4, 5, 6],
        made_at: Timestamp(1_000),
        until: Some(Timestamp(9_000)),
    }
}

fn lease(task: &remit_core::task::Task) -> Lease {
    Lease {
        id: LeaseId::fresh(Timestamp(1_000), &SeededEntropy::new(77)).unwrap(),
        task: task.id,
        run: task.run,
        system: make::name("erp"),
        backend: make::name("postgresql"),
        handle: "remit_x".to_owned(),
        class: LeaseClass::R1,
        state: LeaseState::Live,
        planned_at: Timestamp(1_000),
        ended_at: Some(Timestamp(2_000)),
        expires_at: Timestamp(9_000),
    }
}

fn agent() -> Agent {
    Agent {
        name: make::name("coder"),
        owner: make::name("alice"),
        backup_owner: Some(make::name("bob")),
        purpose: "code".to_owned(),
        ceiling: make::authority(),
        standing: Standing::Suspended,
    }
}

fn server() -> Server {
    let entropy = make::entropy(5);
    Server {
        name: make::name("pay"),
        id: remit_core::id::ServerId::fresh(Timestamp(1), &entropy).unwrap(),
        transport: Transport::Command(vec!["pay-server".to_owned()]),
        allow_private: false,
        shareable: true,
        uncontained: false,
        environment: vec![("MODE".to_owned(), "test".to_owned())],
        cwd: Some("/srv/pay".to_owned()),
        identity: Some(Digest::of(b"server")),
        retired: false,
    }
}

fn tool() -> RegisteredTool {
    let classification = Classification {
        class: ToolClass::Transfer,
        marks: Marks {
            irreversible: true,
            mints: false,
        },
        arguments: Vec::new(),
        labels: Labels::from([Label::Confidential]),
        because: "a person said so".to_owned(),
    };
    let tool = Tool {
        name: "pay/send".parse().unwrap(),
        fingerprint: Digest::of(b"tool"),
        state: ToolState::Quarantined,
        classification,
    };
    RegisteredTool {
        tool,
        admitted: Some(Digest::of(b"older")),
    }
}

fn login() -> logins::Login {
    logins::Login {
        server: make::name("pay"),
        owner: make::name("alice"),
        issuer: "https://as.example".to_owned(),
        sealed: b"sealed tokens".to_vec(),
        state: logins::LoginState::Over,
    }
}

fn observation() -> Observation {
    Observation {
        class: ToolClass::Read,
        since: Timestamp(1_000),
        until: Timestamp(9_000_000),
        asked_by: make::name("alice"),
        ended: false,
    }
}

fn freeze() -> Freeze {
    Freeze {
        resource: "db:prod".parse().unwrap(),
        until: Timestamp(9_000_000),
        placed_by: make::name("alice"),
        why: "release".to_owned(),
        lifted: false,
    }
}

/// Uses every table as the product does. `Ok(n)` = n rows that would have counted.
fn use_table(conn: &mut Conn, table: &str, task: &remit_core::task::Task) -> Result<usize, StoreError> {
    Ok(match table {
        "agents" => agents::list(conn)?.len(),
        "humans" => humans::list(conn)?.len(),
        "servers" => servers::list(conn)?.len(),
        "tools" => tools::list(conn)?.len(),
        "tasks" => tasks::list(conn, &tasks::Filter::default(), 10)?.len(),
        "runs" => runs::of_task(conn, task.id)?.len() + usize::from(runs::get(conn, task.run)?.is_some()),
        "labels" => labels::get(conn, task.run)?.len(),
        "approvals" => {
            approvals::of_task(conn, task.id, remit_core::approval::ApprovalState::Approved)?.len()
        }
        "grants" => grants::of_task(conn, task.id)?.len() + grants::list(conn, 10)?.len(),
        "freezes" => freezes::on(conn, Timestamp(2_000))?.len(),
        "logins" => logins::list(conn)?.len(),
        "oauth_clients" => {
            usize::from(logins::client(conn, "https://as.example", "http://127.0.0.1:1/x")?.is_some())
        }
        "handles" => {
            usize::from(handles::get(conn, handles::Kind::Session, Digest::of(b"secret"))?.is_some())
                + handles::of_owner(conn, "alice")?.len()
        }
        "seniority" => usize::from(seniority::get(conn, &make::name("alice"))?.is_some()),
        "subjects" => {
            usize::from(subjects::get(conn, Digest::of(b"subject"))?.is_some())
                + usize::from(subjects::has(conn, &make::name("alice"))?)
        }
        "secrets" => secrets::list(conn)?.len(),
        "secret_versions" => secrets::versions(conn, &make::name("erp-key"))?.len(),
        "leases" => leases::open(conn)?.len() + leases::of_task(conn, task.id)?.len(),
        "lease_values" => {
            let of_task = leases::of_task(conn, task.id)?;
            let kept = of_task
                .first()
                .map(|lease| leases::value(conn, lease.id))
                .transpose()?;
            usize::from(kept.flatten().is_some())
        }
        "enrolments" => usize::from(enrolments::get(conn, Digest::of(b"enrol"))?.is_some()),
        "observations" => observations::list(conn)?.len(),
        "repeats" => usize::try_from(repeats::settled(conn, task.id, Digest::of(b"request"))?).unwrap(),
        "familiar" => familiar::of(conn, &make::name("coder"))?.len(),
        "policies" => usize::from(policies::in_force(conn)?.is_some()),
        _ => 0,
    })
}

fn columns(bed: &Bed, table: &str) -> Vec<(String, String)> {
    match &bed.location {
        Location::Sqlite(path) => {
            let conn = rusqlite::Connection::open(path).unwrap();
            let mut statement = conn.prepare(&format!("PRAGMA table_info({table})")).unwrap();
            let rows = statement
                .query_map([], |row| Ok((row.get(1)?, row.get(2)?)))
                .unwrap();
            rows.map(Result::unwrap).collect()
        }
        Location::Postgres(url) => {
            let mut client = postgres::Client::connect(url, postgres::NoTls).unwrap();
            let rows = client
                .query(
                    "SELECT column_name::text, data_type::text FROM information_schema.columns WHERE table_name = $1",
                    &[&table],
                )
                .unwrap();
            rows.iter().map(|row| (row.get(0), row.get(1))).collect()
        }
    }
}

fn every_column_of_every_granting_table_is_covered(bed: &Bed) {
    let store = bed.open();
    let task = fill(&store);
    let clean = store.read_blocking(integrity::check_rows).unwrap();
    assert!(clean.is_empty(), "{clean:?}");
    let mut tried = 0;
    for table in TABLES {
        bed.tamper(&format!("CREATE TABLE keep_{table} AS SELECT * FROM {table}"));
        let before = {
            let task = task.clone();
            store
                .read_blocking(move |conn| use_table(conn, table, &task))
                .unwrap()
        };
        assert!(
            before > 0 || table == "budgets",
            "{table} is not used by this test"
        );
        for (column, kind) in columns(bed, table) {
            let other = match kind.to_lowercase().as_str() {
                "integer" | "bigint" => format!("{column} + 1"),
                "text" => format!("coalesce({column}, '') || 'x'"),
                "blob" => "X'00'".to_owned(),
                "bytea" => "'\\x00'::bytea".to_owned(),
                other => panic!("{table}.{column} has the type {other}"),
            };
            // An empty column may be filled, a full one emptied or changed.
            let old = format!("(SELECT k.{column} FROM keep_{table} k)");
            let other = if matches!(kind.to_lowercase().as_str(), "integer" | "bigint") {
                format!("coalesce({other}, 1)")
            } else {
                other
            };
            bed.tamper(&format!("UPDATE {table} SET {column} = {other}"));
            let found = store.read_blocking(integrity::check_rows).unwrap();
            let named = found
                .iter()
                .any(|error| matches!(error, StoreError::Tampered { table: found, .. } if *found == table));
            assert!(
                named,
                "{table}.{column} was changed and nobody noticed: {found:?}"
            );
            let task = task.clone();
            match store.read_blocking(move |conn| use_table(conn, table, &task)) {
                Err(StoreError::Tampered { table: found, .. }) => assert_eq!(found, table),
                Ok(rows) => assert!(
                    rows < before || table == "budgets",
                    "{table}.{column} was used as changed"
                ),
                Err(other) => panic!("{table}.{column}: {other}"),
            }
            bed.tamper(&format!("UPDATE {table} SET {column} = {old}"));
            tried += 1;
        }
        bed.tamper(&format!("DROP TABLE keep_{table}"));
    }
    assert!(tried >= 100, "{tried}");
    let clean = store.read_blocking(integrity::check_rows).unwrap();
    assert!(clean.is_empty(), "the test did not clean up: {clean:?}");
}

fn an_old_row_put_back_is_noticed(bed: &Bed) {
    let store = bed.open();
    let task = fill(&store).id;
    bed.tamper("CREATE TABLE keep AS SELECT * FROM tasks");
    store
        .append_blocking(make::record("task_end"), move |tx| {
            tasks::end(tx, task, remit_core::task::Ending::Revoked)
        })
        .unwrap();
    bed.tamper("DELETE FROM tasks");
    bed.tamper("INSERT INTO tasks SELECT * FROM keep");
    let read = store.read_blocking(move |conn| tasks::get(conn, task));
    assert!(
        matches!(read, Err(StoreError::Tampered { table: "tasks", .. })),
        "{read:?}"
    );
    // The writer remembers the end, whatever the row says.
    let decided = store.append_blocking(make::record("decision"), move |tx| tx.expect_task(task, 1));
    assert!(decided.is_err());
    // Even with the mark of the later change gone, the sum over the table tells.
    bed.tamper("DELETE FROM record_keys WHERE key LIKE 'row/tasks/%' AND seq > 0");
    let read = store.read_blocking(move |conn| tasks::get(conn, task));
    assert!(
        read.is_ok(),
        "single rows cannot tell any more, so this test is about the sum"
    );
    let found = store.read_blocking(integrity::check_rows).unwrap();
    assert!(
        found
            .iter()
            .any(|error| matches!(error, StoreError::Tampered { table: "tasks", key, .. } if key == "*")),
        "{found:?}"
    );
}

fn a_removed_freeze_or_policy_is_noticed(bed: &Bed) {
    let store = bed.open();
    fill(&store);
    let by = make::name("alice");
    store
        .append_blocking(make::record("policy"), move |tx| {
            policies::apply(tx, 1, "v2", b"b", &by)
        })
        .unwrap();
    bed.tamper("DELETE FROM freezes");
    let read = store.read_blocking(|conn| freezes::on(conn, Timestamp(2_000)));
    assert!(
        matches!(read, Err(StoreError::Tampered { table: "freezes", .. })),
        "{read:?}"
    );
    bed.tamper("DELETE FROM policies WHERE number = 2");
    let read = store.read_blocking(policies::in_force);
    assert!(
        matches!(
            read,
            Err(StoreError::Tampered {
                table: "policies",
                ..
            })
        ),
        "{read:?}"
    );
    drop(store);
    assert!(matches!(
        bed.try_open(),
        Err(OpenError::Store(StoreError::Tampered { .. }))
    ));
}

fn another_row_key_opens_nothing(bed: &Bed) {
    fill(&bed.open());
    let opened = Store::open(remit_store::Options {
        location: bed.location.clone(),
        row_key: remit_store::RowKey::new(&[8; 32]),
        clock: bed.clock.clone(),
    });
    assert!(matches!(
        opened,
        Err(OpenError::Store(StoreError::Tampered { table: "head", .. }))
    ));
    drop(bed.open());
}

fn a_moved_head_and_a_cut_ledger_are_noticed(bed: &Bed) {
    let store = bed.open();
    fill(&store);
    store.append_blocking(make::record("note"), |_| Ok(())).unwrap();
    drop(store);
    bed.tamper("CREATE TABLE keep AS SELECT * FROM records");
    bed.tamper("DELETE FROM records WHERE seq = 1");
    assert!(matches!(
        bed.try_open(),
        Err(OpenError::Store(StoreError::Tampered { table: "records", .. }))
    ));
    bed.tamper("INSERT INTO records SELECT * FROM keep WHERE seq = 1");
    bed.tamper("UPDATE head SET kill_epoch = 5");
    assert!(matches!(
        bed.try_open(),
        Err(OpenError::Store(StoreError::Tampered { table: "head", .. }))
    ));
    bed.tamper("UPDATE head SET kill_epoch = 0");
    let store = bed.open();
    // Moved while we run: the next append stops the store instead of building on it.
    bed.tamper("UPDATE head SET size = size + 1");
    assert!(store.append_blocking(make::record("note"), |_| Ok(())).is_err());
    let stopped = store.append_blocking(make::record("note"), |_| Ok(()));
    assert!(
        matches!(stopped, Err(remit_store::AppendError::Unavailable(_))),
        "{stopped:?}"
    );
}

fn a_changed_record_column_or_index_is_noticed(bed: &Bed) {
    let store = bed.open();
    let mut record = make::record("decision");
    record.task = Some("task_x".to_owned());
    record.resource = Some("fs:/srv/a".to_owned());
    store.append_blocking(record, |_| Ok(())).unwrap();
    store.sequence_blocking().unwrap();
    let check = || store.read_blocking(|conn| remit_store::records::check(conn, 0));
    check().unwrap();
    for (change, back) in [
        (
            "UPDATE records SET time = time + 1",
            "UPDATE records SET time = time - 1",
        ),
        (
            "UPDATE records SET kind = 'note'",
            "UPDATE records SET kind = 'decision'",
        ),
        (
            "UPDATE record_keys SET key = 'task/task_y' WHERE key = 'task/task_x'",
            "UPDATE record_keys SET key = 'task/task_x' WHERE key = 'task/task_y'",
        ),
        (
            "DELETE FROM record_keys WHERE key = 'touch/fs:srv/a/'",
            "INSERT INTO record_keys (key, seq) VALUES ('touch/fs:srv/a/', 0)",
        ),
    ] {
        bed.tamper(change);
        assert!(
            matches!(check(), Err(StoreError::Tampered { table: "records", .. })),
            "{change}"
        );
        bed.tamper(back);
        check().unwrap();
    }
}
