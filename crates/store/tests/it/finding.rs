//! Finding records and calls: before and after the index has caught up, below a resource, at a time.

use remit_core::id::{CallId, DecisionId};
use remit_core::resource::Resource;
use remit_core::time::Timestamp;
use remit_store::calls::{CallState, NewCall};
use remit_store::records::{Key, RESOURCES};
use remit_store::{AppendError, Conn, Refused, Store, StoreError, calls, records, runs, tasks};

use crate::bed::Bed;
use crate::make;
use crate::on_both;

on_both! {
    records_are_found_by_what_they_are_about
    the_records_of_a_run_are_found_through_its_task
    a_resource_last_touched_long_ago_is_found
    a_moment_is_found_by_its_time
    calls_are_found_while_they_matter
    a_call_has_one_final_state
    a_stored_call_that_was_changed_is_not_executed
}

fn touch(store: &Store, task: &str, resource: &str, more: &[&str]) {
    let mut record = make::record("decision");
    record.task = Some(task.to_owned());
    record.resource = Some(resource.to_owned());
    if !more.is_empty() {
        let list: remit_core::json::Value = more.iter().copied().collect();
        record.detail.insert(RESOURCES, list);
    }
    store.append_blocking(record, |_| Ok(())).unwrap();
}

fn places(found: Result<Vec<records::StoredRecord>, StoreError>) -> Vec<u64> {
    found.unwrap().iter().map(|record| record.seq).collect()
}

fn records_are_found_by_what_they_are_about(bed: &Bed) {
    let store = bed.open();
    touch(&store, "task_a", "fs:/srv/repo/a.txt", &[]);
    touch(
        &store,
        "task_b",
        "fs:/srv/repository",
        &["fs:/srv/repo/b.txt", "fs:/srv/repo/c.txt"],
    );
    store.sequence_blocking().unwrap();
    touch(&store, "task_a", "db:app/orders", &["fs:srv/repo"]);
    let look = || {
        let about = |key: fn(&mut Conn) -> Result<Vec<records::StoredRecord>, StoreError>| {
            places(store.read_blocking(key))
        };
        assert_eq!(about(|c| records::about(c, &Key::Task("task_a"), 0, 10)), [0, 2]);
        assert_eq!(about(|c| records::about(c, &Key::Task("task_a"), 1, 10)), [2]);
        assert_eq!(
            about(|c| records::about(c, &Key::Task("task_"), 0, 10)),
            [0_u64; 0]
        );
        assert_eq!(about(|c| records::latest(c, &Key::Task("task_a"), 9, 1)), [2]);
        let below = |resource: &str, before, limit| {
            let resource: Resource = resource.parse().unwrap();
            let found =
                store.read_blocking(move |c| records::latest(c, &Key::Resource(&resource), before, limit));
            places(found)
        };
        assert_eq!(below("fs:/srv/repo", 9, 10), [2, 1, 0]);
        assert_eq!(below("fs:/srv/repo", 2, 10), [1, 0]);
        assert_eq!(below("fs:/srv/repo", 9, 2), [2, 1]);
        assert_eq!(below("fs:/srv/repo/a.txt", 9, 10), [0]);
        assert_eq!(below("fs:", 9, 10), [2, 1, 0]);
        assert_eq!(below("db:app", 9, 10), [2]);
        assert_eq!(below("db:ap", 9, 10), [0_u64; 0]);
    };
    look();
    store.sequence_blocking().unwrap();
    look();
}

fn a_resource_last_touched_long_ago_is_found(bed: &Bed) {
    let store = bed.open();
    touch(&store, "task_a", "fs:/srv/old", &[]);
    for _ in 0..1_100 {
        touch(&store, "task_b", "fs:/srv/new", &[]);
    }
    store.sequence_blocking().unwrap();
    touch(&store, "task_b", "fs:/srv/old/part", &[]);
    let latest = |resource: &str, before, limit| {
        let resource: Resource = resource.parse().unwrap();
        places(store.read_blocking(move |c| records::latest(c, &Key::Resource(&resource), before, limit)))
    };
    assert_eq!(latest("fs:/srv/old", u64::MAX, 10), [1_101, 0]);
    assert_eq!(latest("fs:/srv/old", 1_101, 10), [0]);
    assert_eq!(latest("fs:/srv/new", u64::MAX, 2), [1_100, 1_099]);
    assert_eq!(latest("fs:/srv/new", u64::MAX, 2_000).len(), 1_100);
    let resource: Resource = "fs:/srv".parse().unwrap();
    let about = store.read_blocking(move |c| records::about(c, &Key::Resource(&resource), 1_099, 10));
    assert_eq!(places(about), [1_099, 1_100, 1_101]);
}

fn the_records_of_a_run_are_found_through_its_task(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    let run = task.run.to_string();
    for mine in [true, false, true] {
        let mut record = make::record("decision");
        record.task = Some(task.id.to_string());
        record.run = mine.then(|| run.clone());
        store.append_blocking(record, |_| Ok(())).unwrap();
    }
    let mut homeless = make::record("token_refused");
    homeless.run = Some("run_unknown".to_owned());
    store.append_blocking(homeless, |_| Ok(())).unwrap();
    let look = |run: &str, from: u64| {
        let run = run.to_owned();
        store
            .read_blocking(move |conn| {
                let key = Key::Run(&run);
                let places =
                    |found: Vec<records::StoredRecord>| found.iter().map(|r| r.seq).collect::<Vec<_>>();
                let forwards = records::about(conn, &key, from, 10)?;
                Ok::<_, StoreError>((places(forwards), places(records::latest(conn, &key, 9, 1)?)))
            })
            .unwrap()
    };
    assert_eq!(look(&run, 0), (vec![1, 3], vec![3]));
    assert_eq!(look(&run, 2), (vec![3], vec![3]));
    assert_eq!(look("run_unknown", 0), (vec![4], vec![4]));
}

fn a_moment_is_found_by_its_time(bed: &Bed) {
    let store = bed.open();
    for _ in 0..10 {
        store.append_blocking(make::record("note"), |_| Ok(())).unwrap();
        bed.clock.advance_ms(10);
    }
    let after = |time| {
        store
            .read_blocking(move |conn| records::place_after(conn, Timestamp(time)))
            .unwrap()
    };
    assert_eq!(after(999), 0);
    assert_eq!(after(1_000), 1);
    assert_eq!(after(1_055), 6);
    assert_eq!(after(9_999), 10);
}

fn new_call(task: &remit_core::task::Task, seed: u64, held: bool) -> NewCall {
    let entropy = make::entropy(seed);
    NewCall {
        id: CallId::fresh(Timestamp(1_000), &entropy).unwrap(),
        task: task.id,
        run: task.run,
        decision: DecisionId::fresh(Timestamp(1_000), &entropy).unwrap(),
        digest: make::call().digest(),
        reference: None,
        state: if held { CallState::Held } else { CallState::Open },
        call: held.then(make::call),
        body: Some(b"sealed".to_vec()),
    }
}

fn open_task(store: &Store) -> remit_core::task::Task {
    let task = make::task(1, None);
    let (opened, run) = (task.clone(), make::run_of(&task, b"token"));
    store
        .append_blocking(make::record("task_open"), move |tx| {
            tasks::open(tx, &opened)?;
            runs::add(tx, &run)
        })
        .unwrap();
    task
}

fn calls_are_found_while_they_matter(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    let (plain, held) = (new_call(&task, 2, false), new_call(&task, 3, true));
    for call in [&plain, &held] {
        let call = call.clone();
        store
            .append_blocking(make::record("decision"), move |tx| calls::add(tx, &call))
            .unwrap();
    }
    let (id, run, digest) = (task.id, task.run, plain.digest);
    let found = || {
        let ids = |list: Vec<calls::StoredCall>| list.into_iter().map(|call| call.id).collect::<Vec<_>>();
        let lists = store.read_blocking(move |conn| {
            Ok::<_, StoreError>([
                calls::with_digest(conn, run, digest, 10)?,
                calls::open_of(conn, id)?,
                calls::held_of(conn, id)?,
                calls::unfinished(conn, 10)?,
            ])
        });
        lists.unwrap().map(ids)
    };
    assert_eq!(
        found(),
        [
            vec![held.id, plain.id],
            vec![plain.id],
            vec![held.id],
            vec![plain.id]
        ]
    );
    for call in [plain.id, held.id] {
        let finish = move |tx: &mut remit_store::Tx<'_>| calls::finish(tx, call, CallState::Done);
        store.append_blocking(make::record("outcome"), finish).unwrap();
    }
    // Polling is no retry: only the call that was held is found again, for the agent that redeems it late.
    assert_eq!(found(), [vec![held.id], vec![], vec![], vec![]]);
}

fn a_call_has_one_final_state(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    let call = new_call(&task, 2, true);
    let (id, decision, added) = (call.id, call.decision, call);
    store
        .append_blocking(make::record("decision"), move |tx| calls::add(tx, &added))
        .unwrap();
    let release = || {
        store.append_blocking(make::record("decision"), move |tx| {
            calls::release(tx, id, decision)
        })
    };
    let finish = |state| {
        store
            .append_blocking(make::record("outcome"), move |tx| calls::finish(tx, id, state))
            .map(drop)
    };
    release().unwrap();
    assert!(matches!(
        release(),
        Err(AppendError::Refused(Refused::Stale { .. }))
    ));
    finish(CallState::Done).unwrap();
    assert!(matches!(
        finish(CallState::Failed),
        Err(AppendError::Refused(Refused::Stale { .. }))
    ));
    let stored = store
        .read_blocking(move |conn| calls::get(conn, id))
        .unwrap()
        .unwrap();
    assert_eq!(
        (stored.state, stored.decided, stored.finished),
        (CallState::Done, 2, Some(3))
    );
    assert_eq!(stored.call, Some(make::call()));
    assert_eq!(stored.body.as_deref(), Some(&b"sealed"[..]));
}

fn a_stored_call_that_was_changed_is_not_executed(bed: &Bed) {
    let store = bed.open();
    let task = open_task(&store);
    let call = new_call(&task, 2, true);
    let (id, added) = (call.id, call);
    store
        .append_blocking(make::record("decision"), move |tx| calls::add(tx, &added))
        .unwrap();
    let mut other = make::call();
    other.arguments.insert("amount", 6);
    let text = remit_store::codec::call_to_json(&other)
        .to_string()
        .replace('\'', "''");
    let literal = match &bed.location {
        remit_store::Location::Sqlite(_) => format!("CAST('{text}' AS BLOB)"),
        remit_store::Location::Postgres(_) => format!("convert_to('{text}', 'UTF8')"),
    };
    bed.tamper(&format!("UPDATE calls SET call = {literal}"));
    let read = store.read_blocking(move |conn| calls::get(conn, id));
    assert!(
        matches!(read, Err(StoreError::Tampered { table: "calls", .. })),
        "{read:?}"
    );
}
